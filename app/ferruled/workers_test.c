// SPDX-License-Identifier: BSD-3-Clause
// Do workers carry packets both ways, count every one of them, and follow orders?
#include "two_pairs.h"

#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define NS_PER_MS UINT64_C(1000000)

static struct two_pairs world;
static struct test_packet packet;

// A frame with an IPv4 packet of that length in it.
static void make_frame(uint32_t len, bool df)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2, .df = df};

	test_packet_start(&packet, len - FER_IPV4_HEADER_BYTES, 7);
	test_packet_put_ip(&packet, &ip, 253);
	test_packet_put_ethernet(&packet, 0);
}

static void put(enum end end, unsigned n)
{
	two_pairs_put(&world, end, packet.bytes, packet.len, n);
}

static void assert_comes_out(enum end end, unsigned n)
{
	assert_int_equal(two_pairs_take(&world, end, packet.bytes, packet.len, n), n);
}

static uint64_t sum_of(const struct fer_outcomes *o)
{
	uint64_t sum = 0;

	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		sum += o->packets[v];
	return sum;
}

static void check_both_ways(unsigned n_workers, const char *more)
{
	two_pairs_open(&world, two_pairs_document(more), n_workers, 1024);
	two_pairs_start(&world);
	for (unsigned round = 0; round < 20; round++) {
		make_frame(46 + 70 * round, false);
		put(EAST, 100);
		put(WEST, 50);
		assert_comes_out(WEST, 100);
		assert_comes_out(EAST, 50);
	}
	for (enum end e = EAST; e <= WEST; e++) {
		uint64_t n = e == EAST ? 2000 : 1000;
		struct fer_port_counters host = two_pairs_await(&world, e, FER_HOST_SIDE, n);
		struct fer_port_counters wire = two_pairs_await(&world, e, FER_WIRE_SIDE, 3000 - n);

		assert_int_equal(host.rx_packets, n);
		assert_int_equal(host.outcomes.packets[FER_OK], n);
		assert_int_equal(wire.tx_packets, n);
		assert_true(wire.tx_bytes > host.rx_bytes);
		assert_int_equal(wire.outcomes.packets[FER_OK], 3000 - n);
		assert_int_equal(host.tx_packets, 3000 - n);
	}
	two_pairs_close(&world);
}

static void one_worker_carries_packets_both_ways(void **state)
{
	(void)state;
	check_both_ways(1, "");
}

// A packet that is alone is a burst of its own, and naps between packets lose none.
static void one_packet_waits_for_no_other(void **state)
{
	const struct timespec longer_than_polling = {.tv_nsec = NS_PER_MS};

	(void)state;
	two_pairs_open(&world, two_pairs_document(""), 1, 1024);
	two_pairs_start(&world);
	make_frame(100, false);
	for (unsigned round = 0; round < 100; round++) {
		put(EAST, 1);
		assert_comes_out(WEST, 1);
		if (round % 2 == 0)
			nanosleep(&longer_than_polling, NULL);
	}
	two_pairs_close(&world);
}

static void two_workers_share_the_queues(void **state)
{
	(void)state;
	check_both_ways(2, ", queues: 2");
}

static void a_port_that_is_full_costs_its_packets_and_no_others(void **state)
{
	(void)state;
	two_pairs_open(&world, two_pairs_document(""), 1, 64);
	two_pairs_start(&world);
	make_frame(100, false);
	put(EAST, 300);
	struct fer_port_counters wire = two_pairs_await(&world, WEST, FER_WIRE_SIDE, 300);
	assert_int_equal(wire.rx_packets, 300);
	assert_int_equal(wire.outcomes.packets[FER_OK], 63);
	assert_int_equal(wire.outcomes.packets[FER_TX_FULL], 237);
	assert_int_equal(sum_of(&wire.outcomes), 300);
	struct fer_port_counters host = two_pairs_count(&world, WEST, FER_HOST_SIDE);
	assert_int_equal(host.tx_packets, 63);
	assert_int_equal(host.tx_bytes, 63 * packet.len);
	assert_comes_out(WEST, 63);
	put(WEST, 10);
	assert_comes_out(EAST, 10);
	put(EAST, 10);
	assert_comes_out(WEST, 10);
	two_pairs_close(&world);
}

static void what_is_longer_than_the_mtu_is_not_sent(void **state)
{
	(void)state;
	two_pairs_open(&world, two_pairs_document(""), 1, 1024);
	two_pairs_start(&world);
	make_frame(1500, true);
	put(EAST, 3);
	make_frame(1400, true);
	put(EAST, 2);
	assert_comes_out(WEST, 2);
	struct fer_port_counters host = two_pairs_await(&world, EAST, FER_HOST_SIDE, 5);
	assert_int_equal(host.outcomes.made, 3); // which tell the sender
	assert_int_equal(two_pairs_take(&world, EAST, NULL, 0, 3), 3);
	assert_int_equal(host.outcomes.packets[FER_TOO_BIG], 3);
	assert_int_equal(host.outcomes.packets[FER_OK], 2);
	two_pairs_close(&world);
}

static void what_may_be_cut_leaves_in_fragments(void **state)
{
	(void)state;
	two_pairs_open(&world, two_pairs_document(""), 1, 1024);
	two_pairs_start(&world);
	make_frame(1500, false);
	put(EAST, 200);
	assert_comes_out(WEST, 200);
	struct fer_port_counters host = two_pairs_await(&world, EAST, FER_HOST_SIDE, 200);
	assert_int_equal(host.outcomes.packets[FER_OK], 200);
	assert_int_equal(host.outcomes.fragments, 200);
	struct fer_port_counters wire = two_pairs_await(&world, WEST, FER_WIRE_SIDE, 400);
	assert_int_equal(wire.rx_packets, 400);
	assert_int_equal(wire.outcomes.packets[FER_FRAGMENT_HELD], 200);
	assert_int_equal(wire.outcomes.packets[FER_OK], 200);
	two_pairs_close(&world);
}

// --- for an external host ---------------------------------------------------------------------

#define N_SENDS 400
#define N_SEGMENTS 4
#define MSS 500
#define STATUS_AT (14 + 4)
#define SLOT_2_AT (14 + 32)

// A send request with a TCP packet that becomes N_SEGMENTS; its length.
static uint32_t make_large_send(uint8_t *frame)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

	test_packet_start(&packet, 20 + N_SEGMENTS * MSS, 7);
	packet.bytes[12] = 0x50;
	test_packet_put_ip(&packet, &ip, FER_PROTO_TCP);
	test_packet_put_ethernet(&packet, 0);
	memset(frame, 0, 14 + 56);
	memcpy(frame, packet.bytes, 12);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	frame[14] = 1;  // version
	frame[16] = 56; // length
	frame[SLOT_2_AT] = MSS & 0xff;
	frame[SLOT_2_AT + 1] = MSS >> 8;
	frame[SLOT_2_AT + 3] = 0x40; // version 2
	memcpy(frame + 14 + 56, packet.bytes + 12, packet.len - 12);
	return packet.len + 2 + 56;
}

// Takes the completions; how many of them say so.
static unsigned take_completions(uint32_t status)
{
	unsigned n = 0;
	void *m = NULL;

	for (unsigned i = 0; i < N_SENDS; i++) {
		assert_int_equal(rte_ring_dequeue(world.host[EAST].out, &m), 0);
		const uint8_t *frame = rte_pktmbuf_mtod((struct rte_mbuf *)m, uint8_t *);
		uint32_t is, slot;

		memcpy(&is, frame + STATUS_AT, sizeof(is));
		memcpy(&slot, frame + SLOT_2_AT, sizeof(slot));
		assert_int_equal(slot, 1u << 30);
		assert_true(is == 0 || is == status);
		n += is == status;
		rte_pktmbuf_free(m);
	}
	return n;
}

// The wire takes segments more slowly than they are made: a send of which not all fit has failed,
// whatever of it is on its way, and nothing is left of it.
static void a_large_send_that_does_not_fit_has_failed(void **state)
{
	static uint8_t frame[14 + 56 + 2 + 20 + 20 + N_SEGMENTS * MSS];
	uint32_t len = make_large_send(frame);

	(void)state;
	two_pairs_open(&world,
		"pairs:\n"
		"- {name: east, mode: oob, completions: all, host: {port: net_ring_east_host},"
		" wire: {port: net_ring_east_wire, mtu: 1400}}\n"
		"- {name: west, mode: oob, host: {port: net_ring_west_host},"
		" wire: {port: net_ring_west_wire, mtu: 1400}}\n",
		1, 1024);
	two_pairs_put(&world, EAST, frame, len, N_SENDS);
	two_pairs_start(&world);
	struct fer_port_counters host = two_pairs_await(&world, EAST, FER_HOST_SIDE, N_SENDS);
	struct fer_port_counters wire = two_pairs_count(&world, EAST, FER_WIRE_SIDE);
	const uint64_t *outcomes = host.outcomes.packets;

	assert_int_equal(host.tx_packets, N_SENDS);
	assert_true(outcomes[FER_TX_FULL] > 0);
	assert_int_equal(outcomes[FER_OK] + outcomes[FER_TX_FULL], N_SENDS);
	assert_int_equal(take_completions(0xC000009A), outcomes[FER_TX_FULL]);
	assert_true(wire.tx_packets > outcomes[FER_OK] * N_SEGMENTS); // one was cut short
	assert_true(wire.tx_packets < (uint64_t)N_SENDS * N_SEGMENTS);
	wire = two_pairs_await(&world, WEST, FER_WIRE_SIDE, wire.tx_packets);
	two_pairs_take(&world, WEST, NULL, 0, (unsigned)wire.outcomes.packets[FER_OK]);
	assert_int_equal(rte_mempool_in_use_count(world.pool), 0);
	two_pairs_close(&world);
}

// Both pairs, of which the first has sent five packets to the second.
static void open_and_send_five(void)
{
	two_pairs_open(&world, two_pairs_document(""), 1, 1024);
	two_pairs_start(&world);
	make_frame(100, false);
	put(EAST, 5);
	assert_comes_out(WEST, 5);
}

static void workers_at_rest_take_nothing(void **state)
{
	(void)state;
	open_and_send_five();
	assert_true(fer_workers_quiesce(&world.workers));
	put(EAST, 5);
	struct timespec some = {.tv_nsec = 50 * NS_PER_MS};
	nanosleep(&some, NULL);
	assert_int_equal(rte_ring_count(world.host[EAST].in), 5);
	two_pairs_close(&world);
}

static void a_worker_that_stands_still_is_told_once(void **state)
{
	struct fer_workers *ws = &world.workers;

	(void)state;
	two_pairs_open(&world, two_pairs_document(""), 1, 1024);
	assert_int_equal(fer_workers_watch(ws, 0, 1000 * NS_PER_MS), FER_WORKER_SAME);
	assert_int_equal(fer_workers_watch(ws, 0, 1999 * NS_PER_MS), FER_WORKER_SAME);
	assert_int_equal(fer_workers_watch(ws, 0, 2000 * NS_PER_MS), FER_WORKER_STALLED);
	assert_int_equal(fer_workers_watch(ws, 0, 9000 * NS_PER_MS), FER_WORKER_SAME);
	two_pairs_start(&world);
	make_frame(100, false);
	put(EAST, 1);
	assert_comes_out(WEST, 1);
	assert_int_equal(fer_workers_watch(ws, 0, 9001 * NS_PER_MS), FER_WORKER_MOVES);
	assert_int_equal(fer_workers_watch(ws, 0, 9002 * NS_PER_MS), FER_WORKER_SAME);
	two_pairs_close(&world);
}

// Runs what the control thread runs from time to time, until nothing waits any more.
static void let_grace_pass(void)
{
	const struct timespec ms = {.tv_nsec = NS_PER_MS};

	for (unsigned i = 0; i < 5000; i++) {
		unsigned left = fer_sa_reclaim(world.pair[EAST].sas);

		if (!fer_grace_poll(&world.grace) && left == 0)
			return;
		nanosleep(&ms, NULL);
	}
	fail_msg("the workers do not pass quiescent states");
}

// Seven more go nowhere, and what was removed is given back.
static void assert_seven_find_no_sa(void)
{
	put(EAST, 7);
	struct fer_port_counters host = two_pairs_await(&world, EAST, FER_HOST_SIDE, 12);
	assert_int_equal(host.outcomes.packets[FER_NO_ACTIVE_SA], 7);
	let_grace_pass();
}

static void an_sa_that_is_removed_sends_nothing(void **state)
{
	struct fer_pair *p = &world.pair[EAST];

	(void)state;
	open_and_send_five();
	struct fer_pair_sa *sa = fer_pair_find_sa(p, "east-out");
	uint64_t handle = sa->handle;
	assert_ptr_equal(fer_pair_sa_of(p, handle), sa);
	assert_int_equal(fer_pair_remove_sa(p, handle), 0);
	assert_int_equal(fer_pair_remove_sa(p, handle), -ENOENT);
	assert_null(fer_pair_find_sa(p, "east-out"));
	assert_null(fer_pair_sa_of(p, handle));
	assert_seven_find_no_sa();
	assert_int_equal(fer_sa_count(p->sas), 1);
	two_pairs_close(&world);
}

static void a_pair_whose_sas_are_removed_keeps_no_key(void **state)
{
	static const uint8_t zero[16];
	struct fer_pair *p = &world.pair[EAST];

	(void)state;
	open_and_send_five();
	assert_int_equal(fer_sa_count(p->sas), 2);
	const struct fer_sa *sa = fer_sa_get(p->sas, fer_pair_find_sa(p, "east-out")->handle);
	const uint8_t *key = (const uint8_t *)fer_sa_key(sa);
	assert_memory_not_equal(key, zero, sizeof(zero));
	fer_pair_remove_sas(p, 1);
	assert_int_equal(fer_sa_count(p->sas), 1); // others are served before the next
	fer_pair_remove_sas(p, 1);
	assert_null(fer_pair_find_sa(p, "east-out"));
	assert_null(fer_pair_find_sa(p, "east-in"));
	assert_seven_find_no_sa();
	assert_int_equal(fer_sa_count(p->sas), 0);
	assert_memory_equal(key, zero, sizeof(zero));
	fer_pair_remove_sas(p, 1); // of nothing
	two_pairs_close(&world);
}

static void new_rules_hold_from_now_on(void **state)
{
	struct fer_pair *p = &world.pair[EAST];
	const struct fer_named_policy none = {.name = "none",
		.rule = {.direction = FER_OUT,
			.protocol = FER_PROTO_ANY,
			.sport = {0, 65535},
			.dport = {0, 65535},
			.icmp_type = -1,
			.action = FER_POLICY_DISCARD}};
	const char *why = "";
	int error;

	(void)state;
	open_and_send_five();
	struct fer_rules *r = fer_rules_create(&p->groups, &p->rules->settings, &none, 1, &error);
	assert_non_null(r);
	assert_int_equal(fer_rules_build(r, &why), 0);
	fer_pair_publish(p, r);
	put(EAST, 6);
	struct fer_port_counters host = two_pairs_await(&world, EAST, FER_HOST_SIDE, 11);
	assert_int_equal(host.outcomes.packets[FER_DISCARD], 6);
	let_grace_pass();
	two_pairs_close(&world);
}

static void a_pair_without_policies_lets_nothing_by(void **state)
{
	char text[2048];
	const char *end = strstr(two_pairs_document(""), "policies:");

	(void)state;
	snprintf(text, sizeof(text), "%.*s", (int)(end - two_pairs_document("")),
		two_pairs_document(""));
	two_pairs_open(&world, text, 1, 1024);
	two_pairs_start(&world);
	make_frame(100, false);
	put(EAST, 5);
	struct fer_port_counters host = two_pairs_await(&world, EAST, FER_HOST_SIDE, 5);
	assert_int_equal(host.outcomes.packets[FER_NO_POLICY], 5);
	two_pairs_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_carries_packets_both_ways),
		cmocka_unit_test(one_packet_waits_for_no_other),
		cmocka_unit_test(two_workers_share_the_queues),
		cmocka_unit_test(a_port_that_is_full_costs_its_packets_and_no_others),
		cmocka_unit_test(what_is_longer_than_the_mtu_is_not_sent),
		cmocka_unit_test(what_may_be_cut_leaves_in_fragments),
		cmocka_unit_test(a_large_send_that_does_not_fit_has_failed),
		cmocka_unit_test(workers_at_rest_take_nothing),
		cmocka_unit_test(a_worker_that_stands_still_is_told_once),
		cmocka_unit_test(an_sa_that_is_removed_sends_nothing),
		cmocka_unit_test(a_pair_whose_sas_are_removed_keeps_no_key),
		cmocka_unit_test(new_rules_hold_from_now_on),
		cmocka_unit_test(a_pair_without_policies_lets_nothing_by),
	};

	two_pairs_eal(2, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
