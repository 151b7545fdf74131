// SPDX-License-Identifier: BSD-3-Clause
#include "host/sink.h"

unsigned fer_sink(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[])
{
	unsigned n_out = 0;

	for (unsigned i = 0; i < b->n; i++) {
		const struct fer_pkt *p = &b->pkt[i];

		outcomes->packets[p->verdict]++;
		if (!fer_pkt_alive(p)) {
			rte_pktmbuf_free(b->m[i]);
			continue;
		}
		out[n_out++] = b->m[i];
		if (unlikely(p->class != FER_CLASS_NONE))
			outcomes->classes[p->class]++;
	}
	b->n = 0;
	return n_out;
}
