// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// AH packets on their way through the engine, which authenticates bytes as they stand: what does
// not count is hidden before and put back afterwards.  The bytes of a job are an IP packet in one
// piece, from its header to its end.

#include "base/bytes.h"
#include "crypto/engine.h"
#include "proto/frame.h"
#include "proto/ipsec.h"
#include "proto/mutable.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FER_AH_VALUE_BYTES 32 // ICV and, in front of it, the IV of counter modes, at most

struct fer_ah_hidden {
	fer_mutable_head head; // of what stands in front, when that is plain
	uint32_t front_bytes;
	uint16_t value_bytes; // to be put back; none of a packet to be sent
	bool is_plain;        // what stands in front is a plain IP header
	uint8_t *front; // room for FER_HEADERS_MAX bytes of what is not plain, set by the caller
	uint8_t value[FER_AH_VALUE_BYTES];
};

// Hides the mutable fields of what stands in front of the AH header, which is front_bytes, and the
// ICV behind its fixed part and the IV, which counts like the rest; sets job->icv.
//   direction  FER_OUT: the ICV is to be written into the packet; FER_IN: to be compared with the
//              one that came
// False: options or routes that lead nowhere; the packet is as it was.  h->front is set, job->start
// and job->suite are.
__attribute__((warn_unused_result)) bool fer_ah_hide(struct fer_ah_hidden *h, struct fer_job *job,
	uint32_t front_bytes, enum fer_direction direction);

// What packets of one association have in common when what stands in front is a plain IP header.
struct fer_ah_run {
	fer_mutable_head kept;
	uint32_t front_bytes, iv_bytes, icv_bytes;
};

static inline struct fer_ah_run fer_ah_run_of(const struct fer_suite *s, uint32_t front_bytes)
{
	return (struct fer_ah_run){
		fer_mutable_kept(front_bytes), front_bytes, s->iv_bytes, s->icv_bytes};
}

// Hides the value of any.
static inline void fer_ah_hide_value(const struct fer_ah_run *run, struct fer_ah_hidden *h,
	struct fer_job *job, enum fer_direction direction)
{
	static const uint8_t zero[FER_AH_VALUE_BYTES];
	uint8_t *value = job->start + run->front_bytes + FER_AH_FIXED_BYTES;
	uint8_t *icv = value + run->iv_bytes;

	h->front_bytes = run->front_bytes;
	h->value_bytes = 0;
	job->icv = icv;
	if (direction == FER_IN) {
		h->value_bytes = (uint16_t)(run->iv_bytes + run->icv_bytes);
		fer_copy_few(h->value, value, h->value_bytes);
		job->icv = h->value + run->iv_bytes;
	}
	// An IV in front of it stays, since it is covered (RFC 4543 section 7).
	fer_copy_few(icv, zero, run->icv_bytes);
}

// fer_ah_hide() for one of them.
static inline void fer_ah_hide_plain(const struct fer_ah_run *run, struct fer_ah_hidden *h,
	struct fer_job *job, enum fer_direction direction)
{
	h->is_plain = true;
	h->head = fer_mutable_mask_plain(job->start, run->kept);
	fer_ah_hide_value(run, h, job, direction);
}

// Puts back what was hidden.
static inline void fer_ah_show(const struct fer_ah_hidden *h, const struct fer_job *job)
{
	if (h->is_plain)
		fer_mutable_restore_plain(job->start, &h->head);
	else
		memcpy(job->start, h->front, h->front_bytes);
	if (h->value_bytes != 0)
		fer_copy_few(
			job->start + h->front_bytes + FER_AH_FIXED_BYTES, h->value, h->value_bytes);
}
