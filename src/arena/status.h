/*
 * A picture of the arena and its workers at one moment, for those who look on.
 */
#ifndef PEAL_STATUS_H
#define PEAL_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "arena/store.h"
#include "base/clock.h"

struct status_worker {
	uint32_t slot;
	uint32_t session;
	int32_t pid;
	uint64_t since_ms;
	uint32_t streams;
	uint64_t totals[LAYOUT_TOTALS];
};

struct status {
	uint64_t size;
	uint64_t used; /* bytes of blocks in use */
	uint64_t peak; /* the most there ever were */
	uint64_t made_ms;
	uint32_t channels;
	uint32_t events;
	uint64_t max_age_ms;
	uint32_t max_events;
	uint64_t expired;
	uint64_t trimmed;
	uint64_t evicted;
	uint64_t purged;
	uint64_t repairs;
	uint64_t last_id;
	uint64_t totals[LAYOUT_TOTALS];
	struct status_worker *workers; /* the caller frees it */
	size_t worker_count;
};

/*
 * Take the picture.  The caller frees status->workers, also after a failure.
 *
 * Returns 0, -ENOMEM, or as critical_run().
 */
int status_take(struct store *s, struct clock_now now, struct status *status);

/* Seconds since the arena was made, by the wall clock. */
uint64_t status_uptime_s(const struct status *status, struct clock_now now);

#endif
