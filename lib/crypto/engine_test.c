// SPDX-License-Identifier: BSD-3-Clause
// Does the engine compute what OpenSSL computes, for every suite, in bursts of any mix, on every
// instruction set, and does it leave alone what it refuses?
#include "crypto/engine.h"

#include "base/bytes.h"
#include "crypto/esp_oracle.h"
#include "crypto/imb.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define MAX_SAS 64
#define MAX_PACKET 2112
#define SPI 0x4321

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint32_t random_below(uint32_t n)
{
	return (uint32_t)(random_u64() >> 32) % n;
}

static void random_fill(void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)p)[i] = (uint8_t)(random_u64() >> 56);
}

// An IV source that gives the same numbers every time.
static int fixed_start(void *ctx, uint64_t *counter)
{
	(void)ctx;
	*counter = 1;
	return 0;
}

static int fixed_key(void *ctx, uint8_t key[FER_IV_KEY_BYTES])
{
	memset(key, *(const int *)ctx, FER_IV_KEY_BYTES);
	return 0;
}

static int fixed_seed = 7;
static const struct fer_iv_source fixed_ivs = {fixed_start, fixed_key, &fixed_seed};

// Every suite with every length of ICV, without and with ESN.
static struct oracle_sa sas[MAX_SAS];
static struct fer_key *keys[MAX_SAS];
static unsigned n_sas;

static struct fer_engine *engine;
static const char *arch; // of the engine under test

static void add_sa(
	const struct fer_algo *encryption, const struct fer_algo *integrity, unsigned icv)
{
	for (int esn = 0; esn < 2; esn++) {
		struct oracle_sa *sa = &sas[n_sas];

		if (fer_suite_init(&sa->suite, encryption, integrity, icv) != NULL)
			return;
		assert_true(n_sas < MAX_SAS);
		sa->suite.esn = esn == 1;
		random_fill(sa->suite.salt, encryption->salt_bytes);
		random_fill(sa->encryption_key, sizeof(sa->encryption_key));
		random_fill(sa->integrity_key, sizeof(sa->integrity_key));
		keys[n_sas] = aligned_alloc(64, fer_key_bytes(&sa->suite));
		fer_key_init(
			keys[n_sas], engine, &sa->suite, sa->encryption_key, sa->integrity_key);
		n_sas++;
	}
}

static void add_sas(void)
{
	const struct fer_algo *e, *a;

	for (unsigned i = 0; (e = fer_algo_row(i)) != NULL; i++) {
		if (e->role != FER_ENCRYPTION)
			continue;
		for (unsigned icv = 1; icv <= FER_ESP_MAX_ICV_BYTES; icv++) {
			add_sa(e, NULL, icv);
			for (unsigned k = 0; (a = fer_algo_row(k)) != NULL; k++)
				if (a->role == FER_INTEGRITY)
					add_sa(e, a, icv);
		}
	}
}

static int setup(void **state)
{
	int error = 0;

	(void)state;
	engine = fer_imb_open(&fixed_ivs, arch, &error);
	if (engine == NULL)
		return error;
	n_sas = 0;
	add_sas();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_sas; i++) {
		fer_key_fini(keys[i], &sas[i].suite);
		free(keys[i]);
	}
	fer_engine_close(engine);
	return 0;
}

static uint32_t around(const struct fer_suite *s)
{
	return 8u + s->iv_bytes + s->icv_bytes;
}

// A framed packet of n blocks of the suite's alignment, with random contents.
static struct fer_job frame(unsigned sa, uint8_t *esp, uint32_t n_blocks)
{
	const struct fer_suite *s = &sas[sa].suite;
	uint32_t len = around(s) + n_blocks * s->align_bytes;

	random_fill(esp, len);
	fer_store_be32(esp, SPI);
	return (struct fer_job){.esp = esp,
		.suite = s,
		.key = keys[sa],
		.iv = random_u64(),
		.len = len,
		.seq_hi = (uint32_t)random_u64(),
		.verdict = 0xff};
}

static uint32_t random_blocks(const struct fer_suite *s)
{
	return 1 + random_below(2000 / s->align_bytes);
}

struct burst {
	unsigned n;
	unsigned sa[FER_ENGINE_BURST];
	struct fer_job job[FER_ENGINE_BURST];
	uint8_t plain[FER_ENGINE_BURST][MAX_PACKET];
	uint8_t packet[FER_ENGINE_BURST][MAX_PACKET];
};

static struct burst burst;

// Fills the burst with n packets of associations chosen at random from [first, first + n_of).
static void frame_burst(struct burst *b, unsigned n, unsigned first, unsigned n_of)
{
	b->n = n;
	for (unsigned i = 0; i < n; i++) {
		unsigned sa = first + random_below(n_of);

		b->sa[i] = sa;
		// Odd addresses as well: nothing is promised about alignment.
		b->job[i] =
			frame(sa, b->packet[i] + random_below(16), random_blocks(&sas[sa].suite));
		memcpy(b->plain[i], b->job[i].esp, b->job[i].len);
	}
}

static void check_text(const struct burst *b, unsigned i)
{
	const struct fer_job *j = &b->job[i];
	uint32_t off = 8u + j->suite->iv_bytes;

	assert_memory_equal(j->esp, b->plain[i], 8);
	assert_memory_equal(j->esp + off, b->plain[i] + off, j->len - around(j->suite));
}

static void check_seal(struct burst *b)
{
	fer_engine_seal(engine, b->job, b->n);
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_job *j = &b->job[i];

		assert_int_equal(j->verdict, FER_OK);
		if (j->suite->counter)
			assert_true(fer_load_be64(j->esp + 8) == j->iv);
		assert_true(oracle_open(&sas[b->sa[i]], j->esp, j->len, j->seq_hi));
		check_text(b, i);
	}
}

static void check_open(struct burst *b)
{
	for (unsigned i = 0; i < b->n; i++)
		oracle_seal(&sas[b->sa[i]], b->job[i].esp, b->job[i].len, b->job[i].seq_hi);
	fer_engine_open_burst(engine, b->job, b->n);
	for (unsigned i = 0; i < b->n; i++) {
		assert_int_equal(b->job[i].verdict, FER_OK);
		check_text(b, i);
	}
}

static void bursts_of_one_suite_agree_with_openssl(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++)
		for (unsigned n = 1; n <= 40; n += n < 4 ? 1 : 6) {
			frame_burst(&burst, n, sa, 1);
			check_seal(&burst);
			frame_burst(&burst, n, sa, 1);
			check_open(&burst);
		}
}

static void mixed_bursts_agree_with_openssl(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= FER_ENGINE_BURST; n += n < 40 ? 1 : 54) {
		frame_burst(&burst, n, 0, n_sas);
		check_seal(&burst);
		frame_burst(&burst, n, 0, n_sas);
		check_open(&burst);
	}
}

int main(void)
{
	static const char *const archs[] = {"AVX512", "AVX2", "SSE"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts_of_one_suite_agree_with_openssl),
		cmocka_unit_test(mixed_bursts_agree_with_openssl),
	};
	int failed = 0;

	for (unsigned i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		arch = archs[i];
		failed += _cmocka_run_group_tests(
			arch, tests, sizeof(tests) / sizeof(tests[0]), setup, teardown);
	}
	return failed;
}
