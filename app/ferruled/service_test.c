// SPDX-License-Identifier: BSD-3-Clause
// Does each request do what it says, all of it or nothing, and do refusals leave no trace?
//
// A client speaks to a server whose service has two pairs; their workers are made but do not run,
// so that grace periods are over at once.
#include "served.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define CAPACITY 6 // of which the document takes two

static struct served served;
static struct fer_client *client;

static int set_up(void **state)
{
	(void)state;
	client = served_begin(&served, ", capacity: 6");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	served_end(&served, client);
	return 0;
}

// --- requests -----------------------------------------------------------------------------------

static uint32_t ask(
	enum fer_msg_type type, uint32_t oid, struct fer_msg_buf *b, struct fer_client_reply *reply)
{
	const struct fer_client_request q = {.oid = oid, .type = type};

	return served_ask(client, &q, b, reply);
}

static uint32_t set(uint32_t oid, struct fer_msg_buf *b)
{
	return served_set(client, oid, 0, b);
}

static uint32_t add_samples(
	uint32_t oid, const struct sa_sample samples[], unsigned n, uint64_t handles[])
{
	return served_add(client, oid, 0, samples, n, handles);
}

static uint32_t list(struct fer_msg_sa_info infos[], unsigned most)
{
	struct fer_client_reply reply;
	struct fer_msg_array array;
	struct fer_msg_fault fault;
	uint32_t n;

	assert_int_equal(ask(FER_MSG_TYPE_QUERY, FER_MSG_SA_LIST, NULL, &reply), 0);
	assert_int_equal(
		fer_msg_get_list(reply.data, reply.len, sizeof(infos[0]), &array, &fault), 0);
	assert_true(array.n <= most && array.cursor == 0);
	for (uint32_t i = 0; i < array.n; i++)
		fer_msg_list_at(&array, i, &infos[i], sizeof(infos[0]));
	n = array.n;
	fer_client_reply_fini(&reply);
	return n;
}

static bool find(const char *name, struct fer_msg_sa_info *info)
{
	static struct fer_msg_sa_info all[CAPACITY];
	uint32_t n = list(all, CAPACITY);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0) {
			*info = all[i];
			return true;
		}
	return false;
}

static uint32_t by_ref(uint32_t oid, uint64_t handle, const char *name)
{
	return served_by_ref(client, oid, 0, handle, name);
}

static uint32_t delete_handles(const uint64_t handles[], unsigned n)
{
	return served_delete(client, 0, handles, n);
}

static uint32_t update(uint64_t handle, uint32_t operation, uint32_t spi, uint32_t high)
{
	const struct fer_msg_update u = {handle, operation, spi, high};
	struct fer_msg_buf b = {0};

	fer_msg_put_update_sa(&b, &u);
	return set(OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA, &b);
}

// --- SAs of the appliance -----------------------------------------------------------------------

static void what_is_added_is_listed(void **state)
{
	static struct sa_sample s[2];
	uint64_t handles[2];
	struct fer_msg_sa_info info;

	(void)state;
	sa_sample_make(&s[0], "a-out", "a", false, 0x2001);
	sa_sample_make(&s[1], "a-in", "a", true, 0x2002);
	s[0].sa.pad_to = 256;
	s[0].sa.dummy_rate = 7;
	s[1].sa.sequence = 500;
	s[1].sa.lifetime = (struct fer_msg_lifetime){1, 2, 3, 4, 1000, 2000};
	assert_int_equal(add_samples(FER_MSG_SA_ADD, s, 2, handles), NDIS_STATUS_SUCCESS);
	assert_true(handles[0] != 0 && handles[1] != 0);
	assert_true(find("a-out", &info));
	assert_int_equal(info.handle, handles[0]);
	assert_int_equal(info.flags, FER_MSG_SA_ACTIVE);
	assert_string_equal(info.group, "a");
	assert_string_equal(info.esp_encryption, "aes-gcm-128");
	assert_string_equal(info.esp_integrity, "");
	assert_int_equal(info.esp_spi, __builtin_bswap32(0x2001));
	assert_int_equal(info.direction, FER_MSG_OUT);
	assert_int_equal(info.mode, FER_MSG_TUNNEL);
	assert_int_equal(info.icv_bytes, 16);
	assert_int_equal(info.outer.ttl, 64);
	assert_int_equal(info.pad_to, 256);
	assert_int_equal(info.dummy_rate, 7);
	assert_int_equal(info.dummies, 0);
	assert_true(info.added_ns != 0);
	assert_true(find("a-in", &info));
	assert_int_equal(info.sequence, 500);
	assert_memory_equal(&info.lifetime, &s[1].sa.lifetime, sizeof(info.lifetime));
	assert_int_equal(info.replay_window, 256);
	assert_int_equal(info.flags, 0);
	assert_int_equal(by_ref(FER_MSG_SA_DELETE, 0, "a-out"), NDIS_STATUS_SUCCESS);
	assert_int_equal(by_ref(FER_MSG_SA_DELETE, handles[1], ""), NDIS_STATUS_SUCCESS);
	assert_false(find("a-out", &info) || find("a-in", &info));
	assert_int_equal(by_ref(FER_MSG_SA_DELETE, handles[1], ""), NDIS_STATUS_INVALID_PARAMETER);
}

static void spoil_name(struct sa_sample *s)
{
	fer_msg_set_string(s->sa.name, sizeof(s->sa.name), "east-out");
}

static void spoil_key(struct sa_sample *s)
{
	s->add.transform[0].encryption.key_bytes = 16;
}

static void spoil_algorithm(struct sa_sample *s)
{
	s->add.transform[0].encryption.identifier = IPSEC_OFFLOAD_V2_ENCRYPTION_DES_CBC;
}

static void spoil_bit(struct sa_sample *s)
{
	s->add.transform[0].encryption.identifier = 0x80000000u;
}

static void spoil_icv(struct sa_sample *s)
{
	s->add.transform[0].encryption.info = 10;
}

static struct fer_msg_transform ah_of(const struct sa_sample *s, uint32_t spi)
{
	return (struct fer_msg_transform){.operation = IPSEC_OFFLOAD_V2_OPERATION_AH,
		.spi = spi,
		.esn = s->add.transform[0].esn,
		.authentication = {.identifier = IPSEC_OFFLOAD_V2_AUTHENTICATION_SHA_1,
			.key_bytes = 20,
			.key = s->key}};
}

static void make_bundle(struct sa_sample *s)
{
	s->add.transform[1] = ah_of(s, s->add.transform[0].spi + 0x10000);
	s->add.n_transforms = 2;
}

static void spoil_ah(struct sa_sample *s)
{
	s->add.transform[0] = ah_of(s, 0x3001);
	s->add.transform[0].authentication.key_bytes = 19;
}

static void spoil_bundle(struct sa_sample *s)
{
	make_bundle(s);
	s->add.transform[1].esn = !s->add.transform[0].esn;
}

static void spoil_udp(struct sa_sample *s)
{
	s->add.udp_esp = IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TUNNEL;
}

static void spoil_spi(struct sa_sample *s)
{
	s->add.transform[0].spi = 255;
}

static void spoil_integrity(struct sa_sample *s)
{
	s->add.transform[0].encryption.identifier = IPSEC_OFFLOAD_V2_ENCRYPTION_AES_CBC_128;
	s->add.transform[0].encryption.key_bytes = 16;
}

static void spoil_padding(struct sa_sample *s)
{
	s->sa.pad_to = 3;
}

static void spoil_dummies(struct sa_sample *s)
{
	s->sa.dummy_rate = 100001;
}

static void spoil_sequence(struct sa_sample *s)
{
	s->sa.sequence = UINT64_C(1) << 32;
}

static void spoil_version(struct sa_sample *s)
{
	s->add.dst[0] = s->add.dst[1] = s->add.dst[2] = s->add.dst[3] = 0;
}

// The same name, or the same key, as the first of the list has.
static void spoil_twin(struct sa_sample *s)
{
	fer_msg_set_string(s->sa.name, sizeof(s->sa.name), "b-1");
}

static void spoil_nonce(struct sa_sample *s)
{
	memcpy(s->key, (const uint32_t[]){0x3001}, 4);
}

static void a_refusal_changes_nothing(void **state)
{
	static void (*const spoil[])(struct sa_sample * s) = {spoil_name, spoil_key,
		spoil_algorithm, spoil_bit, spoil_icv, spoil_ah, spoil_bundle, spoil_udp, spoil_spi,
		spoil_integrity, spoil_padding, spoil_dummies, spoil_sequence, spoil_version,
		spoil_twin, spoil_nonce};
	static struct fer_msg_sa_info before[CAPACITY], after[CAPACITY];
	static struct sa_sample s[2];
	uint64_t handles[2];
	uint32_t n = list(before, CAPACITY);

	(void)state;
	for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++)
		for (unsigned swap = 0; swap < 2; swap++) {
			sa_sample_make(&s[0], "b-1", "b", false, 0x3001);
			sa_sample_make(&s[1], "b-2", "b", false, 0x3002);
			spoil[i](&s[1]);
			uint32_t status =
				add_samples(swap ? FER_MSG_SA_SWAP : FER_MSG_SA_ADD, s, 2, handles);

			if (status != NDIS_STATUS_INVALID_DATA)
				fail_msg("case %zu: %#x", i, status);
			assert_int_equal(list(after, CAPACITY), n);
			assert_memory_equal(before, after, n * sizeof(before[0]));
		}
	// Keys of counter modes are free as well.
	sa_sample_make(&s[0], "b-1", "b", false, 0x3001);
	sa_sample_make(&s[1], "b-2", "b", false, 0x3002);
	assert_int_equal(add_samples(FER_MSG_SA_ADD, s, 2, handles), NDIS_STATUS_SUCCESS);
	assert_int_equal(delete_handles(handles, 2), NDIS_STATUS_SUCCESS);
}

// Two senders of one key repeat each other's nonces, whichever ports they send by.
static void a_key_has_one_sender_in_all_pairs(void **state)
{
	struct sa_sample one, other;
	uint64_t handle;

	(void)state;
	sa_sample_make(&one, "one", "g", false, 0x3001);
	sa_sample_make(&other, "other", "g", true, 0x3001);
	assert_int_equal(served_add(client, FER_MSG_SA_ADD, WEST, &one, 1, &handle), 0);
	assert_int_equal(
		served_add(client, FER_MSG_SA_ADD, EAST, &one, 1, NULL), NDIS_STATUS_INVALID_DATA);
	assert_int_equal(served_add(client, FER_MSG_SA_ADD, EAST, &other, 1, NULL), 0);
	assert_int_equal(served_delete(client, WEST, &handle, 1), 0);
	assert_int_equal(by_ref(FER_MSG_SA_DELETE, 0, "other"), 0);
	assert_int_equal(served_add(client, FER_MSG_SA_ADD, EAST, &one, 1, &handle), 0);
	assert_int_equal(served_delete(client, EAST, &handle, 1), 0);
}

static void ah_and_bundles_are_listed(void **state)
{
	static struct sa_sample s[2];
	uint64_t h[2];
	struct fer_msg_sa_info info;

	(void)state;
	sa_sample_make(&s[0], "ah-out", "", false, 0x3101);
	s[0].add.transform[0] = ah_of(&s[0], 0x3101);
	sa_sample_make(&s[1], "both-in", "", true, 0x3102);
	make_bundle(&s[1]);
	assert_int_equal(add_samples(FER_MSG_SA_ADD, s, 2, h), NDIS_STATUS_SUCCESS);
	assert_true(find("ah-out", &info));
	assert_int_equal(info.esp_spi, 0);
	assert_int_equal(info.ah_spi, __builtin_bswap32(0x3101));
	assert_string_equal(info.esp_encryption, "");
	assert_string_equal(info.ah_integrity, "hmac-sha1-96");
	assert_int_equal(info.icv_bytes, 12);
	assert_true(find("both-in", &info));
	assert_int_equal(info.esp_spi, __builtin_bswap32(0x3102));
	assert_int_equal(info.ah_spi, __builtin_bswap32(0x13102));
	assert_string_equal(info.esp_encryption, "aes-gcm-128");
	assert_string_equal(info.ah_integrity, "hmac-sha1-96");
	assert_true(info.handle == h[1]);
	assert_int_equal(delete_handles(h, 2), NDIS_STATUS_SUCCESS);
	assert_false(find("both-in", &info));
}

static void a_list_that_finds_no_room_is_refused_whole(void **state)
{
	static struct sa_sample s[CAPACITY - 1];
	uint64_t handles[CAPACITY];
	char name[16];

	(void)state;
	for (unsigned i = 0; i < CAPACITY - 1; i++) {
		snprintf(name, sizeof(name), "c-%u", i);
		sa_sample_make(&s[i], name, "c", true, 0x4001 + i);
	}
	assert_int_equal(
		add_samples(FER_MSG_SA_ADD, s, CAPACITY - 1, handles), NDIS_STATUS_RESOURCES);
	assert_int_equal(add_samples(FER_MSG_SA_ADD, s, CAPACITY - 2, handles), 0);
	assert_int_equal(delete_handles(handles, CAPACITY - 2), 0);
}

static void a_swap_replaces_its_group(void **state)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	static struct sa_sample s[2];
	uint64_t old[2], fresh[2];
	struct fer_msg_sa_info info;

	(void)state;
	sa_sample_make(&s[0], "d-out-1", "d", false, 0x5001);
	sa_sample_make(&s[1], "d-in-1", "d", true, 0x5002);
	assert_int_equal(add_samples(FER_MSG_SA_ADD, s, 2, old), 0);
	sa_sample_make(&s[0], "d-out-2", "d", false, 0x5003);
	sa_sample_make(&s[1], "d-in-2", "d", true, 0x5004);
	assert_int_equal(add_samples(FER_MSG_SA_SWAP, s, 2, fresh), 0);
	assert_true(find("d-out-2", &info));
	assert_int_equal(info.flags, FER_MSG_SA_ACTIVE);
	assert_int_equal(info.handle, fresh[0]);
	assert_false(find("d-out-1", &info));
	if (find("d-in-1", &info)) // unless the drain is over already
		assert_int_equal(info.flags, FER_MSG_SA_DRAINING);
	for (unsigned i = 0; find("d-in-1", &info) && i < SERVED_TIMEOUT_MS; i++)
		nanosleep(&ms, NULL);
	assert_false(find("d-in-1", &info));
	assert_true(find("d-in-2", &info));
	assert_int_equal(info.flags, 0);
	assert_true(find("east-out", &info)); // other groups
	assert_int_equal(info.flags, FER_MSG_SA_ACTIVE);
	assert_true(find("east-in", &info));
	assert_int_equal(delete_handles(fresh, 2), 0);
}

// A swap of one direction leaves the other alone.
static void a_swap_of_one_direction(void **state)
{
	static struct sa_sample s[2];
	uint64_t old[2], fresh;
	struct fer_msg_sa_info info;

	(void)state;
	sa_sample_make(&s[0], "e-out-1", "e", false, 0x6001);
	sa_sample_make(&s[1], "e-in-1", "e", true, 0x6002);
	assert_int_equal(add_samples(FER_MSG_SA_ADD, s, 2, old), 0);
	sa_sample_make(&s[0], "e-out-2", "e", false, 0x6003);
	assert_int_equal(add_samples(FER_MSG_SA_SWAP, s, 1, &fresh), 0);
	assert_false(find("e-out-1", &info));
	assert_true(find("e-in-1", &info));
	assert_int_equal(info.flags, 0);
	assert_int_equal(delete_handles((uint64_t[]){fresh, old[1]}, 2), 0);
}

static void activate_takes_outbound_sas_only(void **state)
{
	static struct sa_sample s[3];
	uint64_t handles[3];
	struct fer_msg_sa_info info;

	(void)state;
	sa_sample_make(&s[0], "f-1", "f", false, 0x7001);
	sa_sample_make(&s[1], "f-2", "f", false, 0x7002);
	sa_sample_make(&s[2], "f-in", "f", true, 0x7003);
	assert_int_equal(add_samples(FER_MSG_SA_ADD, s, 3, handles), 0);
	assert_int_equal(by_ref(FER_MSG_SA_ACTIVATE, 0, "f-2"), 0);
	assert_true(find("f-2", &info));
	assert_int_equal(info.flags, FER_MSG_SA_ACTIVE);
	assert_int_equal(by_ref(FER_MSG_SA_ACTIVATE, 0, "f-in"), NDIS_STATUS_INVALID_DATA);
	assert_int_equal(by_ref(FER_MSG_SA_ACTIVATE, 0, "f-3"), NDIS_STATUS_INVALID_PARAMETER);
	assert_true(find("f-1", &info));
	assert_int_equal(info.flags, 0);
	assert_int_equal(delete_handles(handles, 3), 0);
}

// --- SAs of the contract ------------------------------------------------------------------------

//
static void as_many_as_can_be_are_added(void **state)
{
	static struct sa_sample s[CAPACITY - 1];
	uint64_t handles[CAPACITY], again[CAPACITY];
	static struct fer_msg_sa_info all[CAPACITY];
	const uint32_t oid = OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA;

	(void)state;
	for (unsigned i = 0; i < CAPACITY - 1; i++)
		sa_sample_make(&s[i], "", "", true, 0x8001 + i);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(add_samples(oid, s, CAPACITY - 1, handles), 0);
		for (unsigned i = 0; i < CAPACITY - 2; i++)
			assert_true(handles[i] != 0);
		assert_int_equal(handles[CAPACITY - 2], 0);
		assert_int_equal(list(all, CAPACITY), CAPACITY);
		assert_int_equal(
			add_samples(oid, &s[CAPACITY - 2], 1, again), NDIS_STATUS_RESOURCES);
		assert_int_equal(delete_handles(handles, CAPACITY - 2), 0);
		assert_int_equal(list(all, CAPACITY), 2);
	}
	spoil_key(&s[0]);
	spoil_ah(&s[2]);
	assert_int_equal(add_samples(oid, s, 3, handles), 0);
	assert_true(handles[0] == 0 && handles[1] != 0 && handles[2] == 0);
	assert_int_equal(delete_handles(&handles[1], 1), 0);
	spoil_spi(&s[1]);
	assert_int_equal(add_samples(oid, s, 3, handles), NDIS_STATUS_INVALID_DATA);
	assert_int_equal(list(all, CAPACITY), 2);
}

static void update_agrees_or_moves_forward(void **state)
{
	const uint32_t esp = IPSEC_OFFLOAD_V2_OPERATION_ESP, ah = IPSEC_OFFLOAD_V2_OPERATION_AH;
	static struct sa_sample s[3];
	uint64_t h[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		sa_sample_make(&s[i], "", "", true, 0x9001 + i);
		s[i].add.transform[0].esn = i != 1;
		s[i].add.transform[0].sequence_high = i == 2 ? 3 : 7;
		if (i == 2)
			make_bundle(&s[i]);
		assert_int_equal(
			add_samples(OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX, &s[i], 1, &h[i]), 0);
	}
	assert_int_equal(update(h[0], esp, 0x9001, 7), NDIS_STATUS_SUCCESS);
	assert_int_equal(update(h[0], esp, 0x9001, 9), NDIS_STATUS_SUCCESS);
	assert_int_equal(update(h[0], esp, 0x9001, 9), NDIS_STATUS_SUCCESS);
	assert_int_equal(update(h[0], esp, 0x9001, 7), NDIS_STATUS_INVALID_PARAMETER);
	assert_int_equal(update(h[0], ah, 0x9001, 10), NDIS_STATUS_INVALID_PARAMETER);
	assert_int_equal(update(h[0], esp, 0x9002, 10), NDIS_STATUS_INVALID_PARAMETER);
	assert_int_equal(update(h[1], esp, 0x9002, 8), NDIS_STATUS_INVALID_PARAMETER);
	assert_int_equal(update(0, esp, 0x9001, 10), NDIS_STATUS_INVALID_PARAMETER);
	assert_int_equal(update(h[2], ah, 0x19003, 4), NDIS_STATUS_SUCCESS);
	assert_int_equal(update(h[2], ah, 0x19003, 2), NDIS_STATUS_INVALID_PARAMETER);
	assert_int_equal(update(h[2], esp, 0x9003, 3), NDIS_STATUS_SUCCESS);
	assert_int_equal(update(h[2], esp, 0x19003, 5), NDIS_STATUS_INVALID_PARAMETER);
	assert_int_equal(delete_handles(h, 3), NDIS_STATUS_SUCCESS);
	assert_int_equal(update(h[0], esp, 0x9001, 10), NDIS_STATUS_INVALID_PARAMETER);
}

static void stale_handles_are_passed_over(void **state)
{
	struct sa_sample s;
	uint64_t h;
	struct fer_msg_buf b = {0};
	static struct fer_msg_sa_info all[CAPACITY];

	(void)state;
	sa_sample_make(&s, "", "", true, 0xa001);
	assert_int_equal(add_samples(OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX, &s, 1, &h), 0);
	assert_int_equal(delete_handles((uint64_t[]){0, h ^ UINT64_C(1) << 32, UINT64_MAX}, 3), 0);
	assert_int_equal(list(all, CAPACITY), 3);
	assert_int_equal(delete_handles((uint64_t[]){77, h, h}, 3), 0);
	assert_int_equal(list(all, CAPACITY), 2);
	assert_int_equal(delete_handles(&h, 1), 0);
	// What is no list deletes nothing, and has a status that deletes may have.
	fer_msg_put_delete_sa(&b, all[0].handle);
	fer_msg_put(&b, "?", 1);
	b.bytes[8] = 1; // Next
	assert_int_equal(
		set(OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA, &b), NDIS_STATUS_REQUEST_ABORTED);
	assert_int_equal(list(all, CAPACITY), 2);
}

static void lengths_of_the_icv(void **state)
{
	static const struct {
		uint32_t info;
		uint8_t icv;
	} cases[] = {{0, 16}, {8, 8}, {12, 12}, {16, 16}, {64, 8}, {96, 12}, {128, 16}, {4, 0},
		{24, 0}, {65, 0}, {256, 0}, {UINT32_MAX, 0}, {1u << 31, 0}};
	struct sa_sample s;
	uint64_t h = 0;
	struct fer_msg_sa_info info;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sa_sample_make(&s, "", "", true, 0xb001);
		s.add.transform[0].encryption.info = cases[i].info;
		uint32_t status = add_samples(OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX, &s, 1, &h);

		assert_int_equal(
			status, cases[i].icv != 0 ? NDIS_STATUS_SUCCESS : NDIS_STATUS_INVALID_DATA);
		if (cases[i].icv == 0)
			continue;
		assert_true(find("", &info));
		assert_int_equal(info.icv_bytes, cases[i].icv);
		assert_int_equal(delete_handles(&h, 1), 0);
	}
}

static void capabilities_are_those_of_the_algorithms(void **state)
{
	static const uint32_t oids[] = {
		OID_TCP_OFFLOAD_CURRENT_CONFIG, OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES};
	struct fer_client_reply reply;
	struct fer_msg_fault fault;
	struct ndis_offload o;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ask(FER_MSG_TYPE_QUERY, oids[i], NULL, &reply), 0);
		assert_int_equal(fer_msg_get_offload(reply.data, reply.len, &o, &fault), 0);
		assert_int_equal(reply.len, NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3);
		assert_int_equal(o.ipsec_v2.sa_offload_capacity, CAPACITY);
		assert_int_equal(o.ipsec_v2.encryption_algorithms, 0x1f9);
		assert_int_equal(o.ipsec_v2.authentication_algorithms, 0x3e);
		assert_true(o.ipsec_v2.esp && o.ipsec_v2.tunnel);
		assert_true(o.ipsec_v2.ah && o.ipsec_v2.ah_esp_combined);
		fer_client_reply_fini(&reply);
	}
	const struct fer_client_request q = {
		.oid = OID_TCP_OFFLOAD_CURRENT_CONFIG, .type = FER_MSG_TYPE_QUERY, .room = 8};
	assert_int_equal(fer_client_call(client, &q, SERVED_TIMEOUT_MS, &reply), 0);
	assert_int_equal(reply.header.status, NDIS_STATUS_BUFFER_TOO_SHORT);
	assert_int_equal(reply.header.bytes_needed, NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3);
	fer_client_reply_fini(&reply);
}

// --- policies -----------------------------------------------------------------------------------

static uint32_t add_policies(const struct fer_msg_policy p[], unsigned n)
{
	return served_add_policies(client, 0, p, n);
}

static uint32_t delete_policy(const char *name)
{
	return served_delete_policy(client, 0, name);
}

// In pages of one.
static uint32_t list_policies(struct fer_msg_policy all[], unsigned most)
{
	struct fer_client_reply reply;
	struct fer_msg_array array = {.cursor = 0};
	struct fer_msg_fault fault;
	uint32_t n = 0;

	do {
		struct fer_msg_buf b = {0};

		fer_msg_put_page(&b, array.cursor, 1);
		assert_int_equal(ask(FER_MSG_TYPE_QUERY, FER_MSG_POLICY_LIST, &b, &reply), 0);
		assert_int_equal(
			fer_msg_get_list(reply.data, reply.len, sizeof(all[0]), &array, &fault), 0);
		assert_true(array.n <= 1 && n < most);
		if (array.n == 1)
			fer_msg_list_at(&array, 0, &all[n++], sizeof(all[0]));
		fer_client_reply_fini(&reply);
	} while (array.cursor != 0);
	return n;
}

static void policies_come_and_go(void **state)
{
	const struct fer_msg_policy two[] = {sample_policy("p", "g"), sample_policy("q", NULL)};
	const struct fer_msg_policy twins[] = {sample_policy("r", NULL), sample_policy("r", NULL)};
	const struct fer_msg_policy taken[] = {sample_policy("r", NULL), sample_policy("q", NULL)};
	static struct fer_msg_policy all[8];

	(void)state;
	assert_int_equal(list_policies(all, 8), 2); // of the document
	assert_int_equal(add_policies(two, 2), 0);
	assert_int_equal(list_policies(all, 8), 4);
	assert_memory_equal(&all[2], two, sizeof(two));
	assert_int_equal(add_policies(twins, 2), NDIS_STATUS_INVALID_DATA);
	assert_int_equal(add_policies(taken, 2), NDIS_STATUS_INVALID_DATA);
	assert_int_equal(delete_policy("r"), NDIS_STATUS_INVALID_PARAMETER);
	assert_int_equal(list_policies(all, 8), 4);
	assert_int_equal(delete_policy("p"), 0);
	assert_int_equal(list_policies(all, 8), 3);
	assert_memory_equal(&all[2], &two[1], sizeof(two[1]));
	assert_int_equal(delete_policy("q"), 0);
	assert_int_equal(delete_policy("q"), NDIS_STATUS_INVALID_PARAMETER);
	assert_int_equal(list_policies(all, 8), 2);
}

enum { HAS_OUT = 0x1, HAS_IN = 0x2, HAS_TRANSPORT = 0x4, HAS_UDP = 0x8 };

// Group h with such SAs; how many they are.
static unsigned add_group(unsigned has, uint64_t handles[2])
{
	static struct sa_sample s;
	unsigned n = 0;

	for (unsigned in = 0; in < 2; in++) {
		if ((has >> in & 1) == 0)
			continue;
		sa_sample_make(&s, in ? "h-in" : "h-out", "h", in, 0xc001 + in);
		if ((has & HAS_UDP) != 0) {
			s.add.udp_esp = IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TUNNEL;
			s.sa.udp_sport = s.sa.udp_dport = 4500;
		}
		if ((has & HAS_TRANSPORT) != 0) {
			s.sa.mode = FER_MSG_TRANSPORT;
			s.sa.outer = (struct fer_msg_outer){0};
		}
		assert_int_equal(add_samples(FER_MSG_SA_ADD, &s, 1, &handles[n++]), 0);
	}
	return n;
}

static void policies_name_groups_that_are_there(void **state)
{
	static const struct {
		unsigned has;
		const char *groups[2];
		uint32_t status;
	} rows[] = {
		{HAS_OUT, {"h"}, NDIS_STATUS_SUCCESS},
		{HAS_OUT | HAS_IN | HAS_TRANSPORT, {"h"}, NDIS_STATUS_SUCCESS},
		{HAS_OUT | HAS_TRANSPORT, {"h", "g"}, NDIS_STATUS_SUCCESS},
		{HAS_OUT | HAS_TRANSPORT, {"g", "h"}, NDIS_STATUS_INVALID_PARAMETER},
		{HAS_OUT | HAS_UDP, {"h", "g"}, NDIS_STATUS_SUCCESS},
		{HAS_OUT | HAS_UDP, {"g", "h"}, NDIS_STATUS_SUCCESS},
		{HAS_OUT | HAS_UDP, {"h", "h"}, NDIS_STATUS_INVALID_PARAMETER},
		{HAS_IN, {"h"}, NDIS_STATUS_INVALID_PARAMETER},
		{0, {"h"}, NDIS_STATUS_INVALID_PARAMETER},
		{HAS_OUT, {"h", "i"}, NDIS_STATUS_INVALID_PARAMETER},
	};
	static struct fer_msg_policy all[8];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fer_msg_policy p[2] = {
			sample_policy("p", NULL), sample_policy("q", rows[i].groups[0])};
		uint64_t handles[2];
		unsigned n = add_group(rows[i].has, handles);

		if (rows[i].groups[1] != NULL) {
			fer_msg_set_string(p[1].group[1], sizeof(p[1].group[1]), rows[i].groups[1]);
			p[1].n_groups = 2;
		}
		assert_int_equal(add_policies(p, 2), rows[i].status);
		assert_int_equal(list_policies(all, 8), rows[i].status == 0 ? 4 : 2);
		for (unsigned k = 0; rows[i].status == 0 && k < 2; k++)
			assert_int_equal(delete_policy(p[k].name), 0);
		assert_int_equal(n == 0 ? 0 : delete_handles(handles, n), 0);
	}
}

// Policies keep the group whose SAs are all gone.
static void a_group_is_there_as_long_as_a_policy_names_it(void **state)
{
	const struct fer_msg_policy p = sample_policy("p", "h"), q = sample_policy("q", "h");
	uint64_t handle[2];

	(void)state;
	assert_int_equal(add_group(HAS_OUT, handle), 1);
	assert_int_equal(add_policies(&p, 1), 0);
	assert_int_equal(delete_handles(handle, 1), 0);
	assert_int_equal(add_policies(&q, 1), 0);
	assert_int_equal(delete_policy("p"), 0);
	assert_int_equal(delete_policy("q"), 0);
	assert_int_equal(add_policies(&p, 1), NDIS_STATUS_INVALID_PARAMETER);
}

// Many at once are done one after the other.
static void policies_are_pipelined(void **state)
{
	enum { N = 20 };
	struct fer_client_reply reply;
	static struct fer_msg_policy all[2 * N];
	uint64_t ids[N], id;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		struct fer_msg_buf b = {0};

		snprintf(name, sizeof(name), "n-%u", i);
		const struct fer_msg_policy p = sample_policy(name, NULL);
		fer_msg_put_list(&b, sizeof(p));
		fer_msg_put_element(&b, &p, sizeof(p));
		const struct fer_client_request q = {.oid = FER_MSG_POLICY_ADD,
			.type = FER_MSG_TYPE_SET,
			.data = b.bytes,
			.len = b.len};
		assert_int_equal(fer_client_submit(client, &q, SERVED_TIMEOUT_MS, &id), 0);
		ids[i] = id;
		fer_msg_buf_fini(&b);
	}
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(fer_client_collect(client, ids[i], SERVED_TIMEOUT_MS, &reply), 0);
		assert_int_equal(reply.header.status, 0);
		fer_client_reply_fini(&reply);
	}
	assert_int_equal(list_policies(all, 2 * N), N + 2);
	for (unsigned i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "n-%u", i);
		assert_int_equal(delete_policy(name), 0);
	}
}

// --- numbers ------------------------------------------------------------------------------------

static void tables_have_rows(void **state)
{
	static const struct {
		uint32_t oid;
		uint32_t rows;
		const char *column;
	} cases[] = {{FER_MSG_STATS_SA, 2, "bad_icv"}, {FER_MSG_STATS_PORT, 2, "rx_packets"},
		{FER_MSG_STATS_WORKER, 1, "rounds"}, {FER_MSG_STATS_DROP, 2, "no_policy"}};
	struct fer_client_reply reply;
	struct fer_msg_fault fault;
	struct fer_msg_numbers t;
	struct fer_msg_array array;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool has = false;

		assert_int_equal(ask(FER_MSG_TYPE_QUERY, cases[i].oid, NULL, &reply), 0);
		assert_int_equal(fer_msg_get_table(reply.data, reply.len, &t, &fault), 0);
		assert_int_equal(t.n_rows, cases[i].rows);
		for (uint32_t c = 0; c < t.n_columns; c++)
			has |= strcmp(fer_msg_table_column(&t, c), cases[i].column) == 0;
		assert_true(has);
		fer_client_reply_fini(&reply);
	}
	assert_int_equal(ask(FER_MSG_TYPE_QUERY, FER_MSG_PORT_LIST, NULL, &reply), 0);
	assert_int_equal(fer_msg_get_list(reply.data, reply.len, sizeof(struct fer_msg_port),
				 &array, &fault),
		0);
	assert_int_equal(array.n, 2);
	fer_client_reply_fini(&reply);
}

static uint64_t number_of(const struct fer_msg_numbers *t, uint32_t row, const char *column)
{
	for (uint32_t c = 0; c < t->n_columns; c++)
		if (strcmp(fer_msg_table_column(t, c), column) == 0)
			return fer_msg_table_number(t, row, c);
	fail_msg("no column %s", column);
	return 0;
}

// Of an SA that dropped nothing, too: behind its counters lie its keys.
static void drops_stand_under_their_names(void **state)
{
	struct fer_client_reply reply;
	struct fer_msg_fault fault;
	struct fer_msg_numbers t;
	static struct fer_msg_sa_info infos[CAPACITY];
	uint64_t handle, sum = 0;

	(void)state;
	assert_int_equal(list(infos, CAPACITY), 2);
	assert_int_equal(infos[0].drops, 0);
	assert_int_equal(infos[1].drops, 0);
	handle = infos[1].handle;
	for (unsigned v = 1; v < FER_N_SA_VERDICTS; v++) {
		fer_sa_count_drop(served.world.pair[0].sas,
			fer_sa_at(served.world.pair[0].sas, (uint32_t)handle), (enum fer_verdict)v,
			v * v);
		sum += (uint64_t)v * v;
	}
	assert_int_equal(ask(FER_MSG_TYPE_QUERY, FER_MSG_STATS_SA, NULL, &reply), 0);
	assert_int_equal(fer_msg_get_table(reply.data, reply.len, &t, &fault), 0);
	assert_int_equal(number_of(&t, 1, "handle"), handle);
	for (unsigned v = 1; v < FER_N_SA_VERDICTS; v++) {
		const char *name = fer_verdict_name((enum fer_verdict)v);

		assert_int_equal(number_of(&t, 0, name), 0);
		assert_int_equal(number_of(&t, 1, name), v * v);
	}
	fer_client_reply_fini(&reply);
	assert_int_equal(list(infos, CAPACITY), 2);
	assert_int_equal(infos[1].drops, sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_listed),
		cmocka_unit_test(a_refusal_changes_nothing),
		cmocka_unit_test(a_key_has_one_sender_in_all_pairs),
		cmocka_unit_test(ah_and_bundles_are_listed),
		cmocka_unit_test(a_list_that_finds_no_room_is_refused_whole),
		cmocka_unit_test(a_swap_replaces_its_group),
		cmocka_unit_test(a_swap_of_one_direction),
		cmocka_unit_test(activate_takes_outbound_sas_only),
		cmocka_unit_test(as_many_as_can_be_are_added),
		cmocka_unit_test(update_agrees_or_moves_forward),
		cmocka_unit_test(stale_handles_are_passed_over),
		cmocka_unit_test(lengths_of_the_icv),
		cmocka_unit_test(capabilities_are_those_of_the_algorithms),
		cmocka_unit_test(policies_come_and_go),
		cmocka_unit_test(policies_name_groups_that_are_there),
		cmocka_unit_test(a_group_is_there_as_long_as_a_policy_names_it),
		cmocka_unit_test(policies_are_pipelined),
		cmocka_unit_test(tables_have_rows),
		cmocka_unit_test(drops_stand_under_their_names),
	};

	two_pairs_eal(1, NULL);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
