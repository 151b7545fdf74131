// SPDX-License-Identifier: BSD-3-Clause
// Does the NIC half do to a framed packet what its words ask, and nothing else?  Packets and words
// are made here by hand, as a host would that knows the contract and no code of ours.
#include "nic/nic.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "support/packet.h"
// Last: its names are short.
#include "nic/nic_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SPI 0x1000u

static struct test_packet packet; // framed, not sealed
static uint8_t got[TEST_PACKET_BYTES];

static struct test_known add(struct test_sa sa)
{
	return test_sa_known(sas, sa, FER_OUT);
}

static const struct test_sa transport = {.spi = SPI, .mode = FER_TRANSPORT, .version = 4};
static const struct test_sa tunnel = {.spi = SPI + 1, .mode = FER_TUNNEL, .version = 4};

// Puts one layer around what is there: in tunnel mode an IP packet.
static void put_layer(const struct test_known *k, uint64_t seq, uint16_t n_options)
{
	const struct test_ip ip = {
		.version = k->sa.version, .src = 1, .dst = 2, .n_options = n_options};
	uint8_t next = FER_PROTO_UDP;

	if (k->sa.mode == FER_TUNNEL)
		next = packet.bytes[0] >> 4 == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6;
	test_packet_put_esp(&packet, &k->oracle, k->sa.spi, seq, next);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
}

static void put_inner(uint8_t version)
{
	const struct test_ip ip = {.version = version, .src = 11, .dst = 12};

	test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
}

// A packet with one layer; in tunnel mode around a packet of the other version.
static void frame(const struct test_known *k, uint64_t seq, uint32_t payload)
{
	test_packet_start(&packet, payload, (unsigned)seq);
	if (k->sa.mode == FER_TUNNEL)
		put_inner(k->sa.version == 4 ? 6 : 4);
	put_layer(k, seq, 0);
	test_packet_put_ethernet(&packet, 0);
}

static uint32_t offset_word(uint32_t off)
{
	return off / 4 << 24;
}

// Slot 12 for layer k of the packet.
static uint32_t header_word(unsigned k)
{
	return offset_word(packet.esp[k].off - packet.ip_off);
}

static void put(unsigned i, struct rte_mbuf *m, uint64_t slot1, uint64_t slot11, uint32_t slot12)
{
	fer_oob_of(m)->ipsec = slot1;
	fer_oob_of(m)->tunnel = slot11;
	fer_oob_of(m)->header = slot12;
	batch.m[i] = m;
}

static void transmit(unsigned n)
{
	batch.n = (uint16_t)n;
	batch.link = FER_LINK_ETHERNET;
	fer_batch_parse(&batch);
	fer_nic_transmit(&nic, &batch);
}

static enum fer_verdict transmit_one(
	struct rte_mbuf *m, uint64_t slot1, uint64_t slot11, uint32_t slot12)
{
	put(0, m, slot1, slot11, slot12);
	transmit(1);
	return batch.pkt[0].verdict;
}

static struct rte_mbuf *whole(void)
{
	return test_mbuf(pool, packet.bytes, packet.len);
}

// Copies the rooms that the NIC fills back from what was framed.
static void restore_rooms(const struct test_esp *e)
{
	uint32_t icv = e->sa->suite.icv_bytes, end = e->off + e->len;

	memcpy(got + e->off + 8, packet.bytes + e->off + 8, e->sa->suite.iv_bytes);
	memcpy(got + end - icv, packet.bytes + end - icv, icv);
}

// Does the oracle open what became of the packet, with nothing changed but what it seals?  iv:
// where the first 8 bytes of the IV of each layer go.
static void assert_sealed(const struct rte_mbuf *m, uint64_t iv[TEST_MAX_ESP])
{
	assert_int_equal(test_flatten(m, got, sizeof(got)), packet.len);
	for (unsigned k = packet.n_esp; k-- > 0;) {
		const struct test_esp *e = &packet.esp[k];

		assert_memory_not_equal(got + e->off + 8, packet.bytes + e->off + 8, e->len - 8);
		if (!oracle_open(e->sa, got + e->off, e->len, e->seq_hi))
			fail_msg("layer %u does not verify", k);
		iv[k] = fer_load_be64(got + e->off + 8);
		restore_rooms(e);
	}
	assert_memory_equal(got, packet.bytes, packet.len);
	rte_mbuf_sanity_check(m, 1);
}

static void check_sealed(const struct test_known *k, uint64_t seq, uint32_t payload)
{
	uint64_t iv[TEST_MAX_ESP];

	frame(k, seq, payload);
	assert_verdict(transmit_one(whole(), k->handle, 0, header_word(0)), FER_OK);
	assert_sealed(batch.m[0], iv);
	done();
}

// RFC 4303 section 3.3, for all algorithms, both modes and both versions.  Payloads of 0 to 40
// bytes bring every length of padding.
static void does_every_suite_seal_what_openssl_opens(void **state)
{
	static struct test_sa list[TEST_MAX_SUITES];
	unsigned n = test_sa_suites(list, SPI);

	(void)state;
	for (unsigned i = 0; i < n; i++)
		for (unsigned shape = 0; shape < 4; shape++) {
			list[i].spi = SPI + i * 4 + shape;
			list[i].mode = shape & 1 ? FER_TUNNEL : FER_TRANSPORT;
			list[i].version = shape & 2 ? 6 : 4;
			struct test_known k = add(list[i]);

			for (uint32_t payload = 0; payload <= 40; payload++)
				check_sealed(&k, 7, payload);
			check_sealed(&k, UINT32_MAX, 1400);
			assert_int_equal(fer_sa_remove(sas, k.handle), 0);
			fer_sa_reclaim(sas);
		}
}

// RFC 4303 section 2.2.1: the high half is authenticated and not sent.
static void is_the_high_half_of_a_number_authenticated(void **state)
{
	static const uint64_t lasts[] = {1, UINT32_MAX, UINT64_C(1) << 32, UINT64_C(0x300000005)};
	uint32_t spi = SPI;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(lasts); i++)
		for (unsigned cbc = 0; cbc < 2; cbc++) {
			struct test_sa sa = transport;

			sa.spi = spi++;
			sa.esn = true;
			sa.sequence = lasts[i];
			if (cbc == 1)
				sa = test_sa_with(sa, "aes-cbc-128", "hmac-sha2-256-128");
			struct test_known k = add(sa);
			check_sealed(&k, lasts[i], 50);
			check_sealed(&k, lasts[i] - 1, 50);
		}
}

// No words: the packet leaves as it came.
static void is_a_packet_without_handle_left_alone(void **state)
{
	struct test_known k = add(transport);

	(void)state;
	frame(&k, 1, 40);
	assert_verdict(transmit_one(whole(), 0, 0, header_word(0)), FER_OK);
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	assert_int_equal(batch.pkt[0].n_layers, 0);
	done();
}

static void is_a_frame_that_is_no_ip_left_alone(void **state)
{
	(void)state;
	test_packet_start(&packet, 60, 3);
	assert_verdict(transmit_one(whole(), 0, 0, 0), FER_OK);
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();
}

static void refuse(uint64_t slot1, uint64_t slot11, uint32_t slot12, enum fer_verdict want)
{
	assert_verdict(transmit_one(whole(), slot1, slot11, slot12), want);
	assert_int_equal(fer_verdict_kind(want), FER_KIND_FAIL);
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();
}

// It was the SA of the packet before.
static void does_an_sa_seal_nothing_once_it_is_removed(void **state)
{
	struct test_known k = add(tunnel);

	(void)state;
	check_sealed(&k, 1, 40);
	frame(&k, 2, 40);
	assert_int_equal(fer_sa_remove(sas, k.handle), 0);
	refuse(k.handle, 0, header_word(0), FER_BAD_HANDLE);
}

// Never issued, removed, of another generation, inbound: nothing of it goes out protected or not.
static void is_a_handle_that_names_no_sa_refused(void **state)
{
	struct test_known gone = add(tunnel), live = add(transport);
	struct test_sa in = {.spi = SPI + 9, .version = 4};
	uint64_t inbound = test_sa_add(sas, &in, FER_IN);
	const uint64_t handles[] = {inbound, gone.handle, live.handle + (UINT64_C(1) << 32),
		live.handle & UINT32_MAX, live.handle + 77, UINT64_MAX, 1, UINT64_C(1) << 63};

	(void)state;
	assert_int_equal(fer_sa_remove(sas, gone.handle), 0);
	frame(&live, 1, 40);
	for (unsigned i = 0; i < RTE_DIM(handles); i++) {
		refuse(handles[i], 0, header_word(0), FER_BAD_HANDLE);
		refuse(0, handles[i], header_word(0), FER_BAD_HANDLE);
		refuse(live.handle, handles[i], header_word(0), FER_BAD_HANDLE);
		refuse(handles[i], live.handle, header_word(0), FER_BAD_HANDLE);
	}
}

// Of all offsets that the word can say, one is right; the others point at other bytes or outside.
static void does_the_offset_have_to_be_that_of_the_header(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 2; mode++) {
		struct test_known k = add(mode == 0 ? transport : tunnel);

		frame(&k, 1, 300);
		for (uint32_t off = 0; off <= FER_OOB_MAX_OFFSET; off += 4) {
			if (off != packet.esp[0].off - packet.ip_off)
				refuse(k.handle, 0, offset_word(off), FER_BAD_OFFSET);
		}
	}
}

// The right SPI where there is no room for a whole ESP packet.
static void does_the_header_have_to_fit(void **state)
{
	struct test_known k = add(transport);
	uint32_t least = 8 + 8 + 4 + 16;

	(void)state;
	for (uint32_t len = 0; len < least; len++) {
		const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

		test_packet_start(&packet, len, 0);
		if (len >= 4)
			fer_store_be32(packet.bytes, SPI);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
		test_packet_put_ethernet(&packet, 0);
		refuse(k.handle, 0, offset_word(20), FER_BAD_OFFSET);
		test_packet_pad(&packet, least); // Ethernet padding is no room
		refuse(k.handle, 0, offset_word(20), FER_BAD_OFFSET);
	}
}

static void is_a_frame_that_is_no_sound_ip_refused(void **state)
{
	struct test_known k = add(transport);

	(void)state;
	frame(&k, 1, 40);
	packet.bytes[packet.ip_off + 3]++; // a length beyond the frame
	refuse(k.handle, 0, header_word(0), FER_BAD_OFFSET);
}

// What was known of the packet before it does not count.
static void is_a_frame_that_is_no_ip_refused(void **state)
{
	struct test_known k = add(transport);

	(void)state;
	frame(&k, 1, 40);
	assert_verdict(transmit_one(whole(), k.handle, 0, header_word(0)), FER_OK);
	done();
	packet.bytes[12]++;
	refuse(k.handle, 0, header_word(0), FER_BAD_OFFSET);
}

// No header stands at offset 0, even where the first bytes of the packet look like the SPI.
static void is_offset_0_no_offset(void **state)
{
	struct test_sa sa = transport;

	(void)state;
	sa.spi = 0x45000000 | (20 + 16 + 42 + 2 + 16); // version, length of header and packet
	struct test_known k = add(sa);
	frame(&k, 1, 42);
	assert_int_equal(fer_load_be32(packet.bytes + packet.ip_off), sa.spi);
	refuse(k.handle, 0, 0, FER_BAD_OFFSET);
}

// Plaintext that is no multiple of the block: the host framed it wrong.
static void is_plaintext_of_odd_length_not_sealed(void **state)
{
	struct test_known k = add(test_sa_with(transport, "aes-cbc-128", "hmac-sha1-96"));
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

	(void)state;
	for (uint32_t odd = 1; odd < 16; odd++) {
		test_packet_start(&packet, 8 + 16 + 32 + odd + 12, 0);
		fer_store_be32(packet.bytes, SPI);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
		test_packet_put_ethernet(&packet, 0);
		assert_verdict(
			transmit_one(whole(), k.handle, 0, offset_word(20)), FER_CRYPTO_ERROR);
		done();
	}
}

// Transport inside tunnel: inner first.
static void frame_nested(const struct test_known *inner, const struct test_known *outer,
	uint32_t payload, unsigned n_tags)
{
	test_packet_start(&packet, payload, 1);
	put_layer(inner, 21, inner->sa.version == 4 ? 8 : 16);
	put_layer(outer, 22, 0);
	test_packet_put_ethernet(&packet, n_tags);
}

static void is_the_inner_layer_sealed_first(void **state)
{
	uint64_t iv[TEST_MAX_ESP];

	(void)state;
	for (unsigned shape = 0; shape < 8; shape++) {
		struct test_sa a = transport, b = tunnel;

		a.spi = SPI + shape * 2;
		b.spi = SPI + shape * 2 + 1;
		a.version = shape & 1 ? 6 : 4;
		b.version = shape & 2 ? 6 : 4;
		if (shape & 4)
			a = test_sa_with(a, "aes-cbc-256", "hmac-sha1-96");
		struct test_known inner = add(a), outer = add(b);
		frame_nested(&inner, &outer, 100 + shape, shape % 3);
		assert_verdict(
			transmit_one(whole(), inner.handle, outer.handle, header_word(0)), FER_OK);
		assert_sealed(batch.m[0], iv);
		done();
		refuse(inner.handle, outer.handle, header_word(1), FER_BAD_OFFSET);
		refuse(inner.handle, outer.handle, header_word(0) + offset_word(4), FER_BAD_OFFSET);
		refuse(outer.handle, inner.handle, header_word(0), FER_BAD_OFFSET);
		refuse(inner.handle, inner.handle, header_word(0), FER_BAD_OFFSET);
	}
}

// The SPI stands in the payload, too.
static void is_another_place_with_the_spi_refused(void **state)
{
	struct test_known inner = add(transport), outer = add(tunnel);

	(void)state;
	test_packet_start(&packet, 200, 1);
	fer_store_be32(packet.bytes + 40, SPI);
	put_layer(&inner, 21, 0);
	put_layer(&outer, 22, 0);
	test_packet_put_ethernet(&packet, 0);
	refuse(inner.handle, outer.handle, header_word(0) + offset_word(16 + 40), FER_BAD_OFFSET);
}

// A tunnel alone may be named by slot 1 or by slot 11.
static void may_either_slot_name_a_tunnel(void **state)
{
	struct test_known k = add(tunnel);
	uint64_t iv[TEST_MAX_ESP];

	(void)state;
	frame(&k, 1, 40);
	assert_verdict(transmit_one(whole(), 0, k.handle, header_word(0)), FER_OK);
	assert_sealed(batch.m[0], iv);
	assert_int_equal(iv[0], TEST_IV_START);
	done();
}

static void transmit_cut(
	const struct test_known *k, const struct test_known *outer, uint32_t a, uint32_t b)
{
	struct rte_mbuf *m = test_mbuf_cut(pool, packet.bytes, packet.len, (uint32_t[]){a, b}, 2);
	uint64_t iv[TEST_MAX_ESP];

	assert_verdict(
		transmit_one(m, k->handle, outer == NULL ? 0 : outer->handle, header_word(0)),
		FER_OK);
	assert_sealed(batch.m[0], iv);
	done();
}

static void do_cuts_change_nothing(void **state)
{
	struct test_known all[] = {add(transport),
		add(test_sa_with(tunnel, "aes-cbc-128", "hmac-sha2-256-128")),
		add((struct test_sa){.spi = SPI + 2,
			.encryption = "null",
			.integrity = "hmac-sha1-96",
			.version = 6})};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(all); i++) {
		frame(&all[i], 5, 21);
		for (uint32_t a = 0; a < packet.len; a++)
			for (uint32_t b = a; b < packet.len; b++)
				transmit_cut(&all[i], NULL, a, b);
	}
}

static void do_cuts_change_nothing_in_nested_layers(void **state)
{
	struct test_known inner = add(transport), outer = add(tunnel);

	(void)state;
	frame_nested(&inner, &outer, 21, 0);
	for (uint32_t a = 0; a < packet.len; a++)
		for (uint32_t b = a; b < packet.len; b += 3)
			transmit_cut(&inner, &outer, a, b);
}

// RFC 4106 section 3.1: counter IVs never repeat under one key, whatever shape the packets have.
static void is_no_iv_used_twice(void **state)
{
	struct test_known gcm[] = {add(transport), add(tunnel)};
	uint64_t ivs[2][64], iv[TEST_MAX_ESP];
	unsigned n[2] = {0};

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		const struct test_known *k = &gcm[i / 3 % 2];
		uint32_t cut = i % 5 == 0 ? 60 : 0;

		frame(k, i + 1, 40);
		put(i, test_mbuf_cut(pool, packet.bytes, packet.len, &cut, 1), k->handle, 0,
			header_word(0));
	}
	transmit(64);
	for (unsigned i = 0; i < 64; i++) {
		unsigned of = i / 3 % 2;

		frame(&gcm[of], i + 1, 40);
		assert_sealed(batch.m[i], iv);
		for (unsigned j = 0; j < n[of]; j++)
			assert_int_not_equal(ivs[of][j], iv[0]);
		ivs[of][n[of]++] = iv[0];
		assert_in_range(iv[0] - TEST_IV_START, 0, 63);
	}
	done();
}

// Equal blocks under CBC would tell equal plaintexts (RFC 3602 section 3).
static void are_cbc_ivs_all_different(void **state)
{
	struct test_known k = add(test_sa_with(transport, "aes-cbc-128", "hmac-sha1-96"));
	static uint64_t ivs[200][TEST_MAX_ESP];

	(void)state;
	frame(&k, 1, 40);
	for (unsigned i = 0; i < RTE_DIM(ivs); i++)
		put(i, whole(), k.handle, 0, header_word(0));
	transmit(RTE_DIM(ivs));
	for (unsigned i = 0; i < RTE_DIM(ivs); i++) {
		assert_sealed(batch.m[i], ivs[i]);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(ivs[i][0], ivs[j][0]);
	}
	done();
}

// One kind of packet for each place of a burst.
enum kind { GCM, CBC, NESTED, CUT, PLAIN, NO_HANDLE, NO_OFFSET, OTHER_SPI, N_KINDS };

static void frame_kind(unsigned i, const struct test_known k[3], enum kind kind)
{
	if (kind == NESTED)
		frame_nested(&k[0], &k[2], 30 + i, 0);
	else
		frame(&k[kind == CBC], 20, 30 + i);
	if (kind == OTHER_SPI)
		packet.bytes[packet.esp[0].off] ^= 1;
}

static void put_kind(unsigned i, const struct test_known k[3], enum kind kind)
{
	frame_kind(i, k, kind);
	uint64_t slot1 = kind == PLAIN ? 0 : kind == NO_HANDLE ? 1234 : k[kind == CBC].handle;
	put(i,
		kind != CUT ? whole()
			    : test_mbuf_cut(pool, packet.bytes, packet.len,
				      (uint32_t[]){packet.esp[0].off + 20}, 1),
		slot1, kind == NESTED ? k[2].handle : 0, kind == NO_OFFSET ? 0 : header_word(0));
}

static void check_kind(unsigned i, const struct test_known k[3], enum kind kind)
{
	static const enum fer_verdict verdicts[N_KINDS] = {[NO_HANDLE] = FER_BAD_HANDLE,
		[NO_OFFSET] = FER_BAD_OFFSET,
		[OTHER_SPI] = FER_BAD_OFFSET};
	uint64_t iv[TEST_MAX_ESP];

	frame_kind(i, k, kind);
	assert_verdict(batch.pkt[i].verdict, verdicts[kind]);
	if (kind <= CUT)
		assert_sealed(batch.m[i], iv);
	else
		test_assert_bytes(batch.m[i], packet.bytes, packet.len);
}

static void does_each_packet_of_a_full_burst_get_its_own(void **state)
{
	const struct test_known k[] = {add(transport),
		add(test_sa_with(tunnel, "aes-cbc-192", "hmac-sha2-512-256")),
		add((struct test_sa){.spi = SPI + 2, .mode = FER_TUNNEL, .version = 6})};

	(void)state;
	for (unsigned i = 0; i < FER_BATCH_MAX; i++)
		put_kind(i, k, (i * i / 7) % N_KINDS);
	transmit(FER_BATCH_MAX);
	for (unsigned i = 0; i < FER_BATCH_MAX; i++)
		check_kind(i, k, (i * i / 7) % N_KINDS);
	done();
}

// Whatever a packet is like, those before and behind it get what they would get alone.
static void does_each_of_three_get_its_own(void **state)
{
	const struct test_known k[] = {add(transport),
		add(test_sa_with(tunnel, "aes-cbc-192", "hmac-sha2-512-256")),
		add((struct test_sa){.spi = SPI + 2, .mode = FER_TUNNEL, .version = 6})};

	(void)state;
	for (unsigned all = 0; all < N_KINDS * N_KINDS * N_KINDS; all++) {
		const enum kind kinds[] = {
			all % N_KINDS, all / N_KINDS % N_KINDS, all / N_KINDS / N_KINDS};

		for (unsigned i = 0; i < 3; i++)
			put_kind(i, k, kinds[i]);
		transmit(3);
		for (unsigned i = 0; i < 3; i++)
			check_kind(i, k, kinds[i]);
		done();
	}
}

// A packet that has its verdict stays as it is.
static void is_a_packet_that_ended_skipped(void **state)
{
	struct test_known k = add(transport);

	(void)state;
	frame(&k, 1, 40);
	put(0, whole(), k.handle, 0, header_word(0));
	batch.n = 1;
	fer_batch_parse(&batch);
	batch.pkt[0].verdict = FER_DISCARD;
	fer_nic_transmit(&nic, &batch);
	assert_verdict(batch.pkt[0].verdict, FER_DISCARD);
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();
}

// R-94 and its opposite: the contract sends what may not be protected as it is, an appliance never.
static void is_what_may_not_be_protected_held_back(void **state)
{
	static const struct {
		uint32_t may;
		bool v4, v6; // are sends protected?
	} rows[] = {
		{FER_NIC_ALL, true, true},
		{FER_NIC_ALL & ~FER_NIC_ESP, false, false},
		{FER_NIC_ALL & ~FER_NIC_AH, true, true},
		{FER_NIC_ALL & ~FER_NIC_SEND_IPV4, false, true},
		{FER_NIC_ALL & ~FER_NIC_SEND_IPV6, true, false},
		{FER_NIC_ESP | FER_NIC_SEND_IPV4 | FER_NIC_SEND_IPV6, true, true},
		{0, false, false},
	};
	_Atomic uint32_t may;
	struct test_sa sa6 = transport;

	(void)state;
	sa6.spi = SPI + 7;
	sa6.version = 6;
	struct test_known k[] = {add(transport), add(sa6)};
	nic.may = &may;
	for (unsigned i = 0; i < RTE_DIM(rows) * 4; i++) {
		const struct test_known *one = &k[i / 2 % 2];
		bool is_protected = i / 2 % 2 == 0 ? rows[i / 4].v4 : rows[i / 4].v6;
		uint64_t iv[TEST_MAX_ESP];

		atomic_store(&may, rows[i / 4].may);
		nic.sends_unprotected = i % 2;
		frame(one, 1, 40);
		assert_verdict(transmit_one(whole(), one->handle, 0, header_word(0)),
			is_protected || i % 2 ? FER_OK : FER_NOT_CONFIGURED);
		if (is_protected)
			assert_sealed(batch.m[0], iv);
		else
			test_assert_bytes(batch.m[0], packet.bytes, packet.len);
		done();
	}
	atomic_store(&may, 0);
	nic.sends_unprotected = false;
	assert_verdict(transmit_one(whole(), 0, 0, 0), FER_OK); // nobody asked for protection
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();
	nic.may = NULL;
}

static void are_long_packets_sealed(void **state)
{
	struct test_known k[] = {
		add(transport), add(test_sa_with(tunnel, "aes-cbc-128", "hmac-sha1-96"))};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		check_sealed(&k[i], 3, 9600);
		check_sealed(&k[i], 4, 65400);
	}
}

static int open_one(void **state)
{
	(void)state;
	return open_nic("transmit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(does_every_suite_seal_what_openssl_opens),
		TEST(is_the_high_half_of_a_number_authenticated),
		TEST(is_a_packet_without_handle_left_alone),
		TEST(is_a_frame_that_is_no_ip_left_alone),
		TEST(does_an_sa_seal_nothing_once_it_is_removed),
		TEST(is_a_handle_that_names_no_sa_refused),
		TEST(does_the_offset_have_to_be_that_of_the_header),
		TEST(does_the_header_have_to_fit),
		TEST(is_a_frame_that_is_no_sound_ip_refused),
		TEST(is_a_frame_that_is_no_ip_refused),
		TEST(is_offset_0_no_offset),
		TEST(is_plaintext_of_odd_length_not_sealed),
		TEST(is_the_inner_layer_sealed_first),
		TEST(is_another_place_with_the_spi_refused),
		TEST(may_either_slot_name_a_tunnel),
		TEST(do_cuts_change_nothing),
		TEST(do_cuts_change_nothing_in_nested_layers),
		TEST(is_no_iv_used_twice),
		TEST(are_cbc_ivs_all_different),
		TEST(does_each_packet_of_a_full_burst_get_its_own),
		TEST(does_each_of_three_get_its_own),
		TEST(is_a_packet_that_ended_skipped),
		TEST(is_what_may_not_be_protected_held_back),
		TEST(are_long_packets_sealed),
	};
	int error;

	test_ground_open("128");
	pool = test_pool("transmit", 1023, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
