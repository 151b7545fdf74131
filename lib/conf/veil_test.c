// SPDX-License-Identifier: BSD-3-Clause
// Are long runs of hex digits hidden, and do they come back where they stood?
#include "conf/veil.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

static const char *const texts[] = {
	"",
	"0123456789abcdef",
	"0123456789ABCDEF0123456789ABCDEF0123456789",
	"a: 0123456789abcdef\nb: \"fedcba98765432100\"\n",
	"site-0123456789abcdef-0123456789abcdef0",
	"0123456789abcdefg0123456789abcdef",
	"short 0123456789abcde runs 0x1234",
	"\356\200\2000000000000000 0123456789abcdef \356\200\200",
};

static bool shows_run(const uint8_t *copy, size_t len)
{
	static const char *const runs[] = {
		"0123456789abcdef", "0123456789ABCDEF", "fedcba9876543210"};
	bool shown = false;

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		shown |= memmem(copy, len, runs[i], strlen(runs[i])) != NULL;
	return shown;
}

static void what_is_lifted_is_what_was_there(void **state)
{
	uint8_t text[128];
	struct fer_veil v;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t len = strlen(texts[i]);
		assert_int_equal(fer_veil_init(&v, texts[i], len), 0);
		assert_false(shows_run(v.copy, len));
		memcpy(text, v.copy, len);
		fer_veil_lift(&v, text, len);
		assert_memory_equal(text, texts[i], len);
		fer_veil_fini(&v);
	}
}

static void escapes_stay_escapes(void **state)
{
	static const char *const kept[] = {"\"\\x610123456789abcdef\"",
		"\"\\u00610123456789abcdef\"", "\"\\U000000610123456789\"",
		"\"\\b0123456789abcdef\""};
	struct fer_veil v;

	(void)state;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		assert_int_equal(fer_veil_init(&v, kept[i], strlen(kept[i])), 0);
		assert_memory_equal(v.copy, kept[i], strlen(kept[i]));
		fer_veil_fini(&v);
	}
}

// A token of somebody else's names digits of the document, or stays as it is.
static void forged_tokens_reach_nothing_but_digits(void **state)
{
	static const char doc[] = "k: 0123456789abcdef0123 x";
	static const char *const forged[] = {"\356\200\200", "\356\200\200003",
		"\356\200\2000000000000002", "\356\200\2000000000000008",
		"\356\200\2000000000000099", "\356\200\2009999999999999",
		"\356\200\20099999999999999999999999999999999999999999",
		"\356\200\2000000000000000000000000000000000000000003"};
	uint8_t text[64];
	struct fer_veil v;

	(void)state;
	assert_int_equal(fer_veil_init(&v, doc, strlen(doc)), 0);
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		size_t len = strlen(forged[i]);
		memcpy(text, forged[i], len + 1);
		fer_veil_lift(&v, text, len);
		assert_memory_equal(text, forged[i], len);
	}
	memcpy(text, "\356\200\2000000000000004", 17);
	fer_veil_lift(&v, text, 16);
	assert_memory_equal(text, "123456789abcdef0", 16);
	fer_veil_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_lifted_is_what_was_there),
		cmocka_unit_test(escapes_stay_escapes),
		cmocka_unit_test(forged_tokens_reach_nothing_but_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
