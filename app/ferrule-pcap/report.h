// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What ferrule-pcap says about packets and SAs, as JSON.

#include "host/sink.h"
#include "nic/batch.h"
#include "sa/table.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// The names of SAs by their index in the table.
struct fer_report_names {
	const char *const *by_index;
	const struct fer_sa_table *sas;
};

// One line for packet i of a batch that went through the path and not yet into the sink.
//   number   place in the input, from 1
//   protect  which way it went; receive words are left out on the way out
// False without memory or when the file does not take it.
__attribute__((warn_unused_result)) bool fer_report_packet(FILE *to,
	const struct fer_report_names *names, const struct fer_batch *b, unsigned i,
	uint64_t number, bool protect);

// One line for a packet that the path never saw.
__attribute__((warn_unused_result)) bool fer_report_refused(
	FILE *to, uint64_t number, enum fer_verdict v);

// The sums of a run.
__attribute__((warn_unused_result)) bool fer_report_sums(FILE *to,
	const struct fer_report_names *names, const uint64_t handles[], uint32_t n_sas,
	const struct fer_outcomes *outcomes);
