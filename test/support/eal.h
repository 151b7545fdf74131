// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// DPDK's environment for tests: no huge pages, no devices, no files, one lcore.

#include <rte_eal.h>

#include <stdio.h>
#include <stdlib.h>

// Starts the EAL with that much memory ("256"), or ends the test.
static inline void fer_test_eal_init(const char *megabytes)
{
	// The EAL reorders the array and writes into the strings.
	static char args[][24] = {"test", "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf",
		"--log-level=*:error", "-l", "0", "-m", ""};
	enum { N_ARGS = sizeof(args) / sizeof(args[0]) };
	char *argv[N_ARGS + 1] = {NULL};

	snprintf(args[N_ARGS - 1], sizeof(args[0]), "%s", megabytes);
	for (int i = 0; i < N_ARGS; i++)
		argv[i] = args[i];
	if (rte_eal_init(N_ARGS, argv) < 0) {
		fputs("rte_eal_init failed\n", stderr);
		exit(EXIT_FAILURE);
	}
}
