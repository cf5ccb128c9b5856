/*
 * The subscribers: the subscribers of a load, thousands of event streams read by one
 * thread.
 */
#ifndef PEAL_SUBSCRIBERS_H
#define PEAL_SUBSCRIBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "bench/delivery_check.h"
#include "client/http_client.h"
#include "wire/sse_reader.h"

struct subscribers_plan {
	struct url url;	     /* "{}" in its target is the channel */
	struct span headers; /* whole lines, with their CR LF */
	const char *resume;  /* Last-Event-ID; NULL: none */
	const char *channel; /* what channels' names begin with */
	uint32_t subscribers;
	uint32_t channels;
	uint32_t stalled; /* the first so many never read */
};

struct subscribers;

struct subscriber {
	struct http_client client;
	struct sse_reader events;
	struct delivery_check_reader reader;
	struct subscribers *subscribers;
	bool open; /* the head of its response has come */
};

struct subscribers {
	const struct subscribers_plan *plan;
	struct http_client_target target;
	struct subscriber *members;
	uint32_t begun; /* have been connected */
	uint32_t open;
	uint32_t ended;	 /* streams that the other side has ended */
	uint32_t failed; /* never became one */
	struct delivery_check *check;
	bool timed; /* the way of events is measured */
	uint64_t now_ns;
	int epoll_fd;
	char *room;	/* for what is received */
	struct buf why; /* what went wrong first */
};

/*
 * Look the address up and make the members; plan, and check, stay the caller's.
 * A member is in epoll with twice its index as data.
 * Returns 0 or -errno, with c->why told.
 */
int subscribers_init(struct subscribers *c, const struct subscribers_plan *plan,
    struct delivery_check *check, int epoll_fd);
void subscribers_fini(struct subscribers *c);

/* Connect more, until so many are on their way. */
void subscribers_open_some(struct subscribers *c, uint32_t pending_max);

/* True when every member is a stream, or has failed to become one. */
bool subscribers_is_there(const struct subscribers *c);

/* epoll told something of a member. */
void subscribers_event(struct subscribers *c, uint32_t index, uint32_t events);

/* Count what has not come as lost. */
void subscribers_close(struct subscribers *c);

/* Append a target with "{}" replaced by a channel's name. */
void subscribers_put_target(struct buf *out, struct span target,
    const char *channel, uint32_t number);

#endif
