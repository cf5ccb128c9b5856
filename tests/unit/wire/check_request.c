#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
		{ "HTTP_CONTENT_ENCODING", "gzip" },
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
	unit_assert_span(r.content_encoding, "gzip");
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
		{ "/sse/health", "/sse", "/health", REQUEST_HEALTH },
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
		{ "/sse/unhealth", "/sse/unhealth", "", REQUEST_MOUNT },
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
		{ NULL, "/sse/health", "", REQUEST_HEALTH },
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

UNIT_MAIN("request", request_without_variables_is_a_mount_of_no_known_method,
    variables_are_handed_on_as_they_are, roles_that_are_set_but_empty_are_set,
    methods_are_case_sensitive, content_length_is_a_number_or_unknown,
    sub_path_is_found_behind_every_server,
    only_the_whole_last_segment_of_the_path_counts,
    query_and_host_are_no_part_of_the_path,
    script_name_and_path_info_stand_in_for_the_uri)
