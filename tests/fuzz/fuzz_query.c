/*
 * query: what is encoded comes back.
 *
 * The input is a query string.  Each pair that is read, written anew with every
 * byte escaped, reads the same; no pair is lost, none is longer than it was
 * sent.
 */
#include "fuzz.h"
#include "wire/urlencoded.h"

const char fuzz_name[] = "query";

static void
put_escaped(struct buf *out, struct span s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		buf_put_char(out, '%');
		buf_put_char(out, hex[c >> 4]);
		buf_put_char(out, hex[c & 15]);
	}
}

static void
require_same(struct span name, struct span value)
{
	struct buf text = { 0 };
	struct buf out = { 0 };
	struct urlencoded_pair n;
	struct urlencoded_pair v;

	put_escaped(&text, name);
	buf_put_char(&text, '=');
	put_escaped(&text, value);
	struct span rest = buf_span(&text);
	FUZZ_REQUIRE(urlencoded_next(&rest, &out, &n, &v));
	FUZZ_REQUIRE(span_equal(urlencoded_span(&out, n), name));
	FUZZ_REQUIRE(span_equal(urlencoded_span(&out, v), value));
	FUZZ_REQUIRE(!urlencoded_next(&rest, &out, &n, &v));
	buf_fini(&out);
	buf_fini(&text);
}

static size_t
count_pairs(struct span text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count +=
		    text.ptr[i] != '&' && (i == 0 || text.ptr[i - 1] == '&');
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = fuzz_copy(data, size);
	struct span rest = text;
	struct buf out = { 0 };
	struct urlencoded_pair name;
	struct urlencoded_pair value;
	size_t count = 0;

	while (urlencoded_next(&rest, &out, &name, &value)) {
		FUZZ_REQUIRE(name.at + name.len <= out.len);
		FUZZ_REQUIRE(value.at + value.len <= out.len);
		FUZZ_REQUIRE(fuzz_within(rest, text));
		require_same(urlencoded_span(&out, name),
		    urlencoded_span(&out, value));
		count++;
	}
	FUZZ_REQUIRE(buf_error(&out) == 0);
	FUZZ_REQUIRE(out.len <= text.len);
	FUZZ_REQUIRE(count == count_pairs(text));
	buf_fini(&out);
	free((char *)text.ptr);
	return 0;
}
