/*
 * A histogram of times: how many were how long, to about three per cent, in a
 * fixed amount of memory.
 */
#ifndef PEAL_HISTOGRAM_H
#define PEAL_HISTOGRAM_H

#include <stdint.h>

/* 32 steps to a doubling, up to 2^40 ns (18 minutes), and one for all beyond. */
#define HISTOGRAM_STEPS_LOG2 5
#define HISTOGRAM_TOP 40
#define HISTOGRAM_CELLS                              \
	(((HISTOGRAM_TOP - HISTOGRAM_STEPS_LOG2 + 1) \
	     << HISTOGRAM_STEPS_LOG2) +              \
	    1)

struct histogram {
	uint64_t count;
	uint64_t max_ns;
	uint64_t cells[HISTOGRAM_CELLS];
};

void histogram_add(struct histogram *h, uint64_t ns);

/*
 * The time that so many per mille did not exceed, rounded up to a cell's end,
 * never above the greatest; 0 where nothing was added.
 */
uint64_t histogram_at(const struct histogram *h, unsigned per_mille);

#endif
