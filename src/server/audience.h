/*
 * The audience: all streams of a worker, watched, kept alive, and seen out.
 * One thread's.
 */
#ifndef PEAL_AUDIENCE_H
#define PEAL_AUDIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/store.h"
#include "base/buf.h"
#include "server/gate.h"
#include "server/roster.h"
#include "server/stream.h"
#include "wire/request.h"
#include "wire/subscription.h"

/* Copied from the options, so that tests need none. */
struct audience_settings {
	uint64_t retry_ms;
	uint64_t heartbeat_ms; /* 0: off */
	uint64_t stall_ms;
	uint64_t coalesce_ms;
	uint64_t max_age_ms; /* of a stream; 0: none */
	uint32_t max_streams;
};

struct audience {
	struct store *store;
	struct gate *gate;
	struct audience_settings settings;
	int epoll_fd; /* streams are in it with their pointer as data */
	void (*hand_back)(void *context, int fd); /* takes a kept connection */
	void *context;

	bool closing; /* all registrations end at once, with store_detach() */

	struct roster roster;
	struct stream *streams;
	struct stream *graves; /* gone, to be freed */
	uint32_t count;
	uint32_t onlookers; /* among them */
	uint32_t blocked;   /* at the last look, and since */
	uint32_t tick;
	uint64_t next_tick_ms;
	uint64_t next_stall_ms;
	uint64_t next_age_ms;
	uint64_t random;
	struct buf words; /* the last ones; their room is taken beforehand */
};

/* Returns 0 or -ENOMEM.  a may be ended by audience_fini() in any case. */
int audience_init(struct audience *a, struct store *store, struct gate *gate,
    const struct audience_settings *settings, int epoll_fd);
void audience_fini(struct audience *a);

/*
 * Make a stream and seat it in the channels it wants, registered in the arena and
 * with its resume point found.
 *
 * Returns it, or NULL with *rc -ENOMEM, or as follow_join().
 */
struct stream *audience_seat(struct audience *a, const struct gate_peer *peer,
    const struct subscription *wanted, struct clock_now now,
    struct follow_joined *joined, int *rc);

/*
 * Make a stream that has no channel; gallery.h tells it something.
 * Returns NULL when memory ran out.
 */
struct stream *audience_seat_onlooker(struct audience *a,
    const struct gate_peer *peer, uint64_t boot_ms);

/*
 * Refuse who would be a stream so that a browser comes back: from a non-200 it would not.
 * head is the header block, to which the last words are appended.
 */
void audience_refuse(struct audience *a, const struct gate_peer *peer,
    struct buf *head);

/* See to what a write that finished some events has left behind. */
void audience_wrote(struct audience *a, struct stream *s, size_t events);

/* epoll told something.  Returns true when a blocked stream can read on. */
bool audience_event(struct audience *a, struct stream *s, uint32_t events,
    uint64_t boot_ms);

/* End a stream in order, with last words. */
void audience_end(struct audience *a, struct stream *s, uint64_t boot_ms);

/* Free the streams that are gone, except those somebody still points at. */
void audience_bury(struct audience *a);

/* Heartbeats, stalls and ages, as far as they are due. */
void audience_timers(struct audience *a, uint64_t boot_ms);

/* When audience_timers() has something to do; UINT64_MAX: never. */
uint64_t audience_deadline(const struct audience *a);

#endif
