/*
 * Read the message, encode each event once, take the reply's memory, append,
 * print the reply: the steps that can fail stand before the append, which is
 * all or nothing.
 */
#include "server/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/reply.h"
#include "wire/sse.h"

/* What the lines of an event take beside its topic and data. */
#define LINES_ROOM 32

static int
refuse(struct problem *problem, int rc)
{
	if (rc == -ENOMEM)
		problem_set(problem, PROBLEM_UNAVAILABLE, "out of memory");
	else if (rc == -EMSGSIZE)
		problem_set(problem, PROBLEM_BATCH_TOO_LARGE,
		    "the batch is too large for the arena");
	else if (rc == -ENOSPC)
		problem_set(problem, PROBLEM_ARENA_FULL,
		    "the arena is full of channels and subscribers");
	else
		problem_set(problem, PROBLEM_UNAVAILABLE,
		    "the arena is unavailable: %s", strerror(-rc));
	return -EINVAL;
}

/* What publishing an event needs. */
struct item {
	struct store_event event;
	struct store_appended appended;
	struct reply_published published;
	size_t end; /* of its body in wire */
};

/* What publishing a message needs: four arrays, of which a single event needs no
 * allocation. */
struct work {
	struct store_event *events;
	struct store_appended *appended;
	struct reply_published *published;
	size_t *ends; /* of each body in wire */
	struct buf wire;
	struct item one;
	bool allocated;
};

static bool
work_init(struct work *w, size_t count)
{
	*w = (struct work){
		.events = &w->one.event,
		.appended = &w->one.appended,
		.published = &w->one.published,
		.ends = &w->one.end,
		.allocated = count > 1,
	};
	if (!w->allocated)
		return true;
	w->events = calloc(count, sizeof(w->events[0]));
	w->appended = calloc(count, sizeof(w->appended[0]));
	w->published = calloc(count, sizeof(w->published[0]));
	w->ends = calloc(count, sizeof(w->ends[0]));
	return w->events != NULL && w->appended != NULL &&
	    w->published != NULL && w->ends != NULL;
}

static void
work_fini(struct work *w)
{
	if (w->allocated) {
		free(w->events);
		free(w->appended);
		free(w->published);
		free(w->ends);
	}
	buf_fini(&w->wire);
}

/* Encode each event once; one that goes to several channels is shared. */
static int
encode(struct work *w, const struct message *m)
{
	size_t begin = 0;

	/* Enough for an event of one line; more is made as it is needed. */
	(void)buf_room(&w->wire,
	    m->events[0].content.data.len + m->events[0].content.topic.len +
		LINES_ROOM);
	for (size_t i = 0; i < m->count; i++) {
		const struct message_content *content = &m->events[i].content;
		if (!m->events[i].is_copy)
			sse_event(&w->wire, content->topic, content->data);
		w->ends[i] = w->wire.len;
	}
	if (buf_error(&w->wire) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < m->count; i++) {
		if (i > 0 && w->ends[i] != w->ends[i - 1])
			begin = w->ends[i - 1];
		w->events[i] = (struct store_event){
			.channel = m->events[i].channel,
			.own_id = m->events[i].content.id,
			.body = { w->wire.ptr + begin, w->ends[i] - begin },
			.is_copy = m->events[i].is_copy,
		};
	}
	return 0;
}

static int
publish_message(struct wake *wake, struct clock_now now,
    const struct message *m, struct work *w, struct buf *reply)
{
	int rc = encode(w, m);

	for (size_t i = 0; i < m->count; i++) {
		w->published[i].channel = m->events[i].channel;
		w->published[i].own_id = m->events[i].content.id;
	}
	/* Once it is stored, it is too late for an error. */
	if (rc == 0 &&
	    buf_room(reply, reply_published_max(w->published, m->count)) ==
		NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = wake_append(wake, now, w->events, m->count, w->appended);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < m->count; i++) {
		w->published[i].id = w->appended[i].id;
		w->published[i].subscribers = w->appended[i].subscribers;
		w->published[i].duplicate = w->appended[i].duplicate;
	}
	reply_published(reply, w->published, m->count, m->single);
	return 0;
}

int
publish_body(struct wake *wake, struct clock_now now, const struct request *r,
    struct span body, const struct message_rules *rules,
    struct problem *problem, struct buf *reply)
{
	struct message message = { 0 };
	struct work work = { 0 };
	enum message_type type;
	int rc = message_accept(r->content_type, r->content_encoding, &type,
	    problem);

	if (rc == 0)
		rc = message_read(&message, type, body, r->query, rules,
		    problem);

	if (rc == 0) {
		rc = work_init(&work, message.count)
		    ? publish_message(wake, now, &message, &work, reply)
		    : -ENOMEM;
		work_fini(&work);
		if (rc != 0 && rc != -ETIMEDOUT)
			rc = refuse(problem, rc);
	}
	message_fini(&message);
	return rc;
}
