/*
 * The supervisor never reads the arena and serves no request: it forks, waits
 * for signals, and replaces children. So whatever happens to a worker cannot
 * happen to it. A child dies with it (PR_SET_PDEATHSIG), and looks after fork
 * whether it is already alone.
 */
#include "server/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/worker.h"

/* A worker that lived so long has earned an immediate successor. */
#define LIVED_MS 1000
/* One that came to serve died of a request, or was killed: its successor may well
 * do better, and streams wait for it.  One that did not will hardly. */
#define DELAY_FIRST_MS 10
#define DELAY_SERVED_MAX_MS 200
#define DELAY_MAX_MS 10000
/* Workers end within two seconds; what is left then is ended for them. */
#define STOP_MS 1900

struct child {
	pid_t pid; /* 0: none */
	uint64_t since_ms;
	uint64_t next_ms; /* when a none one is to be filled */
	uint64_t delay_ms;
	_Atomic uint32_t *ready; /* shared with the worker */
};

struct supervisor {
	struct options *options;
	int listen_fd;
	struct child *children;
	unsigned count;
	sigset_t signals;
	bool stopping;
};

static void
start_child(struct supervisor *s, struct child *child)
{
	pid_t parent = getpid();

	atomic_store(child->ready, 0);
	pid_t pid = fork();

	if (pid == 0) {
		/* Ours is the only hand that may end it. */
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(0);
		exit(worker_run(s->options, s->listen_fd, child->ready));
	}
	child->since_ms = clock_read().boot_ms;
	child->pid = pid > 0 ? pid : 0;
	if (pid < 0) {
		log_at(LOG_AT_ERROR, "cannot start a worker: %s",
		    strerror(errno));
		child->next_ms = child->since_ms + DELAY_MAX_MS;
	}
}

static void
signal_all(const struct supervisor *s, int signal)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (s->children[i].pid != 0)
			(void)kill(s->children[i].pid, signal);
	}
}

static uint64_t
next_delay(const struct child *child, uint64_t lived_ms)
{
	uint64_t most =
	    atomic_load(child->ready) != 0 ? DELAY_SERVED_MAX_MS : DELAY_MAX_MS;
	uint64_t delay =
	    child->delay_ms == 0 ? DELAY_FIRST_MS : child->delay_ms * 2;

	if (lived_ms >= LIVED_MS)
		return 0;
	return delay < most ? delay : most;
}

static void
child_ended(struct supervisor *s, struct child *child, int how)
{
	uint64_t now_ms = clock_read().boot_ms;

	child->delay_ms = next_delay(child, now_ms - child->since_ms);
	child->next_ms = now_ms + child->delay_ms;
	if (!s->stopping && WIFSIGNALED(how))
		log_at(LOG_AT_WARNING, "worker %ld was ended by signal %d",
		    (long)child->pid, WTERMSIG(how));
	else if (!s->stopping)
		log_at(LOG_AT_WARNING, "worker %ld ended with status %d",
		    (long)child->pid, WEXITSTATUS(how));
	child->pid = 0;
}

static void
reap_children(struct supervisor *s)
{
	int how;
	pid_t pid;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
		for (unsigned i = 0; i < s->count; i++) {
			if (s->children[i].pid == pid)
				child_ended(s, &s->children[i], how);
		}
	}
}

/* Fill what is due.  Returns the milliseconds until the next is, or -1. */
static int64_t
start_children(struct supervisor *s)
{
	uint64_t now_ms = clock_read().boot_ms;
	int64_t wait = -1;

	for (unsigned i = 0; i < s->count; i++) {
		struct child *child = &s->children[i];
		if (child->pid == 0 && child->next_ms <= now_ms)
			start_child(s, child);
		if (child->pid != 0)
			continue;
		int64_t left = (int64_t)(child->next_ms - now_ms);
		if (wait < 0 || left < wait)
			wait = left;
	}
	return wait;
}

/*
 * Have the keys read again: by workers, and here too, since a successor begins
 * with a copy of ours.
 */
static void
reload(const struct supervisor *s)
{
	struct buf text = { 0 };

	if (options_reload_keys(s->options, &text) != 0)
		log_at(LOG_AT_ERROR, "the old keys stay: %.*s", (int)text.len,
		    text.ptr);
	buf_fini(&text);
	signal_all(s, SIGHUP);
}

/* Wait for a signal, at most wait_ms; -1 is for ever. */
static void
wait_signal(struct supervisor *s, int64_t wait_ms)
{
	struct timespec limit = {
		.tv_sec = wait_ms / 1000,
		.tv_nsec = wait_ms % 1000 * 1000000,
	};
	int signal = wait_ms < 0 ? sigwaitinfo(&s->signals, NULL)
				 : sigtimedwait(&s->signals, NULL, &limit);

	if (signal == SIGHUP)
		reload(s);
	else if (signal == SIGTERM || signal == SIGINT)
		s->stopping = true;
	reap_children(s);
}

static bool
any_left(const struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (s->children[i].pid != 0)
			return true;
	}
	return false;
}

static void
stop(struct supervisor *s)
{
	uint64_t until_ms = clock_read().boot_ms + STOP_MS;
	uint64_t now_ms;

	signal_all(s, SIGTERM);
	while (any_left(s) && (now_ms = clock_read().boot_ms) < until_ms)
		wait_signal(s, (int64_t)(until_ms - now_ms));
	signal_all(s, SIGKILL);
	while (any_left(s))
		wait_signal(s, -1);
}

int
supervisor_run(struct options *options, int listen_fd, unsigned workers)
{
	struct supervisor s = {
		.options = options,
		.listen_fd = listen_fd,
		.count = workers,
	};

	_Atomic uint32_t *ready = mmap(NULL, workers * sizeof(ready[0]),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s.children = calloc(workers, sizeof(s.children[0]));
	if (s.children == NULL || ready == MAP_FAILED) {
		log_at(LOG_AT_ERROR, "cannot start: %s", strerror(errno));
		free(s.children);
		return 1;
	}
	for (unsigned i = 0; i < workers; i++)
		s.children[i].ready = &ready[i];
	worker_block_signals();
	(void)sigemptyset(&s.signals);
	(void)sigaddset(&s.signals, SIGTERM);
	(void)sigaddset(&s.signals, SIGINT);
	(void)sigaddset(&s.signals, SIGHUP);
	(void)sigaddset(&s.signals, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &s.signals, NULL);
	while (!s.stopping)
		wait_signal(&s, start_children(&s));
	stop(&s);
	free(s.children);
	return 0;
}
