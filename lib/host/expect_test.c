// SPDX-License-Identifier: BSD-3-Clause
// What policies said of the flows of opened packets: is it found again, burst after burst, and held
// against nothing else?
#include "host/stages.h"

#include "support/ends.h"

#include <string.h>

#define SPI 0x1000u
#define N 4 // packets of a burst

static struct test_packet packet;

// Two tunnels or transports of a group each, to destinations 2 and 3, both ways.
static void open_two(uint8_t mode, uint8_t version)
{
	struct fer_policy_rule r[2];

	for (unsigned k = 0; k < RTE_DIM(r); k++) {
		const struct test_sa sa = {.spi = SPI + k,
			.mode = mode,
			.version = version,
			.grouped = true,
			.group = k,
			.dst = (uint8_t)(2 + k)};

		test_ends_add(&sa);
	}
	for (unsigned in = 0; in < 2; in++) {
		for (unsigned k = 0; k < RTE_DIM(r); k++) {
			r[k] = test_rule(in ? FER_IN : FER_OUT, FER_POLICY_PROTECT, 1);
			r[k].dst = (struct fer_prefix){
				test_addr(version, (uint8_t)(2 + k)), version == 4 ? 32 : 128};
			r[k].group[0] = k;
		}
		test_end_rules(in ? &test_ends.east : &test_ends.west, r, RTE_DIM(r));
	}
}

// Sends a burst of UDP to these destinations; what crosses the wire is left in the batch.
static void send(const uint8_t dst[N], uint8_t version, uint32_t payload)
{
	test_ends.batch.n = N;
	test_ends.batch.link = FER_LINK_RAW_IP;
	for (unsigned i = 0; i < N; i++) {
		const struct test_ip ip = {.version = version, .src = 1, .dst = dst[i]};

		test_packet_start(&packet, payload, 0);
		test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
		test_ends.batch.m[i] = test_mbuf(test_ends.pool, packet.bytes, packet.len);
	}
	test_ends_send();
	assert_int_equal(test_ends.batch.n, N);
}

static const struct fer_host_work *work(void)
{
	return test_ends.east.path.host.work;
}

static const uint8_t in_turn[N] = {2, 3, 2, 3}, of_one[N] = {2, 2, 2, 2};

static const struct {
	uint8_t mode, version;
} shapes[] = {{FER_TUNNEL, 4}, {FER_TUNNEL, 6}, {FER_TRANSPORT, 4}, {FER_TRANSPORT, 6}};

// Carries a burst from west to east, where all of it is accepted.
static void carry(const uint8_t dst[N], uint8_t version, uint32_t payload)
{
	send(dst, version, payload);
	test_ends.east.path.host.work->flow[0] = NULL;
	test_ends_receive();
	assert_int_equal(test_ends.batch.n, N);
	test_ends_drop();
}

static void are_flows_in_turn_asked_for_once(void **state)
{
	const unsigned s = *(const unsigned *)*state;

	open_two(shapes[s].mode, shapes[s].version);
	for (unsigned round = 0; round < 3; round++) {
		carry(in_turn, shapes[s].version, 100);
		assert_int_equal(work()->n, round == 0 ? N : 0); // of which policies were asked
	}
}

// Behind what comes off they end where more was before.
static void are_shortest_packets_accepted(void **state)
{
	const unsigned s = *(const unsigned *)*state;

	open_two(shapes[s].mode, shapes[s].version);
	for (unsigned round = 0; round < 3; round++)
		carry(in_turn, shapes[s].version, 8);
}

// One that is fetched for nothing costs a hash.
static void is_the_flow_of_the_burst_before_not_fetched(void **state)
{
	const unsigned s = *(const unsigned *)*state;

	open_two(shapes[s].mode, shapes[s].version);
	for (unsigned round = 0; round < 3; round++) {
		carry(of_one, shapes[s].version, 100);
		assert_int_equal(work()->flow[0] != NULL, round == 0);
	}
}

// A replay is one, whatever is noted with its flow.
static void is_a_packet_that_ends_meanwhile_left_alone(void **state)
{
	const unsigned s = *(const unsigned *)*state;
	struct fer_batch *b = &test_ends.batch;

	open_two(shapes[s].mode, shapes[s].version);
	for (unsigned round = 0; round < 3; round++) {
		send(in_turn, shapes[s].version, 100);
		rte_pktmbuf_free(b->m[2]);
		b->m[2] = rte_pktmbuf_copy(b->m[0], test_ends.pool, 0, UINT32_MAX);
		fer_path_in(&test_ends.east.path, b, 1, &test_ends.timed_out);
		for (unsigned i = 0; i < N; i++)
			test_assert_verdict(
				(enum fer_verdict)b->pkt[i].verdict, i == 2 ? FER_REPLAY : FER_OK);
		test_ends_drop();
	}
}

#define IN_SHAPE(test, shape)                                                                      \
	{                                                                                          \
#test " (" #shape ")", test, test_ends_open, test_ends_close,                      \
			(void *)(uintptr_t)&shape                                                  \
	}

int main(void)
{
	static const unsigned tunnel4 = 0, tunnel6 = 1, transport4 = 2, transport6 = 3;
	const struct CMUnitTest tests[] = {
		IN_SHAPE(are_flows_in_turn_asked_for_once, tunnel4),
		IN_SHAPE(are_flows_in_turn_asked_for_once, tunnel6),
		IN_SHAPE(are_flows_in_turn_asked_for_once, transport4),
		IN_SHAPE(are_flows_in_turn_asked_for_once, transport6),
		IN_SHAPE(are_shortest_packets_accepted, tunnel4),
		IN_SHAPE(are_shortest_packets_accepted, transport4),
		IN_SHAPE(is_the_flow_of_the_burst_before_not_fetched, tunnel4),
		IN_SHAPE(is_the_flow_of_the_burst_before_not_fetched, tunnel6),
		IN_SHAPE(is_the_flow_of_the_burst_before_not_fetched, transport4),
		IN_SHAPE(is_the_flow_of_the_burst_before_not_fetched, transport6),
		IN_SHAPE(is_a_packet_that_ends_meanwhile_left_alone, tunnel4),
		IN_SHAPE(is_a_packet_that_ends_meanwhile_left_alone, transport6),
	};

	return test_ends_main(tests, RTE_DIM(tests), "expect", 2048);
}
