#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
file_read_open(int fd, size_t limit, struct buf *out)
{
	const size_t begin = out->len;

	while (out->len - begin <= limit) {
		char *to = buf_room(out, 16384);
		if (to == NULL)
			return -ENOMEM;
		ssize_t len = read(fd, to, 16384);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (len == 0)
			return 0;
		out->len += (size_t)len;
	}
	return -EFBIG;
}

int
file_read(const char *path, size_t limit, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	int error = file_read_open(fd, limit, out);
	(void)close(fd);
	return error;
}

/* See that fd is fit for a secret. */
static int
check_secret(int fd, const char **fault)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		*fault = "not a regular file";
		return -EINVAL;
	}
	if ((st.st_mode & S_IRWXO) != 0) {
		*fault = "open to others; make its mode 0640 or 0600";
		return -EACCES;
	}
	return 0;
}

int
file_read_secret(const char *path, size_t limit, struct buf *out,
    const char **fault)
{
	*fault = NULL;
	/* A FIFO must not hold us up before fstat() tells that it is one. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int error = fd < 0 ? -errno : check_secret(fd, fault);
	if (error == 0)
		error = file_read_open(fd, limit, out);
	if (fd >= 0)
		(void)close(fd);
	if (error != 0 && *fault == NULL)
		*fault = strerror(-error);
	return error;
}
