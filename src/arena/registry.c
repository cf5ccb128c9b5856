/*
 * A registration is truth; the three lists it stands in (its channel's, its
 * worker's, those with news) and the channel's count of subscribers are
 * indexes. It is committed before it is linked, and unlinked before it is given
 * back.
 */
#include "arena/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena/channel.h"
#include "arena/critical.h"
#include "arena/journal.h"
#include "arena/pool.h"

struct layout_block *
registry_own(const struct arena *a, uint32_t number, uint32_t slot)
{
	struct layout_block *b = pool_block(a, number, LAYOUT_REGISTRATION);

	if (b == NULL || slot >= a->worker_count ||
	    b->registration.worker != slot ||
	    b->registration.session != a->workers[slot].session)
		return NULL;
	return b;
}

static void
push_dirty(struct arena *a, struct layout_block *registration)
{
	struct layout_registration *l = &registration->registration;
	struct layout_worker *worker = &a->workers[l->worker];

	if (l->is_dirty != 0)
		return;
	struct layout_block *next =
	    pool_block(a, worker->dirty, LAYOUT_REGISTRATION);
	journal_set(a, &l->is_dirty, 1);
	journal_set(a, &l->previous_dirty, LAYOUT_NONE);
	journal_set(a, &l->next_dirty, worker->dirty);
	journal_set(a, &worker->dirty, pool_number(a, registration));
	if (next != NULL)
		journal_set(a, &next->registration.previous_dirty,
		    worker->dirty);
}

/*
 * Take a registration off its worker's list of news, wherever it stands there.  Its
 * neighbours must be what it says, so nothing is searched.
 */
static int
drop_dirty(struct arena *a, struct layout_block *registration)
{
	struct layout_registration *l = &registration->registration;
	uint32_t number = pool_number(a, registration);
	uint32_t *link = &a->workers[l->worker].dirty;
	struct layout_block *next =
	    pool_block(a, l->next_dirty, LAYOUT_REGISTRATION);
	struct layout_block *previous =
	    pool_block(a, l->previous_dirty, LAYOUT_REGISTRATION);

	if (l->is_dirty == 0)
		return 0;
	if (previous != NULL)
		link = &previous->registration.next_dirty;
	if ((next == NULL) != (l->next_dirty == LAYOUT_NONE) ||
	    (previous == NULL) != (l->previous_dirty == LAYOUT_NONE) ||
	    *link != number ||
	    (next != NULL && next->registration.previous_dirty != number))
		return -EUCLEAN;
	journal_set(a, link, l->next_dirty);
	if (next != NULL)
		journal_set(a, &next->registration.previous_dirty,
		    l->previous_dirty);
	journal_set(a, &l->is_dirty, 0);
	return 0;
}

/* Blocks that no eviction gives: the registrations of a channel, and while it has one
 * its own. */
static uint32_t
pinned_by_first(const struct layout_block *channel)
{
	return pool_chain_len(channel->channel.name_len, LAYOUT_NAME_BYTES);
}

static int
link_lists(struct arena *a, struct layout_block *registration)
{
	struct layout_registration *l = &registration->registration;
	struct layout_block *channel =
	    pool_block(a, l->channel, LAYOUT_CHANNEL);
	struct layout_worker *worker = &a->workers[l->worker];
	uint32_t number = pool_number(a, registration);
	struct layout_block *next;

	if (channel == NULL)
		return -EUCLEAN;
	journal_set(a, &a->header->pinned,
	    a->header->pinned + 1 +
		(channel->channel.registrations == LAYOUT_NONE
			? pinned_by_first(channel)
			: 0));
	l->previous = LAYOUT_NONE;
	l->next = channel->channel.registrations;
	next = pool_block(a, l->next, LAYOUT_REGISTRATION);
	if (next != NULL)
		journal_set(a, &next->registration.previous, number);
	journal_set(a, &channel->channel.registrations, number);
	journal_set(a, &channel->channel.subscribers,
	    channel->channel.subscribers + l->count);

	l->previous_own = LAYOUT_NONE;
	l->next_own = worker->registrations;
	next = pool_block(a, l->next_own, LAYOUT_REGISTRATION);
	if (next != NULL)
		journal_set(a, &next->registration.previous_own, number);
	journal_set(a, &worker->registrations, number);
	return 0;
}

int
registry_link(struct arena *a, struct layout_block *registration)
{
	registration->registration.is_dirty = 0;
	int rc = link_lists(a, registration);
	if (rc == 0)
		push_dirty(a, registration);
	return rc;
}

int
registry_add(struct arena *a, struct layout_block *channel, uint32_t slot,
    uint32_t cookie, struct layout_block **registration)
{
	uint32_t number = pool_take(a);

	/* Where blocks are said to be left, a broken index is why. */
	if (number == LAYOUT_NONE)
		return pool_left(a) > 0 ? -EUCLEAN : -ENOSPC;
	struct layout_block *b = &a->blocks[number];
	b->registration = (struct layout_registration){
		.channel = pool_number(a, channel),
		.worker = slot,
		.session = a->workers[slot].session,
		.cookie = cookie,
	};
	pool_commit(a, b, LAYOUT_REGISTRATION);
	*registration = b;
	return link_lists(a, b);
}

int
registry_grow(struct arena *a, struct layout_block *registration, uint32_t by)
{
	struct layout_block *channel =
	    pool_block(a, registration->registration.channel, LAYOUT_CHANNEL);

	if (channel == NULL)
		return -EUCLEAN;
	journal_set(a, &registration->registration.count,
	    registration->registration.count + by);
	journal_set(a, &channel->channel.subscribers,
	    channel->channel.subscribers + by);
	return 0;
}

static int
remove_registration(struct arena *a, struct layout_block *registration)
{
	struct layout_registration *l = &registration->registration;
	struct layout_block *channel =
	    pool_block(a, l->channel, LAYOUT_CHANNEL);
	struct layout_block *next = pool_block(a, l->next, LAYOUT_REGISTRATION);
	struct layout_block *prev =
	    pool_block(a, l->previous, LAYOUT_REGISTRATION);
	struct layout_block *next_own =
	    pool_block(a, l->next_own, LAYOUT_REGISTRATION);
	struct layout_block *prev_own =
	    pool_block(a, l->previous_own, LAYOUT_REGISTRATION);

	if (channel == NULL || (next == NULL) != (l->next == LAYOUT_NONE) ||
	    (prev == NULL) != (l->previous == LAYOUT_NONE) ||
	    (next_own == NULL) != (l->next_own == LAYOUT_NONE) ||
	    (prev_own == NULL) != (l->previous_own == LAYOUT_NONE))
		return -EUCLEAN;
	int rc = drop_dirty(a, registration);
	if (rc != 0)
		return rc;
	if (next != NULL)
		journal_set(a, &next->registration.previous, l->previous);
	journal_set(a,
	    prev != NULL ? &prev->registration.next
			 : &channel->channel.registrations,
	    l->next);
	if (next_own != NULL)
		journal_set(a, &next_own->registration.previous_own,
		    l->previous_own);
	journal_set(a,
	    prev_own != NULL ? &prev_own->registration.next_own
			     : &a->workers[l->worker].registrations,
	    l->next_own);
	journal_set(a, &channel->channel.subscribers,
	    channel->channel.subscribers - l->count);
	journal_set(a, &a->header->pinned,
	    a->header->pinned - 1 -
		(channel->channel.registrations == LAYOUT_NONE
			? pinned_by_first(channel)
			: 0));
	pool_give(a, registration);
	channel_drop_if_idle(a, channel);
	return 0;
}

int
registry_shrink(struct arena *a, struct layout_block *registration)
{
	struct layout_block *channel =
	    pool_block(a, registration->registration.channel, LAYOUT_CHANNEL);

	if (channel == NULL)
		return -EUCLEAN;
	if (registration->registration.count > 0) {
		journal_set(a, &registration->registration.count,
		    registration->registration.count - 1);
		journal_set(a, &channel->channel.subscribers,
		    channel->channel.subscribers - 1);
	}
	if (registration->registration.count > 0)
		return 0;
	return remove_registration(a, registration);
}

int
registry_reap(struct arena *a, uint32_t slot)
{
	struct layout_worker *worker = &a->workers[slot];

	for (uint32_t done = 0; worker->registrations != LAYOUT_NONE; done++) {
		struct layout_block *b =
		    pool_block(a, worker->registrations, LAYOUT_REGISTRATION);
		if (b == NULL || b->registration.worker != slot)
			return -EUCLEAN;
		if (done > 0 && critical_is_spent(a))
			return CRITICAL_MORE;
		int rc = remove_registration(a, b);
		if (rc != 0)
			return rc;
		journal_end(a);
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
	uint32_t number = channel->channel.registrations;

	for (uint32_t steps = 0; number != LAYOUT_NONE; steps++) {
		struct layout_block *b =
		    pool_block(a, number, LAYOUT_REGISTRATION);
		if (b == NULL || b->registration.worker >= a->worker_count ||
		    steps >= a->worker_count)
			return -EUCLEAN;
		push_dirty(a, b);
		journal_end(a);
		registry_wakes_add(wakes, b->registration.worker);
		number = b->registration.next;
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
	if (b == NULL || b->registration.is_dirty != 1)
		return -EUCLEAN;
	int rc = drop_dirty(a, b);
	if (rc != 0)
		return rc;
	*cookie = b->registration.cookie;
	return 1;
}
