/*
 * Where the arena is when nobody says.
 */
#ifndef PEAL_PATH_H
#define PEAL_PATH_H

#include <stddef.h>

/*
 * Put $RUNTIME_DIRECTORY/arena into path, else /dev/shm/peal-UID/arena.  path has
 * room bytes.
 *
 * Returns 0 or -ENAMETOOLONG.
 */
int path_default(char *path, size_t room);

#endif
