/*
 * A pass serves the channels with news first, then up to 64 streams that are
 * behind, so that a storm of returning clients delays live events by one round
 * at most. Lists are taken whole before they are walked: what a pause adds
 * stands in a new list, for the next pass.
 */
#include "server/fanout.h"

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
/* How long to leave an arena alone that is lost, and one whose lock is busy; after
 * how long that is reported. */
#define ARENA_PAUSE_MS 200
#define BUSY_PAUSE_MS 5
#define BUSY_REPORT_MS 2000

int
fanout_init(struct fanout *p, struct streams *streams)
{
	*p = (struct fanout){ .streams = streams };
	p->repairs = store_repairs(streams->store);
	p->behind_end = &p->behind;
	p->segment.bytes = malloc(SEGMENT_ROOM);
	p->segment.room = SEGMENT_ROOM;
	p->segment.marks = malloc(SEGMENT_MARKS * sizeof(p->segment.marks[0]));
	p->segment.marks_room = SEGMENT_MARKS;
	return p->segment.bytes == NULL || p->segment.marks == NULL ? -ENOMEM
								    : 0;
}

void
fanout_fini(struct fanout *p)
{
	free(p->segment.bytes);
	free(p->segment.marks);
}

static void
add_behind(struct fanout *p, struct stream *s)
{
	if (s->is_behind)
		return;
	s->is_behind = true;
	s->next_behind = NULL;
	*p->behind_end = s;
	p->behind_end = &s->next_behind;
}

static void
feed(struct fanout *p, struct stream *s, uint64_t boot_ms)
{
	struct streams *a = p->streams;
	uint32_t partial = s->partial;
	size_t events = stream_feed(s, a->connections, &p->segment, boot_ms);

	/* A segment without news for it: its silence goes on, and is counted. */
	if (events == 0 && s->partial == partial && stream_is_ready(s))
		return;
	streams_wrote(a, s, events);
}

/*
 * Read a segment, growing it for an event larger than it is.
 * Returns as follow_read(), or -ENOMEM.
 */
static int
read_segment(struct fanout *p, struct follow_reader *reader)
{
	struct follow_segment *segment = &p->segment;

	for (;;) {
		segment->len = 0;
		segment->marks_len = 0;
		int rc = follow_read(p->streams->store, reader, segment);
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
shrink_segment(struct fanout *p)
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
 * pass too.  That its lock is busy for a moment is nothing to report.
 */
static void
pause_reading(struct fanout *p, int rc, uint64_t boot_ms)
{
	bool busy = rc == -ETIMEDOUT;

	if (busy && p->busy_ms == 0)
		p->busy_ms = boot_ms;
	if (!busy || boot_ms - p->busy_ms >= BUSY_REPORT_MS) {
		log_at(LOG_AT_ERROR, "the arena cannot be read: %s",
		    strerror(-rc));
		p->busy_ms = boot_ms;
	}
	p->pause_ms = boot_ms + (busy ? BUSY_PAUSE_MS : ARENA_PAUSE_MS);
}

/* Give a segment of a channel's news to its streams; from is where it begins. */
static void
fan_out_segment(struct fanout *p, struct subscriptions_channel *channel,
    uint64_t from, uint64_t boot_ms)
{
	struct subscriptions_link *link = channel->links;

	for (; link != NULL; link = link->next) {
		struct stream *s = link->stream;
		if (!stream_is_ready(s) || s->is_behind)
			continue;
		if (s->link_count > 1 || s->cursor < from)
			add_behind(p, s);
		else
			feed(p, s, boot_ms);
		streams_pause(p->streams);
	}
}

/*
 * Fan a channel's news out.  Where it has let go of events before we read them,
 * every stream looks for itself what it has lost.
 * Returns 0, or -errno when it stays due.
 */
static int
fan_out(struct fanout *p, struct subscriptions_channel *channel,
    uint64_t boot_ms)
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
fan_out_due(struct fanout *p, uint64_t boot_ms)
{
	struct subscriptions_channel *channel = p->due;

	p->due = NULL;
	p->next_due_ms = 0;
	while (channel != NULL) {
		struct subscriptions_channel *next = channel->next_due;
		uint64_t ready_ms =
		    channel->fanned_ms + p->streams->settings.coalesce_ms;
		int rc = 0;

		channel->is_due = false;
		if (channel->links == NULL) {
			subscriptions_drop(&p->streams->subscriptions, channel);
		} else if (p->streams->settings.coalesce_ms > 0 &&
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
serve(struct fanout *p, struct stream *s, uint64_t boot_ms)
{
	uint32_t registrations[FOLLOW_READER_MAX];
	uint64_t gaps_known[FOLLOW_READER_MAX];
	struct follow_reader reader = {
		.registrations = registrations,
		.count = s->link_count,
		.cursor = s->cursor,
		.gaps_known = gaps_known,
		.hint = s->hint,
	};

	for (size_t i = 0; i < s->link_count; i++) {
		registrations[i] = s->links[i].channel->registration;
		gaps_known[i] = s->links[i].gap_known;
	}
	int rc = read_segment(p, &reader);
	if (rc == 0) {
		feed(p, s, boot_ms);
		s->hint = s->cursor == reader.cursor ? reader.hint : 0;
		if (p->segment.more && stream_is_ready(s))
			add_behind(p, s);
	} else if (rc == -ENODATA || rc == -ESTALE) {
		streams_end_behind(p->streams, s);
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
serve_behind(struct fanout *p, uint64_t boot_ms)
{
	struct stream *s = p->behind;
	struct stream **end = p->behind_end;

	p->behind = NULL;
	p->behind_end = &p->behind;
	for (int i = 0; i < BEHIND_AT_ONCE && s != NULL; i++) {
		struct stream *next = s->next_behind;
		s->is_behind = false;
		if (stream_is_ready(s) && p->pause_ms > boot_ms)
			add_behind(p, s);
		else if (stream_is_ready(s))
			serve(p, s, boot_ms);
		streams_pause(p->streams);
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
add_due(struct fanout *p, struct subscriptions_channel *channel)
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
look_after_repair(struct fanout *p)
{
	const struct subscriptions *subscriptions = &p->streams->subscriptions;
	uint64_t repairs = store_repairs(p->streams->store);

	if (repairs == p->repairs)
		return;
	p->repairs = repairs;
	for (uint32_t i = 0; i < subscriptions->cookie_count; i++)
		add_due(p, subscriptions_by_cookie(subscriptions, i));
}

void
fanout_take_news(struct fanout *p, uint64_t boot_ms)
{
	uint32_t cookies[NEWS_AT_ONCE];
	int count;

	p->news = p->pause_ms > boot_ms;
	if (p->news)
		return;
	do {
		count = follow_news(p->streams->store, cookies, NEWS_AT_ONCE);
		for (int i = 0; i < count; i++)
			add_due(p,
			    subscriptions_by_cookie(&p->streams->subscriptions,
				cookies[i]));
	} while (count == NEWS_AT_ONCE);
	look_after_repair(p);
	if (count < 0) {
		p->news = true;
		pause_reading(p, count, boot_ms);
	} else {
		p->busy_ms = 0;
	}
}

void
fanout_pass(struct fanout *p, uint64_t boot_ms)
{
	if (p->pause_ms <= boot_ms) {
		if (p->news)
			fanout_take_news(p, boot_ms);
		if (p->due != NULL && p->next_due_ms <= boot_ms)
			fan_out_due(p, boot_ms);
		if (p->behind != NULL)
			serve_behind(p, boot_ms);
	}
}

/*
 * One page of a site in error sends such a resume point each time it reconnects:
 * one line in the log is enough.  What has a hint is digits and a point.
 */
static void
log_hint(struct fanout *p, struct span asked, const char *hint)
{
	const size_t most = 32;

	if (hint == NULL || p->hinted)
		return;
	p->hinted = true;
	asked = span_trim(asked);
	log_at(LOG_AT_WARNING,
	    "a client sent the resume point %.*s: %s; further ones are not "
	    "logged",
	    (int)(asked.len < most ? asked.len : most), asked.ptr, hint);
}

/* The first block, and the gap event where there is a gap. */
static void
put_preamble(struct fanout *p, const struct follow_joined *joined,
    const struct subscription *wanted, struct buf *head)
{
	const struct streams *a = p->streams;

	sse_open(head, a->settings.retry_ms, joined->start_id);
	if (!joined->gap)
		return;
	const char *hint = event_resume_hint(wanted->asked);
	sse_gap(head, joined->gap_id, wanted->asked, joined->gap_from, hint);
	store_count(a->store, LAYOUT_GAPS, 1);
	log_hint(p, wanted->asked, hint);
}

/*
 * The resume point of a refusal: a subscriber that has none is given one, so that
 * it misses nothing while it waits; one that has keeps its own.
 */
static uint64_t
refusal_id(const struct fanout *p, const struct subscription *wanted)
{
	return wanted->resume.kind == EVENT_RESUME_NONE
	    ? store_last_id(p->streams->store)
	    : SSE_NO_ID;
}

static void
begin_stream(struct fanout *p, struct stream *s,
    const struct follow_joined *joined, struct buf *head, uint64_t boot_ms)
{
	struct streams *a = p->streams;

	if (buf_error(head) != 0 ||
	    stream_write(s, a->connections, buf_span(head), boot_ms) <
		head->len) {
		if (s->connection != NULL)
			connection_close(a->connections, s->connection);
	}
	streams_wrote(a, s, 0);
	if (joined->backlog)
		add_behind(p, s);
}

enum fanout_outcome
fanout_join(struct fanout *p, struct connection *c,
    const struct subscription *wanted, struct buf *head, struct clock_now now,
    bool stopping)
{
	struct streams *a = p->streams;
	struct follow_joined joined;
	struct stream *s = NULL;
	int rc = 0;

	if (!stopping && a->count < a->settings.max_streams)
		s = streams_join(a, c, wanted, now, &joined, &rc);
	if (rc == -ETIMEDOUT)
		return FANOUT_BUSY;
	if (rc != 0)
		log_at(LOG_AT_ERROR, "a stream cannot join: %s", strerror(-rc));
	if (s == NULL) {
		streams_refuse(a, head, refusal_id(p, wanted),
		    stopping ? SSE_STOPPING : SSE_FULL);
		return FANOUT_REFUSED;
	}
	put_preamble(p, &joined, wanted, head);
	begin_stream(p, s, &joined, head, now.boot_ms);
	return FANOUT_JOINED;
}

void
fanout_stream_event(struct fanout *p, struct stream *s, uint32_t events,
    uint64_t boot_ms)
{
	if (streams_event(p->streams, s, events, boot_ms))
		add_behind(p, s);
}

uint64_t
fanout_deadline(const struct fanout *p)
{
	uint64_t at = UINT64_MAX;

	if (p->behind != NULL || p->news)
		at = p->pause_ms;
	else if (p->due != NULL)
		at =
		    p->next_due_ms > p->pause_ms ? p->next_due_ms : p->pause_ms;
	uint64_t other = streams_deadline(p->streams);
	return at < other ? at : other;
}

void
fanout_end_all(struct fanout *p, uint64_t boot_ms)
{
	struct streams *a = p->streams;

	a->closing = true;
	p->behind = NULL;
	p->behind_end = &p->behind;
	for (struct stream *s = a->first; s != NULL; s = s->next) {
		s->is_behind = false;
		if (s->connection != NULL)
			streams_end(a, s, SSE_STOPPING);
	}
	while (a->dead != NULL) {
		a->next_reap_ms = boot_ms;
		streams_reap(a, boot_ms);
	}
	connections_reap(a->connections);
}
