// SPDX-License-Identifier: BSD-3-Clause
#include "sa/replay.h"

#include <string.h>

#define WORD_BITS 64u

static unsigned ring_log2(uint32_t n_pkts)
{
	unsigned log2 = 6;

	while ((UINT32_C(1) << log2) < n_pkts)
		log2++;
	return log2;
}

size_t fer_replay_ring_bytes(uint32_t n_pkts)
{
	return n_pkts == 0 ? 0 : (size_t)1 << (ring_log2(n_pkts) - 3);
}

void fer_replay_init(struct fer_replay *w, uint32_t n_pkts, bool esn, uint64_t top, uint64_t *ring)
{
	*w = (struct fer_replay){
		.top = top,
		.seen = ring,
		.n_pkts = n_pkts,
		.ring_log2 = (uint8_t)ring_log2(n_pkts),
		.esn = esn,
	};
	// Number 0 is among those seen, and its bit is not cleared before it is left of the window:
	// so 0 is never new, without being asked for.
	if (n_pkts != 0)
		memset(ring, 0xff, fer_replay_ring_bytes(n_pkts));
}

static uint64_t ring_mask(const struct fer_replay *w)
{
	return (UINT64_C(1) << w->ring_log2) - 1;
}

static bool is_seen(const struct fer_replay *w, uint64_t seq)
{
	uint64_t at = seq & ring_mask(w);

	return (__atomic_load_n(&w->seen[at / WORD_BITS], __ATOMIC_RELAXED) >> at % WORD_BITS &
		       1) != 0;
}

static bool is_new(const struct fer_replay *w, uint64_t top, uint64_t seq)
{
	if (seq > top)
		return true;
	return top - seq < w->n_pkts && !is_seen(w, seq);
}

// RFC 4303 appendix A2.2: chooses the high half with which lo is in the window below top, or else
// right of it.  False when that half does not exist.
static bool infer(const struct fer_replay *w, uint64_t top, uint32_t lo, uint64_t *seq)
{
	uint32_t top_lo = (uint32_t)top, top_hi = (uint32_t)(top >> 32);
	uint32_t bottom_lo = top_lo - (w->n_pkts - 1); // modulo 2^32
	uint32_t hi = top_hi;

	if (top_lo >= w->n_pkts - 1) { // case A: the window lies in one subspace
		if (lo < bottom_lo && ++hi == 0)
			return false;
	} else if (lo >= bottom_lo) { // case B: it began in the subspace before
		if (hi-- == 0)
			return false;
	}
	*seq = (uint64_t)hi << 32 | lo;
	return true;
}

enum fer_verdict fer_replay_check_any(const struct fer_replay *w, uint32_t lo, uint64_t *seq)
{
	uint64_t top = fer_replay_top(w), full = (top & ~(uint64_t)UINT32_MAX) | lo;

	if (w->n_pkts != 0) {
		if (w->esn && !infer(w, top, lo, &full))
			return FER_REPLAY;
		if (!is_new(w, top, full))
			return FER_REPLAY;
	}
	*seq = full;
	return FER_OK;
}

// One try a packet, further ahead from packet to packet: when all of them are genuine, the right
// one is found after FER_REPLAY_RESYNC_AHEAD of them.
bool fer_replay_resync(struct fer_replay *w, uint64_t *seq)
{
	if (!w->esn || w->n_pkts == 0)
		return false;
	if (++w->n_failed <= FER_REPLAY_RESYNC_AFTER)
		return false;
	uint64_t ahead = (uint64_t)(w->n_failed - FER_REPLAY_RESYNC_AFTER) << 32;
	if (w->n_failed == FER_REPLAY_RESYNC_AFTER + FER_REPLAY_RESYNC_AHEAD)
		w->n_failed = FER_REPLAY_RESYNC_AFTER;
	if (*seq > UINT64_MAX - ahead)
		return false;
	*seq += ahead;
	return true;
}

static void write_word(struct fer_replay *w, uint64_t at, uint64_t bits, bool seen)
{
	uint64_t *word = &w->seen[at / WORD_BITS];

	__atomic_store_n(word, seen ? *word | bits : *word & ~bits, __ATOMIC_RELAXED);
}

// Makes n numbers from first on seen, or unseen; more than the ring has are one round.
static void write_bits(struct fer_replay *w, uint64_t first, uint64_t n, bool seen)
{
	if (n > ring_mask(w) + 1)
		n = ring_mask(w) + 1;
	while (n != 0) {
		uint64_t at = first & ring_mask(w);
		uint64_t bit = at % WORD_BITS;
		uint64_t in_word = WORD_BITS - bit;
		uint64_t bits = UINT64_MAX << bit;

		if (n < in_word) {
			in_word = n;
			bits &= ~(UINT64_MAX << (bit + n));
		}
		write_word(w, at, bits, seen);
		first += in_word;
		n -= in_word;
	}
}

static void set_top(struct fer_replay *w, uint64_t top)
{
	__atomic_store_n(&w->top, top, __ATOMIC_RELEASE);
}

// Moves the window: all numbers in front of first are unseen then, and last is its top.
static void advance(struct fer_replay *w, uint64_t first, uint64_t last)
{
	if (first != w->top + 1) // as it mostly is: there is nothing in between
		write_bits(w, w->top + 1, first - w->top - 1, false);
	set_top(w, last);
}

enum fer_verdict fer_replay_commit(struct fer_replay *w, uint64_t seq)
{
	if (w->n_pkts == 0) {
		if (seq > w->top)
			set_top(w, seq);
		return FER_OK;
	}
	if (!is_new(w, w->top, seq))
		return FER_REPLAY;
	w->n_failed = 0;
	if (seq > w->top)
		advance(w, seq, seq);
	uint64_t at = seq & ring_mask(w);
	write_word(w, at, UINT64_C(1) << at % WORD_BITS, true);
	return FER_OK;
}

// Was any of n numbers from first on seen?  They are all in the window.
static bool is_any_seen(const struct fer_replay *w, uint64_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (is_seen(w, first + i))
			return true;
	return false;
}

// The same as fer_replay_commit_run() where the window moved beyond them before they came, because
// another worker was faster.
static bool commit_late(struct fer_replay *w, uint64_t first, uint64_t last)
{
	const uint32_t n = (uint32_t)(last - first + 1);

	if (last > w->top || w->top - first >= w->n_pkts || is_any_seen(w, first, n))
		return false;
	w->n_failed = 0;
	write_bits(w, first, n, true);
	return true;
}

bool fer_replay_commit_run_any(struct fer_replay *w, uint64_t first, uint32_t n)
{
	uint64_t last = first + n - 1;

	if (last < first || w->n_pkts == 0)
		return false;
	if (first <= w->top)
		return commit_late(w, first, last);
	w->n_failed = 0;
	advance(w, first, last);
	write_bits(w, first, n, true);
	return true;
}
