// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Memory that nobody may touch, where AddressSanitizer looks after it, and nothing elsewhere: for
// memory that does not come from malloc(), of which it knows no bounds.

#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FER_FENCE_WORKS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FER_FENCE_WORKS 1
#endif

#ifdef FER_FENCE_WORKS
#include <sanitizer/asan_interface.h>

// From p on, len bytes are out of bounds.
static inline void fer_fence_put(const void *p, size_t len)
{
	__asan_poison_memory_region(p, len);
}

// They are memory again; to be said before it is given back.
static inline void fer_fence_take(const void *p, size_t len)
{
	__asan_unpoison_memory_region(p, len);
}

// Would touching p be reported?
static inline bool fer_fence_is_at(const void *p)
{
	return __asan_address_is_poisoned(p) != 0;
}
#else
#define FER_FENCE_WORKS 0

static inline void fer_fence_put(const void *p, size_t len)
{
	(void)p, (void)len;
}

static inline void fer_fence_take(const void *p, size_t len)
{
	(void)p, (void)len;
}

static inline bool fer_fence_is_at(const void *p)
{
	(void)p;
	return false;
}
#endif
