// SPDX-License-Identifier: BSD-3-Clause
// Has each flow one queue of those that take packets, in order, and does nothing get lost?
#include "spread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define N_QUEUES 4
#define N_FLOWS 64
#define SECOND 1000u
#define FIRST_QUEUE 3 // those of the worker are 3, 5, 7, 9

// The port: how much each queue takes, and what it took.
static struct fer_spread spread;
static unsigned takes[N_QUEUES], n_calls[N_QUEUES];
static struct rte_mbuf *took[N_QUEUES][FER_BATCH_MAX * 4];
static unsigned n_took[N_QUEUES];
static struct rte_mbuf *unsent[FER_BATCH_MAX];
static bool is_unsent_rest[FER_BATCH_MAX];
static unsigned n_unsent;

static struct rte_mbuf mbufs[FER_BATCH_MAX];
static struct rte_mbuf *burst[FER_BATCH_MAX];
static uint64_t now = 1;

static uint16_t queue_at(unsigned k)
{
	return (uint16_t)(FIRST_QUEUE + 2 * k);
}

static unsigned fake_send(void *arg, uint16_t queue, struct rte_mbuf *m[], unsigned n)
{
	unsigned k = (queue - FIRST_QUEUE) / 2u, sent = RTE_MIN(n, takes[k]);

	assert_ptr_equal(arg, &spread);
	assert_int_equal(queue, queue_at(k));
	n_calls[k]++;
	memcpy(took[k] + n_took[k], m, sent * sizeof(m[0]));
	n_took[k] += sent;
	return sent;
}

static void fake_unsent(void *arg, struct rte_mbuf *m[], unsigned n, const bool is_rest[])
{
	assert_ptr_equal(arg, &spread);
	memcpy(unsent + n_unsent, m, n * sizeof(m[0]));
	if (is_rest != NULL)
		memcpy(is_unsent_rest + n_unsent, is_rest, n * sizeof(is_rest[0]));
	n_unsent += n;
}

static void forget(void)
{
	memset(n_took, 0, sizeof(n_took));
	memset(n_calls, 0, sizeof(n_calls));
	n_unsent = 0;
}

static uint32_t hash_of(unsigned flow)
{
	return (uint32_t)(flow * 2654435761u);
}

// A burst of n packets of all flows in turn.
static void make(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		mbufs[i] = (struct rte_mbuf){.ol_flags = RTE_MBUF_F_RX_RSS_HASH};
		mbufs[i].hash.rss = hash_of(i % N_FLOWS);
		burst[i] = &mbufs[i];
	}
}

static void send(unsigned n, const bool is_rest[])
{
	const struct fer_spread_port port = {fake_send, fake_unsent, &spread};

	forget();
	fer_spread_send(&spread, burst, is_rest, n, queue_at(1), now, &port);
}

// Every packet of n was taken once, and in each queue those of a flow are in order.
static void expect_all_in_order(unsigned n)
{
	unsigned sum = 0;

	for (unsigned k = 0; k < N_QUEUES; k++) {
		const struct rte_mbuf *last[N_FLOWS] = {NULL};

		sum += n_took[k];
		for (unsigned i = 0; i < n_took[k]; i++) {
			unsigned flow = (unsigned)(took[k][i] - mbufs) % N_FLOWS;

			assert_true(took[k][i] > last[flow]);
			last[flow] = took[k][i];
		}
	}
	assert_int_equal(sum, n);
	assert_int_equal(n_unsent, 0);
}

static unsigned queue_of(const struct rte_mbuf *m)
{
	for (unsigned k = 0; k < N_QUEUES; k++)
		for (unsigned i = 0; i < n_took[k]; i++)
			if (took[k][i] == m)
				return k;
	fail_msg("nobody took it");
	return 0;
}

static void note_queues(unsigned queues[N_FLOWS])
{
	for (unsigned i = 0; i < N_FLOWS; i++)
		queues[i] = queue_of(&mbufs[i]);
}

static void has_each_flow_its_queue(void **state)
{
	unsigned first[N_FLOWS], then[N_FLOWS];

	(void)state;
	make(FER_BATCH_MAX);
	send(FER_BATCH_MAX, NULL);
	expect_all_in_order(FER_BATCH_MAX);
	note_queues(first);
	for (unsigned k = 0; k < N_QUEUES; k++)
		assert_in_range(n_took[k], FER_BATCH_MAX / N_QUEUES / 2, FER_BATCH_MAX / 2);
	for (unsigned round = 0; round < 10; round++, now += SECOND) {
		send(FER_BATCH_MAX, NULL);
		expect_all_in_order(FER_BATCH_MAX);
		note_queues(then);
		assert_memory_equal(first, then, sizeof(first));
	}
	for (unsigned i = N_FLOWS; i < FER_BATCH_MAX; i++)
		assert_int_equal(queue_of(&mbufs[i]), first[i % N_FLOWS]);
	send(0, NULL);
	expect_all_in_order(0);
}

// A hash that is linear, as that of cards is, may tell neighbours apart in any bits of it.
static void have_queues_their_part_whichever_bits_differ(void **state)
{
	(void)state;
	make(N_FLOWS);
	for (unsigned shift = 0; shift <= 32 - 6; shift++) {
		for (unsigned flow = 0; flow < N_FLOWS; flow++)
			mbufs[flow].hash.rss = 0x2468ace0u ^ flow << shift;
		send(N_FLOWS, NULL);
		expect_all_in_order(N_FLOWS);
		for (unsigned k = 0; k < N_QUEUES; k++)
			assert_true(n_took[k] > N_FLOWS / N_QUEUES / 4);
	}
}

static void goes_what_has_no_flow_where_it_is_said(void **state)
{
	static bool is_rest[FER_BATCH_MAX];
	unsigned queue_of_flow[N_FLOWS];

	(void)state;
	make(FER_BATCH_MAX);
	send(N_FLOWS, NULL);
	note_queues(queue_of_flow);
	for (unsigned i = 0; i < FER_BATCH_MAX; i++) {
		is_rest[i] = i % 3 != 0;
		if (i % 6 == 0 || is_rest[i])
			mbufs[i].ol_flags = 0;
	}
	send(FER_BATCH_MAX, is_rest);
	expect_all_in_order(FER_BATCH_MAX);
	for (unsigned i = 0; i < FER_BATCH_MAX; i++)
		assert_int_equal(
			queue_of(&mbufs[i]), i % 6 < 3 ? 1 : queue_of_flow[(i - i % 3) % N_FLOWS]);
}

static void is_what_a_full_queue_leaves_told(void **state)
{
	static bool is_rest[FER_BATCH_MAX];
	unsigned n;

	(void)state;
	make(FER_BATCH_MAX);
	for (unsigned i = 0; i < FER_BATCH_MAX; i++)
		is_rest[i] = i % 2 != 0;
	send(FER_BATCH_MAX, is_rest);
	n = n_took[2];
	takes[2] = 5;
	send(FER_BATCH_MAX, is_rest);
	assert_int_equal(n_took[2], 5);
	assert_int_equal(n_unsent, n - 5);
	for (unsigned i = 0; i < n_unsent; i++)
		assert_int_equal(is_unsent_rest[i], (unsent[i] - mbufs) % 2);
	// It took something a moment ago: it is full, and no other has its flows.
	takes[2] = 0;
	send(FER_BATCH_MAX, is_rest);
	assert_int_equal(n_unsent, n);
	assert_int_equal(n_took[0] + n_took[1] + n_took[3], FER_BATCH_MAX - n);
}

static void is_a_queue_shut_that_nobody_reads(void **state)
{
	unsigned open[N_FLOWS], first[N_FLOWS], then[N_FLOWS];

	(void)state;
	make(FER_BATCH_MAX);
	send(FER_BATCH_MAX, NULL);
	note_queues(open);
	now += SECOND;
	takes[1] = takes[3] = 0; // its own is one of them
	mbufs[7].ol_flags = 0;
	send(FER_BATCH_MAX, NULL);
	// Queue 0 takes before 1 is asked, so both are known for what they are in one burst.
	assert_int_equal(n_took[0] + n_took[2], FER_BATCH_MAX);
	assert_int_equal(n_unsent, 0);
	send(FER_BATCH_MAX, NULL);
	expect_all_in_order(FER_BATCH_MAX);
	note_queues(first);
	assert_true(n_took[0] > 64 && n_took[2] > 64);
	for (unsigned i = 0; i < N_FLOWS; i++)
		assert_true(i == 7 || open[i] % 2 != 0 || first[i] == open[i]); // theirs alone move
	assert_int_equal(n_calls[1] + n_calls[3], 0);
	for (unsigned i = 0; i < 100; i++) {
		now += SECOND / 50;
		send(FER_BATCH_MAX, NULL);
		expect_all_in_order(FER_BATCH_MAX);
		note_queues(then);
		assert_memory_equal(first, then, sizeof(first));
		assert_true(n_calls[1] == 1 && n_calls[3] == 1); // each is offered one packet
	}
	takes[3] = UINT32_MAX;
	now += SECOND / 50;
	send(FER_BATCH_MAX, NULL);
	assert_int_equal(n_unsent, 0);
	assert_true(n_took[3] > FER_BATCH_MAX / 6); // it is open
	send(FER_BATCH_MAX, NULL);
	expect_all_in_order(FER_BATCH_MAX);
}

// The machine reads fewer queues than it did.
static void is_a_queue_shut_that_is_given_up(void **state)
{
	(void)state;
	make(FER_BATCH_MAX);
	send(FER_BATCH_MAX, NULL);
	takes[2] = 0;
	send(FER_BATCH_MAX, NULL);
	assert_true(n_unsent > 0);
	now += SECOND / 2;
	send(FER_BATCH_MAX, NULL);
	assert_true(n_unsent > 0);
	now += SECOND / 2;
	send(FER_BATCH_MAX, NULL);
	assert_int_equal(n_unsent, 0);
	expect_all_in_order(FER_BATCH_MAX);
}

// Nobody is there yet: none is shut for it, and when all are read all have their flows at once.
static void are_all_open_where_none_takes(void **state)
{
	(void)state;
	make(FER_BATCH_MAX);
	memset(takes, 0, sizeof(takes));
	for (unsigned i = 0; i < 5; i++, now += SECOND) {
		send(FER_BATCH_MAX, NULL);
		assert_int_equal(n_unsent, FER_BATCH_MAX);
	}
	memset(takes, 0xff, sizeof(takes));
	send(FER_BATCH_MAX, NULL);
	expect_all_in_order(FER_BATCH_MAX);
	for (unsigned k = 0; k < N_QUEUES; k++)
		assert_true(n_took[k] > FER_BATCH_MAX / 8);
}

static int open_one(void **state)
{
	(void)state;
	fer_spread_init(&spread, SECOND);
	for (unsigned k = 0; k < N_QUEUES; k++)
		fer_spread_add(&spread, queue_at(k));
	memset(takes, 0xff, sizeof(takes));
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, open_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_each_flow_its_queue),
		TEST(have_queues_their_part_whichever_bits_differ),
		TEST(goes_what_has_no_flow_where_it_is_said),
		TEST(is_what_a_full_queue_leaves_told),
		TEST(is_a_queue_shut_that_nobody_reads),
		TEST(is_a_queue_shut_that_is_given_up),
		TEST(are_all_open_where_none_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
