#include "wire/sse_reader.h"

#include <errno.h>
#include <string.h>

void
sse_reader_fini(struct sse_reader *es)
{
	buf_fini(&es->line);
	buf_fini(&es->data);
	buf_fini(&es->type);
	buf_fini(&es->id);
}

/*
 * Data of a single line, which is nearly all there is, is not copied: it is held
 * where it lies, until a second line or the end of the bytes comes.
 */
static void
keep_held(struct sse_reader *es)
{
	if (es->held.ptr == NULL)
		return;
	buf_put(&es->data, es->held);
	es->held = (struct span){ NULL, 0 };
}

static void
add_data(struct sse_reader *es, struct span value, bool lasts)
{
	if (!es->has_data && lasts) {
		es->held = value;
	} else {
		keep_held(es);
		if (es->has_data)
			buf_put_char(&es->data, '\n');
		buf_put(&es->data, value);
	}
	es->has_data = true;
}

static void
dispatch(struct sse_reader *es)
{
	struct sse_reader_event event = {
		.type = buf_span(&es->type),
		.data = es->held.ptr != NULL ? es->held : buf_span(&es->data),
		.id = buf_span(&es->id),
	};

	/* An event without data is none, but its id counts. */
	if (es->has_data && es->got != NULL)
		es->got(es->context, &event);
	es->held = (struct span){ NULL, 0 };
	es->has_data = false;
	buf_clear(&es->data);
	buf_clear(&es->type);
}

static void
set(struct buf *b, struct span value)
{
	buf_clear(b);
	buf_put(b, value);
}

static void
take_field(struct sse_reader *es, struct span name, struct span value,
    bool lasts)
{
	uint64_t ms;

	if (span_equal(name, SPAN("data"))) {
		add_data(es, value, lasts);
	} else if (span_equal(name, SPAN("event"))) {
		set(&es->type, value);
	} else if (span_equal(name, SPAN("id"))) {
		if (value.len == 0 ||
		    memchr(value.ptr, '\0', value.len) == NULL)
			set(&es->id, value);
	} else if (span_equal(name, SPAN("retry"))) {
		if (span_to_u64(value, &ms) == 0)
			es->retry_ms = ms;
	}
}

/* lasts: the line's bytes stay where they are until the read ends. */
static void
take_line(struct sse_reader *es, struct span line, bool lasts)
{
	if (line.len == 0) {
		dispatch(es);
		return;
	}
	if (line.ptr[0] == ':') {
		es->comments++;
		return;
	}
	const char *colon = memchr(line.ptr, ':', line.len);
	struct span name = line;
	struct span value = { line.ptr + line.len, 0 };
	if (colon != NULL) {
		name.len = (size_t)(colon - line.ptr);
		value = (struct span){ colon + 1, line.len - name.len - 1 };
		if (value.len > 0 && value.ptr[0] == ' ') {
			value.ptr++;
			value.len--;
		}
	}
	take_field(es, name, value, lasts);
}

/* The length of what comes before a CR or LF; all of it if none does. */
static size_t
line_len(struct span s)
{
	const char *lf = memchr(s.ptr, '\n', s.len);
	size_t len = lf != NULL ? (size_t)(lf - s.ptr) : s.len;
	const char *cr = len > 0 ? memchr(s.ptr, '\r', len) : NULL;

	return cr != NULL ? (size_t)(cr - s.ptr) : len;
}

static void
end_line(struct sse_reader *es, struct span piece)
{
	if (es->line.len == 0) {
		take_line(es, piece, true);
		return;
	}
	buf_put(&es->line, piece);
	take_line(es, buf_span(&es->line), false);
	buf_clear(&es->line);
}

/* A byte order mark at the very beginning is dropped. */
static void
drop_mark(struct sse_reader *es, struct span *bytes)
{
	static const char mark[] = { '\xef', '\xbb', '\xbf' };

	while (!es->begun && bytes->len > 0) {
		if (bytes->ptr[0] != mark[es->line.len]) {
			es->begun = true;
			return;
		}
		buf_put_char(&es->line, bytes->ptr[0]);
		bytes->ptr++;
		bytes->len--;
		if (es->line.len == sizeof(mark)) {
			buf_clear(&es->line);
			es->begun = true;
		}
	}
}

int
sse_reader_read(struct sse_reader *es, struct span bytes)
{
	drop_mark(es, &bytes);
	while (bytes.len > 0) {
		/* A CR, a LF, and both together end a line. */
		if (es->after_cr && bytes.ptr[0] == '\n') {
			es->after_cr = false;
			bytes.ptr++;
			bytes.len--;
			continue;
		}
		es->after_cr = false;
		size_t len = line_len(bytes);
		if (len == bytes.len) {
			buf_put(&es->line, bytes);
			break;
		}
		end_line(es, (struct span){ bytes.ptr, len });
		es->after_cr = bytes.ptr[len] == '\r';
		bytes.ptr += len + 1;
		bytes.len -= len + 1;
	}
	keep_held(es);
	return buf_error(&es->line) == 0 && buf_error(&es->data) == 0 &&
		buf_error(&es->type) == 0 && buf_error(&es->id) == 0
	    ? 0
	    : -ENOMEM;
}
