/*
 * The intake: a thread that accepts connections, reads requests, answers
 * all but GETs of streams, and hands those over as arrivals.
 *
 * It never waits for one peer: connections are read as far as their bytes go, side
 * by side, each with a deadline for the whole of its request.
 */
#ifndef PEAL_INTAKE_H
#define PEAL_INTAKE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "arena/store.h"
#include "server/mailbox.h"
#include "server/options.h"

struct intake;

/* An idle connection that is handed back, to be kept for its next request. */
struct intake_return {
	struct letter letter;
	int fd;
};

/*
 * Start the thread.  listen_fd is set to be non-blocking and stays the caller's;
 * options are only read, but for the keys, which the thread reads again when
 * told to.  arrivals gets struct subscriber letters.
 *
 * Returns 0 or -errno.
 */
int intake_start(struct intake **in, int listen_fd, struct options *options,
    struct store *store, struct mailbox *arrivals);

/* Any thread: give a connection back. */
void intake_give(struct intake *in, int fd);

/* Any thread: read the key file again. */
void intake_reload(struct intake *in);

/*
 * Stop accepting, let requests that are whole be answered, give the others a
 * moment, end the thread, and free it.
 */
void intake_stop(struct intake *in);

#endif
