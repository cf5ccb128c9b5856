#include "ctl/load_checks.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/*
 * Does a body of that length reach peal?  It is a JSON array that never ends, of
 * which nothing is stored.
 */
static bool
examine_body(struct probe *p, size_t len)
{
	struct findings *g = &p->diagnosis;
	struct exchange *all[] = { &p->stream, &p->post };
	char *body = malloc(len);

	if (body == NULL)
		return false;
	memset(body, ' ', len);
	body[0] = '[';
	probe_post(p, (struct span){ body, len });
	free(body);
	(void)exchange_wait(all, 2, exchange_is_over, &p->post,
	    p->plan->limit_ms);
	if (findings_is(&p->post, PROBLEM_TOO_LARGE)) {
		findings_note(g, "peal's --max-body is less than %zu bytes",
		    len);
		return false;
	}
	if (findings_is_problem(&p->post))
		return true;
	if (exchange_status(&p->post) != 0)
		findings_find(g, ADVICE_BODY_LIMIT,
		    "%s with %zu bytes is answered %d by the web server",
		    p->publish.what, len, exchange_status(&p->post));
	else
		findings_find(g, ADVICE_BODY_LIMIT,
		    "%s with %zu bytes gets no answer", p->publish.what, len);
	return false;
}

void
load_checks_bodies(struct probe *p)
{
	findings_step(&p->diagnosis, "sending large bodies");
	if (examine_body(p, 200000))
		(void)examine_body(p, 1000000);
}

struct crowd_of {
	struct exchange *all;
	size_t count;
	size_t open;
	size_t refused;
};

static bool
are_open(void *context)
{
	struct crowd_of *c = context;
	size_t waiting = 0;

	c->open = c->refused = 0;
	for (size_t i = 0; i < c->count; i++) {
		const struct exchange *v = &c->all[i];
		c->refused += v->refused;
		c->open += v->state == EXCHANGE_UNDER_WAY && v->opened;
		waiting += !exchange_has_begun(&c->all[i]);
	}
	return waiting == 0;
}

static void
judge_crowd(struct probe *p, const struct crowd_of *c, bool answered)
{
	struct findings *g = &p->diagnosis;

	if (c->open + c->refused < c->count)
		findings_find(g, ADVICE_CEILING,
		    "of %zu streams %zu are held, the others get no stream",
		    c->count + 1, c->open + 1);
	if (c->refused > 0)
		findings_note(g,
		    "peal refuses %zu of %zu streams: its --max-streams",
		    c->refused, c->count + 1);
	if (!answered)
		findings_find(g, ADVICE_STARVED,
		    "%s: no answer within %llu ms while %zu streams are held",
		    p->publish.what, probe_limit(p), c->open + 1);
	else if (p->may_publish && !probe_is_published(p))
		findings_refused(g, &p->post, p->publish.what);
}

/* Hold many streams at once, and publish meanwhile. */
static void
hold_crowd(struct probe *p, struct crowd_of *c, struct exchange **visits)
{
	for (size_t i = 0; i < c->count; i++) {
		exchange_init(&c->all[i]);
		probe_get(p, &c->all[i], "GET", false);
		visits[i] = &c->all[i];
	}
	visits[c->count] = &p->stream;
	(void)exchange_wait(visits, c->count + 1, are_open, c,
	    3 * p->plan->limit_ms);
	/* What cannot be published is refused at once, if there is a place. */
	bool answered = probe_publish(p, visits, c->count + 1);
	(void)are_open(c);
	judge_crowd(p, c, answered);
	for (size_t i = 0; i < c->count; i++)
		exchange_fini(&c->all[i]);
}

void
load_checks_streams(struct probe *p)
{
	struct crowd_of c = { .count = p->plan->streams - 1 };

	findings_step(&p->diagnosis, "holding many streams");
	if (p->plan->streams < 2)
		return;
	c.all = calloc(c.count, sizeof(*c.all));
	struct exchange **visits =
	    calloc(c.count + 1, sizeof(struct exchange *));
	if (c.all != NULL && visits != NULL)
		hold_crowd(p, &c, visits);
	free(c.all);
	free(visits);
}

struct silence {
	const struct exchange *stream;
	uint64_t comments; /* there were at its beginning */
};

/* Two heartbeats, so that a whole silence lies between them; or the end. */
static bool
has_beaten(void *context)
{
	const struct silence *s = context;

	return s->stream->events.comments >= s->comments + 2 ||
	    s->stream->state != EXCHANGE_UNDER_WAY;
}

/* Until it has beaten or patience ends, telling each second how much is left. */
static void
listen_to(struct probe *p, struct exchange *v, struct silence *silence)
{
	uint64_t left_ms = p->plan->patience_ms;
	bool over = false;

	do {
		uint64_t slice_ms = left_ms < 1000 ? left_ms : 1000;
		findings_wait(&p->diagnosis, "listening to silence", left_ms);
		over = exchange_wait(&v, 1, has_beaten, silence, slice_ms);
		left_ms -= slice_ms;
	} while (!over && left_ms > 0);
}

void
load_checks_silence(struct probe *p)
{
	struct exchange *v = &p->stream;
	struct findings *g = &p->diagnosis;
	struct silence silence = { v, v->events.comments };

	if (v->state == EXCHANGE_UNDER_WAY)
		listen_to(p, v, &silence);
	if (v->state == EXCHANGE_UNDER_WAY) {
		if (v->events.comments == silence.comments)
			findings_note(g,
			    "no heartbeat within %llu ms; peal's are every 15 "
			    "s: --patience 65s looks for longer",
			    (unsigned long long)p->plan->patience_ms);
		return;
	}
	if (v->ended) {
		findings_note(g, "peal has ended the stream: %s",
		    span_equal(buf_span(&v->reason), SPAN("age"))
			? "--max-stream-age"
			: "it stops, or restarts");
		return;
	}
	uint64_t silent_ms = (clock_measure_ns() - v->last_ns) / 1000000;
	bool page = v->body.len > 0 &&
	    memmem(v->body.ptr, v->body.len, "<!DOCTYPE", 9) != NULL;
	findings_find(g, ADVICE_IDLE_CUT,
	    "the stream was ended %s, after %llu ms of silence",
	    page ? "with an HTML page in it" : "by the web server",
	    (unsigned long long)(page ? (v->last_ns - v->begun_ns) / 1000000
				      : silent_ms));
}
