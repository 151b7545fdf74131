// SPDX-License-Identifier: BSD-3-Clause
#include "served.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define DRAIN_MS 100

static const struct timeval tick = {.tv_usec = 10000};

static void *run(void *arg)
{
	struct served *s = arg;

	(void)event_base_loop(s->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct served *s = arg;

	(void)fd, (void)what;
	fer_service_tell(s->service, s->server);
}

static void open_server(struct served *s)
{
	struct fer_msg_pair pairs[N_ENDS];
	int error;

	for (unsigned i = 0; i < N_ENDS; i++)
		fer_service_describe(&s->world.pair[i], &pairs[i]);
	snprintf(s->folder, sizeof(s->folder), "/tmp/served.XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/sock", s->folder);
	const struct fer_ctl_server_params p = {.base = s->base,
		.path = s->path,
		.group = (gid_t)-1,
		.product = "test",
		.pairs = pairs,
		.n_pairs = N_ENDS,
		.ops = fer_service_ops,
		.n_ops = fer_service_n_ops,
		.gate = fer_service_gate,
		.arg = s->service};
	s->server = fer_ctl_server_create(&p, &error);
	assert_non_null(s->server);
}

void served_open(struct served *s, const char *document, unsigned n_workers, unsigned ring)
{
	int error;

	*s = (struct served){0};
	two_pairs_open(&s->world, document, n_workers, ring);
	assert_int_equal(evthread_use_pthreads(), 0);
	s->base = event_base_new();
	assert_non_null(s->base);
	const struct fer_service_params p = {.base = s->base,
		.pairs = s->world.pair,
		.n_pairs = N_ENDS,
		.workers = &s->world.workers,
		.grace = &s->world.grace};
	s->service = fer_service_create(&p, &error);
	assert_non_null(s->service);
	open_server(s);
	s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
	assert_non_null(s->tick);
	assert_int_equal(event_add(s->tick, &tick), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

void served_close(struct served *s)
{
	assert_int_equal(event_base_loopbreak(s->base), 0);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	event_free(s->tick);
	fer_ctl_server_destroy(s->server);
	fer_grace_fini(&s->world.grace);
	fer_service_destroy(s->service);
	event_base_free(s->base);
	(void)rmdir(s->folder);
	two_pairs_close(&s->world);
}

struct fer_client *served_connect(const struct served *s)
{
	struct fer_client *c;

	assert_int_equal(fer_client_open(s->path, SERVED_TIMEOUT_MS, &c), 0);
	return c;
}

struct fer_client *served_begin(struct served *s, const char *more)
{
	served_open(s, two_pairs_document(more), 1, 64);
	return served_connect(s);
}

void served_end(struct served *s, struct fer_client *c)
{
	fer_client_close(c);
	served_close(s);
}

// --- requests -----------------------------------------------------------------------------------

uint32_t served_ask(struct fer_client *c, const struct fer_client_request *q, struct fer_msg_buf *b,
	struct fer_client_reply *reply)
{
	struct fer_client_request with_data = *q;

	assert_false(b != NULL && b->failed);
	if (b != NULL) {
		with_data.data = b->bytes;
		with_data.len = b->len;
	}
	assert_int_equal(fer_client_call(c, &with_data, SERVED_TIMEOUT_MS, reply), 0);
	if (b != NULL)
		fer_msg_buf_fini(b);
	return reply->header.status;
}

struct fer_msg_buf served_look(struct fer_client *c, uint16_t pair)
{
	static const uint32_t oids[] = {FER_MSG_SA_LIST, FER_MSG_POLICY_LIST, FER_MSG_STATS_SA,
		FER_MSG_PORT_LIST, OID_TCP_OFFLOAD_CURRENT_CONFIG,
		OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES};
	struct fer_msg_buf all = {0};

	for (size_t i = 0; i < sizeof(oids) / sizeof(oids[0]); i++) {
		const struct fer_client_request q = {
			.oid = oids[i], .type = FER_MSG_TYPE_QUERY, .pair = pair};
		struct fer_client_reply reply;

		assert_int_equal(served_ask(c, &q, NULL, &reply), NDIS_STATUS_SUCCESS);
		fer_msg_put(&all, reply.data, reply.len);
		fer_client_reply_fini(&reply);
	}
	assert_false(all.failed);
	return all;
}

uint32_t served_set(struct fer_client *c, uint32_t oid, uint16_t pair, struct fer_msg_buf *b)
{
	const struct fer_client_request q = {.oid = oid, .type = FER_MSG_TYPE_SET, .pair = pair};
	struct fer_client_reply reply;
	uint32_t status = served_ask(c, &q, b, &reply);

	fer_client_reply_fini(&reply);
	return status;
}

void sa_sample_make(
	struct sa_sample *s, const char *name, const char *group, bool inbound, uint32_t spi)
{
	*s = (struct sa_sample){
		.sa = {.mode = FER_MSG_TUNNEL, .replay_window = inbound ? 256 : 0},
		.add = {.inbound = inbound,
			.version = 4,
			.src = {192, 0, 2, 1},
			.dst = {192, 0, 2, 2},
			.n_transforms = 1,
			.transform = {{.operation = IPSEC_OFFLOAD_V2_OPERATION_ESP,
				.spi = spi,
				.encryption = {.identifier =
						       IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_128,
					.key_bytes = 20}}}},
	};
	memset(s->key, 0x77, sizeof(s->key));
	memcpy(s->key, &spi, sizeof(spi));
	s->add.transform[0].encryption.key = s->key;
	fer_msg_set_string(s->sa.name, sizeof(s->sa.name), name);
	fer_msg_set_string(s->sa.group, sizeof(s->sa.group), group);
	if (!inbound)
		s->sa.outer = (struct fer_msg_outer){.dscp = FER_MSG_DSCP_COPY,
			.flow_label = FER_MSG_FLOW_LABEL_COPY,
			.ttl = 64};
}

static void put_sample(struct fer_msg_buf *b, uint32_t oid, const struct sa_sample *s)
{
	if (oid == OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA)
		fer_msg_put_add_sa(b, &s->add);
	else if (oid == OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX)
		fer_msg_put_add_sa_ex(b, &s->add);
	else
		fer_msg_put_sa(b, &s->sa, &s->add);
}

uint32_t served_add(struct fer_client *c, uint32_t oid, uint16_t pair,
	const struct sa_sample samples[], unsigned n, uint64_t handles[])
{
	const struct fer_client_request q = {.oid = oid, .type = FER_MSG_TYPE_SET, .pair = pair};
	struct fer_msg_buf b = {0};
	struct fer_client_reply reply;
	uint32_t status;

	if (oid == FER_MSG_SA_ADD)
		fer_msg_put_sa_add(&b);
	else if (oid == FER_MSG_SA_SWAP)
		fer_msg_put_sa_swap(&b, DRAIN_MS);
	for (unsigned i = 0; i < n; i++)
		put_sample(&b, oid, &samples[i]);
	status = served_ask(c, &q, &b, &reply);
	for (unsigned i = 0; handles != NULL && i < n; i++)
		handles[i] = status == NDIS_STATUS_SUCCESS
				     ? fer_msg_handle_at(reply.data, reply.len, i)
				     : 0;
	fer_client_reply_fini(&reply);
	return status;
}

uint32_t served_by_ref(
	struct fer_client *c, uint32_t oid, uint16_t pair, uint64_t handle, const char *name)
{
	struct fer_msg_sa_ref ref = {.handle = handle};
	struct fer_msg_buf b = {0};

	fer_msg_set_string(ref.name, sizeof(ref.name), name);
	fer_msg_put_list(&b, sizeof(ref));
	fer_msg_put_element(&b, &ref, sizeof(ref));
	return served_set(c, oid, pair, &b);
}

uint32_t served_delete(struct fer_client *c, uint16_t pair, const uint64_t handles[], unsigned n)
{
	struct fer_msg_buf b = {0};

	for (unsigned i = 0; i < n; i++)
		fer_msg_put_delete_sa(&b, handles[i]);
	return served_set(c, OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA, pair, &b);
}

struct fer_msg_policy sample_policy(const char *name, const char *group)
{
	struct fer_msg_policy p = {.src_version = 4,
		.dst_version = 4,
		.src = {10, 1},
		.src_len = 16,
		.dst = {10, 2},
		.dst_len = 16,
		.protocol = FER_MSG_ANY,
		.icmp_type = FER_MSG_ANY,
		.sport_last = 65535,
		.dport_last = 65535,
		.priority = 9,
		.action = group == NULL ? FER_MSG_DISCARD : FER_MSG_PROTECT,
		.n_groups = group != NULL};

	fer_msg_set_string(p.name, sizeof(p.name), name);
	if (group != NULL)
		fer_msg_set_string(p.group[0], sizeof(p.group[0]), group);
	return p;
}

uint32_t served_add_policies(
	struct fer_client *c, uint16_t pair, const struct fer_msg_policy p[], unsigned n)
{
	struct fer_msg_buf b = {0};

	fer_msg_put_list(&b, sizeof(p[0]));
	for (unsigned i = 0; i < n; i++)
		fer_msg_put_element(&b, &p[i], sizeof(p[0]));
	return served_set(c, FER_MSG_POLICY_ADD, pair, &b);
}

uint32_t served_delete_policy(struct fer_client *c, uint16_t pair, const char *name)
{
	struct fer_msg_policy_ref ref = {.name = ""};
	struct fer_msg_buf b = {0};

	fer_msg_set_string(ref.name, sizeof(ref.name), name);
	fer_msg_put_list(&b, sizeof(ref));
	fer_msg_put_element(&b, &ref, sizeof(ref));
	return served_set(c, FER_MSG_POLICY_DELETE, pair, &b);
}
