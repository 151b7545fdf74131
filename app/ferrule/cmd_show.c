// SPDX-License-Identifier: BSD-3-Clause
// Capabilities, ports and numbers.
#include "fields.h"
#include "pages.h"
#include "print.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

// --- capabilities -------------------------------------------------------------------------------

static void add_caps(struct json_object *list, const char *pair, const struct ndis_offload *offload)
{
	const struct ndis_ipsec_offload_v2 *c = &offload->ipsec_v2;
	struct json_object *o = add_object(list);

	put_text(o, "pair", pair);
	put_number(o, "sa_offload_capacity", c->sa_offload_capacity);
	put_number(o, "encryption_algorithms", c->encryption_algorithms);
	put_number(o, "authentication_algorithms", c->authentication_algorithms);
	put_bool(o, "esp", c->esp != 0);
	put_bool(o, "ah", c->ah != 0);
	put_bool(o, "ah_esp_combined", c->ah_esp_combined != 0);
	put_bool(o, "transport", c->transport != 0);
	put_bool(o, "tunnel", c->tunnel != 0);
	put_bool(o, "transport_tunnel_combined", c->transport_tunnel_combined != 0);
	put_bool(o, "ipv6", c->ipv6_supported != 0);
	put_bool(o, "ipv4_options", c->ipv4_options != 0);
	put_bool(o, "ipv6_extension_headers", c->ipv6_non_ipsec_extension_headers != 0);
	put_bool(o, "esn", c->extended_sequence_numbers != 0);
	put_bool(o, "lso", c->lso_supported != 0);
	put_number(o, "udp_esp", c->udp_esp);
	put_number(o, "encapsulation", c->encapsulation);
	fields_put(o, OID_TCP_OFFLOAD_CURRENT_CONFIG, offload, offload->header.size);
}

static bool ask_caps(
	struct session *s, const struct fer_msg_pair *p, uint32_t oid, struct ndis_offload *offload)
{
	struct fer_client_reply reply;
	struct fer_msg_fault fault;
	uint32_t status;

	if (!session_call(s, FER_MSG_TYPE_QUERY, oid, p->pair, NULL, &reply))
		return false;
	status = fer_msg_get_offload(reply.data, reply.len, offload, &fault);
	fer_client_reply_fini(&reply);
	return status == NDIS_STATUS_SUCCESS || complain("the daemon's answer %s", fault.why);
}

int verb_caps(struct session *s, const struct arguments *a)
{
	static const struct column columns[] = {
		{.member = "pair", .title = "PAIR"},
		{.member = "sa_offload_capacity", .title = "CAPACITY", .kind = COLUMN_NUMBER},
		{.member = "encryption_algorithms", .title = "ENCRYPTION", .kind = COLUMN_HEX},
		{.member = "authentication_algorithms",
			.title = "AUTHENTICATION",
			.kind = COLUMN_HEX},
		{.member = "esp", .title = "ESP"},
		{.member = "ah", .title = "AH"},
		{.member = "transport", .title = "TRANSPORT"},
		{.member = "tunnel", .title = "TUNNEL"},
		{.member = "transport_tunnel_combined", .title = "BOTH"},
		{.member = "ipv6", .title = "IPV6"},
		{.member = "esn", .title = "ESN"},
		{.member = "lso", .title = "LSO"},
		{.member = "udp_esp", .title = "UDP-ESP", .kind = COLUMN_HEX},
	};
	const bool is_default = a->kind != NULL && strcmp(a->kind, "default") == 0;
	const uint32_t oid = a->kind != NULL && strcmp(a->kind, "hardware") == 0
				     ? OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES
				     : OID_TCP_OFFLOAD_CURRENT_CONFIG;
	struct json_object *list = make_list();
	bool ok = session_open(s);

	for (uint32_t i = 0; ok && i < session_n_pairs(s); i++) {
		const struct fer_msg_pair p = session_pair(s, i);
		struct ndis_offload offload = p.default_offload;

		if (!session_is_chosen(s, i))
			continue;
		ok = is_default || ask_caps(s, &p, oid, &offload);
		if (ok)
			add_caps(list, p.name, &offload);
	}
	if (ok)
		return print_list(list, s->json, columns, N(columns)) ? EXIT_SUCCESS : EXIT_FAILURE;
	json_object_put(list);
	return EXIT_FAILURE;
}

// --- ports --------------------------------------------------------------------------------------

static void add_port(struct json_object *list, const char *pair, const void *element)
{
	const struct fer_msg_port *p = element;
	struct json_object *o = add_object(list);
	char mac[24];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2],
		p->mac[3], p->mac[4], p->mac[5]);
	put_text(o, "pair", pair);
	put_text(o, "role", p->role == FER_MSG_PORT_HOST ? "host" : "wire");
	put_text(o, "name", p->name);
	put_text(o, "mac", mac);
	put_number(o, "mtu", p->mtu);
	put_text(o, "link", p->link != 0 ? "up" : "down");
	put_number(o, "mbps", p->mbps);
}

int verb_ports(struct session *s, const struct arguments *a)
{
	static const struct column columns[] = {
		{.member = "pair", .title = "PAIR"},
		{.member = "role", .title = "ROLE"},
		{.member = "name", .title = "NAME"},
		{.member = "mac", .title = "MAC"},
		{.member = "mtu", .title = "MTU", .kind = COLUMN_NUMBER},
		{.member = "link", .title = "LINK"},
		{.member = "mbps", .title = "MBPS", .kind = COLUMN_NUMBER},
	};
	struct json_object *list = make_list();

	(void)a;
	if (session_open(s) &&
		pages_list(s, FER_MSG_PORT_LIST, sizeof(struct fer_msg_port), add_port, list))
		return print_list(list, s->json, columns, N(columns)) ? EXIT_SUCCESS : EXIT_FAILURE;
	json_object_put(list);
	return EXIT_FAILURE;
}

// --- numbers ------------------------------------------------------------------------------------

static void add_numbers(struct json_object *list, const char *pair, const struct fer_msg_numbers *t)
{
	for (uint32_t r = 0; r < t->n_rows; r++) {
		struct json_object *o = add_object(list);

		put_text(o, "pair", pair);
		put_text(o, "name", fer_msg_table_label(t, r));
		for (uint32_t c = 0; c < t->n_columns; c++) {
			const char *column = fer_msg_table_column(t, c);

			if (strcmp(column, "handle") == 0)
				put_handle(o, fer_msg_table_number(t, r, c));
			else
				put_number(o, column, fer_msg_table_number(t, r, c));
		}
	}
}

// The columns are those that the daemon has; those from `sparse` on are left out where all numbers
// are 0.
static bool print_numbers(struct json_object *list, bool json, unsigned sparse)
{
	struct column columns[64] = {
		{.member = "pair", .title = "PAIR"}, {.member = "name", .title = "NAME"}};
	unsigned n = 2;

	if (json || json_object_array_length(list) == 0)
		return print_list(list, json, columns, n);
	struct json_object *first = json_object_array_get_idx(list, 0);
	json_object_object_foreach(first, member, value)
	{
		(void)value;
		if (strcmp(member, "pair") == 0 || strcmp(member, "name") == 0 || n == N(columns))
			continue;
		columns[n] = (struct column){.member = member,
			.title = member,
			.kind = strcmp(member, "handle") == 0 ? COLUMN_TEXT : COLUMN_NUMBER,
			.if_any = n >= sparse};
		n++;
	}
	return print_list(list, false, columns, n);
}

int verb_stats(struct session *s, const struct arguments *a)
{
	static const struct {
		const char *kind;
		uint32_t oid;
		unsigned sparse;
	} kinds[] = {{"port", FER_MSG_STATS_PORT, 64}, {"sa", FER_MSG_STATS_SA, 6},
		{"worker", FER_MSG_STATS_WORKER, 64}, {"drops", FER_MSG_STATS_DROP, 3}};
	struct json_object *list = make_list();
	size_t k = 0;

	while (a->kind != NULL && k + 1 < N(kinds) && strcmp(a->kind, kinds[k].kind) != 0)
		k++;
	if (session_open(s) && pages_numbers(s, kinds[k].oid, add_numbers, list))
		return print_numbers(list, s->json, kinds[k].sparse) ? EXIT_SUCCESS : EXIT_FAILURE;
	json_object_put(list);
	return EXIT_FAILURE;
}

// --- version ------------------------------------------------------------------------------------

// Of the client; and of the daemon, where one answers.
int verb_version(struct session *s, const struct arguments *a)
{
	(void)a;
	if (!session_open(s))
		return EXIT_FAILURE;
	const struct fer_msg_hello *h = fer_client_hello(s->client);
	if (!s->json) {
		printf("client  ferrule %s\ndaemon  %.*s\n", FERRULE_VERSION,
			(int)sizeof(h->product), h->product);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	struct json_object *list = make_list(), *o = add_object(list);
	put_text(o, "client", "ferrule " FERRULE_VERSION);
	put_text(o, "daemon", h->product);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(list);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
