// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The OOB shim: how a host that is another process or machine, and plays the contract's TCP/IP
// transport, hands packets to the NIC half through a port, and gets them back with their
// out-of-band words.
//
// A frame with EtherType 0x88B5 (IEEE 802 local experimental 1): MAC addresses, that EtherType, a
// record of 56 bytes, and the original frame from its own EtherType on.  The record is
// little-endian:
//
//     0  u8   version, 1
//     1  u8   flags: bit 0 receive indication, bit 1 send completion; a send request has none
//     2  u16  length of the record: what is behind the 56 bytes of this version is skipped
//     4  u32  NDIS status of a completion, else 0
//     8  u64  cookie: the host's choice, comes back in the completion; 0 in an indication
//    16  u64  slots 0, 1, 2, 11, 12, as the contract has them
//
// A stage that returns FER_BAD_SHIM has not touched the frame.

#include "nic/batch.h"

#define FER_SHIM_ETHER_TYPE 0x88b5
#define FER_SHIM_RECORD_BYTES 56
#define FER_SHIM_BYTES (2 + FER_SHIM_RECORD_BYTES) // what it adds to a frame
#define FER_SHIM_MACS_BYTES 12
#define FER_SHIM_VERSION 1
#define FER_SHIM_INDICATION 0x1
#define FER_SHIM_COMPLETION 0x2
#define FER_SHIM_PACKET_BYTES 64 // of a send that failed, in its completion

// The send requests of one batch; a worker has one per lane.
struct fer_shim {
	struct rte_mempool *pool; // segments for what is made here
	bool completes_all;       // and not only sends that failed
	bool has_cookie[FER_BATCH_MAX];
	uint64_t cookie[FER_BATCH_MAX];
	uint32_t lso[FER_BATCH_MAX]; // slot 2 of large sends, others 0; once kept, what it becomes
	uint8_t macs[FER_BATCH_MAX][FER_SHIM_MACS_BYTES]; // where completes_all needs them
};

// How many frames a send request may become besides its first one; more, if anything, than it does.
uint32_t fer_shim_more(const struct rte_mbuf *m);

// Takes the shim off every frame of a batch that the host sent: its words are then those of the
// mbuf, and the frame is parsed.  In: b->n, b->link and b->m.  Frames without a shim, with a record
// that is no send request, or with nothing behind it, end in FER_BAD_SHIM.
void fer_shim_take(struct fer_shim *s, struct fer_batch *b);

// Keeps what completions have to say of packets that are alive, and are about to be given to the
// port: slot 2 as the NIC half left it.
void fer_shim_keep(struct fer_shim *s, const struct fer_batch *b);

// Puts the shim of a receive indication in front of every packet that is alive.
void fer_shim_indicate(struct fer_shim *s, struct fer_batch *b);

// Makes the completions of a batch that fer_shim_take() began, in order, into its side list.  What
// ended becomes the completion itself: its buffer leaves the batch (b->m is NULL), and the first
// bytes of the packet are in it.  What is alive was given to the port: its b->m is not looked at.
// Slot 2 of a large send says that all of it was sent, or nothing.
// What no cookie is known of has no completion, nor has a success for which the pool is empty.
void fer_shim_complete(struct fer_shim *s, struct fer_batch *b);
