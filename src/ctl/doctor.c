#include "ctl/doctor.h"

#include <errno.h>
#include <string.h>

#include "ctl/exchange.h"
#include "ctl/findings.h"
#include "ctl/http2_check.h"
#include "ctl/load_checks.h"
#include "ctl/local_checks.h"
#include "ctl/stranger_check.h"
#include "ctl/stream_checks.h"

/* Is there anybody, and which server is it? */
static bool
examine_server(struct probe *p)
{
	struct exchange *v = &p->stream;
	struct findings *g = &p->diagnosis;

	findings_step(g, "reaching the web server");
	probe_get(p, v, "HEAD", false);
	(void)exchange_wait(&v, 1, exchange_is_headed, v, p->plan->limit_ms);
	if (!v->headed && v->state == EXCHANGE_UNDER_WAY) {
		findings_find(g, ADVICE_SILENT, "%s: no answer within %llu ms",
		    p->subscribe.text, probe_limit(p));
		return false;
	}
	if (!v->headed) {
		findings_find(g,
		    v->error == -EKEYREJECTED ? ADVICE_CERTIFICATE
					      : ADVICE_UNREACHABLE,
		    "%s: %s", p->subscribe.text,
		    v->error != 0 ? http_client_error(&v->client, v->error)
				  : "the connection is closed at once");
		return false;
	}
	findings_see(g, v);
	p->answers_head = exchange_is_type(v, "text/event-stream");
	return true;
}

/* A stream was asked for, and not even its head has come. */
static void
find_without_head(struct probe *p)
{
	struct exchange *v = &p->stream;
	struct findings *g = &p->diagnosis;
	bool answered = probe_publish(p, &v, 1);

	if (answered && probe_is_published(p) && probe_has_subscribers(p))
		findings_find(g, ADVICE_BUFFERED,
		    "%s: not even the headers come within %llu ms, though peal "
		    "holds the stream",
		    p->subscribe.what, probe_limit(p));
	else if (answered && p->answers_head && !probe_is_published(p))
		findings_find(g, ADVICE_BUFFERED,
		    "%s: not even the headers come within %llu ms, while HEAD "
		    "is answered",
		    p->subscribe.what, probe_limit(p));
	else
		findings_find(g, ADVICE_SILENT,
		    "%s: no headers within %llu ms, and peal has no such "
		    "stream",
		    p->subscribe.what, probe_limit(p));
}

/* Whether an address that is nobody's is answered with a page, too. */
static bool
is_any_address_answered(struct probe *p)
{
	struct span usual = p->subscribe.url.target;
	struct exchange v;
	struct exchange *waited = &v;

	exchange_init(&v);
	p->subscribe.url.target = SPAN("/peal-doctor-is-not-here");
	probe_get(p, &v, "GET", false);
	p->subscribe.url.target = usual;
	(void)exchange_wait(&waited, 1, exchange_is_headed, &v,
	    p->plan->limit_ms);
	bool answered =
	    exchange_status(&v) == 200 && exchange_is_type(&v, "text/html");
	exchange_fini(&v);
	return answered;
}

/* Open the stream.  Returns true if its head is that of an event stream. */
static bool
open_stream(struct probe *p, bool as_browser)
{
	struct exchange *v = &p->stream;

	probe_get(p, v, "GET", as_browser);
	(void)exchange_wait(&v, 1, exchange_is_headed, v, p->plan->limit_ms);
	if (v->state == EXCHANGE_UNDER_WAY && !v->headed) {
		find_without_head(p);
		return false;
	}
	if (exchange_status(v) == 200 &&
	    exchange_is_type(v, "text/event-stream"))
		return true;
	/* What peal says is in the body. */
	(void)exchange_wait(&v, 1, exchange_is_over, v, p->plan->limit_ms);
	if (exchange_status(v) == 200 && exchange_is_type(v, "text/html") &&
	    is_any_address_answered(p))
		findings_answered(&p->diagnosis, v, p->subscribe.what,
		    ADVICE_REWRITTEN);
	else
		findings_refused(&p->diagnosis, v, p->subscribe.what);
	return false;
}

static bool
is_compressed(const struct exchange *v)
{
	struct span coding = exchange_field(v, "Content-Encoding");

	return coding.len > 0 && !span_equal_nocase(coding, SPAN("identity"));
}

static void
check_cors(struct probe *p)
{
	struct span rest = p->plan->headers;
	struct span line;

	while (span_cut(&rest, '\n', &line)) {
		if (span_starts_nocase(line, SPAN("Origin:")) &&
		    exchange_field(&p->stream, "Access-Control-Allow-Origin")
			    .len == 0)
			findings_find(&p->diagnosis, ADVICE_NO_CORS,
			    "%s: no Access-Control-Allow-Origin for %.*s",
			    p->subscribe.what, (int)span_trim(line).len,
			    line.ptr);
	}
}

static bool
examine_stream(struct probe *p)
{
	struct exchange *v = &p->stream;
	struct findings *g = &p->diagnosis;

	findings_step(g, "opening a stream");
	if (!open_stream(p, true))
		return false;
	check_cors(p);
	if (is_compressed(v)) {
		struct span coding = exchange_field(v, "Content-Encoding");
		findings_find(g, ADVICE_COMPRESSED,
		    "%s: Content-Encoding: %.*s", p->subscribe.what,
		    (int)coding.len, coding.ptr);
		if (!open_stream(p, false))
			return false;
	}
	(void)exchange_wait(&v, 1, exchange_has_begun, v, p->plan->limit_ms);
	if (v->refused || v->opened)
		return true;
	if (v->state == EXCHANGE_UNDER_WAY)
		findings_find(g, ADVICE_BUFFERED,
		    "%s: after the headers nothing comes within %llu ms",
		    p->subscribe.what, probe_limit(p));
	else
		findings_find(g, ADVICE_NOT_MOUNTED,
		    "%s: the stream ends before its first block",
		    p->subscribe.what);
	return false;
}

/* Publishing was answered, but not as it should be. */
static void
find_refusal(struct probe *p)
{
	struct findings *g = &p->diagnosis;
	bool no_key = findings_is(&p->post, PROBLEM_KEY_MISSING);
	bool no_role = findings_is(&p->post, PROBLEM_NO_ROLE);

	if (no_key && p->plan->key.len > 0)
		findings_find(g, ADVICE_KEY_LOST,
		    "%s: peal answers 401, no key has arrived",
		    p->publish.what);
	else if (p->plan->publish_url == NULL && p->plan->key.len == 0 &&
	    (no_key || no_role))
		findings_note(g,
		    "nothing was published, as this URL is to subscribe only: "
		    "give --publish-url or --key-file");
	else if (no_key)
		findings_find(g, ADVICE_NO_ROLE,
		    "%s: peal answers 401, it wants a key: give --key-file",
		    p->publish.what);
	else
		findings_refused(g, &p->post, p->publish.what);
}

struct arrival {
	const struct exchange *stream;
	struct span id;
};

static bool
has_arrived(void *context)
{
	const struct arrival *a = context;

	return exchange_has_event(a->stream, a->id) ||
	    a->stream->state != EXCHANGE_UNDER_WAY;
}

/* Wait for the event that was published.  Returns false where it did not come. */
static bool
await_event(struct probe *p)
{
	struct exchange *v = &p->stream;
	struct buf id = { 0 };

	(void)findings_string(&p->post, "id", &id);
	struct arrival arrival = { v, buf_span(&id) };
	(void)exchange_wait(&v, 1, has_arrived, &arrival, p->plan->limit_ms);
	bool arrived = exchange_has_event(v, arrival.id);
	buf_fini(&id);
	return arrived;
}

/* Publish one test event and wait for it.  Returns false where it did not come. */
static bool
send_canary(struct probe *p)
{
	struct exchange *v = &p->stream;
	struct findings *g = &p->diagnosis;

	if (!probe_publish(p, &v, 1)) {
		findings_find(g, ADVICE_STARVED,
		    "%s: no answer within %llu ms while one stream is held",
		    p->publish.what, probe_limit(p));
		return false;
	}
	if (!probe_is_published(p)) {
		find_refusal(p);
		return false;
	}
	if (!probe_has_subscribers(p)) {
		findings_find(g, ADVICE_ELSEWHERE,
		    "%s: \"subscribers\":0, while we subscribe",
		    p->publish.what);
		return false;
	}
	if (await_event(p))
		return true;
	if (v->state != EXCHANGE_UNDER_WAY) {
		findings_find(g, ADVICE_DOWN,
		    "the stream has ended while we published");
		return false;
	}
	findings_find(g, ADVICE_BUFFERED,
	    "what is published does not arrive within %llu ms", probe_limit(p));
	return false;
}

static void
find_refused_stream(struct probe *p)
{
	struct span reason = buf_span(&p->stream.reason);

	findings_find(&p->diagnosis, ADVICE_FULL,
	    "%s: peal refuses the stream, with the reason \"%.*s\"",
	    p->subscribe.what, (int)reason.len,
	    reason.len > 0 ? reason.ptr : "");
}

/* What lies between the publisher's answer and the event: both came the same way. */
static double
delay_ms(const struct exchange *stream, const struct exchange *post)
{
	return stream->event_ns > post->last_ns
	    ? (double)(stream->event_ns - post->last_ns) / 1e6
	    : 0;
}

static bool
examine_publishing(struct probe *p)
{
	unsigned before = p->diagnosis.count;

	findings_step(&p->diagnosis, "publishing");
	if (p->stream.refused) {
		/* The web server may say so in peal's place: is peal there? */
		struct exchange *none = &p->stream;
		if (probe_publish(p, &none, 1) &&
		    exchange_status(&p->post) >= 500)
			findings_refused(&p->diagnosis, &p->post,
			    p->publish.what);
		else
			find_refused_stream(p);
		return false;
	}
	for (int i = 0; i < PROBE_TEST_EVENTS; i++) {
		if (!send_canary(p))
			return p->diagnosis.count == before;
		p->delays_ms[i] = delay_ms(&p->stream, &p->post);
	}
	p->may_publish = true;
	stream_checks_delays(p);
	return true;
}

static void
examine_way(struct probe *p)
{
	struct stream_checks_leaver leaver;

	if (!examine_server(p) || !examine_stream(p) || !examine_publishing(p))
		return;
	stranger_check(p);
	if (p->may_publish)
		load_checks_bodies(p);
	load_checks_streams(p);
	stream_checks_leave(p, &leaver);
	load_checks_silence(p);
	stream_checks_gone(p, &leaver);
	stream_checks_stalled(p);
	http2_check(p);
}

int
doctor_run(const struct probe_plan *plan, FILE *out)
{
	struct probe p;
	int rc = probe_init(&p, plan);

	if (rc == 0) {
		local_checks(&p);
		examine_way(&p);
		local_checks_arenas(&p);
		rc = findings_print(&p.diagnosis, out);
	}
	probe_fini(&p);
	return rc;
}
