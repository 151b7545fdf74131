// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The NIC half: exactly what the IPsecOV2 contract gives to the NIC.  It takes framed packets and
// out-of-band words, encrypts and authenticates in place, verifies and decrypts in place, and
// answers in out-of-band words.  It never adds or removes a header, never numbers a packet, never
// judges replay or policy, and never discards a packet because a check failed.
//
// One struct fer_nic per worker; the SA table is shared.  The worker reports quiescent states
// between two calls.

#include "nic/batch.h"

struct fer_engine;
struct fer_iv_source;
struct fer_sa_table;

struct fer_nic {
	struct fer_sa_table *sas;
	struct fer_engine *engine;
	struct fer_crypt *crypt; // work space of the crypt stage
};

// Opens an engine of its own.  0 or -errno.
__attribute__((warn_unused_result)) int fer_nic_init(
	struct fer_nic *nic, struct fer_sa_table *sas, const struct fer_iv_source *ivs);

void fer_nic_fini(struct fer_nic *nic);

// Send: applies the bundles that slots 1 and 11 name, inside out.  The batch is parsed (frame is
// the outermost layer).  Packets without a handle pass untouched.  A handle that is no live
// outbound SA ends in FER_BAD_HANDLE.  A slot 12 offset where the SPI of the SA does not stand, or
// where its packet has no room, ends in FER_BAD_OFFSET; inside a tunnel it has to be that of the
// ESP header, too.  Both leave the packet as it came.
void fer_nic_transmit(struct fer_nic *nic, struct fer_batch *b);

// Receive: opens the layers of protection for which there are inbound SAs, outside in, and writes
// the receive words and the receipts.  The batch is parsed.  Afterwards the frame of a packet is
// its innermost visible layer.
void fer_nic_receive(struct fer_nic *nic, struct fer_batch *b);
