// SPDX-License-Identifier: BSD-3-Clause
// Is a limit crossed by exactly the packet that is over it, told once, and does nothing go behind a
// hard one (RFC 4301 section 4.4.2.1)?
#include "sa/lifetime.h"

#include "sa/table_fixture.h"
#include "support/eal.h"

#include <pthread.h>

#define MAX_GROUP 32
#define LENGTH 100 // of most packets
#define NONE UINT64_MAX

static struct fer_sa_table *table;
static uint64_t handle; // of the one SA

static int open_one(void **state)
{
	(void)state;
	table = open_table(1);
	return 0;
}

static int close_one(void **state)
{
	(void)state;
	fer_sa_table_destroy(table);
	return 0;
}

static struct fer_sa *add(enum fer_direction direction, const struct fer_lifetime *l)
{
	struct fer_sa_params p = direction == FER_OUT ? out_params(0x1000) : in_params(0x1000);

	p.lifetime = *l;
	handle = must_add(table, &p);
	return fer_sa_get(table, handle);
}

static void drop(void)
{
	must_remove(table, handle);
	assert_int_equal(fer_sa_reclaim(table), 0);
}

static uint32_t count(struct fer_sa *sa, const uint32_t len[], uint32_t n, unsigned *crossed)
{
	struct fer_life_taken taken;

	*crossed = ~0u;
	if (sa->direction == FER_IN)
		return fer_life_accept(table, sa, len, n, crossed);
	uint32_t n_going = fer_life_take(table, sa, len, n, &taken);
	*crossed = taken.crossed;
	if (n_going < n)
		assert_int_equal(taken.rest, FER_EXPIRED);
	return n_going;
}

static void assert_counts(const struct fer_sa *sa, uint64_t packets, uint64_t bytes)
{
	bool out = sa->direction == FER_OUT;

	assert_true((out ? fer_seq_packets(&sa->out.seq) : sa->in.packets) == packets);
	assert_true((out ? fer_seq_bytes(&sa->out.seq) : sa->in.bytes) == bytes);
}

// Groups of one size until the hard limit, which is crossed in one of them: n packets have gone
// before.  soft packets keep to the soft limit.
static void run_groups(struct fer_sa *sa, uint32_t size, uint32_t soft, uint32_t hard)
{
	uint32_t len[MAX_GROUP], gone = 0;
	unsigned crossed;

	for (uint32_t i = 0; i < size; i++)
		len[i] = LENGTH;
	while (gone + size <= hard) {
		bool is_soft = gone <= soft && gone + size > soft;

		assert_int_equal(count(sa, len, size, &crossed), size);
		assert_int_equal(crossed, is_soft ? FER_LIFE_SOFT : 0);
		gone += size;
	}
	// Where both limits are in one group, both are told.
	unsigned both = gone <= soft ? FER_LIFE_SOFT | FER_LIFE_HARD : FER_LIFE_HARD;
	assert_int_equal(count(sa, len, size, &crossed), hard - gone);
	assert_int_equal(crossed, both);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(count(sa, len, 1, &crossed), 0);
		assert_int_equal(crossed, 0);
	}
	assert_counts(sa, hard, (uint64_t)LENGTH * hard);
}

static void try_limits(enum fer_direction direction, uint32_t size, uint32_t soft, uint32_t hard)
{
	const struct fer_lifetime limits[] = {
		{.soft_packets = soft, .hard_packets = hard},
		{.soft_bytes = soft * LENGTH, .hard_bytes = hard * LENGTH},
		{.soft_bytes = soft * LENGTH, .hard_packets = hard}, // one of each
		{.soft_packets = soft, .hard_bytes = hard * LENGTH + LENGTH - 1},
		{.soft_bytes = soft * LENGTH + LENGTH - 1, .hard_bytes = (hard + 1) * LENGTH - 1},
		{.soft_packets = soft, .hard_packets = hard, .soft_bytes = NONE - 1}, // far away
	};

	for (size_t i = 0; i < N(limits); i++) {
		struct fer_sa *sa = add(direction, &limits[i]);

		run_groups(sa, size, soft, hard);
		drop();
	}
}

static void crossed_at_every_place_of_every_group(void **state)
{
	(void)state;
	for (uint32_t size = 1; size <= MAX_GROUP; size++)
		for (uint32_t place = 0; place < size; place++) {
			uint32_t hard = 2 * size + place;

			try_limits(FER_OUT, size, 1 + 3 * hard / 7, hard);
			try_limits(FER_IN, size, size + place / 2, hard);
			try_limits(FER_OUT, size, hard, hard);
		}
}

static void without_limits_nothing_is_ever_over(void **state)
{
	static const uint32_t len[MAX_GROUP] = {[0 ... MAX_GROUP - 1] = 65535};
	unsigned crossed;

	(void)state;
	for (unsigned d = FER_OUT; d <= FER_IN; d++) {
		struct fer_sa *sa = add(d, &(struct fer_lifetime){0});

		for (unsigned i = 0; i < 1000; i++) {
			assert_int_equal(count(sa, len, MAX_GROUP, &crossed), MAX_GROUP);
			assert_int_equal(crossed, 0);
		}
		assert_counts(sa, 1000 * MAX_GROUP, 1000 * MAX_GROUP * UINT64_C(65535));
		drop();
	}
}

// A soft limit alone never stops an SA.
static void soft_alone_is_told_and_no_more(void **state)
{
	static const uint32_t len[MAX_GROUP] = {[0 ... MAX_GROUP - 1] = LENGTH};
	unsigned crossed;

	(void)state;
	for (unsigned d = FER_OUT; d <= FER_IN; d++) {
		struct fer_sa *sa = add(d, &(struct fer_lifetime){.soft_bytes = 40 * LENGTH});
		unsigned n_told = 0;

		for (unsigned i = 0; i < 10; i++) {
			assert_int_equal(count(sa, len, MAX_GROUP, &crossed), MAX_GROUP);
			n_told += crossed == FER_LIFE_SOFT;
			assert_int_equal(crossed, i == 1 ? FER_LIFE_SOFT : 0);
		}
		assert_int_equal(n_told, 1);
		drop();
	}
}

// The packet that is too long ends the SA, even though shorter ones would fit.
static void a_long_packet_ends_what_shorter_ones_would_not(void **state)
{
	static const uint32_t len[] = {100, 900, 10};
	unsigned crossed;

	(void)state;
	for (unsigned d = FER_OUT; d <= FER_IN; d++) {
		struct fer_sa *sa =
			add(d, &(struct fer_lifetime){.soft_bytes = 500, .hard_bytes = 999});

		assert_int_equal(count(sa, len, 3, &crossed), 1);
		assert_int_equal(crossed, FER_LIFE_SOFT | FER_LIFE_HARD);
		assert_int_equal(count(sa, len + 2, 1, &crossed), 0);
		assert_counts(sa, 1, 100);
		drop();
	}
}

static void what_is_given_back_does_not_wake_an_sa(void **state)
{
	static const uint32_t len[] = {100, 100, 100};
	struct fer_sa *sa = add(FER_OUT, &(struct fer_lifetime){.hard_packets = 2});
	unsigned crossed;

	(void)state;
	assert_int_equal(count(sa, len, 3, &crossed), 2);
	assert_int_equal(crossed, FER_LIFE_HARD);
	fer_life_give_back(sa, 100);
	assert_counts(sa, 1, 100);
	assert_int_equal(count(sa, len, 1, &crossed), 0);
	assert_counts(sa, 1, 100);
	drop();
}

static void an_end_is_told_once(void **state)
{
	struct fer_sa *sa = add(FER_OUT, &(struct fer_lifetime){.soft_bytes = 1});

	(void)state;
	assert_int_equal(fer_life_end(sa, 0), 0);
	assert_int_equal(fer_life_end(sa, FER_LIFE_NUMBERS), FER_LIFE_NUMBERS);
	assert_int_equal(fer_life_end(sa, FER_LIFE_NUMBERS), 0);
	assert_int_equal(fer_life_end(sa, FER_LIFE_NUMBERS | FER_LIFE_SOFT), FER_LIFE_SOFT);
	assert_int_equal(fer_life_end(sa, FER_LIFE_SOFT), 0);
	assert_int_equal(sa->life, FER_LIFE_SOFT | FER_LIFE_NUMBERS | FER_LIFE_COUNTED);
	drop();
}

// --- threads

#define THREADS 4
#define GROUPS 20000

struct counter {
	struct fer_sa *sa;
	uint64_t packets, bytes;
	unsigned n_soft, n_hard;
};

static void *count_groups(void *arg)
{
	struct counter *c = arg;
	uint32_t len[MAX_GROUP];
	unsigned crossed;

	for (uint32_t g = 0; g < GROUPS; g++) {
		uint32_t size = 1 + g * 2654435761u % MAX_GROUP;

		for (uint32_t i = 0; i < size; i++)
			len[i] = 40 + (g + i) % 1460;
		uint32_t n = count(c->sa, len, size, &crossed);
		c->packets += n;
		for (uint32_t i = 0; i < n; i++)
			c->bytes += len[i];
		c->n_soft += (crossed & FER_LIFE_SOFT) != 0;
		c->n_hard += (crossed & FER_LIFE_HARD) != 0;
	}
	return NULL;
}

// What went on all threads together.
static struct counter count_on_threads(const struct fer_lifetime *l)
{
	struct counter sum = {.sa = add(FER_OUT, l)}, c[THREADS];
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		c[i] = (struct counter){.sa = sum.sa};
		assert_int_equal(pthread_create(&threads[i], NULL, count_groups, &c[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		sum.packets += c[i].packets;
		sum.bytes += c[i].bytes;
		sum.n_soft += c[i].n_soft;
		sum.n_hard += c[i].n_hard;
	}
	assert_counts(sum.sa, sum.packets, sum.bytes);
	assert_int_equal(sum.n_soft, 1);
	assert_int_equal(sum.n_hard, 1);
	drop();
	return sum;
}

static void workers_share_a_limit_of_packets(void **state)
{
	uint64_t hard = UINT64_C(12) * GROUPS * THREADS;
	struct fer_lifetime l = {.soft_packets = hard - 100, .hard_packets = hard};

	(void)state;
	assert_true(count_on_threads(&l).packets == hard);
}

// The packet that would cross is up to 1500 bytes long, and others may be in hand.
static void workers_share_a_limit_of_bytes(void **state)
{
	uint64_t hard = UINT64_C(500) * 12 * GROUPS * THREADS;
	struct fer_lifetime l = {.soft_bytes = hard / 2, .hard_bytes = hard};
	uint64_t bytes;

	(void)state;
	bytes = count_on_threads(&l).bytes;
	assert_true(bytes <= hard && bytes > hard - THREADS * MAX_GROUP * 1500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(crossed_at_every_place_of_every_group),
		TEST(without_limits_nothing_is_ever_over),
		TEST(soft_alone_is_told_and_no_more),
		TEST(a_long_packet_ends_what_shorter_ones_would_not),
		TEST(what_is_given_back_does_not_wake_an_sa),
		TEST(an_end_is_told_once),
		TEST(workers_share_a_limit_of_packets),
		TEST(workers_share_a_limit_of_bytes),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, start, stop);
}
