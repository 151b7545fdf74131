// SPDX-License-Identifier: BSD-3-Clause
// What encrypts in ESP and leaves integrity to others: AES-CBC (RFC 3602), AES-CTR (RFC 3686), DES
// (RFC 2405) and 3DES (RFC 2451).  One burst per method, over all associations.
#include "crypto/imb.h"

#include "base/secret.h"

#include <string.h>

#define FIRST_BLOCK_COUNTER 1 // RFC 3686 section 4

// A packet alone in the lanes of the wide code takes as long as one in each, and what the narrow
// code loses by having half of them it makes good where packets are short.
#define LANES 16 // of the wide code
#define FEW 8    // packets, as many as the narrow code has lanes
#define SHORT_BYTES 160

struct imb_cipher {
	IMB_CIPHER_MODE mode;
	uint8_t key_bytes;
	bool is_des; // the library has no burst for it
	bool triple; // its key is an array of three
	bool chains; // encrypts a block only behind the one before it
};

static const struct imb_cipher ciphers[FER_METHOD_FIRST_MAC] = {
	[FER_METHOD_AES_CBC_128] = {IMB_CIPHER_CBC, IMB_KEY_128_BYTES, false, false, true},
	[FER_METHOD_AES_CBC_192] = {IMB_CIPHER_CBC, IMB_KEY_192_BYTES, false, false, true},
	[FER_METHOD_AES_CBC_256] = {IMB_CIPHER_CBC, IMB_KEY_256_BYTES, false, false, true},
	[FER_METHOD_AES_CTR_128] = {IMB_CIPHER_CNTR, IMB_KEY_128_BYTES, false, false, false},
	[FER_METHOD_AES_CTR_192] = {IMB_CIPHER_CNTR, IMB_KEY_192_BYTES, false, false, false},
	[FER_METHOD_AES_CTR_256] = {IMB_CIPHER_CNTR, IMB_KEY_256_BYTES, false, false, false},
	[FER_METHOD_3DES_CBC] = {IMB_CIPHER_DES3, 24, true, true, false},
	[FER_METHOD_DES_CBC] = {IMB_CIPHER_DES, 8, true, false, false},
};

void fer_imb_cipher_init(struct fer_engine *e, const uint8_t iv_key[FER_IV_KEY_BYTES])
{
	uint8_t unused[IMB_AES_ROUND_KEYS_BYTES];

	_Static_assert(FER_IV_KEY_BYTES == IMB_KEY_128_BYTES, "IVs are made with AES-128");
	IMB_AES_KEYEXP_128(e->wide, iv_key, e->iv_keys, unused);
	fer_secret_wipe(unused, sizeof(unused));
}

void fer_imb_cipher_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	const IMB_MGR *m = e->wide;
	const keyexp_t expand[IMB_AES_SIZES] = {m->keyexp_128, m->keyexp_192, m->keyexp_256};

	expand[fer_imb_aes_index(s->key_bytes)](key, k->pair.enc, k->pair.dec);
}

// The library wants the schedule of one direction for both.
void fer_imb_des_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	(void)s;
	IMB_DES_KEYSCHED(e->wide, k->pair.des[0], key);
}

void fer_imb_3des_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	(void)s;
	for (unsigned i = 0; i < IMB_N_DES; i++)
		IMB_DES_KEYSCHED(e->wide, k->pair.des[i], key + (size_t)8 * i);
}

// Makes a pool full of IVs that nobody can predict.  Encrypts zeroes in counter mode: the key
// stream is AES of (refill number, index).  False when the library failed.
static bool refill_ivs(struct fer_engine *e)
{
	uint64_t start[2] = {e->iv_refills++, 0};
	IMB_JOB job = {
		.enc_keys = e->iv_keys,
		.dec_keys = e->iv_keys,
		.key_len_in_bytes = IMB_KEY_128_BYTES,
		.src = e->iv_pool[0],
		.dst = e->iv_pool[0],
		.msg_len_to_cipher_in_bytes = sizeof(e->iv_pool),
		.iv = (const uint8_t *)start,
		.iv_len_in_bytes = sizeof(start),
		.cipher_mode = IMB_CIPHER_CNTR,
		.cipher_direction = IMB_DIR_ENCRYPT,
	};

	memset(e->iv_pool, 0, sizeof(e->iv_pool));
	if (IMB_SUBMIT_CIPHER_BURST_NOCHECK(
		    e->wide, &job, 1, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) != 1)
		return false;
	e->iv_left = IMB_IV_POOL;
	return true;
}

static void fail(struct imb_jobs jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fer_imb_job(jobs, i)->verdict = FER_CRYPTO_ERROR;
}

// n: not more than are left
static inline void put_some_ivs(
	struct fer_engine *e, struct imb_jobs jobs, unsigned n, size_t iv_bytes)
{
	const uint8_t(*from)[FER_ESP_MAX_IV_BYTES] = &e->iv_pool[e->iv_left];

	for (unsigned i = 0; i < n; i++)
		memcpy(fer_imb_job(jobs, i)->start + FER_ESP_HEADER_BYTES, *--from, iv_bytes);
	e->iv_left -= n;
}

__attribute__((always_inline)) static inline bool put_ivs(
	struct fer_engine *e, struct imb_jobs jobs, unsigned n, size_t iv_bytes)
{
	unsigned n_now;

	for (unsigned at = 0; at < n; at += n_now) {
		if (e->iv_left == 0 && !refill_ivs(e)) {
			fail(fer_imb_jobs_from(jobs, at), n - at);
			return false;
		}
		n_now = n - at < e->iv_left ? n - at : e->iv_left;
		put_some_ivs(e, fer_imb_jobs_from(jobs, at), n_now, iv_bytes);
	}
	return true;
}

void fer_imb_put_random_ivs(
	struct fer_engine *e, struct fer_job *const *job, unsigned n, size_t iv_bytes)
{
	const struct imb_jobs jobs = {job, NULL};

	// By one store, because the library reads it by one load.
	if (iv_bytes == FER_ESP_MAX_IV_BYTES)
		(void)put_ivs(e, jobs, n, FER_ESP_MAX_IV_BYTES);
	else
		(void)put_ivs(e, jobs, n, iv_bytes);
}

// Points a job to the one key that the library wants for both directions.
static void point_to_des(
	struct fer_engine *e, unsigned i, const struct imb_cipher *c, const struct fer_key *k)
{
	for (unsigned at = 0; at < IMB_N_DES; at++)
		e->des[i][at] = k->pair.des[at];
	e->jobs[i].enc_keys = c->triple ? (const void *)e->des[i] : k->pair.des[0];
	e->jobs[i].dec_keys = e->jobs[i].enc_keys;
}

// The first block of the key stream, RFC 3686 section 4.
static void start_counting(struct fer_engine *e, unsigned i, const struct fer_job *j)
{
	e->nonce[i] = fer_imb_nonce(j->suite, fer_imb_get_counter(j), htobe32(FIRST_BLOCK_COUNTER));
	e->jobs[i].iv = (const uint8_t *)&e->nonce[i];
	e->jobs[i].iv_len_in_bytes = sizeof(e->nonce[i]);
}

// What the calls for one job at a time ask the job itself.
static void name_method(IMB_JOB *to, const struct imb_cipher *c, IMB_CIPHER_DIRECTION direction)
{
	to->cipher_mode = c->mode;
	to->key_len_in_bytes = c->key_bytes;
	to->cipher_direction = direction;
	to->msg_len_to_hash_in_bytes = 0;
	to->hash_alg = IMB_AUTH_NULL;
	to->chain_order = IMB_ORDER_CIPHER_HASH;
}

// How many lines the round keys of one direction take.
static inline unsigned key_lines_of(unsigned key_bytes)
{
	return ((key_bytes / 4 + 7) * 16 + IMB_LINE_BYTES - 1) / IMB_LINE_BYTES;
}

// Fetches them.
static inline void fetch_key(
	const struct fer_key *key, unsigned n_lines, IMB_CIPHER_DIRECTION direction)
{
	const uint8_t *line = direction == IMB_DIR_ENCRYPT ? key->pair.enc : key->pair.dec;

	for (; n_lines != 0; n_lines--, line += IMB_LINE_BYTES)
		fer_imb_fetch_line(line);
}

// How many of n packets, the last ones, the narrow code is better for.
static unsigned narrow_share(const struct imb_cipher *c, unsigned n, size_t bytes)
{
	if (!c->chains)
		return 0;
	if (bytes < (size_t)n * SHORT_BYTES)
		return n;
	return n % LANES <= FEW ? n % LANES : 0;
}

// Returns how many have been done.
static unsigned submit(struct fer_engine *e, const struct imb_cipher *c, unsigned n, size_t bytes,
	IMB_CIPHER_DIRECTION direction)
{
	unsigned narrow = direction == IMB_DIR_ENCRYPT ? narrow_share(c, n, bytes) : 0, done = 0;
	IMB_KEY_SIZE_BYTES key = (IMB_KEY_SIZE_BYTES)c->key_bytes;
	IMB_JOB *jobs = e->jobs;

	if (n != narrow)
		done += IMB_SUBMIT_CIPHER_BURST_NOCHECK(
			e->wide, jobs, n - narrow, c->mode, direction, key);
	if (narrow != 0)
		done += IMB_SUBMIT_CIPHER_BURST_NOCHECK(
			e->narrow, jobs + n - narrow, narrow, c->mode, direction, key);
	return done;
}

// The same, one by one, or 0.
static unsigned submit_des(struct fer_engine *e, const struct imb_cipher *c, unsigned n,
	IMB_CIPHER_DIRECTION direction)
{
	for (unsigned i = 0; i < n; i++)
		name_method(&e->jobs[i], c, direction);
	fer_imb_jobs_run(e, e->right_des, e->jobs, n);
	return 0;
}

// Describes n jobs of suites that are alike to the library.  Returns how many bytes they have.
//   one_key  of one association; else the key of each is fetched
__attribute__((always_inline)) static inline size_t fill(
	IMB_JOB *to, struct imb_jobs jobs, unsigned n, bool one_key, IMB_CIPHER_DIRECTION direction)
{
	const struct fer_suite *s = fer_imb_job(jobs, 0)->suite;
	const uint32_t iv_bytes = s->iv_bytes, around = s->around_bytes;
	const unsigned key_lines = key_lines_of(s->key_bytes);
	const struct fer_key *key = fer_imb_job(jobs, 0)->key;
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++, to++) {
		const struct fer_job *j = fer_imb_job(jobs, i);
		uint8_t *iv = j->start + FER_ESP_HEADER_BYTES;
		uint32_t len = j->len;

		if (!one_key) {
			key = j->key;
			fetch_key(key, key_lines, direction);
		}
		to->enc_keys = key->pair.enc;
		to->dec_keys = key->pair.dec;
		to->src = to->dst = iv + iv_bytes;
		to->msg_len_to_cipher_in_bytes = len - around;
		to->iv = iv;
		to->iv_len_in_bytes = iv_bytes;
		to->status = IMB_STATUS_BEING_PROCESSED;
		bytes += len;
	}
	return bytes;
}

// Ends those of n jobs that were not done.
static inline void judge(const struct fer_engine *e, struct imb_jobs jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if ((e->jobs[i].status & IMB_STATUS_COMPLETED_CIPHER) == 0)
			fer_imb_job(jobs, i)->verdict = FER_CRYPTO_ERROR;
}

static void run(struct fer_engine *e, const struct imb_cipher *c, struct fer_job *const *job,
	unsigned n, IMB_CIPHER_DIRECTION direction)
{
	size_t bytes = 0;

	for (unsigned i = 0, n_run; i < n; i += n_run) {
		n_run = fer_imb_run(job + i, n - i);
		fetch_key(job[i]->key, key_lines_of(c->key_bytes), direction);
		bytes +=
			fill(&e->jobs[i], (struct imb_jobs){job + i, NULL}, n_run, true, direction);
	}
	for (unsigned i = 0; i < n && c->mode == IMB_CIPHER_CNTR; i++)
		start_counting(e, i, job[i]);
	for (unsigned i = 0; i < n && c->is_des; i++)
		point_to_des(e, i, c, job[i]->key);
	unsigned done =
		c->is_des ? submit_des(e, c, n, direction) : submit(e, c, n, bytes, direction);
	if (done != n)
		judge(e, (struct imb_jobs){job, NULL}, n);
}

static void run_list(struct fer_engine *e, enum fer_method m, IMB_CIPHER_DIRECTION direction)
{
	for (unsigned at = 0; at < e->n[m]; at += IMB_MAX_BURST_SIZE)
		run(e, &ciphers[m], e->list[m] + at, fer_imb_chunk(e->n[m], at), direction);
}

void fer_imb_cipher_seal(struct fer_engine *e, enum fer_method m)
{
	run_list(e, m, IMB_DIR_ENCRYPT);
}

void fer_imb_cipher_open(struct fer_engine *e, enum fer_method m)
{
	run_list(e, m, IMB_DIR_DECRYPT);
}

// A function of its own, so that those of one key have the registers for themselves.
__attribute__((noinline)) static size_t fill_keys(
	struct fer_engine *e, struct fer_job *first, unsigned n, IMB_CIPHER_DIRECTION direction)
{
	return fill(e->jobs, (struct imb_jobs){NULL, first}, n, false, direction);
}

static inline bool run_neighbours(struct fer_engine *e, struct fer_job *first, unsigned n,
	bool one_key, IMB_CIPHER_DIRECTION direction)
{
	const struct imb_jobs jobs = {NULL, first};
	size_t bytes = one_key ? fill(e->jobs, jobs, n, true, direction)
			       : fill_keys(e, first, n, direction);

	if (submit(e, &ciphers[first->suite->method], n, bytes, direction) == n)
		return true;
	judge(e, jobs, n);
	return false;
}

bool fer_imb_cipher_seal_run(struct fer_engine *e, struct fer_job *first, unsigned n, bool one_key)
{
	bool have_ivs = put_ivs(e, (struct imb_jobs){NULL, first}, n, FER_ESP_MAX_IV_BYTES);

	return run_neighbours(e, first, n, one_key, IMB_DIR_ENCRYPT) && have_ivs;
}

bool fer_imb_cipher_open_run(struct fer_engine *e, struct fer_job *first, unsigned n, bool one_key)
{
	return run_neighbours(e, first, n, one_key, IMB_DIR_DECRYPT);
}
