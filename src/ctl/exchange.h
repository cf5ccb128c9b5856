/*
 * One request to a web server, and what comes of it within a time limit: for
 * pealctl doctor, which waits for a few of them at once.
 */
#ifndef PEAL_EXCHANGE_H
#define PEAL_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "client/http_client.h"
#include "wire/sse_reader.h"

enum exchange_state {
	EXCHANGE_UNDER_WAY, /* the response may go on */
	EXCHANGE_COMPLETE,
	EXCHANGE_CUT, /* the connection was lost; see error */
};

struct exchange {
	struct http_client client;
	enum exchange_state state;
	int error;	   /* -errno, or 0 where the other side closed */
	bool sending;	   /* some of the request is not sent yet */
	bool headed;	   /* the head is there */
	uint64_t begun_ns; /* clock_measure_ns() */
	uint64_t last_ns;  /* of the newest byte, or as begun_ns */
	struct buf body;   /* its first EXCHANGE_BODY_MAX bytes */
	struct sse_reader events;
	bool opened;	   /* peal:open has come */
	bool refused;	   /* peal:busy has come */
	bool ended;	   /* peal:end has come */
	struct buf reason; /* of the refusal or the end */
	struct buf ids;	   /* of events that were published, a line each */
	uint64_t event_ns; /* when the newest of them came */
};

#define EXCHANGE_BODY_MAX 4096

void exchange_init(struct exchange *v);
void exchange_fini(struct exchange *v);

/*
 * Connect and begin a request, whose bytes are copied.  no_body is for HEAD.
 * What fails at once is in the exchange's state, too.
 */
void exchange_begin(struct exchange *v, const struct http_client_target *target,
    struct span request, bool no_body);

/* The response's status; 0 where it has none yet. */
int exchange_status(const struct exchange *v);

/* A field of the response's head, or an empty span. */
struct span exchange_field(const struct exchange *v, const char *name);

/* The value of a field is this media type, whatever its parameters. */
bool exchange_is_type(const struct exchange *v, const char *type);

/* Whether an event of that id has arrived. */
bool exchange_has_event(const struct exchange *v, struct span id);

/*
 * What may be waited for; context is the exchange.  It has its head, it is over,
 * its stream has begun.  The end answers all of them.
 */
bool exchange_is_headed(void *context);
bool exchange_is_over(void *context);
bool exchange_has_begun(void *context);

/*
 * Let visits go on until done(context), for limit_ms at most.
 * Returns what done() said last.
 */
bool exchange_wait(struct exchange *const *visits, size_t count,
    bool (*done)(void *context), void *context, uint64_t limit_ms);

#endif
