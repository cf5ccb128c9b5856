#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/exchange.h"

#define LIMIT_MS 60000

/* The other end: a socket that listens, and one that was accepted. */
struct server {
	int fd;
	int peer;
	struct http_client_target target;
};

static void
listen_here(struct server *s)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&s->target.address;

	*s = (struct server){ .peer = -1 };
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->target.len = sizeof(*address);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(s->fd, 0);
	ck_assert_int_eq(bind(s->fd, (struct sockaddr *)address, s->target.len),
	    0);
	ck_assert_int_eq(listen(s->fd, 4), 0);
	ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)address,
			     &s->target.len),
	    0);
}

/* Begin a request and answer it with these bytes. */
static void
answer(struct server *s, struct exchange *v, const char *bytes)
{
	exchange_begin(v, &s->target, SPAN("GET / HTTP/1.1\r\n\r\n"), false);
	s->peer = accept(s->fd, NULL, NULL);
	ck_assert_int_ge(s->peer, 0);
	ck_assert_int_eq(send(s->peer, bytes, strlen(bytes), 0),
	    (int)strlen(bytes));
}

static void
leave(struct server *s, struct exchange *v)
{
	exchange_fini(v);
	close(s->peer);
	close(s->fd);
}

static bool
wait_until(struct exchange *v, bool (*done)(void *))
{
	return exchange_wait(&v, 1, done, v, LIMIT_MS);
}

START_TEST(answer_is_whole_with_its_head_and_its_body)
{
	struct server s;
	struct exchange v;
	listen_here(&s);
	exchange_init(&v);
	answer(&s, &v,
	    "HTTP/1.1 403 No\r\nContent-Type: text/html; charset=utf-8\r\n"
	    "Server: x\r\nContent-Length: 2\r\n\r\nhm");

	ck_assert(wait_until(&v, exchange_is_over));

	ck_assert_int_eq(v.state, EXCHANGE_COMPLETE);
	ck_assert_int_eq(exchange_status(&v), 403);
	ck_assert(exchange_is_type(&v, "text/html"));
	ck_assert(!exchange_is_type(&v, "text"));
	unit_assert_span(exchange_field(&v, "server"), "x");
	unit_assert_span(exchange_field(&v, "X-Nothing"), "");
	unit_assert_span(buf_span(&v.body), "hm");
	leave(&s, &v);
}
END_TEST

START_TEST(stream_is_headed_then_begun_then_has_events)
{
	struct server s;
	struct exchange v;
	const char *more =
	    "retry: 3000\nid: 1-0\nevent: peal:open\ndata: {}\n\n"
	    "id: 1-1\ndata: x\n\n:\n";
	listen_here(&s);
	exchange_init(&v);
	answer(&s, &v,
	    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");

	ck_assert(wait_until(&v, exchange_is_headed));
	ck_assert_int_eq(v.state, EXCHANGE_UNDER_WAY);
	ck_assert(!v.opened);
	ck_assert_int_eq(send(s.peer, more, strlen(more), 0),
	    (int)strlen(more));
	ck_assert(wait_until(&v, exchange_has_begun));

	ck_assert(v.opened);
	ck_assert(!v.refused);
	ck_assert(!v.ended);
	ck_assert(exchange_has_event(&v, SPAN("1-1")));
	ck_assert(!exchange_has_event(&v, SPAN("1-0")));
	ck_assert(!exchange_has_event(&v, SPAN("1-")));
	leave(&s, &v);
}
END_TEST

START_TEST(what_peal_says_of_a_stream_is_no_event)
{
	static const struct {
		const char *topic;
		bool opened;
		bool refused;
		bool ended;
	} rows[] = {
		{ "peal:open", true, false, false },
		{ "peal:busy", false, true, false },
		{ "peal:end", false, false, true },
		{ "open", false, false, false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct server s;
		struct exchange v;
		char bytes[200];
		(void)snprintf(bytes, sizeof(bytes),
		    "HTTP/1.1 200 OK\r\n\r\nretry: 5000\nid: 1-0\nevent: %s\n"
		    "data: {\"reason\":\"x\"}\n\n",
		    rows[i].topic);
		listen_here(&s);
		exchange_init(&v);
		answer(&s, &v, bytes);
		(void)shutdown(s.peer, SHUT_WR);

		ck_assert(wait_until(&v, exchange_is_over));

		ck_assert_int_eq(v.opened, rows[i].opened);
		ck_assert_int_eq(v.refused, rows[i].refused);
		ck_assert_int_eq(v.ended, rows[i].ended);
		unit_assert_span(buf_span(&v.reason),
		    rows[i].refused || rows[i].ended ? "x" : "");
		ck_assert_int_eq(exchange_has_event(&v, SPAN("1-0")),
		    strcmp(rows[i].topic, "open") == 0);
		leave(&s, &v);
	}
}
END_TEST

START_TEST(connection_that_is_lost_is_cut)
{
	struct server s;
	struct exchange v;
	listen_here(&s);
	exchange_init(&v);
	answer(&s, &v, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhm");
	(void)shutdown(s.peer, SHUT_WR);

	ck_assert(wait_until(&v, exchange_is_over));

	ck_assert_int_eq(v.state, EXCHANGE_CUT);
	ck_assert_int_eq(exchange_status(&v), 200);
	leave(&s, &v);
}
END_TEST

START_TEST(nobody_there_is_an_error)
{
	struct server s;
	struct exchange v;
	listen_here(&s);
	close(s.fd);
	exchange_init(&v);
	exchange_begin(&v, &s.target, SPAN("GET / HTTP/1.1\r\n\r\n"), false);

	ck_assert(wait_until(&v, exchange_is_over));

	ck_assert_int_eq(v.state, EXCHANGE_CUT);
	ck_assert_int_eq(v.error, -ECONNREFUSED);
	ck_assert_int_eq(exchange_status(&v), 0);
	exchange_fini(&v);
}
END_TEST

START_TEST(silence_lasts_as_long_as_the_limit_and_no_longer)
{
	struct server s;
	struct exchange v;
	struct exchange *all[] = { &v };
	listen_here(&s);
	exchange_init(&v);
	answer(&s, &v, "");

	ck_assert(!exchange_wait(all, 1, exchange_is_headed, &v, 20));

	ck_assert_int_eq(v.state, EXCHANGE_UNDER_WAY);
	leave(&s, &v);
}
END_TEST

START_TEST(answer_before_the_body_was_taken_is_heard)
{
	struct server s;
	struct exchange v;
	const size_t len = 8 << 20;
	const char *no = "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n";
	char *body = calloc(1, len);
	listen_here(&s);
	exchange_init(&v);
	exchange_begin(&v, &s.target, (struct span){ body, len }, false);
	s.peer = accept(s.fd, NULL, NULL);
	ck_assert_int_eq(send(s.peer, no, strlen(no), 0), (int)strlen(no));

	ck_assert(wait_until(&v, exchange_is_over));

	ck_assert_int_eq(exchange_status(&v), 413);
	leave(&s, &v);
	free(body);
}
END_TEST

START_TEST(body_that_goes_on_is_kept_to_its_limit)
{
	struct server s;
	struct exchange v;
	char bytes[2 * EXCHANGE_BODY_MAX];
	listen_here(&s);
	exchange_init(&v);
	memset(bytes, 'x', sizeof(bytes));
	answer(&s, &v, "HTTP/1.1 200 OK\r\n\r\n");
	ck_assert_int_eq(send(s.peer, bytes, sizeof(bytes), 0),
	    (int)sizeof(bytes));
	(void)shutdown(s.peer, SHUT_WR);

	ck_assert(wait_until(&v, exchange_is_over));

	ck_assert_uint_eq(v.body.len, EXCHANGE_BODY_MAX);
	leave(&s, &v);
}
END_TEST

UNIT_MAIN("exchange", answer_is_whole_with_its_head_and_its_body,
    stream_is_headed_then_begun_then_has_events,
    what_peal_says_of_a_stream_is_no_event, connection_that_is_lost_is_cut,
    nobody_there_is_an_error, silence_lasts_as_long_as_the_limit_and_no_longer,
    answer_before_the_body_was_taken_is_heard,
    body_that_goes_on_is_kept_to_its_limit)
