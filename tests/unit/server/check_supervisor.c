#include "server/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>

#include "server_fixture.h"

/* A supervisor in a process of its own, with one worker. */
struct setup {
	struct options options;
	struct sockaddr_un address;
	socklen_t address_len;
	int listen_fd;
	pid_t pid;
};

static void
read_options(struct setup *s)
{
	static char path[FIXTURE_PATH];
	char *arguments[] = { (char[]){ "peal.fcgi" }, (char[]){ "--arena" },
		path, (char[]){ "--arena-size" }, (char[]){ "1M" },
		(char[]){ "--roles" }, (char[]){ "subscribe" } };
	struct buf text = { 0 };

	fixture_path(path);
	ck_assert_int_eq((int)options_read(&s->options,
			     (int)UNIT_COUNT(arguments), arguments, &text),
	    OPTIONS_RUN);
	buf_fini(&text);
}

static void
setup_make(struct setup *s)
{
	*s = (struct setup){ 0 };
	read_options(s);
	s->listen_fd = server_listen(&s->address, &s->address_len);
	/* Workers that lose their supervisor become our children. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	s->pid = fork();
	if (s->pid == 0) {
		/* A test that fails leaves nothing behind. */
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		_exit(supervisor_run(&s->options, s->listen_fd, 1));
	}
	ck_assert_int_gt(s->pid, 0);
}

static void
setup_end(struct setup *s)
{
	options_fini(&s->options);
	close(s->listen_fd);
}

/* Send a request on a connection of its own; returns its descriptor. */
static int
send_request(struct setup *s, const struct server_request *r)
{
	/* Against hanging, far from what it takes. */
	const struct timeval limit = { .tv_sec = 60 };
	struct buf records = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
			     sizeof(limit)),
	    0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&s->address,
			     s->address_len),
	    0);
	server_put_request(&records, r);
	ck_assert_int_eq(write(fd, records.ptr, records.len),
	    (ssize_t)records.len);
	buf_fini(&records);
	return fd;
}

/* Wait until something has come. */
static void
await(int fd)
{
	char byte;

	ck_assert_int_eq(recv(fd, &byte, 1, MSG_PEEK), 1);
}

/* Wait until a worker serves. */
static void
await_worker(struct setup *s)
{
	const struct server_request r = { .method = "OPTIONS", .uri = "/e" };
	int fd = send_request(s, &r);

	await(fd);
	close(fd);
}

/* The only child of a process, or 0. */
static pid_t
child_of(pid_t pid)
{
	char path[64];
	long child = 0;

	(void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children",
	    (long)pid, (long)pid);
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	int count = fscanf(file, "%ld", &child);
	(void)fclose(file);
	return count == 1 ? (pid_t)child : 0;
}

/* SIGKILL a process that is not our child, and wait until it is dead. */
static void
kill_and_await(pid_t pid)
{
	struct pollfd death = { .fd = (int)syscall(SYS_pidfd_open, pid, 0),
		.events = POLLIN };

	ck_assert_int_ge(death.fd, 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(poll(&death, 1, 60000), 1);
	close(death.fd);
}

static void
assert_ends_in_order(pid_t pid)
{
	int how;

	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	ck_assert(WIFEXITED(how));
	ck_assert_int_eq(WEXITSTATUS(how), 0);
}

static void
assert_gone(pid_t pid)
{
	ck_assert_int_eq(kill(pid, 0), -1);
	ck_assert_int_eq(errno, ESRCH);
}

START_TEST(worker_that_dies_is_replaced)
{
	struct setup s;
	setup_make(&s);

	for (int i = 0; i < 3; i++) {
		await_worker(&s);
		pid_t worker = child_of(s.pid);
		ck_assert_int_gt(worker, 0);
		kill_and_await(worker);
		await_worker(&s);
		ck_assert_int_gt(child_of(s.pid), 0);
		ck_assert_int_ne(child_of(s.pid), worker);
	}

	ck_assert_int_eq(kill(s.pid, SIGTERM), 0);
	assert_ends_in_order(s.pid);
	setup_end(&s);
}
END_TEST

START_TEST(supervisor_ends_its_worker_in_order)
{
	static const int signals[] = { SIGTERM, SIGINT };
	const struct server_request r = { .method = "GET",
		.uri = "/e",
		.query = "channel=a" };

	for (size_t i = 0; i < UNIT_COUNT(signals); i++) {
		struct server_answer answer = { 0 };
		struct setup s;
		setup_make(&s);
		int stream = send_request(&s, &r);
		await(stream);
		pid_t worker = child_of(s.pid);
		ck_assert_int_gt(worker, 0);

		ck_assert_int_eq(kill(s.pid, signals[i]), 0);

		assert_ends_in_order(s.pid);
		assert_gone(worker);
		server_take(stream, &answer);
		ck_assert_uint_eq(answer.ends, 1);
		ck_assert(answer.closed);
		server_forget(&answer);
		close(stream);
		setup_end(&s);
	}
}
END_TEST

START_TEST(worker_that_does_not_end_is_ended_for_it)
{
	struct setup s;
	setup_make(&s);
	await_worker(&s);
	pid_t worker = child_of(s.pid);
	ck_assert_int_gt(worker, 0);
	ck_assert_int_eq(kill(worker, SIGSTOP), 0);

	ck_assert_int_eq(kill(s.pid, SIGTERM), 0);

	assert_ends_in_order(s.pid);
	assert_gone(worker);
	setup_end(&s);
}
END_TEST

START_TEST(worker_ends_in_order_when_its_supervisor_is_killed)
{
	struct setup s;
	setup_make(&s);
	await_worker(&s);
	pid_t worker = child_of(s.pid);
	ck_assert_int_gt(worker, 0);

	fixture_kill(s.pid);

	assert_ends_in_order(worker);
	setup_end(&s);
}
END_TEST

FIXTURE_MAIN("supervisor", worker_that_dies_is_replaced,
    supervisor_ends_its_worker_in_order,
    worker_that_does_not_end_is_ended_for_it,
    worker_ends_in_order_when_its_supervisor_is_killed)
