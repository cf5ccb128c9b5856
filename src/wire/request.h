/*
 * An HTTP request as FastCGI variables tell it, turned into what peal acts on.
 *
 * Nothing here knows FastCGI: variables come through a look-up callback, so the
 * whole of it can be tested and fuzzed with a table.
 */
#ifndef PEAL_REQUEST_H
#define PEAL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/event.h"
#include "base/span.h"
#include "wire/problem.h"

#define REQUEST_CHANNELS_MAX 64

/*
 * Look one variable up.  Returns its value, NUL-terminated and valid as long as
 * the request, or NULL when it is not set.
 */
typedef const char *request_look(const void *context, const char *name);

enum request_method {
	REQUEST_GET,
	REQUEST_HEAD,
	REQUEST_POST,
	REQUEST_OPTIONS,
	REQUEST_OTHER,
};

enum request_path {
	REQUEST_MOUNT,
	REQUEST_STATUS,
	REQUEST_METRICS,
	REQUEST_UNKNOWN,
};

struct request {
	enum request_method method;
	enum request_path path;
	struct span query;	   /* QUERY_STRING, not decoded */
	struct span content_type;  /* with its parameters; empty if none */
	int64_t content_length;	   /* -1: unknown; the body's end tells */
	struct span origin;	   /* HTTP_ORIGIN; empty if none */
	struct span accept;	   /* HTTP_ACCEPT; empty if none */
	struct span authorization; /* HTTP_AUTHORIZATION; empty if none */
	struct span roles;	   /* PEAL_ROLES */
	bool has_roles;		   /* it was set, though perhaps empty */
};

/*
 * Read what every request needs.  Never fails: an unknown method or path is
 * reported as such, a CONTENT_LENGTH that is absent, empty, -1 or no number is
 * -1; one that is too large to hold is INT64_MAX.  The spans point into what
 * look returned.
 *
 * The sub-path comes from REQUEST_URI's path where there is one, since servers
 * disagree on PATH_INFO: a last segment "status" or "metrics" is taken as such;
 * else, where SCRIPT_NAME is not empty and PATH_INFO is neither empty nor "/",
 * the path is unknown; else it is the mount.  Without REQUEST_URI, SCRIPT_NAME
 * followed by PATH_INFO stands for it.
 */
void request_read(struct request *r, request_look *look, const void *context);

/* What a subscriber asks for. */
struct request_subscription {
	struct span channels[REQUEST_CHANNELS_MAX]; /* no two are equal */
	size_t count;				    /* at least 1 */
	struct event_resume resume;
	struct span asked; /* the resume point as it was sent */
	struct buf store;  /* what the spans point into */
};

/*
 * Read the channels and the resume point of a GET.
 *
 * The channels are PEAL_CHANNEL's where that variable is set, even if empty;
 * else the query's members named channel_param.  PEAL_CHANNEL is first split at
 * spaces, then {NAME} in each piece is replaced by the FastCGI variable NAME,
 * so that a space inside a value cannot add a channel.  A name given twice
 * counts once.
 *
 * The resume point is HTTP_LAST_EVENT_ID where set and not empty; else the
 * query's lastEventId, last_event_id, lastEventID, Last-Event-ID or
 * lastEventTime, in this order and the first that is there and not empty.
 *
 * s is initialised here and must be ended by request_subscription_fini(), also
 * after a failure.
 *
 * Returns 0, or -EINVAL with *problem filled in:
 *   400  no channel, more than REQUEST_CHANNELS_MAX, or a bad name
 *   403  PEAL_CHANNEL gives no valid name: a variable is empty or missing, a
 *        '{' has no '}', or what comes out is not a channel name
 *   503  out of memory
 */
int request_subscription_read(struct request_subscription *s,
    const struct request *r, const char *channel_param, request_look *look,
    const void *context, struct problem *problem);

void request_subscription_fini(struct request_subscription *s);

#endif
