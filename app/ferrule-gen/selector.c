// SPDX-License-Identifier: BSD-3-Clause
#include "selector.h"

#include "proto/ip.h"
#include "sa/sa.h"

#define FIRST_PORT 1024
#define ANY_SRC 0xc6120001u // 198.18.0.1: RFC 2544 sets this network aside for such tests
#define ANY_DST 0xc6130001u

static struct fer_addr ipv4(uint32_t address)
{
	struct fer_addr a = {.version = 4};

	fer_store_be32(a.bytes, address);
	return a;
}

// The first host of a prefix.
static struct fer_addr host_of(const struct fer_prefix *p)
{
	struct fer_addr a = p->addr;
	unsigned last = a.version == 4 ? 3 : 15;

	if (p->len < 8 * (last + 1))
		a.bytes[last] |= 1;
	return a;
}

static bool names_group(const struct fer_doc_policy *p, uint32_t group)
{
	for (uint32_t g = 0; g < p->n_groups; g++)
		if (p->groups[g] == group)
			return true;
	return false;
}

const struct fer_doc_policy *fer_gen_find_policy(
	const struct fer_doc *doc, uint32_t pair, enum fer_direction direction, uint32_t group)
{
	for (uint32_t i = 0; doc != NULL && i < doc->n_policies; i++) {
		const struct fer_doc_policy *p = &doc->policies[i];

		if (p->pair == pair && p->direction == direction && p->action == FER_DOC_PROTECT &&
			(p->protocol == FER_DOC_PROTOCOL_ANY || p->protocol == FER_PROTO_UDP) &&
			(group == FER_NO_GROUP || names_group(p, group)))
			return p;
	}
	return NULL;
}

static struct fer_gen_selector any_selector(uint8_t version)
{
	struct fer_gen_selector s = {
		.src = ipv4(ANY_SRC),
		.dst = ipv4(ANY_DST),
		.sport = {FIRST_PORT, UINT16_MAX},
		.dport = {FIRST_PORT, UINT16_MAX},
	};

	if (version == 6) { // 2001:2::/48: the same of RFC 5180
		s.src = s.dst = (struct fer_addr){.version = 6, .bytes = {0x20, 0x01, 0, 2}};
		s.src.bytes[15] = 1;
		s.dst.bytes[15] = 2;
	}
	return s;
}

static void take_ports(struct fer_doc_ports *to, const struct fer_doc_ports *from)
{
	if (from->first != 0 || from->last != UINT16_MAX)
		*to = *from;
}

struct fer_gen_selector fer_gen_selector_of(const struct fer_doc_policy *p)
{
	uint8_t version = p == NULL                  ? 4
			  : p->src.addr.version != 0 ? p->src.addr.version
						     : p->dst.addr.version;
	struct fer_gen_selector s = any_selector(version);

	if (p == NULL)
		return s;
	if (p->src.addr.version != 0)
		s.src = host_of(&p->src);
	if (p->dst.addr.version != 0)
		s.dst = host_of(&p->dst);
	take_ports(&s.sport, &p->sport);
	take_ports(&s.dport, &p->dport);
	return s;
}
