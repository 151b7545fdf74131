// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Rows of the verb control as a table for people, one line at a time, or as one JSON object at the
// end.

#include "exchange.h"
#include "traffic.h"
#include "turns.h"

struct fer_bench_control_report;

struct fer_bench_control_row {
	const char *operation; // "add", "update", "delete", "dump"
	const char *algorithm;
	uint32_t list; // associations in one request
	struct fer_bench_timing timing;
};

// What became of the packets meanwhile.
struct fer_bench_control_packets {
	const char *during;
	double rate;         // changes a second that there were
	uint64_t interrupts; // that other CPUs sent to the worker's
	const struct fer_bench_phase *phase;
	const struct fer_bench_turn *turns;  // in which they came; NULL: in one piece
	const struct fer_bench_turn *beside; // with nothing meanwhile; NULL: these are
	uint32_t n_turns;
};

struct fer_bench_control_load {
	enum fer_direction direction; // of the packets
	uint32_t percent;             // of most
	double most;                  // packets a second, which the worker can carry
	bool is_realtime;             // the worker, in turns
};

// isa: what the crypto engine uses on this machine.  NULL without memory.
__attribute__((warn_unused_result)) struct fer_bench_control_report *fer_bench_control_report_open(
	bool json, const char *isa);

void fer_bench_control_report_row(
	struct fer_bench_control_report *r, const struct fer_bench_control_row *row);

void fer_bench_control_report_load(struct fer_bench_control_report *r,
	const struct fer_bench_traffic *t, const struct fer_bench_control_load *load);
void fer_bench_control_report_packets(struct fer_bench_control_report *r,
	const struct fer_bench_traffic *t, const struct fer_bench_control_packets *packets);

// Frees it, and first writes what is left if it is complete.  False when something could not be
// written.
__attribute__((warn_unused_result)) bool fer_bench_control_report_finish(
	struct fer_bench_control_report *r, bool is_complete);
