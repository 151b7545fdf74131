// SPDX-License-Identifier: BSD-3-Clause
#include "nic/ah.h"

#include "base/bytes.h"

#include <assert.h>
#include <string.h>

static uint8_t *value_of(const struct fer_job *job, uint32_t front_bytes)
{
	return job->start + front_bytes + FER_AH_FIXED_BYTES;
}

static bool hide_front(struct fer_ah_hidden *h, uint8_t *ip, uint32_t n)
{
	assert(n != 0 && n <= FER_HEADERS_MAX);
	h->front_bytes = n;
	h->is_plain = fer_mutable_is_plain(ip, n);
	if (h->is_plain) {
		h->head = fer_mutable_mask_plain(ip);
		return true;
	}
	memcpy(h->front, ip, n);
	if (fer_mutable_mask(ip, n))
		return true;
	memcpy(ip, h->front, n);
	return false;
}

bool fer_ah_hide(struct fer_ah_hidden *h, struct fer_job *job, uint32_t front_bytes,
	enum fer_direction direction)
{
	static const uint8_t zero[FER_AH_VALUE_BYTES];
	uint8_t iv_bytes = job->suite->iv_bytes, *value = value_of(job, front_bytes);
	uint16_t value_bytes = (uint16_t)(iv_bytes + job->suite->icv_bytes);

	assert(value_bytes <= sizeof(h->value));
	if (!hide_front(h, job->start, front_bytes))
		return false;
	h->value_bytes = 0;
	job->icv = value + iv_bytes;
	if (direction == FER_IN) {
		h->value_bytes = value_bytes;
		fer_copy_few(h->value, value, value_bytes);
		job->icv = h->value + iv_bytes;
	}
	// An IV in front of it stays, since it is covered (RFC 4543 section 7).
	fer_copy_few(value + iv_bytes, zero, job->suite->icv_bytes);
	return true;
}

void fer_ah_show(const struct fer_ah_hidden *h, const struct fer_job *job)
{
	if (h->is_plain)
		fer_mutable_restore_plain(job->start, &h->head);
	else
		memcpy(job->start, h->front, h->front_bytes);
	if (h->value_bytes != 0)
		fer_copy_few(value_of(job, h->front_bytes), h->value, h->value_bytes);
}
