#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

START_TEST(zeroed_buf_is_empty_and_sound)
{
	struct buf b = { 0 };

	ck_assert_uint_eq(buf_span(&b).len, 0);
	ck_assert_int_eq(buf_error(&b), 0);
	buf_fini(&b);
	buf_fini(NULL);
}
END_TEST

START_TEST(puts_follow_each_other)
{
	struct buf b;
	buf_init(&b);

	buf_put(&b, SPAN("one"));
	buf_put_char(&b, ' ');
	buf_put_cstr(&b, "two");
	buf_put(&b, (struct span){ NULL, 0 });
	buf_put_cstr(&b, NULL);

	unit_assert_span(buf_span(&b), "one two");
	buf_fini(&b);
}
END_TEST

START_TEST(contents_survive_growth)
{
	struct buf b;
	buf_init(&b);

	for (int i = 0; i < 5000; i++)
		buf_put_char(&b, (char)('a' + i % 26));

	ck_assert_uint_eq(b.len, 5000);
	for (size_t i = 0; i < b.len; i++)
		ck_assert_int_eq(b.ptr[i], 'a' + (int)(i % 26));
	buf_fini(&b);
}
END_TEST

START_TEST(room_counts_only_what_the_caller_adds)
{
	struct buf b;
	buf_init(&b);

	char *to = buf_room(&b, 1000);
	memcpy(to, "abc", 3);
	b.len += 3;

	unit_assert_span(buf_span(&b), "abc");
	buf_fini(&b);
}
END_TEST

START_TEST(room_for_nothing_is_no_failure)
{
	struct buf b;
	buf_init(&b);

	ck_assert_ptr_nonnull(buf_room(&b, 0));
	ck_assert_int_eq(buf_error(&b), 0);
	buf_fini(&b);
}
END_TEST

START_TEST(failure_is_remembered_and_stops_later_puts)
{
	struct buf b;
	buf_init(&b);
	buf_put_cstr(&b, "kept");

	ck_assert_ptr_null(buf_room(&b, SIZE_MAX));
	buf_put_cstr(&b, "lost");

	ck_assert_int_eq(buf_error(&b), -ENOMEM);
	unit_assert_span(buf_span(&b), "kept");
	buf_fini(&b);
}
END_TEST

START_TEST(clear_forgets_contents_and_failure)
{
	struct buf b;
	buf_init(&b);
	buf_put_cstr(&b, "old");
	(void)buf_room(&b, SIZE_MAX);

	buf_clear(&b);
	buf_put_cstr(&b, "new");

	ck_assert_int_eq(buf_error(&b), 0);
	unit_assert_span(buf_span(&b), "new");
	buf_fini(&b);
}
END_TEST

START_TEST(fini_leaves_a_usable_buf)
{
	struct buf b;
	buf_init(&b);
	buf_put_cstr(&b, "old");

	buf_fini(&b);
	buf_put_cstr(&b, "new");

	unit_assert_span(buf_span(&b), "new");
	buf_fini(&b);
}
END_TEST

START_TEST(numbers_are_decimal)
{
	static const struct {
		uint64_t value;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ 9, "9" },
		{ 10, "10" },
		{ 100, "100" },
		{ UINT64_MAX, "18446744073709551615" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf b = { 0 };

		buf_put_u64(&b, rows[i].value);

		unit_assert_span(buf_span(&b), rows[i].text);
		buf_fini(&b);
	}
}
END_TEST

UNIT_MAIN("buf", zeroed_buf_is_empty_and_sound, puts_follow_each_other,
    contents_survive_growth, room_counts_only_what_the_caller_adds,
    room_for_nothing_is_no_failure, failure_is_remembered_and_stops_later_puts,
    clear_forgets_contents_and_failure, fini_leaves_a_usable_buf,
    numbers_are_decimal)
