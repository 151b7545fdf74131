// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Which parameters make an SA.  Pure: no table, no clock.

#include "sa/sa.h"

// Of the headers that an SA has; the other one is not set.
struct fer_sa_suites {
	struct fer_suite esp, ah;
};

// Fills the suites, salt and ESN included.  Returns NULL on success, or the reason for the refusal:
// a sentence without full stop.
__attribute__((warn_unused_result)) const char *fer_sa_params_check(
	const struct fer_sa_params *p, uint32_t n_groups, struct fer_sa_suites *suites);

// Are all bytes of the address 0?  As the destination of an inbound SA: any.
bool fer_addr_is_zero(const struct fer_addr *a);
