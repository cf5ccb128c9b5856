#include "unit.h"

#include <float.h>

#include "base/event.h"
#include "base/json_writer.h"

START_TEST(members_are_separated_by_commas_at_every_depth)
{
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };

	json_writer_begin(&w, NULL, '{');
	json_writer_begin(&w, "o", '{');
	json_writer_begin(&w, "empty", '[');
	json_writer_end(&w, ']');
	json_writer_u64(&w, "n", UINT64_MAX);
	json_writer_end(&w, '}');
	json_writer_begin(&w, "a", '[');
	json_writer_begin(&w, NULL, '{');
	json_writer_end(&w, '}');
	json_writer_begin(&w, NULL, '{');
	json_writer_null(&w, "x");
	json_writer_real(&w, "y", -1.5);
	json_writer_bool(&w, "t", true);
	json_writer_bool(&w, "f", false);
	json_writer_end(&w, '}');
	json_writer_id(&w, NULL, event_id_make(7, 3));
	json_writer_string(&w, NULL, SPAN("s"));
	json_writer_end(&w, ']');
	json_writer_end(&w, '}');

	unit_assert_span(buf_span(&b),
	    "{\"o\":{\"empty\":[],\"n\":18446744073709551615},"
	    "\"a\":[{},{\"x\":null,\"y\":-1.500000,"
	    "\"t\":true,\"f\":false},\"7-3\",\"s\"]}");
	buf_fini(&b);
}
END_TEST

START_TEST(value_of_a_named_member_may_be_put_by_hand)
{
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };

	json_writer_begin(&w, NULL, '{');
	json_writer_name(&w, "data");
	buf_put(&b, SPAN("[1]"));
	json_writer_u64(&w, "n", 2);
	json_writer_end(&w, '}');

	unit_assert_span(buf_span(&b), "{\"data\":[1],\"n\":2}");
	buf_fini(&b);
}
END_TEST

START_TEST(names_are_escaped_too)
{
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };

	json_writer_u64(&w, "a\"b", 1);

	unit_assert_span(buf_span(&b), "\"a\\\"b\":1");
	buf_fini(&b);
}
END_TEST

START_TEST(a_line_begins_behind_a_comma_and_nowhere_else)
{
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };

	json_writer_begin(&w, NULL, '[');
	json_writer_line(&w);
	json_writer_u64(&w, NULL, 1);
	json_writer_line(&w);
	json_writer_u64(&w, NULL, 2);
	json_writer_end(&w, ']');

	unit_assert_span(buf_span(&b), "[1,\n2]");
	buf_fini(&b);
}
END_TEST

START_TEST(what_was_taken_out_of_the_buf_is_remembered)
{
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };

	json_writer_begin(&w, NULL, '[');
	json_writer_u64(&w, NULL, 1);
	buf_clear(&b);
	json_writer_u64(&w, NULL, 2);

	unit_assert_span(buf_span(&b), ",2");
	buf_fini(&b);
}
END_TEST

START_TEST(greatest_real_number_is_written_whole)
{
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };

	json_writer_real(&w, NULL, -DBL_MAX);

	ck_assert_uint_eq(b.len, 1 + 309 + 1 + 6);
	buf_fini(&b);
}
END_TEST

START_TEST(string_is_quoted_escaped_and_valid)
{
	static const struct {
		struct span text;
		const char *json;
	} rows[] = {
		{ { "", 0 }, "\"\"" },
		{ { NULL, 0 }, "\"\"" },
		{ { "plain", 5 }, "\"plain\"" },
		{ { "\"", 1 }, "\"\\\"\"" },
		{ { "a\\b", 3 }, "\"a\\\\b\"" },
		{ { "/", 1 }, "\"/\"" },
		{ { "\n\r\t", 3 }, "\"\\n\\r\\t\"" },
		{ { "a\0b", 3 }, "\"a\\u0000b\"" },
		{ { "\x1f\x7f", 2 }, "\"\\u001f\\u007f\"" },
		{ { "\xe2\x82\xac", 3 }, "\"\xe2\x82\xac\"" },
		{ { "\xf0\x9f\x98\x80", 4 }, "\"\xf0\x9f\x98\x80\"" },
		{ { "\xff", 1 }, "\"\xef\xbf\xbd\"" },
		{ { "a\xff"
		    "b",
		      3 },
		    "\"a\xef\xbf\xbd"
		    "b\"" },
		{ { "a\xc3\"", 3 }, "\"a\xef\xbf\xbd\\\"\"" },
		{ { "\xe2\x82\xac", 1 }, "\"\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf b = { 0 };
		struct json_writer w = { .out = &b };

		json_writer_string(&w, NULL, rows[i].text);

		unit_assert_span(buf_span(&b), rows[i].json);
		buf_fini(&b);
	}
}
END_TEST

START_TEST(string_of_any_byte_is_utf8_without_controls)
{
	for (int c = 0; c < 256; c++) {
		struct buf b = { 0 };
		struct json_writer w = { .out = &b };
		char byte = (char)c;

		json_writer_string(&w, NULL, (struct span){ &byte, 1 });

		ck_assert(span_is_utf8(buf_span(&b)));
		ck_assert(!span_has_control(buf_span(&b)));
		buf_fini(&b);
	}
}
END_TEST

START_TEST(byte_among_letters_is_escaped_as_it_is_alone)
{
	for (int c = 0; c < 256; c++) {
		struct buf alone = { 0 };
		struct buf among = { 0 };
		struct json_writer w[] = { { .out = &alone },
			{ .out = &among } };
		char bytes[] = { 'a', (char)c, 'z' };

		json_writer_string(&w[0], NULL, (struct span){ bytes + 1, 1 });
		json_writer_string(&w[1], NULL, (struct span){ bytes, 3 });

		ck_assert_uint_eq(among.len, alone.len + 2);
		ck_assert_mem_eq(among.ptr + 2, alone.ptr + 1, alone.len - 2);
		buf_fini(&alone);
		buf_fini(&among);
	}
}
END_TEST

UNIT_MAIN("json_writer", members_are_separated_by_commas_at_every_depth,
    value_of_a_named_member_may_be_put_by_hand, names_are_escaped_too,
    a_line_begins_behind_a_comma_and_nowhere_else,
    what_was_taken_out_of_the_buf_is_remembered,
    greatest_real_number_is_written_whole, string_is_quoted_escaped_and_valid,
    string_of_any_byte_is_utf8_without_controls,
    byte_among_letters_is_escaped_as_it_is_alone)
