/*
 * The streams: all streams of a worker, watched, kept alive, and seen out.
 * One thread's.
 */
#ifndef PEAL_STREAMS_H
#define PEAL_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/store.h"
#include "base/buf.h"
#include "server/fcgi.h"
#include "server/stream.h"
#include "server/subscriptions.h"
#include "wire/request.h"
#include "wire/subscription.h"

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
	struct fcgi *fcgi;
	struct streams_settings settings;
	int epoll_fd; /* streams are in it with their pointer as data */
	void (*hand_back)(void *context, int fd); /* takes a kept connection */
	void *context;

	bool closing; /* all registrations end at once, with store_detach() */

	struct subscriptions subscriptions;
	struct stream *first;
	struct stream *dead; /* gone, to be freed */
	uint32_t count;
	uint32_t status_streams; /* among them */
	uint32_t blocked;	 /* at the last look, and since */
	uint32_t tick;
	uint64_t next_tick_ms;
	uint64_t next_stall_ms;
	uint64_t next_age_ms;
	uint64_t random;
	struct buf trailer; /* the last ones; their room is taken beforehand */
};

/* Returns 0 or -ENOMEM.  a may be ended by streams_fini() in any case. */
int streams_init(struct streams *a, struct store *store, struct fcgi *fcgi,
    const struct streams_settings *settings, int epoll_fd);
void streams_fini(struct streams *a);

/*
 * Make a stream and link it in the channels it wants, registered in the arena and
 * with its resume point found.
 *
 * Returns it, or NULL with *rc -ENOMEM, or as follow_join().
 */
struct stream *streams_join(struct streams *a, const struct fcgi_peer *peer,
    const struct subscription *wanted, struct clock_now now,
    struct follow_joined *joined, int *rc);

/*
 * Make a stream that has no channel; status_feed.h tells it something.
 * Returns NULL when memory ran out.
 */
struct stream *streams_join_status(struct streams *a,
    const struct fcgi_peer *peer, uint64_t boot_ms);

/*
 * Refuse who would be a stream so that a browser comes back: from a non-200 it would not.
 * head is the header block, to which the last words are appended.
 */
void streams_refuse(struct streams *a, const struct fcgi_peer *peer,
    struct buf *head);

/* See to what a write that finished some events has left behind. */
void streams_wrote(struct streams *a, struct stream *s, size_t events);

/* epoll told something.  Returns true when a blocked stream can read on. */
bool streams_event(struct streams *a, struct stream *s, uint32_t events,
    uint64_t boot_ms);

/* End a stream in order, with last trailer. */
void streams_end(struct streams *a, struct stream *s, uint64_t boot_ms);

/* Free the streams that are gone, except those somebody still points at. */
void streams_reap(struct streams *a);

/* Heartbeats, stalls and ages, as far as they are due. */
void streams_timers(struct streams *a, uint64_t boot_ms);

/* When streams_timers() has something to do; UINT64_MAX: never. */
uint64_t streams_deadline(const struct streams *a);

#endif
