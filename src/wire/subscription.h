/*
 * What a GET asks to hear: channels, and where to resume.
 */
#ifndef PEAL_SUBSCRIPTION_H
#define PEAL_SUBSCRIPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/event.h"
#include "base/span.h"
#include "wire/access.h"
#include "wire/problem.h"
#include "wire/request.h"

/* Of one stream. */
#define SUBSCRIPTION_CHANNELS_MAX 64

/* What decides about a subscription beside the request. */
struct subscription_rules {
	const char *channel_param; /* the query's members that name channels */
	const struct access *access;
};

/* What a subscriber asks for. */
struct subscription {
	struct span channels[SUBSCRIPTION_CHANNELS_MAX]; /* no two are equal */
	size_t count;					 /* at least 1 */
	struct event_resume resume;
	struct span asked; /* the resume point as it was sent */
	bool beat;	   /* heartbeats are to be events */
	struct buf store;  /* what the spans point into */
};

/*
 * Read the channels and the resume point of a GET.
 *
 * The channels are PEAL_CHANNEL's where that variable is set, even if empty;
 * else the query's members named rules->channel_param, also with an index as
 * urlencoded_is_member() takes it.  PEAL_CHANNEL is first split at spaces, then
 * {NAME} in each piece is replaced by the FastCGI variable NAME,
 * so that a space inside a value cannot add a channel.  A name given twice
 * counts once.
 *
 * The resume point is HTTP_LAST_EVENT_ID where set and not empty; else the
 * query's lastEventId, last_event_id, lastEventID, Last-Event-ID or
 * lastEventTime, in this order and the first that is there and not empty.
 *
 * A member "beat" of the query, whatever its value, sets beat.
 *
 * s is initialised here and must be ended by subscription_fini(), also
 * after a failure.
 *
 * Returns 0, or -EINVAL with *problem filled in:
 *   400  no channel, more than SUBSCRIPTION_CHANNELS_MAX, or a bad name
 *   401, 403  as access_check_channel(), for one of the channels
 *   403  PEAL_CHANNEL gives no valid name: a variable is empty or missing, a
 *        '{' has no '}', or what comes out is not a channel name
 *   503  out of memory
 */
int subscription_read(struct subscription *s, const struct request *r,
    const struct subscription_rules *rules, request_look *look,
    const void *context, struct problem *problem);

void subscription_fini(struct subscription *s);

#endif
