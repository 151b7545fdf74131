// SPDX-License-Identifier: BSD-3-Clause
#include "host/boxes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX (~(fer_coord)0)

static uint64_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % n);
}

// Few values in each dimension, the first and the last among them.
static fer_coord random_coord(void)
{
	fer_coord x = random_below(8);

	return random_below(4) == 0 ? MAX - x : random_below(2) == 0 ? x << 64 : x;
}

static struct fer_box random_box(void)
{
	struct fer_box b;

	for (unsigned d = 0; d < FER_BOX_DIMS; d++) {
		fer_coord a = random_coord(), c = random_below(4) == 0 ? a : random_coord();

		b.from[d] = a < c ? a : c;
		b.to[d] = a < c ? c : a;
		if (random_below(4) == 0)
			b.from[d] = 0;
		if (random_below(4) == 0)
			b.to[d] = MAX;
	}
	return b;
}

static bool has(const struct fer_box *b, const fer_coord point[], unsigned any)
{
	for (unsigned d = 0; d < FER_BOX_DIMS; d++)
		if ((any >> d & 1) == 0 && (point[d] < b->from[d] || point[d] > b->to[d]))
			return false;
	return true;
}

static uint32_t walk(const struct fer_box box[], uint32_t n, const fer_coord point[], unsigned any)
{
	for (uint32_t i = 0; i < n; i++)
		if (has(&box[i], point, any))
			return i;
	return FER_NO_BOX;
}

static void check(const struct fer_box box[], uint32_t n)
{
	struct fer_boxes *b = fer_boxes_build(box, n);

	assert_non_null(b);
	for (unsigned k = 0; k < 500; k++) {
		fer_coord point[FER_BOX_DIMS];
		unsigned any = random_below(2) == 0 ? 0 : random_below(1 << FER_BOX_DIMS);

		for (unsigned d = 0; d < FER_BOX_DIMS; d++)
			point[d] = random_coord();
		assert_int_equal(fer_boxes_find(b, point, any), walk(box, n, point, any));
	}
	fer_boxes_destroy(b);
}

static void does_it_find_what_a_walk_finds(void **state)
{
	static const uint32_t counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 30, 100, 1000, 3000};

	(void)state;
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct fer_box *box = calloc(counts[i], sizeof(*box));

		assert_non_null(box);
		for (uint32_t k = 0; k < counts[i]; k++)
			box[k] = random_box();
		check(box, counts[i]);
		free(box);
	}
}

static void do_equal_boxes_keep_their_order(void **state)
{
	enum { N = 1000 };
	static struct fer_box box[N];
	struct fer_box one = random_box();

	(void)state;
	for (unsigned i = 0; i < N; i++)
		box[i] = one;
	check(box, N);
	box[N - 1] = (struct fer_box){.to = {MAX, MAX, MAX, MAX, MAX}};
	check(box, N);
}

static void is_everything_in_the_box_of_everything(void **state)
{
	const struct fer_box all = {.to = {MAX, MAX, MAX, MAX, MAX}};
	const fer_coord first[FER_BOX_DIMS] = {0}, last[] = {MAX, MAX, MAX, MAX, MAX};

	(void)state;
	struct fer_boxes *b = fer_boxes_build(&all, 1);

	assert_non_null(b);
	assert_int_equal(fer_boxes_find(b, first, 0), 0);
	assert_int_equal(fer_boxes_find(b, last, 0), 0);
	fer_boxes_destroy(b);
	fer_boxes_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_it_find_what_a_walk_finds),
		cmocka_unit_test(do_equal_boxes_keep_their_order),
		cmocka_unit_test(is_everything_in_the_box_of_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
