/*
 * The supervisor: holds the listening socket and keeps N workers running.
 */
#ifndef PEAL_SUPERVISOR_H
#define PEAL_SUPERVISOR_H

#include "server/options.h"

/*
 * Run workers until SIGTERM or SIGINT, which they get too; SIGHUP is passed on.  One
 * that dies is replaced, later and later if it does not live long.
 *
 * Returns the exit status, 0.  Each worker is a child that runs worker_run() and
 * ends with the supervisor.
 */
int supervisor_run(struct options *options, int listen_fd, unsigned workers);

#endif
