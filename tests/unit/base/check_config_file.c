#include "unit.h"

#include "base/config_file.h"

/* value NULL: none */
static void
assert_line(const char *text, const char *name, const char *value)
{
	struct span got_name;
	struct span got_value;

	const char *fault =
	    config_file_line(span_of(text), &got_name, &got_value);

	ck_assert_msg(fault == NULL, "%s: %s", text, fault);
	unit_assert_span(got_name, name);
	ck_assert_msg((got_value.ptr == NULL) == (value == NULL), "%s", text);
	unit_assert_span(got_value, value == NULL ? "" : value);
}

static void
assert_fault(struct span text, const char *expected)
{
	struct span name;
	struct span value;

	const char *fault = config_file_line(text, &name, &value);

	ck_assert_pstr_eq(fault, expected);
}

START_TEST(a_line_is_a_name_and_a_value)
{
	assert_line("max-age 20m", "max-age", "20m");
	assert_line("\t max-age\t 20m \r", "max-age", "20m");
	assert_line("roles subscribe  publish", "roles", "subscribe  publish");
	assert_line("a b\"c\"", "a", "b\"c\"");
}
END_TEST

START_TEST(blank_lines_and_comments_hold_nothing)
{
	assert_line("", "", NULL);
	assert_line(" \t\r", "", NULL);
	assert_line("# max-age 20m", "", NULL);
	assert_line("  #", "", NULL);
}
END_TEST

START_TEST(a_comment_begins_after_white_space_only)
{
	assert_line("a b # c", "a", "b");
	assert_line("a b\t#c", "a", "b");
	assert_line("a b#c # d # e", "a", "b#c");
	assert_line("a #b", "a", NULL);
	assert_line("a#b c", "a#b", "c");
}
END_TEST

START_TEST(a_name_may_stand_alone)
{
	assert_line("syslog", "syslog", NULL);
	assert_line("syslog  ", "syslog", NULL);
}
END_TEST

START_TEST(in_quotes_nothing_else_has_a_meaning)
{
	assert_line("a \"b # c\"", "a", "b # c");
	assert_line("a \" b \" # c", "a", " b ");
	assert_line("a \"\"", "a", "");
	assert_line("a \"b\\\"\t", "a", "b\\");
}
END_TEST

START_TEST(a_faulty_line_is_told)
{
	assert_fault(SPAN("a \"b"), "a quotation mark is not closed");
	assert_fault(SPAN("a \""), "a quotation mark is not closed");
	assert_fault(SPAN("a \"b\" c"), "something follows the quoted value");
	assert_fault(SPAN("a \"b\"c"), "something follows the quoted value");
	assert_fault(SPAN("a \"b\"#c"), "something follows the quoted value");
	assert_fault(SPAN("a b\0c"), "there is a NUL byte");
}
END_TEST

UNIT_MAIN("conf", a_line_is_a_name_and_a_value,
    blank_lines_and_comments_hold_nothing,
    a_comment_begins_after_white_space_only, a_name_may_stand_alone,
    in_quotes_nothing_else_has_a_meaning, a_faulty_line_is_told)
