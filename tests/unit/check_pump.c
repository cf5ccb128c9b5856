#include "pump.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "arena_fixture.h"
#include "reply.h"

/* Enough that a fan-out is worth waiting for. */
#define CROWD 40

/* A worker's streams; the web server's ends of their sockets are ours. */
struct hall {
	struct fixture_worker w;
	struct gate *gate;
	struct audience audience;
	struct pump pump;
	int ours[CROWD + 1];
	size_t count;
};

static const char *
look_nothing(const void *context, const char *name)
{
	(void)context;
	(void)name;
	return NULL;
}

static void
hall_make(struct hall *h)
{
	const struct audience_settings settings = { .retry_ms = 3000,
		.stall_ms = 30000,
		.max_streams = CROWD + 1 };
	char path[FIXTURE_PATH];

	*h = (struct hall){ 0 };
	gate_init_library();
	fixture_path(path);
	fixture_join(&h->w, path);
	h->gate = gate_new();
	ck_assert_int_eq(audience_init(&h->audience, &h->w.store, h->gate,
			     &settings, epoll_create1(0)),
	    0);
	ck_assert_int_eq(pump_init(&h->pump, &h->audience), 0);
}

static void
hall_end(struct hall *h)
{
	pump_end_all(&h->pump, FIXTURE_NOW.boot_ms);
	close(h->audience.epoll_fd);
	pump_fini(&h->pump);
	audience_fini(&h->audience);
	gate_free(h->gate);
	for (size_t i = 0; i < h->count; i++)
		close(h->ours[i]);
	fixture_leave(&h->w);
}

/* What has arrived on a socket: how many writes it took, and how many events. */
struct arrived {
	size_t records;
	size_t events;
};

static struct arrived
take(int fd)
{
	static char bytes[262144];
	struct arrived arrived = { 0 };
	ssize_t len = recv(fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);

	for (ssize_t at = 0; at + 8 <= len;) {
		const unsigned char *p = (const unsigned char *)bytes + at;
		arrived.records++;
		at += 8 + (p[4] << 8 | p[5]) + p[6];
	}
	/* The first block has an id, too, but no data. */
	for (ssize_t i = 0; i + 6 <= len; i++) {
		if (memcmp(bytes + i, "\ndata:", 6) == 0)
			arrived.events++;
	}
	return arrived;
}

/* Seat streams of a channel, and read what they are greeted with. */
static void
seat(struct hall *h, const char *query, size_t count)
{
	const struct reply_cors cors = { .count = 0 };
	const struct request r = { .query = span_of(query) };
	struct problem problem;
	int pair[2];

	for (size_t i = 0; i < count; i++) {
		struct pump_arrival *arrival = calloc(1, sizeof(*arrival));
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		h->ours[h->count++] = pair[1];
		arrival->peer = (struct gate_peer){ pair[0], 1, false };
		ck_assert_int_eq(request_subscription_read(&arrival->wanted, &r,
				     "channel", look_nothing, NULL, &problem),
		    0);
		reply_stream(&arrival->head, &cors, SPAN(""));
		pump_admit(&h->pump, arrival, FIXTURE_NOW, false);
		(void)take(pair[1]);
	}
}

static void
publish(struct hall *h, const char *channel)
{
	(void)fixture_append(&h->w, FIXTURE_NOW, channel);
	wake_drain(&h->w.store, h->w.inbox);
	pump_take_news(&h->pump, FIXTURE_NOW.boot_ms);
}

/* Fan one event out, and leave it unread. */
static void
fill(struct hall *h)
{
	seat(h, "channel=a", CROWD);
	publish(h, "a");
	pump_pass(&h->pump, FIXTURE_NOW.boot_ms);
}

START_TEST(lone_event_leaves_at_once)
{
	struct hall h;
	hall_make(&h);
	seat(&h, "channel=a", CROWD);
	publish(&h, "a");

	pump_pass(&h.pump, FIXTURE_NOW.boot_ms);

	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(take(h.ours[i]).events, 1);
	hall_end(&h);
}
END_TEST

START_TEST(event_leaves_at_once_where_the_one_before_was_read)
{
	struct hall h;
	hall_make(&h);
	fill(&h);
	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(take(h.ours[i]).events, 1);
	publish(&h, "a");

	pump_pass(&h.pump, h.pump.fed_ms);

	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(take(h.ours[i]).events, 1);
	hall_end(&h);
}
END_TEST

START_TEST(events_wait_for_a_server_that_is_behind_and_share_one_write)
{
	struct hall h;
	hall_make(&h);
	fill(&h);
	publish(&h, "a");
	publish(&h, "a");
	uint64_t fed_ms = h.pump.fed_ms;

	pump_pass(&h.pump, fed_ms);

	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(take(h.ours[i]).events, 1);
	ck_assert_uint_eq(pump_deadline(&h.pump), fed_ms + 1);
	pump_pass(&h.pump, fed_ms + 1);
	for (size_t i = 0; i < CROWD; i++) {
		struct arrived arrived = take(h.ours[i]);
		ck_assert_uint_eq(arrived.events, 2);
		ck_assert_uint_eq(arrived.records, 1);
	}
	hall_end(&h);
}
END_TEST

START_TEST(server_that_does_not_read_delays_by_ten_milliseconds_at_most)
{
	struct hall h;
	hall_make(&h);
	fill(&h);
	publish(&h, "a");
	uint64_t fed_ms = h.pump.fed_ms;

	pump_pass(&h.pump, fed_ms + 9);
	size_t before = h.pump.due != NULL;
	pump_pass(&h.pump, fed_ms + 10);

	ck_assert_uint_eq(before, 1);
	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(take(h.ours[i]).events, 2);
	hall_end(&h);
}
END_TEST

START_TEST(channel_of_few_does_not_wait_for_a_server_that_is_behind)
{
	struct hall h;
	hall_make(&h);
	fill(&h);
	seat(&h, "channel=b", 1);
	publish(&h, "a");
	publish(&h, "b");

	pump_pass(&h.pump, h.pump.fed_ms);

	ck_assert_uint_eq(take(h.ours[CROWD]).events, 1);
	ck_assert_uint_eq(take(h.ours[0]).events, 1);
	hall_end(&h);
}
END_TEST

START_TEST(some_who_do_not_read_hold_nobody_up)
{
	struct hall h;
	hall_make(&h);
	fill(&h);
	for (size_t i = 0; i < CROWD; i += 2)
		ck_assert_uint_eq(take(h.ours[i]).events, 1);
	publish(&h, "a");

	pump_pass(&h.pump, h.pump.fed_ms);

	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(take(h.ours[i]).events, 1 + i % 2);
	hall_end(&h);
}
END_TEST

FIXTURE_MAIN("pump", lone_event_leaves_at_once,
    event_leaves_at_once_where_the_one_before_was_read,
    events_wait_for_a_server_that_is_behind_and_share_one_write,
    server_that_does_not_read_delays_by_ten_milliseconds_at_most,
    channel_of_few_does_not_wait_for_a_server_that_is_behind,
    some_who_do_not_read_hold_nobody_up)
