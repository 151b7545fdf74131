// SPDX-License-Identifier: BSD-3-Clause
// SAs of the appliance from bytes: both halves, and that they agree.
#include "ctl/codec_parts.h"

static const char *check_outer(const struct fer_msg_outer *o)
{
	if (o->flow_label > 0xFFFFF && o->flow_label != FER_MSG_FLOW_LABEL_COPY)
		return "has a flow label over 0xfffff";
	if (o->dscp > 63 && o->dscp != FER_MSG_DSCP_COPY)
		return "has a DSCP over 63";
	if (o->df > FER_MSG_DF_CLEAR)
		return "has an unknown DF rule";
	if (o->ecn != 0)
		return "has an unknown ECN rule";
	if (o->ttl == 0)
		return "has a TTL of 0";
	return NULL;
}

static const char *check_sa(const struct fer_msg_sa *sa)
{
	if (!fer_msg_is_name(sa->name))
		return "has a name that is none";
	if (!fer_is_word(sa->group, sizeof(sa->group)))
		return "has a group that is no name";
	if (!fer_is_word(sa->esp_encryption, sizeof(sa->esp_encryption)) ||
		!fer_is_word(sa->esp_integrity, sizeof(sa->esp_integrity)) ||
		!fer_is_word(sa->ah_integrity, sizeof(sa->ah_integrity)))
		return "has an algorithm that is no name";
	if (sa->mode > FER_MSG_TUNNEL)
		return "has an unknown mode";
	if ((sa->udp_sport != 0) != (sa->udp_dport != 0))
		return "has one UDP port of two";
	if (sa->reserved != 0)
		return "has reserved bytes that are not 0";
	return NULL;
}

// What the contract calls an SA with these ports.
static uint32_t udp_shape(const struct fer_msg_sa *sa)
{
	if (sa->udp_sport == 0)
		return IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_NONE;
	return sa->mode == FER_MSG_TUNNEL ? IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TUNNEL
					  : IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TRANSPORT;
}

// What the two halves of an SA say about each other.
static const char *check_halves(const struct fer_msg_sa *sa, const struct fer_msg_add *add)
{
	bool esp = false, ah = false;

	for (uint32_t i = 0; i < add->n_transforms; i++) {
		esp |= add->transform[i].operation == IPSEC_OFFLOAD_V2_OPERATION_ESP;
		ah |= add->transform[i].operation == IPSEC_OFFLOAD_V2_OPERATION_AH;
	}
	if (!esp && (sa->esp_encryption[0] != '\0' || sa->esp_integrity[0] != '\0'))
		return "names an algorithm of ESP without ESP";
	if (!ah && sa->ah_integrity[0] != '\0')
		return "names an algorithm of AH without AH";
	if (add->udp_esp != udp_shape(sa))
		return "has UDP ports, and another UdpEspEncapsulation than its mode asks for";
	if (!add->inbound && sa->replay_window != 0)
		return "has a replay window, but is outbound";
	if (add->inbound && (sa->pad_to != 0 || sa->dummy_rate != 0))
		return "has padding or dummies, but is inbound";
	if (!add->inbound && sa->mode == FER_MSG_TUNNEL)
		return check_outer(&sa->outer);
	if (!fer_all_zero(&sa->outer, sizeof(sa->outer)))
		return "has outer rules, but is no outbound tunnel";
	return NULL;
}

static uint32_t get_sa(
	const uint8_t *p, size_t left, struct fer_msg_sa_item *item, struct fer_msg_fault *fault)
{
	uint32_t status = fer_get_front(p, left, &item->sa, sizeof(item->sa), fault);
	struct fer_named named;
	const char *why;

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (item->sa.add_offset % 8 != 0 || item->sa.add_offset < item->sa.size ||
		item->sa.add_offset > left || item->sa.add_length > left - item->sa.add_offset)
		return fer_fault_data(fault, "has its ADD_SA_EX in a wrong place");
	why = check_sa(&item->sa);
	if (why != NULL)
		return fer_fault_data(fault, why);
	named = (struct fer_named){item->sa.esp_encryption[0] != '\0',
		item->sa.esp_integrity[0] != '\0', item->sa.ah_integrity[0] != '\0'};
	status = fer_get_add_sa_ex(
		p + item->sa.add_offset, item->sa.add_length, &named, &item->add, fault);
	if (status != NDIS_STATUS_SUCCESS)
		return status;
	why = check_halves(&item->sa, &item->add);
	if (why != NULL)
		return fer_fault_data(fault, why);
	if (item->sa.group[0] == '\0')
		memcpy(item->sa.group, item->sa.name, sizeof(item->sa.group));
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_next_sa(
	struct fer_msg_walk *w, struct fer_msg_sa_item *item, struct fer_msg_fault *fault)
{
	struct fer_msg_sa_item i = {0};
	uint32_t status = get_sa(w->bytes + w->at, w->len - w->at, &i, fault);

	if (status == NDIS_STATUS_SUCCESS)
		status =
			fer_walk_on(w, i.sa.next, w->at + i.sa.add_offset + i.sa.add_length, fault);
	if (status == NDIS_STATUS_SUCCESS)
		*item = i;
	else
		fault->element = w->n;
	return status;
}

// Checks the list behind a front of `first` bytes and sets a walk to its first element.
static uint32_t get_sas(const void *data, size_t len, size_t first, struct fer_msg_walk *w,
	uint32_t *n, struct fer_msg_fault *fault)
{
	struct fer_msg_walk walk;
	struct fer_msg_sa_item item;

	for (fer_msg_walk_init(&walk, data, len, first); fer_msg_walk_more(&walk);) {
		uint32_t status = fer_msg_next_sa(&walk, &item, fault);

		if (status != NDIS_STATUS_SUCCESS)
			return status;
	}
	*n = walk.n;
	fer_msg_walk_init(w, data, len, first);
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_sa_add(const void *data, size_t len, struct fer_msg_walk *w, uint32_t *n,
	struct fer_msg_fault *fault)
{
	struct fer_msg_sa_add front;
	uint32_t status = fer_get_front(data, len, &front, sizeof(front), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	return get_sas(data, len, front.size, w, n, fault);
}

uint32_t fer_msg_get_sa_swap(const void *data, size_t len, uint32_t *drain_ms,
	struct fer_msg_walk *w, uint32_t *n, struct fer_msg_fault *fault)
{
	struct fer_msg_sa_swap front;
	uint32_t status = fer_get_front(data, len, &front, sizeof(front), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (front.reserved != 0)
		return fer_fault_data(fault, "has reserved bytes that are not 0");
	status = get_sas(data, len, front.size, w, n, fault);
	if (status == NDIS_STATUS_SUCCESS)
		*drain_ms = front.drain_ms;
	return status;
}
