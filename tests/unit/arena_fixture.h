/*
 * What tests of the arena share: a folder in memory, stores and workers in it,
 * and processes that are killed.
 *
 * FIXTURE_MAIN makes one folder before the tests run and removes it with all that
 * is in it when they are done: a test that fails does not come to its end.
 * Two handles in one process stand for two processes: the arena's file locks
 * belong to open files.
 */
#ifndef PEAL_TESTS_ARENA_FIXTURE_H
#define PEAL_TESTS_ARENA_FIXTURE_H

#include "unit.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/store.h"
#include "arena/verify.h"
#include "arena/wake.h"

#define FIXTURE_PATH 128
#define FIXTURE_SIZE ARENA_SIZE_MIN
#define FIXTURE_MAX_AGE_MS 60000
#define FIXTURE_MAX_EVENTS 100

/* The moment at which tests begin; they move it themselves. */
#define FIXTURE_WALL_MS UINT64_C(1700000000000)
#define FIXTURE_NOW                                      \
	((struct clock_now){ .wall_ms = FIXTURE_WALL_MS, \
	    .boot_ms = UINT64_C(5000000) })

/* The body of an event whose content does not matter. */
#define FIXTURE_BODY SPAN("data: x\n\n")

/* The folder of all; set before the tests are forked. */
static char fixture_root[32];

static inline int
fixture_remove_one(const char *path, const struct stat *st, int type,
    struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline bool
fixture_begin(void)
{
	/* As the programs do: see wake_init(). */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)strcpy(fixture_root, "/dev/shm/peal-unit-XXXXXX");
	if (mkdtemp(fixture_root) != NULL)
		return true;
	(void)strcpy(fixture_root, "/tmp/peal-unit-XXXXXX");
	return mkdtemp(fixture_root) != NULL;
}

static inline void
fixture_end(void)
{
	(void)nftw(fixture_root, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* As UNIT_MAIN, with a folder for arenas. */
#define FIXTURE_MAIN(name, ...)                                         \
	int main(void)                                                  \
	{                                                               \
		const TTest *const tests[] = { __VA_ARGS__ };           \
		if (!fixture_begin())                                   \
			return 1;                                       \
		int status = unit_main(name, tests, UNIT_COUNT(tests)); \
		fixture_end();                                          \
		return status;                                          \
	}

/* The path of an arena that is not there yet, in a folder of its own. */
static inline void
fixture_path(char path[FIXTURE_PATH])
{
	(void)snprintf(path, FIXTURE_PATH, "%s/XXXXXX", fixture_root);
	ck_assert_ptr_nonnull(mkdtemp(path));
	(void)strcat(path, "/arena");
}

static inline void
fixture_open(struct store *s, const char *path)
{
	const struct store_limits limits = { FIXTURE_MAX_AGE_MS,
		FIXTURE_MAX_EVENTS };
	struct buf why = { 0 };

	int rc = store_open(s, path, FIXTURE_SIZE, &limits, FIXTURE_NOW, &why);
	ck_assert_msg(rc == 0, "%.*s", (int)why.len, why.ptr);
	buf_fini(&why);
}

/* A store in a new folder. */
static inline void
fixture_make(struct store *s)
{
	char path[FIXTURE_PATH];

	fixture_path(path);
	fixture_open(s, path);
}

/* A worker as the program has them: a store, a FIFO, a sender. */
struct fixture_worker {
	struct store store;
	int inbox;
	struct wake wake;
};

static inline void
fixture_join(struct fixture_worker *w, const char *path)
{
	struct buf why = { 0 };

	fixture_open(&w->store, path);
	int rc = wake_attach(&w->store, FIXTURE_NOW, &w->inbox, &why);
	ck_assert_msg(rc == 0, "%.*s", (int)why.len, why.ptr);
	ck_assert_int_eq(wake_init(&w->wake, &w->store, 16), 0);
	buf_fini(&why);
}

static inline void
fixture_leave(struct fixture_worker *w)
{
	wake_fini(&w->wake);
	wake_detach(&w->store, w->inbox);
	store_close(&w->store);
}

/* What the kernel does when a worker is killed: descriptors go, no more. */
static inline void
fixture_vanish(struct fixture_worker *w)
{
	wake_fini(&w->wake);
	close(w->inbox);
	arena_close(&w->store.arena);
}

/* Append one event whose content does not matter.  Returns its id. */
static inline uint64_t
fixture_append(struct fixture_worker *w, struct clock_now now,
    const char *channel)
{
	const struct store_event event = { .channel = span_of(channel),
		.body = FIXTURE_BODY };
	struct store_appended appended;

	ck_assert_int_eq(wake_append(&w->wake, now, &event, 1, &appended), 0);
	return appended.id;
}

/* Fail unless every invariant of the arena holds. */
static inline void
fixture_assert_sound(struct store *s)
{
	struct buf faults = { 0 };
	size_t count;

	ck_assert_int_eq(verify_store(s, &faults, &count), 0);
	ck_assert_msg(count == 0, "%zu faults:\n%.*s", count, (int)faults.len,
	    faults.ptr);
	buf_fini(&faults);
}

/*
 * Fork a process that does work and then waits for its end.  Returns when the
 * work is done; fails the test unless it returned 0.  Work must not use Check's
 * assertions, whose messages would mix with the test's own.
 */
static inline pid_t
fixture_spawn(int (*work)(void *), void *argument)
{
	int ready[2];
	int rc;

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		rc = work(argument);
		if (write(ready[1], &rc, sizeof(rc)) != sizeof(rc))
			_exit(1);
		for (;;)
			(void)pause();
	}
	ck_assert_int_gt(pid, 0);
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &rc, sizeof(rc)), sizeof(rc));
	close(ready[0]);
	ck_assert_int_eq(rc, 0);
	return pid;
}

/* SIGKILL a process, and wait until it is gone. */
static inline void
fixture_kill(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

#endif
