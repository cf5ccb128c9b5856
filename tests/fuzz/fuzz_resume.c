/*
 * Event ids and resume points: what was printed is read, and nothing else.
 *
 * The input is a resume point as a client may send it; its first bytes also
 * serve as two numbers.
 *   - an id printed is an id read; a text read as an id is what it prints;
 *   - the next id is greater than the last, whatever the clock says;
 *   - a resume point means what its kind says, white space aside; one that may be an
 *     event's own id is no id of peal's and no time, and its line is read back;
 *   - the gap event that repeats it is one event, of valid JSON.
 */
#include <json-c/json.h>

#include "base/event.h"
#include "naive.h"
#include "wire/sse.h"

const char fuzz_name[] = "resume";

static void
judge_number(uint64_t id, uint64_t clock_ms)
{
	char text[EVENT_ID_CHARS];
	uint64_t again;

	size_t len = event_id_print(id, text);
	FUZZ_REQUIRE(len <= sizeof(text));
	FUZZ_REQUIRE(event_id_parse((struct span){ text, len }, &again) == 0);
	FUZZ_REQUIRE(again == id);
	struct event_resume resume =
	    event_resume_parse((struct span){ text, len });
	FUZZ_REQUIRE(resume.id == id);
	FUZZ_REQUIRE(resume.kind ==
	    (id == 0 ? EVENT_RESUME_EARLIEST : EVENT_RESUME_AFTER));
	uint64_t next = event_id_next(id, clock_ms);
	FUZZ_REQUIRE(next > id || id == UINT64_MAX);
	FUZZ_REQUIRE(event_id_ms(next) >= clock_ms || clock_ms > EVENT_MS_MAX);
}

/* Digits, and perhaps a point and more digits: the number before the point. */
static bool
is_instant(struct span s, uint64_t *ms)
{
	const char *point = s.len == 0 ? NULL : memchr(s.ptr, '.', s.len);
	size_t whole = point == NULL ? s.len : (size_t)(point - s.ptr);

	for (size_t i = whole + 1; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	}
	return (point == NULL || whole + 1 < s.len) &&
	    span_to_u64((struct span){ s.ptr, whole }, ms) == 0 &&
	    *ms <= EVENT_MS_MAX;
}

static void
judge_resume(struct span text)
{
	struct event_resume resume = event_resume_parse(text);
	struct span bare = span_trim(text);
	const char *hint = event_resume_hint(text);
	char printed[EVENT_ID_CHARS];
	uint64_t value;

	FUZZ_REQUIRE((hint != NULL) ==
	    (is_instant(bare, &value) && value > 0 &&
		value < UINT64_C(100000000000)));

	switch (resume.kind) {
	case EVENT_RESUME_NONE:
		FUZZ_REQUIRE(bare.len == 0);
		break;
	case EVENT_RESUME_AFTER:
		FUZZ_REQUIRE(resume.id > 0);
		FUZZ_REQUIRE(span_equal(bare,
		    (struct span){ printed,
			event_id_print(resume.id, printed) }));
		break;
	case EVENT_RESUME_SINCE:
		FUZZ_REQUIRE(is_instant(bare, &value) && hint == NULL);
		FUZZ_REQUIRE(event_id_ms(resume.id) == value);
		/* No event of that millisecond comes after it. */
		FUZZ_REQUIRE(event_id_next(resume.id, 0) ==
			event_id_make(value + 1, 0) ||
		    resume.id == UINT64_MAX);
		break;
	case EVENT_RESUME_EARLIEST:
		FUZZ_REQUIRE(span_equal(bare, SPAN("earliest")) ||
		    span_equal(bare, SPAN("0-0")) ||
		    (is_instant(bare, &value) && value == 0));
		break;
	case EVENT_RESUME_UNREADABLE:
		FUZZ_REQUIRE(event_id_parse(bare, &value) != 0);
		FUZZ_REQUIRE(!is_instant(bare, &value) || hint != NULL);
		break;
	}
	FUZZ_REQUIRE(resume.kind == EVENT_RESUME_AFTER ||
	    resume.kind == EVENT_RESUME_SINCE || resume.id == 0);
}

static void
judge_own_id(struct span text)
{
	struct event_resume resume = event_resume_parse(text);
	struct span bare = span_trim(text);
	char line[EVENT_OWN_ID_LINE_MAX];
	struct buf out = { 0 };
	struct naive e = { 0 };

	if (event_own_id_fault(bare) != NULL) {
		FUZZ_REQUIRE(resume.own_id.len == 0);
		return;
	}
	FUZZ_REQUIRE(span_equal(resume.own_id, bare));
	FUZZ_REQUIRE(bare.len > 0 && bare.len <= EVENT_OWN_ID_MAX);
	FUZZ_REQUIRE(resume.kind == EVENT_RESUME_UNREADABLE ||
	    (resume.kind == EVENT_RESUME_SINCE &&
		event_id_ms(resume.id) < UINT64_C(1000000000000)));
	buf_put(&out, (struct span){ line, event_own_id_line(bare, line) });
	sse_event(&out, SPAN(""), SPAN("x"));
	naive_read(&e, buf_span(&out));
	FUZZ_REQUIRE(e.dispatched == 1);
	FUZZ_REQUIRE(span_equal(buf_span(&e.id), bare));
	naive_fini(&e);
	buf_fini(&out);
}

static void
judge_gap(uint64_t id, struct span asked)
{
	struct buf out = { 0 };
	struct naive e = { 0 };
	struct json_object *after;

	const char *hint = event_resume_hint(asked);

	sse_gap(&out, id, asked, id, hint);
	naive_read(&e, buf_span(&out));
	FUZZ_REQUIRE(e.dispatched == 1);
	FUZZ_REQUIRE(span_equal(buf_span(&e.last_topic), SPAN("peal:gap")));
	buf_put_char(&e.last_data, '\0');
	struct json_object *gap = json_tokener_parse(e.last_data.ptr);
	FUZZ_REQUIRE(json_object_object_length(gap) == (hint == NULL ? 2 : 3));
	FUZZ_REQUIRE(json_object_object_get_ex(gap, "after", &after));
	/* At most 64 bytes of it, each of which may have become three. */
	FUZZ_REQUIRE(json_object_get_string_len(after) <= 3 * 64);
	if (asked.len <= 64 && span_is_utf8(asked))
		FUZZ_REQUIRE(span_equal(asked,
		    (struct span){ json_object_get_string(after),
			(size_t)json_object_get_string_len(after) }));
	json_object_put(gap);
	naive_fini(&e);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = fuzz_copy(data, size);
	uint64_t numbers[2] = { 0 };
	uint64_t id;
	char printed[EVENT_ID_CHARS];

	if (size > 0)
		memcpy(numbers, data,
		    size < sizeof(numbers) ? size : sizeof(numbers));
	judge_number(numbers[0], numbers[1]);
	judge_resume(text);
	judge_own_id(text);
	judge_gap(numbers[0], text);
	if (event_id_parse(text, &id) == 0) {
		FUZZ_REQUIRE(span_equal(text,
		    (struct span){ printed, event_id_print(id, printed) }));
		judge_number(id, numbers[1]);
	}
	free((char *)text.ptr);
	return 0;
}
