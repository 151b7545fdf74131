// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The verb "contention": what workers on one association pay for the words that they share.
// Returns the exit code.
int fer_bench_contention(int argc, char **argv);
