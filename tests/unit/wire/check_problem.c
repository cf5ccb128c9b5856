#include "unit.h"

#include <string.h>

#include "wire/problem.h"

START_TEST(detail_is_formatted)
{
	struct problem p;

	problem_set(&p, PROBLEM_EVENT_TOO_LARGE, "event %d: \"%s\" is too long",
	    3, "data");

	ck_assert_int_eq(p.kind, PROBLEM_EVENT_TOO_LARGE);
	ck_assert_int_eq(p.status, 413);
	ck_assert_str_eq(p.detail, "event 3: \"data\" is too long");
}
END_TEST

START_TEST(setting_again_replaces_what_was_there)
{
	struct problem p;
	problem_set(&p, PROBLEM_BAD_JSON, "a sentence that is longer");

	problem_set(&p, PROBLEM_UNAVAILABLE, "short");

	ck_assert_int_eq(p.kind, PROBLEM_UNAVAILABLE);
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

	problem_set(&p, PROBLEM_NO_DATA, "%s", text);

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

		problem_set(&p, PROBLEM_NO_DATA, "%s", text);

		ck_assert_uint_eq(strlen(p.detail), plain);
		ck_assert_int_eq(p.detail[plain - 1], 'x');
	}
}
END_TEST

START_TEST(types_and_statuses_are_those_of_the_manual)
{
	/* Programs act on them: a type, once given, never changes. */
	static const struct {
		enum problem_kind kind;
		const char *type;
		int status;
	} rows[] = {
		{ PROBLEM_BAD_JSON, "#bad-json", 400 },
		{ PROBLEM_BAD_EVENT, "#bad-event", 400 },
		{ PROBLEM_NO_EVENT, "#no-event", 400 },
		{ PROBLEM_NO_CHANNEL, "#no-channel", 400 },
		{ PROBLEM_BAD_CHANNEL, "#bad-channel", 400 },
		{ PROBLEM_TOO_MANY_CHANNELS, "#too-many-channels", 400 },
		{ PROBLEM_NO_DATA, "#no-data", 400 },
		{ PROBLEM_BAD_TOPIC, "#bad-topic", 400 },
		{ PROBLEM_BAD_ID, "#bad-id", 400 },
		{ PROBLEM_NOT_UTF8, "#not-utf8", 400 },
		{ PROBLEM_INCOMPLETE_BODY, "#incomplete-body", 400 },
		{ PROBLEM_KEY_MISSING, "#key-missing", 401 },
		{ PROBLEM_KEY_WRONG, "#key-wrong", 401 },
		{ PROBLEM_NO_ROLE, "#no-role", 403 },
		{ PROBLEM_CHANNEL_VARIABLE, "#channel-variable", 403 },
		{ PROBLEM_NOT_FOUND, "#not-found", 404 },
		{ PROBLEM_METHOD, "#method", 405 },
		{ PROBLEM_TOO_LARGE, "#too-large", 413 },
		{ PROBLEM_EVENT_TOO_LARGE, "#event-too-large", 413 },
		{ PROBLEM_BATCH_TOO_LARGE, "#batch-too-large", 413 },
		{ PROBLEM_MEDIA_TYPE, "#media-type", 415 },
		{ PROBLEM_CONTENT_ENCODING, "#content-encoding", 415 },
		{ PROBLEM_UNAVAILABLE, "#unavailable", 503 },
		{ PROBLEM_ARENA_FULL, "#arena-full", 503 },
	};
	ck_assert_uint_eq(UNIT_COUNT(rows), PROBLEM_KINDS);

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct problem p;

		problem_set(&p, rows[i].kind, "no");

		ck_assert_str_eq(problem_type(p.kind), rows[i].type);
		ck_assert_int_eq(p.status, rows[i].status);
		ck_assert_uint_gt(strlen(problem_title(p.kind)), 0);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(rows[j].type, rows[i].type);
	}
}
END_TEST

UNIT_MAIN("problem", detail_is_formatted, setting_again_replaces_what_was_there,
    longest_detail_fits_whole, too_long_detail_is_cut_between_characters,
    types_and_statuses_are_those_of_the_manual)
