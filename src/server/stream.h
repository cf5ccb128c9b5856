/*
 * A stream: one subscriber's open response, and how events get into it.
 *
 * It is a cursor with a connection; what it has not been sent lies in the arena.
 * Whether it can be written to is the connection's state: STREAMING or BLOCKED.  A
 * stream without a connection has ended, and is freed at the end of the turn.
 */
#ifndef PEAL_STREAM_H
#define PEAL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/follow.h"
#include "base/span.h"
#include "server/connection.h"
#include "server/subscriptions.h"

struct stream {
	struct connection *connection; /* NULL: it has ended */
	bool is_status;		       /* has no channel: it gets the status */
	bool wants_beat;	       /* its heartbeats are events */
	bool is_behind;		       /* waits for a read of its own */
	bool is_dead; /* stands in the list of those to be freed */
	uint16_t link_count;
	uint32_t tick;	  /* the heartbeat's tick at the last write */
	uint32_t partial; /* bytes of the event after cursor already sent */
	uint32_t hint;
	uint64_t cursor;
	uint64_t end_ms; /* to be ended for its age; 0: never */
	struct stream *next;
	struct stream *previous;
	struct stream *next_behind;
	struct stream *next_dead;
	struct subscriptions_link links[];
};

bool stream_is_ready(const struct stream *s);
bool stream_is_blocked(const struct stream *s);

/* Its connection has closed: leave it. */
void stream_leave_closed(struct stream *s);

/*
 * Write bytes, as far as the descriptor takes them without blocking.
 *
 * Returns how many were written; for less than all of them, its state says why.
 */
size_t stream_write(struct stream *s, struct connections *all,
    struct span bytes, uint64_t boot_ms);

/*
 * Write the events of a segment that come after the stream's cursor, and move it.
 * What is cut in the midst of an event is remembered in partial.
 *
 * Returns the number of events that were finished.
 */
size_t stream_feed(struct stream *s, struct connections *all,
    const struct follow_segment *segment, uint64_t boot_ms);

/*
 * End a stream in order, with a trailer unless an event is half sent.  A
 * descriptor that takes nothing more is merely closed.
 */
void stream_end(struct stream *s, struct connections *all, struct span trailer);

#endif
