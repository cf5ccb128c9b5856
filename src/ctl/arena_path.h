/*
 * Which arena pealctl works on, and as whom.
 */
#ifndef PEAL_ARENA_PATH_H
#define PEAL_ARENA_PATH_H

#include <stddef.h>

#include "base/buf.h"

/*
 * The arena when nobody names one: path_default(), or that of
 * peal.service, /run/peal/arena, where $RUNTIME_DIRECTORY is not set and only
 * the latter is there.  path has room bytes.
 *
 * Returns 0 or -ENAMETOOLONG.
 */
int arena_path_arena(char *path, size_t room);

/*
 * Root becomes the user whose arena it is, for good, so that nothing in there
 * is ever taken at its word by root.  For any other user, and where path is
 * nothing that can be looked at, nothing happens: opening it says what is wrong.
 *
 * Returns 0 or -errno.
 */
int arena_path_become_owner(const char *path);

/*
 * Append to an empty text the usual arenas that can be seen, with their owners,
 * behind the words of before; or nothing where there are none.
 */
void arena_path_put_others(struct buf *text, const char *before);

#endif
