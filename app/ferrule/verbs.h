// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The verbs.  Each gets the words behind its own, and returns the exit status of the program.

#include "session.h"

// What a command line may bring besides words; those that a verb does not take are refused.
struct arguments {
	const char *file; // -f
	const char *kind; // --hardware, --sa and so on, without the dashes
	uint32_t drain_ms;
	uint32_t sequence_high;
	int n; // words
	char **words;
};

typedef int verb_run(struct session *s, const struct arguments *a);

enum verb_names { NAMES_OTHER, NAMES_SAS, NAMES_POLICIES, NAMES_OIDS };

struct verb {
	const char *words[2]; // the second one may be NULL
	const char *usage;    // what follows them
	const char *help;
	const char *kinds[5];  // of --hardware and so on
	enum verb_names names; // of what its further words are
	bool needs_file;       // -f
	bool drains;           // --drain
	bool needs_high;       // --sequence-high
	bool answers_nothing;  // JSON of it is an object without members
	int least;             // further words
	int most;
	verb_run *run;
};

// In the order in which people are told of them; the verb of that place, or NULL behind the last.
const struct verb *verb_at(unsigned place);

// The verb that n words begin with, and in *taken how many of them are its own; NULL: there is
// none.
const struct verb *verb_find(char *const words[], int n, int *taken);

// Is it the first of two words of some verb?
bool verb_begins(const char *word);

bool verb_takes_kind(const struct verb *v, const char *kind);

verb_run verb_sa_add;
verb_run verb_sa_swap;
verb_run verb_sa_list;
verb_run verb_sa_show;
verb_run verb_sa_activate;
verb_run verb_sa_update;
verb_run verb_sa_delete;
verb_run verb_policy_add;
verb_run verb_policy_list;
verb_run verb_policy_delete;
verb_run verb_caps;
verb_run verb_offload_set;
verb_run verb_encapsulation;
verb_run verb_reset;
verb_run verb_oid;
verb_run verb_stats;
verb_run verb_ports;
verb_run verb_watch;
verb_run verb_version;
