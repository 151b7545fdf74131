// SPDX-License-Identifier: BSD-3-Clause
// Does every row make sense, and do exactly the legal pairs of rows make a suite?
#include "crypto/algo.h"

#include "proto/ipsec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct fer_algo *find(enum fer_algo_role role, const char *name)
{
	const struct fer_algo *a = fer_algo_find(role, name);

	assert_non_null(a);
	return a;
}

static void rows_are_found_by_name_and_role(void **state)
{
	const struct fer_algo *a;
	unsigned n = 0;

	(void)state;
	for (; (a = fer_algo_row(n)) != NULL; n++) {
		assert_ptr_equal(fer_algo_find(a->role, a->name), a);
		assert_null(fer_algo_find(
			a->role == FER_INTEGRITY ? FER_ENCRYPTION : FER_INTEGRITY, a->name));
	}
	assert_int_equal(n, 27);
	assert_null(fer_algo_row(n + 1));
	assert_null(fer_algo_find(FER_ENCRYPTION, "none"));
	assert_null(fer_algo_find(FER_INTEGRITY, "none"));
	assert_null(fer_algo_find(FER_ENCRYPTION, ""));
	assert_null(fer_algo_find(FER_ENCRYPTION, "AES-GCM-128"));
}

static void check_row(const struct fer_algo *a)
{
	assert_true(a->key_bytes + a->salt_bytes <= FER_MAX_KEY_BYTES);
	assert_true(a->salt_bytes <= FER_SALT_BYTES);
	assert_true(a->iv_bytes <= FER_ESP_MAX_IV_BYTES);
	assert_true(a->icv_bytes <= FER_ESP_MAX_ICV_BYTES);
	assert_true(a->icv_bytes % 4 == 0 && a->iv_bytes % 4 == 0);
	if (a->role == FER_ENCRYPTION) {
		// RFC 4303 section 2.4: payload, padding and trailer end on a 4-byte boundary.
		assert_true(a->align_bytes >= 4);
		assert_int_equal(a->align_bytes & (a->align_bytes - 1), 0);
		assert_int_equal(a->aead, a->icv_bytes != 0);
	} else {
		assert_false(a->aead);
		assert_true(a->icv_bytes != 0);
	}
	for (unsigned n = 0; n < 64; n++)
		if (a->icv_choices & UINT64_C(1) << n)
			assert_true(n >= 8 && n <= FER_ESP_MAX_ICV_BYTES);
	if (a->icv_bytes != 0)
		assert_true(a->icv_choices & UINT64_C(1) << a->icv_bytes);
	if (a->counter)
		assert_true(a->iv_bytes == 8);
}

static void every_row_is_sane(void **state)
{
	const struct fer_algo *a;

	(void)state;
	for (unsigned i = 0; (a = fer_algo_row(i)) != NULL; i++) {
		check_row(a);
		for (unsigned k = 0; k < i; k++)
			assert_true(a->ndis == 0 || a->role != fer_algo_row(k)->role ||
				    a->ndis != fer_algo_row(k)->ndis);
	}
}

// RFC 2403, RFC 2404 section 3, RFC 2405, RFC 2451, RFC 3566, RFC 3602, RFC 3686, RFC 4106 section
// 8.4, RFC 4309, RFC 4494, RFC 4543, RFC 4868 section 2.3, RFC 7634: sizes as published.
static void sizes_are_those_of_the_documents(void **state)
{
	static const struct {
		enum fer_algo_role role;
		const char *name;
		uint8_t key, salt, iv, align, icv;
	} rows[] = {
		{FER_ENCRYPTION, "null", 0, 0, 0, 4, 0},
		{FER_ENCRYPTION, "aes-cbc-128", 16, 0, 16, 16, 0},
		{FER_ENCRYPTION, "aes-cbc-192", 24, 0, 16, 16, 0},
		{FER_ENCRYPTION, "aes-cbc-256", 32, 0, 16, 16, 0},
		{FER_ENCRYPTION, "aes-gcm-128", 16, 4, 8, 4, 16},
		{FER_ENCRYPTION, "aes-gcm-192", 24, 4, 8, 4, 16},
		{FER_ENCRYPTION, "aes-gcm-256", 32, 4, 8, 4, 16},
		{FER_ENCRYPTION, "aes-ccm-128", 16, 3, 8, 4, 16},
		{FER_ENCRYPTION, "aes-ccm-192", 24, 3, 8, 4, 16},
		{FER_ENCRYPTION, "aes-ccm-256", 32, 3, 8, 4, 16},
		{FER_ENCRYPTION, "chacha20-poly1305", 32, 4, 8, 4, 16},
		{FER_ENCRYPTION, "aes-ctr-128", 16, 4, 8, 4, 0},
		{FER_ENCRYPTION, "aes-ctr-192", 24, 4, 8, 4, 0},
		{FER_ENCRYPTION, "aes-ctr-256", 32, 4, 8, 4, 0},
		{FER_ENCRYPTION, "3des-cbc", 24, 0, 8, 8, 0},
		{FER_ENCRYPTION, "des-cbc", 8, 0, 8, 8, 0},
		{FER_INTEGRITY, "hmac-md5-96", 16, 0, 0, 0, 12},
		{FER_INTEGRITY, "hmac-sha1-96", 20, 0, 0, 0, 12},
		{FER_INTEGRITY, "hmac-sha2-256-128", 32, 0, 0, 0, 16},
		{FER_INTEGRITY, "hmac-sha2-256-96", 32, 0, 0, 0, 12},
		{FER_INTEGRITY, "hmac-sha2-384-192", 48, 0, 0, 0, 24},
		{FER_INTEGRITY, "hmac-sha2-512-256", 64, 0, 0, 0, 32},
		{FER_INTEGRITY, "aes-xcbc-96", 16, 0, 0, 0, 12},
		{FER_INTEGRITY, "aes-cmac-96", 16, 0, 0, 0, 12},
		{FER_INTEGRITY, "aes-gmac-128", 16, 4, 8, 0, 16},
		{FER_INTEGRITY, "aes-gmac-192", 24, 4, 8, 0, 16},
		{FER_INTEGRITY, "aes-gmac-256", 32, 4, 8, 0, 16},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct fer_algo *a = find(rows[i].role, rows[i].name);

		assert_int_equal(a->key_bytes, rows[i].key);
		assert_int_equal(a->salt_bytes, rows[i].salt);
		assert_int_equal(a->iv_bytes, rows[i].iv);
		assert_int_equal(a->align_bytes, rows[i].align);
		assert_int_equal(a->icv_bytes, rows[i].icv);
	}
}

static void check_suite(const struct fer_suite *s, const struct fer_algo *encryption,
	const struct fer_algo *integrity, unsigned icv_bytes)
{
	assert_int_equal(s->method, encryption->method);
	assert_int_equal(s->auth_method, integrity == NULL ? FER_METHOD_NULL : integrity->method);
	assert_int_equal(s->key_bytes, encryption->key_bytes);
	unsigned iv = encryption->iv_bytes + (integrity == NULL ? 0u : integrity->iv_bytes);
	assert_int_equal(s->iv_bytes, iv);
	assert_int_equal(s->align_bytes, encryption->align_bytes);
	assert_int_equal(s->around_bytes, 8 + iv + icv_bytes);
	assert_false(s->ah);
	assert_int_equal(s->icv_bytes, icv_bytes);
	assert_int_equal(s->aead, encryption->aead);
	assert_int_equal(
		s->counter, encryption->counter || (integrity != NULL && integrity->counter));
	assert_false(s->esn);
	assert_memory_equal(s->salt, "\0\0\0\0", sizeof(s->salt));
}

static void check_pair(const struct fer_algo *encryption, const struct fer_algo *integrity)
{
	const struct fer_algo *tag = encryption->aead ? encryption : integrity;
	bool legal = encryption->aead == (integrity == NULL);

	// RFC 4543 section 3: AES-GMAC is the integrity of NULL encryption alone.
	if (integrity != NULL && integrity->counter && encryption->method != FER_METHOD_NULL)
		legal = false;

	for (unsigned icv = 0; icv <= 256; icv++) {
		struct fer_suite s, before;

		memset(&s, 0xee, sizeof(s));
		before = s;
		const char *refusal = fer_suite_init(&s, encryption, integrity, icv);
		bool fits = legal && (icv == 0 || (icv < 64 && (tag->icv_choices >> icv & 1) != 0));
		assert_int_equal(refusal == NULL, fits);
		if (fits)
			check_suite(&s, encryption, integrity, icv == 0 ? tag->icv_bytes : icv);
		else
			assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void legal_pairs_and_no_others_make_a_suite(void **state)
{
	const struct fer_algo *e, *a;

	(void)state;
	for (unsigned i = 0; (e = fer_algo_row(i)) != NULL; i++) {
		if (e->role != FER_ENCRYPTION)
			continue;
		check_pair(e, NULL);
		for (unsigned k = 0; (a = fer_algo_row(k)) != NULL; k++)
			if (a->role == FER_INTEGRITY)
				check_pair(e, a);
	}
}

// RFC 4302 section 2: AH is an integrity algorithm alone, behind 12 bytes of header.
static void every_integrity_row_makes_a_suite_of_ah(void **state)
{
	const struct fer_algo *a;

	(void)state;
	for (unsigned i = 0; (a = fer_algo_row(i)) != NULL; i++) {
		struct fer_suite s;

		if (a->role != FER_INTEGRITY)
			continue;
		assert_null(fer_suite_init_ah(&s, a, 0));
		assert_true(s.ah && !s.aead && !s.esn);
		assert_int_equal(s.method, FER_METHOD_NULL);
		assert_int_equal(s.auth_method, a->method);
		assert_int_equal(s.icv_bytes, a->icv_bytes);
		assert_int_equal(s.iv_bytes, a->iv_bytes);
		assert_int_equal(s.counter, a->counter);
		assert_int_equal(s.around_bytes, 12u + a->iv_bytes + a->icv_bytes);
		assert_non_null(strstr(fer_suite_init_ah(&s, a, 9), "of this length"));
		assert_non_null(strstr(fer_suite_init_ah(&s, a, 300), "of this length"));
	}
}

// RFC 2409 appendix A: as they stand there.
static const uint8_t weak_des[16][8] = {
	{0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01},
	{0x1f, 0x1f, 0x1f, 0x1f, 0x0e, 0x0e, 0x0e, 0x0e},
	{0xe0, 0xe0, 0xe0, 0xe0, 0xf1, 0xf1, 0xf1, 0xf1},
	{0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe},
	{0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe},
	{0x1f, 0xe0, 0x1f, 0xe0, 0x0e, 0xf1, 0x0e, 0xf1},
	{0x01, 0xe0, 0x01, 0xe0, 0x01, 0xf1, 0x01, 0xf1},
	{0x1f, 0xfe, 0x1f, 0xfe, 0x0e, 0xfe, 0x0e, 0xfe},
	{0x01, 0x1f, 0x01, 0x1f, 0x01, 0x0e, 0x01, 0x0e},
	{0xe0, 0xfe, 0xe0, 0xfe, 0xf1, 0xfe, 0xf1, 0xfe},
	{0xfe, 0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe, 0x01},
	{0xe0, 0x1f, 0xe0, 0x1f, 0xf1, 0x0e, 0xf1, 0x0e},
	{0xe0, 0x01, 0xe0, 0x01, 0xf1, 0x01, 0xf1, 0x01},
	{0xfe, 0x1f, 0xfe, 0x1f, 0xfe, 0x0e, 0xfe, 0x0e},
	{0x1f, 0x01, 0x1f, 0x01, 0x0e, 0x01, 0x0e, 0x01},
	{0xfe, 0xe0, 0xfe, 0xe0, 0xfe, 0xf1, 0xfe, 0xf1},
};

// A bit of parity makes no other key, any other bit does.
static void weak_keys_of_des_are_known(void **state)
{
	const struct fer_algo *des = find(FER_ENCRYPTION, "des-cbc");

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		uint8_t key[8];

		memcpy(key, weak_des[i], sizeof(key));
		assert_non_null(fer_algo_check_key(des, key));
		for (unsigned bit = 0; bit < 64; bit++) {
			key[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(fer_algo_check_key(des, key) != NULL, bit % 8 == 0);
			key[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

// RFC 2451 section 2.3.  The first may be the third: that is 3DES with two keys.
static void keys_of_3des_are_three(void **state)
{
	static const uint8_t part[3][8] = {{0, 1, 2, 3, 4, 5, 6, 7}, {1, 0, 3, 2, 5, 4, 7, 6},
		{8, 9, 10, 11, 12, 13, 14, 15}}; // the first two are equal but for parity
	static const struct {
		unsigned of[3];
		bool right;
	} rows[] = {{{0, 2, 0}, true}, {{0, 2, 1}, true}, {{0, 0, 2}, false}, {{0, 1, 2}, false},
		{{2, 0, 0}, false}, {{2, 1, 0}, false}, {{0, 0, 0}, false}};
	const struct fer_algo *des = find(FER_ENCRYPTION, "3des-cbc");
	uint8_t key[24];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned k = 0; k < 3; k++)
			memcpy(key + 8 * k, part[rows[i].of[k]], 8);
		assert_int_equal(fer_algo_check_key(des, key) == NULL, rows[i].right);
	}
	for (unsigned k = 0; k < 3; k++) {
		memcpy(key, part[0], 8);
		memcpy(key + 8, part[2], 8);
		memcpy(key + 16, part[0], 8);
		memcpy(key + 8 * k, weak_des[5], 8);
		assert_non_null(fer_algo_check_key(des, key));
	}
}

static void keys_of_others_are_all_right(void **state)
{
	static const uint8_t zero[FER_MAX_KEY_BYTES];
	const struct fer_algo *a;

	(void)state;
	for (unsigned i = 0; (a = fer_algo_row(i)) != NULL; i++)
		assert_int_equal(
			fer_algo_check_key(a, zero) == NULL, strstr(a->name, "des-") == NULL);
}

static void refusals_say_why(void **state)
{
	const struct fer_algo *gcm = find(FER_ENCRYPTION, "aes-gcm-128");
	const struct fer_algo *cbc = find(FER_ENCRYPTION, "aes-cbc-128");
	const struct fer_algo *sha = find(FER_INTEGRITY, "hmac-sha1-96");
	const struct fer_algo *gmac = find(FER_INTEGRITY, "aes-gmac-128");
	struct fer_suite s;

	(void)state;
	assert_non_null(strstr(fer_suite_init(&s, cbc, NULL, 0), "without integrity"));
	assert_non_null(strstr(fer_suite_init(&s, gcm, sha, 0), "no second algorithm"));
	assert_non_null(strstr(fer_suite_init(&s, cbc, gmac, 0), "an IV of its own"));
	assert_non_null(strstr(fer_suite_init(&s, cbc, sha, 20), "of this length"));
	assert_non_null(strstr(fer_suite_init(&s, gcm, NULL, 76), "of this length"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_found_by_name_and_role),
		cmocka_unit_test(every_row_is_sane),
		cmocka_unit_test(sizes_are_those_of_the_documents),
		cmocka_unit_test(legal_pairs_and_no_others_make_a_suite),
		cmocka_unit_test(every_integrity_row_makes_a_suite_of_ah),
		cmocka_unit_test(weak_keys_of_des_are_known),
		cmocka_unit_test(keys_of_3des_are_three),
		cmocka_unit_test(keys_of_others_are_all_right),
		cmocka_unit_test(refusals_say_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
