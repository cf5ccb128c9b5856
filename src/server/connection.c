#include "server/connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

void
connection_set_up(int fd, sa_family_t family)
{
	const int one = 1;

	/* A unix socket does not wait for more anyway. */
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
}

/*
 * So much may lie unread in a socket, each write counted with what the kernel
 * adds to it, before it is asked: far less than its buffer holds.
 */
#define UNREAD_MAX 32768
#define WRITE_COST 1024

bool
connection_is_read(struct connection *c)
{
	int unread = 0;

	if (c->unread < UNREAD_MAX)
		return true;
	if (ioctl(c->fd, SIOCOUTQ, &unread) != 0 || unread > 0)
		return false;
	c->unread = 0;
	return true;
}

void
connection_wrote(struct connection *c, size_t len)
{
	c->unread += WRITE_COST;
	c->unread += len < UNREAD_MAX ? (uint32_t)len : UNREAD_MAX;
	if (c->unread > UNREAD_MAX)
		c->unread = UNREAD_MAX;
}

static void
queue_add(struct queue *q, struct connection *c)
{
	c->next = NULL;
	c->previous = q->last;
	*(q->last != NULL ? &q->last->next : &q->first) = c;
	q->last = c;
	q->count++;
}

static void
queue_remove(struct queue *q, struct connection *c)
{
	*(c->previous != NULL ? &c->previous->next : &q->first) = c->next;
	*(c->next != NULL ? &c->next->previous : &q->last) = c->previous;
	q->count--;
}

static struct queue *
queue_of(struct connections *all, const struct connection *c)
{
	return c->waiting ? &all->waiting : &all->idle;
}

struct connection *
connection_adopt(struct connections *all, int fd, bool used)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return NULL;
	}
	c->fd = fd;
	c->unread = used ? UNREAD_MAX : 0;
	fcgi_record_init(&c->request, all->body_max);
	queue_add(&all->idle, c);
	return c;
}

void
connection_begin(struct connections *all, struct connection *c,
    uint64_t deadline_ms)
{
	queue_remove(queue_of(all, c), c);
	c->waiting = true;
	c->deadline_ms = deadline_ms;
	queue_add(&all->waiting, c);
}

void
connection_rest(struct connections *all, struct connection *c)
{
	queue_remove(queue_of(all, c), c);
	c->waiting = false;
	queue_add(&all->idle, c);
}

static bool
watch_for(const struct connections *all, struct connection *c, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };
	int how = c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (epoll_ctl(all->epoll_fd, how, c->fd, &event) != 0)
		return false;
	c->watched = true;
	return true;
}

bool
connection_watch(const struct connections *all, struct connection *c)
{
	return c->watched || watch_for(all, c, EPOLLIN);
}

int
connection_send(const struct connections *all, struct connection *c)
{
	while (c->sent < c->answer.len) {
		ssize_t len = send(c->fd, c->answer.ptr + c->sent,
		    c->answer.len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN && watch_for(all, c, EPOLLOUT)
			    ? -EAGAIN
			    : -EPIPE;
		c->sent += (size_t)len;
	}
	buf_fini(&c->answer);
	c->sent = 0;
	return !c->watched || watch_for(all, c, EPOLLIN) ? 0 : -EPIPE;
}

int
connection_release(struct connections *all, struct connection *c)
{
	int fd = c->fd;

	queue_remove(queue_of(all, c), c);
	if (c->watched)
		(void)epoll_ctl(all->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	fcgi_record_fini(&c->request);
	buf_fini(&c->answer);
	free(c);
	return fd;
}

void
connection_drop(struct connections *all, struct connection *c)
{
	close(connection_release(all, c));
}

bool
connection_make_room(struct connections *all)
{
	struct connection *c =
	    all->idle.first != NULL ? all->idle.first : all->waiting.first;

	if (c != NULL)
		connection_drop(all, c);
	return c != NULL;
}
