// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Bytes of the control socket to structs and back.  Every length, offset and flag of a message is
// checked here and nowhere else; whether an algorithm exists, a key fits it or a name is taken is
// for the receiver to say.
//
// Decoding allocates nothing and keeps nothing: what comes out is copied, but for keys, which stay
// where they are in the message for the caller to wipe.  Messages need no alignment.
//
// Functions that can refuse return an NDIS status, NDIS_STATUS_SUCCESS when all is well; on any
// other the outputs are not set.

#include "ctl/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FER_MSG_CHECKED __attribute__((warn_unused_result))

// Why a message was refused.
struct fer_msg_fault {
	const char *why;  // a sentence without a subject, static
	uint32_t needed;  // BytesNeeded, with INVALID_LENGTH; else 0
	uint32_t element; // of a list, from 0; FER_MSG_NO_ELEMENT
};

// --- header -------------------------------------------------------------------------------------

// Reads the first sizeof(struct fer_msg_header) bytes of a message and checks what holds for all:
// magic (INVALID_DATA), version (UNSUPPORTED_REVISION), type, flags and reserved bytes
// (INVALID_DATA).  The header is set in any case.
FER_MSG_CHECKED uint32_t fer_msg_get_header(const void *bytes, struct fer_msg_header *h);

// --- the contract's requests --------------------------------------------------------------------

// An algorithm of an SA; identifier 0: none, or it has its name in struct fer_msg_sa.
struct fer_msg_algorithm {
	uint32_t identifier;
	uint32_t info;      // AdditionalInfo
	uint32_t key_bytes; // 0: no key
	const uint8_t *key; // in the message; NULL with key_bytes 0
};

struct fer_msg_transform {
	uint32_t operation; // IPSEC_OFFLOAD_V2_OPERATION_
	uint32_t spi;       // host order
	uint32_t sequence_high;
	bool esn;
	struct fer_msg_algorithm authentication; // identifier 0 where the encryption is AES-GCM
	struct fer_msg_algorithm encryption;
};

// What ADD_SA and ADD_SA_EX say.
struct fer_msg_add {
	bool inbound;
	uint8_t version; // 4 or 6
	uint8_t src[16]; // network order, IPv4 in the first four bytes; all 0: any
	uint8_t dst[16];
	uint32_t udp_esp;
	uint32_t n_transforms; // 1; or 2: ESP, then AH
	struct fer_msg_transform transform[IPSEC_OFFLOAD_V2_MAX_EXTENSION_HEADERS];
};

// A walk over the elements of a list, in the order of the message:
//
//	for (fer_msg_walk_init(&w, data, len, 0); fer_msg_walk_more(&w);) {
//		status = fer_msg_next_add_sa(&w, &add, &fault);
//		...
//	}
//
// Check the whole list first where it is to be applied whole.
struct fer_msg_walk {
	const uint8_t *bytes;
	size_t len;
	size_t at;  // of the next element
	uint32_t n; // elements walked over
	bool more;
};

void fer_msg_walk_init(struct fer_msg_walk *w, const void *data, size_t len, size_t first);

static inline bool fer_msg_walk_more(const struct fer_msg_walk *w)
{
	return w->more;
}

FER_MSG_CHECKED uint32_t fer_msg_next_add_sa(
	struct fer_msg_walk *w, struct fer_msg_add *add, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_next_delete_sa(
	struct fer_msg_walk *w, uint64_t *handle, struct fer_msg_fault *fault);

// Walks a whole list of the function above; *n is set to its length.
FER_MSG_CHECKED uint32_t fer_msg_check_add_sa(
	const void *data, size_t len, uint32_t *n, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_check_delete_sa(
	const void *data, size_t len, uint32_t *n, struct fer_msg_fault *fault);

FER_MSG_CHECKED uint32_t fer_msg_get_add_sa_ex(
	const void *data, size_t len, struct fer_msg_add *add, struct fer_msg_fault *fault);

struct fer_msg_update {
	uint64_t handle;
	uint32_t operation;
	uint32_t spi; // host order
	uint32_t sequence_high;
};

FER_MSG_CHECKED uint32_t fer_msg_get_update_sa(
	const void *data, size_t len, struct fer_msg_update *update, struct fer_msg_fault *fault);

// Members that the revision lacks are 0: no change.  header.revision is the one that was honoured.
FER_MSG_CHECKED uint32_t fer_msg_get_offload_parameters(const void *data, size_t len,
	struct ndis_offload_parameters *p, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_get_offload_encapsulation(const void *data, size_t len,
	struct ndis_offload_encapsulation *e, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_get_offload(
	const void *data, size_t len, struct ndis_offload *o, struct fer_msg_fault *fault);

// --- the appliance's requests -------------------------------------------------------------------

// An element of SA_ADD or SA_SWAP.
struct fer_msg_sa_item {
	struct fer_msg_sa sa; // strings end within their room; group is never empty
	struct fer_msg_add add;
};

// Checks the whole list as well, and sets the walk to its first element.
FER_MSG_CHECKED uint32_t fer_msg_get_sa_add(const void *data, size_t len, struct fer_msg_walk *w,
	uint32_t *n, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_get_sa_swap(const void *data, size_t len, uint32_t *drain_ms,
	struct fer_msg_walk *w, uint32_t *n, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_next_sa(
	struct fer_msg_walk *w, struct fer_msg_sa_item *item, struct fer_msg_fault *fault);

FER_MSG_CHECKED uint32_t fer_msg_get_page(
	const void *data, size_t len, struct fer_msg_page *page, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_get_subscribe(
	const void *data, size_t len, struct fer_msg_subscribe *s, struct fer_msg_fault *fault);

// A list whose elements have one size.
struct fer_msg_array {
	const uint8_t *elements;
	uint32_t n;
	uint32_t element_bytes;
	uint64_t cursor;
};

// Checks that n elements of at least `least` bytes are there.  For those who read answers; the
// functions below are for requests and check what is in the elements, too.
FER_MSG_CHECKED uint32_t fer_msg_get_list(const void *data, size_t len, size_t least,
	struct fer_msg_array *list, struct fer_msg_fault *fault);

// Copies element i, below n, into a struct of `bytes` bytes: what the sender did not have is 0.
void fer_msg_list_at(const struct fer_msg_array *list, uint32_t i, void *element, size_t bytes);

FER_MSG_CHECKED uint32_t fer_msg_get_sa_refs(
	const void *data, size_t len, struct fer_msg_array *list, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_get_policies(
	const void *data, size_t len, struct fer_msg_array *list, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_get_policy_refs(
	const void *data, size_t len, struct fer_msg_array *list, struct fer_msg_fault *fault);

// Is this a name of the alphabet and length that names have, with 0 bytes behind it?
bool fer_msg_is_name(const char name[FER_MSG_NAME_BYTES]);

// --- answers and indications, for those who read them -------------------------------------------

FER_MSG_CHECKED uint32_t fer_msg_get_hello(const void *data, size_t len,
	struct fer_msg_hello *hello, struct fer_msg_array *pairs, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_get_refusal(
	const void *data, size_t len, struct fer_msg_refusal *r, struct fer_msg_fault *fault);
FER_MSG_CHECKED uint32_t fer_msg_get_event(
	const void *data, size_t len, struct fer_msg_event *e, struct fer_msg_fault *fault);

// Handle i of the answer to an add; 0 where the SA failed, and behind the last.
uint64_t fer_msg_handle_at(const void *data, size_t len, uint32_t i);

struct fer_msg_numbers {
	const uint8_t *columns;
	const uint8_t *rows;
	uint32_t n_columns;
	uint32_t n_rows;
	uint32_t row_bytes;
	uint64_t cursor;
};

FER_MSG_CHECKED uint32_t fer_msg_get_table(
	const void *data, size_t len, struct fer_msg_numbers *table, struct fer_msg_fault *fault);

// Name of column c, label of row r, number in row r and column c; all below their counts.  The
// strings stand in the message and end within their room.
const char *fer_msg_table_column(const struct fer_msg_numbers *t, uint32_t c);
const char *fer_msg_table_label(const struct fer_msg_numbers *t, uint32_t r);
uint64_t fer_msg_table_number(const struct fer_msg_numbers *t, uint32_t r, uint32_t c);

// --- building -----------------------------------------------------------------------------------

// An information buffer that grows.  Start with all 0.  After a failure for want of memory further
// calls do nothing; failed says so at the end.
struct fer_msg_buf {
	uint8_t *bytes;
	size_t len;
	size_t room;
	size_t link; // place of the last Next, plus 1; 0: none
	bool failed;
};

// Wipes and frees the bytes, and makes it empty.
void fer_msg_buf_fini(struct fer_msg_buf *b);

void fer_msg_put(struct fer_msg_buf *b, const void *bytes, size_t len);

// Append an element to a list, and link it to the one before.  Fills Next, sizes, revisions and key
// offsets; keys are copied.
void fer_msg_put_add_sa(struct fer_msg_buf *b, const struct fer_msg_add *add);
void fer_msg_put_delete_sa(struct fer_msg_buf *b, uint64_t handle);
void fer_msg_put_sa(
	struct fer_msg_buf *b, const struct fer_msg_sa *sa, const struct fer_msg_add *add);

void fer_msg_put_add_sa_ex(struct fer_msg_buf *b, const struct fer_msg_add *add);
void fer_msg_put_update_sa(struct fer_msg_buf *b, const struct fer_msg_update *update);

// The front of a request of that name; elements follow with fer_msg_put_sa().
void fer_msg_put_sa_add(struct fer_msg_buf *b);
void fer_msg_put_sa_swap(struct fer_msg_buf *b, uint32_t drain_ms);

void fer_msg_put_page(struct fer_msg_buf *b, uint64_t cursor, uint32_t max);
void fer_msg_put_subscribe(struct fer_msg_buf *b, uint64_t events);

// A list: the front, then its elements one by one, then the cursor if there is more to come.
// element_bytes is the same in all calls for one list.
void fer_msg_put_list(struct fer_msg_buf *b, size_t element_bytes);
void fer_msg_put_element(struct fer_msg_buf *b, const void *element, size_t element_bytes);
void fer_msg_put_cursor(struct fer_msg_buf *b, uint64_t cursor);

// A table: front and names of the columns, then its rows, with fer_msg_put_cursor() as above.
void fer_msg_put_table(struct fer_msg_buf *b, const char *const columns[], uint32_t n_columns);
void fer_msg_put_row(
	struct fer_msg_buf *b, const char *label, const uint64_t numbers[], uint32_t n_columns);

void fer_msg_put_refusal(struct fer_msg_buf *b, uint32_t element, const char *text);

// Hello: limits and product from *hello, then the pairs; sizes are filled in.
void fer_msg_put_hello(struct fer_msg_buf *b, const struct fer_msg_hello *hello,
	const struct fer_msg_pair pairs[], uint32_t n_pairs);

// As much of the structure as its header.revision has; type and size are filled in.
void fer_msg_put_offload(struct fer_msg_buf *b, const struct ndis_offload *o);
void fer_msg_put_offload_parameters(struct fer_msg_buf *b, const struct ndis_offload_parameters *p);
void fer_msg_put_offload_encapsulation(
	struct fer_msg_buf *b, const struct ndis_offload_encapsulation *e);

// Fills a string of fixed room with 0 behind it; what does not fit is cut.
void fer_msg_set_string(char *to, size_t room, const char *from);

#ifdef __cplusplus
}
#endif
