/*
 * How much the operations do under the lock, counted in steps (arena.h), so that no
 * machine's speed decides.
 */
#include "arena_fixture.h"

#include <errno.h>
#include <stdio.h>

#include "arena/browse.h"
#include "arena/critical.h"
#include "arena/follow.h"
#include "arena/status.h"

#define CHANNELS FOLLOW_READER_MAX
#define EVENTS 1000

/* A worker of an arena in which nothing grows too old or is one too many. */
struct setup {
	struct fixture_worker w;
	char names[CHANNELS][8];
	struct arena_meter *meter;
	struct clock_now now;
};

static void
setup_make(struct setup *s, uint64_t size)
{
	const struct store_limits limits = { UINT64_C(1) << 40, 1000000 };
	char path[FIXTURE_PATH];
	struct buf why = { 0 };

	fixture_path(path);
	s->now = FIXTURE_NOW;
	ck_assert_int_eq(store_open(&s->w.store, path, size, &limits, s->now,
			     &why),
	    0);
	ck_assert_int_eq(wake_attach(&s->w.store, s->now, &s->w.inbox, &why),
	    0);
	buf_fini(&why);
	ck_assert_int_eq(wake_init(&s->w.wake, &s->w.store, 16), 0);
	for (unsigned i = 0; i < CHANNELS; i++)
		(void)snprintf(s->names[i], sizeof(s->names[i]), "c%u", i);
	s->meter = s->w.store.arena.meter;
}

/* Append count events, each to the next of so many channels. */
static void
append(struct setup *s, unsigned count, unsigned channels)
{
	struct store_event events[500];
	struct store_appended appended[500];

	for (unsigned done = 0; done < count; done += 500) {
		for (unsigned i = 0; i < 500; i++)
			events[i] = (struct store_event){
				.channel =
				    span_of(s->names[(done + i) % channels]),
				.body = FIXTURE_BODY,
			};
		ck_assert_int_eq(wake_append(&s->w.wake, s->now, events, 500,
				     appended),
		    0);
	}
}

static void
join(struct setup *s, unsigned channels, uint64_t after,
    uint32_t registrations[CHANNELS], struct follow_joined *joined)
{
	struct follow_join joins[CHANNELS];
	const struct event_resume resume = { .kind = EVENT_RESUME_AFTER,
		.id = after };

	for (unsigned i = 0; i < channels; i++)
		joins[i] = (struct follow_join){ .name = span_of(s->names[i]) };
	ck_assert_int_eq(follow_join(&s->w.store, s->now, joins, channels,
			     resume, joined),
	    0);
	for (unsigned i = 0; i < channels; i++)
		registrations[i] = joins[i].registration;
}

/* Have the worker listen to so many channels. */
static void
listen_to_many(struct setup *s, unsigned channels)
{
	struct follow_join joins[CHANNELS];
	char names[CHANNELS][16];
	const struct event_resume live = { .kind = EVENT_RESUME_NONE };
	struct follow_joined joined;

	for (unsigned done = 0; done < channels; done += CHANNELS) {
		for (unsigned i = 0; i < CHANNELS; i++) {
			(void)snprintf(names[i], sizeof(names[i]), "m%u",
			    done + i);
			joins[i] =
			    (struct follow_join){ .name = span_of(names[i]) };
		}
		ck_assert_int_eq(follow_join(&s->w.store, s->now, joins,
				     CHANNELS, live, &joined),
		    0);
	}
}

START_TEST(join_does_not_walk_a_long_history)
{
	struct setup s;
	uint32_t registrations[CHANNELS];
	struct follow_joined joined;
	setup_make(&s, UINT64_C(8) << 20);
	append(&s, 10000, 1);
	uint64_t last = store_last_id(&s.w.store);

	for (uint64_t back = 0; back < 10000; back += 499) {
		s.meter->most = 0;
		join(&s, 1, last - back, registrations, &joined);
		ck_assert(!joined.gap);
		ck_assert_uint_le(s.meter->most, 100);
		s.meter->most = 0;
		ck_assert_int_eq(follow_leave(&s.w.store, registrations, 1), 0);
		ck_assert_uint_le(s.meter->most, 20);
	}
	fixture_leave(&s.w);
}
END_TEST

START_TEST(join_looks_past_what_is_too_old_without_walking)
{
	struct setup s;
	uint32_t registrations[CHANNELS];
	struct follow_joined joined;
	setup_make(&s, UINT64_C(8) << 20);
	append(&s, 5000, 1);
	s.now.boot_ms += 1000;
	append(&s, 5000, 1);
	s.w.store.arena.header->max_age_ms = 1000;

	s.meter->most = 0;
	join(&s, 1, 0, registrations, &joined);

	ck_assert(joined.gap);
	ck_assert_uint_eq(joined.gap_from, store_last_id(&s.w.store) - 4999);
	ck_assert_uint_le(s.meter->most, 200);
	fixture_leave(&s.w);
}
END_TEST

START_TEST(replay_of_many_channels_takes_steps_by_the_event)
{
	struct setup s;
	uint32_t registrations[CHANNELS];
	struct follow_joined joined;
	static char bytes[65536];
	static struct follow_mark marks[2048];
	struct follow_segment segment = { .more = true };
	uint64_t steps = 0;
	size_t events = 0;
	setup_make(&s, UINT64_C(32) << 20);
	uint64_t first = store_last_id(&s.w.store);
	append(&s, CHANNELS * EVENTS, CHANNELS);

	s.meter->most = 0;
	join(&s, CHANNELS, first, registrations, &joined);
	struct follow_reader reader = { .registrations = registrations,
		.count = CHANNELS,
		.cursor = joined.cursor,
		.gap_known = joined.gap_known };
	while (segment.more) {
		segment = (struct follow_segment){ .bytes = bytes,
			.room = sizeof(bytes),
			.marks = marks,
			.marks_room = UNIT_COUNT(marks) };
		ck_assert_int_eq(follow_read(&s.w.store, &reader, &segment), 0);
		steps += s.meter->steps;
		events += segment.marks_len;
	}

	ck_assert_uint_eq(events, CHANNELS * EVENTS);
	ck_assert_uint_le(steps, 4 * CHANNELS * EVENTS);
	ck_assert_uint_le(s.meter->most, CHANNELS * 100);
	fixture_leave(&s.w);
}
END_TEST

/* What a section does at most, with what it was in the midst of when it was spent. */
#define SECTION_MOST (CRITICAL_STEPS + 200)

START_TEST(what_is_too_old_goes_in_sections)
{
	struct setup s;
	struct status status;
	setup_make(&s, UINT64_C(8) << 20);
	append(&s, 20000, 7);
	s.w.store.arena.header->max_age_ms = 1000;
	s.now.boot_ms += 1000;

	s.meter->most = 0;
	ck_assert_int_eq(status_take(&s.w.store, s.now, &status), 0);
	ck_assert_uint_le(s.meter->most, SECTION_MOST);
	ck_assert_uint_lt(status.events, 10000);
	free(status.workers);
	ck_assert_int_eq(store_expire(&s.w.store, s.now, STORE_EXPIRE_ALL), 0);
	ck_assert_uint_le(s.meter->most, SECTION_MOST);
	ck_assert_uint_eq(s.w.store.arena.header->events, 0);
	fixture_assert_sound(&s.w.store);
	fixture_leave(&s.w);
}
END_TEST

START_TEST(own_id_that_is_too_old_is_free_in_sections)
{
	struct setup s;
	struct store_event event = { .channel = SPAN("a"),
		.own_id = SPAN("x"),
		.body = FIXTURE_BODY };
	struct store_appended appended;
	setup_make(&s, UINT64_C(8) << 20);
	append(&s, 10000, 1);
	ck_assert_int_eq(wake_append(&s.w.wake, s.now, &event, 1, &appended),
	    0);
	s.w.store.arena.header->max_age_ms = 1000;
	s.now.boot_ms += 1000;

	s.meter->most = 0;
	ck_assert_int_eq(wake_append(&s.w.wake, s.now, &event, 1, &appended),
	    0);
	ck_assert(!appended.duplicate);
	ck_assert_uint_le(s.meter->most, SECTION_MOST);
	fixture_leave(&s.w);
}
END_TEST

/* Append one batch of many events, each to a channel of its own. */
static void
append_batch(struct setup *s, unsigned count, const char *own)
{
	static struct store_event events[30000];
	static struct store_appended appended[30000];
	static char names[30000][16];
	static char own_ids[30000][16];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "b%u", i);
		(void)snprintf(own_ids[i], sizeof(own_ids[i]), "%s%u", own, i);
		events[i] = (struct store_event){
			.channel = span_of(names[i]),
			.own_id = own[0] == '\0' ? (struct span){ NULL, 0 }
						 : span_of(own_ids[i]),
			.body = FIXTURE_BODY,
		};
	}
	ck_assert_int_eq(wake_append(&s->w.wake, s->now, events, count,
			     appended),
	    0);
	for (unsigned i = 1; i < count; i++)
		ck_assert_uint_eq(appended[i].id, appended[i - 1].id + 1);
}

START_TEST(large_batch_takes_sections)
{
	struct setup s;
	setup_make(&s, UINT64_C(34) << 20);
	listen_to_many(&s, 6400);

	s.meter->most = 0;
	append_batch(&s, 30000, "");
	ck_assert_uint_eq(s.w.store.arena.header->channels, 36400);
	ck_assert_uint_le(s.meter->most, SECTION_MOST);
	/* Again: room must be made then, and at last old ones trimmed. */
	for (int i = 0; i < 4; i++)
		append_batch(&s, 30000, i == 2 ? "own-" : "");
	ck_assert_uint_gt(s.w.store.arena.header->evicted, 1000);
	s.w.store.arena.header->max_events = 1;
	append_batch(&s, 30000, "");
	ck_assert_uint_gt(s.w.store.arena.header->trimmed, 1000);
	ck_assert_uint_le(s.meter->most, SECTION_MOST);
	/* And what is too old has own ids that are wanted. */
	s.w.store.arena.header->max_age_ms = 1000;
	s.now.boot_ms += 1000;
	append_batch(&s, 30000, "own-");
	ck_assert_uint_le(s.meter->most, SECTION_MOST);
	fixture_assert_sound(&s.w.store);
	fixture_leave(&s.w);
}
END_TEST

START_TEST(large_event_that_wants_room_takes_sections)
{
	struct setup s;
	static char data[60000];
	struct store_event event = { .channel = SPAN("a"),
		.body = { data, sizeof(data) } };
	struct store_appended appended;
	setup_make(&s, UINT64_C(8) << 20);
	memset(data, '\n', sizeof(data));
	append(&s, 40000, 7);

	s.meter->most = 0;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(wake_append(&s.w.wake, s.now, &event, 1,
				     &appended),
		    0);

	ck_assert_uint_le(s.meter->most, SECTION_MOST + 300);
	fixture_assert_sound(&s.w.store);
	fixture_leave(&s.w);
}
END_TEST

START_TEST(append_that_does_not_fit_takes_nothing)
{
	struct setup s;
	static char data[UINT64_C(100) << 10];
	struct store_event event = { .channel = SPAN("a"),
		.body = { data, sizeof(data) } };
	struct store_appended appended;
	setup_make(&s, UINT64_C(1) << 20);
	memset(data, '\n', sizeof(data));
	listen_to_many(&s, 1664);
	for (int i = 0; i < 100; i++)
		(void)fixture_append(&s.w, s.now, "a");
	uint32_t events = s.w.store.arena.header->events;
	uint64_t repairs = store_repairs(&s.w.store);

	s.meter->most = 0;
	ck_assert_int_eq(wake_append(&s.w.wake, s.now, &event, 1, &appended),
	    -ENOSPC);

	ck_assert_uint_eq(s.w.store.arena.header->events, events);
	ck_assert_uint_eq(store_repairs(&s.w.store), repairs);
	ck_assert_uint_le(s.meter->most, 10);
	fixture_leave(&s.w);
}
END_TEST

START_TEST(purge_takes_sections)
{
	struct setup s;
	setup_make(&s, UINT64_C(8) << 20);
	append(&s, 10000, 2);

	s.meter->most = 0;
	ck_assert_int_eq(store_purge(&s.w.store, SPAN("c0")), 0);

	ck_assert_uint_le(s.meter->most, SECTION_MOST);
	ck_assert_uint_eq(s.w.store.arena.header->purged, 5000);
	ck_assert_int_eq(store_purge(&s.w.store, SPAN("c0")), -ENOENT);
	fixture_assert_sound(&s.w.store);
	fixture_leave(&s.w);
}
END_TEST

START_TEST(limit_that_was_lowered_is_reached_by_and_by)
{
	struct setup s;
	setup_make(&s, UINT64_C(8) << 20);
	append(&s, 10000, 1);
	s.w.store.arena.header->max_events = 100;

	for (unsigned i = 0; i < 9900 / 7 + 1; i++) {
		s.meter->most = 0;
		(void)fixture_append(&s.w, s.now, "c0");
		ck_assert_uint_le(s.meter->most, 200);
	}
	ck_assert_uint_eq(s.w.store.arena.header->events, 100);
	fixture_leave(&s.w);
}
END_TEST

START_TEST(registrations_of_a_worker_end_in_sections)
{
	struct setup s;
	setup_make(&s, UINT64_C(8) << 20);
	struct store *store = &s.w.store;
	uint32_t session = store->arena.workers[store->slot].session;

	/* Its slot is taken over, it is reaped, and it leaves by itself. */
	for (int i = 0; i < 3; i++) {
		listen_to_many(&s, 6400);
		ck_assert_uint_eq(store->arena.header->channels, 6400);
		s.meter->most = 0;
		if (i == 0) {
			ck_assert_int_eq(store_attach(store, store->slot,
					     s.now),
			    0);
			session++;
		} else if (i == 1) {
			store->attached = false;
			ck_assert_int_eq(store_reap(store, store->slot,
					     session),
			    0);
			ck_assert_int_eq(store_attach(store, store->slot,
					     s.now),
			    0);
		} else {
			store_detach(store);
		}
		ck_assert_uint_eq(store->arena.header->channels, 0);
		ck_assert_uint_le(s.meter->most, SECTION_MOST);
	}
	fixture_assert_sound(store);
	wake_fini(&s.w.wake);
	close(s.w.inbox);
	store_close(store);
}
END_TEST

START_TEST(stream_of_many_channels_leaves_at_once_though_others_have_news)
{
	struct setup s;
	uint32_t registrations[CHANNELS];
	struct follow_joined joined;
	setup_make(&s, UINT64_C(8) << 20);
	join(&s, CHANNELS, 0, registrations, &joined);
	append(&s, CHANNELS * 10, CHANNELS);
	listen_to_many(&s, 6400);
	s.w.store.arena.header->wake_all = 1;
	for (unsigned i = 0; i < 100; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "m%u", i);
		(void)fixture_append(&s.w, s.now, name);
	}

	s.meter->most = 0;
	ck_assert_int_eq(follow_leave(&s.w.store, registrations, CHANNELS), 0);
	ck_assert_uint_le(s.meter->most, CHANNELS * 20);
	fixture_assert_sound(&s.w.store);
	fixture_leave(&s.w);
}
END_TEST

START_TEST(channels_are_listed_in_sections)
{
	struct setup s;
	struct browse_list list;
	setup_make(&s, UINT64_C(64) << 20);
	listen_to_many(&s, 6400);
	append(&s, 10000, CHANNELS);

	s.meter->most = 0;
	ck_assert_int_eq(browse_all(&s.w.store, 0, &list), 0);
	ck_assert_uint_eq(list.count, 6400 + CHANNELS);
	ck_assert_uint_le(s.meter->most, CRITICAL_STEPS + 1000);
	browse_list_fini(&list);
	fixture_leave(&s.w);
}
END_TEST

FIXTURE_MAIN("steps", join_does_not_walk_a_long_history,
    join_looks_past_what_is_too_old_without_walking,
    replay_of_many_channels_takes_steps_by_the_event,
    what_is_too_old_goes_in_sections,
    own_id_that_is_too_old_is_free_in_sections, large_batch_takes_sections,
    large_event_that_wants_room_takes_sections,
    append_that_does_not_fit_takes_nothing, purge_takes_sections,
    limit_that_was_lowered_is_reached_by_and_by,
    registrations_of_a_worker_end_in_sections,
    stream_of_many_channels_leaves_at_once_though_others_have_news,
    channels_are_listed_in_sections)
