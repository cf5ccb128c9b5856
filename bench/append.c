/*
 * How fast the arena takes events, with no HTTP and no FastCGI around it.
 *
 * usage: append [option]... ARENA
 *
 * ARENA is made anew and removed afterwards; its folder should be on tmpfs, as
 * peal's own is.  One JSON object on standard output.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "arena/registry.h"
#include "arena/status.h"
#include "arena/store.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/units.h"
#include "wire/sse.h"

#define BATCH_MAX 1000
#define NAME_CHARS 32

struct plan {
	uint64_t processes;
	uint64_t channels;
	uint64_t events; /* that each process appends */
	uint64_t batch;
	uint64_t payload;
	uint64_t size;
	uint64_t fill; /* per cent of the arena, before the time begins */
	uint64_t max_events;
	const char *path;
};

static const struct option options[] = {
	{ "processes", required_argument, NULL, 'p' },
	{ "channels", required_argument, NULL, 'c' },
	{ "events", required_argument, NULL, 'n' },
	{ "batch", required_argument, NULL, 'b' },
	{ "payload", required_argument, NULL, 'l' },
	{ "arena-size", required_argument, NULL, 's' },
	{ "fill", required_argument, NULL, 'f' },
	{ "max-events", required_argument, NULL, 'm' },
	{ NULL, 0, NULL, 0 },
};

static void
fail(const char *what, int rc)
{
	(void)fprintf(stderr, "append: %s: %s\n", what, strerror(-rc));
	exit(1);
}

/* An appender: a store of its own, and where in the channels it is. */
struct appender {
	struct store store;
	struct registry_wakes wakes;
	struct buf body;
	uint64_t channel;
	const struct plan *plan;
};

static void
appender_open(struct appender *a, const struct plan *plan, uint64_t channel)
{
	struct store_limits limits = {
		.max_age_ms = UNITS_DAY,
		.max_events = (uint32_t)plan->max_events,
	};
	struct buf why = { 0 };
	char *data = malloc(plan->payload);

	*a = (struct appender){ .plan = plan, .channel = channel };
	int rc = store_open(&a->store, plan->path, plan->size, &limits,
	    clock_read(), &why);
	if (rc == 0)
		rc = registry_wakes_init(&a->wakes, &a->store.arena);
	if (rc != 0 || data == NULL)
		fail(plan->path, rc != 0 ? rc : -ENOMEM);
	memset(data, 'x', plan->payload);
	sse_event(&a->body, (struct span){ "", 0 },
	    (struct span){ data, plan->payload });
	if (buf_error(&a->body) != 0)
		fail("body", -ENOMEM);
	free(data);
	buf_fini(&why);
}

static void
appender_close(struct appender *a)
{
	registry_wakes_fini(&a->wakes);
	buf_fini(&a->body);
	store_close(&a->store);
}

/* Append events, to one channel after the other. */
static void
append(struct appender *a, uint64_t events, uint64_t batch)
{
	static char names[BATCH_MAX][NAME_CHARS];
	static struct store_event batch_events[BATCH_MAX];
	static struct store_appended appended[BATCH_MAX];

	for (uint64_t done = 0; done < events; done += batch) {
		for (uint64_t i = 0; i < batch; i++) {
			int len = snprintf(names[i], NAME_CHARS, "bench-%llu",
			    (unsigned long long)a->channel);
			a->channel = (a->channel + 1) % a->plan->channels;
			batch_events[i] = (struct store_event){
				.channel = { names[i], (size_t)len },
				.body = { a->body.ptr, a->body.len },
			};
		}
		int rc = store_append(&a->store, clock_read(), batch_events,
		    batch, appended, &a->wakes);
		if (rc != 0)
			fail("store_append", rc);
	}
}

static struct status
picture(struct appender *a)
{
	struct status status;
	int rc = status_take(&a->store, clock_read(), &status);

	if (rc != 0)
		fail("status", rc);
	free(status.workers);
	status.workers = NULL;
	return status;
}

/*
 * Fill the arena.  A channel's limit or that of the arena ends it early: then
 * more events change nothing but the order of the blocks.
 */
static void
fill(struct appender *a)
{
	for (;;) {
		struct status s = picture(a);
		if (s.used * 100 >= s.size * a->plan->fill ||
		    s.trimmed + s.evicted > s.events)
			return;
		append(a, BATCH_MAX, 100);
	}
}

static double
seconds_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* A child: open, say so, wait until all have, append. */
static void
child(const struct plan *plan, uint64_t number, int ready, int start)
{
	struct appender a;
	char byte = 0;

	appender_open(&a, plan, number * plan->channels / plan->processes);
	if (write(ready, &byte, 1) != 1 || read(start, &byte, 1) != 0)
		fail("pipe", -errno);
	append(&a, plan->events, plan->batch);
	appender_close(&a);
	exit(0);
}

static void
start_children(const struct plan *plan, int ready[2], int start[2])
{
	char byte;

	if (pipe(ready) != 0 || pipe(start) != 0)
		fail("pipe", -errno);
	for (uint64_t i = 0; i < plan->processes; i++) {
		pid_t pid = fork();
		if (pid < 0)
			fail("fork", -errno);
		if (pid == 0) {
			(void)close(start[1]);
			child(plan, i, ready[1], start[0]);
		}
	}
	(void)close(ready[1]);
	for (uint64_t i = 0; i < plan->processes; i++) {
		if (read(ready[0], &byte, 1) != 1)
			fail("a child", -ECHILD);
	}
}

/* The times are those of all the appending, in seconds. */
static void
print_result(const struct plan *plan, const struct status *s, double seconds,
    double cpu)
{
	struct buf out = { 0 };
	struct json_writer w = { .out = &out };
	double events = (double)(plan->events * plan->processes);

	json_writer_begin(&w, NULL, '{');
	json_writer_u64(&w, "processes", plan->processes);
	json_writer_u64(&w, "channels", s->channels);
	json_writer_u64(&w, "events", plan->events * plan->processes);
	json_writer_real(&w, "seconds", seconds);
	json_writer_real(&w, "events_per_s", events / seconds);
	json_writer_real(&w, "cpu_us_per_event", cpu * 1e6 / events);
	json_writer_u64(&w, "kept", s->events);
	json_writer_real(&w, "used_percent",
	    (double)s->used * 100 / (double)s->size);
	json_writer_u64(&w, "trimmed", s->trimmed);
	json_writer_u64(&w, "evicted", s->evicted);
	json_writer_end(&w, '}');
	(void)printf("%.*s\n", (int)out.len, out.ptr);
	buf_fini(&out);
}

static void
run(const struct plan *plan)
{
	struct appender a;
	struct rusage before, after;
	int ready[2], start[2], status;
	bool good = true;

	appender_open(&a, plan, 0);
	fill(&a);
	start_children(plan, ready, start);
	(void)getrusage(RUSAGE_CHILDREN, &before);
	double began = seconds_now();
	(void)close(start[1]); /* all of them read its end, and go */
	for (uint64_t i = 0; i < plan->processes; i++)
		good = wait(&status) > 0 && status == 0 && good;
	double seconds = seconds_now() - began;
	(void)getrusage(RUSAGE_CHILDREN, &after);
	struct status s = picture(&a);
	appender_close(&a);
	if (!good)
		fail("a child", -ECHILD);
	double cpu = seconds_of(after.ru_utime) + seconds_of(after.ru_stime) -
	    seconds_of(before.ru_utime) - seconds_of(before.ru_stime);
	print_result(plan, &s, seconds, cpu);
}

static int
usage(void)
{
	(void)fputs("usage: append [--processes N] [--channels N] [--events N] "
		    "[--batch N] [--payload BYTES] [--arena-size SIZE] "
		    "[--fill PERCENT] [--max-events N] ARENA\n",
	    stderr);
	return EX_USAGE;
}

static uint64_t *
field_of(struct plan *plan, int option)
{
	switch (option) {
	case 'p':
		return &plan->processes;
	case 'c':
		return &plan->channels;
	case 'n':
		return &plan->events;
	case 'b':
		return &plan->batch;
	case 'l':
		return &plan->payload;
	case 's':
		return &plan->size;
	case 'f':
		return &plan->fill;
	case 'm':
		return &plan->max_events;
	default:
		return NULL;
	}
}

int
main(int argc, char **argv)
{
	struct plan plan = {
		.processes = 1,
		.channels = 1000,
		.events = 1000000,
		.batch = 1,
		.payload = 200,
		.size = 64 * UNITS_MIB,
		.max_events = 1000,
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint64_t *field = field_of(&plan, option);
		if (field == NULL ||
		    units_parse(optarg, units_of_size, 1, field) != 0)
			return usage();
	}
	if (optind != argc - 1 || plan.processes == 0 || plan.channels == 0 ||
	    plan.batch == 0 || plan.batch > BATCH_MAX || plan.payload == 0) {
		return usage();
	}
	plan.path = argv[optind];
	if (access(plan.path, F_OK) == 0)
		fail(plan.path, -EEXIST);
	run(&plan);
	(void)unlink(plan.path);
	return 0;
}
