#include "server/gallery.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "arena_fixture.h"
#include "wire/reply.h"

#define SEATS 3

/* A worker's streams; the web server's ends of their sockets are ours. */
struct hall {
	struct fixture_worker w;
	struct audience audience;
	struct pump pump;
	struct gallery gallery;
	int ours[SEATS + 1];
	size_t count;
};

static void
hall_make(struct hall *h)
{
	const struct audience_settings settings = { .retry_ms = 3000,
		.stall_ms = 30000,
		.max_streams = SEATS };
	char path[FIXTURE_PATH];

	*h = (struct hall){ 0 };
	gate_init_library();
	fixture_path(path);
	fixture_join(&h->w, path);
	ck_assert_int_eq(audience_init(&h->audience, &h->w.store, gate_new(),
			     &settings, epoll_create1(0)),
	    0);
	ck_assert_int_eq(pump_init(&h->pump, &h->audience), 0);
	h->gallery.audience = &h->audience;
}

static void
hall_end(struct hall *h)
{
	pump_end_all(&h->pump, FIXTURE_NOW.boot_ms);
	close(h->audience.epoll_fd);
	pump_fini(&h->pump);
	gate_free(h->audience.gate);
	audience_fini(&h->audience);
	for (size_t i = 0; i < h->count; i++)
		close(h->ours[i]);
	fixture_leave(&h->w);
}

/* An onlooker comes; returns its number. */
static size_t
look_on(struct hall *h)
{
	struct pump_arrival *arrival = calloc(1, sizeof(*arrival));
	const struct reply_cors cors = { .count = 0 };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	h->ours[h->count] = pair[1];
	arrival->peer = (struct gate_peer){ pair[0], 1, false, false };
	arrival->looks_on = true;
	reply_chosen_stream(&arrival->head, &cors, SPAN(""));
	gallery_admit(&h->gallery, arrival, FIXTURE_NOW, false);
	return h->count++;
}

/* What has arrived since the last time, as a string. */
static const char *
take(const struct hall *h, size_t number)
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
	struct hall h;
	hall_make(&h);

	size_t me = look_on(&h);

	const char *text = take(&h, me);
	ck_assert_ptr_nonnull(strstr(text, "Vary: Accept\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nretry: 3000\n\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "\nevent: status\ndata: {\"version"));
	ck_assert_ptr_nonnull(strstr(text, "}}\n\n"));
	ck_assert_ptr_null(strstr(text, "\nid:"));
	hall_end(&h);
}
END_TEST

START_TEST(nobody_in_the_gallery_costs_nothing)
{
	struct hall h;
	hall_make(&h);
	ck_assert_uint_eq(gallery_deadline(&h.gallery), UINT64_MAX);
	size_t me = look_on(&h);
	ck_assert_uint_eq(gallery_deadline(&h.gallery), after(1000).boot_ms);

	close(h.ours[me]);
	pump_stream_event(&h.pump, h.audience.streams, EPOLLHUP,
	    FIXTURE_NOW.boot_ms);
	pump_pass(&h.pump, FIXTURE_NOW.boot_ms);

	ck_assert_uint_eq(h.audience.count, 0);
	ck_assert_uint_eq(gallery_deadline(&h.gallery), UINT64_MAX);
	h.count = 0;
	hall_end(&h);
}
END_TEST

START_TEST(all_are_told_again_each_second)
{
	struct hall h;
	hall_make(&h);
	for (size_t i = 0; i < SEATS; i++)
		(void)take(&h, look_on(&h));

	gallery_timers(&h.gallery, after(999));
	for (size_t i = 0; i < SEATS; i++)
		ck_assert_str_eq(take(&h, i), "");
	gallery_timers(&h.gallery, after(1000));

	for (size_t i = 0; i < SEATS; i++)
		ck_assert_ptr_nonnull(strstr(take(&h, i), "event: status\n"));
	ck_assert_uint_eq(gallery_deadline(&h.gallery), after(2000).boot_ms);
	hall_end(&h);
}
END_TEST

START_TEST(onlookers_count_as_streams_and_are_refused_as_such)
{
	struct hall h;
	hall_make(&h);
	for (size_t i = 0; i < SEATS; i++)
		(void)look_on(&h);

	const char *text = take(&h, look_on(&h));

	ck_assert_ptr_nonnull(strstr(text, "Status: 200"));
	ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nretry: "));
	ck_assert_ptr_null(strstr(text, "event: status"));
	ck_assert_ptr_nonnull(strstr(take(&h, 0), "\"streams\":0,"));
	gallery_timers(&h.gallery, after(1000));
	text = take(&h, 0);
	ck_assert_ptr_nonnull(strstr(text, "\"streams\":3,"));
	ck_assert_ptr_nonnull(strstr(text, "\"refused\":1"));
	ck_assert_ptr_nonnull(strstr(text, "\"delivered\":0,"));
	hall_end(&h);
}
END_TEST

START_TEST(onlooker_that_does_not_read_is_passed_over_and_then_ended)
{
	struct hall h;
	hall_make(&h);
	(void)look_on(&h);
	(void)look_on(&h);
	uint64_t ms = 0;

	while (h.audience.blocked == 0) {
		ms += 1000;
		ck_assert_uint_lt(ms, 10000000);
		gallery_timers(&h.gallery, after(ms));
		(void)take(&h, 1);
	}
	for (int i = 0; i < 32; i++) {
		ms += 1000;
		gallery_timers(&h.gallery, after(ms));
		audience_timers(&h.audience, after(ms).boot_ms);
		pump_pass(&h.pump, after(ms).boot_ms);
		ck_assert_ptr_nonnull(strstr(take(&h, 1), "event: status\n"));
	}

	ck_assert_uint_eq(h.audience.onlookers, 1);
	ck_assert_uint_eq(h.audience.count, 1);
	hall_end(&h);
}
END_TEST

START_TEST(onlooker_that_reads_again_is_told_again)
{
	struct hall h;
	hall_make(&h);
	(void)look_on(&h);
	uint64_t ms = 0;
	while (h.audience.blocked == 0) {
		ms += 1000;
		ck_assert_uint_lt(ms, 10000000);
		gallery_timers(&h.gallery, after(ms));
	}
	while (*take(&h, 0) != '\0')
		;

	pump_stream_event(&h.pump, h.audience.streams, EPOLLOUT,
	    after(ms).boot_ms);
	pump_pass(&h.pump, after(ms).boot_ms);
	ck_assert_str_eq(take(&h, 0), "");
	gallery_timers(&h.gallery, after(ms + 1000));

	ck_assert_ptr_nonnull(strstr(take(&h, 0), "event: status\n"));
	hall_end(&h);
}
END_TEST

START_TEST(onlookers_are_ended_with_the_others_and_in_order)
{
	struct hall h;
	hall_make(&h);
	size_t me = look_on(&h);
	(void)take(&h, me);

	pump_end_all(&h.pump, FIXTURE_NOW.boot_ms);

	ck_assert_ptr_nonnull(strstr(take(&h, me), "retry: "));
	ck_assert_uint_eq(h.audience.onlookers, 0);
	ck_assert_uint_eq(h.audience.count, 0);
	hall_end(&h);
}
END_TEST

START_TEST(stopping_worker_refuses_onlookers)
{
	struct hall h;
	hall_make(&h);
	int pair[2];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	h.ours[h.count++] = pair[1];
	struct pump_arrival *arrival = calloc(1, sizeof(*arrival));
	arrival->peer = (struct gate_peer){ pair[0], 1, false, false };
	arrival->looks_on = true;

	gallery_admit(&h.gallery, arrival, FIXTURE_NOW, true);

	const char *text = take(&h, 0);
	ck_assert_ptr_nonnull(strstr(text, "retry: "));
	ck_assert_ptr_null(strstr(text, "event: "));
	ck_assert_uint_eq(h.audience.count, 0);
	hall_end(&h);
}
END_TEST

FIXTURE_MAIN("gallery", onlooker_is_told_the_status_at_once,
    nobody_in_the_gallery_costs_nothing, all_are_told_again_each_second,
    onlookers_count_as_streams_and_are_refused_as_such,
    onlooker_that_does_not_read_is_passed_over_and_then_ended,
    onlooker_that_reads_again_is_told_again,
    onlookers_are_ended_with_the_others_and_in_order,
    stopping_worker_refuses_onlookers)
