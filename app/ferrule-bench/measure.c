// SPDX-License-Identifier: BSD-3-Clause
#include "measure.h"

#include "bare.h"
#include "crypto/iv.h"
#include "host/path.h"
#include "host/sink.h"
#include "nic/share.h"
#include "packets.h"

#include <rte_pause.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REPEATS (1u << 17) // of a worker
#define MIN_REPEATS 64
#define STAGES_EVERY 4 // one repeat in so many is measured by stage
#define SPINS 2000     // before a worker that waits lets others run
#define CALIBRATIONS 101
#define MARKS 64
#define DATAGRAMS 16

// Where workers wait for each other.
struct meeting {
	unsigned n;
	_Atomic unsigned arrived;
	_Atomic unsigned round;
};

// What the measuring itself costs: ticks.
struct costs {
	uint32_t timer; // taking the time twice
	uint32_t loop;  // and the loop over a ring
	uint32_t mark;  // of a stage
};

struct worker;
struct helper;

enum gate { GATE_CLOSED, GATE_OPEN, GATE_CANCELLED };

struct run {
	struct fer_bench_load *load;
	_Atomic enum gate gate; // workers wait in front of it until all are there
	struct meeting meeting;
	uint64_t ticks;    // that workers measure
	_Atomic bool stop; // set before a meeting, read behind it
	struct worker *workers;
	unsigned n_helpers;
	struct helper *helpers;
	struct fer_share *share;  // of workers and helpers, in this order; NULL: no helpers
	_Atomic bool helpers_end; // the helpers shall end
};

// Does nothing but pieces of the crypt stage of workers.
struct helper {
	struct run *run;
	unsigned id; // on the board
	struct fer_engine *engine;
	pthread_t thread;
};

struct worker {
	struct run *run;
	pthread_t thread;
	char error[FER_BENCH_ERROR_BYTES]; // empty: none
	struct fer_bench_packets packets;
	struct fer_bench_bare *bare;
	struct fer_path path;
	bool path_is_up;
	struct costs costs;
	struct fer_batch batch;
	struct fer_outcomes outcomes;
	struct rte_mbuf *done[FER_BENCH_MAX_PACKETS + FER_BATCH_MAX];
	uint64_t timed_out;
	uint64_t deadline;
	unsigned stages; // that were marked, one bit each
	unsigned n_samples;
	struct fer_bench_sample *samples;
};

static void meet(struct meeting *m)
{
	unsigned round = atomic_load(&m->round);

	if (atomic_fetch_add(&m->arrived, 1) + 1 == m->n) {
		atomic_store(&m->arrived, 0);
		atomic_store(&m->round, round + 1);
		return;
	}
	for (unsigned spins = 0; atomic_load(&m->round) == round; spins++) {
		if (spins < SPINS)
			rte_pause();
		else
			sched_yield();
	}
}

// What a port would have left in the batch.
static void take_burst(struct fer_batch *b, const struct fer_bench_packets *p, unsigned first)
{
	b->n = (uint16_t)p->burst;
	memcpy(b->m, &p->m[first], p->burst * sizeof(p->m[0]));
}

static void run_path(struct worker *w)
{
	const struct fer_bench_packets *p = &w->packets;
	struct fer_batch *b = &w->batch;
	bool out = w->run->load->direction == FER_OUT;
	unsigned n_done = 0;

	for (unsigned first = 0; first < p->n; first += p->burst) {
		take_burst(b, p, first);
		if (out)
			fer_path_out(&w->path, b);
		else
			fer_path_in(&w->path, b, 0, &w->timed_out);
		n_done += fer_sink(b, &w->outcomes, w->done + n_done);
		fer_batch_mark(b, FER_STAGE_ACCOUNT);
	}
}

__attribute__((noinline)) static void run_nothing(struct worker *w)
{
	for (unsigned first = 0; first < w->packets.n; first += w->packets.burst) {
		take_burst(&w->batch, &w->packets, first);
		__asm__ volatile("" : : : "memory");
	}
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static uint32_t median(uint64_t ticks[CALIBRATIONS])
{
	qsort(ticks, CALIBRATIONS, sizeof(ticks[0]), compare);
	return (uint32_t)ticks[CALIBRATIONS / 2];
}

static uint64_t time_marks(struct fer_batch *b)
{
	struct fer_stage_clock clock = {0};

	b->clock = &clock;
	clock.since = rte_rdtsc_precise();
	for (unsigned i = 0; i < MARKS; i++)
		fer_batch_mark(b, FER_STAGE_PARSE);
	b->clock = NULL;
	return clock.ticks[FER_STAGE_PARSE] / MARKS;
}

static void calibrate(struct worker *w)
{
	uint64_t timer[CALIBRATIONS], loop[CALIBRATIONS], mark[CALIBRATIONS];

	for (unsigned i = 0; i < CALIBRATIONS; i++) {
		uint64_t start = rte_rdtsc_precise();
		timer[i] = rte_rdtsc_precise() - start;
		start = rte_rdtsc_precise();
		run_nothing(w);
		loop[i] = rte_rdtsc_precise() - start;
		mark[i] = time_marks(&w->batch);
	}
	w->costs = (struct costs){median(timer), median(loop), median(mark)};
}

static uint32_t less(uint64_t ticks, uint64_t cost)
{
	return ticks > cost ? (uint32_t)(ticks - cost) : 0;
}

static void time_path(struct worker *w, struct fer_bench_sample *s)
{
	uint64_t start = rte_rdtsc_precise();

	run_path(w);
	s->path = less(rte_rdtsc_precise() - start, w->costs.loop);
}

static void time_stages(struct worker *w, struct fer_bench_sample *s)
{
	struct fer_stage_clock clock = {0};

	w->batch.clock = &clock;
	clock.since = rte_rdtsc_precise();
	run_path(w);
	w->batch.clock = NULL;
	for (unsigned k = 0; k < FER_N_STAGES; k++) {
		s->stage[k] = less(clock.ticks[k], clock.marks[k] * w->costs.mark);
		w->stages |= (unsigned)(clock.marks[k] != 0) << k;
	}
}

static void time_crypto(struct worker *w, struct fer_bench_sample *s)
{
	const struct fer_bench_packets *p = &w->packets;
	uint64_t start = rte_rdtsc_precise();

	fer_bench_bare_run(w->bare, p->sealed, p->n, p->burst);
	s->crypto = less(rte_rdtsc_precise() - start, w->costs.timer);
}

// Says why not every packet came out.
static void blame(struct worker *w)
{
	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		if (v != FER_OK && w->outcomes.packets[v] != 0)
			snprintf(w->error, sizeof(w->error), "packets ended in %s",
				fer_verdict_name((enum fer_verdict)v));
}

// The packets are the worker's again.
static void take_back(struct worker *w, uint64_t n_ok_before)
{
	struct fer_bench_packets *p = &w->packets;

	if (w->outcomes.packets[FER_OK] - n_ok_before != p->n) {
		p->n = 0; // some were freed: nothing is left of this ring
		blame(w);
		return;
	}
	memcpy(p->m, w->done, p->n * sizeof(p->m[0]));
	if (w->run->load->direction == FER_OUT)
		fer_bench_packets_note_sealed(p);
}

static void repeat(struct worker *w)
{
	uint64_t n_ok = w->outcomes.packets[FER_OK];
	struct fer_bench_sample *s = &w->samples[w->n_samples];

	fer_bench_packets_cool(&w->packets);
	*s = (struct fer_bench_sample){.by_stage = w->n_samples % STAGES_EVERY == 0};
	if (s->by_stage)
		time_stages(w, s);
	else
		time_path(w, s);
	take_back(w, n_ok);
	meet(&w->run->meeting);
	if (w->n_samples == 0)
		fer_bench_bare_tune(w->bare, w->packets.sealed, w->packets.n, w->packets.burst);
	fer_bench_packets_cool(&w->packets);
	time_crypto(w, s);
	w->n_samples++;
}

static bool is_over(const struct worker *w)
{
	if (w->error[0] != '\0' || w->n_samples == MAX_REPEATS)
		return true;
	return w->n_samples >= MIN_REPEATS && rte_rdtsc() > w->deadline;
}

// Sends one packet of every flow: what the first of a flow costs is not what is measured.
static void meet_flows(struct worker *w)
{
	while (w->packets.n_new != 0 && w->error[0] == '\0' &&
		fer_bench_packets_fill(&w->packets, w->error) == 0) {
		uint64_t n_ok = w->outcomes.packets[FER_OK];

		run_path(w);
		take_back(w, n_ok);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct run *r = w->run;

	while (atomic_load(&r->gate) == GATE_CLOSED)
		sched_yield();
	if (atomic_load(&r->gate) == GATE_CANCELLED)
		return NULL;
	meet_flows(w);
	meet(&r->meeting);
	calibrate(w);
	w->deadline = rte_rdtsc() + r->ticks;
	for (;;) {
		if (is_over(w) || fer_bench_packets_fill(&w->packets, w->error) != 0)
			atomic_store(&r->stop, true);
		meet(&r->meeting);
		if (atomic_load(&r->stop))
			return NULL;
		repeat(w);
	}
}

static void *help(void *arg)
{
	const struct helper *h = arg;

	fer_share_set_idle(h->run->share, h->id, true);
	while (!atomic_load_explicit(&h->run->helpers_end, memory_order_relaxed))
		if (fer_share_help(h->run->share, h->id, h->engine) == 0)
			rte_pause();
	return NULL;
}

static int open_helpers(struct run *r, unsigned n_workers, unsigned n_helpers)
{
	int error;

	if (n_helpers == 0)
		return 0;
	r->helpers = calloc(n_helpers, sizeof(*r->helpers));
	r->share = fer_share_create(n_workers + n_helpers, UINT32_MAX); // nothing is to get lost
	if (r->helpers == NULL || r->share == NULL)
		return -1;
	for (; r->n_helpers < n_helpers; r->n_helpers++) {
		struct helper *h = &r->helpers[r->n_helpers];

		*h = (struct helper){.run = r, .id = n_workers + r->n_helpers};
		h->engine = fer_engine_open(fer_iv_system(), &error);
		if (h->engine == NULL)
			return -1;
	}
	return 0;
}

static void close_helpers(struct run *r)
{
	for (unsigned i = 0; i < r->n_helpers; i++)
		fer_engine_close(r->helpers[i].engine);
	free(r->helpers);
	fer_share_destroy(r->share);
}

static int open_worker(struct run *r, unsigned i, const struct fer_bench_row *row,
	char error[FER_BENCH_ERROR_BYTES])
{
	struct worker *w = &r->workers[i];
	const struct fer_bench_packets_params packets = {
		.load = r->load,
		.size = row->size,
		.burst = row->burst,
		.n_flows = row->flows,
		.order = row->order,
		.is_cold = row->is_cold,
		.worker = i,
		.n_workers = row->workers,
	};
	struct fer_path_params path = {
		.sas = r->load->sas,
		.ivs = fer_iv_system(),
		.rules = &r->load->published,
		.reassembly = {.n_datagrams = DATAGRAMS, .timeout_ticks = 1},
	};
	const struct fer_bench_algorithm *a = r->load->algorithm;
	struct fer_bench_keys keys;
	struct fer_suite suite;

	w->run = r;
	w->batch.link = FER_LINK_ETHERNET;
	fer_bench_keys_make(0, &keys);
	if (fer_bench_suite(a, &suite) == NULL)
		w->bare = fer_bench_bare_open(&suite, r->load->direction,
			a->encryption == NULL ? keys.integrity : keys.encryption);
	w->samples = calloc(MAX_REPEATS, sizeof(w->samples[0]));
	if (fer_bench_packets_init(&w->packets, &packets, error) != 0)
		return -1;
	path.pool = w->packets.pool;
	w->path_is_up = fer_path_init(&w->path, &path) == 0;
	w->path.nic.share = r->share;
	w->path.nic.share_id = i;
	if (w->bare != NULL && w->samples != NULL && w->path_is_up)
		return 0;
	snprintf(error, FER_BENCH_ERROR_BYTES, "cannot start a worker for %s", a->name);
	return -1;
}

static void close_worker(struct worker *w)
{
	if (w->path_is_up)
		fer_path_fini(&w->path);
	fer_bench_packets_fini(&w->packets);
	fer_bench_bare_close(w->bare);
	free(w->samples);
}

// The i-th CPU that this process may run on.
static cpu_set_t cpu_of(unsigned i)
{
	cpu_set_t all, one;

	CPU_ZERO(&all);
	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof(all), &all);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all) && i-- == 0) {
			CPU_SET(cpu, &one);
			break;
		}
	return one;
}

unsigned fer_bench_cpus(void)
{
	static unsigned n; // as it was before this thread chose one of them
	cpu_set_t all;

	if (n == 0)
		n = sched_getaffinity(0, sizeof(all), &all) == 0 ? (unsigned)CPU_COUNT(&all) : 1;
	return n;
}

int fer_bench_start_thread(pthread_t *thread, void *(*job)(void *), void *arg, unsigned i)
{
	cpu_set_t cpu = cpu_of(i);
	pthread_attr_t attr;
	int rc = pthread_attr_init(&attr);

	if (rc != 0)
		return rc;
	rc = pthread_attr_setaffinity_np(&attr, sizeof(cpu), &cpu);
	if (rc == 0)
		rc = pthread_create(thread, &attr, job, arg);
	pthread_attr_destroy(&attr);
	return rc;
}

// Starts all threads, and says how many of each kind run.  0 or an error.
static int start_threads(struct run *r, unsigned *n_workers, unsigned *n_helpers)
{
	int rc = 0;

	*n_workers = *n_helpers = 0;
	while (*n_workers < r->meeting.n && rc == 0) {
		struct worker *w = &r->workers[*n_workers];

		rc = fer_bench_start_thread(&w->thread, work, w, *n_workers);
		*n_workers += rc == 0;
	}
	while (*n_helpers < r->n_helpers && rc == 0) {
		struct helper *h = &r->helpers[*n_helpers];

		rc = fer_bench_start_thread(&h->thread, help, h, h->id);
		*n_helpers += rc == 0;
	}
	return rc;
}

// Runs all threads to their end.
static int run_threads(struct run *r, double seconds, char error[FER_BENCH_ERROR_BYTES])
{
	unsigned n_workers, n_helpers;
	int rc = start_threads(r, &n_workers, &n_helpers);

	r->ticks = (uint64_t)(seconds * (double)rte_get_tsc_hz());
	atomic_store(&r->gate, rc == 0 ? GATE_OPEN : GATE_CANCELLED);
	for (unsigned i = 0; i < n_workers; i++)
		pthread_join(r->workers[i].thread, NULL);
	atomic_store(&r->helpers_end, true);
	for (unsigned i = 0; i < n_helpers; i++)
		pthread_join(r->helpers[i].thread, NULL);
	if (rc != 0)
		snprintf(error, FER_BENCH_ERROR_BYTES, "cannot start a thread: %s", strerror(rc));
	for (unsigned i = 0; rc == 0 && i < n_workers; i++)
		if (r->workers[i].error[0] != '\0') {
			memcpy(error, r->workers[i].error, FER_BENCH_ERROR_BYTES);
			rc = -1;
		}
	return rc == 0 ? 0 : -1;
}

// Puts the samples of all workers together: what disturbs one need not disturb another.
static int sum_up(struct run *r, struct fer_bench_result *result)
{
	unsigned n_packets = r->workers[0].packets.n, n = 0;
	struct fer_bench_sample *all =
		calloc((size_t)r->meeting.n * r->workers[0].n_samples + 1, sizeof(*all));

	if (all == NULL)
		return -1;
	*result = (struct fer_bench_result){.stages = r->workers[0].stages};
	for (unsigned i = 0; i < r->meeting.n; i++) {
		struct worker *w = &r->workers[i];
		unsigned n_kept = fer_bench_keep_undisturbed(w->samples, w->n_samples);

		memcpy(all + n, w->samples, n_kept * sizeof(*all));
		n += n_kept;
		result->dropped += w->n_samples - n_kept;
		r->load->n_packets += (uint64_t)w->n_samples * n_packets + w->packets.n_flows;
	}
	bool ok = fer_bench_summarize(all, n, n_packets, result);
	free(all);
	return ok ? 0 : -1;
}

int fer_bench_measure(struct fer_bench_load *load, struct fer_bench_row *row, double seconds,
	char error[FER_BENCH_ERROR_BYTES])
{
	struct run r = {.load = load, .meeting.n = row->workers};
	int rc = 0;

	r.workers = calloc(row->workers, sizeof(*r.workers));
	if (r.workers == NULL) {
		snprintf(error, FER_BENCH_ERROR_BYTES, "no memory for %u workers", row->workers);
		return -1;
	}
	if (open_helpers(&r, row->workers, row->helpers) != 0) {
		snprintf(error, FER_BENCH_ERROR_BYTES, "cannot start %u helpers", row->helpers);
		rc = -1;
	}
	for (unsigned i = 0; i < row->workers && rc == 0; i++)
		rc = open_worker(&r, i, row, error);
	if (rc == 0)
		rc = run_threads(&r, seconds, error);
	if (rc == 0 && sum_up(&r, &row->result) != 0) {
		snprintf(error, FER_BENCH_ERROR_BYTES, "not one repeat was undisturbed");
		rc = -1;
	}
	for (unsigned i = 0; i < row->workers; i++)
		close_worker(&r.workers[i]);
	close_helpers(&r);
	free(r.workers);
	return rc;
}
