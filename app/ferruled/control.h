// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The loop of the control thread: signals, and what has to be done from time to time.

struct fer_daemon;

// Runs until a signal asks to end.  0, or -errno when there can be no such loop.
__attribute__((warn_unused_result)) int fer_control_run(struct fer_daemon *d);
