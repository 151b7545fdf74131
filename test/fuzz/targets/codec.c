// SPDX-License-Identifier: BSD-3-Clause
// Can any bytes lead the codec of the control socket out of its message?  The samples know how to
// decode everything of each kind.
//
// Input: which kind, then the information buffer.
#include "target.h"

#include "ctl/codec_samples.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sample *s = &samples[target_take8(&data, &size) % n_samples];
	struct fer_msg_fault fault = {0};
	struct fer_msg_header header;
	uint8_t *copy = malloc(size + (size == 0));

	TARGET_MUST(copy != NULL);
	memcpy(copy, data, size);
	uint32_t status = s->decode(copy, size, &fault);
	TARGET_MUST(status == NDIS_STATUS_SUCCESS || fault.why != NULL);
	if (size >= sizeof(header))
		TARGET_MUST(fer_msg_get_header(copy, &header) != NDIS_STATUS_PENDING);
	free(copy);
	return 0;
}

void target_seeds(target_put *put, void *arg)
{
	for (size_t i = 0; i < n_samples; i++) {
		struct fer_msg_buf b = {0};
		static uint8_t bytes[8192];

		samples[i].build(&b);
		TARGET_MUST(!b.failed && b.len < sizeof(bytes));
		bytes[0] = (uint8_t)i;
		memcpy(bytes + 1, b.bytes, b.len);
		put(arg, samples[i].name, bytes, 1 + b.len);
		fer_msg_buf_fini(&b);
	}
}
