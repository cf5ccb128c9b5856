#include "server/handler.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena/arena.h"
#include "arena/status.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/publish.h"
#include "server/status_page.h"
#include "wire/access.h"
#include "wire/message.h"
#include "wire/negotiate.h"
#include "wire/reply.h"
#include "wire/request.h"
#include "wire/status_json.h"
#include "wire/status_metrics.h"
#include "wire/subscription.h"

/* Buffers that one large request grew are not kept. */
#define KEPT_MAX 65536

/* How often the arena is looked for at its path.  Its link count, which costs a
 * system call as well, is read once a millisecond at most. */
#define PLACE_CHECK_MS 1000

void
handler_init(struct handler *a, struct fcgi *fcgi,
    const struct options *options, struct wake *wake)
{
	*a = (struct handler){
		.fcgi = fcgi,
		.options = options,
		.wake = wake,
	};
}

void
handler_fini(struct handler *a)
{
	buf_fini(&a->body);
	buf_fini(&a->json);
	buf_fini(&a->reply);
	buf_fini(&a->later);
}

static void
empty(struct buf *b)
{
	if (b->cap > KEPT_MAX)
		buf_fini(b);
	buf_clear(b);
}

static void
put_problem(struct handler *a, const struct request *r,
    const struct problem *problem)
{
	buf_clear(&a->reply);
	reply_problem(&a->reply, problem, &a->options->cors, r->origin,
	    r->method == REQUEST_HEAD);
}

/* Answer with what lies in json; it is not copied. */
static void
put_json(struct handler *a, const struct request *r, const char *type)
{
	reply_body(&a->reply, 200, type, buf_span(&a->json), &a->options->cors,
	    r->origin, true);
	if (r->method != REQUEST_HEAD)
		a->tail = buf_span(&a->json);
}

/* What is none of the client's fault. */
static void
put_trouble(struct handler *a, const struct request *r, int rc)
{
	struct problem problem;

	problem_set(&problem, 503, "%s",
	    rc == -ENOMEM ? "out of memory" : "the arena is unavailable");
	put_problem(a, r, &problem);
}

/* Returns 0, or -EACCES with the refusal put. */
static int
want_role(struct handler *a, const struct request *r, enum access_role role)
{
	const struct options *o = a->options;
	struct problem problem;
	int rc = access_check(r, role, o->roles,
	    o->publish_key_file != NULL ? &o->keys : NULL, &problem);

	if (rc != 0)
		put_problem(a, r, &problem);
	return rc;
}

static int
check_length(const struct handler *a, const struct request *r, bool too_large,
    struct problem *problem)
{
	uint64_t most = a->options->max_body;

	if (too_large ||
	    (r->content_length > 0 && (uint64_t)r->content_length > most)) {
		problem_set(problem, 413, "the body is longer than %llu bytes",
		    (unsigned long long)most);
		return -EINVAL;
	}
	return 0;
}

/*
 * What is put into an arena that was removed reaches none of the other workers.
 * This one ends in order, as if it were told to; its successor makes a new one.
 */
static int
check_place(struct handler *a, struct clock_now now, struct problem *problem)
{
	const struct arena *arena = &a->wake->store->arena;
	bool there = true;

	/* That it was moved is seen by its path alone, which takes longer. */
	if (now.boot_ms - a->place_seen_ms >= PLACE_CHECK_MS) {
		there = arena_in_place(arena);
		a->place_seen_ms = now.boot_ms;
	} else if (now.boot_ms != a->linked_seen_ms) {
		there = arena_is_linked(arena);
	}
	a->linked_seen_ms = now.boot_ms;
	if (there)
		return 0;
	log_at(LOG_AT_ERROR, "%s was removed; this worker ends",
	    a->options->arena);
	problem_set(problem, 503, "the arena was removed");
	(void)kill(getpid(), SIGTERM);
	return -ENOENT;
}

static void
publish(struct handler *a, const struct request *r, bool too_large)
{
	struct message_limits limits = {
		.event_size = (size_t)a->options->max_event_size,
	};
	struct clock_now now = clock_read();
	struct problem problem = { 0 };

	if (want_role(a, r, ACCESS_PUBLISH) != 0)
		return;
	int rc = check_length(a, r, too_large, &problem);
	if (rc == 0) {
		rc = fcgi_read_body(a->fcgi, &a->body);
		if (rc == 0 && r->content_length > 0 &&
		    a->body.len < (uint64_t)r->content_length)
			rc = -EPROTO;
		if (rc == -ENOMEM)
			problem_set(&problem, 503, "out of memory");
		else if (rc != 0)
			problem_set(&problem, 400,
			    "the body ends before its Content-Length");
	}
	if (rc == 0)
		rc = check_place(a, now, &problem);
	/* What is stored must not be answered by a hang-up. */
	if (rc == 0 &&
	    buf_room(&a->reply, REPLY_HEAD_MAX + r->origin.len) == NULL) {
		problem_set(&problem, 503, "out of memory");
		rc = -ENOMEM;
	}
	if (rc == 0)
		rc = publish_body(a->wake, now, r, buf_span(&a->body), &limits,
		    &problem, &a->json);
	if (rc == 0)
		put_json(a, r, "application/json");
	else
		put_problem(a, r, &problem);
}

/* Put the status as JSON or metrics.  Returns 0, or as status_take(). */
static int
put_report(struct handler *a, const struct request *r)
{
	struct clock_now now = clock_read();
	struct status status;
	bool metrics = r->path == REQUEST_METRICS;
	int rc = status_take(a->wake->store, now, &status);

	if (rc == 0) {
		if (metrics)
			status_metrics(&a->json, &status, now);
		else
			status_json(&a->json, &status, now);
		rc = buf_error(&a->json);
	}
	free(status.workers);
	if (rc != 0)
		return rc;
	if (metrics) {
		put_json(a, r, STATUS_METRICS_TYPE);
		return 0;
	}
	reply_negotiated(&a->reply, "application/json", a->json.len, NULL,
	    &a->options->cors, r->origin);
	if (r->method != REQUEST_HEAD)
		a->tail = buf_span(&a->json);
	return 0;
}

static void
put_page(struct handler *a, const struct request *r)
{
	reply_negotiated(&a->reply, STATUS_PAGE_TYPE, status_page_span().len,
	    STATUS_PAGE_POLICY, &a->options->cors, r->origin);
	if (r->method != REQUEST_HEAD)
		a->tail = status_page_span();
}

/* Returns the arrival, or NULL with a refusal or the headers alone put. */
static struct subscriber *
watch_status(struct handler *a, const struct request *r,
    const struct fcgi_peer *peer)
{
	struct subscriber *arrival = calloc(1, sizeof(*arrival));
	int rc = -ENOMEM;

	if (arrival != NULL) {
		arrival->is_status = true;
		arrival->peer = *peer;
		reply_negotiated_stream(&arrival->head, &a->options->cors,
		    r->origin);
		/* There is no refusing it once it is sent away. */
		(void)buf_room(&arrival->head, FANOUT_PREAMBLE_MAX);
		rc = buf_error(&arrival->head);
	}
	if (rc == 0 && r->method == REQUEST_GET)
		return arrival;
	if (rc == 0)
		buf_put(&a->reply, buf_span(&arrival->head));
	else
		put_trouble(a, r, rc);
	fanout_arrival_free(arrival);
	return NULL;
}

/* Returns the arrival where it is a stream that is wanted, else NULL. */
static struct subscriber *
report(struct handler *a, const struct request *r, const struct fcgi_peer *peer)
{
	static const char *const types[] = { "application/json", "text/html",
		"text/event-stream" };
	size_t chosen = 0;

	if (want_role(a, r, ACCESS_STATUS) != 0)
		return NULL;
	if (r->path == REQUEST_STATUS)
		chosen = negotiate_choose(r->accept, types, 3);
	if (chosen == 2)
		return watch_status(a, r, peer);
	if (chosen == 1) {
		put_page(a, r);
		return NULL;
	}
	int rc = put_report(a, r);
	if (rc != 0)
		put_trouble(a, r, rc);
	return NULL;
}

/* Returns the arrival, or NULL with a refusal or the headers alone put. */
static struct subscriber *
subscribe(struct handler *a, const struct request *r,
    const struct fcgi_peer *peer)
{
	struct subscriber *arrival = calloc(1, sizeof(*arrival));
	struct problem problem = { 0 };
	int rc = -ENOMEM;

	if (want_role(a, r, ACCESS_SUBSCRIBE) != 0) {
		free(arrival);
		return NULL;
	}
	problem_set(&problem, 503, "out of memory");
	if (arrival != NULL) {
		rc = subscription_read(&arrival->wanted, r,
		    a->options->channel_param, fcgi_look, a->fcgi, &problem);
		arrival->peer = *peer;
	}
	if (rc == 0) {
		reply_stream(&arrival->head, &a->options->cors, r->origin);
		/* There is no refusing it once the fanout has it. */
		(void)buf_room(&arrival->head, FANOUT_PREAMBLE_MAX);
		rc = buf_error(&arrival->head);
	}
	if (rc == 0 && r->method == REQUEST_GET)
		return arrival;
	if (rc == 0)
		buf_put(&a->reply, buf_span(&arrival->head));
	else
		put_problem(a, r, &problem);
	fanout_arrival_free(arrival);
	return NULL;
}

static struct subscriber *
route(struct handler *a, const struct request *r, const struct fcgi_peer *peer,
    bool too_large)
{
	bool reads = r->method == REQUEST_GET || r->method == REQUEST_HEAD;
	struct problem problem;

	if (r->path == REQUEST_UNKNOWN) {
		problem_set(&problem, 404,
		    "there is nothing below this address but status and "
		    "metrics");
		put_problem(a, r, &problem);
	} else if (r->method == REQUEST_OPTIONS) {
		reply_options(&a->reply, &a->options->cors, r->origin,
		    r->path != REQUEST_MOUNT);
	} else if (reads && r->path == REQUEST_MOUNT) {
		return subscribe(a, r, peer);
	} else if (reads) {
		return report(a, r, peer);
	} else if (r->method == REQUEST_POST && r->path == REQUEST_MOUNT) {
		publish(a, r, too_large);
	} else {
		problem_set(&problem, 405,
		    r->method == REQUEST_POST
			? "POST is for the address above this one"
			: "the method is none of GET, HEAD, POST and OPTIONS");
		problem.reads_only = r->path != REQUEST_MOUNT;
		put_problem(a, r, &problem);
	}
	return NULL;
}

struct subscriber *
handler_run(struct handler *a, const struct fcgi_peer *peer, bool too_large,
    bool *good)
{
	struct request r;

	empty(&a->body);
	empty(&a->json);
	empty(&a->reply);
	empty(&a->later);
	a->tail = (struct span){ NULL, 0 };
	request_read(&r, fcgi_look, a->fcgi);
	struct subscriber *arrival = route(a, &r, peer, too_large);
	if (arrival != NULL) {
		fcgi_park(a->fcgi, peer);
		return arrival;
	}
	*good = buf_error(&a->reply) == 0 &&
	    fcgi_reply(a->fcgi, peer, buf_span(&a->reply), a->tail,
		&a->later) == 0;
	return NULL;
}
