// SPDX-License-Identifier: BSD-3-Clause
#include "receiver.h"

#include "proto/l2.h"

#include <string.h>

static bool take(struct fer_gen_receiver *r, const struct rte_mbuf *m, enum fer_link link)
{
	const uint8_t *frame =
		m->pkt_len > sizeof(r->flat) ? NULL : rte_pktmbuf_read(m, 0, m->pkt_len, r->flat);
	struct fer_l2 l2;

	if (frame == NULL || !fer_l2_parse(link, frame, m->pkt_len, &l2)) {
		fer_gen_tally_foreign(r->tally);
		return true;
	}
	return fer_gen_tally_add(r->tally, frame + l2.len, m->pkt_len - l2.len);
}

bool fer_gen_receive(
	struct fer_gen_receiver *r, struct rte_mbuf *m[], unsigned n, enum fer_link link)
{
	struct rte_mbuf **in = m;
	bool ok = true;

	r->packets += n;
	if (r->opener != NULL) {
		r->batch.n = (uint16_t)n;
		r->batch.link = (uint8_t)link;
		memcpy(r->batch.m, m, n * sizeof(struct rte_mbuf *));
		n = fer_gen_mirror_open(r->opener, &r->batch, r->opened);
		in = r->opened;
	}
	for (unsigned i = 0; i < n; i++)
		ok = take(r, in[i], link) && ok;
	rte_pktmbuf_free_bulk(in, n);
	return ok;
}
