// SPDX-License-Identifier: BSD-3-Clause
// Do numbers of 64 bits, of which a packet carries half, stay the same at both ends: over the
// boundary, to the very end, after a long silence, and when a contract host counts?
#include "base/bytes.h"
#include "crypto/engine.h"
#include "host/stages.h"
#include "nic/oob.h"
#include "support/ends.h"

#include <string.h>

#define SPI 0x1000u
#define SUBSPACE (UINT64_C(1) << 32)

static struct test_packet plain, packet;

static const struct test_sa suites[] = {
	{.encryption = "aes-gcm-128"},
	{.encryption = "aes-cbc-128", .integrity = "hmac-sha2-256-128"},
	{.encryption = "null", .integrity = "hmac-sha1-96"},
};

static struct test_tunnel add(unsigned suite, uint64_t sequence, bool esn)
{
	static uint32_t spi = SPI;
	struct test_sa sa = suites[suite];

	sa.spi = spi++;
	sa.version = 4;
	sa.mode = FER_TUNNEL;
	sa.esn = esn;
	sa.sequence = sequence;
	struct test_tunnel t = test_ends_add(&sa);
	test_ends.west.rules.only_sa = t.handle;
	return t;
}

static void put(unsigned n_cuts)
{
	const struct test_ip ip = {.version = 4, .src = 11, .dst = 12};

	test_packet_start(&plain, 40, 3);
	test_packet_put_ip(&plain, &ip, FER_PROTO_UDP);
	test_ends_put(
		test_mbuf_cut(test_ends.pool, plain.bytes, plain.len, (uint32_t[]){30, 47}, n_cuts),
		FER_LINK_RAW_IP);
}

static enum fer_verdict send(unsigned n_cuts)
{
	put(n_cuts);
	return test_ends_send();
}

static void assert_arrives(const struct test_tunnel *t, uint64_t seq, unsigned n_cuts)
{
	test_assert_verdict(send(n_cuts), FER_OK);
	assert_int_equal(fer_seq_last(&t->out->out.seq), seq);
	test_assert_verdict(test_ends_receive(), FER_OK);
	assert_true(test_ends.batch.round[0][0].seq == seq);
	test_assert_bytes(test_ends.batch.m[0], plain.bytes, plain.len);
	assert_true(t->in->in.replay.top == seq);
	test_ends_drop();
}

// RFC 4303 section 2.2.1.
static void numbers_go_on_over_the_boundary(void **state)
{
	static const uint64_t boundaries[] = {SUBSPACE, 2 * SUBSPACE, 77 * SUBSPACE};

	(void)state;
	for (unsigned s = 0; s < RTE_DIM(suites); s++)
		for (unsigned i = 0; i < RTE_DIM(boundaries); i++) {
			const struct test_tunnel t = add(s, boundaries[i] - 5, true);

			for (unsigned k = 1; k <= 10; k++)
				assert_arrives(&t, boundaries[i] - 5 + k, k % 3);
		}
}

// What other workers take between a packet's number and its sealing, were it 2^32 numbers, does not
// count for it; nor does its number for the next burst.
static void a_packet_is_sealed_with_the_number_it_got(void **state)
{
	struct fer_path *west = &test_ends.west.path;

	(void)state;
	for (unsigned s = 0; s < RTE_DIM(suites); s++) {
		const struct test_tunnel t = add(s, SUBSPACE - 2, true);

		for (unsigned k = 0; k < 3; k++) {
			put(0);
			(void)fer_batch_arrive(&test_ends.batch);
			fer_host_outbound(&west->host, &test_ends.batch);
			uint64_t seq = fer_seq_last(&t.out->out.seq);
			if (k == 2)
				fer_seq_leave_out(&t.out->out.seq, seq + 3 * SUBSPACE);
			fer_nic_transmit(&west->nic, &test_ends.batch);
			assert_true(test_ends.batch.numbered.handle == 0);
			test_assert_verdict(test_ends_receive(), FER_OK);
			assert_true(t.in->in.replay.top == seq);
			test_ends_drop();
		}
	}
}

// RFC 4303 section 3.3.3.
static void nothing_is_sent_behind_the_last_number(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * RTE_DIM(suites); i++) {
		uint64_t last = i % 2 == 0 ? UINT32_MAX : UINT64_MAX;
		const struct test_tunnel t = add(i / 2, last - 3, i % 2 != 0);

		for (unsigned k = 1; k <= 3; k++)
			assert_arrives(&t, last - 3 + k, 0);
		for (unsigned k = 0; k < 300; k++) {
			test_assert_verdict(send(0), FER_SEQ_EXHAUSTED);
			assert_int_equal(test_ends.batch.n, 0);
		}
		assert_int_equal(fer_seq_packets(&t.out->out.seq), 3);
		assert_int_equal(fer_sa_drops(test_ends.west.sas, t.out, FER_SEQ_EXHAUSTED), 300);
	}
}

// Nobody saw the packets of `lost` subspaces.
static void lose(const struct test_tunnel *t, uint64_t lost)
{
	fer_seq_leave_out(&t->out->out.seq, fer_seq_last(&t->out->out.seq) + lost * SUBSPACE);
}

// RFC 4303 appendix A3.
static void both_ends_find_together_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(suites) * 3; i++)
		for (uint64_t lost = 1; lost <= FER_REPLAY_RESYNC_AHEAD; lost += 5) {
			const struct test_tunnel t = add(i % 3, SUBSPACE - 2, true);
			unsigned n = 0;

			assert_arrives(&t, SUBSPACE - 1, 0);
			lose(&t, lost);
			while (send(i / 3) == FER_OK && test_ends_receive() != FER_OK) {
				assert_int_equal(test_ends.batch.n, 0);
				assert_true(t.in->in.replay.top == SUBSPACE - 1);
				n++;
			}
			test_ends_drop();
			assert_in_range(n, FER_REPLAY_RESYNC_AFTER,
				FER_REPLAY_RESYNC_AFTER + FER_REPLAY_RESYNC_AHEAD);
			assert_true(t.in->in.replay.top == fer_seq_last(&t.out->out.seq));
			assert_arrives(&t, fer_seq_last(&t.out->out.seq) + 1, 0);
		}
}

// A flood of forged packets makes nobody accept anything, and what is genuine passes between them.
static void a_forger_gains_nothing(void **state)
{
	const struct test_tunnel t = add(0, SUBSPACE + 100, true);
	uint64_t seq = SUBSPACE + 100;

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned k = 0; k < 500; k++) {
			test_assert_verdict(send(0), FER_OK);
			uint8_t *icv = rte_pktmbuf_mtod_offset(
				test_ends.batch.m[0], uint8_t *, test_ends.batch.m[0]->pkt_len - 1);
			*icv ^= (uint8_t)(1 + k % 255);
			test_assert_verdict(test_ends_receive(), FER_BAD_ICV);
			// What it was tried with besides is nobody's number.
			assert_true(test_ends.batch.round[0][0].seq == seq + 1 + k);
		}
		seq += 501;
		assert_arrives(&t, seq, 0);
	}
}

// A contract host frames by itself: here the packet is put together by hand.

static struct oracle_sa oracle;
static uint64_t handle;

static void add_of_host(unsigned suite, enum fer_direction direction, uint32_t high)
{
	struct fer_sa_table *sas = direction == FER_OUT ? test_ends.west.sas : test_ends.east.sas;
	struct test_sa sa = suites[suite];

	sa.spi = SPI;
	sa.version = 4;
	sa.esn = sa.contract = true;
	sa.sequence = (uint64_t)high << 32;
	handle = test_sa_add(sas, &sa, direction);
	oracle = test_sa_oracle(&sa);
}

static void put_by_hand(uint64_t seq, bool is_sealed)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};
	struct fer_batch *b = &test_ends.batch;

	test_packet_start(&packet, 40, 3);
	test_packet_put_esp(&packet, &oracle, SPI, seq, FER_PROTO_TCP);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	if (is_sealed)
		test_packet_seal_all(&packet);
	test_ends_put(test_mbuf(test_ends.pool, packet.bytes, packet.len), FER_LINK_RAW_IP);
	if (!is_sealed) {
		fer_oob_of(b->m[0])->ipsec = handle;
		fer_oob_of(b->m[0])->header = fer_oob_header_send(FER_PROTO_TCP, 0, 0, 20);
	}
	fer_batch_parse(b);
}

// Is what the NIC half seals what the oracle opens with that high half, and with no other?
static void assert_sealed_with(uint32_t low, uint32_t high)
{
	struct fer_batch *b = &test_ends.batch;
	static uint8_t flat[TEST_PACKET_BYTES];

	put_by_hand(low, false);
	fer_nic_transmit(&test_ends.west.path.nic, b);
	test_assert_verdict(b->pkt[0].verdict, FER_OK);
	assert_true(b->round[0][0].seq == ((uint64_t)high << 32 | low));
	uint32_t len = test_flatten(b->m[0], flat, sizeof(flat));
	assert_false(oracle_open(&oracle, flat + 20, len - 20, high + 1));
	assert_true(oracle_open(&oracle, flat + 20, len - 20, high));
	test_ends_drop();
}

static const uint32_t lows[] = {0, 1, 77, 0x7fffffff, 0x80000000, UINT32_MAX};
static const uint32_t highs[] = {5, 6, 4, 0, UINT32_MAX, 1};

// Contract, R-71 and R-93: the high half is what ADD_SA and UPDATE_SA say, forward and back.
static void a_host_says_the_high_half_of_what_it_sends(void **state)
{
	(void)state;
	for (unsigned s = 0; s < RTE_DIM(suites); s++) {
		add_of_host(s, FER_OUT, highs[0]);
		for (unsigned i = 0; i < RTE_DIM(highs); i++) {
			if (i > 0)
				assert_int_equal(fer_sa_update_high(test_ends.west.sas, handle,
							 FER_PROTO_ESP, highs[i]),
					0);
			for (unsigned k = 0; k < RTE_DIM(lows); k++)
				assert_sealed_with(lows[k], highs[i]);
		}
		assert_int_equal(fer_sa_remove(test_ends.west.sas, handle), 0);
	}
}

// R-129; and R-71: with another one nothing verifies.  There is no window: the same number twice,
// number 0 and any order are the host's affair.
static void a_host_says_the_high_half_of_what_it_gets(void **state)
{
	struct fer_batch *b = &test_ends.batch;

	(void)state;
	for (unsigned s = 0; s < RTE_DIM(suites); s++) {
		add_of_host(s, FER_IN, highs[0]);
		for (unsigned i = 0; i < 2 * RTE_DIM(highs) * RTE_DIM(lows); i++) {
			uint32_t high = highs[i / 2 / RTE_DIM(lows)];
			uint32_t low = lows[i / 2 % RTE_DIM(lows)];

			if (i % (2 * RTE_DIM(lows)) == 0)
				assert_int_equal(fer_sa_update_high(test_ends.east.sas, handle,
							 FER_PROTO_ESP, high),
					0);
			put_by_hand((uint64_t)high << 32 | low, true);
			fer_nic_receive(&test_ends.east.path.nic, b);
			assert_true(b->round[0][0].verified);
			assert_true(b->round[0][0].seq == ((uint64_t)high << 32 | low));
			test_ends_drop();
			put_by_hand((uint64_t)(high + 1) << 32 | low, true);
			fer_nic_receive(&test_ends.east.path.nic, b);
			test_assert_verdict(b->round[0][0].verdict, FER_BAD_ICV);
			test_assert_bytes(b->m[0], packet.bytes, packet.len);
			test_ends_drop();
		}
		assert_int_equal(fer_sa_remove(test_ends.east.sas, handle), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ENDS(numbers_go_on_over_the_boundary),
		TEST_WITH_ENDS(a_packet_is_sealed_with_the_number_it_got),
		TEST_WITH_ENDS(nothing_is_sent_behind_the_last_number),
		TEST_WITH_ENDS(both_ends_find_together_again),
		TEST_WITH_ENDS(a_forger_gains_nothing),
		TEST_WITH_ENDS(a_host_says_the_high_half_of_what_it_sends),
		TEST_WITH_ENDS(a_host_says_the_high_half_of_what_it_gets),
	};

	return test_ends_main(tests, RTE_DIM(tests), "esn", 2048);
}
