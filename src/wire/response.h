/*
 * An HTTP/1.1 response as it arrives in pieces: its head, then its body without
 * the chunks it came in.  Pure: bytes in, pieces out.
 * Source: RFC 9112, sections 4 to 7; RFC 9110, section 5.
 */
#ifndef PEAL_RESPONSE_H
#define PEAL_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

#define RESPONSE_HEAD_MAX 65536

enum response_state {
	RESPONSE_HEAD,	   /* in the status line and the fields */
	RESPONSE_SIZE,	   /* in the line that leads a chunk */
	RESPONSE_CHUNK,	   /* in a chunk */
	RESPONSE_CHUNK_CR, /* behind it */
	RESPONSE_CHUNK_LF,
	RESPONSE_TRAILER, /* behind the last chunk */
	RESPONSE_LENGTH,  /* in a body of known length */
	RESPONSE_CLOSE,	  /* in a body that lasts until the connection ends */
	RESPONSE_DONE,
	RESPONSE_BROKEN,
};

struct response {
	enum response_state state;
	int status;	 /* once the head is there; interim ones are skipped */
	uint64_t left;	 /* of the chunk, or of the body */
	bool digits;	 /* the chunk's size has begun */
	bool in_size;	 /* no extension of it has */
	bool line_empty; /* of a trailer */
	bool no_body;	 /* the answer to HEAD */
	bool keep;	 /* the connection outlives the response */
	struct buf head;
};

void response_init(struct response *r, bool no_body);
void response_fini(struct response *r);

/*
 * Take bytes off the front of *in, until there is a piece of the body or *in is
 * used up.  The piece points into *in's bytes and is empty where there is none.
 * After the end of the response the rest stays in *in.
 *
 * Returns true while it should be called again: a piece was found.
 */
bool response_read(struct response *r, struct span *in, struct span *piece);

/* The connection has ended.  The state is then DONE or BROKEN. */
void response_end(struct response *r);

/* A field of the head by its name, trimmed; NULL ptr where it is missing. */
struct span response_field(const struct response *r, struct span name);

#endif
