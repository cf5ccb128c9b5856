#include "server/status_feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena/status.h"
#include "base/log.h"
#include "wire/sse.h"
#include "wire/status_json.h"

#define SEND_MS 1000

/* Append the status as it is now, as an event.  Returns 0 or as status_take(). */
static int
put_status(const struct status_feed *g, struct clock_now now, struct buf *out)
{
	struct status status;
	struct buf json = { 0 };
	int rc = status_take(g->streams->store, now, &status);

	if (rc == 0) {
		status_json(&json, &status);
		rc = buf_error(&json);
	}
	if (rc == 0) {
		sse_event(out, SPAN("status"), span_trim(buf_span(&json)));
		rc = buf_error(out);
	}
	free(status.workers);
	buf_fini(&json);
	if (rc != 0 && rc != -ETIMEDOUT)
		log_at(LOG_AT_ERROR, "the status cannot be sent: %s",
		    strerror(-rc));
	return rc;
}

/*
 * One status is as good as the next: who cannot take it now waits for another.
 * But of half a status the rest will not be there later.
 */
static void
send_to(const struct status_feed *g, struct stream *s, struct span event,
    uint64_t boot_ms)
{
	struct connections *all = g->streams->connections;
	size_t done = stream_write(s, all, event, boot_ms);

	if (done > 0 && done < event.len && s->connection != NULL)
		connection_close(all, s->connection);
	streams_wrote(g->streams, s, 0);
}

enum fanout_outcome
status_feed_join(struct status_feed *g, struct connection *c, struct buf *head,
    struct clock_now now, bool stopping)
{
	struct streams *a = g->streams;
	struct buf preamble = { 0 };
	struct stream *s = NULL;
	int rc = -EAGAIN;

	buf_put(&preamble, buf_span(head));
	/* There is nothing to resume. */
	sse_open(&preamble, a->settings.retry_ms, SSE_NO_ID);
	if (!stopping && a->count < a->settings.max_streams)
		rc = put_status(g, now, &preamble);
	if (rc == 0)
		s = streams_join_status(a, c, now.boot_ms);
	if (s != NULL) {
		if (a->status_streams == 1)
			g->next_ms = now.boot_ms + SEND_MS;
		send_to(g, s, buf_span(&preamble), now.boot_ms);
	} else if (rc != -ETIMEDOUT) {
		streams_refuse(a, head, SSE_NO_ID,
		    stopping ? SSE_STOPPING : SSE_FULL);
	}
	buf_fini(&preamble);
	if (s != NULL)
		return FANOUT_JOINED;
	return rc == -ETIMEDOUT ? FANOUT_BUSY : FANOUT_REFUSED;
}

void
status_feed_timers(struct status_feed *g, struct clock_now now)
{
	struct streams *a = g->streams;
	struct buf event = { 0 };

	if (a->status_streams == 0 || now.boot_ms < g->next_ms)
		return;
	g->next_ms = now.boot_ms + SEND_MS;
	if (put_status(g, now, &event) == 0) {
		for (struct stream *s = a->first; s != NULL; s = s->next) {
			if (s->is_status && stream_is_ready(s))
				send_to(g, s, buf_span(&event), now.boot_ms);
			streams_pause(a);
		}
	}
	buf_fini(&event);
}

uint64_t
status_feed_deadline(const struct status_feed *g)
{
	return g->streams->status_streams > 0 ? g->next_ms : UINT64_MAX;
}
