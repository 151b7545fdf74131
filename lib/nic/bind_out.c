// SPDX-License-Identifier: BSD-3-Clause
#include "nic/stages.h"

#include "base/bytes.h"
#include "crypto/engine.h"
#include "nic/crypt.h"
#include "nic/oob.h"
#include "nic/udp.h"
#include "proto/ah.h"
#include "sa/table.h"

#include <limits.h>

static struct fer_sa *outbound(const struct fer_nic *nic, uint64_t handle)
{
	struct fer_sa *sa = fer_sa_get(nic->sas, handle);

	return sa != NULL && sa->direction == FER_OUT ? sa : NULL;
}

// Where headers stand in a packet, and how far it goes.
struct place {
	uint16_t ip_off;
	uint32_t ah_off; // 0: nowhere
	uint32_t esp_off;
	uint32_t end;
};

static struct fer_layer layer_of(
	const struct fer_sa *sa, const struct place *at, uint32_t sec_off, uint32_t head_bytes)
{
	return (struct fer_layer){
		.sa = sa->index,
		.generation = atomic_load_explicit(&sa->generation, memory_order_relaxed),
		.ip_off = at->ip_off,
		.sec_off = (uint16_t)sec_off,
		.pay_off = (uint16_t)(sec_off + head_bytes),
		.end = at->end,
	};
}

// The shortest that a packet of sa can be from the ESP header on.
static uint32_t least_bytes(const struct fer_sa *sa)
{
	return (uint32_t)sa->head_bytes + sa->suite.align_bytes + sa->suite.icv_bytes;
}

// Does the ESP header of sa stand there, with room for all that belongs to it?
static bool bind_esp(const struct rte_mbuf *m, const struct fer_sa *sa, const struct place *at,
	struct fer_layer *layer)
{
	uint8_t room[4];

	if (at->esp_off == 0 || at->end > m->pkt_len || at->esp_off > at->end ||
		at->end - at->esp_off < least_bytes(sa))
		return false;
	const uint8_t *spi = rte_pktmbuf_read(m, at->esp_off, sizeof(room), room);
	if (spi == NULL || fer_load_be32(spi) != sa->spi)
		return false;
	*layer = layer_of(sa, at, at->esp_off, sa->head_bytes);
	return true;
}

// The same for AH, whose length is what its header says.
static bool bind_ah(const struct rte_mbuf *m, const struct fer_sa *sa, const struct place *at,
	struct fer_layer *layer)
{
	uint8_t room[FER_AH_FIXED_BYTES];

	if (at->ah_off == 0 || at->end > m->pkt_len || at->ah_off > at->end)
		return false;
	const uint8_t *ah = rte_pktmbuf_read(m, at->ah_off, sizeof(room), room);
	if (ah == NULL || fer_load_be32(ah + FER_AH_SPI_OFF) != sa->spi)
		return false;
	uint32_t bytes = fer_ah_stated_bytes(ah);
	if (bytes < sa->suite.around_bytes || bytes > at->end - at->ah_off)
		return false;
	*layer = layer_of(sa, at, at->ah_off, bytes);
	layer->next_header = ah[0];
	return true;
}

// Binds the headers of one SA or bundle, innermost first, and says how many there are; 0: they are
// not where they should be.
static unsigned bind_headers(const struct fer_nic *nic, const struct rte_mbuf *m,
	const struct fer_sa *sa, const struct place *at, struct fer_layer layers[2])
{
	const struct fer_sa *ah = fer_sa_ah(nic->sas, sa);

	if (sa->protocol == FER_PROTO_AH)
		return bind_ah(m, sa, at, layers);
	if (!bind_esp(m, sa, at, layers))
		return 0;
	if (ah == NULL)
		return 1;
	return bind_ah(m, ah, at, layers + 1) && layers[1].next_header == FER_PROTO_ESP &&
			       layers[1].pay_off == layers[0].sec_off
		       ? 2
		       : 0;
}

// Does the first header of sa stand at off, behind the headers of the frame and, where the SA has
// that, in UDP?
static bool is_header_of(
	const struct fer_frame *f, const struct fer_sa *sa, unsigned udp_at, uint32_t off)
{
	bool has_ah = sa->protocol == FER_PROTO_AH || sa->partner != FER_NO_SA_INDEX;

	if ((sa->udp_at & udp_at) == 0)
		return f->protocol == (has_ah ? FER_PROTO_AH : FER_PROTO_ESP) && off == f->up_off;
	return f->protocol == FER_PROTO_UDP && off == (uint32_t)f->up_off + FER_UDP_HEADER_BYTES;
}

// Gives packet i layers behind those that it has.
static void add_layers(struct fer_batch *b, unsigned i, const struct fer_layer layers[], unsigned n)
{
	struct fer_pkt *p = &b->pkt[i];

	for (unsigned k = 0; k < n; k++)
		b->round[p->n_layers++][i] = layers[k];
}

static enum fer_verdict bind_single(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
	const struct fer_sa *sa, const struct fer_oob *o)
{
	struct fer_pkt *p = &b->pkt[i];
	uint32_t ah_off = fer_oob_ah_offset(o), esp_off = fer_oob_esp_offset(o);
	struct fer_layer layers[2];
	const struct place at = {
		.ip_off = p->frame.ip_off,
		.ah_off = ah_off == 0 ? 0 : p->frame.ip_off + ah_off,
		.esp_off = esp_off == 0 ? 0 : p->frame.ip_off + esp_off,
		.end = p->frame.end,
	};

	if (sa->udp_at != 0 && !is_header_of(&p->frame, sa, FER_UDP_OUTSIDE, at.esp_off))
		return FER_BAD_OFFSET;
	b->has_udp_sums |= fer_udp_has_sum(sa, FER_UDP_OUTSIDE);
	add_layers(b, i, layers, bind_headers(nic, b->m[i], sa, &at, layers));
	return p->n_layers != 0 ? FER_OK : FER_BAD_OFFSET;
}

// The headers of a tunnel follow the outer IP header, or UDP.
static unsigned bind_tunnel(const struct fer_nic *nic, const struct rte_mbuf *m,
	const struct fer_sa *sa, const struct fer_frame *outer, struct fer_layer layers[2])
{
	uint8_t room[FER_AH_FIXED_BYTES];
	struct place at = {.ip_off = outer->ip_off, .esp_off = outer->up_off, .end = outer->end};

	if ((sa->udp_at & FER_UDP_OUTSIDE) != 0)
		at.esp_off += FER_UDP_HEADER_BYTES;
	if (!is_header_of(outer, sa, FER_UDP_OUTSIDE, at.esp_off))
		return 0;
	if (outer->protocol == FER_PROTO_AH) {
		const uint8_t *ah = rte_pktmbuf_read(m, outer->up_off, sizeof(room), room);
		if (ah == NULL)
			return 0;
		at.ah_off = outer->up_off;
		at.esp_off += fer_ah_stated_bytes(ah);
	}
	return bind_headers(nic, m, sa, &at, layers);
}

// Transport inside tunnel: the headers of the first are where slot 12 says, inside the IP packet
// that the tunnel carries.
static enum fer_verdict bind_nested(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
	const struct fer_sa *inner, const struct fer_sa *tunnel, const struct fer_oob *o)
{
	struct fer_pkt *p = &b->pkt[i];
	struct fer_frame outer = p->frame;
	struct fer_layer inside[2], around[2];
	uint32_t ah_off = fer_oob_ah_offset(o), esp_off = fer_oob_esp_offset(o);
	unsigned n_around = bind_tunnel(nic, b->m[i], tunnel, &outer, around), n;

	if (n_around == 0)
		return FER_BAD_OFFSET;
	fer_batch_parse_inner(b, i, around[0].pay_off, outer.end - tunnel->tail_bytes);
	const struct place at = {
		.ip_off = p->frame.ip_off,
		.ah_off = ah_off == 0 ? 0 : outer.ip_off + ah_off,
		.esp_off = esp_off == 0 ? 0 : outer.ip_off + esp_off,
		.end = p->frame.end,
	};
	bool shown = p->frame.version != 0 && is_header_of(&p->frame, inner, FER_UDP_INSIDE,
						      at.ah_off != 0 ? at.ah_off : at.esp_off);
	p->frame = outer;
	n = shown ? bind_headers(nic, b->m[i], inner, &at, inside) : 0;
	if (n == 0)
		return FER_BAD_OFFSET;
	b->has_udp_sums |=
		fer_udp_has_sum(inner, FER_UDP_INSIDE) || fer_udp_has_sum(tunnel, FER_UDP_OUTSIDE);
	add_layers(b, i, inside, n);
	add_layers(b, i, around, n_around);
	return FER_OK;
}

static enum fer_verdict bind(struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	const struct fer_oob *o = fer_oob_of(b->m[i]);
	uint64_t first = o->ipsec != 0 ? o->ipsec : o->tunnel;

	if (first == 0)
		return FER_OK;
	if (b->pkt[i].parsed != FER_OK)
		return FER_BAD_OFFSET;
	const struct fer_sa *sa = outbound(nic, first);
	if (sa == NULL)
		return FER_BAD_HANDLE;
	if (o->ipsec == 0 || o->tunnel == 0)
		return bind_single(nic, b, i, sa, o);
	const struct fer_sa *tunnel = outbound(nic, o->tunnel);
	if (tunnel == NULL)
		return FER_BAD_HANDLE;
	return bind_nested(nic, b, i, sa, tunnel, o);
}

// Does a plain IP header of so many bytes stand in front of what follows?
static inline bool has_plain_front(const struct fer_frame *f, uint32_t bytes)
{
	return bytes == (f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES);
}

static_assert(offsetof(struct fer_job, key) == offsetof(struct fer_job, suite) + 8 &&
		      offsetof(struct fer_job, seq_hi) == offsetof(struct fer_job, len) + 4,
	"written as one");

// Is it an SA of ESP or AH alone, not in UDP?
static inline bool is_single(const struct fer_sa *sa)
{
	return sa->partner == FER_NO_SA_INDEX && sa->udp_at == 0;
}

// What is known of sa, which is single, when its header stands that far behind the IP header of p.
__attribute__((always_inline)) static inline struct fer_known known_of(struct fer_sa *sa,
	uint64_t handle, const struct fer_pkt *p, const struct fer_oob *o, uint32_t off, bool is_ah)
{
	const uint32_t ip_off = p->frame.ip_off, sec_off = ip_off + off;

	return (struct fer_known){
		.handle = handle,
		.sa = sa,
		.state = fer_pkt_state(p),
		.offsets = (uint16_t)(o->header >> 16),
		.ip_off = (uint16_t)ip_off,
		.ah_len = is_ah ? fer_ah_length_field(sa->head_bytes) : 0,
		.spi = __builtin_bswap32(sa->spi),
		.sec_off = sec_off,
		.least_end = sec_off + least_bytes(sa),
		.places = fer_layer_places_of(ip_off, sec_off, sec_off + sa->head_bytes),
		.suite = &sa->suite,
		.key = fer_sa_key(sa),
	};
}

// Learns from packet p, which is alive.  False: nothing.
static bool know(const struct fer_nic *nic, const struct fer_pkt *p, const struct fer_oob *o)
{
	struct fer_sa *sa = outbound(nic, o->ipsec);

	if (sa == NULL || p->parsed != FER_OK || !is_single(sa))
		return false;
	bool is_ah = sa->protocol == FER_PROTO_AH;
	uint32_t off = is_ah ? fer_oob_ah_offset(o) : fer_oob_esp_offset(o);
	if (off == 0 || (is_ah && !has_plain_front(&p->frame, off)))
		return false;
	*nic->known = known_of(sa, o->ipsec, p, o, off, is_ah);
	return true;
}

static_assert(offsetof(struct fer_layer, seq) == 0 && offsetof(struct fer_layer, sa) == 8 &&
		      offsetof(struct fer_layer, ip_off) == 16 &&
		      offsetof(struct fer_layer, end) == 24 && sizeof(struct fer_layer) == 32,
	"four words");

// Writes a layer, each of its bytes once.
static inline void put_layer(
	struct fer_layer *layer, const struct fer_known *known, uint32_t end, uint64_t seq)
{
	const uint64_t words[2] = {seq, known->handle};
	const fer_pair places = {known->places, end};

	memcpy(layer, words, sizeof(words));
	memcpy(&layer->ip_off, &places, sizeof(places));
}

// Completes the layer and the job of AH, which begins with the IP header in front of it.
static inline void bind_known_ah(
	struct fer_layer *layer, struct fer_job *job, const uint8_t *header)
{
	const uint32_t front_bytes = layer->sec_off - layer->ip_off;

	layer->next_header = header[0];
	job->start -= front_bytes;
	job->len += front_bytes;
}

// Is it AH as the SA has it, behind a plain IP header?
static inline bool is_plain_ah(const struct rte_mbuf *m, const struct fer_frame *f,
	const struct fer_known *known, const uint8_t *header)
{
	return header[1] == known->ah_len && f->up_off == known->sec_off &&
	       has_plain_front(f, (uint32_t)f->up_off - f->ip_off) &&
	       fer_crypt_has_room_behind(m, f->end);
}

// bind() of a packet of which all is known, with its job.  False: something is not as it mostly is,
// and nothing was done.  Where the IP header begins its state says as well, but AH starts there.
__attribute__((always_inline)) static inline bool bind_known(struct rte_mbuf *m, struct fer_pkt *p,
	struct fer_layer *layer, const struct fer_known *known, bool is_ah, struct fer_job *job)
{
	const struct fer_oob *o = fer_oob_of(m);
	const uint32_t end = p->frame.end, spi_at = is_ah ? FER_AH_SPI_OFF : 0;
	const uint64_t sec_off = known->sec_off;
	uint32_t spi;

	if (o->ipsec != known->handle || o->tunnel != 0 || o->header >> 16 != known->offsets ||
		(is_ah && p->frame.ip_off != known->ip_off) || fer_pkt_state(p) != known->state ||
		end < known->least_end || end > m->data_len)
		return false;
	uint8_t *header = rte_pktmbuf_mtod_offset(m, uint8_t *, sec_off);
	memcpy(&spi, header + spi_at, sizeof(spi));
	if (spi != known->spi || (is_ah && !is_plain_ah(m, &p->frame, known, header)))
		return false;
	const uint64_t len = end - sec_off; // and no high half of a number
	put_layer(layer, known, end, fer_load_be32(header + spi_at + FER_ESP_SEQ_OFF));
	p->n_layers = 1;
	job->start = header;
	memcpy(&job->suite, &known->suite, 2 * sizeof(job->suite));
	memcpy(&job->len, &len, sizeof(len));
	if (is_ah)
		bind_known_ah(layer, job, header);
	return true;
}

// Does so from packet i on.  Returns how many these are.
__attribute__((always_inline)) static inline unsigned bind_run(struct fer_batch *b, unsigned i,
	const struct fer_known *known, bool is_ah, struct fer_job *job, uint16_t *at)
{
	const unsigned first = i;

	for (unsigned n = b->n; i < n; i++, job++) {
		if (!bind_known(b->m[i], &b->pkt[i], &b->round[0][i], known, is_ah, job))
			break;
		*at++ = (uint16_t)i;
	}
	return i - first;
}

// A function of its own, so that the loop over ESP has the registers for itself.
__attribute__((noinline)) static unsigned bind_ah_run(struct fer_batch *b, unsigned i,
	const struct fer_known *known, struct fer_job *job, uint16_t *at)
{
	return bind_run(b, i, known, true, job, at);
}

// Binds any packet.  Returns how many layers it has.
__attribute__((noinline)) static unsigned bind_any(
	struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct fer_pkt *p = &b->pkt[i];

	p->n_layers = 0;
	p->verdict = (uint8_t)bind(nic, b, i);
	if (p->n_layers != 0)
		fer_crypt_leave(nic->crypt);
	return p->n_layers;
}

// Does the SA live that is known?
static inline bool is_known(const struct fer_known *known)
{
	return known->sa != NULL && atomic_load_explicit(&known->sa->generation,
					    memory_order_acquire) == known->handle >> 32;
}

// Binds the packets from i on of which all is known, behind so many jobs.  Returns how many these
// are.
static inline unsigned bind_all_known(
	struct fer_nic *nic, struct fer_batch *b, unsigned i, unsigned n_jobs)
{
	const struct fer_known *known = nic->known;
	struct fer_crypt *c = nic->crypt;
	struct fer_job *job = c->job + n_jobs;
	uint16_t *at = c->at + n_jobs;
	unsigned n = likely(known->ah_len == 0) ? bind_run(b, i, known, false, job, at)
						: bind_ah_run(b, i, known, job, at);

	if (likely(n > 0))
		fer_crypt_begin_run(c, known->sa, n_jobs);
	return n;
}

// What packet i wants first; 0 behind the last.
static inline uint64_t wish(const struct fer_batch *b, unsigned i)
{
	return i < b->n ? fer_oob_of(b->m[i])->ipsec : 0;
}

// Binds packet i, which wants that SA, with its job, as a run of its own.  What is known of the SA
// is not kept.  False: the packet is not as most are, and nothing was done.
__attribute__((always_inline)) static inline bool bind_alone(const struct fer_nic *nic,
	struct fer_batch *b, unsigned i, struct fer_sa *sa, uint64_t handle, uint32_t off,
	bool is_ah, struct fer_job *job)
{
	struct rte_mbuf *m = b->m[i];
	struct fer_pkt *p = &b->pkt[i];

	if (unlikely(!is_single(sa) || off == 0 || !fer_pkt_has_no_layer(p) ||
		     (is_ah && !has_plain_front(&p->frame, off))))
		return false;
	const struct fer_known known = known_of(sa, handle, p, fer_oob_of(m), off, is_ah);
	if (unlikely(!bind_known(m, p, &b->round[0][i], &known, is_ah, job)))
		return false;
	fer_crypt_begin_run(nic->crypt, sa, (unsigned)(job - nic->crypt->job));
	return true;
}

__attribute__((noinline)) static bool bind_ah_alone(const struct fer_nic *nic, struct fer_batch *b,
	unsigned i, struct fer_sa *sa, uint64_t handle, struct fer_job *job)
{
	return bind_alone(nic, b, i, sa, handle, fer_oob_ah_offset(fer_oob_of(b->m[i])), true, job);
}

static inline bool bind_any_alone(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
	uint64_t handle, struct fer_job *job)
{
	struct fer_sa *sa = outbound(nic, handle);

	if (unlikely(sa == NULL))
		return false;
	if (unlikely(sa->protocol == FER_PROTO_AH))
		return bind_ah_alone(nic, b, i, sa, handle, job);
	return bind_alone(
		nic, b, i, sa, handle, fer_oob_esp_offset(fer_oob_of(b->m[i])), false, job);
}

// Binds the packets from i on, behind so many jobs, up to the first of three in a row of one SA:
// fewer are not worth to be told apart.  Returns how many these are.
__attribute__((noinline)) static unsigned bind_all_alone(
	const struct fer_nic *nic, struct fer_batch *b, unsigned i, unsigned n_jobs)
{
	struct fer_job *job = nic->crypt->job + n_jobs;
	uint16_t *at = nic->crypt->at + n_jobs;
	const unsigned first = i;
	uint64_t handle = wish(b, i), next = wish(b, i + 1), third;

	for (; handle != 0; handle = next, next = third, i++, job++) {
		third = wish(b, i + 2);
		if (((next ^ handle) | (third ^ handle)) == 0 ||
			!bind_any_alone(nic, b, i, handle, job))
			break;
		*at++ = (uint16_t)i;
	}
	return i - first;
}

// Is it the SA that the burst before began with?  Then others will.
static inline bool comes_again(struct fer_known *known, const struct fer_batch *b)
{
	const uint64_t before = known->begun;

	known->begun = wish(b, 0);
	return known->begun == before;
}

// Binds the packets from i on, behind so many jobs.  Returns how many layers the one with most of
// them has.
__attribute__((noinline)) static unsigned bind_others(
	struct fer_nic *nic, struct fer_batch *b, unsigned i, unsigned n_jobs)
{
	bool is_run = i == 0 && comes_again(nic->known, b);
	unsigned n_rounds = 0, learnt = UINT_MAX;

	while (i < b->n) {
		unsigned n = is_run ? 0 : bind_all_alone(nic, b, i, n_jobs);

		if (n == 0 && is_known(nic->known))
			n = bind_all_known(nic, b, i, n_jobs);
		is_run = false;
		if (likely(n > 0)) {
			n_jobs += n;
			i += n;
			n_rounds = RTE_MAX(n_rounds, 1u);
		} else if (!fer_pkt_alive(&b->pkt[i])) {
			i++;
		} else if (learnt == i || !know(nic, &b->pkt[i], fer_oob_of(b->m[i]))) {
			n = bind_any(nic, b, i++);
			n_rounds = RTE_MAX(n_rounds, n);
		} else {
			learnt = i;
			is_run = true;
		}
	}
	fer_crypt_fill(nic->crypt, n_jobs);
	return n_rounds;
}

// Mostly a burst is one run of the SA that is known from before.
unsigned fer_bind_out(struct fer_nic *nic, struct fer_batch *b)
{
	unsigned n = 0, n_rounds = 1;

	b->has_udp_sums = false;
	fer_crypt_start(nic->crypt);
	if (likely(is_known(nic->known)))
		n = bind_all_known(nic, b, 0, 0);
	if (likely(n != 0 && n == b->n))
		fer_crypt_fill(nic->crypt, n);
	else
		n_rounds = RTE_MAX(n != 0 ? 1u : 0u, bind_others(nic, b, n, n));
	fer_batch_mark(b, FER_STAGE_BIND);
	return n_rounds;
}
