// SPDX-License-Identifier: BSD-3-Clause
#include "nic/status.h"

static enum fer_crypto_status auth_failed(uint8_t protocol, enum fer_mode mode)
{
	static const enum fer_crypto_status failed[2][2] = {
		[FER_TRANSPORT] = {FER_CRYPTO_TRANSPORT_AH_AUTH_FAILED,
			FER_CRYPTO_TRANSPORT_ESP_AUTH_FAILED},
		[FER_TUNNEL] = {FER_CRYPTO_TUNNEL_AH_AUTH_FAILED,
			FER_CRYPTO_TUNNEL_ESP_AUTH_FAILED},
	};

	return failed[mode][protocol == FER_PROTO_ESP];
}

enum fer_crypto_status fer_status_of(enum fer_verdict v, uint8_t protocol, enum fer_mode mode)
{
	switch (v) {
	case FER_OK:
		return FER_CRYPTO_SUCCESS;
	case FER_BAD_ICV:
		return auth_failed(protocol, mode);
	case FER_BAD_SYNTAX:
		return FER_CRYPTO_INVALID_PACKET_SYNTAX;
	case FER_BAD_PROTOCOL:
		return FER_CRYPTO_INVALID_PROTOCOL;
	default:
		return FER_CRYPTO_GENERIC_ERROR;
	}
}

uint32_t fer_status_of_send(enum fer_verdict v)
{
	switch (v) {
	case FER_OK:
		return FER_SEND_SUCCESS;
	case FER_NO_ROOM:
	case FER_TX_FULL:
		return FER_SEND_RESOURCES;
	case FER_TOO_BIG:
	case FER_TOO_LONG:
		return FER_SEND_INVALID_LENGTH;
	case FER_BAD_SHIM:
		return FER_SEND_INVALID_DATA;
	default:
		return FER_SEND_FAILURE;
	}
}
