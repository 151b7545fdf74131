// SPDX-License-Identifier: BSD-3-Clause
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 64
#define CELL_BYTES 128

static void *need(void *p)
{
	if (p == NULL) {
		fputs("ferrule: no memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return p;
}

static void put(struct json_object *o, const char *member, struct json_object *value)
{
	if (json_object_object_add(o, member, need(value)) != 0)
		(void)need(NULL);
}

void put_text(struct json_object *o, const char *member, const char *text)
{
	put(o, member, json_object_new_string(text));
}

void put_number(struct json_object *o, const char *member, uint64_t number)
{
	put(o, member, json_object_new_uint64(number));
}

void put_bool(struct json_object *o, const char *member, bool is)
{
	put(o, member, json_object_new_boolean(is));
}

// A text: not every reader of JSON keeps 64 bits.
void put_handle(struct json_object *o, uint64_t handle)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, handle);
	put_text(o, "handle", text);
}

struct json_object *make_list(void)
{
	return need(json_object_new_array());
}

struct json_object *add_object(struct json_object *list)
{
	struct json_object *o = need(json_object_new_object());

	if (json_object_array_add(list, o) != 0)
		(void)need(NULL);
	return o;
}

bool print_json(struct json_object *o)
{
	bool ok = puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) >= 0;

	json_object_put(o);
	return fflush(stdout) == 0 && ok;
}

// "a, b"
static void join(struct json_object *array, char text[CELL_BYTES])
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(array) && len < CELL_BYTES; i++)
		len += (size_t)snprintf(text + len, CELL_BYTES - len, "%s%s", i == 0 ? "" : ", ",
			json_object_get_string(json_object_array_get_idx(array, i)));
}

static const char *cell(struct json_object *o, const struct column *c, char text[CELL_BYTES])
{
	struct json_object *v = json_object_object_get(o, c->member);

	if (v == NULL)
		return "-";
	if (json_object_is_type(v, json_type_boolean))
		return json_object_get_boolean(v) ? "yes" : "no";
	if (json_object_is_type(v, json_type_array))
		join(v, text);
	else if (c->kind == COLUMN_HEX)
		snprintf(text, CELL_BYTES, "0x%08" PRIx64, json_object_get_uint64(v));
	else if (c->kind == COLUMN_NUMBER)
		snprintf(text, CELL_BYTES, "%" PRIu64, json_object_get_uint64(v));
	else
		snprintf(text, CELL_BYTES, "%s", json_object_get_string(v));
	return text[0] == '\0' ? "-" : text;
}

static bool has_any(struct json_object *list, const struct column *c)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (json_object_get_uint64(json_object_object_get(
			    json_object_array_get_idx(list, i), c->member)) != 0)
			return true;
	return false;
}

static int width_of(struct json_object *list, const struct column *c)
{
	char text[CELL_BYTES];
	size_t width = strlen(c->title);

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		size_t len = strlen(cell(json_object_array_get_idx(list, i), c, text));

		width = len > width ? len : width;
	}
	return (int)width;
}

// The last column is not filled up.
static void print_cell(const char *text, const struct column *c, int width, bool is_last)
{
	if (c->kind == COLUMN_NUMBER)
		printf("%*s", width, text);
	else
		printf("%-*s", is_last ? 0 : width, text);
	fputs(is_last ? "\n" : "  ", stdout);
}

static void print_table(struct json_object *list, const struct column columns[], unsigned n)
{
	const struct column *shown[MAX_COLUMNS];
	int width[MAX_COLUMNS];
	char text[CELL_BYTES];
	unsigned n_shown = 0;

	for (unsigned c = 0; c < n && n_shown < MAX_COLUMNS; c++)
		if (!columns[c].if_any || has_any(list, &columns[c])) {
			width[n_shown] = width_of(list, &columns[c]);
			shown[n_shown++] = &columns[c];
		}
	for (unsigned c = 0; c < n_shown; c++)
		print_cell(shown[c]->title, shown[c], width[c], c + 1 == n_shown);
	for (size_t i = 0; i < json_object_array_length(list); i++)
		for (unsigned c = 0; c < n_shown; c++)
			print_cell(cell(json_object_array_get_idx(list, i), shown[c], text),
				shown[c], width[c], c + 1 == n_shown);
}

bool print_list(struct json_object *list, bool json, const struct column columns[], unsigned n)
{
	if (json)
		return print_json(list);
	print_table(list, columns, n);
	json_object_put(list);
	return fflush(stdout) == 0;
}
