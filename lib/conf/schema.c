// SPDX-License-Identifier: BSD-3-Clause
#include "conf/schema.h"

#include <stddef.h>
#include <string.h>

#define N_FIELDS(fields) (sizeof(fields) / sizeof((fields)[0]))
#define SCHEMA(table)                                                                              \
	{                                                                                          \
		.fields = (table), .n_fields = N_FIELDS(table)                                     \
	}

#define REQUIRED(name, kind, at) .key = (name), .type = (kind), .place = (at), .required = true
#define OPTIONAL(name, kind, at) .key = (name), .type = (kind), .place = (at)

// Where a value goes: offset and size of a member of a draft.
#define INTO(draft, member)                                                                        \
	.offset = offsetof(struct draft, member), .size = sizeof(((struct draft *)NULL)->member)

static const char *const directions[] = {[FER_OUT] = "out", [FER_IN] = "in", NULL};
static const char *const modes[] = {[FER_TRANSPORT] = "transport", [FER_TUNNEL] = "tunnel", NULL};
static const char *const dfs[] = {
	[FER_DF_COPY] = "copy", [FER_DF_SET] = "set", [FER_DF_CLEAR] = "clear", NULL};
static const char *const ecns[] = {"rfc6040", NULL};
static const char *const actions[] = {[FER_DOC_PROTECT] = "protect",
	[FER_DOC_BYPASS] = "bypass",
	[FER_DOC_DISCARD] = "discard",
	NULL};

static const char *const rules[] = {[FER_DOC_PASS] = "pass", [FER_DOC_DROP] = "drop", NULL};
static const char *const ikes[] = {
	[FER_DOC_IKE_PASS] = "pass", [FER_DOC_IKE_POLICY] = "policy", NULL};
static const char *const idles[] = {[FER_DOC_IDLE_AUTO] = "auto",
	[FER_DOC_IDLE_POLL] = "poll",
	[FER_DOC_IDLE_NAP] = "nap",
	NULL};
static const char *const host_modes[] = {[FER_DOC_STACK] = "stack", [FER_DOC_OOB] = "oob", NULL};
static const char *const completions[] = {
	[FER_DOC_COMPLETE_FAILED] = "failed", [FER_DOC_COMPLETE_ALL] = "all", NULL};

static const struct fer_field esp_fields[] = {
	{REQUIRED("spi", FER_TYPE_NUMBER, FER_SA_SPI), INTO(fer_sa_draft, sa.spi),
		.min = FER_SPI_MIN, .max = UINT32_MAX},
	{REQUIRED("encryption", FER_TYPE_ENCRYPTION, FER_SA_ENCRYPTION),
		INTO(fer_sa_draft, sa.encryption)},
	{OPTIONAL("encryption_key", FER_TYPE_KEY, FER_SA_ENCRYPTION_KEY),
		INTO(fer_sa_draft, sa.encryption_key)},
	{OPTIONAL("integrity", FER_TYPE_INTEGRITY, FER_SA_INTEGRITY),
		INTO(fer_sa_draft, sa.integrity)},
	{OPTIONAL("integrity_key", FER_TYPE_KEY, FER_SA_INTEGRITY_KEY),
		INTO(fer_sa_draft, sa.integrity_key)},
	{OPTIONAL("icv_bytes", FER_TYPE_NUMBER, FER_SA_ICV_BYTES), INTO(fer_sa_draft, sa.icv_bytes),
		.min = 1, .max = FER_ESP_MAX_ICV_BYTES},
};

static const struct fer_field ah_fields[] = {
	{REQUIRED("spi", FER_TYPE_NUMBER, FER_SA_AH_SPI), INTO(fer_sa_draft, sa.ah.spi),
		.min = FER_SPI_MIN, .max = UINT32_MAX},
	{REQUIRED("integrity", FER_TYPE_INTEGRITY, FER_SA_AH_INTEGRITY),
		INTO(fer_sa_draft, sa.ah.integrity)},
	{REQUIRED("integrity_key", FER_TYPE_KEY, FER_SA_AH_KEY), INTO(fer_sa_draft, sa.ah.key)},
};

// ECN has one rule only, so its value has nowhere to go.
static const struct fer_field outer_fields[] = {
	{OPTIONAL("dscp", FER_TYPE_NUMBER, FER_SA_DSCP), INTO(fer_sa_draft, sa.outer.dscp),
		.max = 63, .word = "copy", .word_value = FER_DSCP_COPY},
	{OPTIONAL("df", FER_TYPE_WORD, FER_SA_DF), INTO(fer_sa_draft, sa.outer.df), .words = dfs},
	{OPTIONAL("ecn", FER_TYPE_WORD, FER_SA_ECN), .words = ecns},
	{OPTIONAL("ttl", FER_TYPE_NUMBER, FER_SA_TTL), INTO(fer_sa_draft, sa.outer.ttl), .min = 1,
		.max = 255},
	{OPTIONAL("flow_label", FER_TYPE_NUMBER, FER_SA_FLOW_LABEL),
		INTO(fer_sa_draft, sa.outer.flow_label), .max = 0xfffff, .word = "copy",
		.word_value = FER_FLOW_LABEL_COPY},
};

static const struct fer_field tfc_fields[] = {
	{OPTIONAL("pad_to", FER_TYPE_NUMBER, FER_SA_PAD_TO), INTO(fer_sa_draft, sa.tfc.pad_to),
		.min = FER_TFC_PAD_MIN, .max = FER_TFC_PAD_MAX, .word = "mtu",
		.word_value = FER_TFC_MTU},
	{OPTIONAL("dummy_rate", FER_TYPE_NUMBER, FER_SA_DUMMY_RATE),
		INTO(fer_sa_draft, sa.tfc.dummy_rate), .max = FER_TFC_RATE_MAX},
};

#define LIMIT(name, at, member)                                                                    \
	{                                                                                          \
		OPTIONAL(name, FER_TYPE_NUMBER, at), INTO(fer_sa_draft, sa.lifetime.member),       \
			.max = UINT64_MAX                                                          \
	}

static const struct fer_field lifetime_fields[] = {
	LIMIT("soft_bytes", FER_SA_SOFT_BYTES, soft_bytes),
	LIMIT("hard_bytes", FER_SA_HARD_BYTES, hard_bytes),
	LIMIT("soft_packets", FER_SA_SOFT_PACKETS, soft_packets),
	LIMIT("hard_packets", FER_SA_HARD_PACKETS, hard_packets),
	LIMIT("soft_seconds", FER_SA_SOFT_SECONDS, soft_seconds),
	LIMIT("hard_seconds", FER_SA_HARD_SECONDS, hard_seconds),
};

static const struct fer_field udp_fields[] = {
	{REQUIRED("sport", FER_TYPE_NUMBER, FER_SA_UDP_SPORT), INTO(fer_sa_draft, sa.udp.sport),
		.min = 1, .max = UINT16_MAX},
	{REQUIRED("dport", FER_TYPE_NUMBER, FER_SA_UDP_DPORT), INTO(fer_sa_draft, sa.udp.dport),
		.min = 1, .max = UINT16_MAX},
};

static const struct fer_schema esp = SCHEMA(esp_fields);
static const struct fer_schema ah = SCHEMA(ah_fields);
static const struct fer_schema udp = SCHEMA(udp_fields);
static const struct fer_schema lifetime = SCHEMA(lifetime_fields);
static const struct fer_schema outer = SCHEMA(outer_fields);
static const struct fer_schema tfc = SCHEMA(tfc_fields);

static const struct fer_field sa_fields[] = {
	{REQUIRED("name", FER_TYPE_NAME, FER_SA_NAME), INTO(fer_sa_draft, sa.name)},
	{OPTIONAL("pair", FER_TYPE_NAME, FER_SA_PAIR), INTO(fer_sa_draft, pair)},
	{OPTIONAL("group", FER_TYPE_NAME, FER_SA_GROUP), INTO(fer_sa_draft, group)},
	{REQUIRED("direction", FER_TYPE_WORD, FER_SA_DIRECTION), INTO(fer_sa_draft, sa.direction),
		.words = directions},
	{REQUIRED("mode", FER_TYPE_WORD, FER_SA_MODE), INTO(fer_sa_draft, sa.mode), .words = modes},
	{REQUIRED("src", FER_TYPE_ADDRESS, FER_SA_SRC), INTO(fer_sa_draft, sa.src)},
	{REQUIRED("dst", FER_TYPE_ADDRESS, FER_SA_DST), INTO(fer_sa_draft, sa.dst)},
	{OPTIONAL("esp", FER_TYPE_MAPPING, FER_SA_ESP), .mapping = &esp},
	{OPTIONAL("ah", FER_TYPE_MAPPING, FER_SA_AH), .mapping = &ah},
	{OPTIONAL("esn", FER_TYPE_BOOL, FER_SA_ESN), INTO(fer_sa_draft, sa.esn)},
	{OPTIONAL("sequence", FER_TYPE_NUMBER, FER_SA_SEQUENCE), INTO(fer_sa_draft, sa.sequence),
		.max = UINT64_MAX},
	{OPTIONAL("replay_window", FER_TYPE_NUMBER, FER_SA_REPLAY_WINDOW),
		INTO(fer_sa_draft, sa.replay_window), .max = FER_DOC_REPLAY_WINDOW_MAX},
	{OPTIONAL("udp", FER_TYPE_MAPPING, FER_SA_UDP), .mapping = &udp},
	{OPTIONAL("lifetime", FER_TYPE_MAPPING, FER_SA_LIFETIME), .mapping = &lifetime},
	{OPTIONAL("outer", FER_TYPE_MAPPING, FER_SA_OUTER), .mapping = &outer},
	{OPTIONAL("tfc", FER_TYPE_MAPPING, FER_SA_TFC), .mapping = &tfc},
};

static const struct fer_field policy_fields[] = {
	{REQUIRED("name", FER_TYPE_NAME, FER_POLICY_NAME), INTO(fer_policy_draft, policy.name)},
	{OPTIONAL("pair", FER_TYPE_NAME, FER_POLICY_PAIR), INTO(fer_policy_draft, pair)},
	{OPTIONAL("priority", FER_TYPE_NUMBER, FER_POLICY_PRIORITY),
		INTO(fer_policy_draft, policy.priority), .max = INT32_MAX},
	{REQUIRED("direction", FER_TYPE_WORD, FER_POLICY_DIRECTION),
		INTO(fer_policy_draft, policy.direction), .words = directions},
	{REQUIRED("src", FER_TYPE_PREFIX, FER_POLICY_SRC), INTO(fer_policy_draft, policy.src)},
	{REQUIRED("dst", FER_TYPE_PREFIX, FER_POLICY_DST), INTO(fer_policy_draft, policy.dst)},
	{OPTIONAL("protocol", FER_TYPE_PROTOCOL, FER_POLICY_PROTOCOL),
		INTO(fer_policy_draft, policy.protocol)},
	{OPTIONAL("sport", FER_TYPE_PORTS, FER_POLICY_SPORT), INTO(fer_policy_draft, policy.sport)},
	{OPTIONAL("dport", FER_TYPE_PORTS, FER_POLICY_DPORT), INTO(fer_policy_draft, policy.dport)},
	{OPTIONAL("icmp_type", FER_TYPE_NUMBER, FER_POLICY_ICMP_TYPE),
		INTO(fer_policy_draft, policy.icmp_type), .max = 255},
	{REQUIRED("action", FER_TYPE_WORD, FER_POLICY_ACTION),
		INTO(fer_policy_draft, policy.action), .words = actions},
	{OPTIONAL("sas", FER_TYPE_GROUPS, FER_POLICY_SAS)},
};

#define PORT_FIELDS(side, port_place, mtu_place)                                                   \
	{                                                                                          \
		{REQUIRED("port", FER_TYPE_TEXT, port_place), INTO(fer_doc_pair, side.name)},      \
		{                                                                                  \
			OPTIONAL("mtu", FER_TYPE_NUMBER, mtu_place), INTO(fer_doc_pair, side.mtu), \
				.min = FER_DOC_MTU_MIN, .max = FER_DOC_MTU_MAX                     \
		}                                                                                  \
	}

static const struct fer_field host_fields[] =
	PORT_FIELDS(host, FER_PAIR_HOST_PORT, FER_PAIR_HOST_MTU);
static const struct fer_field wire_fields[] =
	PORT_FIELDS(wire, FER_PAIR_WIRE_PORT, FER_PAIR_WIRE_MTU);

static const struct fer_field link_control_fields[] = {
	{OPTIONAL("arp", FER_TYPE_WORD, FER_PAIR_ARP), INTO(fer_doc_pair, arp), .words = rules},
	{OPTIONAL("neighbour_discovery", FER_TYPE_WORD, FER_PAIR_ND),
		INTO(fer_doc_pair, neighbour_discovery), .words = rules},
	{OPTIONAL("other", FER_TYPE_WORD, FER_PAIR_OTHER), INTO(fer_doc_pair, other),
		.words = rules},
};

static const struct fer_schema host = SCHEMA(host_fields);
static const struct fer_schema wire = SCHEMA(wire_fields);
static const struct fer_schema link_control = SCHEMA(link_control_fields);

static const struct fer_field ike_peer = {.type = FER_TYPE_ADDRESS};
static const struct fer_field ike_word = {
	.type = FER_TYPE_WORD, INTO(fer_doc_pair, ike), .words = ikes};
static const struct fer_list ike_peers = {
	.item = &ike_peer,
	.count_offset = offsetof(struct fer_doc_pair, n_ike_peers),
	.most = FER_DOC_IKE_PEERS,
	.stride = sizeof(struct fer_addr),
	.no_repeat = true,
	.single = &ike_word,
};

static const struct fer_field pair_fields[] = {
	{OPTIONAL("name", FER_TYPE_NAME, FER_PAIR_NAME), INTO(fer_doc_pair, name)},
	{OPTIONAL("mode", FER_TYPE_WORD, FER_PAIR_MODE), INTO(fer_doc_pair, mode),
		.words = host_modes},
	{OPTIONAL("completions", FER_TYPE_WORD, FER_PAIR_COMPLETIONS),
		INTO(fer_doc_pair, completions), .words = completions},
	{OPTIONAL("delete_after_failures", FER_TYPE_NUMBER, FER_PAIR_DELETE_AFTER),
		INTO(fer_doc_pair, delete_after), .min = 0, .max = UINT16_MAX},
	{OPTIONAL("keywords", FER_TYPE_TEXT, FER_PAIR_KEYWORDS), INTO(fer_doc_pair, keywords)},
	{REQUIRED("host", FER_TYPE_MAPPING, FER_PAIR_HOST), .mapping = &host},
	{REQUIRED("wire", FER_TYPE_MAPPING, FER_PAIR_WIRE), .mapping = &wire},
	{OPTIONAL("queues", FER_TYPE_NUMBER, FER_PAIR_QUEUES), INTO(fer_doc_pair, n_queues),
		.min = 1, .max = FER_DOC_QUEUES},
	{OPTIONAL("capacity", FER_TYPE_NUMBER, FER_PAIR_CAPACITY), INTO(fer_doc_pair, capacity),
		.min = 1, .max = FER_DOC_CAPACITY_MAX},
	{OPTIONAL("ike", FER_TYPE_LIST, FER_PAIR_IKE), INTO(fer_doc_pair, ike_peers),
		.list = &ike_peers},
	{OPTIONAL("link_control", FER_TYPE_MAPPING, FER_PAIR_LINK_CONTROL),
		.mapping = &link_control},
	{OPTIONAL("clamp_mss", FER_TYPE_BOOL, FER_PAIR_CLAMP_MSS), INTO(fer_doc_pair, clamp_mss)},
	{OPTIONAL("nat_keepalive", FER_TYPE_NUMBER, FER_PAIR_NAT_KEEPALIVE),
		INTO(fer_doc_pair, nat_keepalive), .max = FER_DOC_NAT_KEEPALIVE_MAX},
};

static const struct fer_field control_fields[] = {
	{OPTIONAL("socket", FER_TYPE_TEXT, FER_ROOT_SOCKET), INTO(fer_doc, daemon.socket)},
	{OPTIONAL("group", FER_TYPE_TEXT, FER_ROOT_GROUP), INTO(fer_doc, daemon.group)},
};

static const struct fer_schema control = SCHEMA(control_fields);

static const struct fer_field eal_option = {.type = FER_TYPE_TEXT, .size = FER_DOC_EAL_BYTES};
static const struct fer_list eal_options = {
	.item = &eal_option,
	.count_offset = offsetof(struct fer_doc, daemon.n_eal),
	.most = FER_DOC_EAL_OPTIONS,
	.stride = FER_DOC_EAL_BYTES,
};

static const struct fer_field lcore = {
	.type = FER_TYPE_NUMBER, .size = sizeof(uint16_t), .max = FER_DOC_WORKERS - 1};
static const struct fer_field worker_count = {
	.type = FER_TYPE_NUMBER, INTO(fer_doc, daemon.n_workers), .min = 1, .max = FER_DOC_WORKERS};
static const struct fer_list workers = {
	.item = &lcore,
	.count_offset = offsetof(struct fer_doc, daemon.n_lcores),
	.most = FER_DOC_WORKERS,
	.stride = sizeof(uint16_t),
	.no_repeat = true,
	.single = &worker_count,
};

static const struct fer_field root_fields[] = {
	{OPTIONAL("legacy_algorithms", FER_TYPE_BOOL, FER_ROOT_LEGACY),
		INTO(fer_doc, legacy_algorithms)},
	{OPTIONAL("eal", FER_TYPE_LIST, FER_ROOT_EAL), INTO(fer_doc, daemon.eal),
		.list = &eal_options},
	{OPTIONAL("control", FER_TYPE_MAPPING, FER_ROOT_CONTROL), .mapping = &control},
	{OPTIONAL("workers", FER_TYPE_LIST, FER_ROOT_WORKERS), INTO(fer_doc, daemon.lcores),
		.list = &workers},
	{OPTIONAL("idle", FER_TYPE_WORD, FER_ROOT_IDLE), INTO(fer_doc, daemon.idle),
		.words = idles},
	{OPTIONAL("share_crypto", FER_TYPE_BOOL, FER_ROOT_SHARE_CRYPTO),
		INTO(fer_doc, daemon.share_crypto)},
	{OPTIONAL("pairs", FER_TYPE_PAIRS, FER_ROOT_PAIRS)},
	{OPTIONAL("sas", FER_TYPE_SAS, FER_ROOT_SAS)},
	{OPTIONAL("policies", FER_TYPE_POLICIES, FER_ROOT_POLICIES)},
};

const struct fer_schema fer_schema_root = SCHEMA(root_fields);
const struct fer_schema fer_schema_pair = SCHEMA(pair_fields);
const struct fer_schema fer_schema_sa = SCHEMA(sa_fields);
const struct fer_schema fer_schema_policy = SCHEMA(policy_fields);

const struct fer_field *fer_schema_find(const struct fer_schema *s, const char *key)
{
	for (unsigned i = 0; i < s->n_fields; i++)
		if (strcmp(s->fields[i].key, key) == 0)
			return &s->fields[i];
	return NULL;
}
