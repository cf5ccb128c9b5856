#include "unit.h"

#include <stdio.h>

#include "records.h"

static void
put_length(struct buf *b, size_t len)
{
	const char four[4] = { (char)(len >> 24 | 0x80), (char)(len >> 16),
		(char)(len >> 8), (char)len };

	if (len < 0x80)
		buf_put_char(b, (char)len);
	else
		buf_put(b, (struct span){ four, sizeof(four) });
}

static void
put_pair(struct buf *b, const char *name, const char *value)
{
	put_length(b, strlen(name));
	put_length(b, strlen(value));
	buf_put_cstr(b, name);
	buf_put_cstr(b, value);
}

/* Begin r and have it read a request with these variables, freeing them. */
static enum fcgi_record_verdict
read_variables(struct fcgi_record_request *r, struct buf *params)
{
	fcgi_record_init(r, BODY_MAX);
	put_begin(&r->bytes, RESPONDER, 0);
	put_params(&r->bytes, buf_span(params));
	buf_fini(params);
	return fcgi_record_look(r);
}

/* Variables N1, N2, ... with values V1, V2, ... */
static void
put_numbered(struct buf *b, unsigned count)
{
	char name[16];
	char value[16];

	for (unsigned i = 1; i <= count; i++) {
		(void)snprintf(name, sizeof(name), "N%u", i);
		(void)snprintf(value, sizeof(value), "V%u", i);
		put_pair(b, name, value);
	}
}

START_TEST(variables_are_reported_once_and_before_the_body)
{
	struct fcgi_record_request r;
	fcgi_record_init(&r, BODY_MAX);
	put_request(&r.bytes, PAIRS, SPAN("body"));
	size_t behind = 2 * FCGI_RECORD_HEADER + SPAN("body").len;

	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_VARIABLES);

	ck_assert_str_eq(fcgi_record_variable(&r, "A"), "bc");
	ck_assert_uint_eq(r.body.len, 0);
	ck_assert_uint_eq(r.body_len, 0);
	ck_assert_uint_eq(r.bytes.len, behind);
	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);
	unit_assert_span(buf_span(&r.body), "body");
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(variables_are_reported_with_the_last_byte_of_their_end)
{
	struct fcgi_record_request r;
	struct buf bytes = { 0 };
	put_begin(&bytes, RESPONDER, 0);
	put_params(&bytes, PAIRS);
	fcgi_record_init(&r, BODY_MAX);

	for (size_t i = 0; i < bytes.len; i++) {
		buf_put_char(&r.bytes, bytes.ptr[i]);

		ck_assert_int_eq(fcgi_record_look(&r),
		    i + 1 == bytes.len ? FCGI_RECORD_VARIABLES
				       : FCGI_RECORD_MORE);
	}

	ck_assert_uint_eq(r.bytes.len, 0);
	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_MORE);
	fcgi_record_fini(&r);
	buf_fini(&bytes);
}
END_TEST

START_TEST(variables_may_be_split_anywhere_over_records)
{
	for (size_t cut = 0; cut <= PAIRS.len; cut++) {
		struct fcgi_record_request r;
		fcgi_record_init(&r, BODY_MAX);
		put_begin(&r.bytes, RESPONDER, 0);
		if (cut > 0)
			put(&r.bytes, PARAMS, (struct span){ PAIRS.ptr, cut });
		if (cut < PAIRS.len)
			put(&r.bytes, PARAMS,
			    (struct span){ PAIRS.ptr + cut, PAIRS.len - cut });
		put(&r.bytes, PARAMS, SPAN(""));
		put(&r.bytes, STDIN, SPAN(""));

		ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);

		ck_assert_str_eq(fcgi_record_variable(&r, "A"), "bc");
		ck_assert_str_eq(fcgi_record_variable(&r, ""), "");
		fcgi_record_fini(&r);
	}
}
END_TEST

START_TEST(variables_that_are_no_pairs_are_broken)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\1", 1 },		       /* no second length */
		{ "\1\2Ab", 4 },	       /* a value cut short */
		{ "\2\0A", 3 },		       /* a name cut short */
		{ "\1\2Abc\1", 6 },	       /* a second pair cut short */
		{ "\x80\0\0", 3 },	       /* a long length cut short */
		{ "\1\x80\0\0", 4 },	       /* the same, of a value */
		{ "\x7f\xff\xff\xff", 4 },     /* a length that is none */
		{ "\xff\xff\xff\xfe\1Ab", 7 }, /* near 2^31: aborts libfcgi */
		{ "\x80\0\0\1\xff\xff\xff\xffZ", 9 },
		{ "\1\2A\0b", 5 }, /* NUL in a value */
		{ "\1\1\0b", 4 },  /* NUL in a name */
		/* The same behind a length that is NUL. */
		{ "\1\0A\1\2B\0c", 8 },
		{ "\0\0\2\0\0B", 6 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf bytes = { 0 };
		put_request(&bytes, (struct span){ rows[i].bytes, rows[i].len },
		    SPAN(""));

		ck_assert_msg(judge(&bytes) == FCGI_RECORD_BROKEN, "row %zu",
		    i);

		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(request_without_variables_is_a_request)
{
	struct fcgi_record_request r;
	struct buf none = { 0 };

	ck_assert_int_eq(read_variables(&r, &none), FCGI_RECORD_VARIABLES);

	ck_assert_ptr_null(fcgi_record_variable(&r, "A"));
	ck_assert_ptr_null(fcgi_record_variable(&r, ""));
	put(&r.bytes, STDIN, SPAN(""));
	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(variables_after_their_end_are_broken)
{
	struct buf more = { 0 };
	struct buf end = { 0 };
	put_begin(&more, RESPONDER, 0);
	put(&more, PARAMS, SPAN(""));
	put(&more, PARAMS, PAIRS);
	put_begin(&end, RESPONDER, 0);
	put(&end, PARAMS, SPAN(""));
	put(&end, PARAMS, SPAN(""));

	assert_broken(&more);
	assert_broken(&end);
}
END_TEST

START_TEST(value_is_found_by_the_whole_of_its_name)
{
	static const char *const rows[][2] = {
		{ "NAME", "value" },
		{ "NAM", NULL },
		{ "NAMES", NULL },
		{ "name", NULL },
		{ "EMPTY", "" },
		{ "", "without a name" },
		{ "A=B", "c" },
		{ "A", NULL },
		{ "LAST", "the last" },
		{ "NEVER", NULL },
	};
	struct fcgi_record_request r;
	struct buf params = { 0 };
	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		if (rows[i][1] != NULL)
			put_pair(&params, rows[i][0], rows[i][1]);

	ck_assert_int_eq(read_variables(&r, &params), FCGI_RECORD_VARIABLES);

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const char *got = fcgi_record_variable(&r, rows[i][0]);
		if (rows[i][1] == NULL)
			ck_assert_ptr_null(got);
		else
			ck_assert_pstr_eq(got, rows[i][1]);
	}
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(first_of_a_name_sent_twice_is_found)
{
	struct fcgi_record_request r;
	struct buf params = { 0 };
	put_pair(&params, "EMPTY", "");
	put_pair(&params, "NAME", "first");
	put_pair(&params, "OTHER", "x");
	put_pair(&params, "NAME", "second");
	put_pair(&params, "NAME", "");
	put_pair(&params, "EMPTY", "not empty");

	ck_assert_int_eq(read_variables(&r, &params), FCGI_RECORD_VARIABLES);

	ck_assert_str_eq(fcgi_record_variable(&r, "NAME"), "first");
	ck_assert_str_eq(fcgi_record_variable(&r, "EMPTY"), "");
	fcgi_record_fini(&r);
}
END_TEST

/* A value ends where the next pair's length stands, be that of one byte or four. */
START_TEST(value_is_ended_whatever_length_follows_it)
{
	static const size_t lens[] = { 0, 1, 0x7f, 0x80, 0x101, 0x1000 };
	char names[UNIT_COUNT(lens)][0x1001];
	struct fcgi_record_request r;
	struct buf params = { 0 };
	for (size_t i = 0; i < UNIT_COUNT(lens); i++) {
		memset(names[i], (int)('a' + i), lens[i]);
		names[i][lens[i]] = '\0';
		/* Names and values of each length before each other. */
		put_pair(&params, names[i], "value");
		put_pair(&params, "BETWEEN", names[i]);
		put_pair(&params, names[i], "again");
	}

	ck_assert_int_eq(read_variables(&r, &params), FCGI_RECORD_VARIABLES);

	ck_assert_uint_eq(r.variable_count, 3 * UNIT_COUNT(lens));
	for (size_t i = 0; i < UNIT_COUNT(lens); i++) {
		ck_assert_str_eq(fcgi_record_variable(&r, names[i]), "value");
		ck_assert_uint_eq(r.variables[3 * i + 1].value_len, lens[i]);
		ck_assert_str_eq(r.params.ptr + r.variables[3 * i + 1].value,
		    names[i]);
	}
	fcgi_record_fini(&r);
}
END_TEST

/* The bytes that end the last value lie behind what was sent. */
START_TEST(last_value_is_ended_however_much_room_is_behind_it)
{
	for (size_t len = 1; len <= 300; len++) {
		struct fcgi_record_request r;
		struct buf params = { 0 };
		char value[301];
		memset(value, 'x', len);
		value[len] = '\0';
		put_pair(&params, "LAST", value);

		ck_assert_int_eq(read_variables(&r, &params),
		    FCGI_RECORD_VARIABLES);

		ck_assert_uint_gt(r.params.cap, r.params.len);
		ck_assert_str_eq(fcgi_record_variable(&r, "LAST"), value);
		fcgi_record_fini(&r);
	}
}
END_TEST

START_TEST(names_of_one_bucket_are_told_apart)
{
	/* Length, first, middle and last character are the same. */
	static const char *const names[] = { "A1B1C", "A1B2C", "A2B1C",
		"A2B2C" };
	struct fcgi_record_request r;
	struct buf params = { 0 };
	for (size_t i = 0; i + 1 < UNIT_COUNT(names); i++)
		put_pair(&params, names[i], names[i]);

	ck_assert_int_eq(read_variables(&r, &params), FCGI_RECORD_VARIABLES);

	for (size_t i = 0; i + 1 < UNIT_COUNT(names); i++)
		ck_assert_pstr_eq(fcgi_record_variable(&r, names[i]), names[i]);
	ck_assert_ptr_null(
	    fcgi_record_variable(&r, names[UNIT_COUNT(names) - 1]));
	fcgi_record_fini(&r);
}
END_TEST

/* Names of one letter, of all lengths: among 128 of them there are such as share a
 * bucket, and the shorter is how the longer begins. */
START_TEST(beginning_of_a_name_is_not_the_name)
{
	struct fcgi_record_request r;
	struct buf params = { 0 };
	char name[129];
	memset(name, 'A', sizeof(name) - 1);
	name[128] = '\0';
	for (size_t len = 128; len > 64; len--)
		put_pair(&params, name + 128 - len, "value");

	ck_assert_int_eq(read_variables(&r, &params), FCGI_RECORD_VARIABLES);

	for (size_t len = 0; len <= 128; len++)
		ck_assert_pstr_eq(fcgi_record_variable(&r, name + 128 - len),
		    len > 64 ? "value" : NULL);
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(as_many_variables_as_allowed_are_all_found)
{
	struct fcgi_record_request r;
	struct buf params = { 0 };
	char name[16];
	char value[16];
	put_numbered(&params, FCGI_RECORD_VARIABLES_MAX);

	ck_assert_int_eq(read_variables(&r, &params), FCGI_RECORD_VARIABLES);

	for (unsigned i = 1; i <= FCGI_RECORD_VARIABLES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "N%u", i);
		(void)snprintf(value, sizeof(value), "V%u", i);
		ck_assert_pstr_eq(fcgi_record_variable(&r, name), value);
	}
	ck_assert_ptr_null(fcgi_record_variable(&r, "N0"));
	ck_assert_ptr_null(fcgi_record_variable(&r, "N1025"));
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(one_variable_more_is_broken)
{
	struct fcgi_record_request r;
	struct buf params = { 0 };
	put_numbered(&params, FCGI_RECORD_VARIABLES_MAX + 1);

	ck_assert_int_eq(read_variables(&r, &params), FCGI_RECORD_BROKEN);

	fcgi_record_fini(&r);
}
END_TEST

/* One variable A that takes len bytes with its lengths, which are 5. */
static void
put_large(struct buf *b, size_t len)
{
	buf_put_char(b, 1);
	put_length(b, len - 6);
	buf_put_char(b, 'A');
	for (size_t i = 6; i < len; i++)
		buf_put_char(b, 'x');
	ck_assert_uint_eq(b->len, len);
}

START_TEST(variables_are_taken_up_to_the_limit)
{
	struct fcgi_record_request r;
	struct buf just = { 0 };
	struct buf over = { 0 };
	put_large(&just, FCGI_RECORD_PARAMS_MAX);
	put_large(&over, FCGI_RECORD_PARAMS_MAX + 1);

	ck_assert_int_eq(read_variables(&r, &just), FCGI_RECORD_VARIABLES);
	ck_assert_uint_eq(strlen(fcgi_record_variable(&r, "A")),
	    FCGI_RECORD_PARAMS_MAX - 6);
	fcgi_record_fini(&r);

	ck_assert_int_eq(read_variables(&r, &over), FCGI_RECORD_BROKEN);
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(what_was_looked_up_is_valid_until_the_next_request)
{
	static char body[BODY_MAX];
	struct fcgi_record_request r;
	struct buf params = { 0 };
	put_pair(&params, "NAME", "value");
	ck_assert_int_eq(read_variables(&r, &params), FCGI_RECORD_VARIABLES);
	const char *value = fcgi_record_variable(&r, "NAME");

	put(&r.bytes, STDIN, (struct span){ body, sizeof(body) });
	put(&r.bytes, STDIN, SPAN(""));
	put_request(&r.bytes, PAIRS, SPAN("next"));
	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);

	ck_assert_ptr_eq(fcgi_record_variable(&r, "NAME"), value);
	ck_assert_str_eq(value, "value");
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(next_request_has_no_variables_of_the_one_before)
{
	struct fcgi_record_request r;
	struct buf params = { 0 };
	put_numbered(&params, 100);
	ck_assert_int_eq(read_variables(&r, &params), FCGI_RECORD_VARIABLES);
	put(&r.bytes, STDIN, SPAN(""));
	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);
	put_request(&r.bytes, SPAN("\2\3N2new"), SPAN(""));

	fcgi_record_next(&r);

	ck_assert_ptr_null(fcgi_record_variable(&r, "N1"));
	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);
	ck_assert_ptr_null(fcgi_record_variable(&r, "N1"));
	ck_assert_pstr_eq(fcgi_record_variable(&r, "N2"), "new");
	ck_assert_uint_eq(r.variable_count, 1);
	fcgi_record_fini(&r);
}
END_TEST

UNIT_MAIN("variables", variables_are_reported_once_and_before_the_body,
    variables_are_reported_with_the_last_byte_of_their_end,
    variables_may_be_split_anywhere_over_records,
    variables_that_are_no_pairs_are_broken,
    request_without_variables_is_a_request,
    variables_after_their_end_are_broken,
    value_is_found_by_the_whole_of_its_name,
    first_of_a_name_sent_twice_is_found,
    value_is_ended_whatever_length_follows_it,
    last_value_is_ended_however_much_room_is_behind_it,
    names_of_one_bucket_are_told_apart, beginning_of_a_name_is_not_the_name,
    as_many_variables_as_allowed_are_all_found, one_variable_more_is_broken,
    variables_are_taken_up_to_the_limit,
    what_was_looked_up_is_valid_until_the_next_request,
    next_request_has_no_variables_of_the_one_before)
