/*
 * An HTTP/1.1 response as it arrives in pieces: its head, then its body without
 * the chunks it came in.  Pure: bytes in, pieces out.
 * Source: RFC 9112, sections 4 to 7; RFC 9110, section 5.
 */
#ifndef PEAL_HTTP_RESPONSE_H
#define PEAL_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

#define HTTP_RESPONSE_HEAD_MAX 65536

enum http_response_state {
	HTTP_RESPONSE_HEAD,	/* in the status line and the fields */
	HTTP_RESPONSE_SIZE,	/* in the line that leads a chunk */
	HTTP_RESPONSE_CHUNK,	/* in a chunk */
	HTTP_RESPONSE_CHUNK_CR, /* behind it */
	HTTP_RESPONSE_CHUNK_LF,
	HTTP_RESPONSE_TRAILER, /* behind the last chunk */
	HTTP_RESPONSE_LENGTH,  /* in a body of known length */
	HTTP_RESPONSE_CLOSE, /* in a body that lasts until the connection ends */
	HTTP_RESPONSE_DONE,
	HTTP_RESPONSE_BROKEN,
};

struct http_response {
	enum http_response_state state;
	int status;	 /* once the head is there; interim ones are skipped */
	uint64_t left;	 /* of the chunk, or of the body */
	bool digits;	 /* the chunk's size has begun */
	bool in_size;	 /* no extension of it has */
	bool line_empty; /* of a trailer */
	bool no_body;	 /* the answer to HEAD */
	bool keep;	 /* the connection outlives the response */
	struct buf head;
};

void http_response_init(struct http_response *r, bool no_body);
void http_response_fini(struct http_response *r);

/*
 * Take bytes off the front of *in, until there is a piece of the body or *in is
 * used up.  The piece points into *in's bytes and is empty where there is none.
 * After the end of the response the rest stays in *in.
 *
 * Returns true while it should be called again: a piece was found.
 */
bool http_response_read(struct http_response *r, struct span *in,
    struct span *piece);

/* The connection has ended.  The state is then DONE or BROKEN. */
void http_response_end(struct http_response *r);

/* A field of the head by its name, trimmed; NULL ptr where it is missing. */
struct span http_response_field(const struct http_response *r,
    struct span name);

#endif
