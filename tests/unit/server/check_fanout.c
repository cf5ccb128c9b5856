#include "server/fanout.h"

#include "server_fixture.h"
#include "wire/sse.h"

#define CROWD 100

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
	server_make(&h->server, &h->w, CROWD + 1);
}

static void
setup_end(struct setup *h)
{
	server_end(&h->server);
	fixture_leave(&h->w);
}

/* Streams of a channel, which have read their first block. */
static void
join(struct setup *h, const char *query, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)server_take_events(&h->server,
		    server_join(&h->server, query));
}

static void
publish(struct setup *h, const char *channel)
{
	(void)fixture_append(&h->w, FIXTURE_NOW, channel);
	server_take_news(&h->server);
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
	server_take_news(&h->server);
	buf_fini(&body);
}

static void
pass(struct setup *h)
{
	fanout_pass(&h->server.fanout, FIXTURE_NOW.boot_ms);
}

START_TEST(lone_event_leaves_at_once)
{
	struct setup h;
	setup_make(&h);
	join(&h, "channel=a", CROWD);
	publish(&h, "a");

	pass(&h);

	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(server_take_events(&h.server, i), 1);
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
		struct server_answer answer = { 0 };
		server_take(h.server.peers[i], &answer);
		ck_assert_uint_eq(server_events(&answer), 20);
		ck_assert_uint_eq(answer.records, 1);
		server_forget(&answer);
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

	struct server_answer answer = { 0 };
	server_take(h.server.peers[0], &answer);
	ck_assert_uint_eq(server_events(&answer), 3);
	ck_assert_uint_eq(answer.records, 1);
	server_forget(&answer);
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
		ck_assert_uint_eq(server_take_events(&h.server, 1), 10);
	}

	ck_assert_uint_eq(h.server.streams.blocked, 1);
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
			served[pass_number] += server_take_events(&h.server, i);
	}

	/* Everybody once, a part of them in each pass. */
	ck_assert_uint_eq(served[0], 64);
	ck_assert_uint_eq(served[1], CROWD - 64);
	ck_assert_uint_eq(served[2] + served[3], 0);
	ck_assert_uint_eq(fanout_deadline(&h.server.fanout), UINT64_MAX);
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
			events[i] += server_take_events(&h.server, i);
		for (struct stream *s = h.server.streams.first; s != NULL;
		     s = s->next)
			fanout_stream_event(&h.server.fanout, s, EPOLLOUT,
			    FIXTURE_NOW.boot_ms);
	}

	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(events[i], 30);
	setup_end(&h);
}
END_TEST

/* What a pause does, and what it has seen. */
struct pauses {
	struct setup *h;
	size_t count;
	size_t served[16]; /* peers that had their event, at each pause */
	void (*act)(struct pauses *); /* in the first */
	size_t number;
};

static size_t
served(const struct setup *h)
{
	size_t count = 0;
	char byte;

	for (size_t i = 0; i < h->server.peer_count; i++)
		count += recv(h->server.peers[i], &byte, 1,
			     MSG_PEEK | MSG_DONTWAIT) == 1;
	return count;
}

static void
note_pause(void *context)
{
	struct pauses *p = context;

	ck_assert_uint_lt(p->count, UNIT_COUNT(p->served));
	p->served[p->count++] = served(p->h);
	if (p->count == 1 && p->act != NULL)
		p->act(p);
}

static void
watch_pauses(struct setup *h, struct pauses *p)
{
	*p = (struct pauses){ .h = h, .act = p->act };
	h->server.streams.pause = note_pause;
	h->server.streams.context = p;
	h->server.connections.writes = 0;
}

static void
assert_pauses(const struct pauses *p)
{
	ck_assert_uint_eq(p->count, CROWD / STREAMS_WRITES);
	for (size_t i = 0; i < p->count; i++)
		ck_assert_uint_eq(p->served[i], (i + 1) * STREAMS_WRITES);
}

START_TEST(pass_pauses_after_each_few_writes)
{
	struct setup h;
	struct pauses p = { 0 };
	setup_make(&h);
	join(&h, "channel=a", CROWD);
	publish(&h, "a");
	watch_pauses(&h, &p);

	pass(&h);

	assert_pauses(&p);
	ck_assert_uint_eq(served(&h), CROWD);
	setup_end(&h);
}
END_TEST

START_TEST(catching_up_pauses_after_each_few_writes)
{
	struct setup h;
	struct pauses p = { 0 };
	setup_make(&h);
	publish(&h, "a");
	join(&h, "channel=a&lastEventId=earliest", CROWD);
	watch_pauses(&h, &p);

	pass(&h);
	pass(&h);

	assert_pauses(&p);
	setup_end(&h);
}
END_TEST

START_TEST(heartbeats_pause_after_each_few_writes)
{
	struct setup h;
	struct pauses p = { 0 };
	setup_make(&h);
	h.server.streams.settings.heartbeat_ms = 1000;
	join(&h, "channel=a", CROWD);
	watch_pauses(&h, &p);

	for (uint64_t ms = 1000; ms <= 2000; ms += 1000)
		streams_timers(&h.server.streams, FIXTURE_NOW.boot_ms + ms);

	assert_pauses(&p);
	setup_end(&h);
}
END_TEST

START_TEST(ends_pause_after_each_few_writes)
{
	struct setup h;
	struct pauses p = { 0 };
	setup_make(&h);
	h.server.streams.settings.max_age_ms = 1000;
	join(&h, "channel=a", CROWD);
	watch_pauses(&h, &p);

	streams_timers(&h.server.streams, FIXTURE_NOW.boot_ms + 1000);

	assert_pauses(&p);
	setup_end(&h);
}
END_TEST

START_TEST(fewer_writes_do_not_pause)
{
	struct setup h;
	struct pauses p = { 0 };
	setup_make(&h);
	join(&h, "channel=a", STREAMS_WRITES - 1);
	publish(&h, "a");
	watch_pauses(&h, &p);

	pass(&h);

	ck_assert_uint_eq(p.count, 0);
	setup_end(&h);
}
END_TEST

static void
append_one(struct pauses *p)
{
	(void)fixture_append(&p->h->w, FIXTURE_NOW, "a");
}

START_TEST(what_a_pause_appends_is_for_the_next_pass)
{
	struct setup h;
	struct pauses p = { .act = append_one };
	setup_make(&h);
	join(&h, "channel=a", CROWD);
	publish(&h, "a");
	watch_pauses(&h, &p);

	pass(&h);
	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(server_take_events(&h.server, i), 1);
	server_take_news(&h.server);
	pass(&h);

	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(server_take_events(&h.server, i), 1);
	setup_end(&h);
}
END_TEST

static void
join_one(struct pauses *p)
{
	p->number = server_join(&p->h->server, "channel=a");
}

START_TEST(who_joins_in_a_pause_gets_what_comes_after)
{
	struct setup h;
	struct pauses p = { .act = join_one };
	setup_make(&h);
	join(&h, "channel=a", CROWD);
	publish(&h, "a");
	watch_pauses(&h, &p);

	pass(&h);
	ck_assert_uint_eq(server_take_events(&h.server, p.number), 0);
	publish(&h, "a");
	pass(&h);

	ck_assert_uint_eq(server_take_events(&h.server, p.number), 1);
	for (size_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(server_take_events(&h.server, i), 2);
	setup_end(&h);
}
END_TEST

/* The one that comes last in a pass: new streams stand in front. */
static struct stream *
last_stream(struct setup *h)
{
	struct stream *s = h->server.streams.first;

	while (s->next != NULL)
		s = s->next;
	return s;
}

static void
end_last(struct pauses *p)
{
	streams_end(&p->h->server.streams, last_stream(p->h));
}

static void
vanish_last(struct pauses *p)
{
	fanout_stream_event(&p->h->server.fanout, last_stream(p->h), EPOLLHUP,
	    FIXTURE_NOW.boot_ms);
}

static void
assert_last_ended(struct setup *h, bool in_order)
{
	struct server_answer answer = { 0 };

	pass(h);
	server_take(h->server.peers[0], &answer);
	ck_assert_uint_eq(server_events(&answer), 0);
	ck_assert_uint_eq(answer.ends, in_order ? 1 : 0);
	ck_assert_uint_eq(h->server.streams.count, CROWD);
	for (size_t i = 1; i < CROWD; i++)
		ck_assert_uint_eq(server_take_events(&h->server, i), 1);
	streams_reap(&h->server.streams, FIXTURE_NOW.boot_ms);
	ck_assert_uint_eq(h->server.streams.count, CROWD - 1);
	server_forget(&answer);
}

START_TEST(stream_that_a_pause_ends_is_not_written_to_again)
{
	struct setup h;
	struct pauses p = { .act = end_last };
	setup_make(&h);
	join(&h, "channel=a", CROWD);
	publish(&h, "a");
	watch_pauses(&h, &p);

	assert_last_ended(&h, true);
	setup_end(&h);
}
END_TEST

START_TEST(stream_that_vanishes_in_a_pause_is_not_written_to_again)
{
	struct setup h;
	struct pauses p = { .act = vanish_last };
	setup_make(&h);
	join(&h, "channel=a", CROWD);
	publish(&h, "a");
	watch_pauses(&h, &p);

	assert_last_ended(&h, false);
	setup_end(&h);
}
END_TEST

/* Ended in the pause, it would have been the next to catch up. */
START_TEST(stream_that_waits_to_catch_up_may_end_in_a_pause)
{
	struct setup h;
	struct pauses p = { .act = end_last };
	setup_make(&h);
	publish(&h, "a");
	/* The first to join is the last of the streams, and the last behind. */
	join(&h, "channel=a", 1);
	join(&h, "channel=a&lastEventId=earliest", 63);
	(void)fixture_append(&h.w, FIXTURE_NOW, "a");
	struct stream *s = last_stream(&h);
	connection_move(&h.server.connections, s->connection,
	    CONNECTION_BLOCKED, FIXTURE_NOW.boot_ms);
	fanout_stream_event(&h.server.fanout, s, EPOLLOUT, FIXTURE_NOW.boot_ms);
	watch_pauses(&h, &p);

	pass(&h);

	ck_assert_uint_eq(server_take_events(&h.server, 0), 0);
	streams_reap(&h.server.streams, FIXTURE_NOW.boot_ms);
	ck_assert_uint_eq(h.server.streams.count, 63);
	setup_end(&h);
}
END_TEST

FIXTURE_MAIN("fanout", lone_event_leaves_at_once,
    all_that_is_pending_shares_one_write,
    channels_of_one_stream_share_its_write,
    stream_that_does_not_read_keeps_nothing_from_the_others,
    those_who_come_back_are_served_in_turn,
    long_replay_goes_on_where_others_wait, pass_pauses_after_each_few_writes,
    catching_up_pauses_after_each_few_writes,
    heartbeats_pause_after_each_few_writes, ends_pause_after_each_few_writes,
    fewer_writes_do_not_pause, what_a_pause_appends_is_for_the_next_pass,
    who_joins_in_a_pause_gets_what_comes_after,
    stream_that_a_pause_ends_is_not_written_to_again,
    stream_that_vanishes_in_a_pause_is_not_written_to_again,
    stream_that_waits_to_catch_up_may_end_in_a_pause)
