/*
 * eventsource: whatever arrives, in whatever pieces, a plain reading of the
 * standard's text makes the same events of it.
 *
 * The input is eight bytes that say into what pieces the rest is cut, and the
 * rest: a stream.  It is read at once, in these pieces, byte by byte, and a short
 * one in every two pieces; each piece is overwritten or gone once it
 * has been read.
 */
#include "wire/sse_reader.h"

#include "fuzz.h"
#include "naive.h"

const char fuzz_name[] = "eventsource";

#define HEAD 8
/* Longer ones show nothing more, and take time. */
#define LONGEST 72
/* Longer streams are not cut at every place. */
#define SHORT 16

/* What came of a stream. */
struct story {
	size_t events;
	uint64_t retry_ms;
	struct buf text; /* each event: its parts, led by their lengths */
	struct buf id;
};

static void
story_fini(struct story *s)
{
	buf_fini(&s->text);
	buf_fini(&s->id);
}

static void
put_part(struct buf *out, struct span part)
{
	buf_put_u64(out, part.len);
	buf_put_char(out, ' ');
	buf_put(out, part);
}

static void
naive_got(void *context, struct span topic, struct span data, struct span id)
{
	struct story *s = context;

	s->events++;
	put_part(&s->text, topic);
	put_part(&s->text, data);
	put_part(&s->text, id);
}

static void
got(void *context, const struct sse_reader_event *event)
{
	naive_got(context, event->type, event->data, event->id);
}

static void
read_naively(struct span stream, struct story *s)
{
	struct naive e = { .tolerant = true, .got = naive_got, .context = s };

	naive_read(&e, stream);
	s->retry_ms = e.retry_ms;
	buf_put(&s->id, buf_span(&e.id));
	naive_fini(&e);
}

/* sizes: how long the pieces are, in turn, less one. */
static void
read_in_pieces(struct span stream, const size_t *sizes, size_t count,
    struct story *s)
{
	struct sse_reader es = { .got = got, .context = s };
	struct span piece = { NULL, 0 };

	for (size_t i = 0; stream.len > 0; i++) {
		size_t len = 1 + sizes[i % count];
		if (len > stream.len)
			len = stream.len;
		fuzz_next_piece(&piece, (struct span){ stream.ptr, len });
		FUZZ_REQUIRE(sse_reader_read(&es, piece) == 0);
		stream.ptr += len;
		stream.len -= len;
	}
	free((char *)piece.ptr);
	s->retry_ms = es.retry_ms;
	buf_put(&s->id, buf_span(&es.id));
	sse_reader_fini(&es);
}

static void
require_same(struct span stream, const size_t *sizes, size_t count,
    const struct story *want)
{
	struct story s = { 0 };

	read_in_pieces(stream, sizes, count, &s);
	FUZZ_REQUIRE(s.events == want->events);
	FUZZ_REQUIRE(s.retry_ms == want->retry_ms);
	FUZZ_REQUIRE(span_equal(buf_span(&s.text), buf_span(&want->text)));
	FUZZ_REQUIRE(span_equal(buf_span(&s.id), buf_span(&want->id)));
	story_fini(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct story want = { 0 };
	size_t sizes[HEAD];

	if (size <= HEAD || size > HEAD + LONGEST)
		return 0;
	struct span stream = fuzz_copy(data + HEAD, size - HEAD);
	read_naively(stream, &want);
	sizes[0] = stream.len;
	require_same(stream, sizes, 1, &want);
	sizes[0] = 0;
	require_same(stream, sizes, 1, &want);
	for (size_t i = 0; i < HEAD; i++)
		sizes[i] = data[i];
	require_same(stream, sizes, HEAD, &want);
	sizes[1] = stream.len;
	for (size_t cut = 1; cut < stream.len && stream.len <= SHORT; cut++) {
		sizes[0] = cut - 1;
		require_same(stream, sizes, 2, &want);
	}
	story_fini(&want);
	free((char *)stream.ptr);
	return 0;
}

/* Seeds: what servers send, and the corners of the format. */
bool
fuzz_seed(size_t n, struct buf *out)
{
	const struct span streams[] = {
		SPAN("retry: 3000\nid: 1779525621000-0\nevent: peal:open\n"
		     "data: {}\n\n"),
		SPAN("id: 1\nevent: news\ndata: {\"n\":1}\n\n"),
		SPAN("data: one\ndata: two\r\ndata:three\rdata\n\n"),
		SPAN("\xef\xbb\xbf"
		     "data:a\n\n\xef\xbb\xbf"
		     "data:b\n\n"),
		SPAN("\xef\xbb"
		     "data:a\n\n"),
		SPAN(":\n\n:comment\r\rdata:x\r\r"),
		SPAN("id: 1\0"
		     "2\nid\nid:3\ndata:\n\ndata:4\n\n"),
		SPAN("retry:10\nretry:x\nretry:99999999999999999999\n"
		     "retry:\nretry: 7\n\n"),
		SPAN("data : no\ndata\n\nevent:a\nevent\ndata:  b\n\n"),
		SPAN("data:unfinished"),
		SPAN("data:a\r\n\r\nevent:b\r\n\r\ndata:c\n\r\n"),
	};

	if (n >= sizeof(streams) / sizeof(streams[0]))
		return false;
	for (size_t i = 0; i < HEAD; i++)
		buf_put_char(out, (char)(n * 3 + i * 5 % 11));
	buf_put(out, streams[n]);
	return true;
}
