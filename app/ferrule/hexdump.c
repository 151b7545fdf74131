// SPDX-License-Identifier: BSD-3-Clause
#include "hexdump.h"

#include "ctl/msg.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 16 // of what "*" stands for
#define LEAST_ROOM 4096

void hexdump_fini(struct hexdump *h)
{
	if (h->bytes != NULL)
		explicit_bzero(h->bytes, h->room);
	free(h->bytes);
	*h = (struct hexdump){0};
}

// Not realloc(), which would leave keys where the bytes were.
static bool reserve(struct hexdump *h, size_t more)
{
	size_t room = h->room == 0 ? LEAST_ROOM : h->room;
	struct hexdump old = *h;

	if (more > FER_MSG_MAX_BYTES - h->len)
		return false;
	while (room - h->len < more)
		room *= 2;
	if (room == h->room)
		return true;
	h->bytes = malloc(room);
	if (h->bytes == NULL) {
		h->bytes = old.bytes;
		return false;
	}
	h->room = room;
	if (old.len > 0)
		memcpy(h->bytes, old.bytes, old.len);
	hexdump_fini(&old);
	return true;
}

// --- addresses --------------------------------------------------------------------------------

static size_t n_hex(const char *p)
{
	return strspn(p, "0123456789abcdefABCDEF");
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r");
}

// Is this a byte by itself?
static bool is_byte(const char *p)
{
	return n_hex(p) == 2 && (p[2] == '\0' || strchr(" \t\r-", p[2]) != NULL);
}

// An address and where it ends; NULL: the line begins with bytes.  *is_word: its bytes stand in
// little-endian words where there is more than one byte in them.
static const char *read_address(
	const struct hexdump *h, const char *line, uint64_t *address, bool *is_word)
{
	const bool has_prefix = line[0] == '0' && (line[1] == 'x' || line[1] == 'X');
	const char *p = line + (has_prefix ? 2 : 0), *start = p;
	const bool is_split = n_hex(p) == 8 && p[8] == '`' && n_hex(p + 9) == 8;
	char digits[17] = "";
	size_t n = is_split ? 17 : n_hex(p);

	p += n;
	if (n == 0 || n > 17)
		return NULL;
	const char *colon = skip_blanks(p);
	if (has_prefix && *colon == '<') // gdb tells a symbol
		p = colon + strcspn(colon, ">") + 1;
	const bool ends_in_colon = *p == ':';
	const bool is_followed = n >= 4 && isblank((unsigned char)*p) && is_byte(skip_blanks(p));
	// The last line of hexdump.
	const bool is_alone = h->has_base && n >= 7 && *skip_blanks(p) == '\0';
	if (!is_split && !ends_in_colon && !(is_followed && !has_prefix) && !is_alone)
		return NULL;
	*is_word = is_split || (has_prefix && ends_in_colon);
	for (size_t i = 0, k = 0; i < n && k < 16; i++)
		if (start[i] != '`')
			digits[k++] = start[i];
	*address = strtoull(digits, NULL, 16);
	return ends_in_colon ? p + 1 : p;
}

// What "*" left out ends at this address.
static const char *go_on_at(struct hexdump *h, uint64_t address)
{
	const uint64_t here = h->base + h->len;

	if (!h->has_base) {
		h->base = address - h->len;
		h->has_base = true;
		return NULL;
	}
	if (h->repeats && address > here && (address - here) % LINE_BYTES == 0 &&
		h->len >= LINE_BYTES) {
		uint64_t n = address - here;

		if (n > FER_MSG_MAX_BYTES || !reserve(h, (size_t)n))
			return "is too long";
		for (; n > 0; n -= LINE_BYTES, h->len += LINE_BYTES)
			memcpy(h->bytes + h->len, h->bytes + h->len - LINE_BYTES, LINE_BYTES);
	}
	h->repeats = false;
	return address == h->base + h->len ? NULL
					   : "does not go on where the line in front of it ended";
}

// --- bytes ------------------------------------------------------------------------------------

static uint8_t digit(char c)
{
	return (uint8_t)(isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10);
}

// Takes n digits, two a byte; from the last byte to the first in a little-endian word.
static bool put_digits(struct hexdump *h, const char *digits, size_t n, bool is_word)
{
	if (!reserve(h, n / 2))
		return false;
	for (size_t i = 0; i < n / 2; i++) {
		const char *d = digits + 2 * (is_word ? n / 2 - 1 - i : i);

		h->bytes[h->len++] = (uint8_t)(digit(d[0]) << 4 | digit(d[1]));
	}
	return true;
}

// Where the bytes of a line end and its characters begin: at a bar, or behind a wide gap unless it
// is the one in the middle of hexdump's lines.
static bool is_over(const char *gap, size_t width, size_t n_bytes, bool has_bar)
{
	if (*gap == '\0' || *gap == '|')
		return true;
	return n_bytes > 0 && width >= 2 && !(has_bar && n_bytes == 8);
}

static const char *read_bytes(struct hexdump *h, const char *p, bool has_address, bool is_word)
{
	const size_t before = h->len;
	const char *last = p + strlen(p);
	const bool has_bar = has_address && last > p && last[-1] == '|';

	for (;;) {
		const char *q = skip_blanks(p);
		char word[17];
		size_t n = 0;

		if (is_over(q, has_address ? (size_t)(q - p) : 1, h->len - before, has_bar))
			return NULL;
		const bool has_prefix = q[0] == '0' && (q[1] == 'x' || q[1] == 'X');
		q += has_prefix ? 2 : 0;
		const size_t len = n_hex(q);
		if (len == 8 && q[8] == '`' && n_hex(q + 9) == 8) {
			memcpy(word, q, 8);
			memcpy(word + 8, q + 9, 8);
			n = 16;
			p = q + 17;
		} else {
			n = len;
			p = q + len;
		}
		if (n == 0 || n % 2 != 0 || (*p != '\0' && strchr(" \t\r-|", *p) == NULL))
			return "has something that is no byte";
		const bool turned = (is_word || has_prefix) && n > 2;
		if (turned && n > 16)
			return "has a word of more than 64 bits";
		if (!put_digits(h, n == 16 && len == 8 ? word : q, n, turned))
			return "is too long";
		if (*p == '-')
			p++;
	}
}

const char *hexdump_line(struct hexdump *h, const char *line)
{
	uint64_t address;
	bool is_word = false;
	const char *p = skip_blanks(line), *why = NULL;

	if (strcmp(p, "*") == 0 || strcmp(p, "*\r") == 0) {
		h->repeats = true;
		return NULL;
	}
	const char *bytes = read_address(h, p, &address, &is_word);
	if (bytes != NULL)
		why = go_on_at(h, address);
	if (why != NULL)
		return why;
	return bytes != NULL ? read_bytes(h, skip_blanks(bytes), true, is_word)
			     : read_bytes(h, p, false, false);
}
