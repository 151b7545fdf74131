// SPDX-License-Identifier: BSD-3-Clause
#include "message.h"

#include <string.h>

// An algorithm without an identifier of the contract goes by its name.
static void set_algorithm(const struct fer_algo *a, const struct fer_doc_key *key,
	struct fer_msg_algorithm *m, char name[FER_MSG_ALGORITHM_BYTES])
{
	if (a == NULL)
		return;
	m->identifier = a->ndis;
	m->key_bytes = key->len;
	m->key = key->len > 0 ? key->bytes : NULL;
	if (a->ndis == 0)
		fer_msg_set_string(name, FER_MSG_ALGORITHM_BYTES, a->name);
}

static void put_esp(const struct fer_doc_sa *s, struct fer_msg_sa *sa, struct fer_msg_transform *t)
{
	*t = (struct fer_msg_transform){
		.operation = IPSEC_OFFLOAD_V2_OPERATION_ESP, .spi = s->spi, .esn = s->esn};
	set_algorithm(s->encryption, &s->encryption_key, &t->encryption, sa->esp_encryption);
	set_algorithm(s->integrity, &s->integrity_key, &t->authentication, sa->esp_integrity);
	if (s->encryption->aead)
		t->encryption.info = s->icv_bytes;
}

static void put_ah(const struct fer_doc_sa *s, struct fer_msg_sa *sa, struct fer_msg_transform *t)
{
	*t = (struct fer_msg_transform){
		.operation = IPSEC_OFFLOAD_V2_OPERATION_AH, .spi = s->ah.spi, .esn = s->esn};
	set_algorithm(s->ah.integrity, &s->ah.key, &t->authentication, sa->ah_integrity);
}

void message_put_sa(struct fer_msg_buf *b, const struct fer_doc *doc, const struct fer_doc_sa *s)
{
	struct fer_msg_sa sa = {
		.sequence = s->sequence,
		.replay_window = s->replay_window,
		.pad_to = s->tfc.pad_to,
		.dummy_rate = s->tfc.dummy_rate,
		.udp_sport = s->udp.sport,
		.udp_dport = s->udp.dport,
		.mode = s->mode == FER_TUNNEL ? FER_MSG_TUNNEL : FER_MSG_TRANSPORT,
	};
	struct fer_msg_add add = {
		.inbound = s->direction == FER_IN,
		.version = s->dst.version,
	};

	if (s->udp.sport != 0)
		add.udp_esp = s->mode == FER_TUNNEL
				      ? IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TUNNEL
				      : IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TRANSPORT;
	sa.lifetime = (struct fer_msg_lifetime){
		.soft_bytes = s->lifetime.soft_bytes,
		.hard_bytes = s->lifetime.hard_bytes,
		.soft_packets = s->lifetime.soft_packets,
		.hard_packets = s->lifetime.hard_packets,
		.soft_seconds = s->lifetime.soft_seconds,
		.hard_seconds = s->lifetime.hard_seconds,
	};
	memcpy(sa.name, s->name, sizeof(sa.name));
	memcpy(sa.group, doc->groups[s->group].name, sizeof(sa.group));
	if (s->direction == FER_OUT && s->mode == FER_TUNNEL)
		sa.outer = (struct fer_msg_outer){.flow_label = s->outer.flow_label,
			.dscp = s->outer.dscp,
			.df = s->outer.df,
			.ttl = s->outer.ttl};
	memcpy(add.src, s->src.bytes, sizeof(add.src));
	memcpy(add.dst, s->dst.bytes, sizeof(add.dst));
	if (s->spi != 0)
		put_esp(s, &sa, &add.transform[add.n_transforms++]);
	if (s->ah.spi != 0)
		put_ah(s, &sa, &add.transform[add.n_transforms++]);
	fer_msg_put_sa(b, &sa, &add);
}

void message_put_policy(
	struct fer_msg_buf *b, const struct fer_doc *doc, const struct fer_doc_policy *p)
{
	static const uint8_t actions[] = {[FER_DOC_PROTECT] = FER_MSG_PROTECT,
		[FER_DOC_BYPASS] = FER_MSG_BYPASS,
		[FER_DOC_DISCARD] = FER_MSG_DISCARD};
	struct fer_msg_policy m = {
		.priority = p->priority,
		.src_version = p->src.addr.version,
		.dst_version = p->dst.addr.version,
		.src_len = p->src.len,
		.dst_len = p->dst.len,
		.protocol = p->protocol == FER_DOC_PROTOCOL_ANY ? FER_MSG_ANY : p->protocol,
		.icmp_type = p->icmp_type == FER_DOC_ICMP_TYPE_ANY ? FER_MSG_ANY : p->icmp_type,
		.sport_first = p->sport.first,
		.sport_last = p->sport.last,
		.dport_first = p->dport.first,
		.dport_last = p->dport.last,
		.direction = p->direction == FER_OUT ? FER_MSG_OUT : FER_MSG_IN,
		.action = actions[p->action],
		.n_groups = (uint8_t)p->n_groups,
	};

	memcpy(m.name, p->name, sizeof(m.name));
	memcpy(m.src, p->src.addr.bytes, sizeof(m.src));
	memcpy(m.dst, p->dst.addr.bytes, sizeof(m.dst));
	for (uint32_t g = 0; g < p->n_groups && g < FER_MSG_POLICY_GROUPS; g++)
		memcpy(m.group[g], doc->groups[p->groups[g]].name, sizeof(m.group[g]));
	fer_msg_put_element(b, &m, sizeof(m));
}
