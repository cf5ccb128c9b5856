/*
 * Read the message, encode each event once, take the reply's memory, append, print
 * the reply: the steps that can fail stand before the append, which is all or
 * nothing.  A large batch is read and encoded in slices, so that the loop looks after
 * others in between.
 */
#include "server/publish.h"

#include <errno.h>
#include <stdint.h>
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

/* What a publish is at. */
enum phase {
	READING,
	ENCODING,
	APPENDING,
};

struct publish {
	enum phase phase;
	struct message_rules rules;
	struct message message;
	struct message_reader reader;
	struct work work;
	size_t encoded; /* events */
};

/* Encode each event once; one that goes to several channels is shared.  Returns true
 * when all are. */
static bool
encode_some(struct publish *p, size_t bytes)
{
	const struct message *m = &p->message;
	struct buf *wire = &p->work.wire;
	size_t before = wire->len;

	/* Enough for an event of one line; more is made as it is needed. */
	if (p->encoded == 0)
		(void)buf_room(wire,
		    m->events[0].content.data.len +
			m->events[0].content.topic.len + LINES_ROOM);
	while (p->encoded < m->count && wire->len - before < bytes) {
		const struct message_event *event = &m->events[p->encoded];
		if (!event->is_copy)
			sse_event(wire, event->content.topic,
			    event->content.data);
		p->work.ends[p->encoded++] = wire->len;
	}
	return p->encoded == m->count;
}

/* Say what is to be stored, and take the memory for the reply. */
static int
prepare(struct publish *p, struct buf *reply)
{
	const struct message *m = &p->message;
	struct work *w = &p->work;
	size_t begin = 0;

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
		w->published[i].channel = m->events[i].channel;
		w->published[i].own_id = m->events[i].content.id;
	}
	/* Once it is stored, it is too late for an error. */
	return buf_room(reply, reply_published_max(w->published, m->count)) ==
		NULL
	    ? -ENOMEM
	    : 0;
}

static int
append(struct publish *p, struct wake *wake, struct clock_now now,
    struct buf *reply)
{
	const struct message *m = &p->message;
	struct work *w = &p->work;
	int rc = prepare(p, reply);

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

static void
publish_fini(struct publish *p)
{
	work_fini(&p->work);
	message_fini(&p->message);
}

void
publish_free(struct publish *p)
{
	if (p == NULL)
		return;
	publish_fini(p);
	free(p);
}

static int
begin(struct publish *p, const struct request *r, struct span body,
    const struct message_rules *rules, struct problem *problem)
{
	enum message_type type;

	*p = (struct publish){ .rules = *rules };
	int rc = message_accept(r->content_type, r->content_encoding, &type,
	    problem);
	return rc == 0 ? message_begin(&p->reader, &p->message, type, body,
			     r->query, &p->rules, problem)
		       : rc;
}

/* Go on by about so many bytes.  Returns as publish_step(). */
static int
step(struct publish *p, const struct publish_to *to, size_t bytes,
    struct problem *problem)
{
	int rc;

	p->reader.builder.problem = problem;
	switch (p->phase) {
	case READING:
		rc = message_step(&p->reader, bytes);
		if (rc != 0)
			return rc;
		p->phase = ENCODING;
		return work_init(&p->work, p->message.count)
		    ? 1
		    : refuse(problem, -ENOMEM);
	case ENCODING:
		if (encode_some(p, bytes))
			p->phase = APPENDING;
		return 1;
	case APPENDING:
		break;
	}
	rc = append(p, to->wake, to->now, to->reply);
	return rc == 0 || rc == -ETIMEDOUT ? rc : refuse(problem, rc);
}

int
publish_body(const struct publish_to *to, const struct request *r,
    struct span body, const struct message_rules *rules,
    struct problem *problem)
{
	struct publish p;
	int rc = begin(&p, r, body, rules, problem);

	if (rc == 0)
		rc = 1;
	while (rc == 1)
		rc = step(&p, to, SIZE_MAX, problem);
	publish_fini(&p);
	return rc;
}

int
publish_step(struct publish **p, const struct publish_to *to,
    const struct request *r, struct span body,
    const struct message_rules *rules, struct problem *problem)
{
	if (*p != NULL)
		return step(*p, to, PUBLISH_STEP, problem);
	*p = malloc(sizeof(**p));
	if (*p == NULL)
		return refuse(problem, -ENOMEM);
	int rc = begin(*p, r, body, rules, problem);
	return rc == 0 ? 1 : rc;
}
