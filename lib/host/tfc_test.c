// SPDX-License-Identifier: BSD-3-Clause
// Does padding hide the length of every packet of which it may, to the byte, and does nothing of it
// come out at the other end?
#include "host/tfc.h"

#include "base/bytes.h"
#include "proto/cksum.h"
#include "support/ends.h"

#include <string.h>

#define SPI 0x1000u

static struct test_packet plain;

// What goes in.
struct shape {
	uint8_t version;
	uint8_t protocol; // 0: UDP
	uint32_t len;     // of the IP packet
	uint32_t behind;  // bytes behind what the payload says of itself
	uint16_t n_options;
};

// In UDP the receiver computes sums of transport mode again (RFC 3948 section 3.1.2): they were
// right.
static void put_udp_sum(uint32_t headers, uint32_t len)
{
	uint8_t *udp = plain.bytes + headers;

	fer_store_be16(udp + FER_UDP_CKSUM_OFF, 0);
	uint32_t sum = (uint16_t)~fer_cksum(udp, len);
	sum += fer_ip_pseudo_sum(plain.bytes, FER_PROTO_UDP, len);
	fer_store_be16(udp + FER_UDP_CKSUM_OFF, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

static void make(const struct shape *s)
{
	const struct test_ip ip = {
		.version = s->version, .src = 1, .dst = 2, .n_options = s->n_options, .df = true};
	uint32_t headers = (s->version == 4 ? 20u : 40u) + s->n_options;

	test_packet_start(&plain, s->len - headers, s->len);
	if (s->protocol == 0)
		fer_store_be16(plain.bytes + 4, (uint16_t)(plain.len - s->behind));
	test_packet_put_ip(&plain, &ip, s->protocol != 0 ? s->protocol : FER_PROTO_UDP);
	if (s->protocol == 0 && s->behind == 0)
		put_udp_sum(headers, s->len - headers);
	test_packet_put_ethernet(&plain, 1);
}

static void put(void)
{
	test_ends_put(test_mbuf(test_ends.pool, plain.bytes, plain.len), FER_LINK_ETHERNET);
}

// Length of the IP packet that comes of one of len bytes, from RFC 4303 section 2 alone.
static uint32_t framed(const struct fer_sa *sa, uint32_t header_len, uint32_t len)
{
	uint32_t around = sa->mode == FER_TUNNEL ? (sa->version == 4 ? 20 : 40) : header_len;
	uint32_t text = (sa->mode == FER_TUNNEL ? len : len - header_len) + 2;

	while (text % sa->suite.align_bytes != 0)
		text++;
	return around + sa->out.template.udp_bytes + 8 + sa->suite.iv_bytes + text +
	       sa->suite.icv_bytes;
}

// The longest packet that fits, by trying.
static uint32_t longest(const struct fer_sa *sa, uint32_t header_len, uint32_t mtu)
{
	uint32_t len = header_len;

	while (framed(sa, header_len, len + 1) <= mtu)
		len++;
	return len;
}

static uint32_t wanted(const struct fer_sa *sa, uint32_t header_len, uint32_t len, uint32_t mtu)
{
	uint32_t most = longest(sa, header_len, mtu != 0 ? mtu : FER_TFC_MTU_DEFAULT);
	uint32_t to = len;

	if (sa->out.pad_to == FER_TFC_MTU)
		return most > len ? most : len;
	if (mtu == 0)
		most = 65535;
	while (to % sa->out.pad_to != 0)
		to++;
	return to <= most ? to : most > len ? most : len;
}

// Sends the packet; on the wire it has the length of one with inside bytes.
static void assert_sent(const struct test_tunnel *t, uint32_t header_len, uint32_t inside)
{
	put();
	test_assert_verdict(test_ends_send(), FER_OK);
	assert_int_equal(test_ends.batch.n, 1);
	rte_mbuf_sanity_check(test_ends.batch.m[0], 1);
	assert_int_equal(test_ends.batch.m[0]->pkt_len - 18, framed(t->out, header_len, inside));
}

static void assert_received(void)
{
	test_assert_verdict(test_ends_receive(), FER_OK);
	test_assert_bytes(test_ends.batch.m[0], plain.bytes, plain.ip_end);
	test_ends_drop();
}

static void check_lengths(const struct test_tunnel *t, uint8_t version, uint32_t mtu)
{
	uint32_t header_len = (version == 4 ? 20 : 40) + 8;
	uint32_t most = longest(t->out, header_len, mtu == 0 ? 3000 : mtu);

	test_ends.west.rules.only_sa = t->handle;
	test_ends.west.rules.mtu[FER_OUT] = mtu;
	for (uint32_t len = header_len + 8; len <= most; len += len < 100 ? 1 : 61) {
		make(&(struct shape){.version = version, .len = len, .n_options = 8});
		assert_sent(t, header_len, wanted(t->out, header_len, len, mtu));
		assert_received();
	}
	make(&(struct shape){.version = version, .len = most, .n_options = 8});
	assert_sent(t, header_len, wanted(t->out, header_len, most, mtu));
	assert_received();
}

// RFC 4303 section 2.7.
static void every_length_becomes_what_was_asked_for(void **state)
{
	static const char *const suites[][2] = {{"aes-gcm-128", NULL},
		{"aes-cbc-256", "hmac-sha2-256-128"}, {"null", "hmac-sha1-96"}};
	static const uint16_t pad_to[] = {4, 100, 256, 1000, 9600, FER_TFC_MTU};
	static const uint32_t mtus[] = {0, 1280, 1500, 9000};
	uint32_t spi = SPI;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(suites) * RTE_DIM(pad_to) * 4; i++) {
		struct test_sa sa = {.spi = spi++,
			.encryption = suites[i % 3][0],
			.integrity = suites[i % 3][1],
			.mode = i / 3 & 1 ? FER_TUNNEL : FER_TRANSPORT,
			.version = i / 3 & 2 ? 6 : 4,
			.tfc.pad_to = pad_to[i / 12]};
		const struct test_tunnel t = test_ends_add(&sa);

		for (unsigned m = 0; m < RTE_DIM(mtus); m++)
			for (uint8_t version = 4; version <= 6; version += 2)
				if (sa.mode == FER_TUNNEL || sa.version == version)
					check_lengths(&t, version, mtus[m]);
	}
}

// RFC 3948: the UDP header in front of ESP takes its part of what fits.
static void padding_leaves_room_for_udp(void **state)
{
	static const uint16_t pad_to[] = {256, FER_TFC_MTU};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		const struct test_sa sa =
			test_sa_in_udp((struct test_sa){.spi = SPI + i,
					       .mode = i & 1 ? FER_TUNNEL : FER_TRANSPORT,
					       .version = i & 2 ? 6 : 4,
					       .tfc.pad_to = pad_to[i / 4]},
				4500, 4500);
		const struct test_tunnel t = test_ends_add(&sa);

		assert_int_equal(t.out->out.template.udp_bytes, 8);
		check_lengths(&t, sa.version, 1500);
	}
}

// In transport mode: packets of which the receiver would not find the end.
static void what_does_not_tell_its_length_is_not_padded(void **state)
{
	static const struct shape shapes[] = {
		{.version = 4, .len = 60, .protocol = FER_PROTO_TCP},
		{.version = 4, .len = 60, .protocol = FER_PROTO_ICMP},
		{.version = 4, .len = 60, .protocol = FER_PROTO_SCTP},
		{.version = 4, .len = 60, .behind = 1},  // options of UDP
		{.version = 4, .len = 60, .behind = 33}, // too short for its own header
		{.version = 4, .len = 60, .behind = (uint32_t)-1},
		{.version = 4, .len = 27, .protocol = FER_PROTO_UDP},
		{.version = 4, .len = 20, .protocol = FER_PROTO_UDP},
		{.version = 4, .len = 60, .protocol = FER_PROTO_IPV4}, // no header of IP
		{.version = 4, .len = 60, .protocol = FER_PROTO_IPV6},
	};
	const struct test_tunnel t = test_ends_add(
		&(struct test_sa){.spi = SPI, .version = 4, .tfc.pad_to = FER_TFC_MTU});

	(void)state;
	test_ends.west.rules.only_sa = t.handle;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
		make(&shapes[i]);
		assert_sent(&t, 20, shapes[i].len);
		assert_received();
	}
}

// What is on the wire with both of them is as long as the port carries.
static void nested_associations_fill_the_port_together(void **state)
{
	static const uint16_t pad_to[] = {0, 200, FER_TFC_MTU};
	struct fer_policy_rule rule = test_rule(FER_OUT, FER_POLICY_PROTECT, 2);
	uint32_t spi = SPI;

	(void)state;
	for (unsigned i = 1; i < 9; i++) {
		struct test_sa inside = {.spi = spi++,
			.version = 4,
			.grouped = true,
			.group = 2 * i - 2,
			.tfc.pad_to = pad_to[i % 3]};
		struct test_sa around = {.spi = spi++,
			.version = 6,
			.mode = FER_TUNNEL,
			.grouped = true,
			.group = 2 * i - 1,
			.tfc.pad_to = pad_to[i / 3]};
		const struct test_tunnel a = test_ends_add(&inside), b = test_ends_add(&around);

		rule.group[0] = inside.group;
		rule.group[1] = around.group;
		test_end_rules(&test_ends.west, &rule, 1);
		test_ends.west.rules.mtu[FER_OUT] = 1500;
		uint32_t most = longest(b.out, 0, 1500), most_inside = 20;
		while (framed(a.out, 20, most_inside + 1) <= most)
			most_inside++;
		for (uint32_t len = 28; len <= most_inside; len++) {
			uint32_t to = len;

			make(&(struct shape){.version = 4, .len = len});
			if (a.out->out.pad_to == FER_TFC_MTU)
				to = most_inside;
			else if (a.out->out.pad_to != 0)
				to = RTE_MIN((len + 199) / 200 * 200, most_inside);
			to = framed(a.out, 20, to);
			if (b.out->out.pad_to != 0)
				to = wanted(b.out, 0, to, 1500);
			assert_sent(&b, 0, to);
			assert_received();
		}
	}
}

// What does not fit is judged without padding: to be cut, or refused with the size that fits.
static void padding_makes_no_packet_too_big(void **state)
{
	const struct test_tunnel t = test_ends_add(&(struct test_sa){
		.spi = SPI, .version = 4, .mode = FER_TUNNEL, .tfc.pad_to = FER_TFC_MTU});

	(void)state;
	test_ends.west.rules.only_sa = t.handle;
	test_ends.west.rules.mtu[FER_OUT] = 1500;
	for (uint32_t len = 1440; len < 1460; len++) {
		make(&(struct shape){.version = 4, .len = len});
		put();
		test_assert_verdict(test_ends_send(), len <= 1446 ? FER_OK : FER_TOO_BIG);
		test_ends_drop();
	}
}

// Counted is what was inside, padding too, at both ends alike: lifetimes end together.
static void both_ends_count_the_same_bytes(void **state)
{
	const struct test_tunnel t = test_ends_add(
		&(struct test_sa){.spi = SPI, .version = 4, .mode = FER_TUNNEL, .tfc.pad_to = 512});

	(void)state;
	test_ends.west.rules.only_sa = t.handle;
	make(&(struct shape){.version = 4, .len = 100});
	assert_sent(&t, 20, 512);
	assert_received();
	make(&(struct shape){.version = 4, .len = 600});
	assert_sent(&t, 20, 1024);
	assert_received();
	assert_int_equal(fer_seq_bytes(&t.out->out.seq), 512 + 1024);
	assert_int_equal(t.in->in.bytes, 512 + 1024);
}

static void a_packet_without_buffers_for_padding_ends(void **state)
{
	static struct rte_mbuf *hoard[2048];
	const struct test_tunnel t = test_ends_add(&(struct test_sa){
		.spi = SPI, .version = 4, .mode = FER_TUNNEL, .tfc.pad_to = 9600});
	unsigned n = 0;

	(void)state;
	test_ends.west.rules.only_sa = t.handle;
	make(&(struct shape){.version = 4, .len = 100});
	put();
	while ((hoard[n] = rte_pktmbuf_alloc(test_ends.pool)) != NULL)
		n++;
	test_assert_verdict(test_ends_send(), FER_NO_ROOM);
	rte_pktmbuf_free_bulk(hoard, n);
	assert_int_equal(fer_sa_drops(test_ends.west.sas, t.out, FER_NO_ROOM), 1);
	assert_int_equal(fer_seq_packets(&t.out->out.seq), 0);
}

// Where a packet of transport mode ends, by what stands behind it.
static void only_zeros_are_padding(void **state)
{
	static const struct {
		uint32_t behind;
		int at; // of a byte that is not 0, from the end of UDP; -1: none
		bool is_padding;
	} cases[] = {{1, -1, true}, {200, -1, true}, {1, 0, false}, {200, 199, false},
		{200, 64, false}, {200, 0, false}, {0, -1, true}};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		uint32_t len = 20 + 8 + cases[i].behind;

		make(&(struct shape){.version = 4, .len = len, .behind = cases[i].behind});
		memset(plain.bytes + 18 + 28, 0, cases[i].behind);
		if (cases[i].at >= 0)
			plain.bytes[18 + 28 + cases[i].at] = 7;
		struct rte_mbuf *m = test_mbuf(test_ends.pool, plain.bytes, plain.len);
		const struct fer_frame f = {
			.up_off = 38, .sec_off = 38, .end = 18 + len, .protocol = FER_PROTO_UDP};
		assert_int_equal(fer_tfc_end(m, &f), cases[i].is_padding ? 18 + 28 : 18 + len);
		rte_pktmbuf_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ENDS(every_length_becomes_what_was_asked_for),
		TEST_WITH_ENDS(padding_leaves_room_for_udp),
		TEST_WITH_ENDS(what_does_not_tell_its_length_is_not_padded),
		TEST_WITH_ENDS(nested_associations_fill_the_port_together),
		TEST_WITH_ENDS(padding_makes_no_packet_too_big),
		TEST_WITH_ENDS(both_ends_count_the_same_bytes),
		TEST_WITH_ENDS(a_packet_without_buffers_for_padding_ends),
		TEST_WITH_ENDS(only_zeros_are_padding),
	};

	return test_ends_main(tests, RTE_DIM(tests), "tfc", 2048);
}
