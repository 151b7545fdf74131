// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Brings a line that other cores write into the cache of this one, ready to be written.  That is
// what __builtin_prefetch(p, 1) is for, but for the baseline instruction set gcc makes a prefetch
// for reading of it, and the line has to be fetched again before it is written.  CPUs that do not
// know the instruction do nothing.
static inline void fer_prefetch_write(const void *p)
{
	__asm__ volatile("prefetchw (%0)" : : "r"(p));
}
