// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the files of the policies have in common.
//
// There are three kinds of classifier.  A table of patterns (policy_table.c) takes the least
// memory, but is for rules alone that differ in few lengths of prefixes.  The tries of rte_acl
// (policy_tries.c) look packets up side by side, but multiply out what overlaps: a thousand rules
// with ranges of both ports are more than they can hold.  A tree of boxes (policy_boxes.c) holds
// any rules.

#include "host/boxes.h"
#include "host/patterns.h"
#include "host/policy.h"

#include <assert.h>
#include <stddef.h>

// How much of a packet is known, and so which selectors of a rule are asked.  Each variant has
// tries of its own where that makes a difference.
enum fer_policy_variant {
	FER_VARIANT_WHOLE,    // everything
	FER_VARIANT_PORTLESS, // no ports, no ICMP type: a fragment, or a packet too short for them
	FER_VARIANT_OPAQUE,   // no protocol either: an IPv6 fragment from inside extension headers
	FER_N_VARIANTS
};

#define FER_POLICY_VERSIONS 2 // 0: IPv4, 1: IPv6

// The selectors that a rule names, one bit each.
#define FER_NAMES_PORTS 0x1
#define FER_NAMES_PROTOCOL 0x2

// The rules that a table of patterns is of.
struct fer_policy_view {
	const struct fer_policy_rule *rules;
	unsigned direction, version;
	enum fer_policy_variant variant;
};

// What packets of one variant are looked up in: one of the two, or neither where there is no rule
// or the rules are in boxes.
struct fer_policy_lookup {
	struct fer_patterns *patterns;
	struct rte_acl_ctx *acl;
};

// Of one direction and version.
struct fer_classifier {
	// A variant in which the rules are no different from the one before it has the same
	// look-up.
	struct fer_policy_lookup lookup[FER_N_VARIANTS];
	struct fer_policy_view view[FER_N_VARIANTS]; // that the patterns are of
	struct fer_boxes *boxes;                     // NULL: no rule, or another kind
	uint32_t *box_rule;                          // that each of them is
};

// The rules of one classifier, while it is built.
struct fer_policy_rules {
	const struct fer_policy_rule *rules; // all there are
	uint32_t n;
	const uint32_t *order; // in which they are asked
	unsigned direction, version;
	uint32_t n_own; // of this classifier
	uint8_t names;  // what these name
};

// What a classifier looks at.  It reads the protocol, then four bytes at a time.
struct fer_policy_key {
	uint8_t protocol;
	uint8_t zero[3];
	uint16_t sport_be, dport_be;
	uint8_t addresses[32]; // source, then destination
};

static_assert(sizeof(struct fer_policy_key) == 40 &&
		      offsetof(struct fer_policy_key, sport_be) % 4 == 0 &&
		      offsetof(struct fer_policy_key, addresses) % 4 == 0,
	"read in groups of four bytes");

#define FER_POLICY_MAX_WORDS 4 // 32-bit words of an address

static inline unsigned fer_policy_version(uint8_t version)
{
	return version == 6;
}

static inline unsigned fer_policy_words(unsigned version)
{
	return version == 0 ? 1 : FER_POLICY_MAX_WORDS;
}

static inline bool fer_policy_has_ports(uint16_t protocol)
{
	return protocol == FER_PROTO_TCP || protocol == FER_PROTO_UDP || protocol == FER_PROTO_SCTP;
}

static inline bool fer_policy_has_type(uint16_t protocol)
{
	return protocol == FER_PROTO_ICMP || protocol == FER_PROTO_ICMPV6;
}

static inline bool fer_policy_names_ports(const struct fer_policy_rule *r)
{
	if (fer_policy_has_type(r->protocol))
		return r->icmp_type >= 0;
	return fer_policy_has_ports(r->protocol) &&
	       (r->sport.from != 0 || r->sport.to != UINT16_MAX || r->dport.from != 0 ||
		       r->dport.to != UINT16_MAX);
}

static inline uint8_t fer_policy_names(const struct fer_policy_rule *r)
{
	return (fer_policy_names_ports(r) ? FER_NAMES_PORTS : 0) |
	       (r->protocol != FER_PROTO_ANY ? FER_NAMES_PROTOCOL : 0);
}

// The selectors that a variant does not ask.
static inline uint8_t fer_policy_ignored(enum fer_policy_variant variant)
{
	switch (variant) {
	case FER_VARIANT_PORTLESS:
		return FER_NAMES_PORTS;
	case FER_VARIANT_OPAQUE:
		return FER_NAMES_PORTS | FER_NAMES_PROTOCOL;
	default:
		return 0;
	}
}

static inline bool fer_policy_prefix_fits(const struct fer_prefix *p, unsigned version)
{
	return p->addr.version == 0 || fer_policy_version(p->addr.version) == version;
}

// Is a rule one of that direction and version?
static inline bool fer_policy_belongs(
	const struct fer_policy_rule *r, unsigned direction, unsigned version)
{
	return r->direction == direction && fer_policy_prefix_fits(&r->src, version) &&
	       fer_policy_prefix_fits(&r->dst, version);
}

// How many variants packets of that version have: there are no fragments of IPv4 from inside
// extension headers.
static inline unsigned fer_policy_variants(unsigned version)
{
	return version == 0 ? FER_VARIANT_OPAQUE : FER_N_VARIANTS;
}

// Is the variant no different from the one before it, for rules that name these selectors?
static inline bool fer_policy_is_as_before(unsigned v, uint8_t names)
{
	return v != FER_VARIANT_WHOLE &&
	       ((fer_policy_ignored(v) & ~fer_policy_ignored(v - 1)) & names) == 0;
}

// The ports, or in place of the destination's the ICMP type in front of its code, that a rule asks
// for of a packet of which so much is known.
static inline void fer_policy_ports(struct fer_port_range port[2], const struct fer_policy_rule *r,
	enum fer_policy_variant variant)
{
	const uint16_t type = (uint16_t)(r->icmp_type << 8);

	port[0] = port[1] = (struct fer_port_range){0, UINT16_MAX};
	if (variant != FER_VARIANT_WHOLE || !fer_policy_names_ports(r))
		return;
	if (fer_policy_has_type(r->protocol)) {
		port[1] = (struct fer_port_range){type, type | 0xff};
	} else {
		port[0] = r->sport;
		port[1] = r->dport;
	}
}

// Each builds a look-up of its kind for one variant, or the boxes, which are for all of them; sets
// nothing where it fails: -ENOMEM, or -E2BIG where that kind cannot have these rules.
__attribute__((warn_unused_result)) int fer_policy_build_table(
	struct fer_classifier *c, const struct fer_policy_rules *r, enum fer_policy_variant v);
__attribute__((warn_unused_result)) int fer_policy_build_tries(
	struct fer_classifier *c, const struct fer_policy_rules *r, enum fer_policy_variant v);
__attribute__((warn_unused_result)) int fer_policy_build_boxes(
	struct fer_classifier *c, const struct fer_policy_rules *r);

void fer_policy_free_boxes(struct fer_classifier *c);

// Looks a key up in the table of a variant, or in the boxes.  The number of the rule, and 1; 0 when
// there is none.
uint32_t fer_policy_find_in_table(
	const struct fer_patterns *patterns, const struct fer_policy_key *key);
uint32_t fer_policy_find_in_boxes(const struct fer_classifier *c, unsigned version,
	enum fer_policy_variant variant, const struct fer_policy_key *key);
