// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets in mbufs of every shape.  What does not succeed fails the test.

#include <rte_mbuf.h>

#include <stdint.h>

struct rte_mempool *test_pool(const char *name, unsigned n, uint16_t data_room);

// The bytes in one segment, or in as few as hold them, with words that are zero.
struct rte_mbuf *test_mbuf(struct rte_mempool *pool, const uint8_t *bytes, uint32_t len);

// The same, with segments that end where n ascending cuts say.  Equal cuts make no segment, nor
// does a cut at 0 or at len.
struct rte_mbuf *test_mbuf_cut(struct rte_mempool *pool, const uint8_t *bytes, uint32_t len,
	const uint32_t cuts[], unsigned n);

// Does the packet hold these bytes, and do its headers say what its segments hold?
void test_assert_bytes(const struct rte_mbuf *m, const uint8_t *bytes, uint32_t len);

// Copies a packet out; returns its length.
uint32_t test_flatten(const struct rte_mbuf *m, uint8_t *to, uint32_t room);
