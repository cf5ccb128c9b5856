#include "bench/crowd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"

#define ROOM 262144

void
crowd_put_target(struct buf *out, struct span target, const char *channel,
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
	struct crowd_member *m = context;
	struct tally_mark mark;

	if (tally_mark_read(&mark, event->data))
		tally_got(m->crowd->tally, &m->reader, &mark, m->crowd->timed,
		    m->crowd->now_ns);
}

int
crowd_init(struct crowd *c, const struct crowd_plan *plan, struct tally *tally,
    int epoll_fd)
{
	*c = (struct crowd){
		.plan = plan,
		.tally = tally,
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
		struct crowd_member *m = &c->members[i];
		client_init(&m->client);
		m->crowd = c;
		m->events.got = got;
		m->events.context = m;
	}
	const char *fault = client_resolve(&c->target, &plan->url);
	if (fault == NULL)
		return 0;
	buf_put(&c->why, plan->url.origin);
	buf_put(&c->why, SPAN(": "));
	buf_put_cstr(&c->why, fault);
	return -EINVAL;
}

void
crowd_fini(struct crowd *c)
{
	for (uint32_t i = 0; c->members != NULL && i < c->plan->subscribers;
	     i++) {
		struct crowd_member *m = &c->members[i];
		client_fini(&m->client);
		sse_reader_fini(&m->events);
		tally_leave(c->tally, &m->reader);
	}
	free(c->members);
	free(c->room);
	buf_fini(&c->why);
	*c = (struct crowd){ 0 };
}

static uint32_t
index_of(const struct crowd_member *m)
{
	return (uint32_t)(m - m->crowd->members);
}

/* The connection is over; why is kept if it is the first. */
static void
end_member(struct crowd_member *m, const char *why)
{
	struct crowd *c = m->crowd;

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
	tally_leave(c->tally, &m->reader);
	client_close(&m->client);
}

static void
put_request(const struct crowd *c, struct crowd_member *m)
{
	const struct crowd_plan *plan = c->plan;
	struct buf *out = &m->client.out;

	buf_put(out, SPAN("GET "));
	crowd_put_target(out, plan->url.target, plan->channel,
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
send_request(struct crowd_member *m)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = (uint64_t)index_of(m) * 2,
	};
	int rc = client_send(&m->client);

	if (rc == -EAGAIN) {
		if (!client_waits(&m->client))
			event.events |= EPOLLOUT;
	} else if (rc != 0) {
		end_member(m, client_error(&m->client, rc));
		return;
	} else {
		buf_fini(&m->client.out);
		m->client.sent = 0;
	}
	if (epoll_ctl(m->crowd->epoll_fd, EPOLL_CTL_MOD, m->client.fd,
		&event) != 0)
		end_member(m, strerror(errno));
}

static void
begin(struct crowd *c, struct crowd_member *m)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT,
		.data.u64 = (uint64_t)index_of(m) * 2,
	};
	int rc = client_connect(&m->client, &c->target);

	client_begin(&m->client, false);
	put_request(c, m);
	if (rc == 0 &&
	    epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, m->client.fd, &event) != 0)
		rc = -errno;
	if (rc != 0)
		end_member(m, strerror(-rc));
}

void
crowd_open_some(struct crowd *c, uint32_t pending_max)
{
	while (c->begun < c->plan->subscribers &&
	    c->begun - c->open - c->failed < pending_max)
		begin(c, &c->members[c->begun++]);
}

bool
crowd_is_there(const struct crowd *c)
{
	return c->open + c->failed == c->plan->subscribers;
}

/* The head of the response is there: is it a stream? */
static bool
become_open(struct crowd_member *m)
{
	struct crowd *c = m->crowd;
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
	if (tally_join(c->tally, &m->reader, index_of(m) % c->plan->channels,
		c->plan->resume != NULL) != 0) {
		end_member(m, "out of memory");
		return false;
	}
	return true;
}

static void
receive(struct crowd_member *m)
{
	struct crowd *c = m->crowd;
	struct http_response *r = &m->client.response;
	ssize_t len = client_receive(&m->client, c->room, ROOM);

	if (len == -EAGAIN)
		return;
	if (len <= 0) {
		end_member(m,
		    len == 0 ? "end of file"
			     : client_error(&m->client, (int)len));
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
crowd_event(struct crowd *c, uint32_t index, uint32_t events)
{
	struct crowd_member *m = &c->members[index];

	if (m->client.fd < 0)
		return;
	if ((events & EPOLLOUT) != 0 || client_waits(&m->client))
		send_request(m);
	if (m->client.fd >= 0 && (events & ~(uint32_t)EPOLLOUT) != 0)
		receive(m);
}

void
crowd_close(struct crowd *c)
{
	for (uint32_t i = 0; i < c->begun; i++)
		tally_close(c->tally, &c->members[i].reader);
}
