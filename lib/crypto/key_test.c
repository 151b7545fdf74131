// SPDX-License-Identifier: BSD-3-Clause
// Are keys expanded inside their room, the same by every engine, and gone after they are wiped?
#include "crypto/key.h"

#include "crypto/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GUARD_BYTES 64

static struct fer_engine *engine;

static void check_suite(const struct fer_suite *s)
{
	size_t bytes = fer_key_bytes(s);
	size_t room = bytes + GUARD_BYTES;
	static const uint8_t zero[8192];
	uint8_t raw[FER_MAX_KEY_BYTES];
	uint8_t *a = aligned_alloc(64, room), *b = aligned_alloc(64, room);

	assert_true(bytes % 64 == 0 && bytes != 0 && bytes <= fer_key_bytes_max());
	for (unsigned i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)(i + 1);
	memset(a, 0, room);
	memset(b, 0, room);
	fer_key_init((struct fer_key *)a, engine, s, s->method == FER_METHOD_NULL ? NULL : raw,
		s->aead ? NULL : raw);
	fer_key_init((struct fer_key *)b, engine, s, s->method == FER_METHOD_NULL ? NULL : raw,
		s->aead ? NULL : raw);
	assert_memory_equal(a, b, bytes);
	assert_memory_not_equal(a, zero, bytes);
	assert_memory_equal(a + bytes, zero, GUARD_BYTES);

	memset(a + bytes, 0xa5, GUARD_BYTES);
	fer_key_fini((struct fer_key *)a, s);
	assert_memory_equal(a, zero, bytes);
	assert_int_equal(a[bytes], 0xa5);
	free(a);
	free(b);
}

static void every_suite_has_keys_that_fit_and_can_be_wiped(void **state)
{
	const struct fer_algo *e, *a;
	struct fer_suite s;

	(void)state;
	for (unsigned i = 0; (e = fer_algo_row(i)) != NULL; i++) {
		if (e->role == FER_INTEGRITY) {
			assert_null(fer_suite_init_ah(&s, e, 0));
			check_suite(&s);
			continue;
		}
		if (fer_suite_init(&s, e, NULL, 0) == NULL)
			check_suite(&s);
		for (unsigned k = 0; (a = fer_algo_row(k)) != NULL; k++)
			if (a->role == FER_INTEGRITY && fer_suite_init(&s, e, a, 0) == NULL)
				check_suite(&s);
	}
}

static int setup(void **state)
{
	int error;

	(void)state;
	engine = fer_engine_open(fer_iv_system(), &error);
	return engine == NULL ? error : 0;
}

static int teardown(void **state)
{
	(void)state;
	fer_engine_close(engine);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_suite_has_keys_that_fit_and_can_be_wiped),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
