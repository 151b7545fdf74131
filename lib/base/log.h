// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Messages of the control side, one line each, on standard error.  Workers do not log.
//
// Where standard error is the journal's, a line begins with its level ("<4>"), else with the name
// of the program.

#include <stdbool.h>

// The numbers are those of syslog.
enum fer_log_level {
	FER_LOG_ERROR = 3,
	FER_LOG_WARNING = 4,
	FER_LOG_NOTICE = 5,
	FER_LOG_INFO = 6,
};

struct fer_log {
	const char *program;
	int fd;
	bool is_journal;
};

// program is kept by pointer.
void fer_log_init(struct fer_log *l, const char *program);

// Writes one line, cut at 1,000 bytes, with '?' for control characters.  Any thread may call it.
__attribute__((format(printf, 3, 4))) void fer_log(
	const struct fer_log *l, enum fer_log_level level, const char *format, ...);
