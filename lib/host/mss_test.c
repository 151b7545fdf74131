// SPDX-License-Identifier: BSD-3-Clause
// Is the MSS of a SYN lowered, and nothing else of any packet changed?
#include "host/mss.h"

#include "base/bytes.h"
#include "host/sink.h"
#include "support/ground.h"
#include "support/end.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SYN 0x02
#define SYN_ACK 0x12
#define ACK 0x10

static struct rte_mempool *pool;
static struct test_packet packet;
static struct fer_batch batch;
static uint8_t flat[TEST_PACKET_BYTES];

// The sum over pseudo header and TCP of an IP packet without options: 0 when it is right.
static uint16_t tcp_sum(const uint8_t *ip, uint32_t len)
{
	uint32_t header = ip[0] >> 4 == 4 ? 20 : 40, addresses = header == 20 ? 12 : 8;
	uint32_t sum = FER_PROTO_TCP + len - header;

	for (uint32_t i = addresses; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)ip[i] << 8 : ip[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// A TCP packet whose header has these n bytes of options, padded with ends, and three of data.
static void put_tcp(uint8_t version, uint8_t flags, const uint8_t *options, uint32_t n)
{
	const struct test_ip ip = {.version = version, .src = 1, .dst = 2};
	uint32_t header = 20 + RTE_ALIGN_CEIL(n, 4u);

	test_packet_start(&packet, header + 3, 9);
	uint8_t *tcp = packet.bytes;
	memset(tcp + 20, 0, header - 20);
	if (n > 0)
		memcpy(tcp + 20, options, n);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = flags;
	fer_store_be16(tcp + 16, 0);
	test_packet_put_ip(&packet, &ip, FER_PROTO_TCP);
	uint8_t *sum = packet.bytes + (version == 4 ? 20 : 40) + 16;
	fer_store_be16(sum, tcp_sum(packet.bytes, packet.len));
}

// Clamps the packet at hand, cut at cut, into flat.
static bool clamp(uint16_t mss, uint32_t cut)
{
	batch.n = 1;
	batch.link = FER_LINK_RAW_IP;
	batch.m[0] = test_mbuf_cut(pool, packet.bytes, packet.len, &cut, 1);
	fer_batch_parse(&batch);
	bool changed = fer_mss_clamp(batch.m[0], &batch.pkt[0].frame, mss);
	assert_int_equal(test_flatten(batch.m[0], flat, sizeof(flat)), packet.len);
	rte_pktmbuf_free(batch.m[0]);
	return changed;
}

#define MSS(value) 2, 4, (value) >> 8, (value)&0xff

static const struct {
	const char *what;
	uint8_t n;
	uint8_t options[40];
	uint8_t at[2]; // where a value is that is lowered; 0: none
} layouts[] = {
	{"alone", 4, {MSS(1460)}, {2}},
	{"as Linux sends it", 20, {MSS(1460), 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7},
		{2}},
	{"behind one no-operation", 5, {1, MSS(1460)}, {3}},
	{"behind three", 7, {1, 1, 1, MSS(1460)}, {5}},
	{"behind an odd option", 7, {3, 3, 7, MSS(1460)}, {5}},
	{"last of all", 40, {8, 18, [18] = 8, 18, [36] = MSS(1460)}, {38}},
	{"twice", 8, {MSS(1460), MSS(9000)}, {2, 6}},
	{"twice, the first low", 9, {MSS(536), 1, MSS(9000)}, {7}},
	{"none", 0, {0}, {0}},
	{"low", 4, {MSS(536)}, {0}},
	{"just as high", 4, {MSS(1406)}, {0}},
	{"one more", 4, {MSS(1407)}, {2}},
	{"behind the end", 8, {0, 0, 0, 0, MSS(1460)}, {0}},
	{"of length 3", 4, {2, 3, 0xff, 0xff}, {0}},
	{"of length 5", 5, {2, 5, 0xff, 0xff, 0xff}, {0}},
	{"of length 1", 8, {2, 1, 0xff, 0xff, MSS(1460)}, {0}},
	{"of length 0", 8, {2, 0, 0xff, 0xff, MSS(1460)}, {0}},
	{"cut off", 4, {1, 1, 2, 4}, {0}},
	{"cut in half", 4, {1, 2, 4, 0xff}, {0}},
	{"only its kind", 4, {1, 1, 1, 2}, {0}},
	{"behind an option of no length", 8, {9, 0, 0, 0, MSS(1460)}, {0}},
	{"behind one that overruns", 8, {9, 200, 0, 0, MSS(1460)}, {0}},
	{"inside another option", 8, {9, 8, MSS(1460), 1, 1}, {0}},
};

static void check_layout(unsigned i, uint8_t version, uint8_t flags, uint32_t cut)
{
	uint32_t options = (version == 4 ? 20 : 40) + 20;
	bool changed = layouts[i].at[0] != 0;

	put_tcp(version, flags, layouts[i].options, layouts[i].n);
	if (clamp(1406, cut) != changed || tcp_sum(flat, packet.len) != 0)
		fail_msg("%s, IPv%u", layouts[i].what, version);
	for (unsigned k = 0; k < 2 && layouts[i].at[k] != 0; k++)
		fer_store_be16(packet.bytes + options + layouts[i].at[k], 1406);
	memcpy(packet.bytes + options - 4, flat + options - 4, 2); // the checksum, judged above
	assert_memory_equal(flat, packet.bytes, packet.len);
}

static void options_of_all_shapes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(layouts); i++)
		for (uint8_t version = 4; version <= 6; version += 2) {
			check_layout(i, version, SYN, 0);
			check_layout(i, version, SYN_ACK, 0);
		}
}

static void headers_in_pieces(void **state)
{
	(void)state;
	for (uint32_t cut = 1; cut < 90; cut++)
		check_layout(1, 6, SYN, cut);
}

// Bytes of any value: what was right stays right, nothing grows, nothing is read outside.
static void options_of_no_shape(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t options[40];

		for (unsigned i = 0; i < sizeof(options); i++) {
			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			options[i] = (uint8_t)(seed >> 33);
			if (seed >> 60 < 12)
				options[i] %= 6;
		}
		put_tcp(4, SYN, options, round % 41);
		bool changed = clamp(700, 0);
		assert_int_equal(tcp_sum(flat, packet.len), 0);
		assert_int_equal(changed, memcmp(flat, packet.bytes, packet.len) != 0);
	}
}

static void assert_untouched(void)
{
	assert_false(clamp(1000, 0));
	assert_memory_equal(flat, packet.bytes, packet.len);
}

static void packets_that_are_no_syn(void **state)
{
	static const uint8_t options[] = {MSS(1460)};

	(void)state;
	put_tcp(4, ACK, options, 4);
	assert_untouched();
	put_tcp(6, SYN, options, 4);
	packet.bytes[6] = FER_PROTO_UDP;
	assert_untouched();
	put_tcp(4, SYN, options, 4);
	packet.bytes[20 + 12] = 0x40; // a header shorter than TCP's
	assert_untouched();
	put_tcp(4, SYN, options, 4);
	packet.bytes[20 + 12] = 0xf0; // longer than the packet
	assert_untouched();
	put_tcp(4, SYN, NULL, 0);
	packet.bytes[20 + 12] = 0x80; // into the padding of the frame
	test_packet_pad(&packet, 20);
	memcpy(packet.bytes + 40, (const uint8_t[]){1, 1, 1, 1, MSS(1460)}, 8);
	assert_untouched();
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2, .fragment = 0x2000};
	put_tcp(4, SYN, options, 4);
	memmove(packet.bytes, packet.bytes + 20, packet.len - 20);
	packet.len = 24;
	test_packet_put_ip(&packet, &ip, FER_PROTO_TCP);
	assert_untouched();
	const struct test_ip whole = {.version = 4, .src = 1, .dst = 2};
	for (uint32_t len = 0; len < 20; len++) { // shorter than a header
		test_packet_start(&packet, len, 0);
		memset(packet.bytes, 0xff, len);
		test_packet_put_ip(&packet, &whole, FER_PROTO_TCP);
		assert_untouched();
	}
}

// A checksum that was wrong is as wrong as before.
static void a_wrong_checksum(void **state)
{
	static const uint8_t options[] = {MSS(1460)};

	(void)state;
	put_tcp(4, SYN, options, 4);
	packet.bytes[20 + 17] ^= 1;
	uint16_t before = tcp_sum(packet.bytes, packet.len);
	assert_true(clamp(1400, 0));
	assert_int_equal(tcp_sum(flat, packet.len), before);
}

// Which value is the right one: through both halves.

static struct test_end box, peer;

static void open_box(struct test_end *k, const char *name)
{
	test_end_open(k, name, test_engine, pool);
	k->rules.mtu[FER_OUT] = 1500;
	k->rules.clamp_mss = true;
}

// What the MSS of 9000 in a SYN becomes that arrives over n tunnels (none: in the clear), innermost
// first.
static uint16_t mss_in(uint8_t version, const struct test_sa *sa, unsigned n)
{
	static const uint8_t options[] = {MSS(9000)};
	const struct test_ip outer = {.version = 4, .src = 1, .dst = 2};
	struct oracle_sa oracle[2];
	struct fer_outcomes outcomes = {0};
	struct rte_mbuf *out[1];
	uint64_t timed_out = 0;
	static uint64_t seq;

	put_tcp(version, SYN_ACK, options, 4);
	for (unsigned k = 0; k < n; k++) {
		bool v4 = k > 0 || version == 4;

		oracle[k] = test_sa_oracle(&sa[k]);
		test_packet_put_esp(&packet, &oracle[k], sa[k].spi, ++seq,
			v4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6);
		test_packet_put_ip(&packet, &outer, FER_PROTO_ESP);
	}
	test_packet_seal_all(&packet);
	batch.n = 1;
	batch.link = FER_LINK_RAW_IP;
	batch.m[0] = test_mbuf(pool, packet.bytes, packet.len);
	fer_path_in(&box.path, &batch, 1, &timed_out);
	assert_int_equal(fer_sink(&batch, &outcomes, out), 1);
	uint32_t len = test_flatten(out[0], flat, sizeof(flat));
	rte_pktmbuf_free(out[0]);
	assert_int_equal(tcp_sum(flat, len), 0);
	return fer_load_be16(flat + (version == 4 ? 20 : 40) + 22);
}

// RFC 4459 section 3.2, for what the peer will send to this host's side.
static void on_the_way_in(void **state)
{
	const struct test_sa in = {.mode = FER_TUNNEL,
		.version = 4,
		.spi = 0x2001,
		.window = 64,
		.grouped = true,
		.group = 3};
	struct test_sa back = {
		.mode = FER_TUNNEL, .version = 4, .spi = 0x1001, .grouped = true, .group = 3};

	(void)state;
	open_box(&box, "mss");
	test_sa_add(box.sas, &in, FER_IN);
	assert_int_equal(mss_in(4, &in, 1), 1500 - 113 - 40); // nothing is known of the way back
	assert_int_equal(mss_in(6, &in, 1), 1500 - 113 - 60);
	test_sa_add(box.sas, &back, FER_OUT);
	assert_int_equal(mss_in(4, &in, 1), 1446 - 40);
	assert_int_equal(mss_in(6, &in, 1), 1446 - 60);
	box.rules.clamp_mss = false;
	assert_int_equal(mss_in(4, &in, 1), 9000);
	box.rules.clamp_mss = true;
	box.rules.mtu[FER_OUT] = 0;
	assert_int_equal(mss_in(4, &in, 1), 9000);
	box.rules.mtu[FER_OUT] = 100; // smaller than what is added: there is no sense in it
	assert_int_equal(mss_in(6, &in, 1), 9000);
	test_end_close(&box);
}

// Two layers: the way back goes through both, in their order.
static void on_the_way_in_over_two(void **state)
{
	struct test_sa in[] = {
		{.mode = FER_TUNNEL, .version = 4, .spi = 0x2001, .window = 64, .grouped = true},
		{.mode = FER_TUNNEL, .version = 4, .spi = 0x2002, .window = 64, .grouped = true},
	};
	struct test_sa back[] = {
		{.encryption = "aes-cbc-128",
			.integrity = "hmac-sha1-96",
			.mode = FER_TUNNEL,
			.version = 4,
			.spi = 0x1001,
			.grouped = true},
		{.mode = FER_TUNNEL, .version = 4, .spi = 0x1002, .grouped = true},
	};

	(void)state;
	open_box(&box, "mss");
	in[1].group = back[1].group = 1;
	for (unsigned k = 0; k < 2; k++)
		test_sa_add(box.sas, &in[k], FER_IN);
	assert_int_equal(mss_in(4, in, 2), 1500 - 2 * 113 - 40);
	test_sa_add(box.sas, &back[1], FER_OUT);
	assert_int_equal(mss_in(4, in, 2), 1500 - 2 * 113 - 40); // half is not enough
	test_sa_add(box.sas, &back[0], FER_OUT);
	// Of 1446 that fit the outer one, 56 are around the blocks of 16 of the inner one.
	assert_int_equal(mss_in(4, in, 2), (1446 - 56) / 16 * 16 - 2 - 40);
	test_end_close(&box);
}

static void in_the_clear(void **state)
{
	const struct fer_policy_rule bypass = test_rule(FER_IN, FER_POLICY_BYPASS, 0);

	(void)state;
	open_box(&box, "mss");
	test_end_rules(&box, &bypass, 1);
	assert_int_equal(mss_in(4, NULL, 0), 1460);
	assert_int_equal(mss_in(6, NULL, 0), 1440);
	test_end_close(&box);
}

// What the SYN carries when a peer opens it: that peer does not clamp.
static uint16_t mss_out(uint8_t version, uint64_t handle)
{
	static const uint8_t options[] = {MSS(9000)};
	struct fer_outcomes outcomes = {0};
	uint64_t timed_out = 0;

	put_tcp(version, SYN, options, 4);
	box.rules.only_sa = handle;
	batch.n = 1;
	batch.link = FER_LINK_RAW_IP;
	batch.m[0] = test_mbuf(pool, packet.bytes, packet.len);
	fer_path_out(&box.path, &batch);
	assert_int_equal(fer_sink(&batch, &outcomes, batch.m), 1);
	batch.n = 1;
	fer_path_in(&peer.path, &batch, 1, &timed_out);
	assert_int_equal(fer_sink(&batch, &outcomes, batch.m), 1);
	uint32_t len = test_flatten(batch.m[0], flat, sizeof(flat));
	rte_pktmbuf_free(batch.m[0]);
	assert_int_equal(tcp_sum(flat, len), 0);
	return fer_load_be16(flat + (version == 4 ? 20 : 40) + 22);
}

static void on_the_way_out(void **state)
{
	static const struct {
		const char *encryption, *integrity;
		enum fer_mode mode;
		uint8_t outer, inner;
		uint16_t want;
	} cases[] = {
		{NULL, NULL, FER_TUNNEL, 4, 4, 1446 - 40},
		{NULL, NULL, FER_TUNNEL, 4, 6, 1446 - 60},
		{NULL, NULL, FER_TUNNEL, 6, 4, 1426 - 40},
		{NULL, NULL, FER_TUNNEL, 6, 6, 1426 - 60},
		{NULL, NULL, FER_TRANSPORT, 4, 4, 1466 - 40},
		{NULL, NULL, FER_TRANSPORT, 6, 6, 1466 - 60},
		{"aes-cbc-256", "hmac-sha2-256-128", FER_TUNNEL, 4, 4, 1438 - 40},
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct test_sa sa = {.encryption = cases[i].encryption,
			.integrity = cases[i].integrity,
			.mode = cases[i].mode,
			.version = cases[i].outer,
			.spi = 0x1001};

		open_box(&box, "mss");
		open_box(&peer, "peer");
		peer.rules.clamp_mss = false;
		uint64_t handle = test_sa_add(box.sas, &sa, FER_OUT);
		sa.window = 64;
		test_sa_add(peer.sas, &sa, FER_IN);
		assert_int_equal(mss_out(cases[i].inner, handle), cases[i].want);
		test_end_close(&box);
		test_end_close(&peer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_of_all_shapes),
		cmocka_unit_test(headers_in_pieces),
		cmocka_unit_test(options_of_no_shape),
		cmocka_unit_test(packets_that_are_no_syn),
		cmocka_unit_test(a_wrong_checksum),
		cmocka_unit_test(on_the_way_in),
		cmocka_unit_test(on_the_way_in_over_two),
		cmocka_unit_test(in_the_clear),
		cmocka_unit_test(on_the_way_out),
	};
	int error;

	test_ground_open("64");
	pool = test_pool("mss", 255, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
