// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <string.h>

static uint32_t algorithms(enum fer_algo_role role)
{
	const struct fer_algo *a;
	uint32_t bits = 0;

	for (unsigned i = 0; (a = fer_algo_row(i)) != NULL; i++)
		if (a->role == role)
			bits |= a->ndis;
	return bits;
}

// What a pair can do.  Nothing switches any of it off, so this is what the hardware can do, what is
// configured, and what a bind tells.  Checksums and large sends are the host half's own affair and
// no offload that a host could ask for.
static struct ndis_offload offload(const struct fer_pair *p)
{
	return (struct ndis_offload){
		.header = {.type = NDIS_OBJECT_TYPE_OFFLOAD,
			.revision = NDIS_OFFLOAD_REVISION_3,
			.size = NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3},
		.ipsec_v2 = {.encapsulation = NDIS_ENCAPSULATION_IEEE_802_3 |
					      NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q,
			.ipv6_supported = 1,
			.ipv4_options = 1,
			.ipv6_non_ipsec_extension_headers = 1,
			.esp = 1,
			.transport = 1,
			.tunnel = 1,
			.transport_tunnel_combined = 1,
			.extended_sequence_numbers = 1,
			.udp_esp = IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_NONE,
			.authentication_algorithms = algorithms(FER_INTEGRITY),
			.encryption_algorithms = algorithms(FER_ENCRYPTION),
			.sa_offload_capacity = fer_sa_capacity(p->sas)},
	};
}

void fer_service_capabilities(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct ndis_offload o = offload(fer_service_pair(arg, r));
	struct fer_msg_buf b = {0};

	(void)data, (void)len; // a query that brings something is answered all the same
	fer_msg_put_offload(&b, &o);
	fer_service_answer(r, &b);
}

void fer_service_describe(const struct fer_pair *p, struct fer_msg_pair *msg)
{
	*msg = (struct fer_msg_pair){.pair = (uint16_t)p->number,
		.host_mode = FER_MSG_HOST_STACK,
		.default_offload = offload(p)};
	fer_msg_set_string(msg->name, sizeof(msg->name), p->name[0] != '\0' ? p->name : "default");
}
