#include "bench/load.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

#define EVENTS_AT_ONCE 512
#define SECOND_NS UINT64_C(1000000000)
/* So long without anything that arrives, and what is out is given up. */
#define STUCK_NS (10 * SECOND_NS)
/* Connections on their way at a time: a full backlog refuses. */
#define PENDING_MAX 256
/* After a POST that could not be sent. */
#define PAUSE_NS (SECOND_NS / 100)
#define TIMER_MARK UINT64_MAX
/* Events in flight whose times are kept, at most. */
#define SLOTS_MAX (1 << 21)

static uint64_t
in_flight_max(const struct load_plan *plan)
{
	uint64_t most = plan->in_flight > 0
	    ? (uint64_t)plan->in_flight * plan->publishers.batch
	    : (uint64_t)plan->rate * 30 + plan->burst;

	return most < SLOTS_MAX ? most : SLOTS_MAX;
}

static int
make(struct load *l, struct buf *why)
{
	struct load_plan *plan = l->plan;
	struct epoll_event event = { .events = EPOLLIN,
		.data.u64 = TIMER_MARK };

	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd =
	    timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int rc = l->epoll_fd < 0 || l->timer_fd < 0 ||
		epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->timer_fd, &event) != 0
	    ? -errno
	    : 0;
	if (rc == 0)
		rc = delivery_check_init(&l->check, plan->subscribers.channels,
		    plan->publishers.connections > 0
			? plan->publishers.connections
			: 1,
		    in_flight_max(plan));
	if (rc != 0) {
		buf_put_cstr(why, strerror(-rc));
		return rc;
	}
	rc = subscribers_init(&l->subscribers, &plan->subscribers, &l->check,
	    l->epoll_fd);
	if (rc == 0)
		rc = publishers_init(&l->publishers, &plan->publishers,
		    &l->check, l->epoll_fd);
	buf_put(why, buf_span(&l->subscribers.why));
	buf_put(why, buf_span(&l->publishers.why));
	return rc;
}

void
load_fini(struct load *l)
{
	if (l->subscribers.plan != NULL)
		subscribers_fini(&l->subscribers);
	if (l->publishers.plan != NULL)
		publishers_fini(&l->publishers);
	delivery_check_fini(&l->check);
	if (l->timer_fd >= 0)
		close(l->timer_fd);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
}

static int
watch(struct load *l, size_t offset, bool memory, struct buf *why)
{
	for (size_t i = 0; i < l->plan->watch_count; i++) {
		struct load_watch *w = &l->plan->watches[i];
		struct proc_usage *usage =
		    (struct proc_usage *)((char *)w + offset);
		int rc = memory ? proc_usage_take(&w->group, usage)
				: proc_usage_take_cpu(&w->group, usage);
		/* Under mod_fcgid there may be none before the first request. */
		if (rc != 0 &&
		    !(rc == -ESRCH &&
			offset == offsetof(struct load_watch, before))) {
			buf_put_cstr(why, "--watch ");
			buf_put_cstr(why, w->name);
			buf_put(why, SPAN(": "));
			buf_put_cstr(why, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

static void
set_timer(const struct load *l, uint64_t at_ns)
{
	const struct itimerspec when = {
		.it_value = {
			.tv_sec = (time_t)(at_ns / SECOND_NS),
			.tv_nsec = (long)(at_ns % SECOND_NS),
		},
	};

	(void)timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void
drain_timer(const struct load *l)
{
	uint64_t count;
	ssize_t done = read(l->timer_fd, &count, sizeof(count));

	(void)done;
}

/* Wait for something to happen, or for at_ns, and see to it. */
static void
turn(struct load *l, uint64_t at_ns)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	uint64_t now_ns = clock_measure_ns();

	/* A timer of the past would never go off. */
	if (at_ns > now_ns)
		set_timer(l, at_ns);
	int count = epoll_wait(l->epoll_fd, events, EVENTS_AT_ONCE,
	    at_ns > now_ns ? -1 : 0);
	for (int i = 0; i < count; i++) {
		uint64_t mark = events[i].data.u64;
		if (mark == TIMER_MARK)
			drain_timer(l);
		else if ((mark & 1) != 0)
			publishers_event(&l->publishers, (uint32_t)(mark / 2),
			    events[i].events);
		else
			subscribers_event(&l->subscribers, (uint32_t)(mark / 2),
			    events[i].events);
	}
	now_ns = clock_measure_ns();
	if (l->plan->progress != NULL && now_ns - l->told_ns >= SECOND_NS) {
		l->told_ns = now_ns;
		l->plan->progress(l->plan->context, l);
	}
}

static void
begin_phase(struct load *l, enum load_phase phase)
{
	l->phase = phase;
	l->begun_ns = clock_measure_ns();
	l->sent = 0;
}

/* When the next event of an open loop is due. */
static uint64_t
due_ns(const struct load *l)
{
	const struct load_plan *plan = l->plan;
	uint64_t before = l->sent / plan->burst * plan->burst;

	/* In this order it neither overflows nor drifts. */
	return l->begun_ns + before / plan->rate * SECOND_NS +
	    before % plan->rate * SECOND_NS / plan->rate;
}

/* Send what may be sent now.  Returns when to look again. */
static uint64_t
publish_some(struct load *l, uint64_t limit, uint32_t window)
{
	const struct load_plan *plan = l->plan;
	uint32_t batch = plan->publishers.batch;
	uint64_t now_ns = clock_measure_ns();
	uint64_t failed = l->check.failed;

	while (l->sent < limit) {
		uint64_t due = now_ns;
		uint32_t count = limit - l->sent < batch
		    ? (uint32_t)(limit - l->sent)
		    : batch;
		if (window > 0) {
			if (l->check.in_flight + count >
			    (uint64_t)window * batch)
				break;
		} else {
			due = due_ns(l);
			if (due > now_ns || due >= l->end_ns)
				return due;
		}
		if (!publishers_send(&l->publishers, count, due))
			break;
		l->sent += count;
		/* Refused at once: the next would be too. */
		if (l->check.failed > failed)
			return now_ns + PAUSE_NS;
	}
	return now_ns + SECOND_NS;
}

/* Anything that moves is progress. */
static uint64_t
moved(const struct load *l)
{
	return l->check.deliveries + l->check.published + l->check.failed +
	    l->subscribers.open + l->subscribers.failed + l->subscribers.ended;
}

struct patience {
	uint64_t moved;
	uint64_t since_ns;
};

/* Whether anything that has been sent is under way. */
static bool
is_waiting(const struct load *l)
{
	return l->check.in_flight > 0 || l->publishers.busy > 0;
}

/* True when what is waited for has not moved for too long. */
static bool
is_stuck(struct load *l, struct patience *p, bool waiting)
{
	uint64_t now_ns = clock_measure_ns();
	uint64_t all = moved(l);

	if (p->since_ns == 0 || p->moved != all || !waiting) {
		p->moved = all;
		p->since_ns = now_ns;
	}
	if (now_ns - p->since_ns < STUCK_NS)
		return false;
	l->stuck = true;
	return true;
}

static void
open_all(struct load *l, uint32_t pending_max)
{
	struct patience patience = { 0 };

	begin_phase(l, LOAD_OPENING);
	while (!subscribers_is_there(&l->subscribers) &&
	    !is_stuck(l, &patience, true)) {
		subscribers_open_some(&l->subscribers, pending_max);
		turn(l, clock_measure_ns() + SECOND_NS);
	}
	l->open_ns = clock_measure_ns() - l->begun_ns;
}

/* No POST has been taken, and one was not: the rest would fare no better. */
static bool
is_hopeless(const struct load *l)
{
	return l->check.failed > 0 && l->check.published == 0;
}

/* Now; or when something moved last, where it was given up. */
static uint64_t
end_of(const struct load *l, const struct patience *p)
{
	return l->stuck ? p->since_ns : clock_measure_ns();
}

/* Publish until it is enough, then wait until everything has arrived. */
static void
publish_all(struct load *l, enum load_phase phase, uint64_t events,
    uint32_t window)
{
	struct patience patience = { 0 };
	uint64_t limit = events > 0 ? events : UINT64_MAX;

	begin_phase(l, phase);
	l->end_ns = events > 0 ? UINT64_MAX
			       : l->begun_ns + l->plan->duration_ms * 1000000;
	while (l->sent < limit && !is_hopeless(l) &&
	    !is_stuck(l, &patience, is_waiting(l))) {
		uint64_t next_ns = publish_some(l, limit, window);
		if (clock_measure_ns() >= l->end_ns)
			break;
		turn(l, next_ns < l->end_ns ? next_ns : l->end_ns);
	}
	if (phase == LOAD_RUNNING)
		l->phase = LOAD_DRAINING;
	while (
	    is_waiting(l) && !is_hopeless(l) && !is_stuck(l, &patience, true))
		turn(l, clock_measure_ns() + SECOND_NS);
	l->ran_ns = end_of(l, &patience) - l->begun_ns;
}

/* Every one of the subscribers has failed. */
static bool
has_no_streams(const struct load *l)
{
	return l->subscribers.failed > 0 &&
	    l->subscribers.failed == l->plan->subscribers.subscribers;
}

static void
hold(struct load *l)
{
	begin_phase(l, LOAD_RUNNING);
	uint64_t end_ns = l->begun_ns + l->plan->idle_ms * 1000000;
	for (uint64_t now_ns = l->begun_ns; now_ns < end_ns;
	     now_ns = clock_measure_ns())
		turn(l,
		    now_ns + SECOND_NS < end_ns ? now_ns + SECOND_NS : end_ns);
	l->ran_ns = clock_measure_ns() - l->begun_ns;
}

/* All of the subscribers comes at once and wants all there is. */
static void
replay(struct load *l)
{
	struct patience patience = { 0 };
	uint64_t wanted = 0;

	l->subscribers.timed = false;
	for (uint32_t i = 0; i < l->plan->subscribers.subscribers; i++)
		wanted +=
		    i < l->plan->subscribers.stalled ? 0 : l->plan->replay;
	begin_phase(l, LOAD_RUNNING);
	uint64_t begun_ns = l->begun_ns;
	while (l->check.deliveries < wanted && !has_no_streams(l) &&
	    !is_stuck(l, &patience, true)) {
		subscribers_open_some(&l->subscribers, UINT32_MAX);
		turn(l, clock_measure_ns() + SECOND_NS);
	}
	l->ran_ns = end_of(l, &patience) - begun_ns;
	l->open_ns = l->ran_ns;
}

/* Returns 0, or -EIO with why told where there is nothing to be measured. */
static int
see_whether_it_goes(const struct load *l, struct buf *why)
{
	if (!has_no_streams(l) && !is_hopeless(l))
		return 0;
	buf_put(why,
	    buf_span(
		is_hopeless(l) ? &l->publishers.why : &l->subscribers.why));
	return -EIO;
}

static int
run_replay(struct load *l, struct buf *why)
{
	const struct load_plan *plan = l->plan;

	publish_all(l, LOAD_FILLING,
	    (uint64_t)plan->replay * plan->subscribers.channels,
	    plan->in_flight > 0 ? plan->in_flight : 16);
	int rc = see_whether_it_goes(l, why);
	l->check.published = 0;
	if (rc == 0)
		rc = watch(l, offsetof(struct load_watch, before), true, why);
	if (rc == 0)
		rc = watch(l, offsetof(struct load_watch, open), false, why);
	if (rc != 0)
		return rc;
	replay(l);
	return has_no_streams(l) ? see_whether_it_goes(l, why) : 0;
}

static int
run_live(struct load *l, struct buf *why)
{
	const struct load_plan *plan = l->plan;
	int rc = watch(l, offsetof(struct load_watch, before), true, why);

	if (rc != 0)
		return rc;
	open_all(l, PENDING_MAX);
	rc = see_whether_it_goes(l, why);
	if (rc == 0)
		rc = watch(l, offsetof(struct load_watch, open), true, why);
	if (rc != 0)
		return rc;
	if (plan->idle_ms > 0)
		hold(l);
	else if (!l->stuck)
		publish_all(l, LOAD_RUNNING, plan->events, plan->in_flight);
	return see_whether_it_goes(l, why);
}

static int
run_phases(struct load *l, struct buf *why)
{
	int rc = l->plan->replay > 0 ? run_replay(l, why) : run_live(l, why);

	return rc != 0
	    ? rc
	    : watch(l, offsetof(struct load_watch, after), true, why);
}

int
load_run(struct load *l, struct load_plan *plan, struct buf *why)
{
	*l = (struct load){ .plan = plan, .epoll_fd = -1, .timer_fd = -1 };
	int rc = make(l, why);

	if (rc == 0)
		rc = run_phases(l, why);
	if (rc == 0)
		subscribers_close(&l->subscribers);
	return rc;
}
