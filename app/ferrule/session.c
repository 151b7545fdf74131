// SPDX-License-Identifier: BSD-3-Clause
#include "session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_MS 5000
#define CALL_MS 120000 // a large classifier takes its time

bool complain(const char *format, ...)
{
	va_list args;

	fputs("ferrule: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return false;
}

bool session_open(struct session *s)
{
	int error = fer_client_open(s->path, CONNECT_MS, &s->client);

	if (error == 0 || s->is_quiet)
		return error == 0;
	if (error == -ENOENT || error == -ECONNREFUSED)
		return complain("%s: no daemon listens there", s->path);
	if (error == -EPROTO)
		return complain("%s: who listens there is no ferruled of this version", s->path);
	return complain("%s: %s", s->path, strerror(-error));
}

void session_close(struct session *s)
{
	fer_client_close(s->client);
	s->client = NULL;
}

uint32_t session_n_pairs(const struct session *s)
{
	return fer_client_hello(s->client)->n_pairs;
}

struct fer_msg_pair session_pair(const struct session *s, uint32_t i)
{
	struct fer_msg_pair p;

	fer_client_pair(s->client, i, &p);
	p.name[sizeof(p.name) - 1] = '\0';
	return p;
}

bool session_is_chosen(const struct session *s, uint32_t i)
{
	const struct fer_msg_pair p = session_pair(s, i);

	return s->pair_name == NULL || strcmp(p.name, s->pair_name) == 0;
}

bool session_choose(const struct session *s, const char *name, uint16_t *pair)
{
	const uint32_t n = session_n_pairs(s);

	if (name == NULL || name[0] == '\0')
		name = s->pair_name;
	if (name == NULL && n == 1) {
		*pair = session_pair(s, 0).pair;
		return true;
	}
	if (name == NULL)
		return complain("the daemon has %u pairs: choose one with --pair", n);
	for (uint32_t i = 0; i < n; i++) {
		const struct fer_msg_pair p = session_pair(s, i);

		if (strcmp(p.name, name) != 0)
			continue;
		*pair = p.pair;
		return true;
	}
	return complain("the daemon has no pair %s", name);
}

bool session_try(struct session *s, enum fer_msg_type type, uint32_t oid, uint16_t pair,
	struct fer_msg_buf *b, struct fer_client_reply *reply)
{
	const struct fer_client_request q = {.oid = oid,
		.type = type,
		.pair = pair,
		.data = b == NULL ? NULL : b->bytes,
		.len = b == NULL ? 0 : b->len};
	int error =
		b != NULL && b->failed ? -ENOMEM : fer_client_call(s->client, &q, CALL_MS, reply);

	if (b != NULL)
		fer_msg_buf_fini(b);
	return error == 0 || complain("%s: %s", s->path, strerror(-error));
}

// Which of the words a refusal is about: one alone is, whatever else was asked; NULL: none.
static const char *word_of(const struct fer_msg_refusal *r, const struct session_words *about)
{
	if (r->element < about->n)
		return about->words[r->element];
	return about->n == 1 ? about->words[0] : NULL;
}

static void tell_refusal(const struct fer_client_reply *reply, const struct session_words *about)
{
	struct fer_msg_refusal r;
	struct fer_msg_fault fault;
	char text[FER_CLIENT_REASON_BYTES];
	const char *word = NULL;

	if (fer_msg_get_refusal(reply->data, reply->len, &r, &fault) == NDIS_STATUS_SUCCESS &&
		r.text[0] != '\0')
		word = word_of(&r, about);
	if (word != NULL)
		complain("%s: %s", word, r.text);
	else
		complain("%s", fer_client_reason(reply, text));
}

bool session_call_about(struct session *s, const struct session_words *about,
	enum fer_msg_type type, uint32_t oid, uint16_t pair, struct fer_msg_buf *b,
	struct fer_client_reply *reply)
{
	if (!session_try(s, type, oid, pair, b, reply))
		return false;
	if (reply->header.status == NDIS_STATUS_SUCCESS)
		return true;
	tell_refusal(reply, about);
	fer_client_reply_fini(reply);
	return false;
}

bool session_call(struct session *s, enum fer_msg_type type, uint32_t oid, uint16_t pair,
	struct fer_msg_buf *b, struct fer_client_reply *reply)
{
	const struct session_words none = {.n = 0};

	return session_call_about(s, &none, type, oid, pair, b, reply);
}
