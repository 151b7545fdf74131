// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include "base/secret.h"
#include "sa/params.h"

#include <string.h>

#define PLAIN_WINDOW 1024 // of what comes without parameters of the host half

static_assert(FER_MSG_DSCP_COPY == FER_DSCP_COPY && FER_MSG_FLOW_LABEL_COPY == FER_FLOW_LABEL_COPY,
	"outer rules are copied as they are");
static_assert((int)FER_MSG_DF_SET == FER_DF_SET && (int)FER_MSG_DF_CLEAR == FER_DF_CLEAR,
	"outer rules are copied as they are");
static_assert(FER_MSG_PAD_TO_MTU == FER_TFC_MTU, "and padding");
static_assert((int)FER_MSG_TUNNEL == FER_TUNNEL && (int)FER_MSG_IN == FER_IN, "as is the mode");

#define SAME_PLACE(member)                                                                         \
	static_assert(offsetof(struct fer_msg_lifetime, member) ==                                 \
			      offsetof(struct fer_lifetime, member),                               \
		"lifetimes are copied as they are")
SAME_PLACE(soft_bytes);
SAME_PLACE(hard_bytes);
SAME_PLACE(soft_packets);
SAME_PLACE(hard_packets);
SAME_PLACE(soft_seconds);
SAME_PLACE(hard_seconds);
static_assert(sizeof(struct fer_msg_lifetime) == sizeof(struct fer_lifetime), "all of them");

static const struct fer_algo *find_bit(enum fer_algo_role role, uint32_t bit)
{
	const struct fer_algo *a;

	for (unsigned i = 0; (a = fer_algo_row(i)) != NULL; i++)
		if (a->role == role && a->ndis != 0 && a->ndis == bit)
			return a;
	return NULL;
}

// The row of an algorithm by its name, or else its identifier; NULL: none.  *why is set when there
// is one that does not exist, or the key is none of its.
static const struct fer_algo *find_algorithm(enum fer_algo_role role, const char *name,
	const struct fer_msg_algorithm *m, const char **why)
{
	const struct fer_algo *a;

	if (name[0] == '\0' && m->identifier == 0)
		return NULL;
	a = name[0] != '\0' ? fer_algo_find(role, name) : find_bit(role, m->identifier);
	if (a == NULL)
		*why = role == FER_ENCRYPTION ? "has an encryption algorithm that is not supported"
					      : "has an integrity algorithm that is not supported";
	else if (m->key_bytes != (unsigned)a->key_bytes + a->salt_bytes)
		*why = role == FER_ENCRYPTION ? "has an encryption key of a wrong length"
					      : "has an integrity key of a wrong length";
	return a;
}

// AdditionalInfo of a combined mode is the length of the ICV, and the contract does not say in
// which unit: bytes and bits cannot be mistaken for each other, so both are taken.  0: the usual
// length, and what other algorithms get, where it has no meaning.
static unsigned icv_bytes(const struct fer_algo *a, uint32_t info)
{
	if (a == NULL || !a->aead)
		return 0;
	return info >= 64 && info % 8 == 0 ? info / 8 : info;
}

// The contract gives the high half, and says nothing of the low one: it begins at 0.
static uint64_t sequence_of(const struct fer_msg_transform *t)
{
	return t->esn && t->sequence_high != 0 ? ((uint64_t)t->sequence_high << 32) - 1 : 0;
}

static const char *set_esp(
	const struct fer_msg_transform *t, const struct fer_msg_sa *sa, struct fer_sa_params *p)
{
	const char *encryption = sa == NULL ? "" : sa->esp_encryption;
	const char *integrity = sa == NULL ? "" : sa->esp_integrity;
	const char *why = NULL;

	p->encryption = find_algorithm(FER_ENCRYPTION, encryption, &t->encryption, &why);
	if (why == NULL && p->encryption == NULL)
		p->encryption = find_bit(FER_ENCRYPTION, IPSEC_OFFLOAD_V2_ENCRYPTION_NONE);
	if (why == NULL)
		p->integrity = find_algorithm(FER_INTEGRITY, integrity, &t->authentication, &why);
	if (why != NULL)
		return why;
	p->spi = t->spi;
	p->sequence = sequence_of(t);
	p->encryption_key = t->encryption.key;
	p->integrity_key = t->authentication.key;
	p->icv_bytes = icv_bytes(p->encryption, t->encryption.info);
	return NULL;
}

static const char *set_ah(
	const struct fer_msg_transform *t, const struct fer_msg_sa *sa, struct fer_sa_params *p)
{
	const char *why = NULL;

	p->ah.integrity = find_algorithm(
		FER_INTEGRITY, sa == NULL ? "" : sa->ah_integrity, &t->authentication, &why);
	p->ah.spi = t->spi;
	p->ah.sequence = sequence_of(t);
	p->ah.key = t->authentication.key;
	return why;
}

// ESP, AH, or ESP and then AH, which have one kind of numbers.
static const char *set_transforms(
	const struct fer_msg_add *add, const struct fer_msg_sa *sa, struct fer_sa_params *p)
{
	const char *why = NULL;

	for (uint32_t i = 0; i < add->n_transforms && why == NULL; i++) {
		const struct fer_msg_transform *t = &add->transform[i];

		if (t->esn != p->esn)
			why = "has ESN in one of two headers";
		else if (t->operation == IPSEC_OFFLOAD_V2_OPERATION_AH)
			why = set_ah(t, sa, p);
		else
			why = set_esp(t, sa, p);
	}
	return why;
}

static struct fer_addr address(uint8_t version, const uint8_t bytes[16])
{
	struct fer_addr a = {.version = version};

	memcpy(a.bytes, bytes, version == 4 ? 4 : 16);
	return a;
}

// Where the shapes of the contract have a UDP header (section 2.10).  Its ports are always 4500;
// only those of the host half may be others.
static void set_udp(uint32_t shape, bool inbound, struct fer_sa_params *p)
{
	switch (shape) {
	case IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TRANSPORT:
	case IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TUNNEL:
		p->udp_at = FER_UDP_OUTSIDE | FER_UDP_INSIDE;
		break;
	case IPSEC_OFFLOAD_V2_TRANSPORT_OVER_UDP_ESP_ENCAPSULATION_TUNNEL:
		p->udp_at = FER_UDP_OUTSIDE;
		break;
	case IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TRANSPORT_OVER_TUNNEL:
		p->udp_at = FER_UDP_INSIDE;
		break;
	default:
		return;
	}
	if (inbound)
		p->udp.dport = FER_PORT_NAT;
}

static void set_host_part(const struct fer_msg_sa *sa, struct fer_sa_params *p)
{
	p->mode = (enum fer_mode)sa->mode;
	p->sequence = p->ah.sequence = sa->sequence;
	p->replay_window = sa->replay_window;
	p->udp = (struct fer_udp){.sport = sa->udp_sport, .dport = sa->udp_dport};
	p->outer = (struct fer_outer_rules){.flow_label = sa->outer.flow_label,
		.dscp = sa->outer.dscp,
		.ttl = sa->outer.ttl,
		.df = sa->outer.df};
	p->tfc = (struct fer_tfc){.dummy_rate = sa->dummy_rate, .pad_to = sa->pad_to};
	memcpy(&p->lifetime, &sa->lifetime, sizeof(p->lifetime));
}

static const char *check_legacy(const struct fer_pair *pair, const struct fer_sa_params *p)
{
	bool legacy = (p->encryption != NULL && p->encryption->legacy) ||
		      (p->integrity != NULL && p->integrity->legacy) ||
		      (p->ah.integrity != NULL && p->ah.integrity->legacy);

	return legacy && !pair->legacy_algorithms
		       ? "has a legacy algorithm, which the configuration does not allow"
		       : NULL;
}

// SAs of the contract's requests are a contract host's, which numbers packets, judges numbers, and
// answers for its keys.
static void set_contract_part(const struct fer_msg_add *add, struct fer_sa_params *params)
{
	params->contract = true;
	params->replay_window = 0;
	for (uint32_t i = 0; i < add->n_transforms; i++) {
		const struct fer_msg_transform *t = &add->transform[i];
		const uint64_t sequence = t->esn ? (uint64_t)t->sequence_high << 32 : 0;

		if (t->operation == IPSEC_OFFLOAD_V2_OPERATION_AH)
			params->ah.sequence = sequence;
		else
			params->sequence = sequence;
	}
}

const char *fer_service_sa_params(const struct fer_pair *p, const struct fer_msg_add *add,
	const struct fer_msg_sa *sa, struct fer_sa_params *params)
{
	struct fer_sa_suites suites;
	const char *why;

	*params = (struct fer_sa_params){
		.direction = add->inbound ? FER_IN : FER_OUT,
		.mode = FER_TRANSPORT,
		.group = FER_NO_GROUP,
		.src = address(add->version, add->src),
		.dst = address(add->version, add->dst),
		.esn = add->transform[0].esn,
		.replay_window = add->inbound ? PLAIN_WINDOW : 0,
	};
	set_udp(add->udp_esp, add->inbound, params);
	why = set_transforms(add, sa, params);
	if (why == NULL)
		why = check_legacy(p, params);
	if (why == NULL && sa != NULL)
		set_host_part(sa, params);
	if (why == NULL && p->is_oob)
		set_contract_part(add, params);
	if (why != NULL)
		return why;
	why = fer_sa_params_check(params, 0, &suites);
	fer_secret_wipe(&suites, sizeof(suites));
	return why;
}
