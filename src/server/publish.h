/*
 * Publishing: a POST's body becomes events in the store, and a reply.
 */
#ifndef PEAL_PUBLISH_H
#define PEAL_PUBLISH_H

#include "arena/wake.h"
#include "base/buf.h"
#include "base/clock.h"
#include "wire/message.h"
#include "wire/problem.h"
#include "wire/request.h"

/* Bodies up to this length are published at once, longer ones in steps of it: about
 * 400 microseconds each. */
#define PUBLISH_STEP 65536

/* Where events go. */
struct publish_to {
	struct wake *wake;
	struct clock_now now;
	struct buf *reply; /* its JSON is appended */
};

/*
 * Publish what a body asks for, and append the reply's JSON.
 *
 * Returns 0, or -EINVAL with *problem filled in and nothing stored: as
 * message_accept(), message_read(), and
 *   413  a batch that is too large for the arena
 *   503  the arena is damaged or full of channels; or memory ran out, for the
 *        reply too
 * or -ETIMEDOUT with nothing stored: the arena's lock is not to be had now.
 */
int publish_body(const struct publish_to *to, const struct request *r,
    struct span body, const struct message_rules *rules,
    struct problem *problem);

/* A publish that is under way. */
struct publish;

/*
 * The same in steps.  *p is NULL at first, and to be freed by the caller in any
 * case.  The body, the request's spans and what rules point to must stay where they
 * are.
 *
 * Returns as publish_body(), or 1: call it again.  After -ETIMEDOUT the append is
 * tried again.
 */
int publish_step(struct publish **p, const struct publish_to *to,
    const struct request *r, struct span body,
    const struct message_rules *rules, struct problem *problem);

void publish_free(struct publish *p);

#endif
