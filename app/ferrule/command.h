// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One command line: options, a verb and its words.

#include "session.h"

typedef int command_no_verb(const struct session *s);

// Runs it; what it does not say of the socket and the pair is that of defaults.  A line without any
// words goes to no_verb; NULL: it is wrong.  Returns the exit status.
int command_run(int argc, char **argv, const struct session *defaults, command_no_verb *no_verb);
