#include "server/status_feed.h"

#include <stdlib.h>
#include <string.h>

#include "arena/status.h"
#include "base/log.h"
#include "wire/sse.h"
#include "wire/status_json.h"
#include "wire/status_metrics.h"

#define TELL_MS 1000

/* Append the status as it is now, as an event.  Returns 0 or as status_take(). */
static int
put_status(const struct status_feed *g, struct clock_now now, struct buf *out)
{
	struct status status;
	struct buf json = { 0 };
	int rc = status_take(g->streams->store, now, &status);

	if (rc == 0) {
		status_json(&json, &status, now);
		rc = buf_error(&json);
	}
	if (rc == 0) {
		sse_event(out, SPAN("status"), span_trim(buf_span(&json)));
		rc = buf_error(out);
	}
	free(status.workers);
	buf_fini(&json);
	if (rc != 0)
		log_at(LOG_AT_ERROR, "the status cannot be told: %s",
		    strerror(-rc));
	return rc;
}

/*
 * One status is as good as the next: who cannot take it now waits for another.
 * But of half a status the rest will not be there later.
 */
static void
tell(const struct status_feed *g, struct stream *s, struct span event,
    uint64_t boot_ms)
{
	size_t done = stream_write(s, g->streams->fcgi, event, boot_ms);

	if (done > 0 && done < event.len)
		s->state = STREAM_GONE;
	streams_wrote(g->streams, s, 0);
}

void
status_feed_admit(struct status_feed *g, struct subscriber *arrival,
    struct clock_now now, bool stopping)
{
	struct streams *a = g->streams;
	struct buf hello = { 0 };
	struct stream *s = NULL;

	buf_put(&hello, buf_span(&arrival->head));
	sse_retry(&hello, a->settings.retry_ms);
	if (!stopping && a->count < a->settings.max_streams &&
	    put_status(g, now, &hello) == 0)
		s = streams_join_status(a, &arrival->peer, now.boot_ms);
	if (s == NULL) {
		streams_refuse(a, &arrival->peer, &arrival->head);
	} else {
		if (a->status_streams == 1)
			g->next_ms = now.boot_ms + TELL_MS;
		tell(g, s, buf_span(&hello), now.boot_ms);
	}
	buf_fini(&hello);
	fanout_arrival_free(arrival);
}

void
status_feed_timers(struct status_feed *g, struct clock_now now)
{
	struct streams *a = g->streams;
	struct buf event = { 0 };

	if (a->status_streams == 0 || now.boot_ms < g->next_ms)
		return;
	g->next_ms = now.boot_ms + TELL_MS;
	if (put_status(g, now, &event) == 0) {
		for (struct stream *s = a->first; s != NULL; s = s->next) {
			if (s->is_status && s->state == STREAM_READY)
				tell(g, s, buf_span(&event), now.boot_ms);
		}
	}
	buf_fini(&event);
}

uint64_t
status_feed_deadline(const struct status_feed *g)
{
	return g->streams->status_streams > 0 ? g->next_ms : UINT64_MAX;
}
