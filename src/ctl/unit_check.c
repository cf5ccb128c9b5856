#include "ctl/unit_check.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MAX 4096

/* A property, "ActiveState=failed"; empty where it is not there. */
static struct span
find_property(struct span answer, const char *name)
{
	struct span line;
	size_t len = strlen(name);

	while (answer.len > 0 && span_cut(&answer, '\n', &line)) {
		if (line.len > len && line.ptr[len] == '=' &&
		    memcmp(line.ptr, name, len) == 0)
			return (struct span){ line.ptr + len + 1,
				line.len - len - 1 };
	}
	return SPAN("");
}

/* Ask; returns how much was answered. */
static size_t
ask(char *answer, size_t room)
{
	static char *const words[] = { (char *)"systemctl", (char *)"show",
		(char *)"-p", (char *)"LoadState", (char *)"-p",
		(char *)"ActiveState", (char *)"-p", (char *)"SubState",
		(char *)"-p", (char *)"Result", (char *)"-p",
		(char *)"ExecMainStatus", (char *)"peal.service", NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];
	pid_t pid = -1;
	size_t len = 0;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return 0;
	if (posix_spawn_file_actions_init(&actions) == 0) {
		(void)posix_spawn_file_actions_adddup2(&actions, ends[1],
		    STDOUT_FILENO);
		(void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO,
		    "/dev/null", O_WRONLY, 0);
		if (posix_spawnp(&pid, words[0], &actions, NULL, words,
			environ) != 0)
			pid = -1;
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	close(ends[1]);
	ssize_t part;
	while (
	    len < room && (part = read(ends[0], answer + len, room - len)) > 0)
		len += (size_t)part;
	close(ends[0]);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return len;
}

void
unit_check(struct findings *g)
{
	char answer[ANSWER_MAX];
	struct span said = { answer, ask(answer, sizeof(answer)) };
	struct span state = find_property(said, "ActiveState");
	struct span sub = find_property(said, "SubState");
	struct span result = find_property(said, "Result");
	struct span status = find_property(said, "ExecMainStatus");
	if (!span_equal(find_property(said, "LoadState"), SPAN("loaded")) ||
	    !(span_equal(state, SPAN("failed")) ||
		span_equal(sub, SPAN("auto-restart"))))
		return;
	findings_find(g, ADVICE_UNIT_FAILED,
	    "peal.service is %.*s (%.*s): %.*s, exit status %.*s",
	    (int)state.len, state.ptr, (int)sub.len, sub.ptr, (int)result.len,
	    result.ptr, (int)status.len, status.ptr);
	g->is_explained = true;
}
