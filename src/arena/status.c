/*
 * The figures are copied in one critical section, except the workers' counters,
 * which their owners change without the lock: each is read once, and their sum
 * may be a moment old.
 */
#include "arena/status.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "arena/channel.h"
#include "arena/critical.h"

/*
 * Who wants the status clears away what is too old for so long, some 10 ms, and
 * counts the rest along: a worker does nothing else meanwhile.
 */
#define EXPIRE_SECTIONS 16

struct survey {
	struct clock_now now;
	struct status *out;
	size_t room;
};

static void
status_workers(const struct arena *a, struct survey *survey)
{
	struct status *out = survey->out;

	a->meter->steps += a->worker_count;
	for (uint32_t i = 0; i < a->worker_count; i++) {
		const struct layout_worker *worker = &a->workers[i];
		if (worker->pid == 0 || out->worker_count == survey->room)
			continue;
		struct status_worker *to = &out->workers[out->worker_count++];
		to->slot = i;
		to->session = worker->session;
		to->pid = worker->pid;
		to->since_ms = worker->since_ms;
		to->streams = atomic_load(&worker->streams);
		for (size_t t = 0; t < LAYOUT_TOTALS; t++) {
			to->totals[t] = atomic_load(&worker->totals[t]);
			out->totals[t] += to->totals[t];
		}
	}
}

static int
status_work(struct arena *a, void *argument)
{
	struct survey *survey = argument;
	const struct layout_header *h = a->header;
	struct status *out = survey->out;

	out->size = a->map_len;
	out->used = (uint64_t)h->used * LAYOUT_BLOCK_SIZE;
	out->peak = (uint64_t)h->peak * LAYOUT_BLOCK_SIZE;
	/* By the wall clock, which may have been put back since. */
	out->uptime_s = survey->now.wall_ms > h->made_ms
	    ? (survey->now.wall_ms - h->made_ms) / 1000
	    : 0;
	out->channels = h->channels;
	out->events = h->events;
	out->max_age_ms = h->max_age_ms;
	out->max_events = h->max_events;
	out->expired = h->expired;
	out->trimmed = h->trimmed;
	out->evicted = h->evicted;
	out->purged = h->purged;
	out->repairs = h->repairs;
	out->last_id = atomic_load(&h->last_id);
	memcpy(out->totals, h->totals, sizeof(out->totals));
	status_workers(a, survey);
	return 0;
}

/*
 * Leave out workers that are gone and that nobody has missed yet: their slot's
 * file lock went with them.  Their registrations end now.
 */
static void
drop_gone(struct store *s, struct status *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < out->worker_count; i++) {
		const struct status_worker *w = &out->workers[i];
		bool own = s->attached && w->slot == s->slot;
		if (own || arena_is_claimed(&s->arena, w->slot)) {
			out->streams += w->streams;
			out->workers[kept++] = *w;
		} else {
			(void)store_reap(s, w->slot, w->session);
		}
	}
	out->worker_count = kept;
}

int
status_take(struct store *s, struct clock_now now, struct status *out)
{
	struct survey survey = {
		.now = now,
		.out = out,
		.room = s->arena.worker_count,
	};

	*out = (struct status){ 0 };
	out->workers = calloc(survey.room, sizeof(out->workers[0]));
	if (out->workers == NULL)
		return -ENOMEM;
	/* What is too old does not count, though nobody cleared it away yet. */
	int rc = store_expire(s, now, EXPIRE_SECTIONS);
	if (rc == 0)
		rc = critical_run(&s->arena, status_work, &survey);
	if (rc == 0)
		drop_gone(s, out);
	return rc;
}

#define AT(field) offsetof(struct status, field)
#define TOTAL(total) (AT(totals) + (total) * sizeof(uint64_t))

static const struct status_figure figures[] = {
	{ STATUS_TOP, "uptime", "peal_uptime_seconds", "uptime", STATUS_SECONDS,
	    false, false, "Time since the arena was made.", AT(uptime_s) },
	{ STATUS_ARENA, "size", "peal_arena_size_bytes", "size", STATUS_BYTES,
	    false, false, "Size of the arena.", AT(size) },
	{ STATUS_ARENA, "used", "peal_arena_used_bytes", "used", STATUS_BYTES,
	    false, false, "Bytes of blocks in use.", AT(used) },
	{ STATUS_ARENA, "peak", "peal_arena_peak_bytes", "peak", STATUS_BYTES,
	    false, false, "The most bytes of blocks that were ever in use.",
	    AT(peak) },
	{ STATUS_ARENA, "channels", "peal_channels", "channels", STATUS_NUMBER,
	    false, false, "Channels with events or subscribers.",
	    AT(channels) },
	{ STATUS_ARENA, "events", "peal_events", "events", STATUS_NUMBER, false,
	    false, "Events in the history.", AT(events) },
	{ STATUS_ARENA, "max_age_ms", NULL, "max age", STATUS_MILLISECONDS,
	    false, false, "The age at which an event expires.",
	    AT(max_age_ms) },
	{ STATUS_ARENA, "max_events", NULL, "max events", STATUS_NUMBER, false,
	    false, "The most events that a channel keeps.", AT(max_events) },
	{ STATUS_ARENA, "expired", "peal_expired_total", "expired",
	    STATUS_NUMBER, true, false, "Events that expired: too old.",
	    AT(expired) },
	{ STATUS_ARENA, "trimmed", "peal_trimmed_total", "trimmed",
	    STATUS_NUMBER, true, false,
	    "Events that were trimmed: too many in their channel.",
	    AT(trimmed) },
	{ STATUS_ARENA, "evicted", "peal_evicted_total", "evicted",
	    STATUS_NUMBER, true, true,
	    "Events that were evicted early: the arena was full.",
	    AT(evicted) },
	{ STATUS_ARENA, "purged", "peal_purged_total", "purged", STATUS_NUMBER,
	    true, false, "Events that an administrator removed.", AT(purged) },
	{ STATUS_ARENA, "repairs", "peal_repairs_total", "repairs",
	    STATUS_NUMBER, true, true, "Times the arena was repaired.",
	    AT(repairs) },
	{ STATUS_WORKERS, "workers", "peal_workers", "workers", STATUS_NUMBER,
	    false, false, "Workers attached to the arena.", AT(worker_count) },
	{ STATUS_WORKERS, "streams", "peal_streams", "streams", STATUS_NUMBER,
	    false, false, "Streams open.", AT(streams) },
	{ STATUS_TOTALS, "published", "peal_published_total", "published",
	    STATUS_NUMBER, true, false, "Events that workers stored.",
	    TOTAL(LAYOUT_PUBLISHED) },
	{ STATUS_TOTALS, "delivered", "peal_delivered_total", "delivered",
	    STATUS_NUMBER, true, false, "Events written to streams.",
	    TOTAL(LAYOUT_DELIVERED) },
	{ STATUS_TOTALS, "gaps", "peal_gaps_total", "gaps", STATUS_NUMBER, true,
	    false, "Gap events sent.", TOTAL(LAYOUT_GAPS) },
	{ STATUS_TOTALS, "stalled", "peal_stalled_total", "stalled",
	    STATUS_NUMBER, true, false,
	    "Streams ended because they did not read.", TOTAL(LAYOUT_STALLED) },
	{ STATUS_TOTALS, "refused", "peal_refused_total", "refused",
	    STATUS_NUMBER, true, false,
	    "Streams refused by a full or stopping worker.",
	    TOTAL(LAYOUT_REFUSED) },
};

#define FIGURES (sizeof(figures) / sizeof(figures[0]))

const struct status_figure *
status_figure(size_t index)
{
	return index < FIGURES ? &figures[index] : NULL;
}

const struct status_figure *
status_total(size_t total)
{
	/* The totals come last, in the order of their enum. */
	return &figures[FIGURES - LAYOUT_TOTALS + total];
}

uint64_t
status_value(const struct status *status, const struct status_figure *figure)
{
	uint64_t value;

	memcpy(&value, (const char *)status + figure->offset, sizeof(value));
	return value;
}
