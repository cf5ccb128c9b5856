#include "wire/sse.h"

#include <string.h>

#include "base/json_writer.h"

/* Bytes of an unreadable resume point that the gap event repeats. */
#define ASKED_MAX 64

static void
put_id_line(struct buf *out, uint64_t id)
{
	char line[EVENT_ID_LINE_MAX];

	buf_put(out, (struct span){ line, event_id_line(id, line) });
}

static bool
is_break(char c)
{
	return c == '\n' || c == '\r';
}

/* How many bytes from the front are before any break, by eights. */
static size_t
unbroken_prefix(struct span s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	size_t i = 0;
	uint64_t eight;

	while (s.len - i >= sizeof(eight)) {
		memcpy(&eight, s.ptr + i, sizeof(eight));
		/* The high bit of a byte is set where it was below 0x10, as both
		 * breaks are, or somewhere behind such a one. */
		if (((eight - ones * 0x10) & ~eight & ones * 0x80) != 0)
			break;
		i += sizeof(eight);
	}
	return i;
}

/*
 * Cut the next line off the front of *rest.  Returns false once the last line
 * was given; as with span_cut(), a trailing break leaves an empty one.
 *
 * WHATWG HTML, "Parsing an event stream": CR LF is one break, and so is a lone
 * LF or a lone CR.
 */
static bool
cut_line(struct span *rest, struct span *line)
{
	if (rest->ptr == NULL)
		return false;
	size_t len = unbroken_prefix(*rest);
	while (len < rest->len && !is_break(rest->ptr[len]))
		len++;
	*line = (struct span){ rest->ptr, len };
	if (len == rest->len) {
		*rest = (struct span){ NULL, 0 };
		return true;
	}
	bool pair = rest->ptr[len] == '\r' && len + 1 < rest->len &&
	    rest->ptr[len + 1] == '\n';
	len += pair ? 2 : 1;
	rest->ptr += len;
	rest->len -= len;
	return true;
}

void
sse_event(struct buf *out, struct span topic, struct span data)
{
	struct span line;

	if (topic.len > 0) {
		buf_put(out, SPAN("event: "));
		buf_put(out, topic);
		buf_put_char(out, '\n');
	}
	/* Without any data line the parser would drop the event. */
	if (data.len == 0)
		data = SPAN("");
	while (cut_line(&data, &line)) {
		buf_put(out, SPAN("data: "));
		buf_put(out, line);
		buf_put_char(out, '\n');
	}
	buf_put_char(out, '\n');
}

static void
put_retry_line(struct buf *out, uint64_t retry_ms)
{
	buf_put(out, SPAN("retry: "));
	buf_put_u64(out, retry_ms);
	buf_put_char(out, '\n');
}

static void
put_id_line_unless_none(struct buf *out, uint64_t id)
{
	if (id != SSE_NO_ID)
		put_id_line(out, id);
}

void
sse_open(struct buf *out, uint64_t retry_ms, uint64_t id)
{
	put_retry_line(out, retry_ms);
	put_id_line_unless_none(out, id);
	buf_put(out, SPAN("event: peal:open\ndata: {}\n\n"));
}

static const char *
reason_name(enum sse_reason reason)
{
	switch (reason) {
	case SSE_FULL:
		return "full";
	case SSE_AGE:
		return "age";
	case SSE_STOPPING:
		return "stopping";
	}
	return "";
}

static void
put_leave(struct buf *out, const char *topic, enum sse_reason reason)
{
	struct json_writer w = { .out = out };

	buf_put(out, SPAN("event: "));
	buf_put_cstr(out, topic);
	buf_put(out, SPAN("\ndata: "));
	json_writer_begin(&w, NULL, '{');
	json_writer_string(&w, "reason", span_of(reason_name(reason)));
	json_writer_end(&w, '}');
	buf_put(out, SPAN("\n\n"));
}

void
sse_busy(struct buf *out, uint64_t retry_ms, uint64_t id,
    enum sse_reason reason)
{
	put_retry_line(out, retry_ms);
	put_id_line_unless_none(out, id);
	put_leave(out, "peal:busy", reason);
}

void
sse_end(struct buf *out, uint64_t retry_ms, enum sse_reason reason)
{
	put_retry_line(out, retry_ms);
	put_leave(out, "peal:end", reason);
}

static bool
is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/*
 * The first ASKED_MAX bytes of s, less a character of UTF-8 that would be cut
 * in two.  Bytes that are no UTF-8 are cut anywhere.
 */
static struct span
shortened(struct span s)
{
	size_t len = ASKED_MAX;

	if (s.len <= ASKED_MAX)
		return s;
	/* A character has at most three bytes after its first. */
	while (len > ASKED_MAX - 3 && is_continuation(s.ptr[len]))
		len--;
	if (is_continuation(s.ptr[len]))
		len = ASKED_MAX;
	return (struct span){ s.ptr, len };
}

void
sse_gap(struct buf *out, uint64_t id, struct span asked, uint64_t from,
    const char *hint)
{
	struct json_writer w = { .out = out };

	put_id_line(out, id);
	/* JSON escapes line breaks, so the data is one line. */
	buf_put(out, SPAN("event: peal:gap\ndata: "));
	json_writer_begin(&w, NULL, '{');
	json_writer_string(&w, "after", shortened(asked));
	json_writer_id(&w, "from", from);
	if (hint != NULL)
		json_writer_string(&w, "hint", span_of(hint));
	json_writer_end(&w, '}');
	buf_put(out, SPAN("\n\n"));
}

void
sse_retry(struct buf *out, uint64_t retry_ms)
{
	put_retry_line(out, retry_ms);
}
