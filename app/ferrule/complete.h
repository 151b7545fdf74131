// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What may come next on a command line.

#include "session.h"

typedef void complete_add(void *arg, const char *word);

// Calls add for each word that begins with prefix and may follow the n words before it.  Names of
// SAs and policies are those of the daemon, if it can be reached; nothing is complained of.
void complete(const struct session *defaults, int n, char *const before[], const char *prefix,
	complete_add *add, void *arg);
