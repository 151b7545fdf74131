// SPDX-License-Identifier: BSD-3-Clause
#include "traffic.h"

#include "load.h"
#include "packets.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define GAP_US 30     // at least
#define GAP_BURSTS 4  // full ones, at least
#define ASK_EVERY 100 // us, for what the kernel counts
#define DRAIN_NS 2000000u
#define DRAIN_TRIES 1000
#define ANSWER_NS 100000u // between two looks for what the worker says

// What the kernel counts of a thread.
struct kernel_counts {
	long blocked; // switches to others of its own accord, and pages that were not there
	long preempted;
	uint64_t cpu_us; // that it ran
};

struct port {
	struct fer_bench_traffic *shared;
	struct rte_mempool *pool;
	uint64_t start;  // all ticks count from there
	uint64_t looked; // 0: no packets were to come then
	uint64_t us;     // ticks
	uint64_t burst;  // ticks of a full one, about
	uint64_t asked;  // for the counts
	struct kernel_counts counts;
	uint64_t next; // arrival, in ticks / 65536; 0: none is due
	unsigned first, n_waiting;
	int64_t waiting[FER_BENCH_N_CAUSES]; // in what those came that wait
	uint32_t arrival[FER_BENCH_QUEUE];   // ticks
	unsigned flow;                       // of the next packet
	uint32_t frame_bytes;
	uint8_t *frames; // one of each flow
	bool may_be_realtime;
};

const char *fer_bench_cause_name(enum fer_bench_cause cause)
{
	static const char *const names[] = {
#define CAUSE_NAME(name, text) text,
		FER_BENCH_CAUSES(CAUSE_NAME)
#undef CAUSE_NAME
	};

	return names[cause];
}

static struct fer_bench_phase *phase_of(struct fer_bench_traffic *t)
{
	return &t->phase[atomic_load_explicit(&t->order, memory_order_acquire)];
}

// --- what the worker did meanwhile --------------------------------------------------------------

static uint64_t us_of(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

// Sets p->counts, and returns those of before.
static struct kernel_counts ask_kernel(struct port *p, uint64_t now)
{
	struct kernel_counts before = p->counts;
	struct rusage usage = {0};

	(void)getrusage(RUSAGE_THREAD, &usage); // refuses only what it does not know
	p->asked = now;
	p->counts = (struct kernel_counts){
		.blocked = usage.ru_nvcsw + usage.ru_minflt + usage.ru_majflt,
		.preempted = usage.ru_nivcsw,
		.cpu_us = us_of(&usage.ru_utime) + us_of(&usage.ru_stime),
	};
	return before;
}

// What could be our own doing comes first.
static enum fer_bench_cause cause_of_gap(
	const struct kernel_counts *before, const struct kernel_counts *after)
{
	if (after->blocked != before->blocked)
		return FER_BENCH_BLOCKED;
	return after->preempted != before->preempted ? FER_BENCH_PREEMPTED : FER_BENCH_STOLEN;
}

static bool is_gap(const struct port *p, uint64_t pause)
{
	return pause > GAP_US * p->us && pause > GAP_BURSTS * p->burst;
}

static void note_gap(struct fer_bench_gaps *g, uint64_t pause)
{
	g->n++;
	g->ticks += pause;
	g->longest = RTE_MAX(g->longest, pause);
}

// The worker looks for packets again: what has it done since it did before?
static enum fer_bench_cause note_look(struct port *p, struct fer_bench_phase *ph, uint64_t now)
{
	enum fer_bench_cause cause = FER_BENCH_WORKING;
	uint64_t pause = now - p->looked;

	ph->ticks += pause;
	// Asked often: what was not of a gap is not to be put down to one.
	if (is_gap(p, pause) || now - p->asked > ASK_EVERY * p->us) {
		const struct kernel_counts before = ask_kernel(p, now);

		ph->cpu_us += p->counts.cpu_us - before.cpu_us;
		if (is_gap(p, pause)) {
			cause = cause_of_gap(&before, &p->counts);
			note_gap(&ph->gaps[cause], pause);
		}
	}
	if (cause == FER_BENCH_WORKING || cause == FER_BENCH_BLOCKED)
		fer_bench_histogram_add(&ph->pauses, pause);
	return cause;
}

// No packets were to come before.
static void begin_to_look(struct port *p, uint64_t now)
{
	(void)ask_kernel(p, now);
}

// Only the worker makes itself realtime, and ordinary again: who measures may hang, be stopped or
// be gone, and the CPU is free all the same when the time is over.
static void keep_standing(struct port *p, uint64_t tsc)
{
	struct fer_bench_traffic *t = p->shared;
	const bool may = tsc < atomic_load_explicit(&t->realtime_until, memory_order_relaxed);

	if (likely(may == p->may_be_realtime))
		return;
	p->may_be_realtime = may;
	const struct sched_param param = {.sched_priority = may};
	const bool ok = sched_setscheduler(0, may ? SCHED_FIFO : SCHED_OTHER, &param) == 0;

	atomic_store_explicit(&t->standing,
		!may ? FER_BENCH_ORDINARY
		: ok ? FER_BENCH_REALTIME
		     : FER_BENCH_REFUSED,
		memory_order_relaxed);
}

static enum fer_bench_cause most_of_waiting(const struct port *p)
{
	enum fer_bench_cause most = FER_BENCH_WORKING;

	for (unsigned c = 0; c < FER_BENCH_N_CAUSES; c++)
		if (p->waiting[c] > p->waiting[most])
			most = (enum fer_bench_cause)c;
	return most;
}

// --- arrivals -----------------------------------------------------------------------------------

// Puts those into the queue that have arrived until now; returns how many found no room.
static unsigned fill_queue(
	struct port *p, struct fer_bench_phase *ph, uint64_t now, uint64_t interval)
{
	unsigned n_lost = 0;

	if (interval == 0) {
		p->next = 0;
		return 0;
	}
	if (p->next == 0)
		p->next = now << 16;
	for (; p->next >> 16 <= now; p->next += interval) {
		ph->arrived++;
		if (p->n_waiting == FER_BENCH_QUEUE)
			n_lost++;
		else
			p->arrival[(p->first + p->n_waiting++) % FER_BENCH_QUEUE] =
				(uint32_t)(p->next >> 16);
	}
	return n_lost;
}

// As many as there is room for, so that bursts are full.
static void saturate(struct port *p, struct fer_bench_phase *ph, uint64_t now, unsigned room)
{
	for (; p->n_waiting < room; ph->arrived++)
		p->arrival[(p->first + p->n_waiting++) % FER_BENCH_QUEUE] = (uint32_t)now;
}

// The cause is that of the time in which they arrived.
static void arrive(struct port *p, struct fer_bench_phase *ph, uint64_t now, uint64_t interval,
	enum fer_bench_cause cause)
{
	uint64_t before = ph->arrived;
	unsigned n_lost = fill_queue(p, ph, now, interval);

	p->waiting[cause] += (int64_t)(ph->arrived - before);
	if (unlikely(n_lost != 0))
		ph->lost[most_of_waiting(p)] += n_lost;
}

static void write_packet(struct port *p, struct rte_mbuf *m)
{
	m->data_len = (uint16_t)p->frame_bytes;
	m->pkt_len = p->frame_bytes;
	m->hash.usr = p->arrival[p->first];
	memcpy(rte_pktmbuf_mtod(m, void *), p->frames + (size_t)p->flow * p->frame_bytes,
		p->frame_bytes);
	p->flow = (p->flow + 1) % FER_BENCH_FLOWS;
	p->first = (p->first + 1) % FER_BENCH_QUEUE;
	p->n_waiting--;
}

static uint16_t take(struct port *p, struct rte_mbuf *m[], uint16_t room)
{
	uint16_t n = (uint16_t)RTE_MIN(p->n_waiting, (unsigned)room);

	if (n == 0)
		atomic_fetch_add_explicit(&p->shared->rests, 1, memory_order_release);
	if (n == 0 || rte_pktmbuf_alloc_bulk(p->pool, m, n) != 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		write_packet(p, m[i]);
	p->waiting[FER_BENCH_WORKING] -= n;
	if (p->n_waiting == 0)
		memset(p->waiting, 0, sizeof(p->waiting));
	return n;
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
	uint64_t now = rte_rdtsc() - p->start, looked = p->looked;
	enum fer_bench_cause cause = FER_BENCH_WORKING;

	(void)port, (void)queue, (void)n; // the port itself has none
	keep_standing(p, p->start + now);
	if (looked != 0)
		cause = note_look(p, ph, now);
	else
		begin_to_look(p, now);
	p->looked = saturates || interval != 0 ? now : 0;
	if (saturates) {
		if (cause == FER_BENCH_WORKING && looked != 0)
			p->burst = (7 * p->burst + now - looked) / 8;
		saturate(p, ph, now, room);
	} else {
		arrive(p, ph, now, interval, cause);
	}
	return take(p, m, room);
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

static bool copy_frames(struct port *p, const struct fer_bench_packets *packets)
{
	p->frame_bytes = packets->m[0]->pkt_len;
	p->frames = calloc(FER_BENCH_FLOWS, p->frame_bytes);
	for (unsigned i = 0; p->frames != NULL && i < FER_BENCH_FLOWS; i++)
		memcpy(p->frames + (size_t)i * p->frame_bytes,
			rte_pktmbuf_mtod(packets->m[i], const void *), p->frame_bytes);
	return p->frames != NULL;
}

// One packet of each flow, as the path measures them.
static int make_frames(struct port *p, const struct fer_bench_traffic_params *params)
{
	_Atomic uint32_t numbers[FER_BENCH_FLOWS] = {0};
	struct fer_bench_load load = {.direction = params->direction,
		.algorithm = params->algorithm,
		.n_sas = FER_BENCH_FLOWS,
		.first_key = FER_BENCH_FIRST_KEY,
		.numbers = numbers};
	const struct fer_bench_packets_params how = {.load = &load,
		.size = params->size,
		.burst = FER_BENCH_FLOWS,
		.order = FER_BENCH_ROUND_ROBIN,
		.n_workers = 1};
	struct fer_bench_packets *packets = calloc(1, sizeof(*packets));
	char error[FER_BENCH_ERROR_BYTES];
	bool ok = packets != NULL && fer_bench_packets_init(packets, &how, error) == 0 &&
		  fer_bench_packets_fill(packets, error) == 0 && copy_frames(p, packets);

	if (packets != NULL)
		fer_bench_packets_fini(packets);
	free(packets);
	return ok ? 0 : -ENOMEM;
}

int fer_bench_traffic_connect(const struct fer_bench_traffic_params *params)
{
	struct port *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->start = rte_rdtsc();
	p->us = rte_get_tsc_hz() / 1000000;
	p->shared = params->shared;
	p->pool = params->pool;
	params->shared->tsc_hz = rte_get_tsc_hz();
	int rc = make_frames(p, params);
	if (rc == 0 && (rte_eth_add_tx_callback(params->to_port, 0, depart, p) == NULL ||
			       rte_eth_add_rx_callback(params->from_port, 0, receive, p) == NULL))
		rc = -ENOTSUP;
	if (rc == 0)
		return 0;
	free(p->frames);
	free(p);
	return rc;
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

static bool stands(const struct fer_bench_traffic *t, enum fer_bench_standing standing)
{
	return atomic_load_explicit(&t->standing, memory_order_relaxed) == (int)standing;
}

bool fer_bench_traffic_be_realtime(struct fer_bench_traffic *t, double seconds)
{
	const uint64_t until = rte_rdtsc() + (uint64_t)((double)t->tsc_hz * seconds);

	atomic_store_explicit(&t->realtime_until, until, memory_order_relaxed);
	while (stands(t, FER_BENCH_ORDINARY) && rte_rdtsc() < until)
		rest(ANSWER_NS);
	return stands(t, FER_BENCH_REALTIME);
}

bool fer_bench_traffic_be_ordinary(struct fer_bench_traffic *t)
{
	const bool was_realtime = stands(t, FER_BENCH_REALTIME);

	atomic_store_explicit(&t->realtime_until, 0, memory_order_relaxed);
	return was_realtime;
}

uint64_t fer_bench_phase_lost(const struct fer_bench_phase *p)
{
	uint64_t lost = 0;

	for (unsigned c = 0; c < FER_BENCH_N_CAUSES; c++)
		lost += p->lost[c];
	return lost;
}

uint64_t fer_bench_phase_dropped(const struct fer_bench_phase *p)
{
	return p->arrived - fer_bench_phase_lost(p) - p->sent;
}

double fer_bench_traffic_us(const struct fer_bench_traffic *t, uint64_t ticks)
{
	return (double)ticks * 1e6 / (double)t->tsc_hz;
}
