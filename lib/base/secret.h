// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Keys and tags: wiping that the compiler keeps, comparison in constant time, and memory that is
// kept out of core dumps and, where the limits allow it, out of swap.

#include <stdbool.h>
#include <stddef.h>

// Overwrites len bytes; never optimised away.
void fer_secret_wipe(void *p, size_t len);

// Are len bytes equal?  Takes the same time wherever they differ.
__attribute__((warn_unused_result)) bool fer_secret_equal(const void *a, const void *b, size_t len);

// Zeroed pages for keys, aligned to a page (to 2 MiB, and asked to be huge, from 2 MiB on).  They
// are excluded from core dumps and locked where RLIMIT_MEMLOCK lets them be.  NULL without memory.
__attribute__((warn_unused_result)) void *fer_secret_map(size_t len);

// Wipes and gives back what fer_secret_map() returned for the same len.  NULL does nothing.
void fer_secret_unmap(void *p, size_t len);
