/*
 * SipHash-2-4: a hash for tables whose keys strangers choose.
 *
 * Without the 128-bit key nobody can find names that share a bucket, however
 * many they try and however exactly they measure.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
 */
#ifndef PEAL_SIPHASH_H
#define PEAL_SIPHASH_H

#include <stdint.h>

#include "base/span.h"

/* The key's 16 bytes, as two numbers of which the lowest byte comes first. */
struct siphash_key {
	uint64_t k0;
	uint64_t k1;
};

/*
 * Make a key that nobody can guess.
 *
 * Returns 0, or -errno as getrandom(2).
 */
int siphash_key_make(struct siphash_key *key);

/* The hash of the bytes of s, which may be empty. */
uint64_t siphash(const struct siphash_key *key, struct span s);

#endif
