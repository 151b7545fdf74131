// SPDX-License-Identifier: BSD-3-Clause
#include "host/sink.h"

#include <string.h>

// Moves the rest of packet i, from place *more of the list on.  Returns how many.
static unsigned move_rest(
	const struct fer_batch *b, unsigned i, unsigned *more, struct rte_mbuf *out[])
{
	unsigned n = 0;

	for (; *more < b->n_more && b->more_of[*more] == i; ++*more)
		out[n++] = b->more[*more];
	return n;
}

unsigned fer_sink(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[])
{
	unsigned n_out = 0, more = 0;

	for (unsigned i = 0; i < b->n; i++) {
		const struct fer_pkt *p = &b->pkt[i];

		if (unlikely(!fer_pkt_alive(p))) {
			outcomes->packets[p->verdict]++;
			rte_pktmbuf_free(b->m[i]);
			continue;
		}
		out[n_out++] = b->m[i];
		if (unlikely(p->class != FER_CLASS_NONE))
			outcomes->classes[p->class]++;
		if (unlikely(b->n_more > 0))
			n_out += move_rest(b, i, &more, out + n_out);
	}
	outcomes->packets[FER_OK] += n_out - more;
	outcomes->fragments += more;
	b->n = b->n_more = 0;
	return n_out;
}

unsigned fer_sink_side(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[])
{
	unsigned n = b->n_side;

	memcpy(out, b->side, n * sizeof(out[0]));
	outcomes->made += n;
	b->n_side = 0;
	return n;
}
