/*
 * A FastCGI request as it arrives in pieces: is it whole, and is it sound?
 *
 * libfcgi reads blockingly, and some bytes make it abort the process (a PARAMS
 * length near 2^31, FCGI_GET_VALUES with several names).  So the records of a
 * request are collected and looked at first, and handed to it only when nothing
 * is missing and nothing is wrong.  Pure: bytes in, verdict out.
 * Source: FastCGI Specification 1.0, sections 3 and 5.
 */
#ifndef PEAL_RECORD_H
#define PEAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* The variables of one request, in bytes. */
#define RECORD_PARAMS_MAX 65536

/*
 * Bytes kept for one request, records and padding and all, beside its body: more
 * than variables take, and far less than a peer could make of tiny records.
 */
#define RECORD_KEPT_MAX (1024 * 1024)

/* A record on the wire: header, content, padding. */
#define RECORD_HEADER 8
#define RECORD_MAX (RECORD_HEADER + 65535 + 255)

enum record_verdict {
	RECORD_MORE,	/* sound so far; more has to come */
	RECORD_WHOLE,	/* the request is whole */
	RECORD_ABORTED, /* FCGI_ABORT_REQUEST: the peer has lost interest */
	RECORD_UNKNOWN_ROLE, /* not FCGI_RESPONDER */
	RECORD_BROKEN,	     /* not what a web server sends: hang up */
};

struct record_request {
	struct buf bytes; /* the records kept so far, then unread bytes */
	size_t read;	  /* how much of bytes was looked at */
	size_t body_max;  /* keep at most so much of the body */
	size_t body;	  /* bytes of STDIN seen */
	uint64_t params;  /* bytes of PARAMS seen */
	uint16_t id;	  /* 0: FCGI_BEGIN_REQUEST has not come */
	bool keep;	  /* FCGI_KEEP_CONN */
	bool params_done;
	bool too_large; /* the body was larger than body_max, and was cut */
};

void record_init(struct record_request *r, size_t body_max);
void record_fini(struct record_request *r);

/*
 * Look at the bytes that were added to r->bytes since the last call.  After
 * RECORD_WHOLE, record_span() is the request, to be read by libfcgi; what came
 * behind it is kept for record_next().
 *
 * A body that is too large is passed over to its end rather than refused in its
 * midst, so that the peer reads our answer; it is then as good as empty.
 */
enum record_verdict record_look(struct record_request *r);

struct span record_span(const struct record_request *r);

/* Begin the next request of a kept connection with the bytes that are left. */
void record_next(struct record_request *r);

/*
 * Judge bytes that arrive while a request is being answered.
 * Returns true if they are, or begin with, an abort of it or something unsound.
 */
bool record_is_abort(struct span bytes, uint16_t id);

/* FCGI_END_REQUEST with a protocol status, for what libfcgi never sees. */
#define RECORD_END_LEN 16
#define RECORD_STATUS_UNKNOWN_ROLE 3
void record_end(unsigned char out[RECORD_END_LEN], uint16_t id,
    unsigned char protocol_status);

#endif
