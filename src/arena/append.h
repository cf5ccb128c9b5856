/*
 * Appending events: all of them or none, in as many critical sections as it takes.
 */
#ifndef PEAL_APPEND_H
#define PEAL_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/arena.h"
#include "arena/registry.h"
#include "arena/store.h"
#include "base/clock.h"

struct append {
	struct clock_now now;
	const struct store_event *events;
	size_t count;
	struct store_appended *appended; /* out */
	struct registry_wakes *wakes;	 /* out */

	/* The rest is zero at first, and append_run()'s own. */
	enum append_stage {
		APPEND_CHECK,  /* nothing is begun */
		APPEND_EXPIRE, /* own ids of events that are too old come free */
		APPEND_ADD,    /* events are in the lists, and do not count */
		APPEND_ANNOUNCE /* they count; who listens is to be marked */
	} stage;
	uint64_t blocks;  /* that the events take, and their channels */
	size_t done;	  /* events of which this stage is done */
	uint64_t last;	  /* the id that was given last */
	uint64_t repairs; /* of the arena, as the adding began */
	const struct layout_block *copy; /* of a duplicate, found last */
};

/* As store_append(). */
int append_run(struct arena *a, struct append *append);

#endif
