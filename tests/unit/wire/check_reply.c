#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/event.h"
#include "wire/reply.h"

#define HERE "https://here.example"

static const struct reply_cors nobody = { .count = 0 };
static const struct reply_cors anybody = { { { "*", 1 } }, 1 };
static const struct reply_cors named = {
	{ { "https://other.example", 21 }, { HERE, sizeof(HERE) - 1 } },
	2,
};
static const struct reply_cors both = {
	{ { "*", 1 }, { HERE, sizeof(HERE) - 1 } },
	2,
};
static const struct reply_cors both_turned = {
	{ { HERE, sizeof(HERE) - 1 }, { "*", 1 } },
	2,
};
static const struct span no_origin = { NULL, 0 };

/*
 * Whether a reply has the line among its headers.  Its body is not looked at.
 */
static bool
has_line(const struct buf *out, const char *line)
{
	struct span rest = buf_span(out);
	struct span piece;

	while (span_cut(&rest, '\n', &piece)) {
		ck_assert_uint_gt(piece.len, 0);
		ck_assert_int_eq(piece.ptr[piece.len - 1], '\r');
		piece.len--;
		if (piece.len == 0)
			return false;
		if (span_equal(piece, span_of(line)))
			return true;
	}
	ck_abort_msg("the headers do not end");
	return false;
}

static bool
has_text(const struct buf *out, const char *text)
{
	return memmem(out->ptr, out->len, text, strlen(text)) != NULL;
}

static struct span
body_of(const struct buf *out)
{
	const char *blank = memmem(out->ptr, out->len, "\r\n\r\n", 4);

	ck_assert_ptr_nonnull(blank);
	blank += 4;
	return (struct span){ blank, out->len - (size_t)(blank - out->ptr) };
}

START_TEST(cors_answers_by_configuration_and_origin)
{
	static const char vary[] = "Vary: Origin\r\n";
	static const char any[] = "Vary: Origin\r\n"
				  "Access-Control-Allow-Origin: *\r\n";
	static const char name[] = "Vary: Origin\r\n"
				   "Access-Control-Allow-Origin: " HERE "\r\n"
				   "Access-Control-Allow-Credentials: true\r\n";
	static const struct {
		const struct reply_cors *cors;
		const char *origin;
		const char *headers;
	} rows[] = {
		{ &nobody, HERE, "" },
		{ &nobody, "", "" },
		{ &anybody, HERE, any },
		{ &anybody, "null", any },
		{ &anybody, "", vary },
		{ &anybody, "*", any },
		{ &named, HERE, name },
		{ &named, "", vary },
		{ &named, "*", vary },
		{ &named, "null", vary },
		{ &named, "https://evil.example", vary },
		{ &named, HERE ".evil.example", vary },
		{ &named, "https://here.exampl", vary },
		{ &named, "http://here.example", vary },
		{ &named, "https://HERE.example", vary },
		{ &both, HERE, name },
		{ &both, "https://evil.example", any },
		{ &both, "*", any },
		{ &both, "", vary },
		{ &both_turned, HERE, name },
		{ &both_turned, "https://evil.example", any },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf out = { 0 };

		reply_cors(&out, rows[i].cors, span_of(rows[i].origin));

		unit_assert_span(buf_span(&out), rows[i].headers);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(stream_headers_keep_proxies_from_waiting)
{
	struct buf out = { 0 };

	reply_stream(&out, &nobody, SPAN(HERE));

	unit_assert_span(buf_span(&out),
	    "Status: 200 OK\r\n"
	    "Content-Type: text/event-stream\r\n"
	    "Cache-Control: no-cache, no-transform\r\n"
	    "X-Accel-Buffering: no\r\n"
	    "\r\n");
	buf_fini(&out);
}
END_TEST

START_TEST(stream_has_cors_headers_where_configured)
{
	struct buf out = { 0 };

	reply_stream(&out, &named, SPAN(HERE));

	ck_assert(has_line(&out, "Access-Control-Allow-Origin: " HERE));
	ck_assert(has_line(&out, "Access-Control-Allow-Credentials: true"));
	unit_assert_span(body_of(&out), "");
	buf_fini(&out);
}
END_TEST

START_TEST(options_without_an_allowed_origin_tells_methods_only)
{
	struct buf out = { 0 };

	reply_options(&out, &nobody, SPAN(HERE), false);

	unit_assert_span(buf_span(&out),
	    "Status: 204 No Content\r\n"
	    "Allow: GET, HEAD, POST, OPTIONS\r\n"
	    "\r\n");
	buf_fini(&out);
}
END_TEST

START_TEST(preflight_of_a_stranger_is_not_granted)
{
	struct buf out = { 0 };

	reply_options(&out, &named, SPAN("https://evil.example"), false);

	ck_assert(has_line(&out, "Status: 204 No Content"));
	ck_assert(!has_text(&out, "Access-Control-"));
	buf_fini(&out);
}
END_TEST

START_TEST(preflight_of_an_allowed_origin_is_granted)
{
	static const struct reply_cors *const rows[] = { &named, &anybody };

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf out = { 0 };

		reply_options(&out, rows[i], SPAN(HERE), false);

		ck_assert(has_line(&out, "Allow: GET, HEAD, POST, OPTIONS"));
		ck_assert(has_line(&out,
		    "Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS"));
		ck_assert(has_line(&out,
		    "Access-Control-Allow-Headers: "
		    "Last-Event-ID, Authorization, "
		    "Content-Type"));
		ck_assert(has_text(&out, "\r\nAccess-Control-Max-Age: "));
		ck_assert(!has_text(&out, "Content-Length"));
		unit_assert_span(body_of(&out), "");
		buf_fini(&out);
	}
}
END_TEST

START_TEST(body_follows_its_headers)
{
	struct buf out = { 0 };

	reply_body(&out, 200, "application/json", SPAN("{\"a\":1}"), &nobody,
	    no_origin, false);

	unit_assert_span(buf_span(&out),
	    "Status: 200 OK\r\n"
	    "Content-Type: application/json\r\n"
	    "Content-Length: 7\r\n"
	    "Cache-Control: no-store\r\n"
	    "\r\n"
	    "{\"a\":1}");
	buf_fini(&out);
}
END_TEST

START_TEST(head_keeps_the_length_and_leaves_out_the_body)
{
	struct buf out = { 0 };

	reply_body(&out, 200, "text/plain", SPAN("twelve bytes"), &nobody,
	    no_origin, true);

	ck_assert(has_line(&out, "Content-Length: 12"));
	unit_assert_span(body_of(&out), "");
	buf_fini(&out);
}
END_TEST

START_TEST(body_has_cors_headers_where_configured)
{
	struct buf out = { 0 };

	reply_body(&out, 200, "text/plain", SPAN("x"), &anybody, SPAN(HERE),
	    false);

	ck_assert(has_line(&out, "Access-Control-Allow-Origin: *"));
	unit_assert_span(body_of(&out), "x");
	buf_fini(&out);
}
END_TEST

START_TEST(problem_is_told_as_rfc_9457_has_it)
{
	struct buf out = { 0 };
	struct problem problem;
	problem_set(&problem, PROBLEM_NOT_FOUND, "there is no \"x\" here");

	reply_problem(&out, &problem, &nobody, no_origin, false);

	unit_assert_span(body_of(&out),
	    "{\"type\":\"#not-found\",\"status\":404,"
	    "\"title\":\"There is nothing at this address\","
	    "\"detail\":\"there is no \\\"x\\\" here\"}");
	ck_assert(has_line(&out, "Status: 404 Not Found"));
	ck_assert(has_line(&out, "Content-Type: application/problem+json"));
	ck_assert(has_line(&out, "Cache-Control: no-store"));
	buf_fini(&out);
}
END_TEST

START_TEST(problem_length_is_that_of_its_body)
{
	struct buf out = { 0 };
	struct problem problem;
	char line[64];
	problem_set(&problem, PROBLEM_BAD_JSON, "a \"quoted\" \xe2\x82\xac");

	reply_problem(&out, &problem, &nobody, no_origin, false);

	(void)snprintf(line, sizeof(line), "Content-Length: %zu",
	    body_of(&out).len);
	ck_assert(has_line(&out, line));
	buf_fini(&out);
}
END_TEST

START_TEST(problem_for_head_has_no_body)
{
	struct buf whole = { 0 };
	struct buf head = { 0 };
	struct problem problem;
	problem_set(&problem, PROBLEM_NOT_FOUND, "nothing");

	reply_problem(&whole, &problem, &nobody, no_origin, false);
	reply_problem(&head, &problem, &nobody, no_origin, true);

	whole.len -= body_of(&whole).len;
	ck_assert(span_equal(buf_span(&head), buf_span(&whole)));
	buf_fini(&whole);
	buf_fini(&head);
}
END_TEST

START_TEST(only_401_asks_for_a_key_405_lists_methods_and_503_says_when)
{
	for (int kind = 0; kind < PROBLEM_KINDS; kind++) {
		struct buf out = { 0 };
		struct problem problem;
		problem_set(&problem, (enum problem_kind)kind, "no");

		reply_problem(&out, &problem, &nobody, no_origin, false);

		ck_assert(has_line(&out, "WWW-Authenticate: Bearer") ==
		    (problem.status == 401));
		ck_assert(has_line(&out, "Allow: GET, HEAD, POST, OPTIONS") ==
		    (problem.status == 405));
		ck_assert(has_line(&out, "Retry-After: 1") ==
		    (problem.status == 503));
		buf_fini(&out);
	}
}
END_TEST

START_TEST(every_status_has_its_reason)
{
	/* RFC 9110, section 15. */
	static const struct {
		enum problem_kind kind;
		const char *line;
	} rows[] = {
		{ PROBLEM_BAD_JSON, "Status: 400 Bad Request" },
		{ PROBLEM_KEY_WRONG, "Status: 401 Unauthorized" },
		{ PROBLEM_NO_ROLE, "Status: 403 Forbidden" },
		{ PROBLEM_NOT_FOUND, "Status: 404 Not Found" },
		{ PROBLEM_METHOD, "Status: 405 Method Not Allowed" },
		{ PROBLEM_TOO_LARGE, "Status: 413 Content Too Large" },
		{ PROBLEM_MEDIA_TYPE, "Status: 415 Unsupported Media Type" },
		{ PROBLEM_UNAVAILABLE, "Status: 503 Service Unavailable" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf out = { 0 };
		struct problem problem;
		problem_set(&problem, rows[i].kind, "no");

		reply_problem(&out, &problem, &nobody, no_origin, false);

		ck_assert_msg(has_line(&out, rows[i].line), "%s", rows[i].line);
		buf_fini(&out);
	}
	for (int kind = 0; kind < PROBLEM_KINDS; kind++) {
		struct buf out = { 0 };
		struct problem problem;
		char bare[32];
		problem_set(&problem, (enum problem_kind)kind, "no");
		(void)snprintf(bare, sizeof(bare), "Status: %d ",
		    problem.status);

		reply_problem(&out, &problem, &nobody, no_origin, false);

		ck_assert_msg(!has_line(&out, bare), "%s has no reason", bare);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(coding_that_is_not_supported_names_the_one_that_is)
{
	static const enum problem_kind rows[] = { PROBLEM_MEDIA_TYPE,
		PROBLEM_CONTENT_ENCODING };

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf out = { 0 };
		struct problem problem;
		problem_set(&problem, rows[i], "no");

		reply_problem(&out, &problem, &nobody, no_origin, false);

		ck_assert(has_line(&out, "Status: 415 Unsupported Media Type"));
		ck_assert(has_line(&out, "Accept-Encoding: identity") ==
		    (rows[i] == PROBLEM_CONTENT_ENCODING));
		buf_fini(&out);
	}
}
END_TEST

START_TEST(problem_is_readable_across_origins)
{
	struct buf out = { 0 };
	struct problem problem;
	problem_set(&problem, PROBLEM_NO_ROLE, "no");

	reply_problem(&out, &problem, &named, SPAN(HERE), false);

	ck_assert(has_line(&out, "Access-Control-Allow-Origin: " HERE));
	buf_fini(&out);
}
END_TEST

START_TEST(failed_allocation_shows_in_the_reply)
{
	struct buf out = { 0 };
	struct problem problem;
	problem_set(&problem, PROBLEM_NO_ROLE, "no");
	(void)buf_room(&out, SIZE_MAX);

	reply_problem(&out, &problem, &named, SPAN(HERE), false);

	ck_assert_int_eq(buf_error(&out), -ENOMEM);
	buf_fini(&out);
}
END_TEST

START_TEST(one_event_has_the_short_form)
{
	struct buf body = { 0 };
	struct reply_published event = {
		.channel = SPAN("a"),
		.id = event_id_make(1779525621000, 2),
		.subscribers = UINT32_MAX,
	};

	reply_published(&body, &event, 1, true);

	unit_assert_span(buf_span(&body),
	    "{\"id\":\"1779525621000-2\",\"subscribers\":4294967295}");
	buf_fini(&body);
}
END_TEST

START_TEST(batch_lists_its_events_in_order)
{
	struct buf body = { 0 };
	struct reply_published events[] = {
		{ .channel = SPAN("b"), .id = event_id_make(5, 0) },
		{ .channel = SPAN("a \"q\""),
		    .id = event_id_make(5, 1),
		    .subscribers = 12 },
	};

	reply_published(&body, events, 2, false);

	unit_assert_span(buf_span(&body),
	    "{\"events\":["
	    "{\"channel\":\"b\",\"id\":\"5-0\",\"subscribers\":0},"
	    "{\"channel\":\"a \\\"q\\\"\",\"id\":\"5-1\",\"subscribers\":12}"
	    "]}");
	buf_fini(&body);
}
END_TEST

START_TEST(batch_of_one_has_the_long_form)
{
	struct buf body = { 0 };
	struct reply_published event = { .channel = SPAN("a"),
		.id = event_id_make(5, 0),
		.subscribers = 1 };

	reply_published(&body, &event, 1, false);

	unit_assert_span(buf_span(&body),
	    "{\"events\":[{\"channel\":\"a\",\"id\":\"5-0\",\"subscribers\":1}]}");
	buf_fini(&body);
}
END_TEST

START_TEST(own_id_stands_for_ours_and_a_duplicate_says_so)
{
	struct buf body = { 0 };
	struct reply_published events[] = {
		{ .channel = SPAN("a"),
		    .own_id = SPAN("o\"1"),
		    .id = event_id_make(5, 0),
		    .subscribers = 3,
		    .duplicate = true },
		{ .channel = SPAN("b"), .own_id = SPAN("o2") },
	};

	reply_published(&body, events, 1, true);
	unit_assert_span(buf_span(&body),
	    "{\"id\":\"o\\\"1\",\"subscribers\":3,\"duplicate\":true}");
	buf_clear(&body);
	reply_published(&body, events, 2, false);
	unit_assert_span(buf_span(&body),
	    "{\"events\":["
	    "{\"channel\":\"a\",\"id\":\"o\\\"1\",\"subscribers\":3,"
	    "\"duplicate\":true},"
	    "{\"channel\":\"b\",\"id\":\"o2\",\"subscribers\":0}]}");
	buf_fini(&body);
}
END_TEST

START_TEST(longest_reply_fits_the_room_that_is_taken_for_it)
{
	struct buf body = { 0 };
	char longest[EVENT_CHANNEL_MAX];
	/* Six bytes of JSON each. */
	memset(longest, '\x01', sizeof(longest));
	struct reply_published events[3];
	for (size_t i = 0; i < UNIT_COUNT(events); i++)
		events[i] = (struct reply_published){
			.channel = { longest, EVENT_CHANNEL_MAX },
			.own_id = { longest, i == 1 ? 0 : EVENT_OWN_ID_MAX },
			.id = UINT64_MAX,
			.subscribers = UINT32_MAX,
			.duplicate = true,
		};

	for (size_t count = 1; count <= UNIT_COUNT(events); count++) {
		reply_published(&body, events, count, false);
		ck_assert_uint_le(body.len, reply_published_max(events, count));
		buf_clear(&body);
	}
	buf_fini(&body);
}
END_TEST

UNIT_MAIN("reply", cors_answers_by_configuration_and_origin,
    stream_headers_keep_proxies_from_waiting,
    stream_has_cors_headers_where_configured,
    options_without_an_allowed_origin_tells_methods_only,
    preflight_of_a_stranger_is_not_granted,
    preflight_of_an_allowed_origin_is_granted, body_follows_its_headers,
    head_keeps_the_length_and_leaves_out_the_body,
    body_has_cors_headers_where_configured, problem_is_told_as_rfc_9457_has_it,
    problem_length_is_that_of_its_body, problem_for_head_has_no_body,
    only_401_asks_for_a_key_405_lists_methods_and_503_says_when,
    coding_that_is_not_supported_names_the_one_that_is,
    every_status_has_its_reason, problem_is_readable_across_origins,
    failed_allocation_shows_in_the_reply, one_event_has_the_short_form,
    batch_lists_its_events_in_order, batch_of_one_has_the_long_form,
    own_id_stands_for_ours_and_a_duplicate_says_so,
    longest_reply_fits_the_room_that_is_taken_for_it)
