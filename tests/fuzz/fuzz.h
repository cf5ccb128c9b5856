/*
 * What every fuzz target shares: its entry, its seeds, and how it complains.
 *
 * A target is run by libFuzzer ("make fuzz") or, over its corpus, by replay.c
 * ("make check").  A property that does not hold aborts, as a crash would.
 */
#ifndef PEAL_TESTS_FUZZ_H
#define PEAL_TESTS_FUZZ_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/span.h"

/* The target's name, which is that of its corpus folder and dictionary. */
extern const char fuzz_name[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Append seed number n to out, for targets whose input is no text and has no
 * place in a folder.  Returns false when there is no such seed.
 */
bool fuzz_seed(size_t n, struct buf *out);

#define FUZZ_REQUIRE(condition)                                       \
	do {                                                          \
		if (!(condition)) {                                   \
			fprintf(stderr, "%s:%d: does not hold: %s\n", \
			    __FILE__, __LINE__, #condition);          \
			abort();                                      \
		}                                                     \
	} while (0)

/*
 * A copy of the input that ends where its memory ends, so that a sanitizer sees
 * a read past it.  The caller frees ptr; it is never NULL.
 */
static inline struct span
fuzz_copy(const uint8_t *data, size_t size)
{
	char *ptr = malloc(size > 0 ? size : 1);

	FUZZ_REQUIRE(ptr != NULL);
	if (size > 0)
		memcpy(ptr, data, size);
	return (struct span){ ptr, size };
}

/*
 * For json-c, which judges: as strict as it can be.  In version 0.18 a strict
 * tokener refuses bytes from 0x80 in strings, and numbers over 64 bits.
 */
static inline int
fuzz_json_flags(void)
{
	return json_c_version_num() < 18 << 8
	    ? JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8
	    : JSON_TOKENER_VALIDATE_UTF8;
}

/*
 * As fuzz_copy(), of the next piece of an input, in place of the piece before,
 * whose memory serves again where it has the same length: that is much faster.
 * The caller frees piece->ptr after the last.
 */
static inline void
fuzz_next_piece(struct span *piece, struct span bytes)
{
	if (piece->ptr == NULL || piece->len != bytes.len) {
		free((char *)piece->ptr);
		*piece = fuzz_copy((const uint8_t *)bytes.ptr, bytes.len);
		return;
	}
	memcpy((char *)piece->ptr, bytes.ptr, bytes.len);
}

/* Whether part lies within whole. */
static inline bool
fuzz_within(struct span part, struct span whole)
{
	return part.len == 0 ||
	    (part.ptr >= whole.ptr &&
		part.ptr + part.len <= whole.ptr + whole.len);
}

/* Bytes of a script, taken one after the other; 0 once they are used up. */
struct fuzz_script {
	const uint8_t *at;
	const uint8_t *end;
};

static inline unsigned
fuzz_byte(struct fuzz_script *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

#endif
