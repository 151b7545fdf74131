// SPDX-License-Identifier: BSD-3-Clause
// Do workers find the right SAs while the control thread adds, removes and reclaims others?
//
// The table is full all the time, so that blocks, hash positions and hints are used again at once,
// and buckets overflow.  Runs for a second, or for as many as FER_TEST_SECONDS says.
#include "sa/table.h"

#include "crypto/engine.h"
#include "support/eal.h"

#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define N_WORKERS 2
#define N_STABLE 300
#define N_CHURNED 200 // identities; half of them exist at a time
#define CAPACITY (N_STABLE + N_CHURNED / 2)
#define BURST 32
#define STABLE_SPI 0x10000
#define CHURNED_SPI 0x20000

struct shared {
	struct fer_sa_table *t;
	struct rte_rcu_qsbr *qsbr;
	uint64_t stable[N_STABLE];
	_Atomic uint64_t churned[N_CHURNED]; // handles, possibly old
	atomic_bool is_over;
	atomic_uint n_ready;
};

struct worker {
	struct shared *s;
	unsigned number, seed;
	uint64_t n_found, n_gone, n_dead, n_absent;
	const char *wrong;
};

static uint8_t raw_key[FER_MAX_KEY_BYTES];

static struct fer_sa_params params_of(uint32_t spi)
{
	memcpy(raw_key, &spi, sizeof(spi));
	memcpy(raw_key + 16, &spi, sizeof(spi)); // the salt, which stands in the suite
	struct fer_sa_params p = {
		.direction = FER_IN,
		.mode = FER_TUNNEL,
		.spi = spi,
		.group = FER_NO_GROUP,
		.src = {.bytes = {10, 0, 0, 2}, .version = 4},
		.dst = {.bytes = {10, 0, 0, 1}, .version = 4},
		.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"),
		.encryption_key = raw_key,
		.replay_window = spi % 3 == 0 ? 2048 : 64,
	};

	p.dst.bytes[2] = (uint8_t)(spi % 7);
	return p;
}

static struct fer_sa_id id_of(uint32_t spi)
{
	return (struct fer_sa_id){.dst = {10, 0, (uint8_t)(spi % 7), 1},
		.spi = spi,
		.version = 4,
		.protocol = FER_PROTO_ESP};
}

// Whether removed or not, a block that was found has to stay that of the SA until the worker says
// that it is done.
static bool is_block_of(const struct fer_sa *sa, uint32_t spi)
{
	uint64_t seq = 0;

	return sa->spi == spi && memcmp(sa->suite.salt, &spi, sizeof(spi)) == 0 &&
	       fer_replay_check(&sa->in.replay, 1, &seq) == FER_OK;
}

static void look_at(struct worker *w, uint32_t spi, const struct fer_sa *sa)
{
	struct shared *s = w->s;

	if (sa == NULL) {
		w->n_absent++;
		if (spi < CHURNED_SPI)
			w->wrong = "a stable SA was not found";
		return;
	}
	if (spi < CHURNED_SPI && sa != fer_sa_at(s->t, (uint32_t)s->stable[spi - STABLE_SPI]))
		w->wrong = "a stable SA is elsewhere";
	if (atomic_load_explicit(&sa->generation, memory_order_acquire) == 0)
		w->n_gone++;
	else
		w->n_found++;
	if (!is_block_of(sa, spi))
		w->wrong = "another SA was found";
}

static void find_burst(struct worker *w)
{
	struct fer_sa_query query[BURST];
	const struct fer_sa *sa[BURST];

	for (unsigned i = 0; i < BURST; i++) {
		unsigned r = (unsigned)rand_r(&w->seed);

		const struct fer_sa_id id =
			id_of(i % 2 == 0 ? STABLE_SPI + r % N_STABLE : CHURNED_SPI + r % N_CHURNED);
		query[i] = fer_sa_query(w->s->t, &id);
	}
	fer_sa_find(w->s->t, query, BURST, sa);
	if (rand_r(&w->seed) % 16 == 0)
		sched_yield(); // in the middle of a burst, with SAs in hand
	for (unsigned i = 0; i < BURST; i++)
		look_at(w, query[i].id.spi, sa[i]);
}

// A handle may be old: then it opens nothing, never another SA.
static void open_handle(struct worker *w)
{
	uint32_t which = (uint32_t)rand_r(&w->seed) % N_CHURNED;
	uint64_t handle = atomic_load_explicit(&w->s->churned[which], memory_order_relaxed);
	const struct fer_sa *sa = fer_sa_get(w->s->t, handle);

	if (sa == NULL)
		w->n_dead++;
	else if (!is_block_of(sa, CHURNED_SPI + which))
		w->wrong = "a handle opened another SA";
}

static void use_group(struct worker *w)
{
	const struct fer_sa *sa = fer_sa_get(w->s->t, fer_group_active(w->s->t, 0));

	if (sa != NULL && (sa->direction != FER_OUT || sa->group != 0))
		w->wrong = "a group sends with an SA of another";
}

static void check_endpoints(struct worker *w)
{
	struct fer_addr ours = {.bytes = {10, 0, 1, 1}, .version = 4};
	struct fer_addr theirs = {.bytes = {10, 0, 1, 2}, .version = 4};

	if (!fer_sa_is_endpoint(w->s->t, &ours) || fer_sa_is_endpoint(w->s->t, &theirs))
		w->wrong = "an end point is not what it was";
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;

	rte_rcu_qsbr_thread_register(s->qsbr, w->number);
	rte_rcu_qsbr_thread_online(s->qsbr, w->number);
	atomic_fetch_add(&s->n_ready, 1);
	while (!atomic_load_explicit(&s->is_over, memory_order_relaxed) && w->wrong == NULL) {
		find_burst(w);
		open_handle(w);
		use_group(w);
		check_endpoints(w);
		rte_rcu_qsbr_quiescent(s->qsbr, w->number);
		if (rand_r(&w->seed) % 16 == 0)
			sched_yield();
	}
	rte_rcu_qsbr_thread_offline(s->qsbr, w->number);
	rte_rcu_qsbr_thread_unregister(s->qsbr, w->number);
	return NULL;
}

// --- the control thread

static uint64_t must_add(struct fer_sa_table *t, const struct fer_sa_params *p)
{
	const char *why = NULL;
	uint64_t handle = 0;
	int error = fer_sa_add(t, p, &handle, &why);

	if (error != 0)
		fail_msg("add of %#x: %d, %s", p->spi, error, why);
	return handle;
}

// Every other change is of an outbound SA that becomes the active one of its group.
static uint64_t change_active(struct fer_sa_table *t, uint64_t active, uint32_t spi)
{
	struct fer_sa_params p = params_of(spi);

	if (active != 0) {
		assert_int_equal(fer_sa_remove(t, active), 0);
		return 0;
	}
	p.direction = FER_OUT;
	p.group = 0;
	p.outer.ttl = 64;
	uint64_t handle = 0;
	int error = fer_sa_add(t, &p, &handle, NULL);
	assert_true(error == 0 || error == -ENOSPC || error == -ENOTUNIQ);
	return handle;
}

// 1 when something changed.
static unsigned change_one(struct shared *s, uint64_t live[N_CHURNED], unsigned *seed)
{
	uint32_t which = (uint32_t)rand_r(seed) % N_CHURNED;

	if (live[which] != 0) {
		assert_int_equal(fer_sa_remove(s->t, live[which]), 0);
		live[which] = 0;
		return 1;
	}
	struct fer_sa_params p = params_of(CHURNED_SPI + which);
	int error = fer_sa_add(s->t, &p, &live[which], NULL);
	assert_true(error == 0 || error == -ENOSPC || error == -ENOTUNIQ);
	if (error == 0) {
		atomic_store_explicit(&s->churned[which], live[which], memory_order_relaxed);
		return 1;
	}
	sched_yield(); // let the workers come to the end of their bursts
	return 0;
}

static uint64_t seconds_from_now(void)
{
	const char *seconds = getenv("FER_TEST_SECONDS");

	return (uint64_t)time(NULL) + (seconds == NULL ? 1 : strtoul(seconds, NULL, 10));
}

static uint64_t churn(struct shared *s)
{
	uint64_t live[N_CHURNED] = {0}, end = seconds_from_now(), active = 0, n = 0;
	unsigned seed = 1;

	while ((uint64_t)time(NULL) <= end) {
		for (unsigned i = 0; i < 200; i++) {
			n += change_one(s, live, &seed);
			if (i % 8 == 0)
				active = change_active(s->t, active, 0x30000 + n % 1000);
			if (rand_r(&seed) % 4 == 0)
				fer_sa_reclaim(s->t);
		}
	}
	return n;
}

static void report(const struct worker *w)
{
	print_message("worker %u: %llu found, %llu being removed, %llu absent, %llu old handles\n",
		w->number, (unsigned long long)w->n_found, (unsigned long long)w->n_gone,
		(unsigned long long)w->n_absent, (unsigned long long)w->n_dead);
	if (w->wrong != NULL)
		fail_msg("worker %u: %s", w->number, w->wrong);
	assert_true(w->n_found > 0);
}

static void open_shared(struct shared *s, struct fer_engine *engine)
{
	s->qsbr = aligned_alloc(64, rte_rcu_qsbr_get_memsize(N_WORKERS));
	assert_non_null(s->qsbr);
	assert_int_equal(rte_rcu_qsbr_init(s->qsbr, N_WORKERS), 0);
	struct fer_sa_table_params params = {.name = "threads",
		.capacity = CAPACITY,
		.n_groups = 1,
		.ivs = fer_iv_system(),
		.qsbr = s->qsbr};
	int error = 0;
	s->t = fer_sa_table_create(&params, engine, &error);
	assert_non_null(s->t);
	for (uint32_t i = 0; i < N_STABLE; i++) {
		struct fer_sa_params p = params_of(STABLE_SPI + i);
		s->stable[i] = must_add(s->t, &p);
	}
}

static void workers_find_what_is_there(void **state)
{
	static struct shared s;
	static struct worker workers[N_WORKERS];
	pthread_t threads[N_WORKERS];
	int error = 0;
	struct fer_engine *engine = fer_engine_open(fer_iv_system(), &error);

	(void)state;
	assert_non_null(engine);
	open_shared(&s, engine);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		workers[i] = (struct worker){.s = &s, .number = i, .seed = i};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	while (atomic_load(&s.n_ready) < N_WORKERS)
		sched_yield();
	uint64_t n = churn(&s);
	atomic_store(&s.is_over, true);
	for (unsigned i = 0; i < N_WORKERS; i++)
		pthread_join(threads[i], NULL);
	print_message("%llu changes\n", (unsigned long long)n);
	for (unsigned i = 0; i < N_WORKERS; i++)
		report(&workers[i]);
	assert_int_equal(fer_sa_reclaim(s.t), 0);
	fer_sa_table_destroy(s.t);
	fer_engine_close(engine);
	free(s.qsbr);
}

// Threads made after the EAL inherit its one lcore: give them all CPUs back.
static void use_all_cpus(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_find_what_is_there),
	};

	fer_test_eal_init("64");
	use_all_cpus();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
