#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access_fixture.h"
#include "wire/message.h"

static const struct message_rules limits = { .event_size = 64,
	.access = &all_access };

/* What message_read() gave, and with what. */
struct outcome {
	struct message m;
	struct problem problem;
	int error;
};

static struct outcome
read_spans(enum message_type type, struct span body, struct span query)
{
	struct outcome outcome = { .error = 0 };
	/* A block as long as the body, so that no read goes past its end. */
	char *copy = malloc(body.len == 0 ? 1 : body.len);

	ck_assert_ptr_nonnull(copy);
	if (body.len > 0)
		memcpy(copy, body.ptr, body.len);
	outcome.error = message_read(&outcome.m, type,
	    (struct span){ copy, body.len }, query, &limits, &outcome.problem);
	/* The spans must not point there. */
	free(copy);
	return outcome;
}

static struct outcome
read_type(enum message_type type, const char *body)
{
	return read_spans(type, span_of(body), (struct span){ NULL, 0 });
}

static struct outcome
read_json(const char *body)
{
	return read_type(MESSAGE_JSON, body);
}

static void
assert_event(const struct message *m, size_t index, const char *channel,
    const char *topic, const char *data)
{
	ck_assert_uint_gt(m->count, index);
	unit_assert_span(m->events[index].channel, channel);
	unit_assert_span(m->events[index].content.topic, topic);
	unit_assert_span(m->events[index].content.data, data);
}

/* One event to one channel, and nothing else. */
static void
assert_single(struct outcome outcome, const char *channel, const char *topic,
    const char *data)
{
	ck_assert_msg(outcome.error == 0, "%s", outcome.problem.detail);
	ck_assert_uint_eq(outcome.m.count, 1);
	ck_assert(outcome.m.single);
	assert_event(&outcome.m, 0, channel, topic, data);
	message_fini(&outcome.m);
}

static void
assert_refused(struct outcome outcome, enum problem_kind kind,
    const char *detail)
{
	ck_assert_int_eq(outcome.error, -EINVAL);
	ck_assert_uint_eq(outcome.m.count, 0);
	ck_assert_str_eq(outcome.problem.detail, detail);
	ck_assert_int_eq(outcome.problem.kind, kind);
	ck_assert_int_ne(outcome.problem.status, 0);
	message_fini(&outcome.m);
}

/* The detail's wording is another module's; a part of it must be there. */
static void
assert_refused_with(struct outcome outcome, enum problem_kind kind,
    const char *part)
{
	ck_assert_int_eq(outcome.error, -EINVAL);
	ck_assert_msg(strstr(outcome.problem.detail, part) != NULL,
	    "\"%s\" does not hold \"%s\"", outcome.problem.detail, part);
	ck_assert_int_eq(outcome.problem.kind, kind);
	ck_assert_int_ne(outcome.problem.status, 0);
	message_fini(&outcome.m);
}

START_TEST(content_types_are_told_apart_without_parameters_and_case)
{
	static const struct {
		const char *text;
		enum message_type type;
	} cases[] = {
		{ "application/json", MESSAGE_JSON },
		{ "Application/JSON; charset=utf-8", MESSAGE_JSON },
		{ " application/json ;x", MESSAGE_JSON },
		{ "application/vnd.api+json", MESSAGE_JSON },
		{ "application/cloudevents+JSON;v=1", MESSAGE_JSON },
		{ "application/x-ndjson", MESSAGE_NDJSON },
		{ "application/jsonl", MESSAGE_NDJSON },
		{ "application/x-www-form-urlencoded", MESSAGE_FORM },
		{ "application/x-www-form-urlencoded;charset=UTF-8",
		    MESSAGE_FORM },
		{ "text/plain", MESSAGE_RAW },
		{ "application/jsonx", MESSAGE_RAW },
		{ "application/octet-stream; a=application/json", MESSAGE_RAW },
		{ "+json", MESSAGE_RAW },
		{ "", MESSAGE_RAW },
		{ NULL, MESSAGE_RAW },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		enum message_type type;

		int rc = message_accept(span_of(cases[i].text),
		    (struct span){ NULL, 0 }, &type, NULL);

		ck_assert_int_eq(rc, 0);
		ck_assert_msg(type == cases[i].type, "%s", cases[i].text);
	}
}
END_TEST

START_TEST(an_object_is_one_event)
{
	assert_single(
	    read_json("{\"channel\":\"a\",\"topic\":\"t\",\"data\":{\"n\":1}}"),
	    "a", "t", "{\"n\":1}");
}
END_TEST

START_TEST(data_goes_byte_for_byte_less_white_space)
{
	static const struct {
		const char *sent;
		const char *stored;
	} cases[] = {
		{ "1.0", "1.0" },
		{ "1e400", "1e400" },
		{ "12345678901234567890123", "12345678901234567890123" },
		{ "\"\\u00e9\\ud800\"", "\"\\u00e9\\ud800\"" },
		{ "\"a  b\"", "\"a  b\"" },
		{ "null", "null" },
		{ "[ 1 ,\n{ \"a\" : -0.0 } ]", "[1,{\"a\":-0.0}]" },
		{ "{\"data\":1,\"data\":2}", "{\"data\":1,\"data\":2}" },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct buf body;
		buf_init(&body);
		buf_put_cstr(&body, "{ \"data\" : ");
		buf_put_cstr(&body, cases[i].sent);
		buf_put_cstr(&body, " , \"channel\" : \"a\" }");
		buf_put_char(&body, '\0');

		assert_single(read_json(body.ptr), "a", "", cases[i].stored);

		buf_fini(&body);
	}
}
END_TEST

START_TEST(a_missing_null_or_empty_topic_is_none)
{
	assert_single(read_json("{\"channel\":\"a\",\"data\":1}"), "a", "",
	    "1");
	assert_single(read_json(
			  "{\"channel\":\"a\",\"topic\":null,\"data\":1}"),
	    "a", "", "1");
	assert_single(read_json(
			  "{\"channel\":\"a\",\"topic\":\"\",\"data\":1}"),
	    "a", "", "1");
}
END_TEST

START_TEST(escapes_in_channel_and_topic_are_decoded)
{
	assert_single(read_json(
			  "{\"channel\":\"\\u00e9\\/\\ud83d\\ude00\\\\\","
			  "\"topic\":\"\\\"\\u20ac\\\\u0041\",\"data\":1}"),
	    "\xc3\xa9/\xf0\x9f\x98\x80\\", "\"\xe2\x82\xac\\u0041", "1");
}
END_TEST

START_TEST(characters_may_stand_beside_escapes)
{
	assert_single(read_json(
			  "{\"channel\":\"\xc3\xa9\\/\xf0\x9f\x98\x80\","
			  "\"topic\":\"\\u20ac\xe2\x82\xac\",\"data\":1}"),
	    "\xc3\xa9/\xf0\x9f\x98\x80", "\xe2\x82\xac\xe2\x82\xac", "1");
}
END_TEST

START_TEST(names_spelled_with_escapes_are_the_same_names)
{
	assert_single(read_json("{\"ch\\u0061nnel\":\"a\","
				"\"\\u0074\\u006F\\u0070\\u0069\\u0063\":\"t\","
				"\"d\\u0061ta\":1}"),
	    "a", "t", "1");
	assert_single(
	    read_json("{\"\\u0063\\u0068\\u0061\\u006e\\u006e\\u0065\\u006c\":"
		      "\"a\",\"data\":1}"),
	    "a", "", "1");
}
END_TEST

START_TEST(a_name_with_a_nul_behind_it_is_another_name)
{
	assert_refused(read_json("{\"channel\":\"a\",\"data\\u0000\":1}"),
	    PROBLEM_NO_DATA, "the member \"data\" is missing");
}
END_TEST

START_TEST(unknown_members_are_ignored)
{
	assert_single(
	    read_json("{\"x\":{\"channel\":\"b\",\"data\":[]},\"\\ud800\":1,"
		      "\"channel\":\"a\",\"data\":1,\"Data\":2,\"\":3}"),
	    "a", "", "1");
}
END_TEST

START_TEST(of_duplicate_members_the_last_counts)
{
	assert_single(read_json(
			  "{\"channel\":7,\"channel\":\"a\",\"topic\":\"x\","
			  "\"topic\":\"t\",\"data\":1,\"d\\u0061ta\":2}"),
	    "a", "t", "2");
	assert_single(read_json(
			  "{\"d\\u0061ta\":2,\"data\":1,\"channel\":\"a\","
			  "\"topic\":\"x\",\"topic\":null}"),
	    "a", "", "1");
}
END_TEST

START_TEST(several_channels_are_as_many_events_in_their_order)
{
	struct outcome outcome =
	    read_json("{\"channel\":[\"z\",\"\\u0061\","
		      "\"m\"],\"topic\":\"t\",\"data\":1}");

	ck_assert_int_eq(outcome.error, 0);
	ck_assert_uint_eq(outcome.m.count, 3);
	ck_assert(!outcome.m.single);
	assert_event(&outcome.m, 0, "z", "t", "1");
	assert_event(&outcome.m, 1, "a", "t", "1");
	assert_event(&outcome.m, 2, "m", "t", "1");
	message_fini(&outcome.m);
}
END_TEST

START_TEST(a_channel_named_twice_counts_once_at_its_first_place)
{
	struct outcome outcome =
	    read_json("{\"channel\":[\"b\",\"a\",\"\\u0062\",\"ab\",\"a\","
		      "\"b\"],\"data\":1}");

	ck_assert_int_eq(outcome.error, 0);
	ck_assert_uint_eq(outcome.m.count, 3);
	assert_event(&outcome.m, 0, "b", "", "1");
	assert_event(&outcome.m, 1, "a", "", "1");
	assert_event(&outcome.m, 2, "ab", "", "1");
	message_fini(&outcome.m);
}
END_TEST

START_TEST(one_channel_in_an_array_is_still_single)
{
	assert_single(read_json("{\"channel\":[\"a\"],\"data\":1}"), "a", "",
	    "1");
	assert_single(read_json("{\"channel\":[\"a\",\"a\"],\"data\":1}"), "a",
	    "", "1");
}
END_TEST

/* Quadratic work over these would run into the test's time limit. */
START_TEST(a_hundred_thousand_channels_are_parted_from_their_doubles)
{
	const uint64_t count = 100000;
	struct buf body;

	buf_init(&body);
	buf_put_cstr(&body, "{\"channel\":[\"0\"");
	for (uint64_t i = 1; i < 2 * count; i++) {
		buf_put_cstr(&body, ",\"");
		buf_put_u64(&body, i % count);
		buf_put_cstr(&body, "\"");
	}
	buf_put_cstr(&body, "],\"data\":1}");
	struct outcome outcome =
	    read_spans(MESSAGE_JSON, buf_span(&body), (struct span){ NULL, 0 });

	ck_assert_int_eq(outcome.error, 0);
	ck_assert_uint_eq(outcome.m.count, count);
	assert_event(&outcome.m, 0, "0", "", "1");
	assert_event(&outcome.m, 99999, "99999", "", "1");
	message_fini(&outcome.m);
	buf_fini(&body);
}
END_TEST

START_TEST(a_batch_keeps_its_order_and_its_doubles)
{
	struct outcome outcome =
	    read_json(" [ {\"channel\":\"a\",\"data\":1} ,\n"
		      "{\"channel\":[\"b\",\"a\"],\"data\":2,\"topic\":\"t\"},"
		      "{\"channel\":\"a\",\"data\":1}] ");

	ck_assert_int_eq(outcome.error, 0);
	ck_assert_uint_eq(outcome.m.count, 4);
	ck_assert(!outcome.m.single);
	assert_event(&outcome.m, 0, "a", "", "1");
	assert_event(&outcome.m, 1, "b", "t", "2");
	assert_event(&outcome.m, 2, "a", "t", "2");
	assert_event(&outcome.m, 3, "a", "", "1");
	message_fini(&outcome.m);
}
END_TEST

START_TEST(a_batch_of_one_is_still_a_batch)
{
	struct outcome json = read_json("[{\"channel\":\"a\",\"data\":1}]");
	struct outcome lines =
	    read_type(MESSAGE_NDJSON, "{\"channel\":\"a\",\"data\":1}");

	ck_assert_uint_eq(json.m.count, 1);
	ck_assert(!json.m.single);
	ck_assert_uint_eq(lines.m.count, 1);
	ck_assert(!lines.m.single);
	message_fini(&json.m);
	message_fini(&lines.m);
}
END_TEST

START_TEST(an_empty_batch_is_refused)
{
	assert_refused(read_json("[ ]"), PROBLEM_NO_EVENT,
	    "the batch has no event");
	assert_refused(read_type(MESSAGE_NDJSON, ""), PROBLEM_NO_EVENT,
	    "the batch has no event");
	assert_refused(read_type(MESSAGE_NDJSON, "\n \r\n"), PROBLEM_NO_EVENT,
	    "the batch has no event");
}
END_TEST

START_TEST(a_bad_event_in_a_batch_is_named_by_its_index)
{
	assert_refused(read_json("[{\"channel\":\"a\",\"data\":1},"
				 "{\"channel\":\"a\"}]"),
	    PROBLEM_NO_DATA, "event 1: the member \"data\" is missing");
	assert_refused(read_json("[1]"), PROBLEM_BAD_EVENT,
	    "event 0: an event must be an object");
	assert_refused(read_json("[{\"channel\":\"a\",\"data\":1},[]]"),
	    PROBLEM_BAD_EVENT, "event 1: an event must be an object");
}
END_TEST

START_TEST(what_a_member_must_be_is_said)
{
	const char *channel = "\"channel\" must be a string or an array of at "
			      "least one string";

	assert_refused(read_json("{\"data\":1}"), PROBLEM_NO_CHANNEL,
	    "the member \"channel\" is missing");
	assert_refused(read_json("{\"channel\":\"a\"}"), PROBLEM_NO_DATA,
	    "the member \"data\" is missing");
	assert_refused(read_json("{\"channel\":[],\"data\":1}"),
	    PROBLEM_BAD_CHANNEL, channel);
	assert_refused(read_json("{\"channel\":null,\"data\":1}"),
	    PROBLEM_BAD_CHANNEL, channel);
	assert_refused(read_json("{\"channel\":1,\"data\":1}"),
	    PROBLEM_BAD_CHANNEL, channel);
	assert_refused(read_json("{\"channel\":[\"a\",1],\"data\":1}"),
	    PROBLEM_BAD_CHANNEL, channel);
	assert_refused(read_json("{\"channel\":[[\"a\"]],\"data\":1}"),
	    PROBLEM_BAD_CHANNEL, channel);
	assert_refused(read_json("{\"channel\":{\"a\":1},\"data\":1}"),
	    PROBLEM_BAD_CHANNEL, channel);
	assert_refused(read_json("{\"channel\":\"a\",\"topic\":1,\"data\":1}"),
	    PROBLEM_BAD_TOPIC, "\"topic\" must be a string");
	assert_refused(read_json("{\"channel\":\"a\",\"topic\":[],\"data\":1}"),
	    PROBLEM_BAD_TOPIC, "\"topic\" must be a string");
	assert_refused(read_json("\"a\""), PROBLEM_BAD_EVENT,
	    "the body must be an object or an array of objects");
	assert_refused(read_json("null"), PROBLEM_BAD_EVENT,
	    "the body must be an object or an array of objects");
}
END_TEST

START_TEST(names_that_cannot_be_are_refused)
{
	struct buf body;

	assert_refused_with(read_json("{\"channel\":\"\",\"data\":1}"),
	    PROBLEM_BAD_CHANNEL, "the channel name ");
	assert_refused_with(read_json("{\"channel\":\"a\\u0000\",\"data\":1}"),
	    PROBLEM_BAD_CHANNEL, "the channel name ");
	assert_refused_with(read_json("{\"channel\":\"a\\n\",\"data\":1}"),
	    PROBLEM_BAD_CHANNEL, "the channel name ");
	assert_refused_with(
	    read_json("{\"channel\":\"a\",\"topic\":\"\\r\",\"data\":1}"),
	    PROBLEM_BAD_TOPIC, "the topic ");
	assert_refused_with(
	    read_json("{\"channel\":\"a\",\"topic\":\"t\\u0000\",\"data\":1}"),
	    PROBLEM_BAD_TOPIC, "the topic ");
	assert_refused_with(
	    read_json("{\"channel\":\"a\",\"topic\":\"peal:x\",\"data\":1}"),
	    PROBLEM_BAD_TOPIC, "the topic ");
	assert_refused_with(
	    read_json(
		"{\"channel\":\"a\",\"topic\":\"pe\\u0061l:x\",\"data\":1}"),
	    PROBLEM_BAD_TOPIC, "the topic ");
	buf_init(&body);
	buf_put_cstr(&body, "{\"channel\":\"");
	for (int i = 0; i < 1025; i++)
		buf_put_char(&body, 'x');
	buf_put_cstr(&body, "\",\"data\":1}");
	assert_refused_with(read_spans(MESSAGE_JSON, buf_span(&body),
				(struct span){ NULL, 0 }),
	    PROBLEM_BAD_CHANNEL, "the channel name ");
	buf_fini(&body);
}
END_TEST

START_TEST(half_a_surrogate_pair_names_no_channel_and_no_topic)
{
	static const char *const halves[] = { "\\ud800", "x\\uDFFFx",
		"\\ud800\\ud800", "\\udc00\\ud800", "\\ud800\\n",
		"\\ud800\\u0041", "\\ud83d\\ude00\\ud83d" };

	for (size_t i = 0; i < UNIT_COUNT(halves); i++) {
		struct buf body;
		buf_init(&body);
		buf_put_cstr(&body, "{\"data\":1,\"channel\":\"");
		buf_put_cstr(&body, halves[i]);
		buf_put_cstr(&body, "\"}");
		buf_put_char(&body, '\0');
		assert_refused(read_json(body.ptr), PROBLEM_BAD_CHANNEL,
		    "the channel name has half a surrogate pair, which is no "
		    "character");
		buf_clear(&body);
		buf_put_cstr(&body,
		    "{\"data\":1,\"channel\":\"a\",\"topic\":\"");
		buf_put_cstr(&body, halves[i]);
		buf_put_cstr(&body, "\"}");
		buf_put_char(&body, '\0');
		assert_refused(read_json(body.ptr), PROBLEM_BAD_TOPIC,
		    "the topic has half a surrogate pair, which is no "
		    "character");
		buf_fini(&body);
	}
}
END_TEST

START_TEST(an_escaped_backslash_before_u_is_no_surrogate)
{
	assert_single(read_json("{\"channel\":\"\\\\ud800\",\"data\":1}"),
	    "\\ud800", "", "1");
}
END_TEST

START_TEST(what_is_not_json_is_refused_with_the_byte)
{
	assert_refused(read_json("{\"channel\":\"a\",\"data\":NaN}"),
	    PROBLEM_BAD_JSON,
	    "the body is not JSON: unexpected character at byte 22");
	assert_refused(read_json("{\"channel\":\"a\",\"data\":1} x"),
	    PROBLEM_BAD_JSON,
	    "the body is not JSON: unexpected character at byte 25");
	assert_refused(read_json("{\"channel\":\"a\",\"data\":1"),
	    PROBLEM_BAD_JSON,
	    "the body is not JSON: it ends too soon, after byte 23");
	assert_refused(read_json("{'channel':'a'}"), PROBLEM_BAD_JSON,
	    "the body is not JSON: unexpected character at byte 1");
	assert_refused(read_json(" "), PROBLEM_BAD_JSON, "the body is empty");
	assert_refused(read_json(""), PROBLEM_BAD_JSON, "the body is empty");
	assert_refused(read_json("\xef\xbb\xbf{}"), PROBLEM_BAD_JSON,
	    "the body is not JSON: it begins with a byte order mark");
	assert_refused(
	    read_json("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
		      "[[[[[[[[["),
	    PROBLEM_BAD_JSON, "the body is nested deeper than 64 levels");
}
END_TEST

/* json-c, even when strict, takes all of these. */
START_TEST(what_json_c_would_let_pass_is_refused)
{
	static const char *const bodies[] = {
		"{\"channel\":\"a\",\"data\":Infinity}",
		"{\"channel\":\"a\",\"data\":[1.]}",
		"{\"channel\":'a',\"data\":1}",
		"{\"channel\":\"a\tb\",\"data\":1}",
		"{\"channel\":\"a\",\"data\":\"\n\"}",
		"{\"channel\":\"a\",\"data\":nan}",
	};

	for (size_t i = 0; i < UNIT_COUNT(bodies); i++)
		assert_refused_with(read_json(bodies[i]), PROBLEM_BAD_JSON,
		    "the body is not JSON: ");
}
END_TEST

START_TEST(data_may_be_as_long_as_the_limit_after_compacting)
{
	char body[256];

	(void)snprintf(body, sizeof(body),
	    "{\"channel\":\"a\",\"data\":[ \"%060d\" ]}", 7);
	struct outcome fits = read_json(body);
	(void)snprintf(body, sizeof(body),
	    "[{\"channel\":\"a\",\"data\":[\"%061d\"]}]", 7);
	struct outcome over = read_json(body);

	ck_assert_int_eq(fits.error, 0);
	ck_assert_uint_eq(fits.m.events[0].content.data.len, 64);
	message_fini(&fits.m);
	assert_refused(over, PROBLEM_EVENT_TOO_LARGE,
	    "event 0: \"data\" is 65 bytes long; at most 64 are taken");
}
END_TEST

START_TEST(ndjson_is_an_event_a_line_whatever_ends_it)
{
	struct outcome outcome = read_type(MESSAGE_NDJSON,
	    "{\"channel\":\"a\",\"data\":1}\r\n\n \n"
	    "{\"channel\":[\"b\",\"c\"],\"data\":[ 2 ]}\n"
	    "{\"channel\":\"d\",\"data\":3}");

	ck_assert_int_eq(outcome.error, 0);
	ck_assert_uint_eq(outcome.m.count, 4);
	assert_event(&outcome.m, 0, "a", "", "1");
	assert_event(&outcome.m, 1, "b", "", "[2]");
	assert_event(&outcome.m, 2, "c", "", "[2]");
	assert_event(&outcome.m, 3, "d", "", "3");
	message_fini(&outcome.m);
}
END_TEST

START_TEST(a_bad_line_is_named_by_index_and_line)
{
	assert_refused(
	    read_type(MESSAGE_NDJSON,
		"{\"channel\":\"a\",\"data\":1}\n\n{\"channel\":\"a\"}\n"),
	    PROBLEM_NO_DATA,
	    "event 1 (line 3): the member \"data\" is missing");
	assert_refused(read_type(MESSAGE_NDJSON, "\n{\"channel\" \"a\"}"),
	    PROBLEM_BAD_JSON,
	    "event 0 (line 2): the line is not JSON: unexpected character at "
	    "byte 11");
	assert_refused(read_type(MESSAGE_NDJSON, "[]"), PROBLEM_BAD_EVENT,
	    "event 0 (line 1): an event must be an object");
	assert_refused(read_type(MESSAGE_NDJSON,
			   "{\"channel\":\"a\",\n\"data\":1}"),
	    PROBLEM_BAD_JSON,
	    "event 0 (line 1): the line is not JSON: it ends too soon, after "
	    "byte 15");
}
END_TEST

START_TEST(a_form_is_one_event)
{
	assert_single(read_type(MESSAGE_FORM,
			  "channel=a%2Fb&topic=t+u&data=%7B+%22n%22:1+%7D"),
	    "a/b", "t u", "{ \"n\":1 }");
	assert_single(read_type(MESSAGE_FORM, "data=&channel=a"), "a", "", "");
}
END_TEST

START_TEST(a_form_may_repeat_its_channel_in_both_spellings)
{
	struct outcome outcome = read_type(MESSAGE_FORM,
	    "channel=b&data=x&channel[]=a&channel=b&channel%5B7%5D=c&topic=t");

	ck_assert_int_eq(outcome.error, 0);
	ck_assert_uint_eq(outcome.m.count, 3);
	ck_assert(!outcome.m.single);
	assert_event(&outcome.m, 0, "b", "t", "x");
	assert_event(&outcome.m, 1, "a", "t", "x");
	assert_event(&outcome.m, 2, "c", "t", "x");
	message_fini(&outcome.m);
}
END_TEST

START_TEST(of_a_forms_other_fields_the_last_counts)
{
	assert_single(
	    read_type(MESSAGE_FORM,
		"topic=peal:x&data=%ff&channel=a&topic=t&data=y&other=z"),
	    "a", "t", "y");
}
END_TEST

START_TEST(empty_pieces_of_a_form_are_passed_over)
{
	assert_single(read_type(MESSAGE_FORM, "&=&&channel=a&=x&data=1&"), "a",
	    "", "1");
}
END_TEST

START_TEST(a_faulty_form_is_refused)
{
	assert_refused(read_type(MESSAGE_FORM, "data=1"), PROBLEM_NO_CHANNEL,
	    "the field \"channel\" is missing");
	assert_refused(read_type(MESSAGE_FORM, ""), PROBLEM_NO_CHANNEL,
	    "the field \"channel\" is missing");
	assert_refused(read_type(MESSAGE_FORM, "channel=a"), PROBLEM_NO_DATA,
	    "the field \"data\" is missing");
	assert_refused(read_type(MESSAGE_FORM, "channel=a&data=x%ff"),
	    PROBLEM_NOT_UTF8, "the data is not UTF-8, at byte 1");
	assert_refused_with(read_type(MESSAGE_FORM, "channel=%0a&data=1"),
	    PROBLEM_BAD_CHANNEL, "the channel name ");
	assert_refused_with(read_type(MESSAGE_FORM, "channel=%ff&data=1"),
	    PROBLEM_BAD_CHANNEL, "the channel name ");
	assert_refused_with(read_type(MESSAGE_FORM,
				"channel=a&data=1&topic=peal:x"),
	    PROBLEM_BAD_TOPIC, "the topic ");
	assert_refused(
	    read_type(MESSAGE_FORM,
		"channel=a&data=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaa"),
	    PROBLEM_EVENT_TOO_LARGE,
	    "the data is 65 bytes long; at most 64 are taken");
}
END_TEST

START_TEST(a_raw_body_is_the_data_as_it_is)
{
	assert_single(read_spans(MESSAGE_RAW, SPAN(" two\r\nlines \xc3\xa9 "),
			  SPAN("channel=a&topic=t&data=no")),
	    "a", "t", " two\r\nlines \xc3\xa9 ");
	assert_single(read_spans(MESSAGE_RAW, SPAN(""), SPAN("channel[]=a")),
	    "a", "", "");
}
END_TEST

START_TEST(a_raw_body_may_hold_nul)
{
	struct outcome outcome =
	    read_spans(MESSAGE_RAW, SPAN("a\0b"), SPAN("channel=a"));

	ck_assert_int_eq(outcome.error, 0);
	ck_assert(span_equal(outcome.m.events[0].content.data, SPAN("a\0b")));
	message_fini(&outcome.m);
}
END_TEST

START_TEST(a_raw_body_goes_to_every_channel_of_the_query)
{
	struct outcome outcome = read_spans(MESSAGE_RAW, SPAN("x"),
	    SPAN("channel[1]=b&channel[]=a&channel=b"));

	ck_assert_int_eq(outcome.error, 0);
	ck_assert_uint_eq(outcome.m.count, 2);
	assert_event(&outcome.m, 0, "b", "", "x");
	assert_event(&outcome.m, 1, "a", "", "x");
	message_fini(&outcome.m);
}
END_TEST

START_TEST(a_faulty_raw_body_is_refused)
{
	assert_refused(read_spans(MESSAGE_RAW, SPAN("channel=a"), SPAN("")),
	    PROBLEM_NO_CHANNEL,
	    "\"channel\" is missing from the query string, where it belongs "
	    "with a body of this Content-Type");
	assert_refused(read_spans(MESSAGE_RAW, SPAN("ab\xff"),
			   SPAN("channel=a")),
	    PROBLEM_NOT_UTF8, "the data is not UTF-8, at byte 2");
	assert_refused_with(read_spans(MESSAGE_RAW, SPAN("x"),
				SPAN("channel=")),
	    PROBLEM_BAD_CHANNEL, "the channel name ");
	assert_refused(read_spans(MESSAGE_RAW,
			   SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				"aaaaaaaaaaaaaaaaaaa"),
			   SPAN("channel=a")),
	    PROBLEM_EVENT_TOO_LARGE,
	    "the data is 65 bytes long; at most 64 are taken");
}
END_TEST

START_TEST(body_that_cannot_be_read_is_refused_by_name)
{
	static const struct {
		const char *type;
		const char *encoding;
		const char *named; /* NULL: it is accepted */
	} rows[] = {
		{ "multipart/form-data; boundary=x", "",
		    "Content-Type multipart/form-data " },
		{ "Multipart/Form-Data", NULL, "multipart/form-data" },
		{ "multipart/mixed", NULL, NULL },
		{ "application/json", "gzip", "Content-Encoding gzip " },
		{ "application/json", "identity, br ", "Content-Encoding br " },
		{ "", "x-gzip,identity", "Content-Encoding x-gzip " },
		{ "multipart/form-data", "gzip", "Content-Encoding gzip " },
		{ "text/plain", "a b", "Content-Encoding of this request " },
		{ "text/plain", "a\xff", "Content-Encoding of this request " },
		{ "text/plain",
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxx",
		    "Content-Encoding of this request " },
		{ "text/plain", "identity", NULL },
		{ "text/plain", "Identity, identity", NULL },
		{ "text/plain", " , ", NULL },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct problem problem = { 0 };
		enum message_type type;

		int rc = message_accept(span_of(rows[i].type),
		    span_of(rows[i].encoding), &type, &problem);

		ck_assert_int_eq(rc, rows[i].named == NULL ? 0 : -EINVAL);
		if (rows[i].named == NULL)
			continue;
		ck_assert_msg(strstr(problem.detail, rows[i].named) != NULL,
		    "%s", problem.detail);
		ck_assert_int_eq(problem.kind,
		    strstr(rows[i].named, "Encoding") != NULL
			? PROBLEM_CONTENT_ENCODING
			: PROBLEM_MEDIA_TYPE);
	}
}
END_TEST

static void
assert_id(struct outcome outcome, const char *id)
{
	ck_assert_msg(outcome.error == 0, "%s", outcome.problem.detail);
	ck_assert_uint_eq(outcome.m.count, 1);
	unit_assert_span(outcome.m.events[0].content.id, id);
	message_fini(&outcome.m);
}

START_TEST(publisher_gives_an_id_in_every_form)
{
	assert_id(read_json("{\"channel\":\"a\",\"data\":1,\"id\":\"o-1\"}"),
	    "o-1");
	assert_id(read_json("{\"channel\":\"a\",\"data\":1,"
			    "\"\\u0069d\":\"\\u00e9\"}"),
	    "\u00e9");
	assert_id(read_json("[{\"channel\":\"a\",\"data\":1,\"id\":\"x\","
			    "\"id\":\"o-1\"}]"),
	    "o-1");
	assert_id(read_type(MESSAGE_NDJSON,
		      "{\"channel\":\"a\",\"data\":1,\"id\":\"o-1\"}\n"),
	    "o-1");
	assert_id(read_type(MESSAGE_FORM, "channel=a&data=1&id=o%2d1"), "o-1");
	assert_id(read_spans(MESSAGE_RAW, SPAN("text"),
		      SPAN("channel=a&id=o-1")),
	    "o-1");
}
END_TEST

START_TEST(missing_or_null_id_is_none)
{
	assert_id(read_json("{\"channel\":\"a\",\"data\":1}"), "");
	assert_id(read_json("{\"channel\":\"a\",\"data\":1,\"id\":null}"), "");
	assert_id(read_type(MESSAGE_FORM, "channel=a&data=1"), "");
	assert_id(read_spans(MESSAGE_RAW, SPAN("id=1"), SPAN("channel=a")), "");
}
END_TEST

START_TEST(id_that_cannot_be_one_is_refused)
{
	assert_refused(read_json("{\"channel\":\"a\",\"data\":1,\"id\":17}"),
	    PROBLEM_BAD_ID, "\"id\" must be a string");
	assert_refused(read_json("{\"channel\":\"a\",\"data\":1,\"id\":\"\"}"),
	    PROBLEM_BAD_ID, "the id is empty");
	assert_refused(read_json("[{\"channel\":\"a\",\"data\":1},"
				 "{\"channel\":\"a\",\"data\":1,"
				 "\"id\":\"\\u0007\"}]"),
	    PROBLEM_BAD_ID, "event 1: the id holds a control character");
	assert_refused(read_json(
			   "{\"channel\":\"a\",\"data\":1,\"id\":\"\\ud800\"}"),
	    PROBLEM_BAD_ID,
	    "the id has half a surrogate pair, which is no character");
	assert_refused(read_type(MESSAGE_FORM, "channel=a&data=1&id="),
	    PROBLEM_BAD_ID, "the id is empty");
	assert_refused(read_type(MESSAGE_FORM, "channel=a&data=1&id=%23x"),
	    PROBLEM_BAD_ID, "the id begins with \"#\", which is reserved");
	assert_refused(read_spans(MESSAGE_RAW, SPAN("text"),
			   SPAN("channel=a&id=1779525621000-0")),
	    PROBLEM_BAD_ID,
	    "the id would be taken for a time or for an ID of peal's; begin it "
	    "with a letter");
}
END_TEST

UNIT_MAIN("message", content_types_are_told_apart_without_parameters_and_case,
    an_object_is_one_event, data_goes_byte_for_byte_less_white_space,
    a_missing_null_or_empty_topic_is_none,
    escapes_in_channel_and_topic_are_decoded,
    characters_may_stand_beside_escapes,
    names_spelled_with_escapes_are_the_same_names,
    a_name_with_a_nul_behind_it_is_another_name, unknown_members_are_ignored,
    of_duplicate_members_the_last_counts,
    several_channels_are_as_many_events_in_their_order,
    a_channel_named_twice_counts_once_at_its_first_place,
    one_channel_in_an_array_is_still_single,
    a_hundred_thousand_channels_are_parted_from_their_doubles,
    a_batch_keeps_its_order_and_its_doubles, a_batch_of_one_is_still_a_batch,
    an_empty_batch_is_refused, a_bad_event_in_a_batch_is_named_by_its_index,
    what_a_member_must_be_is_said, names_that_cannot_be_are_refused,
    half_a_surrogate_pair_names_no_channel_and_no_topic,
    an_escaped_backslash_before_u_is_no_surrogate,
    what_is_not_json_is_refused_with_the_byte,
    what_json_c_would_let_pass_is_refused,
    data_may_be_as_long_as_the_limit_after_compacting,
    ndjson_is_an_event_a_line_whatever_ends_it,
    a_bad_line_is_named_by_index_and_line, a_form_is_one_event,
    a_form_may_repeat_its_channel_in_both_spellings,
    of_a_forms_other_fields_the_last_counts,
    empty_pieces_of_a_form_are_passed_over, a_faulty_form_is_refused,
    a_raw_body_is_the_data_as_it_is, a_raw_body_may_hold_nul,
    a_raw_body_goes_to_every_channel_of_the_query, a_faulty_raw_body_is_refused,
    body_that_cannot_be_read_is_refused_by_name,
    publisher_gives_an_id_in_every_form, missing_or_null_id_is_none,
    id_that_cannot_be_one_is_refused)
