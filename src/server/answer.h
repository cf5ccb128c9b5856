/*
 * Answering a request that has been read: what it is, whether it may, what
 * comes of it.  All but streams end here with a reply.
 */
#ifndef PEAL_ANSWER_H
#define PEAL_ANSWER_H

#include <stdbool.h>

#include "arena/wake.h"
#include "server/gate.h"
#include "server/options.h"
#include "server/pump.h"

struct answer {
	struct gate *gate;
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

void answer_init(struct answer *a, struct gate *gate,
    const struct options *options, struct wake *wake);
void answer_fini(struct answer *a);

/*
 * Answer the request that the gate holds.  too_large: its body was cut.
 *
 * Returns the arrival for a stream, with the peer in it and the request parked; or NULL
 * when it was answered.  *good then tells whether the peer took the answer, or will
 * when it is sent what lies in later.
 */
struct pump_arrival *answer_request(struct answer *a,
    const struct gate_peer *peer, bool too_large, bool *good);

#endif
