/*
 * The events of a message, and how they are put together while its body is
 * read.
 */
#ifndef PEAL_MESSAGE_BUILDER_H
#define PEAL_MESSAGE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/span.h"
#include "wire/access.h"
#include "wire/problem.h"

/* What an event says, to whichever channel. */
struct message_content {
	struct span topic; /* empty: none */
	struct span data;  /* JSON without insignificant white space, or text */
	struct span id;	   /* the publisher's own; empty: none */
};

/*
 * One event to publish.  A message to several channels is as many events, in
 * the order the channels were named; a channel named twice counts once.
 */
struct message_event {
	struct span channel;
	struct message_content content;
	bool is_copy; /* of the event before it, for another channel */
};

struct message {
	struct message_event *events;
	size_t count;	  /* at least 1 after message_read(), 0 if it failed */
	bool single;	  /* one event to one channel: the short reply */
	struct buf store; /* what the spans point into */
};

/* What decides about a message beside its request. */
struct message_rules {
	size_t event_size; /* data of one event, bytes */
	const struct access *access;
};

/*
 * What is known while a body is read.
 *
 * The store is made as long as the body before anything is put there.  Every
 * byte of the body is decoded at most once, and nothing decoded is longer than
 * it was sent, so the store never moves and spans may point into it at once.
 */
struct message_builder {
	struct message *m;
	size_t cap; /* of m->events */
	const struct message_rules *rules;
	struct problem *problem;
	bool batch;
	size_t index; /* of the event in the batch, from 0 */
	size_t line;  /* in NDJSON, from 1; otherwise 0 */
};

/* Say what is wrong, and in a batch where.  Returns -EINVAL. */
int message_builder_refuse(struct message_builder *b, enum problem_kind kind,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Say that memory ran out.  Returns -EINVAL. */
int message_builder_refuse_memory(struct message_builder *b);

/* Copy s to the store, where it stays. */
struct span message_builder_keep(struct message_builder *b, struct span s);

/*
 * Add an event to channel, which lies in the store, behind those added before;
 * message_builder_finish() does the rest.  Returns 0, or -EINVAL with the problem filled
 * in.
 */
int message_builder_add(struct message_builder *b, struct span channel);

/*
 * Give the events from first on, of which there is at least one, their content,
 * which lies in the store.  A channel that was added twice loses its second event;
 * of those that are left all but the first are copies.
 */
void message_builder_finish(struct message_builder *b, size_t first,
    const struct message_content *content);

/*
 * Check the length of data, a topic, and a publisher's id.  what is how the data
 * is called in the sentence.  Return 0, or -EINVAL with the problem filled in.
 */
int message_builder_check_size(struct message_builder *b, const char *what,
    struct span data);
int message_builder_check_topic(struct message_builder *b, struct span topic);
int message_builder_check_id(struct message_builder *b, struct span id);

#endif
