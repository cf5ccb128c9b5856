/*
 * The gallery: those who look on.  They are streams of the audience without a
 * channel, and get the status of the arena and its workers about once a second,
 * taken and encoded once for all of them.  Nobody there: nothing is done.
 * One thread's.
 */
#ifndef PEAL_GALLERY_H
#define PEAL_GALLERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "server/audience.h"
#include "server/pump.h"

struct gallery {
	struct audience *audience;
	uint64_t next_ms; /* when they are told again; boot clock */
};

/*
 * Let an onlooker in and tell it the status, or refuse it politely.  Frees the
 * arrival.
 */
void gallery_admit(struct gallery *g, struct pump_arrival *arrival,
    struct clock_now now, bool stopping);

/* Tell the onlookers, if it is time. */
void gallery_timers(struct gallery *g, struct clock_now now);

/* When gallery_timers() has something to do; UINT64_MAX: never. */
uint64_t gallery_deadline(const struct gallery *g);

#endif
