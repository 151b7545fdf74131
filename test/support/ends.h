// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Two ends of tunnels, opened anew for every test, and what a program of such tests starts from.

#include "host/sink.h"
#include "support/end.h"
#include "support/mbufs.h"
#include "support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct test_ends {
	struct rte_mempool *pool;
	struct test_end west, east; // west sends, east receives
	struct fer_batch batch;
	struct fer_outcomes outcomes; // of what west and east did with it
	uint64_t timed_out;
	unsigned n_used; // segments when the test began
};

extern struct test_ends test_ends;

// Set-up and tear-down of one test, which fails where a segment is not given back.
int test_ends_open(void **state);
int test_ends_close(void **state);

#define TEST_WITH_ENDS(name) cmocka_unit_test_setup_teardown(name, test_ends_open, test_ends_close)

// Runs a group of tests; name is that of the pool, of which a segment has room for so many bytes
// behind its headroom.  Returns what main() returns.
int test_ends_main(
	const struct CMUnitTest tests[], size_t n, const char *name, uint16_t data_bytes);

// Adds an SA to west and to east, a window of 64 included.  The numbers begin behind sa->sequence
// at both.
struct test_tunnel {
	struct fer_sa *out, *in;
	uint64_t handle; // of out
};
struct test_tunnel test_ends_add(const struct test_sa *sa);

// Starts a batch of one packet.
void test_ends_put(struct rte_mbuf *m, enum fer_link link);

// Carries the batch through an end, and gives the verdict of its first packet.  What did not end in
// FER_OK is freed; test_ends_drop() frees the rest.
enum fer_verdict test_ends_send(void);
enum fer_verdict test_ends_receive(void);
void test_ends_drop(void);

// Compares verdicts by their names.
void test_assert_verdict(enum fer_verdict is, enum fer_verdict want);
