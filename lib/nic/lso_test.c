// SPDX-License-Identifier: BSD-3-Clause
// Do large sends become the segments that the contract wants, byte for byte?  What is expected is
// put together here by hand, and opened by the oracle.
#include "nic/lso.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "nic/segment.h"
#include "proto/mutable.h"
#include "support/packet.h"
// Last: its names are short.
#include "nic/nic_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define SPI 0x1000u
#define ESP 1u
#define AH 2u
#define UDP 4u
#define IP_AT 14u
#define AH_BYTES 32u // with an ICV of 16, padded as IPv6 wants it
#define FIN_PSH_ACK_CWR 0x99
#define FIN 0x01
#define PSH 0x08
#define CWR 0x80

static _Atomic uint32_t may;
static uint8_t ah_key[FER_MAX_KEY_BYTES];
static uint8_t data[FER_LSO_MAX_BYTES + 300];
static uint8_t made[TEST_PACKET_BYTES], got[TEST_PACKET_BYTES], copy[TEST_PACKET_BYTES];

// A large send.  Zero is a plain value for most.
struct shape {
	unsigned protection; // ESP, AH, UDP
	const char *encryption, *integrity;
	uint8_t version;
	uint8_t lso;       // version of it
	uint8_t pad;       // behind the data
	uint8_t n_options; // bytes of IPv4 options, or of IPv6 extension headers
	uint8_t n_tcp_options;
	bool esn;
	bool is_length_left; // the host left the length to us
	uint16_t id;
	uint32_t n_data, mss;
	uint64_t esp_seq, ah_seq;
};

// What the test knows of its SA.
static uint64_t handle;
static struct oracle_sa esp_oracle, ah_oracle;

static void add(const struct shape *s)
{
	const struct test_sa esp = {.spi = SPI,
		.version = s->version,
		.encryption = s->encryption,
		.integrity = s->integrity,
		.esn = s->esn};
	struct fer_sa_params p = {
		.direction = FER_OUT,
		.group = FER_NO_GROUP,
		.src = test_addr(s->version, 1),
		.dst = test_addr(s->version, 2),
		.esn = s->esn,
		.contract = true,
		.sequence = s->esp_seq,
		.udp_at = (s->protection & UDP) != 0 ? FER_UDP_OUTSIDE : 0,
	};
	const char *why;

	handle = 0;
	if ((s->protection & (ESP | AH)) == 0)
		return;
	esp_oracle = test_sa_oracle(&esp);
	if ((s->protection & ESP) != 0) {
		p.spi = SPI;
		p.encryption = fer_algo_find(
			FER_ENCRYPTION, s->encryption == NULL ? "aes-gcm-128" : s->encryption);
		p.integrity =
			s->integrity == NULL ? NULL : fer_algo_find(FER_INTEGRITY, s->integrity);
		p.encryption_key = esp_oracle.encryption_key;
		p.integrity_key = esp_oracle.integrity_key;
	}
	if ((s->protection & AH) != 0) {
		const struct fer_algo *a = fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128");

		p.ah = (struct fer_ah_params){
			.spi = SPI + 1, .integrity = a, .key = ah_key, .sequence = s->ah_seq};
		ah_oracle = (struct oracle_sa){0};
		assert_null(fer_suite_init_ah(&ah_oracle.suite, a, 0));
		ah_oracle.suite.esn = s->esn;
		memcpy(ah_oracle.integrity_key, ah_key, sizeof(ah_key));
	}
	if (fer_sa_add(sas, &p, &handle, &why) != 0)
		fail_msg("%s", why);
}

static void remove_sa(void)
{
	if (handle != 0)
		assert_int_equal(fer_sa_remove(sas, handle), 0);
	fer_sa_reclaim(sas);
}

// --- by hand ----------------------------------------------------------------------------------

static uint16_t sum(const uint8_t *at, uint32_t n, uint32_t start)
{
	uint32_t s = start;

	for (uint32_t i = 0; i < n; i++)
		s += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	while (s > 0xffff)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static uint32_t ip_bytes(const struct shape *s)
{
	return (s->version == 4 ? 20u : 40u) + s->n_options;
}

// Where headers are in the frame; as if they were there.
static uint32_t udp_at(const struct shape *s)
{
	return IP_AT + ip_bytes(s);
}

static uint32_t ah_at(const struct shape *s)
{
	return udp_at(s) + ((s->protection & UDP) != 0 ? 8 : 0);
}

static uint32_t esp_at(const struct shape *s)
{
	return ah_at(s) + ((s->protection & AH) != 0 ? AH_BYTES : 0);
}

static uint32_t tcp_at(const struct shape *s)
{
	return esp_at(s) + ((s->protection & ESP) != 0 ? 8u + esp_oracle.suite.iv_bytes : 0);
}

static uint32_t data_at(const struct shape *s)
{
	return tcp_at(s) + 20 + s->n_tcp_options;
}

static uint8_t first_protocol(const struct shape *s)
{
	if ((s->protection & UDP) != 0)
		return FER_PROTO_UDP;
	if ((s->protection & AH) != 0)
		return FER_PROTO_AH;
	return (s->protection & ESP) != 0 ? FER_PROTO_ESP : FER_PROTO_TCP;
}

static void make_ip(const struct shape *s, uint32_t len, uint16_t id)
{
	uint8_t *ip = made + IP_AT, protocol = first_protocol(s);

	if (s->version == 4) {
		memset(ip, 1, ip_bytes(s));
		memset(ip, 0, 20);
		ip[0] = (uint8_t)(0x40 | ip_bytes(s) / 4);
		fer_store_be16(ip + 2, (uint16_t)len);
		fer_store_be16(ip + 4, id);
		ip[8] = 64;
		ip[9] = protocol;
		memcpy(ip + 12, test_addr(4, 1).bytes, 4);
		memcpy(ip + 16, test_addr(4, 2).bytes, 4);
		fer_store_be16(ip + 10, sum(ip, ip_bytes(s), 0));
		return;
	}
	memset(ip, 0, ip_bytes(s));
	ip[0] = 0x60;
	fer_store_be16(ip + 4, (uint16_t)(len - 40));
	ip[6] = s->n_options != 0 ? FER_PROTO_HOPOPTS : protocol;
	ip[7] = 64;
	memcpy(ip + 8, test_addr(6, 1).bytes, 16);
	memcpy(ip + 24, test_addr(6, 2).bytes, 16);
	if (s->n_options != 0) {
		ip[40] = protocol;
		ip[41] = (uint8_t)(s->n_options / 8 - 1);
		ip[42] = 1; // PadN
		ip[43] = (uint8_t)(s->n_options - 4);
	}
}

static void make_tcp(const struct shape *s, uint32_t off, uint32_t len, uint8_t flags, bool summed)
{
	uint32_t n = 20u + s->n_tcp_options + len;
	uint8_t *tcp = made + tcp_at(s);
	const uint8_t *ends = made + IP_AT + (s->version == 4 ? 12 : 8);
	uint32_t n_ends = s->version == 4 ? 8 : 32;

	memset(tcp, 0, 20);
	memset(tcp + 20, 1, s->n_tcp_options);
	fer_store_be16(tcp, 1234);
	fer_store_be16(tcp + 2, 80);
	fer_store_be32(tcp + 4, 0xfffff000u + off);
	fer_store_be32(tcp + 8, 77);
	tcp[12] = (uint8_t)((20 + s->n_tcp_options) / 4 << 4);
	tcp[13] = flags;
	fer_store_be16(tcp + 14, 5000);
	memcpy(tcp + 20 + s->n_tcp_options, data + off, len);
	uint16_t ends_sum = (uint16_t)~sum(ends, n_ends, FER_PROTO_TCP + n);
	fer_store_be16(tcp + 16, summed ? sum(tcp, n, ends_sum) : 0x1234);
}

// UDP, AH and ESP headers of segment k of a frame that ends at end.
static void make_headers(const struct shape *s, uint32_t k, uint32_t end)
{
	uint8_t *udp = made + udp_at(s), *ah = made + ah_at(s), *esp = made + esp_at(s);

	if ((s->protection & UDP) != 0) {
		memset(udp, 0, 8);
		fer_store_be16(udp, 4500);
		fer_store_be16(udp + 2, 4500);
		fer_store_be16(udp + 4, (uint16_t)(end - udp_at(s)));
	}
	if ((s->protection & AH) != 0) {
		memset(ah, 0, AH_BYTES);
		ah[0] = (s->protection & ESP) != 0 ? FER_PROTO_ESP : FER_PROTO_TCP;
		ah[1] = AH_BYTES / 4 - 2;
		fer_store_be32(ah + 4, SPI + 1);
		fer_store_be32(ah + 8, (uint32_t)s->ah_seq + k);
	}
	if ((s->protection & ESP) != 0) {
		memset(esp, 0, 8u + esp_oracle.suite.iv_bytes);
		fer_store_be32(esp, SPI);
		fer_store_be32(esp + 4, (uint32_t)s->esp_seq + k);
	}
}

static void make_ethernet(const struct shape *s)
{
	memset(made, 0x22, 12);
	fer_store_be16(made + 12, s->version == 4 ? 0x0800 : 0x86dd);
}

// The large send; its length.
static uint32_t make_large(const struct shape *s)
{
	uint32_t end = data_at(s) + s->n_data + s->pad;

	make_ethernet(s);
	make_ip(s, end - IP_AT, s->id);
	if (s->is_length_left) {
		fer_store_be16(made + IP_AT + (s->version == 4 ? 2 : 4), 0);
		if (s->version == 4)
			fer_store_be16(made + IP_AT + 10, 0);
	}
	make_headers(s, 0, end);
	make_tcp(s, 0, s->n_data, FIN_PSH_ACK_CWR, false);
	memset(made + data_at(s) + s->n_data, 0xbb, s->pad);
	return end;
}

static uint32_t n_segments(const struct shape *s)
{
	return (s->n_data + s->mss - 1) / s->mss;
}

// Segment k with its trailer and rooms of zeros; its length.
static uint32_t make_segment(const struct shape *s, uint32_t k)
{
	uint32_t off = k * s->mss, len = RTE_MIN(s->mss, s->n_data - off);
	uint32_t end = data_at(s) + len;
	bool is_first = k == 0, is_last = k + 1 == n_segments(s);
	uint8_t flags =
		FIN_PSH_ACK_CWR & (uint8_t) ~((is_first ? 0 : CWR) | (is_last ? 0 : FIN | PSH));
	uint32_t id = s->id + k;

	if ((s->protection & ESP) != 0) {
		uint8_t n_pad = 0;

		while ((end - tcp_at(s) + n_pad + 2) % esp_oracle.suite.align_bytes != 0) {
			made[end + n_pad] = n_pad + 1;
			n_pad++;
		}
		made[end + n_pad] = n_pad;
		made[end + n_pad + 1] = FER_PROTO_TCP;
		end += n_pad + 2u;
		memset(made + end, 0, esp_oracle.suite.icv_bytes);
		end += esp_oracle.suite.icv_bytes;
	}
	make_ethernet(s);
	make_ip(s, end - IP_AT, (uint16_t)(s->lso == 2 ? id & 0x7fff : id));
	make_headers(s, k, end);
	make_tcp(s, off, len, flags, true);
	return end;
}

// --- judging ----------------------------------------------------------------------------------

static struct fer_oob words(const struct shape *s)
{
	uint32_t ah = (s->protection & AH) != 0 ? ah_at(s) - IP_AT : 0;
	uint32_t esp = (s->protection & ESP) != 0 ? esp_at(s) - IP_AT : 0;

	return (struct fer_oob){
		.ipsec = handle,
		.lso = s->mss | 99u << 20 | (s->lso == 2 ? 1u << 30 : 0) |
		       (s->lso == 2 && s->version == 6 ? 1u << 31 : 0),
		.header = esp / 4 << 24 | ah / 4 << 16 | (uint32_t)s->pad << 8 | FER_PROTO_TCP,
	};
}

static enum fer_verdict transmit(struct rte_mbuf *m, struct fer_oob o)
{
	*fer_oob_of(m) = o;
	batch.n = 1;
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = m;
	fer_batch_parse(&batch);
	fer_nic_transmit(&nic, &batch);
	return (enum fer_verdict)batch.pkt[0].verdict;
}

// Verifies the ICV of AH in got, and clears it.
static void open_ah(const struct shape *s, uint32_t len, uint32_t seq_hi)
{
	uint8_t icv[FER_ESP_MAX_ICV_BYTES], *at = got + ah_at(s) + 12;

	memcpy(copy, got, len);
	assert_true(fer_mutable_mask(copy + IP_AT, ah_at(s) - IP_AT));
	memset(copy + ah_at(s) + 12, 0, AH_BYTES - 12);
	oracle_ah_icv(&ah_oracle, copy + IP_AT, len - IP_AT, seq_hi, NULL, icv);
	assert_memory_equal(at, icv, ah_oracle.suite.icv_bytes);
	memset(at, 0, ah_oracle.suite.icv_bytes);
}

// Verifies and decrypts ESP in got, and clears what its algorithm put there.
static void open_esp(const struct shape *s, uint32_t len, uint32_t seq_hi)
{
	uint32_t icv = esp_oracle.suite.icv_bytes;

	assert_true(oracle_open(&esp_oracle, got + esp_at(s), len - esp_at(s), seq_hi));
	memset(got + esp_at(s) + 8, 0, esp_oracle.suite.iv_bytes);
	memset(got + len - icv, 0, icv);
}

static void check_segment(const struct shape *s, uint32_t k, const struct rte_mbuf *m)
{
	uint32_t len = make_segment(s, k);

	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(test_flatten(m, got, sizeof(got)), len);
	if ((s->protection & AH) != 0)
		open_ah(s, len, (uint32_t)((s->ah_seq + k) >> 32));
	if ((s->protection & ESP) != 0)
		open_esp(s, len, (uint32_t)((s->esp_seq + k) >> 32));
	assert_memory_equal(got, made, len);
}

static uint64_t iv_of(const struct shape *s, struct rte_mbuf *m)
{
	uint8_t iv[8];

	assert_true(fer_segment_read(m, esp_at(s) + 8, iv, sizeof(iv)));
	return fer_load_be64(iv);
}

static void check_ivs(const struct shape *s)
{
	uint64_t last = iv_of(s, batch.m[0]);

	for (unsigned k = 0; k < batch.n_more; k++) {
		uint64_t iv = iv_of(s, batch.more[k]);

		assert_true(iv > last);
		last = iv;
	}
}

static void check_segments(const struct shape *s)
{
	const struct fer_oob *o = fer_oob_of(batch.m[0]);

	assert_int_equal(1 + batch.n_more, n_segments(s));
	check_segment(s, 0, batch.m[0]);
	for (unsigned k = 0; k < batch.n_more; k++) {
		assert_int_equal(batch.more_of[k], 0);
		check_segment(s, k + 1, batch.more[k]);
	}
	if ((s->protection & ESP) != 0 && s->encryption == NULL)
		check_ivs(s);
	assert_int_equal(o->lso, s->lso == 2 ? 1u << 30 : s->n_data);
	assert_true(o->ipsec == 0);
}

static void check(const struct shape *s)
{
	add(s);
	uint32_t len = make_large(s);
	assert_verdict(transmit(test_mbuf(pool, made, len), words(s)), FER_OK);
	check_segments(s);
	done();
	remove_sa();
}

// --- tests ------------------------------------------------------------------------------------

//
static void is_every_protection_cut(void **state)
{
	static const unsigned protections[] = {0, ESP, AH, ESP | AH, ESP | UDP};
	static const struct {
		const char *encryption, *integrity;
	} suites[] = {{NULL, NULL}, {"aes-cbc-128", "hmac-sha1-96"}, {"null", "hmac-sha2-256-128"},
		{"aes-ctr-256", "hmac-sha2-512-256"}};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(protections) * RTE_DIM(suites) * 4; i++) {
		struct shape s = {
			.protection = protections[i / 4 % RTE_DIM(protections)],
			.encryption = suites[i / 4 / RTE_DIM(protections)].encryption,
			.integrity = suites[i / 4 / RTE_DIM(protections)].integrity,
			.version = i % 2 == 0 ? 4 : 6,
			.lso = i % 4 == 0 ? 1 : 2,
			.n_tcp_options = 12,
			.n_options = i / 2 % 2 == 0 ? 0 : 8,
			.pad = 7,
			.id = 0x7ffe,
			.n_data = 5001,
			.mss = 1201,
			.esp_seq = 9,
			.ah_seq = 100,
		};

		if ((s.protection & ESP) == 0)
			s.pad = 0;
		check(&s);
	}
}

// Where data ends is where the last segment does, whatever that makes of its padding.
static void is_every_length_cut(void **state)
{
	struct shape s = {
		.protection = ESP, .version = 4, .lso = 2, .mss = 100, .esp_seq = 1, .ah_seq = 1};

	(void)state;
	for (s.n_data = 1; s.n_data < 230; s.n_data++)
		for (unsigned both = 0; both < 2; both++) {
			s.protection = both ? ESP | AH : ESP;
			s.pad = (uint8_t)s.n_data;
			check(&s);
		}
	s.pad = 255;
	s.n_data = FER_LSO_MAX_BYTES;
	s.mss = 1400;
	check(&s);
	s.version = 6;
	s.mss = 41; // as many segments as there is room for
	s.n_data = FER_LSO_MAX_SEGMENTS * 41;
	check(&s);
}

static void may_the_length_be_left_to_us(void **state)
{
	struct shape s = {.lso = 2, .n_data = 3000, .mss = 1000, .is_length_left = true};

	(void)state;
	for (s.version = 4; s.version <= 6; s.version += 2)
		for (s.protection = 0; s.protection <= ESP; s.protection++)
			check(&s);
}

static void are_long_headers_repeated(void **state)
{
	struct shape s = {.version = 6,
		.lso = 2,
		.n_options = 136,
		.n_tcp_options = 40,
		.n_data = 3000,
		.mss = 1000,
		.protection = ESP | AH};

	(void)state;
	check(&s);
	s.version = 4;
	s.n_options = 40;
	check(&s);
}

// RFC 4303 section 2.2.1: the high half changes within the send.
static void does_the_high_half_follow_a_wrap(void **state)
{
	struct shape s = {.version = 4,
		.lso = 2,
		.n_data = 600,
		.mss = 100,
		.esn = true,
		.protection = ESP | AH};

	(void)state;
	for (unsigned k = 0; k < 8; k++) {
		s.esp_seq = UINT64_C(0x2fffffffa) + k;
		s.ah_seq = UINT64_C(0x500000000) - k;
		s.encryption = k % 2 ? "aes-cbc-128" : NULL;
		s.integrity = k % 2 ? "hmac-sha1-96" : NULL;
		check(&s);
	}
}

// Whatever its memory held before, which begins with a batch.
static void does_the_work_space_know_no_numbers(void **state)
{
	struct shape s = {.version = 4, .lso = 2, .n_data = 600, .mss = 100, .esn = true};
	struct fer_batch *segments = (struct fer_batch *)nic.lso;

	(void)state;
	s.protection = ESP;
	s.esp_seq = UINT64_C(0x200000001);
	add(&s);
	segments->numbered = (struct fer_numbered){.handle = handle, .last = UINT32_MAX};
	uint32_t len = make_large(&s);
	assert_verdict(transmit(test_mbuf(pool, made, len), words(&s)), FER_OK);
	check_segments(&s);
	done();
	remove_sa();
}

static void refuse(const struct shape *s, struct fer_oob o, enum fer_verdict want)
{
	uint32_t len = make_large(s);

	assert_verdict(transmit(test_mbuf(pool, made, len), o), want);
	test_assert_bytes(batch.m[0], made, len);
	assert_int_equal(batch.n_more, 0);
	done();
}

static const struct shape usual = {.version = 4,
	.lso = 2,
	.n_data = 3000,
	.mss = 1000,
	.protection = ESP,
	.esp_seq = 1,
	.pad = 2};

static void are_numbers_not_repeated_without_esn(void **state)
{
	struct shape s = usual;

	(void)state;
	s.esp_seq = UINT32_MAX - 2;
	check(&s);
	add(&s);
	s.esp_seq = UINT32_MAX - 1;
	refuse(&s, words(&s), FER_SEQ_EXHAUSTED);
	remove_sa();
}

//
static void is_a_tunnel_refused(void **state)
{
	struct shape s = usual;
	struct fer_oob o;

	(void)state;
	add(&s);
	o = words(&s);
	o.tunnel = handle;
	refuse(&s, o, FER_LARGE_SEND);
	o.ipsec = 0;
	refuse(&s, o, FER_LARGE_SEND);
	o = words(&s);
	o.header = (o.header & ~0xffu) | FER_PROTO_IPV4;
	refuse(&s, o, FER_LARGE_SEND);
	remove_sa();
}

static void is_what_cannot_be_cut_refused(void **state)
{
	struct shape s = usual;
	struct fer_oob o;

	(void)state;
	add(&s);
	o = words(&s);
	o.ipsec++; // another SA
	refuse(&s, o, FER_BAD_HANDLE);
	o = words(&s);
	o.ipsec = 0; // what is protected has no TCP header that could be seen
	refuse(&s, o, FER_LARGE_SEND);
	o = words(&s);
	o.header += 4u << 24; // the header is elsewhere
	refuse(&s, o, FER_BAD_OFFSET);
	o = words(&s);
	o.header |= 20u << 16; // there is no AH
	refuse(&s, o, FER_BAD_OFFSET);
	o = words(&s);
	o.header = (o.header & ~0xffu) | FER_PROTO_UDP;
	refuse(&s, o, FER_LARGE_SEND);
	o = words(&s);
	o.lso |= 1u << 31; // of another IP version
	refuse(&s, o, FER_LARGE_SEND);
	o = words(&s);
	o.lso = (o.lso & ~0xfffffu) | 1; // more segments than there is room for
	refuse(&s, o, FER_LARGE_SEND);
	s.n_data = 2;
	s.pad = 255;
	o = words(&s);
	s.pad = 250; // more padding than there are bytes behind the headers
	refuse(&s, o, FER_LARGE_SEND);
	s.pad = 253; // as much: there is no data
	refuse(&s, o, FER_LARGE_SEND);
	s.n_data = FER_LSO_MAX_BYTES + 1;
	refuse(&s, words(&s), FER_LARGE_SEND);
	remove_sa();
}

// A send is short of nothing that it says it has.
static void is_a_short_send_refused(void **state)
{
	struct shape s = usual;

	(void)state;
	s.n_data = 1;
	s.pad = 0;
	s.is_length_left = true;
	add(&s);
	uint32_t len = make_large(&s);
	for (uint32_t n = IP_AT + 1; n < len; n++) {
		assert_int_not_equal(transmit(test_mbuf(pool, made, n), words(&s)), FER_OK);
		assert_int_equal(batch.n_more, 0);
		done();
	}
	remove_sa();
}

//
static void is_a_large_send_dropped_that_is_not_configured(void **state)
{
	static const struct {
		uint32_t without;
		uint8_t version, lso;
	} rows[] = {
		{FER_NIC_LSO_V1, 4, 1}, {FER_NIC_LSO_V2_IPV4, 4, 2}, {FER_NIC_LSO_V2_IPV6, 6, 2}};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(rows); i++)
		for (unsigned protection = 0; protection <= ESP; protection++) {
			struct shape s = usual;

			s.version = rows[i].version;
			s.lso = rows[i].lso;
			s.protection = protection;
			s.pad = 0;
			atomic_store(&may, UINT32_MAX & ~rows[i].without);
			add(&s);
			refuse(&s, words(&s), FER_NOT_CONFIGURED);
			remove_sa();
			atomic_store(&may, rows[i].without | FER_NIC_ALL);
			check(&s);
			atomic_store(&may, UINT32_MAX);
		}
}

// What the contract sends unprotected cannot be cut, because it looks protected.
static void is_nothing_of_it_sent_unprotected(void **state)
{
	struct shape s = usual;

	(void)state;
	add(&s);
	nic.sends_unprotected = true;
	atomic_store(&may, UINT32_MAX & ~FER_NIC_ESP);
	refuse(&s, words(&s), FER_LARGE_SEND);
	nic.sends_unprotected = false;
	atomic_store(&may, UINT32_MAX);
	remove_sa();
}

static void do_cuts_change_nothing(void **state)
{
	struct shape s = usual;

	(void)state;
	s.protection = ESP | AH;
	s.n_data = 300;
	s.mss = 77;
	add(&s);
	for (uint32_t cut = 1; cut < data_at(&s) + 302; cut++) {
		uint32_t len = make_large(&s);
		const uint32_t cuts[] = {cut, cut + 1, cut + 50};

		assert_verdict(
			transmit(test_mbuf_cut(pool, made, len, cuts, 3), words(&s)), FER_OK);
		check_segments(&s);
		done();
	}
	remove_sa();
}

// Large sends keep their place among other packets, and one that fails takes nothing with it.
static void do_sends_keep_their_order(void **state)
{
	struct shape s = usual;

	(void)state;
	add(&s);
	uint32_t len = make_large(&s);
	batch.n = 5;
	for (unsigned i = 0; i < 5; i++) {
		batch.m[i] = test_mbuf(pool, made, len);
		if (i == 1 || i == 4)
			*fer_oob_of(batch.m[i]) = words(&s);
	}
	*fer_oob_of(batch.m[3]) = words(&s);
	fer_oob_of(batch.m[3])->ipsec = 77;
	fer_batch_parse(&batch);
	fer_nic_transmit(&nic, &batch);
	for (unsigned i = 0; i < 5; i++)
		assert_verdict(
			(enum fer_verdict)batch.pkt[i].verdict, i == 3 ? FER_BAD_HANDLE : FER_OK);
	assert_int_equal(batch.n_more, 4);
	for (unsigned k = 0; k < 4; k++) {
		assert_int_equal(batch.more_of[k], k < 2 ? 1 : 4);
		check_segment(&s, 1 + k % 2, batch.more[k]);
	}
	check_segment(&s, 0, batch.m[1]);
	check_segment(&s, 0, batch.m[4]);
	make_large(&s);
	test_assert_bytes(batch.m[0], made, len);
	test_assert_bytes(batch.m[2], made, len);
	test_assert_bytes(batch.m[3], made, len);
	done();
	remove_sa();
}

// No buffers: nothing is left half done.
static void does_an_empty_pool_fail_the_whole(void **state)
{
	static struct rte_mbuf *hoard[4096];
	struct shape s = usual;

	(void)state;
	s.n_data = 30000;
	s.mss = 100;
	add(&s);
	for (unsigned left = 0; left < 299; left += 23) {
		uint32_t len = make_large(&s);
		struct rte_mbuf *m = test_mbuf(pool, made, len);
		unsigned n = rte_mempool_avail_count(pool) - left;

		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, hoard, n), 0);
		assert_verdict(transmit(m, words(&s)), FER_NO_ROOM);
		test_assert_bytes(batch.m[0], made, len);
		assert_int_equal(batch.n_more, 0);
		assert_int_equal(rte_mempool_avail_count(pool), left);
		rte_pktmbuf_free_bulk(hoard, n);
		done();
	}
	remove_sa();
}

static void is_there_room_for_so_many_segments(void **state)
{
	struct shape s = usual;

	(void)state;
	s.n_data = 60000;
	s.mss = 50;
	add(&s);
	uint32_t len = make_large(&s);
	batch.n = 2;
	for (unsigned i = 0; i < 2; i++) {
		batch.m[i] = test_mbuf(pool, made, len);
		*fer_oob_of(batch.m[i]) = words(&s);
	}
	fer_batch_parse(&batch);
	fer_nic_transmit(&nic, &batch);
	assert_verdict((enum fer_verdict)batch.pkt[0].verdict, FER_OK);
	assert_verdict((enum fer_verdict)batch.pkt[1].verdict, FER_NO_ROOM);
	assert_int_equal(batch.n_more, 1199);
	done();
	remove_sa();
}

static int open_one(void **state)
{
	(void)state;
	if (open_nic("lso") != 0)
		return -1;
	atomic_store(&may, UINT32_MAX);
	nic.may = &may;
	nic.has_slots = true;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_every_protection_cut),
		TEST(is_every_length_cut),
		TEST(may_the_length_be_left_to_us),
		TEST(are_long_headers_repeated),
		TEST(does_the_high_half_follow_a_wrap),
		TEST(does_the_work_space_know_no_numbers),
		TEST(are_numbers_not_repeated_without_esn),
		TEST(is_a_tunnel_refused),
		TEST(is_what_cannot_be_cut_refused),
		TEST(is_a_short_send_refused),
		TEST(is_a_large_send_dropped_that_is_not_configured),
		TEST(is_nothing_of_it_sent_unprotected),
		TEST(do_cuts_change_nothing),
		TEST(do_sends_keep_their_order),
		TEST(does_an_empty_pool_fail_the_whole),
		TEST(is_there_room_for_so_many_segments),
	};
	int error;

	test_ground_open("128");
	for (unsigned i = 0; i < sizeof(ah_key); i++)
		ah_key[i] = (uint8_t)(i * 7 + 1);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + (i >> 8) * 7);
	pool = test_pool("lso", 4095, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
