// SPDX-License-Identifier: BSD-3-Clause
// Every length of plaintext with every pad length, sealed with the right key and opened through the
// whole inbound path; every byte of padding changed in turn; every truncation of a packet.
//
//   sweep [LONGEST]
#include "fixed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#define MAX_TEXT 4096

static struct box *box;
static struct box_frame frames[BOX_BURST];
static struct {
	enum fer_verdict verdict;
	struct ref_packet plain;
} want[BOX_BURST];
static unsigned n_waiting;
static uint64_t n_done;

__attribute__((noreturn)) static void fail(unsigned i, const char *what)
{
	fprintf(stderr, "%s, but the verdict is %s, of: ", what,
		fer_verdict_name(frames[i].verdict));
	for (uint32_t k = 0; k < frames[i].len; k++)
		fprintf(stderr, "%02x", frames[i].bytes[k]);
	fputs("\n", stderr);
	exit(EXIT_FAILURE);
}

static void check(unsigned i)
{
	if (frames[i].verdict != want[i].verdict)
		fail(i, fer_verdict_name(want[i].verdict));
	if (want[i].verdict != FER_OK)
		return;
	if (frames[i].out_len != want[i].plain.len ||
		memcmp(frames[i].out, want[i].plain.bytes, want[i].plain.len) != 0)
		fail(i, "other bytes came out");
}

static void flush(void)
{
	if (n_waiting > 0)
		box_run(box, FER_IN, FER_LINK_RAW_IP, frames, n_waiting, NULL);
	for (unsigned i = 0; i < n_waiting; i++)
		check(i);
	n_done += n_waiting;
	n_waiting = 0;
}

// --- lengths and pad lengths --------------------------------------------------------------------

// What packets carry: what most carry, which is opened in a shorter way, or what nobody knows.
static const uint8_t protocols[] = {6, 254};
static uint8_t protocol = 254;

// A packet of len bytes for the inside of a tunnel; too short for one: zeroes.
static void make_inner(bool v6, uint8_t *p, uint32_t len)
{
	uint32_t header = v6 ? 40 : 20;

	memset(p, 0, len);
	if (len < header)
		return;
	p[0] = v6 ? 0x60 : 0x45;
	p[v6 ? 6 : 9] = protocol;
	p[v6 ? 7 : 8] = 64;
	memset(p + header, 0x5a, len - header);
	ref_ip_finish(p, len);
}

// What has to come of a text with so many bytes in front of padding and trailer; less than none:
// the padding is longer than the text.
static enum fer_verdict judge(const struct ref_sa *sa, bool v6, int payload)
{
	if (payload < 0)
		return FER_BAD_PADDING;
	if (sa->tunnel && payload < (v6 ? 40 : 20))
		return FER_BAD_INNER;
	return FER_OK;
}

// Adds a text to those that wait: payload, padding with the byte at wrong changed (-1: none).
static void add(const struct ref_sa *sa, bool v6, uint32_t len, uint8_t pad, int wrong)
{
	static struct ref_packet body, wire;
	struct ref_choice choice = fixed_choice(sa), found = {0};
	int payload = (int)len - 2 - pad;
	unsigned i = n_waiting++;

	body.len = len;
	make_inner(v6, body.bytes, payload < 0 ? 0 : (uint32_t)payload);
	body.bytes[len - 2] = pad;
	body.bytes[len - 1] = sa->tunnel ? (v6 ? 41 : 4) : 254;
	fixed_padding(sa, &body, &choice);
	if (wrong >= 0)
		body.bytes[payload + wrong]++;
	found.seq = choice.seq;
	ref_esp_seal(sa, &choice, &body);
	fixed_wire(sa, &choice, false, 0, &body, &wire);
	frames[i].len = wire.len;
	memcpy(frames[i].bytes, wire.bytes, wire.len);
	want[i].verdict = wrong < 0 ? judge(sa, v6, payload) : FER_BAD_PADDING;
	if (want[i].verdict == FER_OK && ref_open(sa, &found, &wire, &want[i].plain) != REF_OK)
		fail(i, "the oracle does not open it");
	if (n_waiting == BOX_BURST)
		flush();
}

static void sweep_lengths(uint32_t longest)
{
	for (unsigned s = 0; s < FIXED_SAS; s++) {
		const struct ref_sa *sa = fixed_sa(s);
		uint32_t align = sa->esp.cipher->align_bytes;

		for (uint32_t len = align; fixed_has(s) && len <= longest; len += align)
			for (unsigned pad = 0; pad < 256; pad++) {
				protocol = protocols[len / align % 2];
				add(sa, pad % 2, len, (uint8_t)pad, -1);
			}
	}
	flush();
}

// RFC 4303 section 2.4: the receiver inspects the padding, in transport mode and of a tunnel, also
// of a packet that is like the sound one before it.
static void sweep_padding(void)
{
	static const unsigned sas[] = {5, 6};

	for (unsigned s = 0; s < 4; s++) {
		const struct ref_sa *sa = fixed_sa(sas[s / 2]);

		protocol = protocols[s % 2];
		for (unsigned pad = 1; pad < 256; pad++)
			for (unsigned wrong = 0; wrong < pad; wrong++) {
				add(sa, false, 400, (uint8_t)pad, -1);
				add(sa, false, 400, (uint8_t)pad, (int)wrong);
			}
		flush();
	}
}

// --- truncations --------------------------------------------------------------------------------

// Cut at every length, with the header telling the old length, and the new one.
static void sweep_truncations(void)
{
	static struct ref_packet body, wire;

	for (unsigned s = 0; s < FIXED_SAS; s++) {
		const struct ref_sa *sa = fixed_sa(s);
		const struct ref_choice choice = fixed_choice(sa);

		if (!fixed_has(s))
			continue;
		body.len = 100;
		make_inner(false, body.bytes, body.len);
		ref_esp_wrap(sa, &choice, sa->tunnel ? 4 : 254, &body);
		fixed_wire(sa, &choice, s % 2, 0, &body, &wire);
		for (uint32_t len = 0; len < wire.len; len++)
			for (unsigned told = 0; told < 2; told++) {
				struct box_frame *f = &frames[0];
				uint32_t header = wire.len - body.len;

				f->len = len;
				memcpy(f->bytes, wire.bytes, len);
				if (told && len >= header)
					ref_ip_finish(f->bytes, len);
				box_run(box, FER_IN, FER_LINK_RAW_IP, f, 1, NULL);
				n_done++;
				if (f->verdict == FER_OK)
					fail(0, "cut, and accepted");
			}
	}
}

int main(int argc, char **argv)
{
	unsigned long longest = argc > 1 ? strtoul(argv[1], NULL, 0) : 1500;

	box = fixed_open();
	sweep_lengths((uint32_t)(longest < MAX_TEXT ? longest : MAX_TEXT));
	sweep_padding();
	sweep_truncations();
	box_check_leaks();
	box_close(box);
	printf("%" PRIu64 " packets, each with the verdict that it should have\n", n_done);
	return EXIT_SUCCESS;
}
