// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The text of one value becomes what its field asks for.

#include "conf/schema.h"

#define FER_WHY_BYTES 512

// Reads text into the draft.  False with why set, in words that never repeat the text: it might be
// a key that stands in the wrong place.
__attribute__((warn_unused_result)) bool fer_value_read(
	const struct fer_field *f, const char *text, void *draft, char why[FER_WHY_BYTES]);

// Is text 1 to 63 of A-Z a-z 0-9 . _ + : -?
bool fer_value_is_name(const char *text);

extern const char fer_value_no_name[]; // what is wrong when it is not
