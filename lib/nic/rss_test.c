// SPDX-License-Identifier: BSD-3-Clause
// Has an opened packet the hash that it would have had in the clear?  Flows and hashes are those
// with which Microsoft has cards verified.
#include "nic/rss.h"

#include "base/bytes.h"
#include "nic/nic.h"
#include "support/packet.h"
// Last: its names are short.
#include "nic/nic_fixture.h"

#include <rte_byteorder.h>
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SPI 0x1000u
#define PORTS_HASH 0xdeadbeefu // what the port gave

static const uint8_t key[FER_RSS_KEY_BYTES] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41,
	0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
	0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01,
	0xfa};

static const struct flow {
	const char *src, *dst;
	uint16_t sport, dport;
	uint32_t with_ports, without;
} flows[] = {
	{"66.9.149.187", "161.142.100.80", 2794, 1766, 0x51ccc178, 0x323e8fc2},
	{"199.92.111.2", "65.69.140.83", 14230, 4739, 0xc626b0ea, 0xd718262a},
	{"24.19.198.95", "12.22.207.184", 12898, 38024, 0x5c2b394a, 0xd2d0a5de},
	{"38.27.205.30", "209.142.163.6", 48228, 2217, 0xafc7327f, 0x82989176},
	{"3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x40207d3d, 0x2cc18cd5},
	{"3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0xdde51bbf, 0x0f0c461c},
	{"3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
		0x02d1feef, 0x4b61e985},
};

static struct fer_rss rss;
static struct test_packet packet;
static struct oracle_sa oracle;
static bool port_hashes;

static uint8_t version_of(const struct flow *f)
{
	return strchr(f->src, ':') == NULL ? 4 : 6;
}

// Puts the flow's addresses into the header at off of the packet, whose checksum stays right.
static void set_addresses(const struct flow *f, uint32_t off)
{
	uint8_t *ip = packet.bytes + off;
	bool is_v4 = version_of(f) == 4;
	uint32_t sum = 0;

	assert_int_equal(inet_pton(is_v4 ? AF_INET : AF_INET6, f->src, ip + (is_v4 ? 12 : 8)), 1);
	assert_int_equal(inet_pton(is_v4 ? AF_INET : AF_INET6, f->dst, ip + (is_v4 ? 16 : 24)), 1);
	if (!is_v4)
		return;
	fer_store_be16(ip + 10, 0);
	for (unsigned i = 0; i < 20; i += 2)
		sum += fer_load_be16(ip + i);
	fer_store_be16(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

// A packet of the flow, in the clear.
static void make(const struct flow *f, uint8_t protocol, uint16_t fragment)
{
	const struct test_ip ip = {
		.version = version_of(f), .src = 1, .dst = 2, .fragment = fragment};

	test_packet_start(&packet, 40, 3);
	fer_store_be16(packet.bytes, f->sport);
	fer_store_be16(packet.bytes + 2, f->dport);
	test_packet_put_ip(&packet, &ip, protocol);
	set_addresses(f, 0);
}

static void receive(void)
{
	static const uint32_t cuts[] = {40, 60, 61};

	test_packet_seal_all(&packet);
	batch.n = 1;
	batch.link = FER_LINK_RAW_IP;
	batch.m[0] = test_mbuf_cut(pool, packet.bytes, packet.len, cuts, 3);
	batch.m[0]->hash.rss = PORTS_HASH;
	batch.m[0]->ol_flags |= port_hashes ? RTE_MBUF_F_RX_RSS_HASH : 0;
	fer_batch_parse(&batch);
	fer_nic_receive(&nic, &batch);
}

static void expect(uint32_t hash)
{
	assert_int_equal(batch.m[0]->hash.rss, hash);
	assert_true(hash == PORTS_HASH || (batch.m[0]->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0);
	rte_pktmbuf_free(batch.m[0]);
	batch.n = 0;
}

static const struct test_sa tunnel = {.spi = SPI, .version = 4, .mode = FER_TUNNEL};

static void protect(const struct flow *f)
{
	const struct test_ip outer = {.version = 4, .src = 1, .dst = 2};

	test_packet_put_esp(
		&packet, &oracle, SPI, 1, version_of(f) == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6);
	test_packet_put_ip(&packet, &outer, FER_PROTO_ESP);
}

static void does_a_tunnel_show_the_flow_inside(void **state)
{
	static const struct {
		uint8_t protocol;
		bool has_ports;
	} rows[] = {{FER_PROTO_TCP, true}, {FER_PROTO_UDP, true}, {FER_PROTO_ICMP, false},
		{FER_PROTO_SCTP, false}};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(flows) * RTE_DIM(rows); i++) {
		const struct flow *f = &flows[i / RTE_DIM(rows)];
		unsigned row = i % RTE_DIM(rows);

		make(f, rows[row].protocol, 0);
		protect(f);
		receive();
		expect(rows[row].has_ports ? f->with_ports : f->without);
	}
}

static void are_ports_of_fragments_left_out(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		make(&flows[i], FER_PROTO_TCP, i % 2 == 0 ? 0x2000 : 7);
		protect(&flows[i]);
		receive();
		expect(flows[i].without);
	}
}

// In transport mode the addresses are those in front of the protection.
static void does_transport_mode_show_its_ports(void **state)
{
	const struct flow *f = &flows[0];
	struct test_sa sa = {.spi = SPI + 1, .version = 4, .dst = 255};
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};
	struct oracle_sa o = test_sa_oracle(&sa);

	(void)state;
	test_sa_add(sas, &sa, FER_IN);
	test_packet_start(&packet, 40, 3);
	fer_store_be16(packet.bytes, f->sport);
	fer_store_be16(packet.bytes + 2, f->dport);
	test_packet_put_esp(&packet, &o, sa.spi, 1, FER_PROTO_TCP);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	set_addresses(f, 0);
	receive();
	expect(f->with_ports);
}

static void does_what_is_not_opened_keep_its_own(void **state)
{
	const struct flow *f = &flows[0];

	(void)state;
	port_hashes = true;
	make(f, FER_PROTO_TCP, 0);
	receive();
	expect(PORTS_HASH);
	make(f, FER_PROTO_TCP, 0);
	protect(f);
	test_packet_seal_all(&packet);
	packet.bytes[packet.len - 1] ^= 1;
	packet.n_esp = 0;
	receive();
	expect(PORTS_HASH);
	nic.rss = NULL; // nobody asks
	make(f, FER_PROTO_TCP, 0);
	protect(f);
	receive();
	expect(PORTS_HASH);
}

// All packets to a host have one, so that it can be sent by.
static void has_what_comes_in_the_clear_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(flows); i++) {
		make(&flows[i], FER_PROTO_TCP, 0);
		receive();
		expect(flows[i].with_ports);
		make(&flows[i], FER_PROTO_ICMP, 0);
		receive();
		expect(flows[i].without);
	}
}

// A fragment that waits for its others is no more in the batch.
static void is_what_has_left_the_batch_passed_over(void **state)
{
	(void)state;
	make(&flows[0], FER_PROTO_UDP, 0x2000);
	batch.n = 3;
	batch.link = FER_LINK_RAW_IP;
	for (unsigned i = 0; i < 3; i++)
		batch.m[i] = test_mbuf(pool, packet.bytes, packet.len);
	fer_batch_parse(&batch);
	batch.pkt[1].verdict = FER_FRAGMENT_HELD;
	rte_pktmbuf_free(batch.m[1]);
	batch.m[1] = NULL;
	fer_nic_receive(&nic, &batch);
	for (unsigned i = 0; i < 3; i += 2)
		assert_int_equal(batch.m[i]->hash.rss, flows[0].without);
	rte_pktmbuf_free_bulk(batch.m, 3);
}

static int open_one(void **state)
{
	(void)state;
	port_hashes = false;
	if (open_nic("rss") != 0)
		return -1;
	oracle = test_sa_oracle(&tunnel);
	test_sa_add(sas, &tunnel, FER_IN);
	fer_rss_init(&rss, key);
	nic.rss = &rss;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(does_a_tunnel_show_the_flow_inside),
		TEST(are_ports_of_fragments_left_out),
		TEST(does_transport_mode_show_its_ports),
		TEST(does_what_is_not_opened_keep_its_own),
		TEST(has_what_comes_in_the_clear_one),
		TEST(is_what_has_left_the_batch_passed_over),
	};
	int error;

	test_ground_open("128");
	pool = test_pool("rss", 63, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
