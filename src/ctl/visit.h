/*
 * One request to a web server, and what comes of it within a time limit: for
 * pealctl doctor, which waits for a few of them at once.
 */
#ifndef PEAL_VISIT_H
#define PEAL_VISIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "client/client.h"
#include "wire/sse_reader.h"

enum visit_state {
	VISIT_UNDER_WAY, /* the response may go on */
	VISIT_COMPLETE,
	VISIT_CUT, /* the connection was lost; see error */
};

struct visit {
	struct client client;
	enum visit_state state;
	int error;	   /* -errno, or 0 where the other side closed */
	bool sending;	   /* some of the request is not sent yet */
	bool headed;	   /* the head is there */
	uint64_t begun_ns; /* clock_measure_ns() */
	uint64_t last_ns;  /* of the newest byte, or as begun_ns */
	struct buf body;   /* its first VISIT_BODY_MAX bytes */
	struct sse_reader events;
	uint64_t first_retry_ms; /* what the stream began with; 0: it has not */
	uint32_t event_count;
	struct buf ids; /* of events, a line each */
};

#define VISIT_BODY_MAX 4096

void visit_init(struct visit *v);
void visit_fini(struct visit *v);

/*
 * Connect and begin a request, whose bytes are copied.  no_body is for HEAD.
 * What fails at once is in the visit's state, too.
 */
void visit_begin(struct visit *v, const struct client_target *target,
    struct span request, bool no_body);

/* The response's status; 0 where it has none yet. */
int visit_status(const struct visit *v);

/* A field of the response's head, or an empty span. */
struct span visit_field(const struct visit *v, const char *name);

/* The value of a field is this media type, whatever its parameters. */
bool visit_is_type(const struct visit *v, const char *type);

/* Whether an event of that id has arrived. */
bool visit_has_event(const struct visit *v, struct span id);

/*
 * What may be waited for; context is the visit.  It has its head, it is over,
 * its stream has begun.  The end answers all of them.
 */
bool visit_is_headed(void *context);
bool visit_is_over(void *context);
bool visit_has_begun(void *context);

/*
 * What peal's first block says: here is a stream, which has an id to come back
 * with; or come back later, which has none.
 */
bool visit_is_stream(const struct visit *v);
bool visit_is_sent_away(const struct visit *v);

/*
 * Let visits go on until done(context), for limit_ms at most.
 * Returns what done() said last.
 */
bool visit_wait(struct visit *const *visits, size_t count,
    bool (*done)(void *context), void *context, uint64_t limit_ms);

#endif
