#include "unit.h"

#include <string.h>

#include "ctl/findings.h"

/* A exchange that was answered with this. */
static void
answer(struct exchange *v, const char *text)
{
	struct span in = span_of(text);
	struct span piece;

	exchange_init(v);
	http_client_begin(&v->client, false);
	while (http_response_read(&v->client.response, &in, &piece))
		buf_put(&v->body, piece);
	v->headed = true;
	v->state = EXCHANGE_COMPLETE;
}

#define PROBLEM(status, detail)                                 \
	"HTTP/1.1 " status "\r\nContent-Type: "                 \
	"application/problem+json\r\nConnection: close\r\n\r\n" \
	"{\"status\":1,\"title\":\"t\",\"detail\":\"" detail "\"}"

/* What is found when that is the answer to a request. */
static void
refuse(struct findings *d, const char *text)
{
	struct exchange v;

	answer(&v, text);
	findings_init(d);
	d->progress = false;
	findings_refused(d, &v, "GET /x");
	exchange_fini(&v);
}

static bool
begins(const struct findings *d, const char *with)
{
	size_t len = strlen(with);

	return d->findings.len >= len &&
	    memcmp(d->findings.ptr, with, len) == 0;
}

START_TEST(members_of_an_answer_are_found)
{
	struct exchange v;
	answer(&v,
	    "HTTP/1.1 200 OK\r\n\r\n"
	    "{\"id\":\"1-2\",\"subscribers\":30,\"e\":\"\","
	    "\"q\":\"a\\\"b\",\"cut\":\"x");

	unit_assert_span(findings_member(&v, "id"), "1-2");
	unit_assert_span(findings_member(&v, "subscribers"), "30");
	unit_assert_span(findings_member(&v, "e"), "");
	unit_assert_span(findings_member(&v, "q"), "a\\\"b");
	unit_assert_span(findings_member(&v, "cut"), "x");
	unit_assert_span(findings_member(&v, "nothing"), "");
	exchange_fini(&v);
}
END_TEST

START_TEST(answer_without_a_body_has_no_members)
{
	struct exchange v;
	answer(&v, "HTTP/1.1 204 No\r\n\r\n");

	unit_assert_span(findings_member(&v, "id"), "");
	exchange_fini(&v);
}
END_TEST

START_TEST(error_of_peal_is_told_from_one_of_the_web_server)
{
	static const struct {
		const char *answer;
		const char *found;
	} cases[] = {
		{ PROBLEM("403 No", "the role \\\"x\\\" is not"),
		    "no-role: GET /x: peal answers 403: the role \"x\" is not\n" },
		{ PROBLEM("400 No", "d"), "no-channel: " },
		{ PROBLEM("401 No", "d"), "key-wrong: " },
		{ PROBLEM("404 No", "d"), "not-mounted: " },
		{ PROBLEM("503 No", "d"), "down: " },
		{ "HTTP/1.1 403 No\r\nContent-Type: text/html\r\n\r\n",
		    "forbidden: GET /x is answered 403, text/html\n" },
		{ "HTTP/1.1 401 No\r\n\r\n",
		    "locked: GET /x is answered 401, without Content-Type\n" },
		{ "HTTP/1.1 404 No\r\n\r\n", "not-mounted: " },
		{ "HTTP/1.1 405 No\r\n\r\n", "not-mounted: " },
		{ "HTTP/1.1 502 No\r\n\r\n", "down: " },
		{ "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<",
		    "not-mounted: " },
		{ "HTTP/1.1 301 No\r\nLocation: https://a/\r\n\r\n",
		    "redirected: GET /x is answered 301, to https://a/\n" },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct findings d;
		refuse(&d, cases[i].answer);
		ck_assert_msg(begins(&d, cases[i].found), "%s gives %.*s",
		    cases[i].answer, (int)d.findings.len, d.findings.ptr);
		ck_assert_uint_eq(d.count, 1);
		findings_fini(&d);
	}
}
END_TEST

START_TEST(what_a_server_says_stays_on_its_line)
{
	struct findings d;
	refuse(&d, PROBLEM("400 No", "a\033[2Jb\nwell: c"));

	ck_assert(begins(&d,
	    "no-channel: GET /x: peal answers 400: a?[2Jb?well: c\n"));
	findings_fini(&d);
}
END_TEST

START_TEST(all_is_well_where_nothing_was_found_whatever_the_notes)
{
	struct findings d;
	char text[256] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	ck_assert_ptr_nonnull(out);
	findings_init(&d);
	findings_note(&d, "%d things", 2);

	ck_assert_int_eq(findings_print(&d, out), 0);
	ck_assert_int_eq(fclose(out), 0);

	ck_assert_str_eq(text, "note: 2 things\nall well\n");
	findings_fini(&d);
}
END_TEST

UNIT_MAIN("diagnosis", members_of_an_answer_are_found,
    answer_without_a_body_has_no_members,
    error_of_peal_is_told_from_one_of_the_web_server,
    what_a_server_says_stays_on_its_line,
    all_is_well_where_nothing_was_found_whatever_the_notes)
