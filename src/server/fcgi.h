/*
 * FastCGI: FastCGI by libfcgi.  The only module that includes fcgiapp.h.
 *
 * Reading.  A request is collected whole (record.h) and written to a memory file,
 * from which FCGX_Accept_r reads it: libfcgi never waits for a peer.
 *
 * Writing.  An FCGX writer belongs to an FCGX_Request, and FCGX_CreateWriter
 * leaks 96 bytes at each call (2.4.2: FCGX_FreeStream forgets the request it
 * made).  So there is one request that carries the writing for all streams of a
 * thread: its public fields ipcFd and requestId say where the next flush goes.  A
 * new one takes 0.7 µs, and is wanted after an error or the end of a stream.
 * A waiting stream thus costs of FastCGI just its descriptor and request id.
 *
 * All functions belong to the thread that made the fcgi.  Descriptors are
 * blocking; whoever writes has seen POLLOUT before.
 */
#ifndef PEAL_FCGI_H
#define PEAL_FCGI_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* Where a request came from, and where its answer goes. */
struct fcgi_peer {
	int fd;
	uint16_t id;
	bool keep;    /* FCGI_KEEP_CONN: the connection outlives the answer */
	bool is_read; /* it has read what was written before, or nearly all */
};

struct fcgi;

/* Once in a process, before threads: libfcgi's own set-up and its signals. */
void fcgi_init_library(void);

/* Returns NULL when memory or descriptors ran out. */
struct fcgi *fcgi_new(void);
void fcgi_free(struct fcgi *g);

/*
 * Read a request that fcgi_record_look() found whole; variables is how many bytes of
 * it are PARAMS.  They can then be looked up and its body read, until fcgi_reply()
 * or fcgi_park().
 *
 * Returns 0, or -EPROTO when libfcgi does not take it, or -ENOMEM or another
 * -errno.
 */
int fcgi_read(struct fcgi *g, struct span records, size_t variables);

/* A variable of the request, or NULL.  Fits request_look: context is the fcgi. */
const char *fcgi_look(const void *fcgi, const char *name);

/*
 * Append the request's body to out.
 *
 * Returns 0, -ENOMEM, or -EPROTO.
 */
int fcgi_read_body(struct fcgi *g, struct buf *out);

/*
 * Answer the request and end it: the reply's head and body, the end of STDOUT,
 * and FCGI_END_REQUEST.  The descriptor stays open.
 *
 * A peer that does not read must not hold up the thread: where the socket may not
 * hold the answer, nothing is written, and its bytes as they go on the wire are
 * appended to later.
 *
 * Returns 0, or -EPIPE when the peer did not take it.
 */
int fcgi_reply(struct fcgi *g, const struct fcgi_peer *peer, struct span head,
    struct span body, struct buf *later);

/*
 * Let go of the request unanswered: its peer is a stream from here on, and may be
 * handed to another thread.
 */
void fcgi_park(struct fcgi *g, const struct fcgi_peer *peer);

/*
 * Write to a parked stream: one flush, one write(2) for up to 8184 bytes.
 *
 * Returns 0, or -EPIPE: the stream is dead.
 */
int fcgi_write(struct fcgi *g, const struct fcgi_peer *peer, struct span bytes);

/* Write the last bytes of a parked stream and its end records, in one flush. */
int fcgi_end(struct fcgi *g, const struct fcgi_peer *peer, struct span bytes);

#endif
