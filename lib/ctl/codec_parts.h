// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the files of the codec share.

#include "ctl/codec.h"

#include <string.h>

// Bytes of revision r at [r - 1].
extern const uint16_t fer_offload_sizes[4];
extern const uint16_t fer_offload_parameters_sizes[5];
extern const uint16_t fer_offload_encapsulation_sizes[1];

static inline uint32_t fer_fault(struct fer_msg_fault *f, uint32_t status, const char *why)
{
	*f = (struct fer_msg_fault){.why = why, .element = FER_MSG_NO_ELEMENT};
	return status;
}

static inline uint32_t fer_fault_data(struct fer_msg_fault *f, const char *why)
{
	return fer_fault(f, NDIS_STATUS_INVALID_DATA, why);
}

static inline uint32_t fer_fault_length(struct fer_msg_fault *f, uint64_t needed, const char *why)
{
	(void)fer_fault(f, NDIS_STATUS_INVALID_LENGTH, why);
	f->needed = needed < UINT32_MAX ? (uint32_t)needed : UINT32_MAX;
	return NDIS_STATUS_INVALID_LENGTH;
}

static inline bool fer_all_zero(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= p[i];
	return any == 0;
}

// Copies what is known of a structure that begins with its size and its flags.
FER_MSG_CHECKED uint32_t fer_get_front(
	const void *data, size_t len, void *front, size_t bytes, struct fer_msg_fault *fault);

// Characters of names, then zeros up to the end of the room, one at least.
bool fer_is_word(const char *s, size_t room);

// Does it end within the room?
bool fer_is_string(const void *s, size_t room);

// An ADD_SA_EX whose algorithms may have their names outside of it.
struct fer_named {
	bool esp_encryption, esp_integrity, ah_integrity;
};

uint32_t fer_get_add_sa_ex(const uint8_t *p, size_t len, const struct fer_named *named,
	struct fer_msg_add *add, struct fer_msg_fault *fault);

// Moves a walk behind an element that ends `end` bytes from the start of the message, as its Next
// says.
uint32_t fer_walk_on(
	struct fer_msg_walk *w, uint64_t next, size_t end, struct fer_msg_fault *fault);
