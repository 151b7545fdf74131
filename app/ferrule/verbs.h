// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The verbs.  Each gets the words behind its own, and returns the exit status of the program.

#include "session.h"

// What a command line may bring besides words; those that a verb does not take are refused.
struct arguments {
	const char *file; // -f
	const char *kind; // --hardware, --sa and so on, without the dashes
	uint32_t drain_ms;
	int n; // words
	char **words;
};

typedef int verb_run(struct session *s, const struct arguments *a);

verb_run verb_sa_add;
verb_run verb_sa_swap;
verb_run verb_sa_list;
verb_run verb_sa_show;
verb_run verb_sa_activate;
verb_run verb_sa_delete;
verb_run verb_policy_add;
verb_run verb_policy_list;
verb_run verb_policy_delete;
verb_run verb_caps;
verb_run verb_offload_set;
verb_run verb_encapsulation;
verb_run verb_stats;
verb_run verb_ports;
verb_run verb_watch;
verb_run verb_version;
