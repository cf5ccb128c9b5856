/*
 * The options of one program: a table of rows, as its command line and its --help
 * have them.
 */
#ifndef PEAL_OPTION_H
#define PEAL_OPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/option_type.h"
#include "base/span.h"

struct option_table {
	const struct option *rows; /* in the order of --help */
	size_t count;
	bool words; /* the command line may hold words that are no options */
};

/* The row of that name, or NULL. */
const struct option *option_find(const struct option_table *t,
    struct span name);

/* Append each option, what it does, and its default in brackets. */
void option_put_help(const struct option_table *t, struct buf *out);

/* Read value into row's field of target.  Errors as option_type_set. */
int option_set(const struct option *row, const struct option_place *place,
    void *target, const char *value);

/* Give the fields of target their defaults.  Errors as option_type_set. */
int option_set_defaults(const struct option_table *t,
    const struct option_place *place, void *target);

/* A command line that is being read. */
struct option_arguments {
	int argc;
	char **argv;
	int at; /* the next to be read: 1 at first */
};

/*
 * Take the next option and its value, which is NULL where a flag stands alone.
 * *row is NULL where a word was taken: it is then *value.
 *
 * Returns 1, 0 at the end, or -EINVAL with place->text filled in.
 */
int option_next(const struct option_table *t, const struct option_place *place,
    struct option_arguments *arguments, const struct option **row,
    const char **value);

#endif
