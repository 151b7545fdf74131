// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the contract's structures say, member by member, under the names that its documentation has.

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

// "OID_TCP_OFFLOAD_PARAMETERS", or of those that are not the contract's "SA_ADD"; NULL: no OID.
const char *fields_oid_name(uint32_t oid);

// The names that there are, one after the other; NULL behind the last.
const char *fields_name_at(unsigned i);

// The number of a name, with "OID_" and so on in front or without; 0: there is none.
uint32_t fields_oid(const char *name);

// Adds to o what the data of a completion of that OID say; nothing where they are not the
// contract's.
void fields_put(struct json_object *o, uint32_t oid, const void *data, size_t len);
