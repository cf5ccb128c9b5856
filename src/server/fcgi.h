/*
 * FastCGI replies through libfcgi.  The only module that includes fcgiapp.h.
 *
 * libfcgi reads nothing that a peer has sent: requests are read by
 * wire/fcgi_record.h.  An FCGX stream writes every reply and every event.
 *
 * An FCGX writer belongs to an FCGX_Request, and FCGX_CreateWriter leaks 96 bytes at
 * each call (2.4.2: FCGX_FreeStream forgets the request it made).  So one request
 * writes for all connections of the process: its public field ipcFd says where
 * the next flush goes.  Once libfcgi has written the end of a request, its stream
 * passes bytes on as they are; in this state it is kept, and the records come from
 * fcgi_record_stdout() and fcgi_record_end().  So a reply, its end and the end of
 * its request leave in one write(2) of up to 8192 bytes, larger ones in several.
 * A stream that waits costs nothing here.
 *
 * Descriptors are blocking; whoever writes has seen POLLOUT before (connection.h).
 */
#ifndef PEAL_FCGI_H
#define PEAL_FCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct fcgi;

/* Once in a process: libfcgi's own set-up and its signals. */
void fcgi_init_library(void);

/*
 * Returns NULL when memory or descriptors ran out, or when this libfcgi does not
 * pass bytes on as described.
 */
struct fcgi *fcgi_new(void);
void fcgi_free(struct fcgi *f);

/* Bytes of STDOUT that one fcgi_write() takes, and what it adds to them. */
#define FCGI_WRITE_MAX 57344
#define FCGI_WRITE_ADDS 32

/* A part of a response. */
struct fcgi_part {
	uint16_t id; /* of the request */
	bool end;    /* the last: followed by the end of the request */
	struct span head;
	struct span body; /* with head at most FCGI_WRITE_MAX bytes */
};

/*
 * Write a part of a response to fd, which takes it without blocking.
 *
 * Returns 0, or -EPIPE: what of it has arrived is unknown.
 */
int fcgi_write(struct fcgi *f, int fd, const struct fcgi_part *part);

#endif
