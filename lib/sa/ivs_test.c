// SPDX-License-Identifier: BSD-3-Clause
// Is no IV given twice, whatever becomes of workers and associations, and are few left out?
#include "sa/ivs.h"

#include "sa/table_fixture.h"
#include "support/eal.h"

#include <pthread.h>

#define START 1000

static int start_at(void *ctx, uint64_t *counter)
{
	*counter = *(const uint64_t *)ctx;
	return 0;
}

static uint64_t clock_now = START;
static const struct fer_iv_source ivs = {.counter_start = start_at, .ctx = &clock_now};

static struct fer_sa *add(struct fer_sa_table *t, uint32_t spi)
{
	struct fer_sa_params p = out_params(spi);

	return fer_sa_get(t, must_add(t, &p));
}

#define ROOM 64 // SAs, more than there are places: some share one

static bool share_a_place(const struct fer_sa *a, const struct fer_sa *b)
{
	struct fer_ivs v;

	return fer_ivs_part_of(&v, a) == fer_ivs_part_of(&v, b);
}

// Adds n SAs that all share a place, or of which no two do.
static void add_some(struct fer_sa_table *t, struct fer_sa *sa[], unsigned n, bool shared)
{
	unsigned n_found = 0;

	for (uint32_t spi = 0x1000; n_found < n; spi++) {
		unsigned k = 0;

		sa[n_found] = add(t, spi);
		while (k < n_found && share_a_place(sa[k], sa[n_found]) == shared)
			k++;
		n_found += k == n_found;
	}
}

// One worker, several SAs: as if every group had asked the counter.  What was taken ahead of one is
// put back when the other one comes to its place.
static void ivs_of_one_worker_follow_each_other(void **state)
{
	(void)state;
	for (unsigned shared = 0; shared < 2; shared++) {
		struct fer_sa_table *t = open_with(ROOM, &ivs, NULL);
		uint64_t next[2] = {START, START};
		struct fer_sa *sa[2];
		struct fer_ivs v = {0};
		unsigned seed = 1;

		add_some(t, sa, 2, shared);
		for (unsigned i = 0; i < 10000; i++) {
			uint32_t n = 1 + (uint32_t)rand_r(&seed) % 256;
			unsigned s = (unsigned)rand_r(&seed) % 20 == 0;

			assert_true(fer_ivs_take(&v, sa[s], n) == next[s]);
			next[s] += n;
			for (unsigned k = 0; k < 2; k++)
				assert_in_range(
					sa[k]->out.iv, next[k], next[k] + FER_IVS_AHEAD + 255);
			assert_true(!shared || sa[!s]->out.iv == next[!s]);
		}
		fer_sa_table_destroy(t);
	}
}

static void nothing_is_taken_ahead_of_sas_that_take_turns_in_one_place(void **state)
{
	struct fer_sa_table *t = open_with(ROOM, &ivs, NULL);
	struct fer_ivs v = {0};
	struct fer_sa *sa[2];

	(void)state;
	add_some(t, sa, 2, true);
	for (uint64_t i = 0; i < 200; i++)
		assert_true(fer_ivs_take(&v, sa[i % 2], 3) == START + i / 2 * 3);
	assert_true(sa[0]->out.iv == START + 300 && sa[1]->out.iv == START + 300);
	fer_sa_table_destroy(t);
}

#define TURNS 8 // SAs

static void a_worker_comes_back_seldom_to_a_few_sas_that_take_turns(void **state)
{
	struct fer_sa_table *t = open_with(ROOM, &ivs, NULL);
	struct fer_sa *sa[TURNS];
	struct fer_ivs v = {0};
	unsigned n_visits = 0;

	(void)state;
	add_some(t, sa, TURNS, false);
	for (unsigned i = 0; i < TURNS * 8 * FER_IVS_AHEAD; i++) {
		uint64_t before = sa[i % TURNS]->out.iv;

		fer_ivs_take(&v, sa[i % TURNS], 1);
		n_visits += sa[i % TURNS]->out.iv != before;
	}
	assert_in_range(n_visits, TURNS * 8, TURNS * 32);
	fer_sa_table_destroy(t);
}

// Associations made one behind the other, or in both directions in turn, do not meet in few places.
static void sas_are_spread_over_the_places(void **state)
{
	(void)state;
	for (uint32_t step = 1; step <= 2; step++) {
		uint32_t n_of[1 << FER_IVS_PLACES_LOG2] = {0};
		struct fer_ivs v;

		for (uint32_t i = 0; i < 2 << FER_IVS_PLACES_LOG2; i++) {
			struct fer_sa sa = {.index = i * step};
			n_of[fer_ivs_part_of(&v, &sa) - v.part]++;
		}
		for (unsigned i = 0; i < 1 << FER_IVS_PLACES_LOG2; i++)
			assert_in_range(n_of[i], 1, 4);
	}
}

// A second group of the same SA, and the counter is asked less and less often.
static void a_worker_that_stays_comes_back_seldom(void **state)
{
	struct fer_sa_table *t = open_with(1, &ivs, NULL);
	struct fer_sa *sa = add(t, 0x1000);
	struct fer_ivs v = {0};
	unsigned n_visits = 0;

	(void)state;
	for (unsigned i = 0; i < 8 * FER_IVS_AHEAD; i++) {
		uint64_t before = sa->out.iv;

		fer_ivs_take(&v, sa, 1);
		n_visits += sa->out.iv != before;
	}
	assert_in_range(n_visits, 8, 32);
	fer_sa_table_destroy(t);
}

// --- several workers and SAs, in any order

#define WORKERS 3
#define SAS 3
#define MOST 4000000 // of one SA, taken

struct given {
	uint8_t *was; // by IV, counted from START
	uint64_t n;
};

static bool note(struct given *g, uint64_t iv, uint32_t n)
{
	bool is_twice = iv < START || iv - START + n > MOST;

	for (uint32_t i = 0; i < n && !is_twice; i++) {
		is_twice = g->was[iv - START + i] != 0;
		g->was[iv - START + i] = 1;
	}
	g->n += n;
	return !is_twice;
}

struct mix {
	unsigned number;
	uint32_t most;  // of a group
	unsigned stays; // groups of an SA in a row, about
	unsigned rest;  // groups of one worker in a row, about
};

// Of what is taken a third at least is given.
static void workers_and_sas_in_any_order(void **state)
{
	static const struct mix rows[] = {
		{1, 1, 1, 1},
		{2, 1, 2, 1},
		{3, 1, 3, 100},
		{4, 8, 2, 1},
		{5, 8, 30, 1},
		{6, 32, 3, 2},
		{7, 256, 2, 1},
		{8, 256, 40, 7},
		{9, 256, 400, 50},
		{10, 32, 5000, 1},
	};

	(void)state;
	for (size_t r = 0; r < 2 * N(rows); r++) { // in one place; in places of their own
		const struct mix *x = &rows[r / 2];
		struct fer_sa_table *t = open_with(ROOM * SAS, &ivs, NULL);
		struct fer_ivs *v = calloc(WORKERS, sizeof(*v));
		unsigned at[WORKERS] = {0}, seed = 5 + x->number, w = 0;
		struct given given[SAS];
		struct fer_sa *sa[SAS];

		assert_non_null(v);
		add_some(t, sa, SAS, r % 2 == 0);
		for (unsigned s = 0; s < SAS; s++) {
			given[s] = (struct given){.was = calloc(1, MOST)};
			assert_non_null(given[s].was);
		}
		for (unsigned i = 0; i < 6000; i++) {
			if ((unsigned)rand_r(&seed) % x->rest == 0)
				w = (unsigned)rand_r(&seed) % WORKERS;
			if ((unsigned)rand_r(&seed) % x->stays == 0)
				at[w] = (unsigned)rand_r(&seed) % SAS;
			uint32_t n = 1 + (uint32_t)rand_r(&seed) % x->most;
			if (!note(&given[at[w]], fer_ivs_take(&v[w], sa[at[w]], n), n))
				fail_msg("row %u: given twice", x->number);
		}
		for (unsigned s = 0; s < SAS; s++) {
			if (sa[s]->out.iv - START > 3 * given[s].n)
				fail_msg("row %u: %llu taken for %llu", x->number,
					(unsigned long long)(sa[s]->out.iv - START),
					(unsigned long long)given[s].n);
			free(given[s].was);
		}
		free(v);
		fer_sa_table_destroy(t);
	}
}

// --- removal

// What a worker has of an SA that is gone is of no use for the next one in its place, also if that
// has the same key, nor for those behind it.
static void what_is_left_of_a_removed_sa_is_lost(void **state)
{
	struct fer_sa_table *t = open_with(1, &ivs, NULL);
	struct fer_ivs v[2] = {0};
	uint64_t last = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct fer_sa_params p = out_params(0x1000);
		uint64_t handle = must_add(t, &p);
		struct fer_sa *sa = fer_sa_get(t, handle);
		uint64_t floor = sa->out.iv;

		assert_true(floor > last);
		for (unsigned k = 0; k < 100; k++) {
			uint64_t iv = fer_ivs_take(&v[(i + k) % 2], sa, 7);
			assert_true(iv >= floor);
			last = RTE_MAX(last, iv + 6);
		}
		for (unsigned k = 0; k < 2; k++)
			assert_true(fer_ivs_has(fer_ivs_part_of(&v[k], sa), sa, 1));
		must_remove(t, handle);
		assert_int_equal(fer_sa_reclaim(t), 0);
		assert_true(t->control->iv_floor > last);
	}
	fer_sa_table_destroy(t);
}

// The one that a worker still has in hand when it is removed: RFC 4106 section 3.1 holds to the
// end.
static void an_sa_that_is_being_removed_gets_what_it_asks_for(void **state)
{
	struct fer_sa_table *t = open_with(1, &ivs, qsbr);
	struct fer_sa_params p = out_params(0x1000);
	struct fer_ivs v[2] = {0};
	uint64_t handle = must_add(t, &p), last = 0;
	struct fer_sa *sa = fer_sa_get(t, handle);

	(void)state;
	rte_rcu_qsbr_thread_register(qsbr, 0);
	rte_rcu_qsbr_thread_online(qsbr, 0);
	for (unsigned k = 0; k < 100; k++)
		last = RTE_MAX(last, fer_ivs_take(&v[k % 2], sa, 1));
	must_remove(t, handle);
	assert_int_not_equal(fer_sa_reclaim(t), 0);
	for (unsigned k = 0; k < 10; k++) {
		uint64_t before = sa->out.iv, iv = fer_ivs_take(&v[k % 2], sa, 5);

		assert_true(iv > last && iv == before && sa->out.iv == iv + 5);
		last = iv + 4;
	}
	rte_rcu_qsbr_quiescent(qsbr, 0);
	assert_int_equal(fer_sa_reclaim(t), 0);
	assert_true(t->control->iv_floor == last + 1);

	sa = fer_sa_get(t, must_add(t, &p)); // in the same block
	assert_true(fer_ivs_take(&v[0], sa, 5) == last + 1);
	assert_true(fer_ivs_take(&v[1], sa, 5) == last + 6);
	rte_rcu_qsbr_thread_offline(qsbr, 0);
	rte_rcu_qsbr_thread_unregister(qsbr, 0);
	fer_sa_table_destroy(t);
}

// --- two threads

#define THREADS 2

struct taker {
	struct fer_sa *sa[2];
	struct given given[2];
	unsigned seed;
	bool is_wrong;
	pthread_t thread;
};

static void *take(void *arg)
{
	struct taker *k = arg;
	struct fer_ivs v = {0};

	for (unsigned i = 0; i < 20000; i++) {
		unsigned s = (unsigned)rand_r(&k->seed) % 16 == 0;
		uint32_t n = 1 + (uint32_t)rand_r(&k->seed) % 40;

		k->is_wrong |= !note(&k->given[s], fer_ivs_take(&v, k->sa[s], n), n);
	}
	return NULL;
}

static void two_threads_are_given_no_iv_twice(void **state)
{
	struct fer_sa_table *t = open_with(2, &ivs, NULL);
	struct taker k[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		k[i] = (struct taker){.seed = i + 1};
		for (unsigned s = 0; s < 2; s++) {
			k[i].sa[s] = i == 0 ? add(t, 0x1000 + s) : k[0].sa[s];
			k[i].given[s].was = calloc(1, MOST);
			assert_non_null(k[i].given[s].was);
		}
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&k[i].thread, NULL, take, &k[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(k[i].thread, NULL);
	assert_false(k[0].is_wrong || k[1].is_wrong);
	for (unsigned s = 0; s < 2; s++) {
		for (uint32_t iv = 0; iv < MOST; iv++)
			assert_false(k[0].given[s].was[iv] && k[1].given[s].was[iv]);
		free(k[0].given[s].was);
		free(k[1].given[s].was);
	}
	fer_sa_table_destroy(t);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ivs_of_one_worker_follow_each_other),
		TEST(nothing_is_taken_ahead_of_sas_that_take_turns_in_one_place),
		TEST(a_worker_comes_back_seldom_to_a_few_sas_that_take_turns),
		TEST(sas_are_spread_over_the_places),
		TEST(a_worker_that_stays_comes_back_seldom),
		TEST(workers_and_sas_in_any_order),
		TEST(what_is_left_of_a_removed_sa_is_lost),
		TEST(an_sa_that_is_being_removed_gets_what_it_asks_for),
		TEST(two_threads_are_given_no_iv_twice),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, start, stop);
}
