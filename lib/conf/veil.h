// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Keeps keys out of libyaml, which grows and frees its copies of a text without wiping them.
//
// It parses a copy of the document in which every long run of hex digits is replaced by a token of
// the same length; the digits are put back into the text of a value when it is read.  Where a token
// stands by itself, or is made by an escape, it stands for digits of the same document, which its
// author could have written there as well.

#include <stddef.h>
#include <stdint.h>

struct fer_veil {
	const uint8_t *bytes; // the document
	size_t len;
	uint8_t *copy; // veiled, of the same length
};

// bytes must stay until fini.  Returns 0, or -ENOMEM.
__attribute__((warn_unused_result)) int fer_veil_init(
	struct fer_veil *v, const void *bytes, size_t len);
void fer_veil_fini(struct fer_veil *v);

// Puts back in place what tokens in a text stand for.
void fer_veil_lift(const struct fer_veil *v, uint8_t *text, size_t len);
