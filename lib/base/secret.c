// SPDX-License-Identifier: BSD-3-Clause
#include "base/secret.h"

#include "base/pages.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

void fer_secret_wipe(void *p, size_t len)
{
	// No compiler leaves it out, and it is several times faster than OPENSSL_cleanse().
	explicit_bzero(p, len);
}

bool fer_secret_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void *fer_secret_map(size_t len)
{
	void *p = fer_pages_map(len);

	if (p == NULL)
		return NULL;
	madvise(p, fer_pages_bytes(len), MADV_DONTDUMP);
	// A table for a million associations does not fit the default limit: locking is a try.
	mlock2(p, fer_pages_bytes(len), MLOCK_ONFAULT);
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
	fer_pages_unmap(p, len);
}
