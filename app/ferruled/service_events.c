// SPDX-License-Identifier: BSD-3-Clause
// From the rings of the workers, and the ages of SAs, to those who subscribed.
#include "service_parts.h"

#include "host/event.h"
#include "sa/udp.h"

#include <rte_cycles.h>
#include <string.h>
#include <time.h>

#define EVENTS_AT_ONCE 256 // of each worker and pair
#define SAS_AT_ONCE 64

static const uint32_t msg_kinds[FER_N_EVENTS] = {
	[FER_EVENT_SOFT_LIFETIME] = FER_MSG_EVENT_SOFT_LIFETIME,
	[FER_EVENT_HARD_LIFETIME] = FER_MSG_EVENT_HARD_LIFETIME,
	[FER_EVENT_SEQUENCE_EXHAUSTED] = FER_MSG_EVENT_SEQ_EXHAUSTED,
	[FER_EVENT_DELETE_REQUEST] = FER_MSG_EVENT_DELETE_REQUEST,
	[FER_EVENT_PEER_MOVED] = FER_MSG_EVENT_PEER_MOVED,
	[FER_EVENT_AUDIT_NO_SA] = FER_MSG_EVENT_NO_SA,
	[FER_EVENT_AUDIT_BAD_ICV] = FER_MSG_EVENT_BAD_ICV,
	[FER_EVENT_AUDIT_REPLAY] = FER_MSG_EVENT_REPLAY,
	[FER_EVENT_AUDIT_POLICY] = FER_MSG_EVENT_POLICY_MISMATCH,
	[FER_EVENT_AUDIT_FRAGMENT] = FER_MSG_EVENT_FRAGMENT,
};

static uint64_t unix_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t unix_ns_of(uint64_t tsc)
{
	const double age = (double)(int64_t)(rte_get_tsc_cycles() - tsc);

	return unix_ns() - (uint64_t)(age > 0 ? age * 1e9 / (double)rte_get_tsc_hz() : 0);
}

// Adds what is known of the SA to an event that has no packet: a bundle goes by its ESP.
static void describe(const struct fer_pair_sa *sa, struct fer_msg_event *e)
{
	const struct fer_sa *block = fer_pair_sa_block(sa);

	e->spi = rte_cpu_to_be_32(block->spi);
	e->protocol = block->protocol;
	e->version = block->version;
	memcpy(e->src, fer_sa_src(block), sizeof(e->src));
	memcpy(e->dst, block->dst, sizeof(e->dst));
}

static void send_event(
	struct fer_ctl_server *server, const struct fer_pair *p, const struct fer_msg_event *e)
{
	if (server != NULL)
		fer_ctl_indicate(
			server, (uint16_t)p->number, e->kind, FER_MSG_STATUS_EVENT, e, sizeof(*e));
}

// Nothing passes an SA that has stopped, but only its owner deletes it: it asks for that, once,
// whatever else ends in its life.
static void ask_for_deletion(
	struct fer_ctl_server *server, struct fer_pair_sa *sa, const struct fer_msg_event *stopped)
{
	struct fer_msg_event e = *stopped;

	if (sa->asks_deletion)
		return;
	sa->asks_deletion = true;
	e.kind = FER_MSG_EVENT_DELETE_REQUEST;
	send_event(server, sa->pair, &e);
}

static void indicate(
	struct fer_ctl_server *server, const struct fer_pair *p, struct fer_msg_event *e)
{
	struct fer_pair_sa *sa = fer_pair_sa_of(p, e->handle);

	e->size = sizeof(*e);
	if (sa != NULL)
		fer_msg_set_string(e->name, sizeof(e->name), sa->named.name);
	if (sa != NULL && e->version == 0)
		describe(sa, e);
	send_event(server, p, e);
	if (sa != NULL &&
		(e->kind == FER_MSG_EVENT_HARD_LIFETIME || e->kind == FER_MSG_EVENT_SEQ_EXHAUSTED))
		ask_for_deletion(server, sa, e);
}

static void indicate_notices(struct fer_ctl_server *server, const struct fer_pair *p,
	const struct fer_sa_notice notices[], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct fer_msg_event e = {.handle = notices[i].handle, .time_ns = unix_ns()};

		e.kind = notices[i].what == FER_LIFE_SOFT   ? FER_MSG_EVENT_SOFT_LIFETIME
			 : notices[i].what == FER_LIFE_HARD ? FER_MSG_EVENT_HARD_LIFETIME
							    : FER_MSG_EVENT_SEQ_EXHAUSTED;
		indicate(server, p, &e);
	}
}

static void age(struct fer_ctl_server *server, struct fer_pair *p)
{
	struct fer_sa_notice notices[2 * SAS_AT_ONCE];

	indicate_notices(server, p, notices, fer_sa_age(p->sas, notices, SAS_AT_ONCE));
}

// What ends in the life of an SA is told by whoever comes first, the worker or the look-out.
static bool is_news(struct fer_pair *p, const struct fer_event *e)
{
	static const enum fer_life what[] = {[FER_EVENT_SOFT_LIFETIME] = FER_LIFE_SOFT,
		[FER_EVENT_HARD_LIFETIME] = FER_LIFE_HARD,
		[FER_EVENT_SEQUENCE_EXHAUSTED] = FER_LIFE_NUMBERS};

	return e->kind >= sizeof(what) / sizeof(what[0]) ||
	       fer_sa_tell(p->sas, e->handle, what[e->kind]);
}

// Outbound SAs of the group that send to where a peer was send to where it is (RFC 7296 section
// 2.23).  One that finds no memory for that goes on as before.
static void follow(struct fer_pair *p, const struct fer_pair_sa *sa, const struct fer_sa_move *move)
{
	if (sa->group == FER_NO_GROUP)
		return;
	for (sa = fer_groups_at(&p->groups, sa->group)->members; sa != NULL; sa = sa->next)
		(void)!fer_sa_follow(p->sas, sa->handle, move);
}

static void tell_move(
	struct fer_ctl_server *server, struct fer_pair *p, const struct fer_sa_move *move)
{
	const struct fer_pair_sa *sa = fer_pair_sa_of(p, move->handle);
	struct fer_msg_event e = {
		.kind = FER_MSG_EVENT_PEER_MOVED, .handle = move->handle, .time_ns = unix_ns()};

	if (sa == NULL)
		return;
	follow(p, sa, move);
	describe(sa, &e);
	memcpy(e.src, move->to.addr.bytes, sizeof(e.src));
	e.sport = move->to.port;
	indicate(server, p, &e);
}

static void tell_of_peer(struct fer_ctl_server *server, struct fer_pair *p, uint64_t handle)
{
	struct fer_sa_move move;

	if (fer_sa_take_move(p->sas, handle, &move))
		tell_move(server, p, &move);
}

static void empty_ring(struct fer_ctl_server *server, struct fer_pair *p, struct fer_events *ring)
{
	struct fer_event e;

	for (unsigned i = 0; i < EVENTS_AT_ONCE && fer_events_get(ring, &e); i++) {
		struct fer_msg_event m = {.kind = msg_kinds[e.kind],
			.suppressed = e.suppressed,
			.time_ns = unix_ns_of(e.tsc),
			.handle = e.handle,
			.number = e.number,
			.spi = rte_cpu_to_be_32(e.spi),
			.flow_label = e.flow_label,
			.version = e.dst.version,
			.protocol = e.protocol};

		if (e.kind == FER_EVENT_PEER_MOVED)
			tell_of_peer(server, p, e.handle);
		if (e.kind == FER_EVENT_PEER_MOVED || !is_news(p, &e))
			continue;
		memcpy(m.src, e.src.bytes, sizeof(m.src));
		memcpy(m.dst, e.dst.bytes, sizeof(m.dst));
		indicate(server, p, &m);
	}
}

static uint64_t count_lost(const struct fer_service *s, unsigned pair)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < s->workers->n; w++)
		for (unsigned kind = 0; kind < FER_FIRST_AUDIT; kind++)
			n += fer_events_lost(
				fer_workers_events(s->workers, w, pair), (enum fer_event_kind)kind);
	return n;
}

// Where a ring was full, what it could not take is looked for, some SAs at a time.
static void look_out(struct fer_service *s, struct fer_ctl_server *server, unsigned pair)
{
	struct fer_untold *u = &s->untold[pair];
	struct fer_pair *p = &s->pairs[pair];
	struct fer_sa_notice notices[3 * SAS_AT_ONCE];
	struct fer_sa_move moves[SAS_AT_ONCE];
	const uint64_t n_lost = count_lost(s, pair);

	if (n_lost != u->n_lost) {
		u->n_lost = n_lost;
		u->cursor = 0;
		u->is_searched = true;
	}
	if (!u->is_searched)
		return;
	uint32_t cursor = u->cursor;
	unsigned n_moves = fer_sa_find_moves(p->sas, &cursor, moves, SAS_AT_ONCE);

	for (unsigned i = 0; i < n_moves; i++)
		tell_move(server, p, &moves[i]);
	indicate_notices(
		server, p, notices, fer_sa_untold(p->sas, &u->cursor, notices, SAS_AT_ONCE));
	u->is_searched = u->cursor < fer_sa_capacity(p->sas);
}

void fer_service_tell(struct fer_service *s, struct fer_ctl_server *server)
{
	for (unsigned i = 0; i < s->n_pairs; i++) {
		fer_service_watch_ports(server, &s->pairs[i]);
		age(server, &s->pairs[i]);
		for (unsigned w = 0; w < s->workers->n; w++)
			empty_ring(server, &s->pairs[i], fer_workers_events(s->workers, w, i));
		look_out(s, server, i);
	}
}
