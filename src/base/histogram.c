#include "base/histogram.h"

/* The first doubling is counted one by one, each further one in equal steps. */
static unsigned
cell_of(uint64_t ns)
{
	const uint64_t steps = UINT64_C(1) << HISTOGRAM_STEPS_LOG2;

	if (ns < steps)
		return (unsigned)ns;
	unsigned top = 63 - (unsigned)__builtin_clzll(ns);
	if (top >= HISTOGRAM_TOP)
		return HISTOGRAM_CELLS - 1;
	unsigned shift = top - HISTOGRAM_STEPS_LOG2;
	return (unsigned)((shift + 1) * steps + (ns >> shift) - steps);
}

/* The greatest time that falls into a cell. */
static uint64_t
end_of(unsigned cell)
{
	const unsigned steps = 1U << HISTOGRAM_STEPS_LOG2;

	if (cell < steps)
		return cell;
	unsigned shift = cell / steps - 1;
	return ((UINT64_C(1) * steps + cell % steps + 1) << shift) - 1;
}

void
histogram_add(struct histogram *h, uint64_t ns)
{
	h->cells[cell_of(ns)]++;
	h->count++;
	if (h->max_ns < ns)
		h->max_ns = ns;
}

uint64_t
histogram_at(const struct histogram *h, unsigned per_mille)
{
	/* In this order a count of 2^54 still fits. */
	uint64_t wanted = (h->count * per_mille + 999) / 1000;
	uint64_t seen = 0;

	if (h->count == 0)
		return 0;
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
		seen += h->cells[i];
		if (seen < wanted || seen == 0)
			continue;
		/* The last cell has no end. */
		return i < HISTOGRAM_CELLS - 1 && end_of(i) < h->max_ns
		    ? end_of(i)
		    : h->max_ns;
	}
	return h->max_ns;
}
