// SPDX-License-Identifier: BSD-3-Clause
// Is what crosses the shim what the other side meant, byte for byte, and is everything else
// refused? Records are made and read here by hand.
#include "nic/shim.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "nic/status.h"
#include "support/eal.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define COOKIE UINT64_C(0x1122334455667788)
#define RECORD_AT 14
#define PACKET_AT (RECORD_AT + FER_SHIM_RECORD_BYTES)

static struct rte_mempool *pool;
static struct fer_shim shim;
static struct fer_batch batch;
static struct test_packet packet;
static uint8_t frame[TEST_PACKET_BYTES + 128], got[TEST_PACKET_BYTES + 128];
static uint32_t frame_len;

static void put_le(uint8_t *to, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t get_le(const uint8_t *from, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = n; i-- > 0;)
		v = v << 8 | from[i];
	return v;
}

// A UDP packet of the given payload, and the frame of a send request that holds it.
static void make_request(unsigned n_tags, uint32_t payload, uint16_t record_bytes)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};
	uint8_t *r = frame + RECORD_AT;

	test_packet_start(&packet, payload, 1);
	test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
	test_packet_put_ethernet(&packet, n_tags);

	memcpy(frame, packet.bytes, FER_SHIM_MACS_BYTES);
	fer_store_be16(frame + 12, 0x88b5);
	memset(r, 0xee, record_bytes);
	put_le(r, 1, 1);
	put_le(r + 1, 0, 1);
	put_le(r + 2, record_bytes, 2);
	put_le(r + 4, 0, 4);
	put_le(r + 8, COOKIE, 8);
	put_le(r + 16, 0x10, 8);
	put_le(r + 24, UINT64_C(0x100000007), 8);
	put_le(r + 32, 0x20, 8);
	put_le(r + 40, UINT64_C(0x200000009), 8);
	put_le(r + 48, 0x05000232, 8);
	memcpy(r + record_bytes, packet.bytes + 12, packet.len - 12);
	frame_len = RECORD_AT + record_bytes + packet.len - 12;
}

static enum fer_verdict take(struct rte_mbuf *m)
{
	batch.n = 1;
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = m;
	fer_shim_take(&shim, &batch);
	return (enum fer_verdict)batch.pkt[0].verdict;
}

static struct rte_mbuf *whole(void)
{
	return test_mbuf(pool, frame, frame_len);
}

static void done(void)
{
	for (unsigned i = 0; i < batch.n; i++)
		rte_pktmbuf_free(batch.m[i]);
	rte_pktmbuf_free_bulk(batch.side, batch.n_side);
	batch.n = batch.n_side = 0;
}

static void assert_taken(void)
{
	const struct fer_oob *o = fer_oob_of(batch.m[0]);

	test_assert_bytes(batch.m[0], packet.bytes, packet.len);
	assert_int_equal(o->checksum, 0x10);
	assert_true(o->ipsec == UINT64_C(0x100000007));
	assert_int_equal(o->lso, 0x20);
	assert_true(o->tunnel == UINT64_C(0x200000009));
	assert_int_equal(o->header, 0x05000232);
	assert_int_equal(batch.pkt[0].parsed, FER_OK);
	assert_int_equal(batch.pkt[0].frame.ip_off, packet.ip_off);
	assert_int_equal(batch.pkt[0].frame.end, packet.ip_end);
}

static void takes_a_request_off_its_frame(void **state)
{
	static const struct {
		unsigned n_tags;
		uint32_t payload;
		uint16_t record_bytes;
	} rows[] = {
		{0, 100, 56}, {1, 100, 56}, {2, 0, 56}, {0, 9000, 56}, {0, 100, 64}, {1, 40, 300}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_request(rows[i].n_tags, rows[i].payload, rows[i].record_bytes);
		assert_int_equal(take(whole()), FER_OK);
		assert_taken();
		done();
	}
}

static void takes_it_wherever_segments_end(void **state)
{
	(void)state;
	make_request(1, 40, 60);
	for (uint32_t cut = 1; cut < frame_len; cut++) {
		const uint32_t cuts[] = {cut, cut + 1};

		assert_int_equal(take(test_mbuf_cut(pool, frame, frame_len, cuts, 2)), FER_OK);
		assert_taken();
		done();
	}
}

static void writes_through_to_nobody(void **state)
{
	(void)state;
	make_request(0, 100, 56);
	struct rte_mbuf *m = whole();
	struct rte_mbuf *clone = rte_pktmbuf_clone(m, pool);

	assert_int_equal(take(clone), FER_OK);
	assert_taken();
	test_assert_bytes(m, frame, frame_len);
	rte_pktmbuf_free(m);
	done();
}

static void refuses_what_is_cut_short(void **state)
{
	(void)state;
	make_request(0, 100, 60);
	for (uint32_t len = 1; len < RECORD_AT + 60 + 2; len++) {
		struct rte_mbuf *m = test_mbuf(pool, frame, len);

		assert_int_equal(take(m), FER_BAD_SHIM);
		test_assert_bytes(m, frame, len);
		done();
	}
	// An EtherType and nothing else is a frame; what it is worth others judge.
	assert_int_equal(take(test_mbuf(pool, frame, RECORD_AT + 60 + 2)), FER_OK);
	done();
}

static void refuses_what_is_no_request(void **state)
{
	static const struct {
		uint8_t off, value;
		bool is_answered;
	} rows[] = {
		{12, 0x08, false}, // another EtherType
		{13, 0xb6, false},
		{RECORD_AT, 0, false}, // no version that is known: nor is the place of the cookie
		{RECORD_AT, 2, false},
		{RECORD_AT + 1, FER_SHIM_INDICATION, false}, // answers are not answered
		{RECORD_AT + 1, FER_SHIM_COMPLETION, false},
		{RECORD_AT + 1, 0x80, false},
		{RECORD_AT + 2, 55, true}, // lengths
		{RECORD_AT + 2, 0, true},
		{RECORD_AT + 3, 0xff, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_request(0, 100, 56);
		frame[rows[i].off] = rows[i].value;
		assert_int_equal(take(whole()), FER_BAD_SHIM);
		test_assert_bytes(batch.m[0], frame, frame_len);
		fer_shim_complete(&shim, &batch);
		assert_int_equal(batch.n_side, rows[i].is_answered);
		done();
	}
}

// --- indications ------------------------------------------------------------------------------

static void assert_record(const uint8_t *f, uint8_t flags, uint32_t status, uint64_t cookie)
{
	const uint8_t *r = f + RECORD_AT;

	assert_int_equal(fer_load_be16(f + 12), 0x88b5);
	assert_int_equal(r[0], 1);
	assert_int_equal(r[1], flags);
	assert_int_equal(get_le(r + 2, 2), 56);
	assert_int_equal(get_le(r + 4, 4), status);
	assert_true(get_le(r + 8, 8) == cookie);
}

static void assert_indicated(void)
{
	uint32_t len = test_flatten(batch.m[0], got, sizeof(got));

	assert_int_equal(len, packet.len + FER_SHIM_BYTES);
	assert_record(got, FER_SHIM_INDICATION, 0, 0);
	assert_true(get_le(got + RECORD_AT + 16, 8) == 0x44);
	assert_true(get_le(got + RECORD_AT + 24, 8) == UINT64_C(0x30002));
	assert_true(get_le(got + RECORD_AT + 32, 8) == 0);
	assert_true(get_le(got + RECORD_AT + 40, 8) == 0);
	assert_true(get_le(got + RECORD_AT + 48, 8) == 0x10232);
	assert_memory_equal(got, packet.bytes, FER_SHIM_MACS_BYTES);
	assert_memory_equal(got + PACKET_AT, packet.bytes + 12, packet.len - 12);
}

static void indicates_frames_with_their_words(void **state)
{
	(void)state;
	make_request(1, 60, 56);
	for (uint32_t cut = 0; cut < packet.len; cut++) {
		struct rte_mbuf *m = test_mbuf_cut(pool, packet.bytes, packet.len, &cut, 1);

		*fer_oob_of(m) =
			(struct fer_oob){.checksum = 0x44, .ipsec = 0x30002, .header = 0x10232};
		batch.n = 1;
		batch.link = FER_LINK_ETHERNET;
		batch.m[0] = m;
		fer_batch_parse(&batch);
		fer_shim_indicate(&shim, &batch);
		assert_int_equal(batch.pkt[0].verdict, FER_OK);
		assert_indicated();
		done();
	}
}

static void indicates_no_frame_that_has_no_addresses(void **state)
{
	static const uint8_t runt[13] = {1, 2, 3};

	(void)state;
	batch.n = 1;
	batch.m[0] = test_mbuf(pool, runt, sizeof(runt));
	fer_batch_parse(&batch);
	fer_shim_indicate(&shim, &batch);
	assert_int_equal(batch.pkt[0].verdict, FER_NOT_IP);
	test_assert_bytes(batch.m[0], runt, sizeof(runt));
	done();
}

// --- completions ------------------------------------------------------------------------------

static void assert_turned_round(const uint8_t *f)
{
	assert_memory_equal(f, packet.bytes + 6, 6);
	assert_memory_equal(f + 6, packet.bytes, 6);
}

static void a_failed_send_comes_back(void **state)
{
	static const struct {
		enum fer_verdict v;
		uint32_t status;
	} rows[] = {{FER_BAD_HANDLE, 0xC0000001}, {FER_BAD_OFFSET, 0xC0000001},
		{FER_CRYPTO_ERROR, 0xC0000001}, {FER_NO_ROOM, 0xC000009A},
		{FER_TX_FULL, 0xC000009A}, {FER_TOO_BIG, 0xC0010014}};

	(void)state;
	for (unsigned n_tags = 0; n_tags < 2; n_tags++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			uint32_t l2_len = 14 + 4 * n_tags;

			make_request(n_tags, 100, 56);
			assert_int_equal(take(whole()), FER_OK);
			batch.pkt[0].verdict = (uint8_t)rows[i].v;
			fer_shim_complete(&shim, &batch);
			assert_null(batch.m[0]);
			assert_int_equal(batch.n_side, 1);
			assert_int_equal(test_flatten(batch.side[0], got, sizeof(got)),
				l2_len + 64 + FER_SHIM_BYTES);
			assert_turned_round(got);
			assert_record(got, FER_SHIM_COMPLETION, rows[i].status, COOKIE);
			assert_true(get_le(got + RECORD_AT + 24, 8) == UINT64_C(0x100000007));
			assert_memory_equal(got + PACKET_AT, packet.bytes + 12, l2_len - 12 + 64);
			done();
		}
}

static void a_short_packet_comes_back_whole(void **state)
{
	(void)state;
	make_request(0, 4, 56);
	assert_int_equal(take(whole()), FER_OK);
	batch.pkt[0].verdict = FER_BAD_HANDLE;
	fer_shim_complete(&shim, &batch);
	assert_int_equal(
		test_flatten(batch.side[0], got, sizeof(got)), packet.len + FER_SHIM_BYTES);
	done();
}

static void a_bad_request_is_told(void **state)
{
	(void)state;
	make_request(0, 100, 56);
	put_le(frame + RECORD_AT + 2, 20, 2);
	assert_int_equal(take(whole()), FER_BAD_SHIM);
	fer_shim_complete(&shim, &batch);
	assert_int_equal(test_flatten(batch.side[0], got, sizeof(got)), PACKET_AT);
	assert_turned_round(got);
	assert_record(got, FER_SHIM_COMPLETION, 0xC0010015, COOKIE);
	done();
}

static void a_success_is_told_if_it_shall_be(void **state)
{
	(void)state;
	make_request(0, 100, 56);
	for (unsigned all = 0; all < 2; all++) {
		shim.completes_all = all;
		assert_int_equal(take(whole()), FER_OK);
		rte_pktmbuf_free(batch.m[0]); // the port has it
		fer_shim_complete(&shim, &batch);
		assert_int_equal(batch.n_side, all);
		batch.n = 0;
		if (all == 0)
			continue;
		assert_int_equal(test_flatten(batch.side[0], got, sizeof(got)), PACKET_AT);
		assert_turned_round(got);
		assert_record(got, FER_SHIM_COMPLETION, 0, COOKIE);
		done();
	}
	shim.completes_all = false;
}

// Section 2.23: slot 2 of a completion says what became of a large send.
static void a_large_send_is_told_by_slot_2(void **state)
{
	static const struct {
		uint32_t asked, left, good, bad; // left: by the NIC half
	} rows[] = {
		{1400 | 99u << 20, 5000, 5000, 0},
		{1400 | 99u << 20 | 1u << 30, 1u << 30, 1u << 30, 1u << 30},
		{1400 | 3u << 30, 1u << 30, 1u << 30, 1u << 30},
		{99u << 20, 0, 0, 99u << 20}, // MSS 0: no large send
	};

	(void)state;
	make_request(0, 100, 56);
	shim.completes_all = true;
	for (size_t i = 0; i < 3 * RTE_DIM(rows); i++) {
		bool is_cut = i % 3 != 0, is_sent = i % 3 == 2;
		uint32_t want = is_sent ? rows[i / 3].good : rows[i / 3].bad;

		put_le(frame + RECORD_AT + 32, rows[i / 3].asked, 8);
		assert_int_equal(take(whole()), FER_OK);
		if (is_cut && rows[i / 3].left != 0)
			fer_oob_of(batch.m[0])->lso = rows[i / 3].left;
		if (is_cut)
			fer_shim_keep(&shim, &batch);
		if (is_sent)
			rte_pktmbuf_free(batch.m[0]); // the port has it
		else
			batch.pkt[0].verdict = is_cut ? FER_TX_FULL : FER_BAD_HANDLE;
		fer_shim_complete(&shim, &batch);
		assert_int_equal(batch.n_side, 1);
		assert_true(test_flatten(batch.side[0], got, sizeof(got)) >= PACKET_AT);
		assert_true(get_le(got + RECORD_AT + 32, 8) == want);
		batch.n = 0;
		done();
	}
	shim.completes_all = false;
}

// Completions stand in the order of their sends, and each has the cookie of its own.
static void a_full_batch_is_completed_in_order(void **state)
{
	(void)state;
	make_request(0, 20, 56);
	batch.n = FER_BATCH_MAX;
	batch.link = FER_LINK_ETHERNET;
	for (unsigned i = 0; i < FER_BATCH_MAX; i++) {
		put_le(frame + RECORD_AT + 8, i, 8);
		batch.m[i] = whole();
	}
	fer_shim_take(&shim, &batch);
	for (unsigned i = 0; i < FER_BATCH_MAX; i++)
		batch.pkt[i].verdict = FER_BAD_HANDLE;
	fer_shim_complete(&shim, &batch);
	assert_int_equal(batch.n_side, FER_BATCH_MAX);
	for (unsigned i = 0; i < FER_BATCH_MAX; i++) {
		test_flatten(batch.side[i], got, sizeof(got));
		assert_record(got, FER_SHIM_COMPLETION, 0xC0000001, i);
	}
	done();
}

static int set_up(void **state)
{
	(void)state;
	pool = test_pool("shim", 1023, 2176);
	shim = (struct fer_shim){.pool = pool};
	return fer_oob_register();
}

static int nothing_is_left(void **state)
{
	(void)state;
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_request_off_its_frame),
		cmocka_unit_test(takes_it_wherever_segments_end),
		cmocka_unit_test(writes_through_to_nobody),
		cmocka_unit_test(refuses_what_is_cut_short),
		cmocka_unit_test(refuses_what_is_no_request),
		cmocka_unit_test(indicates_frames_with_their_words),
		cmocka_unit_test(indicates_no_frame_that_has_no_addresses),
		cmocka_unit_test(a_failed_send_comes_back),
		cmocka_unit_test(a_short_packet_comes_back_whole),
		cmocka_unit_test(a_bad_request_is_told),
		cmocka_unit_test(a_success_is_told_if_it_shall_be),
		cmocka_unit_test(a_large_send_is_told_by_slot_2),
		cmocka_unit_test(a_full_batch_is_completed_in_order),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, set_up, nothing_is_left);
}
