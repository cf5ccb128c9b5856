/*
 * Answering a request that has been read: what it is, whether it may, what
 * comes of it.  All but streams end here with a reply.
 */
#ifndef PEAL_HANDLER_H
#define PEAL_HANDLER_H

#include <stdbool.h>

#include "arena/wake.h"
#include "server/fanout.h"
#include "server/fcgi.h"
#include "server/options.h"

struct handler {
	struct fcgi *fcgi;
	const struct options *options;
	struct wake *wake;
	struct buf body; /* kept from request to request */
	struct buf json;
	struct buf reply;
	struct span tail; /* what comes behind the reply, from json; or empty */
	uint64_t place_seen_ms; /* the arena was where it belongs; boot clock */
	uint64_t linked_seen_ms;
	struct buf
	    later; /* the answer, where its peer may have to be waited for */
};

void handler_init(struct handler *a, struct fcgi *fcgi,
    const struct options *options, struct wake *wake);
void handler_fini(struct handler *a);

/*
 * Answer the request that the fcgi holds.  too_large: its body was cut.
 *
 * Returns the arrival for a stream, with the peer in it and the request parked; or NULL
 * when it was answered.  *good then tells whether the peer took the answer, or will
 * when it is sent what lies in later.
 */
struct subscriber *handler_run(struct handler *a, const struct fcgi_peer *peer,
    bool too_large, bool *good);

#endif
