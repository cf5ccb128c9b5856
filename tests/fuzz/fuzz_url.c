/*
 * url: what is taken apart can be put together again.
 *
 * The input is a URL.  Where it is taken, its parts lie within it and are what
 * they should be; put together they are the same URL, and read the same.
 */
#include "fuzz.h"
#include "wire/url.h"

const char fuzz_name[] = "url";

static bool
has(struct span s, char c)
{
	return s.len > 0 && memchr(s.ptr, c, s.len) != NULL;
}

static void
require_parts(const struct url *u, struct span text)
{
	unsigned long port = 0;

	FUZZ_REQUIRE(fuzz_within(u->host, text));
	FUZZ_REQUIRE(fuzz_within(u->origin, text));
	FUZZ_REQUIRE(fuzz_within(u->host, u->origin));
	FUZZ_REQUIRE(u->host.len > 0 && u->host.len <= URL_HOST_MAX);
	FUZZ_REQUIRE(!has(u->origin, '/') && !has(u->origin, '?'));
	FUZZ_REQUIRE(!has(text, '#') && !has(u->origin, '@'));
	FUZZ_REQUIRE(!has(text, ' ') && !span_has_control(text));
	FUZZ_REQUIRE(u->target.len > 0 && u->target.ptr[0] == '/');
	FUZZ_REQUIRE(u->port.len > 0);
	for (size_t i = 0; i < u->port.len && port < 100000; i++) {
		FUZZ_REQUIRE(u->port.ptr[i] >= '0' && u->port.ptr[i] <= '9');
		port = port * 10 + (unsigned long)(u->port.ptr[i] - '0');
	}
	FUZZ_REQUIRE(port >= 1 && port <= 65535);
}

/* The origin is the host, in brackets if need be, and the port. */
static void
require_origin(const struct url *u)
{
	struct buf origin = { 0 };
	bool brackets = u->origin.ptr[0] == '[';

	if (brackets)
		buf_put_char(&origin, '[');
	buf_put(&origin, u->host);
	if (brackets)
		buf_put_char(&origin, ']');
	if (origin.len < u->origin.len) {
		buf_put_char(&origin, ':');
		buf_put(&origin, u->port);
	} else {
		FUZZ_REQUIRE(
		    span_equal(u->port, u->secure ? SPAN("443") : SPAN("80")));
	}
	FUZZ_REQUIRE(span_equal(buf_span(&origin), u->origin));
	buf_fini(&origin);
}

static void
require_same(const struct url *u, struct span text)
{
	struct buf whole = { 0 };
	struct url again;

	size_t scheme = u->secure ? strlen("https://") : strlen("http://");

	buf_put_cstr(&whole, u->secure ? "https://" : "http://");
	buf_put(&whole, u->origin);
	buf_put(&whole, u->target);
	/* A path that is not there is "/". */
	FUZZ_REQUIRE(whole.len == text.len || whole.len == text.len + 1);
	FUZZ_REQUIRE(memcmp(whole.ptr + scheme, text.ptr + scheme,
			 text.len - scheme) == 0);
	FUZZ_REQUIRE(url_read(&again, buf_span(&whole)) == NULL);
	FUZZ_REQUIRE(again.secure == u->secure);
	FUZZ_REQUIRE(span_equal(again.host, u->host));
	FUZZ_REQUIRE(span_equal(again.port, u->port));
	FUZZ_REQUIRE(span_equal(again.origin, u->origin));
	FUZZ_REQUIRE(span_equal(again.target, u->target));
	buf_fini(&whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = fuzz_copy(data, size);
	struct url u;
	const char *fault = url_read(&u, text);

	if (fault == NULL) {
		require_parts(&u, text);
		require_origin(&u);
		require_same(&u, text);
	} else {
		FUZZ_REQUIRE(fault[0] != '\0');
	}
	free((char *)text.ptr);
	return 0;
}
