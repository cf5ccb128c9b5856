#include "bench/proc_usage.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/file.h"

#define STAT_MAX 65536

const char *
proc_usage_group_read(struct proc_usage_group *g, struct span text)
{
	struct span pids;
	struct span pid;
	uint64_t number;

	*g = (struct proc_usage_group){ 0 };
	(void)span_cut(&text, ':', &pids);
	if (text.len > 0 && text.ptr[0] == '!') {
		g->others = true;
		text.ptr++;
		text.len--;
	}
	g->command = text;
	while (span_cut(&pids, ',', &pid)) {
		if (span_to_u64(pid, &number) != 0 || number == 0 ||
		    number > INT32_MAX)
			return "is not a list of process ids";
		if (g->count == PROC_USAGE_ROOTS_MAX)
			return "names too many processes";
		g->roots[g->count++] = (pid_t)number;
	}
	return g->count == 0 ? "names no process" : NULL;
}

struct process {
	pid_t pid;
	pid_t parent;
	bool ours; /* a root, or below one */
	bool counts;
};

struct processes {
	struct process *all;
	size_t count;
	size_t room;
};

static int
read_proc(pid_t pid, const char *what, struct buf *out)
{
	char path[64];

	buf_clear(out);
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	int rc = file_read(path, STAT_MAX, out);
	buf_put_char(out, '\0');
	return rc != 0 ? rc : buf_error(out);
}

/* proc(5): "PID (COMMAND) STATE PPID ..."; a command may hold anything. */
static bool
read_stat(struct buf *text, struct span *command, pid_t *parent)
{
	char *open = strchr(text->ptr, '(');
	char *close = strrchr(text->ptr, ')');

	if (open == NULL || close == NULL || close < open || strlen(close) < 5)
		return false;
	*command = (struct span){ open + 1, (size_t)(close - open - 1) };
	*parent = (pid_t)strtol(close + 4, NULL, 10);
	return true;
}

static int
add_process(struct processes *p, const struct proc_usage_group *g, pid_t pid,
    struct buf *text)
{
	struct span command;
	pid_t parent;

	if (read_proc(pid, "stat", text) != 0 ||
	    !read_stat(text, &command, &parent))
		return 0;
	if (p->count == p->room) {
		size_t room = p->room == 0 ? 256 : p->room * 2;
		void *all = reallocarray(p->all, room, sizeof(p->all[0]));
		if (all == NULL)
			return -ENOMEM;
		p->all = all;
		p->room = room;
	}
	bool named =
	    g->command.len == 0 || span_equal(command, g->command) != g->others;
	struct process *one = &p->all[p->count++];
	*one =
	    (struct process){ .pid = pid, .parent = parent, .counts = named };
	for (size_t i = 0; i < g->count; i++)
		one->ours = one->ours || g->roots[i] == pid;
	return 0;
}

static int
list_processes(struct processes *p, const struct proc_usage_group *g)
{
	struct buf text = { 0 };
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	int rc = 0;

	if (dir == NULL)
		return -errno;
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 0)
			rc = add_process(p, g, pid, &text);
	}
	closedir(dir);
	buf_fini(&text);
	return rc;
}

static bool
is_ours(const struct processes *p, pid_t pid)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->all[i].pid == pid)
			return p->all[i].ours;
	}
	return false;
}

/* Children of ours are ours, until there are no more. */
static void
mark_descendants(struct processes *p)
{
	bool found = true;

	while (found) {
		found = false;
		for (size_t i = 0; i < p->count; i++) {
			if (p->all[i].ours || !is_ours(p, p->all[i].parent))
				continue;
			p->all[i].ours = true;
			found = true;
		}
	}
}

/* "Name:   123 kB" of a file of proc(5), in bytes. */
static uint64_t
kilobytes(const struct buf *text, const char *name)
{
	const char *at = strstr(text->ptr, name);

	return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10) * 1024;
}

static void
add_cpu(pid_t pid, struct proc_usage *usage)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &used) != 0)
		return;
	usage->cpu_ns += (uint64_t)used.tv_sec * UINT64_C(1000000000) +
	    (uint64_t)used.tv_nsec;
	usage->processes++;
}

static void
add_memory(pid_t pid, struct proc_usage *usage, struct buf *text)
{
	if (read_proc(pid, "smaps_rollup", text) == 0)
		usage->pss += kilobytes(text, "\nPss:");
	if (read_proc(pid, "status", text) == 0)
		usage->rss_peak += kilobytes(text, "\nVmHWM:");
}

static int
take(const struct proc_usage_group *g, struct proc_usage *usage, bool memory)
{
	struct processes p = { 0 };
	struct buf text = { 0 };
	int rc = list_processes(&p, g);

	*usage = (struct proc_usage){ 0 };
	mark_descendants(&p);
	for (size_t i = 0; rc == 0 && i < p.count; i++) {
		if (!p.all[i].ours || !p.all[i].counts)
			continue;
		add_cpu(p.all[i].pid, usage);
		if (memory)
			add_memory(p.all[i].pid, usage, &text);
	}
	free(p.all);
	buf_fini(&text);
	if (rc == 0 && usage->processes == 0)
		rc = -ESRCH;
	return rc;
}

int
proc_usage_take(const struct proc_usage_group *g, struct proc_usage *usage)
{
	return take(g, usage, true);
}

int
proc_usage_take_cpu(const struct proc_usage_group *g, struct proc_usage *usage)
{
	return take(g, usage, false);
}
