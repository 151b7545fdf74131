// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The host half: what the IPsecOV2 contract leaves to the TCP/IP transport and a bump in the wire
// has to bring along.  Outbound: policy, framing, sequence numbers, out-of-band send words.
// Inbound: replay commit, headers off, policy check.
//
// One struct fer_host per worker; SA table and policies are shared.

#include "host/classes.h"
#include "host/ident.h"
#include "host/policy.h"
#include "nic/batch.h"

#include <stdatomic.h>
#include <stdint.h>

struct fer_events;
struct fer_sa_table;

// What a port pair does with packets; immutable, replaced whole.
struct fer_host_rules {
	const struct fer_policies *policies; // NULL: no policies at all, see only_sa
	uint64_t only_sa; // without policies: handle of the outbound SA that protects everything it
			  // can carry; 0: none
	struct fer_class_rules classes;
	uint32_t mtu[2]; // by direction: bytes of an IP packet that the port it leaves by carries,
			 // at least 1280 for one with IPv6; 0: any
	bool clamp_mss;  // of TCP, to what fits through the SAs and the wire's port
	uint32_t answers_per_second; // of each worker: to packets that are too big; 0: none
};

struct fer_host {
	struct fer_sa_table *sas;
	struct rte_mempool *pool; // segments for headers and trailers that find no room
	const struct fer_host_rules *_Atomic *rules; // where the value in force is published
	struct fer_ident ident;
	struct fer_host_work *work;
	struct fer_flows *flows;   // rules that flows met lately
	struct fer_events *events; // of this worker, upward; NULL: it tells nobody
};

// The identifications are those of an only worker.  0 or -ENOMEM.
__attribute__((warn_unused_result)) int fer_host_init(struct fer_host *host,
	struct fer_sa_table *sas, struct rte_mempool *pool,
	const struct fer_host_rules *_Atomic *rules);

void fer_host_fini(struct fer_host *host);

// Prefetches what fer_host_outbound() will need for the burst that has just come and what other
// workers write, which takes longest to arrive.  Changes nothing.
void fer_host_expect_out(const struct fer_host *host);

// Plain packets in, parsed; framed packets with send words out, for fer_nic_transmit().  Packets
// that a policy lets by keep zero words; every other one has a verdict.
void fer_host_outbound(struct fer_host *host, struct fer_batch *b);

// The part of it that frames: packets with their SAs in p->handle in.
void fer_host_frame(struct fer_host *host, struct fer_batch *b);

// Bytes that an IP packet on its way out may have (mtu of the rules); 0: any.
uint32_t fer_host_mtu_out(const struct fer_host *host);

// After fer_nic_transmit(): packets that ended on an SA are counted as its drops, no longer as
// protected, and are told as events.
void fer_host_sent(struct fer_host *host, struct fer_batch *b);

// Packets with receipts in, from fer_nic_receive(); plain packets out.  Without policies exactly
// what an SA verified goes on.
void fer_host_inbound(struct fer_host *host, struct fer_batch *b);
