#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "wire/status_json.h"

#include "base/json_writer.h"

static const char *const total_names[] = {
	[LAYOUT_PUBLISHED] = "published",
	[LAYOUT_DELIVERED] = "delivered",
	[LAYOUT_GAPS] = "gaps",
	[LAYOUT_STALLED] = "stalled",
	[LAYOUT_REFUSED] = "refused",
};

#define TOTALS (sizeof(total_names) / sizeof(total_names[0]))

static void
put_arena(struct json_writer *w, const struct status *s)
{
	json_writer_begin(w, "arena", '{');
	json_writer_u64(w, "size", s->size);
	json_writer_u64(w, "used", s->used);
	json_writer_u64(w, "high_water", s->peak);
	json_writer_u64(w, "channels", s->channels);
	json_writer_u64(w, "events", s->events);
	json_writer_u64(w, "max_age_ms", s->max_age_ms);
	json_writer_u64(w, "max_events", s->max_events);
	json_writer_u64(w, "evicted_by_age", s->expired);
	json_writer_u64(w, "evicted_by_count", s->trimmed);
	json_writer_u64(w, "evicted_by_pressure", s->evicted);
	json_writer_u64(w, "purged", s->purged);
	json_writer_u64(w, "repairs", s->repairs);
	json_writer_id(w, "last_id", s->last_id);
	json_writer_end(w, '}');
}

static void
put_totals(struct json_writer *w, const uint64_t totals[TOTALS])
{
	for (size_t i = 0; i < TOTALS; i++)
		json_writer_u64(w, total_names[i], totals[i]);
}

static void
put_worker(struct json_writer *to, const struct status_worker *w)
{
	json_writer_begin(to, NULL, '{');
	json_writer_u64(to, "pid", (uint64_t)w->pid);
	json_writer_u64(to, "streams", w->streams);
	json_writer_u64(to, "since", w->since_ms);
	put_totals(to, w->totals);
	json_writer_end(to, '}');
}

static void
put_workers(struct json_writer *w, const char *name, const struct status *s)
{
	json_writer_begin(w, name, '[');
	for (size_t i = 0; i < s->worker_count; i++)
		put_worker(w, &s->workers[i]);
	json_writer_end(w, ']');
}

void
status_json_workers(struct buf *out, const struct status *s)
{
	struct json_writer w = { .out = out };

	put_workers(&w, NULL, s);
}

void
status_json(struct buf *out, const struct status *s, struct clock_now now)
{
	struct json_writer w = { .out = out };

	json_writer_begin(&w, NULL, '{');
	json_writer_string(&w, "version", SPAN(PACKAGE_VERSION));
	json_writer_u64(&w, "uptime", status_uptime_s(s, now));
	put_arena(&w, s);
	put_workers(&w, "workers", s);
	json_writer_begin(&w, "totals", '{');
	put_totals(&w, s->totals);
	json_writer_end(&w, '}');
	json_writer_end(&w, '}');
	buf_put_char(out, '\n');
}
