// SPDX-License-Identifier: BSD-3-Clause
#include "traffic.h"

#include "load.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define ETHER_BYTES 14
#define HEAD_BYTES (ETHER_BYTES + FER_IPV4_HEADER_BYTES)
#define UDP_BYTES 8
#define LONG_PAUSE_US 30 // more than a burst takes
#define DRAIN_NS 2000000u
#define DRAIN_TRIES 1000

struct port {
	struct fer_bench_traffic *shared;
	struct rte_mempool *pool;
	uint32_t frame_bytes;
	unsigned flow;   // of the next packet
	uint64_t start;  // all ticks count from there
	uint64_t looked; // 0: not yet
	uint64_t long_pause;
	long n_preempted; // -1: not known yet
	bool is_behind;   // because it was preempted
	uint64_t next;    // arrival, in ticks / 65536; 0: none is due
	unsigned first, n_waiting;
	uint32_t arrival[FER_BENCH_QUEUE]; // ticks
	uint8_t *frame;
	uint8_t head[FER_BENCH_FLOWS][HEAD_BYTES];
};

static struct fer_bench_phase *phase_of(struct fer_bench_traffic *t)
{
	return &t->phase[atomic_load_explicit(&t->order, memory_order_acquire)];
}

// --- arrivals -----------------------------------------------------------------------------------

// Puts those into the queue that have arrived until now.
static void fill_queue(struct port *p, struct fer_bench_phase *ph, uint64_t now, uint64_t interval)
{
	if (interval == 0) {
		p->next = 0;
		return;
	}
	if (p->next == 0)
		p->next = now << 16;
	for (; p->next >> 16 <= now; p->next += interval) {
		ph->arrived++;
		if (p->n_waiting == FER_BENCH_QUEUE)
			ph->lost++;
		else
			p->arrival[(p->first + p->n_waiting++) % FER_BENCH_QUEUE] =
				(uint32_t)(p->next >> 16);
	}
}

static void fill_to(struct port *p, struct fer_bench_phase *ph, uint64_t now, unsigned n)
{
	for (; p->n_waiting < n; ph->arrived++)
		p->arrival[(p->first + p->n_waiting++) % FER_BENCH_QUEUE] = (uint32_t)now;
}

static void write_packet(struct port *p, struct rte_mbuf *m)
{
	m->data_len = (uint16_t)p->frame_bytes;
	m->pkt_len = p->frame_bytes;
	m->hash.usr = p->arrival[p->first];
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(frame, p->frame, p->frame_bytes);
	memcpy(frame, p->head[p->flow], HEAD_BYTES);
	p->flow = (p->flow + 1) % FER_BENCH_FLOWS;
	p->first = (p->first + 1) % FER_BENCH_QUEUE;
	p->n_waiting--;
}

// Was the worker's CPU taken from it since this was asked last?
static bool was_preempted(struct port *p)
{
	struct rusage usage;
	long before = p->n_preempted;

	if (getrusage(RUSAGE_THREAD, &usage) != 0)
		return false;
	p->n_preempted = usage.ru_nivcsw;
	return before >= 0 && usage.ru_nivcsw != before;
}

// The worker is here again.
static void note_pause(struct port *p, struct fer_bench_phase *ph, uint64_t now)
{
	uint64_t pause = now - p->looked;
	bool is_first = p->looked == 0;

	p->looked = now;
	if (pause > p->long_pause && was_preempted(p)) {
		ph->preempted++;
		p->is_behind = true;
	} else if (!is_first) {
		fer_bench_histogram_add(&ph->pauses, pause);
	}
}

static uint16_t receive(
	uint16_t port, uint16_t queue, struct rte_mbuf *m[], uint16_t n, uint16_t room, void *arg)
{
	struct port *p = arg;
	struct fer_bench_traffic *t = p->shared;
	// Before the phase: packets that an order let come are counted in its phase.
	bool saturates = atomic_load_explicit(&t->saturates, memory_order_acquire);
	uint64_t interval = atomic_load_explicit(&t->interval, memory_order_acquire);
	struct fer_bench_phase *ph = phase_of(t);
	uint64_t now = rte_rdtsc() - p->start;

	(void)port, (void)queue, (void)n; // the port itself has none
	note_pause(p, ph, now);
	uint64_t lost = ph->lost;
	if (saturates)
		fill_to(p, ph, now, room);
	else
		fill_queue(p, ph, now, interval);
	ph->lost_preempted += p->is_behind ? ph->lost - lost : 0;
	p->is_behind &= p->n_waiting > room;
	uint16_t take = (uint16_t)RTE_MIN(p->n_waiting, (unsigned)room);
	if (take == 0)
		atomic_fetch_add_explicit(&t->rests, 1, memory_order_release);
	if (take == 0 || rte_pktmbuf_alloc_bulk(p->pool, m, take) != 0)
		return 0;
	for (unsigned i = 0; i < take; i++)
		write_packet(p, m[i]);
	return take;
}

static uint16_t depart(uint16_t port, uint16_t queue, struct rte_mbuf *m[], uint16_t n, void *arg)
{
	struct port *p = arg;
	struct fer_bench_phase *ph = phase_of(p->shared);
	uint32_t now = (uint32_t)(rte_rdtsc() - p->start);

	(void)port, (void)queue;
	for (unsigned i = 0; i < n; i++)
		fer_bench_histogram_add(&ph->latency, now - m[i]->hash.usr);
	ph->sent += n;
	return n;
}

// --- connecting ---------------------------------------------------------------------------------

static uint8_t *make_frame(const struct fer_bench_traffic_params *params)
{
	uint8_t *frame = calloc(1, ETHER_BYTES + params->size);
	uint32_t len = params->size - FER_IPV4_HEADER_BYTES;

	if (frame == NULL)
		return NULL;
	uint8_t *udp = frame + HEAD_BYTES;
	fer_store_be16(udp, 40000);
	fer_store_be16(udp + 2, 5001);
	fer_store_be16(udp + 4, (uint16_t)len);
	for (uint32_t i = UDP_BYTES; i < len; i++)
		udp[i] = (uint8_t)i;
	return frame;
}

static void make_heads(struct port *p, uint32_t size)
{
	static const uint8_t ether[ETHER_BYTES] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
	struct fer_addr src = fer_bench_inner_src();

	for (uint32_t i = 0; i < FER_BENCH_FLOWS; i++) {
		struct fer_addr dst = fer_bench_inner_dst(i);
		const struct fer_ip_header header = {
			.src = &src,
			.dst = &dst,
			.len = size,
			.ttl = 64,
			.protocol = FER_PROTO_UDP,
		};

		memcpy(p->head[i], ether, ETHER_BYTES);
		fer_ip_write(p->head[i] + ETHER_BYTES, &header);
	}
}

int fer_bench_traffic_connect(const struct fer_bench_traffic_params *params)
{
	struct port *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->start = rte_rdtsc();
	p->long_pause = rte_get_tsc_hz() / 1000000 * LONG_PAUSE_US;
	p->n_preempted = -1;
	p->shared = params->shared;
	p->pool = params->pool;
	p->frame_bytes = ETHER_BYTES + params->size;
	p->frame = make_frame(params);
	make_heads(p, params->size);
	params->shared->tsc_hz = rte_get_tsc_hz();
	if (p->frame != NULL && rte_eth_add_tx_callback(params->wire_port, 0, depart, p) != NULL &&
		rte_eth_add_rx_callback(params->host_port, 0, receive, p) != NULL)
		return 0;
	free(p->frame);
	free(p);
	return -ENOTSUP;
}

// --- the other process --------------------------------------------------------------------------

void fer_bench_traffic_begin(struct fer_bench_traffic *t, unsigned phase, double rate)
{
	atomic_store_explicit(&t->order, phase, memory_order_release);
	if (rate < 0)
		atomic_store_explicit(&t->saturates, true, memory_order_release);
	else if (rate > 0)
		atomic_store_explicit(&t->interval, (uint64_t)((double)t->tsc_hz * 65536 / rate),
			memory_order_release);
}

static void rest(uint64_t ns)
{
	struct timespec time = {
		.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

void fer_bench_traffic_end(struct fer_bench_traffic *t)
{
	atomic_store_explicit(&t->saturates, false, memory_order_relaxed);
	atomic_store_explicit(&t->interval, 0, memory_order_release);
	uint32_t before = atomic_load_explicit(&t->rests, memory_order_acquire);
	for (unsigned i = 0; i < DRAIN_TRIES; i++) {
		rest(DRAIN_NS);
		if (atomic_load_explicit(&t->rests, memory_order_acquire) - before > 1)
			return;
	}
}

void fer_bench_traffic_run(struct fer_bench_traffic *t, unsigned phase, double rate, double seconds)
{
	fer_bench_traffic_begin(t, phase, rate);
	rest((uint64_t)(seconds * 1e9));
	fer_bench_traffic_end(t);
}

uint64_t fer_bench_phase_dropped(const struct fer_bench_phase *p)
{
	return p->arrived - p->lost - p->sent;
}

double fer_bench_traffic_us(const struct fer_bench_traffic *t, uint64_t ticks)
{
	return (double)ticks * 1e6 / (double)t->tsc_hz;
}
