#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/terminal.h"

/* What terminal_print() prints, and how many columns it says. */
static const char *
printed(struct span text, size_t columns, size_t *taken)
{
	static char out[256];
	FILE *file = fmemopen(out, sizeof(out), "w");

	out[0] = '\0';
	ck_assert_ptr_nonnull(file);
	*taken = terminal_print(file, text, columns);
	ck_assert_int_eq(fclose(file), 0);
	return out;
}

START_TEST(text_that_fits_is_printed_as_it_is)
{
	size_t taken;

	ck_assert_str_eq(printed(SPAN("na\xc3\xafve"), 5, &taken),
	    "na\xc3\xafve");
	ck_assert_uint_eq(taken, 5);
}
END_TEST

START_TEST(text_that_is_cut_ends_with_a_tilde_and_not_within_a_character)
{
	size_t taken;

	ck_assert_str_eq(printed(SPAN("\xc3\xa4\xc3\xb6\xc3\xbc"), 2, &taken),
	    "\xc3\xa4~");
	ck_assert_uint_eq(taken, 2);
	ck_assert_str_eq(printed(SPAN("abc"), 1, &taken), "~");
	ck_assert_str_eq(printed(SPAN("abc"), 0, &taken), "");
	ck_assert_uint_eq(taken, 0);
}
END_TEST

START_TEST(nothing_that_is_printed_commands_the_terminal)
{
	size_t taken;

	ck_assert_str_eq(printed(SPAN("a\033[2J\r\nb\177\xc2\x9b"), 20, &taken),
	    "a.[2J..b..");
	ck_assert_uint_eq(taken, 10);
}
END_TEST

START_TEST(lines_are_kept_and_command_nothing_either)
{
	char out[64] = "";
	FILE *file = fmemopen(out, sizeof(out), "w");
	ck_assert_ptr_nonnull(file);

	terminal_print_lines(file, SPAN("a\n\nb\033[2J\t\xc2\x9b\xc3\xa4\n"));
	ck_assert_int_eq(fclose(file), 0);

	ck_assert_str_eq(out, "a\n\nb.[2J..\xc3\xa4\n");
}
END_TEST

START_TEST(text_that_is_no_utf8_ends_before_it)
{
	size_t taken;

	ck_assert_str_eq(printed(SPAN("ab\xff"), 20, &taken), "ab~");
	ck_assert_uint_eq(taken, 3);
}
END_TEST

START_TEST(what_is_no_terminal_has_the_usual_size_and_no_colours)
{
	int ends[2];
	struct terminal t;
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(setenv("TERM", "xterm", 1), 0);
	ck_assert_int_eq(unsetenv("NO_COLOR"), 0);

	ck_assert_int_eq(terminal_size(ends[0]).columns, 80);
	ck_assert_int_eq(terminal_size(ends[0]).lines, 24);
	ck_assert(!terminal_has_colours(ends[0]));
	ck_assert_int_lt(terminal_begin(&t, ends[0], stdout), 0);
	terminal_end(&t);
}
END_TEST

START_TEST(no_color_and_a_dumb_terminal_are_respected)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master) | unlockpt(master), 0);
	int fd = open(ptsname(master), O_RDWR | O_NOCTTY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unsetenv("NO_COLOR"), 0);

	ck_assert_int_eq(setenv("TERM", "xterm", 1), 0);
	ck_assert(terminal_has_colours(fd));
	ck_assert_int_eq(setenv("TERM", "dumb", 1), 0);
	ck_assert(!terminal_has_colours(fd));
	ck_assert_int_eq(setenv("TERM", "xterm", 1), 0);
	ck_assert_int_eq(setenv("NO_COLOR", "1", 1), 0);
	ck_assert(!terminal_has_colours(fd));
	close(fd);
	close(master);
}
END_TEST

UNIT_MAIN("terminal", text_that_fits_is_printed_as_it_is,
    text_that_is_cut_ends_with_a_tilde_and_not_within_a_character,
    nothing_that_is_printed_commands_the_terminal,
    lines_are_kept_and_command_nothing_either,
    text_that_is_no_utf8_ends_before_it,
    what_is_no_terminal_has_the_usual_size_and_no_colours,
    no_color_and_a_dumb_terminal_are_respected)
