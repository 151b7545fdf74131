// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Keys and tags: wiping that the compiler keeps, comparison in constant time, and memory that is
// kept out of core dumps and, where the limits allow it, out of swap.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Whether two values are equal is no secret, though made of secrets.  Who follows secrets through
// the code, as test/timing does, is told here.
#ifndef FER_SECRET_PUBLIC
#define FER_SECRET_PUBLIC(answer)
#endif

// Overwrites len bytes; never optimised away.
void fer_secret_wipe(void *p, size_t len);

// Are len bytes equal?  Takes the same time wherever they differ.
__attribute__((warn_unused_result)) bool fer_secret_equal(const void *a, const void *b, size_t len);

static inline uint64_t fer_secret_differ8(const uint8_t *a, const uint8_t *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x ^ y;
}

// The first and the last 8 bytes, which may overlap.
static inline uint64_t fer_secret_differ_at_ends(const uint8_t *a, const uint8_t *b, size_t len)
{
	return fer_secret_differ8(a, b) | fer_secret_differ8(a + len - 8, b + len - 8);
}

// The same for integrity values of 8 to 16 bytes, inlined for the data path.
__attribute__((warn_unused_result)) static inline bool fer_secret_equal_tag(
	const uint8_t *a, const uint8_t *b, size_t len)
{
	uint64_t differ = fer_secret_differ_at_ends(a, b, len);

	FER_SECRET_PUBLIC(differ);
	return differ == 0;
}

// And for those of 8 bytes and more.
__attribute__((warn_unused_result)) static inline bool fer_secret_equal_icv(
	const uint8_t *a, const uint8_t *b, size_t len)
{
	uint64_t differ = fer_secret_differ_at_ends(a, b, len);

	for (size_t at = 8; at + 8 < len; at += 8)
		differ |= fer_secret_differ8(a + at, b + at);
	__asm__("" : "+r"(differ)); // so that the compiler cannot leave the loop early
	FER_SECRET_PUBLIC(differ);
	return differ == 0;
}

// Zeroed pages for keys, aligned to a page (to 2 MiB, and asked to be huge, from 2 MiB on).  They
// are excluded from core dumps and locked where RLIMIT_MEMLOCK lets them be.  NULL without memory.
__attribute__((warn_unused_result)) void *fer_secret_map(size_t len);

// Wipes and gives back what fer_secret_map() returned for the same len.  NULL does nothing.
void fer_secret_unmap(void *p, size_t len);

// The same for memory that its user has wiped: what was never touched does not become real for it.
void fer_secret_unmap_clean(void *p, size_t len);
