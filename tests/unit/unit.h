/*
 * The main function every unit test shares: name the suite, list the tests.
 *
 * Returns the exit status: 0 when all passed.
 */
#ifndef PEAL_TESTS_UNIT_H
#define PEAL_TESTS_UNIT_H

/* Check's macros give warnings this project otherwise treats as faults. */
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <check.h>
#include <stddef.h>

static inline int
unit_main(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *cases = tcase_create(name);
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < count; i++)
		tcase_add_test(cases, tests[i]);
	/* A limit against hanging, far from what any test needs. */
	tcase_set_timeout(cases, 120);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

#define UNIT_MAIN(name, ...)                                                 \
	int main(void)                                                       \
	{                                                                    \
		static const TTest *const *all;                              \
		const TTest *const tests[] = { __VA_ARGS__ };                \
		all = tests;                                                 \
		return unit_main(name, all, sizeof(tests) / sizeof(tests[0])); \
	}

#endif
