// SPDX-License-Identifier: BSD-3-Clause
#include "keepalive.h"

#include "host/nat.h"

#include <errno.h>
#include <rte_ring.h>
#include <stdio.h>

#define SECOND_NS UINT64_C(1000000000)

int fer_keepalive_open(struct fer_pair *p, uint32_t seconds)
{
	char name[32];

	LIST_INIT(&p->in_udp);
	p->keepalive_ns = seconds * SECOND_NS;
	snprintf(name, sizeof(name), "keepalive-%u", p->number);
	p->keepalives = rte_ring_create(
		name, FER_KEEPALIVES_WAITING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return p->keepalives != NULL ? 0 : -ENOMEM;
}

void fer_keepalive_close(struct fer_pair *p)
{
	void *m;

	if (p->keepalives == NULL)
		return;
	while (rte_ring_dequeue(p->keepalives, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(p->keepalives);
	p->keepalives = NULL;
}

static bool has_keepalives(const struct fer_pair_sa *sa)
{
	return sa->udp != NULL && sa->udp->asked.sport != 0 && fer_pair_sa_is_out(sa);
}

void fer_keepalive_add(struct fer_pair_sa *sa)
{
	if (has_keepalives(sa))
		LIST_INSERT_HEAD(&sa->pair->in_udp, sa->udp, link);
}

void fer_keepalive_remove(struct fer_pair_sa *sa)
{
	if (has_keepalives(sa))
		LIST_REMOVE(sa->udp, link);
}

// Has the SA sent nothing for so long?  Only the one with which its group sends has to.
static bool is_due(const struct fer_pair *p, struct fer_pair_udp *known, const struct fer_sa *sa,
	uint64_t now_ns)
{
	uint64_t packets = fer_seq_packets(&sa->out.seq);

	if (packets != known->packets || known->since_ns == 0 ||
		fer_group_active(p->sas, sa->group) != known->sa->handle) {
		known->packets = packets;
		known->since_ns = now_ns;
		return false;
	}
	return now_ns - known->since_ns >= p->keepalive_ns;
}

void fer_keepalive_run(struct fer_pair *p, uint64_t now_ns)
{
	if (p->keepalive_ns == 0 || now_ns - p->kept_ns < SECOND_NS)
		return;
	p->kept_ns = now_ns;
	for (struct fer_pair_udp *known = LIST_FIRST(&p->in_udp); known != NULL;
		known = LIST_NEXT(known, link)) {
		const struct fer_sa *sa = fer_sa_get(p->sas, known->sa->handle);

		if (sa == NULL || !is_due(p, known, sa, now_ns))
			continue;
		struct rte_mbuf *m = fer_nat_keepalive(sa, p->pool);
		if (m == NULL)
			continue;
		if (rte_ring_enqueue(p->keepalives, m) == 0)
			known->since_ns = now_ns;
		else
			rte_pktmbuf_free(m);
	}
}
