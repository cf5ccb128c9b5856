#include "bench/subscribers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"

#define ROOM 262144

void
subscribers_put_target(struct buf *out, struct span target, const char *channel,
    uint32_t number)
{
	while (target.len > 0) {
		if (target.len > 1 && memcmp(target.ptr, "{}", 2) == 0) {
			buf_put_cstr(out, channel);
			buf_put_u64(out, number);
			target.ptr += 2;
			target.len -= 2;
		} else {
			buf_put_char(out, target.ptr[0]);
			target.ptr++;
			target.len--;
		}
	}
}

/* An event has come to a member. */
static void
got(void *context, const struct sse_reader_event *event)
{
	struct subscriber *m = context;
	struct delivery_check_mark mark;

	/* What peal says of the stream or of a gap is not of this load. */
	if (span_starts_nocase(event->type, SPAN("peal:")))
		return;
	if (delivery_check_mark_read(&mark, event->data))
		delivery_check_got(m->subscribers->check, &m->reader, &mark,
		    m->subscribers->timed, m->subscribers->now_ns);
}

int
subscribers_init(struct subscribers *c, const struct subscribers_plan *plan,
    struct delivery_check *check, int epoll_fd)
{
	*c = (struct subscribers){
		.plan = plan,
		.check = check,
		.timed = true,
		.epoll_fd = epoll_fd,
		.members = calloc(plan->subscribers, sizeof(c->members[0])),
		.room = malloc(ROOM),
	};
	if (plan->subscribers == 0)
		return 0;
	if (c->members == NULL || c->room == NULL) {
		buf_put_cstr(&c->why, "out of memory");
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < plan->subscribers; i++) {
		struct subscriber *m = &c->members[i];
		http_client_init(&m->client);
		m->subscribers = c;
		m->events.got = got;
		m->events.context = m;
	}
	const char *fault = http_client_resolve(&c->target, &plan->url);
	if (fault == NULL)
		return 0;
	buf_put(&c->why, plan->url.origin);
	buf_put(&c->why, SPAN(": "));
	buf_put_cstr(&c->why, fault);
	return -EINVAL;
}

void
subscribers_fini(struct subscribers *c)
{
	for (uint32_t i = 0; c->members != NULL && i < c->plan->subscribers;
	     i++) {
		struct subscriber *m = &c->members[i];
		http_client_fini(&m->client);
		sse_reader_fini(&m->events);
		delivery_check_leave(c->check, &m->reader);
	}
	free(c->members);
	free(c->room);
	buf_fini(&c->why);
	*c = (struct subscribers){ 0 };
}

static uint32_t
index_of(const struct subscriber *m)
{
	return (uint32_t)(m - m->subscribers->members);
}

/* The connection is over; why is kept if it is the first. */
static void
end_member(struct subscriber *m, const char *why)
{
	struct subscribers *c = m->subscribers;

	if (m->open)
		c->ended++;
	else
		c->failed++;
	if (c->why.len == 0) {
		buf_put_cstr(&c->why,
		    m->open ? "a stream has ended: "
			    : "a stream could not be opened: ");
		buf_put_cstr(&c->why, why);
	}
	delivery_check_leave(c->check, &m->reader);
	http_client_close(&m->client);
}

static void
put_request(const struct subscribers *c, struct subscriber *m)
{
	const struct subscribers_plan *plan = c->plan;
	struct buf *out = &m->client.out;

	buf_put(out, SPAN("GET "));
	subscribers_put_target(out, plan->url.target, plan->channel,
	    index_of(m) % plan->channels);
	buf_put(out, SPAN(" HTTP/1.1\r\nHost: "));
	buf_put(out, plan->url.origin);
	buf_put(out, SPAN("\r\nAccept: text/event-stream\r\n"));
	if (plan->resume != NULL) {
		buf_put(out, SPAN("Last-Event-ID: "));
		buf_put_cstr(out, plan->resume);
		buf_put(out, SPAN("\r\n"));
	}
	buf_put(out, plan->headers);
	buf_put(out, SPAN("\r\n"));
}

static void
send_request(struct subscriber *m)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = (uint64_t)index_of(m) * 2,
	};
	int rc = http_client_send(&m->client);

	if (rc == -EAGAIN) {
		if (!http_client_waits(&m->client))
			event.events |= EPOLLOUT;
	} else if (rc != 0) {
		end_member(m, http_client_error(&m->client, rc));
		return;
	} else {
		buf_fini(&m->client.out);
		m->client.sent = 0;
	}
	if (epoll_ctl(m->subscribers->epoll_fd, EPOLL_CTL_MOD, m->client.fd,
		&event) != 0)
		end_member(m, strerror(errno));
}

static void
begin(struct subscribers *c, struct subscriber *m)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT,
		.data.u64 = (uint64_t)index_of(m) * 2,
	};
	int rc = http_client_connect(&m->client, &c->target);

	http_client_begin(&m->client, false);
	put_request(c, m);
	if (rc == 0 &&
	    epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, m->client.fd, &event) != 0)
		rc = -errno;
	if (rc != 0)
		end_member(m, strerror(-rc));
}

void
subscribers_open_some(struct subscribers *c, uint32_t pending_max)
{
	while (c->begun < c->plan->subscribers &&
	    c->begun - c->open - c->failed < pending_max)
		begin(c, &c->members[c->begun++]);
}

bool
subscribers_is_there(const struct subscribers *c)
{
	return c->open + c->failed == c->plan->subscribers;
}

/* The head of the response is there: is it a stream? */
static bool
become_open(struct subscriber *m)
{
	struct subscribers *c = m->subscribers;
	struct http_response *r = &m->client.response;
	char status[32];

	if (r->status != 200 || r->state == HTTP_RESPONSE_BROKEN) {
		(void)snprintf(status, sizeof(status), "status %d", r->status);
		end_member(m, status);
		return false;
	}
	buf_fini(&r->head);
	m->open = true;
	c->open++;
	if (index_of(m) < c->plan->stalled) {
		/* It never reads a byte more. */
		(void)epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, m->client.fd, NULL);
		return false;
	}
	if (delivery_check_join(c->check, &m->reader,
		index_of(m) % c->plan->channels,
		c->plan->resume != NULL) != 0) {
		end_member(m, "out of memory");
		return false;
	}
	return true;
}

static void
receive(struct subscriber *m)
{
	struct subscribers *c = m->subscribers;
	struct http_response *r = &m->client.response;
	ssize_t len = http_client_receive(&m->client, c->room, ROOM);

	if (len == -EAGAIN)
		return;
	if (len <= 0) {
		end_member(m,
		    len == 0 ? "end of file"
			     : http_client_error(&m->client, (int)len));
		return;
	}
	c->now_ns = clock_measure_ns();
	struct span in = { c->room, (size_t)len };
	struct span piece;
	bool more;
	do {
		more = http_response_read(r, &in, &piece);
		if (!m->open && r->state != HTTP_RESPONSE_HEAD &&
		    !become_open(m))
			return;
		if (more && sse_reader_read(&m->events, piece) != 0) {
			end_member(m, "out of memory");
			return;
		}
	} while (more);
	if (r->state == HTTP_RESPONSE_DONE || r->state == HTTP_RESPONSE_BROKEN)
		end_member(m, "the response has ended");
}

void
subscribers_event(struct subscribers *c, uint32_t index, uint32_t events)
{
	struct subscriber *m = &c->members[index];

	if (m->client.fd < 0)
		return;
	if ((events & EPOLLOUT) != 0 || http_client_waits(&m->client))
		send_request(m);
	if (m->client.fd >= 0 && (events & ~(uint32_t)EPOLLOUT) != 0)
		receive(m);
}

void
subscribers_close(struct subscribers *c)
{
	for (uint32_t i = 0; i < c->begun; i++)
		delivery_check_close(c->check, &c->members[i].reader);
}
