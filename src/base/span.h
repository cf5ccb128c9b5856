/*
 * A span is borrowed bytes: a pointer and a length.  It owns nothing, may hold
 * NUL, and is not terminated by one.  The empty span may have a NULL pointer.
 */
#ifndef PEAL_SPAN_H
#define PEAL_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *ptr;
	size_t len;
};

/* A span over a string literal, without its terminator. */
#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })

/* The span over a NUL-terminated string; NULL gives the empty span. */
static inline struct span
span_of(const char *string)
{
	return (struct span){ string, string == NULL ? 0 : strlen(string) };
}

static inline bool
span_equal(struct span a, struct span b)
{
	return a.len == b.len &&
	    (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* As span_equal(), taking A-Z as a-z.  For ASCII protocol words only. */
bool span_equal_nocase(struct span a, struct span b);

bool span_starts_nocase(struct span s, struct span prefix);

/* Without leading and trailing SP, HT, CR and LF. */
struct span span_trim(struct span s);

/*
 * Cut the next piece off the front of *rest, up to sep, which is dropped.
 * Returns true and the piece, which may be empty; false when *rest was used
 * up.  "a,,b" gives "a", "", "b"; "" gives one empty piece the first time,
 * unless its ptr is NULL.
 */
bool span_cut(struct span *rest, char sep, struct span *piece);

/*
 * Cut the next word off the front of *rest; words are parted by SP and HT.
 * Returns false when there is none.
 */
bool span_word(struct span *rest, struct span *word);

/*
 * Read a whole span of decimal digits.
 *
 * Returns 0, or
 *   -EINVAL  empty, or something that is no digit
 *   -ERANGE  over UINT64_MAX
 */
int span_to_u64(struct span s, uint64_t *value);

/* RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF. */
bool span_is_utf8(struct span s);

/* The bytes of the longest prefix that is whole, valid UTF-8. */
size_t span_utf8_prefix(struct span s);

/* True if a byte is a C0 control (below 0x20) or DEL. */
bool span_has_control(struct span s);

#endif
