// SPDX-License-Identifier: BSD-3-Clause
// Is one key told from another, and its use by an outbound SA and any other refused?
#include "sa/keyprint.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void every_bit_of_key_and_salt_counts(void **state)
{
	const struct fer_algo *gcm = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128");
	struct fer_keyprints *k = fer_keyprints_create(8, NULL);
	uint8_t key[FER_MAX_KEY_BYTES] = {1, 2, 3};
	unsigned n_bits = 8u * (gcm->key_bytes + gcm->salt_bytes);

	(void)state;
	assert_non_null(k);
	uint64_t print = fer_keyprint(k, gcm, key);
	assert_true(print != 0);
	for (unsigned i = 0; i < n_bits; i++) {
		key[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_true(fer_keyprint(k, gcm, key) != print);
		key[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	key[n_bits / 8] ^= 1; // behind the salt: not read
	assert_true(fer_keyprint(k, gcm, key) == print);
	fer_keyprints_destroy(k);
}

static void size_and_process_count(void **state)
{
	const uint8_t key[FER_MAX_KEY_BYTES] = {0};
	const struct fer_algo *gcm = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128");
	const struct fer_algo *longer = fer_algo_find(FER_ENCRYPTION, "aes-gcm-256");
	struct fer_keyprints *a = fer_keyprints_create(8, NULL), *b = fer_keyprints_create(8, NULL);

	(void)state;
	assert_true(fer_keyprint(a, gcm, key) != fer_keyprint(a, longer, key));
	assert_true(fer_keyprint(a, gcm, key) != fer_keyprint(b, gcm, key));
	// Blocks of one key stream whoever uses it.
	const struct fer_algo *ctr = fer_algo_find(FER_ENCRYPTION, "aes-ctr-128");
	const struct fer_algo *gmac = fer_algo_find(FER_INTEGRITY, "aes-gmac-128");
	assert_true(fer_keyprint(a, gcm, key) == fer_keyprint(a, ctr, key));
	assert_true(fer_keyprint(a, gcm, key) == fer_keyprint(a, gmac, key));
	fer_keyprints_destroy(a);
	fer_keyprints_destroy(b);
	fer_keyprints_destroy(NULL);
}

static void outbound_is_alone(void **state)
{
	struct fer_keyprints *k = fer_keyprints_create(4, NULL);

	(void)state;
	assert_int_equal(fer_keyprints_add(k, 7, FER_OUT), 0);
	assert_int_equal(fer_keyprints_add(k, 7, FER_OUT), -ENOTUNIQ);
	assert_int_equal(fer_keyprints_add(k, 7, FER_IN), -ENOTUNIQ);
	fer_keyprints_remove(k, 7);
	assert_int_equal(fer_keyprints_add(k, 7, FER_IN), 0);
	assert_int_equal(fer_keyprints_add(k, 7, FER_IN), 0);
	assert_int_equal(fer_keyprints_add(k, 7, FER_OUT), -ENOTUNIQ);
	fer_keyprints_remove(k, 7);
	assert_int_equal(fer_keyprints_add(k, 7, FER_OUT), -ENOTUNIQ);
	fer_keyprints_remove(k, 7);
	assert_int_equal(fer_keyprints_add(k, 7, FER_OUT), 0);
	fer_keyprints_destroy(k);
}

// --- a full set under random changes, against a plain array

#define CAPACITY 1000
#define N_PRINTS 1500

struct model {
	uint64_t print;
	unsigned n_in;
	bool has_out;
};

static int model_add(struct model *m, enum fer_direction direction)
{
	if (m->has_out || (direction == FER_OUT && m->n_in != 0))
		return -ENOTUNIQ;
	if (direction == FER_OUT)
		m->has_out = true;
	else
		m->n_in++;
	return 0;
}

static void model_remove(struct model *m)
{
	if (m->has_out)
		m->has_out = false;
	else
		m->n_in--;
}

// spread: how many of the upper bits differ, so that long runs form and wrap around the end.
static void churn(unsigned spread)
{
	struct fer_keyprints *k = fer_keyprints_create(CAPACITY / 2, NULL);
	static struct model models[N_PRINTS];
	unsigned n = 0, seed = 1;

	memset(models, 0, sizeof(models));
	for (unsigned i = 0; i < N_PRINTS; i++)
		models[i].print =
			~((uint64_t)((unsigned)rand_r(&seed) % spread) << 32) - i * UINT64_C(3);
	for (unsigned i = 0; i < 60000; i++) {
		if (n == CAPACITY / 2)
			assert_int_equal(fer_keyprints_reserve(k, CAPACITY), 0);
		struct model *m = &models[(unsigned)rand_r(&seed) % N_PRINTS];
		enum fer_direction direction = rand_r(&seed) % 2 == 0 ? FER_OUT : FER_IN;
		bool is_used = m->has_out || m->n_in != 0;

		if (is_used && rand_r(&seed) % 2 == 0) {
			fer_keyprints_remove(k, m->print);
			model_remove(m);
			n--;
		} else if (n < CAPACITY) {
			int expected = model_add(m, direction);
			assert_int_equal(fer_keyprints_add(k, m->print, direction), expected);
			n += expected == 0;
		}
	}
	fer_keyprints_destroy(k);
}

static void a_full_set_agrees_with_the_reference(void **state)
{
	(void)state;
	churn(1);
	churn(100);
	churn(0x7fffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_of_key_and_salt_counts),
		cmocka_unit_test(size_and_process_count),
		cmocka_unit_test(outbound_is_alone),
		cmocka_unit_test(a_full_set_agrees_with_the_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
