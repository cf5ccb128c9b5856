#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static uint64_t
ms_of(clockid_t which)
{
	struct timespec now;

	ck_assert_int_eq(clock_gettime(which, &now), 0);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

START_TEST(wall_is_the_time_of_day)
{
	uint64_t before = ms_of(CLOCK_REALTIME);

	struct clock_now now = clock_read();

	ck_assert_uint_ge(now.wall_ms, before);
	ck_assert_uint_le(now.wall_ms, ms_of(CLOCK_REALTIME));
}
END_TEST

START_TEST(boot_counts_suspended_time_and_is_never_zero)
{
	uint64_t before = ms_of(CLOCK_BOOTTIME);

	struct clock_now now = clock_read();

	ck_assert_uint_ge(now.boot_ms, 1);
	ck_assert_uint_ge(now.boot_ms, before);
	ck_assert_uint_le(now.boot_ms, ms_of(CLOCK_BOOTTIME) + 1);
}
END_TEST

START_TEST(boot_never_falls)
{
	uint64_t last = 0;

	for (int i = 0; i < 10000; i++) {
		struct clock_now now = clock_read();

		ck_assert_uint_ge(now.boot_ms, last);
		last = now.boot_ms;
	}
}
END_TEST

START_TEST(boot_id_is_what_the_kernel_prints)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
	char kernel[64] = "";
	char printed[64] = "";
	unsigned char id[16];
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%63s", kernel), 1);
	(void)fclose(file);

	clock_boot_id(id);

	/* RFC 9562, section 4: 8-4-4-4-12 digits. */
	for (size_t i = 0; i < sizeof(id); i++) {
		size_t len = strlen(printed);
		bool hyphen = i == 4 || i == 6 || i == 8 || i == 10;
		(void)snprintf(printed + len, sizeof(printed) - len, "%s%02x",
		    hyphen ? "-" : "", id[i]);
	}
	ck_assert_str_eq(printed, kernel);
}
END_TEST

UNIT_MAIN("clock", wall_is_the_time_of_day,
    boot_counts_suspended_time_and_is_never_zero, boot_never_falls,
    boot_id_is_what_the_kernel_prints)
