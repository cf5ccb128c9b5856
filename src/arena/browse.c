/*
 * A segment of channels is read in one critical section, bucket after bucket;
 * the position between two sections is a bucket's number, which means the same
 * whatever came or went meanwhile. Nothing is registered, so looking changes
 * nothing for anybody.
 */
#include "arena/browse.h"

#include <errno.h>
#include <stdlib.h>

#include "arena/channel.h"
#include "arena/critical.h"
#include "arena/pool.h"

/* What one critical section looks at, at most: buckets, and fresh events. */
#define PAGE_BUCKETS 4096
#define PAGE_STEPS 4096
/* Old events that one critical section lets go. */
#define PAGE_EXPIRED 512

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
	uint32_t number = channel->channel.newest;

	*fresh = 0;
	while (number != LAYOUT_NONE && *fresh < BROWSE_FRESH_MAX) {
		const struct layout_block *event =
		    pool_block(a, number, LAYOUT_EVENT);
		if (event == NULL)
			return -EUCLEAN;
		if (event->event.id <= since)
			return 0;
		++*fresh;
		number = event->event.older;
	}
	return 0;
}

static int
look_at(const struct arena *a, const struct layout_block *channel,
    uint64_t since, struct browse_channel *out)
{
	const struct layout_channel *c = &channel->channel;

	out->events = c->events;
	out->subscribers = c->subscribers;
	out->forgotten = atomic_load(&c->forgotten);
	int rc = channel_name(a, channel, out->name, &out->name_len);
	if (rc == 0)
		rc = id_of(a, c->oldest, &out->oldest);
	if (rc == 0)
		rc = id_of(a, c->newest, &out->newest);
	if (rc == 0)
		rc = count_fresh(a, channel, since, &out->fresh);
	return rc;
}

/* Add the channels of one bucket, all or none. */
static int
read_bucket(const struct arena *a, struct browse_segment *segment,
    uint32_t bucket, uint32_t *steps)
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
		int rc = look_at(a, channel, segment->since,
		    &segment->channels[count]);
		if (rc != 0)
			return rc;
		*steps += 1 + segment->channels[count].fresh;
		count++;
		number = channel->channel.next;
	}
	segment->count = count;
	return 0;
}

struct browse {
	struct browse_segment *segment;
	uint32_t bucket; /* where the segment began, for a second try */
};

static int
channels_work(struct arena *a, void *argument)
{
	const struct browse *browse = argument;
	struct browse_segment *segment = browse->segment;
	uint32_t steps = 0;
	uint32_t end = a->bucket_count;

	segment->count = 0;
	segment->bucket = browse->bucket;
	if (end - segment->bucket > PAGE_BUCKETS)
		end = segment->bucket + PAGE_BUCKETS;
	while (segment->bucket < end && steps < PAGE_STEPS) {
		int rc = read_bucket(a, segment, segment->bucket, &steps);
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
		.bucket = segment->bucket };

	segment->count = 0;
	segment->more = false;
	if (segment->bucket >= s->arena.bucket_count)
		return 0;
	return critical_run(&s->arena, channels_work, &browse);
}

int
browse_all(struct store *s, uint64_t since, struct browse_channel **channels,
    size_t *count)
{
	struct browse_segment segment = { .since = since, .more = true };
	size_t room = 0;
	size_t least = 256; /* room that a segment is given */

	*channels = NULL;
	*count = 0;
	while (segment.more) {
		if (room - *count < least) {
			room = *count + *count / 2 + least;
			struct browse_channel *more =
			    reallocarray(*channels, room, sizeof(*more));
			if (more == NULL)
				return -ENOMEM;
			*channels = more;
		}
		segment.channels = *channels + *count;
		segment.room = room - *count;
		int rc = browse_channels(s, &segment);
		if (rc == -EMSGSIZE) {
			least *= 2;
			segment.more = true;
			continue;
		}
		if (rc != 0)
			return rc;
		*count += segment.count;
	}
	return 0;
}

struct expire {
	uint64_t boot_ms;
	bool more;
};

static int
expire_work(struct arena *a, void *argument)
{
	struct expire *expire = argument;
	uint64_t before = a->header->expired;
	int rc = channel_expire_some(a, expire->boot_ms, PAGE_EXPIRED);

	expire->more = a->header->expired - before == PAGE_EXPIRED;
	return rc;
}

int
browse_expire(struct store *s, struct clock_now now)
{
	struct expire expire = { .boot_ms = now.boot_ms };
	int rc;

	do {
		rc = critical_run(&s->arena, expire_work, &expire);
	} while (rc == 0 && expire.more);
	return rc;
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
