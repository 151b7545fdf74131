// SPDX-License-Identifier: BSD-3-Clause
#include "host/sink.h"

unsigned fer_sink(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[])
{
	unsigned n_out = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (likely(fer_pkt_alive(&b->pkt[i]))) {
			out[n_out++] = b->m[i];
			continue;
		}
		outcomes->packets[b->pkt[i].verdict]++;
		rte_pktmbuf_free(b->m[i]);
	}
	outcomes->packets[FER_OK] += n_out;
	b->n = 0;
	return n_out;
}
