/*
 * The store: whole operations on the arena, each in as many critical sections as
 * it needs; most need one.
 *
 * Do not share a handle over fork().
 *
 * Any operation that finds the last owner of the lock dead, or an index broken,
 * puts the arena in order first and goes on.  So all of them may also return
 *   -ETIMEDOUT        the lock was not to be had in time; nothing was done, or of
 *                     an operation in several sections a part that does no harm
 *   -ENOTRECOVERABLE  the lock is lost
 *   -EUCLEAN          broken, and a repair did not help
 */
#ifndef PEAL_STORE_H
#define PEAL_STORE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/arena.h"
#include "arena/registry.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/span.h"

struct store {
	struct arena arena;
	enum arena_state opened; /* how it was found */
	uint32_t damaged;	 /* blocks that opening it had to drop */
	uint32_t slot;		 /* after store_attach() */
	bool attached;
};

struct store_limits {
	uint64_t max_age_ms;
	uint32_t max_events; /* per channel */
};

/*
 * Open the arena at path; size 0 takes only one that is there.  limits, unless
 * NULL, become the arena's, for all its workers.  See arena_open() for errors.
 */
int store_open(struct store *s, const char *path, uint64_t size,
    const struct store_limits *limits, struct clock_now now, struct buf *why);

/* Detach if attached, and close.  s may be half open. */
void store_close(struct store *s);

/*
 * Become a worker: what an earlier owner of the slot left is removed.  The slot
 * comes from arena_claim(), and its FIFO must be open for reading before.
 */
int store_attach(struct store *s, uint32_t slot, struct clock_now now);

/* End all registrations and give the slot back. */
void store_detach(struct store *s);

/* An event to append. */
struct store_event {
	struct span channel; /* as event_channel_fault() lets pass */
	struct span body;    /* its block on the wire without the id line */
	struct span own_id; /* as event_own_id_fault() lets pass; empty: none */
	uint64_t id;	    /* 0: the next one; else greater than the last */

	/* It is the event before it, for another channel: body and own_id are
	 * the same, and it gets the id that the other has. */
	bool is_copy;
};

struct store_appended {
	uint64_t id;
	uint32_t subscribers; /* streams of the channel, over all workers */
	bool duplicate;	      /* nothing was stored: its own id is there */
};

/*
 * Append events, all or none.
 *
 * Each gets an id greater than all before it, from the clock where its id is
 * 0; copies share theirs.  The oldest events of all make room when there is none,
 * so this never fails for a full history.  wakes then holds the workers to wake.
 *
 * While an event with the same own id is kept, or is appended by the same call,
 * one without an id from outside is a duplicate: appended has that event's id, and
 * the streams its channel had when it was appended; 0 where the channel has no
 * copy of it.
 *
 * Returns 0, or
 *   -ESTALE   an id from outside is not greater than the last; nothing stored
 *   -EMSGSIZE the events need more than half of the arena
 *   -ENOSPC   channels and registrations fill the arena
 */
int store_append(struct store *s, struct clock_now now,
    const struct store_event *events, size_t count,
    struct store_appended *appended, struct registry_wakes *wakes);

/*
 * The id of the event that has this own id; of several, of the earliest.
 *
 * Returns 0, or -ENOENT when none is kept.
 */
int store_find(struct store *s, struct span own_id, uint64_t *id);

/* The streams that listen to a channel now, over all workers. */
int store_subscribers(struct store *s, struct span channel, uint32_t *count);

/*
 * The worker in slot is gone (its FIFO has no reader): end its registrations.
 * Does nothing where session is no longer its own, or it is this one.
 */
int store_reap(struct store *s, uint32_t slot, uint32_t session);

/*
 * Clear away what is too old and nobody has cleared away yet, so that it does not
 * count.  Takes as many critical sections as it needs, and sections at most.
 */
int store_expire(struct store *s, struct clock_now now, unsigned sections);
#define STORE_EXPIRE_ALL UINT_MAX

/*
 * Remove the events that a channel has now; those that come meanwhile stay.  Takes as
 * many critical sections as it needs.  Returns 0, or -ENOENT.
 */
int store_purge(struct store *s, struct span channel);

/*
 * Check that the arena can be worked with: its file is where it was opened, and
 * its lock can be had.
 *
 * Returns 0, -ENOENT where the file was removed or replaced, or as
 * critical_run().
 */
int store_check(struct store *s);

/* The id of the newest event of the arena.  No lock. */
uint64_t store_last_id(const struct store *s);

/* How often the arena was repaired while it was in use.  No lock. */
uint64_t store_repairs(const struct store *s);

/* Add to a counter of this worker.  No lock. */
void store_count(struct store *s, enum layout_total total, uint64_t by);
void store_count_streams(struct store *s, uint32_t streams);

#endif
