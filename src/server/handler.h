/*
 * What a request that has been read is answered: what it asks for, whether it may,
 * and the reply or the stream that comes of it.  Writes nothing.
 */
#ifndef PEAL_HANDLER_H
#define PEAL_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/wake.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/span.h"
#include "server/options.h"
#include "server/publish.h"
#include "wire/access.h"
#include "wire/fcgi_record.h"
#include "wire/subscription.h"

struct handler {
	const struct options *options;
	struct wake *wake;
	int inbox;
	struct buf json;  /* kept from request to request */
	struct buf reply; /* the answer: its head, or all of it */
	struct span tail; /* what comes behind it, from json; or empty */
	struct publish **publish;   /* that of handler_run() */
	struct access access;	    /* of the request */
	struct subscription wanted; /* after HANDLER_STREAM */
	uint64_t place_seen_ms; /* the arena was where it belongs; boot clock */
	uint64_t linked_seen_ms;
	uint64_t inbox_seen_ms;
	bool had_lock;	 /* the last request found the arena's lock free */
	bool arena_gone; /* this worker has to end */
	bool stopping;	 /* this worker ends; health says so */
};

enum handler_outcome {
	HANDLER_REPLY,	/* reply and tail are the answer */
	HANDLER_STREAM, /* reply is the header block of a stream of wanted */
	HANDLER_STATUS_STREAM, /* the same of one of the status */
	HANDLER_WORKING,       /* a part of it is done; ask again soon */
	HANDLER_BUSY, /* the arena's lock is not to be had now; ask again */
};

/* inbox is that of wake_attach(). */
void handler_init(struct handler *a, const struct options *options,
    struct wake *wake, int inbox);
void handler_fini(struct handler *a);

/*
 * Decide what a whole request is answered.  What is returned in a points into it
 * and into the request, and is valid until the next call.  *publish is NULL at first; it
 * holds what HANDLER_WORKING has done, and is to be freed by publish_free() at last.
 */
enum handler_outcome handler_run(struct handler *a,
    const struct fcgi_record_request *record, struct publish **publish,
    struct clock_now now);

/*
 * Look at a request whose body is still to come.  Returns true when the body is
 * wanted; else reply holds the refusal.
 */
bool handler_admits(struct handler *a,
    const struct fcgi_record_request *record);

/* Answer a request whose HANDLER_BUSY has lasted too long: 503. */
void handler_give_up(struct handler *a,
    const struct fcgi_record_request *record);

#endif
