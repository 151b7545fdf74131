// SPDX-License-Identifier: BSD-3-Clause
#include "load.h"

#include "base/secret.h"
#include "crypto/engine.h"

#include <rte_common.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SPI 0x10000u
#define CRC32C 0x82f63b78u // polynomial
#define COLLIDING_BITS 0x5a5u
#define INNER_SRC 0xc0a80001u // 192.168.0.1
#define INNER_DST 0x0a000000u // 10.0.0.0 and on
#define FIRST_SPORT 40000
#define N_SPORTS 1024          // of one source address
#define OTHER_DST 0xac100000u  // 172.16.0.0 and on: no packet goes there
#define OUTER_NEAR 0xc6336401u // 198.51.100.1
#define OUTER_FAR 0xcb007101u  // 203.0.113.1

static struct fer_addr ipv4(uint32_t address)
{
	struct fer_addr a = {.version = 4};

	fer_store_be32(a.bytes, address);
	return a;
}

struct fer_addr fer_bench_inner_src(uint32_t k)
{
	return ipv4(INNER_SRC + k / N_SPORTS);
}

uint16_t fer_bench_inner_sport(uint32_t k)
{
	return (uint16_t)(FIRST_SPORT + k % N_SPORTS);
}

struct fer_addr fer_bench_inner_dst(uint32_t i)
{
	return ipv4(INNER_DST + i);
}

// splitmix64: a permutation of the counter, so no two keys are the same.
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void fer_bench_keys_make(uint32_t i, struct fer_bench_keys *keys)
{
	static_assert(sizeof(*keys) == 16 * sizeof(uint64_t), "16 words an association");

	for (unsigned w = 0; w < sizeof(*keys) / sizeof(uint64_t); w++) {
		uint64_t word = mix(((uint64_t)i << 4 | w) + 1);

		memcpy((uint8_t *)keys + w * sizeof(word), &word, sizeof(word));
	}
}

// What 64 steps of CRC32c make this of: the last 32 bits of an identity stand behind its SPI.
static uint32_t crc_undone(uint32_t crc)
{
	for (unsigned i = 0; i < 64; i++)
		crc = crc >> 31 != 0 ? (crc ^ CRC32C) << 1 | 1 : crc << 1;
	return crc;
}

// No two of them are the same, and none is reserved.
static uint32_t spi_of(enum fer_bench_spis spis, uint32_t i)
{
	uint32_t spi = FIRST_SPI + i;

	if (spis == FER_BENCH_COLLIDING)
		return crc_undone(i << 12 | COLLIDING_BITS);
	if (spis == FER_BENCH_SCATTERED) {
		spi = (spi ^ spi >> 16) * 0x45d9f3bu;
		spi = (spi ^ spi >> 16) * 0x45d9f3bu;
		spi ^= spi >> 16;
	}
	return spi;
}

struct fer_sa_params fer_bench_sa_params(const struct fer_bench_load *l, uint32_t i,
	enum fer_direction direction, const struct fer_bench_keys *keys)
{
	bool has_ah = l->algorithm->encryption == NULL;
	uint32_t spi = spi_of(l->spis, i);

	return (struct fer_sa_params){
		.direction = direction,
		.mode = FER_TUNNEL,
		.spi = has_ah ? 0 : spi,
		.ah = {.spi = has_ah ? spi : 0,
			.integrity = has_ah ? l->algorithm->integrity : NULL,
			.key = has_ah ? keys->integrity : NULL},
		.group = FER_NO_GROUP,
		.src = ipv4(OUTER_NEAR),
		.dst = ipv4(OUTER_FAR),
		.encryption = l->algorithm->encryption,
		.integrity = has_ah ? NULL : l->algorithm->integrity,
		.encryption_key = keys->encryption,
		.integrity_key = keys->integrity,
		.replay_window = direction == FER_IN ? l->window : 0,
		.outer = {.flow_label = FER_FLOW_LABEL_COPY, .dscp = FER_DSCP_COPY, .ttl = 64},
	};
}

unsigned fer_bench_load_megabytes(uint32_t n_sas, uint32_t n_policies)
{
	return 128 + n_sas / 2048 + n_policies / 2048;
}

static int create_table(struct fer_bench_load *l, char error[FER_BENCH_ERROR_BYTES])
{
	const struct fer_sa_table_params params = {
		.name = "ferrule-bench",
		.capacity = l->n_sas,
		.n_groups = l->direction == FER_OUT ? l->n_sas : 1,
		.ivs = fer_iv_system(),
	};
	int rc;

	l->engine = fer_engine_open(params.ivs, &rc);
	if (l->engine == NULL) {
		snprintf(error, FER_BENCH_ERROR_BYTES, "cannot start the crypto engine: %s",
			fer_engine_error(rc));
		return -1;
	}
	l->numbers = calloc(l->n_sas, sizeof(l->numbers[0]));
	l->sas = fer_sa_table_create(&params, l->engine, &rc);
	if (l->numbers == NULL || l->sas == NULL) {
		snprintf(error, FER_BENCH_ERROR_BYTES, "no memory for %u associations", l->n_sas);
		return -1;
	}
	return 0;
}

static int add_sas(struct fer_bench_load *l, char error[FER_BENCH_ERROR_BYTES])
{
	struct fer_bench_keys keys;
	const char *why = NULL;
	uint64_t handle;
	int rc = 0;

	for (uint32_t i = 0; i < l->n_sas && rc == 0; i++) {
		fer_bench_keys_make(l->first_key + i, &keys);
		struct fer_sa_params params = fer_bench_sa_params(l, i, l->direction, &keys);
		params.group = l->direction == FER_OUT ? i : 0;
		rc = fer_sa_add(l->sas, &params, &handle, &why);
	}
	fer_secret_wipe(&keys, sizeof(keys));
	if (rc != 0)
		snprintf(error, FER_BENCH_ERROR_BYTES, "cannot add an association: %s", why);
	return rc == 0 ? 0 : -1;
}

static struct fer_policy_rule protect_to(
	const struct fer_bench_load *l, uint32_t address, uint8_t prefix, uint32_t group)
{
	struct fer_policy_rule r = {
		.direction = l->direction,
		.dst = {ipv4(address), prefix},
		.protocol = FER_PROTO_ANY,
		.sport = {0, UINT16_MAX},
		.dport = {0, UINT16_MAX},
		.icmp_type = -1,
		.action = FER_POLICY_PROTECT,
		.n_groups = 1,
		.group = {group},
	};

	return r;
}

// Half of the selectors in front name a range of ports as well.
static struct fer_policy_rule other_rule(const struct fer_bench_load *l, uint32_t i)
{
	struct fer_policy_rule r = protect_to(l, OTHER_DST + i, 32, 0);

	if (i % 2 != 0) {
		r.protocol = FER_PROTO_TCP;
		r.dport.from = (uint16_t)(i % 60000);
		r.dport.to = (uint16_t)(r.dport.from + 100);
	}
	return r;
}

// A prefix of any length around an address.
static struct fer_prefix around(uint32_t address, uint64_t random)
{
	uint8_t len = (uint8_t)(8 + random % 25);

	return (struct fer_prefix){ipv4(address >> (32 - len) << (32 - len)), len};
}

// Of ports from `from` to `to`.
static struct fer_port_range range_in(uint16_t from, uint16_t to, uint64_t random)
{
	uint32_t n = to - from + 1u, a = random % n, b = (random >> 32) % n;

	return (struct fer_port_range){
		(uint16_t)(from + RTE_MIN(a, b)), (uint16_t)(from + RTE_MAX(a, b))};
}

// Only the destination port tells that packets do not meet it.
static struct fer_policy_rule overlapping_rule(const struct fer_bench_load *l, uint32_t i)
{
	struct fer_policy_rule r = protect_to(l, INNER_DST, 8, 0);
	uint64_t random = mix(i + 1);
	bool above = random >> 63 != 0;

	r.src = around(INNER_SRC, mix(random + 1));
	r.dst = around(INNER_DST + (uint32_t)(mix(random + 2) % l->n_sas), mix(random + 3));
	r.protocol = FER_PROTO_UDP;
	r.sport = range_in(0, UINT16_MAX, mix(random + 4));
	r.dport = range_in(above ? FER_BENCH_INNER_DPORT + 1 : 0,
		above ? UINT16_MAX : FER_BENCH_INNER_DPORT - 1, mix(random + 5));
	return r;
}

static uint32_t matching_selectors(const struct fer_bench_load *l)
{
	return l->direction == FER_OUT ? l->n_sas : 1;
}

uint32_t fer_bench_load_selectors(const struct fer_bench_load *l)
{
	return RTE_MAX(matching_selectors(l), l->n_policies);
}

static int build_policies(struct fer_bench_load *l, char error[FER_BENCH_ERROR_BYTES])
{
	uint32_t n = fer_bench_load_selectors(l), n_other = n - matching_selectors(l);
	struct fer_policy_rule *rules = calloc(n, sizeof(*rules));
	const char *why = "no memory for the policies";
	int rc;

	if (rules != NULL) {
		for (uint32_t i = 0; i < n_other; i++)
			rules[i] = l->overlap ? overlapping_rule(l, i) : other_rule(l, i);
		for (uint32_t i = n_other; i < n; i++)
			rules[i] = l->direction == FER_OUT
					   ? protect_to(l, INNER_DST + i - n_other, 32, i - n_other)
					   : protect_to(l, INNER_DST, 8, 0);
		l->policies = fer_policies_build(rules, n, &rc, &why);
	}
	free(rules);
	if (l->policies == NULL)
		snprintf(error, FER_BENCH_ERROR_BYTES, "%u policies: %s", n, why);
	return l->policies == NULL ? -1 : 0;
}

int fer_bench_load_init(struct fer_bench_load *l, char error[FER_BENCH_ERROR_BYTES])
{
	if (create_table(l, error) != 0 || add_sas(l, error) != 0 ||
		build_policies(l, error) != 0) {
		fer_bench_load_fini(l);
		return -1;
	}
	l->rules.policies = l->policies;
	atomic_init(&l->published, &l->rules);
	return 0;
}

void fer_bench_load_fini(struct fer_bench_load *l)
{
	fer_policies_destroy(l->policies);
	fer_sa_table_destroy(l->sas);
	fer_engine_close(l->engine);
	free(l->numbers);
	*l = (struct fer_bench_load){0};
}
