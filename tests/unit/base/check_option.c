#include "unit.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"

struct target {
	uint32_t number;
	bool flag;
	char *name;
};

static void
say_word(struct buf *text)
{
	buf_put(text, SPAN("said"));
}

#define AT(member) .offset = offsetof(struct target, member)

static const struct option rows[] = {
	{ "number", "N", option_type_number, AT(number), .max = 10,
	    .initial = "7", .help = "how many" },
	{ "flag", NULL, option_type_flag, AT(flag), .help = "whether" },
	{ "name", "WORD", option_type_name, AT(name), .shown = "none",
	    .help = "what it is called" },
	{ "long", "VALUE", option_type_name, AT(name),
	    .shown = "a default of which it takes a line to tell",
	    .help = "an option with so much help" },
	{ "help", NULL, .say = say_word, .local = true, .help = "say it" },
};

static const struct option_table words = { rows, UNIT_COUNT(rows), true };
static const struct option_table no_words = { rows, UNIT_COUNT(rows), false };

/* What a test reads into. */
struct setup {
	struct target target;
	struct buf text;
	char **owned;
	size_t owned_count;
	struct option_place place;
};

static void
setup_init(struct setup *s)
{
	*s = (struct setup){ 0 };
	s->place = (struct option_place){ .program = "program",
		.text = &s->text,
		.owned = &s->owned,
		.owned_count = &s->owned_count };
}

static void
setup_fini(struct setup *s)
{
	for (size_t i = 0; i < s->owned_count; i++)
		free(s->owned[i]);
	free(s->owned);
	buf_fini(&s->text);
}

/* "OPTION=VALUE;" each, "=WORD;" a word, "OPTION;" alone; then what was told. */
static void
assert_read(const struct option_table *t, const char *want, ...)
{
	const char *argv[8] = { "program" };
	struct option_arguments arguments = { 1, (char **)(uintptr_t)argv, 1 };
	struct setup s;
	struct buf got = { 0 };
	const struct option *row;
	const char *value;
	va_list more;
	int rc;

	setup_init(&s);
	va_start(more, want);
	for (const char *a; (a = va_arg(more, const char *)) != NULL;)
		argv[arguments.argc++] = a;
	va_end(more);
	while ((rc = option_next(t, &s.place, &arguments, &row, &value)) == 1) {
		buf_put_cstr(&got, row == NULL ? "" : row->name);
		buf_put_cstr(&got, value == NULL ? "" : "=");
		buf_put_cstr(&got, value == NULL ? "" : value);
		buf_put_char(&got, ';');
	}
	ck_assert_int_eq(rc<0, s.text.len> 0);
	buf_put(&got, buf_span(&s.text));
	unit_assert_span(buf_span(&got), want);
	buf_fini(&got);
	setup_fini(&s);
}

START_TEST(a_value_is_the_next_argument_or_behind_the_equals_sign)
{
	assert_read(&words, "number=3;", "--number", "3", NULL);
	assert_read(&words, "number=3;", "--number=3", NULL);
	assert_read(&words, "name=a=b;", "--name=a=b", NULL);
	assert_read(&words, "name=;", "--name=", NULL);
	assert_read(&words, "name=--flag;", "--name", "--flag", NULL);
}
END_TEST

START_TEST(a_flag_takes_no_argument)
{
	assert_read(&words, "flag;=a;", "--flag", "a", NULL);
	assert_read(&words, "flag=no;", "--flag=no", NULL);
}
END_TEST

START_TEST(words_are_told_in_their_order)
{
	assert_read(&words, "=a;flag;=-b;=;", "a", "--flag", "-b", "", NULL);
}
END_TEST

START_TEST(words_are_refused_where_there_are_none)
{
	assert_read(&no_words,
	    "flag;program: unexpected argument \"a\"; try --help\n", "--flag",
	    "a", NULL);
}
END_TEST

START_TEST(what_is_no_option_is_refused)
{
	assert_read(&words, "program: unknown option \"--no\"; try --help\n",
	    "--no=1", NULL);
	assert_read(&words, "program: unknown option \"--\"; try --help\n",
	    "--", NULL);
	assert_read(&words, "program: unknown option \"--numbe\"; try --help\n",
	    "--numbe", "3", NULL);
}
END_TEST

START_TEST(a_value_must_be_there)
{
	assert_read(&words, "program: --number: it needs a value, N\n",
	    "--number", NULL);
}
END_TEST

START_TEST(what_only_says_something_takes_no_value)
{
	assert_read(&words, "help;", "--help", NULL);
	assert_read(&words, "program: --help: it takes no value\n", "--help=1",
	    NULL);
}
END_TEST

START_TEST(a_row_is_found_by_its_whole_name)
{
	ck_assert_ptr_eq(option_find(&words, SPAN("flag")), &rows[1]);
	ck_assert_ptr_null(option_find(&words, SPAN("fla")));
	ck_assert_ptr_null(option_find(&words, SPAN("flags")));
	ck_assert_ptr_null(option_find(&words, SPAN("")));
}
END_TEST

START_TEST(defaults_come_from_the_rows)
{
	struct setup s;
	setup_init(&s);

	ck_assert_int_eq(option_set_defaults(&words, &s.place, &s.target), 0);

	ck_assert_uint_eq(s.target.number, 7);
	ck_assert(!s.target.flag);
	ck_assert_ptr_null(s.target.name);
	setup_fini(&s);
}
END_TEST

START_TEST(a_value_goes_into_its_field)
{
	struct setup s;
	setup_init(&s);

	ck_assert_int_eq(option_set(&rows[0], &s.place, &s.target, "9"), 0);
	ck_assert_int_eq(option_set(&rows[1], &s.place, &s.target, NULL), 0);
	ck_assert_int_eq(option_set(&rows[2], &s.place, &s.target, "a"), 0);

	ck_assert_uint_eq(s.target.number, 9);
	ck_assert(s.target.flag);
	ck_assert_str_eq(s.target.name, "a");
	setup_fini(&s);
}
END_TEST

START_TEST(a_wrong_value_is_told_and_changes_nothing)
{
	struct setup s;
	setup_init(&s);

	ck_assert_int_lt(option_set(&rows[0], &s.place, &s.target, "11"), 0);

	ck_assert_uint_eq(s.target.number, 0);
	ck_assert_uint_gt(s.text.len, 0);
	setup_fini(&s);
}
END_TEST

START_TEST(help_has_a_line_each_with_the_default_in_brackets)
{
	struct buf out = { 0 };

	option_put_help(&words, &out);

	unit_assert_span(buf_span(&out),
	    "  --number N               how many [7]\n"
	    "  --flag                   whether\n"
	    "  --name WORD              what it is called [none]\n"
	    "  --long VALUE             an option with so much help\n"
	    "                           "
	    "[a default of which it takes a line to tell]\n"
	    "  --help                   say it\n");
	buf_fini(&out);
}
END_TEST

UNIT_MAIN("table", a_value_is_the_next_argument_or_behind_the_equals_sign,
    a_flag_takes_no_argument, words_are_told_in_their_order,
    words_are_refused_where_there_are_none, what_is_no_option_is_refused,
    a_value_must_be_there, what_only_says_something_takes_no_value,
    a_row_is_found_by_its_whole_name, defaults_come_from_the_rows,
    a_value_goes_into_its_field, a_wrong_value_is_told_and_changes_nothing,
    help_has_a_line_each_with_the_default_in_brackets)
