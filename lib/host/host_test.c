// SPDX-License-Identifier: BSD-3-Clause
// Is every packet counted on the SAs that protected it, and every drop on the one that refused it?
#include "host/host.h"

#include "nic/oob.h"
#include "support/ends.h"

#include <string.h>

#define SPI 0x1000u
#define LAST UINT64_C(0xffffffff)

static struct test_packet packet;

static const struct test_sa transport = {
	.spi = SPI, .version = 4, .window = 64, .grouped = true, .group = 0};
static const struct test_sa tunnel = {.spi = SPI + 1,
	.mode = FER_TUNNEL,
	.version = 4,
	.window = 64,
	.grouped = true,
	.group = 1};
static const struct test_ip ends = {.version = 4, .src = 1, .dst = 2};

static struct fer_sa *add(struct test_sa sa, uint64_t sequence, enum fer_direction direction)
{
	sa.sequence = sequence;
	if (direction == FER_OUT)
		sa.window = 0;
	return fer_sa_at(
		test_ends.west.sas, (uint32_t)test_sa_add(test_ends.west.sas, &sa, direction));
}

// All packets of that direction go through both groups.
static void use_both(enum fer_direction direction)
{
	struct fer_policy_rule r = test_rule(direction, FER_POLICY_PROTECT, 2);

	test_end_rules(&test_ends.west, &r, 1);
}

static void put(unsigned i)
{
	test_ends.batch.m[i] = test_mbuf(test_ends.pool, packet.bytes, packet.len);
}

static void put_plain(unsigned i, const struct test_ip *ip, uint32_t payload)
{
	test_packet_start(&packet, payload, i);
	test_packet_put_ip(&packet, ip, FER_PROTO_UDP);
	put(i);
}

static void run(unsigned n, enum fer_direction direction)
{
	uint64_t timed_out = 0;

	test_ends.batch.n = (uint16_t)n;
	test_ends.batch.link = FER_LINK_RAW_IP;
	if (direction == FER_OUT)
		fer_path_out(&test_ends.west.path, &test_ends.batch);
	else
		fer_path_in(&test_ends.west.path, &test_ends.batch, 0, &timed_out);
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

// Are these the only drops of the SA?
static void assert_drops(const struct fer_sa *sa, enum fer_verdict v, uint64_t n)
{
	const struct fer_sa_table *sas =
		sa->direction == FER_OUT ? test_ends.west.sas : test_ends.east.sas;

	for (unsigned i = 0; i < FER_N_SA_VERDICTS; i++)
		assert_int_equal(fer_sa_drops(sas, sa, (enum fer_verdict)i), i == v ? n : 0);
}

static void are_packets_and_bytes_counted_when_sent(void **state)
{
	struct fer_sa *inner = add(transport, 0, FER_OUT), *outer = add(tunnel, 0, FER_OUT);

	(void)state;
	use_both(FER_OUT);
	for (unsigned i = 0; i < 10; i++)
		put_plain(i, &ends, 20);
	run(10, FER_OUT);
	done();
	assert_int_equal(fer_seq_packets(&inner->out.seq), 10);
	assert_int_equal(fer_seq_bytes(&inner->out.seq), 10 * 40);
	assert_int_equal(fer_seq_packets(&outer->out.seq), 10);
	assert_int_equal(fer_seq_bytes(&outer->out.seq), 10 * (40 + 16 + 4 + 16)); // 2 of padding
	assert_drops(inner, FER_OK, 0);
	assert_drops(outer, FER_OK, 0);
}

// Sends three packets of which the last ends, and looks where it was counted.
static void check_drop_out(const struct fer_sa *refuses, const struct fer_sa *other,
	const struct test_ip *ip, uint32_t payload, enum fer_verdict want)
{
	(void)other;
	put_plain(0, &ends, 20);
	put_plain(1, ip, payload);
	run(2, FER_OUT);
	assert_verdict(1, want);
	done();
	assert_drops(refuses, want, 1);
	if (other != NULL)
		assert_drops(other, FER_OK, 0);
}

static void is_an_exhausted_inner_sa_charged(void **state)
{
	struct fer_sa *inner = add(transport, LAST - 1, FER_OUT), *outer = add(tunnel, 0, FER_OUT);

	(void)state;
	use_both(FER_OUT);
	check_drop_out(inner, outer, &ends, 20, FER_SEQ_EXHAUSTED);
	assert_int_equal(fer_seq_packets(&inner->out.seq), 1);
	assert_int_equal(fer_seq_packets(&outer->out.seq), 1);
}

static void is_an_exhausted_outer_sa_charged(void **state)
{
	struct fer_sa *inner = add(transport, 0, FER_OUT), *outer = add(tunnel, LAST - 1, FER_OUT);

	(void)state;
	use_both(FER_OUT);
	check_drop_out(outer, inner, &ends, 20, FER_SEQ_EXHAUSTED);
	assert_int_equal(fer_seq_packets(&inner->out.seq), 1);
	assert_int_equal(fer_seq_packets(&outer->out.seq), 1);
}

static void is_a_packet_too_long_charged_to_the_sa_it_is_too_long_for(void **state)
{
	struct fer_sa *inner = add(transport, 0, FER_OUT), *outer = add(tunnel, 0, FER_OUT);

	(void)state;
	use_both(FER_OUT);
	check_drop_out(outer, inner, &ends, 65460, FER_TOO_LONG);
	check_drop_out(inner, NULL, &ends, 65515, FER_TOO_LONG);
	assert_drops(outer, FER_TOO_LONG, 1);
}

static void is_what_a_transport_sa_refuses_charged(void **state)
{
	static const struct test_ip fragment = {
		.version = 4, .src = 1, .dst = 2, .fragment = 0x2000};
	struct fer_sa *inner = add(transport, 0, FER_OUT), *outer = add(tunnel, 0, FER_OUT);

	(void)state;
	use_both(FER_OUT);
	check_drop_out(inner, outer, &fragment, 24, FER_TRANSPORT_FRAGMENT);
}

static void is_a_single_sa_charged(void **state)
{
	static const struct test_ip other = {.version = 4, .src = 1, .dst = 3};
	uint64_t handle = test_sa_add(test_ends.west.sas, &transport, FER_OUT);

	(void)state;
	test_ends.west.rules.only_sa = handle;
	check_drop_out(fer_sa_get(test_ends.west.sas, handle), NULL, &other, 20, FER_NO_POLICY);
}

// What no SA answers for is charged to none.
static void are_other_drops_charged_to_none(void **state)
{
	struct fer_sa *inner = add(transport, 0, FER_OUT);
	struct fer_policy_rule r = test_rule(FER_OUT, FER_POLICY_DISCARD, 0);

	(void)state;
	r.dst = (struct fer_prefix){test_addr(4, 3), 32};
	test_end_rules(&test_ends.west, &r, 1);
	put_plain(0, &ends, 20);
	run(1, FER_OUT);
	assert_verdict(0, FER_NO_POLICY);
	done();
	assert_drops(inner, FER_OK, 0);
}

// The way in.

static struct oracle_sa oracles[2];

// Transport in tunnel, with that type of service in the headers.
static void make_nested(uint64_t inner_seq, uint64_t outer_seq, uint8_t inner_tos,
	uint8_t outer_tos, bool inner_is_broken)
{
	struct test_ip ip = ends;

	oracles[0] = test_sa_oracle(&transport);
	oracles[1] = test_sa_oracle(&tunnel);
	test_packet_start(&packet, 20, 1);
	test_packet_put_esp(&packet, &oracles[0], SPI, inner_seq, FER_PROTO_UDP);
	test_packet_seal(&packet, 0);
	packet.bytes[packet.len - 1] ^= inner_is_broken ? 1 : 0;
	ip.tos = inner_tos;
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	test_packet_put_esp(&packet, &oracles[1], SPI + 1, outer_seq, FER_PROTO_IPV4);
	test_packet_seal(&packet, 1);
	ip.tos = outer_tos;
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
}

static void check_drop_in(
	const struct fer_sa *refuses, const struct fer_sa *other, enum fer_verdict want)
{
	put(0);
	run(1, FER_IN);
	assert_verdict(0, want);
	done();
	assert_drops(refuses, want, 1);
	assert_drops(other, FER_OK, 0);
}

static void is_a_bad_inner_layer_charged_to_it(void **state)
{
	struct fer_sa *inner = add(transport, 0, FER_IN), *outer = add(tunnel, 0, FER_IN);

	(void)state;
	use_both(FER_IN);
	make_nested(1, 1, 0, 0, true);
	check_drop_in(inner, outer, FER_BAD_ICV);
}

static void is_a_bad_outer_layer_charged_to_it(void **state)
{
	struct fer_sa *inner = add(transport, 0, FER_IN), *outer = add(tunnel, 0, FER_IN);

	(void)state;
	use_both(FER_IN);
	make_nested(1, 1, 0, 0, false);
	packet.bytes[packet.len - 1] ^= 1;
	check_drop_in(outer, inner, FER_BAD_ICV);
}

static void is_a_replay_charged_to_the_layer_that_was_one(void **state)
{
	struct fer_sa *inner = add(transport, 0, FER_IN), *outer = add(tunnel, 0, FER_IN);

	(void)state;
	use_both(FER_IN);
	make_nested(1, 1, 0, 0, false);
	put(0);
	put(1); // refused at the commit
	run(2, FER_IN);
	assert_verdict(0, FER_OK);
	assert_verdict(1, FER_REPLAY);
	done();
	assert_drops(outer, FER_REPLAY, 1);
	assert_drops(inner, FER_OK, 0);
	make_nested(1, 2, 0, 0, false);
	put(0);
	run(1, FER_IN); // refused at the check
	assert_verdict(0, FER_REPLAY);
	done();
	assert_drops(outer, FER_REPLAY, 1);
	assert_drops(inner, FER_REPLAY, 1);
}

// RFC 6040: it is the tunnel that cannot take the mark inside.
static void is_a_lost_congestion_mark_charged_to_the_tunnel(void **state)
{
	struct fer_sa *inner = add(transport, 0, FER_IN), *outer = add(tunnel, 0, FER_IN);

	(void)state;
	use_both(FER_IN);
	make_nested(1, 1, 0, 3, false);
	check_drop_in(outer, inner, FER_ECN_CE);
}

static void is_a_mismatch_charged_to_the_innermost(void **state)
{
	struct fer_sa *inner = add(transport, 0, FER_IN), *outer = add(tunnel, 0, FER_IN);
	struct fer_policy_rule r = test_rule(FER_IN, FER_POLICY_PROTECT, 1);

	(void)state;
	test_end_rules(&test_ends.west, &r, 1);
	make_nested(1, 1, 0, 0, false);
	check_drop_in(inner, outer, FER_POLICY_MISMATCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ENDS(are_packets_and_bytes_counted_when_sent),
		TEST_WITH_ENDS(is_an_exhausted_inner_sa_charged),
		TEST_WITH_ENDS(is_an_exhausted_outer_sa_charged),
		TEST_WITH_ENDS(is_a_packet_too_long_charged_to_the_sa_it_is_too_long_for),
		TEST_WITH_ENDS(is_what_a_transport_sa_refuses_charged),
		TEST_WITH_ENDS(is_a_single_sa_charged),
		TEST_WITH_ENDS(are_other_drops_charged_to_none),
		TEST_WITH_ENDS(is_a_bad_inner_layer_charged_to_it),
		TEST_WITH_ENDS(is_a_bad_outer_layer_charged_to_it),
		TEST_WITH_ENDS(is_a_replay_charged_to_the_layer_that_was_one),
		TEST_WITH_ENDS(is_a_lost_congestion_mark_charged_to_the_tunnel),
		TEST_WITH_ENDS(is_a_mismatch_charged_to_the_innermost),
	};

	return test_ends_main(tests, RTE_DIM(tests), "host", 2048);
}
