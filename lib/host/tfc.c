// SPDX-License-Identifier: BSD-3-Clause
#include "host/tfc.h"

#include "base/bytes.h"
#include "host/mtu.h"
#include "host/outer.h"
#include "nic/segment.h"
#include "proto/ip.h"

#define UDP_HEADER_BYTES 8

// How many bytes the payload of f says that it has; 0 where it says nothing that can be.
static uint32_t told_len(const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint32_t payload = f->end - f->up_off, len = 0;
	uint8_t head[6];

	if (!fer_segment_read(m, f->up_off, head, RTE_MIN(payload, (uint32_t)sizeof(head))))
		return 0;
	if (f->protocol == FER_PROTO_UDP && payload >= UDP_HEADER_BYTES)
		len = fer_load_be16(head + 4);
	else if (f->protocol == FER_PROTO_IPV4 && payload >= FER_IPV4_HEADER_BYTES)
		len = fer_load_be16(head + 2);
	else if (f->protocol == FER_PROTO_IPV6 && payload >= FER_IPV6_HEADER_BYTES)
		len = FER_IPV6_HEADER_BYTES + (uint32_t)fer_load_be16(head + 4);
	return len >= UDP_HEADER_BYTES && len <= payload ? len : 0;
}

static bool is_zero(const struct rte_mbuf *m, uint32_t off, uint32_t end)
{
	uint8_t room[64], any = 0;

	for (uint32_t n; any == 0 && off < end; off += n) {
		n = RTE_MIN(end - off, (uint32_t)sizeof(room));
		if (!fer_segment_read(m, off, room, n))
			return false;
		for (uint32_t i = 0; i < n; i++)
			any |= room[i];
	}
	return any == 0;
}

// Something else than padding may stand there: options of UDP (RFC 9868) are never all zeros.
uint32_t fer_tfc_end(const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint32_t len = f->fragment != 0 ? 0 : told_len(m, f);

	return len != 0 && is_zero(m, f->up_off + len, f->end) ? f->up_off + len : f->end;
}

// Would the other end know where the packet ends?  Of a dummy it need not.
static bool tells_length(const struct rte_mbuf *m, const struct fer_frame *f)
{
	if (f->protocol == FER_PROTO_NONE)
		return true;
	uint32_t len = f->sec_off == f->up_off ? told_len(m, f) : 0;

	return len != 0 && len == f->end - f->up_off;
}

// Longest packet that handle k of packet i and those around it make into one of up to mtu bytes.
static uint32_t longest(
	const struct fer_sa_table *sas, const struct fer_pkt *p, unsigned k, uint32_t mtu)
{
	uint64_t handle[RTE_DIM(p->handle)] = {0};

	for (unsigned h = k; h < RTE_DIM(handle); h++)
		handle[h] = p->handle[h];
	uint32_t len = fer_mtu_effective(sas, handle, p->frame.sec_off - p->frame.ip_off, mtu);
	return len == FER_MTU_ANY ? 0 : len; // one lives no more: the packet will not leave
}

// How long a packet of len bytes is to become.
static uint32_t padded(const struct fer_sa_table *sas, const struct fer_batch *b, unsigned i,
	unsigned k, uint32_t pad_to, uint32_t len)
{
	bool to_mtu = pad_to == FER_TFC_MTU;
	uint32_t otherwise = to_mtu ? FER_TFC_MTU_DEFAULT : FER_IPV4_MAX_BYTES;
	uint32_t most = longest(sas, &b->pkt[i], k, b->mtu != 0 ? b->mtu : otherwise);

	return to_mtu ? most : RTE_MIN(RTE_ALIGN_MUL_CEIL(len, pad_to), most);
}

enum fer_verdict fer_tfc_pad(const struct fer_sa_table *sas, struct fer_batch *b, unsigned i,
	unsigned k, const struct fer_sa *sa, struct rte_mempool *pool)
{
	struct fer_frame *f = &b->pkt[i].frame;
	uint32_t len = f->end - f->ip_off;

	if (sa->mode == FER_TRANSPORT && !tells_length(b->m[i], f))
		return FER_OK;
	uint32_t to = padded(sas, b, i, k, sa->out.pad_to, len);
	if (to <= len)
		return FER_OK;
	fer_segment_trim(b->m[i], f->end);
	if (!fer_segment_append_zeros(b->m[i], to - len, pool))
		return FER_NO_ROOM;
	f->end += to - len;
	return FER_OK;
}
