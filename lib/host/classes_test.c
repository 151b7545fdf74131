// SPDX-License-Identifier: BSD-3-Clause
// Do exactly the frames of a class get what its rule says, and all others what policies say?
#include "host/classes.h"

#include "base/bytes.h"
#include "host/host.h"
#include "host/sink.h"
#include "support/eal.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct rte_mempool *pool;
static struct fer_batch batch;
static struct test_packet packet;

static struct rte_mbuf *make(void)
{
	return test_mbuf(pool, packet.bytes, packet.len);
}

// Parses a packet and asks for its class; frees it.
static enum fer_class classify(struct rte_mbuf *m, enum fer_link link)
{
	batch.n = 1;
	batch.link = (uint8_t)link;
	batch.m[0] = m;
	fer_batch_parse(&batch);
	enum fer_class c = fer_classify(m, link, &batch.pkt[0]);
	rte_pktmbuf_free(m);
	return c;
}

static void assert_class(struct rte_mbuf *m, enum fer_class want)
{
	assert_string_equal(fer_class_name(classify(m, FER_LINK_ETHERNET)), fer_class_name(want));
}

static void every_class_has_its_own_name(void **state)
{
	(void)state;
	for (int c = 0; c < FER_N_CLASSES; c++)
		for (int other = 0; other < c; other++)
			assert_string_not_equal(fer_class_name(c), fer_class_name(other));
	assert_string_equal(fer_class_name(FER_CLASS_ND), "nd");
	assert_string_equal(fer_class_name(FER_N_CLASSES), "?");
}

// Frames by what stands behind their addresses.
static const struct {
	const char *what;
	uint8_t n;
	uint8_t bytes[32];
	enum fer_class want;
} frames[] = {
	{"ARP", 30, {8, 6, 0, 1, 8, 0, 6, 4}, FER_CLASS_ARP},
	{"ARP behind a tag", 34, {0x81, 0, 0, 5, 8, 6, 0, 1}, FER_CLASS_ARP},
	{"LLDP", 30, {0x88, 0xcc, 2, 7}, FER_CLASS_NON_IP},
	{"spanning tree", 30, {0, 38, 0x42, 0x42, 3}, FER_CLASS_NON_IP},
	{"spanning tree, no LLC", 2, {0, 38}, FER_CLASS_NON_IP},
	{"flow control", 30, {0x88, 8, 0, 1}, FER_CLASS_NON_IP},
	{"SNAP that is no IP", 30, {0, 20, 0xaa, 0xaa, 3, 0, 0, 0xc, 0x20, 0}, FER_CLASS_NON_IP},
	{"SNAP with IP", 30, {0, 20, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45}, FER_CLASS_NONE},
	{"SNAP with IPv6", 30, {0, 20, 0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd}, FER_CLASS_NONE},
	{"IP service access point", 30, {0, 20, 6, 6, 3, 0x45}, FER_CLASS_NONE},
	{"MPLS", 30, {0x88, 0x47, 0, 0, 0x11, 64, 0x45}, FER_CLASS_NONE},
	{"PPPoE", 30, {0x88, 0x64, 0x11, 0, 0, 1, 0, 22, 0, 0x21, 0x45}, FER_CLASS_NONE},
	{"MACsec", 30, {0x88, 0xe5, 0, 4, 0, 0, 0, 1, 8, 0, 0x45}, FER_CLASS_NONE},
	{"tag of a ring", 30, {0x89, 0x2f, 0, 24, 0, 1, 8, 0, 0x45}, FER_CLASS_NONE},
	{"tag of a double", 30, {0xf1, 0xc1, 0, 0, 0, 1, 8, 0, 0x45}, FER_CLASS_NONE},
	{"tag of a VM's port", 30, {0x89, 0x26, 0, 0, 0, 1, 8, 0, 0x45}, FER_CLASS_NONE},
	{"tag of an extender", 30, {0x89, 0x3f, 0, 0, 0, 1, 0, 0, 8, 0, 0x45}, FER_CLASS_NONE},
	{"PPP", 30, {0x88, 0x0b, 0, 0x21, 0x45}, FER_CLASS_NONE},
	{"LLC in a long frame", 30, {0x88, 0x70, 6, 6, 3, 0x45}, FER_CLASS_NONE},
	{"LLC, no sound length", 30, {0x5, 0xf0, 6, 6, 3, 0x45}, FER_CLASS_NONE},
	{"bridged frame", 30, {0, 20, 0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0}, FER_CLASS_NONE},
	{"old tag", 30, {0x91, 0, 0, 5, 8, 0, 0x45}, FER_CLASS_NONE},
	{"five tags", 30,
		{0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 8, 6},
		FER_CLASS_NONE},
	{"half a type", 1, {8}, FER_CLASS_NONE},
	{"broken IP", 30, {8, 0, 0x45}, FER_CLASS_NONE},
};

static void frames_that_are_no_ip(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(frames); i++) {
		uint8_t bytes[64] = {0};

		memcpy(bytes + 12, frames[i].bytes, frames[i].n);
		struct rte_mbuf *m = test_mbuf(pool, bytes, 12u + frames[i].n);
		if (classify(m, FER_LINK_ETHERNET) != frames[i].want)
			fail_msg("%s", frames[i].what);
	}
}

// Captures of raw IP have no other frames.
static void raw_packets_that_are_no_ip(void **state)
{
	static const uint8_t bytes[32] = {0x00, 8, 6};

	(void)state;
	assert_int_equal(classify(test_mbuf(pool, bytes, 32), FER_LINK_RAW_IP), FER_CLASS_NONE);
	assert_int_equal(classify(test_mbuf(pool, bytes, 0), FER_LINK_RAW_IP), FER_CLASS_NONE);
}

static void put_icmpv6(uint8_t type, uint8_t code, uint8_t hop_limit, uint16_t n_options)
{
	const struct test_ip ip = {
		.version = 6, .src = 1, .dst = 2, .ttl = hop_limit, .n_options = n_options};

	test_packet_start(&packet, 24, 0);
	packet.bytes[0] = type;
	packet.bytes[1] = code;
	test_packet_put_ip(&packet, &ip, FER_PROTO_ICMPV6);
	test_packet_put_ethernet(&packet, 0);
}

static void neighbour_discovery(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		put_icmpv6((uint8_t)type, 0, 255, 0);
		assert_class(make(), type >= 133 && type <= 137 ? FER_CLASS_ND : FER_CLASS_NONE);
	}
	put_icmpv6(135, 1, 255, 0);
	assert_class(make(), FER_CLASS_NONE);
	put_icmpv6(135, 0, 254, 0);
	assert_class(make(), FER_CLASS_NONE);
	put_icmpv6(135, 0, 255, 8);
	assert_class(make(), FER_CLASS_NONE);
}

// A listener's report as hosts send it; the caller may spoil it.
static uint8_t *put_mld(uint8_t type)
{
	static const uint8_t alert[] = {5, 2, 0, 0, 1, 0};

	put_icmpv6(type, 0, 1, 8);
	uint8_t *ip = packet.bytes + packet.ip_off;
	memset(ip + 8, 0, 16);
	ip[8] = 0xfe;
	ip[9] = 0x80;
	memcpy(ip + 42, alert, sizeof(alert));
	return ip;
}

static void multicast_listeners(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		bool is_one = (type >= 130 && type <= 132) || type == 143;

		put_mld((uint8_t)type);
		assert_class(make(), is_one ? FER_CLASS_MLD : FER_CLASS_NONE);
	}
	memcpy(put_mld(143) + 42, (uint8_t[]){5, 2, 0, 0, 0, 0}, 6);
	assert_class(make(), FER_CLASS_MLD);
	memcpy(put_mld(143) + 42, (uint8_t[]){1, 0, 5, 2, 0, 0}, 6);
	assert_class(make(), FER_CLASS_MLD);
	memcpy(put_mld(143) + 42, (uint8_t[]){0, 0, 5, 2, 0, 0}, 6);
	assert_class(make(), FER_CLASS_MLD);
	put_mld(143)[9] = 0xbf; // the last address of fe80::/10
	assert_class(make(), FER_CLASS_MLD);
}

static void almost_multicast_listeners(void **state)
{
	(void)state;
	memcpy(put_mld(143) + 42, (uint8_t[]){5, 2, 0, 1, 1, 0}, 6); // alert for RSVP
	assert_class(make(), FER_CLASS_NONE);
	memcpy(put_mld(143) + 42, (uint8_t[]){1, 4, 0, 0, 0, 0}, 6); // no alert
	assert_class(make(), FER_CLASS_NONE);
	memcpy(put_mld(143) + 42, (uint8_t[]){5, 2, 0, 0, 7, 0}, 6); // an unknown option
	assert_class(make(), FER_CLASS_NONE);
	put_mld(143)[7] = 2;
	assert_class(make(), FER_CLASS_NONE);
	put_mld(143)[8] = 0x20;
	assert_class(make(), FER_CLASS_NONE);
	put_mld(143)[9] = 0xc0;
	assert_class(make(), FER_CLASS_NONE);
	put_mld(143)[49] = 1; // code
	assert_class(make(), FER_CLASS_NONE);
	put_icmpv6(143, 0, 1, 0);
	assert_class(make(), FER_CLASS_NONE);
	put_icmpv6(143, 0, 1, 16);
	packet.bytes[packet.ip_off + 8] = 0xfe;
	packet.bytes[packet.ip_off + 9] = 0x80;
	assert_class(make(), FER_CLASS_NONE);
}

// A datagram with n bytes, of which the first ones are given.
static void put_udp(uint8_t version, uint16_t sport, uint16_t dport, const uint8_t *bytes,
	uint32_t n, uint16_t fragment)
{
	const struct test_ip ip = {.version = version, .src = 1, .dst = 2, .fragment = fragment};

	test_packet_start(&packet, 8 + n, 0);
	fer_store_be16(packet.bytes, sport);
	fer_store_be16(packet.bytes + 2, dport);
	fer_store_be16(packet.bytes + 4, (uint16_t)(8 + n));
	memcpy(packet.bytes + 8, bytes, RTE_MIN(n, 4u));
	test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
	test_packet_put_ethernet(&packet, 0);
}

static const struct {
	const char *what;
	uint16_t sport, dport;
	uint8_t first[4];
	uint32_t n;
	enum fer_class want;
} datagrams[] = {
	{"IKE", 500, 500, {1, 2, 3, 4}, 300, FER_CLASS_IKE},
	{"empty", 500, 500, {0}, 0, FER_CLASS_IKE},
	{"other source port", 501, 500, {1, 2, 3, 4}, 300, FER_CLASS_NONE},
	{"other destination port", 500, 501, {1, 2, 3, 4}, 300, FER_CLASS_NONE},
	{"two ports of IKE", 500, 4500, {0}, 300, FER_CLASS_NONE},
	{"IKE with marker", 4500, 4500, {0}, 300, FER_CLASS_IKE},
	{"nothing but marker", 4500, 4500, {0}, 4, FER_CLASS_IKE},
	{"ESP in UDP", 4500, 4500, {0, 0, 1, 0}, 300, FER_CLASS_NONE},
	{"half a marker", 4500, 4500, {0}, 3, FER_CLASS_NONE},
	{"keep-alive", 4500, 4500, {0xff}, 1, FER_CLASS_KEEPALIVE},
	{"another byte", 4500, 4500, {0xfe}, 1, FER_CLASS_NONE},
	{"two bytes", 4500, 4500, {0xff, 0xff}, 2, FER_CLASS_NONE},
	{"keep-alive elsewhere", 500, 4500, {0xff}, 1, FER_CLASS_NONE},
	{"DNS", 53, 53, {0}, 40, FER_CLASS_NONE},
};

static void key_management(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(datagrams); i++)
		for (uint8_t version = 4; version <= 6; version += 2) {
			put_udp(version, datagrams[i].sport, datagrams[i].dport, datagrams[i].first,
				datagrams[i].n, 0);
			if (classify(make(), FER_LINK_ETHERNET) != datagrams[i].want)
				fail_msg("%s, IPv%u", datagrams[i].what, version);
		}
}

static void only_whole_datagrams(void **state)
{
	static const uint8_t bytes[4];

	(void)state;
	put_udp(4, 500, 500, bytes, 120, 0x2000); // more to come
	assert_class(make(), FER_CLASS_NONE);
	put_udp(4, 500, 500, bytes, 120, 3);
	assert_class(make(), FER_CLASS_NONE);
	put_udp(4, 500, 500, bytes, 120, 0);
	packet.bytes[packet.ip_off + 25]++; // UDP length
	assert_class(make(), FER_CLASS_NONE);
}

// RFC 8200 section 4.5: a fragment that is all of its datagram is whole, but does not belong here.
static void no_atomic_fragments(void **state)
{
	static const uint8_t bytes[4];
	uint8_t datagram[68];

	(void)state;
	put_udp(6, 500, 500, bytes, 60, 0);
	uint8_t *ip = packet.bytes + packet.ip_off;
	memcpy(datagram, ip + 40, sizeof(datagram));
	memcpy(ip + 48, datagram, sizeof(datagram));
	memset(ip + 40, 0, 8);
	ip[40] = FER_PROTO_UDP;
	ip[6] = FER_PROTO_FRAGMENT;
	ip[5] += 8;
	packet.len += 8;
	assert_class(make(), FER_CLASS_NONE);
}

// Headers that lie in pieces are read all the same.
static void headers_in_pieces(void **state)
{
	static const uint8_t bytes[4];

	(void)state;
	for (uint32_t cut = 1; cut < 60; cut++) {
		put_udp(4, 4500, 4500, bytes, 40, 0);
		assert_class(test_mbuf_cut(pool, packet.bytes, packet.len, &cut, 1), FER_CLASS_IKE);
		put_mld(143);
		assert_class(test_mbuf_cut(pool, packet.bytes, packet.len, &cut, 1), FER_CLASS_MLD);
	}
}

// Applying the rules.

static void put_arp(void)
{
	packet.len = 60;
	memset(packet.bytes, 0, 60);
	packet.bytes[12] = 8;
	packet.bytes[13] = 6;
}

static void put_ike(uint8_t version)
{
	static const uint8_t bytes[4];

	put_udp(version, 500, 500, bytes, 60, 0);
}

// What becomes of the packet at hand under rules.
static const struct fer_pkt *run(
	const struct fer_class_rules *rules, enum fer_direction direction, unsigned n_layers)
{
	batch.n = 1;
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = make();
	fer_batch_parse(&batch);
	batch.pkt[0].n_layers = (uint8_t)n_layers;
	fer_classes_run(rules, &batch, direction);
	rte_pktmbuf_free(batch.m[0]);
	return &batch.pkt[0];
}

static void each_rule_does_what_it_says(void **state)
{
	struct fer_class_rules rules = {0};

	(void)state;
	put_arp();
	const struct fer_pkt *p = run(&rules, FER_OUT, 0);
	assert_true(fer_pkt_alive(p) && p->class == FER_CLASS_NONE);
	rules.action[FER_CLASS_ARP] = FER_CLASS_TO_PASS;
	p = run(&rules, FER_IN, 0);
	assert_true(fer_pkt_alive(p) && p->class == FER_CLASS_ARP);
	rules.action[FER_CLASS_ARP] = FER_CLASS_TO_DROP;
	p = run(&rules, FER_OUT, 0);
	assert_int_equal(p->verdict, FER_CLASS_DROP);
	put_ike(4); // has no rule
	p = run(&rules, FER_OUT, 0);
	assert_true(fer_pkt_alive(p) && p->class == FER_CLASS_NONE);
}

// What came out of a tunnel is for the policies.
static void only_what_came_in_the_clear(void **state)
{
	struct fer_class_rules rules = {.action = {[FER_CLASS_IKE] = FER_CLASS_TO_PASS}};

	(void)state;
	put_ike(4);
	assert_int_equal(run(&rules, FER_IN, 0)->class, FER_CLASS_IKE);
	assert_int_equal(run(&rules, FER_IN, 1)->class, FER_CLASS_NONE);
}

// RFC 4301 section 5: to and from whom keys are agreed can be said.
static void key_management_with_peers(void **state)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		const struct fer_addr peers[] = {test_addr(version, 9), test_addr(version, 2)};
		struct fer_class_rules rules = {
			.action = {[FER_CLASS_IKE] = FER_CLASS_TO_PASS}, .peers = peers};

		put_ike(version); // from 1 to 2
		rules.n_peers = 2;
		assert_int_equal(run(&rules, FER_OUT, 0)->class, FER_CLASS_IKE);
		assert_int_equal(run(&rules, FER_IN, 0)->class, FER_CLASS_NONE);
		rules.n_peers = 1;
		assert_int_equal(run(&rules, FER_OUT, 0)->class, FER_CLASS_NONE);
		rules.action[FER_CLASS_IKE] = FER_CLASS_TO_DROP; // then whoever it is
		assert_int_equal(run(&rules, FER_OUT, 0)->verdict, FER_CLASS_DROP);
	}
	(void)state;
}

// What passes for its class is not judged again, and is counted.
static void classes_go_before_policies(void **state)
{
	const struct fer_host_rules all = {
		.classes = {.action = {[FER_CLASS_ARP] = FER_CLASS_TO_PASS,
				    [FER_CLASS_ND] = FER_CLASS_TO_DROP}}};
	const struct fer_host_rules *_Atomic published = &all;
	struct fer_outcomes outcomes = {0};
	struct rte_mbuf *out[FER_BATCH_MAX];
	struct fer_host host;
	unsigned n_free = rte_mempool_avail_count(pool);

	(void)state;
	assert_int_equal(fer_host_init(&host, NULL, pool, &published), 0);
	for (int direction = FER_OUT; direction <= FER_IN; direction++) {
		put_arp();
		batch.m[0] = make();
		put_icmpv6(135, 0, 255, 0);
		batch.m[1] = make();
		put_arp();
		batch.m[2] = make();
		packet.bytes[13] = 7;
		batch.m[3] = make();
		batch.n = 4;
		batch.link = FER_LINK_ETHERNET;
		fer_batch_parse(&batch);
		if (direction == FER_OUT)
			fer_host_outbound(&host, &batch);
		else
			fer_host_inbound(&host, &batch);
		assert_int_equal(batch.pkt[1].verdict, FER_CLASS_DROP);
		assert_int_equal(batch.pkt[3].verdict, FER_NOT_IP);
		assert_int_equal(fer_sink(&batch, &outcomes, out), 2);
		rte_pktmbuf_free_bulk(out, 2);
	}
	assert_int_equal(outcomes.packets[FER_OK], 4);
	assert_int_equal(outcomes.classes[FER_CLASS_ARP], 4);
	assert_int_equal(outcomes.packets[FER_CLASS_DROP], 2);
	fer_host_fini(&host);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_class_has_its_own_name),
		cmocka_unit_test(frames_that_are_no_ip),
		cmocka_unit_test(raw_packets_that_are_no_ip),
		cmocka_unit_test(neighbour_discovery),
		cmocka_unit_test(multicast_listeners),
		cmocka_unit_test(almost_multicast_listeners),
		cmocka_unit_test(key_management),
		cmocka_unit_test(only_whole_datagrams),
		cmocka_unit_test(no_atomic_fragments),
		cmocka_unit_test(headers_in_pieces),
		cmocka_unit_test(each_rule_does_what_it_says),
		cmocka_unit_test(only_what_came_in_the_clear),
		cmocka_unit_test(key_management_with_peers),
		cmocka_unit_test(classes_go_before_policies),
	};

	fer_test_eal_init("64");
	pool = test_pool("classes", 255, RTE_MBUF_DEFAULT_BUF_SIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
