#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/filelock.h"

/* One file, opened twice: two descriptions. */
struct pair {
	int one;
	int two;
};

static struct pair
open_pair(void)
{
	char path[64];
	struct pair pair = { .one = memfd_create("filelock", 0) };

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", pair.one);
	pair.two = open(path, O_RDWR);
	ck_assert_int_ge(pair.one, 0);
	ck_assert_int_ge(pair.two, 0);
	return pair;
}

START_TEST(a_byte_has_one_writer)
{
	struct pair file = open_pair();

	ck_assert_int_eq(filelock_set(file.one, 7, F_WRLCK), 0);

	ck_assert_int_eq(filelock_set(file.two, 7, F_WRLCK), -EAGAIN);
	ck_assert_int_eq(filelock_set(file.two, 7, F_RDLCK), -EAGAIN);
	ck_assert_int_eq(filelock_set(file.two, 8, F_WRLCK), 0);
	ck_assert(filelock_is_held(file.two, 7));
	ck_assert(!filelock_is_held(file.one, 7));
}
END_TEST

START_TEST(readers_share_a_byte)
{
	struct pair file = open_pair();

	ck_assert_int_eq(filelock_set(file.one, 1, F_RDLCK), 0);

	ck_assert_int_eq(filelock_set(file.two, 1, F_RDLCK), 0);
	ck_assert_int_eq(filelock_set(file.two, 1, F_WRLCK), -EAGAIN);
	ck_assert_int_eq(filelock_set(file.one, 1, F_UNLCK), 0);
	ck_assert_int_eq(filelock_set(file.two, 1, F_WRLCK), 0);
}
END_TEST

START_TEST(who_waits_gets_the_lock_when_its_owner_is_gone)
{
	struct pair file = open_pair();
	int status;
	pid_t pid;

	ck_assert_int_eq(filelock_set(file.one, 3, F_WRLCK), 0);
	pid = fork();
	if (pid == 0) {
		/* Until its own descriptor goes, this child shares the lock. */
		close(file.two);
		(void)usleep(50000);
		_exit(0);
	}
	close(file.one);

	ck_assert_int_eq(filelock_set_patiently(file.two, 3, F_WRLCK), 0);

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

UNIT_MAIN("filelock", a_byte_has_one_writer, readers_share_a_byte,
    who_waits_gets_the_lock_when_its_owner_is_gone)
