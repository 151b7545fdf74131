// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Bytes out of text, as people write them and as dump programs and debuggers print them:
//
//   80 01 aa 00  8001aa00           bytes in the order in which they stand
//   00000000  80 01 aa 00 ... |..|  offset in front, characters behind: hexdump -C
//   00000000: 8001 aa00 ... ....    xxd
//   ffffa80d`12345670  80 01 aa 00 01 00 00 00-11 ...   db of WinDbg
//   ffffa80d`12345670  00aa0180 00000001               its dd, dw and dq: little-endian words
//   0x7ffe0000:  0x80 0x01          x of gdb; longer words are little-endian, too
//
// An offset or address has to go on where the line before it ended; hexdump's "*", which stands for
// lines like the one before it, is understood.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hexdump {
	uint8_t *bytes; // len; may hold keys, and is wiped
	size_t len;
	size_t room;
	uint64_t base; // address of the first byte
	bool has_base;
	bool repeats; // "*": the line before, up to the next offset
};

// Takes one line, without its end.  NULL; or why not, a sentence without subject.
__attribute__((warn_unused_result)) const char *hexdump_line(struct hexdump *h, const char *line);

void hexdump_fini(struct hexdump *h);
