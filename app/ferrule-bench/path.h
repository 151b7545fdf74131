// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The verb path: what a packet costs in ferrule's data path.  argv[0] is the program's name, the
// verb is taken off.  Returns what the process exits with.
int fer_bench_path(int argc, char **argv);
