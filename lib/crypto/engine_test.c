// SPDX-License-Identifier: BSD-3-Clause
// Does the engine compute what OpenSSL computes, for every suite, in bursts of any mix, on every
// instruction set, and does it leave alone what it refuses?
#include "crypto/engine.h"

#include "base/bytes.h"
#include "crypto/esp_oracle.h"
#include "crypto/imb.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define MAX_SUITES 192
#define N_KEYS 3 // of each suite
#define MAX_SAS (N_KEYS * MAX_SUITES)
#define MAX_PACKET 2112
#define SPI 0x4321

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint32_t random_below(uint32_t n)
{
	return (uint32_t)(random_u64() >> 32) % n;
}

static void random_fill(void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)p)[i] = (uint8_t)(random_u64() >> 56);
}

// An IV source that gives the same numbers every time.
static int fixed_start(void *ctx, uint64_t *counter)
{
	(void)ctx;
	*counter = 1;
	return 0;
}

static int fixed_key(void *ctx, uint8_t key[FER_IV_KEY_BYTES])
{
	memset(key, *(const int *)ctx, FER_IV_KEY_BYTES);
	return 0;
}

static int fixed_seed = 7;
static const struct fer_iv_source fixed_ivs = {fixed_start, fixed_key, &fixed_seed};

// Every suite with every length of ICV, without and with ESN: n_sas associations.  Behind them
// there are as many of the same suites, but with other keys and salts, and once more.
static struct oracle_sa sas[MAX_SAS];
static struct fer_key *keys[MAX_SAS];
static unsigned n_sas, n_keys;

static struct fer_engine *engine;
static const char *arch; // of the engine under test

static void add_sa(
	const struct fer_algo *encryption, const struct fer_algo *integrity, unsigned icv)
{
	for (int esn = 0; esn < 2; esn++) {
		struct oracle_sa *sa = &sas[n_keys];

		if (fer_suite_init(&sa->suite, encryption, integrity, icv) != NULL)
			return;
		assert_true(n_keys < MAX_SAS);
		sa->suite.esn = esn == 1;
		random_fill(sa->suite.salt, encryption->salt_bytes);
		random_fill(sa->encryption_key, sizeof(sa->encryption_key));
		random_fill(sa->integrity_key, sizeof(sa->integrity_key));
		keys[n_keys] = aligned_alloc(64, fer_key_bytes(&sa->suite));
		memset(keys[n_keys], 0, fer_key_bytes(&sa->suite));
		fer_key_init(
			keys[n_keys], engine, &sa->suite, sa->encryption_key, sa->integrity_key);
		n_keys++;
	}
}

static void add_sas(void)
{
	const struct fer_algo *e, *a;

	for (unsigned i = 0; (e = fer_algo_row(i)) != NULL; i++) {
		if (e->role != FER_ENCRYPTION)
			continue;
		for (unsigned icv = 1; icv <= FER_ESP_MAX_ICV_BYTES; icv++) {
			add_sa(e, NULL, icv);
			for (unsigned k = 0; (a = fer_algo_row(k)) != NULL; k++)
				if (a->role == FER_INTEGRITY)
					add_sa(e, a, icv);
		}
	}
}

static int setup(void **state)
{
	int error = 0;

	(void)state;
	engine = fer_imb_open(&fixed_ivs, arch, &error);
	if (engine == NULL)
		return error;
	n_keys = 0;
	add_sas();
	n_sas = n_keys;
	while (n_keys < N_KEYS * n_sas)
		add_sas();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_keys; i++) {
		fer_key_fini(keys[i], &sas[i].suite);
		free(keys[i]);
	}
	fer_engine_close(engine);
	return 0;
}

static uint32_t around(const struct fer_suite *s)
{
	return 8u + s->iv_bytes + s->icv_bytes;
}

// A framed packet of n blocks of the suite's alignment, with random contents.
static struct fer_job frame(unsigned sa, uint8_t *esp, uint32_t n_blocks)
{
	const struct fer_suite *s = &sas[sa].suite;
	uint32_t len = around(s) + n_blocks * s->align_bytes;

	random_fill(esp, len);
	fer_store_be32(esp, SPI);
	return (struct fer_job){.start = esp,
		.suite = s,
		.key = keys[sa],
		.iv = random_u64(),
		.len = len,
		.seq_hi = (uint32_t)random_u64(),
		.verdict = 0xff};
}

static uint32_t random_blocks(const struct fer_suite *s)
{
	// Most are short: there are many suites.
	return 1 + random_below((random_below(8) == 0 ? 2000u : 200u) / s->align_bytes);
}

struct burst {
	unsigned n;
	unsigned sa[FER_ENGINE_BURST];
	struct fer_job job[FER_ENGINE_BURST];
	uint8_t plain[FER_ENGINE_BURST][MAX_PACKET];
	uint8_t packet[FER_ENGINE_BURST][MAX_PACKET];
};

static struct burst burst;

// Fills the burst with n packets of associations chosen at random from n_of, the first one and
// those at steps behind it.
static void frame_steps(struct burst *b, unsigned n, unsigned first, unsigned n_of, unsigned step)
{
	b->n = n;
	for (unsigned i = 0; i < n; i++) {
		unsigned sa = first + step * random_below(n_of);

		b->sa[i] = sa;
		// Odd addresses as well: nothing is promised about alignment.
		b->job[i] =
			frame(sa, b->packet[i] + random_below(16), random_blocks(&sas[sa].suite));
		memcpy(b->plain[i], b->job[i].start, b->job[i].len);
	}
}

static void frame_burst(struct burst *b, unsigned n, unsigned first, unsigned n_of)
{
	frame_steps(b, n, first, n_of, 1);
}

static void check_text(const struct burst *b, unsigned i)
{
	const struct fer_job *j = &b->job[i];
	uint32_t off = 8u + j->suite->iv_bytes;

	assert_memory_equal(j->start, b->plain[i], 8);
	assert_memory_equal(j->start + off, b->plain[i] + off, j->len - around(j->suite));
}

static void check_seal(struct burst *b)
{
	fer_engine_seal(engine, b->job, b->n);
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_job *j = &b->job[i];

		assert_int_equal(j->verdict, FER_OK);
		if (j->suite->counter)
			assert_true(fer_load_be64(j->start + 8) == j->iv);
		assert_true(oracle_open(&sas[b->sa[i]], j->start, j->len, j->seq_hi));
		check_text(b, i);
	}
}

static void check_open(struct burst *b)
{
	for (unsigned i = 0; i < b->n; i++)
		oracle_seal(&sas[b->sa[i]], b->job[i].start, b->job[i].len, b->job[i].seq_hi);
	assert_true(fer_engine_open_burst(engine, b->job, b->n));
	for (unsigned i = 0; i < b->n; i++) {
		assert_int_equal(b->job[i].verdict, FER_OK);
		check_text(b, i);
	}
}

static void bursts_of_one_suite_agree_with_openssl(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++)
		for (unsigned n = 1; n <= 40; n += n < 3 ? 1 : 17) {
			frame_burst(&burst, n, sa, 1);
			check_seal(&burst);
			frame_burst(&burst, n, sa, 1);
			check_open(&burst);
		}
}

static void bursts_of_one_suite_and_several_keys_agree_with_openssl(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++)
		for (unsigned n = 2; n <= 40; n += 19) {
			frame_steps(&burst, n, sa, N_KEYS, n_sas);
			check_seal(&burst);
			frame_steps(&burst, n, sa, N_KEYS, n_sas);
			check_open(&burst);
		}
}

// The library lends its jobs as they are.
static void spoil_next_job(void)
{
	memset(IMB_GET_NEXT_JOB(engine->wide), 0xff, sizeof(IMB_JOB));
}

static void what_a_job_held_before_does_not_count(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++) {
		spoil_next_job();
		frame_burst(&burst, 1, sa, 1);
		check_seal(&burst);
		spoil_next_job();
		frame_burst(&burst, 1, sa, 1);
		check_open(&burst);
	}
}

static void mixed_bursts_agree_with_openssl(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= FER_ENGINE_BURST; n += n < 40 ? 1 : 54) {
		frame_burst(&burst, n, 0, n_keys);
		check_seal(&burst);
		frame_burst(&burst, n, 0, n_keys);
		check_open(&burst);
	}
}

// A packet sealed by OpenSSL, and what it was before anybody touched it.
struct sealed {
	struct fer_job job;
	uint8_t was[MAX_PACKET];
};

static uint8_t room[MAX_PACKET];

static struct sealed *sealed_packet(unsigned sa, uint32_t n_blocks)
{
	static struct sealed p;

	p.job = frame(sa, room, n_blocks);
	oracle_seal(&sas[sa], p.job.start, p.job.len, p.job.seq_hi);
	memcpy(p.was, p.job.start, p.job.len);
	return &p;
}

static void check_refused(struct sealed *p, enum fer_verdict verdict)
{
	static uint8_t before[MAX_PACKET];

	memcpy(before, p->job.start, sizeof(before));
	fer_engine_open_burst(engine, &p->job, 1);
	assert_int_equal(p->job.verdict, verdict);
	assert_memory_equal(p->job.start, before, sizeof(before));
}

// RFC 4303 section 3.4.4.1: a packet that fails is not delivered; ours is also left as it came.
static void every_flipped_bit_is_found_and_changes_nothing(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++) {
		struct sealed *p = sealed_packet(sa, 1 + 20 / sas[sa].suite.align_bytes);

		for (uint32_t bit = 0; bit < p->job.len * 8; bit++) {
			p->job.start[bit / 8] ^= (uint8_t)(1 << bit % 8);
			check_refused(p, FER_BAD_ICV);
			p->job.start[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_memory_equal(p->job.start, p->was, p->job.len);
		fer_engine_open_burst(engine, &p->job, 1);
		assert_int_equal(p->job.verdict, FER_OK);
	}
}

// RFC 4303 section 2.2.1: the high half is not sent, but authenticated.
static void the_high_half_counts_with_esn_and_only_then(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++)
		for (unsigned bit = 0; bit < 32; bit++) {
			struct sealed *p = sealed_packet(sa, 4);

			p->job.seq_hi ^= UINT32_C(1) << bit;
			if (sas[sa].suite.esn) {
				check_refused(p, FER_BAD_ICV);
				p->job.seq_hi ^= UINT32_C(1) << bit;
			}
			fer_engine_open_burst(engine, &p->job, 1);
			assert_int_equal(p->job.verdict, FER_OK);
		}
}

static void lengths_that_cannot_be_are_refused(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++) {
		const struct fer_suite *s = &sas[sa].suite;

		for (uint32_t len = 0; len <= 200; len++) {
			struct sealed *p = sealed_packet(sa, 8);
			bool possible = len > around(s) && (len - around(s)) % s->align_bytes == 0;

			if (len == p->job.len)
				continue;
			p->job.len = len;
			check_refused(p, possible ? FER_BAD_ICV : FER_BAD_SYNTAX);
		}
		struct sealed *p = sealed_packet(sa, 8);

		p->job.len = UINT32_MAX - 3;
		check_refused(p, FER_BAD_SYNTAX);
		p->job.len = around(s) + (65536 / s->align_bytes) * s->align_bytes;
		check_refused(p, FER_BAD_SYNTAX);
	}
}

static void seal_refuses_lengths_that_cannot_be(void **state)
{
	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++)
		for (uint32_t len = 0; len <= 200; len++) {
			struct sealed *p = sealed_packet(sa, 8);
			uint32_t fixed = around(&sas[sa].suite);

			if (len > fixed && (len - fixed) % sas[sa].suite.align_bytes == 0)
				continue;
			p->job.len = len;
			fer_engine_seal(engine, &p->job, 1);
			assert_int_equal(p->job.verdict, FER_CRYPTO_ERROR);
			assert_memory_equal(p->job.start, p->was, around(&sas[sa].suite));
		}
}

// n packets of associations chosen at random from [first, first + n_of), few of them bad.
static void open_with_some_bad(
	struct burst *b, unsigned n, unsigned first, unsigned n_of, unsigned step)
{
	static uint8_t was[FER_ENGINE_BURST][MAX_PACKET];
	enum fer_verdict want[FER_ENGINE_BURST];
	bool all_good = true;

	frame_steps(b, n, first, n_of, step);
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_job *j = &b->job[i];

		oracle_seal(&sas[b->sa[i]], j->start, j->len, j->seq_hi);
		want[i] = (enum fer_verdict)(random_below(8) == 0   ? FER_BAD_ICV
					     : random_below(8) == 0 ? FER_BAD_SYNTAX
								    : FER_OK);
		if (want[i] == FER_BAD_ICV)
			j->start[random_below(j->len)] ^= (uint8_t)(1 << random_below(8));
		if (want[i] == FER_BAD_SYNTAX)
			j->len -= 1 + random_below(3);
		memcpy(was[i], j->start, j->len);
		all_good &= want[i] == FER_OK;
	}
	assert_int_equal(fer_engine_open_burst(engine, b->job, b->n), all_good);
	for (unsigned i = 0; i < b->n; i++) {
		assert_int_equal(b->job[i].verdict, want[i]);
		if (want[i] == FER_OK)
			check_text(b, i);
		else
			assert_memory_equal(b->job[i].start, was[i], b->job[i].len);
	}
}

static void bad_packets_do_not_harm_their_neighbours(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60; round++)
		open_with_some_bad(&burst, 1 + random_below(FER_ENGINE_BURST), 0, n_keys, 1);
	for (unsigned sa = 0; sa < n_sas; sa++)
		for (unsigned round = 0; round < 20; round++) {
			open_with_some_bad(&burst, 1 + random_below(10), sa, 1, 1);
			open_with_some_bad(&burst, 1 + random_below(10), sa, N_KEYS, n_sas);
		}
}

#define PAGE 4096
#define FENCED (2 * PAGE)

// Two pages between two that cannot be touched.
static uint8_t *map_fenced(void)
{
	uint8_t *p = mmap(NULL, FENCED + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + PAGE, FENCED, PROT_READ | PROT_WRITE), 0);
	return p + PAGE;
}

static void seal_and_open_at(unsigned sa, uint8_t *esp, uint32_t n_blocks)
{
	struct fer_job job = frame(sa, esp, n_blocks);
	uint8_t plain[MAX_PACKET];
	uint32_t off = 8u + job.suite->iv_bytes;

	memcpy(plain, esp, job.len);
	fer_engine_seal(engine, &job, 1);
	assert_int_equal(job.verdict, FER_OK);
	fer_engine_open_burst(engine, &job, 1);
	assert_int_equal(job.verdict, FER_OK);
	assert_memory_equal(esp + off, plain + off, job.len - around(job.suite));
}

// What was copied, to work on it there, is wiped.
static void assert_scratch_is_wiped(void)
{
	for (size_t at = 0; at < sizeof(engine->scratch); at++)
		if (engine->scratch[at] != 0)
			fail_msg("byte %zu of %zu", at, sizeof(engine->scratch));
}

// The library's wide loads and stores must not reach over either end of a packet.
static void nothing_outside_a_packet_is_touched(void **state)
{
	uint8_t *fenced = map_fenced();

	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++) {
		const struct fer_suite *s = &sas[sa].suite;

		for (uint32_t n = 1; n <= 1600u / s->align_bytes; n += n < 40 ? 1 : 37) {
			uint32_t len = around(s) + n * s->align_bytes;

			seal_and_open_at(sa, fenced + FENCED - len, n);
			assert_scratch_is_wiped();
			seal_and_open_at(sa, fenced, n);
		}
	}
	munmap(fenced - PAGE, FENCED + 2 * PAGE);
}

#define LONGEST 65535

// The library counts lengths in 16 bits, so the longest is a border of its own.
static void the_longest_packets_pass(void **state)
{
	uint8_t *esp = malloc(LONGEST), *plain = malloc(LONGEST);

	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++) {
		const struct fer_suite *s = &sas[sa].suite;
		uint32_t off = 8u + s->iv_bytes;
		struct fer_job job = frame(sa, esp, (LONGEST - around(s)) / s->align_bytes);

		memcpy(plain, esp, job.len);
		fer_engine_seal(engine, &job, 1);
		assert_int_equal(job.verdict, FER_OK);
		assert_true(oracle_open(&sas[sa], esp, job.len, job.seq_hi));
		assert_memory_equal(esp + off, plain + off, job.len - around(s));
		oracle_seal(&sas[sa], esp, job.len, job.seq_hi);
		fer_engine_open_burst(engine, &job, 1);
		assert_int_equal(job.verdict, FER_OK);
		assert_memory_equal(esp + off, plain + off, job.len - around(s));
	}
	free(esp);
	free(plain);
}

// Pieces of secrets that are looked for all at once, because the memory is large.
#define PIECE_BYTES 8
#define MAX_PIECES 256
static uint64_t pieces[MAX_PIECES];
static unsigned n_pieces;
static uint8_t begins[65536]; // by the first two bytes of a piece

static void look_for(const uint8_t *secret)
{
	static const uint8_t zero[PIECE_BYTES];

	if (memcmp(secret, zero, PIECE_BYTES) == 0)
		return;
	assert_true(n_pieces < MAX_PIECES);
	memcpy(&pieces[n_pieces], secret, PIECE_BYTES);
	begins[(uint16_t)pieces[n_pieces++]] = 1;
}

static bool has_pieces(const void *memory, size_t bytes)
{
	const uint8_t *at = memory;

	for (size_t i = 0; i + PIECE_BYTES <= bytes; i++) {
		uint64_t here;

		if (at[i] == 0 && at[i + 1] == 0)
			continue;
		memcpy(&here, at + i, PIECE_BYTES);
		if (begins[(uint16_t)here] == 0)
			continue;
		for (unsigned p = 0; p < n_pieces; p++)
			if (pieces[p] == here)
				return true;
	}
	return false;
}

// Has the engine a piece of what is looked for?  Then nothing is looked for any more.
static bool remembers(const struct fer_engine *e)
{
	size_t manager = imb_get_mb_mgr_size();
	bool found = has_pieces(e, sizeof(*e)) || has_pieces(e->wide, manager) ||
		     has_pieces(e->narrow, manager);

	n_pieces = 0;
	memset(begins, 0, sizeof(begins));
	return found;
}

static void look_for_keys(unsigned sa)
{
	const struct fer_suite *s = &sas[sa].suite;

	look_for(sas[sa].encryption_key);
	look_for(sas[sa].integrity_key);
	for (size_t at = 0; at + 16 <= fer_key_bytes(s); at += 16)
		look_for((const uint8_t *)keys[sa] + at);
}

// Keys and texts must not outlive a burst in the memory of the engine and of the library.
static void a_burst_leaves_nothing_behind(void **state)
{
	struct burst *b = &burst;

	(void)state;
	for (unsigned sa = 0; sa < n_sas; sa++)
		for (unsigned n = 1; n <= 21; n += 20) {
			const struct fer_job *last = &b->job[n - 1];

			frame_burst(b, n, sa, 1);
			fer_engine_seal(engine, b->job, n);
			fer_engine_open_burst(engine, b->job, n);
			look_for_keys(sa);
			look_for(last->start + 8 + last->suite->iv_bytes);
			assert_false(remembers(engine));
		}
}

static unsigned find_sa(enum fer_method method, enum fer_method auth)
{
	for (unsigned sa = 0; sa < n_sas; sa++)
		if (sas[sa].suite.method == method && sas[sa].suite.auth_method == auth)
			return sa;
	fail();
	return 0;
}

#define N_IVS 100000

static int compare_ivs(const void *a, const void *b)
{
	return memcmp(a, b, FER_ESP_MAX_IV_BYTES);
}

// Seals n packets in bursts of burst_n and collects their IVs.
static void collect_ivs(
	struct fer_engine *e, uint8_t (*ivs)[FER_ESP_MAX_IV_BYTES], unsigned n, unsigned burst_n)
{
	unsigned sa = find_sa(FER_METHOD_AES_CBC_128, FER_METHOD_HMAC_SHA1);

	for (unsigned done = 0; done < n; done += burst_n) {
		for (unsigned i = 0; i < burst_n; i++)
			burst.job[i] = frame(sa, burst.packet[i], 1);
		fer_engine_seal(e, burst.job, burst_n);
		for (unsigned i = 0; i < burst_n && done + i < n; i++)
			memcpy(ivs[done + i], burst.packet[i] + 8, FER_ESP_MAX_IV_BYTES);
	}
}

// RFC 3602 section 3: randomly generated; here: by a cipher, so none can come twice.
static void cbc_ivs_do_not_repeat(void **state)
{
	uint8_t(*ivs)[FER_ESP_MAX_IV_BYTES] = calloc(N_IVS, sizeof(*ivs));

	(void)state;
	collect_ivs(engine, ivs, N_IVS, 100);
	qsort(ivs, N_IVS, sizeof(*ivs), compare_ivs);
	for (unsigned i = 1; i < N_IVS; i++)
		assert_memory_not_equal(ivs[i - 1], ivs[i], sizeof(*ivs));
	free(ivs);
}

// Golden files need the same IVs in every run, however the packets fall into bursts.
static void cbc_ivs_follow_from_their_source(void **state)
{
	static uint8_t ivs[3][300][FER_ESP_MAX_IV_BYTES];
	static int other_seed = 8;
	const struct fer_iv_source other = {fixed_start, fixed_key, &other_seed};
	const struct fer_iv_source *const sources[] = {&fixed_ivs, &fixed_ivs, &other};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		int error;
		struct fer_engine *e = fer_imb_open(sources[i], arch, &error);

		assert_non_null(e);
		collect_ivs(e, ivs[i], 300, i == 1 ? 7 : 100);
		fer_engine_close(e);
	}
	assert_memory_equal(ivs[0], ivs[1], sizeof(ivs[0]));
	for (unsigned i = 0; i < 300; i++)
		assert_memory_not_equal(ivs[0][i], ivs[2][i], FER_ESP_MAX_IV_BYTES);
}

static int no_key(void *ctx, uint8_t key[FER_IV_KEY_BYTES])
{
	(void)ctx;
	(void)key;
	return -EIO;
}

static void open_says_why_it_failed(void **state)
{
	const struct fer_iv_source broken = {fixed_start, no_key, NULL};
	int error = 0;

	(void)state;
	assert_null(fer_engine_open(&broken, &error));
	assert_int_equal(error, -EIO);
	assert_null(fer_imb_open(&fixed_ivs, "Z80", &error));
	assert_int_equal(error, -ENOTSUP);
	fer_engine_close(NULL);
}

// The lines that 1.3 reads with VAES, worked out by hand: 15 round keys, then 48 powers of the hash
// key, the highest first; a text of n blocks needs the n lowest.  In an ESP packet of n whole
// blocks 32 bytes are around it.
static uint32_t lines_by_hand(unsigned size, uint32_t blocks)
{
	uint32_t text_blocks = blocks == 0 ? 0 : blocks - 1;
	uint32_t powers = text_blocks < 48 ? text_blocks : 48;
	uint32_t from = (0x3f0 - 16 * powers) / 64;
	uint32_t key_bytes = (11 + 2 * size) * 16;

	return (UINT32_C(0xffff) << from & 0xffff) | ((UINT32_C(1) << (key_bytes + 63) / 64) - 1);
}

static void probed_lines_are_those_of_release_1_3(void **state)
{
	const uint64_t vaes = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;

	(void)state;
	if (imb_get_version() != IMB_VERSION(1, 3, 0) || strcmp(engine->arch, "AVX512") != 0 ||
		(engine->wide->features & vaes) != vaes)
		skip();
	for (unsigned size = 0; size < IMB_AES_SIZES; size++)
		for (uint32_t n = 1; n <= IMB_GCM_PROBED_BLOCKS; n++)
			assert_int_equal(engine->gcm[size].lines[n], lines_by_hand(size, n));
}

static void the_set_up_is_complete(void **state)
{
	(void)state;
	// 3 GCM and 3 CCM with 3 lengths of ICV, ChaCha20; 8 MACs with 3 CBC, 3 CTR, 2 DES and
	// NULL; 3 GMAC with NULL; each without and with ESN.
	assert_int_equal(n_sas, 2 * (18 + 1 + 8 * 9 + 3));
	print_message("runs on %s\n", fer_engine_arch(engine));
}

int main(void)
{
	static const char *const archs[] = {"AVX512", "AVX2", "SSE"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_set_up_is_complete),
		cmocka_unit_test(bursts_of_one_suite_agree_with_openssl),
		cmocka_unit_test(bursts_of_one_suite_and_several_keys_agree_with_openssl),
		cmocka_unit_test(what_a_job_held_before_does_not_count),
		cmocka_unit_test(mixed_bursts_agree_with_openssl),
		cmocka_unit_test(every_flipped_bit_is_found_and_changes_nothing),
		cmocka_unit_test(the_high_half_counts_with_esn_and_only_then),
		cmocka_unit_test(lengths_that_cannot_be_are_refused),
		cmocka_unit_test(seal_refuses_lengths_that_cannot_be),
		cmocka_unit_test(bad_packets_do_not_harm_their_neighbours),
		cmocka_unit_test(nothing_outside_a_packet_is_touched),
		cmocka_unit_test(the_longest_packets_pass),
		cmocka_unit_test(a_burst_leaves_nothing_behind),
		cmocka_unit_test(cbc_ivs_do_not_repeat),
		cmocka_unit_test(cbc_ivs_follow_from_their_source),
		cmocka_unit_test(open_says_why_it_failed),
		cmocka_unit_test(probed_lines_are_those_of_release_1_3), // of the widest code only
	};
	const size_t n_tests = sizeof(tests) / sizeof(tests[0]);
	int failed = 0;

	for (unsigned i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		arch = archs[i];
		failed += _cmocka_run_group_tests(
			arch, tests, i == 0 ? n_tests : n_tests - 1, setup, teardown);
	}
	return failed;
}
