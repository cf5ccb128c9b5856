/*
 * A client of event streams, to judge what peal writes.  Written from the text
 * of WHATWG HTML, "Interpreting an event stream", and not from sse.c.
 */
#ifndef PEAL_TESTS_EVENTSOURCE_H
#define PEAL_TESTS_EVENTSOURCE_H

#include "fuzz.h"

struct eventsource {
	struct buf data;  /* of the event that is being read */
	struct buf topic; /* its type; empty: "message" */
	struct buf id;
	bool retry;

	size_t dispatched;
	struct buf last_data; /* of the event that came last */
	struct buf last_topic;
};

static inline void
eventsource_fini(struct eventsource *e)
{
	buf_fini(&e->data);
	buf_fini(&e->topic);
	buf_fini(&e->id);
	buf_fini(&e->last_data);
	buf_fini(&e->last_topic);
}

static inline void
eventsource_put(struct buf *b, struct span s)
{
	buf_clear(b);
	buf_put(b, s);
}

static inline void
eventsource_field(struct eventsource *e, struct span name, struct span value)
{
	if (span_equal(name, SPAN("event"))) {
		eventsource_put(&e->topic, value);
	} else if (span_equal(name, SPAN("data"))) {
		buf_put(&e->data, value);
		buf_put_char(&e->data, '\n');
	} else if (span_equal(name, SPAN("id"))) {
		if (value.len == 0 ||
		    memchr(value.ptr, '\0', value.len) == NULL)
			eventsource_put(&e->id, value);
	} else {
		/* A parser ignores any other; we write none. */
		FUZZ_REQUIRE(span_equal(name, SPAN("retry")));
		e->retry = true;
	}
}

static inline void
eventsource_line(struct eventsource *e, struct span line)
{
	struct span value = { "", 0 };
	const char *colon =
	    line.len == 0 ? NULL : memchr(line.ptr, ':', line.len);

	if (line.len == 0) {
		if (e->data.len > 0) {
			e->data.len--;
			eventsource_put(&e->last_data, buf_span(&e->data));
			eventsource_put(&e->last_topic, buf_span(&e->topic));
			e->dispatched++;
		}
		buf_clear(&e->data);
		buf_clear(&e->topic);
		return;
	}
	if (colon == line.ptr)
		return;
	if (colon != NULL) {
		value = (struct span){ colon + 1,
			line.len - (size_t)(colon + 1 - line.ptr) };
		line.len = (size_t)(colon - line.ptr);
		if (value.len > 0 && value.ptr[0] == ' ') {
			value.ptr++;
			value.len--;
		}
	}
	eventsource_field(e, line, value);
}

/* Read whole lines.  What we write ends with a blank line, always. */
static inline void
eventsource_read(struct eventsource *e, struct span stream)
{
	size_t begin = 0;

	FUZZ_REQUIRE(stream.len >= 2 &&
	    memcmp(stream.ptr + stream.len - 2, "\n\n", 2) == 0);
	for (size_t i = 0; i < stream.len; i++) {
		if (stream.ptr[i] != '\n' && stream.ptr[i] != '\r')
			continue;
		eventsource_line(e,
		    (struct span){ stream.ptr + begin, i - begin });
		if (stream.ptr[i] == '\r' && i + 1 < stream.len &&
		    stream.ptr[i + 1] == '\n')
			i++;
		begin = i + 1;
	}
}

/* Require that the last event's data is this, with every line break as LF. */
static inline void
eventsource_require_data(const struct eventsource *e, struct span data)
{
	size_t at = 0;

	for (size_t i = 0; i < data.len; i++) {
		if (data.ptr[i] == '\n' && i > 0 && data.ptr[i - 1] == '\r')
			continue;
		char want = data.ptr[i] == '\r' ? '\n' : data.ptr[i];
		FUZZ_REQUIRE(
		    at < e->last_data.len && e->last_data.ptr[at] == want);
		at++;
	}
	FUZZ_REQUIRE(at == e->last_data.len);
}

#endif
