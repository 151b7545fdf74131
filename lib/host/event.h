// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a worker has to tell the control thread: one ring per worker, upward.
//
// The worker alone puts, the control thread alone gets, and neither waits.  A full ring loses
// events, and counts them.  What ends in the life of an SA is not lost with them: the SA knows it,
// and where a worker missed to tell, fer_sa_untold() finds it.
//
// Events that packets cause from outside (RFC 4301 section 7 and others say "auditable") are
// limited per kind; what the limit left out is counted in the next of the kind.

#include "proto/ip.h"

#include <stdbool.h>
#include <stdint.h>

// Name, and a sentence.  Those up to the first AUDIT are told once each and not limited.
#define FER_EVENTS(V)                                                                              \
	V(SOFT_LIFETIME, "a soft lifetime is over, or few sequence numbers are left")              \
	V(HARD_LIFETIME, "a hard lifetime is over: the association has stopped")                   \
	V(SEQUENCE_EXHAUSTED, "no sequence number is left: the association has stopped")           \
	V(DELETE_REQUEST, "the association asks to be deleted")                                    \
	V(PEER_MOVED, "authenticated packets come from another address or port")                   \
	V(AUDIT_NO_SA, "packet for which there is no association")                                 \
	V(AUDIT_BAD_ICV, "packet whose integrity check failed")                                    \
	V(AUDIT_REPLAY, "packet with a number seen before, or left of the window")                 \
	V(AUDIT_POLICY, "packet that its policy does not allow as it came")                        \
	V(AUDIT_FRAGMENT, "fragment that cannot be judged or protected")

enum fer_event_kind {
#define FER_EVENT_ENUM(name, text) FER_EVENT_##name,
	FER_EVENTS(FER_EVENT_ENUM)
#undef FER_EVENT_ENUM
		FER_N_EVENTS
};

#define FER_FIRST_AUDIT FER_EVENT_AUDIT_NO_SA

#define FER_AUDIT_BURST 20
#define FER_AUDIT_PER_SECOND 10

// What is not known is 0.
struct fer_event {
	uint64_t tsc;        // when it happened
	uint64_t handle;     // of the SA
	uint64_t number;     // sequence number; without an SA its low half
	uint32_t spi;        // host order
	uint32_t flow_label; // IPv6
	uint32_t suppressed; // events of this kind left out before this one
	uint8_t kind;        // enum fer_event_kind
	uint8_t protocol;    // ESP or AH; of a packet that has neither, the one it carries
	uint8_t verdict;     // enum fer_verdict of the packet
	struct fer_addr src, dst;
	uint16_t sport; // of PEER_MOVED: with src, where the peer is
};

struct fer_events;

// The lower-case name ("soft_lifetime") of a kind, and one sentence without a full stop; "?" for a
// number that is none.
const char *fer_event_name(enum fer_event_kind kind);
const char *fer_event_text(enum fer_event_kind kind);

// A ring for n_events, rounded up to a power of two.  NULL without memory.
__attribute__((warn_unused_result)) struct fer_events *fer_events_create(
	uint32_t n_events, uint64_t ticks_per_second);

// Worker and control thread have left it.  NULL does nothing.
void fer_events_destroy(struct fer_events *r);

// The worker alone may call the functions of this block.

// May an event of that kind be put now?  False: it was counted as left out.
__attribute__((warn_unused_result)) bool fer_events_admit(
	struct fer_events *r, enum fer_event_kind kind, uint64_t tsc);

// Puts an event that was admitted; kind and tsc are set.  suppressed is set here.
void fer_events_put(struct fer_events *r, const struct fer_event *e);

// The control thread alone may call the functions below.

// Takes the oldest event; false: there is none.
__attribute__((warn_unused_result)) bool fer_events_get(struct fer_events *r, struct fer_event *e);

// How many events of that kind found the ring full.  When one that is no AUDIT did, what it told
// has to be looked for with fer_sa_untold().
uint64_t fer_events_lost(const struct fer_events *r, enum fer_event_kind kind);
