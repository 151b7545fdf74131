// SPDX-License-Identifier: BSD-3-Clause
// Can the IVs of CBC be told beforehand?  RFC 3602 section 3 forbids counters and the last block of
// the packet before; what has no such structure looks like coin tosses.  Statistics cannot prove
// that, but notice the usual mistakes.
#include "base/bytes.h"
#include "crypto/engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N_IVS 65536
#define IV_BYTES 16
#define LEN (8 + IV_BYTES + 16 + 12)
#define MOST_SIGMAS 7 // never reached by chance

typedef uint8_t iv_bytes[IV_BYTES];

static iv_bytes ivs[N_IVS], last_blocks[N_IVS];

// Seals the same packet with the same key again and again.
static void take_ivs(struct fer_engine *e, unsigned first, unsigned n)
{
	static const uint8_t raw[FER_MAX_KEY_BYTES] = {1, 2, 3};
	struct fer_suite s;

	assert_null(fer_suite_init(&s, fer_algo_find(FER_ENCRYPTION, "aes-cbc-128"),
		fer_algo_find(FER_INTEGRITY, "hmac-sha1-96"), 0));
	struct fer_key *key = aligned_alloc(64, fer_key_bytes(&s));
	assert_non_null(key);
	fer_key_init(key, e, &s, raw, raw);
	for (unsigned i = first; i < first + n; i++) {
		uint8_t packet[LEN] = {0};
		struct fer_job job = {.start = packet, .suite = &s, .key = key, .len = LEN};

		fer_engine_seal(e, &job, 1);
		assert_int_equal(job.verdict, FER_OK);
		memcpy(ivs[i], packet + 8, IV_BYTES);
		memcpy(last_blocks[i], packet + 8 + IV_BYTES, IV_BYTES);
	}
	fer_key_fini(key, &s);
	free(key);
}

// Two engines, as two workers have them, or one process after the other.
static int set_up(void **state)
{
	(void)state;
	for (unsigned half = 0; half < 2; half++) {
		int error = 0;
		struct fer_engine *e = fer_engine_open(fer_iv_system(), &error);

		assert_non_null(e);
		take_ivs(e, half * N_IVS / 2, N_IVS / 2);
		fer_engine_close(e);
	}
	return 0;
}

static int in_order(const void *a, const void *b)
{
	return memcmp(a, b, IV_BYTES);
}

static void none_repeats(void **state)
{
	static iv_bytes sorted[N_IVS];

	(void)state;
	memcpy(sorted, ivs, sizeof(ivs));
	qsort(sorted, N_IVS, sizeof(sorted[0]), in_order);
	for (unsigned i = 1; i < N_IVS; i++)
		assert_memory_not_equal(sorted[i - 1], sorted[i], IV_BYTES);
}

static bool bit_of(const iv_bytes iv, unsigned bit)
{
	return iv[bit / 8] >> bit % 8 & 1;
}

// Were heads thrown as often as tails?
static void assert_fair(unsigned heads, unsigned n, const char *what, unsigned bit)
{
	double sigmas = ((double)heads - n / 2.0) / (sqrt(n) / 2);

	if (fabs(sigmas) > MOST_SIGMAS)
		fail_msg("bit %u, %s: %u of %u", bit, what, heads, n);
}

// Guesses each bit from what everybody saw before: the IV before, the ciphertext before, what is
// added by a counter, and the bit in front of it.
static void no_bit_can_be_guessed(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 8 * IV_BYTES; bit++) {
		unsigned ones = 0, as_before = 0, as_cipher = 0, as_neighbour = 0, as_step = 0;

		for (unsigned i = 2; i < N_IVS; i++) {
			bool b = bit_of(ivs[i], bit), before = bit_of(ivs[i - 1], bit);

			ones += b;
			as_before += b == before;
			as_cipher += b == bit_of(last_blocks[i - 1], bit);
			as_neighbour += b == bit_of(ivs[i], (bit + 1) % (8 * IV_BYTES));
			as_step += (b ^ before) == (before ^ bit_of(ivs[i - 2], bit));
		}
		assert_fair(ones, N_IVS - 2, "ones", bit);
		assert_fair(as_before, N_IVS - 2, "as before", bit);
		assert_fair(as_cipher, N_IVS - 2, "as the last ciphertext", bit);
		assert_fair(as_neighbour, N_IVS - 2, "as its neighbour", bit);
		assert_fair(as_step, N_IVS - 2, "as the step before", bit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_repeats),
		cmocka_unit_test(no_bit_can_be_guessed),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
