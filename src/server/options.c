/*
 * The command line is read twice: first for what has to be known before the
 * file (--config, --help), then after the file, so that it wins.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "server/options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/path.h"
#include "base/address.h"
#include "base/config_file.h"
#include "base/file.h"
#include "base/option.h"
#include "base/option_type.h"
#include "base/units.h"

#define CONFIG_FILE_MAX UNITS_MIB
#define KEY_FILE_MAX (64 * UNITS_KIB)
#define EVENT_SIZE_DEFAULT (64 * UNITS_KIB)

/* Far over any use, and far under what arithmetic with the time can hold. */
#define TIME_MAX (3650 * UNITS_DAY)

static void put_help(struct buf *out);
static void put_version(struct buf *out);

/* Into an unsigned, a set of enum access_role. */
static int
set_roles(const struct option_place *place, const struct option *s, void *field,
    const char *value)
{
	struct span bad;

	if (access_roles_parse(span_of(value), field, &bad) != 0)
		return option_type_refuse(place, s,
		    "\"%.*s\" is not a role (subscribe, publish or status)",
		    (int)bad.len, bad.ptr);
	return 0;
}

/* Into a struct reply_cors, which gets one more. */
static int
set_origin(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	struct reply_cors *cors = field;

	if (strcmp(value, "*") != 0 && !address_is_origin(value))
		return option_type_refuse(place, s,
		    "\"%s\" is not an origin (* or SCHEME://HOST[:PORT], "
		    "without a path)",
		    value);
	if (cors->count == REPLY_ORIGINS_MAX)
		return option_type_refuse(place, s, "there are more than %d",
		    REPLY_ORIGINS_MAX);
	char *copy;
	int rc = option_type_string(place, s, &copy, value);
	if (rc != 0)
		return rc;
	/* A browser sends the scheme and the host in lower case. */
	for (char *c = copy; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	cors->origins[cors->count++] = span_of(copy);
	return 0;
}

#define AT(member) .offset = offsetof(struct options, member)

/* In the order of --help and of the man page. */
static const struct option rows[] = {
	{ "config", "FILE", option_type_string, AT(config), .shown = "none",
	    .local = true, .help = "read options from FILE too, one a line" },
	{ "listen", "ADDR", option_type_listen, AT(listen),
	    .shown = "descriptor 0",
	    .help = "listen at a path, HOST:PORT or fd:N" },
	{ "socket-mode", "MODE", option_type_mode, AT(socket_mode),
	    .initial = "0660", .help = "permissions of a listening path" },
	{ "workers", "N", option_type_number, AT(workers), .min = 1, .max = 256,
	    .shown = "1 with --listen", .help = "supervise N workers" },
	{ "arena", "FILE", option_type_name, AT(arena),
	    .shown = "$RUNTIME_DIRECTORY/arena or /dev/shm/peal-UID/arena",
	    .help = "the memory that workers share" },
	{ "arena-size", "SIZE", option_type_size, AT(arena_size),
	    .min = 256 * UNITS_KIB, .max = 512 * UNITS_GIB, .initial = "64M",
	    .help = "its size" },
	{ "max-age", "TIME", option_type_time, AT(max_age_ms),
	    .min = UNITS_SECOND, .max = TIME_MAX, .unit = UNITS_SECOND,
	    .initial = "20m", .help = "history: how long an event is kept" },
	{ "max-events", "N", option_type_number, AT(max_events), .min = 1,
	    .max = 10000000, .initial = "1000",
	    .help = "history: events kept per channel" },
	{ "max-event-size", "SIZE", option_type_size, AT(max_event_size),
	    .min = 1, .max = 16 * UNITS_MIB, .shown = "64K",
	    .help = "data of one event, at most arena-size/8" },
	{ "max-body", "SIZE", option_type_size, AT(max_body), .min = 1,
	    .max = UNITS_GIB, .initial = "1M", .help = "body of one POST" },
	{ "retry", "TIME", option_type_time, AT(retry_ms), .min = 1,
	    .max = TIME_MAX, .unit = 1, .initial = "3000ms",
	    .help = "when a client comes back" },
	{ "heartbeat", "TIME", option_type_time, AT(heartbeat_ms),
	    .max = TIME_MAX, .unit = UNITS_SECOND, .initial = "15s",
	    .help = "longest silence of a stream; 0: off" },
	{ "stall-timeout", "TIME", option_type_time, AT(stall_timeout_ms),
	    .min = UNITS_SECOND, .max = TIME_MAX, .unit = UNITS_SECOND,
	    .initial = "30s",
	    .help = "a stream not read for so long is ended" },
	{ "coalesce", "TIME", option_type_time, AT(coalesce_ms),
	    .max = TIME_MAX, .unit = 1, .initial = "0",
	    .help = "least time between two fan-outs of a channel" },
	{ "max-streams", "N", option_type_number, AT(max_streams),
	    .max = 10000000, .initial = "0", .shown = "by the descriptor limit",
	    .help = "streams of one worker" },
	{ "max-stream-age", "TIME", option_type_time, AT(max_stream_age_ms),
	    .max = TIME_MAX, .unit = UNITS_SECOND, .initial = "1h",
	    .help = "age at which a stream is ended; 0: none" },
	{ "channel-param", "NAME", option_type_name, AT(channel_param),
	    .initial = "channel",
	    .help = "the query parameter that names channels" },
	{ "roles", "LIST", set_roles, AT(roles), .initial = "subscribe",
	    .help = "what all may do: subscribe, publish, status" },
	{ "publish-key-file", "FILE", option_type_name, AT(publish_key_file),
	    .shown = "none", .help = "keys that may publish, one a line" },
	{ "cors-origin", "ORIGIN", set_origin, AT(cors), .shown = "none",
	    .help = "a web origin that may read, or *; may repeat" },
	{ "log", "LEVEL", option_type_level, AT(log), .initial = "notice",
	    .help = "error, warning, notice, info or debug" },
	{ "syslog", NULL, option_type_flag, AT(syslog),
	    .shown = "standard error", .help = "log to syslog" },
	{ "check", NULL, option_type_flag, AT(check), .local = true,
	    .help = "say whether all this is right, and exit" },
	{ "version", NULL, .say = put_version, .local = true,
	    .help = "say the version, and exit" },
	{ "help", NULL, .say = put_help, .local = true,
	    .help = "say this, and exit" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct option_table table = { .rows = rows, .count = ROWS };

static void
put_help(struct buf *out)
{
	buf_put_cstr(out,
	    "usage: peal.fcgi [--OPTION VALUE | --OPTION=VALUE] ...\n\n");
	option_put_help(&table, out);
	buf_put_cstr(out,
	    "\nSizes take K, M and G; times take ms, s, m, h and d.\n"
	    "The manual: man 8 peal.fcgi, man 5 peal.conf, man 7 peal\n");
}

static void
put_version(struct buf *out)
{
	buf_put_cstr(out, "peal.fcgi " PACKAGE_VERSION "\n");
}

/* What is known while options are read. */
struct reader {
	struct options *o;
	struct option_place place;
	struct option_arguments arguments;
};

static int
set(struct reader *r, const struct option *row, const char *value)
{
	return option_set(row, &r->place, r->o, value);
}

/*
 * Check the form of the whole command line, and set what has to be known before
 * the file is read.  Ends early at --help and --version: *said is then its row.
 */
static int
read_local(struct reader *r, const struct option **said)
{
	const struct option *row;
	const char *value;
	int more;

	*said = NULL;
	r->arguments.at = 1;
	while ((more = option_next(&table, &r->place, &r->arguments, &row,
		    &value)) > 0) {
		/* The analyzer does not know that option_type_refuse() never
		 * returns 1.
		 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		if (row->say != NULL) {
			*said = row;
			return 0;
		}
		if (row->local && set(r, row, value) != 0)
			return -EINVAL;
	}
	return more;
}

/* Set the rest of the command line's options. */
static int
read_command_line(struct reader *r)
{
	const struct option *row;
	const char *value;
	bool origins = false;

	r->arguments.at = 1;
	while (
	    option_next(&table, &r->place, &r->arguments, &row, &value) > 0) {
		/* The analyzer does not know that option_type_refuse() never
		 * returns 1.
		 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		if (row->local)
			continue;
		/* The command line's origins replace the file's. */
		if (row->set == set_origin && !origins) {
			r->o->cors.count = 0;
			origins = true;
		}
		int error = set(r, row, value);
		if (error != 0)
			return error;
	}
	return 0;
}

static int
set_from_line(struct reader *r, const struct option *row, struct span value)
{
	char *string = NULL;

	if (row->local)
		return option_type_refuse(&r->place, row,
		    "only the command line may say this");
	if (value.ptr == NULL && row->argument != NULL)
		return option_type_refuse(&r->place, row,
		    "it needs a value, %s", row->argument);
	if (value.ptr != NULL) {
		string = strndup(value.ptr, value.len);
		if (string == NULL)
			return option_type_refuse(&r->place, row,
			    "out of memory");
	}
	int error = set(r, row, string);
	free(string);
	return error;
}

/* What may have been meant by a line that names no option. */
static const char *
advice_on(struct span name)
{
	if (name.len > 0 && name.ptr[0] == '-')
		return "in a file a name has no dashes";
	if (memchr(name.ptr, '=', name.len) != NULL)
		return "a line is a name, a space and a value, without \"=\"";
	return "peal.fcgi --help lists them";
}

static int
read_line(struct reader *r, struct span line)
{
	struct span name;
	struct span value;

	const char *fault = config_file_line(line, &name, &value);
	if (fault != NULL)
		return option_type_refuse(&r->place, NULL, "%s", fault);
	if (name.len == 0)
		return 0;
	const struct option *row = option_find(&table, name);
	if (row == NULL)
		return option_type_refuse(&r->place, NULL,
		    "unknown option \"%.*s\"; %s", (int)name.len, name.ptr,
		    advice_on(name));
	return set_from_line(r, row, value);
}

static int
read_lines(struct reader *r, struct span text)
{
	struct span line;
	int error = 0;

	/* Some editors begin a file with a byte order mark. */
	if (span_starts_nocase(text, SPAN("\xef\xbb\xbf")))
		text = (struct span){ text.ptr + 3, text.len - 3 };
	r->place.file = r->o->config;
	r->place.line = 0;
	while (error == 0 && span_cut(&text, '\n', &line)) {
		r->place.line++;
		error = read_line(r, line);
	}
	r->place.file = NULL;
	return error;
}

static int
read_config(struct reader *r)
{
	struct buf content;

	if (r->o->config == NULL)
		return 0;
	buf_init(&content);
	int error = file_read(r->o->config, CONFIG_FILE_MAX, &content);
	if (error == 0)
		error = read_lines(r, buf_span(&content));
	else
		(void)option_type_refuse(&r->place,
		    option_find(&table, SPAN("config")), "%s: %s", r->o->config,
		    strerror(-error));
	buf_fini(&content);
	return error;
}

static int
set_arena(struct reader *r)
{
	const struct option *row = option_find(&table, SPAN("arena"));
	char path[PATH_MAX];

	if (r->o->arena != NULL)
		return 0;
	if (path_default(path, sizeof(path)) != 0)
		return option_type_refuse(&r->place, row,
		    "$RUNTIME_DIRECTORY is too long");
	return set(r, row, path);
}

/* An event must leave room for others, or the arena is no history. */
static int
check_event_size(struct reader *r)
{
	struct options *o = r->o;
	uint64_t most = o->arena_size / 8;
	char size[UNITS_CHARS];

	if (o->max_event_size == 0)
		o->max_event_size =
		    most < EVENT_SIZE_DEFAULT ? most : EVENT_SIZE_DEFAULT;
	if (o->max_event_size <= most)
		return 0;
	units_print(size, o->max_event_size, units_of_size);
	return option_type_refuse(&r->place,
	    option_find(&table, SPAN("max-event-size")),
	    "\"%s\" is more than an eighth of --arena-size", size);
}

int
options_reload_keys(struct options *o, struct buf *text)
{
	const char *path = o->publish_key_file;
	struct access_keys keys;
	struct buf content;
	const char *fault;
	size_t line = 0;

	if (path == NULL)
		return 0;
	buf_init(&content);
	int error = file_read_secret(path, KEY_FILE_MAX, &content, &fault);
	if (error != 0) {
		option_print(text, "%s: %s", path, fault);
		goto fail;
	}
	error = access_keys_parse(&keys, buf_span(&content), &line);
	if (error == -ENODATA)
		option_print(text, "%s: there is no key in it", path);
	else if (error != 0)
		option_print(text,
		    "%s:%zu: not a key (%d to %d visible ASCII characters), "
		    "or more than %d",
		    path, line, ACCESS_KEY_MIN, ACCESS_KEY_MAX,
		    ACCESS_KEYS_MAX);
	if (error != 0)
		goto fail;
	free(o->key_text);
	o->key_text = content.ptr;
	o->keys = keys;
	return 0;

fail:
	buf_fini(&content);
	return error;
}

static int
read_keys(struct reader *r)
{
	struct buf why;

	buf_init(&why);
	int error = options_reload_keys(r->o, &why);
	buf_put_char(&why, '\0');
	if (error != 0)
		(void)option_type_refuse(&r->place,
		    option_find(&table, SPAN("publish-key-file")), "%s",
		    buf_error(&why) == 0 ? why.ptr : "out of memory");
	buf_fini(&why);
	return error;
}

static int
read_web_servers(struct reader *r)
{
	const char *list = getenv("FCGI_WEB_SERVER_ADDRS");
	struct buf why = { 0 };
	int error = web_servers_parse(&r->o->web_servers, span_of(list), &why);

	buf_put_char(&why, '\0');
	if (error != 0) {
		r->place.file = NULL;
		(void)option_type_refuse(&r->place, NULL,
		    "FCGI_WEB_SERVER_ADDRS: %s",
		    buf_error(&why) == 0 ? why.ptr : "out of memory");
	}
	buf_fini(&why);
	return error;
}

enum options_outcome
options_read(struct options *o, int argc, char **argv, struct buf *text)
{
	struct reader r = {
		.o = o,
		.place = { .program = "peal.fcgi",
		    .text = text,
		    .owned = &o->owned,
		    .owned_count = &o->owned_count },
		.arguments = { .argc = argc, .argv = argv },
	};
	const struct option *said;

	*o = (struct options){ 0 };
	if (option_set_defaults(&table, &r.place, o) != 0)
		return OPTIONS_CONFIG;
	if (read_local(&r, &said) != 0)
		return OPTIONS_USAGE;
	if (said != NULL) {
		said->say(text);
		return buf_error(text) == 0 ? OPTIONS_SAID : OPTIONS_CONFIG;
	}
	if (read_config(&r) != 0 || read_command_line(&r) != 0 ||
	    set_arena(&r) != 0 || check_event_size(&r) != 0 ||
	    read_keys(&r) != 0 || read_web_servers(&r) != 0)
		return OPTIONS_CONFIG;
	return OPTIONS_RUN;
}

void
options_fini(struct options *o)
{
	for (size_t i = 0; i < o->owned_count; i++)
		free(o->owned[i]);
	free(o->owned);
	free(o->key_text);
	*o = (struct options){ 0 };
}
