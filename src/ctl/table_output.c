#include "ctl/table_output.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/event.h"
#include "base/json_writer.h"
#include "base/terminal.h"
#include "wire/status_json.h"

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

/* The name of a figure as a path into the JSON, and its value. */
static void
print_line(const struct table_output *l, const struct status_figure *f,
    uint64_t value)
{
	const char *before = "";

	switch (f->group) {
	case STATUS_TOP:
	case STATUS_WORKERS:
		break;
	case STATUS_ARENA:
		before = "arena.";
		break;
	case STATUS_TOTALS:
		before = "totals.";
		break;
	}
	(void)fprintf(l->out, "%s%s\t%llu\n", before, f->name,
	    (unsigned long long)value);
}

static void
print_row(const struct table_output *l, const struct status_figure *f,
    uint64_t value)
{
	bool red = l->colours && f->is_alarming && value > 0;
	char text[TABLE_OUTPUT_CHARS];

	switch (f->unit) {
	case STATUS_NUMBER:
		(void)snprintf(text, sizeof(text), "%llu",
		    (unsigned long long)value);
		break;
	case STATUS_BYTES:
		table_output_bytes(text, value);
		break;
	case STATUS_SECONDS:
		table_output_age(text, value * 1000);
		break;
	case STATUS_MILLISECONDS:
		table_output_age(text, value);
		break;
	}
	(void)fprintf(l->out, "%-20s %s%12s%s\n", f->label,
	    red ? "\033[31m" : "", text, red ? "\033[0m" : "");
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
	const struct status_figure *f;
	struct buf json = { 0 };

	if (l->form == TABLE_OUTPUT_JSON) {
		status_json(&json, s);
		return print_json(l, &json);
	}
	for (size_t i = 0; (f = status_figure(i)) != NULL; i++) {
		if (l->form == TABLE_OUTPUT_TEXT)
			print_line(l, f, status_value(s, f));
		else
			print_row(l, f, status_value(s, f));
	}
	if (l->form == TABLE_OUTPUT_TEXT)
		return 0;
	(void)fputc('\n', l->out);
	return table_output_workers(l, s, now);
}

static int
workers_json(const struct table_output *l, const struct status *s)
{
	struct buf out = { 0 };

	status_json_workers(&out, s);
	buf_put_char(&out, '\n');
	return print_json(l, &out);
}

/* Columns of a total in a table: as its name's, and space before it. */
static int
total_columns(size_t total)
{
	return (int)strlen(status_total(total)->label) + 2;
}

static void
print_worker_head(const struct table_output *l)
{
	char head[160];
	int len = snprintf(head, sizeof(head), "%8s %8s %7s", "PID", "STREAMS",
	    "UPTIME");

	for (size_t i = 0; i < LAYOUT_TOTALS; i++)
		len += snprintf(head + len, sizeof(head) - (size_t)len, " %*s",
		    total_columns(i), status_total(i)->label);
	for (char *c = head; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	table_output_head(l, head);
}

static void
print_worker_row(const struct table_output *l, const struct status_worker *w,
    struct clock_now now)
{
	char age[TABLE_OUTPUT_CHARS];

	table_output_age(age,
	    now.wall_ms > w->since_ms ? now.wall_ms - w->since_ms : 0);
	(void)fprintf(l->out, "%8d %8llu %7s", (int)w->pid,
	    (unsigned long long)w->streams, age);
	for (size_t i = 0; i < LAYOUT_TOTALS; i++)
		(void)fprintf(l->out, " %*llu", total_columns(i),
		    (unsigned long long)w->totals[i]);
	(void)fputc('\n', l->out);
}

static void
print_worker_line(const struct table_output *l, const struct status_worker *w)
{
	(void)fprintf(l->out, "%d\t%llu\t%llu", (int)w->pid,
	    (unsigned long long)w->streams, (unsigned long long)w->since_ms);
	for (size_t i = 0; i < LAYOUT_TOTALS; i++)
		(void)fprintf(l->out, "\t%llu",
		    (unsigned long long)w->totals[i]);
	(void)fputc('\n', l->out);
}

int
table_output_workers(const struct table_output *l, const struct status *s,
    struct clock_now now)
{
	if (l->form == TABLE_OUTPUT_JSON)
		return workers_json(l, s);
	if (l->form == TABLE_OUTPUT_TABLE)
		print_worker_head(l);
	for (size_t i = 0; i < s->worker_count; i++) {
		if (l->form == TABLE_OUTPUT_TABLE)
			print_worker_row(l, &s->workers[i], now);
		else
			print_worker_line(l, &s->workers[i]);
	}
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	const struct browse_channel *one = a;
	const struct browse_channel *two = b;
	size_t len =
	    one->name.len < two->name.len ? one->name.len : two->name.len;
	int order = memcmp(one->name.ptr, two->name.ptr, len);

	if (order != 0)
		return order;
	return (one->name.len > two->name.len) -
	    (one->name.len < two->name.len);
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
	const size_t before = 9 + 9 + 8 + 8 + 2;
	char oldest[TABLE_OUTPUT_CHARS];
	char newest[TABLE_OUTPUT_CHARS];

	if (l->form == TABLE_OUTPUT_TABLE) {
		size_t columns = (size_t)l->columns;
		table_output_event_age(oldest, c->oldest, now);
		table_output_event_age(newest, c->newest, now);
		(void)fprintf(l->out, "%9u%9u%8s%8s  ", c->subscribers,
		    c->events, newest, oldest);
		(void)terminal_print(l->out, c->name,
		    columns > before + 8 ? columns - before : 8);
	} else {
		(void)fwrite(c->name.ptr, 1, c->name.len, l->out);
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
		json_writer_string(&w, "channel", c->name);
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
