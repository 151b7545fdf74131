// SPDX-License-Identifier: BSD-3-Clause
#include "report.h"

#include <json-c/json.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

// What is said of the packets that came back.
static const struct {
	const char *name;
	const char *text;
	size_t at; // in struct fer_gen_sums
} sums_rows[] = {
	{"packets", "sound", offsetof(struct fer_gen_sums, packets)},
	{"lost", "lost", offsetof(struct fer_gen_sums, lost)},
	{"duplicated", "duplicated", offsetof(struct fer_gen_sums, duplicated)},
	{"reordered", "reordered", offsetof(struct fer_gen_sums, reordered)},
	{"late", "too late to judge", offsetof(struct fer_gen_sums, late)},
	{"corrupt", "corrupt", offsetof(struct fer_gen_sums, corrupt)},
	{"foreign", "foreign", offsetof(struct fer_gen_sums, foreign)},
};

#define N_ROWS (sizeof(sums_rows) / sizeof(sums_rows[0]))

static uint64_t sum_at(const struct fer_gen_sums *sums, unsigned row)
{
	return *(const uint64_t *)((const char *)sums + sums_rows[row].at);
}

static double rate_of(uint64_t packets, double seconds)
{
	return seconds > 0 ? (double)packets / seconds : 0;
}

// --- JSON -------------------------------------------------------------------------------------

static void add_u64(struct json_object *o, const char *name, uint64_t v)
{
	json_object_object_add(o, name, json_object_new_uint64(v));
}

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

// Counts by kind, of those that are not 0.
static struct json_object *by_kind(const uint64_t counts[], unsigned first)
{
	struct json_object *o = json_object_new_object();

	for (unsigned k = first; k < fer_gen_n_kinds(); k++)
		if (counts[k] != 0)
			add_u64(o, fer_gen_kind(k)->name, counts[k]);
	return o;
}

// Counts by verdict, of those that are not 0.
static struct json_object *by_verdict(const uint64_t counts[FER_N_VERDICTS])
{
	struct json_object *o = json_object_new_object();

	for (int v = 0; v < FER_N_VERDICTS; v++)
		if (counts[v] != 0)
			add_u64(o, fer_verdict_name((enum fer_verdict)v), counts[v]);
	return o;
}

static struct json_object *made_object(const struct fer_gen_report *r)
{
	struct json_object *o = json_object_new_object();

	add_u64(o, "packets", r->made->packets);
	json_object_object_add(o, "kinds", by_kind(r->made->kinds, 0));
	json_object_object_add(o, "verdicts", by_verdict(r->made->verdicts));
	if (r->seconds > 0) {
		json_object_object_add(o, "seconds", json_object_new_double(r->seconds));
		json_object_object_add(
			o, "pps", json_object_new_double(rate_of(r->made->packets, r->seconds)));
	}
	return o;
}

static struct json_object *received_object(const struct fer_gen_report *r)
{
	struct json_object *o = json_object_new_object();

	add_u64(o, "frames", r->received);
	for (unsigned i = 0; i < N_ROWS; i++)
		add_u64(o, sums_rows[i].name, sum_at(r->sums, i));
	add_u64(o, "bytes", r->sums->bytes);
	json_object_object_add(o, "leaked", by_kind(r->sums->leaked, 1));
	if (r->seconds > 0)
		json_object_object_add(
			o, "pps", json_object_new_double(rate_of(r->sums->packets, r->seconds)));
	return o;
}

static bool put(struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool ok = text != NULL && printf("%s\n", text) > 0 && fflush(stdout) == 0;

	json_object_put(o);
	return ok;
}

static bool report_json(const struct fer_gen_report *r)
{
	struct json_object *o = json_object_new_object();

	if (r->made != NULL)
		json_object_object_add(o, "sent", made_object(r));
	if (r->sums != NULL)
		json_object_object_add(o, "received", received_object(r));
	if (r->opened != NULL)
		json_object_object_add(o, "opened", by_verdict(r->opened->packets));
	if (r->sums != NULL)
		json_object_object_add(
			o, "right", json_object_new_boolean(fer_gen_sums_are_right(r->sums)));
	return put(o);
}

// --- text -------------------------------------------------------------------------------------

static void print_rate(uint64_t packets, double seconds)
{
	if (seconds > 0)
		printf(" in %.3f s: %.3f Mpps", seconds, rate_of(packets, seconds) / 1e6);
	putchar('\n');
}

static void print_made(const struct fer_gen_report *r)
{
	printf("sent      %12" PRIu64 "  packets", r->made->packets);
	print_rate(r->made->packets, r->seconds);
	for (unsigned k = 0; k < fer_gen_n_kinds(); k++)
		if (r->made->kinds[k] != 0)
			printf("          %12" PRIu64 "  %s\n", r->made->kinds[k],
				fer_gen_kind(k)->name);
}

static void print_received(const struct fer_gen_report *r)
{
	printf("received  %12" PRIu64 "  frames", r->received);
	print_rate(r->sums->packets, r->seconds);
	for (unsigned i = 0; i < N_ROWS; i++)
		if (i < 2 || sum_at(r->sums, i) != 0)
			printf("          %12" PRIu64 "  %s\n", sum_at(r->sums, i),
				sums_rows[i].text);
	for (unsigned k = 1; k < fer_gen_n_kinds(); k++)
		if (r->sums->leaked[k] != 0)
			printf("          %12" PRIu64 "  that should not have come: %s\n",
				r->sums->leaked[k], fer_gen_kind(k)->name);
}

static void print_opened(const struct fer_outcomes *opened)
{
	for (int v = 0; v < FER_N_VERDICTS; v++)
		if (opened->packets[v] != 0)
			printf("opened    %12" PRIu64 "  %s\n", opened->packets[v],
				fer_verdict_name((enum fer_verdict)v));
}

bool fer_gen_report(const struct fer_gen_report *r)
{
	if (r->json)
		return report_json(r);
	if (r->made != NULL)
		print_made(r);
	if (r->sums != NULL)
		print_received(r);
	if (r->opened != NULL)
		print_opened(r->opened);
	return fflush(stdout) == 0;
}

// --- kinds ------------------------------------------------------------------------------------

bool fer_gen_report_kinds(bool json)
{
	struct json_object *list = json_object_new_array();

	for (unsigned k = 1; k < fer_gen_n_kinds(); k++) {
		const struct fer_gen_kind *kind = fer_gen_kind(k);
		struct json_object *o = json_object_new_object();

		if (!json)
			printf("%-16s %-12s %s\n", kind->name, fer_verdict_name(kind->verdict),
				kind->text);
		add_text(o, "kind", kind->name);
		add_text(o, "verdict", fer_verdict_name(kind->verdict));
		add_text(o, "text", kind->text);
		json_object_array_add(list, o);
	}
	if (json)
		return put(list);
	json_object_put(list);
	return fflush(stdout) == 0;
}
