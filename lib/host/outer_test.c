// SPDX-License-Identifier: BSD-3-Clause
// Is what goes around a packet right to the last byte, and does taking it off give the packet back?
// Framed packets are compared with ones that were put together by hand.
#include "host/outer.h"

#include "base/bytes.h"
#include "host/stages.h"
#include "support/ground.h"
#include "support/end.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <rte_random.h>

#include <string.h>
#include <cmocka.h>

#define SPI 0x1000u
#define SEQ 0x123456789u
#define NUMBERS ((struct fer_outer_numbers){.seq = SEQ, .id = (uint16_t)SEQ})
#define RAW_IP 99 // in place of a number of tags

static struct rte_mempool *pool;
static struct test_end tx, rx;
static struct fer_batch batch;
static struct test_packet plain, packet;
static uint8_t got[TEST_PACKET_BYTES];
static unsigned n_used;

// An SA at both ends, and what the test knows of it.
struct known {
	struct test_sa sa;
	struct oracle_sa oracle;
	struct fer_sa *out, *in;
};

static struct known add(struct test_sa sa)
{
	struct known k = {.sa = sa, .oracle = test_sa_oracle(&sa)};

	sa.sequence = 0;
	k.out = fer_sa_at(tx.sas, (uint32_t)test_sa_add(tx.sas, &sa, FER_OUT));
	k.in = fer_sa_at(rx.sas, (uint32_t)test_sa_add(rx.sas, &sa, FER_IN));
	return k;
}

static const struct test_sa transport = {.spi = SPI, .mode = FER_TRANSPORT, .version = 4};
static const struct test_sa tunnel = {.spi = SPI + 1, .mode = FER_TUNNEL, .version = 4};

// What a packet looks like before protection.  In transport mode it goes between the ends of the
// SA.
struct shape {
	uint8_t version;
	uint8_t tos;
	bool df;
	uint16_t n_options;
	uint32_t payload;
	unsigned n_tags;
	unsigned n_padding; // of Ethernet
};

// What the packet carries: where a NAT may have passed, something without checksum.
static uint8_t carried(const struct known *k)
{
	return k->sa.udp_at != 0 ? FER_PROTO_SCTP : FER_PROTO_UDP;
}

static struct test_ip plain_ip(const struct shape *s, const struct known *k)
{
	bool inside = k->sa.mode == FER_TUNNEL;

	return (struct test_ip){
		.version = s->version,
		.src = inside ? 11 : 1,
		.dst = inside ? 12 : 2,
		.tos = s->tos,
		.ttl = 17,
		.df = s->df,
		.id = 0x4321,
		.n_options = s->n_options,
		.flow_label = 0x54321,
	};
}

// RFC 4301 section 5.1.2 with the usual rules.
static struct test_ip outer_ip(const struct shape *s, const struct known *k)
{
	return (struct test_ip){
		.version = k->sa.version,
		.src = 1,
		.dst = 2,
		.tos = s->tos,
		.df = s->df || s->version == 6,
		.id = (uint16_t)SEQ,
		.flow_label = s->version == 6 ? 0x54321 : 0,
	};
}

static void put_link(struct test_packet *p, const struct shape *s)
{
	if (s->n_tags != RAW_IP)
		test_packet_put_ethernet(p, s->n_tags);
}

static enum fer_link link_of(const struct shape *s)
{
	return s->n_tags == RAW_IP ? FER_LINK_RAW_IP : FER_LINK_ETHERNET;
}

static void make_plain(const struct shape *s, const struct known *k)
{
	struct test_ip ip = plain_ip(s, k);

	test_packet_start(&plain, s->payload, s->payload);
	test_packet_put_ip(&plain, &ip, carried(k));
	put_link(&plain, s);
}

static void make_framed(const struct shape *s, const struct known *k)
{
	struct test_ip ip = plain_ip(s, k);
	uint8_t next = carried(k);

	test_packet_start(&packet, s->payload, s->payload);
	if (k->sa.mode == FER_TUNNEL) {
		test_packet_put_ip(&packet, &ip, carried(k));
		next = s->version == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6;
		ip = outer_ip(s, k);
	}
	test_packet_put_esp(&packet, &k->oracle, k->sa.spi, k->sa.esn ? SEQ : (uint32_t)SEQ, next);
	if (k->sa.udp_at != 0)
		test_packet_put_udp(&packet, k->sa.udp.sport, k->sa.udp.dport);
	test_packet_put_ip(&packet, &ip, k->sa.udp_at != 0 ? FER_PROTO_UDP : FER_PROTO_ESP);
	put_link(&packet, s);
}

// All shapes that the tables below combine.
static void for_all_shapes(
	const struct known *k, void (*check)(const struct shape *s, const struct known *k))
{
	static const unsigned links[] = {0, 1, 2, RAW_IP};

	for (uint8_t version = 4; version <= 6; version += 2) {
		if (k->sa.mode == FER_TRANSPORT && version != k->sa.version)
			continue;
		for (unsigned i = 0; i < 4 * 33 * 3; i++) {
			struct shape s = {
				.version = version,
				.tos = (uint8_t)(i * 5),
				.df = i % 2 == 1,
				.n_options = (uint16_t)(i / 132 * 16),
				.payload = i % 33,
				.n_tags = links[i / 33 % 4],
			};
			check(&s, k);
		}
	}
}

static void for_all_suites_and_versions(void (*check)(const struct shape *s, const struct known *k))
{
	static const char *const suites[][2] = {{"aes-gcm-128", NULL},
		{"aes-cbc-128", "hmac-sha2-256-128"}, {"null", "hmac-sha1-96"}};

	for (unsigned i = 0; i < RTE_DIM(suites) * 8; i++) {
		struct test_sa sa = {
			.spi = SPI + i,
			.encryption = suites[i / 8][0],
			.integrity = suites[i / 8][1],
			.mode = i & 1 ? FER_TUNNEL : FER_TRANSPORT,
			.version = i & 2 ? 6 : 4,
		};
		if ((i & 4) != 0)
			sa = test_sa_in_udp(sa, 4500, (uint16_t)(40000 + i));
		struct known k = add(sa);
		for_all_shapes(&k, check);
	}
}

static void parse_one(struct rte_mbuf *m, enum fer_link link)
{
	batch.n = 1;
	batch.link = (uint8_t)link;
	batch.m[0] = m;
	fer_batch_parse(&batch);
}

static void done(void)
{
	rte_pktmbuf_free_bulk(batch.m, batch.n);
	batch.n = 0;
}

static void assert_verdict(enum fer_verdict is, enum fer_verdict want)
{
	assert_string_equal(fer_verdict_name(is), fer_verdict_name(want));
}

// Putting on.

// Is the frame what a fresh parse of the packet gives?
static void assert_frame_is_fresh(unsigned i)
{
	struct fer_frame was = batch.pkt[i].frame;
	const struct fer_frame *is = &batch.pkt[i].frame;

	fer_batch_parse_one(&batch, i);
	assert_int_equal(batch.pkt[i].parsed, FER_OK);
	assert_int_equal(was.ip_off, is->ip_off);
	assert_int_equal(was.up_off, is->up_off);
	assert_int_equal(was.up_next_off, is->up_next_off);
	assert_int_equal(was.sec_off, is->sec_off);
	assert_int_equal(was.sec_next_off, is->sec_next_off);
	assert_int_equal(was.frag_off, is->frag_off);
	assert_int_equal(was.end, is->end);
	assert_int_equal(was.version, is->version);
	assert_int_equal(was.protocol, is->protocol);
	assert_int_equal(was.fragment, is->fragment);
	assert_int_equal(was.has_ports, is->has_ports);
	assert_int_equal(was.has_options, is->has_options);
	assert_int_equal(was.df, is->df);
}

static void assert_layer(const struct fer_layer *layer, const struct known *k)
{
	const struct test_esp *e = &packet.esp[0];
	uint32_t trailer = e->off + e->len - k->oracle.suite.icv_bytes - 2;

	assert_int_equal(layer->seq, SEQ);
	assert_int_equal(layer->sa, k->out->index);
	assert_int_equal(layer->ip_off, packet.ip_off);
	assert_int_equal(layer->sec_off, e->off);
	assert_int_equal(layer->pay_off, e->off + 8 + k->oracle.suite.iv_bytes);
	assert_int_equal(layer->end, packet.ip_end);
	assert_int_equal(layer->pad_len, packet.bytes[trailer]);
	assert_int_equal(layer->next_header, packet.bytes[trailer + 1]);
}

// Puts the SA on packet 0 of the batch, which has to become what was made by hand.
static void assert_put_on(const struct known *k)
{
	const struct test_esp *e = &packet.esp[0];
	uint32_t icv = k->oracle.suite.icv_bytes;
	struct fer_layer layer;

	assert_verdict(fer_outer_fits(batch.m[0], &batch.pkt[0], k->out, NULL), FER_OK);
	assert_verdict(fer_outer_put_on(&batch.m[0], &batch.pkt[0], k->out, NUMBERS, pool, &layer),
		FER_OK);
	rte_mbuf_sanity_check(batch.m[0], 1);
	assert_int_equal(test_flatten(batch.m[0], got, sizeof(got)), packet.len);
	memcpy(got + e->off + 8, packet.bytes + e->off + 8, k->oracle.suite.iv_bytes);
	memcpy(got + packet.len - icv, packet.bytes + packet.len - icv, icv);
	assert_memory_equal(got, packet.bytes, packet.len);
	assert_layer(&layer, k);
	assert_frame_is_fresh(0);
}

static void check_put_on(const struct shape *s, const struct known *k)
{
	make_plain(s, k);
	make_framed(s, k);
	test_packet_pad(&plain, s->payload % 5); // padding of the frame is no payload
	parse_one(test_mbuf(pool, plain.bytes, plain.len), link_of(s));
	assert_put_on(k);
	done();
}

// RFC 4303 sections 3.1 and 3.3.
static void is_a_packet_framed_to_the_last_byte(void **state)
{
	(void)state;
	for_all_suites_and_versions(check_put_on);
}

static void check_put_on_cuts(struct test_sa sa)
{
	struct known k = add(sa);
	const struct shape s = {.version = sa.version, .tos = 7, .n_options = 8, .payload = 13};

	make_plain(&s, &k);
	make_framed(&s, &k);
	for (uint32_t a = 0; a < plain.len; a++)
		for (uint32_t b = a; b < plain.len; b++) {
			parse_one(
				test_mbuf_cut(pool, plain.bytes, plain.len, (uint32_t[]){a, b}, 2),
				FER_LINK_ETHERNET);
			assert_put_on(&k);
			done();
		}
}

static void do_cuts_not_matter_when_framing(void **state)
{
	(void)state;
	check_put_on_cuts(transport);
	check_put_on_cuts(tunnel);
	check_put_on_cuts((struct test_sa){.spi = SPI + 2, .version = 6});
	check_put_on_cuts((struct test_sa){.spi = SPI + 3, .version = 6, .mode = FER_TUNNEL});
	check_put_on_cuts(test_sa_in_udp((struct test_sa){.spi = SPI + 4, .version = 4}, 1, 2));
}

// A segment that is full to the brim on both sides.
static void is_a_segment_added_where_there_is_no_room(void **state)
{
	struct known all[] = {add(transport), add(tunnel)};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const struct shape s = {.version = 4, .payload = 100 + i};

		make_plain(&s, &all[i]);
		make_framed(&s, &all[i]);
		struct rte_mempool *tight = test_pool("tight", 3, (uint16_t)plain.len);
		struct rte_mbuf *m = rte_pktmbuf_alloc(tight);
		assert_non_null(m);
		m->data_off = 0;
		memcpy(rte_pktmbuf_append(m, (uint16_t)plain.len), plain.bytes, plain.len);
		assert_int_equal(rte_pktmbuf_headroom(m) + rte_pktmbuf_tailroom(m), 0);
		parse_one(m, FER_LINK_ETHERNET);
		assert_put_on(&all[i]);
		done();
		rte_mempool_free(tight);
	}
}

// ESP that leaves its integrity to the AH around it ends with its trailer, and what is behind that
// is somebody else's.
static void does_padding_end_with_the_trailer(void **state)
{
	enum { BEHIND = 16 };
	static const uint8_t key[FER_MAX_KEY_BYTES] = {1};
	const struct fer_sa_params p = {.direction = FER_OUT,
		.mode = FER_TUNNEL,
		.group = FER_NO_GROUP,
		.contract = true,
		.outer = test_outer_usual,
		.spi = SPI + 9,
		.src = test_addr(4, 1),
		.dst = test_addr(4, 2),
		.encryption = fer_algo_find(FER_ENCRYPTION, "aes-cbc-128"),
		.encryption_key = key,
		.ah = {.spi = SPI + 10,
			.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha1-96"),
			.key = key}};
	const char *why = NULL;
	uint64_t handle;

	(void)state;
	if (fer_sa_add(tx.sas, &p, &handle, &why) != 0)
		fail_msg("%s", why);
	const struct fer_sa *sa = fer_sa_get(tx.sas, handle);
	for (uint32_t payload = 0; payload < 32; payload++) {
		const struct known k = {.sa = tunnel};
		const struct shape s = {.version = 4, .payload = payload};
		struct fer_layer layer;

		make_plain(&s, &k);
		parse_one(test_mbuf(pool, plain.bytes, plain.len), FER_LINK_ETHERNET);
		struct rte_mbuf *m = batch.m[0];
		uint16_t buf_len = m->buf_len;
		uint32_t ip_bytes = plain.len - plain.ip_off, tail = 2 + (30 - ip_bytes % 16) % 16;
		uint8_t *end = rte_pktmbuf_mtod_offset(m, uint8_t *, plain.len + tail);

		// The buffer ends where the packet will.
		m->buf_len = (uint16_t)(m->data_off + plain.len + tail);
		memset(end, 0x5a, BEHIND);
		assert_verdict(
			fer_outer_put_on(&batch.m[0], &batch.pkt[0], sa, NUMBERS, pool, &layer),
			FER_OK);
		assert_int_equal(batch.m[0]->nb_segs, 1);
		assert_int_equal(end[-1], FER_PROTO_IPV4);
		for (unsigned i = 0; i < BEHIND; i++)
			assert_int_equal(end[i], 0x5a);
		m->buf_len = buf_len;
		done();
	}
}

static void does_framing_without_buffers_end_the_packet(void **state)
{
	static struct rte_mbuf *hoard[2048];
	struct known k = add(tunnel);
	const struct shape s = {.version = 4, .payload = 1946};
	struct fer_layer layer;
	unsigned n = 0;

	(void)state;
	make_plain(&s, &k);
	parse_one(test_mbuf(pool, plain.bytes, plain.len), FER_LINK_ETHERNET);
	while ((hoard[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	assert_verdict(fer_outer_put_on(&batch.m[0], &batch.pkt[0], k.out, NUMBERS, pool, &layer),
		FER_OK); // there was room
	done();
	rte_pktmbuf_free_bulk(hoard, n);

	const struct shape longer = {.version = 4, .payload = 2000};
	make_plain(&longer, &k);
	parse_one(test_mbuf(pool, plain.bytes, plain.len), FER_LINK_ETHERNET);
	for (n = 0; (hoard[n] = rte_pktmbuf_alloc(pool)) != NULL;)
		n++;
	assert_verdict(fer_outer_put_on(&batch.m[0], &batch.pkt[0], k.out, NUMBERS, pool, &layer),
		FER_NO_ROOM);
	rte_mbuf_sanity_check(batch.m[0], 1);
	done();
	rte_pktmbuf_free_bulk(hoard, n);
}

// RFC 4303 section 3.1.1: ESP stands behind hop-by-hop options and routing headers, and in front of
// destination options.
static void do_destination_options_go_inside(void **state)
{
	static const uint8_t options[] = {FER_PROTO_UDP, 0, 1, 4, 0, 0, 0, 0};
	const struct test_ip ip = {.version = 6, .src = 1, .dst = 2, .n_options = 24};
	struct known k = add((struct test_sa){.spi = SPI, .version = 6});

	(void)state;
	test_packet_start(&plain, 40, 1);
	memcpy(plain.bytes, options, sizeof(options));
	packet = plain;
	test_packet_put_ip(&plain, &ip, FER_PROTO_DSTOPTS);
	test_packet_put_ethernet(&plain, 0);
	test_packet_put_esp(&packet, &k.oracle, SPI, (uint32_t)SEQ, FER_PROTO_DSTOPTS);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	test_packet_put_ethernet(&packet, 0);
	parse_one(test_mbuf(pool, plain.bytes, plain.len), FER_LINK_ETHERNET);
	assert_put_on(&k);
	done();
}

// The rules of the outer header, each other than usual.
static void are_the_rules_of_the_outer_header_followed(void **state)
{
	static const struct {
		struct fer_outer_rules rules;
		struct test_ip want; // tos, ttl, df, flow_label
	} cases[] = {
		{{.dscp = 46, .ttl = 1, .df = FER_DF_SET, .flow_label = 0xfffff},
			{.tos = 0xb9, .ttl = 1, .df = true, .flow_label = 0xfffff}},
		{{.dscp = 0, .ttl = 255, .df = FER_DF_CLEAR, .flow_label = 0},
			{.tos = 0x01, .ttl = 255, .df = false, .flow_label = 0}},
		{{.dscp = 63, .ttl = 64, .df = FER_DF_COPY, .flow_label = 1},
			{.tos = 0xfd, .ttl = 64, .df = true, .flow_label = 1}},
	};
	uint32_t spi = SPI;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases) * 4; i++) {
		const struct shape s = {
			.version = i & 1 ? 6 : 4, .tos = 0x29, .df = true, .payload = 30};
		struct test_sa sa = tunnel;

		sa.spi = spi++;
		sa.version = i & 2 ? 6 : 4;
		sa.outer = &cases[i / 4].rules;
		struct known k = add(sa);
		struct test_ip inner = plain_ip(&s, &k), outer = cases[i / 4].want;
		outer.version = sa.version;
		outer.src = 1;
		outer.dst = 2;
		outer.id = (uint16_t)SEQ;
		make_plain(&s, &k);
		test_packet_start(&packet, s.payload, s.payload);
		test_packet_put_ip(&packet, &inner, FER_PROTO_UDP);
		test_packet_put_esp(&packet, &k.oracle, sa.spi, (uint32_t)SEQ,
			s.version == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6);
		test_packet_put_ip(&packet, &outer, FER_PROTO_ESP);
		test_packet_put_ethernet(&packet, 0);
		parse_one(test_mbuf(pool, plain.bytes, plain.len), FER_LINK_ETHERNET);
		assert_put_on(&k);
		done();
	}
}

// Fitting.

static enum fer_verdict fits(const struct known *k, const struct test_ip *ip, uint32_t payload)
{
	test_packet_start(&plain, payload, 0);
	test_packet_put_ip(&plain, ip, FER_PROTO_UDP);
	parse_one(test_mbuf(pool, plain.bytes, plain.len), FER_LINK_RAW_IP);
	assert_int_equal(batch.pkt[0].parsed, FER_OK);
	enum fer_verdict v = fer_outer_fits(batch.m[0], &batch.pkt[0], k->out, NULL);
	done();
	return v;
}

static void does_a_transport_sa_carry_its_ends_only(void **state)
{
	struct known k = add(transport), k6 = add((struct test_sa){.spi = SPI + 2, .version = 6});
	const struct test_ip good = {.version = 4, .src = 1, .dst = 2};
	const struct test_ip good6 = {.version = 6, .src = 1, .dst = 2};
	struct test_ip bad = good;

	(void)state;
	assert_verdict(fits(&k, &good, 20), FER_OK);
	assert_verdict(fits(&k6, &good6, 20), FER_OK);
	assert_verdict(fits(&k, &good6, 20), FER_NO_POLICY);
	assert_verdict(fits(&k6, &good, 20), FER_NO_POLICY);
	bad.src = 3;
	assert_verdict(fits(&k, &bad, 20), FER_NO_POLICY);
	bad = (struct test_ip){.version = 4, .src = 2, .dst = 1};
	assert_verdict(fits(&k, &bad, 20), FER_NO_POLICY);
}

static void are_fragments_for_tunnels_only(void **state)
{
	static const uint16_t fields[] = {0x2000, 0x2002, 0x0002};
	struct known inside = add(transport), around = add(tunnel);

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(fields); i++) {
		const struct test_ip ip = {.version = 4, .src = 1, .dst = 2, .fragment = fields[i]};

		assert_verdict(fits(&inside, &ip, 24), FER_TRANSPORT_FRAGMENT);
		assert_verdict(fits(&around, &ip, 24), FER_OK);
	}
}

// The longest packet is the one whose total or payload length just says it.
static void is_the_longest_packet_just_that(void **state)
{
	static const struct {
		enum fer_mode mode;
		uint8_t outer, inner;
		uint32_t most; // payload
	} cases[] = {
		// Total length 65,535 at most, of which a multiple of 4 is encrypted: 65,532 in
		// all.
		{FER_TRANSPORT, 4, 4, 65532 - 20 - 16 - 16 - 2},
		{FER_TUNNEL, 4, 4, 65532 - 20 - 16 - 16 - 2 - 20},
		{FER_TUNNEL, 4, 6, 65532 - 20 - 16 - 16 - 2 - 40},
		{FER_TRANSPORT, 6, 6, 65532 - 16 - 16 - 2},
		{FER_TUNNEL, 6, 4, 65532 - 16 - 16 - 2 - 20},
		{FER_TUNNEL, 6, 6, 65532 - 16 - 16 - 2 - 40},
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct known k = add((struct test_sa){
			.spi = SPI + i, .mode = cases[i].mode, .version = cases[i].outer});
		const struct shape s = {
			.version = cases[i].inner, .payload = cases[i].most, .n_tags = RAW_IP};
		const struct test_ip ip = plain_ip(&s, &k);

		check_put_on(&s, &k);
		assert_verdict(fits(&k, &ip, cases[i].most), FER_OK);
		if (cases[i].most + 4 + 20 <= 65535)
			assert_verdict(fits(&k, &ip, cases[i].most + 1), FER_TOO_LONG);
	}
}

// Taking off.

// Receives the packet, and takes off what was opened.
static enum fer_verdict take_off(struct rte_mbuf *m, enum fer_link link)
{
	parse_one(m, link);
	fer_nic_receive(&rx.path.nic, &batch);
	assert_verdict(batch.pkt[0].verdict, FER_OK);
	assert_true(batch.pkt[0].n_layers > 0);
	for (unsigned k = 0; k < batch.pkt[0].n_layers; k++)
		assert_int_equal(batch.round[k][0].verified, 1);
	fer_accept_in(&rx.path.host, &batch);
	return batch.pkt[0].verdict;
}

static struct rte_mbuf *whole(void)
{
	return test_mbuf(pool, packet.bytes, packet.len);
}

static void assert_plain(void)
{
	test_assert_bytes(batch.m[0], plain.bytes, plain.len);
	assert_frame_is_fresh(0);
}

static void check_take_off(const struct shape *s, const struct known *k)
{
	make_plain(s, k);
	make_framed(s, k);
	test_packet_seal_all(&packet);
	test_packet_pad(&packet, s->payload % 5);
	assert_verdict(take_off(whole(), link_of(s)), FER_OK);
	assert_int_equal(fer_outer_inside(k->in, &batch, 0, 0), plain.ip_end - plain.ip_off);
	assert_plain();
	done();
}

// RFC 4303 section 3.4.
static void does_taking_off_give_the_packet_back(void **state)
{
	(void)state;
	for_all_suites_and_versions(check_take_off);
}

static void check_take_off_cuts(struct test_sa sa)
{
	struct known k = add(sa);
	const struct shape s = {.version = sa.version, .tos = 8, .n_options = 8, .payload = 13};

	make_plain(&s, &k);
	make_framed(&s, &k);
	test_packet_seal_all(&packet);
	for (uint32_t a = 0; a < packet.len; a++)
		for (uint32_t b = a; b < packet.len; b++) {
			struct rte_mbuf *m = test_mbuf_cut(
				pool, packet.bytes, packet.len, (uint32_t[]){a, b}, 2);

			assert_verdict(take_off(m, FER_LINK_ETHERNET), FER_OK);
			assert_plain();
			done();
		}
}

static void do_cuts_not_matter_when_taking_off(void **state)
{
	(void)state;
	check_take_off_cuts(transport);
	check_take_off_cuts(tunnel);
	check_take_off_cuts((struct test_sa){.spi = SPI + 2, .version = 6});
	check_take_off_cuts((struct test_sa){.spi = SPI + 3, .version = 6, .mode = FER_TUNNEL});
}

#define MIXED 32

// Puts the segment's bytes at its very beginning, or nearly there.
static void lower(struct rte_mbuf *m, uint16_t data_off)
{
	memmove((uint8_t *)m->buf_addr + data_off, rte_pktmbuf_mtod(m, void *), m->data_len);
	m->data_off = data_off;
}

// Puts a random packet at a place of the batch, and what is to become of it into plain.
static void put_random(unsigned i, const struct known *k)
{
	uint64_t r = rte_rand();
	struct shape s = {
		.version = r & 1 ? 6 : 4,
		.tos = (uint8_t)(r >> 8) & (r & 2 ? 0xff : 0xfc),
		.df = r >> 2 & 1,
		.n_options = r >> 16 & 7 ? 0 : 8,
		.payload = r >> 24 & 0x7f,
		.n_tags = r >> 20 & 7 ? 0 : 2,
	};

	make_plain(&s, k);
	make_framed(&s, k);
	if ((r >> 32 & 7) == 0 && (s.tos & 3) != 0) {
		// RFC 6040 figure 4: congestion on the way.  No layer covers the header.
		uint8_t *ip = packet.bytes + packet.ip_off, *inner = plain.bytes + plain.ip_off;
		fer_ip_set_tos(ip, fer_ip_tos(ip) | 3);
		fer_ip_set_tos(inner, fer_ip_tos(inner) | 3);
	}
	test_packet_seal_all(&packet);
	if ((r >> 36 & 7) == 0)
		batch.m[i] = test_mbuf_cut(pool, packet.bytes, packet.len,
			(uint32_t[]){r >> 39 & 1 ? 90 : packet.len - 5}, 1);
	else
		batch.m[i] = whole();
	if ((r >> 40 & 7) == 0)
		lower(batch.m[i], r >> 44 & 3);
}

// Most packets of a burst go one way, and what is odd about one is not about its neighbours.
static void do_neighbours_not_matter_when_taking_off(void **state)
{
	static struct test_packet want[MIXED];
	struct test_sa wide = tunnel;

	(void)state;
	wide.spi++;
	wide.version = 6;
	const struct known k[] = {add(tunnel), add(wide)};
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < MIXED; i++) {
			put_random(i, &k[round % 3 == 2 ? rte_rand_max(2) : round % 3]);
			want[i] = plain;
		}
		batch.n = MIXED;
		batch.link = FER_LINK_ETHERNET;
		fer_batch_parse(&batch);
		fer_nic_receive(&rx.path.nic, &batch);
		fer_accept_in(&rx.path.host, &batch);
		for (unsigned i = 0; i < MIXED; i++) {
			assert_verdict(batch.pkt[i].verdict, FER_OK);
			test_assert_bytes(batch.m[i], want[i].bytes, want[i].len);
			assert_frame_is_fresh(i);
		}
		done();
	}
}

static void are_long_packets_given_back(void **state)
{
	struct known k = add(tunnel);
	const struct shape sizes[] = {
		{.version = 4, .payload = 9600}, {.version = 6, .payload = 65000}};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(sizes); i++)
		check_take_off(&sizes[i], &k);
}

// RFC 4303 section 2.7.
static void is_traffic_flow_padding_cut(void **state)
{
	struct known k = add(tunnel);
	const struct shape s = {.version = 4, .payload = 13};

	(void)state;
	for (uint32_t n = 0; n < 100; n++) {
		const struct test_ip inner = plain_ip(&s, &k), outer = outer_ip(&s, &k);

		make_plain(&s, &k);
		test_packet_start(&packet, s.payload, s.payload);
		test_packet_put_ip(&packet, &inner, FER_PROTO_UDP);
		test_packet_pad(&packet, n);
		test_packet_put_esp(&packet, &k.oracle, k.sa.spi, 1, FER_PROTO_IPV4);
		test_packet_put_ip(&packet, &outer, FER_PROTO_ESP);
		test_packet_put_ethernet(&packet, 0);
		test_packet_seal_all(&packet);
		assert_verdict(take_off(whole(), FER_LINK_ETHERNET), FER_OK);
		assert_plain();
		done();
	}
}

// RFC 6040 section 4.2: what the outer header says of congestion goes inside.
static void is_a_congestion_mark_taken_inside(void **state)
{
	static const int want[4][4] = {{0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
	uint32_t spi = SPI;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		uint8_t inner_ecn = i & 3, outer_ecn = i >> 2 & 3;
		struct test_sa sa = tunnel;
		struct shape s = {
			.version = i & 16 ? 6 : 4, .tos = 0xa8 | inner_ecn, .payload = 30};

		sa.spi = spi++;
		sa.version = i & 32 ? 6 : 4;
		struct known k = add(sa);
		const struct test_ip inner = plain_ip(&s, &k);
		s.tos = 0x14 | outer_ecn; // another DSCP, of which nothing is kept
		const struct test_ip outer = outer_ip(&s, &k);
		test_packet_start(&packet, 30, 30);
		test_packet_put_ip(&packet, &inner, FER_PROTO_UDP);
		test_packet_put_esp(&packet, &k.oracle, sa.spi, 1,
			s.version == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6);
		test_packet_put_ip(&packet, &outer, FER_PROTO_ESP);
		test_packet_put_ethernet(&packet, 0);
		test_packet_seal_all(&packet);
		int ecn = want[inner_ecn][outer_ecn];
		assert_verdict(take_off(whole(), FER_LINK_ETHERNET), ecn < 0 ? FER_ECN_CE : FER_OK);
		s.tos = (uint8_t)(0xa8 | ecn);
		make_plain(&s, &k);
		if (ecn >= 0)
			assert_plain();
		done();
	}
}

// Two layers of which each has its own IP header, or both share one.

// Seals a plain packet with several SAs, innermost first; shared: no IP header between them.
static void seal_layers(const struct known *const k[], unsigned n, const bool shared[])
{
	struct test_ip ip = {.version = 4, .src = 1, .dst = 2, .n_options = 8};
	bool tunnel_first = k[0]->sa.mode == FER_TUNNEL;
	uint8_t next = FER_PROTO_UDP;

	if (tunnel_first) {
		ip = (struct test_ip){.version = 6, .src = 11, .dst = 12};
		next = FER_PROTO_IPV6;
	}
	test_packet_start(&plain, 44, 3);
	test_packet_start(&packet, 44, 3);
	test_packet_put_ip(&plain, &ip, FER_PROTO_UDP);
	test_packet_put_ethernet(&plain, 1);
	if (tunnel_first)
		packet = plain;
	if (tunnel_first) { // without its link header
		packet.len -= 18;
		memmove(packet.bytes, packet.bytes + 18, packet.len);
		ip = (struct test_ip){.version = 4, .src = 1, .dst = 2};
	}
	for (unsigned i = 0; i < n; i++) {
		test_packet_put_esp(&packet, &k[i]->oracle, k[i]->sa.spi, 5 + i, next);
		next = FER_PROTO_ESP;
		if (!shared[i]) {
			test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
			ip = (struct test_ip){.version = 4, .src = 1, .dst = 2};
			next = FER_PROTO_IPV4;
		}
	}
	test_packet_put_ethernet(&packet, 1);
	test_packet_seal_all(&packet);
}

static void are_nested_layers_taken_off(void **state)
{
	const struct known inside = add(transport), around = add(tunnel);
	struct test_sa a = transport, b = tunnel;

	a.spi = SPI + 2;
	b.spi = SPI + 3;
	const struct known inside2 = add(a), around2 = add(b);
	const struct {
		const struct known *k[3];
		unsigned n;
		bool shared[3];
	} cases[] = {
		{{&inside, &around}, 2, {false, false}},          // transport in tunnel
		{{&around, &around2}, 2, {false, false}},         // tunnel in tunnel
		{{&inside, &inside2}, 2, {true, false}},          // ESP in ESP
		{{&around, &inside}, 2, {true, false}},           // a tunnel, its ESP in ESP
		{{&inside, &around, &inside2}, 3, {false, true}}, // transport, tunnel, transport
		{{&inside, &around, &around2}, 3, {false, false}},
		{{&inside, &inside2, &around}, 3, {true, false}},
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		seal_layers(cases[i].k, cases[i].n, cases[i].shared);
		assert_verdict(take_off(whole(), FER_LINK_ETHERNET), FER_OK);
		assert_int_equal(batch.pkt[0].n_layers, cases[i].n);
		assert_plain();
		done();
	}
}

static void do_cuts_not_matter_in_nested_layers(void **state)
{
	const struct known inside = add(transport), around = add(tunnel);

	(void)state;
	seal_layers((const struct known *[]){&inside, &around}, 2, (bool[]){false, false});
	for (uint32_t a = 0; a < packet.len; a++)
		for (uint32_t b = a; b < packet.len; b += 3) {
			struct rte_mbuf *m = test_mbuf_cut(
				pool, packet.bytes, packet.len, (uint32_t[]){a, b}, 2);

			assert_verdict(take_off(m, FER_LINK_ETHERNET), FER_OK);
			assert_plain();
			done();
		}
}

// In front of ESP they stay in front of what it carried.
static void do_destination_options_in_front_stay(void **state)
{
	const struct test_ip ip = {
		.version = 6, .src = 1, .dst = 2, .n_options = 16, .dst_options = true};
	struct known k = add((struct test_sa){.spi = SPI, .version = 6});

	(void)state;
	test_packet_start(&plain, 40, 0);
	test_packet_put_ip(&plain, &ip, FER_PROTO_UDP);
	test_packet_put_ethernet(&plain, 0);
	test_packet_start(&packet, 40, 0);
	test_packet_put_esp(&packet, &k.oracle, SPI, 1, FER_PROTO_UDP);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	test_packet_put_ethernet(&packet, 0);
	test_packet_seal_all(&packet);
	assert_verdict(take_off(whole(), FER_LINK_ETHERNET), FER_OK);
	assert_plain();
	done();
}

// What verified and is still no packet.

// Seals len bytes as the payload of the innermost SA.
static enum fer_verdict take_off_payload(const struct known *k, const struct known *around,
	const uint8_t *payload, uint32_t len, uint8_t next_header)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

	test_packet_start(&packet, len, 0);
	memcpy(packet.bytes, payload, len);
	test_packet_put_esp(&packet, &k->oracle, k->sa.spi, 1, next_header);
	if (around != NULL)
		test_packet_put_esp(&packet, &around->oracle, around->sa.spi, 1, FER_PROTO_ESP);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	test_packet_put_ethernet(&packet, 0);
	test_packet_seal_all(&packet);
	return take_off(whole(), FER_LINK_ETHERNET);
}

static void does_a_tunnel_carry_sound_ip_only(void **state)
{
	const struct known k = add(tunnel), around = add(transport);
	const struct shape s = {.version = 4, .payload = 30, .n_tags = RAW_IP};
	uint8_t bytes[50];

	(void)state;
	make_plain(&s, &k);
	memcpy(bytes, plain.bytes, sizeof(bytes));
	for (unsigned nested = 0; nested < 2; nested++) {
		const struct known *a = nested == 1 ? &around : NULL;

		assert_verdict(take_off_payload(&k, a, bytes, 50, FER_PROTO_IPV4), FER_OK);
		done();
		assert_verdict(take_off_payload(&k, a, bytes, 50, FER_PROTO_IPV6), FER_BAD_INNER);
		done();
		assert_verdict(take_off_payload(&k, a, bytes, 50, FER_PROTO_UDP), FER_BAD_INNER);
		done();
		for (uint32_t len = 0; len < 50; len++) {
			assert_verdict(
				take_off_payload(&k, a, bytes, len, FER_PROTO_IPV4), FER_BAD_INNER);
			done();
		}
		bytes[10] ^= 1; // header checksum
		assert_verdict(take_off_payload(&k, a, bytes, 50, FER_PROTO_IPV4), FER_BAD_INNER);
		done();
		bytes[10] ^= 1;
	}
}

// Less than the header that the trailer names; and the right header, which it does not name.
static void does_the_next_header_have_to_be_true(void **state)
{
	struct test_sa sa = tunnel;
	const struct shape empty = {.version = 4, .n_tags = RAW_IP};
	const struct shape v6 = {.version = 6, .n_tags = RAW_IP};

	(void)state;
	sa.icv_bytes = 8;
	const struct known k = add(sa);
	make_plain(&empty, &k);
	assert_verdict(take_off_payload(&k, NULL, plain.bytes, 20, FER_PROTO_IPV6), FER_BAD_INNER);
	done();
	make_plain(&v6, &k);
	assert_verdict(take_off_payload(&k, NULL, plain.bytes, 40, FER_PROTO_UDP), FER_BAD_INNER);
	done();
}

// IP in IP without a tunnel: what it is stays between those who use it.
static void does_a_transport_sa_carry_any_protocol(void **state)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};
	const struct known k = add(transport);

	(void)state;
	test_packet_start(&plain, 50, 0);
	uint8_t bytes[50];
	memcpy(bytes, plain.bytes, sizeof(bytes));
	test_packet_put_ip(&plain, &ip, FER_PROTO_IPV4);
	test_packet_put_ethernet(&plain, 0);
	assert_verdict(take_off_payload(&k, NULL, bytes, 50, FER_PROTO_IPV4), FER_OK);
	assert_plain();
	done();
}

// The same of a tunnel with another layer inside.
static void does_the_next_header_have_to_name_the_version(void **state)
{
	const struct known inner = add(transport), outer = add(tunnel);
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

	(void)state;
	for (unsigned right = 0; right < 2; right++) {
		test_packet_start(&packet, 40, 0);
		test_packet_put_esp(&packet, &inner.oracle, SPI, 1 + right, FER_PROTO_UDP);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
		test_packet_put_esp(&packet, &outer.oracle, SPI + 1, 1 + right,
			right == 1 ? FER_PROTO_IPV4 : FER_PROTO_IPV6);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
		test_packet_put_ethernet(&packet, 0);
		test_packet_seal_all(&packet);
		assert_verdict(
			take_off(whole(), FER_LINK_ETHERNET), right == 1 ? FER_OK : FER_BAD_INNER);
		done();
	}
}

// RFC 4303 section 2.6.
static void are_dummies_taken_for_what_they_are(void **state)
{
	const struct known all[] = {add(transport), add(tunnel)};
	static const uint8_t bytes[60];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (uint32_t len = 0; len <= sizeof(bytes); len += 20) {
			assert_verdict(take_off_payload(&all[i], NULL, bytes, len, FER_PROTO_NONE),
				FER_DUMMY);
			done();
		}
}

// A payload whose headers nobody can parse is no use to anybody.
static void are_broken_extension_headers_inside_refused(void **state)
{
	const struct test_ip ip = {.version = 6, .src = 1, .dst = 2};
	const struct known k = add((struct test_sa){.spi = SPI, .version = 6});

	(void)state;
	test_packet_start(&packet, 8, 0);
	packet.bytes[0] = FER_PROTO_UDP;
	packet.bytes[1] = 7; // 64 bytes of options, of which there are 8
	test_packet_put_esp(&packet, &k.oracle, SPI, 1, FER_PROTO_DSTOPTS);
	test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
	test_packet_put_ethernet(&packet, 0);
	test_packet_seal_all(&packet);
	assert_verdict(take_off(whole(), FER_LINK_ETHERNET), FER_BAD_INNER);
	done();
}

static int open_one(void **state)
{
	(void)state;
	n_used = rte_mempool_in_use_count(pool);
	test_end_open(&tx, "tx", test_engine, pool);
	test_end_open(&rx, "rx", test_engine, pool);
	return 0;
}

static int close_one(void **state)
{
	(void)state;
	test_end_close(&tx);
	test_end_close(&rx);
	return rte_mempool_in_use_count(pool) == n_used ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_a_packet_framed_to_the_last_byte),
		TEST(do_cuts_not_matter_when_framing),
		TEST(is_a_segment_added_where_there_is_no_room),
		TEST(does_padding_end_with_the_trailer),
		TEST(does_framing_without_buffers_end_the_packet),
		TEST(do_destination_options_go_inside),
		TEST(are_the_rules_of_the_outer_header_followed),
		TEST(does_a_transport_sa_carry_its_ends_only),
		TEST(are_fragments_for_tunnels_only),
		TEST(is_the_longest_packet_just_that),
		TEST(does_taking_off_give_the_packet_back),
		TEST(do_cuts_not_matter_when_taking_off),
		TEST(do_neighbours_not_matter_when_taking_off),
		TEST(are_long_packets_given_back),
		TEST(is_traffic_flow_padding_cut),
		TEST(is_a_congestion_mark_taken_inside),
		TEST(are_nested_layers_taken_off),
		TEST(do_cuts_not_matter_in_nested_layers),
		TEST(do_destination_options_in_front_stay),
		TEST(does_a_tunnel_carry_sound_ip_only),
		TEST(does_the_next_header_have_to_be_true),
		TEST(does_the_next_header_have_to_name_the_version),
		TEST(does_a_transport_sa_carry_any_protocol),
		TEST(are_dummies_taken_for_what_they_are),
		TEST(are_broken_extension_headers_inside_refused),
	};
	int error;

	test_ground_open("256");
	pool = test_pool("outer", 1023, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
