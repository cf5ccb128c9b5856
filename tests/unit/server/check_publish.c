#include "access_fixture.h"
#include "arena_fixture.h"

#include <errno.h>

#include "arena/follow.h"
#include "server/publish.h"

struct setup {
	struct fixture_worker w;
	struct request request;
	struct message_rules limits;
	struct problem problem;
	struct buf reply;
};

static void
setup_make(struct setup *s, const char *type, const char *query)
{
	char path[FIXTURE_PATH];

	*s = (struct setup){ .limits = rules_of_size(60000) };
	s->request.content_type = span_of(type);
	s->request.query = span_of(query);
	fixture_path(path);
	fixture_join(&s->w, path);
}

static void
setup_end(struct setup *s)
{
	buf_fini(&s->reply);
	fixture_leave(&s->w);
}

static int
publish(struct setup *s, struct span body)
{
	return publish_body(&s->w.wake, FIXTURE_NOW, &s->request, body,
	    &s->limits, &s->problem, &s->reply);
}

/* The bytes a channel keeps; the caller frees them. */
static struct buf
bytes_of(struct setup *s, const char *channel)
{
	struct follow_join join = { .name = span_of(channel) };
	const struct event_resume all = { .kind = EVENT_RESUME_EARLIEST };
	struct follow_joined joined;
	struct follow_mark marks[16];
	struct buf bytes = { 0 };
	struct follow_segment page = {
		.bytes = buf_room(&bytes, 4096),
		.room = 4096,
		.marks = marks,
		.marks_room = UNIT_COUNT(marks),
	};

	ck_assert_int_eq(follow_join(&s->w.store, FIXTURE_NOW, &join, 1, all,
			     &joined),
	    0);
	struct follow_reader reader = { .registrations = &join.registration,
		.count = 1,
		.cursor = joined.cursor,
		.gap_known = joined.gap_known };
	ck_assert_int_eq(follow_read(&s->w.store, &reader, &page), 0);
	ck_assert_int_eq(follow_leave(&s->w.store, &join.registration, 1), 0);
	bytes.len = page.len;
	return bytes;
}

START_TEST(event_is_stored_as_it_goes_on_the_wire_and_answered)
{
	struct setup s;
	setup_make(&s, "application/json", "");

	int rc = publish(&s,
	    SPAN("{\"channel\":\"a\",\"topic\":\"t\",\"data\":{\"n\": 1.0}}"));

	ck_assert_int_eq(rc, 0);
	struct buf bytes = bytes_of(&s, "a");
	/* The beginning of the arena has taken the millisecond's number 0. */
	unit_assert_span(buf_span(&bytes),
	    "id: 1700000000000-1\nevent: t\ndata: {\"n\":1.0}\n\n");
	unit_assert_span(buf_span(&s.reply),
	    "{\"id\":\"1700000000000-1\",\"subscribers\":0}");
	buf_fini(&bytes);
	setup_end(&s);
}
END_TEST

START_TEST(event_for_several_channels_has_one_id)
{
	struct setup s;
	setup_make(&s, "application/json", "");

	int rc = publish(&s, SPAN("{\"channel\":[\"a\",\"b\"],\"data\":1}"));

	ck_assert_int_eq(rc, 0);
	struct buf a = bytes_of(&s, "a");
	struct buf b = bytes_of(&s, "b");
	unit_assert_span(buf_span(&a), "id: 1700000000000-1\ndata: 1\n\n");
	unit_assert_span(buf_span(&b), "id: 1700000000000-1\ndata: 1\n\n");
	unit_assert_span(buf_span(&s.reply),
	    "{\"events\":[{\"channel\":\"a\",\"id\":\"1700000000000-1\","
	    "\"subscribers\":0},{\"channel\":\"b\",\"id\":"
	    "\"1700000000000-1\",\"subscribers\":0}]}");
	buf_fini(&a);
	buf_fini(&b);
	setup_end(&s);
}
END_TEST

START_TEST(batch_gives_each_event_its_own_bytes)
{
	/* Neighbours that share their data, their topic, or nothing. */
	static const char body[] =
	    "[{\"channel\":[\"a\",\"b\"],\"data\":1},"
	    "{\"channel\":\"a\",\"data\":1},"
	    "{\"channel\":\"b\",\"topic\":\"t\",\"data\":1},"
	    "{\"channel\":[\"a\",\"b\"],\"topic\":\"t\",\"data\":\"\"}]";
	struct setup s;
	setup_make(&s, "application/json", "");

	ck_assert_int_eq(publish(&s, span_of(body)), 0);

	struct buf a = bytes_of(&s, "a");
	struct buf b = bytes_of(&s, "b");
	unit_assert_span(buf_span(&a),
	    "id: 1700000000000-1\ndata: 1\n\n"
	    "id: 1700000000000-2\ndata: 1\n\n"
	    "id: 1700000000000-4\nevent: t\ndata: \"\"\n\n");
	unit_assert_span(buf_span(&b),
	    "id: 1700000000000-1\ndata: 1\n\n"
	    "id: 1700000000000-3\nevent: t\ndata: 1\n\n"
	    "id: 1700000000000-4\nevent: t\ndata: \"\"\n\n");
	buf_fini(&a);
	buf_fini(&b);
	setup_end(&s);
}
END_TEST

START_TEST(repeated_own_id_is_answered_and_not_stored_again)
{
	static const char body[] =
	    "{\"channel\":\"a\",\"data\":1,\"id\":\"o-1\"}";
	struct setup s;
	setup_make(&s, "application/json", "");

	ck_assert_int_eq(publish(&s, span_of(body)), 0);
	unit_assert_span(buf_span(&s.reply),
	    "{\"id\":\"o-1\",\"subscribers\":0}");
	buf_clear(&s.reply);
	ck_assert_int_eq(publish(&s, span_of(body)), 0);
	unit_assert_span(buf_span(&s.reply),
	    "{\"id\":\"o-1\",\"subscribers\":0,\"duplicate\":true}");

	struct buf bytes = bytes_of(&s, "a");
	unit_assert_span(buf_span(&bytes), "id: o-1\ndata: 1\n\n");
	buf_fini(&bytes);
	setup_end(&s);
}
END_TEST

START_TEST(raw_body_goes_where_the_query_says)
{
	struct setup s;
	setup_make(&s, "text/plain", "channel=a&topic=t");

	ck_assert_int_eq(publish(&s, SPAN("two\nlines")), 0);

	struct buf bytes = bytes_of(&s, "a");
	unit_assert_span(buf_span(&bytes),
	    "id: 1700000000000-1\nevent: t\ndata: two\ndata: lines\n\n");
	buf_fini(&bytes);
	setup_end(&s);
}
END_TEST

START_TEST(answer_counts_the_streams_that_listen)
{
	struct setup s;
	struct follow_join join = { .name = SPAN("a") };
	const struct event_resume live = { .kind = EVENT_RESUME_NONE };
	struct follow_joined joined;
	setup_make(&s, "", "channel=a");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(follow_join(&s.w.store, FIXTURE_NOW, &join, 1,
				     live, &joined),
		    0);

	ck_assert_int_eq(publish(&s, SPAN("x")), 0);

	unit_assert_span(buf_span(&s.reply),
	    "{\"id\":\"1700000000000-1\",\"subscribers\":3}");
	setup_end(&s);
}
END_TEST

START_TEST(batch_with_one_bad_event_stores_none)
{
	struct setup s;
	setup_make(&s, "application/json", "");

	int rc = publish(&s,
	    SPAN("[{\"channel\":\"a\",\"data\":1},{\"channel\":\"a\"}]"));

	ck_assert_int_eq(rc, -EINVAL);
	ck_assert_int_eq(s.problem.kind, PROBLEM_NO_DATA);
	ck_assert_ptr_nonnull(strstr(s.problem.detail, "event 1"));
	ck_assert_uint_eq(s.w.store.arena.header->events, 0);
	ck_assert_uint_eq(s.reply.len, 0);
	setup_end(&s);
}
END_TEST

START_TEST(batch_that_is_too_large_for_the_arena_is_413)
{
	struct setup s;
	struct buf body = { 0 };
	setup_make(&s, "application/json", "");
	buf_put(&body, SPAN("{\"data\":1,\"channel\":[\"c\""));
	for (uint64_t i = 0; i < 400; i++) {
		buf_put(&body, SPAN(",\"c"));
		buf_put_u64(&body, i);
		buf_put_char(&body, '"');
	}
	buf_put(&body, SPAN("]}"));

	ck_assert_int_eq(publish(&s, buf_span(&body)), -EINVAL);

	ck_assert_int_eq(s.problem.kind, PROBLEM_BATCH_TOO_LARGE);
	ck_assert_uint_eq(s.w.store.arena.header->channels, 0);
	fixture_assert_sound(&s.w.store);
	buf_fini(&body);
	setup_end(&s);
}
END_TEST

START_TEST(arena_full_of_listeners_is_503)
{
	struct setup s;
	const struct event_resume live = { .kind = EVENT_RESUME_NONE };
	struct follow_joined joined;
	char name[16];
	int rc = 0;
	setup_make(&s, "", "channel=new");
	for (unsigned i = 0; rc == 0; i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		struct follow_join join = { .name = span_of(name) };
		rc = follow_join(&s.w.store, FIXTURE_NOW, &join, 1, live,
		    &joined);
	}
	ck_assert_int_eq(rc, -ENOSPC);
	char body[1000];
	memset(body, 'x', sizeof(body));

	rc = publish(&s, (struct span){ body, sizeof(body) });

	ck_assert_int_eq(rc, -EINVAL);
	ck_assert_int_eq(s.problem.kind, PROBLEM_ARENA_FULL);
	ck_assert_uint_eq(s.reply.len, 0);
	fixture_assert_sound(&s.w.store);
	setup_end(&s);
}
END_TEST

FIXTURE_MAIN("publish", event_is_stored_as_it_goes_on_the_wire_and_answered,
    event_for_several_channels_has_one_id, batch_gives_each_event_its_own_bytes,
    repeated_own_id_is_answered_and_not_stored_again,
    raw_body_goes_where_the_query_says, answer_counts_the_streams_that_listen,
    batch_with_one_bad_event_stores_none,
    batch_that_is_too_large_for_the_arena_is_413,
    arena_full_of_listeners_is_503)
