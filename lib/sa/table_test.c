// SPDX-License-Identifier: BSD-3-Clause
// Does an SA come into being, hold what was asked, and go without a trace?
#include "sa/table.h"

#include "base/bytes.h"
#include "proto/cksum.h"
#include "sa/table_fixture.h"
#include "support/eal.h"

#include <errno.h>

// --- birth and death

static void added_is_found_and_removed_is_not(void **state)
{
	struct fer_sa_table *t = open_table(10);
	struct fer_sa_params p = in_params(0x1000);
	uint64_t handle = must_add(t, &p);

	(void)state;
	assert_int_equal(find(t, &p), (uint32_t)handle);
	struct fer_sa *sa = fer_sa_get(t, handle);
	assert_ptr_equal(sa, fer_sa_at(t, (uint32_t)handle));
	assert_int_equal(sa->generation, handle >> 32);
	assert_int_equal(fer_sa_count(t), 1);
	assert_int_equal(fer_sa_capacity(t), 10);
	assert_int_equal(n_hints_set(t), 1);
	must_remove(t, handle);
	assert_int_equal(n_hints_set(t), 0);
	assert_null(fer_sa_get(t, handle));
	assert_int_equal(find(t, &p), FER_NO_SA_INDEX);
	assert_int_equal(fer_sa_remove(t, handle), -ENOENT);
	assert_int_equal(fer_sa_count(t), 0);
	assert_int_equal(fer_sa_reclaim(t), 0);
	fer_sa_table_destroy(t);
	fer_sa_table_destroy(NULL);
}

static void handles_that_name_nothing(void **state)
{
	struct fer_sa_table *t = open_table(2);
	struct fer_sa_params p = in_params(0x1000);
	uint64_t handle = must_add(t, &p);
	const uint64_t none[] = {0, 1, handle + 1, handle + 2, handle & UINT32_MAX,
		handle + (UINT64_C(1) << 32), UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < N(none); i++) {
		assert_null(fer_sa_get(t, none[i]));
		assert_int_equal(fer_sa_remove(t, none[i]), -ENOENT);
		assert_int_equal(fer_group_activate(t, none[i]), -ENOENT);
	}
	assert_non_null(fer_sa_get(t, handle));
	fer_sa_table_destroy(t);
}

static void an_old_handle_does_not_open_a_new_sa(void **state)
{
	struct fer_sa_table *t = open_table(1);
	uint64_t old[50];

	(void)state;
	for (uint32_t i = 0; i < N(old); i++) {
		struct fer_sa_params p = in_params(0x1000 + i % 3);

		old[i] = must_add(t, &p);
		for (uint32_t j = 0; j < i; j++)
			assert_null(fer_sa_get(t, old[j]));
		must_remove(t, old[i]);
	}
	fer_sa_table_destroy(t);
}

static void generation_zero_is_skipped(void **state)
{
	struct fer_sa_table *t = open_table(1);
	struct fer_sa_params p = in_params(0x1000);

	(void)state;
	t->control->generations[0] = UINT32_MAX - 1;
	uint64_t handle = must_add(t, &p);
	assert_true(handle == (uint64_t)UINT32_MAX << 32);
	must_remove(t, handle);
	handle = must_add(t, &p);
	assert_true(handle == UINT64_C(1) << 32);
	assert_int_equal(find(t, &p), 0);
	fer_sa_table_destroy(t);
}

static void capacity_is_kept_and_comes_back(void **state)
{
	enum { CAPACITY = 9 };
	struct fer_sa_table *t = open_table(CAPACITY);
	uint64_t handle[CAPACITY];
	struct fer_sa_params p;

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < CAPACITY; i++) {
			p = round % 3 == 2 ? out_params(0x1000 + i) : in_params(0x1000 + i);
			handle[i] = must_add(t, &p);
		}
		p = in_params(0x2000);
		assert_int_equal(try_add(t, &p), -ENOSPC);
		p = out_params(0x2000);
		assert_int_equal(try_add(t, &p), -ENOSPC);
		for (uint32_t i = 0; i < CAPACITY; i++)
			must_remove(t, handle[i]);
		if (round % 2 == 0)
			assert_int_equal(fer_sa_reclaim(t), 0);
	}
	fer_sa_table_destroy(t);
}

static void an_index_is_reused_late(void **state)
{
	enum { CAPACITY = 9 };
	struct fer_sa_table *t = open_table(CAPACITY);

	(void)state;
	for (uint32_t i = 0; i < 3 * CAPACITY; i++) {
		struct fer_sa_params p = in_params(0x1000);
		uint64_t handle = must_add(t, &p);

		assert_int_equal((uint32_t)handle, i % CAPACITY);
		must_remove(t, handle);
		assert_int_equal(fer_sa_reclaim(t), 0);
	}
	fer_sa_table_destroy(t);
}

// The memory of a table follows the SAs that live at once, not those that ever lived.
static void blocks_that_were_used_come_first(void **state)
{
	enum { CAPACITY = 16384 };
	struct fer_sa_table *t = open_table(CAPACITY);
	uint32_t highest = 0;

	(void)state;
	for (uint32_t i = 0; i < 2 * CAPACITY; i++) {
		struct fer_sa_params p = in_params(0x1000);
		uint64_t handle = must_add(t, &p);

		highest = RTE_MAX(highest, (uint32_t)handle);
		must_remove(t, handle);
		assert_int_equal(fer_sa_reclaim(t), 0);
	}
	assert_true(highest < CAPACITY / 8);
	fer_sa_table_destroy(t);
}

static void a_sleeping_worker_is_waited_for(void **state)
{
	struct fer_sa_table *t = open_with(2, fer_iv_system(), qsbr);
	struct fer_sa_params p = in_params(0x1000);

	(void)state;
	assert_int_equal(rte_rcu_qsbr_thread_register(qsbr, 0), 0);
	rte_rcu_qsbr_thread_online(qsbr, 0);
	uint64_t handle = must_add(t, &p);
	struct fer_sa *sa = fer_sa_at(t, (uint32_t)handle);
	must_remove(t, handle);
	assert_int_equal(fer_sa_reclaim(t), 1);
	assert_int_equal(sa->spi, 0x1000); // the worker may have it in hand

	p = in_params(0x1000); // the identity is free at once
	must_remove(t, must_add(t, &p));
	p = in_params(0x1001); // the room is not
	assert_int_equal(try_add(t, &p), -ENOSPC);

	rte_rcu_qsbr_quiescent(qsbr, 0);
	assert_int_equal(sa->spi, 0x1000);      // wiped by the control thread only
	assert_int_equal(fer_sa_reclaim(t), 1); // the second waited for the first
	assert_int_equal(sa->spi, 0);
	assert_int_equal(fer_sa_reclaim(t), 1);
	rte_rcu_qsbr_quiescent(qsbr, 0);
	assert_int_equal(fer_sa_reclaim(t), 0);
	assert_int_equal(fer_sa_count(t), 0);
	must_add(t, &p);
	rte_rcu_qsbr_thread_offline(qsbr, 0);
	assert_int_equal(rte_rcu_qsbr_thread_unregister(qsbr, 0), 0);
	fer_sa_table_destroy(t);
}

static bool is_zero(const void *p, size_t len)
{
	const uint8_t *bytes = p;

	return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static void nothing_is_left_of_an_sa(void **state)
{
	static const struct {
		const char *encryption, *integrity;
	} suites[] = {
		{"aes-gcm-128", NULL},
		{"aes-gcm-256", NULL},
		{"aes-cbc-256", "hmac-sha2-512-256"},
		{"null", "hmac-sha1-96"},
	};
	struct fer_sa_table *t = open_table(1);
	uint8_t integrity_key[FER_MAX_KEY_BYTES] = {1, 2, 3};

	(void)state;
	for (size_t i = 0; i < 2 * N(suites); i++) {
		struct fer_sa_params p = i % 2 == 0 ? in_params(0x1000) : out_params(0x1000);

		p.encryption = fer_algo_find(FER_ENCRYPTION, suites[i / 2].encryption);
		if (suites[i / 2].integrity != NULL) {
			p.integrity = fer_algo_find(FER_INTEGRITY, suites[i / 2].integrity);
			p.integrity_key = integrity_key;
		}
		uint64_t handle = must_add(t, &p);
		assert_false(is_zero(fer_sa_at(t, 0)->key, 64));
		must_remove(t, handle);
		assert_false(is_zero(fer_sa_at(t, 0)->key, 64));
		assert_int_equal(fer_sa_reclaim(t), 0);
		assert_true(is_zero(fer_sa_at(t, 0), t->stride));
	}
	fer_sa_table_destroy(t);
}

// Those of a live SA and of one removed, by the end of the table too: ASan looks for the memory.
static void wide_windows_come_and_go(void **state)
{
	struct fer_sa_table *t = open_table(3);
	struct fer_sa_params p = in_params(0x1000);
	uint64_t seq = 0;

	(void)state;
	p.replay_window = FER_REPLAY_MAX_PKTS;
	struct fer_sa *sa = fer_sa_get(t, must_add(t, &p));
	assert_ptr_not_equal(sa->in.replay.seen, sa->in.window);
	assert_int_equal(fer_replay_check(&sa->in.replay, 1, &seq), FER_OK);
	p = in_params(0x1001);
	p.replay_window = FER_SA_INLINE_WINDOW;
	sa = fer_sa_get(t, must_add(t, &p));
	assert_ptr_equal(sa->in.replay.seen, sa->in.window);
	p = in_params(0x1002);
	p.replay_window = FER_SA_INLINE_WINDOW + 1;
	uint64_t handle = must_add(t, &p);
	must_remove(t, handle);
	assert_int_equal(fer_sa_reclaim(t), 0);
	handle = must_add(t, &p);
	must_remove(t, handle);
	fer_sa_table_destroy(t);
}

// --- refusals

static void a_refused_sa_leaves_nothing_behind(void **state)
{
	struct fer_sa_table *t = open_table(1);
	struct fer_sa_params p = out_params(0x1000);

	(void)state;
	p.spi = 255;
	assert_int_equal(try_add(t, &p), -EINVAL);
	p.spi = 256;
	p.group = N_GROUPS;
	assert_int_equal(try_add(t, &p), -EINVAL);
	p.group = 0;
	must_add(t, &p); // the key was not taken, nor the room
	p.direction = FER_IN;
	assert_int_equal(try_add(t, &p), -ENOSPC);
	assert_int_equal(find(t, &p), FER_NO_SA_INDEX);
	assert_int_equal(fer_sa_add(t, &p, NULL, NULL), -ENOSPC); // nobody wants to know why
	fer_sa_table_destroy(t);
}

static void an_identity_is_given_once(void **state)
{
	struct fer_sa_table *t = open_table(10);
	struct fer_sa_params p = in_params(0x1000);
	uint64_t handle = must_add(t, &p);

	(void)state;
	p = in_params(0x1000);
	raw_key[15] ^= 1;
	assert_int_equal(try_add(t, &p), -EEXIST);
	p.mode = FER_TRANSPORT;
	p.src.bytes[0] = 99;
	assert_int_equal(try_add(t, &p), -EEXIST);
	assert_int_equal(find(t, &p), (uint32_t)handle);

	p.direction = FER_OUT; // the peer's choice of SPI is free, and may even repeat
	must_add(t, &p);
	raw_key[15] ^= 2;
	must_add(t, &p);
	assert_int_equal(find(t, &p), (uint32_t)handle);
	fer_sa_table_destroy(t);
}

static void an_outbound_counter_key_is_used_alone(void **state)
{
	struct fer_sa_table *t = open_table(10);
	struct fer_sa_params in = in_params(0x1000), other_in = in_params(0x1000), out;

	(void)state;
	out = out_params(0x1000);
	other_in.dst.bytes[3] = 9;
	uint64_t a = must_add(t, &in), b = must_add(t, &other_in);
	assert_int_equal(try_add(t, &out), -ENOTUNIQ);
	must_remove(t, a);
	assert_int_equal(fer_sa_reclaim(t), 0);
	assert_int_equal(try_add(t, &out), -ENOTUNIQ);
	must_remove(t, b);
	assert_int_equal(fer_sa_reclaim(t), 0);
	a = must_add(t, &out);
	assert_int_equal(try_add(t, &out), -ENOTUNIQ);
	assert_int_equal(try_add(t, &in), -ENOTUNIQ);

	raw_key[16] ^= 1; // another salt
	must_add(t, &in);
	must_remove(t, a);
	assert_int_equal(fer_sa_reclaim(t), 0);
	raw_key[16] ^= 1;
	must_add(t, &out);
	fer_sa_table_destroy(t);
}

static struct fer_sa_table *open_beside(
	struct fer_sa_table *other, const char *name, const struct fer_iv_source *ivs)
{
	struct fer_sa_table_params params = {
		.name = name, .capacity = 4, .n_groups = N_GROUPS, .ivs = ivs, .beside = other};
	int error;
	struct fer_sa_table *t = fer_sa_table_create(&params, engine, &error);

	assert_non_null(t);
	return t;
}

// Each table counts its IVs from the clock on by itself.  What one sends the other may receive.
static void no_key_is_that_of_two_senders_in_several_tables(void **state)
{
	struct fer_sa_table *t[3];
	struct fer_sa_params in = in_params(0x1000), out = out_params(0x1000);

	(void)state;
	t[0] = open_beside(NULL, "first", fer_iv_system());
	t[1] = open_beside(t[0], "second", fer_iv_system());
	t[2] = open_beside(t[1], "third", fer_iv_system());
	for (unsigned i = 0; i < 3; i++) {
		uint64_t handle = must_add(t[i], &out);

		assert_int_equal(try_add(t[(i + 1) % 3], &out), -ENOTUNIQ);
		assert_int_equal(try_add(t[(i + 2) % 3], &out), -ENOTUNIQ);
		uint64_t peer = must_add(t[(i + 1) % 3], &in);
		must_remove(t[(i + 1) % 3], peer);
		assert_int_equal(fer_sa_reclaim(t[(i + 1) % 3]), 0);
		must_remove(t[i], handle);
		assert_int_equal(fer_sa_reclaim(t[i]), 0);
	}
	fer_sa_table_destroy(t[1]);
	must_add(t[2], &out);
	assert_int_equal(try_add(t[0], &out), -ENOTUNIQ);
	fer_sa_table_destroy(t[2]);
	must_add(t[0], &out);
	fer_sa_table_destroy(t[0]);
}

// Until the workers let go of the SA that had it, a key is not free.
static void a_key_comes_back_with_its_reclaim(void **state)
{
	struct fer_sa_table *t = open_with(4, fer_iv_system(), qsbr);
	struct fer_sa_params out = out_params(0x1000);

	(void)state;
	assert_int_equal(rte_rcu_qsbr_thread_register(qsbr, 0), 0);
	rte_rcu_qsbr_thread_online(qsbr, 0);
	must_remove(t, must_add(t, &out));
	assert_int_equal(fer_sa_reclaim(t), 1);
	assert_int_equal(try_add(t, &out), -ENOTUNIQ);
	rte_rcu_qsbr_quiescent(qsbr, 0);
	assert_int_equal(fer_sa_reclaim(t), 0);
	must_add(t, &out);
	rte_rcu_qsbr_thread_offline(qsbr, 0);
	assert_int_equal(rte_rcu_qsbr_thread_unregister(qsbr, 0), 0);
	fer_sa_table_destroy(t);
}

static void keys_without_counter_may_repeat(void **state)
{
	struct fer_sa_table *t = open_table(10);
	struct fer_sa_params p = out_params(0x1000);

	(void)state;
	p.encryption = fer_algo_find(FER_ENCRYPTION, "aes-cbc-128");
	p.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha1-96");
	p.integrity_key = raw_key;
	must_add(t, &p);
	must_add(t, &p);
	p.direction = FER_IN;
	must_add(t, &p);
	fer_sa_table_destroy(t);
}

// The numbers of an SA move forward by update, never back; without ESN not at all.
// Contract sections 6.6 and 7.9: what the host told last holds, for any low half, forward or back.
static void a_contract_host_tells_the_high_half(void **state)
{
	static const uint32_t highs[] = {7, 8, 7, 0, UINT32_MAX, 1};
	static const uint32_t lows[] = {0, 1, 0x80000000u, UINT32_MAX};
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = in_params(0x1000);
	uint64_t in, out, seq = 0;

	(void)state;
	p.esn = true;
	p.contract = true;
	p.replay_window = 0;
	p.sequence = (uint64_t)highs[0] << 32;
	in = must_add(t, &p);
	p = out_params(0x1001);
	p.esn = true;
	p.contract = true;
	p.sequence = (uint64_t)highs[0] << 32;
	out = must_add(t, &p);
	for (size_t i = 0; i < sizeof(highs) / sizeof(highs[0]); i++) {
		assert_int_equal(fer_sa_update_high(t, in, FER_PROTO_ESP, highs[i]), 0);
		assert_int_equal(fer_sa_update_high(t, out, FER_PROTO_ESP, highs[i]), 0);
		for (size_t k = 0; k < sizeof(lows) / sizeof(lows[0]); k++) {
			const struct fer_sa *sa = fer_sa_at(t, (uint32_t)in);

			for (unsigned again = 0; again < 2; again++)
				assert_int_equal(
					fer_replay_check(&sa->in.replay, lows[k], &seq), FER_OK);
			assert_true(seq == ((uint64_t)highs[i] << 32 | lows[k]));
			sa = fer_sa_at(t, (uint32_t)out);
			assert_int_equal(
				fer_seq_high_before(fer_seq_last(&sa->out.seq), lows[k]), highs[i]);
		}
	}
	fer_sa_table_destroy(t);
}

// The host answers for its keys.
static void a_contract_host_may_have_a_key_twice(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = out_params(0x1000);
	const char *why = NULL;
	uint64_t handle;

	(void)state;
	p.contract = true;
	(void)must_add(t, &p);
	(void)must_add(t, &p);
	p.contract = false;
	(void)must_add(t, &p);
	assert_int_equal(fer_sa_add(t, &p, &handle, &why), -ENOTUNIQ);
	fer_sa_table_destroy(t);
}

// Not even in the place of an SA that held it alone.
static void a_contract_host_holds_no_key(void **state)
{
	struct fer_sa_table *t = open_table(2);
	struct fer_sa_params ours = out_params(0x1000), of_host = out_params(0x1001);

	(void)state;
	of_host.contract = true;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t a = must_add(t, &ours);
		must_remove(t, a);
		assert_int_equal(fer_sa_reclaim(t), 0);
		uint64_t b = must_add(t, &of_host); // one of them has the place of the other
		a = must_add(t, &ours);
		must_remove(t, b);
		assert_int_equal(fer_sa_reclaim(t), 0);
		assert_int_equal(try_add(t, &ours), -ENOTUNIQ);
		must_remove(t, a);
		assert_int_equal(fer_sa_reclaim(t), 0);
	}
	fer_sa_table_destroy(t);
}

static void an_update_moves_forward(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = in_params(0x1000);
	uint64_t plain = must_add(t, &p), in, out, seq = 0;

	(void)state;
	p = in_params(0x1001);
	p.esn = true;
	p.sequence = UINT64_C(0x1fffffff0);
	in = must_add(t, &p);
	p = out_params(0x1002);
	p.esn = true;
	p.sequence = UINT64_C(0x100000005);
	out = must_add(t, &p);
	const struct fer_replay *w = &fer_sa_at(t, (uint32_t)in)->in.replay;
	const struct fer_seq *s = &fer_sa_at(t, (uint32_t)out)->out.seq;

	assert_int_equal(fer_sa_update_high(t, plain, FER_PROTO_ESP, 1), -EINVAL);
	assert_int_equal(fer_sa_update_high(t, out ^ 0xff, FER_PROTO_ESP, 1), -ENOENT);
	assert_int_equal(fer_sa_update_high(t, in, FER_PROTO_ESP, 0), -EINVAL);
	assert_int_equal(fer_sa_update_high(t, out, FER_PROTO_ESP, 0), -EINVAL);
	assert_int_equal(fer_sa_update_high(t, in, FER_PROTO_ESP, 1), 0);
	assert_int_equal(fer_sa_update_high(t, out, FER_PROTO_ESP, 1), 0);
	assert_int_equal(w->top, UINT64_C(0x1fffffff0));
	assert_int_equal(fer_seq_last(s), UINT64_C(0x100000005));
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(fer_sa_update_high(t, in, FER_PROTO_ESP, 2), 0);
		assert_int_equal(fer_sa_update_high(t, out, FER_PROTO_ESP, 3), 0);
		assert_int_equal(w->top, UINT64_C(0x1ffffffff));
		assert_int_equal(fer_seq_last(s), UINT64_C(0x2ffffffff));
	}
	assert_int_equal(fer_replay_check(w, 0, &seq), FER_OK);
	assert_int_equal(seq, UINT64_C(0x200000000));
	fer_sa_table_destroy(t);
}

static void removed_and_reclaimed_are_counted(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = in_params(0x1000);
	uint64_t handle = must_add(t, &p);

	(void)state;
	assert_int_equal(fer_sa_n_removed(t), 0);
	assert_int_equal(fer_sa_remove(t, handle), 0);
	assert_int_equal(fer_sa_n_removed(t), 1);
	assert_int_equal(fer_sa_n_reclaimed(t), 0);
	assert_int_equal(fer_sa_reclaim(t), 0);
	assert_int_equal(fer_sa_n_reclaimed(t), 1);
	fer_sa_table_destroy(t);
}

static void a_table_needs_sensible_parameters(void **state)
{
	const struct fer_sa_table_params good = {
		.name = "test", .capacity = 1, .ivs = fer_iv_system()};
	struct fer_sa_table_params p = good;
	int error = 0;

	(void)state;
	p.capacity = 0;
	assert_null(fer_sa_table_create(&p, engine, &error));
	assert_int_equal(error, -EINVAL);
	p.capacity = (1 << 24) + 1;
	assert_null(fer_sa_table_create(&p, engine, &error));
	assert_int_equal(error, -EINVAL);
	p = good;
	p.name = "a name of 21 letters.";
	assert_null(fer_sa_table_create(&p, engine, &error));
	assert_int_equal(error, -EINVAL);
	p = good;
	p.ivs = NULL;
	assert_null(fer_sa_table_create(&p, engine, &error));
	assert_int_equal(error, -EINVAL);
	assert_null(fer_sa_table_create(&good, NULL, &error));
	assert_int_equal(error, -EINVAL);

	struct fer_sa_table *t = fer_sa_table_create(&good, engine, &error);
	assert_non_null(t);
	assert_null(fer_sa_table_create(&good, engine, &error));
	assert_int_equal(error, -EEXIST);
	p = good;
	p.name = "a name of 20 letters";
	struct fer_sa_table *u = fer_sa_table_create(&p, engine, &error);
	assert_non_null(u);
	fer_sa_table_destroy(t);
	fer_sa_table_destroy(u);
}

// --- what is in an SA

static void inbound_starts_as_asked(void **state)
{
	struct fer_sa_table *t = open_table(2);
	struct fer_sa_params p = in_params(0x1000);

	(void)state;
	p.esn = true;
	p.sequence = (UINT64_C(7) << 32) + 5;
	p.replay_window = 100;
	p.group = 3;
	struct fer_sa *sa = fer_sa_get(t, must_add(t, &p));
	assert_int_equal(sa->group, 3);
	assert_int_equal(sa->mode, FER_TUNNEL);
	assert_int_equal(sa->version, 4);
	assert_memory_equal(sa->in.src, p.src.bytes, 16);
	assert_memory_equal(sa->dst, p.dst.bytes, 16);
	assert_true(sa->suite.esn);
	assert_true(sa->in.replay.top == p.sequence);
	assert_int_equal(sa->in.replay.n_pkts, 100);
	assert_int_equal(rte_spinlock_trylock(&sa->in.lock), 1);
	assert_true(fer_sa_key(sa) == (const void *)((uint8_t *)sa + sizeof(*sa)));
	assert_int_equal((uintptr_t)sa % 64, 0);
	fer_sa_table_destroy(t);
}

// Over 2^32 of them as well; and an SA that gets the block begins with none.
static void drops_are_counted_by_cause(void **state)
{
	const uint64_t many = (UINT64_C(1) << 32) - 2;
	struct fer_sa_table *t = open_table(1);
	struct fer_sa_params p = in_params(0x100);
	struct fer_sa *sa = fer_sa_get(t, must_add(t, &p));

	(void)state;
	for (unsigned v = FER_OK + 1; v < FER_N_SA_VERDICTS; v++)
		fer_sa_count_drop(t, sa, v, UINT32_MAX - 1);
	fer_sa_count_drop(t, sa, FER_REPLAY, 1);
	assert_true(fer_sa_drops(t, sa, FER_REPLAY) == many + 1);
	fer_sa_count_drop(t, sa, FER_REPLAY, 1);
	assert_true(fer_sa_drops(t, sa, FER_REPLAY) == many + 2);
	fer_sa_count_drop(t, sa, FER_NO_ROOM, UINT32_MAX);
	assert_true(fer_sa_drops(t, sa, FER_NO_ROOM) == many + UINT32_MAX);
	for (unsigned v = FER_OK + 1; v < FER_N_SA_VERDICTS; v++)
		if (v != FER_REPLAY && v != FER_NO_ROOM)
			assert_true(fer_sa_drops(t, sa, v) == many);
	assert_true(fer_sa_drops(t, sa, FER_OK) == 0);

	must_remove(t, fer_sa_handle(t->control, sa));
	assert_int_equal(fer_sa_reclaim(t), 0);
	sa = fer_sa_get(t, must_add(t, &p));
	for (unsigned v = FER_OK; v < FER_N_SA_VERDICTS; v++)
		assert_true(fer_sa_drops(t, sa, v) == 0);
	fer_sa_table_destroy(t);
}

static void ipv4_template(void **state)
{
	static const uint8_t expected[] = {
		0x45, 0, 0, 20, 0, 0, 0, 0, 33, 50, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1};
	struct fer_sa_table *t = open_table(2);
	struct fer_sa_params p = out_params(0x1000);

	(void)state;
	p.outer = (struct fer_outer_rules){.ttl = 33, .dscp = 7, .df = FER_DF_SET};
	p.sequence = 41;
	struct fer_sa *sa = fer_sa_get(t, must_add(t, &p));
	struct fer_sa_template *tpl = &sa->out.template;
	assert_int_equal(tpl->ip_bytes, 20);
	assert_int_equal(tpl->version, 4);
	assert_int_equal(tpl->rules.dscp, 7);
	assert_int_equal(tpl->marks.kept, fer_ip_marks(3, false)); // ECN alone
	assert_int_equal(tpl->marks.set, fer_ip_marks(7 << 2, true));
	assert_int_equal(tpl->growth, 20 + sa->head_bytes);
	assert_int_equal(tpl->plain, FER_SA_PLAIN_ESP4);
	assert_int_equal(fer_cksum_20(tpl->ip), 0);
	memset(tpl->ip + 10, 0, 2);
	assert_memory_equal(tpl->ip, expected, sizeof(expected));
	assert_true(fer_seq_last(&sa->out.seq) == 41);
	assert_true(sa->out.seq.limit == UINT32_MAX);
	assert_memory_equal(sa->out.src, p.src.bytes, 16);
	fer_sa_table_destroy(t);
}

static void ipv6_template(void **state)
{
	struct fer_sa_table *t = open_table(2);
	struct fer_sa_params p = out_params(0x1000);

	(void)state;
	p.src.version = p.dst.version = 6;
	p.outer = (struct fer_outer_rules){.ttl = 33, .flow_label = 0xabcde};
	p.esn = true;
	struct fer_sa *sa = fer_sa_get(t, must_add(t, &p));
	const struct fer_sa_template *tpl = &sa->out.template;
	assert_int_equal(tpl->ip_bytes, 40);
	assert_int_equal(fer_load_be32(tpl->ip), 0x60000000);
	assert_int_equal(tpl->rules.flow_label, 0xabcde);
	assert_int_equal(tpl->growth, 40 + sa->head_bytes);
	assert_int_equal(tpl->plain, FER_SA_PLAIN);
	assert_int_equal(fer_load_be32(tpl->ip + 4), FER_PROTO_ESP << 8 | 33);
	assert_memory_equal(tpl->ip + 8, p.src.bytes, 16);
	assert_memory_equal(tpl->ip + 24, p.dst.bytes, 16);
	assert_true(sa->out.seq.limit == UINT64_MAX);
	fer_sa_table_destroy(t);
}

static void transport_has_no_template(void **state)
{
	struct fer_sa_table *t = open_table(1);
	struct fer_sa_params p = out_params(0x1000);

	(void)state;
	p.mode = FER_TRANSPORT;
	const struct fer_sa *sa = fer_sa_get(t, must_add(t, &p));
	assert_int_equal(sa->out.template.ip_bytes, 0);
	assert_int_equal(sa->out.template.growth, sa->head_bytes);
	assert_int_equal(sa->out.template.plain, FER_SA_NOT_PLAIN);
	assert_true(is_zero(sa->out.template.ip, sizeof(sa->out.template.ip)));
	fer_sa_table_destroy(t);
}

// --- IVs of counter modes

struct clock {
	uint64_t now;
	int error;
};

static int clock_start(void *ctx, uint64_t *counter)
{
	const struct clock *c = ctx;

	*counter = c->now;
	return c->error;
}

static void an_iv_is_never_used_twice(void **state)
{
	struct clock clock = {.now = 1000};
	const struct fer_iv_source ivs = {.counter_start = clock_start, .ctx = &clock};
	struct fer_sa_table *t = open_with(4, &ivs, NULL);
	struct fer_sa_params p = out_params(0x1000);

	(void)state;
	uint64_t handle = must_add(t, &p);
	struct fer_sa *sa = fer_sa_get(t, handle);
	assert_true(sa->out.iv == 1000);
	atomic_fetch_add(&sa->out.iv, 500); // 1000 to 1499 are used
	must_remove(t, handle);
	atomic_fetch_add(&sa->out.iv, 32); // by a worker that still had it
	assert_int_equal(fer_sa_reclaim(t), 0);

	clock.now = 900; // set back
	sa = fer_sa_get(t, handle = must_add(t, &p));
	assert_true(sa->out.iv == 1532);
	must_remove(t, handle);
	assert_int_equal(fer_sa_reclaim(t), 0);
	clock.now = 5000;
	sa = fer_sa_get(t, must_add(t, &p));
	assert_true(sa->out.iv == 5000);
	fer_sa_table_destroy(t);
}

// The clock was set back, and the key moved to another table.
static void an_iv_is_never_used_twice_in_several_tables(void **state)
{
	struct clock clock = {.now = 1000};
	const struct fer_iv_source ivs = {.counter_start = clock_start, .ctx = &clock};
	struct fer_sa_table *a = open_beside(NULL, "first", &ivs);
	struct fer_sa_table *b = open_beside(a, "second", &ivs);
	struct fer_sa_params p = out_params(0x1000);

	(void)state;
	uint64_t handle = must_add(a, &p);
	atomic_fetch_add(&fer_sa_get(a, handle)->out.iv, 500);
	must_remove(a, handle);
	assert_int_equal(fer_sa_reclaim(a), 0);
	clock.now = 900;
	assert_true(fer_sa_get(b, must_add(b, &p))->out.iv == 1500);
	fer_sa_table_destroy(a);
	fer_sa_table_destroy(b);
}

static void a_wrong_clock_refuses_counter_modes_only(void **state)
{
	struct clock clock = {.error = -ETIME};
	const struct fer_iv_source ivs = {.counter_start = clock_start, .ctx = &clock};
	struct fer_sa_table *t = open_with(2, &ivs, NULL);
	struct fer_sa_params p = out_params(0x1000), in = in_params(0x2000), cbc;

	(void)state;
	p = out_params(0x1000);
	assert_int_equal(try_add(t, &p), -ETIME);
	in = in_params(0x1000); // the key was not taken
	must_add(t, &in);
	cbc = out_params(0x1001);
	cbc.encryption = fer_algo_find(FER_ENCRYPTION, "aes-cbc-128");
	cbc.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha1-96");
	cbc.integrity_key = raw_key;
	must_add(t, &cbc);
	fer_sa_table_destroy(t);
}

// --- groups

static void the_first_outbound_sa_is_active(void **state)
{
	struct fer_sa_table *t = open_table(10);
	struct fer_sa_params p = out_params(0x1000);

	(void)state;
	p.group = 2;
	assert_true(fer_group_active(t, 2) == 0);
	uint64_t a = must_add(t, &p);
	assert_true(fer_group_active(t, 2) == a);
	p = out_params(0x1001);
	p.group = 2;
	uint64_t b = must_add(t, &p);
	assert_true(fer_group_active(t, 2) == a);
	assert_true(fer_sa_is_active(t, a) && !fer_sa_is_active(t, b));
	assert_int_equal(fer_group_activate(t, b), 0);
	assert_true(fer_group_active(t, 2) == b);
	assert_true(fer_sa_is_active(t, b) && !fer_sa_is_active(t, a));
	must_remove(t, a);
	assert_true(fer_group_active(t, 2) == b);
	must_remove(t, b);
	assert_true(fer_group_active(t, 2) == 0);
	assert_true(!fer_sa_is_active(t, a) && !fer_sa_is_active(t, b));
	assert_int_equal(fer_group_activate(t, b), -ENOENT);
	assert_int_equal(fer_sa_reclaim(t), 0);
	a = must_add(t, &p);
	assert_true(fer_group_active(t, 2) == a);
	for (uint32_t group = 0; group < N_GROUPS + 2; group++)
		if (group != 2)
			assert_true(fer_group_active(t, group) == 0);
	assert_true(fer_group_active(t, FER_NO_GROUP) == 0);
	fer_sa_table_destroy(t);
}

static void inbound_and_groupless_are_never_active(void **state)
{
	struct fer_sa_table *t = open_table(10);
	struct fer_sa_params p = in_params(0x1000);

	(void)state;
	p.group = 1;
	uint64_t handle = must_add(t, &p);
	assert_true(fer_group_active(t, 1) == 0);
	assert_int_equal(fer_group_activate(t, handle), -EINVAL);
	must_remove(t, handle);
	p = out_params(0x1001);
	handle = must_add(t, &p);
	assert_int_equal(fer_group_activate(t, handle), -EINVAL);
	must_remove(t, handle);
	for (uint32_t group = 0; group < N_GROUPS; group++)
		assert_true(fer_group_active(t, group) == 0);
	fer_sa_table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added_is_found_and_removed_is_not),
		cmocka_unit_test(handles_that_name_nothing),
		cmocka_unit_test(an_old_handle_does_not_open_a_new_sa),
		cmocka_unit_test(generation_zero_is_skipped),
		cmocka_unit_test(capacity_is_kept_and_comes_back),
		cmocka_unit_test(an_index_is_reused_late),
		cmocka_unit_test(blocks_that_were_used_come_first),
		cmocka_unit_test(a_sleeping_worker_is_waited_for),
		cmocka_unit_test(nothing_is_left_of_an_sa),
		cmocka_unit_test(wide_windows_come_and_go),
		cmocka_unit_test(a_refused_sa_leaves_nothing_behind),
		cmocka_unit_test(an_identity_is_given_once),
		cmocka_unit_test(an_outbound_counter_key_is_used_alone),
		cmocka_unit_test(no_key_is_that_of_two_senders_in_several_tables),
		cmocka_unit_test(a_key_comes_back_with_its_reclaim),
		cmocka_unit_test(keys_without_counter_may_repeat),
		cmocka_unit_test(a_contract_host_tells_the_high_half),
		cmocka_unit_test(a_contract_host_may_have_a_key_twice),
		cmocka_unit_test(a_contract_host_holds_no_key),
		cmocka_unit_test(an_update_moves_forward),
		cmocka_unit_test(removed_and_reclaimed_are_counted),
		cmocka_unit_test(a_table_needs_sensible_parameters),
		cmocka_unit_test(inbound_starts_as_asked),
		cmocka_unit_test(drops_are_counted_by_cause),
		cmocka_unit_test(ipv4_template),
		cmocka_unit_test(ipv6_template),
		cmocka_unit_test(transport_has_no_template),
		cmocka_unit_test(an_iv_is_never_used_twice),
		cmocka_unit_test(an_iv_is_never_used_twice_in_several_tables),
		cmocka_unit_test(a_wrong_clock_refuses_counter_modes_only),
		cmocka_unit_test(the_first_outbound_sa_is_active),
		cmocka_unit_test(inbound_and_groupless_are_never_active),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, start, stop);
}
