// SPDX-License-Identifier: BSD-3-Clause
#include "nic/stages.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "sa/table.h"

static struct fer_sa *outbound(const struct fer_nic *nic, uint64_t handle)
{
	struct fer_sa *sa = fer_sa_get(nic->sas, handle);

	return sa != NULL && sa->direction == FER_OUT ? sa : NULL;
}

// Does the header of sa stand at off, with room for all that belongs to it before end?
static bool stands_at(const struct rte_mbuf *m, const struct fer_sa *sa, uint32_t off, uint32_t end)
{
	uint8_t room[4];
	uint32_t least = FER_ESP_HEADER_BYTES + sa->suite.iv_bytes + sa->suite.align_bytes +
			 sa->suite.icv_bytes;

	if (end > m->pkt_len || off > end || end - off < least)
		return false;
	const uint8_t *spi = rte_pktmbuf_read(m, off, sizeof(room), room);
	return spi != NULL && fer_load_be32(spi) == sa->spi;
}

static struct fer_layer layer_of(
	const struct fer_sa *sa, uint16_t ip_off, uint32_t sec_off, uint32_t end)
{
	return (struct fer_layer){
		.sa = sa->index,
		.generation = atomic_load_explicit(&sa->generation, memory_order_relaxed),
		.ip_off = ip_off,
		.sec_off = (uint16_t)sec_off,
		.pay_off = (uint16_t)(sec_off + FER_ESP_HEADER_BYTES + sa->suite.iv_bytes),
		.end = end,
	};
}

// Does the ESP header of sa stand at esp_off, behind the headers of the frame and, where the SA has
// that, in UDP?
static bool is_header_of(
	const struct fer_frame *f, const struct fer_sa *sa, unsigned udp_at, uint32_t esp_off)
{
	if ((sa->udp_at & udp_at) == 0)
		return f->protocol == FER_PROTO_ESP && esp_off == f->up_off;
	return f->protocol == FER_PROTO_UDP &&
	       esp_off == (uint32_t)f->up_off + FER_UDP_HEADER_BYTES;
}

static enum fer_verdict bind_single(
	struct fer_batch *b, unsigned i, const struct fer_sa *sa, uint32_t esp_off)
{
	struct fer_pkt *p = &b->pkt[i];
	uint32_t sec_off = p->frame.ip_off + esp_off;

	if (esp_off == 0 || !stands_at(b->m[i], sa, sec_off, p->frame.end))
		return FER_BAD_OFFSET;
	if (sa->udp_at != 0 && !is_header_of(&p->frame, sa, FER_UDP_OUTSIDE, sec_off))
		return FER_BAD_OFFSET;
	b->has_udp_sums |= sa->out.template.udp_sum;
	b->layer[i][0] = layer_of(sa, p->frame.ip_off, sec_off, p->frame.end);
	p->n_layers = 1;
	return FER_OK;
}

// Transport inside tunnel: the tunnel's header follows the outer IP header, or UDP; the other one
// is where slot 12 says, inside the IP packet that the tunnel carries.
static enum fer_verdict bind_nested(struct fer_batch *b, unsigned i, const struct fer_sa *inner,
	const struct fer_sa *tunnel, uint32_t esp_off)
{
	struct fer_pkt *p = &b->pkt[i];
	struct fer_frame outer = p->frame;
	uint32_t sec_off = outer.ip_off + esp_off;
	uint32_t tunnel_off = outer.up_off;

	if ((tunnel->udp_at & FER_UDP_OUTSIDE) != 0)
		tunnel_off += FER_UDP_HEADER_BYTES;
	if (!is_header_of(&outer, tunnel, FER_UDP_OUTSIDE, tunnel_off) ||
		!stands_at(b->m[i], tunnel, tunnel_off, outer.end))
		return FER_BAD_OFFSET;
	struct fer_layer around = layer_of(tunnel, outer.ip_off, tunnel_off, outer.end);
	fer_batch_parse_inner(b, i, around.pay_off, outer.end - tunnel->suite.icv_bytes);
	struct fer_frame inside = p->frame;
	p->frame = outer;
	if (inside.version == 0 || !is_header_of(&inside, inner, FER_UDP_INSIDE, sec_off) ||
		!stands_at(b->m[i], inner, sec_off, inside.end))
		return FER_BAD_OFFSET;
	b->layer[i][0] = layer_of(inner, inside.ip_off, sec_off, inside.end);
	b->layer[i][1] = around;
	b->has_udp_sums |= inner->out.template.udp_sum || tunnel->out.template.udp_sum;
	p->n_layers = 2;
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
		return bind_single(b, i, sa, fer_oob_esp_offset(o));
	const struct fer_sa *tunnel = outbound(nic, o->tunnel);
	if (tunnel == NULL)
		return FER_BAD_HANDLE;
	return bind_nested(b, i, sa, tunnel, fer_oob_esp_offset(o));
}

unsigned fer_bind_out(struct fer_nic *nic, struct fer_batch *b)
{
	unsigned n_rounds = 0;

	b->has_udp_sums = false;
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (!fer_pkt_alive(p))
			continue;
		p->n_layers = 0;
		p->verdict = (uint8_t)bind(nic, b, i);
		n_rounds = RTE_MAX(n_rounds, p->n_layers);
	}
	fer_batch_mark(b, FER_STAGE_BIND);
	return n_rounds;
}
