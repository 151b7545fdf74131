// SPDX-License-Identifier: BSD-3-Clause
// Are things found by their bytes, each by its own, however many there are?
#include "conf/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define N_THINGS 5000u

static size_t name_of(unsigned i, char name[16])
{
	return (size_t)snprintf(name, 16, "thing-%u", i);
}

static void the_first_thing_keeps_its_bytes(void **state)
{
	struct fer_index ix;
	uint32_t found;
	char name[16];

	(void)state;
	assert_int_equal(fer_index_init(&ix), 0);
	for (unsigned i = 0; i < N_THINGS; i++) {
		assert_int_equal(fer_index_put(&ix, name, name_of(i, name), i, &found), 0);
		assert_int_equal(found, i);
	}
	for (unsigned i = 0; i < N_THINGS; i++) {
		assert_int_equal(fer_index_put(&ix, name, name_of(i, name), 7 * i + 1, &found), 0);
		assert_int_equal(found, i);
		assert_int_equal(fer_index_find(&ix, name, name_of(i, name)), i);
	}
	assert_int_equal(fer_index_find(&ix, name, name_of(N_THINGS, name)), FER_INDEX_NONE);
	fer_index_fini(&ix);
}

static void an_empty_index_finds_nothing(void **state)
{
	struct fer_index ix;
	uint32_t found;

	(void)state;
	assert_int_equal(fer_index_init(&ix), 0);
	assert_int_equal(fer_index_find(&ix, "a", 1), FER_INDEX_NONE);
	assert_int_equal(fer_index_put(&ix, "", 0, 3, &found), 0);
	assert_int_equal(fer_index_find(&ix, "", 0), 3);
	assert_int_equal(fer_index_find(&ix, "\0", 1), FER_INDEX_NONE);
	fer_index_fini(&ix);
}

static void fingerprints_differ_from_index_to_index(void **state)
{
	struct fer_index a, b;
	uint32_t found;

	(void)state;
	assert_int_equal(fer_index_init(&a), 0);
	assert_int_equal(fer_index_init(&b), 0);
	assert_int_equal(fer_index_put(&a, "key", 3, 0, &found), 0);
	assert_int_equal(fer_index_put(&b, "key", 3, 0, &found), 0);
	assert_memory_not_equal(a.seed, b.seed, sizeof(a.seed));
	for (uint32_t i = 0; i < a.n_slots; i++)
		for (uint32_t k = 0; k < b.n_slots; k++)
			if (a.slots[i].id == 0 && b.slots[k].id == 0)
				assert_memory_not_equal(
					a.slots[i].fingerprint, b.slots[k].fingerprint, 16);
	fer_index_fini(&a);
	fer_index_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_thing_keeps_its_bytes),
		cmocka_unit_test(an_empty_index_finds_nothing),
		cmocka_unit_test(fingerprints_differ_from_index_to_index),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
