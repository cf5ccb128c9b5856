#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access_fixture.h"
#include "wire/message_builder.h"

#define STORE_LEN 4096

/* A builder with its message, as message_read() sets them up. */
struct setup {
	struct message m;
	struct message_rules rules;
	struct problem problem;
	struct message_builder b;
};

static void
setup_make(struct setup *s)
{
	*s = (struct setup){ .rules = rules_of_size(10) };
	s->b = (struct message_builder){ .m = &s->m,
		.rules = &s->rules,
		.problem = &s->problem };
	ck_assert_ptr_nonnull(buf_room(&s->m.store, STORE_LEN));
}

static void
setup_end(struct setup *s)
{
	free(s->m.events);
	buf_fini(&s->m.store);
}

static int
add(struct setup *s, const char *channel)
{
	return message_builder_add(&s->b,
	    message_builder_keep(&s->b, span_of(channel)));
}

START_TEST(what_is_kept_stays_where_it_is)
{
	struct setup s;
	struct span kept[100];
	char text[16];
	setup_make(&s);

	for (int i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "text %d", i);
		kept[i] = message_builder_keep(&s.b, span_of(text));
	}

	for (int i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "text %d", i);
		unit_assert_span(kept[i], text);
	}
	setup_end(&s);
}
END_TEST

static void
finish(struct setup *s, size_t first, const char *topic, const char *data)
{
	const struct message_content content = { .topic = span_of(topic),
		.data = span_of(data),
		.id = SPAN("own") };

	message_builder_finish(&s->b, first, &content);
}

START_TEST(channels_stay_in_the_order_they_came)
{
	struct setup s;
	static const char *const names[] = { "z", "a", "m", "aa", "b" };
	setup_make(&s);
	for (size_t i = 0; i < UNIT_COUNT(names); i++)
		ck_assert_int_eq(add(&s, names[i]), 0);

	finish(&s, 0, "topic", "data");

	ck_assert_uint_eq(s.m.count, UNIT_COUNT(names));
	for (size_t i = 0; i < UNIT_COUNT(names); i++) {
		unit_assert_span(s.m.events[i].channel, names[i]);
		unit_assert_span(s.m.events[i].content.topic, "topic");
		unit_assert_span(s.m.events[i].content.data, "data");
		unit_assert_span(s.m.events[i].content.id, "own");
		ck_assert_int_eq(s.m.events[i].is_copy, i > 0);
	}
	setup_end(&s);
}
END_TEST

START_TEST(channel_named_again_counts_once_where_it_came_first)
{
	struct setup s;
	static const char *const names[] = { "b", "a", "b", "ab", "a", "b" };
	static const char *const kept[] = { "b", "a", "ab" };
	setup_make(&s);
	for (size_t i = 0; i < UNIT_COUNT(names); i++)
		ck_assert_int_eq(add(&s, names[i]), 0);

	finish(&s, 0, "", "data");

	ck_assert_uint_eq(s.m.count, UNIT_COUNT(kept));
	for (size_t i = 0; i < UNIT_COUNT(kept); i++) {
		unit_assert_span(s.m.events[i].channel, kept[i]);
		unit_assert_span(s.m.events[i].content.data, "data");
		unit_assert_span(s.m.events[i].content.id, "own");
		ck_assert_int_eq(s.m.events[i].is_copy, i > 0);
	}
	setup_end(&s);
}
END_TEST

START_TEST(events_of_a_batch_keep_what_they_were_given)
{
	struct setup s;
	setup_make(&s);
	ck_assert_int_eq(add(&s, "a"), 0);
	finish(&s, 0, "t1", "d1");

	ck_assert_int_eq(add(&s, "a"), 0);
	ck_assert_int_eq(add(&s, "b"), 0);
	finish(&s, 1, "t2", "d2");

	/* The same channel in another event of the batch is another event. */
	ck_assert_uint_eq(s.m.count, 3);
	unit_assert_span(s.m.events[0].content.data, "d1");
	unit_assert_span(s.m.events[0].content.topic, "t1");
	unit_assert_span(s.m.events[1].channel, "a");
	unit_assert_span(s.m.events[1].content.data, "d2");
	unit_assert_span(s.m.events[2].content.data, "d2");
	ck_assert(!s.m.events[0].is_copy);
	ck_assert(!s.m.events[1].is_copy);
	ck_assert(s.m.events[2].is_copy);
	setup_end(&s);
}
END_TEST

START_TEST(many_channels_are_deduplicated_too)
{
	struct setup s;
	char name[16];
	setup_make(&s);

	for (unsigned i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "c%u", i * 7 % 123);
		ck_assert_int_eq(add(&s, name), 0);
	}
	finish(&s, 0, "", "");

	ck_assert_uint_eq(s.m.count, 123);
	for (unsigned i = 0; i < 123; i++) {
		(void)snprintf(name, sizeof(name), "c%u", i * 7 % 123);
		unit_assert_span(s.m.events[i].channel, name);
	}
	setup_end(&s);
}
END_TEST

START_TEST(name_that_cannot_be_is_refused)
{
	static const char *const names[] = { "", "a\nb", "\xff" };

	for (size_t i = 0; i < UNIT_COUNT(names); i++) {
		struct setup s;
		setup_make(&s);

		ck_assert_int_eq(add(&s, names[i]), -EINVAL);

		ck_assert_int_eq(s.problem.kind, PROBLEM_BAD_CHANNEL);
		ck_assert_ptr_nonnull(
		    strstr(s.problem.detail, "the channel name"));
		ck_assert_uint_eq(s.m.count, 0);
		setup_end(&s);
	}
}
END_TEST

START_TEST(refusal_names_the_event_in_a_batch_and_the_line)
{
	static const struct {
		bool batch;
		size_t index;
		size_t line;
		const char *detail;
	} rows[] = {
		{ false, 0, 0, "it is 7" },
		{ true, 0, 0, "event 0: it is 7" },
		{ true, 12, 0, "event 12: it is 7" },
		{ true, 2, 5, "event 2 (line 5): it is 7" },
		{ false, 0, 1, "event 0 (line 1): it is 7" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct setup s;
		setup_make(&s);
		s.b.batch = rows[i].batch;
		s.b.index = rows[i].index;
		s.b.line = rows[i].line;

		int rc = message_builder_refuse(&s.b, PROBLEM_MEDIA_TYPE,
		    "it is %d", 7);

		ck_assert_int_eq(rc, -EINVAL);
		ck_assert_int_eq(s.problem.kind, PROBLEM_MEDIA_TYPE);
		ck_assert_str_eq(s.problem.detail, rows[i].detail);
		setup_end(&s);
	}
}
END_TEST

START_TEST(lack_of_memory_is_the_server_s_fault)
{
	struct setup s;
	setup_make(&s);

	ck_assert_int_eq(message_builder_refuse_memory(&s.b), -EINVAL);

	ck_assert_int_eq(s.problem.kind, PROBLEM_UNAVAILABLE);
	setup_end(&s);
}
END_TEST

START_TEST(data_may_be_as_long_as_the_limit)
{
	struct setup s;
	setup_make(&s);

	int just =
	    message_builder_check_size(&s.b, "the data", SPAN("0123456789"));
	int over =
	    message_builder_check_size(&s.b, "the data", SPAN("0123456789x"));

	ck_assert_int_eq(just, 0);
	ck_assert_int_eq(over, -EINVAL);
	ck_assert_int_eq(s.problem.kind, PROBLEM_EVENT_TOO_LARGE);
	ck_assert_str_eq(s.problem.detail,
	    "the data is 11 bytes long; at most 10 are taken");
	setup_end(&s);
}
END_TEST

START_TEST(topic_is_checked)
{
	static const struct {
		const char *topic;
		int rc;
	} rows[] = {
		{ "", 0 },
		{ "created", 0 },
		{ "peal", 0 },
		{ "peal:gap", -EINVAL },
		{ "two\nlines", -EINVAL },
		{ "\xc3", -EINVAL },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct setup s;
		setup_make(&s);

		int rc =
		    message_builder_check_topic(&s.b, span_of(rows[i].topic));

		ck_assert_int_eq(rc, rows[i].rc);
		ck_assert_int_eq(s.problem.status, rc == 0 ? 0 : 400);
		if (rc != 0)
			ck_assert_int_eq(s.problem.kind, PROBLEM_BAD_TOPIC);
		setup_end(&s);
	}
}
END_TEST

UNIT_MAIN("message_builder", what_is_kept_stays_where_it_is,
    channels_stay_in_the_order_they_came,
    channel_named_again_counts_once_where_it_came_first,
    events_of_a_batch_keep_what_they_were_given,
    many_channels_are_deduplicated_too, name_that_cannot_be_is_refused,
    refusal_names_the_event_in_a_batch_and_the_line,
    lack_of_memory_is_the_server_s_fault, data_may_be_as_long_as_the_limit,
    topic_is_checked)
