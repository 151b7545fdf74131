// SPDX-License-Identifier: BSD-3-Clause
#include "fields.h"

#include "print.h"

#include "ctl/codec.h"
#include "ctl/msg.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_NAME 96

static const struct {
	uint32_t oid;
	const char *name;
} oids[] = {
#define OID(name)                                                                                  \
	{                                                                                          \
		name, #name                                                                        \
	}
	OID(OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA), OID(OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX),
	OID(OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA), OID(OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA),
	OID(OID_TCP_OFFLOAD_CURRENT_CONFIG), OID(OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES),
	OID(OID_TCP_OFFLOAD_PARAMETERS), OID(OID_OFFLOAD_ENCAPSULATION),
#undef OID
#define PRIVATE(name, number, kind, takes, answers) {FER_MSG_##name, #name},
	FER_MSG_OIDS(PRIVATE)
#undef PRIVATE
};

const char *fields_oid_name(uint32_t oid)
{
	for (size_t i = 0; i < N(oids); i++)
		if (oids[i].oid == oid)
			return oids[i].name;
	return NULL;
}

const char *fields_name_at(unsigned i)
{
	return i < N(oids) ? oids[i].name : NULL;
}

// Is it the end of a name, from one of its words on?
static bool is_end_of(const char *word, const char *name)
{
	const size_t n = strlen(word), len = strlen(name);

	return n > 0 && n <= len && strcmp(name + len - n, word) == 0 &&
	       (n == len || name[len - n - 1] == '_');
}

// Of two names that end so, the shorter one is meant.
uint32_t fields_oid(const char *name)
{
	size_t best = SIZE_MAX;
	uint32_t oid = 0;

	for (size_t i = 0; i < N(oids); i++)
		if (is_end_of(name, oids[i].name) && strlen(oids[i].name) < best) {
			best = strlen(oids[i].name);
			oid = oids[i].oid;
		}
	return oid;
}

// --- members ----------------------------------------------------------------------------------

struct field {
	const char *name;
	uint16_t at;
	uint8_t bytes; // 1, 2 or 4
	uint8_t shift; // of a bit field
	uint8_t bits;  // 0: all of it
	bool hex;      // a mask
};

#define FLAG(name, at)                                                                             \
	{                                                                                          \
		name, at, 1, 0, 0, false                                                           \
	}
#define NUMBER(name, at)                                                                           \
	{                                                                                          \
		name, at, 4, 0, 0, false                                                           \
	}
#define MASK(name, at)                                                                             \
	{                                                                                          \
		name, at, 4, 0, 0, true                                                            \
	}
#define BITS(name, at, shift)                                                                      \
	{                                                                                          \
		name, at, 4, shift, 2, false                                                       \
	}
#define HEADER                                                                                     \
	{"Header.Type", 0, 1, 0, 0, true}, {"Header.Revision", 1, 1, 0, 0, false},                 \
	{                                                                                          \
		"Header.Size", 2, 2, 0, 0, false                                                   \
	}

// Section 2.13 of the contract, and the structures in it.
static const struct field offload[] = {
	HEADER,
	MASK("Checksum.IPv4Transmit.Encapsulation", 0x04),
	BITS("Checksum.IPv4Transmit.IpOptionsSupported", 0x08, 0),
	BITS("Checksum.IPv4Transmit.TcpOptionsSupported", 0x08, 2),
	BITS("Checksum.IPv4Transmit.TcpChecksum", 0x08, 4),
	BITS("Checksum.IPv4Transmit.UdpChecksum", 0x08, 6),
	BITS("Checksum.IPv4Transmit.IpChecksum", 0x08, 8),
	MASK("Checksum.IPv4Receive.Encapsulation", 0x0C),
	BITS("Checksum.IPv4Receive.IpOptionsSupported", 0x10, 0),
	BITS("Checksum.IPv4Receive.TcpOptionsSupported", 0x10, 2),
	BITS("Checksum.IPv4Receive.TcpChecksum", 0x10, 4),
	BITS("Checksum.IPv4Receive.UdpChecksum", 0x10, 6),
	BITS("Checksum.IPv4Receive.IpChecksum", 0x10, 8),
	MASK("Checksum.IPv6Transmit.Encapsulation", 0x14),
	BITS("Checksum.IPv6Transmit.IpExtensionHeadersSupported", 0x18, 0),
	BITS("Checksum.IPv6Transmit.TcpOptionsSupported", 0x18, 2),
	BITS("Checksum.IPv6Transmit.TcpChecksum", 0x18, 4),
	BITS("Checksum.IPv6Transmit.UdpChecksum", 0x18, 6),
	MASK("Checksum.IPv6Receive.Encapsulation", 0x1C),
	BITS("Checksum.IPv6Receive.IpExtensionHeadersSupported", 0x20, 0),
	BITS("Checksum.IPv6Receive.TcpOptionsSupported", 0x20, 2),
	BITS("Checksum.IPv6Receive.TcpChecksum", 0x20, 4),
	BITS("Checksum.IPv6Receive.UdpChecksum", 0x20, 6),
	MASK("LsoV1.IPv4.Encapsulation", 0x24),
	NUMBER("LsoV1.IPv4.MaxOffLoadSize", 0x28),
	NUMBER("LsoV1.IPv4.MinSegmentCount", 0x2C),
	BITS("LsoV1.IPv4.TcpOptions", 0x30, 0),
	BITS("LsoV1.IPv4.IpOptions", 0x30, 2),
	MASK("LsoV2.IPv4.Encapsulation", 0x50),
	NUMBER("LsoV2.IPv4.MaxOffLoadSize", 0x54),
	NUMBER("LsoV2.IPv4.MinSegmentCount", 0x58),
	MASK("LsoV2.IPv6.Encapsulation", 0x5C),
	NUMBER("LsoV2.IPv6.MaxOffLoadSize", 0x60),
	NUMBER("LsoV2.IPv6.MinSegmentCount", 0x64),
	BITS("LsoV2.IPv6.IpExtensionHeadersSupported", 0x68, 0),
	BITS("LsoV2.IPv6.TcpOptionsSupported", 0x68, 2),
	MASK("Flags", 0x6C),
	MASK("IPsecV2.Encapsulation", 0x70),
	FLAG("IPsecV2.IPv6Supported", 0x74),
	FLAG("IPsecV2.IPv4Options", 0x75),
	FLAG("IPsecV2.IPv6NonIPsecExtensionHeaders", 0x76),
	FLAG("IPsecV2.Ah", 0x77),
	FLAG("IPsecV2.Esp", 0x78),
	FLAG("IPsecV2.AhEspCombined", 0x79),
	FLAG("IPsecV2.Transport", 0x7A),
	FLAG("IPsecV2.Tunnel", 0x7B),
	FLAG("IPsecV2.TransportTunnelCombined", 0x7C),
	FLAG("IPsecV2.LsoSupported", 0x7D),
	FLAG("IPsecV2.ExtendedSequenceNumbers", 0x7E),
	MASK("IPsecV2.UdpEsp", 0x80),
	MASK("IPsecV2.AuthenticationAlgorithms", 0x84),
	MASK("IPsecV2.EncryptionAlgorithms", 0x88),
	NUMBER("IPsecV2.SaOffloadCapacity", 0x8C),
};

// Section 2.15.
static const struct field encapsulation[] = {
	HEADER,
	NUMBER("IPv4.Enabled", 0x04),
	MASK("IPv4.EncapsulationType", 0x08),
	NUMBER("IPv4.HeaderSize", 0x0C),
	NUMBER("IPv6.Enabled", 0x10),
	MASK("IPv6.EncapsulationType", 0x14),
	NUMBER("IPv6.HeaderSize", 0x18),
};

static void put_field(struct json_object *o, const struct field *f, const uint8_t *data)
{
	char text[16];
	uint32_t value = 0;

	memcpy(&value, data + f->at, f->bytes);
	if (f->bits != 0)
		value = value >> f->shift & ((1u << f->bits) - 1);
	snprintf(text, sizeof(text), "0x%" PRIx32, value);
	if (f->hex)
		put_text(o, f->name, text);
	else
		put_number(o, f->name, value);
}

// Members that a lower revision lacks are left out.
static void put_fields(struct json_object *o, const struct field fields[], size_t n,
	const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if ((size_t)fields[i].at + fields[i].bytes <= len)
			put_field(o, &fields[i], data);
}

static void put_handles(struct json_object *o, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len / sizeof(uint64_t); i++) {
		char name[MAX_NAME], text[32];
		uint64_t handle;

		memcpy(&handle, data + i * sizeof(handle), sizeof(handle));
		snprintf(name, sizeof(name), "OffloadHandle[%zu]", i);
		snprintf(text, sizeof(text), "0x%" PRIx64, handle);
		put_text(o, name, text);
	}
}

void fields_put(struct json_object *o, uint32_t oid, const void *data, size_t len)
{
	switch (oid) {
	case OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA:
	case OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX:
		put_handles(o, data, len);
		break;
	case OID_TCP_OFFLOAD_CURRENT_CONFIG:
	case OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES:
		put_fields(o, offload, N(offload), data, len);
		break;
	case OID_OFFLOAD_ENCAPSULATION:
		put_fields(o, encapsulation, N(encapsulation), data, len);
		break;
	default:
		break;
	}
}
