/*
 * Looking at channels and their events without listening to them.
 *
 * The lock is held for a segment at a time, however many channels there are: what
 * comes or goes between two segments may be in the list or not.  A channel that is
 * there all the while is in it once.
 */
#ifndef PEAL_BROWSE_H
#define PEAL_BROWSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/follow.h"
#include "arena/store.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/span.h"

struct browse_channel {
	char name[EVENT_CHANNEL_MAX];
	size_t name_len;
	uint32_t events;      /* that are kept */
	uint32_t fresh;	      /* of these, after a segment's since; see there */
	uint32_t subscribers; /* streams, over all workers */
	uint64_t oldest;      /* ids of events; 0: none is kept */
	uint64_t newest;
	uint64_t forgotten; /* the highest id it has let go */
};

/* At most so many fresh events of a channel are counted. */
#define BROWSE_FRESH_MAX 1000

struct browse_segment {
	uint64_t since;	 /* UINT64_MAX: nothing is fresh */
	uint32_t bucket; /* 0 at first; kept by browse_channels() */
	struct browse_channel *channels;
	size_t room;
	size_t count; /* of those that this segment has; may be 0 */
	bool more;
};

/*
 * Read the next segment of channels, in no order.
 *
 * Returns 0, -EMSGSIZE where the next channels want more room, or as
 * critical_run().
 */
int browse_channels(struct store *s, struct browse_segment *segment);

/*
 * Read all segments.  *channels is for the caller to free, also after a failure.
 *
 * Returns 0, -ENOMEM, or as critical_run().
 */
int browse_all(struct store *s, uint64_t since,
    struct browse_channel **channels, size_t *count);

/*
 * Let go of what is too old and nobody has cleared away yet, so that it is not
 * shown.  Many short critical sections.  Errors as critical_run().
 */
int browse_expire(struct store *s, struct clock_now now);

/*
 * Look at one channel.
 *
 * Returns 0, -ENOENT with only forgotten told, or as critical_run().
 */
int browse_find(struct store *s, struct span name, struct browse_channel *out);

/* Reads the events of one channel; nobody is counted as a subscriber. */
struct browse_reader {
	struct span channel;
	uint64_t cursor;
	uint32_t hint; /* 0 at first; kept by browse_read() */
};

/*
 * Append to segment the events after the cursor, oldest first, and move the
 * cursor.  A channel that is gone has none.  Events that were let go meanwhile
 * are passed over.
 *
 * Returns 0, or -EMSGSIZE as follow_read(), or as critical_run().
 */
int browse_read(struct store *s, struct browse_reader *reader,
    struct follow_segment *segment);

#endif
