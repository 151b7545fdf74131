// SPDX-License-Identifier: BSD-3-Clause
// Each row is asked in a burst that fills the lanes of its method and leaves some over, and packet
// by packet, because those are other code; with short packets and long ones.  Its method is asked
// for itself, so that a fault of one does not look like a fault of another, and with IVs that are
// known, which those of CBC are not where packets are sealed.
#include "crypto/selftest.h"

#include "base/secret.h"
#include "crypto/imb.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define N_JOBS 35 // more than twice the lanes of AVX512
#define KEY_STEP 0x1d

struct bench {
	struct selftest_question q;
	struct fer_key key;
	struct fer_job job[N_JOBS];
	uint8_t packet[N_JOBS][SELFTEST_PACKET_BYTES];
};

// Which packet a job is.  Two of the lengths are enough to fill lanes.
static unsigned kind_of(const struct bench *b, unsigned i)
{
	return i < b->q.n_packets ? i : i % (SELFTEST_PACKETS / 2);
}

// Made by OpenSSL: selftest_test.c makes them again.
static const struct {
	enum fer_algo_role role;
	const char *name;
	uint64_t digest;
} answers[] = {
	{FER_ENCRYPTION, "null", UINT64_C(0xc621ace164c207a5)},
	{FER_ENCRYPTION, "aes-cbc-128", UINT64_C(0x9a9961c01546f066)},
	{FER_ENCRYPTION, "aes-cbc-192", UINT64_C(0x7378679ab4542faf)},
	{FER_ENCRYPTION, "aes-cbc-256", UINT64_C(0x7419c77213343c4c)},
	{FER_ENCRYPTION, "aes-gcm-128", UINT64_C(0xa1d70529fa5f7a2f)},
	{FER_ENCRYPTION, "aes-gcm-192", UINT64_C(0xaf0ffa286af8525a)},
	{FER_ENCRYPTION, "aes-gcm-256", UINT64_C(0xc26837128f111b6d)},
	{FER_ENCRYPTION, "aes-ccm-128", UINT64_C(0xd9c8bc14ff83851c)},
	{FER_ENCRYPTION, "aes-ccm-192", UINT64_C(0x00fe71d1a2dee9af)},
	{FER_ENCRYPTION, "aes-ccm-256", UINT64_C(0x979540e3fe60a34c)},
	{FER_ENCRYPTION, "chacha20-poly1305", UINT64_C(0x1911d02321ab4dcd)},
	{FER_ENCRYPTION, "aes-ctr-128", UINT64_C(0xc1b66ed1e30314b6)},
	{FER_ENCRYPTION, "aes-ctr-192", UINT64_C(0xfb2aedf66cb02c58)},
	{FER_ENCRYPTION, "aes-ctr-256", UINT64_C(0x7e8f6ea9a4b6d3cd)},
	{FER_ENCRYPTION, "3des-cbc", UINT64_C(0xb804045edf29e982)},
	{FER_ENCRYPTION, "des-cbc", UINT64_C(0x306bf3042c98dfa5)},
	{FER_INTEGRITY, "hmac-sha1-96", UINT64_C(0xf21dea263fe71f1a)},
	{FER_INTEGRITY, "hmac-sha2-256-128", UINT64_C(0x7dd1cb3c8a28f6a1)},
	{FER_INTEGRITY, "hmac-sha2-256-96", UINT64_C(0x55d97194e6a1fbfe)},
	{FER_INTEGRITY, "hmac-sha2-384-192", UINT64_C(0xba84f1ec2e220192)},
	{FER_INTEGRITY, "hmac-sha2-512-256", UINT64_C(0xee7e03adb802e720)},
	{FER_INTEGRITY, "aes-xcbc-96", UINT64_C(0x18002d880e1cd2fb)},
	{FER_INTEGRITY, "aes-cmac-96", UINT64_C(0x5948639810943d94)},
	{FER_INTEGRITY, "hmac-md5-96", UINT64_C(0x0593c91c2aeb33bd)},
	{FER_INTEGRITY, "aes-gmac-128", UINT64_C(0x394bc06b22041d82)},
	{FER_INTEGRITY, "aes-gmac-192", UINT64_C(0x914431fe634f87fa)},
	{FER_INTEGRITY, "aes-gmac-256", UINT64_C(0x94f4b2a1b7b3a9d3)},
};

uint64_t fer_selftest_answer(const struct fer_algo *row)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (answers[i].role == row->role && strcmp(answers[i].name, row->name) == 0)
			return answers[i].digest;
	return 0;
}

uint64_t fer_selftest_digest(uint64_t digest, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
	return digest;
}

void fer_selftest_ask(struct selftest_question *q, const struct fer_algo *row)
{
	const bool is_mac = row->role == FER_INTEGRITY;
	const struct fer_algo *mac = is_mac      ? row
				     : row->aead ? NULL
						 : fer_algo_find(FER_INTEGRITY, "hmac-sha1-96");
	const char *why = fer_suite_init(
		&q->suite[0], is_mac ? fer_algo_find(FER_ENCRYPTION, "null") : row, mac, 0);

	assert(why == NULL);
	(void)why;
	for (unsigned i = 0; i < sizeof(q->key); i++)
		q->key[i] = (uint8_t)(i * KEY_STEP + 1);
	memcpy(q->suite[0].salt, q->key + row->key_bytes, row->salt_bytes);
	q->suite[1] = q->suite[0];
	q->suite[1].esn = true;
	q->method = row->method;
	q->n_packets = row->legacy ? SELFTEST_PACKETS / 2 : SELFTEST_PACKETS;
	q->not_judged_bytes = is_mac || row->aead ? 0 : q->suite[0].icv_bytes;
}

uint32_t fer_selftest_packet(const struct selftest_question *q, unsigned i, uint8_t *packet)
{
	static const uint32_t text_bytes[SELFTEST_PACKETS / 2] = {16, 64, 272, 1424};
	const struct fer_suite *s = &q->suite[i % 2];
	// Where blocks are shorter than 16 bytes, the last one is not full.
	const uint32_t len = s->around_bytes + (text_bytes[i / 2] | (16u - s->align_bytes));

	for (uint32_t at = 0; at < len; at++)
		packet[at] = (uint8_t)(at * 7 + i * 31 + (at >> 8));
	return len;
}

// --- asking -----------------------------------------------------------------------------------

static void lay_out(struct bench *b)
{
	for (unsigned i = 0; i < N_JOBS; i++) {
		struct fer_job *j = &b->job[i];

		*j = (struct fer_job){.start = b->packet[i],
			.suite = &b->q.suite[i % 2],
			.key = &b->key,
			.seq_hi = 0x01020304};
		j->len = fer_selftest_packet(&b->q, kind_of(b, i), b->packet[i]);
		if (j->suite->counter)
			j->iv = be64toh(fer_imb_get_counter(j));
	}
}

// Seals or opens n jobs from at on, by their method alone.
static void work(struct fer_engine *e, struct bench *b, unsigned at, unsigned n, bool seal)
{
	const struct imb_method *m = &fer_imb_methods[b->q.method];

	memset(e->n, 0, sizeof(e->n));
	for (unsigned i = at; i < at + n; i++) {
		b->job[i].verdict = FER_OK;
		fer_imb_push(e, b->q.method, &b->job[i]);
	}
	if (m->seal != NULL)
		(seal ? m->seal : m->open)(e, b->q.method);
}

static uint32_t judged_bytes(const struct bench *b, unsigned i)
{
	return b->job[i].len - b->q.not_judged_bytes;
}

// Are all packets those of the answer?  The first of each kind by its digest, the others by the
// first.
static bool is_sealed(const struct bench *b, unsigned n, uint64_t answer)
{
	uint64_t digest = SELFTEST_DIGEST;

	for (unsigned i = 0; i < n; i++) {
		if (b->job[i].verdict != FER_OK)
			return false;
		if (i < b->q.n_packets)
			digest = fer_selftest_digest(digest, b->packet[i], judged_bytes(b, i));
		else if (!fer_secret_equal(
				 b->packet[i], b->packet[kind_of(b, i)], judged_bytes(b, i)))
			return false;
	}
	return digest == answer;
}

static bool is_as_before(const struct bench *b, unsigned i, uint32_t bytes)
{
	uint8_t plain[SELFTEST_PACKET_BYTES];

	(void)fer_selftest_packet(&b->q, kind_of(b, i), plain);
	return fer_secret_equal(b->packet[i], plain, bytes);
}

// Do n sealed packets open to what they were?
static bool opens(struct fer_engine *e, struct bench *b, unsigned n, bool one_by_one)
{
	for (unsigned i = 0; i < n; i += one_by_one ? 1 : n)
		work(e, b, i, one_by_one ? 1 : n, false);
	for (unsigned i = 0; i < n; i++)
		if (b->job[i].verdict != FER_OK ||
			!is_as_before(b, i, b->job[i].len - b->job[i].suite->icv_bytes))
			return false;
	return true;
}

// Is a packet with a wrong ICV found out?
static bool refuses(struct fer_engine *e, struct bench *b)
{
	if (b->q.not_judged_bytes != 0 || b->q.method == FER_METHOD_NULL)
		return true;
	lay_out(b);
	work(e, b, 0, N_JOBS, true);
	for (unsigned i = 0; i < N_JOBS; i++)
		b->packet[i][b->job[i].len - 1 - i % 8] ^= 1;
	work(e, b, 0, N_JOBS, false);
	for (unsigned i = 0; i < N_JOBS; i++)
		if (b->job[i].verdict != FER_BAD_ICV)
			return false;
	return true;
}

static bool passes(struct fer_engine *e, struct bench *b, const struct fer_algo *row)
{
	const uint64_t answer = fer_selftest_answer(row);

	fer_selftest_ask(&b->q, row);
	fer_key_init(&b->key, e, &b->q.suite[0], b->q.key, b->q.key);
	lay_out(b);
	work(e, b, 0, N_JOBS, true);
	if (!is_sealed(b, N_JOBS, answer) || !opens(e, b, N_JOBS, false))
		return false;
	lay_out(b);
	for (unsigned i = 0; i < b->q.n_packets; i++)
		work(e, b, i, 1, true);
	return is_sealed(b, b->q.n_packets, answer) && opens(e, b, b->q.n_packets, true) &&
	       refuses(e, b);
}

int fer_selftest_run(struct fer_engine *e, uint64_t *failed)
{
	struct bench *b = aligned_alloc(IMB_LINE_BYTES, sizeof(*b));
	const struct fer_algo *row;

	if (b == NULL)
		return -ENOMEM;
	memset(b, 0, sizeof(*b));
	*failed = 0;
	for (unsigned i = 0; (row = fer_algo_row(i)) != NULL; i++)
		if (!passes(e, b, row))
			*failed |= UINT64_C(1) << i;
	free(b);
	return 0;
}
