// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Capture files: packets in, one at a time, from classic pcap and pcapng; packets out, into classic
// pcap.  libpcap reads and writes the bytes.  What libpcap leaves to chance is settled here: the
// time unit of the input, records that contradict themselves, and an output that is either whole or
// not there.
//
// Each object belongs to one thread.  Whatever can fail takes a buffer for the reason and sets it
// only then: one line without line feed that begins with the name of the file.

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define FER_CAPTURE_ERROR_BYTES 1024
#define FER_CAPTURE_MAX_BYTES 262144 // of one packet; libpcap's own limit

// What an output has in common with its input.
struct fer_capture_format {
	int link_type;    // DLT_EN10MB, or raw IP: DLT_RAW, DLT_IPV4, DLT_IPV6
	bool nanoseconds; // the unit of time in a classic file; microseconds when false
};

struct fer_capture_packet {
	const uint8_t *bytes; // not aligned
	uint32_t cap_len;     // bytes there are, at most FER_CAPTURE_MAX_BYTES
	uint32_t len;         // bytes the packet had; more than cap_len when the capture cut it
	struct timespec when; // 1970 to 2106, tv_nsec below one second
};

struct fer_capture;
struct fer_capture_out;

// Opens a file or a pipe for reading; close() ends it.  NULL when it cannot be read, is no capture,
// is damaged before its first packet, or is of another link type.
//
// A pcapng file has no unit of time, its interfaces have clocks.  It counts as a file of
// microseconds if no clock described in its first 64 KiB needs more (and at least one is there).
__attribute__((warn_unused_result)) struct fer_capture *fer_capture_open(
	const char *path, char error[static FER_CAPTURE_ERROR_BYTES]);

struct fer_capture_format fer_capture_format(const struct fer_capture *c);

// The next packet: 1, and p is set; its bytes stay until the next read() or close().  0 at the end
// of the file.  -1 when the file is damaged from here on; nothing more can be read.
__attribute__((warn_unused_result)) int fer_capture_read(struct fer_capture *c,
	struct fer_capture_packet *p, char error[static FER_CAPTURE_ERROR_BYTES]);

// NULL does nothing.
void fer_capture_close(struct fer_capture *c);

// Starts a capture file; finish() or abort() ends it.  NULL when it cannot be written.
//
// A regular file appears under its name at finish() only: until then the packets go into a hidden
// file beside it, and a file of that name (the input, say) stays as it is.  A file that is replaced
// gives its permissions to the new one, as far as the umask lets it.  Devices, FIFOs and
// "/dev/stdout" are written directly, so a reader there sees the packets of a run that fails later.
__attribute__((warn_unused_result)) struct fer_capture_out *fer_capture_out_open(const char *path,
	struct fer_capture_format format, char error[static FER_CAPTURE_ERROR_BYTES]);

// Appends a packet.  0, or -1 when the disk is full or the like; then only abort() makes sense.
__attribute__((warn_unused_result)) int fer_capture_out_write(struct fer_capture_out *out,
	const struct fer_capture_packet *p, char error[static FER_CAPTURE_ERROR_BYTES]);

// Puts the file in its place and frees out.  0, or -1 and there is no new file.
__attribute__((warn_unused_result)) int fer_capture_out_finish(
	struct fer_capture_out *out, char error[static FER_CAPTURE_ERROR_BYTES]);

// Removes what was written and frees out.  NULL does nothing.
void fer_capture_out_abort(struct fer_capture_out *out);
