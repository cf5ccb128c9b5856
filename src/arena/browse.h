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
	struct span name;     /* in the segment's names */
	uint32_t events;      /* that are kept */
	uint32_t fresh;	      /* of these, after a segment's since */
	uint32_t subscribers; /* streams, over all workers */
	uint64_t oldest;      /* ids of events; 0: none is kept */
	uint64_t newest;
	uint64_t forgotten; /* the highest id it has let go */
};

struct browse_segment {
	uint64_t since;	 /* UINT64_MAX: nothing is fresh */
	uint32_t bucket; /* 0 at first; kept by browse_channels() */
	struct browse_channel *channels;
	size_t room;
	size_t count; /* of those that this segment has; may be 0 */
	char *names;  /* what the channels' names point into */
	size_t names_room;
	size_t names_len; /* 0 at first; kept by browse_channels() */
	bool more;
};

/*
 * Read the next segment of channels, in no order.  Their names are appended to
 * names, of which the last EVENT_CHANNEL_MAX - 1 bytes may stay unused.
 *
 * Returns 0, -EMSGSIZE where the next channels want more room, for themselves or
 * for their names, or as critical_run().
 */
int browse_channels(struct store *s, struct browse_segment *segment);

/* All channels; a name takes as many bytes as it has, not as it might have. */
struct browse_list {
	struct browse_channel *channels;
	size_t count;
	char *names;
};

/*
 * Read all segments.  The list must be ended by browse_list_fini(), also after a
 * failure.
 *
 * Returns 0, -ENOMEM, or as critical_run().
 */
int browse_all(struct store *s, uint64_t since, struct browse_list *list);
void browse_list_fini(struct browse_list *list);

/*
 * Look at one channel; out->name is then name itself.
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
