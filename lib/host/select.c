// SPDX-License-Identifier: BSD-3-Clause
// Applies the policy database: RFC 4301 section 5.1 on the way out, section 5.2 on the way in.
#include "host/stages.h"

#include "host/flow.h"
#include "host/outer.h"
#include "nic/segment.h"
#include "nic/udp.h"
#include "sa/table.h"

// Does the policy database have to judge it?  What a class rule let by, it does not.
static bool is_judged(const struct fer_pkt *p)
{
	return fer_pkt_alive(p) && p->class == FER_CLASS_NONE;
}

__attribute__((noinline)) static void ask(
	struct fer_host_work *w, const struct fer_batch *b, unsigned i)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	uint32_t len = f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;

	w->query[w->n].frame = f;
	w->query[w->n].ip = rte_pktmbuf_read(b->m[i], f->ip_off, len, w->ip[w->n]);
	w->at[w->n++] = (uint16_t)i;
}

// Does packet i, which is sound, look to policies as that flow?
static inline bool is_of_flow(
	const struct fer_batch *b, unsigned i, const struct fer_host_flow *flow)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	const struct rte_mbuf *m = b->m[i];

	if (fer_frame_selector(f) != flow->selector ||
		f->ip_off + (uint32_t)FER_IPV6_HEADER_BYTES > m->data_len)
		return false;
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, f->ip_off);
	if (likely(f->version == 4))
		return fer_load_word(ip + 12) == flow->addr[0];
	return fer_pair_is_zero((fer_load_pair(ip + 8) ^ fer_load_pair(&flow->addr[0])) |
				(fer_load_pair(ip + 24) ^ fer_load_pair(&flow->addr[2])));
}

#define NO_HANDLE FER_NO_SA_INDEX // no SA has it, of whatever generation

static void describe(struct fer_host_flow *flow, const struct fer_policy_query *q, uint64_t handle)
{
	flow->handle = handle;
	flow->selector = fer_frame_selector(q->frame);
	if (q->frame->version == 4)
		memcpy(flow->addr, q->ip + 12, 8);
	else
		memcpy(flow->addr, q->ip + 8, 32);
}

// The last flow of that direction, as far as these policies judged it.
static inline struct fer_host_flow *last_flow(
	struct fer_host *host, const struct fer_host_rules *rules, enum fer_direction direction)
{
	struct fer_host_flow *last = &host->work->last[direction];
	const uint64_t policies = fer_policies_generation(rules->policies);

	if (unlikely(last->policies != policies))
		*last = (struct fer_host_flow){.policies = policies, .handle = NO_HANDLE};
	return last;
}

static inline void protect_with(
	struct fer_batch *b, unsigned first, unsigned end, unsigned g, uint64_t handle)
{
	for (unsigned i = first; i < end; i++)
		b->pkt[i].handle[g] = handle;
}

// Does a packet go on with the run of one flow that the packet before it is of?
static inline bool is_in_flow(const struct fer_pkt *p)
{
	return (p->like & FER_LIKE_FLOW) != 0 && fer_pkt_has_no_layer(p);
}

// The end of the run of one flow that begins with packet i.
static inline unsigned flow_end(const struct fer_batch *b, unsigned i)
{
	do
		i++;
	while (i < b->n && is_in_flow(&b->pkt[i]));
	return i;
}

// Asks for the first packet of each run of neighbours of one flow, from packet i on.  The last flow
// is sent with the SA that it was sent with before.  Packets that are no sound IP end here.
static void ask_out(
	struct fer_host_work *w, struct fer_batch *b, unsigned i, const struct fer_host_flow *last)
{
	w->n = 0;
	for (unsigned n = b->n, end; i < n; i = end) {
		struct fer_pkt *p = &b->pkt[i];

		end = i + 1;
		if (unlikely(!is_judged(p)))
			continue;
		if (unlikely(p->parsed != FER_OK)) {
			p->verdict = p->parsed;
			continue;
		}
		end = flow_end(b, i);
		if (last->handle != NO_HANDLE && is_of_flow(b, i, last)) {
			protect_with(b, i, end, 0, last->handle);
			continue;
		}
		ask(w, b, i);
		w->end[w->n] = (uint16_t)end;
	}
}

// Notes are left with flows whose rule protects with one group.  Outbound it is the handle with
// which that sent, which holds as long as the SA is active; inbound the group, marked to be never
// 0.
#define NOTE_GROUP (UINT64_C(1) << 32)

static bool is_noted(const struct fer_policy_decision *d)
{
	return d->action == FER_POLICY_PROTECT && d->n_groups == 1;
}

// Finds the rules of the runs, and brings what they decide into the cache, or the SA that this came
// to before.
static void find_rules(struct fer_host *host, const struct fer_host_rules *rules)
{
	struct fer_host_work *w = host->work;
	const struct fer_policy_decision *decision = fer_policies_decisions(rules->policies);

	fer_flows_find(host->flows, rules->policies, FER_OUT, w->query, w->n, w->rule,
		w->needs_ports, w->note);
	for (unsigned r = 0; r < w->n; r++)
		if (likely(w->note[r] != 0))
			fer_sa_prefetch_out(host->sas, w->note[r]);
		else if (w->rule[r] != FER_NO_RULE)
			rte_prefetch0(&decision[w->rule[r]]);
}

// The end of a packet on the rule it met, as far as both directions agree; FER_OK: they do not.
static enum fer_verdict judge(const struct fer_policy_decision *d, bool needs_ports)
{
	if (d == NULL)
		return FER_NO_POLICY;
	if (needs_ports)
		return FER_FRAGMENT_NEEDS_PORTS;
	return d->action == FER_POLICY_DISCARD ? FER_DISCARD : FER_OK;
}

static const struct fer_policy_decision *decision_of(
	const struct fer_host_rules *rules, uint32_t rule)
{
	return rule == FER_NO_RULE ? NULL : &fer_policies_decisions(rules->policies)[rule];
}

// The packet goes on as it is, without what the link layer put behind it.
static enum fer_verdict bypass(struct rte_mbuf *m, const struct fer_pkt *p)
{
	fer_segment_trim(m, p->frame.end);
	return FER_OK;
}

static void end_run(struct fer_host *host, struct fer_batch *b, unsigned run, enum fer_verdict v)
{
	const struct fer_host_work *w = host->work;

	for (unsigned i = w->at[run]; i < w->end[run + 1]; i++)
		b->pkt[i].verdict = (uint8_t)v;
}

// Protects with the SAs that the groups of a rule send with now.  None: the packets must not leave
// at all.
static void protect_run(struct fer_host *host, const struct fer_policies *p, struct fer_batch *b,
	unsigned run, const struct fer_policy_decision *d)
{
	const struct fer_host_work *w = host->work;

	for (unsigned g = 0; g < d->n_groups; g++) {
		uint64_t handle = fer_group_active(host->sas, d->group[g]);

		protect_with(b, w->at[run], w->end[run + 1], g, handle);
		if (handle == 0) {
			end_run(host, b, run, FER_NO_ACTIVE_SA);
			return;
		}
		fer_sa_prefetch_out(host->sas, handle);
		if (is_noted(d))
			fer_flows_note(host->flows, p, FER_OUT, &w->query[run], handle);
	}
}

static void bypass_run(struct fer_host *host, struct fer_batch *b, unsigned run)
{
	const struct fer_host_work *w = host->work;

	for (unsigned i = w->at[run]; i < w->end[run + 1]; i++)
		b->pkt[i].verdict = (uint8_t)bypass(b->m[i], &b->pkt[i]);
}

static void select_run(struct fer_host *host, const struct fer_host_rules *rules,
	struct fer_batch *b, unsigned run)
{
	const struct fer_policy_decision *d = decision_of(rules, host->work->rule[run]);
	enum fer_verdict v = judge(d, host->work->needs_ports[run]);

	if (v != FER_OK)
		end_run(host, b, run, v);
	else if (d->action == FER_POLICY_BYPASS)
		bypass_run(host, b, run);
	else
		protect_run(host, rules->policies, b, run, d);
}

static void select_runs(
	struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	const struct fer_host_work *w = host->work;

	for (unsigned k = 0; k < w->n; k++) {
		if (likely(w->note[k] != 0))
			continue;
		const struct fer_policy_decision *d = decision_of(rules, w->rule[k]);
		for (unsigned g = 0; d != NULL && g < d->n_groups; g++)
			fer_group_prefetch(host->sas, d->group[g]);
	}
	for (unsigned k = 0; k < w->n; k++)
		if (likely(w->note[k] != 0) && likely(fer_sa_is_active(host->sas, w->note[k])))
			protect_with(b, w->at[k], w->end[k + 1], 0, w->note[k]);
		else
			select_run(host, rules, b, k);
}

// The last run's flow is the last one, if it was sent as its note says.
static void remember(
	const struct fer_host *host, const struct fer_batch *b, struct fer_host_flow *last)
{
	const struct fer_host_work *w = host->work;
	const unsigned k = w->n - 1;
	const uint64_t handle = w->note[k];

	if (handle == 0 || b->pkt[w->at[k]].handle[0] != handle)
		return;
	describe(last, &w->query[k], handle);
	last->sa = fer_sa_at(host->sas, (uint32_t)handle);
}

// Finds out what becomes of the packets from first on.
__attribute__((noinline)) static void select_others(struct fer_host *host,
	const struct fer_host_rules *rules, struct fer_batch *b, unsigned first,
	struct fer_host_flow *last)
{
	ask_out(host->work, b, first, last);
	if (host->work->n == 0)
		return;
	find_rules(host, rules);
	select_runs(host, rules, b);
	remember(host, b, last);
}

// Does the SA of the last flow live, and its group send with it?
static inline bool is_active(const struct fer_host_flow *last)
{
	const struct fer_sa *sa = last->sa;

	return sa != NULL &&
	       atomic_load_explicit(&sa->generation, memory_order_acquire) == last->handle >> 32 &&
	       (atomic_load_explicit(&sa->life, memory_order_relaxed) & FER_LIFE_ACTIVE) != 0;
}

// Sends the run that a batch begins with as before, if it is of the last flow.  Returns where it
// ends.
static inline unsigned send_as_before(struct fer_batch *b, const struct fer_host_flow *last)
{
	const unsigned n = b->n;
	unsigned i = 0;

	if (n == 0 || !fer_pkt_has_no_layer(&b->pkt[0]) || !is_of_flow(b, 0, last))
		return 0;
	do
		b->pkt[i++].handle[0] = last->handle;
	while (i < n && is_in_flow(&b->pkt[i]));
	return i;
}

static void select_by_policies(
	struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	struct fer_host_flow *last = last_flow(host, rules, FER_OUT);
	unsigned first = 0;

	if (likely(is_active(last))) {
		first = send_as_before(b, last);
	} else {
		last->handle = NO_HANDLE;
		last->sa = NULL;
	}
	if (unlikely(first < b->n))
		select_others(host, rules, b, first, last);
}

// Without policies one SA protects every packet it can carry.
__attribute__((noinline)) static void select_only_sa(
	const struct fer_host_rules *rules, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (!is_judged(p))
			continue;
		if (p->parsed != FER_OK)
			p->verdict = p->parsed;
		else if (rules->only_sa == 0)
			p->verdict = FER_NO_POLICY;
		else
			p->handle[0] = rules->only_sa;
	}
}

void fer_select_out(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	if (unlikely(rules->policies == NULL))
		select_only_sa(rules, b);
	else
		select_by_policies(host, rules, b);
	fer_batch_mark(b, FER_STAGE_POLICY);
}

// An ESP or AH packet that nobody opened, addressed to one of our end points: it is ours and lost.
static bool is_orphan(const struct fer_host *host, const struct fer_batch *b, unsigned i)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	uint8_t room[FER_IPV6_HEADER_BYTES];
	struct fer_addr src, dst;

	if (f->protocol != FER_PROTO_ESP && f->protocol != FER_PROTO_AH &&
		!fer_udp_has_esp(host->sas, b->m[i], f))
		return false;
	const uint8_t *ip = rte_pktmbuf_read(b->m[i], f->ip_off,
		f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, room);
	fer_ip_addresses(ip, &src, &dst);
	return fer_sa_is_endpoint(host->sas, &dst);
}

// Do the layers of a packet, outermost first, belong to the groups of a rule, innermost first?  The
// AH of a bundle goes with the ESP behind it.
static enum fer_verdict match_groups(const struct fer_host *host, const struct fer_batch *b,
	unsigned i, const struct fer_policy_decision *d)
{
	enum fer_verdict v = FER_OK;
	unsigned n = 0;

	for (unsigned k = b->pkt[i].n_layers; k-- > 0;) {
		const struct fer_sa *sa = fer_sa_at(host->sas, b->round[k][i].sa);

		if (sa->group == FER_NO_GROUP)
			return FER_NO_POLICY;
		if (fer_sa_is_outside(sa))
			continue;
		if (n == d->n_groups || sa->group != d->group[n])
			v = FER_POLICY_MISMATCH;
		else
			n++;
	}
	return n == d->n_groups ? v : FER_POLICY_MISMATCH;
}

static enum fer_verdict check_one(const struct fer_host *host, struct fer_batch *b, unsigned i,
	const struct fer_policy_decision *d, bool needs_ports)
{
	bool clear = b->pkt[i].n_layers == 0;

	if (clear && is_orphan(host, b, i))
		return FER_NO_SA;
	enum fer_verdict v = judge(d, needs_ports);
	if (v != FER_OK)
		return v;
	if (d->action == FER_POLICY_BYPASS)
		return clear ? bypass(b->m[i], &b->pkt[i]) : FER_POLICY_MISMATCH;
	return clear ? FER_UNPROTECTED : match_groups(host, b, i, d);
}

// Is packet i judged like the last one?
static inline bool is_like(const struct fer_batch *b, unsigned i, const struct fer_host_flow *last)
{
	return fer_pkt_has_one_layer(&b->pkt[i]) &&
	       fer_layer_handle(&b->round[0][i]) == last->handle && is_of_flow(b, i, last);
}

// Is it, because the packet before it is, which was opened together with it?
static inline bool is_like_before(const struct fer_pkt *p, const struct fer_host_flow *last)
{
	return (p->like & FER_LIKE_OPENED) != 0 && fer_pkt_has_one_layer(p) &&
	       last->handle != NO_HANDLE;
}

// What packet i came over, if others can be like it: not when it has several layers, or none, nor
// when its SA is being removed.
static uint64_t handle_in(const struct fer_batch *b, unsigned i)
{
	return fer_pkt_has_one_layer(&b->pkt[i]) && b->round[0][i].generation != 0
		       ? fer_layer_handle(&b->round[0][i])
		       : NO_HANDLE;
}

// Are all packets?
static inline bool are_all_like(const struct fer_batch *b, const struct fer_host_flow *last)
{
	for (unsigned i = 0, n = b->n; i < n; i++)
		if (!is_like_before(&b->pkt[i], last) && !is_like(b, i, last))
			return false;
	return true;
}

// Asks for the first packet of each run of those that are judged alike.  Those that are no sound IP
// end here.
static void ask_in(struct fer_host_work *w, struct fer_batch *b, struct fer_host_flow *last)
{
	w->n = 0;
	for (unsigned i = 0, n = b->n; i < n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (likely(is_like_before(p, last) || is_like(b, i, last))) {
			w->end[w->n] = (uint16_t)(i + 1);
			continue;
		}
		last->handle = NO_HANDLE;
		if (!is_judged(p))
			continue;
		if (p->parsed != FER_OK) {
			p->verdict = p->parsed;
			continue;
		}
		ask(w, b, i);
		w->end[w->n] = (uint16_t)(i + 1);
		describe(last, &w->query[w->n - 1], handle_in(b, i));
	}
}

// Did the packet come over one SA, of the group that a note of its flow names?
static inline bool is_of_group(
	const struct fer_host *host, const struct fer_batch *b, unsigned i, uint64_t note)
{
	if (!fer_pkt_has_one_layer(&b->pkt[i]))
		return false;
	const struct fer_sa *sa = fer_sa_at(host->sas, b->round[0][i].sa);
	return note == (NOTE_GROUP | sa->group) && !fer_sa_is_outside(sa);
}

// Judges the packet that was looked up as query j.
static enum fer_verdict judge_found(
	struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b, unsigned j)
{
	const struct fer_host_work *w = host->work;
	unsigned i = w->at[j];

	if (likely(is_of_group(host, b, i, w->note[j])))
		return FER_OK;
	const struct fer_policy_decision *d = decision_of(rules, w->rule[j]);
	enum fer_verdict v = check_one(host, b, i, d, w->needs_ports[j]);
	if (v == FER_OK && fer_pkt_has_one_layer(&b->pkt[i]) && is_noted(d))
		fer_flows_note(host->flows, rules->policies, FER_IN, &w->query[j],
			NOTE_GROUP | d->group[0]);
	return v;
}

// Judges the runs that were asked for.  The one in front of them goes on as it is.
static void judge_in(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b,
	struct fer_host_flow *last)
{
	struct fer_host_work *w = host->work;
	enum fer_verdict v = FER_OK;

	fer_flows_find(host->flows, rules->policies, FER_IN, w->query, w->n, w->rule,
		w->needs_ports, w->note);
	for (unsigned j = 0; j < w->n; j++)
		if (w->note[j] == 0 && w->rule[j] != FER_NO_RULE)
			rte_prefetch0(decision_of(rules, w->rule[j]));
	for (unsigned j = 0; j < w->n; j++) {
		unsigned first = w->at[j];

		v = judge_found(host, rules, b, j);
		for (unsigned i = first; v != FER_OK && i < w->end[j + 1]; i++)
			b->pkt[i].verdict = (uint8_t)v;
	}
	if (v != FER_OK)
		last->handle = NO_HANDLE;
}

// Without policies exactly what was verified goes on.
static void check_verified(const struct fer_host *host, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (!is_judged(p) || p->n_layers > 0)
			continue;
		if (p->parsed != FER_OK)
			p->verdict = p->parsed;
		else
			p->verdict = is_orphan(host, b, i) ? FER_NO_SA : FER_NO_POLICY;
	}
}

static void check_by_policies(
	struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	struct fer_host_flow *last = last_flow(host, rules, FER_IN);

	ask_in(host->work, b, last);
	if (host->work->n != 0)
		judge_in(host, rules, b, last);
}

__attribute__((noinline)) static void check_any(
	struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	if (rules->policies == NULL)
		check_verified(host, b);
	else
		check_by_policies(host, rules, b);
	fer_batch_mark(b, FER_STAGE_POLICY);
}

bool fer_check_in(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	const struct fer_host_flow *last = &host->work->last[FER_IN];

	if (unlikely(rules->policies == NULL ||
		     last->policies != fer_policies_generation(rules->policies) ||
		     !are_all_like(b, last))) {
		check_any(host, rules, b);
		return false;
	}
	fer_batch_mark(b, FER_STAGE_POLICY);
	return true;
}
