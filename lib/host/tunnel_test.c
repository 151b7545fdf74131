// SPDX-License-Identifier: BSD-3-Clause
// Do the fields that both headers have become what RFC 4301 and RFC 6040 say?
#include "host/tunnel.h"

#include "base/bytes.h"
#include "support/ends.h"

#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

// RFC 6040 section 4.2, figure 4.
static void is_ecn_combined_as_the_table_says(void **state)
{
	enum { NOT_ECT = 0, ECT1 = 1, ECT0 = 2, CE = 3, DROP = -1 };
	static const struct {
		uint8_t inner;
		int out[4]; // outer Not-ECT, ECT(0), ECT(1), CE
	} rows[] = {
		{NOT_ECT, {NOT_ECT, NOT_ECT, NOT_ECT, DROP}},
		{ECT0, {ECT0, ECT0, ECT1, CE}},
		{ECT1, {ECT1, ECT1, ECT1, CE}},
		{CE, {CE, CE, CE, CE}},
	};
	static const uint8_t outer[] = {NOT_ECT, ECT0, ECT1, CE};

	(void)state;
	for (unsigned i = 0; i < N(rows); i++)
		for (unsigned j = 0; j < N(outer); j++)
			assert_int_equal(
				fer_tunnel_ecn_out(rows[i].inner, outer[j]), rows[i].out[j]);
}

static unsigned outer_tos(const struct fer_tunnel_marks *m, unsigned inner)
{
	unsigned tos = fer_ip_marks_tos(fer_tunnel_mark(m, (uint8_t)inner, false));

	assert_int_equal(fer_ip_marks_tos(fer_tunnel_mark(m, (uint8_t)inner, true)), tos);
	return tos;
}

// RFC 4301 section 5.1.2.1 for DSCP; RFC 6040 section 4.1, normal mode, for ECN.
static void is_the_type_of_service_copied_or_set(void **state)
{
	(void)state;
	for (unsigned inner = 0; inner < 256; inner++) {
		struct fer_outer_rules r = {.dscp = FER_DSCP_COPY};
		struct fer_tunnel_marks m = fer_tunnel_marks_of(&r);

		assert_int_equal(outer_tos(&m, inner), inner);
		for (unsigned dscp = 0; dscp < 64; dscp++) {
			r.dscp = (uint8_t)dscp;
			m = fer_tunnel_marks_of(&r);
			assert_int_equal(outer_tos(&m, inner), dscp << 2 | (inner & 3));
		}
	}
}

// RFC 4301 section 8.1.  Over IPv6 inside a copy is set.
static void is_df_copied_or_set_or_cleared(void **state)
{
	static const struct {
		enum fer_df rule;
		bool inner, outer;
	} cases[] = {
		{FER_DF_COPY, false, false},
		{FER_DF_COPY, true, true},
		{FER_DF_SET, false, true},
		{FER_DF_SET, true, true},
		{FER_DF_CLEAR, false, false},
		{FER_DF_CLEAR, true, false},
	};

	(void)state;
	for (unsigned i = 0; i < N(cases); i++) {
		const struct fer_outer_rules r = {.df = (uint8_t)cases[i].rule};
		const struct fer_tunnel_marks m = fer_tunnel_marks_of(&r);

		for (unsigned tos = 0; tos < 256; tos++)
			assert_int_equal(
				fer_ip_marks_df(fer_tunnel_mark(&m, (uint8_t)tos, cases[i].inner)),
				cases[i].outer);
	}
}

static void is_the_flow_label_copied_or_set(void **state)
{
	static const uint8_t v4[20] = {0x45, 1, 2, 3};
	uint8_t v6[40] = {0};

	(void)state;
	fer_store_be32(v6, 0x6fffffff);
	assert_int_equal(fer_tunnel_flow_label(FER_FLOW_LABEL_COPY, v6), 0xfffff);
	fer_store_be32(v6, 0x6ff12345);
	assert_int_equal(fer_tunnel_flow_label(FER_FLOW_LABEL_COPY, v6), 0x12345);
	assert_int_equal(fer_tunnel_flow_label(FER_FLOW_LABEL_COPY, v4), 0);
	assert_int_equal(fer_tunnel_flow_label(0xabcde, v6), 0xabcde);
	assert_int_equal(fer_tunnel_flow_label(0xabcde, v4), 0xabcde);
	assert_int_equal(fer_tunnel_flow_label(0, v6), 0);
}

// Every rule with every type of service, DF and flow label inside, IPv4 and IPv6 in either: from
// the host's port to the wire, field by field as RFC 4301 section 5.1.2 lists them.

struct inside {
	uint8_t version, tos;
	bool df;
	uint32_t flow_label;
};

static uint16_t last_id;

static void assert_ipv4(const uint8_t *ip, const struct fer_outer_rules *r, const struct inside *in)
{
	uint32_t sum = 0;
	bool df = r->df == FER_DF_SET || (r->df == FER_DF_COPY && (in->df || in->version == 6));

	assert_int_equal(ip[0], 0x45); // no options, whatever is inside
	assert_int_equal(ip[1] >> 2, r->dscp == FER_DSCP_COPY ? in->tos >> 2 : r->dscp);
	assert_int_equal(ip[1] & 3, in->tos & 3);
	assert_int_equal(fer_load_be16(ip + 2), test_ends.batch.m[0]->pkt_len);
	assert_int_not_equal(fer_load_be16(ip + 4), last_id); // RFC 6864 section 4
	last_id = fer_load_be16(ip + 4);
	assert_int_equal(fer_load_be16(ip + 6), df ? 0x4000 : 0);
	assert_int_equal(ip[8], r->ttl);
	assert_int_equal(ip[9], FER_PROTO_ESP);
	for (unsigned i = 0; i < 20; i += 2)
		sum += fer_load_be16(ip + i);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	assert_memory_equal(ip + 12, test_addr(4, 1).bytes, 4);
	assert_memory_equal(ip + 16, test_addr(4, 2).bytes, 4);
}

static void assert_ipv6(const uint8_t *ip, const struct fer_outer_rules *r, const struct inside *in)
{
	uint32_t first = fer_load_be32(ip);
	uint32_t copied = in->version == 6 ? in->flow_label : 0;

	assert_int_equal(first >> 28, 6);
	assert_int_equal(first >> 22 & 63, r->dscp == FER_DSCP_COPY ? in->tos >> 2 : r->dscp);
	assert_int_equal(first >> 20 & 3, in->tos & 3);
	assert_int_equal(
		first & 0xfffff, r->flow_label == FER_FLOW_LABEL_COPY ? copied : r->flow_label);
	assert_int_equal(fer_load_be16(ip + 4), test_ends.batch.m[0]->pkt_len - 40);
	assert_int_equal(ip[6], FER_PROTO_ESP); // no extension headers
	assert_int_equal(ip[7], r->ttl);
	assert_memory_equal(ip + 8, test_addr(6, 1).bytes, 16);
	assert_memory_equal(ip + 24, test_addr(6, 2).bytes, 16);
}

// The packet as it comes out at the other end: nothing of it has changed.
static void check_packet(const struct fer_outer_rules *r, uint8_t outer, const struct inside *in)
{
	static struct test_packet plain;
	const struct test_ip ip = {.version = in->version,
		.src = 11,
		.dst = 12,
		.ttl = 17,
		.tos = in->tos,
		.df = in->df,
		.flow_label = in->flow_label,
		.n_options = in->tos % 3 * 8};

	test_packet_start(&plain, in->tos % 7, in->tos);
	test_packet_put_ip(&plain, &ip, FER_PROTO_TCP);
	test_ends_put(test_mbuf(test_ends.pool, plain.bytes, plain.len), FER_LINK_RAW_IP);
	assert_int_equal(test_ends_send(), FER_OK);
	const uint8_t *header = rte_pktmbuf_mtod(test_ends.batch.m[0], const uint8_t *);
	(outer == 4 ? assert_ipv4 : assert_ipv6)(header, r, in);
	assert_int_equal(test_ends_receive(), FER_OK);
	test_assert_bytes(test_ends.batch.m[0], plain.bytes, plain.len);
	test_ends_drop();
}

static void check_rules(const struct fer_outer_rules *r, uint8_t outer)
{
	static const uint32_t labels[] = {0, 1, 0x54321, 0xfffff};

	for (unsigned tos = 0; tos < 256; tos++)
		for (unsigned df = 0; df < 2; df++)
			check_packet(r, outer,
				&(struct inside){.version = 4, .tos = (uint8_t)tos, .df = df != 0});
	for (unsigned tos = 0; tos < 256; tos++)
		for (unsigned i = 0; i < N(labels); i++)
			check_packet(r, outer,
				&(struct inside){.version = 6,
					.tos = (uint8_t)tos,
					.flow_label = labels[i]});
}

static void every_field_of_the_outer_header_follows_its_rule(void **state)
{
	static const uint8_t dscps[] = {FER_DSCP_COPY, 0, 46, 63};
	static const uint8_t ttls[] = {1, 64, 255};
	static const uint32_t labels[] = {FER_FLOW_LABEL_COPY, 0, 0xfffff};
	uint32_t spi = 0x1000;

	(void)state;
	for (unsigned i = 0; i < N(dscps) * 9; i++) {
		const struct fer_outer_rules r = {.dscp = dscps[i / 9],
			.df = (uint8_t)(i % 3),
			.ttl = ttls[i / 3 % 3],
			.flow_label = labels[(i / 3 + i) % 3]};

		for (uint8_t outer = 4; outer <= 6; outer += 2) {
			const struct test_tunnel t = test_ends_add(&(struct test_sa){
				.spi = spi++, .version = outer, .mode = FER_TUNNEL, .outer = &r});

			test_ends.west.rules.only_sa = t.handle;
			check_rules(&r, outer);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_ecn_combined_as_the_table_says),
		cmocka_unit_test(is_the_type_of_service_copied_or_set),
		cmocka_unit_test(is_df_copied_or_set_or_cleared),
		cmocka_unit_test(is_the_flow_label_copied_or_set),
		TEST_WITH_ENDS(every_field_of_the_outer_header_follows_its_rule),
	};

	return test_ends_main(tests, N(tests), "tunnel", 2048);
}
