// SPDX-License-Identifier: BSD-3-Clause
// Headers and what private structures have in common, from bytes.
#include "ctl/codec_parts.h"

uint32_t fer_msg_get_header(const void *bytes, struct fer_msg_header *h)
{
	memcpy(h, bytes, sizeof(*h));
	if (h->magic != FER_MSG_MAGIC)
		return NDIS_STATUS_INVALID_DATA;
	if (h->version != FER_MSG_VERSION)
		return NDIS_STATUS_UNSUPPORTED_REVISION;
	if (h->type < FER_MSG_TYPE_HELLO || h->type > FER_MSG_TYPE_INDICATION || h->flags != 0 ||
		!fer_all_zero(h->reserved, sizeof(h->reserved)))
		return NDIS_STATUS_INVALID_DATA;
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_get_front(
	const void *data, size_t len, void *front, size_t bytes, struct fer_msg_fault *fault)
{
	uint32_t size_flags[2];

	if (len < bytes)
		return fer_fault_length(fault, bytes, "shorter than its structure");
	memcpy(size_flags, data, sizeof(size_flags));
	if (size_flags[0] < bytes)
		return fer_fault_length(fault, bytes, "has a size below that of its structure");
	if (size_flags[0] > len)
		return fer_fault_length(fault, size_flags[0], "shorter than its size says");
	if (size_flags[0] % 8 != 0)
		return fer_fault_data(fault, "has a size that is not a multiple of 8");
	if (size_flags[1] != 0)
		return fer_fault_data(fault, "has unknown flags");
	memcpy(front, data, bytes);
	return NDIS_STATUS_SUCCESS;
}

// --- strings ------------------------------------------------------------------------------------

static bool is_word_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '+' || c == ':' || c == '-';
}

bool fer_is_word(const char *s, size_t room)
{
	size_t n = 0;

	while (n < room && is_word_char(s[n]))
		n++;
	return n < room && fer_all_zero(s + n, room - n);
}

bool fer_msg_is_name(const char name[FER_MSG_NAME_BYTES])
{
	return name[0] != '\0' && fer_is_word(name, FER_MSG_NAME_BYTES);
}

bool fer_is_string(const void *s, size_t room)
{
	return memchr(s, '\0', room) != NULL;
}

// --- small requests -----------------------------------------------------------------------------

uint32_t fer_msg_get_page(
	const void *data, size_t len, struct fer_msg_page *page, struct fer_msg_fault *fault)
{
	struct fer_msg_page p = {.size = sizeof(p)};

	if (len != 0) {
		uint32_t status = fer_get_front(data, len, &p, sizeof(p), fault);

		if (status != NDIS_STATUS_SUCCESS)
			return status;
		if (p.reserved != 0)
			return fer_fault_data(fault, "has reserved bytes that are not 0");
	}
	*page = p;
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_subscribe(
	const void *data, size_t len, struct fer_msg_subscribe *s, struct fer_msg_fault *fault)
{
	struct fer_msg_subscribe got;
	uint32_t status = fer_get_front(data, len, &got, sizeof(got), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if ((got.events & ~FER_MSG_EVENTS_ALL) != 0)
		return fer_fault_data(fault, "asks for events that do not exist");
	*s = got;
	return NDIS_STATUS_SUCCESS;
}

// --- lists --------------------------------------------------------------------------------------

uint32_t fer_msg_get_list(const void *data, size_t len, size_t least, struct fer_msg_array *list,
	struct fer_msg_fault *fault)
{
	struct fer_msg_list front;
	uint32_t status = fer_get_front(data, len, &front, sizeof(front), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (front.element_bytes < least || front.element_bytes % 8 != 0)
		return fer_fault_data(fault, "has elements of a wrong size");
	if ((len - front.size) / front.element_bytes < front.n)
		return fer_fault_length(fault, front.size + (uint64_t)front.n * front.element_bytes,
			"shorter than its list");
	*list = (struct fer_msg_array){
		.elements = (const uint8_t *)data + front.size,
		.n = front.n,
		.element_bytes = front.element_bytes,
		.cursor = front.cursor,
	};
	return NDIS_STATUS_SUCCESS;
}

void fer_msg_list_at(const struct fer_msg_array *list, uint32_t i, void *element, size_t bytes)
{
	const size_t have = list->element_bytes < bytes ? list->element_bytes : bytes;

	memset(element, 0, bytes);
	memcpy(element, list->elements + (size_t)i * list->element_bytes, have);
}
