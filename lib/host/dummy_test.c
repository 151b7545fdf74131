// SPDX-License-Identifier: BSD-3-Clause
// Do dummies come when packets do not, as many as the rate says, and does nobody but the other end
// know them from packets?
#include "host/dummy.h"

#include "support/ends.h"

#include <string.h>

#define SPI 0x1000u
#define HZ UINT64_C(1000000) // ticks of the tests' own clock

static struct test_packet plain;
static struct fer_dummies dummies;
static uint64_t now;

static struct test_tunnel add(const struct test_sa *sa)
{
	struct test_sa copy = *sa;

	copy.grouped = true;
	return test_ends_add(&copy);
}

// Sends one packet of the SA and looks at it as the wire does.
static void send_packet(const struct test_tunnel *t, unsigned n_tags)
{
	const struct test_ip ip = {.version = t->out->version, .src = 1, .dst = 2};

	test_ends.west.rules.only_sa = t->handle;
	test_packet_start(&plain, 64, 1);
	test_packet_put_ip(&plain, &ip, FER_PROTO_TCP);
	test_packet_put_ethernet(&plain, n_tags);
	test_ends_put(test_mbuf(test_ends.pool, plain.bytes, plain.len), FER_LINK_ETHERNET);
	assert_int_equal(test_ends_send(), FER_OK);
	test_ends_drop();
}

// Lets time pass, and gives the plain packets that are to become dummies.
static unsigned after(uint64_t ticks)
{
	now += ticks;
	fer_dummies_start(&dummies, test_ends.west.sas, now, HZ, test_ends.west.rules.mtu[FER_OUT],
		test_ends.pool, &test_ends.batch);
	return test_ends.batch.n;
}

// The same, but they are sent, and received by the other end.  Returns how many it knew.
static unsigned sent_after(uint64_t ticks)
{
	struct test_end *west = &test_ends.west;
	struct fer_batch *b = &test_ends.batch;
	uint64_t known = test_ends.outcomes.packets[FER_DUMMY];

	unsigned n = after(ticks);
	if (n == 0)
		return 0;
	fer_host_frame(&west->path.host, b);
	fer_dummies_mark(west->sas, b);
	fer_nic_transmit(&west->path.nic, b);
	fer_dummies_count(&dummies, west->sas, b);
	fer_host_sent(&west->path.host, b);
	for (unsigned i = 0; i < n; i++)
		assert_string_equal(fer_verdict_name(b->pkt[i].verdict), "ok");
	test_ends_receive();
	test_ends_drop();
	assert_int_equal(test_ends.outcomes.packets[FER_DUMMY] - known, n);
	return n;
}

static void start(void)
{
	memset(&dummies, 0, sizeof(dummies));
	now = HZ;
	assert_int_equal(after(0), 0); // from now on
}

static void no_dummy_before_the_first_packet(void **state)
{
	const struct test_tunnel t = add(&(struct test_sa){
		.spi = SPI, .version = 4, .mode = FER_TUNNEL, .tfc.dummy_rate = 1000});

	(void)state;
	start();
	assert_int_equal(after(HZ), 0);
	send_packet(&t, 0);
	assert_true(sent_after(HZ / 100) > 0);
}

// Without packets there are as many dummies as the rate says, evenly.
static void idle_time_is_filled(void **state)
{
	static const uint32_t rates[] = {1, 10, 999, 5000};
	uint32_t spi = SPI;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(rates); i++) {
		const struct test_tunnel t = test_ends_add(&(struct test_sa){.spi = spi++,
			.grouped = true,
			.group = i,
			.version = 4,
			.mode = FER_TUNNEL,
			.tfc.dummy_rate = rates[i]});
		unsigned n = 0, most = 0;

		start();
		send_packet(&t, 0);
		for (unsigned k = 0; k < 2 * 5000; k++) { // two seconds
			unsigned some = sent_after(HZ / 5000);

			n += some;
			most = RTE_MAX(most, some);
		}
		assert_in_range(n, 2 * rates[i] - 2, 2 * rates[i]);
		assert_int_equal(most, 1);
		assert_int_equal(fer_seq_packets(&t.out->out.seq), n + 1);
		assert_int_equal(t.in->in.packets, n);
		assert_int_equal(fer_sa_drops(test_ends.east.sas, t.in, FER_DUMMY), n);
		assert_int_equal(fer_dummy_at(test_ends.west.sas, t.out->out.dummy)->made, n);
		assert_int_equal(fer_sa_remove(test_ends.west.sas, t.handle), 0);
	}
}

// Packets take the place of dummies.
static void a_busy_association_sends_none(void **state)
{
	const struct test_tunnel t = add(&(struct test_sa){
		.spi = SPI, .version = 4, .mode = FER_TUNNEL, .tfc.dummy_rate = 100});
	unsigned n = 0;

	(void)state;
	start();
	for (unsigned k = 0; k < 300; k++) { // a hundred a second
		send_packet(&t, 0);
		n += sent_after(HZ / 100);
	}
	assert_int_equal(n, 0);
	for (unsigned k = 0; k < 300; k++) { // fifty
		if (k % 2 == 0)
			send_packet(&t, 0);
		n += sent_after(HZ / 100);
	}
	assert_in_range(n, 148, 150);
	for (unsigned k = 0; k < 1000; k++) // many at once are no credit for later
		send_packet(&t, 0);
	assert_int_equal(sent_after(HZ / 1000), 0);
	for (n = 0; n < 20 && sent_after(HZ / 1000) == 0;)
		n++;
	assert_in_range(n, 8, 10);
}

// What nobody made in time is not made up for, but for a few.
static void a_long_sleep_is_no_flood(void **state)
{
	const struct test_tunnel t = add(&(struct test_sa){
		.spi = SPI, .version = 4, .mode = FER_TUNNEL, .tfc.dummy_rate = FER_TFC_RATE_MAX});

	(void)state;
	start();
	send_packet(&t, 0);
	assert_int_equal(sent_after(1000 * HZ), 32);
	assert_int_equal(after(HZ / 20000), 0); // too early to look
	assert_int_equal(sent_after(HZ / 10000), 15);
}

// On the wire: the same headers as packets have, and every length that padding leaves.
static void dummies_look_like_packets(void **state)
{
	static const struct {
		enum fer_mode mode;
		uint8_t version;
		uint16_t pad_to;
		unsigned n_tags;
	} cases[] = {{FER_TUNNEL, 4, FER_TFC_MTU, 0}, {FER_TUNNEL, 6, FER_TFC_MTU, 2},
		{FER_TUNNEL, 4, 256, 1}, {FER_TUNNEL, 6, 0, 0}, {FER_TRANSPORT, 4, FER_TFC_MTU, 0},
		{FER_TRANSPORT, 6, 512, 0}};
	struct fer_batch *b = &test_ends.batch;

	(void)state;
	test_ends.west.rules.mtu[FER_OUT] = 1500;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct test_tunnel t = test_ends_add(&(struct test_sa){.spi = SPI + i,
			.mode = cases[i].mode,
			.version = cases[i].version,
			.grouped = true,
			.group = i,
			.tfc = {.dummy_rate = 10000, .pad_to = cases[i].pad_to}});
		uint8_t link[22];
		uint32_t lengths = 0;

		start();
		send_packet(&t, cases[i].n_tags);
		memcpy(link, plain.bytes, 12 + 4 * cases[i].n_tags);
		assert_int_equal(after(HZ / 10000), 0); // in place of the packet
		for (unsigned k = 0; k < 100; k++) {
			assert_int_equal(after(HZ / 10000), 1);
			fer_host_frame(&test_ends.west.path.host, b);
			fer_dummies_mark(test_ends.west.sas, b);
			fer_nic_transmit(&test_ends.west.path.nic, b);
			assert_int_equal(b->pkt[0].verdict, FER_OK);
			uint32_t len = b->m[0]->pkt_len - 14 - 4 * cases[i].n_tags;
			assert_true(len <= 1500);
			lengths |= UINT32_C(1) << len % 31;
			const uint8_t *frame = rte_pktmbuf_mtod(b->m[0], uint8_t *);
			assert_memory_equal(frame, link, 12 + 4 * cases[i].n_tags);
			fer_batch_parse_one(b, 0);
			assert_int_equal(b->pkt[0].parsed, FER_OK);
			assert_int_equal(b->pkt[0].frame.version, cases[i].version);
			assert_int_equal(b->pkt[0].frame.protocol, FER_PROTO_ESP);
			test_ends_receive();
			test_ends_drop();
		}
		// To the MTU: all alike.  Else many lengths.
		unsigned n_lengths = (unsigned)__builtin_popcount(lengths);
		assert_true(cases[i].pad_to == FER_TFC_MTU ? n_lengths == 1 : n_lengths > 2);
		assert_int_equal(fer_sa_drops(test_ends.east.sas, t.in, FER_DUMMY), 100);
		assert_int_equal(fer_sa_remove(test_ends.west.sas, t.handle), 0);
	}
}

// Only the SA that its group sends with, only while it lives, and no number behind the last.
static void others_send_none(void **state)
{
	const struct test_sa first = {.spi = SPI,
		.version = 4,
		.mode = FER_TUNNEL,
		.sequence = UINT32_MAX - 3,
		.tfc.dummy_rate = 1000};
	struct test_sa second = first;

	(void)state;
	second.spi++;
	second.sequence = 0;
	const struct test_tunnel a = add(&first), b = add(&second);
	start();
	send_packet(&a, 0);
	send_packet(&b, 0);
	assert_int_equal(sent_after(HZ / 1000), 0);
	assert_int_equal(sent_after(HZ / 1000), 1);
	assert_int_equal(fer_seq_packets(&a.out->out.seq), 2);
	assert_int_equal(after(HZ / 500), 2); // for one of which there is a number
	fer_host_frame(&test_ends.west.path.host, &test_ends.batch);
	assert_int_equal(test_ends.batch.pkt[0].verdict, FER_OK);
	assert_int_equal(test_ends.batch.pkt[1].verdict, FER_SEQ_EXHAUSTED);
	test_ends_drop();
	assert_int_equal(after(HZ), 0);
	assert_int_equal(fer_group_activate(test_ends.west.sas, b.handle), 0);
	assert_int_equal(sent_after(HZ / 1000), 0); // it begins now
	assert_true(sent_after(HZ / 100) > 0);
	assert_int_equal(fer_sa_remove(test_ends.west.sas, b.handle), 0);
	assert_int_equal(after(HZ), 0);
	assert_int_equal(after(HZ), 0);
}

static void places_come_and_go(void **state)
{
	struct fer_sa_table *sas = test_ends.west.sas;
	struct test_sa sa = {.spi = SPI, .version = 4, .mode = FER_TUNNEL, .tfc.dummy_rate = 1};
	uint64_t handles[FER_DUMMIES_MAX];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < FER_DUMMIES_MAX; i++, sa.spi++)
			handles[i] = test_sa_add(sas, &sa, FER_OUT);
		assert_int_equal(sas->n_dummies, FER_DUMMIES_MAX);
		for (unsigned i = 0; i < FER_DUMMIES_MAX; i++)
			assert_int_equal(
				fer_dummy_at(sas, fer_sa_get(sas, handles[i])->out.dummy)->handle,
				handles[i]);
		for (unsigned i = 0; i < FER_DUMMIES_MAX; i++)
			assert_int_equal(fer_sa_remove(sas, handles[i]), 0);
		assert_int_equal(sas->n_dummies, 0);
		assert_int_equal(fer_sa_reclaim(sas), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ENDS(no_dummy_before_the_first_packet),
		TEST_WITH_ENDS(idle_time_is_filled),
		TEST_WITH_ENDS(a_busy_association_sends_none),
		TEST_WITH_ENDS(a_long_sleep_is_no_flood),
		TEST_WITH_ENDS(dummies_look_like_packets),
		TEST_WITH_ENDS(others_send_none),
		TEST_WITH_ENDS(places_come_and_go),
	};

	return test_ends_main(tests, RTE_DIM(tests), "dummy", 2048);
}
