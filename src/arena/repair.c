/*
 * All indexes are forgotten first.  Then channels are put into their buckets,
 * registrations into their lists, and the committed events, sorted by id, into
 * theirs; what is not whole is dropped and leaves a mark.  The free list comes last:
 * it is all that nobody has claimed.  Nothing written here is read by the next
 * attempt, so a repair may be cut short at any step.
 */
#include "arena/repair.h"

#include "arena/channel.h"
#include "arena/journal.h"
#include "arena/pool.h"
#include "arena/registry.h"
#include "base/event.h"

/* Claimed: part of the chain of a block that is kept. */
#define UNCLAIMED 0
#define CLAIMED 1

/* More streams than this on one registration are garbled bytes. */
#define COUNT_MAX (UINT32_C(1) << 24)

/*
 * Nothing was forgotten that was never there: a mark above the newest event went
 * bad, and would hide all that are still to come.
 */
static void
lower_mark(const struct arena *a, struct layout_mark *mark)
{
	uint64_t last = atomic_load(&a->header->last_id);

	if (atomic_load(&mark->id) <= last)
		return;
	atomic_store(&mark->own_id, 0);
	atomic_store(&mark->id, last);
}

static void
forget_indexes(struct arena *a, bool whole)
{
	struct layout_header *h = a->header;

	if (whole || h->fresh == 0 || h->fresh > a->block_count)
		h->fresh = a->block_count;
	h->free_head = LAYOUT_NONE;
	h->used = 0;
	h->oldest = LAYOUT_NONE;
	h->newest = LAYOUT_NONE;
	h->events = 0;
	h->channels = 0;
	h->pinned = 0;
	for (uint32_t i = 0; i < a->bucket_count; i++) {
		a->buckets[i].channels = LAYOUT_NONE;
		a->buckets[i].own_ids = LAYOUT_NONE;
		lower_mark(a, &a->buckets[i].forgotten);
	}
	for (uint32_t i = 0; i < a->worker_count; i++) {
		a->workers[i].registrations = LAYOUT_NONE;
		a->workers[i].dirty = LAYOUT_NONE;
	}
	for (uint32_t i = 1; i < h->fresh; i++) {
		struct layout_block *b = &a->blocks[i];
		if (atomic_load(&b->kind) == LAYOUT_MORE)
			b->rest.pad = UNCLAIMED;
	}
}

/*
 * Walk the chain of a first block that needs len bytes, and claim it where it is
 * whole.  A chain that is longer than it needs to be is cut.
 */
static bool
claim_chain(struct arena *a, struct layout_block *first, size_t len,
    size_t own_room)
{
	uint32_t owner = pool_number(a, first);
	uint32_t wanted = pool_chain_len(len, own_room) - 1;
	struct layout_block *b = first;
	uint32_t done = 0;

	for (; done < wanted; done++) {
		struct layout_block *next = pool_block(a, b->more, LAYOUT_MORE);
		if (next == NULL || next->rest.owner != owner ||
		    next->rest.pad == CLAIMED)
			break;
		/* At once, so that a circle is met as a block claimed before. */
		next->rest.pad = CLAIMED;
		b = next;
	}
	if (done == wanted) {
		b->more = LAYOUT_NONE;
		return true;
	}
	for (b = first; done > 0; done--) {
		b = &a->blocks[b->more];
		b->rest.pad = UNCLAIMED;
	}
	return false;
}

static void
unclaim(struct arena *a, struct layout_block *first)
{
	for (struct layout_block *b = first; b->more != LAYOUT_NONE;) {
		b = &a->blocks[b->more];
		b->rest.pad = UNCLAIMED;
	}
	pool_commit(a, first, LAYOUT_FREE);
}

/* Returns false if it had to be dropped. */
static bool
repair_channel(struct arena *a, struct layout_block *b)
{
	struct layout_channel *c = &b->channel;
	char name[EVENT_CHANNEL_MAX];
	struct layout_block *twin = NULL;
	size_t len;

	c->next = LAYOUT_NONE;
	c->newest = LAYOUT_NONE;
	c->oldest = LAYOUT_NONE;
	c->events = 0;
	c->registrations = LAYOUT_NONE;
	c->subscribers = 0;
	lower_mark(a, &c->forgotten);
	if (c->name_len == 0 || c->name_len > EVENT_CHANNEL_MAX ||
	    channel_name(a, b, name, &len) != 0 ||
	    channel_hash(a, (struct span){ name, len }) != c->hash ||
	    channel_find(a, (struct span){ name, len }, &twin) != 0 ||
	    twin != NULL ||
	    !claim_chain(a, b, c->name_len, LAYOUT_NAME_BYTES)) {
		pool_commit(a, b, LAYOUT_FREE);
		return false;
	}
	channel_hash_in(a, b);
	return true;
}

/* Whether a worker's registration is already among those of its channel. */
static bool
is_registered(const struct arena *a, const struct layout_registration *l)
{
	const struct layout_block *b =
	    pool_block(a, l->channel, LAYOUT_CHANNEL);
	uint32_t at = b == NULL ? LAYOUT_NONE : b->channel.registrations;

	for (; at != LAYOUT_NONE; at = a->blocks[at].registration.next) {
		if (a->blocks[at].registration.worker == l->worker)
			return true;
	}
	return false;
}

static void
repair_registration(struct arena *a, struct layout_block *b)
{
	const struct layout_registration *l = &b->registration;

	b->more = LAYOUT_NONE;
	if (l->worker >= a->worker_count || l->count == 0 ||
	    l->count > COUNT_MAX || a->workers[l->worker].pid == 0 ||
	    a->workers[l->worker].session != l->session ||
	    is_registered(a, l) || registry_link(a, b) != 0)
		pool_commit(a, b, LAYOUT_FREE);
}

static void
raise_all_buckets(struct arena *a, uint64_t id)
{
	for (uint32_t i = 0; i < a->bucket_count; i++)
		channel_raise(a, &a->buckets[i].forgotten, id, 0);
}

/* What went bad by something else than a process that died. */
struct damage {
	uint32_t blocks; /* committed, and dropped */
	uint64_t orphan; /* the highest id of an event without a channel */
};

/*
 * Judge an event.  Returns whether it is kept.  One that was committed but is
 * not whole raises its channel's mark; where the channel is gone too, orphan.
 */
static bool
repair_event(struct arena *a, struct layout_block *b, struct damage *damage)
{
	const struct layout_event *e = &b->event;
	struct layout_block *channel;

	/* Not committed: nobody was told that it is stored. */
	if (e->id == 0 || e->id > atomic_load(&a->header->last_id)) {
		pool_commit(a, b, LAYOUT_FREE);
		return false;
	}
	channel = pool_block(a, e->channel, LAYOUT_CHANNEL);
	if (channel != NULL && e->len > 0 &&
	    claim_chain(a, b, e->len, LAYOUT_EVENT_BYTES)) {
		if (channel_is_framed(a, b))
			return true;
		unclaim(a, b);
	}
	damage->blocks++;
	if (channel == NULL && e->id > damage->orphan)
		damage->orphan = e->id;
	if (channel != NULL)
		channel_raise(a, &channel->channel.forgotten, e->id, 0);
	pool_commit(a, b, LAYOUT_FREE);
	return false;
}

/* Merge two lists that are sorted by id and linked by later. */
static uint32_t
merge(struct arena *a, uint32_t x, uint32_t y)
{
	uint32_t head = LAYOUT_NONE;
	uint32_t *link = &head;

	while (x != LAYOUT_NONE && y != LAYOUT_NONE) {
		uint32_t *first =
		    a->blocks[x].event.id <= a->blocks[y].event.id ? &x : &y;
		*link = *first;
		link = &a->blocks[*first].event.later;
		*first = *link;
	}
	*link = x != LAYOUT_NONE ? x : y;
	return head;
}

/*
 * Collect the events that are kept into one list sorted by id: a merge sort
 * from below, in place.  runs[i] is a sorted list of 2^i events, or none.
 */
static uint32_t
sort_events(struct arena *a, struct damage *damage)
{
	uint32_t runs[32] = { 0 };
	uint32_t sorted = LAYOUT_NONE;

	for (uint32_t i = 1; i < a->header->fresh; i++) {
		struct layout_block *b = pool_block(a, i, LAYOUT_EVENT);
		if (b == NULL || !repair_event(a, b, damage))
			continue;
		uint32_t run = i;
		unsigned power = 0;
		b->event.later = LAYOUT_NONE;
		for (; power < 31 && runs[power] != LAYOUT_NONE; power++) {
			run = merge(a, runs[power], run);
			runs[power] = LAYOUT_NONE;
		}
		runs[power] = run;
	}
	for (unsigned power = 0; power < 32; power++) {
		if (runs[power] != LAYOUT_NONE)
			sorted = merge(a, runs[power], sorted);
	}
	return sorted;
}

/* Link a sorted list, leaving out what was forgotten and what is there twice. */
static void
link_events(struct arena *a, uint32_t sorted, struct damage *damage)
{
	while (sorted != LAYOUT_NONE) {
		struct layout_block *b = &a->blocks[sorted];
		const struct layout_block *channel =
		    pool_block(a, b->event.channel, LAYOUT_CHANNEL);
		sorted = b->event.later;
		/* An event at or below the mark was being let go of. */
		if (channel != NULL &&
		    b->event.id <=
			atomic_load(&channel->channel.forgotten.id)) {
			unclaim(a, b);
		} else if (channel == NULL ||
		    channel_has_newest(a, channel, b->event.id) ||
		    channel_link(a, b) != 0) {
			unclaim(a, b);
			damage->blocks++;
		}
	}
}

static bool
is_kept(const struct layout_block *b)
{
	uint32_t kind = atomic_load(&b->kind);

	return kind == LAYOUT_EVENT || kind == LAYOUT_CHANNEL ||
	    kind == LAYOUT_REGISTRATION ||
	    (kind == LAYOUT_MORE && b->rest.pad == CLAIMED);
}

/* Free what nobody claims, and chain the free blocks, lowest first. */
static void
rebuild_free_list(struct arena *a, struct damage *damage)
{
	struct layout_header *h = a->header;
	uint32_t fresh = 1;

	for (uint32_t i = h->fresh - 1; i > 0; i--) {
		struct layout_block *b = &a->blocks[i];
		if (is_kept(b)) {
			if (fresh <= i)
				fresh = i + 1;
			h->used++;
			continue;
		}
		uint32_t kind = atomic_load(&b->kind);
		if (kind != LAYOUT_FREE && kind != LAYOUT_MORE)
			damage->blocks++;
		pool_commit(a, b, LAYOUT_FREE);
		b->more = LAYOUT_NONE;
		/* Above the last used block, blocks count as fresh again. */
		if (i < fresh) {
			b->more = h->free_head;
			h->free_head = i;
		}
	}
	/* Last: a repair that is cut short before must look at all of them
	 * again. */
	h->fresh = fresh;
}

uint32_t
repair_arena(struct arena *a, bool whole)
{
	struct layout_header *h = a->header;
	struct damage damage = { 0 };
	struct layout_block *b;

	/* Nothing here is noted: who finds it cut short begins anew. */
	journal_stop(a);
	forget_indexes(a, whole);
	for (uint32_t i = 1; i < h->fresh; i++) {
		if ((b = pool_block(a, i, LAYOUT_CHANNEL)) != NULL &&
		    !repair_channel(a, b))
			damage.blocks++;
	}
	for (uint32_t i = 1; i < h->fresh; i++) {
		if ((b = pool_block(a, i, LAYOUT_REGISTRATION)) != NULL)
			repair_registration(a, b);
	}
	link_events(a, sort_events(a, &damage), &damage);
	/* Whose channel cannot be told may have been anybody's. */
	if (damage.orphan != 0)
		raise_all_buckets(a, damage.orphan);
	rebuild_free_list(a, &damage);
	for (uint32_t i = 1; i < h->fresh; i++) {
		if ((b = pool_block(a, i, LAYOUT_CHANNEL)) != NULL)
			channel_drop_if_idle(a, b);
	}
	if (h->peak < h->used || h->peak >= a->block_count)
		h->peak = h->used;
	h->wake_all = 1;
	journal_end(a);
	return damage.blocks;
}
