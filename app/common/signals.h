// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How programs that do one thing are interrupted: they end soon and in order, so that no half file
// is left.  A full disk, or a reader that went away, is an error like others.

#include <signal.h>

// The number of the last signal that asked to end; 0 until then.
extern volatile sig_atomic_t fer_signal_caught;

void fer_signals_catch(void);
