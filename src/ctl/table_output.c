#include "ctl/table_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/event.h"
#include "base/json_writer.h"
#include "base/terminal.h"
#include "wire/status_json.h"
#include "wire/status_metrics.h"

void
table_output_init(struct table_output *l, FILE *out, bool json)
{
	int fd = fileno(out);

	*l = (struct table_output){
		.out = out,
		.form = json	 ? TABLE_OUTPUT_JSON
		    : isatty(fd) ? TABLE_OUTPUT_TABLE
				 : TABLE_OUTPUT_TEXT,
		.colours = terminal_has_colours(fd),
		.columns = terminal_size(fd).columns,
	};
}

void
table_output_head(const struct table_output *l, const char *heading)
{
	/* ECMA-48, "Select graphic rendition": bold. */
	(void)fprintf(l->out, "%s%s%s\n", l->colours ? "\033[1m" : "", heading,
	    l->colours ? "\033[0m" : "");
}

void
table_output_bytes(char out[TABLE_OUTPUT_CHARS], uint64_t bytes)
{
	static const char units[] = "BKMGT";
	double amount = (double)bytes;
	size_t unit = 0;

	while (amount >= 1024 && unit + 2 < sizeof(units)) {
		amount /= 1024;
		unit++;
	}
	(void)snprintf(out, TABLE_OUTPUT_CHARS, unit == 0 ? "%.0f%c" : "%.1f%c",
	    amount, units[unit]);
}

void
table_output_age(char out[TABLE_OUTPUT_CHARS], uint64_t ms)
{
	unsigned long long s = ms / 1000;

	if (s < 100)
		(void)snprintf(out, TABLE_OUTPUT_CHARS, "%llus", s);
	else if (s < 100 * 60)
		(void)snprintf(out, TABLE_OUTPUT_CHARS, "%llum", s / 60);
	else if (s < 48 * 60 * 60)
		(void)snprintf(out, TABLE_OUTPUT_CHARS, "%lluh", s / 3600);
	else
		(void)snprintf(out, TABLE_OUTPUT_CHARS, "%llud", s / 86400);
}

void
table_output_event_age(char out[TABLE_OUTPUT_CHARS], uint64_t id,
    struct clock_now now)
{
	uint64_t ms = event_id_ms(id);

	if (id == 0)
		(void)snprintf(out, TABLE_OUTPUT_CHARS, "-");
	else
		table_output_age(out, now.wall_ms > ms ? now.wall_ms - ms : 0);
}

/* A figure of the status: its name in JSON's words, and in people's. */
struct figure {
	const char *path;
	const char *words;
	uint64_t value;
	bool bytes;
};

#define FIGURES_MAX 24

static size_t
figures_of(const struct status *s, struct figure out[FIGURES_MAX])
{
	const uint64_t *totals = s->totals;
	uint64_t streams = 0;

	for (size_t i = 0; i < s->worker_count; i++)
		streams += s->workers[i].streams;
	const struct figure figures[] = {
		{ "arena.size", "arena", s->size, true },
		{ "arena.used", "used", s->used, true },
		{ "arena.peak", "used at most", s->peak, true },
		{ "arena.channels", "channels", s->channels, false },
		{ "arena.events", "events", s->events, false },
		{ "workers", "workers", s->worker_count, false },
		{ "streams", "streams", streams, false },
		{ "totals.published", "published", totals[LAYOUT_PUBLISHED],
		    false },
		{ "totals.delivered", "delivered", totals[LAYOUT_DELIVERED],
		    false },
		{ "totals.gaps", "gaps told", totals[LAYOUT_GAPS], false },
		{ "totals.stalled", "stalled", totals[LAYOUT_STALLED], false },
		{ "totals.refused", "refused", totals[LAYOUT_REFUSED], false },
		{ "arena.evicted_by_age", "evicted by age", s->expired, false },
		{ "arena.evicted_by_count", "evicted by count", s->trimmed,
		    false },
		{ "arena.evicted_by_pressure", "evicted by pressure",
		    s->evicted, false },
		{ "arena.purged", "purged", s->purged, false },
		{ "arena.repairs", "repairs", s->repairs, false },
	};
	_Static_assert(sizeof(figures) / sizeof(figures[0]) <= FIGURES_MAX,
	    "figures");
	memcpy(out, figures, sizeof(figures));
	return sizeof(figures) / sizeof(figures[0]);
}

/* What an administrator should ask about: early losses and repairs. */
static bool
is_alarming(const struct figure *f)
{
	return f->value > 0 &&
	    (strcmp(f->path, "arena.evicted_by_pressure") == 0 ||
		strcmp(f->path, "arena.repairs") == 0);
}

static void
print_figure(const struct table_output *l, const struct figure *f)
{
	char bytes[TABLE_OUTPUT_CHARS];
	bool red = l->colours && is_alarming(f);

	if (l->form == TABLE_OUTPUT_TEXT) {
		(void)fprintf(l->out, "%s\t%llu\n", f->path,
		    (unsigned long long)f->value);
		return;
	}
	table_output_bytes(bytes, f->value);
	(void)fprintf(l->out, "%-20s %s", f->words, red ? "\033[31m" : "");
	if (f->bytes)
		(void)fprintf(l->out, "%12s", bytes);
	else
		(void)fprintf(l->out, "%12llu", (unsigned long long)f->value);
	(void)fprintf(l->out, "%s\n", red ? "\033[0m" : "");
}

/* Print JSON that was put together, if there was memory for it. */
static int
print_json(const struct table_output *l, struct buf *json)
{
	int rc = buf_error(json);

	if (rc == 0)
		(void)fwrite(json->ptr, 1, json->len, l->out);
	buf_fini(json);
	return rc;
}

int
table_output_status(const struct table_output *l, const struct status *s,
    struct clock_now now)
{
	struct figure figures[FIGURES_MAX];
	struct buf json = { 0 };

	if (l->form == TABLE_OUTPUT_JSON) {
		status_json(&json, s, now);
		return print_json(l, &json);
	}
	size_t count = figures_of(s, figures);
	for (size_t i = 0; i < count; i++)
		print_figure(l, &figures[i]);
	if (l->form == TABLE_OUTPUT_TEXT)
		return 0;
	(void)fputc('\n', l->out);
	return table_output_workers(l, s, now);
}

static void
print_worker(const struct table_output *l, const struct status_worker *w,
    struct clock_now now)
{
	const uint64_t *totals = w->totals;
	char age[TABLE_OUTPUT_CHARS];

	table_output_age(age,
	    now.wall_ms > w->since_ms ? now.wall_ms - w->since_ms : 0);
	if (l->form == TABLE_OUTPUT_TABLE)
		(void)fprintf(l->out, "%8d %8u %12llu %12llu %8llu %8llu %7s\n",
		    (int)w->pid, w->streams,
		    (unsigned long long)totals[LAYOUT_PUBLISHED],
		    (unsigned long long)totals[LAYOUT_DELIVERED],
		    (unsigned long long)totals[LAYOUT_STALLED],
		    (unsigned long long)totals[LAYOUT_REFUSED], age);
	else
		(void)fprintf(l->out, "%d\t%u\t%llu\t%llu\t%llu\t%llu\t%llu\n",
		    (int)w->pid, w->streams,
		    (unsigned long long)totals[LAYOUT_PUBLISHED],
		    (unsigned long long)totals[LAYOUT_DELIVERED],
		    (unsigned long long)totals[LAYOUT_STALLED],
		    (unsigned long long)totals[LAYOUT_REFUSED],
		    (unsigned long long)w->since_ms);
}

static int
workers_json(const struct table_output *l, const struct status *s)
{
	struct buf out = { 0 };

	status_json_workers(&out, s);
	buf_put_char(&out, '\n');
	return print_json(l, &out);
}

int
table_output_workers(const struct table_output *l, const struct status *s,
    struct clock_now now)
{
	if (l->form == TABLE_OUTPUT_JSON)
		return workers_json(l, s);
	if (l->form == TABLE_OUTPUT_TABLE)
		table_output_head(l,
		    "     PID  STREAMS    PUBLISHED    DELIVERED  STALLED  "
		    "REFUSED     AGE");
	for (size_t i = 0; i < s->worker_count; i++)
		print_worker(l, &s->workers[i], now);
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	const struct browse_channel *one = a;
	const struct browse_channel *two = b;
	size_t len =
	    one->name_len < two->name_len ? one->name_len : two->name_len;
	int order = memcmp(one->name, two->name, len);

	if (order != 0)
		return order;
	return (one->name_len > two->name_len) -
	    (one->name_len < two->name_len);
}

static void
print_id(FILE *out, uint64_t id)
{
	char text[EVENT_ID_CHARS];

	size_t len = event_id_print(id, text);
	if (id == 0)
		(void)fputc('-', out);
	else
		(void)fwrite(text, 1, len, out);
}

static void
print_channel(const struct table_output *l, const struct browse_channel *c,
    struct clock_now now)
{
	const struct span name = { c->name, c->name_len };
	const size_t before = 9 + 9 + 8 + 8 + 2;
	char oldest[TABLE_OUTPUT_CHARS];
	char newest[TABLE_OUTPUT_CHARS];

	if (l->form == TABLE_OUTPUT_TABLE) {
		size_t columns = (size_t)l->columns;
		table_output_event_age(oldest, c->oldest, now);
		table_output_event_age(newest, c->newest, now);
		(void)fprintf(l->out, "%9u%9u%8s%8s  ", c->subscribers,
		    c->events, newest, oldest);
		(void)terminal_print(l->out, name,
		    columns > before + 8 ? columns - before : 8);
	} else {
		(void)fwrite(name.ptr, 1, name.len, l->out);
		(void)fprintf(l->out, "\t%u\t%u\t", c->subscribers, c->events);
		print_id(l->out, c->oldest);
		(void)fputc('\t', l->out);
		print_id(l->out, c->newest);
	}
	(void)fputc('\n', l->out);
}

static void
put_id(struct json_writer *w, const char *name, uint64_t id)
{
	if (id == 0)
		json_writer_null(w, name);
	else
		json_writer_id(w, name, id);
}

static int
channels_json(const struct table_output *l,
    const struct browse_channel *channels, size_t count)
{
	struct buf out = { 0 };
	struct json_writer w = { .out = &out };

	json_writer_begin(&w, NULL, '[');
	for (size_t i = 0; i < count; i++) {
		const struct browse_channel *c = &channels[i];
		json_writer_line(&w);
		json_writer_begin(&w, NULL, '{');
		json_writer_string(&w, "channel",
		    (struct span){ c->name, c->name_len });
		json_writer_u64(&w, "subscribers", c->subscribers);
		json_writer_u64(&w, "events", c->events);
		put_id(&w, "oldest", c->oldest);
		put_id(&w, "newest", c->newest);
		json_writer_end(&w, '}');
	}
	json_writer_end(&w, ']');
	buf_put_char(&out, '\n');
	return print_json(l, &out);
}

int
table_output_channels(const struct table_output *l,
    struct browse_channel *channels, size_t count, struct clock_now now)
{
	if (count > 0)
		qsort(channels, count, sizeof(*channels), by_name);
	if (l->form == TABLE_OUTPUT_JSON)
		return channels_json(l, channels, count);
	if (l->form == TABLE_OUTPUT_TABLE)
		table_output_head(l,
		    "  STREAMS   EVENTS  NEWEST  OLDEST  CHANNEL");
	for (size_t i = 0; i < count; i++)
		print_channel(l, &channels[i], now);
	return 0;
}
