#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/processes.h"

static bool
holds(const struct processes *all, pid_t pid)
{
	for (size_t i = 0; i < all->count; i++) {
		if (all->pids[i] == pid)
			return true;
	}
	return false;
}

START_TEST(process_is_found_by_what_it_listens_at)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct processes all;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);

	/* Bound is not listening. */
	processes_at_port(ntohs(at.sin_port), &all);
	ck_assert(!holds(&all, getpid()));
	ck_assert_int_eq(listen(fd, 1), 0);
	processes_at_port(ntohs(at.sin_port), &all);

	ck_assert(holds(&all, getpid()));
	close(fd);
}
END_TEST

/* A socket at a path of our own. */
static int
listen_at(char path[64])
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(path, 64, "/tmp/peal-check-%d.sock", (int)getpid());
	memcpy(at.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

START_TEST(process_is_found_by_its_unix_socket)
{
	char path[64];
	struct processes all;
	int fd = listen_at(path);

	processes_at_socket(path, &all);

	ck_assert(holds(&all, getpid()));
	processes_at_socket("/tmp/peal-check-of-nobody", &all);
	ck_assert_uint_eq(all.count, 0);
	close(fd);
	(void)unlink(path);
}
END_TEST

START_TEST(process_is_described)
{
	char name[PROCESSES_NAME_MAX];
	struct buf words = { 0 };
	struct buf file = { 0 };
	struct processes all;
	uid_t uid = (uid_t)-1;

	processes_name(getpid(), name);
	ck_assert_str_eq(name, "check_processes");
	processes_called(name, &all);
	ck_assert(holds(&all, getpid()));
	ck_assert(processes_user(getpid(), &uid));
	ck_assert_uint_eq(uid, geteuid());
	ck_assert(processes_is_below(getpid(), getppid()));
	ck_assert(!processes_is_below(getpid(), getpid()));
	processes_arguments(getpid(), &words);
	ck_assert_uint_gt(words.len, 0);
	ck_assert(processes_mapped(getpid(), "check_processes", false, &file));
	ck_assert_int_eq(file.ptr[0], '/');
	/* Nobody writes into a program with others. */
	ck_assert(!processes_mapped(getpid(), "check_processes", true, &file));
	buf_fini(&file);
	buf_fini(&words);
}
END_TEST

START_TEST(process_that_is_gone_is_nothing)
{
	/* Above what Linux gives. */
	const pid_t nobody = 0x7ffffff0;
	char name[PROCESSES_NAME_MAX];
	struct buf words = { 0 };
	uid_t uid;

	processes_name(nobody, name);
	ck_assert_str_eq(name, "");
	ck_assert(!processes_user(nobody, &uid));
	ck_assert(!processes_is_below(nobody, 1));
	processes_environment(nobody, &words);
	ck_assert_uint_eq(words.len, 0);
	ck_assert_int_eq(processes_try_socket(nobody, "/x"), -ECHILD);
	buf_fini(&words);
}
END_TEST

START_TEST(socket_is_tried_as_another_process_would)
{
	char path[64];
	int fd = listen_at(path);

	/* To become somebody takes root. */
	if (geteuid() == 0) {
		ck_assert_int_eq(processes_try_socket(getpid(), path), 0);
		close(fd);
		ck_assert_int_eq(processes_try_socket(getpid(), path),
		    -ECONNREFUSED);
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(processes_try_socket(getpid(), path), -ENOENT);
	} else {
		ck_assert_int_eq(processes_try_socket(getpid(), path), -ECHILD);
		close(fd);
		(void)unlink(path);
	}
}
END_TEST

UNIT_MAIN("processes", process_is_found_by_what_it_listens_at,
    process_is_found_by_its_unix_socket, process_is_described,
    process_that_is_gone_is_nothing, socket_is_tried_as_another_process_would)
