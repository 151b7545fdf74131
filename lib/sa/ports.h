// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The UDP ports to which inbound SAs are sent ESP (RFC 3948).  A port stays in the set for a while
// after its last SA went, so that late packets are still known to be ESP.

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FER_PORTS_LINGER_NS UINT64_C(60000000000)
#define FER_PORTS_LINGERING 64 // at once; of more the oldest leaves early

struct fer_ports {
	_Atomic uint32_t n; // in the set
	_Atomic uint64_t bits[65536 / 64];

	// The control thread's.
	uint32_t n_sas[65536];
	struct {
		uint64_t since;
		uint16_t port;
	} lingering[FER_PORTS_LINGERING]; // oldest first
	uint32_t n_lingering;
};

// The control thread alone may call the functions of this block.

// NULL without memory.
__attribute__((warn_unused_result)) struct fer_ports *fer_ports_create(void);

// No reader may be looking.  NULL does nothing.
void fer_ports_destroy(struct fer_ports *p);

// One SA more, or one less, is sent to this port.
void fer_ports_get(struct fer_ports *p, uint16_t port);
void fer_ports_put(struct fer_ports *p, uint16_t port, uint64_t now_ns);

// Takes out the ports that were without SA for FER_PORTS_LINGER_NS.
void fer_ports_expire(struct fer_ports *p, uint64_t now_ns);

// Any thread: is the port in the set?
static inline bool fer_ports_has(const struct fer_ports *p, uint16_t port)
{
	if (__builtin_expect(atomic_load_explicit(&p->n, memory_order_relaxed) == 0, 1))
		return false;
	return (atomic_load_explicit(&p->bits[port / 64], memory_order_relaxed) >> port % 64 & 1) !=
	       0;
}

// Are there any?
static inline bool fer_ports_has_any(const struct fer_ports *p)
{
	return atomic_load_explicit(&p->n, memory_order_relaxed) != 0;
}
