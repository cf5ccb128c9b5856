#include "ctl/exchange.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

#define ROOM 65536

/* The reason of a refusal or an end, which peal writes as {"reason":"full"}. */
static void
keep_reason(struct exchange *v, struct span data)
{
	struct span object;
	struct span value;

	buf_clear(&v->reason);
	if (json_value(&data, &object) == 0 &&
	    json_find(object, SPAN("reason"), &value) == 0 &&
	    value.ptr[0] == '"')
		(void)json_decode(&v->reason, value);
}

static void
got(void *context, const struct sse_reader_event *event)
{
	struct exchange *v = context;

	if (span_equal(event->type, SPAN("peal:open"))) {
		v->opened = true;
	} else if (span_equal(event->type, SPAN("peal:busy"))) {
		v->refused = true;
		keep_reason(v, event->data);
	} else if (span_equal(event->type, SPAN("peal:end"))) {
		v->ended = true;
		keep_reason(v, event->data);
	} else {
		v->event_ns = clock_measure_ns();
		buf_put(&v->ids, event->id);
		buf_put_char(&v->ids, '\n');
	}
}

void
exchange_init(struct exchange *v)
{
	*v = (struct exchange){ .state = EXCHANGE_CUT };
	http_client_init(&v->client);
}

void
exchange_fini(struct exchange *v)
{
	http_client_fini(&v->client);
	sse_reader_fini(&v->events);
	buf_fini(&v->body);
	buf_fini(&v->ids);
	buf_fini(&v->reason);
	exchange_init(v);
}

static void
end(struct exchange *v, enum exchange_state state, int error)
{
	v->state = state;
	v->error = error;
	v->sending = false;
	http_client_close(&v->client);
}

void
exchange_begin(struct exchange *v, const struct http_client_target *target,
    struct span request, bool no_body)
{
	exchange_fini(v);
	v->events.got = got;
	v->events.context = v;
	v->state = EXCHANGE_UNDER_WAY;
	v->sending = true;
	v->begun_ns = clock_measure_ns();
	v->last_ns = v->begun_ns;
	http_client_begin(&v->client, no_body);
	buf_put(&v->client.out, request);
	int rc = http_client_connect(&v->client, target);
	if (rc != 0)
		end(v, EXCHANGE_CUT, rc);
}

int
exchange_status(const struct exchange *v)
{
	return v->headed ? v->client.response.status : 0;
}

struct span
exchange_field(const struct exchange *v, const char *name)
{
	if (!v->headed)
		return (struct span){ NULL, 0 };
	return http_response_field(&v->client.response, span_of(name));
}

bool
exchange_is_type(const struct exchange *v, const char *type)
{
	struct span rest = exchange_field(v, "Content-Type");
	struct span media;

	return span_cut(&rest, ';', &media) &&
	    span_equal_nocase(span_trim(media), span_of(type));
}

bool
exchange_has_event(const struct exchange *v, struct span id)
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
exchange_is_headed(void *context)
{
	const struct exchange *v = context;

	return v->headed || v->state != EXCHANGE_UNDER_WAY;
}

bool
exchange_is_over(void *context)
{
	const struct exchange *v = context;

	return v->state != EXCHANGE_UNDER_WAY;
}

bool
exchange_has_begun(void *context)
{
	const struct exchange *v = context;

	return v->opened || v->refused || v->state != EXCHANGE_UNDER_WAY;
}

static void
go_on_sending(struct exchange *v)
{
	int rc = http_client_send(&v->client);

	/* Who refuses a body may answer and close before all is sent. */
	if (rc != -EAGAIN)
		v->sending = false;
	if (rc != 0 && rc != -EAGAIN && rc != -EPIPE && rc != -ECONNRESET)
		end(v, EXCHANGE_CUT, rc);
}

/* Take a piece of the body. */
static int
take(struct exchange *v, struct span piece)
{
	struct span kept = piece;

	if (kept.len > EXCHANGE_BODY_MAX - v->body.len)
		kept.len = EXCHANGE_BODY_MAX - v->body.len;
	buf_put(&v->body, kept);
	int rc = sse_reader_read(&v->events, piece);
	if (rc == 0)
		rc = buf_error(&v->body);
	return rc;
}

static void
receive(struct exchange *v, char *room)
{
	struct http_response *r = &v->client.response;
	ssize_t len = http_client_receive(&v->client, room, ROOM);
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
		end(v, EXCHANGE_CUT, rc);
	else if (r->state == HTTP_RESPONSE_DONE)
		end(v, EXCHANGE_COMPLETE, 0);
	else if (len <= 0 || r->state == HTTP_RESPONSE_BROKEN)
		end(v, EXCHANGE_CUT, len < 0 ? (int)len : 0);
}

static void
poll_once(struct exchange *const *visits, size_t count, struct pollfd *fds,
    char *room, int limit_ms)
{
	for (size_t i = 0; i < count; i++) {
		fds[i] = (struct pollfd){
			.fd = visits[i]->client.fd,
			.events = visits[i]->sending &&
				!http_client_waits(&visits[i]->client)
			    ? POLLIN | POLLOUT
			    : POLLIN,
		};
	}
	if (poll(fds, count, limit_ms) <= 0)
		return;
	for (size_t i = 0; i < count; i++) {
		struct exchange *v = visits[i];
		if (v->state == EXCHANGE_UNDER_WAY && v->sending &&
		    ((fds[i].revents & (POLLOUT | POLLERR | POLLHUP)) != 0 ||
			http_client_waits(&v->client)))
			go_on_sending(v);
		if (v->state == EXCHANGE_UNDER_WAY &&
		    (fds[i].revents & ~POLLOUT) != 0)
			receive(v, room);
	}
}

bool
exchange_wait(struct exchange *const *visits, size_t count,
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
