// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Opens and closes the gap that protection needs in a packet; the only place where the mode is
// asked.

#include "host/ident.h"
#include "nic/batch.h"
#include "sa/sa.h"

// Could the SA carry this packet?  FER_OK; FER_TRANSPORT_FRAGMENT; FER_NO_POLICY, the addresses are
// not those of a transport SA; FER_TOO_LONG.
//   ah  the AH outside it, where sa is the head of a bundle; else NULL
__attribute__((warn_unused_result)) enum fer_verdict fer_outer_fits(const struct rte_mbuf *m,
	const struct fer_pkt *p, const struct fer_sa *sa, const struct fer_sa *ah);

// Numbers that go up from packet to packet.
struct fer_outer_numbers {
	uint64_t seq;
	uint16_t id;      // identification of an outer IPv4 header
	uint16_t id_step; // to that of the next packet
};

// Makes room for what the SA puts around a packet that fits, and fills it: in tunnel mode an outer
// IP header, in transport mode the gap behind the IP header; then the UDP header, if the SA has
// one; then SPI and number, padding and trailer of ESP.  The rooms of IV and ICV stay undefined,
// those of AH are 0.  The packet ends with the ICV of ESP, its frame becomes that of the framed
// packet, and *layer says where everything is. Returns FER_OK, or FER_NO_ROOM with the packet in no
// state to be sent.
__attribute__((warn_unused_result)) enum fer_verdict fer_outer_put_on(struct rte_mbuf **m,
	struct fer_pkt *p, const struct fer_sa *sa, struct fer_outer_numbers no,
	struct rte_mempool *pool, struct fer_layer *layer);

// A packet of up to so many bytes is not too long for any of them, whatever its lengths.
#define FER_OUTER_PLAIN_BYTES (FER_IPV4_MAX_BYTES - FER_IPV6_HEADER_BYTES - 3 * UINT8_MAX)

// What packets of one plain SA have in common.  It is made once and kept, because nothing that it
// was made from changes as long as the SA lives.
struct fer_outer_run {
	// Which packets these are.
	uint64_t handle; // of the SA; 0: of none
	uint64_t state;  // fer_pkt_state() of them
	struct fer_sa *sa;
	uint32_t l2_len;
	bool is_usual;        // ESP over IPv4, with an Ethernet header without tags
	uint16_t *id_counter; // of their identifications
	uint32_t id_step;     // from that of one to that of the next

	// What is put on them, as wide as it is used, so that no instruction has to widen it.
	const uint8_t *ip;                              // the outer header is made from this
	uint64_t ends __attribute__((vector_size(16))); // addresses of IPv4, SPI, room for a number
	uint32_t spi;
	uint32_t growth;
	uint32_t head_bytes;
	uint32_t around;   // growth and all that is behind the payload but padding
	uint32_t pad_from; // a packet that ends n bytes before it is padded by n in pad_mask
	uint32_t pad_mask;
	struct fer_frame_words frame;

	// What follows from those bits of an inner header that it differs by from packet to packet;
	// as of the last one.
	uint64_t traits_mask;
	uint64_t traits;
	struct fer_ipv4_stamp ipv4;
	fer_pair ah_front;
	uint32_t slot12; // but for the length of padding
	uint8_t tos;
	bool df;
};

// Makes it for packets as p is, which is alive, under the handle of that SA, which is plain.
void fer_outer_run_init(struct fer_outer_run *run, struct fer_sa *sa, uint64_t handle,
	const struct fer_pkt *p, struct fer_ident *ident);

// Does its SA live?
static inline bool fer_outer_run_lives(const struct fer_outer_run *run)
{
	return run->sa != NULL && atomic_load_explicit(&run->sa->generation,
					  memory_order_acquire) == run->handle >> 32;
}

// Where the ESP or AH header will be when sa is put on, counted from the outermost IP header.
uint32_t fer_outer_sec_off(const struct fer_pkt *p, const struct fer_sa *sa);

// How many bytes the offsets of what was framed before move when sa is put around it.
static inline uint32_t fer_outer_growth(const struct fer_sa *sa)
{
	return sa->out.template.growth;
}

// Length of the longest IP packet that the SA makes into one of up to most bytes, 0 if there is
// none.
//   header_len  what stays in front in transport mode: IP header and all that ESP or AH goes behind
uint32_t fer_outer_longest(const struct fer_sa *sa, uint32_t header_len, uint32_t most);

// Length of the IP packet inside layer k, which is opened and of sa; TFC padding counts.
static inline uint32_t fer_outer_inside(
	const struct fer_sa *sa, const struct fer_batch *b, unsigned i, unsigned k);

// The same in transport mode, of a layer that carried so many bytes.
uint32_t fer_outer_inside_transport(const struct fer_sa *sa, const struct fer_batch *b, unsigned i,
	unsigned k, uint32_t payload);

static inline uint32_t fer_outer_inside(
	const struct fer_sa *sa, const struct fer_batch *b, unsigned i, unsigned k)
{
	const struct fer_layer *layer = &b->round[k][i];
	uint32_t payload = layer->end - layer->pay_off - sa->tail_bytes - layer->pad_len;

	return likely(sa->mode == FER_TUNNEL) ? payload
					      : fer_outer_inside_transport(sa, b, i, k, payload);
}

// How far taking layers off has come.  Offsets in receipts are those of the packet as it arrived;
// at first both are 0.
struct fer_outer_progress {
	uint32_t shift;    // bytes taken from the front so far
	uint32_t ip_shift; // the same when the IP header that is now outermost came to the front

	// Of the layer taken off last in transport mode: the byte that named it, as the packet
	// arrived, and counted from its IP header as the packet is now.
	uint16_t next_off;
	uint16_t next_at;
};

// Takes one opened layer off: the outer header in tunnel mode, the ESP or AH header in transport
// mode, and the UDP header with either. Layers go outermost first; p->frame is that of the
// innermost, which is sound.  What follows the payload stays for the caller to trim.  ECN is
// combined. Returns FER_OK, FER_ECN_CE, FER_BAD_INNER, FER_DUMMY or FER_NO_ROOM.
__attribute__((warn_unused_result)) enum fer_verdict fer_outer_take_off(struct rte_mbuf **m,
	const struct fer_pkt *p, const struct fer_sa *sa, const struct fer_layer *layer,
	struct fer_outer_progress *done, struct rte_mempool *pool);

static_assert(offsetof(struct fer_frame, end) == 0 && offsetof(struct fer_frame, ip_off) == 4 &&
		      offsetof(struct fer_frame, up_off) == 6 &&
		      offsetof(struct fer_frame, up_next_off) == 8 &&
		      offsetof(struct fer_frame, sec_off) == 10 &&
		      offsetof(struct fer_frame, sec_next_off) == 12 &&
		      offsetof(struct fer_frame, frag_off) == 14,
	"four words have all offsets");

typedef uint32_t fer_words __attribute__((vector_size(16)));

// The frame of a packet as it stands after shift bytes were taken from the front.  No offset is
// less, so neighbours go by one subtraction.
static inline void fer_outer_shift_frame(struct fer_frame *f, uint32_t shift)
{
	const uint32_t both = shift << 16 | shift;
	const fer_words by = {shift, both, both, shift};
	fer_words places;

	memcpy(&places, f, sizeof(places));
	places -= by;
	memcpy(f, &places, sizeof(places));
	if (unlikely(f->frag_off != 0))
		f->frag_off -= (uint16_t)shift;
}

// Takes the only layer off packets from first on, of n that came over sa with places, state and
// outcome of the layer alike, and trims what follows their payload.  Returns how many that were, up
// to the first which is not as most are: sound, in tunnel mode, in one piece, and with nothing to
// say about ECN.  That one has to go through fer_outer_take_off().
unsigned fer_outer_take_off_run(
	struct fer_batch *b, unsigned first, unsigned n, const struct fer_sa *sa);
