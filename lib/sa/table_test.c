// SPDX-License-Identifier: BSD-3-Clause
// Does an SA get found, used and forgotten as the header says?
#include "sa/table.h"

#include "crypto/engine.h"
#include "support/eal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct fer_engine *engine;

static int start(void **state)
{
	int error = 0;

	(void)state;
	engine = fer_engine_open(fer_iv_system(), &error);
	return engine == NULL ? -1 : 0;
}

static int stop(void **state)
{
	(void)state;
	fer_engine_close(engine);
	return 0;
}

static struct fer_sa_table *open_table(uint32_t capacity)
{
	struct fer_sa_table_params params = {
		.name = "test", .capacity = capacity, .n_groups = 4, .ivs = fer_iv_system()};
	int error = 0;
	struct fer_sa_table *t = fer_sa_table_create(&params, engine, &error);

	if (t == NULL)
		fail_msg("create: %d", error);
	return t;
}

static uint8_t key_bytes[FER_MAX_KEY_BYTES];

// Parameters of an inbound GCM tunnel to 10.0.0.1, with a key that follows the SPI.
static struct fer_sa_params in_params(uint32_t spi)
{
	memcpy(key_bytes, &spi, sizeof(spi));
	return (struct fer_sa_params){
		.direction = FER_IN,
		.mode = FER_TUNNEL,
		.spi = spi,
		.group = FER_NO_GROUP,
		.src = {.bytes = {10, 0, 0, 2}, .version = 4},
		.dst = {.bytes = {10, 0, 0, 1}, .version = 4},
		.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"),
		.encryption_key = key_bytes,
		.replay_window = 64,
	};
}

static struct fer_sa_id id_of(const struct fer_sa_params *p)
{
	struct fer_sa_id id = {.spi = p->spi, .version = p->dst.version, .protocol = FER_PROTO_ESP};

	memcpy(id.dst, p->dst.bytes, sizeof(id.dst));
	return id;
}

static uint32_t find_one(struct fer_sa_table *t, const struct fer_sa_params *p)
{
	struct fer_sa_id id = id_of(p);
	const struct fer_sa_id *ids[1] = {&id};
	uint32_t index = 0;

	fer_sa_find(t, ids, 1, &index);
	return index;
}

static void added_is_found_and_removed_is_not(void **state)
{
	struct fer_sa_table *t = open_table(10);
	struct fer_sa_params p = in_params(0x1000);
	uint64_t handle = 0;

	(void)state;
	assert_int_equal(fer_sa_add(t, &p, &handle, NULL), 0);
	assert_int_equal(find_one(t, &p), (uint32_t)handle);
	assert_non_null(fer_sa_get(t, handle));
	assert_int_equal(fer_sa_count(t), 1);
	assert_int_equal(fer_sa_remove(t, handle), 0);
	assert_null(fer_sa_get(t, handle));
	assert_int_equal(find_one(t, &p), FER_NO_SA_INDEX);
	assert_int_equal(fer_sa_remove(t, handle), -ENOENT);
	assert_int_equal(fer_sa_count(t), 0);
	assert_int_equal(fer_sa_reclaim(t), 0);
	fer_sa_table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added_is_found_and_removed_is_not),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, start, stop);
}
