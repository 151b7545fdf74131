// SPDX-License-Identifier: BSD-3-Clause
// The verbs that read a document: sa add, sa swap, policy add.
#include "message.h"
#include "print.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_BYTES 48

// What a document has of one kind, for one pair.
struct load {
	struct fer_doc *doc;
	const char *list; // "sas", "policies"
	uint32_t *places; // in that list; n of them
	uint32_t n;
	const char *pair; // as the document names it; empty: it does not
	uint16_t pair_number;
};

static void load_fini(struct load *l)
{
	free(l->places);
	fer_doc_destroy(l->doc);
}

static bool is_sas(const struct load *l)
{
	return strcmp(l->list, "sas") == 0;
}

static uint32_t pair_of(const struct load *l, uint32_t i)
{
	return is_sas(l) ? l->doc->sas[i].pair : l->doc->policies[i].pair;
}

static uint32_t line_of(const struct load *l, uint32_t i)
{
	return is_sas(l) ? l->doc->sas[i].line : l->doc->policies[i].line;
}

static bool tell_empty(const struct load *l, uint32_t n, const char *chosen)
{
	struct fer_doc_error err;
	char why[FER_MSG_NAME_BYTES + 32] = "is missing, or empty";

	if (n != 0)
		snprintf(why, sizeof(why), "has none for the pair %.63s", chosen);
	fer_doc_error_set(&err, l->doc->name, 1, l->list, why);
	fprintf(stderr, "%s\n", err.text);
	return false;
}

// A request is for one pair, and only a request is all or nothing.
static bool take(struct load *l, const char *chosen)
{
	const uint32_t n = is_sas(l) ? l->doc->n_sas : l->doc->n_policies;

	l->places = calloc(n + 1u, sizeof(l->places[0]));
	if (l->places == NULL)
		return complain("no memory");
	for (uint32_t i = 0; i < n; i++) {
		const char *name = l->doc->pairs[pair_of(l, i)].name;

		if (chosen != NULL && name[0] != '\0' && strcmp(name, chosen) != 0)
			continue;
		if (l->n > 0 && strcmp(name, l->pair) != 0)
			return complain(
				"%s is for several pairs: choose one with --pair", l->doc->name);
		l->pair = name;
		l->places[l->n++] = i;
	}
	return l->n > 0 || tell_empty(l, n, chosen);
}

static bool load(struct session *s, const char *file, struct load *l)
{
	struct fer_doc_error err;

	if (fer_doc_load_part(file, &l->doc, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return false;
	}
	return take(l, s->pair_name) && session_open(s) &&
	       session_choose(s, l->pair, &l->pair_number);
}

// Which part of an element the daemon means: "sas[1]: why" becomes why, with *line and the end of
// field set to those of the group that a policy names.  All else is said of the element.
static const char *find_part(const struct load *l, uint32_t at, const char *text, uint32_t *line,
	char field[FIELD_BYTES])
{
	for (uint32_t g = 0; !is_sas(l) && g < l->doc->policies[at].n_groups; g++) {
		char part[16];
		const size_t len = (size_t)snprintf(part, sizeof(part), "sas[%u]: ", g);

		if (strncmp(text, part, len) != 0)
			continue;
		*line = l->doc->policies[at].group_lines[g];
		snprintf(field + strlen(field), FIELD_BYTES - strlen(field), ".sas[%u]", g);
		return text + len;
	}
	return text;
}

// Where in the document is what the daemon did not like?
static bool tell_refusal(const struct load *l, const struct fer_client_reply *reply)
{
	struct fer_msg_refusal r;
	struct fer_msg_fault fault;
	struct fer_doc_error err;
	char text[FER_CLIENT_REASON_BYTES], field[FIELD_BYTES];
	const char *why;
	uint32_t at, line;

	if (fer_msg_get_refusal(reply->data, reply->len, &r, &fault) != NDIS_STATUS_SUCCESS ||
		r.element >= l->n)
		return complain("%s", fer_client_reason(reply, text));
	at = l->places[r.element];
	line = line_of(l, at);
	snprintf(field, sizeof(field), "%s[%u]", l->list, at);
	why = find_part(l, at, r.text, &line, field);
	fer_doc_error_set(&err, l->doc->name, line, field, why);
	fprintf(stderr, "%s\n", err.text);
	return false;
}

static bool send(struct session *s, const struct load *l, uint32_t oid, struct fer_msg_buf *b,
	struct fer_client_reply *reply)
{
	if (!session_try(s, FER_MSG_TYPE_SET, oid, l->pair_number, b, reply))
		return false;
	if (reply->header.status == NDIS_STATUS_SUCCESS)
		return true;
	(void)tell_refusal(l, reply);
	fer_client_reply_fini(reply);
	return false;
}

static bool print_added(
	const struct session *s, const struct load *l, const struct fer_client_reply *reply)
{
	struct json_object *list;

	if (!s->json)
		return true;
	list = make_list();
	for (uint32_t i = 0; i < l->n; i++) {
		struct json_object *o = add_object(list);

		put_text(o, "name", l->doc->sas[l->places[i]].name);
		put_handle(o, fer_msg_handle_at(reply->data, reply->len, i));
	}
	return print_json(list);
}

static int add_sas(struct session *s, const struct arguments *a, uint32_t oid)
{
	struct load l = {.list = "sas"};
	struct fer_client_reply reply;
	struct fer_msg_buf b = {0};
	bool ok = load(s, a->file, &l);

	if (ok) {
		if (oid == FER_MSG_SA_SWAP)
			fer_msg_put_sa_swap(&b, a->drain_ms);
		else
			fer_msg_put_sa_add(&b);
		for (uint32_t i = 0; i < l.n; i++)
			message_put_sa(&b, l.doc, &l.doc->sas[l.places[i]]);
		ok = send(s, &l, oid, &b, &reply);
	}
	if (ok) {
		ok = print_added(s, &l, &reply);
		fer_client_reply_fini(&reply);
	}
	load_fini(&l);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int verb_sa_add(struct session *s, const struct arguments *a)
{
	return add_sas(s, a, FER_MSG_SA_ADD);
}

int verb_sa_swap(struct session *s, const struct arguments *a)
{
	return add_sas(s, a, FER_MSG_SA_SWAP);
}

int verb_policy_add(struct session *s, const struct arguments *a)
{
	struct load l = {.list = "policies"};
	struct fer_client_reply reply;
	struct fer_msg_buf b = {0};
	bool ok = load(s, a->file, &l);

	if (ok) {
		fer_msg_put_list(&b, sizeof(struct fer_msg_policy));
		for (uint32_t i = 0; i < l.n; i++)
			message_put_policy(&b, l.doc, &l.doc->policies[l.places[i]]);
		ok = send(s, &l, FER_MSG_POLICY_ADD, &b, &reply);
	}
	if (ok)
		fer_client_reply_fini(&reply);
	load_fini(&l);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
