#include "wire/message_builder.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"

int
message_builder_refuse(struct message_builder *b, enum problem_kind kind,
    const char *format, ...)
{
	char sentence[PROBLEM_DETAIL_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	if (b->line > 0)
		problem_set(b->problem, kind, "event %zu (line %zu): %s",
		    b->index, b->line, sentence);
	else if (b->batch)
		problem_set(b->problem, kind, "event %zu: %s", b->index,
		    sentence);
	else
		problem_set(b->problem, kind, "%s", sentence);
	return -EINVAL;
}

int
message_builder_refuse_memory(struct message_builder *b)
{
	problem_set(b->problem, PROBLEM_UNAVAILABLE, "out of memory");
	return -EINVAL;
}

struct span
message_builder_keep(struct message_builder *b, struct span s)
{
	struct buf *store = &b->m->store;
	struct span kept = { store->ptr + store->len, s.len };

	assert(s.len <= store->cap - store->len);
	buf_put(store, s);
	return kept;
}

int
message_builder_add(struct message_builder *b, struct span channel)
{
	struct message *m = b->m;

	const char *fault = event_channel_fault(channel);
	if (fault != NULL)
		return message_builder_refuse(b, PROBLEM_BAD_CHANNEL,
		    "the channel name %s", fault);
	if (access_check_channel(b->rules->access, ACCESS_PUBLISH, channel,
		b->problem) != 0)
		return -EINVAL;
	if (m->count == b->cap) {
		size_t cap = b->cap == 0 ? 8 : b->cap * 2;
		struct message_event *events =
		    reallocarray(m->events, cap, sizeof(*events));
		if (events == NULL)
			return message_builder_refuse_memory(b);
		m->events = events;
		b->cap = cap;
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
message_builder_finish(struct message_builder *b, size_t first,
    const struct message_content *content)
{
	struct message *m = b->m;

	drop_repeated(m, first);
	for (size_t i = first; i < m->count; i++) {
		m->events[i].content = *content;
		m->events[i].is_copy = i > first;
	}
}

int
message_builder_check_size(struct message_builder *b, const char *what,
    struct span data)
{
	if (data.len <= b->rules->event_size)
		return 0;
	return message_builder_refuse(b, PROBLEM_EVENT_TOO_LARGE,
	    "%s is %zu bytes long; at most %zu are taken", what, data.len,
	    b->rules->event_size);
}

int
message_builder_check_topic(struct message_builder *b, struct span topic)
{
	const char *fault = event_topic_fault(topic);

	return fault == NULL ? 0
			     : message_builder_refuse(b, PROBLEM_BAD_TOPIC,
				   "the topic %s", fault);
}

int
message_builder_check_id(struct message_builder *b, struct span id)
{
	const char *fault = event_own_id_fault(id);

	return fault == NULL
	    ? 0
	    : message_builder_refuse(b, PROBLEM_BAD_ID, "the id %s", fault);
}
