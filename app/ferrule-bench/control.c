// SPDX-License-Identifier: BSD-3-Clause
#include "control.h"

#include "../common/memory.h"
#include "box.h"
#include "control_options.h"
#include "control_report.h"
#include "crypto/engine.h"
#include "crypto/iv.h"
#include "exchange.h"
#include "interrupts.h"
#include "turns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW 4         // lists under way at once
#define PACKET_BYTES 512 // inner
#define SATURATION_SECONDS 0.3
#define SA_BYTES 6144u // of one that is loaded: in the daemon, and in the requests made before
#define CHANGING 64    // associations that live at once while they change
#define REST_PART 4    // of a turn, for which a realtime worker is ordinary behind it
#define GRACE 0.25     // seconds behind a turn's time, until such a worker is ordinary by itself

// What is counted while packets flow.  The last ones take turns, so that they can be compared: what
// comes with CHANGES and neither with SPINNING nor ASKING is what changes cost.
enum phase {
	PHASE_SATURATED,
	PHASE_ROWS,
	PHASE_LOAD,
	PHASE_NOTHING,
	PHASE_SPINNING,
	PHASE_ASKING,
	PHASE_CHANGES,
	N_PHASES
};

#define FIRST_IN_TURN PHASE_NOTHING
#define N_IN_TURN (N_PHASES - FIRST_IN_TURN)

static const char *const phase_names[] = {
	[PHASE_ROWS] = "rows",
	[PHASE_LOAD] = "load",
	[PHASE_NOTHING] = "nothing",
	[PHASE_SPINNING] = "spinning",
	[PHASE_ASKING] = "asking",
	[PHASE_CHANGES] = "changes",
};

struct control {
	struct fer_bench_control_options options;
	struct fer_bench_box *box; // NULL: the daemon is somebody else's
	struct fer_bench_traffic *traffic;
	double most; // packets a second that the worker can carry: the last time this was asked
	double change_seconds;
	uint32_t n_changes;            // of pairs: one is added, one is deleted
	uint64_t interrupts[N_PHASES]; // that other CPUs sent to the worker's
	struct fer_bench_turn turns[N_IN_TURN][FER_BENCH_MAX_TURNS];
	bool is_realtime; // the system allows it, and it was asked for
	struct fer_bench_link link;
	struct fer_bench_control_report *report;
	uint32_t next;     // association that none has been yet
	uint64_t *handles; // of what was added; 0: nothing, or it is deleted
	uint32_t n_handles;
};

static int fail(struct control *c, const char *what)
{
	snprintf(c->link.error, sizeof(c->link.error), "%s", what);
	return -1;
}

// --- packets ------------------------------------------------------------------------------------

static void count_interrupts(struct control *c, enum phase phase, int sign)
{
	uint64_t n = fer_bench_interrupts_sent_to(fer_bench_box_worker_cpu(c->box));

	c->interrupts[phase] += sign < 0 ? 0 - n : n;
}

static void packets_begin(struct control *c, enum phase phase)
{
	if (c->traffic == NULL)
		return;
	count_interrupts(c, phase, -1);
	fer_bench_traffic_begin(c->traffic, phase, c->most * c->options.load / 100);
}

static void packets_end(struct control *c, enum phase phase)
{
	if (c->traffic == NULL)
		return;
	fer_bench_traffic_end(c->traffic);
	count_interrupts(c, phase, 1);
}

// Keeps the daemon's control thread busy with what changes nothing: what two CPUs share is shared
// later as well.
static int ask_for(struct control *c, double seconds)
{
	const uint64_t end = fer_bench_now_ns() + (uint64_t)(seconds * 1e9);
	int rc = 0;

	while (rc == 0 && fer_bench_now_ns() < end)
		rc = fer_bench_ask(&c->link);
	return rc;
}

// Finds out what the worker can carry.
static int measure_worker(struct control *c)
{
	if (c->options.load == 0)
		c->traffic = NULL;
	if (c->traffic == NULL)
		return 0;
	const struct fer_bench_phase *p = &c->traffic->phase[PHASE_SATURATED];
	uint64_t before = p->sent;

	fer_bench_traffic_begin(c->traffic, PHASE_SATURATED, FER_BENCH_SATURATE);
	int rc = ask_for(c, SATURATION_SECONDS);
	c->most = (double)(p->sent - before) / SATURATION_SECONDS;
	fer_bench_traffic_end(c->traffic);
	return rc;
}

static void report_packets(struct control *c)
{
	if (c->traffic == NULL)
		return;
	const struct fer_bench_control_load load = {
		.direction = c->options.direction,
		.percent = c->options.load,
		.most = c->most,
		.is_realtime = c->is_realtime,
	};

	fer_bench_control_report_load(c->report, c->traffic, &load);
	for (unsigned i = PHASE_ROWS; i < N_PHASES; i++) {
		const struct fer_bench_control_packets packets = {
			.during = phase_names[i],
			.rate = i == PHASE_CHANGES ? 2 * c->n_changes / c->change_seconds : 0,
			.interrupts = c->interrupts[i],
			.phase = &c->traffic->phase[i],
			.turns = i < FIRST_IN_TURN ? NULL : c->turns[i - FIRST_IN_TURN],
			.beside = i <= FIRST_IN_TURN ? NULL : c->turns[0],
			.n_turns = c->options.turns,
		};

		if (packets.phase->arrived != 0)
			fer_bench_control_report_packets(c->report, c->traffic, &packets);
	}
}

// --- rows ---------------------------------------------------------------------------------------

// Sends requests that are made, frees them, and reports them as a row.
static int run_row(struct control *c, const char *operation, const char *algorithm,
	struct fer_bench_requests *r, uint64_t handles[])
{
	struct fer_bench_control_row row = {
		.operation = operation, .algorithm = algorithm, .list = r->list};
	uint32_t window = r->list == 1 ? 1 : WINDOW;
	int rc = fer_bench_exchange(&c->link, r, window, handles, &row.timing);

	fer_bench_requests_fini(r);
	if (rc == 0)
		fer_bench_control_report_row(c->report, &row);
	return rc;
}

static int run_add(
	struct control *c, const struct fer_bench_algorithm *a, uint32_t n, uint32_t list)
{
	struct fer_bench_requests r;

	if (fer_bench_requests_add(&r, a, c->next, n, list) != 0)
		return fail(c, "no memory for the requests");
	c->next += n;
	return run_row(c, "add", a->name, &r, c->handles);
}

static int run_update(struct control *c, const struct fer_bench_algorithm *a, uint32_t n)
{
	struct fer_bench_requests r;

	if (fer_bench_requests_update(&r, c->handles, c->next - n, n) != 0)
		return fail(c, "no memory for the requests");
	return run_row(c, "update", a->name, &r, NULL);
}

static int run_delete(
	struct control *c, const struct fer_bench_algorithm *a, uint32_t n, uint32_t list)
{
	struct fer_bench_requests r;

	if (fer_bench_requests_delete(&r, c->handles, n, list) != 0)
		return fail(c, "no memory for the requests");
	int rc = run_row(c, "delete", a->name, &r, NULL);
	if (rc == 0)
		memset(c->handles, 0, n * sizeof(c->handles[0]));
	return rc;
}

static int run_dump(struct control *c, const struct fer_bench_algorithm *a, uint32_t n)
{
	struct fer_bench_control_row row = {.operation = "dump", .algorithm = a->name};
	uint32_t n_sas;
	int rc = fer_bench_dump(&c->link, &n_sas, &row.timing);

	if (rc != 0)
		return rc;
	if (n_sas < n)
		return fail(c, "the dump lacks associations");
	row.list = (uint32_t)(n_sas / row.timing.n_requests);
	fer_bench_control_report_row(c->report, &row);
	return 0;
}

static int run_algorithm(struct control *c, const struct fer_bench_algorithm *a)
{
	const struct fer_bench_control_options *o = &c->options;
	int rc = run_add(c, a, o->count, 1);

	if (rc == 0)
		rc = run_update(c, a, o->count);
	if (rc == 0)
		rc = run_delete(c, a, o->count, 1);
	if (rc == 0)
		rc = run_add(c, a, o->count, o->list);
	return rc == 0 ? run_delete(c, a, o->count, o->list) : rc;
}

static int run_algorithms(struct control *c)
{
	int rc = 0;

	packets_begin(c, PHASE_ROWS);
	for (unsigned i = 0; i < c->options.algorithms.n && rc == 0; i++)
		rc = run_algorithm(c, &c->options.algorithms.value[i]);
	packets_end(c, PHASE_ROWS);
	return rc;
}

static int run_load(struct control *c)
{
	const struct fer_bench_algorithm *a = &c->options.algorithms.value[0];
	uint32_t n = c->options.sas;

	if (n == 0)
		return 0;
	packets_begin(c, PHASE_LOAD);
	int rc = run_add(c, a, n, c->options.list);
	if (rc == 0)
		rc = run_dump(c, a, n);
	if (rc == 0)
		rc = run_delete(c, a, n, c->options.list);
	packets_end(c, PHASE_LOAD);
	return rc;
}

// --- changes at a rate, and what they are compared with -----------------------------------------

static void wait_until(uint64_t ns)
{
	const struct timespec at = {
		.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

// Adds an association, and deletes the one that was added CHANGING ago.
static int change(struct control *c, const struct fer_bench_algorithm *a, uint32_t i)
{
	struct fer_bench_requests r;
	struct fer_bench_timing timing;
	uint64_t *handle = &c->handles[i % CHANGING];
	int rc = 0;

	if (i >= CHANGING) {
		if (fer_bench_requests_delete(&r, handle, 1, 1) != 0)
			return fail(c, "no memory for a request");
		rc = fer_bench_exchange(&c->link, &r, 1, NULL, &timing);
		fer_bench_requests_fini(&r);
	}
	if (rc != 0 || fer_bench_requests_add(&r, a, c->next + i, 1, 1) != 0)
		return rc != 0 ? rc : fail(c, "no memory for a request");
	rc = fer_bench_exchange(&c->link, &r, 1, handle, &timing);
	fer_bench_requests_fini(&r);
	return rc;
}

// What cannot be done in the time is not done: the rate is that of what was.
static int change_for(struct control *c, double seconds)
{
	const struct fer_bench_algorithm *a = &c->options.algorithms.value[0];
	const double pairs = (double)c->options.rate / 2; // a second
	const uint64_t start = fer_bench_now_ns(), end = start + (uint64_t)(seconds * 1e9);
	uint32_t n = (uint32_t)(pairs * seconds);
	int rc = 0;

	for (uint32_t i = 0; i < n && rc == 0 && fer_bench_now_ns() < end; i++) {
		wait_until(start + (uint64_t)(i * 1e9 / pairs));
		rc = change(c, a, c->n_changes++);
	}
	if (rc == 0)
		wait_until(end);
	c->change_seconds += (double)(fer_bench_now_ns() - start) / 1e9;
	return rc;
}

static int do_nothing_for(struct control *c, double seconds)
{
	(void)c;
	wait_until(fer_bench_now_ns() + (uint64_t)(seconds * 1e9));
	return 0;
}

static int spin_for(struct control *c, double seconds)
{
	const uint64_t end = fer_bench_now_ns() + (uint64_t)(seconds * 1e9);

	(void)c;
	while (fer_bench_now_ns() < end)
		;
	return 0;
}

static void begin_realtime(struct control *c, double seconds)
{
	if (c->options.realtime && !fer_bench_traffic_be_realtime(c->traffic, seconds + GRACE))
		c->is_realtime = false;
}

// Behind each job the worker is ordinary for a while: so the system's own bound on realtime threads
// is not reached, and whatever waits for this CPU gets it.
static void end_realtime(struct control *c, double seconds)
{
	if (!c->options.realtime)
		return;
	if (!fer_bench_traffic_be_ordinary(c->traffic))
		c->is_realtime = false;
	(void)do_nothing_for(c, seconds / REST_PART);
}

static struct fer_bench_turn what_came(const struct fer_bench_phase *p)
{
	return (struct fer_bench_turn){.arrived = p->arrived,
		.lost = fer_bench_phase_lost(p) + fer_bench_phase_dropped(p)};
}

static int do_job(struct control *c, unsigned job, unsigned turn)
{
	static int (*const jobs[N_PHASES])(struct control * c, double seconds) = {
		[PHASE_NOTHING] = do_nothing_for,
		[PHASE_SPINNING] = spin_for,
		[PHASE_ASKING] = ask_for,
		[PHASE_CHANGES] = change_for,
	};
	const enum phase phase = FIRST_IN_TURN + job;
	const double seconds = c->options.seconds / c->options.turns;
	const struct fer_bench_turn before = what_came(&c->traffic->phase[phase]);

	begin_realtime(c, seconds);
	packets_begin(c, phase);
	int rc = jobs[phase](c, seconds);
	packets_end(c, phase);
	end_realtime(c, seconds);
	const struct fer_bench_turn after = what_came(&c->traffic->phase[phase]);

	c->turns[job][turn] = (struct fer_bench_turn){
		.arrived = after.arrived - before.arrived, .lost = after.lost - before.lost};
	return rc;
}

static int take_turn(struct control *c, unsigned turn)
{
	int rc = measure_worker(c);

	for (unsigned i = 0; i < N_IN_TURN && rc == 0; i++)
		rc = do_job(c, fer_bench_turns_thing(turn, i, N_IN_TURN), turn);
	return rc;
}

static int run_changes(struct control *c)
{
	int rc = 0;

	if (c->options.rate == 0 || c->traffic == NULL)
		return 0;
	c->is_realtime = c->options.realtime;
	for (unsigned i = 0; i < c->options.turns && rc == 0; i++)
		rc = take_turn(c, i);
	return rc;
}

// --- the whole ----------------------------------------------------------------------------------

// What can be loaded without fear for the machine.
static uint32_t affordable_sas(void)
{
	uint64_t n = fer_memory_available() / 2 / SA_BYTES;

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static int open_box(struct control *c)
{
	struct fer_bench_control_options *o = &c->options;
	char error[FER_BENCH_BOX_ERROR_BYTES];
	uint32_t most = affordable_sas();

	if (!o->sas_given && o->sas > most)
		o->sas = most;
	const struct fer_bench_box_params params = {
		.algorithm = &o->algorithms.value[0],
		.direction = o->direction,
		.size = PACKET_BYTES,
		.capacity = (o->sas > o->count ? o->sas : o->count) + CHANGING,
	};

	c->box = fer_bench_box_open(&params, error);
	if (c->box == NULL)
		return fail(c, error);
	c->traffic = fer_bench_box_is_apart(c->box) ? fer_bench_box_traffic(c->box) : NULL;
	o->socket = fer_bench_box_path(c->box);
	return 0;
}

static int open_link(struct control *c)
{
	const struct fer_bench_control_options *o = &c->options;
	int rc = fer_client_open(o->socket, FER_BENCH_TIMEOUT_MS, &c->link.client);

	if (rc != 0) {
		snprintf(c->link.error, sizeof(c->link.error), "%s: %s", o->socket, strerror(-rc));
		return -1;
	}
	c->link.pair = (uint16_t)o->pair;
	if (o->pair >= fer_client_hello(c->link.client)->n_pairs)
		return fail(c, "--pair: the daemon has not so many pairs");
	c->n_handles = (o->sas > o->count ? o->sas : o->count) + CHANGING;
	c->handles = calloc(c->n_handles, sizeof(c->handles[0]));
	return c->handles == NULL ? fail(c, "no memory") : 0;
}

static int open_report(struct control *c)
{
	int rc;
	struct fer_engine *engine = fer_engine_open(fer_iv_system(), &rc);

	if (engine == NULL)
		return fail(c, "cannot start the crypto engine");
	c->report = fer_bench_control_report_open(c->options.json, fer_engine_arch(engine));
	fer_engine_close(engine);
	return c->report == NULL ? fail(c, "no memory") : 0;
}

static int measure_all(struct control *c)
{
	int rc = measure_worker(c);
	if (rc == 0)
		rc = run_algorithms(c);
	if (rc == 0)
		rc = run_load(c);
	if (rc == 0)
		rc = run_changes(c);
	if (rc == 0)
		report_packets(c);
	return rc;
}

// Deletes from somebody else's daemon what a failure has left there.
static void clean_up(struct control *c)
{
	struct fer_bench_link link = {.client = c->link.client, .pair = c->link.pair};
	struct fer_bench_requests r;
	struct fer_bench_timing timing;
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_handles; i++)
		if (c->handles[i] != 0)
			c->handles[n++] = c->handles[i];
	if (n == 0 || fer_bench_requests_delete(&r, c->handles, n, 1) != 0)
		return;
	if (fer_bench_exchange(&link, &r, WINDOW, NULL, &timing) != 0)
		fprintf(stderr, "ferrule-bench: not all that was added is deleted: %s\n",
			link.error);
	fer_bench_requests_fini(&r);
}

static int run(struct control *c)
{
	int rc = open_report(c);

	if (rc == 0 && c->options.socket == NULL)
		rc = open_box(c);
	if (rc == 0)
		rc = open_link(c);
	if (rc == 0)
		rc = measure_all(c);
	if (rc != 0 && c->box == NULL && c->handles != NULL)
		clean_up(c);
	if (c->link.client != NULL)
		fer_client_close(c->link.client);
	if (c->report != NULL && !fer_bench_control_report_finish(c->report, rc == 0) && rc == 0)
		rc = fail(c, "standard output: cannot write");
	fer_bench_box_close(c->box);
	free(c->handles);
	if (rc != 0)
		fprintf(stderr, "ferrule-bench: %s\n", c->link.error);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int fer_bench_control(int argc, char **argv)
{
	static struct control c;
	int rc = fer_bench_control_parse(argc, argv, &c.options);

	return rc != 0 || c.options.done ? rc : run(&c);
}
