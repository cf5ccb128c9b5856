#include "arena/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena/history.h"
#include "arena/pool.h"

struct layout_block *
registry_own(const struct arena *a, uint32_t number, uint32_t slot)
{
	struct layout_block *b = pool_block(a, number, LAYOUT_LISTENER);

	if (b == NULL || slot >= a->worker_count ||
	    b->listener.worker != slot ||
	    b->listener.session != a->workers[slot].session)
		return NULL;
	return b;
}

static void
push_dirty(struct arena *a, struct layout_block *listener)
{
	struct layout_listener *l = &listener->listener;
	struct layout_worker *worker = &a->workers[l->worker];

	if (l->is_dirty != 0)
		return;
	l->is_dirty = 1;
	l->next_dirty = worker->dirty;
	worker->dirty = pool_number(a, listener);
}

static int
link_lists(struct arena *a, struct layout_block *listener)
{
	struct layout_listener *l = &listener->listener;
	struct layout_block *channel =
	    pool_block(a, l->channel, LAYOUT_CHANNEL);
	struct layout_worker *worker = &a->workers[l->worker];
	uint32_t number = pool_number(a, listener);
	struct layout_block *next;

	if (channel == NULL)
		return -EUCLEAN;
	l->previous = LAYOUT_NONE;
	l->next = channel->channel.listeners;
	next = pool_block(a, l->next, LAYOUT_LISTENER);
	if (next != NULL)
		next->listener.previous = number;
	channel->channel.listeners = number;
	channel->channel.subscribers += l->count;

	l->previous_own = LAYOUT_NONE;
	l->next_own = worker->listeners;
	next = pool_block(a, l->next_own, LAYOUT_LISTENER);
	if (next != NULL)
		next->listener.previous_own = number;
	worker->listeners = number;
	return 0;
}

int
registry_link(struct arena *a, struct layout_block *listener)
{
	listener->listener.is_dirty = 0;
	int rc = link_lists(a, listener);
	if (rc == 0)
		push_dirty(a, listener);
	return rc;
}

int
registry_add(struct arena *a, struct layout_block *channel, uint32_t slot,
    uint32_t cookie, struct layout_block **listener)
{
	uint32_t number = pool_take(a);

	/* Where blocks are said to be left, a broken index is why. */
	if (number == LAYOUT_NONE)
		return pool_left(a) > 0 ? -EUCLEAN : -ENOSPC;
	struct layout_block *b = &a->blocks[number];
	b->listener = (struct layout_listener){
		.channel = pool_number(a, channel),
		.worker = slot,
		.session = a->workers[slot].session,
		.cookie = cookie,
	};
	pool_commit(b, LAYOUT_LISTENER);
	*listener = b;
	return link_lists(a, b);
}

int
registry_grow(struct arena *a, struct layout_block *listener, uint32_t by)
{
	struct layout_block *channel =
	    pool_block(a, listener->listener.channel, LAYOUT_CHANNEL);

	if (channel == NULL)
		return -EUCLEAN;
	listener->listener.count += by;
	channel->channel.subscribers += by;
	return 0;
}

/* Take the listener off its worker's dirty list, wherever it stands there. */
static int
drop_dirty(struct arena *a, const struct layout_block *listener)
{
	uint32_t number = pool_number(a, listener);
	uint32_t *link = &a->workers[listener->listener.worker].dirty;

	if (listener->listener.is_dirty == 0)
		return 0;
	for (uint32_t steps = 0; *link != number; steps++) {
		struct layout_block *b = pool_block(a, *link, LAYOUT_LISTENER);
		if (b == NULL || steps > a->block_count)
			return -EUCLEAN;
		link = &b->listener.next_dirty;
	}
	*link = listener->listener.next_dirty;
	return 0;
}

static int
remove_listener(struct arena *a, struct layout_block *listener)
{
	struct layout_listener *l = &listener->listener;
	struct layout_block *channel =
	    pool_block(a, l->channel, LAYOUT_CHANNEL);
	struct layout_block *next = pool_block(a, l->next, LAYOUT_LISTENER);
	struct layout_block *prev = pool_block(a, l->previous, LAYOUT_LISTENER);
	struct layout_block *next_own =
	    pool_block(a, l->next_own, LAYOUT_LISTENER);
	struct layout_block *prev_own =
	    pool_block(a, l->previous_own, LAYOUT_LISTENER);

	if (channel == NULL || (next == NULL) != (l->next == LAYOUT_NONE) ||
	    (prev == NULL) != (l->previous == LAYOUT_NONE) ||
	    (next_own == NULL) != (l->next_own == LAYOUT_NONE) ||
	    (prev_own == NULL) != (l->previous_own == LAYOUT_NONE))
		return -EUCLEAN;
	int rc = drop_dirty(a, listener);
	if (rc != 0)
		return rc;
	if (next != NULL)
		next->listener.previous = l->previous;
	*(prev != NULL ? &prev->listener.next : &channel->channel.listeners) =
	    l->next;
	if (next_own != NULL)
		next_own->listener.previous_own = l->previous_own;
	*(prev_own != NULL ? &prev_own->listener.next_own
			   : &a->workers[l->worker].listeners) = l->next_own;
	channel->channel.subscribers -= l->count;
	pool_give(a, listener);
	history_drop_if_idle(a, channel);
	return 0;
}

int
registry_shrink(struct arena *a, struct layout_block *listener)
{
	struct layout_block *channel =
	    pool_block(a, listener->listener.channel, LAYOUT_CHANNEL);

	if (channel == NULL)
		return -EUCLEAN;
	if (listener->listener.count > 0) {
		listener->listener.count--;
		channel->channel.subscribers--;
	}
	if (listener->listener.count > 0)
		return 0;
	return remove_listener(a, listener);
}

int
registry_reap(struct arena *a, uint32_t slot)
{
	struct layout_worker *worker = &a->workers[slot];

	/* The whole list goes, so each listener need not look for its place. */
	worker->dirty = LAYOUT_NONE;
	for (uint32_t steps = 0; worker->listeners != LAYOUT_NONE; steps++) {
		struct layout_block *b =
		    pool_block(a, worker->listeners, LAYOUT_LISTENER);
		if (b == NULL || b->listener.worker != slot ||
		    steps > a->block_count)
			return -EUCLEAN;
		b->listener.is_dirty = 0;
		int rc = remove_listener(a, b);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
registry_wakes_init(struct registry_wakes *w, const struct arena *a)
{
	*w = (struct registry_wakes){ .room = a->worker_count, .round = 1 };
	w->slots = calloc(w->room, sizeof(w->slots[0]));
	w->seen = calloc(w->room, sizeof(w->seen[0]));
	if (w->slots != NULL && w->seen != NULL)
		return 0;
	registry_wakes_fini(w);
	return -ENOMEM;
}

void
registry_wakes_fini(struct registry_wakes *w)
{
	free(w->slots);
	free(w->seen);
	*w = (struct registry_wakes){ 0 };
}

void
registry_wakes_clear(struct registry_wakes *w)
{
	w->count = 0;
	if (++w->round == 0) {
		memset(w->seen, 0, w->room * sizeof(w->seen[0]));
		w->round = 1;
	}
}

void
registry_wakes_add(struct registry_wakes *w, uint32_t slot)
{
	if (slot >= w->room || w->seen[slot] == w->round)
		return;
	w->seen[slot] = w->round;
	w->slots[w->count++] = slot;
}

int
registry_mark(struct arena *a, struct layout_block *channel,
    struct registry_wakes *wakes)
{
	uint32_t number = channel->channel.listeners;

	for (uint32_t steps = 0; number != LAYOUT_NONE; steps++) {
		struct layout_block *b = pool_block(a, number, LAYOUT_LISTENER);
		if (b == NULL || b->listener.worker >= a->worker_count ||
		    steps >= a->worker_count)
			return -EUCLEAN;
		push_dirty(a, b);
		registry_wakes_add(wakes, b->listener.worker);
		number = b->listener.next;
	}
	return 0;
}

int
registry_pop(struct arena *a, uint32_t slot, uint32_t *cookie)
{
	struct layout_worker *worker = &a->workers[slot];

	if (worker->dirty == LAYOUT_NONE)
		return 0;
	struct layout_block *b = registry_own(a, worker->dirty, slot);
	/* What was taken is not marked any more, so a circle ends here. */
	if (b == NULL || b->listener.is_dirty != 1)
		return -EUCLEAN;
	worker->dirty = b->listener.next_dirty;
	b->listener.is_dirty = 0;
	*cookie = b->listener.cookie;
	return 1;
}
