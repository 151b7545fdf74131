// SPDX-License-Identifier: BSD-3-Clause
#include "host/mtu.h"

#include "host/icmp.h"
#include "host/outer.h"
#include "host/stages.h"
#include "nic/segment.h"
#include "sa/table.h"

#include <rte_cycles.h>

// The same as fer_outer_longest(), for a bundle as well: AH takes its part first.
static uint32_t longest_of(
	const struct fer_sa_table *sas, const struct fer_sa *sa, uint32_t header_len, uint32_t mtu)
{
	const struct fer_sa *ah = fer_sa_ah(sas, sa);

	if (ah != NULL)
		mtu = fer_outer_longest(
			ah, sa->mode == FER_TUNNEL ? sa->out.template.ip_bytes : header_len, mtu);
	return fer_outer_longest(sa, header_len, mtu);
}

uint32_t fer_mtu_effective(
	const struct fer_sa_table *sas, const uint64_t handle[2], uint32_t header_len, uint32_t mtu)
{
	const struct fer_sa *inner = handle[0] == 0 ? NULL : fer_sa_get(sas, handle[0]);
	const struct fer_sa *outer = handle[1] == 0 ? NULL : fer_sa_get(sas, handle[1]);

	if ((handle[0] != 0 && inner == NULL) || (handle[1] != 0 && outer == NULL))
		return FER_MTU_ANY;
	if (outer != NULL) {
		bool in_tunnel = inner != NULL && inner->mode == FER_TUNNEL;
		uint32_t outer_len = in_tunnel ? inner->out.template.ip_bytes : header_len;
		mtu = longest_of(sas, outer, outer_len, mtu);
	}
	return inner == NULL ? mtu : longest_of(sas, inner, header_len, mtu);
}

// What was found out for the packet before: most of a burst goes the same way.
struct limit {
	uint64_t handle[2];
	uint32_t header_len;
	uint32_t bytes; // the effective MTU
};

static uint32_t limit_of(
	const struct fer_sa_table *sas, const struct fer_pkt *p, uint32_t mtu, struct limit *last)
{
	uint32_t header_len = p->frame.sec_off - p->frame.ip_off;

	if (likely(p->handle[0] == last->handle[0] && p->handle[1] == last->handle[1] &&
		    header_len == last->header_len))
		return last->bytes;
	*last = (struct limit){{p->handle[0], p->handle[1]}, header_len,
		fer_mtu_effective(sas, p->handle, header_len, mtu)};
	return last->bytes;
}

// Must the header that a tunnel puts on say that it is not to be fragmented, whatever is inside?
static bool outer_forbids(const struct fer_sa_table *sas, const struct fer_pkt *p)
{
	const struct fer_sa *sa = fer_sa_get(sas, p->handle[p->handle[1] != 0]);

	return sa != NULL && sa->mode == FER_TUNNEL && sa->out.template.version == 4 &&
	       sa->out.template.rules.df == FER_DF_SET;
}

static bool may_be_cut(const struct fer_sa_table *sas, const struct fer_pkt *p)
{
	const struct fer_frame *f = &p->frame;
	bool is_protected = p->handle[0] != 0 || p->handle[1] != 0;

	if (f->version == 6)
		return is_protected && f->end - f->ip_off <= FER_IPV6_MIN_MTU;
	return !f->df && !(is_protected && outer_forbids(sas, p));
}

// Tells the sender of packet i which size fits, as often as the rules allow.
static void answer(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b,
	unsigned i, uint32_t limit)
{
	const struct fer_pkt *p = &b->pkt[i];

	if (p->frame.version == 6)
		limit = RTE_MAX(limit, (uint32_t)FER_IPV6_MIN_MTU);
	if (b->n_side == FER_BATCH_SIDE ||
		!fer_bucket_take(&host->work->answers, rules->answers_per_second, rte_rdtsc(),
			rte_get_tsc_hz()))
		return;
	struct rte_mbuf *m = fer_icmp_too_big(b->m[i], p, limit, host->pool);
	if (m != NULL)
		b->side[b->n_side++] = m;
}

// Does the packet fit through its SAs, if any, and the port?  Padding behind it that would not,
// goes.
static bool fits(struct rte_mbuf *m, const struct fer_pkt *p, uint32_t limit, uint32_t mtu)
{
	if (p->frame.version == 0)
		return m->pkt_len <= mtu + p->l2_len;
	if (p->frame.end - p->frame.ip_off > limit)
		return false;
	if (unlikely(m->pkt_len > mtu + p->l2_len))
		fer_segment_trim(m, p->frame.end);
	return true;
}

void fer_mtu_out(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	uint32_t mtu = b->mtu = rules->mtu[FER_OUT];
	struct limit last = {.bytes = mtu};

	if (mtu == 0)
		return;
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (!fer_pkt_alive(p))
			continue;
		uint32_t limit = limit_of(host->sas, p, mtu, &last);
		if (likely(fits(b->m[i], p, limit, mtu)) ||
			(p->frame.version != 0 && may_be_cut(host->sas, p)))
			continue;
		p->verdict = FER_TOO_BIG;
		answer(host, rules, b, i, limit);
	}
}

bool fer_mtu_in(const struct fer_host_rules *rules, struct fer_batch *b)
{
	uint32_t mtu = b->mtu = rules->mtu[FER_IN];
	bool all_go = true;

	if (mtu == 0)
		return true;
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (fer_pkt_alive(p) && !fits(b->m[i], p, mtu, mtu) &&
			(p->frame.version != 4 || p->frame.df)) {
			p->verdict = FER_TOO_BIG;
			all_go = false;
		}
	}
	return all_go;
}
