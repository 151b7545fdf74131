// SPDX-License-Identifier: BSD-3-Clause
#include "seen.h"

#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define N_PORTS 4
#define N_QUEUES 2

// --- pools --------------------------------------------------------------------------------------

struct shelf {
	pthread_mutex_t lock;
	unsigned n;
	void *objects[];
};

static int shelf_alloc(struct rte_mempool *mp)
{
	struct shelf *s = calloc(1, sizeof(*s) + mp->size * sizeof(s->objects[0]));

	if (s == NULL)
		return -ENOMEM;
	(void)pthread_mutex_init(&s->lock, NULL);
	mp->pool_data = s;
	return 0;
}

static void shelf_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

static int shelf_put(struct rte_mempool *mp, void *const *objects, unsigned n)
{
	struct shelf *s = mp->pool_data;

	(void)pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < n; i++)
		s->objects[s->n++] = objects[i];
	(void)pthread_mutex_unlock(&s->lock);
	return 0;
}

static int shelf_take(struct rte_mempool *mp, void **objects, unsigned n)
{
	struct shelf *s = mp->pool_data;
	int rc = 0;

	(void)pthread_mutex_lock(&s->lock);
	if (s->n < n)
		rc = -ENOBUFS;
	for (unsigned i = 0; rc == 0 && i < n; i++)
		objects[i] = s->objects[--s->n];
	(void)pthread_mutex_unlock(&s->lock);
	return rc;
}

static unsigned shelf_count(const struct rte_mempool *mp)
{
	struct shelf *s = mp->pool_data;

	(void)pthread_mutex_lock(&s->lock);
	unsigned n = s->n;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

static const struct rte_mempool_ops shelf_ops = {
	.name = SEEN_POOL_OPS,
	.alloc = shelf_alloc,
	.free = shelf_free,
	.enqueue = shelf_put,
	.dequeue = shelf_take,
	.get_count = shelf_count,
};

// cppcheck-suppress unknownMacro
RTE_MEMPOOL_REGISTER_OPS(shelf_ops)

// --- rings --------------------------------------------------------------------------------------

static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;

static uint16_t receive(void *queue, struct rte_mbuf **m, uint16_t n)
{
	(void)pthread_mutex_lock(&ring_lock);
	n = (uint16_t)rte_ring_dequeue_burst(queue, (void **)m, n, NULL);
	(void)pthread_mutex_unlock(&ring_lock);
	return n;
}

static uint16_t transmit(void *queue, struct rte_mbuf **m, uint16_t n)
{
	(void)pthread_mutex_lock(&ring_lock);
	n = (uint16_t)rte_ring_enqueue_burst(queue, (void *const *)m, n, NULL);
	(void)pthread_mutex_unlock(&ring_lock);
	return n;
}

static struct rte_ring *ring_of(const char *name)
{
	struct rte_ring *r = rte_ring_lookup(name);

	assert_non_null(r);
	return r;
}

static void take_port(const char *port, const char *in, const char *out, unsigned place)
{
	static void *queues[N_PORTS][2][N_QUEUES];
	uint16_t id;

	assert_int_equal(rte_eth_dev_get_port_by_name(port, &id), 0);
	for (unsigned q = 0; q < N_QUEUES; q++) {
		queues[place][0][q] = ring_of(in);
		queues[place][1][q] = ring_of(out);
	}
	rte_eth_fp_ops[id].rx_pkt_burst = receive;
	rte_eth_fp_ops[id].tx_pkt_burst = transmit;
	rte_eth_fp_ops[id].rxq.data = queues[place][0];
	rte_eth_fp_ops[id].txq.data = queues[place][1];
}

void seen_take_ports(void)
{
	take_port("net_ring_east_host", "in-east", "out-east", 0);
	take_port("net_ring_east_wire", "wire-east", "wire-west", 1);
	take_port("net_ring_west_host", "in-west", "out-west", 2);
	take_port("net_ring_west_wire", "wire-west", "wire-east", 3);
}

void seen_put(const char *ring, struct rte_mbuf *m)
{
	assert_int_equal(transmit(ring_of(ring), &m, 1), 1);
}

struct rte_mbuf *seen_take(const char *ring)
{
	struct rte_mbuf *m;

	return receive(ring_of(ring), &m, 1) == 1 ? m : NULL;
}
