#include "unit.h"

#include <stdio.h>
#include <string.h>

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
	char name[255];
	ck_assert_int_eq(subscriptions_init(&r), 0);
	memset(name, 'x', sizeof(name));
	struct span whole = { name, sizeof(name) };
	const struct subscriptions_channel *first =
	    subscriptions_channel(&r, whole);

	const struct subscriptions_channel *shorter =
	    subscriptions_channel(&r, (struct span){ name, sizeof(name) - 1 });
	name[254] = 'y';
	const struct subscriptions_channel *other =
	    subscriptions_channel(&r, whole);

	ck_assert_ptr_ne(shorter, first);
	ck_assert_ptr_ne(other, first);
	ck_assert_uint_eq(first->name_len, 255);
	ck_assert_int_eq(first->name[254], 'x');
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

START_TEST(seats_can_be_left_in_any_order)
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

UNIT_MAIN("roster", channel_is_made_once,
    names_differ_by_every_byte_and_by_length,
    thousands_of_channels_are_found_and_dropped,
    cookie_that_names_nothing_gives_nothing,
    cookies_do_not_run_away_from_channels_that_come_and_go,
    seats_can_be_left_in_any_order)
