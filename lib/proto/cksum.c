// SPDX-License-Identifier: BSD-3-Clause
#include "proto/cksum.h"

#include <string.h>

uint16_t fer_cksum(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t sum = 0;
	uint32_t last = 0;

	for (; len >= sizeof(uint32_t); p += sizeof(uint32_t), len -= sizeof(uint32_t))
		sum += fer_cksum_load(p);
	memcpy(&last, p, len); // an odd byte counts as if a 0 followed it
	return fer_cksum_fold(sum + last);
}
