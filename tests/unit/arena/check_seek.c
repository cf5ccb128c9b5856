#include "arena_fixture.h"

#include "arena/channel.h"
#include "arena/pool.h"
#include "arena/repair.h"
#include "arena/seek.h"

#define SIZE (UINT64_C(16) << 20)

/* A store with room for tens of thousands of events. */
static void
make_store(struct store *s)
{
	const struct store_limits limits = { FIXTURE_MAX_AGE_MS, 100000 };
	char path[FIXTURE_PATH];
	struct buf why = { 0 };

	fixture_path(path);
	ck_assert_int_eq(store_open(s, path, SIZE, &limits, FIXTURE_NOW, &why),
	    0);
	buf_fini(&why);
}

static struct layout_block *
channel_of(struct store *s, const char *name)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find_or_make(&s->arena, span_of(name),
			     &channel),
	    0);
	return channel;
}

/* Ids of tests: after all that a new arena may know. */
static uint64_t
id_of(uint64_t n)
{
	return event_id_make(FIXTURE_WALL_MS + 1, 0) + n;
}

static void
add(struct store *s, const char *name, uint64_t n)
{
	const struct channel_event event = { .id = id_of(n),
		.stamp_ms = n,
		.body = FIXTURE_BODY };

	ck_assert_int_eq(channel_add(&s->arena, channel_of(s, name), &event),
	    0);
	atomic_store(&s->arena.header->last_id, id_of(n));
}

/* What a search for what comes after n finds, and how many steps it took. */
static uint64_t
after(struct store *s, const char *name, uint64_t n, uint64_t *most)
{
	const struct layout_block *channel = channel_of(s, name);
	struct layout_block *event;
	struct layout_block *same;

	s->arena.meter->steps = 0;
	ck_assert_int_eq(seek_after(&s->arena, channel, id_of(n), &event), 0);
	if (s->arena.meter->steps > *most)
		*most = s->arena.meter->steps;
	ck_assert_int_eq(seek_later(&s->arena, channel, n, &same), 0);
	ck_assert_ptr_eq(same, event);
	return event == NULL ? 0 : event->event.id;
}

START_TEST(distances_are_those_of_a_skew_binary_list)
{
	static const uint32_t distances[] = { 0, 1, 1, 3, 1, 1, 3, 7, 1, 1, 3,
		1, 1, 3, 7, 15, 1 };

	for (uint32_t i = 0; i < UNIT_COUNT(distances); i++)
		ck_assert_uint_eq(seek_distance(i), distances[i]);
	ck_assert_uint_eq(seek_distance(UINT32_MAX), UINT32_MAX);
	ck_assert_uint_eq(seek_distance(UINT32_MAX - 1), UINT32_MAX / 2);
}
END_TEST

START_TEST(every_event_is_found_in_few_steps)
{
	struct store s;
	uint64_t most = 0;
	make_store(&s);
	uint64_t random = 1;

	/* Another channel's events lie between, at random. */
	for (uint64_t i = 1; i <= 20000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		add(&s, random >> 63 == 0 ? "a" : "other", 2 * i);
	}
	const struct layout_block *channel = channel_of(&s, "a");
	uint32_t at = channel->channel.oldest;
	uint64_t before = 0;
	while (at != LAYOUT_NONE) {
		const struct layout_block *event = &s.arena.blocks[at];
		uint64_t n = event->event.id - id_of(0);
		ck_assert_uint_eq(after(&s, "a", before, &most), id_of(n));
		ck_assert_uint_eq(after(&s, "a", n - 1, &most), id_of(n));
		before = n;
		at = event->event.newer;
	}
	ck_assert_uint_eq(after(&s, "a", before, &most), 0);

	/* Each bit of 10000 costs four steps at most: two that are looked at
	 * and not taken, and two that are. */
	ck_assert_uint_ge(channel->channel.events, 9000);
	ck_assert_uint_le(most, 4 * 14 + 4);
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(search_stays_short_while_old_events_go_and_new_ones_come)
{
	struct store s;
	uint64_t most = 0;
	make_store(&s);
	struct layout_block *channel = channel_of(&s, "a");

	/* Blocks are used again, for this channel and for others. */
	for (uint64_t i = 1; i <= 30000; i++) {
		add(&s, "a", 3 * i);
		if (i > 1000)
			ck_assert_int_eq(channel_forget_oldest(&s.arena,
					     channel),
			    0);
		if (i % 7 == 0)
			add(&s, "other", 3 * i + 1);
		if (i % 100 == 0)
			for (uint64_t n = i < 1000 ? 1 : i - 999; n < i; n++)
				ck_assert_uint_eq(after(&s, "a", 3 * n, &most),
				    id_of(3 * n + 3));
	}

	ck_assert_uint_le(most, 4 * 10 + 4);
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(repair_numbers_events_anew)
{
	struct store s;
	uint64_t most = 0;
	make_store(&s);
	for (uint64_t i = 1; i <= 3000; i++)
		add(&s, i % 3 == 0 ? "b" : "a", i);
	for (uint32_t i = 1; i < s.arena.block_count; i++) {
		struct layout_block *b = pool_block(&s.arena, i, LAYOUT_EVENT);
		if (b != NULL)
			b->event.number = b->event.jump = UINT32_MAX;
	}

	ck_assert_uint_eq(repair_arena(&s.arena, false), 0);

	for (uint64_t i = 1; i < 3000; i++)
		ck_assert_uint_eq(after(&s, "b", i, &most),
		    id_of(i / 3 * 3 + 3));
	ck_assert_uint_le(most, 4 * 10 + 4);
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(jumps_that_went_bad_lead_nowhere)
{
	struct store s;
	uint64_t most = 0;
	make_store(&s);
	for (uint64_t i = 1; i <= 200; i++)
		add(&s, i % 2 == 0 ? "b" : "a", i);
	const struct layout_block *other = channel_of(&s, "b");
	const uint32_t values[] = { UINT32_MAX, LAYOUT_NONE,
		pool_number(&s.arena, other), other->channel.newest,
		channel_of(&s, "a")->channel.newest };

	for (size_t i = 0; i < UNIT_COUNT(values); i++) {
		for (uint32_t n = 1; n < s.arena.block_count; n++) {
			struct layout_block *b =
			    pool_block(&s.arena, n, LAYOUT_EVENT);
			if (b != NULL)
				b->event.jump = values[i];
		}
		for (uint64_t n = 1; n < 198; n++)
			ck_assert_uint_eq(after(&s, "a", n, &most),
			    id_of((n + 1) / 2 * 2 + 1));
	}
	store_close(&s);
}
END_TEST

FIXTURE_MAIN("seek", distances_are_those_of_a_skew_binary_list,
    every_event_is_found_in_few_steps,
    search_stays_short_while_old_events_go_and_new_ones_come,
    repair_numbers_events_anew, jumps_that_went_bad_lead_nowhere)
