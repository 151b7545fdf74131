// SPDX-License-Identifier: BSD-3-Clause
#include "conf/load.h"

#include "base/secret.h"
#include "conf/build.h"
#include "conf/check.h"
#include "conf/reader.h"
#include "conf/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct loader {
	struct fer_reader reader;
	struct fer_trail trail;
	struct fer_build build;
};

static const struct fer_sa_draft sa_defaults = {
	.sa = {.outer = {.dscp = FER_DSCP_COPY,
		       .df = FER_DF_COPY,
		       .ttl = 64,
		       .flow_label = FER_FLOW_LABEL_COPY}},
};

static const struct fer_policy_draft policy_defaults = {
	.policy = {.sport = {0, UINT16_MAX},
		.dport = {0, UINT16_MAX},
		.protocol = FER_DOC_PROTOCOL_ANY,
		.icmp_type = FER_DOC_ICMP_TYPE_ANY},
};

static const struct fer_doc_pair pair_defaults = {
	.host = {.mtu = FER_DOC_MTU_DEFAULT},
	.wire = {.mtu = FER_DOC_MTU_DEFAULT},
	.n_queues = 1,
	.capacity = FER_DOC_CAPACITY_DEFAULT,
	.clamp_mss = true,
	.nat_keepalive = FER_DOC_NAT_KEEPALIVE_DEFAULT,
};

static int read_mapping(
	struct loader *l, const struct fer_schema *s, void *draft, struct fer_lines *lines);

static int next(struct loader *l)
{
	int rc = fer_reader_next(&l->reader);

	if (rc == 0)
		return 0;
	if (rc == -ENOMEM)
		return fer_trail_no_memory(&l->trail);
	if (l->reader.is_syntax)
		fer_trail_back(&l->trail, 0);
	return fer_trail_fail(&l->trail, l->reader.line, NULL, "%s", l->reader.problem);
}

static int expect(struct loader *l, enum fer_event event, const char *what)
{
	if (l->reader.event == event)
		return 0;
	return fer_trail_fail(&l->trail, l->reader.line, NULL, "must be %s", what);
}

static int read_scalar(struct loader *l, const struct fer_field *f, void *draft)
{
	char why[FER_WHY_BYTES];
	int rc = expect(l, FER_EVENT_SCALAR, "a single value");

	if (rc == 0 && !fer_value_read(f, l->reader.text, draft, why))
		rc = fer_trail_fail(&l->trail, l->reader.line, NULL, "%s", why);
	return rc;
}

static int read_doc_pair(struct loader *l, const struct fer_field *f, void *root)
{
	struct fer_doc_pair d = pair_defaults;
	struct fer_lines lines = {.begin = l->reader.line};

	(void)f;
	(void)root;
	int rc = read_mapping(l, &fer_schema_pair, &d, &lines);

	if (rc == 0)
		rc = fer_check_pair(&l->trail, &d, &lines);
	return rc == 0 ? fer_build_pair(&l->build, &d, &lines) : rc;
}

static int read_sa(struct loader *l, const struct fer_field *f, void *root)
{
	struct fer_sa_draft d = sa_defaults;
	struct fer_lines lines = {.begin = l->reader.line};

	(void)f;
	(void)root;
	int rc = read_mapping(l, &fer_schema_sa, &d, &lines);

	if (rc == 0)
		rc = fer_check_sa(&l->trail, &d, &lines);
	if (rc == 0)
		rc = fer_build_sa(&l->build, &d, &lines);
	fer_secret_wipe(&d, sizeof(d));
	return rc;
}

static int read_policy(struct loader *l, const struct fer_field *f, void *root)
{
	struct fer_policy_draft d = policy_defaults;
	struct fer_lines lines = {.begin = l->reader.line};

	(void)f;
	(void)root;
	int rc = read_mapping(l, &fer_schema_policy, &d, &lines);

	if (rc == 0)
		rc = fer_check_policy(&l->trail, &d, &lines);
	if (rc == 0)
		rc = fer_build_policy(&l->build, &d, &lines);
	return rc;
}

// Reads the items of a list that belongs to a draft.
static int read_list(struct loader *l, const struct fer_field *f,
	int (*read_item)(struct loader *l, const struct fer_field *f, void *draft), void *draft)
{
	int rc = expect(l, FER_EVENT_LIST, "a list");

	for (uint32_t i = 0; rc == 0; i++) {
		size_t back = fer_trail_index(&l->trail, i);
		rc = next(l);
		if (rc == 0 && l->reader.event == FER_EVENT_LIST_END) {
			fer_trail_back(&l->trail, back);
			return 0;
		}
		if (rc == 0)
			rc = read_item(l, f, draft);
		if (rc == 0)
			fer_trail_back(&l->trail, back);
	}
	return rc;
}

static bool is_repeated(const struct fer_list *list, const char *array, uint32_t n)
{
	const char *last = array + (size_t)n * list->stride;

	for (const char *at = array; at < last; at += list->stride)
		if (memcmp(at, last, list->stride) == 0)
			return true;
	return false;
}

// Reads a value to the end of an array.
static int read_element(struct loader *l, const struct fer_field *f, void *draft)
{
	const struct fer_list *list = f->list;
	char *array = (char *)draft + f->offset;
	uint32_t *n = (uint32_t *)(void *)((char *)draft + list->count_offset);

	if (*n == list->most)
		return fer_trail_fail(&l->trail, l->reader.line, NULL,
			"is one too many: there may be %u", list->most);
	int rc = read_scalar(l, list->item, array + (size_t)*n * list->stride);
	if (rc == 0 && list->no_repeat && is_repeated(list, array, *n))
		rc = fer_trail_fail(&l->trail, l->reader.line, NULL, "is given twice");
	*n += rc == 0;
	return rc;
}

static int read_array(struct loader *l, const struct fer_field *f, void *draft)
{
	const struct fer_list *list = f->list;

	if (list->single != NULL && l->reader.event == FER_EVENT_SCALAR)
		return read_scalar(l, list->single, draft);
	uint32_t line = l->reader.line;
	int rc = read_list(l, f, read_element, draft);
	if (rc == 0 && list->single != NULL &&
		*(uint32_t *)(void *)((char *)draft + list->count_offset) == 0)
		rc = fer_trail_fail(&l->trail, line, NULL, "is an empty list");
	return rc;
}

static int read_group(struct loader *l, const struct fer_field *f, void *draft)
{
	struct fer_policy_draft *d = draft;
	uint32_t n = d->policy.n_groups;
	int rc = expect(l, FER_EVENT_SCALAR, "a name");

	(void)f;
	if (rc != 0)
		return rc;
	if (n == FER_DOC_POLICY_GROUPS)
		return fer_trail_fail(&l->trail, l->reader.line, NULL,
			"is one too many: a packet is protected by two groups at most");
	if (!fer_value_is_name(l->reader.text))
		return fer_trail_fail(&l->trail, l->reader.line, NULL, "%s", fer_value_no_name);
	if (n > 0 && strcmp(l->reader.text, d->groups[0]) == 0)
		return fer_trail_fail(&l->trail, l->reader.line, NULL, "is named twice");
	snprintf(d->groups[n], sizeof(d->groups[n]), "%s", l->reader.text);
	d->policy.group_lines[n] = l->reader.line;
	d->policy.n_groups++;
	return 0;
}

static int read_value(
	struct loader *l, const struct fer_field *f, void *draft, struct fer_lines *lines)
{
	switch (f->type) {
	case FER_TYPE_MAPPING:
		return read_mapping(l, f->mapping, draft, lines);
	case FER_TYPE_SAS:
		return read_list(l, f, read_sa, draft);
	case FER_TYPE_POLICIES:
		return read_list(l, f, read_policy, draft);
	case FER_TYPE_GROUPS:
		return read_list(l, f, read_group, draft);
	case FER_TYPE_PAIRS:
		return read_list(l, f, read_doc_pair, draft);
	case FER_TYPE_LIST:
		return read_array(l, f, draft);
	default:
		return read_scalar(l, f, draft);
	}
}

// Finds the field of the key that was read, and remembers where it stands.
static int read_key(struct loader *l, const struct fer_schema *s, struct fer_lines *lines,
	const struct fer_field **f)
{
	uint32_t line = l->reader.line;

	*f = fer_schema_find(s, l->reader.text);
	if (*f == NULL)
		return fer_trail_fail(&l->trail, line, NULL, "unknown key");
	if ((*f)->type == FER_TYPE_UNSUPPORTED)
		return fer_trail_fail(&l->trail, line, NULL, "is not supported by this version");
	if (lines->at[(*f)->place].key != 0)
		return fer_trail_fail(&l->trail, line, NULL, "is given twice");
	lines->at[(*f)->place].key = line;
	return 0;
}

static int read_pair(
	struct loader *l, const struct fer_schema *s, void *draft, struct fer_lines *lines)
{
	const struct fer_field *f;
	size_t back;
	int rc = expect(l, FER_EVENT_SCALAR, "a mapping whose keys are plain names");

	if (rc != 0)
		return rc;
	back = fer_trail_key(&l->trail, l->reader.text);
	rc = read_key(l, s, lines, &f);
	if (rc == 0)
		rc = next(l);
	if (rc != 0)
		return rc;
	lines->at[f->place].value = l->reader.line;
	rc = read_value(l, f, draft, lines);
	if (rc == 0)
		fer_trail_back(&l->trail, back);
	return rc;
}

static int check_required(
	struct loader *l, const struct fer_schema *s, const struct fer_lines *lines, uint32_t begin)
{
	for (unsigned i = 0; i < s->n_fields; i++)
		if (s->fields[i].required && lines->at[s->fields[i].place].key == 0)
			return fer_trail_fail(&l->trail, begin, s->fields[i].key, "is missing");
	return 0;
}

// Reads the pairs of a mapping.  The schema bounds the depth of the calls.
static int read_mapping(
	struct loader *l, const struct fer_schema *s, void *draft, struct fer_lines *lines)
{
	uint32_t begin = l->reader.line;
	int rc = expect(l, FER_EVENT_MAPPING, "a mapping");

	while (rc == 0) {
		rc = next(l);
		if (rc == 0 && l->reader.event == FER_EVENT_MAPPING_END)
			return check_required(l, s, lines, begin);
		if (rc == 0)
			rc = read_pair(l, s, draft, lines);
	}
	return rc;
}

static void take_root(struct fer_doc *doc, const struct fer_lines *lines)
{
	struct fer_doc_daemon *d = &doc->daemon;

	d->workers_line = lines->at[FER_ROOT_WORKERS].value;
	if (d->n_lcores != 0)
		d->n_workers = d->n_lcores;
}

static int read_document(struct loader *l, struct fer_doc *doc)
{
	struct fer_lines lines = {0};
	int rc = next(l);

	if (rc == 0)
		rc = read_mapping(l, &fer_schema_root, doc, &lines);
	if (rc == 0)
		rc = next(l);
	if (rc != 0)
		return rc;
	take_root(doc, &lines);
	return fer_build_finish(&l->build);
}

int fer_load(
	struct fer_doc *doc, const void *bytes, size_t len, bool is_part, struct fer_doc_error *err)
{
	struct loader l;
	int rc;

	memcpy(doc->daemon.socket, FER_DOC_SOCKET_DEFAULT, sizeof(FER_DOC_SOCKET_DEFAULT));
	doc->daemon.n_workers = 1;
	fer_trail_init(&l.trail, doc->name, err);
	rc = fer_build_init(&l.build, doc, is_part, &l.trail);
	if (rc != 0)
		return rc;
	if (fer_reader_open(&l.reader, bytes, len) == 0) {
		rc = read_document(&l, doc);
		fer_reader_close(&l.reader);
	} else {
		rc = fer_trail_no_memory(&l.trail);
	}
	fer_build_fini(&l.build);
	return rc;
}
