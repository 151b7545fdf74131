// SPDX-License-Identifier: BSD-3-Clause
#include "worker.h"

#include "nic/oob.h"
#include "nic/share.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include <sys/prctl.h>
#include <time.h>

// Times in a row in which the port takes nothing.  Sends of an external host wait for a wire that
// is slower than it is, a fraction of a millisecond, because each that fails is a failure to it.
#define SEND_TRIES 16
#define SEND_TRIES_FOR_HOST 4096

#define EMPTY_ROUNDS 128 // before a nap
#define NAP_NS 50000
#define NAP_SLACK_NS 1000ul

// The only writer adds; readers see whole numbers.
// NOLINTNEXTLINE(readability-non-const-parameter): the store is not seen
static void add(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, *to + n, __ATOMIC_RELAXED);
}

// Does it hold no SA?  It does while another worker is late with packets of it.
static bool is_quiet(struct fer_worker *w)
{
	return likely(w->share == NULL) || !fer_share_has_late(w->share, w->id);
}

// Takes the worker out of grace periods while its driver is in the kernel.
static void before_driver(struct fer_worker *w, const struct fer_port *port)
{
	if (port->can_sleep && is_quiet(w))
		rte_rcu_qsbr_thread_offline(w->qsbr, w->id);
}

static void after_driver(struct fer_worker *w, const struct fer_port *port)
{
	if (port->can_sleep && is_quiet(w))
		rte_rcu_qsbr_thread_online(w->qsbr, w->id);
}

// Returns how many frames came.
static unsigned receive(struct fer_worker *w, struct fer_lane *lane, enum fer_side side)
{
	const struct fer_port *port = lane->port[side];
	struct fer_port_counters *c = lane->counters[side];
	struct rte_mbuf **m = fer_intake_room(&lane->intake[side]);
	uint64_t bytes = 0;

	if (unlikely(atomic_load_explicit(&port->is_removed, memory_order_relaxed)))
		return 0;
	before_driver(w, port);
	uint16_t n = rte_eth_rx_burst(port->id, lane->queue, m, FER_WORKER_BURST);
	after_driver(w, port);
	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		bytes += m[i]->pkt_len;
	fer_intake_put(&lane->intake[side], n);
	add(&c->rx_packets, n);
	add(&c->rx_bytes, bytes);
	return n;
}

// The length of the longest frame of the batch.
static uint32_t longest(const struct fer_batch *b)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < b->n; i++)
		if (b->m[i] != NULL)
			len = RTE_MAX(len, b->m[i]->pkt_len);
	return len;
}

// Drivers free what is too long for them, and tell nobody.
static void check_mtu(struct fer_batch *b, uint32_t mtu)
{
	if (likely(longest(b) <= RTE_ETHER_HDR_LEN + mtu))
		return;
	for (unsigned i = 0; i < b->n; i++) {
		uint32_t link = RTE_MAX(b->pkt[i].l2_len, (uint32_t)RTE_ETHER_HDR_LEN);

		if (fer_pkt_alive(&b->pkt[i]) && b->m[i]->pkt_len > link + mtu)
			b->pkt[i].verdict = FER_TOO_BIG;
	}
}

// Gives n frames to a port; those it does not take within a bound stay the caller's.  Returns how
// many it took.  Drivers whose link is gone may take all and lose them.
static unsigned transmit(const struct fer_lane *lane, const struct fer_port *port, uint16_t queue,
	struct rte_mbuf *m[], unsigned n)
{
	const bool is_for_host = lane->shim != NULL && port == lane->port[FER_WIRE_SIDE];
	const unsigned most = likely(!is_for_host) ? SEND_TRIES : SEND_TRIES_FOR_HOST;
	unsigned done = 0;

	if (unlikely(atomic_load_explicit(&port->is_lost, memory_order_relaxed) ||
		     atomic_load_explicit(&port->is_removed, memory_order_relaxed)))
		return 0;
	for (unsigned tries = 0; done < n && tries < most; tries++) {
		unsigned took = rte_eth_tx_burst(port->id, queue, m + done, (uint16_t)(n - done));

		done += took;
		if (took > 0)
			tries = 0;
		else
			rte_pause();
	}
	return done;
}

// Sends n frames, and returns how many the port took: these are the port's.
static unsigned send_frames(struct fer_worker *w, const struct fer_lane *lane, enum fer_side side,
	uint16_t queue, struct rte_mbuf *m[], unsigned n)
{
	const struct fer_port *port = lane->port[side];
	struct fer_port_counters *c = lane->counters[side];
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += m[i]->pkt_len;
	before_driver(w, port);
	unsigned sent = transmit(lane, port, queue, m, n);
	after_driver(w, port);
	for (unsigned i = sent; i < n; i++)
		bytes -= m[i]->pkt_len;
	add(&c->tx_packets, sent);
	add(&c->tx_bytes, bytes);
	return sent;
}

// The same from w->out, by the queue of the lane.
static unsigned send_out(
	struct fer_worker *w, const struct fer_lane *lane, enum fer_side side, unsigned n)
{
	return send_frames(w, lane, side, lane->queue, w->out, n);
}

// --- to a host with several queues --------------------------------------------------------------

struct spreading {
	struct fer_worker *w;
	const struct fer_lane *lane;
};

static unsigned send_by(void *arg, uint16_t queue, struct rte_mbuf *m[], unsigned n)
{
	const struct spreading *s = arg;

	return send_frames(s->w, s->lane, FER_HOST_SIDE, queue, m, n);
}

static void leave_unsent(void *arg, struct rte_mbuf *m[], unsigned n, const bool is_rest[])
{
	const struct spreading *s = arg;

	fer_sink_unsent(&s->w->burst, FER_TX_FULL, m, n, is_rest);
}

static void spread_out(
	struct fer_worker *w, const struct fer_lane *lane, unsigned n, const bool is_rest[])
{
	struct spreading s = {w, lane};
	const struct fer_spread_port port = {send_by, leave_unsent, &s};

	fer_spread_send(lane->spread, w->out, is_rest, n, lane->queue, rte_rdtsc(), &port);
}

// Sends what became of the batch on to one side.
static void send_on(struct fer_worker *w, const struct fer_lane *lane, enum fer_side side)
{
	bool has_rests = fer_sink_rests(&w->batch, w->is_rest);
	unsigned n = fer_sink(&w->batch, &w->burst, w->out);

	if (unlikely(lane->spread != NULL) && side == FER_HOST_SIDE) {
		spread_out(w, lane, n, has_rests ? w->is_rest : NULL);
		return;
	}
	unsigned sent = n == 0 ? 0 : send_out(w, lane, side, n);

	if (sent < n)
		fer_sink_unsent(&w->burst, FER_TX_FULL, w->out + sent, n - sent,
			has_rests ? w->is_rest + sent : NULL);
}

// Sends what was made of the batch back to the side that it came from.
static void send_back(struct fer_worker *w, const struct fer_lane *lane, enum fer_side side)
{
	unsigned n = fer_sink_side(&w->batch, &w->burst, w->out);
	unsigned sent = n == 0 ? 0 : send_out(w, lane, side, n);

	if (sent < n)
		fer_sink_side_unsent(&w->burst, w->out + sent, n - sent);
}

// Adds the outcomes of the batch to those that others read, which therefore never go back.  Nearly
// always there is one alone: FER_OK.
static void publish(struct fer_worker *w, struct fer_outcomes *to)
{
	static_assert(sizeof(*to) % sizeof(uint64_t) == 0, "nothing but counters");
	static_assert(
		offsetof(struct fer_outcomes, packets) == 0, "counter i is that of verdict i");
	const uint64_t *from = (const uint64_t *)&w->burst;
	uint64_t *counters = (uint64_t *)to, others = 0;

	for (unsigned i = 1; i < sizeof(*to) / sizeof(uint64_t); i++)
		others |= from[i];
	add(&counters[FER_OK], from[FER_OK]);
	w->burst.packets[FER_OK] = 0;
	if (likely(others == 0))
		return;
	for (unsigned i = 1; i < sizeof(*to) / sizeof(uint64_t); i++)
		if (from[i] != 0)
			add(&counters[i], from[i]);
	w->burst = (struct fer_outcomes){0};
}

// --- for an external host ---------------------------------------------------------------------

// Large sends of which a segment is too long for the port end whole.
static void check_segments(struct fer_batch *b, uint32_t mtu)
{
	for (unsigned k = 0; k < b->n_more; k++) {
		struct fer_pkt *p = &b->pkt[b->more_of[k]];

		if (b->more[k]->pkt_len > p->l2_len + mtu)
			p->verdict = FER_TOO_BIG;
	}
}

// Moves what is to be sent to w->out, the segments of a large send behind its first one.  Returns
// how many frames there are.
static unsigned gather(struct fer_worker *w)
{
	struct fer_batch *b = &w->batch;
	unsigned n = 0, more = 0;

	for (unsigned i = 0; i < b->n; i++) {
		bool is_alive = fer_pkt_alive(&b->pkt[i]);

		if (is_alive) {
			w->out[n] = b->m[i];
			w->at[n++] = (uint16_t)i;
		}
		for (; more < b->n_more && b->more_of[more] == i; more++) {
			if (!is_alive) {
				rte_pktmbuf_free(b->more[more]);
				continue;
			}
			w->out[n] = b->more[more];
			w->at[n++] = (uint16_t)i;
		}
	}
	b->n_more = 0;
	return n;
}

// Sends what is left of the batch to the wire.  What was sent is no longer in the batch.  What
// could not be ends in FER_TX_FULL, and the first frame of it stays for its completion.
static void send_for_host(struct fer_worker *w, const struct fer_lane *lane)
{
	struct fer_batch *b = &w->batch;
	unsigned n = gather(w);
	unsigned sent = n == 0 ? 0 : send_out(w, lane, FER_WIRE_SIDE, n);

	for (unsigned j = 0; j < sent; j++) {
		w->burst.fragments += b->m[w->at[j]] == NULL;
		b->m[w->at[j]] = NULL;
	}
	for (unsigned j = sent; j < n; j++) {
		struct fer_pkt *p = &b->pkt[w->at[j]];

		if (fer_pkt_alive(p))
			b->m[w->at[j]] = w->out[j];
		else
			rte_pktmbuf_free(w->out[j]);
		p->verdict = FER_TX_FULL;
	}
}

static void carry_sends(struct fer_worker *w, const struct fer_lane *lane)
{
	uint32_t mtu = lane->port[FER_WIRE_SIDE]->mtu;

	fer_shim_take(lane->shim, &w->batch);
	fer_nic_transmit(&lane->path->nic, &w->batch);
	check_mtu(&w->batch, mtu);
	check_segments(&w->batch, mtu);
	fer_shim_keep(lane->shim, &w->batch);
	send_for_host(w, lane);
	fer_shim_complete(lane->shim, &w->batch);
	(void)fer_sink(&w->batch, &w->burst, w->out); // counts; what it moves is the port's
	send_back(w, lane, FER_HOST_SIDE);
}

// The contract indicates every packet, whatever came of it.
static void carry_indications(struct fer_worker *w, const struct fer_lane *lane)
{
	struct fer_batch *b = &w->batch;

	for (unsigned i = 0; i < b->n; i++)
		fer_oob_clear(b->m[i]);
	fer_batch_parse(b);
	fer_batch_own(b, lane->path->pool);
	fer_nic_receive(&lane->path->nic, b);
	for (unsigned i = 0; i < b->n; i++)
		if (b->pkt[i].verdict == FER_TOO_DEEP || b->pkt[i].verdict == FER_WRONG_UDP)
			b->pkt[i].verdict = FER_OK;
	fer_shim_indicate(lane->shim, b);
	check_mtu(b, lane->port[FER_HOST_SIDE]->mtu);
	send_on(w, lane, FER_HOST_SIDE);
}

// --- the loop ---------------------------------------------------------------------------------

static void run_path(struct fer_worker *w, const struct fer_lane *lane, enum fer_side from)
{
	if (from == FER_HOST_SIDE)
		fer_path_out(lane->path, &w->batch);
	else
		// What timed out had been counted as held.
		fer_path_in(lane->path, &w->batch, rte_rdtsc(),
			&w->burst.packets[FER_FRAGMENT_TIMEOUT]);
}

// The appliance: a batch through both halves and on to the other side.
static void carry_over(struct fer_worker *w, const struct fer_lane *lane, enum fer_side from)
{
	enum fer_side to = from == FER_HOST_SIDE ? FER_WIRE_SIDE : FER_HOST_SIDE;

	run_path(w, lane, from);
	check_mtu(&w->batch, lane->port[to]->mtu);
	send_on(w, lane, to);
	send_back(w, lane, from);
}

// Starts a batch with what waits.  What an external host sends may become more frames than it is.
static bool take(struct fer_worker *w, struct fer_lane *lane, enum fer_side from)
{
	struct fer_intake *in = &lane->intake[from];

	if (unlikely(lane->shim != NULL) && from == FER_HOST_SIDE)
		return fer_intake_take_some(in, &w->batch, fer_shim_more);
	return fer_intake_take(in, &w->batch);
}

// Carries a burst from one side to the other.  Returns how many frames came.
static unsigned carry(struct fer_worker *w, struct fer_lane *lane, enum fer_side from)
{
	unsigned n = receive(w, lane, from);

	while (n > 0 && take(w, lane, from)) {
		if (lane->shim == NULL)
			carry_over(w, lane, from);
		else if (from == FER_HOST_SIDE)
			carry_sends(w, lane);
		else
			carry_indications(w, lane);
		publish(w, &lane->counters[from]->outcomes);
	}
	return n;
}

// The dummies that a pair has to send now, made by the worker of its first queue.  They came from
// no port, so they are no outcomes of one; their SA counts them.
static unsigned send_dummies(struct fer_worker *w, struct fer_lane *lane)
{
	if (likely(!fer_path_has_dummies(lane->path)) || lane->queue != 0)
		return 0;
	fer_path_dummies(lane->path, &w->batch, rte_rdtsc());
	if (w->batch.n == 0)
		return 0;
	check_mtu(&w->batch, lane->port[FER_WIRE_SIDE]->mtu);
	send_on(w, lane, FER_WIRE_SIDE);
	w->burst = (struct fer_outcomes){0};
	return 1;
}

// The keep-alives that the control thread made: no outcomes of any port either.
static unsigned send_keepalives(struct fer_worker *w, const struct fer_lane *lane)
{
	if (lane->keepalives == NULL || likely(rte_ring_empty(lane->keepalives)))
		return 0;
	unsigned n = rte_ring_sc_dequeue_burst(
		lane->keepalives, (void **)w->out, FER_WORKER_BURST, NULL);
	unsigned sent = send_out(w, lane, FER_WIRE_SIDE, n);

	rte_pktmbuf_free_bulk(w->out + sent, n - sent);
	return n;
}

unsigned fer_worker_round(struct fer_worker *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_lanes; i++) {
		n += carry(w, &w->lanes[i], FER_HOST_SIDE);
		n += carry(w, &w->lanes[i], FER_WIRE_SIDE);
		n += send_dummies(w, &w->lanes[i]);
		n += send_keepalives(w, &w->lanes[i]);
	}
	return n;
}

// Does crypto for another worker, if there was nothing else to do.
static unsigned help(struct fer_worker *w, bool is_idle)
{
	if (likely(w->share == NULL))
		return 0;
	fer_share_set_idle(w->share, w->id, is_idle);
	return is_idle ? fer_share_help(w->share, w->id, w->lanes[0].path->nic.engine) : 0;
}

static void nap(struct fer_worker *w)
{
	const struct timespec time = {.tv_nsec = NAP_NS};

	rte_rcu_qsbr_thread_offline(w->qsbr, w->id);
	nanosleep(&time, NULL);
	rte_rcu_qsbr_thread_online(w->qsbr, w->id);
}

// Nothing came in this round.  One that rests naps in any case.
static void idle(struct fer_worker *w, bool is_resting)
{
	if (!w->naps && !is_resting) {
		rte_pause();
	} else if (w->n_empty < EMPTY_ROUNDS || !is_quiet(w)) {
		w->n_empty++;
		rte_pause();
	} else {
		(void)help(w, false);
		nap(w);
	}
}

static void begin(struct fer_worker *w)
{
	// A nap shall be as short as it says.
	(void)prctl(PR_SET_TIMERSLACK, NAP_SLACK_NS, 0, 0, 0);
	if (w->cpus != NULL)
		(void)sched_setaffinity(0, sizeof(*w->cpus), w->cpus);
	rte_rcu_qsbr_thread_register(w->qsbr, w->id);
	rte_rcu_qsbr_thread_online(w->qsbr, w->id);
}

static void end(struct fer_worker *w)
{
	while (!is_quiet(w))
		rte_pause();
	rte_rcu_qsbr_thread_offline(w->qsbr, w->id);
	rte_rcu_qsbr_thread_unregister(w->qsbr, w->id);
	atomic_store_explicit(&w->state, FER_WORKER_END, memory_order_release);
}

int fer_worker_run(void *worker)
{
	struct fer_worker *w = worker;
	uint64_t beat = 0;
	unsigned order;

	begin(w);
	while ((order = atomic_load_explicit(&w->order, memory_order_acquire)) != FER_WORKER_END) {
		unsigned n = order == FER_WORKER_CARRY ? fer_worker_round(w) : 0;

		n += help(w, n == 0 && order == FER_WORKER_CARRY);
		atomic_store_explicit(&w->state, order, memory_order_release);
		atomic_store_explicit(&w->beat, ++beat, memory_order_relaxed);
		if (is_quiet(w))
			rte_rcu_qsbr_quiescent(w->qsbr, w->id);
		if (n == 0)
			idle(w, order == FER_WORKER_REST);
		else
			w->n_empty = 0;
	}
	end(w);
	return 0;
}
