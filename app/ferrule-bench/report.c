// SPDX-License-Identifier: BSD-3-Clause
#include "report.h"

#include "html.h"
#include "json.h"

#include <json-c/json.h>
#include <rte_cycles.h>

#include <stdlib.h>
#include <string.h>

// What rows were asked for: a column of the table where they differ in it, else said once.
static const struct input {
	const char *name; // in the row's object
	const char *head;
	int width; // negative: to the left
} inputs[] = {
	{"direction", "", -3},
	{"algorithm", "algorithm", -33},
	{"size", "size", 5},
	{"packets", "packets", -7},
	{"burst", "burst", 5},
	{"sas", "sas", 7},
	{"order", "order", -11},
	{"spis", "spis", -10},
	{"workers", "workers", 7},
	{"helpers", "helpers", 7},
	{"selectors", "policies", 8},
	{"shape", "shape", -11},
	{"flows", "flows", 7},
};

#define N_INPUTS (sizeof(inputs) / sizeof(inputs[0]))

struct fer_bench_report {
	struct fer_bench_report_params params;
	struct json_object *all;
	struct json_object *rows;
	bool is_column[N_INPUTS];
};

static const char *const stage_names[] = {
#define STAGE_NAME(name, text) text,
	FER_STAGES(STAGE_NAME)
#undef STAGE_NAME
};

// Direction and size are columns always, so that a row says most of what it is.
static void choose_columns(struct fer_bench_report *r, const struct fer_bench_options *o)
{
	unsigned sas = fer_bench_largest(&o->sas);
	const unsigned n[N_INPUTS] = {2, o->algorithms.n, 2, o->n_packets, o->bursts.n, o->sas.n, 1,
		1, o->workers.n, 1, sas > 1 ? 2 : o->policies.n, 1, o->flows.n};

	for (unsigned i = 0; i < N_INPUTS; i++)
		r->is_column[i] = n[i] > 1;
}

static const char *text_of(struct json_object *row, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(row, name, &value) ? json_object_get_string(value) : "";
}

// What holds for all rows, and the heads of the columns.
static void print_heading(const struct fer_bench_report *r, struct json_object *row)
{
	const char *between = "all rows: ";

	for (unsigned i = 0; i < N_INPUTS; i++)
		if (!r->is_column[i]) {
			printf("%s%s %s", between, inputs[i].head, text_of(row, inputs[i].name));
			between = ", ";
		}
	putchar('\n');
	for (unsigned i = 0; i < N_INPUTS; i++)
		if (r->is_column[i])
			printf("%*s ", inputs[i].width, inputs[i].head);
	printf("%8s %8s %8s %8s %8s %7s", "ticks", "p10", "p90", "crypto", "overhead", "dropped");
	for (unsigned k = 0; k < FER_N_STAGES; k++)
		printf(" %7s", stage_names[k]);
	if (r->params.compare != NULL)
		printf(" %7s %8s %-6s", "ratio", "adjusted", "");
	putchar('\n');
}

static void tell_other_machine(const struct fer_bench_report *r, struct json_object *machine)
{
	char differs[64];

	if (!fer_bench_compare_machine(r->params.compare, machine, differs))
		fprintf(stderr, "ferrule-bench: --compare: %s was measured with other %s\n",
			r->params.options->compare, differs);
}

struct fer_bench_report *fer_bench_report_open(const struct fer_bench_report_params *params)
{
	struct json_object *machine;
	struct fer_bench_report *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->params = *params;
	choose_columns(r, params->options);
	r->all = json_object_new_object();
	r->rows = json_object_new_array();
	machine = fer_bench_machine(params->isa, rte_get_tsc_hz());
	if (params->compare != NULL)
		tell_other_machine(r, machine);
	json_object_object_add(r->all, "machine", machine);
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

static void print_row(const struct fer_bench_report *r, struct json_object *row,
	const struct fer_bench_result *result)
{
	for (unsigned i = 0; i < N_INPUTS; i++)
		if (r->is_column[i])
			printf("%*s ", inputs[i].width, text_of(row, inputs[i].name));
	printf("%8.1f %8.1f %8.1f %8.1f %8.1f %7u", result->median, result->p10, result->p90,
		result->crypto, result->median - result->crypto, result->dropped);
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
	if (json_object_array_length(r->rows) == 1)
		print_heading(r, o);
	print_row(r, o, &row->result);
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
	int rc = r->params.html == NULL ? 0 : fer_bench_html_write(r->params.html, r->all);
	if (rc != 0)
		snprintf(error, FER_BENCH_ERROR_BYTES, "--html: %s: %s", r->params.html,
			strerror(-rc));
	return rc == 0;
}

bool fer_bench_report_finish(
	struct fer_bench_report *r, bool is_complete, char error[FER_BENCH_ERROR_BYTES])
{
	bool ok = !is_complete || write_all(r, error);

	json_object_put(r->all);
	free(r);
	return ok;
}
