// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A security association as the workers see it: one block of memory, reached by index, with the hot
// lines first and the expanded keys behind them.
//
// A bundle, ESP inside AH, is two blocks, each with protocol, SPI, numbers, window and suite of its
// own, so one header of a packet is always one block.  The head is that of ESP: handle, group and
// names are the head's, and lifetimes, counts and drops are the head's for both.
//
// Who writes what:
//   identity, template   the control thread, before publication; then nobody
//   out.seq              any worker, by one atomic operation per group of packets: numbers and
//                        what they went with
//   out.iv               any worker, by atomic operations, where those that it has run out (ivs.h)
//   in.replay, counts    any worker that holds in.lock, once per group of packets
//   life                 any worker and the control thread, by atomic or, at most three times in
//                        the life of the SA
//   told                 the control thread
//   drops                any worker, by relaxed adds; rarely touched
// A block whose generation is 0 or another than the handle's is not the SA that was asked for.
// Generation is written last (release) and read first (acquire).

#include "base/verdict.h"
#include "crypto/algo.h"
#include "crypto/key.h"
#include "proto/ip.h"
#include "proto/ipsec.h"
#include "proto/marks.h"
#include "sa/lifetime.h"
#include "sa/replay.h"
#include "sa/seq.h"

#include <rte_spinlock.h>

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define FER_SA_INLINE_WINDOW 1024 // packets; a wider window has a block of its own
#define FER_NO_GROUP UINT32_MAX
#define FER_NO_SA_INDEX UINT32_MAX

// Where an SA has a UDP header in front of ESP (RFC 3948): as the outermost layer of a packet, and
// inside another layer.
#define FER_UDP_OUTSIDE 0x1
#define FER_UDP_INSIDE 0x2

struct fer_udp_out;

// Is an outbound SA as most are?  A plain one is of tunnel mode, not in UDP, part of no bundle, has
// neither padding nor dummies, and an ICV of FER_SA_PLAIN_ICV_BYTES at least.  It can carry every
// IP packet that is not too long, so no packet has to be looked at for that.
enum fer_sa_plain {
	FER_SA_NOT_PLAIN,
	FER_SA_PLAIN,
	FER_SA_PLAIN_ESP4, // plain, and ESP over IPv4
};

#define FER_SA_PLAIN_ICV_BYTES 8

// Outbound tunnel: everything of the outer header that is the same for all packets.  Its length
// field is that of the header alone, identification, DSCP and ECN are 0, and its checksum is right
// for these values, so that the setters of proto/ip.h can update it.
struct fer_sa_template {
	uint8_t ip[FER_IPV6_HEADER_BYTES];
	uint8_t ip_bytes; // 20, 40; 0 in transport mode
	uint8_t version;  // of ip
	uint8_t growth;   // ip, UDP header, and what is in front of the payload
	uint8_t plain;    // enum fer_sa_plain
	struct fer_outer_rules rules;
	struct fer_tunnel_marks marks; // what the rules make of those of a packet
	uint8_t udp_bytes; // of the UDP header between ip, or that of transport mode, and ESP; 0:
			   // none
	bool udp_sum;      // that header has a checksum other than 0
};

struct fer_sa {
	// Identity.
	_Atomic uint32_t generation; // 0: not live
	uint32_t index;
	uint32_t spi;      // host order
	uint32_t group;    // FER_NO_GROUP: no policy sends with it or accepts from it
	uint32_t partner;  // index of the other block of a bundle; FER_NO_SA_INDEX: no bundle
	uint8_t dst[16];   // as in struct fer_addr; all 0: any
	uint8_t version;   // of dst and src
	uint8_t protocol;  // FER_PROTO_ESP or FER_PROTO_AH
	uint8_t direction; // enum fer_direction
	uint8_t mode;      // enum fer_mode; of a bundle's AH always transport: it adds no IP header
	uint8_t head_bytes; // in front of the payload: ESP header and IV, or AH as we send it
	uint8_t tail_bytes; // behind payload and padding: trailer and ICV of ESP
	struct fer_suite suite;
	_Atomic uint8_t life; // enum fer_life: what is over, whether there are limits, is it active
	uint8_t told;         // which of it the control thread knows
	uint8_t udp_at;       // FER_UDP_OUTSIDE, FER_UDP_INSIDE
	uint16_t udp_port;    // inbound: to which its datagrams go
	bool contract;        // a contract host has it: numbers, keys and mode are its affair
	_Atomic uint8_t hint; // enum fer_mode of the last packet of a contract SA that verified

	union {
		struct {
			alignas(64) struct fer_sa_template template;
			uint16_t pad_to; // of struct fer_tfc
			uint8_t dummy;   // place among those that send dummies; 0: none
			alignas(64) struct fer_seq seq; // and IP packets before protection
			_Atomic uint64_t iv; // next IV of a counter mode that no worker has
			uint8_t src[16];
			struct fer_udp_out *udp;              // NULL: no ESP in UDP; see sa/udp.h
			alignas(64) struct fer_limits limits; // if life says that there are any
		} out;
		struct {
			alignas(64) rte_spinlock_t lock;
			struct fer_replay replay;
			uint64_t packets;
			uint64_t bytes; // of the IP packets after their protection is off
			uint8_t src[16];
			alignas(64) uint64_t window[FER_SA_INLINE_WINDOW / 64];
		} in;
	};

	alignas(64) _Atomic uint32_t drops[FER_N_SA_VERDICTS - 1]; // low halves; none of FER_OK

	alignas(64) uint8_t key[]; // struct fer_key
};

static_assert(sizeof(struct fer_sa) == 5 * 64, "an SA is five lines and its keys");
static_assert(offsetof(struct fer_sa, drops) == 4 * 64, "no packet that passes touches drops");

// Can no limit stop the SA: has it none in packets and bytes, and has it not stopped already?  Such
// an SA needs neither fer_life_take() nor fer_life_accept(): fer_seq_take_plenty(), as long as that
// gives numbers, and fer_life_accept_free() do.
static inline bool fer_life_is_free(const struct fer_sa *sa)
{
	unsigned life = atomic_load_explicit(&sa->life, memory_order_relaxed);

	return (life & (FER_LIFE_HARD | FER_LIFE_COUNTED)) == 0;
}

// Takes a packet of len bytes out of the counts again: it got a number, but was not sent.
static inline void fer_life_give_back(struct fer_sa *sa, uint32_t len)
{
	fer_seq_give_back(&sa->out.seq, len);
}

// Gives the receive lock back.  A store does, and what rte_spinlock_unlock() has on x86 is an
// exchange, which waits for every store before it.
static inline void fer_sa_unlock_in(struct fer_sa *sa)
{
	__atomic_store_n(&sa->in.lock.locked, 0, __ATOMIC_RELEASE);
}

// The receive lock is held: nobody else writes, but others may read.
static inline void fer_life_count_in(struct fer_sa *sa, uint32_t n, uint64_t bytes)
{
	__atomic_store_n(&sa->in.packets, sa->in.packets + n, __ATOMIC_RELAXED);
	__atomic_store_n(&sa->in.bytes, sa->in.bytes + bytes, __ATOMIC_RELAXED);
}

// Counts n opened packets of so many bytes together.  False, with nothing counted, when the SA has
// limits or has stopped: then fer_life_accept() says how many may go on.  The receive lock is held.
__attribute__((warn_unused_result)) static inline bool fer_life_accept_free(
	struct fer_sa *sa, uint32_t n, uint64_t bytes)
{
	if (!fer_life_is_free(sa))
		return false;
	fer_life_count_in(sa, n, bytes);
	return true;
}

// Is it the AH of a bundle?
static inline bool fer_sa_is_outside(const struct fer_sa *sa)
{
	return sa->protocol == FER_PROTO_AH && sa->partner != FER_NO_SA_INDEX;
}

// As struct fer_addr has it; of a tunnel whose peer moved, as it was at first.
static inline const uint8_t *fer_sa_src(const struct fer_sa *sa)
{
	return sa->direction == FER_OUT ? sa->out.src : sa->in.src;
}

static inline const struct fer_key *fer_sa_key(const struct fer_sa *sa)
{
	return (const struct fer_key *)sa->key;
}

struct fer_ah_params {
	uint32_t spi; // 0: there is no AH
	const struct fer_algo *integrity;
	const uint8_t *key; // with salt
	uint64_t sequence;  // as that of ESP
};

// What makes an SA: the host half's parameters and the contract's.  ESP, AH, or both.  Nothing of
// it is kept by pointer; the caller wipes the keys.
struct fer_sa_params {
	enum fer_direction direction;
	enum fer_mode mode;
	uint32_t spi;                      // of ESP; 0: there is no ESP
	uint32_t group;                    // FER_NO_GROUP, or below the table's n_groups
	struct fer_addr src, dst;          // of one version
	const struct fer_algo *encryption; // of ESP, as the next four
	const struct fer_algo *integrity;  // NULL with AEAD
	unsigned icv_bytes;                // 0: the usual length
	const uint8_t *encryption_key;     // key and salt; NULL where the row has none
	const uint8_t *integrity_key;
	struct fer_ah_params ah;
	bool esn;      // of both headers, as the window
	bool contract; // a contract host has it, which gives and judges numbers, and answers for
		       // keys: of sequence only the high half counts, and all numbers have it
		       // until fer_sa_update_high()
	uint64_t sequence;      // out: last number used; in: everything up to it counts as seen
	uint32_t replay_window; // in: packets, 0 to FER_REPLAY_MAX_PKTS
	struct fer_outer_rules outer; // out tunnels
	struct fer_tfc tfc;           // out
	uint8_t udp_at;               // FER_UDP_OUTSIDE, FER_UDP_INSIDE; 0: no ESP in UDP
	struct fer_udp udp;           // its ports; of a host that frames by itself dport at most
	struct fer_lifetime lifetime;
};
