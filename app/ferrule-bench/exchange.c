// SPDX-License-Identifier: BSD-3-Clause
#include "exchange.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t fer_bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static double quantile_us(const uint64_t sorted[], uint32_t n, double q)
{
	return (double)sorted[(uint32_t)(q * (n - 1) + 0.5)] / 1e3;
}

void fer_bench_timing_of(struct fer_bench_timing *timing, uint64_t ns[], uint32_t n)
{
	qsort(ns, n, sizeof(ns[0]), compare);
	timing->median = quantile_us(ns, n, 0.5);
	timing->p99 = quantile_us(ns, n, 0.99);
	timing->p999 = quantile_us(ns, n, 0.999);
	timing->longest = quantile_us(ns, n, 1);
}

static int fail(struct fer_bench_link *link, const char *why)
{
	snprintf(link->error, sizeof(link->error), "control socket: %s", why);
	return -1;
}

// Requests that are under way: ids come one after the other, completions in any order.
struct flight {
	struct fer_bench_link *link;
	const struct fer_bench_requests *r;
	uint64_t *handles;
	uint64_t *ns; // when it was sent, then how long it took; by request
	uint64_t first_id;
	uint32_t n_sent;
	uint32_t n_done;
};

static int send_next(struct flight *f)
{
	const struct fer_msg_buf *b = &f->r->buffer[f->n_sent];
	const struct fer_client_request q = {
		.oid = f->r->oid,
		.type = FER_MSG_TYPE_SET,
		.pair = f->link->pair,
		.data = b->bytes,
		.len = b->len,
	};
	uint64_t id;

	f->ns[f->n_sent] = fer_bench_now_ns();
	int rc = fer_client_submit(f->link->client, &q, FER_BENCH_TIMEOUT_MS, &id);
	if (rc != 0)
		return fail(f->link, strerror(-rc));
	if (f->n_sent++ == 0)
		f->first_id = id;
	return 0;
}

// 0 for those that were not added.
static int keep_handles(struct flight *f, uint32_t i, const struct fer_client_reply *reply)
{
	uint32_t first = i * f->r->list;
	bool all = true;

	for (uint32_t k = 0; k < f->r->list && first + k < f->r->n_sas; k++) {
		f->handles[first + k] = fer_msg_handle_at(reply->data, reply->len, k);
		all = all && f->handles[first + k] != 0;
	}
	return all ? 0 : fail(f->link, "an association of a list was not added");
}

static int take_reply(struct flight *f)
{
	struct fer_client_reply reply;
	char why[FER_CLIENT_REASON_BYTES];
	int rc = fer_client_collect(f->link->client, 0, FER_BENCH_TIMEOUT_MS, &reply);

	if (rc != 0)
		return fail(f->link, strerror(-rc));
	uint32_t i = (uint32_t)(reply.header.id - f->first_id);
	f->ns[i] = fer_bench_now_ns() - f->ns[i];
	f->n_done++;
	if (reply.header.status != NDIS_STATUS_SUCCESS)
		rc = fail(f->link, fer_client_reason(&reply, why));
	else if (f->handles != NULL)
		rc = keep_handles(f, i, &reply);
	fer_client_reply_fini(&reply);
	return rc;
}

// After a failure: what is under way may still add something, and its answer says what.
static void await_rest(struct flight *f)
{
	char why[sizeof(f->link->error)];
	uint32_t before;

	memcpy(why, f->link->error, sizeof(why));
	do {
		before = f->n_done;
		if (before < f->n_sent)
			(void)take_reply(f);
	} while (f->n_done != before);
	memcpy(f->link->error, why, sizeof(why));
}

int fer_bench_exchange(struct fer_bench_link *link, const struct fer_bench_requests *r,
	uint32_t window, uint64_t handles[], struct fer_bench_timing *timing)
{
	struct flight f = {.link = link, .r = r};
	int rc = 0;

	f.handles = handles;
	f.ns = calloc(r->n, sizeof(f.ns[0]));
	if (f.ns == NULL)
		return fail(link, "no memory");
	const uint64_t start = fer_bench_now_ns();
	while (f.n_done < r->n && rc == 0)
		rc = f.n_sent < r->n && f.n_sent - f.n_done < window ? send_next(&f)
								     : take_reply(&f);
	if (rc != 0)
		await_rest(&f);
	timing->seconds = (double)(fer_bench_now_ns() - start) / 1e9;
	timing->n = r->n_sas;
	timing->n_requests = r->n;
	if (rc == 0)
		fer_bench_timing_of(timing, f.ns, r->n);
	free(f.ns);
	return rc;
}

// Asks for one page.
static int read_page(struct fer_bench_link *link, uint64_t cursor, struct fer_msg_array *list)
{
	struct fer_msg_buf b = {0};
	struct fer_client_reply reply;
	struct fer_msg_fault fault;
	char why[FER_CLIENT_REASON_BYTES];

	fer_msg_put_page(&b, cursor, 0);
	const struct fer_client_request q = {
		.oid = FER_MSG_SA_LIST,
		.type = FER_MSG_TYPE_QUERY,
		.pair = link->pair,
		.data = b.bytes,
		.len = b.len,
	};
	int rc = fer_client_call(link->client, &q, FER_BENCH_TIMEOUT_MS, &reply);
	fer_msg_buf_fini(&b);
	if (rc != 0)
		return fail(link, strerror(-rc));
	if (reply.header.status != NDIS_STATUS_SUCCESS)
		rc = fail(link, fer_client_reason(&reply, why));
	else if (fer_msg_get_list(reply.data, reply.len, 0, list, &fault) != NDIS_STATUS_SUCCESS)
		rc = fail(link, fault.why);
	fer_client_reply_fini(&reply);
	return rc;
}

int fer_bench_dump(struct fer_bench_link *link, uint32_t *n_sas, struct fer_bench_timing *timing)
{
	struct fer_msg_array list = {.cursor = 0};
	uint64_t *ns = NULL;
	uint32_t n = 0, room = 0;
	int rc = 0;

	*n_sas = 0;
	const uint64_t start = fer_bench_now_ns();
	do {
		if (n == room) {
			room = room == 0 ? 1024 : 2 * room;
			uint64_t *more = realloc(ns, room * sizeof(ns[0]));
			if (more == NULL) {
				rc = fail(link, "no memory");
				break;
			}
			ns = more;
		}
		ns[n] = fer_bench_now_ns();
		rc = read_page(link, list.cursor, &list);
		ns[n] = fer_bench_now_ns() - ns[n];
		n++;
		*n_sas += rc == 0 ? list.n : 0;
	} while (rc == 0 && list.cursor != 0);
	timing->seconds = (double)(fer_bench_now_ns() - start) / 1e9;
	timing->n = *n_sas;
	timing->n_requests = n;
	if (rc == 0)
		fer_bench_timing_of(timing, ns, n);
	free(ns);
	return rc;
}

int fer_bench_ask(struct fer_bench_link *link)
{
	const struct fer_client_request q = {.oid = OID_TCP_OFFLOAD_CURRENT_CONFIG,
		.type = FER_MSG_TYPE_QUERY,
		.pair = link->pair};
	struct fer_client_reply reply;
	int rc = fer_client_call(link->client, &q, FER_BENCH_TIMEOUT_MS, &reply);

	if (rc != 0)
		return fail(link, strerror(-rc));
	fer_client_reply_fini(&reply);
	return 0;
}
