/*
 * Rebuilding every index of the arena from its committed blocks.
 *
 * The answer to an arena that is opened again, to an index that turns out to be
 * broken, and to a process that died inside a critical section where the journal does
 * not suffice.  It may itself be cut short at any step and be begun anew: nothing it
 * writes is needed by the next attempt.
 */
#ifndef PEAL_REPAIR_H
#define PEAL_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"

/*
 * Repair the arena, whose lock the caller holds or which nobody else has open.
 *
 * Kept: events that are committed and whole, channels, forgotten marks, the
 * registrations of present owners.  Freed: all else.  A committed event that
 * is not whole is remembered as forgotten, so that a gap is told.  Every kept
 * registration is marked as having news, and header.wake_all is set.
 *
 * With whole, blocks that are said never to have been used are looked at as
 * well: for when the index itself was found broken.
 *
 * Returns how many committed blocks had to be dropped because they were not
 * sound.  A process that dies leaves none, wherever it dies: something else
 * has written into the file.
 */
uint32_t repair_arena(struct arena *a, bool whole);

#endif
