// SPDX-License-Identifier: BSD-3-Clause
#include "slots.h"

#include "nic/nic.h"

#include <stddef.h>

#define ETHERNET (NDIS_ENCAPSULATION_IEEE_802_3 | NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q)

// Keyword values of checksums are sets of two directions.
#define KEYWORD_SEND 1u
#define KEYWORD_RECEIVE 2u

#define MIN_SEGMENTS 2u

// Fields of two bits of struct ndis_checksum_part; options are those of IPv4 or extension headers.
#define IP_OPTIONS (NDIS_OFFLOAD_SUPPORTED << 0)
#define TCP_OPTIONS (NDIS_OFFLOAD_SUPPORTED << 2)
#define TCP_SUM (NDIS_OFFLOAD_SUPPORTED << 4)
#define UDP_SUM (NDIS_OFFLOAD_SUPPORTED << 6)
#define IP_SUM (NDIS_OFFLOAD_SUPPORTED << 8)

// Fields of the options of large sends: TCP and IP, or extension headers.
#define LSO_OPTIONS (NDIS_OFFLOAD_SUPPORTED | NDIS_OFFLOAD_SUPPORTED << 2)

enum family { IPV4, IPV6, N_FAMILIES };

struct sum {
	enum fer_keyword keyword;
	enum family family;
	uint32_t field;
	uint32_t may; // to send; to receive is FER_NIC_JUDGE
};

static const struct sum sums[] = {
	{FER_KEYWORD_IP_CHECKSUM_IPV4, IPV4, IP_SUM, FER_NIC_SUM_IP4},
	{FER_KEYWORD_TCP_CHECKSUM_IPV4, IPV4, TCP_SUM, FER_NIC_SUM_TCP4},
	{FER_KEYWORD_UDP_CHECKSUM_IPV4, IPV4, UDP_SUM, FER_NIC_SUM_UDP4},
	{FER_KEYWORD_TCP_CHECKSUM_IPV6, IPV6, TCP_SUM, FER_NIC_SUM_TCP6},
	{FER_KEYWORD_UDP_CHECKSUM_IPV6, IPV6, UDP_SUM, FER_NIC_SUM_UDP6},
};

#define N_SUMS (sizeof(sums) / sizeof(sums[0]))

struct large_send {
	enum fer_keyword keyword;
	enum family family;
	uint32_t may;
	uint32_t needs; // checksums to be sent
	size_t at;      // its members in struct ndis_offload: encapsulation, bytes, segments
	size_t options; // likewise; 0: it has none of its own
};

#define MEMBER(name) offsetof(struct ndis_offload, name)

static const struct large_send large_sends[] = {
	{FER_KEYWORD_LSO_V1_IPV4, IPV4, FER_NIC_LSO_V1, FER_NIC_SUM_IP4 | FER_NIC_SUM_TCP4,
		MEMBER(lso_v1.encapsulation), MEMBER(lso_v1.options)},
	{FER_KEYWORD_LSO_V2_IPV4, IPV4, FER_NIC_LSO_V2_IPV4, FER_NIC_SUM_IP4 | FER_NIC_SUM_TCP4,
		MEMBER(lso_v2.ipv4_encapsulation), 0},
	{FER_KEYWORD_LSO_V2_IPV6, IPV6, FER_NIC_LSO_V2_IPV6, FER_NIC_SUM_TCP6,
		MEMBER(lso_v2.ipv6_encapsulation), MEMBER(lso_v2.ipv6_options)},
};

#define N_LARGE_SENDS (sizeof(large_sends) / sizeof(large_sends[0]))

// Encapsulation, bytes, segments.
struct extent {
	uint32_t encapsulation, max_bytes, min_segments;
};

static struct extent *extent_of(struct ndis_offload *o, const struct large_send *l)
{
	return (struct extent *)((uint8_t *)o + l->at);
}

static bool is_offered(const struct ndis_offload *o, const struct large_send *l)
{
	return *(const uint32_t *)((const uint8_t *)o + l->at) != 0;
}

static void clear_large_send(struct ndis_offload *o, const struct large_send *l)
{
	*extent_of(o, l) = (struct extent){0};
	if (l->options != 0)
		*(uint32_t *)((uint8_t *)o + l->options) = 0;
}

static void set_large_send(struct ndis_offload *o, const struct large_send *l, uint32_t max_bytes)
{
	*extent_of(o, l) = (struct extent){ETHERNET, max_bytes, MIN_SEGMENTS};
	if (l->options != 0)
		*(uint32_t *)((uint8_t *)o + l->options) = LSO_OPTIONS;
}

static struct ndis_checksum_part *part_of(
	struct ndis_offload *o, enum family family, bool is_receive)
{
	struct ndis_tcp_ip_checksum_offload *c = &o->checksum;

	if (family == IPV4)
		return is_receive ? &c->ipv4_receive : &c->ipv4_transmit;
	return is_receive ? &c->ipv6_receive : &c->ipv6_transmit;
}

void fer_slots_offer(struct ndis_offload *hardware, uint32_t max_bytes)
{
	for (size_t i = 0; i < N_SUMS; i++)
		for (unsigned receive = 0; receive < 2; receive++) {
			struct ndis_checksum_part *p = part_of(hardware, sums[i].family, receive);

			p->encapsulation = ETHERNET;
			p->fields |= IP_OPTIONS | TCP_OPTIONS | sums[i].field;
		}
	for (size_t i = 0; i < N_LARGE_SENDS && max_bytes != 0; i++)
		set_large_send(hardware, &large_sends[i], max_bytes);
	hardware->flags |= IPSEC_OFFLOAD_V2_AND_TCP_CHECKSUM_COEXISTENCE |
			   IPSEC_OFFLOAD_V2_AND_UDP_CHECKSUM_COEXISTENCE;
	hardware->ipsec_v2.lso_supported = max_bytes != 0;
}

uint32_t fer_slots_may(const struct ndis_offload *hardware, const struct fer_slots_setting *s)
{
	uint32_t may = 0;

	if (hardware->checksum.ipv4_transmit.encapsulation == 0)
		return 0; // nothing of all that is offered
	for (size_t i = 0; i < N_SUMS; i++) {
		uint8_t value = s->keywords->value[sums[i].keyword];

		if ((value & KEYWORD_SEND) != 0 && !s->is_off[sums[i].family])
			may |= sums[i].may;
		if ((value & KEYWORD_RECEIVE) != 0 && s->is_on[sums[i].family])
			may |= FER_NIC_JUDGE(sums[i].may);
	}
	for (size_t i = 0; i < N_LARGE_SENDS; i++) {
		const struct large_send *l = &large_sends[i];

		if (s->keywords->value[l->keyword] != 0 && is_offered(hardware, l) &&
			(may & l->needs) == l->needs)
			may |= l->may;
	}
	return may;
}

static void restrict_sums(struct ndis_offload *now, const struct fer_slots_setting *s, bool receive)
{
	uint32_t all = receive ? KEYWORD_RECEIVE : KEYWORD_SEND;
	uint32_t left[N_FAMILIES] = {0};

	for (size_t i = 0; i < N_SUMS; i++)
		if ((s->keywords->value[sums[i].keyword] & all) != 0 && !s->is_off[sums[i].family])
			left[sums[i].family] |= sums[i].field;
	for (unsigned f = 0; f < N_FAMILIES; f++) {
		struct ndis_checksum_part *p = part_of(now, (enum family)f, receive);

		if (left[f] == 0)
			*p = (struct ndis_checksum_part){0};
		else
			p->fields &= IP_OPTIONS | TCP_OPTIONS | left[f];
	}
}

static bool has_field(struct ndis_offload *now, uint32_t field)
{
	uint32_t fields = 0;

	for (unsigned f = 0; f < N_FAMILIES; f++)
		for (unsigned receive = 0; receive < 2; receive++)
			fields |= part_of(now, (enum family)f, receive)->fields;
	return (fields & field) != 0;
}

void fer_slots_restrict(struct ndis_offload *now, const struct fer_slots_setting *s)
{
	uint32_t may = fer_slots_may(now, s);
	bool has_large_sends = false;

	restrict_sums(now, s, false);
	restrict_sums(now, s, true);
	for (size_t i = 0; i < N_LARGE_SENDS; i++) {
		if ((may & large_sends[i].may) == 0)
			clear_large_send(now, &large_sends[i]);
		else
			has_large_sends = true;
	}
	if (!s->has_ipsec || !has_field(now, TCP_SUM))
		now->flags &= ~IPSEC_OFFLOAD_V2_AND_TCP_CHECKSUM_COEXISTENCE;
	if (!s->has_ipsec || !has_field(now, UDP_SUM))
		now->flags &= ~IPSEC_OFFLOAD_V2_AND_UDP_CHECKSUM_COEXISTENCE;
	now->ipsec_v2.lso_supported = s->has_ipsec && has_large_sends;
}
