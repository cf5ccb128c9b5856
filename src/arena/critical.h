/*
 * Critical sections: work on the arena under its lock, with the repairs that a
 * dead owner or a broken index calls for.
 */
#ifndef PEAL_CRITICAL_H
#define PEAL_CRITICAL_H

#include <stdbool.h>

#include "arena/arena.h"

/*
 * The work of a critical section.  What it changes goes by the journal: where it
 * fails, everything since journal_end() is taken back, and where it does not, the
 * journal ends with it.  Where it returns -EUCLEAN it must be ready to be called
 * again.  Where it returns CRITICAL_MORE, it has done its part, left
 * everything in order, and is called again in a section of its own, before which
 * others had the lock.
 */
typedef int critical_work(struct arena *a, void *argument);
#define CRITICAL_MORE 1

/*
 * So many steps (arena.h) a section takes, and no more than what one event, one
 * channel or one bucket still needs: about half a millisecond.  Work does at least
 * one of these before it asks, or it would never come to an end.
 */
#define CRITICAL_STEPS 4096
bool critical_is_spent(const struct arena *a);

/*
 * Run work under the lock.  Where the last owner died, what it had not finished is
 * taken back first.  Where work finds an index broken, the arena is repaired, and
 * work gets a second try.
 *
 * Returns what work returned, or
 *   -ETIMEDOUT        the lock was not to be had in time; of work that takes
 *                     several sections a part may be done, otherwise nothing
 *   -ENOTRECOVERABLE  the lock is lost
 *   -EUCLEAN          broken, and a repair did not help
 */
int critical_run(struct arena *a, critical_work *work, void *argument);

/* What the next owner of the lock does after a death. */
void critical_recover(struct arena *a);

#endif
