// SPDX-License-Identifier: BSD-3-Clause
// Does the NIC half do ESP in UDP in the four shapes of the contract, and leave alone what looks
// like it?  Packets are made by hand and sealed by the oracle.
#include "nic/udp.h"

#include "base/bytes.h"
#include "nic/nic.h"
#include "nic/oob.h"
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

#define SPI 0x1000u
#define PORT 4500
#define PEER_PORT 1024 // what a NAT makes of it

// Slot 1.
#define DONE 2u
#define NEXT_DONE 4u
#define STATUS(n) ((uint32_t)(n) << 16)

static struct rte_mempool *pool;
static struct fer_sa_table *sas_out, *sas_in;
static struct fer_nic tx, rx;
static struct fer_batch batch;
static struct test_packet packet, sealed;
static uint8_t got[TEST_PACKET_BYTES];
static unsigned n_used;

// An SA at both ends, and what the test knows of it.
struct known {
	struct test_sa sa;
	struct oracle_sa oracle;
	uint64_t out, in;
};

static struct known add(struct test_sa sa)
{
	struct known k = {.sa = sa, .oracle = test_sa_oracle(&sa)};

	k.out = test_sa_add(sas_out, &sa, FER_OUT);
	k.in = test_sa_add(sas_in, &sa, FER_IN);
	return k;
}

// A shape as RFC 3948 and section 2.10 of the contract draw it: layers from the inside out.
struct shape {
	const char *name;
	unsigned n;
	enum fer_mode mode[2];
	uint8_t udp_at[2];  // of the SAs
	bool in_udp[2];     // of the layers
	uint8_t version[2]; // of the IP headers
};

#define ANYWHERE (FER_UDP_OUTSIDE | FER_UDP_INSIDE)

// clang-format off
#define SHAPES(v, w)                                                                               \
	{"1 transport", 1, {FER_TRANSPORT}, {ANYWHERE}, {true}, {v}},                              \
	{"2 tunnel", 1, {FER_TUNNEL}, {ANYWHERE}, {true}, {v}},                                    \
	{"4 transport over UDP tunnel", 2, {FER_TRANSPORT, FER_TUNNEL},                            \
		{FER_UDP_OUTSIDE, FER_UDP_OUTSIDE}, {false, true}, {w, v}},                        \
	{"8 UDP transport over tunnel", 2, {FER_TRANSPORT, FER_TUNNEL},                            \
		{FER_UDP_INSIDE, FER_UDP_INSIDE}, {true, false}, {w, v}},                          \
	{"UDP transport over tunnel", 2, {FER_TRANSPORT, FER_TUNNEL}, {ANYWHERE, 0},               \
		{true, false}, {w, v}},                                                            \
	{"transport over UDP tunnel", 2, {FER_TRANSPORT, FER_TUNNEL}, {0, ANYWHERE},               \
		{false, true}, {w, v}}

static const struct shape shapes[] = {SHAPES(4, 4), SHAPES(4, 6), SHAPES(6, 4), SHAPES(6, 6)};
// clang-format on

// SAs of a shape with ports for both halves, or as a contract host adds them.
static void add_all(const struct shape *s, bool framed_by_host, uint32_t spi, struct known k[2])
{
	for (unsigned i = 0; i < s->n; i++) {
		struct test_sa sa = {.spi = spi + i, .mode = s->mode[i], .version = s->version[i]};

		if (s->udp_at[i] != 0)
			sa = test_sa_in_udp(sa, framed_by_host ? 0 : PEER_PORT, PORT);
		sa.udp_at = s->udp_at[i];
		k[i] = add(sa);
	}
}

// Puts a layer around what is there, and its IP header.
static void put_layer(const struct known *k, bool in_udp, bool has_sum, uint64_t seq)
{
	const struct test_ip ip = {.version = k->sa.version, .src = 1, .dst = 2};
	uint8_t next = FER_PROTO_TCP;

	if (k->sa.mode == FER_TUNNEL)
		next = packet.bytes[0] >> 4 == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6;
	test_packet_put_esp(&packet, &k->oracle, k->sa.spi, seq, next);
	test_packet_seal(&packet, packet.n_esp - 1);
	if (in_udp)
		test_packet_put_udp(&packet, PEER_PORT, PORT);
	test_packet_put_ip(&packet, &ip, in_udp ? FER_PROTO_UDP : FER_PROTO_ESP);
	if (in_udp && has_sum)
		test_packet_sum_udp(&packet, 0);
}

static void start(const struct known *k, uint32_t payload)
{
	const struct test_ip ip = {.version = 10 - k->sa.version, .src = 11, .dst = 12};

	test_packet_start(&packet, payload, payload);
	if (k->sa.mode == FER_TUNNEL)
		test_packet_put_ip(&packet, &ip, FER_PROTO_TCP);
}

static void make(
	const struct shape *s, const struct known k[], bool has_sum, uint64_t seq, uint32_t payload)
{
	start(&k[0], payload);
	for (unsigned i = 0; i < s->n; i++)
		put_layer(&k[i], s->in_udp[i], has_sum, seq);
	test_packet_put_ethernet(&packet, 0);
}

static struct rte_mbuf *whole(void)
{
	return test_mbuf(pool, packet.bytes, packet.len);
}

static void receive_burst(struct rte_mbuf *const m[], unsigned n)
{
	batch.n = (uint16_t)n;
	batch.link = FER_LINK_ETHERNET;
	memcpy(batch.m, m, n * sizeof(m[0]));
	fer_batch_parse(&batch);
	fer_nic_receive(&rx, &batch);
}

static void receive(struct rte_mbuf *m)
{
	receive_burst(&m, 1);
}

static void done(void)
{
	rte_pktmbuf_free_bulk(batch.m, batch.n);
	batch.n = 0;
}

static void assert_words(const char *what, uint64_t slot1)
{
	if (fer_oob_of(batch.m[0])->ipsec != slot1)
		fail_msg("%s: slot 1 is %#lx, not %#lx", what,
			(unsigned long)fer_oob_of(batch.m[0])->ipsec, (unsigned long)slot1);
}

static void assert_verdict(enum fer_verdict want)
{
	assert_string_equal(fer_verdict_name(batch.pkt[0].verdict), fer_verdict_name(want));
}

// and others: as it came, without a word.
static void assert_untouched(const char *what, enum fer_verdict verdict)
{
	assert_verdict(verdict);
	assert_words(what, 0);
	assert_int_equal(fer_oob_of(batch.m[0])->header, 0);
	assert_int_equal(batch.pkt[0].n_layers, 0);
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();
}

// Is the innermost payload in the clear, and all around it as it was?
static void assert_opened(const struct shape *s)
{
	const struct test_esp *e = &packet.esp[0];
	uint32_t iv_off = e->off + 16, n = test_flatten(batch.m[0], got, sizeof(got));

	assert_int_equal(n, packet.len);
	assert_memory_equal(got, packet.bytes, packet.esp[s->n - 1].off + 16);
	for (unsigned k = s->n; k-- > 0;)
		assert_true(oracle_open(packet.esp[k].sa, packet.bytes + packet.esp[k].off,
			packet.esp[k].len, packet.esp[k].seq_hi));
	assert_memory_equal(got + iv_off, packet.bytes + iv_off, e->len - 16 - 16);
}

// RFC 3948 section 2.1, RFC 6935: a checksum of 0 will do.
static void is_every_shape_opened(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes) * 4; i++) {
		const struct shape *s = &shapes[i / 4];
		struct known k[2];

		add_all(s, (i & 1) != 0, SPI + 2 * i, k);
		for (uint32_t payload = 0; payload < 20; payload++) {
			make(s, k, (i & 2) != 0, payload + 1, payload);
			receive(whole());
			assert_verdict(FER_OK);
			assert_words(s->name, s->n == 1 ? DONE : DONE | NEXT_DONE);
			assert_int_equal(batch.pkt[0].n_layers, s->n);
			assert_int_equal(batch.round[s->n - 1][0].sec_off, packet.esp[0].off);
			assert_opened(s);
			done();
		}
	}
}

static void do_cuts_change_nothing(void **state)
{
	const struct shape *all[] = {&shapes[0], &shapes[1], &shapes[2], &shapes[3]};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(all); i++) {
		struct known k[2];

		add_all(all[i], false, SPI + 2 * i, k);
		make(all[i], k, true, 1, 21);
		sealed = packet;
		for (uint32_t a = 0; a < packet.len; a++)
			for (uint32_t b = a; b < packet.len; b += 3) {
				receive(test_mbuf_cut(
					pool, packet.bytes, packet.len, (uint32_t[]){a, b}, 2));
				assert_words(
					all[i]->name, all[i]->n == 1 ? DONE : DONE | NEXT_DONE);
				assert_opened(all[i]);
				done();
				packet = sealed;
			}
	}
}

// An SA of a contract host, of one layer of a shape.
static struct known add_contract(const struct shape *s, unsigned i, uint32_t spi, const char *suite)
{
	struct test_sa sa = {
		.spi = spi, .mode = s->mode[i], .version = s->version[i], .contract = true};

	if (suite != NULL) {
		sa.encryption = suite;
		sa.integrity = "hmac-sha2-256-128";
	}
	sa = test_sa_in_udp(sa, 0, PORT);
	sa.udp_at = s->udp_at[i];
	return add(sa);
}

// with the SA of one of two layers; whatever the algorithm, and however the packet lies.
static void is_half_of_a_shape_left_alone(void **state)
{
	static const char *const suites[] = {
		NULL, "aes-cbc-128", "aes-ctr-256", "null", "3des-cbc"};
	uint32_t spi = SPI;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes); i++)
		for (unsigned j = 0;
			shapes[i].udp_at[1] == shapes[i].udp_at[0] && j < RTE_DIM(suites); j++) {
			const struct shape *s = &shapes[i];
			struct known k[2] = {add_contract(s, 0, spi, suites[j]),
				add_contract(s, 1, spi + 1, suites[j])};

			spi += 2;
			make(s, k, true, 1, 36);
			sealed = packet;
			receive(whole());
			assert_words(s->name, DONE | NEXT_DONE);
			done();
			assert_int_equal(fer_sa_remove(sas_in, k[0].in), 0);
			packet = sealed;
			receive(whole());
			assert_untouched(s->name, FER_OK);
			receive(test_mbuf_cut(
				pool, packet.bytes, packet.len, (uint32_t[]){70, 90}, 2));
			assert_untouched(s->name, FER_OK);
			// What is inside is none of the shape: the layer that there is counts.
			start(&k[1], 36);
			put_layer(&k[1], s->in_udp[1], true, 2);
			test_packet_put_ethernet(&packet, 0);
			receive(whole());
			assert_words(s->name, DONE);
			done();
			assert_int_equal(fer_sa_remove(sas_in, k[1].in), 0);
			fer_sa_reclaim(sas_in);
		}
}

static struct known add_simple(uint8_t version)
{
	return add(test_sa_in_udp(
		(struct test_sa){.spi = SPI + version, .mode = FER_TUNNEL, .version = version},
		PEER_PORT, PORT));
}

static void seal(const struct known *k, bool has_sum)
{
	start(k, 30);
	put_layer(k, true, has_sum, 1);
	test_packet_put_ethernet(&packet, 0);
}

static uint8_t *udp_header(void)
{
	return packet.bytes + packet.esp[0].off - FER_UDP_HEADER_BYTES;
}

static void assert_bad_syntax(const char *what)
{
	assert_verdict(FER_OK);
	assert_int_equal(batch.pkt[0].n_layers, 1);
	assert_int_equal(batch.round[0][0].verdict, FER_BAD_SYNTAX);
	assert_int_equal(batch.round[0][0].verified, 0);
	assert_words(what, DONE | STATUS(6));
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();
}

// RFC 768, RFC 8200 section 8.1: what has a checksum has a right one.
static void is_a_wrong_checksum_bad_syntax(void **state)
{
	struct known k[] = {add_simple(4), add_simple(6)};

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (unsigned bit = 0; bit < 16; bit++) {
			seal(&k[i], true);
			udp_header()[6 + bit / 8] ^= (uint8_t)(1 << bit % 8);
			receive(whole());
			assert_bad_syntax("checksum");
		}
}

static void is_another_length_bad_syntax(void **state)
{
	static const int wrong[] = {-1, 1, 8, -8, 1000};
	struct known k = add_simple(4);

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(wrong); i++) {
		seal(&k, false);
		uint16_t len = fer_load_be16(udp_header() + 4);

		fer_store_be16(udp_header() + 4, (uint16_t)(len + wrong[i]));
		receive(whole());
		assert_bad_syntax("length");
	}
}

// A datagram of n bytes to a port, from the peer.
static void make_datagram(const uint8_t *bytes, uint32_t n, uint16_t dport)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

	test_packet_start(&packet, n, 0);
	memcpy(packet.bytes, bytes, n);
	test_packet_put_udp(&packet, PEER_PORT, dport);
	test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
	test_packet_put_ethernet(&packet, 0);
}

// IKE, keep-alives, and what is too short to be anything.
static void is_what_is_no_esp_left_alone(void **state)
{
	static const struct {
		const char *name;
		uint32_t n;
		uint8_t bytes[40];
	} cases[] = {
		{"IKE", 32, {0, 0, 0, 0, 1, 2, 3, 4}},
		{"marker alone", 4, {0}},
		{"IKE with the SPI of an SA", 12, {0, 0, 0, 0, 0, 0, 0x10, 0}},
		{"keep-alive", 1, {FER_NAT_KEEPALIVE}},
		{"no keep-alive", 1, {0}},
		{"two bytes", 2, {0xff, 0xff}},
		{"three bytes", 3, {0, 0, 0x10}},
		{"empty", 0, {0}},
	};
	struct known k = add_simple(4);

	(void)state;
	(void)k;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		make_datagram(cases[i].bytes, cases[i].n, PORT);
		receive(whole());
		assert_untouched(cases[i].name, FER_OK);
	}
}

//
static void is_what_has_no_sa_left_alone(void **state)
{
	static const uint8_t other_spi[] = {0, 0, 0x20, 0, 0, 0, 0, 1};
	struct known k = add_simple(4);

	(void)state;
	make_datagram(other_spi, sizeof(other_spi), PORT);
	receive(whole());
	assert_untouched("other SPI", FER_OK);
	seal(&k, false);
	fer_store_be16(udp_header() + 2, PORT + 1);
	receive(whole());
	assert_untouched("port of nobody", FER_OK);
	assert_int_equal(fer_sa_remove(sas_in, k.in), 0);
	seal(&k, false);
	receive(whole());
	assert_untouched("removed", FER_OK);
}

//
static void is_udp_there_where_the_sa_has_it_and_only_there(void **state)
{
	struct test_sa plain = {.spi = SPI + 1, .mode = FER_TUNNEL, .version = 4};
	struct test_sa third = test_sa_in_udp(
		(struct test_sa){.spi = SPI + 2, .mode = FER_TUNNEL, .version = 4}, 1, PORT + 1);
	struct known in_udp = add_simple(4), without = add(plain), elsewhere = add(third);

	(void)state;
	start(&in_udp, 30);
	put_layer(&in_udp, false, false, 1);
	test_packet_put_ethernet(&packet, 0);
	receive(whole());
	assert_untouched("not in UDP", FER_WRONG_UDP);
	seal(&without, false);
	receive(whole());
	assert_untouched("in UDP", FER_WRONG_UDP);
	seal(&elsewhere, false); // to the port of another SA
	receive(whole());
	assert_untouched("another port", FER_WRONG_UDP);
}

// The same of neighbours, looked up together: as many as go at once in UDP, then some that are not,
// of an SA that is in UDP inside another layer only.
static void is_each_packet_of_a_run_where_its_sa_has_it(void **state)
{
	struct test_sa sa = test_sa_in_udp(
		(struct test_sa){.spi = SPI + 2, .mode = FER_TUNNEL, .version = 4}, 1, PORT);
	sa.udp_at = FER_UDP_INSIDE;
	struct known in_udp = add_simple(4), inside = add(sa);
	struct rte_mbuf *burst[FER_SA_FIND_MAX + 4];

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(burst); i++) {
		const struct known *k = i < FER_SA_FIND_MAX ? &in_udp : &inside;

		start(k, 30);
		put_layer(k, k == &in_udp, false, 1 + i);
		test_packet_put_ethernet(&packet, 0);
		burst[i] = whole();
	}
	receive_burst(burst, RTE_DIM(burst));
	for (unsigned i = 0; i < RTE_DIM(burst); i++) {
		assert_int_equal(batch.pkt[i].n_layers, 1);
		assert_int_equal(batch.pkt[i].verdict, FER_OK);
		assert_string_equal(fer_verdict_name(batch.round[0][i].verdict), "ok");
	}
	done();
}

//
static void is_udp_in_udp_not_opened(void **state)
{
	const struct shape *s = &shapes[2];
	struct test_sa inside =
		test_sa_in_udp((struct test_sa){.spi = SPI, .version = 4}, PEER_PORT, PORT);
	struct test_sa around =
		test_sa_in_udp((struct test_sa){.spi = SPI + 1, .mode = FER_TUNNEL, .version = 4},
			PEER_PORT, PORT);
	struct known k[] = {add(inside), add(around)};

	(void)state;
	start(&k[0], 30);
	put_layer(&k[0], true, false, 1);
	put_layer(&k[1], true, false, 1);
	test_packet_put_ethernet(&packet, 0);
	receive(whole());
	assert_verdict(FER_OK);
	assert_words(s->name, DONE);
	assert_int_equal(batch.pkt[0].n_layers, 1);
	assert_int_equal(batch.pkt[0].frame.protocol, FER_PROTO_UDP);
	done();
}

static enum fer_verdict transmit(const struct known k[], unsigned n)
{
	struct rte_mbuf *m = whole();
	uint32_t off = packet.esp[0].off - packet.ip_off;

	fer_oob_of(m)->ipsec = k[0].out;
	fer_oob_of(m)->tunnel = n == 2 ? k[1].out : 0;
	fer_oob_of(m)->header = off / 4 << 24;
	batch.n = 1;
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = m;
	fer_batch_parse(&batch);
	fer_nic_transmit(&tx, &batch);
	return (enum fer_verdict)batch.pkt[0].verdict;
}

// A framed packet: what the oracle had sealed, opened again.
static void make_framed(const struct shape *s, const struct known k[], uint32_t payload)
{
	make(s, k, false, 7, payload);
	for (unsigned i = s->n; i-- > 0;)
		assert_true(oracle_open(packet.esp[i].sa, packet.bytes + packet.esp[i].off,
			packet.esp[i].len, packet.esp[i].seq_hi));
}

// Is everything in front of ESP headers as it was, but for checksums of UDP?
static void assert_fronts(const struct shape *s, const uint8_t *was)
{
	uint32_t at = 0;

	for (unsigned i = s->n; i-- > 0;) {
		const struct test_esp *e = &packet.esp[i];
		uint32_t end = e->off - (s->in_udp[i] ? 2u : 0);

		assert_memory_equal(got + at, was + at, end - at);
		at = e->off + FER_ESP_HEADER_BYTES + e->sa->suite.iv_bytes;
	}
}

// Does what left open again, with checksums over IPv6 where the host half frames, and none
// elsewhere?
static void check_sealed(const struct shape *s, const struct known k[], bool framed_by_host)
{
	static uint8_t was[sizeof(got)];
	bool has_any = false;

	memcpy(was, packet.bytes, packet.len);
	assert_int_equal(transmit(k, s->n), FER_OK);
	test_flatten(batch.m[0], got, sizeof(got));
	for (unsigned i = s->n; i-- > 0;) {
		const struct test_esp *e = &packet.esp[i];
		const uint8_t *udp = got + e->off - FER_UDP_HEADER_BYTES;

		if (s->in_udp[i]) {
			bool has_sum = s->version[i] == 6 && !framed_by_host;
			uint16_t sum = fer_load_be16(udp + 6);

			assert_int_equal(sum != 0, has_sum);
			has_any |= has_sum;
			memcpy(packet.bytes, got, packet.len);
			if (has_sum) {
				test_packet_sum_udp(&packet, e->off - 8 - 40);
				assert_int_equal(sum, fer_load_be16(packet.bytes + e->off - 8 + 6));
			}
		}
		assert_true(oracle_open(e->sa, got + e->off, e->len, e->seq_hi));
	}
	assert_fronts(s, was);
	assert_int_equal(batch.has_udp_sums, has_any); // what follows has no sums to be looked for
	done();
}

static void is_every_shape_sealed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(shapes) * 2; i++) {
		const struct shape *s = &shapes[i / 2];
		struct known k[2];

		add_all(s, (i & 1) != 0, SPI + 2 * i, k);
		for (uint32_t payload = 0; payload < 20; payload++) {
			make_framed(s, k, payload);
			check_sealed(s, k, (i & 1) != 0);
		}
	}
}

// R-140 on the way out: the header is not where the SA has it.
static void is_a_frame_of_another_shape_refused(void **state)
{
	const struct shape *s = &shapes[0];
	struct known in_udp[2], without[2];

	(void)state;
	add_all(s, true, SPI, in_udp);
	add_all(&(struct shape){.n = 1, .mode = {FER_TRANSPORT}, .version = {4}}, true, SPI + 2,
		without);
	start(in_udp, 30);
	put_layer(in_udp, false, false, 1);
	test_packet_put_ethernet(&packet, 0);
	assert_int_equal(transmit(in_udp, 1), FER_BAD_OFFSET);
	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	done();
	for (unsigned i = 2; i < 4; i++) { // tunnel and transport in each other's place
		struct known k[2];

		add_all(&shapes[i], true, SPI + 4 * i, k);
		start(&k[0], 30);
		put_layer(&k[0], !shapes[i].in_udp[0], false, 1);
		put_layer(&k[1], !shapes[i].in_udp[1], false, 1);
		test_packet_put_ethernet(&packet, 0);
		assert_int_equal(transmit(k, 2), FER_BAD_OFFSET);
		done();
	}
}

static int open_one(void **state)
{
	(void)state;
	sas_out = test_sas_open("out", test_engine);
	sas_in = test_sas_open("in", test_engine);
	pool = test_pool("packets", 511, 2048 + RTE_PKTMBUF_HEADROOM);
	n_used = rte_mempool_in_use_count(pool);
	return fer_nic_init(&tx, sas_out, test_iv_fixed()) != 0 ||
			       fer_nic_init(&rx, sas_in, test_iv_fixed()) != 0
		       ? -1
		       : 0;
}

static int close_one(void **state)
{
	(void)state;
	assert_int_equal(rte_mempool_in_use_count(pool), n_used);
	fer_nic_fini(&tx);
	fer_nic_fini(&rx);
	fer_sa_table_destroy(sas_out);
	fer_sa_table_destroy(sas_in);
	rte_mempool_free(pool);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_every_shape_opened),
		TEST(is_half_of_a_shape_left_alone),
		TEST(do_cuts_change_nothing),
		TEST(is_a_wrong_checksum_bad_syntax),
		TEST(is_another_length_bad_syntax),
		TEST(is_what_is_no_esp_left_alone),
		TEST(is_what_has_no_sa_left_alone),
		TEST(is_udp_there_where_the_sa_has_it_and_only_there),
		TEST(is_each_packet_of_a_run_where_its_sa_has_it),
		TEST(is_udp_in_udp_not_opened),
		TEST(is_every_shape_sealed),
		TEST(is_a_frame_of_another_shape_refused),
	};
	int error;

	test_ground_open("256");
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
