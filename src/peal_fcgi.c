/*
 * peal.fcgi: the FastCGI responder.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "arena/store.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/listen.h"
#include "server/options.h"
#include "server/supervisor.h"
#include "server/worker.h"

static void
say(FILE *to, const struct buf *text)
{
	if (buf_error(text) != 0) {
		(void)fputs("peal.fcgi: out of memory\n", stderr);
		return;
	}
	(void)fwrite(text->ptr, 1, text->len, to);
	if (text->len > 0 && text->ptr[text->len - 1] != '\n')
		(void)fputc('\n', to);
}

static int
complain(const char *about, const struct buf *why, int status)
{
	if (buf_error(why) == 0)
		(void)fprintf(stderr, "peal.fcgi: %s", about);
	say(stderr, why);
	return status;
}

/* Open the arena once before workers do, so that what is wrong is told once. */
static int
try_arena(const struct options *o, struct buf *why)
{
	struct store_limits limits = { o->max_age_ms, o->max_events };
	struct store store;
	int rc = store_open(&store, o->arena, o->arena_size, &limits,
	    clock_read(), why);

	if (rc == 0 && store.damaged != 0)
		log_at(LOG_AT_WARNING,
		    "%s was damaged: %u blocks of it were dropped", o->arena,
		    store.damaged);
	if (rc == 0)
		store_close(&store);
	return rc;
}

/*
 * Descriptors 1 and 2 may be closed, and the next file opened would get their
 * number, and our log.
 */
static void
keep_standard_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", O_RDWR);
	}
}

static int
run(struct options *o)
{
	struct listen listener;
	struct buf why = { 0 };
	int status;

	log_open("peal.fcgi", o->log, o->syslog);
	if (listen_open(&listener, o, &why) != 0) {
		status = o->listen == NULL
		    ? complain("", &why, EX_USAGE)
		    : complain("--listen: ", &why, EX_CONFIG);
	} else if (o->listen == NULL && o->workers == 0) {
		/* Spawned by a web server, which looks after its processes. */
		status = worker_run(o, listener.fd, NULL);
	} else if (try_arena(o, &why) != 0) {
		status = complain("--arena: ", &why, EX_CONFIG);
	} else {
		status = supervisor_run(o, listener.fd,
		    o->workers == 0 ? 1 : o->workers);
	}
	listen_close(&listener);
	buf_fini(&why);
	return status;
}

int
main(int argc, char **argv)
{
	struct options options;
	struct buf text = { 0 };
	int status = 0;

	keep_standard_descriptors();
	/* Whoever reads the log, or a FIFO, may have gone. */
	(void)signal(SIGPIPE, SIG_IGN);
	switch (options_read(&options, argc, argv, &text)) {
	case OPTIONS_RUN:
		if (!options.check)
			status = run(&options);
		break;
	case OPTIONS_SAID:
		say(stdout, &text);
		break;
	case OPTIONS_USAGE:
		say(stderr, &text);
		status = EX_USAGE;
		break;
	case OPTIONS_CONFIG:
		say(stderr, &text);
		status = EX_CONFIG;
		break;
	}
	buf_fini(&text);
	options_fini(&options);
	return status;
}
