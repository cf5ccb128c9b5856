#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "wire/status_json.h"

#include "base/json_writer.h"

static void
put_group(struct json_writer *w, const struct status *s,
    enum status_group group)
{
	const struct status_figure *f;

	for (size_t i = 0; (f = status_figure(i)) != NULL; i++) {
		if (f->group == group)
			json_writer_u64(w, f->name, status_value(s, f));
	}
}

static void
put_worker(struct json_writer *to, const struct status_worker *w)
{
	json_writer_begin(to, NULL, '{');
	json_writer_u64(to, "pid", (uint64_t)w->pid);
	json_writer_u64(to, "streams", w->streams);
	json_writer_u64(to, "since", w->since_ms);
	for (size_t i = 0; i < LAYOUT_TOTALS; i++)
		json_writer_u64(to, status_total(i)->name, w->totals[i]);
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
status_json(struct buf *out, const struct status *s)
{
	struct json_writer w = { .out = out };

	json_writer_begin(&w, NULL, '{');
	json_writer_string(&w, "version", SPAN(PACKAGE_VERSION));
	put_group(&w, s, STATUS_TOP);
	json_writer_begin(&w, "arena", '{');
	put_group(&w, s, STATUS_ARENA);
	json_writer_id(&w, "last_id", s->last_id);
	json_writer_end(&w, '}');
	put_workers(&w, "workers", s);
	json_writer_begin(&w, "totals", '{');
	put_group(&w, s, STATUS_TOTALS);
	json_writer_end(&w, '}');
	json_writer_end(&w, '}');
	buf_put_char(out, '\n');
}
