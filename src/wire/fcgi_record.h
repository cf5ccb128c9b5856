/*
 * FastCGI records, read and written.
 *
 * A request arrives in pieces.  One walk over its records gives the verdict on
 * them, the variables, and the body; nothing acts on a request before it is known to
 * be sound.  Pure: bytes in, verdict out.
 *
 * A connection carries one request at a time.  What belongs to the connection and
 * not to that request is answered here: management records, and a second request,
 * which is refused while the first goes on.
 * Source: FastCGI Specification 1.0, sections 3, 4 and 5.
 */
#ifndef PEAL_FCGI_RECORD_H
#define PEAL_FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* The variables of one request: bytes, and how many there are. */
#define FCGI_RECORD_PARAMS_MAX 65536
#define FCGI_RECORD_VARIABLES_MAX 1024

/*
 * Bytes that may wait in to_peer: for some dozens of records, where a web server
 * sends one or two.  A peer that makes it more is broken.
 */
#define FCGI_RECORD_TO_PEER_MAX 4096

/* A record on the wire: header, content, padding. */
#define FCGI_RECORD_HEADER 8
#define FCGI_RECORD_CONTENT_MAX 65535
#define FCGI_RECORD_MAX (FCGI_RECORD_HEADER + FCGI_RECORD_CONTENT_MAX + 255)

enum fcgi_record_verdict {
	FCGI_RECORD_MORE,      /* sound so far; more has to come */
	FCGI_RECORD_VARIABLES, /* the variables are whole; look again for the body */
	FCGI_RECORD_WHOLE,   /* the request is whole */
	FCGI_RECORD_ABORTED, /* FCGI_ABORT_REQUEST: the peer has lost interest */
	FCGI_RECORD_UNKNOWN_ROLE, /* not FCGI_RESPONDER */
	FCGI_RECORD_BROKEN,	  /* not what a web server sends */
	FCGI_RECORD_NO_MEMORY,
};

/* Where a variable lies in the parameters. */
struct fcgi_record_variable {
	uint32_t name;
	uint32_t value;
	uint32_t value_len;
	uint16_t name_len;
	uint16_t next; /* in its bucket, counted from 1; 0: none */
};

#define FCGI_RECORD_BUCKETS 64

struct fcgi_record_request {
	struct buf bytes;  /* received and not read yet */
	struct buf params; /* name-value pairs, as they were sent */
	struct buf body;   /* at most body_max bytes */
	struct buf
	    to_peer; /* whole records to be sent; the caller empties it */
	struct fcgi_record_variable *variables;
	uint32_t variable_count;
	uint32_t variable_room;
	uint16_t buckets[FCGI_RECORD_BUCKETS];
	size_t body_max;
	uint32_t conns_max; /* connections served at a time, to say if asked */
	uint64_t body_len;  /* bytes of STDIN seen */
	uint16_t id;	    /* 0: FCGI_BEGIN_REQUEST has not come */
	bool keep;	    /* FCGI_KEEP_CONN */
	bool params_done;
	bool too_large; /* the body was larger than body_max, and is not kept */
	bool discard;	/* set by the caller: do not keep the body */
};

/* conns_max is 1 afterwards; a caller that serves more sets it. */
void fcgi_record_init(struct fcgi_record_request *r, size_t body_max);
void fcgi_record_fini(struct fcgi_record_request *r);

/*
 * Look at the bytes that were added to r->bytes since the last call.
 *
 * Returns VARIABLES once, when the variables can be looked up; what is then
 * looked up stays valid until fcgi_record_next().  After WHOLE, body is the body,
 * and bytes hold what came behind the request.  With any verdict to_peer may hold
 * records, which the caller sends before anything else.
 *
 * A body that is too large is read to its end and dropped rather than refused in
 * its midst, so that the peer reads our answer.  Nothing comes of a request after a
 * verdict other than MORE, VARIABLES and WHOLE.
 */
enum fcgi_record_verdict fcgi_record_look(struct fcgi_record_request *r);

/*
 * The value of a variable, NUL-terminated, or NULL; the first where it was sent
 * twice.  Fits request_look: context is the struct fcgi_record_request.
 */
const char *fcgi_record_variable(const void *request, const char *name);

/*
 * Begin the next request of the connection, with the bytes that are left.  Its
 * memory is kept, except what a large request took.
 */
void fcgi_record_next(struct fcgi_record_request *r);

/*
 * Look at r->bytes as what arrives while request id is being answered.  The
 * beginning of a record that is not whole stays there.  What is put into to_peer
 * is to be written between the records of the answer.
 *
 * Returns MORE, and the answer goes on; ABORTED, BROKEN or FCGI_RECORD_NO_MEMORY.
 */
enum fcgi_record_verdict fcgi_record_look_beside(struct fcgi_record_request *r,
    uint16_t id);

/* Write the header of an FCGI_STDOUT record without padding; len is at most
 * FCGI_RECORD_CONTENT_MAX. */
void fcgi_record_stdout(unsigned char out[FCGI_RECORD_HEADER], uint16_t id,
    size_t len);

/* Write FCGI_END_REQUEST with a protocol status. */
#define FCGI_RECORD_END_LEN 16
#define FCGI_RECORD_STATUS_COMPLETE 0
#define FCGI_RECORD_STATUS_CANT_MPX_CONN 1
#define FCGI_RECORD_STATUS_UNKNOWN_ROLE 3
void fcgi_record_end(unsigned char out[FCGI_RECORD_END_LEN], uint16_t id,
    unsigned char protocol_status);

#endif
