#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b)
{
	*b = (struct buf){ 0 };
}

void
buf_fini(struct buf *b)
{
	if (b == NULL)
		return;
	free(b->ptr);
	buf_init(b);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

char *
buf_room(struct buf *b, size_t len)
{
	if (b->failed)
		return NULL;
	if (b->ptr != NULL && len <= b->cap - b->len)
		return b->ptr + b->len;

	size_t cap = b->cap < 64 ? 64 : b->cap;
	while (cap - b->len < len) {
		if (cap > SIZE_MAX / 2) {
			b->failed = true;
			return NULL;
		}
		cap *= 2;
	}
	char *ptr = realloc(b->ptr, cap);
	if (ptr == NULL) {
		b->failed = true;
		return NULL;
	}
	b->ptr = ptr;
	b->cap = cap;
	return b->ptr + b->len;
}

void
buf_put(struct buf *b, struct span s)
{
	if (s.len == 0)
		return;
	char *to = buf_room(b, s.len);
	if (to == NULL)
		return;
	memcpy(to, s.ptr, s.len);
	b->len += s.len;
}

void
buf_put_char(struct buf *b, char c)
{
	buf_put(b, (struct span){ &c, 1 });
}

void
buf_put_cstr(struct buf *b, const char *string)
{
	buf_put(b, span_of(string));
}

void
buf_put_u64(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	buf_put(b, (struct span){ digits + at, sizeof(digits) - at });
}

struct span
buf_span(const struct buf *b)
{
	return (struct span){ b->ptr, b->len };
}

int
buf_error(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}
