// SPDX-License-Identifier: BSD-3-Clause
#include "daemon.h"

#include "base/pages.h"
#include "crypto/engine.h"
#include "keepalive.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <rte_rcu_qsbr.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_BYTES (64 << 20)       // of free memory, by the allocator
#define LINK_NS UINT64_C(100000000) // between two looks for links
#define MANY_SAS 10000              // more than caches hold
#define SHARE_PATIENCE_NS 100000
#define REMOVED_AT_ONCE 2000 // SAs of a pair that has lost a port: requests of others wait for them

__attribute__((format(printf, 3, 4))) static int fail(
	struct fer_daemon_error *error, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return code;
}

// --- start ------------------------------------------------------------------------------------

static int start_environment(struct fer_daemon *d, int argc, char *const argv[],
	const struct fer_doc *doc, struct fer_daemon_error *error)
{
	char why[640];
	int rc = fer_environment_start(&d->environment, argc, argv, doc, why);

	if (rc != 0)
		return fail(error, rc, "ferruled: %s", why);
	d->is_up = true;
	return 0;
}

static void tell_lacks(const struct fer_daemon *d)
{
	const struct fer_algo *row;

	for (unsigned i = 0; (row = fer_algo_row(i)) != NULL; i++)
		if (fer_algo_is_in(fer_engine_lacks(d->engine), row))
			fer_log(&d->log, FER_LOG_ERROR,
				"%s does not give its known answers on this machine (%s): it is "
				"not "
				"offered, and no SA can have it",
				row->name, fer_engine_arch(d->engine));
}

static int open_engine(struct fer_daemon *d, struct fer_daemon_error *error)
{
	size_t size = rte_rcu_qsbr_get_memsize(d->settings.n_workers);
	int rc;

	d->engine = fer_engine_open(d->ivs, &rc);
	if (d->engine == NULL)
		return fail(error, rc, "ferruled: the crypto engine does not start: %s",
			fer_engine_error(rc));
	tell_lacks(d);
	d->qsbr = aligned_alloc(64, RTE_ALIGN_CEIL(size, (size_t)64));
	if (d->qsbr == NULL || rte_rcu_qsbr_init(d->qsbr, d->settings.n_workers) != 0)
		return fail(error, -ENOMEM, "ferruled: no memory");
	fer_grace_init(&d->grace, d->qsbr);
	return 0;
}

static int open_pairs(
	struct fer_daemon *d, const struct fer_doc *doc, struct fer_daemon_error *error)
{
	struct fer_doc_error err;

	d->pairs = calloc(doc->n_pairs, sizeof(d->pairs[0]));
	if (d->pairs == NULL)
		return fail(error, -ENOMEM, "ferruled: no memory");
	for (uint32_t i = 0; i < doc->n_pairs; i++) {
		const struct fer_pair_params params = {
			.number = i,
			.n_workers = d->settings.n_workers,
			.engine = d->engine,
			.ivs = d->ivs,
			.qsbr = d->qsbr,
			.grace = &d->grace,
			.beside = i == 0 ? NULL : &d->pairs[i - 1],
		};
		int rc = fer_pair_open(&d->pairs[i], doc, &params, &err);

		if (rc != 0)
			return fail(error, rc, "%s", err.text);
		d->n_pairs++;
		rc = fer_pair_load(&d->pairs[i], doc, &err);
		if (rc != 0)
			return fail(error, rc, "%s", err.text);
	}
	return 0;
}

static bool are_virtual(const struct fer_daemon *d)
{
	for (unsigned i = 0; i < d->n_pairs; i++)
		for (unsigned side = 0; side < FER_N_SIDES; side++)
			if (!d->pairs[i].port[side].is_virtual)
				return false;
	return true;
}

static int open_workers(
	struct fer_daemon *d, const struct fer_doc *doc, struct fer_daemon_error *error)
{
	bool naps = d->settings.idle == FER_DOC_IDLE_NAP ||
		    (d->settings.idle == FER_DOC_IDLE_AUTO && are_virtual(d));
	const struct fer_workers_params params = {
		.pairs = d->pairs,
		.n_pairs = d->n_pairs,
		.n_workers = d->settings.n_workers,
		.n_lcores = d->settings.n_lcores,
		.lcores = d->settings.lcores,
		.naps = naps,
		.share_patience_ns = d->settings.share_crypto ? SHARE_PATIENCE_NS : 0,
		// Those who nap can share, so the scheduler may place them.
		.cpus = naps && d->environment.chose_lcores ? &d->environment.cpus : NULL,
		.qsbr = d->qsbr,
		.ivs = d->ivs,
	};
	struct fer_doc_error err;
	char why[160];
	int rc = fer_workers_create(&d->workers, &params, why);

	if (rc == 0)
		return 0;
	fer_doc_error_set(&err, doc->name,
		d->settings.workers_line == 0 ? 1 : d->settings.workers_line, "workers", why);
	return fail(error, rc, "%s", err.text);
}

static int start_ports(
	struct fer_daemon *d, const struct fer_doc *doc, struct fer_daemon_error *error)
{
	struct fer_doc_error err;

	for (unsigned i = 0; i < d->n_pairs; i++) {
		int rc = fer_pair_start(&d->pairs[i], doc, &err);

		if (rc != 0)
			return fail(error, rc, "%s", err.text);
	}
	return 0;
}

// A policy may stand in the file while its SAs come over the socket.  Until then what it protects
// is dropped, and if its group is misspelt, for good: so it is told.
static void tell_missing_sas(const struct fer_daemon *d, const struct fer_doc *doc)
{
	const struct fer_doc_group *missing = NULL;
	const char *direction = "out";
	uint32_t n = 0, line = 0;

	for (const struct fer_doc_policy *p = doc->policies; p < doc->policies + doc->n_policies;
		p++)
		for (unsigned i = 0; i < p->n_groups; i++) {
			if (doc->groups[p->groups[i]].n_sas[p->direction] != 0 || n++ > 0)
				continue;
			missing = &doc->groups[p->groups[i]];
			direction = p->direction == FER_OUT ? "out" : "in";
			line = p->group_lines[i];
		}
	if (missing != NULL)
		fer_log(&d->log, FER_LOG_NOTICE,
			"%s:%" PRIu32
			": group %s has no SA of direction %s yet%s: what needs one is dropped",
			doc->name, line, missing->name, direction,
			n > 1 ? ", others likewise" : "");
}

static void tell_small_pages(const struct fer_daemon *d)
{
	for (unsigned i = 0; i < d->n_pairs; i++)
		if (fer_sa_capacity(d->pairs[i].sas) >= MANY_SAS &&
			!fer_pages_can_be_huge(FER_PAGES_MODES)) {
			fer_log(&d->log, FER_LOG_WARNING,
				"no huge pages for the SAs, which makes many of them slow: %s says "
				"\"never\", or is not there",
				FER_PAGES_MODES);
			return;
		}
}

int fer_daemon_start(struct fer_daemon *d, int argc, char *const argv[], const struct fer_doc *doc,
	struct fer_daemon_error *error)
{
	memset(d, 0, sizeof(*d)); // it is too large for a copy on the stack
	// What is given back to the system is unmapped, and that interrupts the workers.
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	d->settings = doc->daemon;
	d->ivs = fer_iv_system();
	fer_log_init(&d->log, "ferruled");
	int rc = start_environment(d, argc, argv, doc, error);
	if (rc == 0)
		rc = open_engine(d, error);
	if (rc == 0)
		rc = open_pairs(d, doc, error);
	if (rc == 0)
		rc = open_workers(d, doc, error);
	if (rc == 0)
		rc = fer_control_open(d, error);
	if (rc == 0)
		rc = start_ports(d, doc, error);
	if (rc == 0 && fer_workers_start(&d->workers) != 0)
		rc = fail(error, -EBUSY, "ferruled: a worker's lcore is busy");
	if (d->is_up)
		fer_environment_speak(&d->environment);
	if (rc == 0)
		tell_missing_sas(d, doc);
	if (rc == 0)
		tell_small_pages(d);
	return rc;
}

// --- stop -------------------------------------------------------------------------------------

// "ok 17, no_policy 3"
static void list_outcomes(const struct fer_outcomes *o, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		if (o->packets[v] != 0 && len < size)
			len += (size_t)snprintf(text + len, size - len, "%s%s %" PRIu64,
				len == 0 ? "" : ", ", fer_verdict_name((enum fer_verdict)v),
				o->packets[v]);
}

static void log_counters(const struct fer_daemon *d, unsigned pair, enum fer_side side)
{
	struct fer_port_counters sum = {0};
	char outcomes[768];

	for (unsigned w = 0; w < d->workers.n; w++)
		fer_workers_count(&d->workers, w, pair, side, &sum);
	list_outcomes(&sum.outcomes, outcomes, sizeof(outcomes));
	fer_log(&d->log, FER_LOG_INFO,
		"%s: received %" PRIu64 ", sent %" PRIu64 "; of those received: %s",
		d->pairs[pair].port[side].name, sum.rx_packets, sum.tx_packets,
		outcomes[0] == '\0' ? "none" : outcomes);
}

static bool stop_workers(struct fer_daemon *d)
{
	if (!fer_workers_quiesce(&d->workers))
		fer_log(&d->log, FER_LOG_WARNING, "a worker goes on for longer than it should");
	if (fer_workers_join(&d->workers))
		return true;
	fer_log(&d->log, FER_LOG_ERROR, "a worker does not end: nothing is cleaned up");
	return false;
}

static void close_pairs(struct fer_daemon *d)
{
	for (unsigned i = 0; i < d->n_pairs; i++)
		fer_pair_stop(&d->pairs[i]);
	for (unsigned i = 0; i < d->n_pairs; i++)
		fer_pair_close(&d->pairs[i]);
	free(d->pairs);
	d->pairs = NULL;
	d->n_pairs = 0;
}

bool fer_daemon_stop(struct fer_daemon *d)
{
	bool was_running = d->workers.n_running > 0;

	if (was_running && !stop_workers(d))
		return false;
	for (unsigned i = 0; was_running && i < d->n_pairs * FER_N_SIDES; i++)
		log_counters(d, i / FER_N_SIDES, (enum fer_side)(i % FER_N_SIDES));
	if (d->grace.qsbr != NULL)
		fer_grace_fini(&d->grace);
	fer_control_close(d->control);
	d->control = NULL;
	fer_workers_destroy(&d->workers);
	close_pairs(d);
	fer_engine_close(d->engine);
	free(d->qsbr);
	if (d->is_up)
		fer_environment_stop(&d->environment);
	return true;
}

// --- from time to time ------------------------------------------------------------------------

static void watch(struct fer_daemon *d, unsigned worker, uint64_t now_ns)
{
	switch (fer_workers_watch(&d->workers, worker, now_ns)) {
	case FER_WORKER_STALLED:
		fer_log(&d->log, FER_LOG_WARNING, "worker %u (lcore %u) has not moved for a second",
			worker, d->workers.worker[worker].lcore);
		break;
	case FER_WORKER_MOVES:
		fer_log(&d->log, FER_LOG_NOTICE, "worker %u moves again", worker);
		break;
	case FER_WORKER_SAME:
		break;
	}
}

static void watch_link(struct fer_daemon *d, struct fer_port *port)
{
	switch (fer_port_watch(port)) {
	case FER_PORT_LOST:
		fer_log(&d->log, FER_LOG_WARNING, "%s has no link", port->name);
		break;
	case FER_PORT_BACK:
		fer_log(&d->log, FER_LOG_NOTICE, "%s has a link again", port->name);
		break;
	case FER_PORT_REMOVED:
		fer_log(&d->log, FER_LOG_ERROR,
			"%s has been removed: its pair carries nothing any more, until ferruled is "
			"started again",
			port->name);
		break;
	case FER_PORT_SAME:
		break;
	}
}

static void watch_links(struct fer_daemon *d, uint64_t now_ns)
{
	if (now_ns - d->looked_ns < LINK_NS)
		return;
	d->looked_ns = now_ns;
	for (unsigned i = 0; i < d->n_pairs * FER_N_SIDES; i++)
		watch_link(d, &d->pairs[i / FER_N_SIDES].port[i % FER_N_SIDES]);
}

void fer_daemon_tick(struct fer_daemon *d, uint64_t now_ns)
{
	watch_links(d, now_ns);
	for (unsigned i = 0; i < d->n_pairs; i++)
		if (fer_pair_has_lost_port(&d->pairs[i]))
			fer_pair_remove_sas(&d->pairs[i], REMOVED_AT_ONCE);
	for (unsigned i = 0; i < d->n_pairs; i++)
		(void)fer_sa_reclaim(d->pairs[i].sas);
	for (unsigned i = 0; i < d->n_pairs; i++)
		fer_keepalive_run(&d->pairs[i], now_ns);
	(void)fer_grace_poll(&d->grace);
	for (unsigned i = 0; i < d->workers.n; i++)
		watch(d, i, now_ns);
}
