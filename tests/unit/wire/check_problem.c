#include "unit.h"

#include <string.h>

#include "wire/problem.h"

START_TEST(detail_is_formatted)
{
	struct problem p;

	problem_set(&p, 413, "event %d: \"%s\" is too long", 3, "data");

	ck_assert_int_eq(p.status, 413);
	ck_assert_str_eq(p.detail, "event 3: \"data\" is too long");
}
END_TEST

START_TEST(setting_again_replaces_what_was_there)
{
	struct problem p;
	problem_set(&p, 400, "a sentence that is longer");

	problem_set(&p, 503, "short");

	ck_assert_int_eq(p.status, 503);
	ck_assert_str_eq(p.detail, "short");
}
END_TEST

START_TEST(longest_detail_fits_whole)
{
	struct problem p;
	char text[PROBLEM_DETAIL_MAX];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';

	problem_set(&p, 400, "%s", text);

	ck_assert_str_eq(p.detail, text);
}
END_TEST

START_TEST(too_long_detail_is_cut_between_characters)
{
	/* How many bytes of the euro sign still fit before the terminator. */
	for (size_t fit = 0; fit < 3; fit++) {
		struct problem p;
		char text[PROBLEM_DETAIL_MAX + 8];
		size_t plain = PROBLEM_DETAIL_MAX - 1 - fit;
		memset(text, 'x', plain);
		memcpy(text + plain, "\xe2\x82\xac", 4);

		problem_set(&p, 400, "%s", text);

		ck_assert_uint_eq(strlen(p.detail), plain);
		ck_assert_int_eq(p.detail[plain - 1], 'x');
	}
}
END_TEST

START_TEST(every_status_of_the_contract_has_its_title)
{
	static const struct {
		int status;
		const char *title;
	} rows[] = {
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_str_eq(problem_title(rows[i].status), rows[i].title);
}
END_TEST

START_TEST(unknown_status_still_has_a_title)
{
	ck_assert_ptr_nonnull(problem_title(0));
	ck_assert_uint_gt(strlen(problem_title(999)), 0);
}
END_TEST

UNIT_MAIN("problem", detail_is_formatted, setting_again_replaces_what_was_there,
    longest_detail_fits_whole, too_long_detail_is_cut_between_characters,
    every_status_of_the_contract_has_its_title,
    unknown_status_still_has_a_title)
