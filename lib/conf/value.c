// SPDX-License-Identifier: BSD-3-Clause
#include "conf/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+:-"

const char fer_value_no_name[] = "is not a name: 1 to 63 of A-Z a-z 0-9 . _ + : -";

__attribute__((format(printf, 2, 3))) static bool refuse(
	char why[FER_WHY_BYTES], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, FER_WHY_BYTES, format, args);
	va_end(args);
	return false;
}

bool fer_value_is_name(const char *text)
{
	size_t len = strlen(text);

	return len >= 1 && len < FER_DOC_NAME_BYTES && strspn(text, NAME_CHARACTERS) == len;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

// Decimal without leading zeros, which some readers take for octal, or hex behind 0x.
static bool number_parse(const char *text, size_t len, uint64_t *v)
{
	bool hex = len > 2 && text[0] == '0' && text[1] == 'x';
	unsigned base = hex ? 16 : 10;

	if (len == 0 || (!hex && len > 1 && text[0] == '0'))
		return false;
	*v = 0;
	for (size_t i = hex ? 2 : 0; i < len; i++) {
		unsigned d = (unsigned)digit(text[i]);
		if (d >= base || *v > (UINT64_MAX - d) / base)
			return false;
		*v = *v * base + d;
	}
	return true;
}

// Stores a number in an unsigned or enum member of that size; in none when the size is 0.
static void store(void *to, size_t size, uint64_t v)
{
	switch (size) {
	case 1:
		*(uint8_t *)to = (uint8_t)v;
		break;
	case 2:
		*(uint16_t *)to = (uint16_t)v;
		break;
	case 4:
		*(uint32_t *)to = (uint32_t)v;
		break;
	case 8:
		*(uint64_t *)to = v;
		break;
	}
}

static bool read_bool(const char *text, bool *to, char why[FER_WHY_BYTES])
{
	*to = strcmp(text, "true") == 0;
	if (*to || strcmp(text, "false") == 0)
		return true;
	return refuse(why, "is not true or false");
}

static bool read_number(
	const struct fer_field *f, const char *text, void *to, char why[FER_WHY_BYTES])
{
	uint64_t v;

	if (f->word != NULL && strcmp(text, f->word) == 0)
		v = f->word_value;
	else if (!number_parse(text, strlen(text), &v) || v < f->min || v > f->max)
		return refuse(why, "is not %s%sa number from %" PRIu64 " to %" PRIu64,
			f->word == NULL ? "" : f->word, f->word == NULL ? "" : " or ", f->min,
			f->max);
	store(to, f->size, v);
	return true;
}

// Appends ", text", or text alone to an empty list.
static void list_append(char list[FER_WHY_BYTES], const char *text)
{
	size_t len = strlen(list);

	snprintf(list + len, FER_WHY_BYTES - len, "%s%s", len == 0 ? "" : ", ", text);
}

static bool read_word(
	const struct fer_field *f, const char *text, void *to, char why[FER_WHY_BYTES])
{
	char list[FER_WHY_BYTES] = "";

	for (unsigned i = 0; f->words[i] != NULL; i++) {
		if (strcmp(text, f->words[i]) == 0) {
			store(to, f->size, i);
			return true;
		}
		list_append(list, f->words[i]);
	}
	return refuse(why, "is not one of: %.400s", list);
}

static bool read_name(const char *text, char to[FER_DOC_NAME_BYTES], char why[FER_WHY_BYTES])
{
	if (!fer_value_is_name(text))
		return refuse(why, "%s", fer_value_no_name);
	snprintf(to, FER_DOC_NAME_BYTES, "%s", text);
	return true;
}

static bool read_text(
	const struct fer_field *f, const char *text, char *to, char why[FER_WHY_BYTES])
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)text[i]))
			return refuse(why, "has control characters");
	if (len == 0 || len >= f->size)
		return refuse(why, "is not 1 to %u characters long", f->size - 1u);
	memcpy(to, text, len + 1);
	return true;
}

static bool read_address(const char *text, struct fer_addr *to, char why[FER_WHY_BYTES])
{
	return fer_addr_parse(text, to) || refuse(why, "is not an IPv4 or IPv6 address");
}

static bool read_prefix(const char *text, struct fer_prefix *to, char why[FER_WHY_BYTES])
{
	return fer_prefix_parse(text, to) ||
	       refuse(why,
		       "is not any, an address, or ADDRESS/LENGTH with no bit set behind LENGTH");
}

static bool read_key(const char *text, struct fer_doc_key *to, char why[FER_WHY_BYTES])
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (digit(text[i]) > 15)
			return refuse(why, "is not written in hex digits alone");
	if (len % 2 != 0)
		return refuse(why, "has an odd number of hex digits");
	if (len / 2 > sizeof(to->bytes))
		return refuse(why, "is longer than the longest key, %zu bytes", sizeof(to->bytes));
	to->len = (uint8_t)(len / 2);
	for (size_t i = 0; i < to->len; i++)
		to->bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return true;
}

static bool port_parse(const char *text, size_t len, uint16_t *port)
{
	uint64_t v;

	if (!number_parse(text, len, &v) || v > UINT16_MAX)
		return false;
	*port = (uint16_t)v;
	return true;
}

static bool read_ports(const char *text, struct fer_doc_ports *to, char why[FER_WHY_BYTES])
{
	size_t first = strcspn(text, "-");
	const char *last = text[first] == '-' ? text + first + 1 : text;

	if (!port_parse(text, first, &to->first) || !port_parse(last, strlen(last), &to->last))
		return refuse(why, "is not a port or a range such as \"1024-65535\"");
	if (to->first > to->last)
		return refuse(why, "is a range that ends before it begins");
	return true;
}

// Names that work where the system has no /etc/protocols.
static const struct protocol {
	const char *name;
	uint8_t number;
} protocols[] = {
	{"icmp", FER_PROTO_ICMP},
	{"igmp", 2},
	{"ipencap", FER_PROTO_IPV4},
	{"tcp", FER_PROTO_TCP},
	{"udp", FER_PROTO_UDP},
	{"dccp", 33},
	{"ipv6", FER_PROTO_IPV6},
	{"gre", 47},
	{"esp", FER_PROTO_ESP},
	{"ah", FER_PROTO_AH},
	{"ipv6-icmp", FER_PROTO_ICMPV6},
	{"ospf", 89},
	{"ipip", 94},
	{"pim", 103},
	{"vrrp", 112},
	{"l2tp", 115},
	{"sctp", FER_PROTO_SCTP},
	{"udplite", 136},
};

static bool protocol_by_name(const char *text, uint16_t *to)
{
	struct protoent entry, *found = NULL;
	char strings[4096];

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(text, protocols[i].name) == 0) {
			*to = protocols[i].number;
			return true;
		}
	if (!fer_value_is_name(text) ||
		getprotobyname_r(text, &entry, strings, sizeof(strings), &found) != 0 ||
		found == NULL || found->p_proto < 0 || found->p_proto > UINT8_MAX)
		return false;
	*to = (uint16_t)found->p_proto;
	return true;
}

static bool read_protocol(const char *text, uint16_t *to, char why[FER_WHY_BYTES])
{
	uint64_t v;

	if (strcmp(text, "any") == 0)
		v = FER_DOC_PROTOCOL_ANY;
	else if (!number_parse(text, strlen(text), &v))
		return protocol_by_name(text, to) ||
		       refuse(why, "is not any, a number from 0 to 255 or the name of a protocol");
	else if (v > UINT8_MAX)
		return refuse(why, "is not a number from 0 to 255");
	*to = (uint16_t)v;
	return true;
}

static bool refuse_algo(enum fer_algo_role role, char why[FER_WHY_BYTES])
{
	const char *noun = role == FER_ENCRYPTION ? "encryption" : "integrity";
	char list[FER_WHY_BYTES] = "";

	if (role == FER_INTEGRITY)
		list_append(list, "none");
	for (unsigned i = 0; fer_algo_row(i) != NULL; i++)
		if (fer_algo_row(i)->role == role)
			list_append(list, fer_algo_row(i)->name);
	return refuse(why, "is not an %s algorithm: %.400s", noun, list);
}

static bool read_algo(enum fer_algo_role role, const char *text, const struct fer_algo **to,
	char why[FER_WHY_BYTES])
{
	*to = fer_algo_find(role, text);
	if (*to != NULL || (role == FER_INTEGRITY && strcmp(text, "none") == 0))
		return true;
	return refuse_algo(role, why);
}

bool fer_value_read(
	const struct fer_field *f, const char *text, void *draft, char why[FER_WHY_BYTES])
{
	void *to = (char *)draft + f->offset;

	switch (f->type) {
	case FER_TYPE_BOOL:
		return read_bool(text, to, why);
	case FER_TYPE_NUMBER:
		return read_number(f, text, to, why);
	case FER_TYPE_WORD:
		return read_word(f, text, to, why);
	case FER_TYPE_NAME:
		return read_name(text, to, why);
	case FER_TYPE_TEXT:
		return read_text(f, text, to, why);
	case FER_TYPE_ADDRESS:
		return read_address(text, to, why);
	case FER_TYPE_PREFIX:
		return read_prefix(text, to, why);
	case FER_TYPE_KEY:
		return read_key(text, to, why);
	case FER_TYPE_PORTS:
		return read_ports(text, to, why);
	case FER_TYPE_PROTOCOL:
		return read_protocol(text, to, why);
	case FER_TYPE_ENCRYPTION:
		return read_algo(FER_ENCRYPTION, text, to, why);
	case FER_TYPE_INTEGRITY:
		return read_algo(FER_INTEGRITY, text, to, why);
	default:
		return refuse(why, "is not a single value");
	}
}
