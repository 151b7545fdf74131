// SPDX-License-Identifier: BSD-3-Clause
#include "control_report.h"

#include "json.h"

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
	const struct fer_bench_traffic *t, uint32_t load, double most)
{
	if (r->all == NULL) {
		printf("\nThe worker can carry %.0f packets a second; %" PRIu32
		       " %% of that came.\n"
		       "%-9s %10s %9s %8s %8s %8s %10s %10s %10s %10s %10s %9s\n",
			most, load, "meanwhile", "changes/s", "packets", "dropped", "lost",
			"not ours", "median us", "p99 us", "p99.9 us", "max us", "pause us",
			"preempted");
		return;
	}
	struct json_object *o = json_object_new_object();

	fer_bench_add_u64(o, "percent", load);
	fer_bench_add_tenths(o, "packets_per_second", most);
	fer_bench_add_u64(o, "tsc_hz", t->tsc_hz);
	json_object_object_add(r->all, "load", o);
}

static double us_at(
	const struct fer_bench_traffic *t, const struct fer_bench_histogram *h, double q)
{
	return fer_bench_traffic_us(t, fer_bench_histogram_quantile(h, q));
}

void fer_bench_control_report_packets(struct fer_bench_control_report *r,
	const struct fer_bench_traffic *t, const struct fer_bench_control_packets *packets)
{
	const struct fer_bench_phase *p = packets->phase;
	double median = us_at(t, &p->latency, 0.5), p99 = us_at(t, &p->latency, 0.99),
	       p999 = us_at(t, &p->latency, 0.999), longest = us_at(t, &p->latency, 1),
	       pause = us_at(t, &p->pauses, 1);

	if (r->all == NULL) {
		printf("%-9s %10.0f %9" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
		       " %10.1f %10.1f %10.1f %10.1f %10.1f %9" PRIu64 "\n",
			packets->during, packets->rate, p->arrived, fer_bench_phase_dropped(p),
			p->lost, p->lost_preempted, median, p99, p999, longest, pause,
			p->preempted);
		return;
	}
	struct json_object *o = json_object_new_object();

	fer_bench_add_text(o, "during", packets->during);
	fer_bench_add_tenths(o, "changes_per_second", packets->rate);
	fer_bench_add_u64(o, "arrived", p->arrived);
	fer_bench_add_u64(o, "lost", p->lost);
	fer_bench_add_u64(o, "lost_preempted", p->lost_preempted);
	fer_bench_add_u64(o, "preempted", p->preempted);
	fer_bench_add_u64(o, "dropped", fer_bench_phase_dropped(p));
	json_object_object_add(o, "latency_us", times(median, p99, p999, longest));
	json_object_object_add(o, "pause_us",
		times(us_at(t, &p->pauses, 0.5), us_at(t, &p->pauses, 0.99),
			us_at(t, &p->pauses, 0.999), pause));
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
