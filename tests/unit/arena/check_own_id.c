#include "arena_fixture.h"

#include "arena/channel.h"
#include "arena/own_id.h"
#include "arena/pool.h"
#include "arena/repair.h"

static void
make_worker(struct fixture_worker *w)
{
	char path[FIXTURE_PATH];

	fixture_path(path);
	fixture_join(w, path);
}

/* Append an event with an id of its own to channels, of which NULL is the last. */
static uint64_t
append(struct fixture_worker *w, struct span own_id,
    const char *const *channels)
{
	struct store_event events[8];
	struct store_appended appended[8];
	size_t count = 0;

	for (; channels[count] != NULL; count++)
		events[count] = (struct store_event){
			.channel = span_of(channels[count]),
			.own_id = own_id,
			.body = FIXTURE_BODY,
			.is_copy = count > 0,
		};
	ck_assert_int_eq(wake_append(&w->wake, FIXTURE_NOW, events, count,
			     appended),
	    0);
	ck_assert(!appended[0].duplicate);
	return appended[0].id;
}

static uint64_t
append_to(struct fixture_worker *w, struct span own_id, const char *channel)
{
	const char *const channels[] = { channel, NULL };

	return append(w, own_id, channels);
}

/* The event's id, or 0 when there is none. */
static uint64_t
find(struct fixture_worker *w, struct span own_id)
{
	struct layout_block *event;

	ck_assert_int_eq(own_id_find(&w->store.arena, own_id, &event), 0);
	return event == NULL ? 0 : event->event.id;
}

static void
forget_oldest(struct fixture_worker *w, const char *name)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find(&w->store.arena, span_of(name), &channel),
	    0);
	ck_assert_ptr_nonnull(channel);
	ck_assert_int_eq(channel_forget_oldest(&w->store.arena, channel), 0);
	channel_drop_if_idle(&w->store.arena, channel);
}

START_TEST(own_ids_of_any_length_are_found)
{
	struct fixture_worker w;
	char bytes[EVENT_OWN_ID_MAX + 1];
	make_worker(&w);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i % 26);

	for (size_t len = 1; len <= EVENT_OWN_ID_MAX; len++) {
		struct span own_id = { bytes, len };
		char out[EVENT_OWN_ID_MAX];
		struct layout_block *event;
		struct span read;

		uint64_t id = append_to(&w, own_id, "a");

		ck_assert_uint_eq(find(&w, own_id), id);
		ck_assert_int_eq(own_id_find(&w.store.arena, own_id, &event),
		    0);
		ck_assert_int_eq(own_id_read(&w.store.arena, event, out, &read),
		    0);
		ck_assert(span_equal(read, own_id));
	}
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(event_that_is_gone_is_not_found)
{
	struct fixture_worker w;
	make_worker(&w);
	(void)append_to(&w, SPAN("x"), "a");
	uint64_t second = append_to(&w, SPAN("y"), "a");
	(void)fixture_append(&w, FIXTURE_NOW, "a");

	forget_oldest(&w, "a");

	ck_assert_uint_eq(find(&w, SPAN("x")), 0);
	ck_assert_uint_eq(find(&w, SPAN("y")), second);
	fixture_assert_sound(&w.store);
	forget_oldest(&w, "a");
	ck_assert_uint_eq(find(&w, SPAN("y")), 0);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(event_of_several_channels_is_found_until_its_last_copy_goes)
{
	static const char *const channels[] = { "a", "b", "c", NULL };
	static const unsigned orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 },
		{ 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (size_t o = 0; o < UNIT_COUNT(orders); o++) {
		struct fixture_worker w;
		make_worker(&w);
		uint64_t other = append_to(&w, SPAN("y"), "other");
		uint64_t id = append(&w, SPAN("x"), channels);

		for (unsigned i = 0; i < 3; i++) {
			ck_assert_uint_eq(find(&w, SPAN("x")), id);
			fixture_assert_sound(&w.store);
			forget_oldest(&w, channels[orders[o][i]]);
		}

		ck_assert_uint_eq(find(&w, SPAN("x")), 0);
		ck_assert_uint_eq(find(&w, SPAN("y")), other);
		fixture_assert_sound(&w.store);
		fixture_leave(&w);
	}
}
END_TEST

START_TEST(own_ids_in_one_bucket_are_told_apart)
{
	struct fixture_worker w;
	uint64_t ids[300];
	char name[16];
	make_worker(&w);
	w.store.arena.header->max_events = UNIT_COUNT(ids);
	ck_assert_uint_lt(w.store.arena.bucket_count, UNIT_COUNT(ids));

	for (unsigned i = 0; i < UNIT_COUNT(ids); i++) {
		(void)snprintf(name, sizeof(name), "own-%u", i);
		ids[i] = append_to(&w, span_of(name), i % 2 == 0 ? "a" : "b");
	}
	/* Every other one goes, from the midst of its bucket too. */
	for (unsigned i = 0; i < UNIT_COUNT(ids) / 2; i++)
		forget_oldest(&w, "a");

	for (unsigned i = 0; i < UNIT_COUNT(ids); i++) {
		(void)snprintf(name, sizeof(name), "own-%u", i);
		ck_assert_uint_eq(find(&w, span_of(name)),
		    i % 2 == 0 ? 0 : ids[i]);
	}
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(earliest_of_several_with_one_own_id_is_found)
{
	struct fixture_worker w;
	struct store_event events[3];
	struct store_appended appended[3];
	make_worker(&w);
	uint64_t last = store_last_id(&w.store);
	/* Only ids from outside can make this. */
	for (unsigned i = 0; i < 3; i++)
		events[i] = (struct store_event){ .channel = SPAN("a"),
			.own_id = SPAN("x"),
			.body = FIXTURE_BODY,
			.id = last + 1 + i };
	ck_assert_int_eq(wake_append(&w.wake, FIXTURE_NOW, events, 3, appended),
	    0);

	for (unsigned i = 0; i < 3; i++) {
		ck_assert(!appended[i].duplicate);
		ck_assert_uint_eq(find(&w, SPAN("x")), last + 1 + i);
		fixture_assert_sound(&w.store);
		forget_oldest(&w, "a");
	}

	ck_assert_uint_eq(find(&w, SPAN("x")), 0);
	fixture_leave(&w);
}
END_TEST

START_TEST(repair_enters_every_own_id_again)
{
	static const char *const channels[] = { "a", "b", "c", NULL };
	struct fixture_worker w;
	make_worker(&w);
	struct arena *a = &w.store.arena;
	uint64_t first = append_to(&w, SPAN("first"), "a");
	uint64_t shared = append(&w, SPAN("shared"), channels);
	(void)fixture_append(&w, FIXTURE_NOW, "a");
	for (uint32_t i = 0; i < a->bucket_count; i++)
		a->buckets[i].own_ids = UINT32_MAX;
	for (uint32_t i = 1; i < a->block_count; i++) {
		struct layout_block *b = pool_block(a, i, LAYOUT_EVENT);
		if (b != NULL)
			b->event.next_own_id = UINT32_MAX;
	}

	ck_assert_uint_eq(repair_arena(a, false), 0);

	ck_assert_uint_eq(find(&w, SPAN("first")), first);
	ck_assert_uint_eq(find(&w, SPAN("shared")), shared);
	ck_assert_uint_eq(a->header->events, 5);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(repair_drops_an_event_whose_own_id_went_bad)
{
	struct fixture_worker w;
	struct layout_block *event;
	make_worker(&w);
	struct arena *a = &w.store.arena;
	(void)append_to(&w, SPAN("first"), "a");
	uint64_t second = append_to(&w, SPAN("second"), "a");
	ck_assert_int_eq(own_id_find(a, SPAN("first"), &event), 0);
	event->event.own_id_len = 200;

	ck_assert_uint_eq(repair_arena(a, false), 1);

	ck_assert_uint_eq(find(&w, SPAN("first")), 0);
	ck_assert_uint_eq(find(&w, SPAN("second")), second);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(broken_index_is_repaired_by_who_meets_it)
{
	struct fixture_worker w;
	make_worker(&w);
	struct arena *a = &w.store.arena;
	(void)append_to(&w, SPAN("x"), "a");
	for (uint32_t i = 0; i < a->bucket_count; i++)
		a->buckets[i].own_ids = UINT32_MAX;

	uint64_t id = append_to(&w, SPAN("y"), "a");

	ck_assert_uint_eq(find(&w, SPAN("y")), id);
	ck_assert_uint_ne(find(&w, SPAN("x")), 0);
	ck_assert_uint_eq(a->header->repairs, 1);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

FIXTURE_MAIN("own_id", own_ids_of_any_length_are_found,
    event_that_is_gone_is_not_found,
    event_of_several_channels_is_found_until_its_last_copy_goes,
    own_ids_in_one_bucket_are_told_apart,
    earliest_of_several_with_one_own_id_is_found,
    repair_enters_every_own_id_again,
    repair_drops_an_event_whose_own_id_went_bad,
    broken_index_is_repaired_by_who_meets_it)
