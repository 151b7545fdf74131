// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Commands one after the other, from a terminal: with editing, completion, and a history that is
// kept in memory and nowhere else.

#include "session.h"

// Until the end of input, "quit" or "exit".  Returns the exit status.
int interact(const struct session *s);
