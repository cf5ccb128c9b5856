/*
 * The fanout: takes news out of the arena and writes them to the streams of this
 * worker, each with one flush for all that is pending.
 *
 * A channel with news is read once for all its streams that are up to date.  A
 * stream that is not, or that follows several channels, is "behind" and reads
 * for itself; so replay, catching up after a stall and the merging of channels are
 * one path.  One thread's.
 */
#ifndef PEAL_FANOUT_H
#define PEAL_FANOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "server/fcgi.h"
#include "server/mailbox.h"
#include "server/stream.h"
#include "server/streams.h"
#include "wire/request.h"
#include "wire/subscription.h"

/* The first block, a gap event, last words: what the fanout puts behind a head. */
#define FANOUT_PREAMBLE_MAX 1024

/* A subscriber that arrives: an answered GET's peer and what it asks for. */
struct subscriber {
	struct letter letter;
	struct fcgi_peer peer;
	struct buf head; /* the header block, and room for the fanout's words */
	struct subscription wanted;
	bool is_status; /* for the status_feed; wants no channel */
};

/* Frees the arrival, not its descriptor. */
void fanout_arrival_free(struct subscriber *arrival);

struct fanout {
	struct streams *streams;
	struct stream *behind;
	struct stream **behind_end;
	struct subscriptions_channel *due; /* with news not yet fanned out */
	struct follow_segment segment;
	uint64_t repairs;     /* of the arena, at the last look */
	uint64_t next_due_ms; /* a channel waits for --coalesce */
	uint64_t pause_ms;    /* until then the arena is left alone */
	bool news;	      /* the arena has some that were not taken yet */
};

/* Returns 0 or -ENOMEM.  p may be ended by fanout_fini() in any case. */
int fanout_init(struct fanout *p, struct streams *streams);
void fanout_fini(struct fanout *p);

/* Take a new stream in, or refuse it politely.  Frees the arrival. */
void fanout_admit(struct fanout *p, struct subscriber *arrival,
    struct clock_now now, bool stopping);

/* Look which channels have news.  After wake_drain().  What cannot be taken now
 * is taken by a later pass. */
void fanout_take_news(struct fanout *p, uint64_t boot_ms);

/* One pass: fan out what is due, serve who is behind, bury who is gone. */
void fanout_pass(struct fanout *p, uint64_t boot_ms);

/* epoll told something of a stream. */
void fanout_stream_event(struct fanout *p, struct stream *s, uint32_t events,
    uint64_t boot_ms);

/* When a pass or streams_timers() has something to do; UINT64_MAX: never. */
uint64_t fanout_deadline(const struct fanout *p);

/* End all streams in order. */
void fanout_end_all(struct fanout *p, uint64_t boot_ms);

#endif
