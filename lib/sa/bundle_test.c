// SPDX-License-Identifier: BSD-3-Clause
// Do the two blocks of a bundle come, serve and go as one SA, and is AH alone an SA like any other?
#include "sa/table.h"

#include "sa/table_fixture.h"
#include "support/eal.h"

#include <errno.h>

static const uint8_t ah_key[FER_MAX_KEY_BYTES] = {4, 3, 0, 2};

static void use_ah(struct fer_sa_params *p, uint32_t spi)
{
	p->ah = (struct fer_ah_params){.spi = spi,
		.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128"),
		.key = ah_key};
}

static struct fer_sa_params bundle(enum fer_direction direction, uint32_t spi)
{
	struct fer_sa_params p = direction == FER_OUT ? out_params(spi) : in_params(spi);

	use_ah(&p, spi + 0x10000);
	return p;
}

static uint32_t find_ah(const struct fer_sa_table *t, const struct fer_sa_params *p)
{
	struct fer_sa_id id = id_of(p);

	id.spi = p->ah.spi;
	id.protocol = FER_PROTO_AH;
	return find_id(t, &id);
}

static const struct fer_sa *ah_of(const struct fer_sa_table *t, uint64_t handle)
{
	const struct fer_sa *sa = fer_sa_at(t, (uint32_t)handle);

	assert_ptr_equal(fer_sa_ah(t, sa), fer_sa_at(t, sa->partner));
	return fer_sa_at(t, sa->partner);
}

static void check_partners(const struct fer_sa_table *t, struct fer_sa *esp, struct fer_sa *ah)
{
	assert_int_equal(esp->partner, ah->index);
	assert_int_equal(ah->partner, esp->index);
	assert_int_equal(esp->protocol, FER_PROTO_ESP);
	assert_int_equal(ah->protocol, FER_PROTO_AH);
	assert_false(fer_sa_is_outside(esp));
	assert_true(fer_sa_is_outside(ah));
	assert_ptr_equal(fer_sa_ah(t, esp), ah);
	assert_ptr_equal(fer_sa_head(t, ah), esp);
	assert_ptr_equal(fer_sa_head(t, esp), esp);
}

static void an_inbound_bundle_is_found_by_both_its_spis(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = bundle(FER_IN, 0x1000);

	(void)state;
	p.sequence = 7;
	p.ah.sequence = 8;
	uint64_t handle = must_add(t, &p);
	assert_int_equal(fer_sa_count(t), 1);
	assert_int_equal(find(t, &p), (uint32_t)handle);
	struct fer_sa *esp = fer_sa_at(t, (uint32_t)handle);
	struct fer_sa *ah = fer_sa_at(t, find_ah(t, &p));
	check_partners(t, esp, ah);
	assert_int_equal(ah->spi, 0x11000);
	assert_int_equal(ah->mode, FER_TRANSPORT); // the outer header is there already
	assert_int_equal(esp->in.replay.top, 7);
	assert_int_equal(ah->in.replay.top, 8);
	assert_ptr_not_equal(esp->in.replay.seen, ah->in.replay.seen);
	fer_sa_table_destroy(t);
}

// RFC 4302 section 2.2: the header is a multiple of 4 bytes over IPv4, of 8 over IPv6.
static void headers_have_the_sizes_of_their_protocol(void **state)
{
	static const struct {
		const char *integrity;
		uint8_t version, bytes;
	} rows[] = {
		{"hmac-sha1-96", 4, 24},
		{"hmac-sha1-96", 6, 24},
		{"hmac-sha2-256-128", 4, 28},
		{"hmac-sha2-256-128", 6, 32},
		{"hmac-sha2-512-256", 4, 44},
		{"hmac-sha2-512-256", 6, 48},
	};
	struct fer_sa_table *t = open_table(8);

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fer_sa_params p = out_params(0);

		use_ah(&p, 0x1000 + i);
		p.ah.integrity = fer_algo_find(FER_INTEGRITY, rows[i].integrity);
		p.src.version = p.dst.version = rows[i].version;
		const struct fer_sa *sa = fer_sa_at(t, (uint32_t)must_add(t, &p));
		assert_int_equal(sa->protocol, FER_PROTO_AH);
		assert_int_equal(sa->partner, FER_NO_SA_INDEX);
		assert_int_equal(sa->mode, FER_TUNNEL);
		assert_int_equal(sa->head_bytes, rows[i].bytes);
		assert_int_equal(sa->tail_bytes, 0);
		assert_int_equal(sa->out.template.ip[rows[i].version == 4 ? 9 : 6], FER_PROTO_AH);
	}
	struct fer_sa_params p = out_params(0x2000); // GCM: SPI, number, IV; trailer, ICV
	const struct fer_sa *sa = fer_sa_at(t, (uint32_t)must_add(t, &p));
	assert_int_equal(sa->head_bytes, 16);
	assert_int_equal(sa->tail_bytes, 18);
	fer_sa_table_destroy(t);
}

static void only_the_head_has_a_handle(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = bundle(FER_OUT, 0x1000);

	(void)state;
	p.group = 1;
	p.esn = true;
	uint64_t handle = must_add(t, &p);
	const struct fer_sa *ah = ah_of(t, handle);
	uint64_t other = (uint64_t)ah->generation << 32 | ah->index;

	assert_true(fer_group_active(t, 1) == handle);
	assert_int_equal(fer_group_activate(t, other), -ENOENT);
	assert_int_equal(fer_sa_update_high(t, other, FER_PROTO_AH, 1), -ENOENT);
	assert_int_equal(fer_sa_remove(t, other), -ENOENT);
	assert_int_equal(fer_sa_count(t), 1);
	assert_true(fer_group_active(t, 1) == handle);
	fer_sa_table_destroy(t);
}

static void an_update_names_the_protocol(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = bundle(FER_OUT, 0x1000);

	(void)state;
	p.esn = true;
	uint64_t handle = must_add(t, &p);
	const struct fer_sa *esp = fer_sa_at(t, (uint32_t)handle), *ah = ah_of(t, handle);
	assert_int_equal(fer_sa_update_high(t, handle, FER_PROTO_AH, 1), 0);
	assert_int_equal(fer_seq_last(&esp->out.seq), 0);
	assert_int_equal(fer_seq_last(&ah->out.seq), UINT32_MAX);
	assert_int_equal(fer_sa_update_high(t, handle, FER_PROTO_ESP, 2), 0);
	assert_int_equal(fer_seq_last(&esp->out.seq), UINT64_C(0x1ffffffff));
	p = out_params(0x2000);
	handle = must_add(t, &p);
	assert_int_equal(fer_sa_update_high(t, handle, FER_PROTO_AH, 1), -ENOENT);
	fer_sa_table_destroy(t);
}

static void both_blocks_go_and_come_back(void **state)
{
	struct fer_sa_table *t = open_table(4);

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct fer_sa_params p = bundle(i % 2 == 0 ? FER_IN : FER_OUT, 0x1000);
		uint64_t handle = must_add(t, &p);

		must_remove(t, handle);
		assert_int_equal(find(t, &p), FER_NO_SA_INDEX);
		assert_int_equal(find_ah(t, &p), FER_NO_SA_INDEX);
		assert_int_equal(fer_sa_remove(t, handle), -ENOENT);
		assert_int_equal(fer_sa_reclaim(t), 0);
		assert_int_equal(fer_sa_count(t), 0);
		assert_int_equal(n_hints_set(t), 0);
		assert_true(fer_sa_n_reclaimed(t) == 2 * (i + 1));
	}
	fer_sa_table_destroy(t);
}

// Whatever is refused of a bundle, nothing of it stays.
static void a_bundle_is_added_whole_or_not_at_all(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = bundle(FER_IN, 0x1000);

	(void)state;
	must_add(t, &p);
	p = bundle(FER_IN, 0x1001);
	p.ah.spi = 0x11000;
	assert_int_equal(try_add(t, &p), -EEXIST);
	assert_int_equal(find(t, &p), FER_NO_SA_INDEX);
	p = bundle(FER_IN, 0x1000);
	p.ah.spi = 0x12000;
	assert_int_equal(try_add(t, &p), -EEXIST);
	assert_int_equal(find_ah(t, &p), FER_NO_SA_INDEX);

	fer_sa_table_destroy(t);
}

// R-18 of the contract: a table holds as many bundles as it holds SAs.
static void a_bundle_counts_as_one(void **state)
{
	struct fer_sa_table *t = open_table(4);
	uint64_t handle[4];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 4; i++) {
			struct fer_sa_params p = bundle(FER_IN, 0x1000 + i);
			handle[i] = must_add(t, &p);
			assert_int_equal(fer_sa_count(t), i + 1);
		}
		struct fer_sa_params more = bundle(FER_IN, 0x2000);
		assert_int_equal(try_add(t, &more), -ENOSPC);
		more = in_params(0x2000);
		assert_int_equal(try_add(t, &more), -ENOSPC);
		for (unsigned i = 0; i < 4; i++)
			must_remove(t, handle[i]);
		assert_int_equal(fer_sa_reclaim(t), 0);
	}
	fer_sa_table_destroy(t);
}

// For any destination a bundle is found by both its SPIs as well.
static void a_bundle_may_be_for_any_destination(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = bundle(FER_IN, 0x1000);

	(void)state;
	memset(p.dst.bytes, 0, sizeof(p.dst.bytes));
	uint32_t index = (uint32_t)must_add(t, &p);
	p.dst.bytes[0] = 77;
	assert_int_equal(find(t, &p), index);
	assert_int_equal(find_ah(t, &p), fer_sa_at(t, index)->partner);
	fer_sa_table_destroy(t);
}

static void a_key_in_use_refuses_both_blocks(void **state)
{
	struct fer_sa_table *t = open_table(8);
	struct fer_sa_params p = in_params(0x3000);

	(void)state;
	must_add(t, &p);
	p = bundle(FER_OUT, 0x3000);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(try_add(t, &p), -ENOTUNIQ);
	assert_int_equal(fer_sa_count(t), 1);
	fer_sa_table_destroy(t);
}

// One SPI may be that of an ESP and of an AH association (RFC 4301 section 4.1).
static void protocols_have_spis_of_their_own(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params esp = in_params(0x1000), ah = in_params(0);

	(void)state;
	use_ah(&ah, 0x1000);
	uint32_t first = (uint32_t)must_add(t, &esp), second = (uint32_t)must_add(t, &ah);
	assert_int_not_equal(first, second);
	assert_int_equal(find(t, &esp), first);
	assert_int_equal(find_ah(t, &ah), second);
	assert_int_equal(try_add(t, &ah), -EEXIST);
	fer_sa_table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_inbound_bundle_is_found_by_both_its_spis),
		cmocka_unit_test(headers_have_the_sizes_of_their_protocol),
		cmocka_unit_test(only_the_head_has_a_handle),
		cmocka_unit_test(an_update_names_the_protocol),
		cmocka_unit_test(both_blocks_go_and_come_back),
		cmocka_unit_test(a_bundle_is_added_whole_or_not_at_all),
		cmocka_unit_test(a_bundle_counts_as_one),
		cmocka_unit_test(a_bundle_may_be_for_any_destination),
		cmocka_unit_test(a_key_in_use_refuses_both_blocks),
		cmocka_unit_test(protocols_have_spis_of_their_own),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, start, stop);
}
