/*
 * The worker's own list of channels and who sits where: which streams get
 * a channel's news.  Memory of one thread; knows neither the arena nor sockets.
 */
#ifndef PEAL_ROSTER_H
#define PEAL_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct stream;

/* A stream's place in a channel. */
struct roster_seat {
	struct stream *stream;
	struct roster_channel *channel;
	struct roster_seat *next;
	struct roster_seat *previous;
	uint64_t gap_known; /* for follow_read() */
};

/* A channel this worker is registered for. */
struct roster_channel {
	struct roster_seat *seats;
	struct roster_channel *next; /* in its bucket */
	struct roster_channel *next_due;
	uint32_t registration; /* the registration in the arena */
	uint32_t cookie;       /* what the arena calls it to us */
	uint32_t hash;
	uint32_t hint; /* for follow_read() */
	uint64_t seen; /* read so far, for the streams that are not behind */
	uint64_t fanned_ms; /* the last fan-out, boot clock */
	bool is_due;
	uint16_t name_len;
	char name[];
};

struct roster {
	struct roster_channel **buckets;
	struct roster_channel **by_cookie;
	uint32_t bucket_count;
	uint32_t cookie_count;
	uint32_t cookie_room;
	uint32_t *free_cookies;
	uint32_t free_count;
	uint32_t count;
};

/* Returns 0 or -ENOMEM. */
int roster_init(struct roster *r);
void roster_fini(struct roster *r);

/* The channel of that name, made if need be; NULL when memory ran out. */
struct roster_channel *roster_channel(struct roster *r, struct span name);

/* The channel of that cookie, or NULL. */
struct roster_channel *roster_by_cookie(const struct roster *r,
    uint32_t cookie);

void roster_sit(struct roster_channel *channel, struct roster_seat *seat,
    struct stream *stream);

/* Leave; the channel stays until roster_drop(). */
void roster_rise(struct roster_seat *seat);

/* Forget a channel that has no seats.  It must not be due. */
void roster_drop(struct roster *r, struct roster_channel *channel);

#endif
