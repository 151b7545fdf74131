// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Between the files of the inbound bind stage, and for nobody else: bind_lookup.c finds the SAs of
// what packets show, bind_in.c binds the packets to them.  What both ask of a packet stands here.

#include "nic/stages.h"

#include "base/bytes.h"
#include "proto/ah.h"
#include "sa/table.h"

#include <stdalign.h>

// A header of ESP or AH that a packet shows.
struct fer_bind_header {
	uint16_t at;       // place in the batch
	uint8_t udp_bytes; // of the UDP header in front of ESP; 0: none
	bool is_unsound;   // that header cannot be what it says
	uint8_t ah[2];     // next header and length field of AH; anything for ESP
	uint32_t seq_lo;
};

// Neighbours with one identity.  A run is plain when its packets have no layer yet, and ESP with a
// whole header, or AH with a whole fixed part behind a plain IP header, in one piece that is not in
// UDP.  Those follow each other in the batch, and are alike: AH in all that stands in front of the
// number.
struct fer_bind_run {
	alignas(8) bool is_plain;
	uint16_t first, end; // places in the batch, or, when it is not plain, of headers
};

// Packets that are looked up together: a run shares the look-up.
struct fer_bind_lookup {
	unsigned n_headers;
	struct fer_bind_header header[FER_SA_FIND_MAX]; // of packets in runs that are not plain
	unsigned n_runs;
	struct fer_bind_run run[FER_SA_FIND_MAX];
	unsigned plain_end; // behind the last run, if it is plain; in no batch else
	struct fer_sa_query query[FER_SA_FIND_MAX];
	const struct fer_sa *sa[FER_SA_FIND_MAX];
};

// The bits in which so many bytes differ.
static inline uint64_t fer_bind_differ4(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x ^ y;
}

static inline uint64_t fer_bind_differ8(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x ^ y;
}

// Those in which the destinations of two IP headers of that version do.
static inline uint64_t fer_bind_differ_in_dst(
	const uint8_t *ip, const uint8_t *other, uint8_t version)
{
	if (likely(version == 4))
		return fer_bind_differ4(ip + 16, other + 16);
	return fer_bind_differ8(ip + 24, other + 24) | fer_bind_differ8(ip + 32, other + 32);
}

// Where SPI and number stand in a header.
static inline uint32_t fer_bind_spi_off(uint8_t protocol)
{
	return protocol == FER_PROTO_AH ? FER_AH_SPI_OFF : 0;
}

// The number of the packet.
static inline uint32_t fer_bind_number_of(const struct fer_batch *b, unsigned i, uint8_t protocol)
{
	return fer_load_be32(rte_pktmbuf_mtod_offset(
		b->m[i], const uint8_t *, b->pkt[i].frame.up_off + fer_bind_spi_off(protocol) + 4));
}

// Is what stands in front of its header a plain IP header?
static inline bool fer_bind_has_plain_front(const struct fer_frame *f)
{
	return f->up_off - f->ip_off ==
	       (f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES);
}

// Is packet i one of a plain run of that protocol, whose front is plain where that matters?
static inline bool fer_bind_is_plain(const struct fer_batch *b, unsigned i, uint8_t protocol)
{
	const struct fer_pkt *p = &b->pkt[i];
	const struct fer_frame *f = &p->frame;
	const uint32_t whole = fer_bind_spi_off(protocol) + FER_ESP_HEADER_BYTES;

	return fer_pkt_has_no_layer(p) && p->pending && f->protocol == protocol &&
	       f->end >= f->up_off + whole && f->end <= b->m[i]->data_len &&
	       (protocol != FER_PROTO_AH || fer_crypt_has_room_behind(b->m[i], f->end));
}

static inline bool fer_bind_is_plain_ah(const struct fer_batch *b, unsigned i)
{
	return fer_bind_is_plain(b, i, FER_PROTO_AH) && fer_bind_has_plain_front(&b->pkt[i].frame);
}

// Are destination and the first four bytes of the layer the same of two plain packets that did not
// begin alike as they arrived?  Those are the SPI of ESP; of AH, what stands in front of it.
static inline bool fer_bind_is_same_anyway(const struct fer_batch *b, unsigned i, unsigned first)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	const uint8_t *bytes = rte_pktmbuf_mtod(b->m[i], const uint8_t *);
	const uint8_t *others = rte_pktmbuf_mtod(b->m[first], const uint8_t *);

	return fer_frame_has_shape_of(f, &b->pkt[first].frame) &&
	       (fer_bind_differ4(bytes + f->up_off, others + f->up_off) |
		       fer_bind_differ_in_dst(bytes + f->ip_off, others + f->ip_off, f->version)) ==
		       0;
}

// The first packet that is none of the run that begins with that one, which is plain ESP.
static inline unsigned fer_bind_end_of_esp(const struct fer_batch *b, unsigned first)
{
	unsigned i = first + 1;

	for (unsigned n = b->n;
		i < n && fer_bind_is_plain(b, i, FER_PROTO_ESP) &&
		((b->pkt[i].like & FER_LIKE_START) != 0 || fer_bind_is_same_anyway(b, i, first));)
		i++;
	return i;
}

// The first packet that is none of the run that begins with that one, which is plain AH of that
// SPI.
static inline unsigned fer_bind_end_of_ah(const struct fer_batch *b, unsigned first, uint32_t spi)
{
	unsigned i = first + 1;

	for (unsigned n = b->n;
		i < n && fer_bind_is_plain(b, i, FER_PROTO_AH) &&
		((b->pkt[i].like & FER_LIKE_START) != 0 || fer_bind_is_same_anyway(b, i, first)) &&
		fer_load_be32(rte_pktmbuf_mtod_offset(
			b->m[i], const uint8_t *, b->pkt[i].frame.up_off + FER_AH_SPI_OFF)) == spi;)
		i++;
	return i;
}

// Is the destination of an IP packet that of an SA of its version?
static inline bool fer_bind_goes_to(const struct fer_sa *sa, const uint8_t *ip, uint8_t version)
{
	if (likely(version == 4))
		return fer_bind_differ4(ip + 16, sa->dst) == 0;
	return fer_pair_is_zero(fer_load_pair(ip + 24) ^ fer_load_pair(sa->dst));
}

// Does a burst begin with a plain packet of the SA that the plain run before was of, which is one
// of that protocol, and is its layer where those of that run were?
__attribute__((always_inline)) static inline bool fer_bind_begins_as_found(
	const struct fer_nic_found *found, const struct fer_batch *b, uint8_t protocol)
{
	const struct fer_pkt *p = &b->pkt[0];
	const struct fer_frame *f = &p->frame;
	const struct rte_mbuf *m = b->m[0];
	const uint32_t spi_off = fer_bind_spi_off(protocol);

	if (b->n == 0 || !fer_pkt_has_no_layer(p) || !p->pending ||
		fer_frame_selector(f) != found->selector[protocol == FER_PROTO_AH] ||
		fer_frame_offsets(f) != found->offsets ||
		f->end < f->up_off + spi_off + FER_ESP_HEADER_BYTES || f->end > m->data_len)
		return false;
	const struct fer_sa *sa = found->sa;
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
	return atomic_load_explicit(&sa->generation, memory_order_acquire) == found->handle >> 32 &&
	       fer_load_be32(bytes + f->up_off + spi_off) == sa->spi &&
	       fer_bind_goes_to(sa, bytes + f->ip_off, f->version);
}

// The j-th header of a run, from its first to its end.
static inline struct fer_bind_header fer_bind_header_of(const struct fer_batch *b,
	const struct fer_bind_lookup *l, const struct fer_bind_run *r, unsigned j)
{
	if (!r->is_plain)
		return l->header[j];
	const struct fer_frame *f = &b->pkt[j].frame;
	const uint8_t *header = rte_pktmbuf_mtod_offset(b->m[j], const uint8_t *, f->up_off);
	return (struct fer_bind_header){
		.at = (uint16_t)j,
		.ah = {header[0], header[1]},
		.seq_lo = fer_load_be32(header + fer_bind_spi_off(f->protocol) + 4),
	};
}

// Looks up what packets show from first on, as much of it as there is room for: all of l is written
// that counts, and sa[i] is NULL where run i has no SA.  Packets that are looked at and are not
// plain are no longer pending.  Returns the first packet that was not looked at.
unsigned fer_bind_look_up(
	struct fer_bind_lookup *l, const struct fer_nic *nic, struct fer_batch *b, unsigned first);

// Looks up n runs (1 to FER_SA_FIND_MAX) as if they were of the other protocol, ESP or AH; sa[i]
// becomes NULL where there is none.
//   run  their places in l
void fer_bind_look_up_other_protocol(const struct fer_bind_lookup *l, const struct fer_nic *nic,
	const uint8_t run[], unsigned n, const struct fer_sa *sa[]);
