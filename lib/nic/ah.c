// SPDX-License-Identifier: BSD-3-Clause
#include "nic/ah.h"

#include "proto/mutable.h"

#include <assert.h>
#include <string.h>

static uint8_t *value_of(const struct fer_job *job, uint32_t front_bytes)
{
	return job->start + front_bytes + FER_AH_FIXED_BYTES;
}

bool fer_ah_hide(struct fer_ah_hidden *h, struct fer_job *job, uint32_t front_bytes,
	enum fer_direction direction)
{
	uint8_t iv_bytes = job->suite->iv_bytes, *value = value_of(job, front_bytes);
	uint32_t value_bytes = (uint32_t)iv_bytes + job->suite->icv_bytes;

	assert(front_bytes <= sizeof(h->front) && value_bytes <= sizeof(h->value));
	h->front_bytes = front_bytes;
	memcpy(h->front, job->start, front_bytes);
	if (!fer_mutable_mask(job->start, front_bytes)) {
		memcpy(job->start, h->front, front_bytes);
		return false;
	}
	h->value_bytes = 0;
	job->icv = value + iv_bytes;
	if (direction == FER_IN) {
		h->value_bytes = value_bytes;
		memcpy(h->value, value, value_bytes);
		job->icv = h->value + iv_bytes;
	}
	// An IV in front of it stays, since it is covered (RFC 4543 section 7).
	memset(value + iv_bytes, 0, job->suite->icv_bytes);
	return true;
}

void fer_ah_show(const struct fer_ah_hidden *h, const struct fer_job *job)
{
	memcpy(job->start, h->front, h->front_bytes);
	memcpy(value_of(job, h->front_bytes), h->value, h->value_bytes);
}
