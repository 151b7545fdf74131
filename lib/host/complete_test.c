// SPDX-License-Identifier: BSD-3-Clause
// Is what hardware should have done, done right?  Frames as DPDK's virtio and vhost drivers deliver
// them: TCP of any size with an MSS, UDP of any size with the length of a fragment, checksums that
// hold the sum of the pseudo header.
#include "host/complete.h"

#include "base/bytes.h"
#include "host/intake.h"
#include "host/sink.h"
#include "support/eal.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define FIN 0x01
#define SYN 0x02
#define PSH 0x08
#define ACK 0x10
#define ECE 0x40
#define CWR 0x80
#define OPTIONS 12 // bytes of TCP options
#define SEQ UINT32_C(0xfffff000)

static struct rte_mempool *pool;
static struct test_packet packet;
static struct fer_batch batch;
static struct fer_intake intake;
static uint8_t flat[TEST_PACKET_BYTES], data[TEST_PACKET_BYTES];

static uint32_t sum_bytes(const uint8_t *bytes, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

// Sum of the pseudo header of an IP packet, without the extension headers in front of up.
static uint32_t pseudo(const uint8_t *ip, uint32_t up, uint32_t end, uint8_t protocol)
{
	bool v4 = ip[0] >> 4 == 4;

	return sum_bytes(ip + (v4 ? 12 : 8), v4 ? 8 : 32, protocol + end - up);
}

struct spec {
	uint8_t version;
	uint8_t protocol;
	uint8_t flags;      // of TCP
	uint16_t n_options; // of IP
	unsigned n_tags;
	uint32_t n_data;
	uint16_t id;
	bool df;
};

static uint32_t up_off(const struct spec *s)
{
	return packet.ip_off + (s->version == 4 ? 20u : 40u) + s->n_options;
}

static uint32_t up_bytes(const struct spec *s)
{
	return s->protocol == FER_PROTO_TCP ? 20 + OPTIONS : 8;
}

static uint32_t sum_off(const struct spec *s)
{
	return up_off(s) + (s->protocol == FER_PROTO_TCP ? 16 : 6);
}

static void put_header(const struct spec *s)
{
	uint8_t *up = packet.bytes;

	memset(up, 0, up_bytes(s));
	fer_store_be16(up, 40000);
	fer_store_be16(up + 2, 80);
	if (s->protocol == FER_PROTO_UDP) {
		fer_store_be16(up + 4, (uint16_t)packet.len);
		return;
	}
	fer_store_be32(up + 4, SEQ);
	up[12] = (20 + OPTIONS) / 4 << 4;
	up[13] = s->flags;
	memset(up + 20, 1, OPTIONS);
}

// A packet with an unfinished checksum.
static void put(const struct spec *s)
{
	const struct test_ip ip = {.version = s->version,
		.src = 1,
		.dst = 2,
		.id = s->id,
		.df = s->df,
		.n_options = s->n_options};

	test_packet_start(&packet, up_bytes(s) + s->n_data, 3);
	put_header(s);
	memcpy(data, packet.bytes + up_bytes(s), s->n_data);
	test_packet_put_ip(&packet, &ip, s->protocol);
	test_packet_put_ethernet(&packet, s->n_tags);
	fer_store_be16(packet.bytes + sum_off(s),
		(uint16_t)pseudo(packet.bytes + packet.ip_off, up_off(s), packet.len, s->protocol));
}

// Finishes the checksum of the packet at hand as its sender would.
static void finish(const struct spec *s)
{
	uint32_t sum = sum_bytes(packet.bytes + up_off(s), packet.len - up_off(s), 0);

	fer_store_be16(packet.bytes + sum_off(s), (uint16_t)~sum);
	if ((uint16_t)~sum == 0 && s->protocol == FER_PROTO_UDP)
		fer_store_be16(packet.bytes + sum_off(s), 0xffff);
}

static struct rte_mbuf *make(uint16_t segsz)
{
	static const uint32_t cuts[] = {33, 64, 100, 1601};
	struct rte_mbuf *m = test_mbuf_cut(pool, packet.bytes, packet.len, cuts, RTE_DIM(cuts));

	m->port = 5;
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE | (segsz != 0 ? RTE_MBUF_F_RX_LRO : 0);
	m->tso_segsz = segsz;
	return m;
}

// Through parse and the stage; the packet is then in flat.
static enum fer_verdict complete(struct rte_mbuf *m)
{
	batch.n = 1;
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = m;
	fer_batch_parse(&batch);
	fer_complete_run(&batch);
	test_flatten(batch.m[0], flat, sizeof(flat));
	rte_pktmbuf_free(batch.m[0]);
	return batch.pkt[0].verdict;
}

// Checksums.

static void unfinished_checksums(void **state)
{
	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2)
		for (uint32_t n = 0; n < 3000; n = n < 70 ? n + 1 : n * 2 + 1)
			for (unsigned udp = 0; udp < 2; udp++) {
				const struct spec s = {.version = version,
					.protocol = udp ? FER_PROTO_UDP : FER_PROTO_TCP,
					.n_options = n % 2 * 8,
					.n_tags = n % 3,
					.n_data = n};
				put(&s);
				assert_int_equal(complete(make(0)), FER_OK);
				finish(&s);
				assert_memory_equal(flat, packet.bytes, packet.len);
			}
}

// RFC 768: a sum of 0 is sent as all ones.
static void a_sum_of_zero(void **state)
{
	const struct spec s = {.version = 4, .protocol = FER_PROTO_UDP, .n_data = 2};

	(void)state;
	put(&s);
	uint32_t sum = sum_bytes(packet.bytes + up_off(&s), 8, 0);
	fer_store_be16(packet.bytes + up_off(&s) + 8, (uint16_t)~sum);
	assert_int_equal(complete(make(0)), FER_OK);
	assert_int_equal(fer_load_be16(flat + sum_off(&s)), 0xffff);
}

static void assert_untouched(struct rte_mbuf *m)
{
	assert_int_equal(complete(m), FER_OK);
	assert_memory_equal(flat, packet.bytes, packet.len);
}

// Drivers say "none" of more than unfinished checksums.
static void checksums_that_stay(void **state)
{
	const struct spec tcp = {.version = 4, .protocol = FER_PROTO_TCP, .n_data = 100};
	const struct spec udp = {.version = 4, .protocol = FER_PROTO_UDP, .n_data = 100};

	(void)state;
	put(&tcp);
	finish(&tcp); // right already
	assert_untouched(make(0));
	packet.bytes[sum_off(&tcp)] ^= 0x10; // wrong
	assert_untouched(make(0));
	put(&udp);
	fer_store_be16(packet.bytes + sum_off(&udp), 0); // there is none
	assert_untouched(make(0));
	put(&tcp);
	struct rte_mbuf *m = make(0); // nobody said that it is unfinished
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	assert_untouched(m);
	m = make(0);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
	assert_untouched(m);
}

static void packets_without_such_a_checksum(void **state)
{
	(void)state;
	for (uint8_t protocol = 0; protocol < 255; protocol++) {
		const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

		for (uint32_t len = 0; len < 24; len++) { // headers that are cut off among them
			test_packet_start(&packet, len, protocol);
			test_packet_put_ip(&packet, &ip, protocol);
			test_packet_put_ethernet(&packet, 0);
			assert_untouched(make(0));
		}
	}
	packet.bytes[12] = 0x88; // no IP
	assert_untouched(make(0));
	packet.len = 3;
	assert_untouched(make(0));
}

// Large sends.

static unsigned take_all(struct rte_mbuf *out[], unsigned room)
{
	unsigned n = 0;

	while (fer_intake_take(&intake, &batch)) {
		assert_int_equal(batch.link, FER_LINK_ETHERNET);
		fer_batch_parse(&batch);
		fer_complete_run(&batch);
		for (unsigned i = 0; i < batch.n; i++) {
			assert_true(n < room);
			assert_int_equal(batch.pkt[i].verdict, FER_OK);
			out[n++] = batch.m[i];
		}
	}
	return n;
}

static void put_into_intake(struct rte_mbuf *m)
{
	fer_intake_room(&intake)[0] = m;
	fer_intake_put(&intake, 1);
}

// One segment of a large send: a packet that could have been sent as it is.
static void check_segment(
	const struct spec *s, const struct rte_mbuf *m, uint32_t off, uint32_t len, unsigned i)
{
	uint32_t headers = up_off(s) + up_bytes(s);
	uint32_t n = test_flatten(m, flat, sizeof(flat));
	const uint8_t *ip = flat + packet.ip_off, *tcp = flat + up_off(s);
	uint8_t flags = s->flags;
	struct fer_frame f;

	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(n, headers + len);
	assert_memory_equal(flat, packet.bytes, packet.ip_off);
	assert_memory_equal(flat + headers, data + off, len);
	assert_int_equal(fer_frame_parse(flat, n, n, (uint16_t)packet.ip_off, &f), FER_OK);
	assert_int_equal(f.end, n);
	assert_int_equal(m->port, 5);
	assert_int_equal(m->ol_flags & (RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_MASK), 0);
	assert_int_equal(m->tso_segsz, 0);
	if (s->version == 4)
		assert_int_equal(fer_load_be16(ip + 4), (uint16_t)(s->id + i));
	assert_int_equal(fer_load_be32(tcp + 4), SEQ + off);
	if (off > 0)
		flags &= (uint8_t)~CWR;
	if (off + len < s->n_data)
		flags &= (uint8_t) ~(PSH | FIN);
	assert_int_equal(tcp[13], flags);
	uint32_t sum = pseudo(ip, up_off(s), n, FER_PROTO_TCP);
	assert_int_equal(sum_bytes(tcp, n - up_off(s), sum), 0xffff);
	assert_memory_equal(tcp + 8, packet.bytes + up_off(s) + 8, 4); // acknowledgement
	assert_memory_equal(tcp + 14, packet.bytes + up_off(s) + 14, 2);
	assert_memory_equal(tcp + 18, packet.bytes + up_off(s) + 18, 2 + OPTIONS);
}

static void cut_tcp(const struct spec *s, uint16_t mss)
{
	unsigned n_free = rte_mempool_avail_count(pool), want = (s->n_data + mss - 1) / mss;
	struct rte_mbuf *out[FER_SEGMENTS_MAX];

	put(s);
	put_into_intake(make(mss));
	assert_int_equal(take_all(out, FER_SEGMENTS_MAX), want);
	for (unsigned i = 0; i < want; i++) {
		uint32_t off = i * mss;

		check_segment(s, out[i], off, RTE_MIN(s->n_data - off, mss), i);
		rte_pktmbuf_free(out[i]);
	}
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// RFC 9293, RFC 3168 section 6.1.2.
static void large_sends_of_tcp(void **state)
{
	static const uint16_t mss[] = {536, 1220, 1448, 1460, 8948};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(mss); i++)
		for (uint8_t version = 4; version <= 6; version += 2)
			for (uint32_t k = 1; k < 7; k++) {
				struct spec s = {.version = version,
					.protocol = FER_PROTO_TCP,
					.flags = ACK | PSH | FIN | CWR | ECE,
					.n_options = k % 2 * 8,
					.n_tags = k % 3,
					.n_data = RTE_MIN(mss[i] * k, 65000u),
					.id = 0xfffe,
					.df = true};
				cut_tcp(&s, mss[i]);
				s.n_data++;
				cut_tcp(&s, mss[i]);
				s.n_data -= 2;
				cut_tcp(&s, mss[i]);
			}
	const struct spec longest = {
		.version = 4, .protocol = FER_PROTO_TCP, .flags = ACK, .n_data = 65535 - 20 - 32};
	cut_tcp(&longest, 1448);
	cut_tcp(&longest, 536);
}

// A datagram of 64 KiB comes out as the fragments that its sender would have made.
static void large_sends_of_udp(void **state)
{
	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2) {
		const struct spec s = {
			.version = version, .protocol = FER_PROTO_UDP, .n_data = 30001, .id = 77};
		uint16_t segsz = version == 4 ? 1480 : 1448;
		uint32_t headers = version == 4 ? 20 : 48;
		unsigned n_free = rte_mempool_avail_count(pool);
		struct rte_mbuf *out[FER_SEGMENTS_MAX];
		uint32_t off = 0;

		put(&s);
		put_into_intake(make(segsz));
		finish(&s);
		unsigned n = take_all(out, FER_SEGMENTS_MAX);
		assert_int_equal(n, (30009 + segsz - 1) / segsz);
		for (unsigned i = 0; i < n; i++) {
			uint32_t len = test_flatten(out[i], flat, sizeof(flat)) - 14 - headers;

			assert_true(len <= segsz);
			assert_int_equal(batch.pkt[i].frame.fragment,
				i == 0 ? FER_FRAGMENT : FER_FRAGMENT | FER_FRAGMENT_LATER);
			assert_memory_equal(
				flat + 14 + headers, packet.bytes + up_off(&s) + off, len);
			off += len;
			rte_pktmbuf_free(out[i]);
		}
		assert_int_equal(off, 30009);
		assert_int_equal(rte_mempool_avail_count(pool), n_free);
	}
}

// A mark on a packet that is not large means nothing.
static void sends_that_are_not_large(void **state)
{
	const struct spec s = {.version = 4, .protocol = FER_PROTO_TCP, .n_data = 1000};
	struct rte_mbuf *out[2];

	(void)state;
	put(&s);
	put_into_intake(make(1448));
	finish(&s);
	assert_int_equal(take_all(out, 2), 1);
	test_assert_bytes(out[0], packet.bytes, packet.len);
	rte_pktmbuf_free(out[0]);
	put(&s);
	struct rte_mbuf *m = make(1448);
	m->tso_segsz = 0; // a driver that merged packets and does not say how
	put_into_intake(m);
	assert_int_equal(take_all(out, 2), 1);
	rte_pktmbuf_free(out[0]);
}

// What cannot be cut is not sent in one piece.
static void assert_refused(struct rte_mbuf *m)
{
	struct fer_outcomes outcomes = {0};
	struct rte_mbuf *out[1];

	put_into_intake(m);
	assert_true(fer_intake_take(&intake, &batch));
	assert_int_equal(batch.n, 1);
	fer_batch_parse(&batch);
	fer_complete_run(&batch);
	assert_int_equal(fer_sink(&batch, &outcomes, out), 0);
	assert_int_equal(outcomes.packets[FER_LARGE_SEND], 1);
	assert_false(fer_intake_take(&intake, &batch));
}

static void large_sends_that_are_refused(void **state)
{
	const struct spec tcp = {.version = 4, .protocol = FER_PROTO_TCP, .n_data = 6000};
	const struct spec sctp = {.version = 4, .protocol = FER_PROTO_SCTP, .n_data = 6000};
	const struct spec udp6 = {
		.version = 6, .protocol = FER_PROTO_UDP, .n_options = 8, .n_data = 6000};
	unsigned n_free = rte_mempool_avail_count(pool);

	(void)state;
	put(&tcp);
	assert_refused(make(46)); // more than 128 segments
	packet.bytes[up_off(&tcp) + 12] = 0x40;
	assert_refused(make(1448));
	put(&tcp);
	packet.bytes[14] = 0x55; // no IP
	assert_refused(make(1448));
	packet.len = 9;
	assert_refused(make(1));
	put(&sctp);
	assert_refused(make(1448));
	put(&udp6); // extension headers
	assert_refused(make(1448));
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// Frames come out in their order, as many at a time as a batch has room for.
static void order_of_frames(void **state)
{
	const struct spec large = {
		.version = 4, .protocol = FER_PROTO_TCP, .n_data = 127 * 536 / 2};
	unsigned n_free = rte_mempool_avail_count(pool), n = 0, n_batches = 0;

	(void)state;
	for (uint32_t i = 0; i < 12; i++) {
		struct spec s = large;

		s.id = (uint16_t)(i * 1000);
		s.n_data = i % 3 == 0 ? 100 : large.n_data;
		put(&s);
		fer_intake_room(&intake)[i] = make(i % 3 == 0 ? 0 : 536);
	}
	fer_intake_put(&intake, 12);
	uint32_t last = 0;
	for (; fer_intake_take(&intake, &batch); n_batches++) {
		for (unsigned i = 0; i < batch.n; i++, n++) {
			test_flatten(batch.m[i], flat, sizeof(flat));
			uint32_t id = fer_load_be16(flat + 18);
			assert_true(n == 0 || id > last);
			last = id;
			rte_pktmbuf_free(batch.m[i]);
		}
	}
	assert_int_equal(n, 4 + 8 * 64);
	assert_int_equal(n_batches, 3);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// Whatever waits is freed in the end.
static void the_end_of_an_intake(void **state)
{
	const struct spec s = {.version = 4, .protocol = FER_PROTO_TCP, .n_data = 60000};
	unsigned n_free = rte_mempool_avail_count(pool);

	(void)state;
	put(&s);
	for (unsigned i = 0; i < 4; i++)
		fer_intake_room(&intake)[i] = make(536);
	fer_intake_put(&intake, 4);
	assert_true(fer_intake_take(&intake, &batch));
	rte_pktmbuf_free_bulk(batch.m, batch.n);
	fer_intake_fini(&intake);
	assert_false(fer_intake_take(&intake, &batch));
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// An empty pool at any moment loses the large send and nothing else.
static void no_buffers(void **state)
{
	static struct rte_mbuf *taken[4096];
	const struct spec tcp = {.version = 4, .protocol = FER_PROTO_TCP, .n_data = 3000};
	const struct spec udp = {.version = 4, .protocol = FER_PROTO_UDP, .n_data = 3000};

	(void)state;
	for (unsigned left = 0; left < 14; left++) {
		unsigned n_free = rte_mempool_avail_count(pool);

		put(left % 2 == 0 ? &tcp : &udp);
		put_into_intake(make(1448));
		unsigned n = rte_mempool_avail_count(pool) - left / 2;
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, n), 0);
		assert_true(fer_intake_take(&intake, &batch));
		rte_pktmbuf_free_bulk(taken, n);
		rte_pktmbuf_free_bulk(batch.m, batch.n);
		assert_int_equal(rte_mempool_avail_count(pool), n_free);
	}
}

// Each says by its port how many frames it becomes besides its first.
static uint32_t more_of(const struct rte_mbuf *m)
{
	return m->port == UINT16_MAX ? UINT32_MAX : m->port;
}

// So many of them end a batch; one that has no room in any still comes, by itself.
static void sends_that_have_room_together(void **state)
{
	static const uint16_t more[] = {FER_BATCH_MORE, 0, 1, UINT16_MAX, 0, 500, 500, 536, 0, 1,
		FER_BATCH_MORE - 1, 0, FER_BATCH_MORE};
	static const unsigned together[] = {2, 1, 2, 4, 3, 1};
	const unsigned n = sizeof(more) / sizeof(more[0]);
	const struct spec usual = {.version = 4, .protocol = FER_PROTO_TCP, .n_data = 10};
	unsigned at = 0;

	(void)state;
	put(&usual);
	for (unsigned i = 0; i < n; i++) {
		fer_intake_room(&intake)[i] = make(0);
		fer_intake_room(&intake)[i]->port = more[i];
	}
	fer_intake_put(&intake, (uint16_t)n);
	for (unsigned k = 0; k < sizeof(together) / sizeof(together[0]); k++) {
		assert_true(fer_intake_take_some(&intake, &batch, more_of));
		assert_int_equal(batch.n, together[k]);
		for (unsigned i = 0; i < batch.n; i++)
			assert_int_equal(batch.m[i]->port, more[at++]);
		rte_pktmbuf_free_bulk(batch.m, batch.n);
	}
	assert_int_equal(at, n);
	assert_false(fer_intake_take_some(&intake, &batch, more_of));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unfinished_checksums),
		cmocka_unit_test(a_sum_of_zero),
		cmocka_unit_test(checksums_that_stay),
		cmocka_unit_test(packets_without_such_a_checksum),
		cmocka_unit_test(large_sends_of_tcp),
		cmocka_unit_test(large_sends_of_udp),
		cmocka_unit_test(sends_that_are_not_large),
		cmocka_unit_test(large_sends_that_are_refused),
		cmocka_unit_test(order_of_frames),
		cmocka_unit_test(the_end_of_an_intake),
		cmocka_unit_test(sends_that_have_room_together),
		cmocka_unit_test(no_buffers),
	};

	fer_test_eal_init("64");
	pool = test_pool("complete", 4095, RTE_MBUF_DEFAULT_BUF_SIZE);
	fer_intake_init(&intake, pool, FER_LINK_ETHERNET);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
