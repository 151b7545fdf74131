// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What verbs print: one list of objects, as JSON or as an aligned table.

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

// How a column of the table is written; JSON has all members, and numbers as they are.
enum column_kind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_HEX };

struct column {
	const char *member; // of the objects
	const char *title;
	enum column_kind kind;
	bool if_any; // left out where all numbers are 0
};

// Prints a list, and ends it.  False when standard output takes no more.
__attribute__((warn_unused_result)) bool print_list(
	struct json_object *list, bool json, const struct column columns[], unsigned n);

// Prints one object or list as JSON, and ends it.
__attribute__((warn_unused_result)) bool print_json(struct json_object *o);

// Add a member; they end the program where there is no memory.
void put_text(struct json_object *o, const char *member, const char *text);
void put_number(struct json_object *o, const char *member, uint64_t number);
void put_bool(struct json_object *o, const char *member, bool is);
void put_handle(struct json_object *o, uint64_t handle);
struct json_object *make_list(void);
struct json_object *add_object(struct json_object *list);
