/*
 * An option as a row of a table, and what its value may be.
 *
 * Nothing here knows which options there are.
 */
#ifndef PEAL_SETTING_H
#define PEAL_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Where an option is read, and what its values need. */
struct setting_place {
	const char *program;
	const char *file; /* NULL: the command line */
	size_t line;	  /* of the file, from 1 */
	struct buf *text; /* takes what is wrong */
	char ***owned;	  /* takes the strings, for the caller to free */
	size_t *owned_count;
};

struct setting;

/*
 * Read value into field, which points to what the setter's comment names.
 * value is NULL where a flag stands alone.
 *
 * Returns 0, or -EINVAL or -ENOMEM with one line in place->text.
 */
typedef int setting_set(const struct setting_place *place,
    const struct setting *s, void *field, const char *value);

struct setting {
	const char *name;
	const char *argument; /* what --help calls the value; NULL: a flag */
	setting_set *set;     /* NULL: it is there for what it says */
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

setting_set setting_string; /* char * */
setting_set setting_name;   /* char *; not empty */
setting_set setting_size;   /* uint64_t, bytes */
setting_set setting_time;   /* uint64_t, milliseconds */
setting_set setting_number; /* uint32_t or unsigned */
setting_set setting_mode;   /* unsigned: octal, at most 0777 */
setting_set setting_level;  /* enum log_level */
setting_set
    setting_listen; /* char *: a path with a '/', or a socket's address */
setting_set setting_header; /* struct buf, which gets one more line */
setting_set setting_flag;   /* bool: yes or no */

/*
 * Put one line into place->text: the program, the place, the option where s is
 * not NULL, and the sentence, with control characters shown as '?'.
 *
 * Returns -EINVAL.
 */
int setting_refuse(const struct setting_place *place, const struct setting *s,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Append to text as printf() would, with control characters shown as '?'. */
void setting_say(struct buf *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
