// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Addresses and ports of streams that a box lets through.

#include "conf/document.h"

struct fer_gen_selector {
	struct fer_addr src, dst;
	struct fer_doc_ports sport, dport;
};

// The first policy of a pair of the document (NULL: none) that protects UDP; NULL: there is none.
//   group  that it has to name; FER_NO_GROUP: any
const struct fer_doc_policy *fer_gen_find_policy(
	const struct fer_doc *doc, uint32_t pair, enum fer_direction direction, uint32_t group);

// What it takes first; where p is NULL, or has no bound, hosts of the networks that RFC 2544 and
// RFC 5180 set aside for such tests.
struct fer_gen_selector fer_gen_selector_of(const struct fer_doc_policy *p);
