// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The verb latency: how long a packet is in the box at a given load.  argv[0] is the program's
// name, the verb is taken off.  Returns what the process exits with.
int fer_bench_latency(int argc, char **argv);
