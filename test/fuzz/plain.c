// SPDX-License-Identifier: BSD-3-Clause
#include "plain.h"

#include <string.h>

#define UDP 17

// Sizes around which things change; most packets have one of a usual kind.
static uint32_t payload_bytes(struct rng *r, uint32_t most)
{
	uint32_t n;

	switch (rng_below(r, 8)) {
	case 0:
		n = rng_below(r, 20);
		break;
	case 1:
		n = most - rng_below(r, 64);
		break;
	case 2:
		n = 1300 + rng_below(r, 200);
		break;
	case 3:
		n = rng_below(r, 9000);
		break;
	default:
		n = rng_below(r, 300);
	}
	return n > most ? most : n;
}

static uint8_t protocol(struct rng *r)
{
	static const uint8_t usual[] = {6, 17, 1, 58, 132, 47, 254, 4, 41};

	return usual[rng_below(r, sizeof(usual))];
}

// One IPv4 option of up to room bytes; returns its length, or 0 when it does not fit.
static uint32_t put_option(struct rng *r, uint8_t *at, uint32_t room)
{
	// Record route, timestamp, router alert, security, source routes at their end, unknown
	// ones.
	static const struct {
		uint8_t type, len, third;
	} options[] = {{1, 1, 0}, {7, 11, 8}, {68, 12, 9}, {148, 4, 0}, {130, 11, 0}, {131, 7, 8},
		{137, 11, 12}, {94, 6, 0}, {30, 8, 0}, {149, 6, 0}};
	unsigned k = rng_below(r, sizeof(options) / sizeof(options[0]));

	if (options[k].len > room)
		return 0;
	rng_fill(r, at, options[k].len);
	at[0] = options[k].type;
	if (options[k].len > 1)
		at[1] = options[k].len;
	if (options[k].third != 0)
		at[2] = options[k].third;
	return options[k].len;
}

static uint32_t put_ipv4(struct rng *r, const struct plain_wish *wish, uint8_t *ip, uint8_t next)
{
	uint32_t room = rng_once_in(r, 4) ? 4 * rng_below(r, 11) : 0, at = 20;
	uint32_t end = 20 + room;

	memset(ip, 0, end);
	ip[0] = (uint8_t)(0x40 | end / 4);
	ip[1] = (uint8_t)rng_next(r);
	rng_fill(r, ip + 4, 2);
	ip[6] = rng_below(r, 2) ? 0x40 : 0;
	ip[8] = (uint8_t)(1 + rng_below(r, 255));
	ip[9] = next;
	memcpy(ip + 12, wish->src->bytes, 4);
	memcpy(ip + 16, wish->dst->bytes, 4);
	for (uint32_t n; at < end && (n = put_option(r, ip + at, end - at)) != 0;)
		at += n;
	return end;
}

// Padding and options whose data may change on the way or may not, in whole units of 8.
static uint32_t put_tlvs(struct rng *r, uint8_t *header)
{
	uint32_t len = 8 * (1 + rng_below(r, 4)), at = 2;

	header[1] = (uint8_t)(len / 8 - 1);
	while (at < len) {
		uint32_t left = len - at, data = left < 2 ? 0 : rng_below(r, left - 1);

		if (left < 2 || rng_once_in(r, 6)) {
			header[at++] = 0;
			continue;
		}
		header[at] = rng_below(r, 2) ? 0x3e : 0x1e; // experimental, RFC 4727
		header[at + 1] = (uint8_t)data;
		rng_fill(r, header + at + 2, data);
		at += 2 + data;
	}
	return len;
}

// A routing header of type 0: on its way, or at its end.
static uint32_t put_routing(struct rng *r, uint8_t *header)
{
	uint32_t n = 1 + rng_below(r, 3);

	memset(header, 0, 8);
	header[1] = (uint8_t)(n * 2);
	header[3] = (uint8_t)(rng_below(r, 2) ? rng_below(r, n + 1) : 0);
	rng_fill(r, header + 8, n * 16);
	return 8 + n * 16;
}

// Extension headers in the order of RFC 8200 section 4.1.
static uint32_t put_ipv6(struct rng *r, const struct plain_wish *wish, uint8_t *ip, uint8_t next)
{
	bool any = rng_once_in(r, 4), routing = any && rng_below(r, 2);
	uint32_t at = 40, name = 6;
	const struct {
		uint8_t type;
		bool used;
	} order[] = {{0, any && rng_below(r, 2)}, {60, routing && rng_below(r, 2)}, {43, routing},
		{44, any && rng_once_in(r, 4)}, {60, any && rng_below(r, 2)}};

	ref_put32(ip, 0x60000000u | (uint32_t)(rng_next(r) & 0xfffffff));
	ip[7] = (uint8_t)(1 + rng_below(r, 255));
	memcpy(ip + 8, wish->src->bytes, 16);
	memcpy(ip + 24, wish->dst->bytes, 16);
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!order[i].used)
			continue;
		ip[name] = order[i].type;
		name = at;
		if (order[i].type == 43) {
			at += put_routing(r, ip + at);
		} else if (order[i].type == 44) { // atomic: RFC 6946
			memset(ip + at, 0, 4);
			rng_fill(r, ip + at + 4, 4);
			at += 8;
		} else {
			at += put_tlvs(r, ip + at);
		}
	}
	ip[name] = next;
	return at;
}

void plain_make(struct rng *r, const struct plain_wish *wish, struct ref_packet *p)
{
	uint8_t next = protocol(r), *ip = p->bytes;
	bool v4 = wish->src->version == 4;
	uint32_t header = v4 ? put_ipv4(r, wish, ip, next) : put_ipv6(r, wish, ip, next);
	uint32_t payload = payload_bytes(r, wish->most - header);

	rng_fill(r, ip + header, payload);
	if (next == UDP && payload >= 4) // no NAT traversal: those packets are other people's ESP
		ref_put16(ip + header + 2, 53);
	if (next == UDP && payload >= 8 && !rng_once_in(r, 4))
		ref_put16(ip + header + 4, payload);
	if (v4 && wish->may_be_fragment && payload < 60000 && rng_once_in(r, 8)) {
		payload -= payload % 8;
		ref_put16(ip + 6, rng_below(r, 100) | (payload > 0 ? 0x2000 : 0));
	}
	p->len = header + payload;
	ref_ip_finish(ip, p->len);
}
