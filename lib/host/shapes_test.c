// SPDX-License-Identifier: BSD-3-Clause
// Does the whole path carry a packet whatever its segments look like, without a byte written
// outside of them, and does every part of a packet end in one verdict?
#include "base/bytes.h"
#include "host/stages.h"
#include "nic/oob.h"
#include "support/ends.h"

#include <string.h>

#define SPI 0x1000u
#define GUARD 64   // bytes on either side of what a segment may use
#define ROOM 10240 // of a segment in between
#define FILL 0xa5
#define MAX_SEGMENTS 8

static struct rte_mempool *tight;
static struct test_packet plain, wire;

// --- segments of exactly so much room, between bytes that nobody may write

static void reset_segment(struct rte_mempool *mp, void *opaque, void *obj, unsigned i)
{
	struct rte_mbuf *m = obj;

	(void)opaque;
	(void)i;
	m->buf_addr = (char *)m + sizeof(*m) + rte_pktmbuf_priv_size(mp);
	m->buf_len = rte_pktmbuf_data_room_size(mp);
	memset(m->buf_addr, FILL, m->buf_len);
}

static void check_segment(struct rte_mempool *mp, void *opaque, void *obj, unsigned i)
{
	static uint8_t guard[ROOM + 2 * GUARD];
	struct rte_mbuf *m = obj;
	uint8_t *first = (uint8_t *)m + sizeof(*m) + rte_pktmbuf_priv_size(mp);
	uint8_t *room = m->buf_addr;
	size_t behind = (size_t)(first + rte_pktmbuf_data_room_size(mp) - (room + m->buf_len));

	(void)opaque;
	(void)i;
	memset(guard, FILL, sizeof(guard));
	if (room == first) // not used
		return;
	assert_memory_equal(first, guard, (size_t)(room - first));
	assert_memory_equal(room + m->buf_len, guard, behind);
}

// All segments are back: nothing was written outside of them.
static void assert_guarded(void)
{
	assert_int_equal(rte_mempool_in_use_count(tight), 0);
	rte_mempool_obj_iter(tight, check_segment, NULL);
	rte_mempool_obj_iter(tight, reset_segment, NULL);
}

static struct rte_mbuf *segment(
	const uint8_t *bytes, uint32_t len, uint32_t headroom, uint32_t tailroom)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(tight);

	assert_non_null(m);
	m->buf_addr = (char *)m->buf_addr + GUARD;
	m->buf_len = (uint16_t)(headroom + len + tailroom);
	m->data_off = (uint16_t)headroom;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	return m;
}

// The packet in n segments, of which only the first has headroom and the last tailroom.
static struct rte_mbuf *shaped(
	const uint8_t *bytes, uint32_t len, unsigned n, uint32_t headroom, uint32_t tailroom)
{
	struct rte_mbuf *m = NULL;
	uint32_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t to = i + 1 == n ? len : len * (i + 1) / n;
		struct rte_mbuf *s = segment(
			bytes + at, to - at, i == 0 ? headroom : 0, i + 1 == n ? tailroom : 0);

		at = to;
		if (m == NULL)
			m = s;
		else
			assert_int_equal(rte_pktmbuf_chain(m, s), 0);
	}
	fer_oob_clear(m);
	return m;
}

// --- ways through SAs

enum way { BY_GCM, BY_CBC, BY_BOTH, N_WAYS };

static struct test_tunnel sas[2];

static void open_way(enum way way)
{
	static uint32_t spi = SPI;

	if (tight == NULL) {
		tight = test_pool("tight", 63, ROOM + 2 * GUARD);
		rte_mempool_obj_iter(tight, reset_segment, NULL);
	}
	struct fer_policy_rule rule = test_rule(FER_OUT, FER_POLICY_PROTECT, 1);
	struct test_sa gcm = {
		.spi = spi, .version = 6, .mode = FER_TUNNEL, .icv_bytes = 8, .grouped = true};
	struct test_sa cbc = {.spi = spi + 1,
		.version = 4,
		.encryption = "aes-cbc-256",
		.integrity = "hmac-sha2-512-256",
		.grouped = true,
		.group = 1};

	spi += 2;
	sas[0] = test_ends_add(&gcm);
	sas[1] = test_ends_add(&cbc);
	rule.group[0] = way == BY_GCM ? 0 : 1;
	rule.group[1] = 0;
	rule.n_groups = way == BY_BOTH ? 2 : 1;
	test_end_rules(&test_ends.west, &rule, 1);
}

static void make(uint32_t payload, unsigned n_tags)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2, .n_options = payload % 3 * 8};

	test_packet_start(&plain, payload, payload);
	test_packet_put_ip(&plain, &ip, FER_PROTO_TCP);
	test_packet_put_ethernet(&plain, n_tags);
}

// Carries plain through both ends in segments of that shape.
static void carry(unsigned n, uint32_t headroom, uint32_t tailroom)
{
	struct fer_batch *b = &test_ends.batch;

	test_ends_put(shaped(plain.bytes, plain.len, n, headroom, tailroom), FER_LINK_ETHERNET);
	test_assert_verdict(test_ends_send(), FER_OK);
	rte_mbuf_sanity_check(b->m[0], 1);
	wire.len = test_flatten(b->m[0], wire.bytes, sizeof(wire.bytes));
	test_ends_drop();
	assert_guarded();
	test_ends_put(shaped(wire.bytes, wire.len, n, headroom, tailroom), FER_LINK_ETHERNET);
	test_assert_verdict(test_ends_receive(), FER_OK);
	test_assert_bytes(b->m[0], plain.bytes, plain.len);
	test_ends_drop();
	assert_guarded();
}

// Every tailroom, every number of segments, sizes from nothing to jumbo frames.
static void no_byte_outside_is_written(void **state)
{
	static const uint32_t sizes[] = {0, 1, 13, 40, 64, 100, 576, 1446, 1500, 4000, 9000, 9600};
	static const uint32_t headrooms[] = {0, 1, 36, 60, 80, 128};

	(void)state;
	for (enum way way = BY_GCM; way < N_WAYS; way++) {
		unsigned i = 0;

		open_way(way);
		for (unsigned s = 0; s < RTE_DIM(sizes); s++) {
			make(sizes[s], s % 3);
			for (uint32_t tailroom = 0; tailroom <= 64; tailroom++)
				for (unsigned n = 1; n <= MAX_SEGMENTS; n++)
					carry(n, headrooms[i++ % RTE_DIM(headrooms)], tailroom);
		}
	}
}

// At every byte: link header, IP headers, ESP header, IV, payload, padding, trailer, ICV.
static void every_place_may_be_a_cut(void **state)
{
	struct fer_batch *b = &test_ends.batch;

	(void)state;
	for (enum way way = BY_GCM; way < N_WAYS; way++) {
		open_way(way);
		make(43, 1);
		test_ends_put(test_mbuf(test_ends.pool, plain.bytes, plain.len), FER_LINK_ETHERNET);
		test_assert_verdict(test_ends_send(), FER_OK);
		uint32_t len = b->m[0]->pkt_len;
		test_ends_drop();
		for (uint32_t at = 1; at < len; at++) {
			test_ends_put(test_mbuf_cut(test_ends.pool, plain.bytes, plain.len, &at, 1),
				FER_LINK_ETHERNET);
			test_assert_verdict(test_ends_send(), FER_OK);
			wire.len = test_flatten(b->m[0], wire.bytes, sizeof(wire.bytes));
			assert_int_equal(wire.len, len);
			test_ends_drop();
			test_ends_put(test_mbuf_cut(test_ends.pool, wire.bytes, len, &at, 1),
				FER_LINK_ETHERNET);
			test_assert_verdict(test_ends_receive(), FER_OK);
			test_assert_bytes(b->m[0], plain.bytes, plain.len);
			test_ends_drop();
		}
	}
}

// --- parts of packets

static uint64_t n_outcomes(void)
{
	uint64_t n = 0;

	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		n += test_ends.outcomes.packets[v];
	return n;
}

// Makes the outermost IP header say that the packet ends after len bytes of the frame.
static void say_length(uint8_t *frame, uint32_t ip_off, uint32_t len)
{
	uint8_t *ip = frame + ip_off;

	if (len >= ip_off + 20)
		fer_ip_set_len(ip, RTE_MAX(len - ip_off, ip[0] >> 4 == 4 ? 20u : 40u));
}

static void receive_part(uint32_t len)
{
	uint64_t before = n_outcomes();

	test_ends_put(test_mbuf(test_ends.pool, wire.bytes, len), FER_LINK_ETHERNET);
	enum fer_verdict v = test_ends_receive();
	if (v == FER_OK)
		fail_msg("%u bytes of %u went on", len, wire.len);
	assert_int_equal(test_ends.batch.n, 0);
	assert_int_equal(n_outcomes(), before + 1);
}

// A frame that was cut short, and a runt: a packet that says itself that it is so short.
static void every_part_of_a_packet_is_counted(void **state)
{
	static uint8_t whole[TEST_PACKET_BYTES];

	(void)state;
	for (enum way way = BY_GCM; way < N_WAYS; way++)
		for (uint32_t payload = 0; payload < 40; payload += 13) {
			open_way(way);
			make(payload, 0);
			test_ends_put(test_mbuf(test_ends.pool, plain.bytes, plain.len),
				FER_LINK_ETHERNET);
			test_assert_verdict(test_ends_send(), FER_OK);
			wire.len = test_flatten(test_ends.batch.m[0], wire.bytes, sizeof(whole));
			test_ends_drop();
			memcpy(whole, wire.bytes, wire.len);
			for (uint32_t len = 0; len < wire.len; len++) {
				receive_part(len);
				say_length(wire.bytes, 14, len);
				receive_part(len);
				memcpy(wire.bytes, whole, wire.len);
			}
			// Nothing of it has moved the window.
			test_ends_put(
				test_mbuf(test_ends.pool, wire.bytes, wire.len), FER_LINK_ETHERNET);
			test_assert_verdict(test_ends_receive(), FER_OK);
			test_ends_drop();
		}
}

// Parts of plain packets on their way out: as short as they say, or refused.
static void every_part_of_a_plain_packet_is_counted(void **state)
{
	(void)state;
	open_way(BY_GCM);
	make(30, 0);
	for (uint32_t len = 0; len < plain.len; len++)
		for (unsigned says = 0; says < 2; says++) {
			uint64_t before = n_outcomes();

			make(30, 0);
			if (says != 0)
				say_length(plain.bytes, 14, len);
			test_ends_put(
				test_mbuf(test_ends.pool, plain.bytes, len), FER_LINK_ETHERNET);
			bool is_sound = says != 0 && len >= 14 + 20;
			assert_int_equal(test_ends_send() == FER_OK, is_sound);
			assert_int_equal(n_outcomes(), before + 1);
			if (is_sound) {
				test_assert_verdict(test_ends_receive(), FER_OK);
				test_assert_bytes(test_ends.batch.m[0], plain.bytes, len);
			}
			test_ends_drop();
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ENDS(no_byte_outside_is_written),
		TEST_WITH_ENDS(every_place_may_be_a_cut),
		TEST_WITH_ENDS(every_part_of_a_packet_is_counted),
		TEST_WITH_ENDS(every_part_of_a_plain_packet_is_counted),
	};

	return test_ends_main(tests, RTE_DIM(tests), "shapes", 2048);
}
