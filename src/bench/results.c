#include "bench/results.h"

#include "base/json_writer.h"

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

static void
put_times(struct json_writer *w, const char *name, const struct histogram *h)
{
	json_writer_begin(w, name, '{');
	json_writer_real(w, "p50", ms(histogram_at(h, 500)));
	json_writer_real(w, "p90", ms(histogram_at(h, 900)));
	json_writer_real(w, "p99", ms(histogram_at(h, 990)));
	json_writer_real(w, "max", ms(h->max_ns));
	json_writer_end(w, '}');
}

static void
put_watch(struct json_writer *to, const struct load *l,
    const struct load_watch *w)
{
	double cpu_us = used_us(w);
	double grown = (double)w->open.pss - (double)w->before.pss;

	json_writer_begin(to, w->name, '{');
	json_writer_real(to, "cpu_s", cpu_us / 1e6);
	json_writer_real(to, "cpu_us_per_delivery",
	    ratio(cpu_us, l->check.deliveries));
	json_writer_real(to, "cpu_us_per_event",
	    ratio(cpu_us, l->check.published));
	json_writer_u64(to, "processes", w->after.processes);
	json_writer_u64(to, "pss_before", w->before.pss);
	json_writer_u64(to, "pss", w->after.pss);
	json_writer_u64(to, "rss_peak", w->after.rss_peak);
	json_writer_real(to, "pss_per_stream",
	    l->plan->replay > 0 ? 0 : ratio(grown, l->subscribers.open));
	json_writer_end(to, '}');
}

void
results_json(struct buf *out, const struct load *l)
{
	const struct delivery_check *t = &l->check;
	struct json_writer w = { .out = out };

	json_writer_begin(&w, NULL, '{');
	json_writer_u64(&w, "streams", l->subscribers.open);
	json_writer_real(&w, "open_seconds", seconds(l->open_ns));
	json_writer_real(&w, "seconds", seconds(l->ran_ns));
	json_writer_u64(&w, "published", t->published);
	json_writer_real(&w, "published_per_s",
	    ratio((double)t->published * 1e9, l->ran_ns));
	json_writer_u64(&w, "deliveries", t->deliveries);
	json_writer_real(&w, "deliveries_per_s",
	    ratio((double)t->deliveries * 1e9, l->ran_ns));
	put_times(&w, "latency_ms", &t->each);
	put_times(&w, "last_ms", &t->last);
	put_times(&w, "publish_ms", &t->post);
	json_writer_u64(&w, "lost", t->lost);
	json_writer_u64(&w, "duplicated", t->duplicated);
	json_writer_u64(&w, "disordered", t->disordered);
	json_writer_u64(&w, "ended", l->subscribers.ended);
	json_writer_u64(&w, "not_opened", l->subscribers.failed);
	json_writer_u64(&w, "failed_posts", t->failed);
	json_writer_begin(&w, "processes", '{');
	for (size_t i = 0; i < l->plan->watch_count; i++)
		put_watch(&w, l, &l->plan->watches[i]);
	json_writer_end(&w, '}');
	json_writer_end(&w, '}');
	buf_put_char(out, '\n');
}
