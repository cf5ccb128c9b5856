#include "arena_fixture.h"

#include <errno.h>

#include "arena/channel.h"
#include "arena/pool.h"
#include "arena/registry.h"

/* As store_attach() leaves the slot of a living worker. */
static void
own_slot(struct store *s, uint32_t slot)
{
	s->arena.workers[slot].session = 7 + slot;
	s->arena.workers[slot].pid = 1;
}

static void
make_with_workers(struct store *s)
{
	fixture_make(s);
	for (uint32_t slot = 0; slot < 4; slot++)
		own_slot(s, slot);
}

static struct layout_block *
make_channel(struct store *s, const char *name)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find_or_make(&s->arena, span_of(name),
			     &channel),
	    0);
	return channel;
}

/* Register a worker for a channel with count streams. */
static struct layout_block *
listen_to(struct store *s, const char *name, uint32_t slot, uint32_t cookie,
    uint32_t count)
{
	struct layout_block *registration;

	ck_assert_int_eq(registry_add(&s->arena, make_channel(s, name), slot,
			     cookie, &registration),
	    0);
	ck_assert_int_eq(registry_grow(&s->arena, registration, count), 0);
	return registration;
}

static uint32_t
subscribers(struct store *s, const char *name)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find(&s->arena, span_of(name), &channel), 0);
	return channel == NULL ? 0 : channel->channel.subscribers;
}

static void
mark(struct store *s, const char *name, struct registry_wakes *wakes)
{
	ck_assert_int_eq(registry_mark(&s->arena, make_channel(s, name), wakes),
	    0);
}

START_TEST(subscribers_are_the_sum_over_all_workers)
{
	struct store s;
	make_with_workers(&s);
	uint32_t left = pool_left(&s.arena);
	struct layout_block *first = listen_to(&s, "a", 0, 0, 2);
	struct layout_block *second = listen_to(&s, "a", 1, 0, 1);
	struct layout_block *other = listen_to(&s, "b", 1, 1, 5);

	uint32_t both = subscribers(&s, "a");
	ck_assert_int_eq(registry_shrink(&s.arena, first), 0);
	uint32_t one_each = subscribers(&s, "a");
	ck_assert_int_eq(registry_shrink(&s.arena, first), 0);
	uint32_t second_alone = subscribers(&s, "a");
	fixture_assert_sound(&s);
	ck_assert_int_eq(registry_shrink(&s.arena, second), 0);

	ck_assert_uint_eq(both, 3);
	ck_assert_uint_eq(one_each, 2);
	ck_assert_uint_eq(second_alone, 1);
	ck_assert_uint_eq(subscribers(&s, "b"), 5);
	fixture_assert_sound(&s);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(registry_shrink(&s.arena, other), 0);
	/* The last stream of a channel without history takes all with it. */
	ck_assert_uint_eq(s.arena.header->channels, 0);
	ck_assert_uint_eq(pool_left(&s.arena), left);
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(registration_without_streams_is_not_counted_below_zero)
{
	struct store s;
	struct layout_block *empty;
	make_with_workers(&s);
	(void)listen_to(&s, "a", 0, 0, 1);
	ck_assert_int_eq(registry_add(&s.arena, make_channel(&s, "a"), 1, 0,
			     &empty),
	    0);

	ck_assert_int_eq(registry_shrink(&s.arena, empty), 0);

	ck_assert_uint_eq(subscribers(&s, "a"), 1);
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(news_reach_each_worker_that_listens_once)
{
	struct store s;
	struct registry_wakes wakes;
	uint32_t cookie = 0;
	make_with_workers(&s);
	(void)listen_to(&s, "a", 0, 10, 1);
	(void)listen_to(&s, "a", 2, 12, 1);
	(void)listen_to(&s, "b", 2, 22, 1);
	(void)listen_to(&s, "c", 3, 33, 1);
	ck_assert_int_eq(registry_wakes_init(&wakes, &s.arena), 0);
	registry_wakes_clear(&wakes);

	mark(&s, "a", &wakes);
	mark(&s, "b", &wakes);
	mark(&s, "a", &wakes);

	ck_assert_uint_eq(wakes.count, 2);
	ck_assert_uint_eq(wakes.slots[0] + wakes.slots[1], 0 + 2);
	fixture_assert_sound(&s);
	ck_assert_int_eq(registry_pop(&s.arena, 0, &cookie), 1);
	ck_assert_uint_eq(cookie, 10);
	ck_assert_int_eq(registry_pop(&s.arena, 0, &cookie), 0);
	ck_assert_int_eq(registry_pop(&s.arena, 1, &cookie), 0);
	uint32_t sum = 0;
	ck_assert_int_eq(registry_pop(&s.arena, 2, &cookie), 1);
	sum += cookie;
	ck_assert_int_eq(registry_pop(&s.arena, 2, &cookie), 1);
	sum += cookie;
	ck_assert_uint_eq(sum, 12 + 22);
	ck_assert_int_eq(registry_pop(&s.arena, 2, &cookie), 0);
	ck_assert_int_eq(registry_pop(&s.arena, 3, &cookie), 0);
	/* What was taken can have news again. */
	mark(&s, "a", &wakes);
	ck_assert_int_eq(registry_pop(&s.arena, 0, &cookie), 1);
	fixture_assert_sound(&s);
	registry_wakes_fini(&wakes);
	store_close(&s);
}
END_TEST

START_TEST(listener_that_goes_takes_only_its_own_news_along)
{
	for (unsigned gone = 0; gone < 3; gone++) {
		static const char *const names[] = { "a", "b", "c" };
		struct layout_block *registrations[3];
		struct store s;
		struct registry_wakes wakes;
		uint32_t cookie = 0;
		unsigned seen = 0;
		make_with_workers(&s);
		ck_assert_int_eq(registry_wakes_init(&wakes, &s.arena), 0);
		for (uint32_t i = 0; i < 3; i++) {
			registrations[i] = listen_to(&s, names[i], 0, i, 1);
			mark(&s, names[i], &wakes);
		}

		ck_assert_int_eq(registry_shrink(&s.arena, registrations[gone]),
		    0);

		fixture_assert_sound(&s);
		while (registry_pop(&s.arena, 0, &cookie) == 1)
			seen |= 1U << cookie;
		ck_assert_uint_eq(seen, 7U & ~(1U << gone));
		registry_wakes_fini(&wakes);
		store_close(&s);
	}
}
END_TEST

START_TEST(reaping_ends_one_worker_s_registrations_alone)
{
	struct store s;
	struct registry_wakes wakes;
	uint32_t cookie;
	make_with_workers(&s);
	ck_assert_int_eq(registry_wakes_init(&wakes, &s.arena), 0);
	(void)listen_to(&s, "both", 0, 1, 2);
	(void)listen_to(&s, "both", 1, 1, 3);
	(void)listen_to(&s, "gone", 0, 2, 4);
	(void)listen_to(&s, "stays", 1, 2, 5);
	mark(&s, "both", &wakes);
	mark(&s, "gone", &wakes);

	ck_assert_int_eq(registry_reap(&s.arena, 0), 0);

	ck_assert_uint_eq(subscribers(&s, "both"), 3);
	ck_assert_uint_eq(subscribers(&s, "stays"), 5);
	ck_assert_uint_eq(s.arena.header->channels, 2);
	ck_assert_int_eq(registry_pop(&s.arena, 0, &cookie), 0);
	ck_assert_int_eq(registry_pop(&s.arena, 1, &cookie), 1);
	fixture_assert_sound(&s);
	registry_wakes_fini(&wakes);
	store_close(&s);
}
END_TEST

START_TEST(channel_with_history_outlives_its_last_registration)
{
	struct store s;
	make_with_workers(&s);
	struct layout_block *registration = listen_to(&s, "a", 0, 1, 1);
	struct layout_block *channel = make_channel(&s, "a");
	const struct channel_event event = { .id = 1,
		.stamp_ms = 1,
		.body = FIXTURE_BODY };
	ck_assert_int_eq(channel_add(&s.arena, channel, &event), 0);

	ck_assert_int_eq(registry_shrink(&s.arena, registration), 0);

	ck_assert_ptr_eq(make_channel(&s, "a"), channel);
	ck_assert_uint_eq(s.arena.header->events, 1);
	store_close(&s);
}
END_TEST

START_TEST(registration_is_own_in_one_slot_and_session_only)
{
	struct store s;
	make_with_workers(&s);
	struct layout_block *registration = listen_to(&s, "a", 1, 1, 1);
	uint32_t number = pool_number(&s.arena, registration);

	ck_assert_ptr_eq(registry_own(&s.arena, number, 1), registration);
	ck_assert_ptr_null(registry_own(&s.arena, number, 0));
	ck_assert_ptr_null(
	    registry_own(&s.arena, number, s.arena.worker_count));
	ck_assert_ptr_null(registry_own(&s.arena, number, UINT32_MAX));
	ck_assert_ptr_null(registry_own(&s.arena, UINT32_MAX, 1));
	ck_assert_ptr_null(registry_own(&s.arena,
	    pool_number(&s.arena, make_channel(&s, "a")), 1));
	s.arena.workers[1].session++;
	ck_assert_ptr_null(registry_own(&s.arena, number, 1));
	store_close(&s);
}
END_TEST

START_TEST(registration_there_is_no_room_for_is_refused)
{
	struct store s;
	struct layout_block *registration;
	make_with_workers(&s);
	struct layout_block *channel = make_channel(&s, "a");
	while (pool_left(&s.arena) > 0)
		(void)pool_take(&s.arena);

	int rc = registry_add(&s.arena, channel, 0, 0, &registration);

	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_uint_eq(channel->channel.registrations, LAYOUT_NONE);
	store_close(&s);
}
END_TEST

START_TEST(set_of_wakes_holds_each_slot_once)
{
	struct store s;
	struct registry_wakes wakes;
	fixture_make(&s);
	ck_assert_int_eq(registry_wakes_init(&wakes, &s.arena), 0);
	uint32_t last = s.arena.worker_count - 1;

	registry_wakes_add(&wakes, last);
	registry_wakes_add(&wakes, 0);
	registry_wakes_add(&wakes, last);
	registry_wakes_add(&wakes, last + 1);
	registry_wakes_add(&wakes, UINT32_MAX);

	ck_assert_uint_eq(wakes.count, 2);
	ck_assert_uint_eq(wakes.slots[0], last);
	ck_assert_uint_eq(wakes.slots[1], 0);
	registry_wakes_fini(&wakes);
	store_close(&s);
}
END_TEST

START_TEST(cleared_set_takes_all_again_in_every_round)
{
	struct store s;
	struct registry_wakes wakes;
	fixture_make(&s);
	ck_assert_int_eq(registry_wakes_init(&wakes, &s.arena), 0);
	registry_wakes_add(&wakes, 1);
	/* The number of the round comes round to where it began. */
	wakes.round = UINT32_MAX;

	for (int i = 0; i < 4; i++) {
		registry_wakes_clear(&wakes);
		uint32_t cleared = wakes.count;
		registry_wakes_add(&wakes, 1);

		ck_assert_uint_eq(cleared, 0);
		ck_assert_uint_eq(wakes.count, 1);
	}
	registry_wakes_fini(&wakes);
	store_close(&s);
}
END_TEST

START_TEST(garbled_list_of_news_is_broken)
{
	struct store s;
	uint32_t cookie;
	make_with_workers(&s);
	struct layout_block *other = listen_to(&s, "a", 1, 1, 1);
	const uint32_t wrong[] = { UINT32_MAX, s.arena.block_count,
		pool_number(&s.arena, make_channel(&s, "a")),
		pool_number(&s.arena, other) };

	for (size_t i = 0; i < UNIT_COUNT(wrong); i++) {
		s.arena.workers[0].dirty = wrong[i];

		ck_assert_int_eq(registry_pop(&s.arena, 0, &cookie), -EUCLEAN);
	}
	store_close(&s);
}
END_TEST

START_TEST(listeners_that_circle_are_broken_and_no_trap)
{
	struct store s;
	struct registry_wakes wakes;
	make_with_workers(&s);
	ck_assert_int_eq(registry_wakes_init(&wakes, &s.arena), 0);
	struct layout_block *first = listen_to(&s, "a", 0, 1, 1);
	struct layout_block *channel = make_channel(&s, "a");
	uint32_t number = pool_number(&s.arena, first);
	first->registration.next = number;
	first->registration.next_own = number;

	ck_assert_int_eq(registry_mark(&s.arena, channel, &wakes), -EUCLEAN);
	/* The worker's list leads to a block that is free by then. */
	ck_assert_int_eq(registry_reap(&s.arena, 0), -EUCLEAN);

	registry_wakes_fini(&wakes);
	store_close(&s);
}
END_TEST

START_TEST(listener_of_no_worker_is_broken)
{
	struct store s;
	struct registry_wakes wakes;
	make_with_workers(&s);
	ck_assert_int_eq(registry_wakes_init(&wakes, &s.arena), 0);
	struct layout_block *registration = listen_to(&s, "a", 0, 1, 1);

	registration->registration.worker = s.arena.worker_count;

	ck_assert_int_eq(registry_mark(&s.arena, make_channel(&s, "a"), &wakes),
	    -EUCLEAN);
	ck_assert_int_eq(registry_reap(&s.arena, 0), -EUCLEAN);
	registry_wakes_fini(&wakes);
	store_close(&s);
}
END_TEST

START_TEST(listener_without_a_channel_is_broken)
{
	struct store s;
	make_with_workers(&s);
	struct layout_block *registration = listen_to(&s, "a", 0, 1, 1);

	registration->registration.channel =
	    pool_number(&s.arena, registration);

	ck_assert_int_eq(registry_grow(&s.arena, registration, 1), -EUCLEAN);
	ck_assert_int_eq(registry_shrink(&s.arena, registration), -EUCLEAN);
	ck_assert_int_eq(registry_link(&s.arena, registration), -EUCLEAN);
	ck_assert_int_eq(registry_reap(&s.arena, 0), -EUCLEAN);
	store_close(&s);
}
END_TEST

FIXTURE_MAIN("registry", subscribers_are_the_sum_over_all_workers,
    registration_without_streams_is_not_counted_below_zero,
    news_reach_each_worker_that_listens_once,
    listener_that_goes_takes_only_its_own_news_along,
    reaping_ends_one_worker_s_registrations_alone,
    channel_with_history_outlives_its_last_registration,
    registration_is_own_in_one_slot_and_session_only,
    registration_there_is_no_room_for_is_refused,
    set_of_wakes_holds_each_slot_once,
    cleared_set_takes_all_again_in_every_round, garbled_list_of_news_is_broken,
    listeners_that_circle_are_broken_and_no_trap,
    listener_of_no_worker_is_broken, listener_without_a_channel_is_broken)
