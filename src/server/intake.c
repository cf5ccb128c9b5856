#include "server/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena/wake.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/connection.h"
#include "server/fanout.h"
#include "server/fcgi.h"
#include "server/handler.h"
#include "server/listen.h"
#include "wire/fcgi_record.h"

#define EVENTS_AT_ONCE 64
#define ACCEPTS_AT_ONCE 64
#define READ_ROOM 4096
#define READ_ROOM_MAX 65536
/* For a whole request, however slowly it drips. */
#define REQUEST_MS 60000
/* For what is half there when we stop. */
#define STOP_MS 300
/* Accepting rests so long when descriptors ran out. */
#define REST_MS 100
#define STACK_SIZE (256 * 1024)

struct intake {
	pthread_t thread;
	int listen_fd;
	int epoll_fd;
	struct options *options;
	struct mailbox *arrivals;
	struct mailbox returns;
	_Atomic bool stopping;
	_Atomic bool reloading;
	struct fcgi *fcgi;
	struct wake wake;
	struct handler answer;
	struct connections connections;
	uint32_t waiting_max;
	uint64_t rest_until_ms; /* the listener is out of epoll; 0: it is in */
};

/* What libfcgi never gets to see is answered here, or merely hung up on. */
static void
refuse(struct intake *in, struct connection *c,
    enum fcgi_record_verdict verdict)
{
	unsigned char end[FCGI_RECORD_END_LEN];

	if (verdict == FCGI_RECORD_BROKEN)
		log_at(LOG_AT_INFO, "a connection that is no sound FastCGI");
	if (verdict == FCGI_RECORD_UNKNOWN_ROLE ||
	    verdict == FCGI_RECORD_ABORTED) {
		fcgi_record_end(end, c->request.id,
		    verdict == FCGI_RECORD_UNKNOWN_ROLE
			? FCGI_RECORD_STATUS_UNKNOWN_ROLE
			: 0);
		ssize_t done =
		    send(c->fd, end, sizeof(end), MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)done;
	}
	connection_drop(&in->connections, c);
}

/* The request is answered; the connection waits for the next, or goes. */
static bool
keep(struct intake *in, struct connection *c, bool good)
{
	if (!good || !c->request.keep || atomic_load(&in->stopping)) {
		connection_drop(&in->connections, c);
		return false;
	}
	fcgi_record_next(&c->request);
	connection_rest(&in->connections, c);
	return true;
}

/* Returns false while there is more to send, and when the connection is gone. */
static bool
send_answer(struct intake *in, struct connection *c)
{
	int rc = connection_send(&in->connections, c);

	return rc != -EAGAIN && keep(in, c, rc == 0);
}

/* Returns false when there is nothing more to read from the connection now. */
static bool
handle(struct intake *in, struct connection *c)
{
	struct fcgi_peer peer = {
		.fd = c->fd,
		.id = c->request.id,
		.keep = c->request.keep,
		.is_read = connection_is_read(c),
	};
	bool good = false;

	int rc = fcgi_read(in->fcgi, fcgi_record_span(&c->request),
	    (size_t)c->request.params);
	if (rc != 0) {
		if (rc != -EPROTO)
			log_at(LOG_AT_WARNING, "cannot read a request: %s",
			    strerror(-rc));
		refuse(in, c,
		    rc == -EPROTO ? FCGI_RECORD_BROKEN : FCGI_RECORD_MORE);
		return false;
	}
	struct subscriber *arrival =
	    handler_run(&in->answer, &peer, c->request.too_large, &good);
	connection_wrote(c, in->answer.reply.len + in->answer.tail.len);
	if (arrival == NULL && good && in->answer.later.len > 0) {
		c->answer = in->answer.later;
		buf_init(&in->answer.later);
		return send_answer(in, c);
	}
	if (arrival == NULL)
		return keep(in, c, good);
	(void)connection_release(&in->connections, c);
	mailbox_send(in->arrivals, &arrival->letter);
	return false;
}

/* Look at the bytes that are there.  Returns as handle(). */
static bool
look(struct intake *in, struct connection *c)
{
	for (;;) {
		enum fcgi_record_verdict verdict =
		    fcgi_record_look(&c->request);
		if (verdict == FCGI_RECORD_MORE)
			return true;
		if (verdict != FCGI_RECORD_WHOLE) {
			refuse(in, c, verdict);
			return false;
		}
		if (!handle(in, c))
			return false;
		if (c->request.bytes.len == 0)
			return true;
	}
}

/* Read what has arrived, without ever waiting for more. */
static void
read_connection(struct intake *in, struct connection *c, uint64_t boot_ms)
{
	struct buf *bytes = &c->request.bytes;
	size_t room = READ_ROOM;

	/* Its next request waits until it has taken this one's answer. */
	if (c->answer.len > 0 && (!send_answer(in, c) || !look(in, c)))
		return;
	for (;;) {
		char *to = buf_room(bytes, room);
		if (to == NULL) {
			log_at(LOG_AT_WARNING,
			    "a request is hung up on: out of memory");
			connection_drop(&in->connections, c);
			return;
		}
		ssize_t len = recv(c->fd, to, room, MSG_DONTWAIT);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN)
			break;
		if (len <= 0) {
			connection_drop(&in->connections, c);
			return;
		}
		bytes->len += (size_t)len;
		if (!c->waiting)
			connection_begin(&in->connections, c,
			    boot_ms + REQUEST_MS);
		if (!look(in, c))
			return;
		if ((size_t)len < room)
			break;
		room = READ_ROOM_MAX;
	}
	if (!connection_watch(&in->connections, c))
		connection_drop(&in->connections, c);
}

static void
listen_again(struct intake *in)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLEXCLUSIVE,
		.data.ptr = &in->listen_fd,
	};

	in->rest_until_ms = 0;
	(void)epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, in->listen_fd, &event);
}

/* Descriptors or memory ran out: stop accepting for a while, do not spin. */
static void
rest(struct intake *in, uint64_t boot_ms)
{
	log_at(LOG_AT_WARNING, "cannot accept a connection: %s",
	    strerror(errno));
	(void)epoll_ctl(in->epoll_fd, EPOLL_CTL_DEL, in->listen_fd, NULL);
	in->rest_until_ms = boot_ms + REST_MS;
}

static void
accept_some(struct intake *in, uint64_t boot_ms)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof(peer);
		int fd = accept4(in->listen_fd, (struct sockaddr *)&peer, &len,
		    SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE &&
			    connection_make_room(&in->connections))
				continue;
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOMEM || errno == ENOBUFS)
				rest(in, boot_ms);
			return;
		}
		if (!listen_allows(&peer)) {
			log_at(LOG_AT_WARNING,
			    "a peer that FCGI_WEB_SERVER_ADDRS does not name");
			close(fd);
			continue;
		}
		connection_set_up(fd, peer.ss_family);
		/* Strangers who say nothing must not keep others out. */
		if (in->connections.waiting.count >= in->waiting_max)
			connection_drop(&in->connections,
			    in->connections.waiting.first);
		struct connection *c =
		    connection_adopt(&in->connections, fd, false);
		if (c == NULL) {
			errno = ENOMEM;
			rest(in, boot_ms);
			return;
		}
		connection_begin(&in->connections, c, boot_ms + REQUEST_MS);
		/* The request is usually there already. */
		read_connection(in, c, boot_ms);
	}
}

static void
take_returns(struct intake *in, uint64_t boot_ms)
{
	struct letter *letter = mailbox_take(&in->returns);

	while (letter != NULL) {
		struct intake_return *back = (struct intake_return *)letter;
		letter = letter->next;
		struct connection *c =
		    connection_adopt(&in->connections, back->fd, true);
		if (c != NULL)
			read_connection(in, c, boot_ms);
		free(back);
	}
	if (atomic_exchange(&in->reloading, false)) {
		struct buf text = { 0 };
		if (options_reload_keys(in->options, &text) != 0)
			log_at(LOG_AT_ERROR, "the old keys stay: %.*s",
			    (int)text.len, text.ptr);
		else
			log_at(LOG_AT_NOTICE, "read the key file again");
		buf_fini(&text);
	}
}

static void
drop_late(struct intake *in, uint64_t boot_ms)
{
	while (in->connections.waiting.first != NULL &&
	    in->connections.waiting.first->deadline_ms <= boot_ms)
		connection_drop(&in->connections,
		    in->connections.waiting.first);
	if (in->rest_until_ms != 0 && in->rest_until_ms <= boot_ms)
		listen_again(in);
}

static int
timeout(const struct intake *in, uint64_t boot_ms)
{
	uint64_t at = UINT64_MAX;

	if (in->connections.waiting.first != NULL)
		at = in->connections.waiting.first->deadline_ms;
	if (in->rest_until_ms != 0 && in->rest_until_ms < at)
		at = in->rest_until_ms;
	if (at == UINT64_MAX)
		return -1;
	return at <= boot_ms ? 0 : (int)(at - boot_ms);
}

/* Wait for something and see to it. */
static void
turn(struct intake *in, int timeout_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count =
	    epoll_wait(in->epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);
	uint64_t boot_ms = clock_read().boot_ms;
	bool accepting = false;
	bool returns = false;

	/* Seeing to a connection frees at most that one, so no later event of the
	 * batch stands for one that is gone; accepting, which may drop another,
	 * comes last. */
	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr == &in->listen_fd)
			accepting = true;
		else if (events[i].data.ptr == &in->returns)
			returns = true;
		else
			read_connection(in, events[i].data.ptr, boot_ms);
	}
	if (returns)
		take_returns(in, boot_ms);
	if (accepting)
		accept_some(in, boot_ms);
	drop_late(in, boot_ms);
}

static void
finish(struct intake *in)
{
	uint64_t boot_ms = clock_read().boot_ms;
	uint64_t until_ms = boot_ms + STOP_MS;

	/* Whoever knocked before we stopped is still let in. */
	accept_some(in, boot_ms);
	(void)epoll_ctl(in->epoll_fd, EPOLL_CTL_DEL, in->listen_fd, NULL);
	in->rest_until_ms = 0;
	while (in->connections.waiting.count > 0 && boot_ms < until_ms) {
		turn(in, (int)(until_ms - boot_ms));
		boot_ms = clock_read().boot_ms;
	}
	while (in->connections.waiting.first != NULL)
		connection_drop(&in->connections,
		    in->connections.waiting.first);
	while (in->connections.idle.first != NULL)
		connection_drop(&in->connections, in->connections.idle.first);
}

static void *
run(void *argument)
{
	struct intake *in = argument;

	while (!atomic_load(&in->stopping))
		turn(in, timeout(in, clock_read().boot_ms));
	finish(in);
	return NULL;
}

/* Free all but the thread. */
static void
intake_free(struct intake *in)
{
	struct letter *letter;

	if (in == NULL)
		return;
	letter = in->returns.fd < 0 ? NULL : mailbox_take(&in->returns);
	while (letter != NULL) {
		struct intake_return *back = (struct intake_return *)letter;
		letter = letter->next;
		close(back->fd);
		free(back);
	}
	mailbox_fini(&in->returns);
	if (in->wake.store != NULL)
		wake_fini(&in->wake);
	handler_fini(&in->answer);
	fcgi_free(in->fcgi);
	if (in->epoll_fd >= 0)
		close(in->epoll_fd);
	free(in);
}

static uint32_t
descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 256;
	return limit.rlim_cur > 1 << 20 ? 1 << 20 : (uint32_t)limit.rlim_cur;
}

static int
set_up_thread(struct intake *in, struct store *store)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.ptr = &in->returns,
	};
	uint32_t descriptors = descriptor_limit();

	in->waiting_max = descriptors / 8 + 8;
	in->fcgi = fcgi_new();
	in->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	in->connections.epoll_fd = in->epoll_fd;
	in->connections.body_max = (size_t)in->options->max_body;
	if (in->fcgi == NULL || in->epoll_fd < 0)
		return -ENOMEM;
	int rc = mailbox_init(&in->returns);
	if (rc == 0)
		rc = wake_init(&in->wake, store, descriptors / 8);
	if (rc != 0)
		return rc;
	handler_init(&in->answer, in->fcgi, in->options, &in->wake);
	/* Several workers accept from one socket: one that finds nothing there
	 * must not wait in accept(2). */
	int flags = fcntl(in->listen_fd, F_GETFL);
	if (flags < 0 ||
	    fcntl(in->listen_fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, in->returns.fd, &event) != 0)
		return -errno;
	listen_again(in);
	return 0;
}

static int
start_thread(struct intake *in)
{
	pthread_attr_t attributes;
	int rc = pthread_attr_init(&attributes);

	if (rc != 0)
		return -rc;
	rc = pthread_attr_setstacksize(&attributes, STACK_SIZE);
	if (rc == 0)
		rc = pthread_create(&in->thread, &attributes, run, in);
	pthread_attr_destroy(&attributes);
	return -rc;
}

int
intake_start(struct intake **out, int listen_fd, struct options *options,
    struct store *store, struct mailbox *arrivals)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (in == NULL)
		return -ENOMEM;
	in->listen_fd = listen_fd;
	in->options = options;
	in->arrivals = arrivals;
	in->epoll_fd = -1;
	in->returns.fd = -1;
	int rc = set_up_thread(in, store);
	if (rc == 0)
		rc = start_thread(in);
	if (rc != 0) {
		intake_free(in);
		return rc;
	}
	*out = in;
	return 0;
}

void
intake_give(struct intake *in, int fd)
{
	struct intake_return *back = calloc(1, sizeof(*back));

	if (back == NULL) {
		close(fd);
		return;
	}
	back->fd = fd;
	mailbox_send(&in->returns, &back->letter);
	/* cppcheck-suppress memleak ; it is the mailbox's now */
}

void
intake_reload(struct intake *in)
{
	atomic_store(&in->reloading, true);
	mailbox_nudge(&in->returns);
}

void
intake_stop(struct intake *in)
{
	atomic_store(&in->stopping, true);
	mailbox_nudge(&in->returns);
	(void)pthread_join(in->thread, NULL);
	intake_free(in);
}
