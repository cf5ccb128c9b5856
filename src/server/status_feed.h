/*
 * The status feed: streams without a channel, which get the status of the arena and
 * its workers about once a second, taken and encoded once for all of them.  Where
 * there are none, nothing is done.
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
	uint64_t next_ms; /* when they get the next status; boot clock */
};

/*
 * Make the connection a status stream and send it the status, or refuse it
 * politely.  head and the outcome are as fanout_join() has them.
 */
enum fanout_outcome status_feed_join(struct status_feed *g,
    struct connection *c, struct buf *head, struct clock_now now,
    bool stopping);

/* Send the status to all status streams, if it is time. */
void status_feed_timers(struct status_feed *g, struct clock_now now);

/* When status_feed_timers() has something to do; UINT64_MAX: never. */
uint64_t status_feed_deadline(const struct status_feed *g);

#endif
