// SPDX-License-Identifier: BSD-3-Clause
// Does the table hang together: keys and places used once, values inside their drafts?
#include "conf/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

// Checks one mapping and those inside it; seen has a flag for each place of the draft.
static void check(const struct fer_schema *s, size_t draft_bytes, bool seen[FER_PLACES])
{
	for (unsigned i = 0; i < s->n_fields; i++) {
		const struct fer_field *f = &s->fields[i];
		assert_true(f->place < FER_PLACES);
		assert_false(seen[f->place]);
		seen[f->place] = true;
		assert_true((size_t)f->offset + f->size <= draft_bytes);
		assert_true(f->min <= f->max);
		assert_int_equal(f->type == FER_TYPE_WORD, f->words != NULL);
		assert_int_equal(f->type == FER_TYPE_MAPPING, f->mapping != NULL);
		// Finds the first of its name: a second one would be found here.
		assert_ptr_equal(fer_schema_find(s, f->key), f);
		if (f->mapping != NULL)
			check(f->mapping, draft_bytes, seen);
	}
	assert_null(fer_schema_find(s, "no such key"));
}

static unsigned n_places(const struct fer_schema *s, size_t draft_bytes)
{
	bool seen[FER_PLACES] = {false};
	unsigned n = 0;

	check(s, draft_bytes, seen);
	for (unsigned i = 0; i < FER_PLACES; i++)
		n += seen[i];
	return n;
}

static void every_place_has_one_field(void **state)
{
	(void)state;
	assert_int_equal(n_places(&fer_schema_sa, sizeof(struct fer_sa_draft)), FER_SA_PLACES);
	assert_int_equal(
		n_places(&fer_schema_policy, sizeof(struct fer_policy_draft)), FER_POLICY_PLACES);
	assert_int_equal(n_places(&fer_schema_root, sizeof(struct fer_root_draft)), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_has_one_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
