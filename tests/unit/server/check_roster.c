#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "server/roster.h"

START_TEST(channel_is_made_once)
{
	struct roster r;
	ck_assert_int_eq(roster_init(&r), 0);

	struct roster_channel *a = roster_channel(&r, SPAN("a"));
	struct roster_channel *b = roster_channel(&r, SPAN("b"));

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_ne(a, b);
	ck_assert_ptr_eq(roster_channel(&r, SPAN("a")), a);
	ck_assert_ptr_eq(roster_by_cookie(&r, a->cookie), a);
	ck_assert_ptr_eq(roster_by_cookie(&r, b->cookie), b);
	ck_assert_uint_eq(r.count, 2);
	roster_fini(&r);
}
END_TEST

START_TEST(names_differ_by_every_byte_and_by_length)
{
	struct roster r;
	char name[255];
	ck_assert_int_eq(roster_init(&r), 0);
	memset(name, 'x', sizeof(name));
	struct span whole = { name, sizeof(name) };
	const struct roster_channel *first = roster_channel(&r, whole);

	const struct roster_channel *shorter =
	    roster_channel(&r, (struct span){ name, sizeof(name) - 1 });
	name[254] = 'y';
	const struct roster_channel *other = roster_channel(&r, whole);

	ck_assert_ptr_ne(shorter, first);
	ck_assert_ptr_ne(other, first);
	ck_assert_uint_eq(first->name_len, 255);
	ck_assert_int_eq(first->name[254], 'x');
	roster_fini(&r);
}
END_TEST

START_TEST(thousands_of_channels_are_found_and_dropped)
{
	static struct roster_channel *channels[5000];
	struct roster r;
	char name[16];
	ck_assert_int_eq(roster_init(&r), 0);

	for (unsigned i = 0; i < UNIT_COUNT(channels); i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		channels[i] = roster_channel(&r, span_of(name));
	}
	for (unsigned i = 0; i < UNIT_COUNT(channels); i += 2)
		roster_drop(&r, channels[i]);

	ck_assert_uint_eq(r.count, UNIT_COUNT(channels) / 2);
	for (unsigned i = 1; i < UNIT_COUNT(channels); i += 2) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		ck_assert_ptr_eq(roster_channel(&r, span_of(name)),
		    channels[i]);
		ck_assert_ptr_eq(roster_by_cookie(&r, channels[i]->cookie),
		    channels[i]);
	}
	roster_fini(&r);
}
END_TEST

START_TEST(cookie_that_names_nothing_gives_nothing)
{
	struct roster r;
	ck_assert_int_eq(roster_init(&r), 0);
	struct roster_channel *a = roster_channel(&r, SPAN("a"));
	uint32_t cookie = a->cookie;

	roster_drop(&r, a);

	ck_assert_ptr_null(roster_by_cookie(&r, cookie));
	ck_assert_ptr_null(roster_by_cookie(&r, cookie + 1));
	ck_assert_ptr_null(roster_by_cookie(&r, UINT32_MAX));
	roster_fini(&r);
}
END_TEST

START_TEST(cookies_do_not_run_away_from_channels_that_come_and_go)
{
	struct roster r;
	ck_assert_int_eq(roster_init(&r), 0);

	for (int i = 0; i < 10000; i++) {
		struct roster_channel *c = roster_channel(&r, SPAN("a"));
		ck_assert_uint_lt(c->cookie, 16);
		roster_drop(&r, c);
	}

	ck_assert_uint_eq(r.count, 0);
	roster_fini(&r);
}
END_TEST

START_TEST(seats_can_be_left_in_any_order)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (size_t o = 0; o < UNIT_COUNT(orders); o++) {
		struct roster r;
		struct roster_seat seats[3];
		unsigned left = 7;
		ck_assert_int_eq(roster_init(&r), 0);
		struct roster_channel *a = roster_channel(&r, SPAN("a"));
		for (int i = 0; i < 3; i++)
			roster_sit(a, &seats[i], NULL);

		for (int i = 0; i < 3; i++) {
			unsigned seen = 0;
			const struct roster_seat *before = NULL;
			roster_rise(&seats[orders[o][i]]);
			left &= ~(1U << orders[o][i]);
			for (struct roster_seat *s = a->seats; s != NULL;
			     s = s->next) {
				ck_assert_ptr_eq(s->previous, before);
				seen |= 1U << (s - seats);
				before = s;
			}
			ck_assert_uint_eq(seen, left);
		}
		roster_fini(&r);
	}
}
END_TEST

UNIT_MAIN("roster", channel_is_made_once,
    names_differ_by_every_byte_and_by_length,
    thousands_of_channels_are_found_and_dropped,
    cookie_that_names_nothing_gives_nothing,
    cookies_do_not_run_away_from_channels_that_come_and_go,
    seats_can_be_left_in_any_order)
