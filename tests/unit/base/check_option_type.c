#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/option_type.h"

/* A place that takes what is said and what is kept. */
struct setup {
	struct buf text;
	char **owned;
	size_t owned_count;
	struct option_place place;
	struct option setting;
};

static void
setup_make(struct setup *s)
{
	*s = (struct setup){ .setting = { .name = "thing",
				 .min = 10,
				 .max = 2000,
				 .unit = 1000 } };
	s->place = (struct option_place){
		.program = "peal.fcgi",
		.text = &s->text,
		.owned = &s->owned,
		.owned_count = &s->owned_count,
	};
}

static void
setup_end(struct setup *s)
{
	for (size_t i = 0; i < s->owned_count; i++)
		free(s->owned[i]);
	free(s->owned);
	buf_fini(&s->text);
}

static bool
says(const struct setup *s, const char *words)
{
	return s->text.len > 0 &&
	    memmem(s->text.ptr, s->text.len, words, strlen(words)) != NULL;
}

/* Set; a refusal must be one line that names the option. */
static int
set(struct setup *s, option_type_set *setter, void *field, const char *value)
{
	buf_clear(&s->text);
	int rc = setter(&s->place, &s->setting, field, value);
	if (rc == 0) {
		ck_assert_uint_eq(s->text.len, 0);
	} else {
		ck_assert_int_eq(rc, -EINVAL);
		ck_assert(says(s, "peal.fcgi: --thing: "));
		ck_assert_ptr_eq(memchr(s->text.ptr, '\n', s->text.len),
		    s->text.ptr + s->text.len - 1);
	}
	return rc;
}

START_TEST(refusal_names_program_place_option_and_reason)
{
	static const struct {
		const char *file;
		size_t line;
		bool option;
		const char *text;
	} rows[] = {
		{ NULL, 0, true, "peal.fcgi: --thing: it is 7\n" },
		{ NULL, 0, false, "peal.fcgi: it is 7\n" },
		{ "a.conf", 3, true, "peal.fcgi: a.conf:3: thing: it is 7\n" },
		{ "a.conf", 3, false, "peal.fcgi: a.conf:3: it is 7\n" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct setup s;
		setup_make(&s);
		s.place.file = rows[i].file;
		s.place.line = rows[i].line;

		int rc = option_type_refuse(&s.place,
		    rows[i].option ? &s.setting : NULL, "it is %d", 7);

		ck_assert_int_eq(rc, -EINVAL);
		unit_assert_span(buf_span(&s.text), rows[i].text);
		setup_end(&s);
	}
}
END_TEST

START_TEST(control_characters_do_not_reach_the_terminal)
{
	struct setup s;
	setup_make(&s);

	option_print(&s.text, "%s", "a\nb\rc\x1b[1m\x7f\x01\xc3\xa4");

	unit_assert_span(buf_span(&s.text), "a?b?c?[1m??\xc3\xa4");
	setup_end(&s);
}
END_TEST

START_TEST(string_is_a_copy_that_is_owned)
{
	struct setup s;
	char value[] = "value";
	char *one = NULL;
	char *two = NULL;
	setup_make(&s);

	ck_assert_int_eq(set(&s, option_type_string, &one, value), 0);
	ck_assert_int_eq(set(&s, option_type_string, &two, ""), 0);
	value[0] = 'x';

	ck_assert_str_eq(one, "value");
	ck_assert_str_eq(two, "");
	ck_assert_uint_eq(s.owned_count, 2);
	ck_assert_ptr_eq(s.owned[0], one);
	setup_end(&s);
}
END_TEST

START_TEST(name_is_not_empty)
{
	struct setup s;
	char *field = NULL;
	setup_make(&s);

	ck_assert_int_eq(set(&s, option_type_name, &field, ""), -EINVAL);
	ck_assert_ptr_null(field);
	ck_assert_int_eq(set(&s, option_type_name, &field, "x"), 0);
	ck_assert_str_eq(field, "x");
	setup_end(&s);
}
END_TEST

/* Values of an amount, and what comes of them; a refused one stays 77. */
struct amount_row {
	const char *value;
	uint64_t amount;
};

static void
check_amounts(option_type_set *setter, const struct amount_row *rows,
    size_t count)
{
	struct setup s;
	setup_make(&s);

	for (size_t i = 0; i < count; i++) {
		uint64_t field = 77;

		int rc = set(&s, setter, &field, rows[i].value);

		ck_assert_uint_eq(field, rows[i].amount);
		ck_assert_int_eq(rc, rows[i].amount == 77 ? -EINVAL : 0);
	}
	setup_end(&s);
}

START_TEST(size_is_read_within_its_range)
{
	static const struct amount_row rows[] = {
		{ "10", 10 },
		{ "1K", 1024 },
		{ "2000", 2000 },
		{ "9", 77 },
		{ "2001", 77 },
		{ "2K", 77 },
		{ "99999999999999999999", 77 },
		{ "", 77 },
		{ "-10", 77 },
		{ "10s", 77 },
		{ " 10", 77 },
	};

	check_amounts(option_type_size, rows, UNIT_COUNT(rows));
}
END_TEST

START_TEST(time_without_a_unit_is_in_the_option_s_own)
{
	static const struct amount_row rows[] = {
		{ "1", 1000 },
		{ "2s", 2000 },
		{ "10ms", 10 },
		{ "9ms", 77 },
		{ "1m", 77 },
		{ "3", 77 },
		{ "18446744073709551615", 77 },
		{ "1K", 77 },
		{ "", 77 },
	};

	check_amounts(option_type_time, rows, UNIT_COUNT(rows));
}
END_TEST

START_TEST(refused_range_tells_the_range)
{
	struct setup s;
	uint64_t size = 0;
	setup_make(&s);
	s.setting.max = 4096;

	ck_assert_int_eq(set(&s, option_type_size, &size, "5K"), -EINVAL);

	ck_assert(says(&s, "\"5K\" is out of range (10 to 4K)"));
	setup_end(&s);
}
END_TEST

START_TEST(number_writes_no_further_than_its_field)
{
	struct setup s;
	uint32_t fields[2] = { 77, 77 };
	setup_make(&s);
	s.setting.max = UINT32_MAX;

	ck_assert_int_eq(set(&s, option_type_number, &fields[0], "4294967295"),
	    0);
	ck_assert_uint_eq(fields[0], UINT32_MAX);
	ck_assert_uint_eq(fields[1], 77);
	ck_assert_int_eq(set(&s, option_type_number, &fields[1], "4294967296"),
	    -EINVAL);
	ck_assert_int_eq(set(&s, option_type_number, &fields[1], "9"), -EINVAL);
	ck_assert_int_eq(set(&s, option_type_number, &fields[1], "1K"),
	    -EINVAL);
	ck_assert_int_eq(set(&s, option_type_number, &fields[1], "x"), -EINVAL);
	ck_assert_uint_eq(fields[1], 77);
	setup_end(&s);
}
END_TEST

START_TEST(mode_is_octal)
{
	static const struct {
		const char *value;
		int rc;
		unsigned mode;
	} rows[] = {
		{ "0660", 0, 0660 },
		{ "600", 0, 0600 },
		{ "0", 0, 0 },
		{ "777", 0, 0777 },
		{ "1000", -EINVAL, 77 },
		{ "77777777777777777777777", -EINVAL, 77 },
		{ "668", -EINVAL, 77 },
		{ "", -EINVAL, 77 },
		{ "-1", -EINVAL, 77 },
		{ "0x1f", -EINVAL, 77 },
		{ "u=rw", -EINVAL, 77 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct setup s;
		unsigned field = 77;
		setup_make(&s);

		int rc = set(&s, option_type_mode, &field, rows[i].value);

		ck_assert_int_eq(rc, rows[i].rc);
		ck_assert_uint_eq(field, rows[i].mode);
		setup_end(&s);
	}
}
END_TEST

START_TEST(level_that_is_none_is_refused)
{
	struct setup s;
	enum log_level level = LOG_AT_NOTICE;
	setup_make(&s);

	ck_assert_int_eq(set(&s, option_type_level, &level, "debug"), 0);
	ck_assert_int_eq(level, LOG_AT_DEBUG);
	ck_assert_int_eq(set(&s, option_type_level, &level, "loud"), -EINVAL);
	ck_assert_int_eq(level, LOG_AT_DEBUG);
	setup_end(&s);
}
END_TEST

START_TEST(listening_place_is_a_path_or_an_address)
{
	static const struct {
		const char *value;
		int rc;
	} rows[] = {
		{ "/run/peal.sock", 0 },
		{ "./peal.sock", 0 },
		{ "127.0.0.1:9000", 0 },
		{ "[::1]:9000", 0 },
		{ "fd:3", 0 },
		{ "", -EINVAL },
		{ "peal.sock", -EINVAL },
		{ "localhost", -EINVAL },
		{ "localhost:0", -EINVAL },
		{ "localhost:65536", -EINVAL },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct setup s;
		char *field = NULL;
		setup_make(&s);

		int rc = set(&s, option_type_listen, &field, rows[i].value);

		ck_assert_msg(rc == rows[i].rc, "\"%s\"", rows[i].value);
		ck_assert_int_eq(field != NULL, rc == 0);
		setup_end(&s);
	}
}
END_TEST

START_TEST(path_of_a_socket_has_room_for_107_bytes)
{
	/* unix(7): sun_path has 108, with the terminator. */
	struct setup s;
	char path[109];
	char *field = NULL;
	setup_make(&s);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[108] = '\0';

	ck_assert_int_eq(set(&s, option_type_listen, &field, path), -EINVAL);
	path[107] = '\0';
	ck_assert_int_eq(set(&s, option_type_listen, &field, path), 0);

	ck_assert_str_eq(field, path);
	setup_end(&s);
}
END_TEST

START_TEST(flag_is_yes_or_no_or_alone)
{
	static const struct {
		const char *value;
		bool on;
	} rows[] = {
		{ NULL, true },
		{ "yes", true },
		{ "no", false },
	};
	static const char *const wrong[] = { "", "true", "1", "YES", "nope" };
	struct setup s;
	bool field;
	setup_make(&s);

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		field = !rows[i].on;
		ck_assert_int_eq(set(&s, option_type_flag, &field,
				     rows[i].value),
		    0);
		ck_assert_int_eq(field, rows[i].on);
	}
	for (size_t i = 0; i < UNIT_COUNT(wrong); i++) {
		field = false;
		ck_assert_int_eq(set(&s, option_type_flag, &field, wrong[i]),
		    -EINVAL);
		ck_assert(!field);
	}
	setup_end(&s);
}
END_TEST

UNIT_MAIN("setting", refusal_names_program_place_option_and_reason,
    control_characters_do_not_reach_the_terminal,
    string_is_a_copy_that_is_owned, name_is_not_empty,
    size_is_read_within_its_range, time_without_a_unit_is_in_the_option_s_own,
    refused_range_tells_the_range, number_writes_no_further_than_its_field,
    mode_is_octal, level_that_is_none_is_refused,
    listening_place_is_a_path_or_an_address,
    path_of_a_socket_has_room_for_107_bytes, flag_is_yes_or_no_or_alone)
