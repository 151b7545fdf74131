// SPDX-License-Identifier: BSD-3-Clause
// RFC 4302 section 3.3.3.1 and appendix A.
#include "ref.h"

#include <string.h>

// RFC 4302 appendix A1: end of list, no operation, the security options, router alert, sender
// directed multi-destination delivery.
static bool is_immutable(uint8_t option)
{
	switch (option) {
	case 0:
	case 1:
	case 130:
	case 133:
	case 134:
	case 148:
	case 149:
		return true;
	default:
		return false;
	}
}

static bool is_source_route(uint8_t option)
{
	return option == 131 || option == 137;
}

static void mask_ipv4(uint8_t *ip)
{
	uint32_t end = (ip[0] & 15) * 4u;

	for (uint32_t at = 20; at < end && ip[at] != 0;) {
		uint32_t n = ip[at] == 1 ? 1 : at + 1 < end ? ip[at + 1] : 0;

		if (n == 0 || n > end - at || (n == 1 && ip[at] != 1))
			break; // no option; nobody may send this
		// What is left of a source route ends at the destination (RFC 791 section 3.1).
		if (is_source_route(ip[at]) && n >= 7 && ip[at + 2] <= n)
			memcpy(ip + 16, ip + at + n - 4, 4);
		if (!is_immutable(ip[at]))
			memset(ip + at, 0, n);
		at += n;
	}
	ip[1] = 0;
	memset(ip + 6, 0, 2);
	ip[8] = 0;
	memset(ip + 10, 0, 2);
}

// Options whose third bit is set may change on the way: their data is taken as zero.
static void mask_options(uint8_t *header, uint32_t len)
{
	for (uint32_t at = 2; at < len;) {
		uint32_t n;

		if (header[at] == 0) {
			at++;
			continue;
		}
		if (at + 2 > len || at + 2 + header[at + 1] > len)
			return;
		n = header[at + 1];
		if ((header[at] & 0x20) != 0)
			memset(header + at + 2, 0, n);
		at += 2 + n;
	}
}

// A routing header of type 0 or 2 as it will be at its end: RFC 2460 section 4.4, RFC 6275 section
// 6.4.
static void arrive(uint8_t *ip, uint8_t *routing)
{
	uint32_t n = routing[1] / 2u, left = routing[3], first;
	uint8_t last[16];

	if ((routing[2] != 0 && routing[2] != 2) || left == 0 || left > n)
		return;
	first = n - left;
	memcpy(last, routing + 8 + (n - 1) * 16, 16);
	memmove(routing + 8 + (first + 1) * 16, routing + 8 + first * 16, (left - 1) * 16);
	memcpy(routing + 8 + first * 16, ip + 24, 16);
	memcpy(ip + 24, last, 16);
	routing[3] = 0;
}

static void mask_ipv6(uint8_t *ip, uint32_t len)
{
	uint8_t type = ip[6];

	ip[0] = 0x60;
	memset(ip + 1, 0, 3);
	ip[7] = 0;
	for (uint32_t at = 40; at + 8 <= len;) {
		uint32_t n = type == 44 ? 8 : 8u + ip[at + 1] * 8u;

		if (type == 0 || type == 60)
			mask_options(ip + at, n);
		if (type == 43)
			arrive(ip, ip + at);
		type = ip[at];
		at += n;
	}
}

void ref_mask(uint8_t *ip, uint32_t len)
{
	if (ip[0] >> 4 == 4)
		mask_ipv4(ip);
	else
		mask_ipv6(ip, len);
}
