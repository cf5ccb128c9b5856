#include "unit.h"

#include <errno.h>
#include <string.h>

#include "wire/urlencoded.h"

/* Decode a whole query to "name=value;" for each piece. */
static void
flatten(struct buf *flat, struct span query)
{
	struct buf out = { 0 };
	struct urlencoded_pair name;
	struct urlencoded_pair value;

	while (urlencoded_next(&query, &out, &name, &value)) {
		buf_put(flat, urlencoded_span(&out, name));
		buf_put_char(flat, '=');
		buf_put(flat, urlencoded_span(&out, value));
		buf_put_char(flat, ';');
	}
	ck_assert_int_eq(buf_error(&out), 0);
	buf_fini(&out);
}

START_TEST(pieces_are_parted_and_decoded)
{
	static const struct {
		const char *query;
		const char *flat;
	} rows[] = {
		{ "", "" },
		{ "a=b", "a=b;" },
		{ "a=1&b=2&a=3", "a=1;b=2;a=3;" },
		{ "&&a=b&&c=d&", "a=b;c=d;" },
		{ "a", "a=;" },
		{ "a=", "a=;" },
		{ "=b", "=b;" },
		{ "=", "=;" },
		{ "a=b=c", "a=b=c;" },
		{ "a;b=c", "a;b=c;" },
		{ "a+b=c+d", "a b=c d;" },
		{ "a%20b=c%2Bd", "a b=c+d;" },
		{ "%61=%e2%82%AC", "a=\xe2\x82\xac;" },
		{ "a=%26%3d%25", "a=&=%;" },
		{ "a%3db=c", "a=b=c;" },
		{ "channel%5B%5D=x", "channel[]=x;" },
		{ "a=%", "a=%;" },
		{ "a=%4", "a=%4;" },
		{ "a=%4&b=1", "a=%4;b=1;" },
		{ "a=%zz", "a=%zz;" },
		{ "a=%4g", "a=%4g;" },
		{ "a=%g4", "a=%g4;" },
		{ "a=%%41", "a=%A;" },
		{ "a=%2541", "a=%41;" },
		{ "a=%ff", "a=\xff;" },
		{ "a=\xff", "a=\xff;" },
		{ "a=%+1", "a=% 1;" },
		{ "a=%@@%``%::%//", "a=%@@%``%::%//;" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf flat = { 0 };

		flatten(&flat, span_of(rows[i].query));

		unit_assert_span(buf_span(&flat), rows[i].flat);
		buf_fini(&flat);
	}
}
END_TEST

START_TEST(escaped_nul_is_a_byte_like_any)
{
	struct buf flat = { 0 };

	flatten(&flat, SPAN("a=x%00y"));

	ck_assert(span_equal(buf_span(&flat), SPAN("a=x\0y;")));
	buf_fini(&flat);
}
END_TEST

START_TEST(every_byte_can_be_escaped_in_either_case)
{
	static const char digits[2][17] = { "0123456789abcdef",
		"0123456789ABCDEF" };

	for (int c = 0; c < 256; c++) {
		for (int i = 0; i < 2; i++) {
			struct buf out = { 0 };
			struct urlencoded_pair name;
			struct urlencoded_pair value;
			char query[5] = { 'a', '=', '%', digits[i][c >> 4],
				digits[i][c & 15] };
			struct span rest = { query, sizeof(query) };

			ck_assert(urlencoded_next(&rest, &out, &name, &value));

			struct span got = urlencoded_span(&out, value);
			ck_assert_uint_eq(got.len, 1);
			ck_assert_int_eq((unsigned char)got.ptr[0], c);
			buf_fini(&out);
		}
	}
}
END_TEST

START_TEST(escape_does_not_reach_past_the_end)
{
	struct buf flat = { 0 };
	struct span query = { "a=%41", 4 };

	flatten(&flat, query);

	unit_assert_span(buf_span(&flat), "a=%4;");
	buf_fini(&flat);
}
END_TEST

START_TEST(pieces_stay_valid_while_the_store_grows)
{
	struct buf out = { 0 };
	struct urlencoded_pair first;
	struct urlencoded_pair value;
	struct urlencoded_pair name;
	struct span rest = SPAN("first=kept&second=%2");
	char more[4096];
	memset(more, 'x', sizeof(more));
	ck_assert(urlencoded_next(&rest, &out, &first, &value));

	buf_put(&out, (struct span){ more, sizeof(more) });
	struct urlencoded_pair later;
	ck_assert(urlencoded_next(&rest, &out, &name, &later));

	unit_assert_span(urlencoded_span(&out, first), "first");
	unit_assert_span(urlencoded_span(&out, value), "kept");
	unit_assert_span(urlencoded_span(&out, later), "%2");
	buf_fini(&out);
}
END_TEST

START_TEST(null_query_has_no_piece)
{
	struct buf out = { 0 };
	struct urlencoded_pair name;
	struct urlencoded_pair value;
	struct span rest = { NULL, 0 };

	ck_assert(!urlencoded_next(&rest, &out, &name, &value));
	ck_assert(!urlencoded_next(&rest, &out, &name, &value));
	ck_assert_int_eq(buf_error(&out), 0);
	buf_fini(&out);
}
END_TEST

START_TEST(member_may_have_an_index)
{
	static const struct {
		const char *name;
		bool is_member;
	} rows[] = {
		{ "list", true },
		{ "list[]", true },
		{ "list[0]", true },
		{ "list[18446744073709551616]", true },
		{ "", false },
		{ "lis", false },
		{ "lists", false },
		{ "list[", false },
		{ "list]", false },
		{ "list[0", false },
		{ "list0]", false },
		{ "list[a]", false },
		{ "list[0][1]", false },
		{ "list[]x", false },
		{ "List[]", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_msg(urlencoded_is_member(span_of(rows[i].name),
				  SPAN("list")) == rows[i].is_member,
		    "\"%s\"", rows[i].name);
	ck_assert(
	    !urlencoded_is_member((struct span){ NULL, 0 }, SPAN("list")));
}
END_TEST

START_TEST(end_stays_the_end)
{
	struct buf out = { 0 };
	struct urlencoded_pair name;
	struct urlencoded_pair value;
	struct span rest = SPAN("a=b&");

	ck_assert(urlencoded_next(&rest, &out, &name, &value));
	ck_assert(!urlencoded_next(&rest, &out, &name, &value));
	ck_assert(!urlencoded_next(&rest, &out, &name, &value));
	buf_fini(&out);
}
END_TEST

START_TEST(failed_allocation_ends_the_walk)
{
	struct buf out = { 0 };
	struct urlencoded_pair name;
	struct urlencoded_pair value;
	struct span rest = SPAN("a=b&c=d");
	(void)buf_room(&out, SIZE_MAX);

	ck_assert(!urlencoded_next(&rest, &out, &name, &value));

	ck_assert_int_eq(buf_error(&out), -ENOMEM);
	buf_fini(&out);
}
END_TEST

UNIT_MAIN("query", pieces_are_parted_and_decoded,
    escaped_nul_is_a_byte_like_any, every_byte_can_be_escaped_in_either_case,
    escape_does_not_reach_past_the_end, pieces_stay_valid_while_the_store_grows,
    null_query_has_no_piece, end_stays_the_end, member_may_have_an_index,
    failed_allocation_ends_the_walk)
