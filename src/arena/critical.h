/*
 * Critical sections: work on the arena under its lock, with the repairs that a
 * dead owner or a broken index calls for.
 */
#ifndef PEAL_CRITICAL_H
#define PEAL_CRITICAL_H

#include "arena/arena.h"

/*
 * The work of one critical section.  Where it returns -EUCLEAN it must be
 * ready to be called again.
 */
typedef int critical_work(struct arena *a, void *argument);

/*
 * Run work under the lock.  Where the last owner died, or work finds an index
 * broken, the arena is repaired first; work then gets a second try.
 *
 * Returns what work returned, or
 *   -ETIMEDOUT        the lock was not to be had in time; nothing was done
 *   -ENOTRECOVERABLE  the lock is lost
 *   -EUCLEAN          broken, and a repair did not help
 */
int critical_run(struct arena *a, critical_work *work, void *argument);

#endif
