// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// ferrule in a box: a document goes in, then frames, and what became of each comes out.  The whole
// path of both halves, as ferrule-pcap and the daemon run it, in this process and thread.

#include "base/verdict.h"
#include "proto/ipsec.h"
#include "proto/l2.h"
#include "rng.h"

#include <stdbool.h>
#include <stdint.h>

#define BOX_BURST 64
#define BOX_FRAME_BYTES 70000
#define BOX_ERROR_BYTES 1024

struct box;

struct box_frame {
	uint32_t len;
	uint32_t out_len;
	enum fer_verdict verdict; // FER_OK: out is set
	bool is_in_pieces;        // out was in several segments
	uint8_t bytes[BOX_FRAME_BYTES];
	uint8_t out[BOX_FRAME_BYTES];
};

// Starts the EAL, once a process; ends it when that fails.
void box_start(void);

// NULL with a line in error when the document is refused.
struct box *box_open(const char *document, char error[BOX_ERROR_BYTES]);
void box_close(struct box *b);

// Runs up to BOX_BURST frames.  Their buffers are of random shape: pieces of any length, little
// room around them, some of them shared.  With r NULL: one plain buffer each.  A frame that waits
// for its fragments has no out.  Ends the process when something went wrong with a buffer.
void box_run(struct box *b, enum fer_direction direction, enum fer_link link,
	struct box_frame *frames, unsigned n, struct rng *r);

// What the pair's rules say; to be set before frames run.
struct fer_host_rules;
struct fer_host_rules *box_rules(struct box *b);

// What the box is made of, for those who look closer.
struct fer_path;
struct fer_path *box_path(struct box *b);

// Puts these policies into force instead of those of the document.
struct fer_policies;
void box_replace_policies(struct box *b, struct fer_policies *policies);

// A frame in a buffer of random shape; with r NULL in one plain piece.
struct rte_mbuf;
struct rte_mbuf *box_buffer(const uint8_t *bytes, uint32_t len, struct rng *r);

// A frame as a port gives it.
struct box_rx {
	const uint8_t *bytes;
	uint32_t len;
	uint16_t segment; // large send: bytes of a segment; 0: it is none
	bool unfinished;  // its checksum was left to hardware
};

// Up to BOX_BURST frames through intake and path; everything that comes out is shown to see: sent
// on, or (is_side) sent back.  see may be NULL.
void box_port(struct box *b, enum fer_direction direction, enum fer_link link,
	const struct box_rx *rx, unsigned n,
	void (*see)(void *arg, const uint8_t *frame, uint32_t len, bool is_side), void *arg);

// From now on the NIC half does all that words of an external host can ask for.
void box_serve_host(struct box *b);

// What a pair in mode oob does with a frame of its host, in buffers of random shape with r, in one
// plain buffer without.  Shown to see: what goes to the wire, and (is_side) the completion, which
// every send has.
void box_send(struct box *b, const uint8_t *frame, uint32_t len, struct rng *r,
	void (*see)(void *arg, const uint8_t *frame, uint32_t len, bool is_side), void *arg);

// The same with a frame of the wire: shown is the indication.
void box_indicate(struct box *b, const uint8_t *frame, uint32_t len,
	void (*see)(void *arg, const uint8_t *frame, uint32_t len, bool is_side), void *arg);

// The handle of the i-th association of the document.
uint64_t box_handle(const struct box *b, unsigned i);

// While the path works it finds so many buffers, and no more; UINT32_MAX: enough.
void box_set_spare(uint32_t n);

// Buffers in use.
unsigned box_in_use(void);

// When all is done: no buffer may be left in use.
void box_check_leaks(void);

// Clock of the reassembly: seconds from here on.
void box_set_time(struct box *b, uint64_t seconds);
