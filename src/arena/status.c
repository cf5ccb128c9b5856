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

struct survey {
	struct clock_now now;
	struct status *out;
	size_t room;
};

static void
status_workers(const struct arena *a, struct survey *survey)
{
	struct status *out = survey->out;

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

	/* What is too old does not count, though nobody cleared it away yet. */
	int rc = channel_expire_some(a, survey->now.boot_ms, a->block_count);
	if (rc != 0)
		return rc;
	out->size = a->map_len;
	out->used = (uint64_t)h->used * LAYOUT_BLOCK_SIZE;
	out->peak = (uint64_t)h->peak * LAYOUT_BLOCK_SIZE;
	out->made_ms = h->made_ms;
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
	out->worker_count = 0;
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
		if (own || arena_is_claimed(&s->arena, w->slot))
			out->workers[kept++] = *w;
		else
			(void)store_reap(s, w->slot, w->session);
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
	int rc = critical_run(&s->arena, status_work, &survey);
	if (rc == 0)
		drop_gone(s, out);
	return rc;
}

uint64_t
status_uptime_s(const struct status *status, struct clock_now now)
{
	return now.wall_ms > status->made_ms
	    ? (now.wall_ms - status->made_ms) / 1000
	    : 0;
}
