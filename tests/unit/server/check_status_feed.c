#include "server/status_feed.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "arena_fixture.h"
#include "wire/reply.h"

#define SEATS 3

/* A worker's streams; the web server's ends of their sockets are ours. */
struct setup {
	struct fixture_worker w;
	struct streams streams;
	struct fanout fanout;
	struct status_feed status_feed;
	int ours[SEATS + 1];
	size_t count;
};

static void
setup_make(struct setup *h)
{
	const struct streams_settings settings = { .retry_ms = 3000,
		.stall_ms = 30000,
		.max_streams = SEATS };
	char path[FIXTURE_PATH];

	*h = (struct setup){ 0 };
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&h->w, path);
	ck_assert_int_eq(streams_init(&h->streams, &h->w.store, fcgi_new(),
			     &settings, epoll_create1(0)),
	    0);
	ck_assert_int_eq(fanout_init(&h->fanout, &h->streams), 0);
	h->status_feed.streams = &h->streams;
}

static void
setup_end(struct setup *h)
{
	fanout_end_all(&h->fanout, FIXTURE_NOW.boot_ms);
	close(h->streams.epoll_fd);
	fanout_fini(&h->fanout);
	fcgi_free(h->streams.fcgi);
	streams_fini(&h->streams);
	for (size_t i = 0; i < h->count; i++)
		close(h->ours[i]);
	fixture_leave(&h->w);
}

/* An status stream comes; returns its number. */
static size_t
watch_status(struct setup *h)
{
	struct subscriber *arrival = calloc(1, sizeof(*arrival));
	const struct reply_cors cors = { .count = 0 };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	h->ours[h->count] = pair[1];
	arrival->peer = (struct fcgi_peer){ pair[0], 1, false, false };
	arrival->is_status = true;
	reply_negotiated_stream(&arrival->head, &cors, SPAN(""));
	status_feed_admit(&h->status_feed, arrival, FIXTURE_NOW, false);
	return h->count++;
}

/* What has arrived since the last time, as a string. */
static const char *
take(const struct setup *h, size_t number)
{
	static char text[65536];
	ssize_t len =
	    recv(h->ours[number], text, sizeof(text) - 1, MSG_DONTWAIT);

	for (ssize_t i = 0; i < len; i++) {
		if (text[i] == '\0')
			text[i] = ' ';
	}
	text[len < 0 ? 0 : len] = '\0';
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

START_TEST(onlooker_is_told_the_status_at_once)
{
	struct setup h;
	setup_make(&h);

	size_t me = watch_status(&h);

	const char *text = take(&h, me);
	ck_assert_ptr_nonnull(strstr(text, "Vary: Accept\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nretry: 3000\n\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "\nevent: status\ndata: {\"version"));
	ck_assert_ptr_nonnull(strstr(text, "}}\n\n"));
	ck_assert_ptr_null(strstr(text, "\nid:"));
	setup_end(&h);
}
END_TEST

START_TEST(nobody_in_the_gallery_costs_nothing)
{
	struct setup h;
	setup_make(&h);
	ck_assert_uint_eq(status_feed_deadline(&h.status_feed), UINT64_MAX);
	size_t me = watch_status(&h);
	ck_assert_uint_eq(status_feed_deadline(&h.status_feed),
	    after(1000).boot_ms);

	close(h.ours[me]);
	fanout_stream_event(&h.fanout, h.streams.first, EPOLLHUP,
	    FIXTURE_NOW.boot_ms);
	fanout_pass(&h.fanout, FIXTURE_NOW.boot_ms);

	ck_assert_uint_eq(h.streams.count, 0);
	ck_assert_uint_eq(status_feed_deadline(&h.status_feed), UINT64_MAX);
	h.count = 0;
	setup_end(&h);
}
END_TEST

START_TEST(all_are_told_again_each_second)
{
	struct setup h;
	setup_make(&h);
	for (size_t i = 0; i < SEATS; i++)
		(void)take(&h, watch_status(&h));

	status_feed_timers(&h.status_feed, after(999));
	for (size_t i = 0; i < SEATS; i++)
		ck_assert_str_eq(take(&h, i), "");
	status_feed_timers(&h.status_feed, after(1000));

	for (size_t i = 0; i < SEATS; i++)
		ck_assert_ptr_nonnull(strstr(take(&h, i), "event: status\n"));
	ck_assert_uint_eq(status_feed_deadline(&h.status_feed),
	    after(2000).boot_ms);
	setup_end(&h);
}
END_TEST

START_TEST(onlookers_count_as_streams_and_are_refused_as_such)
{
	struct setup h;
	setup_make(&h);
	for (size_t i = 0; i < SEATS; i++)
		(void)watch_status(&h);

	const char *text = take(&h, watch_status(&h));

	ck_assert_ptr_nonnull(strstr(text, "Status: 200"));
	ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nretry: "));
	ck_assert_ptr_null(strstr(text, "event: status"));
	ck_assert_ptr_nonnull(strstr(take(&h, 0), "\"streams\":0,"));
	status_feed_timers(&h.status_feed, after(1000));
	text = take(&h, 0);
	ck_assert_ptr_nonnull(strstr(text, "\"streams\":3,"));
	ck_assert_ptr_nonnull(strstr(text, "\"refused\":1"));
	ck_assert_ptr_nonnull(strstr(text, "\"delivered\":0,"));
	setup_end(&h);
}
END_TEST

START_TEST(onlooker_that_does_not_read_is_passed_over_and_then_ended)
{
	struct setup h;
	setup_make(&h);
	(void)watch_status(&h);
	(void)watch_status(&h);
	uint64_t ms = 0;

	while (h.streams.blocked == 0) {
		ms += 1000;
		ck_assert_uint_lt(ms, 10000000);
		status_feed_timers(&h.status_feed, after(ms));
		(void)take(&h, 1);
	}
	for (int i = 0; i < 32; i++) {
		ms += 1000;
		status_feed_timers(&h.status_feed, after(ms));
		streams_timers(&h.streams, after(ms).boot_ms);
		fanout_pass(&h.fanout, after(ms).boot_ms);
		ck_assert_ptr_nonnull(strstr(take(&h, 1), "event: status\n"));
	}

	ck_assert_uint_eq(h.streams.status_streams, 1);
	ck_assert_uint_eq(h.streams.count, 1);
	setup_end(&h);
}
END_TEST

START_TEST(onlooker_that_reads_again_is_told_again)
{
	struct setup h;
	setup_make(&h);
	(void)watch_status(&h);
	uint64_t ms = 0;
	while (h.streams.blocked == 0) {
		ms += 1000;
		ck_assert_uint_lt(ms, 10000000);
		status_feed_timers(&h.status_feed, after(ms));
	}
	while (*take(&h, 0) != '\0')
		;

	fanout_stream_event(&h.fanout, h.streams.first, EPOLLOUT,
	    after(ms).boot_ms);
	fanout_pass(&h.fanout, after(ms).boot_ms);
	ck_assert_str_eq(take(&h, 0), "");
	status_feed_timers(&h.status_feed, after(ms + 1000));

	ck_assert_ptr_nonnull(strstr(take(&h, 0), "event: status\n"));
	setup_end(&h);
}
END_TEST

START_TEST(onlookers_are_ended_with_the_others_and_in_order)
{
	struct setup h;
	setup_make(&h);
	size_t me = watch_status(&h);
	(void)take(&h, me);

	fanout_end_all(&h.fanout, FIXTURE_NOW.boot_ms);

	ck_assert_ptr_nonnull(strstr(take(&h, me), "retry: "));
	ck_assert_uint_eq(h.streams.status_streams, 0);
	ck_assert_uint_eq(h.streams.count, 0);
	setup_end(&h);
}
END_TEST

START_TEST(stopping_worker_refuses_onlookers)
{
	struct setup h;
	setup_make(&h);
	int pair[2];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	h.ours[h.count++] = pair[1];
	struct subscriber *arrival = calloc(1, sizeof(*arrival));
	arrival->peer = (struct fcgi_peer){ pair[0], 1, false, false };
	arrival->is_status = true;

	status_feed_admit(&h.status_feed, arrival, FIXTURE_NOW, true);

	const char *text = take(&h, 0);
	ck_assert_ptr_nonnull(strstr(text, "retry: "));
	ck_assert_ptr_null(strstr(text, "event: "));
	ck_assert_uint_eq(h.streams.count, 0);
	setup_end(&h);
}
END_TEST

FIXTURE_MAIN("gallery", onlooker_is_told_the_status_at_once,
    nobody_in_the_gallery_costs_nothing, all_are_told_again_each_second,
    onlookers_count_as_streams_and_are_refused_as_such,
    onlooker_that_does_not_read_is_passed_over_and_then_ended,
    onlooker_that_reads_again_is_told_again,
    onlookers_are_ended_with_the_others_and_in_order,
    stopping_worker_refuses_onlookers)
