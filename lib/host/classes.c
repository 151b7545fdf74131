// SPDX-License-Identifier: BSD-3-Clause
#include "host/classes.h"

#include "base/bytes.h"
#include "nic/segment.h"

#define ETHER_TYPE_ARP 0x0806
#define ETHER_LENGTH_MAX 1535 // up to here the field may be taken for a length: LLC follows

#define LLC_IP 0x06
#define LLC_SNAP 0xaa
#define SNAP_HEADER_BYTES 8
#define SNAP_OUI_OFF 3
#define OUI_BRIDGED 0x0080c2 // whole frames in a frame

#define ICMPV6_HOP_LIMIT_OFF 7
#define MLD_HEADERS_BYTES (FER_IPV6_HEADER_BYTES + 8) // with the router alert

// Where link, LLC and SNAP headers end at the latest.
#define LINK_BYTES (FER_ETHER_HEADER_BYTES + 4 * FER_L2_MAX_TAGS + SNAP_HEADER_BYTES)

const char *fer_class_name(enum fer_class c)
{
	static const char *const names[FER_N_CLASSES] = {"none",
#define FER_CLASS_NAME(name, text) text,
		FER_CLASSES(FER_CLASS_NAME)
#undef FER_CLASS_NAME
	};

	return c < FER_N_CLASSES ? names[c] : "?";
}

// May IP packets hide behind this EtherType?
static bool type_hides_ip(uint16_t type)
{
	switch (type) {
	case FER_ETHER_TYPE_IPV4:
	case FER_ETHER_TYPE_IPV6:
	case FER_ETHER_TYPE_VLAN:
	case FER_ETHER_TYPE_QINQ:
	case 0x22f3: // TRILL
	case 0x6558: // Ethernet in something
	case 0x876b: // TCP/IP with compressed headers
	case 0x880b: // PPP
	case 0x8847: // MPLS
	case 0x8848:
	case 0x8864: // PPPoE session
	case 0x8870: // LLC in long frames
	case 0x88b7: // types of others, by their OUI
	case 0x88e5: // MACsec, which need not encrypt
	case 0x88e7: // Ethernet in Ethernet
	case 0x8903: // FabricPath
	case 0x8909: // tags of Cisco, of a VM's port, of a port's extender
	case 0x8926:
	case 0x892f: // tag of a ring (HSR)
	case 0x893b: // TRILL with longer labels
	case 0x893f:
	case 0x894f: // network service header
	case 0x9100: // tags before they were standardised
	case 0x9200:
	case 0x9300:
	case 0xf1c1: // tag of frames that are sent twice (802.1CB)
		return true;
	default:
		return false;
	}
}

// The same for a frame with a length instead of a type; llc has avail bytes.
static bool llc_hides_ip(const uint8_t *llc, uint32_t avail)
{
	if (avail > 0 && llc[0] == LLC_IP)
		return true;
	return avail >= SNAP_HEADER_BYTES && llc[0] == LLC_SNAP && llc[1] == LLC_SNAP &&
	       (fer_load_be32(llc + SNAP_OUI_OFF) >> 8 == OUI_BRIDGED ||
		       type_hides_ip(fer_load_be16(llc + SNAP_HEADER_BYTES - 2)));
}

static enum fer_class class_of_frame(const struct rte_mbuf *m, enum fer_link link)
{
	uint8_t bytes[LINK_BYTES];
	uint32_t avail = RTE_MIN(m->pkt_len, (uint32_t)LINK_BYTES);
	struct fer_l2 l2;

	if (link == FER_LINK_RAW_IP || !fer_segment_read(m, 0, bytes, avail) ||
		!fer_l2_parse(link, bytes, avail, &l2))
		return FER_CLASS_NONE;
	if (l2.type == ETHER_TYPE_ARP)
		return FER_CLASS_ARP;
	if (type_hides_ip(l2.type))
		return FER_CLASS_NONE;
	if (l2.type <= ETHER_LENGTH_MAX && llc_hides_ip(bytes + l2.len, avail - l2.len))
		return FER_CLASS_NONE;
	return FER_CLASS_NON_IP;
}

// A hop-by-hop header in front of ICMPv6, with a router alert for MLD (RFC 2711) and two bytes of
// padding: of either kind, on either side.
static bool is_router_alert(const uint8_t *header)
{
	static const uint64_t alerts[] = {
		0x3a00050200000100, 0x3a00050200000000, 0x3a00010005020000, 0x3a00000005020000};
	uint64_t found = fer_load_be64(header);
	bool is_one = false;

	for (unsigned i = 0; i < RTE_DIM(alerts); i++)
		is_one |= found == alerts[i];
	return is_one;
}

static bool is_mld(const uint8_t *ip, const struct fer_frame *f)
{
	return f->up_off == f->ip_off + MLD_HEADERS_BYTES && ip[6] == FER_PROTO_HOPOPTS &&
	       ip[ICMPV6_HOP_LIMIT_OFF] == 1 && ip[8] == 0xfe && (ip[9] & 0xc0) == 0x80 &&
	       is_router_alert(ip + FER_IPV6_HEADER_BYTES);
}

static enum fer_class class_of_icmpv6(const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint8_t ip[MLD_HEADERS_BYTES], type = f->dport >> 8, code = f->dport & 0xff;

	if (f->version != 6 || !f->has_ports || code != 0)
		return FER_CLASS_NONE;
	if (!fer_segment_read(m, f->ip_off, ip, RTE_MIN(sizeof(ip), f->end - f->ip_off)))
		return FER_CLASS_NONE;
	if (type >= 133 && type <= 137)
		return !f->has_options && ip[ICMPV6_HOP_LIMIT_OFF] == 255 ? FER_CLASS_ND
									  : FER_CLASS_NONE;
	if ((type >= 130 && type <= 132) || type == 143)
		return is_mld(ip, f) ? FER_CLASS_MLD : FER_CLASS_NONE;
	return FER_CLASS_NONE;
}

// What a datagram on the port that IKE shares with ESP is, by its first bytes (RFC 3948 section 2).
static enum fer_class class_of_nat_port(const uint8_t *payload, uint32_t len)
{
	if (len == 1 && payload[0] == FER_NAT_KEEPALIVE)
		return FER_CLASS_KEEPALIVE;
	if (len >= FER_NON_ESP_MARKER_BYTES && fer_load_be32(payload) == 0)
		return FER_CLASS_IKE;
	return FER_CLASS_NONE;
}

static enum fer_class class_of_udp(const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint8_t udp[FER_UDP_HEADER_BYTES + FER_NON_ESP_MARKER_BYTES];
	uint32_t len = f->end - f->up_off;

	if (!f->has_ports || f->sport != f->dport ||
		(f->dport != FER_PORT_IKE && f->dport != FER_PORT_NAT))
		return FER_CLASS_NONE;
	if (len < FER_UDP_HEADER_BYTES ||
		!fer_segment_read(m, f->up_off, udp, RTE_MIN(sizeof(udp), len)) ||
		fer_load_be16(udp + 4) != len)
		return FER_CLASS_NONE;
	return f->dport == FER_PORT_IKE
		       ? FER_CLASS_IKE
		       : class_of_nat_port(udp + FER_UDP_HEADER_BYTES, len - FER_UDP_HEADER_BYTES);
}

enum fer_class fer_classify(const struct rte_mbuf *m, enum fer_link link, const struct fer_pkt *p)
{
	const struct fer_frame *f = &p->frame;

	if (unlikely(p->parsed == FER_NOT_IP))
		return class_of_frame(m, link);
	if (p->parsed != FER_OK || f->fragment != 0 || f->frag_off != 0)
		return FER_CLASS_NONE;
	switch (f->protocol) {
	case FER_PROTO_ICMPV6:
		return class_of_icmpv6(m, f);
	case FER_PROTO_UDP:
		return class_of_udp(m, f);
	default:
		return FER_CLASS_NONE;
	}
}

// Is the other side of an IKE packet one that the rule means?
static bool is_peer(const struct fer_class_rules *rules, const struct rte_mbuf *m,
	const struct fer_frame *f, enum fer_direction direction)
{
	uint8_t room[FER_IPV6_HEADER_BYTES];
	struct fer_addr src, dst;

	if (rules->n_peers == 0)
		return true;
	fer_ip_addresses(
		rte_pktmbuf_read(m, f->ip_off,
			f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, room),
		&src, &dst);
	for (uint32_t i = 0; i < rules->n_peers; i++)
		if (fer_addr_equal(&rules->peers[i], direction == FER_OUT ? &dst : &src))
			return true;
	return false;
}

static enum fer_class_action action_of(const struct fer_class_rules *rules, enum fer_class c,
	const struct rte_mbuf *m, const struct fer_pkt *p, enum fer_direction direction)
{
	enum fer_class_action action = (enum fer_class_action)rules->action[c];

	if (action == FER_CLASS_TO_PASS && (c == FER_CLASS_IKE || c == FER_CLASS_KEEPALIVE) &&
		!is_peer(rules, m, &p->frame, direction))
		return FER_CLASS_TO_POLICY;
	return action;
}

void fer_classes_run(
	const struct fer_class_rules *rules, struct fer_batch *b, enum fer_direction direction)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (!fer_pkt_alive(p) || p->n_layers > 0)
			continue;
		enum fer_class c = fer_classify(b->m[i], (enum fer_link)b->link, p);
		if (likely(c == FER_CLASS_NONE))
			continue;
		enum fer_class_action action = action_of(rules, c, b->m[i], p, direction);
		if (action == FER_CLASS_TO_PASS)
			p->class = (uint8_t)c;
		else if (action == FER_CLASS_TO_DROP)
			p->verdict = FER_CLASS_DROP;
	}
}
