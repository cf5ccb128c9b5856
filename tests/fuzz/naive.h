/*
 * A client of event streams, to judge what peal writes and how it reads.  Written
 * from the text of WHATWG HTML, "Interpreting an event stream", and neither from
 * sse.c nor from eventsource.c.
 */
#ifndef PEAL_TESTS_NAIVE_H
#define PEAL_TESTS_NAIVE_H

#include "fuzz.h"

struct naive {
	struct buf data;  /* of the event that is being read */
	struct buf topic; /* its type; empty: "message" */
	struct buf id;
	bool retry;
	uint64_t retry_ms; /* the last that is a number */

	size_t dispatched;
	struct buf last_data; /* of the event that came last */
	struct buf last_topic;

	bool tolerant; /* fields may have names that we do not write */
	/* Told each event; NULL: nobody is. */
	void (*got)(void *context, struct span topic, struct span data,
	    struct span id);
	void *context;
};

static inline void
naive_fini(struct naive *e)
{
	buf_fini(&e->data);
	buf_fini(&e->topic);
	buf_fini(&e->id);
	buf_fini(&e->last_data);
	buf_fini(&e->last_topic);
}

static inline void
naive_put(struct buf *b, struct span s)
{
	buf_clear(b);
	buf_put(b, s);
}

/* Digits, and nothing else; what no 64 bits hold is no time. */
static inline void
naive_retry(struct naive *e, struct span value)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < value.len; i++) {
		unsigned digit = (unsigned char)value.ptr[i] - (unsigned)'0';
		if (digit > 9 || __builtin_mul_overflow(ms, 10, &ms) ||
		    __builtin_add_overflow(ms, digit, &ms))
			return;
	}
	if (value.len > 0)
		e->retry_ms = ms;
}

static inline void
naive_field(struct naive *e, struct span name, struct span value)
{
	if (span_equal(name, SPAN("event"))) {
		naive_put(&e->topic, value);
	} else if (span_equal(name, SPAN("data"))) {
		buf_put(&e->data, value);
		buf_put_char(&e->data, '\n');
	} else if (span_equal(name, SPAN("id"))) {
		if (value.len == 0 ||
		    memchr(value.ptr, '\0', value.len) == NULL)
			naive_put(&e->id, value);
	} else if (span_equal(name, SPAN("retry"))) {
		e->retry = true;
		naive_retry(e, value);
	} else {
		/* A parser ignores any other; we write none. */
		FUZZ_REQUIRE(e->tolerant);
	}
}

static inline void
naive_line(struct naive *e, struct span line)
{
	struct span value = { "", 0 };
	const char *colon =
	    line.len == 0 ? NULL : memchr(line.ptr, ':', line.len);

	if (line.len == 0) {
		if (e->data.len > 0) {
			e->data.len--;
			naive_put(&e->last_data, buf_span(&e->data));
			naive_put(&e->last_topic, buf_span(&e->topic));
			e->dispatched++;
			if (e->got != NULL)
				e->got(e->context, buf_span(&e->topic),
				    buf_span(&e->data), buf_span(&e->id));
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
	naive_field(e, line, value);
}

/* Read a whole stream.  What we write ends with a blank line, always. */
static inline void
naive_read(struct naive *e, struct span stream)
{
	size_t begin = 0;

	FUZZ_REQUIRE(e->tolerant ||
	    (stream.len >= 2 &&
		memcmp(stream.ptr + stream.len - 2, "\n\n", 2) == 0));
	if (stream.len >= 3 && memcmp(stream.ptr, "\xef\xbb\xbf", 3) == 0)
		begin = 3;
	for (size_t i = begin; i < stream.len; i++) {
		if (stream.ptr[i] != '\n' && stream.ptr[i] != '\r')
			continue;
		naive_line(e, (struct span){ stream.ptr + begin, i - begin });
		if (stream.ptr[i] == '\r' && i + 1 < stream.len &&
		    stream.ptr[i + 1] == '\n')
			i++;
		begin = i + 1;
	}
}

/* Require that the last event's data is this, with every line break as LF. */
static inline void
naive_require_data(const struct naive *e, struct span data)
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
