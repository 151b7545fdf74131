// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What every test of the data path stands on: DPDK's environment, the words on mbufs, and one
// engine, whose IVs are known.

extern struct fer_engine *test_engine;

// Starts the EAL with that much memory ("256") and opens the engine, or ends the test.
void test_ground_open(const char *megabytes);

void test_ground_close(void);
