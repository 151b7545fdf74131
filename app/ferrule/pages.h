// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Asks for what comes in pages, to its end, of every pair that was chosen.

#include "session.h"

struct json_object;

// Makes objects of one element of a list, or one page of a table.
typedef void pages_element(struct json_object *list, const char *pair, const void *element);
typedef void pages_table(
	struct json_object *list, const char *pair, const struct fer_msg_numbers *t);

// False: it was told why.
__attribute__((warn_unused_result)) bool pages_list(struct session *s, uint32_t oid,
	size_t element_bytes, pages_element *add, struct json_object *list);
__attribute__((warn_unused_result)) bool pages_numbers(
	struct session *s, uint32_t oid, pages_table *add, struct json_object *list);
