/*
 * pealctl history: what is kept of a channel.
 */
#ifndef PEAL_HISTORY_H
#define PEAL_HISTORY_H

#include <stdint.h>

#include "arena/store.h"
#include "base/event.h"
#include "base/span.h"
#include "ctl/table_output.h"

/*
 * Print the events of a channel after since, oldest first; of more than limit
 * the newest, where limit is not 0.  Text is as on the wire.  *lost tells
 * whether something after since is no longer kept.
 *
 * Returns 0, -ENOMEM, or as critical_run().
 */
int history_print(const struct table_output *l, struct store *s,
    struct span channel, struct event_resume since, uint64_t limit, bool *lost);

#endif
