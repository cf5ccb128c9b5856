/*
 * What becomes of a stream on the way: how late its events are, and how long it is
 * counted after its client has gone, or while it does not read.
 *
 * Each uses a channel of its own, so that no answer is about another stream.
 */
#ifndef PEAL_STREAM_CHECKS_H
#define PEAL_STREAM_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/exchange.h"
#include "ctl/probe.h"

/* Judge the delays of the test events that have been published. */
void stream_checks_delays(struct probe *p);

/*
 * A client that has gone.  It leaves before the silence is listened to, and
 * stream_checks_gone() asks behind it whether it is still counted, first by its
 * heartbeats alone and then as events are written to it.
 */
struct stream_checks_leaver {
	bool left;	  /* there was a stream, and it was closed */
	uint64_t left_ns; /* clock_measure_ns() */
};

void stream_checks_leave(struct probe *p, struct stream_checks_leaver *l);
void stream_checks_gone(struct probe *p, const struct stream_checks_leaver *l);

/*
 * A viewer that does not read: publish eight megabytes to it, and see whether it
 * is still counted when the plan's stalled_ms have passed.  0: leave it out.
 */
void stream_checks_stalled(struct probe *p);

#endif
