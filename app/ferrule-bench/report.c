// SPDX-License-Identifier: BSD-3-Clause
#include "report.h"

#include "html.h"
#include "json.h"

#include <json-c/json.h>
#include <rte_cycles.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fer_bench_report {
	struct fer_bench_report_params params;
	struct json_object *all;
	struct json_object *rows;
};

static const char *const stage_names[] = {
#define STAGE_NAME(name, text) text,
	FER_STAGES(STAGE_NAME)
#undef STAGE_NAME
};

static void print_heading(const struct fer_bench_report *r)
{
	printf("%-3s %-33s %5s %-7s %5s %7s %-11s %-10s %7s %8s %-11s %7s %8s %8s %8s %8s %8s %7s",
		"", "algorithm", "size", "packets", "burst", "sas", "order", "spis", "workers",
		"policies", "shape", "flows", "ticks", "p10", "p90", "crypto", "overhead",
		"dropped");
	for (unsigned k = 0; k < FER_N_STAGES; k++)
		printf(" %7s", stage_names[k]);
	if (r->params.compare != NULL)
		printf(" %7s %8s %-6s", "ratio", "adjusted", "");
	putchar('\n');
}

struct fer_bench_report *fer_bench_report_open(const struct fer_bench_report_params *params)
{
	struct fer_bench_report *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->params = *params;
	if (!params->json)
		print_heading(r);
	r->all = json_object_new_object();
	r->rows = json_object_new_array();
	json_object_object_add(r->all, "machine", fer_bench_machine(params->isa, rte_get_tsc_hz()));
	json_object_object_add(r->all, "rows", r->rows);
	return r;
}

static const char *shape_of(const struct fer_bench_load *load)
{
	return load->overlap ? "overlapping" : "apart";
}

static struct json_object *json_row(
	const struct fer_bench_load *load, const struct fer_bench_row *row)
{
	const struct fer_bench_result *result = &row->result;
	struct json_object *o = json_object_new_object(), *ticks = json_object_new_object();
	struct json_object *stages = json_object_new_object();

	fer_bench_add_text(o, "direction", fer_bench_direction_name(load->direction));
	fer_bench_add_text(o, "mode", "tunnel");
	fer_bench_add_text(o, "algorithm", load->algorithm->name);
	if (row->size == FER_BENCH_IMIX)
		fer_bench_add_text(o, "size", "imix");
	else
		fer_bench_add_u64(o, "size", row->size);
	fer_bench_add_u64(o, "burst", row->burst);
	fer_bench_add_u64(o, "sas", load->n_sas);
	fer_bench_add_text(o, "order", fer_bench_order_name(row->order));
	fer_bench_add_text(o, "spis", fer_bench_spis_name(load->spis));
	fer_bench_add_u64(o, "workers", row->workers);
	fer_bench_add_u64(o, "helpers", row->helpers);
	fer_bench_add_text(o, "packets", row->is_cold ? "cold" : "warm");
	fer_bench_add_u64(o, "policies", load->n_policies);
	fer_bench_add_text(o, "shape", shape_of(load));
	fer_bench_add_u64(o, "flows", row->flows);
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

static void print_row(const struct fer_bench_load *load, const struct fer_bench_row *row)
{
	const struct fer_bench_result *result = &row->result;
	char size[12] = "imix";

	if (row->size != FER_BENCH_IMIX)
		snprintf(size, sizeof(size), "%u", row->size);
	printf("%-3s %-33s %5s %-7s %5u %7u %-11s %-10s %7u %8u %-11s %7u %8.1f %8.1f %8.1f %8.1f "
	       "%8.1f "
	       "%7u",
		fer_bench_direction_name(load->direction), load->algorithm->name, size,
		row->is_cold ? "cold" : "warm", row->burst, load->n_sas,
		fer_bench_order_name(row->order), fer_bench_spis_name(load->spis), row->workers,
		fer_bench_load_selectors(load), shape_of(load), row->flows, result->median,
		result->p10, result->p90, result->crypto, result->median - result->crypto,
		result->dropped);
	for (unsigned k = 0; k < FER_N_STAGES; k++)
		if ((result->stages >> k & 1) != 0)
			printf(" %7.1f", result->stage[k]);
		else
			printf(" %7s", "-");
}

static void print_ratio(const struct fer_bench_ratio *ratio)
{
	if (ratio == NULL)
		printf(" %7s %8s %-6s", "-", "-", "");
	else
		printf(" %7.3f %8.3f %-6s", ratio->ticks, ratio->adjusted,
			strcmp(ratio->flag, "same") == 0 ? "" : ratio->flag);
}

void fer_bench_report_row(struct fer_bench_report *r, const struct fer_bench_load *load,
	const struct fer_bench_row *row)
{
	struct fer_bench_compare *compare = r->params.compare;
	struct json_object *o = json_row(load, row);
	struct fer_bench_ratio ratio;
	bool has_ratio = compare != NULL && fer_bench_compare_row(compare, o, &ratio);

	json_object_array_add(r->rows, o);
	if (r->params.json)
		return;
	print_row(load, row);
	if (compare != NULL)
		print_ratio(has_ratio ? &ratio : NULL);
	putchar('\n');
	fflush(stdout);
}

static struct json_object *json_sums(const struct fer_bench_compare_sums *sums)
{
	struct json_object *o = json_object_new_object();

	fer_bench_add_u64(o, "compared", sums->compared);
	fer_bench_add_u64(o, "slower", sums->slower);
	fer_bench_add_u64(o, "faster", sums->faster);
	fer_bench_add_u64(o, "missing", sums->missing);
	return o;
}

static void report_sums(struct fer_bench_report *r)
{
	const struct fer_bench_compare_sums sums = fer_bench_compare_sums(r->params.compare);

	json_object_object_add(r->all, "compare", json_sums(&sums));
	if (!r->params.json)
		printf("%u rows compared: %u slower and %u faster by more than %.0f %%; %u are "
		       "new\n",
			sums.compared, sums.slower, sums.faster, FER_BENCH_TOLERANCE * 100,
			sums.missing);
}

// False with a line in error.
static bool write_all(struct fer_bench_report *r, char error[FER_BENCH_ERROR_BYTES])
{
	if (r->params.compare != NULL)
		report_sums(r);
	bool ok = !r->params.json || fer_bench_print_json(stdout, r->all);
	if (fflush(stdout) != 0 || ferror(stdout) != 0 || !ok) {
		snprintf(error, FER_BENCH_ERROR_BYTES, "standard output: cannot write");
		return false;
	}
	if (r->params.html == NULL || fer_bench_html_write(r->params.html, r->all))
		return true;
	snprintf(error, FER_BENCH_ERROR_BYTES, "%s: %s", r->params.html, strerror(errno));
	return false;
}

bool fer_bench_report_finish(
	struct fer_bench_report *r, bool is_complete, char error[FER_BENCH_ERROR_BYTES])
{
	bool ok = !is_complete || write_all(r, error);

	json_object_put(r->all);
	free(r);
	return ok;
}
