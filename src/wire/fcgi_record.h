/*
 * A FastCGI request as it arrives in pieces: is it whole, and is it sound?
 *
 * libfcgi reads blockingly, and some bytes make it abort the process (a PARAMS
 * length near 2^31, FCGI_GET_VALUES with several names).  So the records of a
 * request are collected and looked at first, and handed to it only when nothing
 * is missing and nothing is wrong.  Pure: bytes in, verdict out.
 * Source: FastCGI Specification 1.0, sections 3 and 5.
 */
#ifndef PEAL_FCGI_RECORD_H
#define PEAL_FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* The variables of one request, in bytes. */
#define FCGI_RECORD_PARAMS_MAX 65536

/*
 * Bytes kept for one request, records and padding and all, beside its body: more
 * than variables take, and far less than a peer could make of tiny records.
 */
#define FCGI_RECORD_KEPT_MAX (1024 * 1024)

/* A record on the wire: header, content, padding. */
#define FCGI_RECORD_HEADER 8
#define FCGI_RECORD_MAX (FCGI_RECORD_HEADER + 65535 + 255)

enum fcgi_record_verdict {
	FCGI_RECORD_MORE,    /* sound so far; more has to come */
	FCGI_RECORD_WHOLE,   /* the request is whole */
	FCGI_RECORD_ABORTED, /* FCGI_ABORT_REQUEST: the peer has lost interest */
	FCGI_RECORD_UNKNOWN_ROLE, /* not FCGI_RESPONDER */
	FCGI_RECORD_BROKEN,	  /* not what a web server sends: hang up */
};

struct fcgi_record_request {
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

void fcgi_record_init(struct fcgi_record_request *r, size_t body_max);
void fcgi_record_fini(struct fcgi_record_request *r);

/*
 * Look at the bytes that were added to r->bytes since the last call.  After
 * FCGI_RECORD_WHOLE, fcgi_record_span() is the request, to be read by libfcgi; what came
 * behind it is kept for fcgi_record_next().
 *
 * A body that is too large is passed over to its end rather than refused in its
 * midst, so that the peer reads our answer; it is then as good as empty.
 */
enum fcgi_record_verdict fcgi_record_look(struct fcgi_record_request *r);

struct span fcgi_record_span(const struct fcgi_record_request *r);

/* Begin the next request of a kept connection with the bytes that are left. */
void fcgi_record_next(struct fcgi_record_request *r);

/*
 * Judge bytes that arrive while a request is being answered.
 * Returns true if they are, or begin with, an abort of it or something unsound.
 */
bool fcgi_record_is_abort(struct span bytes, uint16_t id);

/* FCGI_END_REQUEST with a protocol status, for what libfcgi never sees. */
#define FCGI_RECORD_END_LEN 16
#define FCGI_RECORD_STATUS_UNKNOWN_ROLE 3
void fcgi_record_end(unsigned char out[FCGI_RECORD_END_LEN], uint16_t id,
    unsigned char protocol_status);

#endif
