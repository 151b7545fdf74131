// SPDX-License-Identifier: BSD-3-Clause
// Are the known answers those of OpenSSL, does every engine give them, and is a fault seen?
#include "crypto/selftest.h"

#include "crypto/esp_oracle.h"
#include "crypto/imb.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const char *const archs[] = {"AVX512", "AVX2", "SSE"};

static uint64_t answer_of_openssl(const struct fer_algo *row)
{
	static uint8_t packet[SELFTEST_PACKET_BYTES];
	uint64_t digest = SELFTEST_DIGEST;
	struct selftest_question q;
	struct oracle_sa sa;

	fer_selftest_ask(&q, row);
	for (unsigned i = 0; i < q.n_packets; i++) {
		const uint32_t len = fer_selftest_packet(&q, i, packet);

		assert_true(len <= sizeof(packet));
		sa.suite = q.suite[i % 2];
		memcpy(sa.encryption_key, q.key, sizeof(q.key));
		memcpy(sa.integrity_key, q.key, sizeof(q.key));
		if (row->method != FER_METHOD_NULL)
			oracle_seal(&sa, packet, len, 0x01020304);
		digest = fer_selftest_digest(digest, packet, len - q.not_judged_bytes);
	}
	return digest;
}

static void answers_are_those_of_openssl(void **state)
{
	const struct fer_algo *row;
	unsigned wrong = 0;

	(void)state;
	for (unsigned i = 0; (row = fer_algo_row(i)) != NULL; i++) {
		const uint64_t answer = answer_of_openssl(row);

		if (answer == fer_selftest_answer(row))
			continue;
		print_error("{%s, \"%s\", UINT64_C(0x%016" PRIx64 ")},\n",
			row->role == FER_ENCRYPTION ? "FER_ENCRYPTION" : "FER_INTEGRITY", row->name,
			answer);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static struct fer_engine *open_engine(const char *arch)
{
	int error = 0;
	struct fer_engine *e = fer_imb_open(fer_iv_system(), arch, &error);

	assert_non_null(e);
	return e;
}

static void every_engine_gives_them(void **state)
{
	(void)state;
	for (unsigned k = 0; k < N(archs); k++) {
		struct fer_engine *e = open_engine(archs[k]);

		assert_int_equal(fer_engine_lacks(e), 0);
		fer_engine_close(e);
	}
}

// --- faults -----------------------------------------------------------------------------------

static void expand_another_key(const void *key, struct gcm_key_data *k)
{
	(void)key;
	memset(k, 0x55, sizeof(*k));
}

static void breaks_gcm(struct fer_engine *e)
{
	e->gcm[1].expand = expand_another_key;
}

static void breaks_gmac(struct fer_engine *e)
{
	e->gmac[2].expand = expand_another_key;
}

static uint32_t hash_nothing(IMB_MGR *m, IMB_JOB *jobs, uint32_t n, IMB_HASH_ALG hash)
{
	(void)m, (void)hash;
	for (uint32_t i = 0; i < n; i++)
		jobs[i].status = IMB_STATUS_COMPLETED;
	return n;
}

static void breaks_hashes(struct fer_engine *e)
{
	e->wide->submit_hash_burst_nocheck = hash_nothing;
}

// Few packets and many go to code that may differ: a fault of either is one.
static void breaks_hashes_of_few(struct fer_engine *e)
{
	e->narrow->submit_hash_burst_nocheck = hash_nothing;
}

static uint32_t encrypt_nothing(IMB_MGR *m, IMB_JOB *jobs, uint32_t n, IMB_CIPHER_MODE mode,
	IMB_CIPHER_DIRECTION direction, IMB_KEY_SIZE_BYTES key_size)
{
	(void)m, (void)mode, (void)direction, (void)key_size;
	for (uint32_t i = 0; i < n; i++)
		jobs[i].status = IMB_STATUS_COMPLETED;
	return n;
}

static void breaks_ciphers(struct fer_engine *e)
{
	e->wide->submit_cipher_burst_nocheck = encrypt_nothing;
}

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static void a_fault_is_seen_where_it_is_and_nowhere_else(void **state)
{
	static const struct {
		void (*breaks)(struct fer_engine *e);
		enum fer_algo_role role;
		const char *broken[2]; // begin so
	} faults[] = {
		{breaks_gcm, FER_ENCRYPTION, {"aes-gcm-192", "none"}},
		{breaks_gmac, FER_INTEGRITY, {"aes-gmac-256", "none"}},
		{breaks_hashes, FER_INTEGRITY, {"hmac-sha", "none"}},
		{breaks_hashes_of_few, FER_INTEGRITY, {"hmac-sha1", "hmac-sha2-256"}},
		{breaks_ciphers, FER_ENCRYPTION, {"aes-cbc", "aes-ctr"}},
	};
	const struct fer_algo *row;

	(void)state;
	for (unsigned k = 0; k < N(faults); k++) {
		struct fer_engine *e = open_engine("AVX512");
		uint64_t failed;

		if (faults[k].breaks == breaks_hashes_of_few && e->narrow == e->wide) {
			fer_engine_close(e); // this CPU has one code for both
			continue;
		}
		faults[k].breaks(e);
		assert_int_equal(fer_selftest_run(e, &failed), 0);
		for (unsigned i = 0; (row = fer_algo_row(i)) != NULL; i++) {
			bool wanted = row->role == faults[k].role &&
				      (begins(row->name, faults[k].broken[0]) ||
					      begins(row->name, faults[k].broken[1]));

			if (wanted != fer_algo_is_in(failed, row))
				fail_msg("fault %u: %s", k, row->name);
		}
		fer_engine_close(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_those_of_openssl),
		cmocka_unit_test(every_engine_gives_them),
		cmocka_unit_test(a_fault_is_seen_where_it_is_and_nowhere_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
