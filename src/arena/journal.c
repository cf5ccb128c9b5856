/*
 * A change is noted before it is made, and counted before it is made: whoever
 * dies in between leaves a note of a word that still is as it was, and to undo that
 * changes nothing.  Only the order in which one processor does these matters, since
 * what a dead process has stored is seen by the next owner of the lock: so it is
 * the compiler that is kept from changing it.
 */
#include "arena/journal.h"

#include <stdatomic.h>
#include <stddef.h>

#define STOPPED (LAYOUT_CHANGES + 1)

/* The place of a word in the file; the lowest bit says that it is a long one. */
static uint64_t
place_of(const struct arena *a, const void *word)
{
	return (uint64_t)((const char *)word - (const char *)a->map);
}

/*
 * Whether a word of the header has its note: the head of the free list and the like
 * are changed again and again, and noted once.
 */
static bool
is_noted(struct arena *a, uint64_t at)
{
	const uint64_t first = offsetof(struct layout_header, last_id);
	uint64_t bit;

	if (at < first || (at - first) / 4 >= 64)
		return false;
	bit = UINT64_C(1) << (at - first) / 4;
	if ((a->noted & bit) != 0)
		return true;
	a->noted |= bit;
	return false;
}

static void
note(struct arena *a, uint64_t at, uint64_t before)
{
	struct layout_header *h = a->header;

	if (is_noted(a, at))
		return;
	uint32_t count =
	    atomic_load_explicit(&h->changes, memory_order_relaxed);
	if (count >= LAYOUT_CHANGES) {
		journal_stop(a);
		return;
	}
	a->changes[count] = (struct layout_change){ at, before };
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&h->changes, count + 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void
journal_set(struct arena *a, uint32_t *word, uint32_t value)
{
	note(a, place_of(a, word), *word);
	*word = value;
}

void
journal_set_kind(struct arena *a, struct layout_block *block,
    enum layout_kind kind)
{
	note(a, place_of(a, &block->kind), atomic_load(&block->kind));
	atomic_store_explicit(&block->kind, kind, memory_order_release);
}

void
journal_set_mark(struct arena *a, _Atomic uint64_t *mark, uint64_t value)
{
	note(a, place_of(a, mark) | 1, atomic_load(mark));
	atomic_store_explicit(mark, value, memory_order_release);
}

void
journal_end(struct arena *a)
{
	a->noted = 0;
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&a->header->changes, 0, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void
journal_stop(struct arena *a)
{
	atomic_store_explicit(&a->header->changes, STOPPED,
	    memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Put a word back; what the journal says is input.  Returns false if it cannot be. */
static bool
put_back(const struct arena *a, const struct layout_change *change)
{
	uint64_t at = change->at & ~UINT64_C(1);
	size_t len =
	    (change->at & 1) != 0 ? sizeof(uint64_t) : sizeof(uint32_t);
	char *map = a->map;

	/* Of the header, words between what never changes and the locks. */
	if (at % len != 0 || at > a->map_len - len ||
	    at < offsetof(struct layout_header, last_id) ||
	    (at + len > offsetof(struct layout_header, mutex) &&
		at < place_of(a, a->workers)))
		return false;
	if (len == sizeof(uint64_t))
		atomic_store((_Atomic uint64_t *)(void *)(map + at),
		    change->before);
	else
		atomic_store((_Atomic uint32_t *)(void *)(map + at),
		    (uint32_t)change->before);
	return true;
}

bool
journal_undo(struct arena *a)
{
	uint32_t count = atomic_load(&a->header->changes);
	bool good = count <= LAYOUT_CHANGES;

	for (uint32_t i = count; good && i > 0; i--)
		good = put_back(a, &a->changes[i - 1]);
	if (good)
		journal_end(a);
	return good;
}
