// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the tests of the table share: an engine, a worker, a table, and parameters that fit it.

#include "crypto/engine.h"
#include "sa/control.h"
#include "sa/table.h"

#include <rte_rcu_qsbr.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define N_GROUPS 4

static struct fer_engine *engine;
static struct rte_rcu_qsbr *qsbr; // of one worker, number 0

static inline int start(void **state)
{
	int error = 0;

	(void)state;
	engine = fer_engine_open(fer_iv_system(), &error);
	qsbr = aligned_alloc(64, rte_rcu_qsbr_get_memsize(1));
	return engine == NULL || qsbr == NULL || rte_rcu_qsbr_init(qsbr, 1) != 0 ? -1 : 0;
}

static inline int stop(void **state)
{
	(void)state;
	fer_engine_close(engine);
	free(qsbr);
	return 0;
}

static inline struct fer_sa_table *open_with(
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

static inline struct fer_sa_table *open_table(uint32_t capacity)
{
	return open_with(capacity, fer_iv_system(), NULL);
}

static uint8_t raw_key[FER_MAX_KEY_BYTES];

// An inbound GCM tunnel to 10.0.0.1.  Its key follows the SPI; it is valid until the next call.
static inline struct fer_sa_params in_params(uint32_t spi)
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

static inline struct fer_sa_params out_params(uint32_t spi)
{
	struct fer_sa_params p = in_params(spi);

	p.direction = FER_OUT;
	p.outer.ttl = 64;
	return p;
}

static inline uint64_t must_add(struct fer_sa_table *t, const struct fer_sa_params *p)
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

static inline int try_add(struct fer_sa_table *t, const struct fer_sa_params *p)
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

static inline void must_remove(struct fer_sa_table *t, uint64_t handle)
{
	assert_int_equal(fer_sa_remove(t, handle), 0);
}

static inline struct fer_sa_id id_of(const struct fer_sa_params *p)
{
	struct fer_sa_id id = {.spi = p->spi, .version = p->dst.version, .protocol = FER_PROTO_ESP};

	memcpy(id.dst, p->dst.bytes, sizeof(id.dst));
	return id;
}

static inline uint32_t find_id(const struct fer_sa_table *t, const struct fer_sa_id *id)
{
	const struct fer_sa_query query = fer_sa_query(t, id);
	const struct fer_sa *sa = NULL;

	fer_sa_find(t, &query, 1, &sa);
	return sa == NULL ? FER_NO_SA_INDEX : sa->index;
}

static inline uint32_t find(const struct fer_sa_table *t, const struct fer_sa_params *p)
{
	struct fer_sa_id id = id_of(p);

	return find_id(t, &id);
}

static inline size_t n_hints(const struct fer_sa_table *t)
{
	return (size_t)FER_HINTS_PER_LINE * t->n_hint_lines;
}

static inline _Atomic uint64_t *hint_at(const struct fer_sa_table *t, size_t i)
{
	return &t->hints[i / FER_HINTS_PER_LINE].hint[i % FER_HINTS_PER_LINE];
}

static inline size_t n_hints_set(const struct fer_sa_table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < n_hints(t); i++)
		n += *hint_at(t, i) != 0;
	return n;
}
