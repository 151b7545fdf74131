// SPDX-License-Identifier: BSD-3-Clause
#include "nic/stages.h"

#include "base/bytes.h"
#include "nic/udp.h"
#include "proto/ah.h"
#include "sa/table.h"

// Packets that are looked up together.  Neighbours of one SA are a run and share the look-up.  A
// run is plain when its packets have no layer yet, and ESP with a whole header that is not in UDP.
struct lookup {
	unsigned n;
	uint16_t at[FER_SA_FIND_MAX]; // place in the batch
	uint32_t seq_lo[FER_SA_FIND_MAX];

	// Of packets in runs that are not plain.
	uint8_t ah[FER_SA_FIND_MAX][2];     // next header and length field of AH; not set for ESP
	uint8_t udp_bytes[FER_SA_FIND_MAX]; // of the UDP header in front of ESP; 0: none
	bool is_unsound[FER_SA_FIND_MAX];   // that header cannot be what it says

	unsigned n_runs;
	bool last_is_plain; // of the runs; false: there is none
	bool is_plain[FER_SA_FIND_MAX];
	uint8_t first[FER_SA_FIND_MAX + 1]; // of the packets of a run; behind the last: n
	uint32_t index[FER_SA_FIND_MAX];
	struct fer_sa_id id[FER_SA_FIND_MAX];
	const struct fer_sa_id *ids[FER_SA_FIND_MAX];
};

static bool is_id(const struct fer_sa_id *id, const struct fer_frame *f, uint8_t protocol,
	uint32_t spi, const uint64_t dst[2])
{
	uint64_t id_dst[2];

	memcpy(id_dst, id->dst, sizeof(id_dst));
	return id->spi == spi && id->version == f->version && id->protocol == protocol &&
	       id_dst[0] == dst[0] && id_dst[1] == dst[1];
}

static void start_run(struct lookup *l, const struct fer_nic *nic, const struct fer_frame *f,
	uint8_t protocol, uint32_t spi, uint64_t dst[2], bool is_plain)
{
	struct fer_sa_id *id = &l->id[l->n_runs];

	*id = (struct fer_sa_id){.spi = spi, .version = f->version, .protocol = protocol};
	memcpy(id->dst, dst, sizeof(id->dst));
	l->ids[l->n_runs] = id;
	l->is_plain[l->n_runs] = l->last_is_plain = is_plain;
	l->first[l->n_runs++] = (uint8_t)l->n;
	fer_sa_find_prefetch(nic->sas, id);
}

static void read_dst(const uint8_t *ip, uint8_t version, uint64_t dst[2])
{
	if (version == 4) {
		uint32_t address;

		memcpy(&address, ip + 16, sizeof(address));
		dst[0] = address;
		dst[1] = 0;
	} else {
		memcpy(dst, ip + 24, 16);
	}
}

static inline bool has_dst(const struct fer_sa_id *id, const uint8_t *ip)
{
	uint64_t id_dst[2], dst[2];
	uint32_t id_first, first;

	if (likely(id->version == 4)) {
		memcpy(&first, ip + 16, sizeof(first));
		memcpy(&id_first, id->dst, sizeof(id_first));
		return first == id_first;
	}
	memcpy(dst, ip + 24, sizeof(dst));
	memcpy(id_dst, id->dst, sizeof(id_dst));
	return ((dst[0] ^ id_dst[0]) | (dst[1] ^ id_dst[1])) == 0;
}

// Adds a packet to the last run, if that is plain and the packet belongs to it, in one piece.
// False: nothing was added.
static inline bool add_to_run(struct lookup *l, const struct fer_batch *b, unsigned i)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	const struct rte_mbuf *m = b->m[i];
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);

	if (!l->last_is_plain || f->protocol != FER_PROTO_ESP || b->pkt[i].n_layers != 0 ||
		f->end < f->up_off + (uint32_t)FER_ESP_HEADER_BYTES || m->data_len < f->end)
		return false;
	const struct fer_sa_id *id = &l->id[l->n_runs - 1];
	uint64_t esp = fer_load_be64(bytes + f->up_off); // SPI and number
	if (esp >> 32 != id->spi || f->version != id->version || !has_dst(id, bytes + f->ip_off))
		return false;
	l->seq_lo[l->n] = (uint32_t)esp;
	l->at[l->n++] = (uint16_t)i;
	return true;
}

// udp_bytes stand in front of the ESP header.
static void add_to_lookup(struct lookup *l, const struct fer_nic *nic, const struct fer_batch *b,
	unsigned i, uint8_t udp_bytes)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	uint8_t ip_room[FER_IPV6_HEADER_BYTES], room[FER_AH_FIXED_BYTES];
	bool is_ah = f->protocol == FER_PROTO_AH;
	uint8_t protocol = is_ah ? FER_PROTO_AH : FER_PROTO_ESP;
	uint32_t spi_off = is_ah ? FER_AH_SPI_OFF : 0, whole = spi_off + FER_ESP_HEADER_BYTES;
	uint32_t sec_off = f->up_off + udp_bytes;
	uint32_t n = RTE_MIN(f->end - sec_off, whole);
	uint64_t dst[2];

	if (n < spi_off + sizeof(uint32_t))
		return;
	const uint8_t *header = rte_pktmbuf_read(b->m[i], sec_off, n, room);
	const uint8_t *ip = rte_pktmbuf_read(b->m[i], f->ip_off,
		f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, ip_room);
	if (header == NULL || ip == NULL)
		return;

	uint32_t spi = fer_load_be32(header + spi_off);
	read_dst(ip, f->version, dst);
	bool is_plain = !is_ah && udp_bytes == 0 && n == whole && b->pkt[i].n_layers == 0;
	if (l->n == 0 || is_plain || l->last_is_plain ||
		!is_id(&l->id[l->n_runs - 1], f, protocol, spi, dst))
		start_run(l, nic, f, protocol, spi, dst, is_plain);
	if (unlikely(is_ah))
		memcpy(l->ah[l->n], header, sizeof(l->ah[0]));
	l->seq_lo[l->n] = n == whole ? fer_load_be32(header + spi_off + 4) : 0;
	l->udp_bytes[l->n] = udp_bytes;
	l->is_unsound[l->n] = udp_bytes != 0 && !fer_udp_is_sound(b->m[i], f);
	l->at[l->n++] = (uint16_t)i;
}

// Appends the receipt of the layer that was found, whose header is head_bytes long.
static void add_layer(struct fer_batch *b, unsigned i, uint8_t udp_bytes, uint32_t head_bytes,
	const struct fer_sa *sa, enum fer_verdict v, uint64_t seq)
{
	struct fer_pkt *p = &b->pkt[i];
	const struct fer_frame *f = &p->frame;
	uint16_t sec_off = f->up_off + udp_bytes;

	b->layer[i][p->n_layers++] = (struct fer_layer){
		.seq = seq,
		.sa = sa->index,
		.generation = atomic_load_explicit(&sa->generation, memory_order_relaxed),
		.ip_off = f->ip_off,
		.next_off = f->up_next_off,
		.sec_off = sec_off,
		.pay_off = (uint16_t)(sec_off + head_bytes),
		.end = f->end,
		.verdict = (uint8_t)v,
	};
	p->pending = v == FER_OK;
}

// Is there room in packet j for the number of ESP, or for the header that AH says it is?
static bool is_complete(const struct fer_frame *f, const struct lookup *l, unsigned j,
	const struct fer_sa *sa, uint32_t head_bytes)
{
	uint32_t left = f->end - f->up_off;

	if (likely(sa->protocol == FER_PROTO_ESP))
		return left >= (uint32_t)l->udp_bytes[j] + FER_ESP_HEADER_BYTES &&
		       !l->is_unsound[j];
	return head_bytes >= sa->suite.around_bytes && head_bytes <= left;
}

// The AH that the layer outside this one is, if it is that of a bundle; FER_NO_SA_INDEX else.
static uint32_t bundle_around(const struct fer_nic *nic, const struct fer_batch *b, unsigned i)
{
	if (likely(b->pkt[i].n_layers == 0))
		return FER_NO_SA_INDEX;
	uint32_t index = b->layer[i][b->pkt[i].n_layers - 1].sa;
	return fer_sa_is_outside(fer_sa_at(nic->sas, index)) ? index : FER_NO_SA_INDEX;
}

// ESP of a bundle stands inside its AH and nowhere else, and nothing else stands there.
static bool is_in_its_place(
	const struct fer_nic *nic, const struct fer_batch *b, unsigned i, const struct fer_sa *sa)
{
	uint32_t wanted = sa->protocol == FER_PROTO_ESP ? sa->partner : FER_NO_SA_INDEX;

	return bundle_around(nic, b, i) == wanted;
}

// May the layer that packet j of the look-up shows be opened?  Asks the window for its number.
static enum fer_verdict judge(const struct fer_nic *nic, const struct fer_batch *b,
	const struct lookup *l, unsigned j, const struct fer_sa *sa, uint32_t head_bytes,
	uint64_t *seq)
{
	unsigned i = l->at[j];

	if (!is_complete(&b->pkt[i].frame, l, j, sa, head_bytes))
		return FER_BAD_SYNTAX;
	if (!is_in_its_place(nic, b, i, sa))
		return FER_BAD_PROTOCOL;
	return fer_replay_check(&sa->in.replay, l->seq_lo[j], seq);
}

// Is packet j in UDP where the SA has it, and only there?
static bool has_its_udp(
	const struct fer_pkt *p, const struct lookup *l, unsigned j, const struct fer_sa *sa)
{
	unsigned wanted = p->n_layers == 0 ? FER_UDP_OUTSIDE : FER_UDP_INSIDE;

	if (likely((sa->udp_at & wanted) == 0))
		return l->udp_bytes[j] == 0;
	return l->udp_bytes[j] != 0 && p->frame.dport == sa->udp_port;
}

// Are the layers of an SA as most are: ESP, not in UDP, part of no bundle?
static inline bool is_plain_sa(const struct fer_sa *sa)
{
	return sa->protocol == FER_PROTO_ESP && sa->partner == FER_NO_SA_INDEX && sa->udp_at == 0;
}

// Gives the packets from first to last, a plain run of a plain SA, their receipts.
static unsigned bind_plain(struct fer_batch *b, const struct lookup *l, unsigned first,
	unsigned last, const struct fer_sa *sa)
{
	const uint32_t generation = atomic_load_explicit(&sa->generation, memory_order_relaxed);
	const uint32_t index = sa->index, head_bytes = sa->head_bytes;
	unsigned n_bound = 0;

	for (unsigned j = first; j < last; j++) {
		struct fer_pkt *p = &b->pkt[l->at[j]];
		const struct fer_frame *f = &p->frame;
		uint64_t seq = l->seq_lo[j];
		enum fer_verdict v = fer_replay_check(&sa->in.replay, l->seq_lo[j], &seq);

		b->layer[l->at[j]][0] = (struct fer_layer){
			.seq = seq,
			.sa = index,
			.generation = generation,
			.ip_off = f->ip_off,
			.next_off = f->up_next_off,
			.sec_off = f->up_off,
			.pay_off = (uint16_t)(f->up_off + head_bytes),
			.end = f->end,
			.verdict = (uint8_t)v,
		};
		p->n_layers = 1;
		p->pending = v == FER_OK;
		n_bound += v == FER_OK;
	}
	return n_bound;
}

// Does the same for any packet j of the look-up.  True: its layer can be opened.
static bool bind_one(const struct fer_nic *nic, struct fer_batch *b, const struct lookup *l,
	unsigned j, const struct fer_sa *sa)
{
	unsigned i = l->at[j];
	uint64_t seq = l->seq_lo[j];

	if (b->pkt[i].n_layers == FER_MAX_ROUNDS) {
		b->pkt[i].verdict = FER_TOO_DEEP;
		return false;
	}
	if (!has_its_udp(&b->pkt[i], l, j, sa)) {
		b->pkt[i].verdict = FER_WRONG_UDP;
		return false;
	}
	bool is_ah = sa->protocol == FER_PROTO_AH;
	uint32_t head_bytes = is_ah ? fer_ah_stated_bytes(l->ah[j]) : sa->head_bytes;
	enum fer_verdict v = judge(nic, b, l, j, sa, head_bytes, &seq);
	add_layer(b, i, l->udp_bytes[j], head_bytes, sa, v, seq);
	if (is_ah)
		fer_pkt_last_layer(b, i)->next_header = l->ah[j][0];
	return v == FER_OK;
}

// Writes down of the packets of a plain run what is known of them together.
static void tell_apart(struct lookup *l, unsigned run)
{
	unsigned first = l->first[run], n = l->first[run + 1] - first;

	if (!l->is_plain[run])
		return;
	memset(l->udp_bytes + first, 0, n * sizeof(l->udp_bytes[0]));
	memset(l->is_unsound + first, 0, n * sizeof(l->is_unsound[0]));
}

// Gives the packets of a run of one SA their numbers, and asks its window for each.
static unsigned bind_group(const struct fer_nic *nic, struct fer_batch *b, struct lookup *l,
	unsigned run, const struct fer_sa *sa)
{
	unsigned first = l->first[run], last = l->first[run + 1], n_bound = 0;

	fer_replay_prefetch(&sa->in.replay);
	if (likely(l->is_plain[run] && is_plain_sa(sa)))
		return bind_plain(b, l, first, last, sa);
	tell_apart(l, run);
	for (unsigned j = first; j < last; j++)
		n_bound += bind_one(nic, b, l, j, sa);
	return n_bound;
}

// Packets whose SPI and destination are those of an SA of the other protocol: the contract has a
// status for them.  There are missing of them, places in the runs.
static void bind_other_protocol(struct fer_nic *nic, struct fer_batch *b, struct lookup *l,
	const uint8_t missing[], unsigned n_missing)
{
	const struct fer_sa_id *ids[FER_SA_FIND_MAX] = {NULL};
	uint32_t index[FER_SA_FIND_MAX];

	for (unsigned k = 0; k < n_missing; k++) {
		struct fer_sa_id *id = &l->id[missing[k]];

		id->protocol = id->protocol == FER_PROTO_ESP ? FER_PROTO_AH : FER_PROTO_ESP;
		ids[k] = id;
	}
	fer_sa_find(nic->sas, ids, n_missing, index);
	for (unsigned k = 0; k < n_missing; k++) {
		unsigned r = missing[k];

		if (index[k] == FER_NO_SA_INDEX)
			continue;
		tell_apart(l, r);
		for (unsigned j = l->first[r]; j < l->first[r + 1]; j++)
			if (b->pkt[l->at[j]].n_layers < FER_MAX_ROUNDS)
				add_layer(b, l->at[j], l->udp_bytes[j], 0,
					fer_sa_at(nic->sas, index[k]), FER_BAD_PROTOCOL,
					l->seq_lo[j]);
	}
}

static unsigned bind_found(struct fer_nic *nic, struct fer_batch *b, struct lookup *l)
{
	unsigned n_bound = 0, n_missing = 0;
	uint8_t missing[FER_SA_FIND_MAX];

	l->first[l->n_runs] = (uint8_t)l->n;
	fer_sa_find(nic->sas, l->ids, l->n_runs, l->index);
	for (unsigned r = 0; r < l->n_runs; r++) {
		if (l->index[r] == FER_NO_SA_INDEX)
			missing[n_missing++] = (uint8_t)r;
		else
			n_bound += bind_group(nic, b, l, r, fer_sa_at(nic->sas, l->index[r]));
	}
	if (unlikely(n_missing != 0))
		bind_other_protocol(nic, b, l, missing, n_missing);
	l->n = l->n_runs = 0;
	l->last_is_plain = false;
	return n_bound;
}

// Did the packet come in UDP in a layer that was opened?  Then what is in UDP inside is none of
// ours: the contract has no such shape.
static bool was_in_udp(const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	for (unsigned k = 0; k < b->pkt[i].n_layers; k++) {
		const struct fer_sa *sa = fer_sa_at(nic->sas, b->layer[i][k].sa);

		if ((sa->udp_at & (k == 0 ? FER_UDP_OUTSIDE : FER_UDP_INSIDE)) != 0)
			return true;
	}
	return false;
}

static void look_up(struct lookup *l, const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	const struct fer_frame *f = &b->pkt[i].frame;

	if (likely(add_to_run(l, b, i)))
		return;
	if (likely(f->protocol != FER_PROTO_UDP))
		add_to_lookup(l, nic, b, i, 0);
	else if (fer_udp_has_esp(nic->sas, b->m[i], f) && !was_in_udp(nic, b, i))
		add_to_lookup(l, nic, b, i, FER_UDP_HEADER_BYTES);
}

unsigned fer_bind_in(struct fer_nic *nic, struct fer_batch *b)
{
	struct lookup l;
	unsigned n_bound = 0;

	l.n = l.n_runs = 0;
	l.last_is_plain = false;
	for (unsigned i = 0; i < b->n; i++) {
		bool wanted = fer_pkt_alive(&b->pkt[i]) && b->pkt[i].pending;

		b->pkt[i].pending = 0;
		if (wanted)
			look_up(&l, nic, b, i);
		if (l.n == FER_SA_FIND_MAX)
			n_bound += bind_found(nic, b, &l);
	}
	if (l.n > 0)
		n_bound += bind_found(nic, b, &l);
	fer_batch_mark(b, FER_STAGE_BIND);
	return n_bound;
}
