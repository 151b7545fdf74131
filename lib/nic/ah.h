// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// AH packets on their way through the engine, which authenticates bytes as they stand: what does
// not count is hidden before and put back afterwards.  The bytes of a job are an IP packet in one
// piece, from its header to its end.

#include "crypto/engine.h"
#include "proto/frame.h"
#include "proto/ipsec.h"
#include "proto/mutable.h"

#include <stdbool.h>
#include <stdint.h>

#define FER_AH_VALUE_BYTES 32 // ICV and, in front of it, the IV of counter modes, at most

struct fer_ah_hidden {
	uint32_t front_bytes;
	uint16_t value_bytes; // to be put back; none of a packet to be sent
	bool is_plain;        // what stands in front is a plain IP header
	struct fer_mutable_head head;
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

// Puts back what was hidden.
void fer_ah_show(const struct fer_ah_hidden *h, const struct fer_job *job);
