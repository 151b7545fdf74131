// SPDX-License-Identifier: BSD-3-Clause
// Answers and indications from bytes.
#include "ctl/codec_parts.h"

uint32_t fer_msg_get_hello(const void *data, size_t len, struct fer_msg_hello *hello,
	struct fer_msg_array *pairs, struct fer_msg_fault *fault)
{
	struct fer_msg_hello h;
	uint32_t status = fer_get_front(data, len, &h, sizeof(h), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (!fer_is_string(h.product, sizeof(h.product)))
		return fer_fault_data(fault, "has a product without an end");
	if (h.pair_bytes < sizeof(struct fer_msg_pair))
		return fer_fault_data(fault, "has pairs of a wrong size");
	if ((len - h.size) / h.pair_bytes < h.n_pairs)
		return fer_fault_length(fault, h.size + (uint64_t)h.n_pairs * h.pair_bytes,
			"shorter than its pairs");
	*hello = h;
	*pairs = (struct fer_msg_array){
		.elements = (const uint8_t *)data + h.size,
		.n = h.n_pairs,
		.element_bytes = h.pair_bytes,
	};
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_refusal(
	const void *data, size_t len, struct fer_msg_refusal *r, struct fer_msg_fault *fault)
{
	struct fer_msg_refusal got;
	uint32_t status = fer_get_front(data, len, &got, sizeof(got), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (!fer_is_string(got.text, sizeof(got.text)))
		return fer_fault_data(fault, "has a text without an end");
	*r = got;
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_event(
	const void *data, size_t len, struct fer_msg_event *e, struct fer_msg_fault *fault)
{
	struct fer_msg_event got;
	uint32_t status = fer_get_front(data, len, &got, sizeof(got), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (!fer_is_string(got.name, sizeof(got.name)))
		return fer_fault_data(fault, "has a name without an end");
	*e = got;
	return NDIS_STATUS_SUCCESS;
}

uint64_t fer_msg_handle_at(const void *data, size_t len, uint32_t i)
{
	uint64_t handle = 0;

	if (i < len / sizeof(handle))
		memcpy(&handle, (const uint8_t *)data + i * sizeof(handle), sizeof(handle));
	return handle;
}

uint32_t fer_msg_get_table(
	const void *data, size_t len, struct fer_msg_numbers *table, struct fer_msg_fault *fault)
{
	struct fer_msg_table t;
	struct fer_msg_numbers n;
	uint32_t status = fer_get_front(data, len, &t, sizeof(t), fault);
	size_t left;

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	left = len - t.size;
	if (left / FER_MSG_COLUMN_BYTES < t.n_columns)
		return fer_fault_length(fault,
			t.size + (uint64_t)t.n_columns * FER_MSG_COLUMN_BYTES,
			"shorter than the names of its columns");
	left -= (size_t)t.n_columns * FER_MSG_COLUMN_BYTES;
	if (t.row_bytes < FER_MSG_NAME_BYTES + 8 * (uint64_t)t.n_columns || t.row_bytes % 8 != 0)
		return fer_fault_data(fault, "has rows of a wrong size");
	if (left / t.row_bytes < t.n_rows)
		return fer_fault_length(fault, len - left + (uint64_t)t.n_rows * t.row_bytes,
			"shorter than its rows");
	n = (struct fer_msg_numbers){
		.columns = (const uint8_t *)data + t.size,
		.rows = (const uint8_t *)data + (len - left),
		.n_columns = t.n_columns,
		.n_rows = t.n_rows,
		.row_bytes = t.row_bytes,
		.cursor = t.cursor,
	};
	for (uint32_t c = 0; c < n.n_columns; c++)
		if (!fer_is_string(fer_msg_table_column(&n, c), FER_MSG_COLUMN_BYTES))
			return fer_fault_data(fault, "has a column whose name has no end");
	for (uint32_t r = 0; r < n.n_rows; r++)
		if (!fer_is_string(fer_msg_table_label(&n, r), FER_MSG_NAME_BYTES))
			return fer_fault_data(fault, "has a row whose label has no end");
	*table = n;
	return NDIS_STATUS_SUCCESS;
}

const char *fer_msg_table_column(const struct fer_msg_numbers *t, uint32_t c)
{
	return (const char *)t->columns + (size_t)c * FER_MSG_COLUMN_BYTES;
}

const char *fer_msg_table_label(const struct fer_msg_numbers *t, uint32_t r)
{
	return (const char *)t->rows + (size_t)r * t->row_bytes;
}

uint64_t fer_msg_table_number(const struct fer_msg_numbers *t, uint32_t r, uint32_t c)
{
	uint64_t v;

	memcpy(&v, t->rows + (size_t)r * t->row_bytes + FER_MSG_NAME_BYTES + 8 * (size_t)c,
		sizeof(v));
	return v;
}
