// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What ferrule-gen says: text for people, or one object of JSON.

#include "source.h"
#include "tally.h"

#include <stdbool.h>

struct fer_gen_report {
	const struct fer_gen_made *made;   // NULL: nothing was made
	const struct fer_gen_sums *sums;   // NULL: nothing came back
	const struct fer_outcomes *opened; // NULL: nothing was opened
	uint64_t received;                 // frames that came back
	double seconds;                    // of sending; 0: into a file
	bool json;
};

// False when standard output does not take it.
__attribute__((warn_unused_result)) bool fer_gen_report(const struct fer_gen_report *r);

// The table of kinds.
__attribute__((warn_unused_result)) bool fer_gen_report_kinds(bool json);
