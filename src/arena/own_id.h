/*
 * The index of the ids that publishers gave their events.
 *
 * An event that was published to several channels is there as often, each time
 * with the same id; the first of them in the list of all events stands for all.
 * Everything here wants the arena's lock to be held by the caller.
 * Functions that return an error may return -EUCLEAN: an index is broken.
 */
#ifndef PEAL_OWN_ID_H
#define PEAL_OWN_ID_H

#include "arena/arena.h"
#include "arena/layout.h"
#include "base/event.h"
#include "base/span.h"

/* Take the own id out of an event; out has room for EVENT_OWN_ID_MAX bytes. */
int own_id_read(const struct arena *a, const struct layout_block *event,
    char out[EVENT_OWN_ID_MAX], struct span *own_id);

/* What stands for an own id in a mark; never 0. */
uint64_t own_id_hash(const struct arena *a, struct span own_id);

/* The bucket of the index in which an event with this own id stands. */
uint32_t own_id_bucket(const struct arena *a, struct span own_id);

/*
 * Find the event with this own id; of several the earliest, so that who resumes
 * there misses nothing.  *event is NULL when there is none.
 */
int own_id_find(const struct arena *a, struct span own_id,
    struct layout_block **event);

/* The event under its next channel, or NULL. */
struct layout_block *own_id_next_copy(const struct arena *a,
    const struct layout_block *event);

/*
 * Enter an event that has just been linked at the end of the arena's list.
 * Nothing is done for one without an own id, or whose first copy is entered.
 */
int own_id_link(struct arena *a, struct layout_block *event);

/*
 * Take an event out, before it leaves the arena's list; its next copy takes
 * its place.
 */
int own_id_unlink(struct arena *a, struct layout_block *event);

#endif
