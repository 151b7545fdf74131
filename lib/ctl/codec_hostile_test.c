// SPDX-License-Identifier: BSD-3-Clause
// Is there a message that makes the codec read what is not there?  Each message of the samples is
// cut at every length, and each of its fields is set to every value that could matter, at the end
// of a page behind which nothing may be touched.
#include "ctl/codec_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

// A refusal has its reason, one of two statuses, and the length it would need.
static void check_refusal(uint32_t status, const struct fer_msg_fault *fault)
{
	assert_non_null(fault->why);
	if (status == NDIS_STATUS_INVALID_LENGTH)
		assert_int_not_equal(fault->needed, 0);
	else
		assert_int_equal(status, NDIS_STATUS_INVALID_DATA);
}

static void what_is_cut_off_is_missed(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_samples; i++) {
		const struct sample *s = &samples[i];
		struct fer_msg_buf b = {0};

		s->build(&b);
		assert_false(b.failed);
		for (size_t len = 0; len <= b.len; len++) {
			struct guarded g = guarded_make(b.bytes, len);
			struct fer_msg_fault fault = {0};
			const uint32_t status = s->decode(g.bytes, len, &fault);

			// Nothing at all asks for the first page.
			if (len + s->spare >= b.len || (len == 0 && strcmp(s->name, "page") == 0)) {
				assert_int_equal(status, NDIS_STATUS_SUCCESS);
			} else {
				if (status == NDIS_STATUS_SUCCESS)
					print_error("%s cut to %zu\n", s->name, len);
				check_refusal(status, &fault);
			}
			guarded_free(&g);
		}
		fer_msg_buf_fini(&b);
	}
}

static void try_value(
	const struct sample *s, struct guarded *g, size_t len, size_t at, size_t width, uint64_t v)
{
	struct fer_msg_fault fault = {0};
	uint8_t before[8];
	uint32_t status;

	memcpy(before, g->bytes + at, width);
	memcpy(g->bytes + at, &v, width);
	status = s->decode(g->bytes, len, &fault);
	if (status != NDIS_STATUS_SUCCESS)
		check_refusal(status, &fault);
	memcpy(g->bytes + at, before, width);
}

static void no_field_leads_astray(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_samples; i++) {
		const struct sample *s = &samples[i];
		struct fer_msg_buf b = {0};
		struct guarded g;

		s->build(&b);
		g = guarded_make(b.bytes, b.len);
		for (size_t width = 1; width <= 8; width *= 2) {
			for (size_t at = 0; at + width <= b.len; at += width) {
				const uint64_t len = b.len;
				uint64_t own = 0;
				uint64_t edges[] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 24, len - at,
					len - 8, len - 1, len, len + 1, len / 2, (len & ~7ull) - 8,
					len & ~7ull, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000,
					0xfffffff8, 0xfffffffe, 0xffffffff, 0x100000000,
					0x7fffffffffffffff, 0xfffffffffffffff8, 0xffffffffffffffff,
					0, 0, 0, 0, 0, 0};
				const size_t n = sizeof(edges) / sizeof(edges[0]);

				memcpy(&own, g.bytes + at, width);
				edges[n - 1] = own + 1;
				edges[n - 2] = own - 1;
				edges[n - 3] = own + 8;
				edges[n - 4] = own - 8;
				edges[n - 5] = own ^ 0x80;
				edges[n - 6] = own * 2;
				for (size_t e = 0; e < n; e++)
					try_value(s, &g, b.len, at, width, edges[e]);
			}
		}
		guarded_free(&g);
		fer_msg_buf_fini(&b);
	}
}

// A message that says it has a million elements costs no more than one that has two.
static void claimed_lengths_cost_nothing(void **state)
{
	const struct sample *s = sample_find("sa_refs");
	struct fer_msg_buf b = {0};
	struct fer_msg_fault fault;
	uint32_t n = 100000000;

	(void)state;
	s->build(&b);
	memcpy(b.bytes + offsetof(struct fer_msg_list, n), &n, sizeof(n));
	assert_int_equal(s->decode(b.bytes, b.len, &fault), NDIS_STATUS_INVALID_LENGTH);
	assert_int_equal(fault.needed, UINT32_MAX);
	fer_msg_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_cut_off_is_missed),
		cmocka_unit_test(no_field_leads_astray),
		cmocka_unit_test(claimed_lengths_cost_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
