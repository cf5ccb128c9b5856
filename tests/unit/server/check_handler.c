#include "server/handler.h"

#include <errno.h>
#include <stdint.h>

#include "server_fixture.h"
#include "server/status_page.h"

#define ALL "subscribe publish status"
#define BODY_MAX 100

struct setup {
	struct publish *publish;
	struct fixture_worker w;
	struct options options;
	struct handler h;
	struct fcgi_record_request record;
};

static char channel_param[] = "channel";

static void
setup_make(struct setup *s)
{
	char path[FIXTURE_PATH];

	fixture_path(path);
	*s = (struct setup){ .options = { .max_body = BODY_MAX,
				 .max_event_size = 50,
				 .channel_param = channel_param } };
	fixture_join(&s->w, path);
	s->options.arena = s->w.store.arena.path;
	handler_init(&s->h, &s->options, &s->w.wake, s->w.inbox);
	fcgi_record_init(&s->record, BODY_MAX);
}

static void
setup_end(struct setup *s)
{
	handler_fini(&s->h);
	fcgi_record_fini(&s->record);
	fixture_leave(&s->w);
}

/* Make the request the one that was read. */
static void
read_request(struct setup *s, const struct server_request *r)
{
	buf_clear(&s->record.bytes);
	fcgi_record_next(&s->record);
	server_put_request(&s->record.bytes, r);
	ck_assert_int_eq((int)fcgi_record_look(&s->record),
	    FCGI_RECORD_VARIABLES);
	ck_assert_int_eq((int)fcgi_record_look(&s->record), FCGI_RECORD_WHOLE);
}

static enum handler_outcome
ask_at(struct setup *s, const struct server_request *r, uint64_t ms)
{
	struct clock_now now = FIXTURE_NOW;

	now.boot_ms += ms;
	now.wall_ms += ms;
	read_request(s, r);
	return handler_run(&s->h, &s->record, &s->publish, now);
}

static enum handler_outcome
ask(struct setup *s, const struct server_request *r)
{
	return ask_at(s, r, 0);
}

static bool
has(struct span s, const char *part)
{
	return s.len > 0 && memmem(s.ptr, s.len, part, strlen(part)) != NULL;
}

static unsigned
status_of(const struct setup *s)
{
	struct span reply = buf_span(&s->h.reply);
	char digits[4] = "";

	ck_assert_int_eq(buf_error(&s->h.reply), 0);
	ck_assert_uint_gt(reply.len, 11);
	ck_assert_int_eq(memcmp(reply.ptr, "Status: ", 8), 0);
	memcpy(digits, reply.ptr + 8, 3);
	return (unsigned)strtoul(digits, NULL, 10);
}

/* What stands behind the header block, in reply or in the tail. */
static size_t
body_len(const struct setup *s)
{
	struct span reply = buf_span(&s->h.reply);
	const char *end = memmem(reply.ptr, reply.len, "\r\n\r\n", 4);

	ck_assert_ptr_nonnull(end);
	return reply.len - (size_t)(end + 4 - reply.ptr) + s->h.tail.len;
}

/*
 * A body of 101 bytes, one more than is allowed; and what a status and a header
 * of the reply are.
 */
#define LONG                                                \
	"0123456789012345678901234567890123456789012345678" \
	"0123456789012345678901234567890123456789012345678901"

#define Q "channel=a"

static const struct {
	struct server_request r;
	enum handler_outcome outcome;
	unsigned status;
	const char *header; /* NULL: not looked at */
	bool has_body;
} table[] = {
	/* The mount. */
	{ { "GET", "/e", Q, NULL, ALL, NULL, NULL, false }, HANDLER_STREAM, 200,
	    "Content-Type: text/event-stream\r\n", false },
	{ { "HEAD", "/e", Q, NULL, ALL, NULL, NULL, false }, HANDLER_REPLY, 200,
	    "Content-Type: text/event-stream\r\n", false },
	{ { "GET", "/e", "", NULL, ALL, NULL, NULL, false }, HANDLER_REPLY, 400,
	    "Content-Type: application/problem+json\r\n", true },
	{ { "GET", "/e", Q, NULL, "publish status", NULL, NULL, false },
	    HANDLER_REPLY, 403, NULL, true },
	{ { "HEAD", "/e", Q, NULL, "publish status", NULL, NULL, false },
	    HANDLER_REPLY, 403, NULL, false },
	{ { "GET", "/e", Q, NULL, NULL, NULL, NULL, false }, HANDLER_REPLY, 403,
	    NULL, true },
	{ { "POST", "/e", Q, NULL, ALL, "x", NULL, false }, HANDLER_REPLY, 200,
	    "Content-Type: application/json\r\n", true },
	{ { "POST", "/e", Q, NULL, ALL, "x", "1", false }, HANDLER_REPLY, 200,
	    NULL, true },
	{ { "POST", "/e", "", NULL, ALL, "x", NULL, false }, HANDLER_REPLY, 400,
	    NULL, true },
	{ { "POST", "/e", Q, NULL, ALL, "x", "2", false }, HANDLER_REPLY, 400,
	    NULL, true },
	{ { "POST", "/e", Q, NULL, ALL, "x", "101", false }, HANDLER_REPLY, 413,
	    NULL, true },
	{ { "POST", "/e", Q, NULL, ALL, LONG, NULL, false }, HANDLER_REPLY, 413,
	    NULL, true },
	{ { "POST", "/e", Q, NULL, "subscribe status", "x", NULL, false },
	    HANDLER_REPLY, 403, NULL, true },
	{ { "OPTIONS", "/e", Q, NULL, "", NULL, NULL, false }, HANDLER_REPLY,
	    204, "Allow: GET, HEAD, POST, OPTIONS\r\n", false },
	{ { "DELETE", "/e", Q, NULL, ALL, NULL, NULL, false }, HANDLER_REPLY,
	    405, "Allow: GET, HEAD, POST, OPTIONS\r\n", true },
	/* The status, as it is asked for. */
	{ { "GET", "/e/status", "", NULL, ALL, NULL, NULL, false },
	    HANDLER_REPLY, 200, "Content-Type: application/json\r\n", true },
	{ { "GET", "/e/status", "", "*/*", ALL, NULL, NULL, false },
	    HANDLER_REPLY, 200, "Vary: Accept\r\n", true },
	{ { "HEAD", "/e/status", "", NULL, ALL, NULL, NULL, false },
	    HANDLER_REPLY, 200, "Content-Type: application/json\r\n", false },
	{ { "GET", "/e/status", "", "text/html", ALL, NULL, NULL, false },
	    HANDLER_REPLY, 200, "Content-Type: text/html", true },
	{ { "HEAD", "/e/status", "", "text/html", ALL, NULL, NULL, false },
	    HANDLER_REPLY, 200, "Content-Security-Policy: ", false },
	{ { "GET", "/e/status", "", "text/event-stream", ALL, NULL, NULL,
	      false },
	    HANDLER_STATUS_STREAM, 200, "Vary: Accept\r\n", false },
	{ { "HEAD", "/e/status", "", "text/event-stream", ALL, NULL, NULL,
	      false },
	    HANDLER_REPLY, 200, "Content-Type: text/event-stream\r\n", false },
	{ { "GET", "/e/status", "", "text/event-stream", "subscribe publish",
	      NULL, NULL, false },
	    HANDLER_REPLY, 403, NULL, true },
	{ { "POST", "/e/status", Q, NULL, ALL, "x", NULL, false },
	    HANDLER_REPLY, 405, "Allow: GET, HEAD, OPTIONS\r\n", true },
	{ { "OPTIONS", "/e/status", "", NULL, "", NULL, NULL, false },
	    HANDLER_REPLY, 204, "Allow: GET, HEAD, OPTIONS\r\n", false },
	/* Metrics, which are of one type. */
	{ { "GET", "/e/metrics", "", "text/html", ALL, NULL, NULL, false },
	    HANDLER_REPLY, 200, "Content-Type: text/plain; version=0.0.4",
	    true },
	{ { "HEAD", "/e/metrics", "", NULL, ALL, NULL, NULL, false },
	    HANDLER_REPLY, 200, "Content-Length: ", false },
	{ { "GET", "/e/metrics", "", NULL, "subscribe publish", NULL, NULL,
	      false },
	    HANDLER_REPLY, 403, NULL, true },
	/* A word that is no role grants nothing. */
	{ { "GET", "/e/metrics", "", NULL, "root", NULL, NULL, false },
	    HANDLER_REPLY, 403, NULL, true },
};

START_TEST(request_is_answered_as_the_table_says)
{
	struct setup s;
	setup_make(&s);

	for (size_t i = 0; i < UNIT_COUNT(table); i++) {
		bool publishes =
		    table[i].status == 200 && table[i].r.body != NULL;
		uint64_t last = store_last_id(&s.w.store);

		ck_assert_msg(ask(&s, &table[i].r) == table[i].outcome,
		    "row %zu: another outcome", i);

		ck_assert_msg(status_of(&s) == table[i].status,
		    "row %zu: %u, not %u", i, status_of(&s), table[i].status);
		ck_assert_msg(table[i].header == NULL ||
			has(buf_span(&s.h.reply), table[i].header),
		    "row %zu has no %s", i, table[i].header);
		ck_assert_msg((body_len(&s) > 0) == table[i].has_body,
		    "row %zu: %zu bytes of body", i, body_len(&s));
		ck_assert_msg((store_last_id(&s.w.store) > last) == publishes,
		    "row %zu", i);
	}
	setup_end(&s);
}
END_TEST

START_TEST(path_below_the_mount_is_not_found)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "OPTIONS",
		"DELETE" };
	struct setup s;
	setup_make(&s);

	for (size_t i = 0; i < UNIT_COUNT(methods); i++) {
		buf_clear(&s.record.bytes);
		fcgi_record_next(&s.record);
		struct buf params = { 0 };
		server_put_variable(&params, "REQUEST_METHOD", methods[i]);
		server_put_variable(&params, "SCRIPT_NAME", "/e");
		server_put_variable(&params, "PATH_INFO", "/other");
		server_put_variable(&params, "PEAL_ROLES", ALL);
		server_put_record(&s.record.bytes, 1,
		    (struct span){ "\0\1\0\0\0\0\0\0", 8 });
		server_put_record(&s.record.bytes, 4, buf_span(&params));
		server_put_record(&s.record.bytes, 4, SPAN(""));
		buf_fini(&params);
		ck_assert_int_eq((int)fcgi_record_look(&s.record),
		    FCGI_RECORD_VARIABLES);

		ck_assert_int_eq((int)handler_run(&s.h, &s.record, &s.publish,
				     FIXTURE_NOW),
		    HANDLER_REPLY);

		ck_assert_uint_eq(status_of(&s), 404);
	}
	setup_end(&s);
}
END_TEST

START_TEST(head_promises_what_get_sends)
{
	static const char *const uris[] = { "/e/status", "/e/metrics" };
	static const char *const accepts[] = { "application/json",
		"text/html" };
	struct setup s;
	setup_make(&s);

	for (size_t i = 0; i < 4; i++) {
		struct server_request r = { .method = "GET",
			.uri = uris[i / 2],
			.accept = accepts[i % 2],
			.roles = ALL };
		char length[64];
		(void)ask(&s, &r);
		(void)snprintf(length, sizeof(length),
		    "Content-Length: %zu\r\n", body_len(&s));
		ck_assert(has(buf_span(&s.h.reply), length));

		r.method = "HEAD";
		(void)ask(&s, &r);

		ck_assert(has(buf_span(&s.h.reply), length));
		ck_assert_uint_eq(body_len(&s), 0);
	}
	setup_end(&s);
}
END_TEST

START_TEST(page_is_sent_as_it_is)
{
	const struct server_request r = { .method = "GET",
		.uri = "/e/status",
		.accept = "text/html",
		.roles = ALL };
	struct setup s;
	setup_make(&s);

	(void)ask(&s, &r);

	ck_assert(span_equal(s.h.tail, status_page_span()));
	setup_end(&s);
}
END_TEST

START_TEST(stream_has_its_channels_and_room_for_a_preamble)
{
	const struct server_request r = { .method = "GET",
		.uri = "/e",
		.query = "channel=a&channel=b",
		.roles = "subscribe" };
	struct setup s;
	setup_make(&s);

	ck_assert_int_eq((int)ask(&s, &r), HANDLER_STREAM);

	ck_assert_uint_eq(s.h.wanted.count, 2);
	unit_assert_span(s.h.wanted.channels[0], "a");
	unit_assert_span(s.h.wanted.channels[1], "b");
	ck_assert_uint_ge(s.h.reply.cap - s.h.reply.len, FANOUT_PREAMBLE_MAX);
	setup_end(&s);
}
END_TEST

START_TEST(roles_of_the_options_are_those_of_who_brings_none)
{
	const struct server_request r = { .method = "POST",
		.uri = "/e",
		.query = Q,
		.body = "x" };
	struct setup s;
	setup_make(&s);
	s.options.roles = ACCESS_PUBLISH;

	(void)ask(&s, &r);
	ck_assert_uint_eq(status_of(&s), 200);
	struct server_request other = r;
	other.roles = "subscribe";
	(void)ask(&s, &other);

	ck_assert_uint_eq(status_of(&s), 403);
	setup_end(&s);
}
END_TEST

START_TEST(publisher_without_the_key_is_asked_for_it)
{
	static char file[] = "keys";
	const struct server_request r = { .method = "POST",
		.uri = "/e",
		.query = Q,
		.body = "x" };
	struct setup s;
	setup_make(&s);
	s.options.publish_key_file = file;
	s.options.keys.keys[0] = SPAN("0123456789abcdef");
	s.options.keys.count = 1;

	(void)ask(&s, &r);
	ck_assert_uint_eq(status_of(&s), 401);
	ck_assert(has(buf_span(&s.h.reply), "WWW-Authenticate: Bearer"));

	ck_assert(!handler_admits(&s.h, &s.record));
	ck_assert_uint_eq(status_of(&s), 401);
	setup_end(&s);
}
END_TEST

START_TEST(body_is_admitted_unless_a_role_is_missing)
{
	static const struct {
		const char *method;
		const char *uri;
		const char *roles;
		bool admitted;
	} bodies[] = {
		{ "POST", "/e", "publish", true },
		{ "POST", "/e", "subscribe status", false },
		{ "POST", "/e", NULL, false },
		/* Their answer comes behind the body. */
		{ "POST", "/e/status", NULL, true },
		{ "GET", "/e", NULL, true },
		{ "DELETE", "/e", NULL, true },
	};
	struct setup s;
	setup_make(&s);

	for (size_t i = 0; i < UNIT_COUNT(bodies); i++) {
		const struct server_request r = { .method = bodies[i].method,
			.uri = bodies[i].uri,
			.query = Q,
			.roles = bodies[i].roles,
			.body = "x" };
		read_request(&s, &r);
		ck_assert_int_eq(handler_admits(&s.h, &s.record),
		    bodies[i].admitted);
		if (!bodies[i].admitted)
			ck_assert_uint_eq(status_of(&s), 403);
	}
	ck_assert_uint_eq(s.w.store.arena.header->events, 0);
	setup_end(&s);
}
END_TEST

START_TEST(body_that_cannot_be_read_is_not_admitted)
{
	static const struct {
		const char *type;
		const char *encoding;
		bool admitted;
	} bodies[] = {
		{ "text/plain", NULL, true },
		{ "text/plain", "identity", true },
		{ "text/plain", "gzip", false },
		{ "multipart/form-data; boundary=x", NULL, false },
	};
	const char begin[8] = { 0, 1, 0 };
	struct setup s;
	setup_make(&s);

	for (size_t i = 0; i < UNIT_COUNT(bodies); i++) {
		struct buf params = { 0 };
		server_put_variable(&params, "REQUEST_METHOD", "POST");
		server_put_variable(&params, "REQUEST_URI", "/e");
		server_put_variable(&params, "PEAL_ROLES", "publish");
		server_put_variable(&params, "CONTENT_TYPE", bodies[i].type);
		server_put_variable(&params, "HTTP_CONTENT_ENCODING",
		    bodies[i].encoding);
		buf_clear(&s.record.bytes);
		fcgi_record_next(&s.record);
		server_put_record(&s.record.bytes, 1,
		    (struct span){ begin, sizeof(begin) });
		server_put_record(&s.record.bytes, 4, buf_span(&params));
		server_put_record(&s.record.bytes, 4, SPAN(""));
		ck_assert_int_eq((int)fcgi_record_look(&s.record),
		    FCGI_RECORD_VARIABLES);

		ck_assert_int_eq(handler_admits(&s.h, &s.record),
		    bodies[i].admitted);
		if (!bodies[i].admitted)
			ck_assert_uint_eq(status_of(&s), 415);
		buf_fini(&params);
	}
	setup_end(&s);
}
END_TEST

START_TEST(busy_lock_is_waited_for_and_given_up)
{
	static const struct server_request asked[] = {
		{ "POST", "/e", Q, NULL, ALL, "x", NULL, false },
		{ "GET", "/e/status", "", NULL, ALL, NULL, NULL, false },
		{ "GET", "/e/metrics", "", NULL, ALL, NULL, NULL, false },
	};
	struct setup s;
	setup_make(&s);
	s.w.store.arena.lock_wait_us = 1;
	ck_assert_int_eq(arena_lock(&s.w.store.arena), 0);

	for (size_t i = 0; i < UNIT_COUNT(asked); i++) {
		ck_assert_int_eq((int)ask(&s, &asked[i]), HANDLER_BUSY);
		handler_give_up(&s.h, &s.record);
		ck_assert_uint_eq(status_of(&s), 503);
		ck_assert_uint_gt(body_len(&s), 0);
	}

	arena_unlock(&s.w.store.arena);
	for (size_t i = 0; i < UNIT_COUNT(asked); i++) {
		ck_assert_int_eq((int)ask(&s, &asked[i]), HANDLER_REPLY);
		ck_assert_uint_eq(status_of(&s), 200);
	}
	setup_end(&s);
}
END_TEST

static const struct server_request post = { "POST", "/e", Q, NULL, ALL, "x",
	NULL, false };
static const struct server_request get = { "GET", "/e", Q, NULL, ALL, NULL,
	NULL, false };

START_TEST(removed_arena_refuses_events_from_the_next_millisecond_on)
{
	struct setup s;
	setup_make(&s);
	(void)ask_at(&s, &post, 0);
	ck_assert_uint_eq(status_of(&s), 200);
	ck_assert_int_eq(unlink(s.w.store.arena.path), 0);
	uint64_t last = store_last_id(&s.w.store);

	(void)ask_at(&s, &post, 1);

	ck_assert_uint_eq(status_of(&s), 503);
	ck_assert(s.h.arena_gone);
	ck_assert_uint_eq(store_last_id(&s.w.store), last);
	setup_end(&s);
}
END_TEST

START_TEST(moved_arena_refuses_events_within_a_second)
{
	char other[FIXTURE_PATH + 8];
	struct setup s;
	setup_make(&s);
	(void)ask_at(&s, &post, 0);
	(void)snprintf(other, sizeof(other), "%s.moved", s.w.store.arena.path);
	ck_assert_int_eq(rename(s.w.store.arena.path, other), 0);

	(void)ask_at(&s, &post, 1000);

	ck_assert_uint_eq(status_of(&s), 503);
	ck_assert(s.h.arena_gone);
	setup_end(&s);
}
END_TEST

START_TEST(worker_whose_arena_is_gone_ends_when_a_stream_is_asked_for)
{
	struct setup s;
	setup_make(&s);
	ck_assert_int_eq((int)ask_at(&s, &get, 0), HANDLER_STREAM);
	ck_assert(!s.h.arena_gone);
	ck_assert_int_eq(unlink(s.w.store.arena.path), 0);

	/* It is refused by who makes it one, politely. */
	ck_assert_int_eq((int)ask_at(&s, &get, 1), HANDLER_STREAM);

	ck_assert(s.h.arena_gone);
	setup_end(&s);
}
END_TEST

START_TEST(nothing_of_an_answer_is_left_for_the_next)
{
	const struct server_request page = { .method = "GET",
		.uri = "/e/status",
		.accept = "text/html",
		.roles = ALL };
	const struct server_request options = { .method = "OPTIONS",
		.uri = "/e" };
	struct setup s;
	setup_make(&s);
	(void)ask(&s, &get);
	(void)ask(&s, &page);

	(void)ask(&s, &options);

	ck_assert_uint_eq(s.h.tail.len, 0);
	ck_assert_uint_eq(body_len(&s), 0);
	ck_assert_uint_eq(s.h.wanted.store.cap, 0);
	setup_end(&s);
}
END_TEST

FIXTURE_MAIN("handler", request_is_answered_as_the_table_says,
    path_below_the_mount_is_not_found, head_promises_what_get_sends,
    page_is_sent_as_it_is, stream_has_its_channels_and_room_for_a_preamble,
    roles_of_the_options_are_those_of_who_brings_none,
    publisher_without_the_key_is_asked_for_it,
    body_is_admitted_unless_a_role_is_missing,
    body_that_cannot_be_read_is_not_admitted,
    busy_lock_is_waited_for_and_given_up,
    removed_arena_refuses_events_from_the_next_millisecond_on,
    moved_arena_refuses_events_within_a_second,
    worker_whose_arena_is_gone_ends_when_a_stream_is_asked_for,
    nothing_of_an_answer_is_left_for_the_next)
