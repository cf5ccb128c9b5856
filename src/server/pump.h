/*
 * The pump: takes news out of the arena and writes them to the streams of this
 * worker, each with one flush for all that is pending.
 *
 * A channel with news is read once for all its streams that are up to date.  A
 * stream that is not, or that follows several channels, is "behind" and reads
 * for itself; so replay, catching up after a stall and the merging of channels are
 * one path.  One thread's.
 */
#ifndef PEAL_PUMP_H
#define PEAL_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "server/audience.h"
#include "server/gate.h"
#include "server/mailbox.h"
#include "server/stream.h"
#include "wire/request.h"
#include "wire/subscription.h"

/* The first block, a gap event, last words: what the pump puts behind a head. */
#define PUMP_WORDS_MAX 1024

/* A subscriber that arrives: an answered GET's peer and what it asks for. */
struct pump_arrival {
	struct letter letter;
	struct gate_peer peer;
	struct buf head; /* the header block, and room for the pump's words */
	struct subscription wanted;
	bool looks_on; /* for the gallery; wants no channel */
};

/* Frees the arrival, not its descriptor. */
void pump_arrival_free(struct pump_arrival *arrival);

struct pump {
	struct audience *audience;
	struct stream *behind;
	struct stream **behind_end;
	struct roster_channel *due; /* with news not yet fanned out */
	struct follow_segment segment;
	uint64_t repairs;     /* of the arena, at the last look */
	uint64_t next_due_ms; /* a channel waits for --coalesce */
	uint64_t pause_ms;    /* until then the arena is left alone */
	bool news;	      /* the arena has some that were not taken yet */
};

/* Returns 0 or -ENOMEM.  p may be ended by pump_fini() in any case. */
int pump_init(struct pump *p, struct audience *audience);
void pump_fini(struct pump *p);

/* Take a new stream in, or refuse it politely.  Frees the arrival. */
void pump_admit(struct pump *p, struct pump_arrival *arrival,
    struct clock_now now, bool stopping);

/* Look which channels have news.  After wake_drain().  What cannot be taken now
 * is taken by a later pass. */
void pump_take_news(struct pump *p, uint64_t boot_ms);

/* One pass: fan out what is due, serve who is behind, bury who is gone. */
void pump_pass(struct pump *p, uint64_t boot_ms);

/* epoll told something of a stream. */
void pump_stream_event(struct pump *p, struct stream *s, uint32_t events,
    uint64_t boot_ms);

/* When a pass or audience_timers() has something to do; UINT64_MAX: never. */
uint64_t pump_deadline(const struct pump *p);

/* End all streams in order. */
void pump_end_all(struct pump *p, uint64_t boot_ms);

#endif
