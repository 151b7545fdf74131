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
static struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];
static bool is_rest[FER_BATCH_MAX + FER_BATCH_MORE];

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

static void put_more(unsigned of)
{
	batch.more_of[batch.n_more] = (uint16_t)of;
	batch.more[batch.n_more++] = packet(1);
}

// Packets 0 to 4: whole, in three, dropped, in two, whole.
static void fill(void)
{
	memset(&batch, 0, sizeof(batch));
	batch.n = 5;
	for (unsigned i = 0; i < 5; i++)
		batch.m[i] = packet(1);
	batch.pkt[2].verdict = FER_NO_POLICY;
	put_more(1);
	put_more(1);
	put_more(3);
}

static void is_what_a_port_does_not_take_taken_back(void **state)
{
	// How many packets each number of frames is that the port takes.
	static const unsigned whole[] = {0, 1, 1, 1, 2, 2, 3, 4};

	(void)state;
	for (unsigned sent = 0; sent <= 7; sent++) {
		struct fer_outcomes o = {.packets = {[FER_TX_FULL] = 10}};

		fill();
		assert_true(fer_sink_rests(&batch, is_rest));
		assert_int_equal(fer_sink(&batch, &o, out), 7);
		assert_int_equal(o.packets[FER_OK], 4);
		assert_int_equal(o.fragments, 3);
		rte_pktmbuf_free_bulk(out, sent); // by the port
		fer_sink_unsent(&o, FER_TX_FULL, out + sent, 7 - sent, is_rest + sent);
		assert_int_equal(o.packets[FER_OK], whole[sent]);
		assert_int_equal(o.packets[FER_TX_FULL], 10 + 4 - whole[sent]);
		assert_int_equal(o.packets[FER_NO_POLICY], 1);
		assert_int_equal(rte_mempool_in_use_count(pool), 0);
	}
}

static void are_frames_packets_without_fragments(void **state)
{
	struct fer_outcomes o = {0};

	(void)state;
	memset(&batch, 0, sizeof(batch));
	batch.n = 2;
	batch.m[0] = packet(1);
	batch.m[1] = packet(1);
	assert_false(fer_sink_rests(&batch, is_rest));
	assert_int_equal(fer_sink(&batch, &o, out), 2);
	fer_sink_unsent(&o, FER_TX_FULL, out, 2, NULL);
	assert_int_equal(o.packets[FER_OK], 0);
	assert_int_equal(o.packets[FER_TX_FULL], 2);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void are_packets_of_our_own_taken_back(void **state)
{
	struct fer_outcomes o = {0};

	(void)state;
	memset(&batch, 0, sizeof(batch));
	batch.n_side = 2;
	batch.side[0] = packet(1);
	batch.side[1] = packet(1);
	assert_int_equal(fer_sink_side(&batch, &o, out), 2);
	assert_int_equal(o.made, 2);
	rte_pktmbuf_free(out[0]);
	fer_sink_side_unsent(&o, out + 1, 1);
	assert_int_equal(o.made, 1);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_every_packet_counted_and_freed),
		cmocka_unit_test(does_each_outcome_have_its_counter),
		cmocka_unit_test(does_an_empty_batch_count_nothing),
		cmocka_unit_test(is_what_a_port_does_not_take_taken_back),
		cmocka_unit_test(are_frames_packets_without_fragments),
		cmocka_unit_test(are_packets_of_our_own_taken_back),
	};

	fer_test_eal_init("64");
	pool = test_pool("sink", 1023, RTE_MBUF_DEFAULT_BUF_SIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
