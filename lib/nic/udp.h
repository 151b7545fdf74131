// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// ESP in UDP (RFC 3948) as packets show it.

#include "nic/batch.h"
#include "sa/table.h"

// Is there an ESP header behind the UDP header at which a packet's frame ends?  IKE behind its
// marker and keep-alives have none.
bool fer_udp_has_esp(
	const struct fer_sa_table *sas, const struct rte_mbuf *m, const struct fer_frame *f);

// Is the UDP header what a receiver of such a packet may take: of the length that the IP header
// says, and with a checksum that is right or 0 (RFC 3948 section 2.1; over IPv6 RFC 6935)?
bool fer_udp_is_sound(const struct rte_mbuf *m, const struct fer_frame *f);

// Writes the checksum of the UDP header at udp_off, up to end, which belongs to the IP header at
// ip_off; these bytes are there.
void fer_udp_write_sum(struct rte_mbuf *m, uint32_t ip_off, uint32_t udp_off, uint32_t end);

// Has an outbound SA a UDP header with a checksum as the outermost layer of a packet, or inside
// another one (FER_UDP_)?
static inline bool fer_udp_has_sum(const struct fer_sa *sa, unsigned udp_at)
{
	return sa->out.template.udp_sum && (sa->udp_at & udp_at) != 0;
}

// fer_udp_has_esp() in one look while no inbound SA has a port.
static inline bool fer_udp_may_have_esp(const struct fer_sa_table *sas, const struct fer_frame *f)
{
	return f->protocol == FER_PROTO_UDP && fer_ports_has(sas->udp_ports, f->dport) &&
	       f->has_ports && f->fragment == 0;
}
