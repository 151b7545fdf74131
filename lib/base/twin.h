// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Two words side by side that change as one: what has to be counted together costs one locked
// operation, and visits a line that other cores write once.  Each word may be read, or changed, by
// atomic operations of its own as well.

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fer_twin {
	alignas(16) _Atomic uint64_t word[2];
};

// What the words are just now; perhaps each of another moment, which fer_twin_change() notices.
static inline void fer_twin_read(const struct fer_twin *p, uint64_t words[2])
{
	words[0] = atomic_load_explicit(&p->word[0], memory_order_relaxed);
	words[1] = atomic_load_explicit(&p->word[1], memory_order_relaxed);
}

// Makes them what next says, if they are what was says.  False: they are not, and was has what they
// are.  Orders nothing else.
__attribute__((warn_unused_result)) static inline bool fer_twin_change(
	struct fer_twin *p, uint64_t was[2], const uint64_t next[2])
{
	uint64_t first = was[0], second = was[1];
	bool done;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(done), "+m"(*p), "+a"(first), "+d"(second)
			 : "b"(next[0]), "c"(next[1]));
	was[0] = first;
	was[1] = second;
	return done;
}
