// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where in a document the loader is, as errors name it: sas[0].esp.spi

#include "conf/document.h"

struct fer_trail {
	const char *file;
	struct fer_doc_error *err;
	char field[128];
	size_t len;
};

void fer_trail_init(struct fer_trail *t, const char *file, struct fer_doc_error *err);

// Go one step down.  Both return the place where the step began, for fer_trail_back().
// Of a key that is not in the schema no more is kept than people need to find it: it may be long,
// not printable, or hex digits that stand in the wrong place.
size_t fer_trail_key(struct fer_trail *t, const char *key);
size_t fer_trail_index(struct fer_trail *t, uint32_t i);
void fer_trail_back(struct fer_trail *t, size_t to);

// Writes the error of the field where we are, or of the one that is called below there (NULL: of
// this one).  line 0: no line is at fault.  Returns -EINVAL.
__attribute__((format(printf, 4, 5))) int fer_trail_fail(
	struct fer_trail *t, uint32_t line, const char *below, const char *format, ...);

// Writes the error that there is no memory and returns -ENOMEM.
int fer_trail_no_memory(struct fer_trail *t);
