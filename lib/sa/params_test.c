// SPDX-License-Identifier: BSD-3-Clause
// Is every SA that cannot be refused, and every one that can be accepted?
#include "sa/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define N_GROUPS 4

static const uint8_t key[FER_MAX_KEY_BYTES] = {
	[16] = 0xa0, [17] = 0xa1, [18] = 0xa2, [19] = 0xa3, [32] = 0xb0};

static struct fer_sa_params gcm_tunnel(enum fer_direction direction)
{
	return (struct fer_sa_params){
		.direction = direction,
		.mode = FER_TUNNEL,
		.spi = FER_SPI_MIN,
		.group = 0,
		.src = {.bytes = {10, 0, 0, 2}, .version = 4},
		.dst = {.bytes = {10, 0, 0, 1}, .version = 4},
		.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"),
		.encryption_key = key,
		.replay_window = 64,
		.outer = {.ttl = 64, .dscp = FER_DSCP_COPY, .flow_label = FER_FLOW_LABEL_COPY},
	};
}

static void use_cbc(struct fer_sa_params *p)
{
	p->encryption = fer_algo_find(FER_ENCRYPTION, "aes-cbc-128");
	p->integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128");
	p->integrity_key = key;
}

// --- one change each that makes an SA impossible

static void reserved_spi(struct fer_sa_params *p)
{
	p->spi = 255;
}

static void window_of_a_contract_host(struct fer_sa_params *p)
{
	p->contract = true;
}

static void reserved_ah_spi(struct fer_sa_params *p)
{
	p->ah = (struct fer_ah_params){255, fer_algo_find(FER_INTEGRITY, "hmac-sha1-96"), key, 0};
}

static void neither_esp_nor_ah(struct fer_sa_params *p)
{
	p->spi = 0;
}

static void ah_without_integrity(struct fer_sa_params *p)
{
	p->ah = (struct fer_ah_params){256, NULL, key, 0};
}

static void ah_with_encryption(struct fer_sa_params *p)
{
	p->ah = (struct fer_ah_params){256, fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"), key, 0};
}

static void ah_without_key(struct fer_sa_params *p)
{
	p->ah = (struct fer_ah_params){256, fer_algo_find(FER_INTEGRITY, "hmac-sha1-96"), NULL, 0};
}

static void no_such_direction(struct fer_sa_params *p)
{
	p->direction = (enum fer_direction)2;
}

static void no_such_mode(struct fer_sa_params *p)
{
	p->mode = (enum fer_mode)2;
}

static void no_such_group(struct fer_sa_params *p)
{
	p->group = N_GROUPS;
}

static void no_version(struct fer_sa_params *p)
{
	p->src.version = p->dst.version = 0;
}

static void no_such_version(struct fer_sa_params *p)
{
	p->src.version = p->dst.version = 5;
}

static void two_versions(struct fer_sa_params *p)
{
	p->src.version = 6;
}

static void bytes_behind_dst(struct fer_sa_params *p)
{
	p->dst.bytes[4] = 1;
}

static void bytes_behind_src(struct fer_sa_params *p)
{
	p->src.bytes[15] = 1;
}

static void udp_ports_without_encapsulation(struct fer_sa_params *p)
{
	p->udp = (struct fer_udp){.sport = 4500, .dport = 4500};
}

static void udp_without_destination_port(struct fer_sa_params *p)
{
	p->udp_at = FER_UDP_OUTSIDE;
	p->udp.sport = 4500;
}

static void udp_with_ah(struct fer_sa_params *p)
{
	p->ah = (struct fer_ah_params){.spi = FER_SPI_MIN,
		.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha1-96"),
		.key = key};
	p->udp_at = FER_UDP_OUTSIDE;
	p->udp = (struct fer_udp){.sport = 4500, .dport = 4500};
}

static void udp_of_an_unknown_shape(struct fer_sa_params *p)
{
	p->udp_at = 4;
	p->udp = (struct fer_udp){.sport = 4500, .dport = 4500};
}

static void soft_bytes_above_hard(struct fer_sa_params *p)
{
	p->lifetime = (struct fer_lifetime){.soft_bytes = 2, .hard_bytes = 1};
}

static void soft_packets_above_hard(struct fer_sa_params *p)
{
	p->lifetime = (struct fer_lifetime){.soft_packets = UINT64_MAX, .hard_packets = 9};
}

static void soft_seconds_above_hard(struct fer_sa_params *p)
{
	p->lifetime = (struct fer_lifetime){.soft_seconds = 11, .hard_seconds = 10};
}

static void padding_of_an_inbound_one(struct fer_sa_params *p)
{
	p->tfc.pad_to = 256;
}

static void dummies_of_an_inbound_one(struct fer_sa_params *p)
{
	p->tfc.dummy_rate = 1;
}

static void padding_to_nothing(struct fer_sa_params *p)
{
	p->tfc.pad_to = FER_TFC_PAD_MIN - 1;
}

static void padding_over_the_limit(struct fer_sa_params *p)
{
	p->tfc.pad_to = FER_TFC_PAD_MAX + 1;
}

static void too_many_dummies(struct fer_sa_params *p)
{
	p->tfc.dummy_rate = FER_TFC_RATE_MAX + 1;
}

static void high_number_without_esn(struct fer_sa_params *p)
{
	p->sequence = UINT64_C(1) << 32;
}

static void no_encryption(struct fer_sa_params *p)
{
	p->encryption = NULL;
}

static void encryption_of_the_wrong_role(struct fer_sa_params *p)
{
	p->encryption = fer_algo_find(FER_INTEGRITY, "hmac-sha1-96");
}

static void integrity_of_the_wrong_role(struct fer_sa_params *p)
{
	use_cbc(p);
	p->integrity = fer_algo_find(FER_ENCRYPTION, "aes-cbc-128");
}

// A contract host answers for its keys: see a_contract_host_may_have_weak_keys().
static void weak_key(struct fer_sa_params *p)
{
	static const uint8_t weak[8] = {1, 0x1f, 1, 0x1f, 1, 0xe, 1, 0xe};

	use_cbc(p);
	p->encryption = fer_algo_find(FER_ENCRYPTION, "des-cbc");
	p->encryption_key = weak;
}

static void no_encryption_key(struct fer_sa_params *p)
{
	p->encryption_key = NULL;
}

static void no_integrity_key(struct fer_sa_params *p)
{
	use_cbc(p);
	p->integrity_key = NULL;
}

static void no_integrity(struct fer_sa_params *p)
{
	use_cbc(p);
	p->integrity = NULL;
}

static void two_integrities(struct fer_sa_params *p)
{
	p->integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha1-96");
	p->integrity_key = key;
}

static void odd_icv(struct fer_sa_params *p)
{
	p->icv_bytes = 13;
}

static void window_too_large(struct fer_sa_params *p)
{
	p->replay_window = FER_REPLAY_MAX_PKTS + 1;
}

static void esn_without_window(struct fer_sa_params *p)
{
	p->esn = true;
	p->replay_window = 0;
}

static void tunnel_from_nowhere(struct fer_sa_params *p)
{
	memset(p->src.bytes, 0, sizeof(p->src.bytes));
}

static void tunnel_to_nowhere(struct fer_sa_params *p)
{
	memset(p->dst.bytes, 0, sizeof(p->dst.bytes));
}

static void ttl_zero(struct fer_sa_params *p)
{
	p->outer.ttl = 0;
}

static void dscp_too_large(struct fer_sa_params *p)
{
	p->outer.dscp = 64;
}

static void flow_label_too_large(struct fer_sa_params *p)
{
	p->outer.flow_label = 0x100000;
}

static void no_such_df(struct fer_sa_params *p)
{
	p->outer.df = FER_DF_CLEAR + 1;
}

struct change {
	const char *name;
	void (*make)(struct fer_sa_params *p);
	bool is_out, is_in; // the direction in which it is refused
};

#define CHANGE(name, is_out, is_in)                                                                \
	{                                                                                          \
#name, name, is_out, is_in                                                         \
	}

static void one_impossible_thing_is_refused(void **state)
{
	static const struct change changes[] = {
		CHANGE(reserved_spi, true, true),
		CHANGE(window_of_a_contract_host, false, true),
		CHANGE(reserved_ah_spi, true, true),
		CHANGE(neither_esp_nor_ah, true, true),
		CHANGE(ah_without_integrity, true, true),
		CHANGE(ah_with_encryption, true, true),
		CHANGE(ah_without_key, true, true),
		CHANGE(no_such_direction, true, true),
		CHANGE(no_such_mode, true, true),
		CHANGE(no_such_group, true, true),
		CHANGE(no_version, true, true),
		CHANGE(no_such_version, true, true),
		CHANGE(two_versions, true, true),
		CHANGE(bytes_behind_dst, true, true),
		CHANGE(bytes_behind_src, true, true),
		CHANGE(high_number_without_esn, true, true),
		CHANGE(padding_of_an_inbound_one, false, true),
		CHANGE(dummies_of_an_inbound_one, false, true),
		CHANGE(padding_to_nothing, true, true),
		CHANGE(padding_over_the_limit, true, true),
		CHANGE(too_many_dummies, true, true),
		CHANGE(udp_ports_without_encapsulation, true, true),
		CHANGE(udp_without_destination_port, true, true),
		CHANGE(udp_of_an_unknown_shape, true, true),
		CHANGE(udp_with_ah, true, true),
		CHANGE(soft_bytes_above_hard, true, true),
		CHANGE(soft_packets_above_hard, true, true),
		CHANGE(soft_seconds_above_hard, true, true),
		CHANGE(no_encryption, true, true),
		CHANGE(encryption_of_the_wrong_role, true, true),
		CHANGE(integrity_of_the_wrong_role, true, true),
		CHANGE(no_encryption_key, true, true),
		CHANGE(weak_key, true, true),
		CHANGE(no_integrity_key, true, true),
		CHANGE(no_integrity, true, true),
		CHANGE(two_integrities, true, true),
		CHANGE(odd_icv, true, true),
		CHANGE(window_too_large, false, true),
		CHANGE(esn_without_window, false, true),
		CHANGE(tunnel_from_nowhere, true, false),
		CHANGE(tunnel_to_nowhere, true, false),
		CHANGE(ttl_zero, true, false),
		CHANGE(dscp_too_large, true, false),
		CHANGE(flow_label_too_large, true, false),
		CHANGE(no_such_df, true, false),
	};

	(void)state;
	for (size_t i = 0; i < 2 * N(changes); i++) {
		const struct change *c = &changes[i / 2];
		enum fer_direction direction = i % 2 == 0 ? FER_OUT : FER_IN;
		struct fer_sa_params p = gcm_tunnel(direction);
		struct fer_sa_suites suites;

		assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));
		c->make(&p);
		const char *why = fer_sa_params_check(&p, N_GROUPS, &suites);
		if ((why != NULL) != (direction == FER_OUT ? c->is_out : c->is_in))
			fail_msg("%s, direction %d: %s", c->name, direction,
				why == NULL ? "accepted" : why);
	}
}

// --- what is allowed, though it looks odd

static void odd_but_possible(void **state)
{
	struct fer_sa_suites suites;
	struct fer_sa_params p = gcm_tunnel(FER_OUT);

	(void)state;
	p.group = FER_NO_GROUP;
	p.sequence = UINT32_MAX; // nothing left to send
	p.outer = (struct fer_outer_rules){
		.ttl = 255, .dscp = 63, .flow_label = 0xfffff, .df = FER_DF_CLEAR};
	assert_null(fer_sa_params_check(&p, 0, &suites));
	p.esn = true;
	p.sequence = UINT64_MAX;
	assert_null(fer_sa_params_check(&p, 0, &suites));

	p = gcm_tunnel(FER_IN);
	p.replay_window = FER_REPLAY_MAX_PKTS;
	p.esn = true;
	p.spi = UINT32_MAX;
	p.icv_bytes = 8;
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));
	p = gcm_tunnel(FER_IN);
	p.replay_window = 0;
	memset(p.dst.bytes, 0, sizeof(p.dst.bytes)); // any
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));
	p.src.version = p.dst.version = 6;
	p.src.bytes[15] = 1;
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));

	p.lifetime = (struct fer_lifetime){.soft_bytes = UINT64_MAX,
		.soft_packets = 7,
		.hard_packets = 7,
		.hard_seconds = UINT64_MAX};
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));

	p = gcm_tunnel(FER_OUT); // of a host that frames by itself
	p.udp_at = FER_UDP_OUTSIDE;
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));
	p = gcm_tunnel(FER_IN);
	p.udp_at = FER_UDP_INSIDE;
	p.udp.dport = 4500;
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));

	p = gcm_tunnel(FER_OUT); // transport takes its addresses from the packet
	p.mode = FER_TRANSPORT;
	p.outer = (struct fer_outer_rules){0};
	memset(p.src.bytes, 0, sizeof(p.src.bytes));
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));
}

static void suite_has_salt_and_esn(void **state)
{
	struct fer_sa_params p = gcm_tunnel(FER_IN);
	struct fer_sa_suites suites;

	(void)state;
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));
	assert_false(suites.esp.esn);
	assert_memory_equal(suites.esp.salt, key + 16, sizeof(suites.esp.salt));
	p.esn = true;
	p.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-256");
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));
	assert_true(suites.esp.esn);
	assert_memory_equal(suites.esp.salt, key + 32, sizeof(suites.esp.salt));
}

static void null_encryption_needs_no_key(void **state)
{
	struct fer_sa_params p = gcm_tunnel(FER_IN);
	struct fer_sa_suites suites;

	(void)state;
	use_cbc(&p);
	p.encryption = fer_algo_find(FER_ENCRYPTION, "null");
	p.encryption_key = NULL;
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));
	assert_int_equal(suites.esp.icv_bytes, 16);
}

static void a_contract_host_may_have_weak_keys(void **state)
{
	struct fer_sa_params p = gcm_tunnel(FER_IN);
	struct fer_sa_suites suites;

	(void)state;
	weak_key(&p);
	p.replay_window = 0;
	assert_non_null(fer_sa_params_check(&p, N_GROUPS, &suites));
	p.contract = true;
	assert_null(fer_sa_params_check(&p, N_GROUPS, &suites));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_impossible_thing_is_refused),
		cmocka_unit_test(odd_but_possible),
		cmocka_unit_test(suite_has_salt_and_esn),
		cmocka_unit_test(null_encryption_needs_no_key),
		cmocka_unit_test(a_contract_host_may_have_weak_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
