// SPDX-License-Identifier: BSD-3-Clause
#include "conf/trail.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_KEY 32 // characters of an unknown key that are shown

void fer_trail_init(struct fer_trail *t, const char *file, struct fer_doc_error *err)
{
	*t = (struct fer_trail){.file = file, .err = err};
}

static void append_char(struct fer_trail *t, char c)
{
	if (t->len + 1 == sizeof(t->field))
		return;
	t->field[t->len++] = c;
	t->field[t->len] = '\0';
}

static void append(struct fer_trail *t, const char *text)
{
	for (; *text != '\0'; text++)
		append_char(t, *text);
}

// How many hex digits stand here that might be a key, or a part of one, in the wrong place?
static size_t secret_digits(const char *text)
{
	size_t n = 0;
	size_t n_decimal = 0;

	for (; isxdigit((unsigned char)text[n]); n++)
		n_decimal += isdigit((unsigned char)text[n]) != 0;
	return n >= 8 || (n >= 4 && n_decimal != 0) ? n : 0;
}

static bool is_plain(char c)
{
	return isascii(c) && (isalnum((unsigned char)c) || c == '_' || c == '-');
}

// Appends an unknown key, as far as it can be shown.
static void append_shown(struct fer_trail *t, const char *key)
{
	for (int i = 0; i < LONGEST_KEY && *key != '\0'; i++) {
		size_t hidden = secret_digits(key);
		append_char(t, hidden == 0 && is_plain(*key) ? *key : '?');
		key += hidden == 0 ? 1 : hidden;
	}
}

size_t fer_trail_key(struct fer_trail *t, const char *key)
{
	size_t from = t->len;

	if (from != 0)
		append_char(t, '.');
	append_shown(t, key[0] == '\0' ? "?" : key);
	return from;
}

size_t fer_trail_index(struct fer_trail *t, uint32_t i)
{
	size_t from = t->len;
	char shown[16];

	snprintf(shown, sizeof(shown), "[%u]", i);
	append(t, shown);
	return from;
}

void fer_trail_back(struct fer_trail *t, size_t to)
{
	t->len = to;
	t->field[to] = '\0';
}

int fer_trail_fail(struct fer_trail *t, uint32_t line, const char *below, const char *format, ...)
{
	char what[768];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (below != NULL && t->len != 0)
		append(t, ".");
	if (below != NULL)
		append(t, below);
	fer_doc_error_set(t->err, t->file, line, t->len == 0 ? "yaml" : t->field, what);
	return -EINVAL;
}

int fer_trail_no_memory(struct fer_trail *t)
{
	fer_doc_error_set(t->err, t->file, 0, NULL, "out of memory");
	return -ENOMEM;
}
