/*
 * The fanout: takes news out of the arena and writes them to the streams of this
 * worker, each with one flush for all that is pending.
 *
 * A channel with news is read once for all its streams that are up to date.  A
 * stream that is not, or that follows several channels, is "behind" and reads
 * for itself; so replay, catching up after a stall and the merging of channels are
 * one path.
 */
#ifndef PEAL_FANOUT_H
#define PEAL_FANOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "server/connection.h"
#include "server/stream.h"
#include "server/streams.h"
#include "wire/subscription.h"

/* The first block and a gap event, or a refusal: what follows a header block. */
#define FANOUT_PREAMBLE_MAX 1024

struct fanout {
	struct streams *streams;
	struct stream *behind;
	struct stream **behind_end;
	struct subscriptions_channel *due; /* with news not yet fanned out */
	struct follow_segment segment;
	uint64_t repairs;     /* of the arena, at the last look */
	uint64_t next_due_ms; /* a channel waits for --coalesce */
	uint64_t pause_ms;    /* until then the arena is left alone */
	uint64_t busy_ms; /* its lock has been busy since then; 0: it is not */
	bool news;	  /* the arena has some that were not taken yet */
	bool hinted;	  /* a resume point in seconds was logged */
};

/* Returns 0 or -ENOMEM.  p may be ended by fanout_fini() in any case. */
int fanout_init(struct fanout *p, struct streams *streams);
void fanout_fini(struct fanout *p);

enum fanout_outcome {
	FANOUT_JOINED,	/* the connection is a stream, or has closed since */
	FANOUT_REFUSED, /* head is now a whole reply, to be sent */
	FANOUT_BUSY,	/* the lock is not to be had now; nothing was done */
};

/*
 * Make the connection a stream, or refuse it politely.  head is the header block,
 * with room for FANOUT_PREAMBLE_MAX more bytes.
 */
enum fanout_outcome fanout_join(struct fanout *p, struct connection *c,
    const struct subscription *wanted, struct buf *head, struct clock_now now,
    bool stopping);

/* Look which channels have news.  What cannot be taken now is taken by a later
 * pass. */
void fanout_take_news(struct fanout *p, uint64_t boot_ms);

/* One pass: fan out what is due, serve who is behind.  Pauses after each few
 * writes, see streams.h. */
void fanout_pass(struct fanout *p, uint64_t boot_ms);

/* epoll reported something of a stream. */
void fanout_stream_event(struct fanout *p, struct stream *s, uint32_t events,
    uint64_t boot_ms);

/* When a pass or streams_timers() has something to do; UINT64_MAX: never. */
uint64_t fanout_deadline(const struct fanout *p);

/* End all streams in order, and free them. */
void fanout_end_all(struct fanout *p, uint64_t boot_ms);

#endif
