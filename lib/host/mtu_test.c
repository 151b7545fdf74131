// SPDX-License-Identifier: BSD-3-Clause
// Is every size judged exactly, and is the sender told the one that fits?
#include "host/mtu.h"

#include "base/bytes.h"
#include "host/bucket.h"
#include "host/outer.h"
#include "host/sink.h"
#include "host/too_big_expected.h"
#include "proto/cksum.h"
#include "support/ground.h"
#include "support/end.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define MAX_OUT (FER_BATCH_MAX + FER_BATCH_MORE)
#define ECHO_DST 9 // last byte of the address that is pinged

static struct rte_mempool *pool;
static struct test_packet packet;
static struct fer_batch batch;
static struct fer_outcomes outcomes;
static struct rte_mbuf *out[MAX_OUT], *side[FER_BATCH_SIDE];
static uint8_t flat[TEST_PACKET_BYTES];

static void open_box(struct test_end *box, const char *name)
{
	test_end_open(box, name, test_engine, pool);
	box->rules.answers_per_second = 1000;
}

// Sizes.

static const struct {
	const char *encryption, *integrity;
	unsigned icv_bytes;
} suites[] = {
	{"null", "hmac-sha1-96", 12},
	{"null", "hmac-sha2-256-128", 16},
	{"null", "hmac-sha2-512-256", 32},
	{"aes-cbc-128", "hmac-sha1-96", 12},
	{"aes-cbc-192", "hmac-sha2-256-128", 16},
	{"aes-cbc-256", "hmac-sha2-512-256", 32},
	{"aes-gcm-128", NULL, 8},
	{"aes-gcm-192", NULL, 12},
	{"aes-gcm-256", NULL, 16},
};

// Appendix C.6 of nothing but RFC 4303 section 2: the length of an IP packet of len bytes once it
// is protected.
static uint32_t framed(const struct fer_sa *sa, uint32_t header_len, uint32_t len)
{
	uint32_t around = sa->mode == FER_TUNNEL ? (sa->version == 4 ? 20 : 40) : header_len;
	uint32_t inside = sa->mode == FER_TUNNEL ? len : len - header_len;
	uint32_t text = inside + 2;

	while (text % sa->suite.align_bytes != 0)
		text++;
	return around + 8 + sa->suite.iv_bytes + text + sa->suite.icv_bytes;
}

// What framing really makes of a packet.
static uint32_t framed_by_hand(const struct fer_sa *sa, uint8_t version, uint32_t len)
{
	const struct test_ip ip = {.version = version, .src = 1, .dst = 2};
	struct fer_layer layer;

	test_packet_start(&packet, len - (version == 4 ? 20 : 40), 0);
	test_packet_put_ip(&packet, &ip, 17);
	batch.n = 1;
	batch.link = FER_LINK_RAW_IP;
	batch.m[0] = test_mbuf(pool, packet.bytes, packet.len);
	fer_batch_parse(&batch);
	assert_int_equal(fer_outer_put_on(&batch.m[0], &batch.pkt[0], sa,
				 (struct fer_outer_numbers){.seq = 1}, pool, &layer),
		FER_OK);
	len = batch.m[0]->pkt_len;
	rte_pktmbuf_free(batch.m[0]);
	return len;
}

static void check_framing(const struct fer_sa *sa, uint8_t version)
{
	uint32_t header_len = version == 4 ? 20 : 40;

	for (uint32_t len = 1400; len < 1440; len++)
		assert_int_equal(framed_by_hand(sa, version, len), framed(sa, header_len, len));
}

// The longest packet that fits, for every MTU, found by trying all lengths.
static void check_all_mtus(const struct fer_sa_table *sas, uint64_t handle, uint32_t header_len)
{
	const struct fer_sa *sa = fer_sa_get(sas, handle);
	uint64_t handles[2] = {handle, 0};
	uint32_t len = header_len;

	for (uint32_t mtu = 576; mtu <= 9000; mtu++) {
		while (framed(sa, header_len, len + 1) <= mtu)
			len++;
		assert_int_equal(fer_mtu_effective(sas, handles, header_len, mtu), len);
	}
}

static void every_suite_mode_and_version(void **state)
{
	static const uint32_t headers[] = {20, 24, 60, 40, 48, 72};
	struct fer_sa_table *sas = test_sas_open("suites", test_engine);
	uint32_t spi = 0x1000;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(suites); i++)
		for (uint8_t version = 4; version <= 6; version += 2)
			for (int mode = FER_TRANSPORT; mode <= FER_TUNNEL; mode++) {
				uint64_t handle = test_sa_add(sas,
					&(struct test_sa){.encryption = suites[i].encryption,
						.integrity = suites[i].integrity,
						.icv_bytes = suites[i].icv_bytes,
						.mode = mode,
						.version = version,
						.spi = spi++},
					FER_OUT);
				const struct fer_sa *sa = fer_sa_get(sas, handle);
				check_framing(sa, version);
				if (mode == FER_TUNNEL)
					check_framing(sa, version == 4 ? 6 : 4);
				for (unsigned h = 0; h < RTE_DIM(headers); h++)
					check_all_mtus(sas, handle, headers[h]);
			}
	fer_sa_table_destroy(sas);
}

static void nested_associations(void **state)
{
	struct fer_sa_table *sas = test_sas_open("nested", test_engine);
	struct test_sa what = {.encryption = "aes-cbc-128",
		.integrity = "hmac-sha2-256-128",
		.version = 6,
		.spi = 0x1001};
	uint64_t handles[2], swapped[2];

	(void)state;
	handles[0] = test_sa_add(sas, &what, FER_OUT);
	what = (struct test_sa){.mode = FER_TUNNEL, .version = 4, .spi = 0x1002};
	handles[1] = test_sa_add(sas, &what, FER_OUT);
	swapped[0] = handles[1]; // transport around a tunnel
	swapped[1] = handles[0];
	const struct fer_sa *transport = fer_sa_get(sas, handles[0]);
	const struct fer_sa *tunnel = fer_sa_get(sas, handles[1]);
	uint32_t len = 48, other = 48;
	for (uint32_t mtu = 576; mtu <= 9000; mtu++) {
		while (framed(tunnel, 0, framed(transport, 48, len + 1)) <= mtu)
			len++;
		assert_int_equal(fer_mtu_effective(sas, handles, 48, mtu), len);
		while (framed(transport, 20, framed(tunnel, 0, other + 1)) <= mtu)
			other++;
		assert_int_equal(fer_mtu_effective(sas, swapped, 48, mtu), other);
	}
	fer_sa_table_destroy(sas);
}

static void sizes_at_the_edges(void **state)
{
	struct fer_sa_table *sas = test_sas_open("edges", test_engine);
	struct test_sa what = {.mode = FER_TUNNEL, .version = 4, .spi = 0x1001};
	uint64_t none[2] = {0, 0}, one[2] = {0, 0}, second[2] = {0, 0};

	(void)state;
	assert_int_equal(fer_mtu_effective(sas, none, 20, 1500), 1500);
	one[0] = second[1] = test_sa_add(sas, &what, FER_OUT);
	assert_int_equal(fer_mtu_effective(sas, one, 20, 1500), 1446);
	assert_int_equal(fer_mtu_effective(sas, second, 20, 1500), 1446);
	assert_int_equal(fer_mtu_effective(sas, one, 20, 55), 0);
	assert_int_equal(fer_mtu_effective(sas, one, 20, 56), 2);
	assert_int_equal(fer_mtu_effective(sas, one, 20, 0), 0);
	assert_int_equal(fer_sa_remove(sas, one[0]), 0);
	assert_int_equal(fer_mtu_effective(sas, one, 20, 1500), FER_MTU_ANY);
	assert_int_equal(fer_mtu_effective(sas, second, 20, 1500), FER_MTU_ANY);
	fer_sa_table_destroy(sas);
}

static void tokens(void **state)
{
	struct fer_bucket b = {0};
	unsigned n = 0;

	(void)state;
	assert_false(fer_bucket_take(&b, 0, 5000, 1000));
	for (unsigned i = 0; i < 100; i++) // a second's worth at once
		n += fer_bucket_take(&b, 10, 5000, 1000);
	assert_int_equal(n, 10);
	assert_false(fer_bucket_take(&b, 10, 5099, 1000));
	assert_true(fer_bucket_take(&b, 10, 5100, 1000));
	assert_false(fer_bucket_take(&b, 10, 5100, 1000));
	n = 0;
	for (unsigned now = 5100; now < 15100; now++) // then that many a second
		n += fer_bucket_take(&b, 10, now, 1000);
	assert_int_equal(n, 99);
	assert_false(fer_bucket_take(&b, 10, 0, 1000)); // the clock went back
}

// Packets.

// An echo request of len bytes of IP, as a host sends it.
static void put_echo(uint8_t version, uint32_t len, bool df, unsigned n_tags)
{
	const struct test_ip ip = {.version = version, .src = 1, .dst = ECHO_DST, .df = df};

	test_packet_start(&packet, len - (version == 4 ? 20 : 40), 0);
	packet.bytes[0] = version == 4 ? 8 : 128;
	packet.bytes[1] = 0;
	test_packet_put_ip(&packet, &ip, version == 4 ? FER_PROTO_ICMP : FER_PROTO_ICMPV6);
	test_packet_put_ethernet(&packet, n_tags);
}

static void add(void)
{
	batch.m[batch.n++] = test_mbuf(pool, packet.bytes, packet.len);
}

static unsigned n_side;

static unsigned send(struct test_end *box)
{
	batch.link = FER_LINK_ETHERNET;
	fer_path_out(&box->path, &batch);
	n_side = fer_sink_side(&batch, &outcomes, side);
	return fer_sink(&batch, &outcomes, out);
}

static unsigned send_one(struct test_end *box)
{
	batch.n = 0;
	add();
	return send(box);
}

static void free_all(unsigned n_out)
{
	rte_pktmbuf_free_bulk(out, n_out);
	rte_pktmbuf_free_bulk(side, n_side);
	n_side = 0;
}

static uint64_t n_numbers(const struct test_end *box)
{
	const struct fer_sa *sa = fer_sa_at(box->sas, (uint32_t)box->rules.only_sa);

	return fer_seq_last(&sa->out.seq);
}

static void open_tunnel(struct test_end *box, uint8_t version, uint32_t mtu)
{
	const struct test_sa what = {.mode = FER_TUNNEL, .version = version, .spi = 0x1001};

	open_box(box, "tunnel");
	box->rules.only_sa = test_sa_add(box->sas, &what, FER_OUT);
	box->rules.mtu[FER_OUT] = mtu;
	memset(&outcomes, 0, sizeof(outcomes));
}

static void check_answer(const struct rte_mbuf *m, unsigned expected)
{
	uint32_t headers = too_big_expected[expected].headers;
	uint32_t len = test_flatten(m, flat, sizeof(flat));

	assert_int_equal(len, too_big_expected[expected].answer_length);
	assert_memory_equal(flat, too_big_expected[expected].bytes, headers);
	assert_memory_equal(flat + headers, packet.bytes + packet.ip_off, len - headers);
}

// RFC 1191, RFC 4443: byte for byte what scapy makes; too big costs no number.
static void answers_byte_for_byte(void **state)
{
	unsigned n_free = rte_mempool_avail_count(pool);
	static struct test_end box;

	(void)state;
	open_tunnel(&box, 4, 1500);
	const struct fer_policy_rule bypass = test_rule(FER_OUT, FER_POLICY_BYPASS, 0);
	test_end_rules(&box, &bypass, 1);
	struct fer_host_rules with_sa = box.rules;
	with_sa.policies = NULL;
	for (unsigned i = 0; i < RTE_DIM(too_big_expected); i++) {
		bool is_clear = too_big_expected[i].mtu == 1500;

		atomic_store(&box.published, is_clear ? &box.rules : &with_sa);
		put_echo(too_big_expected[i].version, too_big_expected[i].length, true,
			too_big_expected[i].tags);
		assert_int_equal(send_one(&box), 0);
		assert_int_equal(n_side, 1);
		check_answer(side[0], i);
		free_all(0);
	}
	assert_int_equal(outcomes.packets[FER_TOO_BIG], RTE_DIM(too_big_expected));
	assert_int_equal(outcomes.made, RTE_DIM(too_big_expected));
	assert_int_equal(n_numbers(&box), 0);
	test_end_close(&box);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// The sizes where tunnels of others lose pings: each passes in one frame or is answered.
static void pings_of_every_size(void **state)
{
	unsigned n_free = rte_mempool_avail_count(pool);
	static struct test_end box;
	unsigned n_sent = 0;

	(void)state;
	open_tunnel(&box, 4, 1500);
	for (uint32_t ping = 1380; ping <= 1472; ping++)
		for (uint8_t version = 4; version <= 6; version += 2) {
			put_echo(version, ping + 28, true, 0);
			unsigned n = send_one(&box);
			assert_int_equal(n, ping + 28 <= 1446);
			assert_int_equal(n_side, ping + 28 > 1446);
			if (n == 1)
				assert_true(out[0]->pkt_len <= 1514);
			n_sent += n;
			free_all(n);
		}
	assert_int_equal(n_numbers(&box), n_sent);
	test_end_close(&box);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// Answers are in the order of what they answer, and of this batch only.
static void order_of_answers(void **state)
{
	static const uint32_t len[] = {1500, 100, 1490, 1446, 1447},
			      too_long[] = {1500, 1490, 1447};
	static struct test_end box;

	(void)state;
	open_tunnel(&box, 4, 1500);
	batch.n = 0;
	for (unsigned i = 0; i < RTE_DIM(len); i++) {
		put_echo(4, len[i], true, 0);
		add();
	}
	assert_int_equal(send(&box), 2);
	assert_int_equal(n_side, 3);
	for (unsigned i = 0; i < 3; i++) { // they quote the length
		const uint8_t *quoted = rte_pktmbuf_mtod_offset(side[i], uint8_t *, 14 + 28);
		assert_int_equal(fer_load_be16(quoted + 2), too_long[i]);
	}
	free_all(2);
	put_echo(4, 100, true, 0);
	assert_int_equal(send_one(&box), 1);
	assert_int_equal(n_side, 0);
	free_all(1);
	test_end_close(&box);
}

static void answers_are_limited(void **state)
{
	unsigned n_free = rte_mempool_avail_count(pool);
	static struct test_end box;

	(void)state;
	open_tunnel(&box, 4, 1500);
	put_echo(4, 1500, true, 0);
	box.rules.answers_per_second = 3;
	batch.n = 0;
	for (unsigned i = 0; i < 10; i++)
		add();
	assert_int_equal(send(&box), 0);
	assert_int_equal(n_side, 3);
	free_all(0);
	box.rules.answers_per_second = 0;
	assert_int_equal(send_one(&box), 0);
	assert_int_equal(n_side, 0);
	test_end_close(&box);
	open_tunnel(&box, 4, 1500); // every packet of a batch may have one
	batch.n = 0;
	for (unsigned i = 0; i < FER_BATCH_MAX; i++)
		add();
	assert_int_equal(send(&box), 0);
	assert_int_equal(n_side, FER_BATCH_MAX);
	free_all(0);
	test_end_close(&box);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// Who gets no answer: RFC 1122 section 3.2.2, RFC 4443 section 2.4.

static void spoil_sums(void)
{
	uint8_t *ip = packet.bytes + packet.ip_off;

	if (ip[0] >> 4 == 6)
		return;
	fer_store_be16(ip + 10, 0);
	fer_store_be16(ip + 10, fer_cksum(ip, (ip[0] & 0xf) * 4u));
}

static const struct {
	const char *what;
	uint8_t version;
	uint16_t off; // from the IP header on; MAC: from the frame on, below
	uint8_t n;
	uint8_t bytes[4];
	bool answered;
} unanswered[] = {
	{"echo", 4, 20, 1, {8}, true},
	{"unreachable", 4, 20, 1, {3}, false},
	{"source quench", 4, 20, 1, {4}, false},
	{"redirect", 4, 20, 1, {5}, false},
	{"time exceeded", 4, 20, 1, {11}, false},
	{"parameter problem", 4, 20, 1, {12}, false},
	{"timestamp", 4, 20, 1, {13}, true},
	{"first fragment", 4, 6, 2, {0x60, 0}, true},
	{"later fragment", 4, 6, 2, {0x60, 9}, false},
	{"from nobody", 4, 12, 4, {0, 0, 0, 0}, false},
	{"from itself", 4, 12, 4, {127, 0, 0, 1}, false},
	{"from many", 4, 12, 4, {224, 0, 0, 1}, false},
	{"to many", 4, 16, 4, {239, 1, 2, 3}, false},
	{"to all", 4, 16, 4, {255, 255, 255, 255}, false},
	{"echo", 6, 40, 1, {128}, true},
	{"unreachable", 6, 40, 1, {1}, false},
	{"too big", 6, 40, 1, {2}, false},
	{"unknown error", 6, 40, 1, {127}, false},
	{"redirect", 6, 40, 1, {137}, false},
	{"to many", 6, 24, 1, {0xff}, false},
	{"from many", 6, 8, 1, {0xff}, false},
};

static void who_gets_no_answer(void **state)
{
	unsigned n_free = rte_mempool_avail_count(pool);
	static struct test_end box;

	(void)state;
	open_tunnel(&box, 4, 1500);
	for (unsigned i = 0; i < RTE_DIM(unanswered); i++) {
		put_echo(unanswered[i].version, 1500, true, 0);
		memcpy(packet.bytes + packet.ip_off + unanswered[i].off, unanswered[i].bytes,
			unanswered[i].n);
		spoil_sums();
		assert_int_equal(send_one(&box), 0);
		if (n_side != unanswered[i].answered)
			fail_msg("%s, IPv%u", unanswered[i].what, unanswered[i].version);
		assert_int_equal(outcomes.packets[FER_TOO_BIG], i + 1);
		free_all(0);
	}
	put_echo(6, 1500, true, 0);
	memset(packet.bytes + packet.ip_off + 8, 0, 16); // the unspecified address
	assert_int_equal(send_one(&box), 0);
	assert_int_equal(n_side, 0);
	put_echo(4, 1500, true, 0);
	packet.bytes[0] |= 1; // a frame for many
	assert_int_equal(send_one(&box), 0);
	assert_int_equal(n_side, 0);
	test_end_close(&box);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// Without DF: protected whole, sent in fragments that fit, and opened by the other end.
static void pass_in_fragments(
	uint8_t inner, uint8_t outer, enum fer_mode mode, uint32_t len, uint32_t mtu)
{
	static struct test_end box, peer;
	uint64_t timed_out = 0;
	struct test_sa what = {.mode = mode, .version = outer, .spi = 0x1001, .dst = ECHO_DST};

	open_tunnel(&box, outer, mtu);
	what.spi = 0x2002;
	box.rules.only_sa = test_sa_add(box.sas, &what, FER_OUT);
	open_box(&peer, "peer");
	what.window = 64;
	test_sa_add(peer.sas, &what, FER_IN);
	put_echo(inner, len, false, 1);
	unsigned n = send_one(&box);
	assert_true(n > 1 && n_side == 0);
	for (unsigned i = 0; i < n; i++)
		assert_true(out[i]->pkt_len <= mtu + 18);
	memcpy(batch.m, out, n * sizeof(out[0]));
	batch.n = (uint16_t)n;
	fer_path_in(&peer.path, &batch, 1, &timed_out);
	assert_int_equal(fer_sink(&batch, &outcomes, out), 1);
	test_assert_bytes(out[0], packet.bytes, packet.len);
	rte_pktmbuf_free(out[0]);
	test_end_close(&box);
	test_end_close(&peer);
}

static void without_df(void **state)
{
	static const uint32_t len[] = {1447, 1472, 1473, 1500, 4028, 9000};
	unsigned n_free = rte_mempool_avail_count(pool);

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(len); i++) {
		pass_in_fragments(4, 4, FER_TUNNEL, len[i], 1500);
		pass_in_fragments(4, 6, FER_TUNNEL, len[i], 1500);
		pass_in_fragments(4, 4, FER_TRANSPORT, RTE_MAX(len[i], 1480u), 1500);
	}
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// RFC 2473 section 7.1: no sender of IPv6 goes below 1280 bytes.
static void the_least_of_ipv6(void **state)
{
	unsigned n_free = rte_mempool_avail_count(pool);
	static struct test_end box;

	(void)state;
	pass_in_fragments(6, 4, FER_TUNNEL, 1280, 1300);
	pass_in_fragments(6, 6, FER_TUNNEL, 1280, 1280);
	pass_in_fragments(6, 6, FER_TUNNEL, 1227, 1280);
	pass_in_fragments(6, 6, FER_TRANSPORT, 1280, 1280);
	open_tunnel(&box, 4, 1300);
	put_echo(6, 1281, true, 0);
	assert_int_equal(send_one(&box), 0);
	assert_int_equal(n_side, 1);
	assert_int_equal(fer_load_be32(rte_pktmbuf_mtod_offset(side[0], uint8_t *, 14 + 44)), 1280);
	free_all(0);
	test_end_close(&box);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// A tunnel whose outer header always has DF sends no fragments of IPv4.
static void outer_df(void **state)
{
	static const struct fer_outer_rules set = {.dscp = FER_DSCP_COPY,
		.flow_label = FER_FLOW_LABEL_COPY,
		.ttl = 64,
		.df = FER_DF_SET};
	static const struct fer_outer_rules clear = {.dscp = FER_DSCP_COPY,
		.flow_label = FER_FLOW_LABEL_COPY,
		.ttl = 64,
		.df = FER_DF_CLEAR};
	struct test_sa what = {.mode = FER_TUNNEL, .version = 4, .spi = 0x3003, .outer = &set};
	static struct test_end box;

	(void)state;
	open_tunnel(&box, 4, 1500);
	box.rules.only_sa = test_sa_add(box.sas, &what, FER_OUT);
	put_echo(4, 1447, false, 0);
	assert_int_equal(send_one(&box), 0);
	assert_int_equal(n_side, 1);
	free_all(0);
	what.spi++;
	what.outer = &clear;
	box.rules.only_sa = test_sa_add(box.sas, &what, FER_OUT);
	put_echo(4, 1447, true, 0); // its sender asked not to
	assert_int_equal(send_one(&box), 0);
	assert_int_equal(n_side, 1);
	free_all(0);
	put_echo(4, 1447, false, 0);
	assert_int_equal(send_one(&box), 2);
	free_all(2);
	test_end_close(&box);
}

// Ethernet padding that alone is too long is cut off, and nothing else.
static void padding_that_is_too_long(void **state)
{
	const struct fer_policy_rule bypass = test_rule(FER_OUT, FER_POLICY_BYPASS, 0);
	static struct test_end box;

	(void)state;
	open_tunnel(&box, 4, 1500);
	test_end_rules(&box, &bypass, 1);
	put_echo(4, 1500, true, 0);
	test_packet_pad(&packet, 7);
	assert_int_equal(send_one(&box), 1);
	test_assert_bytes(out[0], packet.bytes, 1514);
	free_all(1);
	put_echo(4, 3000, false, 0); // what is let by is fragmented as well
	assert_int_equal(send_one(&box), 3);
	free_all(3);
	put_echo(6, 1501, true, 0);
	assert_int_equal(send_one(&box), 0);
	assert_int_equal(n_side, 1);
	free_all(0);
	test_end_close(&box);
}

// A frame of a class is no packet to be answered or cut.
static void frames_that_are_no_ip(void **state)
{
	static struct test_end box;

	(void)state;
	open_tunnel(&box, 4, 1500);
	box.rules.classes.action[FER_CLASS_NON_IP] = FER_CLASS_TO_PASS;
	for (uint32_t len = 1500; len <= 1501; len++) {
		put_echo(4, len, true, 1);
		packet.bytes[16] = 0x88;
		packet.bytes[17] = 0xcc;
		unsigned n = send_one(&box);
		assert_int_equal(n, len == 1500);
		assert_int_equal(n_side, 0);
		free_all(n);
	}
	assert_int_equal(outcomes.packets[FER_TOO_BIG], 1);
	assert_int_equal(outcomes.classes[FER_CLASS_NON_IP], 1);
	test_end_close(&box);
}

// Plain packets that the host's port cannot carry: cut, or dropped without a word.
static void on_the_way_in(void **state)
{
	unsigned n_free = rte_mempool_avail_count(pool);
	static struct test_end box, peer;
	const struct test_sa what = {.mode = FER_TUNNEL, .version = 4, .spi = 0x1001, .window = 64};
	uint64_t timed_out = 0;

	(void)state;
	open_tunnel(&box, 4, 0);
	open_box(&peer, "peer");
	test_sa_add(peer.sas, &what, FER_IN);
	peer.rules.mtu[FER_IN] = 1400;
	batch.n = 0;
	put_echo(4, 1400, true, 0);
	add();
	put_echo(4, 1401, true, 0);
	add();
	put_echo(4, 1401, false, 0);
	add();
	put_echo(6, 1401, true, 0);
	add();
	assert_int_equal(send(&box), 4);
	memcpy(batch.m, out, 4 * sizeof(out[0]));
	batch.n = 4;
	memset(&outcomes, 0, sizeof(outcomes));
	fer_path_in(&peer.path, &batch, 1, &timed_out);
	assert_int_equal(batch.n_side, 0);
	assert_int_equal(fer_sink(&batch, &outcomes, out), 3);
	assert_int_equal(outcomes.packets[FER_TOO_BIG], 2);
	assert_int_equal(outcomes.fragments, 1);
	free_all(3);
	test_end_close(&box);
	test_end_close(&peer);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_suite_mode_and_version),
		cmocka_unit_test(nested_associations),
		cmocka_unit_test(sizes_at_the_edges),
		cmocka_unit_test(tokens),
		cmocka_unit_test(answers_byte_for_byte),
		cmocka_unit_test(pings_of_every_size),
		cmocka_unit_test(order_of_answers),
		cmocka_unit_test(answers_are_limited),
		cmocka_unit_test(who_gets_no_answer),
		cmocka_unit_test(without_df),
		cmocka_unit_test(the_least_of_ipv6),
		cmocka_unit_test(outer_df),
		cmocka_unit_test(padding_that_is_too_long),
		cmocka_unit_test(frames_that_are_no_ip),
		cmocka_unit_test(on_the_way_in),
	};
	int error;

	test_ground_open("128");
	pool = test_pool("mtu", 2047, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
