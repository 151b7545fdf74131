// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/engine.h"

#include "base/secret.h"
#include "crypto/imb.h"
#include "proto/ip.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

// The longest payload of an IP packet, and the longest IP packet.  The library counts some lengths
// in 16 bits.
#define MAX_ESP_BYTES 65535
#define MAX_AH_BYTES FER_IPV6_MAX_BYTES

#define OLDEST_LIBRARY IMB_VERSION(1, 3, 0)

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
	e->narrow = e->wide;
	if ((e->wide->features & IMB_FEATURE_SHANI) != 0 && a != NARROW)
		e->narrow = init_manager(behind + manager_bytes(), NARROW);
	if (e->narrow == NULL)
		return -ENOTSUP;

	int err = ivs->block_key(ivs->ctx, iv_key);
	if (err == 0)
		fer_imb_cbc_init(e, iv_key);
	fer_secret_wipe(iv_key, sizeof(iv_key));
	if (err != 0)
		return err;
	fer_imb_gcm_init(e);
	fer_imb_hmac_init(e);
	return 0;
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

void fer_engine_close(struct fer_engine *e)
{
	fer_secret_unmap(e, engine_bytes());
}

const char *fer_engine_arch(const struct fer_engine *e)
{
	return e->arch;
}

// Is len one that the suite can make?  There is at least the trailer (RFC 4303 section 2.4), or an
// IP header.
static bool is_possible(const struct fer_job *j)
{
	const struct fer_suite *s = j->suite;

	return j->len > s->around_bytes && j->len <= (s->ah ? MAX_AH_BYTES : MAX_ESP_BYTES) &&
	       ((j->len - s->around_bytes) & (s->align_bytes - 1u)) == 0;
}

static void clear_lists(struct fer_engine *e)
{
	e->aead.n = 0;
	for (unsigned i = 0; i < IMB_AES_SIZES; i++)
		e->cbc[i].n = 0;
	for (unsigned i = 0; i < IMB_N_MACS; i++)
		e->mac[i].n = 0;
}

// Puts a job that is to be sealed into the lists of its two methods.
static void deal_pair(struct fer_engine *e, struct fer_job *j)
{
	const struct fer_suite *s = j->suite;

	if (s->iv_bytes != 0) {
		if (!fer_imb_cbc_iv(e, j->start + FER_ESP_HEADER_BYTES)) {
			j->verdict = FER_CRYPTO_ERROR;
			return;
		}
		fer_imb_push(&e->cbc[fer_imb_aes_index(s->key_bytes)], j);
	}
	fer_imb_push(&e->mac[fer_imb_mac_index(s->auth_method)], j);
}

void fer_engine_seal(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	assert(n <= FER_ENGINE_BURST);
	clear_lists(e);
	for (struct fer_job *j = jobs; j < jobs + n; j++) {
		j->verdict = is_possible(j) ? FER_OK : FER_CRYPTO_ERROR;
		if (j->verdict != FER_OK)
			continue;
		if (j->suite->aead)
			fer_imb_push(&e->aead, j);
		else
			deal_pair(e, j);
	}
	fer_imb_gcm_seal(e);
	if (e->aead.n == n)
		return;
	fer_imb_cbc_run(e, IMB_DIR_ENCRYPT);
	fer_imb_hmac_make(e);
}

void fer_engine_open_burst(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	assert(n <= FER_ENGINE_BURST);
	clear_lists(e);
	for (struct fer_job *j = jobs; j < jobs + n; j++) {
		j->verdict = is_possible(j) ? FER_OK : FER_BAD_SYNTAX;
		if (j->verdict != FER_OK)
			continue;
		if (j->suite->aead)
			fer_imb_push(&e->aead, j);
		else
			fer_imb_push(&e->mac[fer_imb_mac_index(j->suite->auth_method)], j);
	}
	fer_imb_gcm_open(e);
	if (e->aead.n == n)
		return;
	fer_imb_hmac_verify(e);
	fer_imb_cbc_run(e, IMB_DIR_DECRYPT);
}
