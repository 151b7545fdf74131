// SPDX-License-Identifier: BSD-3-Clause
#include "conf/reader.h"

#include "base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint32_t line_of(const yaml_mark_t *mark)
{
	return mark->line < UINT32_MAX ? (uint32_t)mark->line + 1 : UINT32_MAX;
}

// The line of a byte, for where libyaml gives its offset only.
static uint32_t line_at(const struct fer_reader *r, size_t offset)
{
	uint32_t line = 1;

	if (offset > r->len)
		offset = r->len;
	for (size_t i = 0; i < offset; i++) {
		bool crlf = r->bytes[i] == '\r' && i + 1 < r->len && r->bytes[i + 1] == '\n';
		if (r->bytes[i] == '\n' || (r->bytes[i] == '\r' && !crlf))
			line++;
	}
	return line;
}

static int problem(struct fer_reader *r, uint32_t line, bool is_syntax, const char *what)
{
	snprintf(r->problem, sizeof(r->problem), "%s", what);
	r->line = line;
	r->is_syntax = is_syntax;
	return -EINVAL;
}

// Does a line begin at this byte?  The line breaks are those of YAML: LF, CR, NEL, LS and PS; a
// byte order mark may stand in front of the first.
static bool is_line_start(const uint8_t *bytes, size_t i)
{
	static const char *const before[] = {
		"\n", "\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf"};

	if (i == 0)
		return true;
	for (size_t k = 0; k < sizeof(before) / sizeof(before[0]); k++) {
		size_t n = strlen(before[k]);
		if (i >= n && memcmp(bytes + i - n, before[k], n) == 0)
			return true;
	}
	return false;
}

// libyaml's time grows with the square of the number of directives, and it reads all of them before
// it tells of the first.  So they are found here; nothing else in a good document begins a line
// with '%'.
static bool find_directive(const uint8_t *bytes, size_t len, size_t *offset)
{
	const uint8_t *end = bytes + len;
	const uint8_t *p = bytes;

	while (p < end && (p = memchr(p, '%', (size_t)(end - p))) != NULL) {
		*offset = (size_t)(p - bytes);
		if (is_line_start(bytes, *offset))
			return true;
		p++;
	}
	return false;
}

int fer_reader_open(struct fer_reader *r, const void *bytes, size_t len)
{
	*r = (struct fer_reader){.bytes = bytes, .len = len};
	if (fer_veil_init(&r->veil, bytes, len) != 0)
		return -ENOMEM;
	if (!yaml_parser_initialize(&r->parser)) {
		fer_veil_fini(&r->veil);
		return -ENOMEM;
	}
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->parser, r->veil.copy, len);
	return 0;
}

static void drop_event(struct fer_reader *r)
{
	if (r->current.type == YAML_SCALAR_EVENT)
		fer_secret_wipe(r->current.data.scalar.value, r->current.data.scalar.length);
	yaml_event_delete(&r->current);
}

static int parser_problem(struct fer_reader *r)
{
	const yaml_parser_t *p = &r->parser;
	char what[sizeof(r->problem)];

	if (p->error == YAML_MEMORY_ERROR) {
		problem(r, 0, true, "out of memory");
		return -ENOMEM;
	}
	if (p->error == YAML_READER_ERROR)
		return problem(r, line_at(r, p->problem_offset), true, p->problem);
	snprintf(what, sizeof(what), "%s%s%s", p->problem, p->context == NULL ? "" : " ",
		p->context == NULL ? "" : p->context);
	return problem(r, line_of(&p->problem_mark), true, what);
}

static int next_event(struct fer_reader *r)
{
	drop_event(r);
	return yaml_parser_parse(&r->parser, &r->current) ? 0 : parser_problem(r);
}

// The document has ended: is that all there is?
static int end_of_stream(struct fer_reader *r)
{
	int rc = next_event(r);

	if (rc != 0)
		return rc;
	if (r->current.type != YAML_STREAM_END_EVENT)
		return problem(
			r, line_of(&r->current.start_mark), true, "a second document begins here");
	r->event = FER_EVENT_END;
	return 0;
}

static int node(struct fer_reader *r, enum fer_event event, const void *anchor, const void *tag)
{
	r->event = event;
	if (anchor != NULL)
		return problem(r, r->line, false, "anchors are not allowed");
	if (tag != NULL)
		return problem(r, r->line, false, "tags are not allowed");
	return 0;
}

static int scalar(struct fer_reader *r)
{
	yaml_char_t *value = r->current.data.scalar.value;
	size_t len = r->current.data.scalar.length;

	fer_veil_lift(&r->veil, value, len);
	if (memchr(value, '\0', len) != NULL)
		return problem(r, r->line, false, "NUL bytes are not allowed");
	r->text = (const char *)value;
	return node(r, FER_EVENT_SCALAR, r->current.data.scalar.anchor, r->current.data.scalar.tag);
}

static int stream_start(struct fer_reader *r)
{
	size_t offset;

	if (find_directive(r->bytes, r->len, &offset))
		return problem(r, line_at(r, offset), true, "directives are not allowed");
	return fer_reader_next(r);
}

int fer_reader_next(struct fer_reader *r)
{
	int rc = next_event(r);

	if (rc != 0)
		return rc;
	r->line = line_of(&r->current.start_mark);
	r->text = NULL;
	switch (r->current.type) {
	case YAML_STREAM_START_EVENT:
		return stream_start(r);
	case YAML_DOCUMENT_START_EVENT:
		return fer_reader_next(r);
	case YAML_SCALAR_EVENT:
		return scalar(r);
	case YAML_SEQUENCE_START_EVENT:
		return node(r, FER_EVENT_LIST, r->current.data.sequence_start.anchor,
			r->current.data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return node(r, FER_EVENT_MAPPING, r->current.data.mapping_start.anchor,
			r->current.data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
		return node(r, FER_EVENT_LIST_END, NULL, NULL);
	case YAML_MAPPING_END_EVENT:
		return node(r, FER_EVENT_MAPPING_END, NULL, NULL);
	case YAML_ALIAS_EVENT:
		return problem(r, r->line, false, "aliases are not allowed");
	case YAML_DOCUMENT_END_EVENT:
		return end_of_stream(r);
	default:
		return problem(r, r->line, true, "the document is empty");
	}
}

void fer_reader_close(struct fer_reader *r)
{
	drop_event(r);
	yaml_parser_delete(&r->parser);
	fer_veil_fini(&r->veil);
}
