#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A full backlog is an instant 500 or 502 for a viewer who will not return. */
#define BACKLOG 4096

/* Workers whose supervisor was killed end within two seconds, and have its socket
 * until then: a successor tries so often, every 100 ms. */
#define IN_USE_TRIES 25

/* The first descriptor of socket activation: sd_listen_fds(3). */
#define LISTEN_FDS_START 3

static int
fail(struct buf *why, int error, const char *what, const char *reason)
{
	buf_put_cstr(why, what);
	buf_put(why, SPAN(": "));
	buf_put_cstr(why, reason != NULL ? reason : strerror(error));
	return -error;
}

static bool
is_listening(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) ==
	    0 &&
	    listening != 0;
}

static int
take_descriptor(struct listen *l, int fd, const char *what, struct buf *why)
{
	if (!is_listening(fd))
		return fail(why, EINVAL, what, "is no listening socket");
	l->fd = fd;
	return 0;
}

/* Remove a socket whose listener is gone.  Returns 0 when the path is free. */
static int
clear_path(const struct sockaddr_un *address, const char *path, struct buf *why)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : fail(why, errno, path, NULL);
	if (!S_ISSOCK(st.st_mode))
		return fail(why, EEXIST, path, "is there, and is no socket");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(why, errno, path, NULL);
	int rc =
	    connect(fd, (const struct sockaddr *)address, sizeof(*address));
	int error = rc == 0 ? EADDRINUSE : errno;
	close(fd);
	if (error != ECONNREFUSED)
		return fail(why, EADDRINUSE, path,
		    "another program listens there");
	return unlink(path) == 0 ? 0 : fail(why, errno, path, NULL);
}

static int
listen_unix(struct listen *l, const char *path, unsigned mode, struct buf *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len >= sizeof(address.sun_path))
		return fail(why, ENAMETOOLONG, path,
		    "is too long for a socket");
	memcpy(address.sun_path, path, len + 1);
	int rc = clear_path(&address, path, why);
	if (rc != 0)
		return rc;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return fail(why, errno, path, NULL);
	char *copy = strdup(path);
	if (copy == NULL)
		return fail(why, errno, path, NULL);
	/*
	 * It comes with its mode: nobody gets in before, and whenever we are
	 * killed, clear_path() can tell that nobody listens.
	 */
	mode_t old = umask((mode_t)~mode & 0777);
	rc = bind(l->fd, (struct sockaddr *)&address, sizeof(address));
	int error = errno;
	(void)umask(old);
	if (rc != 0) {
		free(copy);
		return fail(why, error, path, NULL);
	}
	l->path = copy;
	/* A folder's default ACL counts for more than umask(). */
	if (chmod(path, mode) != 0 || listen(l->fd, BACKLOG) != 0)
		return fail(why, errno, path, NULL);
	return 0;
}

static int
listen_at(struct listen *l, const struct addrinfo *info)
{
	const int one = 1;

	l->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	(void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l->fd, info->ai_addr, info->ai_addrlen) == 0 &&
	    listen(l->fd, BACKLOG) == 0)
		return 0;
	int rc = -errno;
	close(l->fd);
	l->fd = -1;
	return rc;
}

/* HOST:PORT, with an IPv6 address in brackets. */
static int
listen_tcp(struct listen *l, const char *text, struct buf *why)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *list = NULL;
	char *host = strdup(text);
	char *port = host == NULL ? NULL : strrchr(host, ':');

	if (host == NULL)
		return fail(why, ENOMEM, text, NULL);
	if (port == NULL) {
		free(host);
		return fail(why, EINVAL, text, "is no HOST:PORT");
	}
	*port++ = '\0';
	char *name = host;
	size_t len = strlen(name);
	if (len > 1 && name[0] == '[' && name[len - 1] == ']') {
		name[len - 1] = '\0';
		name++;
	}
	int failed = getaddrinfo(name, port, &hints, &list);
	free(host);
	if (failed != 0)
		return fail(why, EINVAL, text, gai_strerror(failed));
	int rc = -EADDRNOTAVAIL;
	for (const struct addrinfo *i = list; i != NULL && rc != 0;
	     i = i->ai_next)
		rc = listen_at(l, i);
	freeaddrinfo(list);
	return rc == 0 ? 0 : fail(why, -rc, text, NULL);
}

/* sd_listen_fds(3): LISTEN_PID says that the descriptors are meant for us. */
static bool
was_activated(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");

	return pid != NULL && count != NULL &&
	    strtol(pid, NULL, 10) == (long)getpid() &&
	    strtol(count, NULL, 10) > 0;
}

static int
open_once(struct listen *l, const struct options *o, struct buf *why)
{
	*l = (struct listen){ .fd = -1 };
	if (o->listen == NULL && was_activated())
		return take_descriptor(l, LISTEN_FDS_START,
		    "descriptor 3, named by LISTEN_FDS", why);
	if (o->listen == NULL && !is_listening(STDIN_FILENO))
		return fail(why, EINVAL, "descriptor 0",
		    "is no listening socket; say --listen, or let a web server "
		    "start it");
	if (o->listen == NULL)
		return take_descriptor(l, STDIN_FILENO, "descriptor 0", why);
	/* address_is_socket() has seen that the number fits. */
	if (strncmp(o->listen, "fd:", 3) == 0)
		return take_descriptor(l, (int)strtol(o->listen + 3, NULL, 10),
		    o->listen, why);
	if (strchr(o->listen, '/') != NULL)
		return listen_unix(l, o->listen, o->socket_mode, why);
	return listen_tcp(l, o->listen, why);
}

int
listen_open(struct listen *l, const struct options *o, struct buf *why)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	int rc = open_once(l, o, why);

	for (int i = 0; rc == -EADDRINUSE && i < IN_USE_TRIES; i++) {
		listen_close(l);
		buf_clear(why);
		(void)nanosleep(&pause, NULL);
		rc = open_once(l, o, why);
	}
	return rc;
}

void
listen_close(struct listen *l)
{
	if (l->fd >= 0)
		close(l->fd);
	/* The analyzer takes the path of one try for that of the one before. */
	if (l->path != NULL)
		(void)unlink(l->path); /* NOLINT(clang-analyzer-unix.Malloc) */
	free(l->path);
	l->path = NULL;
	l->fd = -1;
}
