#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/printable.h"
#include "base/span.h"

#define TEXT_MAX 1000
/* A line that repeats the one before is logged again after so long. */
#define REPEAT_SECONDS 10

/* Everything may log; log.h says why these are globals. */
static const char *log_name = "peal";
static enum log_level log_limit = LOG_AT_NOTICE;
static bool log_to_syslog;
static int log_socket = -1;
static uint64_t log_lost;
static uint64_t log_repeated;
static char log_last[TEXT_MAX + 1];
static enum log_level log_last_level;
static uint64_t log_last_s;

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
	log_lost = 0;
	log_repeated = 0;
	log_last[0] = '\0';
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

/* Make text printable, without half a character where it was cut. */
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
	printable_clean(text);
}

/*
 * Write without waiting.  POLLOUT on a pipe means that 4096 bytes fit, more
 * than a line; another writer may still be faster, so the write itself must not wait
 * either, where the kernel can do that.  Returns whether the line was written.
 */
static bool
write_now(char *line, size_t len)
{
	struct pollfd pollfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	const struct iovec part = { .iov_base = line, .iov_len = len };
	ssize_t written;

	if (poll(&pollfd, 1, 0) != 1 || (pollfd.revents & POLLOUT) == 0)
		return false;
	do {
		written = pwritev2(STDERR_FILENO, &part, 1, -1, RWF_NOWAIT);
	} while (written < 0 && errno == EINTR);
	if (written < 0 && errno == EAGAIN)
		return false;
	/* Files and terminals may not know RWF_NOWAIT. */
	if (written < 0)
		written = write(STDERR_FILENO, line, len);
	return written == (ssize_t)len;
}

static bool
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
	return write_now(line, (size_t)len);
}

/* As syslog(3) sends it, which would wait where the socket's buffer is full. */
static bool
send_line(enum log_level level, const char *text)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX,
		.sun_path = "/dev/log" };
	char line[TEXT_MAX + 200];
	char when[32] = "";
	struct tm tm;
	time_t now = time(NULL);

	if (log_socket < 0)
		log_socket = socket(AF_UNIX,
		    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* RFC 3164, section 4.1.2. */
	if (localtime_r(&now, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%b %e %H:%M:%S ", &tm);
	int len = snprintf(line, sizeof(line), "<%d>%s%.100s[%ld]: %s",
	    LOG_DAEMON | levels[level].priority, when, log_name, (long)getpid(),
	    text);
	return sendto(log_socket, line, (size_t)len, MSG_NOSIGNAL,
		   (const struct sockaddr *)&address, sizeof(address)) == len;
}

static bool
put(enum log_level level, const char *text)
{
	bool taken =
	    log_to_syslog ? send_line(level, text) : write_line(level, text);

	log_lost += !taken;
	return taken;
}

/* Log a count of lines, and begin it anew where the line was taken. */
static void
put_count(enum log_level level, uint64_t *count, const char *what)
{
	char text[100];
	uint64_t lost = log_lost;

	if (*count == 0)
		return;
	(void)snprintf(text, sizeof(text), "%llu %s",
	    (unsigned long long)*count, what);
	if (put(level, text))
		*count = 0;
	else
		log_lost = lost;
}

static uint64_t
now_s(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* Whether the text is that of the line before, and is only counted. */
static bool
repeats(enum log_level level, const char *text)
{
	uint64_t now = now_s();

	if (strcmp(text, log_last) == 0 && now - log_last_s < REPEAT_SECONDS) {
		log_repeated++;
		log_last_level = level;
		return true;
	}
	put_count(log_last_level, &log_repeated,
	    "repetitions of the line before");
	(void)snprintf(log_last, sizeof(log_last), "%s", text);
	log_last_level = level;
	log_last_s = now;
	return false;
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
		put_count(LOG_AT_WARNING, &log_lost,
		    "lines of the log were lost");
		if (!repeats(level, text))
			(void)put(level, text);
	}
	errno = saved;
}
