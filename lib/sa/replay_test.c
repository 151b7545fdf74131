// SPDX-License-Identifier: BSD-3-Clause
// Is every number accepted once, inside the window and right of it, and never otherwise?
//
// FER_TEST_ROUNDS repeats the comparison with the reference that often, 5 million numbers each
// time; with FER_TEST_SEED they are others.
#include "sa/replay.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define TWO_32 (UINT64_C(1) << 32)

static uint64_t rng_state = 0x2545f4914f6cdd1d;

static uint64_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state * UINT64_C(0x2545f4914f6cdd1d);
}

// --- the reference: RFC 4303 in the words of its text, one number after the other

#define MODEL_SLOTS (1u << 20)

// The numbers accepted, as a set (open addressing, 0 is empty and never a member).
struct model {
	uint64_t top;
	uint64_t start; // everything up to it was seen before the window began
	uint32_t n_pkts;
	bool esn;
	uint64_t member[MODEL_SLOTS];
	uint32_t used[MODEL_SLOTS / 2];
	uint32_t n_used;
};

static struct model model;

static void model_init(uint32_t n_pkts, bool esn, uint64_t top)
{
	for (uint32_t i = 0; i < model.n_used; i++)
		model.member[model.used[i]] = 0;
	model.n_used = 0;
	model.top = model.start = top;
	model.n_pkts = n_pkts;
	model.esn = esn;
}

static uint32_t model_slot(uint64_t seq)
{
	uint32_t at = (uint32_t)(seq * UINT64_C(0x9e3779b97f4a7c15) >> 44);

	while (model.member[at] != 0 && model.member[at] != seq)
		at = (at + 1) % MODEL_SLOTS;
	return at;
}

static bool model_is_new(uint64_t seq)
{
	if (seq == 0 || seq <= model.start)
		return false;
	if (seq <= model.top && model.top - seq >= model.n_pkts)
		return false;
	return model.member[model_slot(seq)] == 0;
}

// Appendix A2.2 says: of all numbers with these low bits, the one in the window, or else the first
// one right of it.
static bool model_infer(uint32_t lo, uint64_t *seq)
{
	if (!model.esn) {
		*seq = lo;
		return true;
	}
	__int128 bottom = (__int128)model.top - model.n_pkts + 1;
	__int128 n = (__int128)(model.top >> 32) * TWO_32 + lo - (__int128)TWO_32;

	while (n < bottom)
		n += TWO_32;
	*seq = (uint64_t)n;
	return n >= 0 && n <= (__int128)UINT64_MAX;
}

static void model_commit(uint64_t seq)
{
	uint32_t at = model_slot(seq);

	model.member[at] = seq;
	model.used[model.n_used++] = at;
	if (seq > model.top)
		model.top = seq;
}

// --- window against reference

struct run {
	uint32_t n_pkts;
	bool esn;
	uint64_t start;
	unsigned n_ops;
};

// A number around the top: mostly near, at times far; never so far that the run leaves its place.
static uint64_t around(uint64_t top, uint32_t n_pkts, uint64_t far)
{
	uint64_t r = rng();
	uint64_t spread = n_pkts + 2;

	switch (r % 16) {
	case 0:
		return top + (r >> 8) % (2 * spread);
	case 1:
		return top - (r >> 8) % (2 * spread);
	case 2:
		return top - n_pkts + (r >> 8) % 3; // the left edge
	case 3:
		return (r >> 8) % 64 == 0 ? top + (r >> 16) % far : top;
	case 4:
		return (r >> 8) % 64 == 0 ? rng() : top + 1;
	case 5:
	case 6:
		return top + 1 + (r >> 8) % 4;
	default:
		return top - (r >> 8) % spread;
	}
}

static void check_one(struct fer_replay *w, uint32_t lo)
{
	uint64_t expected = 0, seq = UINT64_C(0xdddddddddddddddd);
	bool is_good = model_infer(lo, &expected) && model_is_new(expected);
	enum fer_verdict v = fer_replay_check(w, lo, &seq);

	assert_int_equal(v, is_good ? FER_OK : FER_REPLAY);
	if (!is_good) {
		assert_true(seq == UINT64_C(0xdddddddddddddddd));
		return;
	}
	assert_true(seq == expected);
	if (rng() % 8 == 0)
		return; // did not verify
	assert_int_equal(fer_replay_commit(w, seq), FER_OK);
	model_commit(seq);
	assert_true(w->top == model.top);
	if (rng() % 4 == 0)
		assert_int_equal(fer_replay_commit(w, seq), FER_REPLAY);
}

// Is each of n numbers from first on new, and do they lie on one side of the top?
static bool model_takes(uint64_t first, uint32_t n)
{
	const uint64_t last = first + n - 1;

	if (last < first || (first <= model.top && last > model.top))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!model_is_new(first + i))
			return false;
	return true;
}

// Consecutive numbers, as a group of packets brings them.
static void commit_run(struct fer_replay *w, uint64_t first, uint32_t n)
{
	const uint64_t limit = w->esn ? UINT64_MAX : UINT32_MAX;
	const bool is_right = model_takes(first, n);

	if (first > limit || limit - first < n - 1)
		return;
	assert_int_equal(fer_replay_commit_run(w, first, n), is_right);
	for (uint32_t i = 0; is_right && i < n; i++)
		model_commit(first + i);
	assert_true(w->top == model.top);
	if (is_right) {
		assert_int_equal(fer_replay_commit(w, first), FER_REPLAY);
		assert_int_equal(fer_replay_commit(w, first + rng() % n), FER_REPLAY);
		assert_int_equal(fer_replay_commit(w, first + n - 1), FER_REPLAY);
	}
}

// From one near the top on, or in the window, which has gaps.
static void commit_any_run(struct fer_replay *w)
{
	const uint64_t back = rng() % (w->n_pkts + 8);

	if (rng() % 2 == 0)
		commit_run(w, model.top + rng() % 3 + (rng() % 64 == 0 ? rng() % 100000 : 0),
			1 + (uint32_t)(rng() % (rng() % 8 == 0 ? 256 : 64)));
	else
		commit_run(w, back > model.top ? 0 : model.top - back,
			1 + (uint32_t)(rng() % (rng() % 8 == 0 ? 64 : 4)));
}

static void run_model(const struct run *r)
{
	uint64_t *ring = malloc(fer_replay_ring_bytes(r->n_pkts));
	struct fer_replay w;

	assert_non_null(ring);
	fer_replay_init(&w, r->n_pkts, r->esn, r->start, ring);
	model_init(r->n_pkts, r->esn, r->start);
	for (unsigned i = 0; i < r->n_ops; i++) {
		if (rng() % 64 == 0)
			commit_any_run(&w);
		else
			check_one(&w,
				(uint32_t)around(model.top, r->n_pkts, r->esn ? TWO_32 : 1 << 20));
	}
	free(ring);
}

static void run_all_sizes(void)
{
	static const uint32_t sizes[] = {
		1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 1000, 1024, 65535, 65536};
	static const uint64_t starts[] = {0, 1, 70000, TWO_32 - 70000, TWO_32 - 2, TWO_32,
		3 * TWO_32 + 5, UINT64_MAX - 200000, UINT64_MAX - TWO_32, UINT64_MAX - 1};

	for (size_t i = 0; i < N(sizes); i++) {
		for (size_t j = 0; j < N(starts); j++) {
			struct run r = {sizes[i], true, starts[j], 25000};
			run_model(&r);
			r.esn = false;
			if (r.start <= UINT32_MAX)
				run_model(&r);
		}
	}
}

// RFC 4303 section 3.4.3: any size of window, exactly.
static void window_agrees_with_the_reference(void **state)
{
	const char *rounds = getenv("FER_TEST_ROUNDS"), *seed = getenv("FER_TEST_SEED");
	unsigned long n = rounds == NULL ? 1 : strtoul(rounds, NULL, 10);

	(void)state;
	if (seed != NULL)
		rng_state ^= strtoull(seed, NULL, 10) << 20;
	for (unsigned long i = 0; i < n; i++)
		run_all_sizes();
}

// The boundary of a subspace is crossed many times, and the end is reached.
static void long_runs_agree_with_the_reference(void **state)
{
	static const struct run runs[] = {
		{64, true, 100 * TWO_32, 400000},
		{1024, true, UINT64_MAX - 1000 * TWO_32, 400000},
		{65536, true, 0, 400000},
		{1024, false, 0, 400000},
	};

	(void)state;
	for (size_t i = 0; i < N(runs); i++)
		run_model(&runs[i]);
}

// --- explicit lines: window 64 without ESN unless said otherwise

struct line {
	unsigned number;
	uint64_t seq;
	enum fer_verdict expected;
};

static void run_lines(struct fer_replay *w, const struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum fer_verdict v = fer_replay_commit(w, lines[i].seq);

		if (v != lines[i].expected)
			fail_msg("line %u", lines[i].number);
	}
}

static void numbered_lines(void **state)
{
	enum { W = 64 };
	static const struct line lines[] = {
		{1, 0, FER_REPLAY},
		{2, 1, FER_OK},
		{3, 1, FER_REPLAY},
		{4, 9, FER_OK},
		{5, 8, FER_OK},
		{6, 7, FER_OK},
		{7, 7, FER_REPLAY},
		{8, W, FER_OK},
		{9, W - 1, FER_OK},
		{10, W - 1, FER_REPLAY},
		{11, W - 2, FER_OK},
		{12, 2, FER_OK},
		{13, 2, FER_REPLAY},
		{14, W + 16, FER_OK},
		{15, 3, FER_REPLAY}, // left of the window
		{16, W + 16, FER_REPLAY},
		{17, 17, FER_OK},     // the left edge
		{18, 16, FER_REPLAY}, // behind it
		{19, W * 4, FER_OK},  // jump over more than the ring
		{20, W * 4 - (W - 1), FER_OK},
		{21, W * 4 - W, FER_REPLAY},
		{22, W * 4 - (W + 1), FER_REPLAY},
		{23, W * 4 - (W - 2), FER_OK},
		{24, W * 4 + 1 - W, FER_REPLAY},
		{25, 0, FER_REPLAY},
		{26, W * 5, FER_OK}, // jump by exactly the ring
		{27, W * 4, FER_REPLAY},
		{28, W * 4 + 1, FER_OK},
		{29, W * 6 - 1, FER_OK}, // one less than the ring
		{30, W * 5, FER_REPLAY}, // the oldest in the window
		{31, W * 5 + 1, FER_OK},
		{32, UINT32_MAX, FER_OK},
		{33, UINT32_MAX, FER_REPLAY},
		{34, UINT32_MAX - (W - 1), FER_OK},
		{35, UINT32_MAX - W, FER_REPLAY},
		{36, 0, FER_REPLAY},
		{37, 1, FER_REPLAY},
	};
	uint64_t ring[1];
	struct fer_replay w;

	(void)state;
	fer_replay_init(&w, W, false, 0, ring);
	run_lines(&w, lines, N(lines));
}

// The same in order and backwards through a whole window, as WireGuard's counter selftest does.
static void a_window_full_in_any_order(void **state)
{
	uint64_t ring[2];
	struct fer_replay w;

	(void)state;
	fer_replay_init(&w, 100, false, 0, ring);
	for (uint64_t seq = 1; seq <= 100; seq++)
		assert_int_equal(fer_replay_commit(&w, seq), FER_OK);
	for (uint64_t seq = 0; seq <= 100; seq++)
		assert_int_equal(fer_replay_commit(&w, seq), FER_REPLAY);
	fer_replay_init(&w, 100, false, 0, ring);
	for (uint64_t seq = 100; seq >= 1; seq--)
		assert_int_equal(fer_replay_commit(&w, seq), FER_OK);
	fer_replay_init(&w, 100, false, 0, ring);
	for (uint64_t seq = 101; seq >= 2; seq--)
		assert_int_equal(fer_replay_commit(&w, seq), FER_OK);
	assert_int_equal(fer_replay_commit(&w, 1), FER_REPLAY);
}

// --- questions while somebody else commits

#define STEP 7 // every so many numbers one is left out

struct traffic {
	struct fer_replay w;
	uint64_t ring[16];
	bool over;
};

// Commits all numbers but the multiples of STEP, one by one, in groups, and with jumps.
static void *commit_most(void *arg)
{
	struct traffic *t = arg;
	uint64_t at = 0;

	for (unsigned i = 0; i < 1000000; i++, at += STEP) {
		if (i % 3 == 0)
			assert_true(fer_replay_commit_run(&t->w, at + 1, STEP - 1));
		for (unsigned k = 1; i % 3 != 0 && k < STEP; k++)
			assert_int_equal(fer_replay_commit(&t->w, at + k), FER_OK);
		if (i % 1000 == 0)
			at += STEP * (i % 500);
	}
	__atomic_store_n(&t->over, true, __ATOMIC_RELEASE);
	return NULL;
}

// A number that nobody committed is refused only when it lies left of the window by now.
static void nothing_new_is_refused_meanwhile(void **state)
{
	static struct traffic t;
	pthread_t thread;
	uint64_t seq;

	(void)state;
	fer_replay_init(&t.w, 1000, false, 0, t.ring);
	assert_int_equal(pthread_create(&thread, NULL, commit_most, &t), 0);
	while (!__atomic_load_n(&t.over, __ATOMIC_ACQUIRE)) {
		uint64_t top = fer_replay_top(&t.w), back = rng() % 1000;
		uint64_t left_out = (back < top ? top - back : top + STEP) / STEP * STEP;

		if (left_out == 0)
			continue;
		if (fer_replay_check(&t.w, (uint32_t)left_out, &seq) != FER_OK)
			assert_true(fer_replay_top(&t.w) - left_out >= 1000);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

// --- RFC 4303 appendix A2

struct inference {
	unsigned number;
	uint32_t n_pkts;
	uint64_t top;
	uint32_t lo;
	uint64_t seq; // 0: refused
};

static void high_half_is_inferred(void **state)
{
	static const struct inference rows[] = {
		// Case A: Tl >= W - 1, the window lies in one subspace.
		{1, 64, 5 * TWO_32 + 1000, 1001, 5 * TWO_32 + 1001},
		{2, 64, 5 * TWO_32 + 1000, UINT32_MAX, 5 * TWO_32 + UINT32_MAX},
		{3, 64, 5 * TWO_32 + 1000, 936, 6 * TWO_32 + 936}, // left of it: the next one
		{4, 64, 5 * TWO_32 + 1000, 0, 6 * TWO_32},
		{5, 64, 5 * TWO_32 + 64, 0, 6 * TWO_32}, // Tl == W: the window begins at 1,
		{30, 64, 5 * TWO_32 + 63, 0, 0},         // and here at 0, which was seen
		{6, 64, 5 * TWO_32 + UINT32_MAX, 0, 6 * TWO_32},
		{7, 64, 5 * TWO_32 + UINT32_MAX, 63, 6 * TWO_32 + 63},
		// Case B: Tl < W - 1, the window began in the subspace before.
		{8, 64, 5 * TWO_32 + 10, 11, 5 * TWO_32 + 11},
		{9, 64, 5 * TWO_32 + 10, UINT32_MAX - 52, 0}, // the left edge, seen
		{10, 64, 5 * TWO_32 + 10, UINT32_MAX - 53, 5 * TWO_32 + UINT32_MAX - 53},
		{11, 64, 5 * TWO_32 + 10, 0x80000000, 5 * TWO_32 + 0x80000000},
		{12, 64, 5 * TWO_32, 1, 5 * TWO_32 + 1},
		// Below the first subspace.
		{13, 64, 0, UINT32_MAX, 0},
		{14, 64, 0, UINT32_MAX - 62, 0},
		{15, 64, 0, UINT32_MAX - 63, UINT32_MAX - 63},
		{16, 64, 10, UINT32_MAX, 0},
		{17, 64, 0, 0, 0},
		{18, 64, 0, 1, 1},
		// Behind the last one.
		{19, 64, UINT64_MAX, 0, 0},
		{20, 64, UINT64_MAX - 1, UINT32_MAX, UINT64_MAX},
		{21, 64, UINT64_MAX - 1, UINT32_MAX - 64, 0},
		{22, 64, UINT64_MAX - 1000, UINT32_MAX - 1064, 0},
		// The smallest and the largest window.
		{23, 1, 5 * TWO_32, 1, 5 * TWO_32 + 1},
		{24, 1, 5 * TWO_32, UINT32_MAX, 5 * TWO_32 + UINT32_MAX},
		{25, 1, 5 * TWO_32 + 1, 0, 6 * TWO_32},
		{26, 65536, 5 * TWO_32 + 65534, UINT32_MAX - 1, 5 * TWO_32 + UINT32_MAX - 1},
		{27, 65536, 5 * TWO_32 + 65535, UINT32_MAX, 5 * TWO_32 + UINT32_MAX},
		{28, 65536, 0, UINT32_MAX - 65534, 0},
		{29, 65536, 0, UINT32_MAX - 65535, UINT32_MAX - 65535},
	};
	static uint64_t ring[FER_REPLAY_MAX_PKTS / 64];

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		const struct inference *r = &rows[i];
		struct fer_replay w;
		uint64_t seq = 0;

		fer_replay_init(&w, r->n_pkts, true, r->top, ring);
		enum fer_verdict v = fer_replay_check(&w, r->lo, &seq);
		if (v != (r->seq != 0 ? FER_OK : FER_REPLAY) || seq != r->seq)
			fail_msg(
				"row %u: verdict %d, %#llx", r->number, v, (unsigned long long)seq);
	}
}

// Case B again, with numbers of the subspace before that were not seen.
static void late_packets_across_the_boundary(void **state)
{
	uint64_t ring[2], seq = 0;
	struct fer_replay w;

	(void)state;
	fer_replay_init(&w, 128, true, 7 * TWO_32 - 100, ring);
	assert_int_equal(fer_replay_check(&w, 10, &seq), FER_OK);
	assert_true(seq == 7 * TWO_32 + 10);
	assert_int_equal(fer_replay_commit(&w, seq), FER_OK);
	assert_int_equal(fer_replay_check(&w, UINT32_MAX - 50, &seq), FER_OK);
	assert_true(seq == 7 * TWO_32 - 51);
	assert_int_equal(fer_replay_commit(&w, seq), FER_OK);
	assert_int_equal(fer_replay_check(&w, UINT32_MAX - 50, &seq), FER_REPLAY);
	assert_int_equal(fer_replay_check(&w, 0, &seq), FER_OK);
	assert_true(seq == 7 * TWO_32);
}

// --- edges of the interface

static void check_alone_changes_nothing(void **state)
{
	uint64_t ring[16], before[16], seq = 0;
	struct fer_replay w;

	(void)state;
	fer_replay_init(&w, 1000, true, 5000, ring);
	memcpy(before, ring, sizeof(ring));
	for (uint32_t lo = 4000; lo < 8000; lo++)
		(void)!fer_replay_check(&w, lo, &seq);
	assert_memory_equal(before, ring, sizeof(ring));
	assert_true(w.top == 5000);
}

static void everything_up_to_the_start_is_seen(void **state)
{
	uint64_t ring[16];
	struct fer_replay w;

	(void)state;
	fer_replay_init(&w, 1000, false, 700, ring);
	for (uint64_t seq = 0; seq <= 700; seq++)
		assert_int_equal(fer_replay_commit(&w, seq), FER_REPLAY);
	assert_int_equal(fer_replay_commit(&w, 702), FER_OK);
	assert_int_equal(fer_replay_commit(&w, 700), FER_REPLAY);
	assert_int_equal(fer_replay_commit(&w, 701), FER_OK);
}

static void no_window_refuses_nothing(void **state)
{
	struct fer_replay w;
	uint64_t seq = 1;

	(void)state;
	fer_replay_init(&w, 0, false, 0, NULL);
	assert_int_equal(fer_replay_ring_bytes(0), 0);
	assert_int_equal(fer_replay_check(&w, 0, &seq), FER_OK);
	assert_true(seq == 0);
	assert_int_equal(fer_replay_commit(&w, 900), FER_OK);
	assert_int_equal(fer_replay_commit(&w, 900), FER_OK);
	assert_int_equal(fer_replay_commit(&w, 3), FER_OK);
	assert_true(w.top == 900);
	assert_int_equal(fer_replay_check(&w, UINT32_MAX, &seq), FER_OK);
	assert_true(seq == UINT32_MAX);
}

// --- resynchronisation: RFC 4303 appendix A3

// One packet of a sender that really is at seq.  Is it accepted, and after how many tries?
static bool receive_at(struct fer_replay *w, uint64_t seq, unsigned *n_tries)
{
	uint64_t full;

	*n_tries = 0;
	if (fer_replay_check(w, (uint32_t)seq, &full) != FER_OK)
		return false;
	for (;;) {
		++*n_tries;
		if (full == seq)
			return fer_replay_commit(w, seq) == FER_OK;
		uint32_t lo = (uint32_t)full;
		uint64_t before = full;
		if (*n_tries == 2 || !fer_replay_resync(w, &full))
			return false;
		assert_true((uint32_t)full == lo && full > before);
	}
}

static void lost_subspaces_are_found(void **state)
{
	static const uint64_t tops[] = {5, 1000, TWO_32 - 1, TWO_32, 3 * TWO_32 + 77};
	static uint64_t ring[1024 / 64];
	struct fer_replay w;

	(void)state;
	for (size_t i = 0; i < N(tops); i++)
		for (uint64_t lost = 1; lost <= FER_REPLAY_RESYNC_AHEAD; lost++)
			for (uint32_t step = 1; step < 4000; step += 777) {
				uint64_t seq = tops[i] + lost * TWO_32 + 5000;
				unsigned n = 0, n_tries = 0;

				fer_replay_init(&w, 1024, true, tops[i], ring);
				while (!receive_at(&w, seq, &n_tries)) {
					assert_in_range(n_tries, 0, 2);
					assert_true(w.top == tops[i]);
					seq += step;
					n++;
				}
				assert_in_range(n, FER_REPLAY_RESYNC_AFTER,
					FER_REPLAY_RESYNC_AFTER + FER_REPLAY_RESYNC_AHEAD);
				assert_true(w.top == seq);
				assert_true(receive_at(&w, seq + 1, &n_tries) && n_tries == 1);
				assert_false(receive_at(&w, seq, &n_tries));
			}
}

// What is genuine between forged packets is accepted at once, and ends the count of the others.
static void forged_packets_move_nothing(void **state)
{
	static uint64_t ring[64 / 64];
	struct fer_replay w;
	uint64_t full;
	unsigned n_tries;

	(void)state;
	fer_replay_init(&w, 64, true, 10, ring);
	for (uint64_t seq = 11; seq < 200; seq++) {
		for (unsigned k = 0; k < FER_REPLAY_RESYNC_AFTER + seq; k++)
			if (fer_replay_check(&w, (uint32_t)rng(), &full) == FER_OK)
				assert_true(
					fer_replay_resync(&w, &full) ? full >= TWO_32 : full > 0);
		assert_true(w.top == seq - 1);
		assert_true(receive_at(&w, seq, &n_tries) && n_tries == 1);
		for (unsigned k = 0; k < FER_REPLAY_RESYNC_AFTER; k++) {
			full = seq + 1;
			assert_false(fer_replay_resync(&w, &full));
		}
	}
}

// A run of genuine packets, in one word of the ring and in several, ends the count as well.
static void a_run_of_genuine_packets_ends_the_count(void **state)
{
	static const uint32_t n_in_run[] = {2, 100};
	static uint64_t ring[1024 / 64];
	struct fer_replay w;
	uint64_t full;

	(void)state;
	fer_replay_init(&w, 1024, true, 10, ring);
	for (size_t i = 0; i < 10 * N(n_in_run); i++) {
		const uint32_t n = n_in_run[i % N(n_in_run)];

		for (unsigned k = 0; k < FER_REPLAY_RESYNC_AFTER; k++) {
			full = w.top + 1;
			assert_false(fer_replay_resync(&w, &full));
		}
		assert_true(fer_replay_commit_run(&w, w.top + 1, n));
	}
}

static void there_is_nothing_behind_the_last_subspace(void **state)
{
	static uint64_t ring[64 / 64];
	struct fer_replay w;

	(void)state;
	fer_replay_init(&w, 64, true, UINT64_MAX - 3 * TWO_32, ring);
	for (unsigned k = 0; k < 1000; k++) {
		uint64_t full = UINT64_MAX - 2 * TWO_32;

		if (fer_replay_resync(&w, &full))
			assert_true(full == UINT64_MAX - TWO_32 || full == UINT64_MAX);
		else
			assert_true(full == UINT64_MAX - 2 * TWO_32);
	}
}

// Two workers have a group each of one SA, and the one with the higher numbers is faster.
static void a_run_is_taken_once_when_it_is_late(void **state)
{
	static uint64_t ring[128 / 64];
	struct fer_replay w;

	(void)state;
	fer_replay_init(&w, 128, false, 60, ring);
	assert_true(fer_replay_commit_run(&w, 69, 8));
	assert_true(fer_replay_commit_run(&w, 61, 8)); // across two words of the ring
	assert_false(fer_replay_commit_run(&w, 61, 8));
	assert_false(fer_replay_commit_run(&w, 72, 8)); // some of it is new
	assert_true(w.top == 76);
	assert_true(fer_replay_commit_run(&w, 200, 1));
	assert_false(fer_replay_commit_run(&w, 72, 8)); // its first number is left of the window
	assert_true(fer_replay_commit_run(&w, 77, 100));
	for (uint64_t seq = 61; seq <= 200; seq++)
		assert_int_equal(
			fer_replay_commit(&w, seq), seq >= 177 && seq < 200 ? FER_OK : FER_REPLAY);
}

// Not even a run that would begin with it.
static void number_0_does_not_follow_the_last(void **state)
{
	static uint64_t ring[64 / 64];
	struct fer_replay w;

	(void)state;
	fer_replay_init(&w, 64, true, UINT64_MAX - 1, ring);
	assert_false(fer_replay_commit_run(&w, UINT64_MAX, 2));
	assert_true(fer_replay_commit_run(&w, UINT64_MAX, 1));
	assert_false(fer_replay_commit_run(&w, 0, 1));
	assert_true(w.top == UINT64_MAX);
}

static void without_esn_there_is_nothing_to_find(void **state)
{
	static uint64_t ring[64 / 64];
	struct fer_replay with_window, without;
	uint64_t full = 7;

	(void)state;
	fer_replay_init(&with_window, 64, false, 3, ring);
	fer_replay_init(&without, 0, true, 3, NULL);
	for (unsigned k = 0; k < 1000; k++)
		assert_false(fer_replay_resync(&with_window, &full) ||
			     fer_replay_resync(&without, &full));
}

static void ring_is_the_next_power_of_two(void **state)
{
	(void)state;
	assert_int_equal(fer_replay_ring_bytes(1), 8);
	assert_int_equal(fer_replay_ring_bytes(64), 8);
	assert_int_equal(fer_replay_ring_bytes(65), 16);
	assert_int_equal(fer_replay_ring_bytes(1024), 128);
	assert_int_equal(fer_replay_ring_bytes(1025), 256);
	assert_int_equal(fer_replay_ring_bytes(65535), 8192);
	assert_int_equal(fer_replay_ring_bytes(65536), 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_agrees_with_the_reference),
		cmocka_unit_test(long_runs_agree_with_the_reference),
		cmocka_unit_test(numbered_lines),
		cmocka_unit_test(a_window_full_in_any_order),
		cmocka_unit_test(nothing_new_is_refused_meanwhile),
		cmocka_unit_test(high_half_is_inferred),
		cmocka_unit_test(late_packets_across_the_boundary),
		cmocka_unit_test(check_alone_changes_nothing),
		cmocka_unit_test(everything_up_to_the_start_is_seen),
		cmocka_unit_test(no_window_refuses_nothing),
		cmocka_unit_test(lost_subspaces_are_found),
		cmocka_unit_test(forged_packets_move_nothing),
		cmocka_unit_test(a_run_of_genuine_packets_ends_the_count),
		cmocka_unit_test(there_is_nothing_behind_the_last_subspace),
		cmocka_unit_test(a_run_is_taken_once_when_it_is_late),
		cmocka_unit_test(number_0_does_not_follow_the_last),
		cmocka_unit_test(without_esn_there_is_nothing_to_find),
		cmocka_unit_test(ring_is_the_next_power_of_two),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
