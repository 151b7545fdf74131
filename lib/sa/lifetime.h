// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Lifetimes of SAs: RFC 4301 section 4.4.2.1.  Limits in packets, bytes and seconds; the first to
// be crossed counts.
//
// A packet crosses a limit when the count with this packet is above it.  A soft limit that is
// crossed is told, once an SA.  What would cross a hard limit does not go, and nothing goes after
// it: the SA has stopped for good.
//
// The counts are those of struct fer_sa.  Outbound they are taken with the numbers, before a packet
// is framed, so a packet that fails later is given back; inbound they are taken at the commit.

#include "base/verdict.h"
#include "proto/ipsec.h"

#include <stdbool.h>
#include <stdint.h>

struct fer_sa;
struct fer_sa_table;

// What is over in the life of an SA; and, so that one look is enough, whether it has limits, and
// whether it is the one with which its group sends.
enum fer_life {
	FER_LIFE_SOFT = 0x1,    // it should be replaced
	FER_LIFE_HARD = 0x2,    // it has stopped
	FER_LIFE_NUMBERS = 0x4, // outbound: there is no number left
	FER_LIFE_COUNTED = 0x8, // there is a limit in packets or bytes
	FER_LIFE_AGES = 0x10,   // there is one in seconds
	FER_LIFE_ACTIVE = 0x20, // outbound: fer_group_active() of its group
};

#define FER_LIFE_OVER (FER_LIFE_SOFT | FER_LIFE_HARD | FER_LIFE_NUMBERS)

// Limits in force; UINT64_MAX: none.
struct fer_limits {
	uint64_t soft_packets; // the first four are fixed
	uint64_t hard_packets;
	uint64_t soft_bytes;
	uint64_t hard_bytes;
	uint64_t soft_at; // control thread alone: nanoseconds of the table's clock
	uint64_t hard_at;
	uint64_t due; // the one of the two that comes next
	uint64_t born;
};

// Any worker may call the functions below.  len are the bytes of n packets, up to FER_BATCH_MAX, in
// their order; FER_LIFE_SOFT, HARD and NUMBERS that the call was the first to find over are set in
// *crossed.  Each is an event.

struct fer_life_taken {
	uint64_t first;        // number of the first packet
	unsigned crossed;      // as above
	enum fer_verdict rest; // why the others do not go: FER_EXPIRED, FER_SEQ_EXHAUSTED
};

// Counts packets that an outbound SA is to protect, and takes their numbers.  Returns how many of
// them, from the first on, go; the others are not counted and have none.
__attribute__((warn_unused_result)) uint32_t fer_life_take(const struct fer_sa_table *t,
	struct fer_sa *sa, const uint32_t len[], uint32_t n, struct fer_life_taken *taken);

// Counts packets that an inbound SA opened.  Returns how many of them, from the first on, may go;
// the others are not counted.  The caller holds its lock.
__attribute__((warn_unused_result)) uint32_t fer_life_accept(const struct fer_sa_table *t,
	struct fer_sa *sa, const uint32_t len[], uint32_t n, unsigned *crossed);

// Says that something is over.  Returns those bits of it that nobody had set before.
unsigned fer_life_end(struct fer_sa *sa, unsigned over);
