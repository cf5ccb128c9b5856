/*
 * An event is written in blocks that still say FREE; then its kind is stored,
 * then it is linked into the channel's list and the arena's, which are indexes.
 * It counts once header.last_id reaches its id, which is the caller's last
 * store (store.c). When an event goes, the channel's forgotten mark is raised
 * before its kind is cleared: whoever dies in between has at worst reported a
 * gap early, and never hidden one.
 */
#include "arena/channel.h"

#include <errno.h>
#include <string.h>

#include "arena/critical.h"
#include "arena/journal.h"
#include "arena/own_id.h"
#include "arena/pool.h"
#include "arena/seek.h"
#include "base/event.h"

void
channel_raise(struct arena *a, struct layout_mark *mark, uint64_t id,
    uint64_t own_id)
{
	uint64_t before = atomic_load(&mark->id);

	if (before > id || (before == id && own_id == 0))
		return;
	/* Between these stores no event is told by its own id.  An own id beside
	 * another event's id would hide what is between the two. */
	if (before < id) {
		journal_set_mark(a, &mark->own_id, 0);
		journal_set_mark(a, &mark->id, id);
	}
	journal_set_mark(a, &mark->own_id, own_id);
}

uint32_t
channel_hash(const struct arena *a, struct span name)
{
	return (uint32_t)siphash(&a->hash_key, name);
}

static struct layout_bucket *
bucket_of(const struct arena *a, uint32_t hash)
{
	return &a->buckets[hash & (a->bucket_count - 1)];
}

int
channel_name(const struct arena *a, const struct layout_block *channel,
    char *out, size_t *len)
{
	*len = channel->channel.name_len;
	if (*len > EVENT_CHANNEL_MAX)
		return -EUCLEAN;
	return pool_read(a, channel, channel->channel.name, LAYOUT_NAME_BYTES,
	    out, *len);
}

int
channel_find(const struct arena *a, struct span name,
    struct layout_block **channel)
{
	uint32_t hash = channel_hash(a, name);
	uint32_t number = bucket_of(a, hash)->channels;
	char other[EVENT_CHANNEL_MAX];
	size_t len;

	*channel = NULL;
	for (uint32_t steps = 0; number != LAYOUT_NONE; steps++) {
		struct layout_block *b = pool_block(a, number, LAYOUT_CHANNEL);
		if (b == NULL || steps > a->block_count)
			return -EUCLEAN;
		if (b->channel.hash == hash &&
		    b->channel.name_len == name.len) {
			int rc = channel_name(a, b, other, &len);
			if (rc != 0)
				return rc;
			if (span_equal((struct span){ other, len }, name)) {
				*channel = b;
				return 0;
			}
		}
		number = b->channel.next;
	}
	return 0;
}

void
channel_hash_in(struct arena *a, struct layout_block *channel)
{
	struct layout_bucket *bucket = bucket_of(a, channel->channel.hash);

	journal_set(a, &channel->channel.next, bucket->channels);
	journal_set(a, &bucket->channels, pool_number(a, channel));
	journal_set(a, &a->header->channels, a->header->channels + 1);
}

int
channel_find_or_make(struct arena *a, struct span name,
    struct layout_block **channel)
{
	int rc = channel_find(a, name, channel);

	if (rc != 0 || *channel != NULL)
		return rc;
	if (pool_chain_len(name.len, LAYOUT_NAME_BYTES) > pool_left(a))
		return -ENOSPC;
	uint32_t number = pool_take(a);
	if (number == LAYOUT_NONE)
		return -EUCLEAN;
	struct layout_block *b = &a->blocks[number];
	memset(&b->channel, 0, offsetof(struct layout_channel, name));
	b->channel.hash = channel_hash(a, name);
	b->channel.name_len = (uint32_t)name.len;
	channel_raise(a, &b->channel.forgotten,
	    atomic_load(&bucket_of(a, b->channel.hash)->forgotten.id),
	    atomic_load(&bucket_of(a, b->channel.hash)->forgotten.own_id));
	rc = pool_write(a, number, b->channel.name, LAYOUT_NAME_BYTES, name,
	    (struct span){ NULL, 0 });
	if (rc != 0)
		return rc;
	pool_commit(a, b, LAYOUT_CHANNEL);
	channel_hash_in(a, b);
	*channel = b;
	return 0;
}

uint64_t
channel_forgotten_of(const struct arena *a, struct span name)
{
	return atomic_load(&bucket_of(a, channel_hash(a, name))->forgotten.id);
}

void
channel_drop_if_idle(struct arena *a, struct layout_block *channel)
{
	struct layout_channel *c = &channel->channel;
	struct layout_bucket *bucket = bucket_of(a, c->hash);
	uint32_t number = pool_number(a, channel);
	uint32_t *link = &bucket->channels;

	if (c->events != 0 || c->registrations != LAYOUT_NONE)
		return;
	/* The bucket remembers before the channel is gone: a crash in between
	 * repeats a mark, the other order would forget one. */
	channel_raise(a, &bucket->forgotten, atomic_load(&c->forgotten.id),
	    atomic_load(&c->forgotten.own_id));
	for (uint32_t steps = 0; *link != number; steps++) {
		struct layout_block *b = pool_block(a, *link, LAYOUT_CHANNEL);
		if (b == NULL || steps > a->block_count)
			return; /* broken: it stays, and the check finds it */
		link = &b->channel.next;
	}
	journal_set(a, link, c->next);
	journal_set(a, &a->header->channels, a->header->channels - 1);
	pool_give(a, channel);
}

int
channel_link(struct arena *a, struct layout_block *event)
{
	struct layout_header *h = a->header;
	struct layout_event *e = &event->event;
	uint32_t number = pool_number(a, event);
	struct layout_block *channel =
	    pool_block(a, e->channel, LAYOUT_CHANNEL);
	struct layout_block *last;

	if (channel == NULL)
		return -EUCLEAN;
	struct layout_channel *c = &channel->channel;
	seek_link(a, channel, event);
	e->newer = LAYOUT_NONE;
	e->older = c->newest;
	e->later = LAYOUT_NONE;
	e->earlier = h->newest;
	if (c->newest == LAYOUT_NONE) {
		journal_set(a, &c->oldest, number);
	} else {
		last = pool_block(a, c->newest, LAYOUT_EVENT);
		if (last == NULL)
			return -EUCLEAN;
		journal_set(a, &last->event.newer, number);
	}
	journal_set(a, &c->newest, number);
	journal_set(a, &c->events, c->events + 1);
	if (h->newest == LAYOUT_NONE) {
		journal_set(a, &h->oldest, number);
	} else {
		last = pool_block(a, h->newest, LAYOUT_EVENT);
		if (last == NULL)
			return -EUCLEAN;
		journal_set(a, &last->event.later, number);
	}
	journal_set(a, &h->newest, number);
	journal_set(a, &h->events, h->events + 1);
	return own_id_link(a, event);
}

/* The first line of an event's block on the wire. */
static struct span
id_line(uint64_t id, struct span own_id, char line[EVENT_OWN_ID_LINE_MAX])
{
	_Static_assert(EVENT_OWN_ID_LINE_MAX >= EVENT_ID_LINE_MAX, "line");
	size_t len = own_id.len > 0 ? event_own_id_line(own_id, line)
				    : event_id_line(id, line);

	return (struct span){ line, len };
}

uint32_t
channel_event_blocks(const struct channel_event *event)
{
	char line[EVENT_OWN_ID_LINE_MAX];

	return pool_chain_len(id_line(event->id, event->own_id, line).len +
		event->body.len,
	    LAYOUT_EVENT_BYTES);
}

bool
channel_has_newest(const struct arena *a, const struct layout_block *channel,
    uint64_t id)
{
	const struct layout_block *newest =
	    pool_block(a, channel->channel.newest, LAYOUT_EVENT);

	return newest != NULL && newest->event.id == id;
}

int
channel_add(struct arena *a, struct layout_block *channel,
    const struct channel_event *event)
{
	char bytes[EVENT_OWN_ID_LINE_MAX];
	struct span line = id_line(event->id, event->own_id, bytes);
	size_t len = line.len + event->body.len;

	if (pool_chain_len(len, LAYOUT_EVENT_BYTES) > pool_left(a))
		return -ENOSPC;
	uint32_t number = pool_take(a);
	if (number == LAYOUT_NONE)
		return -EUCLEAN;
	struct layout_block *b = &a->blocks[number];
	b->event = (struct layout_event){
		.id = event->id,
		.stamp_ms = event->stamp_ms,
		.channel = pool_number(a, channel),
		.len = (uint32_t)len,
		.own_id_len = (uint8_t)event->own_id.len,
		.subscribers = channel->channel.subscribers,
	};
	int rc = pool_write(a, number, b->event.bytes, LAYOUT_EVENT_BYTES, line,
	    event->body);
	if (rc != 0)
		return rc;
	pool_commit(a, b, LAYOUT_EVENT);
	return channel_link(a, b);
}

/* How long the id line is that an event begins with; 0: it is a wrong one. */
static size_t
id_line_len(const struct arena *a, const struct layout_block *event)
{
	char line[EVENT_OWN_ID_LINE_MAX];
	char own_bytes[EVENT_OWN_ID_MAX];
	char first[EVENT_OWN_ID_LINE_MAX];
	struct span own_id = { NULL, 0 };

	if (event->event.own_id_len > 0 &&
	    (own_id_read(a, event, own_bytes, &own_id) != 0 ||
		event_own_id_fault(own_id) != NULL))
		return 0;
	struct span wanted = id_line(event->event.id, own_id, line);
	if (event->event.len < wanted.len ||
	    pool_read(a, event, event->event.bytes, LAYOUT_EVENT_BYTES, first,
		wanted.len) != 0 ||
	    memcmp(first, line, wanted.len) != 0)
		return 0;
	return wanted.len;
}

bool
channel_is_framed(const struct arena *a, const struct layout_block *event)
{
	size_t line_len = id_line_len(a, event);
	char end[2];

	return line_len > 0 && event->event.len >= line_len + sizeof(end) &&
	    pool_read_end(a, event, event->event.bytes, LAYOUT_EVENT_BYTES,
		event->event.len, end) == 0 &&
	    memcmp(end, "\n\n", sizeof(end)) == 0;
}

/* Take an event out of both lists and the index.  Its block stays as it is. */
static int
unlink_event(struct arena *a, struct layout_block *event,
    struct layout_block *channel)
{
	struct layout_header *h = a->header;
	struct layout_event *e = &event->event;
	struct layout_channel *c = &channel->channel;
	struct layout_block *newer = pool_block(a, e->newer, LAYOUT_EVENT);
	struct layout_block *older = pool_block(a, e->older, LAYOUT_EVENT);
	struct layout_block *later = pool_block(a, e->later, LAYOUT_EVENT);
	struct layout_block *earlier = pool_block(a, e->earlier, LAYOUT_EVENT);

	if ((newer == NULL) != (e->newer == LAYOUT_NONE) ||
	    (older == NULL) != (e->older == LAYOUT_NONE) ||
	    (later == NULL) != (e->later == LAYOUT_NONE) ||
	    (earlier == NULL) != (e->earlier == LAYOUT_NONE))
		return -EUCLEAN;
	int rc = own_id_unlink(a, event);
	if (rc != 0)
		return rc;
	journal_set(a, newer != NULL ? &newer->event.older : &c->newest,
	    e->older);
	journal_set(a, older != NULL ? &older->event.newer : &c->oldest,
	    e->newer);
	journal_set(a, later != NULL ? &later->event.earlier : &h->newest,
	    e->earlier);
	journal_set(a, earlier != NULL ? &earlier->event.later : &h->oldest,
	    e->later);
	journal_set(a, &c->events, c->events - 1);
	journal_set(a, &h->events, h->events - 1);
	return 0;
}

int
channel_forget_oldest(struct arena *a, struct layout_block *channel)
{
	struct layout_block *event =
	    pool_block(a, channel->channel.oldest, LAYOUT_EVENT);
	char bytes[EVENT_OWN_ID_MAX];
	struct span own_id = { NULL, 0 };

	if (event == NULL ||
	    (event->event.own_id_len > 0 &&
		own_id_read(a, event, bytes, &own_id) != 0))
		return -EUCLEAN;
	/* The mark first: an event that is gone without a mark would be a gap
	 * that nobody is told of. */
	channel_raise(a, &channel->channel.forgotten, event->event.id,
	    own_id.len > 0 ? own_id_hash(a, own_id) : 0);
	int rc = unlink_event(a, event, channel);
	if (rc == 0)
		pool_give(a, event);
	return rc;
}

bool
channel_is_too_old(const struct arena *a, const struct layout_block *event,
    uint64_t boot_ms)
{
	return event->event.stamp_ms + a->header->max_age_ms <= boot_ms;
}

/* Whether somebody is appending an event, or has died while it was. */
static bool
is_uncommitted(const struct arena *a, const struct layout_block *event)
{
	return event->event.id > atomic_load(&a->header->last_id);
}

int
channel_kept(const struct arena *a, const struct layout_block *channel,
    uint64_t boot_ms, struct channel_kept *kept)
{
	const struct layout_channel *c = &channel->channel;

	*kept = (struct channel_kept){
		.forgotten = atomic_load(&c->forgotten.id),
	};
	if (c->oldest == LAYOUT_NONE)
		return 0;
	kept->oldest = pool_block(a, c->oldest, LAYOUT_EVENT);
	if (kept->oldest == NULL)
		return -EUCLEAN;
	if (is_uncommitted(a, kept->oldest))
		kept->oldest = NULL;
	if (kept->oldest == NULL ||
	    !channel_is_too_old(a, kept->oldest, boot_ms))
		return 0;
	/* Stamps rise as ids do; what is too old was long before it. */
	int rc = seek_later(a, channel, boot_ms - a->header->max_age_ms,
	    &kept->oldest);
	if (rc != 0)
		return rc;
	const struct layout_block *gone = pool_block(a,
	    kept->oldest != NULL ? kept->oldest->event.older : c->newest,
	    LAYOUT_EVENT);
	if (gone == NULL)
		return -EUCLEAN;
	kept->forgotten = gone->event.id;
	if (kept->oldest != NULL && is_uncommitted(a, kept->oldest))
		kept->oldest = NULL;
	return 0;
}

/* Let go of the oldest event of all. */
static int
forget_first(struct arena *a, const struct layout_block *event)
{
	struct layout_block *channel =
	    pool_block(a, event->event.channel, LAYOUT_CHANNEL);

	/* Ids rise in both lists, so the first of all is the first of its
	 * channel. */
	if (channel == NULL || channel->channel.oldest != a->header->oldest)
		return -EUCLEAN;
	int rc = channel_forget_oldest(a, channel);
	if (rc != 0)
		return rc;
	channel_drop_if_idle(a, channel);
	journal_end(a);
	return 0;
}

int
channel_expire_some(struct arena *a, uint64_t boot_ms, uint32_t most)
{
	for (uint32_t done = 0; a->header->oldest != LAYOUT_NONE; done++) {
		const struct layout_block *event =
		    pool_block(a, a->header->oldest, LAYOUT_EVENT);
		if (event == NULL)
			return -EUCLEAN;
		if (!channel_is_too_old(a, event, boot_ms) ||
		    is_uncommitted(a, event))
			return 0;
		if (done == most || (done > 0 && critical_is_spent(a)))
			return CRITICAL_MORE;
		int rc = forget_first(a, event);
		if (rc != 0)
			return rc;
		a->header->expired++;
	}
	return 0;
}

int
channel_evict(struct arena *a)
{
	const struct layout_block *event;

	/* A count of blocks that cannot be would cost all of the history. */
	if (a->header->used >= a->block_count)
		return -EUCLEAN;
	if (a->header->oldest == LAYOUT_NONE)
		return a->header->newest == LAYOUT_NONE ? -ENOSPC : -EUCLEAN;
	event = pool_block(a, a->header->oldest, LAYOUT_EVENT);
	if (event == NULL)
		return -EUCLEAN;
	/* What is being added right now does not make room for itself. */
	if (is_uncommitted(a, event))
		return -ENOSPC;
	int rc = forget_first(a, event);
	if (rc == 0)
		a->header->evicted++;
	return rc;
}

int
channel_drop_uncommitted(struct arena *a)
{
	const struct layout_header *h = a->header;

	for (uint32_t done = 0; h->newest != LAYOUT_NONE; done++) {
		struct layout_block *event =
		    pool_block(a, h->newest, LAYOUT_EVENT);
		if (event == NULL)
			return -EUCLEAN;
		if (!is_uncommitted(a, event))
			return 0;
		if (done > 0 && critical_is_spent(a))
			return CRITICAL_MORE;
		struct layout_block *channel =
		    pool_block(a, event->event.channel, LAYOUT_CHANNEL);
		if (channel == NULL)
			return -EUCLEAN;
		int rc = unlink_event(a, event, channel);
		if (rc != 0)
			return rc;
		pool_give(a, event);
		channel_drop_if_idle(a, channel);
		journal_end(a);
	}
	return 0;
}

int
channel_newer(const struct arena *a, const struct layout_block *event,
    struct layout_block **newer)
{
	*newer = NULL;
	if (event->event.newer == LAYOUT_NONE)
		return 0;
	*newer = pool_block(a, event->event.newer, LAYOUT_EVENT);
	/* Rising ids are what keeps a walk over garbled bytes from circling. */
	if (*newer == NULL || (*newer)->event.id <= event->event.id)
		return -EUCLEAN;
	if (is_uncommitted(a, *newer))
		*newer = NULL;
	return 0;
}

int
channel_after(const struct arena *a, const struct layout_block *channel,
    uint64_t cursor, uint32_t hint, struct layout_block **event)
{
	const struct layout_channel *c = &channel->channel;
	struct layout_block *b;

	*event = NULL;
	if (c->newest == LAYOUT_NONE)
		return 0;
	b = pool_block(a, c->newest, LAYOUT_EVENT);
	if (b == NULL)
		return -EUCLEAN;
	if (b->event.id <= cursor)
		return 0;

	const struct layout_block *read = pool_block(a, hint, LAYOUT_EVENT);
	if (read != NULL && read->event.id == cursor &&
	    read->event.channel == pool_number(a, channel))
		return channel_newer(a, read, event);

	int rc = seek_after(a, channel, cursor, event);
	if (rc == 0 && *event != NULL && is_uncommitted(a, *event))
		*event = NULL;
	return rc;
}

/* A caller may have waited so long for the arena to be opened. */
#define OPENING_MS 60000

void
channel_begin(struct arena *a, struct clock_now now)
{
	uint64_t waited = a->header->made_ms - now.wall_ms;
	uint64_t beginning = waited < OPENING_MS
	    ? event_id_make(a->header->made_ms, EVENT_COUNTER_MAX)
	    : event_id_make(now.wall_ms, 0);

	for (uint32_t i = 0; i < a->bucket_count; i++)
		atomic_store(&a->buckets[i].forgotten.id, beginning);
	atomic_store(&a->header->last_id, beginning);
	clock_boot_id(a->header->boot_id);
}

void
channel_rebase(struct arena *a, struct clock_now now)
{
	unsigned char boot[16];

	clock_boot_id(boot);
	if (memcmp(boot, a->header->boot_id, sizeof(boot)) == 0)
		return;
	for (uint32_t i = 1; i < a->block_count; i++) {
		struct layout_block *b = pool_block(a, i, LAYOUT_EVENT);
		if (b == NULL)
			continue;
		uint64_t ms = event_id_ms(b->event.id);
		uint64_t age = ms < now.wall_ms ? now.wall_ms - ms : 0;
		b->event.stamp_ms = age < now.boot_ms ? now.boot_ms - age : 0;
	}
	atomic_store(&a->header->stamp_ms, 0);
	memcpy(a->header->boot_id, boot, sizeof(boot));
}
