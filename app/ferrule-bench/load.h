// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What packets need to find: associations, each with keys of its own, and the policies around them.
// Several measurements share one load; workers read it like those of the appliance.
//
// Association i is an IPv4 tunnel for the inner destination i.  Outbound, each has a group and a
// selector of its own; inbound, one group and one selector take them all.  Selectors that no packet
// meets stand in front of these.
//
// An association has flows, told apart by their source address and port.

#include "host/host.h"
#include "options.h"
#include "sa/table.h"

#include <stdatomic.h>
#include <stdint.h>

#define FER_BENCH_ERROR_BYTES 256
#define FER_BENCH_WINDOW 1024 // packets of the replay windows, or more where workers need it

struct fer_bench_load {
	enum fer_direction direction;
	const struct fer_bench_algorithm *algorithm;
	uint32_t n_sas;
	uint32_t n_policies; // as they were asked for
	bool overlap;        // those that no packet meets lie around the packets
	enum fer_bench_spis spis;
	uint32_t window;
	uint32_t first_key; // association i has the keys of that number + i

	struct fer_engine *engine; // expands keys
	struct fer_sa_table *sas;
	struct fer_policies *policies;
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic published;
	_Atomic uint32_t *numbers; // in: last sequence number that packets were sealed with, by SA
	uint64_t n_packets;        // that went over it
};

// Keying material number i: always the same, and no other's.
struct fer_bench_keys {
	uint8_t encryption[FER_MAX_KEY_BYTES];
	uint8_t integrity[FER_MAX_KEY_BYTES];
};

void fer_bench_keys_make(uint32_t i, struct fer_bench_keys *keys);

// The ends of flow k of association i.
struct fer_addr fer_bench_inner_src(uint32_t k);
struct fer_addr fer_bench_inner_dst(uint32_t i);
uint16_t fer_bench_inner_sport(uint32_t k);
#define FER_BENCH_INNER_DPORT 5001

// Association i, seen from that side.  The keys are referred to, not copied.
struct fer_sa_params fer_bench_sa_params(const struct fer_bench_load *l, uint32_t i,
	enum fer_direction direction, const struct fer_bench_keys *keys);

// Megabytes that the EAL needs for a load of that size.
unsigned fer_bench_load_megabytes(uint32_t n_sas, uint32_t n_policies);

// Makes the load that direction, algorithm, n_sas, n_policies, spis and window in l describe.  0,
// or -1 with a line in error and nothing left behind.
__attribute__((warn_unused_result)) int fer_bench_load_init(
	struct fer_bench_load *l, char error[FER_BENCH_ERROR_BYTES]);

// All zero: does nothing.
void fer_bench_load_fini(struct fer_bench_load *l);

// Selectors that there really are.
uint32_t fer_bench_load_selectors(const struct fer_bench_load *l);
