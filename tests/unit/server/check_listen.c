#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>

#include "arena_fixture.h"

/* A path in a folder of its own, and what listens there. */
struct setup {
	char path[FIXTURE_PATH];
	struct options o;
	struct listen l;
	struct buf why;
};

static void
setup_make(struct setup *s)
{
	*s = (struct setup){ .l.fd = -1 };
	fixture_path(s->path);
	s->o.listen = s->path;
	s->o.socket_mode = 0600;
}

static void
setup_end(struct setup *s)
{
	listen_close(&s->l);
	buf_fini(&s->why);
}

static void
assert_refused(struct setup *s, int rc, const char *reason)
{
	ck_assert_int_eq(listen_open(&s->l, &s->o, &s->why), rc);
	ck_assert_msg(s->why.len > 0 &&
		memmem(s->why.ptr, s->why.len, reason, strlen(reason)) != NULL,
	    "\"%.*s\"", (int)s->why.len, s->why.ptr);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)strcpy(address.sun_path, path);
	int rc = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0
	    ? 0
	    : -errno;
	close(fd);
	return rc;
}

/* A socket at a path: of somebody who listens, or who no longer does. */
static int
occupy(const char *path, bool listens)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)),
	    0);
	if (listens)
		ck_assert_int_eq(listen(fd, 64), 0);
	else
		close(fd);
	return listens ? fd : -1;
}

/* ---- Unix sockets ---- */

START_TEST(path_is_listened_on_with_its_mode)
{
	static const unsigned modes[] = { 0600, 0660, 0666, 0777 };

	for (size_t i = 0; i < UNIT_COUNT(modes); i++) {
		struct setup s;
		struct stat st;
		setup_make(&s);
		s.o.socket_mode = modes[i];
		mode_t mask = umask(077);

		ck_assert_int_eq(listen_open(&s.l, &s.o, &s.why), 0);

		ck_assert_int_eq(connect_to(s.path), 0);
		ck_assert_int_eq(stat(s.path, &st), 0);
		ck_assert_uint_eq(st.st_mode & 07777, modes[i]);
		/* It was put back. */
		ck_assert_uint_eq(umask(mask), 077);
		setup_end(&s);
	}
}
END_TEST

START_TEST(path_is_removed_with_the_listener)
{
	struct setup s;
	setup_make(&s);
	ck_assert_int_eq(listen_open(&s.l, &s.o, &s.why), 0);

	listen_close(&s.l);

	ck_assert_int_eq(access(s.path, F_OK), -1);
	ck_assert_int_eq(s.l.fd, -1);
	/* Once is enough. */
	listen_close(&s.l);
	setup_end(&s);
}
END_TEST

START_TEST(socket_that_nobody_listens_on_is_replaced)
{
	struct setup s;
	setup_make(&s);
	(void)occupy(s.path, false);
	ck_assert_int_eq(connect_to(s.path), -ECONNREFUSED);

	ck_assert_int_eq(listen_open(&s.l, &s.o, &s.why), 0);

	ck_assert_int_eq(connect_to(s.path), 0);
	setup_end(&s);
}
END_TEST

START_TEST(socket_that_is_in_use_is_left_alone)
{
	struct setup s;
	setup_make(&s);
	int fd = occupy(s.path, true);

	assert_refused(&s, -EADDRINUSE, "another program listens there");

	setup_end(&s);
	ck_assert_int_eq(connect_to(s.path), 0);
	close(fd);
}
END_TEST

START_TEST(file_that_is_no_socket_is_left_alone)
{
	struct setup s;
	struct stat st;
	setup_make(&s);
	int fd = open(s.path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "mine", 4), 4);
	close(fd);

	assert_refused(&s, -EEXIST, "is no socket");

	setup_end(&s);
	ck_assert_int_eq(stat(s.path, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
}
END_TEST

START_TEST(link_to_a_socket_is_not_followed)
{
	char target[FIXTURE_PATH + 8];
	struct setup s;
	struct stat st;
	setup_make(&s);
	(void)snprintf(target, sizeof(target), "%.100s.x", s.path);
	(void)occupy(target, false);
	ck_assert_int_eq(symlink(target, s.path), 0);

	assert_refused(&s, -EEXIST, "is no socket");

	setup_end(&s);
	ck_assert_int_eq(lstat(s.path, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
}
END_TEST

START_TEST(path_that_cannot_be_is_refused)
{
	char missing[FIXTURE_PATH + 8];
	char path[200] = "/";
	struct setup s;
	setup_make(&s);
	(void)snprintf(missing, sizeof(missing), "%s/x", s.path);

	s.o.listen = missing;
	assert_refused(&s, -ENOENT, missing);
	setup_end(&s);
	memset(path + 1, 'x', sizeof(path) - 2);
	s.o.listen = path;
	assert_refused(&s, -ENAMETOOLONG, "too long");

	setup_end(&s);
}
END_TEST

/* ---- TCP ---- */

static int
port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	/* At the same place in both families. */
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

START_TEST(address_is_listened_on)
{
	static char host_port[] = "127.0.0.1:0";
	struct setup s;
	setup_make(&s);
	s.o.listen = host_port;

	ck_assert_int_eq(listen_open(&s.l, &s.o, &s.why), 0);

	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port_of(s.l.fd)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address,
			     sizeof(address)),
	    0);
	ck_assert_ptr_null(s.l.path);
	close(fd);
	setup_end(&s);
}
END_TEST

START_TEST(address_in_use_is_refused_in_the_end)
{
	static char host_port[] = "127.0.0.1:0";
	char taken[32];
	struct setup s;
	struct listen first;
	setup_make(&s);
	s.o.listen = host_port;
	ck_assert_int_eq(listen_open(&first, &s.o, &s.why), 0);
	(void)snprintf(taken, sizeof(taken), "127.0.0.1:%d", port_of(first.fd));
	s.o.listen = taken;

	assert_refused(&s, -EADDRINUSE, taken);

	ck_assert_int_eq(s.l.fd, -1);
	listen_close(&first);
	ck_assert_int_eq(listen_open(&s.l, &s.o, &s.why), 0);
	setup_end(&s);
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
	static const char *const texts[] = { "9000", "127.0.0.1:http",
		"[::1:9000" };
	struct setup s;
	char text[64];
	setup_make(&s);

	for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
		(void)strcpy(text, texts[i]);
		s.o.listen = text;
		buf_clear(&s.why);
		assert_refused(&s, -EINVAL, text);
	}
	setup_end(&s);
}
END_TEST

/* ---- Descriptors ---- */

START_TEST(descriptor_is_taken_and_its_path_stays)
{
	char text[16];
	struct setup s;
	setup_make(&s);
	int fd = occupy(s.path, true);
	(void)snprintf(text, sizeof(text), "fd:%d", fd);
	s.o.listen = text;

	ck_assert_int_eq(listen_open(&s.l, &s.o, &s.why), 0);

	ck_assert_int_eq(s.l.fd, fd);
	ck_assert_ptr_null(s.l.path);
	setup_end(&s);
	ck_assert_int_eq(access(s.path, F_OK), 0);
}
END_TEST

START_TEST(descriptor_that_does_not_listen_is_refused)
{
	char text[16];
	struct setup s;
	setup_make(&s);
	int fds[] = { open("/dev/null", O_RDONLY),
		socket(AF_UNIX, SOCK_STREAM, 0), 999 };
	s.o.listen = text;

	for (size_t i = 0; i < UNIT_COUNT(fds); i++) {
		(void)snprintf(text, sizeof(text), "fd:%d", fds[i]);
		buf_clear(&s.why);
		assert_refused(&s, -EINVAL, "is no listening socket");
		/* It is another's. */
		ck_assert(fds[i] == 999 || fcntl(fds[i], F_GETFD) >= 0);
	}
	setup_end(&s);
}
END_TEST

START_TEST(descriptor_0_is_the_default)
{
	struct setup s;
	setup_make(&s);
	int fd = occupy(s.path, true);
	s.o.listen = NULL;
	int null = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(dup2(null, STDIN_FILENO), STDIN_FILENO);
	assert_refused(&s, -EINVAL, "descriptor 0");
	ck_assert_int_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);

	ck_assert_int_eq(listen_open(&s.l, &s.o, &s.why), 0);

	ck_assert_int_eq(s.l.fd, STDIN_FILENO);
	setup_end(&s);
}
END_TEST

START_TEST(activated_socket_comes_before_descriptor_0)
{
	char pid[32];
	struct setup s;
	setup_make(&s);
	int fd = occupy(s.path, true);
	s.o.listen = NULL;
	ck_assert_int_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(fd, 3), 3);
	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	ck_assert_int_eq(setenv("LISTEN_FDS", "1", 1), 0);

	/* Meant for another process. */
	ck_assert_int_eq(setenv("LISTEN_PID", "1", 1), 0);
	ck_assert_int_eq(listen_open(&s.l, &s.o, &s.why), 0);
	ck_assert_int_eq(s.l.fd, STDIN_FILENO);
	ck_assert_int_eq(setenv("LISTEN_PID", pid, 1), 0);
	ck_assert_int_eq(listen_open(&s.l, &s.o, &s.why), 0);

	ck_assert_int_eq(s.l.fd, 3);
	setup_end(&s);
}
END_TEST

/* ---- Who may connect ---- */

FIXTURE_MAIN("listen", path_is_listened_on_with_its_mode,
    path_is_removed_with_the_listener,
    socket_that_nobody_listens_on_is_replaced,
    socket_that_is_in_use_is_left_alone, file_that_is_no_socket_is_left_alone,
    link_to_a_socket_is_not_followed, path_that_cannot_be_is_refused,
    address_is_listened_on, address_in_use_is_refused_in_the_end,
    what_is_no_address_is_refused, descriptor_is_taken_and_its_path_stays,
    descriptor_that_does_not_listen_is_refused, descriptor_0_is_the_default,
    activated_socket_comes_before_descriptor_0)
