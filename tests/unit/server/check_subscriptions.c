#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/event.h"
#include "server/subscriptions.h"

START_TEST(channel_is_made_once)
{
	struct subscriptions r;
	ck_assert_int_eq(subscriptions_init(&r), 0);

	struct subscriptions_channel *a = subscriptions_channel(&r, SPAN("a"));
	struct subscriptions_channel *b = subscriptions_channel(&r, SPAN("b"));

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_ne(a, b);
	ck_assert_ptr_eq(subscriptions_channel(&r, SPAN("a")), a);
	ck_assert_ptr_eq(subscriptions_by_cookie(&r, a->cookie), a);
	ck_assert_ptr_eq(subscriptions_by_cookie(&r, b->cookie), b);
	ck_assert_uint_eq(r.count, 2);
	subscriptions_fini(&r);
}
END_TEST

START_TEST(names_differ_by_every_byte_and_by_length)
{
	struct subscriptions r;
	char name[EVENT_CHANNEL_MAX];
	ck_assert_int_eq(subscriptions_init(&r), 0);
	memset(name, 'x', sizeof(name));
	struct span whole = { name, sizeof(name) };
	const struct subscriptions_channel *first =
	    subscriptions_channel(&r, whole);

	const struct subscriptions_channel *shorter =
	    subscriptions_channel(&r, (struct span){ name, sizeof(name) - 1 });
	name[sizeof(name) - 1] = 'y';
	const struct subscriptions_channel *other =
	    subscriptions_channel(&r, whole);

	ck_assert_ptr_ne(shorter, first);
	ck_assert_ptr_ne(other, first);
	ck_assert_uint_eq(first->name_len, EVENT_CHANNEL_MAX);
	ck_assert_int_eq(first->name[sizeof(name) - 1], 'x');
	subscriptions_fini(&r);
}
END_TEST

START_TEST(thousands_of_channels_are_found_and_dropped)
{
	static struct subscriptions_channel *channels[5000];
	struct subscriptions r;
	char name[16];
	ck_assert_int_eq(subscriptions_init(&r), 0);

	for (unsigned i = 0; i < UNIT_COUNT(channels); i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		channels[i] = subscriptions_channel(&r, span_of(name));
	}
	for (unsigned i = 0; i < UNIT_COUNT(channels); i += 2)
		subscriptions_drop(&r, channels[i]);

	ck_assert_uint_eq(r.count, UNIT_COUNT(channels) / 2);
	for (unsigned i = 1; i < UNIT_COUNT(channels); i += 2) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		ck_assert_ptr_eq(subscriptions_channel(&r, span_of(name)),
		    channels[i]);
		ck_assert_ptr_eq(subscriptions_by_cookie(&r,
				     channels[i]->cookie),
		    channels[i]);
	}
	subscriptions_fini(&r);
}
END_TEST

/*
 * Names made of either of these, as often as wanted, share all 32 bits of
 * FNV-1a.
 */
static const char *const colliding[2] = { "E.-6N", "Rzb~n" };

#define COLLIDING_PARTS 12
#define COLLIDING_LEN (COLLIDING_PARTS * 5)
#define COLLIDING_COUNT (1u << COLLIDING_PARTS)

static uint32_t
fnv_1a(struct span s)
{
	uint32_t h = UINT32_C(2166136261);

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.ptr[i]) * UINT32_C(16777619);
	return h;
}

START_TEST(names_that_collide_without_a_key_are_spread)
{
	struct subscriptions r;
	char name[COLLIDING_LEN];
	struct span span = { name, sizeof(name) };
	uint32_t shared = 0;
	uint32_t longest = 0;
	ck_assert_int_eq(subscriptions_init(&r), 0);

	for (unsigned i = 0; i < COLLIDING_COUNT; i++) {
		for (unsigned part = 0; part < COLLIDING_PARTS; part++)
			memcpy(name + part * 5, colliding[i >> part & 1], 5);
		if (i == 0)
			shared = fnv_1a(span);
		ck_assert_uint_eq(fnv_1a(span), shared);
		ck_assert_ptr_nonnull(subscriptions_channel(&r, span));
	}

	for (uint32_t i = 0; i < r.bucket_count; i++) {
		const struct subscriptions_channel *c = r.buckets[i];
		uint32_t len = 0;
		for (; c != NULL; c = c->next)
			len++;
		if (len > longest)
			longest = len;
	}
	/* One name a bucket, one time in 10^11 more than 16. */
	ck_assert_uint_eq(r.count, COLLIDING_COUNT);
	ck_assert_uint_eq(r.bucket_count, COLLIDING_COUNT);
	ck_assert_uint_le(longest, 16);
	subscriptions_fini(&r);
}
END_TEST

START_TEST(cookie_that_names_nothing_gives_nothing)
{
	struct subscriptions r;
	ck_assert_int_eq(subscriptions_init(&r), 0);
	struct subscriptions_channel *a = subscriptions_channel(&r, SPAN("a"));
	uint32_t cookie = a->cookie;

	subscriptions_drop(&r, a);

	ck_assert_ptr_null(subscriptions_by_cookie(&r, cookie));
	ck_assert_ptr_null(subscriptions_by_cookie(&r, cookie + 1));
	ck_assert_ptr_null(subscriptions_by_cookie(&r, UINT32_MAX));
	subscriptions_fini(&r);
}
END_TEST

START_TEST(cookies_do_not_run_away_from_channels_that_come_and_go)
{
	struct subscriptions r;
	ck_assert_int_eq(subscriptions_init(&r), 0);

	for (int i = 0; i < 10000; i++) {
		struct subscriptions_channel *c =
		    subscriptions_channel(&r, SPAN("a"));
		ck_assert_uint_lt(c->cookie, 16);
		subscriptions_drop(&r, c);
	}

	ck_assert_uint_eq(r.count, 0);
	subscriptions_fini(&r);
}
END_TEST

START_TEST(links_can_be_removed_in_any_order)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (size_t o = 0; o < UNIT_COUNT(orders); o++) {
		struct subscriptions r;
		struct subscriptions_link links[3];
		unsigned left = 7;
		ck_assert_int_eq(subscriptions_init(&r), 0);
		struct subscriptions_channel *a =
		    subscriptions_channel(&r, SPAN("a"));
		for (int i = 0; i < 3; i++)
			subscriptions_add(a, &links[i], NULL);

		for (int i = 0; i < 3; i++) {
			unsigned seen = 0;
			const struct subscriptions_link *before = NULL;
			subscriptions_remove(&links[orders[o][i]]);
			left &= ~(1U << orders[o][i]);
			for (struct subscriptions_link *s = a->links; s != NULL;
			     s = s->next) {
				ck_assert_ptr_eq(s->previous, before);
				seen |= 1U << (s - links);
				before = s;
			}
			ck_assert_uint_eq(seen, left);
		}
		subscriptions_fini(&r);
	}
}
END_TEST

/* Fan-out goes over a channel's links while some come and others go. */
#define LINKS 64

struct loop {
	struct subscriptions r;
	struct subscriptions_channel *channel;
	struct subscriptions_link links[2 * LINKS];
	size_t count;
};

static void
loop_make(struct loop *l)
{
	*l = (struct loop){ .count = LINKS };
	ck_assert_int_eq(subscriptions_init(&l->r), 0);
	l->channel = subscriptions_channel(&l->r, SPAN("a"));
	for (size_t i = 0; i < LINKS; i++)
		subscriptions_add(l->channel, &l->links[i], NULL);
}

/* The links of the channel, each exactly once, as a set. */
static void
assert_links(const struct loop *l, const bool *want)
{
	bool seen[2 * LINKS] = { false };
	const struct subscriptions_link *before = NULL;

	for (const struct subscriptions_link *i = l->channel->links; i != NULL;
	     i = i->next) {
		ck_assert_ptr_eq(i->previous, before);
		ck_assert(!seen[i - l->links]);
		seen[i - l->links] = true;
		before = i;
	}
	for (size_t i = 0; i < UNIT_COUNT(seen); i++)
		ck_assert_int_eq(seen[i], want[i]);
}

START_TEST(loop_sees_each_link_once_while_others_come)
{
	struct loop l;
	bool want[2 * LINKS];
	size_t seen = 0;
	loop_make(&l);
	memset(want, true, sizeof(want));

	for (const struct subscriptions_link *i = l.channel->links; i != NULL;
	     i = i->next) {
		/* Those who come stand in front, where the loop has been. */
		ck_assert_ptr_eq(i, &l.links[LINKS - 1 - seen]);
		seen++;
		subscriptions_add(l.channel, &l.links[l.count++], NULL);
	}

	ck_assert_uint_eq(seen, LINKS);
	assert_links(&l, want);
	subscriptions_fini(&l.r);
}
END_TEST

START_TEST(loop_may_remove_links_before_and_behind_it)
{
	/* Which of them goes when the loop is at a link; itself is not. */
	static const int distances[] = { -7, -1, 1, 2, 5 };

	for (size_t d = 0; d < UNIT_COUNT(distances); d++) {
		struct loop l;
		bool want[2 * LINKS] = { false };
		bool visited[LINKS] = { false };
		loop_make(&l);
		memset(want, true, LINKS);

		for (struct subscriptions_link *i = l.channel->links; i != NULL;
		     i = i->next) {
			ptrdiff_t at = i - l.links;
			ptrdiff_t gone = at + distances[d];
			ck_assert(want[at]);
			visited[at] = true;
			if (gone < 0 || gone >= LINKS || !want[gone] ||
			    at % 3 != 0)
				continue;
			subscriptions_remove(&l.links[gone]);
			want[gone] = false;
		}

		assert_links(&l, want);
		for (size_t i = 0; i < LINKS; i++)
			ck_assert(visited[i] || !want[i]);
		subscriptions_fini(&l.r);
	}
}
END_TEST

START_TEST(loop_that_removes_what_it_has_seen_empties_the_channel)
{
	struct loop l;
	loop_make(&l);

	for (struct subscriptions_link *i = l.channel->links; i != NULL;) {
		struct subscriptions_link *next = i->next;
		subscriptions_remove(i);
		i = next;
	}

	ck_assert_ptr_null(l.channel->links);
	subscriptions_drop(&l.r, l.channel);
	ck_assert_uint_eq(l.r.count, 0);
	subscriptions_fini(&l.r);
}
END_TEST

START_TEST(link_that_left_may_come_again)
{
	struct loop l;
	bool want[2 * LINKS] = { false };
	loop_make(&l);
	memset(want, true, LINKS);

	for (size_t i = 0; i < LINKS; i += 2) {
		subscriptions_remove(&l.links[i]);
		subscriptions_add(l.channel, &l.links[i], NULL);
		ck_assert_ptr_eq(l.channel->links, &l.links[i]);
	}

	assert_links(&l, want);
	subscriptions_fini(&l.r);
}
END_TEST

START_TEST(cookies_of_all_channels_can_be_gone_through_while_some_are_dropped)
{
	struct subscriptions r;
	char name[16];
	uint32_t seen = 0;
	ck_assert_int_eq(subscriptions_init(&r), 0);
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		ck_assert_ptr_nonnull(subscriptions_channel(&r, span_of(name)));
	}

	for (uint32_t i = 0; i < r.cookie_count; i++) {
		struct subscriptions_channel *c =
		    subscriptions_by_cookie(&r, i);
		ck_assert_ptr_nonnull(c);
		ck_assert_uint_eq(c->cookie, i);
		seen++;
		if (i % 2 == 0)
			subscriptions_drop(&r, c);
	}

	ck_assert_uint_eq(seen, 100);
	ck_assert_uint_eq(r.count, 50);
	subscriptions_fini(&r);
}
END_TEST

UNIT_MAIN("subscriptions", channel_is_made_once,
    names_differ_by_every_byte_and_by_length,
    thousands_of_channels_are_found_and_dropped,
    names_that_collide_without_a_key_are_spread,
    cookie_that_names_nothing_gives_nothing,
    cookies_do_not_run_away_from_channels_that_come_and_go,
    links_can_be_removed_in_any_order,
    loop_sees_each_link_once_while_others_come,
    loop_may_remove_links_before_and_behind_it,
    loop_that_removes_what_it_has_seen_empties_the_channel,
    link_that_left_may_come_again,
    cookies_of_all_channels_can_be_gone_through_while_some_are_dropped)
