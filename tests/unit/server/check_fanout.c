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
	streams_end(&p->h->server.streams, last_stream(p->h), SSE_STOPPING);
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

/* What has arrived at a peer since the last time, as a string. */
static const char *
take_text(struct setup *h, size_t peer)
{
	static char text[8192];
	struct server_answer answer = { 0 };

	server_take(h->server.peers[peer], &answer);
	ck_assert_uint_lt(answer.content.len, sizeof(text));
	memcpy(text, answer.content.ptr == NULL ? "" : answer.content.ptr,
	    answer.content.len);
	text[answer.content.len] = '\0';
	server_forget(&answer);
	return text;
}

/* What a subscriber of that query is sent at once, behind the headers. */
static const char *
first_text(struct setup *h, const char *query, bool stopping)
{
	static char reply[2048];
	struct server *s = &h->server;
	const struct request r = { .query = span_of(query) };
	const struct subscription_rules rules = rules_of_param("channel");
	struct connection *c = server_handling(s);
	struct subscription wanted;
	struct problem problem;
	struct buf head = { 0 };

	ck_assert_int_eq(subscription_read(&wanted, &r, &rules,
			     server_look_nothing, NULL, &problem),
	    0);
	enum fanout_outcome outcome =
	    fanout_join(&s->fanout, c, &wanted, &head, FIXTURE_NOW, stopping);
	buf_put_char(&head, '\0');
	ck_assert_uint_le(head.len, sizeof(reply));
	memcpy(reply, head.ptr, head.len);
	if (outcome == FANOUT_REFUSED)
		connection_close(&s->connections, c);
	subscription_fini(&wanted);
	buf_fini(&head);
	return outcome == FANOUT_REFUSED ? reply
					 : take_text(h, s->peer_count - 1);
}

START_TEST(first_block_is_an_event_with_a_cursor)
{
	struct setup h;
	char id[EVENT_ID_CHARS];
	char wanted[100];
	setup_make(&h);
	uint64_t last = fixture_append(&h.w, FIXTURE_NOW, "a");
	(void)snprintf(wanted, sizeof(wanted),
	    "retry: 3000\nid: %.*s\nevent: peal:open\ndata: {}\n\n",
	    (int)event_id_print(last, id), id);

	const char *text = first_text(&h, "channel=a", false);

	ck_assert_str_eq(text, wanted);
	setup_end(&h);
}
END_TEST

START_TEST(refusal_gives_a_cursor_to_who_has_none)
{
	static const struct {
		const char *query;
		bool stopping;
		bool cursor;
		const char *reason;
	} rows[] = {
		{ "channel=a", true, true, "stopping" },
		{ "channel=a", false, true, "full" },
		{ "channel=a&lastEventId=1-1", true, false, "stopping" },
		{ "channel=a&lastEventTime=1779525621000", false, false,
		    "full" },
		{ "channel=a&lastEventId=garbage", false, false, "full" },
		{ "channel=a&lastEventId=", false, true, "full" },
	};
	struct setup h;
	char id[EVENT_ID_CHARS];
	setup_make(&h);
	h.server.streams.settings.max_streams = 0;
	uint64_t last = fixture_append(&h.w, FIXTURE_NOW, "a");

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		char wanted[120];
		(void)snprintf(wanted, sizeof(wanted),
		    "\nid: %.*s\nevent: peal:busy\ndata: {\"reason\":\"%s\"}\n\n",
		    (int)event_id_print(last, id), id, rows[i].reason);

		const char *text =
		    first_text(&h, rows[i].query, rows[i].stopping);

		ck_assert_int_eq(strncmp(text, "retry: ", 7), 0);
		ck_assert_str_eq(strchr(text, '\n'),
		    rows[i].cursor ? wanted : strstr(wanted, "\nevent: "));
	}
	ck_assert_uint_eq(h.server.streams.count, 0);
	setup_end(&h);
}
END_TEST

START_TEST(silence_is_broken_by_a_comment_or_an_event)
{
	struct setup h;
	setup_make(&h);
	h.server.streams.settings.heartbeat_ms = 1000;
	join(&h, "channel=a", 1);
	join(&h, "channel=a&beat", 1);

	for (uint64_t ms = 500; ms <= 1000; ms += 500)
		streams_timers(&h.server.streams, FIXTURE_NOW.boot_ms + ms);

	ck_assert_str_eq(take_text(&h, 0), ":\n");
	ck_assert_str_eq(take_text(&h, 1), "event: peal:beat\ndata: {}\n\n");
	setup_end(&h);
}
END_TEST

START_TEST(streams_end_at_their_age_or_up_to_a_quarter_earlier)
{
	struct setup h;
	size_t early = 0;
	setup_make(&h);
	h.server.streams.settings.max_age_ms = 1000;
	join(&h, "channel=a", CROWD);

	for (const struct stream *s = h.server.streams.first; s != NULL;
	     s = s->next) {
		ck_assert_uint_ge(s->end_ms, FIXTURE_NOW.boot_ms + 750);
		ck_assert_uint_le(s->end_ms, FIXTURE_NOW.boot_ms + 1000);
		early += s->end_ms < FIXTURE_NOW.boot_ms + 900;
	}
	streams_timers(&h.server.streams, FIXTURE_NOW.boot_ms + 1000);

	/* A hundred of them are never all within the last tenth. */
	ck_assert_uint_gt(early, 0);
	for (size_t i = 0; i < CROWD; i++)
		ck_assert_ptr_nonnull(strstr(take_text(&h, i),
		    "\nevent: peal:end\ndata: {\"reason\":\"age\"}\n\n"));
	setup_end(&h);
}
END_TEST

START_TEST(streams_of_a_worker_that_stops_end_with_that_reason)
{
	struct setup h;
	setup_make(&h);
	join(&h, "channel=a", 1);

	fanout_end_all(&h.server.fanout, FIXTURE_NOW.boot_ms);

	const char *text = take_text(&h, 0);
	ck_assert_int_eq(strncmp(text, "retry: ", 7), 0);
	ck_assert_str_eq(strchr(text, '\n'),
	    "\nevent: peal:end\ndata: {\"reason\":\"stopping\"}\n\n");
	setup_end(&h);
}
END_TEST

START_TEST(stream_that_has_fallen_behind_ends_without_an_event)
{
	struct setup h;
	setup_make(&h);
	join(&h, "channel=a&channel=b", 1);
	for (int i = 0; i < FIXTURE_MAX_EVENTS + 1; i++)
		publish(&h, "a");

	pass(&h);

	const char *text = take_text(&h, 0);
	ck_assert_int_eq(strncmp(text, "retry: ", 7), 0);
	ck_assert_str_eq(strchr(text, '\n'), "\n");
	setup_end(&h);
}
END_TEST

START_TEST(seconds_instead_of_milliseconds_are_a_gap_with_a_hint)
{
	struct setup h;
	setup_make(&h);

	const char *text =
	    first_text(&h, "channel=a&lastEventTime=1779525621.5", false);
	ck_assert_ptr_nonnull(strstr(text, "\nevent: peal:gap\n"));
	ck_assert_ptr_nonnull(strstr(text, "\"after\":\"1779525621.5\""));
	ck_assert_ptr_nonnull(
	    strstr(text, "\"hint\":\"the number looks like seconds"));
	ck_assert(h.server.fanout.hinted);

	text = first_text(&h, "channel=a&lastEventTime=garbage", false);
	ck_assert_ptr_nonnull(strstr(text, "\nevent: peal:gap\n"));
	ck_assert_ptr_null(strstr(text, "\"hint\""));
	setup_end(&h);
}
END_TEST

FIXTURE_MAIN("fanout", first_block_is_an_event_with_a_cursor,
    refusal_gives_a_cursor_to_who_has_none,
    silence_is_broken_by_a_comment_or_an_event,
    streams_end_at_their_age_or_up_to_a_quarter_earlier,
    streams_of_a_worker_that_stops_end_with_that_reason,
    stream_that_has_fallen_behind_ends_without_an_event,
    seconds_instead_of_milliseconds_are_a_gap_with_a_hint,
    lone_event_leaves_at_once, all_that_is_pending_shares_one_write,
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
