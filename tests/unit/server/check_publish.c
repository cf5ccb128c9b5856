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
	const struct publish_to to = { &s->w.wake, FIXTURE_NOW, &s->reply };

	return publish_body(&to, &s->request, body, &s->limits, &s->problem);
}

/* The same in steps.  Returns what the last one did, and how many there were. */
static int
publish_in_steps(struct setup *s, struct span body, int *steps)
{
	const struct publish_to to = { &s->w.wake, FIXTURE_NOW, &s->reply };
	struct publish *p = NULL;
	int rc;

	*steps = 0;
	do {
		rc = publish_step(&p, &to, &s->request, body, &s->limits,
		    &s->problem);
		(*steps)++;
	} while (rc == 1);
	publish_free(p);
	return rc;
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

#define LONG_BATCH 100

/* A batch of many events, with much white space, and a faulty last one or not. */
static struct buf
long_batch(bool faulty)
{
	struct buf body = { 0 };
	char space[2001];

	memset(space, ' ', 2000);
	space[2000] = '\0';
	buf_put_cstr(&body, "[");
	for (size_t i = 0; i < LONG_BATCH; i++) {
		buf_put_cstr(&body, i == 0 ? "" : ",");
		buf_put_cstr(&body, space);
		buf_put_cstr(&body, "{\"channel\":\"a\",\"data\":");
		buf_put_u64(&body, i);
		buf_put_cstr(&body, "}");
	}
	buf_put_cstr(&body, faulty ? ",{}]" : "]");
	ck_assert_int_eq(buf_error(&body), 0);
	return body;
}

START_TEST(long_batch_in_steps_is_what_it_is_at_once)
{
	struct setup once;
	struct setup steps;
	int count;
	setup_make(&once, "application/json", "");
	setup_make(&steps, "application/json", "");
	struct buf body = long_batch(false);

	int rc = publish(&once, buf_span(&body));
	ck_assert_msg(rc == 0, "%s", once.problem.detail);
	ck_assert_int_eq(publish_in_steps(&steps, buf_span(&body), &count), 0);

	/* It is some 200 KB. */
	ck_assert_int_ge(count, 4);
	ck_assert(span_equal(buf_span(&once.reply), buf_span(&steps.reply)));
	struct buf first = bytes_of(&once, "a");
	struct buf second = bytes_of(&steps, "a");
	ck_assert(span_equal(buf_span(&first), buf_span(&second)));
	buf_fini(&first);
	buf_fini(&second);
	buf_fini(&body);
	setup_end(&once);
	setup_end(&steps);
}
END_TEST

START_TEST(fault_in_the_last_step_stores_nothing)
{
	struct setup s;
	int count;
	setup_make(&s, "application/json", "");
	struct buf body = long_batch(true);

	ck_assert_int_eq(publish_in_steps(&s, buf_span(&body), &count),
	    -EINVAL);

	ck_assert_int_ge(count, 3);
	ck_assert_str_eq(s.problem.detail,
	    "event 100: the member \"channel\" is missing");
	ck_assert_uint_eq(s.w.store.arena.header->events, 0);
	buf_fini(&body);
	setup_end(&s);
}
END_TEST

FIXTURE_MAIN("publish", event_is_stored_as_it_goes_on_the_wire_and_answered,
    event_for_several_channels_has_one_id, batch_gives_each_event_its_own_bytes,
    repeated_own_id_is_answered_and_not_stored_again,
    raw_body_goes_where_the_query_says, answer_counts_the_streams_that_listen,
    batch_with_one_bad_event_stores_none,
    batch_that_is_too_large_for_the_arena_is_413,
    arena_full_of_listeners_is_503, long_batch_in_steps_is_what_it_is_at_once,
    fault_in_the_last_step_stores_nothing)
