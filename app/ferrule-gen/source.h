// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where generated packets come from: streams of UDP in Ethernet frames, in the clear or sealed for
// the inbound SAs of a box, some of them broken.  The same parameters give the same streams.
//
// Stream i is carried by association i modulo their number.  Its addresses and ports are those that
// the policies of the box let through that association.  One thread owns a source.

#include "kinds.h"
#include "mirror.h"
#include "tally.h"

#include "conf/document.h"

#define FER_GEN_MAX_SIZES 64
#define FER_GEN_BURST 32
#define FER_GEN_MIN_SIZE 52 // bytes of an IPv4 packet that has room for a tag; of IPv6 20 more
#define FER_GEN_MAX_SIZE 9000
#define FER_GEN_MAX_GROWTH 160 // by headers and trailers of protection

struct fer_gen_source_params {
	const struct fer_doc *doc; // of the box; NULL: streams are plain, and no policy is asked
	uint32_t pair;
	struct fer_gen_mirror
		*mirror;     // of that document, which seals; NULL where streams are plain
	const char *sa;      // the only association to use; NULL: all
	bool plain;          // streams in the clear, as hosts of the box send them
	struct fer_addr src; // of streams; version 0: as the policies want them
	struct fer_addr dst;
	uint32_t n_streams;
	uint32_t n_sizes;
	uint32_t size[FER_GEN_MAX_SIZES]; // bytes of the IP packet, which take turns
	uint64_t seed;
	double share[FER_GEN_KINDS]; // of broken packets, by kind; the rest is sound
	double share_of_all;         // of each kind without one that the associations can have
};

// What was made.
struct fer_gen_made {
	uint64_t packets; // all
	uint64_t kinds[FER_GEN_KINDS];
	uint64_t verdicts[FER_N_VERDICTS]; // of a sound receiver
	const uint64_t *streams;           // sound packets of each
};

struct fer_gen_source;

// NULL with a line in error.
struct fer_gen_source *fer_gen_source_create(const struct fer_gen_source_params *params,
	struct rte_mempool *pool, char error[FER_GEN_ERROR_BYTES]);

void fer_gen_source_destroy(struct fer_gen_source *s);

// Makes the next n packets, up to FER_GEN_BURST; they are the caller's, each in one segment.  0; or
// -1 with a line in error.
__attribute__((warn_unused_result)) int fer_gen_source_next(struct fer_gen_source *s, unsigned n,
	struct rte_mbuf *out[], char error[FER_GEN_ERROR_BYTES]);

struct rte_mempool *fer_gen_source_pool(const struct fer_gen_source *s);

struct fer_gen_made fer_gen_source_made(const struct fer_gen_source *s);
