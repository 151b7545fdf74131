// SPDX-License-Identifier: BSD-3-Clause
// Does every packet end once: counted, and freed or handed on?
#include "host/sink.h"

#include "support/eal.h"
#include "support/mbufs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct rte_mempool *pool;
static struct fer_batch batch;
static struct fer_outcomes outcomes;
static struct rte_mbuf *out[FER_BATCH_MAX];

static struct rte_mbuf *packet(unsigned i)
{
	static const uint8_t bytes[300];
	uint32_t cut = i % 7 * 40;

	return test_mbuf_cut(pool, bytes, sizeof(bytes), &cut, 1);
}

static uint64_t sum(void)
{
	uint64_t n = 0;

	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		n += outcomes.packets[v];
	return n;
}

static void put(unsigned i, enum fer_verdict v)
{
	batch.m[i] = v == FER_FRAGMENT_HELD ? NULL : packet(i);
	batch.pkt[i].verdict = (uint8_t)v;
}

static void is_every_packet_counted_and_freed(void **state)
{
	struct rte_mbuf *in[FER_BATCH_MAX];
	unsigned n_ok = 0, before = rte_mempool_in_use_count(pool);

	(void)state;
	memset(&outcomes, 0, sizeof(outcomes));
	for (unsigned i = 0; i < FER_BATCH_MAX; i++) {
		put(i, i % 3 == 0 ? FER_OK : (enum fer_verdict)(i % FER_N_VERDICTS));
		if (batch.pkt[i].verdict == FER_OK)
			in[n_ok++] = batch.m[i];
	}
	batch.n = FER_BATCH_MAX;
	assert_int_equal(fer_sink(&batch, &outcomes, out), n_ok);
	assert_int_equal(batch.n, 0);
	assert_int_equal(sum(), FER_BATCH_MAX);
	assert_int_equal(outcomes.packets[FER_OK], n_ok);
	assert_memory_equal(in, out, n_ok * sizeof(in[0]));
	rte_pktmbuf_free_bulk(out, n_ok);
	assert_int_equal(rte_mempool_in_use_count(pool), before);
}

static void does_each_outcome_have_its_counter(void **state)
{
	(void)state;
	memset(&outcomes, 0, sizeof(outcomes));
	for (unsigned round = 1; round <= 3; round++)
		for (unsigned v = FER_OK + 1; v < FER_N_VERDICTS; v++) {
			put(0, (enum fer_verdict)v);
			batch.n = 1;
			assert_int_equal(fer_sink(&batch, &outcomes, out), 0);
			assert_int_equal(outcomes.packets[v], round);
		}
	assert_int_equal(outcomes.packets[FER_OK], 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void does_an_empty_batch_count_nothing(void **state)
{
	(void)state;
	memset(&outcomes, 0, sizeof(outcomes));
	batch.n = 0;
	assert_int_equal(fer_sink(&batch, &outcomes, out), 0);
	assert_int_equal(sum(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_every_packet_counted_and_freed),
		cmocka_unit_test(does_each_outcome_have_its_counter),
		cmocka_unit_test(does_an_empty_batch_count_nothing),
	};

	fer_test_eal_init("64");
	pool = test_pool("sink", 1023, RTE_MBUF_DEFAULT_BUF_SIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
