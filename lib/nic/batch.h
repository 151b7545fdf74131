// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A burst of packets on its way through the stages, and all that the stages know about them.
//
// A stage owns the batch until it returns.  Packets stay in the order of their arrival; one that
// has its verdict is skipped by later stages and stays in its place until the sink.  A batch holds
// indices and no pointers of a worker, so that another core can take over a stage.
//
// A group is a run of neighbouring packets of one SA: what is per SA is paid once per group.

#include "base/verdict.h"
#include "proto/frame.h"
#include "proto/ipsec.h"
#include "proto/l2.h"

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define FER_BATCH_MAX 256
#define FER_BATCH_MORE                                                                             \
	1536 // fragments and segments behind the first ones, of all packets of a batch
#define FER_BATCH_SIDE FER_BATCH_MAX

struct fer_sa_table;

// One layer of protection of a packet: what the crypt stage has to seal on send, a receipt on
// receive.  In process the host half commits, counts, strips and checks from a receipt and never
// asks the table again.
struct fer_layer {
	uint64_t seq;        // receive: the number it was verified with
	uint32_t sa;         // index in the table
	uint32_t generation; // of that index
	uint16_t ip_off;     // IP header in front of the protection
	uint16_t next_off;   // the byte that names the ESP or AH header
	uint16_t sec_off;    // ESP or AH header
	uint16_t pay_off;    // behind the IV, or behind AH
	uint32_t end;        // end of the ICV; of AH: of the packet
	uint8_t next_header; // of the trailer, or of AH; receive: valid when verified
	uint8_t pad_len;
	uint8_t verified; // receive: the ICV was right, so its number has to be committed
	uint8_t verdict;  // receive: enum fer_verdict
};

static_assert(sizeof(struct fer_layer) == 32, "two layers a cache line");

static_assert(offsetof(struct fer_layer, generation) == offsetof(struct fer_layer, sa) + 4,
	"fer_layer_handle() reads both at once");

// Of the SA.
static inline uint64_t fer_layer_handle(const struct fer_layer *layer)
{
	uint64_t handle;

	memcpy(&handle, &layer->sa, sizeof(handle));
	return handle;
}

static inline uint64_t fer_layer_handle_of(uint32_t sa, uint32_t generation)
{
	return (uint64_t)generation << 32 | sa;
}

static_assert(
	offsetof(struct fer_layer, next_off) == offsetof(struct fer_layer, ip_off) + 2 &&
		offsetof(struct fer_layer, sec_off) == offsetof(struct fer_layer, ip_off) + 4 &&
		offsetof(struct fer_layer, pay_off) == offsetof(struct fer_layer, ip_off) + 6,
	"fer_layer_places() reads them at once");

// All places in front of the payload as one number.
static inline uint64_t fer_layer_places(const struct fer_layer *layer)
{
	uint64_t places;

	memcpy(&places, &layer->ip_off, sizeof(places));
	return places;
}

// Those of a layer that is to be sealed.
static inline uint64_t fer_layer_places_of(uint32_t ip_off, uint32_t sec_off, uint32_t pay_off)
{
	return (uint64_t)pay_off << 48 | (uint64_t)(uint16_t)sec_off << 32 | (uint16_t)ip_off;
}

static_assert(
	offsetof(struct fer_layer, pad_len) == offsetof(struct fer_layer, next_header) + 1 &&
		offsetof(struct fer_layer, verified) ==
			offsetof(struct fer_layer, next_header) + 2 &&
		offsetof(struct fer_layer, verdict) == offsetof(struct fer_layer, next_header) + 3,
	"fer_layer_outcome() reads them at once");

// Handle and places of a layer.
static inline fer_pair fer_layer_whose(const struct fer_layer *layer)
{
	static_assert(offsetof(struct fer_layer, ip_off) ==
			      offsetof(struct fer_layer, sa) + sizeof(uint64_t),
		"a pair of words");
	return fer_load_pair(&layer->sa);
}

// Next header, pad length, whether it verified, and verdict as one number.
static inline uint32_t fer_layer_outcome(const struct fer_layer *layer)
{
	uint32_t word;

	memcpy(&word, &layer->next_header, sizeof(word));
	return word;
}

#define FER_OUTCOME_PAD_LEN 0xff00u // what of it differs between packets that went the same way

// Of a layer that verified and is well.
static inline uint32_t fer_outcome_of(uint8_t next_header, uint8_t pad_len)
{
	return (uint32_t)FER_OK << 24 | 1u << 16 | (uint32_t)pad_len << 8 | next_header;
}

static inline void fer_layer_set_outcome(struct fer_layer *layer, uint32_t outcome)
{
	memcpy(&layer->next_header, &outcome, sizeof(outcome));
}

static_assert(offsetof(struct fer_layer, seq) == 0 && offsetof(struct fer_layer, sa) == 8 &&
		      offsetof(struct fer_layer, ip_off) == 16 &&
		      offsetof(struct fer_layer, end) == 24 && sizeof(struct fer_layer) == 32,
	"four words");

// Writes a layer of which nothing more is known, each of its bytes once.
static inline void fer_layer_write(
	struct fer_layer *layer, uint64_t seq, uint64_t handle, uint64_t places, uint32_t end)
{
	const fer_pair whose = {handle, places};
	const uint64_t rest = end;

	layer->seq = seq;
	memcpy(&layer->sa, &whose, sizeof(whose));
	memcpy(&layer->end, &rest, sizeof(rest));
}

struct fer_pkt {
	struct fer_frame frame; // the innermost layer seen so far; version 0: it is no sound IP
	uint8_t verdict;        // enum fer_verdict; FER_OK while nothing ended it
	uint8_t parsed;         // what fer_frame_parse() said of frame; FER_NOT_IP: not asked
	uint8_t n_layers;       // layers in use; send: innermost first, receive: outermost first
	uint8_t class;          // not 0: a rule of the host half lets it by, whatever policies say
	uint16_t type_off;      // EtherType of the frame; see struct fer_l2
	uint16_t l2_len;
	uint8_t pending; // receive: a layer is visible that nobody looked up, or it waits for the
			 // crypt stage
	uint8_t like;    // FER_LIKE_: how it is like the packet before it in the batch
	uint64_t handle[2]; // send: outbound SAs to apply, innermost first; 0: none
	uint32_t inside[2]; // send: bytes of the IP packet that each of them protects; 0: not yet
};

static_assert(sizeof(struct fer_pkt) == 64, "a packet is a line of the cache");

// How a packet is like the one before it in the batch.
//   FLOW    as they arrived: both are sound, and agree in all that a selector may ask for
//   START   as they arrived, besides: both are plain IPv4, and agree in the four bytes behind the
//           header, which are SPI or ports
//   OPENED  in place of the other two, once a layer was opened: the outermost layers of both are of
//           one SA, stood at the same offsets and were opened, and what both carried is plain IPv4
//           that agrees as with START
// None of them is taken back when a later stage changes one of the packets.
#define FER_LIKE_FLOW 0x1
#define FER_LIKE_START 0x2
#define FER_LIKE_OPENED 0x4

// Stages that a measurement can tell apart.
#define FER_STAGES(S)                                                                              \
	S(PARSE, "parse")                                                                          \
	S(POLICY, "policy")                                                                        \
	S(FRAME, "frame")                                                                          \
	S(BIND, "bind")                                                                            \
	S(CRYPT, "crypt")                                                                          \
	S(TAG, "tag")                                                                              \
	S(ACCEPT, "accept")                                                                        \
	S(ACCOUNT, "account")

enum fer_stage {
#define FER_STAGE_ENUM(name, text) FER_STAGE_##name,
	FER_STAGES(FER_STAGE_ENUM)
#undef FER_STAGE_ENUM
		FER_N_STAGES
};

// TSC ticks spent per stage, for whoever measures.
struct fer_stage_clock {
	uint64_t since;
	uint64_t ticks[FER_N_STAGES];
	uint64_t marks[FER_N_STAGES]; // how often it was marked, which costs time as well
};

// The SA from which the host half took sequence numbers last.
struct fer_numbered {
	uint64_t handle; // 0: there is none
	uint64_t last;   // the highest number taken
};

struct fer_batch {
	uint16_t n;
	uint8_t link;      // enum fer_link
	bool has_udp_sums; // send: the UDP header of a layer needs its checksum when it is sealed
	struct fer_stage_clock *clock;     // NULL: nobody measures
	struct fer_numbered numbered;      // send: spares looking at a counter that others write;
					   // fer_nic_transmit() takes it away
	struct rte_mbuf *m[FER_BATCH_MAX]; // NULL: moved out of the batch (a fragment that waits)
	struct fer_pkt pkt[FER_BATCH_MAX];
	// Layer k of packet i is round[k][i]: most packets have one, and all first ones lie side by
	// side.
	struct fer_layer round[FER_MAX_ROUNDS][FER_BATCH_MAX];

	// Bytes of an IP packet that the port carries to which the batch goes; 0: it does not
	// matter.
	uint32_t mtu;

	// A packet that was cut into fragments: the first is in m, the others follow it, in
	// ascending order of their place in m.
	uint16_t n_more;
	uint16_t more_of[FER_BATCH_MORE];
	struct rte_mbuf *more[FER_BATCH_MORE];

	// Packets that were made here: they go back to the port that the batch came from.
	uint16_t n_side;
	struct rte_mbuf *side[FER_BATCH_SIDE];
};

// Charges the ticks since the last mark to a stage; once a burst.
static inline void fer_batch_mark(struct fer_batch *b, enum fer_stage stage)
{
	if (likely(b->clock == NULL))
		return;
	uint64_t now = rte_rdtsc_precise();
	b->clock->ticks[stage] += now - b->clock->since;
	b->clock->marks[stage]++;
	b->clock->since = now;
}

// Is the packet still on its way?
static inline bool fer_pkt_alive(const struct fer_pkt *p)
{
	return p->verdict == FER_OK;
}

// Is it alive, sound, of so many layers, and let by by no rule?  One look tells.
static inline bool fer_pkt_has_layers(const struct fer_pkt *p, uint8_t n)
{
	const uint8_t wanted[4] = {FER_OK, FER_OK, n, 0};
	uint32_t is, shall;

	memcpy(&is, &p->verdict, sizeof(is));
	memcpy(&shall, wanted, sizeof(shall));
	return is == shall;
}

static inline bool fer_pkt_has_no_layer(const struct fer_pkt *p)
{
	return fer_pkt_has_layers(p, 0);
}

static inline bool fer_pkt_has_one_layer(const struct fer_pkt *p)
{
	return fer_pkt_has_layers(p, 1);
}

static_assert(offsetof(struct fer_pkt, parsed) == offsetof(struct fer_pkt, verdict) + 1 &&
		      offsetof(struct fer_pkt, n_layers) == offsetof(struct fer_pkt, verdict) + 2 &&
		      offsetof(struct fer_pkt, class) == offsetof(struct fer_pkt, verdict) + 3,
	"fer_pkt_has_layers() reads them at once");

// Verdict, parsed, number of layers, class, and where the link header ends, as one number.
static inline uint64_t fer_pkt_state(const struct fer_pkt *p)
{
	uint64_t state;

	memcpy(&state, &p->verdict, sizeof(state));
	return state;
}

static_assert(offsetof(struct fer_pkt, type_off) == offsetof(struct fer_pkt, verdict) + 4 &&
		      offsetof(struct fer_pkt, l2_len) == offsetof(struct fer_pkt, verdict) + 6,
	"fer_pkt_state() reads them at once");

static_assert(FER_OK == 0, "collected by or");

// What a packet has of these, among other bits: to be collected by or.
#define FER_MARKS_VERDICT 0xffu
#define FER_MARKS_CLASS 0xff000000u

static inline uint32_t fer_pkt_marks(const struct fer_pkt *p)
{
	uint32_t marks;

	memcpy(&marks, &p->verdict, sizeof(marks));
	return marks;
}

// The layer that waits, or that was added last.
static inline struct fer_layer *fer_pkt_last_layer(struct fer_batch *b, unsigned i)
{
	return &b->round[b->pkt[i].n_layers - 1][i];
}

// May it be an ESP or AH header that could be opened?  Behind UDP ESP may stand.
static inline bool fer_is_layer(uint8_t protocol)
{
	return (fer_frame_kinds[protocol] & FER_FRAME_KIND_LAYER) != 0;
}

// Does the frame show one?
static inline bool fer_pkt_shows_layer(const struct fer_pkt *p)
{
	return p->parsed == FER_OK && p->frame.fragment == 0 && fer_is_layer(p->frame.protocol);
}

// Starts the way of b->n packets in b->m: resets what is known of them, parses link and IP headers.
// No fragments and no packets of our own are there yet, and any length will do.
// Frames that are no IP, or no sound IP, stay alive: whoever judges sees p->parsed.
void fer_batch_parse(struct fer_batch *b);

// What there may be to do before frames of a port can go their way; nearly always nothing.
struct fer_arrival {
	uint64_t flags; // those that any of the frames has
	bool is_odd;    // one has several segments, or is referenced more than once
	bool has_other; // one is not plain: it may be a fragment
};

static inline bool fer_arrival_may_be_shared(const struct fer_arrival *a)
{
	return a->is_odd || (a->flags & (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)) != 0;
}

// The same for frames of a port: what they bring along is not ours, so their words are zeroed.
struct fer_arrival fer_batch_arrive(struct fer_batch *b);

// Parses one packet again, for a stage that replaced b->m[i]; its words, verdict and layers stay.
// It is like none, and none is like it.
void fer_batch_parse_one(struct fer_batch *b, unsigned i);

// Parses the layer at ip_off, which ends at end, into the packet's frame and parsed.
void fer_batch_parse_inner(struct fer_batch *b, unsigned i, uint16_t ip_off, uint32_t end);

// The same where the layer is plain.  False: it is not, and nothing is set.
static inline bool fer_batch_parse_inner_plain(
	struct fer_batch *b, unsigned i, uint16_t ip_off, uint32_t end)
{
	const struct rte_mbuf *m = b->m[i];
	struct fer_pkt *p = &b->pkt[i];

	if (!fer_frame_parse_plain(
		    rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, end, ip_off, &p->frame))
		return false;
	p->parsed = FER_OK;
	return true;
}

// Passes the destination options that the packet's frame shows behind AH, where ESP follows them:
// they may stand between the headers of a bundle.
void fer_batch_pass_options(struct fer_batch *b, unsigned i);

// Makes private what later stages write: packets with a segment that is somebody else's (cloned,
// indirect, referenced twice, or external memory that is not pinned to the segment) are copied into
// segments of pool, words included.  The batch gives up its reference to the original.  No buffer:
// FER_NO_ROOM, and the original stays.
void fer_batch_own(struct fer_batch *b, struct rte_mempool *pool);
