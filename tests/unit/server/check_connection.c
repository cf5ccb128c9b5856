#include "server/connection.h"

#include <fcntl.h>
#include <netinet/in.h>

#include "server_fixture.h"

#define LONG_LEN 700000

struct setup {
	struct fixture_worker w;
	struct server s;
};

static void
setup_make(struct setup *h)
{
	char path[FIXTURE_PATH];

	fixture_path(path);
	fixture_join(&h->w, path);
	server_make(&h->s, &h->w, 10);
}

static void
setup_end(struct setup *h)
{
	server_end(&h->s);
	fixture_leave(&h->w);
}

/* Bytes of which each stretch differs from the others. */
static struct span
long_bytes(void)
{
	static char bytes[LONG_LEN];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + (i / 7 + i / 1000) % 26);
	return (struct span){ bytes, sizeof(bytes) };
}

/* Whether the worker has closed its end, and the socket is empty. */
static bool
is_at_end(int peer)
{
	char byte;

	return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool
is_watched(const struct server *s, const struct connection *c, uint32_t events)
{
	struct epoll_event event;

	return c->watched == events &&
	    epoll_wait(s->epoll_fd, &event, 1, 0) == 1 && event.data.ptr == c &&
	    (event.events & events) != 0;
}

/* ---- States and their lists ---- */

struct counts {
	enum connection_state state;
	uint32_t busy;
	uint32_t waiting;
	uint32_t idle;
	uint32_t closed;
};

static const struct counts states[] = {
	{ CONNECTION_READING, 1, 0, 0, 0 },
	{ CONNECTION_HANDLING, 0, 0, 0, 0 },
	{ CONNECTION_WAITING, 0, 1, 0, 0 },
	{ CONNECTION_REPLYING, 1, 0, 0, 0 },
	{ CONNECTION_STREAMING, 0, 0, 0, 0 },
	{ CONNECTION_BLOCKED, 0, 0, 0, 0 },
	{ CONNECTION_IDLE, 0, 0, 1, 0 },
	{ CONNECTION_CLOSED, 0, 0, 0, 1 },
};

static void
assert_counts(const struct connections *all, const struct counts *want)
{
	ck_assert_uint_eq(all->busy.count, want->busy);
	ck_assert_uint_eq(all->waiting.count, want->waiting);
	ck_assert_uint_eq(all->idle.count, want->idle);
	ck_assert_uint_eq(all->closed.count, want->closed);
}

START_TEST(state_stands_in_its_list_and_in_no_other)
{
	struct setup h;
	setup_make(&h);

	for (size_t from = 0; from < UNIT_COUNT(states); from++) {
		for (size_t to = 0; to < UNIT_COUNT(states); to++) {
			struct connection *c = server_adopt(&h.s, 1);
			int peer = h.s.peers[--h.s.peer_count];
			connection_move(&h.s.connections, c, states[from].state,
			    2);
			assert_counts(&h.s.connections, &states[from]);
			connection_move(&h.s.connections, c, states[to].state,
			    3);
			/* Nothing moves from CLOSED. */
			assert_counts(&h.s.connections,
			    states[from].state == CONNECTION_CLOSED
				? &states[from]
				: &states[to]);
			connection_close(&h.s.connections, c);
			connections_reap(&h.s.connections);
			assert_counts(&h.s.connections, &states[1]);
			ck_assert(is_at_end(peer));
			close(peer);
		}
	}
	setup_end(&h);
}
END_TEST

START_TEST(busy_connections_stand_in_the_order_of_their_deadlines)
{
	struct setup h;
	struct connection *c[4];
	struct connections *all = &h.s.connections;
	setup_make(&h);
	for (uint64_t i = 0; i < 4; i++)
		c[i] = server_adopt(&h.s, i + 1);

	/* 0 is answered and kept, and comes again; 1 gets a long answer. */
	connection_move(all, c[0], CONNECTION_HANDLING, 0);
	connection_move(all, c[0], CONNECTION_IDLE, 0);
	connection_move(all, c[1], CONNECTION_HANDLING, 0);
	connection_move(all, c[1], CONNECTION_REPLYING, 5);
	connection_move(all, c[0], CONNECTION_READING, 6);
	connection_close(all, c[3]);

	const struct connection *want[] = { c[2], c[1], c[0] };
	const struct connection *at = all->busy.first;
	uint64_t before = 0;
	for (size_t i = 0; i < UNIT_COUNT(want); i++, at = at->next) {
		ck_assert_ptr_eq(at, want[i]);
		ck_assert_uint_gt(at->deadline_ms, before);
		before = at->deadline_ms;
	}
	ck_assert_ptr_null(at);
	ck_assert_ptr_eq(all->busy.last, c[0]);
	setup_end(&h);
}
END_TEST

START_TEST(closed_connection_stays_until_it_is_reaped)
{
	struct setup h;
	setup_make(&h);
	struct connection *c = server_adopt(&h.s, 1);

	connection_close(&h.s.connections, c);
	connection_close(&h.s.connections, c);

	ck_assert_int_eq(c->state, CONNECTION_CLOSED);
	ck_assert_uint_eq(h.s.connections.closed.count, 1);
	ck_assert(!is_at_end(h.s.peers[0]));
	connections_reap(&h.s.connections);
	ck_assert(is_at_end(h.s.peers[0]));
	ck_assert_uint_eq(h.s.connections.closed.count, 0);
	setup_end(&h);
}
END_TEST

START_TEST(connection_that_epoll_refuses_is_closed)
{
	struct setup h;
	setup_make(&h);
	struct connection *c = server_adopt(&h.s, 1);
	h.s.connections.epoll_fd = -1;

	ck_assert(!connection_watch(&h.s.connections, c, EPOLLIN));

	ck_assert_int_eq(c->state, CONNECTION_CLOSED);
	setup_end(&h);
}
END_TEST

/* ---- Reading ---- */

START_TEST(bytes_are_received_at_most_once)
{
	static const struct {
		size_t sent;
		int rc;
		size_t received;
	} table[] = {
		{ 0, -EAGAIN, 0 },
		{ 1, 0, 1 },
		{ 16383, 0, 16383 },
		{ 16384, 1, 16384 },
		{ 40000, 1, 16384 },
	};
	struct setup h;
	setup_make(&h);

	for (size_t i = 0; i < UNIT_COUNT(table); i++) {
		struct connection *c = server_adopt(&h.s, 1);
		ck_assert_int_eq(send(h.s.peers[i], long_bytes().ptr,
				     table[i].sent, 0),
		    (ssize_t)table[i].sent);

		ck_assert_int_eq(connection_receive(&h.s.connections, c),
		    table[i].rc);

		struct span want = { long_bytes().ptr, table[i].received };
		ck_assert(span_equal(buf_span(&c->request->bytes), want));
	}
	setup_end(&h);
}
END_TEST

START_TEST(end_of_a_peer_is_an_error)
{
	struct setup h;
	setup_make(&h);
	struct connection *c = server_adopt(&h.s, 1);
	ck_assert_int_eq(shutdown(h.s.peers[0], SHUT_WR), 0);

	ck_assert_int_eq(connection_receive(&h.s.connections, c), -EPIPE);

	setup_end(&h);
}
END_TEST

/* ---- Replies ---- */

START_TEST(reply_that_fits_is_written_at_once)
{
	static const size_t lengths[] = { 0, 1, 8000, 30000, 57000 };
	struct setup h;
	setup_make(&h);

	for (size_t i = 0; i < UNIT_COUNT(lengths); i++) {
		struct server_answer answer = { 0 };
		struct connection *c = server_handling(&h.s);
		struct span body = { long_bytes().ptr, lengths[i] };

		bool whole = connection_reply(&h.s.connections, c,
		    SPAN("Status: 200\r\n\r\n"), body, 1);

		ck_assert(whole);
		ck_assert_int_eq(c->state, CONNECTION_HANDLING);
		server_take(h.s.peers[i], &answer);
		ck_assert_uint_eq(answer.records, 1);
		ck_assert_uint_eq(answer.ends, 1);
		ck_assert_uint_eq(answer.id, 1);
		ck_assert_uint_eq(answer.status, 0);
		struct span got = buf_span(&answer.content);
		unit_assert_span(((struct span){ got.ptr, 15 }),
		    "Status: 200\r\n\r\n");
		got.ptr += 15;
		got.len -= 15;
		ck_assert(span_equal(got, body));
		ck_assert(!connection_finish(&h.s.connections, c));
		server_forget(&answer);
	}
	setup_end(&h);
}
END_TEST

static void
reply_long(struct setup *h, struct connection *c)
{
	bool whole = connection_reply(&h->s.connections, c, SPAN("head"),
	    long_bytes(), 7);

	ck_assert(!whole);
	ck_assert_int_eq(c->state, CONNECTION_REPLYING);
	ck_assert_uint_eq(c->deadline_ms, 7);
	ck_assert_ptr_eq(h->s.connections.busy.first, c);
	ck_assert_uint_eq(c->watched, EPOLLOUT);
}

START_TEST(reply_that_does_not_fit_goes_on_as_the_peer_reads)
{
	struct server_answer answer = { 0 };
	struct setup h;
	bool whole = false;
	setup_make(&h);
	struct connection *c = server_handling(&h.s);
	reply_long(&h, c);

	for (int i = 0; i < 1000 && !whole; i++) {
		ck_assert_uint_eq(answer.ends, 0);
		server_take(h.s.peers[0], &answer);
		ck_assert(is_watched(&h.s, c, EPOLLOUT));
		whole = connection_reply_more(&h.s.connections, c);
	}
	server_take(h.s.peers[0], &answer);

	ck_assert(whole);
	ck_assert_ptr_null(c->rest);
	ck_assert_uint_eq(answer.ends, 1);
	ck_assert_uint_eq(answer.content.len, 4 + LONG_LEN);
	ck_assert_int_eq(memcmp(answer.content.ptr, "head", 4), 0);
	ck_assert_int_eq(memcmp(answer.content.ptr + 4, long_bytes().ptr,
			     LONG_LEN),
	    0);
	server_forget(&answer);
	setup_end(&h);
}
END_TEST

START_TEST(reply_to_a_peer_that_does_not_read_stands_still)
{
	struct setup h;
	setup_make(&h);
	struct connection *c = server_handling(&h.s);
	reply_long(&h, c);

	/* As it would at an event that comes without need. */
	for (int i = 0; i < 10; i++)
		ck_assert(!connection_reply_more(&h.s.connections, c));

	ck_assert_int_eq(c->state, CONNECTION_REPLYING);
	setup_end(&h);
}
END_TEST

START_TEST(reply_to_a_peer_that_is_gone_closes)
{
	struct setup h;
	setup_make(&h);
	struct connection *c = server_handling(&h.s);
	struct connection *d = server_handling(&h.s);
	reply_long(&h, d);
	close(h.s.peers[0]);
	close(h.s.peers[1]);
	h.s.peer_count = 0;

	ck_assert(!connection_reply(&h.s.connections, c, SPAN("head"),
	    SPAN("body"), 1));
	ck_assert(!connection_reply_more(&h.s.connections, d));

	ck_assert_int_eq(c->state, CONNECTION_CLOSED);
	ck_assert_int_eq(d->state, CONNECTION_CLOSED);
	ck_assert_ptr_null(d->rest);
	setup_end(&h);
}
END_TEST

/* ---- The end of a request ---- */

START_TEST(connection_is_kept_as_the_web_server_says)
{
	struct setup h;
	setup_make(&h);
	struct connection *kept = server_handling(&h.s);
	struct connection *other = server_handling(&h.s);
	kept->keep = true;
	kept->is_answered = true;

	ck_assert(!connection_finish(&h.s.connections, kept));
	ck_assert(!connection_finish(&h.s.connections, other));

	ck_assert_int_eq(kept->state, CONNECTION_IDLE);
	ck_assert(!kept->is_answered);
	ck_assert_int_eq(send(h.s.peers[0], "x", 1, 0), 1);
	ck_assert(is_watched(&h.s, kept, EPOLLIN));
	ck_assert_int_eq(other->state, CONNECTION_CLOSED);
	ck_assert(!connection_finish(&h.s.connections, other));
	setup_end(&h);
}
END_TEST

START_TEST(bytes_behind_a_request_wait_to_be_looked_at)
{
	struct setup h;
	setup_make(&h);
	struct connection *c = server_handling(&h.s);
	c->keep = true;
	ck_assert_int_eq(send(h.s.peers[0], "behind", 6, 0), 6);
	ck_assert_int_eq(connection_receive(&h.s.connections, c), 0);

	ck_assert(connection_finish(&h.s.connections, c));

	ck_assert_int_eq(c->state, CONNECTION_IDLE);
	unit_assert_span(buf_span(&c->request->bytes), "behind");
	setup_end(&h);
}
END_TEST

START_TEST(request_that_is_given_back_is_the_next_ones)
{
	const struct server_request r = { .method = "GET", .uri = "/e" };
	struct buf records = { 0 };
	struct setup h;
	setup_make(&h);
	struct connection *c = server_adopt(&h.s, 1);
	struct connection *d = server_adopt(&h.s, 1);
	server_put_request(&records, &r);
	ck_assert_int_eq(write(h.s.peers[0], records.ptr, records.len),
	    (ssize_t)records.len);
	ck_assert_int_eq(connection_receive(&h.s.connections, c), 0);
	struct fcgi_record_request *request = c->request;
	ck_assert_int_eq((int)fcgi_record_look(request), FCGI_RECORD_VARIABLES);
	ck_assert_int_eq((int)fcgi_record_look(request), FCGI_RECORD_WHOLE);
	request->discard = true;

	ck_assert(!connection_finish(&h.s.connections, c));
	ck_assert_int_eq(connection_receive(&h.s.connections, d), -EAGAIN);

	ck_assert_ptr_null(c->request);
	ck_assert_ptr_eq(d->request, request);
	ck_assert_uint_eq(request->id, 0);
	ck_assert_uint_eq(request->bytes.len, 0);
	ck_assert(!request->discard);
	ck_assert_ptr_null(fcgi_record_variable(request, "REQUEST_METHOD"));
	buf_fini(&records);
	setup_end(&h);
}
END_TEST

/* ---- Room ---- */

START_TEST(room_is_made_of_the_oldest_idle_and_then_the_oldest_busy)
{
	/* In which order they go; the others have something to say. */
	static const size_t order[] = { 3, 1, 2, 0 };
	struct setup h;
	struct connection *c[7];
	struct connections *all = &h.s.connections;
	setup_make(&h);
	for (uint64_t i = 0; i < UNIT_COUNT(c); i++)
		c[i] = server_adopt(&h.s, i + 1);
	connection_move(all, c[3], CONNECTION_IDLE, 0);
	connection_move(all, c[1], CONNECTION_IDLE, 0);
	connection_move(all, c[0], CONNECTION_REPLYING, 10);
	connection_move(all, c[4], CONNECTION_WAITING, 10);
	connection_move(all, c[5], CONNECTION_STREAMING, 0);
	connection_move(all, c[6], CONNECTION_HANDLING, 0);

	for (size_t i = 0; i < UNIT_COUNT(order); i++) {
		int fd = c[order[i]]->fd;
		ck_assert(connections_make_room(all));
		/* At once, and its number is the next one's. */
		ck_assert(is_at_end(h.s.peers[order[i]]));
		ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
		ck_assert_int_eq(c[order[i]]->state, CONNECTION_CLOSED);
	}
	ck_assert(!connections_make_room(all));

	for (size_t i = 4; i < UNIT_COUNT(c); i++)
		ck_assert_int_ne(c[i]->state, CONNECTION_CLOSED);
	/* Which closes no descriptor that has become another's. */
	int fd = open("/dev/null", O_RDONLY);
	connections_reap(all);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	close(fd);
	connection_close(all, c[5]);
	connection_close(all, c[6]);
	setup_end(&h);
}
END_TEST

/* ---- Writes ---- */

/* Both ends of a TCP connection, as server_pair() has them of a unix socket. */
static void
tcp_pair(struct server *s, int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval limit = { .tv_sec = 1 };
	socklen_t len = sizeof(address);
	int listen_fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(listen_fd, 1), 0);
	ck_assert_int_eq(getsockname(listen_fd, (struct sockaddr *)&address,
			     &len),
	    0);
	pair[1] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(pair[1], (struct sockaddr *)&address, len), 0);
	pair[0] = accept(listen_fd, NULL, NULL);
	ck_assert_int_ge(pair[0], 0);
	connection_set_up(pair[0], AF_INET);
	ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit,
			     sizeof(limit)),
	    0);
	close(listen_fd);
	s->peers[s->peer_count++] = pair[1];
}

static void
read_back(int peer, size_t len)
{
	static char bytes[65536];

	while (len > 0) {
		ssize_t got = recv(peer, bytes,
		    len < sizeof(bytes) ? len : sizeof(bytes), 0);
		ck_assert_int_gt(got, 0);
		len -= (size_t)got;
	}
}

/*
 * Write pieces until the socket takes no more.  Returns the bytes that must have
 * arrived, with the headers of their records.
 */
static size_t
fill(struct connections *all, struct connection *c, size_t piece)
{
	struct span bytes = { long_bytes().ptr, piece };
	size_t total = 0;
	bool whole = true;

	while (whole) {
		size_t done = connection_write(all, c, bytes, false, &whole);
		/* A write that blocked has failed. */
		ck_assert_int_ne(c->state, CONNECTION_CLOSED);
		ck_assert(whole == (done == piece));
		for (size_t at = 0; at < done; at += FCGI_WRITE_MAX)
			total += FCGI_RECORD_HEADER;
		total += done;
		ck_assert_uint_lt(total, 100000000);
	}
	return total;
}

START_TEST(write_to_a_full_socket_does_not_block)
{
	static const size_t pieces[] = { 1, 100, 1000, 8184, 57344, 200000 };
	struct setup h;
	setup_make(&h);

	for (size_t i = 0; i < 2 * UNIT_COUNT(pieces); i++) {
		int pair[2];
		if (i % 2 == 0)
			server_pair(&h.s, pair);
		else
			tcp_pair(&h.s, pair);
		struct connection *c =
		    connection_adopt(&h.s.connections, pair[0], 1);
		c->id = 1;

		size_t total = fill(&h.s.connections, c, pieces[i / 2]);

		ck_assert_uint_gt(total, 0);
		bool whole;
		ck_assert_uint_eq(connection_write(&h.s.connections, c,
				      SPAN("x"), true, &whole),
		    0);
		ck_assert(!whole);
		read_back(pair[1], total);
		ck_assert(recv(pair[1], pair, 1, MSG_DONTWAIT) < 0);
	}
	setup_end(&h);
}
END_TEST

START_TEST(socket_that_was_read_takes_more)
{
	struct setup h;
	setup_make(&h);
	struct connection *c = server_handling(&h.s);

	for (int i = 0; i < 5; i++) {
		size_t total = fill(&h.s.connections, c, 1000);
		ck_assert_uint_gt(total, 30000);
		read_back(h.s.peers[0], total);
	}

	connection_close(&h.s.connections, c);
	setup_end(&h);
}
END_TEST

START_TEST(end_of_the_request_goes_with_the_last_byte)
{
	struct setup h;
	bool whole;
	setup_make(&h);
	struct connection *c = server_handling(&h.s);

	for (int i = 0; i < 3; i++) {
		struct server_answer answer = { 0 };
		ck_assert_uint_eq(connection_write(&h.s.connections, c,
				      SPAN("bytes"), i == 2, &whole),
		    5);
		ck_assert(whole);
		server_take(h.s.peers[0], &answer);
		unit_assert_span(buf_span(&answer.content), "bytes");
		ck_assert_uint_eq(answer.ends, i == 2 ? 1 : 0);
		server_forget(&answer);
	}

	connection_close(&h.s.connections, c);
	setup_end(&h);
}
END_TEST

FIXTURE_MAIN("connection", state_stands_in_its_list_and_in_no_other,
    busy_connections_stand_in_the_order_of_their_deadlines,
    closed_connection_stays_until_it_is_reaped,
    connection_that_epoll_refuses_is_closed, bytes_are_received_at_most_once,
    end_of_a_peer_is_an_error, reply_that_fits_is_written_at_once,
    reply_that_does_not_fit_goes_on_as_the_peer_reads,
    reply_to_a_peer_that_does_not_read_stands_still,
    reply_to_a_peer_that_is_gone_closes,
    connection_is_kept_as_the_web_server_says,
    bytes_behind_a_request_wait_to_be_looked_at,
    request_that_is_given_back_is_the_next_ones,
    room_is_made_of_the_oldest_idle_and_then_the_oldest_busy,
    write_to_a_full_socket_does_not_block, socket_that_was_read_takes_more,
    end_of_the_request_goes_with_the_last_byte)
