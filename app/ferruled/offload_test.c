// SPDX-License-Identifier: BSD-3-Clause
// Does what is in force follow from hardware, settings and activation as the contract says?
#include "offload.h"

#include "slots.h"

#include "nic/nic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define AH FER_NIC_AH
#define ESP FER_NIC_ESP
#define SEND (FER_NIC_SEND_IPV4 | FER_NIC_SEND_IPV6)
#define RECEIVE4 FER_NIC_RECEIVE_IPV4
#define RECEIVE6 FER_NIC_RECEIVE_IPV6

static struct fer_offload offload;
static struct ndis_offload hardware;
static struct fer_keywords keywords;
static const char *why;

// A NIC that can do everything, whatever ours can.
static void start(uint8_t ipsec, bool is_active)
{
	hardware = fer_offload_hardware(100, false, 0);
	hardware.ipsec_v2.ah = hardware.ipsec_v2.esp = hardware.ipsec_v2.ah_esp_combined = 1;
	fer_keywords_default(&keywords);
	keywords.value[FER_KEYWORD_IPSEC_V2] = ipsec;
	fer_offload_init(&offload, &hardware, &keywords, is_active);
}

static uint32_t may(void)
{
	return atomic_load(&offload.may);
}

static struct ndis_offload_parameters parameters(uint8_t ipsec)
{
	return (struct ndis_offload_parameters){
		.header = {.type = NDIS_OBJECT_TYPE_DEFAULT, .revision = 2, .size = 0x16},
		.ipsec_v2 = ipsec,
	};
}

static uint32_t configure(const struct ndis_offload_parameters *p)
{
	uint32_t status = fer_offload_read_parameters(&offload, p, &keywords, &why);

	if (status == NDIS_STATUS_SUCCESS)
		fer_offload_configure(&offload, &keywords);
	return status;
}

static uint32_t encapsulate(uint32_t v4, uint32_t v6, uint32_t type, bool *is_new)
{
	const struct ndis_offload_encapsulation e = {
		.ipv4 = {v4, v4 == NDIS_OFFLOAD_SET_ON ? type : 0, v4 == 1 ? 14 : 0},
		.ipv6 = {v6, v6 == NDIS_OFFLOAD_SET_ON ? type : 0, v6 == 1 ? 14 : 0},
	};

	return fer_offload_encapsulate(&offload, &e, is_new, &why);
}

// Section 5.4, R-12: what a keyword makes of what the hardware can do.
static void keywords_say_what_is_in_force(void **state)
{
	static const struct {
		uint8_t keyword, ah, esp, combined;
		uint32_t udp_esp, may;
		bool has_encryption;
	} rows[] = {
		{0, 0, 0, 0, 0, SEND, false},
		{1, 1, 0, 0, 0, AH | SEND, false},
		{2, 0, 1, 0, 15, ESP | SEND, true},
		{3, 1, 1, 1, 15, AH | ESP | SEND, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(rows[i].keyword, false);
		const struct ndis_offload now = fer_offload_current(&offload);

		assert_int_equal(now.ipsec_v2.ah, rows[i].ah);
		assert_int_equal(now.ipsec_v2.esp, rows[i].esp);
		assert_int_equal(now.ipsec_v2.ah_esp_combined, rows[i].combined);
		assert_int_equal(now.ipsec_v2.udp_esp, rows[i].udp_esp);
		assert_true((now.ipsec_v2.encryption_algorithms != 0) == rows[i].has_encryption);
		assert_int_equal(may(), rows[i].may);
		// the hardware is what it is.
		assert_memory_equal(&offload.hardware, &hardware, sizeof(hardware));
	}
}

static void nothing_is_offered_when_it_is_off(void **state)
{
	static const struct ndis_ipsec_offload_v2 nothing;

	(void)state;
	start(0, true);
	const struct ndis_offload now = fer_offload_current(&offload);
	assert_memory_equal(&now.ipsec_v2, &nothing, sizeof(nothing));
	assert_int_equal(now.header.type, NDIS_OBJECT_TYPE_OFFLOAD);
}

// 0 changes nothing, n is keyword n - 1.
static void parameters_become_keywords(void **state)
{
	(void)state;
	start(3, false);
	for (uint8_t v = 1; v <= 4; v++) {
		struct ndis_offload_parameters p = parameters(v), none = parameters(0);

		assert_int_equal(configure(&p), NDIS_STATUS_SUCCESS);
		assert_int_equal(offload.keywords.value[FER_KEYWORD_IPSEC_V2], v - 1);
		assert_int_equal(configure(&none), NDIS_STATUS_SUCCESS);
		assert_int_equal(offload.keywords.value[FER_KEYWORD_IPSEC_V2], v - 1);
	}
	const struct ndis_offload_parameters all = {.ipv4_checksum = 1,
		.tcp_ipv4_checksum = 2,
		.udp_ipv4_checksum = 3,
		.tcp_ipv6_checksum = 4,
		.udp_ipv6_checksum = 1,
		.lso_v1 = 1,
		.lso_v2_ipv4 = 2,
		.lso_v2_ipv6 = 1,
		.ipsec_v2_ipv4 = 1};
	assert_int_equal(configure(&all), NDIS_STATUS_SUCCESS);
	static const uint8_t want[FER_N_KEYWORDS] = {
		[FER_KEYWORD_IPSEC_V2] = 3,
		[FER_KEYWORD_IPSEC_V2_IPV4] = 3, // ignored
		[FER_KEYWORD_IP_CHECKSUM_IPV4] = 0,
		[FER_KEYWORD_TCP_CHECKSUM_IPV4] = 1,
		[FER_KEYWORD_TCP_CHECKSUM_IPV6] = 3,
		[FER_KEYWORD_UDP_CHECKSUM_IPV4] = 2,
		[FER_KEYWORD_UDP_CHECKSUM_IPV6] = 0,
		[FER_KEYWORD_LSO_V1_IPV4] = 0,
		[FER_KEYWORD_LSO_V2_IPV4] = 1,
		[FER_KEYWORD_LSO_V2_IPV6] = 0,
	};
	assert_memory_equal(offload.keywords.value, want, sizeof(want));
}

// masks and flags of both, the smaller promise, the larger demand.
static void a_team_says_what_all_can_do(void **state)
{
	struct ndis_offload a = {.ipsec_v2 = {.esp = 1,
					 .ah = 1,
					 .tunnel = 1,
					 .encryption_algorithms = 0x38,
					 .sa_offload_capacity = 10},
		.lso_v2 = {.ipv4_max_offload_size = 5000, .ipv4_min_segment_count = 2},
		.flags = 6,
		.lso_v1.max_offload_size = 1};
	struct ndis_offload b = {.ipsec_v2 = {.esp = 1,
					 .tunnel = 1,
					 .udp_esp = 15,
					 .encryption_algorithms = 0x48,
					 .sa_offload_capacity = 16},
		.lso_v2 = {.ipv4_max_offload_size = 6000, .ipv4_min_segment_count = 4},
		.flags = 2};
	const struct ndis_offload want = {.ipsec_v2 = {.esp = 1,
						  .tunnel = 1,
						  .encryption_algorithms = 0x8,
						  .sa_offload_capacity = 10},
		.lso_v2 = {.ipv4_max_offload_size = 5000, .ipv4_min_segment_count = 4},
		.flags = 2};

	(void)state;
	a = fer_offload_common(&a, &b);
	assert_memory_equal(&a, &want, sizeof(want));
}

// a port that is lost takes all capabilities with it; the appliance's own SAs can still come.
static void a_lost_port_can_do_nothing(void **state)
{
	(void)state;
	for (unsigned is_active = 0; is_active < 2; is_active++) {
		start(3, is_active == 1);
		const uint32_t before = may();

		assert_false(fer_offload_set_ports(&offload, true));
		assert_true(fer_offload_set_ports(&offload, false));
		assert_false(fer_offload_set_ports(&offload, false));
		const struct ndis_offload now = fer_offload_current(&offload);
		const struct ndis_offload nothing = {.header = hardware.header};
		assert_memory_equal(&now, &nothing, sizeof(now));
		assert_int_equal(
			fer_offload_objection(&offload, false, true, 4) == NULL, is_active);
		for (uint8_t value = 0; value <= 4; value++) {
			const struct ndis_offload_parameters p = parameters(value);

			assert_int_equal(configure(&p),
				value <= 1 ? NDIS_STATUS_SUCCESS : NDIS_STATUS_INVALID_DATA);
		}
		assert_true(fer_offload_set_ports(&offload, true));
		const struct ndis_offload_parameters both = parameters(4);
		assert_int_equal(configure(&both), NDIS_STATUS_SUCCESS);
		assert_int_equal(may(), before);
	}
}

// and no member is applied.
static void parameters_that_cannot_be(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} rows[] = {
		{offsetof(struct ndis_offload_parameters, ipsec_v2), 5},
		{offsetof(struct ndis_offload_parameters, ipsec_v2), 255},
		{offsetof(struct ndis_offload_parameters, ipsec_v1), 5},
		{offsetof(struct ndis_offload_parameters, ipv4_checksum), 5},
		{offsetof(struct ndis_offload_parameters, tcp_ipv4_checksum), 5},
		{offsetof(struct ndis_offload_parameters, udp_ipv4_checksum), 5},
		{offsetof(struct ndis_offload_parameters, tcp_ipv6_checksum), 5},
		{offsetof(struct ndis_offload_parameters, udp_ipv6_checksum), 5},
		{offsetof(struct ndis_offload_parameters, lso_v1), 3},
		{offsetof(struct ndis_offload_parameters, lso_v2_ipv4), 3},
		{offsetof(struct ndis_offload_parameters, lso_v2_ipv6), 3},
		{offsetof(struct ndis_offload_parameters, tcp_connection_ipv4), 1},
		{offsetof(struct ndis_offload_parameters, tcp_connection_ipv6), 1},
		{offsetof(struct ndis_offload_parameters, rsc_ipv4), 3},
		{offsetof(struct ndis_offload_parameters, rsc_ipv6), 3},
		{offsetof(struct ndis_offload_parameters, encapsulated_packet_task_offload), 3},
		{offsetof(struct ndis_offload_parameters, flags), 2},
		{offsetof(struct ndis_offload_parameters, flags) + 3, 0x80},
	};

	(void)state;
	start(3, false);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ndis_offload_parameters p = {.ipv4_checksum = 1, .lso_v1 = 1};

		((uint8_t *)&p)[rows[i].at] = rows[i].value;
		assert_int_equal(configure(&p), NDIS_STATUS_INVALID_DATA);
		assert_non_null(why);
		for (unsigned k = 0; k < FER_N_KEYWORDS; k++)
			assert_int_equal(
				offload.keywords.value[k], k < FER_KEYWORD_LSO_V1_IPV4 ? 3 : 1);
	}
}

//
static void receiving_begins_with_an_encapsulation(void **state)
{
	struct ndis_offload_parameters all = parameters(4);
	bool is_new;

	(void)state;
	start(0, false);
	assert_int_equal(may(), SEND);
	assert_int_equal(configure(&all), NDIS_STATUS_SUCCESS);
	assert_int_equal(may(), AH | ESP | SEND);
	assert_int_equal(encapsulate(1, 0, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_true(is_new);
	assert_int_equal(may(), AH | ESP | SEND | RECEIVE4);
	assert_int_equal(encapsulate(0, 1, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_true(is_new);
	assert_int_equal(may(), FER_NIC_ALL);
	assert_int_equal(encapsulate(1, 1, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_false(is_new);
	assert_int_equal(encapsulate(2, 0, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_int_equal(may(), AH | ESP | FER_NIC_SEND_IPV6 | RECEIVE6);
	assert_int_equal(fer_offload_current(&offload).ipsec_v2.esp, 1);
	assert_int_equal(encapsulate(0, 2, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_int_equal(may(), 0);
	assert_int_equal(fer_offload_current(&offload).ipsec_v2.esp, 0);
	assert_int_equal(encapsulate(0, 1, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_int_equal(may(), AH | ESP | FER_NIC_SEND_IPV6 | RECEIVE6);
}

static void the_appliance_is_bound_from_the_start(void **state)
{
	(void)state;
	start(3, true);
	assert_int_equal(may(), FER_NIC_ALL);
}

// R-35, and whatever the other family says.
static void encapsulations_that_cannot_be(void **state)
{
	static const struct {
		uint32_t v4, v6, type, status;
	} rows[] = {
		{1, 0, 0, NDIS_STATUS_INVALID_PARAMETER},
		{1, 0, NDIS_ENCAPSULATION_IEEE_LLC_SNAP_ROUTED, NDIS_STATUS_INVALID_PARAMETER},
		{1, 0, NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q, NDIS_STATUS_INVALID_PARAMETER},
		{2, 1, 0, NDIS_STATUS_INVALID_PARAMETER},
		{3, 0, 2, NDIS_STATUS_INVALID_DATA},
		{2, UINT32_MAX, 2, NDIS_STATUS_INVALID_DATA},
	};
	bool is_new;

	(void)state;
	start(3, true);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
			encapsulate(rows[i].v4, rows[i].v6, rows[i].type, &is_new), rows[i].status);
		assert_int_equal(may(), FER_NIC_ALL);
	}
}

//
static void which_sas_may_be_added(void **state)
{
	static const struct {
		uint8_t keyword;
		bool ah, esp, both;
	} rows[] = {{0, false, false, false}, {1, true, false, false}, {2, false, true, false},
		{3, true, true, true}};
	bool is_new;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(rows[i].keyword, true);
		assert_true(
			(fer_offload_objection(&offload, true, false, 4) == NULL) == rows[i].ah);
		assert_true(
			(fer_offload_objection(&offload, false, true, 6) == NULL) == rows[i].esp);
		assert_true(
			(fer_offload_objection(&offload, true, true, 4) == NULL) == rows[i].both);
	}
	assert_int_equal(encapsulate(0, 2, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_null(fer_offload_objection(&offload, true, true, 4));
	assert_non_null(fer_offload_objection(&offload, true, true, 6));
}

// --- slots 0 and 2 ----------------------------------------------------------------------------

#define SUMS4 (FER_NIC_SUM_IP4 | FER_NIC_SUM_TCP4 | FER_NIC_SUM_UDP4)
#define SUMS6 (FER_NIC_SUM_TCP6 | FER_NIC_SUM_UDP6)
#define LSO4 (FER_NIC_LSO_V1 | FER_NIC_LSO_V2_IPV4)

static void start_with_slots(uint32_t max_bytes, bool is_active)
{
	hardware = fer_offload_hardware(100, false, 0);
	fer_slots_offer(&hardware, max_bytes);
	fer_keywords_default(&keywords);
	fer_offload_init(&offload, &hardware, &keywords, is_active);
}

// What of the slots is in force.
static uint32_t slots(void)
{
	return may() & ~FER_NIC_ALL;
}

// An appliance has no host that could ask.
static void slots_are_nothing_where_they_are_not_offered(void **state)
{
	static const struct ndis_tcp_ip_checksum_offload nothing;

	(void)state;
	start(3, true);
	const struct ndis_offload now = fer_offload_current(&offload);
	assert_int_equal(slots(), 0);
	assert_memory_equal(&now.checksum, &nothing, sizeof(nothing));
	assert_int_equal(now.lso_v2.ipv4_encapsulation, 0);
	assert_int_equal(now.flags, 0);
	assert_int_equal(now.ipsec_v2.lso_supported, 0);
}

// Section 5.2, R-19, R-20, R-22: settings take out of what is offered what they name, and large
// sends go with the checksums that they need.
static void settings_take_slots_away(void **state)
{
	static const struct {
		struct ndis_offload_parameters set;
		uint32_t without; // of what may be done
		uint32_t fields[4];
		bool v1, v2_4, v2_6;
		uint32_t flags;
		bool lso;
	} rows[] = {
		{{.flags = 0}, 0, {0x155, 0x155, 0x55, 0x55}, 1, 1, 1, 6, 1},
		{{.ipv4_checksum = 1}, FER_NIC_SUM_IP4 | FER_NIC_JUDGE(FER_NIC_SUM_IP4) | LSO4,
			{0x55, 0x55, 0x55, 0x55}, 0, 0, 1, 6, 1},
		{{.tcp_ipv4_checksum = 2}, FER_NIC_JUDGE(FER_NIC_SUM_TCP4),
			{0x155, 0x145, 0x55, 0x55}, 1, 1, 1, 6, 1},
		{{.tcp_ipv6_checksum = 3}, FER_NIC_SUM_TCP6 | FER_NIC_LSO_V2_IPV6,
			{0x155, 0x155, 0x45, 0x55}, 1, 1, 0, 6, 1},
		{{.udp_ipv4_checksum = 1, .udp_ipv6_checksum = 1},
			FER_NIC_SUM_UDP4 | FER_NIC_SUM_UDP6 |
				FER_NIC_JUDGE(FER_NIC_SUM_UDP4 | FER_NIC_SUM_UDP6),
			{0x115, 0x115, 0x15, 0x15}, 1, 1, 1, 2, 1},
		{{.lso_v1 = 1, .lso_v2_ipv4 = 1, .lso_v2_ipv6 = 1}, LSO4 | FER_NIC_LSO_V2_IPV6,
			{0x155, 0x155, 0x55, 0x55}, 0, 0, 0, 6, 0},
		{{.lso_v2_ipv4 = 1}, FER_NIC_LSO_V2_IPV4, {0x155, 0x155, 0x55, 0x55}, 1, 0, 1, 6,
			1},
		{{.ipsec_v2 = 1}, 0, {0x155, 0x155, 0x55, 0x55}, 1, 1, 1, 0, 0},
	};
	const uint32_t all =
		SUMS4 | SUMS6 | FER_NIC_JUDGE(SUMS4 | SUMS6) | LSO4 | FER_NIC_LSO_V2_IPV6;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start_with_slots(64000, true);
		assert_int_equal(configure(&rows[i].set), NDIS_STATUS_SUCCESS);
		const struct ndis_offload now = fer_offload_current(&offload);

		assert_int_equal(slots(), all & ~rows[i].without);
		assert_int_equal(now.checksum.ipv4_transmit.fields, rows[i].fields[0]);
		assert_int_equal(now.checksum.ipv4_receive.fields, rows[i].fields[1]);
		assert_int_equal(now.checksum.ipv6_transmit.fields, rows[i].fields[2]);
		assert_int_equal(now.checksum.ipv6_receive.fields, rows[i].fields[3]);
		assert_int_equal(now.lso_v1.max_offload_size, rows[i].v1 ? 64000 : 0);
		assert_int_equal(now.lso_v1.options, rows[i].v1 ? 5 : 0);
		assert_int_equal(now.lso_v2.ipv4_max_offload_size, rows[i].v2_4 ? 64000 : 0);
		assert_int_equal(now.lso_v2.ipv6_min_segment_count, rows[i].v2_6 ? 2 : 0);
		assert_int_equal(now.flags, rows[i].flags);
		assert_int_equal(now.ipsec_v2.lso_supported, rows[i].lso);
		assert_memory_equal(&offload.hardware, &hardware, sizeof(hardware));
	}
}

// sending needs no activation, judging does, and OFF ends both.
static void slots_follow_the_encapsulation(void **state)
{
	bool is_new;

	(void)state;
	start_with_slots(64000, false);
	assert_int_equal(slots(), SUMS4 | SUMS6 | LSO4 | FER_NIC_LSO_V2_IPV6);
	assert_int_equal(encapsulate(1, 0, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_int_equal(
		slots(), SUMS4 | SUMS6 | LSO4 | FER_NIC_LSO_V2_IPV6 | FER_NIC_JUDGE(SUMS4));
	assert_int_equal(encapsulate(2, 1, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_int_equal(slots(), SUMS6 | FER_NIC_LSO_V2_IPV6 | FER_NIC_JUDGE(SUMS6));
	assert_int_equal(fer_offload_current(&offload).checksum.ipv4_transmit.encapsulation, 0);
	assert_int_equal(encapsulate(2, 2, 2, &is_new), NDIS_STATUS_SUCCESS);
	assert_int_equal(slots(), 0);
}

static void large_sends_need_a_port_that_carries_them(void **state)
{
	(void)state;
	start_with_slots(0, true);
	assert_int_equal(slots(), SUMS4 | SUMS6 | FER_NIC_JUDGE(SUMS4 | SUMS6));
	assert_int_equal(hardware.lso_v1.encapsulation | hardware.lso_v2.ipv6_encapsulation, 0);
	assert_int_equal(hardware.ipsec_v2.lso_supported, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keywords_say_what_is_in_force),
		cmocka_unit_test(nothing_is_offered_when_it_is_off),
		cmocka_unit_test(parameters_become_keywords),
		cmocka_unit_test(a_team_says_what_all_can_do),
		cmocka_unit_test(a_lost_port_can_do_nothing),
		cmocka_unit_test(parameters_that_cannot_be),
		cmocka_unit_test(receiving_begins_with_an_encapsulation),
		cmocka_unit_test(the_appliance_is_bound_from_the_start),
		cmocka_unit_test(encapsulations_that_cannot_be),
		cmocka_unit_test(which_sas_may_be_added),
		cmocka_unit_test(slots_are_nothing_where_they_are_not_offered),
		cmocka_unit_test(settings_take_slots_away),
		cmocka_unit_test(slots_follow_the_encapsulation),
		cmocka_unit_test(large_sends_need_a_port_that_carries_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
