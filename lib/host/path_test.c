// SPDX-License-Identifier: BSD-3-Clause
// Does the whole path give every packet back at the other end, or one reason why not, and every
// buffer to its pool?
#include "host/path.h"
#include "host/sink.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "support/ground.h"
#include "support/end.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N_SEGMENTS 4095

static struct rte_mempool *pool, *other_pool;
static struct test_end west, east;
static struct fer_batch batch;
static struct fer_outcomes outcomes;
static struct rte_mbuf *out[FER_BATCH_MAX];
static unsigned n_used, n_other_used;
static uint64_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % n);
}

// Three groups, a pair of SAs each: GCM tunnel, CBC transport, IPv6 tunnel around it.  Destinations
// say by which of them a packet goes.
enum { BY_TUNNEL = 20, BY_TRANSPORT = 2, BY_BOTH = 4, BY_BYPASS = 22, BY_NONE };

static const struct test_sa kinds[] = {
	{.spi = 0x100, .mode = FER_TUNNEL, .version = 4},
	{.spi = 0x200, .version = 4, .encryption = "aes-cbc-128", .integrity = "hmac-sha2-256-128"},
	{.spi = 0x300, .version = 4, .src = 3, .dst = 4},
	{.spi = 0x400, .mode = FER_TUNNEL, .version = 6, .esn = true, .sequence = UINT32_MAX - 60},
};

// from and to are the ends that send and receive with these SAs.
static void add_sas(struct test_end *from, struct test_end *to, uint32_t spi_offset)
{
	for (unsigned i = 0; i < RTE_DIM(kinds); i++) {
		struct test_sa sa = kinds[i];

		sa.spi += spi_offset;
		sa.grouped = true;
		sa.group = i;
		test_sa_add(from->sas, &sa, FER_OUT);
		sa.window = 256;
		test_sa_add(to->sas, &sa, FER_IN);
	}
}

static void add_rule(struct fer_policy_rule r[], unsigned *n, uint8_t version, uint8_t dst,
	unsigned n_groups, uint32_t first, uint32_t second)
{
	for (unsigned direction = 0; direction < 2; direction++) {
		r[*n] = test_rule((enum fer_direction)direction,
			n_groups > 0 ? FER_POLICY_PROTECT : FER_POLICY_BYPASS, n_groups);
		r[*n].dst = (struct fer_prefix){test_addr(version, dst), version == 4 ? 32 : 128};
		r[*n].group[0] = first;
		r[(*n)++].group[1] = second;
	}
}

static void use_rules(struct test_end *e)
{
	struct fer_policy_rule r[16];
	unsigned n = 0;

	add_rule(r, &n, 4, BY_TUNNEL, 1, 0, 0);
	add_rule(r, &n, 6, BY_TUNNEL, 1, 0, 0);
	add_rule(r, &n, 4, BY_TRANSPORT, 1, 1, 0);
	add_rule(r, &n, 4, BY_BOTH, 2, 2, 3);
	add_rule(r, &n, 4, BY_BYPASS, 0, 0, 0);
	test_end_rules(e, r, n);
}

// What a packet is made of; everything follows from it.
struct shape {
	uint8_t version, src, dst;
	uint32_t payload;
	unsigned n_tags;
	uint32_t cut;
	uint16_t n_options;
};

static void make(struct test_packet *p, const struct shape *s)
{
	const struct test_ip ip = {.version = s->version,
		.src = s->src,
		.dst = s->dst,
		.tos = (uint8_t)(s->payload * 3),
		.df = s->payload % 2 == 0,
		.id = (uint16_t)s->payload,
		.n_options = s->n_options};

	test_packet_start(p, s->payload, s->payload);
	test_packet_put_ip(p, &ip, FER_PROTO_UDP);
	test_packet_put_ethernet(p, s->n_tags);
}

static struct shape random_shape(void)
{
	static const uint8_t dsts[] = {BY_TUNNEL, BY_TRANSPORT, BY_BOTH, BY_BYPASS, BY_NONE};
	struct shape s = {
		.version = 4,
		.dst = dsts[random_below(sizeof(dsts))],
		.payload = random_below(random_below(8) == 0 ? 9000 : 200),
		.n_tags = random_below(3),
		.cut = random_below(2) == 0 ? 0 : random_below(150),
		.n_options = (uint16_t)(random_below(4) == 0 ? 8 : 0),
	};

	s.src = s.dst == BY_BOTH ? 3 : s.dst == BY_TRANSPORT ? 1 : 11;
	if (s.dst == BY_TUNNEL && random_below(2) == 0)
		s.version = 6;
	return s;
}

// Runs the batch to its end and takes back what comes out.
static unsigned run(struct test_end *e, unsigned n, enum fer_direction direction)
{
	uint64_t timed_out = 0, before = 0, after = 0;

	batch.n = (uint16_t)n;
	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		before += outcomes.packets[v];
	if (direction == FER_OUT)
		fer_path_out(&e->path, &batch);
	else
		fer_path_in(&e->path, &batch, 0, &timed_out);
	unsigned n_out = fer_sink(&batch, &outcomes, out);
	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		after += outcomes.packets[v];
	assert_int_equal(after - before, n);
	return n_out;
}

// Carries what came out of one end to the other, cut anew.
static void carry(unsigned n)
{
	static uint8_t bytes[TEST_PACKET_BYTES];

	for (unsigned i = 0; i < n; i++) {
		uint32_t len = test_flatten(out[i], bytes, sizeof(bytes));
		uint32_t cut = i % 3 == 0 ? random_below(len) : 0;

		rte_pktmbuf_free(out[i]);
		batch.m[i] = test_mbuf_cut(pool, bytes, len, &cut, 1);
	}
}

// Sends a burst from one end to the other: what has a policy comes back as it was, in order.
static void send_burst(struct test_end *from, struct test_end *to, unsigned n)
{
	static struct shape shapes[FER_BATCH_MAX];
	static struct test_packet p;
	unsigned n_go = 0;

	batch.link = FER_LINK_ETHERNET;
	for (unsigned i = 0; i < n; i++) {
		struct shape s = random_shape();

		make(&p, &s);
		batch.m[i] = test_mbuf_cut(pool, p.bytes, p.len, &s.cut, 1);
		memset(fer_oob_of(batch.m[i]), 0xff, sizeof(struct fer_oob)); // left by others
		if (s.dst != BY_NONE)
			shapes[n_go++] = s;
	}
	assert_int_equal(run(from, n, FER_OUT), n_go);
	carry(n_go);
	assert_int_equal(run(to, n_go, FER_IN), n_go);
	for (unsigned i = 0; i < n_go; i++) {
		make(&p, &shapes[i]);
		test_assert_bytes(out[i], p.bytes, p.len);
	}
	rte_pktmbuf_free_bulk(out, n_go);
}

static void open_both(void)
{
	add_sas(&west, &east, 0);
	add_sas(&east, &west, 0x1000);
	use_rules(&west);
	use_rules(&east);
}

static void do_mixed_bursts_come_back_in_order(void **state)
{
	(void)state;
	open_both();
	for (unsigned i = 0; i < 40; i++) {
		unsigned n = 1 + random_below(i % 4 == 0 ? FER_BATCH_MAX : 32);

		send_burst(i % 2 == 0 ? &west : &east, i % 2 == 0 ? &east : &west, n);
	}
}

// What became of it: whatever goes out for a protect policy is ESP.
static void does_nothing_leave_in_the_clear(void **state)
{
	static struct test_packet p;
	static uint8_t bytes[TEST_PACKET_BYTES];

	(void)state;
	open_both();
	for (unsigned i = 0; i < 200; i++) {
		struct shape s = random_shape();

		make(&p, &s);
		batch.link = FER_LINK_ETHERNET;
		batch.m[0] = test_mbuf_cut(pool, p.bytes, p.len, &s.cut, 1);
		unsigned n = run(&west, 1, FER_OUT);
		assert_int_equal(n, s.dst != BY_NONE);
		if (n == 0)
			continue;
		const uint8_t *ip = bytes + 14 + 4 * s.n_tags;
		test_flatten(out[0], bytes, sizeof(bytes));
		assert_int_equal(ip[ip[0] >> 4 == 4 ? 9 : 6],
			s.dst == BY_BYPASS ? FER_PROTO_UDP : FER_PROTO_ESP);
		if (s.dst == BY_BYPASS)
			test_assert_bytes(out[0], p.bytes, p.len);
		rte_pktmbuf_free(out[0]);
	}
}

// Everything that a wire can do to a packet: nothing comes out that did not go in, and nothing is
// lost sight of.
static void does_a_bad_wire_let_nothing_through(void **state)
{
	static struct test_packet p;
	static uint8_t bytes[TEST_PACKET_BYTES];

	(void)state;
	open_both();
	for (unsigned i = 0; i < 3000; i++) {
		struct shape s = random_shape();

		s.dst = BY_TUNNEL;
		make(&p, &s);
		batch.link = FER_LINK_ETHERNET;
		batch.m[0] = test_mbuf(pool, p.bytes, p.len);
		assert_int_equal(run(&west, 1, FER_OUT), 1);
		uint32_t len = test_flatten(out[0], bytes, sizeof(bytes));
		uint32_t ip_off = 14 + 4 * s.n_tags;
		rte_pktmbuf_free(out[0]);
		if (i % 2 == 0)
			len = random_below(len);
		else // anywhere, but in what no check covers: that is everything in front of ESP
			bytes[ip_off + 20 + random_below(len - ip_off - 20)] ^=
				(uint8_t)(1 << random_below(8));
		uint32_t cut = random_below(len + 1);
		batch.m[0] = test_mbuf_cut(pool, bytes, len, &cut, 1);
		assert_int_equal(run(&east, 1, FER_IN), 0);
	}
	assert_int_equal(outcomes.packets[FER_OK], 3000);
}

static void is_a_burst_of_copies_accepted_once(void **state)
{
	static struct test_packet p;
	const struct shape s = {.version = 4, .src = 11, .dst = BY_TUNNEL, .payload = 100};

	(void)state;
	open_both();
	make(&p, &s);
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = test_mbuf(pool, p.bytes, p.len);
	assert_int_equal(run(&west, 1, FER_OUT), 1);
	for (unsigned i = 0; i < 32; i++)
		batch.m[i] = rte_pktmbuf_copy(out[0], pool, 0, UINT32_MAX);
	rte_pktmbuf_free(out[0]);
	assert_int_equal(run(&east, 32, FER_IN), 1);
	test_assert_bytes(out[0], p.bytes, p.len);
	rte_pktmbuf_free(out[0]);
	assert_int_equal(outcomes.packets[FER_REPLAY], 31);
}

// Other owners of the bytes see no change, on neither way.

static void free_nothing(void *addr, void *opaque)
{
	(void)addr;
	(void)opaque;
}

static uint8_t lent[512] __attribute__((aligned(8)));

static struct rte_mbuf *lend(const uint8_t *bytes, uint32_t len)
{
	uint16_t room = sizeof(lent);
	struct rte_mbuf_ext_shared_info *info =
		rte_pktmbuf_ext_shinfo_init_helper(lent, &room, free_nothing, NULL);
	struct rte_mbuf *m = rte_pktmbuf_alloc(other_pool);

	assert_non_null(m);
	rte_pktmbuf_attach_extbuf(m, lent, RTE_BAD_IOVA, room, info);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	return m;
}

enum owner { CLONE, ORIGINAL, TWICE, EXTERNAL, N_OWNERS };

// A packet that has another owner, who keeps *keep.
static struct rte_mbuf *owned(
	enum owner kind, const uint8_t *bytes, uint32_t len, struct rte_mbuf **keep)
{
	const uint32_t cut = 33;
	struct rte_mbuf *m, *clone;

	*keep = NULL;
	if (kind == EXTERNAL)
		return lend(bytes, len);
	m = test_mbuf_cut(other_pool, bytes, len, &cut, 1);
	*keep = m;
	if (kind == TWICE) {
		rte_pktmbuf_refcnt_update(m, 1);
		return m;
	}
	clone = rte_pktmbuf_clone(m, other_pool);
	assert_non_null(clone);
	*keep = kind == CLONE ? m : clone;
	return kind == CLONE ? clone : m;
}

static void assert_kept(enum owner kind, struct rte_mbuf *keep, const uint8_t *bytes, uint32_t len)
{
	if (kind == EXTERNAL) {
		assert_memory_equal(lent, bytes, len);
		return;
	}
	test_assert_bytes(keep, bytes, len);
	rte_pktmbuf_free(keep);
}

static void check_owner(enum owner kind, uint8_t dst)
{
	static struct test_packet p;
	static uint8_t wire[TEST_PACKET_BYTES];
	const struct shape s = {
		.version = 4, .src = dst == BY_TRANSPORT ? 1 : 3, .dst = dst, .payload = 100};
	struct rte_mbuf *keep;

	make(&p, &s);
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = owned(kind, p.bytes, p.len, &keep);
	assert_int_equal(run(&west, 1, FER_OUT), 1);
	assert_kept(kind, keep, p.bytes, p.len);
	uint32_t len = test_flatten(out[0], wire, sizeof(wire));
	rte_pktmbuf_free(out[0]);
	batch.m[0] = owned(kind, wire, len, &keep);
	assert_int_equal(run(&east, 1, FER_IN), 1);
	assert_kept(kind, keep, wire, len);
	test_assert_bytes(out[0], p.bytes, p.len);
	rte_pktmbuf_free(out[0]);
}

static void do_other_owners_see_no_change(void **state)
{
	(void)state;
	open_both();
	for (unsigned kind = 0; kind < N_OWNERS; kind++) {
		check_owner((enum owner)kind, BY_TUNNEL);
		check_owner((enum owner)kind, BY_TRANSPORT);
		check_owner((enum owner)kind, BY_BOTH);
	}
}

// Without rules, and over a link without Ethernet.
static void does_raw_ip_go_through_the_only_sa(void **state)
{
	static struct test_packet p;
	const struct test_ip ip = {.version = 6, .src = 11, .dst = 12};

	(void)state;
	west.rules.only_sa = test_sa_add(west.sas, &kinds[0], FER_OUT);
	test_sa_add(east.sas, &kinds[0], FER_IN);
	batch.link = FER_LINK_RAW_IP;
	for (uint32_t payload = 0; payload < 100; payload++) {
		test_packet_start(&p, payload, 0);
		test_packet_put_ip(&p, &ip, FER_PROTO_UDP);
		batch.m[0] = test_mbuf(pool, p.bytes, p.len);
		assert_int_equal(run(&west, 1, FER_OUT), 1);
		carry(1);
		assert_int_equal(run(&east, 1, FER_IN), 1);
		test_assert_bytes(out[0], p.bytes, p.len);
		rte_pktmbuf_free(out[0]);
	}
}

// Padding of short frames is no payload: what comes out has none.
static void is_the_padding_of_short_frames_left_behind(void **state)
{
	static struct test_packet p;
	const struct test_ip ip = {.version = 4, .src = 1, .dst = BY_TRANSPORT};

	(void)state;
	open_both();
	for (uint32_t payload = 0; payload < 26; payload++) {
		test_packet_start(&p, payload, 0);
		test_packet_put_ip(&p, &ip, FER_PROTO_UDP);
		test_packet_put_ethernet(&p, 0);
		uint32_t len = p.len;
		test_packet_pad(&p, 60 - len);
		batch.link = FER_LINK_ETHERNET;
		batch.m[0] = test_mbuf(pool, p.bytes, p.len);
		assert_int_equal(run(&west, 1, FER_OUT), 1);
		carry(1);
		memset(rte_pktmbuf_append(batch.m[0], 7), 0xee, 7); // and on the wire as well
		assert_int_equal(run(&east, 1, FER_IN), 1);
		test_assert_bytes(out[0], p.bytes, len);
		rte_pktmbuf_free(out[0]);
	}
}

static void are_the_longest_packets_carried(void **state)
{
	static struct test_packet p;
	static const uint32_t payloads[] = {1400, 9600, 65535 - 20 - 20 - 16 - 16 - 2 - 3};

	(void)state;
	open_both();
	batch.link = FER_LINK_ETHERNET;
	for (unsigned i = 0; i < RTE_DIM(payloads); i++) {
		const struct shape s = {
			.version = 4, .src = 11, .dst = BY_TUNNEL, .payload = payloads[i]};

		make(&p, &s);
		batch.m[0] = test_mbuf(pool, p.bytes, p.len);
		assert_int_equal(run(&west, 1, FER_OUT), 1);
		carry(1);
		assert_int_equal(run(&east, 1, FER_IN), 1);
		test_assert_bytes(out[0], p.bytes, p.len);
		rte_pktmbuf_free(out[0]);
	}
	const struct shape s = {.version = 4, .src = 11, .dst = BY_TUNNEL, .payload = 65500};
	make(&p, &s);
	batch.m[0] = test_mbuf(pool, p.bytes, p.len);
	assert_int_equal(run(&west, 1, FER_OUT), 0);
	assert_int_equal(outcomes.packets[FER_TOO_LONG], 1);
}

// Runs packets that need more buffers than there are, however many that is.
static void does_a_shortage_of_buffers_lose_none(void **state)
{
	static struct rte_mbuf *hoard[N_SEGMENTS + 1];
	static struct test_packet p;
	const struct shape s = {.version = 4, .src = 3, .dst = BY_BOTH, .payload = 1990};

	(void)state;
	open_both();
	make(&p, &s);
	batch.link = FER_LINK_ETHERNET;
	for (unsigned n_left = 0; n_left < 12; n_left++) {
		struct rte_mbuf *twice = test_mbuf(other_pool, p.bytes, p.len);
		unsigned n = 0;

		while ((hoard[n] = rte_pktmbuf_alloc(pool)) != NULL)
			n++;
		rte_pktmbuf_free_bulk(hoard + n - n_left, n_left);
		rte_pktmbuf_refcnt_update(twice, 1);
		batch.m[0] = test_mbuf(other_pool, p.bytes, p.len);
		batch.m[1] = twice;
		batch.m[2] = test_mbuf(other_pool, p.bytes, p.len);
		rte_pktmbuf_free_bulk(out, run(&west, 3, FER_OUT));
		test_assert_bytes(twice, p.bytes, p.len);
		rte_pktmbuf_free(twice);
		rte_pktmbuf_free_bulk(hoard, n - n_left);
		assert_int_equal(rte_mempool_in_use_count(pool), n_used);
	}
	assert_true(outcomes.packets[FER_NO_ROOM] > 0);
	assert_true(outcomes.packets[FER_OK] > 0);
}

// Fragments of the outer packet, made by a router on the way.
static void are_outer_fragments_put_together_and_opened(void **state)
{
	static struct test_packet p;
	static uint8_t wire[TEST_PACKET_BYTES], piece[2][2048];
	const struct shape s = {.version = 4, .src = 11, .dst = BY_TUNNEL, .payload = 1399};

	(void)state;
	open_both();
	make(&p, &s);
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = test_mbuf(pool, p.bytes, p.len);
	assert_int_equal(run(&west, 1, FER_OUT), 1);
	uint32_t len = test_flatten(out[0], wire, sizeof(wire)), first = 800;
	rte_pktmbuf_free(out[0]);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t part = i == 0 ? first : len - 34 - first;

		memcpy(piece[i], wire, 34);
		memcpy(piece[i] + 34, wire + 34 + (i == 0 ? 0 : first), part);
		fer_ip_set_len(piece[i] + 14, 20 + part);
		uint32_t sum = (uint16_t)~fer_load_be16(piece[i] + 24);
		uint16_t field = i == 0 ? 0x2000 : (uint16_t)(first / 8);
		sum += field;
		fer_store_be16(piece[i] + 20, field);
		fer_store_be16(piece[i] + 24, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
		batch.m[0] = test_mbuf(pool, piece[i], 34 + part);
		assert_int_equal(run(&east, 1, FER_IN), i);
	}
	test_assert_bytes(out[0], p.bytes, p.len);
	rte_pktmbuf_free(out[0]);
	assert_int_equal(outcomes.packets[FER_FRAGMENT_HELD], 1);
}

static int open_one(void **state)
{
	(void)state;
	n_used = rte_mempool_in_use_count(pool);
	n_other_used = rte_mempool_in_use_count(other_pool);
	memset(&outcomes, 0, sizeof(outcomes));
	test_end_open(&west, "west", test_engine, pool);
	test_end_open(&east, "east", test_engine, pool);
	return 0;
}

static int close_one(void **state)
{
	(void)state;
	test_end_close(&west);
	test_end_close(&east);
	return rte_mempool_in_use_count(pool) == n_used &&
			       rte_mempool_in_use_count(other_pool) == n_other_used
		       ? 0
		       : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(do_mixed_bursts_come_back_in_order),
		TEST(does_nothing_leave_in_the_clear),
		TEST(does_a_bad_wire_let_nothing_through),
		TEST(is_a_burst_of_copies_accepted_once),
		TEST(do_other_owners_see_no_change),
		TEST(does_raw_ip_go_through_the_only_sa),
		TEST(is_the_padding_of_short_frames_left_behind),
		TEST(are_the_longest_packets_carried),
		TEST(does_a_shortage_of_buffers_lose_none),
		TEST(are_outer_fragments_put_together_and_opened),
	};
	int error;

	test_ground_open("256");
	pool = test_pool("path", N_SEGMENTS, RTE_MBUF_DEFAULT_BUF_SIZE);
	other_pool = test_pool("other", 255, RTE_MBUF_DEFAULT_BUF_SIZE);
	error = cmocka_run_group_tests(tests, NULL, NULL);
	test_ground_close();
	return error;
}
