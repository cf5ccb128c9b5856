#include "wire/status_metrics.h"

static void
put_metric(struct buf *out, const struct status_figure *f, uint64_t value)
{
	const char *parts[] = { "# HELP ", f->metric, " ", f->help, "\n# TYPE ",
		f->metric, f->is_counter ? " counter\n" : " gauge\n", f->metric,
		" " };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		buf_put_cstr(out, parts[i]);
	buf_put_u64(out, value);
	buf_put_char(out, '\n');
}

void
status_metrics(struct buf *out, const struct status *s)
{
	const struct status_figure *f;

	for (size_t i = 0; (f = status_figure(i)) != NULL; i++) {
		if (f->metric != NULL)
			put_metric(out, f, status_value(s, f));
	}
}
