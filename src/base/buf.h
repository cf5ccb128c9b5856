/*
 * A buf is a growable run of bytes that it owns.
 *
 * A failed allocation is remembered instead of returned at every call: later
 * puts do nothing, and buf_error() tells at the end.  So a writer checks once.
 * Zero-initialised is valid and empty.  Not shared between threads.
 */
#ifndef PEAL_BUF_H
#define PEAL_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

struct buf {
	char *ptr;
	size_t len;
	size_t cap;
	bool failed;
};

void buf_init(struct buf *b);

/* Free the bytes and leave b empty and usable.  b may be NULL. */
void buf_fini(struct buf *b);

/* Forget the contents and an earlier failure; keep the memory. */
void buf_clear(struct buf *b);

/* Get the memory for len more bytes, as buf_room() returns it. */
char *buf_grow(struct buf *b, size_t len);

/*
 * Make room for len more bytes.
 *
 * Returns where they go, valid until the next call that grows b, or NULL when
 * memory ran out (b is then marked failed).  The caller adds to b->len what it
 * wrote.
 *
 * These are in the header since a reply is put together by dozens of them: the
 * length of a literal is then known when this is compiled.
 */
static inline char *
buf_room(struct buf *b, size_t len)
{
	if (!b->failed && b->ptr != NULL && len <= b->cap - b->len)
		return b->ptr + b->len;
	return buf_grow(b, len);
}

static inline void
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

static inline void
buf_put_char(struct buf *b, char c)
{
	buf_put(b, (struct span){ &c, 1 });
}

static inline void
buf_put_cstr(struct buf *b, const char *string)
{
	buf_put(b, span_of(string));
}

void buf_put_u64(struct buf *b, uint64_t value);

/* All of b as a span, valid until b changes. */
struct span buf_span(const struct buf *b);

/* Returns 0, or -ENOMEM when any put since buf_init or buf_clear failed. */
int buf_error(const struct buf *b);

#endif
