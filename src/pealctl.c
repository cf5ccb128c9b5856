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
#include <unistd.h>

#include "arena/store.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/option.h"
#include "base/option_type.h"
#include "base/units.h"
#include "ctl/arena_path.h"
#include "ctl/commands.h"

static void put_help(struct buf *out);

static void
put_version(struct buf *out)
{
	buf_put_cstr(out, "pealctl " PACKAGE_VERSION "\n");
}

#define AT(member) .offset = offsetof(struct ctl, member)

static const struct option rows[] = {
	{ "arena", "FILE", option_type_name, AT(arena),
	    .shown = "/dev/shm/peal-UID/arena", .help = "the arena" },
	{ "json", NULL, option_type_flag, AT(json),
	    .help = "status, channels, workers, history: as JSON",
	    .local = true },
	{ "since", "ID", option_type_name, AT(since),
	    .shown = "no history in tail",
	    .help = "tail, history: what came after it" },
	{ "limit", "N", option_type_number, AT(limit), .min = 1,
	    .max = UINT32_MAX, .shown = "all",
	    .help = "history: the newest so many" },
	{ "id", "ID", option_type_name, AT(id), .shown = "one of peal's",
	    .help = "publish: the event's own; once while it is kept" },
	{ "interval", "TIME", option_type_time, AT(interval_ms), .min = 10,
	    .max = UNITS_DAY, .unit = UNITS_SECOND, .initial = "1s",
	    .help = "top: between two looks" },
	{ "rounds", "N", option_type_number, AT(rounds), .max = UINT32_MAX,
	    .shown = "no end", .help = "top: so many looks" },
	{ "publish-url", "URL", option_type_name, AT(publish_url),
	    .shown = "the URL", .help = "doctor: where publishing is open" },
	{ "key-file", "FILE", option_type_name, AT(key_file), .shown = "no key",
	    .help = "doctor: publish with its first key" },
	{ "header", "LINE", option_type_header, AT(headers), .shown = "none",
	    .help = "doctor: send this header too; may repeat" },
	{ "streams", "N", option_type_number, AT(streams), .min = 1, .max = 500,
	    .initial = "20", .help = "doctor: hold so many at once" },
	{ "patience", "TIME", option_type_time, AT(patience_ms),
	    .max = UNITS_DAY, .unit = UNITS_SECOND, .initial = "5s",
	    .help = "doctor: leave a stream silent for so long" },
	{ "timeout", "TIME", option_type_time, AT(timeout_ms), .min = 10,
	    .max = UNITS_DAY, .unit = UNITS_SECOND, .initial = "5s",
	    .help = "doctor: what is later is late" },
	{ "stalled", "TIME", option_type_time, AT(stalled_ms), .min = 10,
	    .max = UNITS_DAY, .unit = UNITS_SECOND, .shown = "not at all",
	    .help = "doctor: leave a stream unread for so long" },
	{ "version", NULL, .say = put_version, .help = "say the version" },
	{ "help", NULL, .say = put_help, .help = "say this" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct option_table table = {
	.rows = rows,
	.count = ROWS,
	.words = true,
};

static void
put_help(struct buf *out)
{
	buf_put_cstr(out, "usage: pealctl [--OPTION]... VERB [WORD]...\n\n");
	for (size_t i = 0; i < verbs_count; i++) {
		option_print(out, "  %-8s %-23s %s", verbs[i].name,
		    verbs[i].arguments, verbs[i].help);
		buf_put_char(out, '\n');
	}
	buf_put_char(out, '\n');
	option_put_help(&table, out);
	buf_put_cstr(out, "\nThe manual: man 1 pealctl\n");
}

/* A command line that is being read. */
struct reading {
	struct ctl *ctl;
	struct option_place place;
	const struct option *first[ROWS]; /* options that were given */
	size_t count;
};

/* Returns -1 to go on, or the exit status. */
static int
read_option(struct reading *r, const struct option *row, const char *value)
{
	if (row->say != NULL) {
		row->say(r->place.text);
		return 0;
	}
	for (size_t i = 0; i < r->count; i++) {
		if (r->first[i] == row && row->set != option_type_header) {
			(void)option_type_refuse(&r->place, row, "given twice");
			return EX_USAGE;
		}
	}
	if (r->count < ROWS)
		r->first[r->count++] = row;
	return option_set(row, &r->place, r->ctl, value) == 0 ? -1 : EX_USAGE;
}

/*
 * Sort the command line into options and words, which stay in argv: what stands
 * behind "--" is a word.  Returns -1 to go on, or the exit status.
 */
static int
read_arguments(struct reading *r, int argc, char **argv)
{
	struct option_arguments arguments = { argc, argv, 1 };
	struct ctl *ctl = r->ctl;
	const struct option *row;
	const char *value;

	if (option_set_defaults(&table, &r->place, ctl) != 0)
		return EX_USAGE;
	ctl->argv = argv;
	for (;;) {
		if (arguments.at < argc &&
		    strcmp(argv[arguments.at], "--") == 0)
			break;
		int more =
		    option_next(&table, &r->place, &arguments, &row, &value);
		if (more < 0)
			return EX_USAGE;
		if (more == 0)
			return -1;
		if (row == NULL) {
			ctl->argv[ctl->argc++] = argv[arguments.at - 1];
			continue;
		}
		int status = read_option(r, row, value);
		if (status >= 0)
			return status;
	}
	while (++arguments.at < argc)
		ctl->argv[ctl->argc++] = argv[arguments.at];
	return -1;
}

/* Returns 0 if the verb takes all the options that were given. */
static int
check_options(struct reading *r, const struct command *verb)
{
	for (size_t i = 0; i < r->count; i++) {
		struct span rest = span_of(verb->options);
		struct span name = span_of(r->first[i]->name);
		struct span word;
		bool takes = !verb->outside && span_equal(name, SPAN("arena"));
		while (!takes && span_word(&rest, &word))
			takes = span_equal(word, name);
		if (!takes)
			return option_type_refuse(&r->place, r->first[i],
			    "not for the verb %s; try --help", verb->name);
	}
	return 0;
}

/* Find the verb and check its words.  NULL with the reason in the text. */
static const struct command *
read_verb(struct reading *r)
{
	struct ctl *ctl = r->ctl;
	const struct command *verb = NULL;

	if (ctl->argc == 0) {
		(void)option_type_refuse(&r->place, NULL,
		    "which verb? try --help");
		return NULL;
	}
	for (size_t i = 0; i < verbs_count; i++) {
		if (strcmp(ctl->argv[0], verbs[i].name) == 0)
			verb = &verbs[i];
	}
	if (verb == NULL) {
		(void)option_type_refuse(&r->place, NULL,
		    "%s: there is no such verb; try --help", ctl->argv[0]);
		return NULL;
	}
	ctl->argv++;
	ctl->argc--;
	if (ctl->argc < verb->least ||
	    (verb->most >= 0 && ctl->argc > verb->most)) {
		(void)option_type_refuse(&r->place, NULL,
		    "usage: pealctl %s%s%s; try --help", verb->name,
		    verb->arguments[0] != '\0' ? " " : "", verb->arguments);
		return NULL;
	}
	return check_options(r, verb) == 0 ? verb : NULL;
}

/* Say why the arena was not opened, and what to do next.  said ends with a NUL. */
static int
complain_of_arena(int rc, const char *said)
{
	struct buf next = { 0 };

	if (rc == -ENOENT) {
		arena_path_put_others(&next, "others, for --arena: ");
		if (next.len == 0)
			buf_put_cstr(&next,
			    "is peal.fcgi running, and is this its --arena?");
	} else if ((rc == -EPERM || rc == -EACCES) && geteuid() != 0) {
		buf_put_cstr(&next, "run pealctl as that user, or as root");
	}
	buf_put_char(&next, '\0');
	(void)commands_complain(EX_UNAVAILABLE, said,
	    buf_error(&next) == 0 ? next.ptr : "");
	buf_fini(&next);
	return EX_UNAVAILABLE;
}

static int
open_and_run(struct ctl *ctl, const struct command *verb)
{
	struct buf why = { 0 };
	char usual[PATH_MAX];
	const char *path = ctl->arena;

	if (verb->outside)
		return verb->run(ctl);
	if (path == NULL && arena_path_arena(usual, sizeof(usual)) != 0)
		return commands_complain(EX_UNAVAILABLE, "$RUNTIME_DIRECTORY",
		    "is too long");
	if (path == NULL)
		path = usual;
	int rc = arena_path_become_owner(path);
	if (rc != 0)
		return commands_complain(EX_UNAVAILABLE,
		    "cannot become the arena's owner", strerror(-rc));
	rc = store_open(&ctl->store, path, 0, NULL, clock_read(), &why);
	buf_put_char(&why, '\0');
	int status = rc != 0
	    ? complain_of_arena(rc,
		  buf_error(&why) == 0 ? why.ptr : strerror(-rc))
	    : verb->run(ctl);
	if (rc == 0)
		store_close(&ctl->store);
	buf_fini(&why);
	return status;
}

static int
run(struct ctl *ctl, const struct command *verb)
{
	int status = open_and_run(ctl, verb);

	if (fflush(stdout) != 0 && errno != EPIPE)
		return commands_complain(1, "standard output", strerror(errno));
	return status;
}

int
main(int argc, char **argv)
{
	struct ctl ctl = { 0 };
	struct buf text = { 0 };
	struct reading reading = {
		.ctl = &ctl,
		.place = { .program = "pealctl",
		    .text = &text,
		    .owned = &ctl.owned,
		    .owned_count = &ctl.owned_count },
	};
	const struct command *verb = NULL;

	(void)signal(SIGPIPE, SIG_IGN);
	int status = read_arguments(&reading, argc, argv);
	if (status < 0) {
		verb = read_verb(&reading);
		status = verb == NULL ? EX_USAGE : run(&ctl, verb);
	}
	if (text.len > 0)
		(void)fwrite(text.ptr, 1, text.len,
		    status == 0 ? stdout : stderr);
	for (size_t i = 0; i < ctl.owned_count; i++)
		free(ctl.owned[i]);
	free(ctl.owned);
	buf_fini(&ctl.headers);
	buf_fini(&text);
	return fflush(stdout) == 0 || errno == EPIPE ? status : 1;
}
