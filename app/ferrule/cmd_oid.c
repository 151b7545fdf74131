// SPDX-License-Identifier: BSD-3-Clause
// Sends information buffers as they are, for those who write drivers, and says what came back.
#include "fields.h"
#include "hexdump.h"
#include "print.h"
#include "verbs.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MS 120000
#define MAX_FILE_BYTES ((size_t)FER_MSG_MAX_BYTES * 4) // hex digits, and what stands around them

struct request {
	uint32_t oid;
	enum fer_msg_type type; // 0: as the OID wants it
	uint32_t room;          // of a query; 0: as much as there may be
	struct hexdump data;
};

struct oid_run {
	struct session *session;
	const char *file;
	uint16_t pair;
	struct json_object *list; // of results
	struct request request;   // at hand
	bool has_request;
	unsigned n;
	bool failed; // one was refused
};

// --- sending ----------------------------------------------------------------------------------

// Queries of ours may carry data; of the contract's, what carries data is a set.
static enum fer_msg_type type_of(const struct request *q)
{
	switch (q->oid) {
#define TYPE(name, number, kind, takes, answers)                                                   \
	case FER_MSG_##name:                                                                       \
		return FER_MSG_TYPE_##kind;
		FER_MSG_OIDS(TYPE)
#undef TYPE
	default:
		return q->data.len > 0 ? FER_MSG_TYPE_SET : FER_MSG_TYPE_QUERY;
	}
}

static void put_data(struct json_object *o, const struct fer_client_reply *reply)
{
	char *text = calloc(2 * reply->len + 1, 1);

	for (size_t i = 0; text != NULL && i < reply->len; i++)
		snprintf(text + 2 * i, 3, "%02x", ((const uint8_t *)reply->data)[i]);
	if (text != NULL)
		put_text(o, "data", text);
	free(text);
}

static void put_reply(
	struct json_object *o, const struct request *q, const struct fer_client_reply *reply)
{
	const struct fer_msg_header *h = &reply->header;
	char text[FER_CLIENT_REASON_BYTES];

	snprintf(text, sizeof(text), "0x%08" PRIx32, h->status);
	put_text(o, "status", fer_client_status_name(h->status));
	put_text(o, "status_code", text);
	if (h->status != NDIS_STATUS_SUCCESS) {
		put_text(o, "reason", fer_client_reason(reply, text));
		put_number(o, "BytesNeeded", h->bytes_needed);
		return;
	}
	put_number(o, q->type == FER_MSG_TYPE_QUERY ? "BytesWritten" : "BytesRead", h->bytes_done);
	if (q->type == FER_MSG_TYPE_SET)
		put_number(o, "SupportedRevision", h->revision);
	fields_put(o, q->oid, reply->data, reply->len);
	put_data(o, reply);
}

static bool print_result(const struct oid_run *run, struct json_object *o)
{
	if (run->session->json)
		return true;
	json_object_object_foreach(o, member, value)
	{
		if (strcmp(member, "request") == 0)
			printf("%s%s:", run->n > 1 ? "\n" : "", json_object_get_string(value));
		else if (strcmp(member, "oid") == 0 || strcmp(member, "type") == 0)
			printf(" %s", json_object_get_string(value));
		else
			printf("\n  %-48s %s", member, json_object_get_string(value));
	}
	putchar('\n');
	return fflush(stdout) == 0;
}

// Sends what has been read, if there is something.
static bool send_request(struct oid_run *run)
{
	struct request *q = &run->request;
	const char *name = fields_oid_name(q->oid);
	struct fer_client_reply reply;
	char number[16];

	if (!run->has_request)
		return true;
	run->has_request = false;
	q->type = q->type != 0 ? q->type : type_of(q);
	const struct fer_client_request request = {.oid = q->oid,
		.type = q->type,
		.pair = run->pair,
		.room = q->type == FER_MSG_TYPE_QUERY ? q->room : 0,
		.data = q->data.bytes,
		.len = q->data.len};
	int error = fer_client_call(run->session->client, &request, CALL_MS, &reply);
	hexdump_fini(&q->data);
	if (error != 0)
		return complain("%s: %s", run->session->path, strerror(-error));
	struct json_object *o = add_object(run->list);
	snprintf(number, sizeof(number), "0x%08" PRIx32, q->oid);
	put_number(o, "request", ++run->n);
	put_text(o, "oid", name != NULL ? name : number);
	put_text(o, "type", q->type == FER_MSG_TYPE_SET ? "set" : "query");
	put_reply(o, q, &reply);
	if (reply.header.status != NDIS_STATUS_SUCCESS && !run->failed) {
		char text[FER_CLIENT_REASON_BYTES];

		run->failed = true;
		complain("request %u: %s", run->n, fer_client_reason(&reply, text));
	}
	fer_client_reply_fini(&reply);
	return print_result(run, o);
}

// --- reading ----------------------------------------------------------------------------------

static bool begin(struct oid_run *run, uint32_t oid)
{
	if (!send_request(run))
		return false;
	run->request = (struct request){.oid = oid};
	run->has_request = true;
	return true;
}

// 0: there is no such OID.
static uint32_t read_oid(const char *word)
{
	char *end;
	unsigned long long number;

	if (word[0] != '0')
		return fields_oid(word);
	errno = 0;
	number = strtoull(word, &end, 0);
	return *end == '\0' && errno == 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static bool read_room(struct request *q, const char *number)
{
	char *end;
	const unsigned long room = strtoul(number, &end, 10);

	q->room = (uint32_t)room;
	return isdigit((unsigned char)number[0]) && *end == '\0' && room <= UINT32_MAX;
}

static bool read_option(struct request *q, const char *word)
{
	if (strcmp(word, "set") == 0)
		q->type = FER_MSG_TYPE_SET;
	else if (strcmp(word, "query") == 0)
		q->type = FER_MSG_TYPE_QUERY;
	else
		return strncmp(word, "room=", 5) == 0 && read_room(q, word + 5);
	return true;
}

// A line that begins a request: "OID [set|query] [room=N]".
static bool read_front(struct oid_run *run, unsigned number, char *line)
{
	char *rest, *word = strtok_r(line, " \t\r", &rest);
	const uint32_t oid = read_oid(word);

	if (oid == 0)
		return complain("%s:%u: %.60s: there is no such OID", run->file, number, word);
	if (!begin(run, oid))
		return false;
	while ((word = strtok_r(NULL, " \t\r", &rest)) != NULL)
		if (!read_option(&run->request, word))
			return complain("%s:%u: %.60s: is not one of set, query, room=N", run->file,
				number, word);
	return true;
}

// Names have a line below, or are followed by what they are; dumps have neither.
static bool is_front(const char *line)
{
	const size_t n = strcspn(line, " \t\r");
	const char *next = line + n + strspn(line + n, " \t\r");

	return memchr(line, '_', n) != NULL || strncmp(next, "set", 3) == 0 ||
	       strncmp(next, "query", 5) == 0;
}

static bool read_line(struct oid_run *run, unsigned number, char *line)
{
	const char *why;

	line += strspn(line, " \t\r");
	if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
		return true;
	if (is_front(line))
		return read_front(run, number, line);
	if (!run->has_request)
		return complain("%s:%u: bytes without an OID in front of them", run->file, number);
	why = hexdump_line(&run->request.data, line);
	return why == NULL || complain("%s:%u: %s", run->file, number, why);
}

static bool read_text(struct oid_run *run, char *text)
{
	unsigned number = 0;

	for (char *next = text; next != NULL;) {
		char *line = next;

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (!read_line(run, ++number, line))
			return false;
	}
	return send_request(run);
}

static bool put_bytes(struct oid_run *run, const uint8_t *bytes, size_t n)
{
	run->request.data = (struct hexdump){.bytes = malloc(n + 1), .len = n, .room = n + 1};
	if (run->request.data.bytes == NULL)
		return complain("no memory");
	memcpy(run->request.data.bytes, bytes, n);
	return true;
}

// Messages of the control socket one behind the other, each with its header.
static bool read_messages(struct oid_run *run, const uint8_t *bytes, size_t len)
{
	struct fer_msg_header h;

	for (size_t at = 0; at < len; at += sizeof(h) + h.length) {
		if (len - at < sizeof(h))
			return complain("%s: ends within a header", run->file);
		memcpy(&h, bytes + at, sizeof(h));
		if (h.magic != FER_MSG_MAGIC || h.length > len - at - sizeof(h))
			return complain("%s: byte %zu: there is no whole message", run->file, at);
		if (!begin(run, h.oid) || !put_bytes(run, bytes + at + sizeof(h), h.length))
			return false;
		run->request.type = h.type;
		run->request.room = h.room;
		if (h.type != FER_MSG_TYPE_SET && h.type != FER_MSG_TYPE_QUERY)
			return complain("%s: byte %zu: is neither query nor set", run->file, at);
	}
	return send_request(run);
}

static bool is_text(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] == 0 || (bytes[i] < 0x20 && !isspace(bytes[i])) || bytes[i] >= 0x7f)
			return false;
	return true;
}

// What the file holds is found in it: messages with headers, text, or one buffer as it is.
static bool read_all(struct oid_run *run, const struct arguments *a, uint8_t *bytes, size_t len)
{
	static const uint32_t magic = FER_MSG_MAGIC;
	const uint32_t oid = a->n > 1 ? read_oid(a->words[1]) : 0;

	if (a->n > 1 && oid == 0)
		return complain("%.60s: there is no such OID", a->words[1]);
	if (len >= sizeof(magic) && memcmp(bytes, &magic, sizeof(magic)) == 0)
		return read_messages(run, bytes, len);
	if (oid != 0 && !begin(run, oid))
		return false;
	for (int i = 2; i < a->n; i++)
		if (!read_option(&run->request, a->words[i]))
			return complain("%.60s: is not one of set, query, room=N", a->words[i]);
	if (is_text(bytes, len))
		return read_text(run, (char *)bytes);
	if (oid == 0)
		return complain("%s: bytes without an OID: say which behind the file", run->file);
	return put_bytes(run, bytes, len) && send_request(run);
}

// The whole file and a 0 byte; NULL: it was told why.
static uint8_t *load(const char *path, size_t *len)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
	size_t room = 1 << 16, n;
	uint8_t *bytes = malloc(room), *more;

	*len = 0;
	while (f != NULL && bytes != NULL && (n = fread(bytes + *len, 1, room - *len - 1, f)) > 0) {
		*len += n;
		if (room - *len > 1)
			continue;
		more = room < MAX_FILE_BYTES ? malloc(room * 2) : NULL;
		if (more != NULL)
			memcpy(more, bytes, *len);
		explicit_bzero(bytes, room);
		free(bytes);
		bytes = more;
		room *= 2;
	}
	if (f == NULL || bytes == NULL || ferror(f))
		complain("%s: %s", path,
			bytes == NULL && f != NULL ? "is too long" : strerror(errno));
	const bool ok = f != NULL && bytes != NULL && !ferror(f);
	if (f != NULL && f != stdin)
		fclose(f);
	if (ok)
		bytes[*len] = '\0';
	else
		free(bytes);
	return ok ? bytes : NULL;
}

int verb_oid(struct session *s, const struct arguments *a)
{
	const char *path = a->words[0];
	struct oid_run run = {.session = s, .file = strcmp(path, "-") == 0 ? "stdin" : path};
	size_t len;
	uint8_t *bytes = load(path, &len);
	bool ok;

	if (bytes == NULL)
		return EXIT_FAILURE;
	run.list = make_list();
	ok = session_open(s) && session_choose(s, NULL, &run.pair) && read_all(&run, a, bytes, len);
	hexdump_fini(&run.request.data);
	explicit_bzero(bytes, len);
	free(bytes);
	if (s->json && run.n > 0)
		ok = print_json(run.list) && ok;
	else
		json_object_put(run.list);
	return ok && !run.failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
