#include "server/stream.h"

#include "server_fixture.h"

#define BOOT_MS FIXTURE_NOW.boot_ms

/* A stream of its own, known to no list. */
struct setup {
	struct fixture_worker w;
	struct server s;
	struct connection *c;
	struct stream stream;
};

static void
setup_make(struct setup *h)
{
	char path[FIXTURE_PATH];

	*h = (struct setup){ 0 };
	fixture_path(path);
	fixture_join(&h->w, path);
	server_make(&h->s, &h->w, 10);
	h->c = server_handling(&h->s);
	h->stream.connection = h->c;
	connection_begin_stream(&h->s.connections, h->c, &h->stream);
}

static void
setup_end(struct setup *h)
{
	connection_close(&h->s.connections, h->c);
	server_end(&h->s);
	fixture_leave(&h->w);
}

/* What has arrived since the last time. */
static void
assert_arrived(struct setup *h, const char *content, unsigned ends)
{
	struct server_answer answer = { 0 };

	server_take(h->s.peers[0], &answer);
	unit_assert_span(buf_span(&answer.content), content);
	ck_assert_uint_eq(answer.ends, ends);
	server_forget(&answer);
}

/* Three events, of ids 10, 20 and 30. */
static struct follow_mark small_marks[] = { { 10, 4 }, { 20, 9 }, { 30, 11 } };
static char small_bytes[] = "one\ntwo2\n3\n";
static const struct follow_segment small = {
	.bytes = small_bytes,
	.len = 11,
	.marks = small_marks,
	.marks_len = 3,
};

START_TEST(segment_is_written_from_the_cursor_on)
{
	static const struct {
		uint64_t cursor;
		size_t events;
		const char *written;
	} table[] = {
		{ 0, 3, "one\ntwo2\n3\n" },
		{ 9, 3, "one\ntwo2\n3\n" },
		{ 10, 2, "two2\n3\n" },
		{ 11, 2, "two2\n3\n" },
		{ 20, 1, "3\n" },
		{ 30, 0, "" },
		{ UINT64_MAX, 0, "" },
	};

	for (size_t i = 0; i < UNIT_COUNT(table); i++) {
		struct setup h;
		setup_make(&h);
		h.stream.cursor = table[i].cursor;

		size_t events =
		    stream_feed(&h.stream, &h.s.connections, &small, BOOT_MS);

		ck_assert_uint_eq(events, table[i].events);
		ck_assert_uint_eq(h.stream.cursor,
		    table[i].events > 0 ? 30 : table[i].cursor);
		ck_assert_uint_eq(h.stream.partial, 0);
		assert_arrived(&h, table[i].written, 0);
		setup_end(&h);
	}
}
END_TEST

START_TEST(event_that_was_cut_goes_on_where_it_was_cut)
{
	struct setup h;
	setup_make(&h);
	h.stream.cursor = 10;
	h.stream.partial = 3;

	ck_assert_uint_eq(stream_feed(&h.stream, &h.s.connections, &small,
			      BOOT_MS),
	    2);

	ck_assert_uint_eq(h.stream.partial, 0);
	assert_arrived(&h, "2\n3\n", 0);
	setup_end(&h);
}
END_TEST

#define EVENTS 40
#define EVENT_LEN 30000

/* More than a socket takes; a segment of those after an event. */
static struct follow_segment
large_after(uint64_t cursor)
{
	static char bytes[EVENTS * EVENT_LEN];
	static struct follow_mark marks[EVENTS];
	struct follow_segment segment = { .bytes = bytes, .marks = marks };

	for (uint64_t id = cursor + 1; id <= EVENTS; id++) {
		for (size_t i = 0; i < EVENT_LEN; i++)
			bytes[segment.len++] =
			    (char)('a' + (id + i / 100) % 26);
		marks[segment.marks_len++] =
		    (struct follow_mark){ id, segment.len };
	}
	return segment;
}

START_TEST(stream_is_blocked_and_goes_on_without_loss)
{
	struct server_answer answer = { 0 };
	struct setup h;
	size_t events = 0;
	unsigned cut = 0;
	setup_make(&h);

	for (int i = 0; i < 1000 && h.stream.cursor < EVENTS; i++) {
		struct follow_segment segment = large_after(h.stream.cursor);
		events += stream_feed(&h.stream, &h.s.connections, &segment,
		    BOOT_MS + (uint64_t)i);
		ck_assert_uint_eq(events, h.stream.cursor);
		server_take(h.s.peers[0], &answer);
		ck_assert_uint_eq(answer.content.len,
		    events * EVENT_LEN + h.stream.partial);
		if (stream_is_ready(&h.stream))
			continue;
		cut += h.stream.partial > 0;
		ck_assert(stream_is_blocked(&h.stream));
		ck_assert_uint_eq(h.c->deadline_ms, BOOT_MS + (uint64_t)i);
		connection_move(&h.s.connections, h.c, CONNECTION_STREAMING, 0);
	}

	struct follow_segment all = large_after(0);
	ck_assert_uint_gt(cut, 0);
	ck_assert_uint_eq(events, EVENTS);
	ck_assert_uint_eq(h.stream.partial, 0);
	ck_assert(span_equal(buf_span(&answer.content),
	    (struct span){ all.bytes, all.len }));
	server_forget(&answer);
	setup_end(&h);
}
END_TEST

START_TEST(blocked_stream_is_not_written_to)
{
	struct setup h;
	setup_make(&h);
	connection_move(&h.s.connections, h.c, CONNECTION_BLOCKED, BOOT_MS);

	ck_assert_uint_eq(stream_feed(&h.stream, &h.s.connections, &small,
			      BOOT_MS + 1),
	    0);
	ck_assert_uint_eq(stream_write(&h.stream, &h.s.connections, SPAN("x"),
			      BOOT_MS + 1),
	    0);

	ck_assert_uint_eq(h.stream.cursor, 0);
	ck_assert_uint_eq(h.stream.partial, 0);
	/* It has been blocked since then. */
	ck_assert_uint_eq(h.c->deadline_ms, BOOT_MS);
	assert_arrived(&h, "", 0);
	setup_end(&h);
}
END_TEST

START_TEST(stream_ends_in_order)
{
	for (int keep = 0; keep < 2; keep++) {
		struct setup h;
		setup_make(&h);
		h.c->keep = keep != 0;

		stream_end(&h.stream, &h.s.connections, SPAN("retry: 1\n\n"));

		assert_arrived(&h, "retry: 1\n\n", 1);
		ck_assert_ptr_null(h.stream.connection);
		ck_assert_ptr_null(h.c->stream);
		ck_assert_int_eq(h.c->state,
		    keep ? CONNECTION_IDLE : CONNECTION_CLOSED);
		/* Once is enough. */
		stream_end(&h.stream, &h.s.connections, SPAN("retry: 1\n\n"));
		assert_arrived(&h, "", 0);
		setup_end(&h);
	}
}
END_TEST

START_TEST(half_an_event_gets_no_trailer)
{
	struct setup h;
	setup_make(&h);
	h.stream.partial = 1;

	stream_end(&h.stream, &h.s.connections, SPAN("retry: 1\n\n"));

	assert_arrived(&h, "", 1);
	setup_end(&h);
}
END_TEST

START_TEST(stream_that_takes_nothing_more_is_merely_closed)
{
	struct server_answer answer = { 0 };
	struct follow_segment segment = large_after(0);
	struct setup h;
	setup_make(&h);
	h.c->keep = true;
	(void)stream_feed(&h.stream, &h.s.connections, &segment, BOOT_MS);
	ck_assert(stream_is_blocked(&h.stream));

	stream_end(&h.stream, &h.s.connections, SPAN("retry: 1\n\n"));

	ck_assert_ptr_null(h.stream.connection);
	ck_assert_int_eq(h.c->state, CONNECTION_CLOSED);
	server_take(h.s.peers[0], &answer);
	ck_assert_uint_eq(answer.ends, 0);
	ck_assert(!server_has(&answer, "retry"));
	server_forget(&answer);
	setup_end(&h);
}
END_TEST

START_TEST(stream_of_a_peer_that_is_gone_leaves_it)
{
	struct setup h;
	setup_make(&h);
	close(h.s.peers[0]);
	h.s.peers[0] = -1;
	/* Until the credit is spent, it goes without a look. */
	size_t events = 0;

	for (int i = 0; i < 100 && h.stream.connection != NULL; i++) {
		h.stream.cursor = 0;
		events +=
		    stream_feed(&h.stream, &h.s.connections, &small, BOOT_MS);
	}

	ck_assert_ptr_null(h.stream.connection);
	ck_assert_int_eq(h.c->state, CONNECTION_CLOSED);
	ck_assert_uint_eq(events, 0);
	ck_assert(!stream_is_ready(&h.stream));
	ck_assert(!stream_is_blocked(&h.stream));
	setup_end(&h);
}
END_TEST

FIXTURE_MAIN("stream", segment_is_written_from_the_cursor_on,
    event_that_was_cut_goes_on_where_it_was_cut,
    stream_is_blocked_and_goes_on_without_loss,
    blocked_stream_is_not_written_to, stream_ends_in_order,
    half_an_event_gets_no_trailer,
    stream_that_takes_nothing_more_is_merely_closed,
    stream_of_a_peer_that_is_gone_leaves_it)
