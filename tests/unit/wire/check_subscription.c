#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "access_fixture.h"
#include "wire/request.h"
#include "wire/subscription.h"

struct variable {
	const char *name;
	const char *value; /* NULL: not set */
};

#define VARIABLES_MAX 8

/* The look-up callback: a table that ends at a NULL name or when it is full. */
static const char *
look(const void *context, const char *name)
{
	const struct variable *table = context;

	for (size_t i = 0; i < VARIABLES_MAX && table[i].name != NULL; i++) {
		if (strcmp(table[i].name, name) == 0)
			return table[i].value;
	}
	return NULL;
}

/* A subscription read from a table, and how that went. */
struct reading {
	struct subscription s;
	struct problem problem;
	int rc;
};

static void
subscribe_with(struct reading *got, const struct variable *table,
    const char *param)
{
	struct request r;

	request_read(&r, look, table);
	memset(got, 0xa5, sizeof(*got));
	got->problem.status = 0;
	const struct subscription_rules rules = rules_of_param(param);
	got->rc =
	    subscription_read(&got->s, &r, &rules, look, table, &got->problem);
}

static void
subscribe(struct reading *got, const struct variable *table)
{
	subscribe_with(got, table, "channel");
}

static void
subscribe_query(struct reading *got, const char *query)
{
	const struct variable table[VARIABLES_MAX] = {
		{ "QUERY_STRING", query },
	};

	subscribe(got, table);
}

/* Fail unless the channels are those in list, parted by '|'. */
static void
assert_channels(const struct reading *got, const char *list)
{
	struct buf joined = { 0 };

	ck_assert_msg(got->rc == 0, "%s", got->problem.detail);
	for (size_t i = 0; i < got->s.count; i++) {
		if (i > 0)
			buf_put_char(&joined, '|');
		buf_put(&joined, got->s.channels[i]);
	}
	unit_assert_span(buf_span(&joined), list);
	buf_fini(&joined);
}

static void
assert_problem(const struct reading *got, enum problem_kind kind,
    const char *detail)
{
	ck_assert_int_eq(got->rc, -EINVAL);
	ck_assert_str_eq(got->problem.detail, detail);
	ck_assert_int_eq(got->problem.kind, kind);
	ck_assert_int_ne(got->problem.status, 0);
}

START_TEST(channels_of_the_query_are_taken_in_order_and_once)
{
	static const struct {
		const char *query;
		const char *channels;
	} rows[] = {
		{ "channel=a", "a" },
		{ "x=1&channel=a&y=2", "a" },
		{ "channel=b&channel=a", "b|a" },
		{ "channel=a&channel=b&channel=a", "a|b" },
		{ "channel=a&channel=%61", "a" },
		{ "channel=a+b&channel=%e2%82%ac", "a b|\xe2\x82\xac" },
		{ "ch%61nnel=a", "a" },
		{ "channel=a&Channel=b&channels=c", "a" },
		{ "channel=%7BREMOTE_USER%7D", "{REMOTE_USER}" },
		/* Lists as PHP writes them. */
		{ "channel[]=a&channel[]=b", "a|b" },
		{ "channel%5B0%5D=a&channel%5B1%5D=b", "a|b" },
		{ "channel%5b10%5d=a&channel=b&channel[]=a", "a|b" },
		{ "channel=a&channel[x]=b&channel[=c&channel]=d&channel[0=e",
		    "a" },
		{ "channel=a&channel[0]x=b&channel[][]=c&channel[-1]=d", "a" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct reading got;

		subscribe_query(&got, rows[i].query);

		assert_channels(&got, rows[i].channels);
		subscription_fini(&got.s);
	}
}
END_TEST

START_TEST(member_that_names_channels_can_be_renamed)
{
	const struct variable table[VARIABLES_MAX] = {
		{ "QUERY_STRING", "channel=a&invitationIdentifier=b" },
	};
	struct reading got;

	subscribe_with(&got, table, "invitationIdentifier");

	assert_channels(&got, "b");
	subscription_fini(&got.s);
}
END_TEST

START_TEST(renamed_member_may_have_an_index_too)
{
	const struct variable table[VARIABLES_MAX] = {
		{ "QUERY_STRING", "user[]=a&user%5B1%5D=b&channel[]=c" },
	};
	struct reading got;

	subscribe_with(&got, table, "user");

	assert_channels(&got, "a|b");
	subscription_fini(&got.s);
}
END_TEST

START_TEST(beat_is_asked_for_by_a_member_of_any_value)
{
	static const struct {
		const char *query;
		const char *fixed;
		bool beat;
	} rows[] = {
		{ "channel=a", NULL, false },
		{ "channel=a&beat", NULL, true },
		{ "beat=&channel=a", NULL, true },
		{ "channel=a&beat=0", NULL, true },
		{ "channel=a&b%65at=1", NULL, true },
		{ "beat", "a", true },
		{ "", "a", false },
		{ "channel=a&beats=1&Beat=1", NULL, false },
		{ "channel=beat", NULL, false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const struct variable table[VARIABLES_MAX] = {
			{ "QUERY_STRING", rows[i].query },
			{ "HTTP_LAST_EVENT_ID", "1-1" },
			{ "PEAL_CHANNEL", rows[i].fixed },
		};
		struct reading got;

		subscribe(&got, table);

		ck_assert_int_eq(got.rc, 0);
		ck_assert_msg(got.s.beat == rows[i].beat, "\"%s\"",
		    rows[i].query);
		unit_assert_span(got.s.asked, "1-1");
		subscription_fini(&got.s);
	}
}
END_TEST

START_TEST(faulty_channel_in_the_query_is_400)
{
	static const struct {
		const char *query;
		enum problem_kind kind;
		const char *detail;
	} rows[] = {
		{ "", PROBLEM_NO_CHANNEL,
		    "the query has no member \"channel\"" },
		{ "topic=x", PROBLEM_NO_CHANNEL,
		    "the query has no member \"channel\"" },
		{ "channel=", PROBLEM_BAD_CHANNEL,
		    "the channel name is empty" },
		{ "channel", PROBLEM_BAD_CHANNEL, "the channel name is empty" },
		{ "channel=a&channel=", PROBLEM_BAD_CHANNEL,
		    "the channel name is empty" },
		{ "channel=a%0a", PROBLEM_BAD_CHANNEL,
		    "the channel name holds a control character" },
		{ "channel=a%00", PROBLEM_BAD_CHANNEL,
		    "the channel name holds a control character" },
		{ "channel=%ff", PROBLEM_BAD_CHANNEL,
		    "the channel name is not UTF-8" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct reading got;

		subscribe_query(&got, rows[i].query);

		assert_problem(&got, rows[i].kind, rows[i].detail);
		subscription_fini(&got.s);
	}
}
END_TEST

START_TEST(channel_name_of_the_query_has_at_most_1024_bytes)
{
	for (size_t len = 1024; len <= 1025; len++) {
		char query[8 + 1025 + 1] = "channel=";
		struct reading got;
		memset(query + 8, 'x', len);

		subscribe_query(&got, query);

		if (len == 1024)
			ck_assert_int_eq(got.rc, 0);
		else
			assert_problem(&got, PROBLEM_BAD_CHANNEL,
			    "the channel name is longer than 1024 bytes");
		subscription_fini(&got.s);
	}
}
END_TEST

/* Put the members "channel=0" to "channel=<count - 1>". */
static void
put_members(struct buf *query, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		buf_put_cstr(query, "&channel=");
		buf_put_u64(query, i);
	}
}

START_TEST(sixty_four_channels_are_the_most)
{
	struct buf query = { 0 };
	struct reading got;
	put_members(&query, 64);
	buf_put_cstr(&query, "&channel=0&channel=63");
	buf_put_char(&query, '\0');

	subscribe_query(&got, query.ptr);

	ck_assert_int_eq(got.rc, 0);
	ck_assert_uint_eq(got.s.count, 64);
	unit_assert_span(got.s.channels[0], "0");
	unit_assert_span(got.s.channels[63], "63");
	subscription_fini(&got.s);
	buf_fini(&query);
}
END_TEST

START_TEST(one_channel_more_is_400)
{
	struct buf query = { 0 };
	struct reading got;
	put_members(&query, 65);
	buf_put_char(&query, '\0');

	subscribe_query(&got, query.ptr);

	assert_problem(&got, PROBLEM_TOO_MANY_CHANNELS,
	    "more than 64 channels are asked for");
	subscription_fini(&got.s);
	buf_fini(&query);
}
END_TEST

START_TEST(configured_channel_replaces_the_query)
{
	static const struct {
		const char *fixed;
		const char *channels;
	} rows[] = {
		{ "a", "a" },
		{ "  b  a\tb ", "b|a" },
		{ "user-{REMOTE_USER}", "user-ada" },
		{ "{REMOTE_USER}", "ada" },
		{ "{REMOTE_USER}{REMOTE_USER}", "adaada" },
		{ "{REMOTE_USER}-x news", "ada-x|news" },
		{ "ada {REMOTE_USER}", "ada" },
		{ "a}b", "a}b" },
		/* What a variable holds is a name's part, whatever it is. */
		{ "to-{SPACED} x", "to-a b|x" },
		{ "{BRACED}", "{REMOTE_USER}" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const struct variable table[VARIABLES_MAX] = {
			{ "QUERY_STRING", "channel=stolen" },
			{ "REMOTE_USER", "ada" },
			{ "SPACED", "a b" },
			{ "BRACED", "{REMOTE_USER}" },
			{ "PEAL_CHANNEL", rows[i].fixed },
		};
		struct reading got;

		subscribe(&got, table);

		assert_channels(&got, rows[i].channels);
		subscription_fini(&got.s);
	}
}
END_TEST

#define NO_BRACE "PEAL_CHANNEL has a \"{\" without a variable's name and \"}\""

START_TEST(configured_channel_that_names_nothing_is_403)
{
	static const struct {
		const char *fixed;
		const char *detail;
	} rows[] = {
		{ "", "PEAL_CHANNEL names no channel" },
		{ " \t ", "PEAL_CHANNEL names no channel" },
		{ "user-{EMPTY}",
		    "the variable EMPTY, which PEAL_CHANNEL "
		    "names, is empty or missing" },
		{ "user-{MISSING}",
		    "the variable MISSING, which PEAL_CHANNEL "
		    "names, is empty or missing" },
		{ "good user-{MISSING}",
		    "the variable MISSING, which "
		    "PEAL_CHANNEL names, is empty or "
		    "missing" },
		{ "user-{REMOTE_USER", NO_BRACE },
		{ "user-{", NO_BRACE },
		{ "user-{}", NO_BRACE },
		{ "{REMOTE_USER {REMOTE_USER}", NO_BRACE },
		{ "{{REMOTE_USER}}", NO_BRACE },
		{ "{REMOTE\x01USER}", NO_BRACE },
		{ "a\x01", "the channel name holds a control character" },
		{ "{CONTROL}", "the channel name holds a control character" },
		{ "\xff", "the channel name is not UTF-8" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const struct variable table[VARIABLES_MAX] = {
			{ "QUERY_STRING", "channel=stolen" },
			{ "REMOTE_USER", "ada" },
			{ "EMPTY", "" },
			{ "CONTROL", "a\nb" },
			{ "PEAL_CHANNEL", rows[i].fixed },
		};
		struct reading got;

		subscribe(&got, table);

		assert_problem(&got, PROBLEM_CHANNEL_VARIABLE, rows[i].detail);
		subscription_fini(&got.s);
	}
}
END_TEST

START_TEST(configured_channel_may_come_out_too_long)
{
	char user[1026] = { 0 };
	memset(user, 'x', sizeof(user) - 1);
	const struct variable table[VARIABLES_MAX] = {
		{ "PEAL_CHANNEL", "{REMOTE_USER}" },
		{ "REMOTE_USER", user },
	};
	struct reading got;

	subscribe(&got, table);

	assert_problem(&got, PROBLEM_CHANNEL_VARIABLE,
	    "the channel name is longer than 1024 bytes");
	subscription_fini(&got.s);
}
END_TEST

START_TEST(first_resume_point_found_wins)
{
	static const struct {
		const char *header;
		const char *query;
		const char *asked;
	} rows[] = {
		{ NULL, "", "" },
		{ "", "", "" },
		{ "1-1", "", "1-1" },
		{ "1-1", "&lastEventId=2-2", "1-1" },
		{ "", "&lastEventId=2-2", "2-2" },
		{ NULL, "&lastEventId=2-2", "2-2" },
		{ NULL, "&last_event_id=2-2", "2-2" },
		{ NULL, "&lastEventID=2-2", "2-2" },
		{ NULL, "&Last-Event-ID=2-2", "2-2" },
		{ NULL, "&lastEventTime=2", "2" },
		{ NULL, "&last-event-id=2-2", "" },
		/* the order is that of the names, not of the query */
		{ NULL, "&lastEventTime=5&Last-Event-ID=4-4", "4-4" },
		{ NULL, "&Last-Event-ID=4-4&lastEventID=3-3", "3-3" },
		{ NULL, "&lastEventID=3-3&last_event_id=2-2", "2-2" },
		{ NULL, "&last_event_id=2-2&lastEventId=1-1", "1-1" },
		{ NULL, "&lastEventId=1-1&last_event_id=2-2", "1-1" },
		{ NULL, "&lastEventId=&lastEventTime=5", "5" },
		{ NULL, "&lastEventId=1-1&lastEventId=2-2", "1-1" },
		{ NULL, "&lastEventId=%31-1", "1-1" },
		/* unreadable is not missing */
		{ "abc", "&lastEventId=1-1", "abc" },
		{ NULL, "&lastEventId=abc&lastEventTime=5", "abc" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		char query[128];
		const struct variable table[VARIABLES_MAX] = {
			{ "QUERY_STRING", query },
			{ "HTTP_LAST_EVENT_ID", rows[i].header },
		};
		struct reading got;
		(void)snprintf(query, sizeof(query), "channel=a%s",
		    rows[i].query);

		subscribe(&got, table);

		assert_channels(&got, "a");
		unit_assert_span(got.s.asked, rows[i].asked);
		subscription_fini(&got.s);
	}
}
END_TEST

START_TEST(resume_point_is_read_from_what_was_asked)
{
	static const struct {
		const char *header;
		enum event_resume_kind kind;
		uint64_t id;
	} rows[] = {
		{ NULL, EVENT_RESUME_NONE, 0 },
		{ "1-1", EVENT_RESUME_AFTER, 0x10001 },
		{ "1779525621000", EVENT_RESUME_SINCE,
		    UINT64_C(1779525621000) << 16 | 0xffff },
		{ "earliest", EVENT_RESUME_EARLIEST, 0 },
		{ "abc", EVENT_RESUME_UNREADABLE, 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const struct variable table[VARIABLES_MAX] = {
			{ "QUERY_STRING", "channel=a" },
			{ "HTTP_LAST_EVENT_ID", rows[i].header },
		};
		struct reading got;

		subscribe(&got, table);

		ck_assert_int_eq(got.s.resume.kind, rows[i].kind);
		ck_assert_uint_eq(got.s.resume.id, rows[i].id);
		subscription_fini(&got.s);
	}
}
END_TEST

START_TEST(configured_channel_leaves_the_query_its_resume_point)
{
	const struct variable table[VARIABLES_MAX] = {
		{ "QUERY_STRING", "channel=b&lastEventId=7-0" },
		{ "PEAL_CHANNEL", "a" },
	};
	struct reading got;

	subscribe(&got, table);

	assert_channels(&got, "a");
	unit_assert_span(got.s.asked, "7-0");
	subscription_fini(&got.s);
}
END_TEST

START_TEST(subscription_outlives_the_variables_it_was_read_from)
{
	char query[] = "channel=a&channel=b";
	char header[] = "1-1";
	const struct variable table[VARIABLES_MAX] = {
		{ "QUERY_STRING", query },
		{ "HTTP_LAST_EVENT_ID", header },
	};
	struct reading got;
	subscribe(&got, table);

	memset(query, '#', sizeof(query) - 1);
	memset(header, '#', sizeof(header) - 1);

	assert_channels(&got, "a|b");
	unit_assert_span(got.s.asked, "1-1");
	subscription_fini(&got.s);
}
END_TEST

START_TEST(channels_stay_right_though_the_store_moves)
{
	struct buf query = { 0 };
	struct reading got;
	char pad[200];
	memset(pad, 'x', sizeof(pad));
	buf_put_cstr(&query, "channel=first");
	for (int i = 0; i < 60; i++) {
		buf_put_cstr(&query, "&pad=");
		buf_put(&query, (struct span){ pad, sizeof(pad) });
	}
	buf_put_cstr(&query, "&channel=last");
	buf_put_char(&query, '\0');

	subscribe_query(&got, query.ptr);

	assert_channels(&got, "first|last");
	subscription_fini(&got.s);
	buf_fini(&query);
}
END_TEST

START_TEST(subscription_can_be_ended_twice_and_when_null)
{
	struct reading got;
	subscribe_query(&got, "channel=a");

	subscription_fini(&got.s);
	subscription_fini(&got.s);
	subscription_fini(NULL);

	ck_assert_uint_eq(got.s.count, 0);
}
END_TEST

UNIT_MAIN("subscription", channels_of_the_query_are_taken_in_order_and_once,
    member_that_names_channels_can_be_renamed,
    renamed_member_may_have_an_index_too,
    beat_is_asked_for_by_a_member_of_any_value,
    faulty_channel_in_the_query_is_400,
    channel_name_of_the_query_has_at_most_1024_bytes,
    sixty_four_channels_are_the_most, one_channel_more_is_400,
    configured_channel_replaces_the_query,
    configured_channel_that_names_nothing_is_403,
    configured_channel_may_come_out_too_long, first_resume_point_found_wins,
    resume_point_is_read_from_what_was_asked,
    configured_channel_leaves_the_query_its_resume_point,
    subscription_outlives_the_variables_it_was_read_from,
    channels_stay_right_though_the_store_moves,
    subscription_can_be_ended_twice_and_when_null)
