#include "arena_fixture.h"

#include <errno.h>

#include "arena/channel.h"
#include "arena/follow.h"
#include "arena/pool.h"
#include "wire/sse.h"

/* Ids of tests: n milliseconds after the arena was made. */
static uint64_t
id_of(uint64_t n)
{
	return event_id_make(FIXTURE_WALL_MS + n, 0);
}

/* Append an event that happens n milliseconds after the arena was made. */
static uint64_t
append_at(struct fixture_worker *w, const char *channel, uint64_t n)
{
	struct clock_now now = FIXTURE_NOW;

	now.wall_ms += n;
	return fixture_append(w, now, channel);
}

static void
make_worker(struct fixture_worker *w)
{
	char path[FIXTURE_PATH];

	fixture_path(path);
	fixture_join(w, path);
}

/* A stream on up to two channels. */
struct listening {
	struct follow_join joins[2];
	struct follow_joined joined;
	uint32_t registrations[2];
	uint64_t gaps_known[2];
	struct follow_reader reader;
};

static void
join_at(struct fixture_worker *w, struct clock_now now, struct listening *l,
    const char *one, const char *two, struct event_resume resume)
{
	size_t count = two == NULL ? 1 : 2;

	*l = (struct listening){ 0 };
	l->joins[0].name = span_of(one);
	l->joins[1].name = span_of(two);
	ck_assert_int_eq(follow_join(&w->store, now, l->joins, count, resume,
			     &l->joined),
	    0);
	l->registrations[0] = l->joins[0].registration;
	l->registrations[1] = l->joins[1].registration;
	l->gaps_known[0] = l->joins[0].gap_known;
	l->gaps_known[1] = l->joins[1].gap_known;
	l->reader = (struct follow_reader){
		.registrations = l->registrations,
		.count = count,
		.cursor = l->joined.cursor,
		.gaps_known = l->gaps_known,
	};
}

static void
join(struct fixture_worker *w, struct listening *l, const char *one,
    const char *two, struct event_resume resume)
{
	join_at(w, FIXTURE_NOW, l, one, two, resume);
}

static struct event_resume
after(uint64_t id)
{
	return (struct event_resume){ .kind = EVENT_RESUME_AFTER, .id = id };
}

static const struct event_resume live = { .kind = EVENT_RESUME_NONE };
static const struct event_resume earliest = { .kind = EVENT_RESUME_EARLIEST };

/* A segment with room for all these tests read. */
struct reading {
	char bytes[1 << 16];
	struct follow_mark marks[256];
	struct follow_segment segment;
};

static struct follow_segment *
clear(struct reading *reading)
{
	reading->segment = (struct follow_segment){
		.bytes = reading->bytes,
		.room = sizeof(reading->bytes),
		.marks = reading->marks,
		.marks_room = UNIT_COUNT(reading->marks),
	};
	return &reading->segment;
}

/* Fail unless reading gives just the events of these ids; 0 ends them. */
static void
assert_reads(struct fixture_worker *w, struct listening *l, const uint64_t *ids)
{
	static struct reading reading;
	struct follow_segment *segment = clear(&reading);
	size_t count = 0;

	ck_assert_int_eq(follow_read(&w->store, &l->reader, segment), 0);
	while (ids[count] != 0)
		count++;
	ck_assert_uint_eq(segment->marks_len, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(reading.marks[i].id, ids[i]);
	ck_assert(!segment->more);
}

START_TEST(stream_begins_where_it_was_asked_to)
{
	/* Events 10, 20, 30 of "a"; 25 of another channel.  Nothing was let
	 * go, and before the arena's beginning, 0, nothing is known. */
	static const struct {
		enum event_resume_kind kind;
		uint64_t point;
		bool gap;
		uint64_t first; /* 0: nothing to read yet */
		uint64_t start_id;
	} rows[] = {
		{ EVENT_RESUME_NONE, 0, false, 0, 30 },
		{ EVENT_RESUME_AFTER, 30, false, 0, 30 },
		{ EVENT_RESUME_AFTER, 25, false, 30, 25 },
		{ EVENT_RESUME_AFTER, 20, false, 30, 20 },
		{ EVENT_RESUME_AFTER, 19, false, 20, 19 },
		{ EVENT_RESUME_AFTER, 10, false, 20, 10 },
		{ EVENT_RESUME_AFTER, 0, false, 10, 0 },
		{ EVENT_RESUME_SINCE, 0, false, 10, 0 },
		{ EVENT_RESUME_SINCE, 12, false, 20, 12 },
		{ EVENT_RESUME_SINCE, 30, false, 0, 30 },
		{ EVENT_RESUME_SINCE, 31, false, 0, 30 },
		{ EVENT_RESUME_SINCE, 1000000, false, 0, 30 },
	};
	struct fixture_worker w;
	make_worker(&w);
	(void)append_at(&w, "a", 10);
	(void)append_at(&w, "a", 20);
	(void)append_at(&w, "other", 25);
	(void)append_at(&w, "a", 30);

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct listening l;
		struct reading *reading = malloc(sizeof(*reading));
		struct event_resume resume = { .kind = rows[i].kind };
		if (rows[i].kind != EVENT_RESUME_NONE)
			resume.id = id_of(rows[i].point);

		join(&w, &l, "a", NULL, resume);
		int rc = follow_read(&w.store, &l.reader, clear(reading));

		ck_assert_int_eq(l.joined.gap, rows[i].gap);
		ck_assert_uint_eq(l.joined.start_id, id_of(rows[i].start_id));
		ck_assert_uint_eq(l.joined.now, id_of(30));
		ck_assert_int_eq(l.joined.backlog, rows[i].first != 0);
		ck_assert_int_eq(rc, 0);
		ck_assert_uint_eq(reading->segment.marks_len == 0
			? 0
			: reading->marks[0].id,
		    rows[i].first == 0 ? 0 : id_of(rows[i].first));
		ck_assert_int_eq(follow_leave(&w.store, l.registrations, 1), 0);
		free(reading);
	}
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(earliest_is_all_that_is_kept_and_tells_of_no_gap)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	(void)append_at(&w, "a", 10);
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);
	uint64_t second = append_at(&w, "a", 20);
	uint64_t third = append_at(&w, "a", 30);

	join(&w, &l, "a", NULL, earliest);

	ck_assert(!l.joined.gap);
	ck_assert_uint_lt(l.joined.start_id, second);
	assert_reads(&w, &l, (uint64_t[]){ second, third, 0 });
	fixture_leave(&w);
}
END_TEST

START_TEST(what_cannot_be_read_is_as_earliest_and_a_gap)
{
	const struct event_resume resumes[] = {
		{ .kind = EVENT_RESUME_UNREADABLE },
		{ .kind = EVENT_RESUME_AFTER,
		    .id = id_of(30) + 1 }, /* from the future */
		{ .kind = EVENT_RESUME_AFTER, .id = UINT64_MAX },
	};
	struct fixture_worker w;
	make_worker(&w);
	uint64_t first = append_at(&w, "a", 10);
	uint64_t last = append_at(&w, "a", 30);
	ck_assert_uint_eq(last, id_of(30));

	for (size_t i = 0; i < UNIT_COUNT(resumes); i++) {
		struct listening l;

		join(&w, &l, "a", NULL, resumes[i]);

		ck_assert(l.joined.gap);
		ck_assert_uint_eq(l.joined.gap_from, first);
		ck_assert_uint_lt(l.joined.gap_id, first);
		assert_reads(&w, &l, (uint64_t[]){ first, last, 0 });
		ck_assert_int_eq(follow_leave(&w.store, l.registrations, 1), 0);
	}
	fixture_leave(&w);
}
END_TEST

START_TEST(gap_is_told_when_and_only_when_something_was_lost)
{
	static const struct {
		uint64_t point;
		bool gap;
	} rows[] = {
		{ 9, true },
		{ 10, true },
		{ 19, true },
		{ 20, false },
		{ 21, false },
		{ 29, false },
		{ 30, false },
	};
	struct fixture_worker w;
	make_worker(&w);
	(void)append_at(&w, "a", 10);
	(void)append_at(&w, "a", 20);
	(void)append_at(&w, "b", 25);
	(void)append_at(&w, "a", 30);
	struct layout_block *channel;
	ck_assert_int_eq(channel_find(&w.store.arena, SPAN("a"), &channel), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(channel_forget_oldest(&w.store.arena, channel),
		    0);

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct listening l;

		join(&w, &l, "a", NULL, after(id_of(rows[i].point)));

		ck_assert_int_eq(l.joined.gap, rows[i].gap);
		if (rows[i].gap) {
			ck_assert_uint_eq(l.joined.gap_from, id_of(30));
			ck_assert_uint_lt(l.joined.gap_id, id_of(30));
			ck_assert_uint_ge(l.joined.gap_id, id_of(20));
		}
		ck_assert_int_eq(follow_leave(&w.store, l.registrations, 1), 0);
		join(&w, &l, "b", NULL, after(id_of(rows[i].point)));
		ck_assert(!l.joined.gap);
		ck_assert_int_eq(follow_leave(&w.store, l.registrations, 1), 0);
	}
	fixture_leave(&w);
}
END_TEST

START_TEST(gap_of_an_empty_channel_leads_to_now)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	(void)append_at(&w, "a", 10);
	uint64_t now = append_at(&w, "b", 20);
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);

	join(&w, &l, "a", NULL, after(id_of(5)));

	ck_assert(l.joined.gap);
	ck_assert(!l.joined.backlog);
	ck_assert_uint_eq(l.joined.gap_from, now);
	ck_assert_uint_eq(l.joined.gap_id, now);
	ck_assert_uint_eq(l.joined.cursor, now);
	fixture_leave(&w);
}
END_TEST

START_TEST(resume_point_before_the_arena_was_made_is_a_gap)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	(void)append_at(&w, "a", 10);

	join(&w, &l, "a", NULL, after(id_of(0) - 1));
	bool before = l.joined.gap;
	join(&w, &l, "a", NULL, after(id_of(0)));

	ck_assert(before);
	ck_assert(!l.joined.gap);
	fixture_leave(&w);
}
END_TEST

START_TEST(event_that_grew_too_old_is_a_gap_though_nobody_cleared_it_away)
{
	struct fixture_worker w;
	struct listening l;
	struct clock_now now = FIXTURE_NOW;
	make_worker(&w);
	uint64_t old = append_at(&w, "a", 10);
	now.boot_ms += FIXTURE_MAX_AGE_MS;

	join_at(&w, now, &l, "a", NULL, after(old - 1));

	ck_assert(l.joined.gap);
	ck_assert(!l.joined.backlog);
	join_at(&w, now, &l, "a", NULL, after(old));
	ck_assert(!l.joined.gap);
	fixture_leave(&w);
}
END_TEST

START_TEST(several_channels_come_in_one_order)
{
	struct fixture_worker w;
	struct listening l;
	uint64_t ids[31] = { 0 };
	make_worker(&w);
	for (size_t i = 0; i < 30; i++) {
		ids[i] = append_at(&w, i * i % 3 == 0 ? "a" : "b", i + 1);
		(void)append_at(&w, "other", i + 1);
	}

	join(&w, &l, "a", "b", earliest);

	assert_reads(&w, &l, ids);
	/* And nothing twice. */
	assert_reads(&w, &l, (uint64_t[]){ 0 });
	fixture_leave(&w);
}
END_TEST

START_TEST(live_is_replay_that_goes_on)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	(void)append_at(&w, "a", 1);

	join(&w, &l, "a", "b", live);
	assert_reads(&w, &l, (uint64_t[]){ 0 });
	uint64_t second = append_at(&w, "b", 2);
	assert_reads(&w, &l, (uint64_t[]){ second, 0 });
	uint64_t third = append_at(&w, "a", 3);
	uint64_t fourth = append_at(&w, "b", 4);

	assert_reads(&w, &l, (uint64_t[]){ third, fourth, 0 });
	ck_assert_uint_eq(l.reader.cursor, fourth);
	fixture_leave(&w);
}
END_TEST

START_TEST(bytes_are_the_events_as_they_go_on_the_wire)
{
	static struct reading reading;
	struct fixture_worker w;
	struct listening l;
	struct buf wire = { 0 };
	char line[EVENT_ID_LINE_MAX];
	make_worker(&w);
	join(&w, &l, "a", NULL, live);
	for (uint64_t n = 1; n <= 2; n++) {
		uint64_t id = append_at(&w, "a", n);
		/* cppcheck-suppress legacyUninitvar ; it is filled in here */
		buf_put(&wire, (struct span){ line, event_id_line(id, line) });
		buf_put(&wire, FIXTURE_BODY);
	}

	struct follow_segment *segment = clear(&reading);
	ck_assert_int_eq(follow_read(&w.store, &l.reader, segment), 0);

	ck_assert_uint_eq(segment->len, wire.len);
	ck_assert_mem_eq(segment->bytes, wire.ptr, wire.len);
	ck_assert_uint_eq(segment->marks[0].end, wire.len / 2);
	ck_assert_uint_eq(segment->marks[1].end, wire.len);
	buf_fini(&wire);
	fixture_leave(&w);
}
END_TEST

START_TEST(segment_that_is_full_says_there_is_more)
{
	static struct reading reading;
	struct fixture_worker w;
	struct listening l;
	uint64_t ids[10];
	size_t seen = 0;
	make_worker(&w);
	for (size_t i = 0; i < UNIT_COUNT(ids); i++)
		ids[i] = append_at(&w, i % 2 == 0 ? "a" : "b", i + 1);
	join(&w, &l, "a", "b", earliest);

	for (bool more = true; more;) {
		struct follow_segment *segment = clear(&reading);
		segment->marks_room = 3;
		ck_assert_int_eq(follow_read(&w.store, &l.reader, segment), 0);
		ck_assert_uint_ge(segment->marks_len, 1);
		for (size_t i = 0; i < segment->marks_len; i++)
			ck_assert_uint_eq(reading.marks[i].id, ids[seen++]);
		more = segment->more;
		ck_assert_int_eq(more, seen < UNIT_COUNT(ids));
	}

	ck_assert_uint_eq(seen, UNIT_COUNT(ids));
	fixture_leave(&w);
}
END_TEST

START_TEST(event_larger_than_the_page_tells_how_much_it_wants)
{
	static struct reading reading;
	static char data[5000];
	struct fixture_worker w;
	struct listening l;
	struct store_event event = { .channel = SPAN("a") };
	struct store_appended appended;
	struct buf body = { 0 };
	make_worker(&w);
	join(&w, &l, "a", NULL, live);
	memset(data, 'x', sizeof(data));
	sse_event(&body, SPAN(""), (struct span){ data, sizeof(data) });
	event.body = buf_span(&body);
	uint64_t small = append_at(&w, "a", 1);
	ck_assert_int_eq(wake_append(&w.wake, FIXTURE_NOW, &event, 1,
			     &appended),
	    0);

	struct follow_segment *segment = clear(&reading);
	segment->room = 1000;
	int first = follow_read(&w.store, &l.reader, segment);
	bool more = segment->more;
	uint64_t cursor = l.reader.cursor;
	segment = clear(&reading);
	segment->room = 1000;
	int second = follow_read(&w.store, &l.reader, segment);
	size_t wanted = segment->wanted;
	segment = clear(&reading);
	segment->room = wanted;
	int third = follow_read(&w.store, &l.reader, segment);

	ck_assert_int_eq(first, 0);
	ck_assert(more);
	ck_assert_uint_eq(cursor, small);
	ck_assert_int_eq(second, -EMSGSIZE);
	ck_assert_int_eq(third, 0);
	ck_assert_uint_eq(segment->len, wanted);
	ck_assert_uint_eq(l.reader.cursor, appended.id);
	buf_fini(&body);
	fixture_leave(&w);
}
END_TEST

START_TEST(reader_that_fell_behind_what_is_kept_is_told)
{
	static struct reading reading;
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	join(&w, &l, "a", NULL, live);
	for (int i = 0; i < FIXTURE_MAX_EVENTS; i++)
		(void)append_at(&w, "a", 1);
	struct follow_reader early = l.reader;
	int before = follow_read(&w.store, &early, clear(&reading));

	(void)append_at(&w, "a", 1);

	ck_assert_int_eq(before, 0);
	ck_assert_int_eq(follow_read(&w.store, &l.reader, clear(&reading)),
	    -ENODATA);
	fixture_leave(&w);
}
END_TEST

START_TEST(loss_that_was_told_at_the_beginning_is_not_told_again)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	(void)append_at(&w, "a", 10);
	(void)append_at(&w, "b", 20);
	ck_assert_int_eq(store_purge(&w.store, SPAN("b")), 0);
	uint64_t last = append_at(&w, "a", 30);

	/* From 10 on, "b" lost 20, which lies after "a"'s first event. */
	join(&w, &l, "a", "b", earliest);

	assert_reads(&w, &l, (uint64_t[]){ id_of(10), last, 0 });
	fixture_leave(&w);
}
END_TEST

START_TEST(loss_in_another_channel_does_not_stop_a_reader)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	join(&w, &l, "a", NULL, live);
	uint64_t id = append_at(&w, "a", 1);
	(void)append_at(&w, "b", 2);
	ck_assert_int_eq(store_purge(&w.store, SPAN("b")), 0);

	assert_reads(&w, &l, (uint64_t[]){ id, 0 });
	fixture_leave(&w);
}
END_TEST

START_TEST(reader_of_a_reaped_worker_has_no_registration)
{
	static struct reading reading;
	struct fixture_worker w;
	struct fixture_worker other;
	struct listening l;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&w, path);
	fixture_join(&other, path);
	join(&w, &l, "a", NULL, live);
	uint32_t slot = w.store.slot;
	ck_assert_int_eq(store_reap(&other.store, slot,
			     w.store.arena.workers[slot].session),
	    0);

	int read = follow_read(&w.store, &l.reader, clear(&reading));
	int again =
	    follow_join(&w.store, FIXTURE_NOW, l.joins, 1, live, &l.joined);
	int leave = follow_leave(&w.store, l.registrations, 1);

	ck_assert_int_eq(read, -ESTALE);
	ck_assert_int_eq(again, -ESTALE);
	ck_assert_int_eq(leave, 0);
	fixture_assert_sound(&w.store);
	fixture_leave(&other);
	fixture_leave(&w);
}
END_TEST

START_TEST(registration_of_another_worker_cannot_be_read_nor_left)
{
	static struct reading reading;
	struct fixture_worker w;
	struct fixture_worker other;
	struct listening l;
	char path[FIXTURE_PATH];
	uint32_t count = 0;
	fixture_path(path);
	fixture_join(&w, path);
	fixture_join(&other, path);
	join(&w, &l, "a", NULL, live);

	int read = follow_read(&other.store, &l.reader, clear(&reading));
	ck_assert_int_eq(follow_leave(&other.store, l.registrations, 1), 0);

	ck_assert_int_eq(read, -ESTALE);
	ck_assert_int_eq(store_subscribers(&w.store, SPAN("a"), &count), 0);
	ck_assert_uint_eq(count, 1);
	fixture_leave(&other);
	fixture_leave(&w);
}
END_TEST

START_TEST(second_stream_shares_the_worker_s_registration)
{
	struct fixture_worker w;
	struct listening l;
	struct follow_joined joined;
	uint32_t count = 0;
	make_worker(&w);
	join(&w, &l, "a", NULL, live);
	uint32_t registration = l.joins[0].registration;
	uint32_t used = w.store.arena.header->used;

	ck_assert_int_eq(follow_join(&w.store, FIXTURE_NOW, l.joins, 1, live,
			     &joined),
	    0);

	ck_assert_uint_eq(l.joins[0].registration, registration);
	ck_assert_uint_eq(w.store.arena.header->used, used);
	ck_assert_int_eq(store_subscribers(&w.store, SPAN("a"), &count), 0);
	ck_assert_uint_eq(count, 2);
	fixture_leave(&w);
}
END_TEST

START_TEST(join_there_is_no_room_for_registers_nothing)
{
	struct fixture_worker w;
	struct follow_join joins[8] = { 0 };
	struct follow_joined joined;
	char names[UNIT_COUNT(joins)][16];
	char name[16];
	make_worker(&w);
	for (unsigned i = 0; pool_left(&w.store.arena) >= 11; i++) {
		struct listening l;
		(void)snprintf(name, sizeof(name), "full%u", i);
		join(&w, &l, name, NULL, live);
	}
	for (unsigned i = 0; i < UNIT_COUNT(joins); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "new%u", i);
		joins[i].name = span_of(names[i]);
	}
	uint32_t used = w.store.arena.header->used;
	uint32_t channels = w.store.arena.header->channels;

	int rc = follow_join(&w.store, FIXTURE_NOW, joins, UNIT_COUNT(joins),
	    live, &joined);

	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_uint_eq(w.store.arena.header->used, used);
	ck_assert_uint_eq(w.store.arena.header->channels, channels);
	for (size_t i = 0; i < UNIT_COUNT(joins); i++)
		ck_assert_uint_eq(joins[i].registration, 0);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(join_makes_room_by_letting_the_oldest_events_go)
{
	struct fixture_worker w;
	struct listening l;
	char name[16];
	make_worker(&w);
	uint64_t first = append_at(&w, "c0", 1);
	for (unsigned i = 1; pool_left(&w.store.arena) >= 2; i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		(void)append_at(&w, name, 1);
	}

	join(&w, &l, "fresh", NULL, live);

	ck_assert_uint_ge(channel_forgotten_of(&w.store.arena, SPAN("c0")),
	    first);
	ck_assert_uint_ge(w.store.arena.header->evicted, 1);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(join_makes_room_for_the_longest_name)
{
	struct fixture_worker w;
	struct follow_join join = { 0 };
	struct follow_joined joined;
	char name[EVENT_CHANNEL_MAX];
	char other[16];
	make_worker(&w);
	for (unsigned i = 0; pool_left(&w.store.arena) >= 2; i++) {
		(void)snprintf(other, sizeof(other), "c%u", i);
		(void)append_at(&w, other, 1);
	}
	memset(name, 'x', sizeof(name));
	join.name = (struct span){ name, sizeof(name) };

	int rc = follow_join(&w.store, FIXTURE_NOW, &join, 1, live, &joined);

	ck_assert_int_eq(rc, 0);
	ck_assert_uint_ne(join.registration, 0);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(none_or_too_many_channels_are_refused)
{
	static struct follow_join joins[FOLLOW_READER_MAX + 1];
	struct fixture_worker w;
	struct follow_joined joined;
	make_worker(&w);

	int none = follow_join(&w.store, FIXTURE_NOW, joins, 0, live, &joined);
	int many = follow_join(&w.store, FIXTURE_NOW, joins, UNIT_COUNT(joins),
	    live, &joined);

	ck_assert_int_eq(none, -EINVAL);
	ck_assert_int_eq(many, -EINVAL);
	fixture_leave(&w);
}
END_TEST

START_TEST(news_are_the_cookies_of_channels_that_had_events)
{
	struct fixture_worker w;
	struct follow_joined joined;
	static const char *const names[] = { "a", "b", "c" };
	uint32_t cookies[4];
	make_worker(&w);
	for (uint32_t i = 0; i < 3; i++) {
		struct follow_join one = { .name = span_of(names[i]),
			.cookie = 100 + i };
		ck_assert_int_eq(follow_join(&w.store, FIXTURE_NOW, &one, 1,
				     live, &joined),
		    0);
	}

	int none = follow_news(&w.store, cookies, 4);
	(void)append_at(&w, "a", 1);
	(void)append_at(&w, "c", 2);
	(void)append_at(&w, "a", 3);
	(void)append_at(&w, "nobody", 4);
	int first = follow_news(&w.store, cookies, 1);
	int rest = follow_news(&w.store, cookies + 1, 3);

	ck_assert_int_eq(none, 0);
	ck_assert_int_eq(first, 1);
	ck_assert_int_eq(rest, 1);
	ck_assert_uint_eq(cookies[0] + cookies[1], 100 + 102);
	ck_assert_int_eq(follow_news(&w.store, cookies, 4), 0);
	fixture_leave(&w);
}
END_TEST

START_TEST(read_goes_on_after_an_index_was_found_broken)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	uint64_t first = append_at(&w, "a", 1);
	uint64_t second = append_at(&w, "a", 2);
	join(&w, &l, "a", NULL, earliest);
	struct layout_block *channel;
	ck_assert_int_eq(channel_find(&w.store.arena, SPAN("a"), &channel), 0);
	w.store.arena.blocks[channel->channel.oldest].event.newer = UINT32_MAX;

	assert_reads(&w, &l, (uint64_t[]){ first, second, 0 });

	ck_assert_uint_eq(w.store.arena.header->repairs, 1);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(loss_told_of_one_channel_does_not_hide_a_later_one_of_another)
{
	static struct reading reading;
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	uint64_t point = append_at(&w, "b", 1);
	(void)append_at(&w, "b", 1);
	(void)append_at(&w, "a", 1);
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);
	join(&w, &l, "a", "b", after(point));
	struct follow_reader early = l.reader;
	int before = follow_read(&w.store, &early, clear(&reading));

	ck_assert_int_eq(store_purge(&w.store, SPAN("b")), 0);

	ck_assert(l.joined.gap);
	ck_assert_int_eq(before, 0);
	ck_assert_int_eq(follow_read(&w.store, &l.reader, clear(&reading)),
	    -ENODATA);
	fixture_leave(&w);
}
END_TEST

/* Append an event with an own id, or none, to "a" and "b" n milliseconds after. */
static uint64_t
append_to_both(struct fixture_worker *w, const char *own_id, uint64_t n)
{
	const struct store_event events[2] = {
		{ .channel = SPAN("a"),
		    .own_id = span_of(own_id),
		    .body = FIXTURE_BODY },
		{ .channel = SPAN("b"),
		    .own_id = span_of(own_id),
		    .body = FIXTURE_BODY,
		    .is_copy = true },
	};
	struct store_appended appended[2];
	struct clock_now now = FIXTURE_NOW;

	now.wall_ms += n;
	ck_assert_int_eq(wake_append(&w->wake, now, events, 2, appended), 0);
	ck_assert(!appended[0].duplicate);
	return appended[0].id;
}

START_TEST(event_of_several_channels_is_read_once)
{
	struct fixture_worker w;
	struct listening l;
	struct listening one;
	struct reading *reading = malloc(sizeof(*reading));
	make_worker(&w);
	uint64_t ids[7] = { append_at(&w, "a", 1), append_to_both(&w, "", 2),
		append_at(&w, "b", 3), append_to_both(&w, "x", 4),
		append_to_both(&w, "", 5), append_at(&w, "a", 6), 0 };

	join(&w, &l, "a", "b", earliest);
	assert_reads(&w, &l, ids);
	join(&w, &l, "b", "a", after(ids[1]));
	assert_reads(&w, &l, &ids[2]);
	join(&w, &one, "b", NULL, earliest);
	assert_reads(&w, &one,
	    (const uint64_t[]){ ids[1], ids[2], ids[3], ids[4], 0 });

	/* A segment that ends between two copies. */
	join(&w, &l, "a", "b", earliest);
	for (unsigned i = 0; i < 6; i++) {
		struct follow_segment *segment = clear(reading);
		segment->marks_room = 1;
		ck_assert_int_eq(follow_read(&w.store, &l.reader, segment), 0);
		ck_assert_uint_eq(segment->marks_len, 1);
		ck_assert_uint_eq(reading->marks[0].id, ids[i]);
	}
	assert_reads(&w, &l, (const uint64_t[]){ 0 });
	free(reading);
	fixture_leave(&w);
}
END_TEST

START_TEST(copy_that_is_left_is_read_when_the_other_is_gone)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	uint64_t shared = append_to_both(&w, "x", 1);
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);

	join(&w, &l, "a", "b", earliest);

	assert_reads(&w, &l, (const uint64_t[]){ shared, 0 });
	fixture_leave(&w);
}
END_TEST

START_TEST(stream_resumes_after_an_event_with_an_own_id)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	(void)append_at(&w, "a", 1);
	(void)append_to_both(&w, "x", 2);
	uint64_t number = append_to_both(&w, "12345", 3);
	uint64_t last = append_at(&w, "b", 4);

	/* Also where the stream's channels never had it. */
	static const char *const channels[] = { "a", "b", "other" };
	for (unsigned i = 0; i < UNIT_COUNT(channels); i++) {
		join(&w, &l, channels[i], NULL, event_resume_parse(SPAN("x")));
		ck_assert(!l.joined.gap);
		ck_assert_uint_eq(l.joined.start_id, id_of(2));
		ck_assert_uint_eq(l.joined.cursor, id_of(2));
	}
	join(&w, &l, "a", "b", event_resume_parse(SPAN("x")));
	assert_reads(&w, &l, (const uint64_t[]){ number, last, 0 });
	join(&w, &l, "a", "b", event_resume_parse(SPAN(" 12345 ")));
	ck_assert(!l.joined.gap);
	assert_reads(&w, &l, (const uint64_t[]){ last, 0 });
	fixture_leave(&w);
}
END_TEST

START_TEST(own_id_that_is_not_kept_is_as_earliest_and_a_gap)
{
	struct fixture_worker w;
	struct listening l;
	make_worker(&w);
	(void)append_to_both(&w, "x", 1);
	(void)append_to_both(&w, "12345", 2);
	(void)append_at(&w, "a", 3);
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);
	ck_assert_int_eq(store_purge(&w.store, SPAN("b")), 0);
	uint64_t kept = append_at(&w, "a", 4);

	static const char *const asked[] = { "x", "12345", "never there" };
	for (unsigned i = 0; i < UNIT_COUNT(asked); i++) {
		join(&w, &l, "a", NULL, event_resume_parse(span_of(asked[i])));
		ck_assert(l.joined.gap);
		ck_assert_uint_eq(l.joined.gap_from, kept);
		assert_reads(&w, &l, (const uint64_t[]){ kept, 0 });
	}
	fixture_leave(&w);
}
END_TEST

START_TEST(last_event_gone_of_a_quiet_channel_is_known_by_its_own_id)
{
	struct fixture_worker w;
	struct listening l;
	struct clock_now later = FIXTURE_NOW;
	const struct event_resume x = event_resume_parse(SPAN("x"));
	make_worker(&w);
	(void)append_to_both(&w, "w", 1);
	(void)append_to_both(&w, "x", 2);
	later.boot_ms += FIXTURE_MAX_AGE_MS;

	/* Found while it is there, and then by the mark it has left: the channel's,
	 * and its bucket's once the channel is gone. */
	for (int i = 0; i < 3; i++) {
		join_at(&w, later, &l, "a", "b", x);
		ck_assert(!l.joined.gap);
		ck_assert(!l.joined.backlog);
		ck_assert_uint_eq(l.joined.start_id, id_of(2));
		if (i == 0)
			ck_assert_int_eq(store_expire(&w.store, later,
					     STORE_EXPIRE_ALL),
			    0);
		ck_assert_int_eq(follow_leave(&w.store, l.registrations, 2), 0);
	}
	struct layout_block *channel;
	ck_assert_int_eq(channel_find(&w.store.arena, SPAN("a"), &channel), 0);
	ck_assert_ptr_null(channel);
	join_at(&w, later, &l, "b", NULL, x);
	ck_assert(!l.joined.gap);
	join_at(&w, later, &l, "a", NULL, event_resume_parse(SPAN("w")));
	ck_assert(l.joined.gap);

	/* What comes in another channel changes nothing; what is lost does. */
	later.wall_ms += 3;
	(void)fixture_append(&w, later, "c");
	join_at(&w, later, &l, "a", "c", x);
	ck_assert(!l.joined.gap);
	(void)fixture_append(&w, later, "a");
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);
	join_at(&w, later, &l, "a", NULL, x);
	ck_assert(l.joined.gap);
	join_at(&w, later, &l, "a", "b", x);
	ck_assert(l.joined.gap);
	join_at(&w, later, &l, "b", NULL, x);
	ck_assert(!l.joined.gap);
	fixture_leave(&w);
}
END_TEST

FIXTURE_MAIN("follow", stream_begins_where_it_was_asked_to,
    earliest_is_all_that_is_kept_and_tells_of_no_gap,
    what_cannot_be_read_is_as_earliest_and_a_gap,
    gap_is_told_when_and_only_when_something_was_lost,
    gap_of_an_empty_channel_leads_to_now,
    resume_point_before_the_arena_was_made_is_a_gap,
    event_that_grew_too_old_is_a_gap_though_nobody_cleared_it_away,
    several_channels_come_in_one_order, live_is_replay_that_goes_on,
    bytes_are_the_events_as_they_go_on_the_wire,
    segment_that_is_full_says_there_is_more,
    event_larger_than_the_page_tells_how_much_it_wants,
    reader_that_fell_behind_what_is_kept_is_told,
    loss_that_was_told_at_the_beginning_is_not_told_again,
    loss_in_another_channel_does_not_stop_a_reader,
    loss_told_of_one_channel_does_not_hide_a_later_one_of_another,
    reader_of_a_reaped_worker_has_no_registration,
    registration_of_another_worker_cannot_be_read_nor_left,
    second_stream_shares_the_worker_s_registration,
    join_there_is_no_room_for_registers_nothing,
    join_makes_room_by_letting_the_oldest_events_go,
    join_makes_room_for_the_longest_name, none_or_too_many_channels_are_refused,
    news_are_the_cookies_of_channels_that_had_events,
    read_goes_on_after_an_index_was_found_broken,
    event_of_several_channels_is_read_once,
    copy_that_is_left_is_read_when_the_other_is_gone,
    stream_resumes_after_an_event_with_an_own_id,
    own_id_that_is_not_kept_is_as_earliest_and_a_gap,
    last_event_gone_of_a_quiet_channel_is_known_by_its_own_id)
