// SPDX-License-Identifier: BSD-3-Clause
// Does AH cover what RFC 4302 says, in packets of every shape, and do words and receipts of AH and
// of bundles say what the contract wants?  ICVs are those of the oracle.
#include "nic/ah.h"

#include "base/bytes.h"
#include "nic/nic.h"
#include "nic/oob.h"
#include "nic/stages.h"
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
#include <string.h>
#include <cmocka.h>

#define ESP_SPI 0x1000u
#define AH_SPI 0x2000u

// Slot 1.
#define DONE 2u
#define NEXT_DONE 4u
#define STATUS(n) ((uint32_t)(n) << 16)

static struct rte_mempool *pool;
static struct fer_sa_table *sas;
static struct fer_nic nic;
static struct fer_batch batch;
static struct test_packet packet;
static uint8_t ah_key[FER_MAX_KEY_BYTES];

static struct oracle_sa ah_oracle(bool esn)
{
	struct oracle_sa o = {0};

	assert_null(
		fer_suite_init_ah(&o.suite, fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128"), 0));
	o.suite.esn = esn;
	memcpy(o.integrity_key, ah_key, sizeof(ah_key));
	return o;
}

// Adds an SA of AH, or with esp one of both.
static uint64_t add(
	const struct test_sa *esp, uint8_t version, enum fer_mode mode, uint8_t last, bool esn)
{
	uint8_t encryption_key[FER_MAX_KEY_BYTES] = {0};
	struct fer_sa_params p = {
		.direction = FER_IN,
		.mode = mode,
		.group = FER_NO_GROUP,
		.src = test_addr(version, 1),
		.dst = test_addr(version, last),
		.replay_window = 64,
		.esn = esn,
		.ah = {.spi = AH_SPI + last,
			.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128"),
			.key = ah_key},
	};
	const char *why;
	uint64_t handle;

	if (esp != NULL) {
		struct oracle_sa o = test_sa_oracle(esp);
		memcpy(encryption_key, o.encryption_key, sizeof(encryption_key));
		p.spi = esp->spi;
		p.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128");
		p.encryption_key = encryption_key;
	}
	if (fer_sa_add(sas, &p, &handle, &why) != 0)
		fail_msg("%s", why);
	return handle;
}

// Puts an AH header of that length in front of the packet; a header in front of it comes next.
static void put_ah(uint8_t next_header, uint32_t spi, uint64_t seq, uint32_t bytes)
{
	memmove(packet.bytes + bytes, packet.bytes, packet.len);
	packet.len += bytes;
	packet.ip_off += bytes;
	packet.ip_end += bytes;
	for (unsigned k = 0; k < packet.n_esp; k++)
		packet.esp[k].off += bytes;
	memset(packet.bytes, 0, bytes);
	fer_ah_write(packet.bytes, FER_AH_LEAST_BYTES, fer_ah_front(bytes, next_header, spi),
		(uint32_t)seq);
}

// Writes the ICV of the AH at off of the IP packet at the front.
static void seal_ah(uint32_t off, uint64_t seq, bool esn)
{
	static uint8_t copy[TEST_PACKET_BYTES];
	struct oracle_sa o = ah_oracle(esn);

	memcpy(copy, packet.bytes, packet.len);
	assert_true(fer_mutable_mask(copy, off));
	memset(copy + off + FER_AH_FIXED_BYTES, 0, o.suite.icv_bytes);
	oracle_ah_icv(&o, copy, packet.len, (uint32_t)(seq >> 32), NULL,
		packet.bytes + off + FER_AH_FIXED_BYTES);
}

// AH in transport mode over a header with 8 bytes of options; returns where it stands.
static uint32_t make_transport(uint8_t version, uint64_t seq, uint32_t bytes, bool esn)
{
	const struct test_ip ip = {.version = version,
		.src = 1,
		.dst = 2,
		.n_options = 8,
		.dst_options = version == 6};
	uint32_t off = (version == 4 ? 28u : 48u) + (version == 6 ? 8u : 0u);

	test_packet_start(&packet, 40, 3);
	put_ah(FER_PROTO_UDP, AH_SPI + 2, seq, bytes);
	test_packet_put_ip(&packet, &ip, FER_PROTO_AH);
	seal_ah(off, seq, esn);
	return off;
}

// An outbound SA of AH that has given out the numbers up to last.
static uint64_t add_out(uint8_t version, uint64_t last, bool esn)
{
	const struct fer_sa_params p = {
		.direction = FER_OUT,
		.mode = FER_TRANSPORT,
		.group = FER_NO_GROUP,
		.src = test_addr(version, 1),
		.dst = test_addr(version, 2),
		.esn = esn,
		.ah = {.spi = AH_SPI + 2,
			.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128"),
			.key = ah_key,
			.sequence = last},
	};
	const char *why;
	uint64_t handle;

	if (fer_sa_add(sas, &p, &handle, &why) != 0)
		fail_msg("%s", why);
	return handle;
}

static void transmit(struct rte_mbuf *m, uint64_t handle, uint32_t ah_off)
{
	fer_oob_of(m)->ipsec = handle;
	fer_oob_of(m)->header = fer_oob_header_send(0, 0, ah_off, 0);
	batch.n = 1;
	batch.link = FER_LINK_RAW_IP;
	batch.m[0] = m;
	fer_batch_parse(&batch);
	fer_nic_transmit(&nic, &batch);
}

static void receive(struct rte_mbuf *m)
{
	batch.n = 1;
	batch.link = FER_LINK_RAW_IP;
	batch.m[0] = m;
	fer_batch_parse(&batch);
	fer_nic_receive(&nic, &batch);
}

static void done(void)
{
	rte_pktmbuf_free(batch.m[0]);
	batch.n = 0;
}

static void assert_words(uint64_t slot1)
{
	const struct fer_oob *o = fer_oob_of(batch.m[0]);

	if (o->ipsec != slot1)
		fail_msg("slot 1 is %#lx, not %#lx", (unsigned long)o->ipsec, (unsigned long)slot1);
}

static enum fer_verdict layer_verdict(unsigned k)
{
	assert_true(k < batch.pkt[0].n_layers);
	return (enum fer_verdict)batch.round[k][0].verdict;
}

// RFC 4302 sections 2.6 and 3.3.3.2.1: padding of any length is covered; Linux pads more than we.
static void every_stated_length_is_taken(void **state)
{
	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2)
		for (uint32_t bytes = 28; bytes <= 28 + 64; bytes += 4) {
			uint64_t handle = add(NULL, version, FER_TRANSPORT, 2, false);
			uint32_t off = make_transport(version, 9, bytes, false);

			receive(test_mbuf(pool, packet.bytes, packet.len));
			assert_int_equal(layer_verdict(0), FER_OK);
			assert_words(DONE);
			assert_int_equal(batch.round[0][0].sec_off, off);
			assert_int_equal(batch.round[0][0].pay_off, off + bytes);
			assert_int_equal(batch.round[0][0].next_header, FER_PROTO_UDP);
			assert_int_equal(batch.pkt[0].frame.up_off, off + bytes);
			test_assert_bytes(batch.m[0], packet.bytes, packet.len);
			assert_int_equal(fer_oob_of(batch.m[0])->header, 0); // of ESP only
			done();
			assert_int_equal(fer_sa_remove(sas, handle), 0);
			fer_sa_reclaim(sas);
		}
}

static void lengths_that_cannot_be_are_bad_syntax(void **state)
{
	static const uint8_t stated[] = {0, 1, 4, 0xff};

	(void)state;
	add(NULL, 4, FER_TRANSPORT, 2, false);
	for (unsigned i = 0; i < RTE_DIM(stated); i++) {
		uint32_t off = make_transport(4, 9, 28, false);

		packet.bytes[off + 1] = stated[i];
		receive(test_mbuf(pool, packet.bytes, packet.len));
		assert_int_equal(layer_verdict(0), FER_BAD_SYNTAX);
		assert_words(DONE | STATUS(6));
		test_assert_bytes(batch.m[0], packet.bytes, packet.len);
		done();
	}
}

// Is a flip of this bit outside of what AH covers?
static bool is_mutable(uint8_t version, uint32_t byte, unsigned bit)
{
	if (version == 4)
		return byte == 1 || (byte >= 6 && byte <= 8) || byte == 10 || byte == 11;
	return (byte == 0 && bit < 4) || (byte >= 1 && byte <= 3) || byte == 7;
}

static void fix_ipv4_sum(void)
{
	uint32_t sum = 0;

	memset(packet.bytes + 10, 0, 2);
	for (uint32_t i = 0; i < (packet.bytes[0] & 0xfu) * 4; i += 2)
		sum += fer_load_be16(packet.bytes + i);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	fer_store_be16(packet.bytes + 10, (uint16_t)~sum);
}

// Each bit of the packet alone; TAHI's list of fields.  Whatever comes of it, no byte changes.
static void check_flip(uint8_t version, uint32_t byte, unsigned bit)
{
	bool mutable = is_mutable(version, byte, bit);

	packet.bytes[byte] ^= (uint8_t)(1u << bit);
	if (version == 4 && byte < 28)
		fix_ipv4_sum();
	receive(test_mbuf(pool, packet.bytes, packet.len));
	bool good = batch.pkt[0].n_layers == 1 && layer_verdict(0) == FER_OK;
	// Fragments, and other lengths, headers, SPIs and destinations, are no packets of the SA.
	bool is_of_sa = batch.pkt[0].n_layers == 1;
	if (is_of_sa && good != mutable)
		fail_msg("IPv%u, byte %u, bit %u: %s", version, byte, bit,
			fer_verdict_name(layer_verdict(0)));
	if (!is_of_sa)
		assert_false(good);
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();
}

static void exactly_what_rfc_4302_covers_is_covered(void **state)
{
	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2) {
		add(NULL, version, FER_TRANSPORT, 2, false);
		make_transport(version, 9, version == 4 ? 28 : 32, false);
		for (uint32_t byte = 0; byte < packet.len; byte++)
			for (unsigned bit = 0; bit < 8; bit++) {
				if (version == 4 && (byte == 10 || byte == 11))
					continue; // a wrong sum is no packet
				make_transport(version, 9, version == 4 ? 28 : 32, false);
				check_flip(version, byte, bit);
			}
	}
}

// In as many segments as it may, with ESN and without, good and bad.
static void every_cut_opens_and_changes_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t version = i & 1 ? 6 : 4;
		bool esn = (i & 2) != 0;
		uint64_t handle = add(NULL, version, FER_TRANSPORT, 2, esn);

		make_transport(version, 9, version == 4 ? 28 : 32, esn);
		for (uint32_t cut = 0; cut <= packet.len; cut++)
			for (unsigned bad = 0; bad < 2; bad++) {
				packet.bytes[packet.len - 1] ^= (uint8_t)bad;
				receive(test_mbuf_cut(pool, packet.bytes, packet.len, &cut, 1));
				assert_int_equal(layer_verdict(0), bad ? FER_BAD_ICV : FER_OK);
				test_assert_bytes(batch.m[0], packet.bytes, packet.len);
				done();
				packet.bytes[packet.len - 1] ^= (uint8_t)bad;
			}
		assert_int_equal(fer_sa_remove(sas, handle), 0);
		fer_sa_reclaim(sas);
	}
}

// The same on the way out: whatever the segments, the packet is that of the oracle.
static void every_cut_is_sealed_alike(void **state)
{
	static uint8_t framed[TEST_PACKET_BYTES];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t version = i & 1 ? 6 : 4;
		bool esn = (i & 2) != 0;
		uint64_t seq = esn ? 0x500000009 : 9, handle = add_out(version, seq, esn);
		uint32_t off = make_transport(version, seq, version == 4 ? 28 : 32, esn);

		memcpy(framed, packet.bytes, packet.len);
		memset(framed + off + FER_AH_FIXED_BYTES, 0, 16);
		for (uint32_t cut = 0; cut <= packet.len; cut++) {
			const uint32_t cuts[2] = {cut, RTE_MIN(cut + 3, packet.len)};

			for (unsigned n = 1; n <= 2; n++) {
				transmit(test_mbuf_cut(pool, framed, packet.len, cuts, n), handle,
					off);
				assert_int_equal(batch.pkt[0].verdict, FER_OK);
				test_assert_bytes(batch.m[0], packet.bytes, packet.len);
				done();
			}
		}
		assert_int_equal(fer_sa_remove(sas, handle), 0);
		fer_sa_reclaim(sas);
	}
}

// RFC 4303 section 3.1.1: destination options may stand between AH and ESP, which is sealed inside
// them.  They stay where they are: those who take headers off find them by the receipts.
static void options_between_the_headers_are_passed(void **state)
{
	static const uint8_t options[16] = {FER_PROTO_ESP, 1, 1, 12};
	const struct test_sa esp = {.spi = ESP_SPI, .version = 6};
	const struct test_ip ip = {.version = 6, .src = 1, .dst = 2};
	struct oracle_sa oracle = test_sa_oracle(&esp);

	(void)state;
	add(&esp, 6, FER_TRANSPORT, 2, false);
	for (uint8_t bad = 0; bad < 3; bad++) {
		test_packet_start(&packet, 64, 1);
		test_packet_put_esp(&packet, &oracle, ESP_SPI, 5, FER_PROTO_UDP);
		test_packet_seal_all(&packet);
		memmove(packet.bytes + sizeof(options), packet.bytes, packet.len);
		memcpy(packet.bytes, options, sizeof(options));
		packet.len += sizeof(options);
		packet.ip_end += sizeof(options);
		if (bad == 1)
			packet.bytes[1] = 0xff; // they reach beyond the packet
		put_ah(FER_PROTO_DSTOPTS, AH_SPI + 2, 6, 32);
		test_packet_put_ip(&packet, &ip, FER_PROTO_AH);
		seal_ah(40, 6, false);
		if (bad == 2)
			packet.bytes[40 + 32 + 5] ^= 1; // AH covers them
		receive(test_mbuf(pool, packet.bytes, packet.len));
		assert_words(bad == 0 ? DONE : bad == 1 ? DONE | STATUS(7) : DONE | STATUS(2));
		assert_int_equal(batch.pkt[0].n_layers, bad == 0 ? 2 : 1);
		if (bad == 0) {
			assert_int_equal(batch.round[1][0].sec_off, 40 + 32 + 16);
			assert_int_equal(batch.round[1][0].next_off, 40 + 32);
		}
		done();
	}
}

// SAs for the truth table.
enum part { AH_TRANSPORT, AH_TUNNEL, BUNDLE, BUNDLE_TUNNEL };

struct truth {
	const char *what;
	enum part part;
	bool ah_there, esp_there;
	bool spoil_ah, spoil_esp;
	uint32_t slot1;
};

// CryptoDone and CryptoStatus as far as one portion goes.
static const struct truth truths[] = {
	{"AH good", AH_TRANSPORT, true, false, false, false, DONE},
	{"AH bad", AH_TRANSPORT, true, false, true, false, DONE | STATUS(2)},
	{"AH tunnel good", AH_TUNNEL, true, false, false, false, DONE},
	{"AH tunnel bad", AH_TUNNEL, true, false, true, false, DONE | STATUS(4)},
	{"bundle good", BUNDLE, true, true, false, false, DONE},
	{"bundle, AH bad", BUNDLE, true, true, true, false, DONE | STATUS(2)},
	{"bundle, ESP bad", BUNDLE, true, true, false, true, DONE | STATUS(3)},
	{"bundle tunnel good", BUNDLE_TUNNEL, true, true, false, false, DONE},
	{"bundle tunnel, AH bad", BUNDLE_TUNNEL, true, true, true, false, DONE | STATUS(4)},
	{"bundle tunnel, ESP bad", BUNDLE_TUNNEL, true, true, false, true, DONE | STATUS(5)},
	{"bundle without AH", BUNDLE, false, true, false, false, DONE | STATUS(7)},
	{"bundle without ESP", BUNDLE, true, false, false, false, DONE | STATUS(7)},
	{"bundle tunnel without AH", BUNDLE_TUNNEL, false, true, false, false, DONE | STATUS(7)},
};

static void make_truth(const struct truth *t, const struct oracle_sa *esp)
{
	const struct test_ip inner = {.version = 4, .src = 11, .dst = 12};
	const struct test_ip outer = {.version = 4, .src = 1, .dst = 2};
	bool tunnel = t->part == AH_TUNNEL || t->part == BUNDLE_TUNNEL;
	uint8_t next = tunnel ? FER_PROTO_IPV4 : FER_PROTO_UDP;

	test_packet_start(&packet, 64, 1);
	if (tunnel)
		test_packet_put_ip(&packet, &inner, FER_PROTO_UDP);
	if (t->esp_there) {
		test_packet_put_esp(&packet, esp, ESP_SPI, 5, next);
		test_packet_seal_all(&packet);
		packet.bytes[packet.len - 1] ^= t->spoil_esp;
		next = FER_PROTO_ESP;
	}
	if (t->ah_there) {
		put_ah(next, AH_SPI + 2, 6, 28);
		next = FER_PROTO_AH;
	}
	test_packet_put_ip(&packet, &outer, next);
	if (t->ah_there)
		seal_ah(20, 6, false);
	packet.bytes[20 + FER_AH_FIXED_BYTES] ^= t->spoil_ah;
}

static void every_row_of_the_truth_table(void **state)
{
	const struct test_sa esp = {.spi = ESP_SPI, .version = 4};
	struct oracle_sa oracle = test_sa_oracle(&esp);

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(truths); i++) {
		const struct truth *t = &truths[i];
		bool tunnel = t->part == AH_TUNNEL || t->part == BUNDLE_TUNNEL;
		bool bundle = t->part == BUNDLE || t->part == BUNDLE_TUNNEL;
		uint64_t handle =
			add(bundle ? &esp : NULL, 4, tunnel ? FER_TUNNEL : FER_TRANSPORT, 2, false);

		make_truth(t, &oracle);
		receive(test_mbuf(pool, packet.bytes, packet.len));
		if (fer_oob_of(batch.m[0])->ipsec != t->slot1)
			fail_msg("%s: %#lx", t->what, (unsigned long)fer_oob_of(batch.m[0])->ipsec);
		done();
		assert_int_equal(fer_sa_remove(sas, handle), 0);
		fer_sa_reclaim(sas);
	}
}

// Rows of the truth table with two portions, of which one or both are AH.
static void two_portions_with_ah(void **state)
{
	static const struct {
		bool esp_outside, inner_known, spoil_outer, spoil_inner;
		uint32_t slot1;
	} rows[] = {
		{false, true, false, false, DONE | NEXT_DONE},
		{false, true, false, true, DONE | NEXT_DONE | STATUS(2)},
		{false, true, true, false, DONE | STATUS(4)},
		{false, false, false, false, DONE},
		{false, false, false, true, DONE},
		{true, true, false, false, DONE | NEXT_DONE},
		{true, true, false, true, DONE | NEXT_DONE | STATUS(2)},
		{true, true, true, false, DONE | STATUS(5)},
		{true, false, false, false, DONE},
	};
	const struct test_sa esp = {.spi = ESP_SPI, .version = 4, .mode = FER_TUNNEL};
	const struct test_ip inner = {.version = 4, .src = 11, .dst = 12};
	const struct test_ip outer = {.version = 4, .src = 1, .dst = 2};
	struct oracle_sa oracle = test_sa_oracle(&esp);

	(void)state;
	test_sa_add(sas, &esp, FER_IN);
	add(NULL, 4, FER_TUNNEL, 2, false);
	for (unsigned i = 0; i < RTE_DIM(rows); i++) {
		uint64_t handle = rows[i].inner_known ? add(NULL, 4, FER_TRANSPORT, 12, false) : 0;

		test_packet_start(&packet, 64, 1);
		put_ah(FER_PROTO_UDP, AH_SPI + 12, 7, 28);
		test_packet_put_ip(&packet, &inner, FER_PROTO_AH);
		seal_ah(20, 7, false);
		packet.bytes[packet.len - 1] ^= rows[i].spoil_inner;
		if (rows[i].esp_outside) {
			test_packet_put_esp(&packet, &oracle, ESP_SPI, 5 + i, FER_PROTO_IPV4);
			test_packet_seal_all(&packet);
			packet.bytes[packet.len - 1] ^= rows[i].spoil_outer;
			test_packet_put_ip(&packet, &outer, FER_PROTO_ESP);
		} else {
			put_ah(FER_PROTO_IPV4, AH_SPI + 2, 5 + i, 28);
			test_packet_put_ip(&packet, &outer, FER_PROTO_AH);
			seal_ah(20, 5 + i, false);
			packet.bytes[20 + FER_AH_FIXED_BYTES] ^= rows[i].spoil_outer;
		}
		receive(test_mbuf(pool, packet.bytes, packet.len));
		if (fer_oob_of(batch.m[0])->ipsec != rows[i].slot1)
			fail_msg("row %u: %#lx", i, (unsigned long)fer_oob_of(batch.m[0])->ipsec);
		done();
		if (handle != 0)
			assert_int_equal(fer_sa_remove(sas, handle), 0);
		fer_sa_reclaim(sas);
	}
}

// AH covers the packet as it would be without what stands in front of it in transport mode, with
// the length that it has then.
static void ah_behind_esp_of_the_same_packet(void **state)
{
	const struct test_sa esp = {.spi = ESP_SPI, .version = 4};
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};
	struct oracle_sa oracle = test_sa_oracle(&esp);

	(void)state;
	test_sa_add(sas, &esp, FER_IN);
	add(NULL, 4, FER_TRANSPORT, 2, false);
	for (uint8_t bad = 0; bad < 2; bad++) {
		test_packet_start(&packet, 40, 1);
		put_ah(FER_PROTO_UDP, AH_SPI + 2, 7, 28);
		test_packet_put_ip(&packet, &ip, FER_PROTO_AH);
		seal_ah(FER_IPV4_HEADER_BYTES, 7, false);
		packet.len -= FER_IPV4_HEADER_BYTES;
		memmove(packet.bytes, packet.bytes + FER_IPV4_HEADER_BYTES, packet.len);
		packet.bytes[packet.len - 1] ^= bad;
		test_packet_put_esp(&packet, &oracle, ESP_SPI, 5, FER_PROTO_AH);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
		test_packet_seal_all(&packet);
		receive(test_mbuf(pool, packet.bytes, packet.len));
		assert_int_equal(batch.pkt[0].n_layers, 2);
		assert_int_equal(layer_verdict(0), FER_OK);
		assert_int_equal(layer_verdict(1), bad ? FER_BAD_ICV : FER_OK);
		done();
	}
}

// What is read before it was written is no 0 then.
__attribute__((noinline)) static void dirty_stack(void)
{
	volatile uint8_t bytes[7168];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = 0x55;
}

// The same SPI and destination with the other protocol.
static void the_other_protocol_is_a_wrong_one(void **state)
{
	const struct test_sa esp = {.spi = AH_SPI + 2, .version = 4};
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};
	struct oracle_sa oracle = test_sa_oracle(&esp);

	(void)state;
	add(NULL, 4, FER_TRANSPORT, 2, false);
	test_packet_start(&packet, 40, 1);
	test_packet_put_esp(&packet, &oracle, AH_SPI + 2, 5, FER_PROTO_UDP);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	test_packet_seal_all(&packet);
	receive(test_mbuf(pool, packet.bytes, packet.len));
	assert_int_equal(layer_verdict(0), FER_BAD_PROTOCOL);
	assert_words(DONE | STATUS(7));
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();

	// So is each of a run.
	enum { N = 3 };
	for (unsigned i = 0; i < N; i++)
		batch.m[i] = test_mbuf(pool, packet.bytes, packet.len);
	batch.n = N;
	fer_batch_parse(&batch);
	dirty_stack();
	fer_nic_receive(&nic, &batch);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(batch.pkt[i].n_layers, 1);
		assert_int_equal(batch.round[0][i].verdict, FER_BAD_PROTOCOL);
		assert_int_equal(batch.round[0][i].sec_off, FER_IPV4_HEADER_BYTES);
		assert_int_equal(batch.round[0][i].pay_off, FER_IPV4_HEADER_BYTES);
		assert_int_equal(fer_oob_of(batch.m[i])->ipsec, DONE | STATUS(7));
		rte_pktmbuf_free(batch.m[i]);
	}
	batch.n = 0;
}

// Neighbours that differ from the first in one respect each, and what each of them comes to,
// whichever packets are in front of it: runs of packets that are alike are bound at once.
struct neighbour {
	const char *what;
	enum fer_verdict verdict; // of its layer; FER_NO_SA: it gets none
	uint8_t version, dst;     // 0: 4, 2
	uint8_t spi;              // behind AH_SPI; 0: 2
	uint8_t next;             // 0: UDP
	uint8_t number;           // 0: 6
	uint16_t stated;          // length field and 1; 0: what it has
	uint8_t bytes;            // of AH; 0: 28
	uint8_t reserved;
	uint8_t n_options;
	uint8_t cut;     // the IP packet ends so many bytes behind the IP header; 0: it is whole
	uint8_t payload; // 0: 40
	uint8_t n_tags;
	bool is_flipped; // one bit of the payload
	bool is_in_two;  // segments
	bool is_replayed;
};

#define ESP_ALONE 20 // SPI and end point of ESP
#define NEVER 30     // of nobody
#define IN_TUNNEL 6
#define IN_BUNDLE 4
#define WITH_ESN 5

static const struct neighbour neighbours[] = {
	{.what = "good"},
	{.what = "longer", .payload = 99},
	{.what = "another number", .number = 9},
	{.what = "a number seen before", .verdict = FER_REPLAY, .is_replayed = true},
	{.what = "another next header", .next = FER_PROTO_TCP},
	{.what = "another length", .bytes = 32},
	{.what = "more padding", .bytes = 92},
	{.what = "payload taken for padding", .stated = 1 + 6},
	{.what = "another length on the way",
		.verdict = FER_BAD_ICV,
		.stated = 1 + 6,
		.is_flipped = true},
	{.what = "a length below that of the ICV", .verdict = FER_BAD_SYNTAX, .stated = 1 + 4},
	{.what = "length 0", .verdict = FER_BAD_SYNTAX, .stated = 1},
	{.what = "a length beyond the end", .verdict = FER_BAD_SYNTAX, .stated = 1 + 60},
	{.what = "reserved bits", .reserved = 1},
	{.what = "an SPI of nobody", .verdict = FER_NO_SA, .spi = NEVER},
	{.what = "an SPI of ESP", .verdict = FER_BAD_PROTOCOL, .spi = ESP_ALONE},
	{.what = "another end point", .verdict = FER_NO_SA, .dst = 9},
	{.what = "another SA", .dst = IN_TUNNEL, .spi = IN_TUNNEL, .next = FER_PROTO_IPV4},
	{.what = "a bundle without its ESP",
		.verdict = FER_BAD_PROTOCOL,
		.dst = IN_BUNDLE,
		.spi = IN_BUNDLE},
	{.what = "ESN", .dst = WITH_ESN, .spi = WITH_ESN},
	{.what = "another version", .version = 6},
	{.what = "more padding, IPv6", .version = 6, .bytes = 32},
	{.what = "an extension header", .version = 6, .n_options = 8},
	{.what = "options", .n_options = 8},
	{.what = "a tag", .n_tags = 1},
	{.what = "a flipped bit", .verdict = FER_BAD_ICV, .is_flipped = true},
	{.what = "two segments", .is_in_two = true},
	{.what = "an end one word before the stated one", .verdict = FER_BAD_SYNTAX, .cut = 24},
	{.what = "an end behind the ICV's first bytes", .verdict = FER_BAD_SYNTAX, .cut = 16},
	{.what = "an end behind the number", .verdict = FER_BAD_SYNTAX, .cut = 12},
	{.what = "an end behind the SPI", .verdict = FER_BAD_SYNTAX, .cut = 8},
	{.what = "an end behind the length", .verdict = FER_NO_SA, .cut = 4},
};

#define N_NEIGHBOURS RTE_DIM(neighbours)
#define ROW_BYTES 256
#define BURST 40

struct came {
	uint8_t verdict, parsed, n_layers, pending;
	uint64_t ipsec;
	uint64_t selector;
	struct fer_layer layer;
};

static uint8_t or_else(uint8_t given, uint8_t otherwise)
{
	return given != 0 ? given : otherwise;
}

static void make_neighbour(const struct neighbour *n)
{
	const struct test_ip ip = {.version = or_else(n->version, 4),
		.src = 1,
		.dst = or_else(n->dst, 2),
		.n_options = n->n_options};
	uint32_t front = (ip.version == 4 ? 20u : 40u) + n->n_options;
	uint8_t bytes = or_else(n->bytes, 28), next = or_else(n->next, FER_PROTO_UDP);

	test_packet_start(&packet, or_else(n->payload, 40), 3);
	if (next == FER_PROTO_IPV4)
		test_packet_put_ip(&packet, &(struct test_ip){.version = 4, .src = 11, .dst = 12},
			FER_PROTO_UDP);
	put_ah(next, AH_SPI + or_else(n->spi, 2), n->is_replayed ? 0 : or_else(n->number, 6),
		bytes);
	if (n->stated != 0)
		packet.bytes[1] = (uint8_t)(n->stated - 1);
	packet.bytes[3] = n->reserved;
	if (n->cut != 0)
		packet.len = packet.ip_end = n->cut;
	test_packet_put_ip(&packet, &ip, FER_PROTO_AH);
	if (n->cut == 0)
		seal_ah(front, 0, n->spi == WITH_ESN);
	if (n->is_flipped)
		packet.bytes[packet.len - 1] ^= 1;
	test_packet_put_ethernet(&packet, n->n_tags);
	assert_true(packet.len <= ROW_BYTES);
}

static void put_neighbour(const struct neighbour *n, unsigned i)
{
	uint32_t cut = 60;

	make_neighbour(n);
	batch.m[i] = test_mbuf_cut(pool, packet.bytes, packet.len, &cut, n->is_in_two);
}

static struct came came_of(unsigned i)
{
	const struct fer_pkt *p = &batch.pkt[i];
	struct came c = {.verdict = p->verdict,
		.parsed = p->parsed,
		.n_layers = p->n_layers,
		.pending = p->pending,
		.ipsec = fer_oob_of(batch.m[i])->ipsec,
		.selector = fer_frame_selector(&p->frame)};

	if (p->n_layers > 0)
		c.layer = batch.round[0][i];
	return c;
}

static void receive_neighbours(unsigned n)
{
	batch.n = (uint16_t)n;
	batch.link = FER_LINK_ETHERNET;
	fer_batch_parse(&batch);
	dirty_stack();
	fer_nic_receive(&nic, &batch);
}

// Is what came of a neighbour, packet 0 of the batch, what its row says?
static void check_neighbour(const struct neighbour *n)
{
	const struct fer_layer *layer = &batch.round[0][0];
	uint32_t bytes = n->stated != 0 ? (n->stated + 1u) * 4 : or_else(n->bytes, 28);

	if (batch.pkt[0].n_layers != (n->verdict != FER_NO_SA) ||
		(batch.pkt[0].n_layers != 0 && layer->verdict != n->verdict))
		fail_msg("%s: %u layers, %s", n->what, batch.pkt[0].n_layers,
			fer_verdict_name((enum fer_verdict)layer->verdict));
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	if (n->verdict == FER_NO_SA)
		return;
	if (n->cut == 0 || n->cut >= FER_AH_FIXED_BYTES)
		assert_int_equal(layer->seq, n->is_replayed ? 0 : or_else(n->number, 6));
	assert_int_equal(layer->pay_off - layer->sec_off, n->spi == ESP_ALONE ? 0 : bytes);
	if (n->verdict == FER_OK)
		assert_int_equal(layer->next_header, or_else(n->next, FER_PROTO_UDP));
}

static void add_for_neighbours(void)
{
	static const struct test_sa inside = {.spi = ESP_SPI, .version = 4};

	add(NULL, 4, FER_TRANSPORT, 2, false);
	add(NULL, 6, FER_TRANSPORT, 2, false);
	add(NULL, 4, FER_TUNNEL, IN_TUNNEL, false);
	add(&inside, 4, FER_TRANSPORT, IN_BUNDLE, false);
	add(NULL, 4, FER_TRANSPORT, WITH_ESN, true);
	test_sa_known(sas, (struct test_sa){.spi = AH_SPI + ESP_ALONE, .version = 4}, FER_IN);
}

// Receives a packet of AH by itself, and returns how many layers were found on it.
static unsigned n_layers_of(const struct neighbour *n)
{
	put_neighbour(n, 0);
	receive_neighbours(1);
	const unsigned n_layers = batch.pkt[0].n_layers;
	done();
	return n_layers;
}

// What was found for the packet before is not found any more.
static void a_removed_sa_is_gone_at_once(void **state)
{
	const struct neighbour *good = &neighbours[0];
	const uint64_t handle = add(NULL, 4, FER_TRANSPORT, 2, false);

	(void)state;
	assert_int_equal(n_layers_of(good), 1);
	assert_int_equal(n_layers_of(good), 1);
	assert_int_equal(fer_sa_remove(sas, handle), 0);
	assert_int_equal(n_layers_of(good), 0);
	fer_sa_reclaim(sas);
	assert_int_equal(n_layers_of(good), 0);
}

static void neighbours_end_alike_whatever_came_before(void **state)
{
	static struct came alone[N_NEIGHBOURS], now;
	unsigned order[BURST];
	uint32_t random = 1;

	(void)state;
	add_for_neighbours();
	for (unsigned k = 0; k < N_NEIGHBOURS; k++) {
		put_neighbour(&neighbours[k], 0);
		receive_neighbours(1);
		alone[k] = came_of(0);
		check_neighbour(&neighbours[k]);
		done();
	}
	for (unsigned round = 0; round < 2000; round++) {
		unsigned n = 1 + round % BURST;

		for (unsigned i = 0; i < n; i++) {
			random = random * 1664525 + 1013904223;
			order[i] = (random >> 20) % (2 * N_NEIGHBOURS);
			if (order[i] >= N_NEIGHBOURS)
				order[i] = 0;
			put_neighbour(&neighbours[order[i]], i);
		}
		receive_neighbours(n);
		for (unsigned i = 0; i < n; i++) {
			now = came_of(i);
			make_neighbour(&neighbours[order[i]]);
			test_assert_bytes(batch.m[i], packet.bytes, packet.len);
			if (memcmp(&now, &alone[order[i]], sizeof(now)) != 0)
				fail_msg("%s behind %s, packet %u of burst %u",
					neighbours[order[i]].what,
					i == 0 ? "none" : neighbours[order[i - 1]].what, i, round);
		}
		rte_pktmbuf_free_bulk(batch.m, n);
		batch.n = 0;
	}
}

// Packets to be sent that differ from a good one in one respect each.
enum send {
	SEND_GOOD,
	SEND_LONGER_AH,  // than it needs to be
	SEND_SHORTER_AH, // than it can be
	SEND_OTHER_SPI,
	SEND_IPV6,
	SEND_OPTIONS, // of IPv4, so that AH stands where it does in IPv6
	SEND_FORGED,  // IPv6, in whose addresses an AH stands where it does in IPv4
	N_SENDS
};

// 20 bytes of a recorded route behind a plain IPv4 header.
static void insert_route(void)
{
	memmove(packet.bytes + 40, packet.bytes + 20, packet.len - 20);
	memset(packet.bytes + 20, 0, 20);
	memcpy(packet.bytes + 20, (const uint8_t[]){7, 20, 4}, 3);
	packet.len += 20;
	packet.bytes[0] = 0x4a;
	fer_store_be16(packet.bytes + 2, (uint16_t)packet.len);
	fix_ipv4_sum();
}

// Returns where its AH is said to stand.
static uint32_t make_send(enum send n)
{
	const bool v6 = n == SEND_IPV6 || n == SEND_FORGED;
	const struct test_ip ip = {.version = v6 ? 6 : 4, .src = 1, .dst = 2};

	test_packet_start(&packet, 40, 3);
	put_ah(FER_PROTO_UDP, AH_SPI + (n == SEND_OTHER_SPI ? 3 : 2), 7,
		n == SEND_LONGER_AH ? 36 : 28);
	if (n == SEND_SHORTER_AH)
		packet.bytes[1]--;
	test_packet_put_ip(&packet, &ip, FER_PROTO_AH);
	if (n == SEND_OPTIONS)
		insert_route();
	if (n == SEND_FORGED) {
		memcpy(packet.bytes + 20, packet.bytes + 40, 2);
		fer_store_be32(packet.bytes + 24, AH_SPI + 2);
	}
	return n == SEND_IPV6 || n == SEND_OPTIONS ? 40 : 20;
}

static void put_send(unsigned i, enum send n, uint64_t handle)
{
	uint32_t off = make_send(n);

	batch.m[i] = test_mbuf(pool, packet.bytes, packet.len);
	fer_oob_of(batch.m[i])->ipsec = handle;
	fer_oob_of(batch.m[i])->header = fer_oob_header_send(0, 0, off, 0);
}

struct sent {
	uint8_t verdict, n_layers;
	struct fer_layer layer;
	uint32_t len;
	uint8_t bytes[256];
};

static void transmit_sends(unsigned n, struct sent sent[])
{
	batch.n = (uint16_t)n;
	batch.link = FER_LINK_RAW_IP;
	fer_batch_parse(&batch);
	fer_nic_transmit(&nic, &batch);
	memset(sent, 0, n * sizeof(sent[0]));
	for (unsigned i = 0; i < n; i++) {
		sent[i].verdict = batch.pkt[i].verdict;
		sent[i].n_layers = batch.pkt[i].n_layers;
		if (sent[i].n_layers != 0)
			sent[i].layer = batch.round[0][i];
		sent[i].len = test_flatten(batch.m[i], sent[i].bytes, sizeof(sent[i].bytes));
	}
	rte_pktmbuf_free_bulk(batch.m, n);
	batch.n = 0;
}

static void sends_end_alike_whatever_came_before(void **state)
{
	struct sent alone[N_SENDS], sent[6];
	const uint64_t handle = add_out(4, 6, false);
	uint32_t random = 1;

	(void)state;
	for (unsigned n = 0; n < N_SENDS; n++) {
		*nic.known = (struct fer_known){0};
		put_send(0, (enum send)n, handle);
		transmit_sends(1, &alone[n]);
	}
	assert_int_equal(alone[SEND_GOOD].verdict, FER_OK);
	assert_int_equal(alone[SEND_LONGER_AH].verdict, FER_OK);
	assert_int_equal(alone[SEND_LONGER_AH].layer.pay_off, 20 + 36);
	assert_int_equal(alone[SEND_SHORTER_AH].verdict, FER_BAD_OFFSET);
	assert_int_equal(alone[SEND_OTHER_SPI].verdict, FER_BAD_OFFSET);
	assert_int_equal(alone[SEND_IPV6].verdict, FER_OK);
	assert_int_equal(alone[SEND_OPTIONS].verdict, FER_OK);
	assert_int_not_equal(alone[SEND_FORGED].verdict, FER_OK);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned n = 1 + round % RTE_DIM(sent), order[RTE_DIM(sent)];

		for (unsigned i = 0; i < n; i++) {
			random = random * 1664525 + 1013904223;
			order[i] = (random >> 20) % N_SENDS;
			put_send(i, (enum send)order[i], handle);
		}
		transmit_sends(n, sent);
		for (unsigned i = 0; i < n; i++)
			if (memcmp(&sent[i], &alone[order[i]], sizeof(sent[i])) != 0)
				fail_msg("send %u behind %u, packet %u of burst %u", order[i],
					i == 0 ? 0 : order[i - 1], i, round);
	}
}

// More layers than are supported: the first four are opened, and the packet has its verdict.
static void depth_has_an_end(void **state)
{
	(void)state;
	for (unsigned depth = 1; depth <= 6; depth++) {
		for (uint8_t d = 1; d <= depth; d++)
			add(NULL, 4, FER_TUNNEL, (uint8_t)(10 * depth + d), false);
		test_packet_start(&packet, 40, 1);
		test_packet_put_ip(&packet, &(struct test_ip){.version = 4, .src = 1, .dst = 3},
			FER_PROTO_UDP);
		for (uint8_t d = 1; d <= depth; d++) {
			uint8_t last = (uint8_t)(10 * depth + d);
			put_ah(FER_PROTO_IPV4, AH_SPI + last, 5, 28);
			test_packet_put_ip(&packet,
				&(struct test_ip){.version = 4, .src = 1, .dst = last},
				FER_PROTO_AH);
			seal_ah(20, 5, false);
		}
		receive(test_mbuf(pool, packet.bytes, packet.len));
		assert_int_equal(batch.pkt[0].n_layers, RTE_MIN(depth, (unsigned)FER_MAX_ROUNDS));
		for (unsigned k = 0; k < batch.pkt[0].n_layers; k++)
			assert_int_equal(layer_verdict(k), FER_OK);
		assert_int_equal(
			batch.pkt[0].verdict, depth > FER_MAX_ROUNDS ? FER_TOO_DEEP : FER_OK);
		assert_words(DONE);
		done();
	}
}

// Behind the last layer that is supported, an SPI of the other protocol is no layer either.
static void depth_has_an_end_for_the_other_protocol(void **state)
{
	const uint8_t depth = FER_MAX_ROUNDS + 1;

	(void)state;
	test_sa_known(sas, (struct test_sa){.spi = AH_SPI + ESP_ALONE, .version = 4}, FER_IN);
	for (uint8_t d = 2; d <= depth; d++)
		add(NULL, 4, FER_TUNNEL, 10 + d, false);
	test_packet_start(&packet, 40, 1);
	test_packet_put_ip(
		&packet, &(struct test_ip){.version = 4, .src = 1, .dst = 3}, FER_PROTO_UDP);
	for (uint8_t d = 1; d <= depth; d++) {
		const uint8_t last = d == 1 ? 2 : 10 + d;

		put_ah(FER_PROTO_IPV4, AH_SPI + (d == 1 ? ESP_ALONE : last), 5, 28);
		test_packet_put_ip(&packet, &(struct test_ip){.version = 4, .src = 1, .dst = last},
			FER_PROTO_AH);
		seal_ah(20, 5, false);
	}
	receive(test_mbuf(pool, packet.bytes, packet.len));
	assert_int_equal(batch.pkt[0].n_layers, FER_MAX_ROUNDS);
	for (unsigned k = 0; k < FER_MAX_ROUNDS; k++)
		assert_int_equal(layer_verdict(k), FER_OK);
	assert_int_equal(batch.pkt[0].verdict, FER_OK);
	assert_words(DONE);
	done();
}

static int set_up(void **state)
{
	static unsigned n;
	char name[20];

	(void)state;
	snprintf(name, sizeof(name), "ah%u", n++);
	sas = test_sas_open(name, test_engine);
	return fer_nic_init(&nic, sas, test_iv_fixed());
}

static int tear_down(void **state)
{
	(void)state;
	fer_nic_fini(&nic);
	fer_sa_table_destroy(sas);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_stated_length_is_taken),
		TEST(lengths_that_cannot_be_are_bad_syntax),
		TEST(exactly_what_rfc_4302_covers_is_covered),
		TEST(every_cut_opens_and_changes_nothing),
		TEST(every_cut_is_sealed_alike),
		TEST(options_between_the_headers_are_passed),
		TEST(every_row_of_the_truth_table),
		TEST(two_portions_with_ah),
		TEST(ah_behind_esp_of_the_same_packet),
		TEST(the_other_protocol_is_a_wrong_one),
		TEST(a_removed_sa_is_gone_at_once),
		TEST(neighbours_end_alike_whatever_came_before),
		TEST(sends_end_alike_whatever_came_before),
		TEST(depth_has_an_end),
		TEST(depth_has_an_end_for_the_other_protocol),
	};
	int error;

	test_ground_open("128");
	for (unsigned i = 0; i < sizeof(ah_key); i++)
		ah_key[i] = (uint8_t)(i * 7 + 1);
	pool = test_pool("ah", 255, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
