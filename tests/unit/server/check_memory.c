/*
 * Every allocation of ours fails once.  What is said then is clear, nothing is left
 * behind, nothing was stored where an error is returned, and the next call works.
 * The mailbox and wake_append() are made to need no memory at all.
 */
#include "arena_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server/connection.h"
#include "server/fanout.h"
#include "server/fcgi.h"
#include "server/handler.h"
#include "server/intake.h"
#include "server/listen.h"
#include "server/options.h"
#include "server/publish.h"
#include "server/status_feed.h"
#include "server/streams.h"
#include "wire/fcgi_record.h"
#include "wire/message.h"
#include "wire/reply.h"
#include "seam.h"
#include "arena/status.h"
#include "wire/sse.h"

static bool
was_hit(void)
{
	return atomic_load(&seam.hit);
}

static bool
has(struct span s, const char *part)
{
	return s.len > 0 && memmem(s.ptr, s.len, part, strlen(part)) != NULL;
}

/* A reason is told, or that there was no memory for telling. */
static void
assert_told(const struct buf *why)
{
	ck_assert(buf_error(why) != 0 || has(buf_span(why), "memory"));
}

static void
assert_out_of_memory(const struct problem *problem)
{
	ck_assert_int_eq(problem->status, 503);
	ck_assert_str_eq(problem->detail, "out of memory");
}

/* ---- What is read ---- */

struct body {
	const char *type;
	const char *query;
	const char *text;
};

#define NINE_CHANNELS "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]"

static const struct body bodies[] = {
	{ "application/json", "", "{\"channel\":\"a\",\"data\":1}" },
	{ "application/json", "",
	    "{\"ch\\u0061nnel\":\"\\u0061\",\"topic\":\"\\u0074\",\"data\":1}" },
	{ "application/json", "",
	    "[{\"channel\":" NINE_CHANNELS ",\"data\":[1, 2]}]" },
	{ "application/x-ndjson", "",
	    "{\"channel\":\"a\",\"data\":1}\n{\"channel\":\"b\",\"data\":2}" },
	{ "application/x-www-form-urlencoded", "",
	    "channel=a&channel[]=b&topic=t&data=text%20and%20more" },
	{ "text/plain", "channel=a&topic=t", "as it is" },
};

static void
try_message(void *setup)
{
	const struct body *b = setup;
	const struct message_limits limits = { .event_size = 1000 };
	struct problem problem = { 0 };
	struct message m;
	int rc;

	SEAM_STARVE(
	    rc = message_read(&m, message_type_of(span_of(b->type)),
		span_of(b->text), span_of(b->query), &limits, &problem));

	ck_assert_int_eq(rc, was_hit() ? -EINVAL : 0);
	if (was_hit())
		assert_out_of_memory(&problem);
	ck_assert_int_eq(m.count == 0, was_hit());
	message_fini(&m);
}

START_TEST(message_that_cannot_be_read_is_a_problem)
{
	for (size_t i = 0; i < UNIT_COUNT(bodies); i++) {
		struct body b = bodies[i];
		seam_starve(try_message, &b);
	}
}
END_TEST

static const char *
look_fixed(const void *context, const char *name)
{
	(void)context;
	if (strcmp(name, "PEAL_CHANNEL") == 0)
		return "news user-{REMOTE_USER}";
	if (strcmp(name, "REMOTE_USER") == 0)
		return "a name that is longer than the sixty-four bytes that a "
		       "buffer takes at first";
	return strcmp(name, "HTTP_LAST_EVENT_ID") == 0 ? "earliest" : NULL;
}

static const char *
look_nothing(const void *context, const char *name)
{
	(void)context;
	(void)name;
	return NULL;
}

static void
try_subscription(void *setup)
{
	request_look *look = *(request_look **)setup;
	const struct request r = {
		.query = SPAN("channel=a%20long%20name%20of%20a%20channel&"
			      "channel=another%20one&lastEventId=earliest&"
			      "channel=and%20a%20third%20that%20needs%20room"),
	};
	struct subscription s;
	struct problem problem = { 0 };
	int rc;

	SEAM_STARVE(
	    rc = subscription_read(&s, &r, "channel", look, NULL, &problem));

	ck_assert_int_eq(rc, was_hit() ? -EINVAL : 0);
	if (was_hit())
		assert_out_of_memory(&problem);
	else
		ck_assert_int_eq((int)s.resume.kind, EVENT_RESUME_EARLIEST);
	subscription_fini(&s);
}

START_TEST(subscription_that_cannot_be_read_is_a_problem)
{
	request_look *look = look_fixed;

	seam_starve(try_subscription, &look);
	look = look_nothing;
	seam_starve(try_subscription, &look);
}
END_TEST

/* ---- What is replied ---- */

static void
put_reply(struct buf *out, int which)
{
	const struct reply_cors cors = { { SPAN("https://a.example") }, 1 };
	const struct span origin = SPAN("https://a.example");
	const struct problem problem = { 503, "out of memory", false };
	const struct reply_published event = { SPAN("a"), 1, 1 };

	if (which == 0)
		reply_stream(out, &cors, origin);
	else if (which == 1)
		reply_options(out, &cors, origin, false);
	else if (which == 2)
		reply_problem(out, &problem, &cors, origin, false);
	else if (which == 3)
		reply_published(out, &event, 1, true);
	else
		reply_body(out, 200, "text/plain", SPAN("x"), &cors, origin,
		    false);
}

static void
try_reply(void *setup)
{
	struct buf out = { 0 };

	SEAM_STARVE(put_reply(&out, *(int *)setup));

	ck_assert_int_eq(buf_error(&out), was_hit() ? -ENOMEM : 0);
	buf_fini(&out);
}

START_TEST(reply_that_is_not_whole_says_so)
{
	for (int which = 0; which < 5; which++)
		seam_starve(try_reply, &which);
}
END_TEST

START_TEST(longest_heads_are_within_their_limit)
{
	const struct span origin = SPAN("https://a.example");
	struct reply_cors cors = { { origin }, 1 };
	struct buf out = { 0 };

	reply_body(&out, 200, "text/plain; version=0.0.4; charset=utf-8",
	    (struct span){ "", SIZE_MAX }, &cors, origin, true);

	ck_assert_uint_le(out.len, REPLY_HEAD_MAX + origin.len);
	buf_fini(&out);
}
END_TEST

/* ---- Options ---- */

struct files {
	char config[FIXTURE_PATH + 32];
	char keys[FIXTURE_PATH + 32];
};

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
files_make(struct files *f)
{
	char folder[FIXTURE_PATH];

	(void)snprintf(folder, sizeof(folder), "%s/XXXXXX", fixture_root);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(f->config, sizeof(f->config), "%s/conf", folder);
	(void)snprintf(f->keys, sizeof(f->keys), "%s/keys", folder);
	write_file(f->config,
	    "workers 3\narena /x/y\ncors-origin https://A.example\n");
	write_file(f->keys, "0123456789abcdef\n");
}

static enum options_outcome
read_options(struct options *o, const struct files *f, const char *more,
    struct buf *text)
{
	const char *arguments[] = { "peal.fcgi", "--config", f->config,
		"--publish-key-file", f->keys, more };

	return options_read(o, more == NULL ? 5 : 6,
	    (char **)(uintptr_t)arguments, text);
}

static void
try_options(void *setup)
{
	struct options o;
	struct buf text = { 0 };
	enum options_outcome outcome;

	SEAM_STARVE(outcome = read_options(&o, setup, NULL, &text));

	if (outcome == OPTIONS_RUN) {
		ck_assert_uint_eq(o.workers, 3);
		ck_assert_str_eq(o.arena, "/x/y");
		ck_assert_uint_eq(o.cors.count, 1);
		ck_assert_uint_eq(o.keys.count, 1);
	} else {
		ck_assert(was_hit());
		ck_assert_int_ne((int)outcome, OPTIONS_SAID);
		assert_told(&text);
	}
	options_fini(&o);
	buf_fini(&text);
}

static void
try_help(void *setup)
{
	struct options o;
	struct buf text = { 0 };
	enum options_outcome outcome;

	SEAM_STARVE(outcome = read_options(&o, setup, "--help", &text));

	ck_assert_int_eq(outcome == OPTIONS_SAID, !was_hit());
	if (was_hit())
		assert_told(&text);
	options_fini(&o);
	buf_fini(&text);
}

static void
try_reload(void *setup)
{
	struct options o;
	struct buf text = { 0 };
	int rc;
	ck_assert_int_eq((int)read_options(&o, setup, NULL, &text),
	    OPTIONS_RUN);

	SEAM_STARVE(rc = options_reload_keys(&o, &text));

	ck_assert_int_eq(rc, was_hit() ? -ENOMEM : 0);
	if (was_hit())
		assert_told(&text);
	ck_assert_uint_eq(o.keys.count, 1);
	unit_assert_span(o.keys.keys[0], "0123456789abcdef");
	options_fini(&o);
	buf_fini(&text);
}

START_TEST(options_are_read_whole_or_refused)
{
	struct files f;
	files_make(&f);

	seam_starve(try_options, &f);
	seam_starve(try_help, &f);
}
END_TEST

START_TEST(old_keys_stay_when_new_ones_cannot_be_read)
{
	struct files f;
	files_make(&f);

	seam_starve(try_reload, &f);
}
END_TEST

static void
try_listener(void *setup)
{
	const struct options *o = setup;
	struct listen l;
	struct buf why = { 0 };
	int rc;

	SEAM_STARVE(rc = listen_open(&l, o, &why));

	ck_assert_int_eq(rc, was_hit() ? -ENOMEM : 0);
	if (was_hit())
		assert_told(&why);
	listen_close(&l);
	/* Left behind, it would stand in the way of the next. */
	ck_assert_int_ne(access(o->listen, F_OK), 0);
	buf_fini(&why);
}

START_TEST(socket_that_cannot_be_made_is_refused)
{
	char path[FIXTURE_PATH];
	fixture_path(path);
	struct options o = { .listen = path, .socket_mode = 0600 };

	seam_starve(try_listener, &o);
}
END_TEST

/* ---- The arena ---- */

static void
try_open(void *setup)
{
	const struct store_limits limits = { FIXTURE_MAX_AGE_MS,
		FIXTURE_MAX_EVENTS };
	struct store s;
	struct buf why = { 0 };
	int rc;

	SEAM_STARVE(rc = store_open(&s, setup, FIXTURE_SIZE, &limits,
			FIXTURE_NOW, &why));

	/* What is told of a file that is to be made is for nobody. */
	ck_assert(rc == 0 || (was_hit() && rc == -ENOMEM));
	if (rc != 0)
		assert_told(&why);
	else
		fixture_assert_sound(&s);
	store_close(&s);
	buf_fini(&why);
}

static void
try_make(void *setup)
{
	(void)unlink(setup);
	try_open(setup);
}

START_TEST(arena_is_opened_and_made_or_refused)
{
	char path[FIXTURE_PATH];
	fixture_path(path);

	seam_starve(try_make, path);
	seam_starve(try_open, path);
}
END_TEST

static void
try_sender(void *setup)
{
	struct fixture_worker *w = setup;
	struct wake wake;
	int rc;

	SEAM_STARVE(rc = wake_init(&wake, &w->store, 16));

	ck_assert_int_eq(rc, was_hit() ? -ENOMEM : 0);
	wake_fini(&wake);
}

static void
try_status(void *setup)
{
	struct fixture_worker *w = setup;
	struct status status;
	int rc;

	SEAM_STARVE(rc = status_take(&w->store, FIXTURE_NOW, &status));

	ck_assert_int_eq(rc, was_hit() ? -ENOMEM : 0);
	free(status.workers);
}

static void
try_verify(void *setup)
{
	struct fixture_worker *w = setup;
	struct buf faults = { 0 };
	size_t count;
	int rc;

	SEAM_STARVE(rc = verify_store(&w->store, &faults, &count));

	ck_assert_int_eq(rc, was_hit() ? -ENOMEM : 0);
	ck_assert_uint_eq(count, 0);
	buf_fini(&faults);
}

START_TEST(arena_is_looked_at_or_not)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&w, path);

	seam_starve(try_sender, &w);
	seam_starve(try_status, &w);
	seam_starve(try_verify, &w);

	fixture_leave(&w);
}
END_TEST

START_TEST(worker_attaches_and_is_woken_without_memory)
{
	struct fixture_worker sender;
	struct store s;
	struct buf why = { 0 };
	char path[FIXTURE_PATH];
	int inbox = -1;
	fixture_path(path);
	fixture_join(&sender, path);
	fixture_open(&s, path);
	struct follow_join join = { .name = SPAN("a") };
	const struct event_resume live = { .kind = EVENT_RESUME_NONE };
	struct follow_joined joined;
	const struct store_event event = { .channel = SPAN("a"),
		.body = FIXTURE_BODY };
	struct store_appended appended;
	struct pollfd news = { .events = POLLIN };
	int rc[3];
	seam.nth = 1;
	seam.lasting = true;

	SEAM_STARVE(rc[0] = wake_attach(&s, FIXTURE_NOW, &inbox, &why));
	SEAM_STARVE(
	    rc[1] = follow_join(&s, FIXTURE_NOW, &join, 1, live, &joined));
	SEAM_STARVE(rc[2] = wake_append(&sender.wake, FIXTURE_NOW, &event, 1,
			&appended));
	news.fd = inbox;

	ck_assert_int_eq(rc[0], 0);
	ck_assert_int_eq(rc[1], 0);
	ck_assert_int_eq(rc[2], 0);
	ck_assert_int_eq(poll(&news, 1, 0), 1);
	ck_assert(wake_in_place(&s, inbox));
	wake_detach(&s, inbox);
	store_close(&s);
	fixture_leave(&sender);
}
END_TEST

struct posting {
	struct fixture_worker w;
	struct body body;
};

static uint32_t
events_of(struct store *s)
{
	return s->arena.header->events;
}

static void
try_publish(void *setup)
{
	struct posting *p = setup;
	const struct request r = { .content_type = span_of(p->body.type),
		.query = span_of(p->body.query) };
	const struct message_limits limits = { .event_size = 1000 };
	struct problem problem = { 0 };
	struct buf reply = { 0 };
	uint64_t last = store_last_id(&p->w.store);
	uint32_t events = events_of(&p->w.store);
	int rc;

	SEAM_STARVE(rc = publish_body(&p->w.wake, FIXTURE_NOW, &r,
			span_of(p->body.text), &limits, &problem, &reply));

	ck_assert_int_eq(rc, was_hit() ? -EINVAL : 0);
	if (was_hit()) {
		assert_out_of_memory(&problem);
		ck_assert_uint_eq(store_last_id(&p->w.store), last);
		ck_assert_uint_eq(events_of(&p->w.store), events);
	} else {
		ck_assert_int_eq(buf_error(&reply), 0);
		ck_assert(has(buf_span(&reply), "\"id\":"));
		ck_assert_uint_gt(store_last_id(&p->w.store), last);
	}
	buf_fini(&reply);
}

START_TEST(event_is_stored_and_answered_or_neither)
{
	struct posting p;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&p.w, path);

	for (size_t i = 0; i < UNIT_COUNT(bodies); i++) {
		p.body = bodies[i];
		seam_starve(try_publish, &p);
	}

	fixture_assert_sound(&p.w.store);
	fixture_leave(&p.w);
}
END_TEST

/* ---- FastCGI ---- */

/* Append a record. */
static void
put_record(struct buf *out, char type, struct span content)
{
	const char header[] = { 1, type, 0, 1, (char)(content.len >> 8),
		(char)(content.len & 0xff), 0, 0 };

	buf_put(out, (struct span){ header, sizeof(header) });
	buf_put(out, content);
}

static void
put_variable(struct buf *out, const char *name, const char *value)
{
	buf_put_char(out, (char)strlen(name));
	buf_put_char(out, (char)strlen(value));
	buf_put_cstr(out, name);
	buf_put_cstr(out, value);
}

/* The records of a request by somebody who may do everything. */
static void
put_request(struct buf *out, const char *method, const char *uri,
    const char *query, const char *body)
{
	const char begin[8] = { 0, 1, 1 };
	struct buf params = { 0 };

	put_variable(&params, "REQUEST_METHOD", method);
	put_variable(&params, "REQUEST_URI", uri);
	put_variable(&params, "QUERY_STRING", query);
	put_variable(&params, "CONTENT_TYPE", "text/plain");
	/* The status goes by it, and looks at no query. */
	put_variable(&params, "HTTP_ACCEPT", query);
	put_variable(&params, "PEAL_ROLES", "subscribe publish status");
	put_record(out, 1, (struct span){ begin, sizeof(begin) });
	put_record(out, 4, buf_span(&params));
	put_record(out, 4, SPAN(""));
	if (body[0] != '\0')
		put_record(out, 5, span_of(body));
	put_record(out, 5, SPAN(""));
	buf_fini(&params);
}

/*
 * Take what has arrived: the content of STDOUT goes to out.  Returns true if
 * FCGI_END_REQUEST was there.
 */
static bool
take_answer(int fd, struct buf *out)
{
	unsigned char h[8];
	bool ended = false;

	while (recv(fd, h, sizeof(h), MSG_DONTWAIT) == (ssize_t)sizeof(h)) {
		size_t len = (size_t)h[4] << 8 | h[5];
		char padding[256];
		char *to = buf_room(out, len + 1);
		ck_assert_int_eq(recv(fd, to, len, MSG_WAITALL), (ssize_t)len);
		if (h[6] > 0)
			ck_assert_int_eq(recv(fd, padding, h[6], MSG_WAITALL),
			    h[6]);
		ended = ended || h[1] == 3;
		if (h[1] == 6)
			out->len += len;
	}
	return ended;
}

static void
try_gate(void *setup)
{
	struct fcgi *g;

	(void)setup;
	SEAM_STARVE(g = fcgi_new());

	ck_assert_int_eq(g == NULL, was_hit());
	fcgi_free(g);
}

static void
try_body(void *setup)
{
	struct fcgi *g = fcgi_new();
	struct buf body = { 0 };
	int rc;
	ck_assert_int_eq(fcgi_read(g, buf_span(setup), 4096), 0);

	SEAM_STARVE(rc = fcgi_read_body(g, &body));

	ck_assert_int_eq(rc, was_hit() ? -ENOMEM : 0);
	if (!was_hit())
		unit_assert_span(buf_span(&body), "a body");
	fcgi_park(g, &(struct fcgi_peer){ .fd = -1 });
	buf_fini(&body);
	fcgi_free(g);
}

static void
try_read(void *setup)
{
	struct fcgi *g = fcgi_new();
	int rc;

	SEAM_STARVE(rc = fcgi_read(g, buf_span(setup), 4096));

	ck_assert_int_eq(rc, was_hit() ? -ENOMEM : 0);
	fcgi_free(g);
}

/* A long answer is kept for later, or written at once; never neither, nor both. */
static void
try_long_reply(void *setup)
{
	static char body[30000];
	struct fcgi *g = fcgi_new();
	struct buf later = { 0 };
	struct buf reply = { 0 };
	int pair[2];
	int rc;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	const struct fcgi_peer peer = { .fd = pair[0], .id = 1 };
	ck_assert_int_eq(fcgi_read(g, buf_span(setup), 4096), 0);

	SEAM_STARVE(rc = fcgi_reply(g, &peer, SPAN("Status: 200\r\n\r\n"),
			(struct span){ body, sizeof(body) }, &later));

	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(later.len == 0, was_hit());
	if (later.len > 0)
		ck_assert_int_eq(send(pair[0], later.ptr, later.len,
				     MSG_DONTWAIT),
		    (ssize_t)later.len);
	ck_assert(take_answer(pair[1], &reply));
	ck_assert_uint_eq(reply.len,
	    sizeof("Status: 200\r\n\r\n") - 1 + sizeof(body));
	fcgi_free(g);
	close(pair[0]);
	close(pair[1]);
	buf_fini(&later);
	buf_fini(&reply);
}

START_TEST(gate_and_body_are_there_or_not)
{
	struct buf records = { 0 };
	fcgi_init_library();
	put_request(&records, "POST", "/e", "channel=a", "a body");

	seam_starve(try_gate, NULL);
	seam_starve(try_read, &records);
	seam_starve(try_body, &records);
	seam_starve(try_long_reply, &records);

	buf_fini(&records);
}
END_TEST

static const struct body asked[] = {
	{ "GET", "/e?channel=a", "" },
	{ "HEAD", "/e?channel=a", "" },
	{ "POST", "/e?channel=a&channel=b", "a body" },
	{ "GET", "/e/status", "" },
	{ "HEAD", "/e/status", "" },
	{ "GET", "/e/status?text/html", "" },
	{ "GET", "/e/status?text/event-stream", "" },
	{ "HEAD", "/e/status?text/event-stream", "" },
	{ "GET", "/e/metrics", "" },
	{ "OPTIONS", "/e", "" },
	{ "GET", "/e/status/x", "" },
	{ "DELETE", "/e", "" },
};

struct asking {
	struct fixture_worker w;
	struct options options;
	struct buf records;
	bool publishes;
};

static void
check_reply(const struct asking *s, struct span reply, uint64_t last)
{
	bool stored = store_last_id(&s->w.store) > last;
	char length[40] = "Content-Length: ";

	ck_assert(has(reply, "Status: "));
	ck_assert_int_eq(stored, s->publishes && !has(reply, "Status: 503"));
	if (!has(reply, length))
		return;
	const char *end = memmem(reply.ptr, reply.len, "\r\n\r\n", 4);
	ck_assert_ptr_nonnull(end);
	size_t body = reply.len - (size_t)(end + 4 - reply.ptr);
	(void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n", body);
	if (body > 0) {
		ck_assert(has(reply, length));
		ck_assert_int_eq(has(reply, "\"detail\":\"out of memory\""),
		    has(reply, "Status: 503"));
	}
}

/* A request is answered, becomes a stream, or is hung up on; no half things. */
static void
try_answer(void *setup)
{
	struct asking *s = setup;
	struct buf reply = { 0 };
	struct handler answer;
	struct fcgi *g = fcgi_new();
	uint64_t last = store_last_id(&s->w.store);
	int pair[2];
	bool good = false;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	const struct fcgi_peer peer = { pair[0], 1, false, true };
	struct subscriber *arrival;
	handler_init(&answer, g, &s->options, &s->w.wake);
	ck_assert_int_eq(fcgi_read(g, buf_span(&s->records), 4096), 0);

	SEAM_STARVE(arrival = handler_run(&answer, &peer, false, &good));

	if (answer.later.len > 0)
		ck_assert_int_eq(send(pair[0], answer.later.ptr,
				     answer.later.len, MSG_DONTWAIT),
		    (ssize_t)answer.later.len);
	bool ended = take_answer(pair[1], &reply);
	if (arrival != NULL) {
		ck_assert(!was_hit());
		ck_assert_int_eq(buf_error(&arrival->head), 0);
	} else if (good) {
		ck_assert(ended);
		check_reply(s, buf_span(&reply), last);
		ck_assert(was_hit() || !has(buf_span(&reply), "Status: 503"));
	} else {
		ck_assert(was_hit());
		ck_assert_uint_eq(reply.len, 0);
		ck_assert_uint_eq(store_last_id(&s->w.store), last);
	}
	fanout_arrival_free(arrival);
	handler_fini(&answer);
	fcgi_free(g);
	close(pair[0]);
	close(pair[1]);
	buf_fini(&reply);
}

START_TEST(request_is_answered_whole_or_hung_up_on)
{
	char param[] = "channel";
	struct asking s = { .options = { .max_body = 1000,
				.max_event_size = 1000,
				.channel_param = param } };
	char path[FIXTURE_PATH];
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&s.w, path);
	s.options.cors.origins[0] = SPAN("*");
	s.options.cors.count = 1;

	for (size_t i = 0; i < UNIT_COUNT(asked); i++) {
		const struct body *b = &asked[i];
		const char *query = strchr(b->query, '?');
		s.publishes = strcmp(b->type, "POST") == 0;
		buf_clear(&s.records);
		put_request(&s.records, b->type, b->query,
		    query == NULL ? "" : query + 1, b->text);
		seam_starve(try_answer, &s);
	}

	fixture_assert_sound(&s.w.store);
	buf_fini(&s.records);
	fixture_leave(&s.w);
}
END_TEST

/* ---- Streams ---- */

/* A worker's streams and a subscriber, whose end of the line is ours. */
struct setup {
	struct fixture_worker *w;
	struct fcgi *fcgi;
	struct streams streams;
	struct fanout fanout;
	int ours;
};

static void
setup_make(struct setup *h, struct fixture_worker *w)
{
	const struct streams_settings settings = { .retry_ms = 3000,
		.stall_ms = 30000,
		.max_streams = 10 };

	h->w = w;
	h->fcgi = fcgi_new();
	h->ours = -1;
	ck_assert_int_eq(streams_init(&h->streams, &w->store, h->fcgi,
			     &settings, epoll_create1(0)),
	    0);
	ck_assert_int_eq(fanout_init(&h->fanout, &h->streams), 0);
}

static void
setup_end(struct setup *h)
{
	if (h->streams.first != NULL)
		streams_end(&h->streams, h->streams.first, FIXTURE_NOW.boot_ms);
	fanout_pass(&h->fanout, FIXTURE_NOW.boot_ms + 2000);
	close(h->streams.epoll_fd);
	fanout_fini(&h->fanout);
	streams_fini(&h->streams);
	fcgi_free(h->fcgi);
	close(h->ours);
}

/* A subscriber as handler_run() makes it, to be told of the longest gap. */
static struct subscriber *
arrive(struct setup *h)
{
	struct subscriber *arrival = calloc(1, sizeof(*arrival));
	const struct reply_cors cors = { .count = 0 };
	const struct request r = {
		.query = SPAN("channel=a&channel=b&lastEventId="
			      "%01%01%01%01%01%01%01%01%01%01%01%01"
			      "%01%01%01%01%01%01%01%01%01%01%01%01"
			      "%01%01%01%01%01%01%01%01%01%01%01%01"
			      "%01%01%01%01%01%01%01%01%01%01%01%01"
			      "%01%01%01%01%01%01%01%01%01%01%01%01"
			      "%01%01%01%01%01%01%01%01%01%01%01%01")
	};
	struct problem problem;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	h->ours = pair[1];
	arrival->peer = (struct fcgi_peer){ .fd = pair[0], .id = 1 };
	ck_assert_int_eq(subscription_read(&arrival->wanted, &r, "channel",
			     look_nothing, NULL, &problem),
	    0);
	reply_stream(&arrival->head, &cors, SPAN(""));
	ck_assert_ptr_nonnull(buf_room(&arrival->head, FANOUT_PREAMBLE_MAX));
	return arrival;
}

static void
try_admit(void *setup)
{
	struct setup h;
	struct buf got = { 0 };
	setup_make(&h, setup);
	struct subscriber *arrival = arrive(&h);

	SEAM_STARVE(fanout_admit(&h.fanout, arrival, FIXTURE_NOW, false));

	bool ended = take_answer(h.ours, &got);
	streams_reap(&h.streams);
	if (got.len > 0) {
		ck_assert(
		    has(buf_span(&got), "Content-Type: text/event-stream"));
		ck_assert(has(buf_span(&got), "\r\n\r\nretry: "));
		ck_assert_int_eq(has(buf_span(&got), "peal:gap"), !ended);
	}
	/* Not even libfcgi has what it takes for a refusal: it is hung up on. */
	ended = ended || got.len == 0;
	ck_assert(!ended || was_hit());
	ck_assert_uint_eq(h.streams.count, ended ? 0 : 1);
	buf_fini(&got);
	setup_end(&h);
	fixture_assert_sound(&h.w->store);
}

START_TEST(stream_is_admitted_or_refused_politely)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&w, path);

	seam_starve(try_admit, &w);

	fixture_leave(&w);
}
END_TEST

static void
try_look_on(void *setup)
{
	struct setup h;
	struct buf got = { 0 };
	setup_make(&h, setup);
	struct status_feed status_feed = { .streams = &h.streams };
	struct subscriber *arrival = arrive(&h);
	arrival->is_status = true;

	SEAM_STARVE(
	    status_feed_admit(&status_feed, arrival, FIXTURE_NOW, false));

	bool ended = take_answer(h.ours, &got);
	streams_reap(&h.streams);
	if (got.len > 0) {
		ck_assert(has(buf_span(&got), "\r\n\r\nretry: "));
		ck_assert_int_eq(has(buf_span(&got), "event: status"), !ended);
	}
	ended = ended || got.len == 0;
	ck_assert(!ended || was_hit());
	ck_assert_uint_eq(h.streams.count, ended ? 0 : 1);
	ck_assert_uint_eq(h.streams.status_streams, ended ? 0 : 1);
	buf_fini(&got);
	setup_end(&h);
}

START_TEST(onlooker_is_told_the_status_or_refused_politely)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&w, path);

	seam_starve(try_look_on, &w);

	fixture_leave(&w);
}
END_TEST

START_TEST(streams_are_told_to_come_back_without_memory)
{
	struct fixture_worker w;
	struct setup h;
	struct buf got = { 0 };
	char path[FIXTURE_PATH];
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&w, path);
	setup_make(&h, &w);
	fanout_admit(&h.fanout, arrive(&h), FIXTURE_NOW, false);
	(void)take_answer(h.ours, &got);
	buf_clear(&got);
	seam.nth = 1;
	seam.lasting = true;

	SEAM_STARVE(fanout_end_all(&h.fanout, FIXTURE_NOW.boot_ms));

	ck_assert(take_answer(h.ours, &got));
	ck_assert(has(buf_span(&got), "retry: "));
	buf_fini(&got);
	setup_end(&h);
	fixture_leave(&w);
}
END_TEST

/* An event larger than a page, which the fanout must grow for it. */
static void
try_large(void *setup)
{
	static char line[70000];
	struct setup h;
	struct buf got = { 0 };
	struct buf body = { 0 };
	struct store_appended appended;
	setup_make(&h, setup);
	/* That of the trial before. */
	(void)store_purge(&h.w->store, SPAN("a"));
	fanout_admit(&h.fanout, arrive(&h), FIXTURE_NOW, false);
	fanout_pass(&h.fanout, FIXTURE_NOW.boot_ms);
	(void)take_answer(h.ours, &got);
	buf_clear(&got);
	memset(line, 'x', sizeof(line));
	sse_event(&body, SPAN(""), (struct span){ line, sizeof(line) });
	const struct store_event event = { .channel = SPAN("a"),
		.body = buf_span(&body) };
	ck_assert_int_eq(wake_append(&h.w->wake, FIXTURE_NOW, &event, 1,
			     &appended),
	    0);
	wake_drain(&h.w->store, h.w->inbox);

	SEAM_STARVE({
		fanout_take_news(&h.fanout, FIXTURE_NOW.boot_ms);
		fanout_pass(&h.fanout, FIXTURE_NOW.boot_ms);
	});

	/* It waits, and not for ever, and does not spin meanwhile. */
	(void)take_answer(h.ours, &got);
	if (got.len == 0)
		ck_assert_uint_gt(fanout_deadline(&h.fanout),
		    FIXTURE_NOW.boot_ms);
	for (int i = 0; i < 4; i++) {
		fanout_pass(&h.fanout, FIXTURE_NOW.boot_ms + 1000);
		ck_assert(!take_answer(h.ours, &got));
		fanout_stream_event(&h.fanout, h.streams.first, EPOLLOUT,
		    FIXTURE_NOW.boot_ms + 1000);
	}
	ck_assert_uint_gt(got.len, sizeof(line));
	ck_assert_uint_lt(got.len, sizeof(line) + 100);
	buf_fini(&got);
	buf_fini(&body);
	setup_end(&h);
}

START_TEST(event_that_does_not_fit_waits_and_comes_once)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&w, path);
	/* It would keep a FIFO open, which were left behind. */
	w.wake.open_max = 0;

	seam_starve(try_large, &w);

	fixture_leave(&w);
}
END_TEST

static void
try_hall(void *setup)
{
	struct fixture_worker *w = setup;
	const struct streams_settings settings = { .retry_ms = 3000 };
	struct streams a;
	struct fanout p;
	int rc[2];

	SEAM_STARVE({
		rc[0] = streams_init(&a, &w->store, NULL, &settings, -1);
		rc[1] = fanout_init(&p, &a);
	});

	ck_assert_int_eq(rc[0] == -ENOMEM || rc[1] == -ENOMEM, was_hit());
	fanout_fini(&p);
	streams_fini(&a);
}

/* Make forty channels, or those there is memory for.  Returns their number. */
static uint32_t
make_channels(struct subscriptions *r)
{
	uint32_t made = 0;

	for (uint32_t i = 0; i < 40; i++) {
		const char name[2] = { 'c', (char)('0' + i) };
		const struct subscriptions_channel *c =
		    subscriptions_channel(r, (struct span){ name, 2 });
		made += c != NULL && subscriptions_by_cookie(r, c->cookie) == c;
	}
	return made;
}

static void
try_roster(void *setup)
{
	struct subscriptions r;
	uint32_t made;
	(void)setup;
	ck_assert_int_eq(subscriptions_init(&r), 0);

	SEAM_STARVE(made = make_channels(&r));

	ck_assert_uint_eq(r.count, made);
	ck_assert(made == 40 || was_hit());
	ck_assert_uint_eq(make_channels(&r), 40);
	ck_assert_uint_eq(r.count, 40);
	subscriptions_fini(&r);
}

START_TEST(streams_have_their_lists_or_not)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&w, path);

	seam_starve(try_hall, &w);
	seam_starve(try_roster, NULL);

	fixture_leave(&w);
}
END_TEST

/* ---- The intake ---- */

static void
try_connection(void *setup)
{
	struct connections all = { .epoll_fd = -1 };
	struct connection *c;

	(void)setup;
	int fd = open("/dev/null", O_RDONLY);
	SEAM_STARVE(c = connection_adopt(&all, fd, false));

	ck_assert_int_eq(c == NULL, was_hit());
	ck_assert_uint_eq(all.idle.count, was_hit() ? 0 : 1);
	if (c != NULL)
		connection_drop(&all, c);
}

struct worker_setup {
	struct fixture_worker w;
	struct options options;
	struct sockaddr_un address;
};

static int
listen_at(struct worker_setup *h)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unlink(h->address.sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&h->address,
			     sizeof(h->address)),
	    0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

static void
try_intake(void *setup)
{
	struct worker_setup *h = setup;
	struct mailbox arrivals;
	struct intake *in = NULL;
	int rc;
	ck_assert_int_eq(mailbox_init(&arrivals), 0);
	int listen_fd = listen_at(h);

	SEAM_STARVE(rc = intake_start(&in, listen_fd, &h->options, &h->w.store,
			&arrivals));

	ck_assert_int_eq(rc, was_hit() ? -ENOMEM : 0);
	if (rc == 0)
		intake_stop(in);
	mailbox_fini(&arrivals);
	close(listen_fd);
}

/* A connection that is handed back is kept, or closed; never forgotten. */
static void
try_give(void *setup)
{
	struct worker_setup *h = setup;
	struct mailbox arrivals;
	struct intake *in = NULL;
	int pair[2];
	ck_assert_int_eq(mailbox_init(&arrivals), 0);
	int listen_fd = listen_at(h);
	ck_assert_int_eq(intake_start(&in, listen_fd, &h->options, &h->w.store,
			     &arrivals),
	    0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);

	SEAM_STARVE(intake_give(in, pair[0]));

	intake_stop(in);
	mailbox_fini(&arrivals);
	close(listen_fd);
	close(pair[1]);
}

START_TEST(intake_starts_or_not)
{
	struct worker_setup h = { .options = { .max_body = 1000 },
		.address = { .sun_family = AF_UNIX } };
	char path[FIXTURE_PATH];
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&h.w, path);
	(void)snprintf(h.address.sun_path, sizeof(h.address.sun_path),
	    "%.90s.sock", path);

	seam_starve(try_connection, NULL);
	seam_starve(try_intake, &h);
	seam_starve(try_give, &h);

	fixture_leave(&h.w);
}
END_TEST

FIXTURE_MAIN("memory", message_that_cannot_be_read_is_a_problem,
    subscription_that_cannot_be_read_is_a_problem,
    reply_that_is_not_whole_says_so, longest_heads_are_within_their_limit,
    options_are_read_whole_or_refused,
    old_keys_stay_when_new_ones_cannot_be_read,
    socket_that_cannot_be_made_is_refused, arena_is_opened_and_made_or_refused,
    arena_is_looked_at_or_not, worker_attaches_and_is_woken_without_memory,
    event_is_stored_and_answered_or_neither, gate_and_body_are_there_or_not,
    request_is_answered_whole_or_hung_up_on,
    stream_is_admitted_or_refused_politely,
    onlooker_is_told_the_status_or_refused_politely,
    streams_are_told_to_come_back_without_memory,
    event_that_does_not_fit_waits_and_comes_once,
    streams_have_their_lists_or_not, intake_starts_or_not)
