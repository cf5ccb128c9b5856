#include "unit.h"

#include <string.h>

#include "wire/url.h"

static void
assert_url(const char *text, const char *host, const char *port,
    const char *origin, const char *target)
{
	struct url u;

	const char *fault = url_read(&u, span_of(text));

	ck_assert_msg(fault == NULL, "%s: %s", text, fault);
	unit_assert_span(u.host, host);
	unit_assert_span(u.port, port);
	unit_assert_span(u.origin, origin);
	unit_assert_span(u.target, target);
}

static void
assert_fault(struct span text, const char *expected)
{
	struct url u;

	const char *fault = url_read(&u, text);

	ck_assert_msg(fault != NULL, "%.*s is taken", (int)text.len, text.ptr);
	ck_assert_str_eq(fault, expected);
}

START_TEST(a_url_is_host_port_and_target)
{
	assert_url("http://a.example:8080/events?channel=b&x=/y:z", "a.example",
	    "8080", "a.example:8080", "/events?channel=b&x=/y:z");
}
END_TEST

START_TEST(without_a_port_it_is_80)
{
	assert_url("http://a/b", "a", "80", "a", "/b");
}
END_TEST

START_TEST(without_a_path_it_is_the_root)
{
	assert_url("http://a", "a", "80", "a", "/");
	assert_url("http://a:1", "a", "1", "a:1", "/");
	assert_url("http://a/", "a", "80", "a", "/");
}
END_TEST

START_TEST(with_https_it_is_443)
{
	struct url url;

	assert_url("https://a/b", "a", "443", "a", "/b");
	assert_url("HTTPS://[::1]", "::1", "443", "[::1]", "/");
	assert_url("https://a:80", "a", "80", "a:80", "/");
	ck_assert_ptr_null(url_read(&url, SPAN("https://a")));
	ck_assert(url.secure);
	ck_assert_ptr_null(url_read(&url, SPAN("http://a:443")));
	ck_assert(!url.secure);
}
END_TEST

START_TEST(the_scheme_is_taken_in_any_case)
{
	assert_url("HtTp://A/", "A", "80", "A", "/");
}
END_TEST

START_TEST(an_address_of_ipv6_stands_in_brackets)
{
	assert_url("http://[::1]/a", "::1", "80", "[::1]", "/a");
	assert_url("http://[::1]:81", "::1", "81", "[::1]:81", "/");
}
END_TEST

START_TEST(a_channels_place_stays_in_the_target)
{
	assert_url("http://a/b?c={}", "a", "80", "a", "/b?c={}");
}
END_TEST

START_TEST(ports_have_16_bits_and_are_not_0)
{
	assert_url("http://a:65535", "a", "65535", "a:65535", "/");
	assert_fault(SPAN("http://a:65536"), "has a port that is none");
	assert_fault(SPAN("http://a:0"), "has a port that is none");
	assert_fault(SPAN("http://a:"), "has a port that is none");
	assert_fault(SPAN("http://a:+1"), "has a port that is none");
	assert_fault(SPAN("http://a:99999999999999999999"),
	    "has a port that is none");
	assert_fault(SPAN("http://[::1]80"), "has a port that is none");
}
END_TEST

START_TEST(only_http_is_spoken)
{
	static const char *const texts[] = { "", "http", "http:/a", "//a",
		"httpss://a", "ftp://a", "a", "/a", "-h" };

	for (size_t i = 0; i < UNIT_COUNT(texts); i++)
		assert_fault(span_of(texts[i]),
		    "does not begin with http:// or https://");
}
END_TEST

START_TEST(a_host_must_be_there)
{
	static const char *const texts[] = { "http://", "http:///a",
		"http://:80/", "http://[]/" };

	for (size_t i = 0; i < UNIT_COUNT(texts); i++)
		assert_fault(span_of(texts[i]), "names no host");
	assert_fault(SPAN("http://[::1"), "has a '[' without its ']'");
}
END_TEST

START_TEST(a_host_has_255_bytes_at_most)
{
	char text[7 + 256 + 1] = "http://";
	struct url u;
	memset(text + 7, 'a', 256);

	ck_assert_ptr_null(url_read(&u, (struct span){ text, 7 + 255 }));
	assert_fault((struct span){ text, 7 + 256 }, "names no host");
}
END_TEST

START_TEST(nothing_gets_into_the_request_by_the_url)
{
	assert_fault(SPAN("http://a/b c"),
	    "has a space or a control character in it");
	assert_fault(SPAN("http://a/\r\nX: y"),
	    "has a space or a control character in it");
	assert_fault(SPAN("http://a/\0"),
	    "has a space or a control character in it");
}
END_TEST

START_TEST(what_would_not_be_sent_is_refused)
{
	assert_fault(SPAN("http://a/b#c"), "has a fragment, which is not sent");
	assert_fault(SPAN("http://a?b"), "has a query but no path");
	assert_fault(SPAN("http://user:word@a/"),
	    "names a user; give --header 'Authorization: ...'");
	assert_url("http://a/@b", "a", "80", "a", "/@b");
}
END_TEST

UNIT_MAIN("url", a_url_is_host_port_and_target, without_a_port_it_is_80,
    without_a_path_it_is_the_root, with_https_it_is_443,
    the_scheme_is_taken_in_any_case, an_address_of_ipv6_stands_in_brackets,
    a_channels_place_stays_in_the_target, ports_have_16_bits_and_are_not_0,
    only_http_is_spoken, a_host_must_be_there, a_host_has_255_bytes_at_most,
    nothing_gets_into_the_request_by_the_url, what_would_not_be_sent_is_refused)
