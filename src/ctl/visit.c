#include "ctl/visit.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ROOM 65536

static void
got(void *context, const struct sse_reader_event *event)
{
	struct visit *v = context;

	v->event_count++;
	buf_put(&v->ids, event->id);
	buf_put_char(&v->ids, '\n');
}

void
visit_init(struct visit *v)
{
	*v = (struct visit){ .state = VISIT_CUT };
	client_init(&v->client);
}

void
visit_fini(struct visit *v)
{
	client_fini(&v->client);
	sse_reader_fini(&v->events);
	buf_fini(&v->body);
	buf_fini(&v->ids);
	visit_init(v);
}

static void
end(struct visit *v, enum visit_state state, int error)
{
	v->state = state;
	v->error = error;
	v->sending = false;
	client_close(&v->client);
}

void
visit_begin(struct visit *v, const struct client_target *target,
    struct span request, bool no_body)
{
	visit_fini(v);
	v->events.got = got;
	v->events.context = v;
	v->state = VISIT_UNDER_WAY;
	v->sending = true;
	v->begun_ns = clock_measure_ns();
	v->last_ns = v->begun_ns;
	client_begin(&v->client, no_body);
	buf_put(&v->client.out, request);
	int rc = client_connect(&v->client, target);
	if (rc != 0)
		end(v, VISIT_CUT, rc);
}

int
visit_status(const struct visit *v)
{
	return v->headed ? v->client.response.status : 0;
}

struct span
visit_field(const struct visit *v, const char *name)
{
	if (!v->headed)
		return (struct span){ NULL, 0 };
	return http_response_field(&v->client.response, span_of(name));
}

bool
visit_is_type(const struct visit *v, const char *type)
{
	struct span rest = visit_field(v, "Content-Type");
	struct span media;

	return span_cut(&rest, ';', &media) &&
	    span_equal_nocase(span_trim(media), span_of(type));
}

bool
visit_has_event(const struct visit *v, struct span id)
{
	struct span rest = buf_span(&v->ids);
	struct span line;

	while (span_cut(&rest, '\n', &line)) {
		if (span_equal(line, id))
			return true;
	}
	return false;
}

bool
visit_is_headed(void *context)
{
	const struct visit *v = context;

	return v->headed || v->state != VISIT_UNDER_WAY;
}

bool
visit_is_over(void *context)
{
	const struct visit *v = context;

	return v->state != VISIT_UNDER_WAY;
}

/* Where the stream's first block ends; NULL where it has not come. */
static const char *
first_block_end(const struct visit *v)
{
	struct span body = buf_span(&v->body);

	return body.len == 0 ? NULL : memmem(body.ptr, body.len, "\n\n", 2);
}

bool
visit_has_begun(void *context)
{
	const struct visit *v = context;

	return first_block_end(v) != NULL || v->state != VISIT_UNDER_WAY;
}

bool
visit_is_stream(const struct visit *v)
{
	const char *end = first_block_end(v);

	return end != NULL &&
	    memmem(v->body.ptr, (size_t)(end - v->body.ptr), "\nid: ", 5) !=
	    NULL;
}

bool
visit_is_sent_away(const struct visit *v)
{
	return first_block_end(v) != NULL && v->first_retry_ms != 0 &&
	    !visit_is_stream(v);
}

static void
go_on_sending(struct visit *v)
{
	int rc = client_send(&v->client);

	/* Who refuses a body may answer and close before all is sent. */
	if (rc != -EAGAIN)
		v->sending = false;
	if (rc != 0 && rc != -EAGAIN && rc != -EPIPE && rc != -ECONNRESET)
		end(v, VISIT_CUT, rc);
}

/* Take a piece of the body. */
static int
take(struct visit *v, struct span piece)
{
	struct span kept = piece;

	if (kept.len > VISIT_BODY_MAX - v->body.len)
		kept.len = VISIT_BODY_MAX - v->body.len;
	buf_put(&v->body, kept);
	int rc = sse_reader_read(&v->events, piece);
	if (rc == 0)
		rc = buf_error(&v->body);
	if (v->first_retry_ms == 0)
		v->first_retry_ms = v->events.retry_ms;
	return rc;
}

static void
receive(struct visit *v, char *room)
{
	struct http_response *r = &v->client.response;
	ssize_t len = client_receive(&v->client, room, ROOM);
	int rc = 0;

	if (len == -EAGAIN)
		return;
	struct span in = { room, len > 0 ? (size_t)len : 0 };
	struct span piece;
	while (rc == 0 && http_response_read(r, &in, &piece))
		rc = take(v, piece);
	if (len > 0)
		v->last_ns = clock_measure_ns();
	else
		http_response_end(r);
	v->headed =
	    v->headed || (r->state != HTTP_RESPONSE_HEAD && r->status != 0);
	if (rc != 0)
		end(v, VISIT_CUT, rc);
	else if (r->state == HTTP_RESPONSE_DONE)
		end(v, VISIT_COMPLETE, 0);
	else if (len <= 0 || r->state == HTTP_RESPONSE_BROKEN)
		end(v, VISIT_CUT, len < 0 ? (int)len : 0);
}

static void
poll_once(struct visit *const *visits, size_t count, struct pollfd *fds,
    char *room, int limit_ms)
{
	for (size_t i = 0; i < count; i++) {
		fds[i] = (struct pollfd){
			.fd = visits[i]->client.fd,
			.events = visits[i]->sending &&
				!client_waits(&visits[i]->client)
			    ? POLLIN | POLLOUT
			    : POLLIN,
		};
	}
	if (poll(fds, count, limit_ms) <= 0)
		return;
	for (size_t i = 0; i < count; i++) {
		struct visit *v = visits[i];
		if (v->state == VISIT_UNDER_WAY && v->sending &&
		    ((fds[i].revents & (POLLOUT | POLLERR | POLLHUP)) != 0 ||
			client_waits(&v->client)))
			go_on_sending(v);
		if (v->state == VISIT_UNDER_WAY &&
		    (fds[i].revents & ~POLLOUT) != 0)
			receive(v, room);
	}
}

bool
visit_wait(struct visit *const *visits, size_t count,
    bool (*done)(void *context), void *context, uint64_t limit_ms)
{
	uint64_t end_ns = clock_measure_ns() + limit_ms * 1000000;
	struct pollfd *fds = calloc(count, sizeof(*fds));
	char *room = malloc(ROOM);
	bool is_done = done(context);

	while (!is_done && fds != NULL && room != NULL) {
		uint64_t now_ns = clock_measure_ns();
		if (now_ns >= end_ns)
			break;
		poll_once(visits, count, fds, room,
		    (int)((end_ns - now_ns) / 1000000) + 1);
		is_done = done(context);
	}
	free(fds);
	free(room);
	return is_done;
}
