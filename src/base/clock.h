/*
 * The time, twice: wall_ms is what event ids are made of and may step either
 * way; boot_ms never steps, counts suspended time, and is what ages and timers
 * are measured by.
 */
#ifndef PEAL_CLOCK_H
#define PEAL_CLOCK_H

#include <stdint.h>

struct clock_now {
	uint64_t wall_ms; /* since the epoch, CLOCK_REALTIME */
	uint64_t boot_ms; /* since boot, CLOCK_BOOTTIME; at least 1 */
};

struct clock_now clock_read(void);

/* Nanoseconds of a clock that never steps, to measure with.  CLOCK_MONOTONIC. */
uint64_t clock_measure_ns(void);

/* The boot this is: boot_ms of another one means nothing.  All 0 if unknown. */
void clock_boot_id(unsigned char id[16]);

#endif
