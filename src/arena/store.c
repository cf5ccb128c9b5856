#include "arena/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/append.h"
#include "arena/channel.h"
#include "arena/critical.h"
#include "arena/journal.h"
#include "arena/own_id.h"
#include "arena/pool.h"
#include "arena/registry.h"
#include "arena/repair.h"

/* Add a gone worker's counters to the arena's. */
static void
fold_totals(struct arena *a, struct layout_worker *worker)
{
	for (size_t i = 0; i < LAYOUT_TOTALS; i++)
		a->header->totals[i] += atomic_exchange(&worker->totals[i], 0);
	atomic_store(&worker->streams, 0);
}

static int
limits_work(struct arena *a, void *argument)
{
	const struct store_limits *limits = argument;

	a->header->max_age_ms = limits->max_age_ms;
	a->header->max_events = limits->max_events;
	return 0;
}

/* Blocks behind those in use that are looked at to see whether the count of them is
 * true: all of them would take the time to touch the whole file. */
#define FRESH_LOOK 64

static bool
is_unused_from_fresh(const struct arena *a)
{
	uint64_t fresh = a->header->fresh;

	if (fresh == 0)
		return false;
	for (uint64_t i = fresh; i < fresh + FRESH_LOOK; i++) {
		if (i < a->block_count &&
		    atomic_load(&a->blocks[i].kind) != LAYOUT_FREE)
			return false;
	}
	return true;
}

int
store_open(struct store *s, const char *path, uint64_t size,
    const struct store_limits *limits, struct clock_now now, struct buf *why)
{
	struct arena *a = &s->arena;

	s->attached = false;
	s->damaged = 0;
	int rc = arena_open(a, path, size, &s->opened, why);
	if (rc != 0)
		return rc;
	if (s->opened != ARENA_SHARED) {
		/* last_id is 0 only where a first opener died in here. */
		if (s->opened == ARENA_MADE ||
		    atomic_load(&a->header->last_id) == 0)
			channel_begin(a, now);
		/* Nobody is alive: no slot has an owner. */
		for (uint32_t i = 0; i < a->worker_count; i++) {
			if (a->workers[i].pid != 0)
				fold_totals(a, &a->workers[i]);
			a->workers[i].pid = 0;
		}
		channel_rebase(a, now);
		if (s->opened == ARENA_ALONE)
			s->damaged = repair_arena(a, !is_unused_from_fresh(a));
		if (a->header->max_events == 0) {
			a->header->max_events = 1000;
			a->header->max_age_ms = 20 * 60 * 1000;
		}
		arena_settle(a);
	}
	if (limits == NULL)
		return 0;
	struct store_limits wanted = *limits;
	return critical_run(a, limits_work, &wanted);
}

void
store_close(struct store *s)
{
	if (s->attached)
		store_detach(s);
	arena_close(&s->arena);
}

struct attach {
	uint32_t slot;
	struct clock_now now;
};

static int
attach_work(struct arena *a, void *argument)
{
	const struct attach *attach = argument;
	struct layout_worker *worker = &a->workers[attach->slot];
	int rc = registry_reap(a, attach->slot);

	if (rc != 0)
		return rc;
	fold_totals(a, worker);
	worker->session++;
	worker->since_ms = attach->now.wall_ms;
	atomic_store(&worker->drained, 1);
	atomic_store(&worker->woken, 0);
	worker->pid = (int32_t)getpid();
	return 0;
}

int
store_attach(struct store *s, uint32_t slot, struct clock_now now)
{
	struct attach attach = { .slot = slot, .now = now };
	int rc = critical_run(&s->arena, attach_work, &attach);

	if (rc == 0) {
		s->slot = slot;
		s->attached = true;
	}
	return rc;
}

static int
detach_work(struct arena *a, void *argument)
{
	const uint32_t *slot = argument;
	struct layout_worker *worker = &a->workers[*slot];
	int rc = registry_reap(a, *slot);

	if (rc == 0) {
		fold_totals(a, worker);
		worker->pid = 0;
	}
	return rc;
}

void
store_detach(struct store *s)
{
	(void)critical_run(&s->arena, detach_work, &s->slot);
	arena_disclaim(&s->arena, s->slot);
	s->attached = false;
}

struct reap {
	uint32_t slot;
	uint32_t session;
};

static int
reap_work(struct arena *a, void *argument)
{
	const struct reap *reap = argument;
	struct layout_worker *worker = &a->workers[reap->slot];

	if (worker->session != reap->session || worker->pid == 0)
		return 0;
	int rc = registry_reap(a, reap->slot);
	if (rc == 0) {
		fold_totals(a, worker);
		worker->pid = 0;
	}
	return rc;
}

int
store_reap(struct store *s, uint32_t slot, uint32_t session)
{
	struct reap reap = { .slot = slot, .session = session };

	if (slot >= s->arena.worker_count)
		return -EINVAL;
	if (s->attached && slot == s->slot)
		return 0;
	return critical_run(&s->arena, reap_work, &reap);
}

int
store_append(struct store *s, struct clock_now now,
    const struct store_event *events, size_t count,
    struct store_appended *appended, struct registry_wakes *wakes)
{
	struct append append = {
		.now = now,
		.events = events,
		.count = count,
		.appended = appended,
		.wakes = wakes,
	};
	int rc = append_run(&s->arena, &append);
	size_t stored = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		stored += !appended[i].duplicate;
	if (rc == 0 && s->attached)
		store_count(s, LAYOUT_PUBLISHED, stored);
	return rc;
}

struct find {
	struct span own_id;
	uint64_t id;
};

static int
find_work(struct arena *a, void *argument)
{
	struct find *find = argument;
	struct layout_block *event;
	int rc = own_id_find(a, find->own_id, &event);

	if (rc != 0)
		return rc;
	if (event == NULL || event->event.id > atomic_load(&a->header->last_id))
		return -ENOENT;
	find->id = event->event.id;
	return 0;
}

int
store_find(struct store *s, struct span own_id, uint64_t *id)
{
	struct find find = { .own_id = own_id };
	int rc = critical_run(&s->arena, find_work, &find);

	*id = find.id;
	return rc;
}

struct subscribers {
	struct span channel;
	uint32_t count;
};

static int
subscribers_work(struct arena *a, void *argument)
{
	struct subscribers *subscribers = argument;
	struct layout_block *channel;
	int rc = channel_find(a, subscribers->channel, &channel);

	subscribers->count = 0;
	if (rc == 0 && channel != NULL)
		subscribers->count = channel->channel.subscribers;
	return rc;
}

int
store_subscribers(struct store *s, struct span channel, uint32_t *count)
{
	struct subscribers subscribers = { .channel = channel };
	int rc = critical_run(&s->arena, subscribers_work, &subscribers);

	*count = subscribers.count;
	return rc;
}

struct expire {
	uint64_t boot_ms;
	unsigned sections;
};

static int
expire_work(struct arena *a, void *argument)
{
	struct expire *expire = argument;
	int rc = channel_expire_some(a, expire->boot_ms, a->block_count);

	return rc == CRITICAL_MORE && --expire->sections == 0 ? 0 : rc;
}

int
store_expire(struct store *s, struct clock_now now, unsigned sections)
{
	struct expire expire = { now.boot_ms, sections };

	return critical_run(&s->arena, expire_work, &expire);
}

struct purge {
	struct span channel;
	uint64_t upto; /* 0: it is not known yet */
};

static int
purge_work(struct arena *a, void *argument)
{
	struct purge *purge = argument;
	struct layout_block *channel;
	int rc = channel_find(a, purge->channel, &channel);

	if (rc != 0)
		return rc;
	if (channel == NULL)
		return purge->upto == 0 ? -ENOENT : 0;
	if (purge->upto == 0)
		purge->upto = atomic_load(&a->header->last_id);
	for (uint32_t done = 0; channel->channel.oldest != LAYOUT_NONE;
	     done++) {
		const struct layout_block *oldest =
		    pool_block(a, channel->channel.oldest, LAYOUT_EVENT);
		if (oldest != NULL && oldest->event.id > purge->upto)
			break;
		if (done > 0 && critical_is_spent(a))
			return CRITICAL_MORE;
		rc = channel_forget_oldest(a, channel);
		if (rc != 0)
			return rc;
		a->header->purged++;
	}
	channel_drop_if_idle(a, channel);
	return 0;
}

int
store_purge(struct store *s, struct span channel)
{
	struct purge purge = { .channel = channel };

	return critical_run(&s->arena, purge_work, &purge);
}

static int
check_work(struct arena *a, void *argument)
{
	(void)a;
	(void)argument;
	return 0;
}

int
store_check(struct store *s)
{
	return arena_in_place(&s->arena)
	    ? critical_run(&s->arena, check_work, NULL)
	    : -ENOENT;
}

uint64_t
store_last_id(const struct store *s)
{
	return atomic_load(&s->arena.header->last_id);
}

uint64_t
store_repairs(const struct store *s)
{
	return atomic_load_explicit(&s->arena.header->repairs,
	    memory_order_relaxed);
}

void
store_count(struct store *s, enum layout_total total, uint64_t by)
{
	atomic_fetch_add_explicit(&s->arena.workers[s->slot].totals[total], by,
	    memory_order_relaxed);
}

void
store_count_streams(struct store *s, uint32_t streams)
{
	atomic_store_explicit(&s->arena.workers[s->slot].streams, streams,
	    memory_order_relaxed);
}
