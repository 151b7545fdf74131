// SPDX-License-Identifier: BSD-3-Clause
#include "nic/lso.h"

#include "nic/checksum.h"
#include "nic/oob.h"
#include "nic/segment.h"
#include "nic/stages.h"
#include "proto/ah.h"
#include "proto/ip.h"
#include "proto/tcp.h"
#include "sa/table.h"

#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX 512 // that a segment repeats
#define IPV4_LEN_OFF 2
#define IPV4_ID_OFF 4
#define IPV6_LEN_OFF 4
#define ESP_SEQ_OFF 4
#define AH_SEQ_OFF 8
#define UDP_LEN_OFF 4
#define LSO_V2_IDS 0x7fffu

// The segments of one send, as many at a time as a batch has room for.
struct fer_lso {
	struct fer_batch batch;
};

// A large send, and what its segments have in common.  Offsets of headers that are not there are 0.
struct large {
	struct rte_mbuf *m;
	const struct fer_sa *sa; // NULL: it is not to be protected
	struct fer_frame frame;
	uint32_t udp_off;
	uint32_t ah_off;
	uint32_t esp_off;
	uint32_t tcp_off;
	uint32_t n_headers; // bytes in front of the data
	uint32_t n_data;
	uint32_t mss;
	uint32_t n; // segments
	struct fer_oob words;
	uint8_t headers[HEADERS_MAX];
};

struct fer_lso *fer_lso_create(void)
{
	return malloc(sizeof(struct fer_lso));
}

void fer_lso_destroy(struct fer_lso *l)
{
	free(l);
}

static bool is_large_send(const struct fer_batch *b, unsigned i)
{
	return fer_pkt_alive(&b->pkt[i]) && fer_oob_mss(fer_oob_of(b->m[i])) != 0;
}

// --- before anything else ---------------------------------------------------------------------

static uint32_t needed(const struct fer_oob *o)
{
	if ((o->lso & FER_OOB_LSO_V2) == 0)
		return FER_NIC_LSO_V1;
	return (o->lso & FER_OOB_LSO_IPV6) != 0 ? FER_NIC_LSO_V2_IPV6 : FER_NIC_LSO_V2_IPV4;
}

// Writes the length and the checksum that the host may leave to us.
static void complete_header(struct rte_mbuf *m, uint32_t ip_off)
{
	uint32_t len = m->pkt_len - ip_off, len_off = IPV4_LEN_OFF;
	uint8_t ip[IPV6_LEN_OFF + 2], field[2];

	if (!fer_segment_read(m, ip_off, ip, sizeof(ip)))
		return;
	if (ip[0] >> 4 == 6) {
		len -= RTE_MIN(len, (uint32_t)FER_IPV6_HEADER_BYTES);
		len_off = IPV6_LEN_OFF;
	}
	if (fer_load_be16(ip + len_off) == 0 && len <= UINT16_MAX) {
		fer_store_be16(field, (uint16_t)len);
		(void)!fer_segment_write(m, ip_off + len_off, field, sizeof(field));
	}
	(void)fer_checksum_header(m, ip_off); // IPv6 has none
}

void fer_lso_prepare(struct fer_batch *b, uint32_t may)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (!is_large_send(b, i))
			continue;
		if ((may & needed(fer_oob_of(b->m[i]))) == 0) {
			p->verdict = FER_NOT_CONFIGURED;
		} else if (p->parsed == FER_BAD_IP || p->parsed == FER_OK) {
			complete_header(b->m[i], p->l2_len);
			fer_batch_parse_one(b, i);
		}
	}
}

// --- reading a send ---------------------------------------------------------------------------

static bool is_version_right(const struct fer_oob *o, uint8_t version)
{
	bool is_v2 = (o->lso & FER_OOB_LSO_V2) != 0;

	return version == (is_v2 && (o->lso & FER_OOB_LSO_IPV6) != 0 ? 6 : 4);
}

// Finds the TCP header behind those of the SA.  False: something else is there.
static bool find_tcp(struct large *l)
{
	uint8_t protocol = l->frame.protocol, ah[FER_AH_FIXED_BYTES];
	uint32_t off = l->frame.up_off;

	if (l->sa != NULL && l->sa->udp_at != 0 && protocol == FER_PROTO_UDP) {
		l->udp_off = off;
		off += FER_UDP_HEADER_BYTES;
		protocol = FER_PROTO_ESP;
	}
	if (l->sa != NULL && protocol == FER_PROTO_AH) {
		if (!fer_segment_read(l->m, off, ah, sizeof(ah)))
			return false;
		l->ah_off = off;
		off += fer_ah_stated_bytes(ah);
		protocol = ah[0];
	}
	if (l->sa != NULL && protocol == FER_PROTO_ESP) {
		l->esp_off = off;
		off += l->sa->head_bytes;
		protocol = fer_oob_next_header(&l->words);
	}
	l->tcp_off = off;
	return protocol == FER_PROTO_TCP;
}

// Reads the headers, and says how much data is behind them.
static bool read_headers(struct large *l)
{
	uint32_t pad = l->esp_off != 0 ? fer_oob_pad_length(&l->words) : 0;
	uint8_t size;

	if (!fer_segment_read(l->m, l->tcp_off + FER_TCP_DATA_OFF, &size, 1))
		return false;
	l->n_headers = l->tcp_off + fer_tcp_stated_bytes(size);
	if (fer_tcp_stated_bytes(size) < FER_TCP_HEADER_BYTES || l->n_headers > HEADERS_MAX ||
		l->n_headers + pad >= l->frame.end)
		return false;
	l->n_data = l->frame.end - l->n_headers - pad;
	l->n = (l->n_data + l->mss - 1) / l->mss;
	return l->n_data <= FER_LSO_MAX_BYTES && l->n <= FER_LSO_MAX_SEGMENTS &&
	       fer_segment_read(l->m, 0, l->headers, l->n_headers);
}

// Are the headers where slot 12 says?
static bool has_its_offsets(const struct large *l)
{
	uint32_t ip_off = l->frame.ip_off;

	return fer_oob_esp_offset(&l->words) == (l->esp_off == 0 ? 0 : l->esp_off - ip_off) &&
	       fer_oob_ah_offset(&l->words) == (l->ah_off == 0 ? 0 : l->ah_off - ip_off);
}

// The low half of the number that was framed at off.
static uint32_t framed_number(const struct large *l, uint32_t off)
{
	return fer_load_be32(l->headers + off + (off == l->ah_off ? AH_SEQ_OFF : ESP_SEQ_OFF));
}

// Does the low half of a number pass its end within the first n segments?
static bool wraps(const struct large *l, uint32_t off, uint32_t n)
{
	return off != 0 && framed_number(l, off) > UINT32_MAX - (n - 1);
}

static enum fer_verdict read_send(
	const struct fer_nic *nic, struct fer_batch *b, unsigned i, struct large *l)
{
	const struct fer_oob *o = fer_oob_of(b->m[i]);
	const struct fer_pkt *p = &b->pkt[i];

	*l = (struct large){.m = b->m[i], .frame = p->frame, .mss = fer_oob_mss(o), .words = *o};
	if (p->parsed != FER_OK || p->frame.fragment != 0 || o->tunnel != 0 ||
		!is_version_right(o, p->frame.version))
		return FER_LARGE_SEND;
	if (o->ipsec != 0) {
		l->sa = fer_sa_get(nic->sas, o->ipsec);
		if (l->sa == NULL || l->sa->direction != FER_OUT)
			return FER_BAD_HANDLE;
	}
	if (!find_tcp(l) || !read_headers(l))
		return FER_LARGE_SEND;
	if (l->sa == NULL)
		return FER_OK;
	if (!has_its_offsets(l))
		return FER_BAD_OFFSET;
	if (!l->sa->suite.esn && (wraps(l, l->ah_off, l->n) || wraps(l, l->esp_off, l->n)))
		return FER_SEQ_EXHAUSTED;
	return FER_OK;
}

// --- segments ---------------------------------------------------------------------------------

static void add_number(uint8_t *field, uint32_t k)
{
	fer_store_be32(field, fer_load_be32(field) + k);
}

// Changes the headers of segment k, behind which n_behind bytes follow.
static void change_headers(const struct large *l, uint8_t *headers, uint32_t k, uint32_t n_behind)
{
	uint8_t *ip = headers + l->frame.ip_off;
	uint32_t ids = (l->words.lso & FER_OOB_LSO_V2) != 0 ? LSO_V2_IDS : UINT16_MAX;

	fer_ip_set_len(ip, l->n_headers - l->frame.ip_off + n_behind);
	if (l->frame.version == 4)
		fer_store_be16(
			ip + IPV4_ID_OFF, (uint16_t)((fer_load_be16(ip + IPV4_ID_OFF) + k) & ids));
	if (l->udp_off != 0) {
		uint8_t *udp = headers + l->udp_off;
		fer_store_be16(udp + UDP_LEN_OFF, (uint16_t)(l->n_headers - l->udp_off + n_behind));
		fer_store_be16(udp + FER_UDP_CKSUM_OFF, 0);
	}
	if (l->ah_off != 0)
		add_number(headers + l->ah_off + AH_SEQ_OFF, k);
	if (l->esp_off != 0)
		add_number(headers + l->esp_off + ESP_SEQ_OFF, k);
	fer_tcp_cut(headers + l->tcp_off, k * l->mss, k + 1 == l->n);
}

// Bytes of padding behind n bytes, header included.
static uint32_t padding(const struct large *l, uint32_t n)
{
	uint32_t align = l->sa->suite.align_bytes;

	return (align - (n + FER_ESP_TRAILER_BYTES) % align) % align;
}

// Appends padding, trailer, and room for the ICV.
static bool put_trailer(const struct large *l, struct rte_mbuf *m, uint32_t pad)
{
	uint8_t *at = fer_segment_grow_back(m, pad + l->sa->tail_bytes, l->m->pool);

	if (at == NULL)
		return false;
	memset(at, 0, pad + l->sa->tail_bytes);
	for (uint32_t i = 0; i < pad; i++)
		at[i] = (uint8_t)(i + 1);
	at[pad] = (uint8_t)pad;
	at[pad + 1] = fer_oob_next_header(&l->words);
	return true;
}

// Segment k, framed, with words of its own.  NULL: there is no buffer.
static struct rte_mbuf *make_segment(const struct large *l, uint32_t k)
{
	uint32_t len = RTE_MIN(l->mss, l->n_data - k * l->mss), pad = 0, tail = 0;
	struct rte_mbuf *m = fer_segment_cut(
		l->m, l->n_headers + k * l->mss, len, l->headers, l->n_headers, l->m->pool);

	if (m == NULL)
		return NULL;
	if (l->esp_off != 0) {
		pad = padding(l, l->n_headers - l->tcp_off + len);
		tail = pad + l->sa->tail_bytes;
	}
	change_headers(l, rte_pktmbuf_mtod(m, uint8_t *), k, len + tail);
	(void)fer_checksum_header(m, l->frame.ip_off);
	fer_checksum_tcp(m, l->frame.ip_off, l->tcp_off, l->n_headers + len);
	if (l->esp_off != 0 && !put_trailer(l, m, pad)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	*fer_oob_of(m) = (struct fer_oob){
		.ipsec = l->words.ipsec, .header = (l->words.header & ~0xff00u) | pad << 8};
	return m;
}

// Makes a batch of segments from the first-th on.  False: there are not enough buffers, and none
// is made.
static bool make_segments(const struct large *l, uint32_t first, struct fer_batch *b)
{
	uint32_t n = RTE_MIN(l->n - first, (uint32_t)FER_BATCH_MAX);

	for (b->n = 0; b->n < n; b->n++) {
		b->m[b->n] = make_segment(l, first + b->n);
		if (b->m[b->n] == NULL) {
			rte_pktmbuf_free_bulk(b->m, b->n);
			return false;
		}
	}
	return true;
}

// Marks the layers whose number lies behind a wrap: their high half is one more.
static void mark_wraps(const struct large *l, uint32_t first, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		for (unsigned k = 0; k < b->pkt[i].n_layers; k++) {
			struct fer_layer *layer = &b->round[k][i];

			if (wraps(l, layer->sec_off, first + i + 1))
				layer->seq = UINT64_C(1) << 32;
		}
}

// Protects a batch of segments.  If not all are, they are freed.
static enum fer_verdict protect(
	struct fer_nic *nic, const struct large *l, uint32_t first, struct fer_batch *b)
{
	enum fer_verdict v = FER_OK;

	fer_batch_parse(b);
	unsigned n_rounds = fer_bind_out(nic, b);
	mark_wraps(l, first, b);
	fer_crypt_seal(nic, b, n_rounds);
	for (unsigned i = 0; v == FER_OK && i < b->n; i++)
		v = (enum fer_verdict)b->pkt[i].verdict;
	if (v != FER_OK)
		rte_pktmbuf_free_bulk(b->m, b->n);
	return v;
}

// --- the whole of it --------------------------------------------------------------------------

// Puts segments that are done behind what there is of their send.
static void keep(
	struct fer_batch *b, unsigned i, struct rte_mbuf **head, const struct fer_batch *segments)
{
	for (unsigned k = 0; k < segments->n; k++) {
		fer_oob_clear(segments->m[k]);
		if (*head == NULL) {
			*head = segments->m[k];
			continue;
		}
		b->more_of[b->n_more] = (uint16_t)i;
		b->more[b->n_more++] = segments->m[k];
	}
}

static enum fer_verdict send_one(struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct fer_batch *segments = &nic->lso->batch;
	uint16_t before = b->n_more;
	struct rte_mbuf *head = NULL;
	struct large l;
	enum fer_verdict v = read_send(nic, b, i, &l);

	if (v == FER_OK && l.n - 1 > FER_BATCH_MORE - (uint32_t)before)
		v = FER_NO_ROOM;
	segments->link = b->link;
	segments->clock = NULL;
	segments->numbered.handle = 0;
	for (uint32_t first = 0; v == FER_OK && first < l.n; first += FER_BATCH_MAX) {
		v = FER_NO_ROOM;
		if (make_segments(&l, first, segments))
			v = protect(nic, &l, first, segments);
		if (v == FER_OK)
			keep(b, i, &head, segments);
	}
	if (v != FER_OK) {
		rte_pktmbuf_free_bulk(b->more + before, b->n_more - before);
		rte_pktmbuf_free(head);
		b->n_more = before;
		return v;
	}
	fer_oob_of(head)->lso = fer_oob_lso_done(l.words.lso, l.n_data);
	rte_pktmbuf_free(b->m[i]);
	b->m[i] = head;
	return FER_OK;
}

void fer_lso_send(struct fer_nic *nic, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (is_large_send(b, i))
			b->pkt[i].verdict = (uint8_t)send_one(nic, b, i);
}
