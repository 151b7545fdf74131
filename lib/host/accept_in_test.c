// SPDX-License-Identifier: BSD-3-Clause
// Is every number that verified remembered once, whatever becomes of its packet?
#include "host/stages.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "support/ends.h"

#include <rte_random.h>

#include <string.h>

#define SPI 0x1000u
#define WINDOW 64

static struct test_packet packet;

struct known {
	struct test_sa sa;
	struct oracle_sa oracle;
	struct fer_sa *in;
};

static const struct test_sa transport = {
	.spi = SPI, .mode = FER_TRANSPORT, .version = 4, .window = WINDOW};
static const struct test_sa tunnel = {
	.spi = SPI + 1, .mode = FER_TUNNEL, .version = 4, .window = WINDOW};
static const struct test_ip ends = {.version = 4, .src = 1, .dst = 2};
static const struct test_ip inside = {.version = 4, .src = 11, .dst = 12};

static struct known add(struct test_sa sa)
{
	return (struct known){
		.sa = sa,
		.oracle = test_sa_oracle(&sa),
		.in = fer_sa_at(
			test_ends.west.sas, (uint32_t)test_sa_add(test_ends.west.sas, &sa, FER_IN)),
	};
}

static void put_esp(const struct known *k, uint64_t seq, uint8_t next)
{
	test_packet_put_esp(&packet, &k->oracle, k->sa.spi, seq, next);
	test_packet_seal(&packet, packet.n_esp - 1);
}

// An intact packet of that SA.
static void make(const struct known *k, uint64_t seq)
{
	test_packet_start(&packet, 20, (unsigned)seq);
	if (k->sa.mode == FER_TUNNEL)
		test_packet_put_ip(&packet, &inside, FER_PROTO_UDP);
	put_esp(k, seq, k->sa.mode == FER_TUNNEL ? FER_PROTO_IPV4 : FER_PROTO_UDP);
	test_packet_put_ip(&packet, &ends, FER_PROTO_ESP);
}

// Transport in tunnel; broken: the inner layer.
static void make_nested(const struct known *inner, uint64_t inner_seq, const struct known *outer,
	uint64_t outer_seq, bool broken)
{
	make(inner, inner_seq);
	if (broken)
		packet.bytes[packet.len - 1] ^= 1;
	put_esp(outer, outer_seq, FER_PROTO_IPV4);
	test_packet_put_ip(&packet, &ends, FER_PROTO_ESP);
}

static void put(unsigned i)
{
	test_ends.batch.m[i] = test_mbuf(test_ends.pool, packet.bytes, packet.len);
}

static void accept(unsigned n)
{
	test_ends.batch.n = (uint16_t)n;
	test_ends.batch.link = FER_LINK_RAW_IP;
	fer_batch_parse(&test_ends.batch);
	fer_nic_receive(&test_ends.west.path.nic, &test_ends.batch);
	fer_accept_in(&test_ends.west.path.host, &test_ends.batch);
}

static void done(void)
{
	rte_pktmbuf_free_bulk(test_ends.batch.m, test_ends.batch.n);
	test_ends.batch.n = 0;
}

static void assert_verdict(unsigned i, enum fer_verdict want)
{
	assert_string_equal(
		fer_verdict_name(test_ends.batch.pkt[i].verdict), fer_verdict_name(want));
}

// Receives packet i of a burst again, alone: what was committed is refused.
static void expect_again(enum fer_verdict want)
{
	put(0);
	accept(1);
	assert_verdict(0, want);
	done();
}

// RFC 4303 section 3.4.3: both pass the check, for the window moves only once they verified.
static void is_a_number_twice_in_one_burst_a_replay(void **state)
{
	struct known k = add(transport);

	(void)state;
	make(&k, 7);
	for (unsigned i = 0; i < 4; i++)
		put(i);
	accept(4);
	assert_verdict(0, FER_OK);
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(test_ends.batch.round[0][i].verified, 1);
		assert_verdict(i, FER_REPLAY);
	}
	done();
	assert_int_equal(k.in->in.packets, 1);
	assert_int_equal(k.in->in.replay.top, 7);
	expect_again(FER_REPLAY);
}

static void do_others_between_them_not_matter(void **state)
{
	struct known a = add(transport), b = add(tunnel);
	static const struct {
		unsigned sa;
		uint64_t seq;
		enum fer_verdict want;
	} cases[] = {{0, 5, FER_OK}, {1, 5, FER_OK}, {0, 5, FER_REPLAY}, {0, 4, FER_OK},
		{1, 5, FER_REPLAY}, {0, 100, FER_OK}, {0, 36, FER_REPLAY}, {0, 37, FER_OK},
		{0, 37, FER_REPLAY}, {1, 1, FER_OK}, {1, 200, FER_OK}, {1, 2, FER_REPLAY}};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		make(cases[i].sa == 0 ? &a : &b, cases[i].seq);
		put(i);
	}
	accept(RTE_DIM(cases));
	for (unsigned i = 0; i < RTE_DIM(cases); i++)
		assert_verdict(i, cases[i].want);
	done();
}

// The ends of the window, exactly, with ESN across subspaces.
static void is_the_window_judged_exactly(void **state)
{
	const uint64_t edge = UINT64_C(3) << 32;
	const struct {
		uint64_t seq;
		enum fer_verdict want;
	} cases[] = {{edge - 10, FER_OK}, {edge + 20, FER_OK}, {edge - 10, FER_REPLAY},
		{edge + 20 - WINDOW + 1, FER_OK}, {edge, FER_OK}, {edge - 1, FER_OK},
		{edge, FER_REPLAY}};
	struct test_sa sa = transport;

	(void)state;
	sa.esn = true;
	sa.sequence = edge - 100;
	struct known k = add(sa);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		make(&k, cases[i].seq);
		expect_again(cases[i].want);
	}
	assert_int_equal(k.in->in.replay.top, edge + 20);
}

static void does_a_forged_number_move_nothing(void **state)
{
	struct known k = add(transport);

	(void)state;
	make(&k, 5);
	fer_store_be32(packet.bytes + packet.esp[0].off + 4, 1000000);
	expect_again(FER_BAD_ICV);
	assert_int_equal(k.in->in.replay.top, 0);
	assert_int_equal(k.in->in.packets, 0);
	make(&k, 5);
	expect_again(FER_OK);
}

// The outer layer verified: its number is seen, though the inner one failed.
static void is_an_outer_number_committed_when_the_inner_layer_fails(void **state)
{
	struct known inner = add(transport), outer = add(tunnel);

	(void)state;
	make_nested(&inner, 3, &outer, 9, true);
	expect_again(FER_BAD_ICV);
	assert_int_equal(outer.in->in.replay.top, 9);
	assert_int_equal(inner.in->in.replay.top, 0);
	expect_again(FER_REPLAY);
	make_nested(&inner, 3, &outer, 10, false); // the inner number is still good
	expect_again(FER_OK);
}

static void is_an_inner_replay_a_replay(void **state)
{
	struct known inner = add(transport), outer = add(tunnel);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		make_nested(&inner, 3, &outer, 20 + i, false);
		put(i);
	}
	accept(3);
	assert_verdict(0, FER_OK);
	assert_verdict(1, FER_REPLAY);
	assert_verdict(2, FER_REPLAY);
	done();
	assert_int_equal(outer.in->in.packets, 3);
	assert_int_equal(inner.in->in.packets, 1);
	make_nested(&inner, 3, &outer, 30, false); // refused by the check, before crypto
	expect_again(FER_REPLAY);
	assert_int_equal(outer.in->in.replay.top, 30);
}

// The packet was authentic, however odd.
static void is_bad_padding_committed(void **state)
{
	struct known k = add(transport);

	(void)state;
	test_packet_start(&packet, 21, 0);
	test_packet_put_esp(&packet, &k.oracle, SPI, 6, FER_PROTO_UDP);
	packet.bytes[packet.len - 16 - 3] ^= 0xff; // the one byte of padding
	test_packet_seal(&packet, 0);
	test_packet_put_ip(&packet, &ends, FER_PROTO_ESP);
	expect_again(FER_BAD_PADDING);
	assert_int_equal(k.in->in.replay.top, 6);
	expect_again(FER_REPLAY);
}

static void are_dummies_and_odd_payloads_committed(void **state)
{
	static const struct {
		uint8_t next;
		enum fer_verdict want;
	} cases[] = {{FER_PROTO_NONE, FER_DUMMY}, {FER_PROTO_UDP, FER_BAD_INNER},
		{FER_PROTO_IPV6, FER_BAD_INNER}};
	struct known k = add(tunnel);

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		test_packet_start(&packet, 24, 0);
		put_esp(&k, 1 + i, cases[i].next);
		test_packet_put_ip(&packet, &ends, FER_PROTO_ESP);
		expect_again(cases[i].want);
		expect_again(FER_REPLAY);
	}
}

// Four layers are committed, of which the fifth is one too many.
static void are_the_layers_of_a_packet_too_deep_committed(void **state)
{
	struct known k = add(transport);

	(void)state;
	test_packet_start(&packet, 20, 0);
	for (unsigned i = 0; i < 5; i++)
		put_esp(&k, 10 + i, i == 0 ? FER_PROTO_UDP : FER_PROTO_ESP);
	test_packet_put_ip(&packet, &ends, FER_PROTO_ESP);
	expect_again(FER_TOO_DEEP);
	assert_int_equal(k.in->in.replay.top, 14);
	assert_int_equal(k.in->in.packets, 4);
	make(&k, 10); // that of the layer nobody opened
	expect_again(FER_OK);
	make(&k, 11);
	expect_again(FER_REPLAY);
}

// Two associations of ESP in UDP between the same ports, in one tunnel: that the packets of the
// tunnel are alike says nothing of what is inside.
static void do_layers_inside_alike_packets_count_for_themselves(void **state)
{
	struct test_sa sa = test_sa_in_udp(transport, 4500, 4500);
	struct known inner[2], outer = add(tunnel);
	unsigned n = 0;

	(void)state;
	inner[0] = add(sa);
	sa.spi += 8;
	inner[1] = add(sa);
	for (uint64_t seq = 1; seq <= 8; seq++)
		for (unsigned k = 0; k < 2; k++) {
			test_packet_start(&packet, 20, 0);
			put_esp(&inner[k], seq, FER_PROTO_UDP);
			test_packet_put_udp(&packet, 4500, 4500);
			test_packet_put_ip(&packet, &ends, FER_PROTO_UDP);
			put_esp(&outer, n + 1, FER_PROTO_IPV4);
			test_packet_put_ip(&packet, &ends, FER_PROTO_ESP);
			put(n++);
		}
	accept(n);
	for (unsigned i = 0; i < n; i++) {
		assert_verdict(i, FER_OK);
		assert_int_equal(test_ends.batch.pkt[i].n_layers, 2);
	}
	done();
	for (unsigned k = 0; k < 2; k++) {
		assert_int_equal(inner[k].in->in.packets, 8);
		assert_int_equal(inner[k].in->in.replay.top, 8);
	}
	assert_int_equal(outer.in->in.packets, n);
}

// Options in front of some packets of an SA move what is behind them.
static void does_each_layer_come_off_where_it_stands(void **state)
{
	static uint8_t inner[64];
	const struct test_ip with_options = {.version = 4, .src = 1, .dst = 2, .n_options = 8};
	struct known k = add(tunnel);
	uint32_t len = 0;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		test_packet_start(&packet, 20, 0);
		test_packet_put_ip(&packet, &inside, FER_PROTO_UDP);
		len = packet.len;
		memcpy(inner, packet.bytes, len);
		put_esp(&k, i + 1, FER_PROTO_IPV4);
		test_packet_put_ip(&packet, i / 2 % 2 != 0 ? &with_options : &ends, FER_PROTO_ESP);
		put(i);
	}
	accept(8);
	for (unsigned i = 0; i < 8; i++) {
		assert_verdict(i, FER_OK);
		test_assert_bytes(test_ends.batch.m[i], inner, len);
	}
	done();
	assert_int_equal(k.in->in.bytes, 8 * len);
}

static void does_a_packet_without_receipt_pass(void **state)
{
	(void)state;
	test_packet_start(&packet, 20, 0);
	test_packet_put_ip(&packet, &ends, FER_PROTO_UDP);
	put(0);
	accept(1);
	assert_verdict(0, FER_OK);
	test_assert_bytes(test_ends.batch.m[0], packet.bytes, packet.len);
	done();
}

// Bytes are those of the IP packet that comes out.
static void are_packets_and_bytes_counted(void **state)
{
	struct known in = add(transport), around = add(tunnel);

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		make(&in, 1 + i);
		put(i);
	}
	make_nested(&in, 50, &around, 1, false);
	put(10);
	accept(11);
	done();
	assert_int_equal(in.in->in.packets, 11);
	assert_int_equal(in.in->in.bytes, 11 * 40);
	assert_int_equal(around.in->in.packets, 1);
	assert_int_equal(around.in->in.bytes, 20 + 16 + 20 + 2 + 2 + 16); // 2 of padding
}

// Numbers as a model of RFC 4303 section 3.4.3 accepts them, one after the other.
struct model {
	uint64_t start, top;
	uint32_t window;
	unsigned n;
	uint64_t seen[4096];
};

static bool model_accepts(struct model *m, uint64_t seq)
{
	if (seq <= m->start || (seq <= m->top && m->top - seq >= m->window))
		return false;
	for (unsigned i = 0; i < m->n; i++)
		if (m->seen[i] == seq)
			return false;
	m->seen[m->n++] = seq;
	m->top = RTE_MAX(m->top, seq);
	return true;
}

// Mostly the next number; at times a hole, one of before, or the same again.
static uint64_t number_after(const struct model *m, uint64_t last)
{
	uint64_t r = rte_rand();
	uint64_t back = r / 32 % (2 * m->window), low = m->start + 1;

	switch (r % 32) {
	case 0:
		return m->top + 1 + back;
	case 1:
	case 2:
		return last + 2 + r / 32 % 70;
	case 3:
		return m->top > low + back ? m->top - back : low;
	case 4:
		return last > m->start ? last : low;
	default:
		return last + 1;
	}
}

static void receive_burst(const struct known *k, struct model *m, uint64_t *last)
{
	unsigned n = 1 + (unsigned)rte_rand_max(64);
	bool want[64];

	for (unsigned i = 0; i < n; i++) {
		*last = number_after(m, *last);
		want[i] = model_accepts(m, *last);
		make(k, *last);
		put(i);
	}
	accept(n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(fer_pkt_alive(&test_ends.batch.pkt[i]), want[i]);
	done();
	assert_int_equal(k->in->in.replay.top, m->top);
	assert_int_equal(k->in->in.packets, m->n);
	assert_int_equal(k->in->in.bytes, m->n * UINT64_C(40));
}

// Runs of numbers are recorded at once, others one by one: nobody is to see it.
static void are_bursts_judged_number_by_number(void **state)
{
	static const uint32_t windows[] = {32, 64, 100, 1024, 65536};
	const uint64_t edge = UINT64_C(1) << 32;
	static struct model m;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(windows) * 3; i++) {
		struct test_sa sa = i % 2 == 0 ? tunnel : transport;
		uint64_t last = i % 3 == 2 ? 5 * edge - 300 : i % 3 == 1 ? edge - 300 : 0;

		sa.spi = SPI + 16 + i;
		sa.esn = i % 3 != 0;
		sa.sequence = last;
		sa.window = windows[i / 3];
		const struct known k = add(sa);
		m = (struct model){.start = last, .top = last, .window = sa.window};
		for (unsigned burst = 0; burst < 25; burst++)
			receive_burst(&k, &m, &last);
	}
}

// What one packet of a run is, the others are not.
static void does_a_packet_of_a_run_end_alone(void **state)
{
	static const struct {
		uint8_t version, next;
		bool is_padded_badly;
		enum fer_verdict want;
	} cases[] = {{4, FER_PROTO_IPV4, true, FER_BAD_PADDING},
		{4, FER_PROTO_IPV6, false, FER_BAD_INNER}, {4, FER_PROTO_UDP, false, FER_BAD_INNER},
		{4, FER_PROTO_NONE, false, FER_DUMMY}, {6, FER_PROTO_IPV6, false, FER_OK},
		{6, FER_PROTO_IPV4, false, FER_BAD_INNER}};
	const struct known k = add(tunnel);
	uint64_t seq = 0;

	(void)state;
	for (unsigned c = 0; c < RTE_DIM(cases); c++)
		for (unsigned odd = 0; odd < 6; odd++) {
			for (unsigned i = 0; i < 6; i++) {
				struct test_ip ip = inside;

				ip.version = i == odd ? cases[c].version : 4;
				test_packet_start(&packet, 21, 0);
				test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
				test_packet_put_esp(&packet, &k.oracle, k.sa.spi, ++seq,
					i == odd ? cases[c].next : FER_PROTO_IPV4);
				if (i == odd && cases[c].is_padded_badly)
					packet.bytes[packet.len - 16 - 3] ^= 0xff;
				test_packet_seal(&packet, 0);
				test_packet_put_ip(&packet, &ends, FER_PROTO_ESP);
				put(i);
			}
			accept(6);
			for (unsigned i = 0; i < 6; i++)
				assert_verdict(i, i == odd ? cases[c].want : FER_OK);
			done();
		}
	assert_int_equal(k.in->in.packets, seq);
	assert_int_equal(k.in->in.replay.top, seq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ENDS(is_a_number_twice_in_one_burst_a_replay),
		TEST_WITH_ENDS(do_others_between_them_not_matter),
		TEST_WITH_ENDS(is_the_window_judged_exactly),
		TEST_WITH_ENDS(does_a_forged_number_move_nothing),
		TEST_WITH_ENDS(is_an_outer_number_committed_when_the_inner_layer_fails),
		TEST_WITH_ENDS(is_an_inner_replay_a_replay),
		TEST_WITH_ENDS(is_bad_padding_committed),
		TEST_WITH_ENDS(are_dummies_and_odd_payloads_committed),
		TEST_WITH_ENDS(are_the_layers_of_a_packet_too_deep_committed),
		TEST_WITH_ENDS(do_layers_inside_alike_packets_count_for_themselves),
		TEST_WITH_ENDS(does_each_layer_come_off_where_it_stands),
		TEST_WITH_ENDS(does_a_packet_without_receipt_pass),
		TEST_WITH_ENDS(are_packets_and_bytes_counted),
		TEST_WITH_ENDS(are_bursts_judged_number_by_number),
		TEST_WITH_ENDS(does_a_packet_of_a_run_end_alone),
	};

	return test_ends_main(tests, RTE_DIM(tests), "accept_in", 2048);
}
