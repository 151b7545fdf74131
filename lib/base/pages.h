// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Memory of whole pages, straight from the kernel: for tables that packets visit at random, which
// want huge pages, and that are bigger than what is ever used of them.

#include <stdbool.h>
#include <stddef.h>

#define FER_HUGE_PAGE_BYTES ((size_t)2 << 20)

// Zeroed pages, at least len bytes, aligned to a page; from FER_HUGE_PAGE_BYTES on aligned to that,
// and huge where the kernel has some.  They become real when they are touched.  NULL without
// memory.
__attribute__((warn_unused_result)) void *fer_pages_map(size_t len);

// Makes the first len bytes of them real now, which costs as much as touching each: so that nobody
// has to wait for a page later, and what there is too little memory for is known at once.  False
// where that is more than half of the memory that is free, or the kernel cannot: they stay as they
// are.  Done in pieces, because the kernel calls no signal handler in the midst of one.
bool fer_pages_prepare(void *p, size_t len);

// Gives back what fer_pages_map() returned for the same len.  NULL does nothing.
void fer_pages_unmap(void *p, size_t len);

// How many bytes there really are, for other calls on them.
size_t fer_pages_bytes(size_t len);

// Does the kernel hand out huge pages to those who ask for them?  file says which mode is in force:
// FER_PAGES_MODES, but for tests.
#define FER_PAGES_MODES "/sys/kernel/mm/transparent_hugepage/enabled"
bool fer_pages_can_be_huge(const char *file);
