/*
 * The terminal of a program for people: whether there is one, how wide it is,
 * colours, and a whole screen that is drawn again and again.
 */
#ifndef PEAL_TERMINAL_H
#define PEAL_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

#include "base/span.h"

/* Columns and lines; 80 and 24 where fd does not say. */
struct terminal_size {
	int columns;
	int lines;
};
struct terminal_size terminal_size(int fd);

/*
 * Whether colours are wanted on fd: a terminal that is not "dumb", and no
 * NO_COLOR in the environment (https://no-color.org).
 */
bool terminal_has_colours(int fd);

/*
 * Print a text as one line of at most so many columns: control characters,
 * C1 included, become '.', and a text that is cut ends with "~".
 * Returns the columns that were printed.
 */
size_t terminal_print(FILE *out, struct span text, size_t columns);

/* As terminal_print(), with the lines that the text, which is UTF-8, has. */
void terminal_print_lines(FILE *out, struct span text);

/* Whether standard error is a terminal that can show how far a program is. */
bool terminal_shows_progress(void);

/*
 * Show how far it is, on one line of standard error, in place of what was shown
 * last; with an empty text it is wiped.
 */
void terminal_progress(struct span text);

/* A screen of one's own, from terminal_begin() to terminal_end(). */
struct terminal {
	int fd; /* keys are read from it; -1: none was begun */
	FILE *out;
	struct termios before;
};

/*
 * Show an empty screen without a cursor, and take keys as they are pressed.
 * Interrupts still come as signals; stopping (Ctrl-Z) does not.
 *
 * Returns 0 or -errno.
 */
int terminal_begin(struct terminal *t, int fd, FILE *out);

/* Give the terminal back as it was. */
void terminal_end(struct terminal *t);

#endif
