#include "ctl/http2_check.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "client/http_client.h"
#include "client/tls.h"
#include "wire/http2_settings.h"

/* Over HTTP/1.1 a browser opens so many connections to a site. */
#define CONNECTIONS_OF_BROWSER 6
#define ROOM 4096
#define LOOK_AGAIN_MS 50

/* What a server works on of a connection at a time, where that is less than it says.
 * Tried with Apache 2.4: its other requests wait. */
static const struct {
	enum advice_server server;
	uint32_t streams;
} known[] = {
	{ ADVICE_APACHE, 6 },
};

enum agreement {
	HTTP2_UNKNOWN, /* the server has not answered */
	HTTP2_NO,
	HTTP2_YES,
};

/* Take in what the server says.  Returns 0 or -EAGAIN while it is not enough, or an
 * error. */
static int
go_on(struct http_client *c, struct buf *in, enum agreement *agreed,
    uint32_t *streams)
{
	char *to = buf_room(in, ROOM);
	ssize_t len = to != NULL ? http_client_receive(c, to, ROOM) : -ENOMEM;

	if (len > 0)
		in->len += (size_t)len;
	if (*agreed == HTTP2_UNKNOWN && tls_is_agreed(c->tls)) {
		*agreed = tls_is_http2(c->tls) ? HTTP2_YES : HTTP2_NO;
		if (*agreed == HTTP2_YES)
			buf_put(&c->out, http2_settings_preface());
	}
	if (*agreed == HTTP2_NO)
		return 0;
	int rc = *agreed == HTTP2_YES ? http_client_send(c) : -EAGAIN;
	if (rc != 0 && rc != -EAGAIN)
		return rc;
	rc = http2_settings_streams(buf_span(in), streams);
	if (rc == -EAGAIN && len <= 0 && len != -EAGAIN)
		return len == 0 ? -EPIPE : (int)len;
	return rc;
}

/* Ask within the time limit. */
static enum agreement
ask(const struct probe *p, uint32_t *streams)
{
	uint64_t end_ns = clock_measure_ns() + p->plan->limit_ms * 1000000;
	struct http_client_target target = p->subscribe.target;
	enum agreement agreed = HTTP2_UNKNOWN;
	struct http_client c;
	struct buf in = { 0 };

	target.http2 = true;
	http_client_init(&c);
	int rc = http_client_connect(&c, &target);
	http_client_begin(&c, false);
	while (rc == 0 && clock_measure_ns() < end_ns) {
		struct pollfd fd = { .fd = c.fd, .events = POLLIN };
		(void)poll(&fd, 1, LOOK_AGAIN_MS);
		int done = go_on(&c, &in, &agreed, streams);
		if (done != -EAGAIN) {
			rc = done;
			break;
		}
	}
	http_client_fini(&c);
	buf_fini(&in);
	return rc == 0 ? agreed : HTTP2_UNKNOWN;
}

/* What the servers on the way really work on at a time. */
static uint32_t
limit_of(const struct findings *g, uint32_t offered)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if ((g->hops.servers >> known[i].server & 1) != 0 &&
		    known[i].streams < offered)
			return known[i].streams;
	}
	return offered;
}

static void
judge(struct findings *g, uint32_t offered)
{
	uint32_t limit = limit_of(g, offered);

	if (limit <= CONNECTIONS_OF_BROWSER)
		findings_find(g, ADVICE_HTTP2_FEW,
		    "over HTTP/2 the server offers %u streams of a connection, "
		    "and works on %u at a time",
		    offered, limit);
	else if (offered == HTTP2_SETTINGS_UNLIMITED)
		findings_note(g,
		    "over HTTP/2 the server sets no limit to the streams of a "
		    "connection");
	else
		findings_note(g,
		    "over HTTP/2 the server takes %u streams of a connection "
		    "at a time: a browser has one connection, for all its tabs",
		    offered);
}

void
http2_check(struct probe *p)
{
	struct findings *g = &p->diagnosis;
	uint32_t streams = HTTP2_SETTINGS_UNLIMITED;

	if (p->subscribe.target.secure) {
		findings_step(g, "asking for HTTP/2");
		switch (ask(p, &streams)) {
		case HTTP2_YES:
			judge(g, streams);
			return;
		case HTTP2_NO:
		case HTTP2_UNKNOWN:
			break;
		}
	}
	findings_note(g,
	    "over HTTP/1.1 a browser opens six connections to a site, for all "
	    "its tabs: one stream with several channels, or HTTP/2");
}
