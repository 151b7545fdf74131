// SPDX-License-Identifier: BSD-3-Clause
#include "base/pages.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALL_PAGE_BYTES ((size_t)4096)
#define PIECE_BYTES ((size_t)64 << 20) // made real at once

static size_t page_bytes(size_t len)
{
	return len >= FER_HUGE_PAGE_BYTES ? FER_HUGE_PAGE_BYTES : SMALL_PAGE_BYTES;
}

size_t fer_pages_bytes(size_t len)
{
	size_t page = page_bytes(len);

	return len > SIZE_MAX - page ? 0 : (len + page - 1) / page * page;
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

void *fer_pages_map(size_t len)
{
	size_t size = fer_pages_bytes(len);
	void *p = size == 0 ? NULL : map_aligned(size, page_bytes(len));

	if (p != NULL && len >= FER_HUGE_PAGE_BYTES)
		madvise(p, size, MADV_HUGEPAGE);
	return p;
}

bool fer_pages_prepare(void *p, size_t len)
{
	long free_pages = sysconf(_SC_AVPHYS_PAGES);

	if (free_pages < 0 || len / SMALL_PAGE_BYTES > (size_t)free_pages / 2)
		return false;
	for (size_t done = 0; done < len; done += PIECE_BYTES) {
		size_t n = len - done < PIECE_BYTES ? len - done : PIECE_BYTES;

		if (madvise((uint8_t *)p + done, n, MADV_POPULATE_WRITE) != 0)
			return false;
	}
	return true;
}

void fer_pages_unmap(void *p, size_t len)
{
	if (p != NULL)
		munmap(p, fer_pages_bytes(len));
}

bool fer_pages_can_be_huge(const char *file)
{
	char modes[64] = ""; // "always [madvise] never": the one in force stands in brackets
	FILE *f = fopen(file, "re");

	if (f == NULL)
		return false;
	bool is_read = fgets(modes, sizeof(modes), f) != NULL;
	fclose(f);
	return is_read && strstr(modes, "[never]") == NULL;
}
