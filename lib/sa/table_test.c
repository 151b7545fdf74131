// SPDX-License-Identifier: BSD-3-Clause
// Does an SA get found, used and forgotten as the header says?
#include "sa/table.h"

#include "base/bytes.h"
#include "crypto/engine.h"
#include "proto/cksum.h"
#include "sa/control.h"
#include "support/eal.h"

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define N_GROUPS 4

#if defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

// --- a table, and parameters that fit it

static struct fer_engine *engine;
static struct rte_rcu_qsbr *qsbr; // of one worker, number 0

static int start(void **state)
{
	int error = 0;

	(void)state;
	engine = fer_engine_open(fer_iv_system(), &error);
	qsbr = aligned_alloc(64, rte_rcu_qsbr_get_memsize(1));
	return engine == NULL || qsbr == NULL || rte_rcu_qsbr_init(qsbr, 1) != 0 ? -1 : 0;
}

static int stop(void **state)
{
	(void)state;
	fer_engine_close(engine);
	free(qsbr);
	return 0;
}

static struct fer_sa_table *open_with(
	uint32_t capacity, const struct fer_iv_source *ivs, struct rte_rcu_qsbr *workers)
{
	struct fer_sa_table_params params = {.name = "test",
		.capacity = capacity,
		.n_groups = N_GROUPS,
		.ivs = ivs,
		.qsbr = workers};
	int error = 0;
	struct fer_sa_table *t = fer_sa_table_create(&params, engine, &error);

	if (t == NULL)
		fail_msg("create: %d", error);
	return t;
}

static struct fer_sa_table *open_table(uint32_t capacity)
{
	return open_with(capacity, fer_iv_system(), NULL);
}

static uint8_t raw_key[FER_MAX_KEY_BYTES];

// An inbound GCM tunnel to 10.0.0.1.  Its key follows the SPI; it is valid until the next call.
static struct fer_sa_params in_params(uint32_t spi)
{
	memset(raw_key, 0x5a, sizeof(raw_key));
	memcpy(raw_key, &spi, sizeof(spi));
	return (struct fer_sa_params){
		.direction = FER_IN,
		.mode = FER_TUNNEL,
		.spi = spi,
		.group = FER_NO_GROUP,
		.src = {.bytes = {10, 0, 0, 2}, .version = 4},
		.dst = {.bytes = {10, 0, 0, 1}, .version = 4},
		.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"),
		.encryption_key = raw_key,
		.replay_window = 64,
	};
}

static struct fer_sa_params out_params(uint32_t spi)
{
	struct fer_sa_params p = in_params(spi);

	p.direction = FER_OUT;
	p.outer.ttl = 64;
	return p;
}

static uint64_t must_add(struct fer_sa_table *t, const struct fer_sa_params *p)
{
	const char *why = NULL;
	uint64_t handle = 0;
	int error = fer_sa_add(t, p, &handle, &why);

	if (error != 0)
		fail_msg("add of %#x: %d, %s", p->spi, error, why);
	assert_true(handle != 0);
	assert_null(why);
	return handle;
}

static int try_add(struct fer_sa_table *t, const struct fer_sa_params *p)
{
	const char *why = NULL;
	uint64_t handle = 77;
	uint32_t count = fer_sa_count(t);
	int error = fer_sa_add(t, p, &handle, &why);

	assert_int_not_equal(error, 0);
	assert_true(handle == 77);
	assert_non_null(why);
	assert_int_equal(fer_sa_count(t), count);
	return error;
}

static void must_remove(struct fer_sa_table *t, uint64_t handle)
{
	assert_int_equal(fer_sa_remove(t, handle), 0);
}

static struct fer_sa_id id_of(const struct fer_sa_params *p)
{
	struct fer_sa_id id = {.spi = p->spi, .version = p->dst.version, .protocol = FER_PROTO_ESP};

	memcpy(id.dst, p->dst.bytes, sizeof(id.dst));
	return id;
}

static uint32_t find_id(const struct fer_sa_table *t, const struct fer_sa_id *id)
{
	const struct fer_sa_id *ids[1] = {id};
	uint32_t index = 0;

	fer_sa_find_prefetch(t, id);
	fer_sa_find(t, ids, 1, &index);
	return index;
}

static uint32_t find(const struct fer_sa_table *t, const struct fer_sa_params *p)
{
	struct fer_sa_id id = id_of(p);

	return find_id(t, &id);
}

static size_t n_hints(const struct fer_sa_table *t)
{
	return (size_t)FER_HINTS_PER_LINE << (64 - t->hint_shift);
}

static struct fer_sa_hint *hint_at(const struct fer_sa_table *t, size_t i)
{
	return &t->hints[i / FER_HINTS_PER_LINE].hint[i % FER_HINTS_PER_LINE];
}

static size_t n_hints_set(const struct fer_sa_table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < n_hints(t); i++)
		n += hint_at(t, i)->spi_tag != 0 || hint_at(t, i)->generation_index != 0;
	return n;
}

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
	assert_int_equal(sa->spi, 0x1000); // wiped by the control thread only
	assert_int_equal(fer_sa_reclaim(t), 0);
	assert_int_equal(sa->spi, 0);
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
	uint8_t zero[4096] = {0};

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
	assert_true(t->stride < sizeof(zero));
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
	fer_sa_count_drop(sa, FER_REPLAY, 3);
	fer_sa_count_drop(sa, FER_REPLAY, 4);
	assert_true(sa->drops[FER_REPLAY] == 7);
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
	assert_int_equal(fer_cksum_20(tpl->ip), 0);
	memset(tpl->ip + 10, 0, 2);
	assert_memory_equal(tpl->ip, expected, sizeof(expected));
	assert_true(sa->out.seq.last == 41);
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
	assert_int_equal(fer_group_activate(t, b), 0);
	assert_true(fer_group_active(t, 2) == b);
	must_remove(t, a);
	assert_true(fer_group_active(t, 2) == b);
	must_remove(t, b);
	assert_true(fer_group_active(t, 2) == 0);
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

// --- look-up

static void every_part_of_the_identity_counts(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = in_params(0x1000);
	uint32_t index = (uint32_t)must_add(t, &p);
	struct fer_sa_id id = id_of(&p);

	(void)state;
	for (size_t i = 0; i < sizeof(id); i++) {
		((uint8_t *)&id)[i] ^= 0x10;
		assert_int_equal(find_id(t, &id), FER_NO_SA_INDEX);
		((uint8_t *)&id)[i] ^= 0x10;
	}
	assert_int_equal(find_id(t, &id), index);
	fer_sa_find(t, NULL, 0, NULL);
	fer_sa_table_destroy(t);
}

// Makes the hints say that id is that of the handle.
static void forge_hint(struct fer_sa_table *t, const struct fer_sa_id *id, uint64_t handle)
{
	uint64_t hash = fer_sa_hint_hash(t, id);
	struct fer_sa_hint *hint = &fer_sa_hint_line(t, hash, 0)->hint[0];

	hint->generation_index = handle;
	hint->spi_tag = fer_sa_hint_spi_tag(id->spi, hash);
}

static void a_hint_is_checked_before_it_is_believed(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params in = in_params(0x1000), out;
	uint64_t handle = must_add(t, &in);
	struct fer_sa_id id = id_of(&in);

	(void)state;
	for (size_t i = 0; i < offsetof(struct fer_sa_id, zero); i++) {
		((uint8_t *)&id)[i] ^= 0x10;
		forge_hint(t, &id, handle);
		assert_int_equal(find_id(t, &id), FER_NO_SA_INDEX);
		((uint8_t *)&id)[i] ^= 0x10;
	}
	forge_hint(t, &id, handle + (UINT64_C(1) << 32));
	assert_int_equal(find_id(t, &id), (uint32_t)handle);
	forge_hint(t, &id, UINT64_MAX);
	assert_int_equal(find_id(t, &id), (uint32_t)handle);
	must_remove(t, handle);
	out = out_params(0x1000);
	raw_key[15] ^= 1;
	handle = must_add(t, &out);
	forge_hint(t, &id, handle);
	assert_int_equal(find_id(t, &id), FER_NO_SA_INDEX);
	fer_sa_table_destroy(t);
}

static void any_destination_comes_after_the_exact_one(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params exact = in_params(0x1000), any, elsewhere, v6;

	(void)state;
	elsewhere = exact;
	elsewhere.dst.bytes[3] = 77;
	v6 = exact;
	v6.src.version = v6.dst.version = 6;
	uint64_t exact_handle = must_add(t, &exact);
	assert_int_equal(find(t, &elsewhere), FER_NO_SA_INDEX);
	any = in_params(0x1000);
	memset(any.dst.bytes, 0, sizeof(any.dst.bytes));
	uint64_t any_handle = must_add(t, &any);
	assert_int_equal(try_add(t, &any), -EEXIST);

	assert_int_equal(find(t, &exact), (uint32_t)exact_handle);
	assert_int_equal(find(t, &elsewhere), (uint32_t)any_handle);
	assert_int_equal(find(t, &any), (uint32_t)any_handle);
	assert_int_equal(find(t, &v6), FER_NO_SA_INDEX);
	elsewhere.spi++;
	assert_int_equal(find(t, &elsewhere), FER_NO_SA_INDEX);
	must_remove(t, exact_handle);
	assert_int_equal(find(t, &exact), (uint32_t)any_handle);
	must_remove(t, any_handle);
	assert_int_equal(find(t, &exact), FER_NO_SA_INDEX);
	assert_int_equal(t->control->n_wildcard, 0);
	assert_false(fer_sa_is_endpoint(t, &any.dst));
	fer_sa_table_destroy(t);
}

static void endpoints_are_destinations_of_inbound_sas(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params in = in_params(0x1000), out = out_params(0x1001);

	(void)state;
	out = out_params(0x1001);
	out.dst.bytes[3] = 55;
	must_add(t, &out);
	assert_false(fer_sa_is_endpoint(t, &out.dst));
	assert_false(fer_sa_is_endpoint(t, &in.dst));
	in = in_params(0x1000);
	uint64_t handle = must_add(t, &in);
	assert_true(fer_sa_is_endpoint(t, &in.dst));
	assert_false(fer_sa_is_endpoint(t, &in.src));
	must_remove(t, handle);
	assert_int_equal(fer_sa_reclaim(t), 0);
	assert_true(fer_sa_is_endpoint(t, &in.dst)); // for a minute
	fer_sa_table_destroy(t);
}

// --- many

#define MANY 100000

static struct fer_sa_params random_params(uint32_t i)
{
	struct fer_sa_params p = in_params(0x10000 + i);

	p.spi = 0x10000 + i * 2654435761u % 0x7fffffff;
	p.dst.bytes[3] = (uint8_t)(i % 5);
	if (i % 7 == 0) {
		p.src.version = p.dst.version = 6;
		memcpy(p.dst.bytes + 12, &i, sizeof(i));
	}
	return p;
}

static uint64_t *add_many(struct fer_sa_table *t, uint32_t n)
{
	uint64_t *handle = calloc(MANY, sizeof(*handle));

	assert_non_null(handle);
	for (uint32_t i = 0; i < n; i++) {
		struct fer_sa_params p = random_params(i);
		handle[i] = must_add(t, &p);
	}
	return handle;
}

// Asks for random ones in random bursts; some do not exist, and handle 0 means removed.
static void find_many(const struct fer_sa_table *t, const uint64_t *handle, unsigned n_bursts)
{
	static unsigned seed = 3;
	struct fer_sa_id id[FER_SA_FIND_MAX];
	const struct fer_sa_id *at[FER_SA_FIND_MAX];
	uint32_t expected[FER_SA_FIND_MAX], index[FER_SA_FIND_MAX];

	for (unsigned burst = 0; burst < n_bursts; burst++) {
		unsigned n = (unsigned)rand_r(&seed) % (FER_SA_FIND_MAX + 1);

		for (unsigned i = 0; i < n; i++) {
			uint32_t which = (uint32_t)rand_r(&seed) % MANY;
			struct fer_sa_params p = random_params(which);
			bool is_none = rand_r(&seed) % 8 == 0;

			id[i] = id_of(&p);
			id[i].protocol = is_none ? FER_PROTO_AH : FER_PROTO_ESP;
			is_none |= handle[which] == 0;
			expected[i] = is_none ? FER_NO_SA_INDEX : (uint32_t)handle[which];
			at[i] = &id[i];
		}
		fer_sa_find(t, at, n, index);
		assert_memory_equal(index, expected, n * sizeof(index[0]));
	}
}

// Hints that are missing, wrong, torn or stale cost time and nothing else.
static void spoil_hints(struct fer_sa_table *t, unsigned how)
{
	unsigned seed = how;
	uint64_t before = 0;

	for (size_t i = 0; i < n_hints(t); i++) {
		struct fer_sa_hint *hint = hint_at(t, i);
		uint64_t kept = hint->generation_index;

		if (how == 0)
			hint->spi_tag = 0;
		else if (how == 1)
			hint->generation_index = before; // of another SA
		else if (how == 2)
			hint->generation_index ^= UINT64_C(1) << rand_r(&seed) % 64;
		else if (rand_r(&seed) % 2 == 0)
			hint->generation_index = UINT64_C(1) << 32 | (uint32_t)rand_r(&seed) % MANY;
		before = kept;
	}
}

static void find_with_spoilt_hints(struct fer_sa_table *t, const uint64_t *handle)
{
	size_t bytes = n_hints(t) * sizeof(struct fer_sa_hint);
	void *kept = malloc(bytes);

	assert_non_null(kept);
	memcpy(kept, t->hints, bytes);
	for (unsigned how = 0; how < 4; how++) {
		spoil_hints(t, how);
		find_many(t, handle, 5000);
		memcpy(t->hints, kept, bytes);
	}
	free(kept);
}

static void many_are_all_found(void **state)
{
	struct fer_sa_table *t = open_table(MANY + MANY / 10);
	uint64_t *handle = add_many(t, MANY);

	(void)state;
	assert_int_equal(fer_sa_count(t), MANY);
	find_many(t, handle, 20000);
	for (uint32_t i = 0; i < MANY; i += 2) {
		must_remove(t, handle[i]);
		handle[i] = 0;
	}
	find_many(t, handle, 10000);
	assert_int_equal(fer_sa_reclaim(t), 0);
	find_many(t, handle, 10000);
	for (uint32_t i = 0; i < MANY; i += 2) {
		struct fer_sa_params p = random_params(i);
		handle[i] = must_add(t, &p);
	}
	find_many(t, handle, 10000);
	find_with_spoilt_hints(t, handle);
	free(handle);
	fer_sa_table_destroy(t);
}

// To the last place, where buckets overflow: a power of two leaves none empty.
static void a_full_table_finds_all(void **state)
{
	enum { FULL = 1 << 15 };
	struct fer_sa_table *t = open_table(FULL);
	uint64_t *handle = add_many(t, FULL);
	struct fer_sa_params p = in_params(0x100);

	(void)state;
	for (int round = 0; round < 3; round++) {
		assert_int_equal(try_add(t, &p), -ENOSPC);
		find_many(t, handle, 5000);
		for (uint32_t i = 0; i < FULL; i += 3) {
			must_remove(t, handle[i]);
			handle[i] = 0;
		}
		find_many(t, handle, 5000);
		for (uint32_t i = 0; i < FULL; i += 3) {
			p = random_params(i);
			handle[i] = must_add(t, &p);
		}
		p = in_params(0x100);
	}
	spoil_hints(t, 0);
	find_many(t, handle, 20000);
	free(handle);
	fer_sa_table_destroy(t);
}

// --- hash flooding: identities made to collide in the default hash of rte_hash

#define FLOOD 20000
#define CRC_INIT 0

static uint32_t crc_of(const struct fer_sa_id *id)
{
	uint64_t words[sizeof(*id) / 8]; // as it reads them

	memcpy(words, id, sizeof(words));
	return rte_hash_crc(words, sizeof(words), CRC_INIT);
}

// One bit of the destination each, brought to echelon form: column c changes the CRC by crc[c], of
// which bit c is the highest, when dst[c] is exclusive-ored into the last word of the destination.
struct crc_basis {
	uint32_t crc[32], dst[32];
};

static struct crc_basis make_basis(void)
{
	struct crc_basis b = {0};
	struct fer_sa_id zero = {0}, one = {0};

	for (unsigned bit = 0; bit < 32; bit++) {
		uint32_t dst = UINT32_C(1) << bit;

		memcpy(one.dst + 12, &dst, sizeof(dst));
		uint32_t crc = crc_of(&one) ^ crc_of(&zero);
		for (int c = 31; c >= 0 && crc != 0; c--) {
			if ((crc >> c & 1) == 0)
				continue;
			if (b.crc[c] == 0) {
				b.crc[c] = crc;
				b.dst[c] = dst;
				break;
			}
			crc ^= b.crc[c];
			dst ^= b.dst[c];
		}
	}
	return b;
}

// The identity with that SPI whose CRC is 0.
static struct fer_sa_params flood_params(const struct crc_basis *b, uint32_t spi)
{
	struct fer_sa_params p = in_params(spi);
	uint32_t dst = 0;

	p.src.version = p.dst.version = 6;
	struct fer_sa_id id = id_of(&p);
	uint32_t crc = crc_of(&id);
	for (int c = 31; c >= 0; c--) {
		if ((crc >> c & 1) == 0)
			continue;
		crc ^= b->crc[c];
		dst ^= b->dst[c];
	}
	memcpy(p.dst.bytes + 12, &dst, sizeof(dst));
	return p;
}

// No bucket of the hash gets much more than its share of the flood.
static void assert_spread(const struct fer_sa_table *t, const struct fer_sa_params *p)
{
	enum { BUCKETS = 4096, SHARE = FLOOD / BUCKETS };
	static unsigned load[BUCKETS];

	memset(load, 0, sizeof(load));
	for (unsigned i = 0; i < FLOOD; i++) {
		struct fer_sa_id id = id_of(&p[i]);

		load[rte_hash_hash(t->control->hash, &id) % BUCKETS]++;
	}
	for (unsigned i = 0; i < BUCKETS; i++)
		assert_in_range(load[i], 0, 8 * SHARE);
}

static void a_flood_of_equal_crcs_is_spread(void **state)
{
	struct fer_sa_table *t = open_table(FLOOD);
	struct crc_basis basis = make_basis();
	struct fer_sa_params *p = calloc(FLOOD, sizeof(*p));

	(void)state;
	assert_non_null(p);
	for (unsigned i = 0; i < FLOOD; i++) {
		p[i] = flood_params(&basis, FER_SPI_MIN + i);
		struct fer_sa_id id = id_of(&p[i]);
		assert_int_equal(crc_of(&id), 0);
		must_add(t, &p[i]);
	}
	assert_spread(t, p);
	assert_in_range(n_hints_set(t), FLOOD - FLOOD / 20, FLOOD);
	free(p);
	fer_sa_table_destroy(t);
}

// --- memory

static size_t resident_bytes(void)
{
	unsigned long total = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &total, &resident), 2);
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

// A tenth of a million has the same share of powers of two as a million.
static void memory_of_one_sa(void **state)
{
	enum { CAPACITY = 1000000 / 8 };
	size_t before = resident_bytes();
	struct fer_sa_table *t = open_table(CAPACITY);

	(void)state;
	for (uint32_t i = 0; i < CAPACITY; i++) {
		struct fer_sa_params p = in_params(0x1000 + i);
		must_add(t, &p);
	}
	size_t bytes = (resident_bytes() - before) / CAPACITY;
	print_message("memory of one SA: %zu bytes, of which block %zu\n", bytes, t->stride);
	assert_in_range(t->stride, 0, 1408);
	if (!IS_SANITIZED) // sanitizers have memory of their own for every byte
		assert_in_range(bytes, t->stride, 1536);
	fer_sa_table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_of_one_sa), // first, while the process is small
		cmocka_unit_test(added_is_found_and_removed_is_not),
		cmocka_unit_test(handles_that_name_nothing),
		cmocka_unit_test(an_old_handle_does_not_open_a_new_sa),
		cmocka_unit_test(generation_zero_is_skipped),
		cmocka_unit_test(capacity_is_kept_and_comes_back),
		cmocka_unit_test(an_index_is_reused_late),
		cmocka_unit_test(a_sleeping_worker_is_waited_for),
		cmocka_unit_test(nothing_is_left_of_an_sa),
		cmocka_unit_test(wide_windows_come_and_go),
		cmocka_unit_test(a_refused_sa_leaves_nothing_behind),
		cmocka_unit_test(an_identity_is_given_once),
		cmocka_unit_test(an_outbound_counter_key_is_used_alone),
		cmocka_unit_test(a_key_comes_back_with_its_reclaim),
		cmocka_unit_test(keys_without_counter_may_repeat),
		cmocka_unit_test(a_table_needs_sensible_parameters),
		cmocka_unit_test(inbound_starts_as_asked),
		cmocka_unit_test(ipv4_template),
		cmocka_unit_test(ipv6_template),
		cmocka_unit_test(transport_has_no_template),
		cmocka_unit_test(an_iv_is_never_used_twice),
		cmocka_unit_test(a_wrong_clock_refuses_counter_modes_only),
		cmocka_unit_test(the_first_outbound_sa_is_active),
		cmocka_unit_test(inbound_and_groupless_are_never_active),
		cmocka_unit_test(every_part_of_the_identity_counts),
		cmocka_unit_test(a_hint_is_checked_before_it_is_believed),
		cmocka_unit_test(any_destination_comes_after_the_exact_one),
		cmocka_unit_test(endpoints_are_destinations_of_inbound_sas),
		cmocka_unit_test(many_are_all_found),
		cmocka_unit_test(a_full_table_finds_all),
		cmocka_unit_test(a_flood_of_equal_crcs_is_spread),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, start, stop);
}
