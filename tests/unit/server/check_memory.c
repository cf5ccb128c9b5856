/*
 * Every allocation of ours fails once.  What is said then is clear, nothing is left
 * behind, nothing was stored where an error is returned, and the next call works.
 * wake_append() is made to need no memory at all.
 */
#include "access_fixture.h"
#include "server_fixture.h"

#include <fcntl.h>
#include <poll.h>

#include "arena/status.h"
#include "server/handler.h"
#include "server/listen.h"
#include "server/options.h"
#include "server/publish.h"
#include "server/requests.h"
#include "wire/fcgi_record.h"
#include "wire/message.h"
#include "wire/sse.h"
#include "seam.h"

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
	const struct message_rules limits = rules_of_size(1000);
	struct problem problem = { 0 };
	enum message_type type;
	struct message m;
	int rc = message_accept(span_of(b->type), (struct span){ NULL, 0 },
	    &type, &problem);

	ck_assert_int_eq(rc, 0);
	SEAM_STARVE(rc = message_read(&m, type, span_of(b->text),
			span_of(b->query), &limits, &problem));

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
	const struct subscription_rules rules = rules_of_param("channel");
	int rc;

	SEAM_STARVE(
	    rc = subscription_read(&s, &r, &rules, look, NULL, &problem));

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
	look = server_look_nothing;
	seam_starve(try_subscription, &look);
}
END_TEST

/* ---- What is replied ---- */

static void
put_reply(struct buf *out, int which)
{
	const struct reply_cors cors = { { SPAN("https://a.example") }, 1 };
	const struct span origin = SPAN("https://a.example");
	const struct problem problem = { .kind = PROBLEM_UNAVAILABLE,
		.status = 503,
		.detail = "out of memory" };
	const struct reply_published event = { .channel = SPAN("a"),
		.id = 1,
		.subscribers = 1 };

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
	const struct message_rules limits = rules_of_size(1000);
	struct problem problem = { 0 };
	struct buf reply = { 0 };
	uint64_t last = store_last_id(&p->w.store);
	uint32_t events = events_of(&p->w.store);
	const struct publish_to to = { &p->w.wake, FIXTURE_NOW, &reply };
	int rc;

	SEAM_STARVE(rc = publish_body(&to, &r, span_of(p->body.text), &limits,
			&problem));

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

#define EVERYTHING "subscribe publish status"

static void
put_request(struct buf *out, const char *method, const char *uri,
    const char *query, const char *body)
{
	const struct server_request r = {
		.method = method,
		.uri = uri,
		.query = query,
		/* The status goes by it, and looks at no query. */
		.accept = query,
		.roles = EVERYTHING,
		.body = body,
	};

	server_put_request(out, &r);
}

static void
try_fcgi(void *setup)
{
	struct fcgi *g;

	(void)setup;
	SEAM_STARVE(g = fcgi_new());

	ck_assert_int_eq(g == NULL, was_hit());
	fcgi_free(g);
}

static void
try_adopt(void *setup)
{
	struct server s;
	struct connection *c;
	int pair[2];
	server_make(&s, setup, 10);
	server_pair(&s, pair);

	SEAM_STARVE(c = connection_adopt(&s.connections, pair[0], 1));

	ck_assert_int_eq(c == NULL, was_hit());
	ck_assert_uint_eq(s.connections.busy.count, was_hit() ? 0 : 1);
	server_end(&s);
}

/* Nothing of what was sent is lost: it can be read later. */
static void
try_receive(void *setup)
{
	struct server s;
	int rc;
	server_make(&s, setup, 10);
	struct connection *c = server_adopt(&s, 1);
	ck_assert_int_eq(write(s.peers[0], "bytes", 5), 5);

	SEAM_STARVE(rc = connection_receive(&s.connections, c));

	ck_assert_int_eq(rc, was_hit() ? -ENOMEM : 0);
	if (was_hit()) {
		if (c->request != NULL)
			buf_clear(&c->request->bytes);
		ck_assert_int_eq(connection_receive(&s.connections, c), 0);
	}
	unit_assert_span(buf_span(&c->request->bytes), "bytes");
	server_end(&s);
}

/* A long answer is kept for later, or written at once; never neither, nor both. */
static void
try_long_reply(void *setup)
{
	static char body[60000];
	struct server s;
	struct server_answer answer = { 0 };
	bool whole;
	server_make(&s, setup, 10);
	struct connection *c = server_handling(&s);

	SEAM_STARVE(whole = connection_reply(&s.connections, c,
			SPAN("Status: 200\r\n\r\n"),
			(struct span){ body, sizeof(body) }, 1));

	ck_assert_int_ne(c->state, CONNECTION_CLOSED);
	server_take(s.peers[0], &answer);
	ck_assert(whole || connection_reply_more(&s.connections, c));
	server_take(s.peers[0], &answer);
	ck_assert_uint_eq(answer.ends, 1);
	ck_assert_uint_eq(answer.content.len,
	    sizeof("Status: 200\r\n\r\n") - 1 + sizeof(body));
	ck_assert(!connection_finish(&s.connections, c));
	server_forget(&answer);
	server_end(&s);
}

START_TEST(connection_is_served_or_not)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&w, path);

	seam_starve(try_fcgi, NULL);
	seam_starve(try_adopt, &w);
	seam_starve(try_receive, &w);
	seam_starve(try_long_reply, &w);

	fixture_leave(&w);
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
	{ "GET", "/e/health", "" },
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
	struct handler h;
	struct fcgi_record_request record;
	uint64_t last = store_last_id(&s->w.store);
	enum handler_outcome outcome;
	handler_init(&h, &s->options, &s->w.wake, s->w.inbox);
	fcgi_record_init(&record, 4096);
	buf_put(&record.bytes, buf_span(&s->records));
	ck_assert_int_eq((int)fcgi_record_look(&record), FCGI_RECORD_VARIABLES);
	ck_assert_int_eq((int)fcgi_record_look(&record), FCGI_RECORD_WHOLE);

	struct publish *publish = NULL;
	SEAM_STARVE(outcome = handler_run(&h, &record, &publish, FIXTURE_NOW));

	if (outcome != HANDLER_REPLY) {
		ck_assert_int_ne((int)outcome, HANDLER_BUSY);
		ck_assert(!was_hit());
		ck_assert_int_eq(buf_error(&h.reply), 0);
		ck_assert_uint_ge(h.reply.cap - h.reply.len,
		    FANOUT_PREAMBLE_MAX);
	} else if (buf_error(&h.reply) == 0) {
		buf_put(&reply, buf_span(&h.reply));
		buf_put(&reply, h.tail);
		check_reply(s, buf_span(&reply), last);
		ck_assert(was_hit() || !has(buf_span(&reply), "Status: 503"));
	} else {
		ck_assert(was_hit());
		ck_assert_uint_eq(store_last_id(&s->w.store), last);
	}
	handler_fini(&h);
	fcgi_record_fini(&record);
	buf_fini(&reply);
}

/* Take in a request from a socket, as the loop does. */
static void
serve(struct server *s, struct asking *a, int listen_fd)
{
	struct handler h;
	struct requests q = {
		.connections = &s->connections,
		.handler = &h,
		.fanout = &s->fanout,
		.status_feed = &s->status_feed,
		.web_servers = &server_all_may,
		.listen_fd = listen_fd,
		.busy_max = 8,
	};
	handler_init(&h, &a->options, &a->w.wake, a->w.inbox);
	ck_assert_int_eq(requests_listen(&q), 0);

	SEAM_STARVE(requests_accept(&q, FIXTURE_NOW));

	handler_fini(&h);
	streams_reap(&s->streams, FIXTURE_NOW.boot_ms);
	connections_reap(&s->connections);
}

/*
 * The same on its whole way: what is stored is answered, what is answered is whole, and
 * all else is closed.
 */
static void
try_request(void *setup)
{
	struct asking *a = setup;
	struct server s;
	struct server_answer answer = { 0 };
	struct sockaddr_un address;
	socklen_t len;
	uint64_t last = store_last_id(&a->w.store);
	server_make(&s, &a->w, 10);
	int listen_fd = server_listen(&address, &len);
	int peer = s.peers[server_connect(&s, &address, len)];
	ck_assert_int_eq(write(peer, a->records.ptr, a->records.len),
	    (ssize_t)a->records.len);

	serve(&s, a, listen_fd);

	server_take(peer, &answer);
	ck_assert(!answer.stdout_ended);
	if (answer.ends > 0)
		check_reply(a, buf_span(&answer.content), last);
	else if (s.streams.count > 0)
		ck_assert(server_has(&answer, "\r\n\r\nretry: "));
	else
		ck_assert(was_hit() && answer.content.len == 0 &&
		    store_last_id(&a->w.store) == last);
	ck_assert_int_eq(answer.closed, s.streams.count == 0);
	ck_assert_uint_eq(s.connections.busy.count, 0);
	server_forget(&answer);
	close(listen_fd);
	server_end(&s);
}

static void
asking_make(struct asking *s, char *param)
{
	char path[FIXTURE_PATH];

	*s = (struct asking){ .options = { .max_body = 1000,
				  .max_event_size = 1000,
				  .channel_param = param } };
	s->options.cors.origins[0] = SPAN("*");
	s->options.cors.count = 1;
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&s->w, path);
	/* It would keep a FIFO open, which were left behind. */
	s->w.wake.open_max = 0;
}

static void
starve_asked(void (*trial)(void *))
{
	char param[] = "channel";
	struct asking s;
	asking_make(&s, param);

	for (size_t i = 0; i < UNIT_COUNT(asked); i++) {
		const struct body *b = &asked[i];
		const char *query = strchr(b->query, '?');
		s.publishes = strcmp(b->type, "POST") == 0;
		buf_clear(&s.records);
		put_request(&s.records, b->type, b->query,
		    query == NULL ? "" : query + 1, b->text);
		seam_starve(trial, &s);
	}

	fixture_assert_sound(&s.w.store);
	buf_fini(&s.records);
	fixture_leave(&s.w);
}

START_TEST(request_is_answered_whole_or_hung_up_on)
{
	starve_asked(try_answer);
}
END_TEST

START_TEST(connection_is_answered_whole_or_closed)
{
	starve_asked(try_request);
}
END_TEST

/* ---- Streams ---- */

/* A connection that asks for two channels, to be told of the longest gap. */
struct joining {
	struct server s;
	struct connection *c;
	struct subscription wanted;
	struct buf head;
	enum fanout_outcome outcome;
};

static void
joining_make(struct joining *j, struct fixture_worker *w)
{
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

	const struct subscription_rules rules = rules_of_param("channel");
	*j = (struct joining){ 0 };
	server_make(&j->s, w, 10);
	j->c = server_handling(&j->s);
	ck_assert_int_eq(subscription_read(&j->wanted, &r, &rules,
			     server_look_nothing, NULL, &problem),
	    0);
	reply_stream(&j->head, &cors, SPAN(""));
	ck_assert_ptr_nonnull(buf_room(&j->head, FANOUT_PREAMBLE_MAX));
}

static void
joining_end(struct joining *j)
{
	subscription_fini(&j->wanted);
	buf_fini(&j->head);
	server_end(&j->s);
}

/* What is refused is replied, as requests.c does. */
static void
reply_refusal(struct joining *j)
{
	struct connections *all = &j->s.connections;

	if (j->outcome != FANOUT_REFUSED)
		return;
	if (buf_error(&j->head) != 0 ||
	    (connection_reply(all, j->c, buf_span(&j->head), SPAN(""), 1) &&
		!connection_finish(all, j->c)))
		connection_close(all, j->c);
}

static void
join(struct joining *j)
{
	j->outcome = fanout_join(&j->s.fanout, j->c, &j->wanted, &j->head,
	    FIXTURE_NOW, false);
	reply_refusal(j);
}

static void
try_admit(void *setup)
{
	struct joining j;
	struct server_answer got = { 0 };
	joining_make(&j, setup);

	SEAM_STARVE(join(&j));

	server_take(j.s.peers[0], &got);
	streams_reap(&j.s.streams, FIXTURE_NOW.boot_ms);
	ck_assert(server_has(&got, "Content-Type: text/event-stream"));
	ck_assert(server_has(&got, "\r\n\r\nretry: "));
	ck_assert_int_eq(server_has(&got, "peal:open"), got.ends == 0);
	ck_assert_int_eq(server_has(&got, "peal:gap"), got.ends == 0);
	ck_assert_int_eq(server_has(&got, "peal:busy"), got.ends == 1);
	ck_assert_int_eq(j.outcome == FANOUT_REFUSED, was_hit());
	ck_assert_uint_eq(got.ends, was_hit() ? 1 : 0);
	ck_assert_uint_eq(j.s.streams.count, was_hit() ? 0 : 1);
	server_forget(&got);
	joining_end(&j);
	fixture_assert_sound(setup);
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
join_status(struct joining *j)
{
	j->outcome = status_feed_join(&j->s.status_feed, j->c, &j->head,
	    FIXTURE_NOW, false);
	reply_refusal(j);
}

static void
try_status_stream(void *setup)
{
	struct joining j;
	struct server_answer got = { 0 };
	joining_make(&j, setup);

	SEAM_STARVE(join_status(&j));

	server_take(j.s.peers[0], &got);
	streams_reap(&j.s.streams, FIXTURE_NOW.boot_ms);
	ck_assert(server_has(&got, "\r\n\r\nretry: "));
	ck_assert_int_eq(server_has(&got, "event: status"), got.ends == 0);
	ck_assert_int_eq(j.outcome == FANOUT_REFUSED, was_hit());
	ck_assert_uint_eq(got.ends, was_hit() ? 1 : 0);
	ck_assert_uint_eq(j.s.streams.count, was_hit() ? 0 : 1);
	ck_assert_uint_eq(j.s.streams.status_streams, was_hit() ? 0 : 1);
	server_forget(&got);
	joining_end(&j);
}

START_TEST(status_stream_is_admitted_or_refused_politely)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&w, path);

	seam_starve(try_status_stream, &w);

	fixture_leave(&w);
}
END_TEST

START_TEST(streams_end_in_order_without_memory)
{
	struct fixture_worker w;
	struct joining j;
	struct server_answer got = { 0 };
	char path[FIXTURE_PATH];
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&w, path);
	joining_make(&j, &w);
	join(&j);
	server_take(j.s.peers[0], &got);
	server_forget(&got);
	seam.nth = 1;
	seam.lasting = true;

	SEAM_STARVE(fanout_end_all(&j.s.fanout, FIXTURE_NOW.boot_ms));

	server_take(j.s.peers[0], &got);
	ck_assert_uint_eq(got.ends, 1);
	ck_assert(server_has(&got, "retry: "));
	ck_assert(server_has(&got, "\ndata: {\"reason\":\"stopping\"}\n\n"));
	server_forget(&got);
	joining_end(&j);
	fixture_leave(&w);
}
END_TEST

static void
append_large(struct server *s, char *line, size_t len)
{
	struct buf body = { 0 };
	struct store_appended appended;

	memset(line, 'x', len);
	sse_event(&body, SPAN(""), (struct span){ line, len });
	const struct store_event event = { .channel = SPAN("a"),
		.body = buf_span(&body) };
	ck_assert_int_eq(wake_append(&s->w->wake, FIXTURE_NOW, &event, 1,
			     &appended),
	    0);
	buf_fini(&body);
}

/* An event larger than a segment, which the fanout must grow for it. */
static void
try_large(void *setup)
{
	static char line[70000];
	struct joining j;
	struct server_answer got = { 0 };
	joining_make(&j, setup);
	/* That of the trial before. */
	(void)store_purge(&j.s.w->store, SPAN("a"));
	join(&j);
	fanout_pass(&j.s.fanout, FIXTURE_NOW.boot_ms);
	server_take(j.s.peers[0], &got);
	server_forget(&got);
	append_large(&j.s, line, sizeof(line));

	SEAM_STARVE({
		server_take_news(&j.s);
		fanout_pass(&j.s.fanout, FIXTURE_NOW.boot_ms);
	});

	/* It waits, and not for ever, and does not spin meanwhile. */
	server_take(j.s.peers[0], &got);
	if (got.content.len == 0)
		ck_assert_uint_gt(fanout_deadline(&j.s.fanout),
		    FIXTURE_NOW.boot_ms);
	for (int i = 0; i < 4; i++) {
		fanout_pass(&j.s.fanout, FIXTURE_NOW.boot_ms + 1000);
		server_take(j.s.peers[0], &got);
		ck_assert_uint_eq(got.ends, 0);
		fanout_stream_event(&j.s.fanout, j.s.streams.first, EPOLLOUT,
		    FIXTURE_NOW.boot_ms + 1000);
	}
	ck_assert_uint_gt(got.content.len, sizeof(line));
	ck_assert_uint_lt(got.content.len, sizeof(line) + 100);
	server_forget(&got);
	joining_end(&j);
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
try_streams(void *setup)
{
	struct fixture_worker *w = setup;
	const struct streams_settings settings = { .retry_ms = 3000 };
	struct streams a;
	struct fanout p;
	int rc[2];

	SEAM_STARVE({
		rc[0] = streams_init(&a, &w->store, NULL, &settings);
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
try_subscriptions(void *setup)
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

	seam_starve(try_streams, &w);
	seam_starve(try_subscriptions, NULL);

	fixture_leave(&w);
}
END_TEST

FIXTURE_MAIN("memory", message_that_cannot_be_read_is_a_problem,
    subscription_that_cannot_be_read_is_a_problem,
    reply_that_is_not_whole_says_so, longest_heads_are_within_their_limit,
    options_are_read_whole_or_refused,
    old_keys_stay_when_new_ones_cannot_be_read,
    socket_that_cannot_be_made_is_refused, arena_is_opened_and_made_or_refused,
    arena_is_looked_at_or_not, worker_attaches_and_is_woken_without_memory,
    event_is_stored_and_answered_or_neither, connection_is_served_or_not,
    request_is_answered_whole_or_hung_up_on,
    connection_is_answered_whole_or_closed,
    stream_is_admitted_or_refused_politely,
    status_stream_is_admitted_or_refused_politely,
    streams_end_in_order_without_memory,
    event_that_does_not_fit_waits_and_comes_once,
    streams_have_their_lists_or_not)
