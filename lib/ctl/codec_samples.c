// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/codec_samples.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint8_t key_bytes[64] =
	"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
	"\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20"
	"\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f\x30"
	"\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f";

struct guarded guarded_make(const void *bytes, size_t len)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t data = (len + page - 1) / page * page;
	struct guarded g = {.map_len = data + page};

	g.map = mmap(NULL, g.map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g.map == MAP_FAILED || mprotect((uint8_t *)g.map + data, page, PROT_NONE) != 0)
		abort();
	g.bytes = (uint8_t *)g.map + (data - len);
	if (len > 0)
		memcpy(g.bytes, bytes, len);
	return g;
}

void guarded_free(struct guarded *g)
{
	(void)munmap(g->map, g->map_len);
}

// --- security associations ----------------------------------------------------------------------

static struct fer_msg_algorithm algorithm(uint32_t identifier, uint32_t bytes, uint32_t info)
{
	return (struct fer_msg_algorithm){
		.identifier = identifier, .info = info, .key_bytes = bytes, .key = key_bytes};
}

struct fer_msg_add sample_add(unsigned which)
{
	struct fer_msg_add a = {.version = 4, .n_transforms = 1};
	struct fer_msg_transform *esp = &a.transform[0], *ah = &a.transform[1];

	memcpy(a.src, (const uint8_t[]){192, 0, 2, 1}, 4);
	memcpy(a.dst, (const uint8_t[]){198, 51, 100, 1}, 4);
	esp->operation = IPSEC_OFFLOAD_V2_OPERATION_ESP;
	esp->spi = 0x1001 + which;
	if (which == 0) {
		esp->encryption = algorithm(IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_128, 20, 16);
		return a;
	}
	esp->encryption = algorithm(IPSEC_OFFLOAD_V2_ENCRYPTION_AES_CBC_128, 16, 0);
	esp->authentication = algorithm(IPSEC_OFFLOAD_V2_AUTHENTICATION_SHA_256, 32, 0);
	if (which == 1) {
		a.inbound = true;
		a.version = 6;
		memset(a.src, 0x20, 16);
		memset(a.dst, 0x30, 16);
		esp->esn = true;
		esp->sequence_high = 7;
		return a;
	}
	a.n_transforms = 2;
	ah->operation = IPSEC_OFFLOAD_V2_OPERATION_AH;
	ah->spi = 0x2001;
	ah->authentication = algorithm(IPSEC_OFFLOAD_V2_AUTHENTICATION_SHA_1, 20, 0);
	return a;
}

struct fer_msg_sa sample_sa(const char *name)
{
	struct fer_msg_sa sa = {.sequence = 5, .mode = FER_MSG_TUNNEL};

	fer_msg_set_string(sa.name, sizeof(sa.name), name);
	sa.lifetime.soft_bytes = 1000;
	return sa;
}

static void build_add_sa(struct fer_msg_buf *b)
{
	for (unsigned i = 0; i < 3; i++) {
		const struct fer_msg_add add = sample_add(i);

		fer_msg_put_add_sa(b, &add);
	}
}

static void build_add_sa_ex(struct fer_msg_buf *b)
{
	const struct fer_msg_add add = sample_add(2);

	fer_msg_put_add_sa_ex(b, &add);
}

static void build_delete_sa(struct fer_msg_buf *b)
{
	fer_msg_put_delete_sa(b, 0x100000001);
	fer_msg_put_delete_sa(b, 0x100000002);
}

static void build_update_sa(struct fer_msg_buf *b)
{
	const struct fer_msg_update u = {.handle = 0x100000001,
		.operation = IPSEC_OFFLOAD_V2_OPERATION_ESP,
		.spi = 0x1001,
		.sequence_high = 8};

	fer_msg_put_update_sa(b, &u);
}

// An outbound tunnel, and an inbound one whose integrity algorithm has its name outside.
static void put_two_sas(struct fer_msg_buf *b)
{
	struct fer_msg_sa sa = sample_sa("east-out-1");
	struct fer_msg_add add = sample_add(0);

	fer_msg_set_string(sa.group, sizeof(sa.group), "east");
	sa.outer = (struct fer_msg_outer){
		.flow_label = FER_MSG_FLOW_LABEL_COPY, .dscp = FER_MSG_DSCP_COPY, .ttl = 64};
	fer_msg_put_sa(b, &sa, &add);
	sa = sample_sa("west-in-1");
	sa.replay_window = 1024;
	fer_msg_set_string(sa.esp_integrity, sizeof(sa.esp_integrity), "hmac-sha2-512-256");
	add = sample_add(1);
	add.transform[0].authentication = algorithm(0, 64, 0);
	fer_msg_put_sa(b, &sa, &add);
}

static void build_sa_add(struct fer_msg_buf *b)
{
	fer_msg_put_sa_add(b);
	put_two_sas(b);
}

static void build_sa_swap(struct fer_msg_buf *b)
{
	fer_msg_put_sa_swap(b, 30000);
	put_two_sas(b);
}

// --- the rest -----------------------------------------------------------------------------------

static void build_parameters(struct fer_msg_buf *b)
{
	const struct ndis_offload_parameters p = {
		.header = {.revision = 5}, .ipsec_v2 = NDIS_OFFLOAD_PARAMETERS_IPSECV2_ESP_ENABLED};

	fer_msg_put_offload_parameters(b, &p);
}

static void build_parameters_1(struct fer_msg_buf *b)
{
	const struct ndis_offload_parameters p = {.header = {.revision = 1}, .lso_v1 = 1};

	fer_msg_put_offload_parameters(b, &p);
}

static void build_encapsulation(struct fer_msg_buf *b)
{
	const struct ndis_offload_encapsulation e = {.header = {.revision = 1},
		.ipv4 = {NDIS_OFFLOAD_SET_ON, NDIS_ENCAPSULATION_IEEE_802_3, 14}};

	fer_msg_put_offload_encapsulation(b, &e);
}

static struct ndis_offload offload(void)
{
	return (struct ndis_offload){.header = {.revision = 3,
					     .type = NDIS_OBJECT_TYPE_OFFLOAD,
					     .size = NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3},
		.ipsec_v2 = {.encapsulation = NDIS_ENCAPSULATION_IEEE_802_3,
			.esp = 1,
			.tunnel = 1,
			.sa_offload_capacity = 1024}};
}

static void build_offload(struct fer_msg_buf *b)
{
	const struct ndis_offload o = offload();

	fer_msg_put_offload(b, &o);
}

static void build_page(struct fer_msg_buf *b)
{
	fer_msg_put_page(b, 4096, 100);
}

static void build_subscribe(struct fer_msg_buf *b)
{
	fer_msg_put_subscribe(b, FER_MSG_EVENTS_ALL);
}

static void build_sa_refs(struct fer_msg_buf *b)
{
	struct fer_msg_sa_ref name = {.name = "west-in-1"}, handle = {.handle = 0x100000001};

	fer_msg_put_list(b, sizeof(name));
	fer_msg_put_element(b, &name, sizeof(name));
	fer_msg_put_element(b, &handle, sizeof(handle));
}

static void build_policies(struct fer_msg_buf *b)
{
	struct fer_msg_policy p = {
		.priority = 10,
		.src = {10, 1},
		.dst = {10, 2, 0x80},
		.src_version = 4,
		.dst_version = 4,
		.src_len = 16,
		.dst_len = 17,
		.protocol = 6,
		.icmp_type = FER_MSG_ANY,
		.sport_last = 65535,
		.dport_first = 80,
		.dport_last = 443,
		.direction = FER_MSG_OUT,
		.action = FER_MSG_PROTECT,
		.n_groups = 1,
	};

	fer_msg_set_string(p.name, sizeof(p.name), "web");
	fer_msg_set_string(p.group[0], sizeof(p.group[0]), "east");
	fer_msg_put_list(b, sizeof(p));
	fer_msg_put_element(b, &p, sizeof(p));
	p = (struct fer_msg_policy){
		.protocol = 58,
		.icmp_type = 128,
		.sport_last = 65535,
		.dport_last = 65535,
		.direction = FER_MSG_IN,
		.action = FER_MSG_BYPASS,
	};
	fer_msg_set_string(p.name, sizeof(p.name), "echo");
	fer_msg_put_element(b, &p, sizeof(p));
}

static void build_policy_refs(struct fer_msg_buf *b)
{
	struct fer_msg_policy_ref ref;

	fer_msg_set_string(ref.name, sizeof(ref.name), "web");
	fer_msg_put_list(b, sizeof(ref));
	fer_msg_put_element(b, &ref, sizeof(ref));
}

static void build_hello(struct fer_msg_buf *b)
{
	struct fer_msg_hello hello = {.events = FER_MSG_EVENTS_ALL,
		.max_length = FER_MSG_MAX_BYTES,
		.max_room = 1u << 20,
		.max_pending = 1024};
	struct fer_msg_pair pair = {.default_offload = offload()};

	fer_msg_set_string(hello.product, sizeof(hello.product), "ferrule 0.1.0");
	fer_msg_set_string(pair.name, sizeof(pair.name), "east");
	fer_msg_put_hello(b, &hello, &pair, 1);
}

static void build_refusal(struct fer_msg_buf *b)
{
	fer_msg_put_refusal(b, 1, "an inbound SA with this destination and SPI is there");
}

static void build_event(struct fer_msg_buf *b)
{
	struct fer_msg_event e = {
		.size = sizeof(e), .kind = FER_MSG_EVENT_BAD_ICV, .number = 17, .version = 4};

	fer_msg_set_string(e.name, sizeof(e.name), "west-in-1");
	fer_msg_put(b, &e, sizeof(e));
}

static void build_table(struct fer_msg_buf *b)
{
	static const char *const columns[] = {"ok", "bad_icv", "replay"};
	static const uint64_t numbers[][3] = {{1, 2, 3}, {4, 5, 6}};

	fer_msg_put_table(b, columns, 3);
	fer_msg_put_row(b, "east", numbers[0], 3);
	fer_msg_put_row(b, "west", numbers[1], 3);
	fer_msg_put_cursor(b, 77);
}

// --- decoding -----------------------------------------------------------------------------------

// Reads every byte of the keys, and insists that they are within the message.
static void touch(const struct fer_msg_add *add, const uint8_t *bytes, size_t len)
{
	volatile uint8_t sink = 0;

	if (add->n_transforms < 1 || add->n_transforms > 2)
		abort();
	for (uint32_t i = 0; i < 2 * add->n_transforms; i++) {
		const struct fer_msg_algorithm *a = i % 2 == 0
							    ? &add->transform[i / 2].authentication
							    : &add->transform[i / 2].encryption;

		if ((a->key_bytes == 0) != (a->key == NULL) ||
			(a->key != NULL && (a->key < bytes || a->key > bytes + len ||
						   a->key_bytes > (size_t)(bytes + len - a->key))))
			abort();
		for (uint32_t k = 0; k < a->key_bytes; k++)
			sink = (uint8_t)(sink ^ a->key[k]);
	}
}

static uint32_t decode_add_sa(const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)
{
	struct fer_msg_walk w;
	struct fer_msg_add add;
	uint32_t n, status = fer_msg_check_add_sa(bytes, len, &n, fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	for (fer_msg_walk_init(&w, bytes, len, 0); fer_msg_walk_more(&w);) {
		if (fer_msg_next_add_sa(&w, &add, fault) != NDIS_STATUS_SUCCESS)
			abort();
		touch(&add, bytes, len);
	}
	if (w.n != n)
		abort();
	return status;
}

static uint32_t decode_add_sa_ex(const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)
{
	struct fer_msg_add add;
	const uint32_t status = fer_msg_get_add_sa_ex(bytes, len, &add, fault);

	if (status == NDIS_STATUS_SUCCESS)
		touch(&add, bytes, len);
	return status;
}

static uint32_t decode_delete_sa(const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)
{
	uint32_t n;

	return fer_msg_check_delete_sa(bytes, len, &n, fault);
}

static uint32_t decode_update_sa(const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)
{
	struct fer_msg_update u;

	return fer_msg_get_update_sa(bytes, len, &u, fault);
}

static void touch_sas(struct fer_msg_walk *w, uint32_t n, struct fer_msg_fault *fault)
{
	struct fer_msg_sa_item item;

	while (fer_msg_walk_more(w)) {
		if (fer_msg_next_sa(w, &item, fault) != NDIS_STATUS_SUCCESS ||
			!fer_msg_is_name(item.sa.name) || !fer_msg_is_name(item.sa.group))
			abort();
		touch(&item.add, w->bytes, w->len);
	}
	if (w->n != n)
		abort();
}

static uint32_t decode_sa_add(const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)
{
	struct fer_msg_walk w;
	uint32_t n, status = fer_msg_get_sa_add(bytes, len, &w, &n, fault);

	if (status == NDIS_STATUS_SUCCESS)
		touch_sas(&w, n, fault);
	return status;
}

static uint32_t decode_sa_swap(const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)
{
	struct fer_msg_walk w;
	uint32_t n, drain, status = fer_msg_get_sa_swap(bytes, len, &drain, &w, &n, fault);

	if (status == NDIS_STATUS_SUCCESS)
		touch_sas(&w, n, fault);
	return status;
}

#define DECODE(name, type)                                                                         \
	static uint32_t decode_##name(                                                             \
		const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)                     \
	{                                                                                          \
		type out;                                                                          \
                                                                                                   \
		return fer_msg_get_##name(bytes, len, &out, fault);                                \
	}

DECODE(offload_parameters, struct ndis_offload_parameters)
DECODE(offload_encapsulation, struct ndis_offload_encapsulation)
DECODE(offload, struct ndis_offload)
DECODE(page, struct fer_msg_page)
DECODE(subscribe, struct fer_msg_subscribe)
DECODE(refusal, struct fer_msg_refusal)
DECODE(event, struct fer_msg_event)

// Reads every element of a list that was accepted.
#define DECODE_LIST(name, type)                                                                    \
	static uint32_t decode_##name(                                                             \
		const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)                     \
	{                                                                                          \
		struct fer_msg_array list;                                                         \
		type element;                                                                      \
		uint32_t status = fer_msg_get_##name(bytes, len, &list, fault);                    \
                                                                                                   \
		for (uint32_t i = 0; status == NDIS_STATUS_SUCCESS && i < list.n; i++)             \
			fer_msg_list_at(&list, i, &element, sizeof(element));                      \
		return status;                                                                     \
	}

DECODE_LIST(sa_refs, struct fer_msg_sa_ref)
DECODE_LIST(policies, struct fer_msg_policy)
DECODE_LIST(policy_refs, struct fer_msg_policy_ref)

static uint32_t decode_hello(const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)
{
	struct fer_msg_hello hello;
	struct fer_msg_array pairs;
	struct fer_msg_pair pair;
	uint32_t status = fer_msg_get_hello(bytes, len, &hello, &pairs, fault);

	for (uint32_t i = 0; status == NDIS_STATUS_SUCCESS && i < pairs.n; i++)
		fer_msg_list_at(&pairs, i, &pair, sizeof(pair));
	return status;
}

static uint32_t decode_table(const uint8_t *bytes, size_t len, struct fer_msg_fault *fault)
{
	struct fer_msg_numbers t;
	uint32_t status = fer_msg_get_table(bytes, len, &t, fault);
	volatile uint64_t sink = 0;

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	for (uint32_t c = 0; c < t.n_columns; c++)
		sink += strlen(fer_msg_table_column(&t, c));
	for (uint32_t r = 0; r < t.n_rows; r++) {
		sink += strlen(fer_msg_table_label(&t, r));
		for (uint32_t c = 0; c < t.n_columns; c++)
			sink += fer_msg_table_number(&t, r, c);
	}
	(void)sink;
	return status;
}

const struct sample samples[] = {
	{"add_sa", build_add_sa, decode_add_sa, 0},
	{"add_sa_ex", build_add_sa_ex, decode_add_sa_ex, 0},
	{"delete_sa", build_delete_sa, decode_delete_sa, 0},
	{"update_sa", build_update_sa, decode_update_sa, 4},
	{"offload_parameters", build_parameters, decode_offload_parameters, 0},
	{"offload_parameters_1", build_parameters_1, decode_offload_parameters, 0},
	{"offload_encapsulation", build_encapsulation, decode_offload_encapsulation, 0},
	{"offload", build_offload, decode_offload, 0},
	{"sa_add", build_sa_add, decode_sa_add, 0},
	{"sa_swap", build_sa_swap, decode_sa_swap, 0},
	{"page", build_page, decode_page, 0},
	{"subscribe", build_subscribe, decode_subscribe, 0},
	{"sa_refs", build_sa_refs, decode_sa_refs, 0},
	{"policies", build_policies, decode_policies, 0},
	{"policy_refs", build_policy_refs, decode_policy_refs, 0},
	{"hello", build_hello, decode_hello, 0},
	{"refusal", build_refusal, decode_refusal, 0},
	{"event", build_event, decode_event, 0},
	{"table", build_table, decode_table, 0},
};

const size_t n_samples = sizeof(samples) / sizeof(samples[0]);

const struct sample *sample_find(const char *name)
{
	for (size_t i = 0; i < n_samples; i++)
		if (strcmp(samples[i].name, name) == 0)
			return &samples[i];
	abort();
}
