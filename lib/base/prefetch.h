// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Brings a line that other cores write into the cache of this one, to write it: where the bare
// instruction set is compiled for, __builtin_prefetch() brings it to be read, and it has to be
// fetched once more.  CPUs that do not know the instruction do nothing.
static inline void fer_prefetch_write(const void *p)
{
	__asm__ volatile("prefetchw (%0)" : : "r"(p));
}
