// SPDX-License-Identifier: BSD-3-Clause
#include "send.h"

#include "../ferruled/ports.h"
#include "store.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <stdio.h>
#include <string.h>

#define RX_BURST 64
#define RX_ROUNDS 4        // of receiving for one of sending, so that what comes back has a way
#define QUIET_SECONDS 0.25 // without a packet when all have come
#define POLL_US 1000
#define RETRY_US 20000

static struct fer_port ports[2]; // sent to, received from
static unsigned n_ports;

struct run {
	struct fer_gen_source *source;
	struct fer_gen_receiver *receiver;
	const struct fer_gen_ports *ports;
	const struct fer_gen_options *options;
	struct fer_gen_store *store; // packets made before; NULL: they are made as they go
	struct rte_mempool *pool;
	struct rte_mbuf *waiting[FER_GEN_BURST]; // for the port to take them
	unsigned n_waiting, next_waiting;
	uint64_t n_made, n_sent;
	uint64_t start, last_sent, last_received; // TSC
	char *error;
};

static int fail_port(const struct fer_port_error *e, char error[FER_GEN_ERROR_BYTES])
{
	return fer_gen_fail(error, "%s", e->why);
}

// Frames are longer than what is inside by what protects it.
static uint32_t mtu_for(const struct fer_gen_options *o)
{
	uint32_t largest = RTE_ETHER_MTU;

	for (uint32_t i = 0; i < o->source.n_sizes; i++)
		if (o->source.size[i] + FER_GEN_MAX_GROWTH > RTE_ETHER_MTU + 100)
			largest = RTE_MAX(largest, o->source.size[i] + FER_GEN_MAX_GROWTH);
	return largest;
}

// Some drivers do not start before there is somebody at their other end.
static int start_in_time(struct fer_port *p, double seconds, struct fer_port_error *why,
	const volatile sig_atomic_t *stop)
{
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	int rc = fer_port_start(p, why);

	while (rc != 0 && *stop == 0 && rte_rdtsc() < end) {
		rte_delay_us_sleep(RETRY_US);
		rc = fer_port_start(p, why);
	}
	return rc;
}

static int start_port(const char *name, const struct fer_gen_options *o, struct rte_mempool *pool,
	uint16_t *id, const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES])
{
	struct fer_port *p = &ports[n_ports];
	struct fer_port_error why;
	struct fer_doc_port doc = {.mtu = mtu_for(o)};

	snprintf(doc.name, sizeof(doc.name), "%s", name);
	if (fer_port_find(p, &doc, 1, false, &why) != 0)
		return fail_port(&why, error);
	n_ports++;
	if (fer_port_set_up(p, pool, &why) != 0 || start_in_time(p, o->wait, &why, stop) != 0)
		return fail_port(&why, error);
	*id = p->id;
	return 0;
}

static bool all_up(void)
{
	for (unsigned i = 0; i < n_ports; i++) {
		(void)fer_port_watch(&ports[i]);
		if (ports[i].link != FER_PORT_UP)
			return false;
	}
	return true;
}

static int wait_for_links(
	double seconds, const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES])
{
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());

	while (!all_up()) {
		if (*stop != 0)
			return fer_gen_fail(error, "interrupted while it waited for links");
		if (rte_rdtsc() > end) {
			return fer_gen_fail(error, "%s has no link after %.1f s",
				ports[0].link == FER_PORT_UP ? ports[1].name : ports[0].name,
				seconds);
		}
		rte_delay_us_sleep(POLL_US);
	}
	return 0;
}

int fer_gen_ports_start(struct fer_gen_ports *p, const struct fer_gen_options *o,
	struct rte_mempool *pool, const volatile sig_atomic_t *stop,
	char error[FER_GEN_ERROR_BYTES])
{
	*p = (struct fer_gen_ports){.receives = o->rx != NULL};
	if (start_port(o->tx, o, pool, &p->tx, stop, error) != 0)
		return -1;
	p->rx = p->tx;
	if (o->rx != NULL && strcmp(o->rx, o->tx) != 0 &&
		start_port(o->rx, o, pool, &p->rx, stop, error) != 0)
		return -1;
	if (wait_for_links(o->wait, stop, error) != 0)
		return -1;
	rte_delay_us_sleep((unsigned)(o->settle * US_PER_S));
	return 0;
}

void fer_gen_ports_stop(void)
{
	for (unsigned i = 0; i < n_ports; i++)
		fer_port_close(&ports[i]);
	n_ports = 0;
}

// --- sending ----------------------------------------------------------------------------------

static int refill(struct run *r, unsigned n)
{
	int rc = r->store != NULL ? fer_gen_store_next(r->store, r->pool, n, r->waiting, r->error)
				  : fer_gen_source_next(r->source, n, r->waiting, r->error);

	r->next_waiting = 0;
	r->n_waiting = rc == 0 ? n : 0;
	r->n_made += rc == 0 ? n : 0;
	return rc;
}

// How many packets may be made now: all that are asked for, at the rate asked for.
static unsigned due(const struct run *r, uint64_t now)
{
	const struct fer_gen_options *o = r->options;
	uint64_t most = r->n_made + FER_GEN_BURST;

	if (o->rate > 0) {
		double since = (double)(now - r->start) / (double)rte_get_tsc_hz();
		most = RTE_MIN(most, (uint64_t)(since * o->rate) + 1);
	}
	if (o->packets != 0)
		most = RTE_MIN(most, o->packets);
	return most > r->n_made ? (unsigned)(most - r->n_made) : 0;
}

// Offers what waits, or else what is due.
static int send_some(struct run *r, uint64_t now)
{
	if (r->next_waiting == r->n_waiting) {
		unsigned n = due(r, now);

		if (n == 0)
			return 0;
		if (refill(r, n) != 0)
			return -1;
	}
	uint16_t took = rte_eth_tx_burst(r->ports->tx, 0, r->waiting + r->next_waiting,
		(uint16_t)(r->n_waiting - r->next_waiting));
	r->next_waiting += took;
	r->n_sent += took;
	if (took > 0)
		r->last_sent = rte_rdtsc();
	return 0;
}

static int receive_some(struct run *r)
{
	struct rte_mbuf *m[RX_BURST];

	for (unsigned round = 0; r->ports->receives && round < RX_ROUNDS; round++) {
		uint16_t n = rte_eth_rx_burst(r->ports->rx, 0, m, RX_BURST);

		if (n == 0)
			break;
		r->last_received = rte_rdtsc();
		if (!fer_gen_receive(r->receiver, m, n, FER_LINK_ETHERNET))
			return fer_gen_fail(r->error, "no memory for streams");
	}
	return 0;
}

// Is there nothing more to make?
static bool is_over(const struct run *r, uint64_t now)
{
	const struct fer_gen_options *o = r->options;

	if (o->packets != 0 && r->n_made >= o->packets)
		return true;
	return o->seconds > 0 && (double)(now - r->start) > o->seconds * (double)rte_get_tsc_hz();
}

// Asks for packets before it sends the first one: net_memif's client gives its other end buffers
// only when it is asked, and until then a box loses what it has for it.
static int send_all(struct run *r, const volatile sig_atomic_t *stop)
{
	int rc = receive_some(r);

	r->start = r->last_sent = r->last_received = rte_rdtsc();
	for (uint64_t now = r->start; rc == 0 && *stop == 0 && !is_over(r, now);
		now = rte_rdtsc()) {
		rc = send_some(r, now);
		if (rc == 0)
			rc = receive_some(r);
	}
	return rc;
}

// Has everything come back that can?
static bool all_came(const struct run *r)
{
	const struct fer_gen_made made = fer_gen_source_made(r->source);

	return fer_gen_tally_packets(r->receiver->tally) >= made.kinds[0] ||
	       r->receiver->packets >= made.packets;
}

// What still waits goes out, and what is under way comes back.
static int drain(struct run *r)
{
	uint64_t hz = rte_get_tsc_hz(), start = rte_rdtsc(), now = start;
	uint64_t wait = (uint64_t)(r->options->wait * (double)hz);
	uint64_t quiet = (uint64_t)(QUIET_SECONDS * (double)hz);
	uint64_t patience = RTE_MAX(quiet, (uint64_t)(r->options->settle * (double)hz));
	int rc = 0;

	while (rc == 0 && now - start < wait) {
		if (r->next_waiting < r->n_waiting)
			rc = send_some(r, now);
		else if (!r->ports->receives || now - RTE_MAX(r->last_received, r->last_sent) >
							(all_came(r) ? quiet : patience))
			break;
		if (rc == 0)
			rc = receive_some(r);
		now = rte_rdtsc();
	}
	if (rc == 0 && r->next_waiting < r->n_waiting) {
		rc = fer_gen_fail(r->error, "%s takes no more packets", r->options->tx);
	}
	rte_pktmbuf_free_bulk(r->waiting + r->next_waiting, r->n_waiting - r->next_waiting);
	return rc;
}

int fer_gen_send(struct fer_gen_source *s, struct fer_gen_receiver *receiver,
	const struct fer_gen_ports *p, const struct fer_gen_options *o,
	const volatile sig_atomic_t *stop, double *seconds, char error[FER_GEN_ERROR_BYTES])
{
	struct run r = {
		.source = s,
		.receiver = receiver,
		.ports = p,
		.options = o,
		.pool = fer_gen_source_pool(s),
		.error = error,
	};

	if (o->prepare) {
		r.store = fer_gen_store_fill(s, o->packets, stop, error);
		if (r.store == NULL)
			return -1;
	}
	int rc = send_all(&r, stop);
	if (rc == 0 && *stop != 0 && r.n_made == 0)
		rc = fer_gen_fail(error, "interrupted before it sent anything");
	if (rc == 0)
		rc = drain(&r);
	*seconds = (double)(r.last_sent - r.start) / (double)rte_get_tsc_hz();
	fer_gen_store_destroy(r.store);
	return rc;
}
