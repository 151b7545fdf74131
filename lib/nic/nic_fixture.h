// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the tests of one NIC half share: a table, the NIC half over it, a batch, and packets that
// are counted, so that a test which loses one fails.

#include "nic/nic.h"
#include "support/ground.h"
#include "support/iv_fixed.h"
#include "support/mbufs.h"
#include "support/sas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct rte_mempool *pool;
static struct fer_sa_table *sas;
static struct fer_nic nic;
static struct fer_batch batch;
static unsigned n_used; // buffers, when the test began

static inline int open_nic(const char *name)
{
	n_used = rte_mempool_in_use_count(pool);
	sas = test_sas_open(name, test_engine);
	return fer_nic_init(&nic, sas, test_iv_fixed());
}

static inline int close_one(void **state)
{
	(void)state;
	fer_nic_fini(&nic);
	fer_sa_table_destroy(sas);
	return rte_mempool_in_use_count(pool) == n_used ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

static inline void done(void)
{
	rte_pktmbuf_free_bulk(batch.m, batch.n);
	rte_pktmbuf_free_bulk(batch.more, batch.n_more);
	batch.n = batch.n_more = 0;
}

static inline void assert_verdict(enum fer_verdict is, enum fer_verdict shall)
{
	assert_string_equal(fer_verdict_name(is), fer_verdict_name(shall));
}
