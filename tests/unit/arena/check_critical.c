#include "arena_fixture.h"

#include <errno.h>

#include "arena/critical.h"
#include "arena/journal.h"

/* Work that counts its calls and returns what it is told. */
struct script {
	int returns[4];
	int calls;
};

static int
play(struct arena *a, void *argument)
{
	struct script *script = argument;

	(void)a;
	return script->returns[script->calls++];
}

static bool
lock_is_free(struct store *s)
{
	if (arena_lock(&s->arena) != 0)
		return false;
	arena_unlock(&s->arena);
	return true;
}

/* A process that dies in its critical section, as its work begins. */
static int
die(struct arena *a, void *argument)
{
	(void)a;
	(void)argument;
	_exit(0);
}

static int
lock_and_stay(struct arena *a, void *argument)
{
	const int *ready = argument;
	int rc = 0;

	(void)a;
	if (write(*ready, &rc, sizeof(rc)) != sizeof(rc))
		_exit(1);
	for (;;)
		(void)pause();
}

/* Run work in a process of its own; fixture_spawn() cannot, as it never ends. */
static pid_t
run_apart(struct store *s, critical_work *work, void *argument)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(critical_run(&s->arena, work, argument) == 0 ? 0 : 1);
	}
	ck_assert_int_gt(pid, 0);
	return pid;
}

START_TEST(result_of_the_work_comes_back_and_the_lock_is_free)
{
	static const int results[] = { 0, 7, -ENOENT, -ENOSPC, -ESTALE };
	struct store s;
	fixture_make(&s);

	for (size_t i = 0; i < UNIT_COUNT(results); i++) {
		struct script script = { .returns = { results[i] } };

		ck_assert_int_eq(critical_run(&s.arena, play, &script),
		    results[i]);

		ck_assert_int_eq(script.calls, 1);
		ck_assert(lock_is_free(&s));
	}
	ck_assert_uint_eq(s.arena.header->repairs, 0);
	store_close(&s);
}
END_TEST

START_TEST(work_that_finds_an_index_broken_is_done_again_after_a_repair)
{
	struct store s;
	struct script script = { .returns = { -EUCLEAN, 5 } };
	fixture_make(&s);
	s.arena.header->free_head = UINT32_MAX;

	ck_assert_int_eq(critical_run(&s.arena, play, &script), 5);

	ck_assert_int_eq(script.calls, 2);
	ck_assert_uint_eq(s.arena.header->repairs, 1);
	ck_assert(lock_is_free(&s));
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

/* Work in as many sections as are left. */
struct stages {
	int left;
	int calls;
};

static int
play_stage(struct arena *a, void *argument)
{
	struct stages *stages = argument;

	a->meter->steps += (uint64_t)stages->left;
	stages->calls++;
	return --stages->left > 0 ? CRITICAL_MORE : -ENOENT;
}

START_TEST(work_in_several_sections_gives_the_lock_back_between)
{
	struct store s;
	fixture_make(&s);
	struct stages stages = { .left = 4 };
	s.arena.meter->most = 0;

	ck_assert_int_eq(critical_run(&s.arena, play_stage, &stages), -ENOENT);

	ck_assert_int_eq(stages.calls, 4);
	/* Each is a section by itself. */
	ck_assert_uint_eq(s.arena.meter->most, 4);
	ck_assert_uint_eq(s.arena.meter->steps, 1);
	ck_assert(lock_is_free(&s));
	store_close(&s);
}
END_TEST

START_TEST(work_is_not_tried_a_third_time)
{
	struct store s;
	struct script script = { .returns = { -EUCLEAN, -EUCLEAN } };
	fixture_make(&s);

	ck_assert_int_eq(critical_run(&s.arena, play, &script), -EUCLEAN);

	ck_assert_int_eq(script.calls, 2);
	ck_assert(lock_is_free(&s));
	store_close(&s);
}
END_TEST

START_TEST(death_of_an_owner_is_undone_before_the_work)
{
	struct store s;
	struct script script = { .returns = { 0 } };
	fixture_make(&s);
	pid_t pid = run_apart(&s, die, NULL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	journal_set(&s.arena, &s.arena.header->free_head, UINT32_MAX);

	ck_assert_int_eq(critical_run(&s.arena, play, &script), 0);

	ck_assert_int_eq(script.calls, 1);
	ck_assert_uint_eq(s.arena.header->repairs, 1);
	ck_assert(lock_is_free(&s));
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

/* Work that changes something, and fails. */
static int
change_and_fail(struct arena *a, void *argument)
{
	(void)argument;
	journal_set(a, &a->header->free_head, UINT32_MAX);
	return -ENOENT;
}

START_TEST(what_failing_work_has_changed_is_undone)
{
	struct store s;
	fixture_make(&s);

	ck_assert_int_eq(critical_run(&s.arena, change_and_fail, NULL),
	    -ENOENT);

	ck_assert_uint_eq(s.arena.header->repairs, 0);
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(owner_killed_while_others_wait_harms_none_of_them)
{
	struct store s;
	struct script script = { .returns = { 0 } };
	int ready[2];
	int rc;
	fixture_make(&s);
	ck_assert_int_eq(pipe(ready), 0);
	pid_t owner = run_apart(&s, lock_and_stay, &ready[1]);
	ck_assert_int_eq(read(ready[0], &rc, sizeof(rc)), sizeof(rc));
	pid_t waiters[3];
	for (size_t i = 0; i < UNIT_COUNT(waiters); i++)
		waiters[i] = run_apart(&s, play, &script);

	fixture_kill(owner);

	for (size_t i = 0; i < UNIT_COUNT(waiters); i++) {
		int status = -1;
		ck_assert_int_eq(waitpid(waiters[i], &status, 0), waiters[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(s.arena.header->repairs, 1);
	fixture_assert_sound(&s);
	store_close(&s);
}
END_TEST

START_TEST(work_is_not_begun_without_the_lock)
{
	struct store s;
	struct script script = { .returns = { 0 } };
	int ready[2];
	int rc;
	fixture_make(&s);
	ck_assert_int_eq(pipe(ready), 0);
	pid_t owner = run_apart(&s, lock_and_stay, &ready[1]);
	ck_assert_int_eq(read(ready[0], &rc, sizeof(rc)), sizeof(rc));

	ck_assert_int_eq(critical_run(&s.arena, play, &script), -ETIMEDOUT);

	ck_assert_int_eq(script.calls, 0);
	fixture_kill(owner);
	store_close(&s);
}
END_TEST

FIXTURE_MAIN("section", result_of_the_work_comes_back_and_the_lock_is_free,
    work_that_finds_an_index_broken_is_done_again_after_a_repair,
    work_in_several_sections_gives_the_lock_back_between,
    work_is_not_tried_a_third_time, death_of_an_owner_is_undone_before_the_work,
    what_failing_work_has_changed_is_undone,
    owner_killed_while_others_wait_harms_none_of_them,
    work_is_not_begun_without_the_lock)
