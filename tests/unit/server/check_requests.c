#include "server/requests.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "server_fixture.h"
#include "wire/sse.h"

#define REQUEST_MS 60000
#define LOCK_WAIT_MS 2000
#define LOCK_TRY_MS 5
#define LOCK_REFUSE_MS 200
#define REST_MS 100

/* A worker but for its loop, which is turned by hand, and a clock of our own. */
struct setup {
	struct fixture_worker w;
	struct server s;
	struct options options;
	struct handler handler;
	struct requests q;
	struct sockaddr_un address;
	socklen_t address_len;
	uint64_t ms; /* since the test began */
	struct server_answer answers[SERVER_PEERS];
};

static char channel_param[] = "channel";

static void
setup_make(struct setup *h)
{
	char path[FIXTURE_PATH];

	*h = (struct setup){ .options = { .max_body = SERVER_BODY_MAX,
				 .max_event_size = 100000,
				 .channel_param = channel_param } };
	fixture_path(path);
	fixture_join(&h->w, path);
	h->w.store.arena.lock_wait_us = 1000;
	server_make(&h->s, &h->w, 10);
	handler_init(&h->handler, &h->options, &h->w.wake, h->w.inbox);
	h->q = (struct requests){
		.connections = &h->s.connections,
		.handler = &h->handler,
		.fanout = &h->s.fanout,
		.status_feed = &h->s.status_feed,
		.web_servers = &server_all_may,
		.listen_fd = server_listen(&h->address, &h->address_len),
		.busy_max = 32,
	};
	ck_assert_int_eq(requests_listen(&h->q), 0);
}

static void
setup_end(struct setup *h)
{
	for (size_t i = 0; i < SERVER_PEERS; i++)
		server_forget(&h->answers[i]);
	handler_fini(&h->handler);
	server_end(&h->s);
	close(h->q.listen_fd);
	fixture_leave(&h->w);
}

static struct clock_now
now_of(const struct setup *h)
{
	struct clock_now now = FIXTURE_NOW;

	now.boot_ms += h->ms;
	now.wall_ms += h->ms;
	return now;
}

/* One turn of the loop, as worker.c has it; returns the events there were. */
static int
turn(struct setup *h)
{
	struct epoll_event events[64];
	int count = epoll_wait(h->s.epoll_fd, events, 64, 0);
	bool accepting = false;

	for (int i = 0; i < count; i++) {
		struct connection *c = events[i].data.ptr;
		if (events[i].data.ptr == &h->q.listen_fd)
			accepting = true;
		else if (c->stream != NULL)
			fanout_stream_event(&h->s.fanout, c->stream,
			    events[i].events, now_of(h).boot_ms);
		else
			requests_event(&h->q, c, events[i].events, now_of(h));
	}
	if (accepting)
		requests_accept(&h->q, now_of(h));
	requests_timers(&h->q, now_of(h));
	streams_reap(&h->s.streams, now_of(h).boot_ms);
	connections_reap(&h->s.connections);
	return count;
}

/* Turn until nothing is ready.  What is ready for ever would spin. */
static void
settle(struct setup *h)
{
	for (int i = 0; i < 200; i++) {
		if (turn(h) == 0)
			return;
	}
	ck_abort_msg("the loop spins");
}

static size_t
come(struct setup *h)
{
	return server_connect(&h->s, &h->address, h->address_len);
}

static void
send_bytes(struct setup *h, size_t peer, struct span bytes)
{
	ck_assert_int_eq(send(h->s.peers[peer], bytes.ptr, bytes.len, 0),
	    (ssize_t)bytes.len);
}

static void
send_request(struct setup *h, size_t peer, const struct server_request *r)
{
	struct buf records = { 0 };

	server_put_request(&records, r);
	send_bytes(h, peer, buf_span(&records));
	buf_fini(&records);
}

/* What has arrived at a peer in all. */
static const struct server_answer *
answer(struct setup *h, size_t peer)
{
	server_take(h->s.peers[peer], &h->answers[peer]);
	return &h->answers[peer];
}

static unsigned
ends(struct setup *h, size_t peer)
{
	return answer(h, peer)->ends;
}

/* The statuses of all answers to a peer, such as "200 503". */
static const char *
statuses(struct setup *h, size_t peer)
{
	static char text[256];
	struct span s = buf_span(&answer(h, peer)->content);
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i + 11 <= s.len && len + 5 < sizeof(text); i++) {
		if (memcmp(s.ptr + i, "Status: ", 8) != 0)
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s%.3s", len == 0 ? "" : " ", s.ptr + i + 8);
	}
	return text;
}

static uint32_t
stored(const struct setup *h)
{
	return h->w.store.arena.header->events;
}

static const struct server_request options_kept = { .method = "OPTIONS",
	.uri = "/e",
	.keep = true };
static const struct server_request options_once = { .method = "OPTIONS",
	.uri = "/e" };
static const struct server_request post_kept = { .method = "POST",
	.uri = "/e",
	.query = "channel=a",
	.roles = "publish",
	.body = "a body",
	.keep = true };
static const struct server_request post_refused = { .method = "POST",
	.uri = "/e",
	.query = "channel=a",
	.roles = "subscribe",
	.body = "a body",
	.keep = true };
static const struct server_request get_stream = { .method = "GET",
	.uri = "/e",
	.query = "channel=a",
	.roles = "subscribe",
	.keep = true };
static const struct server_request get_page = { .method = "GET",
	.uri = "/e/status",
	.accept = "text/html",
	.roles = "status",
	.keep = true };

/* ---- Whole requests, and pieces ---- */

START_TEST(request_that_is_whole_is_answered_in_the_turn_it_comes)
{
	struct setup h;
	setup_make(&h);
	size_t kept = come(&h);
	size_t once = come(&h);
	send_request(&h, kept, &post_kept);
	send_request(&h, once, &options_once);

	(void)turn(&h);
	(void)turn(&h);

	ck_assert_str_eq(statuses(&h, kept), "200");
	ck_assert_uint_eq(ends(&h, kept), 1);
	ck_assert(!h.answers[kept].closed);
	ck_assert_str_eq(statuses(&h, once), "204");
	ck_assert_uint_eq(ends(&h, once), 1);
	ck_assert(h.answers[once].closed);
	ck_assert_uint_eq(stored(&h), 1);
	ck_assert_uint_eq(h.s.connections.idle.count, 1);
	ck_assert_uint_eq(h.s.connections.busy.count, 0);
	ck_assert_uint_eq(requests_deadline(&h.q), UINT64_MAX);
	setup_end(&h);
}
END_TEST

START_TEST(request_may_come_byte_by_byte)
{
	struct setup h;
	struct buf records = { 0 };
	setup_make(&h);
	size_t peer = come(&h);
	server_put_request(&records, &post_kept);

	for (size_t i = 0; i < records.len; i++) {
		ck_assert_uint_eq(ends(&h, peer), 0);
		send_bytes(&h, peer, (struct span){ records.ptr + i, 1 });
		settle(&h);
	}

	ck_assert_str_eq(statuses(&h, peer), "200");
	ck_assert_uint_eq(ends(&h, peer), 1);
	ck_assert_uint_eq(stored(&h), 1);
	buf_fini(&records);
	setup_end(&h);
}
END_TEST

START_TEST(requests_on_a_kept_connection_may_be_cut_anywhere)
{
	struct buf records = { 0 };
	server_put_request(&records, &post_kept);
	server_put_request(&records, &options_kept);

	for (size_t cut = 1; cut <= records.len; cut++) {
		struct setup h;
		setup_make(&h);
		size_t peer = come(&h);
		send_bytes(&h, peer, (struct span){ records.ptr, cut });
		settle(&h);
		send_bytes(&h, peer,
		    (struct span){ records.ptr + cut, records.len - cut });

		settle(&h);

		ck_assert_str_eq(statuses(&h, peer), "200 204");
		ck_assert_uint_eq(ends(&h, peer), 2);
		ck_assert_uint_eq(h.s.connections.idle.count, 1);
		setup_end(&h);
	}
	buf_fini(&records);
}
END_TEST

START_TEST(long_body_is_read_to_its_end)
{
	static char body[65535];
	struct setup h;
	struct buf records = { 0 };
	setup_make(&h);
	size_t peer = come(&h);
	struct span content = { body, sizeof(body) };
	memset(body, 'x', sizeof(body));
	server_put_head(&records, &post_kept);

	/* Longer than is allowed, and than one turn reads. */
	for (int i = 0; i < 5; i++) {
		server_put_record(&records, 5, content);
		send_bytes(&h, peer, buf_span(&records));
		buf_clear(&records);
		settle(&h);
		ck_assert_uint_eq(ends(&h, peer), 0);
	}
	server_put_record(&records, 5, SPAN(""));
	send_bytes(&h, peer, buf_span(&records));
	settle(&h);
	send_request(&h, peer, &post_kept);
	settle(&h);

	ck_assert_str_eq(statuses(&h, peer), "413 200");
	ck_assert_uint_eq(stored(&h), 1);
	buf_fini(&records);
	setup_end(&h);
}
END_TEST

START_TEST(answers_to_a_peer_that_reads_late_come_in_order)
{
	enum { REQUESTS = 40 };
	struct setup h;
	char want[REQUESTS * 4 + 8] = "";
	setup_make(&h);
	size_t peer = come(&h);
	for (int i = 0; i < REQUESTS; i++) {
		send_request(&h, peer, i % 2 == 0 ? &get_page : &options_kept);
		(void)strcat(want,
		    i == 0	     ? "200"
			: i % 2 == 0 ? " 200"
				     : " 204");
	}
	settle(&h);
	ck_assert_uint_eq(h.s.connections.busy.count, 1);
	ck_assert_int_eq(h.s.connections.busy.first->state,
	    CONNECTION_REPLYING);

	for (int i = 0; i < REQUESTS && ends(&h, peer) < REQUESTS; i++)
		settle(&h);

	ck_assert_str_eq(statuses(&h, peer), want);
	ck_assert_uint_eq(ends(&h, peer), REQUESTS);
	ck_assert_uint_eq(h.s.connections.idle.count, 1);
	setup_end(&h);
}
END_TEST

/* ---- Health ---- */

static const struct server_request get_health = {
	.method = "GET", .uri = "/e/health", .roles = "", .keep = true
};

START_TEST(health_needs_no_role)
{
	struct setup h;
	setup_make(&h);
	size_t peer = come(&h);
	send_request(&h, peer, &get_health);

	settle(&h);

	ck_assert_str_eq(statuses(&h, peer), "200");
	ck_assert(server_has(answer(&h, peer), "Content-Type: text/plain\r\n"));
	ck_assert(server_has(answer(&h, peer), "\r\n\r\nok"));
	setup_end(&h);
}
END_TEST

START_TEST(worker_that_stops_or_has_lost_its_arena_is_not_healthy)
{
	struct setup h;
	setup_make(&h);
	size_t peer = come(&h);
	send_request(&h, peer, &get_health);
	settle(&h);
	h.handler.stopping = true;
	send_request(&h, peer, &get_health);
	settle(&h);
	ck_assert(server_has(answer(&h, peer), "\r\n\r\npeal is stopping"));
	h.handler.stopping = false;
	ck_assert_int_eq(unlink(h.w.store.arena.path), 0);
	send_request(&h, peer, &get_health);
	settle(&h);

	ck_assert(
	    server_has(answer(&h, peer), "\r\n\r\nthe arena is unavailable"));
	ck_assert_str_eq(statuses(&h, peer), "200 503 503");
	setup_end(&h);
}
END_TEST

/* ---- Refusals ---- */

START_TEST(body_that_nobody_wants_is_refused_before_it_is_complete)
{
	struct setup h;
	struct buf records = { 0 };
	setup_make(&h);
	size_t peer = come(&h);
	server_put_head(&records, &post_refused);
	server_put_record(&records, 5, SPAN("a part"));
	send_bytes(&h, peer, buf_span(&records));

	settle(&h);
	ck_assert_str_eq(statuses(&h, peer), "403");
	ck_assert_uint_eq(ends(&h, peer), 1);
	buf_clear(&records);
	for (int i = 0; i < 3; i++)
		server_put_record(&records, 5, SPAN("and more"));
	send_bytes(&h, peer, buf_span(&records));
	settle(&h);
	ck_assert_uint_eq(h.s.connections.busy.first->request->body.len, 0);
	buf_clear(&records);
	server_put_record(&records, 5, SPAN(""));
	send_bytes(&h, peer, buf_span(&records));
	settle(&h);
	send_request(&h, peer, &post_kept);
	settle(&h);

	/* The rest was dropped, and the connection is as good as new. */
	ck_assert_str_eq(statuses(&h, peer), "403 200");
	ck_assert_uint_eq(ends(&h, peer), 2);
	ck_assert_uint_eq(stored(&h), 1);
	buf_fini(&records);
	setup_end(&h);
}
END_TEST

START_TEST(refused_connection_that_is_not_kept_closes_behind_the_body)
{
	struct server_request r = post_refused;
	struct setup h;
	struct buf records = { 0 };
	setup_make(&h);
	size_t peer = come(&h);
	r.keep = false;
	server_put_head(&records, &r);
	send_bytes(&h, peer, buf_span(&records));

	settle(&h);
	ck_assert_uint_eq(ends(&h, peer), 1);
	ck_assert(!h.answers[peer].closed);
	buf_clear(&records);
	server_put_record(&records, 5, SPAN(""));
	send_bytes(&h, peer, buf_span(&records));
	settle(&h);

	ck_assert(answer(&h, peer)->closed);
	ck_assert_uint_eq(ends(&h, peer), 1);
	buf_fini(&records);
	setup_end(&h);
}
END_TEST

START_TEST(request_is_ended_once_though_it_is_aborted_later)
{
	struct setup h;
	struct buf records = { 0 };
	setup_make(&h);
	size_t peer = come(&h);
	server_put_head(&records, &post_refused);
	send_bytes(&h, peer, buf_span(&records));
	settle(&h);
	ck_assert_uint_eq(ends(&h, peer), 1);
	buf_clear(&records);
	server_put_record(&records, 2, SPAN(""));
	send_bytes(&h, peer, buf_span(&records));

	settle(&h);

	ck_assert_uint_eq(ends(&h, peer), 1);
	ck_assert(h.answers[peer].closed);
	buf_fini(&records);
	setup_end(&h);
}
END_TEST

START_TEST(stream_that_is_aborted_in_the_same_read_does_not_begin)
{
	struct setup h;
	struct buf records = { 0 };
	setup_make(&h);
	size_t peer = come(&h);
	server_put_request(&records, &get_stream);
	server_put_record(&records, 2, SPAN(""));
	send_bytes(&h, peer, buf_span(&records));

	settle(&h);

	ck_assert_uint_eq(answer(&h, peer)->content.len, 0);
	ck_assert_uint_eq(ends(&h, peer), 1);
	ck_assert(h.answers[peer].closed);
	ck_assert_uint_eq(h.s.streams.count, 0);
	buf_fini(&records);
	setup_end(&h);
}
END_TEST

START_TEST(stream_is_joined_and_may_be_aborted)
{
	struct setup h;
	struct buf records = { 0 };
	setup_make(&h);
	size_t peer = come(&h);
	send_request(&h, peer, &get_stream);

	settle(&h);
	ck_assert(server_has(answer(&h, peer), "\r\n\r\nretry: 3000\n"));
	ck_assert_uint_eq(h.s.streams.count, 1);
	server_put_record(&records, 2, SPAN(""));
	send_bytes(&h, peer, buf_span(&records));
	settle(&h);

	ck_assert_uint_eq(ends(&h, peer), 1);
	ck_assert_uint_eq(h.s.streams.count, 0);
	buf_fini(&records);
	setup_end(&h);
}
END_TEST

/* What is not answered with a response. */
static const struct {
	const char *bytes;
	size_t len;
	unsigned ends;
	unsigned status;
} unsound[] = {
	/* FCGI_AUTHORIZER. */
	{ "\1\1\0\1\0\10\0\0\0\2\1\0\0\0\0\0", 16, 1, 3 },
	/* An abort behind half a request. */
	{ "\1\1\0\1\0\10\0\0\0\1\1\0\0\0\0\0\1\2\0\1\0\0\0\0", 24, 1, 0 },
	{ "GET / HTTP/1.1\r\n\r\n", 18, 0, 0 },
	{ "\1\1\0\0\0\10\0\0\0\1\1\0\0\0\0\0", 16, 0, 0 },
};

START_TEST(unsound_connection_is_closed)
{
	struct setup h;
	setup_make(&h);

	for (size_t i = 0; i < UNIT_COUNT(unsound); i++) {
		size_t peer = come(&h);
		send_bytes(&h, peer,
		    (struct span){ unsound[i].bytes, unsound[i].len });
		settle(&h);
		ck_assert_uint_eq(ends(&h, peer), unsound[i].ends);
		ck_assert_uint_eq(h.answers[peer].status, unsound[i].status);
		ck_assert_uint_eq(h.answers[peer].content.len, 0);
		ck_assert(h.answers[peer].closed);
	}
	ck_assert_uint_eq(h.s.connections.busy.count, 0);
	setup_end(&h);
}
END_TEST

/* FCGI_BEGIN_REQUEST and a record that ignores it, of request 2. */
#define SECOND                                   \
	SPAN("\1\1\0\2\0\10\0\0\0\1\1\0\0\0\0\0" \
	     "\1\4\0\2\0\4\0\0\1\1AB")

/* A second request, whatever it is cut into, is refused beside the first. */
static void
refuse_second(struct setup *h, size_t peer, size_t step)
{
	struct span second = SECOND;

	while (second.len > 0) {
		size_t len = step < second.len ? step : second.len;
		send_bytes(h, peer, (struct span){ second.ptr, len });
		second.ptr += len;
		second.len -= len;
		settle(h);
	}
	ck_assert_uint_eq(ends(h, peer), 1);
	ck_assert_uint_eq(h->answers[peer].status,
	    FCGI_RECORD_STATUS_CANT_MPX_CONN);
	ck_assert_uint_eq(h->answers[peer].id, 2);
	ck_assert(!h->answers[peer].closed);
}

START_TEST(second_request_is_refused_and_the_stream_goes_on)
{
	for (size_t step = 1; step <= SECOND.len; step++) {
		struct setup h;
		struct buf abort = { 0 };
		setup_make(&h);
		size_t peer = come(&h);
		send_request(&h, peer, &get_stream);
		settle(&h);

		refuse_second(&h, peer, step);

		ck_assert_uint_eq(h.s.streams.count, 1);
		/* All of it was read: no memory is kept for it. */
		ck_assert_ptr_null(h.s.streams.first->connection->request);
		server_put_record(&abort, 2, SPAN(""));
		send_bytes(&h, peer, buf_span(&abort));
		settle(&h);
		ck_assert_uint_eq(ends(&h, peer), 2);
		ck_assert_uint_eq(h.s.streams.count, 0);
		buf_fini(&abort);
		setup_end(&h);
	}
}
END_TEST

START_TEST(second_request_in_the_same_read_is_refused_too)
{
	for (size_t cut = 0; cut <= SECOND.len; cut++) {
		struct setup h;
		struct buf bytes = { 0 };
		setup_make(&h);
		size_t peer = come(&h);
		server_put_request(&bytes, &get_stream);
		buf_put(&bytes, (struct span){ SECOND.ptr, cut });
		send_bytes(&h, peer, buf_span(&bytes));
		settle(&h);

		if (cut < SECOND.len)
			send_bytes(&h, peer,
			    (struct span){ SECOND.ptr + cut,
				SECOND.len - cut });
		settle(&h);

		ck_assert_uint_eq(ends(&h, peer), 1);
		ck_assert_uint_eq(h.s.streams.count, 1);
		ck_assert(!h.answers[peer].closed);
		buf_fini(&bytes);
		setup_end(&h);
	}
}
END_TEST

START_TEST(connection_is_kept_with_a_record_that_came_in_part)
{
	struct setup h;
	struct buf bytes = { 0 };
	setup_make(&h);
	size_t peer = come(&h);
	send_request(&h, peer, &get_stream);
	server_put_request(&bytes, &options_kept);
	settle(&h);
	send_bytes(&h, peer, (struct span){ bytes.ptr, 5 });
	settle(&h);
	ck_assert_uint_eq(h.s.streams.count, 1);

	streams_end(&h.s.streams, h.s.streams.first, SSE_AGE);
	settle(&h);
	send_bytes(&h, peer, (struct span){ bytes.ptr + 5, bytes.len - 5 });
	settle(&h);

	ck_assert_str_eq(statuses(&h, peer), "200 204");
	ck_assert_uint_eq(ends(&h, peer), 2);
	buf_fini(&bytes);
	setup_end(&h);
}
END_TEST

START_TEST(stopping_worker_keeps_nothing_and_refuses_streams)
{
	struct setup h;
	setup_make(&h);
	size_t post = come(&h);
	size_t stream = come(&h);
	send_request(&h, post, &post_kept);
	send_request(&h, stream, &get_stream);
	h.q.stopping = true;

	settle(&h);

	ck_assert_str_eq(statuses(&h, post), "200");
	ck_assert(h.answers[post].closed);
	ck_assert_str_eq(statuses(&h, stream), "200");
	ck_assert(server_has(answer(&h, stream),
	    "event: peal:busy\ndata: {\"reason\":\"stopping\"}\n\n"));
	ck_assert_uint_eq(ends(&h, stream), 1);
	ck_assert(h.answers[stream].closed);
	setup_end(&h);
}
END_TEST

/* ---- Deadlines and room ---- */

START_TEST(request_that_does_not_become_whole_is_closed_at_its_deadline)
{
	struct setup h;
	setup_make(&h);
	size_t silent = come(&h);
	settle(&h);
	uint64_t begun_ms = now_of(&h).boot_ms;
	ck_assert_uint_eq(requests_deadline(&h.q), begun_ms + REQUEST_MS);
	h.ms = 10000;
	size_t half = come(&h);
	settle(&h);
	/* However slowly it comes, it gets no more time for it. */
	h.ms = 50000;
	send_bytes(&h, half, SPAN("\1\1"));

	h.ms = REQUEST_MS - 1;
	settle(&h);
	ck_assert(!answer(&h, silent)->closed);
	h.ms = REQUEST_MS;
	settle(&h);
	ck_assert(answer(&h, silent)->closed);
	ck_assert(!answer(&h, half)->closed);
	ck_assert_uint_eq(requests_deadline(&h.q),
	    begun_ms + 10000 + REQUEST_MS);
	h.ms = 10000 + REQUEST_MS;
	settle(&h);

	ck_assert(answer(&h, half)->closed);
	ck_assert_uint_eq(requests_deadline(&h.q), UINT64_MAX);
	setup_end(&h);
}
END_TEST

START_TEST(kept_connection_has_no_deadline_until_its_next_request_begins)
{
	struct setup h;
	setup_make(&h);
	size_t peer = come(&h);
	send_request(&h, peer, &options_kept);
	settle(&h);
	h.ms = 10 * REQUEST_MS;
	settle(&h);
	ck_assert(!answer(&h, peer)->closed);

	send_bytes(&h, peer, SPAN("\1"));
	settle(&h);

	ck_assert_uint_eq(requests_deadline(&h.q),
	    now_of(&h).boot_ms + REQUEST_MS);
	setup_end(&h);
}
END_TEST

START_TEST(too_many_that_are_silent_lose_their_oldest)
{
	struct setup h;
	setup_make(&h);
	h.q.busy_max = 3;
	for (int i = 0; i < 5; i++) {
		(void)come(&h);
		settle(&h);
	}

	for (size_t i = 0; i < 5; i++)
		ck_assert_int_eq(answer(&h, i)->closed, i < 2);
	ck_assert_uint_eq(h.s.connections.busy.count, 3);
	setup_end(&h);
}
END_TEST

/* No descriptor can be opened from here on. */
static void
exhaust_descriptors(void)
{
	int next = dup(0);
	struct rlimit limit = { .rlim_cur = (rlim_t)next, .rlim_max = 4096 };

	ck_assert_int_ge(next, 0);
	close(next);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
allow_descriptors(void)
{
	const struct rlimit limit = { .rlim_cur = 1024, .rlim_max = 4096 };

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(who_knocks_gets_the_descriptor_of_who_is_silent)
{
	struct setup h;
	setup_make(&h);
	size_t idle = come(&h);
	send_request(&h, idle, &options_kept);
	settle(&h);
	size_t peer = come(&h);
	send_request(&h, peer, &options_kept);
	exhaust_descriptors();

	settle(&h);

	allow_descriptors();
	ck_assert_str_eq(statuses(&h, peer), "204");
	ck_assert(answer(&h, idle)->closed);
	ck_assert_uint_eq(h.q.rest_until_ms, 0);
	setup_end(&h);
}
END_TEST

START_TEST(accepting_rests_while_there_is_no_descriptor)
{
	struct setup h;
	setup_make(&h);
	size_t stream = come(&h);
	send_request(&h, stream, &get_stream);
	settle(&h);
	size_t peer = come(&h);
	send_request(&h, peer, &options_kept);
	exhaust_descriptors();

	settle(&h);
	ck_assert_uint_eq(requests_deadline(&h.q),
	    now_of(&h).boot_ms + REST_MS);
	allow_descriptors();
	settle(&h);
	ck_assert_str_eq(statuses(&h, peer), "");
	h.ms += REST_MS;
	/* epoll reports it from the next turn on. */
	settle(&h);
	settle(&h);

	ck_assert_str_eq(statuses(&h, peer), "204");
	ck_assert(!answer(&h, stream)->closed);
	ck_assert_uint_eq(requests_deadline(&h.q), UINT64_MAX);
	setup_end(&h);
}
END_TEST

START_TEST(socket_that_is_not_listened_to_brings_nothing)
{
	struct setup h;
	setup_make(&h);
	requests_stop_listening(&h.q);
	(void)come(&h);

	ck_assert_int_eq(turn(&h), 0);

	ck_assert_uint_eq(h.s.connections.busy.count, 0);
	setup_end(&h);
}
END_TEST

/* ---- Waiting for the arena's lock ---- */

static void
try_lock_again(struct setup *h)
{
	h->ms += LOCK_TRY_MS;
	settle(h);
}

/* Another handle stands for another process. */
static void
hold_lock(struct setup *h, struct store *other)
{
	fixture_open(other, h->w.store.arena.path);
	ck_assert_int_eq(arena_lock(&other->arena), 0);
}

static void
free_lock(struct store *other)
{
	arena_unlock(&other->arena);
	store_close(other);
}

START_TEST(what_needs_no_lock_does_not_wait_for_it)
{
	struct setup h;
	struct store other;
	setup_make(&h);
	hold_lock(&h, &other);
	size_t post = come(&h);
	size_t options = come(&h);
	size_t health = come(&h);
	send_request(&h, post, &post_kept);
	send_request(&h, options, &options_kept);
	send_request(&h, health, &get_health);

	settle(&h);

	ck_assert_str_eq(statuses(&h, options), "204");
	ck_assert_str_eq(statuses(&h, post), "");
	ck_assert_str_eq(statuses(&h, health), "");
	ck_assert_uint_eq(h.s.connections.waiting.count, 2);
	ck_assert_uint_eq(requests_deadline(&h.q),
	    now_of(&h).boot_ms + LOCK_TRY_MS);
	free_lock(&other);
	setup_end(&h);
}
END_TEST

START_TEST(post_waits_and_is_answered_when_the_lock_is_free)
{
	struct setup h;
	struct store other;
	setup_make(&h);
	hold_lock(&h, &other);
	size_t peer = come(&h);
	send_request(&h, peer, &post_kept);
	settle(&h);
	for (int i = 0; i < 10; i++)
		try_lock_again(&h);
	ck_assert_str_eq(statuses(&h, peer), "");
	free_lock(&other);

	try_lock_again(&h);

	ck_assert_str_eq(statuses(&h, peer), "200");
	ck_assert_uint_eq(ends(&h, peer), 1);
	ck_assert_uint_eq(stored(&h), 1);
	ck_assert_uint_eq(requests_deadline(&h.q), UINT64_MAX);
	/* And the connection goes on. */
	send_request(&h, peer, &options_kept);
	settle(&h);
	ck_assert_str_eq(statuses(&h, peer), "200 204");
	setup_end(&h);
}
END_TEST

START_TEST(streams_and_status_wait_as_well)
{
	static const struct server_request asked[] = {
		{ "GET", "/e", "channel=a", NULL, "subscribe", NULL, NULL,
		    false },
		{ "GET", "/e/status", NULL, "text/event-stream", "status", NULL,
		    NULL, false },
		{ "GET", "/e/status", NULL, NULL, "status", NULL, NULL, false },
		{ "GET", "/e/metrics", NULL, NULL, "status", NULL, NULL,
		    false },
	};
	struct setup h;
	struct store other;
	setup_make(&h);
	hold_lock(&h, &other);
	for (size_t i = 0; i < UNIT_COUNT(asked); i++)
		send_request(&h, come(&h), &asked[i]);
	settle(&h);
	ck_assert_uint_eq(h.s.connections.waiting.count, UNIT_COUNT(asked));
	try_lock_again(&h);
	for (size_t i = 0; i < UNIT_COUNT(asked); i++)
		ck_assert_str_eq(statuses(&h, i), "");
	free_lock(&other);

	try_lock_again(&h);

	for (size_t i = 0; i < UNIT_COUNT(asked); i++) {
		ck_assert_str_eq(statuses(&h, i), "200");
		ck_assert_uint_eq(ends(&h, i), i < 2 ? 0 : 1);
	}
	ck_assert_uint_eq(h.s.streams.count, 2);
	setup_end(&h);
}
END_TEST

START_TEST(stream_that_has_waited_in_vain_is_refused_politely)
{
	struct setup h;
	struct store other;
	setup_make(&h);
	hold_lock(&h, &other);
	size_t first = come(&h);
	send_request(&h, first, &get_stream);
	settle(&h);
	h.ms = LOCK_WAIT_MS + LOCK_TRY_MS;

	settle(&h);

	/* Who comes while all fail at once, too. */
	size_t second = come(&h);
	send_request(&h, second, &get_stream);
	settle(&h);
	for (size_t i = first; i <= second; i++) {
		ck_assert_str_eq(statuses(&h, i), "200");
		ck_assert(server_has(answer(&h, i), "\nevent: peal:busy\n"));
		ck_assert(server_has(answer(&h, i), "\nid: "));
		ck_assert_uint_eq(ends(&h, i), 1);
	}
	ck_assert_uint_eq(h.s.streams.count, 0);
	free_lock(&other);
	setup_end(&h);
}
END_TEST

START_TEST(those_who_wait_are_answered_in_order)
{
	enum { POSTS = 5 };
	struct setup h;
	struct store other;
	setup_make(&h);
	hold_lock(&h, &other);
	for (int i = 0; i < POSTS; i++) {
		send_request(&h, come(&h), &post_kept);
		settle(&h);
		h.ms++;
	}
	/* Tries in vain do not change it. */
	for (int i = 0; i < 7; i++)
		try_lock_again(&h);
	struct connection *c = h.s.connections.waiting.first;
	for (size_t i = 0; i < POSTS; i++, c = c->next)
		ck_assert_uint_eq(c->deadline_ms,
		    FIXTURE_NOW.boot_ms + i + LOCK_WAIT_MS);
	free_lock(&other);

	try_lock_again(&h);

	char last[40] = "";
	for (size_t i = 0; i < POSTS; i++) {
		const char *id =
		    strstr(answer(&h, i)->content.ptr, "\"id\":\"");
		ck_assert_ptr_nonnull(id);
		char this[40];
		(void)snprintf(this, sizeof(this), "%.30s", id);
		ck_assert_int_gt(strcmp(this, last), 0);
		(void)strcpy(last, this);
	}
	setup_end(&h);
}
END_TEST

START_TEST(post_that_has_waited_in_vain_fails_and_stores_nothing)
{
	struct setup h;
	struct store other;
	setup_make(&h);
	hold_lock(&h, &other);
	size_t first = come(&h);
	send_request(&h, first, &post_kept);
	settle(&h);
	h.ms = 1000;
	size_t second = come(&h);
	send_request(&h, second, &post_kept);
	settle(&h);
	h.ms = LOCK_WAIT_MS - 1;
	settle(&h);
	ck_assert_str_eq(statuses(&h, first), "");

	h.ms = LOCK_WAIT_MS + LOCK_TRY_MS;
	settle(&h);

	/* The others fail with it, and who comes now, but not who comes later. */
	ck_assert_str_eq(statuses(&h, first), "503");
	ck_assert_str_eq(statuses(&h, second), "503");
	size_t third = come(&h);
	send_request(&h, third, &post_kept);
	settle(&h);
	ck_assert_str_eq(statuses(&h, third), "503");
	h.ms += LOCK_REFUSE_MS;
	size_t fourth = come(&h);
	send_request(&h, fourth, &post_kept);
	settle(&h);
	ck_assert_str_eq(statuses(&h, fourth), "");
	free_lock(&other);
	ck_assert_uint_eq(stored(&h), 0);
	try_lock_again(&h);
	ck_assert_str_eq(statuses(&h, fourth), "200");
	/* Kept, all of them. */
	send_request(&h, first, &post_kept);
	settle(&h);
	ck_assert_str_eq(statuses(&h, first), "503 200");
	setup_end(&h);
}
END_TEST

START_TEST(who_leaves_while_it_waits_is_forgotten)
{
	struct setup h;
	struct store other;
	setup_make(&h);
	hold_lock(&h, &other);
	size_t peer = come(&h);
	send_request(&h, peer, &post_kept);
	settle(&h);
	close(h.s.peers[peer]);
	h.s.peers[peer] = -1;

	settle(&h);
	ck_assert_uint_eq(h.s.connections.waiting.count, 0);
	free_lock(&other);
	try_lock_again(&h);

	ck_assert_uint_eq(stored(&h), 0);
	setup_end(&h);
}
END_TEST

START_TEST(what_comes_behind_a_request_that_waits_is_answered_too)
{
	struct buf records = { 0 };
	server_put_request(&records, &post_kept);
	size_t first_len = records.len;
	server_put_request(&records, &options_kept);

	for (size_t cut = first_len; cut <= records.len; cut++) {
		struct setup h;
		struct store other;
		setup_make(&h);
		hold_lock(&h, &other);
		size_t peer = come(&h);
		send_bytes(&h, peer, (struct span){ records.ptr, cut });
		settle(&h);
		ck_assert_uint_eq(h.s.connections.waiting.count, 1);
		free_lock(&other);
		try_lock_again(&h);
		ck_assert_uint_ge(ends(&h, peer), 1);
		send_bytes(&h, peer,
		    (struct span){ records.ptr + cut, records.len - cut });

		settle(&h);

		ck_assert_str_eq(statuses(&h, peer), "200 204");
		ck_assert_uint_eq(ends(&h, peer), 2);
		setup_end(&h);
	}
	buf_fini(&records);
}
END_TEST

START_TEST(what_comes_while_a_request_waits_is_answered_too)
{
	struct setup h;
	struct store other;
	setup_make(&h);
	hold_lock(&h, &other);
	size_t peer = come(&h);
	send_request(&h, peer, &post_kept);
	settle(&h);
	send_request(&h, peer, &options_kept);
	/* It does not make the loop spin, nor is it looked at. */
	settle(&h);
	ck_assert_str_eq(statuses(&h, peer), "");
	free_lock(&other);

	try_lock_again(&h);
	settle(&h);

	ck_assert_str_eq(statuses(&h, peer), "200 204");
	setup_end(&h);
}
END_TEST

FIXTURE_MAIN("requests", request_that_is_whole_is_answered_in_the_turn_it_comes,
    request_may_come_byte_by_byte,
    requests_on_a_kept_connection_may_be_cut_anywhere,
    long_body_is_read_to_its_end,
    answers_to_a_peer_that_reads_late_come_in_order, health_needs_no_role,
    worker_that_stops_or_has_lost_its_arena_is_not_healthy,
    body_that_nobody_wants_is_refused_before_it_is_complete,
    refused_connection_that_is_not_kept_closes_behind_the_body,
    request_is_ended_once_though_it_is_aborted_later,
    stream_that_is_aborted_in_the_same_read_does_not_begin,
    stream_is_joined_and_may_be_aborted, unsound_connection_is_closed,
    second_request_is_refused_and_the_stream_goes_on,
    second_request_in_the_same_read_is_refused_too,
    connection_is_kept_with_a_record_that_came_in_part,
    stopping_worker_keeps_nothing_and_refuses_streams,
    request_that_does_not_become_whole_is_closed_at_its_deadline,
    kept_connection_has_no_deadline_until_its_next_request_begins,
    too_many_that_are_silent_lose_their_oldest,
    who_knocks_gets_the_descriptor_of_who_is_silent,
    accepting_rests_while_there_is_no_descriptor,
    socket_that_is_not_listened_to_brings_nothing,
    what_needs_no_lock_does_not_wait_for_it,
    post_waits_and_is_answered_when_the_lock_is_free,
    streams_and_status_wait_as_well,
    stream_that_has_waited_in_vain_is_refused_politely,
    those_who_wait_are_answered_in_order,
    post_that_has_waited_in_vain_fails_and_stores_nothing,
    who_leaves_while_it_waits_is_forgotten,
    what_comes_behind_a_request_that_waits_is_answered_too,
    what_comes_while_a_request_waits_is_answered_too)
