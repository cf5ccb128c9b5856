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

#define PROBLEM(type, status, detail)                           \
	"HTTP/1.1 " status "\r\nContent-Type: "                 \
	"application/problem+json\r\nConnection: close\r\n\r\n" \
	"{\"type\":\"" type                                     \
	"\",\"status\":1,\"title\":\"t\",\"detail\":\"" detail "\"}"

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
	    "\"q\":\"a\\\"b\\u00e9\",\"o\":{\"inner\":\"x\"}} \r\n");
	static const struct {
		const char *name;
		const char *said;
	} rows[] = {
		{ "id", "1-2" },
		{ "e", "" },
		{ "q", "a\"b\xc3\xa9" },
		{ "subscribers", NULL },
		{ "inner", NULL },
		{ "nothing", NULL },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf said = { 0 };
		ck_assert_int_eq(findings_string(&v, rows[i].name, &said),
		    rows[i].said != NULL);
		unit_assert_span(buf_span(&said),
		    rows[i].said != NULL ? rows[i].said : "");
		buf_fini(&said);
	}
	uint64_t number = 0;
	ck_assert(findings_number(&v, "subscribers", &number));
	ck_assert_uint_eq(number, 30);
	ck_assert(!findings_number(&v, "id", &number));
	ck_assert(!findings_number(&v, "nothing", &number));
	exchange_fini(&v);
}
END_TEST

START_TEST(answer_that_is_no_object_has_no_members)
{
	static const char *const bodies[] = { "", "<html>\"id\":\"1\"",
		"[{\"id\":\"1\"}]", "{\"id\":\"1\",\"cut\":\"x" };

	for (size_t i = 0; i < UNIT_COUNT(bodies); i++) {
		struct exchange v;
		struct buf said = { 0 };
		answer(&v, "HTTP/1.1 200 OK\r\n\r\n");
		buf_put_cstr(&v.body, bodies[i]);

		ck_assert(!findings_string(&v, "id", &said));

		ck_assert_uint_eq(said.len, 0);
		exchange_fini(&v);
	}
}
END_TEST

START_TEST(error_of_peal_is_told_from_one_of_the_web_server)
{
	static const struct {
		const char *answer;
		const char *found;
	} cases[] = {
		{ PROBLEM("#no-role", "403 No", "the role \\\"x\\\" is not"),
		    "no-role: GET /x: peal answers 403: the role \"x\" is not\n" },
		{ PROBLEM("#no-channel", "400 No", "d"), "no-channel: " },
		{ PROBLEM("#bad-channel", "400 No", "d"), "no-channel: " },
		{ PROBLEM("#channel-variable", "403 No", "d"),
		    "channel-variable: " },
		{ PROBLEM("#key-wrong", "401 No", "d"), "key-wrong: " },
		{ PROBLEM("#key-missing", "401 No", "d"), "key-lost: " },
		{ PROBLEM("#method", "405 No", "d"), "no-variables: " },
		{ PROBLEM("#not-found", "404 No", "d"), "not-mounted: " },
		{ PROBLEM("#unavailable", "503 No", "d"), "down: " },
		{ PROBLEM("#of-a-later-version", "503 No", "d"), "down: " },
		{ PROBLEM("about:blank", "403 No", "d"), "not-mounted: " },
		{ "HTTP/1.1 403 No\r\nContent-Type: text/html\r\n\r\n",
		    "forbidden: GET /x is answered 403, text/html\n" },
		{ "HTTP/1.1 401 No\r\n\r\n",
		    "locked: GET /x is answered 401, without Content-Type\n" },
		{ "HTTP/1.1 404 No\r\n\r\n", "not-mounted: " },
		{ "HTTP/1.1 405 No\r\n\r\n", "not-mounted: " },
		{ "HTTP/1.1 502 No\r\n\r\n", "down: " },
		{ "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<",
		    "not-mounted: " },
		{ "HTTP/1.1 404 No\r\nServer: nginx\r\nContent-Type: "
		  "text/html\r\n\r\n",
		    "not-mounted: GET /x is answered 404, text/html, by "
		    "nginx\n" },
		{ "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
		  "X-Powered-By: PHP/8.2\r\n\r\n<",
		    "rewritten: " },
		{ "HTTP/1.1 404 OK\r\nContent-Type: text/html\r\n"
		  "Link: <https://a/wp-json/>; rel=\"https://api.w.org/\""
		  "\r\n\r\n<",
		    "rewritten: " },
		{ "HTTP/1.1 404 OK\r\nContent-Type: text/html\r\n"
		  "X-Powered-By: PHP/8.2\r\n\r\nFile not found.\n",
		    "other-program: " },
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
	refuse(&d, PROBLEM("#no-channel", "400 No", "a\\u001b[2Jb\\nwell: c"));

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

UNIT_MAIN("findings", members_of_an_answer_are_found,
    answer_that_is_no_object_has_no_members,
    error_of_peal_is_told_from_one_of_the_web_server,
    what_a_server_says_stays_on_its_line,
    all_is_well_where_nothing_was_found_whatever_the_notes)
