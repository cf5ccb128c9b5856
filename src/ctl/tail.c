#include "ctl/tail.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "arena/follow.h"
#include "arena/wake.h"
#include "base/clock.h"
#include "base/terminal.h"

/* Follows channels for tail: joined, and how far it has read. */
struct tail {
	struct store *store;
	FILE *out;
	bool people; /* out is a terminal, which events must not command */
	uint32_t registrations[FOLLOW_READER_MAX];
	struct follow_reader reader;
	struct follow_segment segment;
};

/* Print all there is.  Returns 0 or -errno. */
static int
tail_read(struct tail *t)
{
	uint32_t cookies[FOLLOW_READER_MAX];

	/* Which of them has news does not matter: all are read together. */
	while (follow_news(t->store, cookies, FOLLOW_READER_MAX) ==
	    FOLLOW_READER_MAX)
		continue;
	do {
		t->segment.len = 0;
		t->segment.marks_len = 0;
		int rc = follow_read(t->store, &t->reader, &t->segment);
		if (rc == -EMSGSIZE) {
			char *bytes =
			    realloc(t->segment.bytes, t->segment.wanted);
			if (bytes == NULL)
				return -ENOMEM;
			t->segment.bytes = bytes;
			t->segment.room = t->segment.wanted;
			t->segment.more = true;
			continue;
		}
		if (rc == -ENODATA) {
			(void)fprintf(stderr,
			    "pealctl: some events left the history unread\n");
			/* What is lost from now on is reported again. */
			t->reader.gap_known = store_last_id(t->store);
			t->segment.more = true;
			continue;
		}
		if (rc != 0)
			return rc;
		if (t->people)
			terminal_print_lines(t->out,
			    (struct span){ t->segment.bytes, t->segment.len });
		else
			(void)fwrite(t->segment.bytes, 1, t->segment.len,
			    t->out);
	} while (t->segment.more);
	return fflush(t->out) == 0 ? 0 : -errno;
}

static int
tail_join(struct tail *t, const struct span *names, size_t count,
    struct event_resume since)
{
	struct follow_join joins[FOLLOW_READER_MAX];
	struct follow_joined joined;

	for (size_t i = 0; i < count; i++)
		joins[i] = (struct follow_join){
			.name = names[i],
			.cookie = (uint32_t)i,
		};
	int rc =
	    follow_join(t->store, clock_read(), joins, count, since, &joined);
	if (rc != 0)
		return rc;
	if (joined.gap)
		(void)fprintf(stderr,
		    "pealctl: not all events since then are kept\n");
	for (size_t i = 0; i < count; i++)
		t->registrations[i] = joins[i].registration;
	t->reader = (struct follow_reader){
		.registrations = t->registrations,
		.count = count,
		.cursor = joined.cursor,
		.gap_known = joined.gap_known,
	};
	store_count_streams(t->store, 1);
	return 0;
}

/* Read, wait, read, until a signal. */
static int
tail_loop(struct tail *t, int inbox)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	struct pollfd fds[] = {
		{ .fd = inbox, .events = POLLIN },
		{ .fd = signalfd(-1, &signals, SFD_CLOEXEC), .events = POLLIN },
		/* POLLERR when the other end of a pipe is closed. */
		{ .fd = fileno(t->out), .events = 0 },
	};
	int rc = tail_read(t);
	while (rc == 0 && fds[1].revents == 0 && fds[2].revents == 0) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			rc = -errno;
		if (fds[0].revents != 0) {
			wake_drain(t->store, inbox);
			rc = tail_read(t);
		}
	}
	close(fds[1].fd);
	return rc == -EPIPE ? 0 : rc;
}

int
tail_run(struct store *store, const struct span *names, size_t count,
    struct event_resume since, FILE *out, struct buf *why)
{
	struct tail t = { .store = store,
		.out = out,
		.people = isatty(fileno(out)) != 0 };
	struct follow_mark marks[256];
	int inbox;

	int rc = wake_attach(store, clock_read(), &inbox, why);
	if (rc != 0)
		return rc;
	t.segment.marks = marks;
	t.segment.marks_room = sizeof(marks) / sizeof(marks[0]);
	t.segment.room = 65536;
	t.segment.bytes = malloc(t.segment.room);
	rc = t.segment.bytes == NULL ? -ENOMEM
				     : tail_join(&t, names, count, since);
	if (rc == 0)
		rc = tail_loop(&t, inbox);
	free(t.segment.bytes);
	wake_detach(store, inbox);
	if (rc != 0 && ferror(out) != 0)
		buf_put_cstr(why, "standard output: ");
	if (rc != 0)
		buf_put_cstr(why, strerror(-rc));
	return rc;
}
