// SPDX-License-Identifier: BSD-3-Clause
#include "json.h"

#include "base/pages.h"
#include "measure.h"

#include <json-c/json.h>
#include <rte_version.h>

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#include <stdio.h>
#include <string.h>

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

void fer_bench_add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

void fer_bench_add_u64(struct json_object *o, const char *name, uint64_t v)
{
	json_object_object_add(o, name, json_object_new_uint64(v));
}

void fer_bench_add_tenths(struct json_object *o, const char *name, double v)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f", v);
	json_object_object_add(o, name, json_object_new_double_s(v, text));
}

void fer_bench_add_thousandths(struct json_object *o, const char *name, double v)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", v);
	json_object_object_add(o, name, json_object_new_double_s(v, text));
}

struct json_object *fer_bench_machine(const char *isa, uint64_t tsc_hz)
{
	struct json_object *o = json_object_new_object(), *libraries = json_object_new_object();
	char text[256];

	read_value("/proc/cpuinfo", "model name", ": ", '\n', text, sizeof(text));
	fer_bench_add_text(o, "cpu", text);
	fer_bench_add_u64(o, "cpus", fer_bench_cpus());
	if (tsc_hz != 0)
		fer_bench_add_u64(o, "tsc_hz", tsc_hz);
	if (isa != NULL)
		fer_bench_add_text(o, "isa", isa);
	fer_bench_add_text(libraries, "dpdk", rte_version());
	fer_bench_add_text(libraries, "intel-ipsec-mb", imb_get_version_str());
	json_object_object_add(o, "libraries", libraries);
	fer_bench_add_text(
		o, "pages", fer_pages_can_be_huge(FER_PAGES_MODES) ? "transparent huge" : "4 KiB");
	return o;
}

bool fer_bench_print_json(FILE *to, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	return text != NULL && fprintf(to, "%s\n", text) > 0;
}
