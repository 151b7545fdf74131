// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Every way a packet can end.  The lists below are the only source of the enum, of the names that
// counters, JSON and the CLI print, and of their texts: a new way to fail is one line here.
//
// The kind says who lets the packet go on:
//   PASS  it went out
//   HELD  it is part of a packet that is not complete yet
//   FAIL  an IPsec check failed: a contract NIC indicates it with a status, an appliance drops it
//   DROP  it ends here in every mode

// Verdicts that are charged to a security association as well as to the port.
#define FER_SA_VERDICTS(V)                                                                         \
	V(OK, PASS, "sent on its way")                                                             \
	V(BAD_ICV, FAIL, "integrity check failed")                                                 \
	V(REPLAY, DROP, "sequence number seen before, or left of the window")                      \
	V(BAD_SYNTAX, FAIL, "lengths or UDP checksum that no packet of it can have")               \
	V(BAD_PROTOCOL, FAIL, "protocols of the association are not those of the packet")          \
	V(BAD_PADDING, FAIL, "padding is longer than the payload, or not 1, 2, 3, ...")            \
	V(CRYPTO_ERROR, FAIL, "the crypto engine refused the packet")                              \
	V(BAD_INNER, DROP, "the verified payload is not what the mode carries")                    \
	V(ECN_CE, DROP, "congestion mark on a packet that does not know ECN (RFC 6040)")           \
	V(DUMMY, DROP, "dummy packet, next header 59")                                             \
	V(NO_POLICY, DROP, "no policy allows it")                                                  \
	V(POLICY_MISMATCH, DROP, "came over an association that its policy does not name")         \
	V(SEQ_EXHAUSTED, DROP, "no sequence number left")                                          \
	V(EXPIRED, DROP, "a hard lifetime of the association is over")                             \
	V(TOO_LONG, DROP, "longer than an IP packet can be, once protected")                       \
	V(TRANSPORT_FRAGMENT, DROP, "transport mode protects whole datagrams only")                \
	V(NO_ROOM, DROP, "no buffer for the headers or the trailer")

// Verdicts of packets that no association answers for.
#define FER_PACKET_VERDICTS(V)                                                                     \
	V(NO_SA, FAIL, "no security association for this ESP or AH packet")                        \
	V(WRONG_UDP, FAIL, "not in UDP as its association is, or in UDP to another port")          \
	V(NO_ACTIVE_SA, DROP, "policy protects it, but the group has no active association")       \
	V(DISCARD, DROP, "policy discards it")                                                     \
	V(UNPROTECTED, DROP, "came in the clear, but its policy protects it")                      \
	V(TOO_DEEP, DROP, "more layers of protection than are supported")                          \
	V(BAD_HANDLE, FAIL, "out-of-band words name no live outbound association")                 \
	V(BAD_OFFSET, FAIL, "out-of-band offset is not that of the association's header")          \
	V(NOT_CONFIGURED, FAIL, "to be protected, but the offload is switched off")                \
	V(BAD_SHIM, DROP, "frame of an external host without a send request in it")                \
	V(NOT_IP, DROP, "not an IP packet, and no rule lets it pass")                              \
	V(CLASS_DROP, DROP, "the rule for its class of frames drops it")                           \
	V(BAD_IP, DROP, "malformed IP header")                                                     \
	V(TOO_BIG, DROP, "too big for the port, and must not be fragmented")                       \
	V(LARGE_SEND, DROP, "large send that cannot be cut into segments")                         \
	V(TRUNCATED, DROP, "captured shorter than it was")                                         \
	V(FRAGMENT_HELD, HELD, "fragment that waits for the others")                               \
	V(FRAGMENT_BAD, DROP, "fragments overlap, repeat or do not add up")                        \
	V(FRAGMENT_LIMIT, DROP, "more fragments than are reassembled")                             \
	V(FRAGMENT_TIMEOUT, DROP, "fragments that waited too long, or gave way to newer ones")     \
	V(FRAGMENT_NEEDS_PORTS, DROP, "fragment, and the policy that may match it names ports")    \
	V(LATE, DROP, "another worker was to open or seal it, and lost its CPU")                   \
	V(TX_FULL, DROP, "the port it would leave by took no more packets")

#define FER_VERDICTS(V) FER_SA_VERDICTS(V) FER_PACKET_VERDICTS(V)

enum fer_verdict {
#define FER_VERDICT_ENUM(name, kind, text) FER_##name,
	FER_VERDICTS(FER_VERDICT_ENUM)
#undef FER_VERDICT_ENUM
		FER_N_VERDICTS
};

enum fer_verdict_kind { FER_KIND_PASS, FER_KIND_HELD, FER_KIND_FAIL, FER_KIND_DROP };

// How many verdicts, counted from the first, are charged to an association.
enum {
#define FER_VERDICT_COUNT(name, kind, text) +1
	FER_N_SA_VERDICTS = 0 FER_SA_VERDICTS(FER_VERDICT_COUNT)
#undef FER_VERDICT_COUNT
};

// The stable lower-case name ("bad_icv") of a verdict; "?" for a number that is none.
const char *fer_verdict_name(enum fer_verdict v);

// One sentence for people, without a full stop.
const char *fer_verdict_text(enum fer_verdict v);

enum fer_verdict_kind fer_verdict_kind(enum fer_verdict v);
