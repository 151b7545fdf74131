// SPDX-License-Identifier: BSD-3-Clause
#include "report.h"

#include <json-c/json.h>
#include <rte_cycles.h>
#include <rte_version.h>

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

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

// Only what stands between the first of from and the first of to behind it.
static void cut(char *text, const char *from, char to)
{
	char *start = strstr(text, from);

	if (start == NULL) {
		text[0] = '\0';
		return;
	}
	start += strlen(from);
	size_t len = strcspn(start, (const char[]){to, '\0'});
	memmove(text, start, len);
	text[len] = '\0';
}

// The first line of a file in which key stands, less everything but its value.
static void read_value(
	const char *path, const char *key, const char *from, char to, char *text, size_t size)
{
	FILE *f = fopen(path, "r");

	text[0] = '\0';
	while (f != NULL && fgets(text, (int)size, f) != NULL && strstr(text, key) == NULL)
		text[0] = '\0';
	if (f != NULL)
		fclose(f);
	cut(text, from, to);
}

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

static void add_u64(struct json_object *o, const char *name, uint64_t v)
{
	json_object_object_add(o, name, json_object_new_uint64(v));
}

// A tenth of a tick is more than can be measured.
static void add_ticks(struct json_object *o, const char *name, double ticks)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f", ticks);
	json_object_object_add(o, name, json_object_new_double_s(ticks, text));
}

static struct json_object *machine(const char *isa)
{
	struct json_object *o = json_object_new_object(), *libraries = json_object_new_object();
	char text[256];

	read_value("/proc/cpuinfo", "model name", ": ", '\n', text, sizeof(text));
	add_text(o, "cpu", text);
	add_u64(o, "cpus", fer_bench_cpus());
	add_u64(o, "tsc_hz", rte_get_tsc_hz());
	add_text(o, "isa", isa);
	add_text(libraries, "dpdk", rte_version());
	add_text(libraries, "intel-ipsec-mb", imb_get_version_str());
	json_object_object_add(o, "libraries", libraries);
	read_value(
		"/sys/kernel/mm/transparent_hugepage/enabled", "[", "[", ']', text, sizeof(text));
	add_text(o, "pages",
		strcmp(text, "always") == 0 || strcmp(text, "madvise") == 0 ? "transparent huge"
									    : "4 KiB");
	return o;
}

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
	json_object_object_add(r->all, "machine", machine(isa));
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

	add_text(o, "direction", direction_name(load->direction));
	add_text(o, "mode", "tunnel");
	add_text(o, "algorithm", load->algorithm->name);
	add_u64(o, "size", row->size);
	add_u64(o, "burst", row->burst);
	add_u64(o, "sas", load->n_sas);
	add_text(o, "order", fer_bench_order_name(row->order));
	add_u64(o, "workers", row->workers);
	add_u64(o, "policies", load->n_policies);
	add_u64(o, "selectors", fer_bench_load_selectors(load));
	add_ticks(ticks, "median", result->median);
	add_ticks(ticks, "p10", result->p10);
	add_ticks(ticks, "p90", result->p90);
	json_object_object_add(o, "ticks", ticks);
	add_ticks(o, "crypto_ticks", result->crypto);
	for (unsigned k = 0; k < FER_N_STAGES; k++)
		if ((result->stages >> k & 1) != 0)
			add_ticks(stages, stage_names[k], result->stage[k]);
	json_object_object_add(o, "stages", stages);
	add_u64(o, "repeats", result->repeats);
	add_u64(o, "dropped", result->dropped);
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

	if (r->all != NULL) {
		const char *text = json_object_to_json_string_ext(
			r->all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		ok = text != NULL && fprintf(r->to, "%s\n", text) > 0;
	}
	ok = fflush(r->to) == 0 && !ferror(r->to) && ok;
	json_object_put(r->all);
	free(r);
	return ok;
}
