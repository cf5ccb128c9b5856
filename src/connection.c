#include "connection.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

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
connection_adopt(struct connections *all, int fd, size_t body_max)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return NULL;
	}
	c->fd = fd;
	record_init(&c->request, body_max);
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

bool
connection_watch(const struct connections *all, struct connection *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	if (!c->watched)
		c->watched =
		    epoll_ctl(all->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0;
	return c->watched;
}

int
connection_release(struct connections *all, struct connection *c)
{
	int fd = c->fd;

	queue_remove(queue_of(all, c), c);
	if (c->watched)
		(void)epoll_ctl(all->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	record_fini(&c->request);
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
