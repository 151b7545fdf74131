// SPDX-License-Identifier: BSD-3-Clause
// Is a port that is taken away told from one without a link, once, and left alone from then on?
#include "ports.h"

#include "support/ground.h"

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#define NAME "net_null0"

static struct rte_mempool *pool;
static struct fer_port port;

static void open_port(void)
{
	const struct fer_doc_port doc = {.name = NAME, .mtu = 1500};
	struct fer_port_error error = {.why = ""};

	assert_int_equal(rte_vdev_init(NAME, "no-rx=1"), 0);
	if (fer_port_find(&port, &doc, 1, false, &error) != 0 ||
		fer_port_set_up(&port, pool, &error) != 0 || fer_port_start(&port, &error) != 0)
		fail_msg("%s", error.why);
	while (fer_port_watch(&port) != FER_PORT_SAME)
		;
}

static void expect_removed(void)
{
	assert_int_equal(fer_port_watch(&port), FER_PORT_REMOVED);
	assert_true(port.is_lost && port.is_removed);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fer_port_watch(&port), FER_PORT_SAME);
	assert_true(port.is_lost && port.is_removed);
}

static void is_what_is_unplugged_told(void **state)
{
	(void)state;
	open_port();
	assert_int_equal(rte_vdev_uninit(NAME), 0);
	expect_removed();
	fer_port_close(&port); // of nothing
}

// As a driver does from an interrupt.
static void is_what_a_driver_tells_told(void **state)
{
	(void)state;
	open_port();
	port.is_removed = true;
	expect_removed();
	fer_port_close(&port);
	assert_int_equal(rte_vdev_uninit(NAME), 0);
}

static void is_a_lost_link_no_removal(void **state)
{
	(void)state;
	open_port();
	assert_int_equal(rte_eth_dev_set_link_down(port.id), -ENOTSUP); // it has but one state
	assert_int_equal(rte_eth_dev_stop(port.id), 0);                 // this is the other one
	assert_int_equal(fer_port_watch(&port), FER_PORT_LOST);
	assert_true(port.is_lost && !port.is_removed);
	assert_int_equal(rte_eth_dev_start(port.id), 0);
	assert_int_equal(fer_port_watch(&port), FER_PORT_BACK);
	assert_false(port.is_lost || port.is_removed);
	fer_port_close(&port);
	assert_int_equal(rte_vdev_uninit(NAME), 0);
}

static int setup(void **state)
{
	(void)state;
	test_ground_open("64");
	pool = rte_pktmbuf_pool_create("ports", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	rte_mempool_free(pool);
	test_ground_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_what_is_unplugged_told),
		cmocka_unit_test(is_what_a_driver_tells_told),
		cmocka_unit_test(is_a_lost_link_no_removal),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
