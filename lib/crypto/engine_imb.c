// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/engine.h"

#include "base/secret.h"
#include "crypto/imb.h"
#include "crypto/selftest.h"
#include "proto/ip.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_AH_BYTES FER_IPV6_MAX_BYTES

#define OLDEST_LIBRARY IMB_VERSION(1, 3, 0)

// Its AVX-512 code for DES gives each packet the result of its neighbour
// (intel/intel-ipsec-mb#169).
#define WRONG_DES IMB_VERSION(2, 0, 0)

static void expand_nothing(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	(void)e;
	(void)s;
	(void)key;
	(void)k;
}

#define KEY_END(part) (offsetof(struct fer_key, part) + sizeof(((struct fer_key *)0)->part))
#define AEAD(family, expand, part, by_runs)                                                        \
	{                                                                                          \
		expand, KEY_END(part), fer_imb_##family##_seal, fer_imb_##family##_open, by_runs   \
	}
#define CIPHER(expand, part, by_runs)                                                              \
	{                                                                                          \
		expand, KEY_END(part), fer_imb_cipher_seal, fer_imb_cipher_open, by_runs           \
	}
#define MAC(expand, part, by_runs)                                                                 \
	{                                                                                          \
		expand, KEY_END(part), fer_imb_mac_seal, fer_imb_mac_open, by_runs                 \
	}
#define AES(by_runs) CIPHER(fer_imb_cipher_expand, pair.dec, by_runs)
#define HMAC(by_runs) MAC(fer_imb_mac_expand, pair.outer, by_runs)
#define GMAC                                                                                       \
	{                                                                                          \
		fer_imb_gmac_expand, KEY_END(gcm), fer_imb_gmac_seal, fer_imb_gmac_open, false     \
	}

const struct imb_method fer_imb_methods[FER_N_METHODS] = {
	[FER_METHOD_NULL] = {expand_nothing, 0, NULL, NULL, true},
	[FER_METHOD_AES_GCM] = AEAD(gcm, fer_imb_gcm_expand, gcm, false),
	[FER_METHOD_AES_CCM] = AEAD(aead, fer_imb_cipher_expand, pair.dec, true),
	[FER_METHOD_AES_CCM_192] = AEAD(ccm_evp, fer_imb_ccm_evp_expand, raw, false),
	[FER_METHOD_CHACHA20_POLY1305] = AEAD(aead, fer_imb_chacha_expand, raw, true),
	[FER_METHOD_AES_CBC_128] = AES(true),
	[FER_METHOD_AES_CBC_192] = AES(true),
	[FER_METHOD_AES_CBC_256] = AES(true),
	[FER_METHOD_AES_CTR_128] = AES(false),
	[FER_METHOD_AES_CTR_192] = AES(false),
	[FER_METHOD_AES_CTR_256] = AES(false),
	[FER_METHOD_3DES_CBC] = CIPHER(fer_imb_3des_expand, pair.des, false),
	[FER_METHOD_DES_CBC] = CIPHER(fer_imb_des_expand, pair.des[0], false),
	[FER_METHOD_HMAC_SHA1] = HMAC(true),
	[FER_METHOD_HMAC_SHA2_256] = HMAC(true),
	[FER_METHOD_HMAC_SHA2_384] = HMAC(true),
	[FER_METHOD_HMAC_SHA2_512] = HMAC(true),
	[FER_METHOD_HMAC_MD5] = HMAC(false),
	[FER_METHOD_AES_XCBC] = MAC(fer_imb_xcbc_expand, pair.last, false),
	[FER_METHOD_AES_CMAC] = MAC(fer_imb_cmac_expand, pair.last, false),
	[FER_METHOD_AES_GMAC_128] = GMAC,
	[FER_METHOD_AES_GMAC_192] = GMAC,
	[FER_METHOD_AES_GMAC_256] = GMAC,
};

// The widest first.
static const struct imb_arch {
	const char *name;
	uint64_t needs;
	void (*init)(IMB_MGR *m);
} archs[] = {
	{"AVX512", IMB_CPUFLAGS_AVX512, init_mb_mgr_avx512},
	{"AVX2", IMB_CPUFLAGS_AVX2, init_mb_mgr_avx2},
	{"SSE", IMB_CPUFLAGS_SSE, init_mb_mgr_sse},
};

#define N_ARCHS (sizeof(archs) / sizeof(archs[0]))
#define NARROW (&archs[N_ARCHS - 1])

// The first row from the named one on that this CPU can run; NULL when there is none.
static const struct imb_arch *pick(const char *widest)
{
	uint64_t has = imb_get_feature_flags();
	bool allowed = false;

	for (const struct imb_arch *a = archs; a < archs + N_ARCHS; a++) {
		allowed |= strcmp(a->name, widest) == 0;
		if (allowed && (has & a->needs) == a->needs)
			return a;
	}
	return NULL;
}

// Lays out a manager at p.  NULL when the library failed, its own tests included.
static IMB_MGR *init_manager(void *p, const struct imb_arch *a)
{
	IMB_MGR *m = imb_set_pointers_mb_mgr(p, 0, 1);

	if (m == NULL)
		return NULL;
	a->init(m);
	if (imb_get_errno(m) != 0)
		return NULL;
	if ((m->features & IMB_FEATURE_SELF_TEST) != 0 &&
		(m->features & IMB_FEATURE_SELF_TEST_PASS) == 0)
		return NULL;
	return m;
}

static size_t manager_bytes(void)
{
	return (imb_get_mb_mgr_size() + IMB_LINE_BYTES - 1) / IMB_LINE_BYTES * IMB_LINE_BYTES;
}

// The engine and, behind it, its two managers.
static size_t engine_bytes(void)
{
	_Static_assert(sizeof(struct fer_engine) % IMB_LINE_BYTES == 0, "managers stay aligned");
	return sizeof(struct fer_engine) + 2 * manager_bytes();
}

static int init(struct fer_engine *e, const struct imb_arch *a, const struct fer_iv_source *ivs)
{
	uint8_t *behind = (uint8_t *)(e + 1);
	uint8_t iv_key[FER_IV_KEY_BYTES];

	e->arch = a->name;
	e->wide = init_manager(behind, a);
	if (e->wide == NULL)
		return -ENOTSUP;
	// Hashing in the instructions of the CPU beats wide registers that are mostly empty.
	bool has_sha = (e->wide->features & IMB_FEATURE_SHANI) != 0;
	bool has_wrong_des = imb_get_version() == WRONG_DES;
	IMB_MGR *narrow = e->wide;
	if ((has_sha || has_wrong_des) && a != NARROW)
		narrow = init_manager(behind + manager_bytes(), NARROW);
	if (narrow == NULL)
		return -ENOTSUP;
	e->narrow = has_sha ? narrow : e->wide;
	e->right_des = has_wrong_des ? narrow : e->wide;

	int err = ivs->block_key(ivs->ctx, iv_key);
	if (err == 0)
		fer_imb_cipher_init(e, iv_key);
	fer_secret_wipe(iv_key, sizeof(iv_key));
	if (err != 0)
		return err;
	fer_imb_gcm_init(e);
	fer_imb_gmac_init(e);
	if (!fer_imb_ccm_evp_init(e))
		return -ENOMEM;
	return 0;
}

// Without a row that computes something there is no engine.
static int test(struct fer_engine *e)
{
	const struct fer_algo *row;
	int err = fer_selftest_run(e, &e->lacks);

	if (err != 0)
		return err;
	for (unsigned i = 0; (row = fer_algo_row(i)) != NULL; i++)
		if (row->method != FER_METHOD_NULL && !fer_algo_is_in(e->lacks, row))
			return 0;
	return -EBADMSG;
}

struct fer_engine *fer_imb_open(const struct fer_iv_source *ivs, const char *widest, int *error)
{
	const struct imb_arch *a = imb_get_version() < OLDEST_LIBRARY ? NULL : pick(widest);

	if (a == NULL) {
		*error = -ENOTSUP;
		return NULL;
	}
	struct fer_engine *e = fer_secret_map(engine_bytes());
	if (e == NULL) {
		*error = -ENOMEM;
		return NULL;
	}
	*error = init(e, a, ivs);
	if (*error == 0)
		*error = test(e);
	if (*error != 0) {
		fer_engine_close(e);
		return NULL;
	}
	return e;
}

struct fer_engine *fer_engine_open(const struct fer_iv_source *ivs, int *error)
{
	return fer_imb_open(ivs, archs[0].name, error);
}

const char *fer_engine_error(int error)
{
	switch (error) {
	case -EBADMSG:
		return "no algorithm gives its known answers on this machine";
	case -ENOTSUP:
		return "the CPU or intel-ipsec-mb lacks something";
	default:
		return strerror(-error);
	}
}

void fer_engine_close(struct fer_engine *e)
{
	if (e != NULL)
		fer_imb_ccm_evp_fini(e);
	fer_secret_unmap(e, engine_bytes());
}

uint64_t fer_engine_lacks(const struct fer_engine *e)
{
	return e->lacks;
}

const char *fer_engine_arch(const struct fer_engine *e)
{
	return e->arch;
}

static uint32_t max_bytes(const struct fer_suite *s)
{
	return s->ah ? MAX_AH_BYTES : IMB_MAX_ESP_BYTES;
}

// Judges the lengths of the jobs from j on that are of its suite, and puts those that are possible
// into the list of a method, and of another; the rest gets the verdict bad.  Returns where that
// ends.
//   other  FER_METHOD_NULL: there is none; its list is not worked off, so it does not grow
static struct fer_job *list_run(struct fer_engine *e, struct fer_job *j, const struct fer_job *end,
	unsigned method, unsigned other, uint8_t bad)
{
	const struct fer_suite *s = j->suite;
	const uint32_t around = s->around_bytes, max = max_bytes(s), mask = s->align_bytes - 1u;
	struct fer_job **const first = &e->list[method][e->n[method]], **to = first;
	struct fer_job **also = &e->list[other][e->n[other]];

	for (; j < end && j->suite == s; j++) {
		j->verdict = bad;
		if (!fer_imb_is_possible(j->len, around, max, mask))
			continue;
		j->verdict = FER_OK;
		*to++ = j;
		*also++ = j;
	}
	e->n[method] += (uint16_t)(to - first);
	if (other != FER_METHOD_NULL)
		e->n[other] += (uint16_t)(to - first);
	return j;
}

// Does a suite differ from another one in its salt at most?
static inline bool is_alike(const struct fer_suite *s, const struct fer_suite *other)
{
	static_assert(offsetof(struct fer_suite, ah) == 7 && offsetof(struct fer_suite, salt) == 11,
		"all in front of the salt is compared, one byte twice");
	uint64_t head[2];
	uint32_t tail[2];

	memcpy(&head[0], s, sizeof(head[0]));
	memcpy(&head[1], other, sizeof(head[1]));
	memcpy(&tail[0], &s->ah, sizeof(tail[0]));
	memcpy(&tail[1], &other->ah, sizeof(tail[1]));
	return head[0] == head[1] && tail[0] == tail[1];
}

// Can the jobs be taken as they lie?
enum kinship {
	STRANGERS, // no
	ALIKE,     // of suites that need no salt and are alike, each with a key of its own
	ONE_SUITE,
};

// Neighbours of suites that are alike, whose methods have calls for such, and of possible lengths,
// can.  Then their verdicts are set.
static inline enum kinship kinship_of(struct fer_job *jobs, unsigned n)
{
	const struct fer_suite *s = n == 0 ? NULL : jobs->suite;
	enum kinship kinship = ONE_SUITE;

	if (s == NULL || s->esn || s->auth_method == FER_METHOD_NULL ||
		!fer_imb_methods[s->method].by_runs || !fer_imb_methods[s->auth_method].by_runs)
		return STRANGERS;
	const uint32_t around = s->around_bytes, max = max_bytes(s), mask = s->align_bytes - 1u;
	for (unsigned i = 0; i < n; i++) {
		if (jobs[i].suite != s) {
			if (!is_alike(jobs[i].suite, s))
				return STRANGERS;
			kinship = ALIKE;
		}
		if (!fer_imb_is_possible(jobs[i].len, around, max, mask))
			return STRANGERS;
		jobs[i].verdict = FER_OK;
	}
	return kinship;
}

// Are all of one AEAD, which has calls for neighbours, and of possible lengths?  Then their
// verdicts are set.
static inline bool are_of_aead(struct fer_job *jobs, unsigned n)
{
	const struct fer_suite *s = n == 0 ? NULL : jobs->suite;

	if (s == NULL || !s->aead || !fer_imb_methods[s->method].by_runs)
		return false;
	uint32_t around = s->around_bytes, mask = s->align_bytes - 1u;
	for (unsigned i = 0; i < n; i++) {
		if (jobs[i].suite != s) {
			if (jobs[i].suite->method != s->method)
				return false;
			s = jobs[i].suite;
			around = s->around_bytes;
			mask = s->align_bytes - 1u;
		}
		if (!fer_imb_is_possible(jobs[i].len, around, IMB_MAX_ESP_BYTES, mask))
			return false;
		jobs[i].verdict = FER_OK;
	}
	return true;
}

static bool seal_some(struct fer_engine *e, struct fer_job *jobs, unsigned n, bool one_key)
{
	bool are_well = jobs->suite->method == FER_METHOD_NULL ||
			fer_imb_cipher_seal_run(e, jobs, n, one_key);

	return fer_imb_mac_seal_run(e, jobs, n, one_key) && are_well;
}

// Seals neighbours, if they can be sealed so.  False: they cannot, and nothing was done.
static bool seal_run(struct fer_engine *e, struct fer_job *jobs, unsigned n, bool *are_well)
{
	const enum kinship kinship = kinship_of(jobs, n);

	if (kinship == STRANGERS || !fer_imb_mac_cuts(jobs->suite))
		return false;
	*are_well = true;
	for (unsigned at = 0; at < n; at += IMB_MAX_BURST_SIZE)
		*are_well &= seal_some(e, jobs + at, fer_imb_chunk(n, at), kinship == ONE_SUITE);
	return true;
}

static void put_counters(struct fer_job *const *job, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fer_imb_put_counter(job[i]);
}

// The same for jobs that are to be sealed: those of two methods get their IVs, too, in the order of
// the jobs.
static struct fer_job *list_to_seal(
	struct fer_engine *e, struct fer_job *j, const struct fer_job *end)
{
	const struct fer_suite *s = j->suite;

	if (s->aead)
		return list_run(e, j, end, s->method, FER_METHOD_NULL, FER_CRYPTO_ERROR);
	struct fer_job *const *listed = &e->list[s->auth_method][e->n[s->auth_method]];
	unsigned n_before = e->n[s->auth_method];
	j = list_run(e, j, end, s->auth_method, s->method, FER_CRYPTO_ERROR);
	unsigned n = e->n[s->auth_method] - n_before;
	if (s->counter)
		put_counters(listed, n);
	else if (s->iv_bytes != 0)
		fer_imb_put_random_ivs(e, listed, n, s->iv_bytes);
	return j;
}

__attribute__((noinline)) static void seal_mixed(
	struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	const struct fer_job *end = jobs + n;

	memset(e->n, 0, sizeof(e->n));
	for (struct fer_job *j = jobs; j < end;)
		j = list_to_seal(e, j, end);
	fer_imb_gcm_seal(e, FER_METHOD_AES_GCM);
	if (e->n[FER_METHOD_AES_GCM] == n)
		return;
	for (enum fer_method m = FER_METHOD_AES_GCM + 1; m < FER_N_METHODS; m++)
		if (e->n[m] != 0)
			fer_imb_methods[m].seal(e, m);
}

static bool all_are_well(const struct fer_job *jobs, unsigned n)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < n; i++)
		bad |= jobs[i].verdict;
	return bad == 0;
}

static inline bool is_gcm(const struct fer_job *jobs, unsigned n)
{
	return n != 0 && jobs->suite->method == FER_METHOD_AES_GCM;
}

bool fer_imb_seal_any(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	bool are_well;

	if (are_of_aead(jobs, n))
		return fer_imb_aead_seal_run(e, jobs, n);
	if (seal_run(e, jobs, n, &are_well))
		return are_well;
	seal_mixed(e, jobs, n);
	return all_are_well(jobs, n);
}

bool fer_engine_seal(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	assert(n <= FER_ENGINE_BURST);
	return is_gcm(jobs, n) ? fer_imb_gcm_seal_run(e, jobs, n) : fer_imb_seal_any(e, jobs, n);
}

// What verifies, or in ESP that leaves this to the AH around it what decrypts.
static enum fer_method first_method(const struct fer_suite *s)
{
	return s->aead || s->auth_method == FER_METHOD_NULL ? s->method : s->auth_method;
}

__attribute__((noinline)) static void open_mixed(
	struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	const struct fer_job *end = jobs + n;

	memset(e->n, 0, sizeof(e->n));
	for (struct fer_job *j = jobs; j < end;)
		j = list_run(e, j, end, first_method(j->suite), FER_METHOD_NULL, FER_BAD_SYNTAX);
	fer_imb_gcm_open(e, FER_METHOD_AES_GCM);
	if (e->n[FER_METHOD_AES_GCM] == n)
		return;
	// First what verifies: it fills the lists of what decrypts.
	for (enum fer_method m = FER_METHOD_FIRST_MAC; m < FER_N_METHODS; m++)
		if (e->n[m] != 0)
			fer_imb_methods[m].open(e, m);
	for (enum fer_method m = FER_METHOD_AES_GCM + 1; m < FER_METHOD_FIRST_MAC; m++)
		if (e->n[m] != 0)
			fer_imb_methods[m].open(e, m);
}

// Decrypts those of n jobs of one method that verified.
__attribute__((noinline)) static void open_verified(
	struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	const unsigned method = jobs->suite->method;

	e->n[method] = 0;
	for (unsigned i = 0; i < n; i++)
		if (jobs[i].verdict == FER_OK)
			fer_imb_push(e, method, &jobs[i]);
	fer_imb_methods[method].open(e, method);
}

static bool open_some(struct fer_engine *e, struct fer_job *jobs, unsigned n, bool one_key)
{
	bool are_well = fer_imb_mac_open_run(e, jobs, n, one_key);

	if (jobs->suite->method == FER_METHOD_NULL)
		return are_well;
	if (are_well)
		return fer_imb_cipher_open_run(e, jobs, n, one_key);
	open_verified(e, jobs, n);
	return false;
}

// Opens neighbours, if they can be opened so.  False: they cannot, and nothing was done.
static bool open_run(struct fer_engine *e, struct fer_job *jobs, unsigned n, bool *are_well)
{
	const enum kinship kinship = kinship_of(jobs, n);

	if (kinship == STRANGERS)
		return false;
	*are_well = true;
	for (unsigned at = 0; at < n; at += IMB_MAX_BURST_SIZE)
		*are_well &= open_some(e, jobs + at, fer_imb_chunk(n, at), kinship == ONE_SUITE);
	return true;
}

bool fer_imb_open_any(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	bool are_well;

	if (are_of_aead(jobs, n))
		return fer_imb_aead_open_run(e, jobs, n);
	if (open_run(e, jobs, n, &are_well))
		return are_well;
	open_mixed(e, jobs, n);
	return all_are_well(jobs, n);
}

bool fer_engine_open_burst(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	assert(n <= FER_ENGINE_BURST);
	return is_gcm(jobs, n) ? fer_imb_gcm_open_run(e, jobs, n) : fer_imb_open_any(e, jobs, n);
}

void fer_engine_close_again(struct fer_engine *e, struct fer_job *job)
{
	const struct imb_method *m = &fer_imb_methods[job->suite->method];

	job->verdict = FER_OK;
	if (m->seal == NULL)
		return;
	if (job->suite->aead)
		job->iv = be64toh(fer_imb_get_counter(job));
	memset(e->n, 0, sizeof(e->n));
	fer_imb_push(e, job->suite->method, job);
	m->seal(e, job->suite->method);
}
