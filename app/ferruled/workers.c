// SPDX-License-Identifier: BSD-3-Clause
#include "workers.h"

#include "host/event.h"
#include "nic/share.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define N_EVENTS 1024 // that wait for the control thread, of each path
#define FRAGMENT_SECONDS 30
#define STALL_NS UINT64_C(1000000000)
#define QUIESCE_MS 1000
#define JOIN_MS 5000

// What is remembered of a worker to see it stall.
struct fer_watch {
	uint64_t beat;
	uint64_t since_ns; // 0: not looked at yet
	bool is_stalled;
};

static struct fer_port_counters *counters_of(
	const struct fer_workers *ws, unsigned worker, unsigned pair, enum fer_side side)
{
	return &ws->counters[(worker * ws->n_pairs + pair) * FER_N_SIDES + side];
}

// --- making -----------------------------------------------------------------------------------

static unsigned count_queues(const struct fer_workers_params *params)
{
	unsigned n = 0;

	for (unsigned i = 0; i < params->n_pairs; i++)
		n += params->pairs[i].port[FER_HOST_SIDE].n_queues;
	return RTE_MAX(n, 1u);
}

static void *allocate(size_t n, size_t size)
{
	void *p = aligned_alloc(64, RTE_ALIGN_CEIL(n * size, (size_t)64));

	if (p != NULL)
		memset(p, 0, RTE_ALIGN_CEIL(n * size, (size_t)64));
	return p;
}

static bool allocate_all(struct fer_workers *ws, const struct fer_workers_params *params)
{
	size_t n_paths = (size_t)ws->n * ws->n_pairs;
	unsigned n_queues = count_queues(params);

	ws->worker = allocate(ws->n, sizeof(ws->worker[0]));
	ws->watch = calloc(ws->n, sizeof(ws->watch[0]));
	ws->paths = allocate(n_paths, sizeof(ws->paths[0]));
	ws->events = calloc(n_paths, sizeof(ws->events[0]));
	ws->lanes = calloc(n_queues, sizeof(ws->lanes[0]));
	ws->shims = calloc(n_queues, sizeof(ws->shims[0]));
	ws->spreads = calloc(n_paths, sizeof(ws->spreads[0]));
	ws->counters = allocate(n_paths * FER_N_SIDES, sizeof(ws->counters[0]));
	if (params->share_patience_ns != 0 && ws->n > 1) {
		ws->share = fer_share_create(ws->n, params->share_patience_ns);
		if (ws->share == NULL)
			return false;
	}
	return ws->worker != NULL && ws->watch != NULL && ws->paths != NULL && ws->events != NULL &&
	       ws->lanes != NULL && ws->shims != NULL && ws->spreads != NULL &&
	       ws->counters != NULL;
}

// Finds the lcore of each worker.  The main one is the control thread's.
static int choose_lcores(
	struct fer_workers *ws, const struct fer_workers_params *params, char why[160])
{
	unsigned lcore = RTE_MAX_LCORE;

	for (unsigned i = 0; i < ws->n; i++) {
		lcore = params->n_lcores != 0 ? params->lcores[i]
					      : rte_get_next_lcore(i == 0 ? -1u : lcore, 1, 0);
		if (lcore < RTE_MAX_LCORE && rte_lcore_is_enabled(lcore) &&
			lcore != rte_get_main_lcore()) {
			ws->worker[i].lcore = lcore;
			continue;
		}
		if (params->n_lcores != 0)
			snprintf(why, 160, "lcore %u is not one of the EAL's, or its main one",
				lcore);
		else
			snprintf(why, 160, "are %u, but the EAL has %u lcores besides the main one",
				ws->n, rte_lcore_count() - 1);
		return -ENOENT;
	}
	return 0;
}

// Opens the paths of one worker, one for each pair.
static int open_paths(
	struct fer_workers *ws, const struct fer_workers_params *params, unsigned worker)
{
	for (unsigned i = 0; i < ws->n_pairs; i++) {
		struct fer_pair *pair = &params->pairs[i];
		struct fer_events **events = &ws->events[worker * ws->n_pairs + i];

		*events = fer_events_create(N_EVENTS, rte_get_tsc_hz());
		if (*events == NULL)
			return -ENOMEM;
		const struct fer_path_params p = {
			.events = *events,
			.worker = worker,
			.n_workers = ws->n,
			.sas = pair->sas,
			.pool = pair->pool,
			.ivs = params->ivs,
			.rules = &pair->published,
			.reassembly = {.n_datagrams = FER_WORKER_DATAGRAMS,
				.timeout_ticks = FRAGMENT_SECONDS * rte_get_tsc_hz()},
		};
		int error = fer_path_init(&ws->paths[worker * ws->n_pairs + i], &p);

		if (error != 0)
			return error;
		struct fer_nic *nic = &ws->paths[worker * ws->n_pairs + i].nic;

		nic->may = &pair->offload.may;
		nic->has_slots = nic->sends_unprotected = pair->is_oob;
		nic->delete_after = pair->delete_after;
		nic->share = pair->is_oob ? NULL : ws->share; // its host is told of every packet
		nic->share_id = worker;
		ws->n_paths++;
	}
	return 0;
}

// One queue of a pair becomes a lane of a worker.
static void open_lane(struct fer_workers *ws, struct fer_lane *lane, unsigned worker,
	const struct fer_pair *pair, uint16_t queue)
{
	struct fer_shim *shim = &ws->shims[lane - ws->lanes];

	*shim = (struct fer_shim){.pool = pair->pool, .completes_all = pair->completes_all};
	*lane = (struct fer_lane){.path = &ws->paths[worker * ws->n_pairs + pair->number],
		.shim = pair->is_oob ? shim : NULL,
		.keepalives = queue == 0 ? pair->keepalives : NULL,
		.queue = queue};
	for (unsigned side = 0; side < FER_N_SIDES; side++) {
		lane->port[side] = &pair->port[side];
		fer_intake_init(&lane->intake[side], pair->pool, FER_LINK_ETHERNET);
		lane->counters[side] = counters_of(ws, worker, pair->number, (enum fer_side)side);
	}
}

// A worker that has several queues of a pair sends by all of them, where the other end of the host
// port sees which it was.
static void open_spreads(
	struct fer_workers *ws, const struct fer_workers_params *params, const struct fer_worker *w)
{
	for (unsigned i = 0; i < ws->n_pairs; i++) {
		struct fer_spread *s = &ws->spreads[w->id * ws->n_pairs + i];
		struct fer_path *path = &ws->paths[w->id * ws->n_pairs + i];

		fer_spread_init(s, rte_get_tsc_hz());
		for (unsigned k = 0; k < w->n_lanes; k++)
			if (w->lanes[k].path == path)
				fer_spread_add(s, w->lanes[k].queue);
		if (s->n < 2 || !params->pairs[i].port[FER_HOST_SIDE].is_virtual)
			continue;
		path->nic.rss = &ws->rss;
		for (unsigned k = 0; k < w->n_lanes; k++)
			if (w->lanes[k].path == path)
				w->lanes[k].spread = s;
	}
}

// Deals the queues out, one after the other; each worker gets its own in one piece.
static void open_lanes(struct fer_workers *ws, const struct fer_workers_params *params)
{
	struct fer_lane *next = ws->lanes;

	for (unsigned w = 0; w < ws->n; w++) {
		unsigned n = 0;

		ws->worker[w].lanes = next;
		for (unsigned i = 0; i < ws->n_pairs; i++)
			for (uint16_t q = 0; q < params->pairs[i].port[FER_HOST_SIDE].n_queues; q++)
				if (n++ % ws->n == w)
					open_lane(ws, next++, w, &params->pairs[i], q);
		ws->worker[w].n_lanes = (unsigned)(next - ws->worker[w].lanes);
		open_spreads(ws, params, &ws->worker[w]);
	}
}

// Flows are hashed with a key that nobody knows, so nobody can make many that share a queue.
static int make_key(struct fer_workers *ws)
{
	uint8_t key[FER_RSS_KEY_BYTES];

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	fer_rss_init(&ws->rss, key);
	return 0;
}

static int open_workers(
	struct fer_workers *ws, const struct fer_workers_params *params, char why[160])
{
	for (unsigned i = 0; i < ws->n; i++) {
		struct fer_worker *w = &ws->worker[i];
		int error = open_paths(ws, params, i);

		w->id = i;
		w->qsbr = params->qsbr;
		w->naps = params->naps;
		w->share = ws->share;
		w->cpus = params->cpus;
		if (error == 0)
			continue;
		snprintf(why, 160, "worker %u cannot have what it needs: %s", i, strerror(-error));
		return error;
	}
	open_lanes(ws, params);
	return 0;
}

int fer_workers_create(
	struct fer_workers *ws, const struct fer_workers_params *params, char why[160])
{
	int error = -ENOMEM;

	*ws = (struct fer_workers){.n = params->n_workers, .n_pairs = params->n_pairs};
	snprintf(why, 160, "no memory for %u workers", ws->n);
	if (allocate_all(ws, params))
		error = choose_lcores(ws, params, why);
	if (error == 0)
		error = make_key(ws);
	if (error == 0)
		error = open_workers(ws, params, why);
	if (error != 0)
		fer_workers_destroy(ws);
	return error;
}

void fer_workers_destroy(struct fer_workers *ws)
{
	for (unsigned i = 0; i < ws->n_paths; i++)
		fer_path_fini(&ws->paths[i]);
	for (unsigned i = 0; ws->events != NULL && i < ws->n * ws->n_pairs; i++)
		fer_events_destroy(ws->events[i]);
	fer_share_destroy(ws->share);
	free(ws->events);
	free(ws->counters);
	free(ws->spreads);
	free(ws->shims);
	free(ws->lanes);
	free(ws->paths);
	free(ws->watch);
	free(ws->worker);
	*ws = (struct fer_workers){0};
}

// --- orders -----------------------------------------------------------------------------------

static void order(struct fer_workers *ws, enum fer_worker_order what)
{
	for (unsigned i = 0; i < ws->n; i++) // those that do not run yet, too
		atomic_store_explicit(&ws->worker[i].order, what, memory_order_release);
}

int fer_workers_start(struct fer_workers *ws)
{
	order(ws, FER_WORKER_CARRY);
	for (; ws->n_running < ws->n; ws->n_running++) {
		struct fer_worker *w = &ws->worker[ws->n_running];

		atomic_init(&w->state, FER_WORKER_CARRY); // not at rest, although nothing came yet
		if (rte_eal_remote_launch(fer_worker_run, w, w->lcore) != 0)
			return -EBUSY;
	}
	return 0;
}

static bool have_followed(const struct fer_workers *ws, enum fer_worker_order what)
{
	for (unsigned i = 0; i < ws->n_running; i++)
		if (atomic_load_explicit(&ws->worker[i].state, memory_order_acquire) != what)
			return false;
	return true;
}

// Waits until all workers have followed an order; false after that many milliseconds.
static bool wait_for(const struct fer_workers *ws, enum fer_worker_order what, unsigned ms)
{
	const struct timespec tick = {.tv_nsec = 1000000};

	for (unsigned i = 0; i < ms && !have_followed(ws, what); i++)
		nanosleep(&tick, NULL);
	return have_followed(ws, what);
}

void fer_workers_rest(struct fer_workers *ws)
{
	order(ws, FER_WORKER_REST);
}

void fer_workers_carry(struct fer_workers *ws)
{
	order(ws, FER_WORKER_CARRY);
}

bool fer_workers_are_at_rest(const struct fer_workers *ws)
{
	return have_followed(ws, FER_WORKER_REST);
}

bool fer_workers_quiesce(struct fer_workers *ws)
{
	order(ws, FER_WORKER_REST);
	return wait_for(ws, FER_WORKER_REST, QUIESCE_MS);
}

bool fer_workers_join(struct fer_workers *ws)
{
	order(ws, FER_WORKER_END);
	if (!wait_for(ws, FER_WORKER_END, JOIN_MS))
		return false;
	while (ws->n_running > 0)
		rte_eal_wait_lcore(ws->worker[--ws->n_running].lcore);
	return true;
}

// --- watching ---------------------------------------------------------------------------------

enum fer_worker_news fer_workers_watch(struct fer_workers *ws, unsigned worker, uint64_t now_ns)
{
	struct fer_watch *w = &ws->watch[worker];
	uint64_t beat = atomic_load_explicit(&ws->worker[worker].beat, memory_order_relaxed);
	bool was_stalled = w->is_stalled;

	if (beat != w->beat || w->since_ns == 0) {
		w->beat = beat;
		w->since_ns = now_ns;
		w->is_stalled = false;
	} else if (now_ns - w->since_ns >= STALL_NS) {
		w->is_stalled = true;
	}
	if (w->is_stalled == was_stalled)
		return FER_WORKER_SAME;
	return w->is_stalled ? FER_WORKER_STALLED : FER_WORKER_MOVES;
}

struct fer_events *fer_workers_events(const struct fer_workers *ws, unsigned worker, unsigned pair)
{
	return ws->events[worker * ws->n_pairs + pair];
}

void fer_workers_count(const struct fer_workers *ws, unsigned worker, unsigned pair,
	enum fer_side side, struct fer_port_counters *sum)
{
	const struct fer_port_counters *c = counters_of(ws, worker, pair, side);
	const uint64_t *from = (const uint64_t *)c;
	uint64_t *to = (uint64_t *)sum;

	// Nothing but counters, each of them loaded whole.
	for (size_t i = 0; i < sizeof(*c) / sizeof(uint64_t); i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
