// SPDX-License-Identifier: BSD-3-Clause
// Can any frames break the path of an appliance, from either port?  Policies, link classes, MTU,
// answers to packets that are too big, MSS, unfinished checksums, large sends, fragments: all on.
// What leaves towards the wire must be protected or of a class that passes; whatever leaves must be
// sound IP of a length that fits.
//
// Input: how (bits), then frames: two bytes of length and flags, two of a segment's size, bytes.
#include "target.h"

#include "../box.h"
#include "../oracle/ref.h"
#include "../plain.h"
#include "host/host.h"

#include <string.h>

#define INBOUND 1
#define RAW_IP 2
#define STARVED 4 // as many buffers as the bits above say

#define LARGE 0x8000
#define UNFINISHED 0x4000
#define LENGTH 0x0fff

#define MTU 1400

#define KEYS "encryption: aes-gcm-128, encryption_key: \"000102030405060708090a0b0c0d0e0f101112"
#define ESP(spi, last) "esp: {spi: " spi ", " KEYS last "\"}"

static const char document[] =
	"sas:\n"
	"  - {name: o, direction: out, mode: tunnel, src: 192.0.2.1, dst: 192.0.2.2, " ESP(
		"257", "01") "}\n"
			     "  - {name: t, direction: out, mode: transport, src: 10.3.0.1, "
			     "dst: 10.3.0.2, " ESP("258",
				     "02") "}\n"
					   "  - {name: i, direction: in, mode: tunnel, src: "
					   "192.0.2.2, dst: 192.0.2.1, " ESP("259",
						   "03") "}\n"
							 "policies:\n"
							 "  - {name: p1, direction: out, src: "
							 "10.3.0.0/16, dst: any, action: protect, "
							 "sas: [t]}\n"
							 "  - {name: p2, direction: out, src: any, "
							 "dst: any, action: protect, sas: [o]}\n"
							 "  - {name: p3, direction: in, src: "
							 "10.9.0.0/16, dst: any, action: bypass}\n"
							 "  - {name: p4, direction: in, src: any, "
							 "dst: any, protocol: tcp, dport: 80, "
							 "action: bypass}\n"
							 "  - {name: p5, direction: in, src: any, "
							 "dst: any, action: protect, sas: [i]}\n";

static struct box *box;

static void start(void)
{
	char error[BOX_ERROR_BYTES];
	struct fer_host_rules *rules;

	if (box != NULL)
		return;
	box_start();
	box = box_open(document, error);
	TARGET_MUST(box != NULL);
	rules = box_rules(box);
	rules->mtu[FER_OUT] = rules->mtu[FER_IN] = MTU;
	rules->clamp_mss = true;
	rules->answers_per_second = UINT32_MAX;
	for (unsigned c = 1; c < FER_N_CLASSES; c++)
		rules->classes.action[c] = FER_CLASS_TO_PASS;
}

struct way {
	enum fer_link link;
	bool outbound;
};

// The EtherType and where what it names begins, behind tags; 0 for raw IP that is none.
static unsigned type_of(const struct way *w, const uint8_t *frame, uint32_t len, uint32_t *off)
{
	*off = 0;
	if (w->link == FER_LINK_RAW_IP)
		return len == 0 ? 0 : frame[0] >> 4 == 4 ? 0x0800 : frame[0] >> 4 == 6 ? 0x86dd : 0;
	for (uint32_t at = 12; at + 2 <= len; at += 4) {
		unsigned type = ref_get16(frame + at);

		if (type == 0x8100 || type == 0x88a8)
			continue;
		*off = at + 2;
		return type;
	}
	return 0;
}

// What may leave in the clear: neighbour discovery, listeners, IKE and its keep-alives.
static bool passes(const uint8_t *ip, const struct ref_ip *at)
{
	uint8_t protocol = ip[at->upper_next];

	return protocol == 58 || protocol == 17;
}

static void see(void *arg, const uint8_t *frame, uint32_t len, bool is_side)
{
	const struct way *w = arg;
	uint32_t off;
	unsigned type = type_of(w, frame, len, &off);
	struct ref_ip ip;

	if (type != 0x0800 && type != 0x86dd)
		return;
	frame += off;
	len -= off;
	TARGET_MUST(ref_ip_parse(frame, len, &ip));
	TARGET_MUST(ip.len <= (is_side ? 1500 : MTU));
	if (w->outbound && !is_side) {
		uint8_t protocol = frame[ip.upper_next];

		TARGET_MUST(protocol == 50 || passes(frame, &ip));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = target_take8(&data, &size);
	struct way w = {how & RAW_IP ? FER_LINK_RAW_IP : FER_LINK_ETHERNET, !(how & INBOUND)};
	struct box_rx rx[16];
	unsigned n = 0;

	start();
	for (; size > 0 && n < 16; n++) {
		uint16_t head = target_take16(&data, &size);
		uint16_t segment = target_take16(&data, &size);

		rx[n] = (struct box_rx){.bytes = data,
			.len = head & LENGTH,
			.segment = head & LARGE ? segment : 0,
			.unfinished = (head & UNFINISHED) != 0};
		if (rx[n].len > size)
			rx[n].len = (uint32_t)size;
		data += rx[n].len;
		size -= rx[n].len;
	}
	box_set_spare(how & STARVED ? how >> 3 : UINT32_MAX);
	box_port(box, w.outbound ? FER_OUT : FER_IN, w.link, rx, n, see, &w);
	box_set_time(box, how >> 2);
	return 0;
}

static uint32_t put_frame(
	uint8_t *to, const struct ref_packet *p, bool raw, unsigned flags, unsigned segment)
{
	uint32_t l2 = raw ? 0 : 14;

	ref_put16(to, flags | (l2 + p->len));
	ref_put16(to + 2, segment);
	memset(to + 4, 2, l2);
	if (!raw)
		ref_put16(to + 16, p->bytes[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	memcpy(to + 4 + l2, p->bytes, p->len);
	return 4 + l2 + p->len;
}

// A SYN that announces an MSS.
static void make_syn(struct ref_packet *p)
{
	static const uint8_t tcp[] = {0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff,
		0xff, 0, 0, 0, 0, 2, 4, 5, 0xb4};

	p->len -= p->len % 4;
	p->bytes[0] = 0x45;
	p->bytes[6] = p->bytes[7] = 0;
	p->bytes[9] = 6;
	memcpy(p->bytes + 20, tcp, sizeof(tcp));
	p->len = 20 + sizeof(tcp);
	ref_ip_finish(p->bytes, p->len);
}

void target_seeds(target_put *put, void *arg)
{
	static const struct ref_addr nets[4][2] = {{{4, {10, 1, 0, 1}}, {4, {10, 2, 0, 1}}},
		{{4, {10, 3, 0, 1}}, {4, {10, 3, 0, 2}}}, {{6, {0xfd, 1}}, {6, {0xfd, 2}}},
		{{4, {10, 9, 0, 1}}, {4, {10, 2, 0, 2}}}};
	static struct ref_packet p;
	static uint8_t bytes[8192];
	struct rng r = {3};
	char name[32];

	for (unsigned i = 0; i < 32; i++) {
		uint32_t len = 1;

		bytes[0] = (uint8_t)(i % 8 + i / 8 * 8);
		for (unsigned k = 0; k < 3; k++) {
			const struct plain_wish wish = {
				&nets[rng_below(&r, 4)][0], NULL, i % 4 == 0 ? 2000 : 300, true};
			struct plain_wish both = wish;

			both.dst = wish.src + 1;
			plain_make(&r, &both, &p);
			if (i % 5 == 0 && p.bytes[0] >> 4 == 4)
				make_syn(&p);
			len += put_frame(bytes + len, &p, i & RAW_IP,
				i % 7 == 0   ? LARGE
				: i % 3 == 0 ? UNFINISHED
					     : 0,
				500);
		}
		snprintf(name, sizeof(name), "frames%02u", i);
		put(arg, name, bytes, len);
	}
}
