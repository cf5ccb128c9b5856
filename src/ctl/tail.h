/*
 * pealctl tail: channels followed on a terminal, as a worker of its own.
 */
#ifndef PEAL_TAIL_H
#define PEAL_TAIL_H

#include <stddef.h>
#include <stdio.h>

#include "arena/store.h"
#include "base/buf.h"
#include "base/event.h"
#include "base/span.h"

/*
 * Print the events of up to FOLLOW_READER_MAX channels to out, as they go on the
 * wire, until SIGINT or SIGTERM or until nobody reads out.  since is readable.  What is lost is told on standard error.
 *
 * Returns 0, or -errno with why telling.
 */
int tail_run(struct store *store, const struct span *names, size_t count,
    struct event_resume since, FILE *out, struct buf *why);

#endif
