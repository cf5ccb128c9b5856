/*
 * The command line and peal.conf.
 *
 * The input is arguments, one a line, up to an empty line; the rest is the text
 * of peal.conf, read through a memory file.
 *   - What is taken lies within the limits that the manual names, and nothing
 *     is said.
 *   - What is refused gets one line that begins with the program's name and holds
 *     no control character.
 *   - Line by line, config_file_line() gives parts of the line.
 */
#include "server/options.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/config_file.h"
#include "fuzz.h"

const char fuzz_name[] = "options";

#define ARGUMENTS_MAX 32

static int conf_fd = -1;

static void
judge_taken(const struct options *o)
{
	FUZZ_REQUIRE(o->arena != NULL && o->arena[0] != '\0');
	FUZZ_REQUIRE(o->arena_size >= 262144);
	FUZZ_REQUIRE(o->max_event_size >= 1);
	FUZZ_REQUIRE(o->max_event_size <= o->arena_size / 8);
	FUZZ_REQUIRE(o->workers <= 256);
	FUZZ_REQUIRE(o->socket_mode <= 0777);
	FUZZ_REQUIRE(o->max_age_ms >= 1000 && o->max_events >= 1);
	FUZZ_REQUIRE(o->retry_ms >= 1 && o->stall_timeout_ms >= 1000);
	/* No time is so long that adding it to the clock's wraps. */
	FUZZ_REQUIRE(o->max_age_ms < UINT64_C(1) << 40);
	FUZZ_REQUIRE(o->heartbeat_ms < UINT64_C(1) << 40);
	FUZZ_REQUIRE(o->coalesce_ms < UINT64_C(1) << 40);
	FUZZ_REQUIRE(o->max_stream_age_ms < UINT64_C(1) << 40);
	FUZZ_REQUIRE(o->channel_param != NULL && o->channel_param[0] != '\0');
	FUZZ_REQUIRE((o->roles &
			 ~(unsigned)(ACCESS_SUBSCRIBE | ACCESS_PUBLISH |
			     ACCESS_STATUS)) == 0);
	FUZZ_REQUIRE(o->cors.count <= REPLY_ORIGINS_MAX);
	for (size_t i = 0; i < o->cors.count; i++) {
		struct span origin = o->cors.origins[i];
		FUZZ_REQUIRE(origin.len > 0 && !span_has_control(origin));
		FUZZ_REQUIRE(memchr(origin.ptr, ' ', origin.len) == NULL);
	}
}

static void
judge_said(enum options_outcome outcome, const struct buf *text)
{
	FUZZ_REQUIRE(text->len > 0 && text->ptr[text->len - 1] == '\n');
	if (outcome == OPTIONS_SAID)
		return;
	struct span line = { text->ptr, text->len - 1 };
	FUZZ_REQUIRE(!span_has_control(line));
	FUZZ_REQUIRE(span_starts_nocase(line, SPAN("peal.fcgi: ")));
}

static void
judge_lines(struct span text)
{
	struct span line;
	struct span name;
	struct span value;

	while (span_cut(&text, '\n', &line)) {
		struct span copy =
		    fuzz_copy((const uint8_t *)line.ptr, line.len);
		const char *fault = config_file_line(copy, &name, &value);
		FUZZ_REQUIRE(fuzz_within(name, copy));
		FUZZ_REQUIRE(fuzz_within(value, copy));
		if (fault == NULL && name.len > 0)
			FUZZ_REQUIRE(memchr(name.ptr, '\0', name.len) == NULL &&
			    memchr(name.ptr, ' ', name.len) == NULL);
		if (fault == NULL && value.len > 0)
			FUZZ_REQUIRE(
			    memchr(value.ptr, '\0', value.len) == NULL);
		free((char *)copy.ptr);
	}
}

/* Put text into the memory file; returns what --config is to name. */
static char *
write_conf(struct span text)
{
	char *argument = NULL;

	if (conf_fd < 0)
		conf_fd = memfd_create("peal.conf", MFD_CLOEXEC);
	FUZZ_REQUIRE(conf_fd >= 0 && ftruncate(conf_fd, 0) == 0);
	FUZZ_REQUIRE(text.len == 0 ||
	    pwrite(conf_fd, text.ptr, text.len, 0) == (ssize_t)text.len);
	FUZZ_REQUIRE(
	    asprintf(&argument, "--config=/proc/self/fd/%d", conf_fd) > 0);
	return argument;
}

/* Files are the target's to name: others might be anything. */
static bool
names_file(const char *argument)
{
	return strcmp(argument, "--config") == 0 ||
	    strncmp(argument, "--config=", 9) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size };
	char name[] = "peal.fcgi";
	char *argv[ARGUMENTS_MAX + 3] = { name };
	int argc = 1;
	struct options o;
	struct buf text = { 0 };
	struct span line;

	if (size == 0)
		return 0;
	while (span_cut(&rest, '\n', &line) && line.len > 0) {
		char *argument = strndup(line.ptr, line.len);
		FUZZ_REQUIRE(argument != NULL);
		if (argc <= ARGUMENTS_MAX && !names_file(argument))
			argv[argc++] = argument;
		else
			free(argument);
	}
	if (rest.len > 0) {
		argv[argc++] = write_conf(rest);
		judge_lines(rest);
	}
	enum options_outcome outcome = options_read(&o, argc, argv, &text);
	FUZZ_REQUIRE(buf_error(&text) == 0);
	if (outcome == OPTIONS_RUN) {
		FUZZ_REQUIRE(text.len == 0);
		judge_taken(&o);
	} else {
		judge_said(outcome, &text);
	}
	options_fini(&o);
	buf_fini(&text);
	for (int i = 1; i < argc; i++)
		free(argv[i]);
	return 0;
}
