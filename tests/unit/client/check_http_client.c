#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/http_client.h"

#define LIMIT_MS 30000

/* A listening socket on loopback; *target leads to it. */
static int
listen_somewhere(struct http_client_target *target)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	memset(target, 0, sizeof(*target));
	memcpy(&target->address, &address, len);
	target->len = len;
	return fd;
}

static void
wait_until(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	ck_assert_int_eq(poll(&p, 1, LIMIT_MS), 1);
}

/* Connected at both ends; returns the server's. */
static int
connect_both(struct http_client *c)
{
	struct http_client_target target;
	int listener = listen_somewhere(&target);

	http_client_init(c);
	ck_assert_int_eq(http_client_connect(c, &target), 0);
	int fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	close(listener);
	wait_until(c->fd, POLLOUT);
	return fd;
}

static const char *
resolve(const char *text, struct http_client_target *target)
{
	struct url url;

	ck_assert_ptr_null(url_read(&url, span_of(text)));
	return http_client_resolve(target, &url);
}

START_TEST(an_address_leads_to_itself)
{
	struct http_client_target target;

	ck_assert_ptr_null(resolve("http://127.0.0.1:8080/", &target));

	const struct sockaddr_in *in = (const void *)&target.address;
	ck_assert_int_eq(in->sin_family, AF_INET);
	ck_assert_uint_eq(ntohs(in->sin_port), 8080);
	ck_assert_uint_eq(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
}
END_TEST

START_TEST(an_address_of_ipv6_too)
{
	struct http_client_target target;

	ck_assert_ptr_null(resolve("http://[::1]/", &target));

	const struct sockaddr_in6 *in = (const void *)&target.address;
	ck_assert_int_eq(in->sin6_family, AF_INET6);
	ck_assert_uint_eq(ntohs(in->sin6_port), 80);
}
END_TEST

START_TEST(what_leads_nowhere_is_told)
{
	struct http_client_target target;

	ck_assert_ptr_nonnull(resolve("http://127.0.0.1:000080/", &target));
	ck_assert_ptr_nonnull(resolve("http://a..b/", &target));
}
END_TEST

START_TEST(a_request_goes_out_and_an_answer_comes_in)
{
	struct http_client c;
	char bytes[64];
	int fd = connect_both(&c);
	http_client_begin(&c, false);
	buf_put(&c.out, SPAN("GET / HTTP/1.1\r\n\r\n"));

	ck_assert_int_eq(http_client_send(&c), 0);
	ssize_t len = recv(fd, bytes, 18, MSG_WAITALL);
	ck_assert(span_equal((struct span){ bytes, (size_t)len },
	    SPAN("GET / HTTP/1.1\r\n\r\n")));
	ck_assert_int_eq((int)http_client_receive(&c, bytes, sizeof(bytes)),
	    -EAGAIN);
	ck_assert_int_eq((int)send(fd, "answer", 6, 0), 6);
	wait_until(c.fd, POLLIN);
	ck_assert_int_eq((int)http_client_receive(&c, bytes, sizeof(bytes)), 6);
	close(fd);
	wait_until(c.fd, POLLIN);
	ck_assert_int_eq((int)http_client_receive(&c, bytes, sizeof(bytes)), 0);

	http_client_fini(&c);
	ck_assert_int_eq(c.fd, -1);
}
END_TEST

START_TEST(what_does_not_fit_goes_out_later)
{
	static char block[65536];
	const size_t total = 512 * sizeof(block);
	struct http_client c;
	size_t got = 0;
	int fd = connect_both(&c);
	http_client_begin(&c, false);
	for (size_t i = 0; i < total / sizeof(block); i++)
		buf_put(&c.out, (struct span){ block, sizeof(block) });

	int rc = http_client_send(&c);
	ck_assert_int_eq(rc, -EAGAIN);
	while (got < total) {
		/* The last of what arrived may be read before there is room again. */
		struct pollfd ends[] = { { .fd = fd, .events = POLLIN },
			{ .fd = rc != 0 ? c.fd : -1, .events = POLLOUT } };
		ck_assert_int_gt(poll(ends, 2, LIMIT_MS), 0);
		if (ends[0].revents != 0) {
			ssize_t len = recv(fd, block, sizeof(block), 0);
			ck_assert_int_gt((int)len, 0);
			got += (size_t)len;
		}
		if (ends[1].revents != 0)
			rc = http_client_send(&c);
		ck_assert(rc == 0 || rc == -EAGAIN);
	}

	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(c.sent, total);
	close(fd);
	http_client_fini(&c);
}
END_TEST

START_TEST(who_has_gone_is_an_error_and_no_signal)
{
	struct http_client c;
	int fd = connect_both(&c);
	const struct linger now = { .l_onoff = 1 };
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now,
			     sizeof(now)),
	    0);
	close(fd);
	wait_until(c.fd, POLLIN);
	http_client_begin(&c, false);
	buf_put(&c.out, SPAN("x"));

	int first = http_client_send(&c);
	int second = http_client_send(&c);

	ck_assert(first == -ECONNRESET || first == -EPIPE);
	ck_assert_int_eq(second, -EPIPE);
	http_client_fini(&c);
}
END_TEST

START_TEST(where_nobody_listens_it_is_told_at_once_or_later)
{
	struct http_client_target target;
	struct http_client c;
	int listener = listen_somewhere(&target);
	close(listener);
	http_client_init(&c);

	int rc = http_client_connect(&c, &target);
	if (rc == 0) {
		char byte;
		wait_until(c.fd, POLLIN);
		rc = (int)http_client_receive(&c, &byte, 1);
	} else {
		ck_assert_int_eq(c.fd, -1);
	}

	ck_assert_int_eq(rc, -ECONNREFUSED);
	http_client_fini(&c);
}
END_TEST

START_TEST(to_begin_again_forgets_the_answer_before)
{
	struct http_client c;
	struct span in = SPAN("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	struct span piece;
	http_client_init(&c);
	http_client_begin(&c, false);
	(void)http_response_read(&c.response, &in, &piece);
	ck_assert_int_eq((int)c.response.state, HTTP_RESPONSE_DONE);
	c.sent = 5;

	http_client_begin(&c, true);

	ck_assert_int_eq((int)c.response.state, HTTP_RESPONSE_HEAD);
	ck_assert(c.response.no_body);
	ck_assert_uint_eq(c.response.head.len, 0);
	ck_assert_uint_eq(c.sent, 0);
	http_client_fini(&c);
}
END_TEST

UNIT_MAIN("client", an_address_leads_to_itself, an_address_of_ipv6_too,
    what_leads_nowhere_is_told, a_request_goes_out_and_an_answer_comes_in,
    what_does_not_fit_goes_out_later, who_has_gone_is_an_error_and_no_signal,
    where_nobody_listens_it_is_told_at_once_or_later,
    to_begin_again_forgets_the_answer_before)
