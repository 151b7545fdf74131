// SPDX-License-Identifier: BSD-3-Clause
// Do the fragments of a packet fit, and are they together what it was?
#include "host/fragment.h"

#include "base/bytes.h"
#include "host/reassemble.h"
#include "host/sink.h"
#include "nic/oob.h"
#include "proto/cksum.h"
#include "support/ground.h"
#include "support/mbufs.h"
#include "support/packet.h"
#include "support/sas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MAX_OUT (FER_BATCH_MAX + FER_BATCH_MORE)

static struct rte_mempool *pool;
static struct fer_sa_table *sas;
static struct fer_batch batch;
static struct fer_outcomes outcomes;
static struct test_packet packet;
static struct rte_mbuf *out[MAX_OUT];
static uint8_t whole[TEST_PACKET_BYTES], flat[TEST_PACKET_BYTES];

// An IP packet of len bytes, as from a tunnel between the end points of the table.
static void put_packet(uint8_t version, uint32_t len, uint16_t n_options, unsigned n_tags)
{
	const struct test_ip ip = {.version = version,
		.src = 1,
		.dst = 2,
		.tos = 0x48,
		.id = 0x1234,
		.n_options = n_options};

	test_packet_start(&packet, len - (version == 4 ? 20 : 40) - n_options, 7);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	test_packet_put_ethernet(&packet, n_tags);
}

// Adds a packet in segments of 700 bytes.
static void add(void)
{
	static const uint32_t cuts[] = {60, 700, 1400, 2100, 2800};

	batch.m[batch.n] = test_mbuf_cut(pool, packet.bytes, packet.len, cuts, RTE_DIM(cuts));
	memset(fer_oob_of(batch.m[batch.n]), 0xff, sizeof(struct fer_oob));
	batch.m[batch.n++]->port = 3;
}

static unsigned run(uint32_t mtu)
{
	batch.link = FER_LINK_ETHERNET;
	fer_batch_parse(&batch);
	batch.mtu = mtu;
	fer_fragment_run(&batch, pool);
	return fer_sink(&batch, &outcomes, out);
}

static void check_fragment(struct rte_mbuf *m, uint32_t l2_len, uint32_t mtu, bool last)
{
	static const struct fer_oob zero;
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
	struct fer_frame f;

	rte_mbuf_sanity_check(m, 1);
	assert_true(m->pkt_len <= l2_len + mtu);
	assert_memory_equal(bytes, packet.bytes, l2_len);
	assert_int_equal(m->port, 3);
	assert_memory_equal(fer_oob_of(m), &zero, sizeof(zero));
	assert_int_equal(
		fer_frame_parse(bytes, m->data_len, m->pkt_len, (uint16_t)l2_len, &f), FER_OK);
	assert_int_equal(f.end, m->pkt_len);
	assert_false(f.version == 4 && f.df);
	if (last)
		return;
	assert_true(m->pkt_len > l2_len + mtu - 8); // none is smaller than it has to be
}

// Lets the reassembly judge the n fragments in out.
static void reassemble(unsigned n)
{
	struct fer_reassembly *r = fer_reassembly_create(
		&(struct fer_reassembly_params){.n_datagrams = 4, .timeout_ticks = 100});
	uint64_t timed_out = 0;

	assert_non_null(r);
	batch.n = (uint16_t)n;
	memcpy(batch.m, out, n * sizeof(out[0]));
	fer_batch_parse(&batch);
	fer_batch_own(&batch, pool);
	fer_reassembly_run(r, sas, &batch, 1, &timed_out);
	assert_int_equal(fer_sink(&batch, &outcomes, out), 1);
	fer_reassembly_destroy(r);
}

static void check_whole(bool had_df)
{
	uint32_t len = test_flatten(out[0], flat, sizeof(flat));

	memcpy(whole, packet.bytes, packet.len);
	if (had_df) { // gone, and the checksum with it
		uint8_t *ip = whole + packet.ip_off;
		fer_store_be16(ip + 10, fer_load_be16(flat + packet.ip_off + 10));
		ip[6] &= 0xbf;
	}
	assert_int_equal(len, packet.len);
	assert_memory_equal(flat, whole, len);
	rte_pktmbuf_free(out[0]);
}

static void cut_and_join(uint8_t version, uint32_t len, uint32_t mtu, unsigned n_tags, bool df)
{
	unsigned n_free = rte_mempool_avail_count(pool);
	uint32_t l2_len = 14 + 4 * n_tags;

	put_packet(version, len, 0, n_tags);
	if (df) {
		uint8_t *ip = packet.bytes + l2_len;
		ip[6] |= 0x40;
		fer_store_be16(ip + 10, (uint16_t)(fer_load_be16(ip + 10) - 0x4000));
	}
	batch.n = 0;
	add();
	unsigned n = run(mtu);
	if (len <= mtu) {
		assert_int_equal(n, 1);
	} else {
		assert_true(n > 1);
		for (unsigned i = 0; i < n; i++)
			check_fragment(out[i], l2_len, mtu, i + 1 == n);
		reassemble(n);
	}
	check_whole(df && len > mtu);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// RFC 791 section 2.3, RFC 8200 section 4.5.
static void fragments_are_what_the_packet_was(void **state)
{
	static const uint32_t mtus[] = {576, 577, 583, 1280, 1281, 1287, 1400, 1499, 1500};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(mtus); i++) {
		uint32_t mtu = mtus[i], last = RTE_MIN(7 * mtu, 8 * (mtu - 28));

		for (uint32_t len = mtu - 2; len < mtu + 20; len++) {
			cut_and_join(4, len, mtu, 0, false);
			if (mtu >= 1280)
				cut_and_join(6, len, mtu, 1, false);
		}
		for (uint32_t len = mtu; len < last; len += 397) {
			cut_and_join(4, len, mtu, 1, true);
			if (mtu >= 1280)
				cut_and_join(6, len, mtu, 0, false);
		}
	}
}

static void headers_as_we_write_them(void **state)
{
	(void)state;
	put_packet(4, 2000, 0, 0);
	batch.n = 0;
	add();
	assert_int_equal(run(1500), 2);
	const uint8_t *first = rte_pktmbuf_mtod_offset(out[0], const uint8_t *, 14);
	const uint8_t *second = rte_pktmbuf_mtod_offset(out[1], const uint8_t *, 14);
	assert_int_equal(fer_load_be16(first + 2), 1500);
	assert_int_equal(fer_load_be16(first + 4), 0x1234);
	assert_int_equal(fer_load_be16(first + 6), 0x2000);
	assert_int_equal(fer_load_be16(second + 2), 520);
	assert_int_equal(fer_load_be16(second + 4), 0x1234);
	assert_int_equal(fer_load_be16(second + 6), 185);
	rte_pktmbuf_free_bulk(out, 2);
}

// RFC 7739: an identification that cannot be guessed, the same in all fragments.
static void identification_over_ipv6(void **state)
{
	uint32_t id[2];

	(void)state;
	put_packet(6, 2000, 0, 0);
	batch.n = 0;
	add();
	add();
	assert_int_equal(run(1500), 4);
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *ip = rte_pktmbuf_mtod_offset(out[i], const uint8_t *, 14);
		assert_int_equal(ip[6], FER_PROTO_FRAGMENT);
		assert_int_equal(ip[40], FER_PROTO_ESP);
		if (i % 2 == 0)
			id[i / 2] = fer_load_be32(ip + 44);
		assert_int_equal(fer_load_be32(ip + 44), id[i / 2]);
	}
	assert_true(id[0] != id[1]);
	rte_pktmbuf_free_bulk(out, 4);
}

// Sets the fragment field of the IPv4 packet at hand.
static void set_fragment(uint16_t field)
{
	uint8_t *ip = packet.bytes + packet.ip_off;

	fer_store_be16(ip + 6, field);
	fer_store_be16(ip + 10, 0);
	fer_store_be16(ip + 10, fer_cksum(ip, (ip[0] & 0xf) * 4u));
}

// RFC 791 section 3.1: options that are not copied stand in the first fragment only.
static void options(void **state)
{
	static const uint8_t bytes[] = {0x94, 4, 0, 0, 7, 3, 4, 0}; // router alert, record route

	(void)state;
	put_packet(4, 1428, 8, 0);
	memcpy(packet.bytes + 34, bytes, sizeof(bytes));
	set_fragment(0);
	batch.n = 0;
	add();
	assert_int_equal(run(800), 2);
	const uint8_t *first = rte_pktmbuf_mtod_offset(out[0], const uint8_t *, 14);
	const uint8_t *second = rte_pktmbuf_mtod_offset(out[1], const uint8_t *, 14);
	assert_memory_equal(first + 20, bytes, sizeof(bytes));
	assert_int_equal(fer_load_be16(first + 2), 28 + 768);
	assert_int_equal(second[0], 0x46);
	assert_memory_equal(second + 20, bytes, 4);
	check_fragment(out[0], 14, 800, false);
	check_fragment(out[1], 14, 800, true);
	rte_pktmbuf_free_bulk(out, 2);
}

// A fragment of a fragment goes on where that was, and the last one says that more follow.
static void a_fragment(void **state)
{
	(void)state;
	put_packet(4, 1428, 0, 0);
	set_fragment(0x2000 | 100);
	batch.n = 0;
	add();
	assert_int_equal(run(800), 2);
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *ip = rte_pktmbuf_mtod_offset(out[i], const uint8_t *, 14);
		assert_int_equal(fer_load_be16(ip + 6), 0x2000 | (100 + 97 * i));
		check_fragment(out[i], 14, 800, i == 1);
	}
	rte_pktmbuf_free_bulk(out, 2);
}

// Packets leave in their order, each with its fragments; what fits is not touched.
static void order_of_a_batch(void **state)
{
	static const uint32_t len[] = {100, 4000, 1500, 1501, 60};
	static const uint32_t sent[] = {100, 1500, 1500, 1040, 1500, 1500, 21, 60};
	unsigned n_free = rte_mempool_avail_count(pool);

	(void)state;
	memset(&outcomes, 0, sizeof(outcomes));
	batch.n = 0;
	for (unsigned i = 0; i < RTE_DIM(len); i++) {
		put_packet(4, len[i], 0, 0);
		add();
	}
	assert_int_equal(run(1500), RTE_DIM(sent));
	for (unsigned i = 0; i < RTE_DIM(sent); i++)
		assert_int_equal(out[i]->pkt_len, sent[i] + 14);
	rte_pktmbuf_free_bulk(out, RTE_DIM(sent));
	assert_int_equal(outcomes.packets[FER_OK], RTE_DIM(len));
	assert_int_equal(outcomes.fragments, RTE_DIM(sent) - RTE_DIM(len));
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

static void what_cannot_be_cut(void **state)
{
	unsigned n_free = rte_mempool_avail_count(pool);

	(void)state;
	memset(&outcomes, 0, sizeof(outcomes));
	batch.n = 0;
	put_packet(6, 1400, 0, 0);
	add();
	assert_int_equal(run(1279), 0); // no link of IPv6
	put_packet(6, 1600, 8, 0);
	add();
	assert_int_equal(run(1500), 0); // extension headers
	put_packet(4, 20000, 0, 0);
	add();
	assert_int_equal(run(68), 0); // too many
	assert_int_equal(outcomes.packets[FER_NO_ROOM], 3);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// No more fragments than there is room for, and none of a packet that was dropped.
static void room_for_fragments(void **state)
{
	const unsigned n_cut = FER_BATCH_MORE / 103;
	unsigned n_free = rte_mempool_avail_count(pool);

	(void)state;
	memset(&outcomes, 0, sizeof(outcomes));
	batch.n = 0;
	put_packet(4, 5000, 0, 0); // 104 fragments
	for (unsigned i = 0; i < n_cut + 2; i++)
		add();
	put_packet(4, 60, 0, 0);
	add();
	assert_int_equal(run(68), n_cut * 104 + 1);
	assert_int_equal(outcomes.packets[FER_OK], n_cut + 1);
	assert_int_equal(outcomes.packets[FER_NO_ROOM], 2);
	assert_int_equal(out[n_cut * 104]->pkt_len, 74);
	rte_pktmbuf_free_bulk(out, n_cut * 104 + 1);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

// An empty pool at any moment loses the packet and nothing else.
static void no_buffers(void **state)
{
	static struct rte_mbuf *taken[8192];
	unsigned n_free = rte_mempool_avail_count(pool);

	(void)state;
	for (unsigned left = 0; left < 12; left++) {
		memset(&outcomes, 0, sizeof(outcomes));
		put_packet(4, 4000, 0, 0);
		batch.n = 0;
		add();
		unsigned n = rte_mempool_avail_count(pool) - left;
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, n), 0);
		unsigned n_out = run(1500);
		rte_pktmbuf_free_bulk(taken, n);
		assert_int_equal(outcomes.packets[FER_NO_ROOM], n_out == 0);
		rte_pktmbuf_free_bulk(out, n_out);
		assert_int_equal(rte_mempool_avail_count(pool), n_free);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragments_are_what_the_packet_was),
		cmocka_unit_test(headers_as_we_write_them),
		cmocka_unit_test(identification_over_ipv6),
		cmocka_unit_test(options),
		cmocka_unit_test(a_fragment),
		cmocka_unit_test(order_of_a_batch),
		cmocka_unit_test(what_cannot_be_cut),
		cmocka_unit_test(room_for_fragments),
		cmocka_unit_test(no_buffers),
	};
	int error;

	test_ground_open("64");
	pool = test_pool("fragment", 4095, RTE_MBUF_DEFAULT_BUF_SIZE);
	sas = test_sas_open("fragment", test_engine);
	test_sa_add(sas, &(struct test_sa){.version = 4, .spi = 0x1001, .window = 64}, FER_IN);
	test_sa_add(sas, &(struct test_sa){.version = 6, .spi = 0x1002, .window = 64}, FER_IN);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	fer_sa_table_destroy(sas);
	test_ground_close();
	return error;
}
