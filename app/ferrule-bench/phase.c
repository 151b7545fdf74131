// SPDX-License-Identifier: BSD-3-Clause
#include "phase.h"

#include "json.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

static const struct {
	const char *name;
	double q;
} quantiles[] = {{"median", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

#define N_QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

static double ms_of(const struct fer_bench_traffic *t, uint64_t ticks)
{
	return fer_bench_traffic_us(t, ticks) / 1e3;
}

static double us_at(
	const struct fer_bench_traffic *t, const struct fer_bench_histogram *h, double q)
{
	return fer_bench_traffic_us(t, fer_bench_histogram_quantile(h, q));
}

// Of the time, the worker ran so many per cent.
static double cpu_of(const struct fer_bench_traffic *t, const struct fer_bench_phase *p)
{
	return p->ticks == 0 ? 0 : 100 * (double)p->cpu_us / fer_bench_traffic_us(t, p->ticks);
}

void fer_bench_phase_print_heading(void)
{
	printf(" %9s %8s %8s", "packets", "dropped", "lost");
	for (unsigned c = 0; c < FER_BENCH_N_CAUSES; c++)
		printf(" %9s", fer_bench_cause_name((enum fer_bench_cause)c));
	for (unsigned i = 0; i < N_QUANTILES; i++)
		printf(" %6s us", quantiles[i].name);
	printf(" %8s %8s %8s %6s", "pause us", "stolen #", "ms", "cpu %");
}

void fer_bench_phase_print(const struct fer_bench_traffic *t, const struct fer_bench_phase *p)
{
	const struct fer_bench_gaps *stolen = &p->gaps[FER_BENCH_STOLEN];

	printf(" %9" PRIu64 " %8" PRIu64 " %8" PRIu64, p->arrived, fer_bench_phase_dropped(p),
		fer_bench_phase_lost(p));
	for (unsigned c = 0; c < FER_BENCH_N_CAUSES; c++)
		printf(" %9" PRIu64, p->lost[c]);
	for (unsigned i = 0; i < N_QUANTILES; i++)
		printf(" %9.1f", us_at(t, &p->latency, quantiles[i].q));
	printf(" %8.1f %8" PRIu64 " %8.2f %6.1f", us_at(t, &p->pauses, 1), stolen->n,
		ms_of(t, stolen->ticks), cpu_of(t, p));
}

static struct json_object *times(
	const struct fer_bench_traffic *t, const struct fer_bench_histogram *h)
{
	struct json_object *o = json_object_new_object();

	for (unsigned i = 0; i < N_QUANTILES; i++)
		fer_bench_add_tenths(o, quantiles[i].name, us_at(t, h, quantiles[i].q));
	return o;
}

static struct json_object *gaps(const struct fer_bench_traffic *t, const struct fer_bench_gaps *g)
{
	struct json_object *o = json_object_new_object();

	fer_bench_add_u64(o, "n", g->n);
	fer_bench_add_thousandths(o, "ms", ms_of(t, g->ticks));
	fer_bench_add_thousandths(o, "max_ms", ms_of(t, g->longest));
	return o;
}

void fer_bench_phase_add(
	struct json_object *o, const struct fer_bench_traffic *t, const struct fer_bench_phase *p)
{
	struct json_object *by = json_object_new_object(), *all = json_object_new_object();

	for (unsigned c = 0; c < FER_BENCH_N_CAUSES; c++) {
		const char *name = fer_bench_cause_name((enum fer_bench_cause)c);

		fer_bench_add_u64(by, name, p->lost[c]);
		if (c != FER_BENCH_WORKING)
			json_object_object_add(all, name, gaps(t, &p->gaps[c]));
	}
	fer_bench_add_u64(o, "arrived", p->arrived);
	fer_bench_add_u64(o, "dropped", fer_bench_phase_dropped(p));
	fer_bench_add_u64(o, "lost", fer_bench_phase_lost(p));
	json_object_object_add(o, "lost_by", by);
	json_object_object_add(o, "gaps", all);
	json_object_object_add(o, "latency_us", times(t, &p->latency));
	json_object_object_add(o, "pause_us", times(t, &p->pauses));
	fer_bench_add_tenths(o, "cpu_percent", cpu_of(t, p));
}
