#include "ctl/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "arena/browse.h"
#include "arena/status.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "ctl/table_output.h"

/* The first of the totals are traffic, and shown as rates. */
#define RATED (LAYOUT_DELIVERED + 1)

struct top {
	struct store *store;
	struct table_output l;
	struct terminal terminal; /* fd -1: lines are printed */
	int signals;
	uint64_t at_ns; /* of the last round */
	uint64_t totals[RATED];
	uint64_t last_id;
	struct browse_list list;
};

/* What happened since the last round, a second. */
struct rates {
	uint64_t totals[RATED];
	double seconds;
};

static uint64_t
rate(uint64_t now, uint64_t before, double seconds)
{
	/* An arena that was recreated begins at 0. */
	if (now < before || seconds <= 0)
		return 0;
	return (uint64_t)((double)(now - before) / seconds + 0.5);
}

static struct rates
find_rates(struct top *t, const struct status *s)
{
	uint64_t now_ns = clock_measure_ns();
	double seconds = (double)(now_ns - t->at_ns) / 1e9;
	struct rates rates = { .seconds = seconds };

	for (size_t i = 0; i < RATED; i++) {
		rates.totals[i] = rate(s->totals[i], t->totals[i], seconds);
		t->totals[i] = s->totals[i];
	}
	t->at_ns = now_ns;
	return rates;
}

static void
print_line(const struct top *t, const struct status *s,
    const struct rates *rates, struct clock_now now)
{
	(void)fprintf(t->l.out, "%llu", (unsigned long long)now.wall_ms);
	for (size_t i = 0; i < RATED; i++)
		(void)fprintf(t->l.out, " %s=%llu", status_total(i)->name,
		    (unsigned long long)rates->totals[i]);
	(void)fprintf(t->l.out,
	    " streams=%llu channels=%llu events=%llu used=%llu\n",
	    (unsigned long long)s->streams, (unsigned long long)s->channels,
	    (unsigned long long)s->events, (unsigned long long)s->used);
}

/* Deliveries there were to be, then subscribers, then events. */
static int
by_traffic(const void *a, const void *b)
{
	const struct browse_channel *one = a;
	const struct browse_channel *two = b;
	uint64_t busy[2] = { (uint64_t)one->fresh * (one->subscribers + 1),
		(uint64_t)two->fresh * (two->subscribers + 1) };

	if (busy[0] != busy[1])
		return busy[0] < busy[1] ? 1 : -1;
	if (one->subscribers != two->subscribers)
		return one->subscribers < two->subscribers ? 1 : -1;
	return (two->newest > one->newest) - (two->newest < one->newest);
}

static void
print_channel(const struct top *t, const struct browse_channel *c,
    const struct rates *rates, struct clock_now now)
{
	const size_t before = 9 + 9 + 9 + 8 + 2;
	size_t columns = (size_t)t->l.columns;
	char age[TABLE_OUTPUT_CHARS];
	bool busy = c->fresh > 0 && t->l.colours;

	table_output_event_age(age, c->newest, now);
	(void)fprintf(t->l.out, "%9llu %9u%9u%8s  %s",
	    (unsigned long long)rate(c->fresh, 0, rates->seconds),
	    c->subscribers, c->events, age, busy ? "\033[32m" : "");
	(void)terminal_print(t->l.out, c->name,
	    columns > before + 1 ? columns - before - 1 : 1);
	(void)fprintf(t->l.out, "%s\033[K\n", busy ? "\033[0m" : "");
}

/* Each line clears what is behind it. */
static void
draw_status(const struct top *t, const struct status *s,
    const struct rates *rates)
{
	char used[TABLE_OUTPUT_CHARS];
	char size[TABLE_OUTPUT_CHARS];
	char uptime[TABLE_OUTPUT_CHARS];

	table_output_bytes(used, s->used);
	table_output_bytes(size, s->size);
	table_output_age(uptime, s->uptime_s * 1000);
	(void)fprintf(t->l.out, "peal  arena %s, %s used, uptime %s\033[K\n",
	    size, used, uptime);
	for (size_t i = 0; i < RATED; i++)
		(void)fprintf(t->l.out, "%llu %s/s  ",
		    (unsigned long long)rates->totals[i],
		    status_total(i)->label);
	(void)fprintf(t->l.out,
	    "%llu streams  %llu worker%s\033[K\n"
	    "%llu channels, %llu events",
	    (unsigned long long)s->streams, (unsigned long long)s->worker_count,
	    s->worker_count == 1 ? "" : "s", (unsigned long long)s->channels,
	    (unsigned long long)s->events);
	for (size_t i = RATED; i < LAYOUT_TOTALS; i++)
		(void)fprintf(t->l.out, "%s%llu %s", i == RATED ? "; " : ", ",
		    (unsigned long long)s->totals[i], status_total(i)->label);
	(void)fputs("\033[K\n\033[K\n", t->l.out);
}

static void
draw(struct top *t, const struct status *s, const struct rates *rates,
    struct clock_now now)
{
	struct terminal_size size = terminal_size(t->terminal.fd);
	size_t lines = size.lines > 7 ? (size_t)size.lines - 7 : 1;

	t->l.columns = size.columns;
	if (t->list.count > 0)
		qsort(t->list.channels, t->list.count,
		    sizeof(*t->list.channels), by_traffic);
	(void)fputs("\033[H", t->l.out); /* to the top left */
	draw_status(t, s, rates);
	table_output_head(&t->l,
	    " EVENTS/S   STREAMS   EVENTS  NEWEST  CHANNEL\033[K");
	for (size_t i = 0; i < t->list.count && i < lines; i++)
		print_channel(t, &t->list.channels[i], rates, now);
	(void)fputs("\033[J\nq ends", t->l.out);
}

static int
show(struct top *t, bool first)
{
	struct clock_now now = clock_read();
	struct status status = { 0 };
	/* Once it was removed, nothing will ever happen in it. */
	int rc = arena_in_place(&t->store->arena)
	    ? store_expire(t->store, now, STORE_EXPIRE_ALL)
	    : -ESTALE;

	if (rc == 0)
		rc = status_take(t->store, now, &status);
	/* A line needs no channels. */
	if (rc == 0 && t->terminal.fd >= 0)
		rc = browse_all(t->store, first ? UINT64_MAX : t->last_id,
		    &t->list);
	if (rc == 0) {
		struct rates rates = find_rates(t, &status);
		t->last_id = status.last_id;
		if (t->terminal.fd >= 0)
			draw(t, &status, &rates, now);
		else if (!first)
			print_line(t, &status, &rates, now);
		if (fflush(t->l.out) != 0)
			rc = -errno;
	}
	free(status.workers);
	browse_list_fini(&t->list);
	return rc;
}

/*
 * Wait out an interval.  Returns 1 to go on, 0 when the user wants no more, or
 * -errno.
 */
static int
wait_for(struct top *t, uint64_t interval_ms)
{
	uint64_t end_ns = clock_measure_ns() + interval_ms * 1000000;
	struct pollfd fds[] = {
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = t->terminal.fd, .events = POLLIN },
	};

	for (;;) {
		uint64_t now_ns = clock_measure_ns();
		if (now_ns >= end_ns)
			return 1;
		if (poll(fds, 2, (int)((end_ns - now_ns) / 1000000) + 1) < 0 &&
		    errno != EINTR)
			return -errno;
		if (fds[0].revents != 0) {
			struct signalfd_siginfo signal;
			if (read(t->signals, &signal, sizeof(signal)) < 0)
				return -errno;
			return signal.ssi_signo == SIGWINCH ? 1 : 0;
		}
		if (fds[1].revents != 0) {
			char key = 'q';
			/* A terminal that has gone reads as its end. */
			if (read(t->terminal.fd, &key, 1) <= 0 || key == 'q')
				return 0;
		}
	}
}

static int
rounds(struct top *t, uint64_t interval_ms, uint64_t left)
{
	int rc = show(t, true);

	while (rc == 0) {
		rc = wait_for(t, interval_ms);
		if (rc <= 0)
			return rc;
		rc = show(t, false);
		if (left == 1)
			break;
		if (left > 1)
			left--;
	}
	return rc;
}

int
top_run(struct store *s, uint64_t interval_ms, uint64_t count)
{
	struct top t = { .store = s, .terminal.fd = -1 };
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigaddset(&signals, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	t.signals = signalfd(-1, &signals, SFD_CLOEXEC);
	if (t.signals < 0)
		return -errno;
	table_output_init(&t.l, stdout, false);
	int rc = 0;
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		rc = terminal_begin(&t.terminal, STDIN_FILENO, stdout);
	if (rc == 0)
		rc = rounds(&t, interval_ms, count);
	terminal_end(&t.terminal);
	close(t.signals);
	return rc == -EPIPE ? 0 : rc;
}
