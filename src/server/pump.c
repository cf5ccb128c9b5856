#include "server/pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "wire/sse.h"

#define SEGMENT_ROOM 65536
#define SEGMENT_MARKS 2048
#define NEWS_AT_ONCE 256
/* Streams that are behind, of which each is served a segment in one pass. */
#define BEHIND_AT_ONCE 64
/* How long to leave an arena alone that could not be locked. */
#define ARENA_PAUSE_MS 200

void
pump_arrival_free(struct pump_arrival *arrival)
{
	if (arrival == NULL)
		return;
	buf_fini(&arrival->head);
	subscription_fini(&arrival->wanted);
	free(arrival);
}

int
pump_init(struct pump *p, struct audience *audience)
{
	*p = (struct pump){ .audience = audience };
	p->repairs = store_repairs(audience->store);
	p->behind_end = &p->behind;
	p->segment.bytes = malloc(SEGMENT_ROOM);
	p->segment.room = SEGMENT_ROOM;
	p->segment.marks = malloc(SEGMENT_MARKS * sizeof(p->segment.marks[0]));
	p->segment.marks_room = SEGMENT_MARKS;
	return p->segment.bytes == NULL || p->segment.marks == NULL ? -ENOMEM
								    : 0;
}

void
pump_fini(struct pump *p)
{
	free(p->segment.bytes);
	free(p->segment.marks);
}

static void
add_behind(struct pump *p, struct stream *s)
{
	if (s->is_behind)
		return;
	s->is_behind = true;
	s->next_behind = NULL;
	*p->behind_end = s;
	p->behind_end = &s->next_behind;
}

static void
feed(struct pump *p, struct stream *s, uint64_t boot_ms)
{
	struct audience *a = p->audience;
	uint32_t partial = s->partial;
	size_t events = stream_feed(s, a->gate, &p->segment, boot_ms);

	/* A segment without news for it: its silence goes on, and is counted. */
	if (events == 0 && s->partial == partial && s->state == STREAM_READY)
		return;
	audience_wrote(a, s, events);
}

/*
 * Read a segment, growing it for an event larger than it is.
 * Returns as follow_read(), or -ENOMEM.
 */
static int
read_segment(struct pump *p, struct follow_reader *reader)
{
	struct follow_segment *segment = &p->segment;

	for (;;) {
		segment->len = 0;
		segment->marks_len = 0;
		int rc = follow_read(p->audience->store, reader, segment);
		if (rc != -EMSGSIZE)
			return rc;
		char *bytes = realloc(segment->bytes, segment->wanted);
		if (bytes == NULL)
			return -ENOMEM;
		segment->bytes = bytes;
		segment->room = segment->wanted;
	}
}

/* A segment that a huge event made large goes back to its size. */
static void
shrink_segment(struct pump *p)
{
	if (p->segment.room <= SEGMENT_ROOM)
		return;
	char *bytes = realloc(p->segment.bytes, SEGMENT_ROOM);
	if (bytes != NULL) {
		p->segment.bytes = bytes;
		p->segment.room = SEGMENT_ROOM;
	}
}

/*
 * The arena cannot be read now; all that was to be done waits, the rest of this
 * pass too: each further try might wait for the lock as long again.
 */
static void
pause_reading(struct pump *p, int rc, uint64_t boot_ms)
{
	log_at(LOG_AT_ERROR, "the arena cannot be read: %s", strerror(-rc));
	p->pause_ms = boot_ms + ARENA_PAUSE_MS;
}

/* Give a segment of a channel's news to its streams; from is where it begins. */
static void
fan_out_segment(struct pump *p, struct roster_channel *channel, uint64_t from,
    uint64_t boot_ms)
{
	struct roster_seat *seat = channel->seats;

	for (; seat != NULL; seat = seat->next) {
		struct stream *s = seat->stream;
		if (s->state != STREAM_READY || s->is_behind)
			continue;
		if (s->seat_count > 1 || s->cursor < from)
			add_behind(p, s);
		else
			feed(p, s, boot_ms);
	}
}

/*
 * Fan a channel's news out.  Where it has let go of events before we read them,
 * every stream looks for itself what it has lost.
 * Returns 0, or -errno when it stays due.
 */
static int
fan_out(struct pump *p, struct roster_channel *channel, uint64_t boot_ms)
{
	struct follow_reader reader = {
		.registrations = &channel->registration,
		.count = 1,
		.cursor = channel->seen,
		.gap_known = channel->seen,
		.hint = channel->hint,
	};

	do {
		uint64_t from = reader.cursor;
		int rc = read_segment(p, &reader);
		if (rc == -ENODATA) {
			reader.gap_known = UINT64_MAX;
			rc = read_segment(p, &reader);
			from = UINT64_MAX;
		}
		if (rc == -ESTALE)
			from = UINT64_MAX;
		else if (rc != 0)
			return rc;
		fan_out_segment(p, channel, from, boot_ms);
		if (rc == -ESTALE)
			break;
		channel->seen = reader.cursor;
		channel->hint = reader.hint;
	} while (p->segment.more);
	channel->fanned_ms = boot_ms;
	return 0;
}

static void
fan_out_due(struct pump *p, uint64_t boot_ms)
{
	struct roster_channel *channel = p->due;

	p->due = NULL;
	p->next_due_ms = 0;
	while (channel != NULL) {
		struct roster_channel *next = channel->next_due;
		uint64_t ready_ms =
		    channel->fanned_ms + p->audience->settings.coalesce_ms;
		int rc = 0;

		channel->is_due = false;
		if (channel->seats == NULL) {
			roster_drop(&p->audience->roster, channel);
		} else if (p->audience->settings.coalesce_ms > 0 &&
		    ready_ms > boot_ms) {
			rc = -EAGAIN;
			if (p->next_due_ms == 0 || p->next_due_ms > ready_ms)
				p->next_due_ms = ready_ms;
		} else if (p->pause_ms > boot_ms) {
			rc = -EAGAIN;
		} else if ((rc = fan_out(p, channel, boot_ms)) != 0) {
			pause_reading(p, rc, boot_ms);
		}
		if (rc != 0) {
			channel->is_due = true;
			channel->next_due = p->due;
			p->due = channel;
		}
		channel = next;
	}
	shrink_segment(p);
}

/* Read one segment for a stream that is behind. */
static void
serve(struct pump *p, struct stream *s, uint64_t boot_ms)
{
	uint32_t registrations[FOLLOW_READER_MAX];
	uint64_t gaps_known[FOLLOW_READER_MAX];
	struct follow_reader reader = {
		.registrations = registrations,
		.count = s->seat_count,
		.cursor = s->cursor,
		.gaps_known = gaps_known,
		.hint = s->hint,
	};

	for (size_t i = 0; i < s->seat_count; i++) {
		registrations[i] = s->seats[i].channel->registration;
		gaps_known[i] = s->seats[i].gap_known;
	}
	int rc = read_segment(p, &reader);
	if (rc == 0) {
		feed(p, s, boot_ms);
		s->hint = s->cursor == reader.cursor ? reader.hint : 0;
		if (p->segment.more && s->state == STREAM_READY)
			add_behind(p, s);
	} else if (rc == -ENODATA || rc == -ESTALE) {
		/* What it needs is gone: it comes back and is told so. */
		audience_end(p->audience, s, boot_ms);
	} else {
		pause_reading(p, rc, boot_ms);
		add_behind(p, s);
	}
}

/*
 * Serve those who have waited longest.  When thousands come back at once, all of
 * them in one pass would keep news from everybody else for a tenth of a second.
 */
static void
serve_behind(struct pump *p, uint64_t boot_ms)
{
	struct stream *s = p->behind;
	struct stream **end = p->behind_end;

	p->behind = NULL;
	p->behind_end = &p->behind;
	for (int i = 0; i < BEHIND_AT_ONCE && s != NULL; i++) {
		struct stream *next = s->next_behind;
		s->is_behind = false;
		if (s->state == STREAM_READY && p->pause_ms > boot_ms)
			add_behind(p, s);
		else if (s->state == STREAM_READY)
			serve(p, s, boot_ms);
		s = next;
	}
	/* The rest stands before those who want another segment. */
	if (s != NULL) {
		*end = p->behind;
		if (p->behind == NULL)
			p->behind_end = end;
		p->behind = s;
	}
	shrink_segment(p);
}

static void
add_due(struct pump *p, struct roster_channel *channel)
{
	if (channel == NULL || channel->is_due)
		return;
	channel->is_due = true;
	channel->next_due = p->due;
	p->due = channel;
	p->next_due_ms = 0;
}

/*
 * A repair may have dropped a registration of ours that went bad, and nobody
 * would tell us of that channel's news again.  To read all of them shows it: its
 * streams are ended, and come back.
 */
static void
look_after_repair(struct pump *p)
{
	const struct roster *roster = &p->audience->roster;
	uint64_t repairs = store_repairs(p->audience->store);

	if (repairs == p->repairs)
		return;
	p->repairs = repairs;
	for (uint32_t i = 0; i < roster->cookie_count; i++)
		add_due(p, roster_by_cookie(roster, i));
}

void
pump_take_news(struct pump *p, uint64_t boot_ms)
{
	uint32_t cookies[NEWS_AT_ONCE];
	int count;

	p->news = p->pause_ms > boot_ms;
	if (p->news)
		return;
	do {
		count = follow_news(p->audience->store, cookies, NEWS_AT_ONCE);
		for (int i = 0; i < count; i++)
			add_due(p,
			    roster_by_cookie(&p->audience->roster, cookies[i]));
	} while (count == NEWS_AT_ONCE);
	look_after_repair(p);
	if (count < 0) {
		p->news = true;
		pause_reading(p, count, boot_ms);
	}
}

void
pump_pass(struct pump *p, uint64_t boot_ms)
{
	if (p->pause_ms <= boot_ms) {
		if (p->news)
			pump_take_news(p, boot_ms);
		if (p->due != NULL && p->next_due_ms <= boot_ms)
			fan_out_due(p, boot_ms);
		if (p->behind != NULL)
			serve_behind(p, boot_ms);
	}
	audience_bury(p->audience);
}

/* The header, the first block, and the gap event where there is a gap. */
static void
put_hello(const struct audience *a, const struct follow_joined *joined,
    struct pump_arrival *arrival)
{
	sse_hello(&arrival->head, a->settings.retry_ms, joined->hello);
	if (!joined->gap)
		return;
	sse_gap(&arrival->head, joined->gap_id, arrival->wanted.asked,
	    joined->gap_from);
	store_count(a->store, LAYOUT_GAPS, 1);
}

static void
begin_stream(struct pump *p, struct stream *s, struct pump_arrival *arrival,
    const struct follow_joined *joined, uint64_t boot_ms)
{
	struct audience *a = p->audience;

	put_hello(a, joined, arrival);
	if (buf_error(&arrival->head) != 0 ||
	    stream_write(s, a->gate, buf_span(&arrival->head), boot_ms) <
		arrival->head.len)
		s->state = STREAM_GONE;
	audience_wrote(a, s, 0);
	if (joined->backlog)
		add_behind(p, s);
}

void
pump_admit(struct pump *p, struct pump_arrival *arrival, struct clock_now now,
    bool stopping)
{
	struct audience *a = p->audience;
	struct follow_joined joined;
	struct stream *s = NULL;
	int rc = 0;

	if (!stopping && a->count < a->settings.max_streams)
		s = audience_seat(a, &arrival->peer, &arrival->wanted, now,
		    &joined, &rc);
	if (rc != 0)
		log_at(LOG_AT_ERROR, "a stream cannot join: %s", strerror(-rc));
	if (s == NULL)
		audience_refuse(a, &arrival->peer, &arrival->head);
	else
		begin_stream(p, s, arrival, &joined, now.boot_ms);
	pump_arrival_free(arrival);
}

void
pump_stream_event(struct pump *p, struct stream *s, uint32_t events,
    uint64_t boot_ms)
{
	if (audience_event(p->audience, s, events, boot_ms))
		add_behind(p, s);
}

uint64_t
pump_deadline(const struct pump *p)
{
	uint64_t at = UINT64_MAX;

	if (p->behind != NULL || p->news)
		at = p->pause_ms;
	else if (p->due != NULL)
		at =
		    p->next_due_ms > p->pause_ms ? p->next_due_ms : p->pause_ms;
	uint64_t other = audience_deadline(p->audience);
	return at < other ? at : other;
}

void
pump_end_all(struct pump *p, uint64_t boot_ms)
{
	struct stream *s = p->audience->streams;

	p->audience->closing = true;
	p->behind = NULL;
	p->behind_end = &p->behind;
	for (; s != NULL; s = s->next) {
		s->is_behind = false;
		if (s->state != STREAM_GONE)
			audience_end(p->audience, s, boot_ms);
	}
	audience_bury(p->audience);
}
