// SPDX-License-Identifier: BSD-3-Clause
// Does every packet meet its policy, on the way out and on the way in?
#include "host/stages.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "proto/cksum.h"
#include "support/ends.h"

#include <string.h>

static struct test_packet packet;

// Destinations say what a packet should meet.
enum { PROTECTED = 20, NESTED, BYPASSED, DISCARDED, PORTS, NO_SA, HALF, UNKNOWN };

static struct fer_policy_rule rule_for(enum fer_direction direction, uint8_t dst,
	enum fer_policy_action action, unsigned n_groups, uint32_t first, uint32_t second)
{
	struct fer_policy_rule r = test_rule(direction, action, n_groups);

	r.dst = (struct fer_prefix){test_addr(4, dst), 32};
	r.group[0] = first;
	r.group[1] = second;
	return r;
}

// Groups 0 and 1 have SAs, 5 has none.
static unsigned make_rules(struct fer_policy_rule r[], enum fer_direction direction)
{
	unsigned n = 0;

	r[n++] = rule_for(direction, PROTECTED, FER_POLICY_PROTECT, 1, 0, 0);
	r[n++] = rule_for(direction, NESTED, FER_POLICY_PROTECT, 2, 0, 1);
	r[n++] = rule_for(direction, BYPASSED, FER_POLICY_BYPASS, 0, 0, 0);
	r[n++] = rule_for(direction, DISCARDED, FER_POLICY_DISCARD, 0, 0, 0);
	r[n] = rule_for(direction, PORTS, FER_POLICY_BYPASS, 0, 0, 0);
	r[n].protocol = FER_PROTO_UDP;
	r[n++].dport = (struct fer_port_range){53, 53};
	r[n++] = rule_for(direction, PORTS, FER_POLICY_BYPASS, 0, 0, 0);
	r[n++] = rule_for(direction, NO_SA, FER_POLICY_PROTECT, 1, 5, 0);
	r[n++] = rule_for(direction, HALF, FER_POLICY_PROTECT, 2, 0, 5);
	return n;
}

static void use_rules(void)
{
	struct fer_policy_rule r[32];
	unsigned n = make_rules(r, FER_OUT);

	test_end_rules(&test_ends.west, r, n + make_rules(r + n, FER_IN));
}

static uint64_t add(enum fer_direction direction, uint32_t group, uint8_t dst)
{
	static uint32_t last_spi = 0x1000;
	const struct test_sa sa = {.spi = last_spi + 1,
		.version = 4,
		.mode = FER_TUNNEL,
		.grouped = group != FER_NO_GROUP,
		.group = group,
		.dst = dst};

	last_spi = sa.spi;
	return test_sa_add(test_ends.west.sas, &sa, direction);
}

// Adds an inbound ESP in AH, of group 0.  Returns its handle.
//   ah  set to what the handle of the AH around it would be
static uint64_t add_bundle(uint64_t *ah)
{
	static const uint8_t key[FER_MAX_KEY_BYTES] = {7};
	const struct fer_sa_params params = {
		.direction = FER_IN,
		.mode = FER_TUNNEL,
		.spi = 0x9001,
		.src = test_addr(4, 2),
		.dst = test_addr(4, 1),
		.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"),
		.encryption_key = key,
		.ah = {.spi = 0x9002,
			.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha1-96"),
			.key = key},
		.replay_window = 64,
	};
	uint64_t handle = 0;

	assert_int_equal(fer_sa_add(test_ends.west.sas, &params, &handle, NULL), 0);
	const uint32_t index = fer_sa_get(test_ends.west.sas, handle)->partner;
	*ah = (uint64_t)fer_sa_at(test_ends.west.sas, index)->generation << 32 | index;
	return handle;
}

static void put(uint8_t dst, uint8_t protocol, uint16_t fragment)
{
	const struct test_ip ip = {.version = 4, .src = 9, .dst = dst, .fragment = fragment};

	test_packet_start(&packet, 32, 0);
	fer_store_be16(packet.bytes + 2, 4000); // destination port
	test_packet_put_ip(&packet, &ip, protocol);
	test_ends.batch.m[0] = test_mbuf(test_ends.pool, packet.bytes, packet.len);
	test_ends.batch.n = 1;
	test_ends.batch.link = FER_LINK_RAW_IP;
	fer_batch_parse(&test_ends.batch);
}

static enum fer_verdict done(void)
{
	rte_pktmbuf_free_bulk(test_ends.batch.m, test_ends.batch.n);
	test_ends.batch.n = 0;
	return test_ends.batch.pkt[0].verdict;
}

static void assert_verdict(enum fer_verdict is, enum fer_verdict want)
{
	assert_string_equal(fer_verdict_name(is), fer_verdict_name(want));
}

static enum fer_verdict select_one(uint8_t dst, uint16_t fragment)
{
	put(dst, FER_PROTO_UDP, fragment);
	fer_select_out(&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch);
	return done();
}

static void assert_handles(uint64_t first, uint64_t second)
{
	assert_int_equal(test_ends.batch.pkt[0].handle[0], first);
	assert_int_equal(test_ends.batch.pkt[0].handle[1], second);
}

// RFC 4301 section 5.1.
static void does_each_packet_get_what_its_policy_says(void **state)
{
	uint64_t a = add(FER_OUT, 0, 2), b = add(FER_OUT, 1, 2);

	(void)state;
	use_rules();
	assert_verdict(select_one(PROTECTED, 0), FER_OK);
	assert_handles(a, 0);
	assert_verdict(select_one(NESTED, 0), FER_OK);
	assert_handles(a, b);
	assert_verdict(select_one(BYPASSED, 0), FER_OK);
	assert_handles(0, 0);
	assert_verdict(select_one(DISCARDED, 0), FER_DISCARD);
	assert_verdict(select_one(UNKNOWN, 0), FER_NO_POLICY);
	assert_verdict(select_one(PORTS, 0), FER_OK);
}

// The link layer's padding stays with the link.
static void is_a_bypassed_packet_without_padding(void **state)
{
	(void)state;
	use_rules();
	for (unsigned round = 0; round < 6; round++) { // what a flow was noted with counts as well
		bool in = round >= 3;

		put(BYPASSED, FER_PROTO_UDP, 0);
		memset(rte_pktmbuf_append(test_ends.batch.m[0], 9), 0xee, 9);
		fer_batch_parse(&test_ends.batch);
		if (!in)
			fer_select_out(
				&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch);
		else
			fer_check_in(&test_ends.west.path.host, &test_ends.west.rules,
				&test_ends.batch, false);
		assert_handles(0, 0);
		test_assert_bytes(test_ends.batch.m[0], packet.bytes, packet.len);
		assert_verdict(done(), FER_OK);
	}
}

// Nothing that has to be protected leaves in the clear, or with one of two layers.
static void is_a_group_without_sa_the_end(void **state)
{
	(void)state;
	add(FER_OUT, 0, 2);
	use_rules();
	assert_verdict(select_one(NO_SA, 0), FER_NO_ACTIVE_SA);
	assert_verdict(select_one(HALF, 0), FER_NO_ACTIVE_SA);
}

static void is_the_active_sa_of_the_group_taken(void **state)
{
	uint64_t a = add(FER_OUT, 0, 2), b = add(FER_OUT, 0, 2);

	(void)state;
	use_rules();
	for (unsigned k = 0; k < 3; k++) { // once learnt, then noted
		select_one(PROTECTED, 0);
		assert_handles(a, 0);
	}
	assert_int_equal(fer_group_activate(test_ends.west.sas, b), 0);
	for (unsigned k = 0; k < 3; k++) {
		select_one(PROTECTED, 0);
		assert_handles(b, 0);
	}
	assert_int_equal(fer_group_activate(test_ends.west.sas, a), 0);
	select_one(PROTECTED, 0);
	assert_handles(a, 0);
	assert_int_equal(fer_group_activate(test_ends.west.sas, b), 0);
	assert_int_equal(fer_sa_remove(test_ends.west.sas, a), 0);
	select_one(PROTECTED, 0);
	assert_handles(b, 0);
	assert_int_equal(fer_sa_remove(test_ends.west.sas, b), 0);
	assert_verdict(select_one(PROTECTED, 0), FER_NO_ACTIVE_SA);
	assert_verdict(select_one(PROTECTED, 0), FER_NO_ACTIVE_SA);
	assert_int_equal(fer_sa_reclaim(test_ends.west.sas), 0);
	a = add(FER_OUT, 0, 2); // perhaps in a block of before
	select_one(PROTECTED, 0);
	assert_handles(a, 0);
}

// RFC 4301 section 7: a fragment could have any ports; the bypass behind must not get it.
static void does_a_fragment_stop_at_a_policy_with_ports(void **state)
{
	(void)state;
	add(FER_OUT, 0, 2);
	use_rules();
	assert_verdict(select_one(PORTS, 0x2000), FER_FRAGMENT_NEEDS_PORTS);
	assert_verdict(select_one(PORTS, 0x0010), FER_FRAGMENT_NEEDS_PORTS);
	assert_verdict(select_one(PROTECTED, 0x0010), FER_OK);
	assert_verdict(select_one(DISCARDED, 0x2000), FER_DISCARD);
}

struct frame {
	uint32_t len;
	uint8_t bytes[128];
};

// What becomes of packets, and where they go.
struct choice {
	enum fer_verdict verdict;
	uint64_t handle;
};

static void select_burst(
	const struct frame *const all[], unsigned n, enum fer_link link, struct choice chosen[])
{
	for (unsigned i = 0; i < n; i++)
		test_ends.batch.m[i] = test_mbuf(test_ends.pool, all[i]->bytes, all[i]->len);
	test_ends.batch.n = (uint16_t)n;
	test_ends.batch.link = (uint8_t)link;
	fer_batch_parse(&test_ends.batch);
	fer_select_out(&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch);
	for (unsigned i = 0; i < n; i++)
		chosen[i] = (struct choice){(enum fer_verdict)test_ends.batch.pkt[i].verdict,
			test_ends.batch.pkt[i].handle[0]};
	done();
}

// Of a packet alone, when nothing is known of any before it.
static struct choice select_alone(const struct frame *p, enum fer_link link)
{
	struct choice c;

	memset(test_ends.west.path.host.work->last, 0, sizeof(test_ends.west.path.host.work->last));
	select_burst((const struct frame *[]){p}, 1, link, &c);
	return c;
}

static void assert_choice(const struct choice *is, const struct choice *want)
{
	assert_verdict(is->verdict, want->verdict);
	assert_int_equal(is->handle, want->handle);
}

// Packets are told apart whatever stood before them, in this burst or in the last.
static void check_mixed(const struct frame *a, const struct frame *b, enum fer_link link)
{
	const struct frame *all[] = {a, b, b, a, a, b};
	const struct choice alone_a = select_alone(a, link), alone_b = select_alone(b, link);
	struct choice chosen[RTE_DIM(all)];

	for (unsigned round = 0; round < 3; round++)
		for (unsigned first = 0; first < 4; first++) {
			unsigned n = RTE_DIM(all) - 2 * first % 5;

			select_burst(all + RTE_DIM(all) - n, n, link, chosen);
			for (unsigned i = 0; i < n; i++)
				assert_choice(&chosen[i],
					all[RTE_DIM(all) - n + i] == a ? &alone_a : &alone_b);
		}
}

static void use_exact_rules(const struct frame *p, uint8_t version)
{
	const uint8_t *ports = p->bytes + FER_ETHER_HEADER_BYTES +
			       (version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES);
	const uint8_t bits = version == 4 ? 32 : 128;
	struct fer_policy_rule r[] = {
		test_rule(FER_OUT, FER_POLICY_PROTECT, 1),
		test_rule(FER_OUT, FER_POLICY_PROTECT, 1),
	};

	r[0].src = (struct fer_prefix){test_addr(version, 9), bits};
	r[0].dst = (struct fer_prefix){test_addr(version, PROTECTED), bits};
	r[0].protocol = FER_PROTO_UDP;
	r[0].sport.from = r[0].sport.to = fer_load_be16(ports);
	r[0].dport.from = r[0].dport.to = fer_load_be16(ports + 2);
	r[1].group[0] = 1;
	test_end_rules(&test_ends.west, r, RTE_DIM(r));
}

// Gives a packet of IPv4 the checksum that it should have.
static void sum(struct frame *p, uint8_t version)
{
	uint8_t *ip = p->bytes + FER_ETHER_HEADER_BYTES;

	if (version != 4)
		return;
	fer_store_be16(ip + 10, 0);
	fer_store_be16(ip + 10, fer_cksum(ip, FER_IPV4_HEADER_BYTES));
}

// Changes each bit from the EtherType to the ports.  Returns how many of those packets go by the
// rule for all others.
static unsigned change_every_bit(const struct frame *base, uint8_t version, uint64_t rest)
{
	const uint32_t end = FER_ETHER_HEADER_BYTES + (version == 4 ? 24 : 44);
	unsigned n = 0;

	for (uint32_t bit = 12 * 8; bit < end * 8; bit++) {
		struct frame other = *base;

		other.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		sum(&other, version);
		n += select_alone(&other, FER_LINK_ETHERNET).handle == rest;
		check_mixed(base, &other, FER_LINK_ETHERNET);
		check_mixed(&other, base, FER_LINK_ETHERNET);
	}
	return n;
}

// Two packets share a decision only if they are equal in all that selectors ask for.
static void is_every_bit_of_a_selector_looked_at(void **state)
{
	uint64_t exact = add(FER_OUT, 0, 2), rest = add(FER_OUT, 1, 2);

	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2) {
		const struct test_ip ip = {.version = version, .src = 9, .dst = PROTECTED};
		const unsigned addresses = version == 4 ? 2 * 32 : 2 * 128;
		struct frame base;

		test_packet_start(&packet, 32, 0);
		fer_store_be32(packet.bytes, 0x0fa01001); // ports
		test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
		test_packet_put_ethernet(&packet, 0);
		base.len = packet.len;
		memcpy(base.bytes, packet.bytes, packet.len);
		use_exact_rules(&base, version);
		assert_int_equal(select_alone(&base, FER_LINK_ETHERNET).handle, exact);
		assert_int_equal(change_every_bit(&base, version, rest),
			addresses + 32 + 8); // ports, protocol
	}
}

// Neighbours of one flow, of which one ended before, and one is let by.
static void is_a_neighbour_that_is_not_judged_left_alone(void **state)
{
	uint64_t a = add(FER_OUT, 0, 2);
	struct fer_batch *b = &test_ends.batch;

	(void)state;
	use_rules();
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 6; i-- > 0;) {
			put(PROTECTED, FER_PROTO_UDP, 0);
			b->m[i] = b->m[0];
		}
		b->n = 6;
		fer_batch_parse(b);
		b->pkt[1].verdict = FER_NO_ROOM;
		b->pkt[3].class = FER_CLASS_NONE + 1;
		fer_select_out(&test_ends.west.path.host, &test_ends.west.rules, b);
		for (unsigned i = 0; i < 6; i++) {
			assert_verdict(b->pkt[i].verdict, i == 1 ? FER_NO_ROOM : FER_OK);
			assert_int_equal(b->pkt[i].handle[0], i == 1 || i == 3 ? 0 : a);
		}
		done();
	}
}

static void does_what_is_no_sound_ip_end(void **state)
{
	(void)state;
	use_rules();
	for (unsigned in = 0; in < 2; in++)
		for (unsigned bad = 0; bad < 2; bad++) {
			put(BYPASSED, FER_PROTO_UDP, 0);
			if (bad == 1)
				rte_pktmbuf_mtod(test_ends.batch.m[0], uint8_t *)[10] ^= 1;
			else
				rte_pktmbuf_mtod(test_ends.batch.m[0], uint8_t *)[0] = 0;
			fer_batch_parse(&test_ends.batch);
			if (in == 0)
				fer_select_out(&test_ends.west.path.host, &test_ends.west.rules,
					&test_ends.batch);
			else
				fer_check_in(&test_ends.west.path.host, &test_ends.west.rules,
					&test_ends.batch, false);
			assert_verdict(done(), bad == 1 ? FER_BAD_IP : FER_NOT_IP);
		}
}

// Without policies.

static void does_the_only_sa_protect_all(void **state)
{
	uint64_t a = add(FER_OUT, FER_NO_GROUP, 2);

	(void)state;
	assert_verdict(select_one(UNKNOWN, 0), FER_NO_POLICY);
	test_ends.west.rules.only_sa = a;
	assert_verdict(select_one(UNKNOWN, 0), FER_OK);
	assert_handles(a, 0);
	assert_verdict(select_one(UNKNOWN, 0x2000), FER_OK);
	put(BYPASSED, FER_PROTO_UDP, 0);
	rte_pktmbuf_mtod(test_ends.batch.m[0], uint8_t *)[0] = 0;
	fer_batch_parse(&test_ends.batch);
	fer_select_out(&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch);
	assert_verdict(done(), FER_NOT_IP);
}

// The way in.

struct arrival {
	uint8_t dst;
	uint64_t outer, inner; // SAs that it came over, outermost first; 0: not
	enum fer_verdict want;
};

static struct fer_layer receipt_of(uint64_t handle)
{
	return (struct fer_layer){
		.sa = (uint32_t)handle, .generation = (uint32_t)(handle >> 32), .verified = 1};
}

static void came(unsigned i, const struct arrival *a)
{
	test_ends.batch.round[0][i] = receipt_of(a->outer);
	test_ends.batch.round[1][i] = receipt_of(a->inner);
	test_ends.batch.pkt[i].n_layers = (uint8_t)((a->outer != 0) + (a->inner != 0));
}

static enum fer_verdict check(const struct arrival *a)
{
	put(a->dst, FER_PROTO_UDP, 0);
	came(0, a);
	fer_check_in(&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch, false);
	return done();
}

// A burst of both, and of the first again, in which the fourth packet ended before.
//   are_marked  those that were opened like the one before say so
static void check_between(const struct arrival *a, const struct arrival *b, bool are_marked)
{
	const struct arrival *all[] = {a, b, b, b, b, a};
	struct rte_mbuf *m[RTE_DIM(all)];

	for (unsigned i = 0; i < RTE_DIM(all); i++) {
		put(all[i]->dst, FER_PROTO_UDP, 0);
		m[i] = test_ends.batch.m[0];
	}
	memcpy(test_ends.batch.m, m, sizeof(m));
	test_ends.batch.n = RTE_DIM(all);
	fer_batch_parse(&test_ends.batch);
	for (unsigned i = 0; i < RTE_DIM(all); i++)
		came(i, all[i]);
	for (unsigned i = 2; are_marked && b->outer != 0 && i < RTE_DIM(all) - 1; i++)
		test_ends.batch.pkt[i].like = FER_LIKE_OPENED;
	test_ends.batch.pkt[3].verdict = FER_REPLAY;
	fer_check_in(&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch, false);
	for (unsigned i = 0; i < RTE_DIM(all); i++)
		assert_verdict(test_ends.batch.pkt[i].verdict, i == 3 ? FER_REPLAY : all[i]->want);
	done();
}

// What was decided for the packet before, or in the burst before, is of other policies.
static void are_new_policies_seen_at_once(void **state)
{
	uint64_t a = add(FER_OUT, 0, 2), in = add(FER_IN, 0, 2);
	const struct arrival good = {.dst = PROTECTED, .outer = in};
	struct fer_policy_rule none[] = {
		rule_for(FER_OUT, PROTECTED, FER_POLICY_DISCARD, 0, 0, 0),
		rule_for(FER_OUT, BYPASSED, FER_POLICY_DISCARD, 0, 0, 0),
		rule_for(FER_IN, PROTECTED, FER_POLICY_DISCARD, 0, 0, 0),
	};

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		use_rules();
		for (unsigned k = 0; k < 3; k++) {
			assert_verdict(select_one(PROTECTED, 0), FER_OK);
			assert_handles(a, 0);
			assert_verdict(select_one(BYPASSED, 0), FER_OK);
			assert_verdict(check(&good), FER_OK);
		}
		test_end_rules(&test_ends.west, none, RTE_DIM(none));
		assert_verdict(select_one(BYPASSED, 0), FER_DISCARD);
		assert_verdict(select_one(BYPASSED, 0), FER_DISCARD);
		assert_verdict(select_one(PROTECTED, 0), FER_DISCARD);
		assert_handles(0, 0);
		assert_verdict(check(&good), FER_DISCARD);
	}
}

// RFC 4301 section 5.2.
static void does_a_packet_have_to_come_over_the_sas_of_its_policy(void **state)
{
	uint64_t a = add(FER_IN, 0, 1), b = add(FER_IN, 1, 1), other = add(FER_IN, 2, 1);
	uint64_t rekeyed = add(FER_IN, 0, 1), alone = add(FER_IN, FER_NO_GROUP, 1);
	uint64_t ah, bundle = add_bundle(&ah);
	const struct arrival cases[] = {
		{PROTECTED, a, 0, FER_OK},
		{PROTECTED, rekeyed, 0, FER_OK},
		{PROTECTED, 0, 0, FER_UNPROTECTED},
		{PROTECTED, b, 0, FER_POLICY_MISMATCH},
		{PROTECTED, a, b, FER_POLICY_MISMATCH},
		{PROTECTED, ah, bundle, FER_OK},
		{PROTECTED, ah, 0, FER_POLICY_MISMATCH}, // with nothing encrypted
		{PROTECTED, ah, b, FER_POLICY_MISMATCH},
		{PROTECTED, alone, 0, FER_NO_POLICY},
		{NESTED, b, a, FER_OK}, // the policy names the innermost first
		{NESTED, b, rekeyed, FER_OK},
		{NESTED, a, b, FER_POLICY_MISMATCH},
		{NESTED, a, 0, FER_POLICY_MISMATCH},
		{NESTED, b, 0, FER_POLICY_MISMATCH},
		{NESTED, b, other, FER_POLICY_MISMATCH},
		{NESTED, b, alone, FER_NO_POLICY},
		{NESTED, alone, a, FER_NO_POLICY},
		{NESTED, 0, 0, FER_UNPROTECTED},
		{BYPASSED, 0, 0, FER_OK},
		{BYPASSED, a, 0, FER_POLICY_MISMATCH},
		{DISCARDED, a, 0, FER_DISCARD},
		{DISCARDED, 0, 0, FER_DISCARD},
		{UNKNOWN, a, 0, FER_NO_POLICY},
		{UNKNOWN, 0, 0, FER_NO_POLICY},
		{PORTS, 0, 0, FER_OK},
	};

	(void)state;
	use_rules();
	for (unsigned i = 0; i < RTE_DIM(cases); i++)
		assert_verdict(check(&cases[i]), cases[i].want);
	for (unsigned i = 0; i < RTE_DIM(cases); i++)
		for (unsigned j = 0; j < RTE_DIM(cases); j++) {
			assert_verdict(check(&cases[i]), cases[i].want);
			assert_verdict(check(&cases[j]), cases[j].want);
			check_between(&cases[i], &cases[j], false);
			check_between(&cases[i], &cases[j], true);
		}
}

// A packet may have been opened by an SA that is being removed: its receipt has no generation, and
// nothing that was judged before is like it.
static void is_what_came_over_an_sa_that_leaves_judged_by_itself(void **state)
{
	uint64_t other = add(FER_IN, 1, 1), a = add(FER_IN, 0, 1);
	const struct arrival clear = {.dst = PROTECTED}, good = {.dst = PROTECTED, .outer = a};
	const struct arrival *before[] = {&clear, &good};

	(void)state;
	use_rules();
	assert_int_equal((uint32_t)other, 0); // a handle without generation is 0
	for (unsigned i = 0; i < 2 * RTE_DIM(before); i++) {
		uint64_t handle = i < 2 ? other : a;

		check(before[i % 2]);
		put(PROTECTED, FER_PROTO_UDP, 0);
		came(0, &(struct arrival){.outer = handle});
		test_ends.batch.round[0][0].generation = 0;
		fer_check_in(
			&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch, false);
		assert_verdict(done(), handle == a ? FER_OK : FER_POLICY_MISMATCH);
	}
}

static enum fer_verdict check_clear(uint8_t dst, uint8_t protocol)
{
	put(dst, protocol, 0);
	fer_check_in(&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch, false);
	return done();
}

// ESP and AH that nobody opened: to an end point of ours it is lost, else policy decides.
static void is_esp_without_sa_ours_or_somebody_elses(void **state)
{
	(void)state;
	add(FER_IN, 0, BYPASSED);
	use_rules();
	assert_verdict(check_clear(BYPASSED, FER_PROTO_ESP), FER_NO_SA);
	assert_verdict(check_clear(BYPASSED, FER_PROTO_AH), FER_NO_SA);
	assert_verdict(check_clear(BYPASSED, FER_PROTO_UDP), FER_OK);
	assert_verdict(check_clear(PORTS, FER_PROTO_ESP), FER_OK);
	assert_verdict(check_clear(DISCARDED, FER_PROTO_ESP), FER_DISCARD);
	assert_verdict(check_clear(PROTECTED, FER_PROTO_ESP), FER_UNPROTECTED);
	assert_verdict(check_clear(UNKNOWN, FER_PROTO_ESP), FER_NO_POLICY);
}

static void does_without_policies_pass_what_verified_alone(void **state)
{
	add(FER_IN, FER_NO_GROUP, 1);
	uint64_t a = add(FER_IN, FER_NO_GROUP, BYPASSED);

	(void)state;
	assert_verdict(check(&(struct arrival){.dst = UNKNOWN, .outer = a}), FER_OK);
	assert_verdict(check(&(struct arrival){.dst = UNKNOWN}), FER_NO_POLICY);
	assert_verdict(check_clear(BYPASSED, FER_PROTO_ESP), FER_NO_SA);
	assert_verdict(check_clear(UNKNOWN, FER_PROTO_ESP), FER_NO_POLICY);
}

// Headers in pieces are looked up like others.
static void do_cuts_not_matter(void **state)
{
	(void)state;
	add(FER_IN, 0, BYPASSED);
	use_rules();
	for (uint32_t cut = 1; cut < 50; cut++) {
		put(BYPASSED, FER_PROTO_ESP, 0);
		rte_pktmbuf_free(test_ends.batch.m[0]);
		test_ends.batch.m[0] =
			test_mbuf_cut(test_ends.pool, packet.bytes, packet.len, &cut, 1);
		fer_batch_parse(&test_ends.batch);
		fer_select_out(&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch);
		assert_verdict(test_ends.batch.pkt[0].verdict, FER_OK);
		fer_check_in(
			&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch, false);
		assert_verdict(done(), FER_NO_SA);
	}
}

static void is_a_packet_that_ended_left_alone(void **state)
{
	(void)state;
	use_rules();
	put(BYPASSED, FER_PROTO_UDP, 0);
	test_ends.batch.pkt[0].verdict = FER_REPLAY;
	fer_select_out(&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch);
	fer_check_in(&test_ends.west.path.host, &test_ends.west.rules, &test_ends.batch, false);
	assert_verdict(done(), FER_REPLAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ENDS(does_each_packet_get_what_its_policy_says),
		TEST_WITH_ENDS(is_a_bypassed_packet_without_padding),
		TEST_WITH_ENDS(is_a_group_without_sa_the_end),
		TEST_WITH_ENDS(is_the_active_sa_of_the_group_taken),
		TEST_WITH_ENDS(does_a_fragment_stop_at_a_policy_with_ports),
		TEST_WITH_ENDS(is_every_bit_of_a_selector_looked_at),
		TEST_WITH_ENDS(is_a_neighbour_that_is_not_judged_left_alone),
		TEST_WITH_ENDS(does_what_is_no_sound_ip_end),
		TEST_WITH_ENDS(does_the_only_sa_protect_all),
		TEST_WITH_ENDS(are_new_policies_seen_at_once),
		TEST_WITH_ENDS(does_a_packet_have_to_come_over_the_sas_of_its_policy),
		TEST_WITH_ENDS(is_what_came_over_an_sa_that_leaves_judged_by_itself),
		TEST_WITH_ENDS(is_esp_without_sa_ours_or_somebody_elses),
		TEST_WITH_ENDS(does_without_policies_pass_what_verified_alone),
		TEST_WITH_ENDS(do_cuts_not_matter),
		TEST_WITH_ENDS(is_a_packet_that_ended_left_alone),
	};

	return test_ends_main(tests, RTE_DIM(tests), "select", 2048);
}
