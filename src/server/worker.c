#include "server/worker.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "arena/store.h"
#include "arena/wake.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/fanout.h"
#include "server/fcgi.h"
#include "server/intake.h"
#include "server/mailbox.h"
#include "server/status_feed.h"
#include "server/streams.h"

#define EVENTS_AT_ONCE 256
/* More descriptors than this are not asked for: the kernel's tables have a price. */
#define DESCRIPTORS_MAX (1 << 20)

/* How often a worker that is up and about looks whether its arena is in place;
 * for this alone it does not get up. */
#define PLACE_CHECK_MS 2000

/* Free memory at the heap's end that stays ours. */
#define HEAP_KEPT (512 * 1024)

struct worker {
	struct options *options;
	struct store store;
	struct fcgi *fcgi;
	struct streams streams;
	struct fanout fanout;
	struct status_feed status_feed;
	struct mailbox arrivals;
	struct intake *intake;
	int inbox;
	int signal_fd;
	int epoll_fd;
	uint64_t next_check_ms;
	bool attached;
	bool stopping;
};

static void
signals_of(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGHUP);
}

void
worker_block_signals(void)
{
	sigset_t set;

	signals_of(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Every stream is a descriptor: ask for as many as we may have. */
static uint32_t
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	rlim_t wanted =
	    limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = wanted;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur < DESCRIPTORS_MAX ? (uint32_t)limit.rlim_cur
						: DESCRIPTORS_MAX;
}

static struct streams_settings
settings_of(const struct options *o, uint32_t descriptors)
{
	/* A quarter stays for requests, FIFOs, and the rest. */
	uint32_t most = descriptors - descriptors / 4;

	return (struct streams_settings){
		.retry_ms = o->retry_ms,
		.heartbeat_ms = o->heartbeat_ms,
		.stall_ms = o->stall_timeout_ms,
		.coalesce_ms = o->coalesce_ms,
		.max_age_ms = o->max_stream_age_ms,
		.max_streams = o->max_streams != 0 && o->max_streams < most
		    ? o->max_streams
		    : most,
	};
}

static int
add(struct worker *w, int fd, void *mark)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = mark };

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0
								      : -errno;
}

static void
hand_back(void *context, int fd)
{
	const struct worker *w = context;

	/* While stopping there is no next request to keep it for. */
	if (w->intake == NULL)
		close(fd);
	else
		intake_give(w->intake, fd);
}

static int
open_store(struct worker *w, struct clock_now now, struct buf *why)
{
	const struct options *o = w->options;
	struct store_limits limits = { o->max_age_ms, o->max_events };
	int rc =
	    store_open(&w->store, o->arena, o->arena_size, &limits, now, why);

	if (rc != 0)
		return rc;
	if (w->store.damaged != 0)
		log_at(LOG_AT_WARNING,
		    "%s was damaged: %u blocks of it were dropped", o->arena,
		    w->store.damaged);
	if (w->store.arena.map_len != o->arena_size / 4096 * 4096)
		log_at(LOG_AT_WARNING,
		    "%s has %zu bytes, not the %llu asked for, and keeps them "
		    "while workers use it",
		    o->arena, w->store.arena.map_len,
		    (unsigned long long)o->arena_size);
	rc = wake_attach(&w->store, now, &w->inbox, why);
	w->attached = rc == 0;
	return rc;
}

static int
open_loop(struct worker *w, uint32_t descriptors, struct buf *why)
{
	struct streams_settings settings = settings_of(w->options, descriptors);
	sigset_t signals;

	signals_of(&signals);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	w->fcgi = fcgi_new();
	int rc = mailbox_init(&w->arrivals);
	if (w->epoll_fd < 0 || w->signal_fd < 0 || w->fcgi == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = streams_init(&w->streams, &w->store, w->fcgi, &settings,
		    w->epoll_fd);
	if (rc == 0)
		rc = fanout_init(&w->fanout, &w->streams);
	w->status_feed.streams = &w->streams;
	w->streams.hand_back = hand_back;
	w->streams.context = w;
	if (rc == 0)
		rc = add(w, w->signal_fd, &w->signal_fd);
	if (rc == 0)
		rc = add(w, w->arrivals.fd, &w->arrivals);
	if (rc == 0)
		rc = add(w, w->inbox, &w->inbox);
	if (rc != 0)
		buf_put_cstr(why, strerror(-rc));
	return rc;
}

static void
take_signals(struct worker *w)
{
	struct signalfd_siginfo info;

	while (
	    read(w->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			intake_reload(w->intake);
		else
			w->stopping = true;
	}
}

/*
 * Streams of an arena that was removed would wait for ever: end, so that they
 * come back to a successor, which makes a new one and tells them of the gap.
 */
static void
check_place(struct worker *w, uint64_t boot_ms)
{
	w->next_check_ms = boot_ms + PLACE_CHECK_MS;
	if (wake_in_place(&w->store, w->inbox))
		return;
	log_at(LOG_AT_ERROR, "%s was removed or made anew; this worker ends",
	    w->options->arena);
	w->stopping = true;
}

static void
take_arrivals(struct worker *w, struct clock_now now)
{
	struct letter *letter = mailbox_take(&w->arrivals);

	/* Who is new must not get to see an arena that others have left. */
	if (letter != NULL && !w->stopping)
		check_place(w, now.boot_ms);
	while (letter != NULL) {
		struct subscriber *arrival = (struct subscriber *)letter;
		letter = letter->next;
		if (arrival->is_status)
			status_feed_admit(&w->status_feed, arrival, now,
			    w->stopping);
		else
			fanout_admit(&w->fanout, arrival, now, w->stopping);
	}
}

static uint64_t
deadline(const struct worker *w)
{
	uint64_t at = fanout_deadline(&w->fanout);
	uint64_t other = status_feed_deadline(&w->status_feed);

	return at < other ? at : other;
}

static int
timeout(uint64_t deadline_ms, uint64_t boot_ms)
{
	const uint64_t hour_ms = 3600 * 1000;

	if (deadline_ms == UINT64_MAX)
		return -1;
	if (deadline_ms <= boot_ms)
		return 0;
	return (int)(deadline_ms - boot_ms < hour_ms ? deadline_ms - boot_ms
						     : hour_ms);
}

/* Take in all that is ready, then make one pass for it. */
static void
turn(struct worker *w)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int wait = timeout(deadline(w), clock_read().boot_ms);
	int count = epoll_wait(w->epoll_fd, events, EVENTS_AT_ONCE, wait);
	struct clock_now now = clock_read();
	bool news = false;

	for (int i = 0; i < count; i++) {
		void *mark = events[i].data.ptr;
		if (mark == &w->signal_fd)
			take_signals(w);
		else if (mark == &w->arrivals)
			take_arrivals(w, now);
		else if (mark == &w->inbox)
			news = true;
		else
			fanout_stream_event(&w->fanout, mark, events[i].events,
			    now.boot_ms);
	}
	if (news) {
		wake_drain(&w->store, w->inbox);
		fanout_take_news(&w->fanout, now.boot_ms);
	}
	streams_timers(&w->streams, now.boot_ms);
	status_feed_timers(&w->status_feed, now);
	fanout_pass(&w->fanout, now.boot_ms);
	if (w->next_check_ms <= now.boot_ms && w->streams.count > 0)
		check_place(w, now.boot_ms);
}

/* What was acknowledged goes out; then everybody is sent away in order. */
static void
stop(struct worker *w)
{
	struct intake *in = w->intake;
	struct clock_now now = clock_read();

	w->stopping = true;
	w->intake = NULL;
	intake_stop(in);
	take_arrivals(w, now);
	wake_drain(&w->store, w->inbox);
	fanout_take_news(&w->fanout, now.boot_ms);
	fanout_pass(&w->fanout, now.boot_ms);
	fanout_end_all(&w->fanout, now.boot_ms);
}

static void
worker_fini(struct worker *w)
{
	fanout_fini(&w->fanout);
	streams_fini(&w->streams);
	mailbox_fini(&w->arrivals);
	fcgi_free(w->fcgi);
	if (w->attached)
		wake_detach(&w->store, w->inbox);
	store_close(&w->store);
	if (w->signal_fd >= 0)
		close(w->signal_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
}

int
worker_run(struct options *options, int listen_fd, _Atomic uint32_t *ready)
{
	struct worker w = {
		.options = options,
		.inbox = -1,
		.signal_fd = -1,
		.epoll_fd = -1,
		.arrivals.fd = -1,
		.store.arena.fd = -1,
		.store.arena.opening_fd = -1,
	};
	struct buf why = { 0 };
	uint32_t descriptors = raise_descriptor_limit();

	worker_block_signals();
	fcgi_init_library();
	/* Two threads that allocate little: one heap serves them.  What a batch of
	 * events takes is kept for the next; given back to the system, its
	 * pages would be faulted in again for each. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	int rc = open_store(&w, clock_read(), &why);
	if (rc == 0)
		rc = open_loop(&w, descriptors, &why);
	if (rc == 0) {
		rc = intake_start(&w.intake, listen_fd, options, &w.store,
		    &w.arrivals);
		if (rc != 0) {
			buf_put_cstr(&why,
			    "cannot start the intake's thread: ");
			buf_put_cstr(&why, strerror(-rc));
		}
	}
	if (rc == 0) {
		log_at(LOG_AT_INFO, "worker ready");
		if (ready != NULL)
			atomic_store(ready, 1);
		while (!w.stopping)
			turn(&w);
		stop(&w);
	} else if (why.len > 0 && buf_error(&why) == 0) {
		log_at(LOG_AT_ERROR, "%.*s", (int)why.len, why.ptr);
	} else {
		log_at(LOG_AT_ERROR, "cannot start: %s", strerror(-rc));
	}
	buf_fini(&why);
	worker_fini(&w);
	return rc == 0 ? 0 : EX_CONFIG;
}
