/*
 * The index says where a search begins; what an event's own id is stands in its
 * first line, and each candidate's is read there.  A bucket is short, since the
 * hash is keyed: so a list linked in one direction serves.
 */
#include "arena/own_id.h"

#include <errno.h>
#include <string.h>

#include "arena/journal.h"
#include "arena/pool.h"

/* The event's bytes begin with "id: ", the own id and the end of the line. */
#define LINE_BEFORE 4

uint64_t
own_id_hash(const struct arena *a, struct span own_id)
{
	uint64_t hash = siphash(&a->hash_key, own_id);

	return hash != 0 ? hash : 1;
}

uint32_t
own_id_bucket(const struct arena *a, struct span own_id)
{
	return (uint32_t)own_id_hash(a, own_id) & (a->bucket_count - 1);
}

int
own_id_read(const struct arena *a, const struct layout_block *event,
    char out[EVENT_OWN_ID_MAX], struct span *own_id)
{
	char line[LINE_BEFORE + EVENT_OWN_ID_MAX];
	size_t len = event->event.own_id_len;

	if (event->event.len < LINE_BEFORE + len ||
	    pool_read(a, event, event->event.bytes, LAYOUT_EVENT_BYTES, line,
		LINE_BEFORE + len) != 0)
		return -EUCLEAN;
	memcpy(out, line + LINE_BEFORE, len);
	*own_id = (struct span){ out, len };
	return 0;
}

int
own_id_find(const struct arena *a, struct span own_id,
    struct layout_block **event)
{
	uint32_t number = a->buckets[own_id_bucket(a, own_id)].own_ids;
	char bytes[EVENT_OWN_ID_MAX];
	struct span other;

	*event = NULL;
	for (uint32_t steps = 0; number != LAYOUT_NONE; steps++) {
		struct layout_block *b = pool_block(a, number, LAYOUT_EVENT);
		if (b == NULL || steps > a->block_count)
			return -EUCLEAN;
		number = b->event.next_own_id;
		if (b->event.own_id_len != own_id.len ||
		    (*event != NULL && b->event.id > (*event)->event.id))
			continue;
		int rc = own_id_read(a, b, bytes, &other);
		if (rc != 0)
			return rc;
		if (span_equal(other, own_id))
			*event = b;
	}
	return 0;
}

struct layout_block *
own_id_next_copy(const struct arena *a, const struct layout_block *event)
{
	struct layout_block *later =
	    pool_block(a, event->event.later, LAYOUT_EVENT);

	return later != NULL && later->event.id == event->event.id ? later
								   : NULL;
}

/* Whether the event before it in the arena's list is a copy of it. */
static bool
has_copy_before(const struct arena *a, const struct layout_block *event)
{
	const struct layout_block *earlier =
	    pool_block(a, event->event.earlier, LAYOUT_EVENT);

	return earlier != NULL && earlier->event.id == event->event.id;
}

static void
enter(struct arena *a, struct layout_block *event, struct span own_id)
{
	struct layout_bucket *bucket = &a->buckets[own_id_bucket(a, own_id)];

	journal_set(a, &event->event.next_own_id, bucket->own_ids);
	journal_set(a, &bucket->own_ids, pool_number(a, event));
}

int
own_id_link(struct arena *a, struct layout_block *event)
{
	char bytes[EVENT_OWN_ID_MAX];
	struct span own_id;

	if (event->event.own_id_len == 0 || has_copy_before(a, event))
		return 0;
	int rc = own_id_read(a, event, bytes, &own_id);
	if (rc == 0)
		enter(a, event, own_id);
	return rc;
}

int
own_id_unlink(struct arena *a, struct layout_block *event)
{
	uint32_t number = pool_number(a, event);
	char bytes[EVENT_OWN_ID_MAX];
	struct span own_id;

	if (event->event.own_id_len == 0 || has_copy_before(a, event))
		return 0;
	int rc = own_id_read(a, event, bytes, &own_id);
	if (rc != 0)
		return rc;
	uint32_t *link = &a->buckets[own_id_bucket(a, own_id)].own_ids;
	for (uint32_t steps = 0; *link != number; steps++) {
		struct layout_block *b = pool_block(a, *link, LAYOUT_EVENT);
		if (b == NULL || steps > a->block_count)
			return -EUCLEAN;
		link = &b->event.next_own_id;
	}
	journal_set(a, link, event->event.next_own_id);
	struct layout_block *copy = own_id_next_copy(a, event);
	if (copy == NULL || copy->event.own_id_len == 0)
		return 0;
	rc = own_id_read(a, copy, bytes, &own_id);
	if (rc == 0)
		enter(a, copy, own_id);
	return rc;
}
