// SPDX-License-Identifier: BSD-3-Clause
// Headers and private structures from bytes.
#include "ctl/codec_parts.h"

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMPV6 58
#define PROTO_SCTP 132

uint32_t fer_msg_get_header(const void *bytes, struct fer_msg_header *h)
{
	memcpy(h, bytes, sizeof(*h));
	if (h->magic != FER_MSG_MAGIC)
		return NDIS_STATUS_INVALID_DATA;
	if (h->version != FER_MSG_VERSION)
		return NDIS_STATUS_UNSUPPORTED_REVISION;
	if (h->type < FER_MSG_TYPE_HELLO || h->type > FER_MSG_TYPE_INDICATION || h->flags != 0 ||
		!fer_all_zero(h->reserved, sizeof(h->reserved)))
		return NDIS_STATUS_INVALID_DATA;
	return NDIS_STATUS_SUCCESS;
}

// Copies what is known of a structure that begins with its size and its flags.
static uint32_t get_front(
	const void *data, size_t len, void *front, size_t bytes, struct fer_msg_fault *fault)
{
	uint32_t size_flags[2];

	if (len < bytes)
		return fer_fault_length(fault, bytes, "shorter than its structure");
	memcpy(size_flags, data, sizeof(size_flags));
	if (size_flags[0] < bytes)
		return fer_fault_length(fault, bytes, "has a size below that of its structure");
	if (size_flags[0] > len)
		return fer_fault_length(fault, size_flags[0], "shorter than its size says");
	if (size_flags[0] % 8 != 0)
		return fer_fault_data(fault, "has a size that is not a multiple of 8");
	if (size_flags[1] != 0)
		return fer_fault_data(fault, "has unknown flags");
	memcpy(front, data, bytes);
	return NDIS_STATUS_SUCCESS;
}

// --- strings ------------------------------------------------------------------------------------

static bool is_word_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '+' || c == ':' || c == '-';
}

// Characters of names, then zeros up to the end of the room, one at least.
static bool is_word(const char *s, size_t room)
{
	size_t n = 0;

	while (n < room && is_word_char(s[n]))
		n++;
	return n < room && fer_all_zero(s + n, room - n);
}

bool fer_msg_is_name(const char name[FER_MSG_NAME_BYTES])
{
	return name[0] != '\0' && is_word(name, FER_MSG_NAME_BYTES);
}

static bool is_string(const void *s, size_t room)
{
	return memchr(s, '\0', room) != NULL;
}

// --- SAs ----------------------------------------------------------------------------------------

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
	if (!is_word(sa->group, sizeof(sa->group)))
		return "has a group that is no name";
	if (!is_word(sa->esp_encryption, sizeof(sa->esp_encryption)) ||
		!is_word(sa->esp_integrity, sizeof(sa->esp_integrity)) ||
		!is_word(sa->ah_integrity, sizeof(sa->ah_integrity)))
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
	uint32_t status = get_front(p, left, &item->sa, sizeof(item->sa), fault);
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
	uint32_t status = get_front(data, len, &front, sizeof(front), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	return get_sas(data, len, front.size, w, n, fault);
}

uint32_t fer_msg_get_sa_swap(const void *data, size_t len, uint32_t *drain_ms,
	struct fer_msg_walk *w, uint32_t *n, struct fer_msg_fault *fault)
{
	struct fer_msg_sa_swap front;
	uint32_t status = get_front(data, len, &front, sizeof(front), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (front.reserved != 0)
		return fer_fault_data(fault, "has reserved bytes that are not 0");
	status = get_sas(data, len, front.size, w, n, fault);
	if (status == NDIS_STATUS_SUCCESS)
		*drain_ms = front.drain_ms;
	return status;
}

// --- small requests -----------------------------------------------------------------------------

uint32_t fer_msg_get_page(
	const void *data, size_t len, struct fer_msg_page *page, struct fer_msg_fault *fault)
{
	struct fer_msg_page p = {.size = sizeof(p)};

	if (len != 0) {
		uint32_t status = get_front(data, len, &p, sizeof(p), fault);

		if (status != NDIS_STATUS_SUCCESS)
			return status;
		if (p.reserved != 0)
			return fer_fault_data(fault, "has reserved bytes that are not 0");
	}
	*page = p;
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_subscribe(
	const void *data, size_t len, struct fer_msg_subscribe *s, struct fer_msg_fault *fault)
{
	struct fer_msg_subscribe got;
	uint32_t status = get_front(data, len, &got, sizeof(got), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if ((got.events & ~FER_MSG_EVENTS_ALL) != 0)
		return fer_fault_data(fault, "asks for events that do not exist");
	*s = got;
	return NDIS_STATUS_SUCCESS;
}

// --- lists --------------------------------------------------------------------------------------

uint32_t fer_msg_get_list(const void *data, size_t len, size_t least, struct fer_msg_array *list,
	struct fer_msg_fault *fault)
{
	struct fer_msg_list front;
	uint32_t status = get_front(data, len, &front, sizeof(front), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (front.element_bytes < least || front.element_bytes % 8 != 0)
		return fer_fault_data(fault, "has elements of a wrong size");
	if ((len - front.size) / front.element_bytes < front.n)
		return fer_fault_length(fault, front.size + (uint64_t)front.n * front.element_bytes,
			"shorter than its list");
	*list = (struct fer_msg_array){
		.elements = (const uint8_t *)data + front.size,
		.n = front.n,
		.element_bytes = front.element_bytes,
		.cursor = front.cursor,
	};
	return NDIS_STATUS_SUCCESS;
}

void fer_msg_list_at(const struct fer_msg_array *list, uint32_t i, void *element, size_t bytes)
{
	const size_t have = list->element_bytes < bytes ? list->element_bytes : bytes;

	memset(element, 0, bytes);
	memcpy(element, list->elements + (size_t)i * list->element_bytes, have);
}

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

// --- answers and indications --------------------------------------------------------------------

uint32_t fer_msg_get_hello(const void *data, size_t len, struct fer_msg_hello *hello,
	struct fer_msg_array *pairs, struct fer_msg_fault *fault)
{
	struct fer_msg_hello h;
	uint32_t status = get_front(data, len, &h, sizeof(h), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (!is_string(h.product, sizeof(h.product)))
		return fer_fault_data(fault, "has a product without an end");
	if (h.pair_bytes < sizeof(struct fer_msg_pair))
		return fer_fault_data(fault, "has pairs of a wrong size");
	if ((len - h.size) / h.pair_bytes < h.n_pairs)
		return fer_fault_length(fault, h.size + (uint64_t)h.n_pairs * h.pair_bytes,
			"shorter than its pairs");
	*hello = h;
	*pairs = (struct fer_msg_array){
		.elements = (const uint8_t *)data + h.size,
		.n = h.n_pairs,
		.element_bytes = h.pair_bytes,
	};
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_refusal(
	const void *data, size_t len, struct fer_msg_refusal *r, struct fer_msg_fault *fault)
{
	struct fer_msg_refusal got;
	uint32_t status = get_front(data, len, &got, sizeof(got), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (!is_string(got.text, sizeof(got.text)))
		return fer_fault_data(fault, "has a text without an end");
	*r = got;
	return NDIS_STATUS_SUCCESS;
}

uint32_t fer_msg_get_event(
	const void *data, size_t len, struct fer_msg_event *e, struct fer_msg_fault *fault)
{
	struct fer_msg_event got;
	uint32_t status = get_front(data, len, &got, sizeof(got), fault);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	if (!is_string(got.name, sizeof(got.name)))
		return fer_fault_data(fault, "has a name without an end");
	*e = got;
	return NDIS_STATUS_SUCCESS;
}

uint64_t fer_msg_handle_at(const void *data, size_t len, uint32_t i)
{
	uint64_t handle = 0;

	if (i < len / sizeof(handle))
		memcpy(&handle, (const uint8_t *)data + i * sizeof(handle), sizeof(handle));
	return handle;
}

uint32_t fer_msg_get_table(
	const void *data, size_t len, struct fer_msg_numbers *table, struct fer_msg_fault *fault)
{
	struct fer_msg_table t;
	struct fer_msg_numbers n;
	uint32_t status = get_front(data, len, &t, sizeof(t), fault);
	size_t left;

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	left = len - t.size;
	if (left / FER_MSG_COLUMN_BYTES < t.n_columns)
		return fer_fault_length(fault,
			t.size + (uint64_t)t.n_columns * FER_MSG_COLUMN_BYTES,
			"shorter than the names of its columns");
	left -= (size_t)t.n_columns * FER_MSG_COLUMN_BYTES;
	if (t.row_bytes < FER_MSG_NAME_BYTES + 8 * (uint64_t)t.n_columns || t.row_bytes % 8 != 0)
		return fer_fault_data(fault, "has rows of a wrong size");
	if (left / t.row_bytes < t.n_rows)
		return fer_fault_length(fault, len - left + (uint64_t)t.n_rows * t.row_bytes,
			"shorter than its rows");
	n = (struct fer_msg_numbers){
		.columns = (const uint8_t *)data + t.size,
		.rows = (const uint8_t *)data + (len - left),
		.n_columns = t.n_columns,
		.n_rows = t.n_rows,
		.row_bytes = t.row_bytes,
		.cursor = t.cursor,
	};
	for (uint32_t c = 0; c < n.n_columns; c++)
		if (!is_string(fer_msg_table_column(&n, c), FER_MSG_COLUMN_BYTES))
			return fer_fault_data(fault, "has a column whose name has no end");
	for (uint32_t r = 0; r < n.n_rows; r++)
		if (!is_string(fer_msg_table_label(&n, r), FER_MSG_NAME_BYTES))
			return fer_fault_data(fault, "has a row whose label has no end");
	*table = n;
	return NDIS_STATUS_SUCCESS;
}

const char *fer_msg_table_column(const struct fer_msg_numbers *t, uint32_t c)
{
	return (const char *)t->columns + (size_t)c * FER_MSG_COLUMN_BYTES;
}

const char *fer_msg_table_label(const struct fer_msg_numbers *t, uint32_t r)
{
	return (const char *)t->rows + (size_t)r * t->row_bytes;
}

uint64_t fer_msg_table_number(const struct fer_msg_numbers *t, uint32_t r, uint32_t c)
{
	uint64_t v;

	memcpy(&v, t->rows + (size_t)r * t->row_bytes + FER_MSG_NAME_BYTES + 8 * (size_t)c,
		sizeof(v));
	return v;
}
