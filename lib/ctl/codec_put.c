// SPDX-License-Identifier: BSD-3-Clause
// Structures to bytes.
#include "ctl/codec_parts.h"

#include <stdlib.h>

#define LEAST_ROOM 512

void fer_msg_buf_fini(struct fer_msg_buf *b)
{
	if (b->bytes != NULL)
		explicit_bzero(b->bytes, b->room);
	free(b->bytes);
	*b = (struct fer_msg_buf){0};
}

// Not realloc(), which would leave keys where the bytes were.
static bool reserve(struct fer_msg_buf *b, size_t len)
{
	size_t room = b->room > 0 ? b->room : LEAST_ROOM;
	uint8_t *bytes;

	if (b->failed || len > SIZE_MAX / 4 - b->len) {
		b->failed = true;
		return false;
	}
	if (len <= b->room - b->len)
		return true;
	while (room - b->len < len)
		room *= 2;
	bytes = malloc(room);
	if (bytes == NULL) {
		b->failed = true;
		return false;
	}
	if (b->len > 0)
		memcpy(bytes, b->bytes, b->len);
	if (b->bytes != NULL)
		explicit_bzero(b->bytes, b->room);
	free(b->bytes);
	b->bytes = bytes;
	b->room = room;
	return true;
}

void fer_msg_put(struct fer_msg_buf *b, const void *bytes, size_t len)
{
	if (len == 0 || !reserve(b, len))
		return;
	memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
}

static void put_zeros_to(struct fer_msg_buf *b, size_t multiple)
{
	static const uint8_t zeros[8];

	fer_msg_put(b, zeros, (multiple - b->len % multiple) % multiple);
}

// Starts an element of a list, `next_at` bytes into which stands its Next.
static void link_element(struct fer_msg_buf *b, size_t next_at)
{
	uint64_t at;

	put_zeros_to(b, 8);
	at = b->len;
	if (b->link != 0 && !b->failed)
		memcpy(b->bytes + b->link - 1, &at, sizeof(at));
	b->link = b->len + next_at + 1;
}

// --- security associations ----------------------------------------------------------------------

// Puts one key at its place in the key buffer, of which `used` bytes are taken.
static struct ipsec_offload_v2_algorithm_info algorithm_info(
	const struct fer_msg_algorithm *a, uint32_t *used)
{
	struct ipsec_offload_v2_algorithm_info info = {
		.identifier = a->identifier,
		.key_length = a->key_bytes,
		.key_offset_bytes = a->key_bytes > 0 ? *used : 0,
		.additional_info = a->info,
	};

	*used += a->key_bytes;
	return info;
}

static struct ipsec_offload_v2_add_sa_ex add_sa_ex(const struct fer_msg_add *add)
{
	struct ipsec_offload_v2_add_sa_ex ex = {
		.header = {NDIS_OBJECT_TYPE_DEFAULT, NDIS_IPSEC_OFFLOAD_V2_ADD_SA_EX_REVISION_1,
			NDIS_SIZEOF_IPSEC_OFFLOAD_V2_ADD_SA_EX_REVISION_1},
		.num_ext_hdrs = add->n_transforms,
		.flags = (add->inbound ? IPSEC_OFFLOAD_V2_INBOUND : 0) |
			 (add->version == 6 ? IPSEC_OFFLOAD_V2_IPV6 : 0),
		.udp_esp_encapsulation = add->udp_esp,
		.key_offset = sizeof(ex),
	};

	if (add->version == 6) {
		memcpy(ex.endpoints.ipv6.src_addr, add->src, 16);
		memcpy(ex.endpoints.ipv6.dest_addr, add->dst, 16);
	} else {
		memcpy(ex.endpoints.ipv4.src_addr, add->src, 4);
		memcpy(ex.endpoints.ipv4.dest_addr, add->dst, 4);
	}
	for (uint32_t i = 0; i < add->n_transforms && i < IPSEC_OFFLOAD_V2_MAX_EXTENSION_HEADERS;
		i++) {
		const struct fer_msg_transform *t = &add->transform[i];

		ex.sec_assoc[i] = (struct ipsec_offload_v2_security_association){
			.flags = t->esn ? IPSEC_OFFLOAD_V2_ESN_SA : 0,
			.operation = t->operation,
			.spi = __builtin_bswap32(t->spi),
			.authentication_algorithm =
				algorithm_info(&t->authentication, &ex.key_length),
			.encryption_algorithm = algorithm_info(&t->encryption, &ex.key_length),
			.sequence_number_high_order = t->sequence_high,
		};
	}
	return ex;
}

static void put_keys(struct fer_msg_buf *b, const struct fer_msg_add *add)
{
	for (uint32_t i = 0; i < add->n_transforms && i < IPSEC_OFFLOAD_V2_MAX_EXTENSION_HEADERS;
		i++) {
		const struct fer_msg_transform *t = &add->transform[i];

		fer_msg_put(b, t->authentication.key, t->authentication.key_bytes);
		fer_msg_put(b, t->encryption.key, t->encryption.key_bytes);
	}
}

void fer_msg_put_add_sa_ex(struct fer_msg_buf *b, const struct fer_msg_add *add)
{
	const struct ipsec_offload_v2_add_sa_ex ex = add_sa_ex(add);

	fer_msg_put(b, &ex, sizeof(ex));
	put_keys(b, add);
}

void fer_msg_put_add_sa(struct fer_msg_buf *b, const struct fer_msg_add *add)
{
	const struct ipsec_offload_v2_add_sa_ex ex = add_sa_ex(add);
	const struct ipsec_offload_v2_add_sa sa = {
		.header = {NDIS_OBJECT_TYPE_DEFAULT, NDIS_IPSEC_OFFLOAD_V2_ADD_SA_REVISION_1,
			NDIS_SIZEOF_IPSEC_OFFLOAD_V2_ADD_SA_REVISION_1},
		.num_ext_hdrs = ex.num_ext_hdrs,
		.flags = ex.flags,
		.endpoints = ex.endpoints,
		.udp_esp_encapsulation = ex.udp_esp_encapsulation,
		.sec_assoc = {ex.sec_assoc[0], ex.sec_assoc[1]},
		.key_length = ex.key_length,
	};
	const size_t keys_at = offsetof(struct ipsec_offload_v2_add_sa, key_data);

	link_element(b, offsetof(struct ipsec_offload_v2_add_sa, next));
	fer_msg_put(b, &sa, keys_at);
	put_keys(b, add);
	if (ex.key_length == 0)
		fer_msg_put(b, sa.key_data, 1);
}

void fer_msg_put_delete_sa(struct fer_msg_buf *b, uint64_t handle)
{
	const struct ipsec_offload_v2_delete_sa d = {
		.header = {NDIS_OBJECT_TYPE_DEFAULT, NDIS_IPSEC_OFFLOAD_V2_DELETE_SA_REVISION_1,
			NDIS_SIZEOF_IPSEC_OFFLOAD_V2_DELETE_SA_REVISION_1},
		.offload_handle = handle,
	};

	link_element(b, offsetof(struct ipsec_offload_v2_delete_sa, next));
	fer_msg_put(b, &d, sizeof(d));
}

void fer_msg_put_update_sa(struct fer_msg_buf *b, const struct fer_msg_update *update)
{
	const struct ipsec_offload_v2_update_sa u = {
		.header = {NDIS_OBJECT_TYPE_DEFAULT, NDIS_IPSEC_OFFLOAD_V2_UPDATE_SA_REVISION_1,
			NDIS_SIZEOF_IPSEC_OFFLOAD_V2_UPDATE_SA_REVISION_1},
		.offload_handle = update->handle,
		.operation = update->operation,
		.spi = __builtin_bswap32(update->spi),
		.sequence_number_high_order = update->sequence_high,
	};

	fer_msg_put(b, &u, sizeof(u));
}

void fer_msg_put_sa(
	struct fer_msg_buf *b, const struct fer_msg_sa *sa, const struct fer_msg_add *add)
{
	const struct ipsec_offload_v2_add_sa_ex ex = add_sa_ex(add);
	struct fer_msg_sa s = *sa;

	s.size = s.add_offset = sizeof(s);
	s.next = 0;
	s.add_length = (uint32_t)sizeof(ex) + ex.key_length;
	link_element(b, offsetof(struct fer_msg_sa, next));
	fer_msg_put(b, &s, sizeof(s));
	fer_msg_put(b, &ex, sizeof(ex));
	put_keys(b, add);
}

void fer_msg_put_sa_add(struct fer_msg_buf *b)
{
	const struct fer_msg_sa_add front = {.size = sizeof(front)};

	fer_msg_put(b, &front, sizeof(front));
}

void fer_msg_put_sa_swap(struct fer_msg_buf *b, uint32_t drain_ms)
{
	const struct fer_msg_sa_swap front = {.size = sizeof(front), .drain_ms = drain_ms};

	fer_msg_put(b, &front, sizeof(front));
}

// --- small requests -----------------------------------------------------------------------------

void fer_msg_put_page(struct fer_msg_buf *b, uint64_t cursor, uint32_t max)
{
	const struct fer_msg_page page = {.size = sizeof(page), .cursor = cursor, .max = max};

	fer_msg_put(b, &page, sizeof(page));
}

void fer_msg_put_subscribe(struct fer_msg_buf *b, uint64_t events)
{
	const struct fer_msg_subscribe s = {.size = sizeof(s), .events = events};

	fer_msg_put(b, &s, sizeof(s));
}

// --- lists and tables ---------------------------------------------------------------------------

void fer_msg_put_list(struct fer_msg_buf *b, size_t element_bytes)
{
	const struct fer_msg_list front = {
		.size = sizeof(front), .element_bytes = (uint32_t)element_bytes};

	fer_msg_put(b, &front, sizeof(front));
}

// Adds 1 to the 32-bit count `at` bytes into the front.
static void count_one(struct fer_msg_buf *b, size_t at)
{
	uint32_t n;

	if (b->failed)
		return;
	memcpy(&n, b->bytes + at, sizeof(n));
	n++;
	memcpy(b->bytes + at, &n, sizeof(n));
}

void fer_msg_put_element(struct fer_msg_buf *b, const void *element, size_t element_bytes)
{
	fer_msg_put(b, element, element_bytes);
	count_one(b, offsetof(struct fer_msg_list, n));
}

void fer_msg_put_cursor(struct fer_msg_buf *b, uint64_t cursor)
{
	if (!b->failed)
		memcpy(b->bytes + offsetof(struct fer_msg_list, cursor), &cursor, sizeof(cursor));
}

void fer_msg_put_table(struct fer_msg_buf *b, const char *const columns[], uint32_t n_columns)
{
	const struct fer_msg_table front = {
		.size = sizeof(front),
		.n_columns = n_columns,
		.row_bytes = FER_MSG_NAME_BYTES + 8 * n_columns,
	};

	fer_msg_put(b, &front, sizeof(front));
	for (uint32_t c = 0; c < n_columns; c++) {
		char name[FER_MSG_COLUMN_BYTES];

		fer_msg_set_string(name, sizeof(name), columns[c]);
		fer_msg_put(b, name, sizeof(name));
	}
}

void fer_msg_put_row(
	struct fer_msg_buf *b, const char *label, const uint64_t numbers[], uint32_t n_columns)
{
	char name[FER_MSG_NAME_BYTES];

	fer_msg_set_string(name, sizeof(name), label);
	fer_msg_put(b, name, sizeof(name));
	fer_msg_put(b, numbers, 8 * (size_t)n_columns);
	count_one(b, offsetof(struct fer_msg_table, n_rows));
}

// --- the rest -----------------------------------------------------------------------------------

void fer_msg_put_refusal(struct fer_msg_buf *b, uint32_t element, const char *text)
{
	struct fer_msg_refusal r = {.size = sizeof(r), .element = element};

	fer_msg_set_string(r.text, sizeof(r.text), text);
	fer_msg_put(b, &r, sizeof(r));
}

void fer_msg_put_hello(struct fer_msg_buf *b, const struct fer_msg_hello *hello,
	const struct fer_msg_pair pairs[], uint32_t n_pairs)
{
	struct fer_msg_hello h = *hello;

	h.size = sizeof(h);
	h.n_pairs = n_pairs;
	h.pair_bytes = sizeof(pairs[0]);
	fer_msg_put(b, &h, sizeof(h));
	fer_msg_put(b, pairs, n_pairs * sizeof(pairs[0]));
}

// Puts as much of a structure that begins with an object header as its revision has.
static void put_object(struct fer_msg_buf *b, const void *object, uint8_t type,
	const uint16_t sizes[], uint8_t n_revisions)
{
	struct ndis_object_header h;

	memcpy(&h, object, sizeof(h));
	h.type = type;
	if (h.revision < 1)
		h.revision = 1;
	if (h.revision > n_revisions)
		h.revision = n_revisions;
	h.size = sizes[h.revision - 1];
	fer_msg_put(b, &h, sizeof(h));
	fer_msg_put(b, (const uint8_t *)object + sizeof(h), h.size - sizeof(h));
}

void fer_msg_put_offload(struct fer_msg_buf *b, const struct ndis_offload *o)
{
	put_object(b, o, NDIS_OBJECT_TYPE_OFFLOAD, fer_offload_sizes, 4);
}

void fer_msg_put_offload_parameters(struct fer_msg_buf *b, const struct ndis_offload_parameters *p)
{
	put_object(b, p, NDIS_OBJECT_TYPE_DEFAULT, fer_offload_parameters_sizes, 5);
}

void fer_msg_put_offload_encapsulation(
	struct fer_msg_buf *b, const struct ndis_offload_encapsulation *e)
{
	put_object(
		b, e, NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION, fer_offload_encapsulation_sizes, 1);
}

void fer_msg_set_string(char *to, size_t room, const char *from)
{
	const size_t n = strnlen(from, room - 1);

	memset(to, 0, room);
	memcpy(to, from, n);
}
