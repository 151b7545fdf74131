// SPDX-License-Identifier: BSD-3-Clause
#include "nic/nic.h"

#include "crypto/engine.h"
#include "nic/checksum.h"
#include "nic/lso.h"
#include "nic/oob.h"
#include "nic/rss.h"
#include "nic/stages.h"

#include <errno.h>
#include <stdlib.h>

int fer_nic_init(struct fer_nic *nic, struct fer_sa_table *sas, const struct fer_iv_source *ivs)
{
	int error = -ENOMEM;

	*nic = (struct fer_nic){.sas = sas,
		.known = calloc(1, sizeof(*nic->known)),
		.crypt = fer_crypt_create(),
		.lso = fer_lso_create()};
	if (nic->known != NULL && nic->crypt != NULL && nic->lso != NULL)
		nic->engine = fer_engine_open(ivs, &error);
	if (nic->engine != NULL)
		return 0;
	fer_lso_destroy(nic->lso);
	fer_crypt_destroy(nic->crypt);
	free(nic->known);
	return error;
}

void fer_nic_fini(struct fer_nic *nic)
{
	fer_engine_close(nic->engine);
	fer_lso_destroy(nic->lso);
	fer_crypt_destroy(nic->crypt);
	free(nic->known);
	*nic = (struct fer_nic){0};
}

static uint32_t may_of(const struct fer_nic *nic)
{
	return nic->may == NULL ? FER_NIC_ALL
				: atomic_load_explicit(nic->may, memory_order_relaxed);
}

// Is the work on this packet forbidden?  family is the bit of IPv4; that of IPv6 is the next.
static bool is_forbidden(uint32_t may, const struct fer_pkt *p, uint32_t family)
{
	uint32_t protocol = p->frame.protocol == FER_PROTO_AH ? FER_NIC_AH : FER_NIC_ESP;
	uint32_t wanted = protocol | (p->frame.version == 6 ? family << 1 : family);

	return (may & wanted) != wanted;
}

static void hold_sends_back(const struct fer_nic *nic, struct fer_batch *b, uint32_t may)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];
		struct fer_oob *o = fer_oob_of(b->m[i]);

		if (!fer_pkt_alive(p) || (o->ipsec == 0 && o->tunnel == 0) ||
			!is_forbidden(may, p, FER_NIC_SEND_IPV4))
			continue;
		if (nic->sends_unprotected)
			o->ipsec = o->tunnel = 0;
		else
			p->verdict = FER_NOT_CONFIGURED;
	}
}

static void leave_closed(struct fer_batch *b, uint32_t may)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->pkt[i].pending && is_forbidden(may, &b->pkt[i], FER_NIC_RECEIVE_IPV4))
			b->pkt[i].pending = 0;
}

void fer_nic_transmit(struct fer_nic *nic, struct fer_batch *b)
{
	uint32_t may = may_of(nic);

	if (unlikely(nic->has_slots)) {
		fer_lso_prepare(b, may);
		fer_checksum_outer(b, may);
	}
	if (unlikely((may & FER_NIC_ALL) != FER_NIC_ALL))
		hold_sends_back(nic, b, may);
	if (unlikely(nic->has_slots)) {
		fer_checksum_send(nic, b, may);
		fer_lso_send(nic, b);
	}
	fer_crypt_seal(nic, b, fer_bind_out(nic, b));
	b->numbered.handle = 0;
}

void fer_nic_receive(struct fer_nic *nic, struct fer_batch *b)
{
	uint32_t may = may_of(nic);

	if (unlikely((may & FER_NIC_ALL) != FER_NIC_ALL))
		leave_closed(b, may);
	while (fer_bind_in(nic, b) > 0 && fer_crypt_open(nic, b) > 0)
		;
	fer_tag(nic, b);
	if (unlikely(nic->rss != NULL))
		fer_rss_hash(nic->rss, b);
	if (unlikely(nic->has_slots))
		fer_checksum_judge(b, may);
}
