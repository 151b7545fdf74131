// SPDX-License-Identifier: BSD-3-Clause
// Does what was put come out again, and does each kind of mistake get the status that it should?
#include "ctl/codec_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define DATA NDIS_STATUS_INVALID_DATA
#define LENGTH NDIS_STATUS_INVALID_LENGTH
#define OK NDIS_STATUS_SUCCESS
#define NONE FER_MSG_NO_ELEMENT

#define ADD(member) offsetof(struct ipsec_offload_v2_add_sa, member)
#define EX(member) offsetof(struct ipsec_offload_v2_add_sa_ex, member)
#define SEC(member) offsetof(struct ipsec_offload_v2_security_association, member)
#define ENC(member)                                                                                \
	(SEC(encryption_algorithm) + offsetof(struct ipsec_offload_v2_algorithm_info, member))
#define AUTH(member)                                                                               \
	(SEC(authentication_algorithm) + offsetof(struct ipsec_offload_v2_algorithm_info, member))
#define SA(member) (sizeof(struct fer_msg_sa_add) + offsetof(struct fer_msg_sa, member))
#define SWAP(member) offsetof(struct fer_msg_sa_swap, member)
#define LIST(member) offsetof(struct fer_msg_list, member)
#define REF(member) (sizeof(struct fer_msg_list) + offsetof(struct fer_msg_sa_ref, member))
#define POLICY(member) (sizeof(struct fer_msg_list) + offsetof(struct fer_msg_policy, member))
#define DEL_2 sizeof(struct ipsec_offload_v2_delete_sa)
// Where the elements of the sample lists begin.
#define ADD_2 0xC0
#define SA_2 (sizeof(struct fer_msg_sa_add) + 0x1F8)

struct wrong {
	const char *sample;
	size_t at;
	size_t width;
	uint64_t value;
	uint32_t status;
	uint32_t element;
};

static const struct wrong wrongs[] = {
	// Object headers: type, revision, size.
	{"add_sa", 0, 1, 0x81, DATA, 0},
	{"add_sa", 1, 1, 0, DATA, 0},
	{"add_sa", 1, 1, 200, OK, NONE},
	{"add_sa", 2, 2, 0xA8, LENGTH, 0},
	{"add_sa", 2, 2, 0xB0, OK, NONE},
	{"add_sa", 2, 2, 0xFFFF, LENGTH, 0},
	{"add_sa_ex", 0, 1, 0, DATA, NONE},
	{"add_sa_ex", 2, 2, 0xA9, LENGTH, NONE},
	{"add_sa_ex", 2, 2, 0xB0, OK, NONE},
	{"update_sa", 0, 1, 0xA7, DATA, NONE},
	{"update_sa", 2, 2, 0x1B, LENGTH, NONE},
	{"update_sa", 2, 2, 0x20, OK, NONE},
	{"delete_sa", 2, 2, 0x17, LENGTH, 0},
	{"delete_sa", DEL_2, 1, 0, DATA, 1},
	{"offload_parameters", 0, 1, 0xA7, DATA, NONE},
	{"offload_parameters", 1, 1, 6, OK, NONE},
	{"offload_parameters", 2, 2, 0x21, LENGTH, NONE},
	{"offload_parameters_1", 1, 1, 2, LENGTH, NONE},
	{"offload_encapsulation", 0, 1, 0x80, DATA, NONE},
	{"offload", 0, 1, 0x80, DATA, NONE},
	{"offload", 1, 1, 4, LENGTH, NONE},
	{"offload", 1, 1, 2, OK, NONE},
	// Next: a multiple of 8, forward, behind the element and its keys, within the message.
	{"add_sa", ADD(next), 8, ADD_2 + 1, DATA, 0},
	{"add_sa", ADD(next), 8, ADD_2 - 8, DATA, 0},
	{"add_sa", ADD(next), 8, 0x100000, DATA, 0},
	{"add_sa", ADD(next), 8, 0xFFFFFFFFFFFFFFF8, DATA, 0},
	{"add_sa", ADD(next), 8, 0, OK, NONE},
	{"add_sa", ADD_2 + ADD(next), 8, ADD_2, DATA, 1},
	{"add_sa", ADD_2 + ADD(next), 8, 8, DATA, 1},
	{"delete_sa", 8, 8, DEL_2 - 8, DATA, 0},
	{"delete_sa", DEL_2 + 8, 8, DEL_2, DATA, 1},
	{"sa_add", SA(next), 8, SA_2 - 8, DATA, 0},
	{"sa_add", SA(next), 8, SA_2 + 4, DATA, 0},
	{"sa_add", SA_2 + 8, 8, SA_2, DATA, 1},
	// Contents of ADD_SA and ADD_SA_EX.
	{"add_sa", ADD(flags), 4, 0x2, DATA, 0},
	{"add_sa", ADD(flags), 4, 0x11, OK, NONE},
	{"add_sa", ADD(num_ext_hdrs), 4, 0, DATA, 0},
	{"add_sa", ADD(num_ext_hdrs), 4, 2, DATA, 0},
	{"add_sa", ADD(num_ext_hdrs), 4, 3, DATA, 0},
	{"add_sa", ADD(offload_handle), 8, 77, OK, NONE},
	{"add_sa", ADD(udp_esp_encapsulation), 4, 3, DATA, 0},
	{"add_sa", ADD(udp_esp_encapsulation), 4, 0x10, DATA, 0},
	{"add_sa", ADD(udp_esp_encapsulation), 4, 2, OK, NONE},
	{"add_sa", ADD(key_length), 4, 19, DATA, 0},
	{"add_sa", ADD(key_length), 4, 0xFFFFFFFF, DATA, 0},
	{"add_sa", ADD(sec_assoc) + SEC(flags), 4, 2, DATA, 0},
	{"add_sa", ADD(sec_assoc) + SEC(operation), 4, 0, DATA, 0},
	{"add_sa", ADD(sec_assoc) + SEC(operation), 4, 3, DATA, 0},
	{"add_sa", ADD(sec_assoc) + SEC(operation), 4, 1, DATA, 0}, // AH with encryption
	{"add_sa", ADD(sec_assoc) + ENC(identifier), 4, 0x18, DATA, 0},
	{"add_sa", ADD(sec_assoc) + ENC(identifier), 4, 0, DATA, 0},
	{"add_sa", ADD(sec_assoc) + ENC(identifier), 4, 0x80000000, OK, NONE}, // not ours to know
	{"add_sa", ADD(sec_assoc) + ENC(key_length), 4, 21, DATA, 0},
	{"add_sa", ADD(sec_assoc) + ENC(key_offset_bytes), 4, 1, DATA, 0},
	{"add_sa", ADD(sec_assoc) + ENC(key_offset_bytes), 4, 0xFFFFFFFF, DATA, 0},
	{"add_sa", ADD(sec_assoc) + AUTH(identifier), 4, 0xFFFFFFFF, OK, NONE}, // AES-GCM
	{"add_sa", ADD(sec_assoc) + AUTH(key_length), 4, 0xFFFFFFFF, OK, NONE},
	{"add_sa", ADD_2 + ADD(sec_assoc) + AUTH(identifier), 4, 0xFFFFFFFF, DATA, 1},
	{"add_sa", ADD_2 + ADD(sec_assoc) + AUTH(key_length), 4, 0xFFFFFFFF, DATA, 1},
	{"add_sa_ex", EX(key_offset), 4, 0xA9, DATA, NONE},
	{"add_sa_ex", EX(key_offset), 4, 0xAA, OK, NONE},
	{"add_sa_ex", EX(key_offset), 4, 0xB1, DATA, NONE},
	{"add_sa_ex", EX(key_offset), 4, 0xFFFFFFFF, DATA, NONE},
	{"add_sa_ex", EX(key_length), 4, 0xFFFFFFFF, DATA, NONE},
	{"add_sa_ex", EX(source_switch_port_id), 4, 0xFFFFFFFF, OK, NONE},
	{"add_sa_ex", EX(vlan_id), 2, 0xFFFF, OK, NONE},
	{"add_sa_ex", EX(sec_assoc) + SEC(operation), 4, 1, DATA, NONE},
	{"add_sa_ex", EX(sec_assoc) + 0x30 + SEC(operation), 4, 2, DATA, NONE},
	{"add_sa_ex", EX(sec_assoc) + 0x30 + ENC(additional_info), 4, 1, DATA, NONE},
	{"add_sa_ex", EX(udp_esp_encapsulation), 4, 1, DATA, NONE},
	{"update_sa", 0x10, 4, 3, DATA, NONE},
	{"update_sa", 0x10, 4, 1, OK, NONE},
	// SAs of the appliance.
	{"sa_add", 0, 4, 0, LENGTH, NONE},
	{"sa_add", 0, 4, 12, DATA, NONE},
	{"sa_add", 4, 4, 1, DATA, NONE},
	{"sa_swap", SWAP(flags), 4, 1, DATA, NONE},
	{"sa_swap", SWAP(drain_ms), 4, 0xFFFFFFFF, OK, NONE},
	{"sa_swap", SWAP(reserved), 4, 1, DATA, NONE},
	{"sa_add", SA(size), 4, 0x128, LENGTH, 0},
	{"sa_add", SA(size), 4, 0x138, DATA, 0}, // its ADD_SA_EX begins inside
	{"sa_add", SA(size), 4, 0x10000, LENGTH, 0},
	{"sa_add", SA(flags), 4, 1, DATA, 0},
	{"sa_add", SA(add_offset), 4, 0x128, DATA, 0},
	{"sa_add", SA(add_offset), 4, 0x134, DATA, 0},
	{"sa_add", SA(add_offset), 4, 0xFFFFFFF8, DATA, 0},
	{"sa_add", SA(add_length), 4, 0, LENGTH, 0},
	{"sa_add", SA(add_length), 4, 0xFFFFFFFF, DATA, 0},
	{"sa_add", SA(add_length), 4, 0xC3, DATA, 0}, // a byte of the key is missing
	{"sa_add", SA(name), 1, 0, DATA, 0},
	{"sa_add", SA(name), 1, ' ', DATA, 0},
	{"sa_add", SA(name) + 63, 1, 'x', DATA, 0},
	{"sa_add", SA(group), 4, 0, OK, NONE},
	{"sa_add", SA(group), 1, '/', DATA, 0},
	{"sa_add", SA(group) + 10, 1, 'x', DATA, 0},
	{"sa_add", SA(esp_encryption), 1, 'x', DATA, 0}, // and an Identifier
	{"sa_add", SA(esp_integrity), 1, 'x', OK, NONE}, // AES-GCM: not looked at
	{"sa_add", SA(ah_integrity), 1, 'x', DATA, 0},   // without AH
	{"sa_add", SA(esp_integrity) + 23, 1, 'x', DATA, 0},
	{"sa_add", SA(mode), 1, 2, DATA, 0},
	{"sa_add", SA(mode), 1, 0, DATA, 0}, // transport with outer rules
	{"sa_add", SA(replay_window), 4, 1, DATA, 0},
	{"sa_add", SA(udp_sport), 2, 4500, DATA, 0},
	{"sa_add", SA(udp_dport), 2, 4500, DATA, 0},
	{"sa_add", SA(reserved), 1, 1, DATA, 0},
	{"sa_add", SA(pad_to), 2, FER_MSG_PAD_TO_MTU, OK, NONE},
	{"sa_add", SA_2 + offsetof(struct fer_msg_sa, pad_to), 2, 256, DATA, 1},
	{"sa_add", SA(dummy_rate), 4, 100000, OK, NONE},
	{"sa_add", SA_2 + offsetof(struct fer_msg_sa, dummy_rate), 4, 1, DATA, 1},
	{"sa_add", SA(outer.flow_label), 4, 0xFFFFF, OK, NONE},
	{"sa_add", SA(outer.flow_label), 4, 0x100000, DATA, 0},
	{"sa_add", SA(outer.dscp), 1, 63, OK, NONE},
	{"sa_add", SA(outer.dscp), 1, 64, DATA, 0},
	{"sa_add", SA(outer.df), 1, 3, DATA, 0},
	{"sa_add", SA(outer.ecn), 1, 1, DATA, 0},
	{"sa_add", SA(outer.ttl), 1, 0, DATA, 0},
	{"sa_add", SA_2 + offsetof(struct fer_msg_sa, outer.ttl), 1, 64, DATA, 1},
	{"sa_add", SA_2 + offsetof(struct fer_msg_sa, esp_integrity), 8, 0, DATA, 1},
	{"sa_add", SA_2 + offsetof(struct fer_msg_sa, lifetime), 8, ~0ull, OK, NONE},
	// Small requests.
	{"page", 0, 4, 16, LENGTH, NONE},
	{"page", 0, 4, 32, LENGTH, NONE},
	{"page", 4, 4, 1, DATA, NONE},
	{"page", 20, 4, 1, DATA, NONE},
	{"subscribe", 4, 4, 1, DATA, NONE},
	{"subscribe", 8, 8, 0x400, OK, NONE},
	{"subscribe", 8, 8, 0x800, DATA, NONE},
	{"subscribe", 8, 8, 0, OK, NONE},
	// Lists.
	{"sa_refs", LIST(size), 4, 0x10, LENGTH, NONE},
	{"sa_refs", LIST(size), 4, 0x1000, LENGTH, NONE},
	{"sa_refs", LIST(flags), 4, 1, DATA, NONE},
	{"sa_refs", LIST(n), 4, 3, LENGTH, NONE},
	{"sa_refs", LIST(n), 4, 1, LENGTH, NONE},
	{"sa_refs", LIST(element_bytes), 4, 0, DATA, NONE},
	{"sa_refs", LIST(element_bytes), 4, 0x40, DATA, NONE},
	{"sa_refs", LIST(element_bytes), 4, 0x4C, DATA, NONE},
	{"sa_refs", LIST(element_bytes), 4, 0xFFFFFFF8, LENGTH, NONE},
	{"sa_refs", LIST(cursor), 8, 1, DATA, NONE},
	{"sa_refs", REF(handle), 8, 1, DATA, 0},
	{"sa_refs", REF(handle) + sizeof(struct fer_msg_sa_ref), 8, 0, DATA, 1},
	{"sa_refs", REF(name) + sizeof(struct fer_msg_sa_ref), 1, 'x', DATA, 1},
	{"policy_refs", sizeof(struct fer_msg_list), 1, 0, DATA, 0},
	{"policies", POLICY(flags), 4, 1, DATA, 0},
	{"policies", POLICY(name), 1, '\n', DATA, 0},
	{"policies", POLICY(src_version), 1, 5, DATA, 0},
	{"policies", POLICY(src_version), 1, 6, DATA, 0},
	{"policies", POLICY(src_version), 1, 0, DATA, 0}, // any, with an address
	{"policies", POLICY(src_len), 1, 33, DATA, 0},
	{"policies", POLICY(src_len), 1, 15, DATA, 0},
	{"policies", POLICY(dst_len), 1, 16, DATA, 0},
	{"policies", POLICY(dst_len), 1, 18, OK, NONE},
	{"policies", POLICY(src) + 15, 1, 1, DATA, 0},
	{"policies", POLICY(protocol), 2, 257, DATA, 0},
	{"policies", POLICY(protocol), 2, 1, DATA, 0}, // ports with ICMP
	{"policies", POLICY(protocol), 2, 17, OK, NONE},
	{"policies", POLICY(icmp_type), 2, 8, DATA, 0}, // with TCP
	{"policies", POLICY(icmp_type) + sizeof(struct fer_msg_policy), 2, 257, DATA, 1},
	{"policies", POLICY(dport_last), 2, 79, DATA, 0},
	{"policies", POLICY(direction), 1, 2, DATA, 0},
	{"policies", POLICY(action), 1, 3, DATA, 0},
	{"policies", POLICY(action), 1, FER_MSG_DISCARD, DATA, 0}, // with a group
	{"policies", POLICY(n_groups), 1, 0, DATA, 0},
	{"policies", POLICY(n_groups), 1, 2, DATA, 0},
	{"policies", POLICY(n_groups), 1, 3, DATA, 0},
	{"policies", POLICY(reserved), 1, 1, DATA, 0},
	{"policies", POLICY(group[1]), 1, 'x', DATA, 0},
	// Answers.
	{"hello", offsetof(struct fer_msg_hello, n_pairs), 4, 2, LENGTH, NONE},
	{"hello", offsetof(struct fer_msg_hello, pair_bytes), 4, 0, DATA, NONE},
	{"table", offsetof(struct fer_msg_table, n_rows), 4, 3, LENGTH, NONE},
	{"table", offsetof(struct fer_msg_table, n_columns), 4, 0xFFFFFFFF, LENGTH, NONE},
	{"table", offsetof(struct fer_msg_table, n_columns), 4, 4, DATA, NONE},
	{"table", offsetof(struct fer_msg_table, row_bytes), 4, 0, DATA, NONE},
	{"table", offsetof(struct fer_msg_table, row_bytes), 4, 0x60, LENGTH, NONE},
	{"refusal", 0, 4, 0x100, OK, NONE},
};

static void each_mistake_gets_its_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const struct wrong *t = &wrongs[i];
		const struct sample *s = sample_find(t->sample);
		struct fer_msg_buf b = {0};
		struct guarded g;
		struct fer_msg_fault fault = {.element = NONE};
		uint32_t status;

		s->build(&b);
		g = guarded_make(b.bytes, b.len);
		assert_true(t->at + t->width <= b.len);
		memcpy(g.bytes + t->at, &t->value, t->width);
		status = s->decode(g.bytes, b.len, &fault);
		if (status != t->status || (status != OK && fault.element != t->element))
			print_error("row %zu: %s at %#zx = %#llx: %#x (%s), element %u\n", i,
				t->sample, t->at, (unsigned long long)t->value, status,
				status != OK ? fault.why : "", fault.element);
		assert_int_equal(status, t->status);
		if (status != OK)
			assert_int_equal(fault.element, t->element);
		guarded_free(&g);
		fer_msg_buf_fini(&b);
	}
}

static void assert_same_add(const struct fer_msg_add *a, const struct fer_msg_add *b)
{
	assert_int_equal(a->inbound, b->inbound);
	assert_int_equal(a->version, b->version);
	assert_memory_equal(a->src, b->src, 16);
	assert_memory_equal(a->dst, b->dst, 16);
	assert_int_equal(a->n_transforms, b->n_transforms);
	for (uint32_t i = 0; i < a->n_transforms; i++) {
		const struct fer_msg_transform *t = &a->transform[i], *u = &b->transform[i];

		assert_int_equal(t->operation, u->operation);
		assert_int_equal(t->spi, u->spi);
		assert_int_equal(t->esn, u->esn);
		assert_int_equal(t->sequence_high, u->sequence_high);
		assert_int_equal(t->encryption.identifier, u->encryption.identifier);
		assert_int_equal(t->encryption.info, u->encryption.info);
		assert_int_equal(t->encryption.key_bytes, u->encryption.key_bytes);
		if (t->encryption.key_bytes > 0)
			assert_memory_equal(
				t->encryption.key, u->encryption.key, t->encryption.key_bytes);
		assert_int_equal(t->authentication.identifier, u->authentication.identifier);
		assert_int_equal(t->authentication.key_bytes, u->authentication.key_bytes);
		if (t->authentication.key_bytes > 0)
			assert_memory_equal(t->authentication.key, u->authentication.key,
				t->authentication.key_bytes);
	}
}

static void what_was_put_comes_out(void **state)
{
	struct fer_msg_buf b = {0};
	struct fer_msg_walk w;
	struct fer_msg_add got;
	struct fer_msg_fault fault;
	uint32_t n = 0;

	(void)state;
	sample_find("add_sa")->build(&b);
	for (fer_msg_walk_init(&w, b.bytes, b.len, 0); fer_msg_walk_more(&w); n++) {
		const struct fer_msg_add add = sample_add(n);

		assert_int_equal(fer_msg_next_add_sa(&w, &got, &fault), OK);
		assert_same_add(&got, &add);
	}
	assert_int_equal(n, 3);
	fer_msg_buf_fini(&b);
	for (n = 0; n < 3; n++) {
		const struct fer_msg_add add = sample_add(n);

		fer_msg_put_add_sa_ex(&b, &add);
		assert_int_equal(fer_msg_get_add_sa_ex(b.bytes, b.len, &got, &fault), OK);
		assert_same_add(&got, &add);
		fer_msg_buf_fini(&b);
	}
}

// Without a key there is a structure all the same, and another behind it.
static void an_sa_without_a_key_has_its_room(void **state)
{
	struct fer_msg_add add = sample_add(0), got;
	struct fer_msg_buf b = {0};
	struct fer_msg_fault fault;
	uint32_t n;

	(void)state;
	add.transform[0].encryption =
		(struct fer_msg_algorithm){.identifier = IPSEC_OFFLOAD_V2_ENCRYPTION_NONE};
	fer_msg_put_add_sa(&b, &add);
	fer_msg_put_add_sa(&b, &add);
	assert_int_equal(fer_msg_check_add_sa(b.bytes, b.len, &n, &fault), OK);
	assert_int_equal(n, 2);
	fer_msg_buf_fini(&b);
	fer_msg_put_add_sa_ex(&b, &add);
	assert_int_equal(fer_msg_get_add_sa_ex(b.bytes, b.len, &got, &fault), OK);
	assert_null(got.transform[0].encryption.key);
	fer_msg_buf_fini(&b);
}

static void keys_lie_where_their_offsets_say(void **state)
{
	struct fer_msg_add add = sample_add(2), got;
	struct fer_msg_buf b = {0};
	struct fer_msg_fault fault;
	struct ipsec_offload_v2_add_sa_ex ex;

	(void)state;
	fer_msg_put_add_sa_ex(&b, &add);
	memcpy(&ex, b.bytes, sizeof(ex));
	ex.sec_assoc[0].encryption_algorithm.key_offset_bytes = 3;
	ex.sec_assoc[0].authentication_algorithm.key_offset_bytes = 19;
	ex.key_offset += 4;
	ex.key_length -= 4;
	memcpy(b.bytes, &ex, sizeof(ex));
	assert_int_equal(fer_msg_get_add_sa_ex(b.bytes, b.len, &got, &fault), DATA);
	ex.sec_assoc[1].authentication_algorithm.key_offset_bytes -= 4;
	memcpy(b.bytes, &ex, sizeof(ex));
	assert_int_equal(fer_msg_get_add_sa_ex(b.bytes, b.len, &got, &fault), OK);
	assert_ptr_equal(got.transform[0].encryption.key, b.bytes + ex.key_offset + 3);
	assert_ptr_equal(got.transform[0].authentication.key, b.bytes + ex.key_offset + 19);
	fer_msg_buf_fini(&b);
}

static void an_sa_of_the_appliance_comes_out(void **state)
{
	struct fer_msg_buf b = {0};
	struct fer_msg_walk w;
	struct fer_msg_sa_item item;
	struct fer_msg_fault fault;
	uint32_t n, drain_ms;

	(void)state;
	sample_find("sa_swap")->build(&b);
	assert_int_equal(fer_msg_get_sa_swap(b.bytes, b.len, &drain_ms, &w, &n, &fault), OK);
	assert_int_equal(n, 2);
	assert_int_equal(drain_ms, 30000);
	assert_int_equal(fer_msg_next_sa(&w, &item, &fault), OK);
	assert_string_equal(item.sa.name, "east-out-1");
	assert_string_equal(item.sa.group, "east");
	assert_int_equal(item.sa.sequence, 5);
	assert_int_equal(item.add.transform[0].encryption.key_bytes, 20);
	assert_int_equal(fer_msg_next_sa(&w, &item, &fault), OK);
	assert_string_equal(item.sa.group, "west-in-1"); // the name, where none is given
	assert_string_equal(item.sa.esp_integrity, "hmac-sha2-512-256");
	assert_int_equal(item.add.transform[0].authentication.identifier, 0);
	assert_int_equal(item.add.transform[0].authentication.key_bytes, 64);
	assert_false(fer_msg_walk_more(&w));
	fer_msg_buf_fini(&b);
}

// The longest elements there are: both halves, names, and the longest keys three times.
static void a_hundred_thousand_sas_fit(void **state)
{
	const struct sample *s = sample_find("sa_add");
	struct fer_msg_add add = sample_add(2);
	struct fer_msg_sa sa = sample_sa("x");
	struct fer_msg_buf b = {0};
	struct fer_msg_fault fault;

	(void)state;
	sa.outer.ttl = 64;
	fer_msg_set_string(sa.esp_integrity, sizeof(sa.esp_integrity), "hmac-sha2-512-256");
	add.transform[0].authentication.identifier = 0;
	add.transform[0].authentication.key_bytes = 64;
	add.transform[0].encryption.key_bytes = 36;
	add.transform[1].authentication.key_bytes = 64;
	fer_msg_put_sa_add(&b);
	for (unsigned i = 0; i < 100000; i++)
		fer_msg_put_sa(&b, &sa, &add);
	assert_false(b.failed);
	assert_in_range(b.len, 1, FER_MSG_MAX_BYTES);
	assert_int_equal(s->decode(b.bytes, b.len, &fault), OK);
	fer_msg_buf_fini(&b);
}

static void older_revisions_leave_members_out(void **state)
{
	struct ndis_offload_parameters p = {.header = {.revision = 5},
					       .ipsec_v2 = 3,
					       .ipsec_v2_ipv4 = 3,
					       .udp_segmentation = {1, 1}},
				       got;
	struct fer_msg_buf b = {0};
	struct fer_msg_fault fault;

	(void)state;
	fer_msg_put_offload_parameters(&b, &p);
	assert_int_equal(b.len, NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_5);
	b.bytes[1] = 1; // says that it is older than it looks
	assert_int_equal(fer_msg_get_offload_parameters(b.bytes, b.len, &got, &fault), OK);
	assert_int_equal(got.ipsec_v2, 0);
	assert_int_equal(got.ipsec_v2_ipv4, 0);
	b.bytes[1] = 2;
	assert_int_equal(fer_msg_get_offload_parameters(b.bytes, b.len, &got, &fault), OK);
	assert_int_equal(got.ipsec_v2, 3);
	assert_int_equal(got.udp_segmentation[0], 0);
	b.bytes[1] = 9;
	assert_int_equal(fer_msg_get_offload_parameters(b.bytes, b.len, &got, &fault), OK);
	assert_int_equal(got.header.revision, 5); // the one that was honoured
	assert_int_equal(got.udp_segmentation[1], 1);
	fer_msg_buf_fini(&b);
}

static void capabilities_have_the_size_of_their_revision(void **state)
{
	static const size_t sizes[] = {0x70, 0x90, 0x9C, 0xB1};
	(void)state;
	for (uint8_t r = 1; r <= 4; r++) {
		struct ndis_offload o = {.header = {.revision = r}}, got;
		struct fer_msg_buf b = {0};
		struct fer_msg_fault fault;

		o.ipsec_v2.sa_offload_capacity = 99;
		fer_msg_put_offload(&b, &o);
		assert_int_equal(b.len, sizes[r - 1]);
		assert_int_equal(fer_msg_get_offload(b.bytes, b.len, &got, &fault), OK);
		assert_int_equal(got.header.size, sizes[r - 1]);
		assert_int_equal(got.header.type, NDIS_OBJECT_TYPE_OFFLOAD);
		assert_int_equal(got.ipsec_v2.sa_offload_capacity, r >= 2 ? 99 : 0);
		fer_msg_buf_fini(&b);
	}
}

// Elements of a newer sender are longer, those of an older one shorter than ours.
static void lists_of_other_versions_are_read(void **state)
{
	uint8_t element[sizeof(struct fer_msg_sa_ref) + 8];
	struct fer_msg_sa_ref ref = {.handle = 9};
	struct fer_msg_buf b = {0};
	struct fer_msg_array list;
	struct fer_msg_fault fault;

	(void)state;
	memset(element, 0xFF, sizeof(element));
	memcpy(element, &ref, sizeof(ref));
	fer_msg_put_list(&b, sizeof(element));
	for (int i = 0; i < 2; i++)
		fer_msg_put_element(&b, element, sizeof(element));
	assert_int_equal(fer_msg_get_sa_refs(b.bytes, b.len, &list, &fault), OK);
	memset(&ref, 0xEE, sizeof(ref));
	fer_msg_list_at(&list, 1, &ref, sizeof(ref));
	assert_int_equal(ref.handle, 9);
	assert_int_equal(ref.name[0], 0);
	memset(element, 0xEE, sizeof(element));
	list.element_bytes = 8;
	fer_msg_list_at(&list, 0, element, sizeof(element));
	assert_int_equal(element[8], 0);
	fer_msg_buf_fini(&b);
}

static void headers_are_checked(void **state)
{
	const struct fer_msg_header good = {
		.magic = FER_MSG_MAGIC, .version = FER_MSG_VERSION, .type = FER_MSG_TYPE_SET};
	struct fer_msg_header h = good, got;

	(void)state;
	assert_int_equal(fer_msg_get_header(&h, &got), OK);
	h.magic++;
	assert_int_equal(fer_msg_get_header(&h, &got), DATA);
	h = good;
	h.version = 2;
	assert_int_equal(fer_msg_get_header(&h, &got), NDIS_STATUS_UNSUPPORTED_REVISION);
	h = good;
	h.type = 0;
	assert_int_equal(fer_msg_get_header(&h, &got), DATA);
	h.type = FER_MSG_TYPE_INDICATION + 1;
	assert_int_equal(fer_msg_get_header(&h, &got), DATA);
	h = good;
	h.flags = 1;
	assert_int_equal(fer_msg_get_header(&h, &got), DATA);
	for (size_t i = 0; i < sizeof(h.reserved); i++) {
		h = good;
		h.reserved[i] = 1;
		assert_int_equal(fer_msg_get_header(&h, &got), DATA);
	}
}

static void tables_tell_their_numbers(void **state)
{
	struct fer_msg_buf b = {0};
	struct fer_msg_numbers t;
	struct fer_msg_fault fault;

	(void)state;
	sample_find("table")->build(&b);
	assert_int_equal(fer_msg_get_table(b.bytes, b.len, &t, &fault), OK);
	assert_int_equal(t.n_rows, 2);
	assert_int_equal(t.n_columns, 3);
	assert_int_equal(t.cursor, 77);
	assert_string_equal(fer_msg_table_column(&t, 1), "bad_icv");
	assert_string_equal(fer_msg_table_label(&t, 1), "west");
	assert_int_equal(fer_msg_table_number(&t, 1, 2), 6);
	// A label and a column without an end are refused.
	memset(b.bytes + sizeof(struct fer_msg_table), 'x', FER_MSG_COLUMN_BYTES);
	assert_int_equal(fer_msg_get_table(b.bytes, b.len, &t, &fault), DATA);
	fer_msg_buf_fini(&b);
}

static void names_are_names(void **state)
{
	char name[FER_MSG_NAME_BYTES] = {0};

	(void)state;
	assert_false(fer_msg_is_name(name));
	fer_msg_set_string(name, sizeof(name), "a.Z_9+:-");
	assert_true(fer_msg_is_name(name));
	name[20] = 'x';
	assert_false(fer_msg_is_name(name));
	memset(name, 'x', sizeof(name));
	assert_false(fer_msg_is_name(name));
	name[63] = '\0';
	assert_true(fer_msg_is_name(name));
	fer_msg_set_string(name, sizeof(name), "a b");
	assert_false(fer_msg_is_name(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_gets_its_status),
		cmocka_unit_test(what_was_put_comes_out),
		cmocka_unit_test(an_sa_without_a_key_has_its_room),
		cmocka_unit_test(keys_lie_where_their_offsets_say),
		cmocka_unit_test(an_sa_of_the_appliance_comes_out),
		cmocka_unit_test(a_hundred_thousand_sas_fit),
		cmocka_unit_test(older_revisions_leave_members_out),
		cmocka_unit_test(capabilities_have_the_size_of_their_revision),
		cmocka_unit_test(lists_of_other_versions_are_read),
		cmocka_unit_test(headers_are_checked),
		cmocka_unit_test(tables_tell_their_numbers),
		cmocka_unit_test(names_are_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
