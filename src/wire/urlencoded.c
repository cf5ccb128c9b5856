#include "wire/urlencoded.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Read the escape "%xx" that s begins with.  Returns its byte, or -1. */
static int
escape_value(struct span s)
{
	if (s.len < 3 || s.ptr[0] != '%')
		return -1;
	int high = hex_value(s.ptr[1]);
	int low = hex_value(s.ptr[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Append s decoded: never more bytes than s has. */
static bool
put_decoded(struct buf *out, struct span s, struct urlencoded_pair *piece)
{
	char *to = buf_room(out, s.len);

	if (to == NULL)
		return false;
	*piece = (struct urlencoded_pair){ out->len, 0 };
	while (s.len > 0) {
		int byte = escape_value(s);
		size_t step = byte < 0 ? 1 : 3;
		if (byte < 0)
			byte = s.ptr[0] == '+' ? ' ' : s.ptr[0];
		to[piece->len++] = (char)byte;
		s.ptr += step;
		s.len -= step;
	}
	out->len += piece->len;
	return true;
}

bool
urlencoded_next(struct span *rest, struct buf *out,
    struct urlencoded_pair *name, struct urlencoded_pair *value)
{
	struct span pair;
	struct span left;

	do {
		if (!span_cut(rest, '&', &pair))
			return false;
	} while (pair.len == 0);
	/* Only the first '=' parts: what is left of the pair is the value. */
	(void)span_cut(&pair, '=', &left);
	return put_decoded(out, left, name) && put_decoded(out, pair, value);
}

bool
urlencoded_is_member(struct span name, struct span wanted)
{
	if (name.len < wanted.len ||
	    !span_equal((struct span){ name.ptr, wanted.len }, wanted))
		return false;
	if (name.len == wanted.len)
		return true;
	if (name.len < wanted.len + 2 || name.ptr[wanted.len] != '[' ||
	    name.ptr[name.len - 1] != ']')
		return false;
	for (size_t i = wanted.len + 1; i < name.len - 1; i++) {
		if (name.ptr[i] < '0' || name.ptr[i] > '9')
			return false;
	}
	return true;
}

struct span
urlencoded_span(const struct buf *out, struct urlencoded_pair piece)
{
	if (piece.len == 0)
		return (struct span){ NULL, 0 };
	return (struct span){ out->ptr + piece.at, piece.len };
}
