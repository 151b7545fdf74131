// SPDX-License-Identifier: BSD-3-Clause
// ESP in UDP on the way in (RFC 3948): is the peer where the newest authentic packet came from, are
// checksums right after a NAT, and does what is ours and lost not pass?
#include "host/stages.h"

#include "base/bytes.h"
#include "host/complete.h"
#include "host/event.h"
#include "host/nat.h"
#include "sa/udp.h"
#include "support/ground.h"
#include "support/end.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <rte_cycles.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SPI 0x1000u
#define PORT 4500

static struct rte_mempool *pool;
static struct test_end end;
static struct fer_batch batch;
static struct test_packet packet;
static struct fer_events *events;
static uint8_t got[TEST_PACKET_BYTES];

static struct test_known add(uint32_t spi, enum fer_mode mode, uint8_t version, uint32_t window)
{
	const struct test_sa sa = {.spi = spi, .mode = mode, .version = version, .window = window};

	return test_sa_known(end.sas, test_sa_in_udp(sa, PORT, PORT), FER_IN);
}

// Seals what is there and sends it from an address and a port.
static void seal(
	const struct test_known *k, uint64_t seq, uint8_t next, uint8_t src, uint16_t sport)
{
	const struct test_ip ip = {.version = k->sa.version, .src = src, .dst = 2};

	test_packet_put_esp(&packet, &k->oracle, k->sa.spi, seq, next);
	test_packet_seal(&packet, packet.n_esp - 1);
	test_packet_put_udp(&packet, sport, PORT);
	test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
	if (ip.version == 6)
		test_packet_sum_udp(&packet, 0);
}

// A packet in a tunnel.
static void make(const struct test_known *k, uint64_t seq, uint8_t src, uint16_t sport)
{
	const struct test_ip inside = {.version = 4, .src = 11, .dst = 12};

	test_packet_start(&packet, 20, (unsigned)seq);
	test_packet_put_ip(&packet, &inside, FER_PROTO_SCTP);
	seal(k, seq, FER_PROTO_IPV4, src, sport);
}

static void put(unsigned i)
{
	batch.m[i] = test_mbuf(pool, packet.bytes, packet.len);
}

static void accept(unsigned n)
{
	batch.n = (uint16_t)n;
	batch.link = FER_LINK_RAW_IP;
	fer_batch_parse(&batch);
	fer_nic_receive(&end.path.nic, &batch);
	fer_host_inbound(&end.path.host, &batch);
}

static void done(void)
{
	rte_pktmbuf_free_bulk(batch.m, batch.n);
	batch.n = 0;
}

static enum fer_verdict accept_one(void)
{
	put(0);
	accept(1);
	enum fer_verdict v = (enum fer_verdict)batch.pkt[0].verdict;
	done();
	return v;
}

static void assert_peer(const struct test_known *k, uint8_t src, uint16_t port)
{
	struct fer_addr want = test_addr(k->sa.version, src);
	struct fer_peer peer;

	assert_true(fer_sa_peer(end.sas, k->handle, &peer));
	assert_int_equal(peer.port, port);
	assert_true(fer_addr_equal(&peer.addr, &want));
}

static unsigned n_moves_told(void)
{
	struct fer_event e;
	unsigned n = 0;

	while (fer_events_get(events, &e))
		n += e.kind == FER_EVENT_PEER_MOVED;
	return n;
}

static void does_the_newest_packet_of_a_burst_tell(void **state)
{
	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct test_known k = add(SPI + version, FER_TUNNEL, version, 64);
		static const uint64_t seqs[] = {3, 9, 7, 1};

		for (unsigned i = 0; i < RTE_DIM(seqs); i++) {
			make(&k, seqs[i], (uint8_t)(20 + i), (uint16_t)(2000 + i));
			put(i);
		}
		accept(RTE_DIM(seqs));
		for (unsigned i = 0; i < RTE_DIM(seqs); i++)
			assert_int_equal(batch.pkt[i].verdict, FER_OK);
		done();
		assert_peer(&k, 21, 2001);
		assert_int_equal(n_moves_told(), 1);
	}
}

// The layer inside waits for another worker, which has the packet.
static void is_a_packet_that_has_left_the_batch_passed_over(void **state)
{
	const struct test_known k = add(SPI, FER_TUNNEL, 4, 64);

	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		for (unsigned i = 0; i < 2; i++) {
			make(&k, 1 + 2 * late + i, (uint8_t)(20 + i), (uint16_t)(2000 + late));
			put(i);
		}
		batch.n = 2;
		batch.link = FER_LINK_RAW_IP;
		fer_batch_parse(&batch);
		fer_nic_receive(&end.path.nic, &batch);
		batch.pkt[late].verdict = FER_LATE;
		rte_pktmbuf_free(batch.m[late]);
		batch.m[late] = NULL;
		fer_host_inbound(&end.path.host, &batch);
		done();
		assert_peer(&k, (uint8_t)(21 - late), (uint16_t)(2000 + late));
	}
}

static void is_an_event_told_with_all_that_is_known(void **state)
{
	struct test_known k = add(SPI, FER_TUNNEL, 4, 64);
	struct fer_addr src = test_addr(4, 7), dst = test_addr(4, 2);
	struct fer_event e;

	(void)state;
	make(&k, 5, 7, 1024);
	assert_int_equal(accept_one(), FER_OK);
	assert_true(fer_events_get(events, &e));
	assert_int_equal(e.kind, FER_EVENT_PEER_MOVED);
	assert_true(e.handle == k.handle);
	assert_int_equal(e.spi, SPI);
	assert_int_equal(e.number, 5);
	assert_int_equal(e.sport, 1024);
	assert_true(fer_addr_equal(&e.src, &src));
	assert_true(fer_addr_equal(&e.dst, &dst));
	assert_false(fer_events_get(events, &e));
}

// RFC 7296 section 2.23: neither a replay nor what nobody authenticated.
static void do_replays_and_forgeries_move_nothing(void **state)
{
	(void)state;
	for (unsigned window = 0; window <= 64; window += 64) {
		struct test_known k = add(SPI + window, FER_TUNNEL, 4, window);

		make(&k, 5, 1, PORT);
		assert_int_equal(accept_one(), FER_OK);
		make(&k, 5, 66, 666); // another way, the same packet
		assert_int_equal(accept_one(), window == 0 ? FER_OK : FER_REPLAY);
		make(&k, 4, 66, 666); // late
		assert_int_equal(accept_one(), FER_OK);
		make(&k, 9, 66, 666);
		packet.bytes[packet.len - 1] ^= 1;
		assert_int_equal(accept_one(), FER_BAD_ICV);
		make(&k, 10, 66, 666);
		packet.bytes[packet.esp[0].off - 1] ^= 1; // a checksum where there was none
		assert_int_equal(accept_one(), FER_BAD_SYNTAX);
		assert_peer(&k, 1, PORT);
		assert_int_equal(n_moves_told(), 0);
	}
}

static void does_an_expired_sa_move_nothing(void **state)
{
	struct test_known k = add(SPI, FER_TUNNEL, 4, 64);

	(void)state;
	assert_true(fer_life_end(fer_sa_at(end.sas, (uint32_t)k.handle), FER_LIFE_HARD) != 0);
	make(&k, 5, 66, 666);
	assert_int_equal(accept_one(), FER_EXPIRED);
	assert_peer(&k, 1, PORT);
}

// Checksums.

#define PRIVATE 200 // the address that a NAT replaced

static uint32_t cksum_off(uint8_t protocol)
{
	return protocol == FER_PROTO_TCP ? 16 : protocol == FER_PROTO_UDP ? 6 : 2;
}

static uint32_t sum_of(const uint8_t *ip, uint8_t protocol, uint32_t len)
{
	bool v4 = ip[0] >> 4 == 4;
	const uint8_t *up = ip + (v4 ? 20 : 40);
	uint32_t sum = protocol + len;

	for (uint32_t i = v4 ? 12 : 8; i < (v4 ? 20u : 40u); i += 2)
		sum += fer_load_be16(ip + i);
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)up[i] << 8 : up[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

// The upper layer of a packet from a private address, with its checksum.
static void start_segment(uint8_t version, uint8_t protocol, uint32_t len)
{
	const struct test_ip ip = {.version = version, .src = PRIVATE, .dst = 2};
	uint16_t sum = 0;

	for (unsigned pass = 0; pass < 2; pass++) {
		test_packet_start(&packet, len, len);
		if (protocol == FER_PROTO_UDP)
			fer_store_be16(packet.bytes + 4, (uint16_t)len);
		fer_store_be16(packet.bytes + cksum_off(protocol), sum);
		if (pass == 1)
			return;
		test_packet_put_ip(&packet, &ip, protocol);
		sum = (uint16_t)~sum_of(packet.bytes, protocol, len);
		sum = sum == 0 ? 0xffff : sum;
	}
}

// RFC 3948 section 3.1.2: the sender counted the address that it had.
static void is_the_checksum_of_transport_mode_right_after_a_nat(void **state)
{
	static const uint8_t protocols[] = {FER_PROTO_TCP, FER_PROTO_UDP, FER_PROTO_ICMPV6};
	uint64_t seq = 0;

	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct test_known k = add(SPI + version, FER_TRANSPORT, version, 64);

		for (uint32_t i = 0; i < 3 * 30; i++) {
			uint8_t protocol = protocols[i % 3];
			uint32_t len = 20 + i;

			if (version == 4 && protocol == FER_PROTO_ICMPV6)
				continue;
			start_segment(version, protocol, len);
			seal(&k, ++seq, protocol, 9, 1024);
			batch.m[0] = test_mbuf_cut(
				pool, packet.bytes, packet.len, (uint32_t[]){packet.len - 30}, 1);
			accept(1);
			assert_int_equal(batch.pkt[0].verdict, FER_OK);
			assert_int_equal(test_flatten(batch.m[0], got, sizeof(got)),
				len + (version == 4 ? 20 : 40));
			assert_int_equal(sum_of(got, protocol, len), 0xffff);
			done();
		}
	}
}

static void does_what_has_no_checksum_stay_without(void **state)
{
	struct test_known k = add(SPI, FER_TRANSPORT, 4, 64);

	(void)state;
	test_packet_start(&packet, 40, 1);
	fer_store_be16(packet.bytes + 6, 0);
	seal(&k, 1, FER_PROTO_UDP, 9, 1024);
	put(0);
	accept(1);
	test_flatten(batch.m[0], got, sizeof(got));
	assert_int_equal(fer_load_be16(got + 26), 0);
	done();
	for (uint32_t len = 0; len < 20; len++) { // too short to have one
		static uint8_t want[20];

		test_packet_start(&packet, len, 1);
		memcpy(want, packet.bytes, len);
		seal(&k, 2 + len, FER_PROTO_TCP, 9, 1024);
		put(0);
		accept(1);
		assert_int_equal(batch.pkt[0].verdict, FER_OK);
		assert_int_equal(test_flatten(batch.m[0], got, sizeof(got)), 20 + len);
		assert_memory_equal(got + 20, want, len);
		done();
	}
}

// What a tunnel carries has addresses that no NAT saw.
static void does_a_checksum_in_a_tunnel_stay_as_it_is(void **state)
{
	struct test_known k = add(SPI, FER_TUNNEL, 4, 64);
	const struct test_ip inside = {.version = 4, .src = 11, .dst = 12};

	(void)state;
	test_packet_start(&packet, 40, 1);
	test_packet_put_ip(&packet, &inside, FER_PROTO_TCP);
	const uint16_t wrong = fer_load_be16(packet.bytes + 20 + 16);
	seal(&k, 1, FER_PROTO_IPV4, 9, 1024);
	put(0);
	accept(1);
	test_flatten(batch.m[0], got, sizeof(got));
	assert_int_equal(fer_load_be16(got + 20 + 16), wrong);
	done();
}

// Keep-alives: RFC 3948 section 2.3.

static void does_a_keepalive_go_where_packets_go(void **state)
{
	static const uint8_t link[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};

	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2) {
		const struct test_sa plain = {
			.spi = SPI + version, .mode = FER_TUNNEL, .version = version};
		const struct test_sa udp = test_sa_in_udp(plain, PORT, 40000);
		uint64_t handle = test_sa_add(end.sas, &udp, FER_OUT);
		const struct fer_sa *sa = fer_sa_get(end.sas, handle);
		const struct fer_sa_move move = {.from = {test_addr(version, 2), 40000},
			.to = {test_addr(version, 7), 50000}};
		const struct test_ip ip = {.version = version, .src = 1, .dst = 7};

		assert_null(fer_nat_keepalive(sa, pool)); // no packet has told the way
		fer_udp_learn_link(sa, link, sizeof(link));
		assert_int_equal(fer_sa_follow(end.sas, handle, &move), 0);
		struct rte_mbuf *m = fer_nat_keepalive(sa, pool);
		assert_non_null(m);
		test_packet_start(&packet, 1, 0);
		packet.bytes[0] = FER_NAT_KEEPALIVE;
		test_packet_put_udp(&packet, PORT, 50000);
		test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
		if (version == 6)
			test_packet_sum_udp(&packet, 0);
		assert_int_equal(test_flatten(m, got, sizeof(got)), 14 + packet.len);
		assert_memory_equal(got, link, 14);
		assert_memory_equal(got + 14, packet.bytes, packet.len);
		rte_pktmbuf_free(m);
	}
}

// Lost ones.

// Without policies everything in the clear ends; the verdict says why.
static void is_esp_in_udp_without_sa_ours_and_lost(void **state)
{
	struct test_known k = add(SPI, FER_TUNNEL, 4, 64), other = k;
	const struct test_ip elsewhere = {.version = 4, .src = 1, .dst = 3};
	const struct test_ip here = {.version = 4, .src = 1, .dst = 2};

	(void)state;
	other.sa.spi++;
	make(&other, 1, 9, 1024);
	assert_int_equal(accept_one(), FER_NO_SA);
	test_packet_start(&packet, 40, 1); // to somebody else's
	test_packet_put_udp(&packet, 1024, PORT);
	test_packet_put_ip(&packet, &elsewhere, FER_PROTO_UDP);
	assert_int_equal(accept_one(), FER_NO_POLICY);
	test_packet_start(&packet, 40, 1); // IKE
	memset(packet.bytes, 0, 4);
	test_packet_put_udp(&packet, 1024, PORT);
	test_packet_put_ip(&packet, &here, FER_PROTO_UDP);
	assert_int_equal(accept_one(), FER_NO_POLICY);
	make(&k, 1, 9, 1024); // in the order of things
	assert_int_equal(accept_one(), FER_OK);
}

static int open_one(void **state)
{
	(void)state;
	test_end_open(&end, "end", test_engine, pool);
	events = fer_events_create(64, rte_get_tsc_hz());
	end.path.host.events = events;
	return events == NULL ? -1 : 0;
}

static int close_one(void **state)
{
	(void)state;
	fer_events_destroy(events);
	test_end_close(&end);
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(does_the_newest_packet_of_a_burst_tell),
		TEST(is_a_packet_that_has_left_the_batch_passed_over),
		TEST(is_an_event_told_with_all_that_is_known),
		TEST(do_replays_and_forgeries_move_nothing),
		TEST(does_an_expired_sa_move_nothing),
		TEST(is_the_checksum_of_transport_mode_right_after_a_nat),
		TEST(does_what_has_no_checksum_stay_without),
		TEST(does_a_checksum_in_a_tunnel_stay_as_it_is),
		TEST(does_a_keepalive_go_where_packets_go),
		TEST(is_esp_in_udp_without_sa_ours_and_lost),
	};
	int error;

	test_ground_open("128");
	pool = test_pool("nat", 255, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
