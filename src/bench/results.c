#include "bench/results.h"

#include "base/span.h"

static double
seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static double
ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static double
ratio(double a, uint64_t b)
{
	return b > 0 ? a / (double)b : 0;
}

/* Less than nothing where processes that had worked before have ended. */
static double
used_us(const struct load_watch *w)
{
	return ((double)w->after.cpu_ns - (double)w->open.cpu_ns) / 1e3;
}

static void
print_times(FILE *out, const char *name, const struct histogram *h)
{
	if (h->count == 0)
		return;
	(void)fprintf(out, "%-28s %9.3f %9.3f %9.3f %9.3f\n", name,
	    ms(histogram_at(h, 500)), ms(histogram_at(h, 900)),
	    ms(histogram_at(h, 990)), ms(h->max_ns));
}

static void
print_watch(FILE *out, const struct load *l, const struct load_watch *w)
{
	double cpu_us = used_us(w);
	double grown = (double)w->open.pss - (double)w->before.pss;

	(void)fprintf(out, "%-20s %9.2f %12.2f %12.2f %9.1f %9.1f %11.0f\n",
	    w->name, cpu_us / 1e6, ratio(cpu_us, l->check.deliveries),
	    ratio(cpu_us, l->check.published), (double)w->after.pss / 1048576,
	    (double)w->after.rss_peak / 1048576,
	    l->plan->replay > 0 ? 0 : ratio(grown, l->subscribers.open));
}

void
results_print(FILE *out, const struct load *l)
{
	const struct delivery_check *t = &l->check;

	(void)fprintf(out, "%u streams, opened in %.2f s\n",
	    l->subscribers.open, seconds(l->open_ns));
	if (l->plan->replay > 0)
		(void)fprintf(out,
		    "%u events of each channel replayed in %.2f s\n",
		    l->plan->replay, seconds(l->ran_ns));
	else
		(void)fprintf(out, "%llu events published in %.2f s: %.0f/s\n",
		    (unsigned long long)t->published, seconds(l->ran_ns),
		    ratio((double)t->published * 1e9, l->ran_ns));
	(void)fprintf(out, "%llu deliveries: %.0f/s\n",
	    (unsigned long long)t->deliveries,
	    ratio((double)t->deliveries * 1e9, l->ran_ns));
	if (t->each.count + t->last.count + t->post.count > 0)
		(void)fprintf(out, "\n%-28s %9s %9s %9s %9s\n", "milliseconds",
		    "p50", "p90", "p99", "max");
	print_times(out, "published to delivered", &t->each);
	print_times(out, "published to last subscriber", &t->last);
	print_times(out, "published to answered", &t->post);
	if (l->plan->watch_count > 0)
		(void)fprintf(out, "\n%-20s %9s %12s %12s %9s %9s %11s\n",
		    "processes", "CPU s", "us/delivery", "us/event", "PSS MiB",
		    "peak MiB", "PSS/stream");
	for (size_t i = 0; i < l->plan->watch_count; i++)
		print_watch(out, l, &l->plan->watches[i]);
	(void)fprintf(out,
	    "\nlost %llu, duplicated %llu, out of order %llu, "
	    "streams ended %u, not opened %u, failed POSTs %llu\n",
	    (unsigned long long)t->lost, (unsigned long long)t->duplicated,
	    (unsigned long long)t->disordered, l->subscribers.ended,
	    l->subscribers.failed, (unsigned long long)t->failed);
}

/* A name and its colon, behind a comma unless it is the first of its object. */
static void
put_name(struct buf *out, const char *name)
{
	if (out->len > 0 && out->ptr[out->len - 1] != '{')
		buf_put_char(out, ',');
	buf_put_json(out, span_of(name));
	buf_put_char(out, ':');
}

static void
put_number(struct buf *out, const char *name, double value)
{
	char text[48];
	int len = snprintf(text, sizeof(text), "%.6f", value);

	put_name(out, name);
	buf_put(out, (struct span){ text, (size_t)len });
}

static void
put_count(struct buf *out, const char *name, uint64_t value)
{
	put_name(out, name);
	buf_put_u64(out, value);
}

static void
put_times(struct buf *out, const char *name, const struct histogram *h)
{
	put_name(out, name);
	buf_put_char(out, '{');
	put_number(out, "p50", ms(histogram_at(h, 500)));
	put_number(out, "p90", ms(histogram_at(h, 900)));
	put_number(out, "p99", ms(histogram_at(h, 990)));
	put_number(out, "max", ms(h->max_ns));
	buf_put_char(out, '}');
}

static void
put_watch(struct buf *out, const struct load *l, const struct load_watch *w)
{
	double cpu_us = used_us(w);
	double grown = (double)w->open.pss - (double)w->before.pss;

	put_name(out, w->name);
	buf_put_char(out, '{');
	put_number(out, "cpu_s", cpu_us / 1e6);
	put_number(out, "cpu_us_per_delivery",
	    ratio(cpu_us, l->check.deliveries));
	put_number(out, "cpu_us_per_event", ratio(cpu_us, l->check.published));
	put_count(out, "processes", w->after.processes);
	put_count(out, "pss_before", w->before.pss);
	put_count(out, "pss", w->after.pss);
	put_count(out, "rss_peak", w->after.rss_peak);
	put_number(out, "pss_per_stream",
	    l->plan->replay > 0 ? 0 : ratio(grown, l->subscribers.open));
	buf_put_char(out, '}');
}

void
results_json(struct buf *out, const struct load *l)
{
	const struct delivery_check *t = &l->check;

	buf_put_char(out, '{');
	put_count(out, "streams", l->subscribers.open);
	put_number(out, "open_seconds", seconds(l->open_ns));
	put_number(out, "seconds", seconds(l->ran_ns));
	put_count(out, "published", t->published);
	put_number(out, "published_per_s",
	    ratio((double)t->published * 1e9, l->ran_ns));
	put_count(out, "deliveries", t->deliveries);
	put_number(out, "deliveries_per_s",
	    ratio((double)t->deliveries * 1e9, l->ran_ns));
	put_times(out, "latency_ms", &t->each);
	put_times(out, "last_ms", &t->last);
	put_times(out, "publish_ms", &t->post);
	put_count(out, "lost", t->lost);
	put_count(out, "duplicated", t->duplicated);
	put_count(out, "disordered", t->disordered);
	put_count(out, "ended", l->subscribers.ended);
	put_count(out, "not_opened", l->subscribers.failed);
	put_count(out, "failed_posts", t->failed);
	put_name(out, "processes");
	buf_put_char(out, '{');
	for (size_t i = 0; i < l->plan->watch_count; i++)
		put_watch(out, l, &l->plan->watches[i]);
	buf_put(out, SPAN("}}\n"));
}
