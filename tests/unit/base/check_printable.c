#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/printable.h"

static const struct {
	const char *text;
	const char *shown;
} rows[] = {
	{ "", "" },
	{ "plain ASCII, ~ and all", "plain ASCII, ~ and all" },
	{ "Gr\303\274\303\237e, \342\202\254, \360\237\224\224",
	    "Gr\303\274\303\237e, \342\202\254, \360\237\224\224" },
	/* An escape sequence that sets a terminal's title. */
	{ "\033]0;PWNED\007", "?]0;PWNED?" },
	{ "a\tb\r\nc\177", "a?b??c?" },
	/* C1 as UTF-8 has it: CSI, and the first and last of them. */
	{ "\302\233"
	  "2J",
	    "?2J" },
	{ "\302\200\302\237\302\240", "??\302\240" },
	/* RIGHT-TO-LEFT OVERRIDE turns "gpj.exe" around. */
	{ "\342\200\256gpj.exe", "?gpj.exe" },
	{ "\342\200\215\342\200\216\342\200\250\342\201\246\342\201\251",
	    "\342\200\215????" },
	{ "\330\234\357\273\277", "??" },
	/* No UTF-8: each byte for itself. */
	{ "\200\377", "??" },
	{ "\303", "?" },
	{ "\303x", "?x" },
	{ "\340\200\200", "???" },
	{ "\355\240\200", "???" },
	{ "\364\220\200\200", "????" },
};

START_TEST(what_steers_a_terminal_is_not_shown)
{
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf out = { 0 };

		printable_put(&out, span_of(rows[i].text));

		ck_assert_msg(span_equal(buf_span(&out),
				  span_of(rows[i].shown)),
		    "row %zu: %.*s", i, (int)out.len, out.ptr);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(text_is_cleaned_in_place)
{
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		char *text = strdup(rows[i].text);
		ck_assert_ptr_nonnull(text);

		printable_clean(text);

		ck_assert_str_eq(text, rows[i].shown);
		free(text);
	}
}
END_TEST

START_TEST(nul_is_no_end_of_a_span)
{
	struct buf out = { 0 };

	printable_put(&out, SPAN("a\0b"));

	unit_assert_span(buf_span(&out), "a?b");
	buf_fini(&out);
}
END_TEST

UNIT_MAIN("printable", what_steers_a_terminal_is_not_shown,
    text_is_cleaned_in_place, nul_is_no_end_of_a_span)
