// SPDX-License-Identifier: BSD-3-Clause
// Do the lists of private OIDs and of events say each thing once?  Offsets and sizes are checked
// when the headers are compiled.
#include "ctl/client.h"
#include "ctl/codec.h"
#include "ctl/msg.h"
#include "ctl/ndis.h"
#include "ctl/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void private_oids_differ_and_keep_to_their_range(void **state)
{
	static const uint32_t oids[] = {
#define OID(name, number, type, takes, answers) FER_MSG_##name,
		FER_MSG_OIDS(OID)
#undef OID
	};
	const size_t n = sizeof(oids) / sizeof(oids[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(oids[i] >> 24, 0xFF);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(oids[i], oids[k]);
	}
}

static void every_event_has_its_bit(void **state)
{
	uint64_t all = 0;

	(void)state;
#define EVENT(name, number, text)                                                                  \
	assert_int_equal(all & 1ull << (number), 0);                                               \
	all |= 1ull << (number);
	FER_MSG_EVENTS(EVENT)
#undef EVENT
	assert_int_equal(all, FER_MSG_EVENTS_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_oids_differ_and_keep_to_their_range),
		cmocka_unit_test(every_event_has_its_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
