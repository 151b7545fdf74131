// SPDX-License-Identifier: BSD-3-Clause
// Does the engine compute the ICV of AH as OpenSSL does, for every integrity row, wherever the ICV
// stands, mixed with ESP, on every instruction set, and does it change nothing else?
#include "crypto/engine.h"

#include "base/bytes.h"
#include "crypto/esp_oracle.h"
#include "crypto/imb.h"
#include "proto/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define MAX_SAS 96
#define MAX_PACKET 2048
#define MARGIN 8 // behind a packet; the first 4 bytes of it are lent to the engine

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % n;
}

static void random_fill(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)random_below(256);
}

static struct fer_engine *engine;
static const char *arch; // of the engine under test

// Every suite of AH, without and with ESN; behind them ESP with the same integrity row, and last AH
// once more with other keys.
static struct oracle_sa sas[MAX_SAS];
static struct fer_key *keys[MAX_SAS];
static unsigned n_ah, n_sas, n_keys;

static void add_sa(const struct fer_algo *a, bool ah, bool esn)
{
	struct oracle_sa *sa = &sas[n_keys];
	const struct fer_algo *null = fer_algo_find(FER_ENCRYPTION, "null");

	assert_true(n_keys < MAX_SAS);
	assert_null(
		ah ? fer_suite_init_ah(&sa->suite, a, 0) : fer_suite_init(&sa->suite, null, a, 0));
	sa->suite.esn = esn;
	random_fill(sa->integrity_key, sizeof(sa->integrity_key));
	keys[n_keys] = aligned_alloc(64, fer_key_bytes(&sa->suite));
	fer_key_init(keys[n_keys], engine, &sa->suite, NULL, sa->integrity_key);
	n_keys++;
}

static void add_sas(bool ah)
{
	const struct fer_algo *a;

	for (unsigned i = 0; (a = fer_algo_row(i)) != NULL; i++) {
		if (a->role != FER_INTEGRITY)
			continue;
		add_sa(a, ah, false);
		add_sa(a, ah, true);
	}
}

static int setup(void **state)
{
	int error = 0;

	(void)state;
	engine = fer_imb_open(fer_iv_system(), arch, &error);
	if (engine == NULL)
		return error;
	n_keys = 0;
	add_sas(true);
	n_ah = n_keys;
	add_sas(false);
	n_sas = n_keys;
	add_sas(true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_keys; i++) {
		fer_key_fini(keys[i], &sas[i].suite);
		free(keys[i]);
	}
	fer_engine_close(engine);
	return 0;
}

// A packet of AH on its way through the engine: what it was, and what it must become.
struct packet {
	unsigned sa;
	uint32_t len;
	uint32_t icv_off;
	uint32_t seq_hi;
	uint64_t iv;
	uint8_t field[8 + FER_ESP_MAX_ICV_BYTES]; // IV, where there is one, and the right ICV
	uint8_t bytes[MAX_PACKET + MARGIN];
	uint8_t want[MAX_PACKET + MARGIN];
};

// Random bytes with a room of zeroes for the ICV, as the caller leaves them.
static void make(struct packet *p, unsigned sa, uint32_t len)
{
	const struct fer_suite *s = &sas[sa].suite;

	p->sa = sa;
	p->len = len;
	p->icv_off = s->iv_bytes + random_below(len - s->icv_bytes - s->iv_bytes + 1);
	p->seq_hi = random_below(UINT32_MAX);
	random_fill(p->bytes, len + MARGIN);
	memset(p->bytes + p->icv_off, 0, s->icv_bytes);
	memcpy(p->want, p->bytes, sizeof(p->want));
	p->iv = fer_load_be64(p->bytes + p->icv_off - s->iv_bytes);
	memcpy(p->field, p->bytes + p->icv_off - s->iv_bytes, s->iv_bytes);
	oracle_ah_icv(&sas[sa], p->bytes, len, p->seq_hi, p->field, p->field + s->iv_bytes);
}

static uint32_t random_len(unsigned sa)
{
	uint32_t least = sas[sa].suite.around_bytes + 1u;

	return least + random_below(MAX_PACKET - least);
}

static struct fer_job job_of(struct packet *p, uint8_t *icv)
{
	return (struct fer_job){.start = p->bytes,
		.icv = icv,
		.suite = &sas[p->sa].suite,
		.key = keys[p->sa],
		.len = p->len,
		.iv = p->iv,
		.seq_hi = p->seq_hi,
		.verdict = 0xff};
}

static struct packet packets[FER_ENGINE_BURST];
static struct fer_job jobs[FER_ENGINE_BURST];

static void check_seal(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct packet *p = &packets[i];

		const struct fer_suite *s = &sas[p->sa].suite;

		jobs[i] = job_of(p, p->bytes + p->icv_off);
		memcpy(p->want + p->icv_off, p->field + s->iv_bytes, s->icv_bytes);
		random_fill(p->bytes + p->icv_off - s->iv_bytes, s->iv_bytes);
	}
	fer_engine_seal(engine, jobs, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(jobs[i].verdict, FER_OK);
		assert_memory_equal(packets[i].bytes, packets[i].want, packets[i].len + MARGIN);
	}
}

static void check_open(unsigned n, enum fer_verdict verdict)
{
	for (unsigned i = 0; i < n; i++)
		jobs[i] = job_of(&packets[i], packets[i].field + sas[packets[i].sa].suite.iv_bytes);
	fer_engine_open_burst(engine, jobs, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(jobs[i].verdict, verdict);
		assert_memory_equal(packets[i].bytes, packets[i].want, packets[i].len + MARGIN);
	}
}

// Of n_of associations, the first one and those at steps behind it.
static void make_steps(unsigned n, unsigned first, unsigned n_of, unsigned step)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned sa = first + step * random_below(n_of);

		make(&packets[i], sa, random_len(sa));
	}
}

static void make_burst(unsigned n, unsigned first, unsigned n_of)
{
	make_steps(n, first, n_of, 1);
}

static void bursts_agree_with_openssl(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_ah; sa++)
		for (unsigned n = 1; n <= 40; n += n < 4 ? 1 : 6) {
			make_burst(n, sa, 1);
			check_open(n, FER_OK);
			check_seal(n);
			make_steps(n, sa, 2, n_sas);
			check_open(n, FER_OK);
			check_seal(n);
		}
	for (unsigned n = 1; n <= FER_ENGINE_BURST; n += n < 40 ? 1 : 54) {
		make_burst(n, 0, n_ah);
		check_open(n, FER_OK);
		check_seal(n);
	}
}

// The shortest, the longest, and the ICV at either end.
static void every_place_of_the_icv_is_right(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_ah; sa++) {
		uint32_t least = sas[sa].suite.around_bytes + 1u;

		for (uint32_t len = least; len < least + 130; len++) {
			make(&packets[0], sa, len);
			check_open(1, FER_OK);
			check_seal(1);
		}
	}
}

// What was copied, to work on it there, is wiped.
static void assert_scratch_is_wiped(void)
{
	for (size_t at = 0; at < sizeof(engine->scratch); at++)
		if (engine->scratch[at] != 0)
			fail_msg("byte %zu of %zu", at, sizeof(engine->scratch));
}

// A whole IPv6 packet: payload of 65,535 bytes behind its header; and where 16 bits are not enough
// to count it.
static void the_longest_packets_pass(void **state)
{
	static const uint32_t lengths[] = {
		65530, 65531, 65532, 65535, 65536, 65537, 65551, 65552, 65553, FER_IPV6_MAX_BYTES};
	uint8_t *start = malloc(FER_IPV6_MAX_BYTES + MARGIN),
		field[8 + FER_ESP_MAX_ICV_BYTES] = {1};

	(void)state;
	random_fill(start, FER_IPV6_MAX_BYTES + MARGIN);
	for (unsigned sa = 0; sa < n_ah; sa++) {
		const struct fer_suite *s = &sas[sa].suite;
		uint8_t *icv = field + s->iv_bytes;
		struct fer_job job = {.start = start, .icv = icv, .suite = s, .key = keys[sa]};

		for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			job.len = lengths[i];
			oracle_ah_icv(&sas[sa], start, job.len, 0, field, icv);
			fer_engine_open_burst(engine, &job, 1);
			assert_int_equal(job.verdict, FER_OK);
			icv[0] ^= 1;
			fer_engine_open_burst(engine, &job, 1);
			assert_int_equal(job.verdict, FER_BAD_ICV);
			assert_scratch_is_wiped();
		}
		job.len++;
		fer_engine_open_burst(engine, &job, 1);
		assert_int_equal(job.verdict, FER_BAD_SYNTAX);
	}
	free(start);
}

#define PAGE 4096
#define FENCED (2 * PAGE)

// The library's wide loads must not reach over either end of a packet.  It is put where another
// page that cannot be touched begins in front of it, or behind it.
static void nothing_outside_a_packet_is_touched(void **state)
{
	uint8_t *p = mmap(NULL, FENCED + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t icv[8 + FER_ESP_MAX_ICV_BYTES] = {0};

	(void)state;
	assert_true(p != MAP_FAILED);
	p += PAGE;
	assert_int_equal(mprotect(p, FENCED, PROT_READ | PROT_WRITE), 0);
	for (unsigned sa = 0; sa < n_ah; sa++) {
		const struct fer_suite *s = &sas[sa].suite;
		uint32_t lent = s->esn ? 4 : 0;

		for (uint32_t len = s->around_bytes + 1u; len < 1500; len += len < 200 ? 1 : 37)
			for (unsigned end = 0; end < 2; end++) {
				struct fer_job job = {
					.start = end ? p + FENCED - len - lent : p,
					.icv = icv + s->iv_bytes,
					.suite = s,
					.key = keys[sa],
					.len = len,
				};
				memset(icv, 0, sizeof(icv));
				fer_engine_open_burst(engine, &job, 1);
				assert_int_equal(job.verdict, FER_BAD_ICV);
				fer_engine_seal(engine, &job, 1);
				assert_int_equal(job.verdict, FER_OK);
				fer_engine_open_burst(engine, &job, 1);
				assert_int_equal(job.verdict, FER_OK);
			}
	}
	munmap(p - PAGE, FENCED + 2 * PAGE);
}

// RFC 4302 section 3.4.4.
static void every_flipped_bit_is_found_and_changes_nothing(void **state)
{
	struct packet *p = &packets[0];

	(void)state;
	for (unsigned sa = 0; sa < n_ah; sa++) {
		make(p, sa, 90);
		for (uint32_t bit = 0; bit < p->len * 8; bit++) {
			p->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			p->want[bit / 8] ^= (uint8_t)(1 << bit % 8);
			check_open(1, FER_BAD_ICV);
			p->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			p->want[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		uint32_t field_bytes = sas[sa].suite.iv_bytes + sas[sa].suite.icv_bytes;
		for (uint32_t bit = 0; bit < field_bytes * 8; bit++) {
			p->field[bit / 8] ^= (uint8_t)(1 << bit % 8);
			check_open(1, FER_BAD_ICV);
			p->field[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		check_open(1, FER_OK);
	}
}

// RFC 4302 section 2.5.1: the high half is not sent, but authenticated.
static void the_high_half_counts_with_esn_and_only_then(void **state)
{
	struct packet *p = &packets[0];

	(void)state;
	for (unsigned sa = 0; sa < n_ah; sa++)
		for (unsigned bit = 0; bit < 32; bit++) {
			make(p, sa, 100);
			p->seq_hi ^= UINT32_C(1) << bit;
			check_open(1, sas[sa].suite.esn ? FER_BAD_ICV : FER_OK);
		}
}

static void lengths_that_cannot_be_are_refused(void **state)
{
	struct packet *p = &packets[0];

	(void)state;
	for (unsigned sa = 0; sa < n_ah; sa++) {
		make(p, sa, 100);
		for (p->len = 0; p->len <= sas[sa].suite.around_bytes; p->len++) {
			check_open(1, FER_BAD_SYNTAX);
			jobs[0] = job_of(p, p->bytes + p->icv_off);
			fer_engine_seal(engine, jobs, 1);
			assert_int_equal(jobs[0].verdict, FER_CRYPTO_ERROR);
			assert_memory_equal(p->bytes, p->want, 100 + MARGIN);
		}
	}
}

// Fills jobs[i] with a packet of ESP that the oracle sealed.
static void put_esp(unsigned i, unsigned sa)
{
	struct packet *p = &packets[i];
	const struct fer_suite *s = &sas[sa].suite;

	p->sa = sa;
	p->len = s->around_bytes + s->align_bytes * (1 + random_below(200));
	p->seq_hi = random_below(UINT32_MAX);
	random_fill(p->bytes, p->len + MARGIN);
	oracle_seal(&sas[sa], p->bytes, p->len, p->seq_hi);
	memcpy(p->want, p->bytes, sizeof(p->want));
}

static void ah_and_esp_share_a_burst(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= FER_ENGINE_BURST; n += n < 40 ? 1 : 54) {
		for (unsigned i = 0; i < n; i++) {
			unsigned sa = random_below(n_sas);

			if (sa < n_ah)
				make(&packets[i], sa, random_len(sa));
			else
				put_esp(i, sa);
		}
		check_open(n, FER_OK);
	}
}

int main(void)
{
	static const char *const archs[] = {"AVX512", "AVX2", "SSE"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts_agree_with_openssl),
		cmocka_unit_test(every_place_of_the_icv_is_right),
		cmocka_unit_test(the_longest_packets_pass),
		cmocka_unit_test(nothing_outside_a_packet_is_touched),
		cmocka_unit_test(every_flipped_bit_is_found_and_changes_nothing),
		cmocka_unit_test(the_high_half_counts_with_esn_and_only_then),
		cmocka_unit_test(lengths_that_cannot_be_are_refused),
		cmocka_unit_test(ah_and_esp_share_a_burst),
	};
	const size_t n_tests = sizeof(tests) / sizeof(tests[0]);
	int failed = 0;

	for (unsigned i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		arch = archs[i];
		failed += _cmocka_run_group_tests(arch, tests, n_tests, setup, teardown);
	}
	return failed;
}
