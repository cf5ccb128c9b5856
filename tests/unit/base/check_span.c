#include "unit.h"

#include <errno.h>

START_TEST(span_of_null_is_empty)
{
	struct span s = span_of(NULL);

	ck_assert_uint_eq(s.len, 0);
	ck_assert_ptr_null(s.ptr);
}
END_TEST

START_TEST(literal_leaves_out_its_terminator_and_keeps_inner_nul)
{
	struct span s = SPAN("a\0b");

	ck_assert_uint_eq(s.len, 3);
	ck_assert_int_eq(s.ptr[2], 'b');
}
END_TEST

START_TEST(equality_is_of_all_bytes)
{
	ck_assert(span_equal(SPAN("a\0b"), SPAN("a\0b")));
	ck_assert(!span_equal(SPAN("a\0b"), SPAN("a\0c")));
	ck_assert(!span_equal(SPAN("ab"), SPAN("abc")));
	ck_assert(!span_equal(SPAN("ab"), SPAN("aB")));
}
END_TEST

START_TEST(empty_spans_are_equal_whatever_they_point_at)
{
	struct span null = { NULL, 0 };

	ck_assert(span_equal(null, SPAN("")));
	ck_assert(span_equal_nocase(SPAN(""), null));
	ck_assert(!span_equal(null, SPAN("a")));
}
END_TEST

START_TEST(nocase_folds_ascii_letters_and_nothing_else)
{
	ck_assert(
	    span_equal_nocase(SPAN("Content-AZaz"), SPAN("cONTENT-azAZ")));
	ck_assert(!span_equal_nocase(SPAN("@"), SPAN("`")));
	ck_assert(!span_equal_nocase(SPAN("["), SPAN("{")));
	ck_assert(!span_equal_nocase(SPAN("\xc4"), SPAN("\xe4")));
	ck_assert(!span_equal_nocase(SPAN("ab"), SPAN("abc")));
}
END_TEST

START_TEST(prefix_is_found_at_the_front_only)
{
	ck_assert(span_starts_nocase(SPAN("Bearer x"), SPAN("bearer ")));
	ck_assert(span_starts_nocase(SPAN("abc"), SPAN("")));
	ck_assert(span_starts_nocase(SPAN("abc"), SPAN("ABC")));
	ck_assert(!span_starts_nocase(SPAN("ab"), SPAN("abc")));
	ck_assert(!span_starts_nocase(SPAN("xabc"), SPAN("abc")));
}
END_TEST

START_TEST(trim_drops_white_space_at_both_ends)
{
	unit_assert_span(span_trim(SPAN(" \t\r\na b\n\r\t ")), "a b");
	unit_assert_span(span_trim(SPAN("a")), "a");
	unit_assert_span(span_trim(SPAN(" \t\r\n")), "");
	unit_assert_span(span_trim(SPAN("")), "");
	unit_assert_span(span_trim((struct span){ NULL, 0 }), "");
	unit_assert_span(span_trim(SPAN("\v\f")), "\v\f");
}
END_TEST

START_TEST(cut_gives_empty_pieces_too)
{
	struct span rest = SPAN("a,,b");
	struct span piece;

	ck_assert(span_cut(&rest, ',', &piece));
	unit_assert_span(piece, "a");
	ck_assert(span_cut(&rest, ',', &piece));
	unit_assert_span(piece, "");
	ck_assert(span_cut(&rest, ',', &piece));
	unit_assert_span(piece, "b");
	ck_assert(!span_cut(&rest, ',', &piece));
}
END_TEST

START_TEST(cut_after_a_trailing_separator_gives_a_last_empty_piece)
{
	struct span rest = SPAN("a,");
	struct span piece;

	ck_assert(span_cut(&rest, ',', &piece));
	unit_assert_span(piece, "a");
	ck_assert(span_cut(&rest, ',', &piece));
	unit_assert_span(piece, "");
	ck_assert(!span_cut(&rest, ',', &piece));
}
END_TEST

START_TEST(cut_of_nothing_gives_one_empty_piece)
{
	struct span rest = SPAN("");
	struct span piece = SPAN("before");

	ck_assert(span_cut(&rest, ',', &piece));
	unit_assert_span(piece, "");
	ck_assert(!span_cut(&rest, ',', &piece));
}
END_TEST

START_TEST(cut_of_a_null_span_gives_none)
{
	struct span rest = { NULL, 0 };
	struct span piece;

	ck_assert(!span_cut(&rest, ',', &piece));
}
END_TEST

START_TEST(words_are_parted_by_runs_of_spaces_and_tabs)
{
	struct span rest = SPAN(" \tone\t two,three  ");
	struct span word;

	ck_assert(span_word(&rest, &word));
	unit_assert_span(word, "one");
	ck_assert(span_word(&rest, &word));
	unit_assert_span(word, "two,three");
	ck_assert(!span_word(&rest, &word));
	ck_assert(!span_word(&rest, &word));
}
END_TEST

START_TEST(nothing_has_no_word)
{
	struct span rest = { NULL, 0 };
	struct span word;

	ck_assert(!span_word(&rest, &word));
	rest = SPAN("");
	ck_assert(!span_word(&rest, &word));
}
END_TEST

START_TEST(number_is_read_or_refused)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
	} rows[] = {
		{ "0", 0, 0 },
		{ "007", 0, 7 },
		{ "1234567890", 0, 1234567890 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551620", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "99999999999999999999x", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1.0", -EINVAL, 0 },
		{ "0x1", -EINVAL, 0 },
		{ "/", -EINVAL, 0 },
		{ ":", -EINVAL, 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		uint64_t value = 0;

		int rc = span_to_u64(span_of(rows[i].text), &value);

		ck_assert_msg(rc == rows[i].rc, "%s: %d", rows[i].text, rc);
		if (rc == 0)
			ck_assert_uint_eq(value, rows[i].value);
	}
}
END_TEST

START_TEST(digits_end_where_the_span_ends)
{
	struct span s = { "1234", 2 };
	uint64_t value;

	ck_assert_int_eq(span_to_u64(s, &value), 0);
	ck_assert_uint_eq(value, 12);
}
END_TEST

/* RFC 3629, section 4; the edges of each of its productions. */
START_TEST(utf8_is_told_from_what_is_not)
{
	static const struct {
		const char *text;
		size_t prefix; /* bytes before the first fault */
	} rows[] = {
		{ "", 0 },
		{ "plain", 5 },
		{ "\x7f", 1 },
		{ "\xc2\x80", 2 },
		{ "\xdf\xbf", 2 },
		{ "\xe0\xa0\x80", 3 },
		{ "\xed\x9f\xbf", 3 },
		{ "\xee\x80\x80", 3 },
		{ "\xef\xbf\xbf", 3 },
		{ "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		/* a byte that follows nothing */
		{ "a\x80", 1 },
		{ "a\xbf", 1 },
		/* overlong forms */
		{ "a\xc0\xaf", 1 },
		{ "a\xc1\xbf", 1 },
		{ "a\xe0\x9f\xbf", 1 },
		{ "a\xf0\x8f\xbf\xbf", 1 },
		/* surrogates */
		{ "a\xed\xa0\x80", 1 },
		{ "a\xed\xbf\xbf", 1 },
		/* over U+10FFFF */
		{ "a\xf4\x90\x80\x80", 1 },
		{ "a\xf5\x80\x80\x80", 1 },
		{ "a\xff", 1 },
		/* cut short, by the end or by another character */
		{ "a\xc2", 1 },
		{ "a\xe2\x82", 1 },
		{ "a\xf0\x9f\x98", 1 },
		{ "a\xc2"
		  "b",
		    1 },
		{ "a\xe2\x82"
		  "b",
		    1 },
		{ "a\xf0\x9f\x98"
		  "b",
		    1 },
		{ "\xe2\x82\xac\xe2\x82", 3 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct span s = span_of(rows[i].text);

		ck_assert_msg(span_utf8_prefix(s) == rows[i].prefix,
		    "row %zu: %zu", i, span_utf8_prefix(s));
		ck_assert(span_is_utf8(s) == (rows[i].prefix == s.len));
	}
}
END_TEST

START_TEST(character_must_end_within_the_span)
{
	static const char *const characters[] = { "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80" };

	for (size_t i = 0; i < UNIT_COUNT(characters); i++) {
		struct span s = span_of(characters[i]);

		for (s.len--; s.len > 0; s.len--)
			ck_assert_uint_eq(span_utf8_prefix(s), 0);
	}
}
END_TEST

START_TEST(utf8_may_hold_nul)
{
	ck_assert(span_is_utf8(SPAN("a\0b")));
}
END_TEST

START_TEST(controls_are_c0_and_del)
{
	for (int c = 0; c < 256; c++) {
		char text[3] = { 'a', (char)c, 'b' };
		bool control = c < 0x20 || c == 0x7f;

		ck_assert_msg(span_has_control((struct span){ text, 3 }) ==
			control,
		    "byte %d", c);
	}
	ck_assert(!span_has_control((struct span){ NULL, 0 }));
}
END_TEST

UNIT_MAIN("span", span_of_null_is_empty,
    literal_leaves_out_its_terminator_and_keeps_inner_nul,
    equality_is_of_all_bytes, empty_spans_are_equal_whatever_they_point_at,
    nocase_folds_ascii_letters_and_nothing_else,
    prefix_is_found_at_the_front_only, trim_drops_white_space_at_both_ends,
    cut_gives_empty_pieces_too,
    cut_after_a_trailing_separator_gives_a_last_empty_piece,
    cut_of_nothing_gives_one_empty_piece, cut_of_a_null_span_gives_none,
    words_are_parted_by_runs_of_spaces_and_tabs, nothing_has_no_word,
    number_is_read_or_refused, digits_end_where_the_span_ends,
    utf8_is_told_from_what_is_not, character_must_end_within_the_span,
    utf8_may_hold_nul, controls_are_c0_and_del)
