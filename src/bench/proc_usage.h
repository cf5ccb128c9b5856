/*
 * What processes use: processor time and memory, summed over some of them and
 * all that they started.  Linux: proc(5).
 */
#ifndef PEAL_PROC_USAGE_H
#define PEAL_PROC_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/span.h"

#define PROC_USAGE_ROOTS_MAX 16

/* Which processes: roots, and their descendants. */
struct proc_usage_group {
	pid_t roots[PROC_USAGE_ROOTS_MAX];
	size_t count;
	struct span command; /* only those whose name is this; empty: all */
	bool others;	     /* only those whose name is not */
};

struct proc_usage {
	uint64_t cpu_ns;
	uint64_t pss;	   /* bytes: private ones, and a share of common ones */
	uint64_t rss_peak; /* bytes: the greatest resident sizes, added up */
	uint32_t processes;
};

/*
 * Read "PID[,PID...][:[!]COMMAND]" into g, which points into text.
 *
 * Returns NULL, or a phrase that says what is wrong.
 */
const char *proc_usage_group_read(struct proc_usage_group *g, struct span text);

/*
 * Add a group up as it is now.  Processes that end meanwhile are left out; time
 * used by those that have ended is lost.
 *
 * Returns 0, -ESRCH where none is there, or another -errno.
 */
int proc_usage_take(const struct proc_usage_group *g, struct proc_usage *usage);

/* As proc_usage_take(), but the processor time alone, which is much cheaper. */
int proc_usage_take_cpu(const struct proc_usage_group *g,
    struct proc_usage *usage);

#endif
