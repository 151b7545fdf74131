// SPDX-License-Identifier: BSD-3-Clause
#include "nic/nic.h"

#include "crypto/engine.h"
#include "nic/stages.h"

#include <errno.h>

int fer_nic_init(struct fer_nic *nic, struct fer_sa_table *sas, const struct fer_iv_source *ivs)
{
	int error = -ENOMEM;

	*nic = (struct fer_nic){.sas = sas, .crypt = fer_crypt_create()};
	if (nic->crypt == NULL)
		return error;
	nic->engine = fer_engine_open(ivs, &error);
	if (nic->engine == NULL) {
		fer_crypt_destroy(nic->crypt);
		return error;
	}
	return 0;
}

void fer_nic_fini(struct fer_nic *nic)
{
	fer_engine_close(nic->engine);
	fer_crypt_destroy(nic->crypt);
	*nic = (struct fer_nic){0};
}

void fer_nic_transmit(struct fer_nic *nic, struct fer_batch *b)
{
	unsigned n_rounds = fer_bind_out(nic, b);

	for (unsigned k = 0; k < n_rounds; k++) // inside out
		fer_crypt_seal(nic, b, k);
}

void fer_nic_receive(struct fer_nic *nic, struct fer_batch *b)
{
	while (fer_bind_in(nic, b) > 0)
		fer_crypt_open(nic, b);
	fer_tag(nic, b);
}
