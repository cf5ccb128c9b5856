#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/span.h"

#define TEXT_MAX 1000

/* Everything may log; log.h says why these are globals. */
static const char *log_name = "peal";
static enum log_level log_limit = LOG_AT_NOTICE;
static bool log_to_syslog;

static const struct {
	const char *word;
	int priority;
} levels[] = {
	[LOG_AT_ERROR] = { "error", LOG_ERR },
	[LOG_AT_WARNING] = { "warning", LOG_WARNING },
	[LOG_AT_NOTICE] = { "notice", LOG_NOTICE },
	[LOG_AT_INFO] = { "info", LOG_INFO },
	[LOG_AT_DEBUG] = { "debug", LOG_DEBUG },
};

#define LEVELS (sizeof(levels) / sizeof(levels[0]))

void
log_open(const char *name, enum log_level level, bool to_syslog)
{
	log_name = name;
	log_limit = level;
	log_to_syslog = to_syslog;
	/* localtime_r() need not look at TZ itself. */
	tzset();
	if (to_syslog)
		openlog(name, LOG_PID, LOG_DAEMON);
}

int
log_level_parse(const char *word, enum log_level *level)
{
	for (size_t i = 0; i < LEVELS; i++) {
		if (strcmp(word, levels[i].word) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Make text one line, without half a character where it was cut. */
static void
clean(char *text, bool cut)
{
	if (cut) {
		size_t len = strlen(text);
		size_t good = span_utf8_prefix(span_of(text));
		/* What is missing of a character is at most its last three. */
		if (len - good <= 3)
			text[good] = '\0';
	}
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

static void
write_line(enum log_level level, const char *text)
{
	char line[TEXT_MAX + 200];
	char when[32] = "";
	struct tm tm;
	time_t now = time(NULL);

	if (localtime_r(&now, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S ", &tm);
	int len = snprintf(line, sizeof(line), "%s%.100s[%ld]: %s: %s\n", when,
	    log_name, (long)getpid(), levels[level].word, text);
	ssize_t written;
	do {
		written = write(STDERR_FILENO, line, (size_t)len);
	} while (written < 0 && errno == EINTR);
	/* A log that takes no more has nowhere to complain. */
}

void
log_at(enum log_level level, const char *format, ...)
{
	char text[TEXT_MAX + 1];
	int saved = errno;
	va_list arguments;

	if (level > log_limit)
		return;
	va_start(arguments, format);
	int len = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (len >= 0) {
		clean(text, len > TEXT_MAX);
		if (log_to_syslog)
			syslog(levels[level].priority, "%s", text);
		else
			write_line(level, text);
	}
	errno = saved;
}
