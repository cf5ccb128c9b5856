#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "base/units.h"

START_TEST(amounts_are_read_with_their_units)
{
	static const struct {
		const char *text;
		const struct unit *units;
		uint64_t bare;
		uint64_t amount;
	} cases[] = {
		{ "0", units_of_size, 1, 0 },
		{ "7", units_of_size, 1, 7 },
		{ "256K", units_of_size, 1, 262144 },
		{ "64M", units_of_size, 1, 67108864 },
		{ "2G", units_of_size, 1, UINT64_C(2147483648) },
		{ "3", units_of_time, 1000, 3000 },
		{ "3", units_of_time, 1, 3 },
		{ "3000ms", units_of_time, 1000, 3000 },
		{ "15s", units_of_time, 1, 15000 },
		{ "20m", units_of_time, 1, 1200000 },
		{ "2h", units_of_time, 1, 7200000 },
		{ "1d", units_of_time, 1, 86400000 },
		{ "18446744073709551615", units_of_count, 1, UINT64_MAX },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		uint64_t amount = 77;

		int error = units_parse(cases[i].text, cases[i].units,
		    cases[i].bare, &amount);

		ck_assert_msg(error == 0, "%s", cases[i].text);
		ck_assert_uint_eq(amount, cases[i].amount);
	}
}
END_TEST

START_TEST(what_is_no_amount_is_refused)
{
	static const char *const texts[] = { "", "K", "x", "-1", "+1", " 1",
		"1 ", "1 K", "1KB", "1k", "0x10", "1.5M", "1T", "1s" };
	uint64_t amount;

	for (size_t i = 0; i < UNIT_COUNT(texts); i++)
		ck_assert_msg(units_parse(texts[i], units_of_size, 1,
				  &amount) == -EINVAL,
		    "%s", texts[i]);
	ck_assert_int_eq(units_parse("1K", units_of_count, 1, &amount),
	    -EINVAL);
	ck_assert_int_eq(units_parse("1M", units_of_time, 1, &amount), -EINVAL);
}
END_TEST

START_TEST(an_amount_that_overflows_is_out_of_range)
{
	static const char *const texts[] = { "18446744073709551616",
		"18014398509481984K", "17179869184G",
		"99999999999999999999999999G" };

	for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
		uint64_t amount = 0;

		int error = units_parse(texts[i], units_of_size, 1, &amount);

		ck_assert_msg(error == -ERANGE, "%s", texts[i]);
		ck_assert_uint_eq(amount, UINT64_MAX);
	}
}
END_TEST

START_TEST(amounts_are_printed_in_their_greatest_unit)
{
	static const struct {
		uint64_t amount;
		const struct unit *units;
		const char *text;
	} cases[] = {
		{ 0, units_of_size, "0" },
		{ 1, units_of_size, "1" },
		{ 1025, units_of_size, "1025" },
		{ 65536, units_of_size, "64K" },
		{ UNITS_GIB * 1024, units_of_size, "1024G" },
		{ 1500, units_of_time, "1500ms" },
		{ 90000, units_of_time, "90s" },
		{ UNITS_DAY, units_of_time, "1d" },
		{ UINT64_MAX, units_of_time, "18446744073709551615ms" },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		char text[UNITS_CHARS];

		units_print(text, cases[i].amount, cases[i].units);

		ck_assert_str_eq(text, cases[i].text);
	}
}
END_TEST

START_TEST(numbers_are_printed_as_printf_does)
{
	uint64_t value = 1;

	for (int i = 0; i < 200; i++) {
		const uint64_t near[] = { value - 1, value, value + 1,
			UINT64_MAX - value };
		for (size_t j = 0; j < UNIT_COUNT(near); j++) {
			char text[UNITS_DIGITS_MAX + 1];
			char wanted[UNITS_DIGITS_MAX + 1];

			text[units_print_u64(near[j], text)] = '\0';
			(void)snprintf(wanted, sizeof(wanted), "%" PRIu64,
			    near[j]);

			ck_assert_str_eq(text, wanted);
		}
		value = i < 19 ? value * 10 : value * 3 + (uint64_t)i;
	}
}
END_TEST

UNIT_MAIN("amount", amounts_are_read_with_their_units,
    what_is_no_amount_is_refused, an_amount_that_overflows_is_out_of_range,
    amounts_are_printed_in_their_greatest_unit,
    numbers_are_printed_as_printf_does)
