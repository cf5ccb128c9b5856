#include "ctl/stream_checks.h"

#include "base/clock.h"
#include "base/json_writer.h"

/*
 * An event leaves peal with the answer to its publisher, and within a millisecond.
 * A busy machine may delay one, but nothing else delays all of them by this much.
 */
#define LATE_MS 20

/* Between two questions whether a stream is still counted. */
#define ASK_AGAIN_MS 200

/* More than the buffers of kernels and web servers hold; in events that peal takes
 * by default. */
#define UNREAD_BYTES 24000000
#define UNREAD_EVENT 60000

void
stream_checks_delays(struct probe *p)
{
	double least = p->delays_ms[0];
	double most = least;

	for (int i = 1; i < PROBE_TEST_EVENTS; i++) {
		least = p->delays_ms[i] < least ? p->delays_ms[i] : least;
		most = p->delays_ms[i] > most ? p->delays_ms[i] : most;
	}
	if (least < LATE_MS)
		findings_note(&p->diagnosis,
		    "a test event comes %.1f ms after its publisher's answer, "
		    "at most",
		    most);
	else
		findings_find(&p->diagnosis, ADVICE_LATE,
		    "test events come %.0f to %.0f ms after their publisher's "
		    "answer",
		    least, most);
}

static double
seconds_since(uint64_t ns)
{
	return (double)(clock_measure_ns() - ns) / 1e9;
}

static bool
never(void *context)
{
	(void)context;
	return false;
}

/* Go on reading the stream that is held. */
static void
let_pass(struct probe *p, uint64_t ms)
{
	struct exchange *v = &p->stream;

	(void)exchange_wait(&v, 1, never, NULL, ms);
}

/* Open a stream on another channel.  Returns whether it has begun. */
static bool
open_other(struct probe *p, struct exchange *v, const char *which)
{
	exchange_init(v);
	probe_choose_channel(p, which);
	probe_get(p, v, "GET", false);
	(void)exchange_wait(&v, 1, exchange_has_begun, v, p->plan->limit_ms);
	probe_choose_channel(p, "");
	return v->state == EXCHANGE_UNDER_WAY && v->opened;
}

/* Publish on that channel.  Returns whether it had subscribers; *asked tells
 * whether there was an answer. */
static bool
is_counted(struct probe *p, const char *which, bool *asked)
{
	struct exchange *held = &p->stream;

	probe_choose_channel(p, which);
	*asked = probe_publish(p, &held, 1) && probe_is_published(p);
	probe_choose_channel(p, "");
	return *asked && probe_has_subscribers(p);
}

void
stream_checks_leave(struct probe *p, struct stream_checks_leaver *l)
{
	struct exchange v;

	*l = (struct stream_checks_leaver){ 0 };
	if (!p->may_publish)
		return;
	l->left = open_other(p, &v, "-gone");
	exchange_fini(&v);
	l->left_ns = clock_measure_ns();
}

void
stream_checks_gone(struct probe *p, const struct stream_checks_leaver *l)
{
	double silent_s = seconds_since(l->left_ns);
	uint64_t asked_ns = clock_measure_ns();
	unsigned events = 1;
	bool asked;

	if (!l->left)
		return;
	findings_step(&p->diagnosis, "asking for a closed stream");
	bool counted = is_counted(p, "-gone", &asked);
	while (counted &&
	    clock_measure_ns() - asked_ns < p->plan->limit_ms * 1000000) {
		let_pass(p, ASK_AGAIN_MS);
		counted = is_counted(p, "-gone", &asked);
		events += asked;
	}
	if (counted)
		findings_find(&p->diagnosis, ADVICE_GONE_COUNTED,
		    "a stream that was closed %.1f s ago is still counted, "
		    "after %u events",
		    seconds_since(l->left_ns), events);
	else if (events > 1)
		findings_note(&p->diagnosis,
		    "a closed stream is still counted after %.1f s, and until "
		    "events are sent to it: %u",
		    silent_s, events - 1);
	else if (asked)
		findings_note(&p->diagnosis,
		    "a closed stream is no longer counted after %.1f s",
		    silent_s);
}

/* Publish what fills every buffer on the way.  Returns false where that fails. */
static bool
fill_buffers(struct probe *p, const char *which)
{
	struct exchange *held = &p->stream;
	struct buf body = { 0 };
	struct json_writer w = { .out = &body };
	static char letters[UNREAD_EVENT];
	bool good = true;

	for (size_t i = 0; i < sizeof(letters); i++)
		letters[i] = 'x';
	probe_choose_channel(p, which);
	json_writer_begin(&w, NULL, '{');
	json_writer_string(&w, "channel", span_of(p->channel));
	json_writer_string(&w, "data",
	    (struct span){ letters, sizeof(letters) });
	json_writer_end(&w, '}');
	probe_choose_channel(p, "");
	for (size_t sent = 0; good && sent < UNREAD_BYTES; sent += UNREAD_EVENT)
		good = probe_publish_body(p, &held, 1, buf_span(&body)) &&
		    probe_is_published(p);
	buf_fini(&body);
	return good;
}

static void
wait_for_end(struct probe *p)
{
	uint64_t left_ms = p->plan->stalled_ms;

	while (left_ms > 0) {
		uint64_t slice_ms = left_ms < 1000 ? left_ms : 1000;
		findings_wait(&p->diagnosis, "leaving a stream unread",
		    left_ms);
		let_pass(p, slice_ms);
		left_ms -= slice_ms;
	}
}

void
stream_checks_stalled(struct probe *p)
{
	struct findings *g = &p->diagnosis;
	struct exchange v;
	bool asked = false;

	if (p->plan->stalled_ms == 0 || !p->may_publish)
		return;
	findings_step(g, "filling a stream that is not read");
	if (open_other(p, &v, "-stalled") && fill_buffers(p, "-stalled")) {
		wait_for_end(p);
		bool counted = is_counted(p, "-stalled", &asked);
		double seconds = (double)p->plan->stalled_ms / 1000;
		if (counted)
			findings_find(g, ADVICE_STALLED_UNSEEN,
			    "a stream that has not read %d MB for %.1f s is "
			    "still counted",
			    UNREAD_BYTES / 1000000, seconds);
		else if (asked)
			findings_note(g,
			    "a stream that is not read is no longer counted "
			    "after %.1f s",
			    seconds);
	}
	if (!asked)
		findings_note(g,
		    "nothing could be published to a stream that is not read");
	exchange_fini(&v);
}
