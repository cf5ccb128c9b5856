/*
 * Variables are read once, then access is built, then the path and the method
 * decide. What can be refused is refused before anything is stored; the reply's
 * memory is taken before the append, because what was stored must be answered.
 */
#include "server/handler.h"

#include <errno.h>
#include <stdlib.h>

#include "arena/arena.h"
#include "arena/status.h"
#include "base/log.h"
#include "server/fanout.h"
#include "server/publish.h"
#include "server/status_page.h"
#include "wire/access.h"
#include "wire/message.h"
#include "wire/negotiate.h"
#include "wire/reply.h"
#include "wire/request.h"
#include "wire/status_json.h"
#include "wire/status_metrics.h"

/* Buffers that one large request grew are not kept. */
#define KEPT_MAX 65536

/* How often the arena is looked for at its path.  Its link count, which costs a
 * system call as well, is read once a millisecond at most. */
#define PLACE_CHECK_MS 1000

void
handler_init(struct handler *a, const struct options *options,
    struct wake *wake, int inbox)
{
	*a = (struct handler){
		.options = options,
		.wake = wake,
		.inbox = inbox,
	};
}

/* Free what HANDLER_STREAM has left in wanted. */
static void
free_wanted(struct handler *a)
{
	if (a->wanted.store.cap > 0)
		subscription_fini(&a->wanted);
}

void
handler_fini(struct handler *a)
{
	free_wanted(a);
	buf_fini(&a->json);
	buf_fini(&a->reply);
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

	problem_set(&problem, PROBLEM_UNAVAILABLE, "%s",
	    rc == -ENOMEM ? "out of memory" : "the arena is unavailable");
	put_problem(a, r, &problem);
}

/* Returns 0, or -EACCES with the refusal put. */
static int
want_role(struct handler *a, const struct request *r, enum access_role role)
{
	struct problem problem;
	int rc = access_check(&a->access, role, &problem);

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
		problem_set(problem, PROBLEM_TOO_LARGE,
		    "the body is longer than %llu bytes",
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
	problem_set(problem, PROBLEM_UNAVAILABLE, "the arena was removed");
	a->arena_gone = true;
	return -ENOENT;
}

/* The body must be as long as it was said to be, and not too long. */
static int
check_body(const struct handler *a, const struct request *r,
    const struct fcgi_record_request *record, struct problem *problem)
{
	if (check_length(a, r, record->too_large, problem) != 0)
		return -EINVAL;
	if (r->content_length <= 0 ||
	    record->body.len >= (uint64_t)r->content_length)
		return 0;
	problem_set(problem, PROBLEM_INCOMPLETE_BODY,
	    "the body ends before its Content-Length");
	return -EINVAL;
}

/* Publish, in steps where the body is long.  Returns as publish_step(). */
static int
publish_some(struct handler *a, const struct request *r, struct span body,
    const struct publish_to *to, struct problem *problem)
{
	const struct message_rules rules = {
		.event_size = (size_t)a->options->max_event_size,
		.access = &a->access,
	};

	if (body.len <= PUBLISH_STEP)
		return publish_body(to, r, body, &rules, problem);
	return publish_step(a->publish, to, r, body, &rules, problem);
}

static enum handler_outcome
publish(struct handler *a, const struct request *r,
    const struct fcgi_record_request *record, struct clock_now now)
{
	const struct publish_to to = { a->wake, now, &a->json };
	struct problem problem = { 0 };

	if (want_role(a, r, ACCESS_PUBLISH) != 0)
		return HANDLER_REPLY;
	int rc = check_body(a, r, record, &problem);
	if (rc == 0)
		rc = check_place(a, now, &problem);
	/* What is stored must not be answered by a hang-up. */
	if (rc == 0 &&
	    buf_room(&a->reply, REPLY_HEAD_MAX + r->origin.len) == NULL) {
		problem_set(&problem, PROBLEM_UNAVAILABLE, "out of memory");
		rc = -ENOMEM;
	}
	if (rc == 0)
		rc = publish_some(a, r, buf_span(&record->body), &to, &problem);
	if (rc == 1)
		return HANDLER_WORKING;
	if (rc == -ETIMEDOUT)
		return HANDLER_BUSY;
	a->had_lock = rc == 0;
	if (rc == 0)
		put_json(a, r, "application/json");
	else
		put_problem(a, r, &problem);
	return HANDLER_REPLY;
}

/* Put the status as JSON or metrics.  Returns 0, or as status_take(). */
static int
put_report(struct handler *a, const struct request *r, struct clock_now now)
{
	struct status status;
	bool metrics = r->path == REQUEST_METRICS;
	int rc = status_take(a->wake->store, now, &status);

	if (rc == 0) {
		if (metrics)
			status_metrics(&a->json, &status);
		else
			status_json(&a->json, &status);
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

static void
put_words(struct handler *a, const struct request *r, int status,
    struct span words)
{
	buf_clear(&a->reply);
	reply_body(&a->reply, status, "text/plain", words, &a->options->cors,
	    r->origin, r->method == REQUEST_HEAD);
}

/* For load balancers and service managers, which have no role. */
static enum handler_outcome
report_health(struct handler *a, const struct request *r)
{
	int rc = a->stopping || a->arena_gone ? -ENOENT
					      : store_check(a->wake->store);

	if (rc == -ETIMEDOUT)
		return HANDLER_BUSY;
	a->had_lock = rc == 0;
	if (a->stopping)
		put_words(a, r, 503, SPAN("peal is stopping"));
	else if (rc != 0)
		put_words(a, r, 503, SPAN("the arena is unavailable"));
	else
		put_words(a, r, 200, SPAN("ok"));
	return HANDLER_REPLY;
}

/* See that a stream's header block is there, with room for what comes behind it. */
static enum handler_outcome
begin_stream(struct handler *a, const struct request *r,
    enum handler_outcome outcome)
{
	/* There is no refusing it later. */
	(void)buf_room(&a->reply, FANOUT_PREAMBLE_MAX);
	int rc = buf_error(&a->reply);

	if (rc == 0 && r->method == REQUEST_GET)
		return outcome;
	if (rc != 0)
		put_trouble(a, r, rc);
	return HANDLER_REPLY;
}

static enum handler_outcome
report(struct handler *a, const struct request *r, struct clock_now now)
{
	static const char *const types[] = { "application/json", "text/html",
		"text/event-stream" };
	size_t chosen = 0;

	if (want_role(a, r, ACCESS_STATUS) != 0)
		return HANDLER_REPLY;
	if (r->path == REQUEST_STATUS)
		chosen = negotiate_choose(r->accept, types, 3);
	if (chosen == 2) {
		reply_negotiated_stream(&a->reply, &a->options->cors,
		    r->origin);
		return begin_stream(a, r, HANDLER_STATUS_STREAM);
	}
	if (chosen == 1) {
		put_page(a, r);
		return HANDLER_REPLY;
	}
	int rc = put_report(a, r, now);
	if (rc == -ETIMEDOUT)
		return HANDLER_BUSY;
	a->had_lock = rc == 0;
	if (rc != 0)
		put_trouble(a, r, rc);
	return HANDLER_REPLY;
}

/*
 * A stream of an arena that others have left would hear nothing: it is refused politely,
 * and comes back to this worker's successor.
 */
static void
check_inbox(struct handler *a, struct clock_now now)
{
	if (now.boot_ms == a->inbox_seen_ms || a->arena_gone)
		return;
	a->inbox_seen_ms = now.boot_ms;
	if (wake_in_place(a->wake->store, a->inbox))
		return;
	log_at(LOG_AT_ERROR, "%s was removed or recreated; this worker ends",
	    a->options->arena);
	a->arena_gone = true;
}

static enum handler_outcome
subscribe(struct handler *a, const struct request *r,
    const struct fcgi_record_request *record, struct clock_now now)
{
	struct problem problem = { 0 };

	if (want_role(a, r, ACCESS_SUBSCRIBE) != 0)
		return HANDLER_REPLY;
	const struct subscription_rules rules = {
		.channel_param = a->options->channel_param,
		.access = &a->access,
	};
	if (subscription_read(&a->wanted, r, &rules, fcgi_record_variable,
		record, &problem) != 0) {
		put_problem(a, r, &problem);
		return HANDLER_REPLY;
	}
	check_inbox(a, now);
	reply_stream(&a->reply, &a->options->cors, r->origin);
	return begin_stream(a, r, HANDLER_STREAM);
}

static enum handler_outcome
route(struct handler *a, const struct request *r,
    const struct fcgi_record_request *record, struct clock_now now)
{
	bool reads = r->method == REQUEST_GET || r->method == REQUEST_HEAD;
	struct problem problem;

	if (r->path == REQUEST_UNKNOWN) {
		problem_set(&problem, PROBLEM_NOT_FOUND,
		    "there is nothing below this address but status, metrics "
		    "and health");
		put_problem(a, r, &problem);
	} else if (r->method == REQUEST_OPTIONS) {
		reply_options(&a->reply, &a->options->cors, r->origin,
		    r->path != REQUEST_MOUNT);
	} else if (reads && r->path == REQUEST_MOUNT) {
		return subscribe(a, r, record, now);
	} else if (reads && r->path == REQUEST_HEALTH) {
		return report_health(a, r);
	} else if (reads) {
		return report(a, r, now);
	} else if (r->method == REQUEST_POST && r->path == REQUEST_MOUNT) {
		return publish(a, r, record, now);
	} else {
		problem_set(&problem, PROBLEM_METHOD,
		    r->method == REQUEST_POST
			? "POST is for the address above this one"
			: "the method is none of GET, HEAD, POST and OPTIONS");
		problem.reads_only = r->path != REQUEST_MOUNT;
		put_problem(a, r, &problem);
	}
	return HANDLER_REPLY;
}

/* Read a request's variables into r, with nothing left of the last answer. */
static void
begin(struct handler *a, const struct fcgi_record_request *record,
    struct request *r)
{
	empty(&a->json);
	empty(&a->reply);
	a->tail = (struct span){ NULL, 0 };
	a->had_lock = false;
	free_wanted(a);
	request_read(r, fcgi_record_variable, record);
	access_build(&a->access, r, a->options->roles,
	    a->options->publish_key_file != NULL ? &a->options->keys : NULL);
}

enum handler_outcome
handler_run(struct handler *a, const struct fcgi_record_request *record,
    struct publish **publish, struct clock_now now)
{
	struct request r;

	a->publish = publish;
	begin(a, record, &r);
	return route(a, &r, record, now);
}

bool
handler_admits(struct handler *a, const struct fcgi_record_request *record)
{
	enum message_type type;
	struct problem problem;
	struct request r;

	begin(a, record, &r);
	if (r.path != REQUEST_MOUNT || r.method != REQUEST_POST)
		return true;
	if (want_role(a, &r, ACCESS_PUBLISH) != 0)
		return false;
	if (message_accept(r.content_type, r.content_encoding, &type,
		&problem) == 0)
		return true;
	put_problem(a, &r, &problem);
	return false;
}

void
handler_give_up(struct handler *a, const struct fcgi_record_request *record)
{
	struct request r;

	begin(a, record, &r);
	put_trouble(a, &r, -ETIMEDOUT);
}
