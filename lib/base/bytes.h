// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Bytes of a packet or a file: loads and stores in network byte order at any alignment, and a
// cursor that cannot be moved past its end.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t fer_load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t fer_load_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t fer_load_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

// As they lie in memory: for bytes that are only compared.
static inline uint64_t fer_load_word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

// Two words in one register.
typedef uint64_t fer_pair __attribute__((vector_size(16)));

static inline fer_pair fer_load_pair(const void *p)
{
	fer_pair v;

	memcpy(&v, p, sizeof(v));
	return v;
}

// Is any bit set in both?
static inline bool fer_pairs_meet(fer_pair a, fer_pair b)
{
#ifdef __SSE4_1__
	typedef long long pair __attribute__((vector_size(16)));

	return __builtin_ia32_ptestz128((pair)a, (pair)b) == 0;
#else
	const fer_pair both = a & b;

	return (both[0] | both[1]) != 0;
#endif
}

static inline bool fer_pair_is_zero(fer_pair v)
{
	return !fer_pairs_meet(v, v);
}

static inline void fer_store_be16(uint8_t *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void fer_store_be32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void fer_store_be64(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

// Copies n = 8 to 32 bytes by moves that overlap; of a length it does not know, gcc makes a call or
// a string instruction, which costs more.
static inline void fer_copy_few(uint8_t *to, const uint8_t *from, size_t n)
{
	memcpy(to, from, 8);
	memcpy(to + n - 8, from + n - 8, 8);
	if (n <= 16)
		return;
	memcpy(to + 8, from + 8, 8);
	memcpy(to + n - 16, from + n - 16, 8);
}

// A place in a run of bytes.  Taking more than is left gives NULL and moves nothing, so a length
// read from a packet is safe to hand to it as it is.
struct fer_cursor {
	const uint8_t *at;
	const uint8_t *end;
};

static inline struct fer_cursor fer_cursor_init(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	return (struct fer_cursor){at, at + len};
}

static inline size_t fer_cursor_left(const struct fer_cursor *c)
{
	return (size_t)(c->end - c->at);
}

// The next len bytes, and the cursor behind them; NULL when there are fewer.
__attribute__((warn_unused_result)) static inline const uint8_t *fer_cursor_take(
	struct fer_cursor *c, size_t len)
{
	const uint8_t *p = c->at;

	if (len > fer_cursor_left(c))
		return NULL;
	c->at += len;
	return p;
}
