// SPDX-License-Identifier: BSD-3-Clause
#include "source.h"

#include "selector.h"

#include "nic/oob.h"
#include "proto/ah.h"
#include "proto/cksum.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_BYTES FER_ETHER_HEADER_BYTES

// What carries streams: an association, or nothing where they are plain.
struct channel {
	uint64_t handle; // 0: plain
	struct fer_gen_selector selector;
	uint32_t window;
	bool esn;
	uint8_t has;            // FER_GEN_NEEDS_*
	struct rte_mbuf *again; // copy of a sound packet, for FER_GEN_AGAIN
	uint64_t again_number;
	struct rte_mbuf *late; // sealed before all others, for FER_GEN_LATE
	uint64_t late_number;
	uint64_t passed_at; // packets made when a sound one moved the window past it; 0: not yet
};

// A packet on its way through a burst.
struct item {
	struct channel *channel;
	uint32_t stream;
	uint8_t kind;
};

struct fer_gen_source {
	struct fer_gen_source_params params;
	struct rte_mempool *pool;
	struct channel *channels;
	uint32_t n_channels;
	uint64_t random;
	uint32_t threshold[FER_GEN_KINDS]; // below it: that kind, or one before
	bool has_broken;
	uint32_t next_stream;
	uint32_t next_size;
	uint64_t *counters; // by stream
	struct fer_gen_made made;

	struct item sealed[FER_GEN_BURST]; // those of the batch
	uint64_t handle[FER_GEN_BURST];
	struct fer_batch batch;
};

// --- channels ---------------------------------------------------------------------------------

static void override(const struct fer_gen_source_params *params, struct fer_gen_selector *s)
{
	if (params->src.version != 0)
		s->src = params->src;
	if (params->dst.version != 0)
		s->dst = params->dst;
}

static void open_plain(struct fer_gen_source *s)
{
	struct channel *c = &s->channels[s->n_channels++];

	c->selector = fer_gen_selector_of(
		fer_gen_find_policy(s->params.doc, s->params.pair, FER_OUT, FER_NO_GROUP));
	override(&s->params, &c->selector);
}

static void open_channel(struct fer_gen_source *s, uint32_t at)
{
	const struct fer_doc_sa *sa = &s->params.doc->sas[at];
	const struct fer_doc_policy *p =
		fer_gen_find_policy(s->params.doc, s->params.pair, FER_IN, sa->group);
	struct channel *c = &s->channels[s->n_channels++];

	c->handle = s->params.mirror->handles[at];
	c->window = sa->replay_window;
	c->esn = sa->esn;
	c->selector = fer_gen_selector_of(p);
	if (sa->mode == FER_TRANSPORT) {
		c->selector.src = sa->src;
		c->selector.dst = sa->dst;
	}
	override(&s->params, &c->selector);
	c->has = (uint8_t)((sa->spi != 0 ? FER_GEN_NEEDS_ESP : 0) |
			   (sa->mode == FER_TUNNEL ? FER_GEN_NEEDS_TUNNEL : 0) |
			   (sa->replay_window != 0 ? FER_GEN_NEEDS_WINDOW : 0) |
			   (p != NULL && p->src.len != 0 ? FER_GEN_NEEDS_POLICY : 0) |
			   (s->params.doc->n_policies != 0 ? FER_GEN_NEEDS_POLICIES : 0) |
			   (!sa->esn ? FER_GEN_NEEDS_NO_ESN : 0));
}

static int open_sealed(struct fer_gen_source *s, char error[FER_GEN_ERROR_BYTES])
{
	const struct fer_gen_source_params *p = &s->params;

	for (uint32_t i = 0; i < p->doc->n_sas; i++) {
		const struct fer_doc_sa *sa = &p->doc->sas[i];

		if (sa->pair == p->pair && sa->direction == FER_IN &&
			(p->sa == NULL || strcmp(p->sa, sa->name) == 0))
			open_channel(s, i);
	}
	if (s->n_channels > 0)
		return 0;
	if (p->sa != NULL)
		return fer_gen_fail(
			error, "%s: has no inbound association %s", p->doc->name, p->sa);
	return fer_gen_fail(error, "%s: has no inbound association to seal for", p->doc->name);
}

// --- kinds ------------------------------------------------------------------------------------

static const char *lack(uint8_t needs)
{
	if ((needs & FER_GEN_NEEDS_ESP) != 0)
		return "an association with ESP";
	if ((needs & FER_GEN_NEEDS_TUNNEL) != 0)
		return "an association in tunnel mode";
	if ((needs & FER_GEN_NEEDS_WINDOW) != 0)
		return "an association with a replay window";
	if ((needs & FER_GEN_NEEDS_POLICY) != 0)
		return "an inbound policy that names source addresses";
	if ((needs & FER_GEN_NEEDS_NO_ESN) != 0)
		return "an association without ESN";
	return "policies";
}

// What the associations lack for a kind; 0: nothing.
static uint8_t lacks(const struct fer_gen_source *s, const struct fer_gen_kind *kind)
{
	uint8_t has = UINT8_MAX;

	for (uint32_t c = 0; c < s->n_channels; c++)
		has &= s->channels[c].has;
	return kind->needs & (uint8_t)~has;
}

static int choose_kinds(struct fer_gen_source *s, char error[FER_GEN_ERROR_BYTES])
{
	double sum = 0;

	for (unsigned k = 1; k < fer_gen_n_kinds(); k++) {
		const struct fer_gen_kind *kind = fer_gen_kind(k);
		double *share = &s->params.share[k];
		uint8_t lacking = lacks(s, kind);

		if (!(*share > 0) && lacking == 0)
			*share = s->params.share_of_all;
		if (*share > 0 && s->params.plain)
			return fer_gen_fail(error, "%s: plain packets are not broken", kind->name);
		if (*share > 0 && lacking != 0)
			return fer_gen_fail(error, "%s: needs %s", kind->name, lack(lacking));
		sum += *share;
		s->threshold[k] = (uint32_t)(RTE_MIN(sum, 1.0) * UINT32_MAX);
	}
	if (sum > 1.000001)
		return fer_gen_fail(error, "the shares of broken packets are more than all");
	s->has_broken = sum > 0;
	return 0;
}

// A kind that is made so, and that is asked for; 0: there is none.
static unsigned chosen(const struct fer_gen_source *s, uint8_t when)
{
	for (unsigned k = 1; k < fer_gen_n_kinds(); k++)
		if (fer_gen_kind(k)->when == when && s->params.share[k] > 0)
			return k;
	return 0;
}

static uint32_t next_random(struct fer_gen_source *s)
{
	return (uint32_t)(fer_gen_mix(s->random++) >> 32);
}

static uint8_t draw_kind(struct fer_gen_source *s)
{
	if (!s->has_broken)
		return 0;
	uint32_t random = next_random(s);

	for (unsigned k = 1; k < fer_gen_n_kinds(); k++)
		if (random < s->threshold[k])
			return (uint8_t)k;
	return 0;
}

// --- packets ----------------------------------------------------------------------------------

static uint16_t port_of(const struct fer_doc_ports *p, uint32_t i)
{
	return (uint16_t)(p->first + i % ((uint32_t)p->last - p->first + 1));
}

static uint32_t next_size(struct fer_gen_source *s)
{
	uint32_t size = s->params.size[s->next_size];

	s->next_size = s->next_size + 1 == s->params.n_sizes ? 0 : s->next_size + 1;
	return size;
}

static void write_link(uint8_t *frame, uint8_t version)
{
	static const uint8_t ends[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};

	memcpy(frame, ends, sizeof(ends));
	fer_store_be16(frame + FER_ETHER_TYPE_OFF, fer_ether_type(version));
}

// The checksum is that of the whole datagram; 0 would say that there is none.
static void write_udp_sum(uint8_t *ip, uint8_t *udp, uint32_t len)
{
	fer_store_be16(udp + FER_UDP_CKSUM_OFF, fer_ip_pseudo_sum(ip, FER_PROTO_UDP, len));
	uint16_t sum = fer_cksum(udp, len);
	fer_store_be16(udp + FER_UDP_CKSUM_OFF, sum == 0 ? UINT16_MAX : sum);
}

static void write_packet(
	struct fer_gen_source *s, const struct item *item, uint8_t *ip, uint32_t size)
{
	const struct fer_gen_selector *sel = &item->channel->selector;
	const struct fer_gen_kind *kind = fer_gen_kind(item->kind);
	struct fer_addr src = sel->src;
	const struct fer_gen_tag tag = {
		.counter = item->kind == 0 ? s->counters[item->stream] : s->made.kinds[item->kind],
		.stream = item->stream,
		.kind = item->kind,
	};

	if (kind->when == FER_GEN_PLAIN)
		src.bytes[0] = (src.bytes[0] & kind->keep) ^ kind->flip;
	const struct fer_ip_header header = {
		.src = &src,
		.dst = &sel->dst,
		.len = size,
		.ttl = 64,
		.protocol = FER_PROTO_UDP,
	};
	uint32_t head = fer_ip_write(ip, &header), udp_len = size - head;
	uint8_t *udp = ip + head;
	fer_store_be16(udp, port_of(&sel->sport, item->stream));
	fer_store_be16(udp + 2, port_of(&sel->dport, item->stream));
	fer_store_be16(udp + 4, (uint16_t)udp_len);
	fer_gen_tag_write(
		udp + FER_UDP_HEADER_BYTES, udp_len - FER_UDP_HEADER_BYTES, s->params.seed, &tag);
	write_udp_sum(ip, udp, udp_len);
}

// A plain packet; NULL without buffers.
static struct rte_mbuf *make_plain(struct fer_gen_source *s, const struct item *item)
{
	uint8_t version = item->channel->selector.src.version;
	uint32_t least = FER_GEN_MIN_SIZE + (version == 6 ? 20 : 0);
	uint32_t size = RTE_MAX(next_size(s), least);
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->pool);

	if (m == NULL)
		return NULL;
	m->data_len = (uint16_t)(LINK_BYTES + size);
	m->pkt_len = m->data_len;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	write_link(frame, version);
	write_packet(s, item, frame + LINK_BYTES, size);
	return m;
}

// Where a row of the table changes packet i of the batch.
static uint32_t place_of(const struct fer_gen_source *s, const struct fer_batch *b, unsigned i,
	enum fer_gen_place place)
{
	const struct fer_oob *words = fer_oob_of(b->m[i]);
	const struct fer_sa *sa = fer_sa_get(s->params.mirror->sas, s->handle[i]);
	const struct fer_sa *ah = fer_sa_ah(s->params.mirror->sas, sa);
	bool has_ah = sa->protocol == FER_PROTO_AH || ah != NULL;
	uint32_t ip_off = b->pkt[i].frame.ip_off;
	uint32_t sec_off = ip_off + (has_ah ? fer_oob_ah_offset(words) : fer_oob_esp_offset(words));
	uint32_t spi = sec_off + (has_ah ? FER_AH_SPI_OFF : 0u);

	switch (place) {
	case FER_GEN_AT_IP:
		return ip_off;
	case FER_GEN_AT_SPI:
		return spi;
	case FER_GEN_AT_NUMBER:
		return spi + 4;
	case FER_GEN_AT_PAYLOAD:
		return sec_off + (ah == NULL ? sa : ah)->head_bytes;
	case FER_GEN_AT_ICV:
		return has_ah ? sec_off + (uint32_t)FER_AH_FIXED_BYTES : b->m[i]->pkt_len - 1;
	case FER_GEN_AT_PAD_LENGTH:
		return b->m[i]->pkt_len - sa->tail_bytes;
	case FER_GEN_AT_NEXT_HEADER:
		break;
	}
	return b->m[i]->pkt_len - sa->tail_bytes + 1;
}

static void change(struct fer_gen_source *s, struct fer_batch *b, unsigned i)
{
	const struct fer_gen_kind *kind = fer_gen_kind(s->sealed[i].kind);
	uint32_t at = place_of(s, b, i, (enum fer_gen_place)kind->place);
	uint8_t *p = rte_pktmbuf_mtod_offset(b->m[i], uint8_t *, at);

	for (unsigned k = 0; k < kind->bytes; k++)
		p[k] = (p[k] & kind->keep) ^ kind->flip;
}

static void cut(struct fer_gen_source *s, struct fer_batch *b, unsigned i)
{
	const struct fer_gen_kind *kind = fer_gen_kind(s->sealed[i].kind);
	uint32_t end = place_of(s, b, i, (enum fer_gen_place)kind->place) + kind->bytes;
	uint32_t ip_off = place_of(s, b, i, FER_GEN_AT_IP);

	fer_ip_set_len(rte_pktmbuf_mtod_offset(b->m[i], uint8_t *, ip_off), end - ip_off);
	b->m[i]->pkt_len = end;
	b->m[i]->data_len = (uint16_t)end;
}

static void on_framed(void *ctx, struct fer_batch *b)
{
	struct fer_gen_source *s = ctx;

	for (unsigned i = 0; i < b->n; i++)
		if (fer_gen_kind(s->sealed[i].kind)->when == FER_GEN_FRAMED)
			change(s, b, i);
}

static uint64_t last_number(const struct fer_gen_source *s, const struct channel *c)
{
	const struct fer_sa *sa = fer_sa_get(s->params.mirror->sas, c->handle);

	return sa == NULL ? 0 : fer_seq_last(&sa->out.seq);
}

// That of packet i of the batch, which is one of the last 2^32.
static uint64_t number_of(const struct fer_gen_source *s, const struct fer_batch *b, unsigned i)
{
	uint32_t at = place_of(s, b, i, FER_GEN_AT_NUMBER);
	uint32_t low = fer_load_be32(rte_pktmbuf_mtod_offset(b->m[i], const uint8_t *, at));
	uint64_t last = last_number(s, s->sealed[i].channel);

	return last - (uint32_t)(last - low);
}

// Keeps a copy of a sound packet in place of one that the window will soon have passed.
static void keep_copy(
	struct fer_gen_source *s, struct channel *c, const struct rte_mbuf *m, uint64_t number)
{
	if (c->again != NULL && number - c->again_number < c->window / 2)
		return;
	rte_pktmbuf_free(c->again);
	c->again = rte_pktmbuf_copy(m, s->pool, 0, UINT32_MAX);
	c->again_number = number;
}

// What a receiver verifies moves its window.
static void note_sound(struct fer_gen_source *s, const struct fer_batch *b, unsigned i)
{
	struct channel *c = s->sealed[i].channel;
	uint64_t number = number_of(s, b, i);

	if (chosen(s, FER_GEN_AGAIN) != 0)
		keep_copy(s, c, b->m[i], number);
	if (c->passed_at == 0 && c->late != NULL && number - c->late_number >= c->window)
		c->passed_at = s->made.packets;
}

static void on_sealed(void *ctx, struct fer_batch *b)
{
	struct fer_gen_source *s = ctx;

	for (unsigned i = 0; i < b->n; i++) {
		const struct item *item = &s->sealed[i];
		uint8_t when = fer_gen_kind(item->kind)->when;

		if (when == FER_GEN_SEALED)
			change(s, b, i);
		else if (when == FER_GEN_CUT)
			cut(s, b, i);
		else if (when == FER_GEN_NEVER && s->has_broken)
			note_sound(s, b, i);
	}
}

static int seal(struct fer_gen_source *s, char error[FER_GEN_ERROR_BYTES])
{
	if (s->batch.n == 0)
		return 0;
	for (unsigned i = 0; i < s->batch.n; i++)
		s->handle[i] = s->sealed[i].channel->handle;
	return fer_gen_mirror_seal(
		s->params.mirror, &s->batch, s->handle, on_framed, on_sealed, s, error);
}

// --- bursts -----------------------------------------------------------------------------------

// A receiver looks at a burst before it moves the window for what was in it.
static bool has_passed(const struct fer_gen_source *s, const struct channel *c)
{
	return c->passed_at != 0 && s->made.packets - c->passed_at >= FER_BATCH_MAX;
}

// The packet that a kind without one of its own is made from; NULL: there is none now.
static struct rte_mbuf *take_copy(struct fer_gen_source *s, struct channel *c, uint8_t when)
{
	if (when == FER_GEN_LATE)
		return has_passed(s, c) ? rte_pktmbuf_copy(c->late, s->pool, 0, UINT32_MAX) : NULL;
	// What else is in this burst has numbers, too.
	uint64_t top = last_number(s, c) + s->batch.n;

	return c->again == NULL || top - c->again_number >= c->window
		       ? NULL
		       : rte_pktmbuf_copy(c->again, s->pool, 0, UINT32_MAX);
}

static bool is_copied(uint8_t when)
{
	return when == FER_GEN_AGAIN || when == FER_GEN_LATE;
}

static struct item next_item(struct fer_gen_source *s)
{
	struct item item = {.stream = s->next_stream, .kind = draw_kind(s)};

	item.channel = &s->channels[item.stream % s->n_channels];
	if (++s->next_stream == s->params.n_streams)
		s->next_stream = 0;
	return item;
}

static void count(struct fer_gen_source *s, const struct item *item)
{
	const struct fer_gen_kind *kind = fer_gen_kind(item->kind);
	bool is_other = item->channel->esn && kind->verdict_esn != FER_OK;

	s->made.verdicts[is_other ? kind->verdict_esn : kind->verdict]++;
	s->made.packets++;
	s->made.kinds[item->kind]++;
	if (item->kind == 0)
		s->counters[item->stream]++;
}

// Makes one packet, or puts what has to be sealed into the batch and leaves NULL in its place.
static int next_packet(struct fer_gen_source *s, struct rte_mbuf **out)
{
	struct item item = next_item(s);
	uint8_t when = fer_gen_kind(item.kind)->when;

	*out = is_copied(when) ? take_copy(s, item.channel, when) : NULL;
	if (is_copied(when) && *out == NULL)
		item.kind = 0;
	if (*out == NULL) {
		*out = make_plain(s, &item);
		if (*out == NULL)
			return -1;
		if (item.channel->handle != 0 && when != FER_GEN_CLEAR) {
			s->sealed[s->batch.n] = item;
			s->batch.m[s->batch.n++] = *out;
			*out = NULL;
		}
	}
	count(s, &item);
	return 0;
}

int fer_gen_source_next(struct fer_gen_source *s, unsigned n, struct rte_mbuf *out[],
	char error[FER_GEN_ERROR_BYTES])
{
	unsigned n_sealed = 0, done = 0;
	int rc = 0;

	s->batch.n = 0;
	while (done < n && rc == 0)
		rc = next_packet(s, &out[done++]);
	if (rc != 0) {
		out[--done] = NULL;
		rte_pktmbuf_free_bulk(s->batch.m, s->batch.n);
		fer_gen_fail(error, "no buffers for packets");
	} else {
		rc = seal(s, error);
	}
	for (unsigned i = 0; i < done; i++)
		if (rc != 0)
			rte_pktmbuf_free(out[i]);
		else if (out[i] == NULL)
			out[i] = s->batch.m[n_sealed++];
	return rc;
}

// One packet of each channel takes its number before all others.
static int make_late(struct fer_gen_source *s, char error[FER_GEN_ERROR_BYTES])
{
	unsigned kind = chosen(s, FER_GEN_LATE);

	for (uint32_t c = 0; c < s->n_channels && kind != 0; c++) {
		struct channel *channel = &s->channels[c];

		s->sealed[0] =
			(struct item){.channel = channel, .stream = c, .kind = (uint8_t)kind};
		s->batch.n = 1;
		s->batch.m[0] = make_plain(s, &s->sealed[0]);
		if (s->batch.m[0] == NULL)
			return fer_gen_fail(error, "no buffers for packets");
		if (seal(s, error) != 0)
			return -1;
		channel->late = s->batch.m[0];
		channel->late_number = last_number(s, channel);
	}
	return 0;
}

static int open_channels(struct fer_gen_source *s, char error[FER_GEN_ERROR_BYTES])
{
	uint32_t n = s->params.doc == NULL ? 0 : s->params.doc->n_sas;

	s->channels = calloc(n + 1, sizeof(*s->channels));
	s->counters = calloc(s->params.n_streams, sizeof(*s->counters));
	if (s->channels == NULL || s->counters == NULL)
		return fer_gen_fail(error, "no memory for %u streams", s->params.n_streams);
	s->made.streams = s->counters;
	if (s->params.plain || s->params.doc == NULL)
		open_plain(s);
	else if (open_sealed(s, error) != 0)
		return -1;
	for (uint32_t c = 0; c < s->n_channels; c++)
		if (s->channels[c].selector.src.version != s->channels[c].selector.dst.version)
			return fer_gen_fail(error, "addresses of streams are of two IP versions");
	if (choose_kinds(s, error) != 0)
		return -1;
	return make_late(s, error);
}

struct fer_gen_source *fer_gen_source_create(const struct fer_gen_source_params *params,
	struct rte_mempool *pool, char error[FER_GEN_ERROR_BYTES])
{
	struct fer_gen_source *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		fer_gen_fail(error, "no memory");
		return NULL;
	}
	s->params = *params;
	s->pool = pool;
	s->random = fer_gen_mix(params->seed);
	s->batch.link = FER_LINK_ETHERNET;
	if (open_channels(s, error) == 0)
		return s;
	fer_gen_source_destroy(s);
	return NULL;
}

void fer_gen_source_destroy(struct fer_gen_source *s)
{
	for (uint32_t c = 0; s != NULL && c < s->n_channels; c++) {
		rte_pktmbuf_free(s->channels[c].again);
		rte_pktmbuf_free(s->channels[c].late);
	}
	if (s != NULL) {
		free(s->channels);
		free(s->counters);
	}
	free(s);
}

struct fer_gen_made fer_gen_source_made(const struct fer_gen_source *s)
{
	return s->made;
}

struct rte_mempool *fer_gen_source_pool(const struct fer_gen_source *s)
{
	return s->pool;
}
