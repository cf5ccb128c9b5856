#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>

#include "base/units.h"

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
buf_grow(struct buf *b, size_t len)
{
	if (b->failed)
		return NULL;
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
buf_put_u64(struct buf *b, uint64_t value)
{
	char digits[UNITS_DIGITS_MAX];

	buf_put(b, (struct span){ digits, units_print_u64(value, digits) });
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
