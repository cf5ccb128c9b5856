#include "unit.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"

struct text {
	const char *ptr;
	size_t len;
};

#define TEXT(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

/*
 * After the cases of JSONTestSuite (N. Seriot, "Parsing JSON is a Minefield"),
 * written anew.  Those that must be accepted: y_.
 */
static const struct text accepted[] = {
	/* Arrays. */
	TEXT("[[]   ]"),
	TEXT("[\"\"]"),
	TEXT("[]"),
	TEXT("[\"a\"]"),
	TEXT("[false]"),
	TEXT("[null, 1, \"1\", {}]"),
	TEXT("[null]"),
	TEXT("[1\n]"),
	TEXT(" [1]"),
	TEXT("[1,null,null,null,2]"),
	TEXT("[2] "),
	/* Numbers. */
	TEXT("[123e65]"),
	TEXT("[0e+1]"),
	TEXT("[0e1]"),
	TEXT("[ 4]"),
	TEXT("[-0.000000000000000000000000000000000000000000000000000001]\n"),
	TEXT("[20e1]"),
	TEXT("[-0]"),
	TEXT("[-123]"),
	TEXT("[-1]"),
	TEXT("[-0.0]"),
	TEXT("[1E22]"),
	TEXT("[1E-2]"),
	TEXT("[1E+2]"),
	TEXT("[123e45]"),
	TEXT("[123.456e78]"),
	TEXT("[1e-2]"),
	TEXT("[1e+2]"),
	TEXT("[123]"),
	TEXT("[123.456789]"),
	TEXT("[1e400]"),
	TEXT("[-1e9999]"),
	TEXT("[123123e100000]"),
	TEXT("[100000000000000000000]"),
	TEXT("[123.456e-789]"),
	TEXT("[0.4e0066999999999999999]"),
	TEXT("[1.5e+9999]"),
	TEXT("[-123123e100000]"),
	TEXT("[123e-10000000]"),
	TEXT("[-123123123123123123123123]"),
	TEXT("[123123123123123123123123]"),
	/* Objects. */
	TEXT("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"),
	TEXT("{\"asd\":\"sdf\"}"),
	TEXT("{\"a\":\"b\",\"a\":\"c\"}"),
	TEXT("{\"a\":\"b\",\"a\":\"b\"}"),
	TEXT("{}"),
	TEXT("{\"\":0}"),
	TEXT("{\"foo\\u0000bar\": 42}"),
	TEXT("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"),
	TEXT("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}]}"),
	TEXT("{\"a\":[]}"),
	TEXT("{\"t\":\"\\u041f\\u043e\\u043b\" }"),
	TEXT("{\n\"a\": \"b\"\n}"),
	/* Strings. */
	TEXT("[\"\\u0060\\u012a\\u12AB\"]"),
	TEXT("[\"\\uD801\\udc37\"]"),
	TEXT("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"),
	TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
	TEXT("[\"\\\\u0000\"]"),
	TEXT("[\"\\\"\"]"),
	TEXT("[\"a/*b*/c/*d//e\"]"),
	TEXT("[\"\\\\a\"]"),
	TEXT("[\"\\\\n\"]"),
	TEXT("[\"\\u0012\"]"),
	TEXT("[\"\\uFFFF\"]"),
	TEXT("[\"asd\"]"),
	TEXT("[ \"asd\"]"),
	TEXT("[\"new\\u00A0line\"]"),
	TEXT("[\"\xf4\x8f\xbf\xbf\"]"),
	TEXT("[\"\xef\xbf\xbf\"]"),
	TEXT("[\"\\u0000\"]"),
	TEXT("[\",\"]"),
	TEXT("[\"\xcf\x80\"]"),
	TEXT("[\"\xf0\x9b\xbf\xbf\"]"),
	TEXT("[\"asd \"]"),
	TEXT("\" \""),
	TEXT("[\"\xe2\x80\xa8\"]"),
	TEXT("[\"\xe2\x80\xa9\"]"),
	TEXT("[\"\\u0061\\u30af\\u30EA\\u30b9\"]"),
	TEXT("[\"new\\u000Aline\"]"),
	TEXT("[\"\x7f\"]"),
	TEXT("[\"\\uA66D\"]"),
	TEXT("[\"\\uDBFF\\uDFFF\"]"),
	TEXT("[\"\\u002c\"]"),
	TEXT("[\"\\uD834\\uDd1e\"]"),
	TEXT("[\"\\u0821\"]"),
	TEXT("[\"\\u0123\"]"),
	TEXT("[\"\\u005C\"]"),
	TEXT("[\"\\uDBFF\\uDFFE\"]"),
	TEXT("[\"\\uD83F\\uDFFE\"]"),
	TEXT("[\"\\u200B\"]"),
	TEXT("[\"\\u2064\"]"),
	TEXT("[\"\\uFDD0\"]"),
	TEXT("[\"\\uFFFE\"]"),
	TEXT("[\"\\u0022\"]"),
	TEXT("[\"\xe2\x82\xac\xf0\x9d\x84\x9e\"]"),
	TEXT("[\"\xe2\x8d\x82\xe3\x88\xb4\xe2\x8d\x82\"]"),
	TEXT("[\"a\x7f"
	     "a\"]"),
	/* Half surrogate pairs as escapes: the grammar lets them pass. */
	TEXT("[\"\\uDADA\"]"),
	TEXT("[\"\\uD888\\u1234\"]"),
	TEXT("[\"\\uDFAA\"]"),
	TEXT("{\"\\uDFAA\":0}"),
	TEXT("[\"\\uD800\\n\"]"),
	TEXT("[\"\\uDd1ea\"]"),
	TEXT("[\"\\uD800\\uD800\\n\"]"),
	TEXT("[\"\\ud800\"]"),
	TEXT("[\"\\ud800abc\"]"),
	TEXT("[\"\\uDd1e\\uD834\"]"),
	/* Alone, and with white space. */
	TEXT("false"),
	TEXT("42"),
	TEXT("-0.1"),
	TEXT("null"),
	TEXT("\"asd\""),
	TEXT("true"),
	TEXT("\"\""),
	TEXT("[\"a\"]\n"),
	TEXT("[true]"),
	TEXT(" [] "),
	TEXT("\t[\r\n]\n"),
};

/* Those that must be refused: n_. */
static const struct text refused[] = {
	/* Arrays. */
	TEXT("[1 true]"),
	TEXT("[a\xe5]"),
	TEXT("[\"\": 1]"),
	TEXT("[\"\"],"),
	TEXT("[,1]"),
	TEXT("[1,,2]"),
	TEXT("[\"x\",,]"),
	TEXT("[\"x\"]]"),
	TEXT("[\"\",]"),
	TEXT("[\"x\""),
	TEXT("[x"),
	TEXT("[3[4]]"),
	TEXT("[\xff]"),
	TEXT("[1:2]"),
	TEXT("[,]"),
	TEXT("[-]"),
	TEXT("[   , \"\"]"),
	TEXT("[\"a\",\n4\n,1,"),
	TEXT("[1,]"),
	TEXT("[1,,]"),
	TEXT("[\"\va\"\\f]"),
	TEXT("[*]"),
	TEXT("[\"\""),
	TEXT("[1,"),
	TEXT("[1,\n1\n,1"),
	TEXT("[{}"),
	TEXT("[1}"),
	TEXT("["),
	TEXT("]"),
	/* Words. */
	TEXT("[fals]"),
	TEXT("[nul]"),
	TEXT("[tru]"),
	TEXT("[True]"),
	TEXT("[TRUE]"),
	TEXT("nan"),
	TEXT("truex"),
	/* Numbers. */
	TEXT("[++1234]"),
	TEXT("[+1]"),
	TEXT("[+Inf]"),
	TEXT("[-01]"),
	TEXT("[-1.0.]"),
	TEXT("[-2.]"),
	TEXT("[-NaN]"),
	TEXT("[.-1]"),
	TEXT("[.2e-3]"),
	TEXT("[0.1.2]"),
	TEXT("[0.3e+]"),
	TEXT("[0.3e]"),
	TEXT("[0.e1]"),
	TEXT("[0E+]"),
	TEXT("[0E]"),
	TEXT("[0e]"),
	TEXT("[1.0e+]"),
	TEXT("[1.0e-]"),
	TEXT("[1.0e]"),
	TEXT("[1 000.0]"),
	TEXT("[1eE2]"),
	TEXT("[2.e+3]"),
	TEXT("[2.e3]"),
	TEXT("[9.e+]"),
	TEXT("[Inf]"),
	TEXT("[NaN]"),
	TEXT("[\xef\xbc\x91]"),
	TEXT("[1+2]"),
	TEXT("[0x1]"),
	TEXT("[0x42]"),
	TEXT("[Infinity]"),
	TEXT("[-Infinity]"),
	TEXT("[0e+-1]"),
	TEXT("[-123.123foo]"),
	TEXT("[123\xe5]"),
	TEXT("[1e1\xe5]"),
	TEXT("[-foo]"),
	TEXT("[- 1]"),
	TEXT("[-012]"),
	TEXT("[-.123]"),
	TEXT("[1.]"),
	TEXT("[.123]"),
	TEXT("[1.2a-3]"),
	TEXT("[1.8011670033376514H-308]"),
	TEXT("[2.e-3]"),
	TEXT("[0\xe5]"),
	TEXT("[-1x]"),
	TEXT("[1ea]"),
	TEXT("[1e\xe5]"),
	TEXT("123\0"),
	TEXT("[012]"),
	TEXT("-"),
	TEXT("1."),
	TEXT("1e"),
	/* Objects. */
	TEXT("[\"x\", truth]"),
	TEXT("{[: \"x\"}"),
	TEXT("{\"x\", null}"),
	TEXT("{\"x\"::\"b\"}"),
	TEXT("{\"a\":\"a\" 123}"),
	TEXT("{key: 'value'}"),
	TEXT("{\"\xb9\":\"0\",}"),
	TEXT("{\"a\" b}"),
	TEXT("{:\"b\"}"),
	TEXT("{\"a\" \"b\"}"),
	TEXT("{\"a\":"),
	TEXT("{\"a\""),
	TEXT("{1:1}"),
	TEXT("{9999E9999:1}"),
	TEXT("{null:null,null:null}"),
	TEXT("{\"id\":0,,,,,}"),
	TEXT("{'a':0}"),
	TEXT("{\"id\":0,}"),
	TEXT("{\"a\":\"b\"}/**/"),
	TEXT("{\"a\":\"b\"}/**//"),
	TEXT("{\"a\":\"b\"}//"),
	TEXT("{\"a\":\"b\"}/"),
	TEXT("{\"a\":\"b\",,\"c\":\"d\"}"),
	TEXT("{a: \"b\"}"),
	TEXT("{\"a\":\"a"),
	TEXT("{ \"foo\" : \"bar\", \"a\" }"),
	TEXT("{\"a\":\"b\"}#"),
	TEXT("{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}"),
	TEXT("{"),
	TEXT("{,"),
	TEXT("{]"),
	/* Strings. */
	TEXT("[\"\\uD800\\\"]"),
	TEXT("[\"\\uD800\\u\"]"),
	TEXT("[\"\\uD800\\u1\"]"),
	TEXT("[\"\\uD800\\u1x\"]"),
	TEXT("[\xc3\xa9]"),
	TEXT("[\"\\\0\"]"),
	TEXT("[\"\\x00\"]"),
	TEXT("[\"\\\\\\\"]"),
	TEXT("[\"\\\t\"]"),
	TEXT("[\"\\\xf0\x9f\x8c\x80\"]"),
	TEXT("[\"\\\"]"),
	TEXT("[\"\\u00A\"]"),
	TEXT("[\"\\uD834\\uDd\"]"),
	TEXT("[\"\\uD800\\uD800\\x\"]"),
	TEXT("[\"\\u\xe5\"]"),
	TEXT("[\"\\a\"]"),
	TEXT("[\"\\uqqqq\"]"),
	TEXT("[\"\\\xe5\"]"),
	TEXT("[\\u0020\"asd\"]"),
	TEXT("[\\n]"),
	TEXT("\""),
	TEXT("['single quote']"),
	TEXT("abc"),
	TEXT("[\"\\"),
	TEXT("[\"a\0a\"]"),
	TEXT("[\"new\nline\"]"),
	TEXT("[\"\t\"]"),
	TEXT("[\"\x1f\"]"),
	TEXT("\"\\UA66D\""),
	TEXT("\"\"x"),
	/* Not UTF-8. */
	TEXT("[\"\xff\"]"),
	TEXT("[\"\xe0\x80\x80\"]"),
	TEXT("[\"\xc0\xaf\"]"),
	TEXT("[\"\xed\xa0\x80\"]"),
	TEXT("[\"\xf4\xbf\xbf\xbf\"]"),
	TEXT("[\"\xfc\x83\xbf\xbf\xbf\xbf\"]"),
	TEXT("[\"\x81\"]"),
	TEXT("[\"\xe9\"]"),
	TEXT("[\"\xe6\x97\xa5\xd1\x88\xfa\"]"),
	TEXT("[\"\xfc\x80\x80\x80\x80\x80\"]"),
	TEXT("[\"\xe0\xff\"]"),
	TEXT("\0[\0\"\0\xe9\0\"\0]"),
	TEXT("[\0\"\0\xe9\0\"\0]\0"),
	TEXT("\xff\xfe[\0\"\0\xe9\0\"\0]\0"),
	/* Structure. */
	TEXT("<.>"),
	TEXT("[<null>]"),
	TEXT("[1]x"),
	TEXT("[1]]"),
	TEXT("[\"asd]"),
	TEXT("a\xc3\xa5"),
	TEXT("[True]"),
	TEXT("1]"),
	TEXT("{\"x\": true,"),
	TEXT("[][]"),
	TEXT("\xef\xbb\xbf{}"),
	TEXT("\xe5"),
	TEXT("[\0]"),
	TEXT("2@"),
	TEXT("{}}"),
	TEXT("{\"\":"),
	TEXT("{\"a\":/*comment*/\"b\"}"),
	TEXT("{\"a\": true} \"x\""),
	TEXT("['"),
	TEXT("[\"a"),
	TEXT("[{\"\":[{\"\":["),
	TEXT("{\"a\""),
	TEXT("{'a'"),
	TEXT("*"),
	TEXT("{\"a\":\"b\"}#{}"),
	TEXT("[\\u000A\"\"]"),
	TEXT("[1"),
	TEXT("[ false, nul"),
	TEXT("[ true, fals"),
	TEXT("[ false, tru"),
	TEXT("{\"asd\":\"asd\""),
	TEXT("\xc3\xa5"),
	TEXT("[\xe2\x81\xa0]"),
	TEXT("\xef\xbb\xbf"),
	TEXT("[\f]"),
	TEXT("[\v1]"),
	TEXT("[\xc2\xa0]"),
	TEXT("\xef\xbb{}"),
	TEXT("[,"),
	TEXT("[{"),
	TEXT("{["),
	TEXT("{\"a"),
	TEXT("[\"\\{[\"\\{[\"\\{"),
	TEXT("\xe9"),
	TEXT(" "),
};

static bool
is_json(struct span text)
{
	struct span value;

	return json_value(&text, &value) == 0 && span_trim(text).len == 0;
}

/* The text of a value in a block of its own, so that no read goes past it. */
static struct span
copy_of(struct text text)
{
	char *copy = malloc(text.len == 0 ? 1 : text.len);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text.ptr, text.len);
	return (struct span){ copy, text.len };
}

static void
assert_compact(const char *text, const char *expected)
{
	struct span rest = span_of(text);
	struct span value;
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(json_value(&rest, &value), 0);
	json_compact(&out, value);
	ck_assert_int_eq(buf_error(&out), 0);
	unit_assert_span(buf_span(&out), expected);
	buf_fini(&out);
}

START_TEST(what_rfc_8259_accepts_is_accepted)
{
	for (size_t i = 0; i < UNIT_COUNT(accepted); i++) {
		struct span text = copy_of(accepted[i]);

		bool json = is_json(text);

		ck_assert_msg(json, "%s", accepted[i].ptr);
		free((void *)(uintptr_t)text.ptr);
	}
}
END_TEST

START_TEST(what_rfc_8259_refuses_is_refused)
{
	for (size_t i = 0; i < UNIT_COUNT(refused); i++) {
		struct span text = copy_of(refused[i]);

		bool json = is_json(text);

		ck_assert_msg(!json, "%s", refused[i].ptr);
		free((void *)(uintptr_t)text.ptr);
	}
}
END_TEST

START_TEST(every_true_prefix_of_an_object_is_refused)
{
	const struct text whole =
	    TEXT("{\"a\":[1.5e+3,\"\\u00e9\xc3\xa9\",null,{}],\"b\":true}");

	for (size_t len = 0; len < whole.len; len++) {
		struct span text = copy_of((struct text){ whole.ptr, len });

		bool json = is_json(text);

		ck_assert_msg(!json, "the first %zu bytes", len);
		free((void *)(uintptr_t)text.ptr);
	}
}
END_TEST

START_TEST(nothing_but_white_space_is_no_data)
{
	struct span empty = SPAN("");
	struct span none = { NULL, 0 };
	struct span spaces = SPAN(" \t\r\n");
	struct span value;

	ck_assert_int_eq(json_value(&empty, &value), -ENODATA);
	ck_assert_int_eq(json_value(&none, &value), -ENODATA);
	ck_assert_int_eq(json_value(&spaces, &value), -ENODATA);
}
END_TEST

START_TEST(a_value_is_cut_off_and_what_follows_stays)
{
	struct span rest = SPAN("  [1, 2] {\"a\":3}x");
	struct span first;
	struct span second;

	ck_assert_int_eq(json_value(&rest, &first), 0);
	unit_assert_span(rest, " {\"a\":3}x");
	ck_assert_int_eq(json_value(&rest, &second), 0);

	unit_assert_span(first, "[1, 2]");
	unit_assert_span(second, "{\"a\":3}");
	unit_assert_span(rest, "x");
}
END_TEST

START_TEST(a_fault_leaves_the_rest_at_the_offending_byte)
{
	static const struct {
		const char *text;
		const char *rest;
	} cases[] = {
		{ "{\"a\":truth}", "th}" },
		{ "[1,]", "]" },
		{ "  x", "x" },
		{ "[\"a\nb\"]", "\nb\"]" },
		{ "[\"\\q\"]", "q\"]" },
		{ "[\"\\u12g4\"]", "g4\"]" },
		{ "{\"a\":1,}", "}" },
		{ "[1.]", "]" },
		{ "[01]", "1]" },
		{ "[\"\xc3\xa9\xff\"]", "\xff\"]" },
		{ "[\"\xe2\x82\"]", "\xe2\x82\"]" },
		{ "[1", "" },
		{ "\"abc", "" },
		{ "{\"a\" 1}", "1}" },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct span rest = span_of(cases[i].text);
		struct span value;

		int error = json_value(&rest, &value);

		ck_assert_int_eq(error, -EINVAL);
		unit_assert_span(rest, cases[i].rest);
	}
}
END_TEST

/* depth opening brackets and as many closing ones. */
static struct span
nested(const char *open, const char *close, size_t depth, struct buf *out)
{
	for (size_t i = 0; i < depth; i++)
		buf_put_cstr(out, open);
	for (size_t i = 0; i < depth; i++)
		buf_put_cstr(out, close);
	return buf_span(out);
}

START_TEST(sixty_four_levels_pass_and_one_more_does_not)
{
	struct buf fits;
	struct buf deep;
	struct span value;

	buf_init(&fits);
	buf_init(&deep);
	struct span fitting = nested("[", "]", JSON_DEPTH_MAX, &fits);
	struct span over = nested("[", "]", JSON_DEPTH_MAX + 1, &deep);

	ck_assert_int_eq(json_value(&fitting, &value), 0);
	ck_assert_uint_eq(value.len, 128);
	ck_assert_int_eq(json_value(&over, &value), -ELOOP);
	buf_fini(&fits);
	buf_fini(&deep);
}
END_TEST

START_TEST(objects_count_as_levels_like_arrays)
{
	struct buf fits;
	struct buf deep;
	struct span value;

	buf_init(&fits);
	buf_init(&deep);
	struct span fitting = nested("[{\"a\":", "", 31, &fits);
	buf_put_cstr(&fits, "[{}]");
	fitting = nested("", "}]", 31, &fits);
	struct span over = nested("[{\"a\":", "}]", 33, &deep);

	ck_assert_int_eq(json_value(&fitting, &value), 0);
	ck_assert_int_eq(json_value(&over, &value), -ELOOP);
	buf_fini(&fits);
	buf_fini(&deep);
}
END_TEST

START_TEST(a_hundred_thousand_brackets_need_no_stack)
{
	struct buf text;
	struct span value;

	buf_init(&text);
	struct span rest = nested("[", "", 100000, &text);

	ck_assert_int_eq(json_value(&rest, &value), -ELOOP);
	buf_fini(&text);
}
END_TEST

START_TEST(a_bracket_must_close_the_one_it_fits)
{
	struct span rest = SPAN("[{\"a\":[1}]}");
	struct span value;

	int error = json_value(&rest, &value);

	ck_assert_int_eq(error, -EINVAL);
	unit_assert_span(rest, "}]}");
}
END_TEST

START_TEST(an_objects_members_are_walked_as_they_were_sent)
{
	const struct span object = SPAN("{ \"a\" : 1 , \"d\\u0061\\\"\":[1, "
					"{\"x\":\"]}\"}] ,\"\":\"\\\\\"\n}");
	struct span name;
	struct span value;
	size_t at = 0;

	ck_assert_int_eq(json_next(object, &at, &name, &value), 1);
	unit_assert_span(name, "\"a\"");
	unit_assert_span(value, "1");
	ck_assert_int_eq(json_next(object, &at, &name, &value), 1);
	unit_assert_span(name, "\"d\\u0061\\\"\"");
	unit_assert_span(value, "[1, {\"x\":\"]}\"}]");
	ck_assert_int_eq(json_next(object, &at, &name, &value), 1);
	unit_assert_span(name, "\"\"");
	unit_assert_span(value, "\"\\\\\"");
	ck_assert_int_eq(json_next(object, &at, &name, &value), 0);
	ck_assert_int_eq(json_next(object, &at, &name, &value), 0);
}
END_TEST

START_TEST(an_arrays_elements_have_no_name)
{
	const struct span array = SPAN("[null,{} ,[] , -1e5, \",\"]");
	static const char *const values[] = { "null", "{}", "[]", "-1e5",
		"\",\"" };
	struct span name;
	struct span value;
	size_t at = 0;

	for (size_t i = 0; i < UNIT_COUNT(values); i++) {
		ck_assert_int_eq(json_next(array, &at, &name, &value), 1);
		ck_assert_uint_eq(name.len, 0);
		unit_assert_span(value, values[i]);
	}
	ck_assert_int_eq(json_next(array, &at, &name, &value), 0);
}
END_TEST

START_TEST(an_empty_container_and_a_scalar_have_nothing_to_walk)
{
	struct span name;
	struct span value;
	size_t at;

	at = 0;
	ck_assert_int_eq(json_next(SPAN("{ }"), &at, &name, &value), 0);
	at = 0;
	ck_assert_int_eq(json_next(SPAN("[]"), &at, &name, &value), 0);
	at = 0;
	ck_assert_int_eq(json_next(SPAN("\"[1]\""), &at, &name, &value), 0);
	at = 0;
	ck_assert_int_eq(json_next(SPAN("1"), &at, &name, &value), 0);
}
END_TEST

START_TEST(compacting_drops_white_space_between_tokens_only)
{
	assert_compact(" { \"a b\" :\t[ 1 ,\r\n2 , \" x \\\" y \" ] } ",
	    "{\"a b\":[1,2,\" x \\\" y \"]}");
	assert_compact(" \" \\\\\" ", "\" \\\\\"");
	assert_compact("\n7\n", "7");
	assert_compact("[ ]", "[]");
}
END_TEST

START_TEST(numbers_and_escapes_go_byte_for_byte)
{
	static const char *const values[] = {
		"1.0",
		"-0",
		"1e400",
		"1E+05",
		"12345678901234567890123",
		"0.1000000000000000055511151231257827",
		"\"\\u00e9\"",
		"\"\\u00E9\\/\\ud800\"",
		"\"\xc3\xa9\x7f\"",
		"{\"a\":1,\"a\":2}",
	};

	for (size_t i = 0; i < UNIT_COUNT(values); i++)
		assert_compact(values[i], values[i]);
}
END_TEST

START_TEST(compacting_appends_to_what_is_there)
{
	struct buf out;

	buf_init(&out);
	buf_put_cstr(&out, "x");
	json_compact(&out, SPAN("[ 1 ]"));

	unit_assert_span(buf_span(&out), "x[1]");
	buf_fini(&out);
}
END_TEST

START_TEST(strings_are_decoded)
{
	static const struct {
		const char *string;
		struct span said;
	} rows[] = {
		{ "\"\"", { "", 0 } },
		{ "\"a b\"", { "a b", 3 } },
		{ "\"\xc3\xa9\"", { "\xc3\xa9", 2 } },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", { "\"\\/\b\f\n\r\t", 8 } },
		{ "\"\\u0041\\u00e9\\u20AC\"", { "A\xc3\xa9\xe2\x82\xac", 6 } },
		{ "\"a\\u0000b\"", { "a\0b", 3 } },
		{ "\"\\ud83d\\ude00\"", { "\xf0\x9f\x98\x80", 4 } },
		{ "\"x\\ud83d\"", { "x\xef\xbf\xbd", 4 } },
		{ "\"\\ude00x\"", { "\xef\xbf\xbdx", 4 } },
		{ "\"\x7f\xc3\xa9\\n\"", { "\x7f\xc3\xa9\n", 4 } },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf out = { 0 };
		struct span said = rows[i].said;
		buf_put_char(&out, '>');

		ck_assert_int_eq(json_decode(&out, span_of(rows[i].string)), 0);

		ck_assert_msg(out.len == 1 + said.len &&
			memcmp(out.ptr + 1, said.ptr, said.len) == 0,
		    "%s is \"%.*s\"", rows[i].string, (int)out.len, out.ptr);
		ck_assert_int_eq(json_equal(span_of(rows[i].string), said), 1);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(string_equals_what_it_says_and_nothing_else)
{
	static const struct {
		const char *string;
		struct span text;
	} rows[] = {
		{ "\"a\"", { "b", 1 } },
		{ "\"a\"", { "", 0 } },
		{ "\"\"", { "a", 1 } },
		{ "\"data\"", { "dat", 3 } },
		{ "\"dat\"", { "data", 4 } },
		/* The text of the string, and not what it says. */
		{ "\"\\n\"", { "\\n", 2 } },
		{ "\"\\u0064ata\"", { "dat!", 4 } },
		{ "\"\\u0064\\u0061\\u0074\\u0061\\u0021\"", { "data", 4 } },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_int_eq(json_equal(span_of(rows[i].string),
				     rows[i].text),
		    0);
	ck_assert_int_eq(json_equal(SPAN("\"d\\u0061ta\""), SPAN("data")), 1);
}
END_TEST

START_TEST(member_is_found_by_its_name)
{
	static const struct span object =
	    SPAN("{\"id\":\"1-2\",\"n\" : 30 ,\"o\":{\"x\":1,\"deep\":2},"
		 "\"s\":\"\\\"id\\\":5\",\"twice\":1,\"twice\":2,"
		 "\"esc\\u0061pe\":true}");
	static const struct {
		const char *name;
		const char *value;
	} rows[] = {
		{ "id", "\"1-2\"" },
		{ "n", "30" },
		{ "o", "{\"x\":1,\"deep\":2}" },
		{ "twice", "2" },
		{ "escape", "true" },
		{ "deep", NULL },
		{ "", NULL },
		{ "esc\\u0061pe", NULL },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct span value = SPAN("untouched");

		int rc = json_find(object, span_of(rows[i].name), &value);

		ck_assert_int_eq(rc, rows[i].value == NULL ? -ENOENT : 0);
		unit_assert_span(value,
		    rows[i].value == NULL ? "untouched" : rows[i].value);
	}
}
END_TEST

START_TEST(what_is_no_object_has_no_members)
{
	static const char *const rows[] = { "", "{}", "[\"id\",1]", "\"id\"",
		"1" };

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct span value;
		ck_assert_int_eq(json_find(span_of(rows[i]), SPAN("id"),
				     &value),
		    -ENOENT);
	}
}
END_TEST

START_TEST(half_a_surrogate_pair_is_seen_and_a_whole_one_is_not)
{
	static const char *const halves[] = { "\"\\ud800\"", "\"\\uDFFFx\"",
		"\"\\ud800\\ud800\"", "\"\\udc00\\ud800\"", "\"\\uDBFF\\n\"",
		"\"\\ud83d\\ude00\\ud83d\"" };
	static const char *const whole[] = { "\"\"", "\"\\ud83d\\uDE00\"",
		"\"\\\\ud800\"", "\"\\ud7ff\\ue000\"", "\"\\\"\"" };

	for (size_t i = 0; i < UNIT_COUNT(halves); i++)
		ck_assert_msg(json_has_half_pair(span_of(halves[i])), "%s",
		    halves[i]);
	for (size_t i = 0; i < UNIT_COUNT(whole); i++)
		ck_assert_msg(!json_has_half_pair(span_of(whole[i])), "%s",
		    whole[i]);
}
END_TEST

/* A generator of JSON: the same value with random white space, and without. */
struct generator {
	uint64_t state;
	struct buf spaced;
	struct buf compact;
};

/* xorshift64* */
static uint64_t
draw(struct generator *g, uint64_t below)
{
	g->state ^= g->state >> 12;
	g->state ^= g->state << 25;
	g->state ^= g->state >> 27;
	return (g->state * UINT64_C(2685821657736338717) >> 32) % below;
}

static void
put_space(struct generator *g)
{
	while (draw(g, 3) == 0)
		buf_put_char(&g->spaced, " \t\r\n"[draw(g, 4)]);
}

static void
put_token(struct generator *g, const char *token)
{
	put_space(g);
	buf_put_cstr(&g->spaced, token);
	buf_put_cstr(&g->compact, token);
	put_space(g);
}

static void
put_string(struct generator *g)
{
	static const char *const pieces[] = { "a", " ", "  ", "\\\"", "\\\\",
		"\\u00e9", "\\n", "{", "]", ",", ":", "\xc3\xa9",
		"\xf0\x9f\x98\x80", "\\ud83d\\ude00", "/" };
	char token[256] = "\"";

	for (uint64_t n = draw(g, 12); n > 0; n--)
		strcat(token, pieces[draw(g, UNIT_COUNT(pieces))]);
	strcat(token, "\"");
	put_token(g, token);
}

static void
put_number(struct generator *g)
{
	static const char *const numbers[] = { "0", "-0", "1.0", "1e400",
		"-12.50E-7", "12345678901234567890123", "0e+0" };

	put_token(g, numbers[draw(g, UNIT_COUNT(numbers))]);
}

static void
put_value(struct generator *g, unsigned depth)
{
	static const char *const words[] = { "true", "false", "null" };
	uint64_t kind = draw(g, depth < 6 ? 6 : 3);
	uint64_t members = draw(g, 5);

	switch (kind) {
	case 0:
		put_string(g);
		return;
	case 1:
		put_number(g);
		return;
	case 2:
		put_token(g, words[draw(g, UNIT_COUNT(words))]);
		return;
	default:
		break;
	}
	put_token(g, kind == 3 ? "[" : "{");
	for (uint64_t i = 0; i < members; i++) {
		if (i > 0)
			put_token(g, ",");
		if (kind != 3) {
			put_string(g);
			put_token(g, ":");
		}
		put_value(g, depth + 1);
	}
	put_token(g, kind == 3 ? "]" : "}");
}

START_TEST(random_values_compact_to_what_was_generated)
{
	uint64_t seed = (uint64_t)time(NULL);
	struct generator g = { .state = seed | 1 };

	printf("check_jsontext: seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < 5000; i++) {
		struct span value;
		struct buf out;
		buf_init(&out);
		buf_clear(&g.spaced);
		buf_clear(&g.compact);
		put_value(&g, 0);
		struct span rest = buf_span(&g.spaced);

		int error = json_value(&rest, &value);
		json_compact(&out, value);

		ck_assert_int_eq(error, 0);
		ck_assert_uint_eq(span_trim(rest).len, 0);
		ck_assert(span_equal(buf_span(&out), buf_span(&g.compact)));
		buf_fini(&out);
	}
	buf_fini(&g.spaced);
	buf_fini(&g.compact);
}
END_TEST

/* Whatever the bytes: no read out of bounds, and rest lies within the text. */
START_TEST(random_damage_is_refused_or_stays_walkable)
{
	uint64_t seed = (uint64_t)time(NULL);
	struct generator g = { .state = seed | 1 };

	printf("check_jsontext: seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < 5000; i++) {
		struct span name;
		struct span value;
		size_t at = 0;
		buf_clear(&g.spaced);
		buf_clear(&g.compact);
		put_value(&g, 0);
		char *copy = malloc(g.spaced.len);
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, g.spaced.ptr, g.spaced.len);
		for (uint64_t n = 1 + draw(&g, 3); n > 0; n--)
			copy[draw(&g, g.spaced.len)] = (char)draw(&g, 256);
		struct span rest = { copy, g.spaced.len };

		int error = json_value(&rest, &value);

		ck_assert(rest.ptr + rest.len == copy + g.spaced.len);
		struct span member;
		while (error == 0 && json_next(value, &at, &name, &member))
			ck_assert(is_json(member));
		free(copy);
	}
	buf_fini(&g.spaced);
	buf_fini(&g.compact);
}
END_TEST

UNIT_MAIN("jsontext", what_rfc_8259_accepts_is_accepted,
    what_rfc_8259_refuses_is_refused, every_true_prefix_of_an_object_is_refused,
    nothing_but_white_space_is_no_data,
    a_value_is_cut_off_and_what_follows_stays,
    a_fault_leaves_the_rest_at_the_offending_byte,
    sixty_four_levels_pass_and_one_more_does_not,
    objects_count_as_levels_like_arrays,
    a_hundred_thousand_brackets_need_no_stack,
    a_bracket_must_close_the_one_it_fits,
    an_objects_members_are_walked_as_they_were_sent,
    an_arrays_elements_have_no_name,
    an_empty_container_and_a_scalar_have_nothing_to_walk,
    compacting_drops_white_space_between_tokens_only,
    numbers_and_escapes_go_byte_for_byte, compacting_appends_to_what_is_there,
    strings_are_decoded, string_equals_what_it_says_and_nothing_else,
    member_is_found_by_its_name, what_is_no_object_has_no_members,
    half_a_surrogate_pair_is_seen_and_a_whole_one_is_not,
    random_values_compact_to_what_was_generated,
    random_damage_is_refused_or_stays_walkable)
