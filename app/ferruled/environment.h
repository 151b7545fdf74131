// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// DPDK's environment for the daemon: options of the command line, then those of the document, then
// what neither says: lcores for the workers, memory without hugepages, a quiet log.
//
// Virtual devices are made after the room for the out-of-band words is taken: some drivers take
// room in packets' descriptors as soon as they are there.

#include "conf/document.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

struct fer_eal_args;

struct fer_environment {
	cpu_set_t cpus;    // those of the process at the start
	bool chose_lcores; // nobody named lcores: any CPU of these will do
	struct fer_eal_args *args;
	FILE *log; // while what libraries say is kept back
	char *log_text;
	size_t log_len;
};

// argv are the EAL's options, without a program's name.  0; or -errno with error, of 640 bytes, a
// sentence for people, after which the process cannot try again.
__attribute__((warn_unused_result)) int fer_environment_start(struct fer_environment *e, int argc,
	char *const argv[], const struct fer_doc *doc, char error[640]);

// What libraries say while ports are set up is kept back, until this is called: some drivers
// complain about what does no harm.
void fer_environment_speak(struct fer_environment *e);

void fer_environment_stop(struct fer_environment *e);
