/*
 * A turn of the loop: take in everything that is ready (signals, other workers'
 * news, requests, which are answered at once), then one pass over the streams for all
 * that is pending, then free what has ended.  Loops over streams pause to take in
 * what is ready; see streams.h.  The order makes that safe: what a pause adds is left
 * for the next pass, and what it ends is freed after the pass.
 */
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
#include "server/connection.h"
#include "server/fanout.h"
#include "server/fcgi.h"
#include "server/handler.h"
#include "server/requests.h"
#include "server/status_feed.h"
#include "server/streams.h"

#define EVENTS_AT_ONCE 256
/* More descriptors than this are not asked for: the kernel's tables have a price. */
#define DESCRIPTORS_MAX (1 << 20)

/* How often a worker that is awake looks whether its arena is in place; it does not
 * wake up for this alone. */
#define PLACE_CHECK_MS 2000

/* For requests that are half there when a worker stops. */
#define STOP_MS 300

/* Free memory at the heap's end that stays ours. */
#define HEAP_KEPT (512 * 1024)

struct worker {
	struct options *options;
	struct store store;
	struct fcgi *fcgi;
	struct wake wake;
	struct connections connections;
	struct streams streams;
	struct fanout fanout;
	struct status_feed status_feed;
	struct handler handler;
	struct requests requests;
	int inbox;
	int signal_fd;
	int epoll_fd;
	uint64_t next_check_ms;
	bool attached;
	bool news; /* in the arena, for streams of ours */
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
open_descriptors(struct worker *w)
{
	sigset_t signals;

	signals_of(&signals);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (w->epoll_fd < 0 || w->signal_fd < 0)
		return -errno;
	int rc = add(w, w->signal_fd, &w->signal_fd);
	return rc == 0 ? add(w, w->inbox, &w->inbox) : rc;
}

static void pause_pass(void *context);

static int
open_loop(struct worker *w, int listen_fd, uint32_t descriptors)
{
	struct streams_settings settings = settings_of(w->options, descriptors);

	w->fcgi = fcgi_new();
	int rc = w->fcgi == NULL ? -ENOMEM : open_descriptors(w);
	connections_init(&w->connections, w->fcgi, w->epoll_fd,
	    (size_t)w->options->max_body);
	w->connections.conns_max = settings.max_streams;
	if (rc == 0)
		rc = wake_init(&w->wake, &w->store, descriptors / 8);
	if (rc == 0)
		rc = streams_init(&w->streams, &w->store, &w->connections,
		    &settings);
	if (rc == 0)
		rc = fanout_init(&w->fanout, &w->streams);
	w->streams.pause = pause_pass;
	w->streams.context = w;
	w->status_feed.streams = &w->streams;
	handler_init(&w->handler, w->options, &w->wake, w->inbox);
	w->requests = (struct requests){
		.connections = &w->connections,
		.handler = &w->handler,
		.fanout = &w->fanout,
		.status_feed = &w->status_feed,
		.web_servers = &w->options->web_servers,
		.listen_fd = listen_fd,
		.busy_max = descriptors / 8 + 8,
	};
	return rc == 0 ? requests_listen(&w->requests) : rc;
}

static void
reload_keys(struct worker *w)
{
	struct buf text = { 0 };

	if (options_reload_keys(w->options, &text) != 0)
		log_at(LOG_AT_ERROR, "the old keys stay: %.*s", (int)text.len,
		    text.ptr);
	else
		log_at(LOG_AT_NOTICE, "read the key file again");
	buf_fini(&text);
}

static void
take_signals(struct worker *w)
{
	struct signalfd_siginfo info;

	while (
	    read(w->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload_keys(w);
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
	log_at(LOG_AT_ERROR, "%s was removed or recreated; this worker ends",
	    w->options->arena);
	w->stopping = true;
}

static uint64_t
deadline(const struct worker *w)
{
	const uint64_t all[] = { fanout_deadline(&w->fanout),
		status_feed_deadline(&w->status_feed),
		requests_deadline(&w->requests) };
	uint64_t least = all[0];

	/* Some came while the last pass paused. */
	if (w->news || w->wake.own_news)
		return 0;
	for (size_t i = 1; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i] < least)
			least = all[i];
	}
	return least;
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

static void
connection_event(struct worker *w, struct connection *c, uint32_t events,
    struct clock_now now)
{
	if (c->stream != NULL)
		fanout_stream_event(&w->fanout, c->stream, events, now.boot_ms);
	else
		requests_event(&w->requests, c, events, now);
}

/* Take in what is ready, after at most timeout_ms; -1 is for ever. */
static struct clock_now
take_in(struct worker *w, int timeout_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count = epoll_wait(w->epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);
	struct clock_now now = clock_read();
	bool accepting = false;

	for (int i = 0; i < count; i++) {
		void *mark = events[i].data.ptr;
		if (mark == &w->signal_fd)
			take_signals(w);
		else if (mark == &w->requests.listen_fd)
			accepting = true;
		else if (mark == &w->inbox) {
			wake_drain(&w->store, w->inbox);
			w->news = true;
		} else
			connection_event(w, mark, events[i].events, now);
	}
	/* Last, since it may close another connection of the batch at once. */
	if (accepting && !w->stopping)
		requests_accept(&w->requests, now);
	if (w->handler.arena_gone)
		w->stopping = true;
	return now;
}

static void
pause_pass(void *context)
{
	(void)take_in(context, 0);
}

/* One pass for all that is pending. */
static void
deliver(struct worker *w, struct clock_now now)
{
	if (w->news || w->wake.own_news) {
		w->news = false;
		w->wake.own_news = false;
		fanout_take_news(&w->fanout, now.boot_ms);
	}
	fanout_pass(&w->fanout, now.boot_ms);
}

static void
reap(struct worker *w, struct clock_now now)
{
	streams_reap(&w->streams, now.boot_ms);
	connections_reap(&w->connections);
}

static void
turn(struct worker *w)
{
	struct clock_now now =
	    take_in(w, timeout(deadline(w), clock_read().boot_ms));

	requests_timers(&w->requests, now);
	streams_timers(&w->streams, now.boot_ms);
	status_feed_timers(&w->status_feed, now);
	deliver(w, now);
	if (w->next_check_ms <= now.boot_ms && w->streams.count > 0)
		check_place(w, now.boot_ms);
	reap(w, now);
}

/* Let requests that are half there become whole, and answer them. */
static struct clock_now
finish_requests(struct worker *w)
{
	struct clock_now now = clock_read();
	uint64_t until_ms = now.boot_ms + STOP_MS;

	/* Whoever knocked before we stopped is still let in. */
	w->requests.stopping = true;
	w->handler.stopping = true;
	requests_accept(&w->requests, now);
	requests_stop_listening(&w->requests);
	while ((w->connections.busy.count > 0 ||
		   w->connections.waiting.count > 0) &&
	    now.boot_ms < until_ms) {
		now = take_in(w, (int)(until_ms - now.boot_ms));
		requests_timers(&w->requests, now);
		connections_reap(&w->connections);
	}
	return now;
}

/* What was acknowledged goes out; then every stream ends in order. */
static void
stop(struct worker *w)
{
	w->stopping = true;
	struct clock_now now = finish_requests(w);
	w->news = true;
	w->streams.pause = NULL;
	wake_drain(&w->store, w->inbox);
	deliver(w, now);
	fanout_end_all(&w->fanout, now.boot_ms);
}

static void
worker_fini(struct worker *w)
{
	fanout_fini(&w->fanout);
	streams_fini(&w->streams);
	connections_fini(&w->connections);
	handler_fini(&w->handler);
	fcgi_free(w->fcgi);
	if (w->wake.store != NULL)
		wake_fini(&w->wake);
	if (w->attached)
		wake_detach(&w->store, w->inbox);
	store_close(&w->store);
	if (w->signal_fd >= 0)
		close(w->signal_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
}

static int
start(struct worker *w, int listen_fd, struct buf *why)
{
	uint32_t descriptors = raise_descriptor_limit();
	int rc = open_store(w, clock_read(), why);

	if (rc != 0)
		return rc;
	w->store.arena.lock_wait_us = REQUESTS_LOCK_WAIT_US;
	return open_loop(w, listen_fd, descriptors);
}

int
worker_run(struct options *options, int listen_fd, _Atomic uint32_t *ready)
{
	struct worker w = {
		.options = options,
		.inbox = -1,
		.signal_fd = -1,
		.epoll_fd = -1,
		.store.arena.fd = -1,
		.store.arena.opening_fd = -1,
	};
	struct buf why = { 0 };

	worker_block_signals();
	fcgi_init_library();
	/* What a batch of events takes is kept for the next; given back to the
	 * system, its pages would be faulted in again for each. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	int rc = start(&w, listen_fd, &why);
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
