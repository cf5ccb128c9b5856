#include "arena/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
path_default(char *path, size_t room)
{
	const char *folder = getenv("RUNTIME_DIRECTORY");
	int len;

	/* systemd.exec(5): several folders are parted by colons. */
	if (folder != NULL && folder[0] != '\0')
		len = snprintf(path, room, "%.*s/arena",
		    (int)strcspn(folder, ":"), folder);
	else
		len = snprintf(path, room, "/dev/shm/peal-%lu/arena",
		    (unsigned long)geteuid());
	return len < 0 || (size_t)len >= room ? -ENAMETOOLONG : 0;
}
