/*
 * A join registers first and finds the resume point in the same critical
 * section, so nothing can be appended between the two. A read takes the
 * channels' next events in the order of their ids; before it copies any, it
 * looks at the channels' forgotten marks, so that events which have gone are
 * reported and never skipped silently.
 */
#include "arena/follow.h"

#include <errno.h>

#include "arena/channel.h"
#include "arena/critical.h"
#include "arena/journal.h"
#include "arena/own_id.h"
#include "arena/pool.h"
#include "arena/registry.h"

struct join {
	uint32_t slot;
	struct clock_now now;
	struct follow_join *joins;
	size_t count;
	struct event_resume resume;
	struct follow_joined *joined;
};

/*
 * Evict events until there is room for a registration, and for its channel, which may
 * go with the last of them.
 */
static int
make_room(struct arena *a, struct span name)
{
	struct layout_block *channel;

	for (;;) {
		uint32_t blocks = 1;
		int rc = channel_find(a, name, &channel);
		if (rc == 0 && channel == NULL)
			blocks += pool_chain_len(name.len, LAYOUT_NAME_BYTES);
		if (rc != 0 || pool_left(a) >= blocks)
			return rc;
		rc = channel_evict(a);
		if (rc != 0)
			return rc;
	}
}

static int
join_one(struct arena *a, const struct join *join, struct follow_join *one)
{
	struct layout_block *registration =
	    registry_own(a, one->registration, join->slot);
	struct layout_block *channel;

	if (one->registration != LAYOUT_NONE)
		return registration == NULL ? -ESTALE
					    : registry_grow(a, registration, 1);
	int rc = make_room(a, one->name);
	if (rc == 0)
		rc = channel_find_or_make(a, one->name, &channel);
	if (rc == 0)
		rc = registry_add(a, channel, join->slot, one->cookie,
		    &registration);
	if (rc != 0)
		return rc;
	one->registration = pool_number(a, registration);
	return registry_grow(a, registration, 1);
}

/* Take back the first count joins. */
static void
unjoin(struct arena *a, struct join *join, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct layout_block *registration =
		    registry_own(a, join->joins[i].registration, join->slot);
		if (registration != NULL &&
		    registry_shrink(a, registration) == 0)
			journal_end(a);
	}
}

/* The channel of a registration that is ours, or NULL. */
static struct layout_block *
channel_of(const struct arena *a, uint32_t registration, uint32_t slot)
{
	const struct layout_block *b = registry_own(a, registration, slot);

	return b == NULL
	    ? NULL
	    : pool_block(a, b->registration.channel, LAYOUT_CHANNEL);
}

/* What the channels have kept and lost, seen from one point. */
struct outlook {
	uint64_t oldest;    /* the oldest event after the point; 0: none */
	uint64_t forgotten; /* the highest id any of them let go */
};

static int
look_out(struct arena *a, const struct join *join, uint64_t point,
    struct outlook *outlook)
{
	struct channel_kept kept;
	struct layout_block *event;

	*outlook = (struct outlook){ 0 };
	for (size_t i = 0; i < join->count; i++) {
		struct layout_block *channel =
		    channel_of(a, join->joins[i].registration, join->slot);
		if (channel == NULL)
			return -EUCLEAN;
		int rc = channel_kept(a, channel, join->now.boot_ms, &kept);
		if (rc == 0)
			rc = channel_after(a, channel, point, 0, &event);
		if (rc != 0)
			return rc;
		if (event != NULL && event->event.id <= kept.forgotten)
			event = kept.oldest;
		join->joins[i].gap_known = kept.forgotten;
		if (kept.forgotten > outlook->forgotten)
			outlook->forgotten = kept.forgotten;
		if (event != NULL &&
		    (outlook->oldest == 0 || event->event.id < outlook->oldest))
			outlook->oldest = event->event.id;
	}
	return 0;
}

/*
 * The id of the event with this own id that one of the channels let go of last;
 * 0 for none.
 */
static uint64_t
last_gone(const struct arena *a, const struct join *join, struct span own_id)
{
	uint64_t hash = own_id_hash(a, own_id);
	uint64_t id = 0;

	for (size_t i = 0; i < join->count; i++) {
		const struct layout_block *channel =
		    channel_of(a, join->joins[i].registration, join->slot);
		if (channel == NULL ||
		    atomic_load(&channel->channel.forgotten.own_id) != hash)
			continue;
		uint64_t mark = atomic_load(&channel->channel.forgotten.id);
		if (id == 0 || mark < id)
			id = mark;
	}
	return id;
}

/*
 * A resume point may be an event's own id.  Where such an event is kept it is
 * meant, whatever else the text says; and where one of the channels has let go of
 * it and of nothing after it, so that a quiet channel tells of no gap.
 */
static int
resolve_own_id(const struct arena *a, const struct join *join,
    struct event_resume *resume)
{
	struct layout_block *event;

	if (resume->own_id.len == 0)
		return 0;
	int rc = own_id_find(a, resume->own_id, &event);
	if (rc != 0)
		return rc;
	/* What is being appended is nobody's resume point yet. */
	if (event != NULL && event->event.id > atomic_load(&a->header->last_id))
		event = NULL;
	uint64_t id = event != NULL ? event->event.id
				    : last_gone(a, join, resume->own_id);
	if (id != 0) {
		resume->kind = EVENT_RESUME_AFTER;
		resume->id = id;
	}
	return 0;
}

/* Decide where the stream begins, from what was asked and what is kept. */
static int
find_beginning(struct arena *a, const struct join *join)
{
	struct follow_joined *out = join->joined;
	uint64_t last = atomic_load(&a->header->last_id);
	struct event_resume resume = join->resume;
	struct outlook outlook;

	int rc = resolve_own_id(a, join, &resume);
	if (rc != 0)
		return rc;
	enum event_resume_kind kind = resume.kind;
	uint64_t point = resume.id;

	/* No event of ours has that id: it is from an arena that is gone, whose
	 * clock was ahead.  Waiting for our ids to pass it would lock the client
	 * out, and what it missed cannot be told. */
	if (kind == EVENT_RESUME_AFTER && point > last)
		kind = EVENT_RESUME_UNREADABLE;
	if (kind == EVENT_RESUME_NONE ||
	    (kind == EVENT_RESUME_SINCE && point > last))
		point = last;
	if (kind == EVENT_RESUME_EARLIEST || kind == EVENT_RESUME_UNREADABLE)
		point = 0;

	rc = look_out(a, join, point, &outlook);
	if (rc != 0)
		return rc;
	/* Just before the oldest event kept, the next resume is exact. */
	uint64_t before = outlook.oldest == 0 ? last : outlook.oldest - 1;
	out->gap_known = outlook.forgotten;
	out->now = last;
	out->backlog = outlook.oldest != 0;
	out->gap_id = before;
	out->gap_from = outlook.oldest == 0 ? last : outlook.oldest;
	if (kind == EVENT_RESUME_EARLIEST || kind == EVENT_RESUME_UNREADABLE) {
		out->gap = kind == EVENT_RESUME_UNREADABLE;
		out->cursor = before;
		out->start_id = before;
	} else {
		out->gap = outlook.forgotten > point;
		out->cursor = out->gap ? before : point;
		out->start_id = point;
	}
	return 0;
}

static int
join_work(struct arena *a, void *argument)
{
	struct join *join = argument;
	uint32_t known[FOLLOW_READER_MAX];
	size_t done;
	int rc = 0;

	for (size_t i = 0; i < join->count; i++)
		known[i] = join->joins[i].registration;
	for (done = 0; done < join->count; done++) {
		rc = join_one(a, join, &join->joins[done]);
		if (rc != 0)
			break;
		journal_end(a);
	}
	if (rc == 0)
		rc = find_beginning(a, join);
	if (rc != 0) {
		/* What the one that failed has begun, and then the others. */
		(void)journal_undo(a);
		unjoin(a, join, done);
		for (size_t i = 0; i < join->count; i++)
			join->joins[i].registration = known[i];
	}
	return rc;
}

int
follow_join(struct store *s, struct clock_now now, struct follow_join *joins,
    size_t count, struct event_resume resume, struct follow_joined *joined)
{
	struct join join = {
		.slot = s->slot,
		.now = now,
		.joins = joins,
		.count = count,
		.resume = resume,
		.joined = joined,
	};

	if (count == 0 || count > FOLLOW_READER_MAX)
		return -EINVAL;
	return critical_run(&s->arena, join_work, &join);
}

struct leave {
	uint32_t slot;
	const uint32_t *registrations;
	size_t count;
	size_t done; /* so that a second try goes on, not begins again */
};

static int
leave_work(struct arena *a, void *argument)
{
	struct leave *leave = argument;

	while (leave->done < leave->count) {
		struct layout_block *registration = registry_own(a,
		    leave->registrations[leave->done], leave->slot);
		int rc =
		    registration == NULL ? 0 : registry_shrink(a, registration);
		if (rc != 0)
			return rc;
		journal_end(a);
		leave->done++;
	}
	return 0;
}

int
follow_leave(struct store *s, const uint32_t *registrations, size_t count)
{
	struct leave leave = {
		.slot = s->slot,
		.registrations = registrations,
		.count = count,
	};

	return critical_run(&s->arena, leave_work, &leave);
}

struct reading {
	uint32_t slot;
	struct follow_reader *reader;
	struct follow_segment *segment;
	struct layout_block *next[FOLLOW_READER_MAX]; /* of each channel */
};

/* Find each channel's first event after the cursor. */
static int
begin_reading(const struct arena *a, struct reading *r)
{
	const struct follow_reader *reader = r->reader;
	for (size_t i = 0; i < reader->count; i++) {
		struct layout_block *channel =
		    channel_of(a, reader->registrations[i], r->slot);
		if (channel == NULL)
			return -ESTALE;
		uint64_t mark = atomic_load(&channel->channel.forgotten.id);
		uint64_t gap_known = reader->gaps_known != NULL
		    ? reader->gaps_known[i]
		    : reader->gap_known;
		/* What one channel had lost before it was joined says nothing of
		 * what another has lost since. */
		if (mark > reader->cursor && mark > gap_known)
			return -ENODATA;
		int rc = channel_after(a, channel, reader->cursor, reader->hint,
		    &r->next[i]);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* The channel whose next event is the oldest of all; count when none is left. */
static size_t
oldest_next(const struct reading *r)
{
	size_t oldest = r->reader->count;

	for (size_t i = 0; i < r->reader->count; i++) {
		if (r->next[i] != NULL &&
		    (oldest == r->reader->count ||
			r->next[i]->event.id < r->next[oldest]->event.id))
			oldest = i;
	}
	return oldest;
}

int
follow_copy_event(const struct arena *a, struct follow_segment *segment,
    const struct layout_block *event)
{
	size_t len = event->event.len;

	/* Callers make as much room as this says: never more than there is. */
	if (pool_chain_len(len, LAYOUT_EVENT_BYTES) >= a->block_count)
		return -EUCLEAN;
	if (len > segment->room - segment->len ||
	    segment->marks_len == segment->marks_room)
		return -EMSGSIZE;
	int rc = pool_read(a, event, event->event.bytes, LAYOUT_EVENT_BYTES,
	    segment->bytes + segment->len, len);
	if (rc != 0)
		return rc;
	segment->len += len;
	segment->marks[segment->marks_len++] =
	    (struct follow_mark){ .id = event->event.id, .end = segment->len };
	return 0;
}

static int
read_work(struct arena *a, void *argument)
{
	struct reading *r = argument;
	struct follow_segment *segment = r->segment;
	int rc = begin_reading(a, r);

	segment->more = false;
	while (rc == 0) {
		size_t i = oldest_next(r);
		if (i == r->reader->count)
			return 0;
		struct layout_block *event = r->next[i];
		/* An event for several channels was read where another of them
		 * has it. */
		if (event->event.id > r->reader->cursor)
			rc = follow_copy_event(a, segment, event);
		if (rc == -EMSGSIZE) {
			segment->more = true;
			segment->wanted = event->event.len;
			return segment->marks_len > 0 ? 0 : rc;
		}
		if (rc != 0)
			return rc;
		r->reader->cursor = event->event.id;
		r->reader->hint = pool_number(a, event);
		rc = channel_newer(a, event, &r->next[i]);
	}
	return rc;
}

int
follow_read(struct store *s, struct follow_reader *reader,
    struct follow_segment *segment)
{
	struct reading reading = {
		.slot = s->slot,
		.reader = reader,
		.segment = segment,
	};

	return critical_run(&s->arena, read_work, &reading);
}

struct news {
	uint32_t slot;
	uint32_t *cookies;
	size_t room;
	size_t count;
};

static int
news_work(struct arena *a, void *argument)
{
	struct news *news = argument;

	while (news->count < news->room) {
		int rc =
		    registry_pop(a, news->slot, &news->cookies[news->count]);
		if (rc <= 0)
			return rc;
		journal_end(a);
		news->count++;
	}
	return 0;
}

int
follow_news(struct store *s, uint32_t *cookies, size_t room)
{
	struct news news = {
		.slot = s->slot,
		.cookies = cookies,
		.room = room,
	};
	int rc = critical_run(&s->arena, news_work, &news);

	return rc < 0 ? rc : (int)news.count;
}
