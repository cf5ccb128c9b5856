/*
 * All streams of a worker: joined to their channels, kept alive, and ended.
 *
 * A loop over streams pauses after STREAMS_WRITES writes: the worker then takes in
 * what is ready, so that a publisher waits for a few writes and not for thousands.
 * Nothing is freed and no other loop begins in a pause, but any stream may end.
 */
#ifndef PEAL_STREAMS_H
#define PEAL_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/store.h"
#include "base/buf.h"
#include "base/clock.h"
#include "server/connection.h"
#include "server/stream.h"
#include "server/subscriptions.h"
#include "wire/sse.h"
#include "wire/subscription.h"

#define STREAMS_WRITES 16

/* Copied from the options, so that tests need none. */
struct streams_settings {
	uint64_t retry_ms;
	uint64_t heartbeat_ms; /* 0: off */
	uint64_t stall_ms;
	uint64_t coalesce_ms;
	uint64_t max_age_ms; /* of a stream; 0: none */
	uint32_t max_streams;
};

struct streams {
	struct store *store;
	struct connections *connections;
	struct streams_settings settings;
	void (*pause)(void *context); /* NULL: none */
	void *context;

	bool closing; /* all registrations end at once, with store_detach() */

	struct subscriptions subscriptions;
	struct stream *first;
	struct stream *dead; /* ended, to be freed */
	uint32_t count;
	uint32_t status_streams; /* among them */
	uint32_t blocked;	 /* at the last look, and since */
	uint32_t tick;
	uint64_t next_tick_ms;
	uint64_t next_stall_ms;
	uint64_t next_age_ms;
	uint64_t next_reap_ms; /* some of the dead wait for it; 0: none */
	uint64_t random;
	struct buf trailer; /* its room is taken beforehand */
};

/* Returns 0 or -ENOMEM.  a may be ended by streams_fini() in any case. */
int streams_init(struct streams *a, struct store *store,
    struct connections *connections, const struct streams_settings *settings);
void streams_fini(struct streams *a);

/*
 * Make a stream of a connection and link it to the channels it wants, registered
 * in the arena and with its resume point found.
 *
 * Returns it, or NULL with *rc -ENOMEM, or as follow_join(), and the connection as
 * it was.
 */
struct stream *streams_join(struct streams *a, struct connection *c,
    const struct subscription *wanted, struct clock_now now,
    struct follow_joined *joined, int *rc);

/*
 * Make a stream that has no channel; status_feed.h writes to it.
 * Returns NULL when memory ran out.
 */
struct stream *streams_join_status(struct streams *a, struct connection *c,
    uint64_t boot_ms);

/*
 * Refuse a new stream so that a browser comes back: after a non-200 it would not.
 * Appends to the header block in head what makes it the whole reply; id is the
 * resume point it gives, or SSE_NO_ID.
 */
void streams_refuse(struct streams *a, struct buf *head, uint64_t id,
    enum sse_reason reason);

/* See to what a write that finished some events has left behind. */
void streams_wrote(struct streams *a, struct stream *s, size_t events);

/* In every loop over streams, once for each: pause when it is time. */
void streams_pause(struct streams *a);

/* epoll reported something.  Returns true when a blocked stream can read on. */
bool streams_event(struct streams *a, struct stream *s, uint32_t events,
    uint64_t boot_ms);

/* End a stream in order, with peal:end and the reason. */
void streams_end(struct streams *a, struct stream *s, enum sse_reason reason);

/*
 * End a stream whose next events are no longer kept: it reconnects, and its gap
 * event says all there is to say.
 */
void streams_end_behind(struct streams *a, struct stream *s);

/*
 * At the end of a turn: free streams that have ended, a bounded number of them, except
 * those somebody still points at and those whose registrations cannot end now.
 */
void streams_reap(struct streams *a, uint64_t boot_ms);

/* Heartbeats, stalls and ages, as far as they are due. */
void streams_timers(struct streams *a, uint64_t boot_ms);

/* When there is something to do; UINT64_MAX: never. */
uint64_t streams_deadline(const struct streams *a);

#endif
