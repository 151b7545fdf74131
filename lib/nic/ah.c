// SPDX-License-Identifier: BSD-3-Clause
#include "nic/ah.h"

#include <assert.h>

// Hides what is not plain.
static bool hide_front(struct fer_ah_hidden *h, uint8_t *ip, uint32_t n)
{
	assert(n != 0 && n <= FER_HEADERS_MAX);
	memcpy(h->front, ip, n);
	h->front_bytes = n;
	if (fer_mutable_mask(ip, n))
		return true;
	memcpy(ip, h->front, n);
	return false;
}

bool fer_ah_hide(struct fer_ah_hidden *h, struct fer_job *job, uint32_t front_bytes,
	enum fer_direction direction)
{
	const struct fer_ah_run run = fer_ah_run_of(job->suite, front_bytes);

	assert(job->suite->iv_bytes + job->suite->icv_bytes <= FER_AH_TAIL_BYTES);
	if (fer_mutable_is_plain(job->start, front_bytes)) {
		fer_ah_hide_plain(&run, h, job, direction);
		return true;
	}
	if (!hide_front(h, job->start, front_bytes))
		return false;
	fer_ah_hide_icv(&run, h, job, job->start, direction);
	return true;
}
