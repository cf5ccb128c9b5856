/*
 * The cursor moves only over events that were written whole; partial says how
 * much of the next one was. So whatever a write returns, the stream knows
 * exactly what its client has.
 */
#include "server/stream.h"

#include <sys/epoll.h>

bool
stream_is_ready(const struct stream *s)
{
	return s->connection != NULL &&
	    s->connection->state == CONNECTION_STREAMING;
}

bool
stream_is_blocked(const struct stream *s)
{
	return s->connection != NULL &&
	    s->connection->state == CONNECTION_BLOCKED;
}

void
stream_leave_closed(struct stream *s)
{
	if (s->connection != NULL && s->connection->state == CONNECTION_CLOSED)
		s->connection = NULL;
}

size_t
stream_write(struct stream *s, struct connections *all, struct span bytes,
    uint64_t boot_ms)
{
	bool whole;

	if (!stream_is_ready(s) || bytes.len == 0)
		return 0;
	size_t done =
	    connection_write(all, s->connection, bytes, false, &whole);
	if (!whole && s->connection->state != CONNECTION_CLOSED)
		connection_move(all, s->connection, CONNECTION_BLOCKED,
		    boot_ms);
	stream_leave_closed(s);
	return done;
}

/* The first event of the segment after id. */
static size_t
first_after(const struct follow_segment *segment, uint64_t id)
{
	size_t low = 0;
	size_t high = segment->marks_len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (segment->marks[middle].id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t
begin_of(const struct follow_segment *segment, size_t event)
{
	return event == 0 ? 0 : segment->marks[event - 1].end;
}

size_t
stream_feed(struct stream *s, struct connections *all,
    const struct follow_segment *segment, uint64_t boot_ms)
{
	size_t event = first_after(segment, s->cursor);
	size_t first = event;

	if (event == segment->marks_len)
		return 0;
	size_t at = begin_of(segment, event) + s->partial;
	at += stream_write(s, all,
	    (struct span){ segment->bytes + at, segment->len - at }, boot_ms);
	while (event < segment->marks_len && segment->marks[event].end <= at) {
		s->cursor = segment->marks[event].id;
		event++;
	}
	s->partial = (uint32_t)(at - begin_of(segment, event));
	return event - first;
}

void
stream_end(struct stream *s, struct connections *all, struct span trailer)
{
	struct connection *c = s->connection;
	bool whole;

	if (c == NULL)
		return;
	/* Half an event must not be finished by our words: an event without its
	 * blank line is dropped by the client, and comes again. */
	if (s->partial > 0)
		trailer.len = 0;
	(void)connection_write(all, c, trailer, true, &whole);
	if (!whole)
		connection_close(all, c);
	else if (connection_finish(all, c))
		/* A part of a record is there, and the rest has to come. */
		(void)connection_watch(all, c, EPOLLIN);
	s->connection = NULL;
}
