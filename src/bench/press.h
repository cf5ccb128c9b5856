/*
 * The press: the publishers of a load, each a kept connection with one POST at a
 * time under way.
 */
#ifndef PEAL_PRESS_H
#define PEAL_PRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "bench/tally.h"
#include "client/client.h"

enum press_type {
	PRESS_RAW,    /* the body is the data, the URL names the channel */
	PRESS_JSON,   /* one object */
	PRESS_ARRAY,  /* an array of objects */
	PRESS_NDJSON, /* an object a line */
};

struct press_plan {
	struct url url;	     /* "{}" in its target is the channel */
	struct span headers; /* whole lines, with their CR LF */
	const char *channel; /* what channels' names begin with */
	enum press_type type;
	uint32_t batch; /* events a POST */
	uint32_t connections;
	uint32_t channels;
	uint32_t payload; /* bytes of data */
};

struct press;

struct press_one {
	struct client client;
	struct press *press;
	bool busy;
	bool kept;	   /* its connection has had an answer before */
	uint64_t *numbers; /* of the events under way */
	uint32_t count;
	char said[200]; /* how the answer's body begins, if it is no 200 */
	size_t said_len;
	struct press_one *next_idle;
};

struct press {
	const struct press_plan *plan;
	struct client_target target;
	struct press_one *all;
	struct press_one *idle;
	uint32_t busy;
	uint64_t events; /* sent so far */
	struct tally *tally;
	int epoll_fd;
	char *filler;
	struct buf body;
	struct buf why; /* what went wrong first */
};

/*
 * As crowd_init(); in epoll, data is twice the index and one.
 */
int press_init(struct press *p, const struct press_plan *plan,
    struct tally *tally, int epoll_fd);
void press_fini(struct press *p);

/*
 * Send a POST of count events, a batch at most; they go to the channels in turn.
 * due_ns is what their time is measured from.
 *
 * Returns false when every connection is busy.
 */
bool press_send(struct press *p, uint32_t count, uint64_t due_ns);

/* epoll told something of a publisher. */
void press_event(struct press *p, uint32_t index, uint32_t events);

#endif
