/*
 * A connection is read, and its requests handled, until there is nothing more to
 * do with it now.  What stays is epoll's to report: it watches a connection only
 * from there on, since most requests are whole when they are accepted.
 */
#include "server/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/fcgi_record.h"

#define ACCEPTS_AT_ONCE 64
/* What one connection may bring in one turn: a few times the room of a read. */
#define READS_AT_ONCE 4
/* For a whole request, however slowly it comes, and for its reply. */
#define REQUEST_MS 60000
/* Accepting rests so long when descriptors ran out. */
#define REST_MS 100
/* A request waits so long for the arena's lock, and asks so often.  When one has
 * waited in vain, all fail at once for a moment, rather than queue. */
#define LOCK_WAIT_MS 2000
#define LOCK_TRY_MS 5
#define LOCK_REFUSE_MS 200

/* The request is answered.  Returns true when bytes of another wait. */
static bool
finish(struct requests *q, struct connection *c)
{
	return connection_finish(q->connections, c);
}

/* Send what the handler has put together.  Returns as finish(). */
static bool
reply(struct requests *q, struct connection *c, uint64_t boot_ms)
{
	struct handler *h = q->handler;

	if (buf_error(&h->reply) != 0) {
		connection_close(q->connections, c);
		return false;
	}
	return connection_reply(q->connections, c, buf_span(&h->reply), h->tail,
		   boot_ms + REQUEST_MS) &&
	    finish(q, c);
}

/* What no handler gets to see is answered here, or the connection is just closed. */
static void
refuse(struct requests *q, struct connection *c,
    enum fcgi_record_verdict verdict)
{
	unsigned char end[FCGI_RECORD_END_LEN];

	if (verdict == FCGI_RECORD_BROKEN)
		log_at(LOG_AT_INFO, "a connection that is no sound FastCGI");
	if (verdict == FCGI_RECORD_NO_MEMORY)
		log_at(LOG_AT_WARNING, "a connection is closed: out of memory");
	/* A request whose body was refused has had its end. */
	if (!c->is_answered &&
	    (verdict == FCGI_RECORD_UNKNOWN_ROLE ||
		verdict == FCGI_RECORD_ABORTED)) {
		fcgi_record_end(end, c->request->id,
		    verdict == FCGI_RECORD_UNKNOWN_ROLE
			? FCGI_RECORD_STATUS_UNKNOWN_ROLE
			: FCGI_RECORD_STATUS_COMPLETE);
		ssize_t done =
		    send(c->fd, end, sizeof(end), MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)done;
	}
	connection_close(q->connections, c);
}

/* The arena's lock is busy: whether a request waits for it no longer. */
static bool
gives_up(struct requests *q, uint64_t until_ms, uint64_t boot_ms)
{
	if (boot_ms >= until_ms)
		q->refuse_until_ms = boot_ms + LOCK_REFUSE_MS;
	return boot_ms < q->refuse_until_ms;
}

/* Wait for the arena's lock.  Returns as finish(). */
static bool
wait_for_lock(struct requests *q, struct connection *c, uint64_t until_ms,
    uint64_t boot_ms)
{
	if (c->state != CONNECTION_WAITING)
		connection_move(q->connections, c, CONNECTION_WAITING,
		    until_ms);
	/* Its end alone: what it sends behind its request can wait, too. */
	(void)connection_watch(q->connections, c, EPOLLRDHUP);
	q->lock_is_busy = true;
	if (q->next_try_ms == 0)
		q->next_try_ms = boot_ms + LOCK_TRY_MS;
	return false;
}

/* A long batch goes on in the next turn, behind the others that wait. */
static void
work_on(struct requests *q, struct connection *c, uint64_t boot_ms)
{
	connection_move(q->connections, c, CONNECTION_WAITING,
	    boot_ms + LOCK_WAIT_MS);
	(void)connection_watch(q->connections, c, EPOLLRDHUP);
	q->next_try_ms = boot_ms;
}

static enum fanout_outcome
join_or_refuse(struct requests *q, struct connection *c,
    enum handler_outcome outcome, struct clock_now now, bool stopping)
{
	struct handler *h = q->handler;

	return outcome == HANDLER_STREAM
	    ? fanout_join(q->fanout, c, &h->wanted, &h->reply, now, stopping)
	    : status_feed_join(q->status_feed, c, &h->reply, now, stopping);
}

/* Make a stream of it.  Returns as finish(). */
static bool
join(struct requests *q, struct connection *c, enum handler_outcome outcome,
    uint64_t until_ms, struct clock_now now)
{
	struct handler *h = q->handler;

	/* What came behind the request may take it back. */
	enum fcgi_record_verdict verdict =
	    connection_look_beside(q->connections, c, (struct span){ NULL, 0 });
	if (c->state == CONNECTION_CLOSED)
		return false;
	if (verdict != FCGI_RECORD_MORE) {
		refuse(q, c, verdict);
		return false;
	}
	bool stopping = q->stopping || h->arena_gone;
	enum fanout_outcome joined =
	    join_or_refuse(q, c, outcome, now, stopping);
	/* Not by a 503, after which a browser never comes back.  A refusal
	 * needs no lock. */
	if (joined == FANOUT_BUSY && gives_up(q, until_ms, now.boot_ms))
		joined = join_or_refuse(q, c, outcome, now, true);
	switch (joined) {
	case FANOUT_JOINED:
		return false;
	case FANOUT_REFUSED:
		return reply(q, c, now.boot_ms);
	case FANOUT_BUSY:
		break;
	}
	return wait_for_lock(q, c, until_ms, now.boot_ms);
}

/* Handle a whole request, which may wait until then for the arena's lock.  Returns
 * as finish(). */
static bool
handle(struct requests *q, struct connection *c, uint64_t until_ms,
    struct clock_now now)
{
	/* While all fail at once, they do not wait one after the other either. */
	q->handler->wake->store->arena.lock_wait_us =
	    now.boot_ms < q->refuse_until_ms ? 1 : REQUESTS_LOCK_WAIT_US;
	/* One that is tried again keeps its place among those who wait. */
	if (c->state != CONNECTION_WAITING)
		connection_move(q->connections, c, CONNECTION_HANDLING, 0);
	c->id = c->request->id;
	c->keep = c->request->keep && !q->stopping;
	enum handler_outcome outcome =
	    handler_run(q->handler, c->request, &c->publish, now);
	if (q->handler->had_lock)
		q->refuse_until_ms = 0;
	switch (outcome) {
	case HANDLER_REPLY:
		return reply(q, c, now.boot_ms);
	case HANDLER_STREAM:
	case HANDLER_STATUS_STREAM:
		return join(q, c, outcome, until_ms, now);
	case HANDLER_WORKING:
		work_on(q, c, now.boot_ms);
		return false;
	case HANDLER_BUSY:
		break;
	}
	if (!gives_up(q, until_ms, now.boot_ms))
		return wait_for_lock(q, c, until_ms, now.boot_ms);
	handler_give_up(q->handler, c->request);
	return reply(q, c, now.boot_ms);
}

/*
 * A body of which the beginning is here: is it wanted?  It is refused at once if
 * not, so that nothing of it is kept; what still comes is read and dropped, since
 * many a web server looks for the reply only behind it.
 */
static void
admit(struct requests *q, struct connection *c)
{
	struct fcgi_record_request *request = c->request;

	if (c->is_admitted || c->is_answered)
		return;
	c->is_admitted = true;
	if (handler_admits(q->handler, request))
		return;
	request->discard = true;
	buf_fini(&request->body);
	c->is_answered = true;
	c->id = request->id;
	c->keep = request->keep && !q->stopping;
	if (buf_error(&q->handler->reply) != 0 ||
	    !connection_reply(q->connections, c, buf_span(&q->handler->reply),
		q->handler->tail, c->deadline_ms))
		connection_close(q->connections, c);
}

/* Look at the bytes that are there. */
static void
look(struct requests *q, struct connection *c, struct clock_now now)
{
	bool more = true;

	while (more) {
		enum fcgi_record_verdict verdict = fcgi_record_look(c->request);
		if (!connection_send_to_peer(q->connections, c))
			return;
		switch (verdict) {
		case FCGI_RECORD_VARIABLES:
			break;
		case FCGI_RECORD_MORE:
			if (c->request->params_done)
				admit(q, c);
			return;
		case FCGI_RECORD_WHOLE:
			c->is_admitted = false;
			more = c->is_answered
			    ? finish(q, c)
			    : handle(q, c, now.boot_ms + LOCK_WAIT_MS, now);
			if (more)
				connection_move(q->connections, c,
				    CONNECTION_READING,
				    now.boot_ms + REQUEST_MS);
			break;
		case FCGI_RECORD_ABORTED:
		case FCGI_RECORD_UNKNOWN_ROLE:
		case FCGI_RECORD_BROKEN:
		case FCGI_RECORD_NO_MEMORY:
			refuse(q, c, verdict);
			return;
		}
	}
}

/* A request is finished later than it was read: look at what came behind it. */
static void
look_behind(struct requests *q, struct connection *c, struct clock_now now)
{
	connection_move(q->connections, c, CONNECTION_READING,
	    now.boot_ms + REQUEST_MS);
	look(q, c, now);
	/* While it waited, epoll was not to report that more has come. */
	if (c->state == CONNECTION_READING)
		(void)connection_watch(q->connections, c, EPOLLIN);
}

/* Read what has arrived, without ever waiting for more. */
static void
read_some(struct requests *q, struct connection *c, struct clock_now now)
{
	struct connections *all = q->connections;
	int rc = 1;

	for (int i = 0; rc == 1 && i < READS_AT_ONCE; i++) {
		rc = connection_receive(all, c);
		if (rc < 0)
			break;
		if (c->state == CONNECTION_IDLE)
			connection_move(all, c, CONNECTION_READING,
			    now.boot_ms + REQUEST_MS);
		look(q, c, now);
		if (c->state != CONNECTION_READING)
			return;
	}
	if (rc == -ENOMEM)
		refuse(q, c, FCGI_RECORD_NO_MEMORY);
	else if (rc < 0 && rc != -EAGAIN)
		connection_close(all, c);
	else
		(void)connection_watch(all, c, EPOLLIN);
}

void
requests_event(struct requests *q, struct connection *c, uint32_t events,
    struct clock_now now)
{
	switch ((enum connection_state)c->state) {
	case CONNECTION_READING:
	case CONNECTION_IDLE:
		read_some(q, c, now);
		break;
	case CONNECTION_REPLYING:
		if (connection_reply_more(q->connections, c) && finish(q, c))
			look_behind(q, c, now);
		break;
	case CONNECTION_WAITING:
		if ((events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0)
			connection_close(q->connections, c);
		break;
	case CONNECTION_HANDLING:
	case CONNECTION_STREAMING:
	case CONNECTION_BLOCKED:
	case CONNECTION_CLOSED:
		break;
	}
}

static int
watch_socket(struct requests *q, int operation)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLEXCLUSIVE,
		.data.ptr = &q->listen_fd,
	};

	return epoll_ctl(q->connections->epoll_fd, operation, q->listen_fd,
		   &event) == 0
	    ? 0
	    : -errno;
}

int
requests_listen(struct requests *q)
{
	/* Several workers accept from one socket: one that finds nothing there
	 * must not wait in accept(2). */
	int flags = fcntl(q->listen_fd, F_GETFL);

	if (flags < 0 || fcntl(q->listen_fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	q->rest_until_ms = 0;
	return watch_socket(q, EPOLL_CTL_ADD);
}

void
requests_stop_listening(struct requests *q)
{
	(void)watch_socket(q, EPOLL_CTL_DEL);
	q->rest_until_ms = 0;
}

/* Descriptors or memory ran out: stop accepting for a while, do not spin. */
static void
rest(struct requests *q, int error, uint64_t boot_ms)
{
	log_at(LOG_AT_WARNING, "cannot accept a connection: %s",
	    strerror(error));
	(void)watch_socket(q, EPOLL_CTL_DEL);
	q->rest_until_ms = boot_ms + REST_MS;
}

static void
take_in(struct requests *q, int fd, const struct sockaddr_storage *peer,
    struct clock_now now)
{
	struct connections *all = q->connections;

	if (!web_servers_allow(q->web_servers, peer)) {
		log_at(LOG_AT_WARNING,
		    "a peer that FCGI_WEB_SERVER_ADDRS does not name");
		close(fd);
		return;
	}
	connection_set_up(fd, peer->ss_family);
	/* Strangers who say nothing must not keep others out. */
	if (all->busy.count >= q->busy_max)
		connection_close(all, all->busy.first);
	struct connection *c =
	    connection_adopt(all, fd, now.boot_ms + REQUEST_MS);
	if (c == NULL)
		rest(q, ENOMEM, now.boot_ms);
	else
		/* The request is usually there already. */
		read_some(q, c, now);
}

/* Returns false when there is nothing more to accept now. */
static bool
accept_one(struct requests *q, struct clock_now now)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd =
	    accept4(q->listen_fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

	if (fd >= 0) {
		take_in(q, fd, &peer, now);
		return q->rest_until_ms == 0;
	}
	if (errno == EMFILE && connections_make_room(q->connections))
		return true;
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
	    errno == ENOBUFS)
		rest(q, errno, now.boot_ms);
	return false;
}

void
requests_accept(struct requests *q, struct clock_now now)
{
	/* Before a pass, all that is ready is taken in.  Without streams there is none:
	 * then epoll says more cheaply than a vain accept(2) whether there is more. */
	int most = q->fanout->streams->count > 0 ? ACCEPTS_AT_ONCE : 1;

	for (int i = 0; i < most && accept_one(q, now); i++)
		continue;
}

/*
 * Try those who wait, in order, until the lock is busy again.  Each gets one try: who has
 * more work to do stands at the end then.
 */
static void
try_again(struct requests *q, struct clock_now now)
{
	struct connection_list *waiting = &q->connections->waiting;
	uint32_t count = waiting->count;

	q->next_try_ms = 0;
	q->lock_is_busy = false;
	for (uint32_t i = 0; i < count && waiting->first != NULL; i++) {
		struct connection *c = waiting->first;
		bool more = handle(q, c, c->deadline_ms, now);
		if (q->lock_is_busy)
			break;
		if (more)
			look_behind(q, c, now);
	}
	if (waiting->first != NULL && q->next_try_ms == 0)
		q->next_try_ms = now.boot_ms + LOCK_TRY_MS;
}

void
requests_timers(struct requests *q, struct clock_now now)
{
	struct connection_list *busy = &q->connections->busy;

	while (busy->first != NULL && busy->first->deadline_ms <= now.boot_ms)
		connection_close(q->connections, busy->first);
	if (q->rest_until_ms != 0 && q->rest_until_ms <= now.boot_ms) {
		q->rest_until_ms = 0;
		(void)watch_socket(q, EPOLL_CTL_ADD);
	}
	if (q->next_try_ms != 0 && q->next_try_ms <= now.boot_ms)
		try_again(q, now);
}

uint64_t
requests_deadline(const struct requests *q)
{
	uint64_t at = UINT64_MAX;

	if (q->connections->busy.first != NULL)
		at = q->connections->busy.first->deadline_ms;
	if (q->rest_until_ms != 0 && q->rest_until_ms < at)
		at = q->rest_until_ms;
	if (q->next_try_ms != 0 && q->next_try_ms < at)
		at = q->next_try_ms;
	return at;
}
