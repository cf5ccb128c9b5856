/*
 * json against json-c and against itself.
 *
 * The input is text.  Where json_value() takes a value:
 *   - json-c, strict and checking UTF-8, takes it too;
 *   - what it cut off, and what it left, lie within the input;
 *   - compacting it gives a value without white space outside its strings, which
 *     is equal to json-c, is taken whole, and stays the same when compacted;
 *   - walking it with json_next() meets all of it: the parts put together
 *     again are the compact text;
 *   - json_has_half_pair(), json_decode() and json_equal() say of each string
 *     what a plain decoder says;
 *   - json_find() finds each member of an object, unless a later one has its name.
 */
#include <errno.h>
#include <json-c/json.h>

#include "fuzz.h"
#include "base/json.h"

const char fuzz_name[] = "json";

static struct json_object *
parse(struct span text)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	char *copy = strndup(text.ptr, text.len);

	FUZZ_REQUIRE(tokener != NULL && copy != NULL);
	json_tokener_set_flags(tokener, fuzz_json_flags());
	/* With its terminator, which ends a number. */
	struct json_object *object =
	    json_tokener_parse_ex(tokener, copy, (int)text.len + 1);
	FUZZ_REQUIRE(json_tokener_get_error(tokener) == json_tokener_success);
	FUZZ_REQUIRE(json_tokener_get_parse_end(tokener) == text.len);
	json_tokener_free(tokener);
	free(copy);
	return object;
}

/* The unit of the escape "\uXXXX" at s, or -1 where there is none. */
static long
unit_at(struct span s, size_t at)
{
	char digits[5] = { 0 };

	if (at + 6 > s.len || s.ptr[at] != '\\' || s.ptr[at + 1] != 'u')
		return -1;
	memcpy(digits, s.ptr + at + 2, 4);
	return strtol(digits, NULL, 16);
}

static bool
has_half_pair(struct span s)
{
	for (size_t i = 1; i + 1 < s.len; i++) {
		long unit = unit_at(s, i);
		long next = unit_at(s, i + 6);
		if (unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 &&
		    next < 0xe000)
			i += 11;
		else if (unit >= 0xd800 && unit < 0xe000)
			return true;
		else if (s.ptr[i] == '\\')
			i += unit < 0 ? 1 : 5;
	}
	return false;
}

static void
put_utf8(struct buf *out, unsigned long c)
{
	if (c < 0x80) {
		buf_put_char(out, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_put_char(out, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_put_char(out, (char)(0xe0 | c >> 12));
		} else {
			buf_put_char(out, (char)(0xf0 | c >> 18));
			buf_put_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		buf_put_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_put_char(out, (char)(0x80 | (c & 0x3f)));
}

/* What a string without half pairs says. */
static void
decode(struct buf *out, struct span s)
{
	static const char letters[] = "bfnrt";
	static const char meant[] = "\b\f\n\r\t";

	for (size_t i = 1; i + 1 < s.len; i++) {
		if (s.ptr[i] != '\\') {
			buf_put_char(out, s.ptr[i]);
			continue;
		}
		long unit = unit_at(s, i);
		long next = unit_at(s, i + 6);
		char c = s.ptr[++i];
		const char *letter = strchr(letters, c);
		if (c != 'u') {
			buf_put_char(out,
			    letter == NULL ? c : meant[letter - letters]);
			continue;
		}
		i += 4;
		if (unit >= 0xd800 && unit < 0xdc00) {
			unit =
			    0x10000 + ((unit & 0x3ff) << 10 | (next & 0x3ff));
			i += 6;
		}
		put_utf8(out, (unsigned long)unit);
	}
}

static void
judge_string(struct span s)
{
	struct buf decoded = { 0 };
	struct buf plain = { 0 };
	bool half = has_half_pair(s);

	FUZZ_REQUIRE(json_has_half_pair(s) == half);
	FUZZ_REQUIRE(json_decode(&decoded, s) == 0);
	FUZZ_REQUIRE(decoded.len <= s.len - 2);
	FUZZ_REQUIRE(span_is_utf8(buf_span(&decoded)));
	FUZZ_REQUIRE(json_equal(s, buf_span(&decoded)) == 1);
	if (!half) {
		decode(&plain, s);
		FUZZ_REQUIRE(span_equal(buf_span(&decoded), buf_span(&plain)));
	}
	buf_put_char(&decoded, 'x');
	FUZZ_REQUIRE(json_equal(s, buf_span(&decoded)) == 0);
	buf_fini(&plain);
	buf_fini(&decoded);
}

static void
judge_member(struct span object, struct span name, struct span part)
{
	struct buf decoded = { 0 };
	struct span value;

	FUZZ_REQUIRE(json_decode(&decoded, name) == 0);
	FUZZ_REQUIRE(json_find(object, buf_span(&decoded), &value) == 0);
	FUZZ_REQUIRE(fuzz_within(value, object) && value.ptr >= part.ptr);
	FUZZ_REQUIRE(value.ptr != part.ptr || value.len == part.len);
	buf_fini(&decoded);
}

static void
require_whole(struct span text)
{
	struct span rest = text;
	struct span value;

	FUZZ_REQUIRE(json_value(&rest, &value) == 0);
	FUZZ_REQUIRE(rest.len == 0 && span_equal(value, text));
}

/* Put value together again out of what a walk gives. */
static void
rebuild(struct buf *out, struct span value)
{
	struct span name;
	struct span part;
	size_t at = 0;
	size_t count = 0;

	require_whole(value);
	if (value.ptr[0] == '"')
		judge_string(value);
	if (value.ptr[0] != '{' && value.ptr[0] != '[') {
		FUZZ_REQUIRE(json_next(value, &at, &name, &part) == 0);
		buf_put(out, value);
		return;
	}
	buf_put_char(out, value.ptr[0]);
	while (json_next(value, &at, &name, &part) > 0) {
		FUZZ_REQUIRE(fuzz_within(name, value));
		FUZZ_REQUIRE(fuzz_within(part, value) && part.len > 0);
		FUZZ_REQUIRE((name.len > 0) == (value.ptr[0] == '{'));
		if (count++ > 0)
			buf_put_char(out, ',');
		if (name.len > 0) {
			FUZZ_REQUIRE(name.ptr[0] == '"');
			judge_member(value, name, part);
			rebuild(out, name);
			buf_put_char(out, ':');
		}
		rebuild(out, part);
	}
	buf_put_char(out, value.ptr[0] == '{' ? '}' : ']');
}

static bool
has_space_outside_strings(struct span text)
{
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		if (quoted && text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == '"')
			quoted = !quoted;
		else if (!quoted && memchr(" \t\r\n", text.ptr[i], 4) != NULL)
			return true;
	}
	return false;
}

static void
judge(struct span value)
{
	struct json_object *sent = parse(value);
	struct buf compact = { 0 };
	struct buf again = { 0 };
	struct buf walked = { 0 };

	json_compact(&compact, value);
	FUZZ_REQUIRE(!has_space_outside_strings(buf_span(&compact)));
	require_whole(buf_span(&compact));
	struct json_object *kept = parse(buf_span(&compact));
	FUZZ_REQUIRE(json_object_equal(sent, kept));
	json_compact(&again, buf_span(&compact));
	FUZZ_REQUIRE(span_equal(buf_span(&again), buf_span(&compact)));
	rebuild(&walked, value);
	FUZZ_REQUIRE(span_equal(buf_span(&walked), buf_span(&compact)));
	buf_fini(&walked);
	buf_fini(&again);
	buf_fini(&compact);
	json_object_put(kept);
	json_object_put(sent);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = fuzz_copy(data, size);
	struct span rest = text;
	struct span value;
	int rc;

	/* One value after the other, as a walk over a line does. */
	while ((rc = json_value(&rest, &value)) == 0) {
		FUZZ_REQUIRE(fuzz_within(value, text) && value.len > 0);
		FUZZ_REQUIRE(rest.ptr == value.ptr + value.len);
		FUZZ_REQUIRE(rest.ptr + rest.len == text.ptr + text.len);
		judge(value);
	}
	FUZZ_REQUIRE(rc == -ENODATA || rc == -EINVAL || rc == -ELOOP);
	FUZZ_REQUIRE(fuzz_within(rest, text));
	if (rc == -ENODATA)
		FUZZ_REQUIRE(span_trim(rest).len == 0);
	free((char *)text.ptr);
	return 0;
}
