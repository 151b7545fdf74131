// SPDX-License-Identifier: BSD-3-Clause
#include "nic/oob.h"

#include <rte_errno.h>
#include <rte_mbuf_dyn.h>

int fer_oob_register(void)
{
	static const struct rte_mbuf_dynfield words = {
		.name = "ferrule_oob_words",
		.size = sizeof(struct fer_oob),
		.align = 4,
	};
	int offset = rte_mbuf_dynfield_register_offset(&words, FER_OOB_OFFSET);

	if (offset < 0)
		return -rte_errno;
	return offset == FER_OOB_OFFSET ? 0 : -EBUSY;
}
