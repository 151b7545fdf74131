// SPDX-License-Identifier: BSD-3-Clause
#include "support/ends.h"

#include "support/ground.h"

struct test_ends test_ends;

int test_ends_open(void **state)
{
	struct test_ends *e = &test_ends;

	(void)state;
	e->n_used = rte_mempool_in_use_count(e->pool);
	e->outcomes = (struct fer_outcomes){0};
	test_end_open(&e->west, "west", test_engine, e->pool);
	test_end_open(&e->east, "east", test_engine, e->pool);
	return 0;
}

int test_ends_close(void **state)
{
	struct test_ends *e = &test_ends;

	(void)state;
	test_end_close(&e->west);
	test_end_close(&e->east);
	return rte_mempool_in_use_count(e->pool) == e->n_used ? 0 : -1;
}

int test_ends_main(const struct CMUnitTest tests[], size_t n, const char *name, uint16_t data_bytes)
{
	int error;

	test_ground_open("256");
	test_ends.pool = test_pool(name, 2047, RTE_PKTMBUF_HEADROOM + data_bytes);
	error = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
	test_ground_close();
	return error;
}

struct test_tunnel test_ends_add(const struct test_sa *sa)
{
	struct test_sa copy = *sa;
	struct test_tunnel t = {.handle = test_sa_add(test_ends.west.sas, &copy, FER_OUT)};

	copy.window = 64;
	copy.tfc = (struct fer_tfc){0};
	t.out = fer_sa_get(test_ends.west.sas, t.handle);
	t.in = fer_sa_get(test_ends.east.sas, test_sa_add(test_ends.east.sas, &copy, FER_IN));
	return t;
}

void test_ends_put(struct rte_mbuf *m, enum fer_link link)
{
	test_ends.batch.n = 1;
	test_ends.batch.link = (uint8_t)link;
	test_ends.batch.m[0] = m;
}

static enum fer_verdict end_of_batch(void)
{
	struct fer_batch *b = &test_ends.batch;
	enum fer_verdict v = (enum fer_verdict)b->pkt[0].verdict;

	b->n = (uint16_t)fer_sink(b, &test_ends.outcomes, b->m);
	return v;
}

enum fer_verdict test_ends_send(void)
{
	fer_path_out(&test_ends.west.path, &test_ends.batch);
	return end_of_batch();
}

enum fer_verdict test_ends_receive(void)
{
	fer_path_in(&test_ends.east.path, &test_ends.batch, 1, &test_ends.timed_out);
	return end_of_batch();
}

void test_ends_drop(void)
{
	rte_pktmbuf_free_bulk(test_ends.batch.m, test_ends.batch.n);
	test_ends.batch.n = 0;
}

void test_assert_verdict(enum fer_verdict is, enum fer_verdict want)
{
	assert_string_equal(fer_verdict_name(is), fer_verdict_name(want));
}
