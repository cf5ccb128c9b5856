/*
 * The journal: what a critical section changes in the indexes, so that it can be
 * taken back.
 *
 * A process that dies under the lock leaves the indexes halfway between two states
 * that are in order.  Whoever finds that undoes its changes, some dozens, instead of
 * going through all blocks.  A section that fails goes back in the same way.
 *
 * What is not in the journal: blocks that are free, which say nothing; the bytes of
 * an event or a channel; statistics; and repair_arena(), which rebuilds everything.
 * A block that a section has given back must not be taken again before
 * journal_end(), since its bytes are needed to undo that.
 * Everything here wants the arena's lock to be held by the caller.
 */
#ifndef PEAL_JOURNAL_H
#define PEAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"
#include "arena/layout.h"

/* Change a word of the arena. */
void journal_set(struct arena *a, uint32_t *word, uint32_t value);
void journal_set_kind(struct arena *a, struct layout_block *block,
    enum layout_kind kind);
void journal_set_mark(struct arena *a, _Atomic uint64_t *mark, uint64_t value);

/* Everything is in order: the changes so far stay. */
void journal_end(struct arena *a);

/*
 * Take the changes back since journal_end().  Cut short, it can be begun again.
 *
 * Returns false where the journal does not have them all: repair the arena.
 */
bool journal_undo(struct arena *a);

/* From now on, and until journal_end(), a death calls for a repair. */
void journal_stop(struct arena *a);

#endif
