#include "server/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 16

int
roster_init(struct roster *r)
{
	*r = (struct roster){ .bucket_count = BUCKETS_FIRST };
	r->buckets = calloc(r->bucket_count, sizeof(r->buckets[0]));
	return r->buckets == NULL ? -ENOMEM : 0;
}

void
roster_fini(struct roster *r)
{
	for (uint32_t i = 0; i < r->cookie_count; i++)
		free(r->by_cookie[i]);
	free(r->buckets);
	free(r->by_cookie);
	free(r->free_cookies);
	*r = (struct roster){ 0 };
}

static uint32_t
hash_name(struct span name)
{
	uint32_t h = UINT32_C(2166136261);

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.ptr[i]) * UINT32_C(16777619);
	return h ^ h >> 15;
}

/* Twice the buckets.  Staying with the old ones is slower, not wrong. */
static void
grow_buckets(struct roster *r)
{
	uint32_t count = r->bucket_count * 2;
	struct roster_channel **buckets = calloc(count, sizeof(buckets[0]));

	if (buckets == NULL)
		return;
	for (uint32_t i = 0; i < r->bucket_count; i++) {
		while (r->buckets[i] != NULL) {
			struct roster_channel *c = r->buckets[i];
			r->buckets[i] = c->next;
			c->next = buckets[c->hash & (count - 1)];
			buckets[c->hash & (count - 1)] = c;
		}
	}
	free(r->buckets);
	r->buckets = buckets;
	r->bucket_count = count;
}

static bool
grow_cookies(struct roster *r)
{
	uint32_t room = r->cookie_room == 0 ? 16 : r->cookie_room * 2;
	void *by_cookie = realloc(r->by_cookie, room * sizeof(r->by_cookie[0]));

	if (by_cookie == NULL)
		return false;
	r->by_cookie = by_cookie;
	void *cookies =
	    realloc(r->free_cookies, room * sizeof(r->free_cookies[0]));
	if (cookies == NULL)
		return false;
	r->free_cookies = cookies;
	r->cookie_room = room;
	return true;
}

struct roster_channel *
roster_channel(struct roster *r, struct span name)
{
	uint32_t hash = hash_name(name);
	struct roster_channel *c = r->buckets[hash & (r->bucket_count - 1)];

	for (; c != NULL; c = c->next) {
		if (c->hash == hash &&
		    span_equal((struct span){ c->name, c->name_len }, name))
			return c;
	}
	if (r->count >= r->bucket_count)
		grow_buckets(r);
	if (r->free_count == 0 && r->cookie_count == r->cookie_room &&
	    !grow_cookies(r))
		return NULL;
	c = calloc(1, sizeof(*c) + name.len);
	if (c == NULL)
		return NULL;
	c->hash = hash;
	c->name_len = (uint16_t)name.len;
	memcpy(c->name, name.ptr, name.len);
	c->cookie = r->free_count > 0 ? r->free_cookies[--r->free_count]
				      : r->cookie_count++;
	r->by_cookie[c->cookie] = c;
	c->next = r->buckets[hash & (r->bucket_count - 1)];
	r->buckets[hash & (r->bucket_count - 1)] = c;
	r->count++;
	return c;
}

struct roster_channel *
roster_by_cookie(const struct roster *r, uint32_t cookie)
{
	return cookie < r->cookie_count ? r->by_cookie[cookie] : NULL;
}

void
roster_sit(struct roster_channel *channel, struct roster_seat *seat,
    struct stream *stream)
{
	seat->stream = stream;
	seat->channel = channel;
	seat->previous = NULL;
	seat->next = channel->seats;
	if (seat->next != NULL)
		seat->next->previous = seat;
	channel->seats = seat;
}

void
roster_rise(struct roster_seat *seat)
{
	if (seat->next != NULL)
		seat->next->previous = seat->previous;
	if (seat->previous != NULL)
		seat->previous->next = seat->next;
	else
		seat->channel->seats = seat->next;
	seat->next = NULL;
	seat->previous = NULL;
}

void
roster_drop(struct roster *r, struct roster_channel *channel)
{
	struct roster_channel **link =
	    &r->buckets[channel->hash & (r->bucket_count - 1)];

	while (*link != channel)
		link = &(*link)->next;
	*link = channel->next;
	r->by_cookie[channel->cookie] = NULL;
	r->free_cookies[r->free_count++] = channel->cookie;
	r->count--;
	free(channel);
}
