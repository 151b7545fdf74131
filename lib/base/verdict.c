// SPDX-License-Identifier: BSD-3-Clause
#include "base/verdict.h"

#include <ctype.h>
#include <stddef.h>

#define LONGEST_NAME 32

static const struct {
	const char *name; // as in the enum, without FER_
	const char *text;
	enum fer_verdict_kind kind;
} rows[FER_N_VERDICTS] = {
#define ROW(name, kind, text) [FER_##name] = {#name, text, FER_KIND_##kind},
	FER_VERDICTS(ROW)
#undef ROW
};

static char names[FER_N_VERDICTS][LONGEST_NAME];

// Runs before main: afterwards the names are read-only, so any thread may ask.
__attribute__((constructor)) static void lower_names(void)
{
	for (size_t v = 0; v < FER_N_VERDICTS; v++)
		for (size_t i = 0; i < LONGEST_NAME - 1 && rows[v].name[i] != '\0'; i++)
			names[v][i] = (char)tolower((unsigned char)rows[v].name[i]);
}

const char *fer_verdict_name(enum fer_verdict v)
{
	return (unsigned)v < FER_N_VERDICTS ? names[v] : "?";
}

const char *fer_verdict_text(enum fer_verdict v)
{
	return (unsigned)v < FER_N_VERDICTS ? rows[v].text : "?";
}

enum fer_verdict_kind fer_verdict_kind(enum fer_verdict v)
{
	return (unsigned)v < FER_N_VERDICTS ? rows[v].kind : FER_KIND_DROP;
}
