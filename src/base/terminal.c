#include "base/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct terminal_size
terminal_size(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 ||
	    size.ws_row == 0)
		return (struct terminal_size){ 80, 24 };
	return (struct terminal_size){ size.ws_col, size.ws_row };
}

/* A terminal that knows control sequences. */
static bool
is_capable(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term != NULL && strcmp(term, "dumb") != 0;
}

bool
terminal_has_colours(int fd)
{
	const char *no_color = getenv("NO_COLOR");

	return (no_color == NULL || no_color[0] == '\0') && is_capable(fd);
}

bool
terminal_shows_progress(void)
{
	return is_capable(STDERR_FILENO);
}

/* The bytes of the character that text begins with, which is not empty. */
static size_t
character_len(struct span text)
{
	size_t len = 1;

	while (len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
		len++;
	return len;
}

/* How many columns a text takes: UTF-8, one for each character. */
static size_t
columns_of(struct span text)
{
	size_t columns = 0;

	for (size_t i = 0; i < text.len; i++)
		columns += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
	return columns;
}

/*
 * The longest prefix that takes at most so many columns; *cut tells whether
 * there is more.  Text that is no UTF-8 ends before it.
 */
static struct span
fit(struct span text, size_t columns, bool *cut)
{
	size_t valid = span_utf8_prefix(text);
	size_t len = 0;

	for (size_t i = 0; i < columns && len < valid; i++)
		len +=
		    character_len((struct span){ text.ptr + len, valid - len });
	*cut = len < text.len;
	return (struct span){ text.ptr, len };
}

/* C0, DEL, or C1, which some terminals obey. */
static bool
is_control(struct span character)
{
	unsigned char first = (unsigned char)character.ptr[0];

	return first < 0x20 || first == 0x7f ||
	    (first == 0xc2 && character.len == 2 &&
		(unsigned char)character.ptr[1] < 0xa0);
}

size_t
terminal_print(FILE *out, struct span text, size_t columns)
{
	bool cut;
	struct span shown = fit(text, columns, &cut);

	if (cut && columns > 0)
		shown = fit(text, columns - 1, &cut);
	size_t printed = columns_of(shown) + (cut && columns > 0);
	while (shown.len > 0) {
		struct span one = { shown.ptr, character_len(shown) };
		if (is_control(one))
			(void)fputc('.', out);
		else
			(void)fwrite(one.ptr, 1, one.len, out);
		shown.ptr += one.len;
		shown.len -= one.len;
	}
	if (cut && columns > 0)
		(void)fputc('~', out);
	return printed;
}

void
terminal_print_lines(FILE *out, struct span text)
{
	while (text.len > 0) {
		struct span one = { text.ptr, character_len(text) };
		if (is_control(one) && one.ptr[0] != '\n')
			(void)fputc('.', out);
		else
			(void)fwrite(one.ptr, 1, one.len, out);
		text.ptr += one.len;
		text.len -= one.len;
	}
}

void
terminal_progress(struct span text)
{
	/* In the last column some terminals would begin another line. */
	(void)fputc('\r', stderr);
	(void)terminal_print(stderr, text,
	    (size_t)terminal_size(STDERR_FILENO).columns - 1);
	(void)fputs("\033[K", stderr);
}

int
terminal_begin(struct terminal *t, int fd, FILE *out)
{
	*t = (struct terminal){ .fd = -1, .out = out };
	if (tcgetattr(fd, &t->before) != 0)
		return -errno;
	struct termios now = t->before;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	now.c_cc[VSUSP] = _POSIX_VDISABLE;
	now.c_cc[VMIN] = 0;
	now.c_cc[VTIME] = 0;
	if (tcsetattr(fd, TCSADRAIN, &now) != 0)
		return -errno;
	t->fd = fd;
	/*
	 * xterm's control sequences: the alternate screen, the cursor hidden, and
	 * what is too wide cut off, or it would push the rest down.
	 */
	(void)fputs("\033[?1049h\033[?25l\033[?7l\033[H\033[2J", out);
	return 0;
}

void
terminal_end(struct terminal *t)
{
	if (t->fd < 0)
		return;
	(void)fputs("\033[?7h\033[?25h\033[?1049l", t->out);
	(void)fflush(t->out);
	(void)tcsetattr(t->fd, TCSADRAIN, &t->before);
	t->fd = -1;
}
