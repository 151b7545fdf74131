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

// All packets, where they go on as one frame each and by no rule for their class.  False: out is
// not valid.
static inline bool move_plain(const struct fer_batch *b, struct rte_mbuf *out[])
{
	uint32_t marks = 0;

	for (unsigned i = 0, n = b->n; i < n; i++) {
		marks |= fer_pkt_marks(&b->pkt[i]);
		out[i] = b->m[i];
	}
	return (marks & (FER_MARKS_VERDICT | FER_MARKS_CLASS)) == 0 && b->n_more == 0;
}

// Any packets.
__attribute__((noinline)) static unsigned move_any(
	struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[])
{
	unsigned n_out = 0, more = 0, n_more = b->n_more;

	for (unsigned i = 0, n = b->n; i < n; i++) {
		const struct fer_pkt *p = &b->pkt[i];

		if (unlikely(!fer_pkt_alive(p))) {
			outcomes->packets[p->verdict]++;
			rte_pktmbuf_free(b->m[i]);
			continue;
		}
		out[n_out++] = b->m[i];
		if (unlikely(p->class != FER_CLASS_NONE))
			outcomes->classes[p->class]++;
		if (unlikely(n_more > 0))
			n_out += move_rest(b, i, &more, out + n_out);
	}
	outcomes->packets[FER_OK] += n_out - more;
	outcomes->fragments += more;
	b->n_more = 0;
	return n_out;
}

unsigned fer_sink(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[])
{
	unsigned n = b->n;

	if (likely(move_plain(b, out)))
		outcomes->packets[FER_OK] += n;
	else
		n = move_any(b, outcomes, out);
	b->n = 0;
	return n;
}

unsigned fer_sink_side(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[])
{
	unsigned n = b->n_side;

	memcpy(out, b->side, n * sizeof(out[0]));
	outcomes->made += n;
	b->n_side = 0;
	return n;
}

bool fer_sink_rests(const struct fer_batch *b, bool is_rest[])
{
	unsigned n = 0, more = 0;

	if (b->n_more == 0)
		return false;
	for (unsigned i = 0; i < b->n; i++) {
		if (!fer_pkt_alive(&b->pkt[i]))
			continue;
		is_rest[n++] = false;
		for (; more < b->n_more && b->more_of[more] == i; more++)
			is_rest[n++] = true;
	}
	return true;
}

void fer_sink_unsent(struct fer_outcomes *outcomes, enum fer_verdict v, struct rte_mbuf *m[],
	unsigned n, const bool is_rest[])
{
	unsigned n_rests = 0, n_packets;

	for (unsigned i = 0; is_rest != NULL && i < n; i++)
		n_rests += is_rest[i];
	n_packets = n - n_rests + (n_rests > 0 && is_rest[0]);
	outcomes->packets[FER_OK] -= n_packets;
	outcomes->packets[v] += n_packets;
	outcomes->fragments -= n_rests;
	rte_pktmbuf_free_bulk(m, n);
}

void fer_sink_side_unsent(struct fer_outcomes *outcomes, struct rte_mbuf *m[], unsigned n)
{
	outcomes->made -= n;
	rte_pktmbuf_free_bulk(m, n);
}
