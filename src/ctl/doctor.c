#include "ctl/doctor.h"

#include <errno.h>
#include <string.h>

#include "ctl/diagnosis.h"
#include "ctl/strain.h"
#include "ctl/visit.h"

#define CANARIES 3

/* Is there anybody, and which server is it? */
static bool
examine_server(struct patient *p)
{
	struct visit *v = &p->stream;
	struct diagnosis *g = &p->diagnosis;

	diagnosis_step(g, "reaching the web server");
	patient_get(p, v, "HEAD", false);
	(void)visit_wait(&v, 1, visit_is_headed, v, p->plan->limit_ms);
	if (!v->headed && v->state == VISIT_UNDER_WAY) {
		diagnosis_find(g, REMEDY_SILENT, "%s: no answer within %llu ms",
		    p->subscribe.text, patient_limit(p));
		return false;
	}
	if (!v->headed) {
		diagnosis_find(g,
		    v->error == -EKEYREJECTED ? REMEDY_CERTIFICATE
					      : REMEDY_UNREACHABLE,
		    "%s: %s", p->subscribe.text,
		    v->error != 0 ? client_error(&v->client, v->error)
				  : "the connection is closed at once");
		return false;
	}
	buf_put(&g->server_name, visit_field(v, "Server"));
	g->server = remedy_server_of(buf_span(&g->server_name));
	p->answers_head = visit_is_type(v, "text/event-stream");
	return true;
}

/* A stream was asked for, and not even its head has come. */
static void
find_without_head(struct patient *p)
{
	struct visit *v = &p->stream;
	struct diagnosis *g = &p->diagnosis;
	bool answered = patient_publish(p, &v, 1);

	if (answered && patient_is_published(p) && patient_has_subscribers(p))
		diagnosis_find(g, REMEDY_BUFFERED,
		    "%s: not even the headers come within %llu ms, though peal "
		    "holds the stream",
		    p->subscribe.what, patient_limit(p));
	else if (answered && p->answers_head && !patient_is_published(p))
		diagnosis_find(g, REMEDY_BUFFERED,
		    "%s: not even the headers come within %llu ms, while HEAD "
		    "is answered",
		    p->subscribe.what, patient_limit(p));
	else
		diagnosis_find(g, REMEDY_SILENT,
		    "%s: no headers within %llu ms, and peal has no such "
		    "stream",
		    p->subscribe.what, patient_limit(p));
}

/* Open the stream.  Returns true if its head is that of an event stream. */
static bool
open_stream(struct patient *p, bool as_browser)
{
	struct visit *v = &p->stream;

	patient_get(p, v, "GET", as_browser);
	(void)visit_wait(&v, 1, visit_is_headed, v, p->plan->limit_ms);
	if (v->state == VISIT_UNDER_WAY && !v->headed) {
		find_without_head(p);
		return false;
	}
	if (visit_status(v) == 200 && visit_is_type(v, "text/event-stream"))
		return true;
	/* What peal says is in the body. */
	(void)visit_wait(&v, 1, visit_is_over, v, p->plan->limit_ms);
	diagnosis_refused(&p->diagnosis, v, p->subscribe.what);
	return false;
}

static bool
is_compressed(const struct visit *v)
{
	struct span coding = visit_field(v, "Content-Encoding");

	return coding.len > 0 && !span_equal_nocase(coding, SPAN("identity"));
}

static void
check_cors(struct patient *p)
{
	struct span rest = p->plan->headers;
	struct span line;

	while (span_cut(&rest, '\n', &line)) {
		if (span_starts_nocase(line, SPAN("Origin:")) &&
		    visit_field(&p->stream, "Access-Control-Allow-Origin")
			    .len == 0)
			diagnosis_find(&p->diagnosis, REMEDY_NO_CORS,
			    "%s: no Access-Control-Allow-Origin for %.*s",
			    p->subscribe.what, (int)span_trim(line).len,
			    line.ptr);
	}
}

static bool
examine_stream(struct patient *p)
{
	struct visit *v = &p->stream;
	struct diagnosis *g = &p->diagnosis;

	diagnosis_step(g, "opening a stream");
	if (!open_stream(p, true))
		return false;
	check_cors(p);
	if (is_compressed(v)) {
		struct span coding = visit_field(v, "Content-Encoding");
		diagnosis_find(g, REMEDY_COMPRESSED,
		    "%s: Content-Encoding: %.*s", p->subscribe.what,
		    (int)coding.len, coding.ptr);
		if (!open_stream(p, false))
			return false;
	}
	(void)visit_wait(&v, 1, visit_has_begun, v, p->plan->limit_ms);
	p->sent_away = visit_is_sent_away(v);
	if (p->sent_away || visit_is_stream(v))
		return true;
	if (v->state == VISIT_UNDER_WAY)
		diagnosis_find(g, REMEDY_BUFFERED,
		    "%s: after the headers nothing comes within %llu ms",
		    p->subscribe.what, patient_limit(p));
	else
		diagnosis_find(g, REMEDY_NOT_MOUNTED,
		    "%s: the stream ends before its first block",
		    p->subscribe.what);
	return false;
}

/* Publishing was answered, but not as it should be. */
static void
find_refusal(struct patient *p)
{
	struct diagnosis *g = &p->diagnosis;
	int status = visit_status(&p->post);
	struct span detail = diagnosis_member(&p->post, "detail");
	bool no_key = diagnosis_is_problem(&p->post) && status == 401 &&
	    memmem(detail.ptr, detail.len, "needs a key", 11) != NULL;

	if (no_key && p->plan->key.len > 0)
		diagnosis_find(g, REMEDY_KEY_LOST,
		    "%s: peal answers 401, no key has arrived",
		    p->publish.what);
	else if (p->plan->publish_url == NULL && p->plan->key.len == 0 &&
	    diagnosis_is_problem(&p->post) && (status == 403 || status == 401))
		diagnosis_note(g,
		    "nothing was published, as this URL is to subscribe only: "
		    "give --publish-url or --key-file");
	else if (no_key)
		diagnosis_find(g, REMEDY_NO_ROLE,
		    "%s: peal answers 401, it wants a key: give --key-file",
		    p->publish.what);
	else
		diagnosis_refused(g, &p->post, p->publish.what);
}

struct arrival {
	const struct visit *stream;
	struct span id;
};

static bool
has_arrived(void *context)
{
	const struct arrival *a = context;

	return visit_has_event(a->stream, a->id) ||
	    a->stream->state != VISIT_UNDER_WAY;
}

/* Publish one canary and wait for it.  Returns false where it did not come. */
static bool
send_canary(struct patient *p)
{
	struct visit *v = &p->stream;
	struct diagnosis *g = &p->diagnosis;

	if (!patient_publish(p, &v, 1)) {
		diagnosis_find(g, REMEDY_STARVED,
		    "%s: no answer within %llu ms while one stream is held",
		    p->publish.what, patient_limit(p));
		return false;
	}
	if (!patient_is_published(p)) {
		find_refusal(p);
		return false;
	}
	if (!patient_has_subscribers(p)) {
		diagnosis_find(g, REMEDY_ELSEWHERE,
		    "%s: \"subscribers\":0, while we subscribe",
		    p->publish.what);
		return false;
	}
	struct arrival arrival = { v, diagnosis_member(&p->post, "id") };
	(void)visit_wait(&v, 1, has_arrived, &arrival, p->plan->limit_ms);
	if (visit_has_event(v, arrival.id))
		return true;
	if (v->state != VISIT_UNDER_WAY) {
		diagnosis_find(g, REMEDY_DOWN,
		    "the stream has ended while we published");
		return false;
	}
	diagnosis_find(g, REMEDY_BUFFERED,
	    "what is published does not arrive within %llu ms",
	    patient_limit(p));
	return false;
}

static bool
examine_publishing(struct patient *p)
{
	unsigned before = p->diagnosis.count;

	diagnosis_step(&p->diagnosis, "publishing");
	if (p->sent_away) {
		/* Whoever says so: is peal there at all? */
		struct visit *none = &p->stream;
		if (patient_publish(p, &none, 1) &&
		    visit_status(&p->post) >= 500)
			diagnosis_refused(&p->diagnosis, &p->post,
			    p->publish.what);
		else
			diagnosis_find(&p->diagnosis, REMEDY_FULL,
			    "%s: the stream is ended at once, with a time to "
			    "come back",
			    p->subscribe.what);
		return false;
	}
	for (int i = 0; i < CANARIES; i++) {
		if (!send_canary(p))
			return p->diagnosis.count == before;
	}
	p->may_publish = true;
	return true;
}

static void
examine(struct patient *p)
{
	struct diagnosis *g = &p->diagnosis;

	if (!examine_server(p) || !examine_stream(p) || !examine_publishing(p))
		return;
	if (p->may_publish)
		strain_bodies(p);
	strain_streams(p);
	strain_silence(p);
	diagnosis_note(g,
	    "over HTTP/1.1 a browser opens six connections to a site, for all "
	    "its tabs: one stream with several channels, or HTTP/2");
}

int
doctor_run(const struct patient_plan *plan, FILE *out)
{
	struct patient p;
	int rc = patient_init(&p, plan);

	if (rc == 0) {
		examine(&p);
		rc = diagnosis_print(&p.diagnosis, out);
	}
	patient_fini(&p);
	return rc;
}
