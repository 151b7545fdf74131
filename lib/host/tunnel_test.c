// SPDX-License-Identifier: BSD-3-Clause
// Do the fields that both headers have become what RFC 4301 and RFC 6040 say?
#include "host/tunnel.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

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

// RFC 4301 section 5.1.2.1 for DSCP; RFC 6040 section 4.1, normal mode, for ECN.
static void is_the_type_of_service_copied_or_set(void **state)
{
	(void)state;
	for (unsigned inner = 0; inner < 256; inner++) {
		struct fer_outer_rules r = {.dscp = FER_DSCP_COPY};

		assert_int_equal(fer_tunnel_tos(&r, (uint8_t)inner), inner);
		for (unsigned dscp = 0; dscp < 64; dscp++) {
			r.dscp = (uint8_t)dscp;
			assert_int_equal(
				fer_tunnel_tos(&r, (uint8_t)inner), dscp << 2 | (inner & 3));
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
		const struct fer_frame inner = {.version = 4, .df = cases[i].inner};

		assert_int_equal(fer_tunnel_df(&r, &inner), cases[i].outer);
	}
}

static void is_the_flow_label_copied_or_set(void **state)
{
	static const uint8_t v4[20] = {0x45, 1, 2, 3};
	uint8_t v6[40] = {0};
	struct fer_outer_rules r = {.flow_label = FER_FLOW_LABEL_COPY};

	(void)state;
	fer_store_be32(v6, 0x6fffffff);
	assert_int_equal(fer_tunnel_flow_label(&r, v6), 0xfffff);
	fer_store_be32(v6, 0x6ff12345);
	assert_int_equal(fer_tunnel_flow_label(&r, v6), 0x12345);
	assert_int_equal(fer_tunnel_flow_label(&r, v4), 0);
	r.flow_label = 0xabcde;
	assert_int_equal(fer_tunnel_flow_label(&r, v6), 0xabcde);
	assert_int_equal(fer_tunnel_flow_label(&r, v4), 0xabcde);
	r.flow_label = 0;
	assert_int_equal(fer_tunnel_flow_label(&r, v6), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_ecn_combined_as_the_table_says),
		cmocka_unit_test(is_the_type_of_service_copied_or_set),
		cmocka_unit_test(is_df_copied_or_set_or_cleared),
		cmocka_unit_test(is_the_flow_label_copied_or_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
