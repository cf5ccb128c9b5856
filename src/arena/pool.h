/*
 * The pool of blocks: taking them, giving them back, chains of them.
 * Everything here wants the arena's lock to be held by the caller.
 *
 * A block number read from the arena is input.  These functions check it and
 * fail with -EUCLEAN where an index is broken; store.h then repairs.
 */
#ifndef PEAL_POOL_H
#define PEAL_POOL_H

#include <stdint.h>

#include "arena/arena.h"
#include "arena/layout.h"
#include "base/span.h"

/* The block of that number if it is of that kind; else NULL. */
struct layout_block *pool_block(const struct arena *a, uint32_t number,
    enum layout_kind kind);

uint32_t pool_number(const struct arena *a, const struct layout_block *block);

/* Blocks that can still be taken without anything being given back. */
uint32_t pool_left(const struct arena *a);

/* How many blocks bytes need when the first block holds first of them. */
uint32_t pool_chain_len(size_t bytes, size_t first);

/*
 * Take a block.  It is still FREE: fill it in, then call pool_commit().
 *
 * Returns its number; 0 when none is left.
 */
uint32_t pool_take(struct arena *a);

/* Make the block be of a kind; the last store, after all it says. */
void pool_commit(struct arena *a, struct layout_block *block,
    enum layout_kind kind);

/* Give back a chain: its first block ceases to be what it was first. */
void pool_give(struct arena *a, struct layout_block *first);

/*
 * Write two spans, one after the other, into a block whose own room is given
 * and into as many further blocks as it takes.  owner is its number.
 *
 * Returns 0, or -ENOSPC with nothing taken.
 */
int pool_write(struct arena *a, uint32_t owner, char *own, size_t own_room,
    struct span head, struct span tail);

/*
 * Copy len bytes of a chain to out, which has room for them.
 *
 * Returns 0, or -EUCLEAN when the chain is broken.
 */
int pool_read(const struct arena *a, const struct layout_block *first,
    const char *own, size_t own_room, char *out, size_t len);

/*
 * The last two of a chain's len bytes, of which there are that many.
 *
 * Returns 0, or -EUCLEAN when the chain is broken.
 */
int pool_read_end(const struct arena *a, const struct layout_block *first,
    const char *own, size_t own_room, size_t len, char end[2]);

#endif
