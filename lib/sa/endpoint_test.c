// SPDX-License-Identifier: BSD-3-Clause
// Is an address in the set as long as it should be?
#include "sa/endpoint.h"

#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static struct fer_addr address(uint32_t n)
{
	struct fer_addr a = {.version = 4};

	memcpy(a.bytes, &n, sizeof(n));
	return a;
}

static void address_lingers_for_a_minute(void **state)
{
	struct fer_endpoints *e = fer_endpoints_create(4, NULL);
	struct fer_addr a = address(1), b = address(2);

	(void)state;
	assert_non_null(e);
	assert_false(fer_endpoints_has(e, &a));
	assert_int_equal(fer_endpoints_get(e, &a), 0);
	assert_int_equal(fer_endpoints_get(e, &a), 0);
	assert_true(fer_endpoints_has(e, &a));
	assert_false(fer_endpoints_has(e, &b));
	fer_endpoints_put(e, &a, 100 * SECOND);
	fer_endpoints_expire(e, 1000 * SECOND);
	assert_true(fer_endpoints_has(e, &a)); // one SA is left
	fer_endpoints_put(e, &a, 1000 * SECOND);
	fer_endpoints_expire(e, 1060 * SECOND - 1);
	assert_true(fer_endpoints_has(e, &a));
	fer_endpoints_expire(e, 1060 * SECOND);
	assert_false(fer_endpoints_has(e, &a));
	fer_endpoints_destroy(e);
	fer_endpoints_destroy(NULL);
}

static void version_tells_addresses_apart(void **state)
{
	struct fer_endpoints *e = fer_endpoints_create(4, NULL);
	struct fer_addr v4 = address(1), v6 = address(1);

	(void)state;
	v6.version = 6;
	assert_int_equal(fer_endpoints_get(e, &v4), 0);
	assert_false(fer_endpoints_has(e, &v6));
	fer_endpoints_destroy(e);
}

static void an_address_that_came_back_stays(void **state)
{
	struct fer_endpoints *e = fer_endpoints_create(4, NULL);
	struct fer_addr a = address(1), b = address(2);

	(void)state;
	assert_int_equal(fer_endpoints_get(e, &a), 0);
	assert_int_equal(fer_endpoints_get(e, &b), 0);
	fer_endpoints_put(e, &a, 0);
	fer_endpoints_put(e, &b, 1 * SECOND);
	assert_int_equal(fer_endpoints_get(e, &a), 0);
	fer_endpoints_expire(e, 100 * SECOND);
	assert_true(fer_endpoints_has(e, &a));
	assert_false(fer_endpoints_has(e, &b));
	fer_endpoints_put(e, &a, 101 * SECOND);
	fer_endpoints_expire(e, 160 * SECOND);
	assert_true(fer_endpoints_has(e, &a));
	fer_endpoints_expire(e, 161 * SECOND);
	assert_false(fer_endpoints_has(e, &a));
	fer_endpoints_destroy(e);
}

// More addresses go than may linger: the oldest goes early, and there is always room for another.
static void room_does_not_run_out(void **state)
{
	enum { CAPACITY = 8 };
	struct fer_endpoints *e = fer_endpoints_create(CAPACITY, NULL);

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		struct fer_addr a = address(i), old = address(i - CAPACITY);

		assert_int_equal(fer_endpoints_get(e, &a), 0);
		fer_endpoints_put(e, &a, i);
		assert_true(fer_endpoints_has(e, &a));
		assert_false(fer_endpoints_has(e, &old));
	}
	for (uint32_t i = 10000 - CAPACITY; i < 10000; i++) {
		struct fer_addr a = address(i);
		assert_true(fer_endpoints_has(e, &a));
	}
	fer_endpoints_destroy(e);
}

// A reader that does not move on keeps what it may stand on, until all is used up.
static void a_sleeping_reader_is_waited_for(void **state)
{
	enum { CAPACITY = 8 };
	struct rte_rcu_qsbr *qsbr = aligned_alloc(64, rte_rcu_qsbr_get_memsize(1));
	struct fer_endpoints *e = fer_endpoints_create(CAPACITY, qsbr);
	unsigned n = 0;

	(void)state;
	assert_int_equal(rte_rcu_qsbr_init(qsbr, 1), 0);
	assert_int_equal(rte_rcu_qsbr_thread_register(qsbr, 0), 0);
	rte_rcu_qsbr_thread_online(qsbr, 0);
	for (int error = 0; error == 0; n++) {
		struct fer_addr a = address(n);

		error = fer_endpoints_get(e, &a);
		if (error == 0)
			fer_endpoints_put(e, &a, 0);
		else
			assert_int_equal(error, -ENOSPC);
	}
	assert_true(n > 2 * CAPACITY);
	rte_rcu_qsbr_quiescent(qsbr, 0);
	struct fer_addr a = address(n);
	assert_int_equal(fer_endpoints_get(e, &a), 0);
	fer_endpoints_destroy(e);
	free(qsbr);
}

// --- against a plain array

static void churn_agrees_with_the_reference(void **state)
{
	enum { CAPACITY = 64, N_ADDRESSES = 100 };
	struct fer_endpoints *e = fer_endpoints_create(CAPACITY, NULL);
	unsigned n_sas[N_ADDRESSES] = {0}, total = 0, seed = 7;
	uint64_t gone[N_ADDRESSES], now = 100 * SECOND;

	(void)state;
	memset(gone, 0, sizeof(gone));
	for (unsigned i = 0; i < 200000; i++) {
		unsigned at = (unsigned)rand_r(&seed) % N_ADDRESSES;
		struct fer_addr a = address(at);

		now += (uint64_t)rand_r(&seed) % (4 * SECOND);
		fer_endpoints_expire(e, now);
		bool expected =
			n_sas[at] > 0 || (gone[at] != 0 && now - gone[at] < FER_ENDPOINT_LINGER_NS);
		assert_int_equal(fer_endpoints_has(e, &a), expected);
		if (n_sas[at] > 0 && rand_r(&seed) % 2 == 0) {
			fer_endpoints_put(e, &a, now);
			gone[at] = now;
			n_sas[at]--;
			total--;
		} else if (total < CAPACITY) {
			assert_int_equal(fer_endpoints_get(e, &a), 0);
			n_sas[at]++;
			total++;
		}
	}
	fer_endpoints_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_lingers_for_a_minute),
		cmocka_unit_test(version_tells_addresses_apart),
		cmocka_unit_test(an_address_that_came_back_stays),
		cmocka_unit_test(room_does_not_run_out),
		cmocka_unit_test(a_sleeping_reader_is_waited_for),
		cmocka_unit_test(churn_agrees_with_the_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
