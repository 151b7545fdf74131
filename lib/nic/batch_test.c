// SPDX-License-Identifier: BSD-3-Clause
// Does a burst start its way parsed, and private where it will be written?
#include "nic/batch.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "proto/cksum.h"
#include "support/eal.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N_SEGMENTS 255

static struct rte_mempool *pool, *other_pool;
static struct fer_batch batch;
static struct test_packet packet;
static unsigned n_used, n_other_used;

static const struct test_ip ip4 = {.version = 4, .src = 11, .dst = 12};
static const struct test_ip ip6 = {.version = 6, .src = 11, .dst = 12};

static void make_udp(const struct test_ip *ip, uint32_t payload)
{
	test_packet_start(&packet, payload, 1);
	test_packet_put_ip(&packet, ip, FER_PROTO_UDP);
}

static void parse_one(struct rte_mbuf *m, enum fer_link link)
{
	batch.n = 1;
	batch.link = (uint8_t)link;
	batch.m[0] = m;
	memset(&batch.pkt[0], 0xff, sizeof(batch.pkt[0]));
	fer_batch_parse(&batch);
}

// Parsing.

static void does_a_batch_start_afresh(void **state)
{
	(void)state;
	make_udp(&ip4, 20);
	parse_one(test_mbuf(pool, packet.bytes, packet.len), FER_LINK_RAW_IP);
	assert_int_equal(batch.pkt[0].verdict, FER_OK);
	assert_int_equal(batch.pkt[0].parsed, FER_OK);
	assert_int_equal(batch.pkt[0].n_layers, 0);
	assert_int_equal(batch.pkt[0].pending, 1); // ESP may stand behind UDP
	assert_int_equal(batch.pkt[0].handle[0], 0);
	assert_int_equal(batch.pkt[0].handle[1], 0);
	rte_pktmbuf_free(batch.m[0]);
}

static void are_tags_passed(void **state)
{
	(void)state;
	for (unsigned n_tags = 0; n_tags <= 2; n_tags++)
		for (unsigned v = 0; v < 2; v++) {
			make_udp(v == 0 ? &ip4 : &ip6, 20);
			test_packet_put_ethernet(&packet, n_tags);
			parse_one(test_mbuf(pool, packet.bytes, packet.len), FER_LINK_ETHERNET);
			assert_int_equal(batch.pkt[0].parsed, FER_OK);
			assert_int_equal(batch.pkt[0].l2_len, 14 + 4 * n_tags);
			assert_int_equal(batch.pkt[0].type_off, 12 + 4 * n_tags);
			assert_int_equal(batch.pkt[0].frame.ip_off, 14 + 4 * n_tags);
			assert_int_equal(batch.pkt[0].frame.end, packet.len);
			rte_pktmbuf_free(batch.m[0]);
		}
}

// IEEE 802.3 pads frames to 60 bytes.
static void is_the_padding_of_short_frames_outside(void **state)
{
	(void)state;
	make_udp(&ip4, 1);
	test_packet_put_ethernet(&packet, 0);
	uint32_t end = packet.len;
	test_packet_pad(&packet, 60 - packet.len);
	parse_one(test_mbuf(pool, packet.bytes, packet.len), FER_LINK_ETHERNET);
	assert_int_equal(batch.pkt[0].parsed, FER_OK);
	assert_int_equal(batch.pkt[0].frame.end, end);
	rte_pktmbuf_free(batch.m[0]);
}

static void does_the_type_have_to_be_that_of_the_version(void **state)
{
	(void)state;
	make_udp(&ip6, 20);
	test_packet_put_ethernet(&packet, 0);
	memcpy(packet.bytes + 12, "\x08\x00", 2);
	parse_one(test_mbuf(pool, packet.bytes, packet.len), FER_LINK_ETHERNET);
	assert_int_equal(batch.pkt[0].parsed, FER_BAD_IP);
	assert_int_equal(batch.pkt[0].frame.version, 0);
	rte_pktmbuf_free(batch.m[0]);
}

static void are_other_frames_left_to_the_judge(void **state)
{
	static const uint8_t arp[42] = {[12] = 8, [13] = 6};
	static const struct {
		uint32_t len;
		enum fer_link link;
	} cases[] = {{42, FER_LINK_ETHERNET}, {13, FER_LINK_ETHERNET}, {0, FER_LINK_ETHERNET},
		{0, FER_LINK_RAW_IP}, {42, FER_LINK_RAW_IP}};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		parse_one(test_mbuf(pool, arp, cases[i].len), cases[i].link);
		assert_int_equal(batch.pkt[0].verdict, FER_OK);
		assert_int_equal(batch.pkt[0].parsed, FER_NOT_IP);
		assert_int_equal(batch.pkt[0].frame.version, 0);
		rte_pktmbuf_free(batch.m[0]);
	}
}

// What is in the frame of a packet that was parsed, apart from nothing.
static void assert_same_frame(const struct fer_frame *a, const struct fer_frame *b)
{
	assert_memory_equal(a, b, offsetof(struct fer_frame, df));
	assert_int_equal(a->df, b->df);
}

static void parse_cut(const struct fer_frame *want, uint32_t a, uint32_t b)
{
	parse_one(test_mbuf_cut(pool, packet.bytes, packet.len, (uint32_t[]){a, b}, 2),
		FER_LINK_ETHERNET);
	assert_int_equal(batch.pkt[0].parsed, FER_OK);
	assert_same_frame(&batch.pkt[0].frame, want);
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	rte_pktmbuf_free(batch.m[0]);
}

static void check_cuts(struct test_ip ip)
{
	ip.n_options = 16;
	make_udp(&ip, 12);
	test_packet_put_ethernet(&packet, 2);
	parse_one(test_mbuf(pool, packet.bytes, packet.len), FER_LINK_ETHERNET);
	assert_int_equal(batch.pkt[0].parsed, FER_OK);
	struct fer_frame want = batch.pkt[0].frame;
	assert_true(want.has_ports);
	rte_pktmbuf_free(batch.m[0]);
	for (uint32_t a = 0; a < packet.len; a++)
		for (uint32_t b = a; b < packet.len; b++)
			parse_cut(&want, a, b);
}

static void do_cuts_change_nothing(void **state)
{
	(void)state;
	check_cuts(ip4);
	check_cuts(ip6);
}

static void is_every_shorter_frame_refused(void **state)
{
	(void)state;
	for (unsigned v = 0; v < 2; v++) {
		make_udp(v == 0 ? &ip4 : &ip6, 30);
		test_packet_put_ethernet(&packet, 1);
		for (uint32_t len = 0; len < packet.len; len++) {
			parse_one(test_mbuf(pool, packet.bytes, len), FER_LINK_ETHERNET);
			assert_int_equal(batch.pkt[0].parsed, len < 18 ? FER_NOT_IP : FER_BAD_IP);
			assert_int_equal(batch.pkt[0].frame.version, 0);
			rte_pktmbuf_free(batch.m[0]);
		}
	}
}

// Neighbours.

struct frame {
	uint32_t len;
	uint8_t bytes[128];
};

static struct frame make(const struct test_ip *ip, uint8_t protocol, unsigned n_tags)
{
	struct frame f;

	test_packet_start(&packet, 20, protocol);
	test_packet_put_ip(&packet, ip, protocol);
	test_packet_put_ethernet(&packet, n_tags);
	assert_true(packet.len <= sizeof(f.bytes));
	f.len = packet.len;
	memcpy(f.bytes, packet.bytes, packet.len);
	return f;
}

// Makes the checksum right of an IPv4 header that may be anything.
static void fix_checksum(struct frame *p, uint32_t ip_off)
{
	uint8_t *ip = p->bytes + ip_off;
	uint32_t len = (ip[0] & 0xf) * 4u;

	if (ip[0] >> 4 != 4 || len < 20 || ip_off + len > p->len)
		return;
	fer_store_be16(ip + 10, 0);
	fer_store_be16(ip + 10, fer_cksum(ip, len));
}

static void start_burst(const struct frame *const all[], uint16_t n)
{
	batch.n = n;
	batch.link = FER_LINK_ETHERNET;
	for (unsigned i = 0; i < n; i++)
		batch.m[i] = test_mbuf(pool, all[i]->bytes, all[i]->len);
	memset(batch.pkt, 0xff, n * sizeof(batch.pkt[0]));
	fer_batch_arrive(&batch);
	rte_pktmbuf_free_bulk(batch.m, n);
}

static void assert_same_pkt(const struct fer_pkt *is, const struct fer_pkt *want)
{
	assert_int_equal(is->parsed, want->parsed);
	assert_int_equal(is->verdict, FER_OK);
	assert_int_equal(is->n_layers, 0);
	assert_int_equal(is->class, 0);
	assert_int_equal(is->pending, want->pending);
	assert_int_equal(is->handle[0] | is->handle[1] | is->inside[0] | is->inside[1], 0);
	assert_int_equal(is->frame.version, want->frame.version);
	if (want->parsed != FER_OK)
		return;
	assert_same_frame(&is->frame, &want->frame);
	assert_int_equal(is->type_off, want->type_off);
	assert_int_equal(is->l2_len, want->l2_len);
}

static bool is_flow_of(const struct fer_pkt *p, const struct frame *a, const struct fer_pkt *other,
	const struct frame *b)
{
	const struct fer_frame *f = &p->frame, *g = &other->frame;
	const uint32_t at = f->version == 4 ? 12 : 8, n = f->version == 4 ? 8 : 32;

	return p->parsed == FER_OK && other->parsed == FER_OK && f->version == g->version &&
	       f->protocol == g->protocol && f->fragment == g->fragment &&
	       f->has_ports == g->has_ports && f->sport == g->sport && f->dport == g->dport &&
	       memcmp(a->bytes + f->ip_off + at, b->bytes + g->ip_off + at, n) == 0;
}

static bool is_plain_ipv4(const struct fer_frame *f)
{
	return f->version == 4 && !f->has_options && f->fragment == 0 && f->end - f->ip_off >= 24;
}

// Whatever stands before a packet: is it parsed as if it stood alone, and said to be like that only
// where it is?
static void check_behind(const struct frame *before, const struct frame *p)
{
	start_burst((const struct frame *[]){p}, 1);
	const struct fer_pkt alone = batch.pkt[0];
	assert_int_equal(alone.like, 0);
	start_burst((const struct frame *[]){before, p, p}, 3);
	const struct fer_pkt *pkt = batch.pkt;

	assert_int_equal(pkt[0].like, 0);
	assert_same_pkt(&pkt[1], &alone);
	assert_same_pkt(&pkt[2], &alone);
	assert_int_equal((pkt[2].like & FER_LIKE_FLOW) != 0, alone.parsed == FER_OK);
	if (pkt[1].like != 0)
		assert_true(is_flow_of(&pkt[1], p, &pkt[0], before));
	if ((pkt[1].like & FER_LIKE_START) != 0) {
		assert_true(is_plain_ipv4(&pkt[0].frame) && is_plain_ipv4(&pkt[1].frame));
		assert_memory_equal(
			before->bytes + pkt[0].frame.up_off, p->bytes + pkt[1].frame.up_off, 4);
	}
}

// Every bit of the headers alone is another, and every byte behind some place is missing.
static void check_changes(const struct frame *base, uint32_t ip_off)
{
	for (uint32_t bit = 12 * 8; bit < RTE_MIN(base->len, ip_off + 48) * 8; bit++)
		for (unsigned fixed = 0; fixed < 2; fixed++) {
			struct frame other = *base;

			other.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (fixed)
				fix_checksum(&other, ip_off);
			check_behind(base, &other);
			check_behind(&other, base);
		}
	for (uint32_t len = 0; len < base->len; len++) {
		struct frame other = *base;

		other.len = len;
		check_behind(base, &other);
		check_behind(&other, base);
	}
}

static void do_neighbours_share_what_they_have_in_common(void **state)
{
	static const uint8_t protocols[] = {FER_PROTO_UDP, FER_PROTO_TCP, FER_PROTO_ESP,
		FER_PROTO_AH, FER_PROTO_ICMP, FER_PROTO_IPV4, 47};
	struct frame base;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(protocols); i++)
		for (unsigned n_tags = 0; n_tags < 2; n_tags++) {
			base = make(&ip4, protocols[i], n_tags);
			check_changes(&base, FER_ETHER_HEADER_BYTES + 4 * n_tags);
			base = make(&ip6, protocols[i], n_tags);
			check_changes(&base, FER_ETHER_HEADER_BYTES + 4 * n_tags);
		}
}

// What differs between packets of one flow.
static void are_packets_of_a_flow_alike(void **state)
{
	static const uint8_t differ[] = {1, 4, 5, 8}; // of the IPv4 header
	struct frame base, other;

	(void)state;
	base = make(&ip4, FER_PROTO_UDP, 0);
	for (unsigned i = 0; i < RTE_DIM(differ); i++) {
		other = base;
		other.bytes[FER_ETHER_HEADER_BYTES + differ[i]] ^= 0x11;
		other.bytes[FER_ETHER_HEADER_BYTES + 6] ^= 0x40; // DF
		fix_checksum(&other, FER_ETHER_HEADER_BYTES);
		start_burst((const struct frame *[]){&base, &other, &base}, 3);
		assert_int_equal(batch.pkt[1].like, FER_LIKE_FLOW | FER_LIKE_START);
		assert_int_equal(batch.pkt[2].like, FER_LIKE_FLOW | FER_LIKE_START);
	}
}

static void is_a_packet_that_was_replaced_like_none(void **state)
{
	struct frame base;

	(void)state;
	base = make(&ip4, FER_PROTO_UDP, 0);
	batch.n = 4;
	batch.link = FER_LINK_ETHERNET;
	for (unsigned i = 0; i < batch.n; i++)
		batch.m[i] = test_mbuf(pool, base.bytes, base.len);
	fer_batch_arrive(&batch);
	fer_batch_parse_one(&batch, 1);
	assert_int_equal(batch.pkt[1].like, 0);
	assert_int_equal(batch.pkt[2].like, 0);
	assert_int_not_equal(batch.pkt[3].like, 0);
	fer_batch_parse_one(&batch, 3);
	assert_int_equal(batch.pkt[3].like, 0);
	rte_pktmbuf_free_bulk(batch.m, batch.n);
}

// Owning.

static unsigned n_freed;

static void free_external(void *addr, void *opaque)
{
	(void)opaque;
	free(addr);
	n_freed++;
}

// A packet whose bytes lie in memory of somebody else.
static struct rte_mbuf *external(const uint8_t *bytes, uint32_t len)
{
	uint16_t room = (uint16_t)(RTE_ALIGN(len, 8) + sizeof(struct rte_mbuf_ext_shared_info));
	uint8_t *memory = malloc(room);
	struct rte_mbuf *m = rte_pktmbuf_alloc(other_pool);

	assert_non_null(m);
	assert_non_null(memory);
	struct rte_mbuf_ext_shared_info *info =
		rte_pktmbuf_ext_shinfo_init_helper(memory, &room, free_external, NULL);
	rte_pktmbuf_attach_extbuf(m, memory, RTE_BAD_IOVA, room, info);
	assert_true(room >= len);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	fer_oob_clear(m);
	return m;
}

static void own(struct rte_mbuf *m)
{
	parse_one(m, FER_LINK_RAW_IP);
	fer_batch_own(&batch, pool);
}

static void scribble(struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		memset(m->buf_addr, 0x77, m->buf_len);
}

// Is packet 0 a private copy, words and all?  Frees it.
static void assert_private_copy(const struct rte_mbuf *original)
{
	struct rte_mbuf *m = batch.m[0];

	assert_ptr_not_equal(m, original);
	assert_int_equal(batch.pkt[0].verdict, FER_OK);
	test_assert_bytes(m, packet.bytes, packet.len);
	assert_int_equal(fer_oob_of(m)->ipsec, 0xabcdef);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		assert_int_equal(rte_mbuf_refcnt_read(s), 1);
		assert_true(RTE_MBUF_DIRECT(s));
	}
	scribble(m);
	rte_pktmbuf_free(m);
}

static void is_a_private_packet_left_where_it_is(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	make_udp(&ip4, 30);
	m = test_mbuf_cut(pool, packet.bytes, packet.len, (uint32_t[]){25}, 1);
	own(m);
	assert_ptr_equal(batch.m[0], m);
	rte_pktmbuf_free(m);
}

static void is_a_packet_with_two_owners_copied(void **state)
{
	(void)state;
	make_udp(&ip4, 60);
	for (uint32_t cut = 0; cut <= 60; cut += 30) {
		struct rte_mbuf *m = test_mbuf_cut(other_pool, packet.bytes, packet.len, &cut, 1);

		fer_oob_of(m)->ipsec = 0xabcdef;
		rte_pktmbuf_refcnt_update(m, 1);
		own(m);
		assert_private_copy(m);
		test_assert_bytes(m, packet.bytes, packet.len);
		rte_pktmbuf_free(m);
	}
}

static void is_a_packet_whose_tail_is_shared_copied(void **state)
{
	(void)state;
	make_udp(&ip4, 60);
	struct rte_mbuf *m =
		test_mbuf_cut(other_pool, packet.bytes, packet.len, (uint32_t[]){30, 70}, 2);
	struct rte_mbuf *last = rte_pktmbuf_lastseg(m);

	fer_oob_of(m)->ipsec = 0xabcdef;
	rte_mbuf_refcnt_update(last, 1);
	own(m);
	assert_private_copy(m);
	assert_memory_equal(rte_pktmbuf_mtod(last, void *), packet.bytes + 70, last->data_len);
	rte_pktmbuf_free_seg(last);
}

// Both the clone and what it is a clone of.
static void are_clones_copied(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 2; which++) {
		make_udp(&ip6, 60);
		struct rte_mbuf *m =
			test_mbuf_cut(other_pool, packet.bytes, packet.len, (uint32_t[]){50}, 1);
		struct rte_mbuf *clone = rte_pktmbuf_clone(m, other_pool);
		struct rte_mbuf *go = which == 0 ? clone : m, *stay = which == 0 ? m : clone;

		assert_non_null(clone);
		fer_oob_of(go)->ipsec = 0xabcdef;
		own(go);
		assert_private_copy(go);
		test_assert_bytes(stay, packet.bytes, packet.len);
		rte_pktmbuf_free(stay);
	}
}

// The memory is somebody else's even when one mbuf alone refers to it.
static void is_external_memory_copied(void **state)
{
	(void)state;
	for (unsigned n_owners = 1; n_owners <= 2; n_owners++) {
		make_udp(&ip4, 60);
		struct rte_mbuf *m = external(packet.bytes, packet.len), *other = NULL;

		fer_oob_of(m)->ipsec = 0xabcdef;
		if (n_owners == 2)
			other = rte_pktmbuf_clone(m, other_pool);
		n_freed = 0;
		own(m);
		assert_private_copy(m);
		if (other != NULL)
			test_assert_bytes(other, packet.bytes, packet.len);
		assert_int_equal(n_freed, n_owners == 1);
		rte_pktmbuf_free(other);
		assert_int_equal(n_freed, 1);
	}
}

static void does_a_packet_without_copy_end(void **state)
{
	static struct rte_mbuf *hoard[N_SEGMENTS + 1];
	unsigned n = 0;

	(void)state;
	make_udp(&ip4, 60);
	struct rte_mbuf *m = test_mbuf(other_pool, packet.bytes, packet.len);
	rte_pktmbuf_refcnt_update(m, 1);
	while ((hoard[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	own(m);
	rte_pktmbuf_free_bulk(hoard, n);
	assert_int_equal(batch.pkt[0].verdict, FER_NO_ROOM);
	assert_ptr_equal(batch.m[0], m);
	test_assert_bytes(m, packet.bytes, packet.len);
	rte_pktmbuf_refcnt_update(m, -1);
	rte_pktmbuf_free(m);
}

// Of a packet longer than a segment.
static void is_a_long_packet_copied_whole(void **state)
{
	(void)state;
	make_udp(&ip4, 60000);
	struct rte_mbuf *m = test_mbuf(other_pool, packet.bytes, packet.len);

	fer_oob_of(m)->ipsec = 0xabcdef;
	rte_pktmbuf_refcnt_update(m, 1);
	own(m);
	assert_private_copy(m);
	test_assert_bytes(m, packet.bytes, packet.len);
	rte_pktmbuf_free(m);
}

static int open_one(void **state)
{
	(void)state;
	n_used = rte_mempool_in_use_count(pool);
	n_other_used = rte_mempool_in_use_count(other_pool);
	return 0;
}

static int close_one(void **state)
{
	(void)state;
	return rte_mempool_in_use_count(pool) == n_used &&
			       rte_mempool_in_use_count(other_pool) == n_other_used
		       ? 0
		       : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(does_a_batch_start_afresh),
		TEST(are_tags_passed),
		TEST(is_the_padding_of_short_frames_outside),
		TEST(does_the_type_have_to_be_that_of_the_version),
		TEST(are_other_frames_left_to_the_judge),
		TEST(do_cuts_change_nothing),
		TEST(is_every_shorter_frame_refused),
		TEST(do_neighbours_share_what_they_have_in_common),
		TEST(are_packets_of_a_flow_alike),
		TEST(is_a_packet_that_was_replaced_like_none),
		TEST(is_a_private_packet_left_where_it_is),
		TEST(is_a_packet_with_two_owners_copied),
		TEST(is_a_packet_whose_tail_is_shared_copied),
		TEST(are_clones_copied),
		TEST(is_external_memory_copied),
		TEST(does_a_packet_without_copy_end),
		TEST(is_a_long_packet_copied_whole),
	};

	fer_test_eal_init("64");
	if (fer_oob_register() != 0)
		return 1;
	pool = test_pool("batch", N_SEGMENTS, RTE_MBUF_DEFAULT_BUF_SIZE);
	other_pool = test_pool("other", N_SEGMENTS, RTE_MBUF_DEFAULT_BUF_SIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
