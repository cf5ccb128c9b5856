#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "server/web_servers.h"

/* A peer with this address, or on a unix socket. */
static struct sockaddr_storage
peer_of(const char *text)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNIX };
	struct sockaddr_in *in = (struct sockaddr_in *)&peer;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&peer;

	if (text == NULL)
		return peer;
	peer.ss_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	ck_assert_int_eq(inet_pton(peer.ss_family, text,
			     peer.ss_family == AF_INET
				 ? (void *)&in->sin_addr
				 : (void *)&in6->sin6_addr),
	    1);
	return peer;
}

START_TEST(peer_is_allowed_as_it_is_listed)
{
	static const struct {
		const char *list; /* NULL: not set */
		const char *peer; /* NULL: on a unix socket */
		bool allowed;
	} table[] = {
		{ NULL, "10.0.0.1", true },
		{ NULL, "2001:db8::1", true },
		{ "", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.2", false },
		{ "10.0.0.1", "10.0.0.11", false },
		{ "10.0.0.11", "10.0.0.1", false },
		{ "127.0.0.1,10.0.0.1", "10.0.0.1", true },
		{ "127.0.0.1, 10.0.0.1 ", "10.0.0.1", true },
		{ "10.0.0.1,", "10.0.0.1", true },
		{ ",", "10.0.0.1", false },
		{ ",", "::1", false },
		/* Another family is not named, so it is refused. */
		{ "10.9.9.9", "::1", false },
		{ "10.9.9.9", "::ffff:127.0.0.1", false },
		{ "::1", "127.0.0.1", false },
		{ "::1", "::1", true },
		{ "::1", "0:0:0:0:0:0:0:1", true },
		{ "::1", "::2", false },
		/* An IPv4 address is one, however it is written. */
		{ "10.0.0.1", "::ffff:10.0.0.1", true },
		{ "::ffff:10.0.0.1", "10.0.0.1", true },
		{ "::ffff:10.0.0.0/104", "10.255.0.1", true },
		{ "::ffff:10.0.0.0/104", "11.0.0.1", false },
		/* Prefixes. */
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", true },
		{ "10.0.0.0/8", "::10.1.2.3", false },
		{ "192.168.4.0/22", "192.168.7.255", true },
		{ "192.168.4.0/22", "192.168.8.0", false },
		{ "192.168.4.0/22", "192.168.3.255", false },
		{ "10.0.0.1/32", "10.0.0.1", true },
		{ "10.0.0.1/32", "10.0.0.0", false },
		{ "0.0.0.0/0", "1.2.3.4", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "::1", true },
		{ "::/0", "1.2.3.4", true },
		{ "fd00::/8", "fdff::1", true },
		{ "fd00::/8", "fe80::1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		/* A unix socket's mode says who may. */
		{ "10.0.0.1", NULL, true },
	};

	for (size_t i = 0; i < UNIT_COUNT(table); i++) {
		struct sockaddr_storage peer = peer_of(table[i].peer);
		struct web_servers w;
		struct buf why = { 0 };

		ck_assert_int_eq(web_servers_parse(&w, span_of(table[i].list),
				     &why),
		    0);
		ck_assert_msg(web_servers_allow(&w, &peer) == table[i].allowed,
		    "row %zu", i);
		buf_fini(&why);
	}
}
END_TEST

START_TEST(what_is_no_address_is_refused_and_named)
{
	static const struct {
		const char *list;
		const char *named;
	} table[] = {
		{ "localhost", "\"localhost\"" },
		{ "10.0.0.1 10.0.0.2", "\"10.0.0.1 10.0.0.2\"" },
		{ "10.0.0.1, 10.0.0", "\"10.0.0\"" },
		{ "10.0.0.256", "\"10.0.0.256\"" },
		{ "10.0.0.0/33", "\"10.0.0.0/33\"" },
		{ "10.0.0.0/", "\"10.0.0.0/\"" },
		{ "10.0.0.0/-1", "\"10.0.0.0/-1\"" },
		{ "10.0.0.0/8/8", "\"10.0.0.0/8/8\"" },
		{ "/8", "\"/8\"" },
		{ "::/129", "\"::/129\"" },
		{ "[::1]", "\"[::1]\"" },
		{ "::1%lo", "\"::1%lo\"" },
		{ "::1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:0:1:2:3:4:5:6:7", "::1:2:" },
	};

	for (size_t i = 0; i < UNIT_COUNT(table); i++) {
		struct web_servers w;
		struct buf why = { 0 };

		ck_assert_int_eq(web_servers_parse(&w, span_of(table[i].list),
				     &why),
		    -EINVAL);
		buf_put_char(&why, '\0');
		ck_assert_msg(strstr(why.ptr, table[i].named) != NULL,
		    "row %zu: %s", i, why.ptr);
		buf_fini(&why);
	}
}
END_TEST

START_TEST(more_than_there_is_room_for_are_refused)
{
	struct web_servers w;
	struct buf list = { 0 };
	struct buf why = { 0 };
	struct sockaddr_storage last = peer_of("10.0.0.63");

	for (unsigned i = 0; i < WEB_SERVERS_MAX; i++) {
		char one[16];
		(void)snprintf(one, sizeof(one), "10.0.0.%u,", i);
		buf_put_cstr(&list, one);
	}
	ck_assert_int_eq(web_servers_parse(&w, buf_span(&list), &why), 0);
	ck_assert(web_servers_allow(&w, &last));

	buf_put_cstr(&list, "10.0.0.64");
	ck_assert_int_eq(web_servers_parse(&w, buf_span(&list), &why), -EINVAL);
	buf_fini(&list);
	buf_fini(&why);
}
END_TEST

UNIT_MAIN("web servers", peer_is_allowed_as_it_is_listed,
    what_is_no_address_is_refused_and_named,
    more_than_there_is_room_for_are_refused)
