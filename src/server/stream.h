/*
 * A stream: one subscriber's open response, and how bytes get into it.
 *
 * It is a cursor with a descriptor; what it has not been sent lies in the arena.
 *
 *	            not writable            gone, stalled, too old,
 *	  READY --------------------> BLOCKED      or stopping
 *	    ^  |      POLLOUT            |  |
 *	    |  +<------------------------+  |
 *	    |  |                            v
 *	    |  +------------------------> GONE ---> freed at the end of the pass
 */
#ifndef PEAL_STREAM_H
#define PEAL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/follow.h"
#include "base/span.h"
#include "server/fcgi.h"
#include "server/subscriptions.h"

enum stream_state {
	STREAM_READY,
	STREAM_BLOCKED, /* wants POLLOUT */
	STREAM_GONE,	/* its peer is gone, or it was ended */
};

struct stream {
	struct fcgi_peer peer;
	enum stream_state state;
	bool is_status; /* has no channel: it is told the status */
	bool is_behind; /* waits for a read of its own */
	bool is_dead;	/* stands in the list of those to be freed */
	bool hand_back; /* ended in order: the connection may be kept */
	uint16_t link_count;
	uint32_t tick;	  /* the heartbeat's tick at the last write */
	uint32_t credit;  /* bytes that can be written without asking */
	uint32_t partial; /* bytes of the event after cursor already sent */
	uint32_t hint;
	uint64_t cursor;
	uint64_t since_ms; /* BLOCKED since; boot clock */
	uint64_t end_ms;   /* to be ended for its age; 0: never */
	struct stream *next;
	struct stream *previous;
	struct stream *next_behind;
	struct stream *next_dead;
	struct subscriptions_link links[];
};

/*
 * Write bytes, as far as the descriptor takes them without blocking.
 *
 * Returns how many were written; for less than all of them, the state tells.
 * One flush for up to STREAM_FLUSH bytes.
 */
#define STREAM_FLUSH 57344
size_t stream_write(struct stream *s, struct fcgi *g, struct span bytes,
    uint64_t boot_ms);

/*
 * Write the events of a segment that come after the stream's cursor, and move it.
 * What is cut in the midst of an event is remembered in partial.
 *
 * Returns the number of events that were finished.
 */
size_t stream_feed(struct stream *s, struct fcgi *g,
    const struct follow_segment *segment, uint64_t boot_ms);

/*
 * End a stream in order, with last words unless an event is half sent.  A
 * descriptor that takes nothing more is merely given up.
 */
void stream_end(struct stream *s, struct fcgi *g, struct span trailer,
    uint64_t boot_ms);

#endif
