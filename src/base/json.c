#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * A reader over text.  Of every open array or object one bit is kept, since all
 * there is to remember is which of the two it was.
 */
struct scan {
	const char *at;
	const char *end;
	uint64_t objects; /* bit 0: the innermost is an object */
	unsigned depth;
	unsigned outside; /* levels that began before */
};

_Static_assert(JSON_DEPTH_MAX <= 64, "a level is a bit of scan.objects");

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void
skip_space(struct scan *s)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
}

/* Step over c if it is next. */
static bool
take(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static int
scan_word(struct scan *s, const char *word)
{
	for (; *word != '\0'; word++) {
		if (!take(s, *word))
			return -EINVAL;
	}
	return 0;
}

static int
scan_digits(struct scan *s)
{
	if (s->at == s->end || !is_digit(*s->at))
		return -EINVAL;
	while (s->at < s->end && is_digit(*s->at))
		s->at++;
	return 0;
}

/* RFC 8259, section 6. */
static int
scan_number(struct scan *s)
{
	(void)take(s, '-');
	if (!take(s, '0') && scan_digits(s) != 0)
		return -EINVAL;
	if (take(s, '.') && scan_digits(s) != 0)
		return -EINVAL;
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			(void)take(s, '-');
		return scan_digits(s);
	}
	return 0;
}

static int
scan_escape(struct scan *s)
{
	if (take(s, 'u')) {
		for (int i = 0; i < 4; i++) {
			if (s->at == s->end || !is_hex(*s->at))
				return -EINVAL;
			s->at++;
		}
		return 0;
	}
	if (s->at == s->end || *s->at == '\0' ||
	    strchr("\"\\/bfnrt", *s->at) == NULL)
		return -EINVAL;
	s->at++;
	return 0;
}

/* Step over bytes that are not ASCII, which must be whole characters. */
static int
scan_characters(struct scan *s)
{
	struct span run = { s->at, 0 };

	while (s->at < s->end && (unsigned char)*s->at >= 0x80)
		s->at++;
	run.len = (size_t)(s->at - run.ptr);
	size_t good = span_utf8_prefix(run);
	if (good == run.len)
		return 0;
	s->at = run.ptr + good;
	return -EINVAL;
}

/* Step over what stands for itself in a string: most of most data. */
static void
scan_plain(struct scan *s)
{
	const char *at = s->at;

	while (at < s->end && (unsigned char)*at >= 0x20 &&
	    (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
		at++;
	s->at = at;
}

/* RFC 8259, section 7. */
static int
scan_string(struct scan *s)
{
	int error = 0;

	if (!take(s, '"'))
		return -EINVAL;
	while (error == 0) {
		scan_plain(s);
		if (take(s, '"'))
			return 0;
		if (take(s, '\\'))
			error = scan_escape(s);
		else if (s->at < s->end && (unsigned char)*s->at >= 0x80)
			error = scan_characters(s);
		else
			error = -EINVAL;
	}
	return error;
}

static int
scan_scalar(struct scan *s)
{
	if (s->at == s->end)
		return -EINVAL;
	switch (*s->at) {
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		return scan_number(s);
	}
}

/* Read a member's name and its colon. */
static int
scan_name(struct scan *s)
{
	skip_space(s);
	if (scan_string(s) != 0)
		return -EINVAL;
	skip_space(s);
	return take(s, ':') ? 0 : -EINVAL;
}

/* Read what lies before the next scalar or empty container, and that one. */
static int
scan_down(struct scan *s)
{
	for (;;) {
		skip_space(s);
		bool object = s->at < s->end && *s->at == '{';
		if (!object && (s->at == s->end || *s->at != '['))
			return scan_scalar(s);
		if (s->depth == JSON_DEPTH_MAX)
			return -ELOOP;
		s->at++;
		skip_space(s);
		if (take(s, object ? '}' : ']'))
			return 0;
		s->depth++;
		s->objects = s->objects << 1 | object;
		if (object && scan_name(s) != 0)
			return -EINVAL;
	}
}

/*
 * After a value: close what ends here, up to the comma before another value.
 * Returns 1 there, 0 when all is closed, or -EINVAL.
 */
static int
scan_up(struct scan *s)
{
	while (s->depth > s->outside) {
		bool object = (s->objects & 1) != 0;
		skip_space(s);
		if (take(s, ','))
			return object && scan_name(s) != 0 ? -EINVAL : 1;
		if (!take(s, object ? '}' : ']'))
			return -EINVAL;
		s->depth--;
		s->objects >>= 1;
	}
	return 0;
}

/* Read a value that lies within so many containers. */
static int
read_value(struct span *rest, struct span *value, unsigned outside)
{
	if (rest->len == 0)
		return -ENODATA;

	struct scan s = {
		.at = rest->ptr,
		.end = rest->ptr + rest->len,
		.depth = outside,
		.outside = outside,
	};
	skip_space(&s);
	const char *begin = s.at;
	int error = s.at == s.end ? -ENODATA : 1;
	while (error > 0) {
		error = scan_down(&s);
		if (error == 0)
			error = scan_up(&s);
	}
	*rest = (struct span){ s.at, (size_t)(s.end - s.at) };
	if (error == 0)
		*value = (struct span){ begin, (size_t)(s.at - begin) };
	return error;
}

int
json_value(struct span *rest, struct span *value)
{
	return read_value(rest, value, 0);
}

int
json_element(struct span *rest, struct span *value)
{
	return read_value(rest, value, 1);
}

/* Step over a string that was checked. */
static void
skip_string(struct scan *s)
{
	const char *quote = s->at;
	const char *before;

	do {
		quote = memchr(quote + 1, '"', (size_t)(s->end - quote - 1));
		assert(quote != NULL);
		/* The opening quotation mark ends this at the latest. */
		before = quote;
		while (before[-1] == '\\')
			before--;
		/* An odd number of backslashes: it is escaped. */
	} while ((quote - before) % 2 != 0);
	s->at = quote + 1;
}

/* Step over a value that was checked. */
static void
skip_value(struct scan *s)
{
	size_t depth = 0;

	while (s->at < s->end) {
		switch (*s->at) {
		case '"':
			skip_string(s);
			break;
		case '{':
		case '[':
			depth++;
			s->at++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return;
			depth--;
			s->at++;
			break;
		default:
			if (depth == 0 && (*s->at == ',' || is_space(*s->at)))
				return;
			s->at++;
			continue;
		}
		if (depth == 0)
			return;
	}
}

int
json_next(struct span container, size_t *at, struct span *name,
    struct span *value)
{
	if (container.len < 2 ||
	    (container.ptr[0] != '{' && container.ptr[0] != '['))
		return 0;

	/* The last byte is the closing bracket: nothing of ours lies behind. */
	struct scan s = {
		.at = container.ptr + (*at == 0 ? 1 : *at),
		.end = container.ptr + container.len - 1,
	};
	skip_space(&s);
	if (take(&s, ','))
		skip_space(&s);
	if (s.at == s.end)
		return 0;
	*name = (struct span){ s.at, 0 };
	if (container.ptr[0] == '{') {
		skip_string(&s);
		name->len = (size_t)(s.at - name->ptr);
		skip_space(&s);
		(void)take(&s, ':');
		skip_space(&s);
	}
	value->ptr = s.at;
	skip_value(&s);
	value->len = (size_t)(s.at - value->ptr);
	*at = (size_t)(s.at - container.ptr);
	return 1;
}

void
json_compact(struct buf *out, struct span value)
{
	struct scan s = { .at = value.ptr, .end = value.ptr + value.len };
	const char *plain = s.at;

	/* Asked for at once, so that a run costs a copy and nothing else. */
	if (value.len == 0 || buf_room(out, value.len) == NULL)
		return;
	while (s.at < s.end) {
		if (*s.at == '"') {
			skip_string(&s);
		} else if (is_space(*s.at)) {
			buf_put(out,
			    (struct span){ plain, (size_t)(s.at - plain) });
			skip_space(&s);
			plain = s.at;
		} else {
			s.at++;
		}
	}
	buf_put(out, (struct span){ plain, (size_t)(s.at - plain) });
}

/*
 * json-c need not be strict any more, and must not: version 0.18 then takes
 * bytes from 0x80 for control characters.
 */
static int
decode_escapes(struct buf *out, struct span string)
{
	if (string.len > INT_MAX)
		return -ENOMEM;
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (tokener == NULL)
		return -ENOMEM;
	struct json_object *object =
	    json_tokener_parse_ex(tokener, string.ptr, (int)string.len);
	json_tokener_free(tokener);
	if (object == NULL)
		return -ENOMEM;
	buf_put(out,
	    (struct span){ json_object_get_string(object),
		(size_t)json_object_get_string_len(object) });
	json_object_put(object);
	return buf_error(out);
}

/* What lies between the quotes of a string. */
static struct span
unquoted(struct span string)
{
	return (struct span){ string.ptr + 1, string.len - 2 };
}

static bool
has_escape(struct span text)
{
	return text.len > 0 && memchr(text.ptr, '\\', text.len) != NULL;
}

int
json_decode(struct buf *out, struct span string)
{
	struct span text = unquoted(string);

	/* A string without escapes is its own value; json-c takes 0.2 us. */
	if (has_escape(text))
		return decode_escapes(out, string);
	buf_put(out, text);
	return buf_error(out);
}

int
json_equal(struct span string, struct span text)
{
	struct span said = unquoted(string);
	struct buf decoded = { 0 };

	/* An escape is longer than what it stands for, six bytes for one at most. */
	if (said.len <= text.len)
		return span_equal(said, text) && !has_escape(said);
	if (said.len > 6 * text.len || !has_escape(said))
		return 0;
	int rc = decode_escapes(&decoded, string);
	if (rc == 0)
		rc = span_equal(buf_span(&decoded), text);
	buf_fini(&decoded);
	return rc;
}

int
json_find(struct span object, struct span name, struct span *value)
{
	struct span member;
	struct span found;
	size_t at = 0;
	int rc = -ENOENT;

	if (object.len == 0 || object.ptr[0] != '{')
		return -ENOENT;
	while (json_next(object, &at, &member, &found) > 0) {
		int same = json_equal(member, name);
		if (same < 0)
			return same;
		if (same == 0)
			continue;
		*value = found;
		rc = 0;
	}
	return rc;
}

/* The four hex digits at s, which are there. */
static unsigned
hex4(const char *s)
{
	char digits[5] = { s[0], s[1], s[2], s[3], '\0' };

	return (unsigned)strtoul(digits, NULL, 16);
}

bool
json_has_half_pair(struct span text)
{
	if (!has_escape(text))
		return false;
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.ptr[i] != '\\')
			continue;
		i++;
		if (text.ptr[i] != 'u')
			continue;
		unsigned unit = hex4(text.ptr + i + 1);
		i += 4;
		if (unit < 0xd800 || unit > 0xdfff)
			continue;
		/* The closing quote at least follows, so i + 1 is there. */
		if (unit > 0xdbff || text.ptr[i + 1] != '\\' ||
		    text.ptr[i + 2] != 'u')
			return true;
		unsigned low = hex4(text.ptr + i + 3);
		if (low < 0xdc00 || low > 0xdfff)
			return true;
		i += 6;
	}
	return false;
}
