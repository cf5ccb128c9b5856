/*
 * An append checks everything that can fail (sizes, ids, room) before it begins.
 * Then it evicts and adds, event by event, and what it has added does not count:
 * header.last_id is still below.  One store to that commits all of them.  At last
 * it trims, and marks who listens.
 *
 *	        ids, room             all are added         all are marked
 *	CHECK -----------> EXPIRE -> ADD -----------> ANNOUNCE ----------->
 *	  ^                           |  last_id rises
 *	  +---------------------------+
 *	   a repair came between: it has dropped what did not count
 *
 * A section ends when it is spent, and others read between; so the lock of
 * appending is held over all of them, and keeps another append from coming between
 * the ids of a batch.  What a dead process has added and not committed is at the
 * newest end of the lists, and dropped by the next append.  What it has committed
 * and not announced is found by the workers, which look at everything after a
 * death (critical.c).
 */
#include "arena/append.h"

#include <errno.h>

#include "arena/channel.h"
#include "arena/critical.h"
#include "arena/journal.h"
#include "arena/own_id.h"
#include "arena/pool.h"

/* Expired events an append clears away for each it adds, so that the work is
 * spread and an idle channel's history goes all the same. */
#define EXPIRE_PER_APPEND 4
/* As many over their limit of a channel, which may have been lowered, go at once
 * for each that it gets. */
#define TRIM_PER_APPEND 8

static uint64_t
repairs_of(const struct arena *a)
{
	return atomic_load_explicit(&a->header->repairs, memory_order_relaxed);
}

/* Blocks of a channel that is made for this name. */
static uint32_t
name_blocks(struct span name)
{
	return pool_chain_len(name.len, LAYOUT_NAME_BYTES);
}

/* Blocks that the events take, and their channels if none of them is there. */
static uint64_t
count_blocks(const struct append *append)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < append->count; i++) {
		const struct store_event *event = &append->events[i];
		blocks += name_blocks(event->channel) +
		    pool_chain_len(EVENT_ID_LINE_MAX + event->own_id.len +
			    event->body.len,
			LAYOUT_EVENT_BYTES);
	}
	return blocks;
}

/* Ids from outside must rise over all there are, and within the batch. */
static int
check_ids(const struct append *append, uint64_t last)
{
	for (size_t i = 0; i < append->count; i++) {
		uint64_t id = append->events[i].id;
		if (append->events[i].is_copy)
			continue;
		if (id == 0)
			id = event_id_next(last, append->now.wall_ms);
		/* The last number of all has no next. */
		if (id <= last)
			return -ESTALE;
		last = id;
	}
	return 0;
}

/*
 * An own id counts while its event is kept, and what is too old is not kept,
 * though nobody has cleared it away yet.  Returns 0, CRITICAL_MORE or -EUCLEAN.
 */
static int
expire_own_ids(struct arena *a, struct append *append)
{
	size_t first = append->done;
	struct layout_block *kept;

	for (; append->done < append->count; append->done++) {
		const struct store_event *event = &append->events[append->done];
		if (event->own_id.len == 0 || event->is_copy)
			continue;
		if (append->done > first && critical_is_spent(a))
			return CRITICAL_MORE;
		int rc = own_id_find(a, event->own_id, &kept);
		if (rc == 0 && kept != NULL &&
		    channel_is_too_old(a, kept, append->now.boot_ms))
			rc = channel_expire_some(a, append->now.boot_ms,
			    a->block_count);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
check(struct arena *a, struct append *append)
{
	uint64_t last = atomic_load(&a->header->last_id);
	int rc = channel_drop_uncommitted(a);

	/* Counted beforehand, as if all events had to go: an append that does not
	 * fit evicts nothing. */
	if (rc == 0 && append->blocks + a->header->pinned > a->block_count - 1)
		rc = -ENOSPC;
	if (rc == 0)
		rc = check_ids(append, last);
	if (rc != 0)
		return rc;
	append->stage = APPEND_EXPIRE;
	append->done = 0;
	append->last = last;
	return 0;
}

static int
expire(struct arena *a, struct append *append)
{
	int rc = expire_own_ids(a, append);

	if (rc != 0)
		return rc;
	rc = channel_expire_some(a, append->now.boot_ms,
	    (uint32_t)append->count * EXPIRE_PER_APPEND);
	if (rc < 0)
		return rc;
	append->stage = APPEND_ADD;
	append->done = 0;
	append->repairs = repairs_of(a);
	return 0;
}

/* How many copies of a duplicate are looked through for a channel's. */
#define COPIES_LOOK 64

/*
 * The streams that a channel had when the kept event was appended to it.  Channels
 * that are named in the same order again are found at once.
 */
static int
read_subscribers(const struct arena *a, struct append *append,
    const struct store_event *event, const struct layout_block *kept,
    uint32_t *subscribers)
{
	const struct layout_block *copy =
	    append->copy != NULL ? own_id_next_copy(a, append->copy) : kept;
	struct layout_block *channel;
	int rc = channel_find(a, event->channel, &channel);

	*subscribers = 0;
	if (rc != 0 || channel == NULL)
		return rc;
	for (unsigned look = 0; look < COPIES_LOOK; look++) {
		if (copy == NULL)
			copy = kept;
		if (copy->event.channel == pool_number(a, channel)) {
			*subscribers = copy->event.subscribers;
			append->copy = copy;
			return 0;
		}
		copy = own_id_next_copy(a, copy);
	}
	return 0;
}

/* Give event i its id; where an event with its own id is kept, it has that. */
static int
choose_id(struct arena *a, struct append *append, size_t i)
{
	const struct store_event *event = &append->events[i];
	struct store_appended *out = &append->appended[i];
	struct layout_block *kept = NULL;
	int rc = 0;

	*out = (struct store_appended){ 0 };
	if (!event->is_copy || i == 0)
		append->copy = NULL;
	if (event->is_copy && i > 0) {
		out->id = out[-1].id;
		out->duplicate = out[-1].duplicate;
	}
	if (out->id != 0 && !out->duplicate)
		return 0;
	if (event->id == 0 && event->own_id.len > 0)
		rc = own_id_find(a, event->own_id, &kept);
	if (rc != 0)
		return rc;
	if (out->duplicate) {
		/* In an earlier section the first of the copies was kept still. */
		if (kept == NULL || kept->event.id != out->id)
			return 0;
	} else if (kept == NULL) {
		out->id = event->id != 0
		    ? event->id
		    : event_id_next(append->last, append->now.wall_ms);
		return 0;
	}
	out->id = kept->event.id;
	out->duplicate = true;
	return read_subscribers(a, append, event, kept, &out->subscribers);
}

/*
 * Find the channel of an event, and evict others until there is room for it and for
 * its channel, which may go with the last of them: then *channel is NULL.
 *
 * Returns 0, CRITICAL_MORE, -ENOSPC or -EUCLEAN.
 */
static int
make_room(struct arena *a, struct span name, uint32_t event_blocks,
    struct layout_block **channel)
{
	for (uint32_t done = 0;; done++) {
		uint32_t blocks = event_blocks;
		int rc = channel_find(a, name, channel);
		if (rc == 0 && *channel == NULL)
			blocks += name_blocks(name);
		if (rc != 0 || pool_left(a) >= blocks)
			return rc;
		if (done > 0 && critical_is_spent(a))
			return CRITICAL_MORE;
		rc = channel_evict(a);
		if (rc != 0)
			return rc;
	}
}

/* Add one event; it does not count yet. */
static int
add_one(struct arena *a, struct clock_now now, const struct store_event *event,
    uint64_t id)
{
	struct layout_block *channel;
	struct channel_event added = {
		.id = id,
		.stamp_ms = atomic_load(&a->header->stamp_ms),
		.own_id = event->own_id,
		.body = event->body,
	};
	int rc = make_room(a, event->channel, channel_event_blocks(&added),
	    &channel);

	if (rc == 0 && channel == NULL)
		rc = channel_find_or_make(a, event->channel, &channel);
	/* A channel that is named twice has its copy. */
	if (rc != 0 || channel_has_newest(a, channel, id))
		return rc;
	if (added.stamp_ms < now.boot_ms)
		added.stamp_ms = now.boot_ms;
	atomic_store(&a->header->stamp_ms, added.stamp_ms);
	rc = channel_add(a, channel, &added);
	if (rc == 0)
		journal_end(a);
	return rc;
}

static int
add(struct arena *a, struct append *append)
{
	size_t first = append->done;

	/* What was added is gone, or is not known to be there: begin anew. */
	if (append->repairs != repairs_of(a)) {
		append->stage = APPEND_CHECK;
		append->done = 0;
		return CRITICAL_MORE;
	}
	append->copy = NULL;
	for (; append->done < append->count; append->done++) {
		size_t i = append->done;
		const struct store_appended *chosen = &append->appended[i];
		if (i > first && critical_is_spent(a))
			return CRITICAL_MORE;
		int rc = choose_id(a, append, i);
		if (rc == 0 && !chosen->duplicate)
			rc = add_one(a, append->now, &append->events[i],
			    chosen->id);
		if (rc != 0)
			return rc;
		if (!chosen->duplicate)
			append->last = chosen->id;
	}
	/* This store makes all of them count, at once.  Before it a crash, or a
	 * failure, leaves none of them. */
	atomic_store_explicit(&a->header->last_id, append->last,
	    memory_order_release);
	append->stage = APPEND_ANNOUNCE;
	append->done = 0;
	return 0;
}

/* Trim a channel that has got an event, and mark who listens to it. */
static int
announce_one(struct arena *a, struct append *append, size_t i)
{
	struct layout_block *channel;
	uint32_t most = TRIM_PER_APPEND;
	int rc = channel_find(a, append->events[i].channel, &channel);

	append->appended[i].subscribers = 0;
	if (rc != 0 || channel == NULL)
		return rc;
	append->appended[i].subscribers = channel->channel.subscribers;
	while (most-- > 0 && channel->channel.events > a->header->max_events) {
		rc = channel_forget_oldest(a, channel);
		if (rc != 0)
			return rc;
		journal_end(a);
		a->header->trimmed++;
	}
	return registry_mark(a, channel, append->wakes);
}

static int
announce(struct arena *a, struct append *append)
{
	size_t first = append->done;

	for (; append->done < append->count; append->done++) {
		if (append->appended[append->done].duplicate)
			continue;
		if (append->done > first && critical_is_spent(a))
			return CRITICAL_MORE;
		int rc = announce_one(a, append, append->done);
		if (rc != 0)
			return rc;
	}
	if (a->header->wake_all == 0)
		return 0;
	a->meter->steps += a->worker_count;
	for (uint32_t i = 0; i < a->worker_count; i++) {
		if (a->workers[i].pid != 0)
			registry_wakes_add(append->wakes, i);
	}
	a->header->wake_all = 0;
	return 0;
}

static int
append_work(struct arena *a, void *argument)
{
	struct append *append = argument;
	int rc = 0;

	if (append->stage == APPEND_CHECK)
		rc = check(a, append);
	if (rc == 0 && append->stage == APPEND_EXPIRE)
		rc = expire(a, append);
	if (rc == 0 && append->stage == APPEND_ADD)
		rc = add(a, append);
	if (rc == 0 && append->stage == APPEND_ANNOUNCE)
		rc = announce(a, append);
	return rc;
}

static int
drop_work(struct arena *a, void *argument)
{
	(void)argument;
	return channel_drop_uncommitted(a);
}

int
append_run(struct arena *a, struct append *append)
{
	registry_wakes_clear(append->wakes);
	append->blocks = count_blocks(append);
	if (append->blocks > a->block_count / 2)
		return -EMSGSIZE;
	int rc = arena_lock_append(a);
	if (rc != 0)
		return rc;
	rc = critical_run(a, append_work, append);
	if (rc != 0 && append->stage == APPEND_ADD) {
		(void)critical_run(a, drop_work, NULL);
	} else if (rc != 0 && append->stage == APPEND_ANNOUNCE) {
		/* They are stored, whatever became of the rest: let all look. */
		a->header->wake_all = 1;
		atomic_fetch_add(&a->header->repairs, 1);
		rc = 0;
	}
	arena_unlock_append(a);
	return rc;
}
