// SPDX-License-Identifier: BSD-3-Clause
// Prints indications as they come, one a line, until the daemon hangs up or a signal ends it.
#include "print.h"
#include "verbs.h"

#include "proto/ip.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *event_name(uint32_t kind)
{
	static const char *const names[] = {"status", "soft_lifetime", "hard_lifetime",
		"seq_exhausted", "delete_request", "no_sa", "bad_icv", "replay", "policy_mismatch",
		"fragment", "peer_moved"};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "?";
}

static void put_address(
	struct json_object *o, const char *member, uint8_t version, const uint8_t bytes[16])
{
	struct fer_addr a = {.version = version};
	char text[FER_ADDR_TEXT_BYTES];

	if (version != 4 && version != 6)
		return;
	memcpy(a.bytes, bytes, version == 4 ? 4 : 16);
	put_text(o, member, fer_addr_text(&a, text));
}

static void put_event(struct json_object *o, const struct fer_msg_event *e)
{
	put_text(o, "event", event_name(e->kind));
	put_number(o, "time_ns", e->time_ns);
	if (e->handle != 0) {
		put_text(o, "name", e->name);
		put_handle(o, e->handle);
	}
	put_number(o, "spi", __builtin_bswap32(e->spi));
	put_number(o, "protocol", e->protocol);
	put_address(o, "src", e->version, e->src);
	if (e->kind == FER_MSG_EVENT_PEER_MOVED)
		put_number(o, "sport", e->sport);
	put_address(o, "dst", e->version, e->dst);
	put_number(o, "number", e->number);
	put_number(o, "flow_label", e->flow_label);
	put_number(o, "suppressed", e->suppressed);
}

static bool print_text(struct json_object *o)
{
	const char *between = "";

	json_object_object_foreach(o, member, value)
	{
		if (strcmp(member, "spi") == 0)
			printf("%sspi=0x%08" PRIx64, between, json_object_get_uint64(value));
		else
			printf("%s%s=%s", between, member, json_object_get_string(value));
		between = " ";
	}
	putchar('\n');
	json_object_put(o);
	return fflush(stdout) == 0;
}

static bool print_indication(const struct session *s, const struct fer_client_reply *i)
{
	struct json_object *list = make_list(), *o = json_object_get(add_object(list));
	struct fer_msg_event e;
	struct fer_msg_fault fault;

	json_object_put(list);
	for (uint32_t p = 0; p < session_n_pairs(s); p++)
		if (session_pair(s, p).pair == i->header.pair)
			put_text(o, "pair", session_pair(s, p).name);
	put_number(o, "indication", i->header.id);
	if (i->header.status == FER_MSG_STATUS_EVENT &&
		fer_msg_get_event(i->data, i->len, &e, &fault) == NDIS_STATUS_SUCCESS)
		put_event(o, &e);
	else
		put_number(o, "status", i->header.status);
	return s->json ? print_json(o) : print_text(o);
}

static bool subscribe(struct session *s)
{
	struct fer_client_reply reply;
	struct fer_msg_buf b = {0};
	uint16_t pair = FER_MSG_ALL_PAIRS;

	if (s->pair_name != NULL && !session_choose(s, NULL, &pair))
		return false;
	fer_msg_put_subscribe(&b, FER_MSG_EVENTS_ALL);
	if (!session_call(s, FER_MSG_TYPE_SET, FER_MSG_SUBSCRIBE, pair, &b, &reply))
		return false;
	fer_client_reply_fini(&reply);
	return true;
}

int verb_watch(struct session *s, const struct arguments *a)
{
	struct fer_client_reply i;
	int error;
	bool ok;

	(void)a;
	if (!session_open(s) || !subscribe(s))
		return EXIT_FAILURE;
	do {
		error = fer_client_indication(s->client, -1, &i);
		ok = error == 0 && print_indication(s, &i);
		if (error == 0)
			fer_client_reply_fini(&i);
	} while (ok);
	if (error != 0)
		complain("%s: %s", s->path, strerror(-error));
	return EXIT_FAILURE;
}
