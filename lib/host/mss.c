// SPDX-License-Identifier: BSD-3-Clause
#include "host/mss.h"

#include "base/bytes.h"
#include "host/mtu.h"
#include "host/stages.h"
#include "nic/segment.h"
#include "proto/cksum.h"
#include "proto/tcp.h"
#include "sa/table.h"

#define TCP_MAX_BYTES 60

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2
#define OPTION_MSS_BYTES 4

// The most that one layer adds: an outer IPv6 header, ESP with the longest IV, padding and ICV.
#define WORST_LAYER_BYTES                                                                          \
	(FER_IPV6_HEADER_BYTES + FER_ESP_HEADER_BYTES + FER_ESP_MAX_IV_BYTES +                     \
		(FER_ESP_MAX_IV_BYTES - 1) + FER_ESP_TRAILER_BYTES + FER_ESP_MAX_ICV_BYTES)

static bool is_syn(const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint8_t room;

	if (likely(f->version == 0 || f->protocol != FER_PROTO_TCP || f->fragment != 0 ||
		    f->end - f->up_off < FER_TCP_HEADER_BYTES))
		return false;
	const uint8_t *flags = rte_pktmbuf_read(m, f->up_off + FER_TCP_FLAGS_OFF, 1, &room);
	return flags != NULL && (*flags & FER_TCP_SYN) != 0;
}

// Lowers the value at off.  Where it stands across two words, its bytes count the other way round
// in the checksum.
static bool lower(uint8_t *tcp, uint32_t off, uint16_t mss)
{
	uint16_t from = fer_load_be16(tcp + off), to = mss;
	uint16_t sum = fer_load_be16(tcp + FER_TCP_CKSUM_OFF);

	if (from <= to)
		return false;
	fer_store_be16(tcp + off, to);
	if (off % 2 != 0) {
		from = __builtin_bswap16(from);
		to = __builtin_bswap16(to);
	}
	fer_store_be16(tcp + FER_TCP_CKSUM_OFF, fer_cksum_update(sum, from, to));
	return true;
}

// Lowers the options of a TCP header of len bytes.
static bool lower_options(uint8_t *tcp, uint32_t len, uint16_t mss)
{
	bool changed = false;
	uint32_t size = 1;

	for (uint32_t off = FER_TCP_HEADER_BYTES; off < len && tcp[off] != OPTION_END;
		off += size) {
		size = 1;
		if (tcp[off] == OPTION_NOP)
			continue;
		if (off + 1 == len || tcp[off + 1] < 2 || tcp[off + 1] > len - off)
			break;
		size = tcp[off + 1];
		if (tcp[off] == OPTION_MSS && size == OPTION_MSS_BYTES)
			changed |= lower(tcp, off + 2, mss);
	}
	return changed;
}

bool fer_mss_clamp(struct rte_mbuf *m, const struct fer_frame *f, uint16_t mss)
{
	uint8_t tcp[TCP_MAX_BYTES];

	if (!is_syn(m, f) || !fer_segment_read(m, f->up_off, tcp, FER_TCP_HEADER_BYTES))
		return false;
	uint32_t len = fer_tcp_stated_bytes(tcp[FER_TCP_DATA_OFF]);
	if (len < FER_TCP_HEADER_BYTES || len > f->end - f->up_off ||
		!fer_segment_read(m, f->up_off, tcp, len))
		return false;
	return lower_options(tcp, len, mss) && fer_segment_write(m, f->up_off, tcp, len);
}

// Clamps to what fits into an IP packet of limit bytes, headers without options.
static void clamp_to(struct rte_mbuf *m, const struct fer_frame *f, uint32_t limit)
{
	uint32_t headers = FER_TCP_HEADER_BYTES +
			   (f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES);

	if (limit > headers)
		fer_mss_clamp(m, f, (uint16_t)RTE_MIN(limit - headers, (uint32_t)UINT16_MAX));
}

static uint32_t header_len(const struct fer_frame *f)
{
	return f->sec_off - f->ip_off;
}

void fer_mss_out(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	uint32_t mtu = rules->mtu[FER_OUT];

	if (!rules->clamp_mss || mtu == 0)
		return;
	for (unsigned i = 0; i < b->n; i++) {
		const struct fer_pkt *p = &b->pkt[i];

		if (fer_pkt_alive(p) && unlikely(is_syn(b->m[i], &p->frame)))
			clamp_to(b->m[i], &p->frame,
				fer_mtu_effective(
					host->sas, p->handle, header_len(&p->frame), mtu));
	}
}

// What fits on the way back through the groups that packet i came over: through the SAs with which
// they send, or if one has none, through the worst.
static uint32_t limit_back(
	const struct fer_sa_table *sas, const struct fer_batch *b, unsigned i, uint32_t mtu)
{
	const struct fer_pkt *p = &b->pkt[i];
	uint32_t worst = p->n_layers * (uint32_t)WORST_LAYER_BYTES;
	uint32_t limit = FER_MTU_ANY;
	uint64_t handle[2] = {0, 0}; // innermost first
	bool known = true;
	unsigned n = 0;

	for (unsigned k = p->n_layers; k-- > 0 && known;) {
		const struct fer_sa *sa = fer_sa_at(sas, b->round[k][i].sa);

		if (fer_sa_is_outside(sa)) // goes with the ESP behind it
			continue;
		uint64_t active = n < RTE_DIM(handle) ? fer_group_active(sas, sa->group) : 0;
		known = active != 0;
		if (known)
			handle[n++] = active;
	}
	if (known)
		limit = fer_mtu_effective(sas, handle, header_len(&p->frame), mtu);
	if (limit != FER_MTU_ANY)
		return limit;
	return mtu > worst ? mtu - worst : 0;
}

void fer_mss_in(struct fer_host *host, const struct fer_host_rules *rules, struct fer_batch *b)
{
	uint32_t mtu = rules->mtu[FER_OUT]; // of the way back

	if (!rules->clamp_mss || mtu == 0)
		return;
	for (unsigned i = 0; i < b->n; i++) {
		const struct fer_pkt *p = &b->pkt[i];

		if (fer_pkt_alive(p) && unlikely(is_syn(b->m[i], &p->frame)))
			clamp_to(b->m[i], &p->frame, limit_back(host->sas, b, i, mtu));
	}
}
