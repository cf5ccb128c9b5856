/*
 * The status feed: those who look on.  They are streams of the streams without a
 * channel, and get the status of the arena and its workers about once a second,
 * taken and encoded once for all of them.  Nobody there: nothing is done.
 * One thread's.
 */
#ifndef PEAL_STATUS_FEED_H
#define PEAL_STATUS_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "server/fanout.h"
#include "server/streams.h"

struct status_feed {
	struct streams *streams;
	uint64_t next_ms; /* when they are told again; boot clock */
};

/*
 * Let an status stream in and tell it the status, or refuse it politely.  Frees the
 * arrival.
 */
void status_feed_admit(struct status_feed *g, struct subscriber *arrival,
    struct clock_now now, bool stopping);

/* Tell the status_streams, if it is time. */
void status_feed_timers(struct status_feed *g, struct clock_now now);

/* When status_feed_timers() has something to do; UINT64_MAX: never. */
uint64_t status_feed_deadline(const struct status_feed *g);

#endif
