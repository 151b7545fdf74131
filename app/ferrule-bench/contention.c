// SPDX-License-Identifier: BSD-3-Clause
#include "contention.h"

#include "../common/eal.h"
#include "args.h"
#include "measure.h"
#include "repeats.h"
#include "sa/seq.h"

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_spinlock.h>

#include <immintrin.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORKERS 64
#define MAX_APART 1000000
#define MEGABYTES 64 // of the EAL, which knows how fast the counter counts
#define BLOCK 64     // operations between two looks at the clock

static const char usage[] =
	"usage: ferrule-bench contention [--workers LIST] [--apart LIST] [--seconds S]\n";

static const char help[] =
	"\n"
	"Prints what workers pay, once a group of packets, for the words of an association: ticks\n"
	"of one operation, on a word of one's own and on one that all of them use.\n"
	"\n"
	"  numbers   taken, and bytes counted, in one atomic operation: an outbound association\n"
	"  window    a lock taken and released around an update: the receive side of an inbound "
	"one\n"
	"  line      one atomic addition and nothing else: what the others cannot go below\n"
	"\n"
	"  --workers LIST  threads, each on a CPU of its own, 1 to 64 (all CPUs)\n"
	"  --apart LIST    ticks of other work between two operations of a worker, 0 to 1000000:\n"
	"                  what a group of packets costs otherwise (0,250,1000)\n"
	"  --seconds S     time for each row, up to 60 (0.2)\n"
	"  -h, --help      this text\n";

struct options {
	struct fer_bench_numbers workers, apart;
	double seconds;
	bool done;
};

// The words of one association, apart as in struct fer_sa.
struct words {
	alignas(64) struct fer_seq seq;
	alignas(64) rte_spinlock_t lock;
	uint64_t top;
	alignas(64) _Atomic uint64_t count;
};

struct run;

struct thread {
	alignas(64) struct run *run;
	pthread_t thread;
	struct words own, *words;
	double ticks; // of an operation
	struct fer_bench_repeats blocks;
};

struct run {
	void (*operate)(struct words *w);
	uint64_t apart, ticks;
	unsigned n;
	_Atomic unsigned n_ready;
	struct words shared;
	struct thread threads[MAX_WORKERS];
};

static void take_number(struct words *w)
{
	uint64_t first;

	(void)!fer_seq_take(&w->seq, 1, 64, &first);
}

static void move_window(struct words *w)
{
	rte_spinlock_lock(&w->lock);
	w->top++;
	rte_spinlock_unlock(&w->lock);
}

static void add(struct words *w)
{
	atomic_fetch_add_explicit(&w->count, 1, memory_order_relaxed);
}

// The fence is what keeps the operation before it out of this time: some CPUs read their counter
// while a locked instruction still waits for its line.
static void pass(uint64_t ticks)
{
	if (ticks == 0)
		return;
	_mm_lfence();
	for (uint64_t end = rte_rdtsc() + ticks; rte_rdtsc() < end;)
		;
}

// Runs for so long; returns ticks of an operation and what stands between two: the median of
// blocks, because others may want the CPU meanwhile.
static double operate(struct thread *t, void (*operation)(struct words *), struct words *words)
{
	const struct run *r = t->run;
	uint64_t start = rte_rdtsc(), before = start;

	while (before - start < r->ticks) {
		for (unsigned i = 0; i < BLOCK; i++) {
			operation(words);
			pass(r->apart);
		}
		uint64_t now = rte_rdtsc();
		fer_bench_repeats_add(&t->blocks, now - before);
		before = now;
	}
	return (double)fer_bench_repeats_median(&t->blocks) / BLOCK;
}

static void do_nothing(struct words *w)
{
	__asm__ volatile("" : : "r"(w) : "memory");
}

static void *work(void *arg)
{
	struct thread *t = arg;
	struct run *r = t->run;

	atomic_fetch_add(&r->n_ready, 1);
	while (atomic_load(&r->n_ready) < r->n)
		rte_pause();
	double both = operate(t, r->operate, t->words);

	t->ticks = both - operate(t, do_nothing, &t->own);
	return NULL;
}

// Returns the mean of the workers' ticks; below -1e9 when a thread could not be started.
static double measure(struct run *r, bool is_shared)
{
	unsigned n = 0;
	double sum = 0;

	atomic_store(&r->n_ready, 0);
	for (; n < r->n; n++) {
		struct thread *t = &r->threads[n];

		t->run = r;
		t->words = is_shared ? &r->shared : &t->own;
		fer_seq_init(&t->words->seq, 0, true);
		if (fer_bench_start_thread(&t->thread, work, t, n) != 0)
			break;
	}
	atomic_fetch_add(&r->n_ready, r->n - n); // those that are missing
	for (unsigned i = 0; i < n; i++) {
		pthread_join(r->threads[i].thread, NULL);
		sum += r->threads[i].ticks;
	}
	return n == r->n ? sum / n : -2e9;
}

static const struct operation {
	const char *name;
	void (*run)(struct words *w);
} operations[] = {{"numbers", take_number}, {"window", move_window}, {"line", add}};

static int measure_row(struct run *r, const struct operation *o)
{
	r->operate = o->run;
	double own = measure(r, false), shared = measure(r, true);

	if (own < -1e9 || shared < -1e9) {
		fprintf(stderr, "ferrule-bench: cannot start a thread\n");
		return EXIT_FAILURE;
	}
	printf("%-8s %7u %8lu %8.1f %8.1f\n", o->name, r->n, (unsigned long)r->apart, own, shared);
	return EXIT_SUCCESS;
}

static int measure_all(const struct options *o)
{
	static struct run r;
	int rc = EXIT_SUCCESS;

	r.ticks = (uint64_t)(o->seconds / 4 * (double)rte_get_tsc_hz());
	printf("%-8s %7s %8s %8s %8s\n", "", "workers", "apart", "own", "shared");
	for (unsigned w = 0; w < o->workers.n; w++)
		for (unsigned a = 0; a < o->apart.n; a++) {
			r.n = o->workers.value[w];
			r.apart = o->apart.value[a];
			for (unsigned i = 0; i < RTE_DIM(operations) && rc == EXIT_SUCCESS; i++)
				rc = measure_row(&r, &operations[i]);
		}
	return rc;
}

static const struct fer_bench_option options[] = {
	{"workers", fer_bench_read_numbers, offsetof(struct options, workers), 1, MAX_WORKERS},
	{"apart", fer_bench_read_numbers, offsetof(struct options, apart), 0, MAX_APART},
	{"seconds", fer_bench_read_seconds, offsetof(struct options, seconds), 0, 0},
};

int fer_bench_contention(int argc, char **argv)
{
	struct options o = {
		.workers = {1, {RTE_MIN(fer_bench_cpus(), (unsigned)MAX_WORKERS)}},
		.apart = {3, {0, 250, 1000}},
		.seconds = 0.2,
	};
	int rc = fer_bench_parse_options(
		argc, argv, options, RTE_DIM(options), usage, help, &o, &o.done);

	if (rc != 0 || o.done)
		return rc;
	if (fer_bench_largest(&o.workers) > fer_bench_cpus()) {
		fprintf(stderr, "ferrule-bench: %u threads, and %u CPUs to run on\n",
			fer_bench_largest(&o.workers), fer_bench_cpus());
		return EXIT_FAILURE;
	}
	rc = fer_eal_start("ferrule-bench", MEGABYTES);
	if (rc != 0) {
		fprintf(stderr, "ferrule-bench: cannot start DPDK: %s\n", strerror(-rc));
		return EXIT_FAILURE;
	}
	rc = measure_all(&o);
	fer_eal_stop();
	if ((fflush(stdout) != 0 || ferror(stdout)) && rc == EXIT_SUCCESS) {
		fputs("ferrule-bench: standard output: cannot write\n", stderr);
		rc = EXIT_FAILURE;
	}
	return rc;
}
