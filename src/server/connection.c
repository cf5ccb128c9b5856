/*
 * The order in which a connection's memory goes: its request when the answer is
 * written or a stream begins, its descriptor when it is closed, and the rest at
 * the end of the turn, because a later event of the same epoll_wait() may point
 * to it.
 */
#include "server/connection.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_ROOM 16384
#define READ_ROOM_MAX 65536

/*
 * POLLOUT on a unix socket means that three quarters of its buffer are free
 * (about 150 KB), on TCP a third.  So after one poll a whole part never blocks,
 * nor do small writes of this many bytes in all, each counted with what the
 * kernel adds to it; and an empty socket takes as much.  It saves nearly all polls.
 */
#define CREDIT 32768
#define WRITE_COST 1024

/* Longest wait in a write to a stream, though none is written without POLLOUT. */
#define WRITE_TIMEOUT_MS 300

/* What of a reply is left to be written. */
struct connection_rest {
	struct buf bytes;
	size_t done;
};

void
connection_set_up(int fd, sa_family_t family)
{
	const int one = 1;

	/* A unix socket does not wait for more anyway. */
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
}

void
connections_init(struct connections *all, struct fcgi *fcgi, int epoll_fd,
    size_t body_max)
{
	*all = (struct connections){
		.fcgi = fcgi,
		.epoll_fd = epoll_fd,
		.body_max = body_max,
		.conns_max = 1,
	};
}

static struct connection_list *
list_of(struct connections *all, enum connection_state state)
{
	switch (state) {
	case CONNECTION_READING:
	case CONNECTION_REPLYING:
		return &all->busy;
	case CONNECTION_WAITING:
		return &all->waiting;
	case CONNECTION_IDLE:
		return &all->idle;
	case CONNECTION_CLOSED:
		return &all->closed;
	case CONNECTION_HANDLING:
	case CONNECTION_STREAMING:
	case CONNECTION_BLOCKED:
		return NULL;
	}
	return NULL;
}

static void
list_add(struct connection_list *list, struct connection *c)
{
	if (list == NULL)
		return;
	c->next = NULL;
	c->previous = list->last;
	*(list->last != NULL ? &list->last->next : &list->first) = c;
	list->last = c;
	list->count++;
}

static void
list_remove(struct connection_list *list, struct connection *c)
{
	if (list == NULL)
		return;
	*(c->previous != NULL ? &c->previous->next : &list->first) = c->next;
	*(c->next != NULL ? &c->next->previous : &list->last) = c->previous;
	list->count--;
}

void
connection_move(struct connections *all, struct connection *c,
    enum connection_state state, uint64_t deadline_ms)
{
	if (c->state == CONNECTION_CLOSED)
		return;
	list_remove(list_of(all, c->state), c);
	c->state = (uint8_t)state;
	c->deadline_ms = deadline_ms;
	list_add(list_of(all, state), c);
}

struct connection *
connection_adopt(struct connections *all, int fd, uint64_t deadline_ms)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return NULL;
	}
	c->fd = fd;
	c->credit = CREDIT;
	c->state = CONNECTION_READING;
	c->deadline_ms = deadline_ms;
	list_add(&all->busy, c);
	return c;
}

static void
free_request(struct fcgi_record_request *request)
{
	if (request == NULL)
		return;
	fcgi_record_fini(request);
	free(request);
}

/* Take the spare request, or make one. */
static bool
need_request(struct connections *all, struct connection *c)
{
	if (c->request != NULL)
		return true;
	c->request = all->spare;
	all->spare = NULL;
	if (c->request != NULL)
		return true;
	c->request = malloc(sizeof(*c->request));
	if (c->request == NULL)
		return false;
	fcgi_record_init(c->request, all->body_max);
	c->request->conns_max = all->conns_max;
	return true;
}

static void
give_request_back(struct connections *all, struct connection *c)
{
	struct fcgi_record_request *request = c->request;

	/* It points into the request. */
	publish_free(c->publish);
	c->publish = NULL;
	c->request = NULL;
	if (request == NULL)
		return;
	if (all->spare != NULL) {
		free_request(request);
		return;
	}
	buf_clear(&request->bytes);
	fcgi_record_next(request);
	all->spare = request;
}

static void
free_rest(struct connection *c)
{
	if (c->rest == NULL)
		return;
	buf_fini(&c->rest->bytes);
	free(c->rest);
	c->rest = NULL;
}

int
connection_receive(struct connections *all, struct connection *c)
{
	if (!need_request(all, c))
		return -ENOMEM;
	/* A body that comes in many records is read in large pieces. */
	size_t room = c->request->body.len > 0 ? READ_ROOM_MAX : READ_ROOM;
	char *to = buf_room(&c->request->bytes, room);
	if (to == NULL)
		return -ENOMEM;
	ssize_t len;
	do {
		len = recv(c->fd, to, room, MSG_DONTWAIT);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN ? -EAGAIN : -EPIPE;
	if (len == 0)
		return -EPIPE;
	c->request->bytes.len += (size_t)len;
	return (size_t)len == room;
}

bool
connection_watch(struct connections *all, struct connection *c, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };
	int how = c->watched != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (c->watched == events)
		return true;
	if (epoll_ctl(all->epoll_fd, how, c->fd, &event) != 0) {
		connection_close(all, c);
		return false;
	}
	c->watched = events;
	return true;
}

/* Whether so many bytes go out without waiting.  May find the peer gone. */
static bool
may_write(struct connections *all, struct connection *c, size_t len)
{
	struct pollfd pollfd = { .fd = c->fd, .events = POLLOUT };
	size_t cost = len + WRITE_COST;

	if (cost <= c->credit) {
		c->credit -= (uint32_t)cost;
		return true;
	}
	if (poll(&pollfd, 1, 0) < 0 || (pollfd.revents & (POLLERR | POLLHUP))) {
		connection_close(all, c);
		return false;
	}
	if ((pollfd.revents & POLLOUT) == 0) {
		c->credit = 0;
		return false;
	}
	c->credit = cost < CREDIT ? CREDIT - (uint32_t)cost : 0;
	return true;
}

size_t
connection_write(struct connections *all, struct connection *c,
    struct span bytes, bool end, bool *whole)
{
	size_t done = 0;

	*whole = false;
	while (!*whole && c->state != CONNECTION_CLOSED) {
		size_t len = bytes.len - done;
		if (len > FCGI_WRITE_MAX)
			len = FCGI_WRITE_MAX;
		bool last = done + len == bytes.len;
		const struct fcgi_part part = {
			.id = c->id,
			.end = end && last,
			.body = { bytes.ptr + done, len },
		};
		if (!may_write(all, c, len + FCGI_WRITE_ADDS))
			break;
		if (fcgi_write(all->fcgi, c->fd, &part) != 0) {
			connection_close(all, c);
			break;
		}
		/* libfcgi writes this much at once. */
		all->writes += 1 + (uint32_t)(len / 8192);
		done += len;
		*whole = last;
	}
	return done;
}

static void
bound_writes(const struct connection *c)
{
	const struct timeval timeout = { .tv_usec = WRITE_TIMEOUT_MS * 1000 };

	(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
	    sizeof(timeout));
}

/* Memory ran out for the copy.  What was stored must be answered all the same, even
 * if others have to wait for this peer a moment. */
static bool
reply_waiting(struct connections *all, struct connection *c, struct span head,
    struct span body)
{
	const struct fcgi_part first = { .id = c->id, .body = head };
	bool whole;

	bound_writes(c);
	bool good = fcgi_write(all->fcgi, c->fd, &first) == 0;
	do {
		struct fcgi_part part = { .id = c->id, .body = body };
		if (part.body.len > FCGI_WRITE_MAX)
			part.body.len = FCGI_WRITE_MAX;
		whole = part.body.len == body.len;
		part.end = whole;
		good = good && fcgi_write(all->fcgi, c->fd, &part) == 0;
		body.ptr += part.body.len;
		body.len -= part.body.len;
	} while (good && !whole);
	if (!good)
		connection_close(all, c);
	return good;
}

bool
connection_reply(struct connections *all, struct connection *c,
    struct span head, struct span body, uint64_t deadline_ms)
{
	size_t len = head.len + body.len;
	const struct fcgi_part part = {
		.id = c->id,
		.end = true,
		.head = head,
		.body = body,
	};

	if (len <= FCGI_WRITE_MAX && may_write(all, c, len + FCGI_WRITE_ADDS)) {
		if (fcgi_write(all->fcgi, c->fd, &part) == 0)
			return true;
		connection_close(all, c);
	}
	if (c->state == CONNECTION_CLOSED)
		return false;
	c->rest = calloc(1, sizeof(*c->rest));
	if (c->rest == NULL)
		return reply_waiting(all, c, head, body);
	buf_put(&c->rest->bytes, head);
	buf_put(&c->rest->bytes, body);
	if (buf_error(&c->rest->bytes) != 0) {
		free_rest(c);
		return reply_waiting(all, c, head, body);
	}
	connection_move(all, c, CONNECTION_REPLYING, deadline_ms);
	return connection_reply_more(all, c);
}

bool
connection_reply_more(struct connections *all, struct connection *c)
{
	struct connection_rest *rest = c->rest;
	struct span left = { rest->bytes.ptr + rest->done,
		rest->bytes.len - rest->done };
	bool whole;

	rest->done += connection_write(all, c, left, true, &whole);
	if (whole) {
		free_rest(c);
		return true;
	}
	if (c->state != CONNECTION_CLOSED)
		(void)connection_watch(all, c, EPOLLOUT);
	return false;
}

bool
connection_finish(struct connections *all, struct connection *c)
{
	if (c->state == CONNECTION_CLOSED)
		return false;
	if (!c->keep) {
		connection_close(all, c);
		return false;
	}
	c->is_answered = false;
	c->stream = NULL;
	connection_move(all, c, CONNECTION_IDLE, 0);
	if (c->request != NULL && c->request->bytes.len > 0) {
		publish_free(c->publish);
		c->publish = NULL;
		fcgi_record_next(c->request);
		return true;
	}
	give_request_back(all, c);
	(void)connection_watch(all, c, EPOLLIN);
	return false;
}

bool
connection_send_to_peer(struct connections *all, struct connection *c)
{
	struct buf *out = &c->request->to_peer;

	if (out->len == 0)
		return true;
	/* A socket that takes no event any more still takes a short record. */
	ssize_t len =
	    send(c->fd, out->ptr, out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	bool good = len == (ssize_t)out->len;
	size_t cost = out->len + WRITE_COST;
	c->credit -= cost < c->credit ? (uint32_t)cost : c->credit;
	buf_clear(out);
	if (!good)
		connection_close(all, c);
	return good;
}

enum fcgi_record_verdict
connection_look_beside(struct connections *all, struct connection *c,
    struct span bytes)
{
	if (!need_request(all, c))
		return FCGI_RECORD_NO_MEMORY;
	buf_put(&c->request->bytes, bytes);
	if (buf_error(&c->request->bytes) != 0)
		return FCGI_RECORD_NO_MEMORY;
	enum fcgi_record_verdict verdict =
	    fcgi_record_look_beside(c->request, c->id);
	if (!connection_send_to_peer(all, c))
		return verdict;
	bool is_stream =
	    c->state == CONNECTION_STREAMING || c->state == CONNECTION_BLOCKED;
	if (is_stream && c->request->bytes.len == 0)
		give_request_back(all, c);
	return verdict;
}

void
connection_begin_stream(struct connections *all, struct connection *c,
    struct stream *stream)
{
	connection_move(all, c, CONNECTION_STREAMING, 0);
	c->stream = stream;
	if (c->request != NULL && c->request->bytes.len > 0)
		fcgi_record_next(c->request);
	else
		give_request_back(all, c);
	bound_writes(c);
}

void
connection_close(struct connections *all, struct connection *c)
{
	if (c->state == CONNECTION_CLOSED)
		return;
	connection_move(all, c, CONNECTION_CLOSED, 0);
	give_request_back(all, c);
	free_rest(c);
	c->stream = NULL;
}

static void
close_descriptor(struct connection *c)
{
	if (c->fd < 0)
		return;
	/* epoll_ctl(2), EPOLL_CTL_DEL: closing the last descriptor of an open file
	 * takes it out of epoll, and no other process has this one. */
	close(c->fd);
	c->fd = -1;
}

void
connections_reap(struct connections *all)
{
	struct connection *c = all->closed.first;

	all->closed = (struct connection_list){ 0 };
	while (c != NULL) {
		struct connection *next = c->next;
		close_descriptor(c);
		free(c);
		c = next;
	}
}

void
connections_fini(struct connections *all)
{
	struct connection_list *const lists[] = { &all->busy, &all->waiting,
		&all->idle };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		while (lists[i]->first != NULL)
			connection_close(all, lists[i]->first);
	}
	connections_reap(all);
	free_request(all->spare);
	all->spare = NULL;
}

bool
connections_make_room(struct connections *all)
{
	struct connection *c =
	    all->idle.first != NULL ? all->idle.first : all->busy.first;

	if (c == NULL)
		return false;
	connection_close(all, c);
	close_descriptor(c);
	return true;
}
