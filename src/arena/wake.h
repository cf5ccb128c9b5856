/*
 * Waking workers, which is at once the proof that they live.
 *
 * Each worker reads a FIFO in the arena's folder, named after its slot.  A
 * byte in it wakes the worker's poll loop; a FIFO that nobody reads (ENXIO) means the
 * worker is gone, and its registrations are ended.  No process id is ever
 * guessed about.
 */
#ifndef PEAL_WAKE_H
#define PEAL_WAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/registry.h"
#include "arena/store.h"
#include "base/buf.h"
#include "base/clock.h"

/*
 * Become a worker of the store: claim a slot, open its FIFO for reading, attach.
 * *inbox is its descriptor, non-blocking, never at its end; it wants a
 * wake_drain() whenever it is readable.
 *
 * Returns 0, or -errno with why saying what went wrong.
 */
int wake_attach(struct store *s, struct clock_now now, int *inbox,
    struct buf *why);

/*
 * True while the arena and our FIFO are still where others find them.  Once
 * somebody has removed them, no event reaches us and none of ours others.
 */
bool wake_in_place(const struct store *s, int inbox);

/* Detach from the store and close the FIFO. */
void wake_detach(struct store *s, int inbox);

/*
 * Empty the FIFO and promise to look: whoever appends from here on sends a new
 * byte.  Call it before follow_news().
 */
void wake_drain(struct store *s, int inbox);

/* Sends to other workers, keeping some of their FIFOs open. */
struct wake {
	struct store *store;
	struct registry_wakes due; /* hand it to store_append() */
	int *fds;		   /* per slot; -1: not open */
	uint32_t open;
	uint32_t open_max;
	bool
	    own_news; /* this worker has some itself; whoever takes them resets it */
	int spare; /* to be closed for a FIFO when descriptors ran out; or -1 */
};

/*
 * open_max bounds the descriptors that are kept.  The process must ignore SIGPIPE,
 * which writing to a worker that is gone would raise.
 *
 * Returns 0 or -ENOMEM.
 */
int wake_init(struct wake *w, struct store *s, uint32_t open_max);
void wake_fini(struct wake *w);

/*
 * Append events and wake who listens, leaving out workers found gone from the
 * counts.  The store's own worker is not woken: own_news tells it.  Errors as store_append().
 */
int wake_append(struct wake *w, struct clock_now now,
    const struct store_event *events, size_t count,
    struct store_appended *appended);

#endif
