#include "unit.h"

#include "base/address.h"

START_TEST(hosts_with_ports_and_descriptors_are_sockets)
{
	static const char *const texts[] = { "127.0.0.1:9000", "localhost:1",
		"a-b.example.org:65535", "[::1]:9000", "[fe80::1%eth0]:80",
		"fd:0", "fd:2147483647" };

	for (size_t i = 0; i < UNIT_COUNT(texts); i++)
		ck_assert_msg(address_is_socket(texts[i]), "%s", texts[i]);
}
END_TEST

START_TEST(other_texts_are_no_sockets)
{
	static const char *const texts[] = { "", "localhost", "9000", ":9000",
		"localhost:", "localhost:0", "localhost:65536", "localhost:+1",
		"localhost:80x", "::1:80", "[::1]", "[]:80", "[::1:80",
		"a b:80", "a\n:80", "fd:", "fd:x", "fd:-1", "fd:2147483648",
		"fd:1 " };

	for (size_t i = 0; i < UNIT_COUNT(texts); i++)
		ck_assert_msg(!address_is_socket(texts[i]), "%s", texts[i]);
}
END_TEST

START_TEST(a_scheme_and_a_host_are_an_origin)
{
	static const char *const texts[] = { "https://example.org",
		"http://localhost:8080", "http://127.0.0.1", "http://[::1]:80",
		"http://[::1]", "https://EXAMPLE.org",
		"moz-extension://0a-1b" };

	for (size_t i = 0; i < UNIT_COUNT(texts); i++)
		ck_assert_msg(address_is_origin(texts[i]), "%s", texts[i]);
}
END_TEST

START_TEST(other_texts_are_no_origin)
{
	static const char *const texts[] = { "", "null", "example.org",
		"https://", "://a", "https://a/", "https://a/b", "https://a?b",
		"https://a#b", "https://u@a", "https://a:", "https://a:0",
		"https://a:b", "https://a:80:80", "https://*.example.org",
		"https://a b", "https://a\r\nX: y", " https://a", "https:/a",
		"1http://a", "ht_tp://a", "https://[::1" };

	for (size_t i = 0; i < UNIT_COUNT(texts); i++)
		ck_assert_msg(!address_is_origin(texts[i]), "%s", texts[i]);
}
END_TEST

UNIT_MAIN("address", hosts_with_ports_and_descriptors_are_sockets,
    other_texts_are_no_sockets, a_scheme_and_a_host_are_an_origin,
    other_texts_are_no_origin)
