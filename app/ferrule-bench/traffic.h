// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets for a daemon without a network: they arrive at the host port at a given rate, wait in a
// queue as a NIC has one, and are lost where it is full; and at the wire port it is seen when they
// leave.  All of this happens in the worker's own calls of its ports, so it takes no other CPU;
// what it costs is part of what the ports cost.
//
// The struct lies in memory that the process which measures shares with that of the daemon.  The
// one writes the order, the other the phases.

#include "histogram.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FER_BENCH_PHASES 24
#define FER_BENCH_QUEUE 4096 // packets that wait
#define FER_BENCH_FLOWS 16   // tunnels that they are for, one after the other

struct fer_bench_phase {
	uint64_t arrived; // lost ones among them
	uint64_t lost;    // for want of room in the queue
	uint64_t sent;
	uint64_t preempted;      // times that the system gave the worker's CPU to something else
	uint64_t lost_preempted; // of lost: those from such a time on until the queue was empty
				 // again
	struct fer_bench_histogram latency; // ticks from arrival to departure
	struct fer_bench_histogram
		pauses; // ticks between two looks for packets, but for those times
};

struct fer_bench_traffic {
	uint64_t tsc_hz;
	_Atomic uint32_t order;    // phase, to count in
	_Atomic uint64_t interval; // between arrivals, in ticks / 65536; 0: none arrive
	_Atomic bool saturates;    // packets arrive as fast as they are taken
	_Atomic uint32_t rests;    // times that the worker found none, and all before had left
	struct fer_bench_phase phase[FER_BENCH_PHASES];
};

struct rte_mempool;

struct fer_bench_traffic_params {
	struct fer_bench_traffic *shared;
	uint16_t host_port, wire_port;
	struct rte_mempool *pool;
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

// The part of the arrivals that were neither sent nor lost in the queue: they ended in a verdict.
uint64_t fer_bench_phase_dropped(const struct fer_bench_phase *p);

double fer_bench_traffic_us(const struct fer_bench_traffic *t, uint64_t ticks);
