#include "bench/publishers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "bench/subscribers.h"

#define ROOM 65536

static const char *const types[] = {
	[PUBLISHERS_RAW] = "text/plain",
	[PUBLISHERS_JSON] = "application/json",
	[PUBLISHERS_ARRAY] = "application/json",
	[PUBLISHERS_NDJSON] = "application/x-ndjson",
};

static int
make_all(struct publishers *p)
{
	const struct publishers_plan *plan = p->plan;

	p->filler = malloc(plan->payload);
	p->all = calloc(plan->connections, sizeof(p->all[0]));
	if (p->filler == NULL || p->all == NULL)
		return -ENOMEM;
	memset(p->filler, 'x', plan->payload);
	/* The last first, so that the first is used first. */
	for (uint32_t i = plan->connections; i-- > 0;) {
		struct publisher *one = &p->all[i];
		http_client_init(&one->client);
		one->publishers = p;
		one->numbers = calloc(plan->batch, sizeof(one->numbers[0]));
		if (one->numbers == NULL)
			return -ENOMEM;
		one->next_idle = p->idle;
		p->idle = one;
	}
	return 0;
}

int
publishers_init(struct publishers *p, const struct publishers_plan *plan,
    struct delivery_check *check, int epoll_fd)
{
	*p = (struct publishers){
		.plan = plan,
		.check = check,
		.epoll_fd = epoll_fd,
	};
	if (plan->connections == 0)
		return 0;
	int rc = make_all(p);
	const char *fault = rc != 0
	    ? "out of memory"
	    : http_client_resolve(&p->target, &plan->url);
	if (fault == NULL)
		return 0;
	buf_put(&p->why, plan->url.origin);
	buf_put(&p->why, SPAN(": "));
	buf_put_cstr(&p->why, fault);
	return rc != 0 ? rc : -EINVAL;
}

void
publishers_fini(struct publishers *p)
{
	for (uint32_t i = 0; p->all != NULL && i < p->plan->connections; i++) {
		/* Those that were not made any more are all 0. */
		if (p->all[i].publishers != NULL)
			http_client_fini(&p->all[i].client);
		free(p->all[i].numbers);
	}
	free(p->all);
	free(p->filler);
	buf_fini(&p->body);
	buf_fini(&p->name);
	buf_fini(&p->why);
	*p = (struct publishers){ 0 };
}

/* The answer has come, or never will; why is kept if it is the first. */
static void
answered(struct publisher *one, bool good, const char *why)
{
	struct publishers *p = one->publishers;
	uint64_t now_ns = clock_measure_ns();

	for (uint32_t i = 0; i < one->count; i++)
		delivery_check_answered(p->check, one->numbers[i], good,
		    now_ns);
	if (!good && p->why.len == 0) {
		buf_put_cstr(&p->why, "a POST failed: ");
		buf_put_cstr(&p->why, why);
	}
	one->count = 0;
	one->kept = good && one->client.response.keep;
	if (!one->kept)
		http_client_close(&one->client);
	if (one->busy)
		p->busy--;
	one->busy = false;
	one->next_idle = p->idle;
	p->idle = one;
}

/* Data of the length asked for, which begins with what it is. */
static void
put_data(struct publishers *p, struct publisher *one, uint32_t channel,
    uint64_t due_ns)
{
	uint32_t publisher = (uint32_t)(one - p->all);
	char text[DELIVERY_CHECK_MARK_MAX];
	struct delivery_check_mark mark =
	    delivery_check_send(p->check, publisher, channel, due_ns);
	size_t len = delivery_check_mark_print(&mark, text);

	one->numbers[one->count++] = mark.number;
	buf_put(&p->body, (struct span){ text, len });
	if (len < p->plan->payload)
		buf_put(&p->body,
		    (struct span){ p->filler, p->plan->payload - len });
}

static void
put_object(struct publishers *p, struct publisher *one, uint32_t channel,
    uint64_t due_ns, struct json_writer *w)
{
	buf_clear(&p->name);
	buf_put_cstr(&p->name, p->plan->channel);
	buf_put_u64(&p->name, channel);
	json_writer_begin(w, NULL, '{');
	json_writer_string(w, "channel", buf_span(&p->name));
	/* A mark and its filler need no escapes. */
	json_writer_name(w, "data");
	buf_put_char(&p->body, '"');
	put_data(p, one, channel, due_ns);
	buf_put_char(&p->body, '"');
	json_writer_end(w, '}');
}

/* Returns the channel of the first event. */
static uint32_t
put_body(struct publishers *p, struct publisher *one, uint32_t count,
    uint64_t due_ns)
{
	const struct publishers_plan *plan = p->plan;
	uint32_t first = (uint32_t)(p->events % plan->channels);
	struct json_writer w = { .out = &p->body };

	buf_clear(&p->body);
	if (plan->type == PUBLISHERS_ARRAY)
		json_writer_begin(&w, NULL, '[');
	for (uint32_t i = 0; i < count; i++) {
		uint32_t channel = (uint32_t)(p->events++ % plan->channels);
		if (plan->type == PUBLISHERS_RAW) {
			put_data(p, one, channel, due_ns);
			continue;
		}
		put_object(p, one, channel, due_ns, &w);
		if (plan->type == PUBLISHERS_NDJSON) {
			buf_put_char(&p->body, '\n');
			w = (struct json_writer){ .out = &p->body };
		}
	}
	if (plan->type == PUBLISHERS_ARRAY)
		json_writer_end(&w, ']');
	return first;
}

static void
put_request(struct publishers *p, struct publisher *one, uint32_t count,
    uint64_t due_ns)
{
	const struct publishers_plan *plan = p->plan;
	struct buf *out = &one->client.out;
	uint32_t channel = put_body(p, one, count, due_ns);

	buf_clear(out);
	buf_put(out, SPAN("POST "));
	subscribers_put_target(out, plan->url.target, plan->channel, channel);
	buf_put(out, SPAN(" HTTP/1.1\r\nHost: "));
	buf_put(out, plan->url.origin);
	buf_put(out, SPAN("\r\nContent-Type: "));
	buf_put_cstr(out, types[plan->type]);
	buf_put(out, SPAN("\r\nContent-Length: "));
	buf_put_u64(out, p->body.len);
	buf_put(out, SPAN("\r\n"));
	buf_put(out, plan->headers);
	buf_put(out, SPAN("\r\n"));
	buf_put(out, buf_span(&p->body));
}

static int
watch(struct publisher *one, int operation, uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data.u64 = (uint64_t)(one - one->publishers->all) * 2 + 1,
	};

	return epoll_ctl(one->publishers->epoll_fd, operation, one->client.fd,
		   &event) == 0
	    ? 0
	    : -errno;
}

/* Wait for what lets sending go on. */
static int
watch_sending(struct publisher *one)
{
	return watch(one, EPOLL_CTL_MOD,
	    http_client_waits(&one->client) ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static int
post(struct publisher *one)
{
	struct publishers *p = one->publishers;
	int rc = 0;

	if (one->client.fd < 0) {
		rc = http_client_connect(&one->client, &p->target);
		if (rc == 0)
			rc = watch(one, EPOLL_CTL_ADD, EPOLLIN);
	}
	if (rc == 0)
		rc = http_client_send(&one->client);
	return rc == -EAGAIN ? watch_sending(one) : rc;
}

/*
 * A server may close a kept connection at the moment we send on it: what has no
 * byte of an answer is sent once more, on a new one.  Had the server read it all
 * the same, the delivery check would say that it came twice.
 */
static void
failed(struct publisher *one, const char *why)
{
	bool again = one->kept && one->client.response.head.len == 0;

	if (again) {
		one->kept = false;
		http_client_close(&one->client);
		http_client_begin(&one->client, false);
		int rc = post(one);
		if (rc == 0)
			return;
		why = strerror(-rc);
	}
	answered(one, false, why);
}

bool
publishers_send(struct publishers *p, uint32_t count, uint64_t due_ns)
{
	struct publisher *one = p->idle;

	if (one == NULL)
		return false;
	p->idle = one->next_idle;
	one->busy = true;
	p->busy++;
	http_client_begin(&one->client, false);
	one->said_len = 0;
	put_request(p, one, count, due_ns);
	int rc = post(one);
	if (rc != 0)
		failed(one, strerror(-rc));
	return true;
}

static void
go_on_sending(struct publisher *one)
{
	int rc = http_client_send(&one->client);

	rc = rc == -EAGAIN ? watch_sending(one)
	    : rc == 0	   ? watch(one, EPOLL_CTL_MOD, EPOLLIN)
			   : rc;
	if (rc != 0)
		failed(one, http_client_error(&one->client, rc));
}

/* Keep what an answer says of a failure. */
static void
keep(struct publisher *one, struct span piece)
{
	size_t room = sizeof(one->said) - one->said_len;
	size_t len = piece.len < room ? piece.len : room;

	if (len > 0 && one->client.response.status >= 300) {
		memcpy(one->said + one->said_len, piece.ptr, len);
		one->said_len += len;
	}
}

/* The answer is whole.  JSON and plain text tell in words what is wrong. */
static void
complete(struct publisher *one)
{
	const struct http_response *r = &one->client.response;
	struct span type = http_response_field(r, SPAN("Content-Type"));
	bool told =
	    span_starts_nocase(type, SPAN("application/problem+json")) ||
	    span_starts_nocase(type, SPAN("text/plain"));
	char why[32 + sizeof(one->said)];
	int len = snprintf(why, sizeof(why), "status %d%s", r->status,
	    told && one->said_len > 0 ? ": " : "");

	for (size_t i = 0; told && i < one->said_len; i++) {
		unsigned char c = (unsigned char)one->said[i];
		why[len++] = c >= 0x20 && c < 0x7f ? (char)c : '.';
	}
	why[len] = '\0';
	answered(one, r->status >= 200 && r->status < 300, why);
}

static void
receive(struct publisher *one)
{
	struct http_response *r = &one->client.response;
	char bytes[ROOM];
	ssize_t len = http_client_receive(&one->client, bytes, sizeof(bytes));

	if (len == -EAGAIN)
		return;
	if (!one->busy) {
		/*
		 * Between two requests a connection may be closed; and what is
		 * said there, as 408 by some servers, answers nothing.
		 */
		http_client_close(&one->client);
		return;
	}
	if (len < 0) {
		failed(one, http_client_error(&one->client, (int)len));
		return;
	}
	struct span in = { bytes, (size_t)len };
	struct span piece;
	while (http_response_read(r, &in, &piece))
		keep(one, piece);
	if (len == 0)
		http_response_end(r);
	if (r->state == HTTP_RESPONSE_DONE)
		complete(one);
	else if (r->state == HTTP_RESPONSE_BROKEN)
		failed(one, "the connection was closed");
}

void
publishers_event(struct publishers *p, uint32_t index, uint32_t events)
{
	struct publisher *one = &p->all[index];

	if (one->client.fd >= 0 && one->busy &&
	    ((events & EPOLLOUT) != 0 || http_client_waits(&one->client)))
		go_on_sending(one);
	if (one->client.fd >= 0 && (events & ~(uint32_t)EPOLLOUT) != 0)
		receive(one);
}
