/*
 * An event stream as a client reads it: bytes in, events out.
 * Source: WHATWG HTML, "Parsing an event stream" and "Interpreting an event
 * stream".
 */
#ifndef PEAL_SSE_READER_H
#define PEAL_SSE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* What arrived; the spans are valid during the call. */
struct sse_reader_event {
	struct span type; /* empty: "message" */
	struct span data;
	struct span id; /* the last event id */
};

struct sse_reader {
	/* NULL: nobody wants them. */
	void (*got)(void *context, const struct sse_reader_event *event);
	void *context;
	uint64_t retry_ms; /* the last one told; 0: none */
	uint64_t comments; /* lines */
	struct buf line;   /* the front of a line that is not whole yet */
	struct buf data;
	struct buf type;
	struct buf id;	  /* takes effect when the event does */
	struct span held; /* data of one line, not yet copied */
	bool has_data;
	bool after_cr; /* a LF now belongs to the CR before */
	bool begun;    /* a byte order mark can come no more */
};

void sse_reader_fini(struct sse_reader *es);

/* Read bytes.  Returns 0 or -ENOMEM. */
int sse_reader_read(struct sse_reader *es, struct span bytes);

#endif
