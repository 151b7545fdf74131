// SPDX-License-Identifier: BSD-3-Clause
// Elements of lists that a request brings: references and policies.
#include "ctl/codec_parts.h"

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMPV6 58
#define PROTO_SCTP 132

static const char *check_sa_ref(const void *element)
{
	const struct fer_msg_sa_ref *ref = element;

	if (ref->handle == 0 && !fer_msg_is_name(ref->name))
		return "has neither a handle nor a name";
	if (ref->handle != 0 && !fer_all_zero(ref->name, sizeof(ref->name)))
		return "has both a handle and a name";
	return NULL;
}

static const char *check_policy_ref(const void *element)
{
	const struct fer_msg_policy_ref *ref = element;

	return fer_msg_is_name(ref->name) ? NULL : "has a name that is none";
}

// Are all bits from len on 0?
static bool is_prefix(const uint8_t addr[16], unsigned len)
{
	const unsigned whole = len / 8;

	if (len % 8 != 0 && (addr[whole] & 0xFF >> len % 8) != 0)
		return false;
	return fer_all_zero(addr + whole + (len % 8 != 0), 16 - whole - (len % 8 != 0));
}

static const char *check_prefix(const uint8_t addr[16], uint8_t version, uint8_t len)
{
	if (version != 0 && version != 4 && version != 6)
		return "has an address of an unknown version";
	if (len > (version == 0 ? 0 : version == 4 ? 32 : 128))
		return "has a prefix that is too long";
	return is_prefix(addr, len) ? NULL : "has an address with bits behind its prefix";
}

static const char *check_ports(const struct fer_msg_policy *p)
{
	const bool any = p->sport_first == 0 && p->sport_last == UINT16_MAX &&
			 p->dport_first == 0 && p->dport_last == UINT16_MAX;

	if (p->protocol > FER_MSG_ANY || p->icmp_type > FER_MSG_ANY)
		return "has a protocol or an ICMP type over 255";
	if (p->sport_first > p->sport_last || p->dport_first > p->dport_last)
		return "has a range of ports that ends before it begins";
	if (!any && p->protocol != PROTO_TCP && p->protocol != PROTO_UDP &&
		p->protocol != PROTO_SCTP)
		return "has ports with a protocol that has none";
	if (p->icmp_type != FER_MSG_ANY && p->protocol != PROTO_ICMP && p->protocol != PROTO_ICMPV6)
		return "has an ICMP type with another protocol";
	return NULL;
}

static const char *check_groups(const struct fer_msg_policy *p)
{
	if (p->n_groups > FER_MSG_POLICY_GROUPS ||
		(p->n_groups != 0) != (p->action == FER_MSG_PROTECT))
		return "has a number of groups that does not go with its action";
	for (unsigned i = 0; i < FER_MSG_POLICY_GROUPS; i++)
		if (i < p->n_groups ? !fer_msg_is_name(p->group[i])
				    : !fer_all_zero(p->group[i], sizeof(p->group[i])))
			return "has a group that is no name";
	return NULL;
}

static const char *check_policy(const void *element)
{
	const struct fer_msg_policy *p = element;
	const char *why;

	if (p->flags != 0)
		return "has unknown flags";
	if (!fer_msg_is_name(p->name))
		return "has a name that is none";
	if (p->direction > FER_MSG_IN)
		return "has an unknown direction";
	if (p->action > FER_MSG_DISCARD)
		return "has an unknown action";
	if (!fer_all_zero(p->reserved, sizeof(p->reserved)))
		return "has reserved bytes that are not 0";
	if (p->src_version != 0 && p->dst_version != 0 && p->src_version != p->dst_version)
		return "has addresses of two versions";
	if ((why = check_prefix(p->src, p->src_version, p->src_len)) != NULL ||
		(why = check_prefix(p->dst, p->dst_version, p->dst_len)) != NULL ||
		(why = check_ports(p)) != NULL)
		return why;
	return check_groups(p);
}

// A list of a request: its elements are checked, too, and nothing stands behind them.
static uint32_t get_checked(const void *data, size_t len, void *element, size_t bytes,
	const char *(*check)(const void *element), struct fer_msg_array *list,
	struct fer_msg_fault *fault)
{
	struct fer_msg_array l;
	uint32_t status = fer_msg_get_list(data, len, bytes, &l, fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (l.cursor != 0)
		return fer_fault_data(fault, "has a cursor");
	if (l.elements + (size_t)l.n * l.element_bytes != (const uint8_t *)data + len)
		return fer_fault_length(fault,
			(uint64_t)(l.elements - (const uint8_t *)data) +
				(uint64_t)l.n * l.element_bytes,
			"longer than its list");
	for (uint32_t i = 0; i < l.n; i++) {
		const char *why;

		fer_msg_list_at(&l, i, element, bytes);
		why = check(element);
		if (why != NULL) {
			status = fer_fault_data(fault, why);
			fault->element = i;
			return status;
		}
	}
	*list = l;
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_sa_refs(
	const void *data, size_t len, struct fer_msg_array *list, struct fer_msg_fault *fault)
{
	struct fer_msg_sa_ref ref;

	return get_checked(data, len, &ref, sizeof(ref), check_sa_ref, list, fault);
}

uint32_t fer_msg_get_policies(
	const void *data, size_t len, struct fer_msg_array *list, struct fer_msg_fault *fault)
{
	struct fer_msg_policy policy;

	return get_checked(data, len, &policy, sizeof(policy), check_policy, list, fault);
}

uint32_t fer_msg_get_policy_refs(
	const void *data, size_t len, struct fer_msg_array *list, struct fer_msg_fault *fault)
{
	struct fer_msg_policy_ref ref;

	return get_checked(data, len, &ref, sizeof(ref), check_policy_ref, list, fault);
}
