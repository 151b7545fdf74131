// SPDX-License-Identifier: BSD-3-Clause
// What a protocol driver and an administrator set: which offload is configured, that it begins, and
// that a pair begins anew.
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

// Sends a set to the pair that was chosen; takes b over.
static int set(struct session *s, uint32_t oid, struct fer_msg_buf *b)
{
	struct fer_client_reply reply;
	uint16_t pair;

	if (!session_open(s) || !session_choose(s, NULL, &pair)) {
		fer_msg_buf_fini(b);
		return EXIT_FAILURE;
	}
	if (!session_call(s, FER_MSG_TYPE_SET, oid, pair, b, &reply))
		return EXIT_FAILURE;
	fer_client_reply_fini(&reply);
	return EXIT_SUCCESS;
}

int verb_offload_set(struct session *s, const struct arguments *a)
{
	static const struct {
		const char *word;
		uint8_t value;
	} settings[] = {
		{"ipsec=disabled", NDIS_OFFLOAD_PARAMETERS_IPSECV2_DISABLED},
		{"ipsec=ah", NDIS_OFFLOAD_PARAMETERS_IPSECV2_AH_ENABLED},
		{"ipsec=esp", NDIS_OFFLOAD_PARAMETERS_IPSECV2_ESP_ENABLED},
		{"ipsec=ah+esp", NDIS_OFFLOAD_PARAMETERS_IPSECV2_AH_AND_ESP_ENABLED},
	};
	struct ndis_offload_parameters p = {
		.header = {.type = NDIS_OBJECT_TYPE_DEFAULT,
			.revision = NDIS_OFFLOAD_PARAMETERS_REVISION_2,
			.size = NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_2}};
	struct fer_msg_buf b = {0};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(a->words[0], settings[i].word) == 0)
			p.ipsec_v2 = settings[i].value;
	if (p.ipsec_v2 == NDIS_OFFLOAD_PARAMETERS_NO_CHANGE) {
		complain("%.70s: is not one of ipsec=disabled, ipsec=ah, ipsec=esp, ipsec=ah+esp",
			a->words[0]);
		return EXIT_USAGE;
	}
	fer_msg_put_offload_parameters(&b, &p);
	return set(s, OID_TCP_OFFLOAD_PARAMETERS, &b);
}

int verb_encapsulation(struct session *s, const struct arguments *a)
{
	struct ndis_offload_encapsulation e = {
		.header = {.type = NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION,
			.revision = NDIS_OFFLOAD_ENCAPSULATION_REVISION_1,
			.size = NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1}};
	struct ndis_offload_encapsulation_family family = {.enabled = NDIS_OFFLOAD_SET_OFF};
	struct fer_msg_buf b = {0};
	const char *which = a->kind != NULL ? a->kind : "both";

	if (strcmp(a->words[0], "on") == 0) {
		family = (struct ndis_offload_encapsulation_family){
			.enabled = NDIS_OFFLOAD_SET_ON,
			.encapsulation_type = NDIS_ENCAPSULATION_IEEE_802_3,
			.header_size = 14,
		};
	} else if (strcmp(a->words[0], "off") != 0) {
		complain("%.70s: is not one of on, off", a->words[0]);
		return EXIT_USAGE;
	}
	if (strcmp(which, "ipv6") != 0)
		e.ipv4 = family;
	if (strcmp(which, "ipv4") != 0)
		e.ipv6 = family;
	fer_msg_put_offload_encapsulation(&b, &e);
	return set(s, OID_OFFLOAD_ENCAPSULATION, &b);
}

int verb_reset(struct session *s, const struct arguments *a)
{
	struct fer_msg_buf none = {0};

	(void)a;
	return set(s, FER_MSG_RESET, &none);
}
