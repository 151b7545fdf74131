// SPDX-License-Identifier: BSD-3-Clause
// Does the table hang together: keys and places used once, values inside their drafts?
#include "conf/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void check_array(const struct fer_field *f, size_t draft_bytes)
{
	const struct fer_list *list = f->list;

	assert_true(f->offset + (size_t)list->most * list->stride <= draft_bytes);
	assert_true(list->count_offset + sizeof(uint32_t) <= draft_bytes);
	assert_true(list->item->offset + (size_t)list->item->size <= list->stride);
}

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
		assert_int_equal(f->type == FER_TYPE_LIST, f->list != NULL);
		if (f->list != NULL)
			check_array(f, draft_bytes);
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
	assert_int_equal(n_places(&fer_schema_pair, sizeof(struct fer_doc_pair)), FER_PAIR_PLACES);
	assert_int_equal(n_places(&fer_schema_root, sizeof(struct fer_doc)), FER_ROOT_PLACES);
}

static char example[16384];

// Has the example each key of the mapping and of those inside it?
static void check_example(const struct fer_schema *s)
{
	for (unsigned i = 0; i < s->n_fields; i++) {
		const struct fer_field *f = &s->fields[i];
		char key[64];

		snprintf(key, sizeof(key), "%s:", f->key);
		if (strstr(example, key) == NULL)
			fail_msg("config/ferruled.yaml lacks %s", key);
		if (f->mapping != NULL)
			check_example(f->mapping);
	}
}

static void the_example_of_a_daemon_has_every_key(void **state)
{
	const char *root = getenv("FER_SOURCE_ROOT");
	char path[4096];

	(void)state;
	if (root == NULL)
		skip();
	snprintf(path, sizeof(path), "%s/config/ferruled.yaml", root);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t len = fread(example, 1, sizeof(example) - 1, f);
	fclose(f);
	assert_true(len > 0 && len < sizeof(example) - 1);
	check_example(&fer_schema_root);
	check_example(&fer_schema_pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_has_one_field),
		cmocka_unit_test(the_example_of_a_daemon_has_every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
