// SPDX-License-Identifier: BSD-3-Clause
// Prints the messages that PROTOCOL.md shows, as this code makes them: name and bytes, one a line.
// protocol_test.py compares them with the document, and with those of the python client.
#include "ctl/codec.h"

#include <stdio.h>
#include <string.h>

static uint8_t key_bytes[64];

static void print(const char *name, struct fer_msg_header h, struct fer_msg_buf *b)
{
	const uint8_t *bytes = (const uint8_t *)&h;

	h.magic = FER_MSG_MAGIC;
	h.version = FER_MSG_VERSION;
	h.length = (uint32_t)b->len;
	printf("%s ", name);
	for (size_t i = 0; i < sizeof(h); i++)
		printf("%02x", bytes[i]);
	for (size_t i = 0; i < b->len; i++)
		printf("%02x", b->bytes[i]);
	printf("\n");
	fer_msg_buf_fini(b);
}

static struct fer_msg_header set(uint64_t id, uint32_t oid)
{
	return (struct fer_msg_header){.type = FER_MSG_TYPE_SET, .id = id, .oid = oid};
}

static struct fer_msg_header query(uint64_t id, uint32_t oid)
{
	return (struct fer_msg_header){
		.type = FER_MSG_TYPE_QUERY, .id = id, .oid = oid, .room = 65536};
}

static struct fer_msg_header done(uint64_t id, uint32_t oid, uint32_t status, uint32_t bytes)
{
	return (struct fer_msg_header){.type = FER_MSG_TYPE_COMPLETION,
		.id = id,
		.oid = oid,
		.status = status,
		.bytes_done = bytes};
}

static struct ndis_offload capabilities(void)
{
	return (struct ndis_offload){
		.header = {NDIS_OBJECT_TYPE_OFFLOAD, NDIS_OFFLOAD_REVISION_3,
			NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3},
		.ipsec_v2 =
			{
				.encapsulation = NDIS_ENCAPSULATION_IEEE_802_3,
				.ipv6_supported = 1,
				.esp = 1,
				.transport = 1,
				.tunnel = 1,
				.extended_sequence_numbers = 1,
				.authentication_algorithms =
					IPSEC_OFFLOAD_V2_AUTHENTICATION_SHA_1 |
					IPSEC_OFFLOAD_V2_AUTHENTICATION_SHA_256,
				.encryption_algorithms = IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_128 |
							 IPSEC_OFFLOAD_V2_ENCRYPTION_AES_CBC_128,
				.sa_offload_capacity = 1024,
			},
	};
}

static struct fer_msg_add gcm(void)
{
	struct fer_msg_add a = {
		.version = 4, .src = {192, 0, 2, 1}, .dst = {198, 51, 100, 1}, .n_transforms = 1};

	a.transform[0].operation = IPSEC_OFFLOAD_V2_OPERATION_ESP;
	a.transform[0].spi = 0x1001;
	a.transform[0].encryption = (struct fer_msg_algorithm){
		.identifier = IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_128,
		.info = 16,
		.key_bytes = 20,
		.key = key_bytes,
	};
	return a;
}

static struct fer_msg_add cbc_hmac(void)
{
	struct fer_msg_add a = {
		.inbound = true,
		.version = 6,
		.src = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
		.dst = {0x20, 0x01, 0x0d, 0xb8, [15] = 2},
		.n_transforms = 1,
	};
	struct fer_msg_transform *t = &a.transform[0];

	t->operation = IPSEC_OFFLOAD_V2_OPERATION_ESP;
	t->spi = 0x1002;
	t->esn = true;
	t->sequence_high = 7;
	t->authentication =
		(struct fer_msg_algorithm){.identifier = IPSEC_OFFLOAD_V2_AUTHENTICATION_SHA_256,
			.key_bytes = 32,
			.key = key_bytes};
	t->encryption =
		(struct fer_msg_algorithm){.identifier = IPSEC_OFFLOAD_V2_ENCRYPTION_AES_CBC_128,
			.key_bytes = 16,
			.key = key_bytes};
	return a;
}

static void contract(void)
{
	struct fer_msg_buf b = {0};
	const struct fer_msg_add out = gcm(), in = cbc_hmac();
	const struct fer_msg_update update = {
		.handle = 0x100000002, .operation = 2, .spi = 0x1002, .sequence_high = 8};
	const struct ndis_offload offload = capabilities();
	const struct ndis_offload_parameters parameters = {
		.header = {.revision = 2}, .ipsec_v2 = 3};
	const struct ndis_offload_encapsulation encapsulation = {.header = {.revision = 1},
		.ipv4 = {NDIS_OFFLOAD_SET_ON, NDIS_ENCAPSULATION_IEEE_802_3, 14}};
	const uint64_t handles[] = {0x100000001, 0x100000002};

	fer_msg_put_add_sa(&b, &out);
	fer_msg_put_add_sa(&b, &in);
	print("add-sa", set(1, OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA), &b);
	fer_msg_put(&b, handles, sizeof(handles));
	struct fer_msg_header h =
		done(1, OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA, NDIS_STATUS_SUCCESS, 0x1A0 - 8);
	h.revision = 1;
	print("add-sa-done", h, &b);
	fer_msg_put_add_sa_ex(&b, &in);
	print("add-sa-ex", set(2, OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX), &b);
	fer_msg_put_update_sa(&b, &update);
	print("update-sa", set(3, OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA), &b);
	fer_msg_put_delete_sa(&b, handles[0]);
	fer_msg_put_delete_sa(&b, handles[1]);
	print("delete-sa", set(4, OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA), &b);
	print("cancel", (struct fer_msg_header){.type = FER_MSG_TYPE_CANCEL, .id = 4}, &b);
	print("current-config", query(5, OID_TCP_OFFLOAD_CURRENT_CONFIG), &b);
	fer_msg_put_offload(&b, &offload);
	print("current-config-done",
		done(5, OID_TCP_OFFLOAD_CURRENT_CONFIG, NDIS_STATUS_SUCCESS, 0x9C), &b);
	fer_msg_put_offload_parameters(&b, &parameters);
	print("offload-parameters", set(6, OID_TCP_OFFLOAD_PARAMETERS), &b);
	fer_msg_put_offload_encapsulation(&b, &encapsulation);
	print("offload-encapsulation", set(7, OID_OFFLOAD_ENCAPSULATION), &b);
}

static void appliance(void)
{
	struct fer_msg_buf b = {0};
	struct fer_msg_add add = gcm();
	struct fer_msg_sa sa = {
		.mode = FER_MSG_TUNNEL,
		.outer = {FER_MSG_FLOW_LABEL_COPY, FER_MSG_DSCP_COPY, FER_MSG_DF_COPY, 0, 64},
		.lifetime.hard_packets = 1000000,
	};
	const uint64_t handle = 0x100000003;
	struct fer_msg_sa_ref ref = {0};
	struct fer_msg_header h;

	fer_msg_set_string(sa.name, sizeof(sa.name), "east-out-1");
	fer_msg_set_string(sa.group, sizeof(sa.group), "east");
	fer_msg_put_sa_add(&b);
	fer_msg_put_sa(&b, &sa, &add);
	print("sa-add", set(8, FER_MSG_SA_ADD), &b);
	fer_msg_put(&b, &handle, sizeof(handle));
	print("sa-add-done", done(8, FER_MSG_SA_ADD, NDIS_STATUS_SUCCESS, 0x1FC), &b);
	fer_msg_put_refusal(&b, 0, "the key and salt of a live SA");
	print("sa-add-refused", done(8, FER_MSG_SA_ADD, NDIS_STATUS_INVALID_DATA, 0), &b);

	// An algorithm without an identifier in the contract has its name in the front part.
	add = cbc_hmac();
	add.transform[0].authentication.identifier = 0;
	add.transform[0].authentication.key_bytes = 64;
	sa = (struct fer_msg_sa){.mode = FER_MSG_TUNNEL, .replay_window = 1024};
	fer_msg_set_string(sa.name, sizeof(sa.name), "east-in-2");
	fer_msg_set_string(sa.group, sizeof(sa.group), "east");
	fer_msg_set_string(sa.esp_integrity, sizeof(sa.esp_integrity), "hmac-sha2-512-256");
	fer_msg_put_sa_swap(&b, 30000);
	fer_msg_put_sa(&b, &sa, &add);
	print("sa-swap", set(9, FER_MSG_SA_SWAP), &b);

	fer_msg_put_list(&b, sizeof(ref));
	fer_msg_set_string(ref.name, sizeof(ref.name), "east-out-1");
	fer_msg_put_element(&b, &ref, sizeof(ref));
	ref = (struct fer_msg_sa_ref){.handle = handle};
	fer_msg_put_element(&b, &ref, sizeof(ref));
	print("sa-delete", set(10, FER_MSG_SA_DELETE), &b);
	fer_msg_put_page(&b, 4096, 0);
	print("sa-list", query(11, FER_MSG_SA_LIST), &b);
	h = done(11, FER_MSG_SA_LIST, NDIS_STATUS_BUFFER_TOO_SHORT, 0);
	h.bytes_needed = 100000;
	print("sa-list-refused", h, &b);
}

static void show(void)
{
	struct fer_msg_buf b = {0};
	struct fer_msg_sa_info info = {
		.flags = FER_MSG_SA_ACTIVE,
		.handle = 0x100000003,
		.src = {192, 0, 2, 1},
		.dst = {198, 51, 100, 1},
		.esp_spi = __builtin_bswap32(0x1001),
		.sequence = 17,
		.packets = 17,
		.bytes = 1428,
		.added_ns = 1700000000000000000,
		.outer = {FER_MSG_FLOW_LABEL_COPY, FER_MSG_DSCP_COPY, FER_MSG_DF_COPY, 0, 64},
		.mode = FER_MSG_TUNNEL,
		.version = 4,
		.icv_bytes = 16,
	};

	fer_msg_set_string(info.name, sizeof(info.name), "east-out-1");
	fer_msg_set_string(info.group, sizeof(info.group), "east");
	fer_msg_set_string(info.esp_encryption, sizeof(info.esp_encryption), "aes-gcm-128");
	fer_msg_put_list(&b, sizeof(info));
	fer_msg_put_element(&b, &info, sizeof(info));
	print("sa-list-done", done(11, FER_MSG_SA_LIST, NDIS_STATUS_SUCCESS, 0x190), &b);
}

static void policies(void)
{
	struct fer_msg_buf b = {0};
	struct fer_msg_policy policy = {
		.priority = 10,
		.src = {10, 1},
		.dst = {10, 2},
		.src_version = 4,
		.dst_version = 4,
		.src_len = 16,
		.dst_len = 16,
		.protocol = 6,
		.icmp_type = FER_MSG_ANY,
		.sport_last = 65535,
		.dport_first = 80,
		.dport_last = 80,
		.direction = FER_MSG_OUT,
		.action = FER_MSG_PROTECT,
		.n_groups = 1,
	};

	fer_msg_set_string(policy.name, sizeof(policy.name), "web");
	fer_msg_set_string(policy.group[0], sizeof(policy.group[0]), "east");
	fer_msg_put_list(&b, sizeof(policy));
	fer_msg_put_element(&b, &policy, sizeof(policy));
	print("policy-add", set(12, FER_MSG_POLICY_ADD), &b);
}

static void numbers(void)
{
	static const char *const columns[] = {"bad_icv", "replay"};
	static const uint64_t row[] = {3, 1};
	struct fer_msg_buf b = {0};
	struct fer_msg_port port = {
		.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500, .mbps = 10000, .role = 1, .link = 1};

	fer_msg_put_table(&b, columns, 2);
	fer_msg_put_row(&b, "east", row, 2);
	print("stats-drop-done", done(13, FER_MSG_STATS_DROP, NDIS_STATUS_SUCCESS, b.len), &b);
	fer_msg_set_string(port.name, sizeof(port.name), "wire0");
	fer_msg_put_list(&b, sizeof(port));
	fer_msg_put_element(&b, &port, sizeof(port));
	print("port-list-done", done(14, FER_MSG_PORT_LIST, NDIS_STATUS_SUCCESS, b.len), &b);
}

static void events(void)
{
	struct fer_msg_buf b = {0};
	struct fer_msg_event event = {
		.size = sizeof(event),
		.kind = FER_MSG_EVENT_BAD_ICV,
		.suppressed = 41,
		.time_ns = 1700000000000000000,
		.handle = 0x100000004,
		.number = 0x100000011,
		.spi = __builtin_bswap32(0x1002),
		.src = {198, 51, 100, 1},
		.dst = {192, 0, 2, 1},
		.version = 4,
		.protocol = 50,
	};
	struct fer_msg_header h = set(15, FER_MSG_SUBSCRIBE);

	h.pair = FER_MSG_ALL_PAIRS;
	fer_msg_put_subscribe(&b, 1u << FER_MSG_EVENT_STATUS | 1u << FER_MSG_EVENT_BAD_ICV);
	print("subscribe", h, &b);
	fer_msg_set_string(event.name, sizeof(event.name), "east-in-2");
	fer_msg_put(&b, &event, sizeof(event));
	h = (struct fer_msg_header){
		.type = FER_MSG_TYPE_INDICATION, .id = 1, .status = FER_MSG_STATUS_EVENT};
	print("event", h, &b);
}

static void greeting(void)
{
	const struct fer_msg_header h = {.type = FER_MSG_TYPE_HELLO, .pair = FER_MSG_ALL_PAIRS};
	struct fer_msg_buf b = {0};
	struct fer_msg_hello hello = {
		.events = FER_MSG_EVENTS_ALL,
		.max_length = FER_MSG_MAX_BYTES,
		.max_room = 1u << 20,
		.max_pending = 1024,
	};
	struct fer_msg_pair pair = {.default_offload = capabilities()};

	fer_msg_set_string(hello.product, sizeof(hello.product), "ferrule 0.1.0");
	fer_msg_set_string(pair.name, sizeof(pair.name), "east");
	fer_msg_put_hello(&b, &hello, &pair, 1);
	print("hello", h, &b);
}

int main(void)
{
	for (unsigned i = 0; i < sizeof(key_bytes); i++)
		key_bytes[i] = (uint8_t)i;
	contract();
	appliance();
	show();
	policies();
	numbers();
	events();
	greeting();
	return 0;
}
