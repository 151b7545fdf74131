// SPDX-License-Identifier: BSD-3-Clause
#include "spoil.h"

#include "fixed.h"

#include <string.h>

#define ESP 50
#define AH 51
#define UDP 17

static void flip(struct rng *r, uint8_t *byte)
{
	*byte ^= (uint8_t)(1u << rng_below(r, 8));
}

static bool has_ipv4(const struct ref_packet *p)
{
	return p->bytes[0] >> 4 == 4;
}

// Sets length and checksum again, where they can be right.
static void finish(struct ref_packet *p)
{
	if (p->len >= (has_ipv4(p) ? 20 : 40) && p->len <= 65535)
		ref_ip_finish(p->bytes, p->len);
}

void vary_plain(struct rng *r, struct ref_packet *p)
{
	uint8_t *ip = p->bytes;
	bool v4 = has_ipv4(p);
	struct ref_ip h;

	if (!ref_ip_parse(ip, p->len, &h) || h.upper + 4 > p->len)
		return;
	switch (rng_below(r, 9)) {
	case 0:
		flip(r, ip + (v4 ? 14 + rng_below(r, 2) : 22 + rng_below(r, 2)));
		break;
	case 1:
		flip(r, ip + (v4 ? 18 + rng_below(r, 2) : 38 + rng_below(r, 2)));
		break;
	case 2:
		ip[h.upper_next] = ip[h.upper_next] == 6 ? 132 : 6;
		break;
	case 3:
		flip(r, ip + h.upper + rng_below(r, 4));
		break;
	case 4:
		flip(r, ip + 1); // DSCP, ECN, flow label
		break;
	case 5:
		if (v4)
			ip[6] ^= 0x40; // DF
		break;
	case 6:
		if (v4)
			ip[6] ^= 0x20; // more fragments
		break;
	case 7:
		p->len -= rng_below(r, p->len - h.upper);
		break;
	default:
		break;
	}
	finish(p);
}

// What stands behind the IP header: ESP, AH, or ESP in UDP.  NULL: nothing of that kind.
static uint8_t *spi_of(struct ref_packet *p, const struct ref_ip *h)
{
	uint8_t *at = p->bytes + h->upper;
	uint8_t protocol = p->bytes[h->upper_next];

	if (h->upper + 16 > p->len)
		return NULL;
	return protocol == ESP ? at : protocol == AH ? at + 4 : protocol == UDP ? at + 8 : NULL;
}

static void change_spi(struct rng *r, const struct connection c[], unsigned n, uint8_t *spi)
{
	const struct ref_sa *other = &c[rng_below(r, n)].sa[0];

	if (rng_once_in(r, 4))
		flip(r, spi + rng_below(r, 4));
	else if (rng_once_in(r, 8))
		ref_put32(spi, 0);
	else
		ref_put32(spi, rng_below(r, 2) && other->ah.used ? other->ah.spi : other->esp.spi);
}

static void change_destination(
	struct rng *r, const struct connection c[], unsigned n, struct ref_packet *p)
{
	const struct connection *other = &c[rng_below(r, n)];
	const struct ref_addr *dst = &other->sa[other->n_sas - 1].dst;

	if ((dst->version == 4) != has_ipv4(p) || rng_once_in(r, 4))
		flip(r, p->bytes + (has_ipv4(p) ? 16 + rng_below(r, 4) : 24 + rng_below(r, 16)));
	else
		memcpy(p->bytes + (has_ipv4(p) ? 16 : 24), dst->bytes, has_ipv4(p) ? 4 : 16);
}

static void change_protocol(struct rng *r, struct ref_packet *p, const struct ref_ip *h)
{
	static const uint8_t others[] = {ESP, AH, UDP, 4, 41, 59, 60, 0};

	p->bytes[h->upper_next] = others[rng_below(r, sizeof(others))];
}

static void change_length(struct rng *r, const struct ref_ip *h, struct ref_packet *p)
{
	if (rng_below(r, 2) && h->upper + 12 < p->len)
		p->len = h->upper + rng_below(r, 12);
	else if (rng_below(r, 2))
		p->len -= rng_below(r, p->len < 120 ? p->len : 120);
	else
		p->len = 1 + rng_below(r, p->len);
}

// Puts what is protected behind the header of the other IP version, with an address of the first
// where a reader would find it who did not look at the version.
static void change_version(struct rng *r, struct ref_packet *p, const struct ref_ip *h)
{
	static struct ref_packet old;
	uint32_t n = p->len - h->upper, header = has_ipv4(p) ? 40 : 20;

	if (n < 24 || n > 60000)
		return;
	ref_copy(&old, p);
	memset(p->bytes, 0, header);
	memcpy(p->bytes + header, old.bytes + h->upper, n);
	p->len = header + n;
	p->bytes[0] = header == 40 ? 0x60 : 0x45;
	p->bytes[header == 40 ? 7 : 8] = 64;
	p->bytes[header == 40 ? 6 : 9] = old.bytes[h->upper_next];
	rng_fill(r, p->bytes + header - 8, 8);
	if (header == 40)
		memcpy(p->bytes + 16, old.bytes + 16, 4);
	else
		memcpy(p->bytes + 24, old.bytes + 24, 16);
}

static void change_fragment(struct rng *r, struct ref_packet *p)
{
	if (has_ipv4(p))
		flip(r, p->bytes + 6 + rng_below(r, 2));
}

void lengthen_front(struct ref_packet *p)
{
	static const uint8_t options[8] = {1, 1, 7, 3, 4, 1, 1, 0}, extension[8] = {0, 0, 1, 4};
	const bool v4 = p->bytes[0] == 0x45;
	const uint32_t at = v4 ? 20 : 40;

	if ((!v4 && p->bytes[0] >> 4 != 6) || p->len < at || p->len + 8 > 65535)
		return;
	memmove(p->bytes + at + 8, p->bytes + at, p->len - at);
	memcpy(p->bytes + at, v4 ? options : extension, 8);
	if (v4) {
		p->bytes[0] = 0x47;
	} else {
		p->bytes[at] = p->bytes[6];
		p->bytes[6] = 60;
	}
	p->len += 8;
	ref_ip_finish(p->bytes, p->len);
}

void spoil_wire(struct rng *r, const struct connection c[], unsigned n, struct ref_packet *p)
{
	struct ref_ip h;
	uint8_t *spi;

	if (p->len < 40 || !ref_ip_parse(p->bytes, p->len, &h))
		return;
	spi = spi_of(p, &h);
	switch (rng_below(r, 11)) {
	case 0:
		flip(r, p->bytes + rng_below(r, p->len));
		return;
	case 1:
		flip(r, p->bytes + p->len - 1 - rng_below(r, 40));
		return;
	case 2:
		change_length(r, &h, p);
		return;
	case 3:
		change_length(r, &h, p);
		break;
	case 4:
		change_destination(r, c, n, p);
		break;
	case 5:
		change_protocol(r, p, &h);
		break;
	case 6:
		change_fragment(r, p);
		break;
	case 7: // the number
		if (spi != NULL)
			flip(r, spi + 4 + (rng_below(r, 2) ? 3 : rng_below(r, 4)));
		break;
	case 8:
		change_version(r, p, &h);
		break;
	case 9: // the length of AH, the ports
		if (h.upper + 8 < p->len)
			flip(r, p->bytes + h.upper + rng_below(r, 8));
		break;
	default:
		if (spi != NULL)
			change_spi(r, c, n, spi);
		break;
	}
	finish(p);
}

void make_hostile(
	struct rng *r, const struct ref_sa *sa, struct ref_choice *choice, struct ref_packet *wire)
{
	static struct ref_packet text;
	uint32_t align = sa->esp.cipher->align_bytes < 4 ? 4 : sa->esp.cipher->align_bytes;
	static const uint8_t nexts[] = {4, 41, 59, 6, 17, 50, 51, 60, 0, 43};
	uint8_t pad;

	text.len = align * (1 + rng_below(r, 20));
	rng_fill(r, text.bytes, text.len);
	if (rng_below(r, 2)) // it could be IP
		text.bytes[0] = (uint8_t)(rng_below(r, 2) ? 0x45 : 0x60 | (text.bytes[0] & 0xf));
	pad = (uint8_t)(rng_once_in(r, 3) ? rng_below(r, 256) : rng_below(r, 12));
	text.bytes[text.len - 2] = pad;
	text.bytes[text.len - 1] = nexts[rng_below(r, sizeof(nexts))];
	if (pad + 2u <= text.len && !rng_once_in(r, 4))
		for (unsigned i = 0; i < pad; i++)
			text.bytes[text.len - 2 - pad + i] = (uint8_t)(i + 1);
	if (rng_below(r, 2) && pad + 22u <= text.len && text.bytes[0] == 0x45)
		ref_ip_finish(text.bytes, text.len - 2 - pad);
	ref_esp_seal(sa, choice, &text);
	fixed_wire(sa, choice, rng_once_in(r, 4), (uint8_t)rng_next(r), &text, wire);
}

// A fragment header behind the first n bytes, of which the byte at next names what follows.
static void put_header(struct ref_packet *p, uint32_t n, uint32_t next, uint32_t id)
{
	memmove(p->bytes + n + 8, p->bytes + n, p->len - n);
	p->len += 8;
	p->bytes[n] = p->bytes[next];
	p->bytes[n + 1] = 0;
	ref_put16(p->bytes + n + 2, 0);
	ref_put32(p->bytes + n + 4, id);
	p->bytes[next] = 44;
}

// The part of p from at to end, behind its first n bytes; both count from there.
static void take_piece(const struct ref_packet *p, uint32_t n, uint32_t at, uint32_t end,
	uint32_t fragment, struct ref_packet *piece)
{
	bool more = n + end < p->len, v4 = has_ipv4(p);

	memcpy(piece->bytes, p->bytes, n);
	memcpy(piece->bytes + n, p->bytes + n + at, end - at);
	piece->len = n + end - at;
	ref_put16(piece->bytes + fragment, v4 ? at / 8 | (more ? 0x2000u : 0) : at | more);
	finish(piece);
}

unsigned cut_wire(struct rng *r, const struct ref_packet *p, struct ref_packet piece[MAX_PIECES])
{
	static struct ref_packet whole;
	bool v4 = has_ipv4(p);
	uint32_t n = v4 ? 4 * (p->bytes[0] & 0xfu) : 40, at = 0;
	unsigned n_pieces = 2 + rng_below(r, MAX_PIECES - 1);
	struct ref_ip h;

	if (!ref_ip_parse(p->bytes, p->len, &h) || p->len > 60000 || p->len - h.upper < 64 ||
		(v4 && (p->bytes[6] & 0x3f) != 0) || (!v4 && h.upper != 40))
		return 0;
	ref_copy(&whole, p);
	if (!v4) {
		put_header(&whole, n, 6, (uint32_t)rng_next(r));
		n += 8;
	}
	for (unsigned i = 0; i < n_pieces; i++) {
		uint32_t end = i + 1 < n_pieces
				       ? at + 8 * (1 + rng_below(r, (whole.len - n - at) / 24))
				       : whole.len - n;
		take_piece(&whole, n, at, end, v4 ? 6 : 42, &piece[i]);
		at = end;
	}
	return n_pieces;
}
