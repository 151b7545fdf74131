// SPDX-License-Identifier: BSD-3-Clause
// AES-GCM in ESP, RFC 4106: the nonce is salt and IV, the additional data SPI and sequence number.
//
// The library reads nonce and additional data by one wide load each.  So both are written by one
// store each, for the whole burst before its first packet is computed: a load that follows the
// stores of its bytes at once would wait for them.
#include "crypto/imb.h"

#include "base/secret.h"

#include <emmintrin.h>
#include <string.h>

// Packets that keys are fetched ahead: of long packets, each of which takes longer than its key
// takes to arrive, and of short ones.  From the first packet of a burst it is fewer: keys that are
// fetched at once wait for each other.
#define LONG_BYTES 768
#define REACH_LONG 4
#define REACH_SHORT 16
#define REACH_FIRST 8
#define FEW_KEYS 8 // of so many packets one has a new key: none is fetched

#define MAX_KEY_LINES 32
_Static_assert(sizeof(struct fer_key) <= MAX_KEY_LINES * IMB_LINE_BYTES, "a bit per line");

#define PROBE_BYTES (IMB_GCM_PROBED_BLOCKS * 16 * 2)

static uint32_t text_bytes(const struct fer_job *j)
{
	return j->len - IMB_GCM_TEXT_OFF - j->suite->icv_bytes;
}

static void flip(uint8_t line[IMB_LINE_BYTES])
{
	for (unsigned i = 0; i < IMB_LINE_BYTES; i++)
		line[i] ^= 0xff;
}

// Which lines of a key does a text of that length need?  Asked by changing each line in turn: every
// one that is read changes the tag.  This works for any release and any instruction set of the
// library, and nothing but speed depends on it.
static uint32_t probe_lines(
	struct fer_engine *e, const struct imb_gcm *g, struct fer_key *key, uint32_t text_len)
{
	static const uint8_t text[PROBE_BYTES] = {1};
	uint8_t out[PROBE_BYTES], want[16], got[16];
	uint32_t lines = 0;

	g->enc(&key->gcm, &e->gcm_ctx, out, text, text_len, text, text, IMB_AAD_BYTES, want,
		sizeof(want));
	for (size_t at = 0; at < sizeof(key->gcm); at += IMB_LINE_BYTES) {
		flip((uint8_t *)key + at);
		g->enc(&key->gcm, &e->gcm_ctx, out, text, text_len, text, text, IMB_AAD_BYTES, got,
			sizeof(got));
		flip((uint8_t *)key + at);
		if (!fer_secret_equal(want, got, sizeof(want)))
			lines |= UINT32_C(1) << at / IMB_LINE_BYTES;
	}
	return lines;
}

// The longest text of a packet of so many whole blocks, with an ICV of 16 bytes.
static uint32_t longest_text(uint32_t blocks)
{
	const uint32_t bytes = blocks * 16 + 15, around = IMB_GCM_TEXT_OFF + 16;

	return bytes < around ? 0 : bytes - around;
}

static void init_size(
	struct fer_engine *e, struct imb_gcm *g, uint32_t lines[IMB_GCM_PROBED_BLOCKS + 1])
{
	static const uint8_t probe_key[FER_MAX_KEY_BYTES] = {2};

	g->expand(probe_key, &e->gcm_probe.gcm);
	for (uint32_t blocks = 0; blocks < IMB_GCM_PROBED_BLOCKS; blocks++)
		lines[blocks] = probe_lines(e, g, &e->gcm_probe, longest_text(blocks));
	lines[IMB_GCM_PROBED_BLOCKS] = probe_lines(e, g, &e->gcm_probe, PROBE_BYTES);
	g->lines = lines;
}

void fer_imb_gcm_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	e->gcm[fer_imb_aes_index(s->key_bytes)].expand(key, &k->gcm);
}

void fer_imb_gcm_init(struct fer_engine *e)
{
	const IMB_MGR *m = e->wide;

	e->gcm[0] = (struct imb_gcm){m->gcm128_enc, m->gcm128_dec, m->gcm128_pre, NULL};
	e->gcm[1] = (struct imb_gcm){m->gcm192_enc, m->gcm192_dec, m->gcm192_pre, NULL};
	e->gcm[2] = (struct imb_gcm){m->gcm256_enc, m->gcm256_dec, m->gcm256_pre, NULL};
	for (unsigned i = 0; i < IMB_AES_SIZES; i++)
		init_size(e, &e->gcm[i], e->gcm_lines[i]);
}

static inline const struct imb_gcm *gcm_of(const struct fer_engine *e, const struct fer_suite *s)
{
	return &e->gcm[fer_imb_aes_index(s->key_bytes)];
}

// text_len: without IV and tag
static inline void run(struct fer_engine *e, unsigned i, const struct fer_job *j,
	aes_gcm_enc_dec_t fn, uint32_t text_len, uint8_t *tag)
{
	const struct fer_suite *s = j->suite;
	uint8_t *text = j->start + IMB_GCM_TEXT_OFF;

	fn(&j->key->gcm, &e->gcm_ctx, text, text, text_len, (const uint8_t *)&e->nonce[i],
		(const uint8_t *)&e->aad[i], s->esn ? IMB_AAD_ESN_BYTES : IMB_AAD_BYTES, tag,
		s->icv_bytes);
}

// Salt and IV one behind the other.
//   salt  that block of IV 0
static inline imb_block salted(imb_block salt, uint64_t iv_be)
{
	return (imb_block)_mm_slli_si128(_mm_cvtsi64_si128((long long)iv_be), 4) | salt;
}

// Writes the IV of a job of ESP; returns it as it stands in the packet.
static inline uint64_t put_iv(const struct fer_job *j)
{
	uint64_t iv_be = htobe64(j->iv);

	memcpy(j->start + FER_ESP_HEADER_BYTES, &iv_be, sizeof(iv_be));
	return iv_be;
}

// Builds what the library reads beside key and text, and writes the IV of a job to be sealed.
static inline void build(
	struct fer_engine *e, unsigned i, struct fer_job *j, imb_block salt, bool esn, bool seal)
{
	e->nonce[i] = seal ? salted(salt, put_iv(j)) : fer_imb_received_nonce(salt, j->start);
	e->aad[i] = fer_imb_aad_of(j->start, esn, j->seq_hi);
	j->verdict = FER_OK;
}

// Builds for jobs of one suite, and judges them.  False: they are not of one suite, or not of
// possible lengths.
static inline bool build_run(struct fer_engine *e, struct fer_job *jobs, unsigned n,
	const struct fer_suite *s, bool seal)
{
	const bool esn = s->esn; // out of reach of stores into packets
	const uint32_t around = s->around_bytes, mask = s->align_bytes - 1u;
	const imb_block salt = fer_imb_nonce(s, 0, 0);

	for (unsigned i = 0; i < n; i++) {
		struct fer_job *j = &jobs[i];

		if (j->suite != s || !fer_imb_is_possible(j->len, around, IMB_MAX_ESP_BYTES, mask))
			return false;
		build(e, i, j, salt, esn, seal);
	}
	return true;
}

// What the calls of the library for jobs of one suite have in common.
struct run {
	const struct gcm_key_data *key;
	uint32_t icv_bytes, around, aad_bytes;
};

static inline struct run run_of(const struct fer_job *first, const struct fer_suite *s)
{
	return (struct run){
		.key = &first->key->gcm,
		.icv_bytes = s->icv_bytes,
		.around = IMB_GCM_TEXT_OFF + s->icv_bytes,
		.aad_bytes = s->esn ? IMB_AAD_ESN_BYTES : IMB_AAD_BYTES,
	};
}

// Was a key not used by one of the last packets?  Of mixed ones: an answer for each is cheaper than
// a branch that nobody can predict.
static inline unsigned is_new_key(struct fer_engine *e, const struct fer_key *key)
{
	const struct fer_key **last = &e->gcm_keys[(uintptr_t)key / IMB_LINE_BYTES % IMB_GCM_KEYS];
	const bool is_new = *last != key;

	*last = key;
	return is_new;
}

// Fetches the lines that a job reads of its key.
static inline void fetch_key(const struct fer_engine *e, const struct fer_job *j)
{
	const uint32_t blocks = j->len / 16;
	const char *key = (const char *)j->key;
	uint32_t lines =
		gcm_of(e, j->suite)
			->lines[blocks < IMB_GCM_PROBED_BLOCKS ? blocks : IMB_GCM_PROBED_BLOCKS];

	for (; lines != 0; lines &= lines - 1)
		fer_imb_fetch_line(key + (size_t)__builtin_ctz(lines) * IMB_LINE_BYTES);
}

// How many packets ahead of job i the key of one of len bytes is fetched.
static inline unsigned reach_of(unsigned i, uint32_t len)
{
	if (len >= LONG_BYTES)
		return REACH_LONG;
	return i < REACH_SHORT - REACH_FIRST ? REACH_FIRST + i : REACH_SHORT;
}

// Fetches the keys of the jobs from next on that are due when job i is computed.  Returns the first
// that is not due yet.
static inline unsigned fetch_keys(
	const struct fer_engine *e, struct imb_jobs jobs, unsigned n, unsigned i, unsigned next)
{
	for (; next < n; next++) {
		const struct fer_job *j = fer_imb_job(jobs, next);

		if (next > i + reach_of(i, j->len))
			break;
		fetch_key(e, j);
	}
	return next;
}

// Is it a job of AES-GCM, of a possible length?
static inline bool is_possible(const struct fer_job *j, const struct fer_suite *s)
{
	return s->method == FER_METHOD_AES_GCM &&
	       fer_imb_is_possible(j->len, s->around_bytes, IMB_MAX_ESP_BYTES, s->align_bytes - 1u);
}

// The same as build_run() for jobs of any suites.  False: not all are of AES-GCM, or of possible
// lengths.  Those of a list are.
//   first_fetch  the first job of which the key is to be fetched: that pays for all, or for none
static inline bool build_any(
	struct fer_engine *e, struct imb_jobs jobs, unsigned n, bool seal, unsigned *first_fetch)
{
	unsigned n_new = 0;

	for (unsigned i = 0; i < n; i++) {
		struct fer_job *j = fer_imb_job(jobs, i);
		const struct fer_suite *s = j->suite;

		if (jobs.list == NULL && !is_possible(j, s))
			return false;
		build(e, i, j, fer_imb_nonce(s, 0, 0), s->esn, seal);
		n_new += is_new_key(e, j->key);
	}
	*first_fetch = n_new > n / FEW_KEYS ? 0 : n;
	return true;
}

// Seals such jobs.  False: they are others, and it does not count what was done.
__attribute__((always_inline)) static inline bool seal_any(
	struct fer_engine *e, struct imb_jobs jobs, unsigned n)
{
	unsigned fetch;

	if (!build_any(e, jobs, n, true, &fetch))
		return false;
	for (unsigned i = 0; i < n; i++) {
		const struct fer_job *j = fer_imb_job(jobs, i);
		const uint32_t text_len = text_bytes(j);

		fetch = fetch_keys(e, jobs, n, i, fetch);
		run(e, i, j, gcm_of(e, j->suite)->enc, text_len,
			j->start + IMB_GCM_TEXT_OFF + text_len);
	}
	return true;
}

__attribute__((noinline)) static bool seal_mixed(
	struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	return seal_any(e, (struct imb_jobs){NULL, jobs}, n) || fer_imb_seal_any(e, jobs, n);
}

void fer_imb_gcm_seal(struct fer_engine *e, enum fer_method m)
{
	(void)seal_any(e, (struct imb_jobs){e->list[m], NULL}, e->n[m]);
}

__attribute__((noinline)) static bool seal_many(
	struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	const struct fer_suite *const s = jobs->suite;

	if (!build_run(e, jobs, n, s, true))
		return seal_mixed(e, jobs, n);
	const aes_gcm_enc_dec_t enc = gcm_of(e, s)->enc;
	const struct run r = run_of(jobs, s);

	for (unsigned i = 0; i < n; i++) {
		uint8_t *text = jobs[i].start + IMB_GCM_TEXT_OFF;
		uint32_t text_len = jobs[i].len - r.around;

		enc(r.key, &e->gcm_ctx, text, text, text_len, (const uint8_t *)&e->nonce[i],
			(const uint8_t *)&e->aad[i], r.aad_bytes, text + text_len, r.icv_bytes);
	}
	return true;
}

// Seals a job by itself, which spares what is made for a run.
static inline void seal_one(struct fer_engine *e, struct fer_job *j, const struct fer_suite *s)
{
	const uint32_t text_len = j->len - IMB_GCM_TEXT_OFF - s->icv_bytes;

	build(e, 0, j, fer_imb_nonce(s, 0, 0), s->esn, true);
	run(e, 0, j, gcm_of(e, s)->enc, text_len, j->start + IMB_GCM_TEXT_OFF + text_len);
}

bool fer_imb_gcm_seal_run(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	if (n != 1 || !is_possible(jobs, jobs->suite))
		return seal_many(e, jobs, n);
	seal_one(e, jobs, jobs->suite);
	return true;
}

// A packet of which the tag is wrong becomes again what it was: what the library took for
// ciphertext comes back when its "plaintext" is encrypted with the same nonce.
__attribute__((noinline)) static void undo(struct fer_engine *e, unsigned i, struct fer_job *j)
{
	j->verdict = FER_BAD_ICV;
	run(e, i, j, gcm_of(e, j->suite)->enc, text_bytes(j), (uint8_t *)&e->tag[i]);
}

// Opens jobs of any suites of AES-GCM.  False: they are others, and it does not count what was
// done.
__attribute__((always_inline)) static inline bool open_any(
	struct fer_engine *e, struct imb_jobs jobs, unsigned n, bool *are_well)
{
	unsigned fetch;

	if (!build_any(e, jobs, n, false, &fetch))
		return false;
	*are_well = true;
	for (unsigned i = 0; i < n; i++) {
		struct fer_job *j = fer_imb_job(jobs, i);
		const uint32_t text_len = text_bytes(j);
		uint8_t *tag = (uint8_t *)&e->tag[i];

		fetch = fetch_keys(e, jobs, n, i, fetch);
		run(e, i, j, gcm_of(e, j->suite)->dec, text_len, tag);
		if (!fer_secret_equal_tag(
			    tag, j->start + IMB_GCM_TEXT_OFF + text_len, j->suite->icv_bytes)) {
			undo(e, i, j);
			*are_well = false;
		}
	}
	return true;
}

__attribute__((noinline)) static bool open_mixed(
	struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	bool are_well;

	if (open_any(e, (struct imb_jobs){NULL, jobs}, n, &are_well))
		return are_well;
	return fer_imb_open_any(e, jobs, n);
}

void fer_imb_gcm_open(struct fer_engine *e, enum fer_method m)
{
	bool are_well;

	(void)open_any(e, (struct imb_jobs){e->list[m], NULL}, e->n[m], &are_well);
}

__attribute__((noinline)) static bool open_many(
	struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	const struct fer_suite *const s = jobs->suite;

	if (!build_run(e, jobs, n, s, false))
		return open_mixed(e, jobs, n);
	const aes_gcm_enc_dec_t dec = gcm_of(e, s)->dec;
	const struct run r = run_of(jobs, s);
	bool are_well = true;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *text = jobs[i].start + IMB_GCM_TEXT_OFF, *tag = (uint8_t *)&e->tag[i];
		uint32_t text_len = jobs[i].len - r.around;

		dec(r.key, &e->gcm_ctx, text, text, text_len, (const uint8_t *)&e->nonce[i],
			(const uint8_t *)&e->aad[i], r.aad_bytes, tag, r.icv_bytes);
		if (!fer_secret_equal_tag(tag, text + text_len, r.icv_bytes)) {
			undo(e, i, &jobs[i]);
			are_well = false;
		}
	}
	return are_well;
}

// Opens a job by itself.
static inline bool open_one(struct fer_engine *e, struct fer_job *j, const struct fer_suite *s)
{
	const uint32_t text_len = j->len - IMB_GCM_TEXT_OFF - s->icv_bytes;
	uint8_t *tag = (uint8_t *)&e->tag[0];

	build(e, 0, j, fer_imb_nonce(s, 0, 0), s->esn, false);
	run(e, 0, j, gcm_of(e, s)->dec, text_len, tag);
	if (fer_secret_equal_tag(tag, j->start + IMB_GCM_TEXT_OFF + text_len, s->icv_bytes))
		return true;
	undo(e, 0, j);
	return false;
}

bool fer_imb_gcm_open_run(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	if (n != 1 || !is_possible(jobs, jobs->suite))
		return open_many(e, jobs, n);
	return open_one(e, jobs, jobs->suite);
}
