// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The schema of documents as one table: key → type, bounds, and where its value goes.

#include "conf/document.h"

// What is read before it is checked and becomes part of a document: a fer_doc_sa or a
// fer_doc_policy, and the names in it that are not looked up yet.  A pair is its own draft, and
// what a document has once is read into the document.
struct fer_sa_draft {
	struct fer_doc_sa sa;
	char pair[FER_DOC_NAME_BYTES];
	char group[FER_DOC_NAME_BYTES];
};

struct fer_policy_draft {
	struct fer_doc_policy policy;
	char pair[FER_DOC_NAME_BYTES];
	char groups[FER_DOC_POLICY_GROUPS][FER_DOC_NAME_BYTES];
};

enum fer_type {
	FER_TYPE_UNSUPPORTED, // belongs to a later version
	FER_TYPE_BOOL,
	FER_TYPE_NUMBER, // min to max, or one word that stands for a number
	FER_TYPE_WORD,   // one of words; its place in the list is the value
	FER_TYPE_NAME,
	FER_TYPE_TEXT, // any characters but control characters, as many as there is room for
	FER_TYPE_ADDRESS,
	FER_TYPE_PREFIX,
	FER_TYPE_KEY,
	FER_TYPE_PORTS,
	FER_TYPE_PROTOCOL,
	FER_TYPE_ENCRYPTION,
	FER_TYPE_INTEGRITY,
	FER_TYPE_LIST,   // of single values into an array, or one single value elsewhere
	FER_TYPE_GROUPS, // list of names
	FER_TYPE_MAPPING,
	FER_TYPE_PAIRS,
	FER_TYPE_SAS, // list of mappings, each into a draft of its own, as the next
	FER_TYPE_POLICIES,
};

struct fer_schema;
struct fer_field;

struct fer_list {
	const struct fer_field *item; // where it goes counts from the element of the array
	uint16_t count_offset;        // of the uint32_t that says how many there are
	uint16_t most;
	uint16_t stride;
	bool no_repeat;                 // no element twice
	const struct fer_field *single; // what may stand there instead of a list; NULL: nothing
};

struct fer_field {
	const char *key;
	enum fer_type type;
	uint8_t place; // in the lines of the draft: an enum of the three below
	bool required;
	uint16_t offset; // of the value in the draft
	uint16_t size;   // of a bool, number, word or text there
	uint64_t min;
	uint64_t max;
	const char *word;
	uint64_t word_value;
	const char *const *words; // ends with NULL
	const struct fer_list *list;
	const struct fer_schema *mapping;
};

struct fer_schema {
	const struct fer_field *fields;
	unsigned n_fields;
};

// The places of one draft, those of the mappings inside it included.
enum fer_root_place {
	FER_ROOT_LEGACY,
	FER_ROOT_EAL,
	FER_ROOT_CONTROL,
	FER_ROOT_SOCKET,
	FER_ROOT_GROUP,
	FER_ROOT_WORKERS,
	FER_ROOT_IDLE,
	FER_ROOT_SHARE_CRYPTO,
	FER_ROOT_PAIRS,
	FER_ROOT_SAS,
	FER_ROOT_POLICIES,
	FER_ROOT_PLACES
};

enum fer_pair_place {
	FER_PAIR_NAME,
	FER_PAIR_MODE,
	FER_PAIR_COMPLETIONS,
	FER_PAIR_DELETE_AFTER,
	FER_PAIR_KEYWORDS,
	FER_PAIR_HOST,
	FER_PAIR_HOST_PORT,
	FER_PAIR_HOST_MTU,
	FER_PAIR_WIRE,
	FER_PAIR_WIRE_PORT,
	FER_PAIR_WIRE_MTU,
	FER_PAIR_QUEUES,
	FER_PAIR_CAPACITY,
	FER_PAIR_IKE,
	FER_PAIR_LINK_CONTROL,
	FER_PAIR_ARP,
	FER_PAIR_ND,
	FER_PAIR_OTHER,
	FER_PAIR_CLAMP_MSS,
	FER_PAIR_NAT_KEEPALIVE,
	FER_PAIR_PLACES
};

enum fer_sa_place {
	FER_SA_NAME,
	FER_SA_PAIR,
	FER_SA_GROUP,
	FER_SA_DIRECTION,
	FER_SA_MODE,
	FER_SA_SRC,
	FER_SA_DST,
	FER_SA_ESP,
	FER_SA_SPI,
	FER_SA_ENCRYPTION,
	FER_SA_ENCRYPTION_KEY,
	FER_SA_INTEGRITY,
	FER_SA_INTEGRITY_KEY,
	FER_SA_ICV_BYTES,
	FER_SA_AH,
	FER_SA_AH_SPI,
	FER_SA_AH_INTEGRITY,
	FER_SA_AH_KEY,
	FER_SA_ESN,
	FER_SA_SEQUENCE,
	FER_SA_REPLAY_WINDOW,
	FER_SA_UDP,
	FER_SA_UDP_SPORT,
	FER_SA_UDP_DPORT,
	FER_SA_LIFETIME,
	FER_SA_OUTER,
	FER_SA_DSCP,
	FER_SA_DF,
	FER_SA_ECN,
	FER_SA_TTL,
	FER_SA_FLOW_LABEL,
	FER_SA_TFC,
	FER_SA_PAD_TO,
	FER_SA_DUMMY_RATE,
	FER_SA_SOFT_BYTES,
	FER_SA_HARD_BYTES,
	FER_SA_SOFT_PACKETS,
	FER_SA_HARD_PACKETS,
	FER_SA_SOFT_SECONDS,
	FER_SA_HARD_SECONDS,
	FER_SA_PLACES
};

enum fer_policy_place {
	FER_POLICY_NAME,
	FER_POLICY_PAIR,
	FER_POLICY_PRIORITY,
	FER_POLICY_DIRECTION,
	FER_POLICY_SRC,
	FER_POLICY_DST,
	FER_POLICY_PROTOCOL,
	FER_POLICY_SPORT,
	FER_POLICY_DPORT,
	FER_POLICY_ICMP_TYPE,
	FER_POLICY_ACTION,
	FER_POLICY_SAS,
	FER_POLICY_PLACES
};

#define FER_PLACES FER_SA_PLACES // of the largest draft

// Where the keys and values of a draft stand.
struct fer_lines {
	uint32_t begin; // of the draft
	struct fer_line {
		uint32_t key; // 0: not given
		uint32_t value;
	} at[FER_PLACES];
};

extern const struct fer_schema fer_schema_root; // into struct fer_doc
extern const struct fer_schema fer_schema_pair; // into struct fer_doc_pair
extern const struct fer_schema fer_schema_sa;
extern const struct fer_schema fer_schema_policy;

// The field of that key; NULL when there is none.
const struct fer_field *fer_schema_find(const struct fer_schema *s, const char *key);
