/*
 * The publishers: the publishers of a load, each a kept connection with one POST at a
 * time under way.
 */
#ifndef PEAL_PUBLISHERS_H
#define PEAL_PUBLISHERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "bench/delivery_check.h"
#include "client/http_client.h"

enum publishers_type {
	PUBLISHERS_RAW,	   /* the body is the data, the URL names the channel */
	PUBLISHERS_JSON,   /* one object */
	PUBLISHERS_ARRAY,  /* an array of objects */
	PUBLISHERS_NDJSON, /* an object a line */
};

struct publishers_plan {
	struct url url;	     /* "{}" in its target is the channel */
	struct span headers; /* whole lines, with their CR LF */
	const char *channel; /* what channels' names begin with */
	enum publishers_type type;
	uint32_t batch; /* events a POST */
	uint32_t connections;
	uint32_t channels;
	uint32_t payload; /* bytes of data */
};

struct publishers;

struct publisher {
	struct http_client client;
	struct publishers *publishers;
	bool busy;
	bool kept;	   /* its connection has had an answer before */
	uint64_t *numbers; /* of the events under way */
	uint32_t count;
	char said[200]; /* how the answer's body begins, if it is no 200 */
	size_t said_len;
	struct publisher *next_idle;
};

struct publishers {
	const struct publishers_plan *plan;
	struct http_client_target target;
	struct publisher *all;
	struct publisher *idle;
	uint32_t busy;
	uint64_t events; /* sent so far */
	struct delivery_check *check;
	int epoll_fd;
	char *filler;
	struct buf body;
	struct buf name; /* of the channel of an event */
	struct buf why;	 /* what went wrong first */
};

/*
 * As subscribers_init(); in epoll, data is twice the index and one.
 */
int publishers_init(struct publishers *p, const struct publishers_plan *plan,
    struct delivery_check *check, int epoll_fd);
void publishers_fini(struct publishers *p);

/*
 * Send a POST of count events, a batch at most; they go to the channels in turn.
 * due_ns is what their time is measured from.
 *
 * Returns false when every connection is busy.
 */
bool publishers_send(struct publishers *p, uint32_t count, uint64_t due_ns);

/* epoll told something of a publisher. */
void publishers_event(struct publishers *p, uint32_t index, uint32_t events);

#endif
