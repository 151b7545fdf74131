// SPDX-License-Identifier: BSD-3-Clause
#include "sa/seq.h"

// Numbers are spare before they are left out: whoever looks in between finds too few packets, which
// crosses no limit that was not crossed.
uint64_t fer_seq_leave_out(struct fer_seq *s, uint64_t up_to)
{
	_Atomic uint64_t *word = &s->taken.word[FER_SEQ_LAST];
	uint64_t last = atomic_load_explicit(word, memory_order_relaxed), spare = 0, more;

	do {
		if (last >= up_to) {
			atomic_fetch_sub_explicit(&s->spare, spare, memory_order_relaxed);
			return last;
		}
		more = up_to - last - spare;
		spare += more;
		atomic_fetch_add_explicit(&s->spare, more, memory_order_seq_cst);
	} while (!atomic_compare_exchange_strong_explicit(
		word, &last, up_to, memory_order_seq_cst, memory_order_relaxed));
	return last;
}
