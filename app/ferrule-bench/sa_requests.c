// SPDX-License-Identifier: BSD-3-Clause
#include "sa_requests.h"

#include "base/secret.h"
#include "load.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SPI 0x100000u

static uint32_t spi_of(uint32_t i)
{
	return FIRST_SPI + i;
}

static int begin(struct fer_bench_requests *r, uint32_t oid, uint32_t n_sas, uint32_t list)
{
	*r = (struct fer_bench_requests){.oid = oid, .n_sas = n_sas, .list = list};
	r->n = (n_sas + list - 1) / list;
	r->buffer = calloc(r->n, sizeof(r->buffer[0]));
	return r->buffer == NULL ? -1 : 0;
}

// 0, or -1 when a buffer could not grow; then nothing is left.
static int finish(struct fer_bench_requests *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->buffer[i].failed) {
			fer_bench_requests_fini(r);
			return -1;
		}
	return 0;
}

void fer_bench_requests_fini(struct fer_bench_requests *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		fer_msg_buf_fini(&r->buffer[i]);
	free(r->buffer);
	*r = (struct fer_bench_requests){0};
}

static uint32_t key_bytes(const struct fer_algo *a)
{
	return a == NULL ? 0 : (uint32_t)a->key_bytes + a->salt_bytes;
}

static struct fer_msg_add make_add(const struct fer_bench_algorithm *a, uint32_t i)
{
	return (struct fer_msg_add){
		.inbound = i % 2 != 0,
		.version = 4,
		.src = {198, 51, 100, 1},
		.dst = {203, 0, 113, 1},
		.n_transforms = 1,
		.transform = {{
			.operation = IPSEC_OFFLOAD_V2_OPERATION_ESP,
			.spi = spi_of(i),
			.esn = true,
			.encryption = {.identifier = a->encryption->ndis,
				.key_bytes = key_bytes(a->encryption)},
			.authentication = {.identifier =
						   a->integrity == NULL ? 0 : a->integrity->ndis,
				.key_bytes = key_bytes(a->integrity)},
		}},
	};
}

int fer_bench_requests_add(struct fer_bench_requests *r,
	const struct fer_bench_algorithm *algorithm, uint32_t first, uint32_t n_sas, uint32_t list)
{
	struct fer_bench_keys keys;

	if (algorithm->encryption->ndis == 0 ||
		(algorithm->integrity != NULL && algorithm->integrity->ndis == 0) ||
		begin(r, OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA, n_sas, list) != 0)
		return -1;
	for (uint32_t i = 0; i < n_sas; i++) {
		struct fer_msg_add add = make_add(algorithm, first + i);

		fer_bench_keys_make(first + i, &keys);
		add.transform[0].encryption.key = keys.encryption;
		add.transform[0].authentication.key = keys.integrity;
		fer_msg_put_add_sa(&r->buffer[i / list], &add);
	}
	fer_secret_wipe(&keys, sizeof(keys));
	return finish(r);
}

int fer_bench_requests_update(
	struct fer_bench_requests *r, const uint64_t handles[], uint32_t first, uint32_t n_sas)
{
	if (begin(r, OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA, n_sas, 1) != 0)
		return -1;
	for (uint32_t i = 0; i < n_sas; i++) {
		const struct fer_msg_update update = {
			.handle = handles[i],
			.operation = IPSEC_OFFLOAD_V2_OPERATION_ESP,
			.spi = spi_of(first + i),
			.sequence_high = 1,
		};

		fer_msg_put_update_sa(&r->buffer[i], &update);
	}
	return finish(r);
}

int fer_bench_requests_delete(
	struct fer_bench_requests *r, const uint64_t handles[], uint32_t n_sas, uint32_t list)
{
	if (begin(r, OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA, n_sas, list) != 0)
		return -1;
	for (uint32_t i = 0; i < n_sas; i++)
		fer_msg_put_delete_sa(&r->buffer[i / list], handles[i]);
	return finish(r);
}
