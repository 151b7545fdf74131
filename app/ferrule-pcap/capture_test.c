// SPDX-License-Identifier: BSD-3-Clause
// Does every file that can be read give its packets, and every other a reason?  Is an output either
// whole or not there?
#include "capture.h"

#include "base/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <pcap/pcap.h>
#include <cmocka.h>

#define MICRO 0xa1b2c3d4
#define NANO 0xa1b23c4d
#define SNAP_LEN 262144
#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

// The bytes of a file while a test builds them.
struct image {
	bool is_big;
	size_t len;
	uint8_t bytes[FER_CAPTURE_MAX_BYTES + 1000];
};

static void put32(struct image *f, uint32_t v)
{
	fer_store_be32(f->bytes + f->len, f->is_big ? v : __builtin_bswap32(v));
	f->len += 4;
}

static void put16(struct image *f, uint16_t v)
{
	fer_store_be16(f->bytes + f->len, f->is_big ? v : __builtin_bswap16(v));
	f->len += 2;
}

// The bytes of every packet are these, as many as it has.
static uint8_t packet_byte(size_t i)
{
	return (uint8_t)(i * 7 + 1);
}

static void put_packet_bytes(struct image *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		f->bytes[f->len++] = packet_byte(i);
}

static void put_classic(
	struct image *f, bool is_big, uint32_t magic, uint32_t snap_len, uint32_t link_type)
{
	f->is_big = is_big;
	f->len = 0;
	put32(f, magic);
	put16(f, 2);
	put16(f, 4);
	put32(f, 0);
	put32(f, 0);
	put32(f, snap_len);
	put32(f, link_type);
}

static void put_record_header(
	struct image *f, uint32_t sec, uint32_t fraction, uint32_t cap_len, uint32_t len)
{
	put32(f, sec);
	put32(f, fraction);
	put32(f, cap_len);
	put32(f, len);
}

static void put_record(struct image *f, uint32_t sec, uint32_t fraction, uint32_t len)
{
	put_record_header(f, sec, fraction, len, len);
	put_packet_bytes(f, len);
}

// A block: begin, contents, end.
static size_t begin_block(struct image *f, uint32_t type)
{
	put32(f, type);
	put32(f, 0);
	return f->len - 8;
}

static void end_block(struct image *f, size_t start)
{
	size_t len = f->len + 4 - start;

	put32(f, (uint32_t)len);
	f->len = start + 4;
	put32(f, (uint32_t)len);
	f->len = start + len;
}

static void put_section(struct image *f, bool is_big)
{
	f->is_big = is_big;
	f->len = 0;
	size_t start = begin_block(f, 0x0a0d0d0a);
	put32(f, 0x1a2b3c4d);
	put16(f, 1);
	put16(f, 0);
	put32(f, 0xffffffff);
	put32(f, 0xffffffff);
	end_block(f, start);
}

// resolution: of if_tsresol, -1 for none.
static void put_interface(struct image *f, uint16_t link_type, int resolution)
{
	size_t start = begin_block(f, 1);

	put16(f, link_type);
	put16(f, 0);
	put32(f, SNAP_LEN);
	if (resolution >= 0) {
		put16(f, 2); // if_name, five bytes and their padding
		put16(f, 5);
		memcpy(f->bytes + f->len, "east0\0\0", 8);
		f->len += 8;
		put16(f, 9);
		put16(f, 1);
		memcpy(f->bytes + f->len, (uint8_t[4]){(uint8_t)resolution}, 4);
		f->len += 4;
		put32(f, 0);
	}
	end_block(f, start);
}

static void put_enhanced(
	struct image *f, uint32_t interface, uint64_t time, uint32_t cap_len, uint32_t len)
{
	size_t start = begin_block(f, 6);

	put32(f, interface);
	put32(f, (uint32_t)(time >> 32));
	put32(f, (uint32_t)time);
	put32(f, cap_len);
	put32(f, len);
	put_packet_bytes(f, cap_len);
	while (f->len % 4 != 0)
		f->bytes[f->len++] = 0;
	end_block(f, start);
}

static void put_unknown_block(struct image *f)
{
	size_t start = begin_block(f, 0x0bad);

	put32(f, 1);
	end_block(f, start);
}

static void store(const char *path, const uint8_t *bytes, size_t len)
{
	unlink(path); // some file systems flush a file that is truncated and filled again
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

// Puts the image into "in" and opens it; it must open.
static struct fer_capture *open_image(const struct image *f)
{
	char error[FER_CAPTURE_ERROR_BYTES] = "";

	store("in", f->bytes, f->len);
	struct fer_capture *c = fer_capture_open("in", error);
	assert_string_equal(error, "");
	assert_non_null(c);
	return c;
}

// The next packet is this one.
static void expect_packet(
	struct fer_capture *c, uint32_t cap_len, uint32_t len, int64_t sec, long nsec)
{
	char error[FER_CAPTURE_ERROR_BYTES] = "";
	struct fer_capture_packet p;

	assert_int_equal(fer_capture_read(c, &p, error), 1);
	assert_string_equal(error, "");
	assert_int_equal(p.cap_len, cap_len);
	assert_int_equal(p.len, len);
	assert_int_equal(p.when.tv_sec, sec);
	assert_int_equal(p.when.tv_nsec, nsec);
	for (size_t i = 0; i < cap_len; i++)
		assert_int_equal(p.bytes[i], packet_byte(i));
}

static void expect_end(struct fer_capture *c)
{
	char error[FER_CAPTURE_ERROR_BYTES];
	struct fer_capture_packet p;

	assert_int_equal(fer_capture_read(c, &p, error), 0);
	fer_capture_close(c);
}

// A reason is one line that starts with the name.
static void expect_reason(const char *error, const char *path, const char *reason)
{
	assert_null(strchr(error, '\n'));
	assert_int_equal(strncmp(error, path, strlen(path)), 0);
	assert_int_equal(strncmp(error + strlen(path), ": ", 2), 0);
	if (strstr(error, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, reason);
}

// Reads a file to its end: the number of its packets, or -1.
static int count_packets(const char *path, char error[static FER_CAPTURE_ERROR_BYTES])
{
	struct fer_capture *c = fer_capture_open(path, error);
	struct fer_capture_packet p;
	unsigned sum = 0;
	int rc = -1, n = 0;

	if (c == NULL)
		return -1;
	while ((rc = fer_capture_read(c, &p, error)) == 1) {
		n++;
		assert_true(p.cap_len <= p.len && p.cap_len <= FER_CAPTURE_MAX_BYTES);
		for (size_t i = 0; i < p.cap_len; i++)
			sum += p.bytes[i]; // all of them can be read
	}
	assert_true(sum < UINT32_MAX);
	fer_capture_close(c);
	return rc == 0 ? n : -1;
}

static void expect_refused(const struct image *f, const char *reason)
{
	char error[FER_CAPTURE_ERROR_BYTES] = "";

	store("in", f->bytes, f->len);
	assert_int_equal(count_packets("in", error), -1);
	expect_reason(error, "in", reason);
}

// How many files are in the folder, hidden ones too?
static int count_files(void)
{
	DIR *d = opendir(".");
	int n = -2; // . and ..

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void expect_file(const char *path, const uint8_t *bytes, size_t len)
{
	static uint8_t found[sizeof(struct image)];
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	assert_int_equal(fread(found, 1, sizeof(found), f), len);
	assert_memory_equal(found, bytes, len);
	fclose(f);
}

static const bool both_orders[] = {false, true};

static void classic_files_keep_packets_and_times(void **state)
{
	struct image *f = *state;

	for (int i = 0; i < 4; i++) {
		bool is_nano = i >= 2;
		put_classic(f, both_orders[i % 2], is_nano ? NANO : MICRO, SNAP_LEN, 1);
		put_record(f, 1700000000, 123456, 60);
		put_record(f, 0, 0, 0);
		put_record(f, 0x80000001, 999999, 1514); // in the year 2038
		put_record(f, 0xffffffff, is_nano ? 999999999 : 1, 9000);

		struct fer_capture *c = open_image(f);
		assert_int_equal(fer_capture_format(c).link_type, DLT_EN10MB);
		assert_int_equal(fer_capture_format(c).nanoseconds, is_nano);
		expect_packet(c, 60, 60, 1700000000, is_nano ? 123456 : 123456000);
		expect_packet(c, 0, 0, 0, 0);
		expect_packet(c, 1514, 1514, 0x80000001, is_nano ? 999999 : 999999000);
		expect_packet(c, 9000, 9000, 0xffffffff, is_nano ? 999999999 : 1000);
		expect_end(c);
	}
}

static void pcapng_files_keep_packets_and_times(void **state)
{
	static const struct {
		int resolution;
		uint64_t per_second;
		uint64_t fraction;
		long nsec;
		bool is_nano;
	} clocks[] = {
		{-1, 1000000, 123456, 123456000, false},
		{6, 1000000, 123456, 123456000, false},
		{3, 1000, 123, 123000000, false},
		{0, 1, 0, 0, false},
		{7, 10000000, 1234567, 123456700, true},
		{9, 1000000000, 123456789, 123456789, true},
		{12, 1000000000000, 123456789012, 123456789, true},
		{0x80 | 10, 1024, 1, 976562, true},
		{0x80 | 32, 1ul << 32, 1ul << 31, 500000000, true},
	};
	struct image *f = *state;

	for (size_t i = 0; i < 2 * N_ELEMENTS(clocks); i++) {
		size_t k = i / 2;
		uint64_t sec = clocks[k].per_second > 1000000000 ? 1000 : 1700000000;
		put_section(f, both_orders[i % 2]);
		put_unknown_block(f);
		put_interface(f, 1, clocks[k].resolution);
		put_unknown_block(f);
		put_enhanced(f, 0, sec * clocks[k].per_second + clocks[k].fraction, 61, 61);
		put_enhanced(f, 0, 0, 0, 0);

		struct fer_capture *c = open_image(f);
		assert_int_equal(fer_capture_format(c).link_type, DLT_EN10MB);
		assert_int_equal(fer_capture_format(c).nanoseconds, clocks[k].is_nano);
		expect_packet(c, 61, 61, (int64_t)sec, clocks[k].nsec);
		expect_packet(c, 0, 0, 0, 0);
		expect_end(c);
	}
}

static void one_fine_clock_makes_the_file_nanoseconds(void **state)
{
	struct image *f = *state;

	put_section(f, false);
	put_interface(f, 1, -1);
	put_interface(f, 1, 9);
	put_enhanced(f, 0, 1000001, 60, 60);
	put_enhanced(f, 1, 1000000001, 60, 60);
	struct fer_capture *c = open_image(f);
	assert_true(fer_capture_format(c).nanoseconds);
	expect_packet(c, 60, 60, 1, 1000);
	expect_packet(c, 60, 60, 1, 1);
	expect_end(c);
}

static void a_clock_too_far_to_see_counts_as_fine(void **state)
{
	struct image *f = *state;

	put_section(f, true);
	size_t start = begin_block(f, 0x0bad);
	f->len += 100000;
	end_block(f, start);
	put_interface(f, 1, 9);
	put_enhanced(f, 0, 1000000001, 60, 60);
	struct fer_capture *c = open_image(f);
	assert_true(fer_capture_format(c).nanoseconds);
	expect_packet(c, 60, 60, 1, 1);
	expect_end(c);
}

static void simple_packet_blocks_have_no_time(void **state)
{
	struct image *f = *state;

	put_section(f, true);
	put_interface(f, 1, -1);
	size_t start = begin_block(f, 3);
	put32(f, 64);
	put_packet_bytes(f, 64);
	end_block(f, start);
	struct fer_capture *c = open_image(f);
	expect_packet(c, 64, 64, 0, 0);
	expect_end(c);
}

static void ethernet_and_raw_ip_are_read(void **state)
{
	static const struct {
		uint16_t in_file;
		int link_type;
	} types[] = {
		{1, DLT_EN10MB}, {12, DLT_RAW}, {101, DLT_RAW}, {228, DLT_IPV4}, {229, DLT_IPV6}};
	struct image *f = *state;

	for (size_t i = 0; i < 2 * N_ELEMENTS(types); i++) {
		bool is_big = both_orders[i % 2];
		put_classic(f, is_big, MICRO, SNAP_LEN, types[i / 2].in_file);
		struct fer_capture *c = open_image(f);
		assert_int_equal(fer_capture_format(c).link_type, types[i / 2].link_type);
		expect_end(c);

		put_section(f, is_big);
		put_interface(f, types[i / 2].in_file, -1);
		put_interface(f, types[i / 2].in_file, -1);
		put_enhanced(f, 1, 0, 60, 60);
		c = open_image(f);
		assert_int_equal(fer_capture_format(c).link_type, types[i / 2].link_type);
		expect_packet(c, 60, 60, 0, 0);
		expect_end(c);
	}
}

static void other_link_types_are_refused(void **state)
{
	static const uint16_t types[] = {0, 105, 108, 113, 127, 276, 999};
	struct image *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(types); i++) {
		put_classic(f, false, MICRO, SNAP_LEN, types[i]);
		expect_refused(f, "is neither Ethernet nor raw IP");
		put_section(f, false);
		put_interface(f, types[i], -1);
		expect_refused(f, "is neither Ethernet nor raw IP");
	}
	put_section(f, false);
	put_interface(f, 1, -1);
	put_interface(f, 101, -1);
	expect_refused(f, "different from the type of the first interface");
}

static void cut_packets_are_recognised(void **state)
{
	struct image *f = *state;

	put_classic(f, true, MICRO, 64, 1);
	put_record_header(f, 1, 2, 64, 1514);
	put_packet_bytes(f, 64);
	put_record_header(f, 1, 2, 0, UINT32_MAX);
	struct fer_capture *c = open_image(f);
	expect_packet(c, 64, 1514, 1, 2000);
	expect_packet(c, 0, UINT32_MAX, 1, 2000);
	expect_end(c);

	put_section(f, true);
	put_interface(f, 1, 9);
	put_enhanced(f, 0, 0, 63, 1514);
	c = open_image(f);
	expect_packet(c, 63, 1514, 0, 0);
	expect_end(c);
}

static void largest_packets_are_whole(void **state)
{
	static const struct {
		uint32_t snap_len;
		uint32_t len;
	} cases[] = {{65535, 65549}, {0, 65553}, {UINT32_MAX, 65575}, {262144, 262144}, {1, 1},
		{65534, 65534}};
	struct image *f = *state;

	for (size_t i = 0; i < 2 * N_ELEMENTS(cases); i++) {
		put_classic(f, both_orders[i % 2], MICRO, cases[i / 2].snap_len, 1);
		put_record(f, 0, 0, cases[i / 2].len);
		struct fer_capture *c = open_image(f);
		expect_packet(c, cases[i / 2].len, cases[i / 2].len, 0, 0);
		expect_end(c);
	}
}

static void records_that_contradict_themselves_are_refused(void **state)
{
	static const struct {
		uint32_t magic;
		uint32_t snap_len;
		uint32_t fraction;
		uint32_t cap_len;
		uint32_t len;
		const char *reason;
	} cases[] = {
		{MICRO, SNAP_LEN, 0, UINT32_MAX, UINT32_MAX, "invalid packet capture length"},
		{MICRO, SNAP_LEN, 0, UINT32_MAX, 60, "invalid packet capture length"},
		{MICRO, 0, 0, 0x80000000, 0x80000000, "invalid packet capture length"},
		{MICRO, UINT32_MAX, 0, 0x7fffffff, 0x7fffffff, "invalid packet capture length"},
		{MICRO, 0x7fffffff, 0, 0x7fffffff, 0x7fffffff, "invalid packet capture length"},
		{MICRO, 0, 0, 262145, 262145, "invalid packet capture length"},
		{MICRO, SNAP_LEN, 0, 262144, 262144, "tried to read 262144 captured bytes"},
		{MICRO, 64, 0, 100, 100, "longer than packets of this file"},
		{NANO, 65534, 0, 100, 99, "longer than the packet was"},
		{MICRO, SNAP_LEN, 1000000, 60, 60, "second in its fraction"},
		{MICRO, SNAP_LEN, UINT32_MAX, 60, 60, "second in its fraction"},
		{NANO, SNAP_LEN, 1000000000, 60, 60, "second in its fraction"},
		{NANO, SNAP_LEN, UINT32_MAX, 60, 60, "second in its fraction"},
	};
	struct image *f = *state;

	for (size_t i = 0; i < 2 * N_ELEMENTS(cases); i++) {
		size_t k = i / 2;
		put_classic(f, both_orders[i % 2], cases[k].magic, cases[k].snap_len, 1);
		put_record(f, 0, 0, 60);
		put_record_header(f, 0, cases[k].fraction, cases[k].cap_len, cases[k].len);
		put_packet_bytes(f, 100);
		expect_refused(f, cases[k].reason);
		expect_refused(f, "packet 2: ");
	}
}

static void blocks_that_contradict_themselves_are_refused(void **state)
{
	static const uint32_t lengths[] = {0, 4, 11, 13, 0x01000004, 0x7ffffffc, 0xfffffffc};
	struct image *f = *state;

	for (size_t i = 0; i < 2 * N_ELEMENTS(lengths); i++) {
		for (int n_blocks = 0; n_blocks < 3; n_blocks++) {
			put_section(f, both_orders[i % 2]);
			size_t at = 4;
			if (n_blocks > 0) {
				at = f->len + 4;
				put_interface(f, 1, 9);
			}
			if (n_blocks > 1) {
				at = f->len + 4;
				put_enhanced(f, 0, 0, 60, 60);
			}
			size_t len = f->len;
			f->len = at;
			put32(f, lengths[i / 2]);
			f->len = len;
			expect_refused(f, n_blocks == 0         ? "invalid length"
					  : lengths[i / 2] > 13 ? "block size"
								: "has a length of");
		}
	}
}

static void packets_that_no_interface_can_have_are_refused(void **state)
{
	struct image *f = *state;

	put_section(f, false);
	expect_refused(f, "no Interface Description Blocks");
	put_enhanced(f, 0, 0, 60, 60);
	expect_refused(f, "before any Interface Description Blocks");
	put_section(f, false);
	put_interface(f, 1, -1);
	put_enhanced(f, 1, 0, 60, 60);
	expect_refused(f, "packet 1: a packet arrived on interface 1");
	put_section(f, false);
	put_interface(f, 1, -1);
	put_enhanced(f, 0, 0, 60, 59);
	expect_refused(f, "longer than the packet was");
	put_section(f, false);
	put_interface(f, 1, 0);
	put_enhanced(f, 0, 0, FER_CAPTURE_MAX_BYTES + 1, FER_CAPTURE_MAX_BYTES + 1);
	fer_store_be32(f->bytes + 28 + 12, 0x7f7f7f7f); // the interface's snapshot length
	expect_refused(f, "longer than packets of this file");
	put_section(f, false);
	put_interface(f, 1, 0);
	put_enhanced(f, 0, (uint64_t)UINT32_MAX + 1, 60, 60);
	expect_refused(f, "time out of range");
	put_section(f, false);
	put_interface(f, 1, 0);
	put_enhanced(f, 0, UINT64_MAX, 60, 60);
	expect_refused(f, "time out of range");
}

static void put_small_classic(struct image *f, bool is_big)
{
	put_classic(f, is_big, NANO, SNAP_LEN, 1);
	put_record(f, 1, 2, 20);
	put_record(f, 3, 4, 33);
}

static void put_small_pcapng(struct image *f, bool is_big)
{
	put_section(f, is_big);
	put_interface(f, 101, 9);
	put_interface(f, 101, -1);
	put_enhanced(f, 0, 1000000002, 20, 20);
	put_enhanced(f, 1, 3000004, 33, 1514);
}

struct end {
	size_t len;
	int n_packets;
};

// The file may end at these lengths, and has so many packets then; the last is its own length.
static void expect_ends(const struct image *f, const struct end *ends, size_t n_ends)
{
	char error[FER_CAPTURE_ERROR_BYTES];

	assert_int_equal(ends[n_ends - 1].len, f->len);
	for (size_t len = 0, i = 0; len <= f->len; len++) {
		store("in", f->bytes, len);
		if (len == ends[i].len) {
			assert_int_equal(count_packets("in", error), ends[i++].n_packets);
		} else {
			assert_int_equal(count_packets("in", error), -1);
			expect_reason(error, "in", "");
		}
	}
}

static void files_may_end_between_packets_only(void **state)
{
	static const struct end classic[] = {{24, 0}, {24 + 36, 1}, {24 + 36 + 49, 2}};
	static const struct end pcapng[] = {
		{28 + 44, 0}, {28 + 64, 0}, {28 + 64 + 52, 1}, {28 + 64 + 52 + 68, 2}};
	struct image *f = *state;

	for (int i = 0; i < 2; i++) {
		put_small_classic(f, both_orders[i]);
		expect_ends(f, classic, N_ELEMENTS(classic));
		put_small_pcapng(f, both_orders[i]);
		expect_ends(f, pcapng, N_ELEMENTS(pcapng));
	}
}

static void no_changed_byte_does_harm(void **state)
{
	static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x0f};
	struct image *f = *state;
	char error[FER_CAPTURE_ERROR_BYTES];

	for (int i = 0; i < 4; i++) {
		(i < 2 ? put_small_classic : put_small_pcapng)(f, both_orders[i % 2]);
		for (size_t at = 0; at < f->len * N_ELEMENTS(changes); at++) {
			uint8_t change = changes[at % N_ELEMENTS(changes)];
			f->bytes[at / N_ELEMENTS(changes)] ^= change;
			store("in", f->bytes, f->len);
			if (count_packets("in", error) < 0)
				expect_reason(error, "in", "");
			f->bytes[at / N_ELEMENTS(changes)] ^= change;
		}
	}
}

static void what_is_no_capture_is_refused(void **state)
{
	static const char *const texts[] = {"x", "hello", "\n\r\r\n\x1c",
		"a line of text\nand another\n", "\xd4\xc3\xb2\xa1",
		"\x1f\x8b\x08 compressed, so to say, and longer than a header"};
	struct image *f = *state;
	char error[FER_CAPTURE_ERROR_BYTES];

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		f->len = strlen(texts[i]);
		memcpy(f->bytes, texts[i], f->len);
		expect_refused(f, "");
	}
	f->len = 0;
	expect_refused(f, "the file is empty");
	assert_null(fer_capture_open("missing", error));
	expect_reason(error, "missing", strerror(ENOENT));
	assert_null(fer_capture_open("", error));
	expect_reason(error, "", strerror(ENOENT));
	assert_null(fer_capture_open(".", error));
	expect_reason(error, ".", strerror(EISDIR));
	fer_capture_close(NULL);
}

static void reasons_stay_one_line(void **state)
{
	static char path[9000];
	char error[FER_CAPTURE_ERROR_BYTES];

	(void)state;
	assert_null(fer_capture_open("two\nlines\x1b[1m", error));
	expect_reason(error, "two?lines?[1m", strerror(ENOENT));
	memset(path, 'x', sizeof(path) - 1);
	assert_null(fer_capture_open(path, error));
	assert_non_null(strstr(error, strerror(ENAMETOOLONG)));
	assert_null(fer_capture_out_open(path, (struct fer_capture_format){DLT_RAW, false}, error));
	assert_non_null(strstr(error, strerror(ENAMETOOLONG)));
}

static void pipes_can_be_read(void **state)
{
	struct image *f = *state;
	char error[FER_CAPTURE_ERROR_BYTES] = "", path[64];
	int ends[2];

	put_small_pcapng(f, true);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], f->bytes, f->len), f->len);
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	assert_int_equal(count_packets(path, error), 2);
	assert_string_equal(error, "");
	close(ends[0]);
}

static void files_longer_than_the_head_are_read(void **state)
{
	struct image *f = *state;

	put_classic(f, true, MICRO, SNAP_LEN, 101);
	for (unsigned i = 0; i < 150; i++)
		put_record(f, i, i, 1500);
	struct fer_capture *c = open_image(f);
	for (unsigned i = 0; i < 150; i++)
		expect_packet(c, 1500, 1500, i, i * 1000);
	expect_end(c);
}

static struct fer_capture_out *open_out(const char *path, int link_type, bool nanoseconds)
{
	char error[FER_CAPTURE_ERROR_BYTES] = "";
	struct fer_capture_out *out = fer_capture_out_open(
		path, (struct fer_capture_format){link_type, nanoseconds}, error);

	assert_string_equal(error, "");
	assert_non_null(out);
	return out;
}

static void write_packet(struct fer_capture_out *out, uint32_t sec, long nsec, size_t len)
{
	static uint8_t bytes[FER_CAPTURE_MAX_BYTES];
	char error[FER_CAPTURE_ERROR_BYTES] = "";

	for (size_t i = 0; i < len; i++)
		bytes[i] = packet_byte(i);
	struct fer_capture_packet p = {bytes, (uint32_t)len, (uint32_t)len, {sec, nsec}};
	assert_int_equal(fer_capture_out_write(out, &p, error), 0);
	assert_string_equal(error, "");
}

static void finish(struct fer_capture_out *out)
{
	char error[FER_CAPTURE_ERROR_BYTES] = "";

	assert_int_equal(fer_capture_out_finish(out, error), 0);
	assert_string_equal(error, "");
}

static void outputs_have_exactly_these_bytes(void **state)
{
	static const struct {
		int link_type;
		uint32_t in_file;
	} types[] = {{DLT_EN10MB, 1}, {DLT_RAW, 101}, {DLT_IPV4, 228}, {DLT_IPV6, 229}};
	struct image *f = *state;

	for (size_t i = 0; i < 2 * N_ELEMENTS(types); i++) {
		bool is_nano = i % 2 != 0;
		put_classic(f, false, is_nano ? NANO : MICRO, SNAP_LEN, types[i / 2].in_file);
		put_record(f, 1700000000, is_nano ? 123456789 : 123456, 60);
		put_record(f, UINT32_MAX, is_nano ? 999999999 : 999999, 65549);
		put_record(f, 0, 0, 0);

		struct fer_capture_out *out = open_out("out", types[i / 2].link_type, is_nano);
		write_packet(out, 1700000000, 123456789, 60);
		write_packet(out, UINT32_MAX, 999999999, 65549);
		write_packet(out, 0, 0, 0);
		finish(out);
		expect_file("out", f->bytes, f->len);
	}
	assert_int_equal(count_files(), 1);
}

static void an_output_without_packets_is_a_valid_file(void **state)
{
	struct image *f = *state;
	char error[FER_CAPTURE_ERROR_BYTES];

	put_classic(f, false, NANO, SNAP_LEN, 1);
	finish(open_out("out", DLT_EN10MB, true));
	expect_file("out", f->bytes, f->len);
	assert_int_equal(count_packets("out", error), 0);
}

static void an_output_is_there_when_it_is_whole(void **state)
{
	(void)state;
	struct fer_capture_out *out = open_out("out", DLT_RAW, false);
	for (int i = 0; i < 10; i++)
		write_packet(out, 1, 1, 60000);
	assert_int_not_equal(access("out", F_OK), 0);
	fer_capture_out_abort(out);
	assert_int_equal(count_files(), 0);

	store("out", (const uint8_t *)"mine", 4);
	out = open_out("out", DLT_RAW, false);
	write_packet(out, 1, 1, 60000);
	fer_capture_out_abort(out);
	fer_capture_out_abort(NULL);
	expect_file("out", (const uint8_t *)"mine", 4);
	assert_int_equal(count_files(), 1);
}

static void outputs_beside_each_other_do_not_meet(void **state)
{
	char error[FER_CAPTURE_ERROR_BYTES];
	struct fer_capture_out *a = open_out("a", DLT_RAW, false),
			       *b = open_out("b", DLT_RAW, false);

	(void)state;
	write_packet(a, 1, 1, 60);
	finish(b);
	finish(a);
	assert_int_equal(count_packets("a", error), 1);
	assert_int_equal(count_packets("b", error), 0);
	assert_int_equal(count_files(), 2);
}

// Copies what "in" holds to path while it is read.
static void copy_to(const struct image *f, const char *path)
{
	char error[FER_CAPTURE_ERROR_BYTES];
	struct fer_capture *c = open_image(f);
	struct fer_capture_format format = fer_capture_format(c);
	struct fer_capture_out *out = open_out(path, format.link_type, format.nanoseconds);
	struct fer_capture_packet p;

	while (fer_capture_read(c, &p, error) == 1)
		assert_int_equal(fer_capture_out_write(out, &p, error), 0);
	finish(out);
	fer_capture_close(c);
}

static void the_input_can_be_the_output(void **state)
{
	struct image *f = *state;

	put_classic(f, false, NANO, SNAP_LEN, 229);
	for (unsigned i = 0; i < 150; i++)
		put_record(f, UINT32_MAX - i, 999999999 - i, 1500);
	put_record_header(f, 7, 8, 64, 1514);
	put_packet_bytes(f, 64);
	copy_to(f, "in");
	expect_file("in", f->bytes, f->len);
	copy_to(f, "./in");
	expect_file("in", f->bytes, f->len);
	assert_int_equal(count_files(), 1);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

static void outputs_respect_permissions_and_links(void **state)
{
	mode_t before = umask(027);

	(void)state;
	finish(open_out("out", DLT_RAW, false));
	assert_int_equal(mode_of("out") & 07777, 0640);
	assert_int_equal(chmod("out", 0600), 0);
	assert_int_equal(symlink("out", "link"), 0);
	struct fer_capture_out *out = open_out("link", DLT_RAW, false);
	write_packet(out, 1, 1, 60);
	finish(out);
	umask(before);
	assert_int_equal(mode_of("out") & 07777, 0600);
	assert_true(S_ISLNK(mode_of("link")));
	assert_int_equal(count_files(), 2);
}

static void places_that_cannot_be_written_are_refused(void **state)
{
	const struct fer_capture_format format = {DLT_RAW, false};
	char error[FER_CAPTURE_ERROR_BYTES];

	(void)state;
	assert_null(fer_capture_out_open("no/out", format, error));
	expect_reason(error, "no/out", strerror(ENOENT));
	assert_null(fer_capture_out_open(".", format, error));
	expect_reason(error, ".", strerror(EISDIR));
	store("file", (const uint8_t *)"x", 1);
	assert_null(fer_capture_out_open("file/out", format, error));
	expect_reason(error, "file/out", strerror(ENOTDIR));
	if (geteuid() != 0) {
		assert_int_equal(chmod("file", 0400), 0);
		assert_null(fer_capture_out_open("file", format, error));
		expect_reason(error, "file", strerror(EACCES));
	}
	assert_int_equal(count_files(), 1);
}

static void an_output_that_vanishes_is_reported(void **state)
{
	char error[FER_CAPTURE_ERROR_BYTES];

	(void)state;
	assert_int_equal(mkdir("sub", 0700), 0);
	struct fer_capture_out *out = open_out("sub/out", DLT_RAW, false);
	assert_int_equal(rename("sub", "moved"), 0);
	assert_int_equal(fer_capture_out_finish(out, error), -1);
	expect_reason(error, "sub/out", strerror(ENOENT));
}

static void devices_and_pipes_are_written_directly(void **state)
{
	struct image *f = *state;
	uint8_t found[200];

	finish(open_out("/dev/null", DLT_RAW, false));
	assert_true(S_ISCHR(mode_of("/dev/null")));

	assert_int_equal(mkfifo("fifo", 0600), 0);
	int fd = open("fifo", O_RDONLY | O_NONBLOCK);
	struct fer_capture_out *out = open_out("fifo", DLT_EN10MB, true);
	write_packet(out, 5, 6, 70);
	finish(out);
	put_classic(f, false, NANO, SNAP_LEN, 1);
	put_record(f, 5, 6, 70);
	assert_int_equal(read(fd, found, sizeof(found)), f->len);
	assert_memory_equal(found, f->bytes, f->len);
	close(fd);
	assert_true(S_ISFIFO(mode_of("fifo")));
	assert_int_equal(count_files(), 1);
}

static void standard_output_is_written_where_it_stands(void **state)
{
	struct image *f = *state;

	fflush(stdout);
	int saved = dup(STDOUT_FILENO);
	int fd = open("log", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "before", 6), 6);
	dup2(fd, STDOUT_FILENO);
	struct fer_capture_out *out = open_out("/dev/stdout", DLT_EN10MB, false);
	finish(out);
	ssize_t n = write(STDOUT_FILENO, "after", 5);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(fd);
	assert_int_equal(n, 5);
	put_classic(f, false, MICRO, SNAP_LEN, 1);
	uint8_t expected[6 + 24 + 5] = "before";
	memcpy(expected + 6, f->bytes, 24);
	memcpy(expected + 30, "after", 5);
	expect_file("log", expected, sizeof(expected));
	assert_int_equal(count_files(), 1);
}

// Writes packets of len bytes into path until that fails: after how many?  100 when finish() failed
// only.
static int write_until_full(const char *path, size_t len, int reason)
{
	static uint8_t bytes[FER_CAPTURE_MAX_BYTES];
	char error[FER_CAPTURE_ERROR_BYTES];
	struct fer_capture_out *out = open_out(path, DLT_RAW, false);
	struct fer_capture_packet p = {bytes, (uint32_t)len, (uint32_t)len, {0, 0}};

	for (int i = 0; i < 100; i++) {
		if (fer_capture_out_write(out, &p, error) != 0) {
			expect_reason(error, path, strerror(reason));
			fer_capture_out_abort(out);
			return i;
		}
	}
	assert_int_equal(fer_capture_out_finish(out, error), -1);
	expect_reason(error, path, strerror(reason));
	return 100;
}

static void a_full_disk_is_reported_and_leaves_nothing(void **state)
{
	struct rlimit old, small;

	(void)state;
	assert_int_equal(write_until_full("/dev/full", 0, ENOSPC), 100);
	assert_true(write_until_full("/dev/full", 1500, ENOSPC) < 10);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){1000, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int at_finish = write_until_full("out", 10, EFBIG);
	int at_write = write_until_full("out", 9000, EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(at_finish, 100);
	assert_int_equal(at_write, 0);
	assert_int_equal(count_files(), 0);
}

// Each test has an image to build files in, and an empty folder that it stands in.
static char folder[32];

static int enter_folder(void **state)
{
	snprintf(folder, sizeof(folder), "%s", "/tmp/capture_test.XXXXXX");
	*state = calloc(1, sizeof(struct image));
	return *state == NULL || mkdtemp(folder) == NULL || chdir(folder) != 0 ? -1 : 0;
}

static int leave_folder(void **state)
{
	char command[64];

	free(*state);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return chdir("/") != 0 || system(command) != 0 ? -1 : 0;
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(classic_files_keep_packets_and_times),
		IN_FOLDER(pcapng_files_keep_packets_and_times),
		IN_FOLDER(one_fine_clock_makes_the_file_nanoseconds),
		IN_FOLDER(a_clock_too_far_to_see_counts_as_fine),
		IN_FOLDER(simple_packet_blocks_have_no_time),
		IN_FOLDER(ethernet_and_raw_ip_are_read),
		IN_FOLDER(other_link_types_are_refused),
		IN_FOLDER(cut_packets_are_recognised),
		IN_FOLDER(largest_packets_are_whole),
		IN_FOLDER(records_that_contradict_themselves_are_refused),
		IN_FOLDER(blocks_that_contradict_themselves_are_refused),
		IN_FOLDER(packets_that_no_interface_can_have_are_refused),
		IN_FOLDER(files_may_end_between_packets_only),
		IN_FOLDER(no_changed_byte_does_harm),
		IN_FOLDER(what_is_no_capture_is_refused),
		IN_FOLDER(reasons_stay_one_line),
		IN_FOLDER(pipes_can_be_read),
		IN_FOLDER(files_longer_than_the_head_are_read),
		IN_FOLDER(outputs_have_exactly_these_bytes),
		IN_FOLDER(an_output_without_packets_is_a_valid_file),
		IN_FOLDER(an_output_is_there_when_it_is_whole),
		IN_FOLDER(outputs_beside_each_other_do_not_meet),
		IN_FOLDER(the_input_can_be_the_output),
		IN_FOLDER(outputs_respect_permissions_and_links),
		IN_FOLDER(places_that_cannot_be_written_are_refused),
		IN_FOLDER(an_output_that_vanishes_is_reported),
		IN_FOLDER(devices_and_pipes_are_written_directly),
		IN_FOLDER(standard_output_is_written_where_it_stands),
		IN_FOLDER(a_full_disk_is_reported_and_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
