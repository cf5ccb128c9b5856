/*
 * The event stream format, written.
 * Source: WHATWG HTML, "Server-sent events", section "Parsing an event stream".
 */
#ifndef PEAL_SSE_H
#define PEAL_SSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/event.h"
#include "base/span.h"

/*
 * Append the rest of an event's block: "event: <topic>\n" unless topic is
 * empty, a "data: " line for each line of data (CR, LF and CRLF end a line;
 * empty data is one empty line, and a trailing line end gives a last empty
 * line, so that the parser gives the line breaks back), and the blank line.  An
 * id line put before it makes a whole event.
 *
 * topic and data are as event_topic_fault() and message_read() let them pass.
 */
void sse_event(struct buf *out, struct span topic, struct span data);

/* Append the stream's first block: retry, id and a blank line. */
void sse_hello(struct buf *out, uint64_t retry_ms, uint64_t id);

/*
 * Append the block that tells of a gap, with the cursor it leaves the client
 * at.  asked is what the client sent, of any bytes; at most 64 of them are
 * repeated.
 */
void sse_gap(struct buf *out, uint64_t id, struct span asked, uint64_t from);

/* Append "retry: <ms>\n\n", the last words of a stream that is to come back. */
void sse_retry(struct buf *out, uint64_t retry_ms);

/* The comment that keeps a silent stream alive: ":\n\n". */
#define SSE_HEARTBEAT SPAN(":\n\n")

#endif
