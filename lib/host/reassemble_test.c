// SPDX-License-Identifier: BSD-3-Clause
// Does a datagram in pieces come out whole, or not at all?
#include "host/reassemble.h"

#include "base/bytes.h"
#include "crypto/engine.h"
#include "nic/oob.h"
#include "proto/cksum.h"
#include "sa/table.h"
#include "support/eal.h"

#include <rte_mbuf.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TIMEOUT 100
#define MAX_FRAGMENTS 16
#define MAX_FRAME 66000
#define MAX_SEGMENT 2048

// What a datagram looks like, apart from its payload.
struct spec {
	uint8_t version;
	uint8_t protocol;      // behind the last header of all
	uint8_t n_options;     // IPv4 options in bytes; IPv6: extension headers in front, in bytes
	uint8_t n_inside;      // IPv6: bytes of the payload that are destination options
	uint8_t last_dst_byte; // 1: an end point
	bool vlan;
	uint32_t id;
	unsigned segment_bytes; // 0: one segment
};

// A piece of its payload.
struct piece {
	uint32_t off, len;
	bool more;
	uint8_t ecn;
};

static struct rte_mempool *pool;
static struct fer_engine *engine;
static struct fer_sa_table *sas;
static struct fer_batch batch;
static unsigned n_free;
static uint64_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % n);
}

// Making frames.

static uint8_t payload_byte(const struct spec *s, uint32_t off)
{
	return (uint8_t)(off * 31 + (off >> 8) * 7 + s->id);
}

// Length of the L2 and IP headers that each fragment repeats, without a fragment header.
static uint32_t headers_bytes(const struct spec *s)
{
	return (s->vlan ? 18 : 14) + (s->version == 4 ? 20u : 40u) + s->n_options;
}

static uint32_t put_ethernet(uint8_t *to, const struct spec *s)
{
	uint32_t at = 12;

	memset(to, 0x22, 12);
	if (s->vlan) {
		fer_store_be16(to + at, FER_ETHER_TYPE_VLAN);
		fer_store_be16(to + at + 2, 7);
		at += 4;
	}
	fer_store_be16(to + at, fer_ether_type(s->version));
	return at + 2;
}

static void put_ipv4(uint8_t *ip, const struct spec *s, const struct piece *p)
{
	uint32_t header = 20u + s->n_options;

	memset(ip, 0, header);
	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[1] = 0x48 | p->ecn;
	fer_store_be16(ip + 2, (uint16_t)(header + p->len));
	fer_store_be16(ip + 4, (uint16_t)s->id);
	fer_store_be16(ip + 6, (uint16_t)((p->more ? 0x2000 : 0) | p->off / 8));
	ip[8] = 64;
	ip[9] = s->protocol;
	memcpy(ip + 12, (uint8_t[]){198, 51, 100, 7, 192, 0, 2, s->last_dst_byte}, 8);
	memset(ip + 20, 1, s->n_options); // no-operation
	fer_store_be16(ip + 10, fer_cksum(ip, header));
}

// Extension headers of 8 or 16 bytes: hop-by-hop options, then routing headers.  Returns the place
// that names the next header.
static uint8_t *put_extensions(uint8_t *ip, const struct spec *s)
{
	uint8_t *next = ip + 6, *at = ip + 40, *end = at + s->n_options;

	for (uint8_t type = FER_PROTO_HOPOPTS; at < end; type = FER_PROTO_ROUTING) {
		uint8_t len = end - at >= 16 && type == FER_PROTO_ROUTING ? 16 : 8;

		memset(at, 0, len);
		at[1] = len / 8 - 1;
		memcpy(at + 2, (uint8_t[]){1, 4, 0xa, 0xb, 0xc, 0xd}, 6);
		*next = type;
		next = at;
		at += len;
	}
	return next;
}

// Returns the length of the fragment header.
static uint32_t put_ipv6(uint8_t *ip, const struct spec *s, const struct piece *p, bool whole)
{
	uint8_t first = s->n_inside > 0 ? FER_PROTO_DSTOPTS : s->protocol;
	uint8_t *fragment = ip + 40 + s->n_options, *next;
	uint32_t n_fragment = whole ? 0 : 8;

	memset(ip, 0, 40);
	ip[0] = 0x60 | 0x4;
	ip[1] = (uint8_t)(0x80 | p->ecn << 4);
	fer_store_be16(ip + 4, (uint16_t)(s->n_options + n_fragment + p->len));
	ip[7] = 64;
	memcpy(ip + 8, (uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = 7}, 16);
	memcpy(ip + 24, (uint8_t[16]){0x20, 1, 0xd, 0xb8, [14] = 2, [15] = s->last_dst_byte}, 16);
	next = put_extensions(ip, s);
	*next = whole ? first : FER_PROTO_FRAGMENT;
	if (whole)
		return 0;
	fragment[0] = first;
	fragment[1] = 0;
	fer_store_be16(fragment + 2, (uint16_t)(p->off | p->more));
	fer_store_be32(fragment + 4, s->id);
	return n_fragment;
}

static void put_payload(uint8_t *to, const struct spec *s, const struct piece *p)
{
	for (uint32_t i = 0; i < p->len; i++)
		to[i] = payload_byte(s, p->off + i);
	if (p->off == 0 && s->n_inside > 0) {
		to[0] = s->protocol;
		to[1] = s->n_inside / 8 - 1;
	}
}

// Writes a frame; whole: without any sign of fragments.  Returns its length.
static uint32_t put_frame(uint8_t *to, const struct spec *s, const struct piece *p, bool whole)
{
	uint32_t l2 = put_ethernet(to, s), at = headers_bytes(s);

	if (s->version == 4)
		put_ipv4(to + l2, s, p);
	else
		at += put_ipv6(to + l2, s, p, whole);
	put_payload(to + at, s, p);
	return at + p->len;
}

static uint8_t frame_bytes[MAX_FRAME];

static struct rte_mbuf *mbuf_of(const uint8_t *bytes, uint32_t len, unsigned segment_bytes)
{
	struct rte_mbuf *m = NULL;
	unsigned most = segment_bytes == 0 ? MAX_SEGMENT : segment_bytes;

	for (uint32_t at = 0; at < len; at += most) {
		uint16_t n = (uint16_t)RTE_MIN(most, len - at);
		struct rte_mbuf *s = rte_pktmbuf_alloc(pool);

		assert_non_null(s);
		memcpy(rte_pktmbuf_append(s, n), bytes + at, n);
		s->tx_offload = UINT64_MAX; // of no meaning
		fer_oob_clear(s);
		if (m == NULL)
			m = s;
		else
			assert_int_equal(rte_pktmbuf_chain(m, s), 0);
	}
	return m;
}

// A fragment as it comes from a port: Ethernet pads short frames.
static struct rte_mbuf *fragment(const struct spec *s, const struct piece *p)
{
	uint32_t len = put_frame(frame_bytes, s, p, false);

	if (len < 60) {
		memset(frame_bytes + len, 0xee, 60 - len);
		len = 60;
	}
	return mbuf_of(frame_bytes, len, s->segment_bytes);
}

// Running.

static uint64_t n_timed_out;

static void run_batch(struct fer_reassembly *r, uint64_t now)
{
	batch.link = FER_LINK_ETHERNET;
	fer_batch_parse(&batch);
	for (unsigned i = 0; i < batch.n; i++)
		assert_int_equal(batch.pkt[i].parsed, FER_OK);
	fer_reassembly_run(r, sas, &batch, now, &n_timed_out);
}

// Frees what the sink would.
static void drop_batch(void)
{
	for (unsigned i = 0; i < batch.n; i++)
		rte_pktmbuf_free(batch.m[i]);
	batch.n = 0;
}

static enum fer_verdict run_one(
	struct fer_reassembly *r, const struct spec *s, const struct piece *p, uint64_t now)
{
	batch.n = 1;
	batch.m[0] = fragment(s, p);
	run_batch(r, now);
	return batch.pkt[0].verdict;
}

// Runs one fragment, which must get that verdict, and forgets what comes out.
static void expect(struct fer_reassembly *r, const struct spec *s, struct piece p, uint64_t now,
	enum fer_verdict verdict)
{
	assert_string_equal(fer_verdict_name(run_one(r, s, &p, now)), fer_verdict_name(verdict));
	if (verdict == FER_FRAGMENT_HELD)
		assert_null(batch.m[0]);
	drop_batch();
}

static struct fer_reassembly *open_reassembly(uint32_t n_datagrams)
{
	struct fer_reassembly_params params = {n_datagrams, TIMEOUT};
	struct fer_reassembly *r = fer_reassembly_create(&params);

	assert_non_null(r);
	n_timed_out = 0;
	n_free = rte_mempool_avail_count(pool);
	return r;
}

static void close_reassembly(struct fer_reassembly *r)
{
	fer_reassembly_destroy(r);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

static void assert_no_empty_segment(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next) {
		assert_int_not_equal(m->data_len, 0);
		assert_int_equal(m->tx_offload, 0);
	}
}

// Is packet i the whole datagram of that payload length, with that ECN field, and parsed?
static void assert_whole(unsigned i, const struct spec *s, uint32_t len, uint8_t ecn)
{
	static uint8_t want[MAX_FRAME], room[MAX_FRAME];
	struct piece p = {.len = len, .ecn = ecn};
	uint32_t n = put_frame(want, s, &p, true);
	const struct fer_frame *f = &batch.pkt[i].frame;

	assert_int_equal(batch.pkt[i].verdict, FER_OK);
	assert_non_null(batch.m[i]);
	rte_mbuf_sanity_check(batch.m[i], 1);
	assert_no_empty_segment(batch.m[i]);
	assert_int_equal(batch.m[i]->pkt_len, n);
	assert_memory_equal(rte_pktmbuf_read(batch.m[i], 0, n, room), want, n);
	assert_int_equal(batch.pkt[i].parsed, FER_OK);
	assert_int_equal(f->fragment, 0);
	assert_int_equal(f->frag_off, 0);
	assert_int_equal(f->protocol, s->protocol);
	assert_int_equal(f->up_off, headers_bytes(s) + s->n_inside);
	assert_int_equal(f->end, n);
}

// Orders.

static void swap(unsigned order[], unsigned i, unsigned j)
{
	unsigned x = order[i];

	order[i] = order[j];
	order[j] = x;
}

// The next permutation in lexical order; false after the last.
static bool next_order(unsigned order[], unsigned n)
{
	unsigned i = n - 1, j = n - 1;

	while (i > 0 && order[i - 1] > order[i])
		i--;
	if (i == 0)
		return false;
	while (order[j] < order[i - 1])
		j--;
	swap(order, i - 1, j);
	for (j = n - 1; i < j; i++, j--)
		swap(order, i, j);
	return true;
}

static void shuffle(unsigned order[], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		order[i] = i;
	for (unsigned i = n; i > 1; i--)
		swap(order, i - 1, random_below(i));
}

// Cuts a payload into n pieces at random multiples of 8.
static uint32_t cut(struct piece pieces[], unsigned n)
{
	uint32_t off = 0;

	for (unsigned i = 0; i < n; i++) {
		bool more = i + 1 < n;
		uint32_t len = 8 * (1 + random_below(20)) + (more ? 0 : random_below(8));

		if (i == 0)
			len += 32; // headers inside must fit
		pieces[i] = (struct piece){off, len, more, 0};
		off += len;
	}
	return off;
}

static void check_order(struct fer_reassembly *r, const struct spec *s, const struct piece pieces[],
	const unsigned order[], unsigned n, uint32_t len)
{
	for (unsigned i = 0; i + 1 < n; i++)
		expect(r, s, pieces[order[i]], 0, FER_FRAGMENT_HELD);
	assert_int_equal(run_one(r, s, &pieces[order[n - 1]], 0), FER_OK);
	assert_whole(0, s, len, 0);
	drop_batch();
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
}

static void check_orders(struct fer_reassembly *r, struct spec *s, unsigned n)
{
	struct piece pieces[MAX_FRAGMENTS];
	unsigned order[MAX_FRAGMENTS];
	uint32_t len = cut(pieces, n);

	for (unsigned i = 0; i < n; i++)
		order[i] = i;
	if (n <= 4) {
		do
			check_order(r, s, pieces, order, n, len);
		while (next_order(order, n));
		return;
	}
	for (unsigned i = 0; i < 100; i++) {
		shuffle(order, n);
		check_order(r, s, pieces, order, n, len);
	}
}

// RFC 4303 section 3.4.1: reassembly precedes ESP.
static void do_fragments_in_any_order_become_the_datagram(void **state)
{
	static const struct spec shapes[] = {
		{.version = 4, .protocol = 50, .last_dst_byte = 1},
		{.version = 4, .protocol = 51, .last_dst_byte = 1, .n_options = 12},
		{.version = 4, .protocol = 50, .last_dst_byte = 1, .n_options = 40, .vlan = true},
		{.version = 4, .protocol = 50, .last_dst_byte = 1, .segment_bytes = 48},
		{.version = 4, .protocol = 50, .last_dst_byte = 1, .segment_bytes = 34},
		{.version = 4, .protocol = 50, .last_dst_byte = 1, .segment_bytes = 11},
		{.version = 6, .protocol = 50, .last_dst_byte = 1},
		{.version = 6, .protocol = 51, .last_dst_byte = 1, .vlan = true},
		{.version = 6, .protocol = 50, .last_dst_byte = 1, .segment_bytes = 62},
		{.version = 6, .protocol = 50, .last_dst_byte = 1, .segment_bytes = 7},
		{.version = 6, .protocol = 50, .last_dst_byte = 1, .n_options = 8},
		{.version = 6, .protocol = 50, .last_dst_byte = 1, .n_options = 40, .vlan = true},
		{.version = 6, .protocol = 50, .last_dst_byte = 1, .n_inside = 8},
		{.version = 6,
			.protocol = 50,
			.last_dst_byte = 1,
			.n_inside = 24,
			.n_options = 24,
			.segment_bytes = 50},
	};
	struct fer_reassembly *r = open_reassembly(64);

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++)
		for (unsigned n = 2; n <= FER_REASSEMBLY_MAX_FRAGMENTS; n++) {
			struct spec s = shapes[i];

			s.id = random_below(65536);
			check_orders(r, &s, n);
		}
	assert_int_equal(n_timed_out, 0);
	close_reassembly(r);
}

static const struct spec esp4 = {.version = 4, .protocol = 50, .last_dst_byte = 1, .id = 4711};
static const struct spec esp6 = {.version = 6, .protocol = 50, .last_dst_byte = 1, .id = 4711};

static void are_nine_fragments_too_many(void **state)
{
	struct piece pieces[9];
	unsigned order[9];

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		const struct spec *s = round % 2 == 0 ? &esp4 : &esp6;
		struct fer_reassembly *r = open_reassembly(4);
		unsigned n_middle = 0, i = 0;

		cut(pieces, 9);
		shuffle(order, 9);
		for (;; i++) {
			n_middle += order[i] != 0 && order[i] != 8;
			if (n_middle == 7)
				break;
			expect(r, s, pieces[order[i]], 0, FER_FRAGMENT_HELD);
		}
		expect(r, s, pieces[order[i]], 0, FER_FRAGMENT_LIMIT);
		assert_int_equal(rte_mempool_avail_count(pool), n_free);
		for (i++; i < 9; i++)
			expect(r, s, pieces[order[i]], 0, FER_FRAGMENT_HELD);
		close_reassembly(r);
	}
}

// Fragments one after the other, and what becomes of the last.
struct sequence {
	struct piece pieces[FER_REASSEMBLY_MAX_FRAGMENTS];
	unsigned n;
	enum fer_verdict last;
};

static void check_sequence(const struct spec *s, const struct sequence *q)
{
	struct fer_reassembly *r = open_reassembly(4);

	for (unsigned i = 0; i < q->n; i++)
		expect(r, s, q->pieces[i], 0, i + 1 < q->n ? FER_FRAGMENT_HELD : q->last);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
	// A bad datagram is forgotten: the same one again is good.
	expect(r, s, (struct piece){0, 8, true, 0}, 0, FER_FRAGMENT_HELD);
	expect(r, s, (struct piece){8, 9, false, 0}, 0, FER_OK);
	close_reassembly(r);
}

// RFC 8200 section 4.5: a datagram with fragments that overlap is discarded.
static void do_fragments_that_do_not_add_up_end_the_datagram(void **state)
{
	static const struct sequence sequences[] = {
		// The same fragment twice: first, last, middle.
		{{{0, 16, true, 0}, {0, 16, true, 0}}, 2, FER_FRAGMENT_BAD},
		{{{16, 16, false, 0}, {16, 16, false, 0}}, 2, FER_FRAGMENT_BAD},
		{{{8, 8, true, 0}, {8, 8, true, 0}, {16, 9, false, 0}}, 3, FER_FRAGMENT_BAD},
		// Overlaps from the front, from behind, and of all.
		{{{0, 24, true, 0}, {16, 16, false, 0}}, 2, FER_FRAGMENT_BAD},
		{{{16, 16, false, 0}, {0, 24, true, 0}}, 2, FER_FRAGMENT_BAD},
		{{{0, 64, true, 0}, {8, 16, false, 0}}, 2, FER_FRAGMENT_BAD},
		{{{0, 16, true, 0}, {8, 24, true, 0}, {24, 8, false, 0}}, 3, FER_FRAGMENT_BAD},
		{{{8, 24, true, 0}, {24, 16, false, 0}}, 2, FER_FRAGMENT_BAD},
		// As many bytes as the datagram has, but a hole and an overlap.
		{{{0, 16, true, 0}, {8, 16, true, 0}, {32, 16, false, 0}}, 3, FER_FRAGMENT_BAD},
		{{{0, 16, true, 0}, {8, 16, true, 0}, {32, 8, true, 0}, {40, 8, false, 0}}, 4,
			FER_FRAGMENT_BAD},
		// As many fragments as there may be, and the last one of them is bad.
		{{{56, 8, false, 0}, {8, 8, true, 0}, {16, 8, true, 0}, {24, 8, true, 0},
			 {32, 8, true, 0}, {40, 8, true, 0}, {40, 16, true, 0}},
			7, FER_FRAGMENT_BAD},
		// Two ends.
		{{{24, 8, false, 0}, {16, 8, false, 0}}, 2, FER_FRAGMENT_BAD},
		// More behind the end.
		{{{0, 8, true, 0}, {16, 8, false, 0}, {24, 8, true, 0}}, 3, FER_FRAGMENT_BAD},
		// Nothing in it.
		{{{16, 0, false, 0}}, 1, FER_FRAGMENT_BAD},
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(sequences); i++) {
		check_sequence(&esp4, &sequences[i]);
		check_sequence(&esp6, &sequences[i]);
	}
}

// Whatever comes out is the datagram, whatever goes in; and nothing stays behind.
static void does_no_mixture_come_out(void **state)
{
	struct fer_reassembly *r = open_reassembly(8);
	unsigned n_whole = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		struct spec s = random_below(2) == 0 ? esp4 : esp6;
		uint32_t off = 8 * random_below(4), len = 8 * (1 + random_below(2));
		bool more = off == 0 || random_below(3) != 0;
		struct piece p = {off, len, more, 0};

		s.id = random_below(4);
		s.segment_bytes = random_below(3) == 0 ? 20 + random_below(60) : 0;
		if (run_one(r, &s, &p, i) == FER_OK) {
			assert_whole(0, &s, batch.pkt[0].frame.end - headers_bytes(&s), 0);
			n_whole++;
		}
		drop_batch();
	}
	print_message("%u datagrams\n", n_whole);
	assert_true(n_whole > 1000);
	close_reassembly(r);
}

// The library's key has neither protocol nor, in our table, the VLAN.
static void do_datagrams_keep_apart(void **state)
{
	static const struct spec specs[] = {
		{.version = 4, .protocol = 50, .last_dst_byte = 1, .id = 7},
		{.version = 4, .protocol = 51, .last_dst_byte = 1, .id = 7},
		{.version = 4, .protocol = 50, .last_dst_byte = 1, .id = 8},
		{.version = 6, .protocol = 50, .last_dst_byte = 1, .id = 7},
		{.version = 6, .protocol = 50, .last_dst_byte = 1, .id = 0x10007},
		{.version = 6, .protocol = 50, .last_dst_byte = 2, .id = 7},
	};
	struct piece pieces[3] = {{0, 40, true, 0}, {40, 48, true, 0}, {88, 17, false, 0}};
	struct fer_reassembly *r = open_reassembly(8);

	(void)state;
	batch.n = 0;
	for (unsigned k = 0; k < 3; k++)
		for (unsigned i = 0; i < RTE_DIM(specs); i++)
			batch.m[batch.n++] = fragment(&specs[i], &pieces[k]);
	run_batch(r, 0);
	for (unsigned i = 0; i < 2 * RTE_DIM(specs); i++) {
		assert_int_equal(batch.pkt[i].verdict, FER_FRAGMENT_HELD);
		assert_null(batch.m[i]);
	}
	for (unsigned i = 0; i < RTE_DIM(specs); i++)
		assert_whole(2 * RTE_DIM(specs) + i, &specs[i], 105, 0);
	drop_batch();
	close_reassembly(r);
}

static void assert_left_alone(struct fer_reassembly *r, const struct spec *s, struct piece p)
{
	batch.n = 1;
	batch.m[0] = fragment(s, &p);
	struct rte_mbuf *m = batch.m[0];
	uint32_t len = m->pkt_len;

	run_batch(r, 0);
	assert_int_equal(batch.pkt[0].verdict, FER_OK);
	assert_ptr_equal(batch.m[0], m);
	assert_int_equal(m->pkt_len, len);
	drop_batch();
}

static void are_others_left_alone(void **state)
{
	struct piece first = {0, 16, true, 0}, last = {16, 8, false, 0}, only = {0, 24, false, 0};
	struct spec s;
	struct fer_reassembly *r = open_reassembly(4);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const struct spec *esp = i == 0 ? &esp4 : &esp6;

		s = *esp;
		s.last_dst_byte = 99;
		assert_left_alone(r, &s, first);
		assert_left_alone(r, &s, last);
		s = *esp;
		s.protocol = 17;
		assert_left_alone(r, &s, first);
		assert_left_alone(r, &s, last);
		assert_left_alone(r, esp, only);
	}
	// A packet that has its verdict, and one that is no IP.
	batch.n = 2;
	batch.m[0] = fragment(&esp4, &first);
	batch.m[1] = fragment(&esp4, &first);
	fer_batch_parse(&batch);
	batch.pkt[0].verdict = FER_TRUNCATED;
	batch.pkt[1].parsed = FER_NOT_IP;
	fer_reassembly_run(r, sas, &batch, 0, &n_timed_out);
	assert_int_equal(batch.pkt[0].verdict, FER_TRUNCATED);
	assert_int_equal(batch.pkt[1].verdict, FER_OK);
	assert_non_null(batch.m[0]);
	assert_non_null(batch.m[1]);
	drop_batch();
	close_reassembly(r);
}

static void run_nothing(struct fer_reassembly *r, uint64_t now)
{
	batch.n = 0;
	run_batch(r, now);
}

static void do_fragments_wait_no_longer_than_that(void **state)
{
	struct spec s = esp4;
	struct fer_reassembly *r = open_reassembly(64);

	(void)state;
	expect(r, &s, (struct piece){0, 16, true, 0}, 1000, FER_FRAGMENT_HELD);
	expect(r, &s, (struct piece){16, 16, true, 0}, 1050, FER_FRAGMENT_HELD);
	expect(r, &esp6, (struct piece){0, 16, true, 0}, 1050, FER_FRAGMENT_HELD);
	run_nothing(r, 1000 + TIMEOUT);
	assert_int_equal(n_timed_out, 0);
	run_nothing(r, 1000 + TIMEOUT + 1);
	assert_int_equal(n_timed_out, 2);
	// Too late: it begins a datagram of its own.  A clock that goes back stands still.
	expect(r, &s, (struct piece){32, 16, false, 0}, 17, FER_FRAGMENT_HELD);
	expect(r, &esp6, (struct piece){16, 16, false, 0}, 1050 + TIMEOUT, FER_OK);
	run_nothing(r, 1050 + TIMEOUT);
	assert_int_equal(n_timed_out, 2);
	run_nothing(r, 5000);
	assert_int_equal(n_timed_out, 3);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
	// More of them at once than the library frees at once.
	for (s.id = 0; s.id < 64; s.id++)
		for (uint32_t k = 0; k < 7; k++)
			expect(r, &s, (struct piece){k * 16, 16, true, 0}, 6000, FER_FRAGMENT_HELD);
	run_nothing(r, 7000);
	assert_int_equal(n_timed_out, 3 + 64 * 7);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
	close_reassembly(r);
}

static void is_a_full_table_full(void **state)
{
	struct piece first = {0, 16, true, 0}, last = {16, 16, false, 0};
	struct spec s = esp4;
	struct fer_reassembly *r = open_reassembly(4);

	(void)state;
	for (s.id = 0; s.id < 4; s.id++)
		expect(r, &s, first, 0, FER_FRAGMENT_HELD);
	expect(r, &s, first, 0, FER_FRAGMENT_LIMIT);
	expect(r, &esp6, first, 0, FER_FRAGMENT_LIMIT);
	s.id = 2; // those in it go on
	expect(r, &s, last, 0, FER_OK);
	expect(r, &esp6, first, TIMEOUT, FER_FRAGMENT_HELD);
	s.id = 9;
	expect(r, &s, first, TIMEOUT, FER_FRAGMENT_LIMIT);
	expect(r, &s, first, TIMEOUT + 1, FER_FRAGMENT_HELD);
	assert_int_equal(n_timed_out, 3);
	close_reassembly(r);
}

// Who fills it keeps others out for one fragment, not until his own time out: the oldest give way,
// the younger half of what waits does not, nor what came at the same moment.
static void do_the_oldest_give_way(void **state)
{
	struct piece first = {0, 16, true, 0}, last = {16, 16, false, 0};
	struct spec s = esp4;
	struct fer_reassembly *r = open_reassembly(4);

	(void)state;
	for (s.id = 0; s.id < 4; s.id++)
		expect(r, &s, first, 1000 + s.id * 20u, FER_FRAGMENT_HELD);
	expect(r, &s, first, 1070, FER_FRAGMENT_LIMIT);
	assert_int_equal(n_timed_out, 1);
	expect(r, &s, first, 1070, FER_FRAGMENT_HELD);
	expect(r, &esp6, first, 1070, FER_FRAGMENT_LIMIT);
	assert_int_equal(n_timed_out, 1);
	for (s.id = 1; s.id < 5; s.id++)
		expect(r, &s, last, 1071, FER_OK);
	assert_int_equal(n_timed_out, 1);
	close_reassembly(r);
}

// Nor do long datagrams keep all buffers.
static void do_the_oldest_give_their_buffers(void **state)
{
	struct spec s = esp4;
	struct fer_reassembly *r = open_reassembly(2);

	(void)state;
	s.segment_bytes = 16;
	for (uint32_t k = 0; k < 4; k++)
		expect(r, &s, (struct piece){k * 128, 128, true, 0}, 1000, FER_FRAGMENT_HELD);
	s.id++;
	expect(r, &s, (struct piece){0, 128, true, 0}, 1001, FER_FRAGMENT_LIMIT);
	assert_int_equal(n_timed_out, 4);
	assert_int_equal(rte_mempool_avail_count(pool), n_free);
	expect(r, &s, (struct piece){0, 128, true, 0}, 1001, FER_FRAGMENT_HELD);
	expect(r, &s, (struct piece){128, 128, false, 0}, 1001, FER_OK);
	close_reassembly(r);
}

// Long fragments, or hostile ones, take many buffers each: no more of them wait than fragments of
// one each would.  However a datagram ends, its buffers are given back.
static void are_buffers_bounded(void **state)
{
	enum { LONG = 128 }; // in 10 buffers
	struct spec s = esp4, one = esp4;
	struct fer_reassembly *r = open_reassembly(2);

	(void)state;
	assert_int_equal(FER_REASSEMBLY_BUFFERS(2), 48);
	s.segment_bytes = 16;
	for (unsigned end = 0; end < 4; end++) {
		uint64_t now = end * 10000;

		for (uint32_t k = 0; k < 4; k++)
			expect(r, &s, (struct piece){k * LONG, LONG, true, 0}, now,
				FER_FRAGMENT_HELD);
		expect(r, &s, (struct piece){4 * LONG, LONG, true, 0}, now, FER_FRAGMENT_LIMIT);
		assert_true(n_free - rte_mempool_avail_count(pool) <= 48);
		for (uint32_t k = 0; end == 2 && k < 3; k++)
			expect(r, &one, (struct piece){4 * LONG + 8 * k, 8, true, 0}, now,
				FER_FRAGMENT_HELD);
		if (end == 0)
			expect(r, &one, (struct piece){4 * LONG, 8, false, 0}, now, FER_OK);
		else if (end == 1)
			expect(r, &one, (struct piece){LONG, 8, false, 0}, now, FER_FRAGMENT_BAD);
		else if (end == 2)
			expect(r, &one, (struct piece){4 * LONG + 24, 8, true, 0}, now,
				FER_FRAGMENT_LIMIT);
		else
			run_nothing(r, now + TIMEOUT + 1);
		assert_int_equal(rte_mempool_avail_count(pool), n_free);
	}
	close_reassembly(r);
}

// What still waits is freed with the table.
static void is_nothing_left_behind(void **state)
{
	struct fer_reassembly *r = open_reassembly(4);

	(void)state;
	expect(r, &esp4, (struct piece){0, 16, true, 0}, 0, FER_FRAGMENT_HELD);
	expect(r, &esp4, (struct piece){32, 16, true, 0}, 0, FER_FRAGMENT_HELD);
	expect(r, &esp6, (struct piece){16, 16, false, 0}, 0, FER_FRAGMENT_HELD);
	assert_int_not_equal(rte_mempool_avail_count(pool), n_free);
	close_reassembly(r);
	fer_reassembly_destroy(NULL);
}

// RFC 791: no datagram is longer than 65,535 bytes.
static void do_long_datagrams_end_at_the_limit(void **state)
{
	enum { STEP = 9000, LAST = 7 * STEP };
	struct spec s = esp4;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct fer_reassembly *r = open_reassembly(4);
		struct piece last = {LAST, 65535 - 20 - LAST, false, 0};

		s.version = i == 2 ? 6 : 4;
		last.len += i == 2 ? 20 : 0;
		s.n_options = 0;
		for (uint32_t k = 1; k < 7; k++)
			expect(r, &s, (struct piece){k * STEP, STEP, true, 0}, 0,
				FER_FRAGMENT_HELD);
		expect(r, &s, last, 0, FER_FRAGMENT_HELD);
		s.n_options = i == 1 ? 4 : 0; // in the first fragment only
		struct piece first = {0, STEP, true, 0};
		enum fer_verdict v = run_one(r, &s, &first, 0);

		assert_int_equal(v, i == 1 ? FER_FRAGMENT_BAD : FER_OK);
		if (i != 1)
			assert_whole(0, &s, last.off + last.len, 0);
		drop_batch();
		close_reassembly(r);
	}
}

static void check_ecn(const struct spec *s, const uint8_t ecn[3], int want)
{
	struct piece pieces[3] = {
		{0, 16, true, ecn[0]}, {16, 8, true, ecn[1]}, {24, 5, false, ecn[2]}};
	unsigned order[3] = {0, 1, 2};

	do {
		struct fer_reassembly *r = open_reassembly(4);

		for (unsigned i = 0; i < 2; i++)
			expect(r, s, pieces[order[i]], 0, FER_FRAGMENT_HELD);
		enum fer_verdict v = run_one(r, s, &pieces[order[2]], 0);

		assert_int_equal(v, want < 0 ? FER_FRAGMENT_BAD : FER_OK);
		if (want >= 0)
			assert_whole(0, s, 29, (uint8_t)want);
		drop_batch();
		close_reassembly(r);
	} while (next_order(order, 3));
}

// RFC 3168 section 5.3
static void is_a_congestion_mark_kept(void **state)
{
	static const struct {
		uint8_t ecn[3];
		int want; // -1: dropped
	} cases[] = {
		{{0, 0, 0}, 0},
		{{1, 1, 1}, 1},
		{{2, 2, 2}, 2},
		{{3, 3, 3}, 3},
		{{2, 2, 3}, 3},
		{{2, 3, 2}, 3},
		{{3, 2, 2}, 3},
		{{1, 3, 1}, 3},
		{{2, 1, 3}, 3},
		{{0, 0, 3}, -1},
		{{3, 0, 0}, -1},
		{{3, 2, 0}, -1},
		{{2, 0, 0}, 2},
		{{0, 2, 1}, 0},
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct spec s = esp4;

		check_ecn(&s, cases[i].ecn, cases[i].want);
		s.n_options = 8;
		s.segment_bytes = 40;
		check_ecn(&s, cases[i].ecn, cases[i].want);
		check_ecn(&esp6, cases[i].ecn, cases[i].want);
	}
}

// The words of a datagram are those of its first fragment: zero, as of all that comes from a port.
static void are_the_words_zero(void **state)
{
	struct fer_reassembly *r = open_reassembly(4);
	struct piece p = {0, 16, true, 0};
	static const struct fer_oob zero;

	(void)state;
	expect(r, &esp4, (struct piece){16, 16, false, 0}, 0, FER_FRAGMENT_HELD);
	assert_int_equal(run_one(r, &esp4, &p, 0), FER_OK);
	assert_memory_equal(fer_oob_of(batch.m[0]), &zero, sizeof(zero));
	drop_batch();
	close_reassembly(r);
}

static uint64_t add_sa(const struct fer_addr *dst, uint32_t spi, bool in_udp)
{
	static const uint8_t key[FER_MAX_KEY_BYTES] = {1};
	struct fer_sa_params params = {
		.direction = FER_IN,
		.mode = FER_TUNNEL,
		.spi = spi,
		.group = FER_NO_GROUP,
		.src = *dst,
		.dst = *dst,
		.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"),
		.encryption_key = key,
		.udp_at = in_udp ? FER_UDP_OUTSIDE : 0,
		.udp = {.dport = in_udp ? 4500 : 0},
	};
	uint64_t handle;

	assert_int_equal(fer_sa_add(sas, &params, &handle, NULL), 0);
	return handle;
}

// Only where an SA has ESP in UDP, and then of every port: later fragments do not know theirs.  The
// numbers of IPv4 datagrams are those of one protocol.
static void is_udp_put_together_where_it_may_have_esp(void **state)
{
	static const struct spec specs[] = {
		{.version = 4, .protocol = 17, .last_dst_byte = 1, .id = 7},
		{.version = 4, .protocol = 50, .last_dst_byte = 1, .id = 7},
		{.version = 6, .protocol = 17, .last_dst_byte = 1, .id = 7},
	};
	const struct piece first = {0, 40, true, 0}, last = {40, 17, false, 0};
	struct spec elsewhere = specs[0];
	struct fer_reassembly *r = open_reassembly(8);
	struct fer_addr a;

	(void)state;
	assert_left_alone(r, &specs[0], first);
	assert_true(fer_addr_parse("192.0.2.77", &a));
	uint64_t handle = add_sa(&a, 0x1001, true);
	elsewhere.last_dst_byte = 99;
	assert_left_alone(r, &elsewhere, first);
	batch.n = 0;
	for (unsigned i = 0; i < 2 * RTE_DIM(specs); i++)
		batch.m[batch.n++] = fragment(&specs[i % 3], i < 3 ? &first : &last);
	run_batch(r, 0);
	for (unsigned i = 0; i < RTE_DIM(specs); i++)
		assert_whole(RTE_DIM(specs) + i, &specs[i], 57, 0);
	drop_batch();
	close_reassembly(r);
	assert_int_equal(fer_sa_remove(sas, handle), 0);
}

static int start(void **state)
{
	static const char *const end_points[] = {"192.0.2.1", "2001:db8::201", "2001:db8::202"};
	struct fer_sa_table_params params = {
		.name = "reassemble", .capacity = 8, .n_groups = 1, .ivs = fer_iv_system()};
	struct fer_addr a;
	int error;

	(void)state;
	assert_int_equal(fer_oob_register(), 0);
	pool = rte_pktmbuf_pool_create(
		"test", 4095, 0, 0, RTE_PKTMBUF_HEADROOM + MAX_SEGMENT, SOCKET_ID_ANY);
	engine = fer_engine_open(fer_iv_system(), &error);
	sas = fer_sa_table_create(&params, engine, &error);
	assert_non_null(pool);
	assert_non_null(sas);
	for (unsigned i = 0; i < RTE_DIM(end_points); i++) {
		assert_true(fer_addr_parse(end_points[i], &a));
		add_sa(&a, 0x1000, false);
	}
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fer_sa_table_destroy(sas);
	fer_engine_close(engine);
	rte_mempool_free(pool);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(do_fragments_in_any_order_become_the_datagram),
		cmocka_unit_test(are_nine_fragments_too_many),
		cmocka_unit_test(do_fragments_that_do_not_add_up_end_the_datagram),
		cmocka_unit_test(does_no_mixture_come_out),
		cmocka_unit_test(do_datagrams_keep_apart), cmocka_unit_test(are_others_left_alone),
		cmocka_unit_test(do_fragments_wait_no_longer_than_that),
		cmocka_unit_test(is_a_full_table_full), cmocka_unit_test(are_buffers_bounded),
		cmocka_unit_test(do_the_oldest_give_way), cmocka_unit_test(are_buffers_bounded),
		cmocka_unit_test(do_the_oldest_give_their_buffers),
		cmocka_unit_test(are_buffers_bounded), cmocka_unit_test(is_nothing_left_behind),
		cmocka_unit_test(do_long_datagrams_end_at_the_limit),
		cmocka_unit_test(is_a_congestion_mark_kept), cmocka_unit_test(are_the_words_zero),
		cmocka_unit_test(is_udp_put_together_where_it_may_have_esp), // last: ports linger
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, start, stop);
}
