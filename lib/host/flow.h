// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Remembers which rules flows met, so that an established flow does not ask the classifier again.
//
// One per worker, of a fixed size.  What is remembered is all that the classifier looks at, and the
// generation of the policies, so an answer is never wrong, only missing.  It is a rule, not an SA:
// rekeying does not concern it.  Places are chosen by a hash with a secret key: nobody outside can
// choose packets that push a certain flow out.
//
// Whoever acts on a rule may leave a note with the flow: what the rule came to, which saves the
// next packet the way to it.  The note goes when the flow or the policies go; whether it still
// holds otherwise is for its reader to see.

#include "host/policy.h"

struct fer_flows;

// Room for about n flows of each IP version, within bounds: at least 262,144, at most 2,097,152.
// Memory becomes real where flows come to be.  NULL without memory or random numbers.
__attribute__((warn_unused_result)) struct fer_flows *fer_flows_create(uint32_t n);

void fer_flows_destroy(struct fer_flows *f);

// Forgets what was learnt from other policies than these.  To be called before a burst looks for
// notes.
static inline void fer_flows_follow(struct fer_flows *f, const struct fer_policies *p);

// The way to a note, in two steps, so that the lines of a burst come side by side: brings the line
// of a flow into the cache, and returns it,
static inline uint8_t *fer_flow_expect(
	const struct fer_flows *f, enum fer_direction direction, struct fer_policy_query query);

// and reads what stands there.  0: there is none, or the flow is not known.
static inline uint64_t fer_flow_note(const struct fer_flows *f, enum fer_direction direction,
	struct fer_policy_query query, uint8_t *home);

// What fer_policies_find() does, and gives, for any n.
void fer_flows_find(struct fer_flows *f, const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query query[], unsigned n, uint32_t rule[], bool needs_ports[]);

// Leaves a note with the flow of a packet that was looked up in these policies.  A flow that is
// not remembered any more does not get it.
void fer_flows_note(struct fer_flows *f, const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query *query, uint64_t note);

#include "host/flow_inline.h"
