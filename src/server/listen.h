/*
 * The listening socket: found on descriptor 0, handed over, or made.
 */
#ifndef PEAL_LISTEN_H
#define PEAL_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "server/options.h"

struct listen {
	int fd;
	char *path; /* a unix socket that we made, to be removed; or NULL */
};

/*
 * Find or make the socket that options ask for: --listen (a path, HOST:PORT or
 * fd:N), else the first of systemd's LISTEN_FDS, else descriptor 0.
 *
 * A unix socket that nobody listens on any more is replaced; one that is in
 * use, and any other file, is left alone.  An address in use is tried for two and a
 * half seconds, since workers of a killed supervisor may still hold it.
 *
 * Returns 0, or with why holding one line:
 *   -EINVAL  descriptor 0 or N is no listening socket
 *   other -errno from the system
 */
int listen_open(struct listen *l, const struct options *options,
    struct buf *why);

/* Close the socket, and remove the path if we made it. */
void listen_close(struct listen *l);

#endif
