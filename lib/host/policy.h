// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The policy database of RFC 4301 section 4.4.1 as one immutable value: built aside, published with
// one store-release, looked up by any worker without locks, freed after a grace period.
//
// Rules are ordered by priority (lowest first), then by their place in the list.  A look-up finds
// the first rule that matches through a classifier, never by walking the list.

#include "proto/frame.h"
#include "proto/ip.h"
#include "proto/ipsec.h"

#include <stdbool.h>
#include <stdint.h>

#define FER_POLICY_MAX_GROUPS 2 // what the out-of-band words can name: an inner and an outer bundle
#define FER_PROTO_ANY 256
#define FER_NO_RULE UINT32_MAX

enum fer_policy_action { FER_POLICY_PROTECT, FER_POLICY_BYPASS, FER_POLICY_DISCARD };

struct fer_port_range {
	uint16_t from, to; // both included, from <= to; 0 to 65535 is any
};

// Fills one cache line: a look-up reads it, and so do the packets that match it.
struct fer_policy_rule {
	struct fer_prefix src, dst;         // both of one version, or any
	uint16_t protocol;                  // FER_PROTO_ANY, or 0 to 255
	int16_t icmp_type;                  // ICMP, ICMPv6; means nothing with another; -1: any
	struct fer_port_range sport, dport; // TCP, UDP, SCTP, likewise
	uint32_t priority;
	uint32_t group[FER_POLICY_MAX_GROUPS]; // innermost first
	uint8_t direction;                     // enum fer_direction
	uint8_t action;                        // enum fer_policy_action
	uint8_t n_groups;                      // protect only
};

struct fer_policies;

// Builds the value from n rules of any shape, which are copied.  Returns NULL with *error -ENOMEM,
// or -E2BIG for more than 2^29; *why is a sentence for people, NULL on success.  Any thread may
// build; 10,000 rules of many shapes take a second and 250 MB meanwhile.
__attribute__((warn_unused_result)) struct fer_policies *fer_policies_build(
	const struct fer_policy_rule *rules, uint32_t n, int *error, const char **why);

void fer_policies_destroy(struct fer_policies *p);

// The rule of that number, as it was given; numbers are places in the list.
const struct fer_policy_rule *fer_policies_rule(const struct fer_policies *p, uint32_t rule);

uint32_t fer_policies_count(const struct fer_policies *p);

// A number that no other value of this process has; never 0.  The value begins with it.
static inline uint64_t fer_policies_generation(const struct fer_policies *p)
{
	return *(const uint64_t *)p;
}

// One packet to classify: its bytes from the IP header on, of which the addresses can be read, and
// its parsed frame.
struct fer_policy_query {
	const uint8_t *ip;
	const struct fer_frame *frame;
};

#define FER_POLICY_BURST 256

// Finds the first rule that matches each of n packets, up to FER_POLICY_BURST; FER_NO_RULE where
// there is none.
//
// For a fragment, first or later, and for a packet too short for the ports its protocol has, ports
// and ICMP types match any value; needs_ports[i] is then set when the rule found names some: such a
// packet must not be let through on that rule, nor on a later one (RFC 4301 section 7).  The same
// holds for the protocol of a later IPv6 fragment that begins inside extension headers: it could be
// any.
void fer_policies_find(const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query *query, unsigned n, uint32_t rule[], bool needs_ports[]);
