// SPDX-License-Identifier: BSD-3-Clause
// Does the NIC half open what there is an SA for, say so in words and receipts, and leave
// everything else as it came?  Packets are sealed by the oracle; what comes back is compared byte
// for byte.
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

// Slot 1.
#define DONE 2u
#define NEXT_DONE 4u
#define STATUS(n) ((uint32_t)(n) << 16)

// Slot 12.
#define SET 0x10000u

static struct test_packet packet; // sealed
static uint8_t want[TEST_PACKET_BYTES];

static struct test_known add(struct test_sa sa)
{
	return test_sa_known(sas, sa, FER_IN);
}

static const struct test_sa transport = {.spi = SPI, .mode = FER_TRANSPORT, .version = 4};
static const struct test_sa tunnel = {.spi = SPI + 1, .mode = FER_TUNNEL, .version = 4};

static uint8_t inner_protocol(const struct test_known *k)
{
	if (k->sa.mode == FER_TRANSPORT)
		return FER_PROTO_UDP;
	return packet.bytes[0] >> 4 == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6;
}

static void put_outer(const struct test_known *k, uint16_t n_options)
{
	const struct test_ip ip = {
		.version = k->sa.version, .src = 1, .dst = 2, .n_options = n_options};

	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
}

static void put_layer(const struct test_known *k, uint64_t seq, uint16_t n_options)
{
	test_packet_put_esp(&packet, &k->oracle, k->sa.spi, seq, inner_protocol(k));
	put_outer(k, n_options);
}

// What a packet carries in front of its layers.
static void start_packet(const struct test_known *k, uint32_t payload)
{
	const struct test_ip ip = {.version = 10 - k->sa.version, .src = 11, .dst = 12};

	test_packet_start(&packet, payload, payload);
	if (k->sa.mode == FER_TUNNEL)
		test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
}

static void seal(const struct test_known *k, uint64_t seq, uint32_t payload)
{
	start_packet(k, payload);
	put_layer(k, seq, 0);
	test_packet_put_ethernet(&packet, 0);
	test_packet_seal_all(&packet);
}

static void seal_nested(const struct test_known *inner, const struct test_known *outer,
	uint32_t payload, uint16_t n_options)
{
	start_packet(inner, payload);
	put_layer(inner, 21, n_options);
	put_layer(outer, 22, 0);
	test_packet_put_ethernet(&packet, 1);
	test_packet_seal_all(&packet);
}

static void put(unsigned i, struct rte_mbuf *m)
{
	batch.m[i] = m;
}

static struct rte_mbuf *whole(void)
{
	return test_mbuf(pool, packet.bytes, packet.len);
}

static void receive(unsigned n)
{
	batch.n = (uint16_t)n;
	batch.link = FER_LINK_ETHERNET;
	fer_batch_parse(&batch);
	fer_nic_receive(&nic, &batch);
}

static void receive_one(struct rte_mbuf *m)
{
	put(0, m);
	receive(1);
}

// Is packet i what came in, with its n outermost layers decrypted where they lie?  Headers, IV,
// trailer and ICV stay, and so do lengths.
static void assert_opened(unsigned i, unsigned n)
{
	memcpy(want, packet.bytes, packet.len);
	for (unsigned k = packet.n_esp; k-- > packet.n_esp - n;) {
		const struct test_esp *e = &packet.esp[k];

		assert_true(oracle_open(e->sa, want + e->off, e->len, e->seq_hi));
	}
	test_assert_bytes(batch.m[i], want, packet.len);
}

static void assert_words(unsigned i, uint64_t slot1, uint32_t slot12)
{
	const struct fer_oob *o = fer_oob_of(batch.m[i]);

	if (o->ipsec != slot1 || o->header != slot12)
		fail_msg("packet %u: slots %#lx %#x, not %#lx %#x", i, (unsigned long)o->ipsec,
			o->header, (unsigned long)slot1, slot12);
	assert_int_equal(o->tunnel, 0);
	assert_int_equal(o->checksum, 0);
	assert_int_equal(o->lso, 0);
}

// The trailer of layer k as slot 12 tells it.
static uint32_t trailer_word(unsigned k)
{
	const struct test_esp *e = &packet.esp[k];
	const uint8_t *trailer;

	memcpy(want, packet.bytes, packet.len);
	for (unsigned j = packet.n_esp; j-- > k;)
		assert_true(oracle_open(packet.esp[j].sa, want + packet.esp[j].off,
			packet.esp[j].len, packet.esp[j].seq_hi));
	trailer = want + e->off + e->len - e->sa->suite.icv_bytes - 2;
	return SET | (uint32_t)trailer[0] << 8 | trailer[1];
}

static void assert_untouched(unsigned i)
{
	assert_words(i, 0, 0);
	assert_int_equal(batch.pkt[i].n_layers, 0);
	test_assert_bytes(batch.m[i], packet.bytes, packet.len);
}

static void assert_layer(unsigned j, const struct test_known *k, enum fer_verdict v, bool verified)
{
	const struct fer_layer *layer = &batch.round[j][0];

	assert_true(j < batch.pkt[0].n_layers);
	assert_int_equal(layer->sa, (uint32_t)k->handle);
	assert_int_equal(layer->generation, k->handle >> 32);
	assert_string_equal(fer_verdict_name(layer->verdict), fer_verdict_name(v));
	assert_int_equal(layer->verified, verified);
}

// Does receipt 0 say where everything is?
static void assert_receipt(const struct test_known *k, uint64_t seq)
{
	const struct fer_layer *layer = &batch.round[0][0];
	const struct test_esp *e = &packet.esp[packet.n_esp - 1];
	uint32_t word = trailer_word(packet.n_esp - 1);

	assert_layer(0, k, FER_OK, true);
	assert_int_equal(layer->seq, seq);
	assert_int_equal(layer->ip_off, packet.ip_off);
	assert_int_equal(layer->next_off, packet.ip_off + (k->sa.version == 4 ? 9 : 6));
	assert_int_equal(layer->sec_off, e->off);
	assert_int_equal(layer->pay_off, e->off + 8 + k->oracle.suite.iv_bytes);
	assert_int_equal(layer->end, e->off + e->len);
	assert_int_equal(layer->next_header, word & 0xff);
	assert_int_equal(layer->pad_len, word >> 8 & 0xff);
}

static void check_good(const struct test_known *k, uint64_t seq, uint32_t payload)
{
	seal(k, seq, payload);
	receive_one(whole());
	assert_int_equal(batch.pkt[0].verdict, FER_OK);
	assert_int_equal(batch.pkt[0].n_layers, 1);
	assert_opened(0, 1);
	// SaDeleteReq: a sixteenth of the numbers is left, or less.
	const uint64_t limit = k->oracle.suite.esn ? UINT64_MAX : UINT32_MAX;
	assert_words(0, seq > limit - limit / 16 ? DONE | 1 : DONE, trailer_word(0));
	assert_receipt(k, seq);
	assert_int_equal(batch.pkt[0].parsed, FER_OK);
	assert_int_equal(batch.pkt[0].frame.protocol, FER_PROTO_UDP);
	done();
}

static void does_every_suite_open_what_openssl_seals(void **state)
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
				check_good(&k, payload, payload);
			check_good(&k, UINT32_MAX, 1400);
			assert_int_equal(fer_sa_remove(sas, k.handle), 0);
			fer_sa_reclaim(sas);
		}
}

// too many packets in a row that do not verify, until one does; of their SA alone.
static void do_failures_in_a_row_ask_for_deletion(void **state)
{
	struct test_sa sa = transport, other = tunnel;

	(void)state;
	nic.delete_after = 3;
	sa.contract = other.contract = true;
	struct test_known k = add(sa), fine = add(other);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 6; i++) {
			seal(&k, i, 20);
			if (i < 5)
				packet.bytes[packet.len - 1] ^= 1;
			receive_one(whole());
			assert_int_equal(fer_oob_of(batch.m[0])->ipsec & 1, i >= 2 && i < 5);
			done();
			seal(&fine, i, 20);
			receive_one(whole());
			assert_int_equal(fer_oob_of(batch.m[0])->ipsec, DONE);
			done();
		}
	nic.delete_after = 0;
	for (unsigned i = 0; i < 6; i++) {
		seal(&k, i, 20);
		packet.bytes[packet.len - 1] ^= 1;
		receive_one(whole());
		assert_int_equal(fer_oob_of(batch.m[0])->ipsec & 1, 0);
		done();
	}
}

// RFC 4303 appendix A2: the high half is inferred from the window.
static void is_the_high_half_of_a_number_inferred(void **state)
{
	const uint64_t edge = UINT64_C(5) << 32;
	const uint64_t seqs[] = {edge - 20, edge - 1, edge, edge + 1, edge + 1000};
	struct test_sa sa = transport;

	(void)state;
	sa.esn = true;
	sa.window = 64;
	sa.sequence = edge - 50;
	for (unsigned cbc = 0; cbc < 2; cbc++) {
		if (cbc == 1)
			sa = test_sa_with(sa, "aes-cbc-128", "hmac-sha2-512-256");
		sa.spi++;
		struct test_known k = add(sa);
		for (unsigned i = 0; i < RTE_DIM(seqs); i++)
			check_good(&k, seqs[i], 33);
	}
}

// No SA for the SPI, or none for this destination: not ours, no words.
static void is_a_packet_without_sa_left_alone(void **state)
{
	struct test_known other_spi = test_sa_unknown(tunnel), other_dst = add(transport);
	struct test_known other_version = add((struct test_sa){.spi = SPI + 5, .version = 6});
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 3};

	(void)state;
	seal(&other_spi, 1, 40);
	receive_one(whole());
	assert_untouched(0);
	done();
	test_packet_start(&packet, 40, 0);
	test_packet_put_esp(&packet, &other_dst.oracle, SPI, 1, FER_PROTO_UDP);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	test_packet_put_ethernet(&packet, 0);
	receive_one(whole());
	assert_untouched(0);
	done();
	other_version.sa.version = 4;
	seal(&other_version, 1, 40);
	receive_one(whole());
	assert_untouched(0);
	done();
}

// Nor is it that of the SA of the packet before, whichever byte of the destination differs.
static void is_another_ipv6_destination_left_alone(void **state)
{
	struct test_known k = add((struct test_sa){.spi = SPI, .version = 6});
	const unsigned dst_off = FER_ETHER_HEADER_BYTES + 24;

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		check_good(&k, i + 1, 40);
		seal(&k, i + 2, 40);
		packet.bytes[dst_off + i] ^= 1;
		receive_one(whole());
		assert_untouched(0);
		done();
	}
}

static void is_an_sa_for_any_destination_found(void **state)
{
	struct test_sa sa = transport;

	(void)state;
	sa.dst = 255;
	struct test_known k = add(sa);
	check_good(&k, 1, 40);
}

static void is_what_is_not_esp_left_alone(void **state)
{
	static const uint8_t protocols[] = {FER_PROTO_UDP, FER_PROTO_TCP, FER_PROTO_AH,
		FER_PROTO_NONE, FER_PROTO_ICMP, FER_PROTO_IPV4};
	struct test_known k = add(transport);
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(protocols); i++) {
		test_packet_start(&packet, 40, 0);
		test_packet_put_esp(&packet, &k.oracle, SPI, 1, FER_PROTO_UDP);
		test_packet_put_ip(&packet, &ip, protocols[i]);
		test_packet_put_ethernet(&packet, 0);
		test_packet_seal_all(&packet);
		receive_one(whole());
		assert_untouched(0);
		done();
	}
	test_packet_start(&packet, 60, 0); // no IP at all
	receive_one(whole());
	assert_untouched(0);
	done();
}

// Fragments are put together before they are opened, or not opened.
static void are_fragments_left_alone(void **state)
{
	static const uint16_t fields[] = {0x2000, 0x2003, 0x0003};
	struct test_known k = add(transport);

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(fields); i++) {
		const struct test_ip ip = {.version = 4, .src = 1, .dst = 2, .fragment = fields[i]};

		test_packet_start(&packet, 46, 0);
		test_packet_put_esp(&packet, &k.oracle, SPI, 1, FER_PROTO_UDP);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
		test_packet_put_ethernet(&packet, 0);
		test_packet_seal_all(&packet);
		assert_int_equal(packet.esp[0].len % 8, 0);
		receive_one(whole());
		assert_untouched(0);
		done();
	}
}

static void are_options_and_extension_headers_passed(void **state)
{
	struct test_known v4 = add(transport),
			  v6 = add((struct test_sa){.spi = SPI + 2, .version = 6});

	(void)state;
	for (uint16_t n = 8; n <= 40; n += 8) {
		for (unsigned v = 0; v < 2; v++) {
			const struct test_known *k = v == 0 ? &v4 : &v6;

			start_packet(k, 20);
			put_layer(k, n, n);
			test_packet_put_ethernet(&packet, 2);
			test_packet_seal_all(&packet);
			receive_one(whole());
			assert_opened(0, 1);
			assert_words(0, DONE, trailer_word(0));
			assert_int_equal(
				batch.round[0][0].next_off, packet.ip_off + (v == 0          ? 9
										    : n == 8 ? 40
											     : 48));
			done();
		}
	}
}

// RFC 4303 section 3.1: destination options may stand in front of ESP.
static void are_destination_options_in_front_passed(void **state)
{
	struct test_known k = add((struct test_sa){.spi = SPI, .version = 6});

	(void)state;
	for (uint16_t n = 0; n <= 16; n += 8) {
		const struct test_ip ip = {
			.version = 6, .src = 1, .dst = 2, .n_options = n, .dst_options = true};

		test_packet_start(&packet, 20, 0);
		test_packet_put_esp(&packet, &k.oracle, SPI, 1, FER_PROTO_UDP);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
		test_packet_put_ethernet(&packet, 0);
		test_packet_seal_all(&packet);
		receive_one(whole());
		assert_opened(0, 1);
		assert_int_equal(batch.round[0][0].next_off, packet.ip_off + 40 + n);
		assert_int_equal(batch.round[0][0].sec_off, packet.ip_off + 48 + n);
		done();
	}
}

// As many bytes may be other headers in the next burst.
static void are_other_extension_headers_of_one_length_passed(void **state)
{
	struct test_known k = add((struct test_sa){.spi = SPI, .version = 6});

	(void)state;
	for (uint16_t n = 0; n < 4; n++) {
		const bool two = n % 2 != 0;
		const struct test_ip ip = {.version = 6,
			.src = 1,
			.dst = 2,
			.n_options = two ? 16 : 24,
			.dst_options = two};

		test_packet_start(&packet, 20, 0);
		test_packet_put_esp(&packet, &k.oracle, SPI, n + 1u, FER_PROTO_UDP);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
		test_packet_put_ethernet(&packet, 0);
		test_packet_seal_all(&packet);
		receive_one(whole());
		assert_opened(0, 1);
		assert_int_equal(batch.round[0][0].sec_off, packet.ip_off + 64);
		assert_int_equal(batch.round[0][0].next_off, packet.ip_off + (two ? 56 : 48));
		done();
	}
}

// Which SA a failed packet is charged to shows in slot 1: transport 3, tunnel 5.
static unsigned auth_failed(const struct test_known *k)
{
	return k->sa.mode == FER_TRANSPORT ? 3 : 5;
}

static void assert_bad_icv(const struct test_known *k)
{
	assert_int_equal(batch.pkt[0].verdict, FER_OK);
	assert_layer(0, k, FER_BAD_ICV, false);
	assert_words(0, DONE | STATUS(auth_failed(k)), 0);
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();
}

static void flip(uint32_t bit)
{
	packet.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void check_flips(const struct test_known *k)
{
	const struct fer_sa *sa = fer_sa_get(sas, k->handle);

	seal(k, 1, 21);
	const struct test_esp *e = &packet.esp[0];
	for (uint32_t bit = e->off * 8; bit < (e->off + e->len) * 8; bit++) {
		flip(bit);
		receive_one(whole());
		if (bit < (e->off + 4) * 8) {
			assert_untouched(0);
			done();
		} else {
			assert_bad_icv(k);
		}
		flip(bit);
	}
	assert_int_equal(sa->in.replay.top, 0);
	check_good(k, 1, 21);
}

// RFC 4303 section 3.4.4: one wrong bit from the SPI to the end of the ICV, and nothing is shown.
// No SPI becomes another one by one bit.
static void does_a_flipped_bit_show_nothing(void **state)
{
	const struct test_sa all[] = {
		{.spi = 0x1001, .version = 4},
		{.spi = 0x1002, .version = 4, .mode = FER_TUNNEL},
		{.spi = 0x1004,
			.version = 6,
			.encryption = "aes-cbc-128",
			.integrity = "hmac-sha2-256-128"},
		{.spi = 0x1007, .version = 6, .encryption = "null", .integrity = "hmac-sha1-96"},
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(all); i++) {
		struct test_known k = add(all[i]);

		check_flips(&k);
	}
}

static void receive_cut(uint32_t a, uint32_t b)
{
	receive_one(test_mbuf_cut(pool, packet.bytes, packet.len, (uint32_t[]){a, b}, 2));
}

static void check_cuts(const struct test_known *k)
{
	seal(k, 1, 21);
	uint32_t word = trailer_word(0), icv = (packet.esp[0].off + packet.esp[0].len) * 8 - 1;

	for (uint32_t a = 0; a < packet.len; a++)
		for (uint32_t b = a; b < packet.len; b++) {
			receive_cut(a, b);
			assert_opened(0, 1);
			assert_words(0, DONE, word);
			done();
			flip(icv);
			receive_cut(a, b);
			assert_bad_icv(k);
			flip(icv);
		}
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
	for (unsigned i = 0; i < RTE_DIM(all); i++)
		check_cuts(&all[i]);
}

static void do_cuts_change_nothing_in_nested_layers(void **state)
{
	struct test_known inner = add(transport), outer = add(tunnel);

	(void)state;
	seal_nested(&inner, &outer, 21, 0);
	uint32_t word = trailer_word(0);
	for (uint32_t a = 0; a < packet.len; a++)
		for (uint32_t b = a; b < packet.len; b += 3) {
			receive_cut(a, b);
			assert_opened(0, 2);
			assert_words(0, DONE | NEXT_DONE, word);
			done();
		}
}

// A frame that ends before the IP packet does is no sound IP packet.
static void is_a_frame_cut_short_left_alone(void **state)
{
	struct test_known all[] = {add(transport), add(tunnel)};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		seal(&all[i], 1, 21);
		for (uint32_t len = packet.len; len-- > 0;) {
			packet.len = len;
			receive_one(whole());
			assert_untouched(0);
			done();
		}
	}
}

// Cuts the IP packet to n bytes of ESP, which its header says.
static void shorten(const struct test_known *k, uint32_t n)
{
	start_packet(k, 21);
	test_packet_put_esp(&packet, &k->oracle, k->sa.spi, 1, inner_protocol(k));
	test_packet_seal_all(&packet);
	packet.len = n;
	put_outer(k, 0);
	test_packet_put_ethernet(&packet, 0);
}

static enum fer_verdict why_short(const struct test_known *k, uint32_t n)
{
	const struct fer_suite *s = &k->oracle.suite;
	uint32_t around = 8u + s->iv_bytes + s->icv_bytes;

	return n > around && (n - around) % s->align_bytes == 0 ? FER_BAD_ICV : FER_BAD_SYNTAX;
}

static void check_shortened(const struct test_known *k)
{
	seal(k, 1, 21);
	for (uint32_t n = packet.esp[0].len; n-- > 0;) {
		shorten(k, n);
		receive_one(whole());
		enum fer_verdict v = why_short(k, n);
		if (n < 4) { // no SPI
			assert_untouched(0);
		} else {
			assert_layer(0, k, v, false);
			assert_words(0, DONE | STATUS(v == FER_BAD_ICV ? auth_failed(k) : 6), 0);
			test_assert_bytes(batch.m[0], packet.bytes, packet.len);
		}
		done();
	}
}

// The IP length leaves less than the SA needs: there is a status for that.
static void is_a_packet_too_short_for_its_sa_bad_syntax(void **state)
{
	struct test_known all[] = {add(transport),
		add(test_sa_with(tunnel, "aes-cbc-128", "hmac-sha2-256-128")),
		add((struct test_sa){.spi = SPI + 2,
			.encryption = "null",
			.integrity = "hmac-sha1-96",
			.window = 64,
			.version = 6})};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(all); i++)
		check_shortened(&all[i]);
}

// RFC 4303 section 2.4.  len 256: not touched.
static void check_padding(const struct test_known *k, unsigned len, int wrong, bool good)
{
	const uint32_t payload = 298; // the trailer fills the last block
	uint8_t *pad = packet.bytes + payload - len;

	test_packet_start(&packet, payload, 0);
	for (unsigned i = 0; i < len; i++)
		pad[i] = (uint8_t)(i + 1);
	if (wrong >= 0)
		pad[wrong] ^= 1;
	test_packet_put_esp(&packet, &k->oracle, k->sa.spi, 1, FER_PROTO_UDP);
	packet.bytes[packet.len - k->oracle.suite.icv_bytes - 2] = (uint8_t)len;
	put_outer(k, 0);
	test_packet_put_ethernet(&packet, 0);
	test_packet_seal_all(&packet);
	receive_one(whole());
	assert_layer(0, k, good ? FER_OK : FER_BAD_PADDING, true);
	assert_words(0, good ? DONE : DONE | STATUS(1), good ? SET | len << 8 | FER_PROTO_UDP : 0);
	assert_opened(0, 1);
	done();
}

static void is_padding_1_2_3(void **state)
{
	struct test_known k = add(transport);

	(void)state;
	for (unsigned len = 0; len < 256; len++) {
		check_padding(&k, len, -1, true);
		for (int wrong = 0; wrong < (int)len; wrong++)
			check_padding(&k, len, wrong, false);
	}
}

// The pad length says more than there is: the packet verified, so its number has to be committed.
static void is_padding_longer_than_the_payload_refused(void **state)
{
	struct test_known k = add(transport);

	(void)state;
	for (unsigned len = 0; len < 256; len++) {
		test_packet_start(&packet, 30, 0);
		for (uint8_t i = 0; i < 30; i++)
			packet.bytes[i] = i + 1;
		test_packet_put_esp(&packet, &k.oracle, SPI, 1, FER_PROTO_UDP);
		packet.bytes[packet.len - 16 - 2] = (uint8_t)len;
		put_outer(&k, 0);
		test_packet_put_ethernet(&packet, 0);
		test_packet_seal_all(&packet);
		receive_one(whole());
		bool good = len == 0 || len == 30;
		assert_layer(0, &k, good ? FER_OK : FER_BAD_PADDING, true);
		assert_words(0, good ? DONE : DONE | STATUS(1),
			good ? SET | len << 8 | FER_PROTO_UDP : 0);
		done();
	}
}

// Not even when the IV goes on where the payload ends.
static void is_the_iv_no_padding(void **state)
{
	struct test_known k = add(transport);

	(void)state;
	test_packet_start(&packet, 30, 0);
	for (uint8_t i = 0; i < 30; i++)
		packet.bytes[i] = i + 2;
	test_packet_put_esp(&packet, &k.oracle, SPI, 1, FER_PROTO_UDP);
	packet.bytes[8 + 7] = 1;
	packet.bytes[packet.len - 16 - 2] = 31;
	put_outer(&k, 0);
	test_packet_put_ethernet(&packet, 0);
	test_packet_seal_all(&packet);
	receive_one(whole());
	assert_layer(0, &k, FER_BAD_PADDING, true);
	done();
}

// RFC 4303 section 2.7: padding behind the inner packet hides how long that is.
static void does_the_inner_length_count(void **state)
{
	struct test_known k = add(tunnel);

	(void)state;
	for (uint32_t n = 0; n < 70; n++) {
		start_packet(&k, 21);
		uint32_t inner_len = packet.len;
		test_packet_pad(&packet, n);
		put_layer(&k, 1, 0);
		test_packet_put_ethernet(&packet, 0);
		test_packet_seal_all(&packet);
		receive_one(whole());
		assert_words(0, DONE, trailer_word(0));
		assert_int_equal(batch.pkt[0].parsed, FER_OK);
		assert_int_equal(batch.pkt[0].frame.end, packet.esp[0].off + 16 + inner_len);
		done();
	}
}

static void is_what_a_tunnel_carries_shown_as_it_is(void **state)
{
	struct test_known k = add(tunnel);

	(void)state;
	start_packet(&k, 21);
	packet.bytes[0] = 0x10; // of no version there is
	put_layer(&k, 1, 0);
	test_packet_put_ethernet(&packet, 0);
	test_packet_seal_all(&packet);
	receive_one(whole());
	assert_opened(0, 1);
	assert_words(0, DONE, trailer_word(0));
	assert_int_equal(batch.pkt[0].parsed, FER_BAD_IP);
	done();
}

// Nested layers.

static void are_both_layers_opened(void **state)
{
	(void)state;
	for (unsigned shape = 0; shape < 8; shape++) {
		struct test_sa a = transport, b = tunnel;

		a.spi = SPI + shape * 2;
		b.spi = SPI + shape * 2 + 1;
		a.version = shape & 1 ? 6 : 4;
		b.version = shape & 2 ? 6 : 4;
		if (shape & 4)
			b = test_sa_with(b, "aes-cbc-256", "hmac-sha1-96");
		struct test_known inner = add(a), outer = add(b);
		seal_nested(&inner, &outer, 50 + shape, 16);
		receive_one(whole());
		assert_opened(0, 2);
		assert_words(0, DONE | NEXT_DONE, trailer_word(0));
		assert_int_equal(batch.pkt[0].n_layers, 2);
		assert_layer(0, &outer, FER_OK, true);
		assert_layer(1, &inner, FER_OK, true);
		assert_int_equal(batch.round[0][0].seq, 22);
		assert_int_equal(batch.round[1][0].seq, 21);
		assert_int_equal(batch.round[1][0].sec_off, packet.esp[0].off);
		done();
	}
}

static void is_an_inner_layer_without_sa_shown(void **state)
{
	struct test_known inner = test_sa_unknown(transport), outer = add(tunnel);

	(void)state;
	seal_nested(&inner, &outer, 50, 0);
	receive_one(whole());
	assert_opened(0, 1);
	assert_words(0, DONE, trailer_word(1));
	assert_int_equal(batch.pkt[0].n_layers, 1);
	done();
}

static void does_a_bad_inner_layer_stay_sealed(void **state)
{
	struct test_known inner = add(transport), outer = add(tunnel);

	(void)state;
	start_packet(&inner, 50);
	put_layer(&inner, 21, 0);
	test_packet_seal(&packet, 0);
	packet.bytes[packet.len - 1] ^= 1;
	put_layer(&outer, 22, 0);
	test_packet_put_ethernet(&packet, 0);
	test_packet_seal(&packet, 1);
	receive_one(whole());
	assert_opened(0, 1);
	assert_words(0, DONE | NEXT_DONE | STATUS(3), trailer_word(1));
	assert_layer(0, &outer, FER_OK, true);
	assert_layer(1, &inner, FER_BAD_ICV, false);
	done();
}

static void is_nothing_looked_for_in_a_bad_outer_layer(void **state)
{
	struct test_known inner = add(transport), outer = add(tunnel);

	(void)state;
	seal_nested(&inner, &outer, 50, 0);
	packet.bytes[packet.len - 1] ^= 1;
	receive_one(whole());
	assert_opened(0, 0);
	assert_words(0, DONE | STATUS(5), 0);
	assert_int_equal(batch.pkt[0].n_layers, 1);
	done();
}

// The second flag means a tunnel and a transport portion, and no other two layers.
static void are_two_tunnels_no_transport_portion(void **state)
{
	struct test_sa a = tunnel;

	(void)state;
	a.spi = SPI;
	struct test_known inner = add(a), outer = add(tunnel);
	seal_nested(&inner, &outer, 50, 0);
	receive_one(whole());
	assert_opened(0, 2);
	assert_words(0, DONE, trailer_word(0));
	done();
}

// ESP directly inside ESP, n times.
static void seal_stack(const struct test_known *k, unsigned n)
{
	test_packet_start(&packet, 30, 0);
	for (unsigned i = 0; i < n; i++)
		test_packet_put_esp(
			&packet, &k->oracle, SPI, 100 + i, i == 0 ? FER_PROTO_UDP : FER_PROTO_ESP);
	put_outer(k, 0);
	test_packet_put_ethernet(&packet, 0);
	test_packet_seal_all(&packet);
}

static void is_there_an_end_to_layers(void **state)
{
	struct test_known k = add(transport);

	(void)state;
	for (unsigned n = 2; n <= 5; n++) {
		unsigned n_open = n < FER_MAX_ROUNDS ? n : FER_MAX_ROUNDS;

		seal_stack(&k, n);
		receive_one(whole());
		assert_int_equal(batch.pkt[0].verdict, n == n_open ? FER_OK : FER_TOO_DEEP);
		assert_int_equal(batch.pkt[0].n_layers, n_open);
		assert_opened(0, n_open);
		for (unsigned j = 0; j < n_open; j++) {
			assert_layer(j, &k, FER_OK, true);
			assert_int_equal(batch.round[j][0].seq, 100 + n - 1 - j);
		}
		assert_words(0, DONE, trailer_word(n - n_open));
		done();
	}
}

// Numbers.

// An SA without window judges nothing.
static void is_a_packet_opened_twice_without_a_window(void **state)
{
	struct test_known k = add(transport);

	(void)state;
	seal(&k, 5, 40);
	for (unsigned i = 0; i < 3; i++)
		put(i, whole());
	receive(3);
	for (unsigned i = 0; i < 3; i++) {
		assert_opened(i, 1);
		assert_words(i, DONE, trailer_word(0));
	}
	done();
	check_good(&k, 5, 40);
}

// RFC 4303 section 3.4.3: a number seen before costs no crypto, and there is nothing to say.
static void is_a_committed_number_refused_in_silence(void **state)
{
	struct test_sa sa = transport;

	(void)state;
	sa.window = 64;
	struct test_known k = add(sa);
	check_good(&k, 5, 40);
	assert_int_equal(fer_sa_get(sas, k.handle)->in.replay.top, 0); // the commit is the host's
	check_good(&k, 5, 40);
	assert_int_equal(fer_replay_commit(&fer_sa_get(sas, k.handle)->in.replay, 5), FER_OK);
	seal(&k, 6, 40);
	put(1, whole());
	put(2, whole());
	seal(&k, 5, 40);
	put(0, whole());
	receive(3); // the others are opened
	assert_layer(0, &k, FER_REPLAY, false);
	assert_words(0, 0, 0);
	assert_opened(0, 0);
	done();
	check_good(&k, 6, 40);
}

static void check_replayed(const struct test_known *k, uint64_t seq)
{
	seal(k, seq, 40);
	receive_one(whole());
	assert_layer(0, k, FER_REPLAY, false);
	assert_words(0, 0, 0);
	done();
}

static void commit(const struct test_known *k, uint64_t seq)
{
	assert_int_equal(fer_replay_commit(&fer_sa_get(sas, k->handle)->in.replay, seq), FER_OK);
}

// A worker that goes on with numbers it has not seen does not ask what others did meanwhile: the
// commit does.  But a number costs it crypto once, and with ESN it asks always.
static void is_a_number_of_another_worker_refused_the_second_time(void **state)
{
	struct test_sa sa = tunnel, other = tunnel;

	(void)state;
	sa.window = other.window = 64;
	other.spi++;
	struct test_known k = add(sa), o = add(other);
	check_good(&k, 5, 40);
	commit(&k, 5);
	check_replayed(&k, 5);
	commit(&k, 8); // by another worker, as all behind it
	commit(&k, 9);
	check_good(&k, 10, 40);
	commit(&k, 10);
	commit(&k, 11);
	check_good(&k, 11, 40);
	for (unsigned i = 0; i < 3; i++)
		for (uint64_t seq = 8; seq <= 11; seq++)
			check_replayed(&k, seq);
	check_good(&k, 12, 40);
	commit(&k, 13);
	check_good(&o, 1, 40);
	check_replayed(&k, 13); // asked again since the other came

	assert_int_equal(fer_sa_remove(sas, k.handle), 0);
	assert_int_equal(fer_sa_remove(sas, o.handle), 0);
	fer_sa_reclaim(sas);
	sa.esn = true;
	k = add(sa);
	check_good(&k, 5, 40);
	commit(&k, 6);
	check_replayed(&k, 6);
	assert_int_equal(fer_sa_remove(sas, k.handle), 0);
	fer_sa_reclaim(sas);
	sa.esn = false;
	k = add(sa); // in the place of the one before
	check_good(&k, 1, 40);
	commit(&k, 1);
	check_replayed(&k, 1);
}

static void does_a_refused_inner_number_leave_the_outer_answer(void **state)
{
	struct test_sa sa = transport;

	(void)state;
	sa.window = 64;
	sa.sequence = 21;
	struct test_known inner = add(sa), outer = add(tunnel);
	seal_nested(&inner, &outer, 50, 0);
	receive_one(whole());
	assert_layer(0, &outer, FER_OK, true);
	assert_layer(1, &inner, FER_REPLAY, false);
	assert_words(0, DONE, trailer_word(1));
	assert_opened(0, 1);
	done();
}

// Bursts.

enum kind { PLAIN, GCM, CBC, NESTED, FLIPPED, NO_SA, CUT, N_KINDS };

static void make_kind(const struct test_known k[4], enum kind kind, unsigned i)
{
	if (kind == NESTED)
		seal_nested(&k[0], &k[2], 20 + i, 0);
	else
		seal(&k[kind == CBC ? 1 : kind == NO_SA ? 3 : 0], i, 20 + i);
	if (kind == PLAIN)
		packet.bytes[packet.ip_off] = 0x4f; // no sound IP
	if (kind == FLIPPED)
		packet.bytes[packet.len - 1] ^= 1;
}

static void check_kind(enum kind kind, unsigned i)
{
	switch (kind) {
	case PLAIN:
	case NO_SA:
		assert_untouched(i);
		return;
	case FLIPPED:
		assert_opened(i, 0);
		assert_words(i, DONE | STATUS(3), 0);
		return;
	default:
		assert_opened(i, kind == NESTED ? 2 : 1);
		assert_words(i, kind == NESTED ? DONE | NEXT_DONE : DONE, trailer_word(0));
	}
}

static void does_each_packet_of_a_full_burst_get_its_own(void **state)
{
	const struct test_known k[] = {add(transport),
		add(test_sa_with(tunnel, "aes-cbc-192", "hmac-sha2-512-256")),
		add((struct test_sa){.spi = SPI + 2, .mode = FER_TUNNEL, .version = 6}),
		test_sa_unknown((struct test_sa){.spi = SPI + 3, .version = 4})};

	(void)state;
	for (unsigned i = 0; i < FER_BATCH_MAX; i++) {
		enum kind kind = i * i / 5 % N_KINDS;
		uint32_t cut = kind == CUT ? 50 : 0;

		make_kind(k, kind, i);
		put(i, test_mbuf_cut(pool, packet.bytes, packet.len, &cut, 1));
	}
	receive(FER_BATCH_MAX);
	for (unsigned i = 0; i < FER_BATCH_MAX; i++) {
		make_kind(k, i * i / 5 % N_KINDS, i);
		check_kind(i * i / 5 % N_KINDS, i);
	}
	done();
}

// What a packet ends as, with all that the host half learns of it.
struct outcome {
	uint8_t verdict, parsed, n_layers, pending;
	struct fer_layer layer[FER_MAX_ROUNDS];
	struct fer_oob words;
	uint64_t selector;
	uint32_t ip_off, end, len;
	uint8_t bytes[2048];
};

static struct outcome outcome_of(unsigned i)
{
	const struct fer_pkt *p = &batch.pkt[i];
	struct outcome o = {.verdict = p->verdict,
		.parsed = p->parsed,
		.n_layers = p->n_layers,
		.pending = p->pending,
		.words = *fer_oob_of(batch.m[i]),
		.len = batch.m[i]->pkt_len};

	if (p->parsed == FER_OK) {
		o.selector = fer_frame_selector(&p->frame);
		o.ip_off = p->frame.ip_off;
		o.end = p->frame.end;
	}
	for (unsigned k = 0; k < p->n_layers; k++)
		o.layer[k] = batch.round[k][i];
	const void *bytes = rte_pktmbuf_read(batch.m[i], 0, o.len, o.bytes);
	if (bytes != o.bytes)
		memcpy(o.bytes, bytes, o.len);
	return o;
}

// Neighbours that differ from a good packet in one respect each.
enum neighbour {
	GOOD,
	LONGER,
	OTHER_SPI,
	OTHER_DST,      // of an SA with the same SPI
	OTHER_DST_NONE, // of none
	OTHER_VERSION,
	OTHER_SOURCE,
	OTHER_LINK,
	OPTIONS,
	SPI_BEHIND,  // in its IV, where OPTIONS has its SPI
	INNER_IN_IV, // with options, so that its IV is where others have an inner packet
	EXTENSION,
	EXTENSIONS, // as many bytes
	LATER,      // a fragment
	AS_AH,
	UNDER_AH, // the SPI of an AH
	TWO_PIECES,
	WRONG_ICV,
	WRONG_PADDING,
	NO_NUMBER, // cut behind the SPI
	OVERLONG,
	SEEN,
	OTHER_INNER_VERSION,
	OTHER_INNER_PORTS,
	WRONG_INNER_SUM,
	INNER_FRAGMENT,
	NO_IP_INSIDE,
	NESTED_INSIDE,
	N_NEIGHBOURS
};

struct family {
	struct test_known good, other_spi, other_dst, other_version, inner;
	uint32_t ah_spi;
};

static struct family add_family(void)
{
	static const uint8_t ah_key[32] = {1};
	struct test_sa sa = tunnel;
	struct family f = {.ah_spi = SPI + 9};
	struct fer_sa_params ah = {
		.direction = FER_IN,
		.mode = FER_TRANSPORT,
		.group = FER_NO_GROUP,
		.src = test_addr(4, 1),
		.dst = test_addr(4, 2),
		.ah = {.spi = f.ah_spi,
			.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128"),
			.key = ah_key},
	};
	uint64_t handle;

	sa.window = 64;
	sa.sequence = 10;
	f.good = add(sa);
	sa.dst = 3;
	f.other_dst = add(sa);
	sa.dst = 0;
	sa.spi++;
	f.other_spi = add(sa);
	sa = tunnel;
	sa.version = 6;
	f.other_version = add(sa);
	f.inner = add(transport);
	assert_int_equal(fer_sa_add(sas, &ah, &handle, NULL), 0);
	return f;
}

static void start_inner(enum neighbour n)
{
	const struct test_ip ip = {.version = n == OTHER_INNER_VERSION ? 6 : 4,
		.src = 11,
		.dst = 12,
		.fragment = n == INNER_FRAGMENT ? 0x2000 : 0};

	test_packet_start(&packet, n == LONGER ? 201 : 40, n == OTHER_INNER_PORTS ? 99 : 40);
	test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
	if (n == WRONG_INNER_SUM)
		packet.bytes[10] ^= 1;
	if (n == NO_IP_INSIDE)
		packet.bytes[0] = 0;
}

// Makes a neighbour; returns where it is cut in two, 0: nowhere.
static uint32_t make_neighbour(const struct family *f, enum neighbour n)
{
	const struct test_known *k = n == OTHER_SPI   ? &f->other_spi
				     : n == OTHER_DST ? &f->other_dst
				     : n == OTHER_VERSION || n == EXTENSION || n == EXTENSIONS
					     ? &f->other_version
					     : &f->good;
	const struct test_ip ip = {.version = k->sa.version,
		.src = n == OTHER_SOURCE ? 9 : 1,
		.dst = n == OTHER_DST        ? 3
		       : n == OTHER_DST_NONE ? 4
					     : 2,
		.n_options = n == EXTENSION                                        ? 16
			     : n == OPTIONS || n == EXTENSIONS || n == INNER_IN_IV ? 8
										   : 0,
		.dst_options = n == EXTENSIONS,
		.fragment = n == LATER ? 0x10 : 0};

	uint8_t start[8] = {0}; // of an inner packet

	if (n == INNER_IN_IV) {
		static uint8_t rest[256];

		start_inner(GOOD);
		uint32_t len = packet.len - (uint32_t)sizeof(start);
		memcpy(start, packet.bytes, sizeof(start));
		memcpy(rest, packet.bytes + sizeof(start), len);
		test_packet_start(&packet, len, 0);
		memcpy(packet.bytes, rest, len);
	} else if (n == NESTED_INSIDE) {
		start_packet(&f->inner, 40);
		put_layer(&f->inner, 21, 0);
	} else {
		start_inner(n);
	}
	test_packet_put_esp(&packet, &k->oracle, n == UNDER_AH ? f->ah_spi : k->sa.spi,
		n == SEEN ? 10 : 20, n == OTHER_INNER_VERSION ? FER_PROTO_IPV6 : FER_PROTO_IPV4);
	uint32_t esp_off = packet.esp[packet.n_esp - 1].off;
	if (n == INNER_IN_IV)
		memcpy(packet.bytes + esp_off + FER_ESP_HEADER_BYTES, start, sizeof(start));
	if (n == SPI_BEHIND)
		fer_store_be32(packet.bytes + esp_off + FER_ESP_HEADER_BYTES, k->sa.spi);
	if (n == WRONG_PADDING)
		packet.bytes[esp_off + packet.esp[packet.n_esp - 1].len -
			     k->oracle.suite.icv_bytes - 2] ^= 1;
	if (n == NO_NUMBER)
		test_packet_start(&packet, 4, 0);
	test_packet_put_ip(&packet, &ip, n == AS_AH ? FER_PROTO_AH : FER_PROTO_ESP);
	test_packet_put_ethernet(&packet, n == OTHER_LINK ? 1 : 0);
	test_packet_seal_all(&packet);
	if (n == WRONG_ICV)
		packet.bytes[packet.len - 1] ^= 1;
	if (n == OVERLONG)
		packet.len -= 8;
	return n == TWO_PIECES ? 60 : 0;
}

static void put_neighbour(const struct family *f, enum neighbour n, unsigned i)
{
	uint32_t cut = make_neighbour(f, n);

	put(i, test_mbuf_cut(pool, packet.bytes, packet.len, &cut, cut != 0));
}

static void does_a_packet_end_alike_whatever_came_before(void **state)
{
	static struct outcome alone[N_NEIGHBOURS], now;
	const struct family f = add_family();
	unsigned n_opened = 0, order[40];
	uint32_t random = 1;

	(void)state;
	for (unsigned n = 0; n < N_NEIGHBOURS; n++) {
		nic.found = (struct fer_nic_found){0};
		put_neighbour(&f, n, 0);
		receive(1);
		alone[n] = outcome_of(0);
		n_opened += alone[n].n_layers > 0 && alone[n].layer[0].verdict == FER_OK;
		done();
	}
	assert_int_equal(n_opened, 19);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned n = 1 + round % RTE_DIM(order);

		for (unsigned i = 0; i < n; i++) {
			random = random * 1664525 + 1013904223;
			order[i] = (random >> 20) % (2 * N_NEIGHBOURS);
			if (order[i] >= N_NEIGHBOURS)
				order[i] = GOOD;
			put_neighbour(&f, order[i], i);
		}
		receive(n);
		for (unsigned i = 0; i < n; i++) {
			now = outcome_of(i);
			if (memcmp(&now, &alone[order[i]], sizeof(now)) != 0)
				fail_msg("neighbour %u behind %u, packet %u of burst %u", order[i],
					i == 0 ? 0 : order[i - 1], i, round);
		}
		done();
	}
}

// What was found for the packet before is not found any more.
static void is_a_removed_sa_gone_at_once(void **state)
{
	struct test_sa sa = tunnel;
	struct test_known k = add(sa);

	(void)state;
	check_good(&k, 1, 40);
	check_good(&k, 2, 40);
	assert_int_equal(fer_sa_remove(sas, k.handle), 0);
	seal(&k, 3, 40);
	receive_one(whole());
	assert_untouched(0);
	done();
	fer_sa_reclaim(sas);
	k = add(test_sa_with(sa, "aes-cbc-128", "hmac-sha1-96")); // of the same name, in its place
	check_good(&k, 3, 40);
	assert_int_equal(fer_sa_remove(sas, k.handle), 0);
	fer_sa_reclaim(sas);
	k = add(test_sa_in_udp(sa, 4500, 4500));
	nic.found.sa = fer_sa_at(sas, (uint32_t)k.handle); // it took the place of the one before
	nic.found.handle = k.handle - (UINT64_C(1) << 32);
	seal(&k, 4, 40);
	receive_one(whole());
	assert_string_equal(
		fer_verdict_name(batch.pkt[0].verdict), fer_verdict_name(FER_WRONG_UDP));
	done();
}

// what is not configured and activated is not looked at.
static void is_what_may_not_be_opened_left_alone(void **state)
{
	static const struct {
		uint32_t may;
		bool v4, v6; // are packets opened?
	} rows[] = {
		{FER_NIC_ALL, true, true},
		{FER_NIC_ALL & ~FER_NIC_ESP, false, false},
		{FER_NIC_ALL & ~FER_NIC_AH, true, true},
		{FER_NIC_ALL & ~FER_NIC_RECEIVE_IPV4, false, true},
		{FER_NIC_ALL & ~FER_NIC_RECEIVE_IPV6, true, false},
		{FER_NIC_ALL & ~(FER_NIC_SEND_IPV4 | FER_NIC_SEND_IPV6), true, true},
		{0, false, false},
	};
	_Atomic uint32_t may;
	struct test_sa sa6 = transport;

	(void)state;
	sa6.spi = SPI + 7;
	sa6.version = 6;
	struct test_known k[] = {add(transport), add(sa6)};
	nic.may = &may;
	for (unsigned i = 0; i < RTE_DIM(rows) * 2; i++) {
		bool is_opened = i % 2 == 0 ? rows[i / 2].v4 : rows[i / 2].v6;

		atomic_store(&may, rows[i / 2].may);
		seal(&k[i % 2], 1, 40);
		receive_one(whole());
		if (is_opened)
			assert_opened(0, 1);
		else
			assert_untouched(0);
		done();
	}
	nic.may = NULL;
}

static void are_long_packets_opened(void **state)
{
	struct test_known k[] = {
		add(transport), add(test_sa_with(tunnel, "aes-cbc-128", "hmac-sha1-96"))};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		check_good(&k[i], 3, 9600);
		check_good(&k[i], 4, 65400);
	}
}

static int open_one(void **state)
{
	(void)state;
	return open_nic("receive");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(does_every_suite_open_what_openssl_seals),
		TEST(do_failures_in_a_row_ask_for_deletion),
		TEST(is_the_high_half_of_a_number_inferred),
		TEST(is_a_packet_without_sa_left_alone),
		TEST(is_another_ipv6_destination_left_alone),
		TEST(is_an_sa_for_any_destination_found),
		TEST(is_what_is_not_esp_left_alone),
		TEST(are_fragments_left_alone),
		TEST(are_options_and_extension_headers_passed),
		TEST(are_destination_options_in_front_passed),
		TEST(are_other_extension_headers_of_one_length_passed),
		TEST(does_a_flipped_bit_show_nothing),
		TEST(do_cuts_change_nothing),
		TEST(do_cuts_change_nothing_in_nested_layers),
		TEST(is_a_frame_cut_short_left_alone),
		TEST(is_a_packet_too_short_for_its_sa_bad_syntax),
		TEST(is_padding_1_2_3),
		TEST(is_padding_longer_than_the_payload_refused),
		TEST(is_the_iv_no_padding),
		TEST(does_the_inner_length_count),
		TEST(is_what_a_tunnel_carries_shown_as_it_is),
		TEST(are_both_layers_opened),
		TEST(is_an_inner_layer_without_sa_shown),
		TEST(does_a_bad_inner_layer_stay_sealed),
		TEST(is_nothing_looked_for_in_a_bad_outer_layer),
		TEST(are_two_tunnels_no_transport_portion),
		TEST(is_there_an_end_to_layers),
		TEST(is_a_packet_opened_twice_without_a_window),
		TEST(is_a_committed_number_refused_in_silence),
		TEST(is_a_number_of_another_worker_refused_the_second_time),
		TEST(does_a_refused_inner_number_leave_the_outer_answer),
		TEST(does_each_packet_of_a_full_burst_get_its_own),
		TEST(does_a_packet_end_alike_whatever_came_before),
		TEST(is_a_removed_sa_gone_at_once),
		TEST(is_what_may_not_be_opened_left_alone),
		TEST(are_long_packets_opened),
	};
	int error;

	test_ground_open("128");
	pool = test_pool("receive", 1023, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
