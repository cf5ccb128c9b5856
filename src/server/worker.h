/*
 * A worker: one thread, one loop over the listening socket, connections, streams and
 * the news of other workers.
 */
#ifndef PEAL_WORKER_H
#define PEAL_WORKER_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/options.h"

/*
 * Block the signals that a worker takes in its own time: SIGTERM and SIGINT
 * end it, SIGHUP makes it read the key file again.
 */
void worker_block_signals(void);

/*
 * Serve requests from a listening socket until SIGTERM or SIGINT; then every
 * stream gets its last trailer, and it returns well within two seconds.
 *
 * ready, unless NULL, is set to 1 once it serves.
 *
 * Returns the exit status: 0, or EX_CONFIG with a line in the log.
 */
int worker_run(struct options *options, int listen_fd, _Atomic uint32_t *ready);

#endif
