// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// AH packets on their way through the engine, which authenticates bytes as they stand: what does
// not count is hidden before and put back afterwards.  The bytes of a job are an IP packet in one
// piece, from its header to its end.

#include "base/bytes.h"
#include "crypto/engine.h"
#include "proto/ah.h"
#include "proto/frame.h"
#include "proto/ipsec.h"
#include "proto/mutable.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// What is hidden of the header itself ends with the ICV and is as long as the longest one, so that
// it goes by moves of one length, whatever the ICV has.
#define FER_AH_TAIL_BYTES 32

// What was hidden of a packet, a line of the cache.
struct fer_ah_hidden {
	fer_mutable_head head; // of what stands in front, when that is plain
	fer_pair tail[2];      // received: the bytes up to the end of the ICV
	uint8_t *front; // room for FER_HEADERS_MAX bytes of what is not plain, set by the caller
	uint32_t front_bytes; // that are kept there; 0: it is plain
	uint32_t tail_off;    // where the tail stands
};

// Hides the mutable fields of what stands in front of the AH header, which is front_bytes, and the
// ICV behind its fixed part and the IV, which counts like the rest; sets job->icv.
//   direction  FER_OUT: the ICV is to be written into the packet; FER_IN: to be compared with the
//              one that came
// False: options or routes that lead nowhere; the packet is as it was.  h->front is set, job->start
// and job->suite are.
__attribute__((warn_unused_result)) bool fer_ah_hide(struct fer_ah_hidden *h, struct fer_job *job,
	uint32_t front_bytes, enum fer_direction direction);

// What packets of one association have in common when what stands in front is a plain IP header:
// the bits of its first bytes that count, and those of the tail, which reaches into that header.
struct fer_ah_run {
	fer_mutable_head kept;
	fer_pair kept_tail[2];
	uint32_t tail_off, icv_bytes;
};

static inline struct fer_ah_run fer_ah_run_of(const struct fer_suite *s, uint32_t front_bytes)
{
	static const uint8_t counts[2 * FER_AH_TAIL_BYTES] = {[0 ... FER_AH_TAIL_BYTES - 1] = 0xff};
	// An IV in front of the ICV stays, since it is covered (RFC 4543 section 7).
	const uint8_t *kept = counts + s->icv_bytes;

	static_assert(FER_IPV4_HEADER_BYTES + FER_AH_LEAST_BYTES >= FER_AH_TAIL_BYTES,
		"the tail is in the packet");
	return (struct fer_ah_run){
		.kept = fer_mutable_kept(front_bytes),
		.kept_tail = {fer_load_pair(kept), fer_load_pair(kept + sizeof(fer_pair))},
		.tail_off = front_bytes + FER_AH_FIXED_BYTES + s->iv_bytes + s->icv_bytes -
			    FER_AH_TAIL_BYTES,
		.icv_bytes = s->icv_bytes,
	};
}

static inline void fer_ah_store_tail(uint8_t *to, fer_pair first, fer_pair last)
{
	memcpy(to, &first, sizeof(first));
	memcpy(to + sizeof(first), &last, sizeof(last));
}

// Hides the ICV of any, which begins at start.
static inline void fer_ah_hide_icv(const struct fer_ah_run *run, struct fer_ah_hidden *h,
	struct fer_job *job, uint8_t *start, enum fer_direction direction)
{
	uint8_t *tail = start + run->tail_off;
	const fer_pair first = fer_load_pair(tail), last = fer_load_pair(tail + sizeof(first));

	job->icv = tail + FER_AH_TAIL_BYTES - run->icv_bytes;
	if (direction == FER_IN) {
		h->tail[0] = first;
		h->tail[1] = last;
		h->tail_off = run->tail_off;
		job->icv = (uint8_t *)(h->tail + 2) - run->icv_bytes;
	}
	fer_ah_store_tail(tail, first & run->kept_tail[0], last & run->kept_tail[1]);
}

// fer_ah_hide() for one of them.
static inline void fer_ah_hide_plain(const struct fer_ah_run *run, struct fer_ah_hidden *h,
	struct fer_job *job, enum fer_direction direction)
{
	uint8_t *start = job->start;
	const fer_mutable_head head = fer_mutable_head_of(start); // before the tail is stored

	h->head = head;
	fer_ah_hide_icv(run, h, job, start, direction);
	fer_mutable_put_head(start, head & run->kept);
	h->front_bytes = 0;
}

// Puts back what was hidden: the tail first, of which options may be a part.
static inline void fer_ah_show(
	const struct fer_ah_hidden *h, const struct fer_job *job, enum fer_direction direction)
{
	uint8_t *start = job->start;

	if (direction == FER_IN)
		fer_ah_store_tail(start + h->tail_off, h->tail[0], h->tail[1]);
	if (h->front_bytes == 0)
		fer_mutable_put_head(start, h->head);
	else
		memcpy(start, h->front, h->front_bytes);
}
