// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The stages inside the host half; host.c is the only caller.

#include "host/bucket.h"
#include "host/host.h"
#include "host/outer.h"
#include "sa/sa.h"

// The flow that was judged last in a direction.  A packet with the same selector and addresses gets
// the same answer while the policies are of this generation and it uses the same SA.
struct fer_host_flow {
	uint64_t policies; // fer_policies_generation()
	uint64_t handle;   // out: of the SA it is sent with; in: of the only SA that it came over;
			   // FER_NO_SA_INDEX: there is none
	struct fer_sa *sa; // out: the SA of that handle; NULL: there is none
	uint64_t selector; // fer_frame_selector()
	uint64_t addr[4];  // source and destination; of IPv4 one word
};

// Work space of a worker for look-ups over a whole burst.
struct fer_host_work {
	uint8_t *flow[FER_BATCH_MAX]; // line of the flow table that may know the packet's flow;
				      // NULL: out, it is not asked; in, not known yet
	unsigned n;                   // packets whose flow is not known, so policies are asked, and
	uint16_t at[FER_BATCH_MAX];   // their places in the batch
	struct fer_policy_query query[FER_BATCH_MAX];
	uint32_t rule[FER_BATCH_MAX];
	bool needs_ports[FER_BATCH_MAX];
	uint8_t ip[FER_BATCH_MAX][FER_IPV6_HEADER_BYTES]; // headers that were not in one piece
	struct fer_bucket answers;                        // to packets that are too big
	struct fer_host_flow last[2]; // by direction; in: accepted, or being judged
	struct fer_outer_run run;     // the run of several packets of one SA that was framed last
	uint64_t begun; // handle of the first packet of the last burst that did not begin with that
			// run
};

// Decides for every living packet: the SAs to protect with, in p->handle; a verdict; or nothing,
// and it passes as it is.
void fer_select_out(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b);

// Judges the size of every living packet before it is framed.  One that will not fit and may not be
// cut into fragments ends in FER_TOO_BIG, with an answer in the side list.  Sets b->mtu.
void fer_mtu_out(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b);

// The same for plain packets on their way to the host, without answers.  Returns whether it ended
// none.
bool fer_mtu_in(const struct fer_host_rules *rules, struct fer_batch *b);

// Lowers the MSS that TCP SYNs announce: on the way out to what fits through the SAs of the packet,
// on the way in to what fits through those that its groups send with on the way back.
void fer_mss_out(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b);
void fer_mss_in(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b);

// Frames every packet for the SAs in its handles: headers, numbers, rooms for IVs and ICVs,
// padding, trailers, and the send words.
void fer_frame_out(struct fer_host *host, struct fer_batch *b);

// Commits the numbers of what verified, gives each packet that failed its verdict, and takes
// headers and trailers of opened layers off the others.
void fer_accept_in(struct fer_host *host, struct fer_batch *b);

// Is the frame of packet i, of one layer, that of what the layer carried?  In transport mode it is
// only when the layer is off.
static inline bool fer_shows_inside(const struct fer_batch *b, unsigned i)
{
	return b->pkt[i].frame.ip_off == b->round[0][i].pay_off;
}

// Brings what policies may know of the flows of opened packets into the cache, as far as these show
// it.  There are policies.
void fer_expect_in(
	struct fer_host *host, const struct fer_host_rules *rules, const struct fer_batch *b);

// Is each plain packet what a policy expects over the SAs it came over?  Returns whether it is
// known that all are, so that none of the batch has ended.
//   are_expected  fer_expect_in() was asked for the flows of this batch
bool fer_check_in(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b,
	bool are_expected);

// Charges the SAs with the packets that ended on them; on the way out takes those out of the counts
// of what they protected.
void fer_account_out(struct fer_host *host, struct fer_batch *b);
void fer_account_in(struct fer_host *host, struct fer_batch *b);

// Tells of the bits of enum fer_life that a call has just set on an SA.  Inbound: its lock is held.
void fer_audit_life(struct fer_host *host, const struct fer_sa *sa, unsigned crossed);

// Packets of an inbound SA whose ESP is in UDP were authenticated and accepted: the newest says
// where the peer is.
//   at  of n packets, their places in the batch; it is layer k of each
// The SA's lock is held.
void fer_nat_learn(struct fer_host *host, const struct fer_batch *b, const uint16_t at[],
	unsigned n, unsigned k, const struct fer_sa *sa);

// Tells that a packet of that number came from where the peer was not before; the SA's lock is
// held.
void fer_audit_move(
	struct fer_host *host, const struct fer_sa *sa, uint64_t seq, const struct fer_peer *to);

// Tells of packet i, which ended, where that is for somebody to know.
//   sa     that it ended on; NULL: none
//   layer  on the way in: the receipt of that; NULL: none
void fer_audit_end(struct fer_host *host, const struct fer_batch *b, unsigned i,
	enum fer_direction direction, const struct fer_sa *sa, const struct fer_layer *layer);
