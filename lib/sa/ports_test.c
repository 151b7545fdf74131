// SPDX-License-Identifier: BSD-3-Clause
// Is a port in the set as long as it has SAs, and for a minute more?
#include "sa/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MINUTE FER_PORTS_LINGER_NS

static int create(void **state)
{
	*state = fer_ports_create();
	return *state == NULL ? -1 : 0;
}

static int destroy(void **state)
{
	fer_ports_destroy(*state);
	return 0;
}

static void test_port_of_nobody_is_not_there(void **state)
{
	const struct fer_ports *p = *state;

	assert_false(fer_ports_has_any(p));
	for (uint32_t port = 0; port < 65536; port++)
		assert_false(fer_ports_has(p, (uint16_t)port));
}

static void test_port_is_there_and_no_neighbour(void **state)
{
	static const uint16_t ports[] = {0, 1, 63, 64, 4500, 65535};
	struct fer_ports *p = *state;

	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		fer_ports_get(p, ports[i]);
		for (uint32_t port = 0; port < 65536; port++)
			assert_int_equal(fer_ports_has(p, (uint16_t)port), port == ports[i]);
		fer_ports_put(p, ports[i], 0);
		fer_ports_expire(p, MINUTE);
	}
	assert_false(fer_ports_has_any(p));
}

static void test_port_stays_for_its_last_sa_and_a_minute(void **state)
{
	struct fer_ports *p = *state;

	fer_ports_get(p, 4500);
	fer_ports_get(p, 4500);
	fer_ports_put(p, 4500, 10);
	fer_ports_expire(p, 10 * MINUTE);
	assert_true(fer_ports_has(p, 4500));
	fer_ports_put(p, 4500, 10 * MINUTE);
	fer_ports_expire(p, 11 * MINUTE - 1);
	assert_true(fer_ports_has(p, 4500));
	fer_ports_expire(p, 11 * MINUTE);
	assert_false(fer_ports_has(p, 4500));
}

static void test_port_that_comes_back_does_not_leave(void **state)
{
	struct fer_ports *p = *state;

	fer_ports_get(p, 4500);
	fer_ports_put(p, 4500, 0);
	fer_ports_get(p, 4500);
	fer_ports_expire(p, 5 * MINUTE);
	assert_true(fer_ports_has(p, 4500));
	fer_ports_put(p, 4500, 5 * MINUTE);
	assert_true(fer_ports_has(p, 4500));
}

static void test_of_too_many_the_oldest_leaves_early(void **state)
{
	struct fer_ports *p = *state;

	for (uint16_t port = 1; port <= FER_PORTS_LINGERING + 1; port++) {
		fer_ports_get(p, port);
		fer_ports_put(p, port, port);
	}
	assert_false(fer_ports_has(p, 1));
	for (uint16_t port = 2; port <= FER_PORTS_LINGERING + 1; port++)
		assert_true(fer_ports_has(p, port));
	fer_ports_expire(p, 2 * MINUTE);
	assert_false(fer_ports_has_any(p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_port_of_nobody_is_not_there, create, destroy),
		cmocka_unit_test_setup_teardown(
			test_port_is_there_and_no_neighbour, create, destroy),
		cmocka_unit_test_setup_teardown(
			test_port_stays_for_its_last_sa_and_a_minute, create, destroy),
		cmocka_unit_test_setup_teardown(
			test_port_that_comes_back_does_not_leave, create, destroy),
		cmocka_unit_test_setup_teardown(
			test_of_too_many_the_oldest_leaves_early, create, destroy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
