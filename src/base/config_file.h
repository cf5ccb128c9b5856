/*
 * The lines of peal.conf: a name, white space, a value.
 */
#ifndef PEAL_CONFIG_FILE_H
#define PEAL_CONFIG_FILE_H

#include "base/span.h"

/*
 * Read a line without its end.  name is empty if nothing but white space and a
 * comment is there; value->ptr is NULL if no value is.
 *
 * A '#' at the beginning or after white space begins a comment.  A value may
 * stand in double quotes, in which nothing else has a meaning.  The spans point
 * into line and hold no NUL.
 *
 * Returns NULL, or a phrase that says what is wrong.
 */
const char *config_file_line(struct span line, struct span *name,
    struct span *value);

#endif
