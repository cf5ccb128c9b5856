#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/proc_usage.h"

/* A child that says when it is ready, and lives until it is let go. */
struct child {
	pid_t pid;
	int ready;
	int hold;
};

/* Be so many processes more, one below the other, each with bytes of its own. */
static void
live(const char *name, int below, size_t bytes, int ready, int hold)
{
	pid_t pid = 0;
	char byte = 'r';

	(void)prctl(PR_SET_NAME, name);
	while (pid == 0) {
		char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			_exit(1);
		memset(memory, 1, bytes);
		pid = below-- > 0 ? fork() : -1;
	}
	if (pid < 0)
		(void)!write(ready, &byte, 1);
	/* Until the other end is closed. */
	(void)!read(hold, &byte, 1);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	_exit(0);
}

static struct child
start(const char *name, int below, size_t bytes)
{
	int ready[2];
	int hold[2];
	char byte;
	struct child c;

	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(hold), 0);
	c.pid = fork();
	ck_assert_int_ge(c.pid, 0);
	if (c.pid == 0) {
		close(hold[1]);
		live(name, below, bytes, ready[1], hold[0]);
	}
	close(ready[1]);
	close(hold[0]);
	c.ready = ready[0];
	c.hold = hold[1];
	ck_assert_int_eq((int)read(c.ready, &byte, 1), 1);
	return c;
}

static void
stop(struct child *c)
{
	close(c->hold);
	close(c->ready);
	ck_assert_int_eq(waitpid(c->pid, NULL, 0), c->pid);
}

static struct proc_usage_group
group_of(pid_t pid, const char *command)
{
	static char text[64];
	struct proc_usage_group g;

	(void)snprintf(text, sizeof(text), "%d%s", (int)pid, command);
	ck_assert_ptr_null(proc_usage_group_read(&g, span_of(text)));
	return g;
}

static unsigned
count(pid_t pid, const char *command)
{
	struct proc_usage_group g = group_of(pid, command);
	struct proc_usage usage;

	int rc = proc_usage_take_cpu(&g, &usage);

	ck_assert(rc == (usage.processes > 0 ? 0 : -ESRCH));
	return usage.processes;
}

START_TEST(a_group_is_ids_and_a_name)
{
	struct proc_usage_group g;

	ck_assert_ptr_null(proc_usage_group_read(&g, SPAN("1,23:peal.fcgi")));

	ck_assert_uint_eq(g.count, 2);
	ck_assert_int_eq(g.roots[0], 1);
	ck_assert_int_eq(g.roots[1], 23);
	unit_assert_span(g.command, "peal.fcgi");
	ck_assert(!g.others);
}
END_TEST

START_TEST(a_name_may_be_what_is_left_out)
{
	struct proc_usage_group g;

	ck_assert_ptr_null(proc_usage_group_read(&g, SPAN("1:!peal.fcgi")));

	unit_assert_span(g.command, "peal.fcgi");
	ck_assert(g.others);
}
END_TEST

START_TEST(without_a_name_all_count)
{
	struct proc_usage_group g;

	ck_assert_ptr_null(proc_usage_group_read(&g, SPAN("1")));
	ck_assert_uint_eq(g.command.len, 0);
}
END_TEST

START_TEST(what_is_no_group_is_told)
{
	static const char *const texts[] = { "", ":", "a", "0", "-1", "1,",
		",1", "1,,2", "1 2", "2147483648", ":peal" };
	struct proc_usage_group g;

	for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
		const char *fault =
		    proc_usage_group_read(&g, span_of(texts[i]));
		ck_assert_msg(fault != NULL, "%s", texts[i]);
		ck_assert_str_eq(fault, "is not a list of process ids");
	}
}
END_TEST

START_TEST(there_are_16_ids_at_most)
{
	struct proc_usage_group g;

	ck_assert_ptr_null(proc_usage_group_read(&g,
	    SPAN("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
		 "16")));
	ck_assert_str_eq(proc_usage_group_read(&g,
			     SPAN("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
				  "16,17")),
	    "names too many processes");
}
END_TEST

START_TEST(descendants_count_too)
{
	struct child c = start("usage", 2, 4096);

	ck_assert_uint_eq(count(c.pid, ""), 3);
	stop(&c);
}
END_TEST

START_TEST(names_choose_among_them)
{
	struct child c = start("a b) (c", 1, 4096);

	ck_assert_uint_eq(count(c.pid, ":a b) (c"), 2);
	ck_assert_uint_eq(count(c.pid, ":!a b) (c"), 0);
	ck_assert_uint_eq(count(c.pid, ":other"), 0);
	ck_assert_uint_eq(count(c.pid, ":!other"), 2);
	stop(&c);
}
END_TEST

START_TEST(who_is_named_twice_counts_once)
{
	struct child c = start("usage", 0, 4096);
	char twice[32];
	(void)snprintf(twice, sizeof(twice), ",%d", (int)c.pid);

	ck_assert_uint_eq(count(c.pid, twice), 1);
	stop(&c);
}
END_TEST

START_TEST(a_group_that_is_not_there_is_told)
{
	struct child c = start("usage", 0, 4096);
	struct proc_usage_group g = group_of(c.pid, "");
	struct proc_usage usage;
	stop(&c);

	ck_assert_int_eq(proc_usage_take(&g, &usage), -ESRCH);
	ck_assert_int_eq(proc_usage_take_cpu(&g, &usage), -ESRCH);
}
END_TEST

START_TEST(memory_is_each_ones_own_added_up)
{
	const size_t size = (size_t)8 << 20;
	struct child c = start("usage", 1, size);
	struct proc_usage_group g = group_of(c.pid, "");
	struct proc_usage usage;

	ck_assert_int_eq(proc_usage_take(&g, &usage), 0);

	/* The second has the first one's shared with it, and as much again. */
	ck_assert_uint_ge(usage.pss, size * 2);
	/* Resident in both, what is shared counts for each. */
	ck_assert_uint_ge(usage.rss_peak, usage.pss + size);
	stop(&c);
}
END_TEST

START_TEST(processor_time_is_counted_in_nanoseconds)
{
	struct proc_usage_group g = group_of(getpid(), "");
	struct proc_usage before;
	struct proc_usage after;
	struct timespec begin;
	struct timespec now;
	ck_assert_int_eq(proc_usage_take_cpu(&g, &before), 0);

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	do {
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec -
		begin.tv_nsec <
	    3000000);
	ck_assert_int_eq(proc_usage_take_cpu(&g, &after), 0);

	ck_assert_uint_ge(after.cpu_ns - before.cpu_ns, 3000000);
	ck_assert_uint_eq(after.pss, 0);
}
END_TEST

UNIT_MAIN("usage", a_group_is_ids_and_a_name, a_name_may_be_what_is_left_out,
    without_a_name_all_count, what_is_no_group_is_told,
    there_are_16_ids_at_most, descendants_count_too, names_choose_among_them,
    who_is_named_twice_counts_once, a_group_that_is_not_there_is_told,
    memory_is_each_ones_own_added_up, processor_time_is_counted_in_nanoseconds)
