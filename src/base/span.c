#include "base/span.h"

#include <errno.h>
#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_space(char c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
span_equal_nocase(struct span a, struct span b)
{
	return a.len == b.len && span_starts_nocase(a, b);
}

bool
span_starts_nocase(struct span s, struct span prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++) {
		if (lower(s.ptr[i]) != lower(prefix.ptr[i]))
			return false;
	}
	return true;
}

struct span
span_trim(struct span s)
{
	while (s.len > 0 && is_space(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool
span_cut(struct span *rest, char sep, struct span *piece)
{
	if (rest->ptr == NULL)
		return false;
	const char *end =
	    rest->len == 0 ? NULL : memchr(rest->ptr, sep, rest->len);
	if (end == NULL) {
		*piece = *rest;
		*rest = (struct span){ NULL, 0 };
		return true;
	}
	*piece = (struct span){ rest->ptr, (size_t)(end - rest->ptr) };
	rest->ptr = end + 1;
	rest->len -= piece->len + 1;
	return true;
}

bool
span_word(struct span *rest, struct span *word)
{
	while (rest->len > 0 && is_blank(rest->ptr[0])) {
		rest->ptr++;
		rest->len--;
	}
	size_t len = 0;
	while (len < rest->len && !is_blank(rest->ptr[len]))
		len++;
	*word = (struct span){ rest->ptr, len };
	if (len > 0) {
		rest->ptr += len;
		rest->len -= len;
	}
	return len > 0;
}

int
span_to_u64(struct span s, uint64_t *value)
{
	uint64_t sum = 0;

	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return -EINVAL;
	}
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit = (uint64_t)(s.ptr[i] - '0');
		if (sum > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		sum = sum * 10 + digit;
	}
	*value = sum;
	return 0;
}

/*
 * The length of the UTF-8 character that begins at s, or 0 if none does.
 * RFC 3629, section 4: the second byte's range depends on the first.
 */
static size_t
character_len(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		len = 2;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		len = 3;
		if (s[0] == 0xe0)
			low = 0xa0;
		if (s[0] == 0xed)
			high = 0x9f;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		len = 4;
		if (s[0] == 0xf0)
			low = 0x90;
		if (s[0] == 0xf4)
			high = 0x8f;
	} else {
		return 0;
	}
	if (left < len || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

/* How many bytes from the front are ASCII, by eights. */
static size_t
ascii_prefix(const char *s, size_t len)
{
	size_t i = 0;
	uint64_t eight;

	while (len - i >= sizeof(eight)) {
		memcpy(&eight, s + i, sizeof(eight));
		if ((eight & UINT64_C(0x8080808080808080)) != 0)
			break;
		i += sizeof(eight);
	}
	return i;
}

size_t
span_utf8_prefix(struct span s)
{
	size_t i = ascii_prefix(s.ptr, s.len);

	while (i < s.len) {
		size_t len =
		    character_len((const unsigned char *)s.ptr + i, s.len - i);
		if (len == 0)
			break;
		i += len;
	}
	return i;
}

bool
span_is_utf8(struct span s)
{
	return span_utf8_prefix(s) == s.len;
}

bool
span_has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return true;
	}
	return false;
}
