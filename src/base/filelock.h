/*
 * Locks on single bytes of a file, by open file description: the kernel lets go of
 * them when the last process that shares the description is gone.
 * Source: fcntl_locking(2), "Open file description locks".
 */
#ifndef PEAL_FILELOCK_H
#define PEAL_FILELOCK_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Set the lock of a byte; type is F_RDLCK, F_WRLCK or F_UNLCK.
 *
 * Returns 0, -EAGAIN when another description holds it, or -errno.
 */
int filelock_set(int fd, off_t byte, short type);

/* As filelock_set(), waiting up to 10 s.  -EBUSY when that was not enough. */
int filelock_set_patiently(int fd, off_t byte, short type);

/*
 * True if another description holds a lock on the byte, also where the kernel
 * cannot tell.
 */
bool filelock_is_held(int fd, off_t byte);

#endif
