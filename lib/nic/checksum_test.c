// SPDX-License-Identifier: BSD-3-Clause
// Are checksums made before packets are protected, and judged behind what protects them?  Packets
// and their checksums are put together here by hand.
#include "nic/checksum.h"

#include "base/bytes.h"
#include "nic/nic.h"
#include "nic/oob.h"
#include "proto/ah.h"
#include "proto/mutable.h"
#include "support/ground.h"
#include "support/iv_fixed.h"
#include "support/mbufs.h"
#include "support/packet.h"
#include "support/sas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define SPI 0x1000u
#define N_HEADERS_MAX 3
#define AH_BYTES 32u // with an ICV of 16, padded as IPv6 wants it

static struct rte_mempool *pool;
static struct fer_sa_table *out, *in;
static struct fer_nic tx, rx;
static struct fer_batch batch;
static _Atomic uint32_t may;
static struct test_packet packet, whole;
static unsigned n_used;
static uint32_t ah_off; // of the packet

static const struct test_sa transport4 = {.spi = SPI, .version = 4, .contract = true};
static const struct test_sa transport6 = {.spi = SPI + 1, .version = 6, .contract = true};
static const struct test_sa tunnel4 = {
	.spi = SPI + 2, .version = 4, .mode = FER_TUNNEL, .contract = true};
static const struct test_sa tunnel6 = {
	.spi = SPI + 3, .version = 6, .mode = FER_TUNNEL, .contract = true};
static const struct test_sa cbc4 = {.spi = SPI + 4,
	.version = 4,
	.contract = true,
	.encryption = "aes-cbc-128",
	.integrity = "hmac-sha1-96"};

// A packet with up to two layers of protection, innermost first.
struct shape {
	const struct test_sa *sa[2]; // NULL: no such layer
	uint8_t version;             // of the innermost IP header
	uint8_t protocol;            // TCP or UDP
	uint16_t n_options;          // of the innermost IP header
	uint32_t n_data;
	bool has_ah; // around the outermost ESP, or in transport mode alone
};

// Where the fields are that the host leaves open, in the finished packet.
struct fields {
	unsigned n_headers;
	uint32_t header[N_HEADERS_MAX]; // of IPv4, its checksum
	uint32_t upper;                 // checksum of TCP or UDP
};

static uint16_t sum(const uint8_t *at, uint32_t n, uint32_t start)
{
	uint32_t s = start;

	for (uint32_t i = 0; i < n; i++)
		s += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	while (s > 0xffff)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static uint32_t upper_bytes(const struct shape *s)
{
	return s->protocol == FER_PROTO_TCP ? 20 : 8;
}

// TCP or UDP with its checksum.  The last two bytes make that what a test wants.
static void start(const struct shape *s, uint16_t wanted)
{
	uint8_t v = s->version, *at = packet.bytes;
	uint32_t len = upper_bytes(s) + s->n_data, sum_at = s->protocol == FER_PROTO_TCP ? 16 : 6;
	uint8_t ends[32];
	uint32_t n = v == 4 ? 4 : 16;

	test_packet_start(&packet, len, 3);
	if (s->protocol == FER_PROTO_TCP)
		at[12] = 0x50;
	else
		fer_store_be16(at + 4, (uint16_t)len);
	memcpy(ends, test_addr(v, 1).bytes, n);
	memcpy(ends + n, test_addr(v, 2).bytes, n);
	uint16_t pseudo = (uint16_t)~sum(ends, 2 * n, s->protocol + len);
	memset(at + sum_at, 0, 2);
	if (wanted != 0) {
		uint32_t last = (len - 2) & ~1u;
		memset(at + last, 0, 2);
		// The sum of what is there and of this word is what the checksum is to be.
		uint32_t word = (uint16_t)~wanted + sum(at, len, pseudo);
		fer_store_be16(at + last, (uint16_t)((word & 0xffff) + (word >> 16)));
	}
	uint16_t right = sum(at, len, pseudo);
	fer_store_be16(at + sum_at, right == 0 && s->protocol == FER_PROTO_UDP ? 0xffff : right);
}

static void shift(struct fields *f, uint32_t n)
{
	for (unsigned k = 0; k < f->n_headers; k++)
		f->header[k] += n;
	f->upper += n;
	ah_off += n;
}

static void put_ip(struct fields *f, uint8_t version, uint16_t n_options, uint8_t protocol)
{
	const struct test_ip ip = {.version = version, .src = 1, .dst = 2, .n_options = n_options};
	uint32_t before = packet.len;

	test_packet_put_ip(&packet, &ip, protocol);
	shift(f, packet.len - before);
	if (version == 4)
		f->header[f->n_headers++] = 10;
}

static void put_ah(struct fields *f, uint8_t next)
{
	memmove(packet.bytes + AH_BYTES, packet.bytes, packet.len);
	packet.len += AH_BYTES;
	for (unsigned k = 0; k < packet.n_esp; k++)
		packet.esp[k].off += AH_BYTES;
	fer_ah_write(packet.bytes, AH_BYTES, fer_ah_front(AH_BYTES, next, SPI + 99), 5);
	shift(f, AH_BYTES);
	ah_off = 0;
}

// The finished packet, framed but not sealed, with all checksums.
static struct fields make(
	const struct shape *s, uint16_t wanted, uint64_t seq, struct oracle_sa oracle[2])
{
	struct fields f = {.upper = s->protocol == FER_PROTO_TCP ? 16 : 6};
	uint8_t next = s->protocol;
	bool has_ip = false;

	start(s, wanted);
	for (unsigned k = 0; k < 2 && s->sa[k] != NULL; k++) {
		bool is_tunnel = s->sa[k]->mode == FER_TUNNEL;
		bool is_last = k == 1 || s->sa[1] == NULL;

		oracle[k] = test_sa_oracle(s->sa[k]);
		if (is_tunnel && !has_ip)
			put_ip(&f, s->version, s->n_options, next);
		if (is_tunnel)
			next = packet.bytes[0] >> 4 == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6;
		test_packet_put_esp(&packet, &oracle[k], s->sa[k]->spi, seq, next);
		shift(&f, 8u + oracle[k].suite.iv_bytes);
		next = FER_PROTO_ESP;
		if (s->has_ah && is_last)
			put_ah(&f, next);
		put_ip(&f, s->sa[k]->version, is_tunnel ? 0 : s->n_options,
			s->has_ah && is_last ? FER_PROTO_AH : next);
		has_ip = true;
	}
	if (!has_ip && s->has_ah)
		put_ah(&f, next);
	if (!has_ip)
		put_ip(&f, s->version, s->n_options, s->has_ah ? FER_PROTO_AH : next);
	test_packet_put_ethernet(&packet, 0);
	shift(&f, 14);
	return f;
}

static uint32_t header_word(const struct shape *s)
{
	const struct test_esp *e = &packet.esp[0];
	uint32_t trailer;

	if (packet.n_esp == 0)
		return s->has_ah ? (ah_off - 14) / 4 << 16 | s->protocol : 0;
	trailer = e->off + e->len - e->sa->suite.icv_bytes - 2;
	return (e->off - packet.ip_off) / 4 << 24 |
	       (s->has_ah && packet.n_esp == 1 ? (ah_off - 14) / 4 << 16 : 0) |
	       (uint32_t)packet.bytes[trailer] << 8 | packet.bytes[trailer + 1];
}

static uint64_t handles[2];

// An SA with AH, around ESP if there is one.
static uint64_t add_with_ah(struct fer_sa_table *t, const struct test_sa *esp, uint8_t version,
	enum fer_direction direction)
{
	static const uint8_t ah_key[FER_MAX_KEY_BYTES];
	struct oracle_sa o = {0};
	struct fer_sa_params p = {
		.direction = direction,
		.group = FER_NO_GROUP,
		.src = test_addr(version, 1),
		.dst = test_addr(version, 2),
		.contract = true,
		.ah = {.spi = SPI + 99,
			.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128"),
			.key = ah_key},
	};
	uint64_t handle;
	const char *why;

	if (esp != NULL) {
		o = test_sa_oracle(esp);
		p.mode = esp->mode;
		p.spi = esp->spi;
		p.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128");
		p.encryption_key = o.encryption_key;
	}
	p.outer = test_outer_usual;
	if (fer_sa_add(t, &p, &handle, &why) != 0)
		fail_msg("%s", why);
	return handle;
}

static void add_to(struct fer_sa_table *t, const struct shape *s, enum fer_direction direction)
{
	for (unsigned k = 0; k < 2; k++) {
		const struct test_sa *sa = s->sa[k];
		bool has_ah = s->has_ah && (k == 1 ? sa != NULL : s->sa[1] == NULL);

		if (has_ah)
			handles[k] = add_with_ah(
				t, sa, sa == NULL ? s->version : sa->version, direction);
		else
			handles[k] = sa == NULL ? 0 : test_sa_add(t, sa, direction);
	}
}

static void add(const struct shape *s)
{
	add_to(out, s, FER_OUT);
}

static void drop(struct fer_sa_table *t)
{
	for (unsigned k = 0; k < 2; k++)
		if (handles[k] != 0)
			assert_int_equal(fer_sa_remove(t, handles[k]), 0);
	fer_sa_reclaim(t);
}

static void run(struct fer_nic *nic, struct rte_mbuf *m)
{
	batch.n = 1;
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = m;
	fer_batch_parse(&batch);
	if (nic == &tx)
		fer_nic_transmit(nic, &batch);
	else
		fer_nic_receive(nic, &batch);
}

static void done(void)
{
	rte_pktmbuf_free_bulk(batch.m, batch.n);
	batch.n = 0;
}

// What was sent, opened again: IVs and ICVs are as they were framed.  That of AH is not looked at.
static void open_sent(const struct shape *s, uint8_t *got)
{
	uint32_t icv_at = ah_off + 12;

	assert_int_equal(test_flatten(batch.m[0], got, TEST_PACKET_BYTES), whole.len);
	if (s->has_ah) {
		assert_memory_not_equal(got + icv_at, whole.bytes + icv_at, AH_BYTES - 12);
		memcpy(got + icv_at, whole.bytes + icv_at, AH_BYTES - 12);
	}
	for (unsigned k = whole.n_esp; k-- > 0;) {
		const struct test_esp *e = &whole.esp[k];
		uint32_t icv = e->sa->suite.icv_bytes, end = e->off + e->len;

		assert_true(oracle_open(e->sa, got + e->off, e->len, e->seq_hi));
		memcpy(got + e->off + 8, whole.bytes + e->off + 8, e->sa->suite.iv_bytes);
		memcpy(got + end - icv, whole.bytes + end - icv, icv);
	}
}

static void blank(const struct fields *f, bool headers, bool upper)
{
	for (unsigned h = 0; headers && h < f->n_headers; h++)
		memset(packet.bytes + f->header[h], 0xa5, 2);
	if (upper)
		memset(packet.bytes + f->upper, 0x5a, 2);
}

static uint32_t ask_of(const struct shape *s)
{
	return FER_OOB_SUM_IP | (s->protocol == FER_PROTO_TCP ? FER_OOB_SUM_TCP : FER_OOB_SUM_UDP) |
	       (s->version == 4 ? 1 : 2) | 77u << 16;
}

static void send(const struct fer_oob *words, const uint32_t cuts[], unsigned n)
{
	struct rte_mbuf *m = test_mbuf_cut(pool, packet.bytes, packet.len, cuts, n);

	*fer_oob_of(m) = *words;
	run(&tx, m);
}

// Sends the packet without its checksums, and looks for them behind the protection.
static void check_sent(const struct shape *s, uint16_t wanted, const uint32_t cuts[], unsigned n)
{
	static uint8_t got[TEST_PACKET_BYTES];
	struct oracle_sa oracle[2];
	struct fields f = make(s, wanted, 5, oracle);
	const struct fer_oob words = {
		.checksum = ask_of(s),
		.ipsec = handles[0],
		.tunnel = handles[1],
		.header = header_word(s),
	};

	whole = packet;
	blank(&f, true, true);
	send(&words, cuts, n);
	assert_int_equal(batch.pkt[0].verdict, FER_OK);
	open_sent(s, got);
	assert_memory_equal(got, whole.bytes, whole.len);
	done();
}

static const struct shape shapes[] = {
	{.version = 4, .protocol = FER_PROTO_TCP},
	{.version = 6, .protocol = FER_PROTO_UDP},
	{.sa = {&transport4}, .version = 4, .protocol = FER_PROTO_UDP},
	{.sa = {&transport6}, .version = 6, .protocol = FER_PROTO_TCP},
	{.sa = {&cbc4}, .version = 4, .protocol = FER_PROTO_TCP},
	{.sa = {&tunnel4}, .version = 4, .protocol = FER_PROTO_TCP},
	{.sa = {&tunnel4}, .version = 6, .protocol = FER_PROTO_TCP},
	{.sa = {&tunnel6}, .version = 4, .protocol = FER_PROTO_UDP},
	{.sa = {&tunnel6}, .version = 6, .protocol = FER_PROTO_UDP},
	{.sa = {&transport4, &tunnel4}, .version = 4, .protocol = FER_PROTO_TCP},
	{.sa = {&transport6, &tunnel4}, .version = 6, .protocol = FER_PROTO_UDP},
	{.sa = {&transport4, &tunnel6}, .version = 4, .protocol = FER_PROTO_UDP},
	{.version = 4, .protocol = FER_PROTO_TCP, .has_ah = true},
	{.version = 6, .protocol = FER_PROTO_UDP, .has_ah = true},
	{.sa = {&transport4}, .version = 4, .protocol = FER_PROTO_UDP, .has_ah = true},
	{.sa = {&tunnel6}, .version = 4, .protocol = FER_PROTO_TCP, .has_ah = true},
	{.sa = {&transport4, &tunnel4}, .version = 4, .protocol = FER_PROTO_TCP, .has_ah = true},
};

//
static void are_sums_made_before_protection(void **state)
{
	const uint32_t none = 0;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
		struct shape s = shapes[i];

		add(&s);
		for (s.n_options = 0; s.n_options <= 8; s.n_options += 8)
			for (s.n_data = 0; s.n_data < 40; s.n_data += 3)
				check_sent(&s, 0, &none, 0);
		s.n_data = 1400;
		check_sent(&s, 0, &none, 0);
		drop(out);
	}
}

static void do_cuts_change_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
		struct shape s = shapes[i];

		add(&s);
		s.n_data = 21;
		for (uint32_t cut = 1; cut < 200; cut++) {
			const uint32_t cuts[] = {cut, cut + 1};

			check_sent(&s, 0, cuts, 2);
		}
		drop(out);
	}
}

// RFC 768: 0 would say that there is none.
static void is_a_sum_of_0_sent_as_all_ones(void **state)
{
	const uint32_t none = 0;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
		struct shape s = shapes[i];

		s.n_data = 8;
		add(&s);
		check_sent(&s, UINT16_MAX, &none, 0); // both are 0 in one's complement
		drop(out);
	}
}

// What nobody asked for, or nobody configured, stays.
static void is_nothing_else_written(void **state)
{
	static const uint32_t all = FER_NIC_SUM_IP4 | FER_NIC_SUM_TCP4 | FER_NIC_SUM_UDP4 |
				    FER_NIC_SUM_TCP6 | FER_NIC_SUM_UDP6;
	const uint32_t none = 0;

	(void)state;
	for (unsigned i = 0; i < 2 * RTE_DIM(shapes); i++) {
		struct shape s = shapes[i / 2];
		static uint8_t got[TEST_PACKET_BYTES];
		struct oracle_sa oracle[2];

		s.n_data = 30;
		add(&s);
		struct fields f = make(&s, 0, 5, oracle);
		const struct fer_oob words = {
			.checksum = i % 2 == 0 ? 0 : ask_of(&s),
			.ipsec = handles[0],
			.tunnel = handles[1],
			.header = header_word(&s),
		};
		blank(&f, false, true);
		whole = packet;
		atomic_store(&may, i % 2 == 0 ? UINT32_MAX : ~all);
		send(&words, &none, 0);
		assert_int_equal(batch.pkt[0].verdict, FER_OK);
		open_sent(&s, got);
		assert_memory_equal(got, whole.bytes, whole.len);
		done();
		drop(out);
	}
	atomic_store(&may, UINT32_MAX);
}

// Garbage in headers and words: nothing is read or written outside of the packet.
static void does_garbage_stay_within_its_packet(void **state)
{
	const uint32_t none = 0;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
		struct shape s = shapes[i];
		struct oracle_sa oracle[2];

		s.n_data = 10;
		add(&s);
		make(&s, 0, 5, oracle);
		whole = packet;
		for (uint32_t at = 14; at < whole.len; at++)
			for (unsigned bit = 0; bit < 8; bit++) {
				const struct fer_oob words = {.checksum = ask_of(&s),
					.ipsec = handles[0],
					.tunnel = handles[1],
					.header = header_word(&s)};
				packet = whole;
				packet.bytes[at] ^= (uint8_t)(1 << bit);
				send(&words, &none, 0);
				rte_mbuf_sanity_check(batch.m[0], 1);
				assert_int_equal(batch.m[0]->pkt_len, whole.len);
				done();
			}
		for (uint32_t len = 14; len < whole.len; len++) {
			const struct fer_oob words = {.checksum = ask_of(&s),
				.ipsec = handles[0],
				.tunnel = handles[1],
				.header = header_word(&s)};
			packet = whole;
			packet.len = len;
			send(&words, &none, 0);
			assert_int_equal(batch.m[0]->pkt_len, len);
			done();
		}
		drop(out);
	}
}

// --- receive ----------------------------------------------------------------------------------

static uint32_t word(void)
{
	return fer_oob_of(batch.m[0])->checksum;
}

// Seals what there is of ESP, and AH around the outermost header.
static void seal(const struct shape *s)
{
	static uint8_t copy[TEST_PACKET_BYTES];
	struct oracle_sa o = {0};
	uint32_t at = ah_off + 12;

	test_packet_seal_all(&packet);
	if (!s->has_ah)
		return;
	assert_null(
		fer_suite_init_ah(&o.suite, fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128"), 0));
	memcpy(copy, packet.bytes, packet.len);
	assert_true(fer_mutable_mask(copy + 14, (ah_off - 14)));
	oracle_ah_icv(&o, copy + 14, packet.len - 14, 0, NULL, packet.bytes + at);
}

static void receive(const struct shape *s, const uint32_t cuts[], unsigned n)
{
	seal(s);
	run(&rx, test_mbuf_cut(pool, packet.bytes, packet.len, cuts, n));
}

static void expect(const struct shape *s, uint32_t wanted)
{
	if (word() != wanted)
		fail_msg("shape %ld: slot 0 is %#x, not %#x", (long)(s - shapes), word(), wanted);
	done();
}

static uint32_t succeeded(const struct shape *s)
{
	return s->protocol == FER_PROTO_TCP ? FER_OOB_TCP_SUCCEEDED : FER_OOB_UDP_SUCCEEDED;
}

static uint32_t failed(const struct shape *s)
{
	return s->protocol == FER_PROTO_TCP ? FER_OOB_TCP_FAILED : FER_OOB_UDP_FAILED;
}

static void add_inbound(const struct shape *s)
{
	add_to(in, s, FER_IN);
}

//
static void are_sums_judged_behind_protection(void **state)
{
	const uint32_t none = 0;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
		struct shape copy = shapes[i];
		const struct shape *s = &shapes[i];
		struct oracle_sa oracle[2];

		add_inbound(s);
		for (copy.n_data = 2; copy.n_data < 60; copy.n_data += 7) {
			struct fields f = make(&copy, 0, 5, oracle);
			uint32_t ip = f.n_headers > 0 ? FER_OOB_IP_SUCCEEDED : 0;

			receive(s, &none, 0);
			expect(s, ip | succeeded(s));
			for (uint32_t cut = 14; cut < 120; cut += 5) {
				const uint32_t cuts[] = {cut, cut + 3};
				make(&copy, 0, 5, oracle);
				receive(s, cuts, 2);
				expect(s, ip | succeeded(s));
			}
			make(&copy, 0, 5, oracle);
			packet.bytes[f.upper] ^= 1;
			receive(s, &none, 0);
			expect(s, ip | failed(s));
			make(&copy, 0, 5, oracle);
			packet.bytes[f.upper + copy.n_data] ^= 0x80; // data
			receive(s, &none, 0);
			expect(s, ip | failed(s));
		}
		drop(in);
	}
}

// Of two headers one that is wrong is enough, and what cannot be parsed behind it is not judged.
static void is_one_wrong_header_a_failure(void **state)
{
	const uint32_t none = 0;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct shape copy = *s;
		struct oracle_sa oracle[2];
		struct fields f;

		copy.n_data = 20;
		add_inbound(s);
		f = make(&copy, 0, 5, oracle);
		for (unsigned h = 0; h < f.n_headers; h++) {
			make(&copy, 0, 5, oracle);
			packet.bytes[f.header[h]] ^= 1;
			receive(s, &none, 0);
			expect(s, FER_OOB_IP_FAILED);
		}
		drop(in);
	}
}

// RFC 768: a UDP packet over IPv4 may be without; RFC 8200 section 8.1: over IPv6 it may not.
static void is_udp_without_sum_not_judged(void **state)
{
	const uint32_t none = 0;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct shape copy = *s;
		struct oracle_sa oracle[2];

		if (s->protocol != FER_PROTO_UDP)
			continue;
		copy.n_data = 20;
		add_inbound(s);
		struct fields f = make(&copy, 0, 5, oracle);
		memset(packet.bytes + f.upper, 0, 2);
		receive(s, &none, 0);
		expect(s, (f.n_headers > 0 ? FER_OOB_IP_SUCCEEDED : 0) |
				  (s->version == 6 ? FER_OOB_UDP_FAILED : 0));
		drop(in);
	}
}

// What does not verify is not in the clear: its checksums are nobody's business.
static void is_what_stays_closed_not_judged(void **state)
{
	const uint32_t none = 0;

	(void)state;
	for (unsigned i = 2; i < RTE_DIM(shapes); i++) {
		const struct shape *s = &shapes[i];
		if (s->has_ah)
			continue; // AH alone hides nothing
		struct shape copy = *s;
		struct oracle_sa oracle[2];
		bool is_v4;

		copy.n_data = 20;
		for (unsigned known = 0; known < 2; known++) {
			if (known)
				add_inbound(s);
			make(&copy, 0, 5, oracle);
			is_v4 = packet.bytes[14] >> 4 == 4;
			seal(s);
			packet.bytes[packet.len - 1] ^= 1;
			run(&rx, test_mbuf_cut(pool, packet.bytes, packet.len, &none, 0));
			expect(s, is_v4 ? FER_OOB_IP_SUCCEEDED : 0);
		}
		drop(in);
	}
}

static void is_what_is_not_configured_not_judged(void **state)
{
	const uint32_t none = 0;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct shape copy = *s;
		struct oracle_sa oracle[2];
		uint32_t sums[2] = {s->version == 4 ? FER_NIC_SUM_TCP4 : FER_NIC_SUM_TCP6,
			s->version == 4 ? FER_NIC_SUM_UDP4 : FER_NIC_SUM_UDP6};
		uint32_t upper = FER_NIC_JUDGE(sums[s->protocol == FER_PROTO_UDP]);
		uint32_t header = FER_NIC_JUDGE(FER_NIC_SUM_IP4);

		copy.n_data = 20;
		add_inbound(s);
		for (unsigned without = 0; without < 4; without++) {
			uint32_t bits = (without & 1 ? upper : 0) | (without & 2 ? header : 0);
			struct fields f = make(&copy, 0, 5, oracle);

			atomic_store(&may, UINT32_MAX & ~bits);
			receive(s, &none, 0);
			expect(s, (without & 1 ? 0 : succeeded(s)) |
					  (without & 2 || f.n_headers == 0 ? 0
									   : FER_OOB_IP_SUCCEEDED));
		}
		atomic_store(&may, UINT32_MAX);
		drop(in);
	}
}

static void are_frames_that_are_no_ip_not_judged(void **state)
{
	const uint32_t none = 0;

	(void)state;
	test_packet_start(&packet, 60, 3);
	fer_store_be16(packet.bytes + 12, 0x0806);
	for (unsigned len = 1; len <= 60; len++) {
		packet.len = len;
		run(&rx, test_mbuf_cut(pool, packet.bytes, packet.len, &none, 0));
		assert_int_equal(word(), 0);
		done();
	}
}

static int open_one(void **state)
{
	(void)state;
	n_used = rte_mempool_in_use_count(pool);
	out = test_sas_open("checksum-out", test_engine);
	in = test_sas_open("checksum-in", test_engine);
	if (fer_nic_init(&tx, out, test_iv_fixed()) != 0 ||
		fer_nic_init(&rx, in, test_iv_fixed()) != 0)
		return -1;
	atomic_store(&may, UINT32_MAX);
	tx.may = rx.may = &may;
	tx.has_slots = rx.has_slots = true;
	return 0;
}

static int close_one(void **state)
{
	(void)state;
	fer_nic_fini(&tx);
	fer_nic_fini(&rx);
	fer_sa_table_destroy(out);
	fer_sa_table_destroy(in);
	return rte_mempool_in_use_count(pool) == n_used ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(are_sums_made_before_protection),
		TEST(do_cuts_change_nothing),
		TEST(is_a_sum_of_0_sent_as_all_ones),
		TEST(is_nothing_else_written),
		TEST(does_garbage_stay_within_its_packet),
		TEST(are_sums_judged_behind_protection),
		TEST(is_one_wrong_header_a_failure),
		TEST(is_udp_without_sum_not_judged),
		TEST(is_what_stays_closed_not_judged),
		TEST(is_what_is_not_configured_not_judged),
		TEST(are_frames_that_are_no_ip_not_judged),
	};
	int error;

	test_ground_open("128");
	pool = test_pool("checksum", 255, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
