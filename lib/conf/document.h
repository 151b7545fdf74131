// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Documents: SAs, policies and the set-up of a daemon, as YAML (and so JSON), become structs that
// need no further checking, or one line that says what is wrong and where.  Nothing is applied
// here.  Every program takes every document, and uses what concerns it.
//
// A loaded document is a value: nothing changes it until it is destroyed, any thread may read it.

#include "crypto/algo.h"
#include "proto/ip.h"
#include "proto/ipsec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FER_DOC_MAX_BYTES ((size_t)256 << 20) // longest document that is read
#define FER_DOC_NAME_BYTES 64                 // room for the longest name, 63 characters
#define FER_DOC_POLICY_GROUPS 2 // a packet carries at most one inner and one outer bundle

#define FER_DOC_REPLAY_WINDOW_DEFAULT 1024u
#define FER_DOC_REPLAY_WINDOW_MAX 65536u

#define FER_DOC_PROTOCOL_ANY 256  // a policy that names no protocol
#define FER_DOC_ICMP_TYPE_ANY 256 // a policy that names no ICMP type

#define FER_DOC_SOCKET_DEFAULT "/run/ferrule/control.sock"
#define FER_DOC_SOCKET_BYTES 108 // room of a socket's path
#define FER_DOC_GROUP_BYTES 64
#define FER_DOC_PORT_BYTES 64 // room for the longest name of a DPDK port
#define FER_DOC_EAL_OPTIONS 64
#define FER_DOC_EAL_BYTES 256
#define FER_DOC_WORKERS 128 // lcores that the EAL has
#define FER_DOC_QUEUES 64
#define FER_DOC_IKE_PEERS 64

#define FER_DOC_PATH_BYTES 256 // room for the path of a file
#define FER_DOC_SHIM_BYTES 58  // that a frame of an external host is longer by

#define FER_DOC_MTU_MIN 1280 // RFC 8200 section 5: IPv6 needs it
#define FER_DOC_MTU_MAX 9600
#define FER_DOC_MTU_DEFAULT 1500
#define FER_DOC_CAPACITY_DEFAULT 4096
#define FER_DOC_NAT_KEEPALIVE_DEFAULT 20 // RFC 3948 section 4
#define FER_DOC_NAT_KEEPALIVE_MAX 3600
#define FER_DOC_CAPACITY_MAX (1u << 24)

enum fer_doc_action { FER_DOC_PROTECT, FER_DOC_BYPASS, FER_DOC_DISCARD };

struct fer_doc_key {
	uint8_t bytes[FER_MAX_KEY_BYTES]; // salt included, at the end
	uint8_t len;
};

struct fer_doc_ah {
	uint32_t spi; // 0: there is no AH
	const struct fer_algo *integrity;
	struct fer_doc_key key; // of the right length
};

struct fer_doc_sa {
	char name[FER_DOC_NAME_BYTES];
	uint32_t line;  // where it begins in the document
	uint32_t pair;  // index into pairs
	uint32_t group; // index into groups, one of the same pair
	enum fer_direction direction;
	enum fer_mode mode;
	struct fer_addr src; // both of one version
	struct fer_addr dst;
	uint32_t spi;           // of ESP; 0: there is no ESP, but AH
	uint32_t replay_window; // 0: not checked, as always for `out`
	uint64_t sequence;
	const struct fer_algo *encryption; // of ESP, as the next four; NULL without it
	const struct fer_algo *integrity;  // NULL: none
	struct fer_doc_key encryption_key; // of the right length, as is integrity_key
	struct fer_doc_key integrity_key;
	uint8_t icv_bytes; // the algorithm's usual length where the document gives none
	struct fer_doc_ah ah;
	bool esn;
	struct fer_outer_rules outer; // the defaults unless an `out` tunnel says otherwise
	struct fer_udp udp;           // ports 0: no ESP in UDP
	struct fer_tfc tfc;           // none unless an `out` SA says otherwise
	struct fer_lifetime lifetime; // soft is not above hard where both are given
};

struct fer_doc_ports {
	uint16_t first;
	uint16_t last;
};

struct fer_doc_policy {
	char name[FER_DOC_NAME_BYTES];
	uint32_t line;     // where it begins in the document
	uint32_t pair;     // index into pairs
	uint32_t priority; // lowest first, then the order of the document
	enum fer_direction direction;
	struct fer_prefix src; // both of one version, unless one is any
	struct fer_prefix dst;
	struct fer_doc_ports sport; // 0 to 65535: any
	struct fer_doc_ports dport;
	uint16_t protocol;
	uint16_t icmp_type;
	enum fer_doc_action action;
	uint32_t n_groups;                           // 0 unless it protects
	uint32_t groups[FER_DOC_POLICY_GROUPS];      // indexes into groups, innermost first
	uint32_t group_lines[FER_DOC_POLICY_GROUPS]; // where they are named
};

// What SAs share and policies name.
struct fer_doc_group {
	char name[FER_DOC_NAME_BYTES];
	uint32_t pair;               // index into pairs; its name is unique there
	uint32_t n_sas[2];           // by enum fer_direction
	uint32_t n_transport_sas[2]; // those of transport mode among them
	uint32_t n_udp_sas[2];       // those with ESP in UDP
};

struct fer_doc_port {
	char name[FER_DOC_PORT_BYTES]; // that of the EAL's device
	uint32_t mtu;                  // bytes of an IP packet
	uint32_t port_line;            // where the name stands
	uint32_t mtu_line;             // where the MTU stands, or else the port
};

enum fer_doc_rule { FER_DOC_PASS, FER_DOC_DROP };
enum fer_doc_ike { FER_DOC_IKE_PASS, FER_DOC_IKE_POLICY };

// Who plays the host half: ferrule itself, or a host behind the host port that speaks the shim.
enum fer_doc_mode { FER_DOC_STACK, FER_DOC_OOB };

// Which sends of an external host are completed.
enum fer_doc_completions { FER_DOC_COMPLETE_FAILED, FER_DOC_COMPLETE_ALL };

// Two ports and what goes on between them.
struct fer_doc_pair {
	char name[FER_DOC_NAME_BYTES]; // empty: the only one there is
	uint32_t line;                 // where it begins; 0: named by SAs or policies, and no more
	uint32_t queues_line;          // where their number stands, or else the pair
	enum fer_doc_mode mode;
	enum fer_doc_completions completions;
	uint32_t delete_after; // packets of an SA that do not verify, in a row; 0: never
	char keywords[FER_DOC_PATH_BYTES]; // file of the standardized keywords; empty: none
	struct fer_doc_port host;
	struct fer_doc_port wire;
	uint32_t n_queues; // of either port
	uint32_t capacity; // SAs
	enum fer_doc_ike ike;
	uint32_t n_ike_peers; // pass only what goes to or comes from these; 0: all
	struct fer_addr ike_peers[FER_DOC_IKE_PEERS];
	enum fer_doc_rule arp;
	enum fer_doc_rule neighbour_discovery;
	enum fer_doc_rule other; // frames that are neither IP nor ARP
	bool clamp_mss;
	uint32_t nat_keepalive; // seconds that ESP in UDP may be idle; 0: no keep-alives
};

enum fer_doc_idle { FER_DOC_IDLE_AUTO, FER_DOC_IDLE_POLL, FER_DOC_IDLE_NAP };

// What a daemon has once.
struct fer_doc_daemon {
	uint32_t n_eal;
	char eal[FER_DOC_EAL_OPTIONS][FER_DOC_EAL_BYTES];
	char socket[FER_DOC_SOCKET_BYTES];
	char group[FER_DOC_GROUP_BYTES]; // that may use the socket; empty: none
	uint32_t workers_line;           // 0: the document does not give them
	uint32_t n_workers;
	uint32_t n_lcores;                // n_workers, or 0: any
	uint16_t lcores[FER_DOC_WORKERS]; // no two are the same
	enum fer_doc_idle idle;
	bool share_crypto; // of a burst among the workers
};

struct fer_doc {
	char *name;                      // of the file, as errors give it
	struct fer_doc_sa *sas;          // in the order of the document; from fer_secret_map()
	struct fer_doc_policy *policies; // in the order of the document
	struct fer_doc_group *groups; // in the order in which SAs name them; then those of a part
	struct fer_doc_pair *pairs;   // in the order of the document
	uint32_t n_sas;
	uint32_t n_policies;
	uint32_t n_groups;
	uint32_t n_pairs; // all described or none; 0 only where there are no SAs and policies
	bool legacy_algorithms;
	struct fer_doc_daemon daemon;
	size_t sas_bytes; // mapped
};

// One line without a newline, and never a byte of a key:
// "FILE:LINE: FIELD: what is wrong", or "FILE: what is wrong" when no line is at fault.
struct fer_doc_error {
	char text[1024];
};

// Writes that line.  Whoever finds fault with a loaded document later, such as a table that is
// full, makes its error here as well.
//   line   0: no line is at fault, and field is not used
//   field  such as "sas[0].esp.spi"; "yaml" where the document as a whole is at fault
// Control characters in file are written as '?'.
void fer_doc_error_set(struct fer_doc_error *err, const char *file, uint32_t line,
	const char *field, const char *what);

// Reads a document from a file, which may be a pipe, and checks it.
// Returns 0 with *doc set and owned by the caller; or, with err set, -EINVAL for a document that is
// refused, -EFBIG for one over FER_DOC_MAX_BYTES, and what open() or read() said.
__attribute__((warn_unused_result)) int fer_doc_load_file(
	const char *path, struct fer_doc **doc, struct fer_doc_error *err);

// The same for bytes in memory, which stay the caller's, to wipe as well; name stands for the file
// in errors.
__attribute__((warn_unused_result)) int fer_doc_load_bytes(const char *name, const void *bytes,
	size_t len, struct fer_doc **doc, struct fer_doc_error *err);

// Reads a document that is a part of what a daemon has or will have.  Its policies may also name
// groups whose SAs are not in it: whoever adds the policies knows, or tells what is missing.
__attribute__((warn_unused_result)) int fer_doc_load_part(
	const char *path, struct fer_doc **doc, struct fer_doc_error *err);

// Wipes the keys and frees the document.  NULL does nothing.
void fer_doc_destroy(struct fer_doc *doc);
