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

/*
 * Blocks of peal's own.  Each has data: Firefox, WebKit and several libraries
 * ignore the id of a block that has none, though the standard does not say so.
 * Where id is SSE_NO_ID, the block has no id line, and the client keeps the
 * resume point that it has.
 */
#define SSE_NO_ID UINT64_C(0)

/* Why a client is to come back later. */
enum sse_reason {
	SSE_FULL,     /* there is no room for one more stream */
	SSE_AGE,      /* the stream has reached --max-stream-age */
	SSE_STOPPING, /* this process ends */
};

/* Append a stream's first block: the retry time, the id, peal:open. */
void sse_open(struct buf *out, uint64_t retry_ms, uint64_t id);

/*
 * Append all there is of a refusal: the retry time, the id, peal:busy with the
 * reason.
 */
void sse_busy(struct buf *out, uint64_t retry_ms, uint64_t id,
    enum sse_reason reason);

/* Append a stream's last block: the retry time, peal:end with the reason. */
void sse_end(struct buf *out, uint64_t retry_ms, enum sse_reason reason);

/*
 * Append the block that reports a gap, with the cursor it leaves the client
 * at.  asked is what the client sent, of any bytes; at most 64 of them are
 * repeated.  hint is what else to tell the client's author, or NULL.
 */
void sse_gap(struct buf *out, uint64_t id, struct span asked, uint64_t from,
    const char *hint);

/*
 * Append "retry: <ms>\n" alone, for a stream that ends without a word: a client
 * obeys the line at once, and no block is needed.
 */
void sse_retry(struct buf *out, uint64_t retry_ms);

/*
 * What keeps a silent stream alive: a comment, or an event for a page that
 * wants to see it.  The comment has no blank line: two libraries make an empty
 * message of each.
 */
#define SSE_HEARTBEAT SPAN(":\n")
#define SSE_BEAT SPAN("event: peal:beat\ndata: {}\n\n")

#endif
