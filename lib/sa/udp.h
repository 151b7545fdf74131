// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What SAs with ESP in UDP (RFC 3948) have besides their blocks: a peer that may move, because a
// NAT on the way gives it another port or address.
//
// Inbound, authenticated packets say where the peer is, and of those the newest: a packet whose
// number is not above that of all before moves nothing, so neither do replays (RFC 7296 section
// 2.23).  Outbound SAs do not look: the control thread, which is told of moves, lets them follow.

#include "sa/table.h"

#include <sys/queue.h>

// Who writes what:
//   peer, number  any worker that holds in.lock, once per group of packets
//   known         the control thread
//   is_moved      both, under in.lock
struct fer_udp_in {
	struct fer_peer peer;
	struct fer_peer known; // what the control thread knows
	uint64_t number;       // highest sequence number of a packet that told where the peer is
	bool is_moved;         // peer is another than known, and the control thread has not asked
};

// Where an outbound SA sends to: immutable, replaced whole.
struct fer_udp_head {
	uint8_t ip[FER_IPV6_HEADER_BYTES]; // of a tunnel: as in struct fer_sa_template
	uint16_t sport;
	struct fer_peer peer;
	STAILQ_ENTRY(fer_udp_head) next; // control thread: of those replaced
	uint64_t token;                  // their grace period
};

#define FER_UDP_LINK_BYTES 22 // Ethernet with two tags

// Who writes what:
//   head  the control thread
//   link  any worker that frames packets of the SA, and holds lock
struct fer_udp_out {
	_Atomic(const struct fer_udp_head *) head;
	rte_spinlock_t lock; // nobody waits for it
	bool is_linked;      // a packet has told the link header
	uint8_t link_bytes;
	uint8_t link[FER_UDP_LINK_BYTES];
};

// Workers, between two quiescent states.

// What a packet of an outbound SA with a peer gets in front.
static inline const struct fer_udp_head *fer_udp_head_of(const struct fer_sa *sa)
{
	return atomic_load_explicit(&sa->out.udp->head, memory_order_acquire);
}

// Notes the link header of a packet of an outbound SA with a peer, unless somebody else is at it.
void fer_udp_learn_link(const struct fer_sa *sa, const uint8_t *link, uint8_t n);

// Copies it out; false when there is none yet, or somebody writes it.  Any thread.
__attribute__((warn_unused_result)) bool fer_udp_link(
	const struct fer_sa *sa, uint8_t link[FER_UDP_LINK_BYTES], uint8_t *n);

// An inbound SA with a peer authenticated and accepted packet number seq, which came from there;
// the caller holds its lock.  True: the peer moved, and the control thread, which did not know of
// any move before, is to be told.
__attribute__((warn_unused_result)) bool fer_udp_learn(const struct fer_sa_table *t,
	const struct fer_sa *sa, uint64_t seq, const struct fer_peer *from);

// Has the inbound SA parameters of the host half, and so a peer?
static inline bool fer_udp_has_peer(const struct fer_sa_table *t, const struct fer_sa *sa)
{
	return sa->udp_at != 0 && t->udp_in[sa->index] != NULL;
}

// The control thread alone may call the functions below.

// Where the peer of an SA is now: who sent the newest packet, or to whom it sends.  False: there is
// no such SA, or it has no peer.
__attribute__((warn_unused_result)) bool fer_sa_peer(
	const struct fer_sa_table *t, uint64_t handle, struct fer_peer *peer);

struct fer_sa_move {
	uint64_t handle;
	struct fer_peer from, to;
};

// Takes the news of a move of an inbound SA's peer.  False: there is none, any more.
__attribute__((warn_unused_result)) bool fer_sa_take_move(
	struct fer_sa_table *t, uint64_t handle, struct fer_sa_move *move);

// Looks for moves of which the news got lost: goes on at *cursor, which is 0 at first, over up to
// max SAs.  Returns how many there are.  It is through when *cursor is the capacity.
unsigned fer_sa_find_moves(
	struct fer_sa_table *t, uint32_t *cursor, struct fer_sa_move moves[], unsigned max);

// Makes an outbound SA that sends to move->from send to move->to.  Transport mode can follow to
// another port only: the addresses are those of the packets that it protects.  Returns 0; -ENOENT
// when it does not send to move->from, or cannot follow; -ENOMEM.
__attribute__((warn_unused_result)) int fer_sa_follow(
	struct fer_sa_table *t, uint64_t handle, const struct fer_sa_move *move);
