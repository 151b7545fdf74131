// SPDX-License-Identifier: BSD-3-Clause
#include "support/ground.h"

#include "crypto/engine.h"
#include "nic/oob.h"
#include "support/eal.h"
#include "support/iv_fixed.h"

#include <stdio.h>
#include <stdlib.h>

struct fer_engine *test_engine;

void test_ground_open(const char *megabytes)
{
	int error = 0;

	fer_test_eal_init(megabytes);
	test_engine = fer_engine_open(test_iv_fixed(), &error);
	if (test_engine == NULL || fer_oob_register() != 0) {
		fputs("the engine does not open\n", stderr);
		exit(EXIT_FAILURE);
	}
}

void test_ground_close(void)
{
	fer_engine_close(test_engine);
}
