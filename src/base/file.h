/*
 * Whole files, read at once.
 */
#ifndef PEAL_FILE_H
#define PEAL_FILE_H

#include <stddef.h>

#include "base/buf.h"

/* Append what is left of an open file to out.  Errors as file_read(). */
int file_read_open(int fd, size_t limit, struct buf *out);

/*
 * Append a file to out.
 *
 * Returns 0, or -errno of what failed: -EFBIG where it has more than limit
 * bytes, of which some are then in out.
 */
int file_read(const char *path, size_t limit, struct buf *out);

/*
 * As file_read(), for a file that others must not know: it has to be a regular
 * file to which others have no access.  A link is followed; what counts is the
 * file that was opened.
 *
 * On failure *fault says why, as in "not a regular file", to follow the path
 * and a colon.
 */
int file_read_secret(const char *path, size_t limit, struct buf *out,
    const char **fault);

#endif
