/*
 * Numbers in decimal, and sizes and times as people write them: "64M", "3000ms",
 * "20m".
 */
#ifndef PEAL_UNITS_H
#define PEAL_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* The longest printed amount: 20 digits, two letters, NUL. */
#define UNITS_CHARS 24

#define UNITS_KIB UINT64_C(1024)
#define UNITS_MIB (UNITS_KIB * 1024)
#define UNITS_GIB (UNITS_MIB * 1024)

/* Milliseconds. */
#define UNITS_SECOND UINT64_C(1000)
#define UNITS_DAY (UNITS_SECOND * 24 * 60 * 60)

/* The units of a kind of amount, the greatest first; a NULL name ends them. */
struct unit {
	const char *name;
	uint64_t factor;
};

extern const struct unit units_of_size[];  /* K, M, G; bytes */
extern const struct unit units_of_time[];  /* ms to d; milliseconds */
extern const struct unit units_of_count[]; /* none */

/*
 * Read a number and its unit.  Where none is written, bare is the factor.
 *
 * Returns 0, or
 *   -EINVAL  something else than digits and one of the units
 *   -ERANGE  over UINT64_MAX; *amount is then that
 */
int units_parse(const char *text, const struct unit *units, uint64_t bare,
    uint64_t *amount);

/* Print a number in decimal, without a NUL.  Returns how many digits it has; there
 * must be room for UNITS_DIGITS_MAX. */
#define UNITS_DIGITS_MAX 20
size_t units_print_u64(uint64_t value, char *out);

/* Print in the greatest unit that divides the amount. */
void units_print(char out[UNITS_CHARS], uint64_t amount,
    const struct unit *units);

#endif
