// SPDX-License-Identifier: BSD-3-Clause
// The verbs about SAs that are there.
#include "pages.h"
#include "print.h"
#include "verbs.h"

#include "proto/ip.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void put_address(
	struct json_object *o, const char *member, uint8_t version, const uint8_t bytes[16])
{
	struct fer_addr a = {.version = version};
	char text[FER_ADDR_TEXT_BYTES];

	memcpy(a.bytes, bytes, version == 4 ? 4 : 16);
	put_text(o, member, fer_addr_text(&a, text));
}

static void put_outer(struct json_object *o, const struct fer_msg_outer *outer)
{
	static const char *const dfs[] = {"copy", "set", "clear"};

	if (outer->ttl == 0) // no outbound tunnel
		return;
	if (outer->dscp == FER_MSG_DSCP_COPY)
		put_text(o, "outer_dscp", "copy");
	else
		put_number(o, "outer_dscp", outer->dscp);
	put_text(o, "outer_df", outer->df < N(dfs) ? dfs[outer->df] : "?");
	put_number(o, "outer_ttl", outer->ttl);
	if (outer->flow_label == FER_MSG_FLOW_LABEL_COPY)
		put_text(o, "outer_flow_label", "copy");
	else
		put_number(o, "outer_flow_label", outer->flow_label);
}

static void put_tfc(struct json_object *o, const struct fer_msg_sa_info *i)
{
	if (i->pad_to == FER_MSG_PAD_TO_MTU)
		put_text(o, "pad_to", "mtu");
	else if (i->pad_to != 0)
		put_number(o, "pad_to", i->pad_to);
	if (i->dummy_rate != 0)
		put_number(o, "dummy_rate", i->dummy_rate);
	if (i->dummy_rate != 0)
		put_number(o, "dummies", i->dummies);
}

// Limits that there are.
static void put_lifetime(struct json_object *o, const struct fer_msg_lifetime *l)
{
	const struct {
		const char *member;
		uint64_t limit;
	} limits[] = {{"soft_bytes", l->soft_bytes}, {"hard_bytes", l->hard_bytes},
		{"soft_packets", l->soft_packets}, {"hard_packets", l->hard_packets},
		{"soft_seconds", l->soft_seconds}, {"hard_seconds", l->hard_seconds}};

	for (size_t i = 0; i < N(limits); i++)
		if (limits[i].limit != 0)
			put_number(o, limits[i].member, limits[i].limit);
}

static void put_udp(struct json_object *o, const struct fer_msg_sa_info *i)
{
	if (i->udp_dport == 0)
		return;
	put_number(o, "udp_sport", i->udp_sport);
	put_number(o, "udp_dport", i->udp_dport);
	put_address(o, "peer", i->version, i->peer);
	put_number(o, "peer_port", i->peer_port);
}

static const char *state_of(const struct fer_msg_sa_info *i)
{
	if ((i->flags & FER_MSG_SA_STOPPED) != 0)
		return "stopped";
	if ((i->flags & FER_MSG_SA_DRAINING) != 0)
		return "draining";
	if (i->direction == FER_MSG_IN)
		return "live";
	return (i->flags & FER_MSG_SA_ACTIVE) != 0 ? "active" : "standby";
}

// Members of ESP, of AH, or of both.
static void put_headers(struct json_object *o, const struct fer_msg_sa_info *i)
{
	if (i->esp_spi != 0) {
		put_number(o, "spi", __builtin_bswap32(i->esp_spi));
		put_text(o, "encryption", i->esp_encryption);
		put_text(o, "integrity", i->esp_integrity[0] != '\0' ? i->esp_integrity : "none");
		put_number(o, "icv_bytes", i->icv_bytes);
	}
	if (i->ah_spi != 0) {
		put_number(o, "ah_spi", __builtin_bswap32(i->ah_spi));
		put_text(o, "ah_integrity", i->ah_integrity);
	}
}

static void add_sa(struct json_object *list, const char *pair, const void *element)
{
	const struct fer_msg_sa_info *i = element;
	struct json_object *o = add_object(list);

	put_text(o, "pair", pair);
	put_text(o, "name", i->name);
	put_text(o, "group", i->group);
	put_handle(o, i->handle);
	put_text(o, "direction", i->direction == FER_MSG_OUT ? "out" : "in");
	put_text(o, "mode", i->mode == FER_MSG_TUNNEL ? "tunnel" : "transport");
	put_address(o, "src", i->version, i->src);
	put_address(o, "dst", i->version, i->dst);
	put_headers(o, i);
	put_bool(o, "esn", (i->flags & FER_MSG_SA_ESN) != 0);
	put_text(o, "state", state_of(i));
	put_number(o, "sequence", i->sequence);
	if (i->direction == FER_MSG_IN)
		put_number(o, "replay_window", i->replay_window);
	put_number(o, "packets", i->packets);
	put_number(o, "bytes", i->bytes);
	put_number(o, "drops", i->drops);
	put_number(o, "added_ns", i->added_ns);
	put_bool(o, "soft_over", (i->flags & FER_MSG_SA_SOFT) != 0);
	put_lifetime(o, &i->lifetime);
	put_outer(o, &i->outer);
	put_tfc(o, i);
	put_udp(o, i);
}

int verb_sa_list(struct session *s, const struct arguments *a)
{
	static const struct column columns[] = {
		{.member = "pair", .title = "PAIR"},
		{.member = "name", .title = "NAME"},
		{.member = "group", .title = "GROUP"},
		{.member = "direction", .title = "DIR"},
		{.member = "mode", .title = "MODE"},
		{.member = "src", .title = "SRC"},
		{.member = "dst", .title = "DST"},
		{.member = "spi", .title = "SPI", .kind = COLUMN_HEX},
		{.member = "ah_spi", .title = "AH SPI", .kind = COLUMN_HEX, .if_any = true},
		{.member = "encryption", .title = "ENCRYPTION"},
		{.member = "state", .title = "STATE"},
		{.member = "packets", .title = "PACKETS", .kind = COLUMN_NUMBER},
		{.member = "bytes", .title = "BYTES", .kind = COLUMN_NUMBER},
		{.member = "drops", .title = "DROPS", .kind = COLUMN_NUMBER},
		{.member = "handle", .title = "HANDLE"},
	};
	struct json_object *list = make_list();

	(void)a;
	if (session_open(s) &&
		pages_list(s, FER_MSG_SA_LIST, sizeof(struct fer_msg_sa_info), add_sa, list))
		return print_list(list, s->json, columns, N(columns)) ? EXIT_SUCCESS : EXIT_FAILURE;
	json_object_put(list);
	return EXIT_FAILURE;
}

// --- by reference -------------------------------------------------------------------------------

// A handle is written as it is listed, 0x and digits; everything else is a name.
static struct fer_msg_sa_ref parse_ref(const char *word)
{
	struct fer_msg_sa_ref ref = {.handle = 0};
	char *end;

	if (strncmp(word, "0x", 2) == 0) {
		errno = 0;
		ref.handle = strtoull(word, &end, 16);
		if (errno == 0 && *end == '\0' && end != word + 2 && ref.handle != 0)
			return ref;
		ref.handle = 0;
	}
	fer_msg_set_string(ref.name, sizeof(ref.name), word);
	return ref;
}

static bool call_refs(struct session *s, const struct arguments *a, enum fer_msg_type type,
	uint32_t oid, struct fer_client_reply *reply)
{
	const struct session_words about = {.words = a->words, .n = (uint32_t)a->n};
	struct fer_msg_buf b = {0};
	uint16_t pair;

	fer_msg_put_list(&b, sizeof(struct fer_msg_sa_ref));
	for (int i = 0; i < a->n; i++) {
		const struct fer_msg_sa_ref ref = parse_ref(a->words[i]);

		if (strlen(a->words[i]) >= sizeof(ref.name)) {
			fer_msg_buf_fini(&b);
			return complain("%.70s...: too long for a name", a->words[i]);
		}
		fer_msg_put_element(&b, &ref, sizeof(ref));
	}
	if (session_open(s) && session_choose(s, NULL, &pair))
		return session_call_about(s, &about, type, oid, pair, &b, reply);
	fer_msg_buf_fini(&b);
	return false;
}

static int set_refs(struct session *s, const struct arguments *a, uint32_t oid)
{
	struct fer_client_reply reply;

	if (!call_refs(s, a, FER_MSG_TYPE_SET, oid, &reply))
		return EXIT_FAILURE;
	fer_client_reply_fini(&reply);
	return EXIT_SUCCESS;
}

int verb_sa_activate(struct session *s, const struct arguments *a)
{
	return set_refs(s, a, FER_MSG_SA_ACTIVATE);
}

int verb_sa_delete(struct session *s, const struct arguments *a)
{
	return set_refs(s, a, FER_MSG_SA_DELETE);
}

static void print_members(struct json_object *o)
{
	json_object_object_foreach(o, member, value)
	{
		if (strcmp(member, "spi") == 0 || strcmp(member, "ah_spi") == 0)
			printf("%-16s  0x%08" PRIx64 "\n", member, json_object_get_uint64(value));
		else
			printf("%-16s  %s\n", member, json_object_get_string(value));
	}
}

// The one SA that is named.  False: it was told why not.
static bool ask_one(struct session *s, const struct arguments *a, struct fer_msg_sa_info *info)
{
	struct fer_client_reply reply = {0};
	struct fer_msg_array array;
	struct fer_msg_fault fault;
	bool ok;

	if (!call_refs(s, a, FER_MSG_TYPE_QUERY, FER_MSG_SA_SHOW, &reply))
		return false;
	ok = fer_msg_get_list(reply.data, reply.len, sizeof(*info), &array, &fault) ==
		     NDIS_STATUS_SUCCESS &&
	     array.n == 1;
	if (ok)
		fer_msg_list_at(&array, 0, info, sizeof(*info));
	else
		complain("the daemon's answer makes no sense");
	fer_client_reply_fini(&reply);
	return ok;
}

int verb_sa_show(struct session *s, const struct arguments *a)
{
	struct fer_msg_sa_info info;
	struct json_object *list;
	struct fer_msg_pair only;

	if (!ask_one(s, a, &info))
		return EXIT_FAILURE;
	only = session_pair(s, 0); // where none was chosen there is only one
	list = make_list();
	add_sa(list, s->pair_name != NULL ? s->pair_name : only.name, &info);
	if (s->json)
		puts(json_object_to_json_string_ext(
			json_object_array_get_idx(list, 0), JSON_C_TO_STRING_PLAIN));
	else
		print_members(json_object_array_get_idx(list, 0));
	json_object_put(list);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool update(struct session *s, const struct arguments *a, const struct fer_msg_sa_info *info,
	uint32_t operation, uint32_t spi)
{
	const struct session_words about = {.words = a->words, .n = (uint32_t)a->n};
	const struct fer_msg_update u = {.handle = info->handle,
		.operation = operation,
		.spi = __builtin_bswap32(spi),
		.sequence_high = a->sequence_high};
	struct fer_client_reply reply;
	struct fer_msg_buf b = {0};
	uint16_t pair;

	fer_msg_put_update_sa(&b, &u);
	if (!session_choose(s, NULL, &pair) ||
		!session_call_about(s, &about, FER_MSG_TYPE_SET,
			OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA, pair, &b, &reply))
		return false;
	fer_client_reply_fini(&reply);
	return true;
}

// Of a bundle both: they count for themselves.
int verb_sa_update(struct session *s, const struct arguments *a)
{
	struct fer_msg_sa_info info;
	bool ok = ask_one(s, a, &info);

	if (ok && info.esp_spi != 0)
		ok = update(s, a, &info, IPSEC_OFFLOAD_V2_OPERATION_ESP, info.esp_spi);
	if (ok && info.ah_spi != 0)
		ok = update(s, a, &info, IPSEC_OFFLOAD_V2_OPERATION_AH, info.ah_spi);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
