// SPDX-License-Identifier: BSD-3-Clause
#include "support/sas.h"

#include "support/iv_fixed.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

const struct fer_outer_rules test_outer_usual = {
	.flow_label = FER_FLOW_LABEL_COPY,
	.dscp = FER_DSCP_COPY,
	.ttl = 64,
	.df = FER_DF_COPY,
};

struct fer_sa_table *test_sas_open(const char *name, struct fer_engine *engine)
{
	const struct fer_sa_table_params params = {
		.name = name, .capacity = 256, .n_groups = 16, .ivs = test_iv_fixed()};
	int error = 0;
	struct fer_sa_table *t = fer_sa_table_create(&params, engine, &error);

	assert_non_null(t);
	return t;
}

static void make_key(uint8_t key[FER_MAX_KEY_BYTES], uint32_t spi, uint8_t of)
{
	for (unsigned i = 0; i < FER_MAX_KEY_BYTES; i++)
		key[i] = (uint8_t)(spi + (spi >> 8) * 3 + i * 5 + of);
}

static const struct fer_algo *encryption_of(const struct test_sa *sa)
{
	const char *name = sa->encryption == NULL ? "aes-gcm-128" : sa->encryption;

	return fer_algo_find(FER_ENCRYPTION, name);
}

static const struct fer_algo *integrity_of(const struct test_sa *sa)
{
	return sa->integrity == NULL ? NULL : fer_algo_find(FER_INTEGRITY, sa->integrity);
}

static struct fer_addr end_of(const struct test_sa *sa, uint8_t last, uint8_t usual)
{
	if (last == 255)
		return (struct fer_addr){.version = sa->version};
	return test_addr(sa->version, last != 0 ? last : usual);
}

uint64_t test_sa_add(struct fer_sa_table *t, const struct test_sa *sa, enum fer_direction direction)
{
	uint8_t encryption_key[FER_MAX_KEY_BYTES], integrity_key[FER_MAX_KEY_BYTES];
	const struct fer_sa_params params = {
		.direction = direction,
		.mode = sa->mode,
		.spi = sa->spi,
		.group = sa->grouped ? sa->group : FER_NO_GROUP,
		.src = end_of(sa, sa->src, 1),
		.dst = end_of(sa, sa->dst, 2),
		.encryption = encryption_of(sa),
		.integrity = integrity_of(sa),
		.icv_bytes = sa->icv_bytes,
		.encryption_key = encryption_key,
		.integrity_key = integrity_key,
		.esn = sa->esn,
		.sequence = sa->sequence,
		.replay_window = sa->window,
		.contract = sa->contract,
		.outer = sa->outer != NULL ? *sa->outer : test_outer_usual,
		.tfc = sa->tfc,
		.lifetime = sa->lifetime,
		.udp_at = sa->udp_at,
		.udp = sa->udp,
	};
	const char *why = NULL;
	uint64_t handle = 0;

	make_key(encryption_key, sa->spi, 0);
	make_key(integrity_key, sa->spi, 0x80);
	if (fer_sa_add(t, &params, &handle, &why) != 0)
		fail_msg("SA %#x: %s", sa->spi, why);
	return handle;
}

struct test_sa test_sa_in_udp(struct test_sa sa, uint16_t sport, uint16_t dport)
{
	sa.udp_at = FER_UDP_OUTSIDE | FER_UDP_INSIDE;
	sa.udp = (struct fer_udp){.sport = sport, .dport = dport};
	return sa;
}

struct oracle_sa test_sa_oracle(const struct test_sa *sa)
{
	const struct fer_algo *encryption = encryption_of(sa);
	const struct fer_algo *integrity = integrity_of(sa);
	struct oracle_sa o;

	assert_null(fer_suite_init(&o.suite, encryption, integrity, sa->icv_bytes));
	o.suite.esn = sa->esn;
	make_key(o.encryption_key, sa->spi, 0);
	make_key(o.integrity_key, sa->spi, 0x80);
	if (encryption->salt_bytes != 0)
		memcpy(o.suite.salt, o.encryption_key + encryption->key_bytes,
			encryption->salt_bytes);
	else if (integrity != NULL && integrity->salt_bytes != 0)
		memcpy(o.suite.salt, o.integrity_key + integrity->key_bytes, integrity->salt_bytes);
	return o;
}

static unsigned add_suite(struct test_sa list[], unsigned n, const struct fer_algo *encryption,
	const struct fer_algo *integrity)
{
	struct fer_suite suite;

	for (unsigned icv = 1; icv <= FER_ESP_MAX_ICV_BYTES; icv++) {
		if (fer_suite_init(&suite, encryption, integrity, icv) != NULL)
			continue;
		assert_true(n < TEST_MAX_SUITES);
		list[n++] = (struct test_sa){
			.encryption = encryption->name,
			.integrity = integrity == NULL ? NULL : integrity->name,
			.icv_bytes = icv,
		};
	}
	return n;
}

unsigned test_sa_suites(struct test_sa list[TEST_MAX_SUITES], uint32_t spi)
{
	const struct fer_algo *e, *a;
	unsigned n = 0;

	for (unsigned i = 0; (e = fer_algo_row(i)) != NULL; i++) {
		if (e->role != FER_ENCRYPTION)
			continue;
		n = add_suite(list, n, e, NULL);
		for (unsigned k = 0; (a = fer_algo_row(k)) != NULL; k++)
			if (a->role == FER_INTEGRITY)
				n = add_suite(list, n, e, a);
	}
	for (unsigned i = 0; i < n; i++)
		list[i].spi = spi + i;
	return n;
}

struct test_known test_sa_unknown(struct test_sa sa)
{
	return (struct test_known){.sa = sa, .oracle = test_sa_oracle(&sa)};
}

struct test_known test_sa_known(
	struct fer_sa_table *t, struct test_sa sa, enum fer_direction direction)
{
	struct test_known k = test_sa_unknown(sa);

	k.handle = test_sa_add(t, &sa, direction);
	return k;
}

struct test_sa test_sa_with(struct test_sa sa, const char *encryption, const char *integrity)
{
	sa.encryption = encryption;
	sa.integrity = integrity;
	return sa;
}
