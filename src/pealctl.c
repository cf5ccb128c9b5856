/*
 * pealctl: the administrator's tool.  Works on the arena directly.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "event.h"
#include "file.h"
#include "follow.h"
#include "options.h"
#include "report.h"
#include "sse.h"
#include "status.h"
#include "store.h"
#include "tail.h"
#include "verify.h"
#include "wake.h"

/* What is read from standard input for one event, at most. */
#define DATA_MAX ((size_t)16 << 20)

struct ctl {
	const char *arena;
	const char *since; /* NULL: none */
	bool json;
	struct store store;
	int argc; /* the verb's own arguments */
	char **argv;
};

static int
complain(int status, const char *what, const char *why)
{
	(void)fprintf(stderr, "pealctl: %s%s%s\n", what,
	    why[0] != '\0' ? ": " : "", why);
	return status;
}

static int
complain_of(const char *what, int rc)
{
	return complain(1, what, strerror(-rc));
}

static void
put_out(struct span s)
{
	(void)fwrite(s.ptr, 1, s.len, stdout);
}

static void
print_size(const char *name, uint64_t bytes)
{
	(void)printf("%-22s %10.1f MiB\n", name, (double)bytes / 1048576);
}

static void
print_count(const char *name, uint64_t count)
{
	(void)printf("%-22s %10llu\n", name, (unsigned long long)count);
}

static void
print_workers(const struct status *s)
{
	(void)printf("\n%8s %8s %12s %12s  %s\n", "PID", "STREAMS", "PUBLISHED",
	    "DELIVERED", "SINCE");
	for (size_t i = 0; i < s->worker_count; i++) {
		const struct status_worker *w = &s->workers[i];
		time_t since = (time_t)(w->since_ms / 1000);
		struct tm tm;
		char when[32] = "?";
		if (localtime_r(&since, &tm) != NULL)
			(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S",
			    &tm);
		(void)printf("%8d %8u %12llu %12llu  %s\n", (int)w->pid,
		    w->streams, (unsigned long long)w->totals[LAYOUT_PUBLISHED],
		    (unsigned long long)w->totals[LAYOUT_DELIVERED], when);
	}
}

static void
print_status(const struct status *s)
{
	print_size("arena", s->size);
	print_size("used", s->used);
	print_size("used at most", s->high_water);
	print_count("channels", s->channels);
	print_count("events", s->events);
	print_count("published", s->totals[LAYOUT_PUBLISHED]);
	print_count("delivered", s->totals[LAYOUT_DELIVERED]);
	print_count("gaps told", s->totals[LAYOUT_GAPS]);
	print_count("stalled", s->totals[LAYOUT_STALLED]);
	print_count("refused", s->totals[LAYOUT_REFUSED]);
	print_count("evicted by age", s->evicted_age);
	print_count("evicted by count", s->evicted_count);
	print_count("evicted by pressure", s->evicted_pressure);
	print_count("repairs", s->repairs);
	print_workers(s);
}

static int
do_status(struct ctl *ctl)
{
	struct clock_now now = clock_read();
	struct buf out = { 0 };
	struct status status;
	int rc = status_take(&ctl->store, now, &status);

	if (rc != 0) {
		free(status.workers);
		return complain_of("status", rc);
	}
	if (ctl->json) {
		report_json(&out, &status, now);
		put_out(buf_span(&out));
		buf_fini(&out);
	} else {
		print_status(&status);
	}
	free(status.workers);
	return 0;
}

static int
do_check(struct ctl *ctl)
{
	struct buf faults = { 0 };
	size_t count = 0;
	int rc = verify_store(&ctl->store, &faults, &count);

	put_out(buf_span(&faults));
	buf_fini(&faults);
	if (rc != 0)
		return complain_of("check", rc);
	/* Nobody had it open, so it was repaired before it could be looked at. */
	if (ctl->store.damaged != 0)
		(void)printf("%u damaged blocks, dropped just now\n",
		    ctl->store.damaged);
	if (count == 0)
		(void)printf(ctl->store.damaged == 0 ? "all well\n"
						     : "the rest is well\n");
	else
		(void)printf("%zu faults\n", count);
	return count == 0 && ctl->store.damaged == 0 ? 0 : 1;
}

static int
append(struct ctl *ctl, struct span channel, struct span body)
{
	struct store_event event = { .channel = channel, .body = body };
	struct store_appended appended;
	struct wake wake = { 0 };
	char id[EVENT_ID_CHARS];
	int rc = wake_init(&wake, &ctl->store, 0);

	if (rc == 0)
		rc = wake_append(&wake, clock_read(), &event, 1, &appended);
	if (wake.store != NULL)
		wake_fini(&wake);
	if (rc != 0)
		return complain_of("publish", rc);
	(void)printf("%.*s %u\n", (int)event_id_print(appended.id, id), id,
	    appended.subscribers);
	return 0;
}

static int
do_publish(struct ctl *ctl)
{
	struct span channel = span_of(ctl->argv[0]);
	struct span topic = span_of(ctl->argc > 1 ? ctl->argv[1] : "");
	struct buf data = { 0 };
	struct buf body = { 0 };
	const char *fault = event_channel_fault(channel);
	int rc = 0;

	if (fault != NULL)
		return complain(EX_USAGE, "the channel name", fault);
	fault = event_topic_fault(topic);
	if (fault != NULL)
		return complain(EX_USAGE, "the topic", fault);
	if (ctl->argc > 2)
		buf_put_cstr(&data, ctl->argv[2]);
	else
		rc = file_read_open(STDIN_FILENO, DATA_MAX, &data);
	if (rc == 0 && !span_is_utf8(buf_span(&data)))
		rc = -EILSEQ;
	sse_event(&body, topic, buf_span(&data));
	if (rc == 0)
		rc = buf_error(&body);
	int status = rc != 0 ? complain_of("the data", rc)
			     : append(ctl, channel, buf_span(&body));
	buf_fini(&data);
	buf_fini(&body);
	return status;
}

static int
do_tail(struct ctl *ctl)
{
	struct span names[FOLLOW_READER_MAX];
	struct buf why = { 0 };
	size_t count = 0;

	if (ctl->argc > FOLLOW_READER_MAX)
		return complain(EX_USAGE, "tail", "takes 64 channels at most");
	for (int i = 0; i < ctl->argc; i++) {
		struct span name = span_of(ctl->argv[i]);
		const char *fault = event_channel_fault(name);
		if (fault != NULL)
			return complain(EX_USAGE, "a channel name", fault);
		size_t same = 0;
		while (same < count && !span_equal(names[same], name))
			same++;
		/* A channel that is joined twice would be read twice. */
		if (same == count)
			names[count++] = name;
	}
	int rc = tail_run(&ctl->store, names, count, span_of(ctl->since),
	    stdout, &why);
	buf_put_char(&why, '\0');
	int status = rc == 0 || buf_error(&why) != 0 ? (rc == 0 ? 0 : 1)
						     : complain(1, why.ptr, "");
	buf_fini(&why);
	return status;
}

struct verb {
	const char *name;
	const char *arguments;
	const char *help;
	int least;
	int most; /* -1: any number */
	int (*run)(struct ctl *ctl);
};

static const struct verb verbs[] = {
	{ "status", "[--json]", "how the arena and its workers are", 0, 0,
	    do_status },
	{ "publish", "CHANNEL [TOPIC [DATA]]",
	    "publish an event; without DATA, standard input", 1, 3,
	    do_publish },
	{ "tail", "[--since ID] CHANNEL...", "print events as they come", 1, -1,
	    do_tail },
	{ "check", "", "verify every invariant of the arena", 0, 0, do_check },
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static int
help(void)
{
	(void)printf("usage: pealctl [--arena FILE] VERB [ARGUMENT...]\n\n");
	for (size_t i = 0; i < VERBS; i++)
		(void)printf("  %-8s %-26s %s\n", verbs[i].name,
		    verbs[i].arguments, verbs[i].help);
	(void)printf("\n  --arena FILE   the arena; by default "
		     "$RUNTIME_DIRECTORY/arena,\n"
		     "                 else /dev/shm/peal-UID/arena\n"
		     "  --version      print the version\n"
		     "  --help         print this\n\nSee pealctl(1).\n");
	return 0;
}

/*
 * The value of an option that stands at argv[*i], as --name value or
 * --name=value; NULL if it is another option.  A missing value gives "".
 */
static const char *
option_value(const char *name, int argc, char **argv, int *i)
{
	size_t len = strlen(name);

	/* The analyzer takes argv[*i], with *i less than argc, for NULL.
	 * NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] != '\0')
		return NULL;
	return *i + 1 < argc ? argv[++*i] : "";
}

/*
 * Sort the command line into options and the rest, which stays in argv.  A word
 * after "--", or "-" itself, is never an option.  Returns 0 or EX_USAGE.
 */
static int
read_arguments(struct ctl *ctl, int argc, char **argv)
{
	const char *value;
	bool options = true;

	ctl->argv = argv;
	for (int i = 1; i < argc; i++) {
		if (!options || argv[i][0] != '-' || argv[i][1] == '\0') {
			ctl->argv[ctl->argc++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (strcmp(argv[i], "--json") == 0) {
			ctl->json = true;
		} else if ((value = option_value("--arena", argc, argv, &i)) !=
		    NULL) {
			ctl->arena = value;
		} else if ((value = option_value("--since", argc, argv, &i)) !=
		    NULL) {
			ctl->since = value;
		} else {
			return complain(EX_USAGE, argv[i],
			    "there is no such option; try --help");
		}
		if ((ctl->arena != NULL && ctl->arena[0] == '\0') ||
		    (ctl->since != NULL && ctl->since[0] == '\0'))
			return complain(EX_USAGE, argv[i], "wants a value");
	}
	return 0;
}

static int
open_and_run(struct ctl *ctl, const struct verb *verb)
{
	struct buf why = { 0 };
	char usual[PATH_MAX];
	const char *path = ctl->arena;

	if (path == NULL && options_default_arena(usual, sizeof(usual)) != 0)
		return complain(EX_UNAVAILABLE, "$RUNTIME_DIRECTORY",
		    "is too long");
	if (path == NULL)
		path = usual;
	int rc = store_open(&ctl->store, path, 0, NULL, clock_read(), &why);
	if (rc != 0) {
		buf_put_char(&why, '\0');
		int status = complain(EX_UNAVAILABLE,
		    buf_error(&why) == 0 ? why.ptr : strerror(-rc), "");
		buf_fini(&why);
		return status;
	}
	int status = verb->run(ctl);
	store_close(&ctl->store);
	buf_fini(&why);
	if (fflush(stdout) != 0 && errno != EPIPE)
		return complain_of("standard output", -errno);
	return status;
}

int
main(int argc, char **argv)
{
	struct ctl ctl = { 0 };
	const struct verb *verb = NULL;

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return help();
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return printf("pealctl %s\n", PACKAGE_VERSION) < 0;
	int rc = read_arguments(&ctl, argc, argv);
	if (rc != 0)
		return rc;
	if (ctl.argc == 0)
		return complain(EX_USAGE, "which verb", "try --help");
	for (size_t i = 0; i < VERBS; i++) {
		if (strcmp(ctl.argv[0], verbs[i].name) == 0)
			verb = &verbs[i];
	}
	if (verb == NULL)
		return complain(EX_USAGE, ctl.argv[0],
		    "there is no such verb; try --help");
	ctl.argv++;
	ctl.argc--;
	if (ctl.argc < verb->least ||
	    (verb->most >= 0 && ctl.argc > verb->most)) {
		(void)fprintf(stderr, "pealctl: usage: pealctl %s %s\n",
		    verb->name, verb->arguments);
		return EX_USAGE;
	}
	return open_and_run(&ctl, verb);
}
