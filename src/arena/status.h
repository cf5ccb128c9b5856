/*
 * The status: what the arena and its workers were at one moment, and what each
 * figure of it is called.
 *
 * A figure has one name everywhere: the JSON, the metrics, pealctl and the page.
 * The table behind status_figure() feeds the first three; a new figure is a
 * field below, a line where it is read and a row of the table.  A new total is a
 * constant of enum layout_total and a row.
 */
#ifndef PEAL_STATUS_H
#define PEAL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/store.h"
#include "base/clock.h"

struct status_worker {
	uint32_t slot;
	uint32_t session;
	int32_t pid;
	uint64_t since_ms;
	uint64_t streams;
	uint64_t totals[LAYOUT_TOTALS];
};

/* What the figures mean stands in their help, in status.c. */
struct status {
	uint64_t uptime_s;
	uint64_t size;
	uint64_t used;
	uint64_t peak;
	uint64_t channels;
	uint64_t events;
	uint64_t max_age_ms;
	uint64_t max_events;
	uint64_t expired;
	uint64_t trimmed;
	uint64_t evicted;
	uint64_t purged;
	uint64_t repairs;
	uint64_t last_id; /* an event's, and so no figure */
	uint64_t totals[LAYOUT_TOTALS];
	uint64_t streams;
	uint64_t worker_count;
	struct status_worker *workers; /* the caller frees it */
};

/*
 * Take the picture.  The caller frees status->workers, also after a failure.
 *
 * Returns 0, -ENOMEM, or as critical_run().
 */
int status_take(struct store *s, struct clock_now now, struct status *status);

/* The object of the JSON that holds a figure. */
enum status_group {
	STATUS_TOP,	/* the outermost */
	STATUS_ARENA,	/* "arena" */
	STATUS_WORKERS, /* none: it follows from the array "workers" */
	STATUS_TOTALS,	/* "totals" */
};

enum status_unit {
	STATUS_NUMBER,
	STATUS_BYTES,
	STATUS_SECONDS,
	STATUS_MILLISECONDS,
};

struct status_figure {
	enum status_group group;
	const char *name;   /* in its group */
	const char *metric; /* NULL: a limit, which is not measured */
	const char *label;  /* for people */
	enum status_unit unit;
	bool is_counter;  /* it only rises */
	bool is_alarming; /* unless 0, an administrator should know why */
	const char *help; /* one sentence */
	size_t offset;	  /* of its uint64_t in struct status */
};

/* The figures, in the order they are shown in; NULL past the last. */
const struct status_figure *status_figure(size_t index);

/* The figure of a total (enum layout_total), which a worker has as well as the
 * status. */
const struct status_figure *status_total(size_t total);

uint64_t status_value(const struct status *status,
    const struct status_figure *figure);

#endif
