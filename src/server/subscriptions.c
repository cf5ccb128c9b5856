/*
 * A channel is found by its name when a stream joins, and by its cookie when
 * the arena has news for it. It stays while a stream is linked to it or it
 * stands in a list of those with news.
 */
#include "server/subscriptions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 16

int
subscriptions_init(struct subscriptions *r)
{
	*r = (struct subscriptions){ .bucket_count = BUCKETS_FIRST };
	r->buckets = calloc(r->bucket_count, sizeof(r->buckets[0]));
	if (r->buckets == NULL)
		return -ENOMEM;
	return siphash_key_make(&r->hash_key);
}

void
subscriptions_fini(struct subscriptions *r)
{
	for (uint32_t i = 0; i < r->cookie_count; i++)
		free(r->by_cookie[i]);
	free(r->buckets);
	free(r->by_cookie);
	free(r->free_cookies);
	*r = (struct subscriptions){ 0 };
}

/* Twice the buckets.  Staying with the old ones is slower, not wrong. */
static void
grow_buckets(struct subscriptions *r)
{
	uint32_t count = r->bucket_count * 2;
	struct subscriptions_channel **buckets =
	    calloc(count, sizeof(buckets[0]));

	if (buckets == NULL)
		return;
	for (uint32_t i = 0; i < r->bucket_count; i++) {
		while (r->buckets[i] != NULL) {
			struct subscriptions_channel *c = r->buckets[i];
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
grow_cookies(struct subscriptions *r)
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

struct subscriptions_channel *
subscriptions_channel(struct subscriptions *r, struct span name)
{
	uint32_t hash = (uint32_t)siphash(&r->hash_key, name);
	struct subscriptions_channel *c =
	    r->buckets[hash & (r->bucket_count - 1)];

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

struct subscriptions_channel *
subscriptions_by_cookie(const struct subscriptions *r, uint32_t cookie)
{
	return cookie < r->cookie_count ? r->by_cookie[cookie] : NULL;
}

void
subscriptions_add(struct subscriptions_channel *channel,
    struct subscriptions_link *link, struct stream *stream)
{
	link->stream = stream;
	link->channel = channel;
	link->previous = NULL;
	link->next = channel->links;
	if (link->next != NULL)
		link->next->previous = link;
	channel->links = link;
}

void
subscriptions_remove(struct subscriptions_link *link)
{
	if (link->next != NULL)
		link->next->previous = link->previous;
	if (link->previous != NULL)
		link->previous->next = link->next;
	else
		link->channel->links = link->next;
	link->next = NULL;
	link->previous = NULL;
}

void
subscriptions_drop(struct subscriptions *r,
    struct subscriptions_channel *channel)
{
	struct subscriptions_channel **link =
	    &r->buckets[channel->hash & (r->bucket_count - 1)];

	while (*link != channel)
		link = &(*link)->next;
	*link = channel->next;
	r->by_cookie[channel->cookie] = NULL;
	r->free_cookies[r->free_count++] = channel->cookie;
	r->count--;
	free(channel);
}
