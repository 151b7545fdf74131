// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets for a daemon without a network: they arrive at one port at a given rate, wait in a queue
// as a NIC has one, and are lost where it is full; and at the other port it is seen when they
// leave.  All of this happens in the worker's own calls of its ports, so it takes no other CPU;
// what it costs is part of what the ports cost.
//
// Outbound they arrive at the host port, plain.  Inbound they arrive at the wire port, sealed once
// and the same ones again and again: the windows of their associations are to be off.
//
// The struct lies in memory that the process which measures shares with that of the daemon.  The
// one writes the order, the other the phases.

#include "args.h"
#include "histogram.h"
#include "proto/ipsec.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FER_BENCH_PHASES 24
#define FER_BENCH_QUEUE 4096 // packets that wait
#define FER_BENCH_FLOWS 16   // tunnels that they are for, one after the other

#define FER_BENCH_FIRST_KEY (UINT32_MAX - 255u) // of the tunnels; see load.h

// What a worker did that did not look for packets for long: several times what a full burst takes.
//
// PREEMPTED  the scheduler of this system gave its CPU to something else
// BLOCKED    it was in the kernel of its own accord: asleep, or it waited for memory
// STOLEN       none of these, so its CPU stood still below it: a hypervisor, or interrupts
//
// WORKING is no gap: it was at it, burst by burst.
#define FER_BENCH_CAUSES(C)                                                                        \
	C(WORKING, "slow")                                                                         \
	C(BLOCKED, "blocked")                                                                      \
	C(PREEMPTED, "preempted")                                                                  \
	C(STOLEN, "stolen")

enum fer_bench_cause {
#define FER_BENCH_CAUSE(name, text) FER_BENCH_##name,
	FER_BENCH_CAUSES(FER_BENCH_CAUSE)
#undef FER_BENCH_CAUSE
		FER_BENCH_N_CAUSES
};

const char *fer_bench_cause_name(enum fer_bench_cause cause);

struct fer_bench_gaps {
	uint64_t n;
	uint64_t ticks; // of all
	uint64_t longest;
};

struct fer_bench_phase {
	uint64_t ticks;   // that packets came
	uint64_t cpu_us;  // that the worker ran meanwhile
	uint64_t arrived; // lost ones among them
	uint64_t sent;
	// Lost for want of room in the queue, by what most of the packets had come in that waited
	// then: a gap of that cause, or WORKING, where the worker was slower than packets came.
	uint64_t lost[FER_BENCH_N_CAUSES];
	struct fer_bench_gaps gaps[FER_BENCH_N_CAUSES]; // but for WORKING
	struct fer_bench_histogram latency;             // ticks from arrival to departure
	struct fer_bench_histogram pauses; // ticks between two looks while WORKING or BLOCKED
};

enum fer_bench_standing { FER_BENCH_ORDINARY, FER_BENCH_REALTIME, FER_BENCH_REFUSED };

struct fer_bench_traffic {
	uint64_t tsc_hz;
	_Atomic uint32_t order;    // phase, to count in
	_Atomic uint64_t interval; // between arrivals, in ticks / 65536; 0: none arrive
	_Atomic bool saturates;    // packets arrive as fast as they are taken
	_Atomic uint32_t rests;    // times that the worker found none, and all before had left
	_Atomic uint64_t realtime_until; // by the time stamp counter; 0: the worker is ordinary
	_Atomic int standing;            // enum fer_bench_standing, that the worker tells
	struct fer_bench_phase phase[FER_BENCH_PHASES];
};

struct rte_mempool;

struct fer_bench_traffic_params {
	struct fer_bench_traffic *shared;
	uint16_t from_port, to_port;
	struct rte_mempool *pool;
	enum fer_direction direction;
	const struct fer_bench_algorithm *algorithm;
	uint32_t size; // of the inner IPv4 packet
};

// Connects the ports, which run.  0 or -errno.  Lasts until the process ends.
__attribute__((warn_unused_result)) int fer_bench_traffic_connect(
	const struct fer_bench_traffic_params *params);

// --- for the process that measures ---------------------------------------------------------------

// Lets packets come for so many seconds and counts in a phase: as fast as they are taken, or `rate`
// a second.  begin() and end() are its two halves.
void fer_bench_traffic_run(
	struct fer_bench_traffic *t, unsigned phase, double rate, double seconds);
void fer_bench_traffic_begin(struct fer_bench_traffic *t, unsigned phase, double rate);
void fer_bench_traffic_end(struct fer_bench_traffic *t);
#define FER_BENCH_SATURATE (-1.0)

// Has the worker make itself realtime, so that no ordinary program gets its CPU before it.  After
// so many seconds it makes itself ordinary again, whatever this process does meanwhile.  False when
// the system does not allow it.
bool fer_bench_traffic_be_realtime(struct fer_bench_traffic *t, double seconds);

// Has it be ordinary at its next look.  False when it was not realtime until now.
bool fer_bench_traffic_be_ordinary(struct fer_bench_traffic *t);

uint64_t fer_bench_phase_lost(const struct fer_bench_phase *p);

// The part of the arrivals that were neither sent nor lost in the queue: they ended in a verdict.
uint64_t fer_bench_phase_dropped(const struct fer_bench_phase *p);

double fer_bench_traffic_us(const struct fer_bench_traffic *t, uint64_t ticks);
