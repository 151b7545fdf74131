// SPDX-License-Identifier: BSD-3-Clause
#include "conf/veil.h"

#include "base/secret.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

// A token is a character for private use and then, in decimal and as long as the run, the offset of
// the run.  What follows a run is no digit, so its length is known as well.
#define MARK "\xee\x80\x80"
#define MARK_BYTES (sizeof(MARK) - 1)
#define SHORTEST 16 // digits: the shortest key of any algorithm has 8 bytes

static size_t hex_digits(const uint8_t *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && isxdigit(bytes[n]))
		n++;
	return n;
}

// Are the first of these digits part of an escape, as in "\x41"?
static bool is_escape(const uint8_t *bytes, size_t at)
{
	if (at >= 1 && bytes[at - 1] == '\\')
		return true;
	return at >= 2 && bytes[at - 2] == '\\' && strchr("xuU", bytes[at - 1]) != NULL;
}

static void put_token(uint8_t *to, size_t len, size_t offset)
{
	memcpy(to, MARK, MARK_BYTES);
	for (size_t i = len; i > MARK_BYTES; i--) {
		to[i - 1] = (uint8_t)('0' + offset % 10);
		offset /= 10;
	}
}

int fer_veil_init(struct fer_veil *v, const void *bytes, size_t len)
{
	*v = (struct fer_veil){.bytes = bytes, .len = len, .copy = fer_secret_map(len + 1)};
	if (v->copy == NULL)
		return -ENOMEM;
	if (len != 0)
		memcpy(v->copy, bytes, len);
	for (size_t i = 0; i < len;) {
		size_t n = hex_digits(v->bytes + i, len - i);
		if (n >= SHORTEST && !is_escape(v->bytes, i))
			put_token(v->copy + i, n, i);
		i += n == 0 ? 1 : n;
	}
	return 0;
}

void fer_veil_fini(struct fer_veil *v)
{
	fer_secret_unmap(v->copy, v->len + 1);
}

// Puts back what the token at the head of a text stands for, and returns its length; just that of
// the mark when it is no token of ours.
static size_t lift_one(const struct fer_veil *v, uint8_t *text, size_t len)
{
	size_t n = MARK_BYTES;
	size_t offset = 0;

	for (; n < len && isdigit(text[n]) && offset <= v->len; n++)
		offset = 10 * offset + (size_t)(text[n] - '0');
	if (n < SHORTEST || offset >= v->len || v->len - offset < n ||
		hex_digits(v->bytes + offset, n) != n)
		return MARK_BYTES;
	memcpy(text, v->bytes + offset, n);
	return n;
}

void fer_veil_lift(const struct fer_veil *v, uint8_t *text, size_t len)
{
	uint8_t *end = text + len;

	while ((text = memmem(text, (size_t)(end - text), MARK, MARK_BYTES)) != NULL)
		text += lift_one(v, text, (size_t)(end - text));
}
