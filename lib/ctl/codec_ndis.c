// SPDX-License-Identifier: BSD-3-Clause
// The contract's structures from bytes.  Its rules for headers: the type must be right, the
// revision says how much there has to be, and one that is not known counts as the highest known.
#include "ctl/codec_parts.h"

#define ADD_SA_FLAGS (IPSEC_OFFLOAD_V2_INBOUND | IPSEC_OFFLOAD_V2_IPV6)
#define UDP_ESP_SHAPES 0xFu
#define COMBINED_MODES                                                                             \
	(IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_128 | IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_192 |       \
		IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_256)

const uint16_t fer_offload_sizes[4] = {
	NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_1,
	NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_2,
	NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3,
	NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_4,
};

const uint16_t fer_offload_parameters_sizes[5] = {
	NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1,
	NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_2,
	NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_3,
	NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_4,
	NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_5,
};

const uint16_t fer_offload_encapsulation_sizes[1] = {NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1};

static bool is_one_bit(uint32_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

// Copies what the revision has of a structure of `room` bytes, the rest being 0, and leaves the
// revision that is honoured in its header.  sizes[r - 1] are the bytes of revision r.
static uint32_t get_object(const uint8_t *p, size_t len, uint8_t type, const uint16_t sizes[],
	uint8_t n_revisions, void *object, size_t room, struct fer_msg_fault *fault)
{
	struct ndis_object_header h;
	uint16_t need;

	if (len < sizeof(h))
		return fer_fault_length(fault, sizes[0], "shorter than an object header");
	memcpy(&h, p, sizeof(h));
	if (h.type != type)
		return fer_fault_data(fault, "has an object header of another type");
	if (h.revision == 0)
		return fer_fault_data(fault, "has revision 0");
	if (h.revision > n_revisions)
		h.revision = n_revisions;
	need = sizes[h.revision - 1];
	if (h.size < need)
		return fer_fault_length(fault, need, "has a size below that of its revision");
	if (len < h.size)
		return fer_fault_length(fault, h.size, "shorter than its size says");
	memset(object, 0, room);
	memcpy(object, p, need);
	h.size = need;
	memcpy(object, &h, sizeof(h));
	return NDIS_STATUS_SUCCESS;
}

void fer_msg_walk_init(struct fer_msg_walk *w, const void *data, size_t len, size_t first)
{
	// Nobody may calculate with NULL, not even when there is nothing to read.
	*w = (struct fer_msg_walk){.bytes = data != NULL ? data : (const void *)"",
		.len = len,
		.at = first,
		.more = true};
}

uint32_t fer_walk_on(struct fer_msg_walk *w, uint64_t next, size_t end, struct fer_msg_fault *fault)
{
	if (next % 8 != 0)
		return fer_fault_data(fault, "Next is not a multiple of 8");
	if (next != 0 && next < end)
		return fer_fault_data(fault, "Next does not point behind its element and its keys");
	if (next >= w->len)
		return fer_fault_data(fault, "Next points out of the message");
	w->at = (size_t)next;
	w->more = next != 0;
	w->n++;
	return NDIS_STATUS_SUCCESS;
}

static const char *get_algorithm(const struct ipsec_offload_v2_algorithm_info *info, bool named,
	const uint8_t *keys, uint32_t keys_len, struct fer_msg_algorithm *a)
{
	if (named && info->identifier != 0)
		return "has an algorithm with both an Identifier and a name";
	if (info->identifier != 0 && !is_one_bit(info->identifier))
		return "has an Identifier of more than one bit";
	if (!named && info->identifier == 0 && info->key_length != 0)
		return "has a key without an algorithm";
	if (info->key_offset_bytes > keys_len ||
		info->key_length > keys_len - info->key_offset_bytes)
		return "has a key outside of its key buffer";
	*a = (struct fer_msg_algorithm){
		.identifier = info->identifier,
		.info = info->additional_info,
		.key_bytes = info->key_length,
		.key = info->key_length != 0 ? keys + info->key_offset_bytes : NULL,
	};
	return NULL;
}

static const char *get_transform(const struct ipsec_offload_v2_security_association *sa,
	const struct fer_named *named, const uint8_t *keys, uint32_t keys_len,
	struct fer_msg_transform *t)
{
	const bool ah = sa->operation == IPSEC_OFFLOAD_V2_OPERATION_AH;
	const char *why;

	*t = (struct fer_msg_transform){
		.operation = sa->operation,
		.spi = __builtin_bswap32(sa->spi),
		.sequence_high = sa->sequence_number_high_order,
		.esn = (sa->flags & IPSEC_OFFLOAD_V2_ESN_SA) != 0,
	};
	if ((sa->flags & ~IPSEC_OFFLOAD_V2_ESN_SA) != 0)
		return "has unknown flags in SecAssoc";
	if (!ah && sa->operation != IPSEC_OFFLOAD_V2_OPERATION_ESP)
		return "has an unknown Operation";
	if (ah && !fer_all_zero(&sa->encryption_algorithm, sizeof(sa->encryption_algorithm)))
		return "has encryption in AH";
	why = get_algorithm(&sa->encryption_algorithm, !ah && named->esp_encryption, keys, keys_len,
		&t->encryption);
	// The contract: not used then, and not looked at.
	if (why != NULL || (t->encryption.identifier & COMBINED_MODES) != 0)
		return why;
	return get_algorithm(&sa->authentication_algorithm,
		ah ? named->ah_integrity : named->esp_integrity, keys, keys_len,
		&t->authentication);
}

static void get_endpoints(const union ipsec_offload_v2_endpoints *e, struct fer_msg_add *add)
{
	if (add->version == 6) {
		memcpy(add->src, e->ipv6.src_addr, 16);
		memcpy(add->dst, e->ipv6.dest_addr, 16);
	} else {
		memcpy(add->src, e->ipv4.src_addr, 4);
		memcpy(add->dst, e->ipv4.dest_addr, 4);
	}
}

// What ADD_SA and ADD_SA_EX have in common; ex brings it in the form of the latter.
static uint32_t get_add(const struct ipsec_offload_v2_add_sa_ex *ex, const uint8_t *keys,
	const struct fer_named *named, struct fer_msg_add *add, struct fer_msg_fault *fault)
{
	struct fer_msg_add a = {
		.inbound = (ex->flags & IPSEC_OFFLOAD_V2_INBOUND) != 0,
		.version = (ex->flags & IPSEC_OFFLOAD_V2_IPV6) != 0 ? 6 : 4,
		.udp_esp = ex->udp_esp_encapsulation,
		.n_transforms = ex->num_ext_hdrs,
	};

	if ((ex->flags & ~ADD_SA_FLAGS) != 0)
		return fer_fault_data(fault, "has unknown Flags");
	if (a.n_transforms < 1 || a.n_transforms > IPSEC_OFFLOAD_V2_MAX_EXTENSION_HEADERS)
		return fer_fault_data(fault, "has a NumExtHdrs that is neither 1 nor 2");
	for (uint32_t i = 0; i < a.n_transforms; i++) {
		const char *why = get_transform(
			&ex->sec_assoc[i], named, keys, ex->key_length, &a.transform[i]);

		if (why != NULL)
			return fer_fault_data(fault, why);
	}
	if (a.n_transforms == 2 &&
		(a.transform[0].operation != IPSEC_OFFLOAD_V2_OPERATION_ESP ||
			a.transform[1].operation != IPSEC_OFFLOAD_V2_OPERATION_AH))
		return fer_fault_data(fault, "has two SecAssoc that are not ESP, then AH");
	if (a.udp_esp != 0 && (!is_one_bit(a.udp_esp) || (a.udp_esp & ~UDP_ESP_SHAPES) != 0))
		return fer_fault_data(fault, "has an unknown UdpEspEncapsulation");
	if (a.udp_esp != 0 &&
		(a.n_transforms == 2 || a.transform[0].operation == IPSEC_OFFLOAD_V2_OPERATION_AH))
		return fer_fault_data(fault, "has AH in UDP");
	get_endpoints(&ex->endpoints, &a);
	*add = a;
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_get_add_sa_ex(const uint8_t *p, size_t len, const struct fer_named *named,
	struct fer_msg_add *add, struct fer_msg_fault *fault)
{
	static const uint16_t sizes[] = {NDIS_SIZEOF_IPSEC_OFFLOAD_V2_ADD_SA_EX_REVISION_1};
	struct ipsec_offload_v2_add_sa_ex ex;
	uint32_t status =
		get_object(p, len, NDIS_OBJECT_TYPE_DEFAULT, sizes, 1, &ex, sizeof(ex), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (ex.key_length != 0 && ex.key_offset < sizes[0])
		return fer_fault_data(fault, "has a KeyOffset inside of the structure");
	if (ex.key_length != 0 && (ex.key_offset > len || ex.key_length > len - ex.key_offset))
		return fer_fault_data(fault, "has a key buffer outside of the message");
	return get_add(&ex, ex.key_length != 0 ? p + ex.key_offset : p, named, add, fault);
}

uint32_t fer_msg_get_add_sa_ex(
	const void *data, size_t len, struct fer_msg_add *add, struct fer_msg_fault *fault)
{
	static const struct fer_named none;

	return fer_get_add_sa_ex(data, len, &none, add, fault);
}

uint32_t fer_msg_next_add_sa(
	struct fer_msg_walk *w, struct fer_msg_add *add, struct fer_msg_fault *fault)
{
	static const uint16_t sizes[] = {NDIS_SIZEOF_IPSEC_OFFLOAD_V2_ADD_SA_REVISION_1};
	static const struct fer_named none;
	const size_t keys_at = offsetof(struct ipsec_offload_v2_add_sa, key_data);
	const uint8_t *p = w->bytes + w->at;
	const size_t left = w->len - w->at;
	struct ipsec_offload_v2_add_sa sa;
	struct ipsec_offload_v2_add_sa_ex ex;
	struct fer_msg_walk on = *w;
	uint32_t status =
		get_object(p, left, NDIS_OBJECT_TYPE_DEFAULT, sizes, 1, &sa, sizeof(sa), fault);

	if (status != NDIS_STATUS_SUCCESS)
		goto out;
	if (sa.key_length > left - keys_at) {
		status = fer_fault_data(fault, "has a key buffer outside of the message");
		goto out;
	}
	ex = (struct ipsec_offload_v2_add_sa_ex){
		.num_ext_hdrs = sa.num_ext_hdrs,
		.flags = sa.flags,
		.endpoints = sa.endpoints,
		.udp_esp_encapsulation = sa.udp_esp_encapsulation,
		.sec_assoc = {sa.sec_assoc[0], sa.sec_assoc[1]},
		.key_length = sa.key_length,
	};
	// The declared byte of the key buffer belongs to the structure even where there is no key.
	status = fer_walk_on(
		&on, sa.next, w->at + keys_at + (sa.key_length > 0 ? sa.key_length : 1), fault);
	if (status == NDIS_STATUS_SUCCESS)
		status = get_add(&ex, p + keys_at, &none, add, fault);
	if (status == NDIS_STATUS_SUCCESS)
		*w = on;
out:
	if (status != NDIS_STATUS_SUCCESS)
		fault->element = w->n;
	return status;
}

uint32_t fer_msg_next_delete_sa(
	struct fer_msg_walk *w, uint64_t *handle, struct fer_msg_fault *fault)
{
	static const uint16_t sizes[] = {NDIS_SIZEOF_IPSEC_OFFLOAD_V2_DELETE_SA_REVISION_1};
	struct ipsec_offload_v2_delete_sa d;
	uint32_t status = get_object(w->bytes + w->at, w->len - w->at, NDIS_OBJECT_TYPE_DEFAULT,
		sizes, 1, &d, sizeof(d), fault);

	if (status == NDIS_STATUS_SUCCESS)
		status = fer_walk_on(w, d.next, w->at + sizeof(d), fault);
	if (status == NDIS_STATUS_SUCCESS)
		*handle = d.offload_handle;
	else
		fault->element = w->n;
	return status;
}

uint32_t fer_msg_check_add_sa(
	const void *data, size_t len, uint32_t *n, struct fer_msg_fault *fault)
{
	struct fer_msg_walk w;
	struct fer_msg_add add;

	for (fer_msg_walk_init(&w, data, len, 0); fer_msg_walk_more(&w);) {
		uint32_t status = fer_msg_next_add_sa(&w, &add, fault);

		if (status != NDIS_STATUS_SUCCESS)
			return status;
	}
	*n = w.n;
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_check_delete_sa(
	const void *data, size_t len, uint32_t *n, struct fer_msg_fault *fault)
{
	struct fer_msg_walk w;
	uint64_t handle;

	for (fer_msg_walk_init(&w, data, len, 0); fer_msg_walk_more(&w);) {
		uint32_t status = fer_msg_next_delete_sa(&w, &handle, fault);

		if (status != NDIS_STATUS_SUCCESS)
			return status;
	}
	*n = w.n;
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_update_sa(
	const void *data, size_t len, struct fer_msg_update *update, struct fer_msg_fault *fault)
{
	static const uint16_t sizes[] = {NDIS_SIZEOF_IPSEC_OFFLOAD_V2_UPDATE_SA_REVISION_1};
	struct ipsec_offload_v2_update_sa u;
	uint32_t status =
		get_object(data, len, NDIS_OBJECT_TYPE_DEFAULT, sizes, 1, &u, sizeof(u), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (u.operation != IPSEC_OFFLOAD_V2_OPERATION_AH &&
		u.operation != IPSEC_OFFLOAD_V2_OPERATION_ESP)
		return fer_fault_data(fault, "has an unknown Operation");
	*update = (struct fer_msg_update){
		.handle = u.offload_handle,
		.operation = u.operation,
		.spi = __builtin_bswap32(u.spi),
		.sequence_high = u.sequence_number_high_order,
	};
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_offload_parameters(const void *data, size_t len,
	struct ndis_offload_parameters *p, struct fer_msg_fault *fault)
{
	return get_object(data, len, NDIS_OBJECT_TYPE_DEFAULT, fer_offload_parameters_sizes, 5, p,
		sizeof(*p), fault);
}

uint32_t fer_msg_get_offload_encapsulation(const void *data, size_t len,
	struct ndis_offload_encapsulation *e, struct fer_msg_fault *fault)
{
	return get_object(data, len, NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION,
		fer_offload_encapsulation_sizes, 1, e, sizeof(*e), fault);
}

uint32_t fer_msg_get_offload(
	const void *data, size_t len, struct ndis_offload *o, struct fer_msg_fault *fault)
{
	return get_object(
		data, len, NDIS_OBJECT_TYPE_OFFLOAD, fer_offload_sizes, 4, o, sizeof(*o), fault);
}
