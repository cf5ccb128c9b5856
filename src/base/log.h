/*
 * The log: one line a message, to standard error, which is the web server's
 * error log, or to syslog.  One write(2) a line, so lines of several processes
 * do not mix.  errno is left as it was.
 *
 * It never waits: a line that nobody takes now is counted, and the count is logged
 * once lines are taken again.  A line that repeats the one before is counted as
 * well, and logged at most once in ten seconds.
 *
 * "2026-01-31 12:34:56 peal.fcgi[PID]: notice: …", in local time, as web
 * servers put none before what a responder writes; syslog gets the text alone.
 *
 * Its level, target and counts are globals: everything may log, and handing a
 * logger to every call would say nothing more.
 */
#ifndef PEAL_LOG_H
#define PEAL_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_AT_ERROR,
	LOG_AT_WARNING,
	LOG_AT_NOTICE,
	LOG_AT_INFO,
	LOG_AT_DEBUG,
};

/* name is kept, not copied.  SIGPIPE must be ignored: a reader may have gone. */
void log_open(const char *name, enum log_level level, bool to_syslog);

/* Read "error", "warning", "notice", "info" or "debug": 0, or -EINVAL. */
int log_level_parse(const char *word, enum log_level *level);

/* The text is made printable (printable.h); beyond 1,000 bytes it is cut. */
void log_at(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
