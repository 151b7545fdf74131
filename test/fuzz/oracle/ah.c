// SPDX-License-Identifier: BSD-3-Clause
// RFC 4302.
#include "ref.h"

#include <string.h>

#define HEADER 12

uint32_t ref_ah_bytes(const struct ref_sa *sa, const struct ref_choice *c, uint8_t version)
{
	uint32_t len = HEADER + sa->ah.integrity->iv_bytes + sa->ah.icv_bytes;
	uint32_t unit = version == 6 || c->ah_multiple_of_8 ? 8 : 4;

	return (len + unit - 1) / unit * unit;
}

// Over the whole packet, with the AH at off.  The IV in front of the ICV is covered: RFC 4543
// section 7.
static void make_icv(const struct ref_sa *sa, uint64_t seq, const struct ref_packet *p,
	uint32_t off, uint8_t *icv)
{
	static uint8_t text[REF_MAX_BYTES + 4];
	const struct ref_algo *a = sa->ah.integrity;
	uint32_t len = p->len;
	uint8_t *field = text + off + HEADER;

	memcpy(text, p->bytes, p->len);
	ref_mask(text, off);
	memset(field + a->iv_bytes, 0, sa->ah.icv_bytes);
	if (sa->esn) {
		ref_put32(text + len, (uint32_t)(seq >> 32));
		len += 4;
	}
	ref_mac(a, sa->ah.integrity_key, p->bytes + off + HEADER, text, len, icv, sa->ah.icv_bytes);
}

void ref_ah_seal(const struct ref_sa *sa, const struct ref_choice *c, struct ref_packet *p,
	uint32_t off, uint8_t next)
{
	uint8_t *ah = p->bytes + off;
	uint32_t iv = sa->ah.integrity->iv_bytes;
	uint32_t len = ref_ah_bytes(sa, c, p->bytes[0] >> 4);

	memset(ah, 0, len);
	ah[0] = next;
	ah[1] = (uint8_t)(len / 4 - 2);
	ref_put32(ah + 4, sa->ah.spi);
	ref_put32(ah + 8, (uint32_t)c->seq);
	memcpy(ah + HEADER, c->ah_iv, iv);
	make_icv(sa, c->seq, p, off, ah + HEADER + iv);
}

enum ref_end ref_ah_check(const struct ref_sa *sa, struct ref_choice *c, const struct ref_packet *p,
	uint32_t off, uint32_t *ah_len, uint8_t *next)
{
	const uint8_t *ah = p->bytes + off;
	uint32_t iv = sa->ah.integrity->iv_bytes, left = p->len - off;
	uint8_t icv[REF_MAX_ICV];

	if (left < HEADER + iv + sa->ah.icv_bytes)
		return REF_OTHER;
	*ah_len = (ah[1] + 2u) * 4;
	*next = ah[0];
	c->ah_multiple_of_8 = *ah_len % 8 == 0;
	if (*ah_len > left || *ah_len != ref_ah_bytes(sa, c, p->bytes[0] >> 4) ||
		ref_get16(ah + 2) != 0 || ref_get32(ah + 4) != sa->ah.spi ||
		ref_get32(ah + 8) != (uint32_t)c->seq)
		return REF_OTHER;
	memcpy(c->ah_iv, ah + HEADER, iv);
	make_icv(sa, c->seq, p, off, icv);
	return memcmp(icv, ah + HEADER + iv, sa->ah.icv_bytes) == 0 ? REF_OK : REF_BAD_ICV;
}
