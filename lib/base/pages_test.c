// SPDX-License-Identifier: BSD-3-Clause
#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <unistd.h>

#include <cmocka.h>

static void are_pages_aligned_and_zero(void **state)
{
	static const size_t lens[] = {1, 4096, 5000, FER_HUGE_PAGE_BYTES, FER_HUGE_PAGE_BYTES + 1};

	(void)state;
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		size_t page = lens[i] >= FER_HUGE_PAGE_BYTES ? FER_HUGE_PAGE_BYTES : 4096;
		uint8_t *p = fer_pages_map(lens[i]);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % page, 0);
		assert_int_equal(fer_pages_bytes(lens[i]) % page, 0);
		assert_true(fer_pages_bytes(lens[i]) >= lens[i]);
		assert_int_equal(p[0], 0);
		assert_int_equal(p[fer_pages_bytes(lens[i]) - 1], 0);
		memset(p, 1, fer_pages_bytes(lens[i]));
		fer_pages_unmap(p, lens[i]);
	}
	fer_pages_unmap(NULL, 1);
}

static void is_what_cannot_be_refused(void **state)
{
	(void)state;
	assert_null(fer_pages_map(SIZE_MAX));
	assert_null(fer_pages_map(SIZE_MAX / 2));
	assert_int_equal(fer_pages_bytes(SIZE_MAX), 0);
}

static void are_prepared_pages_there(void **state)
{
	enum { LEN = 69 << 20 }; // more than one piece
	size_t bytes = fer_pages_bytes(LEN);
	uint8_t *p = fer_pages_map(LEN);
	unsigned char *there = calloc(bytes / 4096, 1);

	(void)state;
	assert_non_null(p);
	assert_non_null(there);
	assert_false(fer_pages_prepare(p, SIZE_MAX / 2)); // nobody has so many
	if (!fer_pages_prepare(p, LEN))
		skip(); // an old kernel
	assert_int_equal(mincore(p, bytes, there), 0);
	for (size_t i = 0; i < LEN / 4096; i++)
		assert_true((there[i] & 1) != 0);
	free(there);
	fer_pages_unmap(p, LEN);
}

static void is_it_seen_whether_pages_can_be_huge(void **state)
{
	static const struct {
		const char *modes;
		bool can;
	} cases[] = {
		{"[always] madvise never\n", true},
		{"always [madvise] never\n", true},
		{"always madvise [never]\n", false},
		{"", false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[] = "/tmp/pages-XXXXXX";
		int fd = mkstemp(name);

		assert_true(fd >= 0);
		assert_int_equal(
			write(fd, cases[i].modes, strlen(cases[i].modes)), strlen(cases[i].modes));
		close(fd);
		assert_int_equal(fer_pages_can_be_huge(name), cases[i].can);
		assert_int_equal(unlink(name), 0);
	}
	assert_false(fer_pages_can_be_huge("/nonexistent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(are_pages_aligned_and_zero),
		cmocka_unit_test(is_what_cannot_be_refused),
		cmocka_unit_test(is_it_seen_whether_pages_can_be_huge),
		cmocka_unit_test(are_prepared_pages_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
