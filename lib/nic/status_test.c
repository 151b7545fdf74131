// SPDX-License-Identifier: BSD-3-Clause
// Does every outcome have the CryptoStatus that the contract gives it?
#include "nic/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

// The numbers are those of the contract, not of another system with the same names.
static void does_an_icv_failure_name_mode_and_protocol(void **state)
{
	(void)state;
	assert_int_equal(fer_status_of(FER_BAD_ICV, FER_PROTO_AH, FER_TRANSPORT), 2);
	assert_int_equal(fer_status_of(FER_BAD_ICV, FER_PROTO_ESP, FER_TRANSPORT), 3);
	assert_int_equal(fer_status_of(FER_BAD_ICV, FER_PROTO_AH, FER_TUNNEL), 4);
	assert_int_equal(fer_status_of(FER_BAD_ICV, FER_PROTO_ESP, FER_TUNNEL), 5);
}

static unsigned status_of(enum fer_verdict v)
{
	switch (v) {
	case FER_OK:
		return 0;
	case FER_BAD_SYNTAX:
		return 6;
	case FER_BAD_PROTOCOL:
		return 7;
	default: // whatever has no code of its own
		return 1;
	}
}

static void does_every_other_outcome_have_one_status(void **state)
{
	(void)state;
	for (enum fer_verdict v = FER_OK; v < FER_N_VERDICTS; v++) {
		if (v == FER_BAD_ICV)
			continue;
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(fer_status_of(v, i < 2 ? FER_PROTO_AH : FER_PROTO_ESP,
						 i % 2 == 0 ? FER_TRANSPORT : FER_TUNNEL),
				status_of(v));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_an_icv_failure_name_mode_and_protocol),
		cmocka_unit_test(does_every_other_outcome_have_one_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
