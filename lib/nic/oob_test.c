// SPDX-License-Identifier: BSD-3-Clause
// Are the words where they belong, bit for bit, and is it noticed when their room is taken?
#include "nic/oob.h"

#include "support/eal.h"

#include <rte_mbuf_dyn.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void do_the_words_lie_in_the_mbuf(void **state)
{
	static uint8_t mbuf[sizeof(struct rte_mbuf)] __attribute__((aligned(64)));
	struct rte_mbuf *m = (struct rte_mbuf *)mbuf;
	uint8_t untouched[sizeof(mbuf)];

	(void)state;
	memset(mbuf, 0xff, sizeof(mbuf));
	memset(untouched, 0xff, sizeof(mbuf));
	memset(untouched + 92, 0, 28);
	fer_oob_clear(m);
	assert_memory_equal(mbuf, untouched, sizeof(mbuf));
	assert_true((uintptr_t)&fer_oob_of(m)->lso < (uintptr_t)(m + 1));
}

static void does_slot_12_say_what_was_sent(void **state)
{
	(void)state;
	for (uint32_t off = 0; off <= FER_OOB_MAX_OFFSET; off += 4) {
		struct fer_oob o = {.header = fer_oob_header_send(0x29, 0xfe, 1020 - off, off)};

		assert_int_equal(o.header & 0xff, 0x29);
		assert_int_equal(o.header >> 8 & 0xff, 0xfe);
		assert_int_equal(o.header >> 16 & 0xff, 255 - off / 4);
		assert_int_equal(o.header >> 24, off / 4);
		assert_int_equal(fer_oob_next_header(&o), 0x29);
		assert_int_equal(fer_oob_pad_length(&o), 0xfe);
		assert_int_equal(fer_oob_esp_offset(&o), off);
	}
}

static void does_slot_12_say_what_was_received(void **state)
{
	struct fer_oob o = {.header = fer_oob_header_receive(0xff, 0xff)};

	(void)state;
	assert_int_equal(o.header, 0x1ffff);
	assert_int_equal(fer_oob_header_receive(6, 0), 0x10006);
	assert_int_equal(fer_oob_header_receive(0, 6), 0x10600);
}

static void is_the_status_the_third_and_fourth_byte(void **state)
{
	struct fer_oob o = {.ipsec = 0x00050006};

	(void)state;
	assert_int_equal(fer_oob_crypto_status(&o), FER_CRYPTO_TUNNEL_ESP_AUTH_FAILED);
	assert_int_equal(o.ipsec,
		FER_OOB_CRYPTO_DONE | FER_OOB_NEXT_CRYPTO_DONE | 5 << FER_OOB_CRYPTO_STATUS_SHIFT);
}

static void may_the_field_be_registered_again(void **state)
{
	(void)state;
	assert_int_equal(fer_oob_register(), 0);
	assert_int_equal(fer_oob_register(), 0);
}

// In a process of its own, where another library comes first.
static int register_late(void)
{
	const struct rte_mbuf_dynfield other = {.name = "other", .size = 4, .align = 4};

	fer_test_eal_init("32");
	if (rte_mbuf_dynfield_register_offset(&other, FER_OOB_OFFSET + 24) < 0)
		return 1;
	return fer_oob_register() == -EBUSY ? 0 : 2;
}

static void is_a_room_that_is_taken_refused(void **state)
{
	assert_int_equal(*(const int *)*state, 0);
}

int main(void)
{
	int status = 1;
	pid_t child = fork();

	if (child == 0)
		_exit(register_late());
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(do_the_words_lie_in_the_mbuf),
		cmocka_unit_test(does_slot_12_say_what_was_sent),
		cmocka_unit_test(does_slot_12_say_what_was_received),
		cmocka_unit_test(is_the_status_the_third_and_fourth_byte),
		cmocka_unit_test(may_the_field_be_registered_again),
		cmocka_unit_test_prestate(is_a_room_that_is_taken_refused, &status),
	};

	fer_test_eal_init("32");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
