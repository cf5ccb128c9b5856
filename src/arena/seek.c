/*
 * The numbers are those of a skew-binary list: an event jumps over a piece of
 * 2^k - 1 events, and where the two pieces behind it are as long as each other,
 * over both.  What it jumps to may be gone by now, and its block be anything: a jump
 * is followed only to an older event of the same channel, and any of these is a
 * right step for a search that has not yet come below what it looks for.
 */
#include "arena/seek.h"

#include <errno.h>
#include <stdbool.h>

#include "arena/pool.h"

uint32_t
seek_distance(uint32_t number)
{
	uint32_t piece = UINT32_MAX;
	uint32_t rest = number;

	/* Cut the longest piece off, until one is as long as what is left. */
	for (;;) {
		while (piece > rest)
			piece >>= 1;
		if (piece == rest)
			return piece;
		rest -= piece;
	}
}

/* What an event jumps to, if that is there. */
static struct layout_block *
jump_of(const struct arena *a, const struct layout_block *event)
{
	struct layout_block *b = pool_block(a, event->event.jump, LAYOUT_EVENT);

	return b != NULL && b->event.channel == event->event.channel &&
		b->event.id < event->event.id
	    ? b
	    : NULL;
}

void
seek_link(const struct arena *a, const struct layout_block *channel,
    struct layout_block *event)
{
	struct layout_event *e = &event->event;
	const struct layout_block *newest =
	    pool_block(a, channel->channel.newest, LAYOUT_EVENT);
	const struct layout_block *over;

	e->number = newest == NULL ? 0 : newest->event.number + 1;
	e->jump = LAYOUT_NONE;
	uint32_t distance = seek_distance(e->number);
	/* What is farther away is gone. */
	if (newest == NULL || distance > channel->channel.events)
		return;
	if (distance == 1)
		e->jump = channel->channel.newest;
	else if ((over = jump_of(a, newest)) != NULL)
		e->jump = over->event.jump;
}

enum by { BY_ID, BY_STAMP };

static bool
is_beyond(const struct layout_block *event, enum by by, uint64_t value)
{
	return (by == BY_ID ? event->event.id : event->event.stamp_ms) > value;
}

/* The oldest event beyond a value, of which the newest is one and the oldest not. */
static int
search(const struct arena *a, struct layout_block *newest, enum by by,
    uint64_t value, struct layout_block **event)
{
	struct layout_block *at = newest;

	for (;;) {
		struct layout_block *next = jump_of(a, at);
		if (next == NULL || !is_beyond(next, by, value)) {
			next = pool_block(a, at->event.older, LAYOUT_EVENT);
			/* Falling ids are what keeps a walk over garbled bytes
			 * from circling. */
			if (next == NULL || next->event.id >= at->event.id)
				return -EUCLEAN;
			if (!is_beyond(next, by, value))
				break;
		}
		at = next;
	}
	*event = at;
	return 0;
}

static int
seek(const struct arena *a, const struct layout_block *channel, enum by by,
    uint64_t value, struct layout_block **event)
{
	const struct layout_channel *c = &channel->channel;

	*event = NULL;
	if (c->newest == LAYOUT_NONE)
		return 0;
	struct layout_block *newest = pool_block(a, c->newest, LAYOUT_EVENT);
	if (newest == NULL)
		return -EUCLEAN;
	if (!is_beyond(newest, by, value))
		return 0;
	struct layout_block *oldest = pool_block(a, c->oldest, LAYOUT_EVENT);
	if (oldest == NULL)
		return -EUCLEAN;
	if (is_beyond(oldest, by, value)) {
		*event = oldest;
		return 0;
	}
	return search(a, newest, by, value, event);
}

int
seek_after(const struct arena *a, const struct layout_block *channel,
    uint64_t id, struct layout_block **event)
{
	return seek(a, channel, BY_ID, id, event);
}

int
seek_later(const struct arena *a, const struct layout_block *channel,
    uint64_t stamp_ms, struct layout_block **event)
{
	return seek(a, channel, BY_STAMP, stamp_ms, event);
}
