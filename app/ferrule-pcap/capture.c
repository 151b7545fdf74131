// SPDX-License-Identifier: BSD-3-Clause
#include "capture.h"

#include "../common/outfile.h"
#include "base/bytes.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pcap/pcap.h>

#define HEAD_BYTES 65536
#define CLASSIC_HEADER_BYTES 24
#define CLASSIC_SNAP_LEN_OFF 16
#define MAGIC_MICROSECONDS 0xa1b2c3d4
#define MAGIC_NANOSECONDS 0xa1b23c4d
#define MAGIC_PCAPNG 0x0a0d0d0a
#define MAGIC_PCAPNG_ORDER 0x1a2b3c4d
#define BLOCK_INTERFACE 1
#define OPTION_END 0
#define OPTION_IF_TSRESOL 9
#define RESOLUTION_MICROSECONDS 6
#define LINKTYPE_RAW 101 // what DLT_RAW is called inside files

// The beginning of the file is read before libpcap reads it, because libpcap does not tell the time
// unit of a file; it then comes to libpcap out of memory, so a pipe can be read too.
struct fer_capture {
	pcap_t *pcap;
	char *path;
	int fd;
	bool is_classic;
	struct fer_capture_format format;
	uint32_t max_record_bytes; // what the header of a classic file allows
	uint64_t n_packets;        // read so far
	size_t n_head;
	size_t head_at; // what libpcap has had of the head
	uint8_t head[HEAD_BYTES];
};

struct fer_capture_out {
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	struct fer_capture_format format;
	char *path; // as the caller calls it
	struct fer_outfile file;
};

// Nothing in a path or in libpcap's text can make it two lines.
__attribute__((format(printf, 3, 4))) static void complain(
	char error[static FER_CAPTURE_ERROR_BYTES], const char *path, const char *format, ...)
{
	int n = snprintf(error, FER_CAPTURE_ERROR_BYTES, "%.700s: ", path);
	va_list args;

	va_start(args, format);
	vsnprintf(error + n, FER_CAPTURE_ERROR_BYTES - (size_t)n, format, args);
	va_end(args);
	for (char *c = error; *c != '\0'; c++) {
		if (iscntrl((unsigned char)*c))
			*c = '?';
	}
}

// Opens the file and fills the head as far as the file goes.  0, or -1 and errno.
static int load_head(struct fer_capture *c)
{
	ssize_t n;

	c->fd = open(c->path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (c->fd < 0)
		return -1;
	do {
		n = read(c->fd, c->head + c->n_head, HEAD_BYTES - c->n_head);
		if (n > 0)
			c->n_head += (size_t)n;
	} while (n > 0 && c->n_head < HEAD_BYTES);
	return n < 0 ? -1 : 0;
}

// What libpcap reads from: the head, then the rest of the file.
static ssize_t read_on(void *cookie, char *buf, size_t size)
{
	struct fer_capture *c = cookie;
	size_t left = c->n_head - c->head_at;

	if (left == 0)
		return read(c->fd, buf, size);
	if (size > left)
		size = left;
	memcpy(buf, c->head + c->head_at, size);
	c->head_at += size;
	return (ssize_t)size;
}

static uint16_t load16(const uint8_t *p, bool is_big)
{
	uint16_t v = fer_load_be16(p);

	return is_big ? v : __builtin_bswap16(v);
}

static uint32_t load32(const uint8_t *p, bool is_big)
{
	uint32_t v = fer_load_be32(p);

	return is_big ? v : __builtin_bswap32(v);
}

static void examine_classic(struct fer_capture *c, bool is_big)
{
	uint8_t *snap_len = c->head + CLASSIC_SNAP_LEN_OFF;
	uint32_t allowed = load32(snap_len, is_big);

	c->is_classic = true;
	c->format.nanoseconds = load32(c->head, is_big) == MAGIC_NANOSECONDS;
	// 0 and 65535 are what writers put there who cut nothing, although an Ethernet frame can be
	// longer than 65535 bytes.
	if (allowed != 0 && allowed < UINT16_MAX)
		c->max_record_bytes = allowed;
	// libpcap would cut a longer record without a word; with 0 it takes any up to its maximum.
	memset(snap_len, 0, sizeof(allowed));
}

// Does an interface with these options keep time in anything but decimal fractions of a second that
// microseconds can hold?
static bool is_fine_clock(struct fer_cursor options, bool is_big)
{
	const uint8_t *header;

	while ((header = fer_cursor_take(&options, 4)) != NULL) {
		uint16_t code = load16(header, is_big);
		size_t len = load16(header + 2, is_big);
		const uint8_t *value = fer_cursor_take(&options, (len + 3) / 4 * 4);

		if (value == NULL || code == OPTION_END)
			break;
		// A power of ten, or one of two with the top bit set.
		if (code == OPTION_IF_TSRESOL && len == 1)
			return value[0] > RESOLUTION_MICROSECONDS;
	}
	return false;
}

// Raw IP goes by two numbers, and libpcap compares the one inside the file with its own: only by
// its own can a file have two such interfaces.
static void rename_raw_ip(uint8_t *link_type, bool is_big)
{
	uint16_t own = is_big ? __builtin_bswap16(DLT_RAW) : DLT_RAW;

	if (load16(link_type, is_big) == LINKTYPE_RAW)
		memcpy(link_type, &own, sizeof(own));
}

// Looks at the interfaces that the head describes.  Stops at what makes no sense: libpcap will find
// it again and give the reason.
static void examine_pcapng(struct fer_capture *c)
{
	struct fer_cursor head = fer_cursor_init(c->head, c->n_head);
	bool is_big = fer_load_be32(c->head + 8) == MAGIC_PCAPNG_ORDER;
	unsigned n_interfaces = 0, n_fine = 0;
	const uint8_t *block;

	while ((block = fer_cursor_take(&head, 8)) != NULL) {
		uint32_t len = load32(block + 4, is_big);

		if (len < 12 || fer_cursor_take(&head, len - 8) == NULL)
			break;
		if (load32(block, is_big) != BLOCK_INTERFACE || len < 20)
			continue;
		n_interfaces++;
		n_fine += is_fine_clock(fer_cursor_init(block + 16, len - 20), is_big);
		rename_raw_ip(c->head + (block + 8 - c->head), is_big);
	}
	c->format.nanoseconds = n_interfaces == 0 || n_fine != 0;
}

// Finds out what libpcap does not tell.  What kind of file it is at all, libpcap decides.
static void examine_head(struct fer_capture *c)
{
	c->max_record_bytes = FER_CAPTURE_MAX_BYTES;
	if (c->n_head < CLASSIC_HEADER_BYTES)
		return;
	for (int is_big = 0; is_big < 2; is_big++) {
		uint32_t magic = load32(c->head, is_big);

		if (magic == MAGIC_MICROSECONDS || magic == MAGIC_NANOSECONDS)
			examine_classic(c, is_big);
	}
	if (fer_load_be32(c->head) == MAGIC_PCAPNG)
		examine_pcapng(c);
}

static bool is_link_type_known(int link_type)
{
	return link_type == DLT_EN10MB || link_type == DLT_RAW || link_type == DLT_IPV4 ||
	       link_type == DLT_IPV6;
}

static int start_reading(struct fer_capture *c, char error[static FER_CAPTURE_ERROR_BYTES])
{
	FILE *f = fopencookie(c, "rb", (cookie_io_functions_t){.read = read_on});
	char reason[PCAP_ERRBUF_SIZE] = "out of memory";

	if (f != NULL)
		c->pcap = pcap_fopen_offline_with_tstamp_precision(
			f, PCAP_TSTAMP_PRECISION_NANO, reason);
	if (c->pcap == NULL) {
		complain(error, c->path, "%s", reason);
		if (f != NULL)
			fclose(f);
		return -1;
	}
	c->format.link_type = pcap_datalink(c->pcap);
	if (!is_link_type_known(c->format.link_type)) {
		complain(error, c->path, "link type %s is neither Ethernet nor raw IP",
			pcap_datalink_val_to_description_or_dlt(c->format.link_type));
		return -1;
	}
	return 0;
}

struct fer_capture *fer_capture_open(const char *path, char error[static FER_CAPTURE_ERROR_BYTES])
{
	struct fer_capture *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		complain(error, path, "%s", strerror(errno));
		return NULL;
	}
	c->fd = -1;
	c->path = strdup(path);
	if (c->path == NULL || load_head(c) != 0) {
		complain(error, path, "cannot read: %s", strerror(errno));
		goto close;
	}
	if (c->n_head == 0) {
		complain(error, path, "the file is empty");
		goto close;
	}
	examine_head(c);
	if (start_reading(c, error) != 0)
		goto close;
	return c;
close:
	fer_capture_close(c);
	return NULL;
}

struct fer_capture_format fer_capture_format(const struct fer_capture *c)
{
	return c->format;
}

// Why a record cannot be true, or NULL.
static const char *contradiction(const struct fer_capture *c, const struct fer_capture_packet *p)
{
	if (p->cap_len > c->max_record_bytes)
		return "longer than packets of this file can be";
	if (p->cap_len > p->len)
		return "longer than the packet was";
	if (p->when.tv_sec < 0 || p->when.tv_sec > UINT32_MAX)
		return "time out of range";
	if (p->when.tv_nsec < 0 || p->when.tv_nsec >= 1000000000)
		return "time with more than a second in its fraction";
	return NULL;
}

int fer_capture_read(struct fer_capture *c, struct fer_capture_packet *p,
	char error[static FER_CAPTURE_ERROR_BYTES])
{
	struct pcap_pkthdr *h;
	const u_char *bytes;
	int rc = pcap_next_ex(c->pcap, &h, &bytes);

	if (rc == PCAP_ERROR_BREAK)
		return 0;
	c->n_packets++;
	if (rc != 1) {
		complain(error, c->path, "packet %" PRIu64 ": %s", c->n_packets,
			pcap_geterr(c->pcap));
		return -1;
	}
	*p = (struct fer_capture_packet){
		.bytes = bytes,
		.cap_len = h->caplen,
		.len = h->len,
		// Seconds of a classic file have 32 bits; libpcap takes the top one for a sign.
		.when.tv_sec = c->is_classic ? (uint32_t)h->ts.tv_sec : h->ts.tv_sec,
		.when.tv_nsec = h->ts.tv_usec,
	};
	const char *reason = contradiction(c, p);
	if (reason != NULL)
		complain(error, c->path, "packet %" PRIu64 ": %s", c->n_packets, reason);
	return reason == NULL ? 1 : -1;
}

void fer_capture_close(struct fer_capture *c)
{
	if (c == NULL)
		return;
	if (c->pcap != NULL)
		pcap_close(c->pcap);
	if (c->fd >= 0)
		close(c->fd);
	free(c->path);
	free(c);
}

// Writes the header of the file.  0 or -errno.
static int start_writing(struct fer_capture_out *out)
{
	out->pcap = pcap_open_dead_with_tstamp_precision(out->format.link_type,
		FER_CAPTURE_MAX_BYTES,
		out->format.nanoseconds ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO);
	if (out->pcap == NULL)
		return -ENOMEM;
	FILE *f = out->file.file;
	out->dumper = pcap_dump_fopen(out->pcap, f);
	if (out->dumper != NULL)
		return 0;
	out->file.file = NULL; // closed where it failed
	return errno != 0 ? -errno : -EIO;
}

static void release(struct fer_capture_out *out)
{
	if (out->pcap != NULL)
		pcap_close(out->pcap);
	free(out->path);
	free(out);
}

struct fer_capture_out *fer_capture_out_open(const char *path, struct fer_capture_format format,
	char error[static FER_CAPTURE_ERROR_BYTES])
{
	struct fer_capture_out *out = calloc(1, sizeof(*out));
	int rc = -ENOMEM;

	assert(is_link_type_known(format.link_type));
	if (out != NULL) {
		out->format = format;
		out->path = strdup(path);
	}
	if (out != NULL && out->path != NULL)
		rc = fer_outfile_open(&out->file, path);
	if (rc == 0)
		rc = start_writing(out);
	if (rc != 0) {
		complain(error, path, "cannot write: %s", strerror(-rc));
		fer_capture_out_abort(out);
		return NULL;
	}
	return out;
}

int fer_capture_out_write(struct fer_capture_out *out, const struct fer_capture_packet *p,
	char error[static FER_CAPTURE_ERROR_BYTES])
{
	long fraction = out->format.nanoseconds ? p->when.tv_nsec : p->when.tv_nsec / 1000;
	const struct pcap_pkthdr h = {
		.ts = {.tv_sec = p->when.tv_sec, .tv_usec = fraction},
		.caplen = p->cap_len,
		.len = p->len,
	};

	assert(p->cap_len <= FER_CAPTURE_MAX_BYTES);
	pcap_dump((u_char *)out->dumper, &h, p->bytes);
	if (ferror(out->file.file)) {
		complain(error, out->path, "cannot write: %s", strerror(errno));
		return -1;
	}
	return 0;
}

int fer_capture_out_finish(struct fer_capture_out *out, char error[static FER_CAPTURE_ERROR_BYTES])
{
	// The dumper is nothing but the stream, which is closed where errors are heard.
	int rc = fer_outfile_finish(&out->file);

	if (rc != 0)
		complain(error, out->path, "cannot write: %s", strerror(-rc));
	release(out);
	return rc == 0 ? 0 : -1;
}

void fer_capture_out_abort(struct fer_capture_out *out)
{
	if (out == NULL)
		return;
	fer_outfile_abort(&out->file);
	release(out);
}
