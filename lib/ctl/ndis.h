// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The control side of the IPsecOV2 contract: its OIDs, structures, status codes and indications, as
// a 64-bit Windows lays them out.  Constants keep the contract's names and structures keep them in
// lower case, so that its documentation can be searched for what stands here.
//
// Padding has its name, so that whoever fills a structure leaves nothing of the stack in it.  All
// integers are little-endian.  SPIs and addresses are in network byte order, as in a packet.
// A pointer becomes an offset: see Next in PROTOCOL.md.

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

// What nobody named, nobody fills.
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures are read as they lie");

// --- OIDs ---------------------------------------------------------------------------------------

#define OID_OFFLOAD_ENCAPSULATION 0x0101010Au
#define OID_TCP_OFFLOAD_CURRENT_CONFIG 0xFC01020Bu
#define OID_TCP_OFFLOAD_PARAMETERS 0xFC01020Cu
#define OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES 0xFC01020Du
#define OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA 0xFC030202u
#define OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA 0xFC030203u
#define OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA 0xFC030204u
#define OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX 0xFC030205u

// --- status codes -------------------------------------------------------------------------------

#define NDIS_STATUS_SUCCESS 0x00000000u
#define NDIS_STATUS_PENDING 0x00000103u
#define NDIS_STATUS_NOT_RECOGNIZED 0x00010001u
#define NDIS_STATUS_NOT_ACCEPTED 0x00010003u
#define NDIS_STATUS_INDICATION_REQUIRED 0x40230001u
#define NDIS_STATUS_BUFFER_OVERFLOW 0x80000005u
#define NDIS_STATUS_FAILURE 0xC0000001u
#define NDIS_STATUS_INVALID_PARAMETER 0xC000000Du
#define NDIS_STATUS_RESOURCES 0xC000009Au
#define NDIS_STATUS_NOT_SUPPORTED 0xC00000BBu
#define NDIS_STATUS_CLOSING 0xC0010002u
#define NDIS_STATUS_REQUEST_ABORTED 0xC001000Cu
#define NDIS_STATUS_RESET_IN_PROGRESS 0xC001000Du
#define NDIS_STATUS_CLOSING_INDICATING 0xC001000Eu
#define NDIS_STATUS_INVALID_LENGTH 0xC0010014u
#define NDIS_STATUS_INVALID_DATA 0xC0010015u
#define NDIS_STATUS_BUFFER_TOO_SHORT 0xC0010016u
#define NDIS_STATUS_INVALID_OID 0xC0010017u
#define NDIS_STATUS_SEND_ABORTED 0xC023000Cu
#define NDIS_STATUS_PAUSED 0xC023002Au
#define NDIS_STATUS_UNSUPPORTED_REVISION 0xC023002Cu

// Indications.  The third is misspelt in the contract itself.
#define NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG 0x40020006u
#define NDIS_STATUS_TASK_OFFLOAD_HARDWARE_CAPABILITIES 0x40020007u
#define NDIS_STATUS_OFFLOAD_ENCASPULATION_CHANGE 0x40020008u

// --- object header ------------------------------------------------------------------------------

#define NDIS_OBJECT_TYPE_DEFAULT 0x80u
#define NDIS_OBJECT_TYPE_BIND_PARAMETERS 0x86u
#define NDIS_OBJECT_TYPE_OID_REQUEST 0x96u
#define NDIS_OBJECT_TYPE_STATUS_INDICATION 0x98u
#define NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES 0xA0u
#define NDIS_OBJECT_TYPE_OFFLOAD 0xA7u
#define NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION 0xA8u

struct ndis_object_header {
	uint8_t type;
	uint8_t revision;
	uint16_t size; // of the structure of that revision; keys behind it do not count
};

// --- security associations ----------------------------------------------------------------------

#define IPSEC_OFFLOAD_V2_OPERATION_AH 1u
#define IPSEC_OFFLOAD_V2_OPERATION_ESP 2u

#define IPSEC_OFFLOAD_V2_AUTHENTICATION_MD5 0x00000001u
#define IPSEC_OFFLOAD_V2_AUTHENTICATION_SHA_1 0x00000002u
#define IPSEC_OFFLOAD_V2_AUTHENTICATION_SHA_256 0x00000004u
#define IPSEC_OFFLOAD_V2_AUTHENTICATION_AES_GCM_128 0x00000008u // AES-GMAC
#define IPSEC_OFFLOAD_V2_AUTHENTICATION_AES_GCM_192 0x00000010u
#define IPSEC_OFFLOAD_V2_AUTHENTICATION_AES_GCM_256 0x00000020u

#define IPSEC_OFFLOAD_V2_ENCRYPTION_NONE 0x00000001u
#define IPSEC_OFFLOAD_V2_ENCRYPTION_DES_CBC 0x00000002u
#define IPSEC_OFFLOAD_V2_ENCRYPTION_3_DES_CBC 0x00000004u
#define IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_128 0x00000008u
#define IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_192 0x00000010u
#define IPSEC_OFFLOAD_V2_ENCRYPTION_AES_GCM_256 0x00000020u
#define IPSEC_OFFLOAD_V2_ENCRYPTION_AES_CBC_128 0x00000040u
#define IPSEC_OFFLOAD_V2_ENCRYPTION_AES_CBC_192 0x00000080u
#define IPSEC_OFFLOAD_V2_ENCRYPTION_AES_CBC_256 0x00000100u

// Of ADD_SA.UdpEspEncapsulation (one of them) and NDIS_IPSEC_OFFLOAD_V2.UdpEsp (a mask).
#define IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_NONE 0x0u
#define IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TRANSPORT 0x1u
#define IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TUNNEL 0x2u
#define IPSEC_OFFLOAD_V2_TRANSPORT_OVER_UDP_ESP_ENCAPSULATION_TUNNEL 0x4u
#define IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TRANSPORT_OVER_TUNNEL 0x8u

#define IPSEC_OFFLOAD_V2_MAX_EXTENSION_HEADERS 2u
#define IPSEC_OFFLOAD_V2_INBOUND 0x00000001u // of ADD_SA.Flags
#define IPSEC_OFFLOAD_V2_IPV6 0x00000010u    // IPSEC_OFFLOAD_V2_IPv6 in the contract
#define IPSEC_OFFLOAD_V2_ESN_SA 0x1u         // of SECURITY_ASSOCIATION.Flags

#define NDIS_IPSEC_OFFLOAD_V2_ADD_SA_REVISION_1 1u
#define NDIS_IPSEC_OFFLOAD_V2_ADD_SA_EX_REVISION_1 1u
#define NDIS_IPSEC_OFFLOAD_V2_UPDATE_SA_REVISION_1 1u
#define NDIS_IPSEC_OFFLOAD_V2_DELETE_SA_REVISION_1 1u

// Through the last member; sizeof is taken as well.
#define NDIS_SIZEOF_IPSEC_OFFLOAD_V2_ADD_SA_REVISION_1 0xA9u
#define NDIS_SIZEOF_IPSEC_OFFLOAD_V2_ADD_SA_EX_REVISION_1 0xAAu
#define NDIS_SIZEOF_IPSEC_OFFLOAD_V2_UPDATE_SA_REVISION_1 0x1Cu
#define NDIS_SIZEOF_IPSEC_OFFLOAD_V2_DELETE_SA_REVISION_1 0x18u

struct ipsec_offload_v2_algorithm_info {
	uint32_t identifier; // one bit; all members 0: no algorithm
	uint32_t key_length; // bytes, salt included
	uint32_t key_offset_bytes;
	uint32_t additional_info; // AES-GCM: length of the ICV
};

struct ipsec_offload_v2_security_association {
	uint32_t flags;
	uint32_t operation;
	uint32_t spi;
	struct ipsec_offload_v2_algorithm_info authentication_algorithm;
	struct ipsec_offload_v2_algorithm_info encryption_algorithm;
	uint32_t sequence_number_high_order;
};

// An IPv4 address takes four bytes, and the destination follows the source at once.
union ipsec_offload_v2_endpoints {
	struct {
		uint8_t src_addr[4];
		uint8_t dest_addr[4];
	} ipv4;
	struct {
		uint8_t src_addr[16];
		uint8_t dest_addr[16];
	} ipv6;
};

struct ipsec_offload_v2_add_sa {
	struct ndis_object_header header;
	uint8_t padding[4];
	uint64_t next;
	uint32_t num_ext_hdrs;
	uint32_t flags;
	union ipsec_offload_v2_endpoints endpoints;
	uint64_t offload_handle; // out
	uint32_t udp_esp_encapsulation;
	struct ipsec_offload_v2_security_association sec_assoc[2];
	uint32_t key_length;
	uint8_t key_data[1]; // and on, key_length bytes
	uint8_t padding_2[7];
};

struct ipsec_offload_v2_add_sa_ex {
	struct ndis_object_header header;
	uint32_t num_ext_hdrs;
	uint32_t flags;
	union ipsec_offload_v2_endpoints endpoints;
	uint8_t padding[4];
	uint64_t offload_handle; // out
	uint32_t udp_esp_encapsulation;
	struct ipsec_offload_v2_security_association sec_assoc[2];
	uint32_t key_length;
	uint32_t key_offset; // from the start of the structure
	uint32_t source_switch_port_id;
	uint16_t vlan_id;
	uint8_t padding_2[6];
};

struct ipsec_offload_v2_update_sa {
	struct ndis_object_header header;
	uint8_t padding[4];
	uint64_t offload_handle;
	uint32_t operation;
	uint32_t spi;
	uint32_t sequence_number_high_order;
	uint8_t padding_2[4];
};

struct ipsec_offload_v2_delete_sa {
	struct ndis_object_header header;
	uint8_t padding[4];
	uint64_t next;
	uint64_t offload_handle;
};

// --- capabilities -------------------------------------------------------------------------------

#define NDIS_ENCAPSULATION_NOT_SUPPORTED 0x00u
#define NDIS_ENCAPSULATION_NULL 0x01u
#define NDIS_ENCAPSULATION_IEEE_802_3 0x02u
#define NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q 0x04u
#define NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q_IN_OOB 0x08u
#define NDIS_ENCAPSULATION_IEEE_LLC_SNAP_ROUTED 0x10u

struct ndis_ipsec_offload_v2 {
	uint32_t encapsulation;
	uint8_t ipv6_supported;
	uint8_t ipv4_options;
	uint8_t ipv6_non_ipsec_extension_headers;
	uint8_t ah;
	uint8_t esp;
	uint8_t ah_esp_combined;
	uint8_t transport;
	uint8_t tunnel;
	uint8_t transport_tunnel_combined;
	uint8_t lso_supported;
	uint8_t extended_sequence_numbers;
	uint8_t padding;
	uint32_t udp_esp;
	uint32_t authentication_algorithms;
	uint32_t encryption_algorithms;
	uint32_t sa_offload_capacity; // bundles
};

#define NDIS_OFFLOAD_NOT_SUPPORTED 0u
#define NDIS_OFFLOAD_SUPPORTED 1u
#define NDIS_OFFLOAD_SET_NO_CHANGE 0u
#define NDIS_OFFLOAD_SET_ON 1u
#define NDIS_OFFLOAD_SET_OFF 2u

#define NDIS_OFFLOAD_FLAGS_GROUP_CHECKSUM_CAPABILITIES 0x1u
#define IPSEC_OFFLOAD_V2_AND_TCP_CHECKSUM_COEXISTENCE 0x2u
#define IPSEC_OFFLOAD_V2_AND_UDP_CHECKSUM_COEXISTENCE 0x4u

// One of the four parts of the checksum capabilities.  Fields of two bits each, from bit 0: IPv4
// options (IPv6: extension headers), TCP options, TCP, UDP, and for IPv4 the header checksum.
struct ndis_checksum_part {
	uint32_t encapsulation;
	uint32_t fields;
};

struct ndis_tcp_ip_checksum_offload {
	struct ndis_checksum_part ipv4_transmit;
	struct ndis_checksum_part ipv4_receive;
	struct ndis_checksum_part ipv6_transmit;
	struct ndis_checksum_part ipv6_receive;
};

struct ndis_tcp_large_send_offload_v1 {
	uint32_t encapsulation;
	uint32_t max_offload_size;
	uint32_t min_segment_count;
	uint32_t options; // TcpOptions bits 0 and 1, IpOptions 2 and 3
};

struct ndis_tcp_large_send_offload_v2 {
	uint32_t ipv4_encapsulation;
	uint32_t ipv4_max_offload_size;
	uint32_t ipv4_min_segment_count;
	uint32_t ipv6_encapsulation;
	uint32_t ipv6_max_offload_size;
	uint32_t ipv6_min_segment_count;
	uint32_t ipv6_options; // IpExtensionHeadersSupported bits 0 and 1, TcpOptionsSupported 2
			       // and 3
};

// All revisions up to 4; what a lower one lacks is cut off at the end.
struct ndis_offload {
	struct ndis_object_header header;
	struct ndis_tcp_ip_checksum_offload checksum;
	struct ndis_tcp_large_send_offload_v1 lso_v1;
	uint8_t ipsec_v1[0x1C]; // 0: version 1 is not supported
	struct ndis_tcp_large_send_offload_v2 lso_v2;
	uint32_t flags;
	struct ndis_ipsec_offload_v2 ipsec_v2; // revision 2
	uint8_t rsc[4];                        // revision 3
	uint32_t encapsulated_gre[2];
	uint32_t encapsulated_vxlan[5]; // revision 4
	uint8_t encapsulation_types;
	uint8_t padding[3];
};

#define NDIS_OFFLOAD_REVISION_1 1u
#define NDIS_OFFLOAD_REVISION_2 2u
#define NDIS_OFFLOAD_REVISION_3 3u
#define NDIS_OFFLOAD_REVISION_4 4u
#define NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_1 0x70u
#define NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_2 0x90u // NDIS 6.1 and 6.20
#define NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3 0x9Cu // NDIS 6.30
#define NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_4 0xB1u // NDIS 6.50

// --- configuration ------------------------------------------------------------------------------

#define NDIS_OFFLOAD_PARAMETERS_NO_CHANGE 0u
#define NDIS_OFFLOAD_PARAMETERS_TX_RX_DISABLED 1u
#define NDIS_OFFLOAD_PARAMETERS_TX_ENABLED_RX_DISABLED 2u
#define NDIS_OFFLOAD_PARAMETERS_RX_ENABLED_TX_DISABLED 3u
#define NDIS_OFFLOAD_PARAMETERS_TX_RX_ENABLED 4u
#define NDIS_OFFLOAD_PARAMETERS_LSOV2_DISABLED 1u
#define NDIS_OFFLOAD_PARAMETERS_LSOV2_ENABLED 2u
#define NDIS_OFFLOAD_PARAMETERS_IPSECV2_DISABLED 1u
#define NDIS_OFFLOAD_PARAMETERS_IPSECV2_AH_ENABLED 2u
#define NDIS_OFFLOAD_PARAMETERS_IPSECV2_ESP_ENABLED 3u
#define NDIS_OFFLOAD_PARAMETERS_IPSECV2_AH_AND_ESP_ENABLED 4u
#define NDIS_OFFLOAD_PARAMETERS_SKIP_REGISTRY_UPDATE 1u // of Flags

struct ndis_offload_parameters {
	struct ndis_object_header header;
	uint8_t ipv4_checksum;
	uint8_t tcp_ipv4_checksum;
	uint8_t udp_ipv4_checksum;
	uint8_t tcp_ipv6_checksum;
	uint8_t udp_ipv6_checksum;
	uint8_t lso_v1;
	uint8_t ipsec_v1;
	uint8_t lso_v2_ipv4;
	uint8_t lso_v2_ipv6;
	uint8_t tcp_connection_ipv4;
	uint8_t tcp_connection_ipv6;
	uint8_t padding;
	uint32_t flags;
	uint8_t ipsec_v2; // revision 2
	uint8_t ipsec_v2_ipv4;
	uint8_t rsc_ipv4; // revision 3
	uint8_t rsc_ipv6;
	uint8_t encapsulated_packet_task_offload;
	uint8_t encapsulation_types;
	uint8_t padding_2[2];
	uint8_t encapsulation_protocol_parameters[4]; // revision 4
	uint8_t udp_segmentation[2];                  // revision 5: IPv4, IPv6
	uint8_t padding_3[2];
};

#define NDIS_OFFLOAD_PARAMETERS_REVISION_1 1u
#define NDIS_OFFLOAD_PARAMETERS_REVISION_2 2u
#define NDIS_OFFLOAD_PARAMETERS_REVISION_3 3u
#define NDIS_OFFLOAD_PARAMETERS_REVISION_4 4u
#define NDIS_OFFLOAD_PARAMETERS_REVISION_5 5u
#define NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1 0x14u
#define NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_2 0x16u
#define NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_3 0x1Au
#define NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_4 0x20u
#define NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_5 0x22u

struct ndis_offload_encapsulation_family {
	uint32_t enabled;            // NDIS_OFFLOAD_SET_
	uint32_t encapsulation_type; // when on: IEEE_802_3 or IEEE_LLC_SNAP_ROUTED
	uint32_t header_size;        // when on: bytes
};

struct ndis_offload_encapsulation {
	struct ndis_object_header header;
	struct ndis_offload_encapsulation_family ipv4;
	struct ndis_offload_encapsulation_family ipv6;
};

#define NDIS_OFFLOAD_ENCAPSULATION_REVISION_1 1u
#define NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1 0x1Cu

// --- every offset and size ----------------------------------------------------------------------

#define FER_AT(type, member, at) static_assert(offsetof(struct type, member) == (at), #type)
#define FER_SIZE(type, bytes) static_assert(sizeof(struct type) == (bytes), #type)

FER_AT(ndis_object_header, type, 0);
FER_AT(ndis_object_header, revision, 1);
FER_AT(ndis_object_header, size, 2);
FER_SIZE(ndis_object_header, 4);

FER_AT(ipsec_offload_v2_algorithm_info, identifier, 0x0);
FER_AT(ipsec_offload_v2_algorithm_info, key_length, 0x4);
FER_AT(ipsec_offload_v2_algorithm_info, key_offset_bytes, 0x8);
FER_AT(ipsec_offload_v2_algorithm_info, additional_info, 0xC);
FER_SIZE(ipsec_offload_v2_algorithm_info, 0x10);

FER_AT(ipsec_offload_v2_security_association, flags, 0x00);
FER_AT(ipsec_offload_v2_security_association, operation, 0x04);
FER_AT(ipsec_offload_v2_security_association, spi, 0x08);
FER_AT(ipsec_offload_v2_security_association, authentication_algorithm, 0x0C);
FER_AT(ipsec_offload_v2_security_association, encryption_algorithm, 0x1C);
FER_AT(ipsec_offload_v2_security_association, sequence_number_high_order, 0x2C);
FER_SIZE(ipsec_offload_v2_security_association, 0x30);

FER_AT(ipsec_offload_v2_add_sa, header, 0x00);
FER_AT(ipsec_offload_v2_add_sa, next, 0x08);
FER_AT(ipsec_offload_v2_add_sa, num_ext_hdrs, 0x10);
FER_AT(ipsec_offload_v2_add_sa, flags, 0x14);
FER_AT(ipsec_offload_v2_add_sa, endpoints, 0x18);
FER_AT(ipsec_offload_v2_add_sa, endpoints.ipv4.src_addr, 0x18);
FER_AT(ipsec_offload_v2_add_sa, endpoints.ipv4.dest_addr, 0x1C);
FER_AT(ipsec_offload_v2_add_sa, endpoints.ipv6.src_addr, 0x18);
FER_AT(ipsec_offload_v2_add_sa, endpoints.ipv6.dest_addr, 0x28);
FER_AT(ipsec_offload_v2_add_sa, offload_handle, 0x38);
FER_AT(ipsec_offload_v2_add_sa, udp_esp_encapsulation, 0x40);
FER_AT(ipsec_offload_v2_add_sa, sec_assoc, 0x44);
FER_AT(ipsec_offload_v2_add_sa, sec_assoc[1], 0x74);
FER_AT(ipsec_offload_v2_add_sa, key_length, 0xA4);
FER_AT(ipsec_offload_v2_add_sa, key_data, 0xA8);
FER_SIZE(ipsec_offload_v2_add_sa, 0xB0);

FER_AT(ipsec_offload_v2_add_sa_ex, header, 0x00);
FER_AT(ipsec_offload_v2_add_sa_ex, num_ext_hdrs, 0x04);
FER_AT(ipsec_offload_v2_add_sa_ex, flags, 0x08);
FER_AT(ipsec_offload_v2_add_sa_ex, endpoints, 0x0C);
FER_AT(ipsec_offload_v2_add_sa_ex, endpoints.ipv4.src_addr, 0x0C);
FER_AT(ipsec_offload_v2_add_sa_ex, endpoints.ipv4.dest_addr, 0x10);
FER_AT(ipsec_offload_v2_add_sa_ex, endpoints.ipv6.src_addr, 0x0C);
FER_AT(ipsec_offload_v2_add_sa_ex, endpoints.ipv6.dest_addr, 0x1C);
FER_AT(ipsec_offload_v2_add_sa_ex, offload_handle, 0x30);
FER_AT(ipsec_offload_v2_add_sa_ex, udp_esp_encapsulation, 0x38);
FER_AT(ipsec_offload_v2_add_sa_ex, sec_assoc, 0x3C);
FER_AT(ipsec_offload_v2_add_sa_ex, sec_assoc[1], 0x6C);
FER_AT(ipsec_offload_v2_add_sa_ex, key_length, 0x9C);
FER_AT(ipsec_offload_v2_add_sa_ex, key_offset, 0xA0);
FER_AT(ipsec_offload_v2_add_sa_ex, source_switch_port_id, 0xA4);
FER_AT(ipsec_offload_v2_add_sa_ex, vlan_id, 0xA8);
FER_SIZE(ipsec_offload_v2_add_sa_ex, 0xB0);

FER_AT(ipsec_offload_v2_update_sa, header, 0x00);
FER_AT(ipsec_offload_v2_update_sa, offload_handle, 0x08);
FER_AT(ipsec_offload_v2_update_sa, operation, 0x10);
FER_AT(ipsec_offload_v2_update_sa, spi, 0x14);
FER_AT(ipsec_offload_v2_update_sa, sequence_number_high_order, 0x18);
FER_SIZE(ipsec_offload_v2_update_sa, 0x20);

FER_AT(ipsec_offload_v2_delete_sa, header, 0x00);
FER_AT(ipsec_offload_v2_delete_sa, next, 0x08);
FER_AT(ipsec_offload_v2_delete_sa, offload_handle, 0x10);
FER_SIZE(ipsec_offload_v2_delete_sa, 0x18);

FER_AT(ndis_ipsec_offload_v2, encapsulation, 0x00);
FER_AT(ndis_ipsec_offload_v2, ipv6_supported, 0x04);
FER_AT(ndis_ipsec_offload_v2, ipv4_options, 0x05);
FER_AT(ndis_ipsec_offload_v2, ipv6_non_ipsec_extension_headers, 0x06);
FER_AT(ndis_ipsec_offload_v2, ah, 0x07);
FER_AT(ndis_ipsec_offload_v2, esp, 0x08);
FER_AT(ndis_ipsec_offload_v2, ah_esp_combined, 0x09);
FER_AT(ndis_ipsec_offload_v2, transport, 0x0A);
FER_AT(ndis_ipsec_offload_v2, tunnel, 0x0B);
FER_AT(ndis_ipsec_offload_v2, transport_tunnel_combined, 0x0C);
FER_AT(ndis_ipsec_offload_v2, lso_supported, 0x0D);
FER_AT(ndis_ipsec_offload_v2, extended_sequence_numbers, 0x0E);
FER_AT(ndis_ipsec_offload_v2, udp_esp, 0x10);
FER_AT(ndis_ipsec_offload_v2, authentication_algorithms, 0x14);
FER_AT(ndis_ipsec_offload_v2, encryption_algorithms, 0x18);
FER_AT(ndis_ipsec_offload_v2, sa_offload_capacity, 0x1C);
FER_SIZE(ndis_ipsec_offload_v2, 0x20);

FER_AT(ndis_checksum_part, encapsulation, 0x0);
FER_AT(ndis_checksum_part, fields, 0x4);
FER_AT(ndis_tcp_ip_checksum_offload, ipv4_transmit, 0x00);
FER_AT(ndis_tcp_ip_checksum_offload, ipv4_receive, 0x08);
FER_AT(ndis_tcp_ip_checksum_offload, ipv6_transmit, 0x10);
FER_AT(ndis_tcp_ip_checksum_offload, ipv6_receive, 0x18);
FER_SIZE(ndis_tcp_ip_checksum_offload, 0x20);
FER_AT(ndis_tcp_large_send_offload_v1, encapsulation, 0x0);
FER_AT(ndis_tcp_large_send_offload_v1, max_offload_size, 0x4);
FER_AT(ndis_tcp_large_send_offload_v1, min_segment_count, 0x8);
FER_AT(ndis_tcp_large_send_offload_v1, options, 0xC);
FER_SIZE(ndis_tcp_large_send_offload_v1, 0x10);
FER_AT(ndis_tcp_large_send_offload_v2, ipv4_encapsulation, 0x00);
FER_AT(ndis_tcp_large_send_offload_v2, ipv4_max_offload_size, 0x04);
FER_AT(ndis_tcp_large_send_offload_v2, ipv4_min_segment_count, 0x08);
FER_AT(ndis_tcp_large_send_offload_v2, ipv6_encapsulation, 0x0C);
FER_AT(ndis_tcp_large_send_offload_v2, ipv6_max_offload_size, 0x10);
FER_AT(ndis_tcp_large_send_offload_v2, ipv6_min_segment_count, 0x14);
FER_AT(ndis_tcp_large_send_offload_v2, ipv6_options, 0x18);
FER_SIZE(ndis_tcp_large_send_offload_v2, 0x1C);
FER_AT(ndis_offload, header, 0x00);
FER_AT(ndis_offload, checksum, 0x04);
FER_AT(ndis_offload, lso_v1, 0x24);
FER_AT(ndis_offload, ipsec_v1, 0x34);
FER_AT(ndis_offload, lso_v2, 0x50);
FER_AT(ndis_offload, flags, 0x6C);
FER_AT(ndis_offload, ipsec_v2, NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_1);
FER_AT(ndis_offload, rsc, NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_2);
FER_AT(ndis_offload, encapsulated_gre, 0x94);
FER_AT(ndis_offload, encapsulated_vxlan, NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3);
FER_AT(ndis_offload, encapsulation_types, 0xB0);
FER_SIZE(ndis_offload, 0xB4);

FER_AT(ndis_offload_parameters, header, 0x00);
FER_AT(ndis_offload_parameters, ipv4_checksum, 0x04);
FER_AT(ndis_offload_parameters, tcp_ipv4_checksum, 0x05);
FER_AT(ndis_offload_parameters, udp_ipv4_checksum, 0x06);
FER_AT(ndis_offload_parameters, tcp_ipv6_checksum, 0x07);
FER_AT(ndis_offload_parameters, udp_ipv6_checksum, 0x08);
FER_AT(ndis_offload_parameters, lso_v1, 0x09);
FER_AT(ndis_offload_parameters, ipsec_v1, 0x0A);
FER_AT(ndis_offload_parameters, lso_v2_ipv4, 0x0B);
FER_AT(ndis_offload_parameters, lso_v2_ipv6, 0x0C);
FER_AT(ndis_offload_parameters, tcp_connection_ipv4, 0x0D);
FER_AT(ndis_offload_parameters, tcp_connection_ipv6, 0x0E);
FER_AT(ndis_offload_parameters, flags, 0x10);
FER_AT(ndis_offload_parameters, ipsec_v2, 0x14);
FER_AT(ndis_offload_parameters, ipsec_v2_ipv4, 0x15);
FER_AT(ndis_offload_parameters, rsc_ipv4, 0x16);
FER_AT(ndis_offload_parameters, rsc_ipv6, 0x17);
FER_AT(ndis_offload_parameters, encapsulated_packet_task_offload, 0x18);
FER_AT(ndis_offload_parameters, encapsulation_types, 0x19);
FER_AT(ndis_offload_parameters, encapsulation_protocol_parameters, 0x1C);
FER_AT(ndis_offload_parameters, udp_segmentation, 0x20);
FER_SIZE(ndis_offload_parameters, 0x24);
// A revision ends where the next one goes on, or where its last member does.
FER_AT(ndis_offload_parameters, ipsec_v2, NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1);
FER_AT(ndis_offload_parameters, rsc_ipv4, NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_2);
FER_AT(ndis_offload_parameters, padding_2, NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_3);
FER_AT(ndis_offload_parameters, udp_segmentation, NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_4);
FER_AT(ndis_offload_parameters, padding_3, NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_5);

FER_AT(ndis_offload_encapsulation, header, 0x00);
FER_AT(ndis_offload_encapsulation, ipv4.enabled, 0x04);
FER_AT(ndis_offload_encapsulation, ipv4.encapsulation_type, 0x08);
FER_AT(ndis_offload_encapsulation, ipv4.header_size, 0x0C);
FER_AT(ndis_offload_encapsulation, ipv6.enabled, 0x10);
FER_AT(ndis_offload_encapsulation, ipv6.encapsulation_type, 0x14);
FER_AT(ndis_offload_encapsulation, ipv6.header_size, 0x18);
FER_SIZE(ndis_offload_encapsulation, 0x1C);

#undef FER_AT
#undef FER_SIZE

#pragma GCC diagnostic pop
