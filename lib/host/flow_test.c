// SPDX-License-Identifier: BSD-3-Clause
#include "host/flow.h"

#include "base/bytes.h"
#include "support/eal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N 400 // more than one chunk of any stage
#define N_RULES 6

struct packet {
	uint8_t ip[40];
	struct fer_frame frame;
};

static struct packet packets[N];
static struct fer_policy_query query[N];

static unsigned n_asked; // packets that the classifier saw

void __real_fer_policies_find(const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query *q, unsigned n, uint32_t rule[], bool needs_ports[]);
void __wrap_fer_policies_find(const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query *q, unsigned n, uint32_t rule[], bool needs_ports[]);

void __wrap_fer_policies_find(const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query *q, unsigned n, uint32_t rule[], bool needs_ports[])
{
	n_asked += n;
	__real_fer_policies_find(p, direction, q, n, rule, needs_ports);
}

static uint64_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % n);
}

// Rules of which every selector decides for some packets; first says which one goes first.
static struct fer_policies *build(unsigned first)
{
	static const char *const dst[N_RULES] = {
		"10.0.0.0/31", "10.0.0.0/30", "2001:db8::/127", "2001:db8::4/126", "any", "any"};
	struct fer_policy_rule rules[N_RULES];
	const char *why;
	int error;

	for (unsigned i = 0; i < N_RULES; i++) {
		rules[i] = (struct fer_policy_rule){
			.direction = i == 4 ? FER_IN : FER_OUT,
			.priority = (i + N_RULES - first) % N_RULES,
			.protocol = i % 2 == 0 ? FER_PROTO_UDP : FER_PROTO_ANY,
			.sport = {0, UINT16_MAX},
			.dport = {i % 2 == 0 ? 2 : 0, UINT16_MAX},
			.icmp_type = -1,
			.action = FER_POLICY_BYPASS,
		};
		assert_true(fer_prefix_parse(dst[i], &rules[i].dst));
	}
	struct fer_policies *p = fer_policies_build(rules, N_RULES, &error, &why);
	assert_non_null(p);
	return p;
}

// Few values of everything, so that packets differ in one of them only.
static void make_packets(void)
{
	static const uint8_t protocols[] = {
		FER_PROTO_UDP, FER_PROTO_TCP, FER_PROTO_ESP, FER_PROTO_DSTOPTS};
	static const uint8_t fragments[] = {0, 0, FER_FRAGMENT, FER_FRAGMENT | FER_FRAGMENT_LATER};

	for (unsigned i = 0; i < N; i++) {
		struct packet *p = &packets[i];
		bool v4 = random_below(2) == 0;

		memset(p, 0, sizeof(*p));
		p->ip[v4 ? 15 : 23] = (uint8_t)random_below(2);
		fer_store_be32(p->ip + (v4 ? 16 : 24), v4 ? 0x0a000000 : 0x20010db8);
		p->ip[v4 ? 19 : 39] = (uint8_t)random_below(8);
		p->frame.version = v4 ? 4 : 6;
		p->frame.protocol = protocols[random_below(4)];
		p->frame.fragment = fragments[random_below(4)];
		p->frame.has_ports = p->frame.protocol <= FER_PROTO_UDP && random_below(4) != 0;
		p->frame.sport = p->frame.has_ports ? (uint16_t)random_below(3) : 0;
		p->frame.dport = p->frame.has_ports ? (uint16_t)random_below(4) : 0;
		query[i] = (struct fer_policy_query){p->ip, &p->frame};
	}
}

static void assert_same(struct fer_flows *f, const struct fer_policies *p,
	enum fer_direction direction, unsigned first, unsigned n)
{
	uint32_t got[N], want[N];
	bool got_needs[N], want_needs[N];

	fer_flows_find(f, p, direction, query + first, n, got, got_needs);
	for (unsigned i = 0; i < n; i++) { // the classifier takes 256 at most
		fer_policies_find(p, direction, query + first + i, 1, &want[i], &want_needs[i]);
		assert_int_equal(got[i], want[i]);
		assert_int_equal(got_needs[i], want_needs[i]);
	}
}

static void does_it_answer_like_the_classifier(void **state)
{
	struct fer_flows *f = fer_flows_create(0);
	struct fer_policies *p = build(0);

	(void)state;
	assert_non_null(f);
	for (unsigned k = 0; k < 50; k++) {
		make_packets();
		assert_same(f, p, FER_OUT, 0, N);
		assert_same(f, p, FER_IN, 0, N); // the same flows the other way
		assert_same(f, p, FER_OUT, random_below(N / 2), random_below(N / 2));
	}
	fer_policies_destroy(p);
	fer_flows_destroy(f);
}

// A new value may stand where the old one stood.
static void does_it_forget_with_the_policies(void **state)
{
	struct fer_flows *f = fer_flows_create(0);

	(void)state;
	assert_non_null(f);
	make_packets();
	for (unsigned first = 0; first < 4 * N_RULES; first++) {
		struct fer_policies *p = build(first % N_RULES);

		assert_same(f, p, FER_OUT, 0, N);
		assert_same(f, p, FER_OUT, 0, N);
		fer_policies_destroy(p);
	}
	fer_flows_destroy(f);
}

// Two values can be in force in turn, as during a change.
static void do_two_values_keep_apart(void **state)
{
	struct fer_flows *f = fer_flows_create(0);
	struct fer_policies *a = build(0), *b = build(1);

	(void)state;
	assert_non_null(f);
	make_packets();
	for (unsigned k = 0; k < 4; k++)
		assert_same(f, k % 2 == 0 ? a : b, FER_OUT, 0, N);
	fer_policies_destroy(a);
	fer_policies_destroy(b);
	fer_flows_destroy(f);
}

// Many more flows than there is room for.
static void does_it_survive_a_flood(void **state)
{
	struct fer_flows *f = fer_flows_create(0);
	struct fer_policies *p = build(0);

	(void)state;
	assert_non_null(f);
	make_packets();
	for (unsigned k = 0; k < 200; k++) {
		for (unsigned i = 0; i < N; i++)
			fer_store_be32(packets[i].ip + 12, random_below(1u << 30));
		assert_same(f, p, FER_OUT, 0, N);
	}
	fer_policies_destroy(p);
	fer_flows_destroy(f);
}

// Asks for that many flows, which differ in their addresses alone.  Returns how many of them the
// classifier was asked for.
static unsigned ask_for(
	struct fer_flows *f, const struct fer_policies *p, uint8_t version, uint32_t n)
{
	struct fer_frame frame = {.version = version, .protocol = FER_PROTO_ESP};
	uint32_t rule;
	bool needs;

	n_asked = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t ip[40] = {0};
		const struct fer_policy_query q = {ip, &frame};

		fer_store_be32(ip + (version == 4 ? 12 : 20), 0x0a000000 + i);
		fer_flows_find(f, p, FER_OUT, &q, 1, &rule, &needs);
	}
	return n_asked;
}

static void is_an_established_flow_asked_for_once(void **state)
{
	enum { N_FLOWS = 10000 };
	struct fer_flows *f = fer_flows_create(0);
	struct fer_policies *p = build(0);

	(void)state;
	assert_non_null(f);
	for (uint8_t version = 4; version <= 6; version += 2) {
		assert_int_equal(ask_for(f, p, version, N_FLOWS), N_FLOWS);
		// Where too many meet by chance, one goes for the other.
		assert_true(ask_for(f, p, version, N_FLOWS) < N_FLOWS / (version == 4 ? 100 : 6));
	}
	fer_policies_destroy(p);
	fer_flows_destroy(f);
}

// Also where nobody asked for so many: a classifier of selectors that overlap costs ten times what
// everything else does.
static void is_there_room_for_many_flows(void **state)
{
	static const struct {
		uint32_t asked_for, n, known_per_cent;
	} rows[] = {{0, 100000, 99}, {262144, 262144, 98}};
	struct fer_policies *p = build(0);

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fer_flows *f = fer_flows_create(rows[i].asked_for);

		assert_non_null(f);
		(void)ask_for(f, p, 4, rows[i].n);
		assert_true(ask_for(f, p, 4, rows[i].n) <
			    rows[i].n / 100 * (100 - rows[i].known_per_cent));
		fer_flows_destroy(f);
	}
	fer_policies_destroy(p);
}

static void is_a_run_of_a_flow_asked_for_once(void **state)
{
	struct fer_flows *f = fer_flows_create(0);
	struct fer_policies *p = build(0);

	(void)state;
	assert_non_null(f);
	make_packets();
	for (unsigned i = 1; i < 64; i++)
		packets[i] = packets[0];
	n_asked = 0;
	assert_same(f, p, FER_OUT, 0, 64);
	assert_int_equal(n_asked, 1 + 64); // and those that it was compared with
	fer_policies_destroy(p);
	fer_flows_destroy(f);
}

static uint64_t note_of(struct fer_flows *f, const struct fer_policies *p,
	enum fer_direction direction, const struct fer_policy_query *q)
{
	uint32_t rule;
	bool needs;

	fer_flows_find(f, p, direction, q, 1, &rule, &needs);
	return fer_flow_note(f, direction, *q, fer_flow_expect(f, direction, *q));
}

// What stands with a flow is that of no other flow, direction or value of the policies.
static void does_a_note_stay_with_its_flow(void **state)
{
	struct fer_flows *f = fer_flows_create(0);
	struct fer_policies *a = build(0), *b = build(0);

	(void)state;
	assert_non_null(f);
	for (unsigned k = 0; k < 200; k++) {
		make_packets();
		uint64_t mark = UINT64_MAX - k;
		for (unsigned i = 1; i < N; i++)
			(void)note_of(f, a, i % 2 == 0 ? FER_OUT : FER_IN, &query[i]);
		(void)note_of(f, a, FER_OUT, &query[0]);
		fer_flows_note(f, a, FER_OUT, &query[0], mark);
		assert_true(note_of(f, a, FER_OUT, &query[0]) == mark);
		assert_true(note_of(f, a, FER_IN, &query[0]) != mark);
		for (unsigned i = 1; i < N; i++)
			if (note_of(f, a, FER_OUT, &query[i]) == mark) {
				assert_int_equal(query[i].frame->version, query[0].frame->version);
				assert_int_equal(query[i].frame->dport, query[0].frame->dport);
				assert_memory_equal(
					query[i].ip, query[0].ip, sizeof(packets[0].ip));
			}
	}
	fer_flows_note(f, b, FER_OUT, &query[0], 1); // of policies that were not asked
	assert_true(note_of(f, b, FER_OUT, &query[0]) == 0);
	fer_flows_note(f, b, FER_OUT, &query[0], 2);
	assert_true(note_of(f, b, FER_OUT, &query[0]) == 2);
	assert_true(note_of(f, a, FER_OUT, &query[0]) == 0);
	fer_policies_destroy(a);
	fer_policies_destroy(b);
	fer_flows_destroy(f);
}

// Wherever a flow came to stand: in either place of its line, or in one beside it.
static void are_notes_found_in_every_place(void **state)
{
	enum { N_FLOWS = 300000 };
	struct fer_flows *f = fer_flows_create(0);
	struct fer_policies *p = build(0);
	struct fer_frame frame = {.protocol = FER_PROTO_ESP};
	uint8_t ip[40] = {0};
	const struct fer_policy_query q = {ip, &frame};

	(void)state;
	assert_non_null(f);
	for (frame.version = 4; frame.version <= 6; frame.version += 2) {
		uint8_t *source = ip + (frame.version == 4 ? 12 : 20);
		uint32_t n_found = 0;

		for (uint32_t i = 0; i < N_FLOWS; i++) {
			fer_store_be32(source, i);
			(void)note_of(f, p, FER_OUT, &q);
			fer_flows_note(f, p, FER_OUT, &q, i + 1);
		}
		for (uint32_t i = 0; i < N_FLOWS; i++) {
			fer_store_be32(source, i);
			uint64_t note =
				fer_flow_note(f, FER_OUT, q, fer_flow_expect(f, FER_OUT, q));

			assert_true(note == 0 || note == i + 1);
			n_found += note != 0;
		}
		assert_true(n_found > N_FLOWS / 100 * (frame.version == 4 ? 90 : 50));
	}
	fer_policies_destroy(p);
	fer_flows_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_it_answer_like_the_classifier),
		cmocka_unit_test(does_it_forget_with_the_policies),
		cmocka_unit_test(do_two_values_keep_apart),
		cmocka_unit_test(does_it_survive_a_flood),
		cmocka_unit_test(is_an_established_flow_asked_for_once),
		cmocka_unit_test(is_there_room_for_many_flows),
		cmocka_unit_test(is_a_run_of_a_flow_asked_for_once),
		cmocka_unit_test(does_a_note_stay_with_its_flow),
		cmocka_unit_test(are_notes_found_in_every_place),
	};

	fer_test_eal_init("128");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
