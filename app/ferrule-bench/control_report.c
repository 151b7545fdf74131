// SPDX-License-Identifier: BSD-3-Clause
#include "control_report.h"

#include "json.h"
#include "phase.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>

struct fer_bench_control_report {
	bool has_heading;        // of the table that goes on
	struct json_object *all; // NULL: tables
	struct json_object *rows;
	struct json_object *packets;
};

struct fer_bench_control_report *fer_bench_control_report_open(bool json, const char *isa)
{
	struct fer_bench_control_report *r = calloc(1, sizeof(*r));

	if (r == NULL || !json)
		return r;
	r->all = json_object_new_object();
	r->rows = json_object_new_array();
	r->packets = json_object_new_array();
	json_object_object_add(r->all, "machine", fer_bench_machine(isa, 0));
	json_object_object_add(r->all, "rows", r->rows);
	json_object_object_add(r->all, "packets", r->packets);
	return r;
}

static void print_row(struct fer_bench_control_report *r, const struct fer_bench_control_row *row)
{
	const struct fer_bench_timing *t = &row->timing;

	if (!r->has_heading)
		printf("%-9s %-33s %6s %8s %9s %10s %10s %10s %10s %10s\n", "", "algorithm", "list",
			"sas", "seconds", "per second", "median us", "p99 us", "p99.9 us",
			"max us");
	r->has_heading = true;
	printf("%-9s %-33s %6" PRIu32 " %8" PRIu64 " %9.4f %10.0f %10.1f %10.1f %10.1f %10.1f\n",
		row->operation, row->algorithm, row->list, t->n, t->seconds,
		(double)t->n / t->seconds, t->median, t->p99, t->p999, t->longest);
	fflush(stdout);
}

static struct json_object *times(double median, double p99, double p999, double longest)
{
	struct json_object *o = json_object_new_object();

	fer_bench_add_tenths(o, "median", median);
	fer_bench_add_tenths(o, "p99", p99);
	fer_bench_add_tenths(o, "p99.9", p999);
	fer_bench_add_tenths(o, "max", longest);
	return o;
}

void fer_bench_control_report_row(
	struct fer_bench_control_report *r, const struct fer_bench_control_row *row)
{
	const struct fer_bench_timing *t = &row->timing;
	struct json_object *o;

	if (r->all == NULL) {
		print_row(r, row);
		return;
	}
	o = json_object_new_object();
	fer_bench_add_text(o, "operation", row->operation);
	fer_bench_add_text(o, "algorithm", row->algorithm);
	fer_bench_add_u64(o, "list", row->list);
	fer_bench_add_u64(o, "sas", t->n);
	json_object_object_add(o, "seconds", json_object_new_double(t->seconds));
	fer_bench_add_tenths(o, "per_second", (double)t->n / t->seconds);
	json_object_object_add(o, "us", times(t->median, t->p99, t->p999, t->longest));
	json_object_array_add(r->rows, o);
}

void fer_bench_control_report_load(struct fer_bench_control_report *r,
	const struct fer_bench_traffic *t, const struct fer_bench_control_load *load)
{
	if (r->all == NULL) {
		printf("\nThe worker can carry %.0f packets a second %s; %" PRIu32
		       " %% of that came.%s\n%-9s %9s",
			load->most, fer_bench_direction_name(load->direction), load->percent,
			load->is_realtime ? "  In turns it was realtime." : "", "meanwhile",
			"changes/s");
		fer_bench_phase_print_heading();
		printf(" %10s %5s %5s %5s %5s %6s\n", "interrupts", "turns", "lossy", "more",
			"fewer", "p");
		return;
	}
	struct json_object *o = json_object_new_object();

	fer_bench_add_text(o, "direction", fer_bench_direction_name(load->direction));
	fer_bench_add_u64(o, "percent", load->percent);
	fer_bench_add_tenths(o, "packets_per_second", load->most);
	json_object_object_add(o, "realtime", json_object_new_boolean(load->is_realtime));
	fer_bench_add_u64(o, "tsc_hz", t->tsc_hz);
	json_object_object_add(r->all, "load", o);
}

// What the turns of a phase say; against those with nothing meanwhile, if it is another.
static void print_turns(const struct fer_bench_control_packets *p)
{
	if (p->turns == NULL)
		return;
	const struct fer_bench_turns_difference d = fer_bench_turns_compare(
		p->turns, p->beside == NULL ? p->turns : p->beside, p->n_turns);

	printf(" %5" PRIu32 " %5" PRIu32, p->n_turns, d.n_lossy);
	if (p->beside != NULL)
		printf(" %5" PRIu32 " %5" PRIu32 " %6.4f", d.n_more, d.n_fewer, d.p);
}

static void add_turns(struct json_object *o, const struct fer_bench_control_packets *p)
{
	if (p->turns == NULL)
		return;
	const struct fer_bench_turns_difference d = fer_bench_turns_compare(
		p->turns, p->beside == NULL ? p->turns : p->beside, p->n_turns);
	struct json_object *turns = json_object_new_object(), *lost = json_object_new_array();

	for (uint32_t i = 0; i < p->n_turns; i++)
		json_object_array_add(lost, json_object_new_uint64(p->turns[i].lost));
	fer_bench_add_u64(turns, "n", p->n_turns);
	fer_bench_add_u64(turns, "lossy", d.n_lossy);
	fer_bench_add_u64(turns, "more", d.n_more);
	fer_bench_add_u64(turns, "fewer", d.n_fewer);
	json_object_object_add(turns, "p", json_object_new_double(d.p));
	json_object_object_add(turns, "lost", lost);
	json_object_object_add(o, "turns", turns);
}

void fer_bench_control_report_packets(struct fer_bench_control_report *r,
	const struct fer_bench_traffic *t, const struct fer_bench_control_packets *packets)
{
	if (r->all == NULL) {
		printf("%-9s %9.0f", packets->during, packets->rate);
		fer_bench_phase_print(t, packets->phase);
		printf(" %10" PRIu64, packets->interrupts);
		print_turns(packets);
		putchar('\n');
		return;
	}
	struct json_object *o = json_object_new_object();

	fer_bench_add_text(o, "during", packets->during);
	fer_bench_add_tenths(o, "changes_per_second", packets->rate);
	fer_bench_phase_add(o, t, packets->phase);
	fer_bench_add_u64(o, "interrupts", packets->interrupts);
	add_turns(o, packets);
	json_object_array_add(r->packets, o);
}

bool fer_bench_control_report_finish(struct fer_bench_control_report *r, bool is_complete)
{
	bool ok = r->all == NULL || !is_complete || fer_bench_print_json(stdout, r->all);

	ok = fflush(stdout) == 0 && !ferror(stdout) && ok;
	json_object_put(r->all);
	free(r);
	return ok;
}
