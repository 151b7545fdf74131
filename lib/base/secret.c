// SPDX-License-Identifier: BSD-3-Clause
#include "base/secret.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

void fer_secret_wipe(void *p, size_t len)
{
	// No compiler leaves it out, and it is several times faster than OPENSSL_cleanse().
	explicit_bzero(p, len);
}

bool fer_secret_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

// Maps len bytes at a multiple of align by cutting both ends off a larger mapping.
static void *map_aligned(size_t len, size_t align)
{
	if (len > SIZE_MAX - align)
		return NULL;
	uint8_t *all =
		mmap(NULL, len + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return NULL;
	size_t before = (align - (uintptr_t)all % align) % align;
	size_t after = align - before;
	if (before != 0)
		munmap(all, before);
	if (after != 0)
		munmap(all + before + len, after);
	return all + before;
}

static size_t whole_pages(size_t len)
{
	size_t page = len >= HUGE_PAGE ? HUGE_PAGE : 4096;

	return len > SIZE_MAX - page ? 0 : (len + page - 1) / page * page;
}

void *fer_secret_map(size_t len)
{
	size_t size = whole_pages(len);
	bool huge = len >= HUGE_PAGE;
	void *p = size == 0 ? NULL : map_aligned(size, huge ? HUGE_PAGE : 4096);

	if (p == NULL)
		return NULL;
	madvise(p, size, MADV_DONTDUMP);
	if (huge)
		madvise(p, size, MADV_HUGEPAGE);
	// A table for a million associations does not fit the default limit: locking is a try.
	mlock2(p, size, MLOCK_ONFAULT);
	return p;
}

void fer_secret_unmap(void *p, size_t len)
{
	if (p == NULL)
		return;
	fer_secret_wipe(p, len);
	fer_secret_unmap_clean(p, len);
}

void fer_secret_unmap_clean(void *p, size_t len)
{
	if (p != NULL)
		munmap(p, whole_pages(len));
}
