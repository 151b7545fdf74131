// SPDX-License-Identifier: BSD-3-Clause
#include "host/policy.h"

#include "support/eal.h"

#include <rte_malloc.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

// A packet as the classifier sees it.
struct packet {
	uint8_t ip[40];
	struct fer_frame frame;
};

#define ANY_PORTS                                                                                  \
	{                                                                                          \
		0, UINT16_MAX                                                                      \
	}

static uint64_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % n);
}

static struct fer_prefix prefix(const char *text)
{
	struct fer_prefix p;

	assert_true(fer_prefix_parse(text, &p));
	return p;
}

static struct fer_policy_rule rule(const char *src, const char *dst)
{
	return (struct fer_policy_rule){
		.direction = FER_OUT,
		.src = prefix(src),
		.dst = prefix(dst),
		.protocol = FER_PROTO_ANY,
		.sport = ANY_PORTS,
		.dport = ANY_PORTS,
		.icmp_type = -1,
		.action = FER_POLICY_BYPASS,
	};
}

static struct fer_policy_rule rule_ports(
	uint16_t protocol, struct fer_port_range sport, struct fer_port_range dport)
{
	struct fer_policy_rule r = rule("any", "any");

	r.protocol = protocol;
	r.sport = sport;
	r.dport = dport;
	return r;
}

static struct fer_policy_rule rule_type(uint16_t protocol, int16_t icmp_type)
{
	struct fer_policy_rule r = rule("any", "any");

	r.protocol = protocol;
	r.icmp_type = icmp_type;
	return r;
}

static bool protocol_has_ports(uint8_t protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 1 ||
	       protocol == 58;
}

static void set_addresses(struct packet *p, const struct fer_addr *src, const struct fer_addr *dst)
{
	bool is_v4 = src->version == 4;

	memset(p->ip, 0, sizeof(p->ip));
	p->ip[0] = is_v4 ? 0x45 : 0x60;
	memcpy(p->ip + (is_v4 ? 12 : 8), src->bytes, is_v4 ? 4 : 16);
	memcpy(p->ip + (is_v4 ? 16 : 24), dst->bytes, is_v4 ? 4 : 16);
	p->frame.version = src->version;
}

static struct packet packet(
	const char *src, const char *dst, uint8_t protocol, uint16_t sport, uint16_t dport)
{
	struct fer_prefix from = prefix(src), to = prefix(dst);
	struct packet p = {0};

	set_addresses(&p, &from.addr, &to.addr);
	p.frame.protocol = protocol;
	p.frame.sport = sport;
	p.frame.dport = dport;
	p.frame.has_ports = protocol_has_ports(protocol);
	return p;
}

static struct packet later_fragment(const char *src, const char *dst, uint8_t protocol)
{
	struct packet p = packet(src, dst, protocol, 0, 0);

	p.frame.has_ports = false;
	p.frame.fragment = FER_FRAGMENT | FER_FRAGMENT_LATER;
	return p;
}

static struct fer_policies *build(const struct fer_policy_rule *rules, uint32_t n)
{
	const char *why = "unset";
	int error = 1;
	struct fer_policies *p = fer_policies_build(rules, n, &error, &why);

	assert_non_null(p);
	assert_int_equal(error, 0);
	assert_null(why);
	assert_int_equal(fer_policies_count(p), n);
	return p;
}

struct answer {
	uint32_t rule;
	bool needs_ports;
};

static struct answer find_in(
	const struct fer_policies *p, enum fer_direction direction, const struct packet *packet)
{
	struct fer_policy_query query = {packet->ip, &packet->frame};
	struct answer a = {12345, true};

	fer_policies_find(p, direction, &query, 1, &a.rule, &a.needs_ports);
	return a;
}

static void assert_finds(
	const struct fer_policies *p, struct packet packet, uint32_t number, bool needs_ports)
{
	struct answer a = find_in(p, FER_OUT, &packet);

	assert_int_equal(a.rule, number);
	assert_int_equal(a.needs_ports, needs_ports);
}

// The reference: walks the list.

static bool is_extension(uint8_t protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 60;
}

static bool in_range(const struct fer_port_range *r, uint16_t port)
{
	return r->from <= port && port <= r->to;
}

static bool rule_names_ports(const struct fer_policy_rule *r)
{
	bool all = r->sport.from == 0 && r->sport.to == 65535 && r->dport.from == 0 &&
		   r->dport.to == 65535;

	if (r->protocol == 1 || r->protocol == 58)
		return r->icmp_type >= 0;
	return (r->protocol == 6 || r->protocol == 17 || r->protocol == 132) && !all;
}

static bool ports_match(const struct fer_policy_rule *r, const struct fer_frame *f)
{
	if (!rule_names_ports(r))
		return true;
	if (r->protocol == 1 || r->protocol == 58)
		return f->dport >> 8 == r->icmp_type;
	return in_range(&r->sport, f->sport) && in_range(&r->dport, f->dport);
}

static bool lacks_ports(const struct fer_frame *f)
{
	return f->fragment != 0 || (protocol_has_ports(f->protocol) && !f->has_ports);
}

static bool lacks_protocol(const struct fer_frame *f)
{
	return f->fragment != 0 && f->version == 6 && is_extension(f->protocol);
}

static bool rule_matches(const struct fer_policy_rule *r, const struct packet *p)
{
	const struct fer_frame *f = &p->frame;
	struct fer_addr src, dst;

	fer_ip_addresses(p->ip, &src, &dst);
	if (!fer_prefix_has(&r->src, &src) || !fer_prefix_has(&r->dst, &dst))
		return false;
	if (!lacks_protocol(f) && r->protocol != FER_PROTO_ANY && r->protocol != f->protocol)
		return false;
	return lacks_ports(f) || ports_match(r, f);
}

static struct answer reference(const struct fer_policy_rule *rules, uint32_t n,
	enum fer_direction direction, const struct packet *p)
{
	uint32_t best = FER_NO_RULE;

	for (uint32_t i = 0; i < n; i++)
		if (rules[i].direction == direction && rule_matches(&rules[i], p) &&
			(best == FER_NO_RULE || rules[i].priority < rules[best].priority))
			best = i;
	if (best == FER_NO_RULE)
		return (struct answer){best, false};
	return (struct answer){
		best, (lacks_ports(&p->frame) && rule_names_ports(&rules[best])) ||
			      (lacks_protocol(&p->frame) && rules[best].protocol != FER_PROTO_ANY)};
}

// Random rules and packets, from so few addresses that they meet.

static struct fer_addr random_addr(uint8_t version)
{
	struct fer_addr a = {.version = version};
	unsigned n = version == 4 ? 4 : 16;

	a.bytes[0] = version == 4 ? 10 : 0x20;
	for (unsigned i = 1; i < n; i++)
		a.bytes[i] = (uint8_t)(random_below(8) == 0 ? random_below(256) : random_below(3));
	return a;
}

static void clear_behind(struct fer_addr *a, unsigned len)
{
	for (unsigned bit = len; bit < 128; bit++)
		a->bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static struct fer_prefix random_prefix(uint8_t version)
{
	unsigned max = version == 4 ? 32 : 128;
	struct fer_prefix p = {.addr = random_addr(version)};

	p.len = (uint8_t)(random_below(4) == 0 ? random_below(max + 1)
					       : max - 8 * random_below(max / 8));
	clear_behind(&p.addr, p.len);
	return p;
}

static const uint8_t protocols[] = {1, 58, 6, 17, 132, 50, 47, 0, 60, 255};

static uint8_t random_protocol(void)
{
	return protocols[random_below(sizeof(protocols))];
}

static struct fer_port_range random_ports(void)
{
	static const struct fer_port_range some[] = {
		ANY_PORTS, {0, 0}, {65535, 65535}, {53, 53}, {1024, 65535}, {0, 1023}, {80, 443}};

	return some[random_below(sizeof(some) / sizeof(some[0]))];
}

static struct fer_policy_rule random_rule(void)
{
	uint8_t version = random_below(2) == 0 ? 4 : 6;
	struct fer_policy_rule r = rule("any", "any");

	r.direction = random_below(2) == 0 ? FER_OUT : FER_IN;
	r.priority = random_below(4) == 0 ? random_below(UINT32_MAX) : random_below(5);
	if (random_below(20) != 0)
		r.src = random_prefix(version);
	if (random_below(20) != 0)
		r.dst = random_prefix(version);
	if (random_below(3) == 0)
		return r;
	r.protocol = random_protocol();
	r.sport = random_ports();
	r.dport = random_ports();
	r.icmp_type = (int16_t)((int)random_below(10) - 1);
	return r;
}

static uint16_t random_port(void)
{
	static const uint16_t some[] = {0, 1, 52, 53, 54, 79, 80, 443, 444, 1023, 1024, 65535};

	return some[random_below(sizeof(some) / sizeof(some[0]))];
}

static struct packet random_packet(void)
{
	uint8_t version = random_below(2) == 0 ? 4 : 6;
	struct fer_addr src = random_addr(version), dst = random_addr(version);
	struct packet p = {0};

	set_addresses(&p, &src, &dst);
	p.frame.protocol = random_protocol();
	if (random_below(5) == 0)
		p.frame.fragment = FER_FRAGMENT;
	if (random_below(5) == 0)
		p.frame.fragment = FER_FRAGMENT | FER_FRAGMENT_LATER;
	if (version == 6 && is_extension(p.frame.protocol))
		p.frame.fragment = FER_FRAGMENT | FER_FRAGMENT_LATER;
	if ((p.frame.fragment & FER_FRAGMENT_LATER) != 0 || random_below(10) == 0)
		return p;
	if (!protocol_has_ports(p.frame.protocol))
		return p;
	p.frame.has_ports = true;
	p.frame.dport = random_below(2) == 0 ? random_port() : (uint16_t)(random_below(10) << 8);
	if (p.frame.protocol != 1 && p.frame.protocol != 58)
		p.frame.sport = random_port();
	return p;
}

// Looks a random burst up and compares; returns how many packets found a rule.
static unsigned check_burst(
	const struct fer_policies *p, const struct fer_policy_rule *rules, uint32_t n_rules)
{
	static struct packet packets[FER_POLICY_BURST];
	static struct fer_policy_query query[FER_POLICY_BURST];
	uint32_t found[FER_POLICY_BURST + 1];
	bool needs_ports[FER_POLICY_BURST + 1];
	enum fer_direction direction = random_below(2) == 0 ? FER_OUT : FER_IN;
	unsigned n = random_below(FER_POLICY_BURST + 1), hits = 0;

	for (unsigned i = 0; i < n; i++) {
		packets[i] = random_packet();
		query[i] = (struct fer_policy_query){packets[i].ip, &packets[i].frame};
	}
	found[n] = 4711;
	needs_ports[n] = true;
	fer_policies_find(p, direction, query, n, found, needs_ports);
	assert_int_equal(found[n], 4711);
	assert_true(needs_ports[n]);
	for (unsigned i = 0; i < n; i++) {
		struct answer a = reference(rules, n_rules, direction, &packets[i]);

		assert_int_equal(found[i], a.rule);
		assert_int_equal(needs_ports[i], a.needs_ports);
		hits += a.rule != FER_NO_RULE;
	}
	return hits;
}

static void check_random(uint32_t n_rules, unsigned bursts)
{
	struct fer_policy_rule *rules = calloc(n_rules + 1, sizeof(*rules));
	unsigned hits = 0;

	assert_non_null(rules);
	for (uint32_t i = 0; i < n_rules; i++)
		rules[i] = random_rule();
	struct fer_policies *p = build(rules, n_rules);

	for (unsigned i = 0; i < bursts; i++)
		hits += check_burst(p, rules, n_rules);
	assert_true(n_rules < 100 || hits > bursts * 10);
	fer_policies_destroy(p);
	free(rules);
}

static void does_it_find_what_a_walk_finds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		check_random(1 + random_below(40), 4);
	check_random(400, 40);
}

static size_t heap_in_use(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return stats.heap_allocsz_bytes;
}

// Rules with prefixes of two lengths each, and ports and types that bits can say: tables, no tries.
static struct fer_policy_rule random_pattern(const uint8_t len[2][2], uint8_t version)
{
	struct fer_policy_rule r = rule("any", "any");
	const bool has_protocol = random_below(2) == 0;

	r.direction = random_below(2) == 0 ? FER_OUT : FER_IN;
	r.priority = random_below(4);
	r.src = (struct fer_prefix){random_addr(version), len[0][has_protocol]};
	r.dst = (struct fer_prefix){random_addr(version), len[1][has_protocol]};
	clear_behind(&r.src.addr, r.src.len);
	clear_behind(&r.dst.addr, r.dst.len);
	if (!has_protocol)
		return r;
	r.protocol = random_protocol();
	r.icmp_type = (int16_t)((int)random_below(10) - 1);
	if (random_below(2) == 0)
		r.dport.from = r.dport.to = random_port();
	else if (random_below(2) == 0)
		r.dport.from = 1024 * (uint16_t)random_below(2), r.dport.to = r.dport.from + 1023;
	return r;
}

static void do_tables_find_what_a_walk_finds(void **state)
{
	enum { N = 600 };
	static struct fer_policy_rule rules[N];
	unsigned hits = 0;

	(void)state;
	for (unsigned k = 0; k < 60; k++) {
		uint8_t len[2][2];
		const uint32_t n = 1 + random_below(N);
		const size_t before = heap_in_use();

		for (unsigned i = 0; i < 4; i++)
			len[i / 2][i % 2] = (uint8_t)random_below(33);
		for (uint32_t i = 0; i < n; i++) {
			rules[i] = random_pattern(len, i % 2 == 0 ? 4 : 6);
			if (random_below(100) == 0)
				rules[i] = rule("any", "any");
		}
		struct fer_policies *p = build(rules, n);

		assert_int_equal(heap_in_use(), before);
		for (unsigned i = 0; i < 5; i++)
			hits += check_burst(p, rules, n);
		fer_policies_destroy(p);
	}
	assert_true(hits > 60 * 5 * 10);
}

static void do_5000_rules_work(void **state)
{
	(void)state;
	check_random(5000, 20);
}

// RFC 4301 section 4.4.1: the database is ordered.
static void does_priority_go_before_place(void **state)
{
	struct fer_policy_rule rules[] = {rule("10.0.0.0/8", "any"), rule("10.1.0.0/16", "any"),
		rule("10.1.1.0/24", "any"), rule("10.1.1.1", "any"), rule("any", "any")};

	(void)state;
	rules[0].priority = UINT32_MAX;
	rules[1].priority = 5;
	rules[2].priority = 5;
	rules[3].priority = 6;
	rules[4].priority = UINT32_MAX;
	struct fer_policies *p = build(rules, 5);

	assert_finds(p, packet("10.1.1.1", "1.1.1.1", 6, 1, 1), 1, false);
	assert_finds(p, packet("10.2.1.1", "1.1.1.1", 6, 1, 1), 0, false);
	assert_finds(p, packet("11.2.1.1", "1.1.1.1", 6, 1, 1), 4, false);
	assert_finds(p, packet("2001:db8::1", "2001:db8::2", 6, 1, 1), 4, false);
	assert_int_equal(fer_policies_rule(p, 3)->priority, 6);
	fer_policies_destroy(p);
}

static void do_all_prefix_lengths_work(void **state)
{
	static struct fer_policy_rule rules[129];
	struct packet p = packet("2001:db8::1", "::", 59, 0, 0);

	(void)state;
	for (unsigned v = 4; v <= 6; v += 2) {
		unsigned max = v == 4 ? 32 : 128;
		struct fer_addr a = {.version = (uint8_t)v}, zero = a;

		memset(a.bytes, 0xff, max / 8);
		for (unsigned len = 0; len <= max; len++) {
			rules[len] = rule("any", "any");
			rules[len].src = (struct fer_prefix){.addr = a, .len = (uint8_t)len};
			clear_behind(&rules[len].src.addr, len);
			rules[len].priority = 1000 - len;
		}
		struct fer_policies *policies = build(rules, max + 1);

		for (unsigned len = 0; len <= max; len++) {
			struct fer_addr one_off = a;

			if (len < max)
				one_off.bytes[len / 8] ^= (uint8_t)(0x80 >> len % 8);
			set_addresses(&p, &one_off, &zero);
			assert_finds(policies, p, len, false);
		}
		fer_policies_destroy(policies);
	}
}

static void do_any_and_versions_keep_apart(void **state)
{
	struct fer_policy_rule rules[] = {rule("10.0.0.0/8", "any"), rule("any", "2001:db8::/32"),
		rule("0.0.0.0/0", "0.0.0.0/0"), rule("::/0", "::/0"), rule("any", "any")};

	(void)state;
	struct fer_policies *p = build(rules, 5);

	assert_finds(p, packet("10.1.1.1", "1.1.1.1", 6, 1, 1), 0, false);
	assert_finds(p, packet("::1", "2001:db8::7", 6, 1, 1), 1, false);
	assert_finds(p, packet("1.1.1.1", "1.1.1.1", 6, 1, 1), 2, false);
	assert_finds(p, packet("::1", "::7", 6, 1, 1), 3, false);
	fer_policies_destroy(p);
}

static void do_ports_end_where_they_say(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t sport, dport;
		uint32_t rule;
	} cases[] = {
		{6, 1024, 53, 0},
		{6, 65535, 53, 0},
		{6, 1023, 53, FER_NO_RULE},
		{6, 1024, 52, FER_NO_RULE},
		{6, 1024, 54, FER_NO_RULE},
		{17, 1024, 53, FER_NO_RULE},
		{17, 0, 0, 1},
		{17, 0, 65535, 1},
		{17, 1, 0, FER_NO_RULE},
		{132, 65535, 65535, 2},
		{132, 65534, 65535, FER_NO_RULE},
		{132, 65535, 65534, FER_NO_RULE},
		{6, 53, 1024, FER_NO_RULE},
		{50, 0, 0, FER_NO_RULE},
	};
	struct fer_policy_rule rules[] = {
		rule_ports(
			6, (struct fer_port_range){1024, 65535}, (struct fer_port_range){53, 53}),
		rule_ports(17, (struct fer_port_range){0, 0}, (struct fer_port_range)ANY_PORTS),
		rule_ports(132, (struct fer_port_range){65535, 65535},
			(struct fer_port_range){65535, 65535}),
	};

	(void)state;
	struct fer_policies *p = build(rules, 3);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_finds(p,
			packet("1.1.1.1", "2.2.2.2", cases[i].protocol, cases[i].sport,
				cases[i].dport),
			cases[i].rule, false);
		assert_finds(p,
			packet("::1", "::2", cases[i].protocol, cases[i].sport, cases[i].dport),
			cases[i].rule, false);
	}
	fer_policies_destroy(p);
}

// Ends of a range that differ in all of their last bits, but are no block of ports that bits can
// say: 3 is 011, 4 is 100.
static void does_a_range_across_a_power_of_two_stay_one(void **state)
{
	static const struct fer_port_range ranges[] = {{3, 4}, {7, 8}, {1, 6}, {0x7fff, 0x8000}};

	(void)state;
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct fer_port_range *r = &ranges[i];
		struct fer_policy_rule rule = rule_ports(17, (struct fer_port_range)ANY_PORTS, *r);
		struct fer_policies *p = build(&rule, 1);

		for (uint16_t port = r->from - 1; port <= r->to + 1; port++)
			assert_finds(p, packet("1.1.1.1", "2.2.2.2", 17, 9, port),
				in_range(r, port) ? 0 : FER_NO_RULE, false);
		fer_policies_destroy(p);
	}
}

static void do_icmp_types_match_with_any_code(void **state)
{
	struct fer_policy_rule rules[] = {rule_type(1, 8), rule_type(1, 0), rule_type(58, 255),
		rule_type(58, -1), rule_type(17, 8)};

	(void)state;
	struct fer_policies *p = build(rules, 5);

	assert_finds(p, packet("1.1.1.1", "2.2.2.2", 1, 0, 0x0800), 0, false);
	assert_finds(p, packet("1.1.1.1", "2.2.2.2", 1, 0, 0x08ff), 0, false);
	assert_finds(p, packet("1.1.1.1", "2.2.2.2", 1, 0, 0x0000), 1, false);
	assert_finds(p, packet("1.1.1.1", "2.2.2.2", 1, 0, 0x00ff), 1, false);
	assert_finds(p, packet("1.1.1.1", "2.2.2.2", 1, 0, 0x0900), FER_NO_RULE, false);
	assert_finds(p, packet("1.1.1.1", "2.2.2.2", 1, 0, 0x07ff), FER_NO_RULE, false);
	assert_finds(p, packet("::1", "::2", 58, 0, 0xff00), 2, false);
	assert_finds(p, packet("::1", "::2", 58, 0, 0xff07), 2, false);
	assert_finds(p, packet("::1", "::2", 58, 0, 0x8000), 3, false);
	// A type means nothing with another protocol.
	assert_finds(p, packet("1.1.1.1", "2.2.2.2", 17, 9, 9), 4, false);
	assert_finds(p, later_fragment("1.1.1.1", "2.2.2.2", 17), 4, false);
	fer_policies_destroy(p);
}

static void do_directions_keep_apart(void **state)
{
	struct fer_policy_rule rules[] = {rule("any", "any"), rule("any", "any")};
	struct packet q = packet("1.1.1.1", "2.2.2.2", 6, 1, 1);

	(void)state;
	rules[0].direction = FER_IN;
	rules[0].protocol = 6;
	rules[0].dport = (struct fer_port_range){9, 9};
	struct fer_policies *p = build(rules, 2);

	assert_int_equal(find_in(p, FER_OUT, &q).rule, 1);
	assert_int_equal(find_in(p, FER_IN, &q).rule, FER_NO_RULE);
	q.frame.dport = 9;
	assert_int_equal(find_in(p, FER_IN, &q).rule, 0);
	q = later_fragment("1.1.1.1", "2.2.2.2", 6);
	assert_true(find_in(p, FER_IN, &q).needs_ports);
	assert_false(find_in(p, FER_OUT, &q).needs_ports);
	fer_policies_destroy(p);
}

// RFC 4301 section 7: a fragment has no ports to be asked for.
static void do_fragments_need_ports(void **state)
{
	struct fer_port_range all = ANY_PORTS, dns = {53, 53};
	struct fer_policy_rule rules[] = {rule_ports(17, all, dns), rule("10.0.0.0/8", "any"),
		rule_ports(6, all, dns), rule("any", "any"), rule_type(1, 8)};
	struct packet first = packet("10.0.0.1", "2.2.2.2", 17, 1, 80), cut = first;

	(void)state;
	rules[0].action = FER_POLICY_DISCARD;
	struct fer_policies *p = build(rules, 5);

	assert_finds(p, first, 1, false);
	first.frame.fragment = FER_FRAGMENT; // the ports are there, but count for nothing
	assert_finds(p, first, 0, true);
	assert_finds(p, later_fragment("10.0.0.1", "2.2.2.2", 17), 0, true);
	cut.frame.has_ports = false;
	assert_finds(p, cut, 0, true);
	// The first rule that may match decides, even if a later one names no ports.
	assert_finds(p, later_fragment("10.0.0.1", "2.2.2.2", 6), 1, false);
	assert_finds(p, later_fragment("11.0.0.1", "2.2.2.2", 6), 2, true);
	assert_finds(p, later_fragment("11.0.0.1", "2.2.2.2", 1), 3, false);
	assert_finds(p, later_fragment("11.0.0.1", "2.2.2.2", 50), 3, false);
	fer_policies_destroy(p);
}

// The protocol of a later IPv6 fragment that begins inside extension headers is not known.
static void do_fragments_without_protocol_need_it(void **state)
{
	struct fer_policy_rule rules[] = {rule("2001:db8::/32", "any"),
		rule_ports(6, (struct fer_port_range)ANY_PORTS, (struct fer_port_range)ANY_PORTS),
		rule("any", "any")};

	(void)state;
	rules[1].action = FER_POLICY_DISCARD;
	struct fer_policies *p = build(rules, 3);

	assert_finds(p, later_fragment("2001:db8::1", "::1", 60), 0, false);
	assert_finds(p, later_fragment("::1", "::1", 60), 1, true);
	assert_finds(p, later_fragment("::1", "::1", 6), 1, false);
	assert_finds(p, later_fragment("::1", "::1", 17), 2, false);
	assert_finds(p, later_fragment("1.1.1.1", "1.1.1.1", 60), 2, false);
	fer_policies_destroy(p);
}

static void is_no_rule_found_in_an_empty_set(void **state)
{
	struct packet q = packet("2001:db8::1", "::", 6, 1, 1);

	(void)state;
	struct fer_policies *p = build(NULL, 0);

	assert_finds(p, q, FER_NO_RULE, false);
	assert_finds(p, later_fragment("1.1.1.1", "2.2.2.2", 6), FER_NO_RULE, false);
	assert_int_equal(find_in(p, FER_IN, &q).rule, FER_NO_RULE);
	fer_policies_find(p, FER_IN, NULL, 0, NULL, NULL);
	fer_policies_destroy(p);
	fer_policies_destroy(NULL);
}

static void can_two_values_live_at_once(void **state)
{
	struct fer_policy_rule a[] = {rule("10.0.0.0/8", "any")};
	struct fer_policy_rule b[] = {rule("11.0.0.0/8", "any"), rule("10.0.0.0/8", "any")};
	struct packet q = packet("10.0.0.1", "2.2.2.2", 6, 1, 1);

	(void)state;
	struct fer_policies *p = build(a, 1), *r = build(b, 2);

	assert_finds(p, q, 0, false);
	assert_finds(r, q, 1, false);
	fer_policies_destroy(p);
	assert_finds(r, q, 1, false);
	fer_policies_destroy(r);
}

static void does_memory_stay_flat(void **state)
{
	struct fer_policy_rule rules[50];
	size_t before = heap_in_use();

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		rules[i] = random_rule();
	for (unsigned i = 0; i < 200; i++) {
		fer_policies_destroy(build(rules, 50));
		assert_int_equal(heap_in_use(), before);
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static long peak_megabytes(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss / 1024;
}

// As people write them: a pair of networks, now and then a service.
static struct fer_policy_rule tame_rule(uint32_t i, uint8_t version)
{
	static const uint16_t services[] = {22, 53, 80, 443, 5060, 8080};
	struct fer_policy_rule r = rule("any", "any");
	unsigned at = version == 4 ? 1 : 4;

	r.src = (struct fer_prefix){{.version = version}, version == 4 ? 24 : 48};
	r.dst = r.src;
	r.src.addr.bytes[0] = version == 4 ? 10 : 0x20;
	r.dst.addr.bytes[0] = r.src.addr.bytes[0] + 1;
	r.src.addr.bytes[at] = (uint8_t)(i >> 8);
	r.src.addr.bytes[at + 1] = (uint8_t)i;
	r.dst.addr.bytes[at] = (uint8_t)(i >> 4);
	r.dst.addr.bytes[at + 1] = (uint8_t)(i * 7);
	if (i % 4 != 0)
		return r;
	r.protocol = i % 8 == 0 ? 6 : 17;
	r.dport.from = r.dport.to = services[i / 8 % 6];
	return r;
}

static void do_10000_tame_rules_build_fast(void **state)
{
	enum { N = 10000 };
	struct fer_policy_rule *rules = calloc(N, sizeof(*rules));

	(void)state;
	assert_non_null(rules);
	for (uint8_t version = 4; version <= 6; version += 2) {
		size_t before = heap_in_use();
		double start = seconds();

		for (uint32_t i = 0; i < N; i++)
			rules[i] = tame_rule(i, version);
		struct fer_policies *p = build(rules, N);

		print_message("%u IPv%u rules: %.2f s, %zu KB, peak %ld MB\n", N, version,
			seconds() - start, (heap_in_use() - before) / 1024, peak_megabytes());
		struct packet q = packet("10.0.9.1", "11.0.63.1", 47, 0, 0);

		if (version == 4)
			assert_finds(p, q, 9, false);
		fer_policies_destroy(p);
		assert_int_equal(heap_in_use(), before);
	}
	free(rules);
}

static struct fer_port_range random_range(void)
{
	uint16_t a = (uint16_t)random_below(65536), b = (uint16_t)random_below(65536);

	return a < b ? (struct fer_port_range){a, b} : (struct fer_port_range){b, a};
}

// Prefixes of all lengths that overlap, each with two port ranges: what the classifier is worst at.
static struct fer_policy_rule wild_rule(void)
{
	struct fer_policy_rule r = rule("any", "any");

	r.src = r.dst = (struct fer_prefix){.addr.version = 4};
	for (unsigned i = 0; i < 4; i++) {
		r.src.addr.bytes[i] = (uint8_t)random_below(256);
		r.dst.addr.bytes[i] = (uint8_t)random_below(256);
	}
	r.src.len = (uint8_t)random_below(33);
	r.dst.len = (uint8_t)random_below(33);
	clear_behind(&r.src.addr, r.src.len);
	clear_behind(&r.dst.addr, r.dst.len);
	r.protocol = 6;
	r.sport = random_range();
	r.dport = random_range();
	return r;
}

// A packet that the rule is for, unless another one is for it, too.
static struct packet packet_for(const struct fer_policy_rule *r)
{
	struct packet p = {0};
	struct fer_addr src = r->src.addr, dst = r->dst.addr;

	src.bytes[3] |= (uint8_t)(r->src.len <= 24 ? random_below(256) : 0);
	dst.bytes[3] |= (uint8_t)(r->dst.len <= 24 ? random_below(256) : 0);
	set_addresses(&p, &src, &dst);
	p.frame.protocol = (uint8_t)r->protocol;
	p.frame.has_ports = random_below(4) != 0;
	if (p.frame.has_ports) {
		p.frame.sport = (uint16_t)random_below(65536);
		p.frame.dport = r->dport.from;
	}
	return p;
}

static void check_rules(const struct fer_policy_rule *rules, uint32_t n, unsigned n_packets)
{
	struct fer_policies *p = build(rules, n);

	for (unsigned i = 0; i < n_packets; i++) {
		struct packet q = packet_for(&rules[random_below(n)]);
		struct answer want = reference(rules, n, FER_OUT, &q);

		assert_finds(p, q, want.rule, want.needs_ports);
	}
	fer_policies_destroy(p);
}

// Takes all memory of the heap, in a list of blocks.
static void *take_what_is_left(void)
{
	void *list = NULL, **block;

	for (size_t size = 1 << 24; size >= 64; size /= 2)
		while ((block = rte_malloc(NULL, size, 0)) != NULL) {
			*block = list;
			list = block;
		}
	return list;
}

static void give_back(void *list)
{
	while (list != NULL) {
		void *next = *(void **)list;

		rte_free(list);
		list = next;
	}
}

static void do_10000_wild_rules_work(void **state)
{
	enum { N = 10000 };
	struct fer_policy_rule *rules = calloc(N, sizeof(*rules));

	(void)state;
	assert_non_null(rules);
	for (uint32_t i = 0; i < N; i++) {
		rules[i] = wild_rule();
		rules[i].priority = random_below(100);
	}
	double start = seconds();

	fer_policies_destroy(build(rules, N));
	print_message("%u wild rules: %.2f s\n", N, seconds() - start);
	check_rules(rules, N, 2000);
	check_rules(rules, 99, 1000); // so few go into tries
	free(rules);
}

// A wild rule that no random packet meets.
static struct fer_policy_rule distant_rule(unsigned i)
{
	struct fer_policy_rule r = rule_ports(
		6, (struct fer_port_range){60000, 60001}, (struct fer_port_range){60000, 60001});

	r.direction = i % 2 == 0 ? FER_OUT : FER_IN;
	r.src = prefix(i % 4 < 2 ? "192.0.2.1" : "3ffe::1");
	return r;
}

// Every selector, in every variant, of both versions.  The wild ones in front make boxes of all.
static void do_boxes_find_what_a_walk_finds(void **state)
{
	enum { N_WILD = 500, N = 1000 };
	static struct fer_policy_rule rules[N];

	(void)state;
	for (unsigned k = 0; k < 5; k++) {
		for (unsigned i = 0; i < N; i++)
			rules[i] = i < N_WILD ? distant_rule(i) : random_rule();
		struct fer_policies *p = build(rules, N);
		for (unsigned i = 0; i < 40; i++)
			check_burst(p, rules, N);
		fer_policies_destroy(p);
	}
}

static void do_rules_work_without_room_for_tries(void **state)
{
	struct fer_policy_rule rules[50];
	void *list = take_what_is_left();

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		rules[i] = wild_rule();
	check_rules(rules, 50, 200);
	give_back(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_it_find_what_a_walk_finds),
		cmocka_unit_test(do_tables_find_what_a_walk_finds),
		cmocka_unit_test(do_5000_rules_work),
		cmocka_unit_test(does_priority_go_before_place),
		cmocka_unit_test(do_all_prefix_lengths_work),
		cmocka_unit_test(do_any_and_versions_keep_apart),
		cmocka_unit_test(do_ports_end_where_they_say),
		cmocka_unit_test(does_a_range_across_a_power_of_two_stay_one),
		cmocka_unit_test(do_icmp_types_match_with_any_code),
		cmocka_unit_test(do_directions_keep_apart),
		cmocka_unit_test(do_fragments_need_ports),
		cmocka_unit_test(do_fragments_without_protocol_need_it),
		cmocka_unit_test(is_no_rule_found_in_an_empty_set),
		cmocka_unit_test(can_two_values_live_at_once),
		cmocka_unit_test(does_memory_stay_flat),
		cmocka_unit_test(do_10000_tame_rules_build_fast),
		cmocka_unit_test(do_10000_wild_rules_work),
		cmocka_unit_test(do_boxes_find_what_a_walk_finds),
		cmocka_unit_test(do_rules_work_without_room_for_tries),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
