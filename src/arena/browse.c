/*
 * A segment of channels is read in one critical section, bucket after bucket;
 * the position between two sections is a bucket's number, which means the same
 * whatever came or went meanwhile. Nothing is registered, so looking changes
 * nothing for anybody.
 */
#include "arena/browse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena/channel.h"
#include "arena/critical.h"
#include "arena/pool.h"
#include "arena/seek.h"

/* The id of an event whose number is in the arena; 0 for none. */
static int
id_of(const struct arena *a, uint32_t number, uint64_t *id)
{
	const struct layout_block *event = pool_block(a, number, LAYOUT_EVENT);

	*id = event == NULL ? 0 : event->event.id;
	return number != LAYOUT_NONE && event == NULL ? -EUCLEAN : 0;
}

static int
count_fresh(const struct arena *a, const struct layout_block *channel,
    uint64_t since, uint32_t *fresh)
{
	struct layout_block *first;
	int rc = seek_after(a, channel, since, &first);

	*fresh = 0;
	if (rc != 0 || first == NULL)
		return rc;
	/* The newest is there, or none were found. */
	const struct layout_block *newest =
	    pool_block(a, channel->channel.newest, LAYOUT_EVENT);
	if (newest == NULL)
		return -EUCLEAN;
	*fresh = newest->event.number - first->event.number + 1;
	return 0;
}

static int
look_at(const struct arena *a, const struct layout_block *channel,
    uint64_t since, struct browse_channel *out)
{
	const struct layout_channel *c = &channel->channel;

	out->events = c->events;
	out->subscribers = c->subscribers;
	out->forgotten = atomic_load(&c->forgotten.id);
	int rc = id_of(a, c->oldest, &out->oldest);
	if (rc == 0)
		rc = id_of(a, c->newest, &out->newest);
	if (rc == 0)
		rc = count_fresh(a, channel, since, &out->fresh);
	return rc;
}

static int
read_name(const struct arena *a, const struct layout_block *channel,
    struct browse_segment *segment, struct span *name)
{
	size_t len;

	if (segment->names_room - segment->names_len < EVENT_CHANNEL_MAX)
		return -EMSGSIZE;
	char *to = segment->names + segment->names_len;
	int rc = channel_name(a, channel, to, &len);
	if (rc != 0)
		return rc;
	*name = (struct span){ to, len };
	segment->names_len += len;
	return 0;
}

/* Add the channels of one bucket, all or none. */
static int
read_bucket(const struct arena *a, struct browse_segment *segment,
    uint32_t bucket)
{
	size_t count = segment->count;
	uint32_t number = a->buckets[bucket].channels;

	while (number != LAYOUT_NONE) {
		const struct layout_block *channel =
		    pool_block(a, number, LAYOUT_CHANNEL);
		/* A list that circles has more channels than there are. */
		if (channel == NULL ||
		    count - segment->count >= a->header->channels)
			return -EUCLEAN;
		if (count == segment->room)
			return -EMSGSIZE;
		int rc = read_name(a, channel, segment,
		    &segment->channels[count].name);
		if (rc == 0)
			rc = look_at(a, channel, segment->since,
			    &segment->channels[count]);
		if (rc != 0)
			return rc;
		count++;
		number = channel->channel.next;
	}
	segment->count = count;
	return 0;
}

struct browse {
	struct browse_segment *segment;
	uint32_t bucket; /* where the segment began, for a second try */
	size_t names_len;
};

static int
channels_work(struct arena *a, void *argument)
{
	const struct browse *browse = argument;
	struct browse_segment *segment = browse->segment;

	segment->count = 0;
	segment->names_len = browse->names_len;
	segment->bucket = browse->bucket;
	while (segment->bucket < a->bucket_count && !critical_is_spent(a)) {
		a->meter->steps++;
		size_t names_len = segment->names_len;
		int rc = read_bucket(a, segment, segment->bucket);
		if (rc != 0)
			segment->names_len = names_len;
		if (rc == -EMSGSIZE && segment->count > 0)
			break;
		if (rc != 0)
			return rc;
		segment->bucket++;
	}
	segment->more = segment->bucket < a->bucket_count;
	return 0;
}

int
browse_channels(struct store *s, struct browse_segment *segment)
{
	struct browse browse = { .segment = segment,
		.bucket = segment->bucket,
		.names_len = segment->names_len };

	segment->count = 0;
	segment->more = false;
	if (segment->bucket >= s->arena.bucket_count)
		return 0;
	return critical_run(&s->arena, channels_work, &browse);
}

/* Move the names to a place with more room; whoever points at them follows. */
static int
grow_names(struct browse_list *list, struct browse_segment *segment,
    size_t least)
{
	size_t room = segment->names_len + segment->names_len / 2 + least;
	char *names = malloc(room);

	if (names == NULL)
		return -ENOMEM;
	if (segment->names_len > 0)
		memcpy(names, list->names, segment->names_len);
	for (size_t i = 0; i < list->count; i++) {
		struct span *name = &list->channels[i].name;
		name->ptr = names + (name->ptr - list->names);
	}
	free(list->names);
	list->names = names;
	segment->names = names;
	segment->names_room = room;
	return 0;
}

/* Make room for at least so many channels, and for as many short names. */
static int
grow(struct browse_list *list, size_t *room, struct browse_segment *segment,
    size_t least)
{
	const size_t short_name = 32;

	if (*room - list->count < least) {
		*room = list->count + list->count / 2 + least;
		struct browse_channel *more =
		    reallocarray(list->channels, *room, sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		list->channels = more;
	}
	segment->channels = list->channels + list->count;
	segment->room = *room - list->count;
	least = EVENT_CHANNEL_MAX + least * short_name;
	return segment->names_room - segment->names_len < least
	    ? grow_names(list, segment, least)
	    : 0;
}

int
browse_all(struct store *s, uint64_t since, struct browse_list *list)
{
	struct browse_segment segment = { .since = since, .more = true };
	size_t room = 0;
	size_t least = 256; /* room that a segment is given */

	*list = (struct browse_list){ 0 };
	while (segment.more) {
		int rc = grow(list, &room, &segment, least);
		if (rc == 0)
			rc = browse_channels(s, &segment);
		if (rc == -EMSGSIZE) {
			least *= 2;
			segment.more = true;
			continue;
		}
		if (rc != 0)
			return rc;
		list->count += segment.count;
	}
	return 0;
}

void
browse_list_fini(struct browse_list *list)
{
	free(list->channels);
	free(list->names);
	*list = (struct browse_list){ 0 };
}

struct find {
	struct span name;
	struct browse_channel *out;
};

static int
find_work(struct arena *a, void *argument)
{
	const struct find *find = argument;
	struct layout_block *channel;
	int rc = channel_find(a, find->name, &channel);

	if (rc != 0)
		return rc;
	if (channel == NULL) {
		*find->out = (struct browse_channel){
			.forgotten = channel_forgotten_of(a, find->name),
		};
		return -ENOENT;
	}
	find->out->name = find->name;
	return look_at(a, channel, UINT64_MAX, find->out);
}

int
browse_find(struct store *s, struct span name, struct browse_channel *out)
{
	struct find find = { .name = name, .out = out };

	return critical_run(&s->arena, find_work, &find);
}

struct reading {
	struct browse_reader *reader;
	struct follow_segment *segment;
};

static int
read_work(struct arena *a, void *argument)
{
	const struct reading *r = argument;
	struct browse_reader *reader = r->reader;
	struct follow_segment *segment = r->segment;
	struct layout_block *channel;
	struct layout_block *event = NULL;

	segment->more = false;
	int rc = channel_find(a, reader->channel, &channel);
	if (rc == 0 && channel != NULL)
		rc = channel_after(a, channel, reader->cursor, reader->hint,
		    &event);
	while (rc == 0 && event != NULL) {
		rc = follow_copy_event(a, segment, event);
		if (rc == -EMSGSIZE) {
			segment->more = true;
			segment->wanted = event->event.len;
			return segment->marks_len > 0 ? 0 : rc;
		}
		if (rc != 0)
			return rc;
		reader->cursor = event->event.id;
		reader->hint = pool_number(a, event);
		rc = channel_newer(a, event, &event);
	}
	return rc;
}

int
browse_read(struct store *s, struct browse_reader *reader,
    struct follow_segment *segment)
{
	struct reading reading = { .reader = reader, .segment = segment };

	return critical_run(&s->arena, read_work, &reading);
}
