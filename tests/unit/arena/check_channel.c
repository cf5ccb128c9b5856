#include "arena_fixture.h"

#include <errno.h>

#include "arena/channel.h"
#include "arena/critical.h"
#include "arena/pool.h"
#include "wire/sse.h"

/* One process, so nobody else is there to be locked out. */

static struct layout_block *
make_channel(struct store *s, const char *name)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find_or_make(&s->arena, span_of(name),
			     &channel),
	    0);
	ck_assert_ptr_nonnull(channel);
	return channel;
}

/* Add an event of that id to a channel, and commit it. */
static void
add_stamped(struct store *s, const char *name, uint64_t id, uint64_t stamp_ms)
{
	const struct channel_event event = { .id = id,
		.stamp_ms = stamp_ms,
		.body = FIXTURE_BODY };

	ck_assert_int_eq(channel_add(&s->arena, make_channel(s, name), &event),
	    0);
	atomic_store(&s->arena.header->last_id, id);
}

static void
add(struct store *s, const char *name, uint64_t id)
{
	add_stamped(s, name, id, 1);
}

static bool
is_there(struct store *s, const char *name)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find(&s->arena, span_of(name), &channel), 0);
	return channel != NULL;
}

/* Ids for tests: after all that a new arena may know. */
static uint64_t
id_of(uint64_t n)
{
	return event_id_make(FIXTURE_WALL_MS + 1, n);
}

START_TEST(names_of_any_length_are_kept_whole)
{
	struct store s;
	char name[EVENT_CHANNEL_MAX + 1];
	char out[EVENT_CHANNEL_MAX];
	size_t len;
	fixture_make(&s);
	uint32_t left = pool_left(&s.arena);
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = (char)('a' + i % 26);

	for (size_t i = 1; i <= EVENT_CHANNEL_MAX; i++) {
		struct span span = { name, i };
		struct layout_block *made;
		struct layout_block *found;

		ck_assert_int_eq(channel_find_or_make(&s.arena, span, &made),
		    0);
		ck_assert_int_eq(channel_find(&s.arena, span, &found), 0);
		ck_assert_int_eq(channel_name(&s.arena, made, out, &len), 0);

		ck_assert_ptr_eq(found, made);
		ck_assert_uint_eq(len, i);
		ck_assert_mem_eq(out, name, i);
		channel_drop_if_idle(&s.arena, made);
	}
	ck_assert_uint_eq(pool_left(&s.arena), left);
	store_close(&s);
}
END_TEST

START_TEST(channels_in_one_bucket_are_told_apart)
{
	struct store s;
	struct layout_block *channels[300];
	char name[16];
	fixture_make(&s);
	uint32_t left = pool_left(&s.arena);
	ck_assert_uint_lt(s.arena.bucket_count, UNIT_COUNT(channels));
	for (unsigned i = 0; i < UNIT_COUNT(channels); i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		channels[i] = make_channel(&s, name);
	}

	for (unsigned i = 0; i < UNIT_COUNT(channels); i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		ck_assert_ptr_eq(make_channel(&s, name), channels[i]);
		/* Half of them go, from the midst of their buckets too. */
		if (i % 2 == 0)
			channel_drop_if_idle(&s.arena, channels[i]);
	}

	for (unsigned i = 0; i < UNIT_COUNT(channels); i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		ck_assert_int_eq(is_there(&s, name), i % 2 != 0);
		if (i % 2 != 0)
			channel_drop_if_idle(&s.arena, channels[i]);
	}
	ck_assert_uint_eq(s.arena.header->channels, 0);
	ck_assert_uint_eq(pool_left(&s.arena), left);
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(each_arena_has_a_key_of_its_own)
{
	struct store one;
	struct store two;
	fixture_make(&one);
	fixture_make(&two);

	ck_assert_uint_ne(one.arena.hash_key.k0, two.arena.hash_key.k0);
	ck_assert_uint_ne(one.arena.hash_key.k1, two.arena.hash_key.k1);
	ck_assert_uint_ne(channel_hash(&one.arena, SPAN("a")),
	    channel_hash(&two.arena, SPAN("a")));
	store_close(&one);
	store_close(&two);
}
END_TEST

/*
 * Names made of either of these, as often as wanted, share all 64 bits of
 * FNV-1a, and so the bucket in a table of any size, for each 256th of its seeds:
 * those that leave the low byte of its state as it is.
 */
static const char *const colliding[2] = { "9---90A.5u", "a..X5nMmjj" };

#define COLLIDING_PARTS 12
#define COLLIDING_LEN (COLLIDING_PARTS * 10)
#define COLLIDING_COUNT (1u << COLLIDING_PARTS)

static void
colliding_name(unsigned number, char name[COLLIDING_LEN])
{
	for (unsigned i = 0; i < COLLIDING_PARTS; i++)
		memcpy(name + i * 10, colliding[number >> i & 1], 10);
}

static uint64_t
fnv_1a(uint64_t seed, struct span s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.ptr[i]) * UINT64_C(0x100000001b3);
	return h;
}

START_TEST(names_that_collide_without_a_key_are_spread)
{
	static const struct store_limits limits = { FIXTURE_MAX_AGE_MS,
		FIXTURE_MAX_EVENTS };
	const uint64_t seed = UINT64_C(0x6a09e667f3bcc900);
	char path[FIXTURE_PATH];
	char name[COLLIDING_LEN];
	struct span span = { name, sizeof(name) };
	struct buf why = { 0 };
	struct layout_block *made;
	struct store s;
	uint32_t longest = 0;
	fixture_path(path);
	ck_assert_int_eq(store_open(&s, path, UINT64_C(4) << 20, &limits,
			     FIXTURE_NOW, &why),
	    0);
	colliding_name(0, name);
	uint64_t shared = fnv_1a(seed, span);

	for (unsigned i = 0; i < COLLIDING_COUNT; i++) {
		colliding_name(i, name);
		ck_assert_uint_eq(fnv_1a(seed, span), shared);
		ck_assert_int_eq(channel_find_or_make(&s.arena, span, &made),
		    0);
	}

	for (uint32_t i = 0; i < s.arena.bucket_count; i++) {
		uint32_t at = s.arena.buckets[i].channels;
		uint32_t len = 0;
		for (; at != LAYOUT_NONE; at = s.arena.blocks[at].channel.next)
			len++;
		if (len > longest)
			longest = len;
	}
	/* Two names a bucket, one time in 10^12 more than 20. */
	ck_assert_uint_eq(s.arena.header->channels, COLLIDING_COUNT);
	ck_assert_uint_eq(s.arena.bucket_count, COLLIDING_COUNT / 2);
	ck_assert_uint_le(longest, 20);
	store_close(&s);
	buf_fini(&why);
}
END_TEST

START_TEST(channel_with_events_or_listeners_stays)
{
	struct store s;
	fixture_make(&s);
	add(&s, "events", id_of(0));
	struct layout_block *heard = make_channel(&s, "heard");
	heard->channel.registrations = 1;

	channel_drop_if_idle(&s.arena, make_channel(&s, "events"));
	channel_drop_if_idle(&s.arena, heard);

	ck_assert(is_there(&s, "events"));
	ck_assert(is_there(&s, "heard"));
	store_close(&s);
}
END_TEST

START_TEST(channel_made_again_knows_what_it_let_go)
{
	struct store s;
	fixture_make(&s);
	add(&s, "a", id_of(0));
	add(&s, "a", id_of(1));
	struct layout_block *channel = make_channel(&s, "a");
	ck_assert_int_eq(channel_forget_oldest(&s.arena, channel), 0);
	ck_assert_uint_eq(atomic_load(&channel->channel.forgotten.id),
	    id_of(0));
	ck_assert_int_eq(channel_forget_oldest(&s.arena, channel), 0);

	channel_drop_if_idle(&s.arena, channel);

	ck_assert(!is_there(&s, "a"));
	ck_assert_uint_eq(channel_forgotten_of(&s.arena, SPAN("a")), id_of(1));
	channel = make_channel(&s, "a");
	ck_assert_uint_eq(atomic_load(&channel->channel.forgotten.id),
	    id_of(1));
	store_close(&s);
}
END_TEST

START_TEST(mark_knows_the_own_id_of_its_own_event_alone)
{
	struct store s;
	static const struct {
		uint64_t id;
		uint64_t own_id;
		uint64_t id_after;
		uint64_t own_id_after;
	} rows[] = {
		{ 5, 50, 5, 50 },
		{ 4, 40, 5, 50 }, /* it is never lowered */
		{ 5, 0, 5, 50 },  /* a repair repeats it, and knows less */
		{ 6, 0, 6, 0 },
		{ 6, 60, 6, 60 },
		{ 7, 70, 7, 70 },
	};

	fixture_make(&s);
	struct layout_mark *mark = &s.arena.buckets[0].forgotten;
	atomic_store(&mark->id, 0);

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		channel_raise(&s.arena, mark, rows[i].id, rows[i].own_id);
		ck_assert_uint_eq(atomic_load(&mark->id), rows[i].id_after);
		ck_assert_uint_eq(atomic_load(&mark->own_id),
		    rows[i].own_id_after);
	}
	store_close(&s);
}
END_TEST

START_TEST(new_arena_has_forgotten_all_before_its_beginning)
{
	struct store s;
	fixture_make(&s);

	struct layout_block *channel = make_channel(&s, "a");

	ck_assert_uint_eq(atomic_load(&channel->channel.forgotten.id),
	    event_id_make(FIXTURE_WALL_MS, 0));
	store_close(&s);
}
END_TEST

START_TEST(mark_of_a_bucket_never_falls)
{
	struct store s;
	char other[16] = "";
	fixture_make(&s);
	uint32_t mask = s.arena.bucket_count - 1;
	uint32_t bucket = channel_hash(&s.arena, SPAN("a")) & mask;
	unsigned i = 0;
	do
		(void)snprintf(other, sizeof(other), "b%u", i++);
	while ((channel_hash(&s.arena, span_of(other)) & mask) != bucket);
	add(&s, other, id_of(0));
	add(&s, "a", id_of(1));
	struct layout_block *a = make_channel(&s, "a");
	struct layout_block *b = make_channel(&s, other);
	ck_assert_int_eq(channel_forget_oldest(&s.arena, a), 0);
	ck_assert_int_eq(channel_forget_oldest(&s.arena, b), 0);

	channel_drop_if_idle(&s.arena, a);
	channel_drop_if_idle(&s.arena, b);

	ck_assert_uint_eq(channel_forgotten_of(&s.arena, SPAN("a")), id_of(1));
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(what_reached_the_age_does_not_count_and_no_more)
{
	struct store s;
	const uint64_t at = 1000000;
	fixture_make(&s);
	add_stamped(&s, "a", id_of(0), at);
	add_stamped(&s, "a", id_of(1), at);
	add_stamped(&s, "a", id_of(2), at + 1);
	struct layout_block *channel = make_channel(&s, "a");

	static const struct {
		uint64_t age_ms;
		uint64_t oldest;
		uint64_t forgotten;
	} rows[] = {
		{ 0, 0, UINT64_MAX },
		{ FIXTURE_MAX_AGE_MS - 1, 0, UINT64_MAX },
		{ FIXTURE_MAX_AGE_MS, 2, 1 },
		{ FIXTURE_MAX_AGE_MS + 1, UINT64_MAX, 2 },
	};
	uint64_t beginning = atomic_load(&channel->channel.forgotten.id);

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct channel_kept kept;
		ck_assert_int_eq(channel_kept(&s.arena, channel,
				     at + rows[i].age_ms, &kept),
		    0);
		if (rows[i].oldest == UINT64_MAX)
			ck_assert_ptr_null(kept.oldest);
		else
			ck_assert_uint_eq(kept.oldest->event.id,
			    id_of(rows[i].oldest));
		ck_assert_uint_eq(kept.forgotten,
		    rows[i].forgotten == UINT64_MAX ? beginning
						    : id_of(rows[i].forgotten));
	}
	ck_assert_uint_eq(channel->channel.events, 3);
	store_close(&s);
}
END_TEST

START_TEST(expiry_over_all_channels_is_bounded)
{
	struct store s;
	const uint64_t late = 1 + FIXTURE_MAX_AGE_MS;
	fixture_make(&s);
	for (unsigned i = 0; i < 9; i++)
		add(&s, i % 2 == 0 ? "even" : "odd", id_of(i));
	add_stamped(&s, "young", id_of(9), 2);

	ck_assert_int_eq(channel_expire_some(&s.arena, late, 4), CRITICAL_MORE);
	uint32_t first = s.arena.header->events;
	ck_assert_int_eq(channel_expire_some(&s.arena, late, 100), 0);

	ck_assert_uint_eq(first, 6);
	ck_assert_uint_eq(s.arena.header->events, 1);
	ck_assert(!is_there(&s, "even"));
	ck_assert(!is_there(&s, "odd"));
	ck_assert(is_there(&s, "young"));
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(eviction_takes_the_oldest_of_all)
{
	static const char *const names[] = { "b", "a", "b", "c", "a" };
	struct store s;
	fixture_make(&s);
	for (unsigned i = 0; i < UNIT_COUNT(names); i++)
		add(&s, names[i], id_of(i));

	for (unsigned i = 0; i < UNIT_COUNT(names); i++) {
		uint32_t number = s.arena.header->oldest;
		const struct layout_block *oldest = &s.arena.blocks[number];
		ck_assert_uint_eq(oldest->event.id, id_of(i));

		ck_assert_int_eq(channel_evict(&s.arena), 0);

		ck_assert_uint_eq(s.arena.header->evicted, i + 1);
		ck_assert_uint_eq(channel_forgotten_of(&s.arena,
				      span_of(names[i])) == id_of(i),
		    !is_there(&s, names[i]));
		fixture_assert_sound(&s);
	}
	ck_assert_int_eq(channel_evict(&s.arena), -ENOSPC);
	ck_assert_uint_eq(s.arena.header->channels, 0);
	store_close(&s);
}
END_TEST

START_TEST(event_that_is_not_committed_makes_no_room)
{
	struct store s;
	fixture_make(&s);
	uint64_t last = atomic_load(&s.arena.header->last_id);
	add(&s, "a", id_of(0));
	atomic_store(&s.arena.header->last_id, last);

	ck_assert_int_eq(channel_evict(&s.arena), -ENOSPC);

	ck_assert_uint_eq(s.arena.header->events, 1);
	store_close(&s);
}
END_TEST

/* The number of the block that holds an event. */
static uint32_t
number_of(const struct store *s, uint64_t id)
{
	for (uint32_t i = 1; i < s->arena.block_count; i++) {
		struct layout_block *b = pool_block(&s->arena, i, LAYOUT_EVENT);
		if (b != NULL && b->event.id == id)
			return i;
	}
	ck_abort_msg("no such event");
}

START_TEST(first_event_after_a_cursor_is_found_with_any_hint)
{
	/* Events 10, 20, 30 of "a" among others of "b". */
	static const struct {
		uint64_t cursor;
		uint64_t found; /* 0: none */
	} rows[] = {
		{ 0, 10 },
		{ 9, 10 },
		{ 10, 20 },
		{ 15, 20 },
		{ 19, 20 },
		{ 20, 30 },
		{ 29, 30 },
		{ 30, 0 },
		{ 31, 0 },
		{ 99, 0 },
	};
	struct store s;
	fixture_make(&s);
	for (uint64_t n = 10; n <= 30; n += 5)
		add(&s, n % 10 == 0 ? "a" : "b", id_of(n));
	const uint32_t hints[] = { 0, number_of(&s, id_of(10)),
		number_of(&s, id_of(20)), number_of(&s, id_of(30)),
		number_of(&s, id_of(15)),
		pool_number(&s.arena, make_channel(&s, "a")),
		s.arena.block_count, UINT32_MAX };
	const struct layout_block *channel = make_channel(&s, "a");

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		for (size_t h = 0; h < UNIT_COUNT(hints); h++) {
			struct layout_block *event;
			uint64_t cursor =
			    rows[i].cursor == 0 ? 0 : id_of(rows[i].cursor);

			ck_assert_int_eq(channel_after(&s.arena, channel,
					     cursor, hints[h], &event),
			    0);

			ck_assert_uint_eq(event == NULL ? 0 : event->event.id,
			    rows[i].found == 0 ? 0 : id_of(rows[i].found));
		}
	}
	store_close(&s);
}
END_TEST

START_TEST(hint_to_an_event_that_went_does_not_mislead)
{
	struct store s;
	struct layout_block *event;
	fixture_make(&s);
	for (unsigned i = 0; i < 3; i++)
		add(&s, "a", id_of(i));
	struct layout_block *channel = make_channel(&s, "a");
	(void)make_channel(&s, "b");
	uint32_t hint = number_of(&s, id_of(0));
	ck_assert_int_eq(channel_forget_oldest(&s.arena, channel), 0);
	/* Its block now holds another event. */
	add(&s, "b", id_of(3));
	ck_assert_uint_eq(number_of(&s, id_of(3)), hint);

	ck_assert_int_eq(channel_after(&s.arena, channel, id_of(0), hint,
			     &event),
	    0);

	ck_assert_uint_eq(event->event.id, id_of(1));
	store_close(&s);
}
END_TEST

START_TEST(channel_there_is_no_room_for_takes_nothing)
{
	struct store s;
	struct layout_block *channel;
	char name[EVENT_CHANNEL_MAX];
	fixture_make(&s);
	memset(name, 'x', sizeof(name));
	/* Such a name takes five blocks. */
	while (pool_left(&s.arena) > 4)
		(void)pool_take(&s.arena);

	int rc = channel_find_or_make(&s.arena,
	    (struct span){ name, sizeof(name) }, &channel);

	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_uint_eq(pool_left(&s.arena), 4);
	ck_assert_uint_eq(s.arena.header->channels, 0);
	store_close(&s);
}
END_TEST

START_TEST(event_there_is_no_room_for_takes_nothing)
{
	struct store s;
	char body[LAYOUT_EVENT_BYTES + 1];
	fixture_make(&s);
	memset(body, 'x', sizeof(body));
	struct layout_block *channel = make_channel(&s, "a");
	while (pool_left(&s.arena) > 1)
		(void)pool_take(&s.arena);

	const struct channel_event event = { .id = id_of(0),
		.stamp_ms = 1,
		.body = { body, sizeof(body) } };
	int rc = channel_add(&s.arena, channel, &event);

	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_uint_eq(pool_left(&s.arena), 1);
	ck_assert_uint_eq(channel->channel.events, 0);
	store_close(&s);
}
END_TEST

START_TEST(bucket_that_circles_is_broken_and_no_trap)
{
	struct store s;
	struct layout_block *found;
	fixture_make(&s);
	struct layout_block *channel = make_channel(&s, "a");
	channel->channel.next = pool_number(&s.arena, channel);
	channel->channel.name_len = 2;

	int rc = channel_find(&s.arena, SPAN("a"), &found);

	ck_assert_int_eq(rc, -EUCLEAN);
	store_close(&s);
}
END_TEST

START_TEST(name_that_is_too_long_is_broken)
{
	struct store s;
	char out[EVENT_CHANNEL_MAX];
	size_t len;
	fixture_make(&s);
	struct layout_block *channel = make_channel(&s, "a");
	channel->channel.name_len = EVENT_CHANNEL_MAX + 1;

	int rc = channel_name(&s.arena, channel, out, &len);

	ck_assert_int_eq(rc, -EUCLEAN);
	store_close(&s);
}
END_TEST

START_TEST(events_that_circle_are_broken_and_no_trap)
{
	struct store s;
	struct layout_block *event;
	fixture_make(&s);
	for (unsigned i = 0; i < 4; i++)
		add(&s, "a", id_of(i));
	const struct layout_block *channel = make_channel(&s, "a");
	struct layout_block *third = &s.arena.blocks[number_of(&s, id_of(2))];
	third->event.older = number_of(&s, id_of(3));
	third->event.newer = number_of(&s, id_of(1));

	int forward = channel_newer(&s.arena, third, &event);
	int back =
	    channel_after(&s.arena, channel, id_of(1), LAYOUT_NONE, &event);

	ck_assert_int_eq(forward, -EUCLEAN);
	ck_assert_int_eq(back, -EUCLEAN);
	store_close(&s);
}
END_TEST

START_TEST(links_that_lead_nowhere_are_broken)
{
	struct store s;
	struct layout_block *event;
	fixture_make(&s);
	add(&s, "a", id_of(0));
	add(&s, "a", id_of(1));
	struct layout_block *channel = make_channel(&s, "a");
	struct layout_block *first = &s.arena.blocks[number_of(&s, id_of(0))];
	const uint32_t wrong[] = { pool_number(&s.arena, channel),
		s.arena.block_count, UINT32_MAX };

	for (size_t i = 0; i < UNIT_COUNT(wrong); i++) {
		first->event.newer = wrong[i];
		ck_assert_int_eq(channel_newer(&s.arena, first, &event),
		    -EUCLEAN);
		ck_assert_int_eq(channel_forget_oldest(&s.arena, channel),
		    -EUCLEAN);
		uint32_t oldest = channel->channel.oldest;
		channel->channel.oldest = wrong[i];
		ck_assert_int_eq(channel_forget_oldest(&s.arena, channel),
		    -EUCLEAN);
		struct channel_kept kept;
		ck_assert_int_eq(channel_kept(&s.arena, channel, UINT32_MAX,
				     &kept),
		    -EUCLEAN);
		ck_assert_int_eq(channel_after(&s.arena, channel, 0, 0, &event),
		    -EUCLEAN);
		channel->channel.oldest = oldest;
	}
	store_close(&s);
}
END_TEST

START_TEST(oldest_of_all_that_is_not_its_channel_s_oldest_is_broken)
{
	struct store s;
	fixture_make(&s);
	add(&s, "a", id_of(0));
	add(&s, "a", id_of(1));
	s.arena.header->oldest = number_of(&s, id_of(1));

	ck_assert_int_eq(channel_evict(&s.arena), -EUCLEAN);
	ck_assert_int_eq(channel_expire_some(&s.arena, UINT32_MAX, 1),
	    -EUCLEAN);

	ck_assert_uint_eq(s.arena.header->events, 2);
	store_close(&s);
}
END_TEST

FIXTURE_MAIN("history", names_of_any_length_are_kept_whole,
    channels_in_one_bucket_are_told_apart, each_arena_has_a_key_of_its_own,
    names_that_collide_without_a_key_are_spread,
    channel_with_events_or_listeners_stays,
    channel_made_again_knows_what_it_let_go,
    mark_knows_the_own_id_of_its_own_event_alone,
    new_arena_has_forgotten_all_before_its_beginning,
    mark_of_a_bucket_never_falls,
    what_reached_the_age_does_not_count_and_no_more,
    expiry_over_all_channels_is_bounded, eviction_takes_the_oldest_of_all,
    event_that_is_not_committed_makes_no_room,
    first_event_after_a_cursor_is_found_with_any_hint,
    hint_to_an_event_that_went_does_not_mislead,
    channel_there_is_no_room_for_takes_nothing,
    event_there_is_no_room_for_takes_nothing,
    bucket_that_circles_is_broken_and_no_trap, name_that_is_too_long_is_broken,
    events_that_circle_are_broken_and_no_trap,
    links_that_lead_nowhere_are_broken,
    oldest_of_all_that_is_not_its_channel_s_oldest_is_broken)
