#include "unit.h"

#include "base/histogram.h"

/* The time a histogram gives back for a single one. */
static uint64_t
back(uint64_t ns)
{
	struct histogram h = { 0 };

	histogram_add(&h, ns);
	/* A second, greater one: else the greatest would be told, which is exact. */
	histogram_add(&h, UINT64_MAX);
	return histogram_at(&h, 500);
}

START_TEST(an_empty_one_tells_0)
{
	struct histogram h = { 0 };

	ck_assert_uint_eq(histogram_at(&h, 0), 0);
	ck_assert_uint_eq(histogram_at(&h, 500), 0);
	ck_assert_uint_eq(histogram_at(&h, 1000), 0);
}
END_TEST

START_TEST(times_below_64_are_exact)
{
	for (uint64_t ns = 0; ns < 64; ns++)
		ck_assert_uint_eq(back(ns), ns);
}
END_TEST

START_TEST(no_time_is_told_shorter_or_a_32nd_longer)
{
	for (unsigned top = 0; top < HISTOGRAM_TOP; top++) {
		uint64_t low = UINT64_C(1) << top;
		/* The ends of a doubling, and steps that miss the cells'. */
		for (uint64_t ns = low; ns < low * 2; ns += low / 37 + 1) {
			ck_assert_uint_ge(back(ns), ns);
			ck_assert_uint_le(back(ns), ns + ns / 32);
		}
		ck_assert_uint_eq(back(low * 2 - 1), low * 2 - 1);
	}
}
END_TEST

START_TEST(longer_times_are_told_longer)
{
	uint64_t before = 0;

	for (uint64_t ns = 1; ns < UINT64_C(1) << HISTOGRAM_TOP;
	     ns += ns / 40 + 1) {
		ck_assert_uint_ge(back(ns), before);
		before = back(ns);
	}
}
END_TEST

START_TEST(the_share_counts_from_the_shortest)
{
	struct histogram h = { 0 };

	for (uint64_t ns = 1; ns <= 50; ns++)
		histogram_add(&h, ns);

	ck_assert_uint_eq(histogram_at(&h, 0), 1);
	ck_assert_uint_eq(histogram_at(&h, 20), 1);
	ck_assert_uint_eq(histogram_at(&h, 21), 2);
	ck_assert_uint_eq(histogram_at(&h, 500), 25);
	ck_assert_uint_eq(histogram_at(&h, 990), 50);
	ck_assert_uint_eq(histogram_at(&h, 1000), 50);
}
END_TEST

START_TEST(nothing_is_told_above_the_greatest)
{
	struct histogram h = { 0 };

	histogram_add(&h, 1000001);

	ck_assert_uint_eq(h.count, 1);
	ck_assert_uint_eq(h.max_ns, 1000001);
	ck_assert_uint_eq(histogram_at(&h, 500), 1000001);
	ck_assert_uint_eq(histogram_at(&h, 1000), 1000001);
}
END_TEST

START_TEST(times_beyond_the_top_are_the_greatest)
{
	struct histogram h = { 0 };

	histogram_add(&h, UINT64_C(1) << HISTOGRAM_TOP);
	histogram_add(&h, UINT64_MAX - 1);

	ck_assert_uint_eq(histogram_at(&h, 1), UINT64_MAX - 1);
	ck_assert_uint_eq(histogram_at(&h, 1000), UINT64_MAX - 1);
}
END_TEST

UNIT_MAIN("histogram", an_empty_one_tells_0, times_below_64_are_exact,
    no_time_is_told_shorter_or_a_32nd_longer, longer_times_are_told_longer,
    the_share_counts_from_the_shortest, nothing_is_told_above_the_greatest,
    times_beyond_the_top_are_the_greatest)
