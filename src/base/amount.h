/*
 * Sizes and times as people write them: "64M", "3000ms", "20m".
 */
#ifndef PEAL_AMOUNT_H
#define PEAL_AMOUNT_H

#include <stdint.h>

/* The longest printed amount: 20 digits, two letters, NUL. */
#define AMOUNT_CHARS 24

#define AMOUNT_KIB UINT64_C(1024)
#define AMOUNT_MIB (AMOUNT_KIB * 1024)
#define AMOUNT_GIB (AMOUNT_MIB * 1024)

/* Milliseconds. */
#define AMOUNT_SECOND UINT64_C(1000)
#define AMOUNT_DAY (AMOUNT_SECOND * 24 * 60 * 60)

/* The units of a kind of amount, the greatest first; a NULL name ends them. */
struct amount_unit {
	const char *name;
	uint64_t factor;
};

extern const struct amount_unit amount_sizes[];	 /* K, M, G; bytes */
extern const struct amount_unit amount_times[];	 /* ms to d; milliseconds */
extern const struct amount_unit amount_counts[]; /* none */

/*
 * Read a number and its unit.  Where none is written, bare is the factor.
 *
 * Returns 0, or
 *   -EINVAL  something else than digits and one of the units
 *   -ERANGE  over UINT64_MAX; *amount is then that
 */
int amount_parse(const char *text, const struct amount_unit *units,
    uint64_t bare, uint64_t *amount);

/* Print in the greatest unit that divides the amount. */
void amount_print(char out[AMOUNT_CHARS], uint64_t amount,
    const struct amount_unit *units);

#endif
