// SPDX-License-Identifier: BSD-3-Clause
#include "pages.h"

#include <string.h>

#define MAX_ELEMENT_BYTES 1024

struct pages {
	struct session *session;
	uint32_t oid;
	size_t element_bytes; // 0: tables
	pages_element *add_element;
	pages_table *add_table;
	struct json_object *list;
};

static bool take_list(const struct pages *p, const char *pair, const struct fer_client_reply *reply,
	uint64_t *cursor)
{
	uint64_t element[MAX_ELEMENT_BYTES / sizeof(uint64_t)];
	struct fer_msg_array array;
	struct fer_msg_fault fault;

	if (fer_msg_get_list(reply->data, reply->len, p->element_bytes, &array, &fault) !=
		NDIS_STATUS_SUCCESS)
		return complain("the daemon's answer %s", fault.why);
	for (uint32_t i = 0; i < array.n; i++) {
		fer_msg_list_at(&array, i, element, p->element_bytes);
		p->add_element(p->list, pair, element);
	}
	*cursor = array.cursor;
	return true;
}

static bool take_table(const struct pages *p, const char *pair,
	const struct fer_client_reply *reply, uint64_t *cursor)
{
	struct fer_msg_numbers t;
	struct fer_msg_fault fault;

	if (fer_msg_get_table(reply->data, reply->len, &t, &fault) != NDIS_STATUS_SUCCESS)
		return complain("the daemon's answer %s", fault.why);
	p->add_table(p->list, pair, &t);
	*cursor = t.cursor;
	return true;
}

static bool ask_pair(const struct pages *p, const struct fer_msg_pair *pair)
{
	uint64_t cursor = 0;
	bool ok;

	do {
		struct fer_client_reply reply;
		struct fer_msg_buf b = {0};

		fer_msg_put_page(&b, cursor, 0);
		if (!session_call(p->session, FER_MSG_TYPE_QUERY, p->oid, pair->pair, &b, &reply))
			return false;
		ok = p->element_bytes != 0 ? take_list(p, pair->name, &reply, &cursor)
					   : take_table(p, pair->name, &reply, &cursor);
		fer_client_reply_fini(&reply);
	} while (ok && cursor != 0);
	return ok;
}

static bool ask(const struct pages *p)
{
	bool is_any = false;

	for (uint32_t i = 0; i < session_n_pairs(p->session); i++) {
		const struct fer_msg_pair pair = session_pair(p->session, i);

		if (!session_is_chosen(p->session, i))
			continue;
		is_any = true;
		if (!ask_pair(p, &pair))
			return false;
	}
	return is_any || complain("the daemon has no pair %s", p->session->pair_name);
}

bool pages_list(struct session *s, uint32_t oid, size_t element_bytes, pages_element *add,
	struct json_object *list)
{
	const struct pages p = {.session = s,
		.oid = oid,
		.element_bytes = element_bytes,
		.add_element = add,
		.list = list};

	return ask(&p);
}

bool pages_numbers(struct session *s, uint32_t oid, pages_table *add, struct json_object *list)
{
	const struct pages p = {.session = s, .oid = oid, .add_table = add, .list = list};

	return ask(&p);
}
