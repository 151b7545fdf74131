// SPDX-License-Identifier: BSD-3-Clause
#include "sa/dummy.h"

#include "sa/control.h"

#include <string.h>

struct fer_dummy *fer_dummy_at(const struct fer_sa_table *t, unsigned place)
{
	return &t->dummies[place - 1];
}

void fer_dummy_learn(const struct fer_sa_table *t, unsigned place, uint64_t handle,
	const uint8_t *link, uint8_t n)
{
	struct fer_dummy *d = fer_dummy_at(t, place);

	if (n > sizeof(d->link) || rte_spinlock_trylock(&d->lock) == 0)
		return;
	if (atomic_load_explicit(&d->handle, memory_order_acquire) == handle) {
		if (n > 0)
			memcpy(d->link, link, n);
		d->link_bytes = n;
		d->is_linked = 1;
	}
	rte_spinlock_unlock(&d->lock);
}

bool fer_dummy_link(struct fer_dummy *d, uint8_t link[FER_DUMMY_LINK_BYTES], uint8_t *n)
{
	bool is_linked;

	if (rte_spinlock_trylock(&d->lock) == 0)
		return false;
	is_linked = d->is_linked;
	*n = d->link_bytes;
	memcpy(link, d->link, sizeof(d->link));
	rte_spinlock_unlock(&d->lock);
	return is_linked;
}

uint8_t fer_dummy_take(struct fer_sa_control *c, uint32_t rate)
{
	for (uint8_t i = 0; i < FER_DUMMIES_MAX; i++) {
		struct fer_dummy *d = &c->dummies[i];

		if (d->is_used)
			continue;
		d->is_used = true;
		d->rate = rate;
		return i + 1;
	}
	return 0;
}

void fer_dummy_publish(struct fer_sa_table *t, unsigned place, uint64_t handle)
{
	atomic_store_explicit(&fer_dummy_at(t, place)->handle, handle, memory_order_release);
	atomic_fetch_add_explicit(&t->n_dummies, 1, memory_order_release);
}

void fer_dummy_unpublish(struct fer_sa_table *t, unsigned place)
{
	atomic_store_explicit(&fer_dummy_at(t, place)->handle, 0, memory_order_release);
	atomic_fetch_sub_explicit(&t->n_dummies, 1, memory_order_release);
}

void fer_dummy_free(struct fer_sa_control *c, unsigned place)
{
	memset(&c->dummies[place - 1], 0, sizeof(c->dummies[0]));
}
