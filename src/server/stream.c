#include "server/stream.h"

#include <poll.h>

/*
 * POLLOUT on a unix socket means that three quarters of its buffer are free
 * (about 150 KB), on TCP a third.  So after one poll a whole flush never blocks,
 * nor do small writes of this many bytes in all, each counted with what the
 * kernel adds to it.  It saves nearly all polls.
 */
#define CREDIT 32768
#define WRITE_COST 1024

static bool
may_write(struct stream *s, size_t len, uint64_t boot_ms)
{
	struct pollfd pollfd = { .fd = s->peer.fd, .events = POLLOUT };
	size_t cost = len + WRITE_COST;

	if (cost <= s->credit) {
		s->credit -= (uint32_t)cost;
		return true;
	}
	if (poll(&pollfd, 1, 0) < 0 || (pollfd.revents & (POLLERR | POLLHUP))) {
		s->state = STREAM_GONE;
		return false;
	}
	if ((pollfd.revents & POLLOUT) == 0) {
		s->state = STREAM_BLOCKED;
		s->since_ms = boot_ms;
		s->credit = 0;
		return false;
	}
	s->credit = cost < CREDIT ? CREDIT - (uint32_t)cost : 0;
	return true;
}

size_t
stream_write(struct stream *s, struct fcgi *g, struct span bytes,
    uint64_t boot_ms)
{
	size_t done = 0;

	while (done < bytes.len && s->state == STREAM_READY) {
		size_t part = bytes.len - done;
		if (part > STREAM_FLUSH)
			part = STREAM_FLUSH;
		if (!may_write(s, part, boot_ms))
			break;
		if (fcgi_write(g, &s->peer,
			(struct span){ bytes.ptr + done, part }) != 0) {
			s->state = STREAM_GONE;
			break;
		}
		done += part;
	}
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
stream_feed(struct stream *s, struct fcgi *g,
    const struct follow_segment *segment, uint64_t boot_ms)
{
	size_t event = first_after(segment, s->cursor);
	size_t first = event;

	if (event == segment->marks_len)
		return 0;
	size_t at = begin_of(segment, event) + s->partial;
	at += stream_write(s, g,
	    (struct span){ segment->bytes + at, segment->len - at }, boot_ms);
	while (event < segment->marks_len && segment->marks[event].end <= at) {
		s->cursor = segment->marks[event].id;
		event++;
	}
	s->partial = (uint32_t)(at - begin_of(segment, event));
	return event - first;
}

void
stream_end(struct stream *s, struct fcgi *g, struct span trailer,
    uint64_t boot_ms)
{
	/* Half an event must not be finished by our words: an event without its
	 * blank line is dropped by the client, and comes again. */
	if (s->partial > 0)
		trailer.len = 0;
	if (s->state == STREAM_BLOCKED)
		s->state = STREAM_READY;
	if (s->state == STREAM_READY && may_write(s, trailer.len, boot_ms))
		s->hand_back =
		    fcgi_end(g, &s->peer, trailer) == 0 && s->peer.keep;
	s->state = STREAM_GONE;
}
