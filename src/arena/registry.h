/*
 * Who listens to what: registrations of (channel, worker) with a count of
 * streams, and each worker's list of those with news.
 * Everything here wants the arena's lock to be held by the caller.
 */
#ifndef PEAL_REGISTRY_H
#define PEAL_REGISTRY_H

#include <stdint.h>

#include "arena/arena.h"
#include "arena/layout.h"

/*
 * The registration of that number, if the worker in slot made it in its present
 * session; else NULL.
 */
struct layout_block *registry_own(const struct arena *a, uint32_t number,
    uint32_t slot);

/*
 * Register the worker in slot for a channel, with no streams yet.  cookie is
 * given back by registry_pop().
 *
 * Returns 0, -ENOSPC or -EUCLEAN.
 */
int registry_add(struct arena *a, struct layout_block *channel, uint32_t slot,
    uint32_t cookie, struct layout_block **registration);

/* Add to a registration's count of streams and to its channel's. */
int registry_grow(struct arena *a, struct layout_block *registration,
    uint32_t by);

/*
 * Take one stream from a registration.  The last one ends the registration, and
 * gives the channel's block back where nothing is kept in it.
 */
int registry_shrink(struct arena *a, struct layout_block *registration);

/*
 * End the registrations of the worker in slot, as far as the section lasts, and the
 * journal after each.
 *
 * Returns 0 when there are none, CRITICAL_MORE, or -EUCLEAN.
 */
int registry_reap(struct arena *a, uint32_t slot);

/* A set of workers' slots, for those to be woken. */
struct registry_wakes {
	uint32_t *slots; /* count of them, each once */
	uint32_t count;
	uint32_t room;	/* every worker of the arena */
	uint32_t *seen; /* per slot: the round that added it */
	uint32_t round;
};

/* Returns 0 or -ENOMEM. */
int registry_wakes_init(struct registry_wakes *w, const struct arena *a);
void registry_wakes_fini(struct registry_wakes *w);
void registry_wakes_clear(struct registry_wakes *w);
void registry_wakes_add(struct registry_wakes *w, uint32_t slot);

/*
 * Put all registrations of a channel on their workers' lists of those with news, and
 * the workers into wakes.  Everything must be in order: it ends the journal after
 * each.
 */
int registry_mark(struct arena *a, struct layout_block *channel,
    struct registry_wakes *wakes);

/*
 * Take one registration off the worker's list of those with news.
 *
 * Returns 1 and its cookie, 0 when the list is empty, or -EUCLEAN.
 */
int registry_pop(struct arena *a, uint32_t slot, uint32_t *cookie);

/* Put a registration into the lists of its channel and its worker, and mark it. */
int registry_link(struct arena *a, struct layout_block *registration);

#endif
