/*
 * response: bytes in any pieces are the same response, and a body comes out of its
 * chunks as it went in.
 *
 * The input is a byte of flags, eight bytes that say into what pieces the rest is
 * cut, and the rest.
 *   - As it is, it is the bytes of a connection: read at once, in these pieces,
 *     and byte by byte, it gives the same.  Pieces lie where they should, and a
 *     body is no longer than what it came in.
 *   - It is also a body, sent in chunks of these sizes, behind an interim
 *     response, with extensions and a trailer: it comes out whole, and what
 *     follows the response is left.
 */
#include "fuzz.h"
#include "wire/http_response.h"

const char fuzz_name[] = "response";

#define HEAD 9
/* Longer ones show nothing more, and take time. */
#define LONGEST 128
#define NO_BODY 1
#define EXTENSIONS 2
#define BARE_LF 4
#define TRAILER 8
#define CAPITALS 16

struct story {
	enum http_response_state before; /* the connection ended */
	enum http_response_state state;
	int status;
	bool keep;
	size_t rest; /* bytes behind the response */
	struct buf head;
	struct buf body;
};

static void
story_fini(struct story *s)
{
	buf_fini(&s->head);
	buf_fini(&s->body);
}

/* Returns what of a piece has not been taken. */
static size_t
take(struct http_response *r, struct span piece, struct story *s)
{
	struct span rest = piece;
	struct span part;
	bool more;

	do {
		size_t left = rest.len;
		more = http_response_read(r, &rest, &part);
		FUZZ_REQUIRE(fuzz_within(rest, piece));
		FUZZ_REQUIRE(fuzz_within(part, piece));
		FUZZ_REQUIRE(more == (part.len > 0));
		FUZZ_REQUIRE(rest.len + part.len <= left);
		buf_put(&s->body, part);
	} while (more);
	FUZZ_REQUIRE(rest.len == 0 || r->state == HTTP_RESPONSE_DONE ||
	    r->state == HTTP_RESPONSE_BROKEN);
	return rest.len;
}

static void
read_in_pieces(struct span bytes, const size_t *sizes, size_t count,
    bool no_body, struct story *s)
{
	struct span piece = { NULL, 0 };
	struct http_response r;

	http_response_init(&r, no_body);
	for (size_t i = 0; bytes.len > 0; i++) {
		size_t len = 1 + sizes[i % count];
		if (len > bytes.len)
			len = bytes.len;
		fuzz_next_piece(&piece, (struct span){ bytes.ptr, len });
		s->rest += take(&r, piece, s);
		bytes.ptr += len;
		bytes.len -= len;
	}
	free((char *)piece.ptr);
	s->before = r.state;
	http_response_end(&r);
	s->state = r.state;
	s->status = r.status;
	s->keep = r.keep;
	buf_put(&s->head, buf_span(&r.head));
	FUZZ_REQUIRE(
	    s->state == HTTP_RESPONSE_DONE || s->state == HTTP_RESPONSE_BROKEN);
	http_response_fini(&r);
}

static void
require_same(struct span bytes, const size_t *sizes, size_t count, bool no_body,
    const struct story *want)
{
	struct story s = { 0 };

	read_in_pieces(bytes, sizes, count, no_body, &s);
	FUZZ_REQUIRE(s.before == want->before && s.state == want->state);
	FUZZ_REQUIRE(span_equal(buf_span(&s.body), buf_span(&want->body)));
	if (s.before != HTTP_RESPONSE_BROKEN) {
		FUZZ_REQUIRE(s.status == want->status);
		FUZZ_REQUIRE(s.keep == want->keep && s.rest == want->rest);
		FUZZ_REQUIRE(
		    span_equal(buf_span(&s.head), buf_span(&want->head)));
	}
	story_fini(&s);
}

static void
judge_bytes(struct span bytes, const size_t *sizes, bool no_body)
{
	const size_t whole = bytes.len;
	const size_t single = 0;
	struct story want = { 0 };

	read_in_pieces(bytes, &whole, 1, no_body, &want);
	FUZZ_REQUIRE(want.body.len + want.rest <= bytes.len);
	FUZZ_REQUIRE(!no_body || want.body.len == 0);
	require_same(bytes, &single, 1, no_body, &want);
	require_same(bytes, sizes, HEAD - 1, no_body, &want);
	story_fini(&want);
}

static void
put_chunk(struct buf *out, struct span chunk, unsigned flags)
{
	char size[20];
	int len = snprintf(size, sizeof(size),
	    (flags & CAPITALS) != 0 ? "%04zX" : "%zx", chunk.len);

	buf_put(out, (struct span){ size, (size_t)len });
	if ((flags & EXTENSIONS) != 0)
		buf_put(out, SPAN(" ;a=b; 5=\"6\""));
	buf_put(out, (flags & BARE_LF) != 0 ? SPAN("\n") : SPAN("\r\n"));
	buf_put(out, chunk);
	if (chunk.len > 0)
		buf_put(out, SPAN("\r\n"));
}

/* The body in chunks, each a byte longer than its size says. */
static void
put_response(struct buf *out, struct span body, const size_t *sizes,
    unsigned flags)
{
	buf_put(out, SPAN("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"));
	buf_put(out,
	    SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
	for (size_t i = 0; body.len > 0; i++) {
		size_t len = 1 + sizes[i % (HEAD - 1)];
		if (len > body.len)
			len = body.len;
		put_chunk(out, (struct span){ body.ptr, len }, flags);
		body.ptr += len;
		body.len -= len;
	}
	put_chunk(out, (struct span){ NULL, 0 }, flags);
	if ((flags & TRAILER) != 0)
		buf_put(out, SPAN("Server-Timing: a;dur=5\r\nB: c\r\n"));
	buf_put(out, SPAN("\r\nbehind"));
}

static void
judge_chunks(struct span body, const size_t *sizes, unsigned flags)
{
	struct buf bytes = { 0 };
	struct story s = { 0 };

	put_response(&bytes, body, sizes, flags);
	/* Turned around, so that pieces and chunks are not the same. */
	size_t other[HEAD - 1];
	for (size_t i = 0; i < HEAD - 1; i++)
		other[i] = sizes[HEAD - 2 - i] / 2;
	read_in_pieces(buf_span(&bytes), other, HEAD - 1, false, &s);
	FUZZ_REQUIRE(
	    s.before == HTTP_RESPONSE_DONE && s.status == 200 && s.keep);
	FUZZ_REQUIRE(span_equal(buf_span(&s.body), body));
	FUZZ_REQUIRE(s.rest == 6);
	story_fini(&s);
	buf_fini(&bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t sizes[HEAD - 1];

	if (size < HEAD || size > HEAD + LONGEST)
		return 0;
	for (size_t i = 0; i < HEAD - 1; i++)
		sizes[i] = data[i + 1];
	struct span bytes = fuzz_copy(data + HEAD, size - HEAD);
	judge_bytes(bytes, sizes, (data[0] & NO_BODY) != 0);
	judge_chunks(bytes, sizes, data[0]);
	free((char *)bytes.ptr);
	return 0;
}

/* Seeds: responses as web servers send them, and faulty ones. */
bool
fuzz_seed(size_t n, struct buf *out)
{
	const struct span responses[] = {
		SPAN("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n"
		     "5\r\ndata:\r\n4;x=y\r\n 1\n\n\r\n0\r\nA: b\r\n\r\n"),
		SPAN("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP"),
		SPAN("HTTP/1.0 200 OK\r\n\r\ndata: 1\n\n"),
		SPAN("HTTP/1.0 200 OK\nConnection: Keep-Alive\n"
		     "Content-Length: 1\n\nx"),
		SPAN("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n"
		     "Connection: Upgrade, close\r\n\r\n"),
		SPAN("HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n"),
		SPAN("HTTP/1.1 200\r\ncontent-length:0\r\n\r\n"),
		SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx"),
		SPAN("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx"),
		SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "fffffffffffffffff\r\n"),
		SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "1\r\nabc"),
		SPAN("ICY 200 OK\r\n\r\n"),
		SPAN("HTTP/1.1 200 OK\nA: b\n\r\nx"),
	};

	if (n >= sizeof(responses) / sizeof(responses[0]))
		return false;
	buf_put_char(out, (char)(n * 7 % 32));
	for (size_t i = 0; i < HEAD - 1; i++)
		buf_put_char(out, (char)(n + i * 5 % 13));
	buf_put(out, responses[n]);
	return true;
}
