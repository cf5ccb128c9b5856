/*
 * An option as a row of a table, and what its value may be.
 *
 * Nothing here knows which options there are.
 */
#ifndef PEAL_OPTION_TYPE_H
#define PEAL_OPTION_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Where an option is read, and what its values need. */
struct option_place {
	const char *program;
	const char *file; /* NULL: the command line */
	size_t line;	  /* of the file, from 1 */
	struct buf *text; /* takes what is wrong */
	char ***owned;	  /* takes the strings, for the caller to free */
	size_t *owned_count;
};

struct option;

/*
 * Read value into field, which points to what the setter's comment names.
 * value is NULL where a flag stands alone.
 *
 * Returns 0, or -EINVAL or -ENOMEM with one line in place->text.
 */
typedef int option_type_set(const struct option_place *place,
    const struct option *s, void *field, const char *value);

struct option {
	const char *name;
	const char *argument; /* what --help calls the value; NULL: a flag */
	option_type_set *set; /* NULL: it is there for what it says */
	void (*say)(struct buf *text);
	size_t offset; /* of the field */
	uint64_t min;
	uint64_t max;
	uint64_t unit;	     /* of a time without one, milliseconds */
	const char *initial; /* set before all else; NULL: zero */
	const char *shown;   /* the default in --help, where initial is not */
	const char *help;
	bool local; /* only the command line may say it */
};

option_type_set option_type_string; /* char * */
option_type_set option_type_name;   /* char *; not empty */
option_type_set option_type_size;   /* uint64_t, bytes */
option_type_set option_type_time;   /* uint64_t, milliseconds */
option_type_set option_type_number; /* uint32_t or unsigned */
option_type_set option_type_mode;   /* unsigned: octal, at most 0777 */
option_type_set option_type_level;  /* enum log_level */
option_type_set
    option_type_listen; /* char *: a path with a '/', or a socket's address */
option_type_set option_type_header; /* struct buf, which gets one more line */
option_type_set option_type_flag;   /* bool: yes or no */

/*
 * Put one line into place->text: the program, the place, the option where s is
 * not NULL, and the sentence, with control characters shown as '?'.
 *
 * Returns -EINVAL.
 */
int option_type_refuse(const struct option_place *place, const struct option *s,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Append to text as printf() would, with control characters shown as '?'. */
void option_print(struct buf *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
