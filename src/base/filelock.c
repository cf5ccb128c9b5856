#include "base/filelock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#define TRIES 1000 /* of 10 ms */

static struct flock
lock_of(off_t byte, short type)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};
}

int
filelock_set(int fd, off_t byte, short type)
{
	struct flock lock = lock_of(byte, type);

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

int
filelock_set_patiently(int fd, off_t byte, short type)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int rc = filelock_set(fd, byte, type);

	for (int i = 0; rc == -EAGAIN && i < TRIES; i++) {
		(void)nanosleep(&pause, NULL);
		rc = filelock_set(fd, byte, type);
	}
	return rc == -EAGAIN ? -EBUSY : rc;
}

bool
filelock_is_held(int fd, off_t byte)
{
	struct flock lock = lock_of(byte, F_WRLCK);

	return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}
