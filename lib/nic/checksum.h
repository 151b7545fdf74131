// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Checksum offload of the contract: slot 0 (section 2.24).  On send checksums are computed over
// clear text, before it is protected; on receive those are judged that became visible.
//
// Checksums of TCP and UDP are computed whole, with the pseudo header of the addresses that stand
// in the IP header: what the field held before does not matter, and neither do IsIPv4, IsIPv6 and
// TcpHeaderOffset, because the packet says all that.  Fragments have none that could be computed.

#include "nic/batch.h"

struct fer_nic;

// Slot 0, send.
#define FER_OOB_SUM_TCP 0x4u
#define FER_OOB_SUM_UDP 0x8u
#define FER_OOB_SUM_IP 0x10u

// Slot 0, receive.
#define FER_OOB_TCP_FAILED 0x1u
#define FER_OOB_UDP_FAILED 0x2u
#define FER_OOB_IP_FAILED 0x4u
#define FER_OOB_TCP_SUCCEEDED 0x8u
#define FER_OOB_UDP_SUCCEEDED 0x10u
#define FER_OOB_IP_SUCCEEDED 0x20u

// For the functions below may is that of struct fer_nic: what it does not allow is not done.

// Writes the checksum of the outermost IPv4 header of packets that ask for it, and parses them
// again: without it they were no sound packets.
void fer_checksum_outer(struct fer_batch *b, uint32_t may);

// Computes what else the words ask for, before anything is protected: the checksum of the IPv4
// header inside a tunnel, and that of TCP or UDP, behind the headers of the SAs that the handles
// name.  Where these are not there nothing is written; what becomes of the packet others say.
void fer_checksum_send(const struct fer_nic *nic, struct fer_batch *b, uint32_t may);

// Makes the checksum of the IPv4 header at ip_off.  False: there is none, and nothing was written.
bool fer_checksum_header(struct rte_mbuf *m, uint32_t ip_off);

// Makes the checksum of a packet's TCP header at off, which ends at end, and is of the IP header at
// ip_off.
void fer_checksum_tcp(struct rte_mbuf *m, uint32_t ip_off, uint32_t off, uint32_t end);

// Says in the words what the checksums are worth that may allows to judge: of TCP or UDP the
// innermost one that is in the clear, of IPv4 headers all that are.  Of a UDP packet over IPv4 that
// has none, nothing is said.  Layers are opened.
void fer_checksum_judge(struct fer_batch *b, uint32_t may);
