/*
 * Channels and their events: finding, adding, forgetting, reading.
 * Everything here wants the arena's lock to be held by the caller.
 * Functions that return an error may return -EUCLEAN: an index is broken.
 */
#ifndef PEAL_CHANNEL_H
#define PEAL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/arena.h"
#include "arena/layout.h"
#include "base/clock.h"
#include "base/span.h"

/*
 * The hash of a name, whose low bits choose its bucket.  Keyed, so that a
 * stranger cannot choose names that share one.
 */
uint32_t channel_hash(const struct arena *a, struct span name);

/*
 * Find a channel.  Returns 0 with *channel NULL when there is none, or
 * -EUCLEAN.
 */
int channel_find(const struct arena *a, struct span name,
    struct layout_block **channel);

/* As channel_find(), making the channel; -ENOSPC when there is no block. */
int channel_find_or_make(struct arena *a, struct span name,
    struct layout_block **channel);

/* Give the channel's block back if it has neither events nor registrations. */
void channel_drop_if_idle(struct arena *a, struct layout_block *channel);

/* What a channel that is not there would say it has forgotten. */
uint64_t channel_forgotten_of(const struct arena *a, struct span name);

/*
 * Raise a mark to id.  own_id is what stands for the own id of the event with this
 * id; 0: it has none, or that is not known.
 */
void channel_raise(struct arena *a, struct layout_mark *mark, uint64_t id,
    uint64_t own_id);

/* Take a name out of its channel; out has room for EVENT_CHANNEL_MAX bytes. */
int channel_name(const struct arena *a, const struct layout_block *channel,
    char *out, size_t *len);

/* An event as it is put into a channel. */
struct channel_event {
	uint64_t id;
	uint64_t stamp_ms;
	struct span own_id; /* the publisher's, checked; empty: none */
	struct span body;   /* its block on the wire without the id line */
};

/* How many blocks an event takes. */
uint32_t channel_event_blocks(const struct channel_event *event);

/*
 * Add an event at the end of a channel and of the arena.  It does not count
 * until header.last_id reaches its id.
 *
 * Returns 0, or -ENOSPC.
 */
int channel_add(struct arena *a, struct layout_block *channel,
    const struct channel_event *event);

/* Let go of a channel's oldest event: its id is remembered as forgotten. */
int channel_forget_oldest(struct arena *a, struct layout_block *channel);

/*
 * Whether the channel's newest event has this id.  Others may have an event with
 * it as well: there it is a copy.
 */
bool channel_has_newest(const struct arena *a,
    const struct layout_block *channel, uint64_t id);

/* Whether an event is older than the limit. */
bool channel_is_too_old(const struct arena *a, const struct layout_block *event,
    uint64_t boot_ms);

/*
 * What of a channel counts at a moment.  Events that are too old do not, though
 * nobody has cleared them away yet; to look past them changes nothing.
 */
struct channel_kept {
	struct layout_block *oldest; /* NULL: none that counts */
	uint64_t forgotten;	     /* the highest id that is gone */
};
int channel_kept(const struct arena *a, const struct layout_block *channel,
    uint64_t boot_ms, struct channel_kept *kept);

/*
 * Let go of at most most events of any channel that are too old, as far as the
 * section lasts.
 *
 * Returns 0 when no more are too old, CRITICAL_MORE, or -EUCLEAN.
 */
int channel_expire_some(struct arena *a, uint64_t boot_ms, uint32_t most);

/*
 * Let go of the oldest committed event of all, so that a block comes free.  Its
 * channel goes too if it becomes idle.  Ends the journal.
 *
 * Returns 0, or -ENOSPC when there is none.
 */
int channel_evict(struct arena *a);

/*
 * Let go of events that do not count: somebody has begun to append them, and failed or
 * died.
 *
 * Returns 0 when there are none, CRITICAL_MORE as the section is spent, or -EUCLEAN.
 */
int channel_drop_uncommitted(struct arena *a);

/*
 * The channel's oldest event after cursor that counts.  hint is the number of a block that
 * held an event once read, or 0: where it is still good, nothing is searched.
 * *event is NULL when there is none.
 */
int channel_after(const struct arena *a, const struct layout_block *channel,
    uint64_t cursor, uint32_t hint, struct layout_block **event);

/* The next newer event of the same channel that counts, or NULL. */
int channel_newer(const struct arena *a, const struct layout_block *event,
    struct layout_block **newer);

/* Put an event at the end of the lists of its channel and of the arena, and
 * into the index of own ids. */
int channel_link(struct arena *a, struct layout_block *event);

/*
 * Whether an event's bytes are what subscribers may get: the line of its id or of
 * the publisher's first, a blank line last.  Its chain must be whole.
 */
bool channel_is_framed(const struct arena *a, const struct layout_block *event);

/* Put a channel into its bucket. */
void channel_hash_in(struct arena *a, struct layout_block *channel);

/*
 * An arena's beginning: what came before it is forgotten, by every channel.  The
 * caller read its clock before it waited, and a removed arena may have given
 * out ids since: the file's own time counts, to the end of its millisecond.
 */
void channel_begin(struct arena *a, struct clock_now now);

/*
 * Stamps are read off the boot clock, which an arena on a disk outlives.  After a
 * reboot an event's age is what the wall clock says; older than this boot
 * counts as old as this boot.
 */
void channel_rebase(struct arena *a, struct clock_now now);

#endif
