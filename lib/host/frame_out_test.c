// SPDX-License-Identifier: BSD-3-Clause
// Does every packet get the next number of its SA, the words that say so, or the one reason why
// not?
#include "host/stages.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "support/ends.h"

#include <string.h>

#define SPI 0x1000u
#define LAST UINT64_C(0xffffffff) // number of an SA without ESN

static struct test_packet packet;

static const struct test_sa transport = {.spi = SPI, .mode = FER_TRANSPORT, .version = 4};
static const struct test_sa tunnel = {.spi = SPI + 1, .mode = FER_TUNNEL, .version = 4};
static const struct test_ip ip4 = {.version = 4, .src = 1, .dst = 2};

static struct test_sa tunnel_with(uint32_t spi)
{
	struct test_sa sa = tunnel;

	sa.spi = spi;
	return sa;
}

static uint64_t add(const struct test_sa *sa)
{
	return test_sa_add(test_ends.west.sas, sa, FER_OUT);
}

static uint64_t add_at(struct test_sa sa, uint64_t sequence, bool esn)
{
	sa.sequence = sequence;
	sa.esn = esn;
	return add(&sa);
}

// Puts a packet into the test_ends.batch.
static void put(unsigned i, const struct test_ip *ip, uint32_t payload, uint8_t protocol)
{
	test_packet_start(&packet, payload, i);
	test_packet_put_ip(&packet, ip, protocol);
	test_ends.batch.m[i] = test_mbuf(test_ends.pool, packet.bytes, packet.len);
}

static void put_n(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put(i, &ip4, 20 + i, FER_PROTO_UDP);
}

static void parse(unsigned n)
{
	test_ends.batch.n = (uint16_t)n;
	test_ends.batch.link = FER_LINK_RAW_IP;
	fer_batch_parse(&test_ends.batch);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(test_ends.batch.pkt[i].parsed, FER_OK);
}

static void want(unsigned i, uint64_t first, uint64_t second)
{
	test_ends.batch.pkt[i].handle[0] = first;
	test_ends.batch.pkt[i].handle[1] = second;
}

static void frame(void)
{
	fer_frame_out(&test_ends.west.path.host, &test_ends.batch);
}

static void done(void)
{
	rte_pktmbuf_free_bulk(test_ends.batch.m, test_ends.batch.n);
	test_ends.batch.n = 0;
}

static void assert_verdict(unsigned i, enum fer_verdict want_verdict)
{
	assert_string_equal(
		fer_verdict_name(test_ends.batch.pkt[i].verdict), fer_verdict_name(want_verdict));
}

// Was packet i framed with that number in the header of its k-th SA, the outermost or the one that
// slot 12 speaks of?
static void assert_number(unsigned i, unsigned k, uint64_t seq)
{
	const struct fer_frame *f = &test_ends.batch.pkt[i].frame;
	struct rte_mbuf *m = test_ends.batch.m[i];
	uint32_t off = k == 0 ? f->ip_off + fer_oob_esp_offset(fer_oob_of(m)) : f->up_off;

	assert_verdict(i, FER_OK);
	assert_int_equal(
		fer_load_be32(rte_pktmbuf_mtod_offset(m, uint8_t *, off) + 4), (uint32_t)seq);
}

static unsigned n_framed(unsigned i)
{
	const struct fer_oob *o = fer_oob_of(test_ends.batch.m[i]);

	return (o->ipsec != 0) + (o->tunnel != 0);
}

static uint64_t last_of(uint64_t handle)
{
	return fer_seq_last(&fer_sa_at(test_ends.west.sas, (uint32_t)handle)->out.seq);
}

static uint64_t bytes_of(uint64_t handle)
{
	return fer_seq_bytes(&fer_sa_at(test_ends.west.sas, (uint32_t)handle)->out.seq);
}

// RFC 4303 section 3.3.3.
static void are_numbers_given_in_the_order_of_the_batch(void **state)
{
	uint64_t sa[] = {add_at(transport, 0, false), add_at(tunnel, 1000, false)};
	uint64_t next[] = {1, 1001};

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		put_n(FER_BATCH_MAX);
		parse(FER_BATCH_MAX);
		for (unsigned i = 0; i < FER_BATCH_MAX; i++)
			want(i, sa[i * i / 9 % 2], 0);
		frame();
		for (unsigned i = 0; i < FER_BATCH_MAX; i++)
			assert_number(i, 0, next[i * i / 9 % 2]++);
		done();
	}
	assert_int_equal(last_of(sa[0]), next[0] - 1);
	assert_int_equal(last_of(sa[1]), next[1] - 1);
}

// Alone, by twos and by longer runs, with some that end in between.
static void are_tunnels_in_turn_numbered(void **state)
{
	static const uint8_t turns[] = {0, 1, 2, 0, 0, 1, 1, 1, 2, 0, 0, 0, 0, 0, 1, 2, 2, 0, 1, 1};
	const struct test_sa of[] = {tunnel, tunnel_with(SPI + 2), tunnel_with(SPI + 3)};
	uint64_t sa[3], next[3], bytes[3] = {0};

	(void)state;
	for (unsigned s = 0; s < 3; s++) {
		sa[s] = add_at(of[s], 100 * s, s == 1);
		next[s] = 100 * s + 1;
	}
	for (unsigned round = 0; round < 3; round++) {
		put_n(RTE_DIM(turns));
		parse(RTE_DIM(turns));
		for (unsigned i = 0; i < RTE_DIM(turns); i++)
			want(i, sa[turns[i]], 0);
		test_ends.batch.pkt[6 + round].verdict = FER_DISCARD;
		frame();
		for (unsigned i = 0; i < RTE_DIM(turns); i++) {
			if (i == 6 + round)
				continue;
			assert_number(i, 0, next[turns[i]]++);
			bytes[turns[i]] += test_ends.batch.pkt[i].inside[0];
		}
		done();
	}
	for (unsigned s = 0; s < 3; s++) {
		assert_int_equal(last_of(sa[s]), next[s] - 1);
		assert_int_equal(bytes_of(sa[s]), bytes[s]);
	}
}

// Who seals takes the high half of a number from one that is not behind it.
static void is_no_number_told_that_others_follow(void **state)
{
	uint64_t sa = add_at(tunnel, 0, true);

	(void)state;
	put(0, &ip4, 20, FER_PROTO_UDP);
	put(1, &ip4, 65000, FER_PROTO_UDP);
	parse(2);
	want(0, sa, 0);
	want(1, sa, 0);
	frame();
	assert_number(0, 0, 1);
	assert_number(1, 0, 2);
	assert_true(test_ends.batch.numbered.handle != sa || test_ends.batch.numbered.last == 2);
	done();
}

static void do_nested_layers_count_for_themselves(void **state)
{
	uint64_t inner = add_at(transport, 10, false), outer = add_at(tunnel, 20, false);

	(void)state;
	put_n(6);
	parse(6);
	for (unsigned i = 0; i < 6; i++)
		want(i, i % 2 == 0 ? inner : outer, i % 2 == 0 ? outer : 0);
	frame();
	// The tunnel gives the numbers of its first round to those it alone protects.
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(n_framed(i), i % 2 == 0 ? 2 : 1);
		assert_number(i, 0, i % 2 == 0 ? 11 + i / 2 : 21 + i / 2);
		if (i % 2 == 0)
			assert_number(i, 1, 24 + i / 2);
	}
	done();
}

// nobody opens UDP in UDP; what comes between does not matter.
static void is_no_udp_put_around_udp(void **state)
{
	uint64_t inner = add_at(test_sa_in_udp(transport, 4500, 4500), 10, false);
	uint64_t udp = add_at(test_sa_in_udp(tunnel, 4500, 4500), 20, false);
	struct test_sa other = tunnel;

	(void)state;
	other.spi++;
	uint64_t plain = add_at(other, 30, false);
	put_n(3);
	parse(3);
	want(0, inner, udp);
	want(1, inner, plain);
	want(2, plain, udp);
	frame();
	assert_int_equal(test_ends.batch.pkt[0].verdict, FER_TOO_DEEP);
	assert_int_equal(test_ends.batch.pkt[1].verdict, FER_OK);
	assert_int_equal(test_ends.batch.pkt[2].verdict, FER_OK);
	done();
}

// Those that end take no number away.
static void do_packets_that_end_take_no_number(void **state)
{
	static const struct test_ip fragment = {
		.version = 4, .src = 1, .dst = 2, .fragment = 0x2000};
	static const struct test_ip other = {.version = 4, .src = 1, .dst = 3};
	uint64_t sa = add_at(transport, 0, false);

	(void)state;
	put_n(7);
	rte_pktmbuf_free(test_ends.batch.m[1]);
	put(1, &fragment, 24, FER_PROTO_UDP);
	rte_pktmbuf_free(test_ends.batch.m[2]);
	put(2, &other, 24, FER_PROTO_UDP);
	rte_pktmbuf_free(test_ends.batch.m[4]);
	put(4, &ip4, 65500, FER_PROTO_UDP);
	parse(7);
	for (unsigned i = 0; i < 7; i++)
		want(i, sa, 0);
	test_ends.batch.pkt[5].verdict = FER_DISCARD;
	frame();
	assert_number(0, 0, 1);
	assert_verdict(1, FER_TRANSPORT_FRAGMENT);
	assert_verdict(2, FER_NO_POLICY);
	assert_number(3, 0, 2);
	assert_verdict(4, FER_TOO_LONG);
	assert_verdict(5, FER_DISCARD);
	assert_number(6, 0, 3);
	done();
}

// RFC 4303 section 3.3.3: numbers must not cycle.
static void is_the_last_number_the_last(void **state)
{
	uint64_t sa = add_at(transport, LAST - 3, false);

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		put_n(5);
		parse(5);
		for (unsigned i = 0; i < 5; i++)
			want(i, sa, 0);
		frame();
		for (unsigned i = 0; i < 5; i++)
			if (round == 0 && i < 3)
				assert_number(i, 0, LAST - 2 + i);
			else
				assert_verdict(i, FER_SEQ_EXHAUSTED);
		done();
	}
}

static void do_numbers_go_on_with_esn(void **state)
{
	uint64_t sa = add_at(transport, LAST - 3, true);

	(void)state;
	put_n(8);
	parse(8);
	for (unsigned i = 0; i < 8; i++)
		want(i, sa, 0);
	frame();
	for (unsigned i = 0; i < 8; i++)
		assert_number(i, 0, LAST - 2 + i);
	done();
}

static void is_there_an_end_with_esn(void **state)
{
	uint64_t sa = add_at(transport, UINT64_MAX - 2, true);

	(void)state;
	put_n(4);
	parse(4);
	for (unsigned i = 0; i < 4; i++)
		want(i, sa, 0);
	frame();
	assert_number(0, 0, UINT64_MAX - 1);
	assert_number(1, 0, UINT64_MAX);
	assert_verdict(2, FER_SEQ_EXHAUSTED);
	assert_verdict(3, FER_SEQ_EXHAUSTED);
	done();
}

// The tunnel has no number left for what the transport SA framed: it must not go out half
// protected.
// RFC 6864 section 4.3: whichever SA and worker a packet goes by, no other one between the same
// addresses has its identification.
static void are_identifications_not_repeated(void **state)
{
	enum { WORKERS = 3, BURSTS = 64 };
	static bool is_used[1 << 16];
	struct test_sa padded = tunnel_with(SPI + 3);

	(void)state;
	padded.tfc.pad_to = 32;
	const uint64_t sa[] = {add(&tunnel), add_at(tunnel_with(SPI + 2), 77, false), add(&padded)};
	for (unsigned w = 0; w < WORKERS; w++) {
		fer_ident_init(&test_ends.west.path.host.ident, w, WORKERS);
		for (unsigned burst = 0; burst < BURSTS; burst++) {
			put_n(FER_BATCH_MAX);
			parse(FER_BATCH_MAX);
			for (unsigned i = 0; i < FER_BATCH_MAX; i++)
				want(i, sa[i * i / 9 % 3], 0);
			frame();
			for (unsigned i = 0; i < FER_BATCH_MAX; i++) {
				const uint8_t *ip =
					rte_pktmbuf_mtod(test_ends.batch.m[i], const uint8_t *);
				unsigned id = fer_load_be16(ip + 4);

				assert_verdict(i, FER_OK);
				assert_false(is_used[id]);
				is_used[id] = true;
			}
			done();
		}
	}
}

static void does_an_exhausted_tunnel_end_the_packet(void **state)
{
	uint64_t inner = add_at(transport, 0, false), outer = add_at(tunnel, LAST - 1, false);

	(void)state;
	put_n(2);
	parse(2);
	want(0, inner, outer);
	want(1, inner, outer);
	frame();
	assert_number(0, 1, LAST);
	assert_verdict(1, FER_SEQ_EXHAUSTED);
	done();
}

// An SA that was removed between the choice and the framing.
static void is_a_stale_handle_no_sa(void **state)
{
	uint64_t gone = add(&transport), live = add(&tunnel);

	(void)state;
	assert_int_equal(fer_sa_remove(test_ends.west.sas, gone), 0);
	fer_sa_reclaim(test_ends.west.sas);
	put_n(4);
	parse(4);
	want(0, gone, 0);
	want(1, live, 0);
	want(2, gone, live);
	want(3, live, gone);
	frame();
	assert_verdict(0, FER_NO_ACTIVE_SA);
	assert_number(1, 0, 1);
	assert_verdict(2, FER_NO_ACTIVE_SA);
	assert_verdict(3, FER_NO_ACTIVE_SA);
	done();
}

// Not even when it framed the packets of the burst before.
static void does_an_sa_frame_nothing_once_it_is_removed(void **state)
{
	uint64_t sa = add(&tunnel);

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		put_n(2);
		parse(2);
		want(0, sa, 0);
		want(1, sa, 0);
		frame();
		assert_verdict(1, round == 0 ? FER_OK : FER_NO_ACTIVE_SA);
		done();
		if (round == 0)
			assert_int_equal(fer_sa_remove(test_ends.west.sas, sa), 0);
	}
}

// The words of the contract, worked out by hand.
static void do_the_words_say_what_was_framed(void **state)
{
	static const struct test_ip options = {.version = 4, .src = 1, .dst = 2, .n_options = 8};
	uint64_t inner = add(&transport), outer = add(&tunnel);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		put(i, i == 1 ? &options : &ip4, 21, FER_PROTO_UDP);
	parse(4);
	want(0, inner, 0);
	want(1, inner, outer);
	want(2, outer, 0);
	want(3, 0, 0);
	frame();
	// 21 bytes, 1 of padding and 2 are a multiple of 4; so are 41, 1 and 2.
	const struct fer_oob words[] = {
		{.ipsec = inner, .header = 20 / 4 << 24 | 1 << 8 | FER_PROTO_UDP},
		{.ipsec = inner,
			.tunnel = outer,
			.header = (20 + 16 + 28) / 4 << 24 | 1 << 8 | FER_PROTO_UDP},
		{.ipsec = outer, .header = 20 / 4 << 24 | 1 << 8 | FER_PROTO_IPV4},
		{0},
	};
	for (unsigned i = 0; i < 4; i++) {
		assert_verdict(i, FER_OK);
		assert_memory_equal(fer_oob_of(test_ends.batch.m[i]), &words[i], sizeof(words[i]));
	}
	done();
}

// What each layer protects is an IP packet of that length.
static void are_the_bytes_inside_counted(void **state)
{
	uint64_t inner = add(&transport), outer = add(&tunnel);

	(void)state;
	put_n(1);
	parse(1);
	want(0, inner, outer);
	frame();
	assert_int_equal(test_ends.batch.pkt[0].inside[0], 40);
	assert_int_equal(test_ends.batch.pkt[0].inside[1], 40 + 16 + 2 + 2 + 16); // 2 of padding
	done();
}

// An offset that the words cannot say: 255 times 4 bytes is the most.
static void are_headers_too_far_away_refused(void **state)
{
	static const struct {
		uint16_t n_options;
		bool inside, around;
		enum fer_verdict want;
	} cases[] = {
		{976, true, false, FER_OK},       // 1016
		{984, true, false, FER_TOO_LONG}, // 1024
		{936, true, true, FER_OK},        // 976, and 36 of the tunnel: 1012
		{944, true, true, FER_OK},        // 1020
		{952, true, true, FER_TOO_LONG},  // 1028
		{976, false, true, FER_OK},       // what a tunnel carries is not looked for
		{984, false, true, FER_OK},
	};
	struct test_sa v6 = transport;

	(void)state;
	v6.version = 6;
	uint64_t inner = add(&v6), outer = add(&tunnel);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct test_ip ip = {
			.version = 6, .src = 1, .dst = 2, .n_options = cases[i].n_options};

		put(0, &ip, 20, FER_PROTO_SCTP + 1); // has no ports
		parse(1);
		want(0, cases[i].inside ? inner : outer,
			cases[i].inside && cases[i].around ? outer : 0);
		frame();
		assert_verdict(0, cases[i].want);
		if (cases[i].want == FER_OK) {
			fer_nic_transmit(&test_ends.west.path.nic, &test_ends.batch);
			assert_verdict(0, FER_OK);
		}
		done();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ENDS(are_numbers_given_in_the_order_of_the_batch),
		TEST_WITH_ENDS(do_nested_layers_count_for_themselves),
		TEST_WITH_ENDS(are_tunnels_in_turn_numbered),
		TEST_WITH_ENDS(is_no_number_told_that_others_follow),
		TEST_WITH_ENDS(is_no_udp_put_around_udp),
		TEST_WITH_ENDS(do_packets_that_end_take_no_number),
		TEST_WITH_ENDS(is_the_last_number_the_last),
		TEST_WITH_ENDS(do_numbers_go_on_with_esn),
		TEST_WITH_ENDS(is_there_an_end_with_esn),
		TEST_WITH_ENDS(are_identifications_not_repeated),
		TEST_WITH_ENDS(does_an_exhausted_tunnel_end_the_packet),
		TEST_WITH_ENDS(is_a_stale_handle_no_sa),
		TEST_WITH_ENDS(does_an_sa_frame_nothing_once_it_is_removed),
		TEST_WITH_ENDS(do_the_words_say_what_was_framed),
		TEST_WITH_ENDS(are_the_bytes_inside_counted),
		TEST_WITH_ENDS(are_headers_too_far_away_refused),
	};

	return test_ends_main(tests, RTE_DIM(tests), "frame_out", 2048);
}
