// SPDX-License-Identifier: BSD-3-Clause
#include "sa/ports.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct fer_ports *fer_ports_create(void)
{
	return calloc(1, sizeof(struct fer_ports));
}

void fer_ports_destroy(struct fer_ports *p)
{
	free(p);
}

static void flip(struct fer_ports *p, uint16_t port)
{
	atomic_fetch_xor_explicit(
		&p->bits[port / 64], UINT64_C(1) << port % 64, memory_order_relaxed);
}

// The place of a port among those that linger; their number when it does not.
static uint32_t place_of(const struct fer_ports *p, uint16_t port)
{
	uint32_t i = 0;

	while (i < p->n_lingering && p->lingering[i].port != port)
		i++;
	return i;
}

static void stop_lingering(struct fer_ports *p, uint32_t place)
{
	p->n_lingering--;
	memmove(&p->lingering[place], &p->lingering[place + 1],
		(p->n_lingering - place) * sizeof(p->lingering[0]));
}

static void drop_oldest(struct fer_ports *p)
{
	flip(p, p->lingering[0].port);
	atomic_fetch_sub_explicit(&p->n, 1, memory_order_relaxed);
	stop_lingering(p, 0);
}

void fer_ports_get(struct fer_ports *p, uint16_t port)
{
	if (p->n_sas[port]++ != 0)
		return;
	uint32_t place = place_of(p, port);

	if (place < p->n_lingering) {
		stop_lingering(p, place);
		return;
	}
	flip(p, port);
	atomic_fetch_add_explicit(&p->n, 1, memory_order_relaxed);
}

void fer_ports_put(struct fer_ports *p, uint16_t port, uint64_t now_ns)
{
	assert(p->n_sas[port] > 0);
	if (--p->n_sas[port] != 0)
		return;
	if (p->n_lingering == FER_PORTS_LINGERING)
		drop_oldest(p);
	p->lingering[p->n_lingering].since = now_ns;
	p->lingering[p->n_lingering++].port = port;
}

void fer_ports_expire(struct fer_ports *p, uint64_t now_ns)
{
	while (p->n_lingering != 0 && now_ns - p->lingering[0].since >= FER_PORTS_LINGER_NS)
		drop_oldest(p);
}
