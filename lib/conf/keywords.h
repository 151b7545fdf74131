// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The standardized keywords of an adapter, as a driver finds them in its registry key: here a file
// of lines such as "*IPsecOffloadV2 = 3".
//
// Lines ahead of the first section hold for every adapter, those of a section [NAME] for the pair
// of that name; the later line wins.  Text from ';' or '#' at the start of a line is a comment.
// Names are compared without regard to case, as the registry does.  Keywords that are not ours stay
// as they are and say nothing to us.  A file that does not exist is an empty one.

#include "conf/document.h"

#include <stdint.h>

#define FER_KEYWORDS_MAX_BYTES 65536

// Symbol, name, highest value; the highest is the default.
#define FER_KEYWORDS(K)                                                                            \
	K(IPSEC_V2, "*IPsecOffloadV2", 3)          /* 0 disabled, 1 AH, 2 ESP, 3 AH and ESP */     \
	K(IPSEC_V2_IPV4, "*IPsecOffloadV2IPv4", 3) /* the same, of adapters without IPv6 */        \
	K(IP_CHECKSUM_IPV4, "*IPChecksumOffloadIPv4", 3) /* 0 off, 1 send, 2 receive, 3 both */    \
	K(TCP_CHECKSUM_IPV4, "*TCPChecksumOffloadIPv4", 3)                                         \
	K(TCP_CHECKSUM_IPV6, "*TCPChecksumOffloadIPv6", 3)                                         \
	K(UDP_CHECKSUM_IPV4, "*UDPChecksumOffloadIPv4", 3)                                         \
	K(UDP_CHECKSUM_IPV6, "*UDPChecksumOffloadIPv6", 3)                                         \
	K(LSO_V1_IPV4, "*LsoV1IPv4", 1) /* 0 off, 1 on */                                          \
	K(LSO_V2_IPV4, "*LsoV2IPv4", 1)                                                            \
	K(LSO_V2_IPV6, "*LsoV2IPv6", 1)

enum fer_keyword {
#define FER_KEYWORD_ENUM(symbol, name, highest) FER_KEYWORD_##symbol,
	FER_KEYWORDS(FER_KEYWORD_ENUM)
#undef FER_KEYWORD_ENUM
		FER_N_KEYWORDS
};

struct fer_keywords {
	uint8_t value[FER_N_KEYWORDS]; // enum fer_keyword
};

void fer_keywords_default(struct fer_keywords *k);

// Reads those of one pair, and takes away what a writer left that was killed.  0 with *k set; or
// -EINVAL or what the system said, with *err set.
__attribute__((warn_unused_result)) int fer_keywords_load(
	const char *path, const char *pair, struct fer_keywords *k, struct fer_doc_error *err);

// Writes those that differ from what the file says of the pair, into its section, which is added
// where there is none; all other lines stay.  The file is replaced as a whole and reaches the disk
// before this returns: a crash leaves the old one or the new one, and perhaps the beginning of a
// new one beside it, PATH.new, which the next reader or writer takes away.  0; or -errno with *err
// set, the file as it was and nothing new beside it; -EBUSY: somebody else is writing it; -ENOSPC:
// the disk is full; -EFBIG: it would be too long to be read.
__attribute__((warn_unused_result)) int fer_keywords_save(const char *path, const char *pair,
	const struct fer_keywords *k, struct fer_doc_error *err);
