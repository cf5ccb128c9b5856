/*
 * pealctl top: what goes on, again and again.
 */
#ifndef PEAL_TOP_H
#define PEAL_TOP_H

#include <stdint.h>

#include "arena/store.h"

/*
 * Show rates and the busiest channels every interval: in place where standard
 * input and output are a terminal, until q or a signal; else a line for each
 * interval.  rounds is how many there are; 0: no end.
 *
 * A line is
 *   MS published=N delivered=N streams=N channels=N events=N used=N
 * with the milliseconds of the epoch, rates a second, and bytes.
 *
 * Returns 0; -ESTALE where the arena was removed or made anew; or -errno.
 */
int top_run(struct store *s, uint64_t interval_ms, uint64_t rounds);

#endif
