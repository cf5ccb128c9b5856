/*
 * peal-bench: a load on an event stream service, and what came of it.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/option.h"
#include "base/option_type.h"
#include "base/terminal.h"
#include "base/units.h"
#include "bench/load.h"
#include "bench/results.h"
#include "wire/url.h"

#define WATCHES_MAX 8
#define CONNECTIONS_USUAL 64
#define TIME_MAX UNITS_DAY

struct bench {
	char *publish; /* NULL: publish nothing */
	enum publishers_type type;
	uint32_t batch;
	struct buf headers;
	char *resume;
	uint32_t subscribers;
	uint32_t channels;
	uint32_t connections; /* 0: not said */
	uint32_t events;
	uint64_t duration_ms;
	uint32_t in_flight;
	uint32_t rate;
	uint32_t burst;
	uint32_t payload;
	uint32_t stalled;
	uint32_t replay;
	uint64_t idle_ms;
	struct load_watch watches[WATCHES_MAX];
	size_t watch_count;
	bool json;
	bool quiet;

	const char *url;
	char channel[32]; /* what channels' names begin with */
	char **owned;
	size_t owned_count;
};

static int
set_type(const struct option_place *place, const struct option *s, void *field,
    const char *value)
{
	static const char *const names[] = {
		[PUBLISHERS_RAW] = "raw",
		[PUBLISHERS_JSON] = "json",
		[PUBLISHERS_ARRAY] = "array",
		[PUBLISHERS_NDJSON] = "ndjson",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) != 0)
			continue;
		enum publishers_type type = (enum publishers_type)i;
		memcpy(field, &type, sizeof(type));
		return 0;
	}
	return option_type_refuse(place, s,
	    "\"%s\" is none of raw, json, array and ndjson", value);
}

static int
set_watch(const struct option_place *place, const struct option *s, void *field,
    const char *value)
{
	/* The field is the bench: what is watched has two parts of it. */
	struct bench *bench = field;
	const char *equals = strchr(value, '=');
	char *copy;

	if (equals == NULL || equals == value)
		return option_type_refuse(place, s, "\"%s\" is not NAME=PID",
		    value);
	if (bench->watch_count == WATCHES_MAX)
		return option_type_refuse(place, s, "there are more than %d",
		    WATCHES_MAX);
	int rc = option_type_string(place, s, &copy, value);
	if (rc != 0)
		return rc;
	struct load_watch *watch = &bench->watches[bench->watch_count++];
	copy[equals - value] = '\0';
	watch->name = copy;
	const char *fault = proc_usage_group_read(&watch->group,
	    span_of(copy + (equals - value) + 1));
	return fault == NULL
	    ? 0
	    : option_type_refuse(place, s, "\"%s\" %s", value, fault);
}

static void put_help(struct buf *out);

static void
put_version(struct buf *out)
{
	buf_put_cstr(out, "peal-bench " PACKAGE_VERSION "\n");
}

#define AT(member) .offset = offsetof(struct bench, member)

static const struct option rows[] = {
	{ "publish", "URL", option_type_name, AT(publish),
	    .shown = "publish nothing", .help = "POST events there" },
	{ "type", "TYPE", set_type, AT(type), .initial = "raw",
	    .help = "a POST's body: raw, json, array or ndjson" },
	{ "batch", "N", option_type_number, AT(batch), .min = 1, .max = 100000,
	    .initial = "1", .help = "events a POST; for array and ndjson" },
	{ "header", "LINE", option_type_header, AT(headers), .shown = "none",
	    .help = "send this header too; may repeat" },
	{ "resume", "ID", option_type_name, AT(resume), .shown = "none",
	    .help = "subscribers send it as Last-Event-ID" },
	{ "subscribers", "N", option_type_number, AT(subscribers),
	    .max = 1000000, .initial = "100",
	    .help = "event streams to hold; 0: none" },
	{ "channels", "N", option_type_number, AT(channels), .min = 1,
	    .max = 1000000, .initial = "1",
	    .help = "channels to spread them and the events over" },
	{ "connections", "N", option_type_number, AT(connections), .min = 1,
	    .max = 10000, .shown = "as --in-flight, at most 64",
	    .help = "publishers, each with a kept connection" },
	{ "events", "N", option_type_number, AT(events), .min = 1,
	    .max = 1000000000, .shown = "--duration",
	    .help = "publish so many" },
	{ "duration", "TIME", option_type_time, AT(duration_ms), .min = 1,
	    .max = TIME_MAX, .unit = UNITS_SECOND, .initial = "5s",
	    .help = "publish for so long" },
	{ "in-flight", "N", option_type_number, AT(in_flight), .max = 100000,
	    .shown = "16, without --rate",
	    .help = "POSTs not at their last subscriber, at most" },
	{ "rate", "N", option_type_number, AT(rate), .max = 10000000,
	    .shown = "as fast as --in-flight lets",
	    .help = "events a second, whatever comes of it" },
	{ "burst", "N", option_type_number, AT(burst), .min = 1, .max = 1000000,
	    .initial = "1", .help = "of --rate, so many at a time" },
	{ "payload", "N", option_type_number, AT(payload), .min = 1,
	    .max = 16777216, .initial = "200", .help = "bytes of data" },
	{ "stalled", "N", option_type_number, AT(stalled), .max = 1000000,
	    .initial = "0", .help = "of the subscribers, these never read" },
	{ "replay", "N", option_type_number, AT(replay), .max = 1000000,
	    .initial = "0",
	    .help = "events a channel, there before all subscribe" },
	{ "idle", "TIME", option_type_time, AT(idle_ms), .max = TIME_MAX,
	    .unit = UNITS_SECOND, .initial = "0",
	    .help = "publish nothing, only hold the streams" },
	{ "watch", "NAME=PID", set_watch, .offset = 0, .shown = "none",
	    .help = "what the process and its children use" },
	{ "json", NULL, option_type_flag, AT(json), .help = "print JSON" },
	{ "quiet", NULL, option_type_flag, AT(quiet),
	    .help = "show no progress" },
	{ "version", NULL, .say = put_version, .help = "say the version" },
	{ "help", NULL, .say = put_help, .help = "say this" },
};

static const struct option_table table = {
	.rows = rows,
	.count = sizeof(rows) / sizeof(rows[0]),
	.words = true,
};

static void
put_help(struct buf *out)
{
	buf_put_cstr(out,
	    "usage: peal-bench [--OPTION VALUE]... URL\n\n"
	    "Subscribe to URL, publish, and measure.  In URLs, {} "
	    "stands for the channel.\n\n");
	option_put_help(&table, out);
	buf_put_cstr(out, "\nThe manual: man 1 peal-bench\n");
}

/* What is wrong as a whole is told by one sentence. */
static int
check(const struct bench *b, const struct option_place *place)
{
	const char *fault = NULL;

	if (b->url == NULL && b->subscribers > 0)
		fault = "the URL to subscribe to is missing; try --help";
	else if (b->publish == NULL && b->idle_ms == 0)
		fault = "nothing to do: give --publish URL, or --idle";
	else if (b->in_flight > 0 && b->rate > 0)
		fault = "--in-flight and --rate exclude each other";
	else if (b->replay > 0 && (b->rate > 0 || b->idle_ms > 0))
		fault = "--replay goes with neither --rate nor --idle";
	else if (b->batch > 1 && b->type != PUBLISHERS_ARRAY &&
	    b->type != PUBLISHERS_NDJSON)
		fault = "--batch wants --type array or ndjson";
	else if (b->stalled > b->subscribers)
		fault = "--stalled is more than --subscribers";
	else if (b->replay > 0 && b->resume == NULL)
		fault = "--replay wants --resume";
	return fault == NULL ? 0 : option_type_refuse(place, NULL, "%s", fault);
}

/* Returns -1 to go on, or the exit status with text to be printed. */
static int
read_options(struct bench *b, int argc, char **argv, struct buf *text)
{
	struct option_arguments arguments = { argc, argv, 1 };
	struct option_place place = {
		.program = "peal-bench",
		.text = text,
		.owned = &b->owned,
		.owned_count = &b->owned_count,
	};
	const struct option *row;
	const char *value;
	int more;

	if (option_set_defaults(&table, &place, b) != 0)
		return EX_USAGE;
	while ((more = option_next(&table, &place, &arguments, &row, &value)) >
	    0) {
		if (row == NULL && b->url == NULL) {
			b->url = value;
		} else if (row == NULL) {
			(void)option_type_refuse(&place, NULL,
			    "there is one URL only; try --help");
			return EX_USAGE;
		} else if (row->say != NULL) {
			row->say(text);
			return 0;
		} else if (option_set(row, &place, b, value) != 0) {
			return EX_USAGE;
		}
	}
	if (more < 0 || check(b, &place) != 0)
		return EX_USAGE;
	if (b->in_flight == 0 && b->rate == 0)
		b->in_flight = 16;
	return -1;
}

static int
read_urls(const struct bench *b, struct load_plan *plan)
{
	const char *fault = NULL;
	const char *which = b->url;

	if (b->subscribers > 0)
		fault = url_read(&plan->subscribers.url, span_of(b->url));
	if (fault == NULL && b->publish != NULL) {
		which = b->publish;
		fault = url_read(&plan->publishers.url, span_of(b->publish));
	}
	if (fault == NULL)
		return 0;
	(void)fprintf(stderr, "peal-bench: \"%s\" %s\n", which, fault);
	return EX_USAGE;
}

static void
make_plan(struct bench *b, struct load_plan *plan)
{
	uint32_t connections = b->connections;

	if (connections == 0)
		connections =
		    b->in_flight > 0 && b->in_flight < CONNECTIONS_USUAL
		    ? b->in_flight
		    : CONNECTIONS_USUAL;
	/* Of our own, so that an earlier run's history is not ours. */
	(void)snprintf(b->channel, sizeof(b->channel), "bench-%x-%x-",
	    (unsigned)getpid(), (unsigned)(clock_measure_ns() >> 20));
	plan->subscribers.headers = buf_span(&b->headers);
	plan->subscribers.resume = b->resume;
	plan->subscribers.channel = b->channel;
	plan->subscribers.subscribers = b->subscribers;
	plan->subscribers.channels = b->channels;
	plan->subscribers.stalled = b->stalled;
	plan->publishers.headers = buf_span(&b->headers);
	plan->publishers.channel = b->channel;
	plan->publishers.type = b->type;
	plan->publishers.batch = b->batch;
	plan->publishers.connections = b->publish != NULL ? connections : 0;
	plan->publishers.channels = b->channels;
	plan->publishers.payload = b->payload;
	plan->events = b->events;
	plan->duration_ms = b->duration_ms;
	plan->in_flight = b->in_flight;
	plan->rate = b->rate;
	plan->burst = b->burst;
	plan->replay = b->replay;
	plan->idle_ms = b->idle_ms;
	plan->watches = b->watches;
	plan->watch_count = b->watch_count;
}

/* How much of the phase is done, of how much: streams, events or nanoseconds. */
static uint64_t
done_of(const struct load *l, uint64_t elapsed_ns, uint64_t *all)
{
	const struct load_plan *plan = l->plan;
	uint64_t readers =
	    plan->subscribers.subscribers - plan->subscribers.stalled;

	if (l->phase == LOAD_FILLING) {
		*all = (uint64_t)plan->replay * plan->subscribers.channels;
		return l->sent;
	}
	if (l->phase == LOAD_OPENING) {
		*all = plan->subscribers.subscribers;
		return l->subscribers.open;
	}
	if (plan->replay > 0) {
		*all = readers * plan->replay;
		return l->check.deliveries;
	}
	if (plan->idle_ms == 0 && plan->events > 0) {
		*all = plan->events;
		return l->sent;
	}
	*all =
	    (plan->idle_ms > 0 ? plan->idle_ms : plan->duration_ms) * 1000000;
	return elapsed_ns;
}

static void
show_progress(void *context, const struct load *l)
{
	static const char *const phases[] = {
		[LOAD_FILLING] = "filling the history",
		[LOAD_OPENING] = "opening streams",
		[LOAD_RUNNING] = "running",
		[LOAD_DRAINING] = "waiting for the rest",
	};
	uint64_t elapsed_ns = clock_measure_ns() - l->begun_ns;
	double seconds = (double)elapsed_ns / 1e9;
	uint64_t all;
	uint64_t done = done_of(l, elapsed_ns, &all);
	struct buf text = { 0 };

	(void)context;
	option_print(&text, "%s", phases[l->phase]);
	if (done > all)
		done = all;
	if (l->phase != LOAD_DRAINING && done > 0)
		option_print(&text, ", %.0f s left",
		    seconds * (double)(all - done) / (double)done);
	option_print(&text, ": %u streams, %llu published, %llu delivered",
	    l->subscribers.open - l->subscribers.ended,
	    (unsigned long long)l->check.published,
	    (unsigned long long)l->check.deliveries);
	if (l->phase == LOAD_RUNNING && l->plan->idle_ms == 0)
		option_print(&text, ", %.0f/s",
		    (double)l->check.deliveries / seconds);
	terminal_progress(buf_span(&text));
	buf_fini(&text);
}

static int
print_json(const struct load *l)
{
	struct buf out = { 0 };

	results_json(&out, l);
	bool good = buf_error(&out) == 0 &&
	    fwrite(out.ptr, 1, out.len, stdout) == out.len;
	buf_fini(&out);
	return good ? 0 : -EIO;
}

/* Say what went wrong.  Returns the exit status. */
static int
verdict(const struct load *l)
{
	const struct delivery_check *t = &l->check;

	if (l->stuck)
		(void)fputs("peal-bench: given up: nothing has arrived for 10 "
			    "seconds\n",
		    stderr);
	if (l->subscribers.why.len > 0)
		(void)fprintf(stderr, "peal-bench: %.*s\n",
		    (int)l->subscribers.why.len, l->subscribers.why.ptr);
	if (l->publishers.why.len > 0)
		(void)fprintf(stderr, "peal-bench: %.*s\n",
		    (int)l->publishers.why.len, l->publishers.why.ptr);
	return l->stuck ||
	    t->lost + t->duplicated + t->disordered + t->failed +
		l->subscribers.failed + l->subscribers.ended >
	    0;
}

static int
run(struct bench *b)
{
	struct load_plan plan = { 0 };
	struct buf why = { 0 };
	struct load load;

	if (read_urls(b, &plan) != 0)
		return EX_USAGE;
	make_plan(b, &plan);
	bool progress = !b->quiet && terminal_shows_progress();
	plan.progress = progress ? show_progress : NULL;
	int rc = load_run(&load, &plan, &why);
	if (progress)
		terminal_progress(span_of(""));
	if (rc == 0 && b->json)
		rc = print_json(&load);
	else if (rc == 0)
		results_print(stdout, &load);
	int status = rc == 0 ? verdict(&load) : EX_UNAVAILABLE;
	if (rc != 0)
		(void)fprintf(stderr, "peal-bench: %.*s\n", (int)why.len,
		    why.len > 0 ? why.ptr : "");
	load_fini(&load);
	buf_fini(&why);
	return status;
}

/* Every stream is a descriptor. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	struct bench bench = { 0 };
	struct buf text = { 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	int status = read_options(&bench, argc, argv, &text);
	if (status >= 0)
		(void)fwrite(text.ptr, 1, text.len,
		    status == 0 ? stdout : stderr);
	else
		status = run(&bench);
	for (size_t i = 0; i < bench.owned_count; i++)
		free(bench.owned[i]);
	free(bench.owned);
	buf_fini(&bench.headers);
	buf_fini(&text);
	if (fflush(stdout) == 0)
		return status;
	(void)fprintf(stderr, "peal-bench: standard output: %s\n",
	    strerror(errno));
	return 1;
}
