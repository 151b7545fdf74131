// SPDX-License-Identifier: BSD-3-Clause
// Do the stages of the appliance stand in the right order, all rules in force at once?
#include "base/bytes.h"
#include "host/intake.h"
#include "host/sink.h"
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

#define SYN 0x02
#define ACK 0x10

static struct rte_mempool *pool;
static struct test_end here, there;
static struct fer_batch batch;
static struct fer_intake intake;
static struct fer_outcomes sent, received;
static struct test_packet packet;
static struct rte_mbuf *wire[FER_BATCH_MAX + FER_BATCH_MORE], *back[FER_BATCH_SIDE];
static struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];
static uint8_t flat[TEST_PACKET_BYTES];
static unsigned n_out, n_back, n_wire;

// A pair as it is by default: all is protected, classes pass, both ports carry 1,500 bytes.
static void open_pair(struct test_end *e, const char *name, uint32_t spi_out, uint32_t spi_in)
{
	struct test_sa sa = {.mode = FER_TUNNEL, .version = 4, .grouped = true};
	const struct fer_policy_rule rules[] = {test_rule(FER_OUT, FER_POLICY_PROTECT, 1),
		test_rule(FER_IN, FER_POLICY_PROTECT, 1)};

	test_end_open(e, name, test_engine, pool);
	sa.spi = spi_out;
	test_sa_add(e->sas, &sa, FER_OUT);
	sa.spi = spi_in;
	sa.window = 64;
	test_sa_add(e->sas, &sa, FER_IN);
	test_end_rules(e, rules, 2);
	memset(e->rules.classes.action, FER_CLASS_TO_PASS, FER_N_CLASSES);
	e->rules.mtu[FER_OUT] = e->rules.mtu[FER_IN] = 1500;
	e->rules.clamp_mss = true;
	e->rules.answers_per_second = 100;
}

static int open_both(void **state)
{
	(void)state;
	memset(&sent, 0, sizeof(sent));
	memset(&received, 0, sizeof(received));
	open_pair(&here, "here", 0x1001, 0x2002);
	open_pair(&there, "there", 0x2002, 0x1001);
	return 0;
}

static int close_both(void **state)
{
	(void)state;
	test_end_close(&here);
	test_end_close(&there);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	return 0;
}

// Everything in the intake, out to the wire and in on the other side; what comes out there is in
// out, what goes back to the sender in back.
static void carry(unsigned n)
{
	uint64_t timed_out = 0;

	n_out = n_back = n_wire = 0;
	fer_intake_put(&intake, (uint16_t)n);
	while (fer_intake_take(&intake, &batch)) {
		fer_path_out(&here.path, &batch);
		n_back += fer_sink_side(&batch, &sent, back + n_back);
		unsigned k = fer_sink(&batch, &sent, wire);
		n_wire += k;
		for (unsigned i = 0; i < k; i++)
			assert_true(wire[i]->pkt_len <= 1514);
		memcpy(batch.m, wire, k * sizeof(wire[0]));
		batch.n = (uint16_t)k;
		fer_path_in(&there.path, &batch, 1, &timed_out);
		n_out += fer_sink(&batch, &received, out + n_out);
	}
}

static void free_all(void)
{
	rte_pktmbuf_free_bulk(out, n_out);
	rte_pktmbuf_free_bulk(back, n_back);
}

static uint16_t transport_sum(const uint8_t *ip, uint32_t len)
{
	uint32_t sum = ip[9] + len - 20;

	for (uint32_t i = 12; i < len; i += 2)
		sum += fer_load_be16(ip + i) & (i + 1 == len ? 0xff00 : 0xffff);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// A TCP packet with an unfinished checksum and so much data; with SYN, an MSS of 1460.
static struct rte_mbuf *tcp(uint8_t flags, uint32_t n_data, uint16_t mss)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2, .df = true};
	uint32_t header = (flags & SYN) != 0 ? 24 : 20;

	test_packet_start(&packet, header + n_data, 0);
	memset(packet.bytes, 0, header);
	packet.bytes[12] = (uint8_t)(header / 4 << 4);
	packet.bytes[13] = flags;
	if ((flags & SYN) != 0)
		fer_store_be32(packet.bytes + 20, 0x020405b4);
	test_packet_put_ip(&packet, &ip, FER_PROTO_TCP);
	uint8_t pseudo[12] = {[9] = FER_PROTO_TCP};
	memcpy(pseudo, packet.bytes + 12, 8);
	fer_store_be16(pseudo + 10, (uint16_t)(header + n_data));
	fer_store_be16(packet.bytes + 36, (uint16_t)~fer_cksum(pseudo, 12));
	test_packet_put_ethernet(&packet, 0);
	struct rte_mbuf *m = test_mbuf(pool, packet.bytes, packet.len);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	if (mss != 0) {
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
		m->tso_segsz = mss;
	}
	return m;
}

static const uint8_t *received_ip(unsigned i)
{
	uint32_t len = test_flatten(out[i], flat, sizeof(flat));

	assert_int_equal(transport_sum(flat + 14, len - 14), 0xffff);
	return flat + 14;
}

// The checksum is finished before the MSS changes it, and both before the packet is sealed.
static void a_connection_with_offloads(void **state)
{
	(void)state;
	fer_intake_room(&intake)[0] = tcp(SYN, 0, 0);
	fer_intake_room(&intake)[1] = tcp(ACK, 40000, 1406);
	fer_intake_room(&intake)[2] = tcp(ACK, 1, 0);
	carry(3);
	assert_int_equal(n_out, 1 + 29 + 1);
	assert_int_equal(n_wire, n_out); // what was agreed on fits
	assert_int_equal(n_back, 0);
	assert_int_equal(fer_load_be16(received_ip(0) + 42), 1446 - 40);
	for (unsigned i = 1, off = 0; i < n_out; i++) {
		const uint8_t *ip = received_ip(i);

		if (i + 1 < n_out)
			assert_int_equal(fer_load_be32(ip + 24), off);
		off += fer_load_be16(ip + 2) - 40u;
	}
	free_all();
}

// A segment size from before the clamp: every segment is answered, and none is sent.
static void segments_that_are_too_long(void **state)
{
	(void)state;
	fer_intake_room(&intake)[0] = tcp(ACK, 1460 * 3, 1460);
	carry(1);
	assert_int_equal(n_out, 0);
	assert_int_equal(n_back, 3);
	assert_int_equal(sent.packets[FER_TOO_BIG], 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fer_load_be16(rte_pktmbuf_mtod_offset(
					 back[i], const uint8_t *, 14 + 20 + 6)),
			1446);
	free_all();
}

// IKE in a batch with packets that are protected: in the clear, in its place, with a checksum.
static void key_management_between_packets(void **state)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

	(void)state;
	fer_intake_room(&intake)[0] = tcp(ACK, 100, 0);
	test_packet_start(&packet, 108, 0);
	fer_store_be16(packet.bytes, FER_PORT_IKE);
	fer_store_be16(packet.bytes + 2, FER_PORT_IKE);
	fer_store_be16(packet.bytes + 4, 108);
	test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
	test_packet_put_ethernet(&packet, 0);
	fer_intake_room(&intake)[1] = test_mbuf(pool, packet.bytes, packet.len);
	fer_intake_room(&intake)[2] = tcp(ACK, 100, 0);
	carry(3);
	assert_int_equal(n_out, 3);
	test_packet_start(&packet, 108, 0);
	assert_memory_equal(
		rte_pktmbuf_mtod_offset(out[1], uint8_t *, 14 + 20 + 8), packet.bytes + 8, 100);
	assert_int_equal(sent.classes[FER_CLASS_IKE], 1);
	assert_int_equal(received.classes[FER_CLASS_IKE], 1);
	const struct fer_sa *sa = fer_sa_at(here.sas, 0);
	assert_int_equal(fer_seq_packets(&sa->out.seq), 2);
	free_all();
}

// A ping of 4,000 bytes: fragments of the host, each protected, sent as fragments again.
static void a_ping_in_fragments(void **state)
{
	static const uint16_t field[] = {0x2000, 0x2000 | 185, 370};
	static const uint32_t len[] = {1480, 1480, 1048};
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const struct test_ip ip = {
			.version = 4, .src = 1, .dst = 2, .id = 99, .fragment = field[i]};

		test_packet_start(&packet, len[i], i);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ICMP);
		test_packet_put_ethernet(&packet, 0);
		fer_intake_room(&intake)[n++] = test_mbuf(pool, packet.bytes, packet.len);
	}
	carry(n);
	assert_int_equal(n_wire, 2 + 2 + 1);
	assert_int_equal(sent.fragments, 2);
	assert_int_equal(received.packets[FER_FRAGMENT_HELD], 2);
	assert_int_equal(n_out, 3);
	test_assert_bytes(out[2], packet.bytes, packet.len);
	free_all();
}

// Without rules nothing of all this happens, but checksums are finished all the same.
static void no_rules(void **state)
{
	(void)state;
	memset(here.rules.classes.action, 0, FER_N_CLASSES);
	here.rules.mtu[FER_OUT] = 0;
	here.rules.answers_per_second = 0;
	there.rules = (struct fer_host_rules){.policies = there.rules.policies};
	batch.m[0] = tcp(SYN, 0, 0);
	batch.m[1] = tcp(ACK, 9000, 0);
	batch.n = 2;
	batch.link = FER_LINK_ETHERNET;
	fer_path_out(&here.path, &batch);
	assert_int_equal(batch.n_side, 0);
	assert_int_equal(fer_sink(&batch, &sent, wire), 2);
	assert_true(wire[1]->pkt_len > 9000);
	uint64_t timed_out = 0;
	memcpy(batch.m, wire, 2 * sizeof(wire[0]));
	batch.n = 2;
	fer_path_in(&there.path, &batch, 1, &timed_out);
	n_out = fer_sink(&batch, &received, out);
	n_back = 0;
	assert_int_equal(n_out, 2);
	assert_int_equal(fer_load_be16(received_ip(0) + 42), 1460);
	free_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_with_offloads, open_both, close_both),
		cmocka_unit_test_setup_teardown(segments_that_are_too_long, open_both, close_both),
		cmocka_unit_test_setup_teardown(
			key_management_between_packets, open_both, close_both),
		cmocka_unit_test_setup_teardown(a_ping_in_fragments, open_both, close_both),
		cmocka_unit_test_setup_teardown(no_rules, open_both, close_both),
	};
	int error;

	test_ground_open("64");
	pool = test_pool("frames", 2047, RTE_MBUF_DEFAULT_BUF_SIZE);
	fer_intake_init(&intake, pool, FER_LINK_ETHERNET);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
