// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What travels over the control socket: a header of 48 bytes, then the information buffer of an
// OID. PROTOCOL.md explains it byte by byte; ctl/ndis.h has the structures of the contract.
//
// OIDs 0xFFxxxxxx are those for which the contract has no word.  Their structures can grow: each
// tells its size, or the list tells that of its elements.  A receiver takes what it knows and skips
// the rest; a sender that must be understood sets a flag, and flags that are not known are refused.
// Reserved members are 0.  Names are 1 to 63 of A-Z a-z 0-9 . _ + : - with 0 bytes up to the end.

#include "ctl/ndis.h"

// What nobody named, nobody fills.
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

#define FER_MSG_MAGIC 0x43524546u // "FERC" as bytes
#define FER_MSG_VERSION 1u
#define FER_MSG_MAX_BYTES (64u << 20) // longest information buffer; hello says what holds
#define FER_MSG_ALL_PAIRS 0xFFFFu
#define FER_MSG_NAME_BYTES 64
#define FER_MSG_ALGORITHM_BYTES 24
#define FER_MSG_COLUMN_BYTES 32

enum fer_msg_type {
	FER_MSG_TYPE_HELLO = 1,      // server: once, at the start
	FER_MSG_TYPE_QUERY = 2,      // client
	FER_MSG_TYPE_SET = 3,        // client
	FER_MSG_TYPE_CANCEL = 4,     // client: id is that of the request; has no answer of its own
	FER_MSG_TYPE_COMPLETION = 5, // server: one for each query and set
	FER_MSG_TYPE_INDICATION = 6, // server: to those who subscribed
};

struct fer_msg_header {
	uint32_t magic;
	uint16_t version;
	uint8_t type;
	uint8_t flags;         // 0
	uint64_t id;           // request, completion: the client's choice; indication: 1, 2, 3, ...
	uint32_t oid;          // of the request and its completion
	uint32_t status;       // completion: NDIS status; indication: status code
	uint32_t length;       // bytes that follow
	uint32_t room;         // query: bytes the answer may have (InformationBufferLength)
	uint32_t bytes_done;   // completion: BytesRead of a set, BytesWritten of a query
	uint32_t bytes_needed; // completion: BytesNeeded
	uint16_t pair;         // the port pair: the adapter that NDIS would address
	uint8_t revision;      // completion of a set: SupportedRevision, 0 where nothing has one
	uint8_t reserved[5];
};

// --- private OIDs -------------------------------------------------------------------------------

// name, number, what it takes, what it answers.  "list of X" is a struct fer_msg_list and n X.
#define FER_MSG_OIDS(V)                                                                            \
	V(SUBSCRIBE, 0xFF000001u, SET, "fer_msg_subscribe", "nothing")                             \
	V(PORT_LIST, 0xFF000002u, QUERY, "nothing", "list of fer_msg_port")                        \
	V(RESET, 0xFF000003u, SET, "nothing", "nothing")                                           \
	V(SA_ADD, 0xFF000101u, SET, "fer_msg_sa_add, then fer_msg_sa ...", "handles")              \
	V(SA_SWAP, 0xFF000102u, SET, "fer_msg_sa_swap, then fer_msg_sa ...", "handles")            \
	V(SA_ACTIVATE, 0xFF000103u, SET, "list of fer_msg_sa_ref", "nothing")                      \
	V(SA_DELETE, 0xFF000104u, SET, "list of fer_msg_sa_ref", "nothing")                        \
	V(SA_LIST, 0xFF000105u, QUERY, "fer_msg_page", "list of fer_msg_sa_info")                  \
	V(SA_SHOW, 0xFF000106u, QUERY, "list of fer_msg_sa_ref", "list of fer_msg_sa_info")        \
	V(POLICY_ADD, 0xFF000201u, SET, "list of fer_msg_policy", "nothing")                       \
	V(POLICY_DELETE, 0xFF000202u, SET, "list of fer_msg_policy_ref", "nothing")                \
	V(POLICY_LIST, 0xFF000203u, QUERY, "fer_msg_page", "list of fer_msg_policy")               \
	V(STATS_SA, 0xFF000301u, QUERY, "fer_msg_page", "fer_msg_table")                           \
	V(STATS_PORT, 0xFF000302u, QUERY, "fer_msg_page", "fer_msg_table")                         \
	V(STATS_WORKER, 0xFF000303u, QUERY, "fer_msg_page", "fer_msg_table")                       \
	V(STATS_DROP, 0xFF000304u, QUERY, "fer_msg_page", "fer_msg_table")

__extension__ enum fer_msg_oid {
#define FER_MSG_OID_ENUM(name, number, type, takes, answers) FER_MSG_##name = number,
	FER_MSG_OIDS(FER_MSG_OID_ENUM)
#undef FER_MSG_OID_ENUM
};

// --- what several of them use -------------------------------------------------------------------

// Front of a list whose elements have one size; they follow at `size`.
struct fer_msg_list {
	uint32_t size; // of this front
	uint32_t flags;
	uint32_t n;
	uint32_t element_bytes; // from one to the next: a multiple of 8
	uint64_t cursor;        // answer: goes into the next query; 0: there is no more
};

// Asks for a part of something long; nothing at all asks for it from the start.  Elements that come
// or go meanwhile may be missed, those that stay are told exactly once.
struct fer_msg_page {
	uint32_t size;
	uint32_t flags;
	uint64_t cursor; // 0: from the start
	uint32_t max;    // elements; 0: as many as the room holds
	uint32_t reserved;
};

// Numbers with names: n_columns names of FER_MSG_COLUMN_BYTES follow at `size`, then n_rows rows of
// row_bytes: a label of FER_MSG_NAME_BYTES and n_columns 64-bit numbers.
struct fer_msg_table {
	uint32_t size;
	uint32_t flags;
	uint32_t n_rows;
	uint32_t n_columns;
	uint64_t cursor; // as that of a list
	uint32_t row_bytes;
	uint32_t reserved;
};

// May stand in a completion whose status is an error.  Where a part of the element is at fault,
// text begins with its name in documents: "sas[0]: names no group that is there".
struct fer_msg_refusal {
	uint32_t size;
	uint32_t flags;
	uint32_t element; // which of the list, from 0; FER_MSG_NO_ELEMENT
	uint32_t reserved;
	char text[240]; // a sentence for people, never with bytes of a key
};

#define FER_MSG_NO_ELEMENT 0xFFFFFFFFu

// --- hello --------------------------------------------------------------------------------------

enum fer_msg_host_mode { FER_MSG_HOST_STACK, FER_MSG_HOST_OOB };

// n_pairs struct fer_msg_pair follow at `size`.
struct fer_msg_hello {
	uint32_t size;
	uint32_t flags;
	uint64_t events;      // what can be subscribed to
	uint32_t max_length;  // of a request; longer ones end the connection
	uint32_t max_room;    // of a query; more is taken as this
	uint32_t max_pending; // requests under way; the server then waits before it reads on
	uint32_t n_pairs;
	uint32_t pair_bytes; // from one to the next
	uint32_t reserved;
	char product[64]; // name and version
};

struct fer_msg_pair {
	char name[FER_MSG_NAME_BYTES];
	uint16_t pair;
	uint8_t host_mode;
	uint8_t reserved[5];
	struct ndis_offload default_offload; // what a bind tells: header.size bytes of it count
	uint8_t reserved_2[4];
};

// --- ports --------------------------------------------------------------------------------------

enum fer_msg_port_role { FER_MSG_PORT_HOST, FER_MSG_PORT_WIRE };

struct fer_msg_port {
	uint32_t flags;
	uint32_t reserved;
	char name[FER_MSG_NAME_BYTES];
	uint8_t mac[6];
	uint16_t pair;
	uint32_t mtu;
	uint32_t mbps; // 0: not known
	uint8_t role;
	uint8_t link; // 1: up
	uint8_t reserved_2[6];
};

// --- security associations ----------------------------------------------------------------------

enum fer_msg_direction { FER_MSG_OUT, FER_MSG_IN };
enum fer_msg_mode { FER_MSG_TRANSPORT, FER_MSG_TUNNEL };
enum fer_msg_df { FER_MSG_DF_COPY, FER_MSG_DF_SET, FER_MSG_DF_CLEAR };

#define FER_MSG_DSCP_COPY 0xFFu
#define FER_MSG_FLOW_LABEL_COPY 0xFFFFFFFFu

#define FER_MSG_PAD_TO_MTU 0xFFFFu

// 0: no such limit.
struct fer_msg_lifetime {
	uint64_t soft_bytes;
	uint64_t hard_bytes;
	uint64_t soft_packets;
	uint64_t hard_packets;
	uint64_t soft_seconds;
	uint64_t hard_seconds;
};

// `out` tunnels; all 0 elsewhere.
struct fer_msg_outer {
	uint32_t flow_label; // FER_MSG_FLOW_LABEL_COPY, or 0 to 0xFFFFF
	uint8_t dscp;        // FER_MSG_DSCP_COPY, or 0 to 63
	uint8_t df;          // enum fer_msg_df
	uint8_t ecn;         // 0: RFC 6040
	uint8_t ttl;         // 1 to 255
};

// One SA of the appliance: what the host half has to know, and an ADD_SA_EX with its keys, for
// which the contract's rules hold but for one: an algorithm without an identifier in the contract
// is named here, and its Identifier is 0 there.  Next as everywhere; the first element follows the
// front.
struct fer_msg_sa {
	uint32_t size; // of this structure
	uint32_t flags;
	uint64_t next;
	uint32_t add_offset; // from the start of this structure, a multiple of 8
	uint32_t add_length; // of the ADD_SA_EX and its keys
	char name[FER_MSG_NAME_BYTES];
	char group[FER_MSG_NAME_BYTES]; // empty: the name
	char esp_encryption[FER_MSG_ALGORITHM_BYTES];
	char esp_integrity[FER_MSG_ALGORITHM_BYTES];
	char ah_integrity[FER_MSG_ALGORITHM_BYTES];
	uint64_t sequence; // instead of SequenceNumberHighOrder, which is not looked at
	struct fer_msg_lifetime lifetime;
	struct fer_msg_outer outer;
	uint32_t replay_window; // packets; 0: not checked
	uint16_t udp_sport; // of ESP in UDP, as UdpEspEncapsulation says; 0, as udp_dport: not so
	uint16_t udp_dport;
	uint8_t mode; // enum fer_msg_mode
	uint8_t reserved;
	uint16_t pad_to;     // `out`: FER_MSG_PAD_TO_MTU, or a multiple of 4 to 9600 bytes; 0: none
	uint32_t dummy_rate; // `out`: packets a second that dummies make up for, 0 to 100000
};

// Adds all or none.  Answer: the handles, 64 bits each, in the order of the list.
struct fer_msg_sa_add {
	uint32_t size;
	uint32_t flags;
};

// Adds all or none, makes the new `out` SAs the active ones of their groups, and deletes what those
// groups had before in the directions of the new ones: `out` SAs when nothing is sent with them any
// more, and only then is the request complete; `in` SAs after the drain.
struct fer_msg_sa_swap {
	uint32_t size;
	uint32_t flags;
	uint32_t drain_ms;
	uint32_t reserved;
};

// One of the two: a handle, or with handle 0 a name.
struct fer_msg_sa_ref {
	uint64_t handle;
	char name[FER_MSG_NAME_BYTES];
};

#define FER_MSG_SA_ESN 0x1u       // of fer_msg_sa_info.flags
#define FER_MSG_SA_ACTIVE 0x2u    // its group sends with it
#define FER_MSG_SA_SOFT 0x4u      // a soft lifetime is over
#define FER_MSG_SA_STOPPED 0x8u   // a hard lifetime is over, or there is no number left
#define FER_MSG_SA_DRAINING 0x10u // to be deleted after the drain of a swap

struct fer_msg_sa_info {
	uint32_t flags;
	uint32_t replay_window;
	uint64_t handle;
	char name[FER_MSG_NAME_BYTES]; // empty, as group: added by the contract's OIDs
	char group[FER_MSG_NAME_BYTES];
	char esp_encryption[FER_MSG_ALGORITHM_BYTES]; // as in documents; empty: none
	char esp_integrity[FER_MSG_ALGORITHM_BYTES];
	char ah_integrity[FER_MSG_ALGORITHM_BYTES];
	uint8_t src[16];
	uint8_t dst[16];
	uint32_t esp_spi; // network byte order, as ah_spi; 0: none
	uint32_t ah_spi;
	uint64_t sequence; // out: last number used; in: highest one authenticated
	uint64_t packets;
	uint64_t bytes;
	uint64_t drops;    // of all causes
	uint64_t added_ns; // Unix time
	struct fer_msg_lifetime lifetime;
	struct fer_msg_outer outer;
	uint16_t udp_sport;
	uint16_t udp_dport;
	uint8_t direction;
	uint8_t mode;
	uint8_t version; // of src and dst: 4 or 6
	uint8_t icv_bytes;
	uint32_t dummy_rate;
	uint16_t pad_to;
	uint16_t peer_port; // with peer, of ESP in UDP: where the peer is now; 0: not so
	uint64_t dummies;   // of packets
	uint8_t peer[16];
};

// --- policies -----------------------------------------------------------------------------------

enum fer_msg_action { FER_MSG_PROTECT, FER_MSG_BYPASS, FER_MSG_DISCARD };

#define FER_MSG_ANY 256u // of protocol and icmp_type
#define FER_MSG_POLICY_GROUPS 2

struct fer_msg_policy {
	uint32_t flags;
	uint32_t priority; // lowest first, then the order in which they came
	char name[FER_MSG_NAME_BYTES];
	uint8_t src[16];
	uint8_t dst[16];
	uint8_t src_version; // 4 or 6; 0: any
	uint8_t dst_version;
	uint8_t src_len; // bits of the prefix; those behind it are 0
	uint8_t dst_len;
	uint16_t protocol;
	uint16_t icmp_type;
	uint16_t sport_first; // 0 to 65535: any
	uint16_t sport_last;
	uint16_t dport_first;
	uint16_t dport_last;
	uint8_t direction;
	uint8_t action;
	uint8_t n_groups; // 0 unless it protects
	uint8_t reserved[5];
	char group[FER_MSG_POLICY_GROUPS][FER_MSG_NAME_BYTES]; // innermost first
};

struct fer_msg_policy_ref {
	char name[FER_MSG_NAME_BYTES];
};

// --- events -------------------------------------------------------------------------------------

// Name, number, text.  1 << number is its bit in a mask.
#define FER_MSG_EVENTS(V)                                                                          \
	V(STATUS, 0, "status indications of the contract")                                         \
	V(SOFT_LIFETIME, 1, "a soft lifetime is over")                                             \
	V(HARD_LIFETIME, 2, "a hard lifetime is over: the association has stopped")                \
	V(SEQ_EXHAUSTED, 3, "no sequence number left: the association has stopped")                \
	V(DELETE_REQUEST, 4, "the association asks to be deleted")                                 \
	V(NO_SA, 5, "packet for which there is no association")                                    \
	V(BAD_ICV, 6, "packet whose integrity check failed")                                       \
	V(REPLAY, 7, "packet with a number seen before, or left of the window")                    \
	V(POLICY_MISMATCH, 8, "packet that its policy does not allow over this association")       \
	V(FRAGMENT, 9, "fragment that cannot be judged")                                           \
	V(PEER_MOVED, 10, "authenticated packets come from another address or port")

enum fer_msg_event_kind {
#define FER_MSG_EVENT_ENUM(name, number, text) FER_MSG_EVENT_##name = number,
	FER_MSG_EVENTS(FER_MSG_EVENT_ENUM)
#undef FER_MSG_EVENT_ENUM
};

#define FER_MSG_EVENTS_ALL 0x7FFull

// Replaces what this client had asked for; the pair of the header may be FER_MSG_ALL_PAIRS.
struct fer_msg_subscribe {
	uint32_t size;
	uint32_t flags;
	uint64_t events; // mask
};

#define FER_MSG_STATUS_EVENT 0x60000001u // status code of an indication that carries the next

// What is not known is 0.
struct fer_msg_event {
	uint32_t size;
	uint32_t flags;
	uint32_t kind;
	uint32_t suppressed; // events of this kind left out before it, for their rate
	uint64_t time_ns;    // Unix time
	uint64_t handle;
	uint64_t number; // 64-bit sequence number
	uint32_t spi;    // network byte order
	uint32_t flow_label;
	uint8_t src[16];
	uint8_t dst[16];
	uint8_t version;  // 4 or 6
	uint8_t protocol; // 50 or 51
	uint16_t sport;   // PEER_MOVED: with src, where the peer is now
	uint8_t reserved[4];
	char name[FER_MSG_NAME_BYTES]; // of the SA
};

static_assert(sizeof(struct fer_msg_header) == 48, "header");
static_assert(offsetof(struct fer_msg_header, pair) == 0x28, "header");
static_assert(sizeof(struct fer_msg_list) == 0x18, "list");
static_assert(sizeof(struct fer_msg_page) == 0x18, "page");
static_assert(sizeof(struct fer_msg_table) == 0x20, "table");
static_assert(offsetof(struct fer_msg_table, cursor) == offsetof(struct fer_msg_list, cursor),
	"one place for both");
static_assert(sizeof(struct fer_msg_refusal) == 0x100, "refusal");
static_assert(sizeof(struct fer_msg_hello) == 0x68, "hello");
static_assert(sizeof(struct fer_msg_pair) == 0x100, "pair");
static_assert(sizeof(struct fer_msg_port) == 0x60, "port");
static_assert(sizeof(struct fer_msg_sa) == 0x130, "sa");
static_assert(sizeof(struct fer_msg_sa_add) == 0x8, "sa add");
static_assert(sizeof(struct fer_msg_sa_swap) == 0x10, "sa swap");
static_assert(sizeof(struct fer_msg_sa_ref) == 0x48, "sa ref");
static_assert(sizeof(struct fer_msg_sa_info) == 0x188, "sa info");
static_assert(sizeof(struct fer_msg_policy) == 0x100, "policy");
static_assert(sizeof(struct fer_msg_subscribe) == 0x10, "subscribe");
static_assert(sizeof(struct fer_msg_event) == 0x98, "event");

#pragma GCC diagnostic pop
