// SPDX-License-Identifier: BSD-3-Clause
#include "sa/endpoint.h"

#include <rte_common.h>
#include <rte_jhash.h>
#include <rte_rcu_qsbr.h>

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

// Addresses of our own are few; where they are many, the chains get longer.
#define MAX_HEADS (UINT32_C(1) << 14)

struct endpoint {
	struct fer_addr addr;
	uint32_t n_sas;
	_Atomic(struct endpoint *) next; // in its chain
	uint64_t time;                   // lingers: since when, ns; leaves: the grace period
	TAILQ_ENTRY(endpoint) link;      // in lingering or leaving
};

TAILQ_HEAD(endpoint_list, endpoint);

struct fer_endpoints {
	_Atomic(struct endpoint *) *heads;
	uint32_t mask;
	uint32_t seed;
	uint32_t n_entries; // in the chains and leaving
	uint32_t max_entries;
	uint32_t n_lingering;
	uint32_t max_lingering;
	struct endpoint_list lingering; // in a chain, without SA, oldest first
	struct endpoint_list leaving;   // out of the chains, but a reader may stand on them
	struct rte_rcu_qsbr *qsbr;
};

struct fer_endpoints *fer_endpoints_create(uint32_t capacity, struct rte_rcu_qsbr *qsbr)
{
	struct fer_endpoints *e = calloc(1, sizeof(*e));
	uint32_t n_heads = RTE_MIN(rte_align32pow2(capacity), MAX_HEADS);

	if (e == NULL)
		return NULL;
	e->mask = n_heads - 1;
	e->max_lingering = capacity;
	e->max_entries = 2 * capacity + 64;
	e->qsbr = qsbr;
	TAILQ_INIT(&e->lingering);
	TAILQ_INIT(&e->leaving);
	e->heads = calloc(n_heads, sizeof(e->heads[0]));
	if (e->heads == NULL || getrandom(&e->seed, sizeof(e->seed), 0) != sizeof(e->seed)) {
		fer_endpoints_destroy(e);
		return NULL;
	}
	return e;
}

static void free_chain(struct endpoint *p)
{
	while (p != NULL) {
		struct endpoint *next = atomic_load_explicit(&p->next, memory_order_relaxed);

		free(p);
		p = next;
	}
}

static void free_first_leaving(struct fer_endpoints *e)
{
	struct endpoint *p = TAILQ_FIRST(&e->leaving);

	TAILQ_REMOVE(&e->leaving, p, link);
	free(p);
	e->n_entries--;
}

void fer_endpoints_destroy(struct fer_endpoints *e)
{
	if (e == NULL)
		return;
	while (!TAILQ_EMPTY(&e->leaving))
		free_first_leaving(e);
	for (uint32_t i = 0; i <= e->mask && e->heads != NULL; i++)
		free_chain(atomic_load_explicit(&e->heads[i], memory_order_relaxed));
	free(e->heads);
	free(e);
}

static _Atomic(struct endpoint *) *head_of(const struct fer_endpoints *e, const struct fer_addr *a)
{
	uint32_t words[sizeof(a->bytes) / 4];

	memcpy(words, a->bytes, sizeof(words));
	return &e->heads[rte_jhash_32b(words, 4, e->seed ^ a->version) & e->mask];
}

static struct endpoint *find(const struct fer_endpoints *e, const struct fer_addr *a)
{
	struct endpoint *p = atomic_load_explicit(head_of(e, a), memory_order_acquire);

	while (p != NULL && !fer_addr_equal(&p->addr, a))
		p = atomic_load_explicit(&p->next, memory_order_acquire);
	return p;
}

bool fer_endpoints_has(const struct fer_endpoints *e, const struct fer_addr *a)
{
	return find(e, a) != NULL;
}

// Frees the entries that no reader can stand on any more.
static void collect(struct fer_endpoints *e)
{
	struct endpoint *p;

	while ((p = TAILQ_FIRST(&e->leaving)) != NULL) {
		// The analyzer loses sight of the list when an entry leaves it.
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
		if (e->qsbr != NULL && rte_rcu_qsbr_check(e->qsbr, p->time, false) != 1)
			return;
		free_first_leaving(e);
	}
}

static struct endpoint *create_entry(struct fer_endpoints *e, const struct fer_addr *a)
{
	struct endpoint *p = e->n_entries < e->max_entries ? calloc(1, sizeof(*p)) : NULL;

	if (p == NULL)
		return NULL;
	e->n_entries++;
	p->addr = *a;
	p->n_sas = 1;
	return p;
}

static void insert(struct fer_endpoints *e, struct endpoint *p)
{
	_Atomic(struct endpoint *) *head = head_of(e, &p->addr);

	atomic_store_explicit(
		&p->next, atomic_load_explicit(head, memory_order_relaxed), memory_order_relaxed);
	atomic_store_explicit(head, p, memory_order_release);
}

static void unlink_oldest(struct fer_endpoints *e)
{
	struct endpoint *p = TAILQ_FIRST(&e->lingering);
	_Atomic(struct endpoint *) *at = head_of(e, &p->addr);
	struct endpoint *q;

	while ((q = atomic_load_explicit(at, memory_order_relaxed)) != p)
		at = &q->next;
	atomic_store_explicit(
		at, atomic_load_explicit(&p->next, memory_order_relaxed), memory_order_release);
	TAILQ_REMOVE(&e->lingering, p, link);
	e->n_lingering--;
	if (e->qsbr != NULL)
		p->time = rte_rcu_qsbr_start(e->qsbr);
	TAILQ_INSERT_TAIL(&e->leaving, p, link);
}

int fer_endpoints_get(struct fer_endpoints *e, const struct fer_addr *a)
{
	struct endpoint *p = find(e, a);

	if (p != NULL) {
		if (p->n_sas++ == 0) {
			TAILQ_REMOVE(&e->lingering, p, link);
			e->n_lingering--;
		}
		return 0;
	}
	collect(e);
	p = create_entry(e, a);
	if (p == NULL)
		return -ENOSPC;
	insert(e, p);
	return 0;
}

void fer_endpoints_put(struct fer_endpoints *e, const struct fer_addr *a, uint64_t now_ns)
{
	struct endpoint *p = find(e, a);

	assert(p != NULL && p->n_sas > 0);
	if (--p->n_sas > 0)
		return;
	p->time = now_ns;
	TAILQ_INSERT_TAIL(&e->lingering, p, link);
	if (++e->n_lingering > e->max_lingering)
		unlink_oldest(e);
}

void fer_endpoints_expire(struct fer_endpoints *e, uint64_t now_ns)
{
	struct endpoint *p;

	while ((p = TAILQ_FIRST(&e->lingering)) != NULL &&
		now_ns - p->time >= FER_ENDPOINT_LINGER_NS)
		unlink_oldest(e);
	collect(e);
}
