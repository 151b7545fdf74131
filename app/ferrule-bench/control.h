// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The verb control: how fast associations come and go over the control socket.  argv[0] is the
// program's name, the verb is taken off.  Returns what the process exits with.
int fer_bench_control(int argc, char **argv);
