/*
 * The worker's own list of channels and who sits where: which streams get
 * a channel's news.  Knows neither the arena nor sockets.
 */
#ifndef PEAL_SUBSCRIPTIONS_H
#define PEAL_SUBSCRIPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"
#include "base/span.h"

struct stream;

/* A stream's place in a channel. */
struct subscriptions_link {
	struct stream *stream;
	struct subscriptions_channel *channel;
	struct subscriptions_link *next;
	struct subscriptions_link *previous;
	uint64_t gap_known; /* for follow_read() */
};

/* A channel this worker is registered for. */
struct subscriptions_channel {
	struct subscriptions_link *links;
	struct subscriptions_channel *next; /* in its bucket */
	struct subscriptions_channel *next_due;
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

struct subscriptions {
	struct siphash_key hash_key; /* strangers choose the names */
	struct subscriptions_channel **buckets;
	struct subscriptions_channel **by_cookie;
	uint32_t bucket_count;
	uint32_t cookie_count;
	uint32_t cookie_room;
	uint32_t *free_cookies;
	uint32_t free_count;
	uint32_t count;
};

/* Returns 0, or -errno; subscriptions_fini() may follow in any case. */
int subscriptions_init(struct subscriptions *r);
void subscriptions_fini(struct subscriptions *r);

/* The channel of that name, made if need be; NULL when memory ran out. */
struct subscriptions_channel *subscriptions_channel(struct subscriptions *r,
    struct span name);

/* The channel of that cookie, or NULL. */
struct subscriptions_channel *
subscriptions_by_cookie(const struct subscriptions *r, uint32_t cookie);

void subscriptions_add(struct subscriptions_channel *channel,
    struct subscriptions_link *link, struct stream *stream);

/* Leave; the channel stays until subscriptions_drop(). */
void subscriptions_remove(struct subscriptions_link *link);

/* Forget a channel that has no links.  It must not be due. */
void subscriptions_drop(struct subscriptions *r,
    struct subscriptions_channel *channel);

#endif
