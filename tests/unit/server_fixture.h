/*
 * What tests of the server share: the parts of a worker that its loop drives,
 * connections of which the web server's end is the test's, the records of
 * requests, and a reader of what comes back.
 */
#ifndef PEAL_TESTS_SERVER_FIXTURE_H
#define PEAL_TESTS_SERVER_FIXTURE_H

#include "access_fixture.h"
#include "arena_fixture.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "server/connection.h"
#include "server/fanout.h"
#include "server/fcgi.h"
#include "server/status_feed.h"
#include "server/streams.h"
#include "server/web_servers.h"
#include "wire/reply.h"

/* Nobody has said who may connect. */
static const struct web_servers server_all_may __attribute__((unused));

#define SERVER_PEERS 128
#define SERVER_BODY_MAX 200000

/* The loop's parts of a worker; the web server's ends of its connections. */
struct server {
	struct fixture_worker *w;
	struct fcgi *fcgi;
	struct connections connections;
	struct streams streams;
	struct fanout fanout;
	struct status_feed status_feed;
	int epoll_fd;
	int peers[SERVER_PEERS]; /* -1: closed by the test */
	size_t peer_count;
};

static inline void
server_make(struct server *s, struct fixture_worker *w, uint32_t max_streams)
{
	const struct streams_settings settings = { .retry_ms = 3000,
		.stall_ms = 30000,
		.max_streams = max_streams };

	*s = (struct server){ .w = w };
	fcgi_init_library();
	s->fcgi = fcgi_new();
	ck_assert_ptr_nonnull(s->fcgi);
	s->epoll_fd = epoll_create1(0);
	ck_assert_int_ge(s->epoll_fd, 0);
	connections_init(&s->connections, s->fcgi, s->epoll_fd,
	    SERVER_BODY_MAX);
	ck_assert_int_eq(streams_init(&s->streams, &w->store, &s->connections,
			     &settings),
	    0);
	ck_assert_int_eq(fanout_init(&s->fanout, &s->streams), 0);
	s->status_feed.streams = &s->streams;
}

/* End all streams, and their registrations too: the worker stays. */
static inline void
server_end_streams(struct server *s)
{
	const uint64_t later_ms = FIXTURE_NOW.boot_ms + 100000;

	s->streams.pause = NULL;
	for (struct stream *i = s->streams.first; i != NULL; i = i->next)
		streams_end(&s->streams, i, SSE_STOPPING);
	while (s->streams.count > 0) {
		/* Which takes them from the list of those that are behind. */
		fanout_pass(&s->fanout, later_ms);
		s->streams.next_reap_ms = later_ms;
		streams_reap(&s->streams, later_ms);
	}
}

static inline void
server_end(struct server *s)
{
	server_end_streams(s);
	fanout_fini(&s->fanout);
	streams_fini(&s->streams);
	connections_fini(&s->connections);
	fcgi_free(s->fcgi);
	close(s->epoll_fd);
	for (size_t i = 0; i < s->peer_count; i++) {
		if (s->peers[i] >= 0)
			close(s->peers[i]);
	}
}

/* Both ends of a new connection: ours[0] is the worker's.  A write that blocks
 * fails after a while, so that a test sees it as a closed connection. */
static inline void
server_pair(struct server *s, int pair[2])
{
	const struct timeval limit = { .tv_sec = 1 };

	ck_assert_uint_lt(s->peer_count, SERVER_PEERS);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			     pair),
	    0);
	ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit,
			     sizeof(limit)),
	    0);
	s->peers[s->peer_count++] = pair[1];
}

/* A listening socket at an address of the kernel's own choice. */
static inline int
server_listen(struct sockaddr_un *address, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*len = sizeof(*address);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)address,
			     sizeof(sa_family_t)),
	    0);
	ck_assert_int_eq(listen(fd, SERVER_PEERS), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, len), 0);
	return fd;
}

/* Connect to it; returns the number of the peer. */
static inline size_t
server_connect(struct server *s, const struct sockaddr_un *address,
    socklen_t len)
{
	ck_assert_uint_lt(s->peer_count, SERVER_PEERS);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (const struct sockaddr *)address, len), 0);
	s->peers[s->peer_count] = fd;
	return s->peer_count++;
}

/* A connection, READING; its peer is the last one of s->peers. */
static inline struct connection *
server_adopt(struct server *s, uint64_t deadline_ms)
{
	int pair[2];

	server_pair(s, pair);
	struct connection *c =
	    connection_adopt(&s->connections, pair[0], deadline_ms);
	ck_assert_ptr_nonnull(c);
	return c;
}

/* A connection whose request, of id 1, was read. */
static inline struct connection *
server_handling(struct server *s)
{
	struct connection *c = server_adopt(s, FIXTURE_NOW.boot_ms);

	c->id = 1;
	connection_move(&s->connections, c, CONNECTION_HANDLING, 0);
	return c;
}

static inline const char *
server_look_nothing(const void *context, const char *name)
{
	(void)context;
	(void)name;
	return NULL;
}

/* A stream of what a query asks for; returns the number of its peer. */
static inline size_t
server_join(struct server *s, const char *query)
{
	const struct reply_cors cors = { .count = 0 };
	const struct request r = { .query = span_of(query) };
	struct connection *c = server_handling(s);
	struct subscription wanted;
	struct problem problem;
	struct buf head = { 0 };
	const struct subscription_rules rules = rules_of_param("channel");

	ck_assert_int_eq(subscription_read(&wanted, &r, &rules,
			     server_look_nothing, NULL, &problem),
	    0);
	reply_stream(&head, &cors, SPAN(""));
	ck_assert_int_eq((int)fanout_join(&s->fanout, c, &wanted, &head,
			     FIXTURE_NOW, false),
	    FANOUT_JOINED);
	subscription_fini(&wanted);
	buf_fini(&head);
	return s->peer_count - 1;
}

/* What has come back on a connection. */
struct server_answer {
	struct buf content; /* of STDOUT */
	size_t records;	    /* that had some */
	unsigned ends;	    /* FCGI_END_REQUEST */
	unsigned status;    /* the protocol status of the last */
	unsigned id;	    /* the request of the last record */
	bool stdout_ended;  /* and FCGI_END_REQUEST has not come yet */
	bool closed;	    /* by the worker */
};

static inline void
server_take_record(int fd, const unsigned char h[8],
    struct server_answer *answer)
{
	size_t len = (size_t)h[4] << 8 | h[5];
	char padding[256];
	char *to = buf_room(&answer->content, len + 1);

	ck_assert_int_eq(h[0], 1);
	ck_assert(h[1] == 3 || h[1] == 6);
	if (len > 0)
		ck_assert_int_eq(recv(fd, to, len, MSG_WAITALL), (ssize_t)len);
	if (h[6] > 0)
		ck_assert_int_eq(recv(fd, padding, h[6], MSG_WAITALL), h[6]);
	answer->id = (unsigned)h[2] << 8 | h[3];
	if (h[1] == 3) {
		ck_assert_uint_eq(len, 8);
		answer->ends++;
		answer->status = (unsigned char)to[4];
		answer->stdout_ended = false;
		return;
	}
	/* Nothing comes between the end of STDOUT and that of the request. */
	ck_assert(!answer->stdout_ended);
	answer->stdout_ended = len == 0;
	answer->records += len > 0;
	answer->content.len += len;
}

/* Add what has arrived, in whole records, to answer. */
static inline void
server_take(int fd, struct server_answer *answer)
{
	unsigned char h[8];
	ssize_t len;

	while (
	    (len = recv(fd, h, sizeof(h), MSG_DONTWAIT)) == (ssize_t)sizeof(h))
		server_take_record(fd, h, answer);
	ck_assert_int_le(len, 0);
	/* Reset: there was something that the worker has not read. */
	answer->closed = len == 0 || errno == ECONNRESET;
	/* Where a string is looked for in it. */
	if (answer->content.cap > answer->content.len)
		answer->content.ptr[answer->content.len] = '\0';
}

static inline void
server_forget(struct server_answer *answer)
{
	buf_fini(&answer->content);
	*answer = (struct server_answer){ 0 };
}

static inline bool
server_has(const struct server_answer *answer, const char *part)
{
	struct span s = buf_span(&answer->content);

	return s.len > 0 && memmem(s.ptr, s.len, part, strlen(part)) != NULL;
}

/* The events that were published, not those of peal's own. */
static inline size_t
server_events(const struct server_answer *answer)
{
	struct span s = buf_span(&answer->content);
	const struct span own = SPAN("event: peal:");
	size_t events = 0;

	for (size_t i = 0; i + 6 <= s.len; i++)
		events += memcmp(s.ptr + i, "\ndata:", 6) == 0;
	for (size_t i = 0; i + own.len <= s.len; i++)
		events -= memcmp(s.ptr + i, own.ptr, own.len) == 0;
	return events;
}

/* The events that have arrived at a peer since the last time. */
static inline size_t
server_take_events(const struct server *s, size_t peer)
{
	struct server_answer answer = { 0 };

	server_take(s->peers[peer], &answer);
	size_t events = server_events(&answer);
	server_forget(&answer);
	return events;
}

/* Take in the news that this worker's own wake_append() has left, if any. */
static inline void
server_take_news(struct server *s)
{
	if (s->w->wake.own_news)
		fanout_take_news(&s->fanout, FIXTURE_NOW.boot_ms);
	s->w->wake.own_news = false;
}

/* A request; what is NULL is not sent as a variable. */
struct server_request {
	const char *method;
	const char *uri;
	const char *query;
	const char *accept;
	const char *roles;
	const char *body;   /* or empty */
	const char *length; /* CONTENT_LENGTH */
	bool keep;
};

static inline void
server_put_record(struct buf *out, char type, struct span content)
{
	const char header[] = { 1, type, 0, 1, (char)(content.len >> 8),
		(char)(content.len & 0xff), 0, 0 };

	buf_put(out, (struct span){ header, sizeof(header) });
	buf_put(out, content);
}

static inline void
server_put_variable(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_put_char(out, (char)strlen(name));
	buf_put_char(out, (char)strlen(value));
	buf_put_cstr(out, name);
	buf_put_cstr(out, value);
}

/* FCGI_BEGIN_REQUEST of id 1, and the variables. */
static inline void
server_put_head(struct buf *out, const struct server_request *r)
{
	const char begin[8] = { 0, 1, r->keep ? 1 : 0 };
	struct buf params = { 0 };

	server_put_variable(&params, "REQUEST_METHOD", r->method);
	server_put_variable(&params, "REQUEST_URI", r->uri);
	server_put_variable(&params, "QUERY_STRING", r->query);
	server_put_variable(&params, "CONTENT_TYPE", "text/plain");
	server_put_variable(&params, "CONTENT_LENGTH", r->length);
	server_put_variable(&params, "HTTP_ACCEPT", r->accept);
	server_put_variable(&params, "PEAL_ROLES", r->roles);
	server_put_record(out, 1, (struct span){ begin, sizeof(begin) });
	server_put_record(out, 4, buf_span(&params));
	server_put_record(out, 4, SPAN(""));
	buf_fini(&params);
}

/* All records of a request. */
static inline void
server_put_request(struct buf *out, const struct server_request *r)
{
	server_put_head(out, r);
	if (r->body != NULL && r->body[0] != '\0')
		server_put_record(out, 5, span_of(r->body));
	server_put_record(out, 5, SPAN(""));
}

#endif
