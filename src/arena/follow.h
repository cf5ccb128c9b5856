/*
 * Following channels: a stream joins, reads what is new after its cursor, and
 * leaves.  Each function is one critical section of a store that is attached.
 *
 * A stream is a cursor, never a queue: however slow it is, it keeps nothing.
 */
#ifndef PEAL_FOLLOW_H
#define PEAL_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/store.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/span.h"

/* A channel to join. */
struct follow_join {
	struct span name;
	uint32_t cookie; /* given back by follow_news() */
	uint32_t
	    registration;   /* in: the registration, 0 for none yet; out: it */
	uint64_t gap_known; /* out: what it had forgotten up to here is known */
};

/* Where a new stream begins. */
struct follow_joined {
	uint64_t cursor;    /* read on after this */
	uint64_t gap_known; /* the highest of the channels' own */
	uint64_t start_id;  /* the id for the stream's first block */
	bool gap;	    /* something after the resume point is gone */
	uint64_t gap_id;    /* the id for the gap event */
	uint64_t gap_from;  /* the oldest event kept, or now */
	uint64_t now;	    /* the newest event of the arena */
	bool backlog;	    /* there is something to read at once */
};

/*
 * Register a stream for count channels and find its resume point, in one
 * critical section: join first, then read, so that nothing can fall between.
 * Where an event is kept that has resume.own_id, or was the last one that a channel
 * let go of, the point is that event.
 *
 * An id from outside this arena's past (greater than the last) is treated
 * as unreadable; an instant in the future is now.
 *
 * Returns 0, or -ENOSPC with nothing registered.
 */
int follow_join(struct store *s, struct clock_now now,
    struct follow_join *joins, size_t count, struct event_resume resume,
    struct follow_joined *joined);

/* A stream goes: take it from its registrations. */
int follow_leave(struct store *s, const uint32_t *registrations, size_t count);

/* Reads events of some channels, in one order. */
struct follow_reader {
	const uint32_t *registrations;
	size_t count; /* at most FOLLOW_READER_MAX */
	uint64_t cursor;
	uint64_t gap_known; /* what was forgotten up to here is known */
	const uint64_t
	    *gaps_known; /* the same, for each registration; NULL: gap_known */
	uint32_t hint;	 /* 0 at first; kept by follow_read() */
};
#define FOLLOW_READER_MAX 64

/* What was read: bytes as they go on the wire, and where each event ends. */
struct follow_segment {
	char *bytes;
	size_t room;
	size_t len;
	struct follow_mark {
		uint64_t id;
		size_t end;
	} * marks;
	size_t marks_room;
	size_t marks_len;
	bool more;     /* it was full before everything was read */
	size_t wanted; /* room needed, after -EMSGSIZE */
};

/*
 * Append to segment the events after the reader's cursor, oldest first, and move
 * the cursor.  At most room bytes.  An event that several of the channels have is
 * read once.
 *
 * Returns 0, or
 *   -ENODATA   events it needs are gone: it was too slow
 *   -ESTALE    a registration is no longer ours
 *   -EMSGSIZE  the next event alone is larger than segment->room; segment->wanted tells
 */
int follow_read(struct store *s, struct follow_reader *reader,
    struct follow_segment *segment);

/*
 * Append one event to segment, for who reads in a section of their own: the caller
 * holds the lock.
 *
 * Returns 0, -EMSGSIZE where it is larger than what is left of the segment, or
 * -EUCLEAN.
 */
int follow_copy_event(const struct arena *a, struct follow_segment *segment,
    const struct layout_block *event);

/*
 * Take up to room cookies of registrations that have news.
 *
 * Returns their number, or -errno.
 */
int follow_news(struct store *s, uint32_t *cookies, size_t room);

#endif
