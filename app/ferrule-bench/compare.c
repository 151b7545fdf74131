// SPDX-License-Identifier: BSD-3-Clause
#include "compare.h"

#include "json.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fer_bench_compare {
	struct json_object *all;
	struct json_object *rows;
	struct fer_bench_compare_sums sums;
};

// What a row was asked for; a report that says nothing of one has this.
static const struct {
	const char *name;
	const char *otherwise;
} inputs[] = {
	{"direction", ""},
	{"mode", ""},
	{"algorithm", ""},
	{"size", ""},
	{"packets", "warm"},
	{"burst", ""},
	{"sas", ""},
	{"order", ""},
	{"spis", "sequential"},
	{"workers", ""},
	{"helpers", "0"},
	{"policies", ""},
	{"shape", "apart"},
	{"flows", "1"},
};

// What a report says of its machine that decides what ticks mean.
static const char *const circumstances[] = {"cpu", "isa", "libraries", "pages"};

// 0 when the row lacks them.
static double ticks_of(struct json_object *row)
{
	struct json_object *ticks = NULL, *median = NULL;

	if (!json_object_object_get_ex(row, "ticks", &ticks) ||
		!json_object_object_get_ex(ticks, "median", &median))
		return 0;
	return json_object_get_double(median);
}

static double crypto_of(struct json_object *row)
{
	struct json_object *crypto = NULL;

	return json_object_object_get_ex(row, "crypto_ticks", &crypto)
		       ? json_object_get_double(crypto)
		       : 0;
}

// Nothing that was measured lies outside.
static bool is_measure(double ticks)
{
	return ticks >= 1e-3 && ticks <= 1e12;
}

static bool can_be_compared(struct json_object *row)
{
	return json_object_is_type(row, json_type_object) && is_measure(ticks_of(row)) &&
	       is_measure(crypto_of(row));
}

// The reports of other verbs have rows as well; this is what only theirs have.
static const struct {
	const char *name;
	const char *holds;
} others[] = {
	{"packets", "a report of ferrule-bench control"},
	{"idle", "a report of ferrule-bench latency"},
};

// What a file holds instead of rows to compare with.
static const char *what_is_held(const struct fer_bench_compare *c)
{
	if (c->rows == NULL)
		return "no report";
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (json_object_object_get_ex(c->all, others[i].name, NULL))
			return others[i].holds;
	return "no row with ticks and crypto_ticks";
}

struct fer_bench_compare *fer_bench_compare_open(const char *path, char error[256])
{
	struct fer_bench_compare *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		snprintf(error, 256, "no memory");
		return NULL;
	}
	if (access(path, R_OK) != 0) {
		snprintf(error, 256, "--compare: %s: %s", path, strerror(errno));
		fer_bench_compare_close(c);
		return NULL;
	}
	c->all = json_object_from_file(path);
	if (json_object_object_get_ex(c->all, "rows", &c->rows) &&
		!json_object_is_type(c->rows, json_type_array))
		c->rows = NULL;
	for (size_t i = 0; c->rows != NULL && i < json_object_array_length(c->rows); i++)
		if (can_be_compared(json_object_array_get_idx(c->rows, i)))
			return c;
	snprintf(error, 256, "--compare: %s: holds %s, not one of ferrule-bench path --json", path,
		what_is_held(c));
	fer_bench_compare_close(c);
	return NULL;
}

void fer_bench_compare_close(struct fer_bench_compare *c)
{
	if (c == NULL)
		return;
	json_object_put(c->all);
	free(c);
}

// NULL: it does not say.
static const char *said_by(struct json_object *machine, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(machine, name, &value) ? json_object_get_string(value)
								: NULL;
}

bool fer_bench_compare_machine(
	const struct fer_bench_compare *c, struct json_object *machine, char differs[64])
{
	struct json_object *before;
	size_t used = 0;

	if (!json_object_object_get_ex(c->all, "machine", &before))
		return true;
	for (size_t i = 0; i < sizeof(circumstances) / sizeof(circumstances[0]); i++) {
		const char *then = said_by(before, circumstances[i]);
		const char *now = said_by(machine, circumstances[i]);

		if (then != NULL && now != NULL && strcmp(then, now) != 0)
			used += (size_t)snprintf(differs + used, 64 - used, "%s%s",
				used == 0 ? "" : ", ", circumstances[i]);
	}
	return used == 0;
}

static const char *input_of(struct json_object *row, unsigned i)
{
	struct json_object *value;

	return json_object_object_get_ex(row, inputs[i].name, &value) && value != NULL
		       ? json_object_get_string(value)
		       : inputs[i].otherwise;
}

static bool are_alike(struct json_object *a, struct json_object *b)
{
	for (unsigned i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		if (strcmp(input_of(a, i), input_of(b, i)) != 0)
			return false;
	return true;
}

static struct json_object *find(const struct fer_bench_compare *c, struct json_object *row)
{
	for (size_t i = 0; i < json_object_array_length(c->rows); i++) {
		struct json_object *old = json_object_array_get_idx(c->rows, i);

		if (can_be_compared(old) && are_alike(old, row))
			return old;
	}
	return NULL;
}

static const char *flag_of(struct fer_bench_compare *c, double adjusted)
{
	c->sums.compared++;
	if (adjusted > 1 + FER_BENCH_TOLERANCE) {
		c->sums.slower++;
		return "slower";
	}
	if (adjusted < 1 - FER_BENCH_TOLERANCE) {
		c->sums.faster++;
		return "faster";
	}
	return "same";
}

static void add_ratio(struct json_object *row, const struct fer_bench_ratio *ratio)
{
	struct json_object *o = json_object_new_object();

	fer_bench_add_thousandths(o, "ticks", ratio->ticks);
	fer_bench_add_thousandths(o, "adjusted", ratio->adjusted);
	fer_bench_add_text(o, "flag", ratio->flag);
	json_object_object_add(row, "compare", o);
}

bool fer_bench_compare_row(
	struct fer_bench_compare *c, struct json_object *row, struct fer_bench_ratio *ratio)
{
	struct json_object *old = find(c, row);

	if (old == NULL) {
		c->sums.missing++;
		return false;
	}
	ratio->ticks = ticks_of(row) / ticks_of(old);
	ratio->adjusted = ratio->ticks * crypto_of(old) / crypto_of(row);
	ratio->flag = flag_of(c, ratio->adjusted);
	add_ratio(row, ratio);
	return true;
}

struct fer_bench_compare_sums fer_bench_compare_sums(const struct fer_bench_compare *c)
{
	return c->sums;
}
