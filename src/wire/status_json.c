#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "wire/status_json.h"

#include "base/event.h"

static const char *const total_names[] = {
	[LAYOUT_PUBLISHED] = "published",
	[LAYOUT_DELIVERED] = "delivered",
	[LAYOUT_GAPS] = "gaps",
	[LAYOUT_STALLED] = "stalled",
	[LAYOUT_REFUSED] = "refused",
};

#define TOTALS (sizeof(total_names) / sizeof(total_names[0]))

static void
put_member(struct buf *out, const char *name, uint64_t value)
{
	buf_put_char(out, '"');
	buf_put_cstr(out, name);
	buf_put(out, SPAN("\":"));
	buf_put_u64(out, value);
	buf_put_char(out, ',');
}

/* Turn the comma after the last member into its object's end. */
static void
end_object(struct buf *out)
{
	if (buf_error(out) == 0 && out->len > 0)
		out->ptr[out->len - 1] = '}';
}

static void
put_arena(struct buf *out, const struct status *s)
{
	char id[EVENT_ID_CHARS];

	buf_put(out, SPAN("\"arena\":{"));
	put_member(out, "size", s->size);
	put_member(out, "used", s->used);
	put_member(out, "high_water", s->peak);
	put_member(out, "channels", s->channels);
	put_member(out, "events", s->events);
	put_member(out, "max_age_ms", s->max_age_ms);
	put_member(out, "max_events", s->max_events);
	put_member(out, "evicted_by_age", s->expired);
	put_member(out, "evicted_by_count", s->trimmed);
	put_member(out, "evicted_by_pressure", s->evicted);
	put_member(out, "purged", s->purged);
	put_member(out, "repairs", s->repairs);
	buf_put(out, SPAN("\"last_id\":\""));
	buf_put(out, (struct span){ id, event_id_print(s->last_id, id) });
	buf_put(out, SPAN("\"}"));
}

static void
put_totals(struct buf *out, const uint64_t totals[TOTALS])
{
	for (size_t i = 0; i < TOTALS; i++)
		put_member(out, total_names[i], totals[i]);
}

void
status_json(struct buf *out, const struct status *s, struct clock_now now)
{
	buf_put(out, SPAN("{\"version\":\"" PACKAGE_VERSION "\","));
	put_member(out, "uptime", status_uptime_s(s, now));
	put_arena(out, s);
	buf_put(out, SPAN(",\"workers\":["));
	for (size_t i = 0; i < s->worker_count; i++) {
		const struct status_worker *w = &s->workers[i];
		if (i > 0)
			buf_put_char(out, ',');
		buf_put_char(out, '{');
		put_member(out, "pid", (uint64_t)w->pid);
		put_member(out, "streams", w->streams);
		put_member(out, "since", w->since_ms);
		put_totals(out, w->totals);
		end_object(out);
	}
	buf_put(out, SPAN("],\"totals\":{"));
	put_totals(out, s->totals);
	end_object(out);
	buf_put(out, SPAN("}\n"));
}
