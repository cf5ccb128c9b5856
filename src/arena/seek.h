/*
 * Finding an event of a channel without walking its list.
 *
 * Each event has a number in its channel, one more than the event before it, and
 * a jump to an older one, so that a search takes about twice as many steps as the
 * number of events has bits, wherever it ends.  Events go from the oldest on and
 * come at the newest end, and nothing else has to be kept up.
 * Everything here wants the arena's lock to be held by the caller.
 * Functions that return an error may return -EUCLEAN: an index is broken.
 * Source: Myers, "An applicative random-access stack", 1983.
 */
#ifndef PEAL_SEEK_H
#define PEAL_SEEK_H

#include <stdint.h>

#include "arena/arena.h"
#include "arena/layout.h"

/*
 * Give an event its number and its jump, before it is linked behind the channel's
 * newest event.
 */
void seek_link(const struct arena *a, const struct layout_block *channel,
    struct layout_block *event);

/* The channel's oldest event whose id is greater than id; NULL: there is none. */
int seek_after(const struct arena *a, const struct layout_block *channel,
    uint64_t id, struct layout_block **event);

/* The channel's oldest event whose stamp is greater; NULL: there is none. */
int seek_later(const struct arena *a, const struct layout_block *channel,
    uint64_t stamp_ms, struct layout_block **event);

/* How much older, by number, the event is that one with this number jumps to. */
uint32_t seek_distance(uint32_t number);

#endif
