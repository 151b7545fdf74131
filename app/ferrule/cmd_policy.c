// SPDX-License-Identifier: BSD-3-Clause
// The verbs about policies that are there.
#include "pages.h"
#include "print.h"
#include "verbs.h"

#include "proto/ip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define HOST_BITS(version) ((version) == 4 ? 32 : 128)

static void put_prefix(struct json_object *o, const char *member, uint8_t version,
	const uint8_t bytes[16], uint8_t len)
{
	struct fer_addr a = {.version = version};
	char address[FER_ADDR_TEXT_BYTES], text[FER_ADDR_TEXT_BYTES + 8];

	memcpy(a.bytes, bytes, version == 4 ? 4 : 16);
	fer_addr_text(&a, address);
	if (version == 0 || len == HOST_BITS(version))
		snprintf(text, sizeof(text), "%s", address);
	else
		snprintf(text, sizeof(text), "%s/%u", address, len);
	put_text(o, member, text);
}

static void put_ports(struct json_object *o, const char *member, uint16_t first, uint16_t last)
{
	char text[16];

	if (first == 0 && last == UINT16_MAX)
		snprintf(text, sizeof(text), "any");
	else if (first == last)
		snprintf(text, sizeof(text), "%u", first);
	else
		snprintf(text, sizeof(text), "%u-%u", first, last);
	put_text(o, member, text);
}

static void put_or_any(struct json_object *o, const char *member, uint16_t number)
{
	if (number == FER_MSG_ANY)
		put_text(o, member, "any");
	else
		put_number(o, member, number);
}

static void add_policy(struct json_object *list, const char *pair, const void *element)
{
	static const char *const actions[] = {"protect", "bypass", "discard"};
	const struct fer_msg_policy *p = element;
	struct json_object *o = add_object(list), *groups = make_list();
	const unsigned n =
		p->n_groups < FER_MSG_POLICY_GROUPS ? p->n_groups : FER_MSG_POLICY_GROUPS;

	put_text(o, "pair", pair);
	put_text(o, "name", p->name);
	put_number(o, "priority", p->priority);
	put_text(o, "direction", p->direction == FER_MSG_OUT ? "out" : "in");
	put_prefix(o, "src", p->src_version, p->src, p->src_len);
	put_prefix(o, "dst", p->dst_version, p->dst, p->dst_len);
	put_or_any(o, "protocol", p->protocol);
	put_ports(o, "sport", p->sport_first, p->sport_last);
	put_ports(o, "dport", p->dport_first, p->dport_last);
	put_or_any(o, "icmp_type", p->icmp_type);
	put_text(o, "action", p->action < N(actions) ? actions[p->action] : "?");
	for (unsigned g = 0; g < n; g++)
		json_object_array_add(groups, json_object_new_string(p->group[g]));
	json_object_object_add(o, "sas", groups);
}

int verb_policy_list(struct session *s, const struct arguments *a)
{
	static const struct column columns[] = {
		{.member = "pair", .title = "PAIR"},
		{.member = "name", .title = "NAME"},
		{.member = "priority", .title = "PRIORITY", .kind = COLUMN_NUMBER},
		{.member = "direction", .title = "DIR"},
		{.member = "src", .title = "SRC"},
		{.member = "dst", .title = "DST"},
		{.member = "protocol", .title = "PROTOCOL"},
		{.member = "sport", .title = "SPORT"},
		{.member = "dport", .title = "DPORT"},
		{.member = "icmp_type", .title = "ICMP"},
		{.member = "action", .title = "ACTION"},
		{.member = "sas", .title = "SAS"},
	};
	struct json_object *list = make_list();

	(void)a;
	if (session_open(s) &&
		pages_list(s, FER_MSG_POLICY_LIST, sizeof(struct fer_msg_policy), add_policy, list))
		return print_list(list, s->json, columns, N(columns)) ? EXIT_SUCCESS : EXIT_FAILURE;
	json_object_put(list);
	return EXIT_FAILURE;
}

int verb_policy_delete(struct session *s, const struct arguments *a)
{
	const struct session_words about = {.words = a->words, .n = (uint32_t)a->n};
	struct fer_msg_policy_ref ref;
	struct fer_client_reply reply;
	struct fer_msg_buf b = {0};
	uint16_t pair;

	for (int i = 0; i < a->n; i++)
		if (strlen(a->words[i]) >= sizeof(ref.name)) {
			complain("%.70s...: too long for a name", a->words[i]);
			return EXIT_FAILURE;
		}
	if (!session_open(s) || !session_choose(s, NULL, &pair))
		return EXIT_FAILURE;
	fer_msg_put_list(&b, sizeof(ref));
	for (int i = 0; i < a->n; i++) {
		fer_msg_set_string(ref.name, sizeof(ref.name), a->words[i]);
		fer_msg_put_element(&b, &ref, sizeof(ref));
	}
	if (!session_call_about(
		    s, &about, FER_MSG_TYPE_SET, FER_MSG_POLICY_DELETE, pair, &b, &reply))
		return EXIT_FAILURE;
	fer_client_reply_fini(&reply);
	return EXIT_SUCCESS;
}
