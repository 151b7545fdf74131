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
#include "sa/replay.h"

#include <stdatomic.h>
#include <stdbool.h>

struct fer_engine;
struct fer_iv_source;
struct fer_known;
struct fer_lso;
struct fer_rss;
struct fer_sa_table;

// What the configuration in force lets the NIC half do; the control thread changes it at any time.
// Protocols are judged by the outermost layer of a packet.
#define FER_NIC_AH 0x1u
#define FER_NIC_ESP 0x2u // in UDP as well
#define FER_NIC_SEND_IPV4 0x4u
#define FER_NIC_SEND_IPV6 0x8u
#define FER_NIC_RECEIVE_IPV4 0x10u
#define FER_NIC_RECEIVE_IPV6 0x20u
#define FER_NIC_ALL 0x3fu // of IPsec

// The other offloads, which a host asks for by slots 0 and 2: checksums to make, the same to judge,
// and large sends.
#define FER_NIC_SUM_IP4 0x40u
#define FER_NIC_SUM_TCP4 0x80u
#define FER_NIC_SUM_UDP4 0x100u
#define FER_NIC_SUM_TCP6 0x200u
#define FER_NIC_SUM_UDP6 0x400u
#define FER_NIC_JUDGE(sums) ((sums) << 5)
#define FER_NIC_LSO_V1 0x10000u
#define FER_NIC_LSO_V2_IPV4 0x20000u
#define FER_NIC_LSO_V2_IPV6 0x40000u

// The inbound SA that plain packets were of last, and what is known of it without a look at the
// line that other workers write.
struct fer_nic_found {
	const struct fer_sa *sa; // NULL: none was found
	uint64_t handle;         // what follows holds as long as the SA has it
	struct fer_replay_memo window;

	// Where they had their layer, if there were no IPv6 extension headers in front.
	uint64_t selector[2]; // of their frames, if it was ESP, if it was AH; else 0
	uint32_t offsets;     // fer_frame_offsets()
	uint64_t places;      // fer_layer_places()
};

struct fer_nic {
	struct fer_sa_table *sas;
	const _Atomic uint32_t *may; // FER_NIC_; NULL: FER_NIC_ALL
	bool has_slots; // a host fills slots 0 and 2, so they are looked at, and slot 0 is answered
	bool sends_unprotected; // what the configuration forbids to protect is sent as it is
				// else it ends in FER_NOT_CONFIGURED
	uint16_t delete_after;  // so many packets of an SA in a row that do not verify ask for its
				// deletion; 0: they do not
	const struct fer_rss *rss; // for hashes of what was opened (nic/rss.h); NULL: none are made
	struct fer_nic_found found;
	unsigned n_answered;     // packets of the batch that have their receive words already
	struct fer_known *known; // of packets to be sent
	struct fer_engine *engine;
	struct fer_crypt *crypt; // work space of the crypt stage
	struct fer_lso *lso;     // work space of large sends
	struct fer_share *share; // other workers help with the crypt stage; NULL: nobody does
	unsigned share_id;       // who this one is among them
};

// Opens an engine of its own.  0 or -errno.
__attribute__((warn_unused_result)) int fer_nic_init(
	struct fer_nic *nic, struct fer_sa_table *sas, const struct fer_iv_source *ivs);

void fer_nic_fini(struct fer_nic *nic);

// Send: applies the bundles that slots 1 and 11 name, inside out.  The batch is parsed (frame is
// the outermost layer).  Packets without a handle pass untouched.  Where the configuration forbids
// the work, a packet with one ends in FER_NOT_CONFIGURED, or passes as it is if the host wants it
// so.  A handle that is no live
// outbound SA ends in FER_BAD_HANDLE.  A slot 12 offset where the SPI of the SA does not stand, or
// where its packet has no room, ends in FER_BAD_OFFSET; inside a tunnel it has to be that of the
// ESP header, too.  Both leave the packet as it came.
//
// With has_slots the packets get the checksums that slot 0 asks for (nic/checksum.h), and those
// whose slot 2 says so become segments (nic/lso.h).
void fer_nic_transmit(struct fer_nic *nic, struct fer_batch *b);

// Receive: opens the layers of protection for which there are inbound SAs, outside in, and writes
// the receive words and the receipts.  What the configuration forbids is no layer of ours.  The
// batch is parsed.  Afterwards the frame of a packet is its innermost visible layer.
void fer_nic_receive(struct fer_nic *nic, struct fer_batch *b);
