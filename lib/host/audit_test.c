// SPDX-License-Identifier: BSD-3-Clause
// Does the control thread hear of every end in the life of an SA once, and of packets that RFC 4301
// to 4303 call auditable with their SPI, addresses and number?
#include "host/host.h"

#include "host/event.h"
#include "nic/oob.h"
#include "support/ends.h"

#include <string.h>

#define SPI 0x1000u
#define LAST UINT64_C(0xffffffff)
#define HZ UINT64_C(1000000000000000) // so that no test lasts as long as a token takes

static struct test_packet packet;
static struct fer_events *events;

static const struct test_sa tunnel = {
	.spi = SPI, .mode = FER_TUNNEL, .version = 4, .window = 64, .grouped = true};
static const struct test_sa transport = {.spi = SPI, .version = 4, .window = 64, .grouped = true};
static const struct test_ip ip4 = {.version = 4, .src = 5, .dst = 6};
static const struct test_ip ends = {.version = 4, .src = 1, .dst = 2};
static const struct test_ip ends6 = {.version = 6, .src = 1, .dst = 2, .flow_label = 0xabcde};

static uint64_t add(struct test_sa sa, enum fer_direction direction, uint64_t sequence,
	struct fer_lifetime lifetime)
{
	sa.sequence = sequence;
	sa.lifetime = lifetime;
	if (direction == FER_OUT)
		sa.window = 0;
	uint64_t handle = test_sa_add(test_ends.west.sas, &sa, direction);
	test_ends.west.rules.only_sa = direction == FER_OUT ? handle : 0;
	return handle;
}

static void put(unsigned i)
{
	test_ends.batch.m[i] = test_mbuf(test_ends.pool, packet.bytes, packet.len);
}

static void put_plain(unsigned i, const struct test_ip *ip)
{
	test_packet_start(&packet, 20, i);
	test_packet_put_ip(&packet, ip, FER_PROTO_UDP);
	put(i);
}

// A packet of 40 bytes in an ESP packet between the ends.
static void make_esp(const struct test_sa *sa, uint32_t spi, uint64_t seq, const struct test_ip *ip)
{
	struct oracle_sa oracle = test_sa_oracle(sa);
	bool is_tunnel = sa->mode == FER_TUNNEL;

	test_packet_start(&packet, 20, 1);
	if (is_tunnel)
		test_packet_put_ip(&packet, &ip4, FER_PROTO_UDP);
	test_packet_put_esp(&packet, &oracle, spi, seq, is_tunnel ? FER_PROTO_IPV4 : FER_PROTO_UDP);
	test_packet_seal(&packet, 0);
	test_packet_put_ip(&packet, ip, FER_PROTO_ESP);
}

static void run(unsigned n, enum fer_direction direction)
{
	uint64_t timed_out = 0;

	test_ends.batch.n = (uint16_t)n;
	test_ends.batch.link = FER_LINK_RAW_IP;
	if (direction == FER_OUT)
		fer_path_out(&test_ends.west.path, &test_ends.batch);
	else
		fer_path_in(&test_ends.west.path, &test_ends.batch, 0, &timed_out);
}

// The packets from first to last ended so; the rest of them went.
static void assert_end(unsigned first, unsigned last, enum fer_verdict v)
{
	for (unsigned i = 0; i < test_ends.batch.n; i++) {
		enum fer_verdict want = i >= first && i < last ? v : FER_OK;
		assert_string_equal(
			fer_verdict_name(test_ends.batch.pkt[i].verdict), fer_verdict_name(want));
	}
	rte_pktmbuf_free_bulk(test_ends.batch.m, test_ends.batch.n);
	test_ends.batch.n = 0;
}

static struct fer_event next(enum fer_event_kind kind)
{
	struct fer_event e;

	assert_true(fer_events_get(events, &e));
	assert_string_equal(fer_event_name(e.kind), fer_event_name(kind));
	assert_true(e.tsc != 0);
	return e;
}

static void no_more(void)
{
	struct fer_event e;

	if (fer_events_get(events, &e))
		fail_msg("%s more", fer_event_name(e.kind));
}

static void assert_sa(const struct fer_event *e, uint64_t handle, uint64_t number)
{
	assert_true(e->handle == handle);
	assert_int_equal(e->spi, SPI);
	assert_int_equal(e->protocol, FER_PROTO_ESP);
	assert_int_equal(e->number, number);
}

static void assert_addresses(const struct fer_event *e, const struct test_ip *ip)
{
	struct fer_addr src = test_addr(ip->version, ip->src),
			dst = test_addr(ip->version, ip->dst);

	assert_true(fer_addr_equal(&e->src, &src));
	assert_true(fer_addr_equal(&e->dst, &dst));
	assert_int_equal(e->flow_label, ip->flow_label);
}

static void expect_life(enum fer_event_kind kind, uint64_t handle, uint64_t number)
{
	struct fer_event e = next(kind);

	assert_sa(&e, handle, number);
	assert_addresses(&e, &ends);
}

// --- lives

static void is_a_limit_crossed_where_it_falls_in_a_burst(void **state)
{
	struct fer_lifetime l = {.soft_packets = 3, .hard_bytes = 5 * 40 + 39};
	uint64_t handle = add(tunnel, FER_OUT, 0, l);
	const struct fer_sa *sa = fer_sa_get(test_ends.west.sas, handle);

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		put_plain(i, &ip4);
	run(8, FER_OUT);
	assert_end(5, 8, FER_EXPIRED);
	expect_life(FER_EVENT_SOFT_LIFETIME, handle, 5); // numbers are taken with the counts
	expect_life(FER_EVENT_HARD_LIFETIME, handle, 5);
	no_more();
	assert_int_equal(fer_seq_last(&sa->out.seq), 5);
	assert_int_equal(fer_seq_packets(&sa->out.seq), 5);
	assert_int_equal(fer_seq_bytes(&sa->out.seq), 200);
	assert_int_equal(fer_sa_drops(test_ends.west.sas, sa, FER_EXPIRED), 3);
	put_plain(0, &ip4);
	run(1, FER_OUT);
	assert_end(0, 1, FER_EXPIRED);
	no_more();
	assert_int_equal(fer_seq_packets(&sa->out.seq), 5);
}

// Other packets between those of an SA make groups of them; its limit is one.
static void is_a_limit_one_for_all_groups(void **state)
{
	uint64_t a = add(tunnel, FER_OUT, 0, (struct fer_lifetime){.hard_packets = 3});
	struct test_sa other = tunnel;
	struct fer_policy_rule r[2];

	(void)state;
	other.spi = SPI + 1;
	other.group = 1;
	add(other, FER_OUT, 0, (struct fer_lifetime){0});
	r[0] = r[1] = test_rule(FER_OUT, FER_POLICY_PROTECT, 1);
	r[0].dst = (struct fer_prefix){test_addr(4, 6), 32};
	r[1].group[0] = 1;
	test_end_rules(&test_ends.west, r, 2);
	for (unsigned i = 0; i < 8; i++)
		put_plain(i, i % 2 == 0 ? &ip4 : &ends);
	run(8, FER_OUT);
	assert_int_equal(test_ends.batch.pkt[6].verdict, FER_EXPIRED);
	test_ends.batch.pkt[6].verdict = FER_OK;
	assert_end(0, 0, FER_OK);
	expect_life(FER_EVENT_HARD_LIFETIME, a, 3);
	no_more();
}

// The number of a packet that comes too late is used, and the packet is not.
static void does_an_inbound_sa_stop(void **state)
{
	uint64_t handle = add(tunnel, FER_IN, 0, (struct fer_lifetime){.hard_packets = 2});
	const struct fer_sa *sa = fer_sa_get(test_ends.west.sas, handle);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		make_esp(&tunnel, SPI, 10 + i, &ends);
		put(i);
	}
	run(4, FER_IN);
	assert_end(2, 4, FER_EXPIRED);
	expect_life(FER_EVENT_HARD_LIFETIME, handle, 13);
	no_more();
	assert_int_equal(sa->in.packets, 2);
	assert_int_equal(sa->in.bytes, 80);
	assert_int_equal(sa->in.replay.top, 13);
	assert_int_equal(fer_sa_drops(test_ends.west.sas, sa, FER_EXPIRED), 2);
	put(0); // the last again
	run(1, FER_IN);
	assert_end(0, 1, FER_REPLAY);
	next(FER_EVENT_AUDIT_REPLAY);
	make_esp(&tunnel, SPI, 14, &ends);
	put(0);
	run(1, FER_IN);
	assert_end(0, 1, FER_EXPIRED);
	no_more();
}

static void are_few_and_no_numbers_told(void **state)
{
	uint64_t low = (UINT64_C(1) << 32) - (UINT64_C(1) << 28);
	uint64_t handle = add(tunnel, FER_OUT, low - 2, (struct fer_lifetime){0});
	struct fer_sa *sa = fer_sa_get(test_ends.west.sas, handle);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		put_plain(0, &ip4);
		run(1, FER_OUT);
		assert_end(0, 0, FER_OK);
		if (i == 2)
			expect_life(FER_EVENT_SOFT_LIFETIME, handle, low + 1);
		no_more();
	}
	fer_seq_leave_out(&sa->out.seq, LAST - 3);
	for (unsigned i = 0; i < 5; i++)
		put_plain(i, &ip4);
	run(5, FER_OUT);
	assert_end(3, 5, FER_SEQ_EXHAUSTED);
	expect_life(FER_EVENT_SEQUENCE_EXHAUSTED, handle, LAST);
	assert_int_equal(fer_seq_packets(&sa->out.seq), 4 + 3);
	put_plain(0, &ip4);
	run(1, FER_OUT);
	assert_end(0, 1, FER_SEQ_EXHAUSTED);
	no_more();
	assert_int_equal(fer_seq_packets(&sa->out.seq), 4 + 3);
}

// What an outer SA refuses, the inner one did not protect.
static void is_it_given_back_to_the_inner_sa(void **state)
{
	struct test_sa outer = tunnel;
	struct fer_policy_rule r = test_rule(FER_OUT, FER_POLICY_PROTECT, 2);
	uint64_t inner = add(transport, FER_OUT, 0, (struct fer_lifetime){.hard_packets = 9});
	const struct fer_sa *sa = fer_sa_get(test_ends.west.sas, inner);

	(void)state;
	outer.spi = SPI + 1;
	outer.group = 1;
	add(outer, FER_OUT, 0, (struct fer_lifetime){.hard_packets = 2});
	test_end_rules(&test_ends.west, &r, 1);
	for (unsigned i = 0; i < 3; i++)
		put_plain(i, &ends);
	run(3, FER_OUT);
	assert_end(2, 3, FER_EXPIRED);
	assert_int_equal(fer_seq_packets(&sa->out.seq), 2);
	assert_int_equal(fer_seq_bytes(&sa->out.seq), 80);
	assert_int_equal(fer_sa_drops(test_ends.west.sas, sa, FER_EXPIRED), 0);
	assert_int_equal(next(FER_EVENT_HARD_LIFETIME).spi, SPI + 1);
	no_more();
}

static void does_a_full_ring_leave_it_to_be_found(void **state)
{
	uint64_t handle = add(
		tunnel, FER_OUT, 0, (struct fer_lifetime){.soft_packets = 1, .hard_packets = 2});
	struct fer_sa_notice notices[6];
	uint32_t cursor = 0;

	(void)state;
	fer_events_destroy(events);
	events = test_ends.west.path.host.events = fer_events_create(1, HZ);
	for (unsigned i = 0; i < 3; i++)
		put_plain(i, &ip4);
	run(3, FER_OUT);
	assert_end(2, 3, FER_EXPIRED);
	assert_int_equal(fer_events_lost(events, FER_EVENT_HARD_LIFETIME), 1);
	assert_true(fer_sa_tell(
		test_ends.west.sas, next(FER_EVENT_SOFT_LIFETIME).handle, FER_LIFE_SOFT));
	unsigned n = 0;
	while (cursor < fer_sa_capacity(test_ends.west.sas))
		n += fer_sa_untold(test_ends.west.sas, &cursor, notices + n, 2);
	assert_int_equal(n, 1);
	assert_true(notices[0].handle == handle && notices[0].what == FER_LIFE_HARD);
}

// --- packets

static void expect_audit(enum fer_event_kind kind, enum fer_verdict v, uint64_t handle,
	uint64_t number, const struct test_ip *ip)
{
	struct fer_event e = next(kind);

	assert_sa(&e, handle, number);
	assert_addresses(&e, ip);
	assert_int_equal(e.verdict, v);
	no_more();
}

static void is_a_packet_without_sa_told_with_what_it_shows(void **state)
{
	const struct test_sa there[] = {{.spi = SPI + 1, .mode = FER_TUNNEL, .version = 4},
		{.spi = SPI + 2, .mode = FER_TUNNEL, .version = 6}};

	(void)state;
	test_sa_add(test_ends.west.sas, &there[0], FER_IN);
	test_sa_add(test_ends.west.sas, &there[1], FER_IN);
	make_esp(&tunnel, SPI, 77, &ends);
	put(0);
	run(1, FER_IN);
	assert_end(0, 1, FER_NO_SA);
	expect_audit(FER_EVENT_AUDIT_NO_SA, FER_NO_SA, 0, 77, &ends);
	make_esp(&tunnel, SPI, 78, &ends6);
	put(0);
	run(1, FER_IN);
	assert_end(0, 1, FER_NO_SA);
	expect_audit(FER_EVENT_AUDIT_NO_SA, FER_NO_SA, 0, 78, &ends6);
}

static void is_a_short_packet_without_sa_told(void **state)
{
	const struct test_sa there = {.spi = SPI + 1, .mode = FER_TUNNEL, .version = 4};

	(void)state;
	test_sa_add(test_ends.west.sas, &there, FER_IN);
	test_packet_start(&packet, 7, 1);
	test_packet_put_ip(&packet, &ends, FER_PROTO_ESP);
	put(0);
	run(1, FER_IN);
	assert_end(0, 1, FER_NO_SA);
	struct fer_event e = next(FER_EVENT_AUDIT_NO_SA);
	assert_addresses(&e, &ends);
	assert_int_equal(e.spi, 0);
	assert_int_equal(e.protocol, FER_PROTO_ESP);
	no_more();
}

static void is_a_forgery_told(void **state)
{
	uint64_t handle = add(tunnel, FER_IN, 0, (struct fer_lifetime){0});

	(void)state;
	make_esp(&tunnel, SPI, 5, &ends);
	packet.bytes[packet.len - 1] ^= 1;
	put(0);
	run(1, FER_IN);
	assert_end(0, 1, FER_BAD_ICV);
	expect_audit(FER_EVENT_AUDIT_BAD_ICV, FER_BAD_ICV, handle, 5, &ends);
}

static void is_a_replay_told_from_both_questions(void **state)
{
	uint64_t handle = add(tunnel, FER_IN, 0, (struct fer_lifetime){0});

	(void)state;
	make_esp(&tunnel, SPI, 5, &ends);
	put(0);
	put(1);
	run(2, FER_IN);
	assert_end(1, 2, FER_REPLAY);
	expect_audit(FER_EVENT_AUDIT_REPLAY, FER_REPLAY, handle, 5, &ends);
	put(0);
	run(1, FER_IN);
	assert_end(0, 1, FER_REPLAY);
	expect_audit(FER_EVENT_AUDIT_REPLAY, FER_REPLAY, handle, 5, &ends);
}

// The addresses are those of the packet inside: they are what does not match.
static void is_a_packet_told_that_its_policy_does_not_expect(void **state)
{
	uint64_t handle = add(tunnel, FER_IN, 0, (struct fer_lifetime){0});
	struct fer_policy_rule r = test_rule(FER_IN, FER_POLICY_PROTECT, 1);

	(void)state;
	r.group[0] = 1;
	test_end_rules(&test_ends.west, &r, 1);
	make_esp(&tunnel, SPI, 5, &ends);
	put(0);
	run(1, FER_IN);
	assert_end(0, 1, FER_POLICY_MISMATCH);
	expect_audit(FER_EVENT_AUDIT_POLICY, FER_POLICY_MISMATCH, handle, 5, &ip4);

	put_plain(0, &ip4);
	run(1, FER_IN);
	assert_end(0, 1, FER_UNPROTECTED);
	struct fer_event e = next(FER_EVENT_AUDIT_POLICY);
	assert_addresses(&e, &ip4);
	assert_true(e.handle == 0 && e.spi == 0 && e.protocol == FER_PROTO_UDP);
	no_more();
}

static void is_a_fragment_told_that_cannot_be_protected(void **state)
{
	struct test_ip fragment = ends;
	uint64_t handle = add(transport, FER_OUT, 8, (struct fer_lifetime){0});

	(void)state;
	fragment.fragment = 0x2000;
	test_packet_start(&packet, 24, 1);
	test_packet_put_ip(&packet, &fragment, FER_PROTO_UDP);
	put(0);
	run(1, FER_OUT);
	assert_end(0, 1, FER_TRANSPORT_FRAGMENT);
	expect_audit(FER_EVENT_AUDIT_FRAGMENT, FER_TRANSPORT_FRAGMENT, handle, 0, &ends);
}

// What the host sends without a policy is no affair of the auditor's.
static void is_the_rest_not_told(void **state)
{
	struct fer_policy_rule r = test_rule(FER_OUT, FER_POLICY_DISCARD, 0);

	(void)state;
	put_plain(0, &ip4);
	run(1, FER_OUT);
	assert_end(0, 1, FER_NO_POLICY);
	test_end_rules(&test_ends.west, &r, 1);
	put_plain(0, &ip4);
	run(1, FER_OUT);
	assert_end(0, 1, FER_DISCARD);
	no_more();
}

static void is_a_flood_told_in_few_words(void **state)
{
	(void)state;
	add(tunnel, FER_IN, 0, (struct fer_lifetime){0});
	for (unsigned round = 0; round < 10; round++) {
		make_esp(&tunnel, SPI, 5, &ends);
		packet.bytes[packet.len - 1] ^= 1;
		for (unsigned i = 0; i < 100; i++)
			put(i);
		run(100, FER_IN);
		assert_end(0, 100, FER_BAD_ICV);
	}
	for (unsigned i = 0; i < FER_AUDIT_BURST; i++)
		next(FER_EVENT_AUDIT_BAD_ICV);
	no_more();
}

static int open_one(void **state)
{
	(void)test_ends_open(state);
	events = test_ends.west.path.host.events = fer_events_create(64, HZ);
	return events == NULL ? -1 : 0;
}

static int close_one(void **state)
{
	fer_events_destroy(events);
	return test_ends_close(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_a_limit_crossed_where_it_falls_in_a_burst),
		TEST(is_a_limit_one_for_all_groups),
		TEST(does_an_inbound_sa_stop),
		TEST(are_few_and_no_numbers_told),
		TEST(is_it_given_back_to_the_inner_sa),
		TEST(does_a_full_ring_leave_it_to_be_found),
		TEST(is_a_packet_without_sa_told_with_what_it_shows),
		TEST(is_a_short_packet_without_sa_told),
		TEST(is_a_forgery_told),
		TEST(is_a_replay_told_from_both_questions),
		TEST(is_a_packet_told_that_its_policy_does_not_expect),
		TEST(is_a_fragment_told_that_cannot_be_protected),
		TEST(is_the_rest_not_told),
		TEST(is_a_flood_told_in_few_words),
	};

	return test_ends_main(tests, RTE_DIM(tests), "audit", 2048);
}
