// SPDX-License-Identifier: BSD-3-Clause
// RFC 7296 section 2.23: does the newest authenticated packet say where a peer is, and nothing
// else, and do those follow who sent there?
#include "sa/udp.h"

#include "sa/table_fixture.h"
#include "support/eal.h"

#include <errno.h>

#define SPI 0x1000u

static struct fer_peer peer_at(uint8_t last, uint16_t port)
{
	return (struct fer_peer){.addr = {.bytes = {10, 0, 0, last}, .version = 4}, .port = port};
}

static void assert_peer(const struct fer_peer *got, struct fer_peer want)
{
	assert_int_equal(got->port, want.port);
	assert_true(fer_addr_equal(&got->addr, &want.addr));
}

static struct fer_sa_params with_udp(struct fer_sa_params p, uint16_t sport, uint16_t dport)
{
	p.udp_at = FER_UDP_OUTSIDE | FER_UDP_INSIDE;
	p.udp = (struct fer_udp){.sport = sport, .dport = dport};
	return p;
}

// From 10.0.0.2, port 4500, to 10.0.0.1, port 4500.
static uint64_t add_in(struct fer_sa_table *t, uint32_t spi)
{
	struct fer_sa_params p = with_udp(in_params(spi), 4500, 4500);

	return must_add(t, &p);
}

// From 10.0.0.1 to where that peer is.
static uint64_t add_out(struct fer_sa_table *t, uint32_t spi, enum fer_mode mode)
{
	struct fer_sa_params p = with_udp(out_params(spi), 4500, 4500);

	p.mode = mode;
	p.src.bytes[3] = 1;
	p.dst.bytes[3] = 2;
	return must_add(t, &p);
}

static bool learn(struct fer_sa_table *t, uint64_t handle, uint64_t seq, struct fer_peer from)
{
	return fer_udp_learn(t, fer_sa_get(t, handle), seq, &from);
}

static struct fer_peer peer_of(struct fer_sa_table *t, uint64_t handle)
{
	struct fer_peer peer;

	assert_true(fer_sa_peer(t, handle, &peer));
	return peer;
}

static void peer_is_where_the_newest_packet_came_from(void **state)
{
	struct fer_sa_table *t = open_table(4);
	uint64_t sa = add_in(t, SPI);
	struct fer_peer peer = peer_of(t, sa);

	(void)state;
	assert_peer(&peer, peer_at(2, 4500));
	assert_false(learn(t, sa, 5, peer_at(2, 4500)));
	assert_true(learn(t, sa, 7, peer_at(2, 1024)));
	assert_false(learn(t, sa, 6, peer_at(3, 4500))); // late
	assert_false(learn(t, sa, 7, peer_at(3, 4500))); // the same once more: no window, say
	peer = peer_of(t, sa);
	assert_peer(&peer, peer_at(2, 1024));
	assert_false(learn(t, sa, 8, peer_at(3, 1025))); // nobody has asked for the first move yet
	peer = peer_of(t, sa);
	assert_peer(&peer, peer_at(3, 1025));
	fer_sa_table_destroy(t);
}

static void number_at_the_start_counts_as_seen(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = with_udp(in_params(SPI), 4500, 4500);

	(void)state;
	p.sequence = 100;
	uint64_t sa = must_add(t, &p);
	assert_false(learn(t, sa, 100, peer_at(3, 1)));
	assert_true(learn(t, sa, 101, peer_at(3, 1)));
	fer_sa_table_destroy(t);
}

static void news_of_a_move_are_taken_once(void **state)
{
	struct fer_sa_table *t = open_table(4);
	uint64_t sa = add_in(t, SPI);
	struct fer_sa_move move;

	(void)state;
	assert_false(fer_sa_take_move(t, sa, &move));
	assert_true(learn(t, sa, 1, peer_at(2, 1)));
	assert_false(learn(t, sa, 2, peer_at(2, 2)));
	assert_true(fer_sa_take_move(t, sa, &move));
	assert_true(move.handle == sa);
	assert_peer(&move.from, peer_at(2, 4500));
	assert_peer(&move.to, peer_at(2, 2));
	assert_false(fer_sa_take_move(t, sa, &move));
	assert_true(learn(t, sa, 3, peer_at(2, 3)));
	assert_false(learn(t, sa, 4, peer_at(2, 2))); // back again before anybody asked
	assert_false(fer_sa_take_move(t, sa, &move));
	assert_true(learn(t, sa, 5, peer_at(2, 5)));
	must_remove(t, sa);
	assert_false(fer_sa_take_move(t, sa, &move));
	fer_sa_table_destroy(t);
}

static void lost_news_are_found(void **state)
{
	enum { N_SAS = 10, AT_ONCE = 3 };
	struct fer_sa_table *t = open_table(N_SAS);
	struct fer_sa_move moves[AT_ONCE];
	uint64_t handle[N_SAS];
	uint32_t cursor = 0;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < N_SAS; i++)
		handle[i] = add_in(t, SPI + i);
	for (unsigned i = 0; i < N_SAS; i += 2)
		assert_true(learn(t, handle[i], 1, peer_at(9, (uint16_t)(i + 1))));
	must_remove(t, handle[2]);
	while (cursor < fer_sa_capacity(t)) {
		unsigned found = fer_sa_find_moves(t, &cursor, moves, AT_ONCE);

		for (unsigned i = 0; i < found; i++) {
			assert_int_equal(moves[i].to.port % 2, 1);
			assert_true(moves[i].handle == handle[moves[i].to.port - 1]);
		}
		n += found;
	}
	assert_int_equal(n, N_SAS / 2 - 1);
	cursor = 0;
	assert_int_equal(fer_sa_find_moves(t, &cursor, moves, AT_ONCE), 0);
	fer_sa_table_destroy(t);
}

static void outbound_tunnel_follows(void **state)
{
	struct fer_sa_table *t = open_table(4);
	uint64_t sa = add_out(t, SPI, FER_TUNNEL);
	const struct fer_sa_move away = {.from = peer_at(2, 4500), .to = peer_at(7, 1024)};
	const struct fer_addr here = peer_at(1, 0).addr;
	uint8_t want[FER_IPV4_HEADER_BYTES];

	(void)state;
	assert_int_equal(fer_sa_follow(t, sa, &away), 0);
	const struct fer_udp_head *head = fer_udp_head_of(fer_sa_get(t, sa));
	const struct fer_ip_header ip = {.src = &here,
		.dst = &away.to.addr,
		.len = sizeof(want),
		.ttl = 64,
		.protocol = FER_PROTO_UDP};
	fer_ip_write(want, &ip);
	assert_memory_equal(head->ip, want, sizeof(want));
	assert_int_equal(head->sport, 4500);
	assert_peer(&head->peer, away.to);
	assert_int_equal(fer_sa_follow(t, sa, &away), -ENOENT); // it is not there any more
	fer_sa_table_destroy(t);
}

// Its packets have the addresses of its ends.
static void outbound_transport_follows_to_a_port_only(void **state)
{
	struct fer_sa_table *t = open_table(4);
	uint64_t sa = add_out(t, SPI, FER_TRANSPORT);
	const struct fer_sa_move away = {.from = peer_at(2, 4500), .to = peer_at(7, 4500)};
	const struct fer_sa_move port = {.from = peer_at(2, 4500), .to = peer_at(2, 1024)};

	(void)state;
	assert_int_equal(fer_sa_follow(t, sa, &away), -ENOENT);
	assert_int_equal(fer_sa_follow(t, sa, &port), 0);
	struct fer_peer peer = peer_of(t, sa);
	assert_peer(&peer, peer_at(2, 1024));
	fer_sa_table_destroy(t);
}

static void sas_without_peer_have_none(void **state)
{
	struct fer_sa_table *t = open_table(4);
	const struct fer_sa_move move = {.from = peer_at(1, 4500), .to = peer_at(2, 4500)};
	struct fer_sa_params p = in_params(SPI);
	uint64_t in = must_add(t, &p);
	struct fer_sa_move got;
	struct fer_peer peer;

	(void)state;
	p = out_params(SPI + 1);
	uint64_t out = must_add(t, &p);
	p = with_udp(in_params(SPI + 2), 0, 4500);
	uint64_t other = must_add(t, &p); // of a host that frames by itself
	assert_false(fer_sa_peer(t, in, &peer));
	assert_false(fer_sa_peer(t, out, &peer));
	assert_false(fer_sa_peer(t, other, &peer));
	assert_false(fer_sa_take_move(t, in, &got));
	assert_false(fer_sa_take_move(t, out, &got));
	assert_int_equal(fer_sa_follow(t, out, &move), -ENOENT);
	assert_int_equal(fer_sa_follow(t, in, &move), -ENOENT);
	fer_sa_table_destroy(t);
}

// Heads that workers may still read are kept; the sanitizer sees one that is freed too early.
static void a_replaced_head_outlives_its_readers(void **state)
{
	struct fer_sa_table *t = open_with(4, fer_iv_system(), qsbr);
	uint64_t sa = add_out(t, SPI, FER_TUNNEL);
	struct fer_sa_move move = {.from = peer_at(2, 4500)};

	(void)state;
	rte_rcu_qsbr_thread_register(qsbr, 0);
	rte_rcu_qsbr_thread_online(qsbr, 0);
	const struct fer_udp_head *first = fer_udp_head_of(fer_sa_get(t, sa));
	for (uint16_t port = 1; port < 5; port++) {
		move.to = peer_at(2, port);
		assert_int_equal(fer_sa_follow(t, sa, &move), 0);
		move.from = move.to;
		fer_sa_reclaim(t);
	}
	assert_peer(&first->peer, peer_at(2, 4500));
	assert_false(STAILQ_EMPTY(&t->control->old_heads));
	rte_rcu_qsbr_quiescent(qsbr, 0);
	fer_sa_reclaim(t);
	assert_true(STAILQ_EMPTY(&t->control->old_heads));
	assert_int_equal(
		fer_sa_follow(t, sa, &(struct fer_sa_move){.from = move.to, .to = peer_at(3, 3)}),
		0);
	fer_sa_table_destroy(t); // with one that waits
	rte_rcu_qsbr_thread_offline(qsbr, 0);
	rte_rcu_qsbr_thread_unregister(qsbr, 0);
}

static void ports_are_those_of_inbound_sas(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = in_params(SPI);

	(void)state;
	must_add(t, &p);
	add_out(t, SPI + 2, FER_TUNNEL);
	assert_false(fer_ports_has_any(t->udp_ports));
	p = with_udp(in_params(SPI + 1), 1, 4501);
	uint64_t sa = must_add(t, &p);
	assert_true(fer_ports_has(t->udp_ports, 4501));
	assert_false(fer_ports_has(t->udp_ports, 4500));
	must_remove(t, sa);
	fer_sa_reclaim(t);
	assert_true(fer_ports_has(t->udp_ports, 4501)); // late packets are still ours
	fer_sa_table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peer_is_where_the_newest_packet_came_from),
		cmocka_unit_test(number_at_the_start_counts_as_seen),
		cmocka_unit_test(news_of_a_move_are_taken_once),
		cmocka_unit_test(lost_news_are_found),
		cmocka_unit_test(outbound_tunnel_follows),
		cmocka_unit_test(outbound_transport_follows_to_a_port_only),
		cmocka_unit_test(sas_without_peer_have_none),
		cmocka_unit_test(a_replaced_head_outlives_its_readers),
		cmocka_unit_test(ports_are_those_of_inbound_sas),
	};

	fer_test_eal_init("64");
	return cmocka_run_group_tests(tests, start, stop);
}
