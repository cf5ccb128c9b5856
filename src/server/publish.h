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

/*
 * Publish what a body asks for, and append the reply's JSON to reply.
 *
 * Returns 0, or -EINVAL with *problem filled in and nothing stored: as
 * message_accept() and message_read(), and
 *   413  a batch that is too large for the arena
 *   503  the arena is damaged or full of channels; or memory ran out, for the
 *        reply too
 * or -ETIMEDOUT with nothing stored: the arena's lock is not to be had now.
 */
int publish_body(struct wake *wake, struct clock_now now,
    const struct request *r, struct span body,
    const struct message_rules *rules, struct problem *problem,
    struct buf *reply);

#endif
