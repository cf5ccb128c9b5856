/*
 * The check of a load: what was published, what arrived, how long it took, and
 * whether anything was lost, came twice or out of order.
 *
 * Each publisher numbers its events to each channel; a subscriber must see every
 * publisher's numbers rise one by one.  Between publishers no order is promised.
 */
#ifndef PEAL_DELIVERY_CHECK_H
#define PEAL_DELIVERY_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/span.h"

/* What an event's data says of itself. */
struct delivery_check_mark {
	uint32_t publisher;
	uint32_t sequence; /* of this publisher, to this channel */
	uint64_t number;   /* of all events */
};

/* "PUBLISHER SEQUENCE NUMBER ": the longest, with its NUL. */
#define DELIVERY_CHECK_MARK_MAX 48

struct delivery_check_slot {
	struct delivery_check_mark mark;
	uint64_t sent_ns;
	uint32_t channel;
	uint32_t left; /* subscribers who have not got it */
	bool answered;
	bool open;
};

/* Sequences of a publisher that a subscriber has passed over: lost, so far. */
struct delivery_check_gap {
	uint32_t publisher;
	uint32_t begin;
	uint32_t end; /* the first behind it */
};

/* What a subscriber has seen: the next sequence, of each publisher. */
struct delivery_check_reader {
	uint32_t channel;
	uint32_t *next;
	struct delivery_check_gap *gaps;
	size_t gap_count;
	size_t gap_room;
};

struct delivery_check {
	uint32_t channels;
	uint32_t publishers;
	uint32_t *listeners; /* of each channel: those who read */
	uint32_t *sequences; /* the next, by publisher and channel */
	struct delivery_check_slot *slots;
	uint64_t mask;
	uint64_t next_number;
	uint64_t in_flight; /* published and not at their last subscriber */
	uint64_t published; /* answered well */
	uint64_t failed;    /* answered badly, or not */
	uint64_t deliveries;
	uint64_t lost;
	uint64_t duplicated;
	uint64_t disordered;
	struct histogram each; /* publish to a subscriber */
	struct histogram last; /* publish to the last subscriber */
	struct histogram post; /* publish to the answer */
};

/*
 * in_flight_max bounds the events whose times are kept.
 * Returns 0 or -ENOMEM; t may be ended by delivery_check_fini() in any case.
 */
int delivery_check_init(struct delivery_check *t, uint32_t channels,
    uint32_t publishers, uint64_t in_flight_max);
void delivery_check_fini(struct delivery_check *t);

/* A subscriber begins to read: from here on it must get all.  0 or -ENOMEM. */
int delivery_check_join(struct delivery_check *t,
    struct delivery_check_reader *r, uint32_t channel, bool from_the_first);

/*
 * It reads no more; what it has not got is not lost, and nobody waits for it.
 * Frees what r holds.
 */
void delivery_check_leave(struct delivery_check *t,
    struct delivery_check_reader *r);

/* Number the next event of a publisher. */
struct delivery_check_mark delivery_check_send(struct delivery_check *t,
    uint32_t publisher, uint32_t channel, uint64_t now_ns);

/* Its POST was answered. */
void delivery_check_answered(struct delivery_check *t, uint64_t number,
    bool good, uint64_t now_ns);

/*
 * It has arrived.  In a replay the time means nothing: timed is false.  What was
 * never sent to r's channel is not of this load, and not counted.
 */
void delivery_check_got(struct delivery_check *t,
    struct delivery_check_reader *r, const struct delivery_check_mark *mark,
    bool timed, uint64_t now_ns);

/* At the end: count what has never come as lost.  Frees what r holds. */
void delivery_check_close(struct delivery_check *t,
    struct delivery_check_reader *r);

/* A mark as an event's data begins with it, and back. */
size_t delivery_check_mark_print(const struct delivery_check_mark *mark,
    char out[DELIVERY_CHECK_MARK_MAX]);
bool delivery_check_mark_read(struct delivery_check_mark *mark,
    struct span data);

#endif
