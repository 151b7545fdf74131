// SPDX-License-Identifier: BSD-3-Clause
#include "report.h"

#include "json.h"

#include <json-c/json.h>
#include <rte_cycles.h>

#include <stdlib.h>
#include <string.h>

struct fer_bench_report {
	FILE *to;
	struct json_object *rows; // NULL: a table
	struct json_object *all;
};

static const char *const stage_names[] = {
#define STAGE_NAME(name, text) text,
	FER_STAGES(STAGE_NAME)
#undef STAGE_NAME
};

static void print_heading(FILE *to)
{
	fprintf(to, "%-3s %-33s %5s %5s %7s %-11s %7s %8s %8s %8s %8s %8s %8s %7s", "", "algorithm",
		"size", "burst", "sas", "order", "workers", "policies", "ticks", "p10", "p90",
		"crypto", "overhead", "dropped");
	for (unsigned k = 0; k < FER_N_STAGES; k++)
		fprintf(to, " %7s", stage_names[k]);
	fputc('\n', to);
}

struct fer_bench_report *fer_bench_report_open(FILE *to, bool json, const char *isa)
{
	struct fer_bench_report *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->to = to;
	if (!json) {
		print_heading(to);
		return r;
	}
	r->all = json_object_new_object();
	r->rows = json_object_new_array();
	json_object_object_add(r->all, "machine", fer_bench_machine(isa, rte_get_tsc_hz()));
	json_object_object_add(r->all, "rows", r->rows);
	return r;
}

static const char *direction_name(enum fer_direction direction)
{
	return direction == FER_OUT ? "out" : "in";
}

static struct json_object *json_row(
	const struct fer_bench_load *load, const struct fer_bench_row *row)
{
	const struct fer_bench_result *result = &row->result;
	struct json_object *o = json_object_new_object(), *ticks = json_object_new_object();
	struct json_object *stages = json_object_new_object();

	fer_bench_add_text(o, "direction", direction_name(load->direction));
	fer_bench_add_text(o, "mode", "tunnel");
	fer_bench_add_text(o, "algorithm", load->algorithm->name);
	fer_bench_add_u64(o, "size", row->size);
	fer_bench_add_u64(o, "burst", row->burst);
	fer_bench_add_u64(o, "sas", load->n_sas);
	fer_bench_add_text(o, "order", fer_bench_order_name(row->order));
	fer_bench_add_u64(o, "workers", row->workers);
	fer_bench_add_u64(o, "policies", load->n_policies);
	fer_bench_add_u64(o, "selectors", fer_bench_load_selectors(load));
	fer_bench_add_tenths(ticks, "median", result->median);
	fer_bench_add_tenths(ticks, "p10", result->p10);
	fer_bench_add_tenths(ticks, "p90", result->p90);
	json_object_object_add(o, "ticks", ticks);
	fer_bench_add_tenths(o, "crypto_ticks", result->crypto);
	for (unsigned k = 0; k < FER_N_STAGES; k++)
		if ((result->stages >> k & 1) != 0)
			fer_bench_add_tenths(stages, stage_names[k], result->stage[k]);
	json_object_object_add(o, "stages", stages);
	fer_bench_add_u64(o, "repeats", result->repeats);
	fer_bench_add_u64(o, "dropped", result->dropped);
	return o;
}

static void print_row(FILE *to, const struct fer_bench_load *load, const struct fer_bench_row *row)
{
	const struct fer_bench_result *result = &row->result;

	fprintf(to, "%-3s %-33s %5u %5u %7u %-11s %7u %8u %8.1f %8.1f %8.1f %8.1f %8.1f %7u",
		direction_name(load->direction), load->algorithm->name, row->size, row->burst,
		load->n_sas, fer_bench_order_name(row->order), row->workers,
		fer_bench_load_selectors(load), result->median, result->p10, result->p90,
		result->crypto, result->median - result->crypto, result->dropped);
	for (unsigned k = 0; k < FER_N_STAGES; k++)
		if ((result->stages >> k & 1) != 0)
			fprintf(to, " %7.1f", result->stage[k]);
		else
			fprintf(to, " %7s", "-");
	fputc('\n', to);
	fflush(to);
}

void fer_bench_report_row(struct fer_bench_report *r, const struct fer_bench_load *load,
	const struct fer_bench_row *row)
{
	if (r->rows == NULL)
		print_row(r->to, load, row);
	else
		json_object_array_add(r->rows, json_row(load, row));
}

bool fer_bench_report_finish(struct fer_bench_report *r)
{
	bool ok = true;

	if (r->all != NULL)
		ok = fer_bench_print_json(r->to, r->all);
	ok = fflush(r->to) == 0 && !ferror(r->to) && ok;
	json_object_put(r->all);
	free(r);
	return ok;
}
