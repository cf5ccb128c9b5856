#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/request.h"

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

static struct request
read_one(const char *name, const char *value)
{
	const struct variable table[VARIABLES_MAX] = { { name, value } };
	struct request r;

	request_read(&r, look, table);
	return r;
}

START_TEST(request_without_variables_is_a_mount_of_no_known_method)
{
	const struct variable table[VARIABLES_MAX] = { { NULL, NULL } };
	struct request r;

	request_read(&r, look, table);

	ck_assert_int_eq(r.method, REQUEST_OTHER);
	ck_assert_int_eq(r.path, REQUEST_MOUNT);
	ck_assert_int_eq(r.content_length, -1);
	ck_assert_uint_eq(r.query.len, 0);
	ck_assert_uint_eq(r.content_type.len, 0);
	ck_assert_uint_eq(r.origin.len, 0);
	ck_assert_uint_eq(r.accept.len, 0);
	ck_assert_uint_eq(r.authorization.len, 0);
	ck_assert(!r.has_roles);
}
END_TEST

START_TEST(variables_are_handed_on_as_they_are)
{
	const struct variable table[VARIABLES_MAX] = {
		{ "QUERY_STRING", "channel=a%20b" },
		{ "CONTENT_TYPE", "text/plain; charset=utf-8" },
		{ "CONTENT_LENGTH", "12" },
		{ "HTTP_ORIGIN", "https://here.example" },
		{ "HTTP_ACCEPT", "text/event-stream" },
		{ "HTTP_AUTHORIZATION", "Bearer abc" },
		{ "PEAL_ROLES", "subscribe publish" },
	};
	struct request r;

	request_read(&r, look, table);

	unit_assert_span(r.query, "channel=a%20b");
	unit_assert_span(r.content_type, "text/plain; charset=utf-8");
	ck_assert_int_eq(r.content_length, 12);
	unit_assert_span(r.origin, "https://here.example");
	unit_assert_span(r.accept, "text/event-stream");
	unit_assert_span(r.authorization, "Bearer abc");
	unit_assert_span(r.roles, "subscribe publish");
	ck_assert(r.has_roles);
}
END_TEST

START_TEST(roles_that_are_set_but_empty_are_set)
{
	struct request r = read_one("PEAL_ROLES", "");

	ck_assert(r.has_roles);
	ck_assert_uint_eq(r.roles.len, 0);
}
END_TEST

START_TEST(methods_are_case_sensitive)
{
	static const struct {
		const char *word;
		enum request_method method;
	} rows[] = {
		{ "GET", REQUEST_GET },
		{ "HEAD", REQUEST_HEAD },
		{ "POST", REQUEST_POST },
		{ "OPTIONS", REQUEST_OPTIONS },
		{ "PUT", REQUEST_OTHER },
		{ "get", REQUEST_OTHER },
		{ "Get", REQUEST_OTHER },
		{ "GETS", REQUEST_OTHER },
		{ "GE", REQUEST_OTHER },
		{ "", REQUEST_OTHER },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct request r = read_one("REQUEST_METHOD", rows[i].word);

		ck_assert_msg(r.method == rows[i].method, "%s", rows[i].word);
	}
}
END_TEST

START_TEST(content_length_is_a_number_or_unknown)
{
	static const struct {
		const char *text;
		int64_t length;
	} rows[] = {
		{ "0", 0 },
		{ "131072", 131072 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", INT64_MAX },
		{ "99999999999999999999999", INT64_MAX },
		{ "", -1 },
		{ "-1", -1 },
		{ "12x", -1 },
		{ "1e3", -1 },
		{ NULL, -1 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct request r = read_one("CONTENT_LENGTH", rows[i].text);

		ck_assert_int_eq(r.content_length, rows[i].length);
	}
}
END_TEST

struct path_row {
	const char *uri;
	const char *script;
	const char *info;
	enum request_path path;
};

static void
assert_path(const struct path_row *row)
{
	const struct variable table[VARIABLES_MAX] = {
		{ "REQUEST_URI", row->uri },
		{ "SCRIPT_NAME", row->script },
		{ "PATH_INFO", row->info },
	};
	struct request r;

	request_read(&r, look, table);

	ck_assert_msg(r.path == row->path, "%s | %s | %s: %d",
	    row->uri == NULL ? "(none)" : row->uri,
	    row->script == NULL ? "(none)" : row->script,
	    row->info == NULL ? "(none)" : row->info, (int)r.path);
}

/* How each server fills the three in, as it was seen to. */
START_TEST(sub_path_is_found_behind_every_server)
{
	static const struct path_row rows[] = {
		/* mod_fcgid */
		{ "/sse", "/sse", NULL, REQUEST_MOUNT },
		{ "/sse", "/sse", "", REQUEST_MOUNT },
		{ "/sse/", "/sse", "/", REQUEST_MOUNT },
		{ "/sse/status", "/sse", "/status", REQUEST_STATUS },
		{ "/sse/metrics", "/sse", "/metrics", REQUEST_METRICS },
		{ "/sse/sub/x", "/sse", "/sub/x", REQUEST_UNKNOWN },
		/* mod_proxy_fcgi, by ProxyPass */
		{ "/sse", "/sse", NULL, REQUEST_MOUNT },
		{ "/sse/status", "/sse/status", NULL, REQUEST_STATUS },
		{ "/sse/sub/x", "/sse/sub/x", NULL, REQUEST_MOUNT },
		/* mod_proxy_fcgi, by SetHandler */
		{ "/sh", "/sh", "", REQUEST_MOUNT },
		{ "/sh/status", "/sh", "/status", REQUEST_STATUS },
		{ "/sh/sub/x", "/sh", "/sub/x", REQUEST_UNKNOWN },
		/* lighttpd */
		{ "/ex", "/ex", "", REQUEST_MOUNT },
		{ "/ex/metrics", "/ex", "/metrics", REQUEST_METRICS },
		{ "/ex/sub/x", "/ex", "/sub/x", REQUEST_UNKNOWN },
		/* nginx: unset variables are sent empty */
		{ "/sse", "/sse", "", REQUEST_MOUNT },
		{ "/sse/status", "/sse/status", "", REQUEST_STATUS },
		{ "/sse/sub/x", "/sse/sub/x", "", REQUEST_MOUNT },
		/* Caddy */
		{ "/sse", "", "/sse", REQUEST_MOUNT },
		{ "/sse/status", "", "/sse/status", REQUEST_STATUS },
		{ "/sse/sub/x", "", "/sse/sub/x", REQUEST_MOUNT },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		assert_path(&rows[i]);
}
END_TEST

START_TEST(only_the_whole_last_segment_of_the_path_counts)
{
	static const struct path_row rows[] = {
		{ "/status", "", "", REQUEST_STATUS },
		{ "/sse/mystatus", "/sse/mystatus", "", REQUEST_MOUNT },
		{ "/sse/statuses", "/sse/statuses", "", REQUEST_MOUNT },
		{ "/sse/Status", "/sse/Status", "", REQUEST_MOUNT },
		{ "/status/sse", "/status/sse", "", REQUEST_MOUNT },
		{ "/sse/status/", "/sse", "/status/", REQUEST_UNKNOWN },
		{ "/sse/status/x", "/sse", "/status/x", REQUEST_UNKNOWN },
		{ "/sse/statu%73", "/sse", "/status", REQUEST_UNKNOWN },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		assert_path(&rows[i]);
}
END_TEST

START_TEST(query_and_host_are_no_part_of_the_path)
{
	static const struct path_row rows[] = {
		{ "/sse?channel=a", "/sse", "", REQUEST_MOUNT },
		{ "/sse?x=/status", "/sse", "", REQUEST_MOUNT },
		{ "/sse/status?x=/y", "/sse", "/status", REQUEST_STATUS },
		{ "/sse/status?", "/sse", "/status", REQUEST_STATUS },
		{ "/sse?u=http://h/status", "/sse", "", REQUEST_MOUNT },
		{ "http://host/sse", "/sse", "", REQUEST_MOUNT },
		{ "http://host/sse/status", "/sse", "/status", REQUEST_STATUS },
		{ "https://host:8443/metrics?x", "", "", REQUEST_METRICS },
		{ "http://status", "", "", REQUEST_MOUNT },
		{ "http://status?/metrics", "", "", REQUEST_MOUNT },
		{ "http://", "", "", REQUEST_MOUNT },
		{ "//status", "", "", REQUEST_STATUS },
		{ "/a://b/sse", "", "", REQUEST_MOUNT },
		{ "/a://status", "", "", REQUEST_STATUS },
		{ "*", "", "", REQUEST_MOUNT },
		{ "status", "", "", REQUEST_MOUNT },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		assert_path(&rows[i]);
}
END_TEST

START_TEST(script_name_and_path_info_stand_in_for_the_uri)
{
	static const struct path_row rows[] = {
		{ NULL, "/sse", NULL, REQUEST_MOUNT },
		{ NULL, "/sse", "/", REQUEST_MOUNT },
		{ NULL, "/sse", "/status", REQUEST_STATUS },
		{ NULL, "/sse/metrics", NULL, REQUEST_METRICS },
		{ NULL, "/sse/status", "", REQUEST_STATUS },
		{ NULL, "/status", "/x", REQUEST_UNKNOWN },
		{ NULL, "/sse", "/sub/x", REQUEST_UNKNOWN },
		{ NULL, NULL, "/sse", REQUEST_MOUNT },
		{ NULL, NULL, "/sse/status", REQUEST_STATUS },
		{ "", "/sse", "/status", REQUEST_STATUS },
		{ "?x", "/sse", "/metrics", REQUEST_METRICS },
		{ NULL, NULL, NULL, REQUEST_MOUNT },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		assert_path(&rows[i]);
}
END_TEST

/* A subscription read from a table, and how that went. */
struct reading {
	struct request_subscription s;
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
	got->rc = request_subscription_read(&got->s, &r, param, look, table,
	    &got->problem);
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
assert_problem(const struct reading *got, int status, const char *detail)
{
	ck_assert_int_eq(got->rc, -EINVAL);
	ck_assert_str_eq(got->problem.detail, detail);
	ck_assert_int_eq(got->problem.status, status);
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
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct reading got;

		subscribe_query(&got, rows[i].query);

		assert_channels(&got, rows[i].channels);
		request_subscription_fini(&got.s);
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
	request_subscription_fini(&got.s);
}
END_TEST

START_TEST(faulty_channel_in_the_query_is_400)
{
	static const struct {
		const char *query;
		const char *detail;
	} rows[] = {
		{ "", "the query has no member \"channel\"" },
		{ "topic=x", "the query has no member \"channel\"" },
		{ "channel=", "the channel name is empty" },
		{ "channel", "the channel name is empty" },
		{ "channel=a&channel=", "the channel name is empty" },
		{ "channel=a%0a",
		    "the channel name holds a control character" },
		{ "channel=a%00",
		    "the channel name holds a control character" },
		{ "channel=%ff", "the channel name is not UTF-8" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct reading got;

		subscribe_query(&got, rows[i].query);

		assert_problem(&got, 400, rows[i].detail);
		request_subscription_fini(&got.s);
	}
}
END_TEST

START_TEST(channel_name_of_the_query_has_at_most_255_bytes)
{
	for (size_t len = 255; len <= 256; len++) {
		char query[8 + 256 + 1] = "channel=";
		struct reading got;
		memset(query + 8, 'x', len);

		subscribe_query(&got, query);

		if (len == 255)
			ck_assert_int_eq(got.rc, 0);
		else
			assert_problem(&got, 400,
			    "the channel name is longer than 255 bytes");
		request_subscription_fini(&got.s);
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
	request_subscription_fini(&got.s);
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

	assert_problem(&got, 400, "more than 64 channels are asked for");
	request_subscription_fini(&got.s);
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
		request_subscription_fini(&got.s);
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

		assert_problem(&got, 403, rows[i].detail);
		request_subscription_fini(&got.s);
	}
}
END_TEST

START_TEST(configured_channel_may_come_out_too_long)
{
	char user[300] = { 0 };
	memset(user, 'x', sizeof(user) - 1);
	const struct variable table[VARIABLES_MAX] = {
		{ "PEAL_CHANNEL", "{REMOTE_USER}" },
		{ "REMOTE_USER", user },
	};
	struct reading got;

	subscribe(&got, table);

	assert_problem(&got, 403, "the channel name is longer than 255 bytes");
	request_subscription_fini(&got.s);
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
		request_subscription_fini(&got.s);
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
		{ "1", EVENT_RESUME_SINCE, 0x1ffff },
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
		request_subscription_fini(&got.s);
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
	request_subscription_fini(&got.s);
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
	request_subscription_fini(&got.s);
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
	request_subscription_fini(&got.s);
	buf_fini(&query);
}
END_TEST

START_TEST(subscription_can_be_ended_twice_and_when_null)
{
	struct reading got;
	subscribe_query(&got, "channel=a");

	request_subscription_fini(&got.s);
	request_subscription_fini(&got.s);
	request_subscription_fini(NULL);

	ck_assert_uint_eq(got.s.count, 0);
}
END_TEST

UNIT_MAIN("request", request_without_variables_is_a_mount_of_no_known_method,
    variables_are_handed_on_as_they_are, roles_that_are_set_but_empty_are_set,
    methods_are_case_sensitive, content_length_is_a_number_or_unknown,
    sub_path_is_found_behind_every_server,
    only_the_whole_last_segment_of_the_path_counts,
    query_and_host_are_no_part_of_the_path,
    script_name_and_path_info_stand_in_for_the_uri,
    channels_of_the_query_are_taken_in_order_and_once,
    member_that_names_channels_can_be_renamed,
    faulty_channel_in_the_query_is_400,
    channel_name_of_the_query_has_at_most_255_bytes,
    sixty_four_channels_are_the_most, one_channel_more_is_400,
    configured_channel_replaces_the_query,
    configured_channel_that_names_nothing_is_403,
    configured_channel_may_come_out_too_long, first_resume_point_found_wins,
    resume_point_is_read_from_what_was_asked,
    configured_channel_leaves_the_query_its_resume_point,
    subscription_outlives_the_variables_it_was_read_from,
    channels_stay_right_though_the_store_moves,
    subscription_can_be_ended_twice_and_when_null)
