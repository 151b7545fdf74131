// SPDX-License-Identifier: BSD-3-Clause
#include "support/mbufs.h"

#include "nic/oob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

struct rte_mempool *test_pool(const char *name, unsigned n, uint16_t data_room)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, n, 0, 0, data_room, SOCKET_ID_ANY);

	assert_non_null(pool);
	return pool;
}

// Appends a segment with these bytes.
static struct rte_mbuf *append(
	struct rte_mempool *pool, struct rte_mbuf *m, const uint8_t *bytes, uint32_t len)
{
	struct rte_mbuf *s = rte_pktmbuf_alloc(pool);
	char *to;

	assert_non_null(s);
	to = rte_pktmbuf_append(s, (uint16_t)len);
	assert_non_null(to);
	if (len > 0)
		memcpy(to, bytes, len);
	if (m == NULL)
		return s;
	assert_int_equal(rte_pktmbuf_chain(m, s), 0);
	return m;
}

struct rte_mbuf *test_mbuf_cut(struct rte_mempool *pool, const uint8_t *bytes, uint32_t len,
	const uint32_t cuts[], unsigned n)
{
	uint32_t most = rte_pktmbuf_data_room_size(pool) - (uint32_t)RTE_PKTMBUF_HEADROOM;
	struct rte_mbuf *m = NULL;
	uint32_t at = 0;

	for (unsigned i = 0; i <= n; i++) {
		uint32_t to = i < n ? RTE_MIN(cuts[i], len) : len;

		while (at < to) {
			uint32_t part = RTE_MIN(to - at, most);

			m = append(pool, m, bytes + at, part);
			at += part;
		}
	}
	if (m == NULL)
		m = append(pool, NULL, bytes, 0);
	fer_oob_clear(m);
	return m;
}

struct rte_mbuf *test_mbuf(struct rte_mempool *pool, const uint8_t *bytes, uint32_t len)
{
	const uint32_t none = 0;

	return test_mbuf_cut(pool, bytes, len, &none, 0);
}

void test_assert_bytes(const struct rte_mbuf *m, const uint8_t *bytes, uint32_t len)
{
	uint32_t at = 0;

	assert_non_null(m);
	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->pkt_len, len);
	for (; m != NULL; m = m->next) {
		assert_true(m->data_len <= len - at);
		if (m->data_len > 0)
			assert_memory_equal(
				rte_pktmbuf_mtod(m, uint8_t *), bytes + at, m->data_len);
		at += m->data_len;
	}
	assert_int_equal(at, len);
}

uint32_t test_flatten(const struct rte_mbuf *m, uint8_t *to, uint32_t room)
{
	uint32_t len = m->pkt_len;

	assert_true(len <= room);
	for (; m != NULL; to += m->data_len, m = m->next)
		memcpy(to, rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
	return len;
}
