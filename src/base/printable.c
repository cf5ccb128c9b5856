#include "base/printable.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Characters from first to last are not shown. */
static const struct {
	uint32_t first;
	uint32_t last;
} hidden[] = {
	{ 0x00, 0x1f },	    /* C0 */
	{ 0x7f, 0x9f },	    /* DEL, C1 */
	{ 0x61c, 0x61c },   /* ARABIC LETTER MARK */
	{ 0x200e, 0x200f }, /* LEFT-TO-RIGHT MARK, RIGHT-TO-LEFT MARK */
	{ 0x2028, 0x202e }, /* separators, embeddings and overrides */
	{ 0x2066, 0x2069 }, /* isolates */
	{ 0xfeff, 0xfeff }, /* a byte order mark in the midst of text */
};

/* How long the character at the front is; 0: it is none. */
static size_t
character_len(struct span text)
{
	static const unsigned char leads[] = { 0xc0, 0xe0, 0xf0 };
	const unsigned char lead = (unsigned char)text.ptr[0];
	size_t len = 1;

	for (size_t i = 0; lead >= 0x80 && i < sizeof(leads); i++)
		len += lead >= leads[i];
	if (len > text.len || !span_is_utf8((struct span){ text.ptr, len }))
		return 0;
	return len;
}

static uint32_t
code_of(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t code = len == 1 ? p[0] : p[0] & (0x7fU >> len);

	for (size_t i = 1; i < len; i++)
		code = code << 6 | (p[i] & 0x3fU);
	return code;
}

static bool
is_shown(const char *text, size_t len)
{
	uint32_t code = code_of(text, len);

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		if (code >= hidden[i].first && code <= hidden[i].last)
			return false;
	}
	return true;
}

/* What is shown of the front of *text, which it is cut off from. */
static struct span
next_shown(struct span *text)
{
	size_t len = character_len(*text);
	struct span shown = len > 0 && is_shown(text->ptr, len)
	    ? (struct span){ text->ptr, len }
	    : SPAN("?");

	len = len == 0 ? 1 : len;
	text->ptr += len;
	text->len -= len;
	return shown;
}

void
printable_put(struct buf *out, struct span text)
{
	while (text.len > 0)
		buf_put(out, next_shown(&text));
}

void
printable_clean(char *text)
{
	struct span rest = span_of(text);
	char *to = text;

	while (rest.len > 0) {
		struct span shown = next_shown(&rest);
		memmove(to, shown.ptr, shown.len);
		to += shown.len;
	}
	*to = '\0';
}
