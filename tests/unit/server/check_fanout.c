#include "server/fanout.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "arena_fixture.h"
#include "wire/reply.h"
#include "wire/sse.h"

#define CROWD 100

/* A worker's streams; the web server's ends of their sockets are ours. */
struct setup {
	struct fixture_worker w;
	struct fcgi *fcgi;
	struct streams streams;
	struct fanout fanout;
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
setup_make(struct setup *h)
{
	const struct streams_settings settings = { .retry_ms = 3000,
		.stall_ms = 30000,
		.max_streams = CROWD + 1 };
	char path[FIXTURE_PATH];

	*h = (struct setup){ 0 };
	fcgi_init_library();
	fixture_path(path);
	fixture_join(&h->w, path);
	h->fcgi = fcgi_new();
	ck_assert_int_eq(streams_init(&h->streams, &h->w.store, h->fcgi,
			     &settings, epoll_create1(0)),
	    0);
	ck_assert_int_eq(fanout_init(&h->fanout, &h->streams), 0);
}

static void
setup_end(struct setup *h)
{
	fanout_end_all(&h->fanout, FIXTURE_NOW.boot_ms);
	close(h->streams.epoll_fd);
	fanout_fini(&h->fanout);
	streams_fini(&h->streams);
	fcgi_free(h->fcgi);
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
join(struct setup *h, const char *query, size_t count)
{
	const struct reply_cors cors = { .count = 0 };
	const struct request r = { .query = span_of(query) };
	struct problem problem;
	int pair[2];

	for (size_t i = 0; i < count; i++) {
		struct subscriber *arrival = calloc(1, sizeof(*arrival));
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		h->ours[h->count++] = pair[1];
		arrival->peer = (struct fcgi_peer){ .fd = pair[0], .id = 1 };
		ck_assert_int_eq(subscription_read(&arrival->wanted, &r,
				     "channel", look_nothing, NULL, &problem),
		    0);
		reply_stream(&arrival->head, &cors, SPAN(""));
		fanout_admit(&h->fanout, arrival, FIXTURE_NOW, false);
		(void)take(pair[1]);
	}
}

static void
publish(struct setup *h, const char *channel)
{
	(void)fixture_append(&h->w, FIXTURE_NOW, channel);
	wake_drain(&h->w.store, h->w.inbox);
	fanout_take_news(&h->fanout, FIXTURE_NOW.boot_ms);
}

static void
publish_large(struct setup *h, const char *channel)
{
	static char data[4000];
	struct buf body = { 0 };
	struct store_appended appended;

	memset(data, 'x', sizeof(data));
	sse_event(&body, SPAN(""), (struct span){ data, sizeof(data) });
	const struct store_event event = { .channel = span_of(channel),
		.body = buf_span(&body) };
	ck_assert_int_eq(wake_append(&h->w.wake, FIXTURE_NOW, &event, 1,
			     &appended),
	    0);
	wake_drain(&h->w.store, h->w.inbox);
	fanout_take_news(&h->fanout, FIXTURE_NOW.boot_ms);
	buf_fini(&body);
}

static void
pass(struct setup *h)
{
	fanout_pass(&h->fanout, FIXTURE_NOW.boot_ms);
}

START_TEST(lone_event_leaves_at_once)
{
	struct setup h;
	setup_make(&h);
	join(&h, "channel=a", CROWD);
	publish(&h, "a");

	pass(&h);

	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(take(h.ours[i]).events, 1);
	setup_end(&h);
}
END_TEST

START_TEST(all_that_is_pending_shares_one_write)
{
	struct setup h;
	setup_make(&h);
	join(&h, "channel=a", CROWD);
	for (int i = 0; i < 20; i++)
		publish(&h, "a");

	pass(&h);

	for (size_t i = 0; i < CROWD; i++) {
		struct arrived arrived = take(h.ours[i]);
		ck_assert_uint_eq(arrived.events, 20);
		ck_assert_uint_eq(arrived.records, 1);
	}
	setup_end(&h);
}
END_TEST

START_TEST(channels_of_one_stream_share_its_write)
{
	struct setup h;
	setup_make(&h);
	join(&h, "channel=a&channel=b", 1);
	publish(&h, "a");
	publish(&h, "b");
	publish(&h, "a");

	pass(&h);

	struct arrived arrived = take(h.ours[0]);
	ck_assert_uint_eq(arrived.events, 3);
	ck_assert_uint_eq(arrived.records, 1);
	setup_end(&h);
}
END_TEST

START_TEST(stream_that_does_not_read_keeps_nothing_from_the_others)
{
	struct setup h;
	setup_make(&h);
	join(&h, "channel=a", 2);

	/* Far more than a socket's buffer holds. */
	for (int i = 0; i < 20; i++) {
		for (int j = 0; j < 10; j++)
			publish_large(&h, "a");
		pass(&h);
		ck_assert_uint_eq(take(h.ours[1]).events, 10);
	}

	ck_assert_uint_eq(h.streams.blocked, 1);
	setup_end(&h);
}
END_TEST

START_TEST(those_who_come_back_are_served_in_turn)
{
	struct setup h;
	size_t served[4] = { 0 };
	setup_make(&h);
	publish(&h, "a");
	join(&h, "channel=a&lastEventId=earliest", CROWD);

	for (size_t pass_number = 0; pass_number < 4; pass_number++) {
		pass(&h);
		for (size_t i = 0; i < CROWD; i++)
			served[pass_number] += take(h.ours[i]).events;
	}

	/* Everybody once, a part of them in each pass. */
	ck_assert_uint_eq(served[0], 64);
	ck_assert_uint_eq(served[1], CROWD - 64);
	ck_assert_uint_eq(served[2] + served[3], 0);
	ck_assert_uint_eq(fanout_deadline(&h.fanout), UINT64_MAX);
	setup_end(&h);
}
END_TEST

START_TEST(long_replay_goes_on_where_others_wait)
{
	struct setup h;
	size_t events[CROWD] = { 0 };
	setup_make(&h);
	for (int i = 0; i < 30; i++)
		publish_large(&h, "a");
	join(&h, "channel=a&lastEventId=earliest", CROWD);

	for (int round = 0; round < 40; round++) {
		pass(&h);
		for (size_t i = 0; i < CROWD; i++)
			events[i] += take(h.ours[i]).events;
		for (struct stream *s = h.streams.first; s != NULL; s = s->next)
			fanout_stream_event(&h.fanout, s, EPOLLOUT,
			    FIXTURE_NOW.boot_ms);
	}

	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(events[i], 30);
	setup_end(&h);
}
END_TEST

FIXTURE_MAIN("pump", lone_event_leaves_at_once,
    all_that_is_pending_shares_one_write,
    channels_of_one_stream_share_its_write,
    stream_that_does_not_read_keeps_nothing_from_the_others,
    those_who_come_back_are_served_in_turn,
    long_replay_goes_on_where_others_wait)
