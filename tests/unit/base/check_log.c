#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* Put a pipe where standard error is.  Returns its reading end. */
static int
catch_stderr(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	return ends[0];
}

/* What was written so far, as a string of its own. */
static char *
caught(int fd)
{
	char *text = calloc(1, 65536);

	ck_assert_ptr_nonnull(text);
	ssize_t len = read(fd, text, 65535);
	ck_assert(len >= 0 || errno == EAGAIN);
	return text;
}

/* What a line says behind the time; the time must be there. */
static const char *
behind_time(const char *line)
{
	struct tm tm = { 0 };

	const char *end = strptime(line, "%Y-%m-%d %H:%M:%S ", &tm);
	ck_assert_msg(end != NULL && end == line + 20, "%s", line);
	return end;
}

START_TEST(a_line_has_time_name_pid_level_and_text)
{
	char expected[100];
	(void)snprintf(expected, sizeof(expected),
	    "peal.fcgi[%ld]: notice: two and 2\n", (long)getpid());
	int fd = catch_stderr();
	log_open("peal.fcgi", LOG_AT_NOTICE, false);

	log_at(LOG_AT_NOTICE, "%s and %d", "two", 2);

	char *line = caught(fd);
	ck_assert_str_eq(behind_time(line), expected);
	free(line);
	close(fd);
}
END_TEST

START_TEST(the_time_is_local)
{
	int fd = catch_stderr();
	time_t before = time(NULL);
	struct tm tm = { 0 };
	setenv("TZ", "XYZ-5:30", 1);
	log_open("peal.fcgi", LOG_AT_NOTICE, false);

	log_at(LOG_AT_NOTICE, "x");

	char *line = caught(fd);
	(void)strptime(line, "%Y-%m-%d %H:%M:%S ", &tm);
	time_t utc = timegm(&tm) - (5 * 60 + 30) * 60;
	ck_assert_int_ge(utc, before);
	ck_assert_int_le(utc, before + 60);
	free(line);
	close(fd);
}
END_TEST

START_TEST(what_is_less_grave_than_the_level_is_left_out)
{
	static const char *const words[] = { "error", "warning", "notice",
		"info", "debug" };

	for (size_t limit = 0; limit < UNIT_COUNT(words); limit++) {
		for (size_t at = 0; at < UNIT_COUNT(words); at++) {
			int fd = catch_stderr();
			log_open("p", (enum log_level)limit, false);

			log_at((enum log_level)at, "x");

			char *line = caught(fd);
			ck_assert_int_eq(line[0] != '\0', at <= limit);
			if (at <= limit)
				ck_assert_ptr_nonnull(strstr(line, words[at]));
			free(line);
			close(fd);
		}
	}
}
END_TEST

START_TEST(level_words_are_read_and_others_refused)
{
	enum log_level level = LOG_AT_ERROR;

	ck_assert_int_eq(log_level_parse("debug", &level), 0);
	ck_assert_int_eq((int)level, LOG_AT_DEBUG);
	ck_assert_int_eq(log_level_parse("error", &level), 0);
	ck_assert_int_eq((int)level, LOG_AT_ERROR);
	ck_assert_int_eq(log_level_parse("warning", &level), 0);
	ck_assert_int_eq((int)level, LOG_AT_WARNING);
	ck_assert_int_eq(log_level_parse("Debug", &level), -EINVAL);
	ck_assert_int_eq(log_level_parse("", &level), -EINVAL);
	ck_assert_int_eq((int)level, LOG_AT_WARNING);
}
END_TEST

START_TEST(control_characters_cannot_make_a_second_line)
{
	int fd = catch_stderr();
	log_open("p", LOG_AT_NOTICE, false);

	log_at(LOG_AT_NOTICE, "a\nb\r\x1b[2J\x7f\xc3\xa9%s", "\t");

	char *line = caught(fd);
	ck_assert_ptr_nonnull(strstr(line, ": a?b??[2J?\xc3\xa9?\n"));
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
	free(line);
	close(fd);
}
END_TEST

START_TEST(a_long_text_is_cut_at_a_thousand_bytes)
{
	char text[1200];
	int fd = catch_stderr();
	log_open("p", LOG_AT_NOTICE, false);
	memset(text, 'x', sizeof(text));
	text[1100] = '\0';

	log_at(LOG_AT_NOTICE, "%s", text);

	char *line = caught(fd);
	const char *said = strstr(line, ": notice: ") + 10;
	ck_assert_uint_eq(strspn(said, "x"), 1000);
	ck_assert_str_eq(said + 1000, "\n");
	free(line);
	close(fd);
}
END_TEST

START_TEST(a_character_is_not_cut_in_two)
{
	char text[1200];
	int fd = catch_stderr();
	log_open("p", LOG_AT_NOTICE, false);
	memset(text, 'x', sizeof(text));
	memcpy(text + 998, "\xe2\x82\xac", 3);
	text[1100] = '\0';

	log_at(LOG_AT_NOTICE, "%s", text);

	char *line = caught(fd);
	const char *said = strstr(line, ": notice: ") + 10;
	ck_assert_uint_eq(strspn(said, "x"), 998);
	ck_assert_str_eq(said + 998, "\n");
	free(line);
	close(fd);
}
END_TEST

START_TEST(errno_is_left_as_it_was)
{
	int fd = catch_stderr();
	log_open("p", LOG_AT_NOTICE, false);
	close(STDERR_FILENO);
	errno = ENOENT;

	log_at(LOG_AT_NOTICE, "nobody hears");

	ck_assert_int_eq(errno, ENOENT);
	close(fd);
}
END_TEST

START_TEST(with_syslog_nothing_goes_to_standard_error)
{
	int fd = catch_stderr();
	log_open("check_log", LOG_AT_NOTICE, true);

	log_at(LOG_AT_INFO, "below the level: sent nowhere");
	log_at(LOG_AT_NOTICE, "a test of peal's log");

	char *line = caught(fd);
	ck_assert_str_eq(line, "");
	free(line);
	close(fd);
}
END_TEST

START_TEST(pipe_that_nobody_reads_is_not_waited_for)
{
	int ends[2];
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_ge(fcntl(ends[0], F_SETPIPE_SZ, 8192), 8192);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	log_open("p", LOG_AT_NOTICE, false);

	/* Far more than fits; to wait would be to hang. */
	for (int i = 0; i < 2000; i++)
		log_at(LOG_AT_NOTICE, "line %d", i);
	char *before = caught(ends[0]);
	log_at(LOG_AT_NOTICE, "the last");

	char *after = caught(ends[0]);
	ck_assert_ptr_nonnull(strstr(before, "notice: line 0\n"));
	ck_assert_ptr_nonnull(strstr(after, " lines of the log were lost\n"));
	ck_assert_ptr_nonnull(strstr(after, "notice: the last\n"));
	free(before);
	free(after);
	close(ends[0]);
}
END_TEST

START_TEST(line_that_repeats_is_counted)
{
	int fd = catch_stderr();
	log_open("p", LOG_AT_NOTICE, false);

	for (int i = 0; i < 100; i++)
		log_at(LOG_AT_ERROR, "the same");
	log_at(LOG_AT_NOTICE, "another");

	char *text = caught(fd);
	char *first = strstr(text, "error: the same\n");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_null(strstr(first + 15, "the same\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "error: 99 repetitions of the line before\n"));
	ck_assert_ptr_nonnull(strstr(text, "notice: another\n"));
	free(text);
	close(fd);
}
END_TEST

UNIT_MAIN("log", a_line_has_time_name_pid_level_and_text, the_time_is_local,
    what_is_less_grave_than_the_level_is_left_out,
    level_words_are_read_and_others_refused,
    control_characters_cannot_make_a_second_line,
    a_long_text_is_cut_at_a_thousand_bytes, a_character_is_not_cut_in_two,
    errno_is_left_as_it_was, with_syslog_nothing_goes_to_standard_error,
    pipe_that_nobody_reads_is_not_waited_for, line_that_repeats_is_counted)
