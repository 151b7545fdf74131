// SPDX-License-Identifier: BSD-3-Clause
// Is every request that is cut off, or in which a field is wrong, refused without a trace?
//
// A message of each kind is cut at every length, and each of its fields is set to what could
// matter.  Before and after refusals everything that can be asked for is the same.
#include "served.h"

#include "ctl/codec_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CAPACITY ", capacity: 12"
#define LOOK_EVERY 16 // requests, none of which may be accepted

static struct served served;
static struct fer_client *client;

struct request {
	uint32_t oid;
	const char *sample; // NULL: it takes nothing
	uint32_t first;     // OID that makes some of what the sample speaks of; 0: none
	const char *first_sample;
};

static const struct request requests[] = {
	{OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA, "add_sa", 0, NULL},
	{OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX, "add_sa_ex", 0, NULL},
	{OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA, "update_sa", 0, NULL},
	{OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA, "delete_sa", 0, NULL},
	{OID_TCP_OFFLOAD_PARAMETERS, "offload_parameters", 0, NULL},
	{OID_OFFLOAD_ENCAPSULATION, "offload_encapsulation", 0, NULL},
	{OID_TCP_OFFLOAD_CURRENT_CONFIG, NULL, 0, NULL},
	{OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, NULL, 0, NULL},
	{FER_MSG_PORT_LIST, NULL, 0, NULL},
	{FER_MSG_RESET, NULL, 0, NULL},
	{FER_MSG_SA_ADD, "sa_add", 0, NULL},
	{FER_MSG_SA_SWAP, "sa_swap", 0, NULL},
	{FER_MSG_SA_ACTIVATE, "sa_refs", FER_MSG_SA_ADD, "sa_add"},
	{FER_MSG_SA_DELETE, "sa_refs", FER_MSG_SA_ADD, "sa_add"},
	{FER_MSG_SA_LIST, "page", 0, NULL},
	{FER_MSG_SA_SHOW, "sa_refs", FER_MSG_SA_ADD, "sa_add"},
	{FER_MSG_POLICY_ADD, "policies", 0, NULL},
	{FER_MSG_POLICY_DELETE, "policy_refs", FER_MSG_POLICY_ADD, "policies"},
	{FER_MSG_POLICY_LIST, "page", 0, NULL},
	{FER_MSG_STATS_SA, "page", 0, NULL},
	{FER_MSG_STATS_PORT, "page", 0, NULL},
	{FER_MSG_STATS_WORKER, "page", 0, NULL},
	{FER_MSG_STATS_DROP, "page", 0, NULL},
};

static const struct request *request_of(const struct fer_ctl_op *op)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].oid == op->oid)
			return &requests[i];
	fail_msg("OID %#x has no row here", op->oid);
	return NULL;
}

// Queries of the contract bring nothing, also where a set of the same OID does.
static bool takes(const struct fer_ctl_op *op, const struct request *r)
{
	return r->sample != NULL &&
	       (op->type == FER_MSG_TYPE_SET || (op->oid >> 24) == FER_MSG_PORT_LIST >> 24);
}

// --- the state ----------------------------------------------------------------------------------

static struct fer_msg_buf look(void)
{
	return served_look(client, 0);
}

static void assert_same(const struct fer_msg_buf *before, const char *name, size_t at)
{
	struct fer_msg_buf now = look();

	if (now.len != before->len || memcmp(now.bytes, before->bytes, now.len) != 0)
		fail_msg("%s, %zu: it was refused, and has changed something", name, at);
	fer_msg_buf_fini(&now);
}

// Nothing is left of what was accepted: the two SAs and the policies of the document, or as many.
static void reset(void)
{
	struct fer_client_reply reply;
	struct fer_msg_array list;
	struct fer_msg_fault fault;
	struct fer_msg_sa_info info;
	struct fer_msg_policy policy;
	const struct fer_client_request sas = {.oid = FER_MSG_SA_LIST, .type = FER_MSG_TYPE_QUERY},
					policies = {.oid = FER_MSG_POLICY_LIST,
						.type = FER_MSG_TYPE_QUERY};

	assert_int_equal(served_ask(client, &sas, NULL, &reply), 0);
	assert_int_equal(fer_msg_get_list(reply.data, reply.len, sizeof(info), &list, &fault), 0);
	for (uint32_t i = 0; i < list.n; i++) {
		fer_msg_list_at(&list, i, &info, sizeof(info));
		assert_int_equal(served_delete(client, 0, &info.handle, 1), 0);
	}
	fer_client_reply_fini(&reply);
	assert_int_equal(served_ask(client, &policies, NULL, &reply), 0);
	assert_int_equal(fer_msg_get_list(reply.data, reply.len, sizeof(policy), &list, &fault), 0);
	for (uint32_t i = 0; i < list.n; i++) {
		fer_msg_list_at(&list, i, &policy, sizeof(policy));
		assert_int_equal(served_delete_policy(client, 0, policy.name), 0);
	}
	fer_client_reply_fini(&reply);
}

// What the samples speak of: the SAs of a group, a policy for it, and what the row says.
static void furnish(const struct request *r)
{
	static struct sa_sample s[2];
	const struct fer_msg_policy p = sample_policy("p", "east");

	reset();
	sa_sample_make(&s[0], "a-out", "east", false, 0x101);
	sa_sample_make(&s[1], "a-in", "east", true, 0x102);
	assert_int_equal(served_add(client, FER_MSG_SA_ADD, 0, s, 2, NULL), 0);
	assert_int_equal(served_add_policies(client, 0, &p, 1), 0);
	if (r->first != 0) {
		struct fer_msg_buf b = {0};

		sample_find(r->first_sample)->build(&b);
		assert_int_equal(served_set(client, r->first, 0, &b), NDIS_STATUS_SUCCESS);
	}
}

// --- requests -----------------------------------------------------------------------------------

// Those of ipsecov2 section 2.25 that a refusal may have.
static void check_status(uint32_t status, const struct fer_ctl_op *op, size_t at)
{
	switch (status) {
	case NDIS_STATUS_INVALID_LENGTH:
	case NDIS_STATUS_INVALID_DATA:
	case NDIS_STATUS_INVALID_PARAMETER:
	case NDIS_STATUS_NOT_SUPPORTED:
	case NDIS_STATUS_RESOURCES:
		if (op->oid != OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA)
			return;
		break;
	case NDIS_STATUS_REQUEST_ABORTED:
		if (op->oid == OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA)
			return;
		break;
	default:
		break;
	}
	fail_msg("%#x, %zu: refused with %#x", op->oid, at, status);
}

static uint32_t try(const struct fer_ctl_op *op, const void *bytes, size_t len)
{
	const struct fer_client_request q = {
		.oid = op->oid, .type = op->type, .data = bytes, .len = len};
	struct fer_client_reply reply;
	uint32_t status = served_ask(client, &q, NULL, &reply);

	fer_client_reply_fini(&reply);
	return status;
}

static void try_cuts(const struct fer_ctl_op *op, const struct request *r)
{
	const struct sample *s = sample_find(r->sample);
	struct fer_msg_buf b = {0}, before;

	s->build(&b);
	before = look();
	for (size_t len = 0; len + s->spare < b.len; len++) {
		const uint32_t status = try(op, b.bytes, len);

		// Nothing at all asks for the first page.
		if (len > 0 || strcmp(s->name, "page") != 0)
			check_status(status, op, len);
		if (len % LOOK_EVERY == 0 || len + s->spare + 1 == b.len)
			assert_same(&before, s->name, len);
	}
	fer_msg_buf_fini(&before);
	fer_msg_buf_fini(&b);
}

// Every value of one field.  True: all were refused.
static bool try_field(const struct fer_ctl_op *op, struct fer_msg_buf *b, size_t at)
{
	const uint32_t len = (uint32_t)b->len;
	bool all_refused = true;
	uint32_t own;

	memcpy(&own, b->bytes + at, sizeof(own));
	const uint32_t values[] = {0, 1, own - 1, own + 1, own + 8, own ^ 0x80, own + (1u << 16),
		len - 1, len, len + 1, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		memcpy(b->bytes + at, &values[i], sizeof(own));
		const uint32_t status = try(op, b->bytes, b->len);

		if (status == NDIS_STATUS_SUCCESS)
			all_refused = false;
		else
			check_status(status, op, at);
	}
	memcpy(b->bytes + at, &own, sizeof(own));
	return all_refused;
}

static void try_fields(const struct fer_ctl_op *op, const struct request *r)
{
	const struct sample *s = sample_find(r->sample);
	struct fer_msg_buf b = {0}, before = look();

	s->build(&b);
	for (size_t at = 0; at + sizeof(uint32_t) <= b.len; at += sizeof(uint32_t))
		if (try_field(op, &b, at)) {
			assert_same(&before, s->name, at);
		} else if (op->type == FER_MSG_TYPE_SET) {
			fer_msg_buf_fini(&before);
			furnish(r);
			before = look();
		}
	fer_msg_buf_fini(&before);
	fer_msg_buf_fini(&b);
}

static void what_is_cut_off_changes_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < fer_service_n_ops; i++) {
		const struct request *r = request_of(&fer_service_ops[i]);

		furnish(r);
		if (takes(&fer_service_ops[i], r))
			try_cuts(&fer_service_ops[i], r);
	}
}

static void no_field_changes_what_is_refused(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < fer_service_n_ops; i++) {
		const struct request *r = request_of(&fer_service_ops[i]);

		furnish(r);
		if (takes(&fer_service_ops[i], r))
			try_fields(&fer_service_ops[i], r);
	}
}

static uint32_t ask(const struct fer_client_request *q, uint32_t *needed)
{
	struct fer_client_reply reply;
	uint32_t status = served_ask(client, q, NULL, &reply);

	*needed = reply.header.bytes_needed;
	fer_client_reply_fini(&reply);
	return status;
}

// A pair that is not there, an OID that nobody knows, no room for the answer.
static void what_the_header_gets_wrong(void **state)
{
	struct fer_msg_buf before;
	uint32_t needed;

	(void)state;
	furnish(&requests[0]);
	before = look();
	for (uint32_t i = 0; i < fer_service_n_ops; i++) {
		const struct fer_ctl_op *op = &fer_service_ops[i];
		struct fer_client_request q = {.oid = op->oid, .type = op->type, .pair = N_ENDS};

		assert_int_equal(ask(&q, &needed), NDIS_STATUS_INVALID_PARAMETER);
		q.pair = FER_MSG_ALL_PAIRS;
		if (!op->all_pairs)
			assert_int_equal(ask(&q, &needed), NDIS_STATUS_INVALID_PARAMETER);
		q = (struct fer_client_request){.oid = op->oid ^ 0x800, .type = op->type};
		assert_int_equal(ask(&q, &needed), NDIS_STATUS_INVALID_OID);
		if (op->type != FER_MSG_TYPE_QUERY || op->oid == FER_MSG_SA_SHOW)
			continue;
		q = (struct fer_client_request){.oid = op->oid, .type = op->type, .room = 4};
		assert_int_equal(ask(&q, &needed), NDIS_STATUS_BUFFER_TOO_SHORT);
		assert_true(needed > 4);
	}
	assert_same(&before, "headers", 0);
	fer_msg_buf_fini(&before);
}

static int set_up(void **state)
{
	(void)state;
	client = served_begin(&served, CAPACITY);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	served_end(&served, client);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_cut_off_changes_nothing),
		cmocka_unit_test(no_field_changes_what_is_refused),
		cmocka_unit_test(what_the_header_gets_wrong),
	};

	two_pairs_eal(1, NULL);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
