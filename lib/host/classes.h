// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Frames that have rules of their own, because hosts could not talk at all if policies judged them:
// link control (ARP and the like, neighbour discovery, multicast listeners) and the datagrams of
// key management.  A class is narrow: what looks almost like it belongs to the policies.

#include "nic/batch.h"
#include "proto/ip.h"
#include "proto/ipsec.h"

// ARP        EtherType 0x0806
// NON_IP     any other that is not IP; but what carries IP packets in a way that is not looked
//            into (MPLS, PPPoE, SNAP, unusual tags) belongs to no class
// ND         IPv6 neighbour discovery (RFC 4861 section 4): hop limit 255, code 0, no extension
//            headers, so it comes from this link
// MLD        IPv6 multicast listeners (RFC 3810 section 5): link-local source, hop limit 1, code 0,
//            and in front a hop-by-hop header with the router alert and nothing else
// IKE        a whole UDP datagram from port 500 to 500, or from 4500 to 4500 with the non-ESP
//            marker
// KEEPALIVE  the one byte that keeps a NAT awake, from port 4500 to 4500
#define FER_CLASSES(C)                                                                             \
	C(ARP, "arp")                                                                              \
	C(NON_IP, "non_ip")                                                                        \
	C(ND, "nd")                                                                                \
	C(MLD, "mld")                                                                              \
	C(IKE, "ike")                                                                              \
	C(KEEPALIVE, "keepalive")

enum fer_class {
	FER_CLASS_NONE,
#define FER_CLASS_ENUM(name, text) FER_CLASS_##name,
	FER_CLASSES(FER_CLASS_ENUM)
#undef FER_CLASS_ENUM
		FER_N_CLASSES
};

// "arp"; "none" for FER_CLASS_NONE, "?" for a number that is no class.
const char *fer_class_name(enum fer_class c);

enum fer_class_action {
	FER_CLASS_TO_POLICY, // as any other packet; what is no IP packet then ends as not_ip
	FER_CLASS_TO_PASS,
	FER_CLASS_TO_DROP,
};

#define FER_CLASS_ACTIONS 8 // a word

static_assert(FER_N_CLASSES <= FER_CLASS_ACTIONS, "a byte per class");

// What becomes of each class; all 0: there are no classes.
struct fer_class_rules {
	uint8_t action[FER_CLASS_ACTIONS]; // enum fer_class_action; that of FER_CLASS_NONE is not
					   // used
	// Pass IKE and KEEPALIVE only to and from these; for others policies decide.
	uint32_t n_peers; // 0: any
	const struct fer_addr *peers;
};

// The class of a parsed packet that is, or was sent, in the clear.
enum fer_class fer_classify(const struct rte_mbuf *m, enum fer_link link, const struct fer_pkt *p);

// Are there any?
static inline bool fer_class_has_rules(const struct fer_class_rules *rules)
{
	uint64_t actions;

	memcpy(&actions, rules->action, sizeof(actions));
	return actions >> 8 * (FER_CLASS_NONE + 1) != 0;
}

// Gives living packets that came in the clear what the rule for their class says: p->class, and
// policies do not see it; verdict FER_CLASS_DROP; or nothing.
void fer_classes_run(
	const struct fer_class_rules *rules, struct fer_batch *b, enum fer_direction direction);
