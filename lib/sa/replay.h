// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Anti-replay window: RFC 4303 section 3.4.3 and appendix A2.
//
// One window per inbound SA.  Two questions, in this order, with authentication between them:
// check() "may this number be new?", commit() "it was real: remember it".
//
// Any worker may ask.  Whoever commits or tries further ahead holds the SA's receive lock, taken
// once per group of packets.  Whoever checks, does not: top is written behind the bits that it
// makes valid and read in front of them, so a check sees the window as it was when it read top, or
// newer.  It never refuses a number that the window would take, and what it lets through too much
// the commit refuses.
//
// With ESN there is a third: when more than 2^32 packets in a row were lost, what check() infers
// never verifies again, and resync() proposes numbers further ahead (RFC 4303 appendix A3).

#include "base/prefetch.h"
#include "base/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FER_REPLAY_MAX_PKTS 65536

struct fer_replay {
	uint64_t top;      // highest authenticated number
	uint64_t *seen;    // ring of bits, the next power of two (64 at least) above n_pkts
	uint32_t n_pkts;   // window size in packets, judged exactly; 0: nothing is ever refused,
			   // and every number has the high half of top
	uint8_t ring_log2; // bits in the ring
	bool esn;          // numbers have 64 bits, of which a packet carries the low 32
	uint16_t n_failed; // packets in a row that did not verify, while they count
};

// Counts a packet that verified, or did not, where n_pkts is 0 and nobody else does.  Returns how
// many in a row did not.  Any worker may call it without the lock.
static inline uint16_t fer_replay_count_failed(struct fer_replay *w, bool verified)
{
	if (!verified) {
		uint16_t n = __atomic_add_fetch(&w->n_failed, 1, __ATOMIC_RELAXED);

		return n != 0 ? n : UINT16_MAX;
	}
	if (__atomic_load_n(&w->n_failed, __ATOMIC_RELAXED) != 0)
		__atomic_store_n(&w->n_failed, 0, __ATOMIC_RELAXED);
	return 0;
}

// resync() begins after so many packets in a row that do not verify, and proposes high halves up to
// so far ahead, in units of 2^32 numbers.  A forged packet costs two verifications at the most.
#define FER_REPLAY_RESYNC_AFTER 64
#define FER_REPLAY_RESYNC_AHEAD 16

// The highest authenticated number.  Whoever does not hold the lock may get one of a moment ago.
static inline uint64_t fer_replay_top(const struct fer_replay *w)
{
	return __atomic_load_n(&w->top, __ATOMIC_ACQUIRE);
}

// What a worker remembers of the window of the SA whose packets it checked last, so that it need
// not read the window's line, which other workers write all the time.
struct fer_replay_memo {
	uint64_t highest; // the highest number that passed the check, or the top
	uint64_t *seen;   // as in the window, for as long as that is there
	uint32_t mask;    // a number & mask is its place in the ring
	bool holds;       // numbers above highest need no look at the window
};

// Bytes of the ring of a window of n_pkts packets, 0 to FER_REPLAY_MAX_PKTS; a multiple of 8.
size_t fer_replay_ring_bytes(uint32_t n_pkts);

// Starts a window: everything up to top counts as seen.  ring has fer_replay_ring_bytes() bytes,
// stays the caller's, and must outlive w.
void fer_replay_init(struct fer_replay *w, uint32_t n_pkts, bool esn, uint64_t top, uint64_t *ring);

// Completes the sequence number of a received packet.
//   lo   low 32 bits, host order
//   seq  set on FER_OK only: the 64-bit number to authenticate with
// Returns FER_OK, or FER_REPLAY when the number was seen, lies left of the window, is 0, or would
// belong to the subspace before the first or behind the last.
__attribute__((warn_unused_result)) static inline enum fer_verdict fer_replay_check(
	const struct fer_replay *w, uint32_t lo, uint64_t *seq);

// A packet did not verify with the number seq that check() gave.  True: another number with the
// same low half, set in *seq, is worth one more try.
__attribute__((warn_unused_result)) bool fer_replay_resync(struct fer_replay *w, uint64_t *seq);

// Records an authenticated number and moves the window.  Asks again, because the same number can
// pass check() twice within one burst; the second commit gets FER_REPLAY.
__attribute__((warn_unused_result)) enum fer_verdict fer_replay_commit(
	struct fer_replay *w, uint64_t seq);

// The same for n consecutive numbers from first on, n > 0.  False: they are neither all right of
// the window nor all in it and new, and none was recorded.
__attribute__((warn_unused_result)) static inline bool fer_replay_commit_run(
	struct fer_replay *w, uint64_t first, uint32_t n);

// The same where they are not the next ones, or not in one word of the ring.
__attribute__((warn_unused_result)) bool fer_replay_commit_run_any(
	struct fer_replay *w, uint64_t first, uint32_t n);

// The same as fer_replay_check() for a number that may lie in the window or left of it.
__attribute__((warn_unused_result)) enum fer_verdict fer_replay_check_any(
	const struct fer_replay *w, uint32_t lo, uint64_t *seq);

// One look at a window, for a run of packets.
struct fer_replay_look {
	uint64_t high; // half of the numbers right of the window
	uint64_t left; // those up to here are none, or may be none
};

static inline struct fer_replay_look fer_replay_look(const struct fer_replay *w)
{
	uint64_t top = fer_replay_top(w);
	bool is_in_one_subspace = !w->esn || (uint32_t)top >= w->n_pkts - 1;

	return (struct fer_replay_look){
		top & ~(uint64_t)UINT32_MAX, is_in_one_subspace ? top : UINT64_MAX};
}

// Begins to remember.  It does not hold with ESN, where numbers need a high half from the window.
static inline struct fer_replay_memo fer_replay_remember(const struct fer_replay *w)
{
	return (struct fer_replay_memo){
		.highest = fer_replay_top(w),
		.seen = w->seen,
		.mask = (UINT32_C(1) << w->ring_log2) - 1,
		.holds = !w->esn && w->n_pkts != 0,
	};
}

// Does what is remembered stand for a look at the window, when a run begins with that number?  What
// others committed meanwhile is let through then, and refused by the commit; in a later run the
// window is asked for the same number.
static inline bool fer_replay_recalls(const struct fer_replay_memo *m, uint32_t lo)
{
	return lo > m->highest && m->holds;
}

static inline struct fer_replay_look fer_replay_recall(const struct fer_replay_memo *m)
{
	return (struct fer_replay_look){0, m->highest};
}

// Brings into the cache what the commit of the highest number writes.
static inline void fer_replay_prefetch(const struct fer_replay_memo *m)
{
	fer_prefetch_write(m->seen + (m->highest & m->mask) / 64);
}

// The same where nothing is remembered: that of the highest number that is not right of the window.
static inline void fer_replay_prefetch_top(const struct fer_replay *w, uint64_t top)
{
	fer_prefetch_write(w->seen + (top & ((UINT32_C(1) << w->ring_log2) - 1)) / 64);
}

// fer_replay_check() after that look.
__attribute__((warn_unused_result)) static inline enum fer_verdict fer_replay_check_after(
	const struct fer_replay_look *look, const struct fer_replay *w, uint32_t lo, uint64_t *seq)
{
	uint64_t full = look->high | lo;

	if (full <= look->left)
		return fer_replay_check_any(w, lo, seq);
	*seq = full; // right of the window, as most are
	return FER_OK;
}

static inline enum fer_verdict fer_replay_check(
	const struct fer_replay *w, uint32_t lo, uint64_t *seq)
{
	const struct fer_replay_look look = fer_replay_look(w);

	return fer_replay_check_after(&look, w, lo, seq);
}

static inline bool fer_replay_commit_run(struct fer_replay *w, uint64_t first, uint32_t n)
{
	uint64_t at = first & ((UINT64_C(1) << w->ring_log2) - 1);
	unsigned bit = at % 64;
	bool is_next = first != 0 && first == w->top + 1;

	if (!is_next || bit + n > 64 || w->n_pkts == 0)
		return fer_replay_commit_run_any(w, first, n);
	uint64_t *word = &w->seen[at / 64];
	w->n_failed = 0;
	__atomic_store_n(&w->top, first + n - 1, __ATOMIC_RELEASE);
	__atomic_store_n(word, *word | UINT64_MAX >> (64 - n) << bit, __ATOMIC_RELAXED);
	return true;
}
