#include "wire/draft.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"

int
draft_refuse(struct draft *d, int status, const char *format, ...)
{
	char sentence[PROBLEM_DETAIL_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	if (d->line > 0)
		problem_set(d->problem, status, "event %zu (line %zu): %s",
		    d->index, d->line, sentence);
	else if (d->batch)
		problem_set(d->problem, status, "event %zu: %s", d->index,
		    sentence);
	else
		problem_set(d->problem, status, "%s", sentence);
	return -EINVAL;
}

int
draft_refuse_memory(struct draft *d)
{
	problem_set(d->problem, 503, "out of memory");
	return -EINVAL;
}

struct span
draft_keep(struct draft *d, struct span s)
{
	struct buf *store = &d->m->store;
	struct span kept = { store->ptr + store->len, s.len };

	assert(s.len <= store->cap - store->len);
	buf_put(store, s);
	return kept;
}

int
draft_add(struct draft *d, struct span channel)
{
	struct message *m = d->m;

	const char *fault = event_channel_fault(channel);
	if (fault != NULL)
		return draft_refuse(d, 400, "the channel name %s", fault);
	if (m->count == d->cap) {
		size_t cap = d->cap == 0 ? 8 : d->cap * 2;
		struct message_event *events =
		    reallocarray(m->events, cap, sizeof(*events));
		if (events == NULL)
			return draft_refuse_memory(d);
		m->events = events;
		d->cap = cap;
	}
	m->events[m->count++] = (struct message_event){ .channel = channel };
	return 0;
}

static int
compare_places(const void *left, const void *right)
{
	const struct message_event *a = left;
	const struct message_event *b = right;

	return (a->channel.ptr > b->channel.ptr) -
	    (a->channel.ptr < b->channel.ptr);
}

static int
compare_channels(const void *left, const void *right)
{
	const struct span *a = &((const struct message_event *)left)->channel;
	const struct span *b = &((const struct message_event *)right)->channel;
	size_t len = a->len < b->len ? a->len : b->len;

	int order = memcmp(a->ptr, b->ptr, len);
	if (order != 0)
		return order;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return compare_places(left, right);
}

/*
 * Drop channels named before, among the events from first on.  Sorted, as a
 * body can name a hundred thousand; then sorted back, which the store makes
 * easy: names lie there in the order they came.
 */
static void
drop_repeated(struct message *m, size_t first)
{
	struct message_event *events = m->events + first;
	size_t count = m->count - first;
	size_t kept = 1;

	if (count < 2)
		return;
	qsort(events, count, sizeof(*events), compare_channels);
	for (size_t i = 1; i < count; i++) {
		if (!span_equal(events[i].channel, events[kept - 1].channel))
			events[kept++] = events[i];
	}
	qsort(events, kept, sizeof(*events), compare_places);
	m->count = first + kept;
}

void
draft_finish(struct draft *d, size_t first, struct span topic, struct span data)
{
	struct message *m = d->m;

	drop_repeated(m, first);
	for (size_t i = first; i < m->count; i++) {
		m->events[i].topic = topic;
		m->events[i].data = data;
	}
}

int
draft_check_size(struct draft *d, const char *what, struct span data)
{
	if (data.len <= d->limits->event_size)
		return 0;
	return draft_refuse(d, 413,
	    "%s is %zu bytes long; at most %zu are taken", what, data.len,
	    d->limits->event_size);
}

int
draft_check_topic(struct draft *d, struct span topic)
{
	const char *fault = event_topic_fault(topic);

	return fault == NULL ? 0 : draft_refuse(d, 400, "the topic %s", fault);
}
