#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/options.h"

/* What options_read() gave. */
struct outcome {
	struct options o;
	enum options_outcome outcome;
	struct buf text; /* with a NUL behind */
};

/* Read a command line; NULL ends the arguments. */
static struct outcome
read_arguments(const char *first, ...)
{
	struct outcome out;
	const char *arguments[64] = { "peal.fcgi" };
	int count = 1;
	va_list more;

	va_start(more, first);
	for (const char *a = first; a != NULL; a = va_arg(more, const char *))
		arguments[count++] = a;
	va_end(more);
	buf_init(&out.text);
	out.outcome = options_read(&out.o, count, (char **)(uintptr_t)arguments,
	    &out.text);
	buf_put_char(&out.text, '\0');
	ck_assert_int_eq(buf_error(&out.text), 0);
	return out;
}

static void
outcome_fini(struct outcome *out)
{
	options_fini(&out->o);
	buf_fini(&out->text);
}

static void
assert_outcome(struct outcome out, enum options_outcome outcome,
    const char *text)
{
	ck_assert_str_eq(out.text.ptr, text);
	ck_assert_int_eq((int)out.outcome, (int)outcome);
	outcome_fini(&out);
}

static void
assert_bad(struct outcome out, const char *text)
{
	assert_outcome(out, OPTIONS_CONFIG, text);
}

static void
assert_run(const struct outcome *out)
{
	ck_assert_str_eq(out->text.ptr, "");
	ck_assert_int_eq((int)out->outcome, OPTIONS_RUN);
}

/* A file with a content of its own; path has room for 64 bytes. */
static void
write_file(char *path, const char *content, mode_t mode)
{
	size_t len = strlen(content);

	strcpy(path, "/tmp/peal-check-options-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, len), (ssize_t)len);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

static struct outcome
read_config(const char *content)
{
	char path[64];

	write_file(path, content, 0644);
	struct outcome out = read_arguments("--config", path, NULL);
	unlink(path);
	return out;
}

/* sentence is what follows "peal.fcgi: FILE:" */
static void
assert_config_bad(const char *content, const char *sentence)
{
	char path[64];
	char text[400];

	write_file(path, content, 0644);
	struct outcome out = read_arguments("--config", path, NULL);
	unlink(path);
	(void)snprintf(text, sizeof(text), "peal.fcgi: %s:%s\n", path,
	    sentence);
	assert_bad(out, text);
}

START_TEST(the_defaults_are_those_of_the_manual)
{
	unsetenv("RUNTIME_DIRECTORY");
	char arena[64];
	(void)snprintf(arena, sizeof(arena), "/dev/shm/peal-%lu/arena",
	    (unsigned long)geteuid());

	struct outcome out = read_arguments(NULL, NULL);

	assert_run(&out);
	ck_assert_ptr_null(out.o.config);
	ck_assert_ptr_null(out.o.listen);
	ck_assert_uint_eq(out.o.socket_mode, 0660);
	ck_assert_uint_eq(out.o.workers, 0);
	ck_assert_str_eq(out.o.arena, arena);
	ck_assert_uint_eq(out.o.arena_size, 64 << 20);
	ck_assert_uint_eq(out.o.max_age_ms, 20 * 60 * 1000);
	ck_assert_uint_eq(out.o.max_events, 1000);
	ck_assert_uint_eq(out.o.max_event_size, 64 << 10);
	ck_assert_uint_eq(out.o.max_body, 1 << 20);
	ck_assert_uint_eq(out.o.retry_ms, 3000);
	ck_assert_uint_eq(out.o.heartbeat_ms, 15000);
	ck_assert_uint_eq(out.o.stall_timeout_ms, 30000);
	ck_assert_uint_eq(out.o.coalesce_ms, 0);
	ck_assert_uint_eq(out.o.max_streams, 0);
	ck_assert_uint_eq(out.o.max_stream_age_ms, 60 * 60 * 1000);
	ck_assert_str_eq(out.o.channel_param, "channel");
	ck_assert_uint_eq(out.o.roles, ACCESS_SUBSCRIBE);
	ck_assert_ptr_null(out.o.publish_key_file);
	ck_assert_uint_eq(out.o.cors.count, 0);
	ck_assert_int_eq((int)out.o.log, LOG_AT_NOTICE);
	ck_assert(!out.o.syslog);
	ck_assert(!out.o.check);
	ck_assert_uint_eq(out.o.keys.count, 0);
	outcome_fini(&out);
}
END_TEST

START_TEST(every_option_is_read)
{
	struct outcome out = read_arguments("--listen=/run/x", "--socket-mode",
	    "600", "--workers", "4", "--arena", "/run/arena", "--arena-size",
	    "1G", "--max-age=2d", "--max-events=7", "--max-event-size=2M",
	    "--max-body", "16M", "--retry", "500", "--heartbeat", "0",
	    "--stall-timeout", "1", "--coalesce", "20", "--max-streams=9",
	    "--max-stream-age", "2h", "--channel-param", "user", "--roles",
	    "publish,status", "--cors-origin", "https://A.example",
	    "--cors-origin=*", "--log", "debug", "--syslog", "--check", NULL);

	assert_run(&out);
	ck_assert_str_eq(out.o.listen, "/run/x");
	ck_assert_uint_eq(out.o.socket_mode, 0600);
	ck_assert_uint_eq(out.o.workers, 4);
	ck_assert_str_eq(out.o.arena, "/run/arena");
	ck_assert_uint_eq(out.o.arena_size, 1 << 30);
	ck_assert_uint_eq(out.o.max_age_ms, 172800000);
	ck_assert_uint_eq(out.o.max_events, 7);
	ck_assert_uint_eq(out.o.max_event_size, 2 << 20);
	ck_assert_uint_eq(out.o.max_body, 16 << 20);
	ck_assert_uint_eq(out.o.retry_ms, 500);
	ck_assert_uint_eq(out.o.heartbeat_ms, 0);
	ck_assert_uint_eq(out.o.stall_timeout_ms, 1000);
	ck_assert_uint_eq(out.o.coalesce_ms, 20);
	ck_assert_uint_eq(out.o.max_streams, 9);
	ck_assert_uint_eq(out.o.max_stream_age_ms, 7200000);
	ck_assert_str_eq(out.o.channel_param, "user");
	ck_assert_uint_eq(out.o.roles, ACCESS_PUBLISH | ACCESS_STATUS);
	ck_assert_uint_eq(out.o.cors.count, 2);
	unit_assert_span(out.o.cors.origins[0], "https://a.example");
	unit_assert_span(out.o.cors.origins[1], "*");
	ck_assert_int_eq((int)out.o.log, LOG_AT_DEBUG);
	ck_assert(out.o.syslog);
	ck_assert(out.o.check);
	outcome_fini(&out);
}
END_TEST

START_TEST(a_wrong_command_line_is_told_in_a_line)
{
	static const struct {
		const char *argument;
		const char *text;
	} cases[] = {
		{ "--foo", "unknown option \"--foo\"; try --help" },
		{ "--foo=1", "unknown option \"--foo\"; try --help" },
		{ "--", "unknown option \"--\"; try --help" },
		{ "--max-agE", "unknown option \"--max-agE\"; try --help" },
		{ "--a\nb", "unknown option \"--a?b\"; try --help" },
		{ "foo", "unexpected argument \"foo\"; try --help" },
		{ "-h", "unexpected argument \"-h\"; try --help" },
		{ "", "unexpected argument \"\"; try --help" },
		{ "--max-age", "--max-age: it needs a value, TIME" },
		{ "--config", "--config: it needs a value, FILE" },
		{ "--help=1", "--help: it takes no value" },
		{ "--check=yes", "--check: it takes no value" },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		char text[100];
		(void)snprintf(text, sizeof(text), "peal.fcgi: %s\n",
		    cases[i].text);

		struct outcome out = read_arguments(cases[i].argument, NULL);

		assert_outcome(out, OPTIONS_USAGE, text);
	}
}
END_TEST

START_TEST(a_wrong_value_is_told_with_its_option)
{
	static const struct {
		const char *argument;
		const char *text;
	} cases[] = {
		{ "--max-age=20x",
		    "\"20x\" is not a time (a number and ms, s, m, h or d)" },
		{ "--max-age=",
		    "\"\" is not a time (a number and ms, s, m, h or d)" },
		{ "--max-age=999ms",
		    "\"999ms\" is out of range (1s to 3650d)" },
		{ "--max-age=3651d",
		    "\"3651d\" is out of range (1s to 3650d)" },
		{ "--max-age=99999999999999999999d",
		    "\"99999999999999999999d\" is out of range (1s to 3650d)" },
		{ "--retry=0", "\"0\" is out of range (1ms to 3650d)" },
		{ "--stall-timeout=0", "\"0\" is out of range (1s to 3650d)" },
		{ "--workers=0", "\"0\" is out of range (1 to 256)" },
		{ "--workers=257", "\"257\" is out of range (1 to 256)" },
		{ "--workers=-1", "\"-1\" is not a number" },
		{ "--workers=two", "\"two\" is not a number" },
		{ "--max-events=0", "\"0\" is out of range (1 to 10000000)" },
		{ "--max-events=10000001",
		    "\"10000001\" is out of range (1 to 10000000)" },
		{ "--max-events=4294967297",
		    "\"4294967297\" is out of range (1 to 10000000)" },
		{ "--arena-size=255K",
		    "\"255K\" is out of range (256K to 512G)" },
		{ "--arena-size=513G",
		    "\"513G\" is out of range (256K to 512G)" },
		{ "--arena-size=17179869185G",
		    "\"17179869185G\" is out of range (256K to 512G)" },
		{ "--arena-size=64MB",
		    "\"64MB\" is not a size (a number, and K, M or G)" },
		{ "--max-event-size=0", "\"0\" is out of range (1 to 16M)" },
		{ "--max-event-size=17M",
		    "\"17M\" is out of range (1 to 16M)" },
		{ "--max-event-size=9M",
		    "\"9M\" is more than an eighth of --arena-size" },
		{ "--max-body=0", "\"0\" is out of range (1 to 1G)" },
		{ "--max-body=2G", "\"2G\" is out of range (1 to 1G)" },
		{ "--socket-mode=888",
		    "\"888\" is not a file mode (octal, at most 0777)" },
		{ "--socket-mode=1777",
		    "\"1777\" is not a file mode (octal, at most 0777)" },
		{ "--socket-mode=",
		    "\"\" is not a file mode (octal, at most 0777)" },
		{ "--listen=here",
		    "\"here\" is not an address (a path with a \"/\", "
		    "HOST:PORT or fd:N)" },
		{ "--channel-param=", "the value is empty" },
		{ "--arena=", "the value is empty" },
		{ "--roles=publish,foo status",
		    "\"foo\" is not a role (subscribe, publish or status)" },
		{ "--cors-origin=https://a/",
		    "\"https://a/\" is not an origin (* or "
		    "SCHEME://HOST[:PORT], without a path)" },
		{ "--log=loud",
		    "\"loud\" is not a level (error, warning, notice, info or "
		    "debug)" },
		{ "--syslog=maybe", "\"maybe\" is neither yes nor no" },
		{ "--config=/nonexistent/peal.conf",
		    "/nonexistent/peal.conf: No such file or directory" },
		{ "--publish-key-file=/nonexistent/k",
		    "/nonexistent/k: No such file or directory" },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		char text[300];
		(void)snprintf(text, sizeof(text), "peal.fcgi: %.*s: %s\n",
		    (int)strcspn(cases[i].argument, "="), cases[i].argument,
		    cases[i].text);

		struct outcome out = read_arguments(cases[i].argument, NULL);

		assert_bad(out, text);
	}
}
END_TEST

START_TEST(a_socket_path_has_room_for_107_bytes)
{
	char path[120];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	struct outcome fits = read_arguments("--listen", path, NULL);
	path[107] = 'x';
	path[108] = '\0';
	struct outcome over = read_arguments("--listen", path, NULL);

	assert_run(&fits);
	outcome_fini(&fits);
	ck_assert_int_eq((int)over.outcome, OPTIONS_CONFIG);
	outcome_fini(&over);
}
END_TEST

START_TEST(the_default_event_size_fits_a_small_arena)
{
	struct outcome small = read_arguments("--arena-size=256K", NULL);
	struct outcome said =
	    read_arguments("--arena-size=256K", "--max-event-size=64K", NULL);

	assert_run(&small);
	ck_assert_uint_eq(small.o.max_event_size, 32 << 10);
	outcome_fini(&small);
	assert_bad(said,
	    "peal.fcgi: --max-event-size: \"64K\" is more than an eighth of "
	    "--arena-size\n");
}
END_TEST

START_TEST(the_arena_lies_in_the_runtime_directory)
{
	setenv("RUNTIME_DIRECTORY", "/run/peal:/run/other", 1);
	struct outcome folder = read_arguments(NULL, NULL);
	struct outcome said = read_arguments("--arena=/x/y", NULL);
	setenv("RUNTIME_DIRECTORY", "", 1);
	struct outcome empty = read_arguments(NULL, NULL);

	ck_assert_str_eq(folder.o.arena, "/run/peal/arena");
	ck_assert_str_eq(said.o.arena, "/x/y");
	ck_assert_int_eq(strncmp(empty.o.arena, "/dev/shm/peal-", 14), 0);
	outcome_fini(&folder);
	outcome_fini(&said);
	outcome_fini(&empty);
}
END_TEST

START_TEST(the_version_is_the_packages)
{
	assert_outcome(read_arguments("--version", NULL), OPTIONS_SAID,
	    "peal.fcgi " PACKAGE_VERSION "\n");
}
END_TEST

START_TEST(help_tells_of_every_option_in_eighty_columns)
{
	static const char *const names[] = { "config FILE", "listen ADDR",
		"socket-mode MODE", "workers N", "arena FILE",
		"arena-size SIZE", "max-age TIME", "max-events N",
		"max-event-size SIZE", "max-body SIZE", "retry TIME",
		"heartbeat TIME", "stall-timeout TIME", "coalesce TIME",
		"max-streams N", "max-stream-age TIME", "channel-param NAME",
		"roles LIST", "publish-key-file FILE", "cors-origin ORIGIN",
		"log LEVEL", "syslog ", "check ", "version ", "help " };

	struct outcome out = read_arguments("--help", NULL);

	ck_assert_int_eq((int)out.outcome, OPTIONS_SAID);
	ck_assert_int_eq(strncmp(out.text.ptr, "usage: peal.fcgi ", 17), 0);
	for (size_t i = 0; i < UNIT_COUNT(names); i++) {
		char line[64];
		(void)snprintf(line, sizeof(line), "\n  --%s", names[i]);
		ck_assert_msg(strstr(out.text.ptr, line) != NULL, "%s",
		    names[i]);
	}
	ck_assert_ptr_nonnull(strstr(out.text.ptr, "man 8 peal.fcgi"));
	ck_assert_ptr_nonnull(strstr(out.text.ptr, " [20m]\n"));
	for (const char *c = out.text.ptr; *c != '\0';) {
		size_t len = strcspn(c, "\n");
		ck_assert_msg(len <= 80, "%.*s", (int)len, c);
		c += len + 1;
	}
	outcome_fini(&out);
}
END_TEST

START_TEST(help_and_version_end_the_reading)
{
	struct outcome out =
	    read_arguments("--config=/nonexistent", "--help", "--foo", NULL);

	ck_assert_int_eq((int)out.outcome, OPTIONS_SAID);
	outcome_fini(&out);
}
END_TEST

START_TEST(a_file_is_read_line_by_line)
{
	struct outcome out = read_config("# peal\n\nmax-age 1h # an hour\n"
					 "\tlisten\t\"/run/a b#c\"\r\n"
					 "roles subscribe publish\n"
					 "cors-origin https://a.example\n"
					 "cors-origin https://b.example\n"
					 "syslog\nretry 10");

	assert_run(&out);
	ck_assert_uint_eq(out.o.max_age_ms, 3600000);
	ck_assert_str_eq(out.o.listen, "/run/a b#c");
	ck_assert_uint_eq(out.o.roles, ACCESS_SUBSCRIBE | ACCESS_PUBLISH);
	ck_assert_uint_eq(out.o.cors.count, 2);
	ck_assert(out.o.syslog);
	ck_assert_uint_eq(out.o.retry_ms, 10);
	outcome_fini(&out);
}
END_TEST

START_TEST(a_flag_in_the_file_may_say_yes_or_no)
{
	struct outcome yes = read_config("syslog yes\n");
	struct outcome no = read_config("syslog\nsyslog no\n");

	ck_assert(yes.o.syslog);
	ck_assert(!no.o.syslog);
	outcome_fini(&yes);
	outcome_fini(&no);
}
END_TEST

START_TEST(an_empty_file_changes_nothing)
{
	struct outcome out = read_config("");

	assert_run(&out);
	ck_assert_uint_eq(out.o.max_events, 1000);
	outcome_fini(&out);
}
END_TEST

START_TEST(the_command_line_wins_wherever_the_file_is_named)
{
	char path[64];
	write_file(path,
	    "max-age 1h\nroles publish status\ncors-origin https://a.example\n"
	    "cors-origin https://b.example\nsyslog\nmax-events 5\n",
	    0644);

	struct outcome out = read_arguments("--max-age=2h", "--roles=subscribe",
	    "--cors-origin=https://c.example", "--config", path, "--syslog=no",
	    NULL);

	assert_run(&out);
	ck_assert_uint_eq(out.o.max_age_ms, 7200000);
	ck_assert_uint_eq(out.o.roles, ACCESS_SUBSCRIBE);
	ck_assert_uint_eq(out.o.cors.count, 1);
	unit_assert_span(out.o.cors.origins[0], "https://c.example");
	ck_assert(!out.o.syslog);
	ck_assert_uint_eq(out.o.max_events, 5);
	outcome_fini(&out);
	unlink(path);
}
END_TEST

START_TEST(a_faulty_line_is_told_with_file_and_number)
{
	assert_config_bad("max-age 1h\n\n# x\nfoo 1\n",
	    "4: unknown option \"foo\"; peal.fcgi --help lists them");
	assert_config_bad("--max-age 1h\n",
	    "1: unknown option \"--max-age\"; in a file a name has no dashes");
	assert_config_bad("\nmax-age 1y\n",
	    "2: max-age: \"1y\" is not a time (a number and ms, s, m, h or "
	    "d)");
	assert_config_bad("max-age\n", "1: max-age: it needs a value, TIME");
	assert_config_bad("max-age # 1h\n",
	    "1: max-age: it needs a value, TIME");
	assert_config_bad("channel-param \"\"\n",
	    "1: channel-param: the value is empty");
	assert_config_bad("arena \"/x\n", "1: a quotation mark is not closed");
	assert_config_bad("syslog perhaps\n",
	    "1: syslog: \"perhaps\" is neither yes nor no");
	assert_config_bad("config x\n",
	    "1: config: only the command line may say this");
	assert_config_bad("check\n",
	    "1: check: only the command line may say this");
	assert_config_bad("version\n",
	    "1: version: only the command line may say this");
	assert_config_bad("help\n",
	    "1: help: only the command line may say this");
}
END_TEST

START_TEST(a_file_that_is_no_text_is_told)
{
	struct outcome out = read_arguments("--config", "/tmp", NULL);

	assert_bad(out, "peal.fcgi: --config: /tmp: Is a directory\n");
}
END_TEST

START_TEST(more_origins_than_there_is_room_for_are_refused)
{
	struct buf config;

	buf_init(&config);
	for (int i = 0; i <= REPLY_ORIGINS_MAX; i++)
		buf_put_cstr(&config, "cors-origin https://a.example\n");
	buf_put_char(&config, '\0');

	assert_config_bad(config.ptr,
	    "33: cors-origin: there are more than 32");
	buf_fini(&config);
}
END_TEST

START_TEST(the_key_file_is_read)
{
	char path[64];
	write_file(path, "# keys\nabcdefghijklmnop\n", 0640);

	struct outcome out = read_arguments("--publish-key-file", path, NULL);

	assert_run(&out);
	ck_assert_uint_eq(out.o.keys.count, 1);
	unit_assert_span(out.o.keys.keys[0], "abcdefghijklmnop");
	outcome_fini(&out);
	unlink(path);
}
END_TEST

/* fault is what follows the file's path. */
static void
assert_keys_bad(const char *content, mode_t mode, const char *fault)
{
	char path[64];
	char text[300];

	write_file(path, content, mode);
	struct outcome out = read_arguments("--publish-key-file", path, NULL);
	unlink(path);
	(void)snprintf(text, sizeof(text),
	    "peal.fcgi: --publish-key-file: %s:%s\n", path, fault);
	assert_bad(out, text);
}

START_TEST(a_faulty_key_file_is_told_without_its_keys)
{
	assert_keys_bad("abcdefghijklmnop\nshort\n", 0600,
	    "2: not a key (16 to 256 visible ASCII characters), or more than "
	    "64");
	assert_keys_bad("# none\n", 0600, " there is no key in it");
	assert_keys_bad("abcdefghijklmnop\n", 0644,
	    " open to others; make its mode 0640 or 0600");
}
END_TEST

START_TEST(keys_are_read_again)
{
	char path[64];
	struct buf text;
	write_file(path, "abcdefghijklmnop\n", 0600);
	struct outcome out = read_arguments("--publish-key-file", path, NULL);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs("0123456789abcdef\nponmlkjihgfedcba\n", file);
	fclose(file);
	buf_init(&text);

	int error = options_reload_keys(&out.o, &text);

	ck_assert_int_eq(error, 0);
	ck_assert_uint_eq(text.len, 0);
	ck_assert_uint_eq(out.o.keys.count, 2);
	unit_assert_span(out.o.keys.keys[0], "0123456789abcdef");
	outcome_fini(&out);
	unlink(path);
}
END_TEST

START_TEST(the_old_keys_stay_where_the_new_cannot_be_read)
{
	char path[64];
	char expected[100];
	struct buf text;
	write_file(path, "abcdefghijklmnop\n", 0600);
	struct outcome out = read_arguments("--publish-key-file", path, NULL);
	unlink(path);
	(void)snprintf(expected, sizeof(expected),
	    "%s: No such file or directory", path);
	buf_init(&text);

	int error = options_reload_keys(&out.o, &text);

	ck_assert_int_eq(error, -ENOENT);
	unit_assert_span(buf_span(&text), expected);
	ck_assert_uint_eq(out.o.keys.count, 1);
	unit_assert_span(out.o.keys.keys[0], "abcdefghijklmnop");
	outcome_fini(&out);
	buf_fini(&text);
}
END_TEST

START_TEST(without_a_key_file_there_is_nothing_to_read_again)
{
	struct buf text;
	struct outcome out = read_arguments(NULL, NULL);
	buf_init(&text);

	int error = options_reload_keys(&out.o, &text);

	ck_assert_int_eq(error, 0);
	ck_assert_uint_eq(text.len, 0);
	outcome_fini(&out);
}
END_TEST

UNIT_MAIN("options", the_defaults_are_those_of_the_manual, every_option_is_read,
    a_wrong_command_line_is_told_in_a_line,
    a_wrong_value_is_told_with_its_option, a_socket_path_has_room_for_107_bytes,
    the_default_event_size_fits_a_small_arena,
    the_arena_lies_in_the_runtime_directory, the_version_is_the_packages,
    help_tells_of_every_option_in_eighty_columns,
    help_and_version_end_the_reading, a_file_is_read_line_by_line,
    a_flag_in_the_file_may_say_yes_or_no, an_empty_file_changes_nothing,
    the_command_line_wins_wherever_the_file_is_named,
    a_faulty_line_is_told_with_file_and_number, a_file_that_is_no_text_is_told,
    more_origins_than_there_is_room_for_are_refused, the_key_file_is_read,
    a_faulty_key_file_is_told_without_its_keys, keys_are_read_again,
    the_old_keys_stay_where_the_new_cannot_be_read,
    without_a_key_file_there_is_nothing_to_read_again)
