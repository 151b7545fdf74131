// SPDX-License-Identifier: BSD-3-Clause
#include "host/sink.h"

unsigned fer_sink(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[])
{
	unsigned n_out = 0;

	for (unsigned i = 0; i < b->n; i++) {
		outcomes->packets[b->pkt[i].verdict]++;
		if (fer_pkt_alive(&b->pkt[i]))
			out[n_out++] = b->m[i];
		else
			rte_pktmbuf_free(b->m[i]);
	}
	b->n = 0;
	return n_out;
}

void fer_sink_unsent(
	struct fer_outcomes *outcomes, enum fer_verdict v, struct rte_mbuf *m[], unsigned n)
{
	outcomes->packets[FER_OK] -= n;
	outcomes->packets[v] += n;
	rte_pktmbuf_free_bulk(m, n);
}
