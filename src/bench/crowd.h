/*
 * The crowd: the subscribers of a load, thousands of event streams read by one
 * thread.
 */
#ifndef PEAL_CROWD_H
#define PEAL_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "bench/tally.h"
#include "client/client.h"
#include "wire/sse_reader.h"

struct crowd_plan {
	struct url url;	     /* "{}" in its target is the channel */
	struct span headers; /* whole lines, with their CR LF */
	const char *resume;  /* Last-Event-ID; NULL: none */
	const char *channel; /* what channels' names begin with */
	uint32_t subscribers;
	uint32_t channels;
	uint32_t stalled; /* the first so many never read */
};

struct crowd;

struct crowd_member {
	struct client client;
	struct sse_reader events;
	struct tally_reader reader;
	struct crowd *crowd;
	bool open; /* the head of its response has come */
};

struct crowd {
	const struct crowd_plan *plan;
	struct client_target target;
	struct crowd_member *members;
	uint32_t begun; /* have been connected */
	uint32_t open;
	uint32_t ended;	 /* streams that the other side has ended */
	uint32_t failed; /* never became one */
	struct tally *tally;
	bool timed; /* the way of events is measured */
	uint64_t now_ns;
	int epoll_fd;
	char *room;	/* for what is received */
	struct buf why; /* what went wrong first */
};

/*
 * Look the address up and make the members; plan, and tally, stay the caller's.
 * A member is in epoll with twice its index as data.
 * Returns 0 or -errno, with c->why told.
 */
int crowd_init(struct crowd *c, const struct crowd_plan *plan,
    struct tally *tally, int epoll_fd);
void crowd_fini(struct crowd *c);

/* Connect more, until so many are on their way. */
void crowd_open_some(struct crowd *c, uint32_t pending_max);

/* True when every member is a stream, or has failed to become one. */
bool crowd_is_there(const struct crowd *c);

/* epoll told something of a member. */
void crowd_event(struct crowd *c, uint32_t index, uint32_t events);

/* Count what has not come as lost. */
void crowd_close(struct crowd *c);

/* Append a target with "{}" replaced by a channel's name. */
void crowd_put_target(struct buf *out, struct span target, const char *channel,
    uint32_t number);

#endif
