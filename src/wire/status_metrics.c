#include "wire/status_metrics.h"

#include <stdbool.h>

static const char *const total_names[] = {
	[LAYOUT_PUBLISHED] = "published",
	[LAYOUT_DELIVERED] = "delivered",
	[LAYOUT_GAPS] = "gaps",
	[LAYOUT_STALLED] = "stalled",
	[LAYOUT_REFUSED] = "refused",
};

static const char *const total_helps[] = {
	[LAYOUT_PUBLISHED] = "Events taken in.",
	[LAYOUT_DELIVERED] = "Events written to streams.",
	[LAYOUT_GAPS] = "Gap events sent.",
	[LAYOUT_STALLED] = "Streams ended because they did not read.",
	[LAYOUT_REFUSED] = "Streams refused by a full or stopping worker.",
};

#define TOTALS (sizeof(total_names) / sizeof(total_names[0]))

static void
put_metric(struct buf *out, const char *name, const char *suffix,
    const char *help, uint64_t value)
{
	bool counter = suffix[0] != '\0';
	const char *parts[] = { "# HELP peal_", name, suffix, " ", help,
		"\n# TYPE peal_", name, suffix, counter ? " counter" : " gauge",
		"\npeal_", name, suffix, " " };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		buf_put_cstr(out, parts[i]);
	buf_put_u64(out, value);
	buf_put_char(out, '\n');
}

static void
put_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
	put_metric(out, name, "", help, value);
}

static void
put_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	put_metric(out, name, "_total", help, value);
}

void
status_metrics(struct buf *out, const struct status *s, struct clock_now now)
{
	uint64_t streams = 0;

	for (size_t i = 0; i < s->worker_count; i++)
		streams += s->workers[i].streams;
	put_gauge(out, "uptime_seconds", "Age of the arena.",
	    status_uptime_s(s, now));
	put_gauge(out, "arena_size_bytes", "Size of the arena.", s->size);
	put_gauge(out, "arena_used_bytes", "Blocks in use.", s->used);
	put_gauge(out, "arena_high_water_bytes", "The most ever in use.",
	    s->peak);
	put_gauge(out, "channels", "Channels with history or subscribers.",
	    s->channels);
	put_gauge(out, "events", "Events kept.", s->events);
	put_gauge(out, "workers", "Workers attached.", s->worker_count);
	put_gauge(out, "streams", "Streams open.", streams);
	put_counter(out, "evicted_by_age", "Events let go for their age.",
	    s->expired);
	put_counter(out, "evicted_by_count",
	    "Events let go for their channel's limit.", s->trimmed);
	put_counter(out, "evicted_by_pressure",
	    "Events let go early because the arena was full.", s->evicted);
	put_counter(out, "purged", "Events removed by an administrator.",
	    s->purged);
	put_counter(out, "repairs", "Times the arena was repaired.",
	    s->repairs);
	for (size_t i = 0; i < TOTALS; i++)
		put_counter(out, total_names[i], total_helps[i], s->totals[i]);
}
