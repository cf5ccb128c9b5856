/*
 * Walks over every list as a reader would, counting, and over all blocks as
 * repair would, and compares the two.
 */
#include "arena/verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/channel.h"
#include "arena/critical.h"
#include "arena/own_id.h"
#include "arena/pool.h"
#include "arena/seek.h"
#include "base/event.h"

/* Room for the lines, taken beforehand: under the lock nothing is allocated. */
#define FAULT_LINE 160

struct verify {
	struct buf *faults;
	size_t count;
	uint32_t *listens;   /* per worker: the channel it was last seen in */
	unsigned char *seen; /* per block: reached by a list; 2: by more */
	uint32_t own_ids;    /* events that the index must have */
	uint32_t pinned;     /* blocks of registrations and their channels */
};

__attribute__((format(printf, 2, 3))) static void
fault(struct verify *v, const char *format, ...)
{
	char line[FAULT_LINE];
	va_list arguments;

	if (v->count++ >= VERIFY_FAULTS_MAX)
		return;
	va_start(arguments, format);
	(void)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	buf_put_cstr(v->faults, line);
	buf_put_char(v->faults, '\n');
}

static void
see(struct verify *v, uint32_t number, const char *by)
{
	if (v->seen[number] != 0)
		fault(v, "block %u: reached twice, by %s", number, by);
	v->seen[number] = v->seen[number] == 0 ? 1 : 2;
}

/* A chain must be whole, its own, and no longer than its bytes. */
static void
check_chain(const struct arena *a, struct verify *v,
    const struct layout_block *first, size_t len, size_t own_room)
{
	uint32_t owner = pool_number(a, first);
	uint32_t wanted = pool_chain_len(len, own_room) - 1;
	uint32_t next = first->more;

	for (; wanted > 0; wanted--) {
		const struct layout_block *b = pool_block(a, next, LAYOUT_MORE);
		if (b == NULL || b->rest.owner != owner) {
			fault(v, "block %u: its chain is broken at %u", owner,
			    next);
			return;
		}
		see(v, next, "a chain");
		if (v->seen[next] > 1)
			return;
		next = b->more;
	}
	if (next != LAYOUT_NONE)
		fault(v, "block %u: its chain is too long", owner);
}

/* An event must jump to the right one as long as that is there. */
static void
check_jump(const struct arena *a, struct verify *v, uint32_t number,
    uint32_t older)
{
	const struct layout_event *e = &a->blocks[number].event;
	uint32_t distance = seek_distance(e->number);

	if (distance == 0 || distance > older)
		return;
	const struct layout_block *b = pool_block(a, e->jump, LAYOUT_EVENT);
	if (b == NULL || b->event.channel != e->channel ||
	    b->event.number != e->number - distance)
		fault(v, "event %u: wrong jump", number);
}

static void
check_channel_events(const struct arena *a, struct verify *v, uint32_t number)
{
	const struct layout_channel *c = &a->blocks[number].channel;
	uint64_t last = atomic_load(&c->forgotten.id);
	uint32_t older = LAYOUT_NONE;
	uint32_t events = 0;
	uint32_t at = c->oldest;

	while (at != LAYOUT_NONE) {
		const struct layout_block *b = pool_block(a, at, LAYOUT_EVENT);
		if (b == NULL || events > a->block_count) {
			fault(v, "channel %u: its events are broken at %u",
			    number, at);
			return;
		}
		if (b->event.id <= last)
			fault(v, "event %u: its id does not rise", at);
		if (events > 0 &&
		    b->event.number != a->blocks[older].event.number + 1)
			fault(v, "event %u: its number does not rise by one",
			    at);
		check_jump(a, v, at, events);
		if (b->event.channel != number)
			fault(v, "event %u: in a channel not its own", at);
		if (b->event.older != older)
			fault(v, "event %u: wrong link back", at);
		last = b->event.id;
		older = at;
		at = b->event.newer;
		events++;
	}
	if (c->newest != older)
		fault(v, "channel %u: wrong newest event", number);
	if (c->events != events)
		fault(v, "channel %u: counts %u events, has %u", number,
		    c->events, events);
	if (last > atomic_load(&a->header->last_id) && events > 0)
		fault(v, "channel %u: an event that is not committed", number);
}

static void
check_channel_registrations(const struct arena *a, struct verify *v,
    uint32_t number)
{
	const struct layout_channel *c = &a->blocks[number].channel;
	uint32_t subscribers = 0;
	uint32_t previous = LAYOUT_NONE;
	uint32_t steps = 0;
	uint32_t at = c->registrations;

	while (at != LAYOUT_NONE) {
		const struct layout_block *b =
		    pool_block(a, at, LAYOUT_REGISTRATION);
		if (b == NULL || steps++ > a->worker_count) {
			fault(v,
			    "channel %u: its registrations are broken at %u",
			    number, at);
			return;
		}
		see(v, at, "a channel's registrations");
		if (b->registration.channel != number ||
		    b->registration.previous != previous)
			fault(v, "registration %u: wrong link", at);
		if (b->registration.worker >= a->worker_count ||
		    v->listens[b->registration.worker] == number)
			fault(v,
			    "registration %u: wrong worker, or there twice",
			    at);
		else
			v->listens[b->registration.worker] = number;
		if (b->registration.count == 0)
			fault(v, "registration %u: for no stream", at);
		subscribers += b->registration.count;
		previous = at;
		at = b->registration.next;
	}
	v->pinned += steps;
	if (steps > 0)
		v->pinned += pool_chain_len(c->name_len, LAYOUT_NAME_BYTES);
	if (c->subscribers != subscribers)
		fault(v, "channel %u: counts %u subscribers, has %u", number,
		    c->subscribers, subscribers);
	if (c->events == 0 && c->registrations == LAYOUT_NONE)
		fault(v, "channel %u: idle, and not given back", number);
}

static void
check_buckets(const struct arena *a, struct verify *v)
{
	uint32_t channels = 0;
	char name[EVENT_CHANNEL_MAX];
	size_t len;

	for (uint32_t i = 0; i < a->bucket_count; i++) {
		uint32_t at = a->buckets[i].channels;
		while (at != LAYOUT_NONE) {
			const struct layout_block *b =
			    pool_block(a, at, LAYOUT_CHANNEL);
			if (b == NULL || channels++ > a->block_count) {
				fault(v, "bucket %u: broken at %u", i, at);
				break;
			}
			see(v, at, "a bucket");
			check_chain(a, v, b, b->channel.name_len,
			    LAYOUT_NAME_BYTES);
			if (channel_name(a, b, name, &len) != 0 ||
			    event_channel_fault((struct span){ name, len }) !=
				NULL ||
			    channel_hash(a, (struct span){ name, len }) !=
				b->channel.hash ||
			    (b->channel.hash & (a->bucket_count - 1)) != i)
				fault(v, "channel %u: wrong name or hash", at);
			check_channel_events(a, v, at);
			check_channel_registrations(a, v, at);
			at = b->channel.next;
		}
	}
	if (v->pinned != a->header->pinned)
		fault(v, "the header counts %u blocks pinned, there are %u",
		    a->header->pinned, v->pinned);
	if (channels != a->header->channels)
		fault(v, "the header counts %u channels, there are %u",
		    a->header->channels, channels);
}

/* The index of own ids: each event in its bucket, and nothing else. */
static void
check_own_ids(const struct arena *a, struct verify *v)
{
	char bytes[EVENT_OWN_ID_MAX];
	struct span own_id;
	uint32_t entries = 0;

	for (uint32_t i = 0; i < a->bucket_count; i++) {
		uint32_t at = a->buckets[i].own_ids;
		while (at != LAYOUT_NONE) {
			const struct layout_block *b =
			    pool_block(a, at, LAYOUT_EVENT);
			if (b == NULL || entries++ > a->block_count) {
				fault(v,
				    "bucket %u: its own ids are broken at %u",
				    i, at);
				break;
			}
			if (b->event.own_id_len == 0 ||
			    own_id_read(a, b, bytes, &own_id) != 0 ||
			    own_id_bucket(a, own_id) != i)
				fault(v, "event %u: wrong own id or bucket",
				    at);
			at = b->event.next_own_id;
		}
	}
	if (entries != v->own_ids)
		fault(v, "the index has %u own ids, there are %u", entries,
		    v->own_ids);
}

/*
 * Whether the index has an event's own id; copies, which follow each other, stand
 * there once.
 */
static void
check_own_id(const struct arena *a, struct verify *v,
    const struct layout_block *event)
{
	struct layout_block *found = NULL;
	char bytes[EVENT_OWN_ID_MAX];
	struct span own_id;

	if (event->event.own_id_len == 0)
		return;
	v->own_ids++;
	if (own_id_read(a, event, bytes, &own_id) != 0 ||
	    own_id_find(a, own_id, &found) != 0 || found == NULL ||
	    found->event.id > event->event.id)
		fault(v, "event %u: not found by its own id",
		    pool_number(a, event));
}

/* All events, in the order of their ids. */
static void
check_events(const struct arena *a, struct verify *v)
{
	const struct layout_header *h = a->header;
	uint32_t earlier = LAYOUT_NONE;
	uint32_t events = 0;
	uint64_t last = 0;
	uint32_t at = h->oldest;

	while (at != LAYOUT_NONE) {
		const struct layout_block *b = pool_block(a, at, LAYOUT_EVENT);
		if (b == NULL || events > a->block_count) {
			fault(v, "the list of events is broken at %u", at);
			return;
		}
		see(v, at, "the list of events");
		check_chain(a, v, b, b->event.len, LAYOUT_EVENT_BYTES);
		if (!channel_is_framed(a, b))
			fault(v, "event %u: its bytes are not those of its id",
			    at);
		if (b->event.id < last || b->event.earlier != earlier)
			fault(v, "event %u: out of order", at);
		if (b->event.id != last)
			check_own_id(a, v, b);
		if (pool_block(a, b->event.channel, LAYOUT_CHANNEL) == NULL)
			fault(v, "event %u: without a channel", at);
		last = b->event.id;
		earlier = at;
		at = b->event.later;
		events++;
	}
	if (h->newest != earlier)
		fault(v, "the header names a wrong newest event");
	if (h->events != events)
		fault(v, "the header counts %u events, there are %u", h->events,
		    events);
}

static void
check_worker(const struct arena *a, struct verify *v, uint32_t slot)
{
	const struct layout_worker *worker = &a->workers[slot];
	uint32_t steps = 0;
	uint32_t dirty = 0;
	uint32_t at;

	for (at = worker->registrations; at != LAYOUT_NONE;) {
		const struct layout_block *b =
		    pool_block(a, at, LAYOUT_REGISTRATION);
		if (b == NULL || steps++ > a->block_count) {
			fault(v,
			    "worker %u: its registrations are broken at %u",
			    slot, at);
			return;
		}
		if (b->registration.worker != slot ||
		    b->registration.session != worker->session)
			fault(v, "registration %u: of another worker", at);
		if (b->registration.is_dirty > 1)
			fault(v, "registration %u: wrong mark of news", at);
		dirty += b->registration.is_dirty == 1;
		at = b->registration.next_own;
	}
	uint32_t previous = LAYOUT_NONE;
	for (at = worker->dirty; at != LAYOUT_NONE; dirty--) {
		const struct layout_block *b =
		    pool_block(a, at, LAYOUT_REGISTRATION);
		if (b == NULL || dirty == 0 || b->registration.is_dirty != 1 ||
		    b->registration.previous_dirty != previous) {
			fault(v, "worker %u: its news are broken at %u", slot,
			    at);
			return;
		}
		previous = at;
		at = b->registration.next_dirty;
	}
	if (dirty != 0)
		fault(v, "worker %u: news that are in no list", slot);
	if (worker->pid == 0 && steps > 0)
		fault(v, "worker %u: gone, and listening", slot);
}

static void
check_blocks(const struct arena *a, struct verify *v)
{
	const struct layout_header *h = a->header;
	uint32_t used = 0;
	uint32_t steps = 0;
	uint32_t at = h->free_head;

	while (at != LAYOUT_NONE) {
		const struct layout_block *b = pool_block(a, at, LAYOUT_FREE);
		if (b == NULL || steps++ > a->block_count) {
			fault(v, "the free list is broken at %u", at);
			break;
		}
		if (at >= h->fresh)
			fault(v, "block %u: free, and never used", at);
		see(v, at, "the free list");
		at = b->more;
	}
	/* What lies from h->fresh on was never used, whatever it holds. */
	for (uint32_t i = 1; i < a->block_count && i < h->fresh; i++) {
		used += atomic_load(&a->blocks[i].kind) != LAYOUT_FREE;
		if (v->seen[i] == 0)
			fault(v, "block %u: in no list", i);
	}
	if (used != h->used)
		fault(v, "the header counts %u blocks in use, there are %u",
		    h->used, used);
}

static int
drop_work(struct arena *a, void *argument)
{
	(void)argument;
	return channel_drop_uncommitted(a);
}

static int
verify_work(struct arena *a, void *argument)
{
	struct verify *v = argument;

	check_buckets(a, v);
	check_events(a, v);
	check_own_ids(a, v);
	for (uint32_t i = 0; i < a->worker_count; i++)
		check_worker(a, v, i);
	check_blocks(a, v);
	return 0;
}

/* While nobody is appending, everything in the lists must count. */
static int
run(struct arena *a, struct verify *v)
{
	int rc = arena_lock_append(a);

	if (rc != 0)
		return rc;
	rc = critical_run(a, drop_work, NULL);
	if (rc == 0)
		rc = critical_run(a, verify_work, v);
	arena_unlock_append(a);
	return rc;
}

int
verify_store(struct store *s, struct buf *faults, size_t *count)
{
	struct verify v = {
		.faults = faults,
		.listens = calloc(s->arena.worker_count, sizeof(v.listens[0])),
		.seen = calloc(s->arena.block_count, 1),
	};
	int rc = -ENOMEM;

	if (v.seen != NULL && v.listens != NULL &&
	    buf_room(faults, (VERIFY_FAULTS_MAX + 1) * FAULT_LINE) != NULL)
		rc = run(&s->arena, &v);
	free(v.seen);
	free(v.listens);
	*count = v.count;
	return rc;
}
