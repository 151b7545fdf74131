// SPDX-License-Identifier: BSD-3-Clause
#include "sa/params.h"

#include <string.h>

bool fer_addr_is_zero(const struct fer_addr *a)
{
	static const uint8_t zero[sizeof(a->bytes)];

	return memcmp(a->bytes, zero, sizeof(zero)) == 0;
}

// Keys are compared whole, so what stands behind an IPv4 address must be 0.
static bool is_canonical(const struct fer_addr *a)
{
	static const uint8_t zero[sizeof(a->bytes) - 4];

	return a->version == 6 || memcmp(a->bytes + 4, zero, sizeof(zero)) == 0;
}

static const char *check_addresses(const struct fer_sa_params *p)
{
	if (p->dst.version != 4 && p->dst.version != 6)
		return "the destination is neither IPv4 nor IPv6";
	if (p->src.version != p->dst.version)
		return "source and destination are not of one IP version";
	if (!is_canonical(&p->src) || !is_canonical(&p->dst))
		return "an IPv4 address has more than four bytes";
	if (p->direction == FER_OUT && p->mode == FER_TUNNEL &&
		(fer_addr_is_zero(&p->src) || fer_addr_is_zero(&p->dst)))
		return "an outbound tunnel needs both its ends";
	return NULL;
}

static const char *check_outer(const struct fer_outer_rules *r)
{
	if (r->dscp > 63 && r->dscp != FER_DSCP_COPY)
		return "the outer DSCP is not 0 to 63";
	if (r->flow_label > 0xfffff && r->flow_label != FER_FLOW_LABEL_COPY)
		return "the outer flow label is not 0 to 0xfffff";
	if (r->ttl == 0)
		return "the outer TTL is 0";
	if (r->df > FER_DF_CLEAR)
		return "the rule for DF is unknown";
	return NULL;
}

static const char *check_tfc(const struct fer_sa_params *p)
{
	const struct fer_tfc *t = &p->tfc;

	if (t->pad_to == 0 && t->dummy_rate == 0)
		return NULL;
	if (p->direction == FER_IN || p->spi == 0)
		return "padding and dummies are for outbound ESP";
	if (t->pad_to != 0 && t->pad_to != FER_TFC_MTU &&
		(t->pad_to < FER_TFC_PAD_MIN || t->pad_to > FER_TFC_PAD_MAX))
		return "packets cannot be padded to that length";
	if (t->dummy_rate > FER_TFC_RATE_MAX)
		return "so many dummies a second cannot be sent";
	return NULL;
}

static const char *check_identity(const struct fer_sa_params *p, uint32_t n_groups)
{
	if (p->direction != FER_OUT && p->direction != FER_IN)
		return "the direction is unknown";
	if (p->mode != FER_TRANSPORT && p->mode != FER_TUNNEL)
		return "the mode is unknown";
	if (p->spi == 0 && p->ah.spi == 0)
		return "there is neither ESP nor AH";
	if ((p->spi != 0 && p->spi < FER_SPI_MIN) || (p->ah.spi != 0 && p->ah.spi < FER_SPI_MIN))
		return "SPIs up to 255 are reserved";
	if (p->group != FER_NO_GROUP && p->group >= n_groups)
		return "there is no such group";
	return NULL;
}

static const char *check_numbers(const struct fer_sa_params *p)
{
	if (!p->esn && (p->sequence > UINT32_MAX || p->ah.sequence > UINT32_MAX))
		return "a sequence number above 2^32 - 1 needs ESN";
	if (p->direction == FER_OUT)
		return NULL;
	if (p->replay_window > FER_REPLAY_MAX_PKTS)
		return "the replay window is larger than 65536 packets";
	if (p->contract && p->replay_window != 0)
		return "numbers that a host judges have no replay window";
	// Without a window nothing tells the high half of a number (RFC 4303 section 3.4.3).
	if (p->esn && p->replay_window == 0 && !p->contract)
		return "ESN needs a replay window";
	return NULL;
}

static const char *check_udp(const struct fer_sa_params *p)
{
	if ((p->udp_at & ~(FER_UDP_OUTSIDE | FER_UDP_INSIDE)) != 0)
		return "UDP encapsulation of an unknown shape";
	if (p->udp_at == 0)
		return p->udp.sport == 0 && p->udp.dport == 0
			       ? NULL
			       : "UDP ports belong to UDP encapsulation only";
	if (p->ah.spi != 0)
		return "AH cannot pass a NAT: UDP encapsulation is for ESP alone";
	if (p->udp.dport == 0 && (p->direction == FER_IN || p->udp.sport != 0))
		return "UDP encapsulation needs a destination port";
	return NULL;
}

static bool are_in_order(uint64_t soft, uint64_t hard)
{
	return soft == 0 || hard == 0 || soft <= hard;
}

static const char *check_lifetime(const struct fer_lifetime *l)
{
	if (!are_in_order(l->soft_bytes, l->hard_bytes) ||
		!are_in_order(l->soft_packets, l->hard_packets) ||
		!are_in_order(l->soft_seconds, l->hard_seconds))
		return "a soft lifetime is longer than the hard one";
	return NULL;
}

static const char *check_esp(const struct fer_sa_params *p, struct fer_suite *suite)
{
	const struct fer_algo *e = p->encryption, *i = p->integrity;

	if (e == NULL || e->role != FER_ENCRYPTION)
		return "there is no encryption algorithm";
	if (i != NULL && i->role != FER_INTEGRITY)
		return "the integrity algorithm is none";
	if (e->key_bytes != 0 && p->encryption_key == NULL)
		return "the encryption key is missing";
	if (i != NULL && i->key_bytes != 0 && p->integrity_key == NULL)
		return "the integrity key is missing";
	// A contract host answers for its keys.
	if (!p->contract && fer_algo_check_key(e, p->encryption_key) != NULL)
		return "the encryption key is a weak one of DES";
	// A contract host may leave integrity to the AH of its bundle.
	const char *why = p->contract && p->ah.spi != 0 && i == NULL && !e->aead
				  ? fer_suite_init_bare(suite, e)
				  : fer_suite_init(suite, e, i, p->icv_bytes);
	if (why != NULL)
		return why;
	if (e->salt_bytes != 0)
		memcpy(suite->salt, p->encryption_key + e->key_bytes, e->salt_bytes);
	else if (i != NULL && i->salt_bytes != 0)
		memcpy(suite->salt, p->integrity_key + i->key_bytes, i->salt_bytes);
	suite->esn = p->esn;
	return NULL;
}

static const char *check_ah(const struct fer_sa_params *p, struct fer_suite *suite)
{
	const struct fer_algo *i = p->ah.integrity;

	if (i == NULL || i->role != FER_INTEGRITY)
		return "there is no integrity algorithm of AH";
	if (p->ah.key == NULL)
		return "the integrity key of AH is missing";
	const char *why = fer_suite_init_ah(suite, i, 0);
	if (why != NULL)
		return why;
	if (i->salt_bytes != 0)
		memcpy(suite->salt, p->ah.key + i->key_bytes, i->salt_bytes);
	suite->esn = p->esn;
	return NULL;
}

static const char *check_algorithms(const struct fer_sa_params *p, struct fer_sa_suites *suites)
{
	const char *why = p->spi == 0 ? NULL : check_esp(p, &suites->esp);

	if (why == NULL && p->ah.spi != 0)
		why = check_ah(p, &suites->ah);
	return why;
}

const char *fer_sa_params_check(
	const struct fer_sa_params *p, uint32_t n_groups, struct fer_sa_suites *suites)
{
	const char *why = check_identity(p, n_groups);

	if (why == NULL)
		why = check_addresses(p);
	if (why == NULL && p->direction == FER_OUT && p->mode == FER_TUNNEL)
		why = check_outer(&p->outer);
	if (why == NULL)
		why = check_tfc(p);
	if (why == NULL)
		why = check_numbers(p);
	if (why == NULL)
		why = check_udp(p);
	if (why == NULL)
		why = check_lifetime(&p->lifetime);
	if (why == NULL)
		why = check_algorithms(p, suites);
	return why;
}
