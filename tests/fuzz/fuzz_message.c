/*
 * The body of a POST, and what subscribers get of it.
 *
 * The input is a Content-Type, a line end, a query string, a line end, and the
 * body.
 *   - Events have a channel and a topic that may be, and data within the limit
 *     that is UTF-8; of JSON it is one value, without white space.
 *   - Each, as sse_event() writes it, is one event of that topic and data to a
 *     client that knows nothing of sse.c.
 *   - A refusal has a status and a sentence without control characters, and
 *     leaves no event.
 */
#include <errno.h>

#include "base/event.h"
#include "naive.h"
#include "base/json.h"
#include "wire/message.h"
#include "wire/sse.h"

const char fuzz_name[] = "message";

#define EVENT_SIZE 2000

static void
judge_event(const struct message_event *event, enum message_type type)
{
	struct buf out = { 0 };
	struct naive e = { 0 };
	const struct message_content *content = &event->content;
	struct span rest = content->data;
	struct span value;
	char line[EVENT_OWN_ID_LINE_MAX];
	struct span id = content->id.len > 0 ? content->id : SPAN("1-2");

	FUZZ_REQUIRE(event_channel_fault(event->channel) == NULL);
	FUZZ_REQUIRE(event_topic_fault(content->topic) == NULL);
	FUZZ_REQUIRE(
	    content->id.len == 0 || event_own_id_fault(content->id) == NULL);
	FUZZ_REQUIRE(content->data.len <= EVENT_SIZE);
	FUZZ_REQUIRE(span_is_utf8(content->data));
	if (type == MESSAGE_JSON || type == MESSAGE_NDJSON) {
		FUZZ_REQUIRE(json_value(&rest, &value) == 0);
		FUZZ_REQUIRE(span_equal(value, content->data));
		FUZZ_REQUIRE(memchr(value.ptr, '\n', value.len) == NULL);
	}
	buf_put(&out, (struct span){ line, event_own_id_line(id, line) });
	sse_event(&out, content->topic, content->data);
	naive_read(&e, buf_span(&out));
	FUZZ_REQUIRE(e.dispatched == 1 && !e.retry);
	FUZZ_REQUIRE(span_equal(buf_span(&e.id), id));
	FUZZ_REQUIRE(span_equal(buf_span(&e.last_topic), content->topic));
	naive_require_data(&e, content->data);
	naive_fini(&e);
	buf_fini(&out);
}

static void
judge_problem(const struct problem *problem)
{
	struct span detail = span_of(problem->detail);

	FUZZ_REQUIRE(problem->status == 400 || problem->status == 413 ||
	    problem->status == 415);
	FUZZ_REQUIRE(detail.len > 0 && detail.len < PROBLEM_DETAIL_MAX);
	FUZZ_REQUIRE(span_is_utf8(detail) && !span_has_control(detail));
}

static struct span
cut_copy(struct span *rest, char sep)
{
	struct span piece = { NULL, 0 };

	(void)span_cut(rest, sep, &piece);
	return fuzz_copy((const uint8_t *)piece.ptr, piece.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct access access = { .roles = ACCESS_PUBLISH };
	const struct message_rules limits = { .event_size = EVENT_SIZE,
		.access = &access };
	struct span input = fuzz_copy(data, size);
	struct span rest = input;
	struct span content_type = cut_copy(&rest, '\n');
	struct span query = cut_copy(&rest, '\n');
	struct span body = fuzz_copy((const uint8_t *)rest.ptr, rest.len);
	struct problem problem = { 0 };
	struct message m = { 0 };

	enum message_type type;
	int rc = message_accept(content_type, (struct span){ NULL, 0 }, &type,
	    &problem);
	if (rc == 0)
		rc = message_read(&m, type, body, query, &limits, &problem);
	FUZZ_REQUIRE(rc == 0 || rc == -EINVAL);
	FUZZ_REQUIRE((rc == 0) == (m.count > 0));
	FUZZ_REQUIRE(!m.single || m.count == 1);
	for (size_t i = 0; i < m.count; i++)
		judge_event(&m.events[i], type);
	if (rc != 0)
		judge_problem(&problem);
	message_fini(&m);
	free((char *)body.ptr);
	free((char *)query.ptr);
	free((char *)content_type.ptr);
	free((char *)input.ptr);
	return 0;
}
