// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The strict subset of YAML that documents are written in, as a stream of events with lines: one
// document of UTF-8 without anchors, aliases, tags, directives and NUL bytes.  Nothing is kept but
// the current event, so memory does not grow with nesting or length.

#include "conf/veil.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

enum fer_event {
	FER_EVENT_SCALAR,
	FER_EVENT_LIST,
	FER_EVENT_LIST_END,
	FER_EVENT_MAPPING,
	FER_EVENT_MAPPING_END,
	FER_EVENT_END, // the document is complete
};

struct fer_reader {
	enum fer_event event;
	uint32_t line;    // of the event, or of the problem; counts from 1
	const char *text; // scalar: its text, until the next call
	char problem[160];
	bool is_syntax; // the problem is that the bytes are not YAML of this kind

	const uint8_t *bytes;
	size_t len;
	struct fer_veil veil;
	yaml_parser_t parser;
	yaml_event_t current;
};

// bytes must stay until the reader is closed.  Returns 0, or -ENOMEM with nothing to close.
__attribute__((warn_unused_result)) int fer_reader_open(
	struct fer_reader *r, const void *bytes, size_t len);

// Moves to the next event.  Returns 0 with event, line and text set; or -EINVAL or -ENOMEM with
// problem, line and is_syntax set, after which the reader can only be closed.
__attribute__((warn_unused_result)) int fer_reader_next(struct fer_reader *r);

// Frees the reader and wipes the text it held.
void fer_reader_close(struct fer_reader *r);
