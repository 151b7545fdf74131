// SPDX-License-Identifier: BSD-3-Clause
// Integrity over ESP and AH that needs no IV: HMAC (RFC 2403, RFC 2404, RFC 4868), AES-XCBC (RFC
// 3566) and AES-CMAC (RFC 4494).  One burst per method, over all associations.  A tag of the usual
// length is cut by the library and written where it belongs.  Others it would not cut; these, and
// what is only compared, are whole digests in a place of their own, and cut when they are used.
//
// With extended sequence numbers the high half is hashed behind everything else, but not sent (RFC
// 4303 section 2.2.1, RFC 4302 section 2.5.1).  It stands there while the packet is hashed: in ESP
// that is the room of the ICV, in AH it is behind the packet.
#include "crypto/imb.h"

#include "base/bytes.h"
#include "base/secret.h"

#include <string.h>

_Static_assert(FER_ESP_MAX_ICV_BYTES <= 32, "an ICV is few bytes");

#define ESN_BYTES 4
#define LONG_BYTES 256
#define LANES 16 // of AVX512, for the hashes that have a narrow code

#define AES_BLOCK_BYTES 16
#define LONG_HEAD_BYTES 256 // of a text over 65,535 bytes: enough that the rest is not

#define HMAC_MAX_BLOCK_BYTES 128
#define HMAC_IPAD 0x36
#define HMAC_OPAD 0x5c

struct imb_mac {
	IMB_HASH_ALG hash;
	uint8_t digest_bytes;
	uint8_t cut_bytes; // what the library can cut it to; 0: not relied upon
	// Fewer packets than this go to the narrow code, and so do those that are left when the
	// lanes of the wide code have been filled; for short packets and for long ones.
	uint8_t few_short;
	uint8_t few_long;
	// Hashes a block of the key and the pad.  NULL: not an HMAC.
	void (*one_block)(IMB_MGR *m, const void *block, void *state);
	bool one_by_one; // the library has no burst for it
};

static void sha1_block(IMB_MGR *m, const void *block, void *state)
{
	IMB_SHA1_ONE_BLOCK(m, block, state);
}

static void sha256_block(IMB_MGR *m, const void *block, void *state)
{
	IMB_SHA256_ONE_BLOCK(m, block, state);
}

static void sha384_block(IMB_MGR *m, const void *block, void *state)
{
	IMB_SHA384_ONE_BLOCK(m, block, state);
}

static void sha512_block(IMB_MGR *m, const void *block, void *state)
{
	IMB_SHA512_ONE_BLOCK(m, block, state);
}

static void md5_block(IMB_MGR *m, const void *block, void *state)
{
	IMB_MD5_ONE_BLOCK(m, block, state);
}

static const struct imb_mac macs[FER_N_METHODS] = {
	[FER_METHOD_HMAC_SHA1] = {IMB_AUTH_HMAC_SHA_1, 20, 12, 11, 7, sha1_block, false},
	[FER_METHOD_HMAC_SHA2_256] = {IMB_AUTH_HMAC_SHA_256, 32, 16, 22, 13, sha256_block, false},
	[FER_METHOD_HMAC_SHA2_384] = {IMB_AUTH_HMAC_SHA_384, 48, 24, 0, 0, sha384_block, false},
	[FER_METHOD_HMAC_SHA2_512] = {IMB_AUTH_HMAC_SHA_512, 64, 32, 0, 0, sha512_block, false},
	[FER_METHOD_HMAC_MD5] = {IMB_AUTH_MD5, 16, 0, 0, 0, md5_block, true},
	[FER_METHOD_AES_XCBC] = {IMB_AUTH_AES_XCBC, 16, 0, 0, 0, NULL, true},
	[FER_METHOD_AES_CMAC] = {IMB_AUTH_AES_CMAC, 16, 0, 0, 0, NULL, true},
};

// One half of RFC 2104.  Every HMAC of IPsec has a key as long as its digest, so no longer than a
// block.
static void expand_pad(IMB_MGR *m, const struct imb_mac *mac, const uint8_t *key, uint8_t pad,
	uint8_t state[IMB_DIGEST_BYTES])
{
	uint8_t block[HMAC_MAX_BLOCK_BYTES];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < mac->digest_bytes; i++)
		block[i] ^= key[i];
	mac->one_block(m, block, state);
	fer_secret_wipe(block, sizeof(block));
}

void fer_imb_mac_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	const struct imb_mac *mac = &macs[s->auth_method];

	expand_pad(e->wide, mac, key, HMAC_IPAD, k->pair.inner);
	expand_pad(e->wide, mac, key, HMAC_OPAD, k->pair.outer);
}

void fer_imb_xcbc_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	(void)s;
	IMB_AES_XCBC_KEYEXP(e->wide, key, k->pair.rounds, k->pair.last[0], k->pair.last[1]);
}

void fer_imb_cmac_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	uint8_t unused[IMB_AES_ROUND_KEYS_BYTES];

	(void)s;
	IMB_AES_KEYEXP_128(e->wide, key, k->pair.rounds, unused);
	fer_secret_wipe(unused, sizeof(unused));
	IMB_AES_CMAC_SUBKEY_GEN_128(e->wide, k->pair.rounds, k->pair.last[0], k->pair.last[1]);
}

// How a key is described to the library: what it begins with, or its two pads, and its last blocks.
struct key_words {
	const void *word[3];
};

static struct key_words words_of(const struct imb_mac *mac, const struct fer_key *k)
{
	_Static_assert(
		offsetof(IMB_JOB, u.XCBC._k1_expanded) == offsetof(IMB_JOB, u.CMAC._key_expanded) &&
			offsetof(IMB_JOB, u.XCBC._k2) == offsetof(IMB_JOB, u.CMAC._skey1) &&
			offsetof(IMB_JOB, u.XCBC._k3) == offsetof(IMB_JOB, u.CMAC._skey2),
		"one key of two blocks is described like another");
	_Static_assert(offsetof(IMB_JOB, u.CMAC._key_expanded) == offsetof(IMB_JOB, u) &&
			       offsetof(IMB_JOB, u.CMAC._skey1) == offsetof(IMB_JOB, u) + 8 &&
			       offsetof(IMB_JOB, u.CMAC._skey2) == offsetof(IMB_JOB, u) + 16 &&
			       offsetof(IMB_JOB, u.HMAC._hashed_auth_key_xor_ipad) ==
				       offsetof(IMB_JOB, u) &&
			       offsetof(IMB_JOB, u.HMAC._hashed_auth_key_xor_opad) ==
				       offsetof(IMB_JOB, u) + 8,
		"every key is described by the first words");
	if (mac->one_block != NULL)
		return (struct key_words){{k->pair.inner, k->pair.outer, NULL}};
	return (struct key_words){{k->pair.rounds, k->pair.last[0], k->pair.last[1]}};
}

// Where seq_hi is hashed.
static uint8_t *behind(const struct fer_job *j)
{
	return j->start + fer_imb_covered(j);
}

// Puts seq_hi where it is to be hashed.
static void put_seq_hi(struct fer_engine *e, unsigned i, const struct fer_job *j)
{
	memcpy(&e->under_seq_hi[i], behind(j), ESN_BYTES);
	fer_store_be32(behind(j), j->seq_hi);
	e->jobs[i].msg_len_to_hash_in_bytes += ESN_BYTES;
}

// How many of n packets, the last ones, the narrow code is better for.  One packet alone in 16
// lanes takes as long as 16.
static unsigned narrow_share(const struct imb_mac *mac, unsigned n, size_t bytes)
{
	unsigned few = bytes < (size_t)n * LONG_BYTES ? mac->few_short : mac->few_long;

	if (n < few)
		return n;
	return n % LANES < few ? n % LANES : 0;
}

// The library counts the bytes of MACs that are made of AES in 16 bits.
static bool is_too_long(const struct imb_mac *mac, const IMB_JOB *j)
{
	return mac->one_block == NULL && j->msg_len_to_hash_in_bytes > UINT16_MAX;
}

static void mix(uint8_t block[AES_BLOCK_BYTES], const uint8_t *with)
{
	for (unsigned i = 0; i < AES_BLOCK_BYTES; i++)
		block[i] ^= with[i];
}

// Hashes len bytes, at most as many as the engine has scratch room for, of which the first or the
// last block is mixed with something else.
static void run_mixed(struct fer_engine *e, IMB_JOB *j, const uint8_t *text, size_t len,
	size_t block_at, const uint8_t *with, void *tag)
{
	memcpy(e->scratch, text, len);
	mix(e->scratch + block_at, with);
	j->src = e->scratch;
	j->msg_len_to_hash_in_bytes = len;
	j->auth_tag_output = tag;
	fer_imb_jobs_run(e, e->wide, j, 1);
	fer_secret_wipe(e->scratch, len);
}

// Such a MAC is a chain of blocks, each mixed with what came of those before it, the last one with
// a part of the key as well.  Of the head of a text the bare chain is wanted, so that part is mixed
// in once more, which takes it out; the rest goes on from there.
static void run_long(struct fer_engine *e, IMB_JOB *j)
{
	const uint8_t *rest = j->src + LONG_HEAD_BYTES;
	uint8_t chain[AES_BLOCK_BYTES];
	IMB_JOB part = *j;

	part.hash_alg = IMB_AUTH_AES_CMAC;
	run_mixed(e, &part, j->src, LONG_HEAD_BYTES, LONG_HEAD_BYTES - AES_BLOCK_BYTES,
		j->u.CMAC._skey1, chain);
	if ((part.status & IMB_STATUS_COMPLETED_AUTH) != 0)
		run_mixed(e, &part, rest, j->msg_len_to_hash_in_bytes - LONG_HEAD_BYTES, 0, chain,
			j->auth_tag_output);
	j->status = part.status;
	fer_secret_wipe(chain, sizeof(chain));
}

// What the calls for one job at a time ask the job itself.
static void name_method(IMB_JOB *to, const struct imb_mac *mac)
{
	to->dst = NULL;
	to->msg_len_to_cipher_in_bytes = 0;
	to->cipher_mode = IMB_CIPHER_NULL;
	to->cipher_direction = IMB_DIR_ENCRYPT;
	to->hash_alg = mac->hash;
	to->chain_order = IMB_ORDER_HASH_CIPHER;
}

static void run_one_by_one(struct fer_engine *e, const struct imb_mac *mac, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		name_method(&e->jobs[i], mac);
	for (unsigned first = 0, last; first < n; first = last) {
		last = first + 1;
		if (is_too_long(mac, &e->jobs[first])) {
			run_long(e, &e->jobs[first]);
			continue;
		}
		while (last < n && !is_too_long(mac, &e->jobs[last]))
			last++;
		fer_imb_jobs_run(e, e->wide, e->jobs + first, last - first);
	}
}

// Returns how many are known to have been hashed.
static unsigned submit(struct fer_engine *e, const struct imb_mac *mac, unsigned n, size_t bytes)
{
	unsigned narrow = narrow_share(mac, n, bytes), done = 0;
	IMB_JOB *jobs = e->jobs;

	if (mac->one_by_one) {
		run_one_by_one(e, mac, n);
		return 0;
	}
	if (n != narrow)
		done += IMB_SUBMIT_HASH_BURST_NOCHECK(e->wide, jobs, n - narrow, mac->hash);
	if (narrow != 0)
		done += IMB_SUBMIT_HASH_BURST_NOCHECK(
			e->narrow, jobs + n - narrow, narrow, mac->hash);
	return done;
}

// The hashed bytes of a burst, and where its tags are.
struct burst {
	size_t bytes;
	bool esn;   // of some of its jobs
	bool apart; // some tags are in e->digest
};

static inline void fetch_key(const struct fer_key *key)
{
	fer_imb_fetch_line(key->pair.inner);
	fer_imb_fetch_line(key->pair.outer);
}

// Describes n jobs of suites that are alike to the library, as those from at on; to seal, or to
// verify.  Tags go to their place in the packet, or whole to e->digest.
//   one_key  of one association; else the key of each is fetched
__attribute__((always_inline)) static inline void fill(struct fer_engine *e, unsigned at,
	const struct imb_mac *mac, struct imb_jobs jobs, unsigned n, bool seal, bool one_key,
	struct burst *b)
{
	const struct fer_suite *s = fer_imb_job(jobs, 0)->suite;
	const bool in_place = seal && s->icv_bytes == mac->cut_bytes, ah = s->ah;
	const uint32_t tag_bytes = in_place ? mac->cut_bytes : mac->digest_bytes;
	const uint32_t behind_bytes = ah ? 0 : s->icv_bytes;
	struct key_words key = words_of(mac, fer_imb_job(jobs, 0)->key);
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct fer_job *j = fer_imb_job(jobs, i);
		IMB_JOB *to = &e->jobs[at + i];
		uint32_t covered = j->len - behind_bytes;
		uint8_t *icv = ah ? j->icv : j->start + covered;

		if (!one_key) {
			key = words_of(mac, j->key);
			fetch_key(j->key);
		}
		to->src = j->start;
		to->msg_len_to_hash_in_bytes = covered;
		to->auth_tag_output = in_place ? icv : e->digest[at + i];
		to->auth_tag_output_len_in_bytes = tag_bytes;
		memcpy(&to->u, &key, sizeof(key));
		to->hash_alg = mac->hash;
		to->status = IMB_STATUS_BEING_PROCESSED;
		bytes += covered;
	}
	for (unsigned i = 0; i < n && s->esn; i++)
		put_seq_hi(e, at + i, fer_imb_job(jobs, i));
	b->bytes += bytes;
	b->esn |= s->esn;
	b->apart |= !in_place;
}

// Describes n jobs to the library.
static inline struct burst fill_all(struct fer_engine *e, const struct imb_mac *mac,
	struct fer_job *const *job, unsigned n, bool seal)
{
	struct burst b = {0, false, false};

	for (unsigned i = 0, n_run; i < n; i += n_run) {
		n_run = fer_imb_run(job + i, n - i);
		fetch_key(job[i]->key);
		fill(e, i, mac, (struct imb_jobs){job + i, NULL}, n_run, seal, true, &b);
	}
	return b;
}

static bool is_hashed(const struct fer_engine *e, unsigned i)
{
	return (e->jobs[i].status & IMB_STATUS_COMPLETED_AUTH) != 0;
}

// In ESP the ICV stands where seq_hi stood.
static void finish_sealed(const struct fer_engine *e, unsigned i, struct fer_job *j)
{
	if (!is_hashed(e, i))
		j->verdict = FER_CRYPTO_ERROR;
	else if (e->jobs[i].auth_tag_output == e->digest[i])
		fer_copy_few(fer_imb_icv(j), e->digest[i], j->suite->icv_bytes);
	if (j->suite->ah && j->suite->esn)
		memcpy(behind(j), &e->under_seq_hi[i], ESN_BYTES);
}

static void seal_chunk(
	struct fer_engine *e, const struct imb_mac *mac, struct fer_job *const *job, unsigned n)
{
	struct burst b = fill_all(e, mac, job, n, true);
	unsigned done = submit(e, mac, n, b.bytes);

	if (done == n && !b.esn && !b.apart)
		return;
	for (unsigned i = 0; i < n; i++)
		finish_sealed(e, i, job[i]);
}

// Judges n jobs of one suite, of which the library has those from at on.  Returns how many
// verified, which it puts into a list.
//   verified  NULL: no list
__attribute__((always_inline)) static inline unsigned judge(const struct fer_engine *e, unsigned at,
	struct imb_jobs jobs, unsigned n, struct fer_job **verified)
{
	const struct fer_suite *s = fer_imb_job(jobs, 0)->suite;
	const uint32_t icv_bytes = s->icv_bytes;
	const bool ah = s->ah;
	unsigned n_verified = 0;

	for (unsigned i = 0; i < n; i++) {
		struct fer_job *j = fer_imb_job(jobs, i);
		const uint8_t *icv = ah ? j->icv : j->start + j->len - icv_bytes;

		if (!is_hashed(e, at + i)) {
			j->verdict = FER_CRYPTO_ERROR;
		} else if (!fer_secret_equal_icv(e->digest[at + i], icv, icv_bytes)) {
			j->verdict = FER_BAD_ICV;
		} else {
			if (verified != NULL)
				verified[n_verified] = j;
			n_verified++;
		}
	}
	return n_verified;
}

static void open_chunk(
	struct fer_engine *e, const struct imb_mac *mac, struct fer_job *const *job, unsigned n)
{
	struct burst b = fill_all(e, mac, job, n, false);

	submit(e, mac, n, b.bytes);
	for (unsigned i = 0; i < n && b.esn; i++)
		if (job[i]->suite->esn)
			memcpy(behind(job[i]), &e->under_seq_hi[i], ESN_BYTES);
	for (unsigned i = 0, n_run; i < n; i += n_run) {
		const unsigned m = job[i]->suite->method;

		n_run = fer_imb_run(job + i, n - i);
		e->n[m] += (uint16_t)judge(
			e, i, (struct imb_jobs){job + i, NULL}, n_run, &e->list[m][e->n[m]]);
	}
}

void fer_imb_mac_seal(struct fer_engine *e, enum fer_method m)
{
	for (unsigned at = 0; at < e->n[m]; at += IMB_MAX_BURST_SIZE)
		seal_chunk(e, &macs[m], e->list[m] + at, fer_imb_chunk(e->n[m], at));
}

void fer_imb_mac_open(struct fer_engine *e, enum fer_method m)
{
	for (unsigned at = 0; at < e->n[m]; at += IMB_MAX_BURST_SIZE)
		open_chunk(e, &macs[m], e->list[m] + at, fer_imb_chunk(e->n[m], at));
}

bool fer_imb_mac_cuts(const struct fer_suite *s)
{
	return s->icv_bytes == macs[s->auth_method].cut_bytes;
}

// A function of its own, so that those of one key have the registers for themselves.
__attribute__((noinline)) static void fill_keys(struct fer_engine *e, const struct imb_mac *mac,
	struct fer_job *first, unsigned n, bool seal, struct burst *b)
{
	fill(e, 0, mac, (struct imb_jobs){NULL, first}, n, seal, false, b);
}

static inline struct burst fill_neighbours(struct fer_engine *e, const struct imb_mac *mac,
	struct fer_job *first, unsigned n, bool seal, bool one_key)
{
	struct burst b = {0, false, false};

	if (one_key)
		fill(e, 0, mac, (struct imb_jobs){NULL, first}, n, seal, true, &b);
	else
		fill_keys(e, mac, first, n, seal, &b);
	return b;
}

bool fer_imb_mac_seal_run(struct fer_engine *e, struct fer_job *first, unsigned n, bool one_key)
{
	const struct imb_mac *mac = &macs[first->suite->auth_method];
	const struct burst b = fill_neighbours(e, mac, first, n, true, one_key);

	if (submit(e, mac, n, b.bytes) == n)
		return true;
	for (unsigned i = 0; i < n; i++)
		finish_sealed(e, i, &first[i]);
	return false;
}

bool fer_imb_mac_open_run(struct fer_engine *e, struct fer_job *first, unsigned n, bool one_key)
{
	const struct imb_mac *mac = &macs[first->suite->auth_method];
	const struct burst b = fill_neighbours(e, mac, first, n, false, one_key);

	submit(e, mac, n, b.bytes);
	return judge(e, 0, (struct imb_jobs){NULL, first}, n, NULL) == n;
}
