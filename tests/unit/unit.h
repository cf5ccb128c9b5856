/*
 * What every unit test shares: its main function, and how to compare spans.
 */
#ifndef PEAL_TESTS_UNIT_H
#define PEAL_TESTS_UNIT_H

/* Check's macros give warnings this project otherwise treats as faults. */
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <check.h>
#include <stddef.h>

#include "base/span.h"

#define UNIT_COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Fail unless the span got holds the bytes of the string want. */
#define unit_assert_span(got, want)                                        \
	do {                                                               \
		struct span unit_got = (got);                              \
		const char *unit_want = (want);                            \
		ck_assert_msg(span_equal(unit_got, span_of(unit_want)),    \
		    "%s is \"%.*s\", not \"%s\"", #got, (int)unit_got.len, \
		    unit_got.len == 0 ? "" : unit_got.ptr, unit_want);     \
	} while (0)

/* Returns the exit status: 0 when all passed. */
static inline int
unit_main(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *cases = tcase_create(name);

	for (size_t i = 0; i < count; i++)
		tcase_add_test(cases, tests[i]);
	/* A limit against hanging, far from what any test needs. */
	tcase_set_timeout(cases, 120);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

/* The main function: name the suite, list the tests. */
#define UNIT_MAIN(name, ...)                                      \
	int main(void)                                            \
	{                                                         \
		const TTest *const tests[] = { __VA_ARGS__ };     \
		return unit_main(name, tests, UNIT_COUNT(tests)); \
	}

#endif
