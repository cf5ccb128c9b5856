#include "base/siphash.h"

#include <errno.h>
#include <sys/random.h>

/* Rounds for each word of input, and at the end: the "2-4" of its name. */
#define COMPRESSION_ROUNDS 2
#define FINALIZATION_ROUNDS 4

int
siphash_key_make(struct siphash_key *key)
{
	ssize_t len;

	/* A signal can interrupt it only before the kernel has collected its
	 * first randomness; so few bytes never come in parts. */
	do {
		len = getrandom(key, sizeof(*key), 0);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	return len == (ssize_t)sizeof(*key) ? 0 : -EIO;
}

static uint64_t
rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

/* The paper, section 2.1: SipRound. */
static void
mix(uint64_t v[4], int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void
compress(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mix(v, COMPRESSION_ROUNDS);
	v[0] ^= word;
}

/* A word of at most eight bytes, the lowest first. */
static uint64_t
word_at(const char *bytes, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
	return word;
}

uint64_t
siphash(const struct siphash_key *key, struct span s)
{
	/* The paper, section 2.1: "somepseudorandomlygeneratedbytes". */
	uint64_t v[4] = {
		key->k0 ^ UINT64_C(0x736f6d6570736575),
		key->k1 ^ UINT64_C(0x646f72616e646f6d),
		key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t done = 0;

	for (; s.len - done >= 8; done += 8)
		compress(v, word_at(s.ptr + done, 8));
	/* The last word has what is left, and the length in its top byte. */
	uint64_t last = (uint64_t)s.len << 56;
	if (s.len > done)
		last |= word_at(s.ptr + done, s.len - done);
	compress(v, last);
	v[2] ^= 0xff;
	mix(v, FINALIZATION_ROUNDS);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
