#include "server/status_feed.h"

#include <string.h>

#include "server_fixture.h"

#define SEATS 3

struct setup {
	struct fixture_worker w;
	struct server server;
};

static void
setup_make(struct setup *h)
{
	char path[FIXTURE_PATH];

	fixture_path(path);
	fixture_join(&h->w, path);
	server_make(&h->server, &h->w, SEATS);
}

static void
setup_end(struct setup *h)
{
	server_end(&h->server);
	fixture_leave(&h->w);
}

/* A status stream comes; returns the number of its peer. */
static size_t
watch_status_of(struct setup *h, bool stopping)
{
	struct server *s = &h->server;
	struct connection *c = server_handling(s);
	const struct reply_cors cors = { .count = 0 };
	struct buf head = { 0 };

	reply_negotiated_stream(&head, &cors, SPAN(""));
	enum fanout_outcome outcome =
	    status_feed_join(&s->status_feed, c, &head, FIXTURE_NOW, stopping);
	ck_assert(outcome == FANOUT_JOINED || outcome == FANOUT_REFUSED);
	if (outcome == FANOUT_REFUSED) {
		ck_assert(connection_reply(&s->connections, c, buf_span(&head),
		    SPAN(""), FIXTURE_NOW.boot_ms));
		ck_assert(!connection_finish(&s->connections, c));
	}
	buf_fini(&head);
	return s->peer_count - 1;
}

static size_t
watch_status(struct setup *h)
{
	return watch_status_of(h, false);
}

/* What has arrived since the last time, as a string. */
static const char *
take(const struct setup *h, size_t number)
{
	static char text[65536];
	struct server_answer answer = { 0 };

	server_take(h->server.peers[number], &answer);
	ck_assert_uint_lt(answer.content.len, sizeof(text));
	memcpy(text, answer.content.ptr == NULL ? "" : answer.content.ptr,
	    answer.content.len);
	text[answer.content.len] = '\0';
	server_forget(&answer);
	return text;
}

static struct clock_now
after(uint64_t ms)
{
	struct clock_now now = FIXTURE_NOW;

	now.boot_ms += ms;
	now.wall_ms += ms;
	return now;
}

START_TEST(status_stream_begins_with_the_status)
{
	struct setup h;
	setup_make(&h);

	size_t me = watch_status(&h);

	const char *text = take(&h, me);
	ck_assert_ptr_nonnull(strstr(text, "Vary: Accept\r\n"));
	ck_assert_ptr_nonnull(strstr(text,
	    "\r\n\r\nretry: 3000\nevent: peal:open\ndata: {}\n\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "\nevent: status\ndata: {\"version"));
	ck_assert_ptr_nonnull(strstr(text, "}}\n\n"));
	ck_assert_ptr_null(strstr(text, "\nid:"));
	setup_end(&h);
}
END_TEST

START_TEST(no_status_stream_costs_nothing)
{
	struct setup h;
	setup_make(&h);
	ck_assert_uint_eq(status_feed_deadline(&h.server.status_feed),
	    UINT64_MAX);
	size_t me = watch_status(&h);
	ck_assert_uint_eq(status_feed_deadline(&h.server.status_feed),
	    after(1000).boot_ms);

	close(h.server.peers[me]);
	h.server.peers[me] = -1;
	fanout_stream_event(&h.server.fanout, h.server.streams.first, EPOLLHUP,
	    FIXTURE_NOW.boot_ms);
	streams_reap(&h.server.streams, FIXTURE_NOW.boot_ms);

	ck_assert_uint_eq(h.server.streams.count, 0);
	ck_assert_uint_eq(status_feed_deadline(&h.server.status_feed),
	    UINT64_MAX);
	setup_end(&h);
}
END_TEST

START_TEST(all_get_the_status_each_second)
{
	struct setup h;
	setup_make(&h);
	for (size_t i = 0; i < SEATS; i++)
		(void)take(&h, watch_status(&h));

	status_feed_timers(&h.server.status_feed, after(999));
	for (size_t i = 0; i < SEATS; i++)
		ck_assert_str_eq(take(&h, i), "");
	status_feed_timers(&h.server.status_feed, after(1000));

	for (size_t i = 0; i < SEATS; i++)
		ck_assert_ptr_nonnull(strstr(take(&h, i), "event: status\n"));
	ck_assert_uint_eq(status_feed_deadline(&h.server.status_feed),
	    after(2000).boot_ms);
	setup_end(&h);
}
END_TEST

START_TEST(status_streams_count_as_streams_and_are_refused_as_such)
{
	struct setup h;
	setup_make(&h);
	for (size_t i = 0; i < SEATS; i++)
		(void)watch_status(&h);

	const char *text = take(&h, watch_status(&h));

	ck_assert_ptr_nonnull(strstr(text, "Status: 200"));
	ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nretry: "));
	ck_assert_ptr_nonnull(
	    strstr(text, "event: peal:busy\ndata: {\"reason\":\"full\"}\n\n"));
	ck_assert_ptr_null(strstr(text, "\nid: "));
	ck_assert_ptr_null(strstr(text, "event: status"));
	ck_assert_ptr_nonnull(strstr(take(&h, 0), "\"streams\":0,"));
	status_feed_timers(&h.server.status_feed, after(1000));
	text = take(&h, 0);
	ck_assert_ptr_nonnull(strstr(text, "\"streams\":3,"));
	ck_assert_ptr_nonnull(strstr(text, "\"refused\":1"));
	ck_assert_ptr_nonnull(strstr(text, "\"delivered\":0,"));
	setup_end(&h);
}
END_TEST

START_TEST(status_stream_that_does_not_read_is_skipped_and_then_ended)
{
	struct setup h;
	setup_make(&h);
	(void)watch_status(&h);
	(void)watch_status(&h);
	uint64_t ms = 0;

	while (h.server.streams.blocked == 0) {
		ms += 1000;
		ck_assert_uint_lt(ms, 10000000);
		status_feed_timers(&h.server.status_feed, after(ms));
		(void)take(&h, 1);
	}
	for (int i = 0; i < 32; i++) {
		ms += 1000;
		status_feed_timers(&h.server.status_feed, after(ms));
		streams_timers(&h.server.streams, after(ms).boot_ms);
		streams_reap(&h.server.streams, after(ms).boot_ms);
		ck_assert_ptr_nonnull(strstr(take(&h, 1), "event: status\n"));
	}

	ck_assert_uint_eq(h.server.streams.status_streams, 1);
	ck_assert_uint_eq(h.server.streams.count, 1);
	setup_end(&h);
}
END_TEST

START_TEST(status_stream_that_reads_again_gets_the_next_status)
{
	struct setup h;
	setup_make(&h);
	(void)watch_status(&h);
	uint64_t ms = 0;
	while (h.server.streams.blocked == 0) {
		ms += 1000;
		ck_assert_uint_lt(ms, 10000000);
		status_feed_timers(&h.server.status_feed, after(ms));
	}
	while (*take(&h, 0) != '\0')
		;

	fanout_stream_event(&h.server.fanout, h.server.streams.first, EPOLLOUT,
	    after(ms).boot_ms);
	fanout_pass(&h.server.fanout, after(ms).boot_ms);
	ck_assert_str_eq(take(&h, 0), "");
	status_feed_timers(&h.server.status_feed, after(ms + 1000));

	ck_assert_ptr_nonnull(strstr(take(&h, 0), "event: status\n"));
	setup_end(&h);
}
END_TEST

START_TEST(status_streams_are_ended_with_the_others_and_in_order)
{
	struct setup h;
	setup_make(&h);
	size_t me = watch_status(&h);
	(void)take(&h, me);

	fanout_end_all(&h.server.fanout, FIXTURE_NOW.boot_ms);

	ck_assert_ptr_nonnull(strstr(take(&h, me),
	    "event: peal:end\ndata: {\"reason\":\"stopping\"}\n\n"));
	ck_assert_uint_eq(h.server.streams.status_streams, 0);
	ck_assert_uint_eq(h.server.streams.count, 0);
	setup_end(&h);
}
END_TEST

START_TEST(stopping_worker_refuses_status_streams)
{
	struct setup h;
	setup_make(&h);

	size_t me = watch_status_of(&h, true);

	const char *text = take(&h, me);
	ck_assert_ptr_nonnull(strstr(text, "retry: "));
	ck_assert_ptr_nonnull(strstr(text,
	    "event: peal:busy\ndata: {\"reason\":\"stopping\"}\n\n"));
	ck_assert_uint_eq(h.server.streams.count, 0);
	setup_end(&h);
}
END_TEST

FIXTURE_MAIN("status_feed", status_stream_begins_with_the_status,
    no_status_stream_costs_nothing, all_get_the_status_each_second,
    status_streams_count_as_streams_and_are_refused_as_such,
    status_stream_that_does_not_read_is_skipped_and_then_ended,
    status_stream_that_reads_again_gets_the_next_status,
    status_streams_are_ended_with_the_others_and_in_order,
    stopping_worker_refuses_status_streams)
