/*
 * A table of settings: the options of one program, as its command line and its
 * --help have them.
 */
#ifndef PEAL_TABLE_H
#define PEAL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/setting.h"
#include "base/span.h"

struct table {
	const struct setting *rows; /* in the order of --help */
	size_t count;
	bool words; /* the command line may hold words that are no options */
};

/* The row of that name, or NULL. */
const struct setting *table_find(const struct table *t, struct span name);

/* Append each option, what it does, and its default in brackets. */
void table_put_help(const struct table *t, struct buf *out);

/* Read value into row's field of target.  Errors as setting_set. */
int table_set(const struct setting *row, const struct setting_place *place,
    void *target, const char *value);

/* Give the fields of target their defaults.  Errors as setting_set. */
int table_set_defaults(const struct table *t, const struct setting_place *place,
    void *target);

/* A command line that is being read. */
struct table_arguments {
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
int table_next(const struct table *t, const struct setting_place *place,
    struct table_arguments *arguments, const struct setting **row,
    const char **value);

#endif
