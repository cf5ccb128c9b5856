/*
 * A block is taken off the free list before it is filled in, and goes back
 * after its kind was cleared: a process that dies in between leaves a block in
 * no list, which repair finds by its kind.
 */
#include "arena/pool.h"

#include <errno.h>
#include <string.h>

#include "arena/journal.h"

struct layout_block *
pool_block(const struct arena *a, uint32_t number, enum layout_kind kind)
{
	if (number == LAYOUT_NONE || number >= a->block_count)
		return NULL;
	a->meter->steps++;
	struct layout_block *block = &a->blocks[number];
	if (atomic_load_explicit(&block->kind, memory_order_acquire) != kind)
		return NULL;
	return block;
}

uint32_t
pool_number(const struct arena *a, const struct layout_block *block)
{
	return (uint32_t)(block - a->blocks);
}

uint32_t
pool_left(const struct arena *a)
{
	uint32_t all = a->block_count - 1;

	return a->header->used < all ? all - a->header->used : 0;
}

uint32_t
pool_chain_len(size_t bytes, size_t first)
{
	if (bytes <= first)
		return 1;
	return 1 +
	    (uint32_t)((bytes - first + LAYOUT_MORE_BYTES - 1) /
		LAYOUT_MORE_BYTES);
}

uint32_t
pool_take(struct arena *a)
{
	struct layout_header *h = a->header;
	uint32_t number = h->free_head;
	struct layout_block *block = pool_block(a, number, LAYOUT_FREE);

	if (block != NULL) {
		journal_set(a, &h->free_head, block->more);
	} else {
		/* Blocks that were never used follow the list, so that the
		 * segments of an arena that is hardly used stay untouched. */
		number = h->fresh;
		if (number == LAYOUT_NONE || number >= a->block_count)
			return LAYOUT_NONE;
		block = &a->blocks[number];
		if (atomic_load(&block->kind) != LAYOUT_FREE)
			return LAYOUT_NONE;
		journal_set(a, &h->fresh, number + 1);
	}
	journal_set(a, &block->more, LAYOUT_NONE);
	journal_set(a, &h->used, h->used + 1);
	if (h->used > h->peak)
		h->peak = h->used;
	return number;
}

void
pool_commit(struct arena *a, struct layout_block *block, enum layout_kind kind)
{
	journal_set_kind(a, block, kind);
}

void
pool_give(struct arena *a, struct layout_block *first)
{
	struct layout_header *h = a->header;
	uint32_t owner = pool_number(a, first);
	struct layout_block *block = first;

	/* Each block is free before the list knows it: a crash in between
	 * leaves a block that the repair finds. */
	while (block != NULL) {
		uint32_t next = block->more;
		journal_set_kind(a, block, LAYOUT_FREE);
		journal_set(a, &block->more, h->free_head);
		journal_set(a, &h->free_head, pool_number(a, block));
		journal_set(a, &h->used, h->used - 1);
		block = pool_block(a, next, LAYOUT_MORE);
		if (block != NULL && block->rest.owner != owner)
			block = NULL;
	}
}

static struct span
put_bytes(char *to, size_t room, struct span from)
{
	size_t len = from.len < room ? from.len : room;

	/* The empty span may be NULL, to which not even 0 may be added. */
	if (len == 0)
		return from;
	memcpy(to, from.ptr, len);
	return (struct span){ from.ptr + len, from.len - len };
}

/* Fill room from head, then tail; both advance. */
static void
put_both(char *to, size_t room, struct span *head, struct span *tail)
{
	size_t before = head->len;

	*head = put_bytes(to, room, *head);
	size_t done = before - head->len;
	*tail = put_bytes(to + done, room - done, *tail);
}

int
pool_write(struct arena *a, uint32_t owner, char *own, size_t own_room,
    struct span head, struct span tail)
{
	struct layout_block *last = &a->blocks[owner];
	uint32_t wanted = pool_chain_len(head.len + tail.len, own_room) - 1;

	if (wanted > pool_left(a))
		return -ENOSPC;
	put_both(own, own_room, &head, &tail);
	while (head.len + tail.len > 0) {
		uint32_t number = pool_take(a);
		/* Room was counted above, so a broken index is why. */
		if (number == LAYOUT_NONE)
			return -EUCLEAN;
		struct layout_block *block = &a->blocks[number];
		block->rest.owner = owner;
		put_both(block->rest.bytes, LAYOUT_MORE_BYTES, &head, &tail);
		pool_commit(a, block, LAYOUT_MORE);
		journal_set(a, &last->more, number);
		last = block;
	}
	return 0;
}

/* Step from a block of a chain to the next, which must be its owner's. */
static const struct layout_block *
next_of(const struct arena *a, uint32_t owner, const struct layout_block *block)
{
	const struct layout_block *next =
	    pool_block(a, block->more, LAYOUT_MORE);

	return next != NULL && next->rest.owner == owner ? next : NULL;
}

int
pool_read(const struct arena *a, const struct layout_block *first,
    const char *own, size_t own_room, char *out, size_t len)
{
	const struct layout_block *block = first;
	size_t part = len < own_room ? len : own_room;

	memcpy(out, own, part);
	while (len > part) {
		out += part;
		len -= part;
		block = next_of(a, pool_number(a, first), block);
		if (block == NULL)
			return -EUCLEAN;
		part = len < LAYOUT_MORE_BYTES ? len : LAYOUT_MORE_BYTES;
		memcpy(out, block->rest.bytes, part);
	}
	return 0;
}

int
pool_read_end(const struct arena *a, const struct layout_block *first,
    const char *own, size_t own_room, size_t len, char end[2])
{
	const struct layout_block *block = first;
	const char *bytes = own;
	size_t room = own_room;

	while (len > room) {
		/* Two bytes may be parted by the end of a block. */
		if (len == room + 1)
			end[0] = bytes[room - 1];
		len -= room;
		block = next_of(a, pool_number(a, first), block);
		if (block == NULL)
			return -EUCLEAN;
		bytes = block->rest.bytes;
		room = LAYOUT_MORE_BYTES;
	}
	if (len > 1)
		end[0] = bytes[len - 2];
	end[1] = bytes[len - 1];
	return 0;
}
