#include "arena_fixture.h"

#include <errno.h>

#include "arena/browse.h"
#include "arena/channel.h"
#include "arena/pool.h"

#define CHANNELS 300
#define LONG_CHANNELS 60

static void
make_worker(struct fixture_worker *w)
{
	char path[FIXTURE_PATH];

	fixture_path(path);
	fixture_join(w, path);
}

/* Join a channel as one stream. */
static void
listen_to(struct fixture_worker *w, const char *name)
{
	struct follow_join join = { .name = span_of(name) };
	struct follow_joined joined;

	ck_assert_int_eq(follow_join(&w->store, FIXTURE_NOW, &join, 1,
			     (struct event_resume){ 0 }, &joined),
	    0);
}

/* A reader's segment, large enough for what these tests keep. */
struct reading {
	char bytes[8192];
	struct follow_mark marks[64];
	struct follow_segment segment;
};

static struct follow_segment *
new_segment(struct reading *reading, size_t room, size_t marks_room)
{
	reading->segment = (struct follow_segment){ .bytes = reading->bytes,
		.room = room,
		.marks = reading->marks,
		.marks_room = marks_room };
	return &reading->segment;
}

START_TEST(every_channel_is_in_the_list_once_over_many_pages)
{
	struct fixture_worker w;
	struct browse_channel channels[16];
	char names[CHANNELS * 4 + EVENT_CHANNEL_MAX];
	struct browse_segment segment = { .since = UINT64_MAX,
		.channels = channels,
		.room = 16,
		.names = names,
		.names_room = sizeof(names) };
	char name[16];
	int seen[CHANNELS] = { 0 };
	int segments = 0;
	make_worker(&w);
	for (int i = 0; i < CHANNELS; i++) {
		(void)snprintf(name, sizeof(name), "c%d", i);
		(void)fixture_append(&w, FIXTURE_NOW, name);
	}

	do {
		ck_assert_int_eq(browse_channels(&w.store, &segment), 0);
		for (size_t i = 0; i < segment.count; i++) {
			(void)snprintf(name, sizeof(name), "%.*s",
			    (int)channels[i].name.len, channels[i].name.ptr);
			seen[atoi(name + 1)]++;
			ck_assert_uint_eq(channels[i].events, 1);
		}
		segments++;
	} while (segment.more);

	for (int i = 0; i < CHANNELS; i++)
		ck_assert_int_eq(seen[i], 1);
	ck_assert_int_ge(segments, CHANNELS / 16);
	fixture_leave(&w);
}
END_TEST

START_TEST(channel_shows_its_events_and_its_streams)
{
	struct fixture_worker w;
	struct browse_channel found;
	make_worker(&w);
	for (int i = 0; i < FIXTURE_MAX_EVENTS; i++)
		(void)fixture_append(&w, FIXTURE_NOW, "a");
	uint64_t last = fixture_append(&w, FIXTURE_NOW, "a");
	listen_to(&w, "a");
	listen_to(&w, "b");

	ck_assert_int_eq(browse_find(&w.store, SPAN("a"), &found), 0);
	ck_assert_uint_eq(found.events, FIXTURE_MAX_EVENTS);
	ck_assert_uint_eq(found.subscribers, 1);
	ck_assert_uint_eq(found.newest, last);
	ck_assert_uint_eq(found.oldest, last - FIXTURE_MAX_EVENTS + 1);
	ck_assert_uint_eq(found.forgotten, last - FIXTURE_MAX_EVENTS);

	ck_assert_int_eq(browse_find(&w.store, SPAN("b"), &found), 0);
	ck_assert_uint_eq(found.events, 0);
	ck_assert_uint_eq(found.oldest, 0);
	ck_assert_uint_eq(found.newest, 0);
	fixture_leave(&w);
}
END_TEST

START_TEST(channel_that_is_not_there_is_not_found_nor_made)
{
	struct fixture_worker w;
	struct browse_channel found;
	struct browse_reader reader = { .channel = SPAN("a") };
	struct reading reading;
	make_worker(&w);

	ck_assert_int_eq(browse_find(&w.store, SPAN("a"), &found), -ENOENT);
	ck_assert_int_eq(browse_read(&w.store, &reader,
			     new_segment(&reading, 100, 4)),
	    0);

	ck_assert_uint_eq(reading.segment.marks_len, 0);
	ck_assert_uint_eq(w.store.arena.header->channels, 0);
	fixture_leave(&w);
}
END_TEST

START_TEST(fresh_are_the_events_after_a_point)
{
	struct fixture_worker w;
	struct browse_channel channels[4];
	char names[EVENT_CHANNEL_MAX];
	struct browse_segment segment = { .channels = channels,
		.room = 4,
		.names = names,
		.names_room = sizeof(names) };
	make_worker(&w);
	for (int i = 0; i < 5; i++)
		segment.since = fixture_append(&w, FIXTURE_NOW, "a");
	for (int i = 0; i < 3; i++)
		(void)fixture_append(&w, FIXTURE_NOW, "a");

	size_t count = 0;
	do {
		ck_assert_int_eq(browse_channels(&w.store, &segment), 0);
		count += segment.count;
		if (segment.count == 1)
			ck_assert_uint_eq(channels[0].fresh, 3);
	} while (segment.more);

	ck_assert_uint_eq(count, 1);
	fixture_leave(&w);
}
END_TEST

START_TEST(segment_without_room_for_a_bucket_says_so)
{
	struct fixture_worker w;
	struct browse_channel channels[1];
	char names[EVENT_CHANNEL_MAX];
	const struct browse_segment rows[] = {
		{ .names = names, .names_room = sizeof(names) },
		{ .channels = channels, .room = 1 },
		{ .channels = channels,
		    .room = 1,
		    .names = names,
		    .names_room = sizeof(names) - 1 },
	};
	make_worker(&w);
	(void)fixture_append(&w, FIXTURE_NOW, "a");

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct browse_segment segment = rows[i];
		int rc;
		do {
			rc = browse_channels(&w.store, &segment);
		} while (rc == 0 && segment.more);

		ck_assert_int_eq(rc, -EMSGSIZE);
		ck_assert_uint_eq(segment.names_len, 0);
	}
	fixture_leave(&w);
}
END_TEST

/* The name of the nth channel: the longer, the higher its number. */
static struct span
long_name(size_t n, char room[EVENT_CHANNEL_MAX])
{
	size_t len = EVENT_CHANNEL_MAX - n;

	memset(room, 'a' + (int)(n % 26), len);
	return (struct span){ room, len };
}

START_TEST(list_of_all_has_long_names_whole)
{
	struct fixture_worker w;
	struct browse_list list;
	char room[EVENT_CHANNEL_MAX];
	int seen[LONG_CHANNELS] = { 0 };
	make_worker(&w);
	for (size_t i = 0; i < LONG_CHANNELS; i++) {
		struct store_event event = { .channel = long_name(i, room),
			.body = FIXTURE_BODY };
		struct store_appended appended;
		ck_assert_int_eq(wake_append(&w.wake, FIXTURE_NOW, &event, 1,
				     &appended),
		    0);
	}

	int rc = browse_all(&w.store, UINT64_MAX, &list);

	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(list.count, LONG_CHANNELS);
	for (size_t i = 0; i < list.count; i++) {
		struct span name = list.channels[i].name;
		size_t n = EVENT_CHANNEL_MAX - name.len;
		ck_assert_uint_lt(n, LONG_CHANNELS);
		ck_assert(span_equal(name, long_name(n, room)));
		seen[n]++;
	}
	for (size_t i = 0; i < LONG_CHANNELS; i++)
		ck_assert_int_eq(seen[i], 1);
	browse_list_fini(&list);
	fixture_leave(&w);
}
END_TEST

START_TEST(what_is_too_old_goes_before_it_is_shown)
{
	struct fixture_worker w;
	struct browse_channel found;
	struct clock_now now = FIXTURE_NOW;
	const char *const names[] = { "a", "b", "c", "d", "e", "f", "g" };
	make_worker(&w);
	for (int i = 0; i < 90; i++) {
		for (size_t c = 0; c < UNIT_COUNT(names); c++)
			(void)fixture_append(&w, now, names[c]);
	}
	now.boot_ms += FIXTURE_MAX_AGE_MS;

	ck_assert_int_eq(store_expire(&w.store, now, STORE_EXPIRE_ALL), 0);

	/* More than one critical section lets go. */
	ck_assert_uint_eq(w.store.arena.header->expired, 630);
	ck_assert_int_eq(browse_find(&w.store, SPAN("a"), &found), -ENOENT);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(reader_gets_all_events_page_by_page_and_nobody_counts_it)
{
	struct fixture_worker w;
	struct browse_reader reader = { .channel = SPAN("a") };
	struct browse_channel found;
	struct reading reading;
	uint64_t ids[10];
	size_t got = 0;
	make_worker(&w);
	for (size_t i = 0; i < 10; i++) {
		ids[i] = fixture_append(&w, FIXTURE_NOW, "a");
		(void)fixture_append(&w, FIXTURE_NOW, "b");
	}

	do {
		ck_assert_int_eq(browse_read(&w.store, &reader,
				     new_segment(&reading, 8192, 3)),
		    0);
		for (size_t i = 0; i < reading.segment.marks_len; i++)
			ck_assert_uint_eq(reading.marks[i].id, ids[got++]);
	} while (reading.segment.more);

	ck_assert_uint_eq(got, 10);
	ck_assert_int_eq(browse_find(&w.store, SPAN("a"), &found), 0);
	ck_assert_uint_eq(found.subscribers, 0);
	fixture_leave(&w);
}
END_TEST

START_TEST(reader_begins_after_its_cursor_and_passes_over_what_went)
{
	struct fixture_worker w;
	struct browse_reader reader = { .channel = SPAN("a") };
	struct reading reading;
	make_worker(&w);
	reader.cursor = fixture_append(&w, FIXTURE_NOW, "a");
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);
	uint64_t id = fixture_append(&w, FIXTURE_NOW, "a");
	reader.hint = 1;

	ck_assert_int_eq(browse_read(&w.store, &reader,
			     new_segment(&reading, 8192, 8)),
	    0);

	ck_assert_uint_eq(reading.segment.marks_len, 1);
	ck_assert_uint_eq(reading.marks[0].id, id);
	fixture_leave(&w);
}
END_TEST

START_TEST(event_larger_than_the_page_tells_how_much_it_wants)
{
	struct fixture_worker w;
	struct browse_reader reader = { .channel = SPAN("a") };
	struct reading reading;
	make_worker(&w);
	(void)fixture_append(&w, FIXTURE_NOW, "a");

	ck_assert_int_eq(browse_read(&w.store, &reader,
			     new_segment(&reading, 4, 8)),
	    -EMSGSIZE);

	ck_assert_uint_gt(reading.segment.wanted, 4);
	ck_assert_uint_eq(reader.cursor, 0);
	fixture_leave(&w);
}
END_TEST

/* Garble one of the indices a list follows; then the list must be whole. */
static void
list_garbled(int which)
{
	struct fixture_worker w;
	struct browse_channel channels[8];
	char names[8 + EVENT_CHANNEL_MAX];
	struct browse_segment segment = { .channels = channels,
		.room = 8,
		.names = names,
		.names_room = sizeof(names) };
	struct layout_block *channel;
	size_t count = 0;
	make_worker(&w);
	(void)fixture_append(&w, FIXTURE_NOW, "a");
	uint64_t last = fixture_append(&w, FIXTURE_NOW, "a");
	ck_assert_int_eq(channel_find(&w.store.arena, SPAN("a"), &channel), 0);
	uint32_t number = pool_number(&w.store.arena, channel);
	if (which == 0)
		channel->channel.next = w.store.arena.block_count + 5;
	else if (which == 1)
		channel->channel.next = number;
	else if (which == 2)
		channel->channel.newest = number;
	else
		channel->channel.oldest = UINT32_MAX;

	do {
		ck_assert_int_eq(browse_channels(&w.store, &segment), 0);
		count += segment.count;
		if (segment.count == 1)
			ck_assert_uint_eq(channels[0].newest, last);
	} while (segment.more);

	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(store_repairs(&w.store), 1);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}

START_TEST(broken_index_is_repaired_and_the_list_is_whole)
{
	for (int which = 0; which < 4; which++)
		list_garbled(which);
}
END_TEST

FIXTURE_MAIN("browse", every_channel_is_in_the_list_once_over_many_pages,
    channel_shows_its_events_and_its_streams,
    channel_that_is_not_there_is_not_found_nor_made,
    fresh_are_the_events_after_a_point,
    segment_without_room_for_a_bucket_says_so, list_of_all_has_long_names_whole,
    what_is_too_old_goes_before_it_is_shown,
    reader_gets_all_events_page_by_page_and_nobody_counts_it,
    reader_begins_after_its_cursor_and_passes_over_what_went,
    event_larger_than_the_page_tells_how_much_it_wants,
    broken_index_is_repaired_and_the_list_is_whole)
