#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http_response.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

/* What came of a connection's bytes. */
struct outcome {
	struct http_response r;
	struct buf body;
	size_t rest;
};

static void
outcome_fini(struct outcome *o)
{
	http_response_fini(&o->r);
	buf_fini(&o->body);
}

static void
feed(struct outcome *o, struct span bytes)
{
	struct span piece;
	bool more;

	do {
		more = http_response_read(&o->r, &bytes, &piece);
		ck_assert_int_eq(more, piece.len > 0);
		buf_put(&o->body, piece);
	} while (more);
	o->rest += bytes.len;
}

/* In one piece; the connection stays. */
static struct outcome
take(struct span bytes, bool no_body)
{
	struct outcome o = { 0 };

	http_response_init(&o.r, no_body);
	feed(&o, bytes);
	return o;
}

static void
assert_whole(struct span bytes, int status, const char *body, size_t rest)
{
	struct outcome o = take(bytes, false);

	ck_assert_msg(o.r.state == HTTP_RESPONSE_DONE, "%.*s: state %d",
	    (int)bytes.len, bytes.ptr, (int)o.r.state);
	ck_assert_int_eq(o.r.status, status);
	unit_assert_span(buf_span(&o.body), body);
	ck_assert_uint_eq(o.rest, rest);
	outcome_fini(&o);
}

static void
assert_state(struct span bytes, enum http_response_state state)
{
	struct outcome o = take(bytes, false);

	ck_assert_msg(o.r.state == state, "%.*s: state %d, not %d",
	    (int)bytes.len, bytes.ptr, (int)o.r.state, (int)state);
	outcome_fini(&o);
}

static void
assert_keep(struct span head, bool keep)
{
	struct outcome o = take(head, true);

	ck_assert_msg(o.r.state == HTTP_RESPONSE_DONE && o.r.keep == keep,
	    "%.*s", (int)head.len, head.ptr);
	outcome_fini(&o);
}

START_TEST(a_body_of_known_length_ends_there)
{
	assert_whole(SPAN(OK "Content-Length: 3\r\n\r\nabcHTTP"), 200, "abc",
	    4);
	assert_whole(SPAN(OK "Content-Length: 0\r\n\r\nx"), 200, "", 1);
	assert_whole(SPAN(OK "content-length:\t 1 \r\n\r\nx"), 200, "x", 0);
}
END_TEST

START_TEST(chunks_are_put_together)
{
	assert_whole(SPAN(CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nrest"), 200,
	    "abcde", 4);
	assert_whole(SPAN(CHUNKED "0\r\n\r\n"), 200, "", 0);
	assert_whole(SPAN(CHUNKED "a\r\n0\r\n\r\n12345\r\n0\r\n\r\n"), 200,
	    "0\r\n\r\n12345", 0);
}
END_TEST

START_TEST(sizes_are_hexadecimal_of_any_case_and_with_noughts)
{
	assert_whole(SPAN(CHUNKED "A\r\n0123456789\r\n00\r\n\r\n"), 200,
	    "0123456789", 0);
	assert_whole(SPAN(CHUNKED "00000000000000000000b\r\n0123456789x\r\n"
				  "0\r\n\r\n"),
	    200, "0123456789x", 0);
}
END_TEST

START_TEST(chunk_extensions_are_passed_over)
{
	assert_whole(SPAN(CHUNKED "2;a=b;5=\"6\"\r\nab\r\n0;x\r\n\r\n"), 200,
	    "ab", 0);
	assert_whole(SPAN(CHUNKED "2 ;5\r\nab\r\n0 \r\n\r\n"), 200, "ab", 0);
}
END_TEST

START_TEST(trailers_are_passed_over)
{
	assert_whole(SPAN(CHUNKED "1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\nrest"),
	    200, "a", 4);
	assert_state(SPAN(CHUNKED "0\r\nA: b\r\n"), HTTP_RESPONSE_TRAILER);
}
END_TEST

START_TEST(lines_may_end_with_lf_alone)
{
	assert_whole(SPAN("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n"
			  "1\na\n0\n\n"),
	    200, "a", 0);
	assert_whole(SPAN("HTTP/1.1 200 OK\nContent-Length: 1\n\r\na"), 200,
	    "a", 0);
	assert_whole(SPAN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\na"), 200,
	    "a", 0);
}
END_TEST

START_TEST(without_a_length_the_body_lasts_until_the_end)
{
	struct outcome o = take(SPAN(OK "\r\nab\r\n0\r\n\r\n"), false);
	ck_assert_int_eq((int)o.r.state, HTTP_RESPONSE_CLOSE);

	http_response_end(&o.r);

	ck_assert_int_eq((int)o.r.state, HTTP_RESPONSE_DONE);
	ck_assert(!o.r.keep);
	unit_assert_span(buf_span(&o.body), "ab\r\n0\r\n\r\n");
	outcome_fini(&o);
}
END_TEST

START_TEST(chunks_count_more_than_a_length)
{
	assert_whole(SPAN(OK "Content-Length: 9\r\n"
			     "Transfer-Encoding: Chunked\r\n\r\n"
			     "1\r\na\r\n0\r\n\r\n"),
	    200, "a", 0);
}
END_TEST

START_TEST(some_responses_have_no_body_whatever_they_say)
{
	assert_whole(SPAN("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n"
			  "\r\nabc"),
	    204, "", 3);
	assert_whole(SPAN("HTTP/1.1 304 Not Modified\r\n"
			  "Transfer-Encoding: chunked\r\n\r\nabc"),
	    304, "", 3);
}
END_TEST

START_TEST(the_answer_to_head_has_no_body)
{
	struct outcome o = take(SPAN(OK "Content-Length: 3\r\n\r\nHTTP"), true);

	ck_assert_int_eq((int)o.r.state, HTTP_RESPONSE_DONE);
	ck_assert_uint_eq(o.body.len, 0);
	ck_assert_uint_eq(o.rest, 4);
	outcome_fini(&o);
}
END_TEST

START_TEST(interim_responses_are_passed_over)
{
	struct outcome o = take(SPAN("HTTP/1.1 100 Continue\r\n\r\n"
				     "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
				     "HTTP/1.1 201 Created\r\nC: d\r\n"
				     "Content-Length: 1\r\n\r\nx"),
	    false);

	ck_assert_int_eq((int)o.r.state, HTTP_RESPONSE_DONE);
	ck_assert_int_eq(o.r.status, 201);
	ck_assert_ptr_null(http_response_field(&o.r, SPAN("a")).ptr);
	unit_assert_span(http_response_field(&o.r, SPAN("c")), "d");
	outcome_fini(&o);
}
END_TEST

START_TEST(fields_are_found_by_name_in_any_case)
{
	struct outcome o = take(SPAN(OK "Content-Type:  text/html \r\n"
					"X-Content: no\r\nEmpty:\r\n"
					"Content-Length: 0\r\n\r\n"),
	    false);

	unit_assert_span(http_response_field(&o.r, SPAN("content-type")),
	    "text/html");
	unit_assert_span(http_response_field(&o.r, SPAN("EMPTY")), "");
	ck_assert_ptr_nonnull(http_response_field(&o.r, SPAN("Empty")).ptr);
	ck_assert_ptr_null(http_response_field(&o.r, SPAN("Content")).ptr);
	ck_assert_ptr_null(
	    http_response_field(&o.r, SPAN("HTTP/1.1 200 OK")).ptr);
	outcome_fini(&o);
}
END_TEST

START_TEST(a_connection_is_kept_by_version_and_field)
{
	assert_keep(SPAN(OK "\r\n"), true);
	assert_keep(SPAN(OK "Connection: close\r\n\r\n"), false);
	assert_keep(SPAN(OK "Connection: Upgrade, Close\r\n\r\n"), false);
	assert_keep(SPAN(OK "Connection: upgrade\r\n\r\n"), true);
	assert_keep(SPAN("HTTP/1.0 200 OK\r\n\r\n"), false);
	assert_keep(SPAN("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n"),
	    true);
	assert_keep(SPAN("HTTP/1.0 200 OK\r\nConnection: a,keep-alive\r\n\r\n"),
	    true);
}
END_TEST

START_TEST(what_is_no_response_is_broken)
{
	const struct span heads[] = {
		SPAN("\r\n\r\n"),
		SPAN("ICY 200 OK\r\n\r\n"),
		SPAN("HTTP/2 200 OK\r\n\r\n"),
		SPAN("HTTP/1.1 20 OK\r\n\r\n"),
		SPAN("HTTP/1.1 2000 OK\r\n\r\n"),
		SPAN("HTTP/1.1  200 OK\r\n\r\n"),
		SPAN("HTTP/1.1 -20 OK\r\n\r\n"),
		SPAN(OK "Content-Length: -1\r\n\r\n"),
		SPAN(OK "Content-Length:\r\n\r\n"),
		SPAN(OK "Content-Length: 1, 1\r\n\r\n"),
		SPAN(OK "Content-Length: 18446744073709551616\r\n\r\n"),
		SPAN(OK "Transfer-Encoding: gzip, chunked\r\n\r\n"),
		SPAN(OK "Transfer-Encoding: identity\r\n\r\n"),
		SPAN(CHUNKED "\r\n"),
		SPAN(CHUNKED ";a\r\n"),
		SPAN(CHUNKED "-1\r\n"),
		SPAN(CHUNKED "x\r\n"),
		SPAN(CHUNKED "10000000000000000\r\n"),
		SPAN(CHUNKED "1\r\nab"),
		SPAN(CHUNKED "1\r\na\rb"),
	};

	for (size_t i = 0; i < UNIT_COUNT(heads); i++)
		assert_state(heads[i], HTTP_RESPONSE_BROKEN);
}
END_TEST

START_TEST(a_short_status_line_will_do)
{
	assert_whole(SPAN("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), 200, "",
	    0);
	assert_whole(SPAN("http/1.1 404 \r\nContent-Length: 0\r\n\r\n"), 404,
	    "", 0);
}
END_TEST

START_TEST(a_head_without_end_is_broken)
{
	struct outcome o = { 0 };
	char line[1024];
	memset(line, 'a', sizeof(line));
	http_response_init(&o.r, false);
	feed(&o, SPAN(OK));

	for (size_t i = 0; i < HTTP_RESPONSE_HEAD_MAX / sizeof(line); i++) {
		ck_assert_int_eq((int)o.r.state, HTTP_RESPONSE_HEAD);
		feed(&o, (struct span){ line, sizeof(line) });
	}

	ck_assert_int_eq((int)o.r.state, HTTP_RESPONSE_BROKEN);
	outcome_fini(&o);
}
END_TEST

START_TEST(an_early_end_of_the_connection_is_broken)
{
	const struct span fronts[] = {
		SPAN(""),
		SPAN(OK),
		SPAN("HTTP/1.1 100 Continue\r\n\r\n"),
		SPAN(OK "Content-Length: 2\r\n\r\na"),
		SPAN(CHUNKED),
		SPAN(CHUNKED "2\r\na"),
		SPAN(CHUNKED "1\r\na\r\n"),
		SPAN(CHUNKED "0\r\n"),
	};

	for (size_t i = 0; i < UNIT_COUNT(fronts); i++) {
		struct outcome o = take(fronts[i], false);
		http_response_end(&o.r);
		ck_assert_msg(o.r.state == HTTP_RESPONSE_BROKEN, "%.*s",
		    (int)fronts[i].len, fronts[i].ptr);
		outcome_fini(&o);
	}
}
END_TEST

/* Feed front and back of bytes, each from memory of its own. */
static struct outcome
take_in_two(struct span bytes, size_t cut)
{
	struct outcome o = { 0 };
	char *front = strndup(bytes.ptr, cut);
	char *back = strndup(bytes.ptr + cut, bytes.len - cut);

	http_response_init(&o.r, false);
	feed(&o, (struct span){ front, cut });
	free(front);
	feed(&o, (struct span){ back, bytes.len - cut });
	free(back);
	return o;
}

START_TEST(any_cut_gives_the_same)
{
	const struct span all[] = {
		SPAN("HTTP/1.1 100 Continue\r\n\r\n" CHUNKED
		     "3;x=1\r\nabc\r\n1b\r\n012345678901234567890123456\r\n"
		     "0\r\nA: b\r\n\r\nbehind"),
		SPAN(OK "Content-Length: 4\r\n\r\nabcdbehind"),
		SPAN("HTTP/1.0 200 OK\n\nabc\n\ndef"),
		SPAN(CHUNKED "1\r\nabehind"),
	};

	for (size_t i = 0; i < UNIT_COUNT(all); i++) {
		struct outcome want = take(all[i], false);
		for (size_t cut = 0; cut <= all[i].len; cut++) {
			struct outcome o = take_in_two(all[i], cut);
			ck_assert_int_eq((int)o.r.state, (int)want.r.state);
			ck_assert_int_eq(o.r.status, want.r.status);
			ck_assert_int_eq(o.r.keep, want.r.keep);
			ck_assert(span_equal(buf_span(&o.body),
			    buf_span(&want.body)));
			ck_assert_uint_eq(o.rest, want.rest);
			outcome_fini(&o);
		}
		outcome_fini(&want);
	}
}
END_TEST

UNIT_MAIN("response", a_body_of_known_length_ends_there,
    chunks_are_put_together, sizes_are_hexadecimal_of_any_case_and_with_noughts,
    chunk_extensions_are_passed_over, trailers_are_passed_over,
    lines_may_end_with_lf_alone, without_a_length_the_body_lasts_until_the_end,
    chunks_count_more_than_a_length,
    some_responses_have_no_body_whatever_they_say,
    the_answer_to_head_has_no_body, interim_responses_are_passed_over,
    fields_are_found_by_name_in_any_case,
    a_connection_is_kept_by_version_and_field, what_is_no_response_is_broken,
    a_short_status_line_will_do, a_head_without_end_is_broken,
    an_early_end_of_the_connection_is_broken, any_cut_gives_the_same)
