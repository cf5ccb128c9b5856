#include "unit.h"

#include <stdint.h>

#include "base/siphash.h"

/* The key 00 01 .. 0f, and the bytes 00 01 .. that are hashed under it. */
static const struct siphash_key paper_key = {
	UINT64_C(0x0706050403020100),
	UINT64_C(0x0f0e0d0c0b0a0908),
};

static struct span
counting(size_t len)
{
	static char bytes[64];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	return (struct span){ bytes, len };
}

START_TEST(hash_of_the_papers_fifteen_bytes_is_the_papers)
{
	/* "SipHash: a fast short-input PRF", appendix A. */
	ck_assert_uint_eq(siphash(&paper_key, counting(15)),
	    UINT64_C(0xa129ca6149be45e5));
}
END_TEST

START_TEST(hashes_are_those_of_the_authors_own_program)
{
	/* From the table of 64 beside the authors' program, which hashes
	 * inputs of 0 to 63 bytes. */
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {
		{ 0, UINT64_C(0x726fdb47dd0e0e31) },
		{ 1, UINT64_C(0x74f839c593dc67fd) },
		{ 2, UINT64_C(0x0d6c8009d9a94f5a) },
		{ 3, UINT64_C(0x85676696d7fb7e2d) },
		{ 4, UINT64_C(0xcf2794e0277187b7) },
		{ 5, UINT64_C(0x18765564cd99a68d) },
		{ 6, UINT64_C(0xcbc9466e58fee3ce) },
		{ 7, UINT64_C(0xab0200f58b01d137) },
		{ 8, UINT64_C(0x93f5f5799a932462) },
		{ 9, UINT64_C(0x9e0082df0ba9e4b0) },
		{ 15, UINT64_C(0xa129ca6149be45e5) },
		{ 16, UINT64_C(0x3f2acc7f57c29bdb) },
		{ 17, UINT64_C(0x699ae9f52cbe4794) },
		{ 63, UINT64_C(0x958a324ceb064572) },
	};

	for (size_t i = 0; i < UNIT_COUNT(vectors); i++)
		ck_assert_uint_eq(siphash(&paper_key, counting(vectors[i].len)),
		    vectors[i].hash);
}
END_TEST

START_TEST(empty_span_without_a_pointer_is_hashed)
{
	ck_assert_uint_eq(siphash(&paper_key, (struct span){ NULL, 0 }),
	    siphash(&paper_key, SPAN("")));
}
END_TEST

START_TEST(every_bit_of_the_key_counts)
{
	uint64_t hash = siphash(&paper_key, SPAN("name"));

	for (unsigned bit = 0; bit < 128; bit++) {
		struct siphash_key key = paper_key;
		*(bit < 64 ? &key.k0 : &key.k1) ^= UINT64_C(1) << bit % 64;
		ck_assert_uint_ne(siphash(&key, SPAN("name")), hash);
	}
}
END_TEST

START_TEST(keys_that_are_made_differ)
{
	struct siphash_key one = { 0 };
	struct siphash_key two = { 0 };

	ck_assert_int_eq(siphash_key_make(&one), 0);
	ck_assert_int_eq(siphash_key_make(&two), 0);

	ck_assert_uint_ne(one.k0, two.k0);
	ck_assert_uint_ne(one.k1, two.k1);
	ck_assert_uint_ne(one.k0, one.k1);
}
END_TEST

UNIT_MAIN("siphash", hash_of_the_papers_fifteen_bytes_is_the_papers,
    hashes_are_those_of_the_authors_own_program,
    empty_span_without_a_pointer_is_hashed, every_bit_of_the_key_counts,
    keys_that_are_made_differ)
