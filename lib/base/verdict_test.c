// SPDX-License-Identifier: BSD-3-Clause
// Is the one list of outcomes sound: every verdict named, described and unlike the others?
#include "base/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void every_verdict_has_its_own_name(void **state)
{
	(void)state;
	for (int v = 0; v < FER_N_VERDICTS; v++) {
		const char *name = fer_verdict_name(v);
		assert_true(strlen(name) >= 2 && strlen(name) < 31);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_true(strlen(fer_verdict_text(v)) > 5);
		for (int other = 0; other < v; other++)
			assert_string_not_equal(name, fer_verdict_name(other));
	}
}

static void names_are_those_that_users_rely_on(void **state)
{
	(void)state;
	assert_string_equal(fer_verdict_name(FER_OK), "ok");
	assert_string_equal(fer_verdict_name(FER_NO_POLICY), "no_policy");
	assert_string_equal(fer_verdict_name(FER_NO_SA), "no_sa");
	assert_string_equal(fer_verdict_name(FER_FRAGMENT_HELD), "fragment_held");
	assert_string_equal(fer_verdict_name(FER_FRAGMENT_LIMIT), "fragment_limit");
	assert_string_equal(fer_verdict_name(FER_FRAGMENT_NEEDS_PORTS), "fragment_needs_ports");
}

static void only_ok_passes(void **state)
{
	(void)state;
	for (int v = 0; v < FER_N_VERDICTS; v++)
		assert_int_equal(fer_verdict_kind(v) == FER_KIND_PASS, v == FER_OK);
	assert_int_equal(fer_verdict_kind(FER_N_VERDICTS), FER_KIND_DROP);
	assert_string_equal(fer_verdict_name(FER_N_VERDICTS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verdict_has_its_own_name),
		cmocka_unit_test(names_are_those_that_users_rely_on),
		cmocka_unit_test(only_ok_passes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
