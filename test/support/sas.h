// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// SAs of tests, with the oracle that knows their keys.  One table can not hold both ends of a
// counter-mode SA: tests have a table for the sender and one for the receiver.

#include "crypto/esp_oracle.h"
#include "sa/table.h"

// Zero is a plain value for every field but version and spi.
struct test_sa {
	const char *encryption; // NULL: aes-gcm-128
	const char *integrity;
	unsigned icv_bytes;
	enum fer_mode mode;
	uint8_t version;
	uint8_t src, dst; // as in struct test_ip; 0: 1 and 2; dst 255: any destination
	bool esn;
	bool grouped;  // belongs to group
	bool contract; // as in fer_sa_params
	uint32_t spi;
	uint32_t group;
	uint32_t window;
	uint64_t sequence;
	const struct fer_outer_rules *outer; // NULL: the usual
	struct fer_lifetime lifetime;
	struct fer_tfc tfc; // of an outbound SA
	uint8_t udp_at;     // as in struct fer_sa_params
	struct fer_udp udp; // likewise
};

// ESP in UDP wherever the SA stands, from one port to the other.
struct test_sa test_sa_in_udp(struct test_sa sa, uint16_t sport, uint16_t dport);

// Copy, copy, 64, copy.
extern const struct fer_outer_rules test_outer_usual;

struct fer_sa_table *test_sas_open(const char *name, struct fer_engine *engine);

// Adds one and returns its handle; keys depend on the SPI alone.
uint64_t test_sa_add(
	struct fer_sa_table *t, const struct test_sa *sa, enum fer_direction direction);

// What the oracle has to know of it.
struct oracle_sa test_sa_oracle(const struct test_sa *sa);

// An SA, and what the test knows of it.
struct test_known {
	struct test_sa sa;
	struct oracle_sa oracle;
	uint64_t handle; // 0: in no table
};

struct test_known test_sa_unknown(struct test_sa sa);

// The same, added.
struct test_known test_sa_known(
	struct fer_sa_table *t, struct test_sa sa, enum fer_direction direction);

struct test_sa test_sa_with(struct test_sa sa, const char *encryption, const char *integrity);

#define TEST_MAX_SUITES 96 // at least as many as there are

// Every suite with every length of ICV; SPIs from spi on.  Returns how many.
unsigned test_sa_suites(struct test_sa list[TEST_MAX_SUITES], uint32_t spi);
