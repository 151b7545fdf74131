// SPDX-License-Identifier: BSD-3-Clause
#include "offload.h"

#include "slots.h"

#include "crypto/algo.h"
#include "nic/nic.h"

#include <stddef.h>
#include <string.h>

// Keyword values of IPsec are sets of two protocols.
#define KEYWORD_AH 1u
#define KEYWORD_ESP 2u

struct offered {
	uint32_t authentication;
	uint32_t encryption;
};

// Encryption that has no integrity of its own is nothing without another algorithm's.
static struct offered algorithms(bool legacy, uint64_t lacks)
{
	struct offered o = {0};
	uint32_t bare = 0;
	const struct fer_algo *a;

	for (unsigned i = 0; (a = fer_algo_row(i)) != NULL; i++) {
		if ((a->legacy && !legacy) || fer_algo_is_in(lacks, a))
			continue;
		if (a->role == FER_INTEGRITY)
			o.authentication |= a->ndis;
		else if (a->aead)
			o.encryption |= a->ndis;
		else
			bare |= a->ndis;
	}
	if (o.authentication != 0)
		o.encryption |= bare;
	return o;
}

struct ndis_offload fer_offload_hardware(uint32_t capacity, bool legacy, uint64_t lacks)
{
	const struct offered offered = algorithms(legacy, lacks);
	const bool ah = offered.authentication != 0, esp = offered.encryption != 0;

	return (struct ndis_offload){
		.header = {.type = NDIS_OBJECT_TYPE_OFFLOAD,
			.revision = NDIS_OFFLOAD_REVISION_3,
			.size = NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3},
		.ipsec_v2 = {.encapsulation = NDIS_ENCAPSULATION_IEEE_802_3 |
					      NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q,
			.ipv6_supported = 1,
			.ipv4_options = 1,
			.ipv6_non_ipsec_extension_headers = 1,
			.ah = ah,
			.esp = esp,
			.ah_esp_combined = ah && esp,
			.transport = 1,
			.tunnel = 1,
			.transport_tunnel_combined = 1,
			.extended_sequence_numbers = 1,
			.udp_esp = IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TRANSPORT |
				   IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TUNNEL |
				   IPSEC_OFFLOAD_V2_TRANSPORT_OVER_UDP_ESP_ENCAPSULATION_TUNNEL |
				   IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TRANSPORT_OVER_TUNNEL,
			.authentication_algorithms = offered.authentication,
			.encryption_algorithms = offered.encryption,
			.sa_offload_capacity = capacity},
	};
}

// --- what ports let it do ---------------------------------------------------------------------

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

// Sets of bits, and fields of two bits that are 0 or 1.
static void common_bits(void *to, const void *with, size_t n)
{
	uint8_t *t = to;
	const uint8_t *w = with;

	for (size_t i = 0; i < n; i++)
		t[i] &= w[i];
}

struct ndis_offload fer_offload_common(const struct ndis_offload *a, const struct ndis_offload *b)
{
	struct ndis_offload o = *a;

	common_bits(&o.checksum, &b->checksum, sizeof(o) - offsetof(struct ndis_offload, checksum));
	// What is no bit: the smaller of what is promised, the larger of what is asked.
	o.lso_v1.max_offload_size = least(a->lso_v1.max_offload_size, b->lso_v1.max_offload_size);
	o.lso_v1.min_segment_count = most(a->lso_v1.min_segment_count, b->lso_v1.min_segment_count);
	o.lso_v2.ipv4_max_offload_size =
		least(a->lso_v2.ipv4_max_offload_size, b->lso_v2.ipv4_max_offload_size);
	o.lso_v2.ipv4_min_segment_count =
		most(a->lso_v2.ipv4_min_segment_count, b->lso_v2.ipv4_min_segment_count);
	o.lso_v2.ipv6_max_offload_size =
		least(a->lso_v2.ipv6_max_offload_size, b->lso_v2.ipv6_max_offload_size);
	o.lso_v2.ipv6_min_segment_count =
		most(a->lso_v2.ipv6_min_segment_count, b->lso_v2.ipv6_min_segment_count);
	o.ipsec_v2.sa_offload_capacity =
		least(a->ipsec_v2.sa_offload_capacity, b->ipsec_v2.sa_offload_capacity);
	return o;
}

bool fer_offload_set_ports(struct fer_offload *o, bool are_there)
{
	const struct ndis_offload nothing = {.header = o->able.header};
	const struct ndis_offload now = are_there ? o->able : nothing;
	const bool is_new = memcmp(&now, &o->hardware, sizeof(now)) != 0;

	o->hardware = now;
	return is_new;
}

// --- what is in force -------------------------------------------------------------------------

static bool is_off(const struct ndis_offload_encapsulation_family *f)
{
	return f->enabled == NDIS_OFFLOAD_SET_OFF;
}

static bool is_on(const struct ndis_offload_encapsulation_family *f)
{
	return f->enabled == NDIS_OFFLOAD_SET_ON;
}

static uint32_t protocols(const struct fer_offload *o)
{
	// off for both families stops everything.
	if (is_off(&o->encapsulation.ipv4) && is_off(&o->encapsulation.ipv6))
		return 0;
	return o->keywords.value[FER_KEYWORD_IPSEC_V2];
}

static struct fer_slots_setting slots(const struct fer_offload *o)
{
	const struct ndis_offload_encapsulation *e = &o->encapsulation;

	return (struct fer_slots_setting){
		.keywords = &o->keywords,
		.is_off = {is_off(&e->ipv4), is_off(&e->ipv6)},
		.is_on = {is_on(&e->ipv4), is_on(&e->ipv6)},
		.has_ipsec = protocols(o) != 0,
	};
}

static void restrict_ipsec(struct ndis_ipsec_offload_v2 *ipsec, const struct fer_offload *o)
{
	uint32_t set = protocols(o);

	if (set == 0) {
		*ipsec = (struct ndis_ipsec_offload_v2){
			.encapsulation = NDIS_ENCAPSULATION_NOT_SUPPORTED};
		return;
	}
	if (set != (KEYWORD_AH | KEYWORD_ESP))
		ipsec->ah_esp_combined = 0;
	if ((set & KEYWORD_AH) == 0)
		ipsec->ah = 0;
	if ((set & KEYWORD_ESP) == 0) {
		ipsec->esp = 0;
		ipsec->udp_esp = IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_NONE;
		ipsec->encryption_algorithms = 0;
	}
	if (is_off(&o->encapsulation.ipv6))
		ipsec->ipv6_supported = 0;
}

// What the settings leave of what could be done.
static struct ndis_offload configured(const struct fer_offload *o, const struct ndis_offload *could)
{
	const struct fer_slots_setting setting = slots(o);
	struct ndis_offload now = *could;

	restrict_ipsec(&now.ipsec_v2, o);
	fer_slots_restrict(&now, &setting);
	return now;
}

struct ndis_offload fer_offload_current(const struct fer_offload *o)
{
	return configured(o, &o->hardware);
}

const char *fer_offload_objection(
	const struct fer_offload *o, bool has_ah, bool has_esp, uint8_t version)
{
	const struct ndis_offload now = configured(o, o->is_active ? &o->able : &o->hardware);

	if ((has_esp && !now.ipsec_v2.esp) || (has_ah && !now.ipsec_v2.ah))
		return "has a protocol that the configuration in force does not allow";
	if (version == 6 && !now.ipsec_v2.ipv6_supported)
		return "is of IPv6, which the configuration in force does not allow";
	return NULL;
}

// Tells the workers.
static void publish(struct fer_offload *o)
{
	const struct ndis_offload_encapsulation *e = &o->encapsulation;
	const struct fer_slots_setting setting = slots(o);
	uint32_t set = protocols(o);
	uint32_t may = fer_slots_may(&o->able, &setting) |
		       ((set & KEYWORD_AH) != 0 ? FER_NIC_AH : 0) |
		       ((set & KEYWORD_ESP) != 0 ? FER_NIC_ESP : 0) |
		       (is_off(&e->ipv4) ? 0 : FER_NIC_SEND_IPV4) |
		       (is_off(&e->ipv6) ? 0 : FER_NIC_SEND_IPV6) |
		       (is_on(&e->ipv4) ? FER_NIC_RECEIVE_IPV4 : 0) |
		       (is_on(&e->ipv6) ? FER_NIC_RECEIVE_IPV6 : 0);

	atomic_store_explicit(&o->may, may, memory_order_release);
}

void fer_offload_init(struct fer_offload *o, const struct ndis_offload *hardware,
	const struct fer_keywords *keywords, bool is_active)
{
	const struct ndis_offload_encapsulation_family on = {
		.enabled = NDIS_OFFLOAD_SET_ON,
		.encapsulation_type = NDIS_ENCAPSULATION_IEEE_802_3,
		.header_size = 14,
	};

	o->able = o->hardware = *hardware;
	o->is_active = is_active;
	o->keywords = *keywords;
	o->encapsulation = (struct ndis_offload_encapsulation){
		.header = {.type = NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION,
			.revision = NDIS_OFFLOAD_ENCAPSULATION_REVISION_1,
			.size = NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1}};
	if (is_active)
		o->encapsulation.ipv4 = o->encapsulation.ipv6 = on;
	publish(o);
}

// --- OID_TCP_OFFLOAD_PARAMETERS ---------------------------------------------------------------

// Members, the highest value of each, and the keyword whose value is one less; FER_N_KEYWORDS: what
// it sets is not there to be set, and may only be checked.
static const struct {
	size_t at;
	uint8_t highest;
	enum fer_keyword keyword;
} members[] = {
#define MEMBER(member, highest, keyword)                                                           \
	{                                                                                          \
		offsetof(struct ndis_offload_parameters, member), highest, keyword                 \
	}
	MEMBER(ipv4_checksum, 4, FER_KEYWORD_IP_CHECKSUM_IPV4),
	MEMBER(tcp_ipv4_checksum, 4, FER_KEYWORD_TCP_CHECKSUM_IPV4),
	MEMBER(udp_ipv4_checksum, 4, FER_KEYWORD_UDP_CHECKSUM_IPV4),
	MEMBER(tcp_ipv6_checksum, 4, FER_KEYWORD_TCP_CHECKSUM_IPV6),
	MEMBER(udp_ipv6_checksum, 4, FER_KEYWORD_UDP_CHECKSUM_IPV6),
	MEMBER(lso_v1, 2, FER_KEYWORD_LSO_V1_IPV4),
	MEMBER(ipsec_v1, 4, FER_N_KEYWORDS),
	MEMBER(lso_v2_ipv4, 2, FER_KEYWORD_LSO_V2_IPV4),
	MEMBER(lso_v2_ipv6, 2, FER_KEYWORD_LSO_V2_IPV6),
	MEMBER(tcp_connection_ipv4, 0, FER_N_KEYWORDS),
	MEMBER(tcp_connection_ipv6, 0, FER_N_KEYWORDS),
	MEMBER(ipsec_v2, 4, FER_KEYWORD_IPSEC_V2),
	// an adapter that knows IPv6 ignores it.
	MEMBER(ipsec_v2_ipv4, UINT8_MAX, FER_N_KEYWORDS),
	MEMBER(rsc_ipv4, 2, FER_N_KEYWORDS),
	MEMBER(rsc_ipv6, 2, FER_N_KEYWORDS),
	MEMBER(encapsulated_packet_task_offload, 2, FER_N_KEYWORDS),
#undef MEMBER
};

// what is no capability any more cannot be configured.
static bool can_do(const struct fer_offload *o, uint8_t ipsec_v2)
{
	const uint32_t set = ipsec_v2 == NDIS_OFFLOAD_PARAMETERS_NO_CHANGE ? 0 : ipsec_v2 - 1u;

	return ((set & KEYWORD_AH) == 0 || o->hardware.ipsec_v2.ah) &&
	       ((set & KEYWORD_ESP) == 0 || o->hardware.ipsec_v2.esp);
}

uint32_t fer_offload_read_parameters(const struct fer_offload *o,
	const struct ndis_offload_parameters *p, struct fer_keywords *keywords, const char **why)
{
	*keywords = o->keywords;
	*why = "has flags that are not known";
	if ((p->flags & ~NDIS_OFFLOAD_PARAMETERS_SKIP_REGISTRY_UPDATE) != 0)
		return NDIS_STATUS_INVALID_DATA;
	*why = "asks for what the hardware cannot do now";
	if (p->ipsec_v2 <= NDIS_OFFLOAD_PARAMETERS_IPSECV2_AH_AND_ESP_ENABLED &&
		!can_do(o, p->ipsec_v2))
		return NDIS_STATUS_INVALID_DATA;
	*why = "has a member with a value that it cannot have";
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		uint8_t value = ((const uint8_t *)p)[members[i].at];

		if (value > members[i].highest)
			return NDIS_STATUS_INVALID_DATA;
		if (value != NDIS_OFFLOAD_PARAMETERS_NO_CHANGE &&
			members[i].keyword != FER_N_KEYWORDS)
			keywords->value[members[i].keyword] = value - 1;
	}
	return NDIS_STATUS_SUCCESS;
}

void fer_offload_configure(struct fer_offload *o, const struct fer_keywords *keywords)
{
	o->keywords = *keywords;
	publish(o);
}

// --- OID_OFFLOAD_ENCAPSULATION ----------------------------------------------------------------

// Puts what a family is told in the place of what it was told before.
static uint32_t encapsulate(const struct ndis_offload_encapsulation_family *told,
	struct ndis_offload_encapsulation_family *in_force, const char **why)
{
	if (told->enabled > NDIS_OFFLOAD_SET_OFF) {
		*why = "has a value of Enabled that is not known";
		return NDIS_STATUS_INVALID_DATA;
	}
	if (is_on(told) && told->encapsulation_type != NDIS_ENCAPSULATION_IEEE_802_3) {
		*why = "asks for an encapsulation other than IEEE 802.3";
		return NDIS_STATUS_INVALID_PARAMETER;
	}
	if (told->enabled == NDIS_OFFLOAD_SET_NO_CHANGE)
		return NDIS_STATUS_SUCCESS;
	*in_force = (struct ndis_offload_encapsulation_family){.enabled = told->enabled};
	if (is_on(told))
		*in_force = *told;
	return NDIS_STATUS_SUCCESS;
}

static bool is_same(const struct ndis_offload_encapsulation_family *a,
	const struct ndis_offload_encapsulation_family *b)
{
	return a->enabled == b->enabled && a->encapsulation_type == b->encapsulation_type &&
	       a->header_size == b->header_size;
}

uint32_t fer_offload_encapsulate(struct fer_offload *o, const struct ndis_offload_encapsulation *e,
	bool *is_new, const char **why)
{
	struct ndis_offload_encapsulation to = o->encapsulation;
	uint32_t status = encapsulate(&e->ipv4, &to.ipv4, why);

	if (status == NDIS_STATUS_SUCCESS)
		status = encapsulate(&e->ipv6, &to.ipv6, why);
	if (status != NDIS_STATUS_SUCCESS)
		return status;
	*is_new = !is_same(&to.ipv4, &o->encapsulation.ipv4) ||
		  !is_same(&to.ipv6, &o->encapsulation.ipv6);
	o->encapsulation = to;
	publish(o);
	return NDIS_STATUS_SUCCESS;
}
