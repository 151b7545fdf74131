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

// Do the addresses of packet i stand in one piece?
static inline bool is_whole(const struct fer_batch *b, unsigned i)
{
	return b->pkt[i].frame.ip_off + (uint32_t)FER_IPV6_HEADER_BYTES <= b->m[i]->data_len;
}

// The look-up of such a packet.
static inline struct fer_policy_query query_of(const struct fer_batch *b, unsigned i)
{
	const struct fer_frame *f = &b->pkt[i].frame;

	return (struct fer_policy_query){
		rte_pktmbuf_mtod_offset(b->m[i], const uint8_t *, f->ip_off), f};
}

// Asks for packet i, which may be any that is sound.
static void ask(struct fer_host_work *w, const struct fer_batch *b, unsigned i)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	uint32_t len = f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;

	w->query[w->n].frame = f;
	w->query[w->n].ip = rte_pktmbuf_read(b->m[i], f->ip_off, len, w->ip[w->n]);
	w->at[w->n++] = (uint16_t)i;
}

// Asks for those of the packets in w->at that policies have to judge.  Those that are no sound IP
// end here.
static void ask_rest(struct fer_host_work *w, struct fer_batch *b)
{
	const unsigned n = w->n;

	w->n = 0;
	for (unsigned k = 0; k < n; k++) {
		struct fer_pkt *p = &b->pkt[w->at[k]];

		if (!is_judged(p))
			continue;
		if (p->parsed != FER_OK)
			p->verdict = p->parsed;
		else
			ask(w, b, w->at[k]);
	}
}

// Does packet i, which is sound, look to policies as that flow?
static inline bool is_of_flow(
	const struct fer_batch *b, unsigned i, const struct fer_host_flow *flow)
{
	const struct fer_policy_query q = query_of(b, i);

	if (fer_frame_selector(q.frame) != flow->selector || !is_whole(b, i))
		return false;
	if (likely(q.frame->version == 4))
		return fer_load_word(q.ip + 12) == flow->addr[0];
	return fer_pair_is_zero((fer_load_pair(q.ip + 8) ^ fer_load_pair(&flow->addr[0])) |
				(fer_load_pair(q.ip + 24) ^ fer_load_pair(&flow->addr[2])));
}

#define NO_HANDLE FER_NO_SA_INDEX // no SA has it, of whatever generation

// Makes that of packet i the last flow, if its addresses stand in one piece.
static inline bool describe(
	struct fer_host_flow *flow, const struct fer_batch *b, unsigned i, uint64_t handle)
{
	const struct fer_policy_query q = query_of(b, i);

	if (unlikely(!is_whole(b, i)))
		return false;
	flow->handle = handle;
	flow->selector = fer_frame_selector(q.frame);
	if (likely(q.frame->version == 4))
		memcpy(flow->addr, q.ip + 12, 8);
	else
		memcpy(flow->addr, q.ip + 8, 32);
	return true;
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

// Does a packet go on with the run of one flow that the packet before it is of?
static inline bool is_in_flow(const struct fer_pkt *p)
{
	return (p->like & FER_LIKE_FLOW) != 0 && fer_pkt_has_no_layer(p);
}

// Notes are left with flows whose rule protects with one group.  Outbound it is the handle with
// which that sent, which holds as long as the SA is active, or that the rule lets them by, which is
// the handle of no SA; inbound the group, marked to be never 0.
#define NOTE_BYPASS UINT64_C(1)
#define NOTE_GROUP (UINT64_C(1) << 32)

// The packet goes on as it is, without what the link layer put behind it.
static enum fer_verdict bypass(struct rte_mbuf *m, const struct fer_pkt *p)
{
	fer_segment_trim(m, p->frame.end);
	return FER_OK;
}

// Brings what may be known of the flows of packets from first on into the cache.  Neighbours of one
// flow are not told apart from others: where flows take turns nobody could predict which are.
static inline void expect_flows(
	const struct fer_host *host, const struct fer_batch *b, unsigned first)
{
	struct fer_host_work *w = host->work;

	for (unsigned i = first, n = b->n; i < n; i++) {
		const struct fer_pkt *p = &b->pkt[i];
		uint8_t *home = NULL;

		if (likely(fer_pkt_has_no_layer(p)) && likely(is_whole(b, i)))
			home = fer_flow_expect(host->flows, FER_OUT, query_of(b, i));
		w->flow[i] = home;
	}
}

// Gives packets from first on the handles that are noted with their flows, and brings what says
// whether these still hold into the cache.
static inline void follow_notes(const struct fer_host *host, struct fer_batch *b, unsigned first)
{
	const struct fer_host_work *w = host->work;

	for (unsigned i = first, n = b->n; i < n; i++) {
		if (unlikely(w->flow[i] == NULL))
			continue;
		uint64_t note = fer_flow_note(host->flows, FER_OUT, query_of(b, i), w->flow[i]);

		b->pkt[i].handle[0] = note;
		fer_sa_prefetch(host->sas, note);
	}
}

// Finds the packets from first on that have no handle of an SA with which its group sends, nor are
// let by, and brings the SAs of the others into the cache.
static inline void find_rest(const struct fer_host *host, struct fer_batch *b, unsigned first)
{
	struct fer_host_work *w = host->work;
	unsigned rest = 0;

	for (unsigned i = first, n = b->n; i < n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (likely(fer_sa_is_active(host->sas, p->handle[0]))) {
			fer_sa_prefetch_out(host->sas, p->handle[0]);
			continue;
		}
		const uint64_t note = p->handle[0];

		p->handle[0] = 0;
		if (note == NOTE_BYPASS)
			p->verdict = (uint8_t)bypass(b->m[i], p);
		else
			w->at[rest++] = (uint16_t)i;
	}
	w->n = rest;
}

static bool is_noted(const struct fer_policy_rule *r)
{
	return r->action == FER_POLICY_PROTECT && r->n_groups == 1;
}

// The end of a packet on the rule it met, as far as both directions agree; FER_OK: they do not.
static enum fer_verdict judge(const struct fer_policy_rule *r, bool needs_ports)
{
	if (r == NULL)
		return FER_NO_POLICY;
	if (needs_ports)
		return FER_FRAGMENT_NEEDS_PORTS;
	return r->action == FER_POLICY_DISCARD ? FER_DISCARD : FER_OK;
}

static const struct fer_policy_rule *rule_of(const struct fer_host_rules *rules, uint32_t rule)
{
	return rule == FER_NO_RULE ? NULL : fer_policies_rule(rules->policies, rule);
}

// Protects packet i, of query j, with the SAs that the groups of its rule send with now.  None: it
// must not leave at all.
static enum fer_verdict protect(struct fer_host *host, const struct fer_policies *p,
	struct fer_batch *b, unsigned j, const struct fer_policy_rule *r)
{
	const struct fer_host_work *w = host->work;

	for (unsigned g = 0; g < r->n_groups; g++) {
		uint64_t handle = fer_group_active(host->sas, r->group[g]);

		b->pkt[w->at[j]].handle[g] = handle;
		if (handle == 0)
			return FER_NO_ACTIVE_SA;
		fer_sa_prefetch(host->sas, handle);
		fer_sa_prefetch_out(host->sas, handle);
		if (is_noted(r))
			fer_flows_note(host->flows, p, FER_OUT, &w->query[j], handle);
	}
	return FER_OK;
}

static enum fer_verdict select_one(
	struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b, unsigned j)
{
	const struct fer_host_work *w = host->work;
	const struct fer_policy_rule *r = rule_of(rules, w->rule[j]);
	enum fer_verdict v = judge(r, w->needs_ports[j]);

	if (v != FER_OK)
		return v;
	if (r->action != FER_POLICY_BYPASS)
		return protect(host, rules->policies, b, j, r);
	fer_flows_note(host->flows, rules->policies, FER_OUT, &w->query[j], NOTE_BYPASS);
	return bypass(b->m[w->at[j]], &b->pkt[w->at[j]]);
}

// Finds the rules of what was asked for, and brings what they decide into the cache.
static void find_rules(
	struct fer_host *host, const struct fer_host_rules *rules, enum fer_direction direction)
{
	struct fer_host_work *w = host->work;

	fer_flows_find(
		host->flows, rules->policies, direction, w->query, w->n, w->rule, w->needs_ports);
	for (unsigned j = 0; j < w->n; j++)
		if (w->rule[j] != FER_NO_RULE)
			rte_prefetch0(rule_of(rules, w->rule[j]));
}

// Finds out what becomes of the packets in w->at.
__attribute__((noinline)) static void select_rest(
	struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	const struct fer_host_work *w = host->work;

	ask_rest(host->work, b);
	find_rules(host, rules, FER_OUT);
	for (unsigned j = 0; j < w->n; j++) {
		const struct fer_policy_rule *r = rule_of(rules, w->rule[j]);

		for (unsigned g = 0; r != NULL && g < r->n_groups; g++)
			fer_group_prefetch(host->sas, r->group[g]);
	}
	for (unsigned j = 0; j < w->n; j++)
		b->pkt[w->at[j]].verdict = (uint8_t)select_one(host, rules, b, j);
}

// The flow of the last packet is the last one, if it was sent as its note says.
static void remember(
	const struct fer_host *host, const struct fer_batch *b, struct fer_host_flow *last)
{
	const unsigned i = b->n - 1u;
	const uint64_t handle = b->pkt[i].handle[0];

	if (handle != 0 && describe(last, b, i, handle))
		last->sa = fer_sa_at(host->sas, (uint32_t)handle);
}

// Finds out what becomes of the packets from first on.
__attribute__((noinline)) static void select_others(struct fer_host *host,
	const struct fer_host_rules *rules, struct fer_batch *b, unsigned first,
	struct fer_host_flow *last)
{
	fer_flows_follow(host->flows, rules->policies);
	expect_flows(host, b, first);
	follow_notes(host, b, first);
	find_rest(host, b, first);
	remember(host, b, last);
	if (unlikely(host->work->n != 0))
		select_rest(host, rules, b);
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
	unsigned i, const struct fer_policy_rule *r)
{
	enum fer_verdict v = FER_OK;
	unsigned n = 0;

	for (unsigned k = b->pkt[i].n_layers; k-- > 0;) {
		const struct fer_sa *sa = fer_sa_at(host->sas, b->round[k][i].sa);

		if (sa->group == FER_NO_GROUP)
			return FER_NO_POLICY;
		if (fer_sa_is_outside(sa))
			continue;
		if (n == r->n_groups || sa->group != r->group[n])
			v = FER_POLICY_MISMATCH;
		else
			n++;
	}
	return n == r->n_groups ? v : FER_POLICY_MISMATCH;
}

static enum fer_verdict check_one(const struct fer_host *host, struct fer_batch *b, unsigned i,
	const struct fer_policy_rule *r, bool needs_ports)
{
	bool clear = b->pkt[i].n_layers == 0;

	if (clear && is_orphan(host, b, i))
		return FER_NO_SA;
	enum fer_verdict v = judge(r, needs_ports);
	if (v != FER_OK)
		return v;
	if (r->action == FER_POLICY_BYPASS)
		return clear ? bypass(b->m[i], &b->pkt[i]) : FER_POLICY_MISMATCH;
	return clear ? FER_UNPROTECTED : match_groups(host, b, i, r);
}

// Is packet i judged like the last one?
static inline bool is_like(const struct fer_batch *b, unsigned i, const struct fer_host_flow *last)
{
	return fer_pkt_has_one_layer(&b->pkt[i]) &&
	       fer_layer_handle(&b->round[0][i]) == last->handle && is_of_flow(b, i, last);
}

// Does a packet go where the one before it goes, which was opened together with it?
static inline bool is_opened_alike(const struct fer_pkt *p)
{
	return (p->like & FER_LIKE_OPENED) != 0 && fer_pkt_has_one_layer(p);
}

// Are all packets judged like the last one?
static inline bool are_all_like(const struct fer_batch *b, const struct fer_host_flow *last)
{
	if (last->handle == NO_HANDLE)
		return false;
	for (unsigned i = 0, n = b->n; i < n; i++)
		if (!is_opened_alike(&b->pkt[i]) && !is_like(b, i, last))
			return false;
	return true;
}

// Can a note answer for packet i, which was opened?
static inline bool may_be_noted(const struct fer_batch *b, unsigned i)
{
	return likely(fer_pkt_has_one_layer(&b->pkt[i])) && likely(is_whole(b, i));
}

void fer_expect_in(
	struct fer_host *host, const struct fer_host_rules *rules, const struct fer_batch *b)
{
	struct fer_host_work *w = host->work;

	fer_flows_follow(host->flows, rules->policies);
	for (unsigned i = 0, n = b->n; i < n; i++) {
		uint8_t *home = NULL;

		if (may_be_noted(b, i) && likely(fer_shows_inside(b, i)))
			home = fer_flow_expect(host->flows, FER_IN, query_of(b, i));
		w->flow[i] = home;
	}
}

// The same when layers are off.
static inline void expect_accepted(const struct fer_host *host, const struct fer_batch *b)
{
	struct fer_host_work *w = host->work;

	for (unsigned i = 0, n = b->n; i < n; i++)
		if (may_be_noted(b, i))
			w->flow[i] = fer_flow_expect(host->flows, FER_IN, query_of(b, i));
}

// Did packet i, of one layer, come over an SA of the group that the note of its flow names?
static inline bool is_as_noted(const struct fer_host *host, const struct fer_batch *b, unsigned i)
{
	const struct fer_sa *sa = fer_sa_at(host->sas, b->round[0][i].sa);
	const struct fer_policy_query query = query_of(b, i);
	uint8_t *home = host->work->flow[i];

	if (unlikely(home == NULL))
		home = fer_flow_home(host->flows, FER_IN, query);
	return fer_flow_note(host->flows, FER_IN, query, home) == (NOTE_GROUP | sa->group) &&
	       !fer_sa_is_outside(sa);
}

// Finds the packets that did not come as the notes of their flows say.  Packets may have ended, or
// been cut, since their flows were expected.
static inline void find_rest_in(const struct fer_host *host, const struct fer_batch *b)
{
	struct fer_host_work *w = host->work;
	unsigned rest = 0;

	for (unsigned i = 0, n = b->n; i < n; i++)
		if (unlikely(!may_be_noted(b, i)) || unlikely(!is_as_noted(host, b, i)))
			w->at[rest++] = (uint16_t)i;
	w->n = rest;
}

// Judges the packet of query j.
static enum fer_verdict judge_found(
	struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b, unsigned j)
{
	const struct fer_host_work *w = host->work;
	const unsigned i = w->at[j];
	const struct fer_policy_rule *r = rule_of(rules, w->rule[j]);
	enum fer_verdict v = check_one(host, b, i, r, w->needs_ports[j]);

	if (v == FER_OK && fer_pkt_has_one_layer(&b->pkt[i]) && is_noted(r))
		fer_flows_note(host->flows, rules->policies, FER_IN, &w->query[j],
			NOTE_GROUP | r->group[0]);
	return v;
}

// Finds out what becomes of the packets in w->at.
__attribute__((noinline)) static void check_rest(
	struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	const struct fer_host_work *w = host->work;

	ask_rest(host->work, b);
	find_rules(host, rules, FER_IN);
	for (unsigned j = 0; j < w->n; j++)
		b->pkt[w->at[j]].verdict = (uint8_t)judge_found(host, rules, b, j);
}

// The flow of the last packet is the last one, if the packet goes: not one of several layers, or of
// none, nor one whose SA is being removed.
static void remember_in(const struct fer_batch *b, struct fer_host_flow *last)
{
	const unsigned i = b->n - 1u;

	last->handle = NO_HANDLE;
	if (b->n != 0 && fer_pkt_has_one_layer(&b->pkt[i]) && b->round[0][i].generation != 0)
		describe(last, b, i, fer_layer_handle(&b->round[0][i]));
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

static void check_by_policies(struct fer_host *host, const struct fer_host_rules *rules,
	struct fer_batch *b, bool are_expected)
{
	struct fer_host_flow *last = last_flow(host, rules, FER_IN);

	fer_flows_follow(host->flows, rules->policies);
	if (!are_expected)
		expect_accepted(host, b);
	find_rest_in(host, b);
	if (unlikely(host->work->n != 0))
		check_rest(host, rules, b);
	remember_in(b, last);
}

__attribute__((noinline)) static void check_any(struct fer_host *host,
	const struct fer_host_rules *rules, struct fer_batch *b, bool are_expected)
{
	if (rules->policies == NULL)
		check_verified(host, b);
	else
		check_by_policies(host, rules, b, are_expected);
	fer_batch_mark(b, FER_STAGE_POLICY);
}

bool fer_check_in(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b,
	bool are_expected)
{
	const struct fer_host_flow *last = &host->work->last[FER_IN];

	if (unlikely(rules->policies == NULL ||
		     last->policies != fer_policies_generation(rules->policies) ||
		     !are_all_like(b, last))) {
		check_any(host, rules, b, are_expected);
		return false;
	}
	fer_batch_mark(b, FER_STAGE_POLICY);
	return true;
}
