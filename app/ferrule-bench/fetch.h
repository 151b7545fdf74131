// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The verb "fetch": what memory alone takes of packets that visit many associations at random.
// Returns the exit code.
int fer_bench_fetch(int argc, char **argv);
