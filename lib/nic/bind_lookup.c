// SPDX-License-Identifier: BSD-3-Clause
#include "nic/bind_lookup.h"

#include "nic/udp.h"

#include <limits.h>

#define NO_PLACE UINT_MAX

static inline void start_lookup(struct fer_bind_lookup *l)
{
	l->n_headers = l->n_runs = 0;
	l->plain_end = NO_PLACE;
}

static inline struct fer_bind_run *add_run(
	struct fer_bind_lookup *l, const struct fer_nic *nic, const struct fer_sa_id *id)
{
	unsigned r = l->n_runs++;

	l->query[r] = fer_sa_query(nic->sas, id);
	return &l->run[r];
}

// Written as three words, because it is read as words at once.
static inline struct fer_sa_id id_of(
	const struct fer_frame *f, const uint8_t *ip, uint8_t protocol, uint32_t spi)
{
	const uint64_t rest = (uint64_t)protocol << 40 | (uint64_t)f->version << 32 | spi;
	struct fer_sa_id id = {0};
	uint32_t dst;

	static_assert(
		offsetof(struct fer_sa_id, version) == offsetof(struct fer_sa_id, spi) + 4 &&
			offsetof(struct fer_sa_id, protocol) == offsetof(struct fer_sa_id, spi) + 5,
		"one word");
	memcpy(&dst, ip + 16, sizeof(dst));
	fer_pair both = {dst};
	if (unlikely(f->version != 4))
		both = fer_load_pair(ip + 24);
	memcpy(id.dst, &both, sizeof(both));
	memcpy(&id.spi, &rest, sizeof(rest));
	return id;
}

static inline struct fer_sa_id id_of_plain(const struct fer_batch *b, unsigned i, uint8_t protocol)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	const uint8_t *bytes = rte_pktmbuf_mtod(b->m[i], const uint8_t *);

	return id_of(f, bytes + f->ip_off, protocol,
		fer_load_be32(bytes + f->up_off + fer_bind_spi_off(protocol)));
}

static inline bool are_same(const struct fer_sa_id *a, const struct fer_sa_id *b)
{
	static_assert(sizeof(*a) == 24 && offsetof(struct fer_sa_id, spi) == 16,
		"an id is two words of destination and one more");
	return fer_bind_differ8(&a->spi, &b->spi) == 0 &&
	       fer_pair_is_zero(fer_load_pair(a->dst) ^ fer_load_pair(b->dst));
}

// Is the plain packet i of that protocol one of the same run as the one before it, which is plain,
// and as all between that and packet first?
static inline bool continues(const struct fer_batch *b, unsigned i, unsigned first,
	const struct fer_sa_id *id, const struct fer_sa_id *others_id)
{
	const struct fer_frame *f = &b->pkt[i].frame, *other = &b->pkt[first].frame;

	if (likely(!are_same(id, others_id)) || !fer_frame_has_shape_of(f, other))
		return false;
	return id->protocol != FER_PROTO_AH ||
	       fer_bind_differ4(rte_pktmbuf_mtod_offset(b->m[i], const uint8_t *, f->up_off),
		       rte_pktmbuf_mtod_offset(b->m[first], const uint8_t *, f->up_off)) == 0;
}

// Adds the plain packet i of that protocol to what is looked up.
__attribute__((always_inline)) static inline void look_up_plain(struct fer_bind_lookup *l,
	const struct fer_nic *nic, const struct fer_batch *b, unsigned i, uint8_t protocol)
{
	// Where the packet before is plain there is a last.
	struct fer_bind_run *behind = &l->run[l->n_runs];
	const bool is_next = l->plain_end == i;

	l->plain_end = i + 1;
	if (protocol == FER_PROTO_ESP && is_next && (b->pkt[i].like & FER_LIKE_START) != 0) {
		behind[-1].end = (uint16_t)(i + 1);
		return;
	}
	const struct fer_sa_id id = id_of_plain(b, i, protocol);
	if (is_next && continues(b, i, behind[-1].first, &id, &l->query[l->n_runs - 1u].id))
		behind[-1].end = (uint16_t)(i + 1);
	else
		*add_run(l, nic, &id) = (struct fer_bind_run){true, (uint16_t)i, (uint16_t)(i + 1)};
}

// Adds plain AH from packet i on to what is looked up, as long as there is some and room for it.
// Returns the first packet behind it.
static inline unsigned look_up_ah(
	struct fer_bind_lookup *l, const struct fer_nic *nic, const struct fer_batch *b, unsigned i)
{
	do {
		look_up_plain(l, nic, b, i, FER_PROTO_AH);
		i = fer_bind_end_of_ah(b, i, l->query[l->n_runs - 1u].id.spi);
		l->run[l->n_runs - 1u].end = (uint16_t)i;
		l->plain_end = i;
	} while (i < b->n && fer_bind_is_plain_ah(b, i) && l->n_runs != FER_SA_FIND_MAX);
	return i;
}

// Of the run there may be a header already.
static void add_header(struct fer_bind_lookup *l, const struct fer_nic *nic,
	const struct fer_sa_id *id, const struct fer_bind_header *h)
{
	unsigned at = l->n_headers++, last = l->n_runs - 1u;

	l->header[at] = *h;
	if (l->n_runs == 0 || l->run[last].is_plain || !are_same(&l->query[last].id, id))
		*add_run(l, nic, id) = (struct fer_bind_run){.first = (uint16_t)at};
	l->run[l->n_runs - 1].end = (uint16_t)(at + 1);
	l->plain_end = NO_PLACE;
}

// Looks at the header that a packet shows and that is not plain; udp_bytes stand in front of it.
static void look_closer(struct fer_bind_lookup *l, const struct fer_nic *nic,
	const struct fer_batch *b, unsigned i, uint8_t udp_bytes)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	uint8_t ip_room[FER_IPV6_HEADER_BYTES], room[FER_AH_FIXED_BYTES];
	bool is_ah = f->protocol == FER_PROTO_AH;
	uint32_t spi_off = fer_bind_spi_off(f->protocol), whole = spi_off + FER_ESP_HEADER_BYTES;
	uint32_t sec_off = f->up_off + udp_bytes;
	uint32_t n = RTE_MIN(f->end - sec_off, whole);
	struct fer_bind_header h = {.at = (uint16_t)i, .udp_bytes = udp_bytes};

	if (n < spi_off + sizeof(uint32_t))
		return;
	const uint8_t *header = rte_pktmbuf_read(b->m[i], sec_off, n, room);
	const uint8_t *ip = rte_pktmbuf_read(b->m[i], f->ip_off,
		f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, ip_room);
	if (header == NULL || ip == NULL)
		return;
	const struct fer_sa_id id =
		id_of(f, ip, is_ah ? FER_PROTO_AH : FER_PROTO_ESP, fer_load_be32(header + spi_off));
	if (is_ah)
		memcpy(h.ah, header, sizeof(h.ah));
	if (n == whole)
		h.seq_lo = fer_load_be32(header + spi_off + 4);
	h.is_unsound = udp_bytes != 0 && !fer_udp_is_sound(b->m[i], f);
	add_header(l, nic, &id, &h);
}

// Did the packet come in UDP in a layer that was opened?  Then what is in UDP inside is none of
// ours: the contract has no such shape.
static bool was_in_udp(const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	for (unsigned k = 0; k < b->pkt[i].n_layers; k++) {
		const struct fer_sa *sa = fer_sa_at(nic->sas, b->round[k][i].sa);

		if ((sa->udp_at & (k == 0 ? FER_UDP_OUTSIDE : FER_UDP_INSIDE)) != 0)
			return true;
	}
	return false;
}

// Adds a packet that is not plain to what is looked up, if it shows a layer.
static void look_up_any(
	struct fer_bind_lookup *l, const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	const struct fer_frame *f = &b->pkt[i].frame;

	b->pkt[i].pending = 0;
	if (likely(f->protocol != FER_PROTO_UDP))
		look_closer(l, nic, b, i, 0);
	else if (fer_udp_has_esp(nic->sas, b->m[i], f) && !was_in_udp(nic, b, i))
		look_closer(l, nic, b, i, FER_UDP_HEADER_BYTES);
}

// Does what there is to do about packet i, which is no plain ESP.  Returns the next one.
__attribute__((noinline)) static unsigned look_up_other(
	struct fer_bind_lookup *l, const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	if (fer_bind_is_plain_ah(b, i))
		return look_up_ah(l, nic, b, i);
	look_up_any(l, nic, b, i);
	return i + 1;
}

unsigned fer_bind_look_up(
	struct fer_bind_lookup *l, const struct fer_nic *nic, struct fer_batch *b, unsigned first)
{
	unsigned i = first;

	start_lookup(l);
	while (i < b->n && l->n_headers != FER_SA_FIND_MAX && l->n_runs != FER_SA_FIND_MAX) {
		if (likely(fer_bind_is_plain(b, i, FER_PROTO_ESP)))
			look_up_plain(l, nic, b, i++, FER_PROTO_ESP);
		else if (fer_pkt_alive(&b->pkt[i]) && b->pkt[i].pending)
			i = look_up_other(l, nic, b, i);
		else
			i++;
	}
	if (likely(l->n_runs > 0))
		fer_sa_find(nic->sas, l->query, l->n_runs, l->sa);
	return i;
}

void fer_bind_look_up_other_protocol(const struct fer_bind_lookup *l, const struct fer_nic *nic,
	const uint8_t run[], unsigned n, const struct fer_sa *sa[])
{
	struct fer_sa_query query[FER_SA_FIND_MAX] = {0};

	for (unsigned k = 0; k < n; k++) {
		struct fer_sa_id id = l->query[run[k]].id;

		id.protocol = id.protocol == FER_PROTO_ESP ? FER_PROTO_AH : FER_PROTO_ESP;
		query[k] = fer_sa_query(nic->sas, &id);
	}
	fer_sa_find(nic->sas, query, n, sa);
}
